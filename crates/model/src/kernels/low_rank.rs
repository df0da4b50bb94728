//! Products with a matrix of few rows (the rank), on one thread: too thin for a general matrix product to be fast.
//!
//! The thin matrix `w: [rank, width]` stays in the first-level cache while wide rows stream past it once. Ranks are
//! taken in groups of 8, 4, 2 and 1, whose sums stay in registers.

use pulp::{Arch, Simd, WithSimd};

/// `thin[t, r] = factor * wide[t, :] · w[r, :]`, for `wide: [rows, width]`, `thin: [rows, rank]`.
pub(super) fn reduce(thin: &mut [f32], wide: &[f32], w: &[f32], rank: usize, factor: f32) {
    Arch::new().dispatch(Reduce { thin, wide, w, rank, factor });
}

/// `wide[t, :] += factor * sum_r thin[t, r] w[r, :]`.
pub(super) fn expand(wide: &mut [f32], thin: &[f32], w: &[f32], rank: usize, factor: f32) {
    Arch::new().dispatch(Expand { wide, thin, w, rank, factor });
}

/// `out[r, :] += factor * sum_t thin[t, r] wide[t, :]`, for `out: [rank, width]`.
pub(super) fn outer(out: &mut [f32], thin: &[f32], wide: &[f32], rank: usize, factor: f32) {
    Arch::new().dispatch(Outer { out, thin, wide, rank, factor });
}

/// `to: [columns, rows] += from: [rows, columns]`, transposed.
pub(super) fn add_transposed(to: &mut [f32], from: &[f32], rows: usize) {
    let columns = from.len() / rows;
    for (column, to) in to.chunks_exact_mut(rows).enumerate() {
        to.iter_mut().zip(from[column..].iter().step_by(columns)).for_each(|(to, &from)| *to += from);
    }
}

/// Calls a function for a group of 8, 4, 2 or 1 ranks.
macro_rules! by_group {
    ($group:expr, $function:ident $(, $tokens:expr)?; $($argument:expr),*) => {
        match $group {
            8 => $function::<S, 8 $(, { $tokens })?>($($argument),*),
            4 => $function::<S, 4 $(, { $tokens })?>($($argument),*),
            2 => $function::<S, 2 $(, { $tokens })?>($($argument),*),
            _ => $function::<S, 1 $(, { $tokens })?>($($argument),*),
        }
    };
}

/// Rows of the wide matrix at a time; of two, at most one is left over.
const TOKENS: usize = 2;

struct Reduce<'a> {
    thin: &'a mut [f32],
    wide: &'a [f32],
    w: &'a [f32],
    rank: usize,
    factor: f32,
}

impl WithSimd for Reduce<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { thin, wide, w, rank, factor } = self;
        let width = w.len() / rank;
        for (first, group) in groups(rank) {
            let w = &w[first * width..][..group * width];
            for (thin, wide) in thin.chunks_mut(TOKENS * rank).zip(wide.chunks(TOKENS * width)) {
                let thin = &mut thin[first..];
                if wide.len() == TOKENS * width {
                    by_group!(group, reduce_rows, TOKENS; simd, thin, wide, w, rank, factor);
                } else {
                    by_group!(group, reduce_rows, 1; simd, thin, wide, w, rank, factor);
                }
            }
        }
    }
}

/// `R` ranks of `T` rows: a register of `w` serves every row, and without that the loads would take longer than the sums.
#[inline(always)]
fn reduce_rows<S: Simd, const R: usize, const T: usize>(
    simd: S,
    thin: &mut [f32],
    wide: &[f32],
    w: &[f32],
    rank: usize,
    factor: f32,
) {
    let width = w.len() / R;
    let (rows, rests) = registers::<S, R>(w, width);
    let (lines, tails) = registers::<S, T>(wide, width);
    let length = width / (size_of::<S::f32s>() / size_of::<f32>());
    let (rows, lines) = (cut(&rows, length), cut(&lines, length));
    let mut sums = [[simd.splat_f32s(0.0); R]; T];
    for index in 0..length {
        for r in 0..R {
            for t in 0..T {
                sums[t][r] = simd.mul_add_e_f32s(lines[t][index], rows[r][index], sums[t][r]);
            }
        }
    }
    for t in 0..T {
        for r in 0..R {
            let mut sum = simd.reduce_sum_f32s(sums[t][r]);
            for (&x, &w) in tails[t].iter().zip(rests[r]) {
                sum += x * w;
            }
            thin[t * rank + r] = factor * sum;
        }
    }
}

