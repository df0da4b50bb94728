//! Owns what a user decides before training, and the checks of each value.
//! Invariant: how units are chosen decides the adjacency; the two cannot be named apart.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::accountant;
#[cfg(doc)]
use crate::accountant::{Mechanism, safe_cap};
use crate::error::{Error, Result};
use crate::sampler::{MAX_SHUFFLED, Scheme};

/// Whose presence is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// One training example.
    Record,
    /// A person, with all records about them.
    Subject,
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Record => "record",
            Self::Subject => "subject",
        })
    }
}

/// Which two data sets must be hard to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adjacency {
    /// One unit is present or absent; the number of units is protected too.
    AddRemove,
    /// One unit's contribution is replaced by zero; the number of units is public.
    ZeroOut,
    /// One unit is replaced by another; the number of units is public. Twice the sensitivity of the others.
    ReplaceOne,
}

impl fmt::Display for Adjacency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::AddRemove => "add-remove",
            Self::ZeroOut => "zero-out",
            Self::ReplaceOne => "replace-one",
        })
    }
}

/// How the sampling rate was chosen, which decides the adjacency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// `q = batch / units`: it depends on the number of units, which is thereby declared public (zero-out).
    ExpectedBatch(f64),
    /// Fixed before the data was counted (add-remove).
    Rate {
        /// Probability of each unit in each step.
        q: f64,
        /// What the noised sum is divided by.
        denominator: f64,
    },
    /// As [`Sampling::ExpectedBatch`], but no batch is larger than `cap`: a larger one is cut to `cap` units, chosen at
    /// random, and the run is accounted for as that, see [`Mechanism::TruncatedPoisson`].
    TruncatedPoisson {
        /// Mean number of units drawn, before a batch is cut; the sum is divided by it.
        batch: f64,
        /// The largest batch, not below `batch`; `None` for the least one that costs at most a thousandth of epsilon
        /// ([`safe_cap`]).
        cap: Option<u64>,
    },
    /// Passes over shuffled data in batches of `batch` units, each unit once per pass, *accounted without
    /// amplification*: a pass costs what one unsampled step costs, see [`Mechanism::Shuffled`]. For comparison with
    /// other tools; Poisson sampling needs much less noise for the same epsilon. Where batches end depends on the
    /// number of units, which is thereby declared public (zero-out). The sum is divided by `batch`.
    Shuffled {
        /// Units in every batch but the last of a pass, which may be smaller.
        batch: u64,
    },
}

/// How much noise: named directly, or by what it must achieve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseLevel {
    /// The largest acceptable epsilon at the plan's delta.
    Epsilon(f64),
    /// Noise standard deviation divided by the clip norm.
    Sigma(f64),
}

/// What a user decides before training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanRequest {
    /// Whose presence is hidden.
    pub unit: Unit,
    /// How many records or subjects there are.
    pub units: u64,
    /// How a step's batch is drawn.
    pub sampling: Sampling,
    /// Optimiser steps.
    pub steps: u64,
    /// Euclidean bound on one unit's gradient.
    pub clip_norm: f64,
    /// Noise, or the target it must meet.
    pub noise: NoiseLevel,
    /// Probability allowed for failure; `None` for `min(1e-5, units^-1.1)`.
    pub delta: Option<f64>,
    /// Records that one unit may contribute per draw; 1 for [`Unit::Record`].
    pub unit_cap: u32,
}

/// The largest number of units for which the integer sums provably do not overflow.
const MAX_UNITS: u64 = 10_000_000_000;
pub(super) const CLIP_NORM_RANGE: std::ops::RangeInclusive<f64> = 1e-30..=1e30;

/// A sampling whose values are in range, with what follows from it. The cap of truncated sampling may be still open; the
/// scheme is then Poisson.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Checked {
    pub(super) adjacency: Adjacency,
    pub(super) scheme: Scheme,
    /// Probability with which the accountant counts every unit in an accounted step.
    pub(super) q: f64,
    pub(super) denominator: f64,
}

pub(super) fn check_sampling(sampling: Sampling, units: u64) -> Result<Checked> {
    if units == 0 {
        return Err(Error::NoUnits);
    }
    if units > MAX_UNITS {
        return Err(Error::TooManyUnits { units, limit: MAX_UNITS });
    }
    match sampling {
        Sampling::ExpectedBatch(batch) | Sampling::TruncatedPoisson { batch, cap: None } => {
            let q = batch / units as f64;
            if batch > 0.0 && q > 0.0 && batch <= units as f64 {
                Ok(Checked { adjacency: Adjacency::ZeroOut, scheme: Scheme::Poisson { q }, q, denominator: batch })
            } else {
                Err(Error::ExpectedBatch { batch, units })
            }
        }
        Sampling::TruncatedPoisson { batch, cap: Some(cap) } => {
            let checked = check_sampling(Sampling::ExpectedBatch(batch), units)?;
            if (cap as f64) < batch {
                return Err(Error::CapBelowBatch { cap, batch });
            }
            Ok(Checked { scheme: Scheme::Truncated { q: checked.q, cap: cap.min(units) }, ..checked })
        }
        Sampling::Rate { q, denominator } => {
            accountant::check_q(q)?;
            if !(denominator > 0.0 && denominator.is_finite()) {
                return Err(Error::Denominator { denominator });
            }
            Ok(Checked { adjacency: Adjacency::AddRemove, scheme: Scheme::Poisson { q }, q, denominator })
        }
        Sampling::Shuffled { batch } => {
            if units > MAX_SHUFFLED {
                return Err(Error::TooManyUnits { units, limit: MAX_SHUFFLED });
            }
            if batch == 0 || batch > units {
                return Err(Error::BatchSize { batch, units });
            }
            let scheme = Scheme::Shuffled { batch };
            Ok(Checked { adjacency: Adjacency::ZeroOut, scheme, q: 1.0, denominator: batch as f64 })
        }
    }
}

pub(super) fn check_delta(delta: Option<f64>, units: u64) -> Result<f64> {
    let delta = delta.unwrap_or_else(|| (units as f64).powf(-1.1).min(1e-5));
    accountant::check_delta(delta)?;
    if delta >= 1.0 / units as f64 {
        return Err(Error::DeltaAboveUnits { delta, units });
    }
    Ok(delta)
}
