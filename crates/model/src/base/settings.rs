//! `config.json` of a Hugging Face folder as the shape of a decoder.
//!
//! Invariants: what is left out has the value that `transformers` 5.23 gives it (`configuration_*.py` of the family);
//! what would change the arithmetic and is not in the table of [`crate::family`] is refused, not ignored.

use serde_json::{Map, Value};

use crate::base::gguf::printable;
use crate::config::DecoderConfig;
use crate::error::{Error, Result};
use crate::family::{Activation, Family, LayerRule, RopeScaling, Rotation, Traits, Variant};

/// A decoder's shape, and what the gains of its query heads are multiplied by when they are read: attention divides
/// its scores by the root of the head's width, and some models want another divisor.
pub(crate) type Shape = (DecoderConfig, f32);

/// Reads the shape.
///
/// # Errors
/// [`Error::Unsupported`] for what the decoder does not compute, [`Error::Config`].
pub(crate) fn read(settings: &Map<String, Value>) -> Result<Shape> {
    let family = family(settings)?;
    let (traits, settings) = (family.traits(), Settings(settings));
    settings.refuse_variants(traits)?;
    let hidden_size = settings.needed("hidden_size", "hidden_size")?;
    let heads = settings.needed("heads", "num_attention_heads")?;
    let head_dim = match settings.size("head_dim", "head_dim")?.or(traits.default_head_dim) {
        Some(width) => width,
        None if heads > 0 && hidden_size.is_multiple_of(heads) => hidden_size / heads,
        None => return Err(Error::Config { field: "head_dim", rule: "does not follow from the sizes given".into() }),
    };
    let layers = settings.needed("layers", "num_hidden_layers")?;
    let (rope_theta, rope_scaling, local_rope_theta) = settings.rope(family)?;
    let rules = settings.rules(family, layers)?;
    let config = DecoderConfig {
        hidden_size,
        intermediate_size: settings.needed("intermediate_size", "intermediate_size")?,
        layers,
        heads,
        kv_heads: match settings.size("kv_heads", "num_key_value_heads")? {
            Some(kv_heads) => kv_heads,
            // The other families have a number of their own where the key is left out, and write it always.
            None if family == Family::Llama || settings.0.contains_key("num_key_value_heads") => heads,
            None => return Err(Error::Config { field: "kv_heads", rule: "is missing".into() }),
        },
        head_dim,
        vocab_size: settings.needed("vocab_size", "vocab_size")?,
        context_length: match settings.size("context_length", "max_position_embeddings")? {
            Some(length) => length,
            None if family == Family::Llama => 2048,
            None => return Err(Error::Config { field: "context_length", rule: "is missing".into() }),
        },
        rope_theta,
        rms_norm_epsilon: settings.number("rms_norm_epsilon", settings.given("rms_norm_eps"), 1e-6)?,
        tied_embeddings: settings.flag("tie_word_embeddings").unwrap_or(traits.default_tied),
        variant: Variant { family, rope_scaling, local_rope_theta, layers: rules },
    };
    config.validate()?;
    Ok((config, settings.query_gain(family, head_dim)?))
}

/// The family that `model_type` and `architectures` name, if they agree.
fn family(settings: &Map<String, Value>) -> Result<Family> {
    let given = |key: &str| settings.get(key).filter(|value| !value.is_null());
    let model_type = given("model_type").and_then(Value::as_str);
    let classes = given("architectures").and_then(Value::as_array);
    let fits = |family: &Family| {
        let traits = family.traits();
        let class = classes.is_some_and(|classes| classes.iter().any(|class| class == traits.class));
        match model_type {
            Some(name) => name == traits.model_type && (class || classes.is_none()),
            None => class,
        }
    };
    let named = || classes.and_then(|classes| classes.first()?.as_str()).or(model_type).unwrap_or("none");
    let unknown = || Error::Unsupported { what: "architecture", value: printable(named()) };
    Family::ALL.into_iter().find(fits).ok_or_else(unknown)
}

/// Typed access to the keys; null counts as absent.
pub(crate) struct Settings<'a>(pub(crate) &'a Map<String, Value>);

impl<'a> Settings<'a> {
    pub(crate) fn given(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.given(key).and_then(Value::as_bool)
    }

    pub(crate) fn size(&self, field: &'static str, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.given(key) else { return Ok(None) };
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        number.map(Some).ok_or_else(|| Error::Config { field, rule: "is not a whole number".into() })
    }

    pub(crate) fn needed(&self, field: &'static str, key: &str) -> Result<usize> {
        self.size(field, key)?.ok_or_else(|| Error::Config { field, rule: "is missing".into() })
    }

    pub(crate) fn number(&self, field: &'static str, value: Option<&Value>, default: f64) -> Result<f32> {
        match value {
            None => Ok(default as f32),
            Some(value) => value
                .as_f64()
                .map(|number| number as f32)
                .ok_or_else(|| Error::Config { field, rule: "is not a number".into() }),
        }
    }

