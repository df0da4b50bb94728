//! Characters written as codes: HTML references, percent-encoding, backslash escapes.
//!
//! Invariant: at each `&`, `%` or backslash at most twelve bytes are looked at.

use std::ops::Range;

use memchr::memchr3_iter;

use super::{Edit, With};

/// Named references that can stand inside personal data: the ASCII signs of HTML and the letters of Latin-1.
const NAMED: &[(&str, char)] = &[
    ("AElig", 'Æ'),
    ("Aacute", 'Á'),
    ("Acirc", 'Â'),
    ("Agrave", 'À'),
    ("Aring", 'Å'),
    ("Atilde", 'Ã'),
    ("Auml", 'Ä'),
    ("Ccedil", 'Ç'),
    ("ETH", 'Ð'),
    ("Eacute", 'É'),
    ("Ecirc", 'Ê'),
    ("Egrave", 'È'),
    ("Euml", 'Ë'),
    ("Iacute", 'Í'),
    ("Icirc", 'Î'),
    ("Igrave", 'Ì'),
    ("Iuml", 'Ï'),
    ("NewLine", '\n'),
    ("Ntilde", 'Ñ'),
    ("Oacute", 'Ó'),
    ("Ocirc", 'Ô'),
    ("Ograve", 'Ò'),
    ("Oslash", 'Ø'),
    ("Otilde", 'Õ'),
    ("Ouml", 'Ö'),
    ("Scaron", 'Š'),
    ("THORN", 'Þ'),
    ("Tab", '\t'),
    ("Uacute", 'Ú'),
    ("Ucirc", 'Û'),
    ("Ugrave", 'Ù'),
    ("Uuml", 'Ü'),
    ("Yacute", 'Ý'),
    ("aacute", 'á'),
    ("acirc", 'â'),
    ("aelig", 'æ'),
    ("agrave", 'à'),
    ("amp", '&'),
    ("apos", '\''),
    ("aring", 'å'),
    ("ast", '*'),
    ("atilde", 'ã'),
    ("auml", 'ä'),
    ("bsol", '\\'),
    ("ccedil", 'ç'),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dash", '-'),
    ("dollar", '$'),
    ("eacute", 'é'),
    ("ecirc", 'ê'),
    ("egrave", 'è'),
    ("equals", '='),
    ("eth", 'ð'),
    ("euml", 'ë'),
    ("excl", '!'),
    ("gt", '>'),
    ("hyphen", '-'),
    ("iacute", 'í'),
    ("icirc", 'î'),
    ("igrave", 'ì'),
    ("iuml", 'ï'),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lt", '<'),
    ("nbsp", ' '),
    ("ntilde", 'ñ'),
    ("num", '#'),
    ("oacute", 'ó'),
    ("ocirc", 'ô'),
    ("oelig", 'œ'),
    ("ograve", 'ò'),
    ("oslash", 'ø'),
    ("otilde", 'õ'),
    ("ouml", 'ö'),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("quest", '?'),
    ("quot", '"'),
    ("rpar", ')'),
    ("scaron", 'š'),
    ("semi", ';'),
    ("sol", '/'),
    ("szlig", 'ß'),
    ("thorn", 'þ'),
    ("uacute", 'ú'),
    ("ucirc", 'û'),
    ("ugrave", 'ù'),
    ("uuml", 'ü'),
    ("yacute", 'ý'),
    ("yuml", 'ÿ'),
];
/// References that leave nothing: soft hyphen and zero-width signs.
const EMPTY: &[&str] = &["shy", "zwj", "zwnj", "lrm", "rlm", "ZeroWidthSpace", "NoBreak"];
const LONGEST_NAME: usize = 14;

pub(super) fn find(text: &str, range: Range<usize>, out: &mut Vec<Edit>) {
    let mut done = range.start;
    for at in memchr3_iter(b'&', b'%', b'\\', &text.as_bytes()[range.clone()]) {
        let at = range.start + at;
        if at < done {
            continue;
        }
        let rest = &text.as_bytes()[at..];
        let read = match rest[0] {
            b'&' => reference(rest),
            b'%' => percent(rest),
            _ => backslash(rest),
        };
        if let Some((length, with)) = read {
            done = at + length;
            out.push(Edit::new(at..done, with));
        }
    }
}

