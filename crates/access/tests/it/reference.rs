//! The rules once more, in plain Rust from their sentences: who may do what. Shares nothing with Cedar, with the schema or with
//! the policies; it reads the same rows.

use cloister_access::{Directory, Grant, Holding, Id, Kind, Principal, Request, Role};

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    pub(crate) alert: bool,
}

const MINUTE: i128 = 60_000;

/// "Data is used for what it was collected for": the actions that use data.
const PURPOSEFUL: &str = "scan protect train dataset.read dataset.export audit release generate serve";
/// "Whoever is about to see raw text ..."
const RAW: &str = "dataset.read dataset.export subject.export";
/// "What one person cannot do alone: exports, releases, destruction of data, keys, roles."
const FOUR_EYES: &str = "dataset.export dataset.destroy release key.rotate key.disable key.destroy member.change";
/// "A grant in force allows it."
const GRANTABLE: &str = "scan protect train dataset.read dataset.export audit generate serve";
/// What programs can ask for too.
const PROGRAMS: &str =
    "init project.read ingest scan protect train budget.read audit docs generate serve log.prove log.verify";

/// What each role may do.
const ROLES: &[(Role, &str)] = &[
    (
        Role::Steward,
        "project.read ingest scan protect train dataset.read dataset.export dataset.destroy budget.read subject.find \
         subject.export subject.erase audit docs grant.request grant.approve grant.revoke break_glass.request",
    ),
    (
        Role::Engineer,
        "project.read ingest budget.read docs release generate serve grant.request break_glass.request policy.propose \
         log.prove log.verify",
    ),
    (Role::Auditor, "project.read budget.read docs log.read log.prove log.verify log.anchor"),
    (
        Role::Dpo,
        "project.read budget.read budget.set subject.find subject.export subject.erase docs grant.request grant.approve \
         grant.revoke break_glass.request policy.propose policy.approve log.read log.prove log.verify",
    ),
    (
        Role::Admin,
        "init project.read budget.read member.change member.disable key.rotate key.disable key.destroy serve \
         grant.request policy.propose policy.apply log.prove log.verify log.anchor",
    ),
];

/// What each action is done to.
fn done_to(action: &str, kind: Kind) -> bool {
    let kinds: &[Kind] = match action {
        "init" | "project.read" | "ingest" | "policy.propose" => &[Kind::Project],
        "member.change" => &[Kind::User],
        "member.disable" => &[Kind::User, Kind::Service],
        "audit" | "docs" => &[Kind::Run],
        "release" | "generate" | "serve" => &[Kind::Adapter],
        "grant.request" => &[Kind::Dataset, Kind::Run, Kind::Adapter, Kind::Key, Kind::User],
        "grant.approve" | "grant.revoke" => &[Kind::Grant],
        "policy.approve" | "policy.apply" => &[Kind::PolicySet],
        "key.rotate" | "key.disable" | "key.destroy" => &[Kind::Key],
        "log.read" | "log.prove" | "log.verify" | "log.anchor" => &[Kind::Log],
        _ => &[Kind::Dataset],
    };
    kinds.contains(&kind)
}

fn is(list: &str, action: &str) -> bool {
    list.split_whitespace().any(|name| name == action)
}

fn purposes<'a>(rows: &'a Directory, request: &Request) -> Option<&'a Holding> {
    let id = request.resource.id();
    match request.resource.kind() {
        Kind::Dataset => rows.datasets.get(id),
        Kind::Run => rows.runs.get(id),
        Kind::Adapter => rows.adapters.get(id),
        _ => None,
    }
}

fn tenant<'a>(rows: &'a Directory, kind: Kind, id: &Id) -> Option<&'a Id> {
    match kind {
        Kind::Project => rows.projects.get(id).map(|row| &row.tenant),
        Kind::Dataset => rows.datasets.get(id).map(|row| &row.tenant),
        Kind::Run => rows.runs.get(id).map(|row| &row.tenant),
        Kind::Adapter => rows.adapters.get(id).map(|row| &row.tenant),
        Kind::Key => rows.keys.get(id).map(|row| &row.tenant),
        Kind::Log => rows.logs.get(id).map(|row| &row.tenant),
        Kind::PolicySet => rows.policy_sets.get(id).map(|row| row.tenant()),
        Kind::Grant => rows.grants.get(id).map(Grant::tenant),
        Kind::User => rows.users.get(id).map(|row| &row.tenant),
        Kind::Service => rows.services.get(id).map(|row| &row.tenant),
        _ => None,
    }
}

