//! Blocks of 32 numbers in eight or four bits with a scale, and the way from `f32` into them.
//!
//! Invariant: what [`Block::eight_bits`] and [`Block::four_bits`] make of a value lies within half a scale of it, because
//! the scale is never rounded down below what the widest value needs and the minimum never up. The forms are those of
//! ggml (`ggml-common.h`): eight bits as `block_q8_0`, four as `block_q4_1`.

use half::f16;

/// Numbers in a block.
pub const BLOCK: usize = 32;

/// The largest size of a value that eight bits can hold: 127 scales.
pub const LARGEST_IN_EIGHT_BITS: f32 = 127.0 * LARGEST;
/// The largest size of a value that four bits can hold: that of a minimum.
pub const LARGEST_IN_FOUR_BITS: f32 = LARGEST;
const LARGEST: f32 = 65_504.0;

/// Numbers `quant * scale + minimum`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Distance of two neighbouring numbers.
    pub scale: f16,
    /// What a quant of zero stands for; zero in the form of eight bits.
    pub minimum: f16,
    /// From -128 to 127 in eight bits, from 0 to 15 in four.
    pub quants: [i8; BLOCK],
}

impl Block {
    /// The nearest block of eight bits. Fewer than 32 values are filled up with zeros.
    #[must_use]
    pub fn eight_bits(values: &[f32]) -> Self {
        let widest = values.iter().fold(0.0f32, |widest, value| widest.max(value.abs()));
        let nearest = f16::from_f32(widest / 127.0);
        let short = nearest.to_f32() * 127.5 < widest;
        let scale = if short { at_least(widest / 127.0) } else { nearest };
        let scale = scale.min(f16::MAX);
        Self { scale, minimum: f16::ZERO, quants: quants(values, scale, 0.0, (-127.0, 127.0)) }
    }

    /// The nearest block of four bits. Fewer than 32 values are filled up with the minimum.
    #[must_use]
    pub fn four_bits(values: &[f32]) -> Self {
        let lowest = values.iter().copied().fold(f32::INFINITY, f32::min).clamp(-LARGEST, LARGEST);
        let highest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max).clamp(-LARGEST, LARGEST);
        let minimum = at_most(lowest);
        let scale = at_least((highest - minimum.to_f32()) / 15.0);
        Self { scale, minimum, quants: quants(values, scale, minimum.to_f32(), (0.0, 15.0)) }
    }

    /// The numbers.
    #[must_use]
    pub fn values(&self) -> [f32; BLOCK] {
        self.quants.map(|quant| f32::from(quant) * self.scale.to_f32() + self.minimum.to_f32())
    }
}

/// The nearest quants; all zero where the scale is.
fn quants(values: &[f32], scale: f16, minimum: f32, (lowest, highest): (f32, f32)) -> [i8; BLOCK] {
    let scale = scale.to_f32();
    let mut quants = [0; BLOCK];
    if scale > 0.0 {
        for (quant, value) in quants.iter_mut().zip(values) {
            *quant = ((value - minimum) / scale).round().clamp(lowest, highest) as i8;
        }
    }
    quants
}

/// The largest half-precision number that is not above `value`.
fn at_most(value: f32) -> f16 {
    let nearest = f16::from_f32(value);
    match nearest.to_bits() {
        _ if nearest.to_f32() <= value => nearest,
        0 => f16::from_bits(0x8001),
        bits if bits & 0x8000 == 0 => f16::from_bits(bits - 1),
        bits => f16::from_bits(bits + 1),
    }
}

/// The smallest half-precision number that is not below `value`.
fn at_least(value: f32) -> f16 {
    -at_most(-value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_value_moves_by_more_than_half_a_scale(
            values in prop::collection::vec(-1.0f32..1.0, 1..=BLOCK),
            size in prop::sample::select(vec![1e-9f32, 1e-6, 3e-4, 0.05, 1.0, 3000.0, 65_504.0]),
            offset in prop::sample::select(vec![0.0f32, 0.5, -0.9]),
        ) {
            let values: Vec<f32> = values.iter().map(|v| ((v + offset) * size).clamp(-LARGEST, LARGEST)).collect();
            for block in [Block::eight_bits(&values), Block::four_bits(&values)] {
                let bound = block.scale.to_f32() * 0.5001;
                for (value, kept) in values.iter().zip(block.values()) {
                    prop_assert!((value - kept).abs() <= bound, "{value} {kept} {bound}");
                }
            }
            prop_assert!(Block::four_bits(&values).quants.iter().all(|quant| (0..16).contains(quant)));
        }
    }

    #[test]
    fn scales_are_no_wider_than_the_values_need() {
        let values: Vec<f32> = (0..BLOCK).map(|i| i as f32 - 10.0).collect();
        assert!((Block::eight_bits(&values).scale.to_f32() * 127.0 / 21.0 - 1.0).abs() < 1e-3);
        assert!((Block::four_bits(&values).scale.to_f32() * 15.0 / 31.0 - 1.0).abs() < 1e-3);
        assert_eq!(Block::four_bits(&[0.25; 4]).values(), [0.25; BLOCK]);
        assert_eq!(Block::eight_bits(&[0.0; 4]).values(), [0.0; BLOCK]);
    }

    #[test]
    fn the_largest_values_are_held_and_larger_ones_stay_finite() {
        let block = Block::eight_bits(&[LARGEST_IN_EIGHT_BITS, -LARGEST_IN_EIGHT_BITS]);
        assert_eq!(block.values()[..2], [LARGEST_IN_EIGHT_BITS, -LARGEST_IN_EIGHT_BITS]);
        for block in [Block::eight_bits(&[f32::MAX]), Block::four_bits(&[f32::MAX, f32::MIN])] {
            assert!(block.values().iter().all(|value| value.is_finite()));
        }
        assert_eq!((at_most(1e-9).to_f32(), at_least(-1e-9).to_f32()), (0.0, 0.0));
        assert!(at_most(-1e-9).to_f32() < -1e-9 && at_least(1e-9).to_f32() > 1e-9);
    }
}
