//! Values that stand encoded in their text: how they read, and how what takes their place is written there.
//!
//! Invariant: surrogates are drawn from what a value says, never from the codes that say it, so that no code is taken for a
//! digit and none that says part of the value stays; what is written in its place reads as the new value where the old
//! one stood, and breaks no code around it.
//! Sources: RFC 3986 section 2.1 (percent-encoding), RFC 8259 section 7 (escapes in JSON strings), HTML (character
//! references), RFC 4648 (base64), RFC 2045 section 6.7 (quoted-printable).

use std::borrow::Cow;
use std::ops::Range;

use super::draw::Ring;
use crate::detect::nested::{BASE64, DEPTH};
use crate::detect::normal::{self, Spelled};
use crate::detect::{Label, Span};

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
    /// Quoted-printable, with a soft line break in the value or without.
    Quoted(Option<&'static str>),
}

/// A value as it reads, and how it was written. Holds text of a record.
pub(super) struct Written<'a> {
    value: Cow<'a, str>,
    code: Code,
    /// How an e-mail address spells out its signs.
    spelled: Option<Spelled>,
}

impl<'a> Written<'a> {
    /// Reads a value. A run of base64 is what it is.
    pub(super) fn read(span: &Span, value: &'a str) -> Self {
        let as_it_is = Self { value: Cow::Borrowed(value), code: Code::None, spelled: None };
        if span.kind == Some(BASE64) {
            return as_it_is;
        }
        if matches!(span.label, Label::URL | Label::CREDENTIAL)
            && let Some(url) = Self::read_url(value)
        {
            return url;
        }
        let read = match normal::undone(value, DEPTH) {
            Some(plain) if !plain.is_empty() => Self { value: Cow::Owned(plain), code: Code::of(value), spelled: None },
            _ => as_it_is,
        };
        let is_spelled = span.label == Label::EMAIL_ADDRESS && !read.value.contains('@');
        match Spelled::read(&read.value).filter(|_| is_spelled) {
            Some(spelled) => Self { value: Cow::Owned(spelled.address.clone()), spelled: Some(spelled), ..read },
            None => read,
        }
    }

    /// A URL, with or without a secret: percent-encoding belongs to it and stays once its scheme shows, while strings of JSON
    /// and HTML write it in their codes. `None` where no scheme shows.
    fn read_url(value: &'a str) -> Option<Self> {
        let mut url = Self { value: Cow::Borrowed(value), code: Code::None, spelled: None };
        for _ in 0..DEPTH {
            let mut codes = normal::codes(&url.value);
            let is_around = |(place, _): &(Range<usize>, Option<char>)| url.value.as_bytes()[place.start] != b'%';
            if url.value.contains("://") || codes.iter().any(is_around) {
                codes.retain(is_around);
            }
            let Some((first, _)) = codes.first() else { break };
            let code = if url.code == Code::None { Code::at(&url.value, first.start) } else { url.code };
            let (mut plain, mut done) = (String::with_capacity(url.value.len()), 0);
            for (place, says) in &codes {
                plain.push_str(&url.value[done..place.start]);
                plain.extend(*says);
                done = place.end;
            }
            plain.push_str(&url.value[done..]);
            url = Self { value: Cow::Owned(plain), code, spelled: None };
        }
        url.value.contains("://").then_some(url)
    }

    /// What it says.
    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// What takes its place, written as it was.
    pub(super) fn write(&self, new: String) -> String {
        let new = self.spelled.as_ref().map_or(new.clone(), |spelled| spelled.write(&new));
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
            // A line may be as long as before where the break follows the value.
            Code::Quoted(line_break) => {
                let coded = each(&|c| {
                    let mut bytes = [0; 4];
                    let plain = c.is_ascii() && c != '=';
                    (!plain).then(|| c.encode_utf8(&mut bytes).bytes().map(|byte| format!("={byte:02X}")).collect())
                });
                coded + line_break.unwrap_or_default()
            }
        }
    }
}

impl Code {
    /// By the first code in a value; a sign that begins none decides nothing.
    fn of(value: &str) -> Self {
        normal::codes(value).first().map_or(Self::None, |(place, _)| Self::at(value, place.start))
    }

    /// By the code that begins at `start`.
    fn at(value: &str, start: usize) -> Self {
        match &value.as_bytes()[start..] {
            [b'%', ..] => Self::Percent,
            [b'=', ..] if value.contains("=\r\n") => Self::Quoted(Some("=\r\n")),
            [b'=', ..] => Self::Quoted(value.contains("=\n").then_some("=\n")),
            rest @ [b'\\', ..] => {
                let count = rest.iter().take_while(|byte| **byte == b'\\').count();
                let letter = rest.get(count).is_some_and(u8::is_ascii_alphabetic);
                Self::Backslash { count: if letter { count } else { count.div_ceil(2) } }
            }
            _ => Self::Reference,
        }
    }
}

/// A value of which every letter and digit is hidden; of a run of base64 every sign. Codes that say anything else stay.
pub(super) fn masked(span: &Span, value: &str) -> String {
    let hidden = |c: char| c.is_alphanumeric() || (span.kind == Some(BASE64) && is_base64(c));
    changed(value, |c| hidden(c).then_some('*'))
}

