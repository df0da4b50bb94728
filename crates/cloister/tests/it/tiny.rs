//! What the tests of training share: a base of 40,000 weights, invented records, and ways to spoil either.
//!
//! The base is `bench/peers/fixtures/tiny_llama` (context 128, ChatML, nearly one token per character).

use std::path::{Path, PathBuf};

use cloister::train::{Error, Loss, StepFigures, Watch};
use serde_json::{Value, json};

use crate::process::{Place, Ran, walk};

/// Watches a run and says nothing.
pub(crate) struct Silent;

impl Watch for Silent {
    fn begin(&mut self, _: Option<(u64, u64)>) -> Result<(), Error> {
        Ok(())
    }
    fn step(&mut self, _: StepFigures) {}
    fn loss(&mut self, _: u64, _: Loss) {}
}

/// Rows of the tiny bases' embeddings are this wide.
const HIDDEN: usize = 32;

/// A base of the fixtures.
pub(crate) fn base(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/peers/fixtures").join(name).canonicalize().unwrap()
}

/// A copy of a base in the place, to be spoilt.
pub(crate) fn copy(place: &Place, to: &str, name: &str) -> PathBuf {
    let folder = place.path(to);
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(base(name)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    folder
}

/// One conversation.
pub(crate) fn chat(id: &str, subject: &str, user: &str, answer: &str) -> Value {
    let turns = json!([{"role": "user", "content": user}, {"role": "assistant", "content": answer}]);
    json!({"id": id, "subject": subject, "messages": turns})
}

/// `count` conversations of as many subjects, as JSON lines.
pub(crate) fn chats(count: usize) -> String {
    (0..count)
        .map(|n| chat(&format!("r{n}"), &format!("s{n}"), &format!("my order {n} is late"), "we look into it"))
        .map(|record| format!("{record}\n"))
        .collect()
}

/// Conversations that are not among [`chats`].
pub(crate) fn public(count: usize) -> String {
    chats(count).replace("my order", "my public order")
}

/// Spoils a copy of `tiny_llama_untied` so that attention overflows wherever one token stands, or any: the first norm
/// multiplies one feature by 1e30, and only that token has the feature. Every weight stays finite.
pub(crate) fn overflow(folder: &Path, token: Option<usize>) {
    const FEATURE: usize = 5;
    let path = folder.join("model-00001-of-00002.safetensors");
    change(&path, "model.layers.0.input_layernorm.weight", |index| (index == FEATURE).then_some(1e30));
    if let Some(token) = token {
        change(&path, "model.embed_tokens.weight", |index| {
            (index % HIDDEN == FEATURE).then_some(if index / HIDDEN == token { 1.0 } else { 0.0 })
        });
    }
}

/// Replaces values of a bf16 tensor in a file.
pub(crate) fn change(tensors: &Path, name: &str, value: impl Fn(usize) -> Option<f32>) {
    let mut bytes = std::fs::read(tensors).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let entries: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    assert_eq!(entries[name]["dtype"], "BF16");
    let at = |end: usize| 8 + header + entries[name]["data_offsets"][end].as_u64().unwrap() as usize;
    for (index, old) in bytes[at(0)..at(1)].chunks_exact_mut(2).enumerate() {
        if let Some(new) = value(index) {
            old.copy_from_slice(&new.to_le_bytes()[2..]);
        }
    }
    std::fs::write(tensors, bytes).unwrap();
}

/// Two lines, an exit code, and nothing left behind.
#[track_caller]
pub(crate) fn refused(place: &Place, ran: Ran, code: i32, error: &str, hint: &str) {
    let ran = ran.exits(code);
    let starting = |start: &str| ran.stderr.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>();
    let (errors, hints) = (starting("error: "), starting("hint: "));
    assert!(errors.len() == 1 && errors[0].contains(error), "expected {error:?}:\n{}", ran.stderr);
    assert!(hints.len() == 1 && hints[0].contains(hint), "expected {hint:?}:\n{}", ran.stderr);
    assert!(ran.stderr.ends_with(&format!("{}\n{}\n", errors[0], hints[0])), "not the last lines:\n{}", ran.stderr);
    assert_eq!(leftovers(place), Vec::<PathBuf>::new());
}

/// Temporary files and folders anywhere in the place.
pub(crate) fn leftovers(place: &Place) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(&place.path(""), &mut |path| {
        let hidden = |part: &std::ffi::OsStr| {
            let part = part.to_string_lossy();
            part.starts_with(".cloister-") || part.starts_with(".adapter-") || part.ends_with(".tmp")
        };
        let inside = path.strip_prefix(place.path("")).unwrap();
        if inside.iter().any(hidden) {
            found.push(inside.to_path_buf());
        }
    });
    found
}
