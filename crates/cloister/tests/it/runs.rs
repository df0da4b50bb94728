//! Training on a dataset of a project: the ledger counts the steps, the limit refuses, and a grant that is revoked ends it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Stdio};

use cloister_model::SplitMix64;
use serde_json::{Value, json};

use crate::process::{Place, Ran, walk};
use crate::resume::interrupt;
use crate::tiny::{base, chat, chats, public};

/// What the presets ask for.
const DECLARED: &str =
    "--controller Harbour --source desk --legal-basis contract --subjects customers --retention-from 2026-11-01";

/// A project of olga, with forty conversations of as many people in it.
fn project(preset: &str) -> Place {
    let place = Place::new();
    place
        .run(["init", "--name", "Help desk", "--owner", "olga", "--preset", preset, "--key-file", "olga.key"])
        .exits(0);
    place.file("in.jsonl", chats(40));
    place.file("public.jsonl", public(4));
    by(&place, "olga", &format!("ingest in.jsonl --into tickets --purposes support {DECLARED}")).exits(0);
    fs::remove_file(place.path("in.jsonl")).unwrap();
    place
}

fn by(place: &Place, who: &str, line: &str) -> Ran {
    let key = format!("{who}.key");
    place.run(line.split(' ').chain(["--key-file", &key]))
}

