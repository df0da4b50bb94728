//! The frozen weights of a base, in `f32`, row-major `[out, in]`, Hugging Face row order.
//!
//! Invariant: query and key rows are in the half-split rotary order of Hugging Face
//! (GGUF stores them interleaved; the reader undoes that), so one decoder serves both.

use crate::config::DecoderConfig;
use crate::error::{Error, Result};

/// All frozen weights of a decoder.
#[derive(Default)]
pub struct Weights {
    /// `[vocab_size, hidden_size]`.
    pub embedding: Vec<f32>,
    /// One entry per decoder block.
    pub layers: Vec<LayerWeights>,
    /// `[hidden_size]`.
    pub final_norm: Vec<f32>,
    /// `[vocab_size, hidden_size]`, absent where embeddings are tied.
    pub head: Option<Vec<f32>>,
}

/// The frozen weights of one decoder block.
pub struct LayerWeights {
    /// `[hidden_size]`.
    pub attention_norm: Vec<f32>,
    /// `[query_width, hidden_size]`.
    pub query: Vec<f32>,
    /// `[kv_width, hidden_size]`.
    pub key: Vec<f32>,
    /// `[kv_width, hidden_size]`.
    pub value: Vec<f32>,
    /// `[hidden_size, query_width]`.
    pub output: Vec<f32>,
    /// `[hidden_size]`.
    pub mlp_norm: Vec<f32>,
    /// `[intermediate_size, hidden_size]`.
    pub gate: Vec<f32>,
    /// `[intermediate_size, hidden_size]`.
    pub up: Vec<f32>,
    /// `[hidden_size, intermediate_size]`.
    pub down: Vec<f32>,
}

impl Weights {
    /// Checks every tensor's size against the config.
    ///
    /// # Errors
    /// [`Error::Tensor`] names the first tensor whose size is wrong.
    pub fn validate(&self, config: &DecoderConfig) -> Result<()> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (query, kv) = (config.query_width(), config.kv_width());
        let table = config.vocab_size * hidden;
        expect("embedding", &self.embedding, table)?;
        expect("final norm", &self.final_norm, hidden)?;
        if let Some(head) = &self.head {
            expect("head", head, table)?;
        } else if !config.tied_embeddings {
            return Err(Error::Tensor {
                name: "head".into(),
                problem: "is missing and embeddings are not tied".into(),
            });
        }
        if self.layers.len() != config.layers {
            let problem = format!("{} blocks, expected {}", self.layers.len(), config.layers);
            return Err(Error::Tensor { name: "layers".into(), problem });
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let tensors = [
                ("attention_norm", &layer.attention_norm, hidden),
                ("query", &layer.query, query * hidden),
                ("key", &layer.key, kv * hidden),
                ("value", &layer.value, kv * hidden),
                ("output", &layer.output, query * hidden),
                ("mlp_norm", &layer.mlp_norm, hidden),
                ("gate", &layer.gate, inner * hidden),
                ("up", &layer.up, inner * hidden),
                ("down", &layer.down, inner * hidden),
            ];
            for (name, data, size) in tensors {
                expect(&format!("layer {index} {name}"), data, size)?;
            }
        }
        Ok(())
    }
}

impl Weights {
    /// Number of values in all tensors; a tied head counts once.
    #[must_use]
    pub fn len(&self) -> usize {
        let layers: usize = self.layers.iter().map(LayerWeights::len).sum();
        self.embedding.len() + layers + self.final_norm.len() + self.head.as_ref().map_or(0, Vec::len)
    }

    /// Whether there is no value at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl LayerWeights {
    fn len(&self) -> usize {
        let Self { attention_norm, query, key, value, output, mlp_norm, gate, up, down } = self;
        [attention_norm, query, key, value, output, mlp_norm, gate, up, down].iter().map(|tensor| tensor.len()).sum()
    }
}

fn expect(name: &str, data: &[f32], size: usize) -> Result<()> {
    if data.len() == size {
        return Ok(());
    }
    Err(Error::Tensor { name: name.into(), problem: format!("has {} values, expected {size}", data.len()) })
}
