//! Paths of tiles: one spelling each.
#![no_main]

use cloister_vault::log::TilePath;

libfuzzer_sys::fuzz_target!(|input: &str| {
    if let Ok(path) = input.parse::<TilePath>() {
        assert_eq!(path.to_string(), input);
        assert!(!input.contains("..") && !input.starts_with('/'));
    }
});