/// `&#64;`, `&#x40;`, `&commat;`.
fn reference(rest: &[u8]) -> Option<(usize, With)> {
    if rest.get(1) == Some(&b'#') {
        let hex = matches!(rest.get(2), Some(b'x' | b'X'));
        let from = 2 + usize::from(hex);
        let digit = |b: &u8| char::from(*b).to_digit(if hex { 16 } else { 10 });
        let digits = rest[from..].iter().take(7).map_while(digit).count();
        let value =
            rest[from..from + digits].iter().filter_map(digit).fold(0, |v, d| v * if hex { 16 } else { 10 } + d);
        let end = from + digits;
        let closed = rest.get(end) == Some(&b';');
        let c = char::from_u32(value).filter(|_| digits > 0)?;
        return Some((end + usize::from(closed), visible(c)));
    }
    let name = rest[1..].iter().take(LONGEST_NAME).take_while(|b| b.is_ascii_alphabetic()).count();
    if rest.get(1 + name) != Some(&b';') {
        return None;
    }
    let name = std::str::from_utf8(&rest[1..=name]).ok()?;
    let with = match NAMED.binary_search_by_key(&name, |(name, _)| name) {
        Ok(at) => With::Char(NAMED[at].1),
        Err(_) if EMPTY.contains(&name) => With::Nothing,
        Err(_) => return None,
    };
    Some((name.len() + 2, with))
}

/// One character in percent-encoded UTF-8.
fn percent(rest: &[u8]) -> Option<(usize, With)> {
    let byte = |n: usize| match rest.get(3 * n..3 * n + 3) {
        Some([b'%', high, low]) => hexadecimal(&[*high, *low]),
        _ => None,
    };
    let lead = u8::try_from(byte(0)?).ok()?;
    let length = match lead {
        0..=0x7F => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    let mut encoded = [0; 4];
    for (n, slot) in encoded.iter_mut().take(length).enumerate() {
        *slot = u8::try_from(byte(n)?).ok()?;
    }
    let c = std::str::from_utf8(&encoded[..length]).ok()?.chars().next()?;
    Some((3 * length, visible(c)))
}

/// `\"`, `\n`, `\u0040`, `\ud83d\ude42`, `\x40`.
fn backslash(rest: &[u8]) -> Option<(usize, With)> {
    let with = match rest.get(1)? {
        b'"' => '"',
        b'\'' => '\'',
        b'\\' => '\\',
        b'/' => '/',
        b'n' | b'r' => '\n',
        b't' => '\t',
        b'x' => return Some((4, visible(char::from_u32(hexadecimal(rest.get(2..4)?)?)?))),
        b'u' => {
            let unit = hexadecimal(rest.get(2..6)?)?;
            let low = match rest.get(6..12) {
                Some([b'\\', b'u', digits @ ..]) if (0xD800..0xDC00).contains(&unit) => hexadecimal(digits),
                _ => None,
            };
            if let Some(low) = low.filter(|low| (0xDC00..0xE000).contains(low)) {
                let value = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                return Some((12, visible(char::from_u32(value)?)));
            }
            return Some((6, visible(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))));
        }
        _ => return None,
    };
    Some((2, With::Char(with)))
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

/// Control characters are read as spaces.
fn visible(c: char) -> With {
    match c {
        '\n' | '\t' => With::Char(c),
        '\r' => With::Char('\n'),
        c if c.is_control() => With::Char(' '),
        c => With::Char(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(NAMED.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(
            NAMED.iter().map(|(name, _)| *name).chain(EMPTY.iter().copied()).all(|name| name.len() <= LONGEST_NAME)
        );
    }

    #[test]
    fn broken_codes_are_left_alone() {
        for text in [
            "&", "&#", "&#;", "&#x;", "&#xD800;", "&nosuch;", "&amp", "%", "%4", "%zz", "%C3", "%C3%28", "%ff", "\\",
            "\\u12", "\\x4", "\\q",
        ] {
            let rest = text.as_bytes();
            let read = [reference(rest), percent(rest), backslash(rest)];
            let own = match rest[0] {
                b'&' => 0,
                b'%' => 1,
                _ => 2,
            };
            assert!(read[own].is_none(), "{text}");
        }
        assert_eq!(backslash(b"\\ud83d!").map(|(length, _)| length), Some(6));
        assert!(matches!(backslash(b"\\ud83d\\ude42"), Some((12, With::Char('🙂')))));
    }
}
