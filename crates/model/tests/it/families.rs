//! Every family: what transformers and PEFT compute (`bench/peers/tiny_families.py`), kernels against composed,
//! cache against no cache, and the same model out of GGUF.

use std::path::{Path, PathBuf};

use candle_core::Device;
use cloister_model::composed::Composed;
use cloister_model::family::{Family, Rotation};
use cloister_model::generate::{Choice, generate};
use cloister_model::{
    Activations, Base, Decoder, DecoderConfig, Example, ExampleLoss, Lora, LoraSpec, Precision, Target, Weights,
    Workspace,
};
use safetensors::SafeTensors;

use crate::support::assert_close;

const FAMILIES: [(&str, Family); 6] = [
    ("llama3", Family::Llama),
    ("smollm3", Family::SmolLm3),
    ("mistral", Family::Mistral),
    ("qwen2", Family::Qwen2),
    ("qwen3", Family::Qwen3),
    ("gemma3", Family::Gemma3),
];
/// Tokens of the longest sequence of the fixtures; every window is shorter.
const LONGEST: usize = 75;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../bench/peers/fixtures/tiny_{name}"))
}

fn open(name: &str) -> (DecoderConfig, Weights) {
    let (base, weights) = Base::open(&folder(name), Precision::F32).unwrap();
    (base.config, weights)
}

fn decoder(name: &str) -> Decoder {
    let (config, weights) = open(name);
    Decoder::new(config, weights).unwrap()
}

/// What the peers answered for one family.
struct Answers(Vec<u8>);

impl Answers {
    fn of(name: &str) -> Self {
        Self(std::fs::read(folder(name).with_file_name(format!("tiny_{name}_answers.safetensors"))).unwrap())
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).unwrap().data().to_vec()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        self.bytes(name).as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    fn tokens(&self, index: usize) -> Vec<u32> {
        self.bytes(&format!("tokens.{index}")).as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
    }

    fn lora(&self, config: &DecoderConfig) -> Lora {
        let mut lora = Lora::zeros(config, LoraSpec::new(2, 4, Target::ALL.to_vec()).unwrap());
        let factors = self.floats("adapter");
        assert_eq!(lora.parameters.len(), factors.len());
        lora.parameters = factors;
        lora
    }

    fn examples(&self) -> Vec<Example> {
        let example = |index| {
            let is_target = self.bytes(&format!("targets.{index}")).into_iter().map(|byte| byte == 1).collect();
            Example { tokens: self.tokens(index), is_target }
        };
        vec![example(1), example(2)]
    }
}

fn gradients(decoder: &Decoder, lora: &Lora, examples: &[Example]) -> (Vec<f32>, Vec<ExampleLoss>) {
    let (mut out, examples): (_, Vec<&Example>) = (Vec::new(), examples.iter().collect());
    let losses = decoder.per_example_gradients(lora, &examples, &mut Workspace::default(), &mut out).unwrap();
    (out, losses)
}

/// Every factor tensor of every example: distance relative to the expected norm.
fn assert_gradients(lora: &Lora, got: &[f32], expected: &[f32], tolerance: f64, what: &str) -> f64 {
    assert_eq!(got.len(), expected.len());
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let size = lora.parameters.len();
    let mut worst = 0.0f64;
    for (got, expected) in got.chunks(size).zip(expected.chunks(size)) {
        for slot in &lora.slots {
            for range in [slot.a.clone(), slot.b.clone()] {
                let (got, expected) = (&got[range.clone()], &expected[range]);
                let length = norm(&mut expected.iter().copied());
                let apart = norm(&mut got.iter().zip(expected).map(|(g, e)| g - e)) / length;
                assert!(length > 0.0, "{what}: a gradient of zero proves nothing");
                assert!(apart <= tolerance, "{what}: layer {} {:?}: {apart:e}", slot.layer, slot.target);
                worst = worst.max(apart);
            }
        }
    }
    worst
}

