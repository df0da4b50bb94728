//! Ctrl-C keeps a snapshot, `--resume` goes on from it, and only from the same run.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use cloister_model::{DecoderConfig, Lora, peft};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::process::{Place, Ran};
use crate::tiny::{base, chats, leftovers, public, refused};

/// Starts a run long enough to be interrupted; `steps` of the same plan.
pub(crate) fn start(place: &Place, more: &[&str]) -> Child {
    let mut command = place.command();
    command.args(["train", "in.jsonl", "--base"]).arg(base("tiny_llama"));
    command.args(LONG).args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

const LONG: [&str; 11] =
    ["--out", "out", "--sigma", "2", "--steps", "150", "--batch", "20", "--evaluation", "public.jsonl", "--json"];

/// Sends a signal once the first step has been told of.
#[cfg(unix)]
pub(crate) fn interrupt(mut child: Child, signal: &str) -> Ran {
    use std::io::{BufRead as _, BufReader, Read as _};
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    while !told.contains("step 0: ") {
        assert_ne!(stderr.read_line(&mut told).unwrap(), 0, "{told}");
    }
    std::thread::sleep(Duration::from_millis(50));
    let pressed = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(pressed.success());
    stderr.read_to_string(&mut told).unwrap();
    let mut ran = Ran::of(child.wait_with_output().unwrap());
    ran.stderr = told;
    ran
}

#[cfg(unix)]
#[test]
fn what_is_no_snapshot_stays_as_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place.file("in.jsonl", chats(12));
    place.file("theirs/adapter/model.bin", "precious");
    let theirs = place.path("theirs");
    std::fs::set_permissions(&theirs, std::fs::Permissions::from_mode(0o755)).unwrap();
    let train = || {
        let mut command = place.command();
        command
            .args(["train", "in.jsonl", "--epsilon", "8", "--steps", "1", "--out", "out", "--base"])
            .arg(base("tiny_llama"));
        Ran::of(command.output().unwrap())
    };
    let untouched = || {
        assert_eq!(std::fs::read(theirs.join("adapter/model.bin")).unwrap(), b"precious");
        assert_eq!(std::fs::metadata(&theirs).unwrap().permissions().mode() & 0o777, 0o755);
    };
    std::os::unix::fs::symlink(&theirs, place.path("out.snapshot")).unwrap();
    refused(&place, train(), 2, "`out.snapshot` is in the way of the snapshot: a link", "move it away");
    untouched();
    std::fs::remove_file(place.path("out.snapshot")).unwrap();
    std::fs::rename(&theirs, place.path("out.snapshot")).unwrap();
    refused(&place, train(), 2, "a folder with other things in it", "move it away");
    std::fs::rename(place.path("out.snapshot"), &theirs).unwrap();
    untouched();
    train().exits(0);
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_a_snapshot_and_resume_goes_on_from_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place.file("in.jsonl", chats(60));
    place.file("public.jsonl", public(5));
    let ran = interrupt(start(&place, &[]), "-INT");
    assert_eq!(ran.document()["verdict"], "interrupted");
    refused(&place, ran, 130, " of 150 steps; a snapshot is kept in `out.snapshot`", "add --resume");
    assert!(!place.path("out").exists());

    let state = place.path("out.snapshot/state");
    assert_eq!(std::fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o600);
    let whole = std::fs::read(&state).unwrap();
    let (kept, values) = (header(&whole), values(&whole).to_vec());
    // nothing that could be the key of a sampler or of the noise
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&kept), ["version", "identity", "step", "leased", "losses", "parameters"]);
    assert_eq!(keys(&kept["identity"]), ["settings", "base", "key", "data", "evaluation"]);
    let parameters = Lora::zeros(&config(), lora_spec()).parameters.len();
    assert_eq!(kept["parameters"], parameters);
    // the parameters, then step, lengths and two moments of the optimiser, and nothing else
    assert_eq!(values.len(), 4 * parameters + 24 + 8 * parameters);
    // who was asked to stop loses nothing
    assert_eq!(kept["step"], kept["leased"]);
    assert_eq!(values[4 * parameters], kept["step"].as_u64().unwrap() as u8);

    let again = |more: &[&str]| Ran::of(start(&place, more).wait_with_output().unwrap());
    refused(&place, again(&[]), 2, "a snapshot of an unfinished run is in `out.snapshot`", "add --resume");
    place.file("other.jsonl", chats(61).replace("late", "lost"));
    place.file("public2.jsonl", public(4));
    let with = |base: &Path, args: &[&str]| {
        let mut command = place.command();
        command.arg("train").args(args).arg("--base").arg(base).args(["--out", "out", "--batch", "20", "--resume"]);
        Ran::of(command.output().unwrap())
    };
    let tiny = base("tiny_llama");
    let same = ["in.jsonl", "--sigma", "2", "--steps", "150", "--evaluation", "public.jsonl"];
    let but = |place: usize, value: &'static str| {
        let mut args = same;
        args[place] = value;
        args
    };
    let other = "repeat the command with what the run began with";
    place.file("same-size.jsonl", chats(60).replace("late", "lost"));
    refused(&place, with(&tiny, &but(0, "other.jsonl")), 2, "made with another data set", other);
    refused(&place, with(&tiny, &but(0, "same-size.jsonl")), 2, "made with another data set", other);
    refused(&place, with(&tiny, &but(2, "2.5")), 2, "made with another budget", other);
    refused(&place, with(&tiny, &but(4, "160")), 2, "made with another number of steps (150, now 160)", other);
    refused(&place, with(&tiny, &but(6, "public2.jsonl")), 2, "made with another evaluation file", other);
    let rate = [&same[..], &["--learning-rate", "0.001"]].concat();
    refused(&place, with(&tiny, &rate), 2, "made with another learning rate (0.024, now 0.001)", other);
    let rank = [&same[..], &["--rank", "4"]].concat();
    refused(&place, with(&tiny, &rank), 2, "made with another rank (8, now 4)", other);
    let precision = [&same[..], &["--base-precision", "q8"]].concat();
    refused(&place, with(&tiny, &precision), 2, "made with another base precision (\"f32\", now \"q8\")", other);
    refused(&place, with(&base("tiny_llama_untied"), &same), 2, "made with another base", other);

    // what is cut or changed, and what is whole but makes no sense: fewer parameters, steps beyond the plan, a lease
    // that ends before the steps that were run, an optimiser without its second moment, another version
    let with = |name: &str, value: Value| {
        let mut header = kept.clone();
        header[name] = value;
        header
    };
    let fewer = values[..values.len() - 4 * parameters].to_vec();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [
        whole[..whole.len() / 2].to_vec(),
        Vec::new(),
        flipped,
        sealed(&with("parameters", json!(parameters - 1)), &values),
        sealed(&with("parameters", json!(u64::MAX)), &values),
        sealed(&with("leased", json!(151)), &values),
        sealed(&with("step", json!(kept["leased"].as_u64().unwrap() + 1)), &values),
        sealed(&with("version", json!(1)), &values),
        sealed(&kept, &fewer),
    ] {
        std::fs::write(&state, damaged).unwrap();
        refused(&place, again(&["--resume"]), 4, "the snapshot in `out.snapshot` is damaged: ", "remove the folder");
    }
    std::fs::write(&state, &whole).unwrap();
    assert!(!place.path("out").exists());

    let document = again(&["--resume"]).exits(0).document();
    assert_eq!(document["resumed"], true);
    assert!(!place.path("out.snapshot").exists() && leftovers(&place).is_empty());
    let curve = document["evaluation"].as_array().unwrap();
    assert_eq!((&curve[0]["step"], &curve.last().unwrap()["step"]), (&json!(0), &json!(150)));
    assert!(peft::read(&place.path("out"), &config()).is_ok());
    refused(&place, again(&["--resume"]), 2, "exists and is not empty", "choose another --out");
}