/// `train` as somebody, with more flags.
fn training(place: &Place, who: &str, out: &str, more: &str) -> Child {
    let mut command = place.command();
    command.args(["train", "dataset:tickets", "--for", "support", "--batch", "8", "--json", "--out", out, "--base"]);
    command.arg(base("tiny_llama")).args(more.split(' ').filter(|word| !word.is_empty()));
    command.args(["--key-file", &format!("{who}.key")]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn train(place: &Place, out: &str, more: &str) -> Ran {
    Ran::of(training(place, "olga", out, more).wait_with_output().unwrap())
}

fn budget(place: &Place) -> Value {
    by(place, "olga", "budget show tickets --json").exits(0).document()
}

#[test]
fn requirement_34_a_run_spends_what_it_leased_and_the_limit_refuses_the_next() {
    let place = project("minimal");
    let first = train(&place, "one", "--epsilon 7 --steps 4 --evaluation public.jsonl").exits(0);
    let document = first.document();
    assert_eq!(
        (&document["run"], &document["version"], &document["verdict"]),
        (&json!("r1"), &json!("tickets@1"), &json!("passed"))
    );
    assert!(place.path("one/adapter_model.safetensors").exists() && !place.path("one.snapshot").exists());
    assert!(first.stderr.contains("trainer shut in"), "{}", first.stderr);
    // The ledger's epsilon is that of the plan, by the same accountant.
    let spent = document["budget"]["epsilon"].as_f64().unwrap();
    assert!((spent - document["epsilon"].as_f64().unwrap()).abs() < 1e-6, "{document}");
    let shown = budget(&place);
    assert_eq!(
        shown["runs"][0],
        json!({"id": "r1", "version": "tickets@1", "state": "done", "steps": 4, "leased": 4, "charged": 4})
    );
    assert_eq!(shown["budget"], document["budget"]);

    let refused = train(&place, "two", "--epsilon 7.9 --steps 4").exits(3);
    assert!(refused.stderr.contains("would") && refused.stderr.contains("hint: "), "{}", refused.stderr);
    assert!(!place.path("two").exists() && !place.path("two.snapshot").exists());
    assert_eq!(budget(&place), shown);
    // What is made from it has no other budget.
    by(&place, "olga", "protect dataset:tickets --into safe --for support --profile redact");
    let safe = by(&place, "olga", "budget show dataset:safe --json").exits(0).document();
    assert_eq!(safe["budget"]["epsilon"], shown["budget"]["epsilon"]);
    // A smaller one fits, and the sum is the limit's to judge.
    train(&place, "two", "--epsilon 1 --steps 4").exits(0);
    let after = budget(&place)["budget"]["epsilon"].as_f64().unwrap();
    assert!(after > spent && after <= 8.0, "{after}");
    by(&place, "olga", "log fsck").exits(0);
}

#[test]
fn a_limit_of_persons_is_kept_by_persons_and_a_stricter_one_holds() {
    let place = project("gdpr");
    let ran = train(&place, "one", "--epsilon 2 --steps 2").exits(0);
    assert_eq!(ran.document()["plan"]["unit"], "subject");
    let refused = train(&place, "two", "--epsilon 2 --steps 2 --unit record").exits(2);
    assert!(refused.stderr.contains("the limit is one of subjects"), "{}", refused.stderr);
    let wider = by(&place, "olga", "budget limit tickets --epsilon 50 --json").exits(0);
    assert_eq!(wider.document()["budget"]["limit"]["epsilon"], 8.0);
    assert!(wider.stderr.contains("the stricter of both holds"), "{}", wider.stderr);
    by(&place, "olga", "budget limit tickets --epsilon 2.5 --delta 0.000001").exits(0);
    let refused = train(&place, "two", "--epsilon 2 --steps 2").exits(3);
    assert!(refused.stderr.contains("above 2.5"), "{}", refused.stderr);
    // Nothing but Poisson sampling has an account in the ledger.
    let refused = train(&place, "two", "--epsilon 0.1 --steps 2 --sampling shuffle").exits(2);
    assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
    by(&place, "olga", "log fsck").exits(0);
}

#[test]
fn records_that_lack_what_the_preset_asks_for_are_not_trained_on() {
    let place = Place::new();
    place.run(["init", "--name", "x", "--owner", "olga", "--preset", "gdpr", "--key-file", "olga.key"]).exits(0);
    place.file("in.jsonl", chats(20));
    let taken = by(&place, "olga", "ingest in.jsonl --into tickets --purposes support --json").exits(3).document();
    let field =
        |name: &str| taken["provenance"].as_array().unwrap().iter().find(|one| one["field"] == name).unwrap().clone();
    assert_eq!((&field("purpose")["value"], &field("retention")["value"]), (&json!("support"), &json!("24 months")));
    assert_eq!((&field("controller")["state"], &field("controller")["required"]), (&json!("missing"), &json!(true)));
    let refused = train(&place, "one", "--epsilon 2 --steps 2").exits(2);
    assert!(refused.stderr.contains("tickets@1 was refused: "), "{}", refused.stderr);
    // Neither under another name.
    by(&place, "olga", "protect dataset:tickets --into safe --for support");
    let mut command = place.command();
    command.args(["train", "dataset:safe", "--for", "support", "--epsilon", "2", "--out", "one", "--base"]);
    command.arg(base("tiny_llama")).args(["--key-file", "olga.key"]);
    let refused = Ran::of(command.output().unwrap()).exits(2);
    assert!(refused.stderr.contains("safe@1 was refused: "), "{}", refused.stderr);
}

#[cfg(unix)]
#[test]
fn a_run_that_was_stopped_goes_on_or_is_ended() {
    let place = project("minimal");
    let long = "--epsilon 4 --steps 150 --evaluation public.jsonl";
    let stopped = interrupt(training(&place, "olga", "one", long), "-INT").exits(130);
    assert!(stopped.stderr.contains("cloister budget end r1"), "{}", stopped.stderr);
    let state = fs::read(place.path("one.snapshot/state")).unwrap();
    // It is sealed: not even its settings can be read.
    assert!(!state.windows(8).any(|window| window == b"settings"));
    let run = budget(&place)["runs"][0].clone();
    assert_eq!((&run["state"], &run["charged"]), (&json!("running"), &json!(150)));
    let leased = run["leased"].as_u64().unwrap();
    // Another plan is another run.
    let other = train(&place, "one", &long.replace("150", "151").replace("epsilon 4", "epsilon 3.9")).code;
    assert_eq!(other, 2);
    let missing = train(&place, "one", "--epsilon 3 --steps 20 --resume").exits(2);
    assert!(missing.stderr.contains("no run on `tickets@1` with these settings"), "{}", missing.stderr);
    let done = train(&place, "one", &format!("{long} --resume")).exits(0).document();
    assert_eq!((&done["resumed"], &done["run"]), (&json!(true), &json!("r1")));
    let run = budget(&place)["runs"][0].clone();
    assert_eq!(
        run,
        json!({"id": "r1", "version": "tickets@1", "state": "done", "steps": 150, "leased": 150, "charged": 150})
    );
    assert!(leased < 150, "it was stopped before its end: {leased}");

    let stopped = interrupt(training(&place, "olga", "two", long), "-KILL");
    assert_ne!(stopped.code, 0);
    let before = budget(&place);
    assert_eq!(before["runs"][1]["charged"], 150);
    let ended = by(&place, "olga", "budget end r2 --for support --json").exits(0).document();
    assert_eq!(ended["steps_spent"], before["runs"][1]["leased"]);
    let after = budget(&place);
    assert!(after["budget"]["epsilon"].as_f64().unwrap() < before["budget"]["epsilon"].as_f64().unwrap());
    assert_eq!(after["runs"][1]["state"], "failed");
    let again = by(&place, "olga", "budget end r2 --for support").exits(2);
    assert!(again.stderr.contains("is not open"), "{}", again.stderr);
    let over = train(&place, "two", &format!("{long} --resume")).exits(2);
    assert!(over.stderr.contains("no run"), "{}", over.stderr);
    by(&place, "olga", "log fsck").exits(0);
}

/// A grant that is revoked while a run relies on it: the next lease is refused, and what was spent stays spent.
#[cfg(unix)]
#[test]
fn requirement_13_a_grant_that_is_revoked_ends_the_training_at_its_next_lease() {
    let place = project("minimal");
    by(&place, "olga", "access add eva --roles engineer --member-key-file eva.key").exits(0);
    by(&place, "olga", "access add dora --roles dpo --member-key-file dora.key").exits(0);
    let denied =
        Ran::of(training(&place, "eva", "one", "--epsilon 4 --steps 400").wait_with_output().unwrap()).exits(5);
    assert!(denied.stderr.contains("cloister access request"), "{}", denied.stderr);
    by(&place, "eva", "access request --act train --on dataset:tickets --purpose support").exits(0);
    by(&place, "dora", "access approve g1").exits(0);
    let long = "--epsilon 4 --steps 400 --evaluation public.jsonl --grant g1";
    let mut child = training(&place, "eva", "one", long);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    while !told.contains("step 0: ") {
        assert_ne!(stderr.read_line(&mut told).unwrap(), 0, "{told}");
    }
    by(&place, "dora", "access revoke g1").exits(0);
    stderr.read_to_string(&mut told).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap()).exits(5);
    assert_eq!(ran.document()["verdict"], "error");
    assert!(told.contains("grant-revoked") && !place.path("one").exists(), "{told}");
    let run = budget(&place)["runs"][0].clone();
    let leased = run["leased"].as_u64().unwrap();
    assert!(leased < 400 && run["state"] == "running", "{run}");
    let still =
        Ran::of(training(&place, "eva", "one", &format!("{long} --resume")).wait_with_output().unwrap()).exits(5);
    assert!(still.stderr.contains("grant-revoked"), "{}", still.stderr);
    assert_eq!(budget(&place)["runs"][0], run);
    by(&place, "olga", "budget end r1 --for support").exits(0);
    by(&place, "olga", "log fsck").exits(0);
}

/// Fifty words that stand in records and nowhere else.
fn canaries() -> Vec<String> {
    let mut random = SplitMix64(0x5eed);
    let letter = |random: &mut SplitMix64| char::from(b'a' + (random.uniform() * 26.0) as u8);
    (0..50).map(|n| format!("Zq{}{n:02}", (0..9).map(|_| letter(&mut random)).collect::<String>())).collect()
}

/// A word as programs write it: UTF-8, UTF-16 of either order, hexadecimal digits of either case, base64 at each of three places,
/// escapes of JSON.
fn encodings(word: &str) -> Vec<Vec<u8>> {
    let bytes = word.as_bytes();
    let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let wide = |of: fn(u16) -> [u8; 2]| word.encode_utf16().flat_map(of).collect::<Vec<_>>();
    let base64 = |skip: usize| crate::canary::base64(&bytes[skip..skip + (bytes.len() - skip) / 3 * 3]);
    let escaped = bytes.iter().map(|byte| format!("\\u{byte:04x}")).collect::<String>();
    vec![
        bytes.to_vec(),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        base64(0),
        base64(1),
        base64(2),
        escaped.into_bytes(),
    ]
}

/// The files below a folder that hold one of the words.
fn holding(folder: &Path, words: &[String]) -> Vec<String> {
    let needles: Vec<Vec<u8>> = words.iter().flat_map(|word| encodings(word)).collect();
    let searcher = aho_corasick::AhoCorasick::new(needles).unwrap();
    let mut found = Vec::new();
    walk(folder, &mut |path| {
        let bytes = fs::read(path).unwrap_or_default();
        let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
        if searcher.is_match(&bytes) || searcher.is_match(name.as_bytes()) {
            found.push(name);
        }
    });
    found
}

/// The whole pipeline on records with fifty canaries, a run that is killed among it: none of them lies anywhere, in no encoding,
/// and no process leaves an image of its memory.
#[cfg(target_os = "linux")]
#[test]
fn requirement_18_no_word_of_a_record_lies_anywhere() {
    let words = canaries();
    let place = Place::new();
    let tmp = place.path("tmp");
    fs::create_dir(&tmp).unwrap();
    let run = |line: &str| {
        let mut command = place.command();
        command.env("TMPDIR", &tmp).args(line.split(' ')).args(["--key-file", "olga.key"]);
        command
    };
    Ran::of(run("init --name Desk --owner olga --preset minimal").output().unwrap()).exits(0);
    let records = |word: &String| {
        let said = format!("my order {word} is late");
        format!("{}\n", chat(&format!("id-{word}"), &format!("subject-{word}"), &said, &format!("we look for {word}")))
    };
    place.file("in/in.jsonl", words.iter().map(records).collect::<String>());
    assert_eq!(holding(&place.path("."), &words), ["in/in.jsonl"], "the search finds what is there");
    Ran::of(run("ingest in/in.jsonl --into tickets --purposes support").output().unwrap()).exits(0);
    Ran::of(run("protect dataset:tickets --into safe --for support").output().unwrap());
    fs::remove_dir_all(place.path("in")).unwrap();
    let tiny = base("tiny_llama");
    let train = |out: &str, more: &str| {
        let line = format!("train dataset:tickets --for support --batch 10 --out {out} {more}");
        let mut command = run(&line);
        command.arg("--base").arg(&tiny).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    place.file("public.jsonl", public(4));
    let mut child = train("killed", "--epsilon 3 --steps 400 --evaluation public.jsonl").spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    while !told.contains("step 0: ") {
        assert_ne!(stderr.read_line(&mut told).unwrap(), 0, "{told}");
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    assert!(holding(&place.path("."), &words).is_empty(), "while it runs");
    let aborted = std::process::Command::new("kill").args(["-ABRT", &child.id().to_string()]).status().unwrap();
    assert!(aborted.success() && !child.wait().unwrap().success());
    Ran::of(train("one", "--epsilon 3 --steps 3").output().unwrap()).exits(0);
    Ran::of(run("budget end r1 --for support").output().unwrap()).exits(0);
    Ran::of(run(&format!("subject erase subject-{}", words[7])).output().unwrap()).exits(0);
    Ran::of(run("log export audit").output().unwrap()).exits(0);
    assert_eq!(holding(&place.path("."), &words), Vec::<String>::new());
    let mut cores = Vec::new();
    walk(&place.path("."), &mut |path| {
        if path.file_name().unwrap().to_string_lossy().starts_with("core") {
            cores.push(path.to_owned());
        }
    });
    assert_eq!(cores, Vec::<std::path::PathBuf>::new());
}
