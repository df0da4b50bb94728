//! Replaces personal data in records, file to file.
//!
//! Invariants: the output appears whole or not at all; the records in it are those that were read, in their order. What is restored is
//! the file that was protected, to the byte, or nothing.

mod restore;

use std::io::Write as _;

use cloister_text::{Dataset, Replacer};

pub use restore::{restore, write_sealed};

use crate::files::WholeFile;

/// Why nothing is written or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system said no.
    #[error(transparent)]
    File(#[from] crate::Error),
    /// Sealed values and no key.
    #[error("the values are sealed, and no key is given")]
    NoKey,
    /// A line does not open, or has no seal.
    #[error(transparent)]
    Text(#[from] cloister_text::Error),
}

/// Writes the records, one line each.
pub fn write_records(dataset: &Dataset, out: &mut WholeFile) -> Result<(), crate::Error> {
    let path = out.target().to_owned();
    for record in &dataset.records {
        crate::interrupt::check()?;
        let mut line = record.to_json_line();
        line.push('\n');
        out.write_all(line.as_bytes()).map_err(crate::Error::write(&path))?;
    }
    Ok(())
}

/// Writes what took the place of what, one line each.
pub fn write_map(replacer: &Replacer, out: &mut WholeFile) -> Result<(), crate::Error> {
    let path = out.target().to_owned();
    for mapping in replacer.mappings() {
        // A map of strings always serialises.
        let line = serde_json::to_string(&mapping).unwrap_or_default();
        writeln!(out, "{line}").map_err(crate::Error::write(&path))?;
    }
    Ok(())
}
