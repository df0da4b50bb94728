//! Looking into what was cut: from bytes and rows to checked records, and what only their order can tell.
//!
//! Invariant: the first fault is the error, unless the reading mends: then a fault that has a [`Problem`] becomes a finding
//! with its line, and every other record is read. Piece by piece, such a fault stands in the place of its record.

use std::borrow::Cow;
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
    demand: Demand,
}

/// What is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Demand {
    /// What cannot be trained on.
    Trainable,
    /// What cannot be read whole.
    Whole,
    /// Nothing.
    Readable,
}

impl Reading {
    /// Refuses the first record that cannot be trained on.
    #[must_use]
    pub fn strict(columns: &Columns) -> Self {
        Self { columns: Arc::new(columns.clone()), demand: Demand::Trainable }
    }

    /// Refuses the first record that cannot be read whole; which fields it has does not matter.
    #[must_use]
    pub fn whole(columns: &Columns) -> Self {
        Self { columns: Arc::new(columns.clone()), demand: Demand::Whole }
    }

    /// Reads whatever can be read, and tells what could not.
    #[must_use]
    pub fn mending(columns: &Columns) -> Self {
        Self { columns: Arc::new(columns.clone()), demand: Demand::Readable }
    }

    fn mends(&self) -> bool {
        self.demand == Demand::Readable
    }
}

/// Some hundred records, cut and not yet looked into.
pub struct Chunk {
    pub(super) file: Option<Arc<str>>,
    /// Length of a byte order mark before the chunk.
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

/// What stands at one place of the input.
pub(super) struct Cut<'a> {
    /// Its line, for messages.
    pub(super) line: usize,
    /// Its place, see [`Piece`].
    pub(super) place: usize,
    pub(super) item: Item,
    /// What was read there, if it is at hand.
    pub(super) content: Option<Cow<'a, [u8]>>,
    /// Whether that is JSON, or stands where JSON should.
    pub(super) is_json: bool,
}

impl Cut<'_> {
    /// Nothing but a fault.
    pub(super) fn fault(line: usize, fault: Error) -> Self {
        Self { line, place: line, item: (Err(fault), Vec::new()), content: None, is_json: false }
    }
}

/// A record, or what stands where there should be one. Holds text: no `Debug`.
pub struct Piece<'a> {
    /// Where it stands: its line, from 1; in JSON, where many may stand in one line, the number of its value, and in Parquet and
    /// Arrow that of its row; 0 where the whole file is meant.
    pub place: usize,
    /// The record, or why it cannot be trained on. Its shape is its own, whatever others have.
    pub record: Result<Record>,
    /// What was read there: the bytes of a line, value or row without the break behind them (of UTF-16, in UTF-8), and of a row
    /// of Parquet or Arrow that is no record, its JSON. Nothing where it is not held: longer than the limit, damaged, a row of
    /// a table without [`super::Source::keeping_rows`], a sound row of Parquet or Arrow.
    pub content: Option<Cow<'a, [u8]>>,
    /// Whether that is JSON, or stands where JSON should.
    pub is_json: bool,
}

/// What there is to say of a chunk whose pieces were given.
pub struct Given {
    /// What is odd about the records.
    pub findings: Vec<Finding>,
    /// Bytes of the stored input read when the chunk was cut, over all files.
    pub read_bytes: u64,
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
    /// `first` is the shape of the first record, which sets it: with a strict reading, the one that all must have.
    ///
    /// # Errors
    /// The first refusal, see [`Error`]; with a mending reading only what stops reading itself.
    pub fn read(self, reading: &Reading, first: &mut Option<Shape>) -> Result<Batch> {
        let Self { file, mark_bytes, content, findings, read_bytes } = self;
        let (records, left_out) = (Vec::new(), None);
        let mut reader = BatchReader { reading, first, records, findings, left_out, file: file.clone() };
        reader.mark(mark_bytes);
        let read = content.items(mark_bytes, reading.mends(), |cut| reader.one(cut.line, cut.item));
        let BatchReader { records, findings, left_out, .. } = reader;
        read.map_err(|error| in_file(error, file.as_ref()))?;
        let left_out = left_out.map(|error| in_file(error, file.as_ref()));
        Ok(Batch { records, findings, left_out, file, read_bytes })
    }

