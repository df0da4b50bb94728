//! Random stores and requests: close to what is allowed, with one or two things wrong, so that every rule is the one that
//! decides now and then.

use std::collections::BTreeSet;
use std::slice::from_ref;

use cloister_access::{
    Action, Directory, Holding, Id, Instant, Key, KeyKind, Kind, Owned, Principal, Request, Resource, Role,
    Sensitivity, Service, Tenant, User,
};
use serde_json::{Value, json};

use super::id;

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }

    /// Mostly what is right.
    fn mostly<T: Clone>(&mut self, right: T, others: &[T]) -> T {
        if self.percent(93) { right } else { self.one(others) }
    }
}

const PEOPLE: &[&str] = &["ann", "ben", "cleo", "dan", "eve"];
const TENANTS: &[&str] = &["acme", "rival"];
const PURPOSES: &[&str] = &["support", "quality", "adverts"];
const MINUTE: i64 = 60_000;
const DAY: i64 = 1440 * MINUTE;

/// A store, and requests over it.
pub(crate) struct World {
    pub(crate) directory: Directory,
    pub(crate) requests: Vec<Request>,
}

/// A world around one action.
pub(crate) fn world(dice: &mut Dice, action: Action) -> World {
    let now = 1_795_000_000_000 + dice.below(1_000_000_000) as i64;
    let mut directory = Directory::default();
    for tenant in TENANTS {
        directory.tenants.insert(id(tenant), Tenant { four_eyes: dice.percent(70) });
    }
    for person in PEOPLE {
        directory.users.insert(id(person), user(dice, now));
    }
    let tenant = tenant(dice);
    directory.services.insert(id("bot"), Service { tenant, roles: roles(dice), disabled: dice.percent(3) });
    things(dice, &mut directory);

    let principal = if dice.percent(80) { person(dice) } else { Principal::Service(id("bot")) };
    let principal = if action.principals().contains(&principal.kind()) { principal } else { person(dice) };
    let kind = dice.one(action.resources());
    let resource = Resource::new(kind, own_id(dice, kind));

    let granting = if action.is_grantable() || action.needs_four_eyes() { 75 } else { 4 };
    let named = dice.percent(granting).then(|| id("g"));
    for (name, asks) in [("g", true), ("h", false)] {
        let row = grant(dice, now, action, asks.then_some((&principal, &resource)));
        directory.grants.insert(id(name), serde_json::from_value(row).unwrap());
    }
    let proposer = dice.one(PEOPLE);
    let approvals: Vec<&str> = PEOPLE.iter().copied().filter(|_| dice.percent(12)).collect();
    let proposal = json!({
        "tenant": tenant_name(dice), "proposed_by": proposer, "proposed_at": at(now), "digest": "0".repeat(64),
        "replaces": "1".repeat(64), "approvals": approvals.iter().map(|by| (*by, at(now))).collect::<std::collections::BTreeMap<_, _>>(),
    });
    directory.policy_sets.insert(id("new"), serde_json::from_value(proposal).unwrap());

    let mut first = Request::new(principal, action, resource, instant(now));
    first.context.grant = named;
    first.context.purpose = dice.percent(97).then(|| purpose(dice));
    let mut requests = vec![first.clone()];
    for _ in 0..2 {
        requests.push(stray(dice, &first));
    }
    World { directory, requests }
}

/// The same request with something exchanged, perhaps by what is not there.
fn stray(dice: &mut Dice, request: &Request) -> Request {
    let mut request = request.clone();
    let kind = request.resource.kind();
    match dice.below(5) {
        0 => request.principal = person(dice),
        1 => request.principal = Principal::Service(dice.mostly(id("bot"), &[id("nobody")])),
        2 => {
            let same: Vec<Action> = Action::ALL.iter().copied().filter(|of| of.resources().contains(&kind)).collect();
            let other = dice.one(Action::ALL);
            request.action = if dice.percent(90) { dice.one(&same) } else { other };
        }
        3 => {
            let kind = if dice.percent(90) { kind } else { dice.one(Kind::ALL) };
            request.resource = Resource::new(kind, own_id(dice, kind));
        }
        _ => request.context.grant = Some(dice.mostly(id("h"), &[id("nothing")])),
    }
    request
}

fn person(dice: &mut Dice) -> Principal {
    let person = dice.one(PEOPLE);
    Principal::User(dice.mostly(id(person), &[id("nobody")]))
}

fn own_id(dice: &mut Dice, kind: Kind) -> Id {
    match kind {
        Kind::User => id(dice.one(PEOPLE)),
        Kind::Service => id("bot"),
        Kind::Grant => id(dice.one(&["g", "h"])),
        Kind::PolicySet => id("new"),
        _ => id(dice.mostly("one", &["two", "none"])),
    }
}

fn tenant_name(dice: &mut Dice) -> &'static str {
    dice.mostly("acme", TENANTS)
}

fn tenant(dice: &mut Dice) -> Id {
    id(tenant_name(dice))
}

fn purpose(dice: &mut Dice) -> Id {
    id(dice.mostly("support", PURPOSES))
}

