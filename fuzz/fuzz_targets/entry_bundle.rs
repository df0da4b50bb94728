//! Bundles of entries and tiles of any width.
#![no_main]

use cloister_vault::log::tiles::{parse_bundle, parse_tile};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((width, bytes)) = input.split_first() else { return };
    let width = u16::from(*width) + 1;
    if let Ok(entries) = parse_bundle(bytes, width) {
        assert_eq!(entries.len(), usize::from(width));
        assert_eq!(entries.iter().map(|entry| entry.len() + 2).sum::<usize>(), bytes.len());
    }
    if let Ok(hashes) = parse_tile(bytes, width) {
        assert_eq!(hashes.len() * 32, bytes.len());
    }
});
