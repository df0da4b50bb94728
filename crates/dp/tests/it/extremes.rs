//! The corners of the range: an answer within two seconds, a bound, and never below what an attacker surely gets.

use std::time::Instant;

use cloister_dp::accountant::{
    Epsilon, Mechanism, Repetitions, epsilon, epsilon_of, epsilon_repeat_and_select, safe_cap,
};
use cloister_dp::{Adjacency, Phase, PrivacyProfile};

use crate::exact::{above, least_delta};

const SECONDS: f64 = 2.0;

fn corners() -> Vec<(Phase, f64)> {
    let mut corners = Vec::new();
    for q in [1e-12, 1e-6, 1e-3, 0.1, 0.5, 1.0 - 1e-12, 1.0] {
        for sigma in [1e-3, 0.3, 1.0, 50.0, 1e4] {
            for steps in [1, 1_000_000] {
                for delta in [1e-5, 1e-12] {
                    corners.push((Phase { q, sigma, steps }, delta));
                }
            }
        }
    }
    corners
}

/// Those with few losses, many and none, for mechanisms with parameters of their own.
fn some_corners() -> Vec<(Phase, f64)> {
    let mut corners = corners();
    corners.retain(|(phase, delta)| {
        [1e-12, 1e-3, 0.5].contains(&phase.q) && [0.3, 50.0].contains(&phase.sigma) && *delta == 1e-12
    });
    corners
}

/// Seconds that this thread has run, which other work on the machine does not lengthen; wall time where the system does
/// not tell.
fn thread_seconds(start: Instant) -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.filter(|running| *running > 0.0).map_or(start.elapsed().as_secs_f64(), |running| running * 1e-9)
}

fn timed<T>(name: &str, answer: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let before = thread_seconds(start);
    let answer = answer();
    let seconds = thread_seconds(start) - before;
    assert!(seconds < SECONDS, "{name} took {seconds:.2} s");
    answer
}

fn bound(mechanism: Mechanism, adjacency: Adjacency, delta: f64) -> f64 {
    let name = format!("{mechanism:?} {adjacency} {delta}");
    let Epsilon { epsilon, epsilon_pld, epsilon_rdp } =
        timed(&name, || epsilon_of(&[mechanism], adjacency, delta).unwrap());
    assert!(epsilon >= 0.0 && !epsilon_pld.is_nan() && !epsilon_rdp.is_nan(), "{name}: {epsilon}");
    epsilon
}

#[test]
fn sampled_units() {
    for (phase, delta) in corners() {
        let name = format!("{phase:?} {delta}");
        let found = timed(&name, || epsilon(&[phase], delta).unwrap());
        assert!(!found.epsilon_pld.is_nan() && !found.epsilon_rdp.is_nan(), "{name}");
        assert!(found.epsilon.is_finite(), "{name}");
        let least = least_delta(phase.q, phase.sigma, phase.steps, found.epsilon);
        assert!(least <= delta, "{name}: delta is at least {least:e} at {}", found.epsilon);
    }
}

#[test]
fn unsampled_units_are_exact() {
    for (phase, delta) in corners() {
        if phase.q < 1.0 {
            continue;
        }
        let mu = (phase.steps as f64).sqrt() / phase.sigma;
        let found = epsilon(&[phase], delta).unwrap().epsilon;
        let exact = |e: f64| above(e / mu - 0.5 * mu) - e.exp() * above(e / mu + 0.5 * mu);
        let at = exact(found);
        assert!(at.is_nan() || at <= delta * (1.0 + 1e-9), "{phase:?} {delta}: {found}");
    }
}

#[test]
fn replaced_units() {
    for (phase, delta) in corners() {
        let here = bound(Mechanism::Poisson(phase), Adjacency::ReplaceOne, delta);
        assert!(here.is_finite());
        let least = least_delta(phase.q, phase.sigma, phase.steps, here);
        assert!(least <= delta, "{phase:?} {delta}: delta is at least {least:e} at {here}");
    }
}

#[test]
fn capped_batches() {
    for (phase, delta) in some_corners() {
        let Phase { q, sigma, steps } = phase;
        for (units, cap) in [(1, 1), (1_000, 120), (10_000_000_000, 10_000_000_000)] {
            let cut = Mechanism::TruncatedPoisson { q, sigma, steps, units, cap };
            assert!(bound(cut, Adjacency::AddRemove, delta).is_finite());
        }
    }
    let phase = Phase { q: 1e-7, sigma: 0.8, steps: 100_000 };
    let cap = safe_cap(phase, 10_000_000_000, 1e-11, 1e-2).unwrap();
    assert!((1_000..2_000).contains(&cap), "{cap}");
}

