//! The key of the commitments, in a file that only its owner can read.
//!
//! Invariant: a key is 64 hexadecimal digits; a file that others can read is refused.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::Error;
use crate::files::{Keep, WholeFile, hex};

/// 32 bytes from the operating system.
pub fn fresh_key() -> Result<[u8; 32], Error> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| Error::NoRandomness { reason: error.to_string() })?;
    Ok(key)
}

/// Keeps a key in a file that only its owner can read.
pub fn write_key(path: &Path, key: &[u8; 32]) -> Result<(), Error> {
    let mut file = WholeFile::create(path, Keep::PrivateReplacing)?;
    writeln!(file, "{}", hex(key)).map_err(crate::Error::write(path))?;
    Ok(file.commit()?)
}

/// The key in a file: 64 hexadecimal digits, readable by its owner only.
pub fn read_key(path: &Path) -> Result<[u8; 32], Error> {
    let text = fs::read(path).map_err(crate::Error::read(path))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = path.metadata().map_err(crate::Error::read(path))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::OpenKey { path: path.into(), mode });
        }
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    let digits: Option<Vec<u8>> = text.trim_ascii().iter().map(digit).collect();
    let bytes: Option<Vec<u8>> = digits
        .map(|digits| digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect());
    let whole = bytes.filter(|_| text.trim_ascii().len() == 64);
    whole.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| Error::NotAKey { path: path.into() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_key_comes_back_as_it_was_written_and_nothing_else_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = fresh_key().unwrap();
        write_key(&path, &key).unwrap();
        assert_eq!(read_key(&path).unwrap(), key);
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(66)] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(read_key(&path), Err(Error::NotAKey { .. })), "{bad}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            assert!(matches!(read_key(&path), Err(Error::OpenKey { mode: 0o640, .. })));
        }
    }
}
