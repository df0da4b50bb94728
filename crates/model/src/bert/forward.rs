//! The encoder of BERT (Devlin et al. 2019) with a linear layer on every token, forwards.
//!
//! Sequences lie one behind the other without padding ([`Ragged`]), so no token sees another sequence, and attention needs
//! no mask. With weights in `f32`, on processors with AVX-512, a sequence has the same probabilities in any company.

use rayon::prelude::*;

use super::settings::Shape;
use crate::base::folder::Tensors;
use crate::error::Result;
use crate::kernels::elementwise::{dispatch, exp, exp_shifted, max, sum2};
use crate::kernels::frozen::{Frozen, Precision};
use crate::kernels::matmul::{Into, Threads, View, ViewMut, multiply};
use crate::kernels::{Ragged, rope};

/// Queries whose scores are held at once.
const BLOCK: usize = 64;

/// The function between the two layers of a feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    /// `x Φ(x)` (Hendrycks and Gimpel 2016).
    Gelu,
    /// Its approximation with a hyperbolic tangent.
    GeluTanh,
    Relu,
}

/// All weights.
pub(super) struct Encoder {
    words: Frozen,
    /// `[positions, hidden]`, with the first segment's embedding in it.
    positions: Frozen,
    norm: Norm,
    layers: Vec<Layer>,
    head: Linear,
    heads: usize,
    activation: Activation,
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention: Linear,
    attention_norm: Norm,
    inner: Linear,
    output: Linear,
    output_norm: Norm,
}

/// `y = x Wᵀ + b`.
struct Linear {
    weight: Frozen,
    bias: Vec<f32>,
}

/// Layer normalisation (Ba et al. 2016, equation 4).
struct Norm {
    gain: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

/// Tensors of old checkpoints that follow from the settings, or that no token's label depends on.
pub(super) const IGNORED: &[&str] =
    &["bert.embeddings.position_ids", "bert.pooler.dense.weight", "bert.pooler.dense.bias"];

impl Encoder {
    /// Takes the matrices in `precision`; embeddings and the last layer stay `f32`.
    ///
    /// # Errors
    /// [`crate::Error::Tensor`], and [`crate::Error::Unsupported`] for tensors that BERT does not have.
    pub(super) fn read(tensors: &Tensors<'_>, shape: &Shape, precision: Precision) -> Result<Self> {
        tensors.refuse_others(|name| is_known(name, shape.layers))?;
        let hidden = shape.hidden;
        let linear = |name: &str, (output, input), precision| -> Result<Linear> {
            let weight = tensors.matrix(&format!("{name}.weight"), (output, input), precision)?;
            Ok(Linear { weight, bias: tensors.vector(&format!("{name}.bias"), output)? })
        };
        let norm = |name: &str| -> Result<Norm> {
            let vector = |part: &str| tensors.vector(&format!("{name}.LayerNorm.{part}"), hidden);
            Ok(Norm { gain: vector("weight")?, bias: vector("bias")?, epsilon: shape.epsilon })
        };
        let table = |name: &str, rows| {
            tensors.matrix(&format!("bert.embeddings.{name}_embeddings.weight"), (rows, hidden), Precision::F32)
        };
        let mut positions = table("position", shape.positions)?.values();
        let segments = table("token_type", shape.segments)?.values();
        for row in positions.chunks_exact_mut(hidden) {
            row.iter_mut().zip(&segments).for_each(|(position, segment)| *position += segment);
        }
        let layer = |index: usize| -> Result<Layer> {
            let linear = |name: &str, output, input| {
                linear(&format!("bert.encoder.layer.{index}.{name}"), (output, input), precision)
            };
            let norm = |name: &str| norm(&format!("bert.encoder.layer.{index}.{name}"));
            Ok(Layer {
                query: linear("attention.self.query", hidden, hidden)?,
                key: linear("attention.self.key", hidden, hidden)?,
                value: linear("attention.self.value", hidden, hidden)?,
                attention: linear("attention.output.dense", hidden, hidden)?,
                attention_norm: norm("attention.output")?,
                inner: linear("intermediate.dense", shape.intermediate, hidden)?,
                output: linear("output.dense", hidden, shape.intermediate)?,
                output_norm: norm("output")?,
            })
        };
        Ok(Self {
            words: table("word", shape.vocabulary)?,
            positions: Frozen::new(&positions, shape.positions, hidden, Precision::F32),
            norm: norm("bert.embeddings")?,
            layers: (0..shape.layers).map(layer).collect::<Result<_>>()?,
            head: linear("classifier", (shape.labels.len(), hidden), Precision::F32)?,
            heads: shape.heads,
            activation: shape.activation,
        })
    }

