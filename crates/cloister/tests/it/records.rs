//! The verbs on records and on privacy questions, as a user or another program runs them.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::process::{Place, Ran};

const SECRET: &str = "ana.ruiz@corp.com";

fn with_stdin(place: &Place, args: &[&str], input: &str) -> Ran {
    let mut command = place.command();
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn spans_count_code_points_and_name_no_field_in_plain_text() {
    let place = Place::new();
    place.file(
        "in.jsonl",
        format!("{{\"id\":\"a\",\"text\":\"😀 é: {SECRET}\"}}\n{{\"id\":\"b\",\"text\":\"nothing\"}}\n"),
    );
    let ran = place.run(["scan", "in.jsonl", "--spans", "-"]).exits(0);
    let lines = ran.lines();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1], json!({"id": "b", "spans": []}));
    let span = &lines[0]["spans"][0];
    assert_eq!((&span["start"], &span["end"]), (&json!(5), &json!(5 + SECRET.len())));
    assert_eq!(span["label"], "EMAIL_ADDRESS");
    assert!(span["score"].as_f64().unwrap() >= 0.5 && span.get("field").is_none());
    assert!(!ran.stderr.contains(SECRET));
}

#[test]
fn spans_of_a_chat_name_their_field() {
    let place = Place::new();
    let turns = json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": format!("to {SECRET}")}]);
    place.file("in.jsonl", json!({"id": "a", "messages": turns}).to_string());
    let lines = place.run(["scan", "in.jsonl", "--spans", "-"]).exits(0).lines();
    assert_eq!(lines[0]["spans"][0]["field"], "/messages/1/content");
    assert_eq!(lines[0]["spans"][0]["start"], 3);
}

#[test]
fn other_columns_of_plain_text_are_counted_not_mixed_in() {
    let place = Place::new();
    place.file("in.jsonl", json!({"id": "a", "text": "hello", "owner": SECRET}).to_string());
    let ran = place.run(["scan", "in.jsonl", "--json"]).exits(0);
    assert_eq!(ran.document()["in_other_columns"], json!({"/owner": 1}));
    assert_eq!(ran.document()["spans"], 0);
    assert!(ran.stderr.contains("1 more in the column /owner"), "{}", ran.stderr);
}

#[test]
fn names_of_members_are_counted_and_never_repeated() {
    let place = Place::new();
    let person = format!("Anna Schmidt <{SECRET}>\u{1b}[2J");
    place.file("in.jsonl", json!({"id": "a", "text": "hello", "contacts": {&person: SECRET}}).to_string());
    let scan = place.run(["scan", "in.jsonl", "--json"]).exits(0);
    assert_eq!(scan.document()["in_other_columns"], json!({"/contacts": 1}));
    assert_eq!(scan.document()["personal_names"], 1);
    place.file("odd.jsonl", json!({"id": "a", "text": "hello", &person: SECRET}).to_string());
    let odd = place.run(["scan", "odd.jsonl", "--json"]).exits(0);
    assert_eq!(odd.document()["in_other_columns"], json!({"/…": 1}));
    let protect = place.run(["protect", "in.jsonl", "--out", "out.jsonl"]).exits(3);
    assert!(protect.stderr.contains("1 member name of JSON objects with personal data in it"), "{}", protect.stderr);
    for ran in [&scan, &odd, &protect] {
        assert!(![&ran.stdout, &ran.stderr].iter().any(|shown| shown.contains("Schmidt") || shown.contains(SECRET)));
    }
}

#[test]
fn a_long_name_over_many_strings_costs_its_length_once() {
    let place = Place::new();
    let texts = vec!["a"; 40_000];
    place.file("in.jsonl", json!({"id": "a", "text": "t", "k".repeat(40_000): texts}).to_string());
    // spelled out for each string, the name would take 1.6 GB
    place.run(["scan", "in.jsonl"]).exits(0);
}

#[test]
fn order_is_kept_over_many_records() {
    let place = Place::new();
    let input: String = (0..1500)
        .map(|n| format!("{{\"id\":\"{n}\",\"text\":\"{}user{n}@corp.com\"}}\n", "word ".repeat((1500 - n) % 37)))
        .collect();
    place.file("in.jsonl", input);
    place.run(["scan", "in.jsonl", "--spans", "out.jsonl"]).exits(0);
    let out = std::fs::read_to_string(place.path("out.jsonl")).unwrap();
    let ids: Vec<String> =
        out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().into()).collect();
    assert_eq!(ids, (0..1500).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(out.lines().all(|line| line.contains("EMAIL_ADDRESS")));
}

