//! The metadata of a GGUF file as the shape of a decoder.
//!
//! Invariant: what would change the arithmetic and is not in the table of [`crate::family`] is refused, not ignored.
//! Where the format has no key for something, it is what llama.cpp computes (`src/models/*.cpp`, `src/llama-model.cpp`).

use crate::base::gguf::{Gguf, printable};
use crate::base::llama;
use crate::base::settings::Shape;
use crate::config::DecoderConfig;
use crate::error::{Error, Result};
use crate::family::{Family, LayerRule, RopeScaling, Rotation, Variant};

/// Of SmolLM3's layers, every n-th does not rotate; the format has no key for it.
const SMOLLM3_PERIOD: usize = 4;
/// Of Gemma 3's layers, every n-th is global, if the file does not say otherwise.
const GEMMA3_PERIOD: usize = 6;
/// The Gemma 3 whose scores are divided by the root of hidden size / heads: that of 27 B, known by its layers.
const GEMMA3_27B_LAYERS: usize = 62;

/// Reads the shape, and refuses what the decoder does not compute.
///
/// # Errors
/// [`Error::Unsupported`], [`Error::Format`] for a missing or ill-typed key, [`Error::Config`].
pub(crate) fn shape(file: &Gguf<'_>) -> Result<Shape> {
    let architecture =
        file.text("general.architecture")?.ok_or_else(|| file.problem("has no `general.architecture`"))?;
    let family = Family::ALL.into_iter().find(|family| family.traits().gguf == architecture);
    let family = family.ok_or_else(|| Error::Unsupported { what: "architecture", value: printable(architecture) })?;
    let keys = Keys { file, prefix: family.traits().gguf };
    keys.refuse_variants()?;
    let hidden_size = keys.needed("embedding_length")?;
    let heads = keys.needed("attention.head_count")?;
    let head_dim = match keys.size("attention.key_length")? {
        Some(length) => length,
        None if heads > 0 && hidden_size.is_multiple_of(heads) => hidden_size / heads,
        None => return Err(Error::Config { field: "head_dim", rule: "does not follow from the sizes given".into() }),
    };
    keys.same("attention.value_length", head_dim, "value width")?;
    keys.same("rope.dimension_count", head_dim, "partial rotary width")?;
    let vocab_size = embedding_rows(file)?;
    keys.same("vocab_size", vocab_size, "padded vocabulary")?;
    let layers = keys.needed("block_count")?;
    let gemma = family == Family::Gemma3;
    let default_theta = if gemma { family.traits().default_rope_theta } else { 10_000.0 };
    let config = DecoderConfig {
        hidden_size,
        intermediate_size: keys.needed("feed_forward_length")?,
        layers,
        heads,
        kv_heads: keys.size("attention.head_count_kv")?.unwrap_or(heads),
        head_dim,
        vocab_size,
        context_length: keys.needed("context_length")?,
        rope_theta: keys.number("rope.freq_base")?.unwrap_or(default_theta) as f32,
        rms_norm_epsilon: keys
            .number("attention.layer_norm_rms_epsilon")?
            .ok_or_else(|| keys.missing("attention.layer_norm_rms_epsilon"))? as f32,
        tied_embeddings: !file.tensors().contains_key("output.weight"),
        variant: Variant {
            family,
            rope_scaling: keys.rope_scaling(head_dim)?,
            local_rope_theta: match gemma {
                true => Some(keys.number("rope.freq_base_swa")?.unwrap_or(10_000.0) as f32),
                false => None,
            },
            layers: keys.rules(family, layers)?,
        },
    };
    config.validate()?;
    let alternative = gemma && layers == GEMMA3_27B_LAYERS;
    let divisor = if alternative { hidden_size as f32 / heads as f32 } else { head_dim as f32 };
    Ok((config, (head_dim as f32 / divisor).sqrt()))
}

/// Access to the keys of one architecture.
struct Keys<'f, 'a> {
    file: &'f Gguf<'a>,
    prefix: &'static str,
}

