//! Training records: how they are read, what one holds, and how its text is reached and changed.
//!
//! Invariant: a [`Record`] was checked when it was read, so its body always exists; it implements neither `Debug`
//! nor `Display`, so that its text reaches no log. Fields that no one touches are written back as they were read,
//! in their order.

#[cfg(feature = "columnar")]
mod cell;
mod check;
mod chunk;
#[cfg(feature = "columnar")]
mod columnar;
mod finding;
#[cfg(feature = "columnar")]
mod footer;
mod format;
mod frame;
mod json;
mod place;
mod reader;
mod shape;
mod source;
mod table;
mod unpack;

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Number, Value};

use crate::detect::{Field, announces};

pub use chunk::{Batch, Chunk, Given, Piece, Reading, Sequence};
#[cfg(feature = "columnar")]
pub use columnar::expects_panics;
pub use finding::{Finding, Kind, Problem, Tally};
pub use json::{DEPTH_LIMIT, VALUES_LIMIT};
pub use place::Place;
pub use reader::{Dataset, read, read_as, read_from, read_source};
pub use shape::{Columns, Role, Shape};
pub use source::{FileInFolder, Source};

/// Longest accepted line, and longest record of a format without lines.
pub const LINE_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// One turn of a chat.
#[derive(Clone, PartialEq, Eq)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said; empty where an assistant turn only calls tools.
    pub text: String,
}

/// The trainable content of a record, in one of three forms.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// Messages, ShareGPT and Alpaca with a system prompt or history.
    Chat(Vec<Turn>),
    /// Prompt and completion; Alpaca without system prompt and history.
    Completion {
        /// What is given.
        prompt: String,
        /// What is learned.
        completion: String,
    },
    /// Plain text.
    Text(String),
}

/// One training example.
#[derive(Clone)]
pub struct Record {
    /// Line in the file, from 1; the row in Parquet and Arrow.
    pub line: usize,
    /// Identifier from the data, or `line-N`, in a folder with the file before it.
    pub id: String,
    /// The person the record is about, where the data names one.
    pub subject: Option<String>,
    shape: Shape,
    columns: Arc<Columns>,
    raw: Map<String, Value>,
}

impl Record {
    /// The shape this record was read as.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The trainable content.
    pub fn body(&self) -> Body {
        let columns = &*self.columns;
        let text = |name: &str| self.raw.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match self.shape {
            Shape::Text => Body::Text(text(columns.text_name())),
            Shape::PromptCompletion => {
                Body::Completion { prompt: text(columns.prompt_name()), completion: text(columns.completion_name()) }
            }
            Shape::Messages => {
                Body::Chat(self.turns(columns.messages_name(), columns.role_name(), columns.content_name()))
            }
            Shape::ShareGpt => {
                Body::Chat(self.turns(columns.conversations_name(), columns.sender_name(), columns.value_name()))
            }
            Shape::Alpaca => self.alpaca(),
            Shape::Fields => Body::Text(self.fields().map(|(_, text)| text).collect::<Vec<_>>().join("\n")),
        }
    }

    /// Every string that may hold personal data, with its place, in the order of the line.
    ///
    /// Left out are the identifier, the subject columns and the role names of turns.
    pub fn fields(&self) -> impl Iterator<Item = (Place<'_>, &str)> {
        self.leaves().into_iter().filter_map(|(place, value)| Some((place, value.as_str()?)))
    }