/// What takes the place of a run of base64: one of as many signs that says nothing. Each is drawn from all letters and digits,
/// since the class of a character of base64 tells bits of what is inside; padding and the codes of line breaks stay.
pub(super) fn base64_stand_in(ring: &Ring<'_>, value: &str) -> String {
    const DRAWN: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut draw = ring.draw(&[BASE64, value], 0);
    changed(value, |c| is_base64(c).then(|| char::from(DRAWN[draw.below(DRAWN.len())])))
}

/// A sign of base64, or a character that is read as one.
fn is_base64(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '+' | '/' | '-' | '_')
}

/// A value with the characters that it says changed. Those that stay are written as they were: each code is whole, or gone.
fn changed(value: &str, mut new: impl FnMut(char) -> Option<char>) -> String {
    let mut text = String::with_capacity(value.len());
    for (c, place) in said(value) {
        match new(c) {
            Some(new) => text.push(new),
            None => text.push_str(&value[place]),
        }
    }
    text
}

/// The characters that a value says, each with the place of the code that says it.
fn said(value: &str) -> Vec<(char, Range<usize>)> {
    let mut said: Vec<_> = value.char_indices().map(|(at, c)| (c, at..at + c.len_utf8())).collect();
    for _ in 0..DEPTH {
        let text: String = said.iter().map(|(c, _)| *c).collect();
        let mut codes = normal::codes(&text).into_iter().peekable();
        if codes.peek().is_none() {
            break;
        }
        let (mut outer, mut at) = (said.into_iter(), 0);
        said = Vec::with_capacity(text.len());
        while let Some((c, place)) = outer.next() {
            let code = codes.next_if(|(code, _)| code.start == at);
            at += c.len_utf8();
            let Some((code, says)) = code else {
                said.push((c, place));
                continue;
            };
            let mut end = place.end;
            while at < code.end
                && let Some((c, place)) = outer.next()
            {
                at += c.len_utf8();
                end = place.end;
            }
            said.extend(says.map(|c| (c, place.start..end)));
        }
    }
    said
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
            ("Ana=\nRui=C3=AD", "AnaRui\u{ed}", "M=C3=A9 & \"N\"\n=\n"),
            ("A\u{200b}na Ruiz", "Ana Ruiz", "M\u{e9} & \"N\"\n"),
        ] {
            assert_eq!(rewritten(value, "M\u{e9} & \"N\"\n"), (says.to_owned(), written.to_owned()), "{value}");
        }
    }
    #[test]
    fn a_sign_that_begins_no_code_decides_nothing() {
        for (value, new, written) in [
            ("Smith & \u{ff2a}ones", "Carl & Beard", "Carl & Beard"),
            ("50%&amp;Hunter", "E%&x", "E%&amp;x"),
            ("C:\\Ana%20Ruiz", "Ida Berg", "Ida%20Berg"),
        ] {
            assert_eq!(rewritten(value, new).1, written, "{value}");
        }
    }

    #[test]
    fn a_spelled_address_gives_one_spelled_alike() {
        let spelled = |value: &str| {
            let written = Written::read(&Span::new(0, value.len(), Label::EMAIL_ADDRESS, 1.0), value);
            (written.value().to_owned(), written.write("lena.ortega@example.com".into()))
        };
        for (value, address, new) in [
            ("ana dot ruiz at corp dot com", "ana.ruiz@corp.com", "lena dot ortega at example dot com"),
            ("ana (at) corp [dot] com", "ana@corp.com", "lena [dot] ortega (at) example [dot] com"),
            ("ana (at) corp.com", "ana@corp.com", "lena.ortega (at) example.com"),
            ("ana@corp.com", "ana@corp.com", "lena.ortega@example.com"),
        ] {
            assert_eq!(spelled(value), (address.to_owned(), new.to_owned()), "{value}");
        }
    }

    #[test]
    fn of_a_url_the_codes_around_it_are_undone() {
        for (value, says, new) in [
            (r"https://h.org/a%20b?x=1\u0026y=2", "https://h.org/a%20b?x=1&y=2", "https://h.org/a%20b?x=1&y=2"),
            (r"https:\/\/h.org\/a%2520b", "https://h.org/a%2520b", "https://h.org/a%2520b"),
            ("https://h.org/?x=1&amp;y=&#77;", "https://h.org/?x=1&y=M", "https://h.org/?x=1&amp;y=M"),
            ("https%3A%2F%2Fh.org%2Fa%2520b", "https://h.org/a%20b", "https%3A%2F%2Fh.org%2Fa%2520b"),
        ] {
            for label in [Label::URL, Label::CREDENTIAL] {
                let written = Written::read(&Span::new(0, value.len(), label, 1.0), value);
                assert_eq!((written.value(), written.write(says.to_owned()).as_str()), (says, new), "{value}");
            }
        }
    }

    #[test]
    fn what_is_changed_leaves_codes_whole() {
        for (value, masked_as) in [
            ("Ana Ruiz", "*** ****"),
            ("Ana%2520Ruiz", "***%2520****"),
            ("Ana\\u0020Ruiz", "***\\u0020****"),
            ("Jos%C3%A9&#64;%4A", "****&#64;*"),
            ("\\\\u0041\\/&shy;B 100%", "*\\/* ***%"),
        ] {
            assert_eq!(masked(&Span::new(0, value.len(), Label::PERSON, 1.0), value), masked_as, "{value}");
        }
        let run = "QUJD\\nREVG+/8\\/%2B%3D";
        let span = Span::new(0, run.len(), Label::PERSON, 1.0).of_kind(BASE64);
        assert_eq!(masked(&span, run), "****\\n*********%3D");
    }
}
