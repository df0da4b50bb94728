//! Streams sealed in chunks (C2SP chunked-encryption, Cobblestone-256: HKDF-Expand-SHA-512 and AES-256-GCM).
//!
//! Invariant: the commitment is compared before any chunk is opened; a chunk that does not open gives no plaintext, and the
//! reader gives none after it; the last chunk is the one that is shorter than 16 KiB, so data that is cut anywhere, or that
//! goes on behind its end, is an error. A salt is drawn for every message.

use std::io::{self, Read, Write};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA512, KeyType, Prk};
use zeroize::{Zeroize as _, Zeroizing};

use super::key::{DataKey, KEY_BYTES};
use super::{Plaintext, ReadAt};
use crate::{Error, Result, random};

/// Bytes of plaintext in every chunk but the last.
pub const CHUNK_BYTES: usize = 16 << 10;
/// Bytes before the first chunk: salt and commitment.
pub const HEADER_BYTES: usize = SALT_BYTES + COMMITMENT_BYTES;
/// Bytes that a chunk is longer than its plaintext.
pub const TAG_BYTES: usize = 16;

const SALT_BYTES: usize = 24;
const COMMITMENT_BYTES: usize = 32;
const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;
/// Most chunks of a message.
const MOST_CHUNKS: u64 = 1 << 38;
const LABEL: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/// The keys of one message.
struct MessageKey {
    key: LessSafeKey,
    base_nonce: [u8; NONCE_LEN],
}

struct DerivedLength;

impl KeyType for DerivedLength {
    fn len(&self) -> usize {
        KEY_BYTES + NONCE_LEN + COMMITMENT_BYTES
    }
}

impl MessageKey {
    fn derive(key: &DataKey, salt: &[u8; SALT_BYTES], context: &[u8]) -> Result<(Self, [u8; COMMITMENT_BYTES])> {
        let mut derived = Zeroizing::new([0; KEY_BYTES + NONCE_LEN + COMMITMENT_BYTES]);
        let secret = Prk::new_less_safe(HKDF_SHA512, key.expose());
        let info = [LABEL, salt, context];
        let expanded = secret.expand(&info, DerivedLength).and_then(|expanded| expanded.fill(derived.as_mut()));
        expanded.map_err(|_| Error::WrongKeyOrContext)?;
        let (aead, rest) = derived.split_at(KEY_BYTES);
        let (nonce, commitment) = rest.split_at(NONCE_LEN);
        let key = UnboundKey::new(&AES_256_GCM, aead).map_err(|_| Error::WrongKeyOrContext)?;
        let mut base_nonce = [0; NONCE_LEN];
        base_nonce.copy_from_slice(nonce);
        let mut committed = [0; COMMITMENT_BYTES];
        committed.copy_from_slice(commitment);
        Ok((Self { key: LessSafeKey::new(key), base_nonce }, committed))
    }

    /// The keys of a message that begins with `header`.
    fn of_header(key: &DataKey, header: &[u8; HEADER_BYTES], context: &[u8]) -> Result<Self> {
        let (salt, commitment) = header.split_first_chunk::<SALT_BYTES>().ok_or(Error::Truncated)?;
        let (message, expected) = Self::derive(key, salt, context)?;
        match aws_lc_rs::constant_time::verify_slices_are_equal(commitment, &expected) {
            Ok(()) => Ok(message),
            Err(_) => Err(Error::WrongKeyOrContext),
        }
    }

