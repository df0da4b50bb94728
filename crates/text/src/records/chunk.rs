//! Looking into what was cut: from bytes and rows to checked records, and what only their order can tell.
//!
//! Invariant: with `strict`, the first fault is the error; without it, a fault that has a [`Problem`] becomes a finding
//! with its line, and every other record is read.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::check::{Keys, check, has_long_number_outside_keys};
use super::finding::{Finding, Problem};
use super::frame::Frames;
use super::json::{Reading as JsonReading, has_bidi_control, object};
use super::table::{Item, Rows};
use super::{Columns, Record, Shape};
use crate::error::{Error, Result};

/// How records are read.
pub struct Reading {
    columns: Arc<Columns>,
    strict: bool,
}

impl Reading {
    /// Refuses the first record that cannot be trained on.
    #[must_use]
    pub fn strict(columns: &Columns) -> Self {
        Self { columns: Arc::new(columns.clone()), strict: true }
    }

    /// Reads whatever can be read, and tells what could not.
    #[must_use]
    pub fn mending(columns: &Columns) -> Self {
        Self { columns: Arc::new(columns.clone()), strict: false }
    }

    /// Whether the first fault is an error.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        self.strict
    }
}

/// Some hundred records, cut and not yet looked into.
pub struct Chunk {
    pub(super) file: Option<Arc<str>>,
    pub(super) mark_bytes: usize,
    pub(super) content: Content,
    pub(super) findings: Vec<Finding>,
    pub(super) read_bytes: u64,
}

pub(super) enum Content {
    Json(Frames),
    Table(Rows),
    #[cfg(feature = "columnar")]
    Columns(super::columnar::Rows),
    Fault(Error),
}

/// The records of a chunk.
pub struct Batch {
    /// In their order.
    pub records: Vec<Record>,
    /// What is odd about them, and what is not among them.
    pub findings: Vec<Finding>,
    /// The first refusal that became a finding because of which something is not among them.
    pub left_out: Option<Error>,
    /// The file inside the folder that was named.
    pub file: Option<Arc<str>>,
    /// Bytes of the stored input read when the chunk was cut, over all files.
    pub read_bytes: u64,
}

impl Chunk {
    /// Looks into the chunk.
    ///
    /// With a strict reading, `first` is the shape that the records must have; the first record sets it.
    ///
    /// # Errors
    /// With a strict reading the first refusal, see [`Error`]; else only what stops reading itself.
    pub fn read(self, reading: &Reading, first: &mut Option<Shape>) -> Result<Batch> {
        let Self { file, mark_bytes, content, findings, read_bytes } = self;
        let named = |error| match (error, &file) {
            (error @ (Error::Open { .. } | Error::MissingFile { .. }), _) | (error, None) => error,
            (error, Some(file)) => Error::InFile { file: file.to_string(), source: Box::new(error) },
        };
        let (records, left_out) = (Vec::new(), None);
        let mut reader = BatchReader { reading, first, records, findings, left_out, file: file.clone() };
        reader.all(content, mark_bytes).map_err(named)?;
        let BatchReader { records, findings, left_out, .. } = reader;
        Ok(Batch { records, findings, left_out: left_out.map(named), file, read_bytes })
    }
}

struct BatchReader<'a> {
    reading: &'a Reading,
    first: &'a mut Option<Shape>,
    records: Vec<Record>,
    findings: Vec<Finding>,
    left_out: Option<Error>,
    file: Option<Arc<str>>,
}

