//! The course of a review on disk: what was sampled and marked, and no text.
//!
//! Invariants: the sample follows from the seed and the number of records alone; the file is bound to the bytes of the data
//! by an HMAC under the seed; it is replaced whole after every answer.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::hint::Usage;
use crate::evidence::DetectionFacts;
use crate::files::{Keep, WholeFile, hex};

const SCHEMA: &str = "cloister.review.v1";

/// A review.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    schema: String,
    seed: String,
    /// HMAC-SHA256 of the data under the seed.
    pub(super) commitment: String,
    /// Records of the data.
    pub(super) records: usize,
    /// Records in the sample.
    pub(super) sample: usize,
    /// What is searched for.
    detection: DetectionFacts,
    /// Records that the person has gone past: the first so many of the sample.
    pub(super) reviewed: usize,
    /// The record that is shown next, by its place in the sample.
    pub(super) position: usize,
    /// Marks by place in the sample.
    pub(super) marks: BTreeMap<usize, Marks>,
    /// Who reviewed, and when.
    #[serde(default)]
    pub(super) sittings: Vec<Sitting>,
}

/// One person on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sitting {
    /// Who; absent if nobody said.
    pub(super) reviewer: Option<String>,
    /// The day, in UTC.
    pub(super) date: String,
    /// Records that were reviewed for the first time then.
    pub(super) reviewed: usize,
}

/// What a person marked in one record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Marks {
    /// Missed, by label.
    pub(super) missed: BTreeMap<String, usize>,
    /// Found and wrong, by label.
    pub(super) wrong: BTreeMap<String, usize>,
}

/// Computes the commitment while the data are read.
pub(super) struct Seal {
    seed: [u8; 32],
    mac: Hmac<Sha256>,
}

impl Seal {
    pub(super) fn fresh() -> anyhow::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Self::under(seed)
    }

    fn under(seed: [u8; 32]) -> anyhow::Result<Self> {
        Ok(Self { seed, mac: Hmac::<Sha256>::new_from_slice(&seed)? })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.mac.update(bytes);
    }

    fn value(self) -> String {
        hex(&self.mac.finalize().into_bytes())
    }
}

impl State {
    pub(super) fn begin(seal: Seal, records: usize, sample: usize, detection: DetectionFacts) -> Self {
        Self {
            schema: SCHEMA.into(),
            seed: hex(&seal.seed),
            commitment: seal.value(),
            records,
            sample: sample.min(records),
            detection,
            reviewed: 0,
            position: 0,
            marks: BTreeMap::new(),
            sittings: Vec::new(),
        }
    }

    /// Somebody begins, or goes on.
    pub(super) fn sit_down(&mut self, reviewer: Option<String>, date: String) {
        if self.sittings.last().is_none_or(|last| (&last.reviewer, &last.date) != (&reviewer, &date)) {
            self.sittings.push(Sitting { reviewer, date, reviewed: 0 });
        }
    }

    /// The record that is shown is done.
    pub(super) fn next(&mut self) {
        self.position += 1;
        if self.position > self.reviewed {
            self.reviewed = self.position;
            if let Some(sitting) = self.sittings.last_mut() {
                sitting.reviewed += 1;
            }
        }
    }

    /// The state in a file; `None` if there is none.
    pub(super) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(crate::Error::read(path)(error).into()),
        };
        let state: Option<Self> = serde_json::from_slice(&text).ok();
        let sound = |state: &Self| {
            let inside =
                state.reviewed <= state.sample && state.position <= state.sample && state.sample <= state.records;
            state.schema == SCHEMA && inside && state.seed().is_some()
        };
        match state.filter(sound) {
            Some(state) => Ok(Some(state)),
            None => {
                let message = format!("`{}` is not the state of a review", path.display());
                Err(Usage::new(message, "name another file with --state, or remove it to start anew").into())
            }
        }
    }

    /// A seal under the seed of this review.
    pub(super) fn seal(&self) -> anyhow::Result<Seal> {
        Seal::under(self.seed().unwrap_or_default())
    }

    /// Whether a review of these data goes on here; else, what differs.
    pub(super) fn continues(
        &self,
        seal: Seal,
        records: usize,
        sample: usize,
        detection: &DetectionFacts,
    ) -> Result<(), &'static str> {
        match () {
            () if seal.value() != self.commitment || records != self.records => Err("other data"),
            () if sample.min(records) != self.sample => Err("a sample of another size"),
            () if *detection != self.detection => Err("other options of detection"),
            () => Ok(()),
        }
    }

    /// Writes the file, readable by its owner only.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut file = WholeFile::create(path, Keep::PrivateReplacing)?;
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        file.write_all(&json).map_err(crate::Error::write(path))?;
        Ok(file.commit()?)
    }

    /// The sampled records, by their place in the data, in the order in which they are shown: a random order, so that the
    /// first so many are a random sample too.
    pub(super) fn sampled(&self) -> Vec<usize> {
        let mut draw = Draw { seed: self.seed().unwrap_or_default(), counter: 0 };
        // The first steps of the shuffle of Fisher and Yates; what was moved is kept aside.
        let mut moved: BTreeMap<usize, usize> = BTreeMap::new();
        let place = |moved: &BTreeMap<usize, usize>, at: usize| moved.get(&at).copied().unwrap_or(at);
        let mut sampled = Vec::with_capacity(self.sample);
        for index in 0..self.sample {
            let other = index + draw.below(self.records - index);
            let (here, there) = (place(&moved, index), place(&moved, other));
            sampled.push(there);
            moved.insert(other, here);
        }
        sampled
    }

    /// Reviewed records in which something was missed.
    pub(super) fn records_with_misses(&self) -> usize {
        let missed = |marks: &Marks| marks.missed.values().any(|count| *count > 0);
        self.marks.range(..self.reviewed).filter(|(_, marks)| missed(marks)).count()
    }

    fn seed(&self) -> Option<[u8; 32]> {
        let digits: Option<Vec<u8>> =
            self.seed.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
        let bytes: Vec<u8> =
            digits?.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        bytes.try_into().ok().filter(|_| self.seed.len() == 64)
    }
}

