//! Owns the composition of many steps: the tilt, the window and the grid of the convolution.
//!
//! Invariant: pessimistic at every stage: the grid dominates (see `discretize`), mass outside the convolution window
//! counts as infinite loss, and an allowance for the rounding of the transform (an estimate, see `rounding`) is added
//! to delta.
//!
//! Source: Koskela et al. 2020 and Doroshenko et al. 2022 for composition by FFT. Own addition: before the transform
//! every distribution is tilted by `exp(lambda · loss)` with the `lambda` of the Chernoff bound at the target delta,
//! and tilted back afterwards. The transform's rounding error, which is relative to the whole mass, then becomes
//! relative to delta, so that a delta of 1e-12 after a million steps keeps its digits; and the window only has to
//! hold the losses that decide this delta.

use super::OnGrid;
use super::chain::{Chain, LONGEST, Window, minimise, plain_window, rounding, tilted_window};
use super::discretize::{Direction, Nodes, Pmf, Step};
use super::layer::{Crossing, Layer};
use crate::error::Result;

/// The grid, the same as the default of `dp_accounting`, so that its figures can be reproduced.
const INTERVAL: f64 = 1e-4;
/// Runs longer than this use a finer grid if the overshoot of [`INTERVAL`], which grows with the number of steps,
/// is above `GRID_ERROR` relative to the larger of epsilon and 1.
const LONG_RUN: f64 = 20_000.0;
const GRID_ERROR: f64 = 1e-3;
/// Overshoot, relative as above, that a coarser grid may cost where [`INTERVAL`] needs more than [`CHEAP`] cells.
const NO_ERROR: f64 = 1e-5;
const CHEAP: f64 = (1_u64 << 19) as f64;
/// Grids tried, and tilts per grid.
const MOST_GRIDS: u32 = 4;
const MOST_TILTS: u32 = 6;
/// Epsilons above this are left to the closed form of the unsampled Gaussian.
const LARGEST: f64 = 2e4;
/// Rounding that need not be avoided, relative to delta, and what it adds to epsilon, relative to `1 + epsilon`.
const NEGLIGIBLE: f64 = 3e-4;
const HARMLESS: f64 = 1e-5;
/// Delta from which on a profile needs no tilt.
const PLAIN: f64 = 1e-3;
/// `ln` of the mass beyond the reach over all steps, relative to delta.
const LOG_BEYOND: f64 = -14.0;

/// Standard deviations within which `steps` steps must be resolved, so that the mass beyond stays below a millionth
/// of `delta`.
pub(crate) fn reach(delta: f64, steps: f64) -> f64 {
    (-2.0 * ((delta / steps).ln() + LOG_BEYOND)).sqrt()
}

/// How one direction is convolved.
struct Tilt {
    lambda: f64,
    /// The Chernoff bound on epsilon.
    chernoff: f64,
    window: Window,
}

/// Steps with their numbers, for a delta of at least `delta`.
pub(crate) struct Composition {
    steps: Vec<(Step, u64)>,
    delta: f64,
    total_steps: f64,
    directions: Vec<Direction>,
}

impl Composition {
    /// Steps whose reach fits `delta` and their total number.
    pub(crate) fn new(steps: Vec<(Step, u64)>, delta: f64) -> Self {
        let total_steps = steps.iter().map(|(_, count)| *count as f64).sum();
        let symmetric = steps.iter().all(|(step, _)| step.is_symmetric());
        let directions = if symmetric { vec![Direction::Remove] } else { vec![Direction::Remove, Direction::Add] };
        Self { steps, delta, total_steps, directions }
    }

    /// The least epsilon for the composition's delta, infinite where that cannot be computed, and the grid that it was
    /// computed on.
    pub(crate) fn epsilon(&self) -> Result<OnGrid> {
        let mut tilts = self.tilts();
        // The second direction is often settled by a bound once the first is known.
        tilts.sort_by(|(_, a), (_, b)| b.chernoff.total_cmp(&a.chernoff));
        let mut interval = self.interval(&tilts);
        let mut answer = OnGrid { epsilon: f64::INFINITY, interval };
        for _ in 0..MOST_GRIDS {
            if !interval.is_finite() {
                break;
            }
            let grids = self.grids(interval);
            let mut largest = Crossing { epsilon: 0.0, rounding: 0.0, slope: 0.0 };
            let mut too_fine = false;
            for (direction, tilt) in &tilts {
                let chain = Chain { steps: &self.steps, pmfs: grids.of(*direction), interval };
                let bound = chain.bound(tilt.lambda.min(20.0 / interval), self.delta);
                if largest.epsilon > 0.0 && bound <= largest.epsilon {
                    continue;
                }
                let found = self.layers(&chain, tilt, *direction, self.delta)?;
                too_fine |= found.too_fine;
                let by_moment = Crossing { epsilon: bound, rounding: f64::INFINITY, slope: tilt.lambda };
                largest = largest.larger(least_crossing(&found.layers, self.delta).smaller(by_moment));
            }
            answer = OnGrid { epsilon: largest.epsilon.min(answer.epsilon), interval };
            if too_fine {
                interval *= 2.0;
                continue;
            }
            // A grid that was coarsened for speed must have been harmless at the epsilon found.
            let overshoot = self.overshoot(largest.slope, interval);
            let affordable = INTERVAL.max(self.extent(&tilts) / LONGEST);
            if interval > 1.5 * affordable && overshoot > 2.0 * NO_ERROR * largest.epsilon.max(1.0) {
                interval = affordable;
                continue;
            }
            break;
        }
        Ok(answer)
    }

