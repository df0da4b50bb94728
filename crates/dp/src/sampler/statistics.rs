//! What is drawn is what is accounted for: rates, sizes, and independence within a step and between steps.
//!
//! 19 verdicts on correct samplers, each at the significance of [`crate::significance`]: a false-alarm rate of at most
//! 1.9e-6. Defects that must be caught: a rate wrong by 1 %, a few units preferred, batches of fixed size, shuffled
//! passes, sizes that vary a tenth too little, units that are drawn together or apart, a batch used again, a cut that is
//! not random, a cut that is one too wide.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::significance::{Verdict, all, assert_caught, chi_squared, count, fit, mean};

const UNITS: usize = 500;
const STEPS: usize = 40_000;
const Q: f64 = 0.05;

fn draws(scheme: Scheme, units: usize, steps: usize, seed: u8) -> Vec<Vec<usize>> {
    let mut sampler = Sampler::for_test(units as u64, scheme, seed);
    (0..steps).map(|_| sampler.draw()).collect()
}

fn poisson_draws(seed: u8) -> Vec<Vec<usize>> {
    draws(Scheme::Poisson { q: Q }, UNITS, STEPS, seed)
}

/// How often every unit was drawn.
fn inclusions(batches: &[Vec<usize>], units: usize) -> Vec<f64> {
    let mut counts = vec![0.0; units];
    batches.iter().flatten().for_each(|unit| counts[*unit] += 1.0);
    counts
}

/// Overall and unit by unit: 2 verdicts.
fn rates(batches: &[Vec<usize>], units: usize, q: f64) -> Verdict {
    let (counts, steps) = (inclusions(batches, units), batches.len() as f64);
    let spread: f64 = counts.iter().map(|count| (count - q * steps).powi(2) / (q * (1.0 - q) * steps)).sum();
    all([
        count("inclusions", counts.iter().sum(), steps * units as f64, q),
        chi_squared("inclusions of every unit", spread, units as f64),
    ])
}

/// Mean and variance of the batch size, its dependence on the size before, and empty batches: 4 verdicts.
fn sizes(batches: &[Vec<usize>], units: usize, q: f64) -> Verdict {
    let (units, steps) = (units as f64, batches.len() as f64);
    let variance = units * q * (1.0 - q);
    let standard: Vec<f64> = batches.iter().map(|batch| (batch.len() as f64 - units * q) / variance.sqrt()).collect();
    let mean_of = |terms: &mut dyn Iterator<Item = f64>, count: f64| terms.sum::<f64>() / count;
    let second = mean_of(&mut standard.iter().map(|size| size * size), steps);
    let kurtosis = 3.0 + (1.0 - 6.0 * q * (1.0 - q)) / variance;
    let lagged = mean_of(&mut standard.windows(2).map(|pair| pair[0] * pair[1]), steps - 1.0);
    let empty = batches.iter().filter(|batch| batch.is_empty()).count() as f64;
    all([
        mean("mean size", mean_of(&mut standard.iter().copied(), steps), 0.0, 1.0, steps),
        mean("variance of the size", second, 1.0, kurtosis - 1.0, steps),
        mean("size after size", lagged, 0.0, 1.0, steps - 1.0),
        count("empty batches", empty, steps, (1.0 - q).powf(units)),
    ])
}

/// Every pair of units in one step: 1 verdict over all pairs, 1 on the pair that stands out.
fn pairs(batches: &[Vec<usize>], units: usize, q: f64) -> Verdict {
    let steps = batches.len() as f64;
    let mut together = vec![0.0; units * units];
    for batch in batches {
        for (index, a) in batch.iter().enumerate() {
            batch[index + 1..].iter().for_each(|b| together[a * units + b] += 1.0);
        }
    }
    // The sum of (I_a - q)(I_b - q) has the variance of its terms: products of different pairs are uncorrelated.
    let counts = inclusions(batches, units);
    let (mut total, mut freedom, mut furthest) = (0.0, 0.0, 0.0_f64);
    for a in 0..units {
        for b in a + 1..units {
            let centred = together[a * units + b] - q * (counts[a] + counts[b]) + q * q * steps;
            let z = centred / (steps.sqrt() * q * (1.0 - q));
            total += z * z;
            freedom += 1.0;
            furthest = furthest.max(z.abs());
        }
    }
    // One verdict for all pairs together: each of them at a share of the significance, which is a z of 6.7 here.
    let alone = if furthest < 6.7 { Ok(()) } else { Err(format!("a pair stands out by {furthest:.1}")) };
    chi_squared("pairs", total, freedom).and(alone)
}