struct Expand<'a> {
    wide: &'a mut [f32],
    thin: &'a [f32],
    w: &'a [f32],
    rank: usize,
    factor: f32,
}

impl WithSimd for Expand<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { wide, thin, w, rank, factor } = self;
        let width = w.len() / rank;
        for (first, group) in groups(rank) {
            let w = &w[first * width..][..group * width];
            for (wide, thin) in wide.chunks_mut(TOKENS * width).zip(thin.chunks(TOKENS * rank)) {
                let thin = &thin[first..];
                if wide.len() == TOKENS * width {
                    by_group!(group, expand_rows, TOKENS; simd, wide, thin, w, rank, factor);
                } else {
                    by_group!(group, expand_rows, 1; simd, wide, thin, w, rank, factor);
                }
            }
        }
    }
}

/// As [`reduce_rows`].
#[inline(always)]
fn expand_rows<S: Simd, const R: usize, const T: usize>(
    simd: S,
    wide: &mut [f32],
    thin: &[f32],
    w: &[f32],
    rank: usize,
    factor: f32,
) {
    let width = w.len() / R;
    let (rows, rests) = registers::<S, R>(w, width);
    let length = width / (size_of::<S::f32s>() / size_of::<f32>());
    let rows = cut(&rows, length);
    let mut scaled = [[simd.splat_f32s(0.0); R]; T];
    let (mut lines, mut tails): ([&mut [S::f32s]; T], [&mut [f32]; T]) =
        ([(); T].map(|()| [].as_mut()), [(); T].map(|()| [].as_mut()));
    for (t, wide) in wide.chunks_exact_mut(width).take(T).enumerate() {
        let (line, tail) = S::as_mut_simd_f32s(wide);
        (lines[t], tails[t]) = (&mut line[..length], tail);
        for r in 0..R {
            scaled[t][r] = simd.splat_f32s(factor * thin[t * rank + r]);
        }
    }
    for index in 0..length {
        let mut sums = [simd.splat_f32s(0.0); T];
        for t in 0..T {
            sums[t] = lines[t][index];
        }
        for r in 0..R {
            for t in 0..T {
                sums[t] = simd.mul_add_e_f32s(scaled[t][r], rows[r][index], sums[t]);
            }
        }
        for t in 0..T {
            lines[t][index] = sums[t];
        }
    }
    for t in 0..T {
        for (column, y) in tails[t].iter_mut().enumerate() {
            for r in 0..R {
                *y += factor * thin[t * rank + r] * rests[r][column];
            }
        }
    }
}

struct Outer<'a> {
    out: &'a mut [f32],
    thin: &'a [f32],
    wide: &'a [f32],
    rank: usize,
    factor: f32,
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { out, thin, wide, rank, factor } = self;
        let width = out.len() / rank;
        for (first, group) in groups(rank) {
            let out = &mut out[first * width..][..group * width];
            let thin = thin.get(first..).unwrap_or_default();
            by_group!(group, outer_group; simd, out, thin, wide, rank, factor);
        }
    }
}

/// Registers side by side in [`outer_group`]: eight ranks of them fill half of the processor's.
const STRIP: usize = 2;

#[inline(always)]
fn outer_group<S: Simd, const R: usize>(
    simd: S,
    out: &mut [f32],
    thin: &[f32],
    wide: &[f32],
    rank: usize,
    factor: f32,
) {
    let width = out.len() / R;
    let lanes = size_of::<S::f32s>() / size_of::<f32>();
    let strip = STRIP * lanes;
    let whole = width - width % strip;
    for start in (0..whole).step_by(strip) {
        let mut sums = [[simd.splat_f32s(0.0); STRIP]; R];
        for (thin, wide) in thin.chunks(rank).zip(wide.chunks_exact(width)) {
            let (wide, _) = S::as_simd_f32s(&wide[start..start + strip]);
            let wide = &wide[..STRIP];
            let thin = &thin[..R];
            for r in 0..R {
                let factor = simd.splat_f32s(thin[r]);
                for part in 0..STRIP {
                    sums[r][part] = simd.mul_add_e_f32s(factor, wide[part], sums[r][part]);
                }
            }
        }
        let factor = simd.splat_f32s(factor);
        for r in 0..R {
            let (out, _) = S::as_mut_simd_f32s(&mut out[r * width + start..][..strip]);
            for part in 0..STRIP {
                out[part] = simd.mul_add_e_f32s(factor, sums[r][part], out[part]);
            }
        }
    }
    for column in whole..width {
        for r in 0..R {
            let pairs = thin.chunks(rank).zip(wide.chunks_exact(width));
            let sum: f32 = pairs.map(|(thin, wide)| thin[r] * wide[column]).sum();
            out[r * width + column] += factor * sum;
        }
    }
}

