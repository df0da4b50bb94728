//! The noise has the distribution that is accounted for: exact table, moments, Kolmogorov–Smirnov, every residue.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const SAMPLES: usize = 400_000;

fn samples(seed: u8) -> Vec<i64> {
    let mut cells = vec![0; SAMPLES];
    NoiseSource::for_test(seed, 1).add_to(&mut cells);
    cells
}

#[test]
fn weights_are_gaussian_and_complete() {
    let weights = magnitude_weights();
    assert_eq!(weights.iter().sum::<u128>(), 1 << 127);
    let sigma = BASE_SIGMA as f64;
    for (magnitude, weight) in weights.iter().enumerate().skip(2).take(2_600) {
        let exact = (-(magnitude as f64).powi(2) / (2.0 * sigma * sigma)).exp();
        let ratio = *weight as f64 / weights[1] as f64 * (-0.5 / (sigma * sigma)).exp() / exact;
        assert!((ratio - 1.0).abs() < 1e-9, "magnitude {magnitude}: {ratio}");
    }
    // Zero is reached with both signs, so it has half a weight.
    let ratio = weights[0] as f64 * 2.0 / weights[1] as f64 * (-0.5 / (sigma * sigma)).exp();
    assert!((ratio - 1.0).abs() < 1e-12);
}

#[test]
fn alias_table_holds_the_weights_exactly() {
    let (table, weights) = (AliasTable::new(), magnitude_weights());
    let capacity = 1_u128 << (COMPARE_BITS + 64);
    let mut held = vec![0_u128; COLUMNS];
    for column in 0..COLUMNS {
        let own = u128::from(table.packed[column] >> COLUMN_BITS) << 64 | u128::from(table.fine[column]);
        held[column] += own;
        held[table.packed[column] as usize & (COLUMNS - 1)] += capacity - own;
    }
    assert_eq!(held, weights);
}

#[test]
fn a_tie_is_decided_by_the_fine_threshold() {
    let table = AliasTable::new();
    let column = (0..COLUMNS).find(|column| table.fine[*column] > u64::MAX / 4 * 3).unwrap();
    let word = (table.packed[column] >> COLUMN_BITS) << (COLUMN_BITS + 1) | column as u64;
    let alias = (table.packed[column] as usize & (COLUMNS - 1)) as i64;
    let mut stream = SecretStream::for_test(9);
    let own = (0..4_000).filter(|_| table.sample(word, &mut stream) == column as i64).count() as f64 / 4_000.0;
    assert_ne!(alias, column as i64);
    let expected = table.fine[column] as f64 / u64::MAX as f64;
    assert!((own - expected).abs() < 0.04, "{own} is not {expected}");
}

#[test]
fn fixed_point_arithmetic() {
    assert_eq!(fixed_product(ONE, ONE), ONE);
    assert_eq!(fixed_product(ONE - 1, ONE), ONE - 1);
    assert_eq!(fixed_product(u128::MAX, ONE >> 1), u128::MAX >> 1);
    assert_eq!(fixed_product(ONE + ONE / 2, ONE + ONE / 2), ONE * 2 + ONE / 4);
    assert_eq!(fixed_quotient(1 << 126), 2 * ONE);
    assert_eq!(fixed_product(fixed_quotient(3 << 125), 3 << 125), (1 << 127) - 1);
}

#[test]
fn moments() {
    let count = SAMPLES as f64;
    let scaled: Vec<f64> = samples(1).iter().map(|x| *x as f64 / GRID_SIGMA).collect();
    let moment = |power: i32| scaled.iter().map(|x| x.powi(power)).sum::<f64>() / count;
    // Five standard errors of each sample moment.
    assert!(moment(1).abs() < 5.0 * (1.0 / count).sqrt(), "{}", moment(1));
    assert!((moment(2) - 1.0).abs() < 5.0 * (2.0 / count).sqrt(), "{}", moment(2));
    assert!(moment(3).abs() < 5.0 * (15.0 / count).sqrt(), "{}", moment(3));
    assert!((moment(4) - 3.0).abs() < 5.0 * (96.0 / count).sqrt(), "{}", moment(4));
}

#[test]
fn kolmogorov_smirnov() {
    let mut scaled: Vec<f64> = samples(2).iter().map(|x| *x as f64 / GRID_SIGMA).collect();
    scaled.sort_by(f64::total_cmp);
    let count = SAMPLES as f64;
    let distance = scaled.iter().enumerate().fold(0.0_f64, |most, (rank, x)| {
        let normal = 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
        most.max((normal - rank as f64 / count).abs()).max((normal - (rank + 1) as f64 / count).abs())
    });
    // Above 1.95 with probability 0.001.
    assert!(distance * count.sqrt() < 1.95, "{}", distance * count.sqrt());
}

#[test]
fn low_digits_are_uniform() {
    // A porous support, the floating-point leak, would show up as residues that occur too rarely.
    for modulus in [2, 160, 1 << 10] {
        let mut counts = vec![0_f64; modulus];
        for x in samples(3) {
            counts[x.rem_euclid(modulus as i64) as usize] += 1.0;
        }
        let expected = SAMPLES as f64 / modulus as f64;
        let chi_squared: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
        let freedom = modulus as f64 - 1.0;
        assert!(chi_squared < freedom + 5.0 * (2.0 * freedom).sqrt() + 5.0, "modulus {modulus}: {chi_squared}");
    }
}

#[test]
fn neighbouring_samples_are_uncorrelated() {
    let xs: Vec<f64> = samples(4).iter().map(|x| *x as f64 / GRID_SIGMA).collect();
    for lag in [1, 2, 3, 256] {
        let covariance = xs.iter().zip(&xs[lag..]).map(|(a, b)| a * b).sum::<f64>() / SAMPLES as f64;
        assert!(covariance.abs() < 5.0 / (SAMPLES as f64).sqrt(), "lag {lag}: {covariance}");
    }
}

#[test]
fn every_source_has_its_own_key() {
    let draw = || {
        let mut cells = [0; 8];
        NoiseSource::new(1).unwrap().add_to(&mut cells);
        cells
    };
    assert_ne!(draw(), draw());
}
