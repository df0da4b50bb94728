//! What the tagger looks at: the templates of features.
//!
//! Invariant: a feature is a hash of its template and values. Features of a single word depend on the word and on where it
//! stands relative to the token that is judged, so that their sum can be remembered; features of several words are few.
//! Changing anything here needs training anew.

use super::gap;
use super::gazetteer::{Classes, Gazetteer};
use super::hash;
use crate::detect::{Form, plain};

/// Where a word stands relative to the token that is judged.
pub(super) const ROLES: usize = 5;
/// The role of the token itself.
const OWN: usize = 2;

/// Longest word whose letters are looked at one by one, in characters.
const LETTERS: usize = 20;

/// What is known of a word.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Word {
    lower: u64,
    form: u8,
    summary: u8,
    pub(super) classes: Classes,
}

/// Stands for the word beyond a sentence's border.
pub(super) const BORDER: &str = "";

impl Word {
    pub(super) fn new(word: &str, form: Option<Form>, gazetteer: &Gazetteer<'_>) -> Self {
        let Some(form) = form else { return Self { lower: 1, form: 15, ..Self::default() } };
        let mut buffer = [0u8; 2 * LETTERS];
        let folded;
        let lower = match buffer.get_mut(..word.len()) {
            Some(lower) if word.is_ascii() => {
                lower.copy_from_slice(word.as_bytes());
                lower.make_ascii_lowercase();
                &*lower
            }
            _ => {
                folded = plain(word);
                folded.as_bytes()
            }
        };
        let lower = std::str::from_utf8(lower).unwrap_or_default();
        let classes = if form == Form::Number { Classes::default() } else { gazetteer.look_up(lower) };
        let lower = if form == Form::Number { number(word) } else { hash::of_bytes(lower.as_bytes()) };
        Self { lower, form: form as u8, summary: classes.summary(), classes }
    }

    /// Whether the word can be part of a name: it is not written small, or only a list of names knows it.
    pub(super) fn may_be_name(&self) -> bool {
        let is_word = self.form != Form::Number as u8 && self.form != Form::Code as u8;
        let listed = self.classes != Classes::default() && !self.classes.any(Classes::ORDINARY);
        is_word && (!self.is_small() || listed)
    }

    pub(super) fn is_small(&self) -> bool {
        self.form == Form::Lower as u8
    }

    pub(super) fn is_title(&self) -> bool {
        self.form == Form::Title as u8
    }

    pub(super) fn is_upper(&self) -> bool {
        self.form == Form::Upper as u8
    }

    fn code(&self) -> u64 {
        u64::from(self.form) | u64::from(self.summary) << 4
    }
}

/// Numbers differ by their length alone.
fn number(digits: &str) -> u64 {
    hash::mix(2, digits.len().min(12) as u64)
}

/// The features of a word in a role, given to `sink`.
pub(super) fn of_word(text: &str, word: &Word, role: usize, sink: &mut impl FnMut(u64)) {
    let mut emit = |template: u64, value: u64| sink(hash::mix(template << 8 | role as u64, value));
    emit(1, word.lower);
    emit(2, word.code());
    if role.abs_diff(OWN) == 2 || text == BORDER {
        return;
    }
    emit(3, u64::from(word.classes.0) << 4 | u64::from(word.form));
    let folded = plain(text);
    let lower = folded.as_bytes();
    let small = |count: usize| lower.get(lower.len().saturating_sub(count)..).map_or(0, hash::of_bytes);
    emit(4, small(3));
    if role != OWN {
        return;
    }
    emit(5, hash::of_bytes(text.as_bytes()));
    emit(6, shape(text));
    emit(7, u64::from(word.form) | (text.len().min(20) as u64) << 4);
    for length in 1..=4 {
        emit(8 + length, small(length as usize));
        emit(12 + length, lower.get(..length as usize).map_or(0, hash::of_bytes));
    }
    emit(17, small(3) ^ u64::from(word.form));
    for bit in (0..16).filter(|bit| word.classes.0 >> bit & 1 == 1) {
        emit(18, u64::from(word.form) | bit << 4);
    }
    if lower.len() <= LETTERS {
        let mut padded = [b'^'; LETTERS + 2];
        padded[1..=lower.len()].copy_from_slice(lower);
        padded[lower.len() + 1] = b'$';
        for three in padded[..lower.len() + 2].windows(3) {
            emit(19, hash::of_bytes(three) ^ u64::from(word.is_small()));
        }
    }
}

