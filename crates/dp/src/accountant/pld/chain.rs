//! Owns one convolution: the window of a tilted sum, and its distribution in that window.
//!
//! Invariant: mass outside the window counts as infinite loss, and an allowance for the rounding of the transform (an
//! estimate, see [`rounding`]) is kept beside the masses.

use std::f64::consts::LN_2;

use super::convolve::{Tilted, convolve, good_length};
use super::discretize::{Pmf, Step};
use super::layer::{Convolved, Layer};
use super::powers::Powers;
use crate::error::Result;

/// The longest transform.
pub(crate) const LONGEST: f64 = (1_u64 << 20) as f64;
/// `ln` of the tilted mass that may lie above the window: with the tilt that belongs to delta, this is the order of
/// its share of delta.
const LOG_ABOVE: f64 = -15.0;
/// `ln` of the tilted mass that may lie below the window. It comes back at the upper end, where the tilt makes it
/// tiny, and only epsilons within the window are answered.
const LOG_BELOW: f64 = -4.0;

/// Arguments of the Chernoff bounds on the upper and lower end of the tilted sum, and the distance between the ends.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    log_above: f64,
    log_below: f64,
    up: f64,
    down: f64,
    pub(crate) width: f64,
}

/// The steps of one direction on a grid.
pub(crate) struct Chain<'a> {
    pub(crate) steps: &'a [(Step, u64)],
    pub(crate) pmfs: &'a [Pmf],
    pub(crate) interval: f64,
}

impl Chain<'_> {
    /// `ln E[exp(t · total loss)]` without the infinite losses.
    pub(crate) fn cumulant(&self, t: f64) -> f64 {
        let powers = Powers::new(t * self.interval);
        let counted = self.steps.iter().zip(self.pmfs);
        counted.map(|((_, count), pmf)| *count as f64 * powers.log_moment(&pmf.mass, pmf.first)).sum()
    }

    /// An upper bound on epsilon from one moment (Canonne, Kamath and Steinke 2020, proposition 12, with order
    /// `lambda + 1`).
    pub(crate) fn bound(&self, lambda: f64, delta: f64) -> f64 {
        let infinite: f64 =
            self.steps.iter().zip(self.pmfs).map(|((_, count), pmf)| *count as f64 * pmf.infinite).sum();
        let log_delta = (delta - infinite).ln();
        let bound = (self.cumulant(lambda) - log_delta - (lambda + 1.0).ln()) / lambda - lambda.recip().ln_1p();
        if bound.is_nan() { f64::INFINITY } else { bound }
    }

    /// The sum tilted by `lambda`; `None` if its window is longer than [`LONGEST`] or a number leaves its range.
    pub(crate) fn layer(&self, lambda: f64, window: Window) -> Result<Option<Layer>> {
        let interval = self.interval;
        let counted = self.steps.iter().zip(self.pmfs);
        let log_finite: f64 = counted.clone().map(|((_, count), pmf)| *count as f64 * (-pmf.infinite).ln_1p()).sum();
        let tilted: Vec<Tilted> = counted.map(|((_, count), pmf)| Tilted::new(*count, pmf, lambda, interval)).collect();
        let total = |each: &dyn Fn(&Tilted) -> f64| -> f64 { tilted.iter().map(|t| t.steps as f64 * each(t)).sum() };

        // Window in which the tilted sum lies, up to exp(log_above) and exp(log_below).
        let cumulant = total(&|part| part.cumulant);
        let top = total(&|part| part.last() as f64) * interval;
        let bottom = total(&|part| part.first as f64) * interval;
        let above = total(&|part| part.shifted(window.up, interval)) - window.log_above;
        let below = total(&|part| part.shifted(-window.down, interval)) - window.log_below;
        let (high, low) = ((above / window.up).min(top), (-below / window.down).max(bottom));
        let finite = high.is_finite() && low.is_finite() && cumulant.is_finite();
        if !finite || low.abs().max(high.abs()) / interval > 1e15 || (high - low) / interval > LONGEST - 5.0 {
            return Ok(None);
        }
        let first = (low / interval).floor() as i64 - 2;
        let cells = (high / interval).ceil() as i64 + 2 - first;
        let length = good_length(cells.max(16) as usize);
        let sum = convolve(&tilted, length)?;
        let outside = if high < top { (cumulant - lambda * high + window.log_above).exp() } else { 0.0 };
        let infinite = -log_finite.exp_m1() + outside;
        let rounding = rounding(length as f64, tilted.iter().map(Tilted::moving_steps).sum());
        Ok(Some(Layer::new(Convolved { sum, first, interval, lambda, cumulant, infinite, rounding })))
    }
}

/// The window with the tilt that belongs to delta.
pub(crate) fn tilted_window(cumulant: impl Fn(f64) -> f64, lambda: f64) -> Window {
    window(cumulant, lambda, LOG_ABOVE, LOG_BELOW)
}

