//! Buffers that one pass fills and the next reuses: activations kept for the backward, and scratch.

use crate::config::DecoderConfig;
use crate::kernels::{Ragged, bf16, cross_entropy, lora};

/// What a training pass keeps of the forward for its backward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activations {
    /// Everything that the backward reads: the fastest.
    #[default]
    Kept,
    /// The input of every block; the rest of a block is computed a second time (Chen et al. 2016, arXiv 1604.06174).
    Recomputed,
}

/// Reusable memory of a decoder pass. Holds activations of records: it has no `Debug`, and dies with its owner.
#[derive(Default)]
pub struct Workspace {
    pub(super) activations: Activations,
    pub(super) tapes: Vec<Tape>,
    /// The input of every block, where activations are recomputed.
    pub(super) inputs: Vec<Vec<f32>>,
    pub(super) scratch: Scratch,
    pub(super) ends: Ends,
    pub(super) lora: lora::Scratch,
    pub(super) logits: Vec<f32>,
}

/// Rows before the first block and after the last.
#[derive(Default)]
pub(super) struct Ends {
    /// The residual stream.
    pub(super) hidden: Vec<f32>,
    /// Its rows that predict a target, before and after the final norm.
    pub(super) gathered: Vec<f32>,
    pub(super) normed: Vec<f32>,
    pub(super) reciprocals: Vec<f32>,
    pub(super) d_normed: Vec<f32>,
    pub(super) d_gathered: Vec<f32>,
    pub(super) d_hidden: Vec<f32>,
}

/// What one decoder block keeps for its backward. Normalised rows and activations are rebuilt instead.
#[derive(Default)]
pub(super) struct Tape {
    pub(super) input: Vec<f32>,
    pub(super) input_reciprocals: Vec<f32>,
    pub(super) q: Vec<f32>,
    pub(super) k: Vec<f32>,
    pub(super) v: Vec<f32>,
    pub(super) attention: Vec<f32>,
    pub(super) log_sums: Vec<f32>,
    pub(super) middle: Vec<f32>,
    pub(super) middle_reciprocals: Vec<f32>,
    pub(super) gate: Vec<f32>,
    pub(super) up: Vec<f32>,
    pub(super) query_heads: Normalised,
    pub(super) key_heads: Normalised,
    pub(super) attention_output: Normalised,
    pub(super) mlp_output: Normalised,
}

/// What goes into a norm that only some families have, and its reciprocals; empty in the others.
#[derive(Default)]
pub(super) struct Normalised {
    pub(super) rows: Vec<f32>,
    pub(super) reciprocals: Vec<f32>,
}

/// Temporary rows of one block.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) normed: Vec<f32>,
    pub(super) d_normed: Vec<f32>,
    pub(super) query_rows: Vec<f32>,
    pub(super) key_rows: Vec<f32>,
    pub(super) value_rows: Vec<f32>,
    pub(super) d_rows: Vec<f32>,
    pub(super) d_attention: Vec<f32>,
    pub(super) dq: Vec<f32>,
    pub(super) dk: Vec<f32>,
    pub(super) dv: Vec<f32>,
    pub(super) inner: Vec<f32>,
    pub(super) d_inner: Vec<f32>,
    /// Gradient of what a norm after half a block reads; empty where there is none.
    pub(super) d_branch: Vec<f32>,
}

impl Workspace {
    /// Empty buffers for passes that treat activations so.
    #[must_use]
    pub fn new(activations: Activations) -> Self {
        Self { activations, ..Self::default() }
    }

    /// Sizes every buffer for a training pass over a batch.
    pub(super) fn prepare_training(&mut self, config: &DecoderConfig, batch: &Ragged) {
        match self.activations {
            Activations::Kept => self.prepare(config, batch, config.layers),
            Activations::Recomputed => {
                self.prepare(config, batch, 1);
                self.inputs.resize_with(config.layers, Vec::new);
                self.inputs.iter_mut().for_each(|input| input.resize(batch.rows() * config.hidden_size, 0.0));
            }
        }
    }

