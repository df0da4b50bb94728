//! `config.json` of a token classifier.
//!
//! Invariants: what is left out has the value that `transformers` 5.23 gives it (`configuration_bert.py`); what would change
//! the arithmetic and is not computed here is refused, not ignored.

use serde_json::{Map, Value};

use super::forward::Activation;
use crate::base::gguf::printable;
use crate::base::settings::Settings;
use crate::error::{Error, Result};

/// The one class of model that is run.
const ARCHITECTURE: &str = "BertForTokenClassification";
/// Most labels, and most characters of one's name.
const MOST_LABELS: usize = 1 << 10;
const LONGEST_LABEL: usize = 80;

/// Sizes and constants.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    pub(super) hidden: usize,
    pub(super) intermediate: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) vocabulary: usize,
    /// Longest sequence.
    pub(super) positions: usize,
    /// Kinds of segments; the first is meant.
    pub(super) segments: usize,
    pub(super) epsilon: f32,
    pub(super) activation: Activation,
    /// Names, in the order of the logits.
    pub(super) labels: Vec<String>,
}

/// Reads the shape.
///
/// # Errors
/// [`Error::Unsupported`] for what is not computed, [`Error::Config`].
pub(super) fn read(settings: &Map<String, Value>) -> Result<Shape> {
    let settings = Settings(settings);
    architecture(&settings)?;
    refuse_variants(&settings)?;
    let size = |field, key, default| Ok::<_, Error>(settings.size(field, key)?.unwrap_or(default));
    let shape = Shape {
        hidden: size("hidden_size", "hidden_size", 768)?,
        intermediate: size("intermediate_size", "intermediate_size", 3072)?,
        layers: size("layers", "num_hidden_layers", 12)?,
        heads: size("heads", "num_attention_heads", 12)?,
        vocabulary: size("vocab_size", "vocab_size", 30_522)?,
        positions: size("max_position_embeddings", "max_position_embeddings", 512)?,
        segments: size("type_vocab_size", "type_vocab_size", 2)?,
        epsilon: settings.number("layer_norm_eps", settings.given("layer_norm_eps"), 1e-12)?,
        activation: activation(&settings)?,
        labels: labels(&settings)?,
    };
    shape.validate()?;
    Ok(shape)
}

impl Shape {
    fn validate(&self) -> Result<()> {
        let sizes = [
            ("hidden_size", self.hidden, 1, 1 << 16),
            ("intermediate_size", self.intermediate, 1, 1 << 18),
            ("layers", self.layers, 1, 1 << 10),
            ("heads", self.heads, 1, 1 << 10),
            ("vocab_size", self.vocabulary, 1, 1 << 22),
            ("max_position_embeddings", self.positions, 8, 1 << 24),
            ("type_vocab_size", self.segments, 1, 1 << 10),
        ];
        for (field, value, least, most) in sizes {
            if !(least..=most).contains(&value) {
                return Err(Error::Config { field, rule: format!("is {value}, must be from {least} to {most}") });
            }
        }
        if !self.hidden.is_multiple_of(self.heads) {
            return Err(Error::Config { field: "heads", rule: "must divide the hidden size".into() });
        }
        if !(self.epsilon.is_finite() && self.epsilon >= 0.0) {
            return Err(Error::Config { field: "layer_norm_eps", rule: "must be zero or a positive number".into() });
        }
        Ok(())
    }
}

fn architecture(settings: &Settings<'_>) -> Result<()> {
    let named = settings.given("architectures").and_then(Value::as_array).and_then(|names| names.first()?.as_str());
    let kind = settings.given("model_type").and_then(Value::as_str);
    match (named, kind) {
        (Some(ARCHITECTURE), None | Some("bert")) => Ok(()),
        _ => {
            let value = printable(named.filter(|name| *name != ARCHITECTURE).or(kind).unwrap_or("none"));
            Err(Error::Unsupported { what: "classifier", value })
        }
    }
}