/// Chernoff bounds on where the sum, tilted by `lambda`, lies.
fn window(cumulant: impl Fn(f64) -> f64, lambda: f64, log_above: f64, log_below: f64) -> Window {
    let at_lambda = cumulant(lambda);
    let bound = |sign: f64, log_outside: f64| minimise(|t| (cumulant(lambda + sign * t) - at_lambda - log_outside) / t);
    let ((up, highest), (down, lowest)) = (bound(1.0, log_above), bound(-1.0, log_below));
    Window { log_above, log_below, up, down, width: highest + lowest }
}

/// The window without a tilt: nothing makes tiny what lies outside, so that all of it must be.
pub(crate) fn plain_window(cumulant: impl Fn(f64) -> f64, delta: f64) -> Window {
    window(cumulant, 0.0, delta.ln() - 12.0, delta.ln() - 12.0)
}

/// Allowance for the rounding of the transform, relative to the tilted mass: `2 u log2(length)` for one transform,
/// times the power it is raised to, as far as mass moves. An estimate of the usual size of such errors, not a proven
/// bound.
pub(crate) fn rounding(length: f64, moving_steps: f64) -> f64 {
    f64::EPSILON * length.log2() * (moving_steps + 1.0)
}

/// Minimum of a quasi-convex function of `t > 0` by golden section in `ln t`: argument and value.
pub(crate) fn minimise(function: impl Fn(f64) -> f64) -> (f64, f64) {
    let value = |log_t: f64| {
        let value = function(log_t.exp());
        if value.is_nan() { f64::INFINITY } else { value }
    };
    let ratio = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut low, mut high) = (1e-4_f64.ln(), 1e7_f64.ln());
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_left, mut at_right) = (value(left), value(right));
    while high - low > LN_2 / 64.0 {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - ratio * (high - low);
            at_left = value(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + ratio * (high - low);
            at_right = value(right);
        }
    }
    if at_left < at_right { (left.exp(), at_left) } else { (right.exp(), at_right) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::accountant::pld::discretize::Direction;
    use crate::accountant::pld::pair::Pair;

    /// Tilts have the rounding of the transform at different losses, so that each shows how large that of another is.
    /// The allowance, which is an estimate, must cover it, and not by orders of magnitude more than it needs.
    #[test]
    fn the_allowance_covers_the_rounding_of_the_transform() {
        let (mut most, mut compared) = (0.0_f64, 0);
        for (q, sigma, count, interval) in [
            (0.01, 1.0, 1_000, 1e-4),
            (0.2, 2.0, 500, 1e-4),
            (0.5, 60.0, 100_000, 1e-4),
            (1e-3, 0.6, 10_000, 1e-4),
            (0.3, 300.0, 1_000_000, 1e-4),
            (1e-4, 0.8, 1_000_000, 1e-4),
        ] {
            let step = Step { pairs: vec![(1.0, Pair::sampled(q, sigma))], lost: 0.0, reach: 14.0 };
            let nodes = step.nodes(Direction::Remove);
            let cumulant = |t: f64| count as f64 * nodes.cumulant(t);
            let (deepest, chernoff) = minimise(|t| (cumulant(t) + 30.0) / t);
            let (pmf, _) = step.discretize(interval);
            let chain = Chain { steps: &[(step, count)], pmfs: &[pmf], interval };
            // Windows so wide that what lies outside is less than any rounding.
            let layer = |share: f64| {
                let lambda = share * deepest;
                chain.layer(lambda, window(cumulant, lambda, -60.0, -60.0)).unwrap()
            };
            let layers: Vec<Layer> = [0.0, 0.3, 0.6, 1.0].into_iter().filter_map(layer).collect();
            for index in 0..300 {
                let epsilon = 1.2 * chernoff * f64::from(index) / 300.0;
                for rough in &layers {
                    for fine in &layers {
                        let (allowed, other) = (rough.rounding(epsilon), fine.rounding(epsilon));
                        let (Some(high), Some(exact)) = (rough.delta(epsilon), fine.delta(epsilon)) else { continue };
                        if other > 1e-2 * allowed || high >= 1.0 || exact >= 1.0 {
                            continue;
                        }
                        // The other's digits end here; below that nothing can be compared.
                        let noise = other + 1e-13 * exact * (1.0 + count as f64).sqrt();
                        let error = (high - allowed - exact).abs();
                        assert!(
                            error < allowed + noise,
                            "q {q} sigma {sigma} at {epsilon}: {error:e}, allowed {allowed:e}"
                        );
                        compared += 1;
                        if noise < 1e-2 * allowed {
                            most = most.max(error / allowed);
                        }
                    }
                }
            }
        }
        assert!(compared > 1_000, "only {compared} places were compared");
        assert!(most > 1e-4, "at most {most:e} of the allowance is used");
    }
}
