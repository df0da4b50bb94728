//! Writes what a token classifier says of texts, for `bench/peers/classifier.py --compare`, or how fast it says it.
//!
//! `cargo run --release -p cloister-model --example classify -- FOLDER TEXTS.jsonl f32|bf16 OUT.jsonl|-`
//!
//! A line of TEXTS has a "text". A line of OUT is `{"text", "tokens": [[start, end, [probabilities]]]}`, offsets in bytes.
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use cloister_model::{Precision, TokenClassifier};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, texts, precision, out] = arguments.as_slice() else {
        return Err("FOLDER TEXTS.jsonl f32|bf16 OUT.jsonl|-".into());
    };
    let precision: Precision = precision.parse()?;
    let classifier = TokenClassifier::open(Path::new(folder), precision)?;
    let lines = std::fs::read_to_string(texts)?;
    let rows = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let texts: Vec<&str> = rows.iter().filter_map(|row| row["text"].as_str()).collect();
    let mut file = match out.as_str() {
        "-" => None,
        path => Some(std::io::BufWriter::new(std::fs::File::create(path)?)),
    };
    let (mut characters, mut count) = (0, 0);
    let start = Instant::now();
    for text in &texts {
        let mut tokens = Vec::new();
        classifier.classify(&[text], |token| {
            count += 1;
            if file.is_some() {
                tokens.push(json!([token.start, token.end, token.probabilities]));
            }
        })?;
        characters += text.chars().count();
        if let Some(file) = &mut file {
            writeln!(file, "{}", json!({"text": text, "tokens": tokens}))?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} tokens, {characters} characters, {:.0} characters a second", characters as f64 / seconds);
    Ok(())
}