/// The line of JSON with which a snapshot begins.
pub(crate) fn header(state: &[u8]) -> Value {
    serde_json::from_slice(state.split(|&byte| byte == b'\n').next().unwrap()).unwrap()
}

/// What follows the line, but for the digest.
pub(crate) fn values(state: &[u8]) -> &[u8] {
    let line = state.iter().position(|&byte| byte == b'\n').unwrap();
    &state[line + 1..state.len() - 32]
}

/// A snapshot whose digest is right.
pub(crate) fn sealed(header: &Value, values: &[u8]) -> Vec<u8> {
    let content = [header.to_string().as_bytes(), b"\n", values].concat();
    let digest = Sha256::digest(&content);
    [&content[..], &digest[..]].concat()
}

/// The losses on public records take long here, and the only step is short: Ctrl-C comes in the middle of the first
/// measurement, then in the last.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_while_the_public_loss_is_measured_keeps_a_snapshot_too() {
    let place = Place::new();
    place.file("in.jsonl", chats(20));
    place.file("public.jsonl", public(3000));
    let begin = |resume: &[&str]| {
        let mut command = place.command();
        command.args(["train", "in.jsonl", "--sigma", "2", "--steps", "1", "--out", "out", "--json"]);
        command.args(["--evaluation", "public.jsonl"]).args(resume).arg("--base").arg(base("tiny_llama"));
        command.stdout(Stdio::piped()).stderr(std::fs::File::create(place.path("stderr")).unwrap());
        command.spawn().unwrap()
    };
    let told = || std::fs::read_to_string(place.path("stderr")).unwrap();
    let press = |mut child: Child, ready: &dyn Fn(u32) -> bool| {
        while !ready(child.id()) {
            assert!(child.try_wait().unwrap().is_none(), "{}", told());
            std::thread::sleep(Duration::from_millis(5));
        }
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap());
        refused(&place, Ran { stderr: told(), ..ran }, 130, "; a snapshot is kept in `out.snapshot`", "add --resume");
        assert!(!place.path("out").exists());
    };
    press(begin(&[]), &|id| catches_interrupts(id));
    assert!(told().contains("after 0 of 1 steps"), "{}", told());
    press(begin(&["--resume"]), &|_| {
        let begun = told().contains("step 0: ");
        // let the step pass
        std::thread::sleep(Duration::from_millis(if begun { 150 } else { 0 }));
        begun
    });
    let document = Ran::of(begin(&["--resume"]).wait_with_output().unwrap()).exits(0).document();
    let curve = document["evaluation"].as_array().unwrap();
    let steps: Vec<&Value> = curve.iter().map(|loss| &loss["step"]).collect();
    assert_eq!(steps, [&json!(0), &json!(1)]);
    assert!(curve[0]["nats_per_token"] != curve[1]["nats_per_token"]);
    assert!(!place.path("out.snapshot").exists());
}

