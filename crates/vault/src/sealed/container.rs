//! Sealed files: the `CLO1` header, and the place that an object is bound to.
//!
//! ```text
//! offset bytes
//!      0     4  "CLO1"
//!      4     1  version: 1
//!      5     1  suite: 1 = Cobblestone-256, data key wrapped by AES-256-KWP
//!      6    16  object's id
//!     22     1  kind
//!     23    16  id of the wrapping key
//!     39    40  wrapped data key
//!     79     2  bytes of this header, big end first: 81
//!     81        Cobblestone-256 under the data key
//! ```
//!
//! Invariant: the context of the message is `SHA-256(header)`, tenant, dataset and version, each preceded by its length in two
//! bytes, big end first, so that no other parts give the same bytes. An object that was moved to another place, or whose
//! header was changed in any byte, does not open. A new wrapping of the data key is another header: to change an object's
//! wrapping key is to seal it again; keys above that one change without touching objects.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::cobblestone::{OpeningReader, RandomReader, SealingWriter};
use super::key::{DataKey, Id, Kek, WRAPPED_BYTES};
use super::{ReadAt, Section};
use crate::files::{Existing, Readers, WholeFile, folder_of};
use crate::{Error, Result};

/// Bytes of a header.
pub const HEADER_BYTES: usize = 81;

const MAGIC: &[u8; 4] = b"CLO1";
const VERSION: u8 = 1;
/// Cobblestone-256, the data key wrapped by AES-256-KWP.
const SUITE: u8 = 1;

/// What a sealed file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Records of a dataset, one sealed message each, with an index.
    Records,
    /// Tokens of a dataset.
    Tokens,
    /// The state of a training run.
    Snapshot,
    /// An adapter.
    Adapter,
    /// What an evaluation gave.
    Evaluation,
    /// Anything else.
    Blob,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Records, Self::Tokens, Self::Snapshot, Self::Adapter, Self::Evaluation, Self::Blob];

    /// The byte that stands for it.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Records => 1,
            Self::Tokens => 2,
            Self::Snapshot => 3,
            Self::Adapter => 4,
            Self::Evaluation => 5,
            Self::Blob => 6,
        }
    }
}

/// Where an object belongs. It opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context<'a> {
    /// The tenant's id.
    pub tenant: &'a str,
    /// The dataset's id, or what stands for it.
    pub dataset: &'a str,
    /// The version's id.
    pub version: &'a str,
}

impl Context<'_> {
    /// The context of the message behind a header.
    fn bind(&self, header: &[u8; HEADER_BYTES]) -> Result<Vec<u8>> {
        let digest = Sha256::digest(header);
        let mut context = Vec::new();
        for part in [&digest[..], self.tenant.as_bytes(), self.dataset.as_bytes(), self.version.as_bytes()] {
            append_part(&mut context, part)?;
        }
        Ok(context)
    }
}

/// Appends a part behind its length.
pub(super) fn append_part(context: &mut Vec<u8>, part: &[u8]) -> Result<()> {
    let long = Error::Malformed { format: "context of sealed data", reason: "a part is longer than 65535 bytes" };
    context.extend(u16::try_from(part.len()).map_err(|_| long)?.to_be_bytes());
    context.extend_from_slice(part);
    Ok(())
}

/// What a sealed file says of itself in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The object's id.
    pub object: Id,
    /// What it holds.
    pub kind: Kind,
    /// The key that wraps its data key.
    pub kek: Id,
    /// The wrapped data key.
    pub wrapped: [u8; WRAPPED_BYTES],
}

