//! The shape of a decoder, as read from a GGUF header or `config.json`.
//!
//! Invariant: a `DecoderConfig` that exists has passed [`DecoderConfig::validate`];
//! the kernels rely on its divisibility rules.

use crate::error::{Error, Result};
use crate::family::{RopeScaling, Rotation, Traits, Variant};

/// Sizes and constants of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the feed-forward block.
    pub intermediate_size: usize,
    /// Number of decoder blocks.
    pub layers: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key and value heads; divides `heads` (grouped-query attention).
    pub kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Longest sequence, in tokens, that the base was trained for.
    pub context_length: usize,
    /// Base of the (global) rotary frequencies.
    pub rope_theta: f32,
    /// Added to the mean square in RMSNorm.
    pub rms_norm_epsilon: f32,
    /// Whether the output projection is the embedding table.
    pub tied_embeddings: bool,
    /// What the model computes besides plain Llama.
    pub variant: Variant,
}

impl DecoderConfig {
    /// Refuses shapes that the decoder cannot run.
    ///
    /// # Errors
    /// [`Error::Config`] names the field and the rule it breaks.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("hidden_size", self.hidden_size, 1 << 16),
            ("intermediate_size", self.intermediate_size, 1 << 18),
            ("layers", self.layers, 1 << 10),
            ("heads", self.heads, 1 << 10),
            ("kv_heads", self.kv_heads, 1 << 10),
            ("head_dim", self.head_dim, 1 << 10),
            ("vocab_size", self.vocab_size, 1 << 22),
            ("context_length", self.context_length, 1 << 24),
        ];
        for (field, value, limit) in sizes {
            if value == 0 || value > limit {
                return Err(Error::Config { field, rule: format!("is {value}, must be from 1 to {limit}") });
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(Error::Config { field: "kv_heads", rule: "must divide the number of heads".into() });
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(Error::Config { field: "head_dim", rule: "must be even for rotary embeddings".into() });
        }
        if !(self.rope_theta.is_finite() && self.rope_theta > 0.0) {
            return Err(Error::Config { field: "rope_theta", rule: "must be a positive number".into() });
        }
        if !(self.rms_norm_epsilon.is_finite() && self.rms_norm_epsilon >= 0.0) {
            return Err(Error::Config { field: "rms_norm_epsilon", rule: "must be zero or a positive number".into() });
        }
        self.validate_variant()
    }

    fn validate_variant(&self) -> Result<()> {
        let Variant { rope_scaling, local_rope_theta, layers, .. } = &self.variant;
        let refused = |field, rule: &str| Err(Error::Config { field, rule: rule.into() });
        if !layers.is_empty() && layers.len() != self.layers {
            return refused("layers", "must have one rule each");
        }
        if layers.iter().any(|layer| layer.window == Some(0)) {
            return refused("sliding_window", "must be at least 1");
        }
        let local = layers.iter().any(|layer| layer.rotation == Rotation::Local);
        if local && !local_rope_theta.is_some_and(|theta| theta.is_finite() && theta > 0.0) {
            return refused("local rope_theta", "must be a positive number");
        }
        if let RopeScaling::Factors(factors) = rope_scaling
            && factors.len() != self.head_dim / 2
        {
            return refused("rope factors", "must be half as many as a head is wide");
        }
        let frequencies = rope_scaling.frequencies(self.rope_theta, self.head_dim);
        if !frequencies.iter().all(|frequency| frequency.is_finite() && *frequency > 0.0) {
            return refused("rope scaling", "must leave positive frequencies");
        }
        Ok(())
    }

    /// The row of the family.
    #[must_use]
    pub fn traits(&self) -> Traits {
        self.variant.family.traits()
    }

    /// What embeddings are multiplied by: 1 in most families.
    #[must_use]
    pub fn embedding_scale(&self) -> f32 {
        if self.traits().scaled_embedding { (self.hidden_size as f64).sqrt() as f32 } else { 1.0 }
    }

    /// Width of all query heads together.
    #[must_use]
    pub fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key (or value) heads together.
    #[must_use]
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }
}