    /// Probabilities of the labels, `[rows, labels]`. Sequences are not longer than the table of positions.
    pub(super) fn probabilities(&self, ids: &[u32], batch: &Ragged) -> Vec<f32> {
        // One entry into the pool, where thousands of small parallel parts follow.
        rayon::scope(|_| self.run(ids, batch))
    }

    fn run(&self, ids: &[u32], batch: &Ragged) -> Vec<f32> {
        let (rows, hidden) = (batch.rows(), self.words.shape().1);
        let room = |width: usize| vec![0.0f32; rows * width];
        let (mut x, mut y) = (room(hidden), room(hidden));
        let (mut q, mut k, mut v, mut mixed) = (room(hidden), room(hidden), room(hidden), room(hidden));
        let mut inner = room(self.layers.first().map_or(0, |layer| layer.inner.bias.len()));
        self.embed(&mut x, ids, batch);
        self.norm.forward(&mut x);
        let (heads, dim) = (self.heads, hidden / self.heads);
        for layer in &self.layers {
            for (linear, split) in [(&layer.query, &mut q), (&layer.key, &mut k), (&layer.value, &mut v)] {
                linear.forward(&mut y, &x, rows);
                rope::split_batch(split, &y, batch, heads, dim, None);
            }
            attend(&mut mixed, (&q, &k, &v), batch, heads, dim);
            rope::join_batch(&mut q, &mixed, batch, heads, dim, None);
            layer.attention.forward(&mut y, &q, rows);
            add(&mut x, &y);
            layer.attention_norm.forward(&mut x);
            layer.inner.forward(&mut inner, &x, rows);
            activate(self.activation, &mut inner);
            layer.output.forward(&mut y, &inner, rows);
            add(&mut x, &y);
            layer.output_norm.forward(&mut x);
        }
        let labels = self.head.bias.len();
        let mut probabilities = room(labels);
        self.head.forward(&mut probabilities, &x, rows);
        probabilities.chunks_exact_mut(labels).for_each(softmax);
        probabilities
    }

    fn embed(&self, x: &mut [f32], ids: &[u32], batch: &Ragged) {
        let hidden = self.words.shape().1;
        let mut position = vec![0.0; hidden];
        for range in batch.ranges() {
            for (index, row) in range.enumerate() {
                let x = &mut x[row * hidden..][..hidden];
                self.words.row(ids[row] as usize, x);
                self.positions.row(index, &mut position);
                add(x, &position);
            }
        }
    }
}

impl Linear {
    fn forward(&self, y: &mut [f32], x: &[f32], rows: usize) {
        self.weight.forward(y, Into::Replace, x, rows);
        y.chunks_exact_mut(self.bias.len()).for_each(|row| add(row, &self.bias));
    }
}

impl Norm {
    fn forward(&self, x: &mut [f32]) {
        let width = self.gain.len();
        x.par_chunks_mut(width).for_each(|row| {
            dispatch(
                #[inline(always)]
                || {
                    let mean = sum2(row, row, |value, _| value) / width as f32;
                    let variance = sum2(row, row, |value, _| (value - mean) * (value - mean)) / width as f32;
                    // Of an infinite variance the scale would be 0 and the row its bias, as if nothing had happened.
                    let scale = if variance.is_finite() { 1.0 / (variance + self.epsilon).sqrt() } else { f32::NAN };
                    for ((value, gain), bias) in row.iter_mut().zip(&self.gain).zip(&self.bias) {
                        *value = (*value - mean) * scale * gain + bias;
                    }
                },
            );
        });
    }
}

fn add(to: &mut [f32], other: &[f32]) {
    to.iter_mut().zip(other).for_each(|(to, other)| *to += other);
}

fn softmax(row: &mut [f32]) {
    let top = max(row);
    let sum = exp_shifted(row, top);
    row.iter_mut().for_each(|value| *value /= sum);
}

/// `out = softmax(q kᵀ / sqrt(dim)) v` in every head of every sequence, over all of the sequence; all head-major.
fn attend(out: &mut [f32], (q, k, v): (&[f32], &[f32], &[f32]), batch: &Ragged, heads: usize, dim: usize) {
    let mut tasks = Vec::with_capacity(batch.len() * heads);
    let (mut rest, mut start) = (out, 0);
    for range in batch.ranges() {
        for _ in 0..heads {
            let size = range.len() * dim;
            let (out, others) = rest.split_at_mut(size);
            rest = others;
            tasks.push((out, start..start + size));
            start += size;
        }
    }
    tasks.into_par_iter().for_each(|(out, place)| {
        attend_head(out, (&q[place.clone()], &k[place.clone()], &v[place]), dim);
    });
}

fn attend_head(out: &mut [f32], (q, k, v): (&[f32], &[f32], &[f32]), dim: usize) {
    let length = k.len() / dim;
    let scale = 1.0 / (dim as f32).sqrt();
    let mut scores = vec![0.0f32; BLOCK.min(length) * length];
    for (out, q) in out.chunks_mut(BLOCK * dim).zip(q.chunks(BLOCK * dim)) {
        let rows = q.len() / dim;
        let scores = &mut scores[..rows * length];
        let keys = View::new(k, length, dim).transposed();
        let to = ViewMut::new(scores, rows, length);
        multiply(to, Into::Replace, scale, View::new(q, rows, dim), keys, Threads::One);
        dispatch(
            #[inline(always)]
            || {
                for row in scores.chunks_exact_mut(length) {
                    let top = max(row);
                    let inverse = 1.0 / exp_shifted(row, top);
                    row.iter_mut().for_each(|value| *value *= inverse);
                }
            },
        );
        let (scores, values) = (View::new(scores, rows, length), View::new(v, length, dim));
        multiply(ViewMut::new(out, rows, dim), Into::Replace, 1.0, scores, values, Threads::One);
    }
}

/// Values that one task activates.
const TASK: usize = 1 << 12;

fn activate(activation: Activation, values: &mut [f32]) {
    values.par_chunks_mut(TASK).for_each(|values| {
        dispatch(
            #[inline(always)]
            || match activation {
                Activation::Gelu => {
                    values.iter_mut().for_each(|x| *x *= 0.5 + 0.5 * erf(*x * std::f32::consts::FRAC_1_SQRT_2))
                }
                Activation::GeluTanh => values.iter_mut().for_each(|x| {
                    // (1 + tanh(z)) / 2 is the sigmoid of 2 z.
                    let z = 0.797_884_6 * (*x + 0.044_715 * *x * *x * *x);
                    *x /= 1.0 + exp(-2.0 * z);
                }),
                Activation::Relu => {
                    // Not `max`, which makes 0 of what is no number.
                    values.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x })
                }
            },
        );
    });
}

