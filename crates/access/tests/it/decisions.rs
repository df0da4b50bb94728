//! What the built-in policies decide in a house with one person for each role.

use std::collections::BTreeSet;

use cloister_access::{
    Action, Clock, Directory, Effect, Entities, Fault, Grant, Kind, PolicySet, Principal, Recorded, Resource, Role,
    Tenant,
};
use serde_json::json;

use super::{decided_with, entities, house, id, minutes, now, request, row, support};

fn policies() -> PolicySet {
    PolicySet::load().unwrap()
}

/// One thing of each kind in the house.
fn thing(kind: Kind) -> Resource {
    let name = match kind {
        Kind::Project => "help",
        Kind::Dataset => "tickets",
        Kind::Run => "first",
        Kind::Adapter => "helper",
        Kind::Key => "data-1",
        Kind::Log => "main",
        Kind::PolicySet => "new",
        Kind::Grant => "g",
        Kind::User => "nemo",
        Kind::Service => "trainer",
        other => panic!("{other}"),
    };
    Resource::new(kind, id(name))
}

/// The house with a grant and proposed policies, so that there is something for every action.
fn full_house() -> Directory {
    let mut directory = house();
    directory.grants.insert(id("g"), row(json!({ "approvals": {} })));
    let proposal = json!({
        "tenant": "acme", "proposed_by": "eva", "proposed_at": now(), "digest": "0".repeat(64), "replaces": "1".repeat(64),
    });
    directory.policy_sets.insert(id("new"), serde_json::from_value(proposal).unwrap());
    directory
}

#[test]
fn requirement_09_without_a_role_or_a_grant_nothing_is_allowed() {
    let (policies, none, house) = (policies(), PolicySet::none().unwrap(), entities(&full_house()));
    for action in Action::ALL {
        for kind in action.resources() {
            for principal in ["user:olga", "user:stan", "user:eva", "user:aude", "user:dora", "user:adam", "user:nemo"]
            {
                let asked = support(principal, *action, &thing(*kind).to_string());
                assert!(!none.decide(&asked, &house).is_allowed(), "{asked:?}");
                let decision = policies.decide(&asked, &house);
                assert!(decision.errors.is_empty(), "{asked:?} {decision:?}");
                if principal == "user:nemo" {
                    assert_eq!(decision.effect, Effect::Deny, "{asked:?}");
                }
            }
        }
    }
}

#[test]
fn requirement_10_nothing_of_a_tenant_is_there_for_another() {
    let (policies, house) = (policies(), entities(&full_house()));
    for action in Action::ALL {
        for kind in action.resources() {
            // Rita is everything in her own house.
            let asked = support("user:rita", *action, &thing(*kind).to_string());
            let decision = policies.decide(&asked, &house);
            assert!(!decision.is_allowed() && decision.is_alert(), "{asked:?}");
            assert!(decision.policies.contains(&"tenant-border".to_owned()), "{asked:?} {decision:?}");
        }
    }
}

#[test]
fn requirement_14_the_purpose_binds_the_owner_too() {
    let (policies, house) = (policies(), entities(&house()));
    for principal in ["user:olga", "user:stan"] {
        for (action, thing) in [(Action::DatasetRead, "dataset:tickets"), (Action::Train, "dataset:tickets")] {
            let asked = request(principal, action, thing);
            assert!(policies.decide(&asked.clone().for_purpose(id("quality")), &house).is_allowed());
            let decision = policies.decide(&asked.for_purpose(id("adverts")), &house);
            assert_eq!((decision.effect, &decision.policies[..]), (Effect::Deny, &["purpose".to_owned()][..]));
        }
    }
    let other = row(json!({ "purpose": "quality" }));
    let decision = decided_with(&policies, other, &support("user:eva", Action::Train, "dataset:tickets"));
    assert_eq!(decision.policies, ["grant-purpose"]);
}

