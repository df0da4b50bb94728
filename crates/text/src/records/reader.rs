//! Reads a whole data set and refuses what cannot be trained on.
//!
//! Invariant: every refusal names the line, and where it can the byte or the column; no refusal repeats what the line says.

use std::io::Read;
use std::path::Path;

use super::chunk::{Reading, Sequence};
use super::finding::Finding;
use super::source::Source;
use super::{Columns, Record, Shape};
use crate::error::{Error, Result};

/// The records of a file, a folder or a stream.
pub struct Dataset {
    /// In their order.
    pub records: Vec<Record>,
    /// The shape that all records share; that of the first, where shapes may differ.
    pub shape: Shape,
    /// What is odd, but can be trained on.
    pub findings: Vec<Finding>,
}

/// Reads a file or a folder.
///
/// # Errors
/// The first refusal, see [`Error`].
pub fn read(path: &Path, columns: &Columns) -> Result<Dataset> {
    read_source(Source::open(path)?, columns)
}

/// Reads from any reader; its format is told by its content.
///
/// # Errors
/// The first refusal, see [`Error`].
pub fn read_from(reader: impl Read + Send, columns: &Columns) -> Result<Dataset> {
    read_source(Source::from_reader(reader, ""), columns)
}

/// Reads a source to its end.
///
/// # Errors
/// The first refusal, see [`Error`].
pub fn read_source(source: Source<'_>, columns: &Columns) -> Result<Dataset> {
    read_as(source, &Reading::strict(columns))
}

/// Reads a source to its end, as `reading` says. The shape of the data set is that of its first record.
///
/// # Errors
/// The first refusal, see [`Error`].
pub fn read_as(mut source: Source<'_>, reading: &Reading) -> Result<Dataset> {
    let mut sequence = Sequence::default();
    let mut shape = None;
    let (mut records, mut findings) = (Vec::new(), Vec::new());
    while let Some(chunk) = source.next_chunk() {
        let mut batch = chunk.read(reading, &mut shape)?;
        for record in &batch.records {
            let tell = |finding| batch.findings.push(finding);
            sequence.next(batch.file.as_ref(), record.line, &record.id, record.shape(), tell);
        }
        batch.findings.sort_by_key(|finding| finding.line);
        findings.append(&mut batch.findings);
        records.append(&mut batch.records);
    }
    findings.append(&mut source.leftover_findings());
    Ok(Dataset { records, shape: shape.ok_or(Error::Empty)?, findings })
}
