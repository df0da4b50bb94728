//! Changes of policies: checked, approved by another, applied as approved.

use cloister_access::{Directory, PolicySet, Proposal, Refusal, Step, Tenant};

use super::{id, minutes, now};

const TEXT: &str = "@id(\"no-exports\") @reason(\"nothing leaves\")\nforbid (principal, action == Action::\"dataset.export\", resource);";

fn refused<T: std::fmt::Debug>(result: cloister_access::Result<T>) -> Refusal {
    match result {
        Err(cloister_access::Error::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn requirement_17_a_change_without_a_second_approver_is_not_applied() {
    let holds = PolicySet::load().unwrap();
    let tenant = Tenant { four_eyes: true };
    let (mut proposal, set) = Proposal::new(id("acme"), id("olga"), TEXT, &holds, now()).unwrap();
    assert_eq!(proposal.digest(), set.digest());
    assert_eq!(refused(proposal.apply(TEXT, &holds, &tenant)), Refusal::NotApproved);
    assert_eq!(refused(proposal.approve(&id("olga"), now())), Refusal::OwnRequest);
    assert_eq!(refused(proposal.approve(&id("dora"), "2026-11-27T09:59:59.999Z".parse().unwrap())), Refusal::ClockBack);
    assert_eq!(proposal.revision(), 0);
    assert_eq!(proposal.approve(&id("dora"), now().plus(minutes(1))).unwrap(), Step::Complete);
    assert_eq!(proposal.approve(&id("dora"), now().plus(minutes(2))).unwrap(), Step::Unchanged);
    assert_eq!(proposal.approvals().len(), 1);
    assert_eq!(proposal.apply(TEXT, &holds, &tenant).unwrap().digest(), set.digest());

    // Only what was approved, and only in the place of what it was compared with.
    assert_eq!(refused(proposal.apply("// other", &holds, &tenant)), Refusal::OtherPolicies);
    assert_eq!(refused(proposal.apply(TEXT, &set, &tenant)), Refusal::Outdated);
    // A row that says that the proposer approved counts for nothing.
    let mut row = serde_json::to_value(&proposal).unwrap();
    row["approvals"] = serde_json::json!({ "olga": now() });
    let forged: Proposal = serde_json::from_value(row).unwrap();
    assert_eq!(refused(forged.apply(TEXT, &holds, &tenant)), Refusal::NotApproved);
}

#[test]
fn requirement_17_what_fails_strict_validation_cannot_be_proposed() {
    let holds = PolicySet::load().unwrap();
    for text in ["permit (principal, action, resource);", &TEXT.replace("dataset.export", "dataset.exprt")] {
        assert!(Proposal::new(id("acme"), id("olga"), text, &holds, now()).is_err(), "{text}");
    }
}

#[test]
fn one_person_alone_changes_their_own_policies() {
    let holds = PolicySet::load().unwrap();
    let (proposal, set) = Proposal::new(id("solo"), id("sole"), TEXT, &holds, now()).unwrap();
    let applied = proposal.apply(TEXT, &holds, &Tenant { four_eyes: false }).unwrap();
    assert_eq!(applied.digest(), set.digest());
    let rows = Directory { policy_sets: [(id("new"), proposal)].into(), ..Directory::default() };
    let text = serde_json::to_string(&rows).unwrap();
    assert_eq!(serde_json::from_str::<Directory>(&text).unwrap(), rows);
}
