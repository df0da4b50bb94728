//! The training step against plain arithmetic: without noise and clipping it is ordinary gradient descent.
//!
//! One step from `B = 0` leaves every `A` as it was drawn, since its gradient is exactly zero; so the adapter after the
//! step tells where the run began, and the step can be computed again here, example by example.

use std::path::{Path, PathBuf};

use cloister::train::corpus::{Grouping, Units};
use cloister::train::{Corpus, Error, Passes, Ready, Recipe, Request, Schedule, Team, remove_snapshot, train};
use cloister_dp::{NoiseLevel, OptimizerConfig, PlanRequest, PrivacyPlan, Sampling, Unit};
use cloister_model::{ExampleOptions, Kernels, LengthPolicy, Lora, LoraSpec, Precision, Target, Workspace, peft};

use crate::process::Place;
use crate::tiny::{Silent, base, chat, chats, copy, overflow};

const RATE: f64 = 0.05;

fn corpus(place: &Place, ready: &Ready, records: &str) -> Corpus {
    let dataset = cloister_text::read(&place.file("in.jsonl", records), &Default::default()).unwrap();
    let options = ExampleOptions { max_tokens: 128, length: LengthPolicy::Truncate };
    Corpus::build(&dataset, &ready.base, &options, Units::of(&dataset, Grouping::Record).unwrap()).unwrap()
}

/// A run of one step with every record, neither clipped nor noised.
struct OneStep {
    plan: PlanRequest,
    built: PrivacyPlan,
    recipe: Recipe,
}

impl OneStep {
    fn new(units: u64, optimizer: OptimizerConfig, pass_tokens: usize) -> Self {
        let plan = PlanRequest {
            unit: Unit::Record,
            units,
            sampling: Sampling::ExpectedBatch(units as f64),
            steps: 1,
            clip_norm: 1.0,
            noise: NoiseLevel::Sigma(1.0),
            delta: None,
            unit_cap: 1,
        };
        let recipe = Recipe {
            lora: LoraSpec::new(4, 8, Target::ALL.to_vec()).unwrap(),
            optimizer,
            learning_rate: RATE,
            schedule: Schedule::default(),
            passes: Passes { tokens: pass_tokens, ..Passes::default() },
            evaluate_every: 1,
        };
        Self { plan, built: PrivacyPlan::non_private(units, units as f64, 1).unwrap(), recipe }
    }

    fn request<'a>(&'a self, ready: &'a Ready, corpus: &'a Corpus, adapter: PathBuf, snapshot: PathBuf) -> Request<'a> {
        let Self { plan, built, recipe } = self;
        let plan = plan.clone();
        Request {
            ready,
            corpus,
            evaluation: None,
            plan,
            built,
            recipe,
            protection: None,
            adapter,
            snapshot,
            resume: false,
        }
    }
}

/// One step: the adapter afterwards.
fn one_step(place: &Place, ready: &Ready, corpus: &Corpus, optimizer: OptimizerConfig, pass_tokens: usize) -> Lora {
    let adapter = place.path("out");
    let _ = std::fs::remove_dir_all(&adapter);
    let run = OneStep::new(corpus.units.len() as u64, optimizer, pass_tokens);
    train(&run.request(ready, corpus, adapter.clone(), place.path("snapshot")), &Team::alone(), &mut Silent).unwrap();
    remove_snapshot(&place.path("snapshot"));
    peft::read(&adapter, &ready.base.config).unwrap().0
}

/// The adapter before the step.
fn start(after: &Lora) -> Lora {
    let mut start = after.clone();
    for slot in &after.slots {
        start.parameters[slot.b.clone()].fill(0.0);
    }
    start
}

/// The mean of the gradients of some examples, each computed alone, over `count`.
fn mean_gradient(ready: &Ready, corpus: &Corpus, examples: usize, at: &Lora, count: usize) -> Vec<f64> {
    let (mut workspace, mut gradient) = (Workspace::default(), Vec::new());
    let mut mean = vec![0.0; at.parameters.len()];
    for example in &corpus.examples[..examples] {
        ready.decoder.per_example_gradients(at, &[example], &mut workspace, &mut gradient).unwrap();
        mean.iter_mut().zip(&gradient).for_each(|(mean, g)| *mean += f64::from(*g) / count as f64);
    }
    mean
}

/// Distance of two vectors relative to the length of `expected`.
fn distance(expected: &[f64], actual: &[f32]) -> f64 {
    let length = expected.iter().map(|value| value * value).sum::<f64>().sqrt();
    let apart = expected.iter().zip(actual).map(|(e, a)| (e - f64::from(*a)).powi(2)).sum::<f64>().sqrt();
    apart / length
}

fn moved(before: &Lora, after: &Lora) -> Vec<f32> {
    after.parameters.iter().zip(&before.parameters).map(|(after, before)| after - before).collect()
}