impl Header {
    /// Reads a header. Nothing in it can be relied on before the message behind it opens.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let malformed = |reason| Error::Malformed { format: "sealed file", reason };
        let (magic, rest) = bytes.split_first_chunk::<4>().ok_or(Error::Truncated)?;
        if magic != MAGIC {
            return Err(malformed("it does not begin with CLO1"));
        }
        let ([version, suite], rest) = rest.split_first_chunk().ok_or(Error::Truncated)?;
        if (*version, *suite) != (VERSION, SUITE) {
            return Err(malformed("its version or suite is not supported"));
        }
        let (object, rest) = rest.split_first_chunk().ok_or(Error::Truncated)?;
        let ([kind], rest) = rest.split_first_chunk().ok_or(Error::Truncated)?;
        let (kek, rest) = rest.split_first_chunk().ok_or(Error::Truncated)?;
        let (wrapped, rest) = rest.split_first_chunk().ok_or(Error::Truncated)?;
        let (length, _) = rest.split_first_chunk().ok_or(Error::Truncated)?;
        if usize::from(u16::from_be_bytes(*length)) != HEADER_BYTES {
            return Err(malformed("its header has another length"));
        }
        let kind = Kind::ALL
            .into_iter()
            .find(|known| known.byte() == *kind)
            .ok_or_else(|| malformed("its kind is not known"))?;
        Ok(Self { object: Id(*object), kind, kek: Id(*kek), wrapped: *wrapped })
    }

    /// The header of a file.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Malformed`], [`Error::Stream`].
    pub fn read(source: &impl ReadAt) -> Result<Self> {
        Self::parse(&header_bytes(source)?)
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut rest = &mut bytes[..];
        let length = (HEADER_BYTES as u16).to_be_bytes();
        let parts: [&[u8]; 7] =
            [MAGIC, &[VERSION, SUITE], &self.object.0, &[self.kind.byte()], &self.kek.0, &self.wrapped, &length];
        for part in parts {
            let (place, behind) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = behind;
        }
        bytes
    }
}

/// A header with the keys and the context of the message behind it.
pub(super) struct Opened {
    pub(super) header: Header,
    pub(super) key: DataKey,
    pub(super) context: Vec<u8>,
}

impl Opened {
    /// A new object.
    pub(super) fn fresh(kind: Kind, kek: &Kek, place: &Context<'_>) -> Result<Self> {
        let key = DataKey::random()?;
        let header = Header { object: Id::random()?, kind, kek: kek.id(), wrapped: kek.wrap(&key)? };
        let context = place.bind(&header.to_bytes())?;
        Ok(Self { header, key, context })
    }

    /// The object of a header.
    pub(super) fn of_header(bytes: &[u8; HEADER_BYTES], kind: Kind, kek: &Kek, place: &Context<'_>) -> Result<Self> {
        let header = Header::parse(bytes)?;
        if header.kek != kek.id() {
            return Err(Error::OtherKek { expected: header.kek.to_string(), given: kek.id().to_string() });
        }
        if header.kind != kind {
            return Err(Error::Malformed { format: "sealed file", reason: "it is of another kind" });
        }
        Ok(Self { key: kek.unwrap(&header.wrapped)?, header, context: place.bind(bytes)? })
    }
}

pub(super) fn header_bytes(source: &impl ReadAt) -> Result<[u8; HEADER_BYTES]> {
    let mut bytes = [0; HEADER_BYTES];
    match source.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Error::Truncated),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(bytes),
    }
}

/// Seals one object.
///
/// ```
/// use cloister_vault::sealed::{Context, Kek, Kind, ObjectReader, ObjectWriter};
///
/// let kek = Kek::random()?;
/// let place = Context { tenant: "t1", dataset: "tickets", version: "3" };
/// let mut writer = ObjectWriter::new(Vec::new(), Kind::Snapshot, &kek, &place)?;
/// writer.append(b"state")?;
/// let (sealed, _) = writer.finish()?;
///
/// let reader = ObjectReader::new(&sealed[..], Kind::Snapshot, &kek, &place)?;
/// let mut state = [0; 5];
/// assert_eq!(reader.read_at(&mut state, 0)?, 5);
/// assert_eq!(&state, b"state");
/// let moved = Context { tenant: "t2", ..place };
/// assert!(ObjectReader::new(&sealed[..], Kind::Snapshot, &kek, &moved).is_err());
/// # Ok::<(), cloister_vault::Error>(())
/// ```
pub struct ObjectWriter<W> {
    writer: SealingWriter<W>,
    header: Header,
}

