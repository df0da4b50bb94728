//! The weights of a decoder out of a GGUF file.
//!
//! Invariants: every tensor of the file is used, or the file is refused. Where the family has them interleaved, rows
//! of the query and key projections are put back into Hugging Face's half-split order (llama.cpp's converter,
//! `LlamaModel.permute`). Gains of norms are stored as they are applied, whatever the family.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::base::gguf::{Gguf, Tensor, printable};
use crate::base::settings::Shape;
use crate::base::{fill, finite};
use crate::config::DecoderConfig;
use crate::error::{Error, Result};
use crate::kernels::frozen::{Frozen, Precision};
use crate::weights::{Extras, LayerWeights, Weights};

/// Reads all weights into `precision`, in parallel.
///
/// # Errors
/// [`Error::Tensor`] for a missing tensor, a wrong shape or a value that is not finite;
/// [`Error::Unsupported`] for a tensor that this decoder has no place for.
pub(crate) fn weights(file: &Gguf<'_>, (config, query_gain): &Shape, precision: Precision) -> Result<Weights> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let (query, kv) = (config.query_width(), config.kv_width());
    let traits = config.traits();
    refuse_strangers(file, config)?;
    let layer = |index: usize| -> Result<LayerWeights> {
        let named = |name: &str| format!("blk.{index}.{name}.weight");
        let norm = |name: &str| read(file, &named(name), &[hidden]);
        let matrix = |name: &str, output, input| matrix(file, &named(name), (output, input), precision);
        let rotated = |name: &str, heads, output| -> Result<Frozen> {
            if !traits.interleaved {
                return matrix(name, output, hidden);
            }
            let name = named(name);
            let tensor = tensor(file, &name, &[hidden, output])?;
            let rows = half_split(tensor.bytes, heads, output);
            fill(&name, tensor.kind, &rows, (output, hidden), precision)
        };
        let head_norm = |name: &str, factor: f32| -> Result<Option<Vec<f32>>> {
            let gain = traits.head_norms.then(|| read(file, &named(name), &[config.head_dim])).transpose()?;
            Ok(gain.map(|gain| gain.into_iter().map(|value| value * factor).collect()))
        };
        let post_norm = |name: &str| traits.post_norms.then(|| norm(name)).transpose();
        let bias = |name: &str, size| {
            let name = format!("blk.{index}.{name}.bias");
            traits.biases.then(|| read(file, &name, &[size])).transpose()
        };
        Ok(LayerWeights {
            attention_norm: norm("attn_norm")?,
            query: rotated("attn_q", config.heads, query)?,
            key: rotated("attn_k", config.kv_heads, kv)?,
            value: matrix("attn_v", kv, hidden)?,
            output: matrix("attn_output", hidden, query)?,
            mlp_norm: norm("ffn_norm")?,
            gate: matrix("ffn_gate", inner, hidden)?,
            up: matrix("ffn_up", inner, hidden)?,
            down: matrix("ffn_down", hidden, inner)?,
            extras: Extras {
                query_bias: bias("attn_q", query)?,
                key_bias: bias("attn_k", kv)?,
                value_bias: bias("attn_v", kv)?,
                query_norm: head_norm("attn_q_norm", *query_gain)?,
                key_norm: head_norm("attn_k_norm", 1.0)?,
                post_attention_norm: post_norm("post_attention_norm")?,
                post_mlp_norm: post_norm("post_ffw_norm")?,
            },
        })
    };
    let table = (config.vocab_size, hidden);
    let head = match config.tied_embeddings {
        true => None,
        false => Some(matrix(file, "output.weight", table, precision)?),
    };
    Ok(Weights {
        embedding: matrix(file, "token_embd.weight", table, precision)?,
        layers: (0..config.layers).into_par_iter().map(layer).collect::<Result<_>>()?,
        final_norm: read(file, "output_norm.weight", &[hidden])?,
        head,
    })
}

/// How many tensors there are of each storage type, by name of the type.
pub(crate) fn tensor_types(file: &Gguf<'_>) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::new();
    for tensor in file.tensors().values() {
        *counts.entry(tensor.kind.name()).or_insert(0) += 1;
    }
    counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

/// Refuses tensors that [`weights`] would leave out, such as biases of other families, and experts.
fn refuse_strangers(file: &Gguf<'_>, config: &DecoderConfig) -> Result<()> {
    const BLOCK: [&str; 9] = [
        "attn_norm.weight",
        "attn_q.weight",
        "attn_k.weight",
        "attn_v.weight",
        "attn_output.weight",
        "ffn_norm.weight",
        "ffn_gate.weight",
        "ffn_up.weight",
        "ffn_down.weight",
    ];
    const BIASES: [&str; 3] = ["attn_q.bias", "attn_k.bias", "attn_v.bias"];
    const HEAD_NORMS: [&str; 2] = ["attn_q_norm.weight", "attn_k_norm.weight"];
    const POST_NORMS: [&str; 2] = ["post_attention_norm.weight", "post_ffw_norm.weight"];
    let traits = config.traits();
    let mut block = BLOCK.to_vec();
    for (present, names) in
        [(traits.biases, &BIASES[..]), (traits.head_norms, &HEAD_NORMS), (traits.post_norms, &POST_NORMS)]
    {
        block.extend(names.iter().filter(|_| present));
    }
    let mut known: BTreeSet<String> =
        ["token_embd.weight", "output_norm.weight", "output.weight", "rope_freqs.weight"].map(String::from).into();
    for layer in 0..config.layers {
        known.extend(block.iter().map(|name| format!("blk.{layer}.{name}")));
    }
    match file.tensors().keys().find(|&&name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Error::Unsupported { what: "tensor", value: printable(name) }),
    }
}

/// A matrix of `(output, input)`; GGUF names the input first.
fn matrix(file: &Gguf<'_>, name: &str, (output, input): (usize, usize), precision: Precision) -> Result<Frozen> {
    let tensor = tensor(file, name, &[input, output])?;
    fill(name, tensor.kind, tensor.bytes, (output, input), precision)
}

pub(super) fn read(file: &Gguf<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    let tensor = tensor(file, name, shape)?;
    finite(name, tensor.kind, tensor.bytes)
}

fn tensor<'f>(file: &'f Gguf<'_>, name: &str, shape: &[usize]) -> Result<&'f Tensor<'f>> {
    let wrong = |problem: String| Error::Tensor { name: name.into(), problem };
    let tensor = file.tensors().get(name).ok_or_else(|| wrong("is missing".into()))?;
    if tensor.dimensions != shape {
        return Err(wrong(format!("has shape {:?}, expected {shape:?}", tensor.dimensions)));
    }
    Ok(tensor)
}

/// Puts the interleaved rows of every head (`0, d/2, 1, d/2 + 1, …`) back into order, as they are stored or as values: a
/// row is whole blocks of every type.
pub(crate) fn half_split<T: Copy + Default>(interleaved: &[T], heads: usize, rows: usize) -> Vec<T> {
    let (head_dim, width) = (rows / heads, interleaved.len() / rows);
    let mut ordered = vec![T::default(); interleaved.len()];
    let pairs = ordered.chunks_exact_mut(head_dim * width).zip(interleaved.chunks_exact(head_dim * width));
    for (to, from) in pairs {
        for (row, to) in to.chunks_exact_mut(width).enumerate() {
            let half = head_dim / 2;
            let source = 2 * (row % half) + row / half;
            to.copy_from_slice(&from[source * width..(source + 1) * width]);
        }
    }
    ordered
}
