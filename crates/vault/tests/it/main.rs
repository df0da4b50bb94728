//! Integration tests of the vault.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod crash;
mod entries;
mod faults;
mod keys;
mod keys_providers;
mod keys_rotation;
mod keys_unseal;
mod laws;
mod ledger;
mod logs;
mod notes;
mod opening;
mod peer;
mod places;
mod sealed;
mod server;
mod shards;
mod store;
mod vectors;
mod witness;
mod wycheproof;

use std::fs;
use std::path::{Path, PathBuf};

use cloister_vault::log::{LogWriter, SignatureKind, SignerKey, VerifierKey};

/// The folder of vectors, or none, which is said.
fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("CLOISTER_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from)
        .join("tlog");
    if !folder.is_dir() {
        eprintln!("SKIPPED: {} is not there; set CLOISTER_VECTORS", folder.display());
        return None;
    }
    Some(folder)
}

/// Whether there is time for every case, as in the long form of the checks.
fn long_form() -> bool {
    std::env::var_os("PROPTEST_CASES").is_some()
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Every file below a folder, but the lock of a writer.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false if path.ends_with(".lock") => {}
            false => files.push(path),
        }
    }
    files.sort();
    files
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_folder(&path, &target),
            false => fs::write(&target, fs::read(&path).unwrap()).unwrap(),
        }
    }
}

fn signer(name: &str) -> SignerKey {
    SignerKey::generate(name, SignatureKind::Ed25519).unwrap()
}

/// The same key again, for another writer of the log.
fn again(key: &SignerKey) -> SignerKey {
    SignerKey::parse(&key.to_text()).unwrap()
}

fn entry(index: u64) -> String {
    format!("entry {index} {}", "x".repeat(index as usize % 23))
}

/// A log of `size` entries that was published in steps of `step`.
fn write_log(folder: &Path, size: u64, step: u64) -> VerifierKey {
    let signer = signer("example.com/log");
    let key = signer.verifier().clone();
    let mut writer = LogWriter::open(folder, signer, None).unwrap();
    for begin in (0..size).step_by(step as usize) {
        let entries: Vec<String> = (begin..size.min(begin + step)).map(entry).collect();
        writer.publish(&entries).unwrap();
    }
    key
}