    fn refuse_variants(&self, traits: Traits) -> Result<()> {
        const MUST_BE_OFF: [&str; 6] = [
            "attention_bias",
            "mlp_bias",
            "quantization_config",
            "attn_logit_softcapping",
            "final_logit_softcapping",
            "use_bidirectional_attention",
        ];
        for key in MUST_BE_OFF {
            if self.given(key).is_some_and(|value| value != &Value::Bool(false)) {
                return Err(Error::Unsupported { what: "setting", value: key.into() });
            }
        }
        if self.given("partial_rotary_factor").is_some_and(|factor| factor.as_f64() != Some(1.0)) {
            return Err(Error::Unsupported { what: "setting", value: "partial_rotary_factor".into() });
        }
        let (key, names): (_, &[&str]) = match traits.activation {
            Activation::Silu => ("hidden_act", &["silu", "swish"]),
            Activation::GeluTanh => ("hidden_activation", &["gelu_pytorch_tanh"]),
        };
        match self.given(key).map_or(Some(names[0]), Value::as_str) {
            Some(name) if names.contains(&name) => Ok(()),
            other => {
                let value = printable(other.unwrap_or("not a name"));
                Err(Error::Unsupported { what: "activation", value })
            }
        }
    }

    /// Base and scaling of the global rotary frequencies, and the base of the local ones. Settings of their own for
    /// each kind of layer are Gemma's; older folders have `rope_theta` and `rope_local_base_freq` instead.
    fn rope(&self, family: Family) -> Result<(f32, RopeScaling, Option<f32>)> {
        let mut global = self.given("rope_parameters");
        let mut local_theta = None;
        if family == Family::Gemma3 {
            let of_kind = |kind: &str| global.and_then(|all| all.get(kind)).filter(|value| !value.is_null());
            if global.is_some_and(|all| all.get("rope_type").is_some()) {
                return Err(Error::Unsupported {
                    what: "rope scaling",
                    value: "one for local and global layers".into(),
                });
            }
            let local = of_kind("sliding_attention");
            if local.map(|local| self.scaling(local)).transpose()?.is_some_and(|scaling| scaling != RopeScaling::None) {
                return Err(Error::Unsupported { what: "rope scaling", value: "of local layers".into() });
            }
            let theta = local.and_then(|local| local.get("rope_theta")).or_else(|| self.given("rope_local_base_freq"));
            local_theta = Some(self.number("local rope_theta", theta, 10_000.0)?);
            global = of_kind("full_attention");
        }
        let older = self.given("rope_scaling");
        if let Some(unnamed) = older.filter(|older| kind(older).is_none()) {
            let value = if unnamed.is_object() { "unnamed" } else { "not an object" };
            return Err(Error::Unsupported { what: "rope scaling", value: value.into() });
        }
        // The older key stands for the newer one as a whole, but in Gemma, where it changes it.
        let newer = global.filter(|_| older.is_none() || family == Family::Gemma3);
        let in_object = [older, newer].into_iter().flatten().find_map(|object| object.get("rope_theta"));
        let theta = in_object.or_else(|| self.given("rope_theta"));
        let theta = self.number("rope_theta", theta, family.traits().default_rope_theta)?;
        let scaling = older.or(global).map_or(Ok(RopeScaling::None), |scaling| self.scaling(scaling))?;
        Ok((theta, scaling, local_theta))
    }

    fn scaling(&self, scaling: &Value) -> Result<RopeScaling> {
        let needed = |key: &str| match scaling.get(key) {
            Some(value) => self.number("rope scaling", Some(value), 1.0),
            None => Err(Error::Config { field: "rope scaling", rule: format!("has no `{key}`") }),
        };
        let refused = |value: &str| Err(Error::Unsupported { what: "rope scaling", value: printable(value) });
        if scaling.get("partial_rotary_factor").is_some_and(|factor| factor.as_f64() != Some(1.0)) {
            return refused("partial_rotary_factor");
        }
        match kind(scaling) {
            None | Some("default") => Ok(RopeScaling::None),
            Some("linear") => Ok(RopeScaling::Linear(needed("factor")?)),
            Some("llama3") => Ok(RopeScaling::Llama3 {
                factor: needed("factor")?,
                low: needed("low_freq_factor")?,
                high: needed("high_freq_factor")?,
                original_context: needed("original_max_position_embeddings")?,
            }),
            Some(other) => refused(other),
        }
    }

