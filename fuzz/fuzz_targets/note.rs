//! Signed notes and keys: what is read is written again, and nothing is verified by chance.
#![no_main]

use cloister_vault::log::{Note, SignerKey, VerifierKey};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(note) = Note::parse(input) {
        assert_eq!(note.to_string().as_bytes(), input);
        assert!(note.verify(&[cloister_fuzz::log_key()]).is_err());
    }
    if let Ok(text) = std::str::from_utf8(input) {
        if let Ok(key) = VerifierKey::parse(text) {
            assert_eq!(key.to_string(), text);
        }
        if let Ok(key) = SignerKey::parse(text) {
            assert_eq!(*key.to_text(), text);
        }
    }
});
