//! Owns the Rényi accountant of the sampled Gaussian mechanism.
//!
//! Source: Mironov, Talwar and Zhang 2019 (arXiv 1908.10530), section 3.3: with `nu = N(0, s²)`,
//! `A(a) = E_{z~nu} [((1-q) + q exp((2z-1)/2s²))^a]` and `rdp(a) = ln A(a) / (a-1)`. Integer orders use the binomial
//! sum; fractional orders integrate. Conversion to epsilon: Canonne, Kamath and Steinke 2020, proposition 12.
//!
//! Invariant: `A - 1` is a sum of positive terms in both cases, so nothing cancels and a tiny loss keeps its digits.

use super::special::{log_add, log_expm1};
use super::{Phase, check};
use crate::error::Result;

/// Epsilon of all `phases` together at `delta`, by Rényi divergences at the default orders of `dp_accounting`.
///
/// # Errors
/// [`crate::Error`] for a value out of range.
pub fn epsilon_rdp(phases: &[Phase], delta: f64) -> Result<f64> {
    check(phases, delta)?;
    Ok(RdpCurve::new(phases)?.epsilon(1.0, delta))
}

/// Rényi divergence of a mechanism at every default order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct RdpCurve {
    points: Vec<(f64, f64)>,
}

impl RdpCurve {
    /// The curve of all phases together.
    pub(crate) fn new(phases: &[Phase]) -> Result<Self> {
        let orders = default_orders();
        let mut total = vec![0.0; orders.len()];
        for phase in phases.iter().filter(|phase| phase.steps > 0) {
            for (total, one_step) in total.iter_mut().zip(divergences(phase, &orders)) {
                *total += one_step * phase.steps as f64;
            }
        }
        Ok(Self { points: orders.into_iter().zip(total).collect() })
    }

    /// Epsilon of `repetitions` of this mechanism.
    pub(crate) fn epsilon(&self, repetitions: f64, delta: f64) -> f64 {
        let bounds = self.points.iter().map(|&(order, rdp)| convert(order, rdp * repetitions, delta));
        bounds.fold(f64::INFINITY, f64::min).max(0.0)
    }
}

/// The default orders of `dp_accounting`: 1.1 to 10.9 in tenths, 11 to 63, 128, 256, 512, 1024.
fn default_orders() -> Vec<f64> {
    let tenths = (11..110).map(|tenths| f64::from(tenths) / 10.0);
    let whole = (11..64).chain([128, 256, 512, 1024]).map(f64::from);
    tenths.chain(whole).collect()
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

/// Divergence of one step at every order.
fn divergences(phase: &Phase, orders: &[f64]) -> Vec<f64> {
    let Phase { q, sigma, .. } = *phase;
    if q == 1.0 {
        return orders.iter().map(|order| order / (2.0 * sigma * sigma)).collect();
    }
    let largest_fraction = orders.iter().copied().filter(|order| order.fract() != 0.0).fold(1.0, f64::max);
    let nodes = quadrature_nodes(q, sigma, largest_fraction);
    let log_moment = |order: f64| {
        if order.fract() == 0.0 { log_moment_integer(q, sigma, order) } else { log_moment_fraction(&nodes, order) }
    };
    orders.iter().map(|&order| log_moment(order) / (order - 1.0)).collect()
}

/// `ln A(a)` for an integer order: `A - 1 = sum_{k>=2} C(a,k) (1-q)^(a-k) q^k (exp((k²-k)/2s²) - 1)`.
fn log_moment_integer(q: f64, sigma: f64, order: f64) -> f64 {
    let (log_q, log_not_q) = (q.ln(), (-q).ln_1p());
    let mut log_excess = f64::NEG_INFINITY;
    let mut log_binomial = order.ln(); // C(a, 1)
    for index in 2..=order as u64 {
        let k = index as f64;
        log_binomial += ((order - k + 1.0) / k).ln();
        let log_weight = log_binomial + (order - k) * log_not_q + k * log_q;
        log_excess = log_add(log_excess, log_weight + log_expm1((k * k - k) / (2.0 * sigma * sigma)));
    }
    log_one_plus_exp(log_excess)
}

/// A point of the trapezoid rule: `ln(weight · nu(z))`, `y = q (exp((2z-1)/2s²) - 1)` and `ln(1+y)`.
struct Node {
    log_weight: f64,
    y: f64,
    log_ratio: f64,
}

/// Nodes that cover the integrand of every order up to `largest`.
///
/// The integrand is analytic in the strip `|Im z| < pi s²`, so the trapezoid rule converges geometrically; the
/// spacing keeps its error below `1e-17`.
fn quadrature_nodes(q: f64, sigma: f64, largest: f64) -> Vec<Node> {
    let spacing = (sigma / 40.0).min(sigma * sigma / 3.0);
    let (from, to) = (-14.0 * sigma, largest + 14.0 * sigma + 1.0);
    let count = ((to - from) / spacing).ceil();
    // Below sigma = 0.001 the bound is astronomically large anyway: no nodes, infinite divergence.
    if count > 2e8 {
        return Vec::new();
    }
    let log_density = -(sigma * (2.0 * std::f64::consts::PI).sqrt()).ln() + spacing.ln();
    let node = |index: u64| {
        let z = from + index as f64 * spacing;
        let exponent = (2.0 * z - 1.0) / (2.0 * sigma * sigma);
        let y = q * exponent.exp_m1();
        let log_ratio = if y.is_finite() { y.ln_1p() } else { exponent + q.ln() };
        Node { log_weight: log_density - z * z / (2.0 * sigma * sigma), y, log_ratio }
    };
    (0..=count as u64).map(node).collect()
}

/// `ln A(a)` by quadrature of `(1+y)^a - 1 - a y`, whose mean is `A - 1` because the mean of `y` is zero.
fn log_moment_fraction(nodes: &[Node], order: f64) -> f64 {
    if nodes.is_empty() {
        return f64::INFINITY;
    }
    // The binomial series is used while order · |y| is small, where the direct form would cancel.
    let (mut plain, mut large) = (0.0, f64::NEG_INFINITY);
    for node in nodes {
        let power = order * node.log_ratio;
        if power > 30.0 || node.log_weight < -700.0 {
            let log_value = power + (-(1.0 + order * node.y) * (-power).exp()).ln_1p();
            if log_value.is_finite() {
                large = log_add(large, node.log_weight + log_value);
            } else if power > 30.0 {
                large = log_add(large, node.log_weight + power);
            }
        } else if node.y.abs() < 1e-2 {
            plain += node.log_weight.exp() * binomial_tail(order, node.y);
        } else {
            plain += node.log_weight.exp() * (power.exp_m1() - order * node.y);
        }
    }
    log_one_plus_exp(log_add(large, plain.ln()))
}

/// `(1+y)^a - 1 - a y` as a series, for `|y| < 0.01`.
fn binomial_tail(order: f64, y: f64) -> f64 {
    let (mut term, mut sum, mut k) = (order * y, 0.0, 1.0);
    while k < 40.0 {
        term *= (order - k) * y / (k + 1.0);
        sum += term;
        if term.abs() <= sum.abs() * 1e-17 {
            break;
        }
        k += 1.0;
    }
    sum
}

fn log_one_plus_exp(log_excess: f64) -> f64 {
    if log_excess > 40.0 { log_excess } else { log_excess.exp().ln_1p() }
}
