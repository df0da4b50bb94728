//! What stands between two words, in sixteen classes, and where sentences end.
//!
//! Invariant: the class depends on the gap and on the words beside it alone, and at most [`LOOK`] bytes of either end of a
//! gap are read, beside one search for a line break.

use crate::detect::{Form, Token, View};

/// Number of classes.
pub const GAPS: usize = 16;

/// Bytes read at either end of a gap.
const LOOK: usize = 8;

/// The start of a sentence, or of the text.
pub(super) const SENTENCE: u8 = 0;
const SPACE: u8 = 1;
const JOINED: u8 = 2;
const DOT: u8 = 3;
const ABBREVIATION: u8 = 4;
pub(super) const LINE: u8 = 5;
const COMMA: u8 = 6;
const COLON: u8 = 7;
const AT: u8 = 8;
const HASH: u8 = 9;
const AND: u8 = 10;
const OPEN: u8 = 11;
const CLOSE: u8 = 12;
const QUOTE: u8 = 13;
const DASH: u8 = 14;
const OTHER: u8 = 15;

/// Words whose full stop ends no sentence.
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "mx", "dr", "prof", "st", "ste", "sr", "jr", "sra", "srta", "rev", "hon", "sen", "rep", "gov",
    "gen", "col", "capt", "cpt", "maj", "lt", "sgt", "cpl", "pvt", "adm", "cmdr", "fr", "bros", "inc", "corp", "co",
    "ltd", "vs", "etc", "eg", "ie", "cf", "al", "mt", "ft", "no", "nr", "vol", "ed", "eds", "op", "approx", "dept",
    "univ", "assn", "ave", "blvd", "rd", "attn", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct",
    "nov", "dec", "ph", "u", "s", "hr", "fam", "sig", "mme", "mlle",
];

/// The class of the gap before token `index`; of the end of the text where there is no such token.
pub(super) fn before(view: &View<'_>, index: usize) -> u8 {
    let tokens = &view.tokens;
    let (Some(left), Some(right)) = (index.checked_sub(1).and_then(|left| tokens.get(left)), tokens.get(index)) else {
        // A handle or a tag can open a text.
        return match (index, view.tokens.first().map(|first| view.before(first.start))) {
            (0, Some(b'@')) => AT,
            (0, Some(b'#')) => HASH,
            _ => SENTENCE,
        };
    };
    class(&view.bytes[left.end..right.start], &view.text[left.start..left.end], left, right)
}

fn class(gap: &[u8], left_word: &str, left: &Token, right: &Token) -> u8 {
    match gap {
        b" " => return SPACE,
        b"" | b"-" | b"_" | b"'" | b"/" => return JOINED,
        b"." => return DOT,
        b", " => return COMMA,
        _ => {}
    }
    match gap.last() {
        Some(b'@') => return AT,
        Some(b'#') => return HASH,
        _ => {}
    }
    if memchr::memchr2(b'\n', b'\r', gap).is_some() {
        return LINE;
    }
    let head = &gap[..gap.len().min(LOOK)];
    let spaced = head.iter().any(u8::is_ascii_whitespace);
    let Some(mark) = head.iter().find(|byte| !byte.is_ascii_whitespace()) else { return SPACE };
    match mark {
        b'.' if !spaced => DOT,
        b'.' => {
            let short = left.form == Form::Initial
                || (left_word.len() < 8 && ABBREVIATIONS.iter().any(|word| left_word.eq_ignore_ascii_case(word)));
            if (short && head != b"...") || right.form == Form::Lower { ABBREVIATION } else { SENTENCE }
        }
        b'!' | b'?' if spaced => SENTENCE,
        b',' => COMMA,
        b':' => COLON,
        b'&' | b'+' => AND,
        b'(' | b'[' | b'{' | b'<' => OPEN,
        b')' | b']' | b'}' | b'>' => CLOSE,
        b'"' | b'\'' | b'`' => QUOTE,
        b'-' | b'|' | b';' | b'/' | b'*' => DASH,
        // U+2018 to U+201F are quotation marks, U+2010 to U+2015 dashes.
        0xE2 => match gap[gap.iter().position(|byte| byte == mark).unwrap_or(0)..] {
            [_, 0x80, 0x98..=0x9F, ..] if gap.len() == 3 && !spaced => JOINED,
            [_, 0x80, 0x98..=0x9F, ..] => QUOTE,
            [_, 0x80, 0x90..=0x95, ..] => DASH,
            _ => OTHER,
        },
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::detect::Context;

    fn classes(text: &str) -> Vec<u8> {
        let context = Context::new();
        let view = View::new(text, &context);
        (0..=view.tokens.len()).map(|index| before(&view, index)).collect()
    }

    #[test]
    fn full_stops_after_initials_and_abbreviations_end_no_sentence() {
        assert_eq!(classes("Mr. J. Doe left. He"), [0, ABBREVIATION, ABBREVIATION, SPACE, SENTENCE, 0]);
        assert_eq!(classes("U.S. army. it"), [0, DOT, ABBREVIATION, ABBREVIATION, 0]);
    }

    #[test]
    fn handles_lines_and_quotes_have_their_classes() {
        assert_eq!(
            classes("@ana met #bob, \u{201c}Eve\u{201d} \u{2013} x"),
            [AT, SPACE, HASH, COMMA, QUOTE, 0][..4].iter().copied().chain([QUOTE, 0]).collect::<Vec<_>>()
        );
        assert_eq!(classes("a\r\nb: c"), [0, LINE, COLON, 0]);
        assert_eq!(classes(""), [0]);
    }
}