    fn nonce(&self, chunk: u64) -> Result<Nonce> {
        if chunk >= MOST_CHUNKS {
            return Err(Error::TooLong);
        }
        let mut nonce = self.base_nonce;
        for (byte, counter) in nonce[NONCE_LEN - 8..].iter_mut().zip(chunk.to_be_bytes()) {
            *byte ^= counter;
        }
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    /// Seals a chunk; `sealed` is longer by the tag.
    fn seal(&self, chunk: u64, plaintext: &[u8], sealed: &mut [u8]) -> Result<()> {
        let (body, tag) = sealed.split_at_mut(plaintext.len());
        let nonce = self.nonce(chunk)?;
        let done = self.key.seal_out_of_place_scatter(nonce, Aad::empty(), plaintext, body, &[], tag);
        done.map_err(|_| Error::TooLong)
    }

    /// Opens a chunk into `plaintext`, which is shorter by the tag and holds zeros if it does not open.
    fn open(&self, chunk: u64, sealed: &[u8], plaintext: &mut [u8]) -> Result<()> {
        let (body, tag) = sealed.split_at_checked(plaintext.len()).ok_or(Error::Truncated)?;
        let opened = self.key.open_separate_gather(self.nonce(chunk)?, Aad::empty(), body, tag, plaintext);
        opened.map_err(|_| {
            plaintext.zeroize();
            Error::DamagedChunk { chunk }
        })
    }
}

/// How long the sealed form of `plaintext` bytes is.
#[must_use]
pub const fn sealed_length(plaintext: u64) -> u64 {
    HEADER_BYTES as u64 + plaintext + (plaintext / CHUNK_BYTES as u64 + 1) * TAG_BYTES as u64
}

/// How many bytes of plaintext a sealed form of so many bytes has, if there is one.
fn plaintext_length(sealed: u64) -> Result<u64> {
    let chunks = sealed.checked_sub(HEADER_BYTES as u64).ok_or(Error::Truncated)?;
    let (full, last) = (chunks / SEALED_CHUNK_BYTES as u64, chunks % SEALED_CHUNK_BYTES as u64);
    let last = last.checked_sub(TAG_BYTES as u64).ok_or(Error::Truncated)?;
    if full >= MOST_CHUNKS { Err(Error::TooLong) } else { Ok(full * CHUNK_BYTES as u64 + last) }
}

/// Seals a message that is at hand.
///
/// # Errors
/// [`Error::NoRandomness`].
pub fn seal(key: &DataKey, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>> {
    let mut salt = [0; SALT_BYTES];
    random::fill(&mut salt)?;
    let (message, commitment) = MessageKey::derive(key, &salt, context)?;
    let mut sealed = vec![0; sealed_length(plaintext.len() as u64) as usize];
    let (header, chunks) = sealed.split_at_mut(HEADER_BYTES);
    header[..SALT_BYTES].copy_from_slice(&salt);
    header[SALT_BYTES..].copy_from_slice(&commitment);
    // The last chunk is empty where the text fills the ones before.
    let (full, last) = plaintext.as_chunks::<CHUNK_BYTES>();
    let texts = full.iter().map(<[u8; CHUNK_BYTES]>::as_slice).chain([last]);
    for ((number, text), room) in (0..).zip(texts).zip(chunks.chunks_mut(SEALED_CHUNK_BYTES)) {
        message.seal(number, text, room)?;
    }
    Ok(sealed)
}

/// Opens a message that is at hand.
///
/// # Errors
/// [`Error::Truncated`], [`Error::WrongKeyOrContext`], [`Error::DamagedChunk`].
pub fn open(key: &DataKey, context: &[u8], sealed: &[u8]) -> Result<Plaintext> {
    let (header, chunks) = sealed.split_first_chunk().ok_or(Error::Truncated)?;
    let length = plaintext_length(sealed.len() as u64)?;
    let message = MessageKey::of_header(key, header, context)?;
    let mut plaintext = Zeroizing::new(vec![0; usize::try_from(length).map_err(|_| Error::TooLong)?]);
    let mut rest = &mut plaintext[..];
    for (number, chunk) in (0..).zip(chunks.chunks(SEALED_CHUNK_BYTES)) {
        let (opened, behind) = rest.split_at_mut(rest.len().min(CHUNK_BYTES));
        message.open(number, chunk, opened)?;
        rest = behind;
    }
    Ok(Plaintext(plaintext))
}

/// Seals a stream. Without [`SealingWriter::finish`] what was written is cut short and does not open to its end.
pub struct SealingWriter<W> {
    sink: W,
    message: MessageKey,
    chunk: u64,
    /// Plaintext that does not fill a chunk yet.
    pending: Zeroizing<Vec<u8>>,
    /// Room for a sealed chunk.
    sealed: Vec<u8>,
}

impl<W: Write> SealingWriter<W> {
    /// Begins a message.
    ///
    /// # Errors
    /// [`Error::NoRandomness`], and [`Error::Stream`] of the sink.
    pub fn new(sink: W, key: &DataKey, context: &[u8]) -> Result<Self> {
        Self::with_randomness(sink, key, context, random::fill)
    }

    fn with_randomness(
        mut sink: W,
        key: &DataKey,
        context: &[u8],
        fill: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<Self> {
        let mut salt = [0; SALT_BYTES];
        fill(&mut salt)?;
        let (message, commitment) = MessageKey::derive(key, &salt, context)?;
        sink.write_all(&salt)?;
        sink.write_all(&commitment)?;
        let pending = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES));
        Ok(Self { sink, message, chunk: 0, pending, sealed: vec![0; SEALED_CHUNK_BYTES] })
    }

    /// Seals more plaintext.
    ///
    /// # Errors
    /// [`Error::TooLong`], and [`Error::Stream`] of the sink, after which the message is lost.
    pub fn append(&mut self, plaintext: &[u8]) -> Result<()> {
        let mut rest = plaintext;
        if !self.pending.is_empty() {
            let (first, behind) = rest.split_at(rest.len().min(CHUNK_BYTES - self.pending.len()));
            self.pending.extend_from_slice(first);
            rest = behind;
            if self.pending.len() == CHUNK_BYTES {
                let full = std::mem::take(&mut self.pending);
                self.write_chunk(&full)?;
                self.pending = full;
                self.pending.clear();
            }
        }
        // What fills chunks is sealed from where it is.
        let (chunks, rest) = rest.as_chunks::<CHUNK_BYTES>();
        chunks.iter().try_for_each(|chunk| self.write_chunk(chunk))?;
        self.pending.extend_from_slice(rest);
        Ok(())
    }

    /// Seals the last chunk and gives the sink back.
    ///
    /// # Errors
    /// [`Error::TooLong`], and [`Error::Stream`] of the sink.
    pub fn finish(mut self) -> Result<W> {
        let last = std::mem::take(&mut self.pending);
        self.write_chunk(&last)?;
        Ok(self.sink)
    }

    fn write_chunk(&mut self, plaintext: &[u8]) -> Result<()> {
        let sealed = &mut self.sealed[..plaintext.len() + TAG_BYTES];
        self.message.seal(self.chunk, plaintext, sealed)?;
        self.chunk += 1;
        Ok(self.sink.write_all(sealed)?)
    }
}

impl<W: Write> Write for SealingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes).map_err(into_io)?;
        Ok(bytes.len())
    }

    /// Flushes what fills chunks; the rest waits for [`SealingWriter::finish`].
    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Opens a stream from its beginning to its end.
