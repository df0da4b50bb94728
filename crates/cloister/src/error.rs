//! What every stage can report about files, whatever engine it drives.
//!
//! Invariant: a message carries paths, sizes and line numbers, never what a file says.

use std::io;
use std::path::PathBuf;

/// An outcome of work on files, or a request to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user pressed Ctrl-C; what was half-written has been removed or left as a snapshot.
    #[error("interrupted")]
    Interrupted,

    /// A file named by the user cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A file cannot be written; nothing half-written is left behind.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file that was to appear.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A folder stands where a file was expected.
    #[error("`{}` is a folder, not a file", path.display())]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },

    /// The output exists, and nobody said that it may be replaced.
    #[error("`{}` exists", path.display())]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
}

impl Error {
    /// An [`Error::Read`] for use with `map_err`.
    pub fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::IsADirectory => Error::IsFolder { path },
            _ => Error::Read { path, source },
        }
    }

    /// An [`Error::Write`] for use with `map_err`.
    pub fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists { path },
            _ => Error::Write { path, source: bare(source) },
        }
    }
}

/// The bare reason, without the name of the temporary file that `tempfile` wraps around it.
fn bare(error: io::Error) -> io::Error {
    match (error.raw_os_error(), error.kind()) {
        (Some(_), _) => error,
        (None, io::ErrorKind::NotFound) => io::Error::new(io::ErrorKind::NotFound, "no such folder"),
        (None, kind) => kind.into(),
    }
}
