//! Values that stand encoded in their text: how they read, and how what takes their place is written there.
//!
//! Invariant: surrogates are drawn from what a value says, never from the codes that say it, so that no code is taken for a
//! digit and none that says part of the value stays; what is written in its place reads as the new value where the old
//! one stood.
//! Sources: RFC 3986 section 2.1 (percent-encoding), RFC 8259 section 7 (escapes in JSON strings), HTML (character
//! references), RFC 4648 (base64).

use std::borrow::Cow;

use super::draw::Ring;
use crate::detect::nested::{BASE64, DEPTH};
use crate::detect::{Label, Span, normal};

/// How a value is written in its text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Code {
    /// As it reads, perhaps with characters that hide or look alike.
    None,
    Percent,
    /// As in a string of JSON in so many strings around it that a letter has `count` backslashes: 1, 2, 4.
    Backslash {
        count: usize,
    },
    Reference,
}

/// A value as it reads, and how it was written.
pub(super) struct Written<'a> {
    value: Cow<'a, str>,
    code: Code,
}

impl<'a> Written<'a> {
    /// Reads a value. A run of base64 and a URL that shows its scheme, with or without a secret, are what they are: the codes
    /// in a URL belong to it.
    pub(super) fn read(span: &Span, value: &'a str) -> Self {
        let as_it_is = Self { value: Cow::Borrowed(value), code: Code::None };
        if span.kind == Some(BASE64) || (matches!(span.label, Label::URL | Label::CREDENTIAL) && value.contains("://"))
        {
            return as_it_is;
        }
        match normal::undone(value, DEPTH) {
            Some(plain) if !plain.is_empty() => Self { value: Cow::Owned(plain), code: Code::of(value) },
            _ => as_it_is,
        }
    }

    /// What it says.
    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// What takes its place, written as it was.
    pub(super) fn write(&self, new: String) -> String {
        let each = |code: &dyn Fn(char) -> Option<String>| -> String {
            new.chars().map(|c| code(c).unwrap_or_else(|| c.to_string())).collect()
        };
        match self.code {
            Code::None => new,
            Code::Percent => each(&|c| {
                let plain = c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '<' | '>');
                let mut bytes = [0; 4];
                (!plain).then(|| c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect())
            }),
            Code::Backslash { count } => each(&|c| {
                let (count, letter) = match c {
                    '\n' => (count, 'n'),
                    '\r' => (count, 'r'),
                    '\t' => (count, 't'),
                    '"' | '\\' => (2 * count - 1, c),
                    _ => return None,
                };
                Some("\\".repeat(count) + letter.encode_utf8(&mut [0; 4]))
            }),
            Code::Reference => each(&|c| match c {
                '&' => Some("&amp;".into()),
                '"' => Some("&quot;".into()),
                '\'' => Some("&#39;".into()),
                _ => None,
            }),
        }
    }
}

impl Code {
    /// By the first code in a value.
    fn of(value: &str) -> Self {
        match value.find(['%', '\\', '&']).map(|at| &value.as_bytes()[at..]) {
            Some([b'%', ..]) => Self::Percent,
            Some(rest @ [b'\\', ..]) => {
                let count = rest.iter().take_while(|byte| **byte == b'\\').count();
                let letter = rest.get(count).is_some_and(u8::is_ascii_alphabetic);
                Self::Backslash { count: if letter { count } else { count.div_ceil(2) } }
            }
            Some([b'&', ..]) => Self::Reference,
            _ => Self::None,
        }
    }
}

/// A run of base64 of the same length that says nothing: each letter and digit is drawn from all of them, since the class
/// of a character of base64 tells bits of what is inside.
pub(super) fn run(ring: &Ring<'_>, value: &str) -> String {
    const DRAWN: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut draw = ring.draw(&[BASE64, value], 0);
    let is_sign = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
    value.chars().map(|c| if is_sign(c) { char::from(DRAWN[draw.below(DRAWN.len())]) } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(value: &str, new: &str) -> (String, String) {
        let written = Written::read(&Span::new(0, value.len(), Label::PERSON, 1.0), value);
        (written.value().to_owned(), written.write(new.to_owned()))
    }

    #[test]
    fn a_value_is_read_and_its_place_written_in_its_code() {
        for (value, says, written) in [
            ("Ana Ruiz", "Ana Ruiz", "M\u{e9} & \"N\"\n"),
            ("Ana%20Ruiz", "Ana Ruiz", "M%C3%A9%20%26%20%22N%22%0A"),
            ("Ana%2520Ruiz", "Ana Ruiz", "M%C3%A9%20%26%20%22N%22%0A"),
            ("Ana\\u0020Ruiz", "Ana Ruiz", "M\u{e9} & \\\"N\\\"\\n"),
            ("Ana\\\\u0020Ruiz", "Ana Ruiz", "M\u{e9} & \\\\\\\"N\\\\\\\"\\\\n"),
            ("Ana&nbsp;Ruiz", "Ana Ruiz", "M\u{e9} &amp; &quot;N&quot;\n"),
            ("A\u{200b}na Ruiz", "Ana Ruiz", "M\u{e9} & \"N\"\n"),
        ] {
            assert_eq!(rewritten(value, "M\u{e9} & \"N\"\n"), (says.to_owned(), written.to_owned()), "{value}");
        }
    }
}
