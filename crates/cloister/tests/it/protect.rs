//! `protect` under its profiles and policies, and the way back.

use std::path::Path;

use serde_json::{Value, json};

use crate::process::{Place, Ran};

/// Records as different programs write them: Python with its defaults, a compact writer, and by hand.
const RECORDS: &str = concat!(
    "{\"id\": \"t1\", \"user_id\": 4711, \"text\": \"I am Jos\\u00e9 Ruiz, write to jose.ruiz@corp.com\", \"n\": 1.0}\n",
    "{\"id\":\"jose.ruiz@corp.com\",\"user_id\":\"u2\",\"text\":\"Call (212) 736-5000 — please\"}\n",
    "\n",
    "  {\"text\" : \"SSN 212-45-6789\",\t\"id\":3, \"n\": 1.50}  \r\n",
    "{\"text\":\"nothing here\"}",
);

fn place() -> Place {
    let place = Place::new();
    place.file("in.jsonl", RECORDS);
    for (name, digit) in [("key", "a"), ("other", "b")] {
        let path = place.file(name, digit.repeat(64));
        private(&path);
    }
    place
}

fn private(path: &Path) {
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn run(place: &Place, args: &[&str]) -> Ran {
    place.run([&["protect"], args].concat())
}

fn sealed(place: &Place) -> String {
    run(place, &["in.jsonl", "--out", "sealed.jsonl", "--profile", "reversible", "--key", "key", "--force"]).exits(0);
    std::fs::read_to_string(place.path("sealed.jsonl")).unwrap()
}

#[test]
fn a_sealed_file_comes_back_to_the_byte() {
    let place = place();
    let text = sealed(&place);
    for gone in ["Ruiz", "corp.com", "736-5000", "212-45", "4711"] {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
    let ran = run(&place, &["--restore", "sealed.jsonl", "--out", "back.jsonl", "--key", "key", "--json"]).exits(0);
    assert_eq!((&ran.document()["verdict"], &ran.document()["records"]), (&json!("restored"), &json!(4)));
    assert_eq!(std::fs::read_to_string(place.path("back.jsonl")).unwrap(), RECORDS);
    // Sealed text holds nothing that a scan finds.
    let found = place.run(["scan", "sealed.jsonl", "--json"]).exits(0).document();
    assert_eq!((&found["verdict"], &found["by_label"]), (&json!("clean"), &json!({})), "{found}");
}

#[test]
fn nothing_comes_back_without_the_key_or_from_a_changed_file() {
    let place = place();
    let text = sealed(&place);
    let broken = |file: &str, more: &[&str], says: &str| {
        let ran = run(&place, &[&["--restore", file, "--out", "back.jsonl"], more].concat()).exits(4);
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
        assert!(!place.path("back.jsonl").exists() && place.leftovers().is_empty());
    };
    broken("sealed.jsonl", &[], "no key is given");
    broken("sealed.jsonl", &["--key", "other"], "line 1: the seal is of another key");
    place.file("changed.jsonl", text.replace("please", "thanks"));
    broken("changed.jsonl", &["--key", "key"], "line 2: the seal is of another key, or the line was changed");
    let ran = run(&place, &["--restore", "in.jsonl", "--out", "back.jsonl", "--key", "key"]).exits(2);
    assert!(ran.stderr.contains("line 1 has no seal"), "{}", ran.stderr);
}

#[test]
fn encryption_needs_a_kept_key_and_a_random_table_none() {
    let place = place();
    let refused = |args: &[&str], says: &str| {
        let ran = run(&place, &[&["in.jsonl", "--out", "out.jsonl"], args].concat()).exits(2);
        assert!(ran.stderr.contains(says) && ran.stderr.contains("hint: "), "{}", ran.stderr);
        assert!(!place.path("out.jsonl").exists());
    };
    refused(&["--profile", "reversible"], "without a kept key encrypted values are lost");
    refused(&["--profile", "hipaa-safe-harbor", "--key", "key"], "derived from no key");
    place.file("both.toml", "random_table = true\n[entity.PERSON]\naction = \"encrypt\"\n");
    refused(&["--policy", "both.toml", "--key", "key"], "do not go with a random table");
    refused(&["--policy", "absent.toml"], "absent.toml");
    refused(&["--map", "out.jsonl"], "one file");
}

#[test]
fn a_policy_rules_single_entities() {
    let place = place();
    place.file(
        "policy.toml",
        "default = \"redact\"\n[entity.EMAIL_ADDRESS]\naction = \"keep\"\n[entity.US_SSN]\naction = \"mask\"\n",
    );
    let ran = run(&place, &["in.jsonl", "--out", "out.jsonl", "--policy", "policy.toml", "--json"]).exits(0);
    let document = ran.document();
    assert_eq!((&document["kept"]["EMAIL_ADDRESS"], &document["policy"]), (&json!(1), &json!("policy.toml")));
    assert!(ran.stderr.contains("kept by the policy: 1 EMAIL_ADDRESS"), "{}", ran.stderr);
    let text = std::fs::read_to_string(place.path("out.jsonl")).unwrap();
    assert!(text.contains("<PERSON>, write to jose.ruiz@corp.com") && text.contains("SSN ***-**-****"), "{text}");

    place.file("bad.toml", "[entity.PERSN]\naction = \"redact\"\n");
    let ran = run(&place, &["in.jsonl", "--out", "no.jsonl", "--policy", "bad.toml"]).exits(2);
    assert!(
        ran.stderr.contains("unknown entity `PERSN`; known are ") && ran.stderr.contains("PERSON"),
        "{}",
        ran.stderr
    );
    assert!(!place.path("no.jsonl").exists());
}

#[test]
fn encrypted_values_of_a_mixed_policy_come_back_and_the_rest_does_not() {
    let place = place();
    place.file("policy.toml", "default = \"redact\"\n[entity.PERSON]\naction = \"encrypt\"\n");
    run(&place, &["in.jsonl", "--out", "mixed.jsonl", "--policy", "policy.toml", "--key", "key"]).exits(0);
    run(&place, &["--restore", "mixed.jsonl", "--out", "back.jsonl", "--key", "key"]).exits(0);
    let back = std::fs::read_to_string(place.path("back.jsonl")).unwrap();
    assert!(back.contains("I am José Ruiz, write to <EMAIL_ADDRESS>") && !back.contains("corp.com\",\"text"), "{back}");
}

#[test]
fn the_state_of_pseudonymised_data_is_named_and_never_anonymous() {
    let place = place();
    let run = |more: &[&str]| {
        let args = ["in.jsonl", "--out", "out.jsonl", "--force", "--json", "--profile", "gdpr-pseudonymise"];
        run(&place, &[&args, more].concat()).exits(0)
    };
    let fresh = run(&[]);
    assert_eq!(fresh.document()["state"], json!("pseudonymised, key not kept"));
    let kept = run(&["--key", "key"]);
    assert_eq!(kept.document()["state"], json!("pseudonymised, key held in key"));
    for ran in [fresh, kept] {
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("anonym"), "{}", ran.stderr);
    }
}

#[test]
fn every_profile_ends_with_its_state_and_with_what_is_not_searched_for() {
    let place = place();
    for (profile, key, state) in [
        ("surrogate", true, "replaced where it was found, may still be personal data, key held in key"),
        ("redact", false, "replaced where it was found, may still be personal data"),
        ("mask", false, "replaced where it was found, may still be personal data"),
        ("hash", false, "replaced where it was found, may still be personal data"),
        ("hipaa-safe-harbor", false, "replaced where it was found, may still be personal data"),
        ("gdpr-pseudonymise", true, "pseudonymised, key held in key"),
        ("reversible", true, "encrypted, key held in key"),
    ] {
        let args = ["in.jsonl", "--out", "out.jsonl", "--force", "--json", "--profile", profile];
        let key: &[&str] = if key { &["--key", "key"] } else { &[] };
        let ran = run(&place, &[&args, key].concat()).exits(0);
        assert_eq!(ran.document()["state"], json!(state), "{profile}");
        let last = ran.stderr.trim_end().lines().last().unwrap();
        assert!(last.starts_with(&format!("state: {state}; ")), "{profile}: {last}");
        assert!(ran.stderr.contains("not searched for, and left as they are: special categories"), "{}", ran.stderr);
        let not = ran.document()["not_searched_for"].to_string();
        assert!(not.contains("Article 9") && not.contains("Article 10"), "{not}");
    }
}

#[test]
fn ids_and_dates_that_want_a_look_are_counted() {
    let place = place();
    place.file(
        "mixed.jsonl",
        "{\"id\":\"MRN00482913\",\"text\":\"Admitted 02/11/2023, discharged 02/19/2023.\"}\n\
         {\"id\":\"b\",\"text\":\"We met on 11/12/2023 and on 13/12/2023.\"}\n",
    );
    let ran = run(&place, &["mixed.jsonl", "--out", "out.jsonl", "--json"]).exits(0);
    assert!(ran.stderr.contains("2 ids kept as they are"), "{}", ran.stderr);
    assert!(ran.stderr.contains("1 begin with the day, 1 with the month"), "{}", ran.stderr);
    let document = ran.document();
    assert_eq!(document["date_orders"], json!({"day_first": 1, "month_first": 1}));
    assert_eq!((&document["identifiers_kept"], &document["identifiers_replaced"]), (&json!(2), &json!(0)));

    let args = ["mixed.jsonl", "--out", "safe.jsonl", "--profile", "hipaa-safe-harbor", "--map", "map.jsonl", "--json"];
    let document = run(&place, &args).exits(0).document();
    assert_eq!((&document["identifiers_kept"], &document["identifiers_replaced"]), (&json!(0), &json!(2)));
    let safe = std::fs::read_to_string(place.path("safe.jsonl")).unwrap();
    assert!(!safe.contains("MRN00482913"), "{safe}");
    let map = std::fs::read_to_string(place.path("map.jsonl")).unwrap();
    assert!(map.contains("\"original\":\"MRN00482913\""), "{map}");
}

#[test]
fn a_map_is_private_and_undoes_the_safe_harbor() {
    let place = place();
    let args = ["in.jsonl", "--out", "out.jsonl", "--profile", "hipaa-safe-harbor", "--map", "map.jsonl", "--json"];
    let document = run(&place, &args).exits(0).document();
    assert_eq!((&document["random_table"], &document["map"]), (&json!(true), &json!("map.jsonl")));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(place.path("map.jsonl").metadata().unwrap().permissions().mode() & 0o077, 0);
    }
    let mut text = std::fs::read_to_string(place.path("out.jsonl")).unwrap();
    let map = std::fs::read_to_string(place.path("map.jsonl")).unwrap();
    for line in map.lines() {
        let mapping: Value = serde_json::from_str(line).unwrap();
        text = text.replace(mapping["replacement"].as_str().unwrap(), mapping["original"].as_str().unwrap());
    }
    assert!(text.contains("I am José Ruiz, write to jose.ruiz@corp.com") && text.contains("212-45-6789"), "{text}");
}
