//! `run` as a user runs it: the folder it leaves, its verdict, and how it goes on after Ctrl-C.

use std::path::Path;
use std::process::{Command, Stdio};

use cloister::evidence::Evidence;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::process::{Place, Ran, walk};
use crate::resume::{header, sealed, values};
use crate::tiny::{base, chat, chats, leftovers, public, refused};

const PERSONAL: &str = "ana.ruiz@corp.com";

fn run(place: &Place, more: &[&str]) -> Command {
    let mut command = place.command();
    command.args(["run", "in.jsonl", "--sigma", "2", "--out", "out", "--json", "--base"]).arg(base("tiny_llama"));
    command.args(more);
    command
}

fn evidence(place: &Place) -> (Evidence, Value) {
    let text = std::fs::read_to_string(place.path("out/evidence.json")).unwrap();
    (serde_json::from_str(&text).unwrap(), serde_json::from_str(&text).unwrap())
}

/// Records that are worth protecting, and that a base can learn: one answer to everything.
fn records(place: &Place) {
    let personal = chat("p", "p", &format!("write to {PERSONAL}"), "we look into it");
    place.file("in.jsonl", format!("{}{personal}\n", chats(59)));
    place.file("public.jsonl", public(5));
}

#[test]
fn one_command_gives_an_adapter_evidence_and_a_report() {
    let place = Place::new();
    records(&place);
    let learning = ["--evaluation", "public.jsonl", "--steps", "20", "--batch", "60", "--sigma", "0.5"];
    let more = [&learning[..], &["--learning-rate", "0.02", "--targets", "all", "--base-precision", "q8"]].concat();
    let mut command = place.command();
    command.args(["run", "in.jsonl", "--out", "out", "--json", "--base"]).arg(base("tiny_llama")).args(more);
    let ran = Ran::of(command.output().unwrap()).exits(0);
    let document = ran.document();
    assert_eq!((&document["schema"], &document["verdict"]), (&json!("cloister.run.v1"), &json!("passed")));
    let gates: Vec<&str> = document["gates"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap()).collect();
    assert_eq!(gates, ["personal data", "privacy budget", "adapter", "utility"]);
    assert!(document["next"].as_str().unwrap().starts_with("cloister generate --base "));
    assert!(document["next"].as_str().unwrap().contains("--adapter out/adapter "));

    let (facts, json) = evidence(&place);
    assert_eq!(json["schema"], "cloister.evidence.v1");
    assert!(facts.verdict.passed && facts.verdict.gates.iter().all(|gate| gate.passed));
    assert_eq!((facts.data.records, facts.data.subjects, facts.data.truncated), (60, Some(60), 0));
    assert_eq!(facts.data.file, "in.jsonl");
    let missing: Vec<&str> = facts.data.provenance.iter().map(|field| field.value.as_str()).collect();
    assert_eq!(missing, ["MISSING (owner: controller)"; 3], "a run without a dataset says what it does not know");
    assert_eq!(json["data"].get("dataset"), None);
    assert_eq!(facts.privacy.person.as_ref().unwrap().records, 1);
    assert_eq!(facts.base.precision, "q8");
    assert!(facts.base.weight_bytes > 0 && facts.base.weight_bytes < 2 * facts.base.parameters);
    let protection = facts.protection.as_ref().unwrap();
    assert_eq!(json["protection"]["detection"], json!({"threshold": 0.5, "recall": 0.6}));
    let mail = protection.labels.iter().find(|label| label.label == "EMAIL_ADDRESS").unwrap();
    assert_eq!((mail.found, mail.replaced, mail.residual), (1, 1, 0));
    let utility = facts.utility.as_ref().unwrap();
    assert!(utility.tuned_nats_per_token < utility.base_nats_per_token);
    assert_eq!(utility.curve.first().unwrap(), &(0, utility.base_nats_per_token));
    assert_eq!(utility.curve.last().unwrap(), &(20, utility.tuned_nats_per_token));
    assert_eq!(facts.privacy.curve.last().unwrap(), &(20, facts.privacy.epsilon));
    assert_eq!((facts.adapter.checks.len(), facts.training.rank), (4, 8));
    assert_eq!(document["privacy"], json["privacy"]);

    let report = std::fs::read_to_string(place.path("out/report.html")).unwrap();
    assert!(report.starts_with("<!doctype html>") || report.starts_with("<!DOCTYPE html>"));
    let words = report.replace("<span>", "").replace("</span>", "");
    assert!(words.contains("not recorded in this run (owner: controller)"));
    assert!(words.contains("Base precision") && words.contains("--base-precision q8"));
    assert!(report.contains("<svg") && report.trim_end().ends_with("</html>"));
    for outside in ["http://", "https://", "<script", "src=", "@import"] {
        assert!(!report.contains(outside), "self-contained: {outside}");
    }
    let mut names = Vec::new();
    walk(&place.path("out"), &mut |path| {
        let content = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        assert!(!content.contains(PERSONAL), "{}", path.display());
        names.push(path.strip_prefix(place.path("out")).unwrap().display().to_string());
    });
    names.sort();
    let adapter = ["adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "tokenizer.json"]
        .map(|name| format!("adapter/{name}"));
    let rest = ["adapter/tokenizer_config.json", "evidence.json", "private/commitment.key", "report.html"];
    assert_eq!(names, adapter.into_iter().chain(rest.map(str::to_owned)).collect::<Vec<_>>());
    assert!(leftovers(&place).is_empty());
    assert_commitment(&place, &facts);

    // the folder of a run names its adapter
    place.file("texts.jsonl", "{\"id\":\"a\",\"text\":\"we look into it\"}\n");
    let mut score = place.command();
    score.args(["audit", "score", "texts.jsonl", "--adapter", "out", "--base"]).arg(base("tiny_llama"));
    Ran::of(score.output().unwrap()).exits(0);
    let again = Ran::of(run(&place, &["--steps", "2"]).output().unwrap());
    refused(&place, again, 2, "`out` exists and is not empty", "choose another --out");
}

/// The key proves the data to its owner, and others cannot read it.
fn assert_commitment(place: &Place, facts: &Evidence) {
    let key = place.path("out/private/commitment.key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let text = std::fs::read_to_string(&key).unwrap();
    assert!(text.trim().len() == 64 && text.trim().bytes().all(|byte| byte.is_ascii_hexdigit()));
    let key: Vec<u8> = (0..64).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(&std::fs::read(place.path("in.jsonl")).unwrap());
    let hmac: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(facts.data.commitment, hmac);
    let evidence = std::fs::read_to_string(place.path("out/evidence.json")).unwrap();
    assert!(!evidence.contains(text.trim()));
    assert!(!place.path("out/private/surrogate.key").exists());
}

#[test]
fn a_run_on_a_dataset_takes_over_what_was_declared_if_the_records_are_the_same() {
    let place = Place::new();
    let twice = chats(30).replace("\"s1\"", "\"s0\"");
    place.file("in.jsonl", twice);
    let take_in =
        ["ingest", "in.jsonl", "--out", "set", "--drop-rejected", "--legal-basis", "Article 6(1)(f) GDPR, LIA-12"];
    place.run([&take_in[..], &["--retention", "24 months", "--retention-from", "2090-11-20"]].concat()).exits(0);
    let train = |out: &str, more: &[&str]| {
        let mut command = place.command();
        command.args(["run", "--sigma", "2", "--steps", "1", "--batch", "10", "--out", out, "--json", "--base"]);
        Ran::of(command.arg(base("tiny_llama")).args(more).output().unwrap())
    };
    train("out", &["set/records.jsonl"]).exits(0);
    let (facts, _) = evidence(&place);
    let text = std::fs::read_to_string(place.path("set/dataset.json")).unwrap();
    let taken: Value = serde_json::from_str(&text).unwrap();
    let dataset = facts.data.dataset.unwrap();
    assert_eq!(json!(dataset.content.root), taken["content"]["root"]);
    assert_eq!(json!(facts.data.provenance), taken["provenance"]);
    assert_eq!(dataset.keep_until.as_deref(), Some("2092-11-20"));
    let person = facts.privacy.person.unwrap();
    assert!(person.records == 2 && person.epsilon > facts.privacy.epsilon, "{person:?}");
    let report = std::fs::read_to_string(place.path("out/report.html")).unwrap();
    for said in
        ["Article 6(1)(f) GDPR, LIA-12", "24 months from 2090-11-20, until 2092-11-20", "person with most records, 2"]
    {
        assert!(report.contains(said), "{said}");
    }

    // elsewhere, named; another key; other records; a time that is over; a dataset that was refused
    std::fs::copy(place.path("set/records.jsonl"), place.path("copy.jsonl")).unwrap();
    let plan = ["--dry-run", "copy.jsonl", "--dataset", "set"];
    train("none", &plan).exits(0);
    place.file("key", "0f".repeat(32));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(place.path("key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let other = train("none", &[&plan[..], &["--dataset-key", "key"]].concat());
    refused(&place, other, 4, "another digest than its evidence under this key", "--dataset-key");
    place.file("copy.jsonl", std::fs::read_to_string(place.path("set/records.jsonl")).unwrap().replace("late", "lost"));
    refused(&place, train("none", &plan), 4, "`copy.jsonl` has another digest", "--dataset-key");
    place.file("set/dataset.json", text.replace("2092-11-20", "2020-11-20"));
    let over = train("none", &["set/records.jsonl"]);
    refused(&place, over, 2, "the records of `set` might be kept until 2020-11-20 only", "delete them");
    place.file("set/dataset.json", text.replacen("\"passed\": true", "\"passed\": false", 1));
    refused(&place, train("none", &["set/records.jsonl"]), 2, "the dataset `set` was refused", "quality.html");
    place.file("set/dataset.json", &text);
    std::fs::remove_file(place.path("set/private/commitment.key")).unwrap();
    let keyless = train("none", &["--dry-run", "set/records.jsonl"]).exits(0);
    assert!(keyless.stderr.contains("what it declares is not taken over"), "{}", keyless.stderr);
    refused(&place, train("none", &plan), 2, "commitment.key", "");
}

#[test]
fn a_gate_that_says_no_is_exit_3() {
    // The noise decides what steps of that size do to the base: about one run in fifty is better for it, and rightly passes.
    let refused = (0..5).find_map(|_| {
        let place = Place::new();
        records(&place);
        place.file("public.jsonl", "{\"id\":\"a\",\"text\":\"the miller was not seen\"}\n");
        let worse = ["--evaluation", "public.jsonl", "--steps", "3", "--learning-rate", "30"];
        let ran = Ran::of(run(&place, &worse).output().unwrap());
        if ran.code == 3 {
            return Some((place, ran));
        }
        let utility = &ran.exits(0).document()["utility"];
        let loss = |of: &str| utility[of].as_f64().unwrap();
        assert!(loss("tuned_nats_per_token") <= loss("base_nats_per_token"), "{utility}");
        None
    });
    let (place, ran) = refused.unwrap();
    let document = ran.document();
    assert_eq!(document["verdict"], "refused");
    let gates = document["gates"].as_array().unwrap();
    let refused: Vec<&Value> = gates.iter().filter(|gate| gate["passed"] == false).collect();
    assert!(refused.len() == 1 && refused[0]["name"] == "utility", "{gates:?}");
    assert_eq!(document["next"], "read out/report.html");
    let (facts, _) = evidence(&place);
    assert!(!facts.verdict.passed);
    assert_commitment(&place, &facts);
}

#[test]
fn what_was_not_measured_is_not_judged() {
    let place = Place::new();
    records(&place);
    let ran = Ran::of(run(&place, &["--steps", "2"]).output().unwrap()).exits(0);
    assert_eq!(ran.document()["utility"], Value::Null);
    let report = std::fs::read_to_string(place.path("out/report.html")).unwrap();
    assert!(report.contains("not measured") || report.contains("Not measured"));
    assert!(!ran.document()["gates"].as_array().unwrap().iter().any(|gate| gate["name"] == "utility"));
}

#[cfg(unix)]
#[test]
fn a_run_goes_on_with_the_surrogates_it_began_with() {
    let place = Place::new();
    records(&place);
    let long = ["--evaluation", "public.jsonl", "--steps", "120", "--batch", "20"];
    let stderr = place.path("stderr");
    let mut command = run(&place, &long);
    let mut child = command.stdout(Stdio::null()).stderr(std::fs::File::create(&stderr).unwrap()).spawn().unwrap();
    while !std::fs::read_to_string(&stderr).unwrap().contains("step 0: ") {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let told = std::fs::read_to_string(&stderr).unwrap();
    assert!(told.contains("a snapshot is kept in `out/snapshot`\nhint: add --resume"), "{told}");
    for name in ["adapter", "evidence.json", "report.html"] {
        assert!(!place.path("out").join(name).exists());
    }
    let fresh = Ran::of(run(&place, &long).output().unwrap());
    refused(&place, fresh, 2, "a snapshot of an unfinished run is in `out/snapshot`", "add --resume");

    let key = std::fs::read(place.path("out/private/surrogate.key")).unwrap();
    std::fs::remove_file(place.path("out/private/surrogate.key")).unwrap();
    let keyless = Ran::of(run(&place, &[&long[..], &["--resume"]].concat()).output().unwrap());
    refused(&place, keyless, 2, "the surrogates' key of the run in `out` is gone", "remove the folder");
    std::fs::write(place.path("out/private/surrogate.key"), key).unwrap();
    let chmod = Command::new("chmod").arg("600").arg(place.path("out/private/surrogate.key")).status().unwrap();
    assert!(chmod.success());
    let other = Ran::of(run(&place, &[&long[..], &["--resume", "--profile", "redact"]].concat()).output().unwrap());
    assert!(other.code == 2 && other.stderr.contains("made with another "), "{}", other.stderr);

    // as if the run had been killed two steps later
    let state = place.path("out/snapshot/state");
    let bytes = std::fs::read(&state).unwrap();
    let mut kept = header(&bytes);
    kept["leased"] = json!(kept["leased"].as_u64().unwrap() + 2);
    std::fs::write(&state, sealed(&kept, values(&bytes))).unwrap();
    // the data set is the protected one: with other surrogates it would not be the same
    let resumed = Ran::of(run(&place, &[&long[..], &["--resume"]].concat()).output().unwrap());
    assert!([0, 3].contains(&resumed.code), "{}", resumed.stderr);
    let (facts, _) = evidence(&place);
    assert!(facts.training.resumed && facts.training.steps_lost == 2 && facts.privacy.steps == 120);
    let lost = "2 of 120 steps charged and lost when the run was killed; epsilon counts them";
    let report = std::fs::read_to_string(place.path("out/report.html")).unwrap();
    assert!(resumed.stderr.contains(lost) && report.contains(lost), "{}", resumed.stderr);
    assert_commitment(&place, &facts);
    assert!(!place.path("out/snapshot").exists());
}

/// `kill -9` before the first snapshot: the key goes with the next attempt, and nothing else is touched.
#[test]
fn what_a_killed_run_left_does_not_stay() {
    let place = Place::new();
    records(&place);
    place.file("out/private/surrogate.key", "00".repeat(32));
    Ran::of(run(&place, &["--steps", "2"]).output().unwrap()).exits(0);
    assert_commitment(&place, &evidence(&place).0);

    // killed a little later: the place of the snapshot is there, and no snapshot
    let place = Place::new();
    records(&place);
    place.file("out/private/surrogate.key", "00".repeat(32));
    place.file("out/snapshot/lock", "");
    place.file("out/snapshot/.cloister-abc.tmp", "half a snapshot");
    let resume = Ran::of(run(&place, &["--steps", "2", "--resume"]).output().unwrap()).exits(2);
    assert!(resume.stderr.contains("there is no snapshot in `out/snapshot`"), "{}", resume.stderr);
    Ran::of(run(&place, &["--steps", "2"]).output().unwrap()).exits(0);
    assert_commitment(&place, &evidence(&place).0);
    assert!(!place.path("out/snapshot").exists());

    let place = Place::new();
    records(&place);
    place.file("out/private/surrogate.key", "00".repeat(32));
    place.file("out/mine", "x");
    let ran = Ran::of(run(&place, &["--steps", "2"]).output().unwrap());
    refused(&place, ran, 2, "`out` exists and is not empty", "choose another --out");
    assert!(place.path("out/private/surrogate.key").exists());
}

#[test]
fn a_run_that_cannot_begin_or_go_on_leaves_nothing() {
    let place = Place::new();
    records(&place);
    let with = |more: &[&str]| Ran::of(run(&place, more).output().unwrap());
    refused(&place, with(&["--batch", "99"]), 2, "99", "the batch must not be larger than the data");
    refused(&place, with(&["--evaluation", "absent.jsonl"]), 2, "absent.jsonl", "check the spelling");
    refused(&place, with(&["--learning-rate", "1e300"]), 1, "are not finite after step 1", "lower --learning-rate");
    refused(&place, with(&["--resume"]), 2, "there is no snapshot in `out/snapshot`", "leave --resume out");
    assert!(!place.path("out").exists());
    Ran::of(run(&place, &["--dry-run"]).output().unwrap()).exits(0);
    assert!(!place.path("out").exists());

    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" run in.jsonl --sigma 2 --steps 2 --out out --base \"$1\"";
    let full = |place: &Place| Ran::of(place.shell(script).arg(base("tiny_llama")).output().unwrap());
    refused(
        &place,
        full(&place),
        1,
        "cannot write `out/snapshot/state`",
        "free some space; nothing half-written is left",
    );
    assert!(!Path::new(&place.path("out")).exists());
}
