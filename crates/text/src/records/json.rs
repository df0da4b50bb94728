//! One JSON text to the members of a record.
//!
//! Invariant: at most two passes of the parser over a text; nesting is bounded by the parser ([`DEPTH_LIMIT`]), so deep
//! input is a refusal and never a full stack. Mending changes single characters only (U+FFFD in their place), so that
//! everything that can be read is read and every offset in code points stays.
//! Source: RFC 8259, section 8.2 for surrogates; Unicode, chapter 3 for U+FFFD substitution.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use memchr::{memchr, memchr_iter, memmem};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::finding::Problem;
use crate::error::{Error, Result};

/// Deepest accepted nesting of objects and lists.
pub const DEPTH_LIMIT: usize = 127;

/// Most values accepted in a record: in memory each takes tens of bytes, whatever it takes in the file.
pub const VALUES_LIMIT: usize = 1 << 19;

/// How a text is read.
pub(super) struct Reading<'a> {
    /// The line in which the text begins, from 1.
    pub(super) line: usize,
    /// Bytes of the line before the text.
    pub(super) skipped: usize,
    /// Whether to go on where a character can stand for what is wrong; else the first fault is the error.
    pub(super) mend: bool,
    /// Hears of what was mended or is odd.
    pub(super) note: &'a mut dyn FnMut(Problem),
}

/// The members of the one object in `content`.
pub(super) fn object(mut content: &[u8], reading: &mut Reading<'_>) -> Result<Map<String, Value>> {
    let (line, skipped) = (reading.line, reading.skipped);
    if reading.mend
        && let Some(rest) = content.strip_prefix(b"\xEF\xBB\xBF")
    {
        // Where files were put together, marks stand inside.
        (reading.note)(Problem::ByteOrderMark);
        content = rest;
    }
    if memchr_iter(b',', content).count() >= VALUES_LIMIT && commas(content) >= VALUES_LIMIT {
        return Err(Error::TooManyValues { line, limit: VALUES_LIMIT });
    }
    let mut text = match std::str::from_utf8(content) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) if reading.mend => {
            (reading.note)(Problem::NotUtf8);
            String::from_utf8_lossy(content)
        }
        Err(error) => return Err(Error::NotUtf8 { line, byte: skipped + error.valid_up_to() }),
    };
    let mut nul = false;
    if let Some(byte) = memchr(0, text.as_bytes()) {
        if !reading.mend {
            return Err(Error::Nul { line, byte: skipped + byte });
        }
        text = Cow::Owned(text.replace('\0', "\u{FFFD}"));
        nul = true;
    }
    let repeated = Cell::new(false);
    let value: Value = match parse(&text, &repeated) {
        Ok(value) => value,
        Err(error) => {
            let fault = match lone_surrogates(&text) {
                surrogates if !surrogates.is_empty() => {
                    let whole = without(&text, &surrogates);
                    match parse(&whole, &repeated) {
                        Ok(value) if reading.mend => {
                            (reading.note)(Problem::LoneSurrogate);
                            Ok(value)
                        }
                        Ok(_) => Err(Error::LoneSurrogate { line, byte: skipped + surrogates[0] }),
                        // A replacement is as long as what it replaces, so places stay.
                        Err(error) => Err(refusal(&error, &text, reading)),
                    }
                }
                _ => Err(refusal(&error, &text, reading)),
            };
            fault?
        }
    };
    if let Some(byte) = memmem::find(text.as_bytes(), br"\u0000")
        && any_string(&value, &mut |text| text.contains('\0'))
    {
        if !reading.mend {
            return Err(Error::Nul { line, byte: skipped + byte });
        }
        nul = true;
    }
    if nul {
        (reading.note)(Problem::Nul);
    }
    if repeated.get() {
        (reading.note)(Problem::RepeatedName);
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

/// A text as one value; sees whether a name stands twice in an object.
fn parse(text: &str, repeated: &Cell<bool>) -> serde_json::Result<Value> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let value = Values { repeated }.deserialize(&mut parser)?;
    parser.end()?;
    Ok(value)
}