/// The same unit in the next step and the one after: 2 verdicts.
fn steps_apart(batches: &[Vec<usize>], units: usize, q: f64) -> Verdict {
    all([1, 2].into_iter().map(|lag| {
        let terms = (batches.len() - lag) as f64;
        let (mut again, mut first, mut second) = (0.0, 0.0, 0.0);
        for (here, there) in batches.iter().zip(&batches[lag..]) {
            again += here.iter().filter(|unit| there.binary_search(unit).is_ok()).count() as f64;
            first += here.len() as f64;
            second += there.len() as f64;
        }
        let count = terms * units as f64;
        let product = (again - q * (first + second)) / count + q * q;
        mean(&format!("again after {lag}"), product / (q * (1.0 - q)), 0.0, 1.0, count)
    }))
}

#[test]
fn every_unit_is_drawn_with_probability_q() {
    let batches = poisson_draws(1);
    rates(&batches, UNITS, Q).unwrap();
    assert_caught("a rate 1 % too high", rates(&draws(Scheme::Poisson { q: 1.01 * Q }, UNITS, STEPS, 1), UNITS, Q));
    assert_caught("a rate 1 % too low", rates(&draws(Scheme::Poisson { q: 0.99 * Q }, UNITS, STEPS, 1), UNITS, Q));
    // Ten units of 500 are drawn a fifth too often; the overall rate hardly shows it.
    let extra = draws(Scheme::Poisson { q: 0.2 * Q }, 10, STEPS, 2);
    let favoured: Vec<Vec<usize>> = batches
        .iter()
        .zip(extra)
        .map(|(batch, extra)| {
            let mut union = [batch.as_slice(), &extra].concat();
            union.sort_unstable();
            union.dedup();
            union
        })
        .collect();
    assert_caught("a few units preferred", rates(&favoured, UNITS, Q));
}

#[test]
fn sizes_vary_as_independent_draws_do() {
    let batches = poisson_draws(3);
    sizes(&batches, UNITS, Q).unwrap();
    let few = draws(Scheme::Poisson { q: 0.01 }, 100, STEPS, 4); // a third of the batches is empty
    sizes(&few, 100, 0.01).unwrap();

    let fixed = draws(Scheme::Truncated { q: 1.0, cap: 25 }, UNITS, STEPS, 5);
    assert_caught("batches of fixed size", sizes(&fixed, UNITS, Q));
    assert_caught("shuffled passes", sizes(&draws(Scheme::Shuffled { batch: 25 }, UNITS, STEPS, 6), UNITS, Q));
    // One batch in ten is replaced by one of the expected size.
    let tame: Vec<Vec<usize>> = batches
        .iter()
        .zip(fixed)
        .enumerate()
        .map(|(step, (batch, fixed))| if step % 10 == 0 { fixed } else { batch.clone() })
        .collect();
    assert_caught("sizes that vary a tenth too little", sizes(&tame, UNITS, Q));
    let padded: Vec<Vec<usize>> =
        few.iter().map(|batch| if batch.is_empty() { vec![0] } else { batch.clone() }).collect();
    assert_caught("no batch is empty", sizes(&padded, 100, 0.01));
}

#[test]
fn units_of_a_step_are_independent() {
    let (units, q) = (60, 0.3);
    let batches = draws(Scheme::Poisson { q }, units, STEPS, 7);
    pairs(&batches, units, q).unwrap();
    // In one step of twenty, even units are drawn as their neighbours are.
    let joined: Vec<Vec<usize>> = batches
        .iter()
        .enumerate()
        .map(|(step, batch)| match step % 20 {
            0 => (0..units).filter(|unit| batch.binary_search(&(unit | 1)).is_ok()).collect(),
            _ => batch.clone(),
        })
        .collect();
    assert_caught("neighbours drawn together", pairs(&joined, units, q));
    // Two units only, in one step of twenty: one pair of 1,770.
    let one_pair: Vec<Vec<usize>> = batches
        .iter()
        .enumerate()
        .map(|(step, batch)| {
            let mut batch = batch.clone();
            if step % 20 == 0 {
                batch.retain(|unit| *unit != 8);
                if let Ok(place) = batch.binary_search(&7) {
                    batch.insert(place + 1, 8);
                }
            }
            batch
        })
        .collect();
    assert_caught("one pair drawn together", pairs(&one_pair, units, q));
    let fixed = draws(Scheme::Truncated { q: 1.0, cap: 18 }, units, STEPS, 8);
    assert_caught("units that exclude each other", pairs(&fixed, units, q));
}

