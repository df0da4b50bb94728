//! Turns the block formats of ggml into `f32`.
//!
//! Invariant: every function reads exactly [`TensorType::block_bytes`] and writes exactly
//! [`TensorType::block_values`] per block, in the order and with the operations of ggml's reference
//! (`ggml-quants.c`, `dequantize_row_*`), so that values agree with it bit for bit.

use half::{bf16, f16};
use rayon::prelude::*;

/// How a tensor's values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TensorType {
    F32,
    F16,
    Bf16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
}

/// Blocks given to one task.
const TASK_BLOCKS: usize = 1 << 12;

impl TensorType {
    /// By ggml's number of the type (`enum ggml_type`).
    pub(crate) fn from_ggml(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            10 => Self::Q2K,
            11 => Self::Q3K,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::Bf16,
            _ => return None,
        })
    }

    /// ggml's name of the type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q2K => "Q2_K",
            Self::Q3K => "Q3_K",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
        }
    }

    /// Values in one block.
    pub(crate) fn block_values(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q2K | Self::Q3K | Self::Q4K | Self::Q5K | Self::Q6K => 256,
        }
    }

    /// Bytes of one block.
    pub(crate) fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q2K => 84,
            Self::Q3K => 110,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }
}

/// All values of a tensor, in parallel. `bytes` holds whole blocks; a rest shorter than a block is ignored,
/// and so callers check lengths first.
pub(crate) fn dequantise(kind: TensorType, bytes: &[u8]) -> Vec<f32> {
    let blocks = bytes.len() / kind.block_bytes();
    let mut values = vec![0.0; blocks * kind.block_values()];
    values
        .par_chunks_mut(TASK_BLOCKS * kind.block_values())
        .zip(bytes.par_chunks(TASK_BLOCKS * kind.block_bytes()))
        .for_each(|(values, bytes)| dequantise_blocks(kind, bytes, values));
    values
}

fn dequantise_blocks(kind: TensorType, bytes: &[u8], values: &mut [f32]) {
    let block: fn(&[u8], &mut [f32]) = match kind {
        TensorType::F32 => |b, y| y[0] = f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        TensorType::F16 => |b, y| y[0] = half_at(b, 0),
        TensorType::Bf16 => |b, y| y[0] = bf16::from_le_bytes([b[0], b[1]]).to_f32(),
        TensorType::Q4_0 => q4_0,
        TensorType::Q4_1 => q4_1,
        TensorType::Q5_0 => q5_0,
        TensorType::Q5_1 => q5_1,
        TensorType::Q8_0 => q8_0,
        TensorType::Q2K => q2_k,
        TensorType::Q3K => q3_k,
        TensorType::Q4K => q4_k,
        TensorType::Q5K => q5_k,
        TensorType::Q6K => q6_k,
    };
    let pairs = bytes.chunks_exact(kind.block_bytes()).zip(values.chunks_exact_mut(kind.block_values()));
    for (bytes, values) in pairs {
        block(bytes, values);
    }
}

fn half_at(block: &[u8], offset: usize) -> f32 {
    f16::from_le_bytes([block[offset], block[offset + 1]]).to_f32()
}

fn q4_0(block: &[u8], y: &mut [f32]) {
    let d = half_at(block, 0);
    for (j, &q) in block[2..18].iter().enumerate() {
        y[j] = (f32::from(q & 15) - 8.0) * d;
        y[j + 16] = (f32::from(q >> 4) - 8.0) * d;
    }
}

fn q4_1(block: &[u8], y: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (j, &q) in block[4..20].iter().enumerate() {
        y[j] = f32::from(q & 15) * d + m;
        y[j + 16] = f32::from(q >> 4) * d + m;
    }
}

/// The two five-bit numbers at position `j`: four bits from `q`, the fifth from the 32 bits of `high`.
fn five_bits(q: u8, high: u32, j: usize) -> (f32, f32) {
    let low = u32::from(q & 15) | ((high >> j) & 1) << 4;
    let top = u32::from(q >> 4) | ((high >> (j + 16)) & 1) << 4;
    (low as f32, top as f32)
}

fn q5_0(block: &[u8], y: &mut [f32]) {
    let d = half_at(block, 0);
    let high = u32::from_le_bytes([block[2], block[3], block[4], block[5]]);
    for (j, &q) in block[6..22].iter().enumerate() {
        let (low, top) = five_bits(q, high, j);
        y[j] = (low - 16.0) * d;
        y[j + 16] = (top - 16.0) * d;
    }
}

