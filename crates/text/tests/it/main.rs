//! Integration tests of the text engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

/// As in the program: the system's allocator gives large buffers back and faults them in again, which is no work of the
/// detectors, and is more for a large text than its share.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod addresses;
mod after;
mod bad_input;
mod classifier;
#[cfg(feature = "columnar")]
mod columnar;
mod encoded;
mod formats;
mod hidden;
mod identifiers;
mod laws;
mod members;
mod names;
mod near;
mod people;
mod profiles;
mod reader;
mod replacement;
mod speed;
mod tagger;
mod vectors;
mod wrappings;

use cloister_text::{Detector, DetectorOptions};

/// The detectors as they come.
fn detector() -> Detector {
    Detector::new(&DetectorOptions::default()).unwrap()
}

/// The rules without the tagger.
fn rules() -> Detector {
    Detector::new(&DetectorOptions { tagger: false, ..DetectorOptions::default() }).unwrap()
}
