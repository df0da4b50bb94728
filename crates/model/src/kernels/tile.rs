//! Micro-kernels of the 16-bit product: a tile of the result stays in registers over a run of the inner index.
//!
//! Operands are `bf16` in pairs along the inner index, two in a word, the even one low: what `vdpbf16ps` multiplies
//! and adds to `f32` in one instruction (Intel SDM, AVX512_BF16). A processor without it runs the portable form.
//!
//! Invariant: [`multiply_columns`] checks that every address of the kernels lies inside the slices.
#![allow(unsafe_code, reason = "the instruction has no safe form; bounds are checked in `multiply_columns`")]

use std::ops::Range;

use super::elementwise::dispatch;
use super::matmul::Into;

/// Columns of a panel: three registers of sixteen.
pub(super) const COLUMNS: usize = 48;
/// Rows of a tile: eight times three accumulators leave room for the operands in 32 registers.
pub(super) const ROWS: usize = 8;

/// The left operand: rows of pairs, `stride` words apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) words: &'a [u32],
    pub(super) stride: usize,
}

/// `c = [c +] a b` with `c: [rows, width]`, `a: [rows, pairs]`, and `b` in panels of [`COLUMNS`] columns,
/// `[panel][pair][column]`, of which the last may be padded.
///
/// # Panics
/// If the sizes do not agree: a bug of the caller.
pub(super) fn multiply(c: &mut [f32], width: usize, into: Into, a: Rows<'_>, b: &[u32], pairs: usize) {
    multiply_columns(c, width, 0..width, into, a, b, pairs);
}

/// [`multiply`] for some of the columns of `c`, of which alone `b` has the panels; the others stay as they are.
///
/// # Panics
/// If the sizes do not agree: a bug of the caller.
pub(super) fn multiply_columns(
    c: &mut [f32],
    width: usize,
    columns: Range<usize>,
    into: Into,
    a: Rows<'_>,
    b: &[u32],
    pairs: usize,
) {
    let rows = c.len() / width;
    let panels = columns.len().div_ceil(COLUMNS);
    assert_eq!(c.len(), rows * width, "result");
    assert!(columns.end <= width, "columns");
    assert_eq!(b.len(), panels * pairs * COLUMNS, "panels");
    assert!(rows == 0 || a.words.len() >= (rows - 1) * a.stride + pairs, "left operand");
    let native = native();
    for (panel, b) in b.chunks_exact(pairs * COLUMNS).enumerate() {
        let first = columns.start + panel * COLUMNS;
        let columns = COLUMNS.min(columns.end - first);
        for row in (0..rows).step_by(ROWS) {
            let tile = Tile {
                c: &mut c[row * width + first..],
                width,
                columns,
                add: into == Into::Add,
                a: Rows { words: &a.words[row * a.stride..], stride: a.stride },
                b,
                pairs,
            };
            let rows = ROWS.min(rows - row);
            if native {
                #[cfg(target_arch = "x86_64")]
                tile.native(rows);
            } else {
                dispatch(
                    #[inline(always)]
                    || tile.portable(rows),
                );
            }
        }
    }
}

/// Whether this processor has the instruction.
pub(super) fn native() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

struct Tile<'a> {
    c: &'a mut [f32],
    width: usize,
    columns: usize,
    add: bool,
    a: Rows<'a>,
    b: &'a [u32],
    pairs: usize,
}

