//! Words that announce a number.
//!
//! Invariant: a text is searched for them at most once, and only as far around numbers of a form that such words announce
//! as they count.

use std::ops::Range;

use super::super::literals::Literals;
use super::super::view::View;
use super::rule::Rule;

/// A word after a number counts for so many bytes.
const REACH_AFTER: usize = 24;

/// The words of all rules, compiled.
pub(super) struct Cues {
    words: Literals,
    /// The rules that each word speaks for, by their place in the table.
    rules: Vec<Vec<u16>>,
    /// The farthest that a word of any rule may stand before its number.
    reach: usize,
}

impl Cues {
    pub(super) fn new(rules: &[&'static Rule]) -> Self {
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
        let reach = rules.iter().map(|rule| rule.reach).max().unwrap_or_default();
        let (words, rules): (Vec<String>, Vec<Vec<u16>>) = words.into_iter().unzip();
        Self { words: Literals::new(words), rules, reach }
    }

    pub(super) fn search<'a>(&'a self, view: &'a View<'a>) -> Search<'a> {
        Search { cues: self, view, covered: 0..0, hits: Vec::new() }
    }
}

struct Hit {
    start: usize,
    end: usize,
    word: usize,
}

/// The words of one text, found where they are asked for.
pub(super) struct Search<'a> {
    cues: &'a Cues,
    view: &'a View<'a>,
    /// What begins here has been found.
    covered: Range<usize>,
    /// Sorted by their starts.
    hits: Vec<Hit>,
}

impl Search<'_> {
    /// Bytes between a number and the nearest word that announces it, at most `reach` before it or [`REACH_AFTER`] after.
    pub(super) fn distance(&mut self, rule: u16, start: usize, end: usize, reach: usize) -> Option<usize> {
        let stop = self.view.bytes.len().min(end + REACH_AFTER + 1);
        self.cover(start.saturating_sub(self.cues.reach + LONGEST_CUE)..stop);
        let first = self.hits.partition_point(|hit| hit.start + LONGEST_CUE + reach < start);
        self.hits[first..]
            .iter()
            .take_while(|hit| hit.start < stop)
            .filter_map(|hit| match (start.checked_sub(hit.end), hit.start.checked_sub(end)) {
                (Some(before), _) if before <= reach => Some((before, hit)),
                // Behind the end of a sentence it announces another number.
                (None, Some(after)) if !ends_sentence(&self.view.bytes[end..hit.start]) => Some((after, hit)),
                _ => None,
            })
            .filter(|(_, hit)| self.cues.rules[hit.word].contains(&rule))
            .map(|(distance, _)| distance)
            .min()
    }

    /// Finds what begins in `range`. Numbers are asked about in their order, so that this goes on where it ended.
    fn cover(&mut self, range: Range<usize>) {
        if range.start < self.covered.start || range.start > self.covered.end {
            self.hits.clear();
            self.covered = range.start..range.start;
        }
        if range.end > self.covered.end {
            let bytes = self.view.bytes;
            self.cues.words.all(bytes, self.covered.end..range.end, may_begin, |hit| {
                if is_whole_word(bytes, hit.start, hit.end) {
                    self.hits.push(Hit { start: hit.start, end: hit.end, word: hit.literal });
                }
            });
            self.covered.end = range.end;
        }
    }
}

/// Bytes that no word exceeds; it bounds how far hits, which are sorted by their starts, are looked at.
pub(super) const LONGEST_CUE: usize = 64;

/// Whether a word may begin with `first` after the byte `before`: not inside another, as [`is_whole_word`] asks again.
fn may_begin(before: u8, first: u8) -> bool {
    let inside = before.is_ascii_alphanumeric() || before >= 0x80;
    !inside | (first >= 0xE0) | (before.is_ascii_lowercase() & first.is_ascii_uppercase())
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

/// Whether a sentence or a line ends in what lies between a number and a word.
fn ends_sentence(between: &[u8]) -> bool {
    between.contains(&b'\n')
        || between.windows(2).any(|pair| matches!(pair[0], b'.' | b'!' | b'?' | b';') && pair[1] == b' ')
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
        let context = Context::new();
        let view = View::new(text, &context);
        let cues = Cues::new(&[&RULE]);
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
        assert_eq!(distance("5. NHS"), None);
        assert_eq!(distance("5\nNHS"), None);
        assert_eq!(distance("5 and then a lot of words about the NHS"), None);
    }

    #[test]
    fn parts_of_words_and_placeholders_do_not_count() {
        for text in ["anhs 5", "nhsx 5", "<UK_NHS> 5", "inhsum 5"] {
            assert_eq!(distance(text), None, "{text}");
        }
    }
}
