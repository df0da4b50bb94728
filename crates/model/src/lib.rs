//! Decoder models: loading, kernels, LoRA with exact per-example gradients, generation, adapters.
//!
//! Invariant: nothing here knows about privacy policy, and no message carries text of a record.

pub mod base;
pub mod bert;
pub mod chat;
pub mod composed;
pub mod config;
pub mod decoder;
pub mod error;
pub mod example;
pub mod export;
pub mod family;
mod files;
pub mod generate;
pub mod kernels;
pub mod lora;
pub mod peft;
pub mod random;
pub mod tokenizer;
pub mod weights;

pub use base::{Base, BaseIdentity};
pub use bert::{TokenClassifier, TokenLabels};
pub use chat::{ChatTemplate, Message};
pub use config::DecoderConfig;
pub use decoder::{Activations, Decoder, ExampleLoss, Kernels, Session, Workspace};
pub use error::{Error, Result};
pub use example::{Example, ExampleOptions, LengthPolicy, chat_example, completion_example, text_example};
pub use family::{Family, Variant};
pub use kernels::frozen::{Frozen, Precision};
pub use lora::{Lora, LoraSpec, Slot, Target};
pub use random::SplitMix64;
pub use tokenizer::{StreamDecoder, Tokenizer};
pub use weights::{Extras, LayerWeights, Weights};
