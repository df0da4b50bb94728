//! Replacement of what is found, by every profile.
#![no_main]

libfuzzer_sys::fuzz_target!(
    // Built before the clock of the first input runs.
    init: {
        cloister_fuzz::detector();
    },
    |input: (u8, &str)| cloister_fuzz::replace(input.1, input.0)
);
