//! Answers that contradict each other, and labels that look wrong.
//!
//! The same question with different answers teaches a model to guess. Where answers are labels (a few short ones over and
//! over), three more signs of noise can be read: the same text under two labels, nearly the same text under two labels,
//! and a label that is one slip of the keyboard away from a common one.
//! Holds answers of at most [`LABEL_BYTES`] bytes, so it has neither `Debug` nor `Display`.

use std::collections::{HashMap, HashSet};

use super::near::Pair;
use super::words::folded;

/// Longer answers are no labels.
const LABEL_BYTES: usize = 64;
const LABEL_WORDS: usize = 5;
/// A data set has labels if its different short answers are at most this share of its records …
const LABELS_PER_RECORD: f64 = 0.05;
/// … at most so many …
const MOST_LABELS: usize = 1000;
/// … and stand in at least this share of the records.
const LABELLED_SHARE: f64 = 0.9;
/// Fewer records show no pattern.
const FEWEST_RECORDS: usize = 40;
/// A label must be so many times as frequent as a misspelling of it.
const COMMONER: usize = 10;

/// A keyed digest of a text.
pub(super) type Digest = [u8; 16];

/// What is asked, and what is answered.
pub(super) struct Answered {
    pub(super) prompt: Digest,
    pub(super) answer: Digest,
}

/// An answer as a label, where it is short enough to be one.
pub(super) fn label(answer: &str, words: usize) -> Option<Box<str>> {
    let short = !answer.trim().is_empty() && answer.len() <= LABEL_BYTES && words <= LABEL_WORDS;
    short.then(|| folded(answer).into_boxed_str())
}

/// For every record that shares its question with another and not its answer: a record that it contradicts.
pub(super) fn contradictions<'a>(records: impl Iterator<Item = Option<&'a Answered>>) -> Vec<(usize, usize)> {
    // The first record with a question, the first with another answer to it, and the records that wait for one.
    struct Asked {
        first: usize,
        answer: Digest,
        other: Option<usize>,
        waiting: Vec<usize>,
    }
    let mut asked: HashMap<Digest, Asked> = HashMap::new();
    let mut found = Vec::new();
    for (index, record) in records.enumerate() {
        let Some(Answered { prompt, answer }) = record else { continue };
        let entry = asked.entry(*prompt).or_insert_with(|| Asked {
            first: index,
            answer: *answer,
            other: None,
            waiting: Vec::new(),
        });
        match (entry.answer == *answer, entry.other) {
            (true, Some(other)) => found.push((index, other)),
            (true, None) => entry.waiting.push(index),
            (false, other) => {
                found.push((index, entry.first));
                if other.is_none() {
                    entry.other = Some(index);
                    found.extend(entry.waiting.drain(..).map(|waiting| (waiting, index)));
                }
            }
        }
    }
    found.sort_unstable();
    found
}

/// The labels of a data set, if it has any.
pub(super) struct Labels<'a> {
    counts: HashMap<&'a str, usize>,
}

impl<'a> Labels<'a> {
    /// Of records with these labels; `None` where answers are no labels.
    pub(super) fn of(records: impl Iterator<Item = Option<&'a str>>) -> Option<Self> {
        let (mut all, mut labelled) = (0_usize, 0_usize);
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for label in records {
            all += 1;
            if let Some(label) = label {
                labelled += 1;
                *counts.entry(label).or_default() += 1;
            }
        }
        let few = counts.len() <= MOST_LABELS && counts.len() as f64 <= all as f64 * LABELS_PER_RECORD;
        let most = labelled as f64 >= all as f64 * LABELLED_SHARE;
        (all >= FEWEST_RECORDS && few && most && counts.len() > 1).then_some(Self { counts })
    }

    /// Number of different labels.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Pairs of nearly the same text under two labels.
    pub(super) fn noisy(pairs: &[Pair], label: impl Fn(usize) -> Option<&'a str>) -> Vec<(usize, usize)> {
        let differ = |pair: &&Pair| match (label(pair.text), label(pair.like)) {
            (Some(one), Some(other)) => one != other,
            _ => false,
        };
        pairs.iter().filter(differ).map(|pair| (pair.text, pair.like)).collect()
    }

