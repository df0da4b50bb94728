//! Gated linear units (Shazeer 2020, arXiv 2002.05202): `a = act(gate) * up`, where `act(x) = x σ(w(x))`.
//!
//! For SiLU `w(x) = x`; for the tanh approximation of GELU (Hendrycks and Gimpel 2016, arXiv 1606.08415)
//! `w(x) = 2 sqrt(2/π) (x + 0.044715 x³)`, since `(1 + tanh z) / 2 = σ(2 z)`.

use rayon::prelude::*;

use super::elementwise::{dispatch, sigmoid};
use crate::family::Activation;

/// Elements a task works on: large enough to hide the cost of handing it out.
const BLOCK: usize = 1 << 14;

/// Writes the activation.
pub fn forward(function: Activation, activation: &mut [f32], gate: &[f32], up: &[f32]) {
    match function {
        Activation::Silu => forward_of::<Silu>(activation, gate, up),
        Activation::GeluTanh => forward_of::<GeluTanh>(activation, gate, up),
    }
}

/// Turns `gate` and `up` in place into their gradients, given the activation's gradient:
/// `d_up = da act(g)`, `d_gate = da u s (1 + g (1 - s) w'(g))` with `s = σ(w(g))`.
pub fn backward(function: Activation, gate: &mut [f32], up: &mut [f32], d_activation: &[f32]) {
    match function {
        Activation::Silu => backward_of::<Silu>(gate, up, d_activation),
        Activation::GeluTanh => backward_of::<GeluTanh>(gate, up, d_activation),
    }
}

/// `w` and its derivative.
trait Gate {
    fn value(x: f32) -> f32;
    fn slope(x: f32) -> f32;
}

struct Silu;

impl Gate for Silu {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        x
    }

    #[inline(always)]
    fn slope(_: f32) -> f32 {
        1.0
    }
}

struct GeluTanh;

/// Twice the root of `2 / π`, and the weight of the cube.
const FACTOR: f32 = 1.595_769;
const CUBE: f32 = 0.044_715;

impl Gate for GeluTanh {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        FACTOR * x * (1.0 + CUBE * x * x)
    }

    #[inline(always)]
    fn slope(x: f32) -> f32 {
        FACTOR * (1.0 + 3.0 * CUBE * x * x)
    }
}

fn forward_of<G: Gate>(activation: &mut [f32], gate: &[f32], up: &[f32]) {
    activation.par_chunks_mut(BLOCK).zip(gate.par_chunks(BLOCK)).zip(up.par_chunks(BLOCK)).for_each(
        |((activation, gate), up)| {
            dispatch(
                #[inline(always)]
                || {
                    for ((a, &g), &u) in activation.iter_mut().zip(gate).zip(up) {
                        *a = g * sigmoid(G::value(g)) * u;
                    }
                },
            );
        },
    );
}

fn backward_of<G: Gate>(gate: &mut [f32], up: &mut [f32], d_activation: &[f32]) {
    gate.par_chunks_mut(BLOCK).zip(up.par_chunks_mut(BLOCK)).zip(d_activation.par_chunks(BLOCK)).for_each(
        |((gate, up), d_activation)| {
            dispatch(
                #[inline(always)]
                || {
                    for ((g, u), &da) in gate.iter_mut().zip(up.iter_mut()).zip(d_activation) {
                        let s = sigmoid(G::value(*g));
                        let act = *g * s;
                        *g = da * *u * s * (1.0 + *g * (1.0 - s) * G::slope(*g));
                        *u = da * act;
                    }
                },
            );
        },
    );
}
