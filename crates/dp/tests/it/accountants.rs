//! Laws of the accountants, and exact answers that need no table.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use cloister_dp::accountant::{epsilon, epsilon_pld, epsilon_rdp};
use cloister_dp::{Error, MIN_SIGMA, Phase, calibrate_sigma};
use proptest::prelude::*;

fn phase(q: f64, sigma: f64, steps: u64) -> Phase {
    Phase { q, sigma, steps }
}

fn above(x: f64) -> f64 {
    0.5 * libm::erfc(x * FRAC_1_SQRT_2)
}

/// Hockey-stick divergence of one step with a unit removed or added, for any real `epsilon`.
fn one_step(q: f64, sigma: f64, epsilon: f64, remove: bool) -> f64 {
    let ratio = if remove { epsilon } else { -epsilon };
    let inside = 1.0 + ratio.exp_m1() / q;
    if inside <= 0.0 {
        return if remove { -epsilon.exp_m1() } else { 0.0 };
    }
    let x = sigma * sigma * inside.ln() + 0.5;
    let (base, shifted) = if remove {
        (above(x / sigma), above((x - 1.0) / sigma))
    } else {
        (above(-x / sigma), above((1.0 - x) / sigma))
    };
    let mixture = (1.0 - q) * base + q * shifted;
    if remove { mixture - epsilon.exp() * base } else { base - epsilon.exp() * mixture }
}

/// The same for two steps, by integrating over the first outcome.
fn two_steps(q: f64, sigma: f64, epsilon: f64, remove: bool) -> f64 {
    let (from, to, nodes) = (-12.0 * sigma, 1.0 + 12.0 * sigma, 40_000);
    let spacing = (to - from) / f64::from(nodes);
    let density = |x: f64| (-x * x / (2.0 * sigma * sigma)).exp() / (sigma * (2.0 * PI).sqrt());
    let term = |index: i32| {
        let x = from + f64::from(index) * spacing;
        let loss = (q * ((2.0 * x - 1.0) / (2.0 * sigma * sigma)).exp_m1()).ln_1p();
        if remove {
            ((1.0 - q) * density(x) + q * density(x - 1.0)) * one_step(q, sigma, epsilon - loss, true)
        } else {
            density(x) * one_step(q, sigma, epsilon + loss, false)
        }
    };
    (0..=nodes).map(term).sum::<f64>() * spacing
}

#[test]
fn pld_is_tight_and_never_below_the_exact_answer_for_one_and_two_steps() {
    for (q, sigma) in [(0.01, 1.0), (0.2, 0.8), (0.5, 3.0), (0.9, 1.5), (0.001, 0.5)] {
        for delta in [1e-3, 1e-6, 1e-10] {
            for (steps, exact) in [(1, one_step as fn(f64, f64, f64, bool) -> f64), (2, two_steps)] {
                let bound = epsilon_pld(&[phase(q, sigma, steps)], delta).unwrap();
                let at = |epsilon: f64| exact(q, sigma, epsilon, true).max(exact(q, sigma, epsilon, false));
                assert!(at(bound) <= delta * (1.0 + 1e-6), "q {q} sigma {sigma} delta {delta} steps {steps}: {bound}");
                let below = bound - 3e-4;
                assert!(
                    below <= 0.0 || at(below) > delta,
                    "q {q} sigma {sigma} delta {delta} steps {steps}: loose {bound}"
                );
            }
        }
    }
}

/// A step that is almost surely sampled goes through the convolution, and its limit has a closed form.
#[test]
fn a_million_steps_at_a_delta_of_1e_12_stay_just_above_the_gaussian() {
    for (sigma, steps) in [(1_000.0, 1_000_000), (30.0, 1_000)] {
        let sampled = epsilon_pld(&[phase(1.0 - 1e-13, sigma, steps)], 1e-12).unwrap();
        let gaussian = epsilon_pld(&[phase(1.0, sigma, steps)], 1e-12).unwrap();
        assert!(sampled >= gaussian * (1.0 - 1e-9), "{sampled} is below {gaussian}");
        assert!(sampled <= gaussian * 1.001, "{sampled} is far above {gaussian}");
    }
}

#[test]
fn phases_compose_whatever_their_order_or_split() {
    let whole = [phase(0.05, 1.1, 300), phase(0.1, 2.0, 100), phase(1.0, 40.0, 10)];
    let split =
        [phase(1.0, 40.0, 4), phase(0.05, 1.1, 120), phase(0.1, 2.0, 100), phase(1.0, 40.0, 6), phase(0.05, 1.1, 180)];
    let (a, b) = (epsilon(&whole, 1e-6).unwrap(), epsilon(&split, 1e-6).unwrap());
    assert!((a.epsilon_pld - b.epsilon_pld).abs() < 1e-9 && (a.epsilon_rdp - b.epsilon_rdp).abs() < 1e-9);
    assert!(a.epsilon > epsilon(&whole[..2], 1e-6).unwrap().epsilon);
}

