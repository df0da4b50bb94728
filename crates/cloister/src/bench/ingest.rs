//! Near duplicates among generated records: how many of the planted pairs are found, how many others, and in what time.
//!
//! A planted record shares four fifths with an earlier one in one of three ways: every fifth word is another one, somewhere;
//! one stretch of a fifth of the text is other text; or four fifths of the pairs of neighbouring words are common. Words are
//! drawn from 20,000 with the frequencies of a natural language (Zipf); a third of the records begin alike and every
//! fiftieth has the same footer, as mail has.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Seek as _, SeekFrom, Write as _};
use std::time::Instant;

use cloister_model::SplitMix64;
use cloister_text::quality::{Analyst, Assessment, Code, Features, QualityOptions, RecordAt, RecordKey, WordList};
use cloister_text::{Chunk, Columns, Error as TextError, Reading, Source};

use super::BenchError;
use crate::{interrupt, parallel};

/// How it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Records, those planted among them.
    pub records: usize,
    /// Bytes of the input.
    pub bytes: u64,
    /// Records that were planted, each the near duplicate of another.
    pub planted: usize,
    /// Threads that looked at records.
    pub threads: usize,
    /// Wall time from the first byte read to the last decision.
    pub seconds: f64,
    /// Pairs reported as near duplicates.
    pub reported: usize,
    /// Those of them that were planted.
    pub right: usize,
}

impl Outcome {
    /// Share of the planted pairs that were found.
    pub fn found(&self) -> f64 {
        self.right as f64 / self.planted.max(1) as f64
    }

    /// Share of the reported pairs that were not planted.
    pub fn wrong(&self) -> f64 {
        (self.reported - self.right) as f64 / self.reported.max(1) as f64
    }
}

/// Generates so many records, `planted` of them near duplicates of others, and looks at them on `threads` threads.
///
/// # Errors
/// [`BenchError`].
pub fn run(records: usize, planted: usize, threads: usize) -> Result<Outcome, BenchError> {
    let planted = planted.min(records / 8);
    let mut file = tempfile::tempfile()?;
    let kinds = generate(&file, records, planted)?;
    let bytes = file.stream_position()?;
    file.seek(SeekFrom::Start(0))?;

    let started = Instant::now();
    // A key of no secret: the same records give the same figures.
    let analyst = Analyst::new(&QualityOptions::default(), RecordKey::from_bytes([1; 32]), WordList::standard())?;
    let (columns, mut assessment) = (Columns::default(), Assessment::default());
    let reading = Reading::mending(&columns);
    let mut source = Source::from_reader(&file, "x.jsonl");
    let look = |chunk: Chunk| -> Result<Vec<Features>, TextError> {
        let batch = chunk.read(&reading, &mut None)?;
        Ok(batch
            .records
            .iter()
            .map(|record| analyst.look(record, RecordAt { file: 0, line: record.line }, None))
            .collect())
    };
    parallel::pipeline(
        threads,
        || source.next_chunk(),
        look,
        |looked| -> Result<(), BenchError> {
            interrupt::check()?;
            looked?.into_iter().for_each(|features| assessment.push(features));
            Ok(())
        },
    )?;
    let quality = assessment.decide(&analyst);
    let seconds = started.elapsed().as_secs_f64();

    let kind = |at: RecordAt| at.line.checked_sub(1).and_then(|index| kinds.get(index));
    let (mut reported, mut right) = (0, 0);
    for verdict in &quality.verdicts {
        for reason in verdict.reasons.iter().filter(|reason| reason.code == Code::NearDuplicate) {
            reported += 1;
            right += usize::from(reason.like.is_some_and(|like| kind(like) == kind(verdict.at)));
        }
    }
    Ok(Outcome { records, bytes, planted, threads, seconds, reported, right })
}

/// Writes the records in a random order; gives the kind of each, which planted ones share with their originals.
fn generate(file: &File, records: usize, planted: usize) -> Result<Vec<usize>, BenchError> {
    let mut random = Random(SplitMix64(1));
    let mut texts: Vec<(usize, Vec<u32>)> =
        (0..records - planted).map(|kind| (kind, text(&mut random, kind))).collect();
    for index in 0..planted {
        let kind = index * 7 % texts.len().max(1);
        let copy = changed(&mut random, &texts[kind].1, index);
        texts.push((kind, copy));
    }
    for at in (1..texts.len()).rev() {
        texts.swap(at, random.below(at + 1));
    }
    let mut out = BufWriter::with_capacity(1 << 20, file);
    for (_, words) in &texts {
        out.write_all(b"{\"text\":\"")?;
        for word in words {
            write!(out, "w{word} ")?;
        }
        out.write_all(b"\"}\n")?;
    }
    out.flush()?;
    Ok(texts.into_iter().map(|(kind, _)| kind).collect())
}

/// Words of the language, of other words for changes, and of phrases that many records share.
const WORDS: f64 = 20_000.0;
const OTHERS: u32 = 30_000;
const OPENING: [u32; 5] = [50_001, 50_002, 50_003, 50_004, 50_005];
const FOOTER: std::ops::Range<u32> = 50_010..50_022;

fn text(random: &mut Random, index: usize) -> Vec<u32> {
    let mut words = Vec::new();
    if index.is_multiple_of(3) {
        words.extend(OPENING);
    }
    words.extend((0..25 + random.below(75)).map(|_| random.word()));
    if index.is_multiple_of(50) {
        words.extend(FOOTER);
    }
    words
}

fn changed(random: &mut Random, words: &[u32], way: usize) -> Vec<u32> {
    let mut words = words.to_vec();
    let fifth = words.len() / 5;
    match way % 3 {
        0 => {
            let mut places = BTreeSet::new();
            while places.len() < fifth {
                places.insert(random.below(words.len()));
            }
            for place in places {
                words[place] = OTHERS + random.below(10_000) as u32;
            }
        }
        1 => {
            let from = random.below(words.len() - fifth);
            words[from..from + fifth].iter_mut().for_each(|word| *word = random.word());
        }
        // A changed word takes two of the n - 1 pairs: with c changes apart from each other, J = (n-1-2c) / (n-1+2c).
        _ => (0..words.len() / 18).for_each(|n| words[n * 18 + 5] = OTHERS + random.below(10_000) as u32),
    }
    words
}

struct Random(SplitMix64);

impl Random {
    fn unit(&mut self) -> f64 {
        (self.0.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.unit() * limit as f64) as usize
    }

    /// The k-th word with a frequency of about 1/k.
    fn word(&mut self) -> u32 {
        (WORDS.powf(self.unit()) - 1.0) as u32
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_planted_is_found_on_any_number_of_threads() {
        let one = run(4000, 400, 1).unwrap();
        assert_eq!((one.records, one.planted), (4000, 400));
        assert!(one.found() >= 0.95 && one.wrong() <= 0.01, "{one:?}");
        let two = run(4000, 400, 2).unwrap();
        assert_eq!((one.reported, one.right), (two.reported, two.right));
        assert_eq!(run(16, 16, 1).unwrap().planted, 2);
    }
}
