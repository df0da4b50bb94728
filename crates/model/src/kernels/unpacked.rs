//! Products in `f32` with a frozen weight as it lies in memory: it is read by the micro-kernel itself, and never packed.
//!
//! A general product (`matmul`) packs both operands first, which takes a weight of a training pass about as many cycles as
//! a seventh of the arithmetic. Here `W: [output, input]`, row-major, is the operand that is broadcast in the product forwards,
//! against the transposed activations, and the one that is loaded in registers in the product backwards; only activations are
//! rearranged. Processors without AVX-512 take the general product.
//!
//! Invariants: every element is summed over the inner index in an order that follows from the weight's shape alone, so that
//! a row's result does not depend on its company; `tile` checks that every address of the kernel lies inside the slices.
#![allow(unsafe_code, reason = "vector instructions have no safe form; bounds are checked in `tile`")]

use std::cell::Cell;

use rayon::prelude::*;

use super::matmul::{self, Into, Threads, View, ViewMut};

/// Lanes of a register.
const LANES: usize = 16;
/// Columns of a tile: three registers.
const COLUMNS: usize = 3 * LANES;
/// Rows of a tile: eight times three accumulators leave room for the operands in 32 registers.
const ROWS: usize = 8;
/// Inner indices at a time: what a strip of [`COLUMNS`] has of them stays in the second-level cache.
const INNER: usize = 1536;
/// Inner indices that are summed in one go. The sums of runs are added up: rounding errors grow with the root of a sum's
/// length, and one sum over 1536 indices left logits twice as far from those in 64 bits as this does.
const RUN: usize = 128;
/// Rows of the weight that stay in the last-level cache while all activations pass.
const BLOCK: usize = 64 * ROWS;
/// Rows of the weight that a thread takes at a time for a single row of activations.
const BLOCK_OF_ONE: usize = 8 * ROWS;

/// A matrix `[output, input]`, row-major.
#[derive(Clone, Copy)]
pub(super) struct Weight<'a> {
    pub(super) values: &'a [f32],
    pub(super) output: usize,
    pub(super) input: usize,
}

impl Weight<'_> {
    /// `y = [y +] x Wᵀ` with `x: [rows, input]`, `y: [rows, output]`.
    pub(super) fn forward(self, y: &mut [f32], into: Into, x: &[f32], rows: usize) {
        if !self.suits() {
            let (left, right) = (View::new(x, rows, self.input), self.view().transposed());
            return matmul::multiply(ViewMut::new(y, rows, self.output), into, 1.0, left, right, Threads::Pool);
        }
        if rows == 1 {
            // One row (generation): threads share the rows of the weight.
            let parts = self.values.par_chunks(BLOCK_OF_ONE * self.input);
            return y.par_chunks_mut(BLOCK_OF_ONE).zip(parts).for_each(|(y, values)| {
                Weight { values, output: y.len(), ..self }.forward_share(y, into, x);
            });
        }
        let share = share(rows);
        y.par_chunks_mut(share * self.output).zip(x.par_chunks(share * self.input)).for_each(|(y, x)| {
            self.forward_share(y, into, x);
        });
    }

    /// `dx = [dx +] dy W`: the backward of [`Weight::forward`] towards its input.
    pub(super) fn backward(self, dx: &mut [f32], into: Into, dy: &[f32], rows: usize) {
        if !self.suits() {
            let left = View::new(dy, rows, self.output);
            return matmul::multiply(ViewMut::new(dx, rows, self.input), into, 1.0, left, self.view(), Threads::Pool);
        }
        let share = share(rows);
        dx.par_chunks_mut(share * self.input).zip(dy.par_chunks(share * self.output)).for_each(|(dx, dy)| {
            self.backward_share(dx, into, dy);
        });
    }

    /// Whether the micro-kernel can take it.
    fn suits(&self) -> bool {
        native() && self.input.is_multiple_of(LANES)
    }

    fn view(&self) -> View<'_> {
        View::new(self.values, self.output, self.input)
    }

    /// Computes the transpose of `y`, tile by tile: rows of the weight against columns of activations.
    fn forward_share(self, y: &mut [f32], into: Into, x: &[f32]) {
        let Self { values, output, input } = self;
        let rows = x.len() / input;
        let mut columns = TRANSPOSED.take();
        columns.resize(rows.next_multiple_of(LANES) * input, 0.0);
        for first in (0..rows).step_by(COLUMNS) {
            let strip = &x[first * input..][..COLUMNS.min(rows - first) * input];
            transpose(&mut columns[first * input..], strip, input);
        }
        for inner in ranges(input, INNER) {
            let into = if inner.start == 0 { into } else { Into::Add };
            for block in ranges(output, BLOCK) {
                for strip in ranges(rows, COLUMNS) {
                    let width = strip.len().next_multiple_of(LANES);
                    let b = Operand { data: &columns[strip.start * input + inner.start * width..], stride: width };
                    for first in block.clone().step_by(ROWS) {
                        let a = Operand { data: &values[first * input + inner.start..], stride: input };
                        let to = Target { data: &mut y[strip.start * output + first..], stride: output, into };
                        tile(to, Form::Transposed, a, b, (ROWS.min(block.end - first), inner.len(), strip.len()));
                    }
                }
            }
        }
        TRANSPOSED.set(columns);
    }

    fn backward_share(self, dx: &mut [f32], into: Into, dy: &[f32]) {
        let Self { values, output, input } = self;
        let rows = dx.len() / input;
        for inner in ranges(output, INNER) {
            let into = if inner.start == 0 { into } else { Into::Add };
            for strip in ranges(input, COLUMNS) {
                let b = Operand { data: &values[inner.start * input + strip.start..], stride: input };
                for first in (0..rows).step_by(ROWS) {
                    let a = Operand { data: &dy[first * output + inner.start..], stride: output };
                    let to = Target { data: &mut dx[first * input + strip.start..], stride: input, into };
                    tile(to, Form::Plain, a, b, (ROWS.min(rows - first), inner.len(), strip.len()));
                }
            }
        }
    }
}

