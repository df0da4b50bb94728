//! Quality on labelled text: Presidio's recogniser cases, its synthetic sentences, WNUT-17.
//!
//! The files lie in `data/pii` beside the folder of vectors; where they are absent the tests say so and pass.
//! Floors are a little below what was measured when they were written, so that a loss is noticed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cloister_text::{Detector, code_points};
use serde_json::Value;

use crate::detector;

fn rows(name: &str) -> Option<Vec<Value>> {
    let vectors = std::env::var_os("CLOISTER_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from);
    let path = vectors.join("../data/pii").join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()),
        Err(_) => {
            eprintln!("SKIPPED: {name} is not beside the vectors; set CLOISTER_VECTORS");
            None
        }
    }
}

fn gold(row: &Value, label: &[&str]) -> Vec<(usize, usize)> {
    let spans = row["spans"].as_array().unwrap().iter();
    spans
        .filter(|span| label.contains(&span["label"].as_str().unwrap()))
        .map(|span| (span["start"].as_u64().unwrap() as usize, span["end"].as_u64().unwrap() as usize))
        .collect()
}

/// Correct, predicted and labelled spans; one that overlaps a labelled one is correct, each at most once.
#[derive(Default)]
struct Score {
    correct: usize,
    predicted: usize,
    labelled: usize,
}

impl Score {
    fn precision(&self) -> f64 {
        self.correct as f64 / self.predicted.max(1) as f64
    }

    fn recall(&self) -> f64 {
        self.correct as f64 / self.labelled.max(1) as f64
    }

    fn f1(&self) -> f64 {
        2.0 * self.correct as f64 / (self.predicted + self.labelled).max(1) as f64
    }
}

/// Scores by overlap, one to one and in the order of the text, as the published baseline of Presidio was scored.
fn score(detector: &Detector, rows: &[Value], label: &str, gold_labels: &[&str]) -> Score {
    let mut score = Score::default();
    let show = std::env::var("SHOW_MISSES").is_ok_and(|value| value == label);
    for row in rows {
        let text = row["text"].as_str().unwrap();
        let spans: Vec<_> = detector.detect(text).into_iter().filter(|span| span.label.0 == label).collect();
        let got = code_points(text, &spans);
        let want = gold(row, gold_labels);
        score.predicted += got.len();
        score.labelled += want.len();
        let mut used = vec![false; got.len()];
        for (start, end) in &want {
            let hit = (0..got.len()).find(|i| !used[*i] && *start < got[*i].1 && got[*i].0 < *end);
            match hit {
                Some(i) => {
                    used[i] = true;
                    score.correct += 1;
                }
                None if show => eprintln!(
                    "missed {:?} in {text:?}",
                    &text.chars().skip(*start).take(end - start).collect::<String>()
                ),
                None => {}
            }
        }
        if show {
            for (i, (start, end)) in got.iter().enumerate().filter(|(i, _)| !used[*i]) {
                eprintln!(
                    "wrong {:?} {} in {text:?}",
                    text.chars().skip(*start).take(end - start).collect::<String>(),
                    spans[i].score
                );
            }
        }
    }
    eprintln!("{label}: precision {:.3} recall {:.3} F1 {:.3}", score.precision(), score.recall(), score.f1());
    score
}

