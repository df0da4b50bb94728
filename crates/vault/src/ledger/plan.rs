//! What is planned, what limits it, and who computes its epsilon.
//!
//! Invariant: nothing here knows how epsilon is computed. What the accountant gives is taken only if it is a number that an
//! epsilon can be; an error of its is a refusal.

use std::cell::RefCell;

use crate::store::Decimal;
use crate::store::value::words_of;
use crate::{Error, Result};

words_of! {
    /// What a mechanism hides, and a limit counts by.
    Unit {
        /// One record.
        Record = "record",
        /// All records of one person. What hides these hides each record too.
        Subject = "subject",
    }
}

/// A mechanism as an accountant takes it: a Gaussian on a Poisson sample, repeated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mechanism {
    /// The rate of sampling, above 0 and at most 1.
    pub q: f64,
    /// The noise over the clipping norm, above 0.
    pub sigma: f64,
    /// How many times.
    pub steps: u64,
}

/// What computes epsilon. The product brings one; the vault knows no privacy theory.
pub trait Accountant {
    /// Its name with its version: it stands in the log beside what it computed.
    fn name(&self) -> &str;

    /// The epsilon of all mechanisms together at a delta: an upper bound, never lower with more steps. The mechanisms are in
    /// one order, and equal ones are together.
    ///
    /// # Errors
    /// [`Error::Accountant`]; it refuses what asked for it.
    fn epsilon(&self, mechanisms: &[Mechanism], delta: f64) -> Result<f64>;

    /// The most steps of `next`, at most its own, that fit beside what is spent; 0 if none do.
    ///
    /// # Errors
    /// As [`Accountant::epsilon`].
    fn largest_steps(&self, spent: &[Mechanism], next: &Mechanism, delta: f64, epsilon: f64) -> Result<u64> {
        let (mut fits, mut above) = (0, next.steps + 1);
        while above - fits > 1 {
            let steps = fits + (above - fits) / 2;
            let would = self.epsilon(&with(spent, &Mechanism { steps, ..*next }), delta)?;
            if would <= epsilon { fits = steps } else { above = steps }
        }
        Ok(fits)
    }
}

/// A run that wants to spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The version of a dataset that it reads.
    pub version: String,
    /// What it hides.
    pub unit: Unit,
    /// Rate of sampling, above 0 and at most 1.
    pub q: Decimal,
    /// Noise over the clipping norm, above 0.
    pub sigma: Decimal,
    /// Steps, at least 1.
    pub steps: u64,
    /// The delta for which the run states its epsilon, below 1 and at most that of the limit.
    pub delta: Decimal,
}

impl Plan {
    pub(super) fn check(&self) -> Result<()> {
        let q = self.q.get();
        let reason = match self {
            _ if !(q > 0.0 && q <= 1.0) => "q is not above 0 and at most 1",
            _ if self.sigma.get() <= 0.0 => "sigma is not above 0",
            _ if !(1..=MOST_STEPS).contains(&self.steps) => "it has no steps, or too many",
            _ if self.delta.get() >= 1.0 => "delta is not below 1",
            _ => return Ok(()),
        };
        Err(Error::Plan { reason })
    }

    /// So many steps of its mechanism.
    #[must_use]
    pub fn mechanism(&self, steps: u64) -> Mechanism {
        Mechanism { q: self.q.get(), sigma: self.sigma.get(), steps }
    }
}

/// The most steps of a plan: sums of many plans stay far below the numbers of a database.
const MOST_STEPS: u64 = 1 << 40;

/// What may be spent on a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What it counts by.
    pub unit: Unit,
    /// The most epsilon.
    pub epsilon: Decimal,
    /// At this delta, which lies between 0 and 1.
    pub delta: Decimal,
}

impl Limit {
    pub(super) fn check(&self) -> Result<()> {
        let delta = self.delta.get();
        match delta > 0.0 && delta < 1.0 {
            true => Ok(()),
            false => Err(Error::Plan { reason: "the delta of a limit is not between 0 and 1" }),
        }
    }