#[test]
fn candidates_are_at_least_the_spans() {
    let place = Place::new();
    place.file("in.jsonl", format!("{{\"id\":\"a\",\"text\":\"{SECRET} and 4111111111111111 and 20250101\"}}"));
    let count = |args: &[&str]| place.run(args).exits(0).lines()[0]["spans"].as_array().unwrap().len();
    let spans = count(&["scan", "in.jsonl", "--spans", "-"]);
    assert!(spans >= 2 && count(&["scan", "in.jsonl", "--spans", "-", "--candidates"]) >= spans);
}

#[test]
fn what_is_searched_for_comes_from_flag_environment_and_file() {
    let place = Place::new();
    // A Spanish number with its check letter, a British postcode beside its town, a name.
    place.file("in.jsonl", "{\"id\":\"a\",\"text\":\"I am Ana Ruiz, NIF 12345678Z, from London SW1A 2AA\"}\n");
    let scan = |environment: &[(&str, &str)], more: &[&str]| {
        let mut command = place.command();
        command.args(["scan", "in.jsonl", "--json"]).args(more).envs(environment.iter().copied());
        let document = Ran::of(command.output().unwrap()).exits(0).document();
        let found: Vec<String> = document["by_label"].as_object().unwrap().keys().cloned().collect();
        (found, document["detection"].clone())
    };
    let (found, detection) = scan(&[], &[]);
    assert_eq!(found, ["ES_NIF", "LOCATION", "PERSON"]);
    assert_eq!(detection, json!({"threshold": 0.5, "recall": 0.6}));
    let has = |found: &[String], label: &str| found.iter().any(|name| name == label);
    let (found, detection) = scan(&[], &["--locales", "us,gb"]);
    assert!(!has(&found, "ES_NIF") && has(&found, "PERSON"), "{found:?}");
    assert_eq!(detection["locales"], json!(["us", "gb"]));
    let thresholds = ["--threshold", "0.4", "--threshold", "PERSON=1,ES_NIF=1"];
    let (found, detection) = scan(&[("CLOISTER_THRESHOLD", "LOCATION=1")], &thresholds);
    // A number with its check letter and its word is beyond doubt, and counts at any threshold.
    assert_eq!(found, ["ES_NIF", "LOCATION"], "a flag replaces the environment");
    assert_eq!(detection, json!({"threshold": 0.4, "thresholds": {"ES_NIF": 1.0, "PERSON": 1.0}, "recall": 0.6}));
    let (found, _) = scan(&[("CLOISTER_THRESHOLD", "LOCATION=1"), ("CLOISTER_LOCALES", "us")], &[]);
    assert_eq!(found, ["PERSON"]);
    place.file("cloister.toml", "threshold = [0.6, \"PERSON=1\"]\nlocales = [\"fr\"]\nrecall = 0.8\nkeep = [\"x\"]\n");
    let (found, detection) = scan(&[], &["--recall", "0.7"]);
    assert!(!has(&found, "PERSON") && !has(&found, "ES_NIF"), "{found:?}");
    assert_eq!((&detection["threshold"], &detection["recall"]), (&json!(0.6), &json!(0.7)));
    assert_eq!((&detection["locales"], &detection["keep"]), (&json!(["fr"]), &json!(["x"])));
    // The other verbs read the same.
    let out = ["protect", "in.jsonl", "--out", "out.jsonl", "--json", "--profile", "redact", "--threshold", "0.5"];
    let document = place.run(out).exits(0).document();
    assert_eq!(document["found"].get("ES_NIF"), None, "{document}");
    assert_eq!(document["detection"]["recall"], json!(0.8));
    place.run(["ingest", "in.jsonl", "--out", "taken", "--locales", "es"]).exits(0);
    let facts: Value = serde_json::from_slice(&std::fs::read(place.path("taken/dataset.json")).unwrap()).unwrap();
    assert_eq!(facts["quality"]["detection"]["locales"], json!(["es"]));
}

