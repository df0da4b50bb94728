//! The frozen weights of a base, `[out, in]`, Hugging Face row order, in the precision that was asked for.
//!
//! Invariant: query and key rows are in the half-split rotary order of Hugging Face
//! (GGUF stores those of some families interleaved; the reader undoes that), so one decoder serves both. Gains of
//! norms are what a row is multiplied by: what a family leaves out of them in its files has been added.

use crate::config::DecoderConfig;
use crate::error::{Error, Result};
use crate::kernels::frozen::Frozen;
use crate::lora::Target;

/// All frozen weights of a decoder.
pub struct Weights {
    /// `[vocab_size, hidden_size]`.
    pub embedding: Frozen,
    /// One entry per decoder block.
    pub layers: Vec<LayerWeights>,
    /// `[hidden_size]`.
    pub final_norm: Vec<f32>,
    /// `[vocab_size, hidden_size]`, absent where embeddings are tied.
    pub head: Option<Frozen>,
}

/// The frozen weights of one decoder block.
pub struct LayerWeights {
    /// `[hidden_size]`.
    pub attention_norm: Vec<f32>,
    /// `[query_width, hidden_size]`.
    pub query: Frozen,
    /// `[kv_width, hidden_size]`.
    pub key: Frozen,
    /// `[kv_width, hidden_size]`.
    pub value: Frozen,
    /// `[hidden_size, query_width]`.
    pub output: Frozen,
    /// `[hidden_size]`.
    pub mlp_norm: Vec<f32>,
    /// `[intermediate_size, hidden_size]`.
    pub gate: Frozen,
    /// `[intermediate_size, hidden_size]`.
    pub up: Frozen,
    /// `[hidden_size, intermediate_size]`.
    pub down: Frozen,
    /// What some families have besides.
    pub extras: Extras,
}

/// Vectors of a block that plain Llama does not have. Which of them a family has, its traits say.
#[derive(Default)]
pub struct Extras {
    /// `[query_width]`.
    pub query_bias: Option<Vec<f32>>,
    /// `[kv_width]`.
    pub key_bias: Option<Vec<f32>>,
    /// `[kv_width]`.
    pub value_bias: Option<Vec<f32>>,
    /// Gain of every query head, `[head_dim]`. Attention divides its scores by the root of the head's width; where a
    /// family wants another scale, the rest of it is in this gain.
    pub query_norm: Option<Vec<f32>>,
    /// Gain of every key head, `[head_dim]`.
    pub key_norm: Option<Vec<f32>>,
    /// Gain on the attention's output, `[hidden_size]`.
    pub post_attention_norm: Option<Vec<f32>>,
    /// Gain on the feed-forward block's output, `[hidden_size]`.
    pub post_mlp_norm: Option<Vec<f32>>,
}

impl Extras {
    /// The bias of a linear layer.
    pub(crate) fn bias(&self, target: Target) -> Option<&[f32]> {
        match target {
            Target::Query => self.query_bias.as_deref(),
            Target::Key => self.key_bias.as_deref(),
            Target::Value => self.value_bias.as_deref(),
            _ => None,
        }
    }

    fn vectors(&self) -> impl Iterator<Item = &Vec<f32>> {
        let Self { query_bias, key_bias, value_bias, query_norm, key_norm, post_attention_norm, post_mlp_norm } = self;
        let all = [query_bias, key_bias, value_bias, query_norm, key_norm, post_attention_norm, post_mlp_norm];
        all.into_iter().flatten()
    }

    fn validate(&self, index: usize, config: &DecoderConfig) -> Result<()> {
        let traits = config.traits();
        let (hidden, head) = (config.hidden_size, config.head_dim);
        let expected = [
            ("query bias", &self.query_bias, traits.biases, config.query_width()),
            ("key bias", &self.key_bias, traits.biases, config.kv_width()),
            ("value bias", &self.value_bias, traits.biases, config.kv_width()),
            ("query norm", &self.query_norm, traits.head_norms, head),
            ("key norm", &self.key_norm, traits.head_norms, head),
            ("post-attention norm", &self.post_attention_norm, traits.post_norms, hidden),
            ("post-feed-forward norm", &self.post_mlp_norm, traits.post_norms, hidden),
        ];
        for (name, data, wanted, size) in expected {
            let name = format!("layer {index} {name}");
            match data {
                Some(data) if wanted => vector(&name, data, size)?,
                None if !wanted => {}
                Some(_) => return Err(Error::Tensor { name, problem: "has no place in this family".into() }),
                None => return Err(Error::Tensor { name, problem: "is missing".into() }),
            }
        }
        Ok(())
    }
}

impl Weights {
    /// Checks every tensor's size against the config.
    ///
    /// # Errors
    /// [`Error::Tensor`] names the first tensor whose size is wrong.
    pub fn validate(&self, config: &DecoderConfig) -> Result<()> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (query, kv) = (config.query_width(), config.kv_width());
        let table = (config.vocab_size, hidden);
        matrix("embedding", &self.embedding, table)?;
        vector("final norm", &self.final_norm, hidden)?;
        if let Some(head) = &self.head {
            matrix("head", head, table)?;
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
            for (name, data) in [("attention_norm", &layer.attention_norm), ("mlp_norm", &layer.mlp_norm)] {
                vector(&format!("layer {index} {name}"), data, hidden)?;
            }
            let matrices = [
                ("query", &layer.query, (query, hidden)),
                ("key", &layer.key, (kv, hidden)),
                ("value", &layer.value, (kv, hidden)),
                ("output", &layer.output, (hidden, query)),
                ("gate", &layer.gate, (inner, hidden)),
                ("up", &layer.up, (inner, hidden)),
                ("down", &layer.down, (hidden, inner)),
            ];
            for (name, data, shape) in matrices {
                matrix(&format!("layer {index} {name}"), data, shape)?;
            }
            layer.extras.validate(index, config)?;
        }
        Ok(())
    }
}

impl Weights {
    /// Number of values in all tensors; a tied head counts once.
    #[must_use]
    pub fn len(&self) -> usize {
        let norms = self.layers.iter().map(|layer| layer.attention_norm.len() + layer.mlp_norm.len()).sum::<usize>();
        let extras = self.layers.iter().flat_map(|layer| layer.extras.vectors()).map(Vec::len).sum::<usize>();
        self.matrices().map(Frozen::len).sum::<usize>() + norms + extras + self.final_norm.len()
    }

    /// Whether there is no value at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the matrices hold.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.matrices().map(Frozen::bytes).sum()
    }

    fn matrices(&self) -> impl Iterator<Item = &Frozen> {
        let layers = self.layers.iter().flat_map(|layer| {
            let LayerWeights { query, key, value, output, gate, up, down, .. } = layer;
            [query, key, value, output, gate, up, down]
        });
        layers.chain([&self.embedding]).chain(&self.head)
    }
}

fn vector(name: &str, data: &[f32], size: usize) -> Result<()> {
    if data.len() == size {
        return Ok(());
    }
    Err(Error::Tensor { name: name.into(), problem: format!("has {} values, expected {size}", data.len()) })
}

fn matrix(name: &str, data: &Frozen, shape: (usize, usize)) -> Result<()> {
    if data.shape() == shape {
        return Ok(());
    }
    Err(Error::Tensor { name: name.into(), problem: format!("has shape {:?}, expected {shape:?}", data.shape()) })
}