/// The rows of `w: [R, width]` as registers, and what is left of each.
#[inline(always)]
fn registers<S: Simd, const R: usize>(w: &[f32], width: usize) -> ([&[S::f32s]; R], [&[f32]; R]) {
    let (mut whole, mut rests): ([&[S::f32s]; R], [&[f32]; R]) = ([&[]; R], [&[]; R]);
    for r in 0..R {
        (whole[r], rests[r]) = S::as_simd_f32s(&w[r * width..][..width]);
    }
    (whole, rests)
}

/// All rows at one length, which spares a check for each access.
#[inline(always)]
fn cut<'a, T, const R: usize>(rows: &[&'a [T]; R], length: usize) -> [&'a [T]; R] {
    let mut cut: [&[T]; R] = [&[]; R];
    for r in 0..R {
        cut[r] = &rows[r][..length];
    }
    cut
}

/// The ranks in groups: first rank and size.
#[inline(always)]
fn groups(rank: usize) -> Groups {
    Groups { next: 0, rank }
}

struct Groups {
    next: usize,
    rank: usize,
}

impl Iterator for Groups {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        let group = match self.rank - self.next {
            0 => return None,
            8.. => 8,
            4.. => 4,
            2.. => 2,
            _ => 1,
        };
        self.next += group;
        Some((self.next - group, group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, salt: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + salt * 31) % 17) as f32 - 8.0).collect()
    }

    /// Whole numbers: every order of summation gives the same.
    #[test]
    fn thin_products_equal_the_plain_sums() {
        for rank in [1, 2, 3, 4, 7, 8, 9, 16, 21] {
            for width in [1, 15, 16, 17, 31, 32, 33, 70] {
                for rows in [0, 1, 2, 5, 6] {
                    let (w, wide, thin) = (numbers(rank * width, 1), numbers(rows * width, 2), numbers(rows * rank, 3));
                    let mut reduced = vec![f32::NAN; rows * rank];
                    reduce(&mut reduced, &wide, &w, rank, 0.5);
                    let mut expanded = numbers(rows * width, 4);
                    expand(&mut expanded, &thin, &w, rank, 0.5);
                    let mut out = vec![3.0; rank * width];
                    outer(&mut out, &thin, &wide, rank, 0.5);
                    for (index, &value) in reduced.iter().enumerate() {
                        let (t, r) = (index / rank, index % rank);
                        let sum: f32 = (0..width).map(|i| wide[t * width + i] * w[r * width + i]).sum();
                        assert_eq!(value, 0.5 * sum, "reduce {rank} {width} {rows}");
                    }
                    for (index, (&value, old)) in expanded.iter().zip(numbers(rows * width, 4)).enumerate() {
                        let (t, i) = (index / width, index % width);
                        let sum: f32 = (0..rank).map(|r| thin[t * rank + r] * w[r * width + i]).sum();
                        assert_eq!(value, old + 0.5 * sum, "expand {rank} {width} {rows}");
                    }
                    for (index, &value) in out.iter().enumerate() {
                        let (r, i) = (index / width, index % width);
                        let sum: f32 = (0..rows).map(|t| thin[t * rank + r] * wide[t * width + i]).sum();
                        assert_eq!(value, 3.0 + 0.5 * sum, "outer {rank} {width} {rows}");
                    }
                    let mut back = vec![0.0; w.len()];
                    let mut transposed = vec![0.0; w.len()];
                    add_transposed(&mut transposed, &w, rank);
                    add_transposed(&mut back, &transposed, width);
                    assert_eq!(back, w);
                    assert_eq!(transposed[0], w[0]);
                }
            }
        }
    }
}
