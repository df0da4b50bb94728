//! A frozen weight in `bf16`, packed once for the product forwards; the product backwards repacks it block by block.
//!
//! Repacking costs about a third of a cycle a weight, against `rows / 32` cycles of arithmetic: a second copy packed
//! for the backward would double the memory to save some per cent of the time.
//!
//! Invariant: padding is zero, so sums over it change nothing.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::elementwise::dispatch;
use super::matmul::Into;
use super::tile::{COLUMNS, ROWS, Rows, high, low, multiply};
use super::transpose::transpose;

/// Outputs that the backward repacks at a time, a multiple of [`COLUMNS`]: with 576 inputs 2.3 MB, which stays in the cache.
pub(crate) const BLOCK: usize = 42 * COLUMNS;

/// A matrix `[output, input]` as panels of [`COLUMNS`] outputs: `[panel][pair of inputs][output]`.
pub(super) struct Panels {
    words: Vec<u32>,
    output: usize,
    input: usize,
}

impl Panels {
    /// Room for a matrix, all zeros.
    pub(super) fn zeros(output: usize, input: usize) -> Self {
        Self { words: vec![0; output.div_ceil(COLUMNS) * input.div_ceil(2) * COLUMNS], output, input }
    }

    /// Rounds `rows`, whole rows from row `first` on, into their places.
    pub(super) fn set_rows(&mut self, first: usize, rows: &[f32]) {
        let pairs = self.pairs();
        for (row, values) in rows.chunks_exact(self.input).enumerate() {
            let (panel, column) = ((first + row) / COLUMNS, (first + row) % COLUMNS);
            let panel = &mut self.words[panel * pairs * COLUMNS..][..pairs * COLUMNS];
            for (pair, line) in values.chunks(2).zip(panel.chunks_exact_mut(COLUMNS)) {
                line[column] = word(pair[0], pair.get(1).copied().unwrap_or(0.0));
            }
        }
    }

