//! How a batch goes through the decoder: the size of a pass, and what it keeps, so that a run stays in its memory.
//!
//! Invariant: decided before the first step, and a matter of memory and speed only; no setting here changes a result
//! beyond rounding of single gradients.

use cloister_model::{Activations, Decoder, Lora, LoraSpec, Workspace};

use super::Error;
use crate::system;

/// Tokens in one pass unless memory is short: larger ones were not faster.
pub const USUAL_TOKENS: usize = 512;
/// Gradients of one pass take at most this much memory.
const GRADIENT_BYTES: u64 = 256 << 20;
/// Left over for what is not planned: stacks, the allocator, files in the page tables.
const RESERVE: f64 = 0.04;

/// Passes of the decoder over a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passes {
    /// Most tokens of a pass; a unit that is longer is a pass of its own.
    pub tokens: usize,
    /// Most bytes of per-example gradients in a pass; a unit with more is a pass of its own.
    pub gradient_bytes: u64,
    /// What a pass keeps between forward and backward.
    pub activations: Activations,
}

impl Default for Passes {
    fn default() -> Self {
        Self { tokens: USUAL_TOKENS, gradient_bytes: GRADIENT_BYTES, activations: Activations::Kept }
    }
}

impl Passes {
    /// The fastest passes that keep this process below `budget` bytes, with a base and records that are loaded already.
    ///
    /// `longest` is the most tokens, and `cap` the most records, of a unit in a draw.
    ///
    /// # Errors
    /// [`Error::Memory`] with the least that would do.
    pub fn within(
        budget: u64,
        decoder: &Decoder,
        lora: &LoraSpec,
        (longest, cap): (usize, usize),
    ) -> Result<Self, Error> {
        let parameters = Lora::zeros(decoder.config(), lora.clone()).parameters.len() as u64;
        let (peak, now) = (system::peak_rss_bytes().unwrap_or(0), system::rss_bytes().unwrap_or(0));
        let usable = budget - (budget as f64 * RESERVE) as u64;
        // Parameters twice, two moments, the integer sum, the noised mean; a snapshot's bytes before they are written.
        let state = 44 * parameters;
        let gradients = 4 * parameters * cap as u64;
        let mut least = u64::MAX;
        for activations in [Activations::Kept, Activations::Recomputed] {
            for tokens in [USUAL_TOKENS, USUAL_TOKENS / 2, USUAL_TOKENS / 4, longest] {
                let tokens_at_once = tokens.max(longest);
                let activation_bytes =
                    Workspace::bytes(decoder.config(), tokens_at_once, activations, decoder.rounds()) as u64;
                let fixed = now + state + activation_bytes;
                least = least.min((fixed + gradients).max(peak));
                if peak <= budget && fixed + gradients <= usable {
                    let gradient_bytes = (usable - fixed).min(GRADIENT_BYTES);
                    return Ok(Self { tokens, gradient_bytes, activations });
                }
            }
        }
        Err(Error::Memory { budget, least: (least as f64 / (1.0 - RESERVE)) as u64 })
    }
}
