//! Runs of letters and digits that may be parts of one number.
//!
//! Invariant: a piece is a run of ASCII letters, digits and German umlauts as long as it goes; a window joins at most
//! [`PIECES`] of them and holds at most [`LONGEST`] characters.

use super::super::view::{Form, Token, View};

/// Characters of the longest number that has a rule.
pub(super) const LONGEST: usize = 24;
/// Pieces of the most divided number that has a rule.
pub(super) const PIECES: usize = 7;
/// Short words before and after a number that may be parts of it: `B AB 1234`, `AB 12 34 56 C`.
const WORDS_BESIDE: usize = 2;
const LONGEST_WORD: usize = 7;

/// A run of letters and digits.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) end: usize,
    /// What joins it to the piece before, 0 for nothing.
    pub(super) separator: u8,
    /// Characters, where they are so few that the piece may be part of a number.
    pub(super) length: usize,
    /// Letters are among them.
    pub(super) letters: bool,
    /// Digits are among them.
    pub(super) digits: bool,
}

impl Piece {
    pub(super) fn new(bytes: &[u8], start: usize, end: usize, separator: u8) -> Self {
        let mut piece = Self { start, end, separator, length: 0, letters: false, digits: false };
        let run = if end - start > LONGEST { &[] } else { &bytes[start..end] };
        for byte in run {
            let digit = byte.is_ascii_digit();
            piece.digits |= digit;
            piece.letters |= !digit;
            // An umlaut is one character of two bytes.
            piece.length += usize::from(*byte != 0xC3);
        }
        piece
    }
}

/// The pieces of a text that hold digits, with the short words beside them.
pub(super) fn pieces(view: &View<'_>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut index, mut covered) = (0, 0);
    while let Some(token) = view.tokens.get(index) {
        if token.is_word() {
            index += 1;
            continue;
        }
        let mut first = index;
        while first > covered && index - first < WORDS_BESIDE && is_joined_word(view, first - 1, first) {
            first -= 1;
        }
        let mut last = index;
        while last - index < WORDS_BESIDE
            && view.tokens.get(last + 1).is_some_and(Token::is_word)
            && is_joined_word(view, last + 1, last + 1)
        {
            last += 1;
        }
        for token in &view.tokens[first..=last] {
            push(view, token, &mut pieces);
        }
        index = last + 1;
        covered = index;
    }
    pieces
}

/// Whether token `word` is a short word, and one separator stands before token `right`.
fn is_joined_word(view: &View<'_>, word: usize, right: usize) -> bool {
    let token = &view.tokens[word];
    token.is_word()
        && token.form != Form::Uncased
        && token.end - token.start <= LONGEST_WORD
        && separator(view.gap(&view.tokens[right - 1], &view.tokens[right])) != 0
}

/// Adds the runs of a token that no piece covers yet.
fn push(view: &View<'_>, token: &Token, pieces: &mut Vec<Piece>) {
    let mut at = token.start;
    while at < token.end {
        let end = run_end(view.bytes, at);
        if end == at {
            at += 1;
            continue;
        }
        let last = pieces.last().map_or(0, |piece| piece.end);
        if at >= last {
            let gap = if pieces.is_empty() { "" } else { view.text.get(last..at).unwrap_or("") };
            pieces.push(Piece::new(view.bytes, at, end, separator(gap)));
        }
        at = end;
    }
}

/// Where the run of letters and digits that begins at `at` ends.
fn run_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(byte) if byte.is_ascii_alphanumeric() => at += 1,
            Some(0xC3) if bytes.get(at + 1).is_some_and(|low| umlaut(*low)) => at += 2,
            _ => return at,
        }
    }
}

/// The second byte of `Ä`, `Ö`, `Ü` and of the small ones.
fn umlaut(low: u8) -> bool {
    matches!(low | 0x20, 0xA4 | 0xB6 | 0xBC)
}

/// The one separator that a gap consists of; 0 where it is something else.
fn separator(gap: &str) -> u8 {
    match gap {
        " " | "-" | "." | "/" | ":" | "_" | "+" | "(" => gap.as_bytes()[0],
        "\u{a0}" | "\u{2009}" | "\u{202f}" => b' ',
        "\u{2010}" | "\u{2011}" | "\u{2013}" => b'-',
        _ => 0,
    }
}

/// One bit for each separator.
pub(super) fn kind(separator: u8) -> u8 {
    match separator {
        b' ' => 1,
        b'-' => 1 << 1,
        b'.' => 1 << 2,
        b'/' => 1 << 3,
        b':' => 1 << 4,
        b'_' => 1 << 5,
        b'+' => 1 << 6,
        _ => 1 << 7,
    }
}

/// How large some pieces are together: all that decides whether a rule may admit them, without a look at their characters.
#[derive(Clone, Copy, Default)]
pub(super) struct Extent {
    pub(super) length: usize,
    pub(super) pieces: usize,
    pub(super) letters: bool,
    pub(super) digits: bool,
}

impl Extent {
    /// Takes one more piece; false where it does not belong or is too much.
    pub(super) fn take(&mut self, piece: Piece) -> bool {
        let joined = self.pieces == 0 || piece.separator != 0;
        self.length += piece.length;
        self.pieces += 1;
        self.letters |= piece.letters;
        self.digits |= piece.digits;
        joined && self.pieces <= PIECES && piece.end - piece.start <= LONGEST && self.length <= LONGEST
    }
}

