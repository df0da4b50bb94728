//! Headers of sealed files, and files that begin with one.
#![no_main]

use cloister_vault::sealed::{Header, Kind, ObjectReader};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(header) = Header::parse(input) {
        assert_eq!(header.to_bytes(), input[..81]);
        let (kek, place) = cloister_fuzz::place();
        assert!(ObjectReader::new(input, Kind::Blob, kek, &place).is_err());
    }
});
