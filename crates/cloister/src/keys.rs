//! Secret keys in files: of surrogates, of sealed values, of commitments.
//!
//! Invariant: a key is 32 bytes from the operating system, kept as 64 hexadecimal digits in a file that only its owner can
//! read; a file that others can read is refused.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::files::{Keep, WholeFile, hex};

/// A key; wiped when it goes.
pub type Key = Zeroizing<[u8; 32]>;

/// The longest file that is read as a key: digits and white space.
const MOST_BYTES: u64 = 1024;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system said no.
    #[error(transparent)]
    File(#[from] crate::Error),
    /// The file is not a key.
    #[error("`{}` is not a key", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner can read the key.
    #[error("`{}` can be read by others (mode {mode:03o})", path.display())]
    OpenKey {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness for a key: {reason}")]
    NoRandomness {
        /// Why.
        reason: String,
    },
}

/// 32 bytes from the operating system.
///
/// # Errors
/// [`Error::NoRandomness`].
pub fn fresh() -> Result<Key, Error> {
    let mut key = Key::default();
    getrandom::fill(key.as_mut()).map_err(|error| Error::NoRandomness { reason: error.to_string() })?;
    Ok(key)
}

/// Keeps a key in a new file that only its owner can read.
///
/// # Errors
/// [`Error::File`], also where there is such a file.
pub fn write(path: &Path, key: &Key) -> Result<(), Error> {
    written(WholeFile::create(path, Keep::Private)?, path, key)
}

/// The same, in the place of a file that may be there.
///
/// # Errors
/// [`Error::File`].
pub fn replace(path: &Path, key: &Key) -> Result<(), Error> {
    written(WholeFile::create(path, Keep::PrivateReplacing)?, path, key)
}

fn written(mut file: WholeFile, path: &Path, key: &Key) -> Result<(), Error> {
    let text = Zeroizing::new(hex(key.as_ref()) + "\n");
    file.write_all(text.as_bytes()).map_err(crate::Error::write(path))?;
    Ok(file.commit()?)
}

/// The key in a file.
///
/// # Errors
/// [`Error::File`], [`Error::NotAKey`], [`Error::OpenKey`].
pub fn read(path: &Path) -> Result<Key, Error> {
    let file = File::open(path).map_err(crate::Error::read(path))?;
    let metadata = file.metadata().map_err(crate::Error::read(path))?;
    if metadata.is_dir() {
        return Err(crate::Error::IsFolder { path: path.into() }.into());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::OpenKey { path: path.into(), mode });
        }
    }
    // With room for all of it, so that no shorter buffer with half a key is given back to the allocator.
    let mut text = Zeroizing::new(Vec::with_capacity(MOST_BYTES as usize + 1));
    file.take(MOST_BYTES).read_to_end(&mut text).map_err(crate::Error::read(path))?;
    of_text(&text).ok_or_else(|| Error::NotAKey { path: path.into() })
}

/// The key that the content of its file is.
#[must_use]
pub fn of_text(text: &[u8]) -> Option<Key> {
    let text = text.trim_ascii();
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut key = Key::default();
    if text.len() != 2 * key.len() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;

    #[test]
    fn a_key_comes_back_as_it_was_written_and_nothing_else_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = fresh().unwrap();
        write(&path, &key).unwrap();
        assert_eq!(read(&path).unwrap(), key);
        assert!(write(&path, &key).is_err(), "a key is not replaced by chance");
        let other = fresh().unwrap();
        replace(&path, &other).unwrap();
        assert_eq!(read(&path).unwrap(), other);
        assert_ne!(key, other);
        fs::write(&path, format!("{}\n", "0aF9".repeat(16))).unwrap();
        assert_eq!(read(&path).unwrap()[..2], [0x0a, 0xf9]);
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(66), &" ".repeat(1 << 20)] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(read(&path), Err(Error::NotAKey { .. })), "{bad}");
        }
        let folder = read(folder.path());
        assert!(matches!(folder, Err(Error::File(crate::Error::IsFolder { .. }))), "its mode is not what is wrong");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            assert!(matches!(read(&path), Err(Error::OpenKey { mode: 0o640, .. })));
        }
    }
}