fn q5_1(block: &[u8], y: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    let high = u32::from_le_bytes([block[4], block[5], block[6], block[7]]);
    for (j, &q) in block[8..24].iter().enumerate() {
        let (low, top) = five_bits(q, high, j);
        y[j] = low * d + m;
        y[j + 16] = top * d + m;
    }
}

fn q8_0(block: &[u8], y: &mut [f32]) {
    let d = half_at(block, 0);
    for (value, &q) in y.iter_mut().zip(&block[2..34]) {
        *value = f32::from(q as i8) * d;
    }
}

fn q2_k(block: &[u8], y: &mut [f32]) {
    let (scales, qs) = (&block[..16], &block[16..80]);
    let (d, dmin) = (half_at(block, 80), half_at(block, 82));
    for (group, y) in y.chunks_exact_mut(16).enumerate() {
        let (scale, minimum) = (d * f32::from(scales[group] & 15), dmin * f32::from(scales[group] >> 4));
        let (start, shift) = (group / 8 * 32 + group % 2 * 16, group % 8 / 2 * 2);
        for (value, &q) in y.iter_mut().zip(&qs[start..start + 16]) {
            *value = scale * f32::from((q >> shift) & 3) - minimum;
        }
    }
}

fn q3_k(block: &[u8], y: &mut [f32]) {
    let (masks, qs, scales) = (&block[..32], &block[32..96], &block[96..108]);
    let d = half_at(block, 108);
    for (group, y) in y.chunks_exact_mut(16).enumerate() {
        let low = if group < 8 { scales[group] & 15 } else { scales[group - 8] >> 4 };
        let high = (scales[8 + group % 4] >> (2 * (group / 4))) & 3;
        let scale = d * (f32::from(low | high << 4) - 32.0);
        let (half, shift) = (group % 2 * 16, group % 8 / 2 * 2);
        let (start, bit) = (group / 8 * 32 + half, group / 2);
        for (l, value) in y.iter_mut().enumerate() {
            let low = f32::from((qs[start + l] >> shift) & 3);
            let offset = if masks[half + l] >> bit & 1 == 1 { 0.0 } else { 4.0 };
            *value = scale * (low - offset);
        }
    }
}

/// Scale and minimum number `j` of the twelve packed bytes of Q4_K and Q5_K.
fn scale_and_minimum(packed: &[u8], j: usize) -> (f32, f32) {
    let (scale, minimum) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4)
    };
    (f32::from(scale), f32::from(minimum))
}

/// Scale of a group of 32, and what is taken off every value.
pub(super) fn q4_k_scale(block: &[u8], group: usize) -> (f32, f32) {
    let (scale, minimum) = scale_and_minimum(&block[4..16], group);
    (half_at(block, 0) * scale, half_at(block, 2) * minimum)
}

fn q4_k(block: &[u8], y: &mut [f32]) {
    let qs = &block[16..144];
    for (group, y) in y.chunks_exact_mut(32).enumerate() {
        let (scale, minimum) = q4_k_scale(block, group);
        let (start, shift) = (group / 2 * 32, group % 2 * 4);
        for (value, &q) in y.iter_mut().zip(&qs[start..start + 32]) {
            *value = scale * f32::from((q >> shift) & 15) - minimum;
        }
    }
}

fn q5_k(block: &[u8], y: &mut [f32]) {
    let (d, dmin, packed) = (half_at(block, 0), half_at(block, 2), &block[4..16]);
    let (high, qs) = (&block[16..48], &block[48..176]);
    for (group, y) in y.chunks_exact_mut(32).enumerate() {
        let (scale, minimum) = scale_and_minimum(packed, group);
        let (scale, minimum) = (d * scale, dmin * minimum);
        let (start, shift) = (group / 2 * 32, group % 2 * 4);
        for (l, value) in y.iter_mut().enumerate() {
            let q = (qs[start + l] >> shift) & 15 | (high[l] >> group & 1) << 4;
            *value = scale * f32::from(q) - minimum;
        }
    }
}

fn q6_k(block: &[u8], y: &mut [f32]) {
    let (ql, qh, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let d = half_at(block, 208);
    for (group, y) in y.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(scales[group] as i8);
        // Each half of the block holds four quarters of 32 values, each quarter two groups of 16.
        let (half, quarter, part) = (group / 8, group % 8 / 2, group % 2 * 16);
        let low_start = half * 64 + quarter % 2 * 32 + part;
        let high_start = half * 32 + part;
        for (l, value) in y.iter_mut().enumerate() {
            let low = ql[low_start + l] >> (quarter / 2 * 4) & 15;
            let high = qh[high_start + l] >> (quarter * 2) & 3;
            *value = scale * (f32::from(low | high << 4) - 32.0);
        }
    }
}
