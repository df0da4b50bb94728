//! Owns the reading of one composed distribution: delta at any epsilon, epsilon at any delta.
//!
//! Invariant: whatever the tilt, both are upper bounds, for every argument; the tilt only decides where they are
//! good.

use super::powers::Powers;

/// The distribution of the total loss, as sums from the top.
pub(crate) struct Layer {
    interval: f64,
    /// Index of the lowest grid point with sums.
    low: i64,
    /// At every grid point `e` the mass of losses `l > e`, and the sum of `exp(e - l)` over them.
    sums: Vec<(f64, f64)>,
    /// Mass that counts as infinite loss.
    infinite: f64,
    lambda: f64,
    /// `ln` of the allowance for rounding at loss 0; it falls with `lambda`.
    log_rounding: f64,
}

/// What one reading may lose in last places: a delta is the difference of two sums, and an epsilon adds a part of a cell to
/// a loss. Relative to the sums, and to one more than the loss.
const READING: f64 = 4.0 * f64::EPSILON;

/// What a convolution gave, before it is tilted back.
pub(crate) struct Convolved {
    /// Tilted masses at indices modulo the length.
    pub(crate) sum: Vec<f64>,
    /// Index of the lowest grid point held.
    pub(crate) first: i64,
    pub(crate) interval: f64,
    pub(crate) lambda: f64,
    /// Of all steps.
    pub(crate) cumulant: f64,
    pub(crate) infinite: f64,
    /// Allowance for rounding, relative to the tilted mass.
    pub(crate) rounding: f64,
}

/// Where delta is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crossing {
    /// Infinite when the infinite mass alone exceeds delta, or a number left its range.
    pub(crate) epsilon: f64,
    /// The part of delta that is allowance for rounding.
    pub(crate) rounding: f64,
    /// `-d ln delta / d epsilon`.
    pub(crate) slope: f64,
}

impl Crossing {
    pub(crate) const INFINITE: Self = Self { epsilon: f64::INFINITY, rounding: f64::INFINITY, slope: 0.0 };

    pub(crate) fn smaller(self, other: Self) -> Self {
        if other.epsilon < self.epsilon { other } else { self }
    }

    pub(crate) fn larger(self, other: Self) -> Self {
        if other.epsilon > self.epsilon { other } else { self }
    }
}

impl Layer {
    pub(crate) fn new(convolved: Convolved) -> Self {
        let Convolved { mut sum, first, interval, lambda, cumulant, infinite, rounding } = convolved;
        let length = sum.len() as i64;
        sum.rotate_left(first.rem_euclid(length) as usize);
        let mut layer =
            Self { interval, low: first, sums: Vec::new(), infinite, lambda, log_rounding: rounding.ln() + cumulant };
        // Nothing is asked below epsilon = 0.
        let skipped = (-first).clamp(0, length) as usize;
        let masses = &mut sum[skipped..];
        Powers::new(-lambda * interval).scale(masses, first + skipped as i64, cumulant);

        let discount = (-interval).exp();
        let (mut above, mut discounted) = (0.0, 0.0);
        layer.sums.reserve(masses.len());
        for mass in masses.iter().rev() {
            layer.sums.push((above, discounted));
            let delta = above - discounted;
            if delta.is_nan() || delta >= 1.0 {
                break; // below, there is nothing but rounding
            }
            above += mass;
            discounted = (discounted + mass) * discount;
        }
        layer.low = first + length - layer.sums.len() as i64;
        layer.sums.reverse();
        layer
    }

    /// The least epsilon with `delta(eps) = P(inf) + sum_{e > eps} (1 - exp(eps - e)) p(e) <= delta`.
    pub(crate) fn crossing(&self, delta: f64) -> Crossing {
        if self.sums.is_empty() && self.infinite + self.rounding(0.0) <= delta {
            return Crossing { epsilon: 0.0, rounding: self.rounding(0.0), slope: 0.0 };
        }
        let safe = lowest(self.sums.len(), |index| self.at(index) <= delta);
        let Some(index) = safe else { return Crossing::INFINITE };
        let loss = self.loss(index);
        let rounding = self.rounding(loss);
        let slope = self.sums[index].1 / delta;
        if loss <= 0.0 {
            return Crossing { epsilon: 0.0, rounding, slope };
        }
        if index == 0 {
            // below the losses that are held: a bound, and nothing is known of how good it is
            return Crossing { epsilon: loss, rounding: f64::INFINITY, slope };
        }
        // delta is reached between the grid point below and this one
        let below = self.loss(index - 1);
        let (above, discounted) = self.sums[index - 1];
        let fixed = self.infinite + self.rounding(below) + 2.0 * self.last_places(index - 1);
        let into_cell = ((above + fixed - delta) / discounted).ln();
        let epsilon = if into_cell.is_nan() { self.interval } else { into_cell.clamp(0.0, self.interval) };
        Crossing { epsilon: (below + epsilon).max(0.0), rounding: self.rounding(below), slope: discounted / delta }
    }

    /// Delta at `epsilon`, at most 1; `None` below the losses that are held.
    pub(crate) fn delta(&self, epsilon: f64) -> Option<f64> {
        let index = (epsilon / self.interval).floor() - self.low as f64;
        if index < 0.0 {
            return None;
        }
        let index = index as usize;
        let Some(&(above, discounted)) = self.sums.get(index) else {
            return Some((self.infinite + self.rounding(epsilon)).min(1.0));
        };
        let loss = self.loss(index);
        let discount = (epsilon - loss).clamp(0.0, self.interval).exp();
        let finite = (above - discount * discounted).max(0.0) + self.last_places(index);
        let delta = finite + self.infinite + self.rounding(loss);
        Some(if delta.is_nan() { 1.0 } else { delta.min(1.0) })
    }

    /// Delta at a grid point, with the last places of both readings, so that delta at a crossing is no more than was asked.
    fn at(&self, index: usize) -> f64 {
        let (above, discounted) = self.sums[index];
        above - discounted + 2.0 * self.last_places(index) + self.infinite + self.rounding(self.loss(index))
    }

    fn last_places(&self, index: usize) -> f64 {
        let (above, discounted) = self.sums[index];
        READING * (1.0 + self.loss(index)) * (above + discounted)
    }

    fn loss(&self, index: usize) -> f64 {
        (self.low + index as i64) as f64 * self.interval
    }

    /// The allowance for rounding in delta at a loss.
    pub(crate) fn rounding(&self, loss: f64) -> f64 {
        if self.lambda == 0.0 {
            return self.log_rounding.exp(); // also at an infinite loss
        }
        (self.log_rounding - self.lambda * loss).exp()
    }
}

/// The least of `0..count` from which on `holds` is true to the end, if it is true at the end.
fn lowest(count: usize, holds: impl Fn(usize) -> bool) -> Option<usize> {
    let mut high = count.checked_sub(1).filter(|last| holds(*last))?;
    let mut low = 0;
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    Some(high)
}
