//! Replaces personal data in records, file to file.
//!
//! Invariants: the key is 32 bytes from the user's file or fresh from the operating system, and is wiped after use; the
//! output appears whole or not at all; the records in it are those that were read, in their order. What is restored is
//! the file that was protected, to the byte, or nothing.

mod restore;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use cloister_text::{Dataset, Replacer, SurrogateKey};

pub use restore::{restore, write_sealed};

use crate::files::{Keep, WholeFile, hex};

/// Why the key cannot be used.
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
    /// Sealed values and no key.
    #[error("the values are sealed, and no key is given")]
    NoKey,
    /// A line does not open, or has no seal.
    #[error(transparent)]
    Text(#[from] cloister_text::Error),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness for a key: {reason}")]
    NoRandomness {
        /// Why.
        reason: String,
    },
}

/// A key that nobody keeps: the same data protected again looks different.
pub fn fresh_key() -> Result<SurrogateKey, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::NoRandomness { reason: error.to_string() })?;
    let key = SurrogateKey::from_bytes(bytes);
    bytes.fill(0);
    Ok(key)
}

/// A key of 32 fresh bytes, kept in a new file.
pub fn fresh_key_file(path: &Path) -> Result<(), Error> {
    write_key(path, &random_key()?)
}

/// 32 bytes from the operating system.
pub fn random_key() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::NoRandomness { reason: error.to_string() })?;
    Ok(bytes)
}

/// Keeps a key in a new file that only its owner can read, as 64 hexadecimal digits.
pub fn write_key(path: &Path, key: &[u8; 32]) -> Result<(), Error> {
    let mut file = WholeFile::create(path, Keep::Private)?;
    writeln!(file, "{}", hex(key)).map_err(crate::Error::write(path))?;
    Ok(file.commit()?)
}

/// The key in a file: 64 hexadecimal digits, readable by its owner only.
pub fn read_key(path: &Path) -> Result<SurrogateKey, Error> {
    let mut text = fs::read(path).map_err(crate::Error::read(path))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = path.metadata().map_err(crate::Error::read(path))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::OpenKey { path: path.into(), mode });
        }
    }
    let key = key_of_text(&text);
    text.fill(0);
    key.ok_or_else(|| Error::NotAKey { path: path.into() })
}

/// Writes the records, one line each.
pub fn write_records(dataset: &Dataset, out: &mut WholeFile) -> Result<(), crate::Error> {
    let path = out.target().to_owned();
    for record in &dataset.records {
        crate::interrupt::check()?;
        let mut line = record.to_json_line();
        line.push('\n');
        out.write_all(line.as_bytes()).map_err(crate::Error::write(&path))?;
    }
    Ok(())
}

/// Writes what took the place of what, one line each.
pub fn write_map(replacer: &Replacer, out: &mut WholeFile) -> Result<(), crate::Error> {
    let path = out.target().to_owned();
    for mapping in replacer.mappings() {
        // A map of strings always serialises.
        let line = serde_json::to_string(&mapping).unwrap_or_default();
        writeln!(out, "{line}").map_err(crate::Error::write(&path))?;
    }
    Ok(())
}

/// The key that the content of its file is.
#[must_use]
pub fn key_of_text(text: &[u8]) -> Option<SurrogateKey> {
    let text = text.trim_ascii();
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(SurrogateKey::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_key_is_64_digits_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let write = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            #[cfg(unix)]
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        };
        write(&format!("{}\n", "0aF9".repeat(16)), 0o600);
        assert!(read_key(&path).is_ok());
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(66)] {
            write(bad, 0o600);
            let error = read_key(&path).err().unwrap();
            assert!(matches!(error, Error::NotAKey { .. }), "{error}");
        }
        write(&"0".repeat(64), 0o644);
        assert!(cfg!(not(unix)) || read_key(&path).is_err());
    }
}
