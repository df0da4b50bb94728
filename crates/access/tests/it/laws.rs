//! What no policies of a project can change: whatever they permit, nobody approves their own.

use cloister_access::{Action, Entities, PolicySet, Principal, Request, Resource};

use super::world::{Dice, world};

/// A random policy, mostly one that permits a lot.
fn custom(dice: &mut Dice, place: usize) -> String {
    let effect = if dice.percent(90) { "permit" } else { "forbid" };
    let principal = dice.one(&[
        "principal",
        "principal",
        "principal is User",
        "principal in Role::\"engineer\"",
        "principal == User::\"ann\"",
        "principal is User in Role::\"admin\"",
        "principal in Grant::\"g\"",
    ]);
    let action = dice.one(&[
        "action",
        "action",
        "action == Action::\"grant.approve\"",
        "action in Action::\"four eyes\"",
        "action in [Action::\"grant.approve\", Action::\"policy.approve\", Action::\"policy.apply\"]",
        "action in Action::\"grantable\"",
    ]);
    let resource =
        dice.one(&["resource", "resource", "resource is Grant", "resource == Grant::\"g\"", "resource is Dataset"]);
    let condition = dice.one(&[
        "",
        "",
        "when { true }",
        "when { !principal.disabled }",
        "when { context has grant }",
        "when { context.now < datetime(\"2100-01-01\") }",
        "when { principal.tenant == resource.tenant }",
        "when { principal is User && resource is Grant && resource.requested_by == principal }",
        "when { resource is Grant && principal in resource }",
        "when { context has grant && context.grant.approvers.isEmpty() }",
        "unless { context has grant && context.grant.revoked }",
        "when { resource is PolicySet && principal is User && resource.proposed_by == principal }",
        "when { context.act like \"*approve\" }",
        "when { resource.misspelt }",
    ]);
    format!("@id(\"custom-{place}\") @reason(\"random\")\n{effect} ({principal}, {action}, {resource})\n{condition};\n")
}

/// Whether a request is one that no policies may let through: somebody approves what they asked for or gain from, relies on
/// such an approval, or does alone what needs two.
fn is_own_approval(request: &Request, entities: &Entities) -> bool {
    let rows = entities.directory();
    let Principal::User(person) = &request.principal else { return false };
    let four_eyes =
        rows.tenant_of(&request.resource).and_then(|id| rows.tenants.get(id)).is_some_and(|row| row.four_eyes);
    let id = request.resource.id();
    let approves = match request.action {
        Action::GrantApprove => {
            rows.grants.get(id).is_some_and(|row| row.requested_by() == person || row.gains(person))
        }
        Action::PolicyApprove => rows.policy_sets.get(id).is_some_and(|row| row.proposed_by() == person),
        Action::PolicyApply => rows.policy_sets.get(id).is_some_and(|row| {
            row.approvals().contains_key(row.proposed_by()) || (four_eyes && row.approvals().is_empty())
        }),
        act => act.needs_four_eyes() && four_eyes && request.context.grant.is_none(),
    };
    let named = request.context.grant.as_ref().and_then(|id| rows.grants.get(id));
    approves
        || named
            .is_some_and(|row| row.approvals().contains_key(row.requested_by()) || row.approvals().contains_key(person))
}

#[test]
fn requirement_16_no_policies_let_anybody_approve_their_own() {
    let built_in = PolicySet::load().unwrap();
    let mut dice = Dice(16);
    let sets =
        std::env::var("CLOISTER_REQUESTS").ok().map_or(40, |count| (count.parse::<usize>().unwrap() / 200).max(40));
    let (mut accepted, mut own, mut widened) = (0, 0, 0);
    for _ in 0..sets {
        let count = 1 + dice.below(3) as usize;
        let mut text: String = (0..count).map(|place| custom(&mut dice, place)).collect();
        if dice.percent(70) {
            text.push_str("@id(\"everything\") @reason(\"all of it\") permit (principal, action, resource);");
        }
        let Ok(policies) = PolicySet::with_custom(&text) else { continue };
        accepted += 1;
        for action in [Action::GrantApprove, Action::GrantApprove, Action::PolicyApprove, Action::PolicyApply]
            .into_iter()
            .chain(Action::ALL.iter().copied().filter(|action| action.needs_four_eyes() || action.is_grantable()))
        {
            let world = world(&mut dice, action);
            let entities = Entities::new(world.directory).unwrap();
            let mut requests = world.requests;
            // ... and each grant approved by whoever asked for it, and by whom it is for.
            for (id, grant) in &entities.directory().grants {
                let gaining = matches!(grant.who(), Principal::User(_)).then(|| grant.who().clone());
                for person in gaining.into_iter().chain([Principal::User(grant.requested_by().clone())]) {
                    let resource = Resource::new(cloister_access::Kind::Grant, id.clone());
                    requests.push(Request::new(person, Action::GrantApprove, resource, requests[0].context.now));
                }
            }
            for request in requests {
                let allowed = policies.decide(&request, &entities).is_allowed();
                if is_own_approval(&request, &entities) {
                    own += 1;
                    assert!(!allowed, "{text}\n{request:?}\n{:#?}", entities.directory());
                } else if allowed && !built_in.decide(&request, &entities).is_allowed() {
                    widened += 1;
                }
            }
        }
    }
    eprintln!(
        "{accepted} of {sets} sets accepted, {own} own approvals denied, {widened} other requests allowed by them"
    );
    assert!(accepted * 4 > sets, "the loader took {accepted} of {sets}");
    assert!(own > 1000 && widened > 40, "{own} {widened}: the policies permit too little to try the rules");
}
