//! The shape of a decoder, as read from a GGUF header or `config.json`.
//!
//! Invariant: a `DecoderConfig` that exists has passed [`DecoderConfig::validate`];
//! the kernels rely on its divisibility rules.

use crate::error::{Error, Result};

/// Sizes and constants of a Llama-shaped decoder (Touvron et al. 2023).
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
    /// Base of the rotary frequencies.
    pub rope_theta: f32,
    /// Added to the mean square in RMSNorm.
    pub rms_norm_epsilon: f32,
    /// Whether the output projection is the embedding table.
    pub tied_embeddings: bool,
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
        Ok(())
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
