//! Token classifiers: what transformers computes (`bench/peers/classifier.py`), windows, and folders that are refused.

use std::fs;
use std::path::{Path, PathBuf};

use cloister_model::{Error, Precision, TokenClassifier};
use serde_json::Value;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/peers/fixtures/tiny_bert")
}

fn answers() -> Vec<Value> {
    let text = fs::read_to_string(fixture().with_file_name("tiny_bert_answers.json")).unwrap();
    let answers: Value = serde_json::from_str(&text).unwrap();
    answers["texts"].as_array().unwrap().clone()
}

/// A copy of the fixture without the files named.
fn copy(without: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture()).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        if !without.iter().any(|left| name == *left) {
            fs::copy(entry.path(), folder.path().join(name)).unwrap();
        }
    }
    folder
}

type Tokens = Vec<Vec<(usize, usize, Vec<f32>)>>;

fn classify(classifier: &TokenClassifier, texts: &[&str]) -> Tokens {
    let mut found = vec![Vec::new(); texts.len()];
    classifier
        .classify(texts, |token| found[token.text].push((token.start, token.end, token.probabilities.to_vec())))
        .unwrap();
    found
}

/// What transformers gives for token `index`, from each window in which it stands furthest from an edge.
fn expected(answer: &Value, index: usize) -> Vec<Vec<f64>> {
    let all = answer["ids"].as_array().unwrap().len();
    let mut best = (0, Vec::new());
    for window in answer["windows"].as_array().unwrap() {
        let (first, rows) = (window["first"].as_u64().unwrap() as usize, window["logits"].as_array().unwrap());
        if !(first..first + rows.len()).contains(&index) {
            continue;
        }
        let before = if first == 0 { all } else { index - first };
        let after = if first + rows.len() == all { all } else { first + rows.len() - 1 - index };
        let distance = before.min(after);
        if distance > best.0 {
            best = (distance, Vec::new());
        }
        if distance == best.0 {
            let logits: Vec<f64> =
                rows[index - first].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
            best.1.push(logits.iter().map(|logit| logit.exp() / sum).collect());
        }
    }
    best.1
}

#[test]
fn probabilities_and_places_are_those_of_transformers() {
    for without in ["vocab.txt", "tokenizer.json"] {
        let folder = copy(&[without]);
        let classifier = TokenClassifier::open(folder.path(), Precision::F32).unwrap();
        assert_eq!(classifier.labels(), ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]);
        let answers = answers();
        let texts: Vec<&str> = answers.iter().map(|answer| answer["text"].as_str().unwrap()).collect();
        assert!(answers.iter().any(|answer| answer["windows"].as_array().unwrap().len() > 3));
        for (answer, found) in answers.iter().zip(classify(&classifier, &texts)) {
            let places: Vec<Value> = found.iter().map(|(start, end, _)| serde_json::json!([start, end])).collect();
            assert_eq!(&Value::from(places), &answer["places"], "{without} {}", answer["text"]);
            for (index, (_, _, probabilities)) in found.iter().enumerate() {
                let close = |expected: &Vec<f64>| {
                    probabilities.iter().zip(expected).all(|(ours, theirs)| (f64::from(*ours) - theirs).abs() < 1e-4)
                };
                assert!(expected(answer, index).iter().any(close), "token {index} of {}", answer["text"]);
            }
        }
    }
}

