//! GEGLU with the tanh approximation (Shazeer 2020, arXiv 2002.05202; Hendrycks and Gimpel 2016, arXiv 1606.08415):
//! `a = gelu(gate) * up` with `gelu(x) = x (1 + tanh z) / 2 = x σ(2 z)` and `z = sqrt(2/π) (x + 0.044715 x³)`.

use rayon::prelude::*;

use super::elementwise::{dispatch, sigmoid};

/// Elements a task works on: large enough to hide the cost of handing it out.
const BLOCK: usize = 1 << 14;

/// Twice the root of `2 / π`, and the weight of the cube.
const SLOPE: f32 = 1.595_769;
const CUBE: f32 = 0.044_715;

/// `σ(2 z)`: what `x` is multiplied by.
#[inline(always)]
fn share(x: f32) -> f32 {
    sigmoid(SLOPE * x * (1.0 + CUBE * x * x))
}

/// Writes the activation.
pub fn forward(activation: &mut [f32], gate: &[f32], up: &[f32]) {
    activation.par_chunks_mut(BLOCK).zip(gate.par_chunks(BLOCK)).zip(up.par_chunks(BLOCK)).for_each(
        |((activation, gate), up)| {
            dispatch(
                #[inline(always)]
                || {
                    for ((a, &g), &u) in activation.iter_mut().zip(gate).zip(up) {
                        *a = g * share(g) * u;
                    }
                },
            );
        },
    );
}

/// Turns `gate` and `up` in place into their gradients, given the activation's gradient:
/// `d_up = da gelu(g)`, `d_gate = da u s (1 + g (1 - s) 2 z'(g))` with `s = σ(2 z)`.
pub fn backward(gate: &mut [f32], up: &mut [f32], d_activation: &[f32]) {
    gate.par_chunks_mut(BLOCK).zip(up.par_chunks_mut(BLOCK)).zip(d_activation.par_chunks(BLOCK)).for_each(
        |((gate, up), d_activation)| {
            dispatch(
                #[inline(always)]
                || {
                    for ((g, u), &da) in gate.iter_mut().zip(up.iter_mut()).zip(d_activation) {
                        let s = share(*g);
                        let steepness = SLOPE * (1.0 + 3.0 * CUBE * *g * *g);
                        let slope = s * (1.0 + *g * (1.0 - s) * steepness);
                        let gelu = *g * s;
                        *g = da * *u * slope;
                        *u = da * gelu;
                    }
                },
            );
        },
    );
}
