//! `ingest` from outside: what is written, what is refused, and what is never said; and `scan` against entities and with a
//! person at a terminal.

use std::fs;

use serde_json::{Value, json};

use crate::process::{Place, Ran};

const SECRET: &str = "Zq7xWvK~uPfLm3";

fn text(text: &str) -> String {
    json!({"text": text}).to_string()
}

fn json_of(place: &Place, name: &str) -> Value {
    serde_json::from_slice(&fs::read(place.path(name)).unwrap()).unwrap()
}

fn lines_of(place: &Place, name: &str) -> Vec<Value> {
    fs::read_to_string(place.path(name)).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn tickets(place: &Place) {
    let lines = [
        text("Please send the new router to the old address, the first one never came to us"),
        text("The invoice for March is too high, two calls on it were made by nobody here"),
        text("please send the new router to the old address,  the first one never came to us"),
        format!("{{\"text\":\"{SECRET}"),
        text(&format!("A bell \u{7} rings in {SECRET}")),
    ];
    place.file("in.jsonl", lines.join("\n") + "\n");
}

#[test]
fn records_go_in_and_what_was_noticed_comes_out() {
    let place = Place::new();
    tickets(&place);
    let args = ["ingest", "in.jsonl", "--out", "set", "--json", "--quarantine", "bad.jsonl"];
    let ran = place.run(args).exits(3);
    let said = ran.document();
    assert_eq!((&said["schema"], &said["verdict"]), (&json!("cloister.ingest.v1"), &json!("refused")));
    assert_eq!(said["name"], "in");
    let quality = &said["quality"];
    let counts = ["lines", "accepted", "review", "rejected"].map(|key| quality[key].as_u64().unwrap());
    assert_eq!(counts, [5, 2, 1, 2]);
    assert_eq!(quality["unreadable"], json!({"not JSON": 1}));

    let mut facts = json_of(&place, "set/dataset.json");
    assert_eq!(facts["schema"], "cloister.dataset.v1");
    for key in ["content", "gates", "provenance", "quality", "files"] {
        assert_eq!(facts[key].take(), said[key], "{key}");
    }
    let records = lines_of(&place, "set/records.jsonl");
    assert_eq!(records.len(), 3);
    assert!(records[2]["text"].as_str().unwrap().contains(SECRET));
    assert_eq!(
        lines_of(&place, "set/decisions.jsonl"),
        [
            json!({"file": 0, "line": 3, "decision": "reject", "reasons": [
                {"code": "exact-duplicate", "level": "reject", "like": {"file": 0, "line": 1}}]}),
            json!({"file": 0, "line": 4, "decision": "reject", "reasons": [{"code": "unreadable", "level": "reject"}]}),
            json!({"file": 0, "line": 5, "decision": "review", "reasons": [
                {"code": "control-character", "level": "review"}]}),
        ]
    );
    let bad = fs::read_to_string(place.path("bad.jsonl")).unwrap();
    let bad: Vec<&str> = bad.lines().collect();
    assert!(bad.len() == 2 && bad[0].contains("please send") && bad[1] == format!("{{\"text\":\"{SECRET}"));

    // Text stands where it was asked for and nowhere else.
    let page = fs::read_to_string(place.path("set/quality.html")).unwrap();
    let dataset = fs::read_to_string(place.path("set/dataset.json")).unwrap();
    let decisions = fs::read_to_string(place.path("set/decisions.jsonl")).unwrap();
    for said in [&ran.stdout, &ran.stderr, &page, &dataset, &decisions] {
        assert!(!said.contains(SECRET) && !said.contains("router"));
    }
    assert!(place.leftovers().is_empty());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for name in ["set/records.jsonl", "set/dataset.json", "bad.jsonl", "set/private/commitment.key"] {
            let mode = fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
        }
    }

    let again = place.run(args).exits(2);
    assert!(again.stderr.contains("exists"), "{}", again.stderr);
    place.run([&args[..], &["--force", "--drop-rejected"]].concat()).exits(0);
}

