//! Owns the privacy loss of one step: exactly, on quadrature nodes, and pessimistically, on a grid.
//!
//! Invariant: the distribution on the grid dominates the exact one. Connect-the-dots (Doroshenko et al. 2022,
//! arXiv 2207.04380): every cell `[e, e+h]` of losses keeps its mass under both `P` and `Q`, which fixes how the mass
//! is split between the cell's ends; mass beyond the ends of the grid is rounded up, at the top to infinity.
//!
//! With `l(x) = ln((1-q) + q exp((2x-1)/2s²))`, the loss is `l` when a unit is removed (`P` is the mixture, `Q` is
//! `N(0, s²)`) and `-l` when it is added.

use super::special::{log_add, normal_above};

/// Which of two neighbouring data sets is observed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Direction {
    /// Observed with the unit, compared with its absence.
    Remove,
    /// Observed without the unit, compared with its presence.
    Add,
}

/// One step of the sampled Gaussian, cut off at `reach` standard deviations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) q: f64,
    pub(crate) sigma: f64,
    pub(crate) reach: f64,
}

/// Masses at `(first + i) · interval`, and at infinity.
pub(crate) struct Pmf {
    pub(crate) first: i64,
    pub(crate) mass: Vec<f64>,
    pub(crate) infinite: f64,
}

/// Losses at quadrature nodes with the logarithm of their mass under `P`: good for moments, no bound.
pub(crate) struct Nodes {
    points: Vec<(f64, f64)>,
}

impl Step {
    /// `l` at the ends of the reach.
    pub(crate) fn loss_range(&self) -> (f64, f64) {
        (self.loss(-self.reach * self.sigma), self.loss(1.0 + self.reach * self.sigma))
    }

    fn loss(&self, x: f64) -> f64 {
        let exponent = (2.0 * x - 1.0) / (2.0 * self.sigma * self.sigma);
        if self.q == 1.0 {
            exponent
        } else if exponent < 700.0 {
            (self.q * exponent.exp_m1()).ln_1p()
        } else {
            exponent + self.q.ln()
        }
    }

    /// The outcome `x` with loss `l(x) = loss`; minus infinity when every loss is larger.
    fn outcome(&self, loss: f64) -> f64 {
        let exponent = if self.q == 1.0 {
            loss
        } else if loss < 700.0 {
            (loss.exp_m1() / self.q).max(-1.0).ln_1p()
        } else {
            loss - self.q.ln()
        };
        self.sigma * self.sigma * exponent + 0.5
    }

    /// The exact loss on evenly spaced outcomes.
    pub(crate) fn nodes(&self, direction: Direction) -> Nodes {
        let width = 1.0 + 2.0 * self.reach * self.sigma;
        let spacing = (self.sigma / 24.0).min(self.sigma * self.sigma / 2.0).max(width / 1e5);
        let (log_q, log_not_q) = (self.q.ln(), (-self.q).ln_1p());
        let log_scale = (spacing / (self.sigma * (2.0 * std::f64::consts::PI).sqrt())).ln();
        let node = |index: u64| {
            let x = index as f64 * spacing - self.reach * self.sigma;
            let log_density = |mean: f64| log_scale - (x - mean) * (x - mean) / (2.0 * self.sigma * self.sigma);
            match direction {
                Direction::Remove => (self.loss(x), log_add(log_not_q + log_density(0.0), log_q + log_density(1.0))),
                Direction::Add => (-self.loss(x), log_density(0.0)),
            }
        };
        Nodes { points: (0..=(width / spacing) as u64).map(node).collect() }
    }

