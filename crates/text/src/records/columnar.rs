//! Parquet and Arrow: rows of typed columns.
//!
//! Invariant: rows are decoded in batches of at most [`BATCH_ROWS`] and made into records one by one; strings are views
//! into decoded pages, so that a small file in which one long string stands for many rows stays small. What the readers
//! of these formats refuse, by an error or by a failed assertion, is a fault of the file and no crash.
//! Source: the specifications of Apache Parquet 2.11 and of Arrow's columnar format 1.5, read by their own crates.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::ChunkReader;

use super::cell::{Budget, value, weight};
use super::chunk::Cut;
use super::finding::Problem;
use super::footer;
use super::format::Format;
use super::frame::{CHUNK_BYTES, read_error};
use super::table::Members;
use super::unpack::Reader;
use crate::error::{Error, Result};

/// Most rows decoded at once.
const BATCH_ROWS: usize = 512;
/// Most values decoded at once, over all columns, as far as the file's own counts can be trusted.
const BATCH_VALUES: u64 = 1 << 20;
/// Most bytes of Parquet that are read into memory where they cannot be sought in.
const MEMORY_BYTES: u64 = 2 << 30;
/// With this an Arrow file begins and ends.
const ARROW_MAGIC: &[u8] = b"ARROW1";
/// Everything in Arrow's formats begins at a multiple of this.
const ARROW_ALIGNMENT: usize = 8;

/// Gives the rows of one input.
pub(super) struct Columns<'a> {
    batches: Batches<'a>,
    /// The rows that were decoded last, and how many of them are given.
    batch: Option<(RecordBatch, usize)>,
    row: usize,
    ended: bool,
}

enum Batches<'a> {
    Parquet(ParquetRecordBatchReader),
    Arrow {
        stream: StreamReader<BufReader<Reader<'a>>>,
        /// Whether the footer of a file must come after the stream.
        footer: bool,
    },
}

/// Some rows, or the fault behind the last of them.
pub(super) struct Rows {
    rows: Result<(RecordBatch, Range<usize>)>,
    /// Rows before these.
    before: usize,
}

impl<'a> Columns<'a> {
    /// Opens Parquet in a file, or else what `reader` gives.
    pub(super) fn open(format: Format, file: Option<File>, mut reader: Reader<'a>) -> Result<Self> {
        let batches = guarded(1, || match format {
            Format::Parquet => match file {
                Some(file) => parquet(file),
                None => parquet(whole(reader)?),
            },
            _ => {
                if format == Format::ArrowFile {
                    skip_magic(&mut reader)?;
                }
                let stream = StreamReader::try_new_buffered(reader, None).map_err(|error| arrow_error(&error, 1))?;
                Ok(Batches::Arrow { stream, footer: format == Format::ArrowFile })
            }
        })?;
        Ok(Self { batches, batch: None, row: 0, ended: false })
    }

    /// The next rows; nothing at the end.
    pub(super) fn cut(&mut self) -> Option<Rows> {
        loop {
            let before = self.row;
            if let Some((batch, given)) = &mut self.batch
                && *given < batch.num_rows()
            {
                let from = *given;
                *given = guarded(before + 1, || Ok(end_of_chunk(batch, from))).unwrap_or(from + 1);
                self.row += *given - from;
                return Some(Rows { rows: Ok((batch.clone(), from..*given)), before });
            }
            if self.ended {
                return None;
            }
            match guarded(before + 1, || self.batches.next(before + 1)) {
                Ok(Some(batch)) => self.batch = Some((batch, 0)),
                Ok(None) => (self.ended, self.batch) = (true, None),
                Err(fault) => {
                    (self.ended, self.batch) = (true, None);
                    return Some(Rows { rows: Err(fault), before });
                }
            }
        }
    }
}

/// Where the rows end that go into one chunk with the row `from`.
fn end_of_chunk(batch: &RecordBatch, from: usize) -> usize {
    let mut bytes = 0_usize;
    for row in from..batch.num_rows() {
        for column in batch.columns() {
            bytes = bytes.saturating_add(weight(column, row, CHUNK_BYTES));
        }
        if bytes >= CHUNK_BYTES {
            return row + 1;
        }
    }
    batch.num_rows()
}

