//! Many records in one sealed file, each under the key of its subject, read one by one.
//!
//! ```text
//! CLO1 header, kind Records
//! one Cobblestone-256 message per record, under the key of its subject
//! one Cobblestone-256 message, the index, under the file's data key
//! 8 bytes: sealed bytes of the index, big end first
//!
//! index: number of records (8 bytes) | where each row begins behind this table, 8 bytes each | rows, by the ids' bytes
//! row:   offset in the file (8) | sealed bytes (8) | id of the subject's key (16) | bytes of the record's id (2) | the id
//! ```
//!
//! Invariant: neither text nor id of a record is in the file in the clear. A record opens only under its own id in its own
//! file. Rows cover the file between header and index without gap or overlap, which [`ShardReader::check`] looks at. To
//! destroy a subject's key is to destroy the subject's records, and nothing else changes.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use zeroize::Zeroizing;

use super::cobblestone::{self, ChunkBuffer, RandomReader, SealingWriter};
use super::container::{Context, HEADER_BYTES, Header, Kind, Opened, append_part, header_bytes};
use super::key::{DataKey, Id, Kek};
use super::{Plaintext, ReadAt, Section};
use crate::{Error, Result};

/// Bytes behind the index.
const TRAILER_BYTES: u64 = 8;
/// Bytes of a row before the record's id.
const ROW_BYTES: usize = 8 + 8 + 16 + 2;

/// Gives the keys of subjects.
pub trait SubjectKeys {
    /// The key, or none if there is none or it was destroyed.
    ///
    /// # Errors
    /// Whatever keeps a key from being fetched.
    fn key(&self, id: Id) -> Result<Option<DataKey>>;
}

impl SubjectKeys for HashMap<Id, DataKey> {
    fn key(&self, id: Id) -> Result<Option<DataKey>> {
        Ok(self.get(&id).cloned())
    }
}

/// Where a record is. It says who somebody is, so it cannot be printed.
#[derive(Clone)]
pub struct RecordRow {
    id: Zeroizing<Vec<u8>>,
    offset: u64,
    length: u64,
    subject: Id,
}

impl RecordRow {
    /// The record's id.
    #[must_use]
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// The key under which it is sealed.
    #[must_use]
    pub fn subject(&self) -> Id {
        self.subject
    }

    /// Bytes of the sealed record.
    #[must_use]
    pub fn sealed_bytes(&self) -> u64 {
        self.length
    }

    /// The part of the row before the record's id.
    fn to_bytes(&self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.length.to_be_bytes());
        bytes[16..32].copy_from_slice(&self.subject.0);
        // The id was part of a context, which takes no longer one.
        bytes[32..].copy_from_slice(&(self.id.len() as u16).to_be_bytes());
        bytes
    }
}

/// Writes a shard.
///
/// ```
/// use std::collections::HashMap;
/// use cloister_vault::sealed::{Context, DataKey, Id, Kek, ShardReader, ShardWriter};
///
/// let (kek, subject, key) = (Kek::random()?, Id::random()?, DataKey::random()?);
/// let place = Context { tenant: "t1", dataset: "tickets", version: "3" };
/// let mut writer = ShardWriter::new(Vec::new(), &kek, &place)?;
/// writer.append(b"r1", subject, &key, b"My printer is on fire.")?;
/// let (sealed, _) = writer.finish()?;
///
/// let shard = ShardReader::new(&sealed[..], &kek, &place)?;
/// let mut keys = HashMap::from([(subject, key)]);
/// assert_eq!(shard.read(b"r1", &keys)?.as_deref(), Some(&b"My printer is on fire."[..]));
/// assert!(shard.read(b"r2", &keys)?.is_none());
/// keys.clear();
/// assert!(shard.read(b"r1", &keys).is_err());
/// # Ok::<(), cloister_vault::Error>(())
/// ```
pub struct ShardWriter<W> {
    sink: W,
    opened: Opened,
    rows: Vec<RecordRow>,
    end: u64,
}