#[test]
fn steps_are_independent() {
    let batches = poisson_draws(9);
    steps_apart(&batches, UNITS, Q).unwrap();
    assert_caught("shuffled passes", steps_apart(&draws(Scheme::Shuffled { batch: 25 }, UNITS, STEPS, 10), UNITS, Q));
    let mut stale = batches.clone();
    (100..STEPS).step_by(100).for_each(|step| stale[step] = stale[step - 1].clone());
    assert_caught("one batch in a hundred used again", steps_apart(&stale, UNITS, Q));
    let mut late = batches;
    (100..STEPS).step_by(100).for_each(|step| late[step] = late[step - 2].clone());
    assert_caught("one batch in a hundred used again later", steps_apart(&late, UNITS, Q));
}

/// Sizes are those of a binomial cut at the cap, and every unit is as likely to stay: 3 verdicts.
fn cut_batches(batches: &[Vec<usize>], units: usize, q: f64, cap: usize) -> Verdict {
    let steps = batches.len() as f64;
    let (mut probability, mut full) = ((1.0 - q).powi(units as i32), 1.0);
    let mut expected = vec![];
    for size in 0..cap {
        expected.push(probability);
        full -= probability;
        probability *= (units - size) as f64 / (size + 1) as f64 * q / (1.0 - q);
    }
    expected.push(full);
    let mean_size: f64 = expected.iter().enumerate().map(|(size, p)| size as f64 * p).sum();
    let square: f64 = expected.iter().enumerate().map(|(size, p)| (size as f64 - mean_size).powi(2) * p).sum();
    let seen = |size: usize| batches.iter().filter(|batch| batch.len() == size).count() as f64;
    let total: f64 = batches.iter().map(|batch| batch.len() as f64).sum();
    let over = batches.iter().any(|batch| batch.len() > cap);
    let cut: Vec<Vec<usize>> = batches.iter().filter(|batch| batch.len() == cap).cloned().collect();
    let counts = inclusions(&cut, units);
    let even = vec![counts.iter().sum::<f64>() / units as f64; units];
    all([
        count("cut batches", seen(cap), steps, full),
        if over { Err("a batch is above the cap".into()) } else { Ok(()) },
        mean("mean size", total / steps, mean_size, square, steps),
        fit("units of cut batches", &counts, &even),
    ])
}

#[test]
fn a_batch_is_cut_at_random() {
    let (units, q, cap) = (120, 0.2, 28);
    let cut = |scheme: Scheme, seed: u8| draws(scheme, units, STEPS, seed);
    cut_batches(&cut(Scheme::Truncated { q, cap: cap as u64 }, 11), units, q, cap).unwrap();
    let whole = cut(Scheme::Poisson { q }, 12);
    let first: Vec<Vec<usize>> = whole.iter().map(|batch| batch[..batch.len().min(cap)].to_vec()).collect();
    assert_caught("the first units stay", cut_batches(&first, units, q, cap));
    assert_caught("nothing is cut", cut_batches(&whole, units, q, cap));
    let wide = cut(Scheme::Truncated { q, cap: cap as u64 + 1 }, 13);
    assert_caught("a cut that is one too wide", cut_batches(&wide, units, q, cap));
}

/// All 24 orders of four units, and the first batch of many: 2 verdicts.
#[test]
fn every_order_is_equally_likely() {
    let mut stream = SecretStream::for_test(14);
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..STEPS {
        *counts.entry(shuffled(&mut stream, 4)).or_insert(0.0) += 1.0;
    }
    let counts: Vec<f64> = counts.into_values().collect();
    assert_eq!(counts.len(), 24);
    let even = |counts: &[f64]| vec![counts.iter().sum::<f64>() / counts.len() as f64; counts.len()];
    fit("orders", &counts, &even(&counts)).unwrap();
    // The classic mistake: every place is swapped with any other, not only with those before.
    let mut biased = std::collections::BTreeMap::new();
    for _ in 0..STEPS {
        let mut order = [0, 1, 2, 3];
        (0..4).for_each(|place| order.swap(place, below(&mut stream, 4) as usize));
        *biased.entry(order).or_insert(0.0) += 1.0;
    }
    let biased: Vec<f64> = biased.into_values().collect();
    assert_caught("a biased shuffle", fit("orders", &biased, &even(&biased)));

    let batches = draws(Scheme::Shuffled { batch: 5 }, 100, STEPS, 15);
    let firsts: Vec<Vec<usize>> = batches.into_iter().step_by(20).collect();
    let counts = inclusions(&firsts, 100);
    fit("units of first batches", &counts, &even(&counts)).unwrap();
}
