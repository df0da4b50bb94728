//! Decoder models: loading, kernels, LoRA with exact per-example gradients, generation, adapters.
//!
//! Invariant: nothing here knows about privacy policy, and no message carries text of a record.

pub mod config;
pub mod error;
pub mod lora;
pub mod weights;

pub use config::DecoderConfig;
pub use error::{Error, Result};
pub use lora::{Lora, LoraSpec, Slot, Target};
pub use weights::{LayerWeights, Weights};