impl Keys<'_, '_> {
    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.prefix)
    }

    fn missing(&self, key: &str) -> Error {
        self.file.problem(format!("has no `{}`", self.key(key)))
    }

    fn size(&self, key: &str) -> Result<Option<usize>> {
        self.file.size(&self.key(key))
    }

    fn needed(&self, key: &str) -> Result<usize> {
        self.size(key)?.ok_or_else(|| self.missing(key))
    }

    fn number(&self, key: &str) -> Result<Option<f64>> {
        self.file.number(&self.key(key))
    }

    fn same(&self, key: &str, expected: usize, what: &'static str) -> Result<()> {
        match self.size(key)? {
            Some(value) if value != expected => {
                Err(Error::Unsupported { what, value: format!("{value}, expected {expected}") })
            }
            _ => Ok(()),
        }
    }

    /// Keys that llama.cpp writes for variants of an architecture, each with the value that means "plain".
    fn refuse_variants(&self) -> Result<()> {
        let plain = [
            ("expert_count", 0.0),
            ("attention.clamp_kqv", 0.0),
            ("logit_scale", 1.0),
            ("embedding_scale", 1.0),
            ("residual_scale", 1.0),
            ("attention.scale", f64::NAN),
            ("attn_logit_softcapping", 0.0),
            ("final_logit_softcapping", 0.0),
        ];
        let refuse = |key: &str| Err(Error::Unsupported { what: "setting", value: self.key(key) });
        for (key, value) in plain {
            if self.number(key)?.is_some_and(|number| number != value) {
                return refuse(key);
            }
        }
        for (key, value) in [("attention.causal", true), ("use_parallel_residual", false)] {
            if self.file.flag(&self.key(key))?.is_some_and(|flag| flag != value) {
                return refuse(key);
            }
        }
        Ok(())
    }

    /// The file names linear scaling; it stores the factors that Llama 3.1's comes to.
    fn rope_scaling(&self, head_dim: usize) -> Result<RopeScaling> {
        const FACTORS: &str = "rope_freqs.weight";
        let factor = match self.number("rope.scaling.factor")? {
            Some(factor) => factor,
            None => self.number("rope.scale_linear")?.unwrap_or(1.0),
        };
        let linear = match self.file.text(&self.key("rope.scaling.type"))? {
            Some("none") => RopeScaling::None,
            // Zero stands for one, and a factor without a type is linear.
            None | Some("linear") if factor == 0.0 || factor == 1.0 => RopeScaling::None,
            None | Some("linear") => RopeScaling::Linear(factor as f32),
            Some(other) => return Err(Error::Unsupported { what: "rope scaling", value: printable(other) }),
        };
        if !self.file.tensors().contains_key(FACTORS) {
            return Ok(linear);
        }
        let factors = llama::read(self.file, FACTORS, &[head_dim / 2])?;
        match linear {
            linear if factors.iter().all(|&factor| factor == 1.0) => Ok(linear),
            RopeScaling::None => Ok(RopeScaling::Factors(factors)),
            _ => Err(Error::Unsupported { what: "rope scaling", value: format!("linear and {FACTORS}") }),
        }
    }

    /// What each layer's attention does; empty if every layer does what plain Llama does.
    fn rules(&self, family: Family, layers: usize) -> Result<Vec<LayerRule>> {
        const WINDOW: &str = "attention.sliding_window";
        // Sizes are checked after this; nothing is allocated by a number that may be absurd.
        let layers = 0..layers.min(1 << 10);
        let window = self.size(WINDOW)?.filter(|&window| window > 0);
        match (family, window) {
            (Family::Gemma3, Some(_)) => {
                let period = self.size("attention.sliding_window_pattern")?.unwrap_or(GEMMA3_PERIOD).max(1);
                let rule = |layer: usize| match (layer + 1).is_multiple_of(period) {
                    true => LayerRule::default(),
                    false => LayerRule { window, rotation: Rotation::Local },
                };
                Ok(layers.map(rule).collect())
            }
            (Family::Gemma3, None) => Err(self.missing(WINDOW)),
            (Family::Llama, Some(_)) => Ok(layers.map(|_| LayerRule { window, ..LayerRule::default() }).collect()),
            (_, Some(_)) => Err(Error::Unsupported { what: "setting", value: self.key(WINDOW) }),
            (Family::SmolLm3, None) => {
                let rule = |layer: usize| match (layer + 1).is_multiple_of(SMOLLM3_PERIOD) {
                    true => LayerRule { window, rotation: Rotation::None },
                    false => LayerRule::default(),
                };
                Ok(layers.map(rule).collect())
            }
            (_, None) => Ok(Vec::new()),
        }
    }
}

fn embedding_rows(file: &Gguf<'_>) -> Result<usize> {
    let tensor = file.tensors().get("token_embd.weight");
    match tensor.map(|tensor| tensor.dimensions.as_slice()) {
        Some(&[_, rows]) => Ok(rows),
        Some(_) => Err(Error::Tensor { name: "token_embd.weight".into(), problem: "is not a matrix".into() }),
        None => Err(Error::Tensor { name: "token_embd.weight".into(), problem: "is missing".into() }),
    }
}
