//! Read-only memory maps of model files: the one place outside the kernels where unsafe code is allowed.
//!
//! Invariant: a mapping is read-only, and lives as long as every slice borrowed from it.
//! What a mapping cannot promise: another process that cuts the file short while it is mapped makes a later
//! read fail with `SIGBUS`, which ends this process. Model files are therefore read once, at opening,
//! and copied into memory of our own.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use crate::error::{Error, Result};

/// The bytes of a file.
pub(crate) struct Mapping(memmap2::Mmap);

impl Mapping {
    /// Maps a regular file.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be opened, is not a regular file, or cannot be mapped.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |source| Error::Io { action: "read", path: path.to_path_buf(), source };
        // Asked before it is opened: to open a pipe is to wait for its writer.
        let is_file = |file: std::fs::Metadata| file.is_file();
        if !std::fs::metadata(path).map(is_file).map_err(failed)? {
            return Err(failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file")));
        }
        let file = File::open(path).map_err(failed)?;
        map(&file).map(Self).map_err(failed)
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[allow(unsafe_code, reason = "mapping a file is unsafe because others may change it while it is mapped")]
fn map(file: &File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: the map is read-only. Its bytes are parsed as untrusted input: every length is checked
    // against the map, and nothing relies on a byte being the same when it is read again, except that text is
    // checked to be UTF-8 at parse time and used within the same call to `Base::open`. A writer that races us
    // between the two is outside the threat model: it could as well have written the model it likes.
    unsafe { memmap2::Mmap::map(file) }
}