impl<W: Write> ObjectWriter<W> {
    /// Begins an object under a fresh data key.
    ///
    /// # Errors
    /// [`Error::NoRandomness`], [`Error::Malformed`] for a place that is too long, and [`Error::Stream`].
    pub fn new(mut sink: W, kind: Kind, kek: &Kek, place: &Context<'_>) -> Result<Self> {
        let Opened { header, key, context } = Opened::fresh(kind, kek, place)?;
        sink.write_all(&header.to_bytes())?;
        Ok(Self { writer: SealingWriter::new(sink, &key, &context)?, header })
    }

    /// Seals more plaintext.
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::Stream`].
    pub fn append(&mut self, plaintext: &[u8]) -> Result<()> {
        self.writer.append(plaintext)
    }

    /// Ends the object.
    ///
    /// # Errors
    /// [`Error::Stream`].
    pub fn finish(self) -> Result<(W, Header)> {
        Ok((self.writer.finish()?, self.header))
    }
}

impl<W: Write> Write for ObjectWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// A sealed file that appears whole or not at all; only its owner can read it.
pub struct NewFile(WholeFile);

impl NewFile {
    /// Begins a file beside the place where it will appear.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn create(path: &Path) -> Result<Self> {
        WholeFile::create(path, folder_of(path), Readers::Owner).map(Self)
    }

    /// Makes it appear, durably, where nothing is.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Write`].
    pub fn publish(self) -> Result<()> {
        self.0.commit(Existing::Keep)
    }

    /// Makes it appear, durably, also in the place of another.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn replace(self) -> Result<()> {
        self.0.commit(Existing::Replace)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Opens an object, to be read from any place.
pub struct ObjectReader<R> {
    reader: RandomReader<Section<R>>,
    header: Header,
}

impl<R: ReadAt> ObjectReader<R> {
    /// Opens an object of a kind in its place.
    ///
    /// # Errors
    /// [`Error::OtherKek`], [`Error::KeyDoesNotOpen`], [`Error::WrongKeyOrContext`], [`Error::Malformed`],
    /// [`Error::Truncated`], [`Error::DamagedChunk`], [`Error::Stream`].
    pub fn new(source: R, kind: Kind, kek: &Kek, place: &Context<'_>) -> Result<Self> {
        let Opened { header, key, context } = Opened::of_header(&header_bytes(&source)?, kind, kek, place)?;
        let begin = HEADER_BYTES as u64;
        let length = source.length()?.saturating_sub(begin);
        Ok(Self { reader: RandomReader::new(Section { source, begin, length }, &key, &context)?, header })
    }

    /// What the file says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes of plaintext.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.reader.length()
    }

    /// Fills `buffer` with plaintext from the byte `offset` on; gives how much there was. On an error it holds zeros.
    ///
    /// # Errors
    /// [`Error::DamagedChunk`], [`Error::Stream`].
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.reader.read_at(buffer, offset)
    }
}

impl ObjectReader<File> {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Read`], and those of [`ObjectReader::new`].
    pub fn open(path: &Path, kind: Kind, kek: &Kek, place: &Context<'_>) -> Result<Self> {
        Self::new(File::open(path).map_err(Error::read(path))?, kind, kek, place)
    }
}

/// Opens an object as a stream, from its beginning to its end.
///
/// # Errors
/// Those of [`ObjectReader::new`].
pub fn open_stream<R: Read>(mut source: R, kind: Kind, kek: &Kek, place: &Context<'_>) -> Result<OpeningReader<R>> {
    let mut bytes = [0; HEADER_BYTES];
    source.read_exact(&mut bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::Truncated,
        _ => Error::Stream(error),
    })?;
    let Opened { key, context, .. } = Opened::of_header(&bytes, kind, kek, place)?;
    OpeningReader::new(source, &key, &context)
}