#[test]
fn requirement_06_raw_text_needs_a_second_factor_of_the_last_quarter_of_an_hour() {
    let policies = policies();
    for (shown, allowed) in [
        (None, false),
        (Some("2026-11-27T09:44:59.999Z"), false),
        (Some("2026-11-27T09:45:00.000Z"), false),
        (Some("2026-11-27T09:45:00.001Z"), true),
        (Some("2026-11-27T10:00:00.000Z"), true),
        (Some("2026-11-27T10:00:00.001Z"), false),
    ] {
        let mut directory = house();
        directory.users.get_mut(&id("stan")).unwrap().mfa_at = shown.map(|at| at.parse().unwrap());
        let house = entities(&directory);
        for action in [Action::DatasetRead, Action::SubjectExport] {
            let decision = policies.decide(&support("user:stan", action, "dataset:tickets"), &house);
            assert_eq!(decision.is_allowed(), allowed, "{shown:?} {action}");
            assert!(allowed || decision.policies == ["fresh-second-factor"], "{decision:?}");
        }
        assert!(policies.decide(&support("user:stan", Action::Train, "dataset:tickets"), &house).is_allowed());
    }
}

#[test]
fn requirement_13_a_grant_that_ends_stops_what_is_running() {
    let policies = policies();
    let step = support("user:eva", Action::Train, "dataset:tickets");
    let mut grant = row(json!({}));
    let later = |grant: &Grant, at| {
        let mut asked = step.clone();
        asked.context.now = at;
        decided_with(&policies, grant.clone(), &asked)
    };
    assert!(later(&grant, now()).is_allowed());
    let last = "2026-11-27T10:29:59.999Z".parse().unwrap();
    assert!(later(&grant, last).is_allowed());
    let over = "2026-11-27T10:30:00.000Z".parse().unwrap();
    assert_eq!(later(&grant, over).policies, ["grant-term"]);

    // The machine's clock is set back a day: the clock of decisions stays.
    let mut clock = Clock::after(Some(over));
    let reading = clock.read("2026-11-26T10:00:00.000Z".parse().unwrap());
    assert_eq!((reading.now, reading.behind.as_secs()), (over, 86_400 + 1800));
    assert!(!later(&grant, reading.now).is_allowed());

    assert!(grant.revoke(now()));
    assert_eq!(later(&grant, now()).policies, ["grant-revoked"]);
}

#[test]
fn requirement_15_whatever_goes_wrong_is_a_no_and_an_alert() {
    let policies = policies();
    let ask = support("user:olga", Action::Train, "dataset:tickets");
    let fault = |directory: &Directory, asked: &cloister_access::Request| {
        let decision = policies.decide(asked, &entities(directory));
        assert!(!decision.is_allowed() && decision.is_alert() && decision.policies.is_empty(), "{decision:?}");
        decision.errors
    };
    let missing = |entity: &str| vec![Fault::MissingEntity { entity: entity.into() }];
    let full = house();
    assert!(policies.decide(&ask, &entities(&full)).is_allowed());

    assert_eq!(fault(&full, &support("user:ghost", Action::Train, "dataset:tickets")), missing("user:ghost"));
    assert_eq!(fault(&full, &support("user:olga", Action::Train, "dataset:ghost")), missing("dataset:ghost"));
    assert_eq!(fault(&full, &ask.clone().with_grant(id("ghost"))), missing("grant:ghost"));
    let mut homeless = full.clone();
    homeless.tenants.remove(&id("acme"));
    assert_eq!(fault(&homeless, &ask), [missing("tenant:acme"), missing("tenant:acme")].concat());
    assert_eq!(fault(&full, &request("user:olga", Action::Train, "dataset:tickets")), [Fault::MissingPurpose]);
    let errors = fault(&full, &support("user:olga", Action::Train, "key:data-1"));
    assert!(matches!(&errors[..], [Fault::NotOfSchema { .. }]), "{errors:?}");
    let errors = fault(&full, &support("service:trainer", Action::DatasetRead, "dataset:tickets"));
    assert!(matches!(&errors[..], [Fault::NotOfSchema { .. }]), "{errors:?}");
}

