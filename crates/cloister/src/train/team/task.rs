//! What the lead tells the others, as bytes.
//!
//! Invariant: a batch is divided in one place, by the lead, as one list of pairs of a unit and its rank: no unit can be
//! in two shares. Holds no text of a record; who takes part in a step is secret all the same, and stays among the ranks.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Corpus, Error, Request};
use crate::files::hex;
use crate::train::corpus::commitment;
use crate::train::snapshot;

const COMPARISON: u8 = 1;
const STEP: u8 = 2;

/// The next thing to do.
pub(super) enum Task {
    /// See whether this rank was started with the same as the lead.
    Compare {
        /// Of the commitment to the data.
        key: [u8; 32],
        /// Names and values, in order.
        facts: Vec<(String, String)>,
    },
    /// Gradients of a share of a batch.
    Step {
        /// Units of the batch and the ranks that take them.
        shares: Vec<(u64, u64)>,
        /// Where the gradients are taken.
        parameters: Vec<f32>,
    },
}

impl Task {
    /// The lead's own facts, under a fresh key.
    pub(super) fn comparison(request: &Request<'_>) -> Result<Self, Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| cloister_dp::Error::Randomness(error.to_string()))?;
        Ok(Self::Compare { key, facts: facts(request, &key) })
    }

    /// Divides a batch among `ranks`: the unit with the most tokens goes first, each to the rank with the fewest so far.
    pub(super) fn step(batch: &[usize], corpus: &Corpus, ranks: usize, parameters: &[f32]) -> Self {
        let tokens = |unit: usize| corpus.units[unit].iter().map(|&i| corpus.examples[i].tokens.len()).sum::<usize>();
        let mut units: Vec<(usize, usize)> = batch.iter().map(|&unit| (tokens(unit), unit)).collect();
        units.sort_unstable_by(|a, b| b.cmp(a));
        let mut loads = vec![0; ranks];
        let mut shares: Vec<(u64, u64)> = Vec::with_capacity(units.len());
        for (tokens, unit) in units {
            let rank = (0..ranks).min_by_key(|&rank| loads[rank]).unwrap_or(0);
            loads[rank] += tokens;
            shares.push((unit as u64, rank as u64));
        }
        shares.sort_unstable();
        Self::Step { shares, parameters: parameters.to_vec() }
    }

    /// The units that a rank takes, ascending.
    pub(super) fn units_of(&self, rank: usize) -> Vec<usize> {
        match self {
            Self::Compare { .. } => Vec::new(),
            Self::Step { shares, .. } => {
                shares.iter().filter(|share| share.1 == rank as u64).map(|share| share.0 as usize).collect()
            }
        }
    }

    /// Kind, content, SHA-256 of both: a step at other parameters than the lead's would be another run.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Compare { key, facts } => {
                bytes.push(COMPARISON);
                bytes.extend(key);
                bytes.extend(
                    Value::from_iter(facts.iter().map(|(name, value)| [name.as_str(), value])).to_string().bytes(),
                );
            }
            Self::Step { shares, parameters } => {
                bytes.push(STEP);
                bytes.extend((shares.len() as u64).to_le_bytes());
                bytes.extend(shares.iter().flat_map(|&(unit, rank)| [unit, rank]).flat_map(u64::to_le_bytes));
                bytes.extend(parameters.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
        let digest = Sha256::digest(&bytes);
        bytes.extend(digest);
        bytes
    }

    /// # Errors
    /// [`Error::Garbled`] for bytes that [`Task::to_bytes`] did not make.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::parse(bytes).ok_or(Error::Garbled)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (content, digest) = bytes.split_last_chunk::<32>()?;
        if Sha256::digest(content)[..] != digest[..] {
            return None;
        }
        let (&kind, rest) = content.split_first()?;
        if kind == COMPARISON {
            let (&key, facts) = rest.split_first_chunk()?;
            return Some(Self::Compare { key, facts: serde_json::from_slice(facts).ok()? });
        }
        let (count, rest) = rest.split_first_chunk()?;
        let (pairs, rest) =
            rest.split_at_checked(usize::try_from(u64::from_le_bytes(*count)).ok()?.checked_mul(16)?)?;
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
        let shares = pairs.chunks_exact(16).map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect();
        let parameters = rest.chunks_exact(4).map(|value| f32::from_bits(number(value) as u32)).collect();
        (kind == STEP && rest.len().is_multiple_of(4)).then_some(Self::Step { shares, parameters })
    }
}