fn roles(dice: &mut Dice) -> BTreeSet<Role> {
    // Auditors are few: they are kept from data whatever else they are.
    let common = [Role::Owner, Role::Steward, Role::Engineer, Role::Dpo, Role::Admin];
    let count = dice.below(3);
    let mut roles: BTreeSet<Role> = (0..count).map(|_| dice.one(&common)).collect();
    if dice.percent(6) {
        roles.insert(Role::Auditor);
    }
    roles
}

fn user(dice: &mut Dice, now: i64) -> User {
    let ages = [0, 1, 15 * MINUTE - 1, 15 * MINUTE, 15 * MINUTE + 1, -1, -MINUTE, DAY];
    let age = dice.mostly(5 * MINUTE, &ages);
    let mfa_at = dice.percent(96).then(|| instant(now - age));
    User { tenant: tenant(dice), roles: roles(dice), disabled: dice.percent(4), mfa_at }
}

fn things(dice: &mut Dice, directory: &mut Directory) {
    for name in ["one", "two"] {
        let owned = Owned { tenant: tenant(dice) };
        directory.projects.insert(id(name), owned.clone());
        directory.logs.insert(id(name), owned);
        let kind = dice.one(&[KeyKind::Data, KeyKind::Log]);
        directory.keys.insert(id(name), Key { tenant: tenant(dice), kind });
        let Directory { datasets, runs, adapters, .. } = directory;
        for rows in [datasets, runs, adapters] {
            let mut purposes: BTreeSet<Id> = [purpose(dice)].into();
            if dice.percent(95) {
                purposes.insert(id("support"));
            }
            let sensitivity = dice.one(Sensitivity::ALL);
            rows.insert(id(name), Holding { tenant: tenant(dice), project: id("one"), sensitivity, purposes });
        }
    }
}

/// The row of a grant, for a request or for anything.
fn grant(dice: &mut Dice, now: i64, action: Action, asked: Option<(&Principal, &Resource)>) -> Value {
    let anybody = person(dice);
    let who =
        asked.map_or_else(|| anybody.clone(), |(principal, _)| dice.mostly(principal.clone(), from_ref(&anybody)));
    let kinds = [Kind::Dataset, Kind::Run, Kind::Adapter, Kind::Key, Kind::User];
    let kind = dice.one(&kinds);
    let anything = Resource::new(kind, own_id(dice, kind));
    let resource = asked.map(|(_, resource)| resource).filter(|resource| kinds.contains(&resource.kind()));
    let resource = resource.map_or_else(|| anything.clone(), |own| dice.mostly(own.clone(), from_ref(&anything)));

    let acts = [Action::Train, Action::DatasetRead, Action::DatasetExport, Action::GrantApprove];
    let mut row = json!({
        "tenant": tenant_name(dice), "who": who, "resource": resource, "acts": [dice.mostly(action, &acts)],
        "purpose": purpose(dice), "requested_by": dice.one(PEOPLE),
    });
    let fields = row.as_object_mut().unwrap();
    let emergency = action == Action::DatasetRead && dice.percent(40) || dice.percent(2);
    let hour = [60 * MINUTE + 5, 62 * MINUTE, 65 * MINUTE, 2 * DAY];
    let requested = now - if emergency && dice.percent(30) { dice.one(&hour) } else { dice.mostly(30 * MINUTE, &hour) };
    let needed: u32 = if emergency { 2 } else { dice.mostly(1, &[0, 2, 3]) };
    fields.insert("needed".into(), needed.into());
    fields.insert("requested_at".into(), at(requested));
    fields.insert("break_glass".into(), emergency.into());
    let begun = dice.mostly(now - 20 * MINUTE, &[now, now + 1, now - 1, now - DAY]);
    fields.insert("not_before".into(), at(begun));
    let ends =
        dice.mostly(now + DAY, &[now, now + 1, now - 1, begun + 90 * DAY, begun + 90 * DAY + 1, begun + 91 * DAY]);
    let ends = if action == Action::GrantApprove && dice.percent(20) { begun + 90 * DAY + 1 } else { ends };
    fields.insert("expires".into(), at(ends));
    if dice.percent(5) {
        fields.insert("revoked_at".into(), at(now - MINUTE));
    }

    // Approvers: mostly others, mostly as many as are needed, and in an emergency mostly in time.
    let requester = fields["requested_by"].as_str().unwrap().to_owned();
    let outsiders: Vec<&str> =
        PEOPLE.iter().copied().filter(|name| *name != requester && who != Principal::User(id(name))).collect();
    let mut approvals = serde_json::Map::new();
    let count = dice.mostly(needed.max(1), &[0, 1, 2, 3]);
    for _ in 0..count {
        let anybody = dice.one(PEOPLE);
        let outsider = dice.one(&outsiders);
        let by = dice.mostly(outsider, &[anybody]);
        let since =
            [0, -1, 10 * MINUTE, 10 * MINUTE + 1, now - 60 * MINUTE - requested, now - 60 * MINUTE + 1 - requested];
        let minutes = dice.below(9) as i64 * MINUTE;
        let after = if emergency && dice.percent(20) { dice.one(&since) } else { dice.mostly(minutes, &since) };
        approvals.insert(by.into(), at(requested + after));
    }
    fields.insert("approvals".into(), approvals.into());
    row
}

fn instant(millis: i64) -> Instant {
    Instant::from_millis(millis as u64).unwrap()
}

fn at(millis: i64) -> Value {
    serde_json::to_value(instant(millis)).unwrap()
}
