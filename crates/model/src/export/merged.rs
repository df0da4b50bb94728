//! Base and adapter as one model: a Hugging Face folder that any program for the base's family loads.
//!
//! `W + (alpha / rank) B A` is computed in `f32` and rounded once, to the type that was asked for. What the folder says of
//! the model follows from the base's config and tokenizer, whichever kind of file they came from.
//!
//! Sources: transformers 5.23 (`LlamaConfig`, `generation_config.json`), huggingface_hub (`model.safetensors.index.json`).

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use rayon::prelude::*;
use serde_json::{Map, Value, json};

use crate::base::Base;
use crate::base::folder::{EMBEDDING, FINAL_NORM, HEAD};
use crate::config::DecoderConfig;
use crate::error::{Error, Result};
use crate::export::FloatType;
use crate::family::{Family, Variant};
use crate::files::{pretty, safetensors_head, write_file, write_folder};
use crate::kernels::frozen::Frozen;
use crate::lora::{Lora, Slot, Target};
use crate::peft::check_factors;
use crate::weights::{Extras, LayerWeights, Weights};

/// Tensors of one file at most: larger files upset file systems, transports and readers with 32-bit offsets.
pub const SHARD_BYTES: u64 = 4 << 30;

/// Rows that are merged at a time.
const ROWS_AT_ONCE: usize = 1024;

/// Writes the folder. It must not exist, or be empty, and its parent must exist. `weights` are those of `base`, opened
/// in `f32`; a file takes at most `shard_bytes` of tensors (or one tensor), more go into further files.
///
/// # Errors
/// [`Error::Io`], also if the folder is not empty; then nothing is left behind. [`Error::Adapter`] and
/// [`Error::NonFinite`] for factors that are no adapter of this base; [`Error::NonFinite`] for a sum that `kind` cannot
/// hold; [`Error::Tensor`] for weights that do not fit the base; [`Error::Unsupported`] for a family, or a variant of
/// one, of which the folder could not say everything.
pub fn write(dir: &Path, lora: &Lora, base: &Base, weights: &Weights, kind: FloatType, shard_bytes: u64) -> Result<()> {
    check_factors(lora, &base.config)?;
    weights.validate(&base.config)?;
    check_variant(&base.config)?;
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::InvalidData => Error::NonFinite("a merged weight, in the type that was asked for,"),
        _ => Error::Io { action: "write", path: dir.to_path_buf(), source },
    };
    let tensors = tensors(&base.config, weights, lora);
    write_folder(dir, |folder| {
        write_settings(folder, base, kind).map_err(failed)?;
        write_shards(folder, &tensors, lora, kind, shard_bytes).map_err(failed)
    })
}

/// Only what [`config`] can say of a base in full.
fn check_variant(config: &DecoderConfig) -> Result<()> {
    let family = config.variant.family;
    let plain = Variant { family, ..Variant::default() };
    if matches!(family, Family::Llama | Family::Qwen2 | Family::Qwen3) && config.variant == plain {
        return Ok(());
    }
    let value = format!("{}, with its rotation and windows", family.traits().name);
    Err(Error::Unsupported { what: "base of a merged model", value })
}

struct Tensor<'a> {
    name: String,
    values: Values<'a>,
}

enum Values<'a> {
    Vector(&'a [f32]),
    Matrix(&'a Frozen, Option<&'a Slot>),
}

impl Tensor<'_> {
    fn shape(&self) -> Vec<usize> {
        match self.values {
            Values::Vector(values) => vec![values.len()],
            Values::Matrix(matrix, _) => vec![matrix.shape().0, matrix.shape().1],
        }
    }

    fn bytes(&self, kind: FloatType) -> u64 {
        (self.shape().iter().product::<usize>() * kind.bytes()) as u64
    }
}

