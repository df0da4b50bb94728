//! Owns what can be accounted for: how the units of a step are chosen, and between which data sets the result must
//! be hard to tell apart.
//!
//! Invariant: a mechanism is accounted only under an adjacency for which a bound is known; everything else is
//! refused, never approximated. Noise is always given as its standard deviation divided by the clip norm, so that a
//! replaced unit moves a sum by up to 2.
//!
//! Sources: Mironov et al. 2019 (Poisson sampling), arXiv 2508.15089 (truncated Poisson sampling), Wang, Balle and
//! Kasiviswanathan 2019 (arXiv 1808.00087, fixed size), Choquette-Choo et al. 2023 (arXiv 2310.15526, several records
//! of one unit).

use serde::{Deserialize, Serialize};

use super::{Phase, binomial, check_q, check_sigma};
use crate::error::{Error, Result};
use crate::plan::Adjacency;

/// A stretch of training with constant parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "sampling", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Mechanism {
    /// Every unit takes part in a step with probability `q`, independently of all others.
    ///
    /// Accounted under every adjacency; by Rényi divergences unless a unit is replaced.
    Poisson(Phase),
    /// As [`Mechanism::Poisson`], but a batch of more than `cap` units is cut down to `cap` of them at random.
    ///
    /// Accounted under every adjacency; by Rényi divergences unless a unit is replaced, and loosely where many batches
    /// are cut.
    TruncatedPoisson {
        /// Probability with which every unit is drawn before the batch is cut, in `(0, 1]`.
        q: f64,
        /// Noise standard deviation divided by the clip norm.
        sigma: f64,
        /// Number of steps.
        steps: u64,
        /// Number of units, in the larger of the two data sets.
        units: u64,
        /// The largest batch.
        cap: u64,
    },
    /// As [`Mechanism::Poisson`], for a unit of several records of which each is drawn and clipped by itself: a
    /// person with `records` training examples, or a text with that many copies, under record-level training.
    ///
    /// Exact for records whose gradients point the same way, which is the worst case. Accounted for added, removed
    /// and zeroed units, by privacy loss distributions, and without sampling also by Rényi divergences.
    PoissonGroup {
        /// Probability with which every record takes part in a step, in `(0, 1]`.
        q: f64,
        /// Noise standard deviation divided by the clip norm of one record.
        sigma: f64,
        /// Number of steps.
        steps: u64,
        /// The most records one unit has.
        records: u32,
    },
    /// `batch` of `units` units in every step, drawn without replacement and independently between steps.
    ///
    /// Accounted for a replaced unit, by Rényi divergences.
    FixedSize {
        /// Units in a batch.
        batch: u64,
        /// Number of units, which is public.
        units: u64,
        /// Noise standard deviation divided by the clip norm. A replaced unit moves the sum by up to twice the clip
        /// norm; the accountant halves `sigma` itself.
        sigma: f64,
        /// Number of steps.
        steps: u64,
    },
    /// Passes over shuffled data, *without amplification*: in each pass every unit takes part in exactly one step,
    /// so that a pass is one Gaussian release, with `q = 1`. No tight bound for shuffling is known; accounting it as
    /// Poisson sampling can be far too small (Chua et al. 2024, arXiv 2411.04205).
    ///
    /// Accounted for zeroed and replaced units: the number of units decides where batches end and is public.
    Shuffled {
        /// Noise standard deviation divided by the clip norm.
        sigma: f64,
        /// Passes over the data, the last one perhaps not complete.
        passes: u64,
    },
}

/// What one step of a mechanism is for the accountant by privacy loss distributions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Part {
    Gaussian { sigma: f64 },
    Sampled { q: f64, sigma: f64 },
    Replaced { q: f64, sigma: f64 },
    Group { q: f64, sigma: f64, records: u32 },
    Truncated(Truncated),
}

/// One step of truncated Poisson sampling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Truncated {
    pub(crate) q: f64,
    pub(crate) sigma: f64,
    /// Probability that the others alone fill the batch.
    pub(crate) truncation: f64,
    /// Probability that the unit is in the batch, given that the others fill it.
    pub(crate) conditional_q: f64,
    /// The uncut batch is that of a replaced unit.
    pub(crate) replaced: bool,
}

