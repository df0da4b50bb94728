//! The product: the stages of private fine-tuning and the command line that drives them.
//!
//! Invariants: no stage imports another stage; every stage is a function from artifacts to artifacts and evidence;
//! nothing that holds the text of a record reaches an error, a log or a progress line.
//! `tests/it/tidy.rs` enforces what a program can check of this.

pub mod accountant;
pub mod bench;
pub mod budget;
pub mod cli;
pub mod doctor;
pub mod error;
pub mod evidence;
pub mod files;
pub mod ingest;
pub mod interrupt;
pub mod keys;
pub mod parallel;
pub mod plain;
pub mod progress;
pub mod project;
pub mod protect;
pub mod pull;
pub mod release;
pub mod sandbox;
pub mod scan;
pub mod system;
pub mod train;

pub use error::Error;