thread_local! {
    /// Memory of the last product on this thread, for the next.
    static TRANSPOSED: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Rows that a thread gets.
fn share(rows: usize) -> usize {
    rows.div_ceil(rayon::current_num_threads()).next_multiple_of(LANES)
}

/// `0..end` in pieces of `size`, the last one shorter.
fn ranges(end: usize, size: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..end).step_by(size).map(move |start| start..end.min(start + size))
}

/// Whether this processor has the instructions.
fn native() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Rows that are read, `stride` apart.
#[derive(Clone, Copy)]
struct Operand<'a> {
    data: &'a [f32],
    stride: usize,
}

/// Rows that are written, `stride` apart.
struct Target<'a> {
    data: &'a mut [f32],
    stride: usize,
    into: Into,
}

/// How a tile lies in its target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Transposed,
}

/// `to = [to +] a b`, or the transpose of `a b`, for `a: [rows, inner]` and `b: [inner, columns]`. Whole registers are read from
/// `b`.
fn tile(to: Target<'_>, form: Form, a: Operand<'_>, b: Operand<'_>, size: (usize, usize, usize)) {
    let (rows, inner, columns) = size;
    let parts = columns.div_ceil(LANES);
    let (height, width) = if form == Form::Plain { (rows, columns) } else { (columns, rows) };
    assert!((1..=ROWS).contains(&rows) && (1..=COLUMNS).contains(&columns) && inner > 0, "tile");
    assert!(to.data.len() >= (height - 1) * to.stride + width, "target");
    assert!(a.data.len() >= (rows - 1) * a.stride + inner, "left operand");
    assert!(b.data.len() >= (inner - 1) * b.stride + parts * LANES, "right operand");
    #[cfg(target_arch = "x86_64")]
    // SAFETY: only reached where `native()` holds; the sizes were checked above.
    unsafe {
        macro_rules! choose {
            ($($r:literal)*) => {
                match (rows, parts) {
                    $(($r, 1) => avx512::tile::<$r, 1>(to, form, a, b, inner, columns),
                      ($r, 2) => avx512::tile::<$r, 2>(to, form, a, b, inner, columns),
                      ($r, _) => avx512::tile::<$r, 3>(to, form, a, b, inner, columns),)*
                    _ => unreachable!("rows of a tile"),
                }
            };
        }
        choose!(1 2 3 4 5 6 7 8);
    }
}