impl Mechanism {
    /// The same with another noise.
    pub(crate) fn with_sigma(mut self, noise: f64) -> Self {
        match &mut self {
            Self::Poisson(Phase { sigma, .. })
            | Self::TruncatedPoisson { sigma, .. }
            | Self::PoissonGroup { sigma, .. }
            | Self::FixedSize { sigma, .. }
            | Self::Shuffled { sigma, .. } => *sigma = noise,
        }
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        match *self {
            Self::Poisson(Phase { q, sigma, .. }) => check_q(q).and(check_sigma(sigma)),
            Self::TruncatedPoisson { q, sigma, units, cap, .. } => {
                check_q(q)?;
                check_sigma(sigma)?;
                if units == 0 {
                    return Err(Error::NoUnits);
                }
                if cap == 0 { Err(Error::BatchSize { batch: cap, units }) } else { Ok(()) }
            }
            Self::PoissonGroup { q, sigma, records, .. } => {
                check_q(q)?;
                check_sigma(sigma)?;
                if records == 0 { Err(Error::NoUnits) } else { Ok(()) }
            }
            Self::FixedSize { batch, units, sigma, .. } => {
                check_sigma(sigma)?;
                if units == 0 {
                    return Err(Error::NoUnits);
                }
                if batch == 0 || batch > units { Err(Error::BatchSize { batch, units }) } else { Ok(()) }
            }
            Self::Shuffled { sigma, .. } => check_sigma(sigma),
        }
    }

    /// One step and the number of steps.
    pub(crate) fn part(&self, adjacency: Adjacency) -> Result<(Part, u64)> {
        self.check()?;
        let replaced = adjacency == Adjacency::ReplaceOne;
        let unsampled = |sigma: f64| Part::Gaussian { sigma: if replaced { 0.5 * sigma } else { sigma } };
        Ok(match *self {
            Self::Poisson(Phase { q: 1.0, sigma, steps }) => (unsampled(sigma), steps),
            Self::Poisson(Phase { q, sigma, steps }) if replaced => (Part::Replaced { q, sigma }, steps),
            Self::Poisson(Phase { q, sigma, steps }) => (Part::Sampled { q, sigma }, steps),
            Self::TruncatedPoisson { q, sigma, steps, units, cap } => {
                let truncation = if cap < units { binomial::above(units - 1, q, cap - 1) } else { 0.0 };
                if truncation == 0.0 {
                    return Self::Poisson(Phase { q, sigma, steps }).part(adjacency);
                }
                let share = cap as f64 / units as f64;
                let conditional_q = (binomial::above(units, q, cap) / truncation * share).min(1.0);
                (Part::Truncated(Truncated { q, sigma, truncation, conditional_q, replaced }), steps)
            }
            Self::PoissonGroup { q, sigma, steps, records: 1 } => {
                return Self::Poisson(Phase { q, sigma, steps }).part(adjacency);
            }
            Self::PoissonGroup { q, sigma, steps, records } if !replaced => {
                if q == 1.0 {
                    (Part::Gaussian { sigma: sigma / f64::from(records) }, steps)
                } else {
                    (Part::Group { q, sigma, records }, steps)
                }
            }
            Self::Shuffled { sigma, passes } if adjacency != Adjacency::AddRemove => (unsampled(sigma), passes),
            Self::PoissonGroup { .. } | Self::FixedSize { .. } | Self::Shuffled { .. } => {
                return Err(self.not_accounted(adjacency));
            }
        })
    }

    pub(crate) fn not_accounted(&self, adjacency: Adjacency) -> Error {
        Error::NotAccounted { sampling: self.name(), adjacency }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Poisson(_) => "poisson",
            Self::TruncatedPoisson { .. } => "truncated-poisson",
            Self::PoissonGroup { .. } => "poisson-group",
            Self::FixedSize { .. } => "fixed-size",
            Self::Shuffled { .. } => "shuffled",
        }
    }
}