impl Tile<'_> {
    #[cfg(target_arch = "x86_64")]
    fn native(self, rows: usize) {
        // SAFETY: `native()` was asked; `multiply_columns` has checked that `rows` rows of `columns` columns lie in `c`, `rows`
        // rows of `pairs` words in `a`, and `pairs` times COLUMNS words in `b`.
        unsafe {
            match rows {
                1 => self.avx512::<1>(),
                2 => self.avx512::<2>(),
                3 => self.avx512::<3>(),
                4 => self.avx512::<4>(),
                5 => self.avx512::<5>(),
                6 => self.avx512::<6>(),
                7 => self.avx512::<7>(),
                _ => self.avx512::<ROWS>(),
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn avx512<const R: usize>(self) {
        use std::arch::x86_64::*;
        use std::mem::transmute;

        let mut sums = [[_mm512_setzero_ps(); 3]; R];
        // SAFETY: the caller's promise: all offsets below are smaller than the sizes that it checked.
        unsafe {
            // one address for each row: to compute it anew would take as many instructions as the arithmetic
            let rows: [*const u32; R] = std::array::from_fn(|row| self.a.words.as_ptr().add(row * self.a.stride));
            let mut b = self.b.as_ptr();
            for pair in 0..self.pairs {
                let right: [__m512bh; 3] = [0, 1, 2].map(|part| transmute(_mm512_loadu_si512(b.add(16 * part).cast())));
                for (sums, row) in sums.iter_mut().zip(&rows) {
                    let word = row.add(pair).read().cast_signed();
                    let left: __m512bh = transmute(_mm512_set1_epi32(word));
                    for (sum, &right) in sums.iter_mut().zip(&right) {
                        *sum = _mm512_dpbf16_ps(*sum, left, right);
                    }
                }
                b = b.add(COLUMNS);
            }
            for (row, sums) in sums.iter().enumerate() {
                for (part, &sum) in sums.iter().enumerate() {
                    let columns = self.columns.saturating_sub(16 * part).min(16);
                    let mask = ((1u32 << columns) - 1) as __mmask16;
                    let place = self.c.as_mut_ptr().wrapping_add(row * self.width + 16 * part);
                    let old = if self.add { _mm512_maskz_loadu_ps(mask, place) } else { _mm512_setzero_ps() };
                    _mm512_mask_storeu_ps(place, mask, _mm512_add_ps(old, sum));
                }
            }
        }
    }

    /// The same sums; the instruction rounds between the two products of a pair, this does not.
    #[inline(always)]
    fn portable(self, rows: usize) {
        for row in 0..rows {
            let mut sums = [0.0f32; COLUMNS];
            let a = &self.a.words[row * self.a.stride..][..self.pairs];
            for (&pair, b) in a.iter().zip(self.b.as_chunks::<COLUMNS>().0) {
                let (even, odd) = (low(pair), high(pair));
                for (sum, &word) in sums.iter_mut().zip(b) {
                    *sum += even * low(word) + odd * high(word);
                }
            }
            let line = &mut self.c[row * self.width..][..self.columns];
            for (c, sum) in line.iter_mut().zip(sums) {
                *c = if self.add { *c + sum } else { sum };
            }
        }
    }
}

#[inline(always)]
pub(super) fn low(word: u32) -> f32 {
    f32::from_bits(word << 16)
}

#[inline(always)]
pub(super) fn high(word: u32) -> f32 {
    f32::from_bits(word & 0xffff_0000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[rows, pairs]` of small whole numbers: every form sums them without rounding.
    fn operand(count: usize, salt: usize) -> Vec<u32> {
        let number = |i: usize| ((i * 7919 + salt) % 17) as f32 - 8.0;
        (0..count).map(|i| (number(2 * i).to_bits() >> 16) | (number(2 * i + 1).to_bits() & 0xffff_0000)).collect()
    }

    #[test]
    fn every_tile_gives_the_sum_over_the_pairs() {
        let (pairs, stride) = (5, 7);
        for rows in [1, 2, 3, 4, 5, 6, 7, 8, 9, 17] {
            for width in [1usize, 15, 16, 17, 47, 48, 49, 100] {
                let panels = width.div_ceil(COLUMNS);
                let (a, b) = (operand(rows * stride, 1), operand(panels * pairs * COLUMNS, 2));
                let words = Rows { words: &a, stride };
                let mut c = vec![1.0; rows * width];
                multiply(&mut c, width, Into::Add, words, &b, pairs);
                for row in 0..rows {
                    for column in 0..width {
                        let at = |pair: usize| b[(column / COLUMNS * pairs + pair) * COLUMNS + column % COLUMNS];
                        let sum: f32 = (0..pairs)
                            .map(|pair| (a[row * stride + pair], at(pair)))
                            .map(|(a, b)| low(a) * low(b) + high(a) * high(b))
                            .sum();
                        assert_eq!(c[row * width + column], 1.0 + sum, "{rows} {width} {row} {column}");
                    }
                }
                let mut replaced = vec![f32::NAN; rows * width];
                multiply(&mut replaced, width, Into::Replace, words, &b, pairs);
                assert!(replaced.iter().zip(&c).all(|(new, old)| new + 1.0 == *old));
            }
        }
    }

    #[test]
    fn the_portable_form_gives_the_same() {
        let (pairs, width, rows) = (9, 61, 8);
        let (a, b) = (operand(rows * pairs, 3), operand(2 * pairs * COLUMNS, 4));
        let words = Rows { words: &a, stride: pairs };
        let mut expected = vec![0.0; rows * width];
        multiply(&mut expected, width, Into::Replace, words, &b, pairs);
        let mut c = vec![0.0; rows * width];
        for (panel, b) in b.chunks_exact(pairs * COLUMNS).enumerate() {
            let first = panel * COLUMNS;
            let columns = COLUMNS.min(width - first);
            Tile { c: &mut c[first..], width, columns, add: false, a: words, b, pairs }.portable(rows);
        }
        assert_eq!(c, expected);
    }
}
