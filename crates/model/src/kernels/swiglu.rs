//! SwiGLU (Shazeer 2020, arXiv 2002.05202): `a = silu(gate) * up` with `silu(x) = x σ(x)`.

use rayon::prelude::*;

use super::elementwise::{dispatch, sigmoid};

/// Elements a task works on: large enough to hide the cost of handing it out.
const BLOCK: usize = 1 << 14;

/// Writes the activation.
pub fn forward(activation: &mut [f32], gate: &[f32], up: &[f32]) {
    activation.par_chunks_mut(BLOCK).zip(gate.par_chunks(BLOCK)).zip(up.par_chunks(BLOCK)).for_each(
        |((activation, gate), up)| {
            dispatch(
                #[inline(always)]
                || {
                    for ((a, &g), &u) in activation.iter_mut().zip(gate).zip(up) {
                        *a = g * sigmoid(g) * u;
                    }
                },
            );
        },
    );
}

/// Turns `gate` and `up` in place into their gradients, given the activation's gradient:
/// `d_up = da silu(g)`, `d_gate = da u σ(g) (1 + g (1 - σ(g)))`.
pub fn backward(gate: &mut [f32], up: &mut [f32], d_activation: &[f32]) {
    gate.par_chunks_mut(BLOCK).zip(up.par_chunks_mut(BLOCK)).zip(d_activation.par_chunks(BLOCK)).for_each(
        |((gate, up), d_activation)| {
            dispatch(
                #[inline(always)]
                || {
                    for ((g, u), &da) in gate.iter_mut().zip(up.iter_mut()).zip(d_activation) {
                        let s = sigmoid(*g);
                        let silu = *g * s;
                        let slope = s * (1.0 + *g * (1.0 - s));
                        *g = da * *u * slope;
                        *u = da * silu;
                    }
                },
            );
        },
    );
}