/// All tensors of the model, in its order. The structures are taken apart whole: a field that is added to them must
/// find its place here.
fn tensors<'a>(config: &DecoderConfig, weights: &'a Weights, lora: &'a Lora) -> Vec<Tensor<'a>> {
    let Weights { embedding, layers, final_norm, head } = weights;
    let mut tensors = vec![Tensor { name: EMBEDDING.into(), values: Values::Matrix(embedding, None) }];
    for (index, layer) in layers.iter().enumerate() {
        let LayerWeights { attention_norm, query, key, value, output, mlp_norm, gate, up, down, extras } = layer;
        // The other extras belong to families that `check_variant` refuses.
        let Extras { query_bias, key_bias, value_bias, query_norm, key_norm, .. } = extras;
        let mut norm = |name: &str, values: &'a [f32]| {
            tensors.push(Tensor { name: format!("model.layers.{index}.{name}"), values: Values::Vector(values) });
        };
        norm("input_layernorm.weight", attention_norm);
        norm("post_attention_layernorm.weight", mlp_norm);
        for (name, values) in [
            ("self_attn.q_proj.bias", query_bias),
            ("self_attn.k_proj.bias", key_bias),
            ("self_attn.v_proj.bias", value_bias),
            ("self_attn.q_norm.weight", query_norm),
            ("self_attn.k_norm.weight", key_norm),
        ] {
            if let Some(values) = values {
                norm(name, values);
            }
        }
        for (target, matrix) in Target::ALL.into_iter().zip([query, key, value, output, gate, up, down]) {
            let name = format!("model.layers.{index}.{}.{}.weight", target.block(), target.module());
            tensors.push(Tensor { name, values: Values::Matrix(matrix, lora.slot(index, target)) });
        }
    }
    tensors.push(Tensor { name: FINAL_NORM.into(), values: Values::Vector(final_norm) });
    if let Some(head) = head.as_ref().filter(|_| !config.tied_embeddings) {
        tensors.push(Tensor { name: HEAD.into(), values: Values::Matrix(head, None) });
    }
    tensors
}

