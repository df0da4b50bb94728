//! Training throughput on a base of SmolLM2-135M's shape with generated weights.
//!
//! A step is what a private run does: per-example gradients in passes of the decoder, clipping, one noise, Adam. With
//! `private: false` clipping bound and noise are absent, and everything else is the same.

use std::time::Instant;

use cloister_dp::{NoiseLevel, Optimizer, OptimizerConfig, PlanRequest, PrivacyPlan, Sampling, Unit};
use cloister_model::{
    Decoder, DecoderConfig, Example, Extras, Frozen, LayerWeights, Lora, LoraSpec, Precision, SplitMix64, Variant,
    Weights, Workspace,
};

use crate::train::Error;

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Adapted layers and rank.
    pub lora: LoraSpec,
    /// Examples in a step.
    pub batch: usize,
    /// Tokens in an example.
    pub sequence: usize,
    /// Measured steps, after one that is not.
    pub steps: usize,
    /// Precision of the frozen weights.
    pub precision: Precision,
    /// Whether to clip and add noise.
    pub private: bool,
    /// Tokens in one pass of the decoder.
    pub pass_tokens: usize,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Seconds of each step, in order.
    pub step_seconds: Vec<f64>,
    /// Tokens in a step divided by the median.
    pub tokens_per_second: f64,
    /// Bytes of the frozen matrices.
    pub weight_bytes: u64,
}

/// The shape of SmolLM2-135M (its config.json).
#[must_use]
pub fn shape() -> DecoderConfig {
    DecoderConfig {
        hidden_size: 576,
        intermediate_size: 1536,
        layers: 30,
        heads: 9,
        kv_heads: 3,
        head_dim: 64,
        vocab_size: 49_152,
        context_length: 8192,
        rope_theta: 100_000.0,
        rms_norm_epsilon: 1e-5,
        tied_embeddings: true,
        variant: Variant::default(),
    }
}

/// Runs the steps.
///
/// # Errors
/// [`Error::Model`] and [`Error::Privacy`] from the engines.
pub fn run(setting: &Setting) -> Result<Measured, Error> {
    let mut numbers = SplitMix64(1);
    let config = shape();
    let weights = generated(&config, setting.precision, &mut numbers);
    let decoder = Decoder::new(config, weights)?;
    let mut lora = Lora::zeros(decoder.config(), setting.lora.clone());
    lora.initialise(|| numbers.uniform());
    let units = setting.batch as u64;
    let batch = setting.batch as f64;
    let steps = setting.steps as u64 + 1;
    let plan = if setting.private {
        PrivacyPlan::build(&PlanRequest {
            unit: Unit::Record,
            units,
            // every example in every step: throughput of full batches, not of luck
            sampling: Sampling::ExpectedBatch(batch),
            steps,
            clip_norm: 1.0,
            noise: NoiseLevel::Sigma(1.0),
            delta: Some(1e-5),
            unit_cap: 1,
        })?
    } else {
        PrivacyPlan::non_private(units, batch, steps)?
    };
    let mut noise = plan.noise()?;
    let mut optimizer = Optimizer::new(OptimizerConfig::adam(), lora.parameters.len())?;
    let examples: Vec<Example> = (0..setting.batch).map(|_| example(&mut numbers, setting.sequence)).collect();
    let per_pass = (setting.pass_tokens / setting.sequence).max(1);
    let (mut workspace, mut gradients) = (Workspace::default(), Vec::new());
    let mut step_seconds = Vec::with_capacity(setting.steps);
    for step in 0..=setting.steps {
        let started = Instant::now();
        let mut sum = plan.accumulator(lora.parameters.len());
        for pass in examples.chunks(per_pass) {
            let pass: Vec<&Example> = pass.iter().collect();
            decoder.per_example_gradients(&lora, &pass, &mut workspace, &mut gradients)?;
            for gradient in gradients.chunks(lora.parameters.len()) {
                sum.add(gradient)?;
            }
        }
        let mean = plan.privatise(sum, &mut noise)?;
        optimizer.step(&mut lora.parameters, &mean, 1e-3)?;
        if step > 0 {
            step_seconds.push(started.elapsed().as_secs_f64());
        }
    }
    let mut sorted = step_seconds.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    Ok(Measured {
        tokens_per_second: (setting.batch * setting.sequence) as f64 / median,
        step_seconds,
        weight_bytes: decoder.weight_bytes() as u64,
    })
}

fn example(numbers: &mut SplitMix64, length: usize) -> Example {
    let vocabulary = shape().vocab_size;
    Example {
        tokens: (0..length).map(|_| (numbers.uniform() * vocabulary as f32) as u32).collect(),
        is_target: (0..length).map(|position| position > 0).collect(),
    }
}

fn generated(config: &DecoderConfig, precision: Precision, numbers: &mut SplitMix64) -> Weights {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let (query, kv) = (config.query_width(), config.kv_width());
    let mut kept = |output: usize, input: usize, precision: Precision| {
        let mut matrix = Frozen::zeros(output, input, precision);
        for row in 0..output {
            let values: Vec<f32> = (0..input).map(|_| (numbers.uniform() - 0.5) * 0.14).collect();
            matrix.set_rows(row, &values);
        }
        matrix
    };
    // Files in four bits keep the embedding in eight.
    let finer = if precision == Precision::Q4 { Precision::Q8 } else { precision };
    let embedding = kept(config.vocab_size, hidden, finer);
    let mut matrix = |output, input| kept(output, input, precision);
    let layers = (0..config.layers)
        .map(|_| LayerWeights {
            attention_norm: vec![1.0; hidden],
            query: matrix(query, hidden),
            key: matrix(kv, hidden),
            value: matrix(kv, hidden),
            output: matrix(hidden, query),
            mlp_norm: vec![1.0; hidden],
            gate: matrix(inner, hidden),
            up: matrix(inner, hidden),
            down: matrix(hidden, inner),
            extras: Extras::default(),
        })
        .collect();
    Weights { embedding, layers, final_norm: vec![1.0; hidden], head: None }
}
