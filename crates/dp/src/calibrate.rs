//! Owns calibration: the least noise that meets a target.
//!
//! Invariant: the epsilon of the sigma returned never exceeds the target; the search keeps a bracket and returns
//! its safe side.

use serde::{Deserialize, Serialize};

use crate::accountant::{self, Epsilon, Mechanism, Phase, mechanisms_rdp};
use crate::error::{Error, Result};
use crate::plan::Adjacency;

/// The smallest noise multiplier a plan may use.
pub const MIN_SIGMA: f64 = 0.02;
/// The largest noise multiplier a plan may use.
pub const MAX_SIGMA: f64 = 1e4;

/// Relative distance from the target, in sigma or in epsilon, at which the search ends; epsilon falls at least as
/// fast as sigma grows.
const TOLERANCE: f64 = 4e-6;

/// The least noise that meets a target, with the epsilon it achieves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Noise standard deviation divided by the clip norm.
    pub sigma: f64,
    /// What it achieves: the smaller of the two bounds, at most the target.
    pub epsilon: f64,
    /// Bound by the privacy loss distribution.
    pub epsilon_pld: f64,
    /// Bound by Rényi divergences.
    pub epsilon_rdp: f64,
}

/// The least `sigma` whose epsilon over `steps` steps at rate `q` is at most `epsilon` at `delta`.
///
/// The result never misses the target and is within a factor `1 + 1e-5` of the least such sigma as the accountants
/// see it. It is at least [`MIN_SIGMA`].
///
/// # Errors
/// [`Error::Epsilon`], [`Error::Delta`], [`Error::SamplingRate`] or [`Error::NoSteps`] for a value out of range,
/// [`Error::Unreachable`] when even [`MAX_SIGMA`] is not enough.
pub fn calibrate_sigma(epsilon: f64, delta: f64, q: f64, steps: u64) -> Result<Calibration> {
    calibrate(epsilon, delta, Mechanism::Poisson(Phase { q, sigma: 1.0, steps }), Adjacency::AddRemove)
}

/// The same for any mechanism that has a bound by Rényi divergences; its own sigma does not count.
pub(crate) fn calibrate(epsilon: f64, delta: f64, mechanism: Mechanism, adjacency: Adjacency) -> Result<Calibration> {
    if !(epsilon > 0.0 && epsilon.is_finite()) {
        return Err(Error::Epsilon { epsilon });
    }
    accountant::check_delta(delta)?;
    if mechanism.part(adjacency)?.1 == 0 {
        return Err(Error::NoSteps);
    }
    let both = |sigma: f64| accountant::epsilon_of(&[mechanism.with_sigma(sigma)], adjacency, delta);
    let rdp = |sigma: f64| mechanisms_rdp(&[mechanism.with_sigma(sigma)], adjacency, delta);

    // RDP brackets: it is an upper bound, so its sigma is enough.
    let unreachable = Error::Unreachable { epsilon, delta, most: MAX_SIGMA };
    let Some(start) = bisect_rdp(epsilon, rdp)? else {
        let found = both(MAX_SIGMA)?;
        return if found.epsilon <= epsilon { search(epsilon, MAX_SIGMA, found, both) } else { Err(unreachable) };
    };
    search(epsilon, start, both(start)?, both)
}

/// A sigma that is enough by RDP, to 1 %, or `None` if none is.
fn bisect_rdp(epsilon: f64, rdp: impl Fn(f64) -> Result<f64>) -> Result<Option<f64>> {
    let mut high = 1.0;
    while rdp(high)? > epsilon {
        if high >= MAX_SIGMA {
            return Ok(None);
        }
        high = (high * 2.0).min(MAX_SIGMA);
    }
    let mut low = (high / 2.0).max(MIN_SIGMA);
    while rdp(low)? <= epsilon {
        if low <= MIN_SIGMA {
            return Ok(Some(low));
        }
        (low, high) = ((low / 2.0).max(MIN_SIGMA), low);
    }
    while high > low * 1.01 {
        let middle = (low * high).sqrt();
        if rdp(middle)? <= epsilon { high = middle } else { low = middle }
    }
    Ok(Some(high))
}

/// Narrows `[low, high]` in `ln sigma` against `ln epsilon`, where the curve is close to a line, by the Illinois
/// variant of false position; `high` always meets the target.
fn search(
    target: f64,
    mut high: f64,
    mut found: Epsilon,
    both: impl Fn(f64) -> Result<Epsilon>,
) -> Result<Calibration> {
    let excess = |value: f64| (value.clamp(1e-300, 1e300) / target).ln();
    let done = |sigma: f64, found: Epsilon| {
        let Epsilon { epsilon, epsilon_pld, epsilon_rdp } = found;
        Ok(Calibration { sigma, epsilon, epsilon_pld, epsilon_rdp })
    };
    // Walk down to a sigma that is not enough.
    let mut high_excess = excess(found.epsilon);
    let (mut low, mut low_excess) = (high, 0.0);
    for factor in std::iter::successors(Some(0.97_f64), |factor| Some(factor * factor)) {
        if low <= MIN_SIGMA {
            return done(high, found);
        }
        low = (low * factor).max(MIN_SIGMA);
        let trial = both(low)?;
        low_excess = excess(trial.epsilon);
        if trial.epsilon > target {
            break;
        }
        (high, high_excess, found) = (low, low_excess, trial);
    }
    let mut last_side = 0;
    for round in 0..100 {
        if high <= low * (1.0 + TOLERANCE) || excess(found.epsilon) > -TOLERANCE {
            break;
        }
        // Aim a little to the safe side of the root.
        let (a, b) = (low.ln(), high.ln());
        let aim = if round % 8 == 7 { 0.5 } else { (low_excess + TOLERANCE / 3.0) / (low_excess - high_excess) };
        let sigma = (a + (b - a) * aim.clamp(0.001, 0.999)).exp();
        let trial = both(sigma)?;
        if trial.epsilon <= target {
            (high, high_excess, found) = (sigma, excess(trial.epsilon), trial);
            if last_side == 1 {
                low_excess /= 2.0;
            }
            last_side = 1;
        } else {
            (low, low_excess) = (sigma, excess(trial.epsilon));
            if last_side == -1 {
                high_excess /= 2.0;
            }
            last_side = -1;
        }
    }
    done(high, found)
}
