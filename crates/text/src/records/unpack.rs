//! What stands between a file and its records: counting, listeners, decompression, the first bytes.
//!
//! Invariant: nothing is held but a buffer and the window of the decoder, however much comes out of little.
//! Source: RFC 1952 (members of gzip follow each other), RFC 8878 (so do frames of zstd).

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