#[test]
fn each_folder_is_of_its_family() {
    for (name, family) in FAMILIES {
        let (config, weights) = open(name);
        assert_eq!(config.variant.family, family);
        let extras = &weights.layers[0].extras;
        assert_eq!(extras.query_bias.is_some(), family == Family::Qwen2);
        assert_eq!(extras.query_norm.is_some(), matches!(family, Family::Qwen3 | Family::Gemma3));
        assert_eq!(extras.post_mlp_norm.is_some(), family == Family::Gemma3);
        let windows: Vec<_> = (0..config.layers).map(|layer| config.variant.layer(layer).window).collect();
        let turns: Vec<_> = (0..config.layers).map(|layer| config.variant.layer(layer).rotation).collect();
        use Rotation::{Global, Local, None as Not};
        let (expected_windows, expected_turns) = match family {
            Family::Llama | Family::Qwen3 => (vec![None; 3], vec![Global; 3]),
            Family::SmolLm3 => (vec![None; 4], vec![Global, Global, Global, Not]),
            Family::Mistral => (vec![Some(7); 3], vec![Global; 3]),
            Family::Qwen2 => (vec![None, None, Some(6)], vec![Global; 3]),
            Family::Gemma3 => (vec![Some(6), Some(6), None, Some(6)], vec![Local, Local, Global, Local]),
        };
        assert_eq!((windows, turns), (expected_windows, expected_turns), "{name}");
    }
}

/// Acceptance: largest difference of a logit 2e-3.
#[test]
fn logits_are_those_of_transformers() {
    for (name, _) in FAMILIES {
        let (decoder, answers) = (decoder(name), Answers::of(name));
        let mut worst = 0.0f32;
        for index in 0..3 {
            let got = decoder.logits(None, &answers.tokens(index)).unwrap();
            let expected = answers.floats(&format!("logits.{index}"));
            assert_eq!(got.len(), expected.len());
            worst = got.iter().zip(&expected).fold(worst, |worst, (g, e)| worst.max((g - e).abs()));
        }
        eprintln!("{name}: largest difference of a logit {worst:e}");
        assert!(worst <= 1e-4, "{name}: {worst}");
    }
}

/// Acceptance: every factor's gradient of every example within 1e-3 of PEFT's, relative to its norm.
#[test]
fn per_example_gradients_are_those_of_peft() {
    for (name, _) in FAMILIES {
        let (decoder, answers) = (decoder(name), Answers::of(name));
        let lora = answers.lora(decoder.config());
        let (got, losses) = gradients(&decoder, &lora, &answers.examples());
        let worst = assert_gradients(&lora, &got, &answers.floats("gradients"), 1e-3, name);
        for (loss, expected) in losses.iter().zip(answers.floats("losses")) {
            assert!((loss.mean() - f64::from(expected)).abs() < 1e-4, "{name}: {} instead of {expected}", loss.mean());
        }
        eprintln!("{name}: largest relative difference of a gradient {worst:e}");
    }
}

#[test]
fn per_example_gradients_equal_the_composed_decoder() {
    for (name, _) in FAMILIES {
        let (config, weights) = open(name);
        let composed = Composed::new(&config, &weights, &Device::Cpu).unwrap();
        let (decoder, answers) = (Decoder::new(config, weights).unwrap(), Answers::of(name));
        let (lora, examples) = (answers.lora(decoder.config()), answers.examples());
        let tokens = answers.tokens(2);
        let expected = composed.logits(Some(&lora), &tokens).unwrap();
        assert_close(&decoder.logits(Some(&lora), &tokens).unwrap(), &expected, 2e-5);
        let (got, _) = gradients(&decoder, &lora, &examples);
        let (expected, _) = composed.per_example_gradients(&lora, &examples.iter().collect::<Vec<_>>()).unwrap();
        assert_gradients(&lora, &got, &expected, 1e-4, name);
    }
}

/// The cache, fed in parts that end before, at and after the borders of windows.
#[test]
fn the_cache_gives_the_logits_of_the_whole_sequence() {
    for (name, _) in FAMILIES {
        let (decoder, answers) = (decoder(name), Answers::of(name));
        let (lora, tokens) = (answers.lora(decoder.config()), answers.tokens(2));
        let vocabulary = decoder.config().vocab_size;
        let whole = decoder.logits(Some(&lora), &tokens).unwrap();
        let mut session = decoder.session(Some(&lora));
        for part in [5, 1, 1, 1, 13, 2, 1, 40, 1, 9, 1] {
            let fed = session.len();
            let logits = session.feed(&tokens[fed..fed + part]).unwrap();
            let end = session.len() * vocabulary;
            assert_close(&logits, &whole[end - vocabulary..end], 2e-5);
        }
        assert_eq!(session.len(), LONGEST);
    }
}