    /// For every direction, distributions of the total loss that together are good for every delta from 1 down to
    /// the composition's; none when the range that can be computed is exceeded.
    pub(crate) fn profile(&self) -> Result<Vec<Vec<Layer>>> {
        let tilts = self.tilts();
        let mut interval = self.interval(&tilts);
        let mut all = Vec::new();
        for _ in 0..MOST_GRIDS {
            if !interval.is_finite() {
                break;
            }
            let grids = self.grids(interval);
            let mut too_fine = false;
            all.clear();
            for (direction, tilt) in &tilts {
                let chain = Chain { steps: &self.steps, pmfs: grids.of(*direction), interval };
                let found = self.all_layers(&chain, tilt, *direction)?;
                too_fine |= found.too_fine;
                all.push(found.layers);
            }
            if !too_fine {
                break;
            }
            interval *= 2.0;
        }
        Ok(all)
    }

    /// Layers from the composition's delta up, each added where those before are spoilt by rounding.
    fn all_layers(&self, chain: &Chain<'_>, deepest: &Tilt, direction: Direction) -> Result<Found> {
        let mut found = self.layers(chain, deepest, direction, self.delta)?;
        let nodes = self.nodes(direction);
        let mut delta = self.delta;
        while delta < PLAIN {
            if !least_crossing(&found.layers, delta).is_good(delta) && delta > self.delta {
                let tilt = self.tilt(|t| self.cumulant(&nodes, t), delta);
                found.layers.extend(self.layers(chain, &tilt, direction, delta)?.layers);
            }
            // Where no tilt helps, those for deltas nearby will not either.
            let good = least_crossing(&found.layers, delta).is_good(delta);
            delta *= if good { 10.0 } else { 1_000.0 };
        }
        // One without a tilt holds nearly all of the mass, for small epsilons.
        let window = plain_window(|t| self.cumulant(&nodes, t), PLAIN);
        found.layers.extend(chain.layer(0.0, window)?);
        Ok(found)
    }

    fn nodes(&self, direction: Direction) -> Vec<Nodes> {
        self.steps.iter().map(|(step, _)| step.nodes(direction)).collect()
    }

    fn tilts(&self) -> Vec<(Direction, Tilt)> {
        let tilt = |direction: &Direction| {
            let nodes = self.nodes(*direction);
            (*direction, self.tilt(|t| self.cumulant(&nodes, t), self.delta))
        };
        self.directions.iter().map(tilt).collect()
    }

    fn grids(&self, interval: f64) -> Grids {
        let (remove, add) = self.steps.iter().map(|(step, _)| step.discretize(interval)).unzip();
        Grids { remove, add }
    }

    /// What the grid may add to epsilon where `ln delta` falls with `slope`: splitting a cell's mass adds at most
    /// `T lambda (lambda+1) h²/8` to the cumulant.
    fn overshoot(&self, slope: f64, interval: f64) -> f64 {
        self.total_steps * (slope + 1.0) * interval * interval / 8.0
    }

    /// The widest range of losses that has to be held or, where a step has many components, computed in the time
    /// of that range.
    fn extent(&self, tilts: &[(Direction, Tilt)]) -> f64 {
        let work = |step: &Step| step.components().max(4) as f64 / 4.0;
        let span = |(step, _): &(Step, u64)| (step.loss_range().1 - step.loss_range().0) * work(step);
        let span = self.steps.iter().map(span).sum();
        tilts.iter().map(|(_, tilt)| tilt.window.width).fold(span, f64::max)
    }

    /// `lambda` that minimises the Chernoff bound `(K(lambda) - ln delta) / lambda` on epsilon, with the window that
    /// follows from it.
    fn tilt(&self, cumulant: impl Fn(f64) -> f64, delta: f64) -> Tilt {
        let (lambda, chernoff) = minimise(|t| (cumulant(t) - delta.ln()) / t);
        Tilt { lambda, chernoff, window: tilted_window(&cumulant, lambda) }
    }

