//! A frozen weight in blocks of eight or four bits, and its two products.
//!
//! A product widens some panels at a time to `bf16`, in the layout of `tile`, and multiplies as a `bf16` weight
//! does: the blocks are the only copy that stays in memory. Widening takes about half a cycle a weight, once for all rows,
//! against `rows / 32` cycles of arithmetic. A single row is multiplied with the blocks as they are, without rounding.
//!
//! Invariants: a value is exactly `quant * scale + minimum` until it is rounded to `bf16`; padding is finite and meets
//! nothing but zeros.

pub mod block;

use std::ops::Range;

use half::f16;
use rayon::prelude::*;

use self::block::{BLOCK, Block};
use super::bf16::{self, PACKED, Pairs, by_rows};
use super::elementwise::dispatch;
use super::matmul::Into;
use super::tile::{COLUMNS, multiply, multiply_columns};
use super::transpose::transpose;

/// Pairs of inputs in a block.
const PAIRS: usize = BLOCK / 2;
/// Words of `bf16` that are widened at a time: 2.3 MB, which stays in the cache.
const WORDS: usize = bf16::BLOCK * 288;

/// Bits of a quant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bits {
    /// Signed, without a minimum.
    Eight,
    /// Unsigned, with a minimum.
    Four,
}

/// A matrix `[output, input]` as panels of [`COLUMNS`] outputs, the inputs padded to whole blocks.
pub(super) struct Quantised {
    bits: Bits,
    /// `[panel][input][output]` in eight bits; `[panel][pair of inputs][output]` in four, the even input low.
    quants: Vec<u8>,
    /// `[panel][block][output]`.
    scales: Vec<f16>,
    /// As the scales; empty in eight bits.
    minima: Vec<f16>,
    output: usize,
    input: usize,
}

impl Quantised {
    /// Room for a matrix, all zeros.
    pub(super) fn zeros(output: usize, input: usize, bits: Bits) -> Self {
        let blocks = output.div_ceil(COLUMNS) * COLUMNS * input.div_ceil(BLOCK);
        let (bytes, minima) = match bits {
            Bits::Eight => (BLOCK, 0),
            Bits::Four => (PAIRS, blocks),
        };
        let (quants, scales, minima) = (vec![0; blocks * bytes], vec![f16::ZERO; blocks], vec![f16::ZERO; minima]);
        Self { bits, quants, scales, minima, output, input }
    }

    /// Quantises `rows`, whole rows from row `first` on, to the nearest blocks.
    pub(super) fn set_rows(&mut self, first: usize, rows: &[f32]) {
        let quantise = match self.bits {
            Bits::Eight => Block::eight_bits,
            Bits::Four => Block::four_bits,
        };
        let blocks: Vec<Block> =
            rows.par_chunks(self.input).flat_map_iter(|row| row.chunks(BLOCK).map(quantise)).collect();
        self.set_blocks(first, &blocks);
    }

    /// Takes over the blocks of whole rows from row `first` on.
    pub(super) fn set_blocks(&mut self, first: usize, blocks: &[Block]) {
        let per_row = self.blocks();
        for (row, blocks) in blocks.chunks_exact(per_row).enumerate() {
            let (panel, column) = ((first + row) / COLUMNS, (first + row) % COLUMNS);
            for (index, block) in blocks.iter().enumerate() {
                let place = panel * per_row + index;
                self.scales[place * COLUMNS + column] = block.scale;
                match self.bits {
                    Bits::Eight => {
                        let lines = self.quants[place * BLOCK * COLUMNS..].as_chunks_mut::<COLUMNS>().0;
                        for (line, &quant) in lines.iter_mut().zip(&block.quants) {
                            line[column] = quant.cast_unsigned();
                        }
                    }
                    Bits::Four => {
                        self.minima[place * COLUMNS + column] = block.minimum;
                        let lines = self.quants[place * PAIRS * COLUMNS..].as_chunks_mut::<COLUMNS>().0;
                        for (line, pair) in lines.iter_mut().zip(block.quants.as_chunks::<2>().0) {
                            line[column] = (pair[0] & 15 | pair[1] << 4).cast_unsigned();
                        }
                    }
                }
            }
        }
    }