#[test]
fn a_digest_needs_its_key_and_names_the_records_that_were_written() {
    let place = Place::new();
    tickets(&place);
    let key = place.file("key", "0f".repeat(32) + "\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let root = |out: &str, file: &str, more: &[&str]| {
        let args = [&["ingest", file, "--out", out, "--drop-rejected", "--json"], more].concat();
        place.run(args).exits(0).document()["content"]["root"].as_str().unwrap().to_owned()
    };
    let first = root("a", "in.jsonl", &["--key", "key"]);
    assert_eq!(first, root("b", "in.jsonl", &["--key", "key"]));
    assert_ne!(first, root("c", "in.jsonl", &[]), "a fresh key");
    assert!(!place.path("a/private").exists(), "the user keeps the key");
    assert_eq!(first, root("d", "a/records.jsonl", &["--key", "key"]), "what was written is what is committed to");

    place.file(
        "asked.jsonl",
        text("The invoice for March is too high, two calls on it were made by nobody here") + "\n",
    );
    let proven = place.run(["ingest", "asked.jsonl", "--prove", "a", "--key", "key"]).exits(0).lines();
    assert_eq!((&proven[0]["index"], &proven[0]["size"], &proven[0]["root"]), (&json!(1), &json!(3), &json!(first)));
    let absent = place.run(["ingest", "in.jsonl", "--prove", "c", "--json"]).exits(3).document();
    let included: Vec<bool> =
        absent["proofs"].as_array().unwrap().iter().map(|proof| proof["included"].as_bool().unwrap()).collect();
    assert_eq!(included, [true, true, false, false, true]);
    place.run(["ingest", "in.jsonl", "--prove", "c", "--key", "key"]).exits(4);

    fs::write(place.path("shut"), "0f").unwrap();
    assert!(place.run(["ingest", "in.jsonl", "--out", "e", "--key", "shut"]).exits(2).stderr.contains("error: `shut`"));
}

