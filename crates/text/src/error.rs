//! The error of this engine.
//!
//! Invariant: a message carries line numbers, byte offsets, field names and counts, never the content of a record.

use crate::records::Shape;

/// Result of this engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What stops a reader, a detector or a replacement.
///
/// Lines count from 1; `byte` counts from 0 inside the line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file does not exist.
    #[error("no such file: {path}")]
    MissingFile {
        /// The path as it was given.
        path: String,
    },
    /// The path names a folder.
    #[error("{path} is a folder, not a file")]
    IsFolder {
        /// The path as it was given.
        path: String,
    },
    /// The operating system refused to read.
    #[error("cannot read line {line}")]
    Read {
        /// The line that was being read.
        line: usize,
        /// The cause.
        source: std::io::Error,
    },
    /// The file could not be opened.
    #[error("cannot open {path}")]
    Open {
        /// The path as it was given.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The file holds no record.
    #[error("the data set is empty")]
    Empty,
    /// A line is longer than the limit.
    #[error("line {line} is longer than {limit_bytes} bytes")]
    LineTooLong {
        /// Line number.
        line: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// A line is not UTF-8.
    #[error("line {line}, byte {byte}: not UTF-8")]
    NotUtf8 {
        /// Line number.
        line: usize,
        /// First byte that is not UTF-8.
        byte: usize,
    },
    /// A line holds a NUL, raw or as the escape `\u0000`.
    #[error("line {line}, byte {byte}: NUL character")]
    Nul {
        /// Line number.
        line: usize,
        /// Where the NUL or its escape stands.
        byte: usize,
    },
    /// A line is not JSON.
    #[error("line {line}, byte {byte}: not JSON")]
    NotJson {
        /// Line number.
        line: usize,
        /// Where the parser stopped.
        byte: usize,
    },
    /// A line is JSON, but not an object.
    #[error("line {line} is {found}, not a JSON object")]
    NotObject {
        /// Line number.
        line: usize,
        /// The JSON type that was found, with its article.
        found: &'static str,
    },
    /// No known shape fits the fields of a record.
    #[error("line {line} has none of the known record shapes")]
    UnknownShape {
        /// Line number.
        line: usize,
    },
    /// A record has another shape than those before it.
    #[error("line {line} has the shape {found}, the lines before it have the shape {first}")]
    MixedShapes {
        /// The first line that differs.
        line: usize,
        /// Shape of the first record.
        first: Shape,
        /// Shape of this record.
        found: Shape,
    },
    /// A field that the shape needs is absent.
    #[error("line {line}: field `{field}` is missing")]
    MissingField {
        /// Line number.
        line: usize,
        /// Column name, after remapping.
        field: String,
    },
    /// A field has another JSON type than the shape needs.
    #[error("line {line}: field `{field}` is not {expected}")]
    WrongType {
        /// Line number.
        line: usize,
        /// Column name, after remapping.
        field: String,
        /// The expected type, with its article.
        expected: &'static str,
    },
    /// A turn names a role that is neither standard nor in the role map.
    #[error("line {line}: turn {turn} has an unknown role")]
    UnknownRole {
        /// Line number.
        line: usize,
        /// Turn, counted from 1.
        turn: usize,
    },
    /// Nothing to learn from: no assistant turn, or an empty completion.
    #[error("line {line} has no completion")]
    NoCompletion {
        /// Line number.
        line: usize,
    },
    /// A pattern set did not compile: a defect of this crate, reported instead of a panic.
    #[error("detector {detector} could not be built")]
    Detector {
        /// Which detector.
        detector: &'static str,
        /// The cause, without record content.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A threshold outside 0 to 1.
    #[error("threshold {value} is not between 0 and 1")]
    Threshold {
        /// The refused value.
        value: f32,
    },
    /// An option of the quality checks that is out of its range, or names what does not exist.
    #[error("the quality option `{option}` cannot be used")]
    QualityOption {
        /// Its name.
        option: &'static str,
    },
    /// A profile name that does not exist.
    #[error("unknown profile; known are surrogate, redact, mask, hash")]
    UnknownProfile,
    /// A scope name that does not exist.
    #[error("unknown scope; known are document, subject, dataset")]
    UnknownScope,
}

impl Error {
    /// One line on what the user can do, for those refusals where there is an obvious step.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::IsFolder { .. } => "name the .jsonl file inside the folder",
            Self::Empty => "the file needs one JSON object per line",
            Self::LineTooLong { .. } => "split the record, or check that the file has line breaks",
            Self::NotUtf8 { byte: 0, line: 1 } => "the file may be UTF-16 or compressed; convert it to UTF-8",
            Self::NotUtf8 { .. } => "convert the file to UTF-8",
            Self::Nul { .. } => "remove the NUL character from the source data",
            Self::NotJson { .. } => "the file must be JSON lines: one complete object per line",
            Self::NotObject { found: "an array", .. } => "write each element of the array on its own line",
            Self::NotObject { .. } => "every line must be an object such as {\"text\": \"…\"}",
            Self::UnknownShape { .. } => {
                "name the columns in [data.columns], or use messages, prompt and completion, instruction and output, conversations, or text"
            }
            Self::MixedShapes { .. } => "split the file by shape",
            Self::MissingField { .. } => "fill the field, or remap the column in [data.columns]",
            Self::UnknownRole { .. } => "map the role in [data.columns.roles] to system, user, assistant or tool",
            Self::NoCompletion { .. } => "remove the record, or give it an answer to learn from",
            Self::QualityOption { option: "languages" } => "name languages by ISO 639 code, such as en or deu",
            Self::QualityOption { .. } => "shares are above 0 and at most 1, counts at least 2",
            _ => return None,
        })
    }
}