    /// The dominating distributions on multiples of `interval` for [`Direction::Remove`] and [`Direction::Add`].
    pub(crate) fn discretize(&self, interval: f64) -> (Pmf, Pmf) {
        let (least, most) = self.loss_range();
        let (from, to) = ((least / interval).floor() as i64, (most / interval).ceil() as i64);
        let cells = (to - from).max(1) as usize;
        let mut remove = vec![0.0; cells + 1];
        let mut add = vec![0.0; cells + 1];
        let share = -(-interval).exp_m1(); // 1 - exp(-h)

        let mut low = self.boundary(from as f64 * interval);
        let below = low;
        for cell in 0..cells {
            let (loss_low, loss_high) =
                ((from + cell as i64) as f64 * interval, (from + cell as i64 + 1) as f64 * interval);
            let high = self.boundary(loss_high);
            let base = low.base.until(high.base);
            let shifted = low.shifted.until(high.shifted);
            let mixture = (1.0 - self.q) * base + self.q * shifted;

            // w_high + w_low = P-mass and w_high e^-e_high + w_low e^-e_low = Q-mass
            let excess = |loss: f64| {
                if self.q > 0.5 {
                    mixture - base * loss.exp()
                } else {
                    self.q * (shifted - base) - base * loss.exp_m1()
                }
            };
            let upper = part(excess(loss_low) / share, mixture);
            remove[cell + 1] += upper;
            remove[cell] += mixture - upper;
            let upper = part(-excess(loss_high) * (-loss_high).exp() / share, base);
            add[cells - cell] += upper;
            add[cells - cell - 1] += base - upper;
            low = high;
        }
        remove[0] += (1.0 - self.q) * below.base.lower + self.q * below.shifted.lower;
        add[0] += low.base.upper;
        let remove_infinite = (1.0 - self.q) * low.base.upper + self.q * low.shifted.upper;
        (
            Pmf { first: from, mass: remove, infinite: remove_infinite },
            Pmf { first: -(from + cells as i64), mass: add, infinite: below.base.lower },
        )
    }

    fn boundary(&self, loss: f64) -> Boundary {
        let x = self.outcome(loss);
        Boundary { base: Tails::at(x / self.sigma), shifted: Tails::at((x - 1.0) / self.sigma) }
    }
}

impl Nodes {
    /// The grid's own losses.
    pub(crate) fn of(pmf: &Pmf, interval: f64) -> Self {
        let masses = pmf.mass.iter().enumerate().filter(|(_, mass)| **mass > 0.0);
        let point = |(index, mass): (usize, &f64)| ((pmf.first + index as i64) as f64 * interval, mass.ln());
        Self { points: masses.map(point).collect() }
    }

    /// `ln E_P[exp(t · loss)]`.
    pub(crate) fn cumulant(&self, t: f64) -> f64 {
        let highest = self.points.iter().map(|(loss, log_mass)| t * loss + log_mass).fold(f64::MIN, f64::max);
        let sum: f64 = self.points.iter().map(|(loss, log_mass)| (t * loss + log_mass - highest).exp()).sum();
        highest + sum.ln()
    }
}

/// `value`, forced into `[0, whole]`; all of it when it cannot be computed, which is the pessimistic end.
fn part(value: f64, whole: f64) -> f64 {
    if value.is_nan() { whole } else { value.clamp(0.0, whole.max(0.0)) }
}

#[derive(Clone, Copy)]
struct Boundary {
    base: Tails,
    shifted: Tails,
}

/// Normal mass on both sides of a point, the smaller one with full relative precision.
#[derive(Clone, Copy)]
struct Tails {
    lower: f64,
    upper: f64,
    positive: bool,
}

impl Tails {
    fn at(z: f64) -> Self {
        let tail = normal_above(z.abs());
        if z > 0.0 {
            Self { lower: 1.0 - tail, upper: tail, positive: true }
        } else {
            Self { lower: tail, upper: 1.0 - tail, positive: false }
        }
    }

    /// Mass between this point and a later one.
    fn until(self, later: Self) -> f64 {
        let mass = if self.positive { self.upper - later.upper } else { later.lower - self.lower };
        mass.max(0.0)
    }
}
