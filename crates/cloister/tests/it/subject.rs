//! An audit of the unit: what all records of one subject together can do to a step.
//!
//! The sum before noise cannot be read, on purpose. It is measured: the mean of many noised releases of one batch is
//! the sum, within an error that follows from sigma and their number. The bound must hold within six of these errors.

use cloister::train::corpus::{Grouping, Units};
use cloister::train::{Corpus, Passes, Ready, Recipe, Request, Schedule, Team, remove_snapshot, train};
use cloister_dp::{NoiseLevel, OptimizerConfig, PlanRequest, PrivacyPlan, Sampling, Unit};
use cloister_model::{
    Example, ExampleOptions, Kernels, LengthPolicy, Lora, LoraSpec, Precision, SplitMix64, Target, Workspace, peft,
};

use crate::process::Place;
use crate::tiny::{Silent, base, chat, chats};

/// The least noise that a plan takes.
const SIGMA: f64 = 0.02;
const CLIP_NORM: f64 = 0.5;
const CAP: u32 = 8;
const RATE: f64 = 1e-3;

fn corpus(place: &Place, ready: &Ready, records: &str) -> Corpus {
    let dataset = cloister_text::read(&place.file("in.jsonl", records), &Default::default()).unwrap();
    let options = ExampleOptions { max_tokens: 128, length: LengthPolicy::Truncate };
    Corpus::build(&dataset, &ready.base, &options, Units::of(&dataset, Grouping::Subject).unwrap()).unwrap()
}

fn request(units: usize, steps: u64) -> PlanRequest {
    PlanRequest {
        unit: Unit::Subject,
        units: units as u64,
        // every unit in every batch
        sampling: Sampling::ExpectedBatch(units as f64),
        steps,
        clip_norm: CLIP_NORM,
        noise: NoiseLevel::Sigma(SIGMA),
        delta: None,
        unit_cap: CAP,
    }
}

fn gradients(ready: &Ready, lora: &Lora, examples: &[Example]) -> Vec<Vec<f32>> {
    let (mut workspace, mut rows) = (Workspace::default(), Vec::new());
    let references: Vec<&Example> = examples.iter().collect();
    ready.decoder.per_example_gradients(lora, &references, &mut workspace, &mut rows).unwrap();
    rows.chunks(lora.parameters.len()).map(<[f32]>::to_vec).collect()
}

/// The sum of a batch, as `steps` noised releases of it show it.
fn measured_sum(plan: &PrivacyPlan, units: &[Vec<&[f32]>]) -> Vec<f64> {
    let dimension = units[0][0].len();
    let mut noise = plan.noise().unwrap();
    let mut total = vec![0.0; dimension];
    for _ in 0..plan.steps() {
        let mut sum = plan.accumulator(dimension);
        units.iter().for_each(|unit| sum.add_unit(unit).unwrap());
        let mean = plan.privatise(sum, &mut noise).unwrap();
        total.iter_mut().zip(mean.as_slice()).for_each(|(total, value)| *total += f64::from(*value));
    }
    total.iter_mut().for_each(|total| *total *= plan.denominator() / plan.steps() as f64);
    total
}

fn squared(vector: &[f64]) -> f64 {
    vector.iter().map(|value| value * value).sum()
}

