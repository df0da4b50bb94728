//! Replacement of what is found, by every profile.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u8, &str)| cloister_fuzz::replace(input.1, input.0));
