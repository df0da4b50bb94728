//! The reader of Arrow files and streams.
#![no_main]

libfuzzer_sys::fuzz_target!(
    // The readers of this format assert, and ours turns that into a finding: only a panic that comes out is a crash.
    init: std::panic::set_hook(Box::new(|_| ())),
    |input: &[u8]| cloister_fuzz::read(input, "x.arrow")
);
