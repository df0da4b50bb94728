//! Advice on errors of a project: of its door, its vault and its rules.
//!
//! A denial and a secret that does not open are exit 5; what is not what was written is exit 4.

use std::io;

use cloister_access::Error as AccessError;
use cloister_vault::Error as VaultError;

use super::{Advice, advice, bare, file, storage};
use crate::cli::Exit;
use crate::project::{Denied, Error};

pub(super) fn project(error: &Error) -> Advice {
    match error {
        Error::File(inner) => file(inner),
        Error::Vault(inner) => vault(inner),
        Error::Access(inner) => access(inner),
        Error::Denied(denied) => advice(Exit::Denied, refusal(denied)),
        Error::NoProject { .. } => {
            advice(Exit::Usage, "make one with `cloister init`, or name its folder with --project DIR")
        }
        Error::Exists { .. } => advice(Exit::Usage, "name another folder with --project DIR"),
        Error::Broken { .. } => advice(
            Exit::Broken,
            "files of the project were changed, mixed or put back: restore all of .cloister from one moment, or ask who did it",
        ),
        Error::OtherVersion { .. } => {
            advice(Exit::Usage, "use the version of cloister that made the project, or a later one")
        }
        Error::Stranger => advice(Exit::Denied, "ask an owner to add you: cloister access add ID"),
        Error::NoPreset { .. } => advice(Exit::Usage, "the presets are gdpr, hipaa, ccpa and minimal"),
        Error::Name => advice(Exit::Usage, "write it in plain letters, on one line"),
        Error::Unknown { .. } => advice(Exit::Usage, "`cloister access list` shows what there is"),
        Error::Taken { .. } => advice(Exit::Usage, "choose another"),
        Error::SecretTaken => {
            advice(Exit::Usage, "each member has a secret of their own: choose another passphrase or key file")
        }
        Error::Wider { .. } => {
            advice(Exit::Denied, "name a new dataset with --into: it gets the purposes of what it is made from")
        }
        Error::NotScrubbed => advice(Exit::Failed, "end other work on the project, and run the command again"),
        Error::NoRun { .. } => advice(
            Exit::Usage,
            "repeat the command that was stopped, or leave --resume out; cloister budget show NAME lists the runs",
        ),
        Error::Sampling => advice(Exit::Usage, "leave --sampling out: Poisson sampling is counted"),
        Error::LastOwner { .. } => {
            advice(Exit::Usage, "make somebody else an owner first: cloister access roles ID --roles owner")
        }
        Error::NotRemembered { .. } => advice(
            Exit::Failed,
            "what was asked for is done; make the folder of CLOISTER_HOME writable, or anchor the log elsewhere",
        ),
    }
}

/// What to do about a denial: the first way that the reasons name.
fn refusal(denied: &Denied) -> String {
    let Denied { action, resource, .. } = denied;
    if denied.is_by("fresh-second-factor") {
        return "open the project with your passphrase, typed now: a key file alone shows no text".into();
    }
    if denied.is_by("disabled-account") {
        return "ask an owner".into();
    }
    if denied.is_by("no-own-approval") || denied.is_by("no-own-policy") {
        return "somebody else has to approve it".into();
    }
    if denied.is_by("policy-four-eyes") {
        return "somebody else approves it first: cloister access policy approve PROPOSAL".into();
    }
    let by_grant = ["four-eyes", "special-categories", "log-key"].iter().any(|policy| denied.is_by(policy));
    let nothing_said = denied.decision.policies.is_empty() && denied.decision.errors.is_empty();
    if by_grant || (nothing_said && action.is_grantable()) {
        return format!(
            "ask for a grant: cloister access request --act {action} --on {resource} --purpose PURPOSE, then give it with --grant"
        );
    }
    if nothing_said {
        return format!("ask whoever may: cloister access who-can {action} {resource}");
    }
    format!("see cloister access why {action} {resource}")
}