#[test]
fn texts_do_not_see_each_other() {
    let classifier = TokenClassifier::open(&fixture(), Precision::F32).unwrap();
    let texts = ["Ana Ruiz met Dr. Müller", "", "in Berlin", "x"];
    let together = classify(&classifier, &texts);
    for (text, found) in texts.iter().zip(&together) {
        let alone = &classify(&classifier, &[text])[0];
        assert_eq!(alone.len(), found.len());
        for (alone, found) in alone.iter().zip(found) {
            assert_eq!((alone.0, alone.1), (found.0, found.1));
            assert!(alone.2.iter().zip(&found.2).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }
}

#[test]
fn sixteen_bits_are_near() {
    let exact = TokenClassifier::open(&fixture(), Precision::F32).unwrap();
    let rounded = TokenClassifier::open(&fixture(), Precision::Bf16).unwrap();
    let text = "Ana Ruiz met Dr. Müller in Berlin.";
    let (exact, rounded) = (classify(&exact, &[text]), classify(&rounded, &[text]));
    let pairs = exact[0].iter().zip(&rounded[0]).flat_map(|(a, b)| a.2.iter().zip(&b.2));
    let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!((1e-7..0.05).contains(&worst), "{worst}");
}

#[test]
fn long_texts_without_a_space_keep_their_places() {
    let classifier = TokenClassifier::open(&fixture(), Precision::F32).unwrap();
    let text = format!("{}é,{}", "a.".repeat(20_000), "ü-".repeat(9000));
    let found = classify(&classifier, &[&text]).pop().unwrap();
    assert!(found.windows(2).all(|pair| pair[0].1 <= pair[1].0));
    assert_eq!(found.len(), 40_000 + 2 + 18_000);
    assert!(found.iter().all(|(start, end, _)| text.get(*start..*end).is_some_and(|token| token.chars().count() == 1)));
}

#[test]
fn the_identity_is_that_of_the_files() {
    let folder = copy(&["vocab.txt"]);
    let one = TokenClassifier::open(folder.path(), Precision::F32).unwrap().identity().clone();
    let names: Vec<&str> = one.files.keys().map(String::as_str).collect();
    assert_eq!(names, ["config.json", "model.safetensors", "tokenizer.json"]);
    let config = fs::read_to_string(folder.path().join("config.json")).unwrap();
    fs::write(folder.path().join("config.json"), config.replace("B-PER", "B-LOC")).unwrap();
    let other = TokenClassifier::open(folder.path(), Precision::F32).unwrap().identity().clone();
    assert_ne!(one.sha256, other.sha256);
    assert_eq!(one.files["model.safetensors"], other.files["model.safetensors"]);
}

/// Why the folder is refused after `change`.
fn refusal(change: impl FnOnce(&Path)) -> Error {
    let folder = copy(&[]);
    change(folder.path());
    TokenClassifier::open(folder.path(), Precision::F32).err().expect("a refusal")
}

fn replace(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn folders_that_do_not_fit_are_refused_with_the_reason() {
    let config =
        |from: &'static str, to: &'static str| refusal(|folder| replace(folder, "config.json", from, to)).to_string();
    assert_eq!(config("BertForTokenClassification", "BertForMaskedLM"), "unsupported classifier: `BertForMaskedLM`");
    assert_eq!(
        config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1"),
        "unsupported tensor: `bert.encoder.layer.1.attention.output.LayerNorm.bias`"
    );
    assert_eq!(
        config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"),
        "tensor `bert.encoder.layer.2.attention.self.query.weight` is missing"
    );
    assert_eq!(
        config("\"intermediate_size\": 40", "\"intermediate_size\": 262144"),
        "tensor `bert.encoder.layer.0.intermediate.dense.weight` has shape [40, 32], expected [262144, 32]"
    );
    assert_eq!(
        config("\"6\": \"I-ORG\"", "\"6\": \"I-ORG\", \"7\": \"B-MISC\""),
        "tensor `classifier.weight` has shape [7, 32], expected [8, 32]"
    );
    let vocabulary = refusal(|folder| replace(folder, "tokenizer.json", "\"[CLS]\"", "\"[cls]\"")).to_string();
    assert_eq!(vocabulary, "tokenizer: has no token `[CLS]`");
    let none = refusal(|folder| {
        fs::remove_file(folder.join("tokenizer.json")).unwrap();
        fs::remove_file(folder.join("vocab.txt")).unwrap();
    });
    assert_eq!(none.to_string(), "unsupported tokenizer: `neither tokenizer.json nor vocab.txt`");
    for (file, problem) in [("model.safetensors", "has neither"), ("config.json", "has no config.json")] {
        let missing = refusal(|folder| fs::remove_file(folder.join(file)).unwrap()).to_string();
        assert!(missing.contains(problem), "{missing}");
    }
    let cut = refusal(|folder| {
        let bytes = fs::read(folder.join("model.safetensors")).unwrap();
        fs::write(folder.join("model.safetensors"), &bytes[..bytes.len() - 4]).unwrap();
    });
    assert!(matches!(cut, Error::Format { .. }), "{cut}");
    assert!(matches!(TokenClassifier::open(Path::new("/no/such"), Precision::F32), Err(Error::Format { .. })));
}

#[test]
fn what_is_not_finite_is_an_error_and_not_a_silence() {
    let infinite = refusal(|folder| {
        let path = folder.join("model.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
        fs::write(path, bytes).unwrap();
    });
    assert!(infinite.to_string().ends_with("holds a value that is not finite"), "{infinite}");
    // Finite weights that overflow.
    let everything = |head: usize, bytes: &mut [u8]| {
        bytes[head..].as_chunks_mut::<4>().0.iter_mut().for_each(|value| *value = 3e38f32.to_le_bytes());
    };
    // One matrix alone, so that it is a variance that overflows, between layers that are sound.
    let before_a_norm = |head: usize, bytes: &mut [u8]| {
        let header: serde_json::Value = serde_json::from_slice(&bytes[8..head]).unwrap();
        let offsets = &header["bert.encoder.layer.1.output.dense.weight"]["data_offsets"];
        let at = |index: usize| head + offsets[index].as_u64().unwrap() as usize;
        for value in bytes[at(0)..at(1)].as_chunks_mut::<4>().0 {
            *value = (f32::from_le_bytes(*value) * 1e21).to_le_bytes();
        }
    };
    for change in [&everything as &dyn Fn(usize, &mut [u8]), &before_a_norm] {
        let folder = copy(&[]);
        let path = folder.path().join("model.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        let head = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        change(head, &mut bytes);
        fs::write(path, bytes).unwrap();
        let classifier = TokenClassifier::open(folder.path(), Precision::F32).unwrap();
        assert!(matches!(classifier.classify(&["Ana"], |_| ()), Err(Error::NonFinite(_))));
    }
}
