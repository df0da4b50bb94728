//! Grants in the store: asked for, approved by others, revoked.
//!
//! Invariant: a grant's row is written over the revision that was read, in one transaction, so two approvals at one time are one
//! behind the other; each approval has a row of its own too, which nobody changes, and one person has one for a grant.

use std::collections::BTreeSet;
use std::time::Duration;

use cloister_access::{Action, Ask as Wish, Grant, Id, Instant, Kind, Principal, Resource, Step};
use cloister_vault::log::entry::Fact;
use cloister_vault::store::{ApprovalDecision, ApprovalRow, GrantRow, PrincipalRow, Tx};

use super::directory::body;
use super::door::{Ask, there};
use super::{Error, Project, Result};

/// What somebody asks for.
pub struct Wanted {
    /// Whom the grant is for.
    pub who: Principal,
    /// What it opens.
    pub resource: Resource,
    /// What they may do.
    pub acts: BTreeSet<Action>,
    /// What for.
    pub purpose: Id,
    /// How many others have to approve: 1 to 9.
    pub needed: u8,
    /// How long it holds, from now.
    pub term: Duration,
    /// Whether it is an emergency: to read a dataset oneself, with two approvals in ten minutes, for an hour.
    pub emergency: bool,
    /// What the person wrote.
    pub note: Option<String>,
}

/// What came of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// What it did.
    pub step: Step,
    /// How many are missing.
    pub missing: u8,
}

impl Project {
    /// Asks for a grant. Gives its id, and the grant.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Unknown`], [`Error::Access`] for what cannot be granted; those of the store.
    pub fn request_grant(&self, wanted: Wanted) -> Result<(Id, Grant)> {
        let Wanted { who, resource, acts, purpose, needed, term, emergency, note } = wanted;
        let me = self.person()?;
        let action = if emergency { Action::BreakGlassRequest } else { Action::GrantRequest };
        let names: Vec<&str> = acts.iter().map(|act| act.name()).collect();
        let mut ask = Ask::new(action, resource.clone()).for_purpose(Some(purpose.clone())).noted(note);
        ask =
            ask.with("who", &who).with("acts", names.join(" ")).with("needed", needed).with("seconds", term.as_secs());
        let tenant = Id::new(self.manifest().tenant.as_str())?;
        let asked = self.change(&ask, |tx, now| {
            if tx.get::<PrincipalRow>(who.id().as_str())?.is_none() {
                return Err(Error::Unknown { kind: "member", id: who.id().to_string() });
            }
            let grant = if emergency {
                Grant::break_glass(tenant, me, resource.id().clone(), purpose, now)
            } else {
                let (not_before, expires) = (now, now.plus(term));
                let requested_by = me;
                Grant::request(
                    Wish { tenant, who, resource, acts, purpose, requested_by, needed, not_before, expires },
                    now,
                )?
            };
            let id = Id::new(format!("g{}", tx.all::<GrantRow>()?.len() + 1))?;
            tx.insert(&row(&id, &grant)?)?;
            tx.fact("grant", Fact::Text(id.to_string()))?;
            Ok((id, grant))
        })?;
        Ok(asked.value)
    }

    /// Approves a grant, as the person who is here.
    ///
    /// # Errors
    /// [`Error::Denied`], also for one's own; [`Error::Access`] for a grant that is over; those of the store.
    pub fn approve_grant(&self, id: &Id) -> Result<Approved> {
        let me = self.person()?;
        let ask = Ask::new(Action::GrantApprove, Resource::new(Kind::Grant, id.clone()));
        let approved = self.change(&ask, |tx, now| {
            self.step(tx, id, |grant| {
                let step = grant.approve(&me, now)?;
                Ok(Approved { step, missing: grant.missing() })
            })
            .and_then(|approved| {
                if approved.step != Step::Unchanged {
                    decided(tx, Kind::Grant, id, &me)?;
                }
                Ok(approved)
            })
        })?;
        Ok(approved.value)
    }

    /// Revokes a grant, at once and for good. False if it was revoked before.
    ///
    /// # Errors
    /// [`Error::Denied`], those of the store.
    pub fn revoke_grant(&self, id: &Id) -> Result<bool> {
        let ask = Ask::new(Action::GrantRevoke, Resource::new(Kind::Grant, id.clone()));
        let revoked = self.change(&ask, |tx, now| self.step(tx, id, |grant| Ok(grant.revoke(now))))?;
        Ok(revoked.value)
    }

    /// Changes a grant where it stands.
    fn step<T>(&self, tx: &mut Tx<'_>, id: &Id, step: impl FnOnce(&mut Grant) -> Result<T>) -> Result<T> {
        let before = tx.need::<GrantRow>(id.as_str())?;
        let mut grant: Grant = body("grant", &before.id, &before.body)?;
        let done = step(&mut grant)?;
        if grant.revision() != before.revision {
            tx.update(&row(id, &grant)?)?;
        }
        Ok(done)
    }
}

/// The row of what one person approved.
pub(super) fn decided(tx: &mut Tx<'_>, kind: Kind, id: &Id, who: &Id) -> Result<()> {
    let created = tx.now();
    Ok(tx.insert(&ApprovalRow {
        id: format!("{id}.{who}"),
        kind: kind.name().into(),
        subject: id.to_string(),
        who: who.to_string(),
        decision: ApprovalDecision::Approve,
        created,
    })?)
}

fn row(id: &Id, grant: &Grant) -> Result<GrantRow> {
    let broken = |_| Error::Unknown { kind: "grant", id: id.to_string() };
    Ok(GrantRow {
        id: id.to_string(),
        tenant: grant.tenant().to_string(),
        who: grant.who().id().to_string(),
        resource: grant.resource().to_string(),
        purpose: grant.purpose().to_string(),
        requested_by: grant.requested_by().to_string(),
        expires: there(grant.expires())?,
        revision: grant.revision(),
        body: serde_json::to_string(grant).map_err(broken)?,
    })
}

/// The state of a grant in one word.
#[must_use]
pub(super) fn state(grant: &Grant, now: Instant) -> &'static str {
    use cloister_access::State;
    match grant.state(now) {
        State::Requested => "requested",
        State::Approved => "approved",
        State::Active => "active",
        State::Expired => "expired",
        State::Revoked => "revoked",
    }
}
