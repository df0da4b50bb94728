//! What a person should know of the input: oddities of records that were read, and what could not be read.
//!
//! Invariant: a finding holds places and kinds, never content; a [`Tally`] of them has a bounded size.

use std::sync::Arc;

use serde::Serialize;

use crate::error::Error;

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file inside the folder that was named; `None` where a single file was.
    pub file: Option<Arc<str>>,
    /// Line, from 1; the row in Parquet and Arrow; 0 where the whole file is meant.
    pub line: usize,
    /// What was found there.
    pub problem: Problem,
}

/// Kinds of findings.
///
/// Those after [`Problem::NotJson`], itself included, say that something was left out; with the others, all of the record
/// was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Problem {
    /// An earlier record has the same identifier.
    DuplicateId,
    /// There are more identifiers than are compared.
    IdsNotCompared,
    /// An empty line, skipped.
    BlankLine,
    /// The prompt, or a user turn, is empty.
    EmptyPrompt,
    /// The last turn of a chat is not the assistant's.
    EndsWithoutAssistant,
    /// An assistant turn holds tool calls and no text.
    ToolCallsOnly,
    /// The text of a plain-text record is empty.
    EmptyText,
    /// A number of seven or more digits stands outside the texts, under no name that announces personal data: such numbers
    /// are not scanned.
    LongNumber,
    /// A byte order mark, skipped.
    ByteOrderMark,
    /// A control character that changes the direction of what follows it: the text may read otherwise than it is.
    BidiControl,
    /// Bytes that are not UTF-8, read as U+FFFD.
    NotUtf8,
    /// A NUL character.
    Nul,
    /// Half of a surrogate pair, such as `\ud800`, read as U+FFFD.
    LoneSurrogate,
    /// No known shape fits the fields; every string was read.
    UnknownShape,
    /// Another shape than the first record has.
    OtherShape,
    /// Something that its shape needs is missing or of another type; every string was read.
    Incomplete,
    /// A row has more or fewer fields than the header.
    RaggedRow,
    /// Text stands between a closing quotation mark and the next separator.
    StrayQuote,
    /// A quotation mark is not closed; everything up to the end of the file is one field.
    OpenQuote,
    /// Two columns have the same name; the later one was given another.
    RepeatedColumn,
    /// A value of a type that records cannot hold, read as null.
    OtherType,
    /// A file of no known format, which was not read.
    OtherFile,
    /// Not JSON.
    NotJson,
    /// A name stands twice in one JSON object; the last value was read, those before it were not.
    RepeatedName,
    /// JSON, but not an object.
    NotObject,
    /// Objects and lists inside each other beyond the limit.
    TooDeep,
    /// Longer than the limit, or of more values.
    TooLong,
    /// The file ends too early.
    CutShort,
    /// The file contradicts its format.
    Damaged,
    /// The file has a form of its format that is not read.
    Unsupported,
}

impl Problem {
    /// Whether something was not read because of it.
    #[must_use]
    pub fn leaves_out(self) -> bool {
        self >= Self::NotJson
    }

    /// The name as documents spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DuplicateId => "duplicate-id",
            Self::IdsNotCompared => "ids-not-compared",
            Self::BlankLine => "blank-line",
            Self::EmptyPrompt => "empty-prompt",
            Self::EndsWithoutAssistant => "ends-without-assistant",
            Self::ToolCallsOnly => "tool-calls-only",
            Self::EmptyText => "empty-text",
            Self::LongNumber => "long-number",
            Self::ByteOrderMark => "byte-order-mark",
            Self::BidiControl => "bidi-control",
            Self::NotUtf8 => "not-utf8",
            Self::Nul => "nul",
            Self::LoneSurrogate => "lone-surrogate",
            Self::UnknownShape => "unknown-shape",
            Self::OtherShape => "other-shape",
            Self::Incomplete => "incomplete",
            Self::RaggedRow => "ragged-row",
            Self::StrayQuote => "stray-quote",
            Self::OpenQuote => "open-quote",
            Self::RepeatedColumn => "repeated-column",
            Self::OtherType => "other-type",
            Self::OtherFile => "other-file",
            Self::NotJson => "not-json",
            Self::RepeatedName => "repeated-name",
            Self::NotObject => "not-object",
            Self::TooDeep => "too-deep",
            Self::TooLong => "too-long",
            Self::CutShort => "cut-short",
            Self::Damaged => "damaged",
            Self::Unsupported => "unsupported",
        }
    }
}

