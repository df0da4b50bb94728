//! RMSNorm (Zhang and Sennrich 2019, equation 4): `y = x / sqrt(mean(x²) + ε) * g`.

use rayon::prelude::*;

use super::elementwise::{dispatch, dot, sum2};

/// Writes `y: [rows, width]` and, for the backward, one reciprocal root mean square a row.
pub fn forward(y: &mut [f32], reciprocals: &mut [f32], x: &[f32], gain: &[f32], epsilon: f32) {
    let width = gain.len();
    y.par_chunks_mut(width).zip(reciprocals.par_iter_mut()).zip(x.par_chunks(width)).for_each(
        |((y, reciprocal), x)| {
            dispatch(
                #[inline(always)]
                || {
                    *reciprocal = 1.0 / (dot(x, x) / width as f32 + epsilon).sqrt();
                    scale_row(y, x, gain, *reciprocal);
                },
            );
        },
    );
}

/// Repeats [`forward`] from the stored reciprocals: the normalised rows are not kept between the passes.
pub fn recompute(y: &mut [f32], reciprocals: &[f32], x: &[f32], gain: &[f32]) {
    let width = gain.len();
    y.par_chunks_mut(width).zip(reciprocals.par_iter()).zip(x.par_chunks(width)).for_each(|((y, &reciprocal), x)| {
        dispatch(
            #[inline(always)]
            || scale_row(y, x, gain, reciprocal),
        )
    });
}

#[inline(always)]
fn scale_row(y: &mut [f32], x: &[f32], gain: &[f32], reciprocal: f32) {
    for ((y, &x), &g) in y.iter_mut().zip(x).zip(gain) {
        *y = x * reciprocal * g;
    }
}

/// Adds to `dx` the gradient with respect to `x`, given `dy`.
///
/// With `s` the reciprocal: `dx = s (g dy - x s² mean(g dy x))`.
pub fn backward(dx: &mut [f32], dy: &[f32], reciprocals: &[f32], x: &[f32], gain: &[f32]) {
    let width = gain.len();
    dx.par_chunks_mut(width)
        .zip(dy.par_chunks(width))
        .zip(reciprocals.par_iter())
        .zip(x.par_chunks(width))
        .for_each_init(
            || vec![0.0f32; width],
            |weighted, (((dx, dy), &s), x)| {
                dispatch(
                    #[inline(always)]
                    || {
                        for ((w, &dy), &g) in weighted.iter_mut().zip(dy).zip(gain) {
                            *w = dy * g;
                        }
                        let along = sum2(weighted, x, |w, x| w * x) * s * s / width as f32;
                        for ((dx, &w), &x) in dx.iter_mut().zip(weighted.iter()).zip(x) {
                            *dx += s * (w - x * along);
                        }
                    },
                );
            },
        );
}

/// Turns the gradient of [`forward`]'s output into that of its input, in place.
pub fn backward_in_place(dy: &mut [f32], reciprocals: &[f32], x: &[f32], gain: &[f32]) {
    let width = gain.len();
    dy.par_chunks_mut(width).zip(reciprocals.par_iter()).zip(x.par_chunks(width)).for_each(|((dy, &s), x)| {
        dispatch(
            #[inline(always)]
            || {
                dy.iter_mut().zip(gain).for_each(|(dy, &g)| *dy *= g);
                let along = sum2(dy, x, |w, x| w * x) * s * s / width as f32;
                dy.iter_mut().zip(x).for_each(|(dy, &x)| *dy = s * (*dy - x * along));
            },
        );
    });
}
