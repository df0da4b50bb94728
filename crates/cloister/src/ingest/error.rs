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
    /// The input is in a form that `scan` and `protect` read, and this stage does not.
    #[error("`{}` is {form}, and records are taken in from JSON lines", path.display())]
    NotLines {
        /// The file.
        path: PathBuf,
        /// What it is.
        form: &'static str,
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
    /// No line of the inputs is a record.
    #[error("no line of the input is a record")]
    NoRecord,
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
