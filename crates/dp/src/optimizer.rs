//! Owns DP-Adam(W) and DP-SGD: ordinary optimisers that can only be fed a [`NoisyMean`].
//!
//! Invariant: post-processing. An optimiser sees the noised mean and nothing else, so its state may be stored and
//! costs no privacy; it never holds the state of a random generator.
//! Sources: Kingma and Ba 2015 (Adam), Loshchilov and Hutter 2019 (decoupled weight decay).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::clip::NoisyMean;
use crate::error::{Error, Result};

/// Parameters that a thread takes at a time, at the least.
const BLOCK: usize = 1 << 15;

/// Which optimiser, with its constants.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerConfig {
    /// DP-Adam, with decoupled weight decay (AdamW) when `weight_decay > 0`.
    Adam {
        /// Decay of the first moment, in `[0, 1)`.
        beta1: f32,
        /// Decay of the second moment, in `[0, 1)`.
        beta2: f32,
        /// Added to the root of the second moment, above 0.
        epsilon: f32,
        /// Decay of the parameters per unit of learning rate, at least 0.
        weight_decay: f32,
    },
    /// DP-SGD with heavy-ball momentum.
    Sgd {
        /// Decay of the velocity, in `[0, 1)`; 0 for none.
        momentum: f32,
    },
}

impl OptimizerConfig {
    /// Adam with the constants of its paper and no weight decay.
    pub const fn adam() -> Self {
        Self::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }

    /// Plain gradient descent.
    pub const fn sgd() -> Self {
        Self::Sgd { momentum: 0.0 }
    }
}

/// What a snapshot keeps of an optimiser.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct OptimizerState {
    /// Steps taken.
    pub step: u64,
    /// First moment (Adam) or velocity (SGD); empty when the optimiser keeps none.
    pub first: Vec<f32>,
    /// Second moment (Adam), else empty.
    pub second: Vec<f32>,
}

/// An optimiser over a flat vector of parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimizer {
    config: OptimizerConfig,
    dimension: usize,
    state: OptimizerState,
}

impl Optimizer {
    /// An optimiser for `dimension` parameters with all moments at zero.
    ///
    /// # Errors
    /// [`Error::OptimizerParameter`] for a constant out of range.
    pub fn new(config: OptimizerConfig, dimension: usize) -> Result<Self> {
        let check = |name, value: f32, good: bool| {
            if good { Ok(()) } else { Err(Error::OptimizerParameter { name, value: f64::from(value) }) }
        };
        let (first, second) = match config {
            OptimizerConfig::Adam { beta1, beta2, epsilon, weight_decay } => {
                check("beta1", beta1, (0.0..1.0).contains(&beta1))?;
                check("beta2", beta2, (0.0..1.0).contains(&beta2))?;
                check("epsilon", epsilon, epsilon > 0.0 && epsilon.is_finite())?;
                check("weight_decay", weight_decay, weight_decay >= 0.0 && weight_decay.is_finite())?;
                (dimension, dimension)
            }
            OptimizerConfig::Sgd { momentum } => {
                check("momentum", momentum, (0.0..1.0).contains(&momentum))?;
                (if momentum > 0.0 { dimension } else { 0 }, 0)
            }
        };
        let state = OptimizerState { step: 0, first: vec![0.0; first], second: vec![0.0; second] };
        Ok(Self { config, dimension, state })
    }

    /// One descent step on `parameters` along the private `gradient`.
    ///
    /// # Errors
    /// [`Error::Length`] when a slice does not have the optimiser's dimension.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &NoisyMean, learning_rate: f32) -> Result<()> {
        let gradient = gradient.as_slice();
        for actual in [parameters.len(), gradient.len()] {
            if actual != self.dimension {
                return Err(Error::Length { expected: self.dimension, actual });
            }
        }
        self.state.step += 1;
        match self.config {
            OptimizerConfig::Adam { beta1, beta2, epsilon, weight_decay } => {
                let correction1 = 1.0 - f64::from(beta1).powf(self.state.step as f64);
                let correction2 = 1.0 - f64::from(beta2).powf(self.state.step as f64);
                let step_size = (f64::from(learning_rate) / correction1) as f32;
                let root_correction2 = correction2.sqrt() as f32;
                let keep = 1.0 - learning_rate * weight_decay;
                let moments = self.state.first.par_iter_mut().zip(&mut self.state.second);
                let cells = parameters.par_iter_mut().zip(gradient).zip(moments).with_min_len(BLOCK);
                cells.for_each(|((parameter, g), (m, v))| {
                    *m = beta1 * *m + (1.0 - beta1) * g;
                    *v = beta2 * *v + (1.0 - beta2) * g * g;
                    *parameter = keep * *parameter - step_size * *m / (v.sqrt() / root_correction2 + epsilon);
                });
            }
            OptimizerConfig::Sgd { momentum } if momentum > 0.0 => {
                for ((parameter, g), velocity) in parameters.iter_mut().zip(gradient).zip(&mut self.state.first) {
                    *velocity = momentum * *velocity + g;
                    *parameter -= learning_rate * *velocity;
                }
            }
            OptimizerConfig::Sgd { .. } => {
                for (parameter, g) in parameters.iter_mut().zip(gradient) {
                    *parameter -= learning_rate * g;
                }
            }
        }
        Ok(())
    }

    /// The constants this optimiser runs with.
    pub fn config(&self) -> OptimizerConfig {
        self.config
    }

    /// The moments and the step count, to be stored in a snapshot.
    pub fn state(&self) -> &OptimizerState {
        &self.state
    }

    /// Continues from a stored state.
    ///
    /// # Errors
    /// [`Error::Length`] when the state belongs to another dimension or optimiser.
    pub fn restore(&mut self, state: OptimizerState) -> Result<()> {
        for (ours, theirs) in [(&self.state.first, &state.first), (&self.state.second, &state.second)] {
            if ours.len() != theirs.len() {
                return Err(Error::Length { expected: ours.len(), actual: theirs.len() });
            }
        }
        self.state = state;
        Ok(())
    }
}

impl OptimizerState {
    /// Little-endian bytes: step, both lengths (`u64`), then both moments (`f32`).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(24 + 4 * (self.first.len() + self.second.len()));
        for header in [self.step, self.first.len() as u64, self.second.len() as u64] {
            bytes.extend(header.to_le_bytes());
        }
        for value in self.first.iter().chain(&self.second) {
            bytes.extend(value.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`OptimizerState::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::OptimizerState`] with the offset at which the bytes stop making sense.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let header = |index: usize| -> Result<u64> {
            let offset = index * 8;
            let field = bytes.get(offset..).and_then(|rest| rest.first_chunk::<8>());
            field.map(|field| u64::from_le_bytes(*field)).ok_or(Error::OptimizerState { offset })
        };
        let (step, first, second) = (header(0)?, header(1)?, header(2)?);
        let values = bytes.len() - 24;
        let expected = first.checked_add(second).and_then(|count| count.checked_mul(4));
        if expected != Some(values as u64) {
            return Err(Error::OptimizerState { offset: 24 });
        }
        let mut moments =
            bytes[24..].chunks_exact(4).map(|chunk| f32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]));
        let first = moments.by_ref().take(first as usize).collect();
        Ok(Self { step, first, second: moments.collect() })
    }
}
