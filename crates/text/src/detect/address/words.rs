//! The tokens of a text as the grammar of addresses reads them: words with their roles, and what stands between them.
//!
//! Invariant: nothing here looks further than one token and the gap before it.

use std::cell::{Cell, OnceCell};

use super::super::locale::Addresses;
use super::super::view::{Form, Token, View};
use super::lexicon::{Role, role};

/// What stands between two tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    Space,
    /// A full stop, with or without a space.
    Stop,
    Comma,
    /// One line break, with commas and spaces around it.
    Line,
    /// Two or three line breaks.
    Blank,
    Hyphen,
    /// A hyphen or dash between spaces.
    Dash,
    Slash,
    /// A number sign.
    Hash,
    Colon,
    /// An opening bracket.
    Open,
    /// A closing bracket, with or without a comma or stop after it.
    Close,
    Other,
}

impl Gap {
    /// Between parts of one line or to the next.
    pub(super) fn separates(self) -> bool {
        matches!(self, Self::Comma | Self::Line)
    }

    fn of(text: &str) -> Self {
        match text {
            " " | "  " | "\u{a0}" | "\t" => return Self::Space,
            ", " | "," => return Self::Comma,
            ". " | "." => return Self::Stop,
            "-" => return Self::Hyphen,
            _ if text.len() > 16 => return Self::Other,
            _ => {}
        }
        let lines = text.bytes().filter(|byte| *byte == b'\n').count();
        if lines > 0 {
            let plain = text.chars().all(|c| matches!(c, ' ' | '\n' | '\r' | '\t' | ',' | '.' | ';'));
            return match lines {
                1 if plain => Self::Line,
                2 | 3 if plain && !text.contains('.') => Self::Blank,
                _ => Self::Other,
            };
        }
        match text.trim() {
            "" if text.len() <= 4 => Self::Space,
            "," | ".," | " ," => Self::Comma,
            "." => Self::Stop,
            "-" | "–" | "—" | ". -" | ", -" | "|" | "·" | "•" => Self::Dash,
            "/" | "/." => Self::Slash,
            "#" | ", #" | "№" | ". #" => Self::Hash,
            ":" | "=" | ":#" => Self::Colon,
            "(" | ". (" | ", (" => Self::Open,
            ")" | ")," | ")." => Self::Close,
            _ => Self::Other,
        }
    }
}

/// Roles of words in small letters that are written short: `ul.`, `u.`, `apt.`, `st.`.
const ABBREVIATED: Role = Role::PREFIX
    .or(Role::WEAK_PREFIX)
    .or(Role::SUFFIX)
    .or(Role::WEAK_SUFFIX)
    .or(Role::MIDDLE)
    .or(Role::DIRECTION)
    .or(Role::UNIT)
    .or(Role::WEAK_UNIT)
    .or(Role::NUMBER_SIGN)
    .or(Role::BOX);

/// What was found out about each token: its role and the gap before it. The grammars ask for them again and again around a
/// number, and in most texts nowhere.
#[derive(Default)]
pub(super) struct Notes(OnceCell<Box<[Note]>>);

#[derive(Clone, Default)]
struct Note {
    role: Cell<Option<Role>>,
    gap: Cell<Option<Gap>>,
}

/// A text as a sequence of words.
#[derive(Clone, Copy)]
pub(super) struct Words<'v, 'a> {
    pub(super) view: &'v View<'a>,
    /// Which traditions are looked for.
    pub(super) forms: Addresses,
    pub(super) notes: &'v Notes,
}

/// What is noted, found out at the first time.
fn noted<T: Copy>(note: &Cell<Option<T>>, find: impl FnOnce() -> T) -> T {
    note.get().unwrap_or_else(|| {
        let found = find();
        note.set(Some(found));
        found
    })
}

