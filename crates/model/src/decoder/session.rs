//! Generation with a key-value cache: each new token costs one pass over one row.
//!
//! Holds text of a prompt as keys and values: no `Debug`, nothing is written anywhere.

use rayon::prelude::*;

use super::workspace::Ends;
use super::{Decoder, add, add_bias, on_pool};
use crate::error::{Error, Result};
use crate::kernels::attention::forward_head;
use crate::kernels::frozen::Frozen;
use crate::kernels::matmul::Into;
use crate::kernels::{glu, lora, rms_norm, rope};
use crate::lora::{Lora, Target};

/// One running sequence.
pub struct Session<'a> {
    decoder: &'a Decoder,
    lora: Option<&'a Lora>,
    layers: Vec<Cache>,
    length: usize,
    /// What was fed, where the composed decoder answers: it has no cache, and reads everything again.
    tokens: Vec<u32>,
}

/// Keys and values of one block, one growing buffer `[positions, head_dim]` per head.
struct Cache {
    keys: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
}

impl<'a> Session<'a> {
    pub(super) fn new(decoder: &'a Decoder, lora: Option<&'a Lora>) -> Self {
        let heads = decoder.config.kv_heads;
        let cache = || Cache { keys: vec![Vec::new(); heads], values: vec![Vec::new(); heads] };
        Self {
            decoder,
            lora,
            layers: (0..decoder.config.layers).map(|_| cache()).collect(),
            length: 0,
            tokens: Vec::new(),
        }
    }

    /// Tokens in the cache.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing has been fed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Feeds tokens and returns the logits after the last one, `[vocab_size]`.
    ///
    /// # Errors
    /// [`Error::TooLong`] past the context, [`Error::Tokenizer`] for a token outside the vocabulary.
    pub fn feed(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        let decoder = self.decoder;
        decoder.check(std::iter::once(tokens))?;
        let limit = decoder.config.context_length;
        if self.length + tokens.len() > limit {
            return Err(Error::TooLong { tokens: self.length + tokens.len(), limit });
        }
        if let Some(composed) = &decoder.composed {
            self.tokens.extend_from_slice(tokens);
            self.length = self.tokens.len();
            let logits = composed.logits(self.lora, &self.tokens)?;
            return Ok(logits[logits.len() - decoder.config.vocab_size..].to_vec());
        }
        on_pool(|| {
            let mut hidden = Vec::new();
            decoder.embed(&mut hidden, tokens);
            for index in 0..decoder.config.layers {
                self.layer(index, &mut hidden, tokens.len());
            }
            self.length += tokens.len();
            let mut ends = Ends::default();
            decoder.final_rows(&mut ends, &hidden, &[tokens.len() - 1]);
            let mut logits = vec![0.0f32; decoder.config.vocab_size];
            decoder.head().forward_one(&mut logits, &ends.normed);
            Ok(logits)
        })
    }

    fn layer(&mut self, index: usize, hidden: &mut [f32], rows: usize) {
        let (decoder, adapter) = (self.decoder, self.lora);
        let (config, layer, heads) = (&decoder.config, &decoder.weights.layers[index], decoder.heads(index));
        let project = |x: &[f32], weight: &Frozen, target: Target| {
            let output = target.widths(config).1;
            let mut y = vec![0.0f32; rows * output];
            match rows {
                1 => weight.forward_one(&mut y, x),
                _ => weight.forward(&mut y, Into::Replace, x, rows),
            }
            if let Some(bias) = layer.extras.bias(target) {
                add_bias(&mut y, bias);
            }
            if let Some((adapter, slot)) = adapter.and_then(|a| Some((a, a.slot(index, target)?))) {
                lora::forward(&mut y, x, adapter, slot, &mut lora::Scratch::default());
            }
            y
        };
        let norm = |x: &[f32], gain: &[f32]| {
            let (mut y, mut reciprocals) = (vec![0.0f32; x.len()], vec![0.0f32; x.len() / gain.len()]);
            rms_norm::forward(&mut y, &mut reciprocals, x, gain, config.rms_norm_epsilon);
            y
        };
        let normed_if = |y: Vec<f32>, gain: Option<&Vec<f32>>| match gain {
            Some(gain) => norm(&y, gain),
            None => y,
        };
        let extras = &layer.extras;
        let split = |y: &[f32], count: usize, table| {
            let mut major = vec![0.0f32; y.len()];
            rope::split_heads(&mut major, y, count, heads.dim, table, self.length);
            major
        };

        let normed = norm(hidden, &layer.attention_norm);
        let table = decoder.rotation(index);
        let query = normed_if(project(&normed, &layer.query, Target::Query), extras.query_norm.as_ref());
        let key = normed_if(project(&normed, &layer.key, Target::Key), extras.key_norm.as_ref());
        let q = split(&query, heads.query, table);
        let k = split(&key, heads.kv, table);
        let v = split(&project(&normed, &layer.value, Target::Value), heads.kv, None);
        let cache = &mut self.layers[index];
        for head in 0..heads.kv {
            let range = head * rows * heads.dim..(head + 1) * rows * heads.dim;
            cache.keys[head].extend_from_slice(&k[range.clone()]);
            cache.values[head].extend_from_slice(&v[range]);
        }
        let mut major = vec![0.0f32; q.len()];
        let group = heads.query / heads.kv;
        let width = rows * heads.dim;
        major.par_chunks_mut(width).zip(q.par_chunks(width)).enumerate().for_each(|(head, (out, q))| {
            let mut log_sums = vec![0.0f32; rows];
            forward_head(out, &mut log_sums, q, &cache.keys[head / group], &cache.values[head / group], heads);
        });
        let mut joined = vec![0.0f32; major.len()];
        rope::join_heads(&mut joined, &major, heads.query, heads.dim, None);
        let update = project(&joined, &layer.output, Target::Output);
        add(hidden, &normed_if(update, extras.post_attention_norm.as_ref()));

        let normed = norm(hidden, &layer.mlp_norm);
        let gate = project(&normed, &layer.gate, Target::Gate);
        let up = project(&normed, &layer.up, Target::Up);
        let mut inner = vec![0.0f32; gate.len()];
        glu::forward(decoder.config.traits().activation, &mut inner, &gate, &up);
        let update = project(&inner, &layer.down, Target::Down);
        add(hidden, &normed_if(update, extras.post_mlp_norm.as_ref()));
    }
}
