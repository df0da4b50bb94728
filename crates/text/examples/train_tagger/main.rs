//! Trains the tagger and writes `data/tagger.bin`.
//!
//! `cargo run --release -p cloister-text --example train_tagger -- DATA LITBANK [OUT]`
//!
//! DATA is the folder of labelled texts (`data/pii` of the shared material), with its `gazetteer`; LITBANK is what
//! `make_litbank.py` writes. First a fifth of every training corpus is held out, to measure and to calibrate; then the
//! model that is written is trained on all of it. The development sets of WNUT-17, EWT and Presidio are measured on, never
//! trained on. Without OUT only the first part runs. The same data gives the same bytes.
#![allow(clippy::print_stdout, reason = "the figures are the output")]

mod calibrate;
mod corpora;
mod crf;
mod lists;
mod prng;
mod templates;

use std::collections::HashMap;
use std::path::PathBuf;

use cloister_text::tagger::Model;
use cloister_text::tagger::training::{Calibration, Extractor, KINDS, POINTS};

use corpora::Labelled;
use lists::Lists;
use prng::Prng;

type Error = Box<dyn std::error::Error>;

/// Corpora that are trained on, with the weight of their gradient.
const TRAINING: [(&str, f32); 4] =
    [("wnut17_train", 1.0), ("btc_abefg", 1.0), ("wikigold_train", 1.0), ("sec_fin5_train", 0.5)];
/// Corpora that are only measured.
const MEASURED: [&str; 3] = ["wnut17_dev", "uner_ewt_dev", "presidio_synth_dev"];
/// Sentences of every template.
const ROUNDS: usize = 40;
const COMPOSED_WEIGHT: f32 = 0.5;
const RENAMED_WEIGHT: f32 = 0.5;
/// A fifth is held out.
const FOLDS: usize = 5;

struct Corpus {
    name: &'static str,
    weight: f32,
    examples: Vec<Labelled>,
}

fn main() -> Result<(), Error> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (folder, litbank, out) = match arguments.as_slice() {
        [folder, litbank] => (folder, litbank, None),
        [folder, litbank, out] => (folder, litbank, Some(out)),
        _ => return Err("usage: train_tagger DATA LITBANK [OUT]".into()),
    };
    let lists = Lists::read(&folder.join("gazetteer"))?;
    let file = |name: &str| folder.join(format!("{name}.jsonl"));
    let mut corpora = Vec::new();
    for (name, weight) in TRAINING {
        let mut examples = corpora::read(&file(name))?;
        corpora::clean(&mut examples);
        corpora.push(Corpus { name, weight, examples });
    }
    corpora.push(Corpus { name: "litbank", weight: 0.5, examples: corpora::read(litbank)? });
    let held = |index: usize| index % FOLDS == 2;
    let gazetteer = lists.gazetteer(&small_words(&corpora));
    println!("gazetteer: {} bytes", gazetteer.len());
    let first = crf::train(&training_set(&corpora, &lists, |index| !held(index)), &gazetteer)?;
    let raw = first.file(&gazetteer, &identity());
    let mut tests: Vec<(String, Vec<Labelled>)> = Vec::new();
    for corpus in &corpora {
        let part = corpus.examples.iter().enumerate().filter(|(index, _)| held(*index));
        tests.push((corpus.name.to_owned(), part.map(|(_, example)| example.clone()).collect()));
    }
    let calibration = calibrate::curves(&Names::new(&raw)?, tests.iter().flat_map(|(_, test)| test));
    for name in MEASURED {
        tests.push((name.to_owned(), corpora::read(&file(name))?));
    }
    let held_out = first.file(&gazetteer, &calibration);
    let names = Names::new(&held_out)?;
    for (name, test) in &tests {
        calibrate::report(name, &names, test);
    }
    if let Some(out) = out {
        let all = crf::train(&training_set(&corpora, &lists, |_| true), &gazetteer)?;
        std::fs::write(out, all.file(&gazetteer, &calibration))?;
        println!("wrote {}", out.display());
    }
    Ok(())
}

fn identity() -> Calibration {
    [std::array::from_fn(|point| point as f32 / (POINTS - 1) as f32); KINDS]
}

/// Words that the corpora write in small letters at least as often as otherwise.
fn small_words(corpora: &[Corpus]) -> Vec<String> {
    let mut counts: HashMap<String, (u32, u32)> = HashMap::new();
    for example in corpora.iter().flat_map(|corpus| &corpus.examples) {
        for word in example.text.split(|c: char| !c.is_alphanumeric()) {
            let count = counts.entry(word.to_lowercase()).or_default();
            let small = word.chars().all(char::is_lowercase);
            count.0 += u32::from(small);
            count.1 += u32::from(!small);
        }
    }
    let small = counts.into_iter().filter(|(word, (small, other))| word.len() > 1 && *small > 2 && small >= other);
    let mut small: Vec<String> = small.map(|(word, _)| word).collect();
    small.sort_unstable();
    small
}

/// The examples of the corpora whose index is wanted, their variants, and composed sentences.
fn training_set(corpora: &[Corpus], lists: &Lists, wanted: impl Fn(usize) -> bool) -> Vec<(Labelled, f32)> {
    let mut prng = Prng::new(17);
    let mut all = Vec::new();
    for corpus in corpora {
        for (_, example) in corpus.examples.iter().enumerate().filter(|(index, _)| wanted(*index)) {
            let mut add = |example: Labelled, weight: f32| all.push((example, weight * corpus.weight));
            if prng.chance(12) {
                corpora::recased(example, false).into_iter().for_each(|small| add(small, RENAMED_WEIGHT));
            } else if prng.chance(3) {
                corpora::recased(example, true).into_iter().for_each(|upper| add(upper, RENAMED_WEIGHT));
            }
            for _ in 0..2 {
                corpora::renamed(example, lists, &mut prng).into_iter().for_each(|other| add(other, RENAMED_WEIGHT));
            }
            add(example.clone(), 1.0);
        }
    }
    for example in templates::compose(lists, ROUNDS, &mut prng) {
        if prng.chance(20) {
            all.extend(corpora::recased(&example, false).map(|small| (small, COMPOSED_WEIGHT)));
        } else {
            all.push((example, COMPOSED_WEIGHT));
        }
    }
    all
}

/// A model with its extractor.
struct Names<'a> {
    model: Model<'a>,
    extractor: Extractor<'a>,
}

impl<'a> Names<'a> {
    fn new(file: &'a [u8]) -> Result<Self, Error> {
        let model = Model::read(file).ok_or("the file that was written cannot be read")?;
        let extractor = Extractor::new(*model.gazetteer());
        Ok(Self { model, extractor })
    }

    /// First byte, one past the last, kind, probability.
    fn find(&self, text: &str) -> Vec<(usize, usize, usize, f32)> {
        self.extractor.names(&self.model, text)
    }
}