impl Batches<'_> {
    fn next(&mut self, line: usize) -> Result<Option<RecordBatch>> {
        let next = match self {
            Self::Parquet(batches) => batches.next(),
            Self::Arrow { stream, .. } => stream.next(),
        };
        match next.transpose().map_err(|error| arrow_error(&error, line))? {
            Some(batch) => Ok(Some(batch)),
            None => self.drain(line).map(|()| None),
        }
    }

    /// Reads what stands behind the last batch, so that a listener has heard of it; a file must end as files do, since its
    /// stream alone does not tell that it was cut between two batches.
    fn drain(&mut self, line: usize) -> Result<()> {
        let Self::Arrow { stream, footer } = self else { return Ok(()) };
        let mut end = Vec::new();
        let mut block = vec![0; 1 << 16];
        loop {
            let count = stream.get_mut().read(&mut block).map_err(|error| read_error(error, line))?;
            if count == 0 {
                break;
            }
            end.extend_from_slice(&block[..count]);
            end.drain(..end.len().saturating_sub(ARROW_MAGIC.len()));
        }
        if *footer && end != ARROW_MAGIC { Err(Error::CutShort { line }) } else { Ok(()) }
    }
}

impl Rows {
    /// Gives every row to `each` with its number, from 1, as the members it stands for; one that is at fault has as its content
    /// what mending would make of it.
    pub(super) fn read(self, mend: bool, mut each: impl FnMut(Cut<'_>) -> Result<()>) -> Result<()> {
        let (batch, rows) = match self.rows {
            Ok(rows) => rows,
            Err(fault) => return each(Cut::fault(self.before + 1, fault)),
        };
        for (nth, row) in rows.enumerate() {
            let line = self.before + nth + 1;
            let mut problems = Vec::new();
            let found = guarded(line, || members(&batch, row, line, mend, &mut problems));
            let kept = match &found {
                Err(_) if !mend => guarded(line, || members(&batch, row, line, true, &mut Vec::new())).ok(),
                _ => None,
            };
            // A map with string keys always serialises.
            let content = kept.map(|kept| serde_json::to_vec(&kept).unwrap_or_default().into());
            each(Cut { line, place: line, item: (found.map(Some), problems), content, is_json: true })?;
        }
        Ok(())
    }
}

fn members(batch: &RecordBatch, row: usize, line: usize, mend: bool, problems: &mut Vec<Problem>) -> Result<Members> {
    let mut budget = Budget::new(line, mend);
    let schema = batch.schema_ref();
    let mut members = Members::with_capacity(batch.num_columns());
    for (index, (field, column)) in schema.fields().iter().zip(batch.columns()).enumerate() {
        budget.column = index + 1;
        let mut name = field.name().clone();
        if members.contains_key(&name) {
            let fault = Error::RepeatedColumn { line: 1, column: budget.column };
            if !mend {
                return Err(fault);
            }
            budget.note(Problem::RepeatedColumn);
            name = format!("{name} (column {})", budget.column);
        }
        members.insert(name, value(column, row, &mut budget)?);
    }
    problems.append(&mut budget.problems);
    Ok(members)
}

/// Comes to the stream that an Arrow file is, between its magic number with some padding and a footer that is not needed.
fn skip_magic(reader: &mut Reader<'_>) -> Result<()> {
    let failed = |error| read_error(error, 1);
    let head = reader.fill_buf().map_err(failed)?;
    let padded = head.iter().skip(ARROW_ALIGNMENT).take_while(|byte| **byte == 0).count();
    let skipped = ARROW_ALIGNMENT + padded / ARROW_ALIGNMENT * ARROW_ALIGNMENT;
    if head.len() < skipped {
        return Err(Error::CutShort { line: 1 });
    }
    reader.consume(skipped);
    Ok(())
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic on this thread would be a fault of the file that is being read, and told as such: a hook says nothing
/// of it then.
pub fn expects_panics() -> bool {
    GUARDED.get()
}

/// Runs a reader of foreign bytes; an assertion of its that fails is a fault of the bytes.
fn guarded<T>(line: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = GUARDED.replace(true);
    // Nothing that the work touched is looked at again after a panic but what is given up.
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Error::Damaged { line }));
    GUARDED.set(before);
    done
}