/// Builds values as `serde_json` does, of equal names the last.
#[derive(Clone, Copy)]
struct Values<'a> {
    repeated: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.insert(name, members.next_value_seed(self)?).is_some() {
                self.repeated.set(true);
            }
        }
        Ok(Value::Object(object))
    }
}

fn refusal(error: &serde_json::Error, text: &str, reading: &Reading<'_>) -> Error {
    if depth(text.as_bytes()) > DEPTH_LIMIT {
        return Error::TooDeep { line: reading.line, limit: DEPTH_LIMIT };
    }
    // The parser counts lines inside the text; a record of several lines is named by the line of the fault.
    let lines_before = error.line().saturating_sub(1);
    let before = if lines_before == 0 { reading.skipped } else { 0 };
    let byte = before + error.column().saturating_sub(1).min(text.len());
    Error::NotJson { line: reading.line + lines_before, byte }
}

/// The deepest nesting.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    outside_strings(bytes, |byte| match byte {
        b'{' | b'[' => {
            depth += 1;
            deepest = deepest.max(depth);
        }
        b'}' | b']' => depth = depth.saturating_sub(1),
        _ => {}
    });
    deepest
}

/// The commas that separate values.
fn commas(bytes: &[u8]) -> usize {
    let mut count = 0;
    outside_strings(bytes, |byte| count += usize::from(byte == b','));
    count
}

fn outside_strings(bytes: &[u8], mut see: impl FnMut(u8)) {
    let (mut in_string, mut escaped) = (false, false);
    for &byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            byte if !in_string => see(byte),
            _ => {}
        }
    }
}

/// Where the escapes of halves of surrogate pairs stand that have no other half beside them.
fn lone_surrogates(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = memchr(b'\\', &bytes[from..]).map(|at| from + at) {
        from = at
            + match unit(bytes, at) {
                Some(0xD800..=0xDBFF) if matches!(unit(bytes, at + 6), Some(0xDC00..=0xDFFF)) => 12,
                Some(0xD800..=0xDFFF) => {
                    found.push(at);
                    6
                }
                _ => 2, // the escape and what is escaped, which may be a backslash
            };
        if from > bytes.len() {
            break;
        }
    }
    found
}

/// The code unit of an escape `\uXXXX` at `at`.
fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + 6)?.strip_prefix(br"\u")?;
    escape.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

fn without(text: &str, surrogates: &[usize]) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut from = 0;
    for &at in surrogates {
        whole.push_str(&text[from..at]);
        whole.push_str(r"\ufffd");
        from = at + 6;
    }
    whole.push_str(&text[from..]);
    whole
}

/// Whether any string or name inside `value` is one for which `wanted` holds.
fn any_string(value: &Value, wanted: &mut impl FnMut(&str) -> bool) -> bool {
    match value {
        Value::String(text) => wanted(text),
        Value::Array(items) => items.iter().any(|item| any_string(item, wanted)),
        Value::Object(members) => members.iter().any(|(name, value)| wanted(name) || any_string(value, wanted)),
        _ => false,
    }
}

/// Whether a string or a name holds an embedding, override or isolate of the bidirectional algorithm (UAX 9, section 2).
pub(super) fn has_bidi_control(members: &Map<String, Value>) -> bool {
    members.iter().any(|(name, value)| is_bidi(name) || any_string(value, &mut is_bidi))
}

