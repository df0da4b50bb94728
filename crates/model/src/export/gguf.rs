//! A LoRA adapter as one GGUF file, as llama.cpp and what is built on it load it.
//!
//! Sources: ggml-org/llama.cpp, `convert_lora_to_gguf.py` (names, metadata, permuted rows) and `src/llama-adapter.cpp`
//! (what is read: `general.type`, `general.architecture`, `adapter.type`, `adapter.lora.alpha`; each tensor
//! `<tensor of the base>.lora_a` `[in, rank]` and `.lora_b` `[rank, out]` in ggml's order of sizes, scaled by
//! alpha / rank); ggml-org/ggml, `docs/gguf.md` (the container).
//!
//! Invariant: a file that llama.cpp would take for another base's, or that lacks a factor, is refused by [`read`].

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::Base;
use crate::base::dequant::{TensorType, dequantise};
use crate::base::gguf::{Gguf, MAGIC, Tensor, printable};
use crate::base::llama::half_split;
use crate::config::DecoderConfig;
use crate::error::{Error, Result};
use crate::export::FloatType;
use crate::lora::{Lora, LoraSpec, Slot, Target};
use crate::peft::{check_factors, printable_key};

const VERSION: u32 = 3;
const ALIGNMENT: usize = 32;
/// Types of metadata values.
const F32: u32 = 6;
const U32: u32 = 4;
const STRING: u32 = 8;

/// The bytes of the file.
///
/// # Errors
/// [`Error::Adapter`] and [`Error::NonFinite`] for factors that are no adapter of this base, or do not fit `kind`.
pub fn adapter(lora: &Lora, base: &Base, kind: FloatType) -> Result<Vec<u8>> {
    check_factors(lora, &base.config)?;
    let family = base.config.traits();
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend((2 * lora.slots.len() as u64).to_le_bytes());
    let metadata = [
        ("general.architecture", Meta::Text(family.gguf)),
        ("general.type", Meta::Text("adapter")),
        ("general.base_model.count", Meta::Count(1)),
        ("general.base_model.0.name", Meta::Text(&base.identity.name)),
        ("cloister.base_sha256", Meta::Text(&base.identity.sha256)),
        ("adapter.type", Meta::Text("lora")),
        ("adapter.lora.alpha", Meta::Number(lora.spec.alpha as f32)),
    ];
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        push_pair(&mut out, key, value);
    }
    let mut offset = 0;
    for slot in &lora.slots {
        for (name, [inner, outer]) in tensors(slot, lora.spec.rank) {
            push_text(&mut out, &name);
            out.extend(2_u32.to_le_bytes());
            out.extend((inner as u64).to_le_bytes());
            out.extend((outer as u64).to_le_bytes());
            out.extend(kind.ggml().to_le_bytes());
            out.extend((offset as u64).to_le_bytes());
            offset = (offset + inner * outer * kind.bytes()).next_multiple_of(ALIGNMENT);
        }
    }
    for slot in &lora.slots {
        let b = lora.parameters[slot.b.clone()].to_vec();
        let b = match rotary_heads(slot.target, &base.config) {
            Some(heads) if family.interleaved => interleave(&b, heads, lora.spec.rank),
            _ => b,
        };
        for values in [&lora.parameters[slot.a.clone()], &b] {
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
            if !kind.store(values, &mut out) {
                return Err(Error::Adapter(format!("a factor does not fit {kind}")));
            }
        }
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    Ok(out)
}

/// The adapter in the bytes of a file; `path` is for messages.
///
/// # Errors
/// [`Error::Format`] for what is not GGUF; [`Error::Adapter`] names the first key or tensor that does not belong to a
/// LoRA adapter of this decoder; [`Error::NonFinite`].
pub fn read(bytes: &[u8], path: &Path, config: &DecoderConfig) -> Result<Lora> {
    let file = Gguf::parse(bytes, path)?;
    let family = config.traits();
    let expected = [("general.type", "adapter"), ("general.architecture", family.gguf), ("adapter.type", "lora")];
    for (key, value) in expected {
        match file.text(key)? {
            Some(found) if found == value => {}
            found => {
                let found = printable(found.unwrap_or("missing"));
                return Err(Error::Adapter(format!("`{key}` is `{found}`, expected `{value}`")));
            }
        }
    }
    let alpha = file.number("adapter.lora.alpha")?;
    let alpha = alpha.filter(|alpha| alpha.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(alpha));
    let alpha = alpha.ok_or_else(|| Error::Adapter("`adapter.lora.alpha` is no whole number from 1 on".into()))?;
    let spec = spec(file.tensors(), alpha as u32)?;
    let mut lora = Lora::zeros(config, spec);
    let rank = lora.spec.rank;
    let mut known = 0;
    for slot in &lora.slots {
        for ((name, shape), range) in tensors(slot, rank).into_iter().zip([slot.a.clone(), slot.b.clone()]) {
            let tensor = file.tensors().get(name.as_str());
            let mut values = factor(&name, shape, tensor)?;
            if let Some(heads) = rotary_heads(slot.target, config).filter(|_| family.interleaved && range == slot.b) {
                values = half_split(&values, heads, slot.output);
            }
            lora.parameters[range].copy_from_slice(&values);
            known += 1;
        }
    }
    if known != file.tensors().len() {
        let expected: Vec<String> =
            lora.slots.iter().flat_map(|slot| tensors(slot, rank)).map(|(name, _)| name).collect();
        let strange = file.tensors().keys().find(|name| !expected.iter().any(|known| known == *name));
        let strange = printable_key(strange.copied().unwrap_or_default());
        return Err(Error::Adapter(format!("unexpected tensor `{strange}`")));
    }
    if !lora.parameters.iter().all(|value| value.is_finite()) {
        return Err(Error::NonFinite("an adapter factor"));
    }
    Ok(lora)
}

