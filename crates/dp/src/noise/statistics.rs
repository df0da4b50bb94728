//! The noise has the distribution that is accounted for, and no draw tells anything about another.
//!
//! 23 verdicts on correct noise, each at the significance of [`crate::significance`]: a false-alarm rate of at most
//! 2.3e-6. Defects that must be caught: sigma wrong by 1 %, a mean of 1 % of sigma, cut tails, heavy tails, a lattice
//! with gaps, zero drawn twice as often, noise used again, with its sign or without, coordinates and steps that are
//! correlated by 1 %.

use super::*;
use crate::significance::{Verdict, all, assert_caught, count, distribution, fit, mean, uncorrelated};

const SAMPLES: usize = 4_000_000;

/// Draws in units of the standard deviation, from a source under a test key.
fn scaled(seed: u8) -> Vec<f64> {
    let mut cells = vec![0; SAMPLES];
    NoiseSource::for_test(seed, 1).add_to(&mut cells);
    cells.iter().map(|cell| *cell as f64 / GRID_SIGMA).collect()
}

fn changed(values: &[f64], change: impl Fn(f64) -> f64) -> Vec<f64> {
    values.iter().map(|value| change(*value)).collect()
}

/// Mass of the standard normal below `x`. The discrete Gaussian of width 7.9 million differs by less than `1e-7`.
fn below(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// Four moments: 4 verdicts.
fn moments(values: &[f64]) -> Verdict {
    let total = values.len() as f64;
    let moment = |power: i32| values.iter().map(|x| x.powi(power)).sum::<f64>() / total;
    // Expectation and variance of x, x², x³, x⁴ of a standard normal.
    let exact = [(0.0, 1.0), (1.0, 2.0), (0.0, 15.0), (3.0, 96.0)];
    all(exact.into_iter().enumerate().map(|(index, (expected, variance))| {
        mean(&format!("moment {}", index + 1), moment(index as i32 + 1), expected, variance, total)
    }))
}

/// Mass beyond 2, 3 and 4 standard deviations on either side: 6 verdicts.
fn tails(values: &[f64]) -> Verdict {
    all([2.0, 3.0, 4.0].into_iter().flat_map(|limit| {
        let (mut low, mut high) = (0.0, 0.0);
        for value in values {
            low += f64::from(u8::from(*value < -limit));
            high += f64::from(u8::from(*value > limit));
        }
        let beyond =
            |side: &str, seen: f64| count(&format!("{side} {limit}"), seen, values.len() as f64, below(-limit));
        [beyond("below -", low), beyond("above", high)]
    }))
}

/// The whole distribution function: 1 verdict.
fn shape(values: &[f64]) -> Verdict {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    distribution("distribution", &sorted, below)
}

/// Two series, as they are and squared, so that a sign cannot hide a dependence: 2 verdicts.
fn independent(name: &str, a: &[f64], b: &[f64]) -> Verdict {
    let squared = |values: &[f64]| changed(values, |x| (x * x - 1.0) * std::f64::consts::FRAC_1_SQRT_2);
    uncorrelated(name, a, b).and_then(|()| uncorrelated(&format!("{name}, squared"), &squared(a), &squared(b)))
}

#[test]
fn moments_and_tails_are_those_of_the_gaussian() {
    let values = scaled(1);
    moments(&values).unwrap();
    tails(&values).unwrap();
    shape(&values).unwrap();

    for (defect, change) in [
        ("sigma 1 % too small", (|x| 0.99 * x) as fn(f64) -> f64),
        ("sigma 1 % too large", |x| 1.01 * x),
        ("a mean of 1 % of sigma", |x| x + 0.01),
    ] {
        let wrong = changed(&values, change);
        assert_caught(defect, moments(&wrong));
    }
    assert_caught("sigma 1 % too small", shape(&changed(&values, |x| 0.99 * x)));
    assert_caught("tails cut at four sigma", tails(&changed(&values, |x| x.clamp(-4.0, 4.0))));
    // One draw in a hundred with twice the width, and the rest narrowed to the same variance.
    let (narrow, mut index) = ((0.96_f64 / 0.99).sqrt(), 0_u32);
    let mut heavy = values;
    heavy.iter_mut().for_each(|x| {
        index += 1;
        *x *= if index.is_multiple_of(100) { 2.0 } else { narrow };
    });
    assert_caught("heavy tails", tails(&heavy));
    assert_caught("heavy tails", moments(&heavy));
}

/// Pearson's test of the table sampler against the exact probabilities, integer by integer.
#[test]
fn the_table_draws_each_integer_with_its_probability() {
    const FURTHEST: i64 = 1_100; // about ten expected draws of the last integer; what lies beyond is one cell a side
    let (table, mut stream) = (AliasTable::new(), SecretStream::for_test(2));
    let mut counts = vec![0.0; 2 * FURTHEST as usize + 3];
    for _ in 0..SAMPLES {
        let word = stream.word();
        let value = table.sample(word, &mut stream).clamp(-FURTHEST - 1, FURTHEST + 1);
        counts[(value + FURTHEST + 1) as usize] += 1.0;
    }
    let sigma = BASE_SIGMA as f64;
    let weight = |x: i64| (-(x as f64).powi(2) / (2.0 * sigma * sigma)).exp();
    let total: f64 = (-4_095..4_096).map(weight).sum();
    let beyond: f64 = (FURTHEST + 1..4_096).map(weight).sum();
    let mut expected = vec![beyond];
    expected.extend((-FURTHEST..=FURTHEST).map(weight));
    expected.push(beyond);
    expected.iter_mut().for_each(|weight| *weight *= SAMPLES as f64 / total);
    fit("integers", &counts, &expected).unwrap();

    let middle = FURTHEST as usize + 1;
    let mut twice = counts.clone();
    twice[middle] *= 2.0;
    assert_caught("zero with both signs", fit("integers", &twice, &expected));
    let mut gaps = vec![0.0; counts.len()];
    counts.iter().enumerate().for_each(|(index, count)| gaps[index / 2 * 2] += count);
    assert_caught("a lattice with gaps", fit("integers", &gaps, &expected));
}

/// A porous support, the floating-point leak, would show up as residues that occur too rarely: 3 verdicts.
#[test]
fn low_digits_are_uniform() {
    let mut cells = vec![0_i64; SAMPLES];
    NoiseSource::for_test(3, 1).add_to(&mut cells);
    let residues = |cells: &[i64], modulus: usize| {
        let mut counts = vec![0_f64; modulus];
        cells.iter().for_each(|cell| counts[cell.rem_euclid(modulus as i64) as usize] += 1.0);
        fit("residues", &counts, &vec![cells.len() as f64 / modulus as f64; modulus])
    };
    for modulus in [2, 160, 1 << 10] {
        residues(&cells, modulus).unwrap();
        // Computed in single precision, a value of millions has lost its last digits.
        let single: Vec<i64> = cells.iter().map(|cell| (*cell as f32 * 1.7 / 1.7 * 4.0) as i64).collect();
        assert_caught("a multiple of the lattice", residues(&single, modulus));
    }
}

/// 4 verdicts on neighbours.
#[test]
fn coordinates_of_a_step_are_independent() {
    let values = scaled(4);
    independent("lag 1", &values, &values[1..]).unwrap();
    independent("lag 256", &values, &values[256..]).unwrap(); // a refill of the word buffer
    let correlation = 0.01_f64;
    let mixed: Vec<f64> =
        values.windows(2).map(|pair| (1.0 - correlation.powi(2)).sqrt() * pair[1] + correlation * pair[0]).collect();
    assert_caught("neighbours correlated by 1 %", independent("lag 1", &mixed, &mixed[1..]));
    // Every other draw is the one before with a sign of its own: not correlated, and known all the same.
    let hidden: Vec<f64> =
        values.chunks_exact(2).flat_map(|pair| [pair[0], if pair[1] > 0.0 { pair[0] } else { -pair[0] }]).collect();
    assert_caught("a sign for a draw", independent("lag 1", &hidden, &hidden[1..]));
}

/// 2 verdicts on successive steps, 2 on sources under keys from the operating system.
#[test]
fn steps_and_sources_are_independent() {
    let step = |source: &mut NoiseSource| {
        let mut cells = vec![0_i64; SAMPLES / 2];
        source.add_to(&mut cells);
        cells.iter().map(|cell| *cell as f64 / GRID_SIGMA).collect::<Vec<f64>>()
    };
    let mut source = NoiseSource::for_test(5, 2);
    let (first, second) = (step(&mut source), step(&mut source));
    independent("steps", &first, &second).unwrap();
    let (one, other) = (step(&mut NoiseSource::new(1).unwrap()), step(&mut NoiseSource::new(1).unwrap()));
    independent("sources", &one, &other).unwrap();

    assert_caught("noise of the step before", independent("steps", &first, &first));
    assert_caught(
        "noise of the step before with its sign turned",
        independent("steps", &first, &changed(&first, |x| -x)),
    );
    let share: Vec<f64> = first.iter().zip(&second).map(|(a, b)| 0.01 * a + 0.9999 * b).collect();
    assert_caught("steps correlated by 1 %", independent("steps", &first, &share));
    // One coordinate in ten keeps its draw.
    let stale: Vec<f64> =
        first.iter().zip(&second).enumerate().map(|(i, (a, b))| if i % 10 == 0 { *a } else { *b }).collect();
    assert_caught("a tenth of the noise used again", independent("steps", &first, &stale));
    assert_caught("two sources with one key", independent("sources", &scaled(6), &scaled(6)));
}

/// What is added to a sum that is not zero is the same noise: none of it depends on the secret.
#[test]
fn noise_does_not_depend_on_the_sum() {
    let mut empty = vec![0_i64; 1_000];
    let mut sum: Vec<i64> = (0..1_000).map(|index| index * 7_919 - 3_000_000).collect();
    let before = sum.clone();
    NoiseSource::for_test(7, 1).add_to(&mut empty);
    NoiseSource::for_test(7, 1).add_to(&mut sum);
    let added: Vec<i64> = sum.iter().zip(&before).map(|(after, before)| after - before).collect();
    assert_eq!(added, empty);
}
