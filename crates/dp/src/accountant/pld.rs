//! Owns the accountant by privacy loss distributions.
//!
//! Invariant: pessimistic at every stage: the grid dominates (see `discretize`), mass outside the convolution window
//! counts as infinite loss, and an allowance for the rounding of the transform (an estimate, see `rounding`) is added to delta.
//!
//! Source: Koskela et al. 2020 and Doroshenko et al. 2022 for composition by FFT. Own addition: before the transform
//! every distribution is tilted by `exp(lambda · loss)` with the `lambda` of the Chernoff bound at the target delta,
//! and tilted back afterwards. The transform's rounding error, which is relative to the whole mass, then becomes
//! relative to delta, so that a delta of 1e-12 after a million steps keeps its digits; and the window only has to
//! hold the losses that decide this delta.

use std::f64::consts::LN_2;

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use super::discretize::{Direction, Nodes, Pmf, Step};
use super::special::log_normal_above;
use super::{Phase, check};
use crate::error::{Error, Result};

/// The grid, the same as the default of `dp_accounting`, so that its figures can be reproduced.
const INTERVAL: f64 = 1e-4;
/// Runs longer than this use a finer grid if the overshoot of [`INTERVAL`], which grows with the number of steps,
/// is above `GRID_ERROR` relative to the larger of epsilon and 1.
const LONG_RUN: f64 = 20_000.0;
const GRID_ERROR: f64 = 1e-3;
/// Overshoot, relative as above, that a coarser grid may cost where [`INTERVAL`] needs more than [`CHEAP`] cells.
const NO_ERROR: f64 = 1e-5;
const CHEAP: f64 = (1_u64 << 18) as f64;
/// The longest transform.
const LONGEST: f64 = (1_u64 << 23) as f64;
/// `ln` of the tilted mass that may lie outside the window on each side.
const LOG_OUTSIDE: f64 = -36.0;
/// Rounding that need not be avoided, relative to delta.
const NEGLIGIBLE: f64 = 3e-4;

/// Epsilon of all `phases` together at `delta`, by privacy loss distributions on a grid of 1e-4, pessimistic. The
/// grid is finer for very long runs, and coarser when the losses span very many cells. Infinite when the range that can be
/// computed is exceeded.
///
/// # Errors
/// [`Error`] for a value out of range.
pub fn epsilon_pld(phases: &[Phase], delta: f64) -> Result<f64> {
    check(phases, delta)?;
    let phases = merge(phases);
    match phases.as_slice() {
        [] => Ok(0.0),
        [Phase { q: 1.0, sigma, .. }] => Ok(gaussian_epsilon(*sigma, delta)),
        phases => Composition::new(phases, delta).epsilon(),
    }
}

/// One phase for every distinct `(q, sigma)`; all unsampled phases become one Gaussian step, which is exact.
fn merge(phases: &[Phase]) -> Vec<Phase> {
    let mut merged: Vec<Phase> = Vec::new();
    let mut precision = 0.0;
    for phase in phases.iter().filter(|phase| phase.steps > 0) {
        if phase.q == 1.0 {
            precision += phase.steps as f64 / (phase.sigma * phase.sigma);
        } else if let Some(same) = merged.iter_mut().find(|same| (same.q, same.sigma) == (phase.q, phase.sigma)) {
            same.steps = same.steps.saturating_add(phase.steps);
        } else {
            merged.push(*phase);
        }
    }
    if precision > 0.0 {
        merged.push(Phase { q: 1.0, sigma: precision.sqrt().recip(), steps: 1 });
    }
    merged
}

/// Epsilon of one Gaussian release with sensitivity 1 (Balle and Wang 2018, theorem 8), rounded up.
fn gaussian_epsilon(sigma: f64, delta: f64) -> f64 {
    let log_delta = |epsilon: f64| {
        let gain = log_normal_above(epsilon * sigma - 0.5 / sigma);
        let loss = epsilon + log_normal_above(epsilon * sigma + 0.5 / sigma);
        if loss >= gain { f64::NEG_INFINITY } else { gain + (-(loss - gain).exp_m1()).ln() }
    };
    let target = delta.ln();
    if log_delta(0.0) <= target {
        return 0.0;
    }
    // A tail bound is enough: delta(eps) <= P(loss > eps).
    let (mut low, mut high) = (0.0, 0.5 / (sigma * sigma) + (-2.0 * target).sqrt() / sigma);
    if !high.is_finite() || log_delta(high) > target {
        return f64::INFINITY;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if log_delta(middle) > target { low = middle } else { high = middle }
    }
    high * (1.0 + 1e-12)
}

