//! Why records cannot be taken in.
//!
//! Invariant: a message names files and lines, never what they say.

use std::path::PathBuf;

use super::Field;

/// What stops the stage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system said no, or the user stopped.
    #[error(transparent)]
    File(#[from] crate::Error),
    /// The engine refused its options.
    #[error(transparent)]
    Text(#[from] cloister_text::Error),
    /// A file cannot be read, or holds no record; then this is what was wrong first.
    #[error("`{}`", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// Why.
        source: cloister_text::Error,
    },
    /// A file was another one at the second reading.
    #[error("`{}` changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The records of a dataset, or the key, are not those that its digest was made of.
    #[error("`{}` has another digest than its evidence under this key", path.display())]
    OtherRoot {
        /// The records.
        path: PathBuf,
    },
    /// Whoever takes the records did not take one.
    #[error("the records cannot be kept")]
    NotKept {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is nothing that could be a record.
    #[error("the input holds no record")]
    NoRecord,
    /// There is nothing that could be an evaluation record.
    #[error("the evaluation file holds no record")]
    NoEvaluation,
    /// A period of retention that cannot be read.
    #[error("`{text}` is neither a date nor a period")]
    Retention {
        /// What was declared.
        text: String,
    },
    /// A date that cannot be read.
    #[error("{field}: `{text}` is not a date")]
    Day {
        /// Where it was declared.
        field: Field,
        /// What was declared.
        text: String,
    },
    /// An owner was named for a field that does not exist, or a field was required that does not.
    #[error("`{name}` is no field of a dataset")]
    UnknownField {
        /// The name.
        name: String,
    },
}
