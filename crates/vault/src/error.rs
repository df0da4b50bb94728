//! The error of this engine.
//!
//! Invariant: a message carries paths, sizes, indices and names of keys; never a key, plaintext, or the text of an entry.

use std::path::{Path, PathBuf};
use std::sync::Arc;

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

    /// The database refused. Its own words may quote rows, so only its code is told.
    #[error("the database failed to {action}: {code}")]
    Database {
        /// What was asked of it.
        action: &'static str,
        /// SQLite's name of the error, or PostgreSQL's SQLSTATE.
        code: String,
    },
    /// A newer version of the product has written the database.
    #[error("the database has schema {found}, and {known} is the newest that is known here")]
    NewerSchema {
        /// The version of its schema.
        found: u64,
        /// The newest that this version knows.
        known: u64,
    },
    /// A group of changes failed on its way to the disk.
    #[error("the changes were not committed")]
    NotCommitted {
        /// The cause, which all of the group share.
        source: Arc<Error>,
    },
    /// Whether a commit before is on the disk is not known.
    #[error("the store stands still since a commit failed; open it again")]
    Halted,
    /// What was committed before cannot be written to the folder of the log.
    #[error("the log cannot be published, and nothing is changed until it can")]
    Unpublished {
        /// The cause.
        source: Arc<Error>,
    },
    /// The key that signs the log is not there.
    #[error("the key that signs the log is not there")]
    NoSigner,
    /// An entry in the database is not what was signed.
    #[error("entry {index} in the database {reason}")]
    LogRow {
        /// Its place.
        index: u64,
        /// What is wrong, as the rest of the sentence.
        reason: &'static str,
    },
    /// A row in the database is not what the log says.
    #[error("row `{key}` of table `{table}` {reason}")]
    Row {
        /// The table.
        table: &'static str,
        /// The row's id.
        key: String,
        /// What is wrong, as the rest of the sentence.
        reason: &'static str,
    },
    /// There is no such row.
    #[error("there is no `{key}` in table `{table}`")]
    NoRow {
        /// The table.
        table: &'static str,
        /// The id that was asked for.
        key: String,
    },

    /// A plan or a limit of the ledger that cannot be.
    #[error("the plan is refused: {reason}")]
    Plan {
        /// What is wrong.
        reason: &'static str,
    },
    /// Neither the dataset nor one it is made of or was made into has a limit.
    #[error("neither dataset `{dataset}` nor one related to it has a privacy budget")]
    NoLimit {
        /// The dataset.
        dataset: String,
    },
    /// The plan would spend more than there is.
    #[error(
        "{steps} steps would bring dataset `{dataset}` from epsilon {spent} to {would}, above {limit}; {largest} steps fit"
    )]
    OverBudget {
        /// The dataset whose limit would be passed: the plan's, or one related to it.
        dataset: String,
        /// Steps of the plan.
        steps: u64,
        /// What is spent, in decimal digits.
        spent: String,
        /// What would be spent, in decimal digits.
        would: String,
        /// The limit, in decimal digits.
        limit: String,
        /// The most steps of the same mechanism that fit under every limit.
        largest: u64,
    },
    /// A reservation does not allow what was asked.
    #[error("reservation `{reservation}` {reason}")]
    Reservation {
        /// Its id.
        reservation: String,
        /// What is wrong, as the rest of the sentence.
        reason: &'static str,
    },
    /// The accountant failed, or gave what is no epsilon.
    #[error("the accountant failed: {reason}")]
    Accountant {
        /// Why.
        reason: String,
    },
    /// A key ring does not open: the secret is wrong, or somebody changed the file. Which of them is not said.
    #[error("the key ring does not open with what was given")]
    DoesNotUnseal,
    /// Too many tries have failed.
    #[error("too many tries failed; the next one is taken in {seconds} s")]
    TooManyTries {
        /// Seconds to wait.
        seconds: u64,
    },
    /// A ring has no slot for a provider.
    #[error("the key ring has no slot of this {provider}")]
    NoSlot {
        /// The provider's name.
        provider: &'static str,
    },
    /// A ring would have no slot left.
    #[error("it is the last slot of the key ring")]
    LastSlot,
    /// A provider cannot do its part.
    #[error("the {provider} failed: {reason}")]
    Provider {
        /// The provider's name.
        provider: &'static str,
        /// Why.
        reason: String,
    },
    /// Others than its owner can read a file of a key.
    #[error("`{}` can be read by others (mode {mode:03o})", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The process cannot protect its memory.
    #[error("the process cannot {what}")]
    NotHardened {
        /// What the system refused.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// A ring has no such key.
    #[error("the key ring has no key of {of}")]
    NoKey {
        /// What the key would be of.
        of: String,
    },
    /// A ring has keys of that name.
    #[error("the key ring has keys of {of} already")]
    HasKeys {
        /// What they are of.
        of: String,
    },
    /// A dataset's keys would open for no purpose.
    #[error("it is the last purpose: {of}")]
    LastPurpose {
        /// The dataset and the purpose.
        of: String,
    },
    /// A key was replaced by a newer version: it opens what is there and seals nothing new.
    #[error("key {key} was replaced by a newer version: it opens, and seals nothing new")]
    RetiredKey {
        /// The key's id, in hex.
        key: String,
    },
    /// A key is the version that wraps.
    #[error("key {key} is the version that wraps; only older ones are destroyed")]
    CurrentKey {
        /// The key's id, in hex.
        key: String,
    },
    /// Others are wrapped under a key.
    #[error("{wraps} keys are wrapped under key {key}")]
    KeyInUse {
        /// The key's id, in hex.
        key: String,
        /// How many.
        wraps: usize,
    },
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