/// How one direction is convolved.
struct Tilt {
    nodes: Vec<Nodes>,
    lambda: f64,
    /// The Chernoff bound on epsilon.
    chernoff: f64,
    window: Window,
}

/// Arguments of the Chernoff bounds on the upper and lower end of the tilted sum, and the distance between the ends.
struct Window {
    up: f64,
    down: f64,
    width: f64,
}

struct Composition<'a> {
    phases: &'a [Phase],
    steps: Vec<Step>,
    delta: f64,
    total_steps: f64,
}

impl<'a> Composition<'a> {
    fn new(phases: &'a [Phase], delta: f64) -> Self {
        let total_steps: f64 = phases.iter().map(|phase| phase.steps as f64).sum();
        // Mass beyond the reach, over all steps, stays below a millionth of delta.
        let log_tail = ((delta / total_steps).ln() - 14.0).min(-50.0);
        let reach = (-2.0 * log_tail).sqrt();
        let steps = phases.iter().map(|phase| Step { q: phase.q, sigma: phase.sigma, reach }).collect();
        Self { phases, steps, delta, total_steps }
    }

    fn epsilon(&self) -> Result<f64> {
        let exact = |direction| self.tilt(self.steps.iter().map(|step| step.nodes(direction)).collect());
        let tilts = [exact(Direction::Remove), exact(Direction::Add)];
        let mut interval = self.interval(&tilts);
        if !interval.is_finite() {
            return Ok(f64::INFINITY);
        }
        for _ in 0..8 {
            let (remove, add): (Vec<Pmf>, Vec<Pmf>) = self.steps.iter().map(|step| step.discretize(interval)).unzip();
            let remove = self.one_direction(&tilts[0], &remove, interval)?;
            let add = if remove.is_some() { self.one_direction(&tilts[1], &add, interval)? } else { None };
            let (Some(remove), Some(add)) = (remove, add) else {
                interval *= 2.0;
                continue;
            };
            let larger = if remove.epsilon() < add.epsilon() { add } else { remove };
            // A grid that was coarsened for speed must have been harmless at the epsilon found.
            let overshoot = self.overshoot(larger.slope(), interval);
            let affordable = INTERVAL.max(self.extent(&tilts) / LONGEST);
            if interval > 1.5 * affordable && overshoot > 2.0 * NO_ERROR * larger.epsilon().max(1.0) {
                interval = affordable;
                continue;
            }
            return Ok(larger.epsilon());
        }
        Ok(f64::INFINITY)
    }

    /// What the grid may add to epsilon where `ln delta` falls with `slope`: splitting a cell's mass adds at most
    /// `T lambda (lambda+1) h²/8` to the cumulant.
    fn overshoot(&self, slope: f64, interval: f64) -> f64 {
        self.total_steps * (slope + 1.0) * interval * interval / 8.0
    }

    /// The widest range of losses that has to be held.
    fn extent(&self, tilts: &[Tilt; 2]) -> f64 {
        let span = self.steps.iter().map(|step| step.loss_range().1 - step.loss_range().0).sum();
        tilts[0].window.width.max(tilts[1].window.width).max(span)
    }

    /// `lambda` that minimises the Chernoff bound `(K(lambda) - ln delta) / lambda` on epsilon, with the window that
    /// follows from it.
    fn tilt(&self, nodes: Vec<Nodes>) -> Tilt {
        let log_inverse_delta = -self.delta.ln();
        let (lambda, chernoff) = minimise(|t| (self.cumulant(&nodes, t) + log_inverse_delta) / t);
        let window = self.window(&nodes, lambda);
        Tilt { nodes, lambda, chernoff, window }
    }

