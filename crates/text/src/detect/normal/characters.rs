//! Characters that are not what they look like: invisible ones, compatibility forms, look-alikes of Latin letters.
//!
//! Invariant: each character is looked at once, and each word with a look-alike in it once more.
//! Sources: Unicode UAX #15 (NFKC), UTS #39 (confusables), Unicode general category Nd (decimal digits).

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

use super::{Edit, With};

/// The zeros of other scripts, whose digits follow in order.
const ZEROS: &[u32] = &[
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0E50, 0x0ED0,
    0x0F20, 0x1040, 0x17E0, 0x1810,
];
/// Cyrillic and Greek letters and the Latin ones they are taken for.
const LOOK_ALIKES: &[(char, char)] = &[
    ('Α', 'A'),
    ('Β', 'B'),
    ('Ε', 'E'),
    ('Ζ', 'Z'),
    ('Η', 'H'),
    ('Ι', 'I'),
    ('Κ', 'K'),
    ('Μ', 'M'),
    ('Ν', 'N'),
    ('Ο', 'O'),
    ('Ρ', 'P'),
    ('Τ', 'T'),
    ('Υ', 'Y'),
    ('Χ', 'X'),
    ('α', 'a'),
    ('γ', 'y'),
    ('ι', 'i'),
    ('κ', 'k'),
    ('ν', 'v'),
    ('ο', 'o'),
    ('ρ', 'p'),
    ('υ', 'u'),
    ('χ', 'x'),
    ('ϲ', 'c'),
    ('ϳ', 'j'),
    ('Ѕ', 'S'),
    ('І', 'I'),
    ('Ј', 'J'),
    ('А', 'A'),
    ('В', 'B'),
    ('Е', 'E'),
    ('К', 'K'),
    ('М', 'M'),
    ('Н', 'H'),
    ('О', 'O'),
    ('Р', 'P'),
    ('С', 'C'),
    ('Т', 'T'),
    ('У', 'Y'),
    ('Х', 'X'),
    ('а', 'a'),
    ('е', 'e'),
    ('к', 'k'),
    ('о', 'o'),
    ('р', 'p'),
    ('с', 'c'),
    ('у', 'y'),
    ('х', 'x'),
    ('ѕ', 's'),
    ('і', 'i'),
    ('ј', 'j'),
    ('Ү', 'Y'),
    ('һ', 'h'),
    ('ӏ', 'l'),
    ('ԁ', 'd'),
    ('ԛ', 'q'),
    ('ԝ', 'w'),
];
/// Bytes of Latin letters before a look-alike that are looked at.
const WORD_REACH: usize = 64;

pub(super) fn find(text: &str, range: Range<usize>, out: &mut Vec<Edit>) {
    // Many bytes at once; most texts end here.
    if text.as_bytes()[range.clone()].is_ascii() {
        return;
    }
    let mut at = range.start;
    while at < range.end {
        let Some(skip) = text.as_bytes()[at..range.end].iter().position(|byte| !byte.is_ascii()) else { break };
        at += skip;
        // Accented Latin letters, nearly all that European languages have, are read as they stand.
        if matches!(text.as_bytes()[at], 0xC3..=0xC9) {
            at += 2;
            continue;
        }
        let Some(c) = text[at..].chars().next() else { break };
        let end = at + c.len_utf8();
        at = match c {
            'Α'..='Ͽ' | 'А'..='ԯ' => look_alikes(text, at, range.end, out),
            c if is_invisible(c) => invisible(text, at, range.end, out),
            c => {
                if let Some(plain) = compatible(c) {
                    out.push(Edit::new(at..end, plain));
                }
                end
            }
        };
    }
}

/// Signs without a width: soft hyphen, zero-width signs, marks and controls of direction, fillers, tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
}