/// Decides a request.
pub(crate) fn decide(rows: &Directory, request: &Request) -> Verdict {
    let action = request.action.name();
    let (kind, thing) = (request.resource.kind(), request.resource.id());
    let now = i128::from(request.context.now.millis());

    // What a request names has to exist, and what it needs has to be said: otherwise no, and somebody is told.
    let failed = Verdict { allowed: false, alert: true };
    let home = tenant(rows, request.principal.kind(), request.principal.id());
    let (Some(home), Some(owner)) = (home, tenant(rows, kind, thing)) else { return failed };
    let (Some(_), Some(tenant)) = (rows.tenants.get(home), rows.tenants.get(owner)) else { return failed };
    let grant = match &request.context.grant {
        Some(id) => match rows.grants.get(id) {
            Some(grant) => Some((id, grant)),
            None => return failed,
        },
        None => None,
    };
    let purpose = request.context.purpose.as_ref();
    if is(PURPOSEFUL, action) && purpose.is_none() {
        return Verdict { allowed: false, alert: true };
    }
    let by_program = matches!(request.principal, Principal::Service(_));
    let emergency = grant.is_some_and(|(_, grant)| grant.is_break_glass());
    if !done_to(action, kind) || (by_program && !is(PROGRAMS, action)) {
        return failed;
    }
    let (roles, disabled, shown, person) = match &request.principal {
        Principal::User(id) => {
            let row = &rows.users[id];
            (&row.roles, row.disabled, row.mfa_at, Some(id))
        }
        Principal::Service(id) => (&rows.services[id].roles, rows.services[id].disabled, None, None),
    };
    let has = |role: Role| roles.contains(&role);
    let others_approved = grant.is_some_and(|(_, grant)| !grant.approvals().is_empty());

    let mut allowed = true;
    let mut alert = emergency;
    // Nobody reaches across tenants.
    if home != owner {
        allowed = false;
        alert = true;
    }
    // A disabled account can do nothing.
    allowed &= !disabled;
    // Data is used for what it was collected for.
    if is(PURPOSEFUL, action) {
        allowed &=
            purposes(rows, request).is_some_and(|row| purpose.is_some_and(|purpose| row.purposes.contains(purpose)));
    }
    // Raw text needs a second factor shown less than 15 minutes ago, and not in the future.
    if is(RAW, action) {
        allowed &= shown.is_some_and(|shown| (0..15 * MINUTE).contains(&(now - i128::from(shown.millis()))));
    }
    // Nobody reads special categories alone.
    if action == "dataset.read" && rows.datasets[thing].sensitivity.name() == "special" && tenant.four_eyes {
        allowed &= others_approved;
    }
    // Auditors see no data.
    let data = is(PURPOSEFUL, action) || is(RAW, action) || action.starts_with("subject.");
    allowed &= !(has(Role::Auditor) && data);
    // What one person cannot do alone.
    if is(FOUR_EYES, action) && tenant.four_eyes {
        allowed &= others_approved;
    }
    // An admin alone does nothing to the key of the log.
    if action.starts_with("key.") && has(Role::Admin) && rows.keys[thing].kind.name() == "log" {
        allowed &= others_approved;
    }
    // Nobody approves what they asked for or gain from, and no grant lasts more than 90 days.
    if action == "grant.approve" {
        let (row, person) = (&rows.grants[thing], person.unwrap());
        allowed &= row.requested_by() != person && !holds(row, &request.principal);
        allowed &= i128::from(row.expires().millis()) - i128::from(row.not_before().millis()) <= 90 * 1440 * MINUTE;
    }
    // Policies are changed by two people.
    if action == "policy.approve" {
        allowed &= Some(rows.policy_sets[thing].proposed_by()) != person;
    }
    if action == "policy.apply" {
        let row = &rows.policy_sets[thing];
        allowed &= !(tenant.four_eyes && row.approvals().is_empty());
        if row.approvals().contains_key(row.proposed_by()) {
            allowed = false;
            alert = true;
        }
    }
    if let Some((name, grant)) = grant {
        let (in_force, suspicious) = relied_on(request, name, grant, owner);
        allowed &= in_force;
        alert |= suspicious;
    }

    // Somebody has to be permitted: an owner, a role, a grant, or whoever gives their own grant back.
    let by_role = has(Role::Owner) || ROLES.iter().any(|(role, actions)| has(*role) && is(actions, action));
    let by_grant = grant.is_some() && is(GRANTABLE, action);
    let own = action == "grant.revoke" && {
        let row = &rows.grants[thing];
        Some(row.requested_by()) == person || holds(row, &request.principal)
    };
    Verdict { allowed: allowed && (by_role || by_grant || own), alert }
}

/// Whether a grant is for somebody, or changes them.
fn holds(grant: &Grant, principal: &Principal) -> bool {
    let changes = grant.resource().kind() == principal.kind() && grant.resource().id() == principal.id();
    grant.who() == principal || changes
}

/// Whether a grant that a request names is in force in every respect, and whether its row is one that cannot be.
fn relied_on(request: &Request, name: &Id, grant: &Grant, owner: &Id) -> (bool, bool) {
    let action = request.action.name();
    let now = i128::from(request.context.now.millis());
    let (kind, thing) = (request.resource.kind(), request.resource.id());
    let approved_by = |id: &Id| grant.approvals().contains_key(id);

    // It is of this tenant, for this person, for this thing, for this action, for this purpose.
    let mut holds_here = grant.tenant() == owner && holds(grant, &request.principal);
    let in_it = grant.resource() == &request.resource
        || (kind == grant.who().kind() && thing == grant.who().id())
        || (kind == Kind::Grant && thing == name);
    holds_here &= in_it && grant.acts().iter().any(|act| act.name() == action);
    holds_here &= !is(PURPOSEFUL, action) || request.context.purpose.as_ref() == Some(grant.purpose());
    // It has begun, is not over and not revoked.
    holds_here &= i128::from(grant.not_before().millis()) <= now && now < i128::from(grant.expires().millis());
    holds_here &= grant.revoked_at().is_none();
    // It has its approvals, at least one, and none of whoever asked for it or gains from it.
    holds_here &= grant.approvals().len() >= usize::from(grant.needed()).max(1);
    let own = approved_by(grant.requested_by())
        || matches!(&request.principal, Principal::User(id) if approved_by(id))
        || (kind == Kind::User && approved_by(thing));
    // In an emergency: two people within ten minutes of the request, reading only, for an hour.
    if grant.is_break_glass() {
        let asked = i128::from(grant.requested_at().millis());
        let mut times: Vec<i128> = grant.approvals().values().map(|at| i128::from(at.millis())).collect();
        times.sort_unstable();
        let second = times.get(1).copied();
        holds_here &= action == "dataset.read"
            && second.is_some_and(|second| {
                asked <= times[0] && second - asked <= 10 * MINUTE && second <= now && now < second + 60 * MINUTE
            });
    }
    (holds_here && !own, own || grant.tenant() != owner)
}