pub struct OpeningReader<R> {
    source: R,
    message: MessageKey,
    chunk: u64,
    sealed: Vec<u8>,
    /// Room for a chunk.
    plaintext: Zeroizing<Vec<u8>>,
    /// What of it the caller has not read.
    unread: std::ops::Range<usize>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    Failed,
}

impl<R: Read> OpeningReader<R> {
    /// Reads the beginning of a message and checks that it is sealed under this key and context.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::WrongKeyOrContext`], and [`Error::Stream`] of the source.
    pub fn new(mut source: R, key: &DataKey, context: &[u8]) -> Result<Self> {
        let mut header = [0; HEADER_BYTES];
        source.read_exact(&mut header).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::Truncated,
            _ => Error::Stream(error),
        })?;
        let message = MessageKey::of_header(key, &header, context)?;
        let (sealed, plaintext) = (vec![0; SEALED_CHUNK_BYTES], Zeroizing::new(vec![0; CHUNK_BYTES]));
        Ok(Self { source, message, chunk: 0, sealed, plaintext, unread: 0..0, state: State::Open })
    }

    /// The next chunk of plaintext, or none after the last. After an error there is no more plaintext, only errors.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::DamagedChunk`], [`Error::TooLong`], and [`Error::Stream`] of the source.
    pub fn next_chunk(&mut self) -> Result<Option<&[u8]>> {
        self.unread = 0..0;
        match self.state {
            State::Ended => return Ok(None),
            State::Failed => return Err(Error::DamagedChunk { chunk: self.chunk }),
            State::Open => self.state = State::Failed,
        }
        let length = read_full(&mut self.source, &mut self.sealed)?;
        let plaintext = length.checked_sub(TAG_BYTES).ok_or(Error::Truncated)?;
        self.message.open(self.chunk, &self.sealed[..length], &mut self.plaintext[..plaintext])?;
        self.chunk += 1;
        self.state = if plaintext < CHUNK_BYTES { State::Ended } else { State::Open };
        Ok(Some(&self.plaintext[..plaintext]))
    }
}