    /// Chernoff bounds on where the sum, tilted by `lambda`, lies.
    fn window(&self, nodes: &[Nodes], lambda: f64) -> Window {
        let at_lambda = self.cumulant(nodes, lambda);
        let bound = |sign: f64| minimise(|t| (self.cumulant(nodes, lambda + sign * t) - at_lambda - LOG_OUTSIDE) / t);
        let ((up, highest), (down, lowest)) = (bound(1.0), bound(-1.0));
        Window { up, down, width: highest + lowest }
    }

    fn cumulant(&self, nodes: &[Nodes], t: f64) -> f64 {
        self.phases.iter().zip(nodes).map(|(phase, nodes)| phase.steps as f64 * nodes.cumulant(t)).sum()
    }

    /// The grid: [`INTERVAL`]; finer in a long run, coarser where that is cheaper and makes no difference, or where
    /// the transform would exceed [`LONGEST`].
    fn interval(&self, tilts: &[Tilt; 2]) -> f64 {
        let [remove, add] = tilts;
        let main = if remove.chernoff > add.chernoff { remove } else { add };
        let with_error = |error: f64| (error * main.chernoff.max(1.0) / self.overshoot(main.lambda, 1.0)).sqrt();
        let extent = self.extent(tilts);
        let mut interval = INTERVAL;
        if self.total_steps > LONG_RUN {
            interval = with_error(GRID_ERROR).max(extent / (4.0 * CHEAP)).min(interval);
        }
        if extent / interval > CHEAP {
            interval = with_error(NO_ERROR).min(extent / CHEAP).max(interval);
        }
        interval.max(1.01 * extent / LONGEST)
    }

    /// Epsilon in one direction; `None` when the grid is too fine for the longest transform.
    ///
    /// Every tilt gives an upper bound. Without a tilt the bound is good if rounding is small against delta. With
    /// one it is good if rounding is small at the epsilon found; where a few heavy losses make the Chernoff bound
    /// loose its tilt is too strong and a weaker one follows.
    fn one_direction(&self, tilt: &Tilt, pmfs: &[Pmf], interval: f64) -> Result<Option<Crossing>> {
        if rounding(LONGEST, self.total_steps) < NEGLIGIBLE * self.delta {
            return self.compose(0.0, tilt, pmfs, interval);
        }
        // Where the grid changes the cumulant, the tilt for the exact loss is not the one for the grid's.
        let shift = self.total_steps * tilt.lambda * (tilt.lambda + 1.0) * interval * interval / 8.0;
        let own = (shift > 0.1).then(|| self.tilt(pmfs.iter().map(|pmf| Nodes::of(pmf, interval)).collect()));
        let best = own.map_or(tilt.lambda, |own| own.lambda);
        // Where the loss is bounded the best tilt has no limit; one that lifts a cell by exp(20) is enough.
        let mut lambda = best.min(20.0 / interval);
        let mut least = Crossing::Infinite;
        for _ in 0..10 {
            let Some(crossing) = self.compose(lambda, tilt, pmfs, interval)? else { return Ok(None) };
            let good = matches!(crossing, Crossing::At { rounding, .. } if rounding < NEGLIGIBLE * self.delta);
            least = least.smaller(crossing);
            if good {
                break;
            }
            lambda *= 0.4;
        }
        Ok(Some(least))
    }