    /// Row `index` as `f32`.
    pub(super) fn row(&self, index: usize, row: &mut [f32]) {
        let pairs = self.pairs();
        let panel = &self.words[index / COLUMNS * pairs * COLUMNS..][..pairs * COLUMNS];
        for (values, line) in row.chunks_mut(2).zip(panel.chunks_exact(COLUMNS)) {
            let word = line[index % COLUMNS];
            values[0] = low(word);
            if let Some(odd) = values.get_mut(1) {
                *odd = high(word);
            }
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        4 * self.words.len()
    }

    fn pairs(&self) -> usize {
        self.input.div_ceil(2)
    }

    /// `y = [y +] x Wᵀ`.
    pub(super) fn forward(&self, y: &mut [f32], into: Into, x: &[f32], rows: usize) {
        let pairs = self.pairs();
        let x = Pairs::round(x, rows);
        if rows == 1 {
            // One row (generation): threads share the panels.
            let panel = pairs * COLUMNS;
            y.par_chunks_mut(COLUMNS).zip(self.words.par_chunks(panel)).with_min_len(8).for_each(|(y, b)| {
                let width = y.len();
                multiply(y, width, into, x.rows(0, 0), b, pairs);
            });
            return;
        }
        by_rows(y, self.output, |y, first| multiply(y, self.output, into, x.rows(first, 0), &self.words, pairs));
    }

    /// `dx = [dx +] dy W`.
    pub(super) fn backward(&self, dx: &mut [f32], into: Into, dy: &[f32], rows: usize) {
        let dy = Pairs::round(dy, rows);
        let mut packed = PACKED.take();
        for first in (0..self.output).step_by(BLOCK) {
            let outputs = BLOCK.min(self.output - first);
            let pairs = outputs.div_ceil(2);
            self.repack(&mut packed, first, outputs);
            let into = if first == 0 { into } else { Into::Add };
            by_rows(dx, self.input, |dx, row| multiply(dx, self.input, into, dy.rows(row, first / 2), &packed, pairs));
        }
        PACKED.set(packed);
    }

    /// The outputs from `first` on as panels of inputs: `[panel of inputs][pair of outputs][input]`.
    fn repack(&self, packed: &mut Vec<u32>, first: usize, outputs: usize) {
        let (pairs, block_pairs) = (self.pairs(), outputs.div_ceil(2));
        packed.resize(self.input.div_ceil(COLUMNS) * block_pairs * COLUMNS, 0);
        let source = &self.words[first / COLUMNS * pairs * COLUMNS..];
        packed.par_chunks_mut(block_pairs * COLUMNS).enumerate().for_each(|(target, packed)| {
            let from = target * COLUMNS / 2;
            let count = (COLUMNS / 2).min(pairs - from);
            let lines = packed.chunks_mut(COLUMNS / 2 * COLUMNS);
            for (lines, source) in lines.zip(source.chunks_exact(pairs * COLUMNS)) {
                transpose(lines, &source[from * COLUMNS..][..count * COLUMNS]);
            }
        });
    }
}

/// Shares the rows of a result out to the threads: `work` gets rows and the number of the first.
pub(super) fn by_rows(result: &mut [f32], width: usize, work: impl Fn(&mut [f32], usize) + Sync) {
    let rows = result.len() / width;
    let per_thread = rows.div_ceil(rayon::current_num_threads()).next_multiple_of(ROWS);
    result.par_chunks_mut(per_thread * width).enumerate().for_each(|(part, result)| work(result, part * per_thread));
}

/// Buffers of products that are over, for the next: megabytes fresh from the system each time cost page faults. They belong to
/// the process and not to a thread, or each thread that ever ran a pass would keep its own.
pub(super) struct Spare(Mutex<Vec<Vec<u32>>>);

static ROUNDED: Spare = Spare::new();
pub(super) static PACKED: Spare = Spare::new();

impl Spare {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(super) fn take(&self) -> Vec<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(super) fn set(&self, buffer: Vec<u32>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// Activations in pairs along their width.
pub(super) struct Pairs {
    words: Vec<u32>,
    stride: usize,
}

impl Drop for Pairs {
    fn drop(&mut self) {
        ROUNDED.set(std::mem::take(&mut self.words));
    }
}

impl Pairs {
    pub(super) fn round(values: &[f32], rows: usize) -> Self {
        let width = values.len() / rows.max(1);
        let stride = width.div_ceil(2);
        let mut words = ROUNDED.take();
        words.resize(rows * stride, 0);
        words.par_chunks_mut(stride).zip(values.par_chunks(width)).with_min_len(8).for_each(|(words, values)| {
            dispatch(
                #[inline(always)]
                || {
                    let (pairs, rest) = values.as_chunks::<2>();
                    for (to, pair) in words.iter_mut().zip(pairs) {
                        *to = word(pair[0], pair[1]);
                    }
                    if let (Some(last), [value]) = (words.last_mut(), rest) {
                        *last = word(*value, 0.0);
                    }
                },
            );
        });
        Self { words, stride }
    }

    /// The rows from `row` on, without the first `skipped` pairs.
    pub(super) fn rows(&self, row: usize, skipped: usize) -> Rows<'_> {
        Rows { words: &self.words[row * self.stride + skipped..], stride: self.stride }
    }
}

/// Two values as one word, each rounded to the nearest `bf16`, ties to even; NaN stays NaN.
#[inline(always)]
fn word(even: f32, odd: f32) -> u32 {
    (round(even) >> 16) | (round(odd) & 0xffff_0000)
}

#[inline(always)]
fn round(value: f32) -> u32 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    if value.is_nan() { 0x7fc0_0000 } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_nearest_even_and_keeps_what_is_not_finite() {
        for value in
            [0.0f32, -0.0, 1.0, 1.003_906_2, 1.011_718_8, -3.15, 1e-40, 3.4e38, f32::INFINITY, f32::NEG_INFINITY]
        {
            let expected = half::bf16::from_f32(value).to_f32();
            assert_eq!(low(word(value, 0.0)).to_bits(), expected.to_bits(), "{value}");
            assert_eq!(high(word(0.0, value)).to_bits(), expected.to_bits(), "{value}");
        }
        assert!(low(word(f32::NAN, 0.0)).is_nan() && high(word(0.0, -f32::NAN)).is_nan());
    }

    #[test]
    fn rows_come_back_and_products_agree_both_ways() {
        let small = |i: usize| ((i * 31) % 13) as f32 - 6.0;
        for (output, input) in [(1, 1), (3, 5), (48, 48), (50, 97), (96, 7), (BLOCK + 50, 9)] {
            let weight: Vec<f32> = (0..output * input).map(small).collect();
            let mut panels = Panels::zeros(output, input);
            panels.set_rows(0, &weight[..output / 2 * input]);
            panels.set_rows(output / 2, &weight[output / 2 * input..]);
            let mut row = vec![0.0; input];
            for (index, expected) in weight.chunks(input).enumerate() {
                panels.row(index, &mut row);
                assert_eq!(row, expected);
            }
            for rows in [1, 2, 9, 33] {
                let x: Vec<f32> = (0..rows * input).map(|i| small(i + 3)).collect();
                let mut y = vec![2.0; rows * output];
                panels.forward(&mut y, Into::Add, &x, rows);
                for (index, &value) in y.iter().enumerate() {
                    let (x, w) = (&x[index / output * input..][..input], &weight[index % output * input..][..input]);
                    assert_eq!(value, 2.0 + x.iter().zip(w).map(|(x, w)| x * w).sum::<f32>());
                }
                let dy: Vec<f32> = (0..rows * output).map(|i| small(i + 5)).collect();
                let mut dx = vec![f32::NAN; rows * input];
                panels.backward(&mut dx, Into::Replace, &dy, rows);
                for (index, &value) in dx.iter().enumerate() {
                    let (row, column) = (index / input, index % input);
                    let sum: f32 = (0..output).map(|o| dy[row * output + o] * weight[o * input + column]).sum();
                    assert_eq!(value, sum, "{output} {input} {rows}");
                }
            }
        }
    }
}