#[test]
fn a_gold_file_scores_and_lists_what_was_missed_by_id() {
    let place = Place::new();
    place.file(
        "in.jsonl",
        format!("{{\"id\":\"a\",\"text\":\"{SECRET}\"}}\n{{\"id\":\"b\",\"text\":\"Zxqv was here\"}}\n"),
    );
    let gold = "{\"id\":\"a\",\"spans\":[{\"start\":0,\"end\":17,\"label\":\"EMAIL_ADDRESS\"}]}\n\
                {\"id\":\"b\",\"spans\":[{\"start\":0,\"end\":4,\"label\":\"USERNAME\"}]}\n";
    place.file("gold.jsonl", gold);
    let ran = place.run(["scan", "in.jsonl", "--gold", "gold.jsonl", "--json"]).exits(0);
    let score = &ran.document()["gold"];
    assert_eq!(score["recall"], 0.5);
    assert_eq!(score["by_label"]["EMAIL_ADDRESS"]["recall"], 1.0);
    assert_eq!(score["missed"]["USERNAME"], json!({"count": 1, "ids": ["b"]}));
    for text in ["Zxqv", SECRET] {
        assert!(!ran.stdout.contains(text) && !ran.stderr.contains(text));
    }
}

#[test]
fn records_come_from_stdin() {
    let place = Place::new();
    let input = format!("{{\"id\":\"a\",\"text\":\"{SECRET}\"}}");
    assert_eq!(with_stdin(&place, &["scan", "-", "--json"], &input).exits(0).document()["spans"], 1);
}

#[test]
fn an_output_is_not_replaced_without_force() {
    let place = Place::new();
    place.file("in.jsonl", "{\"id\":\"a\",\"text\":\"t\"}");
    place.file("out.jsonl", "precious");
    for verb in [&["scan", "in.jsonl", "--spans", "out.jsonl"][..], &["protect", "in.jsonl", "--out", "out.jsonl"]] {
        let ran = place.run(verb).exits(2);
        assert!(ran.stderr.contains("error: `out.jsonl` exists\nhint: "), "{}", ran.stderr);
        assert_eq!(std::fs::read_to_string(place.path("out.jsonl")).unwrap(), "precious");
        place.run([verb, &["--force"]].concat()).exits(0);
        place.file("out.jsonl", "precious");
    }
}

#[test]
fn protection_removes_what_it_reports_and_says_nothing_of_it() {
    let place = Place::new();
    place.file("in.jsonl", format!("{{\"id\":\"a\",\"n\":1.50,\"text\":\"to {SECRET} today\"}}\n"));
    let ran = place.run(["protect", "in.jsonl", "--out", "out.jsonl", "--profile", "redact", "--json"]).exits(0);
    let out = std::fs::read_to_string(place.path("out.jsonl")).unwrap();
    assert_eq!(out, "{\"id\":\"a\",\"n\":1.5,\"text\":\"to <EMAIL_ADDRESS> today\"}\n");
    let report = ran.document();
    assert_eq!((&report["schema"], &report["verdict"]), (&json!("cloister.protect.v1"), &json!("passed")));
    assert_eq!(report["replaced"], json!({"EMAIL_ADDRESS": 1}));
    assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET));
    assert!(place.leftovers().is_empty());
}

#[cfg(unix)]
#[test]
fn a_key_makes_surrogates_stable_and_a_fresh_one_does_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place.file("in.jsonl", format!("{{\"id\":\"a\",\"text\":\"to {SECRET} today\"}}\n"));
    let key = place.file("key", "0123456789abcdef".repeat(4));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let protect = |more: &[&str]| {
        let args = [&["protect", "in.jsonl", "--out", "out.jsonl", "--force", "--profile", "surrogate"], more].concat();
        let ran = place.run(args).exits(0);
        (std::fs::read_to_string(place.path("out.jsonl")).unwrap(), ran.stderr)
    };
    let (first, said) = protect(&[]);
    assert!(said.contains("the key was fresh and is forgotten"), "{said}");
    assert!(!first.contains(SECRET));
    assert_ne!(first, protect(&[]).0);
    let (kept, said) = protect(&["--key", "key"]);
    assert!(!said.contains("fresh"));
    assert_eq!(kept, protect(&["--key", "key"]).0);

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = place.run(["protect", "in.jsonl", "--out", "other.jsonl", "--key", "key"]).exits(2);
    assert!(ran.stderr.contains("can be read by others (mode 644)"), "{}", ran.stderr);
}

