//! Many literals at once, in any case of their ASCII letters.
//!
//! Invariants: [`Literals::find`] finds what a leftmost-longest automaton does, of equal literals the first;
//! [`Literals::all`] finds every literal that begins in its range. A place costs one look at three bytes, and only where
//! these begin a literal is anything compared: in prose nearly nowhere, and without a step that waits for the one before,
//! as an automaton's does.

use std::ops::Range;

/// Codes of three bytes.
const CODES: usize = 1 << 15;

/// Literals, compiled.
pub(super) struct Literals {
    words: Vec<Box<[u8]>>,
    /// One bit for each code, set where a literal begins so.
    begins: Box<[u64; CODES / 64]>,
    /// Where the literals of each code begin in `order`.
    buckets: Vec<u32>,
    /// Literals by code, the longest first.
    order: Vec<Entry>,
}

/// A literal as it is compared first: by up to eight of its bytes at once, which stand beside each other in memory.
struct Entry {
    /// With [`SMALL`] set in each byte, zero past the literal.
    head: u64,
    /// The bytes that count.
    mask: u64,
    /// Its place among the literals.
    literal: u32,
}

/// The bit in which both cases of a letter differ, in each of eight bytes.
const SMALL: u64 = 0x2020_2020_2020_2020;

impl Entry {
    fn new(literal: u32, word: &[u8]) -> Self {
        let mask = u64::MAX >> (8 * (8 - word.len().min(8)));
        Self { head: (eight(word, 0) | SMALL) & mask, mask, literal }
    }
}

/// Eight bytes from `at` on, the first of them lowest; past the end of the text zero.
fn eight(text: &[u8], at: usize) -> u64 {
    match text[at..].first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => text[at..].iter().rev().fold(0, |eight, byte| eight << 8 | u64::from(*byte)),
    }
}

/// A literal that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Its place among the literals.
    pub(super) literal: usize,
}

/// The code of three bytes, from that of the three before: five bits of each byte, the same for both cases of a letter.
fn next_code(code: usize, byte: u8) -> usize {
    (code << 5 | usize::from(byte & 31)) % CODES
}

fn code(bytes: [u8; 3]) -> usize {
    bytes.into_iter().fold(0, next_code)
}

impl Literals {
    pub(super) fn new(words: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let lower = |word: &str| word.to_ascii_lowercase().into_bytes().into_boxed_slice();
        let words: Vec<Box<[u8]>> = words.into_iter().map(|word| lower(word.as_ref())).collect();
        let mut longest_first: Vec<usize> = (0..words.len()).filter(|place| !words[*place].is_empty()).collect();
        longest_first.sort_by_key(|place| std::cmp::Reverse(words[*place].len()));
        let mut by_code = vec![Vec::new(); CODES];
        for place in longest_first {
            let mut head = [0; 3];
            let known = words[place].len().min(3);
            head[..known].copy_from_slice(&words[place][..known]);
            // What follows a shorter literal may be anything.
            for rest in 0..1 << (5 * (3 - known)) {
                by_code[code(head) + rest].push(u32::try_from(place).unwrap_or(u32::MAX));
            }
        }
        // Bytes past a short literal count as zero above, so that the codes of what follows are whole.
        let mut begins = Box::new([0; CODES / 64]);
        let mut buckets = Vec::with_capacity(CODES + 1);
        let mut order = Vec::new();
        for (code, places) in by_code.into_iter().enumerate() {
            begins[code / 64] |= u64::from(!places.is_empty()) << (code % 64);
            buckets.push(u32::try_from(order.len()).unwrap_or(u32::MAX));
            order.extend(places.into_iter().map(|place| Entry::new(place, &words[place as usize])));
        }
        buckets.push(u32::try_from(order.len()).unwrap_or(u32::MAX));
        Self { words, begins, buckets, order }
    }

    /// Calls `found` with every hit from left to right, the longest at each place; none begins inside the one before.
    pub(super) fn find(&self, text: &[u8], mut found: impl FnMut(Hit)) {
        let mut from = 0;
        while let Some((start, code)) = self.next(text, from..text.len(), |_, _| true) {
            from = start + 1;
            if let Some(hit) = self.at(text, start, code).next() {
                from = hit.end;
                found(hit);
            }
        }
    }

