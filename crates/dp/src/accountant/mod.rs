//! Owns the accountants: from what was sampled and noised to an epsilon.
//!
//! Invariant: every number returned is an upper bound. Where a value leaves the range in which it can be computed,
//! the answer is infinity, never something smaller than the truth.
//!
//! The mechanism is the Poisson-sampled Gaussian under add-remove or zero-out adjacency: `N(0, sigma²)` against
//! `(1-q) N(0, sigma²) + q N(1, sigma²)`, both directions, composed adaptively.

mod discretize;
mod pld;
mod rdp;
mod special;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub use pld::epsilon_pld;
pub(crate) use rdp::RdpCurve;
pub use rdp::epsilon_rdp;

/// A stretch of training with constant parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Probability with which every unit takes part in a step, in `(0, 1]`.
    pub q: f64,
    /// Noise standard deviation divided by the clip norm, above 0.
    pub sigma: f64,
    /// Number of steps; 0 is allowed and costs nothing.
    pub steps: u64,
}

/// Epsilon by both accountants.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epsilon {
    /// The smaller of the two bounds; both hold.
    pub epsilon: f64,
    /// Bound by the privacy loss distribution.
    pub epsilon_pld: f64,
    /// Bound by Rényi divergences.
    pub epsilon_rdp: f64,
}

/// Epsilon of all `phases` together at `delta`, by both accountants.
///
/// # Errors
/// [`Error::SamplingRate`], [`Error::Sigma`] or [`Error::Delta`] for a value out of range.
pub fn epsilon(phases: &[Phase], delta: f64) -> Result<Epsilon> {
    let epsilon_pld = epsilon_pld(phases, delta)?;
    let epsilon_rdp = epsilon_rdp(phases, delta)?;
    Ok(Epsilon { epsilon: epsilon_pld.min(epsilon_rdp), epsilon_pld, epsilon_rdp })
}

pub(crate) fn check(phases: &[Phase], delta: f64) -> Result<()> {
    check_delta(delta)?;
    for phase in phases {
        check_q(phase.q)?;
        check_sigma(phase.sigma)?;
    }
    Ok(())
}

pub(crate) fn check_q(q: f64) -> Result<()> {
    if q > 0.0 && q <= 1.0 { Ok(()) } else { Err(Error::SamplingRate { q }) }
}

pub(crate) fn check_sigma(sigma: f64) -> Result<()> {
    if sigma > 0.0 && sigma.is_finite() { Ok(()) } else { Err(Error::Sigma { sigma }) }
}

pub(crate) fn check_delta(delta: f64) -> Result<()> {
    if delta > 0.0 && delta < 1.0 { Ok(()) } else { Err(Error::Delta { delta }) }
}