    /// The stricter of two, in every respect.
    pub(super) fn stricter(&self, other: &Self) -> Self {
        let least = |a: Decimal, b: Decimal| if a < b { a } else { b };
        Self {
            unit: self.unit.max(other.unit),
            epsilon: least(self.epsilon, other.epsilon),
            delta: least(self.delta, other.delta),
        }
    }
}

/// Mechanisms in one order, equal ones together.
pub(super) fn merged(mut mechanisms: Vec<Mechanism>) -> Vec<Mechanism> {
    mechanisms.retain(|mechanism| mechanism.steps > 0);
    mechanisms.sort_by(|a, b| a.q.total_cmp(&b.q).then(a.sigma.total_cmp(&b.sigma)));
    mechanisms.dedup_by(|next, kept| {
        let same = next.q.to_bits() == kept.q.to_bits() && next.sigma.to_bits() == kept.sigma.to_bits();
        if same {
            kept.steps = kept.steps.saturating_add(next.steps);
        }
        same
    });
    mechanisms
}

/// Mechanisms and one more.
pub(super) fn with(spent: &[Mechanism], next: &Mechanism) -> Vec<Mechanism> {
    merged(spent.iter().chain([next]).copied().collect())
}

/// An accountant that remembers what it computed.
pub(super) struct Memo<'a> {
    accountant: &'a dyn Accountant,
    known: RefCell<Vec<(Vec<Mechanism>, f64, f64)>>,
}

impl<'a> Memo<'a> {
    pub(super) fn new(accountant: &'a dyn Accountant) -> Self {
        Self { accountant, known: RefCell::default() }
    }

    /// As [`super::epsilon_of`].
    pub(super) fn epsilon(&self, mechanisms: &[Mechanism], delta: f64) -> Result<Decimal> {
        super::epsilon_of(self, mechanisms, delta)
    }
}

impl Accountant for Memo<'_> {
    fn name(&self) -> &str {
        self.accountant.name()
    }

    fn epsilon(&self, mechanisms: &[Mechanism], delta: f64) -> Result<f64> {
        let same =
            |(known, at, _): &&(Vec<Mechanism>, f64, f64)| known == mechanisms && at.to_bits() == delta.to_bits();
        if let Some((_, _, epsilon)) = self.known.borrow().iter().find(same) {
            return Ok(*epsilon);
        }
        let epsilon = self.accountant.epsilon(mechanisms, delta)?;
        self.known.borrow_mut().push((mechanisms.to_vec(), delta, epsilon));
        Ok(epsilon)
    }

    fn largest_steps(&self, spent: &[Mechanism], next: &Mechanism, delta: f64, epsilon: f64) -> Result<u64> {
        self.accountant.largest_steps(spent, next, delta, epsilon)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn equal_mechanisms_are_one() {
        let of = |q, sigma, steps| Mechanism { q, sigma, steps };
        let all = vec![of(0.5, 2.0, 3), of(0.5, 1.0, 1), of(0.5, 2.0, 4), of(0.25, 9.0, 0)];
        assert_eq!(merged(all), [of(0.5, 1.0, 1), of(0.5, 2.0, 7)]);
    }

    #[test]
    fn the_stricter_limit_is_stricter_in_every_respect() {
        let limit = |unit, epsilon, delta| Limit {
            unit,
            epsilon: Decimal::new(epsilon).unwrap(),
            delta: Decimal::new(delta).unwrap(),
        };
        let (own, cap) = (limit(Unit::Record, 2.0, 1e-6), limit(Unit::Subject, 8.0, 1e-7));
        assert_eq!(own.stricter(&cap), limit(Unit::Subject, 2.0, 1e-7));
        assert_eq!(cap.stricter(&own), own.stricter(&cap));
        assert!(limit(Unit::Record, 1.0, 0.0).check().is_err() && limit(Unit::Record, 1.0, 1.0).check().is_err());
    }
}