impl BatchReader<'_> {
    fn all(&mut self, content: Content, mark_bytes: usize) -> Result<()> {
        let mend = !self.reading.strict;
        match content {
            Content::Json(frames) => {
                let Frames { bytes, records } = frames;
                for (line, frame) in records {
                    let skipped = if line == 1 { mark_bytes } else { 0 };
                    let item = match frame {
                        Ok(range) => json_item(&bytes[range], line, skipped, mend),
                        Err(fault) => (Err(fault), Vec::new()),
                    };
                    self.one(line, item)?;
                    if skipped > 0 {
                        self.note(line, Problem::ByteOrderMark);
                    }
                }
                Ok(())
            }
            Content::Table(rows) => {
                let begins = rows.begins();
                if mark_bytes > 0 && begins {
                    self.note(1, Problem::ByteOrderMark);
                }
                rows.read(mend, |line, item| self.one(line, item))
            }
            #[cfg(feature = "columnar")]
            Content::Columns(rows) => rows.read(mend, |line, item| self.one(line, item)),
            Content::Fault(fault) => self.one(0, (Err(fault), Vec::new())),
        }
    }

    fn note(&mut self, line: usize, problem: Problem) {
        self.findings.push(Finding { file: self.file.clone(), line, problem });
    }

    fn one(&mut self, line: usize, (members, problems): Item) -> Result<()> {
        let raw = match members {
            Err(fault) => match fault.problem() {
                Some(problem) if !self.reading.strict => {
                    self.note(line, problem);
                    if problem.leaves_out() {
                        self.left_out.get_or_insert(fault);
                    }
                    return Ok(());
                }
                _ => return Err(fault),
            },
            Ok(raw) => raw,
        };
        for problem in problems {
            self.note(line, problem);
        }
        let Some(raw) = raw else { return Ok(()) };
        let record = self.record(line, raw)?;
        self.records.push(record);
        Ok(())
    }

    fn record(&mut self, line: usize, raw: Map<String, Value>) -> Result<Record> {
        let columns = Arc::clone(&self.reading.columns);
        let mut problems = Vec::new();
        let mut shape = columns.shape_of(&raw);
        if self.reading.strict {
            let found = shape.ok_or(Error::UnknownShape { line })?;
            let first = *self.first.get_or_insert(found);
            if found != first {
                return Err(Error::MixedShapes { line, first, found });
            }
        } else if shape.is_none() {
            problems.push(Problem::UnknownShape);
        }
        let mut checked = |shape| check(&raw, shape, &columns, line, &mut |problem| problems.push(problem));
        let keys = match checked(shape.unwrap_or(Shape::Fields)) {
            Err(fault) if !self.reading.strict => {
                shape = None;
                let keys = checked(Shape::Fields)?;
                problems.extend(fault.problem());
                keys
            }
            keys => keys?,
        };
        if has_long_number_outside_keys(&raw, &columns) {
            problems.push(Problem::LongNumber);
        }
        if has_bidi_control(&raw) {
            problems.push(Problem::BidiControl);
        }
        for problem in problems {
            self.note(line, problem);
        }
        let Keys { id, subject } = keys;
        let id = id.unwrap_or_else(|| match &self.file {
            Some(file) => format!("{file}:line-{line}"),
            None => format!("line-{line}"),
        });
        Ok(Record { line, id, subject, shape: shape.unwrap_or(Shape::Fields), columns, raw })
    }
}

/// What the bytes of a line or a value are.
fn json_item(content: &[u8], line: usize, skipped: usize, mend: bool) -> Item {
    if content.iter().all(u8::is_ascii_whitespace) {
        return (Ok(None), vec![Problem::BlankLine]);
    }
    let mut problems = Vec::new();
    let mut note = |problem| problems.push(problem);
    let members = object(content, &mut JsonReading { line, skipped, mend, note: &mut note });
    (members.map(Some), problems)
}

/// What only the order of the records tells: identifiers that stand twice, shapes that change.
///
/// Identifiers are compared by a keyed hash of 64 bits, up to [`Sequence::IDS`] of them.
#[derive(Default)]
pub struct Sequence {
    first: Option<Shape>,
    ids: HashSet<u64>,
    keys: RandomState,
    full: bool,
}

impl Sequence {
    /// How many different identifiers are compared: as many as fit into a table of about 40 MB.
    pub const IDS: usize = 3_600_000;

    /// Takes the next record, by its place, identifier and shape.
    pub fn next(
        &mut self,
        file: Option<&Arc<str>>,
        line: usize,
        id: &str,
        shape: Shape,
        mut tell: impl FnMut(Finding),
    ) {
        let mut note = |problem| tell(Finding { file: file.cloned(), line, problem });
        if shape != Shape::Fields && shape != *self.first.get_or_insert(shape) {
            note(Problem::OtherShape);
        }
        let hash = self.keys.hash_one(id);
        if self.ids.len() < Self::IDS {
            if !self.ids.insert(hash) {
                note(Problem::DuplicateId);
            }
        } else if self.ids.contains(&hash) {
            note(Problem::DuplicateId);
        } else if !self.full {
            self.full = true;
            note(Problem::IdsNotCompared);
        }
    }
}
