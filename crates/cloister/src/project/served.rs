//! Which verbs serve which actions.
//!
//! Invariant: an action is asked for by the verbs that stand here, and each of them exists; a test compares this list with the
//! actions of the policies and with the command line. An action that no verb serves yet is on the test's own list, by name.

use cloister_access::Action;

/// The verbs that ask for an action, as they are typed; none where nothing does yet.
#[must_use]
pub fn verbs(action: Action) -> &'static [&'static str] {
    match action {
        Action::Init => &["init"],
        Action::ProjectRead => &["access list", "access who-can", "access why", "access policy show"],
        Action::Ingest => &["ingest --into", "protect --into"],
        Action::Protect => &["protect --into"],
        Action::Train => &["train", "budget end"],
        Action::DatasetExport => &["release"],
        Action::SubjectFind => &["subject find"],
        Action::SubjectExport => &["subject export"],
        Action::SubjectErase => &["subject erase"],
        Action::BudgetRead => &["budget show"],
        Action::BudgetSet => &["budget limit"],
        Action::MemberChange => &["access add", "access roles"],
        Action::MemberDisable => &["access disable"],
        Action::GrantRequest => &["access request"],
        Action::BreakGlassRequest => &["access request --emergency"],
        Action::GrantApprove => &["access approve"],
        Action::GrantRevoke => &["access revoke"],
        Action::PolicyPropose => &["access policy propose"],
        Action::PolicyApprove => &["access policy approve"],
        Action::PolicyApply => &["access policy apply"],
        Action::LogRead => &["log show", "log export"],
        Action::LogProve => &["log prove"],
        Action::LogVerify => &["log verify", "log fsck"],
        Action::LogAnchor => &["log anchor"],
        _ => &[],
    }
}