#[test]
fn requirement_15_an_error_in_one_policy_denies_what_others_permit() {
    // Strict validation cannot see that a sum does not fit. Cedar would skip this forbid and allow.
    let text = "@id(\"sum\") @reason(\"an example that overflows\")\n\
                forbid (principal, action, resource is Dataset) when { 9223372036854775807 + resource.sensitivity < 0 };";
    let policies = PolicySet::with_custom(text).unwrap();
    let asked = support("user:olga", Action::Train, "dataset:tickets");
    let decision = policies.decide(&asked, &entities(&house()));
    assert!(!decision.is_allowed() && decision.is_alert());
    assert!(matches!(&decision.errors[..], [Fault::Evaluation { policy, .. }] if policy == "sum"), "{decision:?}");
    let why = policies.why(&asked, &decision).to_string();
    assert!(why.starts_with("denied: policy `sum` cannot be evaluated: "), "{why}");
}

#[test]
fn rows_that_the_schema_does_not_know_are_refused() {
    let mut directory = house();
    directory.grants.insert(id("g"), row(json!({ "resource": "log:main" })));
    assert!(Entities::new(directory).is_err());
}

#[test]
fn requirement_33_auditors_read_the_log_and_no_data() {
    let (policies, house) = (policies(), entities(&house()));
    for action in [Action::LogRead, Action::LogProve, Action::LogVerify] {
        assert!(policies.decide(&request("user:aude", action, "log:main"), &house).is_allowed());
    }
    for (action, thing) in [
        (Action::DatasetRead, "dataset:tickets"),
        (Action::Scan, "dataset:tickets"),
        (Action::SubjectFind, "dataset:tickets"),
        (Action::Generate, "adapter:helper"),
    ] {
        let decision = policies.decide(&support("user:aude", action, thing), &house);
        assert_eq!(decision.policies, ["auditor-no-data"], "{action}");
    }
    // Neither another role nor a grant changes that.
    let mut directory = house.directory().clone();
    directory.users.get_mut(&id("aude")).unwrap().roles.insert(Role::Owner);
    let grant = row(json!({ "who": "user:aude", "requested_by": "aude", "acts": ["dataset.read"] }));
    directory.grants.insert(id("g"), grant);
    let asked = support("user:aude", Action::DatasetRead, "dataset:tickets").with_grant(id("g"));
    assert_eq!(policies.decide(&asked, &entities(&directory)).policies, ["auditor-no-data"]);
}

#[test]
fn requirement_33_an_admin_alone_does_nothing_to_the_key_of_the_log() {
    let policies = policies();
    for four_eyes in [true, false] {
        let mut directory = house();
        directory.tenants.insert(id("acme"), Tenant { four_eyes });
        for action in [Action::KeyRotate, Action::KeyDisable, Action::KeyDestroy] {
            let asked = request("user:adam", action, "key:log-1");
            let decision = policies.decide(&asked, &entities(&directory));
            assert!(decision.policies.contains(&"log-key".to_owned()), "{decision:?}");

            let mut agreed = directory.clone();
            let fields =
                json!({ "who": "user:adam", "requested_by": "adam", "resource": "key:log-1", "acts": [action] });
            agreed.grants.insert(id("g"), row(fields));
            let decision = policies.decide(&asked.with_grant(id("g")), &entities(&agreed));
            assert_eq!((decision.effect, &decision.policies[..]), (Effect::Allow, &["admin".to_owned()][..]));
        }
    }
}

#[test]
fn requirement_12_four_eyes_on_exports_keys_releases_and_roles() {
    let policies = policies();
    for (who, action, thing) in [
        ("olga", Action::DatasetExport, "dataset:tickets"),
        ("stan", Action::DatasetDestroy, "dataset:tickets"),
        ("adam", Action::KeyRotate, "key:data-1"),
        ("eva", Action::Release, "adapter:helper"),
        ("adam", Action::MemberChange, "user:nemo"),
    ] {
        let asked = support(&format!("user:{who}"), action, thing);
        let alone = policies.decide(&asked, &entities(&house()));
        assert_eq!(alone.policies, ["four-eyes"], "{action}");
        let fields = |approvals| {
            json!({
                "who": format!("user:{who}"), "requested_by": who, "resource": thing, "acts": [action], "approvals": approvals,
            })
        };
        let at = "2026-11-27T09:10:00.000Z";
        assert!(decided_with(&policies, row(fields(json!({ "dora": at }))), &asked).is_allowed(), "{action}");
        for approvals in [json!({}), json!({ who: at }), json!({ who: at, "dora": at })] {
            let decision = decided_with(&policies, row(fields(approvals.clone())), &asked);
            assert!(!decision.is_allowed(), "{action} {approvals}");
        }
    }
    // The person whose roles change is no second pair of eyes.
    let fields = json!({
        "who": "user:adam", "requested_by": "adam", "resource": "user:dora", "acts": ["member.change"],
        "approvals": { "dora": "2026-11-27T09:10:00.000Z" },
    });
    let decision = decided_with(&policies, row(fields), &support("user:adam", Action::MemberChange, "user:dora"));
    assert_eq!(decision.policies, ["grant-approved-by-its-object"]);
    // One person alone has nobody to ask.
    let alone = support("user:sole", Action::Release, "adapter:own");
    assert!(policies.decide(&alone, &entities(&house())).is_allowed());
}

