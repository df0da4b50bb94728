//! 32 random bytes in a file that only its owner can read.
//!
//! ```text
//! payload: wrapped ring key (40)
//! ```
//!
//! Invariant: a file that its group or others can read is refused, also where it holds the right key.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::{Provider, ProviderKind, unwrap_under, wrap_under};
use crate::files::{Existing, Readers, WholeFile, folder_of};
use crate::keys::KeyBytes;
use crate::sealed::DataKey;
use crate::{Error, Result, random};

/// The key of a file. Wiped when it goes.
pub struct KeyFile(KeyBytes);

impl KeyFile {
    /// Makes a new key and a file of it, where none is.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Write`], [`Error::NoRandomness`].
    pub fn create(path: &Path) -> Result<Self> {
        let mut key = KeyBytes::default();
        random::fill(key.as_mut())?;
        let mut file = WholeFile::create(path, folder_of(path), Readers::Owner)?;
        file.write_all(key.as_ref()).map_err(Error::write(path))?;
        file.commit(Existing::Keep)?;
        Ok(Self(key))
    }

    /// The key in a file.
    ///
    /// # Errors
    /// [`Error::OpenToOthers`], [`Error::Damaged`] if it has not 32 bytes, [`Error::Read`].
    pub fn open(path: &Path) -> Result<Self> {
        let damaged = |reason| Error::Damaged { path: path.into(), reason };
        // Opening a pipe would wait for who writes to it.
        if !path.metadata().map_err(Error::read(path))?.is_file() {
            return Err(damaged("is not a file"));
        }
        let file = File::open(path).map_err(Error::read(path))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = file.metadata().map_err(Error::read(path))?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(Error::OpenToOthers { path: path.into(), mode });
            }
        }
        let mut key = KeyBytes::default();
        let mut bytes = Zeroizing::new(Vec::with_capacity(key.len() + 1));
        file.take(key.len() as u64 + 1).read_to_end(&mut bytes).map_err(Error::read(path))?;
        if bytes.len() != key.len() {
            return Err(damaged("has not the 32 bytes of a key"));
        }
        key.copy_from_slice(&bytes);
        Ok(Self(key))
    }
}

impl Provider for KeyFile {
    fn kind(&self) -> ProviderKind {
        ProviderKind::KeyFile
    }

    fn wrap(&self, key: &DataKey, context: &[u8]) -> Result<Vec<u8>> {
        Ok(wrap_under(&self.0, key, context)?.into())
    }

    fn unwrap(&self, payload: &[u8], context: &[u8]) -> Result<DataKey> {
        unwrap_under(&self.0, payload, context)
    }
}
