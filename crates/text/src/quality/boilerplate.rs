//! Lines and sentences that many records repeat: signatures, disclaimers, templates.
//!
//! Invariants: a record is kept as at most [`KEPT_PER_RECORD`] hashes with lengths; the table of counts stays below
//! [`MOST_COUNTED`] entries by forgetting what was seen once (lossy counting, Manku and Motwani 2002), which can lose a
//! segment whose repetitions lie far apart in a very large data set and never invents one.

use std::collections::HashMap;

use super::words::{joined, words};

/// Shorter segments are everyday phrases.
const SHORTEST_CHARS: usize = 24;
/// Segments that are remembered of one record.
const KEPT_PER_RECORD: usize = 256;
const MOST_COUNTED: usize = 4_000_000;

/// A line or sentence of a record.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    hash: u64,
    chars: u32,
}

/// The segments of a text that are long enough to tell something, each once.
pub(super) fn segments(text: &str) -> Vec<Segment> {
    let mut found: Vec<Segment> = Vec::new();
    for segment in split(text) {
        let chars = segment.chars().count();
        if chars >= SHORTEST_CHARS {
            let hash = joined(&words(segment));
            found.push(Segment { hash, chars: chars.min(u32::MAX as usize) as u32 });
            if found.len() == KEPT_PER_RECORD {
                break;
            }
        }
    }
    found.sort_unstable_by_key(|segment| segment.hash);
    found.dedup_by_key(|segment| segment.hash);
    found
}

/// Lines, and sentences in them: up to a full stop, question or exclamation mark that white space follows.
fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| {
        let mut rest = line;
        std::iter::from_fn(move || {
            let end = rest.match_indices(['.', '!', '?']).map(|(at, mark)| at + mark.len());
            let mut end = end.filter(|end| rest[*end..].starts_with(char::is_whitespace));
            let end = end.next().unwrap_or(rest.len());
            let (segment, after) = rest.split_at(end);
            rest = after;
            (!segment.is_empty()).then(|| segment.trim())
        })
    })
}

/// In how many records each segment stands.
#[derive(Default)]
pub(super) struct Repeats {
    counts: HashMap<u64, u32>,
}

impl Repeats {
    /// Counts the segments of one record.
    pub(super) fn add(&mut self, segments: &[Segment]) {
        for segment in segments {
            *self.counts.entry(segment.hash).or_default() += 1;
        }
        if self.counts.len() > MOST_COUNTED {
            self.counts.retain(|_, count| *count > 1);
        }
    }

    /// Characters of a record that stand in segments which at least `records` records hold.
    pub(super) fn repeated_chars(&self, segments: &[Segment], records: u32) -> u64 {
        let often = |segment: &&Segment| self.counts.get(&segment.hash).is_some_and(|count| *count >= records);
        segments.iter().filter(often).map(|segment| u64::from(segment.chars)).sum()
    }

    /// How many different segments at least `records` records hold.
    pub(super) fn repeated(&self, records: u32) -> usize {
        self.counts.values().filter(|count| **count >= records).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_sentences_are_told_apart() {
        let text = "Hello there! How are you, version 2.5.1 of me?\nBest wishes.  The team\n\n";
        let parts: Vec<&str> = split(text).filter(|part| !part.is_empty()).collect();
        assert_eq!(parts, ["Hello there!", "How are you, version 2.5.1 of me?", "Best wishes.", "The team"]);
    }

    #[test]
    fn repeated_lines_are_counted_once_a_record() {
        let footer = "This message is confidential, delete it if it is not yours.";
        let mut repeats = Repeats::default();
        let records: Vec<Vec<Segment>> = (0..12)
            .map(|n| segments(&format!("{footer}\n{footer}\nText number {n} that no other record has.")))
            .collect();
        records.iter().for_each(|record| repeats.add(record));
        assert_eq!(repeats.repeated(12), 1);
        assert_eq!(repeats.repeated(13), 0);
        assert_eq!(repeats.repeated_chars(&records[0], 12), footer.chars().count() as u64);
        assert_eq!(repeats.repeated_chars(&records[0], 13), 0);
        assert!(segments("Yes.\nThank you.").is_empty(), "everyday phrases");
    }
}
