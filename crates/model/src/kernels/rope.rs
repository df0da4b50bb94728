//! Rotary position embedding in half-split form (Su et al. 2021; the row order of Hugging Face):
//! `(a, b) -> (a cos - b sin, b cos + a sin)` with `a` the first and `b` the second half of a head.
//!
//! The same pass moves rows `[position, head]` to head-major order and back, so the move costs nothing.

use std::sync::OnceLock;

use rayon::prelude::*;

use super::Ragged;
use super::elementwise::dispatch;

/// Positions whose angles are computed together.
const STRETCH: usize = 1024;

/// Cosines and sines for every position. A stretch of positions is computed when the first of them is asked for: a
/// context of 128 Ki positions would take a hundred megabytes, and few sequences are that long.
pub struct Table {
    frequencies: Vec<f32>,
    stretches: Vec<OnceLock<Stretch>>,
}

/// `[STRETCH, head_dim / 2]` each.
struct Stretch {
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

impl Table {
    /// Angles `position * frequency`, rounded to `f32` where `transformers` rounds them; one frequency for each pair
    /// of a head's values (see [`crate::family::RopeScaling::frequencies`]).
    #[must_use]
    pub fn new(positions: usize, frequencies: Vec<f32>) -> Self {
        let stretches = (0..positions.div_ceil(STRETCH)).map(|_| OnceLock::new()).collect();
        Self { frequencies, stretches }
    }

    #[inline(always)]
    fn at(&self, position: usize) -> (&[f32], &[f32]) {
        let (index, half) = (position / STRETCH, self.frequencies.len());
        let stretch = self.stretches[index].get_or_init(|| self.stretch(index));
        let range = position % STRETCH * half..(position % STRETCH + 1) * half;
        (&stretch.cosines[range.clone()], &stretch.sines[range])
    }

    #[cold]
    fn stretch(&self, index: usize) -> Stretch {
        let positions = index * STRETCH..(index + 1) * STRETCH;
        let angles = positions.flat_map(|p| self.frequencies.iter().map(move |f| f64::from(p as f32 * f)));
        let (cosines, sines) = angles.map(|a| (a.cos() as f32, a.sin() as f32)).unzip();
        Stretch { cosines, sines }
    }
}

/// One sequence to head-major order, rotated if a table is given; `first` is the position of its first row.
/// `rows: [length, heads * head_dim]`, `out: [heads, length, head_dim]`.
pub fn split_heads(out: &mut [f32], rows: &[f32], heads: usize, head_dim: usize, table: Option<&Table>, first: usize) {
    let length = rows.len() / (heads * head_dim);
    dispatch(
        #[inline(always)]
        || {
            for head in 0..heads {
                for position in 0..length {
                    let source = &rows[(position * heads + head) * head_dim..][..head_dim];
                    let target = &mut out[(head * length + position) * head_dim..][..head_dim];
                    match table {
                        Some(table) => rotate(target, source, table.at(first + position), 1.0),
                        None => target.copy_from_slice(source),
                    }
                }
            }
        },
    );
}

/// The backward of [`split_heads`]: back to `[length, heads * head_dim]`, rotated the other way.
pub fn join_heads(rows: &mut [f32], heads_major: &[f32], heads: usize, head_dim: usize, table: Option<&Table>) {
    let length = rows.len() / (heads * head_dim);
    dispatch(
        #[inline(always)]
        || {
            for head in 0..heads {
                for position in 0..length {
                    let source = &heads_major[(head * length + position) * head_dim..][..head_dim];
                    let target = &mut rows[(position * heads + head) * head_dim..][..head_dim];
                    match table {
                        Some(table) => rotate(target, source, table.at(position), -1.0),
                        None => target.copy_from_slice(source),
                    }
                }
            }
        },
    );
}

#[inline(always)]
fn rotate(target: &mut [f32], source: &[f32], (cosines, sines): (&[f32], &[f32]), direction: f32) {
    let half = cosines.len();
    let (a, b) = source.split_at(half);
    let (x, y) = target.split_at_mut(half);
    for i in 0..half {
        let sine = sines[i] * direction;
        x[i] = a[i] * cosines[i] - b[i] * sine;
        y[i] = b[i] * cosines[i] + a[i] * sine;
    }
}

/// [`split_heads`] for every sequence of a batch.
pub fn split_batch(
    out: &mut [f32],
    rows: &[f32],
    batch: &Ragged,
    heads: usize,
    head_dim: usize,
    table: Option<&Table>,
) {
    let width = heads * head_dim;
    for_each_sequence(out, batch, width, |range, out| {
        split_heads(out, &rows[range.start * width..range.end * width], heads, head_dim, table, 0);
    });
}

/// [`join_heads`] for every sequence of a batch.
pub fn join_batch(
    rows: &mut [f32],
    major: &[f32],
    batch: &Ragged,
    heads: usize,
    head_dim: usize,
    table: Option<&Table>,
) {
    let width = heads * head_dim;
    for_each_sequence(rows, batch, width, |range, rows| {
        join_heads(rows, &major[range.start * width..range.end * width], heads, head_dim, table);
    });
}

/// Calls `work` in parallel with each sequence's row range and its part of `out`.
pub fn for_each_sequence(
    mut out: &mut [f32],
    batch: &Ragged,
    width: usize,
    work: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync,
) {
    let mut parts = Vec::with_capacity(batch.len());
    for range in batch.ranges() {
        let (part, rest) = out.split_at_mut(range.len() * width);
        parts.push((range, part));
        out = rest;
    }
    parts.into_par_iter().for_each(|(range, part)| work(range, part));
}
