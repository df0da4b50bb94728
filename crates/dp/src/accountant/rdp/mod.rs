//! Owns the accountant by Rényi divergences: curves over orders, their sum, and their conversion to epsilon.
//!
//! Invariant: every value of a curve is an upper bound on the divergence of its order; an order that cannot be
//! computed is infinite and takes no part. Conversion: Canonne, Kamath and Steinke 2020 (arXiv 2004.00010),
//! proposition 12.

mod fixed_size;
mod sampled;
mod selection;
mod truncated;

use super::mechanism::{Mechanism, Part};
use super::{Phase, check, check_delta};
use crate::error::Result;
use crate::plan::Adjacency;

pub use selection::{Repetitions, epsilon_repeat_and_select};

/// Epsilon of all `phases` together at `delta`, by Rényi divergences at the default orders of `dp_accounting`.
///
/// # Errors
/// [`crate::Error`] for a value out of range.
pub fn epsilon_rdp(phases: &[Phase], delta: f64) -> Result<f64> {
    check(phases, delta)?;
    Ok(RdpCurve::new(phases)?.epsilon(1.0, delta))
}

/// Epsilon of all `mechanisms` together at `delta`, as [`epsilon_rdp`].
///
/// # Errors
/// As [`super::epsilon_of`].
pub(crate) fn mechanisms_rdp(mechanisms: &[Mechanism], adjacency: Adjacency, delta: f64) -> Result<f64> {
    check_delta(delta)?;
    Ok(RdpCurve::of(mechanisms, adjacency)?.epsilon(1.0, delta))
}

/// Rényi divergence of a mechanism at every default order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct RdpCurve {
    points: Vec<(f64, f64)>,
}

impl RdpCurve {
    /// The curve of all phases together.
    pub(crate) fn new(phases: &[Phase]) -> Result<Self> {
        let mechanisms: Vec<Mechanism> = phases.iter().map(|phase| Mechanism::Poisson(*phase)).collect();
        Self::of(&mechanisms, Adjacency::AddRemove)
    }

    /// The curve of all mechanisms together.
    pub(crate) fn of(mechanisms: &[Mechanism], adjacency: Adjacency) -> Result<Self> {
        let orders = default_orders();
        let mut total = vec![0.0; orders.len()];
        for mechanism in mechanisms {
            mechanism.check()?;
            let (one_step, steps) = divergences(mechanism, adjacency, &orders)?;
            if steps > 0 {
                total.iter_mut().zip(one_step).for_each(|(total, one)| *total += one * steps as f64);
            }
        }
        Ok(Self { points: orders.into_iter().zip(total).collect() })
    }

    /// Epsilon of `repetitions` of this mechanism.
    pub(crate) fn epsilon(&self, repetitions: f64, delta: f64) -> f64 {
        let bounds = self.points.iter().map(|&(order, rdp)| convert(order, rdp * repetitions, delta));
        bounds.fold(f64::INFINITY, f64::min).max(0.0)
    }

    /// Delta at `epsilon`.
    fn delta(&self, epsilon: f64) -> f64 {
        let bound = |&(order, rdp): &(f64, f64)| {
            let by_order = (order - 1.0) * (rdp - epsilon + (-1.0 / order).ln_1p()) - order.ln();
            // Total variation is at most sqrt(1 - exp(-KL)), and KL <= rdp.
            let by_distance = 0.5 * (-(-rdp).exp_m1()).ln();
            let log_delta = by_order.min(by_distance);
            if log_delta.is_nan() { 1.0 } else { log_delta.exp() }
        };
        self.points.iter().map(bound).fold(1.0, f64::min)
    }
}

/// The default orders of `dp_accounting`: 1.1 to 10.9 in tenths, 11 to 63, 128, 256, 512, 1024.
fn default_orders() -> Vec<f64> {
    let tenths = (11..110).map(|tenths| f64::from(tenths) / 10.0);
    let whole = (11..64).chain([128, 256, 512, 1024]).map(f64::from);
    tenths.chain(whole).collect()
}

/// One step at every order, and the number of steps.
fn divergences(mechanism: &Mechanism, adjacency: Adjacency, orders: &[f64]) -> Result<(Vec<f64>, u64)> {
    let replaced = adjacency == Adjacency::ReplaceOne;
    let gaussian = |sigma: f64| {
        let sigma = if replaced { 0.5 * sigma } else { sigma };
        orders.iter().map(|order| order / (2.0 * sigma * sigma)).collect()
    };
    Ok(match *mechanism {
        Mechanism::Poisson(Phase { q: 1.0, sigma, steps }) => (gaussian(sigma), steps),
        Mechanism::Poisson(Phase { q, sigma, steps }) if !replaced => (sampled::divergences(q, sigma, orders), steps),
        Mechanism::PoissonGroup { q, sigma, steps, records: 1 } => {
            return divergences(&Mechanism::Poisson(Phase { q, sigma, steps }), adjacency, orders);
        }
        Mechanism::PoissonGroup { q: 1.0, sigma, steps, records } if !replaced => {
            (gaussian(sigma / f64::from(records)), steps)
        }
        Mechanism::FixedSize { batch, units, sigma, steps } if replaced => {
            (fixed_size::divergences(batch as f64 / units as f64, sigma, orders), steps)
        }
        Mechanism::TruncatedPoisson { .. } if !replaced => match mechanism.part(adjacency)? {
            (Part::Truncated(cut), steps) => (truncated::divergences(cut, adjacency, orders), steps),
            // never cut: as without a cap
            (Part::Sampled { q, sigma }, steps) => (sampled::divergences(q, sigma, orders), steps),
            (Part::Gaussian { sigma }, steps) => (gaussian(sigma), steps),
            _ => return Err(mechanism.not_accounted(adjacency)),
        },
        Mechanism::Shuffled { sigma, passes } if adjacency != Adjacency::AddRemove => (gaussian(sigma), passes),
        _ => return Err(mechanism.not_accounted(adjacency)),
    })
}

fn convert(order: f64, rdp: f64, delta: f64) -> f64 {
    if rdp.is_nan() {
        return f64::INFINITY;
    }
    // Total variation is at most sqrt(1 - exp(-KL)), and KL <= rdp.
    if delta * delta + (-rdp).exp_m1() > 0.0 {
        return 0.0;
    }
    rdp + (-1.0 / order).ln_1p() - (delta * order).ln() / (order - 1.0)
}

/// `ln A` at a fractional order from its neighbours: it is convex, and 0 at order 1 (Wang, Balle and
/// Kasiviswanathan 2019, corollary 10).
fn between(order: f64, log_moment: impl Fn(f64) -> f64) -> f64 {
    let (low, share) = (order.floor(), order.fract());
    let at_low = if low <= 1.0 { 0.0 } else { log_moment(low) };
    (1.0 - share) * at_low + share * log_moment(low + 1.0)
}

fn log_one_plus_exp(log_excess: f64) -> f64 {
    if log_excess > 40.0 { log_excess } else { log_excess.exp().ln_1p() }
}
