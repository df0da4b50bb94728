//! A decoder with frozen weights, of any family of [`crate::family`]: losses, per-example LoRA gradients, logits,
//! generation.
//!
//! Invariant: one record, one example, one sequence. Sequences of a batch lie one behind the other without
//! padding and share nothing but the weights, so an example's gradient is the same alone and in company
//! (up to rounding of the products), and a non-finite example cannot touch its neighbours.

mod backward;
mod forward;
mod session;
mod workspace;

pub use session::Session;
use workspace::Ends;
pub use workspace::{Activations, Workspace};

use std::fmt;
use std::str::FromStr;

use crate::composed::{self, Composed};
use crate::config::DecoderConfig;
use crate::error::{Error, Result};
use crate::example::Example;
use crate::family::{RopeScaling, Rotation};
use crate::kernels::Ragged;
use crate::kernels::attention::Heads;
use crate::kernels::cross_entropy::{self, Goal};
use crate::kernels::frozen::Frozen;
use crate::kernels::matmul::Into;
use crate::kernels::{rms_norm, rope};
use crate::lora::Lora;
use crate::weights::Weights;

/// Runs `work` on a thread of the pool. A pass has thousands of small parallel parts: started from outside, each would wake
/// the pool and wait to be woken by it.
fn on_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

/// The loss of one example.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExampleLoss {
    /// Sum of the negative natural-log probabilities of the target tokens.
    pub nats: f64,
    /// Number of target tokens.
    pub targets: usize,
}

impl ExampleLoss {
    /// Nats per target token.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.nats / self.targets as f64
    }
}

/// Who computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kernels {
    /// The kernels of [`crate::kernels`].
    #[default]
    Fused,
    /// The operations of [`crate::composed`]: slow, in `f32`, with a second copy of the weights; for comparison.
    Composed,
}

impl fmt::Display for Kernels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Fused => "fused",
            Self::Composed => "composed",
        })
    }
}

impl FromStr for Kernels {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text {
            "fused" => Ok(Self::Fused),
            "composed" => Ok(Self::Composed),
            _ => Err("must be fused or composed"),
        }
    }
}

/// A base that is ready to run.
pub struct Decoder {
    config: DecoderConfig,
    weights: Weights,
    composed: Option<Composed>,
    rope: rope::Table,
    local_rope: Option<rope::Table>,
}

impl Decoder {
    /// A decoder on the fused kernels. Checks shapes and prepares the rotary tables.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Tensor`] if config and weights do not fit each other.
    pub fn new(config: DecoderConfig, weights: Weights) -> Result<Self> {
        Self::with_kernels(config, weights, Kernels::Fused)
    }

    /// As [`Decoder::new`], computed by whom one likes; [`Kernels::Composed`] on [`composed::device`].
    ///
    /// # Errors
    /// As [`Decoder::new`]; [`Error::Composed`] if the tensor library refuses.
    pub fn with_kernels(config: DecoderConfig, weights: Weights, kernels: Kernels) -> Result<Self> {
        config.validate()?;
        weights.validate(&config)?;
        let table = |scaling: &RopeScaling, theta: f32| {
            rope::Table::new(config.context_length, scaling.frequencies(theta, config.head_dim))
        };
        let rope = table(&config.variant.rope_scaling, config.rope_theta);
        let local_rope = config.variant.local_rope_theta.map(|theta| table(&RopeScaling::None, theta));
        let composed = match kernels {
            Kernels::Fused => None,
            Kernels::Composed => Some(Composed::new(&config, &weights, &composed::device()?)?),
        };
        Ok(Self { config, weights, composed, rope, local_rope })
    }