/// Uniform numbers from a seed: SHA-256 of seed and counter.
struct Draw {
    seed: [u8; 32],
    counter: u64,
}

impl Draw {
    /// A number below `limit`, which is above 0, without bias.
    fn below(&mut self, limit: usize) -> usize {
        let limit = limit as u64;
        let unbiased = u64::MAX - u64::MAX % limit;
        loop {
            let block = Sha256::new().chain_update(self.seed).chain_update(self.counter.to_le_bytes()).finalize();
            self.counter += 1;
            let value = block[..8].iter().fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
            if value < unbiased {
                return (value % limit) as usize;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detection(threshold: f32) -> DetectionFacts {
        DetectionFacts::of(&cloister_text::DetectorOptions { threshold, ..Default::default() }, None)
    }

    fn state(records: usize, sample: usize) -> State {
        State::begin(Seal::under([7; 32]).unwrap(), records, sample, detection(0.5))
    }

    #[test]
    fn a_sample_has_no_record_twice_and_every_record_a_chance() {
        let sample = state(1000, 300).sampled();
        let mut sorted = sample.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 300);
        assert!(sorted.iter().all(|index| *index < 1000));
        assert_eq!(sample, state(1000, 300).sampled());
        assert_ne!(sample[..50], sorted[..50]);
        assert_eq!(state(3, 10).sampled().len(), 3);
        // 2,000 seeds, 3 of 10: each record about 600 times, standard deviation 20.5
        let mut times = [0_usize; 10];
        for seed in 0..2000_u64 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            let state = State::begin(Seal::under(bytes).unwrap(), 10, 3, detection(0.5));
            state.sampled().into_iter().for_each(|index| times[index] += 1);
        }
        assert!(times.iter().all(|times| (480..720).contains(times)), "{times:?}");
    }

    #[test]
    fn a_state_comes_back_and_knows_its_data() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        assert!(State::read(&path).unwrap().is_none());
        let mut seal = Seal::under([7; 32]).unwrap();
        seal.update(b"data");
        let mut before = State::begin(seal, 100, 10, detection(0.5));
        before.reviewed = 3;
        before.marks.entry(1).or_default().missed.insert("PERSON".into(), 2);
        before.marks.entry(2).or_default().missed.insert("PERSON".into(), 0);
        before.marks.entry(5).or_default().missed.insert("PERSON".into(), 1);
        assert_eq!(before.records_with_misses(), 1);
        for (who, date) in [("Ada", "2026-11-26"), ("Ada", "2026-11-27"), ("Ada", "2026-11-27"), ("Bo", "2026-11-27")] {
            before.sit_down(Some(who.into()), date.into());
        }
        assert_eq!(before.sittings.len(), 3);
        before.write(&path).unwrap();
        let after = State::read(&path).unwrap().unwrap();
        assert_eq!(after, before);
        let seal = |bytes: &[u8]| {
            let mut seal = after.seal().unwrap();
            seal.update(bytes);
            seal
        };
        assert_eq!(after.continues(seal(b"data"), 100, 10, &detection(0.5)), Ok(()));
        assert_eq!(after.continues(seal(b"date"), 100, 10, &detection(0.5)), Err("other data"));
        assert_eq!(after.continues(seal(b"data"), 100, 11, &detection(0.5)), Err("a sample of another size"));
        assert_eq!(after.continues(seal(b"data"), 100, 10, &detection(0.6)), Err("other options of detection"));
        for bad in ["", "{}", "[1]"] {
            std::fs::write(&path, bad).unwrap();
            assert!(State::read(&path).is_err(), "{bad}");
        }
    }
}