/// One file, or as many as it takes, and then the index that names them.
fn write_shards(dir: &Path, tensors: &[Tensor<'_>], lora: &Lora, kind: FloatType, shard_bytes: u64) -> io::Result<()> {
    let mut shards: Vec<Vec<&Tensor<'_>>> = Vec::new();
    let mut room = 0;
    for tensor in tensors {
        let bytes = tensor.bytes(kind);
        match shards.last_mut() {
            Some(shard) if bytes <= room => shard.push(tensor),
            _ => {
                shards.push(vec![tensor]);
                room = shard_bytes.max(bytes);
            }
        }
        room -= bytes;
    }
    if let [shard] = shards.as_slice() {
        return write_file(dir, "model.safetensors", |file| write_tensors(file, shard, lora, kind));
    }
    let count = shards.len();
    let mut map = BTreeMap::new();
    for (index, shard) in shards.iter().enumerate() {
        let name = format!("model-{:05}-of-{count:05}.safetensors", index + 1);
        write_file(dir, &name, |file| write_tensors(file, shard, lora, kind))?;
        map.extend(shard.iter().map(|tensor| (&tensor.name, name.clone())));
    }
    let total: u64 = tensors.iter().map(|tensor| tensor.bytes(kind)).sum();
    let index = json!({"metadata": {"total_size": total}, "weight_map": map});
    write_file(dir, "model.safetensors.index.json", |file| pretty(file, &index))
}

fn write_tensors(file: &mut impl Write, tensors: &[&Tensor<'_>], lora: &Lora, kind: FloatType) -> io::Result<()> {
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let shapes = tensors.iter().map(|tensor| (tensor.name.clone(), tensor.shape()));
    file.write_all(&safetensors_head(&metadata, (kind.safetensors(), kind.bytes()), shapes)?)?;
    let mut bytes = Vec::new();
    let mut write = |values: &[f32]| {
        bytes.clear();
        if kind.store(values, &mut bytes) { file.write_all(&bytes) } else { Err(io::ErrorKind::InvalidData.into()) }
    };
    for tensor in tensors {
        match tensor.values {
            Values::Vector(values) => write(values)?,
            Values::Matrix(matrix, slot) => {
                let (output, input) = matrix.shape();
                let mut rows = vec![0.0; ROWS_AT_ONCE.min(output) * input];
                for first in (0..output).step_by(ROWS_AT_ONCE) {
                    let rows = &mut rows[..ROWS_AT_ONCE.min(output - first) * input];
                    rows.par_chunks_exact_mut(input).enumerate().for_each(|(row, values)| {
                        matrix.row(first + row, values);
                        if let Some(slot) = slot {
                            add_product(values, first + row, slot, lora);
                        }
                    });
                    write(rows)?;
                }
            }
        }
    }
    Ok(())
}

/// Adds row `row` of `(alpha / rank) B A`.
fn add_product(values: &mut [f32], row: usize, slot: &Slot, lora: &Lora) {
    let rank = lora.spec.rank;
    let (a, b) = (&lora.parameters[slot.a.clone()], &lora.parameters[slot.b.clone()]);
    let mut sum = vec![0.0f32; values.len()];
    for (a, &b) in a.chunks_exact(slot.input).zip(&b[row * rank..(row + 1) * rank]) {
        sum.iter_mut().zip(a).for_each(|(sum, a)| *sum += b * a);
    }
    let scale = lora.spec.scale();
    values.iter_mut().zip(&sum).for_each(|(value, sum)| *value += scale * sum);
}

fn write_settings(dir: &Path, base: &Base, kind: FloatType) -> io::Result<()> {
    let tokenizer = &base.tokenizer;
    write_file(dir, "config.json", |file| pretty(file, &config(base, kind)))?;
    write_file(dir, "generation_config.json", |file| pretty(file, &Value::Object(special_ids(base, true))))?;
    write_file(dir, "tokenizer.json", |file| file.write_all(tokenizer.json().as_bytes()))?;
    let mut settings = tokenizer.config().clone();
    if let Some(template) = &base.template {
        // Newer readers look for the file, older ones for the setting.
        settings.insert("chat_template".into(), template.source().into());
        write_file(dir, "chat_template.jinja", |file| file.write_all(template.source().as_bytes()))?;
    }
    write_file(dir, "tokenizer_config.json", |file| pretty(file, &Value::Object(settings)))
}

fn config(base: &Base, kind: FloatType) -> Value {
    let family = base.config.traits();
    // Whole, as above: what is added to the config must be written.
    let DecoderConfig {
        hidden_size,
        intermediate_size,
        layers,
        heads,
        kv_heads,
        head_dim,
        vocab_size,
        context_length,
        rope_theta,
        rms_norm_epsilon,
        tied_embeddings,
        variant: _, // `check_variant`
    } = &base.config;
    let dtype = match kind {
        FloatType::F32 => "float32",
        FloatType::F16 => "float16",
        FloatType::Bf16 => "bfloat16",
    };
    let Value::Object(mut config) = json!({
        "architectures": [family.class],
        "attention_bias": false,
        "head_dim": head_dim,
        "hidden_act": "silu",
        "hidden_size": hidden_size,
        "intermediate_size": intermediate_size,
        "max_position_embeddings": context_length,
        "mlp_bias": false,
        "model_type": family.model_type,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": kv_heads,
        "rms_norm_eps": shortest(*rms_norm_epsilon),
        "rope_theta": shortest(*rope_theta),
        "tie_word_embeddings": tied_embeddings,
        "torch_dtype": dtype,
        "vocab_size": vocab_size,
    }) else {
        return Value::Null;
    };
    config.append(&mut special_ids(base, false));
    Value::Object(config)
}

/// The ids that begin, end and pad a text. Several ends make a list where the reader knows lists.
fn special_ids(base: &Base, all_ends: bool) -> Map<String, Value> {
    let tokenizer = &base.tokenizer;
    let mut ids = Map::new();
    if let Some(bos) = tokenizer.bos() {
        ids.insert("bos_token_id".into(), bos.into());
    }
    match tokenizer.eos_ids() {
        [] => {}
        [first, _, ..] if !all_ends => drop(ids.insert("eos_token_id".into(), (*first).into())),
        [only] => drop(ids.insert("eos_token_id".into(), (*only).into())),
        several => drop(ids.insert("eos_token_id".into(), several.into())),
    }
    if let Some(pad) = tokenizer.pad() {
        ids.insert("pad_token_id".into(), pad.into());
    }
    ids
}

/// A number with the digits that name it as `f32`, and no more.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}