    /// Row `index` as `f32`.
    pub(super) fn row(&self, index: usize, row: &mut [f32]) {
        let (panel, column) = (index / COLUMNS, index % COLUMNS);
        for (block, values) in row.chunks_mut(BLOCK).enumerate() {
            let place = panel * self.blocks() + block;
            let scale = self.scales[place * COLUMNS + column].to_f32();
            match self.bits {
                Bits::Eight => {
                    let lines = self.quants[place * BLOCK * COLUMNS..].as_chunks::<COLUMNS>().0;
                    for (value, line) in values.iter_mut().zip(lines) {
                        *value = f32::from(line[column].cast_signed()) * scale;
                    }
                }
                Bits::Four => {
                    let minimum = self.minima[place * COLUMNS + column].to_f32();
                    let lines = self.quants[place * PAIRS * COLUMNS..].as_chunks::<COLUMNS>().0;
                    for (values, line) in values.chunks_mut(2).zip(lines) {
                        for (value, quant) in values.iter_mut().zip([line[column] & 15, line[column] >> 4]) {
                            *value = f32::from(quant) * scale + minimum;
                        }
                    }
                }
            }
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.quants.len() + 2 * (self.scales.len() + self.minima.len())
    }

    /// `y = x Wᵀ` for one row of a generation: the blocks are read once and nothing is rounded or packed, so the result has
    /// other bits than that of [`Quantised::forward`].
    pub(super) fn forward_one(&self, y: &mut [f32], x: &[f32]) {
        y.par_chunks_mut(COLUMNS).enumerate().with_min_len(4).for_each(|(panel, y)| {
            let mut sums = [0.0; COLUMNS];
            dispatch(
                #[inline(always)]
                || self.dot(panel, x, &mut sums),
            );
            y.copy_from_slice(&sums[..y.len()]);
        });
    }

    /// `y = [y +] x Wᵀ`.
    pub(super) fn forward(&self, y: &mut [f32], into: Into, x: &[f32], rows: usize) {
        let pairs = self.pairs();
        let x = Pairs::round(x, rows);
        let mut packed = PACKED.take();
        for panels in self.portions() {
            packed.resize(packed.len().max(panels.len() * pairs * COLUMNS), 0);
            let words = &mut packed[..panels.len() * pairs * COLUMNS];
            words.par_chunks_mut(pairs * COLUMNS).enumerate().for_each(|(index, words)| {
                self.widen(panels.start + index, 0..pairs, words);
            });
            let (width, columns) = (self.output, self.outputs(&panels));
            by_rows(y, width, |y, first| {
                multiply_columns(y, width, columns.clone(), into, x.rows(first, 0), words, pairs);
            });
        }
        PACKED.set(packed);
    }

    /// `dx = [dx +] dy W`.
    pub(super) fn backward(&self, dx: &mut [f32], into: Into, dy: &[f32], rows: usize) {
        let dy = Pairs::round(dy, rows);
        let mut packed = PACKED.take();
        for panels in self.portions() {
            let outputs = self.outputs(&panels);
            let pairs = outputs.len().div_ceil(2);
            let size = self.input.div_ceil(COLUMNS) * pairs * COLUMNS;
            packed.resize(packed.len().max(size), 0);
            let words = &mut packed[..size];
            words.par_chunks_mut(pairs * COLUMNS).enumerate().for_each(|(target, words)| {
                self.widen_transposed(panels.clone(), target, words);
            });
            let into = if panels.start == 0 { into } else { Into::Add };
            by_rows(dx, self.input, |dx, row| {
                multiply(dx, self.input, into, dy.rows(row, outputs.start / 2), words, pairs);
            });
        }
        PACKED.set(packed);
    }

    /// Some panels as panel `target` of inputs: `[pair of outputs][input]`.
    fn widen_transposed(&self, panels: Range<usize>, target: usize, words: &mut [u32]) {
        let from = target * COLUMNS / 2;
        let count = (COLUMNS / 2).min(self.pairs() - from);
        let mut source = [0; COLUMNS / 2 * COLUMNS];
        let source = &mut source[..count * COLUMNS];
        for (panel, lines) in panels.zip(words.chunks_mut(COLUMNS / 2 * COLUMNS)) {
            self.widen(panel, from..from + count, source);
            transpose(lines, source);
        }
    }

    /// Pairs of inputs of a panel as `bf16`: `[pair][output]`.
    fn widen(&self, panel: usize, pairs: Range<usize>, words: &mut [u32]) {
        dispatch(
            #[inline(always)]
            || self.widen_lines(panel * self.blocks(), pairs, words.as_chunks_mut().0),
        );
    }

    #[inline(always)]
    fn widen_lines(&self, first: usize, pairs: Range<usize>, mut lines: &mut [[u32; COLUMNS]]) {
        let mut pair = pairs.start;
        while pair < pairs.end {
            let (block, skipped) = (first + pair / PAIRS, pair % PAIRS);
            let count = (PAIRS - skipped).min(pairs.end - pair);
            let (now, later) = lines.split_at_mut(count);
            let scales = half_to_single(&self.scales, block);
            match self.bits {
                Bits::Eight => {
                    let quants = &self.quants[(block * PAIRS + skipped) * 2 * COLUMNS..];
                    widen_eight_bits(now, quants, &scales);
                }
                Bits::Four => {
                    let quants = &self.quants[(block * PAIRS + skipped) * COLUMNS..];
                    widen_four_bits(now, quants, &scales, &half_to_single(&self.minima, block));
                }
            }
            (lines, pair) = (later, pair + count);
        }
    }

    /// Adds the product of one row with a panel, all of it in `f32`: a block's quants are summed before its scale is applied.
    #[inline(always)]
    fn dot(&self, panel: usize, x: &[f32], sums: &mut [f32; COLUMNS]) {
        for (block, x) in x.chunks(BLOCK).enumerate() {
            let block = panel * self.blocks() + block;
            let scales = half_to_single(&self.scales, block);
            let mut partial = [0.0f32; COLUMNS];
            match self.bits {
                Bits::Eight => {
                    let lines = self.quants[block * BLOCK * COLUMNS..].as_chunks::<COLUMNS>().0;
                    for (&x, line) in x.iter().zip(lines) {
                        for column in 0..COLUMNS {
                            partial[column] += x * f32::from(line[column].cast_signed());
                        }
                    }
                }
                Bits::Four => {
                    let lines = self.quants[block * PAIRS * COLUMNS..].as_chunks::<COLUMNS>().0;
                    for (x, line) in x.chunks(2).zip(lines) {
                        let (even, odd) = (x[0], x.get(1).copied().unwrap_or(0.0));
                        for column in 0..COLUMNS {
                            let (low, high) = (f32::from(line[column] & 15), f32::from(line[column] >> 4));
                            partial[column] += even * low + odd * high;
                        }
                    }
                    let total: f32 = x.iter().sum();
                    let minima = half_to_single(&self.minima, block);
                    for column in 0..COLUMNS {
                        sums[column] += total * minima[column];
                    }
                }
            }
            for column in 0..COLUMNS {
                sums[column] += partial[column] * scales[column];
            }
        }
    }

    /// The panels in portions that are widened together.
    fn portions(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let panels = self.output.div_ceil(COLUMNS);
        let at_once = (WORDS / (self.pairs() * COLUMNS).max(1)).max(2 * rayon::current_num_threads());
        (0..panels).step_by(at_once).map(move |first| first..panels.min(first + at_once))
    }

    /// The outputs in some panels.
    fn outputs(&self, panels: &Range<usize>) -> Range<usize> {
        panels.start * COLUMNS..self.output.min(panels.end * COLUMNS)
    }

    fn pairs(&self) -> usize {
        self.input.div_ceil(2)
    }

    fn blocks(&self) -> usize {
        self.input.div_ceil(BLOCK)
    }
}

#[inline(always)]
fn widen_eight_bits(lines: &mut [[u32; COLUMNS]], quants: &[u8], scales: &[f32; COLUMNS]) {
    for (line, inputs) in lines.iter_mut().zip(quants.as_chunks::<{ 2 * COLUMNS }>().0) {
        for column in 0..COLUMNS {
            let even = f32::from(inputs[column].cast_signed()) * scales[column];
            let odd = f32::from(inputs[COLUMNS + column].cast_signed()) * scales[column];
            line[column] = word(even, odd);
        }
    }
}

#[inline(always)]
fn widen_four_bits(lines: &mut [[u32; COLUMNS]], quants: &[u8], scales: &[f32; COLUMNS], minima: &[f32; COLUMNS]) {
    for (line, pairs) in lines.iter_mut().zip(quants.as_chunks::<COLUMNS>().0) {
        for column in 0..COLUMNS {
            let even = f32::from(pairs[column] & 15) * scales[column] + minima[column];
            let odd = f32::from(pairs[column] >> 4) * scales[column] + minima[column];
            line[column] = word(even, odd);
        }
    }
}

/// Two finite values as one word of `bf16`, to nearest, ties to even.
#[inline(always)]
fn word(even: f32, odd: f32) -> u32 {
    let round = |value: f32| {
        let bits = value.to_bits();
        bits.wrapping_add(0x7fff + ((bits >> 16) & 1))
    };
    (round(even) >> 16) | (round(odd) & 0xffff_0000)
}

/// Line number `line` of finite half-precision numbers, exactly; without branches, so that it is done in vectors.
#[inline(always)]
fn half_to_single(values: &[f16], line: usize) -> [f32; COLUMNS] {
    /// Makes up for the difference of the exponents' offsets: 2^(127 - 15).
    const SHIFT: f32 = f32::from_bits((127 + 112) << 23);
    let mut singles = [0.0; COLUMNS];
    for (single, value) in singles.iter_mut().zip(&values[line * COLUMNS..][..COLUMNS]) {
        let bits = u32::from(value.to_bits());
        let size = f32::from_bits((bits & 0x7fff) << 13) * SHIFT;
        *single = f32::from_bits(size.to_bits() | (bits & 0x8000) << 16);
    }
    singles
}

#[cfg(test)]
mod tests {
    use super::super::tile::{high, low};
    use super::*;

