//! Differential privacy for fine-tuning: plans, accountants, calibration, samplers, noise, optimisers.
//!
//! Owns everything that may say *epsilon*. Invariant: a [`PrivacyPlan`] is fixed before training and is the only
//! source of the sampler, the clipped sum, the noise and the accountant, so that none of them can be changed alone.
//! No input or output, no tensors: gradients come in as slices of `f32`, steps go out as slices of `f32`.
//!
//! Sources: Abadi et al. 2016 (DP-SGD), Mironov et al. 2019 (RDP of the sampled Gaussian), Doroshenko et al. 2022
//! (connect-the-dots privacy loss distributions), Canonne, Kamath and Steinke 2020 (discrete Gaussian). What can be
//! accounted for beside a plan's own Poisson sampling stands at [`Mechanism`].
//!
//! One training step:
//!
//! ```
//! use cloister_dp::*;
//!
//! # fn main() -> Result<()> {
//! let plan = PrivacyPlan::build(&PlanRequest {
//!     unit: Unit::Record,
//!     units: 2_000,
//!     sampling: Sampling::ExpectedBatch(100.0),
//!     steps: 60,
//!     clip_norm: 1.0,
//!     noise: NoiseLevel::Epsilon(8.0),
//!     delta: None,
//!     unit_cap: 1,
//! })?;
//! assert!(plan.epsilon() <= 8.0);
//!
//! let mut sampler = plan.sampler()?;
//! let mut noise = plan.noise()?;
//! let mut optimizer = Optimizer::new(OptimizerConfig::adam(), 4)?;
//! let mut parameters = vec![0.0_f32; 4];
//!
//! let mut sum = plan.accumulator(4);
//! for record in sampler.draw() {
//!     let gradient = [record as f32, 1.0, 0.0, -1.0]; // one record's gradient
//!     sum.add(&gradient)?;
//! }
//! let mean = plan.privatise(sum, &mut noise)?;
//! optimizer.step(&mut parameters, &mean, 1e-3)?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod accountant;
mod calibrate;
mod clip;
mod error;
mod noise;
mod optimizer;
mod plan;
mod sampler;
#[cfg(test)]
mod significance;

pub use accountant::{Mechanism, Phase, PrivacyProfile};
pub use calibrate::{Calibration, MAX_SIGMA, MIN_SIGMA, calibrate_sigma};
pub use clip::{ClippedSum, NoisyMean, Parts};
pub use error::{Error, Result};
pub use noise::NoiseSource;
pub use optimizer::{Optimizer, OptimizerConfig, OptimizerState};
pub use plan::{Adjacency, NoiseLevel, PlanRequest, PrivacyPlan, Sampling, Unit};
pub use sampler::Sampler;
