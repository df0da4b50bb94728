//! Shared by the tests: seeded numbers, comparison, finite differences, small random decoders.

use cloister_model::example::Example;
use cloister_model::{
    Decoder, DecoderConfig, Extras, Frozen, LayerWeights, Lora, LoraSpec, Precision, SplitMix64, Target, Variant,
    Weights,
};

/// Seeded numbers of several shapes.
pub struct Random(SplitMix64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64(seed))
    }

    pub fn bits(&mut self) -> u64 {
        self.0.bits()
    }

    pub fn uniform(&mut self) -> f32 {
        self.0.uniform()
    }

    /// About standard normal: the sum of twelve uniforms less six.
    pub fn normal(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0).collect()
    }

    pub fn scaled(&mut self, count: usize, scale: f32) -> Vec<f32> {
        self.normal(count).into_iter().map(|v| v * scale).collect()
    }
}

/// Largest difference relative to the larger of 1 and the largest expected value.
pub fn assert_close(got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len());
    let scale = expected.iter().fold(1.0f32, |m, v| m.max(v.abs()));
    for (index, (a, b)) in got.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "element {index}: {a} instead of {b}");
    }
}

/// Central differences of `f` at up to 40 places against `gradient`.
pub fn finite_difference(x: &[f32], gradient: &[f32], step: f32, f: impl Fn(&[f32]) -> f64) {
    assert_eq!(x.len(), gradient.len());
    let scale = gradient.iter().fold(1.0f32, |m, v| m.max(v.abs()));
    let stride = (x.len() / 40).max(1);
    for index in (0..x.len()).step_by(stride) {
        let moved = |by: f32| {
            let mut x = x.to_vec();
            x[index] += by;
            f(&x)
        };
        let slope = ((moved(step) - moved(-step)) / f64::from(2.0 * step)) as f32;
        let difference = (slope - gradient[index]).abs();
        assert!(difference <= 2e-3 * scale, "element {index}: slope {slope}, gradient {}", gradient[index]);
    }
}

/// A small decoder shape; `tied` as asked, head width not hidden / heads.
pub fn tiny_config(tied: bool) -> DecoderConfig {
    DecoderConfig {
        hidden_size: 24,
        intermediate_size: 40,
        layers: 3,
        heads: 4,
        kv_heads: 2,
        head_dim: 8,
        vocab_size: 61,
        context_length: 64,
        rope_theta: 10_000.0,
        rms_norm_epsilon: 1e-5,
        tied_embeddings: tied,
        variant: Variant::default(),
    }
}

/// Random weights of that shape, the smaller the wider: activations keep their size.
pub fn tiny_weights(config: &DecoderConfig, seed: u64, precision: Precision) -> Weights {
    let mut random = Random::new(seed);
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let (query, kv) = (config.query_width(), config.kv_width());
    let matrix = |random: &mut Random, output, input, size| {
        let width = (24.0 / input as f32).sqrt();
        Frozen::new(&random.scaled(output * input, size * width), output, input, precision)
    };
    let gain = |random: &mut Random, size| random.scaled(size, 0.1).iter().map(|v| 1.0 + v).collect::<Vec<f32>>();
    let layers = (0..config.layers)
        .map(|_| LayerWeights {
            attention_norm: gain(&mut random, hidden),
            query: matrix(&mut random, query, hidden, 0.2),
            key: matrix(&mut random, kv, hidden, 0.2),
            value: matrix(&mut random, kv, hidden, 0.2),
            output: matrix(&mut random, hidden, query, 0.2),
            mlp_norm: gain(&mut random, hidden),
            gate: matrix(&mut random, inner, hidden, 0.2),
            up: matrix(&mut random, inner, hidden, 0.2),
            down: matrix(&mut random, hidden, inner, 0.2),
            extras: Extras::default(),
        })
        .collect();
    Weights {
        embedding: matrix(&mut random, config.vocab_size, hidden, 1.0),
        layers,
        final_norm: gain(&mut random, hidden),
        head: (!config.tied_embeddings).then(|| matrix(&mut random, config.vocab_size, hidden, 0.3)),
    }
}

/// A small decoder.
pub fn tiny(tied: bool, seed: u64) -> Decoder {
    let config = tiny_config(tied);
    let weights = tiny_weights(&config, seed, Precision::F32);
    Decoder::new(config, weights).unwrap()
}

/// An adapter whose factors are all non-zero.
pub fn tiny_lora(config: &DecoderConfig, targets: &[Target], seed: u64) -> Lora {
    let mut lora = Lora::zeros(config, LoraSpec::new(3, 6, targets.to_vec()).unwrap());
    let mut random = Random::new(seed);
    lora.parameters.iter_mut().for_each(|v| *v = (random.uniform() - 0.5) * 0.4);
    lora
}

/// Examples of the given lengths; the second half of each is target.
pub fn examples(config: &DecoderConfig, lengths: &[usize], seed: u64) -> Vec<Example> {
    let mut random = Random::new(seed);
    lengths
        .iter()
        .map(|&length| Example {
            tokens: (0..length).map(|_| (random.bits() % config.vocab_size as u64) as u32).collect(),
            is_target: (0..length).map(|t| t > 0 && t >= length / 2).collect(),
        })
        .collect()
}
