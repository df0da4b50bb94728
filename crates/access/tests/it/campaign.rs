//! Random requests over random stores: Cedar with our policies and the rules in plain Rust give the same answers.

use std::collections::BTreeMap;

use cloister_access::{Action, Effect, Entities, PolicySet};

use super::reference;
use super::world::{Dice, world};

/// How many requests: `CLOISTER_REQUESTS`, or as many as take a few seconds in a build for tests.
fn requests() -> u64 {
    std::env::var("CLOISTER_REQUESTS").ok().map_or(5_000, |count| count.parse().unwrap())
}

/// Actions that rules of their own are about.
const MANY_RULES: &[Action] = &[
    Action::DatasetRead,
    Action::DatasetRead,
    Action::DatasetExport,
    Action::GrantApprove,
    Action::KeyRotate,
    Action::MemberChange,
    Action::PolicyApply,
];

#[test]
fn requirement_16_cedar_and_the_reference_evaluator_agree() {
    let policies = PolicySet::load().unwrap();
    let mut dice = Dice(20_261_128);
    let (mut made, mut allowed, mut alerts) = (0, 0_u64, 0_u64);
    // How often a policy was the only one that decided.
    let mut alone: BTreeMap<String, u64> = policies.rules().iter().map(|rule| (rule.id.clone(), 0)).collect();
    let count = requests();
    while made < count {
        let action = if dice.percent(40) { dice.one(MANY_RULES) } else { dice.one(Action::ALL) };
        let world = world(&mut dice, action);
        let entities = Entities::new(world.directory).unwrap();
        for request in world.requests {
            let decision = policies.decide(&request, &entities);
            let expected = reference::decide(entities.directory(), &request);
            let agrees = decision.is_allowed() == expected.allowed && decision.is_alert() == expected.alert;
            assert!(agrees, "request {made}\n{request:?}\n{decision:?}\n{expected:?}\n{:#?}", entities.directory());
            allowed += u64::from(expected.allowed);
            alerts += u64::from(expected.alert);
            if let [only] = &decision.policies[..] {
                *alone.get_mut(only).unwrap() += 1;
            }
            made += 1;
        }
    }
    eprintln!("{made} requests, {allowed} allowed, {alerts} alerts; decided alone: {alone:?}");
    assert!(allowed * 100 > made * 15 && allowed * 100 < made * 85, "{allowed} of {made} are allowed: too one-sided");
    let silent: Vec<&String> = alone.iter().filter(|(_, count)| **count == 0).map(|(id, _)| id).collect();
    assert!(silent.is_empty() || count < 5_000, "never decided alone: {silent:?}");
}

#[test]
fn requirement_09_without_policies_every_request_is_denied() {
    let none = PolicySet::none().unwrap();
    let mut dice = Dice(9);
    for round in 0..20 {
        for action in Action::ALL {
            let world = world(&mut dice, *action);
            let entities = Entities::new(world.directory).unwrap();
            for request in world.requests {
                let decision = none.decide(&request, &entities);
                assert_eq!((decision.effect, decision.policies.len()), (Effect::Deny, 0), "{round} {request:?}");
            }
        }
    }
}