impl<R: Read> Read for OpeningReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() && !buffer.is_empty() {
            match self.next_chunk().map_err(into_io)?.map(<[u8]>::len) {
                Some(length) => self.unread = 0..length,
                None => return Ok(0),
            }
        }
        let count = self.unread.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.plaintext[self.unread.start..][..count]);
        self.unread.start += count;
        Ok(count)
    }
}

/// Opens any part of a message. Its length is authenticated when it is opened.
pub struct RandomReader<R> {
    source: R,
    message: MessageKey,
    length: u64,
}

impl<R: ReadAt> RandomReader<R> {
    /// Opens a message, and its last chunk.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::WrongKeyOrContext`], [`Error::DamagedChunk`], and [`Error::Stream`] of the source.
    pub fn new(source: R, key: &DataKey, context: &[u8]) -> Result<Self> {
        let length = plaintext_length(source.length()?)?;
        let mut header = [0; HEADER_BYTES];
        source.read_exact_at(&mut header, 0)?;
        let reader = Self { message: MessageKey::of_header(key, &header, context)?, source, length };
        reader.chunk(length / CHUNK_BYTES as u64, &mut ChunkBuffer::default())?;
        Ok(reader)
    }

    /// Bytes of plaintext.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Fills `buffer` with plaintext from the byte `offset` on; gives how much there was. On an error it holds zeros.
    ///
    /// # Errors
    /// [`Error::DamagedChunk`], and [`Error::Stream`] of the source.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.read_at_with(buffer, offset, &mut ChunkBuffer::default())
    }

    /// The same with a chunk that is kept between calls, for reading that stays near.
    ///
    /// # Errors
    /// Those of [`RandomReader::read_at`].
    pub fn read_at_with(&self, buffer: &mut [u8], offset: u64, kept: &mut ChunkBuffer) -> Result<usize> {
        let count = self.length.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let mut filled = 0;
        while filled < count {
            let at = offset + filled as u64;
            // A chunk of which all is wanted is opened where it is wanted.
            if at.is_multiple_of(CHUNK_BYTES as u64)
                && let Some(room) = buffer[filled..count].first_chunk_mut::<CHUNK_BYTES>()
            {
                if let Err(error) = self.open_chunk(at / CHUNK_BYTES as u64, &mut kept.sealed, room) {
                    buffer.zeroize();
                    return Err(error);
                }
                filled += CHUNK_BYTES;
                continue;
            }
            let chunk = match self.chunk(at / CHUNK_BYTES as u64, kept) {
                Ok(chunk) => chunk,
                Err(error) => {
                    buffer.zeroize();
                    return Err(error);
                }
            };
            let rest = &chunk[(at % CHUNK_BYTES as u64) as usize..];
            let part = rest.len().min(count - filled);
            buffer[filled..filled + part].copy_from_slice(&rest[..part]);
            filled += part;
        }
        Ok(count)
    }

    fn chunk<'a>(&self, chunk: u64, kept: &'a mut ChunkBuffer) -> Result<&'a [u8]> {
        if kept.chunk != Some(chunk) {
            kept.chunk = None;
            let length = (self.length - chunk * CHUNK_BYTES as u64).min(CHUNK_BYTES as u64) as usize;
            // Never longer than this, so no shorter buffer with plaintext is given back to the allocator.
            kept.plaintext.clear();
            kept.plaintext.reserve_exact(CHUNK_BYTES);
            kept.plaintext.resize(length, 0);
            self.open_chunk(chunk, &mut kept.sealed, &mut kept.plaintext)?;
            kept.chunk = Some(chunk);
        }
        Ok(&kept.plaintext)
    }

    fn open_chunk(&self, chunk: u64, sealed: &mut Vec<u8>, plaintext: &mut [u8]) -> Result<()> {
        sealed.resize(plaintext.len() + TAG_BYTES, 0);
        self.source.read_exact_at(sealed, HEADER_BYTES as u64 + chunk * SEALED_CHUNK_BYTES as u64)?;
        self.message.open(chunk, sealed, plaintext)
    }
}

