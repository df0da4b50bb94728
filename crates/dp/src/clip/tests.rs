//! The bound on one unit's influence holds for every pattern of bits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn clip(sigma: f64, clip_norm: f64) -> Clip {
    Clip { sigma, clip_norm, unit_cap: 8 }
}

fn grid(sum: &ClippedSum) -> &[i64] {
    let Cells::Grid(cells) = &sum.cells else { panic!("a private sum is on the grid") };
    cells
}

/// The squared norm of a sum of integers, exactly.
fn squared(cells: &[i64]) -> u128 {
    cells.iter().map(|cell| u128::from(cell.unsigned_abs()).pow(2)).sum()
}

fn any_float() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => any::<u32>().prop_map(f32::from_bits),
        2 => -1.0_f32..1.0,
        1 => prop_oneof![Just(1e38_f32), Just(-3.4e38), Just(1e-42), Just(f32::MIN_POSITIVE), Just(0.0), Just(-0.0)],
        1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)],
    ]
}

fn finite_float() -> impl Strategy<Value = f32> {
    any_float().prop_map(|value| if value.is_finite() { value } else { 3.0e38 })
}

proptest! {
    #[test]
    fn one_unit_moves_the_sum_by_at_most_the_bound(
        gradient in prop::collection::vec(any_float(), 1..200),
        sigma in prop::sample::select(vec![0.02, 0.3, 1.0, 7.3, 100.0, 1e4]),
        clip_norm in prop::sample::select(vec![1e-30, 1e-3, 1.0, 17.0, 1e30]),
    ) {
        let mut sum = ClippedSum::new(clip(sigma, clip_norm), gradient.len());
        sum.add(&gradient).unwrap();
        let bound = GRID_SIGMA / sigma;
        prop_assert!((squared(grid(&sum)) as f64).sqrt() <= bound);
    }

    #[test]
    fn a_large_gradient_is_scaled_and_a_small_one_kept(
        gradient in prop::collection::vec(finite_float(), 2..50),
    ) {
        let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        prop_assume!(norm > 1e-3);
        let mut sum = ClippedSum::new(clip(1.0, 1.0), gradient.len());
        sum.add(&gradient).unwrap();
        let factor = (SAFETY / norm).min(1.0);
        for (cell, g) in grid(&sum).iter().zip(&gradient) {
            let exact = f64::from(*g) * factor * GRID_SIGMA;
            prop_assert!((*cell as f64 - exact).abs() <= 1.0 + 1e-6, "{} is not {}", cell, exact);
            prop_assert!(cell.unsigned_abs() as f64 <= exact.abs() + 1e-6);
        }
    }

    #[test]
    fn a_non_finite_gradient_leaves_no_trace(
        honest in prop::collection::vec(finite_float(), 16),
        position in 0..16_usize,
        bad in prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(0x7f80_0001)]),
    ) {
        let mut without = ClippedSum::new(clip(1.0, 1.0), 16);
        without.add(&honest).unwrap();
        let mut with = ClippedSum::new(clip(1.0, 1.0), 16);
        let mut poisoned = honest.clone();
        poisoned[position] = bad;
        with.add(&poisoned).unwrap();
        with.add(&honest).unwrap();
        with.add_unit(&[&poisoned]).unwrap();
        prop_assert_eq!(grid(&with), grid(&without));
    }

    #[test]
    fn a_subject_is_bounded_whatever_its_records(
        records in prop::collection::vec(prop::collection::vec(any_float(), 12), 0..8),
    ) {
        let mut sum = ClippedSum::new(clip(0.5, 2.0), 12);
        let slices: Vec<&[f32]> = records.iter().map(Vec::as_slice).collect();
        sum.add_unit(&slices).unwrap();
        prop_assert!((squared(grid(&sum)) as f64).sqrt() <= GRID_SIGMA / 0.5);
    }

    #[test]
    fn order_and_grouping_do_not_matter(
        gradients in prop::collection::vec(prop::collection::vec(any_float(), 6), 1..12),
        split in 0..12_usize,
    ) {
        let sum_of = |parts: &[Vec<f32>]| {
            let mut sum = ClippedSum::new(clip(1.0, 1.0), 6);
            parts.iter().for_each(|gradient| sum.add(gradient).unwrap());
            sum
        };
        let whole = sum_of(&gradients);
        let (first, second) = gradients.split_at(split.min(gradients.len()));
        let mut joined = sum_of(second);
        joined.merge(sum_of(first)).unwrap();
        prop_assert_eq!(grid(&whole), grid(&joined));
    }
}