/// Leaves a run of invisible signs out where it stands inside a word, a number or an address; returns its end.
fn invisible(text: &str, start: usize, limit: usize, out: &mut Vec<Edit>) -> usize {
    let length: usize = text[start..].chars().take_while(|c| is_invisible(*c)).map(char::len_utf8).sum();
    let end = start + length;
    let before = text[..start].chars().next_back();
    let after = text[end..].chars().next();
    let joined = before.zip(after).is_some_and(|(before, after)| {
        !before.is_whitespace() && !after.is_whitespace() && (before.is_alphanumeric() || after.is_alphanumeric())
    });
    if joined && end <= limit {
        out.push(Edit::new(start..end, With::Nothing));
    }
    end
}

/// The ASCII character of a compatibility form, or of a digit in another script.
fn compatible(c: char) -> Option<With> {
    let code = c as u32;
    let ligature = matches!(c, '\u{FB00}'..='\u{FB06}');
    let form = ligature
        || matches!(c, '\u{2070}'..='\u{209C}' | '\u{2102}'..='\u{2149}' | '\u{2460}'..='\u{24FF}' | '\u{3000}'
            | '\u{FE50}'..='\u{FE6B}' | '\u{FF01}'..='\u{FF5E}' | '\u{1D400}'..='\u{1D7FF}' | '\u{1F130}'..='\u{1F149}');
    if !form {
        let zero = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code))?;
        return char::from_digit(code - zero, 10).map(With::Char);
    }
    let mut plain = std::iter::once(c).nfkc();
    let first = plain.next()?;
    let rest = plain.next();
    match (c, rest) {
        ('\u{FB00}', _) => Some(With::Text("ff")),
        ('\u{FB01}', _) => Some(With::Text("fi")),
        ('\u{FB02}', _) => Some(With::Text("fl")),
        ('\u{FB03}', _) => Some(With::Text("ffi")),
        ('\u{FB04}', _) => Some(With::Text("ffl")),
        ('\u{FB05}' | '\u{FB06}', _) => Some(With::Text("st")),
        (_, None) if first.is_ascii() && first != c => Some(With::Char(first)),
        _ => None,
    }
}

/// Reads the look-alikes of a word as Latin letters if it has Latin letters too and no other strange ones; returns
/// where the word ends.
fn look_alikes(text: &str, at: usize, limit: usize, out: &mut Vec<Edit>) -> usize {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@');
    let from = at.saturating_sub(WORD_REACH);
    let before = text.as_bytes()[from..at].iter().rev().take_while(|b| b.is_ascii() && inside(char::from(**b))).count();
    let mut latin = text.as_bytes()[at - before..at].iter().any(u8::is_ascii_alphabetic);
    let (mut strange, mut end) = (false, at);
    let first = out.len();
    for c in text[at..limit].chars().take_while(|c| inside(*c) || is_invisible(*c)) {
        let next = end + c.len_utf8();
        latin |= c.is_ascii_alphabetic();
        if let Ok(found) = LOOK_ALIKES.binary_search_by_key(&c, |(look, _)| *look) {
            out.push(Edit::new(end..next, With::Char(LOOK_ALIKES[found].1)));
        } else if is_invisible(c) {
            out.push(Edit::new(end..next, With::Nothing));
        } else {
            strange |= matches!(c, 'Α'..='Ͽ' | 'А'..='ԯ');
        }
        end = next;
    }
    if strange || !latin {
        out.truncate(first);
    }
    // A sign of these scripts that is no letter is passed over.
    end.max(at + text[at..].chars().next().map_or(1, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_are_sorted() {
        assert!(LOOK_ALIKES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn compatibility_forms_become_ascii() {
        for (c, want) in [
            ('Ａ', 'A'),
            ('９', '9'),
            ('＠', '@'),
            ('𝐀', 'A'),
            ('②', '2'),
            ('ⓐ', 'a'),
            ('₂', '2'),
            ('०', '0'),
            ('９', '9'),
            ('\u{3000}', ' '),
        ] {
            assert!(compatible(c) == Some(With::Char(want)), "{c}");
        }
        for c in ['é', '東', '½', '…', '™', '€', '🙂', '–'] {
            assert!(compatible(c).is_none(), "{c}");
        }
    }
}