    #[test]
    fn half_precision_is_widened_exactly() {
        for start in (0..0x7c00u16).step_by(COLUMNS).chain((0x8000..0xfc00).step_by(COLUMNS)) {
            let end = if start < 0x8000 { 0x7bff } else { 0xfbff };
            let values: Vec<f16> = (0..COLUMNS as u16).map(|i| f16::from_bits((start + i).min(end))).collect();
            for (value, single) in values.iter().zip(half_to_single(&values, 0)) {
                assert_eq!(value.to_f32().to_bits(), single.to_bits(), "{value}");
            }
        }
    }

    #[test]
    fn widened_panels_hold_the_rows_rounded_to_bf16() {
        for bits in [Bits::Eight, Bits::Four] {
            let (output, input) = (COLUMNS + 3, 81);
            let matrix = matrix(output, input, bits);
            let pairs = matrix.pairs();
            let mut row = vec![0.0; input];
            for range in [0..pairs, 3..20, 24..41] {
                let mut words = vec![0; range.len() * COLUMNS];
                matrix.widen(1, range.clone(), &mut words);
                for column in 0..3 {
                    matrix.row(COLUMNS + column, &mut row);
                    for pair in range.clone() {
                        let word = words[(pair - range.start) * COLUMNS + column];
                        assert_eq!(low(word), half::bf16::from_f32(row[2 * pair]).to_f32());
                        if let Some(&odd) = row.get(2 * pair + 1) {
                            assert_eq!(high(word), half::bf16::from_f32(odd).to_f32());
                        }
                    }
                }
            }
        }
    }