    fn compose(&self, lambda: f64, tilt: &Tilt, pmfs: &[Pmf], interval: f64) -> Result<Option<Crossing>> {
        let own = (lambda != tilt.lambda).then(|| self.window(&tilt.nodes, lambda));
        let window = own.as_ref().unwrap_or(&tilt.window);
        let log_finite: f64 =
            self.phases.iter().zip(pmfs).map(|(phase, pmf)| phase.steps as f64 * (-pmf.infinite).ln_1p()).sum();
        let parts = self.phases.iter().zip(pmfs).zip(&tilt.nodes);
        let tilted: Vec<Tilted> =
            parts.map(|((phase, pmf), nodes)| Tilted::new(phase.steps, pmf, lambda, nodes, interval)).collect();
        let cumulant: f64 = tilted.iter().map(|part| part.steps as f64 * part.cumulant).sum();

        // Window in which the tilted sum lies, up to exp(LOG_OUTSIDE) on each side.
        let shift = |t: f64| -> f64 { tilted.iter().map(|part| part.steps as f64 * part.shifted(t, interval)).sum() };
        let top: f64 = tilted.iter().map(|part| part.steps as f64 * part.last() as f64).sum::<f64>() * interval;
        let bottom: f64 = tilted.iter().map(|part| part.steps as f64 * part.first as f64).sum::<f64>() * interval;
        let high = ((shift(window.up) - LOG_OUTSIDE) / window.up).min(top);
        let low = (-(shift(-window.down) - LOG_OUTSIDE) / window.down).max(bottom);
        if !(high.is_finite() && low.is_finite() && cumulant.is_finite()) {
            return Ok(Some(Crossing::Infinite));
        }
        if low.abs().max(high.abs()) / interval > 1e15 {
            return Ok(Some(Crossing::Infinite));
        }
        let first = (low / interval).floor() as i64 - 2;
        let cells = (high / interval).ceil() as i64 + 2 - first;
        if cells as f64 > LONGEST {
            return Ok(None);
        }
        let length = good_length(cells.max(16) as usize);
        let sum = convolve(&tilted, length)?;

        let outside = if high < top { (cumulant - lambda * high + LOG_OUTSIDE).exp() } else { 0.0 };
        let sweep = Sweep {
            sum: &sum,
            first,
            interval,
            lambda,
            cumulant,
            infinite: -log_finite.exp_m1() + outside,
            rounding: rounding(length as f64, self.total_steps),
        };
        Ok(Some(sweep.crossing(self.delta)))
    }
}

/// A step's distribution, tilted and normalised.
struct Tilted {
    steps: u64,
    first: i64,
    mass: Vec<f64>,
    /// `ln sum p exp(lambda e)` on the grid.
    cumulant: f64,
}

impl Tilted {
    fn new(steps: u64, pmf: &Pmf, lambda: f64, nodes: &Nodes, interval: f64) -> Self {
        let near = nodes.cumulant(lambda);
        let first = pmf.first;
        let weight = |index: usize| (lambda * (first + index as i64) as f64 * interval - near).exp();
        let weigh = |(index, mass): (usize, &f64)| if *mass > 0.0 { mass * weight(index) } else { 0.0 };
        let mut mass: Vec<f64> = pmf.mass.iter().enumerate().map(weigh).collect();
        let total: f64 = mass.iter().sum();
        mass.iter_mut().for_each(|mass| *mass /= total);
        Self { steps, first, mass, cumulant: near + total.ln() }
    }

    fn last(&self) -> i64 {
        self.first + self.mass.len() as i64 - 1
    }

    /// `ln sum p exp(t e)` of the tilted distribution.
    fn shifted(&self, t: f64, interval: f64) -> f64 {
        let losses = self.mass.iter().enumerate().filter(|(_, mass)| **mass > 0.0);
        let log_terms: Vec<f64> =
            losses.map(|(index, mass)| t * (self.first + index as i64) as f64 * interval + mass.ln()).collect();
        let highest = log_terms.iter().copied().fold(f64::MIN, f64::max);
        highest + log_terms.iter().map(|log_term| (log_term - highest).exp()).sum::<f64>().ln()
    }
}

/// The distribution of the sum of all steps, at indices modulo `length`.
fn convolve(parts: &[Tilted], length: usize) -> Result<Vec<f64>> {
    let failed = |_| Error::Convolution { length };
    let mut planner = RealFftPlanner::<f64>::new();
    let (forward, inverse) = (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
    let mut product = vec![Complex::new(1.0, 0.0); length / 2 + 1];
    let mut spectrum = forward.make_output_vec();
    let mut wrapped = vec![0.0; length];
    for part in parts {
        wrapped.fill(0.0);
        for (index, mass) in part.mass.iter().enumerate() {
            wrapped[(part.first + index as i64).rem_euclid(length as i64) as usize] += mass;
        }
        forward.process(&mut wrapped, &mut spectrum).map_err(failed)?;
        for (product, value) in product.iter_mut().zip(&spectrum) {
            *product *= power(*value, part.steps);
        }
    }
    // A real signal of even length has a real spectrum at both ends.
    product[0].im = 0.0;
    product[length / 2].im = 0.0;
    inverse.process(&mut product, &mut wrapped).map_err(failed)?;
    wrapped.iter_mut().for_each(|mass| *mass = (*mass / length as f64).max(0.0));
    Ok(wrapped)
}

/// `value^exponent` by squaring; what would be below `1e-35` is zero.
fn power(value: Complex<f64>, mut exponent: u64) -> Complex<f64> {
    if 0.5 * exponent as f64 * value.norm_sqr().ln() < -80.0 {
        return Complex::new(0.0, 0.0);
    }
    let (mut base, mut result) = (value, Complex::new(1.0, 0.0));
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= base;
        }
        base = base * base;
        exponent >>= 1;
    }
    result
}

