//! What a run will take, before it starts: memory from the shapes, time from a short probe on invented tokens.

use std::time::Instant;

use cloister_model::{Decoder, Example, Lora, LoraSpec, Workspace};

use super::{Error, Recipe};

/// Tokens of the probe's examples.
const PROBE_LENGTH: usize = 64;

/// An estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Bytes of memory at the peak.
    pub memory_bytes: u64,
    /// Tokens through forward and backward in a second, as the probe measured.
    pub tokens_per_second: f64,
    /// Tokens of the whole run, on average over the sampler.
    pub tokens: f64,
    /// Seconds of all steps.
    pub seconds: f64,
}

/// Measures one pass of full size on invented tokens, and scales it up.
///
/// `mean_tokens` is the mean length of an example, `batch` the planned number of examples in a step.
///
/// # Errors
/// [`Error::Model`] if the decoder refuses.
pub fn estimate(decoder: &Decoder, recipe: &Recipe, mean_tokens: f64, batch: f64, steps: u64) -> Result<Cost, Error> {
    let config = decoder.config();
    let lora = Lora::zeros(config, recipe.lora.clone());
    let examples = invented(decoder, recipe.micro_batch_tokens.div_ceil(PROBE_LENGTH));
    let references: Vec<&Example> = examples.iter().collect();
    let (mut workspace, mut gradients) = (Workspace::default(), Vec::new());
    let mut best = f64::INFINITY;
    for _ in 0..2 {
        let started = Instant::now();
        decoder.per_example_gradients(&lora, &references, &mut workspace, &mut gradients)?;
        best = best.min(started.elapsed().as_secs_f64());
    }
    let probed: usize = examples.iter().map(|example| example.tokens.len()).sum();
    let tokens_per_second = probed as f64 / best;
    let tokens = mean_tokens * batch * steps as f64;
    Ok(Cost {
        memory_bytes: memory_bytes(decoder, &recipe.lora, recipe.micro_batch_tokens, examples.len()),
        tokens_per_second,
        tokens,
        seconds: tokens / tokens_per_second,
    })
}

/// Weights, rotary table, activations, gradients, the integer sum, parameters and two moments.
fn memory_bytes(decoder: &Decoder, lora: &LoraSpec, pass_tokens: usize, examples: usize) -> u64 {
    let config = decoder.config();
    let parameters = Lora::zeros(config, lora.clone()).parameters.len();
    let frozen = 4 * decoder.parameters() as u64;
    frozen + Workspace::bytes(config, pass_tokens) as u64 + (4 * parameters * (examples + 6)) as u64
}

fn invented(decoder: &Decoder, count: usize) -> Vec<Example> {
    let vocabulary = decoder.config().vocab_size;
    let length = PROBE_LENGTH.min(decoder.config().context_length);
    (0..count)
        .map(|example| Example {
            tokens: (0..length).map(|position| ((example * 7919 + position * 104_729) % vocabulary) as u32).collect(),
            is_target: (0..length).map(|position| 2 * position > length).collect(),
        })
        .collect()
}
