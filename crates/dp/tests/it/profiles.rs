//! The whole curve agrees with single answers and with exact ones, and is a bound everywhere.

use cloister_dp::accountant::{Mechanism, epsilon_of, epsilon_pld};
use cloister_dp::{Adjacency, Error, Phase, PrivacyProfile};
use proptest::prelude::*;

use crate::exact::Mixtures;

fn phase(q: f64, sigma: f64, steps: u64) -> Phase {
    Phase { q, sigma, steps }
}

#[test]
fn one_and_two_steps_are_exact_at_every_epsilon() {
    for (q, sigma) in [(0.02, 0.9), (0.4, 2.0), (0.95, 1.2)] {
        let exact = Mixtures::sampled(q, sigma);
        for steps in [1, 2] {
            let profile = PrivacyProfile::new(&[phase(q, sigma, steps)], 1e-12).unwrap();
            for index in 0..[60, 8][steps as usize - 1] {
                let epsilon = [0.1, 0.7][steps as usize - 1] * f64::from(index) + 0.013;
                let (actual, expected) = (profile.delta(epsilon), exact.delta(epsilon, steps as u32));
                assert!(
                    actual >= expected * (1.0 - 5e-6) - 1e-15, // the integral has that error
                    "q {q} sigma {sigma} steps {steps} epsilon {epsilon}: {actual:e} is below {expected:e}"
                );
                // 3e-4 in epsilon, in the units of delta
                let earlier = exact.delta(epsilon - 3e-4, steps as u32);
                assert!(
                    actual <= earlier + 2e-12,
                    "q {q} sigma {sigma} steps {steps} epsilon {epsilon}: {actual:e} is far above {expected:e}"
                );
            }
        }
    }
}

/// A curve composed down to 1e-12 is as good at each delta as the answer for that delta alone.
#[test]
fn one_composition_serves_every_delta() {
    for phases in [
        vec![phase(0.01, 1.0, 1_000)],
        vec![phase(0.2, 2.0, 500)],
        vec![phase(0.001, 0.6, 10_000)],
        vec![phase(0.5, 60.0, 100_000)],
        vec![phase(0.05, 1.5, 200), phase(0.01, 0.9, 500), phase(1.0, 30.0, 5)],
    ] {
        let profile = PrivacyProfile::new(&phases, 1e-12).unwrap();
        for exponent in 1..=12 {
            let delta = 10_f64.powi(-exponent);
            let (read, alone) = (profile.epsilon(delta), epsilon_pld(&phases, delta).unwrap());
            assert!((read - alone).abs() <= 2e-4 * alone.max(1.0), "{phases:?} {delta}: {read} is not {alone}");
        }
    }
}

#[test]
fn without_sampling_the_curve_is_closed() {
    let profile = PrivacyProfile::new(&[phase(1.0, 2.0, 4)], 1e-10).unwrap();
    for exponent in 1..30 {
        let delta = 10_f64.powi(-exponent);
        let epsilon = profile.epsilon(delta);
        assert_eq!(epsilon, epsilon_pld(&[phase(1.0, 2.0, 4)], delta).unwrap());
        assert!(
            profile.delta(epsilon) <= delta * (1.0 + 1e-12)
                && profile.delta(epsilon * (1.0 - 1e-9)) > delta * (1.0 - 1e-6)
        );
    }
    // sigma 1 and epsilon 0: the total variation of N(0,1) and N(1,1), erf(1/(2 sqrt 2))
    assert!((profile.delta(0.0) - libm::erf(0.5 * std::f64::consts::FRAC_1_SQRT_2)).abs() < 1e-12);
}

