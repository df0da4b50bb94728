//! The file of the trained model.
//!
//! Invariant: reading copies a few kilobytes; the tables are used where they lie. Layout, all little endian: eight bytes of
//! name and version, two lengths (u32), the step of the weights (f32), transitions (f32), calibration (f32), the
//! gazetteer padded to 64 bytes, the weights.

use super::gap::GAPS;
use super::gazetteer::Gazetteer;
use super::lattice::{Transitions, may_follow};
use super::weights::{TAGS, Weights};

const NAME: [u8; 8] = *b"cltagr01";
const HEAD: usize = 20;
/// Kinds of names: person, place, organisation.
pub const KINDS: usize = 3;
/// Points of a calibration curve, over equal steps of probability from 0 to 1.
pub const POINTS: usize = 33;
const LINE: usize = 64;

/// By kind, how often a name is right that the model gives a probability.
pub type Calibration = [[f32; POINTS]; KINDS];

/// The model over the bytes of its file.
pub struct Model<'a> {
    pub(super) gazetteer: Gazetteer<'a>,
    pub(super) weights: Weights<'a>,
    pub(super) step: f32,
    pub(super) transitions: Box<Transitions>,
    pub(super) exponentials: Box<Transitions>,
    calibration: Calibration,
}

impl<'a> Model<'a> {
    /// Reads a file; nothing where the bytes are not such a file.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let number = |at: usize| head[at..].first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
        if head[..8] != NAME {
            return None;
        }
        let (gazetteer_bytes, weights_bytes) = (number(8)? as usize, number(12)? as usize);
        let step = f32::from_bits(number(16)?);
        let (transitions_bytes, rest) = rest.split_at_checked(GAPS * TAGS * TAGS * 4)?;
        let (calibration_bytes, _) = rest.split_at_checked(KINDS * POINTS * 4)?;
        let mut transitions = Box::new([[[0.0; TAGS]; TAGS]; GAPS]);
        fill(transitions.as_flattened_mut().as_flattened_mut(), transitions_bytes);
        let mut calibration = [[0.0; POINTS]; KINDS];
        fill(calibration.as_flattened_mut(), calibration_bytes);
        let from = HEAD + transitions_bytes.len() + calibration_bytes.len();
        let from = from.next_multiple_of(LINE);
        let gazetteer = bytes.get(from..from.checked_add(gazetteer_bytes)?)?;
        let from = (from + gazetteer_bytes).next_multiple_of(LINE);
        let weights = bytes.get(from..from.checked_add(weights_bytes)?)?;
        Some(Self {
            gazetteer: Gazetteer::new(gazetteer),
            weights: Weights::new(weights),
            step,
            exponentials: exponentials(&transitions),
            transitions,
            calibration,
        })
    }

    /// How often a name of `kind` is right that the model gives `probability`.
    pub(super) fn calibrated(&self, kind: usize, probability: f32) -> f32 {
        let curve = &self.calibration[kind];
        let place = probability.clamp(0.0, 1.0) * (POINTS - 1) as f32;
        let low = (place as usize).min(POINTS - 2);
        curve[low] + (curve[low + 1] - curve[low]) * (place - low as f32)
    }

    /// What is known of words.
    pub fn gazetteer(&self) -> &Gazetteer<'a> {
        &self.gazetteer
    }
}

fn fill(values: &mut [f32], bytes: &[u8]) {
    for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
        *value = f32::from_le_bytes(*bytes);
    }
}

/// Transitions as factors, 0 where a tag may not follow.
pub fn exponentials(transitions: &Transitions) -> Box<Transitions> {
    let mut result = Box::new(*transitions);
    for table in result.iter_mut() {
        for (left, row) in table.iter_mut().enumerate() {
            for (right, value) in row.iter_mut().enumerate() {
                *value = if may_follow(left, right) { value.exp() } else { 0.0 };
            }
        }
    }
    result
}

/// Writes the file.
pub fn write(
    gazetteer: &[u8],
    weights: &[u8],
    step: f32,
    transitions: &Transitions,
    calibration: &Calibration,
) -> Vec<u8> {
    let mut file = Vec::with_capacity(gazetteer.len() + weights.len() + (1 << 13));
    file.extend(NAME);
    file.extend((gazetteer.len() as u32).to_le_bytes());
    file.extend((weights.len() as u32).to_le_bytes());
    file.extend(step.to_le_bytes());
    file.extend(transitions.as_flattened().as_flattened().iter().flat_map(|value| value.to_le_bytes()));
    file.extend(calibration.as_flattened().iter().flat_map(|value| value.to_le_bytes()));
    for table in [gazetteer, weights] {
        file.resize(file.len().next_multiple_of(LINE), 0);
        file.extend(table);
    }
    file
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::{gazetteer, weights};
    use super::*;

    #[test]
    fn a_file_comes_back_and_a_damaged_one_is_refused() {
        let names = gazetteer::build([("ana", gazetteer::Classes::GIVEN)]);
        let table = weights::build([(77, [1, -2, 3, 4, 5, 6, 7])], 3);
        let mut transitions = [[[0.0; TAGS]; TAGS]; GAPS];
        transitions[3][2][1] = 0.5;
        let mut calibration = [[0.0; POINTS]; KINDS];
        calibration[1][POINTS - 1] = 1.0;
        let file = write(&names, &table, 0.25, &transitions, &calibration);
        let model = Model::read(&file).unwrap();
        assert_eq!(model.gazetteer.look_up("ana"), gazetteer::Classes::GIVEN);
        let mut sums = [0; TAGS];
        model.weights.add(77, &mut sums);
        assert_eq!(sums, [1, -2, 3, 4, 5, 6, 7]);
        assert_eq!((model.step, model.transitions[3][2][1]), (0.25, 0.5));
        assert!((model.calibrated(1, 1.0 - 1.0 / 64.0) - 0.5).abs() < 1e-6);
        assert!(Model::read(&file[..file.len() - 1]).is_none());
        assert!(Model::read(b"cltagr00").is_none());
        assert!(Model::read(&[]).is_none());
    }
}