#[test]
fn vectors_presidio_cases() {
    let Some(rows) = rows("presidio_cases_dev.jsonl") else { return };
    let detector = detector();
    // Presidio's URL takes quotation marks into the span; ours leave them outside.
    let floors = BTreeMap::from([
        ("EMAIL_ADDRESS", 1.0),
        ("PHONE_NUMBER", 1.0),
        ("CREDIT_CARD", 1.0),
        ("IBAN_CODE", 1.0),
        ("US_SSN", 1.0),
        ("IP_ADDRESS", 1.0),
        ("MAC_ADDRESS", 1.0),
        ("URL", 1.0),
    ]);
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for row in &rows {
        let entity = row["entity"].as_str().unwrap();
        let default_mode = row["mode"].as_str() == Some("default");
        if !floors.contains_key(entity) || row["kind"].as_str() != Some("analyze") || !default_mode {
            continue;
        }
        let text = row["text"].as_str().unwrap();
        let spans: Vec<_> = detector.candidates(text).into_iter().filter(|span| span.label.0 == entity).collect();
        let trim = |(start, end): (usize, usize)| {
            let quoted = text.chars().nth(start).is_some_and(|c| c == '"' || c == '\'');
            if quoted { (start + 1, end - 1) } else { (start, end) }
        };
        let got = code_points(text, &spans);
        let want: Vec<_> = gold(row, &[entity]).into_iter().map(trim).collect();
        let complete = row["spans_complete"].as_bool().unwrap();
        let right = if complete { got == want } else { got.len() as u64 == row["expected_count"].as_u64().unwrap() };
        if !right {
            eprintln!("{entity}: {text:?} gave {got:?}, wanted {want:?}");
        }
        let count = counts.entry(entity).or_default();
        count.0 += usize::from(right);
        count.1 += 1;
    }
    for (entity, floor) in floors {
        let (right, all) = counts[entity];
        eprintln!("{entity}: {right} of {all}");
        assert!(right as f64 >= floor * all as f64, "{entity}: {right} of {all}");
    }
}

#[test]
fn vectors_presidio_synthetic() {
    let Some(rows) = rows("presidio_synth_dev.jsonl") else { return };
    let detector = detector();
    for (label, gold, precision, recall) in [
        ("PERSON", &["PERSON"][..], 0.88, 0.74),
        ("EMAIL_ADDRESS", &["EMAIL_ADDRESS"], 0.99, 0.99),
        ("PHONE_NUMBER", &["PHONE_NUMBER"], 0.98, 0.87),
        ("CREDIT_CARD", &["CREDIT_CARD"], 0.99, 0.92),
        ("IBAN_CODE", &["IBAN_CODE"], 0.99, 0.99),
        ("IP_ADDRESS", &["IP_ADDRESS"], 0.99, 0.99),
        ("URL", &["DOMAIN_NAME"], 0.95, 0.99),
        ("LOCATION", &["STREET_ADDRESS", "GPE", "ZIP_CODE"], 0.95, 0.45),
    ] {
        let got = score(&detector, &rows, label, gold);
        assert!(got.precision() >= precision, "{label}: precision {:.3}", got.precision());
        assert!(got.recall() >= recall, "{label}: recall {:.3}", got.recall());
    }
}

/// An address in one piece counts once, though the labels give up to four parts of it a span each.
#[test]
fn vectors_street_addresses() {
    let Some(rows) = rows("presidio_synth_dev.jsonl") else { return };
    let detector = detector();
    let got = score(&detector, &rows, "LOCATION", &["STREET_ADDRESS"]);
    assert!(got.recall() >= 0.75, "recall {:.3}", got.recall());
    let missed: usize = rows
        .iter()
        .map(|row| {
            let text = row["text"].as_str().unwrap();
            let spans: Vec<_> = detector.detect(text).into_iter().filter(|span| span.label.0 == "LOCATION").collect();
            let found = code_points(text, &spans);
            let parts = gold(row, &["STREET_ADDRESS"]);
            parts.iter().filter(|(start, end)| !found.iter().any(|(a, b)| a < end && start < b)).count()
        })
        .sum();
    assert!(missed * 100 <= got.labelled * 3, "{missed} of {} parts are outside every span", got.labelled);
}

#[test]
fn vectors_wnut_persons() {
    let Some(rows) = rows("wnut17_dev.jsonl") else { return };
    let got = score(&detector(), &rows, "PERSON", &["PERSON"]);
    assert!(got.f1() >= 0.47, "F1 {:.3}", got.f1());
}

#[test]
fn vectors_persons_elsewhere() {
    for (name, floor) in [
        ("uner_ewt_dev.jsonl", 0.70),
        ("wikigold_train.jsonl", 0.68),
        ("btc_abefg.jsonl", 0.65),
        ("wnut17_train.jsonl", 0.57),
    ] {
        let Some(rows) = rows(name) else { return };
        eprintln!("{name}");
        let got = score(&detector(), &rows, "PERSON", &["PERSON"]);
        assert!(got.f1() >= floor, "{name}: F1 {:.3}", got.f1());
    }
}
