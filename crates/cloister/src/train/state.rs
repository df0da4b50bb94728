//! The file of a snapshot: a line of JSON, the noised values as little-endian `f32`, and a SHA-256 over both.
//!
//! The step that the values belong to and the lease on further steps stand in one file, which is replaced as a whole:
//! they cannot contradict each other. Invariant: a file that was cut, changed or glued together is told as such before
//! any value of it is used.

use cloister_dp::OptimizerState;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

const VERSION: u32 = 2;
const DIGEST_BYTES: usize = 32;

/// A run between two steps.
pub(super) struct State {
    pub(super) header: Header,
    pub(super) parameters: Vec<f32>,
    pub(super) optimizer: OptimizerState,
}

/// The line of JSON.
#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    version: u32,
    pub(super) identity: Identity,
    /// Steps of the plan that are spent, those that were lost among them; the optimiser counts the others.
    pub(super) step: u64,
    /// Steps up to here count as spent, whether they were run or not.
    pub(super) leased: u64,
    /// Step, nats per token and tokens of each public loss.
    pub(super) losses: Vec<(u64, f64, u64)>,
    /// Of shuffled data: units that the pass has not drawn yet. No secret: the order is no part of what is accounted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) left_in_pass: Option<Vec<u32>>,
    /// Number of parameters that follow.
    parameters: usize,
}

/// What a snapshot must agree with.
#[derive(Serialize, Deserialize, PartialEq, Clone)]
pub(super) struct Identity {
    /// What was asked of plan and recipe, setting by setting.
    pub(super) settings: Map<String, Value>,
    pub(super) base: String,
    pub(super) key: String,
    pub(super) data: String,
    pub(super) evaluation: Option<String>,
}

impl State {
    pub(super) fn new(
        identity: Identity,
        (step, leased): (u64, u64),
        losses: Vec<(u64, f64, u64)>,
        parameters: Vec<f32>,
        optimizer: OptimizerState,
        left_in_pass: Option<Vec<u32>>,
    ) -> Self {
        let parameter_count = parameters.len();
        let header =
            Header { version: VERSION, identity, step, leased, losses, left_in_pass, parameters: parameter_count };
        Self { header, parameters, optimizer }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec(&self.header)?;
        bytes.push(b'\n');
        for value in &self.parameters {
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend(self.optimizer.to_bytes());
        let digest = Sha256::digest(&bytes);
        bytes.extend(digest);
        Ok(bytes)
    }

    /// What [`State::to_bytes`] wrote, or what is wrong with it.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let covered = bytes.len().checked_sub(DIGEST_BYTES).ok_or("it is cut short")?;
        let (content, digest) = bytes.split_at(covered);
        if Sha256::digest(content)[..] != *digest {
            return Err("it is cut short or was changed".into());
        }
        let line = content.iter().position(|&byte| byte == b'\n').ok_or("it has no header")?;
        let (line, values) = (&content[..line], &content[line + 1..]);
        let header: Header = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if header.version != VERSION {
            return Err("it has another version".into());
        }
        let end = header.parameters.checked_mul(4).filter(|&end| end <= values.len());
        let (parameters, optimizer) = values.split_at(end.ok_or("its parameters do not fit")?);
        let number = |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        let parameters = parameters.chunks_exact(4).map(number).collect();
        let optimizer = OptimizerState::from_bytes(optimizer).map_err(|_| "its optimiser does not fit")?;
        Ok(Self { header, parameters, optimizer })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn state() -> State {
        let optimizer = OptimizerState { step: 3, first: vec![0.5, -1.5], second: vec![2.0, 1e-30] };
        let text = || "a".to_owned();
        let identity = Identity { settings: Map::new(), base: text(), key: text(), data: text(), evaluation: None };
        State::new(identity, (5, 7), vec![(0, 4.25, 10)], vec![1.0, f32::MIN_POSITIVE], optimizer, Some(vec![4, 0]))
    }

    #[test]
    fn a_state_comes_back_bit_by_bit() {
        let (before, bytes) = (state(), state().to_bytes().unwrap());
        let after = State::from_bytes(&bytes).ok().unwrap();
        assert_eq!((after.header.step, after.header.leased, after.header.losses), (5, 7, vec![(0, 4.25, 10)]));
        assert_eq!((after.parameters, after.optimizer), (before.parameters, before.optimizer));
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_noticed() {
        let bytes = state().to_bytes().unwrap();
        for at in 0..bytes.len() {
            assert!(State::from_bytes(&bytes[..at]).is_err());
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(State::from_bytes(&changed).is_err());
        }
    }
}
