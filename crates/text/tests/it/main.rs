//! Integration tests of the text engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod addresses;
mod hidden;
mod laws;
mod reader;
mod replacement;
mod speed;
mod vectors;

use cloister_text::{Detector, DetectorOptions};

/// The detectors as they come.
fn detector() -> Detector {
    Detector::new(&DetectorOptions::default()).unwrap()
}