impl<W: Write> ShardWriter<W> {
    /// Begins a shard under a fresh data key.
    ///
    /// # Errors
    /// [`Error::NoRandomness`], [`Error::Malformed`] for a place that is too long, and [`Error::Stream`].
    pub fn new(mut sink: W, kek: &Kek, place: &Context<'_>) -> Result<Self> {
        let opened = Opened::fresh(Kind::Records, kek, place)?;
        sink.write_all(&opened.header.to_bytes())?;
        Ok(Self { sink, opened, rows: Vec::new(), end: HEADER_BYTES as u64 })
    }

    /// Seals a record under the key of its subject. Records come in any order; each id comes once.
    ///
    /// # Errors
    /// [`Error::NoRandomness`], [`Error::Malformed`] for an id that is too long, and [`Error::Stream`].
    pub fn append(&mut self, id: &[u8], subject: Id, key: &DataKey, plaintext: &[u8]) -> Result<()> {
        let sealed = cobblestone::seal(key, &record_context(&self.opened.context, id)?, plaintext)?;
        self.sink.write_all(&sealed)?;
        let length = sealed.len() as u64;
        self.rows.push(RecordRow { id: Zeroizing::new(id.into()), offset: self.end, length, subject });
        self.end += length;
        Ok(())
    }

    /// Writes the index and ends the shard.
    ///
    /// # Errors
    /// [`Error::DuplicateRecord`], [`Error::NoRandomness`], [`Error::Stream`].
    pub fn finish(mut self) -> Result<(W, Header)> {
        self.rows.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        if self.rows.windows(2).any(|pair| pair[0].id == pair[1].id) {
            return Err(Error::DuplicateRecord);
        }
        let sink = end_with_index(self.sink, &self.opened, |index| {
            index.append(&(self.rows.len() as u64).to_be_bytes())?;
            let mut begin = 0_u64;
            for row in &self.rows {
                index.append(&begin.to_be_bytes())?;
                begin += (ROW_BYTES + row.id.len()) as u64;
            }
            self.rows.iter().try_for_each(|row| {
                index.append(&row.to_bytes())?;
                index.append(&row.id)
            })
        })?;
        Ok((sink, self.opened.header))
    }
}

/// A shard without records that has any bytes as its index: what a reader must bear.
///
/// # Errors
/// Those of [`ShardWriter::finish`].
#[doc(hidden)]
pub fn with_index(kek: &Kek, place: &Context<'_>, index: &[u8]) -> Result<Vec<u8>> {
    let ShardWriter { sink, opened, .. } = ShardWriter::new(Vec::new(), kek, place)?;
    end_with_index(sink, &opened, |writer| writer.append(index))
}

fn end_with_index<W: Write>(
    sink: W,
    opened: &Opened,
    write: impl FnOnce(&mut SealingWriter<&mut Counting<W>>) -> Result<()>,
) -> Result<W> {
    let mut sealed = Counting { sink, count: 0 };
    let mut index = SealingWriter::new(&mut sealed, &opened.key, &index_context(&opened.context)?)?;
    write(&mut index)?;
    index.finish()?;
    let Counting { mut sink, count } = sealed;
    sink.write_all(&count.to_be_bytes())?;
    Ok(sink)
}

/// Reads a shard.
pub struct ShardReader<R> {
    source: R,
    header: Header,
    context: Vec<u8>,
    index: RandomReader<Section<R>>,
    /// Where the index begins in the file.
    index_begin: u64,
    count: u64,
}

