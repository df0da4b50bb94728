//! Records, detectors of personal data, and replacement: the text engine of Cloister.
//!
//! Three parts, each usable alone: [`records`] reads training data, [`detect`] finds personal data and secrets in a
//! text, [`replace`] puts surrogates, labels, masks or hashes in their place. [`protect`] and [`scan`] join them for a
//! whole data set.
//!
//! Invariants: no socket is ever opened; what holds record text implements neither `Debug` nor `Display`; an error
//! names lines, bytes and fields, never content; every pass over a text takes time linear in its length.
//!
//! ```
//! use cloister_text::{Columns, Detector, DetectorOptions, Profile, Replacer, Scope, SurrogateKey};
//!
//! let line = br#"{"id":"t1","text":"Write to ana.ruiz@corp.com"}"#;
//! let mut dataset = cloister_text::read_from(line.as_slice(), &Columns::default())?;
//! let detector = Detector::new(&DetectorOptions::default())?;
//! let replacer = Replacer::new(SurrogateKey::from_bytes([7; 32]), Profile::Redact, Scope::Subject);
//! let report = cloister_text::protect(&mut dataset, &detector, &replacer);
//! assert_eq!(dataset.records[0].to_json_line(), r#"{"id":"t1","text":"Write to <EMAIL_ADDRESS>"}"#);
//! assert_eq!(report.residual_total(), 0);
//! # Ok::<(), cloister_text::Error>(())
//! ```

#![forbid(unsafe_code)]

pub mod detect;
mod error;
mod protect;
pub mod quality;
pub mod records;
pub mod replace;
pub mod risk;
pub mod tagger;

pub use detect::{
    ClassifiedToken, Detector, DetectorOptions, Field, LOCALES, Label, Span, TokenClassifier, code_points, is_valid,
};
pub use error::{Error, Result};
pub use protect::{ProtectReport, ScanReport, protect, scan, spans_in_names};
#[cfg(feature = "columnar")]
pub use records::expects_panics;
pub use records::{
    Batch, Body, Chunk, Columns, Dataset, FileInFolder, Finding, Given, Piece, Place, Problem, Reading, Record, Role,
    Searched, Sequence, Shape, Source, Tally, Turn, read, read_as, read_from, read_source,
};
pub use replace::{
    Action, DateOrders, Mapping, Originals, Policy, Profile, ReplaceContext, Replaced, Replacer, SEAL_MEMBER, Scope,
    Sealer, SurrogateKey,
};
