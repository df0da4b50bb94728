//! Data sealed at rest: objects and shards of records that only the right key opens, in the right place.
//!
//! Invariant: no byte of plaintext is given out before the chunk that it is in was authenticated, and a sealed file opens
//! only as the object, tenant, dataset and version that it was sealed for. What holds plaintext or a key has no `Debug`.

pub mod cobblestone;
pub mod container;
pub mod key;
pub mod shard;

pub use container::{Context, Header, Kind, ObjectReader, ObjectWriter};
pub use key::{DataKey, Id, Kek};
pub use shard::{ShardReader, ShardWriter, SubjectKeys};

use std::fs::File;
use std::io;
use std::ops::Deref;

use zeroize::Zeroizing;

/// Bytes that somebody wrote, in the clear; wiped when they go.
pub struct Plaintext(pub(crate) Zeroizing<Vec<u8>>);

impl Deref for Plaintext {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Bytes that can be read from any place.
pub trait ReadAt {
    /// Fills `buffer` from the byte `offset` on.
    ///
    /// # Errors
    /// Those of reading; [`io::ErrorKind::UnexpectedEof`] if there are too few bytes.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// How many bytes there are.
    ///
    /// # Errors
    /// Those of the operating system.
    fn length(&self) -> io::Result<u64>;
}

impl ReadAt for [u8] {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let begin = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.get(begin..).and_then(|bytes| bytes.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

impl ReadAt for File {
    #[cfg(unix)]
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let (mut buffer, mut offset) = (buffer, offset);
        while !buffer.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(self, buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    buffer = &mut buffer[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_exact_at(buffer, offset)
    }

    fn length(&self) -> io::Result<u64> {
        (**self).length()
    }
}

/// A part of what can be read.
pub(crate) struct Section<R> {
    pub(crate) source: R,
    pub(crate) begin: u64,
    pub(crate) length: u64,
}

impl<R: ReadAt> ReadAt for Section<R> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let inside = offset.checked_add(buffer.len() as u64).is_some_and(|end| end <= self.length);
        match self.begin.checked_add(offset).filter(|_| inside) {
            Some(offset) => self.source.read_exact_at(buffer, offset),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.length)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for std::sync::Arc<T> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_exact_at(buffer, offset)
    }

    fn length(&self) -> io::Result<u64> {
        (**self).length()
    }
}
