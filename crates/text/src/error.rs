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
    /// A record is longer than the limit.
    #[error("the record in line {line} is longer than {limit_bytes} bytes")]
    RecordTooLong {
        /// The line in which it begins.
        line: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// A record holds more values than the limit.
    #[error("the record in line {line} has more than {limit} values")]
    TooManyValues {
        /// The line in which it begins.
        line: usize,
        /// The limit.
        limit: usize,
    },
    /// Objects and lists lie inside each other beyond the limit.
    #[error("line {line} is nested deeper than {limit} levels")]
    TooDeep {
        /// Line number.
        line: usize,
        /// The limit.
        limit: usize,
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
    /// A string holds half of a surrogate pair, which no UTF-8 can write.
    #[error("line {line}, byte {byte}: half of a surrogate pair")]
    LoneSurrogate {
        /// Line number.
        line: usize,
        /// Where its escape stands.
        byte: usize,
    },
    /// A field of a table is not UTF-8.
    #[error("line {line}, column {column}: not UTF-8")]
    CellNotUtf8 {
        /// Line number.
        line: usize,
        /// Column, counted from 1.
        column: usize,
    },
    /// A field of a table holds a NUL.
    #[error("line {line}, column {column}: NUL character")]
    CellNul {
        /// Line number.
        line: usize,
        /// Column, counted from 1.
        column: usize,
    },
    /// A row has more or fewer fields than the header.
    #[error("line {line} has {found} fields, the header has {expected}")]
    RaggedRow {
        /// Line number.
        line: usize,
        /// Fields of the row.
        found: usize,
        /// Fields of the header.
        expected: usize,
    },
    /// Text stands between a closing quotation mark and the next separator.
    #[error("line {line}: text stands behind a closing quotation mark")]
    StrayQuote {
        /// The line in which the row begins.
        line: usize,
    },
    /// A quotation mark is not closed before the input ends.
    #[error("line {line}: a quotation mark is not closed")]
    OpenQuote {
        /// The line in which the row begins.
        line: usize,
    },
    /// Two columns of a table have one name.
    #[error("line {line}, column {column}: the name stands there twice")]
    RepeatedColumn {
        /// The line of the header.
        line: usize,
        /// The later column, counted from 1.
        column: usize,
    },
    /// The input ends inside a record, a compressed block or a table.
    #[error("the input ends too early, in line {line}")]
    CutShort {
        /// The last line, or row.
        line: usize,
    },
    /// The input contradicts its own format.
    #[error("the input is damaged, in line {line}")]
    Damaged {
        /// The last line, or row.
        line: usize,
    },
    /// The input has a form that is not read.
    #[error("{what} is not read")]
    Unsupported {
        /// Which form, with its article where it takes one.
        what: &'static str,
    },
    /// A refusal of one file of a folder.
    #[error("{file}: {source}")]
    InFile {
        /// The file, from the folder on.
        file: String,
        /// The refusal.
        source: Box<Error>,
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
    /// What a detector is made of is damaged: a defect of this crate, reported instead of a panic.
    #[error("detector {detector} could not be built")]
    Detector {
        /// Which detector.
        detector: &'static str,
        /// The cause, without record content.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The classifier that the caller brought could not read a text: what it would have found there is not known.
    #[error("the classifier could not read everything: {reason}")]
    Classifier {
        /// The cause, without record content.
        reason: String,
    },
    /// A threshold outside 0 to 1.
    #[error("threshold {value} is not between 0 and 1")]
    Threshold {
        /// The refused value.
        value: f32,
    },
    /// A locale that no detector knows.
    #[error("unknown locale `{locale}`")]
    UnknownLocale {
        /// The refused name.
        locale: String,
    },
    /// A label that no detector gives.
    #[error("unknown label `{label}`")]
    UnknownLabel {
        /// The refused name.
        label: String,
    },
    /// An option of the quality checks that is out of its range, or names what does not exist.
    #[error("the quality option `{option}` cannot be used")]
    QualityOption {
        /// Its name.
        option: &'static str,
    },
    /// A profile name that does not exist.
    #[error(
        "unknown profile; known are surrogate, redact, mask, hash, hipaa-safe-harbor, gdpr-pseudonymise, reversible"
    )]
    UnknownProfile,
    /// A scope name that does not exist.
    #[error("unknown scope; known are document, subject, dataset")]
    UnknownScope,
    /// A policy file is not TOML, or has another form.
    #[error("policy, line {line}: {reason}")]
    Policy {
        /// Line number.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// A policy names an entity that does not exist.
    #[error("policy: unknown entity `{name}`; known are {known}")]
    UnknownEntity {
        /// The name.
        name: String,
        /// All names.
        known: String,
    },
    /// A policy names an action that does not exist.
    #[error("policy: unknown action `{name}`; known are {known}")]
    UnknownAction {
        /// The name.
        name: String,
        /// All names.
        known: String,
    },
    /// A policy asks for what makes no sense for an entity.
    #[error("policy, `{what}`: {reason}")]
    Unfit {
        /// Where.
        what: String,
        /// Why.
        reason: &'static str,
    },
    /// A line that is to be restored has no seal.
    #[error("line {line} has no seal")]
    NoSeal {
        /// Line number.
        line: usize,
    },
    /// A seal does not open, or the line is not the one that was sealed.
    #[error("line {line}: the seal is of another key, or the line was changed")]
    Seal {
        /// Line number.
        line: usize,
    },
}

impl Error {
    /// One line on what the user can do, for those refusals where there is an obvious step.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::InFile { source, .. } => return source.hint(),
            Self::IsFolder { .. } => "name a file inside it",
            Self::Empty => "the file needs one JSON object per line, or a table with a header",
            Self::RecordTooLong { .. } | Self::TooManyValues { .. } => "split the record",
            Self::TooDeep { .. } => "flatten the record",
            Self::LoneSurrogate { .. } => "write the whole pair, or remove the escape",
            Self::CellNotUtf8 { .. } => "convert the file to UTF-8",
            Self::CellNul { .. } => "remove the NUL character from the source data",
            Self::RaggedRow { .. } => "put fields that hold separators or line breaks in quotation marks",
            Self::StrayQuote { .. } | Self::OpenQuote { .. } => "double the quotation marks inside a field",
            Self::RepeatedColumn { .. } => "give each column a name of its own",
            Self::CutShort { .. } | Self::Damaged { .. } => "copy or write the file again",
            Self::Unsupported { .. } => "convert it to JSON lines, JSON, CSV, Parquet or Arrow",
            Self::LineTooLong { .. } => "split the record, or check that the file has line breaks",
            Self::NotUtf8 { byte: 0, line: 1 } => {
                "the file may be in another encoding, or compressed; convert it to UTF-8"
            }
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
            Self::Policy { .. } | Self::UnknownEntity { .. } | Self::UnknownAction { .. } | Self::Unfit { .. } => {
                "docs/guides/protect.md shows a policy with every entity's actions and parameters"
            }
            Self::NoSeal { .. } => "only what `cloister protect --profile reversible` wrote can be restored",
            Self::Seal { .. } => "give the key with which the file was protected, and the file as it was written",
            Self::NoCompletion { .. } => "remove the record, or give it an answer to learn from",
            Self::QualityOption { option: "languages" } => "name languages by ISO 639 code, such as en or deu",
            Self::QualityOption { .. } => "shares are above 0 and at most 1, counts at least 2",
            _ => return None,
        })
    }
}