#[test]
fn required_declarations_have_owners_until_somebody_declares_them() {
    let place = Place::new();
    place.file("in.jsonl", text("One record is enough for this") + "\n");
    let refused = place.run(["ingest", "in.jsonl", "--out", "a", "--require", "source,licence,legal-basis"]).exits(3);
    assert!(refused.stderr.contains("MISSING (owner: legal department)"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("refused provenance: MISSING source (owner: data owner), licence"),
        "{}",
        refused.stderr
    );

    place.file(
        "cloister.toml",
        "[dataset]\nsource = 'ticket export'\nlicence = 'internal'\nretention = '24 months'\nrequire = ['source', 'purpose']\n\
         owners = { purpose = 'Ada' }\n[quality]\nlevels = { empty = 'review' }\n",
    );
    let refused = place.run(["ingest", "in.jsonl", "--out", "b", "--json"]).exits(3).document();
    let field = |document: &Value, name: &str| {
        let fields = document["provenance"].as_array().unwrap();
        fields.iter().find(|field| field["field"] == name).unwrap().clone()
    };
    assert_eq!(field(&refused, "purpose")["value"], "MISSING (owner: Ada)");
    let passed =
        place.run(["ingest", "in.jsonl", "--out", "c", "--purpose", "tests", "--source", "flag", "--json"]).exits(0);
    let passed = passed.document();
    assert_eq!(field(&passed, "source")["value"], "flag");
    assert!(passed["keep_until"].as_str().unwrap().starts_with("20"));
    let over = ["--purpose", "tests", "--retention", "2020-01-01"];
    let over = place.run([&["ingest", "in.jsonl", "--out", "d"][..], &over].concat()).exits(3);
    assert!(over.stderr.contains("refused retention: over since 2020-01-01"), "{}", over.stderr);
    assert!(over.stderr.contains("what to do: delete the records"), "{}", over.stderr);
    let vague = place.run(["ingest", "in.jsonl", "--out", "e", "--retention", "a while"]).exits(2);
    assert!(vague.stderr.contains("`a while` is neither a date nor a period"), "{}", vague.stderr);
    place.run(["scan", "in.jsonl"]).exits(0);
}

#[test]
fn what_an_officer_needs_is_declared_or_missing_with_an_owner() {
    let place = Place::new();
    place.file("in.jsonl", text("One record is enough for this") + "\n");
    let required = "controller,article-9-condition,dpia,decided_by,decided_on";
    let refused = place.run(["ingest", "in.jsonl", "--out", "a", "--require", required]).exits(3);
    for said in [
        "MISSING controller (owner: legal department), article_9_condition (owner: data protection officer)",
        "what to do: ask the owner, then give --controller TEXT --article-9-condition TEXT --dpia TEXT --decided-by TEXT \
         --decided-on DATE",
    ] {
        assert!(refused.stderr.contains(said), "{said}: {}", refused.stderr);
    }
    let page = fs::read_to_string(place.path("a/quality.html")).unwrap();
    assert!(page.contains("MISSING (owner: controller)") && page.contains("--decided-on DATE"));
    let gates = json_of(&place, "a/dataset.json")["gates"].clone();
    assert!(gates[0]["remedy"].as_str().unwrap().starts_with("ask the owner") && gates[1].get("remedy").is_none());

    place.file(
        "cloister.toml",
        "[dataset]\ncontroller = 'Harbour Line Ltd'\narticle_9_condition = 'Art. 9(2)(h)'\ndpia = 'DPIA-7'\n\
         decided_by = 'Ada'\ndecided_on = '2026-02-01'\n",
    );
    let args = ["ingest", "in.jsonl", "--out", "b", "--require", required, "--decided-by", "Bo", "--json"];
    let said = place.run(args).exits(0).document();
    let value = |name: &str| {
        let fields = said["provenance"].as_array().unwrap();
        fields.iter().find(|field| field["field"] == name).unwrap()["value"].clone()
    };
    assert_eq!((value("controller"), value("decided_by")), (json!("Harbour Line Ltd"), json!("Bo")));
    assert_eq!((value("article_9_condition"), value("dpia")), (json!("Art. 9(2)(h)"), json!("DPIA-7")));
    assert_eq!(said["warnings"], json!([]));
    let wrong = place.run(["ingest", "in.jsonl", "--out", "c", "--decided-on", "last week"]).exits(2);
    assert!(wrong.stderr.contains("decided_on: `last week` is not a date"), "{}", wrong.stderr);
}

#[test]
fn a_basis_that_is_none_passes_with_a_warning_everywhere() {
    let place = Place::new();
    place.file("in.jsonl", text("One record is enough for this") + "\n");
    let codes = |out: &str, more: &[&str]| {
        let ran = place.run([&["ingest", "in.jsonl", "--out", out, "--json"], more].concat()).exits(0);
        let warnings = ran.document()["warnings"].clone();
        let page = fs::read_to_string(place.path(out).join("quality.html")).unwrap();
        assert_eq!(json_of(&place, &format!("{out}/dataset.json"))["warnings"], warnings);
        assert_eq!(page.contains("Not clear:"), warnings != json!([]));
        let codes: Vec<String> =
            warnings.as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ran.stderr.matches("warning: ").count(), codes.len(), "{}", ran.stderr);
        codes
    };
    assert_eq!(codes("a", &["--legal-basis", "because we can"]), ["legal-basis"]);
    assert_eq!(codes("b", &["--legal-basis", "Art. 6 Abs. 1 lit. f DSGVO"]), [""; 0]);
    assert_eq!(codes("c", &["--subjects", "patients,relatives"]), ["special-categories"]);
    let with = ["--subjects", "patients", "--article-9-condition", "Article 9(2)(h)"];
    assert_eq!(codes("d", &with), [""; 0]);
    assert_eq!(codes("e", &["--quasi", "text:sex", "--sensitive", "/diagnosis"]), ["special-categories"]);
}