/// Some pieces as one number.
pub(super) struct Window {
    compact: [u8; LONGEST],
    length: usize,
    cuts: [usize; PIECES],
    separators: [u8; PIECES],
    pieces: usize,
    /// The places of digits, as bits.
    pub(super) digit_places: u32,
    /// The kinds of separators, as [`kind`] numbers them.
    pub(super) joints: u8,
    /// Letters were found.
    pub(super) letters: bool,
    /// Digits were found.
    pub(super) digits: bool,
    /// Small letters were found.
    pub(super) small: bool,
    /// Capitals were found.
    pub(super) capital: bool,
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            compact: [0; LONGEST],
            length: 0,
            cuts: [0; PIECES],
            separators: [0; PIECES],
            pieces: 0,
            digit_places: 0,
            joints: 0,
            letters: false,
            digits: false,
            small: false,
            capital: false,
        }
    }

    /// A whole value, where it is one number.
    pub(super) fn of(value: &str) -> Option<Self> {
        let mut window = Self::new();
        let bytes = value.as_bytes();
        let (mut at, mut gap) = (0, 0);
        while at < bytes.len() {
            let end = run_end(bytes, at);
            if end == at || !window.append(bytes, Piece::new(bytes, at, end, gap)) {
                return None;
            }
            let next = (end..bytes.len()).find(|next| run_end(bytes, *next) > *next).unwrap_or(bytes.len());
            gap = separator(value.get(end..next)?);
            if next > end && (gap == 0 || next == bytes.len()) {
                return None;
            }
            at = next;
        }
        Some(window)
    }

    /// Takes one more piece; false where it does not belong or is too much.
    pub(super) fn append(&mut self, bytes: &[u8], piece: Piece) -> bool {
        let joined = self.pieces == 0 || piece.separator != 0;
        if !joined || self.pieces == PIECES || piece.end - piece.start > LONGEST {
            return false;
        }
        if self.pieces > 0 {
            self.cuts[self.pieces - 1] = self.length;
            self.separators[self.pieces - 1] = piece.separator;
            self.joints |= kind(piece.separator);
        }
        self.pieces += 1;
        let mut run = bytes[piece.start..piece.end].iter();
        while let Some(byte) = run.next() {
            if self.length == LONGEST {
                return false;
            }
            self.digits |= byte.is_ascii_digit();
            self.digit_places |= u32::from(byte.is_ascii_digit()) << self.length;
            self.letters |= !byte.is_ascii_digit();
            self.small |= byte.is_ascii_lowercase();
            self.capital |= byte.is_ascii_uppercase();
            // An umlaut is kept as the second byte of its capital.
            self.compact[self.length] = if byte.is_ascii() {
                byte.to_ascii_uppercase()
            } else {
                let low = run.next().copied().unwrap_or_default();
                self.small |= low & 0x20 != 0;
                low & !0x20
            };
            self.length += 1;
        }
        true
    }

    /// The characters without separators, letters as capitals.
    pub(super) fn compact(&self) -> &[u8] {
        &self.compact[..self.length]
    }

    /// Characters.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Pieces taken so far.
    pub(super) fn pieces(&self) -> usize {
        self.pieces
    }

    /// How many characters stand before each separator.
    pub(super) fn cuts(&self) -> impl Iterator<Item = usize> {
        self.cuts[..self.pieces.saturating_sub(1)].iter().copied()
    }

    pub(super) fn separators(&self) -> &[u8] {
        &self.separators[..self.pieces.saturating_sub(1)]
    }

    /// Lengths of the pieces.
    pub(super) fn groups(&self) -> impl Iterator<Item = usize> {
        let ends = self.cuts().chain([self.length]);
        let starts = std::iter::once(0).chain(self.cuts());
        ends.zip(starts).map(|(end, start)| end - start)
    }

    /// The digits at `at` and after it as a number.
    pub(super) fn number(&self, at: usize, digits: usize) -> u32 {
        let digits = self.compact().get(at..at + digits).unwrap_or_default();
        digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit & 0x0F))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::super::view::Context;
    use super::*;

    fn split(text: &str) -> Vec<(&str, char)> {
        let context = Context::new();
        let view = View::new(text, &context);
        pieces(&view).iter().map(|p| (&text[p.start..p.end], p.separator as char)).collect()
    }

    #[test]
    fn pieces_are_runs_around_digits_with_short_words_beside_them() {
        assert_eq!(split("plain words, none of them a number"), []);
        assert_eq!(split("Kennzeichen MÜ-AB 12H."), [("MÜ", '\0'), ("AB", '-'), ("12H", ' ')]);
        assert_eq!(
            split("QQ 12 34\u{a0}56 C, 7"),
            [("QQ", '\0'), ("12", ' '), ("34", ' '), ("56", ' '), ("C", ' '), ("7", '\0')]
        );
        // A token of its own for extensions is none here, and other scripts end a run.
        assert_eq!(split("1234567X"), [("1234567X", '\0')]);
        assert_eq!(split("번호는960121-1021413입니다"), [("960121", '\0'), ("1021413", '-')]);
    }

    #[test]
    fn a_window_keeps_capitals_cuts_and_separators() {
        let window = Window::of("ab-12.345").unwrap();
        assert_eq!((window.compact(), window.separators()), (&b"AB12345"[..], &b"-."[..]));
        assert_eq!(
            (window.cuts().collect::<Vec<_>>(), window.groups().collect::<Vec<_>>()),
            (vec![2, 4], vec![2, 2, 3])
        );
        assert!(window.small && window.letters && window.digits);
        assert_eq!((window.number(3, 3), window.number(5, 9)), (234, 0));
        for no in ["", "12--3", "1 2 3 4 5 6 7 8", "-1", "1-", "ß1", &"1".repeat(LONGEST + 1)] {
            assert!(Window::of(no).is_none_or(|window| window.compact().is_empty()), "{no}");
        }
    }
}
