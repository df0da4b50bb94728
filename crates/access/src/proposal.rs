//! Changes of the policies: proposed by one person, checked, approved by another, applied.
//!
//! Invariant: what is applied is, byte for byte, what was approved; it passed strict validation twice; and it replaces the
//! policies that its approvers compared it with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::directory::Tenant;
use crate::error::Refusal;
use crate::grant::Step;
use crate::names::Id;
use crate::policy_set::PolicySet;
use crate::{Instant, Result};

/// A change of policies, as a store keeps it beside the text. Its id is its digest, so that an approval is for one text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    tenant: Id,
    proposed_by: Id,
    proposed_at: Instant,
    /// Of the set that would hold.
    digest: Digest,
    /// Of the set that held.
    replaces: Digest,
    #[serde(default)]
    approvals: BTreeMap<Id, Instant>,
    #[serde(default)]
    revision: u64,
}

impl Proposal {
    /// Checks other policies, to be added to the built-in ones, and proposes them. Gives the set too, so that it can be run
    /// against test cases and recorded decisions before anybody approves it.
    ///
    /// # Errors
    /// Those of [`PolicySet::with_custom`].
    pub fn new(tenant: Id, by: Id, custom: &str, holds: &PolicySet, now: Instant) -> Result<(Self, PolicySet)> {
        let set = PolicySet::with_custom(custom)?;
        let proposal = Self {
            tenant,
            proposed_by: by,
            proposed_at: now,
            digest: set.digest(),
            replaces: holds.digest(),
            approvals: BTreeMap::new(),
            revision: 0,
        };
        Ok((proposal, set))
    }

    /// Notes that a person approves.
    ///
    /// # Errors
    /// [`Refusal::OwnRequest`] for the person who proposed it; [`Refusal::ClockBack`] before the proposal.
    pub fn approve(&mut self, by: &Id, now: Instant) -> Result<Step> {
        if *by == self.proposed_by {
            return Err(Refusal::OwnRequest.into());
        }
        if now < self.proposed_at {
            return Err(Refusal::ClockBack.into());
        }
        if self.approvals.contains_key(by) {
            return Ok(Step::Unchanged);
        }
        self.approvals.insert(by.clone(), now);
        self.revision += 1;
        Ok(if self.approvals.len() == 1 { Step::Complete } else { Step::Unchanged })
    }

    /// Gives the policies that hold from now on.
    ///
    /// # Errors
    /// Those of [`PolicySet::with_custom`]; [`Refusal::OtherPolicies`] for a text other than the one that was approved;
    /// [`Refusal::Outdated`] if the policies that it was to replace no longer hold; [`Refusal::NotApproved`] without the
    /// approval of a person other than the proposer, unless one person keeps the project alone.
    pub fn apply(&self, custom: &str, holds: &PolicySet, tenant: &Tenant) -> Result<PolicySet> {
        let set = PolicySet::with_custom(custom)?;
        if set.digest() != self.digest {
            return Err(Refusal::OtherPolicies.into());
        }
        if holds.digest() != self.replaces {
            return Err(Refusal::Outdated.into());
        }
        if tenant.four_eyes && !self.approvals.keys().any(|by| *by != self.proposed_by) {
            return Err(Refusal::NotApproved.into());
        }
        Ok(set)
    }

    /// Whose policies they are.
    #[must_use]
    pub const fn tenant(&self) -> &Id {
        &self.tenant
    }

    /// Who proposed them.
    #[must_use]
    pub const fn proposed_by(&self) -> &Id {
        &self.proposed_by
    }

    /// Who approved them, and when.
    #[must_use]
    pub const fn approvals(&self) -> &BTreeMap<Id, Instant> {
        &self.approvals
    }

    /// The digest of the set that would hold.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// How often it was changed. A store writes a row only over the revision that was read.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }
}