    /// Exact numbers everywhere: whole quants, scales and activations, so that every sum is exact in `f32`.
    #[test]
    fn products_over_odd_shapes_are_those_of_the_rows() {
        let small = |i: usize| ((i * 31) % 13) as f32 - 6.0;
        let shapes = [(1, 1), (3, 5), (48, 32), (49, 33), (97, 95), (96, 64), (bf16::BLOCK + 50, 70), (500, 2500)];
        for (output, input) in shapes {
            for bits in [Bits::Eight, Bits::Four] {
                let matrix = matrix(output, input, bits);
                let mut weight = vec![0.0; output * input];
                weight.chunks_mut(input).enumerate().for_each(|(index, row)| matrix.row(index, row));
                for rows in [1, 2, 9, 33] {
                    let x: Vec<f32> = (0..rows * input).map(|i| small(i + 3)).collect();
                    let mut y = vec![2.0; rows * output];
                    matrix.forward(&mut y, Into::Add, &x, rows);
                    for (index, &value) in y.iter().enumerate() {
                        let (x, w) =
                            (&x[index / output * input..][..input], &weight[index % output * input..][..input]);
                        let sum: f32 = x.iter().zip(w).map(|(x, w)| x * w).sum();
                        assert_eq!(value, 2.0 + sum, "{bits:?} {output} {input} {rows}");
                    }
                    let mut one = vec![f32::NAN; output];
                    matrix.forward_one(&mut one, &x[..input]);
                    assert!(one.iter().zip(&y).all(|(one, y)| one + 2.0 == *y), "{bits:?} {output} {input}");
                    let dy: Vec<f32> = (0..rows * output).map(|i| small(i + 5)).collect();
                    let mut dx = vec![f32::NAN; rows * input];
                    matrix.backward(&mut dx, Into::Replace, &dy, rows);
                    let mut expected = vec![0.0; rows * input];
                    for (expected, dy) in expected.chunks_mut(input).zip(dy.chunks(output)) {
                        for (dy, w) in dy.iter().zip(weight.chunks(input)) {
                            expected.iter_mut().zip(w).for_each(|(sum, w)| *sum += dy * w);
                        }
                    }
                    assert!(dx == expected, "{bits:?} {output} {input} {rows}");
                }
            }
        }
    }

    /// Small whole numbers as blocks with scales 1 and 2, set in two parts.
    fn matrix(output: usize, input: usize, bits: Bits) -> Quantised {
        let mut matrix = Quantised::zeros(output, input, bits);
        let blocks: Vec<Block> = (0..output * input.div_ceil(BLOCK))
            .map(|index| {
                let quant = |i: usize| ((index * 7919 + i * 31) % 16) as i8;
                let quants = std::array::from_fn(|i| quant(i) - if bits == Bits::Eight { 8 } else { 0 });
                let minimum = if bits == Bits::Eight { 0.0 } else { (index % 5) as f32 - 7.0 };
                Block { scale: f16::from_f32((1 + index % 2) as f32), minimum: f16::from_f32(minimum), quants }
            })
            .collect();
        let half = output / 2 * input.div_ceil(BLOCK);
        matrix.set_blocks(0, &blocks[..half]);
        matrix.set_blocks(output / 2, &blocks[half..]);
        matrix
    }
}
