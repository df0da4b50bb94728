//! What a record must hold to be trained on, by its shape.
//!
//! Invariant: no refusal repeats what the record says.

use serde_json::{Map, Value};

use super::finding::Problem;
use super::{Columns, Role, Shape, content_text, scalar, searched};
use crate::detect::announces;
use crate::error::{Error, Result};

/// Who a record is and whom it is about.
pub(super) struct Keys {
    /// The identifier; `None` where the data gives none.
    pub(super) id: Option<String>,
    /// The subject, where the data names one.
    pub(super) subject: Option<String>,
}

/// Checks the members of a record of some shape; `note` hears of what is odd.
pub(super) fn check(
    raw: &Map<String, Value>,
    shape: Shape,
    columns: &Columns,
    line: usize,
    note: &mut impl FnMut(Problem),
) -> Result<Keys> {
    let check = Check { raw, columns, line };
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
        Shape::Fields => return Ok(keys_as_they_are(raw, columns)),
    }
    let id = check.key(columns.id_name())?;
    let mut subject = None;
    for name in columns.subject_names() {
        if subject.is_none() {
            subject = if columns.subject.is_some() { check.key(name)? } else { raw.get(name).and_then(scalar) };
        }
    }
    Ok(Keys { id, subject })
}

/// Identifier and subject of a record that is only searched: what is no scalar counts as absent.
fn keys_as_they_are(raw: &Map<String, Value>, columns: &Columns) -> Keys {
    let key = |name: &str| raw.get(name).and_then(scalar);
    Keys { id: key(columns.id_name()), subject: columns.subject_names().find_map(key) }
}

/// Whether a number of seven or more digits stands outside the keys.
pub(super) fn has_long_number_outside_keys(raw: &Map<String, Value>, columns: &Columns) -> bool {
    let keys = |name: &str| name == columns.id_name() || columns.subject_names().any(|n| n == name);
    raw.iter().any(|(name, value)| !keys(name) && has_long_number(name, value))
}

/// Whether a number of seven or more digits is not searched, in a value under `name`.
fn has_long_number(name: &str, value: &Value) -> bool {
    match value {
        // also with a point: a column of telephone numbers with gaps is one of floats to some writers
        Value::Number(number) => {
            let long = number.as_f64().is_some_and(|value| value.abs() >= 1e6);
            long && !(announces(name) && searched(value).is_some())
        }
        Value::Array(items) => items.iter().any(|item| has_long_number(name, item)),
        Value::Object(members) => members.iter().any(|(name, value)| has_long_number(name, value)),
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
