//! The low-rank product and its per-example gradients (Hu et al. 2021): `y += s (x Aᵀ) Bᵀ`, `s = alpha / rank`.
//!
//! The gradients are formed example by example from `x` and `dy`, in the one backward pass there is:
//! `gB_i = s dy_iᵀ u_i` and `gA_i = (s dy_i B)ᵀ x_i` with `u = x Aᵀ`. Nothing is approximated, and an
//! example's gradient never touches another's rows.

use rayon::prelude::*;

use super::Ragged;
use super::matmul::{Into, Threads, View, ViewMut, multiply};
use crate::lora::{Lora, Slot};

/// Adds the product to `y: [rows, output]`; `x: [rows, input]`.
pub fn forward(y: &mut [f32], x: &[f32], lora: &Lora, slot: &Slot, rows: usize) {
    let (a, b, rank) = factors(lora, slot);
    let mut inner = vec![0.0f32; rows * rank];
    let x = View::new(x, rows, slot.input);
    multiply(ViewMut::new(&mut inner, rows, rank), Into::Replace, 1.0, x, a.transposed(), Threads::Pool);
    let inner = View::new(&inner, rows, rank);
    multiply(ViewMut::new(y, rows, slot.output), Into::Add, lora.spec.scale(), inner, b.transposed(), Threads::Pool);
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
) {
    let (a, b, rank) = factors(lora, slot);
    let (rows, scale) = (batch.rows(), lora.spec.scale());
    let (mut inner, mut d_inner) = (vec![0.0f32; rows * rank], vec![0.0f32; rows * rank]);
    let x_view = View::new(x, rows, slot.input);
    multiply(ViewMut::new(&mut inner, rows, rank), Into::Replace, 1.0, x_view, a.transposed(), Threads::Pool);
    let dy_view = View::new(dy, rows, slot.output);
    multiply(ViewMut::new(&mut d_inner, rows, rank), Into::Replace, scale, dy_view, b, Threads::Pool);
    if let Some(dx) = dx {
        let d_inner = View::new(&d_inner, rows, rank);
        multiply(ViewMut::new(dx, rows, slot.input), Into::Add, 1.0, d_inner, a, Threads::Pool);
    }
    gradients.par_chunks_mut(lora.parameters.len()).enumerate().for_each(|(example, gradient)| {
        let range = batch.range(example);
        let length = range.len();
        let part = |width: usize| range.start * width..range.end * width;
        let dy = View::new(&dy[part(slot.output)], length, slot.output);
        let x = View::new(&x[part(slot.input)], length, slot.input);
        let u = View::new(&inner[part(rank)], length, rank);
        let du = View::new(&d_inner[part(rank)], length, rank);
        let ga = ViewMut::new(&mut gradient[slot.a.clone()], rank, slot.input);
        multiply(ga, Into::Replace, 1.0, du.transposed(), x, Threads::One);
        let gb = ViewMut::new(&mut gradient[slot.b.clone()], slot.output, rank);
        multiply(gb, Into::Replace, scale, dy.transposed(), u, Threads::One);
    });
}

fn factors<'a>(lora: &'a Lora, slot: &Slot) -> (View<'a>, View<'a>, usize) {
    let rank = lora.spec.rank;
    let a = View::new(&lora.parameters[slot.a.clone()], rank, slot.input);
    let b = View::new(&lora.parameters[slot.b.clone()], slot.output, rank);
    (a, b, rank)
}
