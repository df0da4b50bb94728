//! Proofs in files: written again as they were read, and none holds by chance.
#![no_main]

use cloister_vault::log::TlogProof;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(proof) = TlogProof::parse(input) {
        assert_eq!(proof.to_string().as_bytes(), input);
        assert!(proof.verify(b"entry", cloister_fuzz::log_key()).is_err());
    }
});
