//! Reads JSON lines into records and refuses what cannot be trained on.
//!
//! Invariant: every refusal names the line, and where it can the byte; no refusal repeats what the line says.
//! Source: RFC 8259 (JSON), jsonlines.org (one value per line, UTF-8).

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use memchr::{memchr, memmem};
use serde_json::{Map, Value};

use super::{Columns, Record, Role, Shape, content_text, scalar};
use crate::error::{Error, Result};

/// Longest accepted line, without its line break.
pub const LINE_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// The records of one file.
pub struct Dataset {
    /// In the order of the file.
    pub records: Vec<Record>,
    /// The shape that all records share.
    pub shape: Shape,
    /// What is odd, but can be trained on.
    pub findings: Vec<Finding>,
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Line, from 1.
    pub line: usize,
    /// What was found there.
    pub problem: Problem,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Problem {
    /// An earlier record has the same identifier.
    DuplicateId,
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
    /// A number of seven or more digits stands outside the texts; numbers are not scanned for personal data.
    LongNumber,
}

/// Reads a file of JSON lines.
///
/// # Errors
/// The first refusal, see [`Error`].
pub fn read(path: &Path, columns: &Columns) -> Result<Dataset> {
    let name = || path.display().to_string();
    let file = File::open(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => Error::MissingFile { path: name() },
        ErrorKind::IsADirectory => Error::IsFolder { path: name() },
        _ => Error::Open { path: name(), source },
    })?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(Error::IsFolder { path: name() });
    }
    read_from(BufReader::with_capacity(1 << 16, file), columns)
}

/// Reads JSON lines from any reader.
///
/// # Errors
/// The first refusal, see [`Error`].
pub fn read_from(mut reader: impl BufRead, columns: &Columns) -> Result<Dataset> {
    let columns = Arc::new(columns.clone());
    let mut dataset: Option<Dataset> = None;
    let mut blank = Vec::new();
    let mut ids = HashSet::new();
    let mut bytes = Vec::new();
    let mut line = 0;
    while next_line(&mut reader, &mut bytes, line + 1)? {
        line += 1;
        let mut content = bytes.as_slice();
        if line == 1 {
            content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
        }
        if content.iter().all(u8::is_ascii_whitespace) {
            blank.push(Finding { line, problem: Problem::BlankLine });
            continue;
        }
        let raw = parse(content, bytes.len() - content.len(), line)?;
        let found = columns.shape_of(&raw).ok_or(Error::UnknownShape { line })?;
        let dataset = dataset.get_or_insert_with(|| Dataset { records: vec![], shape: found, findings: vec![] });
        if found != dataset.shape {
            return Err(Error::MixedShapes { line, first: dataset.shape, found });
        }
        let mut note = |problem| dataset.findings.push(Finding { line, problem });
        let record = record(raw, found, &columns, line, &mut note)?;
        if !ids.insert(record.id.clone()) {
            note(Problem::DuplicateId);
        }
        dataset.records.push(record);
    }
    let mut dataset = dataset.ok_or(Error::Empty)?;
    dataset.findings.append(&mut blank);
    dataset.findings.sort_by_key(|finding| finding.line);
    Ok(dataset)
}

