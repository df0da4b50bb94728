//! The rows of the store as the directory that decisions are made over.
//!
//! Invariant: every decision sees the rows of one state of the store, all of them, and those that cannot be read as what they
//! should be are an error, so the answer is no. Nobody's second factor is known but that of who is here.

use std::collections::HashMap;

use cloister_access::{
    Action, Directory, Grant, Holding, Id, Instant, Key, KeyKind, Kind, Owned, Principal, Proposal, Role, Sensitivity,
    Service, Tenant, User,
};
use cloister_vault::store::{
    DatasetRow, GrantRow, ObjectRow, PolicyRow, PrincipalKind, PrincipalRow, PrincipalState, RunRow, TenantRow,
    VersionRow, View,
};
use serde::de::DeserializeOwned;

use super::door::Ask;
use super::{Error, Result};

/// The project in its own directory, and its log.
pub(super) const MAIN: &str = "main";
/// The key that signs the log.
pub(super) const LOG_KEY: &str = "log";
/// The key of the tenant.
const TENANT_KEY: &str = "tenant";
/// What the objects of adapters are called in their rows.
const ADAPTER: &str = "adapter";

/// Everything that a decision can look at.
pub(super) fn directory(view: &mut View<'_>, me: (&Principal, Option<Instant>)) -> Result<Directory> {
    let mut found = Directory::default();
    for row in view.all::<TenantRow>()? {
        let tenant = Id::new(row.id)?;
        let owned = Owned { tenant: tenant.clone() };
        found.projects.insert(Id::new(MAIN)?, owned.clone());
        found.logs.insert(Id::new(MAIN)?, owned);
        found.keys.insert(Id::new(LOG_KEY)?, Key { tenant: tenant.clone(), kind: KeyKind::Log });
        found.keys.insert(Id::new(TENANT_KEY)?, Key { tenant: tenant.clone(), kind: KeyKind::Data });
        found.tenants.insert(tenant, Tenant { four_eyes: row.four_eyes });
    }
    people(view, me, &mut found)?;
    things(view, &mut found)?;
    for row in view.all::<GrantRow>()? {
        found.grants.insert(Id::new(&row.id)?, body::<Grant>("grant", &row.id, &row.body)?);
    }
    for row in view.all::<PolicyRow>()? {
        found.policy_sets.insert(Id::new(&row.id)?, body::<Proposal>("change of policies", &row.id, &row.body)?);
    }
    Ok(found)
}

/// The same for one request: who is to become a member is there already, as somebody who can do nothing.
pub(super) fn directory_for(view: &mut View<'_>, me: (&Principal, Option<Instant>), ask: &Ask) -> Result<Directory> {
    let mut found = directory(view, me)?;
    let becomes = matches!(ask.action, Action::MemberChange | Action::GrantRequest);
    if becomes && ask.resource.kind() == Kind::User && !found.users.contains_key(ask.resource.id()) {
        let ours = found.tenants.keys().next().cloned();
        if let Some(tenant) = ours {
            let nobody = User { tenant, roles: [].into(), disabled: true, mfa_at: None };
            found.users.insert(ask.resource.id().clone(), nobody);
        }
    }
    Ok(found)
}

/// The form that the engine of decisions keeps in a row.
pub(super) fn body<T: DeserializeOwned>(kind: &'static str, id: &str, text: &str) -> Result<T> {
    // What serde says of the cause may quote the row.
    serde_json::from_str(text).map_err(|_| Error::Unknown { kind, id: id.into() })
}

fn people(view: &mut View<'_>, (me, mfa_at): (&Principal, Option<Instant>), found: &mut Directory) -> Result<()> {
    for row in view.all::<PrincipalRow>()? {
        let (id, tenant) = (Id::new(row.id)?, Id::new(row.tenant)?);
        let roles = row.roles.iter().map(str::parse::<Role>).collect::<Result<_, _>>()?;
        let disabled = row.state != PrincipalState::Active;
        match row.kind {
            PrincipalKind::User => {
                let is_me = *me == Principal::User(id.clone());
                found.users.insert(id, User { tenant, roles, disabled, mfa_at: mfa_at.filter(|_| is_me) });
            }
            PrincipalKind::Service => drop(found.services.insert(id, Service { tenant, roles, disabled })),
        }
    }
    Ok(())
}

fn things(view: &mut View<'_>, found: &mut Directory) -> Result<()> {
    for row in view.all::<DatasetRow>()? {
        let id = Id::new(row.id)?;
        let tenant = Id::new(row.tenant)?;
        let purposes = row.purposes.iter().map(Id::new).collect::<Result<_, _>>()?;
        found.keys.insert(id.clone(), Key { tenant: tenant.clone(), kind: KeyKind::Data });
        let sensitivity = row.sensitivity.parse::<Sensitivity>()?;
        found.datasets.insert(id, Holding { tenant, project: Id::new(MAIN)?, sensitivity, purposes });
    }
    let versions: HashMap<String, String> =
        view.all::<VersionRow>()?.into_iter().map(|row| (row.id, row.dataset)).collect();
    // What was made from data inherits what the data is.
    let of_version = |found: &Directory, version: &str| {
        let dataset = versions.get(version).and_then(|dataset| Id::new(dataset.as_str()).ok());
        dataset.and_then(|dataset| found.datasets.get(&dataset).cloned())
    };
    for row in view.all::<RunRow>()? {
        if let Some(holding) = of_version(found, &row.version) {
            found.runs.insert(Id::new(row.id)?, holding);
        }
    }
    for row in view.list::<ObjectRow>("kind", ADAPTER)? {
        if let Some(holding) = row.version.as_ref().and_then(|version| of_version(found, version)) {
            found.adapters.insert(Id::new(row.id.to_string())?, holding);
        }
    }
    Ok(())
}