    fn cumulant(&self, nodes: &[Nodes], t: f64) -> f64 {
        self.steps.iter().zip(nodes).map(|((_, count), nodes)| *count as f64 * nodes.cumulant(t)).sum()
    }

    /// The grid, infinite where none will do: [`INTERVAL`]; finer in a long run, coarser where the transform would exceed
    /// [`LONGEST`], or [`CHEAP`] and it makes no difference.
    fn interval(&self, tilts: &[(Direction, Tilt)]) -> f64 {
        let Some((_, main)) = tilts.iter().max_by(|(_, a), (_, b)| a.chernoff.total_cmp(&b.chernoff)) else {
            return f64::INFINITY;
        };
        if main.chernoff.is_nan() || main.chernoff > LARGEST {
            return f64::INFINITY;
        }
        let with_error = |error: f64| (error * main.chernoff.max(1.0) / self.overshoot(main.lambda, 1.0)).sqrt();
        let extent = self.extent(tilts);
        let mut interval = INTERVAL;
        if self.total_steps > LONG_RUN {
            interval = with_error(GRID_ERROR).max(extent / LONGEST).min(interval);
        }
        if extent / interval > CHEAP {
            interval = with_error(NO_ERROR).min(extent / CHEAP).max(interval);
        }
        interval.max(1.1 * extent / LONGEST)
    }

    /// Distributions of the sum in one direction that are good at `delta`, as far as that can be had.
    ///
    /// Every tilt gives an upper bound. It is good if epsilon lies in the window and rounding is small there; where a
    /// few heavy losses make the Chernoff bound loose its tilt is too strong, and a weaker one follows, or none if
    /// rounding is small against delta without.
    fn layers(&self, chain: &Chain<'_>, tilt: &Tilt, direction: Direction, delta: f64) -> Result<Found> {
        let nodes = self.nodes(direction);
        let cumulant = |t: f64| self.cumulant(&nodes, t);
        // Where the grid changes the cumulant, the tilt for the exact loss is not the one for the grid's.
        let shift = self.overshoot(tilt.lambda, chain.interval) * tilt.lambda;
        let own = (shift > 0.1).then(|| self.tilt(|t| chain.cumulant(t), delta));
        let own_cumulant = |t: f64| if own.is_some() { chain.cumulant(t) } else { cumulant(t) };
        let tilt = own.as_ref().unwrap_or(tilt);

        let plain = rounding(LONGEST, self.total_steps) < NEGLIGIBLE * delta;
        let narrow = plain.then(|| plain_window(own_cumulant, delta)).filter(|plain| plain.width < tilt.window.width);
        // Where the loss is bounded the best tilt has no limit; one that lifts a cell by exp(20) is enough.
        let limited = tilt.lambda.min(20.0 / chain.interval);
        let mut lambda = if narrow.is_some() { 0.0 } else { limited };
        let mut found = Found { layers: Vec::new(), too_fine: false };
        for _ in 0..MOST_TILTS {
            let window = if lambda == tilt.lambda {
                tilt.window
            } else if lambda == 0.0 {
                plain_window(own_cumulant, delta)
            } else {
                tilted_window(own_cumulant, lambda)
            };
            let Some(layer) = chain.layer(lambda, window)? else {
                found.too_fine = found.layers.is_empty();
                break;
            };
            let crossing = layer.crossing(delta);
            found.layers.push(layer);
            if lambda == 0.0 || crossing.is_good(delta) || (crossing.epsilon == f64::INFINITY && lambda < limited) {
                break;
            }
            lambda *= if plain { 0.0 } else { 0.4 };
        }
        Ok(found)
    }
}

/// What came of one direction on one grid.
struct Found {
    layers: Vec<Layer>,
    /// The window did not fit the longest transform.
    too_fine: bool,
}

/// One step's distributions on the grid, for every step.
struct Grids {
    remove: Vec<Pmf>,
    add: Vec<Pmf>,
}

impl Grids {
    fn of(&self, direction: Direction) -> &[Pmf] {
        match direction {
            Direction::Remove => &self.remove,
            Direction::Add => &self.add,
        }
    }
}

impl Crossing {
    /// Whether rounding leaves the answer as good as it can be.
    fn is_good(&self, delta: f64) -> bool {
        self.epsilon == 0.0
            || self.rounding < NEGLIGIBLE * delta
            || self.rounding < HARMLESS * (1.0 + self.epsilon) * self.slope * delta
    }
}

/// Where the best of the layers reaches delta.
pub(crate) fn least_crossing(layers: &[Layer], delta: f64) -> Crossing {
    layers.iter().map(|layer| layer.crossing(delta)).fold(Crossing::INFINITE, Crossing::smaller)
}
