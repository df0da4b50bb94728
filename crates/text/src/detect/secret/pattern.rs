//! Patterns of tokens: runs of a class of characters between literal ones.
//!
//! Invariant: matching looks at each byte once and never goes back, since every run takes as much as it may.
//!
//! A class is a letter followed by a length in braces; every other character stands for itself.
//!
//! | class | characters |
//! | --- | --- |
//! | `d` `h` `H` | digits; hexadecimal digits, lower case; either case |
//! | `a` `l` `W` `w` | letters, lower case; letters and digits, lower case; upper case; either case |
//! | `v` `f` `u` `t` `q` | `w` and `_`; `w` and `-`; `w`, `_`, `-`; `u`, `.`, `~`; `w` and `%` |
//! | `b` `e` `c` | base64; base64 or base64url with padding; alphabet of `crypt` |
//! | `p` `k` `x` | `u` and `/`; `u`, `/`, `@`; parameters of Argon2 |

/// A piece of a pattern.
enum Piece<'a> {
    Literal(u8),
    Run { class: u8, least: usize, most: usize, rest: &'a str },
}

/// Splits the first piece off a pattern.
fn first(pattern: &str) -> Option<(Piece<'_>, &str)> {
    let bytes = pattern.as_bytes();
    let class = *bytes.first()?;
    if bytes.get(1) != Some(&b'{') {
        return Some((Piece::Literal(class), pattern.get(1..)?));
    }
    let (inside, rest) = pattern.get(2..)?.split_once('}')?;
    let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
    let (least, most) = (least.parse().ok()?, most.parse().ok()?);
    Some((Piece::Run { class, least, most, rest }, rest))
}

pub(super) fn is_in(class: u8, byte: u8) -> bool {
    let word = byte.is_ascii_alphanumeric();
    match class {
        b'd' => byte.is_ascii_digit(),
        b'h' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        b'H' => byte.is_ascii_hexdigit(),
        b'a' => byte.is_ascii_lowercase(),
        b'l' => byte.is_ascii_lowercase() || byte.is_ascii_digit(),
        b'W' => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        b'w' => word,
        b'v' => word || byte == b'_',
        b'f' => word || byte == b'-',
        b'u' => word || matches!(byte, b'_' | b'-'),
        b't' => word || matches!(byte, b'_' | b'-' | b'.' | b'~'),
        b'q' => word || byte == b'%',
        b'b' => word || matches!(byte, b'+' | b'/'),
        b'e' => word || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-'),
        b'c' => word || matches!(byte, b'.' | b'/'),
        b'p' => word || matches!(byte, b'_' | b'-' | b'/'),
        b'k' => word || matches!(byte, b'_' | b'-' | b'/' | b'@'),
        b'x' => word || matches!(byte, b'=' | b',' | b'$'),
        _ => false,
    }
}

/// Where the text that begins at `at` and fits `pattern` ends. The run at the end is as long as it can be; what goes on
/// in its class beyond the most that is allowed does not fit.
pub(super) fn match_forwards(mut pattern: &str, bytes: &[u8], mut at: usize) -> Option<usize> {
    while !pattern.is_empty() {
        let (piece, rest) = first(pattern)?;
        match piece {
            Piece::Literal(byte) => {
                if bytes.get(at) != Some(&byte) {
                    return None;
                }
                at += 1;
            }
            Piece::Run { class, least, most, rest } => {
                // A run whose class also has the literal behind it stops where the literal has to stand.
                let stop =
                    rest.bytes().next().filter(|next| rest.as_bytes().get(1) != Some(&b'{') && is_in(class, *next));
                let inside = |byte: &&u8| is_in(class, **byte) && Some(**byte) != stop;
                let mut length = bytes.get(at..)?.iter().take(most + 1).take_while(inside).count();
                if rest.is_empty() {
                    // Full stops and slashes of the sentence do not belong to the token.
                    let run = &bytes[at..at + length];
                    length -= run.iter().rev().take_while(|b| matches!(b, b'.' | b'/' | b'~')).count();
                    if length > most {
                        return None;
                    }
                }
                let length = length.min(most);
                if length < least {
                    return None;
                }
                at += length;
            }
        }
        pattern = rest;
    }
    Some(at)
}

/// Where the text that ends at `end` and fits `pattern` begins. Patterns that are read backwards have one run, or runs
/// of fixed lengths with literals between them.
pub(super) fn match_backwards(pattern: &str, bytes: &[u8], end: usize) -> Option<usize> {
    let mut pieces = Vec::new();
    let mut left = pattern;
    while !left.is_empty() {
        let (piece, rest) = first(left)?;
        pieces.push(piece);
        left = rest;
    }
    let mut at = end;
    for piece in pieces.iter().rev() {
        match piece {
            Piece::Literal(byte) => {
                at = at.checked_sub(1).filter(|at| bytes[*at] == *byte)?;
            }
            Piece::Run { class, least, most, .. } => {
                let from = at.saturating_sub(*most);
                let length = bytes[from..at].iter().rev().take_while(|byte| is_in(*class, **byte)).count();
                if length < *least {
                    return None;
                }
                at -= length;
            }
        }
    }
    Some(at)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A text that fits a pattern, with runs of their least or most length; the same every time.
    pub(in super::super) fn sample(pattern: &str, longest: bool, seed: u64) -> String {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut text = String::new();
        let mut left = pattern;
        while !left.is_empty() {
            let Some((piece, rest)) = first(left) else { return text };
            left = rest;
            match piece {
                Piece::Literal(byte) => text.push(char::from(byte)),
                Piece::Run { class, least, most, rest } => {
                    // Letters and digits only, which every class of that kind has.
                    let letters: Vec<u8> = (b'0'..=b'z')
                        .filter(|byte| byte.is_ascii_alphanumeric() && is_in(class, *byte))
                        .filter(|byte| rest.bytes().next() != Some(*byte))
                        .collect();
                    for _ in 0..if longest { most } else { least } {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        text.push(char::from(letters[(state >> 11) as usize % letters.len()]));
                    }
                }
            }
        }
        text
    }

    #[test]
    fn runs_and_literals() {
        let fits = |pattern, text: &str| match_forwards(pattern, text.as_bytes(), 0);
        assert_eq!(fits("d{2}-h{3}", "12-abc!"), Some(6));
        assert_eq!(fits("d{2}-h{3}", "12-abcd"), None);
        assert_eq!(fits("d{2}-h{3}", "1-abc"), None);
        assert_eq!(fits("t{3,9}", "a.b.c. And"), Some(5));
        assert_eq!(fits("x{3,9}$w{2}", "m=1,t=2$ab"), Some(10));
        assert_eq!(match_backwards("w{6}_w{3}", b"x abcdef_123", 12), Some(2));
        assert_eq!(match_backwards("d{8,10}", b"1234567", 7), None);
    }
}
