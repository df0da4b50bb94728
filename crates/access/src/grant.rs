//! The life of a grant: requested, approved by others, in force for its term, over or revoked.
//!
//! ```text
//! requested ──approvals of n others──► approved ──not_before──► active ──expires──► expired
//!     └────────────── expires ──────────────┴──── revoke ────────► revoked       ◄──┘
//! ```
//!
//! Invariant: an approval counts for one person once, and for nobody who requested the grant or gains from it; what is over or
//! revoked never comes back, whatever a clock says. The state is a function of the row and the instant: nothing has to run
//! when a term ends. Steps change a row in memory; a store writes it only if the revision on disk is the one that was read, so
//! of two approvals at the same time one is read again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::error::Refusal;
use crate::names::{Id, Kind, Principal, Resource};
use crate::{Instant, Result};

/// The longest term of a grant; the policy `grant-too-long` says the same.
pub const LONGEST_TERM: Duration = Duration::from_secs(90 * 86_400);
/// In an emergency both approvals come within this time of the request; the policy `break-glass-approvers` says the same.
pub const BREAK_GLASS_APPROVALS: Duration = Duration::from_secs(600);
/// Emergency access lasts so long after the second approval; the policy `break-glass-hour` says the same.
pub const BREAK_GLASS_TERM: Duration = Duration::from_secs(3600);
/// The most approvals that a grant can need.
const MOST_APPROVALS: u8 = 9;

/// An expiring permission for one purpose. Stored as its serde form; that form is a row, and a row is not believed:
/// policies look at every grant that a request names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    tenant: Id,
    who: Principal,
    resource: Resource,
    acts: BTreeSet<Action>,
    purpose: Id,
    requested_by: Id,
    requested_at: Instant,
    #[serde(default = "one")]
    needed: u8,
    not_before: Instant,
    expires: Instant,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    break_glass: bool,
    #[serde(default)]
    approvals: BTreeMap<Id, Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Instant>,
    #[serde(default)]
    revision: u64,
}

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Whose data it is.
    pub tenant: Id,
    /// Whom the grant is for.
    pub who: Principal,
    /// What it opens.
    pub resource: Resource,
    /// What they may do.
    pub acts: BTreeSet<Action>,
    /// What for.
    pub purpose: Id,
    /// The person who asks.
    pub requested_by: Id,
    /// How many others have to approve: 1 to 9.
    pub needed: u8,
    /// From when.
    pub not_before: Instant,
    /// Until when, this instant not included.
    pub expires: Instant,
}

/// Where a grant is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Approvals are missing.
    Requested,
    /// It is approved and has not begun.
    Approved,
    /// It is in force.
    Active,
    /// Its time is over, or ran out before it was approved.
    Expired,
    /// It was revoked.
    Revoked,
}

/// What an approval did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: the person had approved before, or no approval is missing.
    Unchanged,
    /// It counts, and so many are missing.
    Counted {
        /// How many are missing.
        missing: u8,
    },
    /// It was the last one that was missing.
    Complete,
}

impl Grant {
    /// Asks for a grant.
    ///
    /// # Errors
    /// [`Refusal::Acts`] if there is none, or one that grants do not give or that is not done to such a thing;
    /// [`Refusal::Approvals`] unless 1 to 9 are needed; [`Refusal::Term`] if it ends before it begins or before now, or lasts
    /// longer than [`LONGEST_TERM`].
    pub fn request(ask: Ask, now: Instant) -> Result<Self> {
        let Ask { tenant, who, resource, acts, purpose, requested_by, needed, not_before, expires } = ask;
        let can_be_given = |act: &Action| {
            (act.is_grantable() || act.needs_four_eyes())
                && act.resources().contains(&resource.kind())
                && act.principals().contains(&who.kind())
        };
        if acts.is_empty() || !acts.iter().all(can_be_given) {
            return Err(Refusal::Acts.into());
        }
        if !(1..=MOST_APPROVALS).contains(&needed) {
            return Err(Refusal::Approvals.into());
        }
        if expires <= not_before || expires <= now || expires.since(not_before) > LONGEST_TERM {
            return Err(Refusal::Term.into());
        }
        Ok(Self {
            tenant,
            who,
            resource,
            acts,
            purpose,
            requested_by,
            requested_at: now,
            needed,
            not_before,
            expires,
            break_glass: false,
            approvals: BTreeMap::new(),
            revoked_at: None,
            revision: 0,
        })
    }

    /// Asks to read a dataset in an emergency: two others have to approve within ten minutes, and an hour later it is over.
    #[must_use]
    pub fn break_glass(tenant: Id, requested_by: Id, dataset: Id, purpose: Id, now: Instant) -> Self {
        Self {
            tenant,
            who: Principal::User(requested_by.clone()),
            resource: Resource::new(Kind::Dataset, dataset),
            acts: [Action::DatasetRead].into(),
            purpose,
            requested_by,
            requested_at: now,
            needed: 2,
            not_before: now,
            // Until the approvals have come; the second one sets the term.
            expires: now.plus(BREAK_GLASS_APPROVALS + Duration::from_millis(1)),
            break_glass: true,
            approvals: BTreeMap::new(),
            revoked_at: None,
            revision: 0,
        }
    }