#[test]
fn nothing_costs_nothing_and_the_ends_are_what_they_must_be() {
    let nothing = PrivacyProfile::new(&[], 1e-9).unwrap();
    assert_eq!((nothing.epsilon(1e-9), nothing.epsilon(0.0), nothing.delta(0.0)), (0.0, 0.0, 0.0));
    let profile = PrivacyProfile::new(&[phase(0.1, 1.0, 50)], 1e-9).unwrap();
    assert_eq!(
        (profile.epsilon(1.0), profile.epsilon(0.0), profile.epsilon(f64::NAN)),
        (0.0, f64::INFINITY, f64::INFINITY)
    );
    assert!(profile.delta(f64::INFINITY) <= 1e-9 && profile.delta(-3.0) == profile.delta(0.0));
    assert_eq!(profile.delta(f64::NAN), profile.delta(0.0));
    assert!(matches!(PrivacyProfile::new(&[], 0.0), Err(Error::Delta { .. })));
    let curve = profile.curve(50);
    assert_eq!((curve.len(), curve[0].0, curve[49].0), (50, 0.0, profile.epsilon(1e-9)));
    assert!(curve.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 >= pair[1].1));
}

#[test]
fn the_bound_for_any_group_holds_for_the_groups_that_are_exact() {
    let (q, sigma, steps, delta) = (0.02, 2.0, 200, 1e-6);
    let single = PrivacyProfile::new(&[phase(q, sigma, steps)], 1e-60).unwrap();
    assert_eq!((single.group_epsilon(0, delta), single.group_epsilon(1, delta)), (0.0, single.epsilon(delta)));
    for records in [2, 3, 5] {
        let mechanism = Mechanism::PoissonGroup { q, sigma, steps, records };
        let exact = epsilon_of(&[mechanism], Adjacency::AddRemove, delta).unwrap().epsilon_pld;
        let bound = single.group_epsilon(records, delta);
        assert!(bound >= exact && bound.is_finite(), "{records} records: {bound} is below {exact}");
        assert!(bound <= 4.0 * exact, "{records} records: {bound} is far above {exact}");
    }
    // A Gaussian of half the noise is a group of two.
    let gaussian = PrivacyProfile::new(&[phase(1.0, 4.0, 1)], 1e-60).unwrap();
    let pair = epsilon_pld(&[phase(1.0, 2.0, 1)], delta).unwrap();
    assert!(gaussian.group_epsilon(2, delta) >= pair && gaussian.group_epsilon(2, delta) < 1.6 * pair);
    // A profile that does not reach deep enough has no answer, not a wrong one.
    let shallow = PrivacyProfile::new(&[phase(q, sigma, steps)], 1e-6).unwrap();
    assert!(shallow.group_epsilon(20, delta).is_infinite());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn both_readings_agree(
        q in -4.0_f64..-0.05, sigma in -0.3_f64..1.3, steps in 0.0_f64..3.5, replaced in any::<bool>(),
    ) {
        let phase = phase(10_f64.powf(q), 10_f64.powf(sigma), 10_f64.powf(steps) as u64);
        let adjacency = if replaced { Adjacency::ReplaceOne } else { Adjacency::AddRemove };
        let profile = PrivacyProfile::of(&[Mechanism::Poisson(phase)], adjacency, 1e-10).unwrap();
        let mut last = f64::INFINITY;
        for exponent in 1..=10 {
            let delta = 10_f64.powi(-exponent);
            let epsilon = profile.epsilon(delta);
            prop_assert!(epsilon.is_finite(), "{:?} {}", phase, delta);
            prop_assert!(profile.delta(epsilon) <= delta, "{:?} {}", phase, delta);
            if epsilon > 2e-4 {
                prop_assert!(profile.delta(epsilon - 2e-4) >= delta, "{:?} {}", phase, delta);
            }
            let back = profile.epsilon(profile.delta(epsilon));
            prop_assert!(back <= epsilon + 1e-9, "{:?} {}: {} to {}", phase, delta, epsilon, back);
        }
        for index in 0..200 {
            let delta = profile.delta(0.05 * f64::from(index));
            prop_assert!(delta <= last && (0.0..=1.0).contains(&delta));
            last = delta;
        }
    }
}