#[test]
fn a_period_of_retention_runs_from_a_day_that_does_not_move() {
    let place = Place::new();
    place.file("in.jsonl", text("One record is enough for this") + "\n");
    let period = ["ingest", "in.jsonl", "--retention", "24 months"];
    let fixed = place.run([&period[..], &["--retention-from", "2026-11-20", "--out", "a"]].concat()).exits(0);
    assert!(fixed.stderr.contains("24 months from 2026-11-20, until 2028-11-20"), "{}", fixed.stderr);
    let facts = json_of(&place, "a/dataset.json");
    assert_eq!(facts["kept_from"], json!({"date": "2026-11-20", "state": "declared"}));
    assert_eq!(facts["keep_until"], "2028-11-20");
    let page = fs::read_to_string(place.path("a/quality.html")).unwrap();
    assert!(page.contains("24 months from 2026-11-20, until 2028-11-20"));

    let assumed = place.run([&period[..], &["--out", "b", "--json"]].concat()).exits(0);
    assert_eq!(assumed.document()["warnings"][0]["code"], "retention-from");
    assert_eq!(assumed.document()["kept_from"]["state"], "assumed");
    assert!(assumed.stderr.contains("would push its end on"), "{}", assumed.stderr);
    let asked = place.run([&period[..], &["--out", "c", "--require", "retention"]].concat()).exits(3);
    assert!(asked.stderr.contains("MISSING retention_from (owner: data protection officer)"), "{}", asked.stderr);
    assert!(asked.stderr.contains("a period needs the day on which it began"), "{}", asked.stderr);
    let dated = ["ingest", "in.jsonl", "--retention", "2099-01-01", "--require", "retention", "--out", "d"];
    place.run(dated).exits(0);
}

#[test]
fn personal_data_is_counted_by_type_and_the_page_says_what_is_not_searched_for() {
    let place = Place::new();
    let lines = [text("write to ana@corp.com or bo@corp.com"), text("call nobody, mail cy@corp.com, 10.1.2.3")];
    place.file("in.jsonl", lines.join("\n") + "\n");
    let said = place.run(["ingest", "in.jsonl", "--out", "set", "--json"]).exits(0).document();
    let expected = json!([{"label": "EMAIL_ADDRESS", "spans": 3, "records": 2}, {"label": "IP_ADDRESS", "spans": 1, "records": 1}]);
    assert_eq!(said["quality"]["spans_by_label"], expected);
    assert_eq!(said["quality"]["spans"], 4);
    let page = fs::read_to_string(place.path("set/quality.html")).unwrap();
    for said in
        ["EMAIL_ADDRESS</code></th><td>3</td><td>2</td>", "Not searched for", "Health data and the other special"]
    {
        assert!(page.contains(said), "{said}");
    }
}

#[test]
fn evaluation_records_and_several_files() {
    let place = Place::new();
    place.file("a.jsonl", text("Please send the new router to the old address of ours today") + "\n");
    place.file("b.jsonl", text("The invoice for March is too high, two calls were not ours") + "\nnonsense\n");
    place.file("e.jsonl", text("the invoice for march is too high, two calls were not ours") + "\n");
    let args = ["ingest", "a.jsonl", "b.jsonl", "--out", "set", "--evaluation", "e.jsonl", "--name", "both", "--json"];
    let said = place.run(args).exits(3).document();
    assert_eq!(said["name"], "both");
    let bytes = fs::metadata(place.path("b.jsonl")).unwrap().len();
    assert_eq!(said["files"][1], json!({"name": "b.jsonl", "bytes": bytes, "records": 1, "unreadable": 1}));
    let reasons = said["quality"]["reasons"].as_array().unwrap();
    let exact = reasons.iter().find(|reason| reason["code"] == "evaluation-exact").unwrap();
    assert_eq!((&exact["records"], &exact["first"]), (&json!(1), &json!(["b.jsonl:1"])));
    assert_eq!(said["content"]["records"], 1);
}

