//! Records as verbs read them: from a file, a folder or stdin, with the columns of flag or configuration.

use std::io;
use std::path::Path;

use cloister_text::{Columns, Dataset, Error, Finding, Problem, Reading, Source, Tally};
use serde_json::{Map, Value};

use super::config::{ColumnMap, Settings};
use super::console::Console;
use super::hint::Usage;
use super::sealed::Named;

/// The columns of the flag, else of the configuration files, else the standard ones.
pub(super) fn columns(flag: Option<ColumnMap>) -> anyhow::Result<Columns> {
    let columns = match flag {
        Some(columns) => Some(columns),
        None => Settings::from_files()?.columns,
    };
    Ok(columns.unwrap_or_default().0)
}

/// The records of `path`, `-` being stdin; says what is odd about them.
pub(super) fn read(console: &Console, path: &Path, columns: &Columns) -> anyhow::Result<Dataset> {
    read_seen(console, path, &Reading::strict(columns), |_| ())
}

/// The same as `reading` says; `seen` gets every byte of the input once, in order.
pub(super) fn read_seen(
    console: &Console,
    path: &Path,
    reading: &Reading,
    seen: impl FnMut(&[u8]) + Send,
) -> anyhow::Result<Dataset> {
    let dataset = cloister_text::read_as(source(path)?.heard_by(seen), reading).map_err(named(path))?;
    tell_of(console, &dataset);
    Ok(dataset)
}

/// Says what is odd about records that were read.
pub(super) fn tell_of(console: &Console, dataset: &Dataset) {
    let mut tally = Tally::default();
    tally.extend(dataset.findings.iter().cloned());
    tell(console, &tally);
}

/// Where the records of `path` come from, `-` being stdin.
pub(super) fn source<'a>(path: &Path) -> anyhow::Result<Source<'a>> {
    if let Some(Named { dataset, .. }) = Named::of(path)? {
        let hint = "name a file; what is sealed is read by `cloister protect --into` only, until the other verbs can";
        return Err(Usage::new(format!("dataset {dataset} is in the vault, and this verb reads files"), hint).into());
    }
    Ok(match path == Path::new("-") {
        true => Source::from_reader(io::stdin(), ""),
        false => Source::open(path)?,
    })
}

/// An error of reading with the name of what was read, unless it says it itself.
pub(super) fn named(path: &Path) -> impl FnOnce(Error) -> anyhow::Error {
    let name = name(path);
    move |error| match error {
        Error::MissingFile { .. } | Error::IsFolder { .. } | Error::Open { .. } => error.into(),
        other => anyhow::Error::new(other).context(name),
    }
}

/// What a message calls the file at `path`.
pub(super) fn name(path: &Path) -> String {
    if path == Path::new("-") { "stdin".into() } else { format!("`{}`", path.display()) }
}

/// Counts of a whole data set's findings, for a document.
pub(super) fn findings(dataset: &Dataset) -> Value {
    let mut tally = Tally::default();
    tally.extend(dataset.findings.iter().cloned());
    counts(&tally)
}

/// Counts of findings by kind, for a document.
pub(super) fn counts(tally: &Tally) -> Value {
    let counts = tally.kinds().iter().map(|kind| (kind.problem.name().to_owned(), Value::from(kind.count)));
    Value::Object(counts.collect::<Map<_, _>>())
}

/// The first places of findings by kind, for a document.
pub(super) fn places(tally: &Tally) -> Value {
    let place = |finding: &Finding| match &finding.file {
        None => Value::from(finding.line),
        Some(file) => Value::from(format!("{file}:{}", finding.line)),
    };
    let places = tally
        .kinds()
        .iter()
        .map(|kind| (kind.problem.name().to_owned(), kind.first.iter().map(place).collect::<Vec<_>>().into()));
    Value::Object(places.collect::<Map<_, _>>())
}

/// One warning for each kind of finding.
pub(super) fn tell(console: &Console, tally: &Tally) {
    for kind in tally.kinds() {
        let place = kind.first.first().map(|first| match (&first.file, first.line) {
            (None, 0) => "the whole input".to_owned(),
            (None, line) => format!("line {line}"),
            (Some(file), 0) => file.to_string(),
            (Some(file), line) => format!("{file}, line {line}"),
        });
        let more = if kind.count > 1 { format!(" and {} more", kind.count - 1) } else { String::new() };
        console.warn(format_args!("{} ({}{more})", in_words(kind.problem), place.unwrap_or_default()));
    }
}

fn in_words(problem: Problem) -> &'static str {
    match problem {
        Problem::DuplicateId => "an id stands on more than one line",
        Problem::IdsNotCompared => "there are too many ids to compare them all: repeated ones may not be told",
        Problem::BlankLine => "blank lines were skipped",
        Problem::EmptyPrompt => "a prompt or user turn is empty",
        Problem::EndsWithoutAssistant => "a chat does not end with the assistant",
        Problem::ToolCallsOnly => "an assistant turn holds tool calls and no text",
        Problem::EmptyText => "a text is empty",
        Problem::LongNumber => "a number of seven or more digits stands outside the texts and is not scanned",
        Problem::ByteOrderMark => "a byte order mark was skipped",
        Problem::BidiControl => "a control character turns the direction of text, which may read otherwise than it is",
        Problem::NotUtf8 => "bytes that are not UTF-8 were read as U+FFFD",
        Problem::Nul => "a NUL character",
        Problem::LoneSurrogate => "half of a surrogate pair was read as U+FFFD",
        Problem::UnknownShape => "a record has none of the known shapes; every string of it was read",
        Problem::OtherShape => "a record has another shape than the first",
        Problem::Incomplete => "a record lacks what its shape needs to be trained on; every string of it was read",
        Problem::RaggedRow => "a row has more or fewer fields than the header",
        Problem::StrayQuote => "text stands behind a closing quotation mark",
        Problem::OpenQuote => "a quotation mark is not closed; everything behind it was read as one field",
        Problem::RepeatedColumn => "two columns have one name",
        Problem::OtherType => "a value of a type that is not searched was left empty",
        Problem::OtherFile => "a file of another kind was not read",
        Problem::NotJson => "left out: not JSON",
        Problem::RepeatedName => "a name stands twice in an object: only the last value was read",
        Problem::NotObject => "left out: not a JSON object",
        Problem::TooDeep => "left out: nested too deep",
        Problem::TooLong => "left out: longer than is held, or of more values",
        Problem::CutShort => "left out: the input ends too early",
        Problem::Damaged => "left out: the input is damaged",
        Problem::Unsupported => "left out: a format that is not read",
        _ => "a line is odd",
    }
}