    /// The decoder's shape.
    #[must_use]
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The frozen weights.
    #[must_use]
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Number of frozen values.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.weights.len()
    }

    /// Bytes of the frozen matrices.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.weights.bytes()
    }

    /// Whether products with the base round what they multiply.
    #[must_use]
    pub fn rounds(&self) -> bool {
        self.head().rounds()
    }

    /// The loss of every example, without gradients.
    ///
    /// # Errors
    /// [`Error::TooLong`] if an example is empty or longer than the context, [`Error::Tokenizer`] if it names an unknown token.
    pub fn losses(
        &self,
        lora: Option<&Lora>,
        examples: &[&Example],
        workspace: &mut Workspace,
    ) -> Result<Vec<ExampleLoss>> {
        let batch = self.check(examples.iter().map(|e| e.tokens.as_slice()))?;
        if let Some(composed) = &self.composed {
            return composed.losses(lora, examples);
        }
        on_pool(|| {
            workspace.prepare(&self.config, &batch, 1);
            let mut hidden = std::mem::take(&mut workspace.ends.hidden);
            self.embed(&mut hidden, examples.iter().flat_map(|e| &e.tokens));
            for index in 0..self.config.layers {
                self.layer_forward((index, 0), lora, &batch, &mut hidden, workspace);
            }
            let (rows, goals) = goals(examples, &batch);
            self.final_rows(&mut workspace.ends, &hidden, &rows);
            let losses = cross_entropy::forward_backward(
                &workspace.ends.normed,
                self.head(),
                &goals,
                None,
                &mut workspace.logits,
            );
            workspace.ends.hidden = hidden;
            Ok(per_example(examples, &losses))
        })
    }

    /// The exact gradient of every example's mean loss with respect to the LoRA factors, in one backward.
    ///
    /// `gradients` becomes `[examples, parameters]`, one row per example in the order given. The returned losses are
    /// data of the examples: they are for tests and for public data, not for a log.
    ///
    /// # Errors
    /// As [`Decoder::losses`].
    pub fn per_example_gradients(
        &self,
        lora: &Lora,
        examples: &[&Example],
        workspace: &mut Workspace,
        gradients: &mut Vec<f32>,
    ) -> Result<Vec<ExampleLoss>> {
        let batch = self.check(examples.iter().map(|e| e.tokens.as_slice()))?;
        if let Some(composed) = &self.composed {
            let losses;
            (*gradients, losses) = composed.per_example_gradients(lora, examples)?;
            return Ok(losses);
        }
        on_pool(|| {
            gradients.resize(examples.len() * lora.parameters.len(), 0.0);
            workspace.prepare_training(&self.config, &batch);
            let recompute = workspace.activations == Activations::Recomputed;
            let mut hidden = std::mem::take(&mut workspace.ends.hidden);
            self.embed(&mut hidden, examples.iter().flat_map(|e| &e.tokens));
            for index in 0..self.config.layers {
                if recompute {
                    workspace.inputs[index].copy_from_slice(&hidden);
                }
                let tape = if recompute { 0 } else { index };
                self.layer_forward((index, tape), Some(lora), &batch, &mut hidden, workspace);
            }
            let (rows, goals) = goals(examples, &batch);
            let ends = &mut workspace.ends;
            self.final_rows(ends, &hidden, &rows);
            ends.d_normed.resize(ends.normed.len(), 0.0);
            let d_normed = Some(&mut ends.d_normed[..]);
            let losses =
                cross_entropy::forward_backward(&ends.normed, self.head(), &goals, d_normed, &mut workspace.logits);
            let mut d_hidden = self.final_rows_backward(ends, hidden.len(), &rows);
            workspace.ends.hidden = hidden;
            for index in (0..self.config.layers).rev() {
                let tape = if recompute { 0 } else { index };
                // The one tape still holds the last block.
                if recompute && index + 1 < self.config.layers {
                    workspace.tapes[tape].input.copy_from_slice(&workspace.inputs[index]);
                    self.layer_tape((index, tape), Some(lora), &batch, workspace, None);
                }
                self.layer_backward((index, tape), lora, &batch, &mut d_hidden, workspace, gradients);
            }
            workspace.ends.d_hidden = d_hidden;
            Ok(per_example(examples, &losses))
        })
    }

    /// Logits of every position, `[tokens, vocab_size]`.
    ///
    /// # Errors
    /// As [`Decoder::losses`].
    pub fn logits(&self, lora: Option<&Lora>, tokens: &[u32]) -> Result<Vec<f32>> {
        let batch = self.check(std::iter::once(tokens))?;
        if let Some(composed) = &self.composed {
            return composed.logits(lora, tokens);
        }
        on_pool(|| {
            let mut workspace = Workspace::default();
            workspace.prepare(&self.config, &batch, 1);
            let mut hidden = Vec::new();
            self.embed(&mut hidden, tokens);
            for index in 0..self.config.layers {
                self.layer_forward((index, 0), lora, &batch, &mut hidden, &mut workspace);
            }
            let rows: Vec<usize> = (0..tokens.len()).collect();
            self.final_rows(&mut workspace.ends, &hidden, &rows);
            let mut logits = vec![0.0f32; tokens.len() * self.config.vocab_size];
            self.head().forward(&mut logits, Into::Replace, &workspace.ends.normed, tokens.len());
            Ok(logits)
        })
    }

    /// A generation session with an empty cache.
    #[must_use]
    pub fn session<'a>(&'a self, lora: Option<&'a Lora>) -> Session<'a> {
        Session::new(self, lora)
    }

    fn heads(&self, layer: usize) -> Heads {
        let window = self.config.variant.layer(layer).window;
        Heads { query: self.config.heads, kv: self.config.kv_heads, dim: self.config.head_dim, window }
    }

    /// What turns the queries and keys of a layer.
    fn rotation(&self, layer: usize) -> Option<&rope::Table> {
        match self.config.variant.layer(layer).rotation {
            Rotation::Global => Some(&self.rope),
            Rotation::Local => self.local_rope.as_ref(),
            Rotation::None => None,
        }
    }

    fn head(&self) -> &Frozen {
        self.weights.head.as_ref().unwrap_or(&self.weights.embedding)
    }

    fn check<'t>(&self, sequences: impl Iterator<Item = &'t [u32]>) -> Result<Ragged> {
        let mut lengths = Vec::new();
        for tokens in sequences {
            if tokens.is_empty() || tokens.len() > self.config.context_length {
                let limit = self.config.context_length;
                return Err(Error::TooLong { tokens: tokens.len(), limit });
            }
            if tokens.iter().any(|&token| token as usize >= self.config.vocab_size) {
                return Err(Error::Tokenizer("a token lies outside the vocabulary".into()));
            }
            lengths.push(tokens.len());
        }
        Ok(Ragged::new(lengths))
    }

    fn embed<'t>(&self, hidden: &mut Vec<f32>, tokens: impl IntoIterator<Item = &'t u32>) {
        let width = self.config.hidden_size;
        hidden.clear();
        for &token in tokens {
            hidden.resize(hidden.len() + width, 0.0);
            let start = hidden.len() - width;
            self.weights.embedding.row(token as usize, &mut hidden[start..]);
        }
        let scale = self.config.embedding_scale();
        if scale != 1.0 {
            hidden.iter_mut().for_each(|value| *value *= scale);
        }
    }

    /// The final norm of some rows, with what its backward needs.
    fn final_rows(&self, ends: &mut Ends, hidden: &[f32], rows: &[usize]) {
        let width = self.config.hidden_size;
        ends.gathered.clear();
        rows.iter().for_each(|&row| ends.gathered.extend_from_slice(&hidden[row * width..(row + 1) * width]));
        ends.normed.resize(ends.gathered.len(), 0.0);
        ends.reciprocals.resize(rows.len(), 0.0);
        let (gain, epsilon) = (&self.weights.final_norm, self.config.rms_norm_epsilon);
        rms_norm::forward(&mut ends.normed, &mut ends.reciprocals, &ends.gathered, gain, epsilon);
    }

    /// The gradient of the residual stream after the last block, `length` values.
    fn final_rows_backward(&self, ends: &mut Ends, length: usize, rows: &[usize]) -> Vec<f32> {
        let width = self.config.hidden_size;
        let Ends { gathered, reciprocals, d_normed, d_gathered, .. } = ends;
        d_gathered.clear();
        d_gathered.resize(gathered.len(), 0.0);
        rms_norm::backward(d_gathered, d_normed, reciprocals, gathered, &self.weights.final_norm);
        let mut d_hidden = std::mem::take(&mut ends.d_hidden);
        d_hidden.clear();
        d_hidden.resize(length, 0.0);
        for (&row, gradient) in rows.iter().zip(ends.d_gathered.chunks(width)) {
            d_hidden[row * width..(row + 1) * width].copy_from_slice(gradient);
        }
        d_hidden
    }
}