fn refuse_variants(settings: &Settings<'_>) -> Result<()> {
    for key in ["is_decoder", "add_cross_attention", "quantization_config"] {
        if settings.given(key).is_some_and(|value| value != &Value::Bool(false)) {
            return Err(Error::Unsupported { what: "setting", value: key.into() });
        }
    }
    match settings.given("position_embedding_type").map(Value::as_str) {
        None | Some(Some("absolute")) => Ok(()),
        Some(_) => Err(Error::Unsupported { what: "setting", value: "position_embedding_type".into() }),
    }
}

fn activation(settings: &Settings<'_>) -> Result<Activation> {
    match settings.given("hidden_act").map_or(Some("gelu"), Value::as_str) {
        Some("gelu") => Ok(Activation::Gelu),
        Some("gelu_new" | "gelu_pytorch_tanh") => Ok(Activation::GeluTanh),
        Some("relu") => Ok(Activation::Relu),
        other => Err(Error::Unsupported { what: "activation", value: printable(other.unwrap_or("not a name")) }),
    }
}

/// The names of `id2label`, which must be those of the numbers from 0 on.
fn labels(settings: &Settings<'_>) -> Result<Vec<String>> {
    let wrong = |rule: String| Error::Config { field: "id2label", rule };
    let names = settings.given("id2label").and_then(Value::as_object).ok_or_else(|| wrong("is missing".into()))?;
    if !(2..=MOST_LABELS).contains(&names.len()) {
        return Err(wrong(format!("has {} labels, must have from 2 to {MOST_LABELS}", names.len())));
    }
    let name = |id: usize| {
        let name = names.get(&id.to_string()).and_then(Value::as_str);
        name.filter(|name| {
            name.len() <= LONGEST_LABEL && name.chars().all(|c| c.is_ascii_graphic() || c.is_alphanumeric() || c == ' ')
        })
        .map(str::to_owned)
        .ok_or_else(|| wrong(format!("has no usable name for {id}")))
    };
    (0..names.len()).map(name).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn with(changes: Value) -> Result<Shape> {
        let mut settings = json!({"architectures": [ARCHITECTURE], "id2label": {"0": "O", "1": "B-PER"}});
        for (key, value) in changes.as_object().unwrap() {
            settings[key] = value.clone();
        }
        read(settings.as_object().unwrap())
    }

    #[test]
    fn what_is_left_out_is_bert_base() {
        let shape = with(json!({})).unwrap();
        assert_eq!((shape.hidden, shape.layers, shape.heads, shape.positions), (768, 12, 12, 512));
        assert_eq!(shape.labels, ["O", "B-PER"]);
    }

    #[test]
    fn what_is_not_computed_is_refused() {
        for (change, message) in [
            (json!({"architectures": ["BertForMaskedLM"]}), "unsupported classifier: `BertForMaskedLM`"),
            (json!({"architectures": null, "model_type": "roberta"}), "unsupported classifier: `roberta`"),
            (json!({"model_type": "camembert"}), "unsupported classifier: `camembert`"),
            (json!({"is_decoder": true}), "unsupported setting: `is_decoder`"),
            (json!({"position_embedding_type": "relative_key"}), "unsupported setting: `position_embedding_type`"),
            (json!({"quantization_config": {}}), "unsupported setting: `quantization_config`"),
            (json!({"hidden_act": "silu"}), "unsupported activation: `silu`"),
            (json!({"hidden_size": 1u64 << 40}), "model config: hidden_size is 1099511627776, must be from 1 to 65536"),
            (json!({"hidden_size": -1}), "model config: hidden_size is not a whole number"),
            (json!({"num_attention_heads": 7}), "model config: heads must divide the hidden size"),
            (json!({"layer_norm_eps": -1.0}), "model config: layer_norm_eps must be zero or a positive number"),
            (json!({"id2label": {"0": "O"}}), "model config: id2label has 1 labels, must have from 2 to 1024"),
            (json!({"id2label": {"0": "O", "2": "B-PER"}}), "model config: id2label has no usable name for 1"),
            (json!({"id2label": {"0": "O", "1": "B-\u{200b}PER"}}), "model config: id2label has no usable name for 1"),
            (json!({"id2label": null}), "model config: id2label is missing"),
        ] {
            assert_eq!(with(change).unwrap_err().to_string(), message);
        }
    }
}