/// `to: [width, columns] = fromᵀ` for `from: [rows, width]`; columns are padded by zeros to a multiple of [`LANES`].
fn transpose(to: &mut [f32], from: &[f32], width: usize) {
    let rows = from.len() / width;
    let columns = rows.next_multiple_of(LANES);
    assert!(rows * width == from.len() && to.len() >= columns * width && width.is_multiple_of(LANES), "transposed");
    #[cfg(target_arch = "x86_64")]
    // SAFETY: only reached where `native()` holds; the sizes were checked above.
    unsafe {
        avx512::transpose(to, from, rows, width);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    use super::super::matmul::Into;
    use super::{Form, LANES, Operand, RUN, Target, ranges};

    /// # Safety
    /// AVX-512; sizes as `super::tile` checks them.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn tile<const R: usize, const P: usize>(
        to: Target<'_>,
        form: Form,
        a: Operand<'_>,
        b: Operand<'_>,
        inner: usize,
        columns: usize,
    ) {
        let mut totals = [[_mm512_setzero_ps(); P]; R];
        // SAFETY: the caller's promise: all offsets below are smaller than the sizes that it checked.
        unsafe {
            let lefts: [*const f32; R] = std::array::from_fn(|row| a.data.as_ptr().add(row * a.stride));
            let mut right = b.data.as_ptr();
            for run in ranges(inner, RUN) {
                let mut sums = [[_mm512_setzero_ps(); P]; R];
                for index in run {
                    let mut line = [_mm512_setzero_ps(); P];
                    for (part, line) in line.iter_mut().enumerate() {
                        *line = _mm512_loadu_ps(right.add(LANES * part));
                    }
                    for (sums, left) in sums.iter_mut().zip(&lefts) {
                        let value = _mm512_set1_ps(*left.add(index));
                        for (sum, &line) in sums.iter_mut().zip(&line) {
                            *sum = _mm512_fmadd_ps(value, line, *sum);
                        }
                    }
                    right = right.wrapping_add(b.stride);
                }
                for (total, sum) in totals.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                    *total = _mm512_add_ps(*total, *sum);
                }
            }
            let add = to.into == Into::Add;
            for part in 0..P {
                let count = (columns - LANES * part).min(LANES);
                if form == Form::Plain {
                    for (row, totals) in totals.iter().enumerate() {
                        store(to.data.as_mut_ptr().add(row * to.stride + LANES * part), mask(count), totals[part], add);
                    }
                } else {
                    let mut block = [_mm512_setzero_ps(); LANES];
                    for (line, totals) in block.iter_mut().zip(&totals) {
                        *line = totals[part];
                    }
                    for (column, line) in transposed(block).into_iter().enumerate().take(count) {
                        let place = to.data.as_mut_ptr().add((LANES * part + column) * to.stride);
                        store(place, mask(R), line, add);
                    }
                }
            }
        }
    }

    /// # Safety
    /// AVX-512; sizes as `super::transpose` checks them.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn transpose(to: &mut [f32], from: &[f32], rows: usize, width: usize) {
        let columns = rows.next_multiple_of(LANES);
        for first in (0..rows).step_by(LANES) {
            for start in (0..width).step_by(LANES) {
                let mut block = [_mm512_setzero_ps(); LANES];
                for (row, line) in block.iter_mut().enumerate().take(rows - first) {
                    // SAFETY: the caller's promise.
                    *line = unsafe { _mm512_loadu_ps(from.as_ptr().add((first + row) * width + start)) };
                }
                for (line, column) in transposed(block).into_iter().enumerate() {
                    // SAFETY: the caller's promise.
                    unsafe { _mm512_storeu_ps(to.as_mut_ptr().add((start + line) * columns + first), column) };
                }
            }
        }
    }

    fn mask(count: usize) -> __mmask16 {
        ((1u32 << count) - 1) as __mmask16
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn store(place: *mut f32, mask: __mmask16, value: __m512, add: bool) {
        // SAFETY: the caller's promise: what the mask lets through lies in its target.
        unsafe {
            let old = if add { _mm512_maskz_loadu_ps(mask, place) } else { _mm512_setzero_ps() };
            _mm512_mask_storeu_ps(place, mask, _mm512_add_ps(old, value));
        }
    }

    /// Rows and columns of 16 registers exchanged.
    #[target_feature(enable = "avx512f")]
    fn transposed(rows: [__m512; LANES]) -> [__m512; LANES] {
        // four rows to quarters that hold one column of them each: quarter `q` of register `j` has column `4 q + j`
        let mut fours = [_mm512_setzero_ps(); LANES];
        for (rows, fours) in rows.as_chunks::<4>().0.iter().zip(fours.as_chunks_mut::<4>().0) {
            let pair = |a, b| (_mm512_castps_pd(_mm512_unpacklo_ps(a, b)), _mm512_castps_pd(_mm512_unpackhi_ps(a, b)));
            let ((low, high), (low_2, high_2)) = (pair(rows[0], rows[1]), pair(rows[2], rows[3]));
            *fours = [
                _mm512_castpd_ps(_mm512_unpacklo_pd(low, low_2)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(low, low_2)),
                _mm512_castpd_ps(_mm512_unpacklo_pd(high, high_2)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(high, high_2)),
            ];
        }
        // the quarters of one column from all rows
        let mut columns = [_mm512_setzero_ps(); LANES];
        for j in 0..4 {
            let (a, b, c, d) = (fours[j], fours[4 + j], fours[8 + j], fours[12 + j]);
            let (low, low_2) = (_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0x44>(c, d));
            let (high, high_2) = (_mm512_shuffle_f32x4::<0xee>(a, b), _mm512_shuffle_f32x4::<0xee>(c, d));
            columns[j] = _mm512_shuffle_f32x4::<0x88>(low, low_2);
            columns[4 + j] = _mm512_shuffle_f32x4::<0xdd>(low, low_2);
            columns[8 + j] = _mm512_shuffle_f32x4::<0x88>(high, high_2);
            columns[12 + j] = _mm512_shuffle_f32x4::<0xdd>(high, high_2);
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers: every order of summation gives the same.
    fn numbers(count: usize, salt: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + salt * 31) % 17) as f32 - 8.0).collect()
    }

    #[test]
    fn products_equal_the_plain_sums() {
        for (output, input) in [(1, 16), (7, 48), (8, 64), (19, 112), (BLOCK + 9, 32), (INNER + 3, 16), (5, INNER + 32)]
        {
            let values = numbers(output * input, 1);
            let weight = Weight { values: &values, output, input };
            for rows in [1, 2, 8, 15, 16, 33, 49, 70] {
                let x = numbers(rows * input, 2);
                let mut y = vec![3.0; rows * output];
                weight.forward(&mut y, Into::Add, &x, rows);
                for (index, &value) in y.iter().enumerate() {
                    let (x, w) = (&x[index / output * input..][..input], &values[index % output * input..][..input]);
                    let sum: f32 = x.iter().zip(w).map(|(x, w)| x * w).sum();
                    assert_eq!(value, 3.0 + sum, "{output} {input} {rows}");
                }
                let dy = numbers(rows * output, 3);
                let mut dx = vec![f32::NAN; rows * input];
                weight.backward(&mut dx, Into::Replace, &dy, rows);
                for (index, &value) in dx.iter().enumerate() {
                    let (row, column) = (index / input, index % input);
                    let sum: f32 = (0..output).map(|o| dy[row * output + o] * values[o * input + column]).sum();
                    assert_eq!(value, sum, "{output} {input} {rows}");
                }
            }
        }
    }

    #[test]
    fn a_row_has_the_same_bits_in_any_company() {
        if !native() {
            return; // the general product, which takes the place of the micro-kernel, promises no such thing
        }
        let (output, input, rows) = (130, 96, 75);
        let number = |i: usize| (i as f32 * 0.37).sin();
        let (values, x): (Vec<f32>, Vec<f32>) =
            ((0..output * input).map(number).collect(), (0..rows * input).map(number).collect());
        let weight = Weight { values: &values, output, input };
        let mut all = vec![0.0; rows * output];
        weight.forward(&mut all, Into::Replace, &x, rows);
        for (first, count) in [(0, 1), (0, 2), (3, 17), (40, 35)] {
            let mut some = vec![0.0; count * output];
            weight.forward(&mut some, Into::Replace, &x[first * input..][..count * input], count);
            assert_eq!(some, all[first * output..][..count * output]);
            let dy = &all[first * output..][..count * output];
            let (mut alone, mut together) = (vec![0.0; count * input], vec![0.0; rows * input]);
            weight.backward(&mut alone, Into::Replace, dy, count);
            weight.backward(&mut together, Into::Replace, &all, rows);
            assert_eq!(alone, together[first * input..][..count * input]);
        }
    }
}