    /// Notes that a person approves.
    ///
    /// # Errors
    /// [`Refusal::Revoked`], [`Refusal::Over`]; [`Refusal::OwnRequest`] for the person who requested it,
    /// [`Refusal::OwnBenefit`] for the one whom it is for or whom it changes; [`Refusal::ClockBack`] for an instant before an
    /// earlier step. The row stays as it was.
    pub fn approve(&mut self, by: &Id, now: Instant) -> Result<Step> {
        if self.revoked_at.is_some() {
            return Err(Refusal::Revoked.into());
        }
        if now >= self.expires {
            return Err(Refusal::Over.into());
        }
        if *by == self.requested_by {
            return Err(Refusal::OwnRequest.into());
        }
        if self.gains(by) {
            return Err(Refusal::OwnBenefit.into());
        }
        if now < self.last_step() {
            return Err(Refusal::ClockBack.into());
        }
        if self.missing() == 0 || self.approvals.contains_key(by) {
            return Ok(Step::Unchanged);
        }
        self.approvals.insert(by.clone(), now);
        self.revision += 1;
        let missing = self.missing();
        if missing > 0 {
            return Ok(Step::Counted { missing });
        }
        if self.break_glass {
            self.not_before = now;
            self.expires = now.plus(BREAK_GLASS_TERM);
        }
        Ok(Step::Complete)
    }

    /// Revokes it, at once and for good; false if it was revoked before. What holds a grant asks again before each chunk or
    /// step, so a running export or training ends there.
    pub fn revoke(&mut self, now: Instant) -> bool {
        if self.revoked_at.is_some() {
            return false;
        }
        self.revoked_at = Some(now.max(self.last_step()));
        self.revision += 1;
        true
    }

    /// Where it is in its life.
    #[must_use]
    pub fn state(&self, now: Instant) -> State {
        if self.revoked_at.is_some() {
            State::Revoked
        } else if now >= self.expires {
            State::Expired
        } else if self.missing() > 0 {
            State::Requested
        } else if now < self.not_before {
            State::Approved
        } else {
            State::Active
        }
    }

    /// Whether a person gains from it: whom it is for, and whom it changes.
    #[must_use]
    pub fn gains(&self, person: &Id) -> bool {
        let changed = self.resource.kind() == Kind::User && self.resource.id() == person;
        changed || matches!(&self.who, Principal::User(who) if who == person)
    }

    /// How many approvals are missing.
    #[must_use]
    pub fn missing(&self) -> u8 {
        self.needed.saturating_sub(u8::try_from(self.approvals.len()).unwrap_or(u8::MAX))
    }

    /// Whose data it is about.
    #[must_use]
    pub const fn tenant(&self) -> &Id {
        &self.tenant
    }

    /// Whom it is for.
    #[must_use]
    pub const fn who(&self) -> &Principal {
        &self.who
    }

    /// What it opens.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.resource
    }

    /// What may be done.
    #[must_use]
    pub const fn acts(&self) -> &BTreeSet<Action> {
        &self.acts
    }

    /// What for.
    #[must_use]
    pub const fn purpose(&self) -> &Id {
        &self.purpose
    }

    /// Who asked for it.
    #[must_use]
    pub const fn requested_by(&self) -> &Id {
        &self.requested_by
    }

    /// When it was asked for.
    #[must_use]
    pub const fn requested_at(&self) -> Instant {
        self.requested_at
    }

    /// How many approvals it needs.
    #[must_use]
    pub const fn needed(&self) -> u8 {
        self.needed
    }

    /// Who approved it, and when.
    #[must_use]
    pub const fn approvals(&self) -> &BTreeMap<Id, Instant> {
        &self.approvals
    }

    /// From when it holds.
    #[must_use]
    pub const fn not_before(&self) -> Instant {
        self.not_before
    }

    /// Until when it holds, this instant not included.
    #[must_use]
    pub const fn expires(&self) -> Instant {
        self.expires
    }

    /// Whether it is for an emergency.
    #[must_use]
    pub const fn is_break_glass(&self) -> bool {
        self.break_glass
    }

    /// When it was revoked.
    #[must_use]
    pub const fn revoked_at(&self) -> Option<Instant> {
        self.revoked_at
    }

    /// How often it was changed. A store writes a row only over the revision that was read.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The first two approvals in the order of time, by id where the times are the same.
    pub(crate) fn opened(&self) -> Option<[(&Id, Instant); 2]> {
        let mut approvals: Vec<(&Id, Instant)> = self.approvals.iter().map(|(by, at)| (by, *at)).collect();
        approvals.sort_by_key(|(_, at)| *at);
        approvals.get(..2).and_then(|two| two.try_into().ok())
    }

    fn last_step(&self) -> Instant {
        self.approvals.values().copied().max().map_or(self.requested_at, |last| last.max(self.requested_at))
    }
}

const fn one() -> u8 {
    1
}