#[test]
fn a_refused_line_is_named_and_never_quoted() {
    // What is whole can be protected, whatever its fields.
    for (bad, is_whole) in [
        (format!("{{\"id\":\"b\",\"text\":\"{SECRET}"), false),
        (format!("{{\"id\":\"b\",\"txt\":\"{SECRET}\"}}"), true),
        (format!("{{\"id\":\"b\",\"text\":[\"{SECRET}\"]}}"), true),
        (format!("\"{SECRET}\""), false),
        (format!("{{\"id\":\"b\",\"prompt\":\"{SECRET}\",\"completion\":\"\"}}"), true),
        (format!("{{\"id\":\"b\",\"text\":\"{SECRET}\\u0000\"}}"), false),
    ] {
        let place = Place::new();
        place.file("in.jsonl", format!("{{\"id\":\"a\",\"text\":\"t\"}}\n{bad}\n"));
        let strict = ["scan", "in.jsonl", "--strict", "--json"];
        let protect = ["protect", "in.jsonl", "--out", "o.jsonl", "--json"];
        if is_whole {
            let ran = place.run(protect).exits(0);
            assert!(!ran.stderr.contains(SECRET) && !ran.stdout.contains(SECRET), "{}", ran.stderr);
            let protected = std::fs::read_to_string(place.path("o.jsonl")).unwrap();
            assert!(protected.lines().count() == 2 && !protected.contains(SECRET), "{protected}");
            std::fs::remove_file(place.path("o.jsonl")).unwrap();
        }
        for args in [Some(&strict[..]), (!is_whole).then_some(&protect)].into_iter().flatten() {
            let ran = place.run(args).exits(2);
            assert!(ran.stderr.contains("line 2"), "{}", ran.stderr);
            assert!(!ran.stderr.contains(SECRET) && !ran.stdout.contains(SECRET), "{}", ran.stderr);
            assert_eq!(ran.document()["verdict"], "error");
            assert_eq!(ran.document()["exit"], 2);
            assert!(!place.path("o.jsonl").exists() && place.leftovers().is_empty());
        }
    }
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_scanned() {
    let place = Place::new();
    let good = |id: &str| format!("{{\"id\":\"{id}\",\"text\":\"to {SECRET}\"}}\n");
    place.file("in.jsonl", format!("{}{{\"id\":\"b\",\"text\":\"{SECRET}\n{}", good("a"), good("c")));
    let ran = place.run(["scan", "in.jsonl", "--spans", "out.jsonl", "--json"]).exits(3);
    let report = ran.document();
    assert_eq!(
        (&report["verdict"], &report["left_out"], &report["records"]),
        (&json!("incomplete"), &json!(1), &json!(2))
    );
    assert_eq!((&report["findings"], &report["findings_at"]), (&json!({"not-json": 1}), &json!({"not-json": [2]})));
    assert!(ran.stderr.contains("left out: not JSON (line 2)"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(SECRET) && !ran.stdout.contains(SECRET));
    let out = std::fs::read_to_string(place.path("out.jsonl")).unwrap();
    assert_eq!(out.lines().filter(|line| line.contains("EMAIL_ADDRESS")).count(), 2);
}

#[test]
fn a_folder_of_several_formats_is_scanned_on_any_number_of_threads() {
    let place = Place::new();
    place.file("data/a.csv", format!("id,text\n1,to {SECRET}\n2,nothing\n"));
    place.file("data/b.json", format!("[\n{{\"id\":\"3\",\"text\":\"to {SECRET}\"}}]"));
    place.file("data/c.txt", "no records");
    let scan = |threads: &str| place.run(["scan", "data", "--json", "--threads", threads]).exits(0).document();
    let report = scan("1");
    assert_eq!((&report["records"], &report["spans"]), (&json!(3), &json!(2)));
    assert_eq!(report["findings_at"], json!({"other-file": ["c.txt:0"]}));
    assert_eq!(report, scan("3"));
}

#[test]
fn settings_come_from_flag_environment_project_and_user_in_that_order() {
    let place = Place::new();
    place.file("in.jsonl", format!("{{\"id\":\"a\",\"body\":\"{SECRET}\"}}\n"));
    place.file(".config/cloister/config.toml", "profile = \"mask\"\n[columns]\ntext = \"body\"\n");
    let protect = |environment: Option<&str>, more: &[&str]| {
        let mut command = place.command();
        command.args(["protect", "in.jsonl", "--out", "out.jsonl", "--force"]).args(more);
        command.envs(environment.map(|value| ("CLOISTER_PROFILE", value)));
        Ran::of(command.output().unwrap()).exits(0);
        let out = std::fs::read_to_string(place.path("out.jsonl")).unwrap();
        serde_json::from_str::<Value>(&out).unwrap()["body"].as_str().unwrap().to_owned()
    };
    assert_eq!(protect(None, &[]), "***.****@****.***");
    place.file("cloister.toml", "profile = \"redact\"\n");
    assert_eq!(protect(None, &[]), "<EMAIL_ADDRESS>");
    assert!(protect(Some("hash"), &[]).starts_with("EMAIL_ADDRESS_"));
    assert_eq!(protect(Some("hash"), &["--profile", "redact"]), "<EMAIL_ADDRESS>");

    place.file("cloister.toml", "profil = \"redact\"\n");
    let ran = place.run(["protect", "in.jsonl", "--out", "out.jsonl", "--force"]).exits(2);
    assert!(
        ran.stderr.contains("error: `cloister.toml`: unknown key `profil`\nhint: did you mean `profile`?"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_batch_of_questions_is_answered_in_order() {
    let place = Place::new();
    let sigmas = [4.0, 0.8, 2.0, 1.0];
    let input: String = sigmas
        .map(|sigma| json!({"phases": [{"q": 0.01, "sigma": sigma, "steps": 100}], "delta": 1e-5}).to_string() + "\n")
        .concat();
    place.file("in.jsonl", &input);
    let answers = place.run(["budget", "epsilon", "--batch", "in.jsonl"]).exits(0).lines();
    let epsilon = |index: usize| answers[index]["epsilon"].as_f64().unwrap();
    assert!(epsilon(0) < epsilon(2) && epsilon(2) < epsilon(3) && epsilon(3) < epsilon(1));
    for answer in &answers {
        let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["epsilon", "epsilon_pld", "epsilon_rdp"]);
    }
    assert_eq!(with_stdin(&place, &["budget", "epsilon", "--batch", "-"], &input).exits(0).lines(), answers);

    let question = json!({"epsilon": epsilon(3), "delta": 1e-5, "q": 0.01, "steps": 100}).to_string();
    let answer = &with_stdin(&place, &["budget", "sigma", "--batch", "-"], &question).exits(0).lines()[0];
    assert!((answer["sigma"].as_f64().unwrap() - 1.0).abs() < 0.01, "the noise of question 3 comes back: {answer}");
    assert!(answer["epsilon_pld"].as_f64().unwrap() <= epsilon(3) * 1.000001);
}

#[test]
fn a_reader_that_hangs_up_is_no_crash() {
    let place = Place::new();
    let ran = Ran::of(place.shell("\"$0\" completions bash | head -n 1").output().unwrap()).exits(0);
    assert_eq!(ran.stderr, "");
}

#[test]
fn doctor_looks_at_everything() {
    let place = Place::new();
    let report = place.run(["doctor", "--json"]).document();
    let names: Vec<&str> =
        report["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    let expected = ["cloister", "processor", "cores", "memory", "kernel", "core dumps", "swap", "randomness", "clock"];
    assert_eq!(names[..9], expected);
    assert_eq!(names[9..], ["folder", "disk", "certificates", "base"]);
    assert_eq!(report["schema"], "cloister.doctor.v1");
    for check in report["checks"].as_array().unwrap() {
        assert_eq!(check["level"] == "ok", check["advice"].is_null(), "{check}");
    }
}

#[test]
fn every_verb_has_a_manual_page_and_completions_know_it() {
    let place = Place::new();
    let script = place.run(["completions", "bash"]).exits(0).stdout;
    for verb in ["pull", "scan", "protect", "budget", "doctor"] {
        assert!(place.run(["man", verb]).exits(0).stdout.contains(".SH NAME"));
        assert!(script.contains(verb));
    }
    place.run(["man", "nonsense"]).exits(2);
}
