//! The table and its arithmetic are exact; the statistics of what is drawn stand in `statistics`.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

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
fn every_source_has_its_own_key() {
    let draw = || {
        let mut cells = [0; 8];
        NoiseSource::new(1).unwrap().add_to(&mut cells);
        cells
    };
    assert_ne!(draw(), draw());
}
