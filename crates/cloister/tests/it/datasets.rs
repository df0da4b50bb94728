//! Datasets of a project: sealed as they are read, protected from one into another, opened for their purpose only.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{Place, Ran, walk};

/// Words that stand in records and nowhere else.
const CANARIES: [&str; 4] = ["ZQXWVB-7731", "Ottoline Farquharson", "ottoline@farquharson.example", "+44 20 7946 0958"];

fn records() -> String {
    let line = |id: usize, subject: &str, text: &str| {
        format!("{{\"id\":\"r{id}\",\"subject\":\"{subject}\",\"text\":\"{text}\"}}\n")
    };
    let mut records = String::new();
    for id in 0..40 {
        let other =
            format!("The printer of desk {id} prints nothing since the update of Monday, and nobody knows why.");
        records += &line(id, &format!("s{}", id % 9), &other);
    }
    let [code, name, mail, phone] = CANARIES;
    records
        + &line(
            99,
            "ottoline-farquharson",
            &format!("My name is {name}, write to {mail} or call {phone}. Code {code}."),
        )
}

fn project() -> Place {
    let place = Place::new();
    let made = ["init", "--name", "Help desk", "--owner", "olga", "--preset", "minimal", "--key-file", "olga.key"];
    place.run(made).exits(0);
    place.file("in/tickets.jsonl", records());
    place
}

fn olga(place: &Place, line: &str) -> Ran {
    place.run(line.split(' ').chain(["--key-file", "olga.key"]))
}

/// A project with the tickets in it.
fn with_tickets() -> Place {
    let place = project();
    let taken = olga(&place, "ingest in/tickets.jsonl --into tickets --purposes support --json").exits(0).document();
    assert_eq!((&taken["version"], &taken["content"]["records"]), (&"tickets@1".into(), &41.into()));
    place
}

