//! Entries of the log: one form in bytes.
#![no_main]

use cloister_vault::log::Entry;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(entry) = Entry::parse(input) {
        assert_eq!(entry.to_bytes().ok().as_deref(), Some(input));
        assert!(input.iter().all(|byte| (b' '..=b'~').contains(byte)));
    }
});