/// Whether a process has a handler for SIGINT (proc(5), `SigCgt`).
#[cfg(target_os = "linux")]
fn catches_interrupts(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
    u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << 1) != 0
}

fn lora_spec() -> cloister_model::LoraSpec {
    cloister_model::LoraSpec::new(8, 16, vec![cloister_model::Target::Query, cloister_model::Target::Value]).unwrap()
}

/// A pass over shuffled data goes on with the units that were left; a snapshot with others is damaged.
#[cfg(unix)]
#[test]
fn a_shuffled_run_goes_on_within_its_pass() {
    let place = Place::new();
    place.file("in.jsonl", chats(70));
    place.file("public.jsonl", public(5));
    let shuffled = ["--sampling", "shuffle"];
    let ran = interrupt(start(&place, &shuffled), "-INT");
    assert_eq!(ran.document()["verdict"], "interrupted");
    let state = place.path("out.snapshot/state");
    let whole = std::fs::read(&state).unwrap();
    let kept = header(&whole);
    // 70 units in batches of 20: 20, 20, 20 and 10
    let left = [0, 50, 30, 10][kept["step"].as_u64().unwrap() as usize % 4];
    assert_eq!(kept["left_in_pass"].as_array().map_or(0, Vec::len), left);

    let again = |more: &[&str]| Ran::of(start(&place, &[&shuffled[..], more].concat()).wait_with_output().unwrap());
    if left > 0 {
        let mut other = kept.clone();
        other["left_in_pass"] = json!((0..51).collect::<Vec<_>>());
        std::fs::write(&state, sealed(&other, values(&whole))).unwrap();
        let told = format!("the order of the pass does not fit: {left} different");
        refused(&place, again(&["--resume"]), 4, &told, "remove the folder");
        std::fs::write(&state, whole).unwrap();
    }
    let document = again(&["--resume"]).exits(0).document();
    assert_eq!((&document["resumed"], &document["plan"]["sampler"]), (&json!(true), &json!("shuffled")));
}

pub(crate) fn config() -> DecoderConfig {
    cloister_model::Base::open(&base("tiny_llama"), cloister_model::Precision::F32).unwrap().0.config
}

#[cfg(unix)]
#[test]
fn the_signal_that_ends_a_job_keeps_a_snapshot_too() {
    let place = Place::new();
    place.file("in.jsonl", chats(60));
    place.file("public.jsonl", public(5));
    refused(
        &place,
        interrupt(start(&place, &[]), "-TERM"),
        130,
        "a snapshot is kept in `out.snapshot`",
        "add --resume",
    );
    Ran::of(start(&place, &["--resume"]).wait_with_output().unwrap()).exits(0);
}