    /// Sizes every buffer for a batch and `tapes` kept blocks.
    pub(super) fn prepare(&mut self, config: &DecoderConfig, batch: &Ragged, tapes: usize) {
        let rows = batch.rows();
        let (hidden, inner) = (rows * config.hidden_size, rows * config.intermediate_size);
        let (query, kv) = (rows * config.query_width(), rows * config.kv_width());
        let Optional { heads, branch } = Optional::of(config);
        if self.tapes.len() < tapes {
            self.tapes.resize_with(tapes, Tape::default);
        }
        for tape in &mut self.tapes[..tapes] {
            for (buffer, size) in [
                (&mut tape.input, hidden),
                (&mut tape.input_reciprocals, rows),
                (&mut tape.q, query),
                (&mut tape.k, kv),
                (&mut tape.v, kv),
                (&mut tape.attention, query),
                (&mut tape.log_sums, rows * config.heads),
                (&mut tape.middle, hidden),
                (&mut tape.middle_reciprocals, rows),
                (&mut tape.gate, inner),
                (&mut tape.up, inner),
                (&mut tape.query_heads.rows, heads * query),
                (&mut tape.query_heads.reciprocals, heads * rows * config.heads),
                (&mut tape.key_heads.rows, heads * kv),
                (&mut tape.key_heads.reciprocals, heads * rows * config.kv_heads),
                (&mut tape.attention_output.rows, branch * hidden),
                (&mut tape.attention_output.reciprocals, branch * rows),
                (&mut tape.mlp_output.rows, branch * hidden),
                (&mut tape.mlp_output.reciprocals, branch * rows),
            ] {
                buffer.resize(size, 0.0);
            }
        }
        let scratch = &mut self.scratch;
        for (buffer, size) in [
            (&mut scratch.normed, hidden),
            (&mut scratch.d_normed, hidden),
            (&mut scratch.query_rows, query),
            (&mut scratch.key_rows, kv),
            (&mut scratch.value_rows, kv),
            (&mut scratch.d_rows, query),
            (&mut scratch.d_attention, query),
            (&mut scratch.dq, query),
            (&mut scratch.dk, kv),
            (&mut scratch.dv, kv),
            (&mut scratch.inner, inner),
            (&mut scratch.d_inner, inner),
            (&mut scratch.d_branch, branch * hidden),
        ] {
            buffer.resize(size, 0.0);
        }
    }

    /// Bytes that a training pass over `rows` tokens keeps, without weights and gradients; `rounds` says whether products
    /// with the base round (`Frozen::rounds`).
    #[must_use]
    pub fn bytes(config: &DecoderConfig, rows: usize, activations: Activations, rounds: bool) -> usize {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (query, kv) = (config.query_width(), config.kv_width());
        let Optional { heads, branch } = Optional::of(config);
        let norms = heads * (query + kv + config.heads + config.kv_heads) + branch * 2 * (hidden + 1);
        let tape = 2 * hidden + 2 * query + 2 * kv + 2 * inner + config.heads + 2 + norms;
        let tapes = match activations {
            Activations::Kept => config.layers * tape,
            Activations::Recomputed => tape + config.layers * hidden,
        };
        let scratch = (2 + branch) * hidden + 4 * query + 4 * kv + 2 * inner;
        let ends = 6 * hidden;
        let logits = cross_entropy::CHUNK.min(rows) * config.vocab_size;
        // two bytes for each value of the widest operand, and a block of weights turned over
        let rounded = 2 * logits.max(rows * inner.max(hidden)) + 2 * bf16::BLOCK * inner.max(hidden);
        4 * (rows * (tapes + scratch + ends) + logits) + if rounds { rounded } else { 0 }
    }
}

/// One where the family has the norm, zero where it has not.
struct Optional {
    heads: usize,
    branch: usize,
}

impl Optional {
    fn of(config: &DecoderConfig) -> Self {
        let traits = config.traits();
        Self { heads: usize::from(traits.head_norms), branch: usize::from(traits.post_norms) }
    }
}
