//! The low-rank product and its per-example gradients (Hu et al. 2021): `y += s (x Aᵀ) Bᵀ`, `s = alpha / rank`.
//!
//! The gradients are formed example by example from `x` and `dy`, in the one backward pass there is:
//! `gB_i = s dy_iᵀ u_i` and `gA_i = (s dy_i B)ᵀ x_i` with `u = x Aᵀ`. Nothing is approximated, and an
//! example's gradient never touches another's rows.

use std::ops::Range;

use rayon::prelude::*;

use super::{Ragged, low_rank};
use crate::lora::{Lora, Slot};

/// Rows that are worked on at a time: few enough that what one step reads is still in the cache for the next.
const BLOCK: usize = 64;

/// Thin rows and partial gradients of a batch, kept from call to call.
#[derive(Default)]
pub struct Scratch {
    inner: Vec<f32>,
    transposed: Vec<f32>,
    gradients: Vec<f32>,
}

/// Adds the product to `y: [rows, output]`; `x: [rows, input]`.
pub fn forward(y: &mut [f32], x: &[f32], lora: &Lora, slot: &Slot, scratch: &mut Scratch) {
    let (rank, scale) = (lora.spec.rank, lora.spec.scale());
    let a = &lora.parameters[slot.a.clone()];
    let b = transposed(&mut scratch.transposed, lora, slot);
    let inner = sized(&mut scratch.inner, x.len() / slot.input * rank);
    y.par_chunks_mut(BLOCK * slot.output)
        .zip(x.par_chunks(BLOCK * slot.input))
        .zip(inner.par_chunks_mut(BLOCK * rank))
        .for_each(|((y, x), inner)| {
            low_rank::reduce(inner, x, a, rank, 1.0);
            low_rank::expand(y, inner, b, rank, scale);
        });
}

/// Writes each example's gradient into its row of `gradients: [examples, parameters]` and adds the
/// gradient of the input to `dx`, where that is wanted.
pub fn backward(
    gradients: &mut [f32],
    dx: Option<&mut [f32]>,
    (x, dy): (&[f32], &[f32]),
    lora: &Lora,
    slot: &Slot,
    batch: &Ragged,
    scratch: &mut Scratch,
) {
    let (rank, scale) = (lora.spec.rank, lora.spec.scale());
    let a = &lora.parameters[slot.a.clone()];
    let b = transposed(&mut scratch.transposed, lora, slot);
    let size = slot.a.len() + slot.b.len();
    let mut pieces = pieces(batch);
    let partial = sized(&mut scratch.gradients, pieces.len() * size);
    let mut rest = dx;
    for piece in &mut pieces {
        piece.dx = rest.take().map(|dx| {
            let (own, others) = dx.split_at_mut(piece.rows.len() * slot.input);
            rest = Some(others);
            own
        });
    }

    pieces.par_iter_mut().zip(partial.par_chunks_mut(size)).for_each(|(piece, gradient)| {
        gradient.fill(0.0);
        let (ga, gb) = gradient.split_at_mut(slot.a.len());
        let mut thin = vec![0.0f32; 2 * BLOCK * rank];
        for start in piece.rows.clone().step_by(BLOCK) {
            let end = (start + BLOCK).min(piece.rows.end);
            let (x, dy) = (&x[start * slot.input..end * slot.input], &dy[start * slot.output..end * slot.output]);
            let (inner, d_inner) = thin.split_at_mut(BLOCK * rank);
            let (inner, d_inner) = (&mut inner[..(end - start) * rank], &mut d_inner[..(end - start) * rank]);
            low_rank::reduce(inner, x, a, rank, 1.0);
            low_rank::reduce(d_inner, dy, b, rank, scale);
            low_rank::outer(ga, d_inner, x, rank, 1.0);
            low_rank::outer(gb, inner, dy, rank, scale);
            if let Some(dx) = &mut piece.dx {
                let lines = (start - piece.rows.start) * slot.input..(end - piece.rows.start) * slot.input;
                low_rank::expand(&mut dx[lines], d_inner, a, rank, 1.0);
            }
        }
    });

    let partial = &*partial;
    gradients.par_chunks_mut(lora.parameters.len()).enumerate().for_each(|(example, gradient)| {
        gradient[slot.a.clone()].fill(0.0);
        gradient[slot.b.clone()].fill(0.0);
        for (_, part) in pieces.iter().zip(partial.chunks(size)).filter(|(piece, _)| piece.example == example) {
            let (ga, gb) = part.split_at(slot.a.len());
            gradient[slot.a.clone()].iter_mut().zip(ga).for_each(|(sum, part)| *sum += part);
            low_rank::add_transposed(&mut gradient[slot.b.clone()], gb, rank);
        }
    });
}

/// A run of rows of one example, and the gradient of its input.
struct Piece<'a> {
    example: usize,
    rows: Range<usize>,
    dx: Option<&'a mut [f32]>,
}

/// Whole examples, but long ones in parts, so that every thread has work. The parts follow from the example alone: sums over
/// other parts would round otherwise, and a gradient depend on its company.
fn pieces<'a>(batch: &Ragged) -> Vec<Piece<'a>> {
    const MOST: usize = 2 * BLOCK;
    let parts = |(example, range): (usize, Range<usize>)| {
        let length = range.len().div_ceil(range.len().div_ceil(MOST));
        let end = range.end;
        range.step_by(length).map(move |start| Piece { example, rows: start..(start + length).min(end), dx: None })
    };
    batch.ranges().enumerate().flat_map(parts).collect()
}

/// `Bᵀ: [rank, output]`.
fn transposed<'s>(buffer: &'s mut Vec<f32>, lora: &Lora, slot: &Slot) -> &'s [f32] {
    let b = &lora.parameters[slot.b.clone()];
    let to = sized(buffer, b.len());
    to.fill(0.0);
    low_rank::add_transposed(to, b, slot.output);
    to
}

/// The first `length` values of a buffer that only ever grows.
fn sized(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    &mut buffer[..length]
}
