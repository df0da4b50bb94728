//! What a run will take, before it starts: memory and time from a probe on invented tokens.

use std::time::Instant;

use cloister_model::{Decoder, Example, Lora, Workspace};

use super::{Error, Recipe};
use crate::system;

/// The probe's examples: as many as the most records of one subject in a draw.
const PROBE_EXAMPLES: usize = 8;

/// An estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Bytes of memory at the peak.
    pub memory_bytes: u64,
    /// Tokens through forward and backward in a second, as the probe measured.
    pub tokens_per_second: f64,
    /// Tokens of the whole run, on average over the sampler, to two figures: the exact number is a fact about the records.
    pub tokens: f64,
    /// Seconds of all steps.
    pub seconds: f64,
    /// Seconds of all evaluations.
    pub evaluation_seconds: f64,
}

/// What a run has to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// Mean length of an example in tokens.
    pub mean_tokens: f64,
    /// Tokens of the largest pass that cannot be split.
    pub longest_pass: usize,
    /// Planned number of examples in a step.
    pub batch: f64,
    /// Steps.
    pub steps: u64,
    /// Tokens of one evaluation, 0 if there is none.
    pub evaluation_tokens: usize,
}

/// Measures one pass on invented tokens, as large as the largest of the run, and scales it up.
///
/// Memory is the process's peak after that pass: what it takes to load the base is in it.
///
/// # Errors
/// [`Error::Model`] if the decoder refuses.
pub fn estimate(decoder: &Decoder, recipe: &Recipe, work: &Work) -> Result<Cost, Error> {
    let lora = Lora::zeros(decoder.config(), recipe.lora.clone());
    let examples = invented(decoder, recipe.passes.tokens.max(work.longest_pass));
    let references: Vec<&Example> = examples.iter().collect();
    let (mut workspace, mut gradients) = (Workspace::new(recipe.passes.activations), Vec::new());
    let mut best = f64::INFINITY;
    for _ in 0..2 {
        let started = Instant::now();
        decoder.per_example_gradients(&lora, &references, &mut workspace, &mut gradients)?;
        best = best.min(started.elapsed().as_secs_f64());
    }
    let probed: usize = examples.iter().map(|example| example.tokens.len()).sum();
    let tokens_per_second = probed as f64 / best;
    let tokens = work.mean_tokens * work.batch * work.steps as f64;
    let evaluation_seconds = match work.evaluation_tokens {
        0 => 0.0,
        evaluated => {
            let started = Instant::now();
            decoder.losses(Some(&lora), &references, &mut workspace)?;
            let once = evaluated as f64 * started.elapsed().as_secs_f64() / probed as f64;
            once * recipe.evaluations(work.steps) as f64
        }
    };
    // The integer sum, the noised mean, two moments, and the adapter read back.
    let state = 24 * lora.parameters.len() as u64;
    let peak = system::peak_rss_bytes().unwrap_or_else(|| least(decoder, recipe, probed) + 4 * gradients.len() as u64);
    let seconds = tokens / tokens_per_second;
    let unit = 10f64.powf(tokens.max(1.0).log10().floor() - 1.0);
    let tokens = (tokens / unit).round() * unit;
    Ok(Cost { memory_bytes: peak + state, tokens_per_second, tokens, seconds, evaluation_seconds })
}

/// Weights and activations: for systems that do not tell the peak.
fn least(decoder: &Decoder, recipe: &Recipe, pass_tokens: usize) -> u64 {
    let activations = recipe.passes.activations;
    (decoder.weight_bytes() + Workspace::bytes(decoder.config(), pass_tokens, activations, decoder.rounds())) as u64
}

/// [`PROBE_EXAMPLES`] examples, `tokens` in all: a pass that cannot be split has few records, however long they are.
fn invented(decoder: &Decoder, tokens: usize) -> Vec<Example> {
    let vocabulary = decoder.config().vocab_size;
    let length = tokens.div_ceil(PROBE_EXAMPLES).clamp(1, decoder.config().context_length);
    (0..PROBE_EXAMPLES)
        .map(|example| Example {
            tokens: (0..length).map(|position| ((example * 7919 + position * 104_729) % vocabulary) as u32).collect(),
            is_target: (0..length).map(|position| position > 0).collect(), // as in plain text: the most that can be
        })
        .collect()
}