#[test]
fn emergencies_need_two_people_within_ten_minutes_and_last_an_hour() {
    let policies = policies();
    let asked = support("user:eva", Action::DatasetRead, "dataset:clinic");
    let mut grant = Grant::break_glass(
        id("acme"),
        id("eva"),
        id("clinic"),
        id("support"),
        "2026-11-27T09:50:00.000Z".parse().unwrap(),
    );
    let decision = decided_with(&policies, grant.clone(), &asked);
    assert!(!decision.is_allowed() && decision.is_alert());
    grant.approve(&id("stan"), "2026-11-27T09:51:00.000Z".parse().unwrap()).unwrap();
    assert!(!decided_with(&policies, grant.clone(), &asked).is_allowed());
    grant.approve(&id("dora"), "2026-11-27T10:00:00.000Z".parse().unwrap()).unwrap();

    let at = |at: cloister_access::Instant| {
        let mut later = asked.clone();
        later.context.now = at;
        let mut directory = house();
        directory.users.get_mut(&id("eva")).unwrap().mfa_at = Some(at);
        directory.grants.insert(id("g"), grant.clone());
        policies.decide(&later.with_grant(id("g")), &entities(&directory))
    };
    for (after, allowed) in [(0, true), (59, true), (60, false)] {
        let decision = at(now().plus(minutes(after)));
        assert_eq!(decision.is_allowed(), allowed, "{after} {decision:?}");
        assert_eq!(decision.alerts, ["user:eva relied on emergency grant g"]);
    }
    // Emergencies open neither another purpose nor an export, and a stale second factor is stale.
    for other in [
        asked.clone().for_purpose(id("quality")),
        support("user:eva", Action::Train, "dataset:clinic"),
        support("user:stan", Action::DatasetRead, "dataset:clinic"),
    ] {
        assert!(!decided_with(&policies, grant.clone(), &other).is_allowed(), "{other:?}");
    }
}

#[test]
fn nobody_reads_special_categories_alone() {
    let (policies, house) = (policies(), entities(&house()));
    let decision = policies.decide(&support("user:olga", Action::DatasetRead, "dataset:clinic"), &house);
    assert_eq!(decision.policies, ["special-categories"]);
    assert!(policies.decide(&support("user:sole", Action::DatasetRead, "dataset:diary"), &house).is_allowed());
}

#[test]
fn who_can_lists_ways_and_nobody_else() {
    let policies = policies();
    let mut directory = house();
    directory.users.get_mut(&id("stan")).unwrap().mfa_at = None;
    directory.grants.insert(id("g"), row(json!({ "acts": ["dataset.read"] })));
    directory.grants.insert(id("old"), row(json!({ "acts": ["dataset.read"], "expires": "2026-11-27T09:59:00.000Z" })));
    let tickets = "dataset:tickets".parse().unwrap();
    let found = policies.who_can(Action::DatasetRead, &tickets, now(), &entities(&directory)).unwrap();
    let ways: Vec<_> = found
        .iter()
        .map(|way| {
            let grant = way.grant.as_ref().map_or("-", |id| id.as_str());
            format!("{} {} {grant} {}", way.principal, way.purpose.as_ref().unwrap(), way.after_second_factor)
        })
        .collect();
    assert_eq!(
        ways,
        [
            "user:eva support g false",
            "user:olga quality - false",
            "user:olga support - false",
            "user:stan quality - true",
            "user:stan support - true",
        ]
    );
    assert_eq!(found[0].policies, ["grant"]);
    let readers =
        policies.who_can(Action::LogRead, &"log:main".parse().unwrap(), now(), &entities(&directory)).unwrap();
    let readers: BTreeSet<String> = readers.iter().map(|way| way.principal.to_string()).collect();
    assert_eq!(readers, ["user:aude", "user:dora", "user:olga"].map(String::from).into());
    // Every way is one that a request goes.
    for way in &found {
        let mut asked = request(&way.principal.to_string(), Action::DatasetRead, "dataset:tickets");
        (asked.context.purpose, asked.context.grant) = (way.purpose.clone(), way.grant.clone());
        assert_eq!(policies.decide(&asked, &entities(&directory)).is_allowed(), !way.after_second_factor);
    }
}