    /// Calls `found` with every literal that begins in `range` where `may`, which is told the byte before (a space at the
    /// start of the text) and the first, allows it.
    pub(super) fn all(
        &self,
        text: &[u8],
        range: Range<usize>,
        may: impl Fn(u8, u8) -> bool,
        mut found: impl FnMut(Hit),
    ) {
        let mut from = range.start;
        while let Some((start, code)) = self.next(text, from..range.end, &may) {
            from = start + 1;
            self.at(text, start, code).for_each(&mut found);
        }
    }

    /// The next place in `range` where a literal may begin, with its code.
    #[inline]
    fn next(&self, text: &[u8], range: Range<usize>, may: impl Fn(u8, u8) -> bool) -> Option<(usize, usize)> {
        let begins = |code: usize| self.begins[code / 64] >> (code % 64) & 1 == 1;
        let mut at = range.start;
        let mut before = if at == 0 { b' ' } else { *text.get(at - 1)? };
        // Up to the last three bytes, past which nothing more has to be asked.
        let whole = range.end.min(text.len().saturating_sub(2));
        if at < whole {
            let (mut first, mut second) = (text[at], text[at + 1]);
            let mut code = code([0, first, second]);
            for third in &text[at + 2..whole + 2] {
                code = next_code(code, *third);
                // Both are cheap, and whether either holds cannot be foretold.
                if begins(code) & may(before, first) {
                    return Some((at, code));
                }
                (before, first, second) = (first, second, *third);
                at += 1;
            }
        }
        while at < range.end {
            let byte = |ahead: usize| text.get(at + ahead).copied().unwrap_or_default();
            let code = code([byte(0), byte(1), byte(2)]);
            if begins(code) && may(before, byte(0)) {
                return Some((at, code));
            }
            before = byte(0);
            at += 1;
        }
        None
    }

    /// The literals that begin at `start`, the longest first.
    fn at(&self, text: &[u8], start: usize, code: usize) -> impl Iterator<Item = Hit> {
        let (from, to) = (self.buckets[code] as usize, self.buckets[code + 1] as usize);
        let head = eight(text, start) | SMALL;
        self.order[from..to].iter().filter(move |entry| head & entry.mask == entry.head).filter_map(move |entry| {
            let literal = entry.literal as usize;
            let word = &self.words[literal];
            let end = start + word.len();
            let same = text.get(start..end)?.iter().zip(word).all(|(byte, own)| byte.to_ascii_lowercase() == *own);
            same.then_some(Hit { start, end, literal })
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use aho_corasick::{AhoCorasick, MatchKind};
    use proptest::prelude::*;

    use super::*;

    /// Literals that begin, end and overlap each other; of one, two and more bytes, with signs and other scripts.
    const WORDS: &[&str] =
        &["a", "ab", "ABC", "abcab", "b a", "bca", "://", "-b", "é", "éa", "여권", "ab", "_a-", "caca", "c:"];

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_automaton_finds_the_same(text in "([abcABC]|[ :/_-]|é|É|여|권|여권|zoo){0,40}") {
            let literals = Literals::new(WORDS);
            let automaton = |kind| AhoCorasick::builder().ascii_case_insensitive(true).match_kind(kind).build(WORDS).unwrap();
            let key = |m: aho_corasick::Match| (m.start(), m.end(), m.pattern().as_usize());
            let mut found = Vec::new();
            literals.find(text.as_bytes(), |hit| found.push((hit.start, hit.end, hit.literal)));
            let want: Vec<_> = automaton(MatchKind::LeftmostLongest).find_iter(&text).map(key).collect();
            prop_assert_eq!(found, want);

            let mut want: Vec<_> = automaton(MatchKind::Standard).find_overlapping_iter(&text).map(key).collect();
            want.sort_unstable();
            for cut in 0..=text.len() {
                let mut found = Vec::new();
                for range in [0..cut, cut..text.len()] {
                    literals.all(text.as_bytes(), range, |_, _| true, |hit| found.push((hit.start, hit.end, hit.literal)));
                }
                found.sort_unstable();
                prop_assert_eq!(&found, &want);
            }
        }
    }
}
