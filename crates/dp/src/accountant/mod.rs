//! Owns the accountants: from what was sampled and noised to an epsilon.
//!
//! Invariant: every number returned is an upper bound. Where a value leaves the range in which it can be computed,
//! the answer is a looser bound or infinity, never something smaller than the truth. One term is an estimate and not a
//! proven bound: the allowance for rounding in the Fourier transform (`pld/chain.rs`).
//!
//! A [`Phase`] is the Poisson-sampled Gaussian under add-remove or zero-out adjacency: `N(0, sigma²)` against
//! `(1-q) N(0, sigma²) + q N(1, sigma²)`, both directions, composed adaptively. A [`Mechanism`] is a phase or another
//! way to choose the units of a step.
//!
//! ```
//! use cloister_dp::Adjacency;
//! use cloister_dp::accountant::{Mechanism, PrivacyProfile, epsilon_of};
//!
//! # fn main() -> cloister_dp::Result<()> {
//! let shuffled = [Mechanism::Shuffled { sigma: 2.0, passes: 3 }];
//! let answer = epsilon_of(&shuffled, Adjacency::ZeroOut, 1e-5)?;
//! assert!(answer.epsilon_pld < answer.epsilon_rdp);
//!
//! let profile = PrivacyProfile::of(&shuffled, Adjacency::ZeroOut, 1e-9)?;
//! assert_eq!(profile.epsilon(1e-5), answer.epsilon);
//! # Ok(())
//! # }
//! ```

mod binomial;
mod cap;
mod mechanism;
mod pld;
mod rdp;
mod special;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::plan::Adjacency;

pub use cap::safe_cap;
pub use mechanism::Mechanism;
pub use pld::{OnGrid, PrivacyProfile, epsilon_pld, epsilon_pld_on_grid};
pub(crate) use rdp::{RdpCurve, mechanisms_rdp};
pub use rdp::{Repetitions, epsilon_rdp, epsilon_repeat_and_select};

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

/// Epsilon by both accountants; infinite by the one that has no bound for a mechanism.
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

/// Epsilon of all `mechanisms` together at `delta` under `adjacency`, by both accountants.
///
/// # Errors
/// [`Error::SamplingRate`], [`Error::Sigma`], [`Error::Delta`], [`Error::BatchSize`] or [`Error::NoUnits`] for a value
/// out of range; [`Error::NotAccounted`] if neither accountant has a bound for all the mechanisms.
pub fn epsilon_of(mechanisms: &[Mechanism], adjacency: Adjacency, delta: f64) -> Result<Epsilon> {
    let known = |epsilon: Result<f64>| match epsilon {
        Err(Error::NotAccounted { .. }) => Ok(None),
        other => other.map(Some),
    };
    let by_pld = pld::mechanisms_pld(mechanisms, adjacency, delta);
    let by_rdp = mechanisms_rdp(mechanisms, adjacency, delta);
    if let (Err(error), Err(_)) = (&by_pld, &by_rdp) {
        return Err(error.clone());
    }
    let epsilon_pld = known(by_pld)?.unwrap_or(f64::INFINITY);
    let epsilon_rdp = known(by_rdp)?.unwrap_or(f64::INFINITY);
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