fn objects(place: &Place) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(place.path(".cloister/objects")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn search(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    walk(folder, &mut |path| {
        let bytes = fs::read(path).unwrap();
        for canary in CANARIES {
            let utf16: Vec<u8> = canary.encode_utf16().flat_map(u16::to_le_bytes).collect();
            for needle in [canary.as_bytes().to_vec(), utf16] {
                if bytes.windows(needle.len()).any(|window| window == needle) {
                    found.push(format!("{canary} in {}", path.display()));
                }
            }
        }
    });
    found
}

#[test]
fn requirement_18_a_record_rests_sealed_and_in_no_other_place() {
    let place = with_tickets();
    let made = olga(&place, "protect dataset:tickets --into safe --for support --json").code;
    assert!(made == 0 || made == 3, "{made}");
    fs::remove_dir_all(place.path("in")).unwrap();
    assert_eq!(search(&place.path(".")), Vec::<String>::new());
    // Records, evidence and decisions of one version; records, the report and the evidence of its origin of the other.
    assert_eq!(objects(&place).len(), 6);
}

#[test]
fn requirement_14_data_opens_for_its_purpose_only() {
    let place = with_tickets();
    let refused = olga(&place, "protect dataset:tickets --into safe --for advertising").exits(5);
    assert!(refused.stderr.contains("(purpose)"), "{}", refused.stderr);
    let refused = olga(&place, "protect dataset:tickets --into safe").exits(5);
    assert!(refused.stderr.contains("does not say what the data is for"), "{}", refused.stderr);
    assert_eq!(objects(&place).len(), 3);
}

#[test]
fn requirement_14_what_is_protected_is_used_for_nothing_else_under_another_name() {
    let place = with_tickets();
    let other = "ingest in/tickets.jsonl --into adverts --purposes support,advertising";
    olga(&place, other).exits(0);
    olga(&place, "ingest in/tickets.jsonl --into open --purposes support --sensitivity public").exits(0);
    let before = objects(&place);
    for into in ["adverts", "open"] {
        let refused = olga(&place, &format!("protect dataset:tickets --into {into} --for support")).exits(5);
        assert!(refused.stderr.contains("may be used for more"), "{}", refused.stderr);
        assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
    }
    // Nothing of what was refused stays, and a narrower one is no less.
    assert_eq!(objects(&place), before);
    olga(&place, "protect dataset:adverts --into tickets --for support --profile redact --json").document();
    assert_eq!(objects(&place).len(), before.len() + 3);
}

#[test]
fn versions_follow_each_other_and_say_what_they_were_made_from() {
    let place = with_tickets();
    let second = olga(&place, "ingest in/tickets.jsonl --into tickets --json").exits(0).document();
    assert_eq!(second["version"], "tickets@2");
    for (from, version, parent) in [("tickets@1", "safe@1", "tickets@1"), ("tickets", "safe@2", "tickets@2")] {
        let line = format!("protect dataset:{from} --into safe --for support --profile redact --json");
        let made = olga(&place, &line).document();
        assert_eq!((&made["version"], &made["made_from"][0]), (&version.into(), &parent.into()));
        assert_eq!(made["records"], 41);
    }
    let missing = olga(&place, "protect dataset:tickets@7 --into safe --for support").exits(2);
    assert!(missing.stderr.contains("tickets@7"), "{}", missing.stderr);
    olga(&place, "log fsck").exits(0);
}

#[test]
fn requirement_19_a_changed_moved_or_missing_file_is_found_and_nothing_is_made_of_it() {
    let place = with_tickets();
    olga(&place, "ingest in/tickets.jsonl --into tickets").exits(0);
    let protect = || olga(&place, "protect dataset:tickets@1 --into safe --for support");
    // The largest file of the first version is that of its records.
    let mut files: Vec<(u64, PathBuf)> =
        objects(&place).into_iter().map(|path| (fs::metadata(&path).unwrap().len(), path)).collect();
    files.sort();
    let [(_, first), (_, second)] = &files[files.len() - 2..] else { panic!("two versions") };
    let kept = [fs::read(first).unwrap(), fs::read(second).unwrap()];
    for path in [first, second] {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 3;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    protect().exits(4);
    // Each in the place of the other.
    fs::write(first, &kept[1]).unwrap();
    fs::write(second, &kept[0]).unwrap();
    protect().exits(4);
    for path in [first, second] {
        fs::write(path, &kept[usize::from(path == second)][..200]).unwrap();
    }
    protect().exits(4);
    fs::remove_file(first).unwrap();
    fs::remove_file(second).unwrap();
    protect().exits(4);
    assert!(!olga(&place, "access list").exits(0).stdout.contains("safe@"));
}

/// Verbs that touch no project take no key.
fn key_if_asked(line: &str) -> Vec<&'static str> {
    if line.contains("--into") || line.starts_with("protect") { vec!["--key-file", "olga.key"] } else { Vec::new() }
}

#[test]
fn what_makes_no_sense_is_refused_and_nothing_is_left() {
    let place = project();
    for (line, says) in [
        ("ingest in/tickets.jsonl --into tickets", "what it may be used for"),
        ("ingest in/missing.jsonl --into tickets --purposes support", "missing.jsonl"),
        ("protect dataset:tickets --into safe --for support", "tickets"),
        ("protect dataset:tick@ets --into safe --for support", "no name of a dataset"),
        ("protect dataset:tickets --out out.jsonl --for support", "vault"),
        ("protect in/tickets.jsonl --into safe", "a file is protected into a file"),
        ("scan dataset:tickets", "this verb reads files"),
        ("train dataset:tickets --base x --epsilon 8 --out y", "hint: "),
    ] {
        let refused = place.run(line.split(' ').chain(key_if_asked(line)));
        assert!([2, 5].contains(&refused.code), "{line}: {} {}", refused.code, refused.stderr);
        assert!(refused.stderr.contains(says) && refused.stderr.contains("hint: "), "{line}: {}", refused.stderr);
    }
    let taken = olga(&place, "ingest in/tickets.jsonl --into tickets --purposes support").exits(0);
    assert!(taken.stderr.contains("sealed 41 records as dataset tickets@1"), "{}", taken.stderr);
    let other = olga(&place, "ingest in/tickets.jsonl --into tickets --purposes billing").exits(2);
    assert!(other.stderr.contains("other purposes"), "{}", other.stderr);
    let itself = olga(&place, "protect dataset:tickets --into tickets --for support").exits(2);
    assert!(itself.stderr.contains("into itself"), "{}", itself.stderr);
    assert_eq!(objects(&place).len(), 3);
}

/// A person's own data: found, given, erased in every dataset; others keep theirs.
#[test]
fn a_person_is_found_gets_a_copy_and_is_forgotten() {
    let place = with_tickets();
    let made = olga(&place, "protect dataset:tickets --into safe --for support --profile redact --json").code;
    assert!(made == 0 || made == 3, "{made}");
    let found = olga(&place, "subject find ottoline-farquharson --json").exits(0).document();
    let held = found["held"].as_array().unwrap();
    assert_eq!(held.len(), 2);
    assert_eq!((&held[0]["versions"]["safe@1"], &held[1]["versions"]["tickets@1"]), (&1.into(), &1.into()));
    assert_ne!(held[0]["pseudonym"], held[1]["pseudonym"]);
    let nobody = olga(&place, "subject find somebody-else").exits(3);
    assert!(nobody.stderr.contains("no dataset of the project knows a person of this name"), "{}", nobody.stderr);
    // A copy is raw text: a key file alone does not show it.
    let denied = olga(&place, "subject export ottoline-farquharson --out copy.jsonl").exits(5);
    assert!(denied.stderr.contains("fresh-second-factor") && !place.path("copy.jsonl").exists(), "{}", denied.stderr);

    let erased = olga(&place, "subject erase ottoline-farquharson --json").exits(0).document();
    assert_eq!(erased["erased"].as_array().unwrap().len(), 2);
    let entry = erased["erased"][0]["entry"].as_u64().unwrap();
    olga(&place, &format!("log prove {entry} --out erasure.tlog-proof")).exits(0);
    olga(&place, "subject find ottoline-farquharson").exits(3);
    olga(&place, "subject erase ottoline-farquharson").exits(3);
    // The others are there, and hers are passed over.
    let after = olga(&place, "protect dataset:tickets --into safe --for support --profile redact --json");
    assert_eq!(after.document()["records"], 40);
    assert!(after.stderr.contains("1 record of tickets@1 cannot be opened any more"), "{}", after.stderr);
    assert_eq!(olga(&place, "subject find s3 --json").exits(0).document()["held"].as_array().unwrap().len(), 2);
    olga(&place, "log fsck").exits(0);
    // Her name stands in no file of the project, nor does what she wrote.
    fs::remove_dir_all(place.path("in")).unwrap();
    assert_eq!(search(&place.path(".")), Vec::<String>::new());
    let log = olga(&place, "log show --most 100").exits(0).stdout;
    assert!(!log.contains("ottoline") && log.contains("subject.erase"), "{log}");
}

/// Text leaves the vault when a person is there, for a purpose of the data, and with four eyes where they are on.
#[test]
fn requirement_6_records_leave_by_an_export_alone() {
    let place = Place::new();
    place.file("pass", "a lamp for every window\n");
    let typed = |line: &str| Ran::of(place.shell(&format!("\"$0\" {line} --passphrase-fd 3 3<pass")).output().unwrap());
    typed("init --name Desk --owner olga --preset minimal").exits(0);
    place.file("in/tickets.jsonl", records());
    typed("ingest in/tickets.jsonl --into tickets --purposes support").exits(0);
    let refused = typed("release dataset:tickets --for advertising --out out.jsonl").exits(5);
    assert!(refused.stderr.contains("(purpose)") && !place.path("out.jsonl").exists(), "{}", refused.stderr);
    typed("release dataset:tickets --for support --out out.jsonl").exits(0);
    let out = fs::read_to_string(place.path("out.jsonl")).unwrap();
    assert_eq!(out.lines().count(), 41);
    assert!(out.contains("Ottoline Farquharson"));
    typed("release dataset:tickets --for support --out out.jsonl").exits(2);
    typed("subject export ottoline-farquharson --out copy.jsonl").exits(0);
    let copy: serde_json::Value =
        serde_json::from_str(fs::read_to_string(place.path("copy.jsonl")).unwrap().trim()).unwrap();
    assert_eq!((&copy["version"], &copy["record"]["id"]), (&"tickets@1".into(), &"r99".into()));
}
