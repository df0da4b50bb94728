//! The error of this engine.
//!
//! Invariant: a message carries paths, sizes, indices and names of keys; never a key, plaintext, or the text of an entry.

use std::path::{Path, PathBuf};

/// Result of this engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What stops the log or the sealed store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The operating system refused to write.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A stream that the caller gave failed.
    #[error("a stream failed")]
    Stream(#[from] std::io::Error),
    /// The place is taken.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// Another process writes there.
    #[error("`{}` is being written by another process", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {reason}")]
    NoRandomness {
        /// Why.
        reason: String,
    },

    /// Bytes are not of the format that they should be.
    #[error("not a {format}: {reason}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// A file of a log is not what the tree says.
    #[error("`{}` {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, as the rest of a sentence that begins with the file.
        reason: &'static str,
    },
    /// Bytes that are not of the format of a line of a policy.
    #[error("line {line} of the policy: {reason}")]
    Policy {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },

    /// No signature of a known key stands on a note.
    #[error("no signature of a known key")]
    Unsigned,
    /// The signature of a known key is wrong.
    #[error("the signature of `{name}` is wrong")]
    BadSignature {
        /// The key's name.
        name: String,
    },
    /// Two known keys share name and id, so that a signature could be of either.
    #[error("two keys have the name `{name}` and the same id")]
    AmbiguousKey {
        /// Their name.
        name: String,
    },
    /// A checkpoint is of another log than the key.
    #[error("the checkpoint is of another log than `{expected}`")]
    OtherLog {
        /// The log that was expected.
        expected: String,
    },
    /// Not enough witnesses have signed.
    #[error("the quorum of witnesses is not reached")]
    NoQuorum,
    /// A proof does not lead to the root.
    #[error("the {kind} proof is wrong: {reason}")]
    Proof {
        /// Of inclusion or of consistency.
        kind: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// An index or a size lies outside a tree.
    #[error("{index} lies outside a tree of {size} entries")]
    OutOfTree {
        /// What was asked for.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// A tree is smaller than one that was signed, or holds other entries.
    #[error("the tree of {size} entries does not continue the one of {signed} that was signed: {reason}")]
    NotAppendOnly {
        /// Entries that were signed before.
        signed: u64,
        /// Entries of the tree in question.
        size: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// An entry is longer than the log takes.
    #[error("an entry of {bytes} bytes is longer than {limit} bytes")]
    EntryTooLong {
        /// Its length.
        bytes: usize,
        /// The longest that is taken.
        limit: usize,
    },

    /// Key, context or header are not those under which something was sealed.
    #[error("the key, the place or the header is not that of the sealed data")]
    WrongKeyOrContext,
    /// The key that wraps another is not the one that was used.
    #[error("the data key is wrapped under key {expected}, not {given}")]
    OtherKek {
        /// The key's id in the header, in hex.
        expected: String,
        /// The id of the key that was given, in hex.
        given: String,
    },
    /// A wrapped key is damaged, or wrapped under another key.
    #[error("the wrapped key does not open")]
    KeyDoesNotOpen,
    /// A chunk is not what was sealed.
    #[error("chunk {chunk} of the sealed data is damaged")]
    DamagedChunk {
        /// Its number, from 0.
        chunk: u64,
    },
    /// Sealed data ends too early.
    #[error("the sealed data is cut short")]
    Truncated,
    /// A message has more chunks than the format allows.
    #[error("the sealed data would be longer than 4 PiB")]
    TooLong,
    /// The key of a record's subject is not there, or no longer.
    #[error("the key {key} of the record's subject is not there")]
    NoSubjectKey {
        /// The key's id, in hex.
        key: String,
    },
    /// Two records of a shard have one id.
    #[error("two records of the shard have the same id")]
    DuplicateRecord,
}

impl Error {
    /// Wraps the cause of a failed reading.
    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<'_> {
        move |source| Self::Read { path: path.into(), source }
    }

    /// Wraps the cause of a failed writing.
    pub(crate) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<'_> {
        move |source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => Self::Exists { path: path.into() },
            _ => Self::Write { path: path.into(), source },
        }
    }
}