pub(super) fn vault(error: &VaultError) -> Advice {
    use VaultError as E;
    match error {
        E::Read { source, .. } => match source.kind() {
            io::ErrorKind::NotFound => advice(Exit::Usage, "check the spelling of the path"),
            io::ErrorKind::PermissionDenied => advice(Exit::Failed, "check the permissions of the file"),
            _ => bare(Exit::Failed),
        },
        E::Write { source, .. } | E::Stream(source) => storage(source),
        E::Exists { .. } => advice(Exit::Usage, "choose another name"),
        E::Busy { .. } => advice(Exit::Failed, "wait until the other process ends"),
        E::DoesNotUnseal => {
            advice(Exit::Denied, "check the passphrase or the key file; if it is right, the key ring was changed")
        }
        E::TooManyTries { seconds } => advice(Exit::Denied, format!("wait {seconds} s; nothing was tried")),
        E::NoSlot { provider } => {
            advice(Exit::Denied, format!("nobody of this project has a {provider}: open it with what you have"))
        }
        E::OpenToOthers { .. } => advice(Exit::Usage, "chmod 600 it: whoever has the key opens the project"),
        E::LastSlot => advice(Exit::Usage, "add somebody else first"),
        E::NotHardened { .. } => advice(Exit::Failed, "run it where a process may protect its memory"),
        E::OutOfTree { .. } => advice(Exit::Usage, "`cloister log show` shows which entries there are"),
        E::NotAppendOnly { .. } => advice(
            Exit::Broken,
            "the project is older than one that was seen here, or another: find the newer one before anything is done",
        ),
        E::NewerSchema { .. } => advice(Exit::Usage, "use a later version of cloister"),
        E::NoRow { .. } => advice(Exit::Usage, "`cloister access list` shows what there is"),
        E::NoKey { .. } | E::RetiredKey { .. } => {
            advice(Exit::Usage, "the data has no key for this purpose, or none any more")
        }
        E::Database { code, .. } => database(code),
        E::NotCommitted { source } | E::Unpublished { source } => {
            let cause = vault(source);
            advice(cause.exit, cause.hint.unwrap_or_else(|| "nothing was done; run the command again".into()))
        }
        E::Damaged { .. } | E::Malformed { .. } | E::LogRow { .. } | E::Row { .. } => broken(),
        E::Unsigned | E::BadSignature { .. } | E::OtherLog { .. } | E::Proof { .. } | E::AmbiguousKey { .. } => {
            broken()
        }
        E::WrongKeyOrContext | E::OtherKek { .. } | E::KeyDoesNotOpen | E::DamagedChunk { .. } | E::Truncated => {
            broken()
        }
        E::OverBudget { largest: 0, .. } => advice(
            Exit::Refused,
            "nothing of this plan fits: lower --epsilon, or ask the data protection officer; cloister budget show NAME",
        ),
        E::OverBudget { largest, .. } => advice(
            Exit::Refused,
            format!(
                "{largest} of its steps fit with the same noise; a lower --epsilon has more noise; cloister budget show NAME"
            ),
        ),
        E::NoLimit { .. } => advice(Exit::Refused, "set one: cloister budget limit NAME --epsilon E"),
        E::Plan { .. } => advice(Exit::Usage, "see the limit with cloister budget show NAME"),
        E::Reservation { .. } => advice(Exit::Usage, "see the runs with cloister budget show NAME"),
        E::NoQuorum => advice(Exit::Broken, "ask the witnesses for their signatures"),
        _ => bare(Exit::Failed),
    }
}

fn broken() -> Advice {
    advice(
        Exit::Broken,
        "files of the project were changed: restore all of .cloister from one moment, or ask who did it",
    )
}

/// What the database's code says: SQLite's own names.
fn database(code: &str) -> Advice {
    let begins = |names: &[&str]| names.iter().any(|name| code.starts_with(name));
    match () {
        () if begins(&["DatabaseCorrupt", "NotADatabase", "TypeMismatch"]) => broken(),
        () if begins(&["ReadOnly", "CannotOpen", "PermissionDenied"]) => {
            advice(Exit::Failed, "the folder of the project must be writable: what cannot be logged is not done")
        }
        () if begins(&["DiskFull"]) => advice(Exit::Failed, "free some space; nothing was done"),
        () if begins(&["DatabaseBusy", "DatabaseLocked"]) => advice(Exit::Failed, "wait until the other process ends"),
        () => bare(Exit::Failed),
    }
}

pub(super) fn access(error: &AccessError) -> Advice {
    match error {
        AccessError::Policy { .. } | AccessError::PoliciesTooLong { .. } => {
            advice(Exit::Usage, "nothing was changed; see docs/guides/project.md for what policies can say")
        }
        AccessError::Cases { .. } => advice(Exit::Usage, "see docs/guides/project.md for what a case holds"),
        AccessError::Refused(_) => {
            advice(Exit::Usage, "nothing was changed; `cloister access list` shows where it stands")
        }
        AccessError::Embedded { .. } => bare(Exit::Failed),
        AccessError::Entities { .. } => broken(),
        _ => advice(Exit::Usage, "see `cloister access --help`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_broken_and_what_does_not_open_is_denied() {
        let exit = |error: VaultError| super::super::advise(&anyhow::Error::from(Error::Vault(error))).exit;
        assert_eq!(exit(VaultError::DoesNotUnseal), Exit::Denied);
        assert_eq!(exit(VaultError::TooManyTries { seconds: 4 }), Exit::Denied);
        assert_eq!(exit(VaultError::NotAppendOnly { signed: 2, size: 1, reason: "x" }), Exit::Broken);
        let corrupt = |code: &str| VaultError::Database { action: "read", code: code.into() };
        assert_eq!(exit(corrupt("DatabaseCorrupt (11)")), Exit::Broken);
        assert_eq!(exit(corrupt("DiskFull (13)")), Exit::Failed);
        let uncommitted = VaultError::NotCommitted { source: std::sync::Arc::new(corrupt("ReadOnly (8)")) };
        assert_eq!(exit(uncommitted), Exit::Failed);
    }
}
