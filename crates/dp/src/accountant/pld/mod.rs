//! Owns the accountant by privacy loss distributions: from mechanisms to steps, and what is exact.
//!
//! Invariant: upper bounds only; unsampled steps of any number are one Gaussian release, which has a closed form.

mod chain;
mod compose;
mod convolve;
mod discretize;
mod gaussian;
mod layer;
mod pair;
mod powers;
mod profile;

use self::compose::{Composition, reach};
use self::discretize::Step;
use self::pair::Pair;
use super::mechanism::{Mechanism, Part, Truncated};
use super::{Phase, check, check_delta};
use crate::error::Result;
use crate::plan::Adjacency;

pub use profile::PrivacyProfile;

/// Mass, relative to delta, that may count as infinite loss to save work.
const GIVEN_UP: f64 = 1e-7;

/// An epsilon and the grid of losses on which it was computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnGrid {
    /// The privacy loss.
    pub epsilon: f64,
    /// Distance of two losses on the grid; 0 for a closed form.
    pub interval: f64,
}

/// Epsilon of all `phases` together at `delta`, by privacy loss distributions on a grid of 1e-4, pessimistic. The
/// grid is finer for very long runs, and coarser when the losses span more than half a million cells. Where the range
/// that can be computed is exceeded, the epsilon of the same run without sampling, which is a closed form.
///
/// # Errors
/// [`crate::Error`] for a value out of range.
pub fn epsilon_pld(phases: &[Phase], delta: f64) -> Result<f64> {
    Ok(epsilon_pld_on_grid(phases, delta)?.epsilon)
}

/// As [`epsilon_pld`], with the grid.
///
/// # Errors
/// [`crate::Error`] for a value out of range.
pub fn epsilon_pld_on_grid(phases: &[Phase], delta: f64) -> Result<OnGrid> {
    check(phases, delta)?;
    let mechanisms: Vec<Mechanism> = phases.iter().map(|phase| Mechanism::Poisson(*phase)).collect();
    on_grid(&mechanisms, Adjacency::AddRemove, delta)
}

/// Epsilon of all `mechanisms` together at `delta`, as [`epsilon_pld`].
///
/// # Errors
/// As [`super::epsilon_of`].
pub(crate) fn mechanisms_pld(mechanisms: &[Mechanism], adjacency: Adjacency, delta: f64) -> Result<f64> {
    Ok(on_grid(mechanisms, adjacency, delta)?.epsilon)
}

fn on_grid(mechanisms: &[Mechanism], adjacency: Adjacency, delta: f64) -> Result<OnGrid> {
    check_delta(delta)?;
    let closed = |epsilon: f64| OnGrid { epsilon, interval: 0.0 };
    Ok(match steps(mechanisms, adjacency, delta)? {
        Steps::Nothing => closed(0.0),
        Steps::Gaussian { sigma } => closed(gaussian::epsilon(sigma, delta)),
        Steps::Many { steps, ceiling } => {
            let (found, unsampled) = (Composition::new(steps, delta).epsilon()?, gaussian::epsilon(ceiling, delta));
            if unsampled <= found.epsilon { closed(unsampled) } else { found }
        }
    })
}

/// Mechanisms, reduced.
enum Steps {
    Nothing,
    /// One release of sensitivity 1.
    Gaussian {
        sigma: f64,
    },
    Many {
        steps: Vec<(Step, u64)>,
        /// Noise of the one release of sensitivity 1 that all would be without sampling. Sampling never costs, by
        /// convexity, so that this release bounds them all; it answers where the composition cannot.
        ceiling: f64,
    },
}

/// One step for every distinct part; all unsampled parts become one Gaussian step.
fn steps(mechanisms: &[Mechanism], adjacency: Adjacency, delta: f64) -> Result<Steps> {
    let mut merged: Vec<(Part, u64)> = Vec::new();
    let mut precision = 0.0;
    for mechanism in mechanisms {
        let (part, count) = mechanism.part(adjacency)?;
        if count == 0 {
            continue;
        }
        if let Part::Gaussian { sigma } = part {
            precision += count as f64 / (sigma * sigma);
        } else if let Some((_, same)) = merged.iter_mut().find(|(same, _)| *same == part) {
            *same = same.saturating_add(count);
        } else {
            merged.push((part, count));
        }
    }
    if precision > 0.0 {
        let sigma = precision.sqrt().recip();
        if merged.is_empty() {
            return Ok(Steps::Gaussian { sigma });
        }
        merged.push((Part::Gaussian { sigma }, 1));
    }
    if merged.is_empty() {
        return Ok(Steps::Nothing);
    }
    let ceiling = merged.iter().map(|(part, count)| part.precision() * *count as f64).sum::<f64>().sqrt().recip();
    let total: f64 = merged.iter().map(|(_, count)| *count as f64).sum();
    let given_up = GIVEN_UP * delta / total;
    let steps = merged.into_iter().map(|(part, count)| (part.step(reach(delta, total), given_up), count));
    Ok(Steps::Many { steps: steps.collect(), ceiling })
}

impl Part {
    /// `(sensitivity / sigma)²` of a unit that takes part for certain.
    fn precision(self) -> f64 {
        let ratio = match self {
            Self::Gaussian { sigma } | Self::Sampled { sigma, .. } => 1.0 / sigma,
            Self::Replaced { sigma, .. } | Self::Truncated(Truncated { sigma, .. }) => 2.0 / sigma,
            Self::Group { sigma, records, .. } => f64::from(records) / sigma,
        };
        ratio * ratio
    }

    /// The dominating pairs; mass up to `given_up` may count as infinite loss.
    fn step(self, reach: f64, given_up: f64) -> Step {
        let only = |pair: Pair| Step { pairs: vec![(1.0, pair)], lost: 0.0, reach };
        match self {
            Self::Gaussian { sigma } => only(Pair::sampled(1.0, sigma)),
            Self::Sampled { q, sigma } => only(Pair::sampled(q, sigma)),
            Self::Replaced { q, sigma } => only(Pair::replaced(q, sigma)),
            Self::Group { q, sigma, records } => only(Pair::group(q, sigma, records, given_up)),
            Self::Truncated(Truncated { q, sigma, truncation, conditional_q, replaced }) => {
                let whole = if replaced { Pair::replaced(q, sigma) } else { Pair::sampled(q, sigma) };
                // Where the batch was cut another unit may have taken the place: sensitivity 2 and both directions.
                let cut = Pair::replaced(conditional_q, 0.5 * sigma);
                if truncation <= given_up {
                    Step { pairs: vec![(1.0 - truncation, whole)], lost: truncation, reach }
                } else if truncation < 1.0 {
                    Step { pairs: vec![(1.0 - truncation, whole), (truncation, cut)], lost: 0.0, reach }
                } else {
                    only(cut)
                }
            }
        }
    }
}
