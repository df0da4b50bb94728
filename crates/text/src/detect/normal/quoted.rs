//! Quoted-printable, as mails have it: `Jos=C3=A9`, and lines that end with `=` and go on.
//!
//! Invariant: at each `=` at most two dozen bytes are looked at, and nothing is read so unless something in the same stretch of
//! text shows that it is written so: programs and queries are full of equals signs.
//! Sources: RFC 2045 section 6.7 (capitals in codes, soft line breaks), ISO 8859-1 for the bytes of older mails.

use std::ops::Range;

use memchr::memchr_iter;

use super::{Edit, With};

pub(super) fn find(text: &str, range: Range<usize>, out: &mut Vec<Edit>) {
    let bytes = text.as_bytes();
    let mut signs = memchr_iter(b'=', &bytes[range.clone()]).map(|at| range.start + at);
    if signs.any(|at| is_evidence(bytes, at)) {
        codes(bytes, range, out);
    }
}

/// The same in a value that was found, of which the text around it may have shown that it is written so: no number, name or
/// address has an equals sign before two digits otherwise, but a query may.
pub(super) fn find_in_value(value: &str, out: &mut Vec<Edit>) {
    let is_query = value.contains("://") || value.contains(['?', '&', ';']);
    if !is_query || value.contains("=3D") {
        codes(value.as_bytes(), 0..value.len(), out);
    } else {
        find(value, 0..value.len(), out);
    }
}

fn codes(bytes: &[u8], range: Range<usize>, out: &mut Vec<Edit>) {
    let mut done = range.start;
    for at in memchr_iter(b'=', &bytes[range.clone()]).map(|at| range.start + at) {
        if at >= done
            && let Some((length, with)) = code(&bytes[at..])
        {
            done = at + length;
            out.push(Edit::new(at..done, with));
        }
    }
}

/// What an equals sign begins: a character, or a line break that is none.
fn code(rest: &[u8]) -> Option<(usize, With)> {
    if let Some(length) = soft_break(rest) {
        return Some((length, With::Nothing));
    }
    let lead = byte(rest)?;
    let length = match lead {
        b'\r' | b'\n' | b'\t' | b' '..=0x7E => return Some((3, With::Char(char::from(lead)))),
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    };
    utf_8(rest, length).or_else(|| (lead >= 0xA0).then(|| (3, With::Char(char::from(lead)))))
}

/// A character of so many codes, between which lines may break.
fn utf_8(rest: &[u8], length: usize) -> Option<(usize, With)> {
    let (mut encoded, mut at) = ([0; 4], 0);
    for (n, slot) in encoded.iter_mut().take(length).enumerate() {
        let code = rest.get(at..)?;
        let skipped = if n > 0 { soft_break(code).unwrap_or(0) } else { 0 };
        *slot = byte(&code[skipped..])?;
        at += skipped + 3;
    }
    let c = std::str::from_utf8(&encoded[..length]).ok()?.chars().next()?;
    (length > 1).then_some((at, With::Char(c)))
}

/// The byte of `=C3`.
fn byte(rest: &[u8]) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    match rest {
        [b'=', high, low, ..] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

/// Bytes of a soft line break; spaces at the end of a line are none of it.
fn soft_break(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'=', b'\n', ..] => Some(2),
        [b'=', b'\r', b'\n', ..] => Some(3),
        _ => None,
    }
}

/// Whether only quoted-printable has such an equals sign: one that breaks a line which goes on at once, a code of several
/// bytes, an encoded sign before a quotation mark or at the end of a line, a letter of ISO 8859-1 inside a word.
fn is_evidence(bytes: &[u8], at: usize) -> bool {
    let rest = &bytes[at..];
    let before = at.checked_sub(1).map_or(b' ', |at| bytes[at]);
    if let Some(length) = soft_break(rest) {
        // The text goes on; `name =` and an indented line are a program, and `==` ends base64.
        let next = rest.get(length).filter(|next| !matches!(next, b'\r' | b'\n'));
        let program = before == b' ' && matches!(next, Some(b' ' | b'\t'));
        return before != b'=' && next.is_some() && !program;
    }
    let Some(lead) = byte(rest) else { return false };
    let next = rest.get(3).copied().unwrap_or(b'\n');
    match lead {
        b'=' => next == b'"',
        b' ' => matches!(rest.get(3), Some(b'\n' | b'\r')),
        0xC2..=0xDF if utf_8(rest, 2).is_some() => true,
        0xE0..=0xEF if utf_8(rest, 3).is_some() => true,
        0xF0..=0xF4 if utf_8(rest, 4).is_some() => true,
        0xC0..=0xFF => {
            let letters = bytes[at.saturating_sub(32)..at].iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
            let sign = at.checked_sub(letters + 1).map_or(b' ', |at| bytes[at]);
            let word = letters > usize::from(!next.is_ascii_lowercase())
                && (sign.is_ascii_whitespace() || matches!(sign, b'"' | b'\'' | b'(' | b'>' | b'-'));
            word && !(next.is_ascii_uppercase() || next.is_ascii_digit())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(text: &str) -> Option<String> {
        let mut edits = Vec::new();
        find(text, 0..text.len(), &mut edits);
        (!edits.is_empty()).then(|| super::super::applied(text, 0..text.len(), &edits).0)
    }

    #[test]
    fn codes_and_soft_breaks_are_undone() {
        for (text, want) in [
            ("Jos=C3=A9 Mu=C3=B1oz", "José Muñoz"),
            ("ana.ru=\niz@corp.com", "ana.ruiz@corp.com"),
            ("ana.ru=\r\niz@corp.com", "ana.ruiz@corp.com"),
            ("J=FCrgen M=FCller", "Jürgen Müller"),
            ("M=FCller=2C Ana", "Müller, Ana"),
            ("<a class=3D\"x\">=20", "<a class=\"x\"> "),
            ("=E6=9D=B1", "東"),
            ("Jos=C3=\n=A9", "José"),
        ] {
            assert_eq!(undone(text).as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn a_value_is_read_without_evidence_unless_it_may_be_a_query() {
        for (value, codes) in
            [("4556=207375=208689", 2), ("Ana=20Ruiz", 1), ("https://h.org/?a=20", 0), ("?a=3D1&b=3D20", 2)]
        {
            let mut edits = Vec::new();
            find_in_value(value, &mut edits);
            assert_eq!(edits.len(), codes, "{value}");
        }
    }

    #[test]
    fn programs_queries_and_base64_are_left_alone() {
        for text in [
            "let x =\n    41;",
            "color=FFAA00",
            "?page=20&id=41&v=E9",
            "QUJDREVGR0hJSktMTU5PUA==\nnext",
            "a=41 b=C3 c=C3=28",
            "mode=3D",
            "x=",
            "x=\n",
        ] {
            assert_eq!(undone(text), None, "{text}");
        }
    }
}