    /// Looks into the chunk and gives `each` its pieces in their order, every record checked as a strict reading does.
    ///
    /// # Errors
    /// Only what stops reading itself.
    pub fn pieces(self, reading: &Reading, mut each: impl FnMut(Piece<'_>)) -> Result<Given> {
        let Self { file, mark_bytes, content, findings, read_bytes } = self;
        let (records, left_out) = (Vec::new(), None);
        let mut reader = BatchReader { reading, first: &mut None, records, findings, left_out, file: file.clone() };
        reader.mark(mark_bytes);
        let given = content.items(mark_bytes, false, |cut| {
            if let Some(piece) = reader.piece(cut)? {
                each(piece);
            }
            Ok(())
        });
        let findings = reader.findings;
        given.map_err(|error| in_file(error, file.as_ref()))?;
        Ok(Given { findings, read_bytes })
    }
}

/// An error with the file of the folder in which it arose, unless it says it itself.
fn in_file(error: Error, file: Option<&Arc<str>>) -> Error {
    match (error, file) {
        (error @ (Error::Open { .. } | Error::MissingFile { .. }), _) | (error, None) => error,
        (error, Some(file)) => Error::InFile { file: file.to_string(), source: Box::new(error) },
    }
}

impl Content {
    /// Gives every item to `each`, in its order.
    fn items(self, mark_bytes: usize, mend: bool, mut each: impl FnMut(Cut<'_>) -> Result<()>) -> Result<()> {
        match self {
            Self::Json(Frames { bytes, records, before }) => {
                let mut count = before;
                for (line, frame) in records {
                    let mut place = line;
                    if let Some(count) = &mut count {
                        // A fault between two values stands where the next one does.
                        place = *count + 1;
                        *count += usize::from(matches!(frame, Ok(_) | Err(Error::RecordTooLong { .. })));
                    }
                    match frame {
                        Ok(range) => {
                            let content = &bytes[range];
                            let skipped = if line == 1 { mark_bytes } else { 0 };
                            let item = json_item(content, line, skipped, mend);
                            each(Cut { line, place, item, content: Some(content.into()), is_json: true })?;
                        }
                        Err(fault) => each(Cut { place, ..Cut::fault(line, fault) })?,
                    }
                }
                Ok(())
            }
            Self::Table(rows) => rows.read(mend, each),
            #[cfg(feature = "columnar")]
            Self::Columns(rows) => rows.read(mend, each),
            Self::Fault(fault) => each(Cut::fault(0, fault)),
        }
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
    fn mark(&mut self, mark_bytes: usize) {
        if mark_bytes > 0 {
            self.note(1, Problem::ByteOrderMark);
        }
    }

    fn note(&mut self, line: usize, problem: Problem) {
        self.findings.push(Finding { file: self.file.clone(), line, problem });
    }

    fn one(&mut self, line: usize, (members, problems): Item) -> Result<()> {
        let raw = match members {
            Err(fault) => match fault.problem() {
                Some(problem) if self.reading.mends() => {
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
        let trainable = self.reading.demand == Demand::Trainable;
        if trainable {
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
            Err(fault) if !trainable => {
                shape = None;
                let keys = checked(Shape::Fields)?;
                problems.extend(fault.problem());
                keys
            }
            keys => keys?,
        };
        let shape = shape.unwrap_or(Shape::Fields);
        self.first.get_or_insert(shape);
        Ok(self.checked(line, raw, shape, keys, problems))
    }

    /// A record that was checked, with its identifier; notes what is odd about it.
    fn checked(
        &mut self,
        line: usize,
        raw: Map<String, Value>,
        shape: Shape,
        keys: Keys,
        mut problems: Vec<Problem>,
    ) -> Record {
        let columns = Arc::clone(&self.reading.columns);
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
        Record { line, id, subject, shape, columns, raw }
    }

    /// The record, or the fault in its place; nothing for a blank line.
    fn piece<'c>(&mut self, cut: Cut<'c>) -> Result<Option<Piece<'c>>> {
        let Cut { line, place, item: (members, mut problems), content, is_json } = cut;
        let raw = match members {
            Ok(Some(raw)) => raw,
            Ok(None) => {
                problems.into_iter().for_each(|problem| self.note(line, problem));
                return Ok(None);
            }
            Err(fault) if fault.problem().is_some() => {
                return Ok(Some(Piece { place, record: Err(fault), content, is_json }));
            }
            Err(fault) => return Err(fault),
        };
        let columns = &*self.reading.columns;
        let shape = columns.shape_of(&raw).ok_or(Error::UnknownShape { line });
        let keys = shape.and_then(|shape| {
            let keys = check(&raw, shape, columns, line, &mut |problem| problems.push(problem));
            keys.map(|keys| (shape, keys))
        });
        Ok(Some(match keys {
            Ok((shape, keys)) => {
                let record = self.checked(line, raw, shape, keys, problems);
                Piece { place, record: Ok(record), content, is_json }
            }
            Err(fault) => {
                // A map with string keys always serialises.
                let as_json = || (serde_json::to_vec(&raw).unwrap_or_default().into(), true);
                let (content, is_json) = content.map_or_else(as_json, |content| (content, is_json));
                Piece { place, record: Err(fault), content: Some(content), is_json }
            }
        }))
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
