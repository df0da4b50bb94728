//! `kill -9` at any moment: every snapshot can be read, a run goes on from it to its end, and no step that was run is
//! left out of the count.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use cloister_model::{SplitMix64, peft};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::process::{Place, Ran};
use crate::resume::{config, header, sealed, start, values};
use crate::tiny::{base, chats, leftovers, public, refused};

const STEPS: u64 = 64;

/// A run of a second or two, with its figures in `metrics`.
fn begin(place: &Place, resume: bool) -> Child {
    let mut command = place.command();
    command.args([
        "train",
        "in.jsonl",
        "--sigma",
        "2",
        "--batch",
        "20",
        "--out",
        "out",
        "--metrics",
        "metrics",
        "--json",
    ]);
    command.args(["--steps", &STEPS.to_string(), "--threads", "1", "--base"]).arg(base("tiny_llama"));
    command.args(resume.then_some("--resume"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Steps that were run, as a witness outside of the snapshot saw them: a line is written after each. A line that was
/// cut off is left out.
fn executed(place: &Place) -> Vec<u64> {
    let text = std::fs::read_to_string(place.path("metrics/metrics.jsonl")).unwrap_or_default();
    let whole = |line: &&str| line.ends_with('}') && line.contains("epsilon");
    let step = |line: &str| serde_json::from_str::<Value>(line).unwrap()["step"].as_u64().unwrap();
    text.lines().filter(whole).map(step).collect()
}

/// The snapshot's account of steps: in its parameters, at the time it was taken, leased.
fn account(place: &Place) -> Option<[u64; 3]> {
    let bytes = std::fs::read(place.path("out.snapshot/state")).ok()?;
    let (content, digest) = bytes.split_at(bytes.len() - 32);
    assert_eq!(Sha256::digest(content)[..], *digest, "the snapshot can be read");
    let header = header(&bytes);
    let at = 4 * header["parameters"].as_u64().unwrap() as usize;
    let applied = u64::from_le_bytes(values(&bytes)[at..at + 8].try_into().unwrap());
    let number = |name: &str| header[name].as_u64().unwrap();
    Some([applied, number("step"), number("leased")])
}

/// `CLOISTER_KILLS` runs (20), each killed once or more and gone on with; `CLOISTER_KILL_SEED` repeats the moments.
#[cfg(unix)]
#[test]
fn runs_that_are_killed_at_random_moments_come_to_their_end_and_count_every_step() {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = setting("CLOISTER_KILL_SEED").unwrap_or_else(|| getrandom::u64().unwrap());
    eprintln!("CLOISTER_KILL_SEED={seed}");
    let mut random = SplitMix64(seed);
    let whole = Place::new();
    whole.file("in.jsonl", chats(60));
    let started = Instant::now();
    Ran::of(begin(&whole, false).wait_with_output().unwrap()).exits(0);
    let longest = started.elapsed();
    assert_eq!(executed(&whole), (1..=STEPS).collect::<Vec<_>>());

    let (mut kills, mut lost_in_all, mut mid_run) = (0, 0, 0);
    for round in 0..setting("CLOISTER_KILLS").unwrap_or(20) {
        let place = Place::new();
        place.file("in.jsonl", chats(60));
        // one kill in most rounds, at times up to four
        let planned = 1 + (random.uniform() * random.uniform() * 4.0) as usize;
        let (mut killed, mut charged) = (0, 0);
        let document = loop {
            let before = account(&place);
            let mut child = begin(&place, before.is_some());
            if killed < planned {
                std::thread::sleep(longest.mul_f32(random.uniform()));
                child.kill().unwrap();
            }
            let ran = child.wait_with_output().unwrap();
            let (steps, after) = (executed(&place), account(&place));
            assert!(steps.is_sorted_by(|a, b| a < b), "round {round}: no step is run twice: {steps:?}");
            if ran.status.success() {
                break Some(Ran::of(ran).document());
            }
            if after.is_none() && place.path("out").exists() {
                break None; // killed after its last act, before it could tell
            }
            assert!(killed < planned, "round {round}: {}", String::from_utf8_lossy(&ran.stderr));
            killed += 1;
            kills += 1;
            let [applied, step, leased] = after.unwrap_or_default();
            mid_run += u64::from(leased > 0);
            assert!(applied <= step && step <= leased && leased <= STEPS);
            assert!(steps.last().is_none_or(|&last| last <= leased), "round {round}: {steps:?}, leased {leased}");
            assert!(charged <= leased, "round {round}: nothing is taken back");
            charged = leased;
        };
        assert!(peft::read(&place.path("out"), &config()).is_ok() && leftovers(&place).is_empty());
        let Some(document) = document else { continue };
        let (steps, lost) = (executed(&place).len() as u64, document["steps_lost"].as_u64().unwrap());
        assert!(steps <= STEPS && STEPS - lost <= steps, "round {round}: {steps} run, {lost} lost");
        assert_eq!(document["steps"], STEPS);
        assert!(!place.path("out.snapshot").exists());
        lost_in_all += lost;
    }
    eprintln!("{kills} kills, {mid_run} of them with a lease; {lost_in_all} steps lost; a whole run took {longest:?}");
    assert!(mid_run > 0);
}

/// Rewrites the account of a snapshot: what a kill leaves, made by hand.
fn doctor(place: &Place, leased: u64, applied: Option<u64>) {
    let path = place.path("out.snapshot/state");
    let bytes = std::fs::read(&path).unwrap();
    let (mut line, mut content) = (header(&bytes), values(&bytes).to_vec());
    line["leased"] = json!(leased);
    if let Some(applied) = applied {
        let at = 4 * line["parameters"].as_u64().unwrap() as usize;
        content[at..at + 8].copy_from_slice(&applied.to_le_bytes());
    }
    std::fs::write(path, sealed(&line, &content)).unwrap();
}

#[cfg(unix)]
#[test]
fn leased_steps_are_charged_and_told_of() {
    let place = Place::new();
    place.file("in.jsonl", chats(60));
    place.file("public.jsonl", public(5));
    let child = start(&place, &["--metrics", "metrics"]);
    while executed(&place).len() < 5 {
        std::thread::sleep(Duration::from_millis(2));
    }
    signal(&child, "-INT");
    let ran = Ran::of(child.wait_with_output().unwrap());
    refused(&place, ran, 130, "a snapshot is kept", "add --resume");
    let kept = std::fs::read(place.path("out.snapshot/state")).unwrap();
    let step = header(&kept)["step"].as_u64().unwrap();
    let resume = || Ran::of(start(&place, &["--resume"]).wait_with_output().unwrap());

    doctor(&place, step + 3, None);
    let ran = resume().exits(0);
    let document = ran.document();
    assert_eq!((&document["steps"], &document["steps_lost"]), (&json!(150), &json!(3)));
    let told = format!("resumed with {} of 150 steps spent\nwarning: 3 of 150 steps were charged and lost", step + 3);
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    assert!(ran.stderr.contains("\ntrained 147 steps in "), "{}", ran.stderr);
    assert_eq!(document["epsilon"], document["plan"]["epsilon"]);

    // every step is spent: what the snapshot holds is the result
    let again = |leased, applied| {
        let _ = std::fs::remove_dir_all(place.path("out"));
        place.file("out.snapshot/state", &kept);
        doctor(&place, leased, applied);
        resume()
    };
    let document = again(150, None).exits(0).document();
    assert_eq!(document["steps_lost"], 150 - step);
    assert_eq!(document["tokens_per_second"], 0.0);
    assert_eq!(document["evaluation"].as_array().unwrap().last().unwrap()["step"], 150);

    // killed after the adapter was moved to its place, before the snapshot was removed: what is there is taken if it is
    // this run's, and never overwritten
    let result = std::fs::read(place.path("out/adapter_model.safetensors")).unwrap();
    let put = || {
        place.file("out.snapshot/state", &kept);
        doctor(&place, 150, None);
    };
    put();
    let document = resume().exits(0).document();
    assert_eq!(std::fs::read(place.path("out/adapter_model.safetensors")).unwrap(), result);
    assert_eq!(document["steps_lost"], 150 - step);
    put();
    std::fs::remove_file(place.path("out/adapter_model.safetensors")).unwrap();
    refused(&place, resume(), 1, "trained but cannot be written; a snapshot is kept", "add --resume");
    place.file("out.snapshot/state", &kept);
    refused(&place, resume(), 2, "cannot write `out`", "choose another --out");
    assert!(place.path("out/adapter_config.json").exists() && place.path("out.snapshot/state").exists());

    // and if it holds none of them, there is none
    let lost = again(150, Some(0));
    refused(&place, lost, 1, "all 150 steps were charged and lost", "remove the folder of the snapshot");
    assert!(place.path("out.snapshot/state").exists() && !place.path("out").exists());
}

#[cfg(unix)]
#[test]
fn two_processes_do_not_go_on_from_one_snapshot() {
    let place = Place::new();
    place.file("in.jsonl", chats(60));
    let mut first = begin(&place, false);
    while !place.path("out.snapshot/state").exists() {
        assert!(first.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(2));
    }
    let second = |resume| Ran::of(begin(&place, resume).wait_with_output().unwrap()).exits(2).stderr;
    // stopped, so that it is still there when the others look
    signal(&first, "-STOP");
    let (fresh, resumed) = (second(false), second(true));
    signal(&first, "-CONT");
    assert!(fresh.contains("a snapshot of an unfinished run is in `out.snapshot`"), "{fresh}");
    assert!(resumed.contains("error: another process is training into `out.snapshot`\nhint: wait"), "{resumed}");
    Ran::of(first.wait_with_output().unwrap()).exits(0);
    assert!(Path::new(&place.path("out/adapter_config.json")).exists());
}

#[cfg(unix)]
fn signal(child: &Child, signal: &str) {
    assert!(std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}
