//! The reader of JSON values.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cloister_fuzz::read(input, "x.json"));
