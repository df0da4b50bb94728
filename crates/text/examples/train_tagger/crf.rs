//! Training of the chain: maximum likelihood by AdaGrad (Duchi, Hazan and Singer 2011), one sequence after the other.
//!
//! Invariant: a fixed order and one thread, so the same data gives the same weights to the bit.

use std::collections::HashMap;

use cloister_text::tagger::training::{
    Calibration, Extractor, GAPS, Gazetteer, Lattice, OUTSIDE, TAGS, Transitions, build_weights, exponentials,
    may_follow, write,
};

use super::corpora::Labelled;
use super::prng::Prng;

const EPOCHS: usize = 10;
/// Weights are averaged over the states at the end of these last epochs.
const AVERAGED: usize = 5;
const RATE: f32 = 0.15;
/// Percent of the features of a token that are left out each time it is met, so that no feature is relied on alone
/// (dropout, as in Wager, Wang and Liang 2013).
const DROPPED: usize = 30;
const SHRINK: f32 = 2e-5;
/// A feature that occurs less often is left out.
const RARE: u32 = 2;
/// Buckets of the table of weights; 64 bytes and eight features each.
const BUCKETS: usize = 70_000;
/// The step of the weights that are written, and so the largest: 127 steps.
const STEP: f32 = 0.05;

struct Sequence {
    /// Features of all tokens, one after the other.
    features: Vec<u32>,
    /// Where the features of each token end.
    ends: Vec<usize>,
    gaps: Vec<u8>,
    tags: Vec<usize>,
    weight: f32,
}

/// Tags of words by the spans they lie in.
fn tags(words: &[(usize, usize)], spans: &[(usize, usize, usize)]) -> Vec<usize> {
    let mut tags = vec![OUTSIDE; words.len()];
    for (start, end, kind) in spans {
        let mut tag = 1 + 2 * kind;
        for (word, slot) in words.iter().zip(&mut tags) {
            if word.0 < *end && *start < word.1 && *slot == OUTSIDE {
                *slot = tag;
                tag = 2 + 2 * kind;
            }
        }
    }
    tags
}

/// What training found.
pub(crate) struct Trained {
    features: Vec<(u64, [f32; TAGS], u32)>,
    transitions: Box<Transitions>,
}

/// Trains on examples, each with the weight of its gradient.
pub(crate) fn train(examples: &[(Labelled, f32)], gazetteer: &[u8]) -> Result<Trained, cloister_text::Error> {
    let extractor = Extractor::new(Gazetteer::new(gazetteer));
    let mut counts: HashMap<u64, u32> = HashMap::new();
    for (example, _) in examples {
        for sequence in extractor.sequences(&example.text) {
            for feature in sequence.features.into_iter().flatten() {
                *counts.entry(feature).or_default() += 1;
            }
        }
    }
    let mut kept: Vec<(u64, u32)> = counts.into_iter().filter(|(_, count)| *count >= RARE).collect();
    kept.sort_unstable();
    let index: HashMap<u64, u32> = kept.iter().enumerate().map(|(n, (feature, _))| (*feature, n as u32)).collect();
    let mut sequences = Vec::new();
    for (example, weight) in examples {
        for sequence in extractor.sequences(&example.text) {
            let mut flat = Sequence {
                features: Vec::new(),
                ends: Vec::new(),
                tags: tags(&sequence.words, &example.spans),
                gaps: sequence.gaps,
                weight: *weight,
            };
            for token in sequence.features {
                flat.features.extend(token.iter().filter_map(|feature| index.get(feature)));
                flat.ends.push(flat.features.len());
            }
            sequences.push(flat);
        }
    }
    let tokens: usize = sequences.iter().map(|sequence| sequence.tags.len()).sum();
    println!("{} sequences, {tokens} tokens, {} features", sequences.len(), kept.len());
    let (weights, transitions) = descend(&mut sequences, kept.len());
    let features = kept.iter().zip(weights).map(|((feature, count), row)| (*feature, row, *count)).collect();
    Ok(Trained { features, transitions })
}

type Rows = Vec<[f32; TAGS]>;