/// U+202A to U+202E and U+2066 to U+2069 all begin with the byte E2, which English text rarely has.
fn is_bidi(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr_iter(0xE2, bytes)
        .any(|at| matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xAA..=0xAE] | [0x81, 0xA6..=0xA9])))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn read(content: &[u8], mend: bool) -> (Result<Map<String, Value>>, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut note = |problem| problems.push(problem);
        let result = object(content, &mut Reading { line: 3, skipped: 0, mend, note: &mut note });
        (result, problems)
    }

    fn text(content: &[u8]) -> (String, Vec<Problem>) {
        let (result, problems) = read(content, true);
        (result.unwrap()["text"].as_str().unwrap().to_owned(), problems)
    }

    #[test]
    fn halves_of_pairs_become_one_character_each() {
        assert_eq!(
            text(br#"{"text":"a\ud800b\udc00\uD83D\uDE00"}"#),
            ("a\u{FFFD}b\u{FFFD}😀".into(), vec![Problem::LoneSurrogate])
        );
        assert_eq!(text(br#"{"text":"a\\ud800"}"#), ("a\\ud800".into(), vec![]));
        assert_eq!(
            text(br#"{"text":"\ud800\ud800\udc00"}"#),
            ("\u{FFFD}\u{10000}".into(), vec![Problem::LoneSurrogate])
        );
        let error = read(br#"{"text":"ab\ud800"}"#, false).0.err().unwrap();
        assert_eq!(error.to_string(), "line 3, byte 11: half of a surrogate pair");
        let error = read(br#"{"text":"ab\ud800"#, true).0.err().unwrap();
        assert!(matches!(error, Error::NotJson { line: 3, .. }), "{error}");
    }

    #[test]
    fn bytes_and_nuls_are_mended_only_on_request() {
        assert_eq!(text(b"{\"text\":\"a\xFFb\"}"), ("a\u{FFFD}b".into(), vec![Problem::NotUtf8]));
        assert_eq!(text(b"{\"text\":\"a\0b\"}"), ("a\u{FFFD}b".into(), vec![Problem::Nul]));
        assert_eq!(text(br#"{"text":"a\u0000b"}"#), ("a\0b".into(), vec![Problem::Nul]));
        for bad in [&b"{\"text\":\"a\xFFb\"}"[..], b"{\"text\":\"a\0b\"}", br#"{"text":"a\u0000b"}"#] {
            assert!(read(bad, false).0.is_err());
        }
    }

    #[test]
    fn deep_input_is_refused_at_any_depth() {
        let nested = |depth: usize| format!("{{\"text\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(nested(DEPTH_LIMIT - 1).as_bytes(), false).0.is_ok());
        for depth in [DEPTH_LIMIT, 100_000, 1_000_000] {
            let error = read(nested(depth).as_bytes(), true).0.err().unwrap();
            assert_eq!(error.to_string(), "line 3 is nested deeper than 127 levels");
        }
        let open = "{\"a\":".repeat(100_000);
        assert!(matches!(read(open.as_bytes(), false).0, Err(Error::TooDeep { .. })));
    }

    #[test]
    fn names_that_stand_twice_are_told_and_the_last_value_is_read() {
        for (line, said, told) in [
            (r#"{"text":"a","text":"b"}"#, r#"{"text":"b"}"#, true),
            (r#"{"text":"a","m":[{"x":1,"\u0078":null}]}"#, r#"{"text":"a","m":[{"x":null}]}"#, true),
            (r#"{"text":"a","m":{"text":1.5},"n":[{"x":-1},{"x":18446744073709551615}]}"#, "", false),
        ] {
            for mend in [true, false] {
                let (members, problems) = read(line.as_bytes(), mend);
                let members = Value::Object(members.unwrap()).to_string();
                assert_eq!(members, if said.is_empty() { line } else { said });
                assert_eq!(problems, if told { vec![Problem::RepeatedName] } else { vec![] }, "{line}");
            }
        }
    }

    #[test]
    fn values_are_those_of_serde_json() {
        for text in [
            "[1,-2,0.5,1e300,123456789012345678901234567890,-0,true,null,\"a\\n\",{},[]]",
            "1 2",
            "{\"a\":1,}",
            "\"\\ud800\"",
        ] {
            let (ours, theirs) = (parse(text, &Cell::new(false)), serde_json::from_str::<Value>(text));
            assert_eq!(ours.map_err(|error| error.to_string()), theirs.map_err(|error| error.to_string()), "{text}");
        }
    }

    #[test]
    fn directions_are_seen_in_names_and_values() {
        for (line, bidi) in [
            (r#"{"text":"a\u202eb"}"#, true),
            (r#"{"te\u2066xt":[{"a":1}]}"#, true),
            (r#"{"text":["x",{"y":"\u2069"}]}"#, true),
            (r#"{"text":"dash \u2014 marks \u200f \u2028 \u202f"}"#, false),
        ] {
            assert_eq!(has_bidi_control(&read(line.as_bytes(), false).0.unwrap()), bidi, "{line}");
        }
    }
}
