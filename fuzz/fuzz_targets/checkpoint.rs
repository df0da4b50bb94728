//! Checkpoints: three lines that are written again as they were read; requests to witnesses, too.
#![no_main]

use cloister_vault::log::{AddCheckpoint, Checkpoint, SignedCheckpoint};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(signed) = SignedCheckpoint::parse(input) {
        assert_eq!(signed.to_string().as_bytes(), input);
    }
    if let Ok(request) = AddCheckpoint::parse(input) {
        assert_eq!(request.to_string().as_bytes(), input);
    }
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(checkpoint) = Checkpoint::parse(text)
    {
        assert_eq!(checkpoint.to_string(), text);
    }
});