/// The order of capitals, small letters, digits and marks, runs as one; at most sixteen.
fn shape(text: &str) -> u64 {
    let (mut shape, mut last, mut count) = (0u64, 4, 0);
    for c in text.chars().take(64) {
        let kind = match c {
            c if c.is_uppercase() => 0,
            c if c.is_alphabetic() => 1,
            c if c.is_numeric() => 2,
            _ => 3,
        };
        if kind != last && count < 16 {
            shape = shape << 2 | kind;
            last = kind;
            count += 1;
        }
    }
    shape | count << 32
}

/// What surrounds a token.
pub(super) struct Window {
    /// The two words before, the word, the two after.
    pub(super) words: [Word; ROLES],
    /// The gap before the word before, the word, the word after, and that one's next.
    pub(super) gaps: [u8; 4],
    /// What the rules for persons say of the word before, the word, and the word after.
    pub(super) hints: [u8; 3],
    /// Whether the word is in a name of several words that the gazetteer knows.
    pub(super) phrase: u8,
    /// How the sentence is written.
    pub(super) mode: u8,
}

/// The features of several words, given to `sink`.
pub(super) fn of_window(window: &Window, sink: &mut impl FnMut(u64)) {
    let mut emit = |template: u64, values: &[u64]| {
        sink(values.iter().fold(template << 8 | 0xFF, |state, value| hash::mix(state, *value)));
    };
    let [before2, before, word, after, after2] = &window.words;
    let [_, left, right, _] = window.gaps.map(u64::from);
    let [hint_before, hint, hint_after] = window.hints.map(u64::from);
    let (form, code, mode) = (u64::from(word.form), word.code(), u64::from(window.mode));
    emit(30, &[left, right, form]);
    emit(31, &[left, code]);
    emit(32, &[right, code]);
    emit(33, &[left, before.lower, word.lower]);
    emit(34, &[right, word.lower, after.lower]);
    emit(35, &[left, before.code(), code]);
    emit(36, &[right, code, after.code()]);
    emit(37, &[left, right, u64::from(before.form), form, u64::from(after.form)]);
    emit(38, &[before.code(), code, after.code()]);
    emit(39, &[left, before.lower, code]);
    emit(40, &[right, after.lower, code]);
    emit(41, &[before2.lower, before.lower, form]);
    emit(42, &[after.lower, after2.lower, form]);
    emit(43, &[left, before.lower, right, form]);
    emit(44, &[mode, code, u64::from(left == u64::from(gap::SENTENCE))]);
    if window.phrase > 0 {
        emit(45, &[u64::from(window.phrase), form]);
    }
    emit(46, &[hint, form]);
    if hint + hint_before + hint_after > 0 {
        emit(47, &[hint_before, hint, hint_after]);
        emit(48, &[hint, code]);
    }
}

/// How a sentence is written: 0 as usual, 1 without small words, 2 without capitals, 3 most words with a capital.
pub(super) fn mode(words: &[Word]) -> u8 {
    let (mut small, mut title, mut upper) = (0, 0, 0);
    for word in words {
        small += usize::from(word.is_small());
        title += usize::from(word.is_title());
        upper += usize::from(word.is_upper());
    }
    match () {
        () if title + upper == 0 => 2,
        () if small == 0 && upper > title => 4,
        () if small == 0 => 1,
        () if title > 3 && title * 10 > (small + title) * 6 => 3,
        () => 0,
    }
}