#[test]
fn people_who_can_be_told_apart_are_counted_and_can_refuse() {
    let place = Place::new();
    let record = |subject: &str, age: u32, zip: &str, ill: &str| {
        json!({"subject": subject, "age": age, "zip": zip, "ill": ill, "text": format!("{subject} wrote {age} words")})
            .to_string()
    };
    let lines = [record("s1", 34, "01234", "flu"), record("s2", 36, "01299", "gout"), record("s3", 51, "99999", "flu")];
    place.file("in.jsonl", lines.join("\n") + "\n");
    let args =
        ["ingest", "in.jsonl", "--out", "set", "--quasi", "/age:10,/zip:3", "--sensitive", "/ill", "--min-k", "2"];
    let ran = place.run([&args[..], &["--population", "30", "--json"]].concat()).exits(3);
    let risk = &ran.document()["risk"];
    assert_eq!((&risk["subjects"], &risk["classes"], &risk["k"]), (&json!(3), &json!(2), &json!(1)));
    assert_eq!(
        (&risk["distinct_l"], &risk["prosecutor_risk"], &risk["journalist_risk"]),
        (&json!(1), &json!(1.0), &json!(0.1))
    );
    assert_eq!(risk["measured_on"]["records"], 3);
    assert!(ran.stderr.contains("refused k-anonymity: k = 1, at least 2 is asked"), "{}", ran.stderr);
    assert!(ran.stderr.contains("not released with an adapter"));
    for said in ["make the values coarser in the records themselves", "/zip (2 values;", "--min-k 2 is acceptable"] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    let bad = place.run(["ingest", "in.jsonl", "--out", "other", "--quasi", "age"]).exits(2);
    assert!(bad.stderr.contains("JSON pointer"), "{}", bad.stderr);
}

#[test]
fn inputs_that_cannot_be_taken_in_are_refused_and_leave_nothing() {
    let place = Place::new();
    place.file("none.jsonl", "\n\n");
    place.file("bad.jsonl", "nonsense\n[1]\n");
    place.file("good.jsonl", text("a good record") + "\n");
    place.file("none/readme.txt", "no records");
    for (file, said) in [
        ("none.jsonl", "the input holds no record"),
        ("bad.jsonl", "`bad.jsonl`: line 1, byte 1: not JSON"),
        ("absent.jsonl", "cannot read `absent.jsonl`"),
        ("none", "the input holds no record"),
    ] {
        let ran = place.run(["ingest", file, "--out", "new/set"]).exits(2);
        assert!(ran.stderr.contains(said), "{file}: {}", ran.stderr);
        assert!(!place.path("new").exists(), "{file}");
    }
    // What was there before stays.
    place.file("there/note", "mine");
    place.run(["ingest", "bad.jsonl", "--out", "there"]).exits(2);
    assert_eq!(fs::read_dir(place.path("there")).unwrap().count(), 1);
    place.run(["ingest", "good.jsonl", "--out", "there/new", "--quarantine", "absent/bad.jsonl"]).exits(2);
    assert!(!place.path("there/new").exists());
    place.file("data/records.jsonl", text("a good record") + "\n");
    for more in [&["--out", "data"][..], &["--out", "set", "--quarantine", "data/records.jsonl"]] {
        let ran = place.run([&["ingest", "data/records.jsonl", "--force"], more].concat()).exits(2);
        assert!(ran.stderr.contains("is read and would be replaced"), "{}", ran.stderr);
    }
    assert!(fs::read_to_string(place.path("data/records.jsonl")).unwrap().contains("a good record"));
    assert!(place.run(["ingest", "-", "-", "--out", "set"]).exits(2).stderr.contains("stdin can be read only once"));
    assert!(place.leftovers().is_empty());
}

#[test]
fn entities_of_annotators_are_scored_as_a_whole() {
    let place = Place::new();
    let said = "Write to ana@corp.com, that is ana@corp.com or 1980.";
    let mention = |start: usize, length: usize, kind: &str, id: &str| json!({"start": start, "end": start + length, "identifier_type": kind, "entity_id": id});
    let mentions = [mention(9, 12, "DIRECT", "e1"), mention(31, 12, "DIRECT", "e1"), mention(47, 4, "QUASI", "e2")];
    place.file("in.jsonl", json!({"id": "d", "text": said}).to_string());
    place.file("gold.jsonl", json!({"id": "d", "text": said, "annotators": {"a": mentions}}).to_string());
    let ran = place.run(["scan", "in.jsonl", "--gold", "gold.jsonl", "--json"]).exits(0);
    let gold = &ran.document()["gold"];
    assert_eq!((&gold["direct_entities"]["found"], &gold["direct_mentions"]["of"]), (&json!(1), &json!(2)));
    assert_eq!(gold["quasi_entities"]["found"], 0);
    assert_eq!(gold["measured_on"], json!({"documents": 1, "annotations": 1}));
    assert!(ran.stderr.contains("direct identifiers"), "{}", ran.stderr);
}

