//! Files that appear whole or not at all.
//!
//! Invariant: a file has its name only after all of its bytes are on the disk, and a name is on the disk before anything
//! that relies on it is written: temporary file, fsync, rename, fsync of the folder (Pillai et al., OSDI 2014).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::{Error, Result};

/// What becomes of a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and ours does not appear.
    Keep,
    /// Ours takes its place.
    Replace,
}

/// Who may read a finished file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner.
    Owner,
    /// Everyone whom the umask admits.
    Umask,
}

/// A file under construction; dropped before [`WholeFile::commit`] it leaves nothing.
pub(crate) struct WholeFile {
    target: PathBuf,
    temporary: NamedTempFile,
}

impl WholeFile {
    /// Begins a file in `scratch`, a folder of the same file system.
    pub(crate) fn create(target: &Path, scratch: &Path, readers: Readers) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".cloister-").suffix(".tmp");
        #[cfg(unix)]
        if readers == Readers::Umask {
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = builder.tempfile_in(scratch).map_err(Error::write(target))?;
        Ok(Self { target: target.into(), temporary })
    }

    /// Makes it appear, durably.
    pub(crate) fn commit(mut self, existing: Existing) -> Result<()> {
        let Self { ref target, .. } = self;
        self.temporary.flush().map_err(Error::write(target))?;
        self.temporary.as_file().sync_all().map_err(Error::write(target))?;
        let persisted = match existing {
            Existing::Keep => self.temporary.persist_noclobber(target),
            Existing::Replace => self.temporary.persist(target),
        };
        persisted.map_err(|failure| Error::write(target)(failure.error))?;
        sync_folder(folder_of(target))
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

/// Writes `bytes` as a whole file that everyone may read whom the umask admits.
pub(crate) fn write_whole(target: &Path, scratch: &Path, bytes: &[u8], existing: Existing) -> Result<()> {
    let mut file = WholeFile::create(target, scratch, Readers::Umask)?;
    file.write_all(bytes).map_err(Error::write(target))?;
    file.commit(existing)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::write(folder))?;
    }
    Ok(())
}

/// Creates a folder and its parents, and makes the names of the new ones durable.
pub(crate) fn create_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder_of(folder);
    create_folder(parent)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(Error::write(folder)(error)),
        Ok(()) => sync_folder(parent),
    }
}

/// The folder in which a file stands.
pub(crate) fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// The content of a file, or none where there is none. At most `limit` bytes are read.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    use std::io::Read as _;
    // Opening a pipe would wait for who writes to it.
    let opened =
        fs::metadata(path).and_then(|found| if found.is_file() { File::open(path).map(Some) } else { Ok(None) });
    let file = match opened {
        Ok(Some(file)) => file,
        Ok(None) => return Err(Error::Damaged { path: path.into(), reason: "is not a file" }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::read(path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Error::read(path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::Damaged { path: path.into(), reason: "is longer than it can be" });
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a/b/file");
        create_folder(folder_of(&target)).unwrap();
        let mut file = WholeFile::create(&target, folder.path(), Readers::Owner).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!target.exists());
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        write_whole(&target, folder.path(), b"first", Existing::Keep).unwrap();
        assert!(matches!(write_whole(&target, folder.path(), b"second", Existing::Keep), Err(Error::Exists { .. })));
        assert_eq!(fs::read(&target).unwrap(), b"first");
        write_whole(&target, folder.path(), b"second", Existing::Replace).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"second");
    }

    #[test]
    fn reading_is_bounded_and_absence_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(read_limited(&path, 4).unwrap().is_none());
        fs::write(&path, b"12345").unwrap();
        assert!(matches!(read_limited(&path, 4), Err(Error::Damaged { .. })));
        assert_eq!(read_limited(&path, 5).unwrap().unwrap(), b"12345");
    }
}