#[test]
fn why_says_what_would_permit_it() {
    let (policies, house) = (policies(), entities(&house()));
    let asked = support("user:eva", Action::Train, "dataset:tickets");
    let why = policies.why(&asked, &policies.decide(&asked, &house)).to_string();
    let expected = "denied: no policy permits it
  it is permitted where this holds: owners may do everything in their project that no rule forbids (owner)
  it is permitted where this holds: stewards take in, read and look after the data (steward)
  it is permitted where this holds: a grant in force allows it (grant)
";
    assert_eq!(why, expected);
}

#[test]
fn a_replay_shows_what_other_policies_change() {
    let (policies, house) = (policies(), entities(&full_house()));
    let recorded: Vec<Recorded> = [
        support("user:stan", Action::Train, "dataset:tickets"),
        support("user:eva", Action::Train, "dataset:tickets"),
        request("user:aude", Action::LogRead, "log:main"),
        support("user:olga", Action::Train, "dataset:tickets"),
    ]
    .iter()
    .map(|asked| Recorded::new(asked, &house, &policies.decide(asked, &house)))
    .collect();
    let text = serde_json::to_string(&recorded).unwrap();
    let recorded: Vec<Recorded> = serde_json::from_str(&text).unwrap();

    let same = policies.replay(&recorded).unwrap();
    assert_eq!((same.decisions, same.differences.len(), same.other_reasons), (4, 0, 0));

    let text = "@id(\"engineers-train\") @reason(\"engineers train without asking\")\n\
                permit (principal in Role::\"engineer\", action == Action::\"train\", resource);\n\
                @id(\"stewards-do-not\") @reason(\"stewards do not train\")\n\
                forbid (principal in Role::\"steward\", action == Action::\"train\", resource);\n\
                @id(\"owners-train\") @reason(\"owners train\")\n\
                permit (principal in Role::\"owner\", action == Action::\"train\", resource);";
    let replay = PolicySet::with_custom(text).unwrap().replay(&recorded).unwrap();
    assert_eq!((replay.decisions, replay.other_reasons), (4, 1));
    let changes: Vec<_> = replay.differences.iter().map(|of| (of.place, of.before.0, of.now.effect)).collect();
    assert_eq!(changes, [(0, Effect::Allow, Effect::Deny), (1, Effect::Deny, Effect::Allow)]);
    assert_eq!(replay.differences[0].now.decided[0].policy, "stewards-do-not");
}

#[test]
fn decisions_name_the_policies_and_the_rows() {
    let (policies, house) = (policies(), entities(&house()));
    let asked = request("user:aude", Action::LogRead, "log:main");
    let decision = policies.decide(&asked, &house);
    assert_eq!((decision.policy_set, decision.entities), (policies.digest(), house.digest()));
    let mut other = house.directory().clone();
    other.users.get_mut(&id("nemo")).unwrap().disabled = true;
    assert_ne!(entities(&other).digest(), house.digest());
    let text = serde_json::to_string(&decision).unwrap();
    assert!(
        text.starts_with(r#"{"effect":"allow","policies":["auditor"],"errors":[],"alerts":[],"policy_set":""#),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<cloister_access::Decision>(&text).unwrap(), decision);
    // A user and a service of one name are two.
    let service = request("service:aude", Action::LogVerify, "log:main");
    assert_eq!(service.principal, Principal::Service(id("aude")));
    assert!(!policies.decide(&service, &house).is_allowed());
}