    /// What is searched for personal data, in the order of the line: the strings of [`Record::fields`], and numbers under
    /// members whose name announces personal data, such as `phone`.
    pub fn searched(&self) -> Vec<Searched<'_>> {
        let leaves = self.leaves().into_iter();
        leaves
            .filter_map(|(place, value)| {
                let text = searched(value)?;
                let name = Some(place.name()).filter(|name| !self.holds_texts(name));
                Some(Searched { place, name, text })
            })
            .collect()
    }

    /// Replaces what [`Record::searched`] yields, in the same order, by what `f` makes of it. A number stays one where as many
    /// digits take its place.
    pub fn map_text(&mut self, mut f: impl FnMut(&str) -> String) {
        let mut raw = std::mem::take(&mut self.raw);
        for (key, value) in &mut raw {
            if !self.is_key_column(key, value) {
                rewrite(value, self.role_key(key), has_numbers(key, value), &mut f);
            }
        }
        self.raw = raw;
    }

    fn leaves(&self) -> Vec<(Place<'_>, &Value)> {
        let mut found = Vec::new();
        for (key, value) in &self.raw {
            if !self.is_key_column(key, value) {
                collect(value, &Place::column(key), self.role_key(key), has_numbers(key, value), &mut found);
            }
        }
        found
    }

    /// Whether the texts that are trained on lie under this name: it says nothing of what is in them.
    fn holds_texts(&self, name: &str) -> bool {
        let columns = &*self.columns;
        [
            columns.text_name(),
            columns.content_name(),
            columns.value_name(),
            columns.prompt_name(),
            columns.completion_name(),
            columns.instruction_name(),
            columns.input_name(),
            columns.output_name(),
            columns.system_name(),
            columns.history_name(),
        ]
        .contains(&name)
    }

    /// Calls `f` with the name of every member of every object in the record: names are kept as they are.
    pub fn member_names<'a>(&'a self, mut f: impl FnMut(&'a str)) {
        for (key, value) in &self.raw {
            f(key);
            names(value, &mut f);
        }
    }

    /// Whether the line has an identifier; where it has none, `id` is the number of the line.
    pub fn has_id(&self) -> bool {
        self.raw.get(self.columns.id_name()).and_then(scalar).is_some()
    }

    /// Gives the record another identifier, also in the line where the line had one.
    pub fn set_id(&mut self, id: String) {
        if let Some(value) = self.raw.get_mut(self.columns.id_name()) {
            *value = Value::String(id.clone());
        }
        self.id = id;
    }

    /// Replaces the value of every subject column by what `f` makes of it.
    pub fn map_subject(&mut self, f: impl Fn(&str) -> String) {
        for name in self.columns.subject_names() {
            if let Some(value) = self.raw.get_mut(name)
                && let Some(old) = scalar(value)
            {
                *value = Value::String(f(&old));
            }
        }
        self.subject = self.subject.as_deref().map(f);
    }

    /// The record as one line of JSON, without the line break.
    pub fn to_json_line(&self) -> String {
        // A map with string keys always serialises.
        serde_json::to_string(&self.raw).unwrap_or_default()
    }

    /// The value at a JSON pointer (RFC 6901), such as `/patient/age`.
    pub fn value(&self, pointer: &str) -> Option<&Value> {
        let path = pointer.strip_prefix('/')?;
        let (top, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
        self.raw.get(&top.replace("~1", "/").replace("~0", "~"))?.pointer(rest)
    }

    fn turns(&self, list: &str, role: &str, text: &str) -> Vec<Turn> {
        let list = self.raw.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter()
            .filter_map(|turn| {
                let role = self.columns.role_of(turn.get(role)?.as_str()?)?;
                Some(Turn { role, text: content_text(turn.get(text).unwrap_or(&Value::Null))? })
            })
            .collect()
    }

    fn alpaca(&self) -> Body {
        let columns = &*self.columns;
        let text = |name: &str| self.raw.get(name).and_then(Value::as_str).unwrap_or_default();
        let (instruction, input) = (text(columns.instruction_name()), text(columns.input_name()));
        let prompt = if input.trim().is_empty() { instruction.to_owned() } else { format!("{instruction}\n\n{input}") };
        let completion = text(columns.output_name()).to_owned();
        let system = text(columns.system_name());
        let history =
            self.raw.get(columns.history_name()).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if system.trim().is_empty() && history.is_empty() {
            return Body::Completion { prompt, completion };
        }
        let mut turns = Vec::with_capacity(2 * history.len() + 3);
        if !system.trim().is_empty() {
            turns.push(Turn { role: Role::System, text: system.to_owned() });
        }
        for round in history {
            let said = |n: usize| round.get(n).and_then(Value::as_str).unwrap_or_default().to_owned();
            turns.push(Turn { role: Role::User, text: said(0) });
            turns.push(Turn { role: Role::Assistant, text: said(1) });
        }
        turns.push(Turn { role: Role::User, text: prompt });
        turns.push(Turn { role: Role::Assistant, text: completion });
        Body::Chat(turns)
    }

    fn is_key_column(&self, key: &str, value: &Value) -> bool {
        let columns = &*self.columns;
        key == columns.id_name() || (columns.subject_names().any(|name| name == key) && scalar(value).is_some())
    }

    /// Inside the list of turns under `key`, the name of the member that holds the role.
    fn role_key(&self, key: &str) -> Option<&str> {
        let columns = &*self.columns;
        match self.shape {
            Shape::Messages if key == columns.messages_name() => Some(columns.role_name()),
            Shape::ShareGpt if key == columns.conversations_name() => Some(columns.sender_name()),
            _ => None,
        }
    }
}

