//! Policies of logs and witnesses.
#![no_main]

use cloister_vault::log::Policy;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    match Policy::parse(input) {
        Ok(policy) => assert!(input.ends_with(b"\n") && policy.logs().len() < input.len()),
        Err(error) => drop(error.to_string()),
    }
});
