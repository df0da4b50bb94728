//! Makes the example data: support tickets of a fictional provider, with invented personal data whose places are
//! known, and conversations without any for evaluation.
//!
//! `cargo run -p cloister-text --example make_tickets -- examples/` writes three files into the folder.
//! With `--check` nothing is written: the files must equal, byte for byte, what the program would write.
//! Invariant: the output follows from `SEED` alone. It does not depend on the library, so it can judge it.

#![allow(clippy::print_stderr, reason = "a program run by hand")]

mod check;
mod compose;
mod identifiers;
mod intents;
mod intents_account;
mod intents_energy;
mod intents_line;
mod names;
mod phrases;
mod places;
mod prng;
mod subjects;
mod writer;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::identifiers::Kind;
use crate::prng::Prng;
use crate::writer::{Message, Span};

const SEED: u64 = 0x4841_5242_4f55_5221;
const SUBJECTS: usize = 400;
const TICKETS: usize = 2_000;
const EVALUATION: usize = 128;

fn main() -> ExitCode {
    let mut folder = None;
    let mut check_only = false;
    for argument in std::env::args_os().skip(1) {
        if argument == "--check" {
            check_only = true;
        } else if folder.is_none() {
            folder = Some(PathBuf::from(argument));
        } else {
            eprintln!("error: one folder is enough");
            return ExitCode::from(2);
        }
    }
    let Some(folder) = folder else {
        eprintln!("usage: make_tickets FOLDER [--check]");
        return ExitCode::from(2);
    };
    match run(folder, check_only) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: PathBuf, check_only: bool) -> Result<(), String> {
    let files = generate()?;
    let report = check::check(&files.tickets, &files.spans, &files.evaluation)?;
    for line in report.lines {
        eprintln!("{line}");
    }
    let named = [
        ("tickets.jsonl", files.tickets),
        ("tickets.spans.jsonl", files.spans),
        ("evaluation.jsonl", files.evaluation),
    ];
    for (name, made) in named {
        let path = folder.join(name);
        if check_only {
            let found = std::fs::read(&path).map_err(|error| format!("{name}: {error}"))?;
            if found != made.as_bytes() {
                return Err(format!("{name} differs from what this program makes"));
            }
        } else {
            std::fs::write(&path, made).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    Ok(())
}

/// The three files as text.
struct Files {
    tickets: String,
    spans: String,
    evaluation: String,
}

fn generate() -> Result<Files, String> {
    let mut rng = Prng::new(SEED);
    let people = subjects::subjects(&mut rng, SUBJECTS);
    let counts = subjects::ticket_counts(&mut rng, SUBJECTS, TICKETS, 3, 8);
    let mut writers: Vec<usize> = (0..SUBJECTS).flat_map(|subject| vec![subject; counts[subject]]).collect();
    rng.shuffle(&mut writers);
    let intents = intents::all();
    let mut seen = BTreeSet::new();
    let mut files = Files { tickets: String::new(), spans: String::new(), evaluation: String::new() };
    for (index, &subject) in writers.iter().enumerate() {
        let messages = loop {
            let intent = intents[rng.below(intents.len())];
            let messages = compose::conversation(&mut rng, intent, Some(&people[subject]))?;
            if seen.insert(user_text(&messages)) {
                break messages;
            }
        };
        let id = format!("t-{:04}", index + 1);
        let person = format!("S-{:04}", subject + 1);
        push(&mut files.tickets, &json!({"id": id, "subject": person, "messages": turns(&messages)}));
        push(&mut files.spans, &json!({"id": id, "spans": spans(&messages)}));
    }
    for index in 0..EVALUATION {
        let messages = loop {
            let messages = compose::conversation(&mut rng, intents[index % intents.len()], None)?;
            if seen.insert(user_text(&messages)) {
                break messages;
            }
        };
        push(&mut files.evaluation, &json!({"id": format!("e-{:04}", index + 1), "messages": turns(&messages)}));
    }
    Ok(files)
}

fn push(file: &mut String, record: &Value) {
    file.push_str(&record.to_string());
    file.push('\n');
}

fn user_text(messages: &[Message]) -> String {
    let texts = messages.iter().filter(|message| message.role == "user").map(|message| message.content.as_str());
    texts.collect::<Vec<_>>().join("\n")
}

fn turns(messages: &[Message]) -> Vec<Value> {
    messages.iter().map(|message| json!({"role": message.role, "content": message.content})).collect()
}

fn spans(messages: &[Message]) -> Vec<Value> {
    let of = |(index, message): (usize, &Message)| -> Vec<Value> {
        message.spans.iter().map(|span| record(&format!("/messages/{index}/content"), span)).collect()
    };
    messages.iter().enumerate().flat_map(of).collect()
}

fn record(field: &str, span: &Span) -> Value {
    let mut record = json!({"field": field, "start": span.start, "end": span.end, "label": span.kind.label()});
    let kind = match span.kind {
        Kind::Address => "address",
        Kind::Given => "given",
        Kind::ApiKey => "key",
        Kind::Password => "password",
        _ => return record,
    };
    record["kind"] = Value::from(kind);
    record
}
