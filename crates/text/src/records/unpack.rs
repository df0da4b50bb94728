//! What stands between a file and its records: counting, listeners, decompression, UTF-16, the first bytes.
//!
//! Invariant: nothing is held but a buffer and the window of the decoder, however much comes out of little.
//! Source: RFC 1952 (members of gzip follow each other), RFC 8878 (so do frames of zstd), RFC 2781 (UTF-16).

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::format::{HEAD_BYTES, Wrapping};

const BUFFER_BYTES: usize = 128 * 1024;

/// Hears of every byte of the stored input, once and in order.
pub(super) type Listener<'a> = Arc<Mutex<dyn FnMut(&[u8]) + Send + 'a>>;

/// A reader whose bytes are counted, and heard of.
pub(super) struct Watched<'a, R> {
    pub(super) inner: R,
    pub(super) count: Arc<AtomicU64>,
    pub(super) listener: Option<Listener<'a>>,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        if let Some(listener) = &self.listener {
            let mut hear = listener.lock().unwrap_or_else(PoisonError::into_inner);
            hear(&buffer[..count]);
        }
        Ok(count)
    }
}

pub(super) type Reader<'a> = Box<dyn BufRead + Send + 'a>;

/// The first bytes, and a reader that begins with them.
pub(super) fn peek<'a>(mut reader: impl Read + Send + 'a) -> (Vec<u8>, Reader<'a>) {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    let mut failure = None;
    while head.len() < HEAD_BYTES {
        let from = head.len();
        head.resize(HEAD_BYTES, 0);
        match reader.read(&mut head[from..]) {
            Ok(count) => {
                head.truncate(from + count);
                if count == 0 {
                    break;
                }
            }
            Err(error) => {
                head.truncate(from);
                if error.kind() != io::ErrorKind::Interrupted {
                    failure = Some(error);
                    break;
                }
            }
        }
    }
    let first = Cursor::new(head.clone());
    let whole: Reader<'a> = match failure {
        // What was read before the failure is read first.
        Some(error) => Box::new(BufReader::new(first.chain(Failing(Some(error))))),
        None => Box::new(BufReader::with_capacity(BUFFER_BYTES, first.chain(reader))),
    };
    (head, whole)
}

/// Fails once.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// What is inside the wrapping.
pub(super) fn unpack<'a>(wrapping: Wrapping, reader: Reader<'a>) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match wrapping {
        Wrapping::None => Box::new(reader),
        Wrapping::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Wrapping::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(reader)?),
    })
}

/// What no UTF-8 holds: it stands where UTF-16 holds half of a pair, so that whoever reads the text comes upon it.
const NO_CHARACTER: u8 = 0xFF;

/// UTF-16 as UTF-8, its mark included.
pub(super) struct Utf16<'a> {
    inner: Reader<'a>,
    big_endian: bool,
    /// The first byte of a unit whose second is still to come.
    byte: Option<u8>,
    /// The first half of a pair.
    high: Option<u16>,
    text: Vec<u8>,
    given: usize,
}

impl<'a> Utf16<'a> {
    /// What `reader` gives as UTF-8, if its first bytes are a mark of UTF-16.
    pub(super) fn of(head: &[u8], reader: Reader<'a>) -> Result<Self, Reader<'a>> {
        let big_endian = match head {
            [0xFE, 0xFF, ..] => true,
            [0xFF, 0xFE, ..] => false,
            _ => return Err(reader),
        };
        Ok(Self { inner: reader, big_endian, byte: None, high: None, text: Vec::new(), given: 0 })
    }

    /// Decodes what is in the buffer; false at the end.
    fn decode(&mut self) -> io::Result<bool> {
        self.text.clear();
        self.given = 0;
        let bytes = self.inner.fill_buf()?;
        let count = bytes.len();
        if count == 0 {
            // A first half is given before the end is looked at again.
            return match (self.high.take(), self.byte.take()) {
                (Some(_), byte) => {
                    self.byte = byte;
                    self.text.push(NO_CHARACTER);
                    Ok(true)
                }
                (None, Some(_)) => Err(io::ErrorKind::UnexpectedEof.into()),
                (None, None) => Ok(false),
            };
        }
        for &byte in bytes {
            let Some(first) = self.byte.take() else {
                self.byte = Some(byte);
                continue;
            };
            let unit = if self.big_endian { [first, byte] } else { [byte, first] };
            push(u16::from_be_bytes(unit), &mut self.high, &mut self.text);
        }
        self.inner.consume(count);
        Ok(true)
    }
}

/// Takes the next unit; `high` is the first half of a pair before it.
fn push(unit: u16, high: &mut Option<u16>, text: &mut Vec<u8>) {
    let before = high.take();
    let mut put = |units: &[u16]| match char::decode_utf16(units.iter().copied()).next() {
        Some(Ok(character)) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        _ => text.push(NO_CHARACTER),
    };
    match (before, unit) {
        (Some(first), 0xDC00..=0xDFFF) => put(&[first, unit]),
        (before, _) => {
            if let Some(first) = before {
                put(&[first]);
            }
            match unit {
                0xD800..=0xDBFF => *high = Some(unit),
                _ => put(&[unit]),
            }
        }
    }
}

impl Read for Utf16<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if !self.decode()? {
                return Ok(0);
            }
        }
        let rest = &self.text[self.given..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn decoded(bytes: &[u8], capacity: usize) -> (Vec<u8>, Option<io::ErrorKind>) {
        let reader = Box::new(BufReader::with_capacity(capacity, Cursor::new(bytes.to_vec())));
        let mut text = Vec::new();
        let failed = Utf16::of(bytes, reader).ok().unwrap().read_to_end(&mut text).err();
        (text, failed.map(|error| error.kind()))
    }

    #[test]
    fn units_of_both_orders_become_characters_wherever_buffers_end() {
        let said = "\u{FEFF}aé€😀\n";
        let little: Vec<u8> = said.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = said.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for capacity in [1, 2, 3, 100] {
            assert_eq!(decoded(&little, capacity), (said.as_bytes().to_vec(), None));
            assert_eq!(decoded(&big, capacity), (said.as_bytes().to_vec(), None));
        }
    }

    #[test]
    fn halves_are_no_characters_and_a_byte_too_few_is_told() {
        let units = |units: &[u16]| units.iter().flat_map(|unit| unit.to_be_bytes()).collect::<Vec<u8>>();
        let mark = "\u{FEFF}".as_bytes();
        for (given, text) in [
            (&[0xFEFF, 0xD800, 0x61][..], &b"\xFFa"[..]),
            (&[0xFEFF, 0xDC00, 0x61], b"\xFFa"),
            (&[0xFEFF, 0xD800, 0xD83D, 0xDE00], b"\xFF\xF0\x9F\x98\x80"),
            (&[0xFEFF, 0x61, 0xD83D], b"a\xFF"),
        ] {
            assert_eq!(decoded(&units(given), 100), ([mark, text].concat(), None), "{given:x?}");
        }
        let cut = [&units(&[0xFEFF, 0xD83D])[..], &[0xDE]].concat();
        assert_eq!(decoded(&cut, 100), ([mark, b"\xFF"].concat(), Some(io::ErrorKind::UnexpectedEof)));
    }
}