impl<R: ReadAt + Clone> ShardReader<R> {
    /// Opens a shard in its place.
    ///
    /// # Errors
    /// [`Error::OtherKek`], [`Error::KeyDoesNotOpen`], [`Error::WrongKeyOrContext`], [`Error::Malformed`],
    /// [`Error::Truncated`], [`Error::DamagedChunk`], [`Error::Stream`].
    pub fn new(source: R, kek: &Kek, place: &Context<'_>) -> Result<Self> {
        let opened = Opened::of_header(&header_bytes(&source)?, Kind::Records, kek, place)?;
        let trailer = source.length()?.checked_sub(TRAILER_BYTES).ok_or(Error::Truncated)?;
        let mut length = [0; TRAILER_BYTES as usize];
        source.read_exact_at(&mut length, trailer)?;
        let length = u64::from_be_bytes(length);
        let begin =
            trailer.checked_sub(length).filter(|begin| *begin >= HEADER_BYTES as u64).ok_or(Error::Truncated)?;
        let section = Section { source: source.clone(), begin, length };
        let index = RandomReader::new(section, &opened.key, &index_context(&opened.context)?)?;
        let mut count = [0; 8];
        index.read_at(&mut count, 0)?;
        let count = u64::from_be_bytes(count);
        let least = count.checked_mul((8 + ROW_BYTES) as u64).and_then(|rows| rows.checked_add(8));
        if least.is_none_or(|least| least > index.length()) {
            return Err(malformed("it has fewer rows than it says"));
        }
        let Opened { header, context, .. } = opened;
        Ok(Self { source, header, context, index, index_begin: begin, count })
    }

    /// What the file says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How many records there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Where the record of an id is, if there is one.
    ///
    /// # Errors
    /// [`Error::DamagedChunk`], [`Error::Malformed`], [`Error::Stream`].
    pub fn find(&self, id: &[u8]) -> Result<Option<RecordRow>> {
        let (mut table, mut rows) = (ChunkBuffer::default(), ChunkBuffer::default());
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let row = self.row_with(middle, &mut table, &mut rows)?;
            match row.id.as_slice().cmp(id) {
                std::cmp::Ordering::Equal => return Ok(Some(row)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// The rows of all records, by their ids.
    pub fn rows(&self) -> impl Iterator<Item = Result<RecordRow>> + '_ {
        let (mut table, mut rows) = (ChunkBuffer::default(), ChunkBuffer::default());
        (0..self.count).map(move |number| self.row_with(number, &mut table, &mut rows))
    }

    /// All records by their ids, each opened when it is asked for, so that as much is in memory as one record has. A record
    /// whose key is gone is [`Error::NoSubjectKey`] in its place, and the next ones follow; after another error what follows
    /// is worth nothing.
    pub fn records<'a>(
        &'a self,
        keys: &'a impl SubjectKeys,
    ) -> impl Iterator<Item = Result<(RecordRow, Plaintext)>> + 'a {
        self.rows().map(move |row| {
            let row = row?;
            let text = self.read_row(&row, keys)?;
            Ok((row, text))
        })
    }

    /// The text of a record, or none if there is no such record.
    ///
    /// # Errors
    /// [`Error::NoSubjectKey`], [`Error::WrongKeyOrContext`], [`Error::DamagedChunk`], [`Error::Truncated`],
    /// [`Error::Malformed`], [`Error::Stream`].
    pub fn read(&self, id: &[u8], keys: &impl SubjectKeys) -> Result<Option<Plaintext>> {
        self.find(id)?.map(|row| self.read_row(&row, keys)).transpose()
    }

    /// The text of the record of a row.
    ///
    /// # Errors
    /// Those of [`ShardReader::read`].
    pub fn read_row(&self, row: &RecordRow, keys: &impl SubjectKeys) -> Result<Plaintext> {
        let key = keys.key(row.subject)?.ok_or_else(|| Error::NoSubjectKey { key: row.subject.to_string() })?;
        let mut sealed = vec![0; usize::try_from(row.length).map_err(|_| Error::TooLong)?];
        self.source.read_exact_at(&mut sealed, row.offset)?;
        cobblestone::open(&key, &record_context(&self.context, &row.id)?, &sealed)
    }