fn norm(gradient: &[f32]) -> f64 {
    gradient.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn all_records_of_a_subject_move_the_sum_by_at_most_the_clip_norm() {
    const RELEASES: u64 = 200;
    let place = Place::new();
    let ready = Ready::open(&base("tiny_llama"), Precision::F32, Kernels::Fused).unwrap();
    let mut lora = Lora::zeros(&ready.base.config, LoraSpec::new(4, 8, Target::ALL.to_vec()).unwrap());
    let mut numbers = SplitMix64(7);
    lora.initialise(|| numbers.uniform());
    // not at the start, where the gradients of A are zero
    for slot in lora.slots.clone() {
        lora.parameters[slot.b].iter_mut().for_each(|value| *value = 0.3 * (numbers.uniform() - 0.5));
    }
    let of_x = |n: usize| chat(&format!("x{n}"), "x", &format!("i am x, {n}"), &format!("hello x, yes to {n}"));
    let spread: String =
        chats(8).lines().enumerate().map(|(n, line)| format!("{}\n{line}\n{}\n", of_x(n), of_x(n + 8))).collect();
    let corpus = corpus(&place, &ready, &spread);
    let lengths: Vec<usize> = corpus.units.iter().map(Vec::len).collect();
    assert_eq!(lengths, [16, 1, 1, 1, 1, 1, 1, 1, 1], "spread over the file, the records of x are one unit");

    let rows = gradients(&ready, &lora, &corpus.examples);
    let others: Vec<Vec<&[f32]>> = corpus.units[1..].iter().map(|unit| vec![&rows[unit[0]][..]]).collect();
    let own: Vec<&[f32]> = corpus.units[0].iter().map(|&index| &rows[index][..]).collect();
    let huge: Vec<Vec<f32>> = own.iter().map(|row| row.iter().map(|value| value * 1e15).collect()).collect();
    let broken: Vec<Vec<f32>> = own.iter().map(|row| row.iter().map(|value| value * f32::INFINITY).collect()).collect();
    let (huge, broken): (Vec<&[f32]>, Vec<&[f32]>) =
        (huge.iter().map(Vec::as_slice).collect(), broken.iter().map(Vec::as_slice).collect());
    assert!(own.iter().all(|row| norm(row) > 2.0 * CLIP_NORM), "every record would be clipped");

    let plan = PrivacyPlan::build(&request(corpus.units.len(), RELEASES)).unwrap();
    let mut sum = plan.accumulator(lora.parameters.len());
    assert!(sum.add_unit(&own).is_err(), "more records than the cap are refused, not added");
    let without = measured_sum(&plan, &others);
    // of one coordinate of a difference of two measured sums
    let error = SIGMA * CLIP_NORM * (2.0 / RELEASES as f64).sqrt();
    let dimension = lora.parameters.len() as f64;
    let slack = 6.0 * (2.0 * CLIP_NORM * error + (2.0 * dimension).sqrt() * error * error);
    assert!(slack < 0.05 * CLIP_NORM * CLIP_NORM, "the measurement is sharp: {slack}");
    let cap = CAP as usize;
    for (what, records, clipped) in [
        ("one record", &own[..1], true),
        ("five records", &own[..5], true),
        ("as many as the cap", &own[..cap], true),
        ("one record, as often as the cap", &[own[3]; CAP as usize][..], true),
        ("huge ones", &huge[..cap], true),
        ("no numbers", &broken[..cap], false),
        ("huge and no numbers", &[huge[0], broken[1], own[2]][..], true),
        ("none", &[], false),
    ] {
        let with = measured_sum(&plan, &[&others[..], &[records.to_vec()]].concat());
        let moved: Vec<f64> = with.iter().zip(&without).map(|(with, without)| with - without).collect();
        // the noise that is left in the two sums adds its own length
        let moved = squared(&moved) - dimension * error * error;
        let bound = CLIP_NORM * CLIP_NORM;
        assert!(moved <= bound + slack, "{what}: moved by {:.4}", moved.max(0.0).sqrt());
        assert!((moved > bound - slack) == clipped, "{what}: moved by {:.4}", moved.max(0.0).sqrt());
        assert!(clipped || moved.abs() < slack, "{what}: moved by {:.4}", moved.max(0.0).sqrt());
    }
}

/// The same through a whole run: grouping, the cap's choice, the step, the optimiser, the file. One step from `B = 0`
/// moves `B` by the rate times the noised mean; what the other subjects add to it is computed here.
#[test]
fn a_step_takes_from_a_subject_at_most_the_clip_norm_however_many_records_there_are() {
    const RUNS: usize = 12;
    let place = Place::new();
    let ready = Ready::open(&base("tiny_llama"), Precision::F32, Kernels::Fused).unwrap();
    // 20 records with one text: whichever eight are chosen, their mean is known
    let of_x = |n: usize| format!("{}\n", chat(&format!("x{n}"), "x", "i am x", "hello x"));
    let records: String =
        (0..10).map(|n| of_x(2 * n) + chats(5).lines().nth(n).unwrap_or("") + "\n" + &of_x(2 * n + 1)).collect();
    let corpus = corpus(&place, &ready, &records);
    assert_eq!(corpus.units.iter().map(Vec::len).collect::<Vec<_>>(), [20, 1, 1, 1, 1, 1]);
    let plan = request(corpus.units.len(), 1);
    let built = PrivacyPlan::build(&plan).unwrap();
    let recipe = Recipe {
        lora: LoraSpec::new(4, 8, Target::ALL.to_vec()).unwrap(),
        optimizer: OptimizerConfig::sgd(),
        learning_rate: RATE,
        schedule: Schedule::default(),
        passes: Passes { tokens: 64, ..Passes::default() },
        evaluate_every: 1,
    };
    let mut shares = Vec::new();
    for _ in 0..RUNS {
        let adapter = place.path("out");
        let _ = std::fs::remove_dir_all(&adapter);
        let request = Request {
            ready: &ready,
            corpus: &corpus,
            evaluation: None,
            plan: plan.clone(),
            built: &built,
            recipe: &recipe,
            protection: None,
            adapter: adapter.clone(),
            snapshot: place.path("snapshot"),
            resume: false,
        };
        train(&request, &Team::alone(), &mut Silent).unwrap();
        remove_snapshot(&place.path("snapshot"));
        let after = peft::read(&adapter, &ready.base.config).unwrap().0;
        let mut start = after.clone();
        after.slots.iter().for_each(|slot| start.parameters[slot.b.clone()].fill(0.0));
        let rows = gradients(&ready, &start, &corpus.examples);
        let clipped = |unit: &[usize]| -> Vec<f64> {
            let row = &rows[unit[0]];
            let scale = (CLIP_NORM / norm(row)).min(1.0);
            row.iter().map(|value| f64::from(*value) * scale).collect()
        };
        let of_x = clipped(&corpus.units[0]);
        assert!((squared(&of_x).sqrt() - CLIP_NORM).abs() < 1e-9, "the records of x are clipped");
        // the part of what the step added, beside the other subjects' part, in the direction of x
        let others: Vec<Vec<f64>> = corpus.units[1..].iter().map(|unit| clipped(unit)).collect();
        let share = |index: usize| {
            let summed = -f64::from(after.parameters[index]) * built.denominator() / RATE;
            (summed - others.iter().map(|other| other[index]).sum::<f64>()) * of_x[index] / CLIP_NORM
        };
        shares.push(after.slots.iter().flat_map(|slot| slot.b.clone()).map(share).sum::<f64>());
    }
    let mean = shares.iter().sum::<f64>() / RUNS as f64;
    let error = SIGMA * CLIP_NORM / (RUNS as f64).sqrt();
    assert!((mean - CLIP_NORM).abs() < 6.0 * error + 1e-3, "{mean:.4}: {shares:?}");
}