#[test]
fn a_review_needs_a_person() {
    let place = Place::new();
    place.file("in.jsonl", text("write to ana@corp.com") + "\n");
    assert!(place.run(["scan", "in.jsonl", "--review"]).exits(2).stderr.contains("--sample"));
    let ran = place.run(["scan", "-", "--sample", "3", "--review"]).exits(2);
    assert!(ran.stderr.contains("needs its records again"), "{}", ran.stderr);
}

/// Where `script` (util-linux) can give a process a terminal.
#[cfg(target_os = "linux")]
#[test]
fn a_person_at_a_terminal_marks_misses_and_goes_on_later() {
    use std::io::Write as _;
    use std::process::Stdio;
    let place = Place::new();
    place.file(
        "in.jsonl",
        ["ana", "bo", "cy"].map(|name| text(&format!("write to {name}@corp.com, Zebulon")) + "\n").concat(),
    );
    let review_of = |sample: usize, answers: &str| {
        let mut shell = place.shell(&format!(
            "exec script -qec \"'$0' scan in.jsonl --sample {sample} --review --reviewer Ada --json >out.json\" shown"
        ));
        let Ok(mut child) = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            return None;
        };
        child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
        let status = child.wait().unwrap();
        (status.code() != Some(127))
            .then(|| (status.code(), fs::read_to_string(place.path("out.json")).unwrap_or_default()))
    };
    let review = |answers: &str| review_of(2, answers);
    let Some((code, said)) = review("person 1\nhealth 1\n\nq\n") else {
        eprintln!("SKIPPED: there is no `script`");
        return;
    };
    let ran = Ran { code: code.unwrap(), stdout: said, stderr: String::new() }.exits(0);
    assert_eq!(ran.document()["verdict"], "begun");
    let state = fs::read_to_string(place.path("in.jsonl.review.json")).unwrap();
    assert!(!state.contains("corp") && !state.contains("Zebulon"));
    assert!(state.contains("\"reviewer\": \"Ada\"") && state.contains("\"date\": \"20"), "{state}");
    let (code, said) = review("\n").unwrap();
    let ran = Ran { code: code.unwrap(), stdout: said, stderr: String::new() }.exits(0);
    let review = &ran.document()["review"];
    assert_eq!(ran.document()["verdict"], "reviewed");
    let email = &review["by_label"]["EMAIL_ADDRESS"];
    assert_eq!((&email["found"], &email["missed"], &email["upper"]), (&json!(2), &json!(0), &json!(1.0)));
    // 2 of 2: the lower limit is the root of 0.025
    assert!((email["lower"].as_f64().unwrap() - 0.025_f64.sqrt()).abs() < 1e-9);
    assert_eq!(review["by_label"]["PERSON"]["missed"], 1);
    assert_eq!(review["by_label"]["HEALTH"]["missed"], 1);
    let sitting = &review["sittings"][0];
    assert_eq!((&sitting["reviewer"], &sitting["reviewed"]), (&json!("Ada"), &json!(2)));
    assert_eq!(review["records_with_misses"], 1);
    assert!(fs::read_to_string(place.path("shown")).unwrap().contains("EMAIL_ADDRESS"));

    // Where nothing was drawn, nothing is estimated.
    fs::remove_file(place.path("in.jsonl.review.json")).unwrap();
    let (code, said) = review_of(300, "person 1\n\n\n\n").unwrap();
    let ran = Ran { code: code.unwrap(), stdout: said, stderr: String::new() }.exits(0);
    let review = &ran.document()["review"];
    assert_eq!(review["measured_on"]["of"], 3);
    assert_eq!((&review["confidence"], &review["method"]), (&json!(null), &json!("every record was reviewed")));
    let email = &review["by_label"]["EMAIL_ADDRESS"];
    assert_eq!((&email["recall"], &email["lower"], &email["upper"]), (&json!(1.0), &json!(1.0), &json!(1.0)));
    assert_eq!(review["records_with_misses_at_most"], 1.0 / 3.0);
    let shown = fs::read_to_string(place.path("shown")).unwrap();
    assert!(shown.contains("no limits of a sample") && !shown.contains("at most"), "{shown}");
}
