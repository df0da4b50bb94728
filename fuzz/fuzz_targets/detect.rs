//! The scanner: what is found, and every candidate.
#![no_main]

use cloister_fuzz::{check_spans, detector};

libfuzzer_sys::fuzz_target!(
    // Built before the clock of the first input runs.
    init: {
        detector();
    },
    |text: &str| {
        let found = detector().detect(text);
        check_spans(text, &found);
        assert!(found.windows(2).all(|pair| pair[0].end <= pair[1].start), "sorted, without overlaps");
        check_spans(text, &detector().candidates(text));
    }
);
