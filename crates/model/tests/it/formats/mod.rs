//! Model files: reading what others wrote, refusing what is broken, writing what others read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod adapter;
mod chat;
mod examples;
mod exports;
mod families;
mod folder;
mod gguf;
mod quantised;
mod real;
mod tokens;
mod writer;

use std::path::{Path, PathBuf};

use cloister_model::{Base, Error, Precision, Weights};

/// The real base, if the environment names it; without it a test says that it skips.
fn real_base() -> Option<(Base, Weights)> {
    match std::env::var_os("CLOISTER_TEST_BASE") {
        Some(path) => Some(Base::open(&PathBuf::from(path), Precision::F32).unwrap()),
        None => {
            eprintln!("skipped: CLOISTER_TEST_BASE does not name the SmolLM2 file");
            None
        }
    }
}

/// Answers of transformers and PEFT, and models they wrote (see `bench/peers/README.md`).
fn peer(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../bench/peers/fixtures").join(name)
}

fn peer_json(name: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(peer(name)).unwrap()).unwrap()
}

fn tiny_base() -> Base {
    writer::tiny().open().unwrap().0
}

/// A folder without its weights.
fn open(folder: &Path) -> Result<Base, Error> {
    Base::open(folder, Precision::F32).map(|(base, _)| base)
}

/// All tensors of a GGUF file by name, as they were read: query and key rows in Hugging Face order.
fn gguf_tensors(weights: &Weights) -> Vec<(String, Vec<f32>)> {
    let mut tensors = vec![
        ("token_embd.weight".to_owned(), weights.embedding.values()),
        ("output_norm.weight".to_owned(), weights.final_norm.clone()),
    ];
    tensors.extend(weights.head.as_ref().map(|head| ("output.weight".to_owned(), head.values())));
    for (index, layer) in weights.layers.iter().enumerate() {
        let mut tensor = |name: &str, values| tensors.push((format!("blk.{index}.{name}.weight"), values));
        tensor("attn_norm", layer.attention_norm.clone());
        tensor("attn_q", layer.query.values());
        tensor("attn_k", layer.key.values());
        tensor("attn_v", layer.value.values());
        tensor("attn_output", layer.output.values());
        tensor("ffn_norm", layer.mlp_norm.clone());
        tensor("ffn_gate", layer.gate.values());
        tensor("ffn_up", layer.up.values());
        tensor("ffn_down", layer.down.values());
    }
    tensors
}

/// The error of something that must fail; `unwrap_err` would need `Debug`, which these types must not have.
fn error<T>(result: Result<T, Error>) -> Error {
    match result {
        Ok(_) => panic!("must be refused"),
        Err(error) => error,
    }
}
