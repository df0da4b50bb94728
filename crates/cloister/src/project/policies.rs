//! A project's own policies: proposed, approved by another person, applied.
//!
//! Invariant: what holds was validated twice and is, byte for byte, what was approved; the built-in policies stay part of it.

use cloister_access::{Action, Id, Kind, Proposal, Resource, Rule, Step, Tenant};
use cloister_vault::log::entry::{Digest, Fact};
use cloister_vault::store::{PolicyRow, PolicyState, TenantRow, Tx};

use super::directory::{MAIN, body};
use super::door::Ask;
use super::grants::decided;
use super::{Error, Project, Result};

/// Policies of a project's own, and where they stand.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The id of the proposal; none for the built-in policies alone.
    pub id: Option<String>,
    /// The digest of the whole set.
    pub digest: String,
    /// The project's own text.
    pub text: String,
    /// All policies of the set.
    pub rules: Vec<Rule>,
}

impl Project {
    /// Proposes policies to be added to the built-in ones, in the place of those that a proposal before added. Gives its id.
    ///
    /// # Errors
    /// [`Error::Access`] with the line of what is wrong in the text; [`Error::Denied`]; those of the store.
    pub fn propose_policies(&self, text: &str) -> Result<Id> {
        let me = self.person()?;
        let tenant = Id::new(self.manifest().tenant.as_str())?;
        let ask = Ask::new(Action::PolicyPropose, Resource::new(Kind::Project, Id::new(MAIN)?)).with("policies", text);
        let proposed = self.change(&ask, |tx, now| {
            let holds = self.policies(tx)?;
            let (proposal, set) = Proposal::new(tenant, me, text, &holds, now)?;
            let id = Id::new(format!("p{}", tx.all::<PolicyRow>()?.len() + 1))?;
            let row = row(&id, &proposal, PolicyState::Proposed, text)?;
            tx.insert(&row)?;
            tx.fact("policies", Fact::Text(id.to_string()))?;
            tx.fact("digest", Fact::Text(Digest(set.digest().0).into()))?;
            Ok(id)
        })?;
        Ok(proposed.value)
    }

    /// Approves policies, as the person who is here.
    ///
    /// # Errors
    /// [`Error::Denied`], also for one's own; those of the store.
    pub fn approve_policies(&self, id: &Id) -> Result<Step> {
        let me = self.person()?;
        let ask = Ask::new(Action::PolicyApprove, Resource::new(Kind::PolicySet, id.clone()));
        let approved = self.change(&ask, |tx, now| {
            let (before, mut proposal) = proposed(tx, id)?;
            let revision = proposal.revision();
            let step = proposal.approve(&me, now)?;
            if proposal.revision() != revision {
                tx.update(&row(id, &proposal, before.state, &before.policies)?)?;
                decided(tx, Kind::PolicySet, id, &me)?;
            }
            Ok(step)
        })?;
        Ok(approved.value)
    }

    /// Lets approved policies hold, from the next request on.
    ///
    /// # Errors
    /// [`Error::Denied`]; [`Error::Access`] if others hold than when they were proposed; those of the store.
    pub fn apply_policies(&self, id: &Id) -> Result<()> {
        let ask = Ask::new(Action::PolicyApply, Resource::new(Kind::PolicySet, id.clone()));
        self.change(&ask, |tx, _| {
            let (row, proposal) = proposed(tx, id)?;
            if row.state != PolicyState::Proposed {
                return Err(Error::Unknown { kind: "proposal that waits", id: id.to_string() });
            }
            let tenant = tx.need::<TenantRow>(&self.manifest().tenant)?;
            let holds = self.policies(tx)?;
            let set = proposal.apply(&row.policies, &holds, &Tenant { four_eyes: tenant.four_eyes })?;
            for held in tx.list::<PolicyRow>("state", PolicyState::Holds.word())? {
                tx.update(&PolicyRow { state: PolicyState::Replaced, ..held })?;
            }
            tx.update(&PolicyRow { state: PolicyState::Holds, ..row })?;
            tx.fact("digest", Fact::Text(Digest(set.digest().0).into()))?;
            Ok(())
        })?;
        Ok(())
    }

    /// The policies that hold, or those of a proposal.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Unknown`]; those of the store.
    pub fn show_policies(&self, id: Option<&Id>) -> Result<Standing> {
        let ask = Ask::new(Action::ProjectRead, Resource::new(Kind::Project, Id::new(MAIN)?));
        self.through(&ask, |_| {
            self.view(|view| {
                let row = match id {
                    Some(id) => {
                        let row = view.get::<PolicyRow>(id.as_str())?;
                        Some(row.ok_or_else(|| Error::Unknown { kind: "proposal", id: id.to_string() })?)
                    }
                    None => view.list::<PolicyRow>("state", PolicyState::Holds.word())?.pop(),
                };
                let set = match &row {
                    Some(row) => cloister_access::PolicySet::with_custom(&row.policies)?,
                    None => cloister_access::PolicySet::load()?,
                };
                let (id, text) = row.map(|row| (row.id, row.policies)).unzip();
                let rules = set.rules().to_vec();
                Ok(Standing { id, digest: set.digest().to_string(), text: text.unwrap_or_default(), rules })
            })
        })
    }
}

fn proposed(tx: &mut Tx<'_>, id: &Id) -> Result<(PolicyRow, Proposal)> {
    let row = tx.need::<PolicyRow>(id.as_str())?;
    let proposal = body("proposal", &row.id, &row.body)?;
    Ok((row, proposal))
}

fn row(id: &Id, proposal: &Proposal, state: PolicyState, text: &str) -> Result<PolicyRow> {
    let broken = |_| Error::Unknown { kind: "proposal", id: id.to_string() };
    Ok(PolicyRow {
        id: id.to_string(),
        tenant: proposal.tenant().to_string(),
        proposed_by: proposal.proposed_by().to_string(),
        state,
        revision: proposal.revision(),
        body: serde_json::to_string(proposal).map_err(broken)?,
        policies: text.into(),
    })
}