/// The residual connection.
fn add(hidden: &mut [f32], update: &[f32]) {
    hidden.iter_mut().zip(update).for_each(|(h, u)| *h += u);
}

/// Adds a bias to every row.
fn add_bias(rows: &mut [f32], bias: &[f32]) {
    rows.chunks_exact_mut(bias.len()).for_each(|row| add(row, bias));
}

/// The rows that predict a target, and what they must predict: row `t - 1` predicts token `t`.
fn goals(examples: &[&Example], batch: &Ragged) -> (Vec<usize>, Vec<Goal>) {
    let (mut rows, mut goals) = (Vec::new(), Vec::new());
    for (example, range) in examples.iter().zip(batch.ranges()) {
        let weight = 1.0 / target_count(example).max(1) as f32;
        for (position, &token) in example.tokens.iter().enumerate().skip(1) {
            if example.is_target[position] {
                rows.push(range.start + position - 1);
                goals.push(Goal { token, weight });
            }
        }
    }
    (rows, goals)
}

fn per_example(examples: &[&Example], losses: &[f32]) -> Vec<ExampleLoss> {
    let mut rest = losses;
    examples
        .iter()
        .map(|example| {
            let (own, others) = rest.split_at(target_count(example));
            rest = others;
            ExampleLoss { nats: own.iter().map(|&loss| f64::from(loss)).sum(), targets: own.len() }
        })
        .collect()
}

fn target_count(example: &Example) -> usize {
    example.is_target.iter().filter(|&&target| target).count()
}
