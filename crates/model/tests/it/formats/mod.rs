//! Model files: reading what others wrote, refusing what is broken, writing what others read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod adapter;
mod chat;
mod examples;
mod folder;
mod gguf;
mod real;
mod tokens;
mod writer;

use std::path::PathBuf;

use cloister_model::{Base, Error};

/// The real base, if the environment names it; without it a test says that it skips.
fn real_base() -> Option<Base> {
    match std::env::var_os("CLOISTER_TEST_BASE") {
        Some(path) => Some(Base::open(&PathBuf::from(path)).unwrap()),
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
    writer::tiny().open().unwrap()
}

/// The error of something that must fail; `unwrap_err` would need `Debug`, which these types must not have.
fn error<T>(result: Result<T, Error>) -> Error {
    match result {
        Ok(_) => panic!("must be refused"),
        Err(error) => error,
    }
}