/// Text of a turn: a string, null (empty), or OpenAI's list of text parts; `None` for anything else.
fn content_text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some(String::new()),
        Value::Array(parts) => parts.iter().map(|part| part.get("text")?.as_str()).collect(),
        _ => None,
    }
}

/// A string or number as text; identifiers and subjects may be either. A number that 64 bits cannot tell from its
/// neighbours is neither.
fn scalar(value: &Value) -> Option<String> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_f64() && number.as_f64().is_none_or(|value| value.abs() >= EXACT) => None,
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A value of a record that is searched. Holds text of a record.
pub struct Searched<'a> {
    /// Where it stands.
    pub place: Place<'a>,
    /// The name of the member that holds it; absent where whole texts lie under that name.
    pub name: Option<&'a str>,
    /// The string, or the digits of the number.
    pub text: Cow<'a, str>,
}

impl Searched<'_> {
    /// As a detector reads it.
    pub fn field(&self) -> Field<'_> {
        Field { name: self.name, text: &self.text }
    }
}

/// Whether the numbers that lie right under a member, or in its list, are searched.
fn has_numbers(name: &str, value: &Value) -> bool {
    matches!(value, Value::Number(_) | Value::Array(_)) && announces(name)
}

/// The text of a string, or the digits of a number of at least 0 that is whole.
fn searched(value: &Value) -> Option<Cow<'_, str>> {
    // More digits than any number has that somebody is given.
    const MOST: f64 = 1e25;
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) if number.is_u64() => Some(Cow::Owned(number.to_string())),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|value| value.fract() == 0.0 && (0.0..MOST).contains(value));
            whole.map(|value| Cow::Owned(format!("{value:.0}")))
        }
        _ => None,
    }
}

/// What takes the place of a number with these digits: a number where as many digits do, else a string.
fn number_or_text(number: &Number, digits: &str, new: String) -> Value {
    /// Digits that a floating-point number holds exactly.
    const EXACT: usize = 15;
    if new == digits {
        return Value::Number(number.clone());
    }
    let like = new.len() == digits.len() && new.bytes().all(|byte| byte.is_ascii_digit());
    let alike = match like && (new.len() == 1 || !new.starts_with('0')) {
        true if number.is_f64() && new.len() <= EXACT => new.parse().ok().and_then(Number::from_f64),
        true if !number.is_f64() => new.parse::<u64>().ok().map(Number::from),
        _ => None,
    };
    alike.map_or(Value::String(new), Value::Number)
}

/// `role_key` applies to the objects directly inside `value`, a list of turns; `numbers` to the numbers there.
fn collect<'a>(
    value: &'a Value,
    place: &Place<'a>,
    role_key: Option<&str>,
    numbers: bool,
    found: &mut Vec<(Place<'a>, &'a Value)>,
) {
    match value {
        Value::String(_) => found.push((place.clone(), value)),
        Value::Number(_) if numbers => found.push((place.clone(), value)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let place = place.item(index);
                match (item, role_key) {
                    (Value::Object(turn), Some(role)) => {
                        for (key, value) in turn.iter().filter(|(key, _)| *key != role) {
                            collect(value, &place.member(key), None, has_numbers(key, value), found);
                        }
                    }
                    _ => collect(item, &place, None, numbers, found),
                }
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                collect(value, &place.member(key), None, has_numbers(key, value), found);
            }
        }
        _ => {}
    }
}

/// The same walk as [`collect`], over mutable values.
fn rewrite(value: &mut Value, role_key: Option<&str>, numbers: bool, f: &mut impl FnMut(&str) -> String) {
    match value {
        Value::String(text) => *text = f(text),
        Value::Number(number) if numbers => {
            if let Some(digits) = searched(&Value::Number(number.clone())) {
                let new = f(&digits);
                *value = number_or_text(number, &digits, new);
            }
        }
        Value::Array(items) => {
            for item in items {
                match (item, role_key) {
                    (Value::Object(turn), Some(role)) => {
                        for (key, value) in turn.iter_mut().filter(|(key, _)| *key != role) {
                            let numbers = has_numbers(key, value);
                            rewrite(value, None, numbers, f);
                        }
                    }
                    (item, _) => rewrite(item, None, numbers, f),
                }
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                let numbers = has_numbers(key, value);
                rewrite(value, None, numbers, f);
            }
        }
        _ => {}
    }
}