/// Reads what was just written, and makes sure that it holds `written`, rounded to `kind`, and changes the base at all.
///
/// # Errors
/// [`Error::Adapter`] if it differs or changes nothing; and as [`read`].
pub fn check_written(bytes: &[u8], path: &Path, written: &Lora, config: &DecoderConfig, kind: FloatType) -> Result<()> {
    let lora = read(bytes, path, config)?;
    let same = |(a, b): (&f32, &f32)| a.to_bits() == kind.round(*b).to_bits();
    if lora.spec != written.spec || !lora.parameters.iter().zip(&written.parameters).all(same) {
        return Err(Error::Adapter("the GGUF file does not read back as it was written".into()));
    }
    if lora.is_identity() {
        return Err(Error::Adapter("every B factor is zero: the adapter changes nothing".into()));
    }
    Ok(())
}

enum Meta<'a> {
    Text(&'a str),
    Number(f32),
    Count(u32),
}

fn push_pair(out: &mut Vec<u8>, key: &str, value: Meta<'_>) {
    push_text(out, key);
    match value {
        Meta::Text(text) => {
            out.extend(STRING.to_le_bytes());
            push_text(out, text);
        }
        Meta::Number(number) => {
            out.extend(F32.to_le_bytes());
            out.extend(number.to_le_bytes());
        }
        Meta::Count(count) => {
            out.extend(U32.to_le_bytes());
            out.extend(count.to_le_bytes());
        }
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// llama.cpp's name of an adapted layer's weight.
fn layer_name(target: Target) -> &'static str {
    match target {
        Target::Query => "attn_q",
        Target::Key => "attn_k",
        Target::Value => "attn_v",
        Target::Output => "attn_output",
        Target::Gate => "ffn_gate",
        Target::Up => "ffn_up",
        Target::Down => "ffn_down",
    }
}

/// Names and sizes, in ggml's order, of a slot's `A` and `B`.
fn tensors(slot: &Slot, rank: usize) -> [(String, [usize; 2]); 2] {
    let weight = format!("blk.{}.{}.weight", slot.layer, layer_name(slot.target));
    [(format!("{weight}.lora_a"), [slot.input, rank]), (format!("{weight}.lora_b"), [rank, slot.output])]
}

/// The number of heads whose rows rotary embeddings pair, for the layers that have them.
fn rotary_heads(target: Target, config: &DecoderConfig) -> Option<usize> {
    match target {
        Target::Query => Some(config.heads),
        Target::Key => Some(config.kv_heads),
        _ => None,
    }
}

/// Rows of every head in the order `0, d/2, 1, d/2 + 1, …`: what [`half_split`] undoes.
fn interleave(ordered: &[f32], heads: usize, width: usize) -> Vec<f32> {
    let half = ordered.len() / (heads * width) / 2;
    let mut rows = Vec::with_capacity(ordered.len());
    for head in ordered.chunks_exact(2 * half * width) {
        let (low, high) = head.split_at(half * width);
        for (low, high) in low.chunks_exact(width).zip(high.chunks_exact(width)) {
            rows.extend_from_slice(low);
            rows.extend_from_slice(high);
        }
    }
    rows
}

/// Rank and targets, as the first block has them.
fn spec(tensors: &BTreeMap<&str, Tensor<'_>>, alpha: u32) -> Result<LoraSpec> {
    let first = |target: &Target| tensors.get(format!("blk.0.{}.weight.lora_a", layer_name(*target)).as_str());
    let targets: Vec<Target> = Target::ALL.into_iter().filter(|target| first(target).is_some()).collect();
    let rank = targets.first().and_then(first).and_then(|tensor| tensor.dimensions.get(1).copied());
    let rank = rank.ok_or_else(|| Error::Adapter("has no factor for a layer of the first block".into()))?;
    LoraSpec::new(rank, alpha, targets)
}

fn factor(name: &str, shape: [usize; 2], tensor: Option<&Tensor<'_>>) -> Result<Vec<f32>> {
    let tensor = tensor.ok_or_else(|| Error::Adapter(format!("missing tensor `{name}`")))?;
    if tensor.dimensions != shape {
        let problem = format!("tensor `{name}` has shape {:?}, expected {shape:?}", tensor.dimensions);
        return Err(Error::Adapter(problem));
    }
    match tensor.kind {
        TensorType::F32 | TensorType::F16 | TensorType::Bf16 => Ok(dequantise(tensor.kind, tensor.bytes)),
        other => Err(Error::Adapter(format!("tensor `{name}` has type {}", other.name()))),
    }
}