fn descend(sequences: &mut [Sequence], features: usize) -> (Rows, Box<Transitions>) {
    let kept = 1.0 - DROPPED as f32 / 100.0;
    let (mut active, mut ends): (Vec<u32>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut prng = Prng::new(1);
    let mut weights = vec![[0.0f32; TAGS]; features];
    let mut squares = vec![[0.1f32; TAGS]; features];
    let mut sums = vec![[0.0f32; TAGS]; features];
    let mut transitions: Box<Transitions> = Box::new([[[0.0; TAGS]; TAGS]; GAPS]);
    let mut transition_squares: Box<Transitions> = Box::new([[[0.1; TAGS]; TAGS]; GAPS]);
    let mut transition_sums: Box<Transitions> = Box::new([[[0.0; TAGS]; TAGS]; GAPS]);
    let (mut lattice, mut emissions, mut marginals) = (Lattice::default(), Vec::new(), Vec::new());
    for epoch in 0..EPOCHS {
        prng.shuffle(sequences);
        let mut loss = 0.0;
        for sequence in sequences.iter() {
            emissions.clear();
            active.clear();
            ends.clear();
            let mut from = 0;
            for end in &sequence.ends {
                for feature in &sequence.features[from..*end] {
                    if !prng.chance(DROPPED) {
                        active.push(*feature);
                    }
                }
                ends.push(active.len());
                from = *end;
            }
            let mut from = 0;
            for end in &ends {
                let mut sum = [0.0f32; TAGS];
                for feature in &active[from..*end] {
                    let row = &weights[*feature as usize];
                    sum.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight);
                }
                emissions.push(sum.map(|sum| sum / kept));
                from = *end;
            }
            let factors = exponentials(&transitions);
            let log_partition = lattice.marginals(&emissions, &sequence.gaps, &factors, &mut marginals);
            let mut left = OUTSIDE;
            let mut path = 0.0;
            let mut gradient: HashMap<(u8, usize, usize), f32> = HashMap::new();
            for ((tag, gap), emission) in sequence.tags.iter().zip(&sequence.gaps).zip(&emissions) {
                path += f64::from(emission[*tag] + transitions[usize::from(*gap)][left][*tag]);
                *gradient.entry((*gap, left, *tag)).or_default() -= 1.0;
                left = *tag;
            }
            loss += f64::from(sequence.weight) * (log_partition - path);
            lattice.pairs(&sequence.gaps, &factors, &marginals, |index, left, right, probability| {
                *gradient.entry((sequence.gaps[index], left, right)).or_default() += probability;
            });
            for ((gap, left, right), slope) in gradient {
                if may_follow(left, right) {
                    let gap = usize::from(gap);
                    let slope = slope * sequence.weight;
                    let square = &mut transition_squares[gap][left][right];
                    *square += slope * slope;
                    transitions[gap][left][right] -= RATE * slope / square.sqrt();
                }
            }
            let mut from = 0;
            for ((end, tag), marginal) in ends.iter().zip(&sequence.tags).zip(&marginals) {
                let mut slope = marginal.map(|probability| probability * sequence.weight);
                slope[*tag] -= sequence.weight;
                if slope.iter().any(|slope| slope.abs() > 1e-4) {
                    for feature in &active[from..*end] {
                        let (row, square) = (&mut weights[*feature as usize], &mut squares[*feature as usize]);
                        for ((weight, square), slope) in row.iter_mut().zip(square).zip(&slope) {
                            let slope = slope + SHRINK * *weight;
                            *square += slope * slope;
                            *weight -= RATE * slope / square.sqrt();
                        }
                    }
                }
                from = *end;
            }
        }
        println!("epoch {epoch}: loss {:.0}", loss);
        if epoch + AVERAGED >= EPOCHS {
            let share = 1.0 / AVERAGED as f32;
            add(sums.as_flattened_mut(), weights.as_flattened(), share);
            let (to, from) = (transition_sums.as_flattened_mut(), transitions.as_flattened());
            add(to.as_flattened_mut(), from.as_flattened(), share);
        }
    }
    (sums, transition_sums)
}

fn add(to: &mut [f32], from: &[f32], share: f32) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from * share);
}

impl Trained {
    /// The file of the model: the weights that matter most, in whole steps.
    pub(crate) fn file(&self, gazetteer: &[u8], calibration: &Calibration) -> Vec<u8> {
        let mut rows: Vec<(u64, [i8; TAGS], f32)> = self
            .features
            .iter()
            .map(|(feature, row, count)| {
                let size: f32 = row.iter().map(|weight| weight.abs()).sum();
                (*feature, row.map(|weight| (weight / STEP).round() as i8), size * (*count as f32).ln())
            })
            .filter(|(_, row, _)| row.iter().any(|weight| *weight != 0))
            .collect();
        rows.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
        println!("{} features with weight, {} rows", rows.len(), BUCKETS * 8);
        let weights = build_weights(rows.into_iter().map(|(feature, row, _)| (feature, row)), BUCKETS);
        write(gazetteer, &weights, STEP, &self.transitions, calibration)
    }
}