/// The error function to 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let size = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let mut p = 1.061_405_4_f32;
    p = p * t - 1.453_152;
    p = p * t + 1.421_413_7;
    p = p * t - 0.284_496_74;
    p = p * t + 0.254_829_6;
    (1.0 - p * t * exp(-size * size)).copysign(x)
}

/// Whether a model of so many layers has a tensor of this name.
fn is_known(name: &str, layers: usize) -> bool {
    const OUTSIDE: [&str; 7] = [
        "bert.embeddings.word_embeddings.weight",
        "bert.embeddings.position_embeddings.weight",
        "bert.embeddings.token_type_embeddings.weight",
        "bert.embeddings.LayerNorm.weight",
        "bert.embeddings.LayerNorm.bias",
        "classifier.weight",
        "classifier.bias",
    ];
    const LAYER: [&str; 8] = [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "attention.output.LayerNorm",
        "intermediate.dense",
        "output.dense",
        "output.LayerNorm",
    ];
    let in_layer = || {
        let (index, rest) = name.strip_prefix("bert.encoder.layer.")?.split_once('.')?;
        let (part, kind) = rest.rsplit_once('.')?;
        let known = index.parse::<usize>().is_ok_and(|index| index < layers);
        Some(known && LAYER.contains(&part) && matches!(kind, "weight" | "bias"))
    };
    OUTSIDE.contains(&name) || in_layer().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_and_its_users_are_exact_enough() {
        for (x, exact) in [(0.0, 0.0), (0.3, 0.328_626_76), (-1.0, -0.842_700_8), (2.5, 0.999_593), (9.0, 1.0)] {
            assert!((erf(x) - exact).abs() < 3e-7, "{x}");
        }
        let mut lost = [f32::NAN, -1.0];
        activate(Activation::Relu, &mut lost);
        assert!(lost[0].is_nan() && lost[1] == 0.0);
        let mut values = [-30.0, -1.0, 0.0, 1.0, 30.0];
        activate(Activation::Gelu, &mut values);
        let mut tanh = [-30.0, -1.0, 0.0, 1.0, 30.0];
        activate(Activation::GeluTanh, &mut tanh);
        for (index, exact, approximate) in
            [(0, 0.0, 0.0), (1, -0.158_655_25, -0.158_808), (2, 0.0, 0.0), (3, 0.841_344_7, 0.841_192), (4, 30.0, 30.0)]
        {
            assert!((values[index] - exact).abs() < 1e-6 && (tanh[index] - approximate).abs() < 1e-6, "{index}");
        }
    }

    #[test]
    fn names_of_tensors_are_those_of_the_layers_there_are() {
        assert!(is_known("bert.encoder.layer.1.attention.output.LayerNorm.bias", 2));
        for name in [
            "bert.encoder.layer.2.output.dense.weight",
            "bert.encoder.layer.1.output.dense.scale",
            "bert.encoder.layer.1.crossattention.self.query.weight",
            "lm_head.weight",
        ] {
            assert!(!is_known(name, 2), "{name}");
        }
    }
}