fn names<'a>(value: &'a Value, f: &mut impl FnMut(&'a str)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| names(item, f)),
        Value::Object(members) => {
            for (key, value) in members {
                f(key);
                names(value, f);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    fn one(line: &str) -> Record {
        read_from(line.as_bytes(), &Columns::default()).unwrap_or_else(|e| panic!("{e}")).records.remove(0)
    }

    #[test]
    fn fields_skip_roles_and_keys_but_reach_every_other_string() {
        let record = one(
            r#"{"id":"a","subject":"s","messages":[{"role":"user","name":"ana","content":"hi"},{"role":"assistant","content":[{"type":"text","text":"yo"}]}],"meta":{"a/b":["x",3]}}"#,
        );
        let fields: Vec<_> = record.fields().map(|(place, text)| (place.to_string(), text)).collect();
        assert_eq!(
            fields,
            [
                ("/messages/0/name".to_owned(), "ana"),
                ("/messages/0/content".to_owned(), "hi"),
                ("/messages/1/content/0/type".to_owned(), "text"),
                ("/messages/1/content/0/text".to_owned(), "yo"),
                ("/meta/a~1b/0".to_owned(), "x"),
            ]
        );
    }

    #[test]
    fn map_text_changes_what_fields_shows_and_nothing_else() {
        let mut record = one(r#"{"n":1.50,"id":7,"prompt":"p","completion":"c","z":null}"#);
        record.map_text(|text| format!("<{text}>"));
        assert_eq!(record.to_json_line(), r#"{"n":1.5,"id":7,"prompt":"<p>","completion":"<c>","z":null}"#);
        assert_eq!(record.id, "7");
    }

    #[test]
    fn both_walks_agree_on_a_subject_that_is_no_scalar() {
        for line in [
            r#"{"subject":["ana"],"text":"t"}"#,
            r#"{"user_id":{"a":"b"},"subject":"s","text":"t"}"#,
            r#"{"subject":123456789012345678901234567890,"text":"t"}"#,
        ] {
            let mut record = one(line);
            let shown: Vec<String> = record.fields().map(|(_, text)| text.to_owned()).collect();
            let mut walked = Vec::new();
            record.map_text(|text| {
                walked.push(text.to_owned());
                text.to_owned()
            });
            assert_eq!(shown, walked, "{line}");
        }
        assert_eq!(one(r#"{"subject":["ana"],"text":"t"}"#).fields().count(), 2);
        assert!(one(r#"{"subject":123456789012345678901234567890,"text":"t"}"#).subject.is_none());
    }

    #[test]
    fn names_of_members_are_those_of_every_depth() {
        let record = one(r#"{"text":"t","meta":[{"a":{"b":1}},2]}"#);
        let mut found = Vec::new();
        record.member_names(|name| found.push(name));
        assert_eq!(found, ["text", "meta", "a", "b"]);
    }

    #[test]
    fn values_are_found_by_pointer() {
        let record = one(r#"{"text":"t","a/b":{"age":34,"list":["x"]}}"#);
        assert_eq!(record.value("/a~1b/age").and_then(Value::as_u64), Some(34));
        assert_eq!(record.value("/a~1b/list/0").and_then(Value::as_str), Some("x"));
        assert_eq!(record.value("/text").and_then(Value::as_str), Some("t"));
        for absent in ["", "text", "/", "/a/b", "/text/0", "/a~1b/list/1"] {
            assert!(record.value(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn alpaca_with_history_is_a_chat() {
        let Body::Chat(turns) =
            one(r#"{"instruction":"i","input":"n","output":"o","system":"s","history":[["q","a"]]}"#).body()
        else {
            panic!("not a chat")
        };
        let got: Vec<_> = turns.iter().map(|t| (t.role, t.text.as_str())).collect();
        assert_eq!(
            got,
            [
                (Role::System, "s"),
                (Role::User, "q"),
                (Role::Assistant, "a"),
                (Role::User, "i\n\nn"),
                (Role::Assistant, "o"),
            ]
        );
    }

    #[test]
    fn every_subject_column_is_rewritten() {
        let mut record = one(r#"{"subject":"ana","user_id":12,"text":"t"}"#);
        record.map_subject(|old| format!("<{old}>"));
        assert_eq!(record.to_json_line(), r#"{"subject":"<ana>","user_id":"<12>","text":"t"}"#);
        assert_eq!(record.subject.as_deref(), Some("<ana>"));
    }
}