/// Reads up to the next line break into `bytes`, without the break; false at the end of input.
fn next_line(reader: &mut impl BufRead, bytes: &mut Vec<u8>, line: usize) -> Result<bool> {
    bytes.clear();
    let mut any = false;
    loop {
        let chunk = match reader.fill_buf() {
            Ok(chunk) => chunk,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(source) if source.kind() == ErrorKind::IsADirectory => {
                return Err(Error::IsFolder { path: "input".into() });
            }
            Err(source) => return Err(Error::Read { line, source }),
        };
        if chunk.is_empty() {
            break;
        }
        any = true;
        let end = memchr(b'\n', chunk);
        let take = end.unwrap_or(chunk.len());
        if bytes.len() + take > LINE_LIMIT_BYTES {
            return Err(Error::LineTooLong { line, limit_bytes: LINE_LIMIT_BYTES });
        }
        bytes.extend_from_slice(&chunk[..take]);
        reader.consume(take + usize::from(end.is_some()));
        if end.is_some() {
            break;
        }
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(any)
}

/// `skipped` bytes of the line (a byte order mark) stand before `content`.
fn parse(content: &[u8], skipped: usize, line: usize) -> Result<Map<String, Value>> {
    let text = std::str::from_utf8(content).map_err(|e| Error::NotUtf8 { line, byte: skipped + e.valid_up_to() })?;
    if let Some(byte) = memchr(0, content) {
        return Err(Error::Nul { line, byte: skipped + byte });
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|e| Error::NotJson { line, byte: skipped + e.column().saturating_sub(1).min(content.len()) })?;
    if let Some(byte) = memmem::find(content, br"\u0000")
        && has_nul(&value)
    {
        return Err(Error::Nul { line, byte: skipped + byte });
    }
    let found = match value {
        Value::Object(map) => return Ok(map),
        Value::Array(_) => "an array",
        Value::String(_) => "a string",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a boolean",
        Value::Null => "null",
    };
    Err(Error::NotObject { line, found })
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

fn record(
    raw: Map<String, Value>,
    shape: Shape,
    columns: &Arc<Columns>,
    line: usize,
    note: &mut impl FnMut(Problem),
) -> Result<Record> {
    let check = Check { raw: &raw, columns, line };
    match shape {
        Shape::Messages => {
            check.turns(columns.messages_name(), columns.role_name(), columns.content_name(), note)?;
        }
        Shape::ShareGpt => {
            check.turns(columns.conversations_name(), columns.sender_name(), columns.value_name(), note)?;
        }
        Shape::PromptCompletion => {
            check.prompt(columns.prompt_name(), note)?;
            check.completion(columns.completion_name())?;
        }
        Shape::Alpaca => {
            check.prompt(columns.instruction_name(), note)?;
            check.optional_text(columns.input_name())?;
            check.optional_text(columns.system_name())?;
            check.history()?;
            check.completion(columns.output_name())?;
        }
        Shape::Text => {
            if check.text(columns.text_name())?.trim().is_empty() {
                note(Problem::EmptyText);
            }
        }
    }
    let id = check.key(columns.id_name())?.unwrap_or_else(|| format!("line-{line}"));
    let mut subject = None;
    for name in columns.subject_names() {
        if subject.is_none() {
            subject = if columns.subject.is_some() { check.key(name)? } else { raw.get(name).and_then(scalar) };
        }
    }
    let keys = |name: &str| name == columns.id_name() || columns.subject_names().any(|n| n == name);
    if raw.iter().any(|(name, value)| !keys(name) && has_long_number(value)) {
        note(Problem::LongNumber);
    }
    Ok(Record { line, id, subject, shape, columns: Arc::clone(columns), raw })
}

fn has_long_number(value: &Value) -> bool {
    match value {
        // also with a point: a column of telephone numbers with gaps is one of floats to some writers
        Value::Number(number) => number.as_f64().is_some_and(|value| value.abs() >= 1e6),
        Value::Array(items) => items.iter().any(has_long_number),
        Value::Object(members) => members.values().any(has_long_number),
        _ => false,
    }
}

/// The checks of one record.
struct Check<'a> {
    raw: &'a Map<String, Value>,
    columns: &'a Columns,
    line: usize,
}

impl Check<'_> {
    fn missing(&self, field: &str) -> Error {
        Error::MissingField { line: self.line, field: field.to_owned() }
    }

    fn wrong(&self, field: &str, expected: &'static str) -> Error {
        Error::WrongType { line: self.line, field: field.to_owned(), expected }
    }

    fn text(&self, field: &str) -> Result<&str> {
        self.raw.get(field).ok_or_else(|| self.missing(field))?.as_str().ok_or_else(|| self.wrong(field, "a string"))
    }

    fn optional_text(&self, field: &str) -> Result<()> {
        match self.raw.get(field) {
            None | Some(Value::Null | Value::String(_)) => Ok(()),
            Some(_) => Err(self.wrong(field, "a string")),
        }
    }

    fn prompt(&self, field: &str, note: &mut impl FnMut(Problem)) -> Result<()> {
        if self.text(field)?.trim().is_empty() {
            note(Problem::EmptyPrompt);
        }
        Ok(())
    }

    fn completion(&self, field: &str) -> Result<()> {
        match self.raw.get(field) {
            Some(Value::Null) => Err(Error::NoCompletion { line: self.line }),
            _ if self.text(field)?.trim().is_empty() => Err(Error::NoCompletion { line: self.line }),
            _ => Ok(()),
        }
    }

    /// An identifier: a string, a number, or absent.
    fn key(&self, field: &str) -> Result<Option<String>> {
        match self.raw.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => scalar(value).map(Some).ok_or_else(|| self.wrong(field, "a string or a number")),
        }
    }

    fn history(&self) -> Result<()> {
        let field = self.columns.history_name();
        let is_round =
            |round: &Value| round.as_array().is_some_and(|pair| pair.len() == 2 && pair.iter().all(Value::is_string));
        match self.raw.get(field) {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Array(rounds)) if rounds.iter().all(is_round) => Ok(()),
            Some(_) => Err(self.wrong(field, "a list of pairs of strings")),
        }
    }

    fn turns(&self, list: &str, role: &str, text: &str, note: &mut impl FnMut(Problem)) -> Result<()> {
        let turns = self.raw.get(list).ok_or_else(|| self.missing(list))?;
        let turns = turns.as_array().ok_or_else(|| self.wrong(list, "a list of turns"))?;
        let mut answered = false;
        let mut last = None;
        for (index, turn) in turns.iter().enumerate() {
            let turn = turn.as_object().ok_or_else(|| self.wrong(list, "a list of objects"))?;
            let name = turn.get(role).ok_or_else(|| self.missing(role))?;
            let name = name.as_str().ok_or_else(|| self.wrong(role, "a string"))?;
            let who = self.columns.role_of(name).ok_or(Error::UnknownRole { line: self.line, turn: index + 1 })?;
            let calls = ["tool_calls", "function_call"]
                .iter()
                .any(|key| turn.get(*key).is_some_and(|v| !v.is_null() && v.as_array().is_none_or(|a| !a.is_empty())));
            let said = match turn.get(text) {
                Some(Value::Null) if !calls && who == Role::Assistant => {
                    return Err(Error::NoCompletion { line: self.line });
                }
                None if !calls => return Err(self.missing(text)),
                Some(Value::Null) if !calls => return Err(self.wrong(text, "a string")),
                value => content_text(value.unwrap_or(&Value::Null))
                    .ok_or_else(|| self.wrong(text, "a string or a list of text parts"))?,
            };
            let empty = said.trim().is_empty();
            match who {
                Role::Assistant if empty && calls => note(Problem::ToolCallsOnly),
                Role::Assistant if empty => return Err(Error::NoCompletion { line: self.line }),
                Role::Assistant => answered = true,
                Role::User if empty => note(Problem::EmptyPrompt),
                _ => {}
            }
            last = Some(who);
        }
        if !answered {
            return Err(Error::NoCompletion { line: self.line });
        }
        if last != Some(Role::Assistant) {
            note(Problem::EndsWithoutAssistant);
        }
        Ok(())
    }
}