    /// What each layer's attention does; empty if every layer does what plain Llama does.
    fn rules(&self, family: Family, layers: usize) -> Result<Vec<LayerRule>> {
        // Sizes are checked after this; nothing is allocated by a number that may be absurd.
        let layers = layers.min(1 << 10);
        let window = self.size("sliding_window", "sliding_window")?;
        let switched_on = window.filter(|_| self.flag("use_sliding_window") == Some(true));
        let rules: Vec<LayerRule> = match family {
            Family::Llama => match window {
                None => Vec::new(),
                Some(_) => return Err(Error::Unsupported { what: "setting", value: "sliding_window".into() }),
            },
            Family::Mistral => {
                if self.given("layer_types").is_some() {
                    return Err(Error::Unsupported { what: "setting", value: "layer_types".into() });
                }
                // Absent means 4096, null means none.
                let window = if self.0.contains_key("sliding_window") { window } else { Some(4096) };
                vec![LayerRule { window, ..LayerRule::default() }; layers]
            }
            Family::Qwen2 | Family::Qwen3 => {
                let full = self.size("max_window_layers", "max_window_layers")?.unwrap_or(28);
                let local = self.local(layers, |layer| switched_on.is_some() && layer >= full)?;
                windows(&local, switched_on)?
            }
            Family::SmolLm3 => {
                let rotates = self.rotates(layers)?;
                let local = self.local(layers, |layer| switched_on.is_some() && !rotates[layer])?;
                let mut rules = windows(&local, switched_on)?;
                for (rule, rotates) in rules.iter_mut().zip(rotates) {
                    rule.rotation = if rotates { Rotation::Global } else { Rotation::None };
                }
                rules
            }
            Family::Gemma3 => {
                let period = self.size("sliding_window_pattern", "sliding_window_pattern")?.unwrap_or(6).max(1);
                let local = self.local(layers, |layer| !(layer + 1).is_multiple_of(period))?;
                let window = if self.0.contains_key("sliding_window") { window } else { Some(4096) };
                let mut rules = windows(&local, window)?;
                for (rule, local) in rules.iter_mut().zip(local) {
                    rule.rotation = if local { Rotation::Local } else { Rotation::Global };
                }
                rules
            }
        };
        let plain = rules.iter().all(|rule| *rule == LayerRule::default());
        Ok(if plain { Vec::new() } else { rules })
    }

    /// Which layers have a window: `layer_types`, or a rule of the family.
    fn local(&self, layers: usize, rule: impl Fn(usize) -> bool) -> Result<Vec<bool>> {
        let Some(kinds) = self.given("layer_types") else { return Ok((0..layers).map(rule).collect()) };
        let kinds = kinds.as_array().filter(|kinds| kinds.len() == layers);
        let rule = "must name one kind per layer";
        let kinds = kinds.ok_or_else(|| Error::Config { field: "layer_types", rule: rule.into() })?;
        let local = |kind: &Value| match kind.as_str() {
            Some("full_attention") => Ok(false),
            Some("sliding_attention") => Ok(true),
            other => {
                let value = printable(other.unwrap_or("not a name"));
                Err(Error::Unsupported { what: "kind of layer", value })
            }
        };
        kinds.iter().map(local).collect()
    }

    /// Which layers rotate queries and keys: `no_rope_layers` (1 means that a layer does), or all but every n-th.
    fn rotates(&self, layers: usize) -> Result<Vec<bool>> {
        let Some(given) = self.given("no_rope_layers") else {
            let period = self.size("no_rope_layer_interval", "no_rope_layer_interval")?.unwrap_or(4).max(1);
            return Ok((0..layers).map(|layer| !(layer + 1).is_multiple_of(period)).collect());
        };
        let given = given.as_array().filter(|given| given.len() >= layers);
        let numbers = given.map(|given| given[..layers].iter().map(Value::as_u64).collect::<Option<Vec<_>>>());
        let numbers = numbers.flatten().filter(|numbers| numbers.iter().all(|&number| number <= 1));
        let rule = "must be 0 or 1 for every layer";
        let numbers = numbers.ok_or_else(|| Error::Config { field: "no_rope_layers", rule: rule.into() })?;
        Ok(numbers.into_iter().map(|number| number == 1).collect())
    }

    fn query_gain(&self, family: Family, head_dim: usize) -> Result<f32> {
        if family != Family::Gemma3 {
            return Ok(1.0);
        }
        let scalar = self.number("query_pre_attn_scalar", self.given("query_pre_attn_scalar"), 256.0)?;
        if scalar.is_finite() && scalar > 0.0 {
            return Ok((head_dim as f32 / scalar).sqrt());
        }
        Err(Error::Config { field: "query_pre_attn_scalar", rule: "must be a positive number".into() })
    }
}

fn windows(local: &[bool], window: Option<usize>) -> Result<Vec<LayerRule>> {
    if local.contains(&true) && window.is_none() {
        return Err(Error::Config { field: "sliding_window", rule: "is missing, and layers need it".into() });
    }
    let rule = |&local: &bool| LayerRule { window: window.filter(|_| local), ..LayerRule::default() };
    Ok(local.iter().map(rule).collect())
}

fn kind(scaling: &Value) -> Option<&str> {
    scaling.get("rope_type").or_else(|| scaling.get("type")).and_then(Value::as_str)
}