#[test]
fn a_sum_goes_to_other_processes_and_back_through_one_door() {
    let gradients = [[0.5_f32, -0.25, 3.0], [0.125, 8.0, -0.5]];
    for sigma in [1.0, 0.0] {
        let sum_of = |gradients: &[[f32; 3]]| {
            let mut sum = ClippedSum::new(clip(sigma, 1.0), 3);
            gradients.iter().for_each(|gradient| sum.add(gradient).unwrap());
            sum
        };
        let other = sum_of(&gradients[1..]);
        let joined = sum_of(&gradients[..1]).across_processes(|parts| {
            match (parts, &other.cells) {
                (Parts::Grid { part, total }, Cells::Grid(other)) => {
                    assert!(total.iter().all(|cell| *cell == 0));
                    for (index, total) in total.iter_mut().enumerate() {
                        *total = part[index].wrapping_add(other[index]);
                    }
                }
                (Parts::Plain { part, total }, Cells::Plain(other)) => {
                    for (index, total) in total.iter_mut().enumerate() {
                        *total = part[index] + other[index];
                    }
                }
                _ => panic!("one plan makes one kind"),
            }
            Ok::<(), Error>(())
        });
        let (joined, whole) = (joined.unwrap(), sum_of(&gradients));
        match (&joined.cells, &whole.cells) {
            (Cells::Grid(joined), Cells::Grid(whole)) => assert_eq!(joined, whole),
            (Cells::Plain(joined), Cells::Plain(whole)) => assert_eq!(joined, whole),
            _ => panic!("one plan makes one kind"),
        }
        // where nothing arrives there is nothing: not the part, which another process already counts
        let kept = sum_of(&gradients).across_processes(|_| Ok::<(), Error>(())).unwrap();
        match &kept.cells {
            Cells::Grid(cells) => assert!(cells.iter().all(|cell| *cell == 0)),
            Cells::Plain(cells) => assert!(cells.iter().all(|cell| *cell == 0.0)),
        }
        assert!(sum_of(&gradients).across_processes(|_| Err(Error::ForeignSum)).is_err());
    }
}

#[test]
fn a_subject_counts_as_the_mean_of_its_records() {
    let mut sum = ClippedSum::new(clip(1.0, 10.0), 2);
    sum.add_unit(&[&[1.0, 0.0], &[0.0, 2.0], &[f32::NAN, 7.0], &[3.0, 4.0]]).unwrap();
    let mut mean = ClippedSum::new(clip(1.0, 10.0), 2);
    mean.add(&[1.0, 1.5]).unwrap();
    assert_eq!(grid(&sum), grid(&mean));
}

#[test]
fn wrong_shapes_are_refused_and_add_nothing() {
    let mut sum = ClippedSum::new(clip(1.0, 1.0), 3);
    assert_eq!(sum.add(&[1.0, 2.0]), Err(Error::Length { expected: 3, actual: 2 }));
    assert_eq!(sum.add_unit(&[&[1.0, 2.0, 3.0], &[1.0]]), Err(Error::Length { expected: 3, actual: 1 }));
    let nine: Vec<&[f32]> = vec![&[0.5, 0.0, 0.0]; 9];
    assert_eq!(sum.add_unit(&nine), Err(Error::TooManyRecords { records: 9, cap: 8 }));
    assert_eq!(sum.merge(ClippedSum::new(clip(2.0, 1.0), 3)), Err(Error::ForeignSum));
    assert!(grid(&sum).iter().all(|cell| *cell == 0));
}

#[test]
fn noise_is_added_once_and_divided_by_the_denominator() {
    let clip = clip(2.0, 0.5);
    let mut sum = ClippedSum::new(clip, 3);
    sum.add(&[0.1, -0.2, 0.3]).unwrap();
    let mut expected = vec![0_i64; 3];
    NoiseSource::for_test(7, 1).add_to(&mut expected);
    expected.iter_mut().zip(grid(&sum)).for_each(|(noise, cell)| *noise += cell);
    let mean = sum.privatise(&clip, 16.0, &mut NoiseSource::for_test(7, 1)).unwrap();
    for (value, cell) in mean.as_slice().iter().zip(expected) {
        // sigma · C / GRID_SIGMA is one cell.
        let exact = cell as f64 * (2.0 * 0.5 / GRID_SIGMA) / 16.0;
        assert!((f64::from(*value) - exact).abs() <= exact.abs() * 1e-6);
    }
}

#[test]
fn an_empty_batch_is_noise_only() {
    let clip = clip(1.0, 1.0);
    let mut noise = vec![0_i64; 4];
    NoiseSource::for_test(8, 1).add_to(&mut noise);
    let mean = ClippedSum::new(clip, 4).privatise(&clip, 1.0, &mut NoiseSource::for_test(8, 1)).unwrap();
    for (value, cell) in mean.as_slice().iter().zip(noise) {
        assert_eq!(*value, (cell as f64 / GRID_SIGMA) as f32);
    }
}
