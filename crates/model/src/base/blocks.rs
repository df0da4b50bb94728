//! Which form a stored matrix takes in memory when a quantised base is asked for, and ggml's blocks taken over into it.
//!
//! The rule, for `q8`: every matrix is kept in eight bits. For `q4`: a matrix that the file keeps in four bits (Q4_0, Q4_1,
//! Q4_K) stays in four; every other one is kept in eight, for a file's finer types are finer on purpose, and rounding to
//! four bits well takes data of the model's use.
//!
//! Invariant: Q4_0 and Q4_1 in four bits, and Q4_0, Q5_0 and Q8_0 in eight, are the file's own numbers, to the bit. Q4_K
//! keeps its quants, and its scales and minima, products of two numbers, are rounded to half precision: by a 2048th, those
//! below 6e-5 by 3e-8. All others are rounded to the nearest of eight bits.

use half::f16;

use crate::base::dequant::{TensorType, q4_k_scale};
use crate::kernels::frozen::Precision;
use crate::kernels::quantised::block::{BLOCK, Block};

/// Forms to try for a matrix that is stored as `kind` where `precision` is asked for, the first that holds its scales.
pub(super) fn forms(kind: TensorType, precision: Precision) -> &'static [Precision] {
    match (precision, kind) {
        (Precision::Q4, TensorType::Q4_0 | TensorType::Q4_1 | TensorType::Q4K) => &[Precision::Q4, Precision::Q8],
        (Precision::Q4 | Precision::Q8, _) => &[Precision::Q8],
        (Precision::F32, _) => &[Precision::F32],
        (Precision::Bf16, _) => &[Precision::Bf16],
    }
}

/// Stored blocks in a form; nothing if it has no place for such quants, or for a scale, or if a scale is not finite.
pub(super) fn blocks(kind: TensorType, bytes: &[u8], form: Precision) -> Option<Vec<Block>> {
    let size = kind.block_bytes();
    let one: fn(&[u8]) -> Block = match (form, kind) {
        (Precision::Q8, TensorType::Q8_0) => q8_0,
        (Precision::Q8, TensorType::Q4_0) => |block| q4_0(block, 8),
        (Precision::Q8, TensorType::Q5_0) => q5_0,
        (Precision::Q4, TensorType::Q4_0) => |block| q4_0(block, 0),
        (Precision::Q4, TensorType::Q4_1) => q4_1,
        (Precision::Q4, TensorType::Q4K) => {
            return finite(bytes.chunks_exact(size).flat_map(|block| (0..8).map(|group| q4_k(block, group))));
        }
        _ => return None,
    };
    finite(bytes.chunks_exact(size).map(one))
}

/// All blocks, if every one has a finite scale and minimum.
fn finite(blocks: impl Iterator<Item = Block>) -> Option<Vec<Block>> {
    blocks.map(|block| (block.scale.is_finite() && block.minimum.is_finite()).then_some(block)).collect()
}

fn q8_0(bytes: &[u8]) -> Block {
    let mut quants = [0; BLOCK];
    quants.iter_mut().zip(&bytes[2..34]).for_each(|(quant, &byte)| *quant = byte.cast_signed());
    Block { scale: half(bytes, 0), minimum: f16::ZERO, quants }
}

/// With the 8 taken off the quants, or as a minimum of -8 scales: a power of two, so exact unless it overflows.
fn q4_0(bytes: &[u8], taken_off: i8) -> Block {
    let scale = half(bytes, 0);
    let quants = nibbles(&bytes[2..18]).map(|quant| quant - taken_off);
    let minimum = if taken_off == 0 { f16::from_f32(scale.to_f32() * -8.0) } else { f16::ZERO };
    Block { scale, minimum, quants }
}

fn q4_1(bytes: &[u8]) -> Block {
    Block { scale: half(bytes, 0), minimum: half(bytes, 2), quants: nibbles(&bytes[4..20]) }
}

fn q5_0(bytes: &[u8]) -> Block {
    let high = u32::from_le_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
    let mut quants = nibbles(&bytes[6..22]);
    for (position, quant) in quants.iter_mut().enumerate() {
        *quant += ((high >> position & 1) << 4) as i8 - 16;
    }
    Block { scale: half(bytes, 0), minimum: f16::ZERO, quants }
}