fn whole(reader: Reader<'_>) -> Result<Bytes> {
    let mut bytes = Vec::new();
    reader.take(MEMORY_BYTES + 1).read_to_end(&mut bytes).map_err(|error| read_error(error, 1))?;
    if bytes.len() as u64 > MEMORY_BYTES {
        return Err(Error::Unsupported { what: "Parquet of more than 2 GiB from a stream" });
    }
    Ok(Bytes::from(bytes))
}

fn parquet<'a>(input: impl ChunkReader + Ends + 'static) -> Result<Batches<'a>> {
    let fault = |error: ParquetError| parquet_error(&error, 1);
    if !input.ends_with_magic() {
        return Err(Error::CutShort { line: 1 });
    }
    if footer_of(&input).is_some_and(|bytes| !footer::is_bounded(&bytes)) {
        return Err(Error::Damaged { line: 1 });
    }
    let metadata = ArrowReaderMetadata::load(&input, ArrowReaderOptions::new()).map_err(fault)?;
    let schema = Schema::new_with_metadata(
        metadata.schema().fields().iter().map(with_views).collect::<Vec<_>>(),
        metadata.schema().metadata().clone(),
    );
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    let viewed = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).unwrap_or(metadata);
    let rows = batch_rows(viewed.metadata());
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input, viewed).with_batch_size(rows);
    Ok(Batches::Parquet(builder.build().map_err(fault)?))
}

/// The bytes before the length at the end, as far as that length can be true; the reader refuses what has none.
fn footer_of(input: &impl ChunkReader) -> Option<Bytes> {
    let before = input.len().checked_sub(8)?;
    let length = input.get_bytes(before, 4).ok()?;
    let length = u32::from_le_bytes(length.as_ref().try_into().ok()?);
    input.get_bytes(before.checked_sub(length.into())?, length as usize).ok()
}

/// Fewer rows at once where rows hold long lists.
fn batch_rows(metadata: &ParquetMetaData) -> usize {
    let most = metadata.row_groups().iter().map(|group| {
        let values: u64 = group.columns().iter().map(|column| column.num_values().unsigned_abs()).sum();
        values / group.num_rows().unsigned_abs().max(1)
    });
    let per_row = most.max().unwrap_or(1).max(1);
    usize::try_from(BATCH_VALUES / per_row).unwrap_or(1).clamp(1, BATCH_ROWS)
}

/// The same field with strings and bytes as views, which share what a dictionary repeats.
fn with_views(field: &FieldRef) -> FieldRef {
    let inner = |field: &FieldRef| with_views(field);
    let viewed = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::List(item) => DataType::List(inner(item)),
        DataType::LargeList(item) => DataType::LargeList(inner(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(inner(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        DataType::Map(entries, sorted) => DataType::Map(inner(entries), *sorted),
        DataType::Dictionary(_, values) if matches!(**values, DataType::Utf8 | DataType::LargeUtf8) => {
            DataType::Utf8View
        }
        other => other.clone(),
    };
    Arc::new(Field::clone(field).with_data_type(viewed))
}

/// Whether an input ends as Parquet does.
trait Ends {
    fn ends_with_magic(&self) -> bool;
}

impl Ends for Bytes {
    fn ends_with_magic(&self) -> bool {
        self.ends_with(b"PAR1")
    }
}

impl Ends for File {
    fn ends_with_magic(&self) -> bool {
        let length = self.metadata().map_or(0, |metadata| metadata.len());
        let from = length.saturating_sub(4);
        self.get_bytes(from, 4).is_ok_and(|bytes| bytes.ends_with_magic())
    }
}

fn parquet_error(error: &ParquetError, line: usize) -> Error {
    match error {
        ParquetError::EOF(_) => Error::CutShort { line },
        ParquetError::NYI(_) => Error::Unsupported { what: "this form of Parquet" },
        ParquetError::External(source) => match source.downcast_ref::<std::io::Error>() {
            Some(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Error::CutShort { line },
            _ => Error::Damaged { line },
        },
        _ => Error::Damaged { line },
    }
}

fn arrow_error(error: &ArrowError, line: usize) -> Error {
    match error {
        ArrowError::IoError(_, source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::CutShort { line }
        }
        ArrowError::NotYetImplemented(_) => Error::Unsupported { what: "this form of Parquet or Arrow" },
        _ => Error::Damaged { line },
    }
}
