//! Files that appear whole or not at all, and digests of files.
//!
//! Invariant: until [`WholeFile::commit`] returns, the target is untouched; whatever happens before, the temporary
//! file beside it is removed. After it returns, content and name are on the disk (fsync of file, then of folder).

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::{Error, interrupt};

/// A file under construction, beside the place where it will appear.
pub struct WholeFile {
    target: PathBuf,
    replace: bool,
    temporary: NamedTempFile,
}

/// Who may read a finished file, and whether it may take another file's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Only the owner reads it; an existing file is an error.
    Private,
    /// Only the owner reads it; an existing file is replaced.
    PrivateReplacing,
    /// Everyone whom the umask admits reads it; an existing file is replaced.
    Shared,
    /// Everyone whom the umask admits reads it; an existing file is an error.
    SharedNew,
}

impl WholeFile {
    /// Begins a file; fails at once if the target is a folder or, unless replacing, exists.
    pub fn create(target: &Path, keep: Keep) -> Result<Self, Error> {
        if target.is_dir() {
            return Err(Error::IsFolder { path: target.into() });
        }
        let replace = !matches!(keep, Keep::Private | Keep::SharedNew);
        if !replace && target.exists() {
            return Err(Error::Exists { path: target.into() });
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".cloister-").suffix(".tmp");
        #[cfg(unix)]
        if matches!(keep, Keep::Shared | Keep::SharedNew) {
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let temporary = builder.tempfile_in(folder_of(target)).map_err(Error::write(target))?;
        Ok(Self { target: target.into(), replace, temporary })
    }

    /// The place where the file will appear.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The unfinished file, for a second look before it appears.
    pub fn reopen(&self) -> Result<File, Error> {
        self.temporary.reopen().map_err(Error::write(&self.target))
    }

    /// Makes the file appear, durably.
    pub fn commit(mut self) -> Result<(), Error> {
        let target = self.target;
        let fail = || Error::write(&target);
        self.temporary.flush().map_err(fail())?;
        self.temporary.as_file().sync_all().map_err(fail())?;
        let persisted = match self.replace {
            true => self.temporary.persist(&target),
            false => self.temporary.persist_noclobber(&target),
        };
        persisted.map_err(|failure| fail()(failure.error))?;
        sync_folder(folder_of(&target)).map_err(fail())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temporary.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temporary.flush()
    }
}

/// Makes renames inside a folder durable.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Creates a folder and its parents.
pub fn create_folder(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::write(folder))
}

/// Creates a folder, with its parents, that only its owner can enter. One that is there already becomes such a folder; a
/// link to one is an error, for what it leads to is somebody else's.
pub fn create_private_folder(folder: &Path) -> Result<(), Error> {
    create_folder(folder_of(folder))?;
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => return created.map_err(Error::write(folder)),
    }
    if !fs::symlink_metadata(folder).map_err(Error::write(folder))?.is_dir() {
        return Err(Error::write(folder)(io::ErrorKind::NotADirectory.into()));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(Error::write(folder))?;
    }
    Ok(())
}

/// The SHA-256 of a file in lower-case hex; `seen` hears of every block of bytes. Stops on Ctrl-C.
pub fn digest_file(path: &Path, mut seen: impl FnMut(u64)) -> Result<String, Error> {
    let mut file = File::open(path).map_err(Error::read(path))?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 18];
    loop {
        interrupt::check()?;
        let count = file.read(&mut block).map_err(Error::read(path))?;
        if count == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&block[..count]);
        seen(count as u64);
    }
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// A size as people read it, in powers of ten: `92.9 MB`.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_file_that_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = WholeFile::create(&folder.path().join("out"), Keep::Private).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_existing_file_is_replaced_only_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        fs::write(&target, "old").unwrap();
        assert!(matches!(WholeFile::create(&target, Keep::Private), Err(Error::Exists { .. })));
        let mut file = WholeFile::create(&target, Keep::PrivateReplacing).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        let file = WholeFile::create(&target, Keep::Private).unwrap();
        fs::write(&target, "theirs").unwrap();
        assert!(matches!(file.commit(), Err(Error::Exists { .. })));
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_does_not_become_a_private_folder() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (theirs, link, own) =
            (folder.path().join("theirs"), folder.path().join("link"), folder.path().join("a/own"));
        fs::create_dir(&theirs).unwrap();
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&theirs, &link).unwrap();
        assert!(create_private_folder(&link).is_err());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&theirs), 0o755);
        create_private_folder(&own).unwrap();
        create_private_folder(&own).unwrap();
        assert_eq!(mode(&own), 0o700);
    }

    #[test]
    fn digests_match_the_standard() {
        // FIPS 180-2, appendix B.1
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        let digest = digest_file(&path, |_| {}).unwrap();
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(human_bytes(999), "999 B");
        assert_eq!(human_bytes(92_871_040), "92.9 MB");
        assert_eq!(human_bytes(999_999), "1.0 MB");
    }
}