/// Where delta is reached.
enum Crossing {
    At {
        epsilon: f64,
        /// The part of delta that is allowance for rounding.
        rounding: f64,
        /// `-d ln delta / d epsilon`.
        slope: f64,
    },
    /// At a smaller loss than the window holds.
    Below,
    /// The infinite mass alone exceeds delta, or a number left its range.
    Infinite,
}

impl Crossing {
    fn epsilon(&self) -> f64 {
        if let Self::At { epsilon, .. } = self { *epsilon } else { f64::INFINITY }
    }

    fn slope(&self) -> f64 {
        if let Self::At { slope, .. } = self { *slope } else { 0.0 }
    }

    fn smaller(self, other: Self) -> Self {
        if other.epsilon() < self.epsilon() { other } else { self }
    }
}

/// Allowance for the rounding of the transform, relative to the tilted mass: `2 u log2(length)` for one transform,
/// times the power it is raised to. An estimate of the usual size of such errors, not a proven bound.
fn rounding(length: f64, total_steps: f64) -> f64 {
    f64::EPSILON * length.log2() * (total_steps + 1.0)
}

/// Reads epsilon off the tilted distribution of the total loss.
struct Sweep<'a> {
    sum: &'a [f64],
    first: i64,
    interval: f64,
    lambda: f64,
    cumulant: f64,
    infinite: f64,
    rounding: f64,
}

impl Sweep<'_> {
    /// The least epsilon with `delta(eps) = P(inf) + sum_{e > eps} (1 - exp(eps - e)) p(e) <= delta`, from the top
    /// down; at a grid point `above` is the sum of `p(e)` and `discounted` that of `exp(eps - e) p(e)`.
    fn crossing(&self, delta: f64) -> Crossing {
        let length = self.sum.len() as i64;
        let discount = (-self.interval).exp();
        let top = self.first + length - 1;
        let (mut above, mut discounted) = (0.0, 0.0);
        for index in (self.first..=top).rev() {
            let loss = index as f64 * self.interval;
            let untilt = (self.cumulant - self.lambda * loss).exp();
            let rounding = self.rounding * untilt;
            let fixed = self.infinite + rounding;
            if above - discounted + fixed > delta {
                if index == top {
                    return Crossing::Infinite;
                }
                let into_cell = ((above + fixed - delta) / discounted).ln();
                let epsilon = if into_cell.is_nan() { self.interval } else { into_cell.clamp(0.0, self.interval) };
                return Crossing::At { epsilon: (loss + epsilon).max(0.0), rounding, slope: discounted / delta };
            }
            if index <= 0 {
                return Crossing::At { epsilon: 0.0, rounding, slope: 0.0 };
            }
            let mass = self.sum[index.rem_euclid(length) as usize] * untilt;
            above += mass;
            discounted = (discounted + mass) * discount;
        }
        Crossing::Below
    }
}

/// The least `2^a` or `3 · 2^a` that is at least `length`: fast to transform, and even.
fn good_length(length: usize) -> usize {
    let power = length.next_power_of_two();
    if power / 4 * 3 >= length { power / 4 * 3 } else { power }
}

/// Minimum of a quasi-convex function of `t > 0` by golden section in `ln t`: argument and value.
fn minimise(function: impl Fn(f64) -> f64) -> (f64, f64) {
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