#[test]
fn groups() {
    for (phase, delta) in some_corners() {
        let Phase { q, sigma, steps } = phase;
        for records in [7, 1_000, u32::MAX] {
            let here = bound(Mechanism::PoissonGroup { q, sigma, steps, records }, Adjacency::ZeroOut, delta);
            let trials = steps.saturating_mul(u64::from(records.min(1_000)));
            // The records' outcomes add up like those of as many steps, each with its share of the noise.
            let least = least_delta(q, sigma / f64::from(records.min(1_000)).sqrt(), trials, here);
            assert!(least <= delta, "{phase:?} {records} records {delta}: delta is at least {least:e} at {here}");
        }
    }
}

#[test]
fn batches_of_fixed_size_and_shuffled_data() {
    for (Phase { q, sigma, steps }, delta) in corners() {
        let units = 1_000_000_000_000;
        let batch = ((units as f64 * q) as u64).clamp(1, units);
        let fixed = bound(Mechanism::FixedSize { batch, units, sigma, steps }, Adjacency::ReplaceOne, delta);
        let shuffled = bound(Mechanism::Shuffled { sigma, passes: steps }, Adjacency::ReplaceOne, delta);
        assert!(shuffled.is_finite() && !fixed.is_nan());
    }
}

#[test]
fn profiles() {
    for (phase, delta) in corners() {
        let name = format!("{phase:?} {delta}");
        let profile = timed(&name, || PrivacyProfile::new(&[phase], delta).unwrap());
        let epsilon = profile.epsilon(delta);
        assert!(epsilon.is_finite(), "{name}");
        for share in [0.0, 0.3, 0.7, 1.0] {
            let at = epsilon * share;
            let (read, least) = (profile.delta(at), least_delta(phase.q, phase.sigma, phase.steps, at));
            assert!(read >= least && read <= 1.0, "{name}: {read:e} at {at} is below {least:e}");
        }
    }
}

#[test]
fn mixtures_of_phases() {
    let mixtures = [
        vec![(1e-12, 0.3, 1_000_000), (1.0, 50.0, 1_000_000)],
        vec![(0.5, 0.3, 1), (1e-6, 50.0, 1_000_000), (0.01, 1.0, 1_000)],
        vec![(1.0, 1e4, 1), (1.0 - 1e-12, 1e4, 1), (1e-9, 1e-3, 3)],
        (1..=12).map(|index| (0.01 * f64::from(index), 1.0 + f64::from(index), 100)).collect(),
    ];
    for mixture in mixtures {
        let phases: Vec<Phase> = mixture.iter().map(|&(q, sigma, steps)| Phase { q, sigma, steps }).collect();
        for delta in [1e-5, 1e-12] {
            let whole = timed(&format!("{phases:?}"), || epsilon(&phases, delta).unwrap()).epsilon;
            for left_out in 0..phases.len() {
                let mut fewer = phases.clone();
                fewer.remove(left_out);
                let part = epsilon(&fewer, delta).unwrap().epsilon;
                assert!(part <= whole * (1.0 + 1e-4) + 1e-4, "{phases:?} without {left_out}: {part} is above {whole}");
            }
            for phase in &phases {
                let least = least_delta(phase.q, phase.sigma, phase.steps, whole);
                assert!(least <= delta, "{phases:?} {delta}: delta is at least {least:e} at {whole}");
            }
        }
    }
}

#[test]
fn selections() {
    for (phase, delta) in corners() {
        for mean in [1.0, 1e12] {
            for repetitions in [
                Repetitions::Poisson { mean },
                Repetitions::TruncatedNegativeBinomial { mean, shape: 0.0 },
                Repetitions::TruncatedNegativeBinomial { mean, shape: 1e6 },
            ] {
                let name = format!("{phase:?} {repetitions:?} {delta}");
                let found = timed(&name, || epsilon_repeat_and_select(&[phase], repetitions, delta).unwrap());
                assert!(found >= 0.0, "{name}: {found}");
            }
        }
    }
}
