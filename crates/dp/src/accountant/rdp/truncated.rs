//! Owns the Rényi divergence of one step of truncated Poisson sampling, for an added, removed or zeroed unit.
//!
//! Invariant: an upper bound. The others fill the batch with probability `w`; if they do not, the step is a Poisson
//! sampled Gaussian. If they do, the unit is in the batch with probability `q'`, and all other choices of the batch can
//! be made the same with and without it: a zeroed unit keeps its place, so that the sums differ by at most 1 (in clip
//! norms); an added one takes the place of another, so that they differ by at most 2. `A(a) = E_Q[(P/Q)^a]` is jointly
//! convex in `P` and `Q` (van Erven and Harremoes 2014, theorem 11), so that
//!
//! `A(a) - 1 <= (1-w) (A_sampled(a) - 1) + w q' (exp(d² a (a-1) / 2s²) - 1)`, `d` = 1 or 2.
//!
//! No amplification is claimed for a batch that was cut, which costs nothing where hardly any is.

use super::{log_one_plus_exp, sampled};
use crate::accountant::mechanism::Truncated;
use crate::accountant::special::{log_add, log_expm1};
use crate::plan::Adjacency;

/// Divergence of one step at every order.
pub(crate) fn divergences(cut: Truncated, adjacency: Adjacency, orders: &[f64]) -> Vec<f64> {
    let Truncated { q, sigma, truncation, conditional_q, .. } = cut;
    let distance: f64 = if adjacency == Adjacency::ZeroOut { 1.0 } else { 2.0 };
    let (log_whole, log_cut) = ((-truncation).ln_1p(), (truncation * conditional_q).ln());
    let bound = |(&order, whole): (&f64, f64)| {
        let excess_whole = log_whole + log_expm1((order - 1.0) * whole);
        let excess_cut = log_cut + log_expm1(distance * distance * order * (order - 1.0) / (2.0 * sigma * sigma));
        log_one_plus_exp(log_add(excess_whole, excess_cut)) / (order - 1.0)
    };
    orders.iter().zip(sampled::divergences(q, sigma, orders)).map(bound).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;
    use crate::accountant::binomial::log_probability;
    use crate::accountant::epsilon_of;
    use crate::accountant::mechanism::{Mechanism, Part};

    const UNITS: u64 = 8;

    /// What the sum of a step is distributed as, by the sampler's own rule and not by the theorem: means with weights.
    /// Every other unit contributes `other`; the unit contributes 1 (`with`) or, in its place, nothing. An absent unit
    /// takes no place.
    fn sums(q: f64, cap: u64, other: f64, with: bool, absent: bool) -> Vec<(f64, f64)> {
        let mut sums = Vec::new();
        for drawn in 0..UNITS {
            let weight = log_probability(UNITS - 1, q, drawn).exp();
            let kept = drawn.min(cap) as f64 * other;
            let own = if with { 1.0 } else { 0.0 };
            if absent {
                sums.push((kept, weight));
                continue;
            }
            // Drawn with `drawn` others, it stays with probability cap / (drawn + 1) if that is too many.
            let stays = q * (cap as f64 / (drawn + 1) as f64).min(1.0);
            let beside = drawn.min(cap - 1) as f64 * other;
            sums.push((kept, weight * (1.0 - stays)));
            sums.push((beside + own, weight * stays));
        }
        sums
    }

    /// Densities at evenly spaced outcomes, and the spacing.
    fn densities(sums: &[(f64, f64)], sigma: f64) -> (Vec<f64>, f64) {
        let (from, to, nodes) = (-10.0 - 14.0 * sigma, 10.0 + 14.0 * sigma, 4_000);
        let spacing = (to - from) / f64::from(nodes);
        let scale = (sigma * (2.0 * std::f64::consts::PI).sqrt()).recip();
        let at = |x: f64| -> f64 {
            sums.iter().map(|(mean, weight)| weight * scale * (-0.5 * ((x - mean) / sigma).powi(2)).exp()).sum()
        };
        ((0..=nodes).map(|index| at(from + spacing * f64::from(index))).collect(), spacing)
    }

    #[test]
    fn both_accountants_bound_what_the_sampler_does() {
        let mut closest = f64::INFINITY;
        for (q, cap, sigma) in [(0.3, 2, 1.0), (0.3, 4, 0.8), (0.7, 3, 2.0), (0.05, 1, 1.5)] {
            let mechanism = Mechanism::TruncatedPoisson { q, sigma, steps: 1, units: UNITS, cap };
            for adjacency in [Adjacency::ZeroOut, Adjacency::AddRemove] {
                let Part::Truncated(cut) = mechanism.part(adjacency).unwrap().0 else { panic!("nothing is cut") };
                let orders = [1.5, 2.0, 4.0, 9.0];
                let bounds = divergences(cut, adjacency, &orders);
                let found = [1e-2, 1e-5].map(|delta| (delta, epsilon_of(&[mechanism], adjacency, delta).unwrap()));
                for other in [-1.0, 0.0, 1.0] {
                    let (with, spacing) = densities(&sums(q, cap, other, true, false), sigma);
                    let absent = adjacency == Adjacency::AddRemove;
                    let (without, _) = densities(&sums(q, cap, other, false, absent), sigma);
                    for (p, r) in [(&with, &without), (&without, &with)] {
                        let outcomes = || p.iter().zip(r).filter(|(p, r)| **p > 1e-290 && **r > 1e-290);
                        for (order, bound) in orders.iter().zip(&bounds) {
                            let moment: f64 = outcomes().map(|(p, r)| (p / r).powf(*order) * r * spacing).sum();
                            let exact = moment.ln() / (order - 1.0);
                            assert!(
                                exact <= bound * (1.0 + 1e-9),
                                "{cut:?} {other} order {order}: {exact} above {bound}"
                            );
                            closest = closest.min(bound / exact.max(1e-12));
                        }
                        for (delta, found) in &found {
                            for epsilon in [found.epsilon_pld, found.epsilon_rdp] {
                                let exact: f64 =
                                    outcomes().map(|(p, r)| (p - epsilon.exp() * r).max(0.0) * spacing).sum();
                                assert!(exact <= delta * (1.0 + 1e-6), "{cut:?} {other}: {exact} at {epsilon}");
                            }
                        }
                    }
                }
            }
        }
        assert!(closest < 1.5, "the bound is {closest} times the truth at best");
    }
}
