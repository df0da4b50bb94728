//! Cuts a text into sequences of words and shows every word with its surroundings.
//!
//! Invariant: a sequence is a sentence or a line, at most [`LONGEST`] words long, so that memory does not grow with the
//! text. Words beyond the end of a sentence are not seen; words of neighbouring lines are.

use std::ops::Range;

use super::features::{ROLES, Window, Word, mode};
use super::gap::{self, LINE, SENTENCE};
use super::gazetteer::{Classes, Gazetteer};
use crate::detect::{View, plain};

/// Most words of a sequence.
const LONGEST: usize = 200;
/// Most words of a name that the gazetteer knows as a whole.
const PHRASE: usize = 4;

/// The sequences of a text: ranges of tokens.
pub(super) fn sequences(view: &View<'_>) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        if from >= view.tokens.len() {
            return None;
        }
        let ends = |at: &usize| matches!(gap::before(view, *at), SENTENCE | LINE);
        let limit = (from + LONGEST).min(view.tokens.len());
        let to = (from + 1..limit).find(ends).unwrap_or(limit);
        Some(std::mem::replace(&mut from, to)..to)
    })
}

/// What a sequence is read from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) view: &'a View<'a>,
    /// What the rules for persons say of each token.
    pub(super) hints: &'a [u8],
    pub(super) gazetteer: &'a Gazetteer<'a>,
    /// What is known of the border of a sentence.
    pub(super) border: Word,
}

/// One sequence with the words around it, in buffers that are used again.
#[derive(Default)]
pub(super) struct Sequence {
    /// The gap before each token of the sequence.
    pub(super) gaps: Vec<u8>,
    words: Vec<Word>,
    phrases: Vec<u8>,
    joined: String,
}

impl Sequence {
    /// Reads the tokens of `range`; `word` gives what is known of a token. Calls `each` with every token, its surroundings,
    /// and the tokens that were seen in each role.
    pub(super) fn read(
        &mut self,
        source: &Source<'_>,
        range: Range<usize>,
        mut word: impl FnMut(usize) -> Word,
        mut each: impl FnMut(&Window, [Option<usize>; ROLES]),
    ) {
        let Source { view, hints, gazetteer, border } = *source;
        // Two tokens on either side, and the gap after the last of them.
        let first = range.start.saturating_sub(2);
        let last = (range.end + 2).min(view.tokens.len());
        self.words.clear();
        self.words.extend((first..last).map(&mut word));
        self.gaps.clear();
        self.gaps.extend((first..=last).map(|index| gap::before(view, index)));
        let own = range.start - first..range.end - first;
        let mode = mode(&self.words[own.clone()]);
        self.find_phrases(view, first, own.clone(), gazetteer);
        let hint = |index: Option<usize>| index.and_then(|index| hints.get(index)).copied().unwrap_or(0);
        for at in own.clone() {
            let seen = self.seen(at);
            let index = |role: usize| seen[role].map(|at| first + at);
            let gap = |at: Option<usize>| at.and_then(|at| self.gaps.get(at)).copied().unwrap_or(SENTENCE);
            let window = Window {
                words: seen.map(|at| at.map_or(border, |at| self.words[at])),
                gaps: [gap(at.checked_sub(1)), gap(Some(at)), gap(Some(at + 1)), gap(Some(at + 2))],
                hints: [hint(index(1)), hint(index(2)), hint(index(3))],
                phrase: self.phrases[at - own.start],
                mode,
            };
            each(&window, std::array::from_fn(index));
        }
        self.gaps.drain(..own.start);
        self.gaps.truncate(range.len());
    }

    /// The places in `words` that the token at `at` sees in each role.
    fn seen(&self, at: usize) -> [Option<usize>; ROLES] {
        let open = |at: usize| self.gaps.get(at).is_some_and(|gap| *gap != SENTENCE);
        let back = at.checked_sub(1).filter(|_| open(at));
        let back2 = back.and_then(|back| back.checked_sub(1).filter(|_| open(back)));
        let on = Some(at + 1).filter(|on| *on < self.words.len() && open(*on));
        let on2 = on.map(|on| on + 1).filter(|on2| *on2 < self.words.len() && open(*on2));
        [back2, back, Some(at), on, on2]
    }

    /// Marks names of two to four words that the gazetteer knows: the first word with an odd code, the others with the next.
    fn find_phrases(&mut self, view: &View<'_>, first: usize, own: Range<usize>, gazetteer: &Gazetteer<'_>) {
        self.phrases.clear();
        self.phrases.resize(own.len(), 0);
        let mut at = own.start;
        while at < own.end {
            if !self.words[at].classes.any(Classes::PLACE_FIRST) {
                at += 1;
                continue;
            }
            self.joined.clear();
            self.joined.push_str(&plain(view.word(&view.tokens[first + at])));
            let mut best = None;
            for next in at + 1..(at + PHRASE).min(own.end) {
                if !self.words[next].classes.any(Classes::PLACE_LATER) || matches!(self.gaps[next], SENTENCE | LINE) {
                    break;
                }
                self.joined.push(' ');
                self.joined.push_str(&plain(view.word(&view.tokens[first + next])));
                let classes = gazetteer.look_up(&self.joined);
                if classes != Classes::default() {
                    best = Some((next, classes));
                }
            }
            let Some((to, classes)) = best else {
                at += 1;
                continue;
            };
            let code = match () {
                () if classes.any(Classes::NATIONALITY) => 5,
                () if classes.any(Classes::ORGANISATION) => 3,
                () => 1,
            };
            for index in at..=to {
                self.phrases[index - own.start] = code + u8::from(index > at);
            }
            at = to + 1;
        }
    }
}
