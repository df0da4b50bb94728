//! Words that announce a number.
//!
//! Invariant: a text is searched for them at most once, and not at all where nothing in it has the form of a number that
//! such words announce.

use aho_corasick::{AhoCorasick, MatchKind};

use super::super::view::View;
use super::rule::Rule;
use crate::error::{Error, Result};

/// A word after a number counts for so many bytes.
const REACH_AFTER: usize = 24;

/// The words of all rules, compiled.
pub(super) struct Cues {
    words: AhoCorasick,
    /// The rules that each word speaks for, by their place in the table.
    rules: Vec<Vec<u16>>,
}

impl Cues {
    pub(super) fn new(rules: &[&'static Rule]) -> Result<Self> {
        let mut words = std::collections::BTreeMap::<String, Vec<u16>>::new();
        for (index, rule) in (0..).zip(rules) {
            for cue in rule.cues {
                // `passport number` as the name of a field: `passport_number`, `passport-number`, `passportNumber`.
                for joint in [" ", "_", "-", ""] {
                    let owners = words.entry(cue.replace(' ', joint)).or_default();
                    if owners.last() != Some(&index) {
                        owners.push(index);
                    }
                }
            }
        }
        let (words, rules): (Vec<String>, Vec<Vec<u16>>) = words.into_iter().unzip();
        let words = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(words)
            .map_err(|source| Error::Detector { detector: "words beside identifiers", source: Box::new(source) })?;
        Ok(Self { words, rules })
    }

    pub(super) fn search<'a>(&'a self, view: &'a View<'a>) -> Search<'a> {
        Search { cues: self, view, hits: None }
    }
}

struct Hit {
    start: usize,
    end: usize,
    word: usize,
}

/// The words of one text, found when they are first asked for.
pub(super) struct Search<'a> {
    cues: &'a Cues,
    view: &'a View<'a>,
    hits: Option<Vec<Hit>>,
}

impl Search<'_> {
    /// Bytes between a number and the nearest word that announces it, at most `reach` before it or [`REACH_AFTER`] after.
    pub(super) fn distance(&mut self, rule: u16, start: usize, end: usize, reach: usize) -> Option<usize> {
        let (cues, view) = (self.cues, self.view);
        let hits = self.hits.get_or_insert_with(|| find(cues, view));
        let first = hits.partition_point(|hit| hit.end + reach < start);
        hits[first..]
            .iter()
            .take_while(|hit| hit.end <= end + REACH_AFTER + LONGEST_CUE)
            .filter(|hit| cues.rules[hit.word].contains(&rule))
            .filter_map(|hit| match (start.checked_sub(hit.end), hit.start.checked_sub(end)) {
                (Some(before), _) => Some(before),
                (_, Some(after)) if after <= REACH_AFTER => Some(after),
                _ => None,
            })
            .min()
    }
}

/// Bytes that no word exceeds; it bounds how far hits, which are sorted by their ends, are looked at.
pub(super) const LONGEST_CUE: usize = 64;

fn find(cues: &Cues, view: &View<'_>) -> Vec<Hit> {
    let matches = cues.words.find_overlapping_iter(view.text);
    matches
        .filter(|m| is_whole_word(view.bytes, m.start(), m.end()))
        .map(|m| Hit { start: m.start(), end: m.end(), word: m.pattern().as_usize() })
        .collect()
}

/// Whether no letter of the same word stands beside. Hangul, Thai and the like are written without spaces, so that any
/// border counts; a capital after a small letter begins a word, as in `passportNumber`; a plural is the same word.
fn is_whole_word(bytes: &[u8], start: usize, end: usize) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte >= 0x80;
    // Lead bytes from U+0800 on.
    if bytes[start] >= 0xE0 {
        return true;
    }
    let hump = |at: usize| bytes[at - 1].is_ascii_lowercase() && bytes[at].is_ascii_uppercase();
    let plural = usize::from(bytes.get(end).is_some_and(|byte| *byte == b's'));
    // A number may follow at once, but a word does not follow one: `t.co/x6cdl`.
    let begins = start == 0 || !(letter(bytes[start - 1]) || bytes[start - 1].is_ascii_digit()) || hump(start);
    let ends = |at: usize| at >= bytes.len() || !letter(bytes[at]) || bytes[at] >= 0xE0 || hump(at);
    begins && (ends(end) || ends(end + plural)) && !in_placeholder(bytes, start)
}

/// Inside a label that replacement wrote, such as `<US_SSN>`.
fn in_placeholder(bytes: &[u8], at: usize) -> bool {
    let from = at.saturating_sub(32);
    bytes[from..at].iter().rev().find(|b| !(b.is_ascii_uppercase() || **b == b'_')).is_some_and(|b| *b == b'<')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::super::Label;
    use super::super::super::view::Context;
    use super::super::rule::Shape;
    use super::*;

    static RULE: Rule =
        Rule { label: Label::UK_NHS, shape: Shape::Digits(1, 9), cues: &["nhs", "nhs number", "여권"], ..Rule::BASE };

    fn distance(text: &str) -> Option<usize> {
        let context = Context::new().unwrap();
        let view = View::new(text, &context);
        let cues = Cues::new(&[&RULE]).unwrap();
        let at = text.find('5').unwrap();
        cues.search(&view).distance(0, at, at + 1, 20)
    }

    #[test]
    fn the_nearest_word_counts_within_reach() {
        assert_eq!(distance("NHS number: 5"), Some(2));
        assert_eq!(distance("nhs, 5 is the NHS number"), Some(2));
        assert_eq!(distance("5 (NHS)"), Some(2));
        assert_eq!(distance("nhsNumber=5"), Some(1));
        assert_eq!(distance("여권은 5"), Some(4));
        assert_eq!(distance("the NHS and then a lot of words 5"), None);
        assert_eq!(distance("5 and then a lot of words about the NHS"), None);
    }

    #[test]
    fn parts_of_words_and_placeholders_do_not_count() {
        for text in ["anhs 5", "nhsx 5", "<UK_NHS> 5", "inhsum 5"] {
            assert_eq!(distance(text), None, "{text}");
        }
    }
}
