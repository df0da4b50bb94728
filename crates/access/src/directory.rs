//! What is known of people, programs and things: plain rows, as a store keeps them.
//!
//! Invariant: nothing here is believed. Rows may come from a store that somebody changed; policies look at what they say.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::grant::Grant;
use crate::names::{Id, KeyKind, Kind, Principal, Resource, Role, Sensitivity};
use crate::proposal::Proposal;
use crate::{Instant, Result};

/// The rows that a decision may look at: for one request, those that it names suffice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Directory {
    /// Organisations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tenants: BTreeMap<Id, Tenant>,
    /// People.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<Id, User>,
    /// Programs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<Id, Service>,
    /// Projects.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub projects: BTreeMap<Id, Owned>,
    /// Datasets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub datasets: BTreeMap<Id, Holding>,
    /// Runs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub runs: BTreeMap<Id, Holding>,
    /// Adapters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub adapters: BTreeMap<Id, Holding>,
    /// Keys.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<Id, Key>,
    /// Logs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub logs: BTreeMap<Id, Owned>,
    /// Changes of policies that were proposed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub policy_sets: BTreeMap<Id, Proposal>,
    /// Grants.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub grants: BTreeMap<Id, Grant>,
}

/// An organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Whether what one person must not do alone needs a second one. False only where one person keeps a project alone; the
    /// store lets it be switched on, never off.
    #[serde(default = "yes")]
    pub four_eyes: bool,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Whose person.
    pub tenant: Id,
    /// What they are.
    #[serde(default)]
    pub roles: BTreeSet<Role>,
    /// Whether the account is switched off.
    #[serde(default)]
    pub disabled: bool,
    /// When the second factor was last shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa_at: Option<Instant>,
}

/// A program with a key of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Whose program.
    pub tenant: Id,
    /// What it is.
    #[serde(default)]
    pub roles: BTreeSet<Role>,
    /// Whether the account is switched off.
    #[serde(default)]
    pub disabled: bool,
}

/// A thing of which only the tenant matters: a project, a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owned {
    /// Whose it is.
    pub tenant: Id,
}

/// What holds data or was made from it: a dataset, a run, an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holding {
    /// Whose it is.
    pub tenant: Id,
    /// The project it is in.
    pub project: Id,
    /// How much harm it can do.
    pub sensitivity: Sensitivity,
    /// What the data was collected for.
    pub purposes: BTreeSet<Id>,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Whose it is.
    pub tenant: Id,
    /// What it is for.
    pub kind: KeyKind,
}

impl Directory {
    /// The tenant of who asks, if there is such a row.
    #[must_use]
    pub fn tenant_of_principal(&self, principal: &Principal) -> Option<&Id> {
        match principal {
            Principal::User(id) => self.users.get(id).map(|row| &row.tenant),
            Principal::Service(id) => self.services.get(id).map(|row| &row.tenant),
        }
    }

    /// The tenant of a thing, if there is such a row.
    #[must_use]
    pub fn tenant_of(&self, resource: &Resource) -> Option<&Id> {
        let id = resource.id();
        match resource.kind() {
            Kind::Project => self.projects.get(id).map(|row| &row.tenant),
            Kind::Dataset | Kind::Run | Kind::Adapter => self.holding(resource).map(|row| &row.tenant),
            Kind::Key => self.keys.get(id).map(|row| &row.tenant),
            Kind::Log => self.logs.get(id).map(|row| &row.tenant),
            Kind::PolicySet => self.policy_sets.get(id).map(Proposal::tenant),
            Kind::Grant => self.grants.get(id).map(Grant::tenant),
            Kind::User => self.users.get(id).map(|row| &row.tenant),
            Kind::Service => self.services.get(id).map(|row| &row.tenant),
        }
    }

    /// The row of a dataset, a run or an adapter.
    #[must_use]
    pub fn holding(&self, resource: &Resource) -> Option<&Holding> {
        let rows = match resource.kind() {
            Kind::Dataset => &self.datasets,
            Kind::Run => &self.runs,
            Kind::Adapter => &self.adapters,
            _ => return None,
        };
        rows.get(resource.id())
    }

    /// Everybody who could ask.
    pub fn principals(&self) -> impl Iterator<Item = Principal> + '_ {
        let users = self.users.keys().cloned().map(Principal::User);
        users.chain(self.services.keys().cloned().map(Principal::Service))
    }

    /// The grants that somebody has on a thing, in force or not.
    pub fn grants_of<'a>(
        &'a self,
        principal: &'a Principal,
        resource: &'a Resource,
    ) -> impl Iterator<Item = (&'a Id, &'a Grant)> + 'a {
        self.grants.iter().filter(move |(_, grant)| grant.who() == principal && grant.resource() == resource)
    }

    /// The one form in bytes, for digests.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| crate::Error::Entities { reason: error.to_string() })
    }
}

const fn yes() -> bool {
    true
}
