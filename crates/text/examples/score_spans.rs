//! Scores the detectors on labelled text: precision, recall and F1 by label, character recall, over-redaction.
//!
//! `cargo run --release -p cloister-text --example score_spans -- FILE.jsonl… [--threshold T] [--recall R] [--rules]`
//!
//! A line of a file is `{"text", "spans": [{"start", "end", "label"}]}`, offsets in code points. A span that was found
//! counts for a labelled one if both have the same label and share a character (or, under "exact", have the same
//! bounds); one to one, in the order of the text. Labels without a counterpart are not scored. Character recall is the
//! share of labelled characters that any span covers; over-redaction is the number of characters that are covered and
//! not labelled, over all characters. `--rules` leaves the tagger out.
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use std::collections::BTreeMap;
use std::time::Instant;

use cloister_text::{Detector, DetectorOptions, Label, code_points};
use serde_json::Value;

/// Start, end, label.
type Place = (usize, usize, &'static str);

/// Labels of the corpora and what they are compared with.
fn common(label: &str) -> Option<&'static str> {
    Some(match label {
        "GPE" | "LOC" | "LOCATION" | "STREET_ADDRESS" | "ADDRESS" => "LOCATION",
        "ORG" | "ORGANIZATION" => "ORGANIZATION",
        "DATE_TIME" | "DATETIME" => "DATE_TIME",
        "DOMAIN_NAME" | "URL" => "URL",
        _ => {
            let known = [
                "PERSON",
                "NRP",
                "CREDIT_CARD",
                "PHONE_NUMBER",
                "EMAIL_ADDRESS",
                "IBAN_CODE",
                "US_SSN",
                "IP_ADDRESS",
                "US_DRIVER_LICENSE",
            ];
            known.into_iter().find(|name| *name == label)?
        }
    })
}

#[derive(Default, Clone, Copy)]
struct Count {
    gold: usize,
    found: usize,
    overlap: usize,
    exact: usize,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.gold += other.gold;
        self.found += other.found;
        self.overlap += other.overlap;
        self.exact += other.exact;
    }

    fn print(&self, label: &str) {
        let ratio = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        let line = |hit: usize| {
            let f1 = ratio(2 * hit, self.gold + self.found);
            format!("{:.3} {:.3} {f1:.3}", ratio(hit, self.found), ratio(hit, self.gold))
        };
        println!("{label:20} {:5} {:5} | {} | {}", self.gold, self.found, line(self.overlap), line(self.exact));
    }
}

#[derive(Default)]
struct Characters {
    all: usize,
    labelled: usize,
    covered: usize,
    over: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = DetectorOptions::default();
    let mut files = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<f32, Box<dyn std::error::Error>> {
            Ok(arguments.next().ok_or("a number is missing")?.parse()?)
        };
        match argument.as_str() {
            "--threshold" => options.threshold = number()?,
            "--recall" => options.recall = number()?,
            "--rules" => options.tagger = false,
            _ => files.push(argument),
        }
    }
    let detector = Detector::new(&options)?;
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let rows = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
        score(&file, &rows, &detector);
    }
    Ok(())
}

fn score(file: &str, rows: &[Value], detector: &Detector) {
    let labelled = |row: &Value| -> Vec<(usize, usize, Option<&'static str>)> {
        let spans = row["spans"].as_array().into_iter().flatten();
        spans
            .filter_map(|span| {
                let place = |name: &str| span[name].as_u64().map(|n| n as usize);
                Some((place("start")?, place("end")?, span["label"].as_str().and_then(common)))
            })
            .collect()
    };
    let mut counts: BTreeMap<&'static str, Count> = BTreeMap::new();
    for label in rows.iter().flat_map(labelled).filter_map(|(_, _, label)| label) {
        counts.entry(label).or_default();
    }
    let mut characters = Characters::default();
    let start = Instant::now();
    let mut seconds = 0.0;
    let mut bytes = 0;
    for row in rows {
        let text = row["text"].as_str().unwrap_or_default();
        let begun = Instant::now();
        let spans = detector.detect(text);
        seconds += begun.elapsed().as_secs_f64();
        bytes += text.len();
        let found: Vec<Place> =
            code_points(text, &spans).into_iter().zip(&spans).map(|((a, b), s)| (a, b, name(s.label))).collect();
        let gold = labelled(row);
        for (label, count) in &mut counts {
            count.add(compare(&gold, &found, label));
        }
        cover(&mut characters, text.chars().count(), &gold, &found);
    }
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    println!(
        "\n## {}: {} records, {} characters, char recall {:.3}, over-redaction {:.3} ({:.1} MB/s, {:.1} s)",
        file.rsplit('/').next().unwrap_or(file),
        rows.len(),
        characters.all,
        share(characters.covered, characters.labelled),
        share(characters.over, characters.all),
        bytes as f64 / 1e6 / seconds,
        start.elapsed().as_secs_f64(),
    );
    println!("label                 gold found | overlap P R F1 | exact P R F1");
    let mut micro = Count::default();
    for (label, count) in &counts {
        count.print(label);
        micro.add(*count);
    }
    micro.print("(micro)");
}

fn name(label: Label) -> &'static str {
    common(label.0).unwrap_or(label.0)
}

fn compare(gold: &[(usize, usize, Option<&'static str>)], found: &[Place], label: &'static str) -> Count {
    let mut gold: Vec<_> = gold.iter().filter(|span| span.2 == Some(label)).map(|span| (span.0, span.1)).collect();
    gold.sort_unstable();
    let found: Vec<_> = found.iter().filter(|span| span.2 == label).map(|span| (span.0, span.1)).collect();
    let mut count = Count { gold: gold.len(), found: found.len(), ..Count::default() };
    count.exact = found.iter().filter(|span| gold.contains(span)).count();
    let mut used = vec![false; found.len()];
    for (start, end) in gold {
        if let Some(at) = (0..found.len()).find(|at| !used[*at] && start < found[*at].1 && found[*at].0 < end) {
            used[at] = true;
            count.overlap += 1;
        }
    }
    count
}

fn cover(characters: &mut Characters, length: usize, gold: &[(usize, usize, Option<&'static str>)], found: &[Place]) {
    let (mut any, mut scored, mut covered) = (vec![false; length], vec![false; length], vec![false; length]);
    for (start, end, label) in gold {
        any[*start..(*end).min(length)].fill(true);
        if label.is_some() {
            scored[*start..(*end).min(length)].fill(true);
        }
    }
    for (start, end, _) in found {
        covered[*start..*end].fill(true);
    }
    characters.all += length;
    for ((any, scored), covered) in any.iter().zip(&scored).zip(&covered) {
        characters.labelled += usize::from(*scored);
        characters.covered += usize::from(*scored && *covered);
        characters.over += usize::from(*covered && !any);
    }
}
