//! Files of key rings, and what stands in one before its HMAC and digest, which no mutation would get right.
#![no_main]

use cloister_vault::keys::RingFile;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(file) = RingFile::parse_body(input) {
        assert_eq!(file.body(), input);
    }
    if let Ok(file) = RingFile::parse(input) {
        assert_eq!(file.body(), input[..input.len() - 64]);
    }
});
