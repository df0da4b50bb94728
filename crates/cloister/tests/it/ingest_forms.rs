//! `ingest` of every form of records: the same records give the same lines and the same root, a bad row costs itself only, and a
//! file that is cut is told.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use serde_json::{Value, json};

use crate::process::{Place, Ran};

const KEY: [&str; 2] = ["--key", "key"];

/// Identifier and text of records, the third of which repeats the first.
const RECORDS: [(&str, &str); 5] = [
    ("1", "Please send the new router to the old address, the first one never came to us"),
    ("2", "The invoice for March is \"too high\",\n two calls on it were made by nobody here"),
    ("3", "please send the new router to the old address,  the first one never came to us"),
    ("4", "Où est le colis? Il n’est pas arrivé 😀 et personne ne répond au téléphone"),
    ("5", "A last record, with; separators\tof | all kinds, and a backslash \\ too"),
];

fn lines() -> Vec<String> {
    RECORDS.map(|(id, text)| json!({"id": id, "text": text}).to_string()).to_vec()
}

fn table(separator: char) -> String {
    let row = |(id, text): (&str, &str)| format!("{id}{separator}\"{}\"\r\n", text.replace('"', "\"\""));
    format!("id{separator}text\r\n{}", RECORDS.map(row).concat())
}

fn batch(texts: Vec<Option<&str>>) -> RecordBatch {
    let ids: Vec<String> = (1..=texts.len()).map(|id| id.to_string()).collect();
    let columns: [(&str, ArrayRef, bool); 2] =
        [("id", Arc::new(StringArray::from(ids)), false), ("text", Arc::new(StringArray::from(texts)), true)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    file
}

fn arrow_file(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_stream(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    format!("\u{FEFF}{text}").encode_utf16().flat_map(bytes).collect()
}

/// Every form, by a name that fits it.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let (lines, rows) = (lines().join("\n"), batch(RECORDS.map(|(_, text)| Some(text)).to_vec()));
    let values: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let pretty: Vec<String> = values.iter().map(|value| serde_json::to_string_pretty(value).unwrap()).collect();
    vec![
        ("one-line.json", json!(values).to_string().into_bytes()),
        ("array.json", serde_json::to_vec_pretty(&values).unwrap()),
        ("values.json", pretty.join("\n").into_bytes()),
        ("marked.jsonl", format!("\u{FEFF}{}\r\n", lines.replace('\n', "\r\n")).into_bytes()),
        ("a.csv", table(',').into_bytes()),
        ("b.csv", table(';').into_bytes()),
        ("c.tsv", table('\t').into_bytes()),
        ("a.parquet", parquet(&rows)),
        ("a.arrow", arrow_file(&rows)),
        ("a.arrows", arrow_stream(&rows)),
        ("a.jsonl.gz", gzip(lines.as_bytes())),
        ("two.jsonl.gz", [gzip(lines.as_bytes()), gzip(b"\n\n")].concat()),
        ("a.csv.zst", zstd::encode_all(table(',').as_bytes(), 3).unwrap()),
        ("a.parquet.gz", gzip(&parquet(&rows))),
        ("little.jsonl", utf16(&lines, u16::to_le_bytes)),
        ("big.csv", utf16(&table(','), u16::to_be_bytes)),
        ("no-ending", gzip(&parquet(&rows))),
    ]
}

fn key(place: &Place) {
    let path = place.file("key", "5a".repeat(32) + "\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn piped(place: &Place, args: &[&str], input: &[u8]) -> Ran {
    let mut command = place.command();
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

fn read(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path(name)).unwrap()
}

#[test]
fn every_form_gives_the_same_lines_and_the_same_root() {
    let place = Place::new();
    key(&place);
    place.file("in.jsonl", lines().join("\n"));
    let take = |file: &str, out: &str| {
        let args = ["ingest", file, "--out", out, "--json", "--drop-rejected", "--name", "d"];
        [&args[..], &KEY].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let first = place.run(take("in.jsonl", "lines")).exits(0).document();
    assert_eq!(first["content"]["records"], 4);
    let written = read(&place, "lines/records.jsonl");
    assert_eq!(written.lines().count(), 4);
    let check = |said: Value, name: &str, out: &str| {
        assert_eq!(said["content"]["root"], first["content"]["root"], "{name}");
        assert_eq!(said["quality"]["measured_on"], first["quality"]["measured_on"], "{name}");
        assert_eq!(
            said["findings"].as_object().unwrap().keys().find(|kind| !kind.ends_with("mark") && *kind != "blank-line"),
            None
        );
        assert_eq!(read(&place, &format!("{out}/records.jsonl")), written, "{name}");
    };
    for (at, (name, bytes)) in forms().into_iter().enumerate() {
        let size = bytes.len();
        let (out, through) = (format!("out{at}"), format!("through{at}"));
        check(
            piped(&place, &take("-", &through).iter().map(String::as_str).collect::<Vec<_>>(), &bytes)
                .exits(0)
                .document(),
            name,
            &through,
        );
        place.file(name, bytes);
        let said = place.run(take(name, &out)).exits(0).document();
        assert_eq!(said["files"], json!([{"name": name, "bytes": size, "records": 5, "unreadable": 0}]));
        check(said, name, &out);
        // A record of any form is found in the dataset by the line that it became.
        let args = [&["ingest", name, "--prove", &out, "--json"][..], &KEY].concat();
        let proofs = place.run(args).exits(3).document()["proofs"].clone();
        let included: Vec<bool> =
            proofs.as_array().unwrap().iter().map(|proof| proof["included"].as_bool().unwrap()).collect();
        assert_eq!(included, [true, true, false, true, true], "{name}");
    }
    // Cut at the end of a record, and put together again by the names of the files.
    let all = lines();
    place.file("folder/b/rest.json", format!("[{}]", all[2..].join(",")));
    place.file("folder/a.jsonl.gz", gzip(all[..2].join("\n").as_bytes()));
    place.file("folder/notes.md", "no records");
    let ran = place.run(take("folder", "whole")).exits(0);
    assert!(ran.stderr.contains("a file of another kind was not read (notes.md)"), "{}", ran.stderr);
    let said = ran.document();
    assert_eq!(said["findings"], json!({"other-file": 1}));
    let names: Vec<&Value> = said["files"].as_array().unwrap().iter().map(|file| &file["name"]).collect();
    assert_eq!(names, ["a.jsonl.gz", "b/rest.json"]);
    assert_eq!(read(&place, "whole/records.jsonl"), written);
    assert_eq!(said["content"]["root"], first["content"]["root"]);
    let decisions = read(&place, "whole/decisions.jsonl");
    let decision: Value = serde_json::from_str(decisions.lines().next().unwrap()).unwrap();
    assert_eq!((&decision["file"], &decision["line"]), (&json!(1), &json!(1)));
    assert_eq!(decision["reasons"][0]["like"], json!({"file": 0, "line": 1}));
    assert!(place.leftovers().is_empty());
}

#[test]
fn a_name_of_the_dataset_follows_from_that_of_the_input() {
    let place = Place::new();
    place.file("tickets.v2/a.jsonl", lines().join("\n"));
    place.file("mail.jsonl.gz", gzip(lines().join("\n").as_bytes()));
    for (input, out, name) in [("tickets.v2", "a", "tickets.v2"), ("mail.jsonl.gz", "b", "mail")] {
        let args = ["ingest", input, "--out", out, "--drop-rejected", "--json"];
        assert_eq!(place.run(args).exits(0).document()["name"], name);
    }
}

/// What `ingest` says of a file, and what it puts into the quarantine.
fn refused(place: &Place, name: &str, bytes: &[u8]) -> (Value, String) {
    place.file(name, bytes);
    let args = ["ingest", name, "--out", "set", "--quarantine", "bad", "--json", "--force"];
    let ran = place.run(args).exits(3);
    assert!(place.leftovers().is_empty());
    let bad = fs::read(place.path("bad")).unwrap();
    (ran.document(), String::from_utf8_lossy(&bad).into_owned())
}

#[test]
fn a_bad_row_of_any_form_costs_itself_and_goes_into_the_quarantine() {
    let place = Place::new();
    let [one, two, again, ..] = &lines()[..] else { panic!("five records") };
    let kinds = |said: &Value| said["quality"]["unreadable"].clone();
    let places = |place: &Place| {
        let decisions = read(place, "set/decisions.jsonl");
        let decisions = decisions.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        decisions.map(|decision| decision["line"].as_u64().unwrap()).collect::<Vec<_>>()
    };

    // Lines stay as they were read; JSON that goes over lines becomes one.
    let spaced = again.replace(":", " : ");
    let (said, bad) = refused(&place, "x.jsonl", format!("{one}\n{spaced}\n{{\"text\":\n{two}\n").as_bytes());
    assert_eq!((kinds(&said), bad), (json!({"not JSON": 1}), format!("{spaced}\n{{\"text\":\n")));
    assert_eq!(places(&place), [2, 3]);

    let over_lines = again.replacen(',', ",\n", 1);
    let array = format!("[{one},7,{{\"id\":\"x\"}},\n{over_lines},{two}]");
    let (said, bad) = refused(&place, "x.json", array.as_bytes());
    assert_eq!(kinds(&said), json!({"none of the known shapes": 1, "not a JSON object": 1}));
    assert_eq!(bad, format!("7\n{{\"id\":\"x\"}}\n{again}\n"));
    assert_eq!((places(&place), &said["content"]["records"]), (vec![2, 3, 4], &json!(2)));

    let rows = b"id,text\n1,\"Good, indeed\"\n2\n3,\"a\"b\n4,\xFFx\n5,\"good,  INDEED\"\n6,\"last one\"\n7,\"open\n";
    let (said, bad) = refused(&place, "x.csv", rows);
    let expected = json!({"a quotation mark is not closed": 1, "more or fewer fields than the header": 1, "not UTF-8": 1,
                          "text behind a closing quotation mark": 1});
    assert_eq!((kinds(&said), &said["not_in_quarantine"]), (expected, &json!(0)));
    assert_eq!(
        fs::read(place.path("bad")).ok(),
        Some(b"2\n3,\"a\"b\n4,\xFFx\n{\"id\":\"5\",\"text\":\"good,  INDEED\"}\n7,\"open\n".to_vec()),
        "{bad}"
    );
    assert_eq!((places(&place), &said["content"]["records"]), (vec![3, 4, 5, 6, 8], &json!(2)));

    let rows = batch(vec![Some("first one"), None, Some("nul \0 inside"), Some("First  one"), Some("last one")]);
    for (name, bytes) in
        [("x.parquet", parquet(&rows)), ("x.arrow", arrow_file(&rows)), ("x.arrows", arrow_stream(&rows))]
    {
        let (said, bad) = refused(&place, name, &bytes);
        assert_eq!(kinds(&said), json!({"a field has another type": 1, "holds a NUL character": 1}), "{name}");
        let kept = [
            json!({"id": "2", "text": null}),
            json!({"id": "3", "text": "nul \0 inside"}),
            json!({"id": "4", "text": "First  one"}),
        ];
        assert_eq!(bad, kept.map(|line| format!("{line}\n")).concat());
        assert_eq!((places(&place), &said["content"]["records"]), (vec![2, 3, 4], &json!(2)));
    }

    // What nothing holds is counted.
    let long = format!("{one}\n{{\"text\":\"{}\"}}\n", "x".repeat(17 << 20));
    let (said, bad) = refused(&place, "long.jsonl", long.as_bytes());
    assert_eq!((kinds(&said), &said["not_in_quarantine"], bad.as_str()), (json!({"too long": 1}), &json!(1), ""));
}

#[test]
fn a_file_that_is_cut_or_damaged_is_told_and_no_flag_lets_it_pass() {
    let place = Place::new();
    let all = lines();
    let many: String = (0..4000).map(|n| format!("{{\"text\":\"number {n} says {}\"}}\n", n * 7919 % 4001)).collect();
    let packed = gzip(many.as_bytes());
    let cut = format!("[{},{}", all[0], all[1]);
    place.file("whole.jsonl", all[3].clone());
    for (name, bytes, kind) in [
        ("cut.jsonl.gz", packed[..packed.len() / 2].to_vec(), "the file ends too early"),
        ("cut.json", cut.into_bytes(), "the file ends too early"),
        ("odd.jsonl.gz", [gzip(all[0].as_bytes()), b"no more gzip".to_vec()].concat(), "the file is damaged"),
    ] {
        place.file(name, bytes);
        let ran = place.run(["ingest", name, "--out", "set", "--json", "--force", "--drop-rejected"]).exits(3);
        assert!(ran.stderr.contains(&format!("refused whole files: {name} ({kind})")), "{}", ran.stderr);
        let said = ran.document();
        assert_eq!((&said["quality"]["unreadable"][kind], &said["verdict"]), (&json!(1), &json!("refused")), "{name}");
        assert!(said["content"]["records"].as_u64().unwrap() > 0);
        // An evaluation that is cut leaves records unchecked.
        let args = ["ingest", "whole.jsonl", "--evaluation", name, "--out", "set", "--force"];
        let ran = place.run(args).exits(3);
        assert!(ran.stderr.contains(&format!("refused whole files: {name} ({kind})")), "{}", ran.stderr);
    }
    let rows = parquet(&batch(vec![Some("one"), Some("two")]));
    for (name, bytes, said) in [
        ("cut.parquet", rows[..rows.len() - 10].to_vec(), "`cut.parquet`: the input ends too early"),
        ("cut.csv.gz", gzip(table(',').as_bytes())[..20].to_vec(), "`cut.csv.gz`: "),
        ("x.zip", b"PK\x03\x04rest".to_vec(), "`x.zip`: a zip archive is not read"),
    ] {
        place.file(name, bytes);
        let ran = place.run(["ingest", name, "--out", "new/set"]).exits(2);
        assert!(ran.stderr.contains(said) && ran.stderr.contains("hint: "), "{}", ran.stderr);
        assert!(!place.path("new").exists());
    }
    // In a folder, the others are taken in.
    place.file("folder/a.jsonl", all[0].clone());
    place.file("folder/b.parquet", &rows[..rows.len() - 10]);
    let ran = place.run(["ingest", "folder", "--out", "set", "--force", "--json"]).exits(3);
    assert_eq!(ran.document()["content"]["records"], 1);
    assert!(ran.stderr.contains("refused whole files: b.parquet (the file ends too early)"), "{}", ran.stderr);
}

#[test]
fn evaluation_records_come_in_any_form() {
    let place = Place::new();
    place.file("in.csv", table(','));
    let rows = batch(vec![Some(RECORDS[1].1), Some("quite another record, which nobody else has")]);
    for (name, bytes) in [
        ("e.parquet", parquet(&rows)),
        ("e.jsonl.gz", gzip(lines()[1].as_bytes())),
        ("e/x.csv", table(',').into_bytes()),
    ] {
        place.file(name, bytes);
        let evaluation = if name.starts_with("e/") { "e" } else { name };
        let args = ["ingest", "in.csv", "--evaluation", evaluation, "--out", "set", "--force", "--json"];
        let said = place.run(args).exits(3).document();
        let reasons = said["quality"]["reasons"].as_array().unwrap();
        let exact = reasons.iter().find(|reason| reason["code"] == "evaluation-exact").unwrap();
        assert_eq!(exact["records"], if evaluation == "e" { 5 } else { 1 }, "{name}");
        assert!(said["evaluation"]["records"].as_u64().unwrap() > 0);
    }
    place.file("none.jsonl", "nonsense\n");
    let ran = place.run(["ingest", "in.csv", "--evaluation", "none.jsonl", "--out", "other"]).exits(2);
    assert!(ran.stderr.contains("`none.jsonl`: line 1, byte 1: not JSON"), "{}", ran.stderr);
    assert!(!place.path("other").exists());
}

#[test]
fn columns_name_the_parts_of_any_form() {
    let place = Place::new();
    place.file("in.csv", "question,answer\nwho?,me\nwhere?,here\n");
    place
        .file("in.jsonl", "{\"question\":\"who?\",\"answer\":\"me\"}\n{\"question\":\"where?\",\"answer\":\"here\"}\n");
    for (input, out) in [("in.csv", "a"), ("in.jsonl", "b")] {
        let args = ["ingest", input, "--out", out, "--columns", "prompt=question,completion=answer", "--json"];
        assert_eq!(place.run(args).exits(0).document()["shape"], "prompt-completion");
    }
    assert_eq!(read(&place, "a/records.jsonl"), read(&place, "b/records.jsonl"));
    let ran = place.run(["ingest", "in.csv", "--out", "c"]).exits(2);
    assert!(ran.stderr.contains("`in.csv`: line 2 has none of the known record shapes"), "{}", ran.stderr);
}

#[test]
fn what_is_written_is_not_read_the_next_time() {
    let place = Place::new();
    place.file("data/in.jsonl", lines().join("\n"));
    for more in [&["--out", "data/new/set"][..], &["--out", "set", "--quarantine", "data/bad.jsonl"]] {
        let ran = place.run([&["ingest", "data"], more].concat()).exits(2);
        assert!(ran.stderr.contains("lies in a folder that is read"), "{}", ran.stderr);
    }
    assert!(!place.path("data/new").exists() && !place.path("set").exists());
}

#[test]
fn a_name_that_stands_twice_is_told() {
    let place = Place::new();
    place.file("in.jsonl", "{\"text\":\"mail ana@corp.com\",\"text\":\"nothing here\"}\n{\"text\":\"more\"}\n");
    let scan = place.run(["scan", "in.jsonl", "--json"]).exits(3);
    assert_eq!(scan.document()["findings"], json!({"repeated-name": 1}));
    let ran = place.run(["ingest", "in.jsonl", "--out", "set", "--json"]).exits(0);
    assert_eq!(ran.document()["findings_at"], json!({"repeated-name": ["in.jsonl:1"]}));
    let said = "a name stands twice in an object: only the last value was read (in.jsonl, line 1)";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}
