//! Passages that training records share with evaluation records: 13 words in a row.
//!
//! Thirteen words are what the authors of GPT-3 took (Brown et al. 2020, appendix C). As there, a passage that many training
//! records hold is a formula, not a leak: it does not count. Instructions to the model are left out, since they are the
//! same on both sides by design.
//! Invariant: memory grows with the evaluation records alone, and with at most [`KEPT_PER_RECORD`] places per record.

use std::collections::HashMap;

use super::words::joined;

/// Words of a passage.
pub(super) const PASSAGE_WORDS: usize = 13;
/// A passage in more training records than this is a formula.
const FORMULA_RECORDS: u32 = 10;
/// Passages that are remembered of one training record.
const KEPT_PER_RECORD: usize = 1024;

/// The passages of the evaluation records.
#[derive(Default)]
pub(super) struct Passages {
    /// Hash to place in `count`.
    known: HashMap<u64, u32>,
}

impl Passages {
    /// Learns the passages of an evaluation record.
    pub(super) fn learn(&mut self, words: &[u64]) {
        for passage in words.windows(PASSAGE_WORDS) {
            let next = self.known.len() as u32;
            self.known.entry(joined(passage)).or_insert(next);
        }
    }

    /// The known passages of a training record, each once, the first few.
    pub(super) fn shared(&self, words: &[u64]) -> Vec<u32> {
        let mut shared: Vec<u32> = Vec::new();
        if self.known.is_empty() {
            return shared;
        }
        let places = words.windows(PASSAGE_WORDS).filter_map(|passage| self.known.get(&joined(passage)));
        shared.extend(places.take(KEPT_PER_RECORD));
        shared.sort_unstable();
        shared.dedup();
        shared
    }

    /// For every training record, by the passages that it shares, whether one of them is no formula.
    pub(super) fn leaks<'a>(&self, records: impl Iterator<Item = &'a [u32]> + Clone) -> Vec<bool> {
        let mut count = vec![0_u32; self.known.len()];
        for place in records.clone().flatten() {
            count[*place as usize] += 1;
        }
        records.map(|places| places.iter().any(|place| count[*place as usize] <= FORMULA_RECORDS)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    const PASSAGE: &str = "one two three four five six seven eight nine ten eleven twelve thirteen";

    fn shared(evaluation: &[&str], training: &[String]) -> Vec<bool> {
        let mut passages = Passages::default();
        evaluation.iter().for_each(|text| passages.learn(&words(text)));
        let places: Vec<Vec<u32>> = training.iter().map(|text| passages.shared(&words(text))).collect();
        passages.leaks(places.iter().map(Vec::as_slice))
    }

    #[test]
    fn thirteen_words_in_a_row_are_a_leak_and_twelve_are_none() {
        let training = [format!("Before: {PASSAGE}, after"), PASSAGE.replace("seven", "7"), "something else".into()];
        assert_eq!(shared(&[&format!("x {PASSAGE} y")], &training), [true, false, false]);
        assert_eq!(shared(&["too short"], &training), [false; 3]);
    }

    #[test]
    fn a_formula_is_no_leak() {
        let few = vec![PASSAGE.to_owned(); 10];
        assert_eq!(shared(&[PASSAGE], &few), [true; 10]);
        let many = vec![PASSAGE.to_owned(); 11];
        assert_eq!(shared(&[PASSAGE], &many), [false; 11]);
    }
}
