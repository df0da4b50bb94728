//! The sampler's ends, its threshold and its passes; the statistics of what it draws stand in `statistics`.

#![allow(clippy::panic, reason = "tests")]

use super::*;

fn draws(units: u64, q: f64, steps: usize, seed: u8) -> Vec<Vec<usize>> {
    let mut sampler = Sampler::for_test(units, Scheme::Poisson { q }, seed);
    (0..steps).map(|_| sampler.draw()).collect()
}

#[test]
fn the_extremes() {
    assert_eq!(draws(1_025, 1.0, 1, 4)[0], (0..1_025).collect::<Vec<_>>());
    assert!(draws(1_000, 1e-18, 50, 5).iter().all(Vec::is_empty));
}

#[test]
fn the_threshold_never_exceeds_q() {
    for q in [0.5, 0.1, 1e-3, 1e-19, 1.0 - f64::EPSILON] {
        let threshold = u128::from(threshold(q).unwrap_or(u64::MAX));
        // q = mantissa · 2^exponent exactly, so the comparison is between integers.
        let bits = q.to_bits();
        let (mantissa, exponent) = ((bits & ((1 << 52) - 1) | 1 << 52) as u128, (bits >> 52) as i32 - 1_075);
        let exact =
            if exponent + 64 >= 0 { mantissa << (exponent + 64) } else { mantissa >> -(exponent + 64).max(-127) };
        assert_eq!(threshold, exact, "q = {q}");
    }
}

#[test]
fn a_pass_over_shuffled_data_draws_every_unit_once() {
    let (units, batch) = (23, 5);
    let scheme = Scheme::Shuffled { batch };
    assert_eq!((scheme.steps_per_pass(units), scheme.accounted_steps(units, 11)), (Some(5), 3));
    let mut sampler = Sampler::for_test(units, scheme, 7);
    let mut orders = Vec::new();
    for _ in 0..4 {
        let batches: Vec<Vec<usize>> = (0..5).map(|_| sampler.draw()).collect();
        assert!(batches.iter().all(|drawn| drawn.is_sorted_by(|a, b| a < b)));
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 5, 5, 3]);
        let mut all: Vec<usize> = batches.concat();
        all.sort_unstable();
        assert_eq!(all, (0..23).collect::<Vec<_>>());
        orders.push(batches);
    }
    assert!(orders.windows(2).all(|pair| pair[0] != pair[1]), "every pass has its own order");
}

#[test]
fn a_cut_batch_keeps_its_order_and_its_units() {
    let (units, cap) = (1_000, 30);
    let mut sampler = Sampler::for_test(units, Scheme::Truncated { q: 0.5, cap }, 9);
    for _ in 0..100 {
        let drawn = sampler.draw();
        assert_eq!(drawn.len(), 30);
        assert!(drawn.is_sorted_by(|a, b| a < b) && drawn.iter().all(|unit| *unit < 1_000));
    }
    // Nothing is cut where nothing is too large: the draws are those of the sampler without a cap.
    let mut wide = Sampler::for_test(units, Scheme::Truncated { q: 0.02, cap: units }, 10);
    assert_eq!((0..20).map(|_| wide.draw()).collect::<Vec<_>>(), draws(units, 0.02, 20, 10));
}

#[test]
fn a_pass_goes_on_with_the_units_that_are_left() {
    let mut sampler = Sampler::for_test(23, Scheme::Shuffled { batch: 5 }, 11);
    let mut all: Vec<usize> = [sampler.draw(), sampler.draw()].concat();
    let left = sampler.left_in_pass().unwrap_or_default().to_vec();
    assert_eq!(left.len(), 13);
    let Ok(mut later) = Sampler::within_pass(23, 5, 2, &left) else { panic!("the order fits") };
    all.extend((0..3).flat_map(|_| later.draw()));
    all.sort_unstable();
    assert_eq!(all, (0..23).collect::<Vec<_>>());
    assert_eq!(later.draw().len(), 5, "the next pass has an order of its own");

    let mut twice = left.clone();
    twice[0] = twice[1];
    let mut beyond = left.clone();
    beyond[0] = 23;
    for wrong in [&left[1..], &twice, &beyond, &[]] {
        assert_eq!(Sampler::within_pass(23, 5, 2, wrong).err(), Some(Error::PassOrder { expected: 13 }));
    }
    assert!(Sampler::for_test(23, Scheme::Poisson { q: 0.1 }, 12).left_in_pass().is_none());
}