/// One of the eight groups of 32, each of which has a scale and a minimum of its own.
fn q4_k(bytes: &[u8], group: usize) -> Block {
    let (scale, minimum) = q4_k_scale(bytes, group);
    let mut quants = [0; BLOCK];
    for (quant, &pair) in quants.iter_mut().zip(&bytes[16 + group / 2 * BLOCK..]) {
        *quant = (pair >> (group % 2 * 4) & 15).cast_signed();
    }
    Block { scale: f16::from_f32(scale), minimum: f16::from_f32(-minimum), quants }
}

fn half(bytes: &[u8], offset: usize) -> f16 {
    f16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

/// The low halves of sixteen bytes, then the high ones.
fn nibbles(bytes: &[u8]) -> [i8; BLOCK] {
    let mut quants = [0; BLOCK];
    for (position, &byte) in bytes.iter().enumerate() {
        quants[position] = (byte & 15).cast_signed();
        quants[position + BLOCK / 2] = (byte >> 4).cast_signed();
    }
    quants
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::dequant::dequantise;

    /// `count` blocks with arbitrary quants and small scales of both signs.
    fn stored(kind: TensorType, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..count * kind.block_bytes()).map(|i| ((i * i * 31 + i * 7) % 251) as u8).collect();
        for (index, block) in bytes.chunks_exact_mut(kind.block_bytes()).enumerate() {
            let scale = f16::from_f32((index as f32 - 1.5) * 0.013);
            block[..2].copy_from_slice(&scale.to_le_bytes());
            if matches!(kind, TensorType::Q4_1 | TensorType::Q4K) {
                block[2..4].copy_from_slice(&f16::from_f32(0.37 - index as f32).to_le_bytes());
            }
        }
        bytes
    }

    fn values(blocks: &[Block]) -> Vec<f32> {
        blocks.iter().flat_map(Block::values).collect()
    }

    #[test]
    fn blocks_taken_over_hold_the_numbers_of_the_file_to_the_bit() {
        use TensorType::{Q4_0, Q4_1, Q5_0, Q8_0};
        let kinds = [
            (Q4_0, Precision::Q4),
            (Q4_1, Precision::Q4),
            (Q4_0, Precision::Q8),
            (Q5_0, Precision::Q8),
            (Q8_0, Precision::Q8),
        ];
        for (kind, form) in kinds {
            let bytes = stored(kind, 5);
            let taken = values(&blocks(kind, &bytes, form).unwrap());
            assert_eq!(taken, dequantise(kind, &bytes), "{}", kind.name());
        }
    }

    #[test]
    fn q4_k_moves_by_the_rounding_of_its_scales_alone() {
        let bytes = stored(TensorType::Q4K, 5);
        let taken = blocks(TensorType::Q4K, &bytes, Precision::Q4).unwrap();
        assert_eq!(taken.len(), 40);
        let exact = dequantise(TensorType::Q4K, &bytes);
        for (block, exact) in taken.iter().zip(exact.chunks(BLOCK)) {
            let bound = (block.scale.to_f32().abs() * 15.0 + block.minimum.to_f32().abs()) / 2048.0 + 5e-7;
            assert!(block.values().iter().zip(exact).all(|(taken, exact)| (taken - exact).abs() <= bound));
        }
    }

    #[test]
    fn a_form_that_cannot_hold_a_scale_is_passed_over() {
        let mut bytes = stored(TensorType::Q4_0, 2);
        bytes[..2].copy_from_slice(&f16::from_f32(9000.0).to_le_bytes());
        assert!(blocks(TensorType::Q4_0, &bytes, Precision::Q4).is_none(), "-72000 is too large for a minimum");
        let taken = values(&blocks(TensorType::Q4_0, &bytes, Precision::Q8).unwrap());
        assert_eq!(taken, dequantise(TensorType::Q4_0, &bytes));
        bytes[..2].copy_from_slice(&f16::INFINITY.to_le_bytes());
        assert!(blocks(TensorType::Q4_0, &bytes, Precision::Q8).is_none());
        assert!(blocks(TensorType::Q4_1, &stored(TensorType::Q4_1, 1), Precision::Q8).is_none());
    }
}
