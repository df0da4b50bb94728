//! `--classifier` of every verb that detects: by flag, environment and file, in the document and in the evidence, and refused.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process::{Place, Ran};
use crate::tiny::{base, chats};

const RECORDS: &str = "{\"id\":\"a\",\"text\":\"Ana Ruiz met the others in Berlin.\"}\n{\"id\":\"b\",\"text\":\"x\"}\n";

/// A random model: what it finds means nothing.
fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/peers/fixtures/tiny_bert")
}

fn place() -> Place {
    let place = Place::new();
    place.file("in.jsonl", RECORDS);
    place
}

fn check(facts: &Value) {
    assert_eq!(facts["name"], "tiny_bert");
    let names: Vec<&String> = facts["files"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["config.json", "model.safetensors", "tokenizer.json"]);
    assert!(facts["sha256"].as_str().is_some_and(|digest| digest.len() == 64));
}

#[test]
fn flag_environment_and_file_name_the_same_classifier() {
    let place = place();
    let scan = || {
        let mut command = place.command();
        command.args(["scan", "in.jsonl", "--json"]);
        command
    };
    let document = |mut command: std::process::Command| Ran::of(command.output().unwrap()).exits(0).document();
    assert_eq!(document(scan())["detection"].get("classifier"), None);
    let mut by_flag = scan();
    by_flag.arg("--classifier").arg(model());
    let by_flag = document(by_flag);
    check(&by_flag["detection"]["classifier"]);
    let mut by_environment = scan();
    by_environment.env("CLOISTER_CLASSIFIER", model());
    assert_eq!(document(by_environment)["detection"]["classifier"], by_flag["detection"]["classifier"]);
    place.file("cloister.toml", format!("classifier = '{}'\n", model().display()));
    let by_file = document(scan());
    assert_eq!(by_file["detection"]["classifier"], by_flag["detection"]["classifier"]);
    assert_eq!(by_file["spans"], by_flag["spans"]);
}

#[test]
fn protection_and_intake_say_which_classifier_searched() {
    let place = place();
    let model = model();
    let flags = ["--classifier", model.to_str().unwrap(), "--json"];
    let ran = place.run([&["protect", "in.jsonl", "--out", "out.jsonl", "--profile", "redact"][..], &flags].concat());
    check(&ran.document()["detection"]["classifier"]);
    place.run([&["ingest", "in.jsonl", "--out", "set"][..], &flags].concat());
    let page = std::fs::read_to_string(place.path("set/quality.html")).unwrap();
    assert!(page.contains("tiny_bert"));
    let evidence = std::fs::read_to_string(place.path("set/dataset.json")).unwrap();
    let evidence: Value = serde_json::from_str(&evidence).unwrap();
    check(&evidence["quality"]["detection"]["classifier"]);
}

#[test]
fn a_folder_that_is_no_classifier_is_refused_before_anything_is_written() {
    let place = place();
    place.file(
        "other/config.json",
        "{\"architectures\":[\"RobertaForTokenClassification\"],\"model_type\":\"roberta\"}",
    );
    for (folder, reason) in [
        (
            "absent",
            "the classifier `absent` cannot be used: `absent` is not a usable safetensors file: has no config.json",
        ),
        ("other", "the classifier `other` cannot be used: unsupported classifier: `RobertaForTokenClassification`"),
    ] {
        for verb in [
            &["scan", "in.jsonl", "--spans", "spans.jsonl"][..],
            &["protect", "in.jsonl", "--out", "out.jsonl"],
            &["ingest", "in.jsonl", "--out", "set"],
        ] {
            let ran = place.run([verb, &["--classifier", folder]].concat()).exits(2);
            let lines: Vec<&str> = ran.stderr.lines().collect();
            assert_eq!(lines[0], format!("error: {reason}"));
            assert_eq!(
                lines[1],
                "hint: name a folder with config.json, model.safetensors and tokenizer.json of a BertForTokenClassification"
            );
            assert_eq!(lines.len(), 2);
        }
    }
    for left in ["spans.jsonl", "out.jsonl", "set/records.jsonl"] {
        assert!(!place.path(left).exists(), "{left}");
    }
    let ran = place.run(["train", "in.jsonl", "--base", "x", "--epsilon", "8", "--classifier", "other"]).exits(2);
    assert!(ran.stderr.contains("`train` replaces nothing"), "{}", ran.stderr);
}

#[test]
fn the_evidence_of_a_run_names_it() {
    let place = Place::new();
    place.file("in.jsonl", chats(20));
    let mut command = place.command();
    command.args(["run", "in.jsonl", "--sigma", "2", "--steps", "2", "--out", "out", "--base"]).arg(base("tiny_llama"));
    let ran = Ran::of(command.arg("--classifier").arg(model()).output().unwrap());
    // A random model may find something in whatever stands in the place of what it found.
    assert!(matches!(ran.code, 0 | 3), "{}", ran.stderr);
    let evidence = std::fs::read_to_string(place.path("out/evidence.json")).unwrap();
    let evidence: Value = serde_json::from_str(&evidence).unwrap();
    check(&evidence["protection"]["detection"]["classifier"]);
    let digest = evidence["protection"]["detection"]["classifier"]["sha256"].as_str().unwrap();
    let report = std::fs::read_to_string(place.path("out/report.html")).unwrap();
    assert!(report.contains("tiny_bert") && report.contains(digest));
}