#[test]
fn nothing_costs_nothing() {
    assert_eq!(epsilon(&[], 1e-5).unwrap().epsilon, 0.0);
    assert_eq!(epsilon(&[phase(0.1, 1.0, 0)], 1e-5).unwrap().epsilon, 0.0);
}

#[test]
fn the_ends_of_the_range_are_bounds_not_panics() {
    for (q, sigma, steps, delta) in [
        (1e-9, 0.3, 1, 1e-12),
        (1e-7, 100.0, 1_000_000, 1e-12),
        (0.5, 0.3, 1_000_000, 1e-12),
        (1.0, 0.02, 1_000_000, 1e-12),
        (0.01, 0.02, 1_000, 1e-5),
        (1.0 - 1e-16, 5.0, 10, 0.999),
        (0.3, 1e-4, 5, 1e-5),
        (0.3, 1e4, 1, 1e-300),
        (f64::MIN_POSITIVE, 1.0, 5, 1e-5),
        (0.1, 1.0, u64::MAX, 1e-5),
    ] {
        let found = epsilon(&[phase(q, sigma, steps)], delta).unwrap();
        assert!(found.epsilon >= 0.0 && !found.epsilon_pld.is_nan() && !found.epsilon_rdp.is_nan(), "{found:?}");
    }
}

#[test]
fn values_out_of_range_are_refused() {
    for q in [0.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert!(matches!(epsilon(&[phase(q, 1.0, 1)], 1e-5), Err(Error::SamplingRate { .. })), "{q}");
    }
    for sigma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(epsilon(&[phase(0.1, sigma, 1)], 1e-5), Err(Error::Sigma { .. })), "{sigma}");
    }
    for delta in [0.0, 1.0, -1e-5, f64::NAN] {
        assert!(matches!(epsilon(&[phase(0.1, 1.0, 1)], delta), Err(Error::Delta { .. })), "{delta}");
    }
    for target in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(calibrate_sigma(target, 1e-5, 0.1, 1), Err(Error::Epsilon { .. })), "{target}");
    }
    assert_eq!(calibrate_sigma(1.0, 1e-5, 0.1, 0), Err(Error::NoSteps));
    assert!(matches!(calibrate_sigma(1e-9, 1e-12, 1.0, 1_000_000), Err(Error::Unreachable { .. })));
    assert_eq!(calibrate_sigma(1e12, 1e-2, 0.001, 1).unwrap().sigma, MIN_SIGMA);
}

fn parameters() -> impl Strategy<Value = (f64, f64, u64, f64)> {
    (-4.0_f64..0.0, -0.5_f64..1.5, 0.0_f64..3.5, -9.0_f64..-2.0).prop_map(|(q, sigma, steps, delta)| {
        (10_f64.powf(q), 10_f64.powf(sigma), 10_f64.powf(steps) as u64, 10_f64.powf(delta))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn epsilon_is_monotone((q, sigma, steps, delta) in parameters()) {
        for bound in [epsilon_pld, epsilon_rdp] {
            let at = |q: f64, sigma: f64, steps: u64, delta: f64| bound(&[phase(q, sigma, steps)], delta).unwrap();
            let here = at(q, sigma, steps, delta);
            // The grid rounds up by different amounts; a real violation is far larger.
            let slack = 1.0 - 1e-4;
            prop_assert!(at(q, sigma, steps * 2, delta) >= here * slack - 1e-4, "steps");
            prop_assert!(at((q * 1.5).min(1.0), sigma, steps, delta) >= here * slack - 1e-4, "q");
            prop_assert!(at(q, sigma * 1.5, steps, delta) * slack - 1e-4 <= here, "sigma");
            prop_assert!(at(q, sigma, steps, delta * 3.0) * slack - 1e-4 <= here, "delta");
        }
    }

    #[test]
    fn pld_stays_below_rdp_except_for_its_grid((q, sigma, steps, delta) in parameters()) {
        let found = epsilon(&[phase(q, sigma, steps)], delta).unwrap();
        // RDP without PLD's grid may only win by the overshoot of the grid.
        prop_assert!(found.epsilon_pld <= found.epsilon_rdp * 1.01 + 5e-3, "{:?}", found);
        prop_assert_eq!(found.epsilon, found.epsilon_pld.min(found.epsilon_rdp));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn calibration_never_misses_and_never_wastes((q, _, steps, delta) in parameters(), target in 0.1_f64..20.0) {
        let steps = steps.max(1);
        match calibrate_sigma(target, delta, q, steps) {
            Ok(found) => {
                let at = |sigma: f64| epsilon(&[phase(q, sigma, steps)], delta).unwrap().epsilon;
                prop_assert!(at(found.sigma) <= target && found.epsilon <= target);
                prop_assert_eq!(found.epsilon, found.epsilon_pld.min(found.epsilon_rdp));
                if found.sigma > MIN_SIGMA {
                    prop_assert!(at(found.sigma / (1.0 + 1e-4)) > target, "sigma {} is wasteful", found.sigma);
                }
            }
            Err(error) => prop_assert!(matches!(error, Error::Unreachable { .. }), "refused"),
        }
    }
}
