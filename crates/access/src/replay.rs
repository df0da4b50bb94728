//! Recorded decisions under other policies: what would have been answered differently?
//!
//! Invariant: a recorded decision is decided over the rows that it saw then, not over those of today, so every difference comes
//! from the policies.

use serde::{Deserialize, Serialize};

use crate::decision::{Decision, Effect, Why};
use crate::directory::Directory;
use crate::entities::Entities;
use crate::policy_set::PolicySet;
use crate::request::Request;
use crate::{Error, Result};

/// A request with the rows that its decision saw, and the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// What was asked.
    pub request: Request,
    /// What was known.
    pub directory: Directory,
    /// What was answered.
    pub effect: Effect,
    /// The policies that decided.
    pub policies: Vec<String>,
}

impl Recorded {
    /// Records a decision.
    #[must_use]
    pub fn new(request: &Request, entities: &Entities, decision: &Decision) -> Self {
        Self {
            request: request.clone(),
            directory: entities.directory().clone(),
            effect: decision.effect,
            policies: decision.policies.clone(),
        }
    }
}

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replay {
    /// How many decisions were made again.
    pub decisions: usize,
    /// Those with another answer.
    pub differences: Vec<Difference>,
    /// How many have the same answer by other policies.
    pub other_reasons: usize,
}

/// A request that gets another answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its place among the recorded ones, from 0.
    pub place: usize,
    /// What was asked.
    pub request: Request,
    /// What was answered, and by which policies.
    pub before: (Effect, Vec<String>),
    /// What would be answered now, and why.
    pub now: Why,
}

impl PolicySet {
    /// Decides recorded requests again under these policies. The approver of a change of policies sees what comes of it.
    ///
    /// # Errors
    /// [`Error::Entities`] with the place of a record whose rows do not agree with the schema.
    pub fn replay<'a>(&self, recorded: impl IntoIterator<Item = &'a Recorded>) -> Result<Replay> {
        let mut replay = Replay::default();
        for (place, record) in recorded.into_iter().enumerate() {
            let entities = Entities::new(record.directory.clone())
                .map_err(|error| Error::Entities { reason: format!("recorded decision {place}: {error}") })?;
            let decision = self.decide(&record.request, &entities);
            replay.decisions += 1;
            if decision.effect != record.effect {
                replay.differences.push(Difference {
                    place,
                    request: record.request.clone(),
                    before: (record.effect, record.policies.clone()),
                    now: self.why(&record.request, &decision),
                });
            } else if decision.policies != record.policies {
                replay.other_reasons += 1;
            }
        }
        Ok(replay)
    }
}