impl Error {
    /// The finding that this refusal is where reading goes on; `None` for what stops it in any case.
    pub(crate) fn problem(&self) -> Option<Problem> {
        Some(match self {
            Self::LineTooLong { .. } | Self::RecordTooLong { .. } | Self::TooManyValues { .. } => Problem::TooLong,
            Self::NotUtf8 { .. } | Self::CellNotUtf8 { .. } => Problem::NotUtf8,
            Self::Nul { .. } | Self::CellNul { .. } => Problem::Nul,
            Self::LoneSurrogate { .. } => Problem::LoneSurrogate,
            Self::NotJson { .. } => Problem::NotJson,
            Self::TooDeep { .. } => Problem::TooDeep,
            Self::NotObject { .. } => Problem::NotObject,
            Self::UnknownShape { .. } => Problem::UnknownShape,
            Self::MixedShapes { .. } => Problem::OtherShape,
            Self::MissingField { .. }
            | Self::WrongType { .. }
            | Self::UnknownRole { .. }
            | Self::NoCompletion { .. } => Problem::Incomplete,
            Self::RaggedRow { .. } => Problem::RaggedRow,
            Self::StrayQuote { .. } => Problem::StrayQuote,
            Self::OpenQuote { .. } => Problem::OpenQuote,
            Self::RepeatedColumn { .. } => Problem::RepeatedColumn,
            Self::CutShort { .. } => Problem::CutShort,
            Self::Damaged { .. } => Problem::Damaged,
            Self::Unsupported { .. } => Problem::Unsupported,
            _ => return None,
        })
    }
}

/// Findings by kind: how many, and where the first ones are.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    kinds: Vec<Kind>,
}

/// All findings of one kind.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Which.
    pub problem: Problem,
    /// How many.
    pub count: usize,
    /// The first ones, at most [`Tally::PLACES`].
    pub first: Vec<Finding>,
}

impl Tally {
    /// How many places of a kind are kept.
    pub const PLACES: usize = 20;

    /// Counts a finding.
    pub fn add(&mut self, finding: Finding) {
        let known = self.kinds.iter().position(|kind| kind.problem == finding.problem);
        let at = known.unwrap_or_else(|| {
            self.kinds.push(Kind { problem: finding.problem, count: 0, first: Vec::new() });
            self.kinds.len() - 1
        });
        let kind = &mut self.kinds[at];
        kind.count += 1;
        if kind.first.len() < Self::PLACES {
            kind.first.push(finding);
        }
    }

    /// The kinds, in the order in which they were first met.
    #[must_use]
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// How many findings say that something was not read.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.kinds.iter().filter(|kind| kind.problem.leaves_out()).map(|kind| kind.count).sum()
    }
}

impl Extend<Finding> for Tally {
    fn extend<I: IntoIterator<Item = Finding>>(&mut self, findings: I) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_agree_with_serde() {
        for problem in [Problem::DuplicateId, Problem::NotUtf8, Problem::OtherFile, Problem::NotJson, Problem::Nul] {
            assert_eq!(serde_json::json!(problem), serde_json::json!(problem.name()));
        }
    }

    #[test]
    fn a_tally_keeps_the_first_places_and_every_count() {
        let mut tally = Tally::default();
        tally.extend((1..=1000).map(|line| Finding { file: None, line, problem: Problem::BlankLine }));
        tally.add(Finding { file: None, line: 7, problem: Problem::TooDeep });
        assert_eq!((tally.kinds()[0].count, tally.kinds()[0].first.len()), (1000, Tally::PLACES));
        assert_eq!(tally.left_out(), 1);
    }
}