#[test]
fn without_noise_and_clipping_a_step_is_gradient_descent_however_it_is_cut() {
    let place = Place::new();
    let ready = Ready::open(&base("tiny_llama"), Precision::F32, Kernels::Fused).unwrap();
    let corpus = corpus(&place, &ready, &chats(16));
    let tokens = corpus.tokens();
    // 16 passes of one, two of eight, one of all
    for pass_tokens in [1, tokens / 2, tokens] {
        let after = one_step(&place, &ready, &corpus, OptimizerConfig::sgd(), pass_tokens);
        let before = start(&after);
        let expected: Vec<f64> = mean_gradient(&ready, &corpus, 16, &before, 16).iter().map(|g| -RATE * g).collect();
        assert!(expected.iter().any(|value| value.abs() > 1e-6));
        let apart = distance(&expected, &moved(&before, &after));
        assert!(apart < 1e-6, "{apart:e} apart in passes of {pass_tokens} tokens");
    }
}

#[test]
fn without_noise_and_clipping_a_step_with_adam_is_adam() {
    let place = Place::new();
    let ready = Ready::open(&base("tiny_llama"), Precision::F32, Kernels::Fused).unwrap();
    let corpus = corpus(&place, &ready, &chats(16));
    let after = one_step(&place, &ready, &corpus, OptimizerConfig::adam(), 512);
    let before = start(&after);
    // After one step the corrected moments are g and g^2 (Kingma and Ba 2015, algorithm 1).
    let gradient = mean_gradient(&ready, &corpus, 16, &before, 16);
    let steps = moved(&before, &after);
    assert!(steps.iter().all(|step| f64::from(step.abs()) <= RATE * (1.0 + 1e-6)));
    // The sign of a gradient that is all rounding is chance, and Adam's first step is little but the sign: where the
    // gradient is far above its rounding (about 1e-8 here), the steps must agree.
    let clear = |index: &usize| gradient[*index].abs() > 1e-5;
    let places: Vec<usize> = (0..gradient.len()).filter(clear).collect();
    assert!(places.len() > gradient.len() / 4, "{} of {} gradients are clear", places.len(), gradient.len());
    let expected: Vec<f64> = places.iter().map(|&i| -RATE * gradient[i] / (gradient[i].abs() + 1e-8)).collect();
    let actual: Vec<f32> = places.iter().map(|&i| steps[i]).collect();
    let apart = distance(&expected, &actual);
    assert!(apart < 1e-5, "{apart:e}");
}

#[test]
fn a_record_that_overflows_adds_exactly_nothing() {
    let place = Place::new();
    let folder = copy(&place, "tiny_llama_untied", "tiny_llama_untied");
    overflow(&folder, Some(96));
    let ready = Ready::open(Path::new(&folder), Precision::F32, Kernels::Fused).unwrap();
    let corpus = corpus(&place, &ready, &format!("{}{}\n", chats(7), chat("nan", "nan", "my ~ is late", "sorry")));
    let (mut workspace, mut gradient) = (Workspace::default(), Vec::new());
    let zero = Lora::zeros(&ready.base.config, LoraSpec::new(4, 8, Target::ALL.to_vec()).unwrap());
    ready.decoder.per_example_gradients(&zero, &[&corpus.examples[7]], &mut workspace, &mut gradient).unwrap();
    assert!(gradient.iter().any(|value| !value.is_finite()), "the record does overflow");

    let after = one_step(&place, &ready, &corpus, OptimizerConfig::sgd(), 512);
    let before = start(&after);
    // seven gradients, divided by the planned eight
    let expected: Vec<f64> = mean_gradient(&ready, &corpus, 7, &before, 8).iter().map(|g| -RATE * g).collect();
    let apart = distance(&expected, &moved(&before, &after));
    assert!(apart < 1e-6, "{apart:e}");
}

#[test]
fn an_adapter_that_cannot_be_written_is_not_lost() {
    let place = Place::new();
    let ready = Ready::open(&base("tiny_llama"), Precision::F32, Kernels::Fused).unwrap();
    let corpus = corpus(&place, &ready, &chats(8));
    let run = OneStep::new(8, OptimizerConfig::sgd(), 512);
    let in_the_way = place.file("deep", "a file where a folder should be");
    let mut request = run.request(&ready, &corpus, place.path("deep/out"), place.path("snapshot"));
    let error = train(&request, &Team::alone(), &mut Silent).err().unwrap();
    assert!(matches!(&error, Error::NotWritten { snapshot, .. } if *snapshot == place.path("snapshot")), "{error:?}");

    std::fs::remove_file(in_the_way).unwrap();
    request.resume = true;
    let outcome = train(&request, &Team::alone(), &mut Silent).unwrap();
    remove_snapshot(&place.path("snapshot"));
    assert!(outcome.resumed && outcome.tokens_per_second == 0.0 && outcome.adapter.path == place.path("deep/out"));
    assert!(!place.path("snapshot").exists());
}