    /// Labels that are rare and one slip away from a common one.
    pub(super) fn misspelt(&self) -> HashSet<&'a str> {
        let common: Vec<(&str, usize)> = self.counts.iter().map(|(label, count)| (*label, *count)).collect();
        let is_slip = |(label, count): &(&str, usize)| {
            let near = |(other, others): &(&str, usize)| *others >= count * COMMONER && one_slip(label, other);
            label.chars().count() >= 4 && !label.contains(|c: char| c.is_ascii_digit()) && common.iter().any(near)
        };
        common.iter().filter(|entry| is_slip(entry)).map(|(label, _)| *label).collect()
    }
}

/// Whether one insertion, deletion, substitution or swap of neighbours makes `b` of `a` (Damerau 1964).
fn one_slip(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[head..], &b[head..]);
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    match (&a[..a.len() - tail], &b[..b.len() - tail]) {
        ([], [_]) | ([_], []) | ([_], [_]) => true,
        ([x, y], [v, w]) => x == w && y == v,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn record(prompt: u8, answer: u8) -> Option<Answered> {
        Some(Answered { prompt: [prompt; 16], answer: [answer; 16] })
    }

    #[test]
    fn every_side_of_a_contradiction_is_named() {
        let records =
            [record(1, 1), record(1, 1), None, record(2, 1), record(1, 2), record(1, 1), record(2, 1), record(1, 3)];
        let found = contradictions(records.iter().map(Option::as_ref));
        assert_eq!(found, [(0, 4), (1, 4), (4, 0), (5, 4), (7, 0)]);
    }

    #[test]
    fn labels_are_few_short_and_everywhere() {
        let labels = |of: &[&'static str], times: usize| {
            Labels::of(of.iter().cycle().take(of.len() * times).map(|label| Some(*label))).is_some()
        };
        assert!(labels(&["spam", "ham"], 20));
        assert!(!labels(&["spam", "ham"], 19), "too few records");
        assert!(!labels(&["spam"], 100), "one label says nothing");
        let unlike: Vec<String> = (0..100).map(|n| format!("answer {n}")).collect();
        assert!(Labels::of(unlike.iter().map(|label| Some(label.as_str()))).is_none());
        assert_eq!(label(" Positive ", 1).as_deref(), Some("positive"));
        assert_eq!(label("one two three four five six", 6), None);
        assert_eq!(label(" ", 0), None);
    }

    #[test]
    fn a_misspelt_label_is_rare_and_one_slip_away() {
        let mut all = vec!["positive"; 50];
        all.extend(["negative"; 50]);
        all.extend(["postive", "negatvie", "neutral", "level1"]);
        all.extend(["level2"; 20]);
        let labels =
            Labels::of(all.iter().map(|label| Some(*label)).chain(std::iter::repeat_n(Some("positive"), 100))).unwrap();
        let mut misspelt: Vec<&str> = labels.misspelt().into_iter().collect();
        misspelt.sort_unstable();
        assert_eq!(misspelt, ["negatvie", "postive"]);
        assert_eq!(labels.len(), 7);
    }

    #[test]
    fn one_slip_is_one_slip() {
        for (a, b) in [("cat", "cut"), ("cat", "cats"), ("cat", "at"), ("cat", "act"), ("aab", "ab")] {
            assert!(one_slip(a, b) && one_slip(b, a), "{a} {b}");
        }
        for (a, b) in [("cat", "cat"), ("cat", "dog"), ("abcd", "badc"), ("cat", "catty")] {
            assert!(!one_slip(a, b), "{a} {b}");
        }
    }

    #[test]
    fn like_texts_under_two_labels_are_noise() {
        let pairs = [Pair { text: 1, like: 0, similarity: 0.9 }, Pair { text: 2, like: 0, similarity: 0.9 }];
        let labels = [Some("spam"), Some("ham"), Some("spam")];
        assert_eq!(Labels::noisy(&pairs, |index| labels[index]), [(1, 0)]);
    }
}