    /// Checks that the rows are in order and that records fill the file from header to index; opens every record whose key is
    /// there. Gives how many were opened.
    ///
    /// # Errors
    /// Those of [`ShardReader::read`], but for [`Error::NoSubjectKey`].
    pub fn check(&self, keys: &impl SubjectKeys) -> Result<u64> {
        let mut places = Vec::new();
        let mut opened = 0;
        let mut last: Option<RecordRow> = None;
        for row in self.rows() {
            let row = row?;
            if last.as_ref().is_some_and(|last| last.id() >= row.id()) {
                return Err(malformed("its rows are not in order"));
            }
            match self.read_row(&row, keys) {
                Ok(_) => opened += 1,
                Err(Error::NoSubjectKey { .. }) => {}
                Err(error) => return Err(error),
            }
            places.push((row.offset, row.length));
            last = Some(row);
        }
        places.sort_unstable();
        let end =
            places.iter().try_fold(
                HEADER_BYTES as u64,
                |end, (offset, length)| {
                    if *offset == end { end.checked_add(*length) } else { None }
                },
            );
        if end == Some(self.index_begin) { Ok(opened) } else { Err(malformed("records do not fill the file")) }
    }

    fn row_with(&self, number: u64, table: &mut ChunkBuffer, rows: &mut ChunkBuffer) -> Result<RecordRow> {
        let mut begin = [0; 8];
        self.read_index(&mut begin, 8 + number * 8, table)?;
        let begin = u64::from_be_bytes(begin).checked_add(8 + self.count * 8).ok_or_else(outside)?;
        let mut fixed = [0; ROW_BYTES];
        self.read_index(&mut fixed, begin, rows)?;
        parse_row(&fixed, self.index_begin, |id| self.read_index(id, begin + ROW_BYTES as u64, rows))
    }

    fn read_index(&self, buffer: &mut [u8], offset: u64, kept: &mut ChunkBuffer) -> Result<()> {
        let count = self.index.read_at_with(buffer, offset, kept)?;
        if count == buffer.len() { Ok(()) } else { Err(outside()) }
    }
}

impl ShardReader<std::sync::Arc<File>> {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Read`], and those of [`ShardReader::new`].
    pub fn open(path: &Path, kek: &Kek, place: &Context<'_>) -> Result<Self> {
        Self::new(File::open(path).map_err(Error::read(path))?.into(), kek, place)
    }
}

/// Reads the part of a row that has one length, and asks for the id behind it.
fn parse_row(
    fixed: &[u8; ROW_BYTES],
    index_begin: u64,
    read_id: impl FnOnce(&mut [u8]) -> Result<()>,
) -> Result<RecordRow> {
    let (offset, rest) = fixed.split_first_chunk().ok_or_else(outside)?;
    let (length, rest) = rest.split_first_chunk().ok_or_else(outside)?;
    let (subject, rest) = rest.split_first_chunk().ok_or_else(outside)?;
    let (id, _) = rest.split_first_chunk().ok_or_else(outside)?;
    let (offset, length) = (u64::from_be_bytes(*offset), u64::from_be_bytes(*length));
    let ends_before = offset.checked_add(length).is_some_and(|end| end <= index_begin);
    if offset < HEADER_BYTES as u64 || !ends_before {
        return Err(malformed("a row points outside the records"));
    }
    let mut bytes = Zeroizing::new(vec![0; usize::from(u16::from_be_bytes(*id))]);
    read_id(&mut bytes)?;
    Ok(RecordRow { id: bytes, offset, length, subject: Id(*subject) })
}

fn record_context(file: &[u8], id: &[u8]) -> Result<Vec<u8>> {
    part_context(file, b"record", id)
}

fn index_context(file: &[u8]) -> Result<Vec<u8>> {
    part_context(file, b"index", b"")
}

/// The context of a message inside the file: that of the file, what it is, and which.
fn part_context(file: &[u8], what: &[u8], which: &[u8]) -> Result<Vec<u8>> {
    let mut context = file.to_vec();
    append_part(&mut context, what)?;
    append_part(&mut context, which)?;
    Ok(context)
}

struct Counting<W> {
    sink: W,
    count: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.sink.flush()
    }
}

fn malformed(reason: &'static str) -> Error {
    Error::Malformed { format: "index of a shard", reason }
}

fn outside() -> Error {
    malformed("a row lies outside of it")
}