/// One opened chunk of one message; wiped when it goes.
#[derive(Default)]
pub struct ChunkBuffer {
    /// The number of the chunk in `plaintext`.
    chunk: Option<u64>,
    /// Room for a sealed chunk.
    sealed: Vec<u8>,
    plaintext: Zeroizing<Vec<u8>>,
}

/// Reads until `buffer` is full or the source ends.
fn read_full(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Stream(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn requirement_21_without_randomness_nothing_is_sealed() {
        let mut sink = Vec::new();
        let fail = |_: &mut [u8]| Err(Error::NoRandomness { reason: "test".into() });
        let key = DataKey::random().unwrap();
        let writer = SealingWriter::with_randomness(&mut sink, &key, b"", fail);
        assert!(matches!(writer, Err(Error::NoRandomness { .. })));
        assert!(sink.is_empty());
    }

    #[test]
    fn the_counter_ends_where_the_specification_says() {
        let (message, _) = MessageKey::derive(&DataKey::random().unwrap(), &[0; SALT_BYTES], b"").unwrap();
        let mut sealed = [0; TAG_BYTES];
        message.seal(MOST_CHUNKS - 1, &[], &mut sealed).unwrap();
        message.open(MOST_CHUNKS - 1, &sealed, &mut []).unwrap();
        assert!(matches!(message.seal(MOST_CHUNKS, &[], &mut sealed), Err(Error::TooLong)));
        assert!(matches!(message.open(MOST_CHUNKS, &sealed, &mut []), Err(Error::TooLong)));
    }

    #[test]
    fn every_length_has_one_sealed_length() {
        for length in [0, 1, 16383, 16384, 16385, 32768, 100_000] {
            assert_eq!(plaintext_length(sealed_length(length)).unwrap(), length);
        }
        assert!(matches!(plaintext_length(55), Err(Error::Truncated)));
        assert!(matches!(plaintext_length(56 + 15), Err(Error::Truncated)));
        assert!(matches!(plaintext_length(56 + SEALED_CHUNK_BYTES as u64), Err(Error::Truncated)));
        assert!(matches!(plaintext_length(56 + SEALED_CHUNK_BYTES as u64 + 15), Err(Error::Truncated)));
        assert!(matches!(plaintext_length(u64::MAX), Err(Error::TooLong | Error::Truncated)));
    }
}
