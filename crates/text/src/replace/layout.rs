//! How a line of JSON was laid out by the program that wrote it.
//!
//! Invariant: a layout and a value give exactly one line. The layouts are those of common writers: without spaces, or with
//! one behind each comma and colon (Python's default); with all characters as they are, or with those outside printable
//! ASCII as escapes (Python's default); with either line break, or none at the end of a file.

use std::fmt::Write as _;

use serde_json::Value;

/// One of 32 layouts, as bits.
#[derive(Clone, Copy)]
pub(super) struct Layout(u8);

const SPACED: u8 = 1;
const ASCII: u8 = 2;
const CARRIAGE_RETURN: u8 = 4;
const NO_BREAK: u8 = 8;
const NUMBERS: u8 = 16;

impl Layout {
    /// Every layout, the likeliest first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..32).filter(|code| code & (CARRIAGE_RETURN | NO_BREAK) != CARRIAGE_RETURN | NO_BREAK).map(Self)
    }

    pub(super) fn of(code: u8) -> Self {
        Self(code)
    }

    pub(super) fn code(self) -> u8 {
        self.0
    }

    /// Whether identifiers that read like numbers were numbers.
    pub(super) fn numbers(self) -> bool {
        self.has(NUMBERS)
    }

    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    /// The line of a value, with its line break.
    pub(super) fn write(self, value: &Value) -> String {
        let mut out = String::new();
        self.value(value, &mut out);
        out.push_str(match (self.has(NO_BREAK), self.has(CARRIAGE_RETURN)) {
            (true, _) => "",
            (false, true) => "\r\n",
            (false, false) => "\n",
        });
        out
    }

    fn value(self, value: &Value, out: &mut String) {
        let (comma, colon) = if self.has(SPACED) { (", ", ": ") } else { (",", ":") };
        match value {
            Value::String(text) => self.string(text, out),
            Value::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { comma } else { "" });
                    self.value(item, out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (index, (name, member)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { comma } else { "" });
                    self.string(name, out);
                    out.push_str(colon);
                    self.value(member, out);
                }
                out.push('}');
            }
            other => out.push_str(&other.to_string()),
        }
    }

    fn string(self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                ' '..='~' => out.push(c),
                c if self.has(ASCII) || c < ' ' => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        // A String takes whatever is written.
                        let _ = write!(out, "\\u{unit:04x}");
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_layout_is_that_of_the_writer_of_this_crate() {
        let value = json!({"a": ["é\u{7f}\u{1}\"\\\n\u{1F642}", 1.5, null, true, {"b": -1}], "c": {}});
        assert_eq!(Layout::of(0).write(&value), format!("{value}\n"));
    }

    #[test]
    fn escapes_are_those_of_python() {
        let value = json!({"a": "é\u{7f}\u{1F642}\u{1}", "b": [1, 2]});
        let want = "{\"a\": \"\\u00e9\\u007f\\ud83d\\ude42\\u0001\", \"b\": [1, 2]}\n";
        assert_eq!(Layout::of(SPACED | ASCII).write(&value), want);
    }
}