/// Greedy tokens of a session, past every window, are the best ones of the whole sequence so far.
#[test]
fn greedy_tokens_are_the_best_of_the_whole_sequence() {
    for (name, _) in FAMILIES {
        let decoder = decoder(name);
        let vocabulary = decoder.config().vocab_size;
        let prompt = [1, 17, 5];
        let tokens = generate(&decoder, None, &prompt, &[], 20, Choice::Greedy).unwrap();
        assert_eq!(tokens.len(), 20);
        let all: Vec<u32> = prompt.iter().chain(&tokens).copied().collect();
        let logits = decoder.logits(None, &all).unwrap();
        for (line, &token) in logits.chunks(vocabulary).skip(prompt.len() - 1).zip(&tokens) {
            let best = line.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert!(best - line[token as usize] < 1e-4, "{name}");
        }
    }
}

/// A tape left by a batch of another size, and by another family, changes nothing.
#[test]
fn a_workspace_goes_from_family_to_family() {
    let mut workspace = Workspace::default();
    for (name, _) in FAMILIES.into_iter().chain(FAMILIES.into_iter().rev()) {
        let (decoder, answers) = (decoder(name), Answers::of(name));
        let (lora, examples) = (answers.lora(decoder.config()), answers.examples());
        for part in [&examples[..], &examples[..1]] {
            let mut out = Vec::new();
            let references: Vec<&Example> = part.iter().collect();
            decoder.per_example_gradients(&lora, &references, &mut workspace, &mut out).unwrap();
            assert_eq!(out, gradients(&decoder, &lora, part).0, "{name}");
        }
    }
}

#[test]
fn recomputed_activations_change_no_bit_of_a_gradient() {
    for (name, _) in FAMILIES {
        let (decoder, answers) = (decoder(name), Answers::of(name));
        let (lora, examples) = (answers.lora(decoder.config()), answers.examples());
        let (mut workspace, mut out) = (Workspace::new(Activations::Recomputed), Vec::new());
        let references: Vec<&Example> = examples.iter().collect();
        decoder.per_example_gradients(&lora, &references, &mut workspace, &mut out).unwrap();
        assert_eq!(out, gradients(&decoder, &lora, &examples).0, "{name}");
    }
}

/// Each trait must matter: without it the model answers otherwise.
#[test]
fn every_difference_changes_the_answer() {
    let tokens = |name: &str| Answers::of(name).tokens(2);
    let moved = |name: &str, change: &dyn Fn(&mut DecoderConfig, &mut Weights)| {
        let (mut config, mut weights) = open(name);
        change(&mut config, &mut weights);
        let other = Decoder::new(config, weights).unwrap().logits(None, &tokens(name)).unwrap();
        let own = decoder(name).logits(None, &tokens(name)).unwrap();
        own.iter().zip(&other).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()))
    };
    let far = |name: &str, change: &dyn Fn(&mut DecoderConfig, &mut Weights)| {
        assert!(moved(name, change) > 1e-2, "{name}");
    };
    far("llama3", &|config, _| config.variant.rope_scaling = Default::default());
    far("gemma3", &|config, _| config.variant.rope_scaling = Default::default());
    far("gemma3", &|config, _| config.variant.local_rope_theta = Some(50_000.0));
    for name in ["smollm3", "mistral", "qwen2", "gemma3"] {
        far(name, &|config, _| config.variant.layers.clear());
    }
    far("qwen2", &|_, weights| weights.layers[1].extras.key_bias.as_mut().unwrap()[3] += 1.0);
    far("qwen3", &|_, weights| weights.layers[1].extras.key_norm.as_mut().unwrap()[3] += 1.0);
    far("gemma3", &|_, weights| weights.layers[1].extras.post_mlp_norm.as_mut().unwrap()[3] += 1.0);
    far("gemma3", &|_, weights| weights.layers[1].extras.post_attention_norm.as_mut().unwrap()[3] += 1.0);
}
