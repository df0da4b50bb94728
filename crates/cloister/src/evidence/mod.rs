//! Evidence of one run: measured facts, and the two ways of reading them: a page and a closing screen.
//!
//! Invariants: nothing here measures or invents; a number that was not measured is absent (`None`, an empty list, or
//! NaN, which JSON writes as null) and is printed as "not measured" with the way to get it. No type here has a place
//! for the text of a record. The same evidence always gives the same bytes.

pub mod dataset;
mod detection;
mod detectors;
mod facts;
mod html;
mod meaning;
mod origin;
mod personal;
mod report;
mod screen;
mod svg;
mod technical;
mod words;

#[cfg(test)]
pub(crate) mod sample;

pub use detection::{ClassifierFacts, DetectionFacts};
pub use facts::{
    AdapterFacts, BaseFacts, Check, DataFacts, DatasetOf, Evidence, ExportFacts, Gate, LabelFacts, PersonFacts,
    PrivacyFacts, ProtectionFacts, SCHEMA, TrainingFacts, UtilityFacts, Verdict,
};
pub use origin::not_recorded;
pub use report::report;
pub use screen::{Line, Tone, screen};
pub(crate) use words::shell_word;