impl<'a> Words<'_, 'a> {
    pub(super) fn token(&self, index: usize) -> Option<&Token> {
        self.view.tokens.get(index)
    }

    pub(super) fn form(&self, index: usize) -> Option<Form> {
        self.token(index).map(|token| token.form)
    }

    pub(super) fn text(&self, index: usize) -> &'a str {
        self.token(index).map_or("", |token| self.view.word(token))
    }

    /// `None` past the last token.
    fn note(&self, index: usize) -> Option<&Note> {
        let tokens = self.view.tokens.len();
        self.notes.0.get_or_init(|| vec![Note::default(); tokens].into()).get(index)
    }

    pub(super) fn role(&self, index: usize) -> Role {
        self.note(index).map_or(Role::default(), |note| noted(&note.role, || role(self.text(index))))
    }

    pub(super) fn is(&self, index: usize, role: Role) -> bool {
        self.role(index).is(role)
    }

    pub(super) fn says(&self, index: usize, word: &str) -> bool {
        self.text(index).eq_ignore_ascii_case(word)
    }

    /// Whether a token is one of some words.
    pub(super) fn says_any(&self, index: usize, words: &[&str]) -> bool {
        let text = self.text(index);
        words.iter().any(|word| text.eq_ignore_ascii_case(word))
    }

    /// What stands before a token; `Other` before the first and after the last.
    pub(super) fn gap(&self, index: usize) -> Gap {
        self.note(index).map_or(Gap::Other, |note| noted(&note.gap, || Gap::of(self.raw_gap(index))))
    }

    /// The characters before a token back to the one before it; a line break before the first.
    pub(super) fn raw_gap(&self, index: usize) -> &'a str {
        match (index.checked_sub(1).and_then(|left| self.token(left)), self.token(index)) {
            (Some(left), Some(right)) => self.view.gap(left, right),
            (None, Some(first)) if first.start < 16 => "\n",
            _ => "\u{0}",
        }
    }

    /// Whether a token begins its line, or the text.
    pub(super) fn begins_line(&self, index: usize) -> bool {
        let gap = self.raw_gap(index);
        gap.rsplit('\n')
            .next()
            .is_some_and(|rest| gap.contains('\n') && rest.bytes().all(|byte| matches!(byte, b' ' | b'\t')))
    }

    /// Whether a token ends its line, or the text.
    pub(super) fn ends_line(&self, index: usize) -> bool {
        let Some(token) = self.token(index) else { return true };
        let rest = &self.view.bytes[token.end..self.view.bytes.len().min(token.end + 4)];
        let spaces = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\r' | b'\t')).count();
        matches!(rest.get(spaces), None | Some(b'\n'))
    }

    pub(super) fn is_capital(&self, index: usize) -> bool {
        match self.form(index) {
            Some(Form::Title | Form::Upper | Form::Initial | Form::Uncased) => true,
            // `l'Hospitalet`, `d'Ouchy`.
            Some(Form::Mixed) => self.text(index).contains(['\'', '\u{2019}']),
            _ => false,
        }
    }

    pub(super) fn is_lower(&self, index: usize) -> bool {
        self.form(index) == Some(Form::Lower)
    }

    /// Digits only, of one of these lengths.
    pub(super) fn is_number(&self, index: usize, lengths: std::ops::RangeInclusive<usize>) -> bool {
        self.token(index)
            .is_some_and(|token| token.form == Form::Number && lengths.contains(&(token.end - token.start)))
    }

    /// `12`, `12a`, `012`: digits with at most one letter, no part of an amount, a date or a code.
    pub(super) fn is_house_number(&self, index: usize) -> bool {
        let Some(token) = self.token(index) else { return false };
        let word = self.view.word(token).as_bytes();
        let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let shaped = (1..=6).contains(&digits)
            && (digits == word.len()
                || (digits <= 4 && digits + 1 == word.len() && word[digits].is_ascii_alphabetic()));
        let glued = matches!(self.view.at(token.end), b'%' | b'$' | b':' | b'_' | b'=' | b'\'')
            && self.view.at(token.end + 1) != b' '
            || self.view.at(token.end) == b'%';
        shaped && !glued && !b"$#%:+_=@\\".contains(&self.view.before(token.start)) && !self.is_decimal(index)
    }

    /// `1.5`, `1,000`.
    fn is_decimal(&self, index: usize) -> bool {
        let digits = |at: usize| self.form(at) == Some(Form::Number);
        let tight = |at: usize| matches!(self.raw_gap(at), "." | ",");
        (index > 0 && digits(index - 1) && tight(index)) || (digits(index + 1) && self.raw_gap(index + 1) == ".")
    }

    /// A year of the last or this century.
    pub(super) fn is_year(&self, index: usize) -> bool {
        self.is_number(index, 4..=4) && matches!(&self.text(index).as_bytes()[..2], b"18" | b"19" | b"20")
    }

    /// An ordinal such as `5th`.
    pub(super) fn is_ordinal(&self, index: usize) -> bool {
        let word = self.text(index);
        word.len() > 2
            && word.is_ascii()
            && ["st", "nd", "rd", "th"].iter().any(|end| word[word.len() - 2..].eq_ignore_ascii_case(end))
            && word.as_bytes()[..word.len() - 2].iter().all(u8::is_ascii_digit)
    }

    /// Whether a token stands beside the one before it as words of one name do: after a space, a hyphen, or the full
    /// stop of an abbreviation.
    pub(super) fn is_beside(&self, index: usize) -> bool {
        match self.gap(index) {
            Gap::Space | Gap::Hyphen => true,
            Gap::Stop => index > 0 && self.is_abbreviation(index - 1),
            _ => false,
        }
    }

    /// Short enough that a full stop after it need not end the sentence.
    pub(super) fn is_abbreviation(&self, index: usize) -> bool {
        let known = || self.is(index, ABBREVIATED);
        self.token(index)
            .is_some_and(|token| token.is_word() && token.end - token.start <= 5 && (self.is_capital(index) || known()))
    }
}