/// Everything on which clipping, accounting and gradients rest. The data by a keyed commitment: a plain digest that is
/// ever logged on its way would let others test guesses of a record.
pub(super) fn facts(request: &Request<'_>, key: &[u8; 32]) -> Vec<(String, String)> {
    let Request { ready, corpus, built, .. } = request;
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut facts = vec![
        fact("version", env!("CARGO_PKG_VERSION").into()),
        fact("base", ready.base.identity.sha256.clone()),
        fact("base precision", ready.precision.to_string()),
        fact("data set", commitment(key, &corpus.examples, &corpus.units)),
    ];
    facts.extend(snapshot::settings(request).into_iter().map(|(name, value)| (name, value.to_string())));
    // the bits of what calibration gave: sums of other grids must not be added
    let figures = [built.sigma(), built.clip_norm(), built.q(), built.denominator()];
    facts.push(fact("privacy plan", hex(&figures.map(f64::to_be_bytes).concat())));
    facts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use cloister_model::Example;

    use super::*;

    fn corpus(lengths: &[usize]) -> Corpus {
        let example = |&length: &usize| Example { tokens: vec![1; length], is_target: vec![true; length] };
        Corpus {
            examples: lengths.iter().map(example).collect(),
            units: (0..lengths.len()).map(|index| vec![index]).collect(),
            subjects: None,
            truncated: 0,
        }
    }

    #[test]
    fn every_unit_of_a_batch_is_in_one_share_and_the_shares_are_even() {
        let lengths: Vec<usize> = (0..100).map(|n| 5 + n * n % 83).collect();
        let corpus = corpus(&lengths);
        let batch: Vec<usize> = (0..100).filter(|n| n % 3 > 0).collect();
        for ranks in 1..6 {
            let task = Task::step(&batch, &corpus, ranks, &[0.5, -3.0e-41, f32::MAX]);
            let Task::Step { shares, parameters } = Task::from_bytes(&task.to_bytes()).unwrap() else {
                panic!("a step")
            };
            assert_eq!(parameters, [0.5, -3.0e-41, f32::MAX]);
            let read = Task::Step { shares, parameters };
            let mut all: Vec<usize> = (0..ranks).flat_map(|rank| read.units_of(rank)).collect();
            all.sort_unstable();
            assert_eq!(all, batch, "{ranks} ranks");
            let loads: Vec<usize> =
                (0..ranks).map(|rank| read.units_of(rank).iter().map(|&unit| lengths[unit]).sum()).collect();
            let (most, least) = (loads.iter().max().unwrap(), loads.iter().min().unwrap());
            assert!(most - least <= 87, "{loads:?}");
        }
        let none = Task::step(&[], &corpus, 2, &[1.0]);
        assert!((0..3).all(|rank| Task::from_bytes(&none.to_bytes()).unwrap().units_of(rank).is_empty()));
    }

    #[test]
    fn what_was_cut_or_changed_is_refused() {
        let compare = Task::Compare { key: [7; 32], facts: vec![("base".into(), "a \"b\"".into())] };
        let Task::Compare { key, facts } = Task::from_bytes(&compare.to_bytes()).unwrap() else {
            panic!("a comparison")
        };
        assert_eq!((key, facts), ([7; 32], vec![("base".to_owned(), "a \"b\"".to_owned())]));
        let step = Task::step(&[0, 1], &corpus(&[3, 4]), 2, &[1.0, 2.0]);
        for bytes in [compare.to_bytes(), step.to_bytes()] {
            for at in 0..bytes.len() {
                let mut other = bytes.clone();
                other[at] ^= 1;
                assert!(Task::from_bytes(&other).is_err() && Task::from_bytes(&bytes[..at]).is_err());
            }
        }
    }
}
