//! Profiles and policies: what each leaves of a value, and what comes back.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use cloister_text::{
    Columns, Error, Label, Originals, Policy, Profile, ReplaceContext, Replacer, Scope, Sealer, Span, SurrogateKey,
    is_valid, protect, read_from,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::detector;

const DATE: Label = Label("DATE_TIME");
const AGE: Label = Label("AGE");

fn key(byte: u8) -> SurrogateKey {
    SurrogateKey::from_bytes([byte; 32])
}

fn replacer(profile: Profile, policy: &str) -> Replacer {
    Replacer::by_policy(key(5), Policy::of(profile).changed_by(policy).unwrap_or_else(|error| panic!("{error}")))
}

fn whole(text: &str, label: Label, kind: Option<&'static str>) -> [Span; 1] {
    [Span { start: 0, end: text.len(), label, score: 1.0, kind }]
}

/// The signs that begin codes, and what counts as the same signs where text is normalised.
const CODES: [char; 6] = ['%', '=', '\u{fe6a}', '\u{ff05}', '\u{fe66}', '\u{ff1d}'];

/// A text with what its codes stand for: `%20` of addresses, `=20` of quoted-printable texts.
fn decoded(text: &str) -> String {
    let mut parts = text.split_inclusive(CODES);
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        if let Some(code) = code {
            result.pop();
            result.push(char::from(code));
        }
        result.push_str(if code.is_some() { &part[2..] } else { part });
    }
    result
}

/// What takes the place of a value that is the whole text of a subject's record.
fn of(replacer: &Replacer, subject: &str, label: Label, text: &str) -> String {
    let context = ReplaceContext { document: "d", subject: Some(subject) };
    replacer.replace(&context, text, &whole(text, label, None)).text
}

#[test]
fn dates_of_a_subject_move_together_and_those_of_others_do_not() {
    let replacer = replacer(Profile::Surrogate, "scope = \"dataset\"");
    let day = |subject: &str, date: &str| -> i64 {
        let new = of(&replacer, subject, DATE, date);
        let parts: Vec<i64> = new.split('-').map(|part| part.parse().unwrap()).collect();
        // Days of a calendar in which every month has 31 are enough to compare within a month.
        parts[0] * 372 + parts[1] * 31 + parts[2]
    };
    let moved: Vec<i64> = (0..20).map(|n| day(&format!("s{n}"), "2020-06-15") - (2020 * 372 + 6 * 31 + 15)).collect();
    assert!(moved.iter().collect::<HashSet<_>>().len() > 10 && moved.iter().all(|offset| *offset != 0), "{moved:?}");
    let spoken = of(&replacer, "s1", DATE, "June 15, 2020");
    let written = of(&replacer, "s1", DATE, "15/06/2020");
    assert_eq!(spoken[spoken.len() - 4..], written[written.len() - 4..]);
}

#[test]
fn whole_weeks_keep_the_weekday() {
    let replacer = replacer(Profile::Surrogate, "[entity.DATE_TIME]\naction = \"shift\"\ndays = 60\nweekday = true");
    for n in 0..20 {
        let new = of(&replacer, &format!("s{n}"), DATE, "Monday, 15 June 2020");
        assert!(new.starts_with("Monday, ") && new != "Monday, 15 June 2020", "{new}");
    }
}

#[test]
fn the_order_of_dates_is_learned_from_the_data() {
    let replacer = replacer(Profile::Surrogate, "");
    let ambiguous = "03/04/2020";
    let with = |seen: &str| {
        let mut originals = Originals::default();
        replacer.remember(&mut originals, &ReplaceContext::default(), seen, &whole(seen, DATE, None));
        of(&replacer.with_originals(originals), "s", DATE, ambiguous)
    };
    assert_ne!(with("25/12/2019"), with("12/25/2019"));
}

#[test]
fn the_safe_harbor_leaves_years_states_and_heads_of_zip_codes() {
    let replacer = replacer(Profile::HipaaSafeHarbor, "[entity.DATE_TIME]\nas_of = 2026");
    let run = |label: Label, kind, text: &str| {
        replacer.replace(&ReplaceContext::default(), text, &whole(text, label, kind)).text
    };
    assert_eq!(run(DATE, None, "March 12, 2020"), "2020");
    assert_eq!(run(DATE, None, "2/8/1935"), "1936 or before");
    assert_eq!(run(DATE, None, "Tuesday"), "<DATE_TIME>");
    assert_eq!((run(AGE, None, "97").as_str(), run(AGE, None, "61").as_str()), ("90+", "61"));
    assert_eq!(run(Label::LOCATION, Some("address"), "12 Main Street, Springfield, IL 62704-1234"), "IL 627");
    assert_eq!(run(Label("ZIP_CODE"), None, "03601"), "000");
    assert_eq!(run(Label::LOCATION, None, "Springfield"), "<LOCATION>");
    assert_eq!(run(Label::LOCATION, None, "Illinois"), "Illinois");
    for (label, value) in [
        (Label::PERSON, "Ana Ruiz"),
        (Label::EMAIL_ADDRESS, "ana.ruiz@corp.com"),
        (Label::PHONE_NUMBER, "(212) 736-5000"),
        (Label::US_SSN, "212-45-6789"),
        (Label("MEDICAL_RECORD_NUMBER"), "MRN-0048213"),
        (Label("HEALTH_PLAN_NUMBER"), "W4471882"),
        (Label("ACCOUNT_NUMBER"), "5577-112"),
        (Label("VEHICLE_ID"), "1HGCM82633A004352"),
        (Label("DEVICE_ID"), "SN-88213-X"),
        (Label::URL, "https://corp.com/ana"),
        (Label::IP_ADDRESS, "10.1.2.3"),
    ] {
        let new = run(label, None, value);
        assert!(new != value && !new.contains('<'), "{label}: {new}");
    }
}

#[test]
fn a_random_table_derives_nothing_from_values_and_keeps_what_it_drew() {
    let names = ["Ana Ruiz", "Bo Chen", "Cleo Hart"];
    let run = |order: &[usize]| -> Vec<String> {
        let replacer = replacer(Profile::HipaaSafeHarbor, "scope = \"dataset\"");
        let mut new = vec![String::new(); names.len()];
        for at in order {
            new[*at] = of(&replacer, "s", Label::PERSON, names[*at]);
        }
        assert_eq!(new[0], of(&replacer, "t", Label::PERSON, names[0]), "one entity, one surrogate");
        new
    };
    assert_ne!(run(&[0, 1, 2]), run(&[2, 1, 0]), "the same key, and another order of draws");
    let keyed = |order: &[usize]| -> Vec<String> {
        let replacer = replacer(Profile::Surrogate, "scope = \"dataset\"");
        order.iter().map(|at| of(&replacer, "s", Label::PERSON, names[*at])).collect()
    };
    assert_eq!(keyed(&[0, 1, 2]), keyed(&[2, 1, 0]).into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn pseudonyms_are_wide_and_keyed() {
    let replacer = replacer(Profile::GdprPseudonymise, "");
    let new = of(&replacer, "s", Label::PERSON, "Ana Ruiz");
    assert!(new.starts_with("PERSON_") && new.len() == "PERSON_".len() + 16, "{new}");
    assert_eq!(of(&replacer, "s", AGE, "43"), "40-44");
    assert_eq!(of(&replacer, "s", Label("NRP"), "Lutheran"), "<NRP>");
    assert_ne!(of(&replacer, "s", DATE, "2020-03-12"), "2020-03-12");
}

#[test]
fn numbers_are_encrypted_in_their_form() {
    let replacer = replacer(
        Profile::Surrogate,
        "[entity.CREDIT_CARD]\naction = \"fpe\"\n[entity.ACCOUNT_NUMBER]\naction = \"fpe\"",
    );
    let card = of(&replacer, "s", Label::CREDIT_CARD, "4556-7375-8689-9855");
    assert!(card != "4556-7375-8689-9855" && card.matches('-').count() == 3);
    assert!(detector().candidates(&card).iter().any(|span| span.label == Label::CREDIT_CARD) || !card.starts_with('4'));
    let accounts: HashSet<String> =
        (0..2000).map(|n| of(&replacer, "s", Label("ACCOUNT_NUMBER"), &format!("{n:04}"))).collect();
    // One to one but for the few that would have stayed and are redacted.
    assert!(accounts.len() > 1990, "{}", accounts.len());
}

#[test]
fn what_a_policy_keeps_is_not_residual() {
    let line = r#"{"text":"Ana Ruiz wrote from ana.ruiz@corp.com"}"#;
    let mut data = read_from(line.as_bytes(), &Columns::default()).ok().unwrap();
    let report =
        protect(&mut data, &detector(), &replacer(Profile::Redact, "[entity.EMAIL_ADDRESS]\naction = \"keep\""));
    assert_eq!(data.records[0].to_json_line(), r#"{"text":"<PERSON> wrote from ana.ruiz@corp.com"}"#);
    assert_eq!(report.kept, BTreeMap::from([(Label::EMAIL_ADDRESS, 1)]));
    assert_eq!((report.replaced.values().sum::<usize>(), report.residual_total()), (1, 0));
}

#[test]
fn a_map_tells_what_took_the_place_of_what() {
    let line = r#"{"id":"ana.ruiz@corp.com","subject":"u7","text":"My name is Ana Ruiz."}"#;
    let mut data = read_from(line.as_bytes(), &Columns::default()).ok().unwrap();
    let replacer = replacer(Profile::HipaaSafeHarbor, "").with_map();
    protect(&mut data, &detector(), &replacer);
    let new = data.records[0].to_json_line();
    let map = replacer.mappings();
    let of = |label: &str| map.iter().find(|mapping| mapping.label == label).unwrap();
    assert_eq!(of("PERSON").original, "Ana Ruiz");
    assert_eq!(of("SUBJECT").original, "u7");
    assert_eq!(of("RECORD_ID").original, "ana.ruiz@corp.com");
    assert!(map.iter().all(|mapping| new.contains(&mapping.replacement)), "{new}");
}

#[test]
fn other_labels_keep_their_form() {
    let replacer = replacer(Profile::Surrogate, "");
    let run = |label: &'static str, value: &str| of(&replacer, "s", Label(label), value);
    let uuid = run("UUID", "0F8FAD5B-D9CB-469F-A165-70867728950E");
    assert!(uuid.as_bytes()[14] == b'4' && uuid.as_bytes()[19] == b'A' && uuid.len() == 36, "{uuid}");
    let name = of(&replacer, "s", Label::PERSON, "Ana Ruiz").to_lowercase();
    assert_eq!(run("USERNAME", "@ana.ruiz"), format!("@{}", crate::replacement::plain(&name).replace(' ', ".")));
    assert!(run("ORGANIZATION", "Frobnitz GmbH").ends_with(" GmbH"));
    assert_ne!(run("UK_POSTCODE", "EH1 1ST"), "EH1 1ST");
    assert!(run("LOCATION", "Hamburg, Germany").contains(", "));
    assert!(run("UK_NHS", "943 476 5919").matches(' ').count() == 2);
}

/// Protects lines so that they come back, and brings them back.
pub(crate) fn there_and_back(original: &str, sealed_by: u8, opened_by: u8) -> Result<Vec<u8>, Error> {
    let mut data = read_from(original.as_bytes(), &Columns::default())?;
    let replacer = Replacer::new(key(sealed_by), Profile::Reversible, Scope::Subject);
    let report = protect(&mut data, &detector(), &replacer);
    assert_eq!(report.residual_total(), 0);
    let opener = Sealer::new(&key(opened_by));
    let lines: Vec<&str> = original.split_inclusive('\n').collect();
    let mut back = Vec::new();
    for (record, line) in data.records.iter().zip(lines) {
        let sealed = replacer.sealer().seal_line(&record.to_json_line(), Some(line.as_bytes()))?;
        back.extend(opener.restore_line(&sealed, record.line)?);
    }
    Ok(back)
}

#[test]
fn sealed_records_come_back_with_their_key_only() {
    let original = concat!(
        "{\"id\": \"ana.ruiz@corp.com\", \"user_id\": 12, \"text\": \"Jos\\u00e9 Ruiz, 212-45-6789\", \"x\": 1.50}\n",
        "{\"subject\":\"Ana Ruiz\",\"text\":\"Mail ana.ruiz@corp.com \\\"now\\\" <PERSON:aaaa>\"}\r\n",
        "{\"text\":\"nothing\"}",
    );
    assert_eq!(there_and_back(original, 1, 1).unwrap(), original.as_bytes());
    assert!(matches!(there_and_back(original, 1, 2), Err(Error::Seal { line: 1 })));
    let plain = "{\"text\":\"nothing\"}\n";
    assert!(there_and_back(plain, 1, 2).is_err(), "a wrong key is told even where nothing was encrypted");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sealed_record_comes_back(text in any::<String>(), subject in any::<Option<i32>>(), mail in any::<bool>()) {
        prop_assume!(!text.contains('\0'));
        let text = if mail { format!("{text} ana.ruiz@corp.com {text}") } else { text };
        let line = json!({"subject": subject, "text": text}).to_string() + "\n";
        prop_assert_eq!(there_and_back(&line, 1, 1).unwrap(), line.as_bytes());
    }

    #[test]
    fn a_date_moves_or_is_hidden_whatever_it_says(
        value in r"([0-9]{1,4}|[A-Z][a-z]{2,8}|[a-zäé]{1,4}|[-/., :'T+]|\PC){1,10}",
        subject in "[a-z]",
    ) {
        let context = ReplaceContext { document: "d", subject: Some(&subject) };
        let shift = replacer(Profile::Surrogate, "");
        let once = shift.replace(&context, &value, &whole(&value, DATE, None));
        let again = shift.replace(&context, &value, &whole(&value, DATE, None));
        prop_assert_eq!(&once.text, &again.text);
        prop_assert!(once.kept.len() == 1 || once.text != value);
        // Of digits, a Safe Harbor leaves those of years.
        let year = replacer(Profile::HipaaSafeHarbor, "").replace(&context, &value, &whole(&value, DATE, None));
        let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
        let years_only = |text: &str, others: usize| (digits(text) + others).is_multiple_of(4);
        let mut holds = years_only(&year.text, 0);
        // Only where there are codes: `=20` is a space, and `=2500` may be a year or a code with text behind it.
        if value.contains(CODES) {
            holds |= years_only(&decoded(&year.text), 0);
        }
        // Only where there are numbers of other scripts: `૨000` is a year too.
        let others = year.text.chars().filter(|c| !c.is_ascii() && c.is_numeric()).count();
        if others > 0 {
            holds |= years_only(&year.text, others) || years_only(&decoded(&year.text), others);
        }
        prop_assert!(holds, "{:?} becomes {:?}", value, year.text);
    }

    #[test]
    fn no_label_yields_its_original(value in r"[A-Za-z0-9][A-Za-z0-9 .,/-]{0,18}[A-Za-z0-9]", seed in any::<u8>()) {
        let replacer = Replacer::new(key(seed), Profile::Surrogate, Scope::Dataset);
        for label in ["ORGANIZATION", "LOCATION", "USERNAME", "US_PASSPORT", "UK_NHS", "MEDICAL_RECORD_NUMBER", "AGE"] {
            let new = replacer.replace(&ReplaceContext::default(), &value, &whole(&value, Label(label), None));
            prop_assert!(new.text != value || !new.kept.is_empty(), "{}", label);
        }
    }
}

fn rows(name: &str) -> Option<Vec<Value>> {
    let vectors = std::env::var_os("CLOISTER_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from);
    match std::fs::read_to_string(vectors.join("../data/pii").join(name)) {
        Ok(text) => Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()),
        Err(_) => {
            eprintln!("SKIPPED: {name} is not beside the vectors; set CLOISTER_VECTORS");
            None
        }
    }
}

/// The labelled spans of a row, with our labels.
fn labelled(row: &Value) -> (String, Vec<Span>) {
    let text = row["text"].as_str().unwrap().to_owned();
    let bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut spans: Vec<Span> = Vec::new();
    for span in row["spans"].as_array().unwrap() {
        let at = |name: &str| bytes[span[name].as_u64().unwrap() as usize];
        let (label, kind) = match span["label"].as_str().unwrap() {
            "STREET_ADDRESS" => ("LOCATION", Some("address")),
            "GPE" => ("LOCATION", None),
            "DOMAIN_NAME" => ("URL", None),
            "TITLE" => continue,
            known => (&*known.to_owned().leak(), None),
        };
        spans.push(Span { start: at("start"), end: at("end"), label: Label(label), score: 1.0, kind });
    }
    spans.sort_by_key(|span| span.start);
    (text, spans)
}

/// The labelled values replaced as if every one had been found: none comes out anywhere.
#[test]
fn vectors_no_surrogate_is_an_original() {
    for (name, distinct) in
        [("presidio_synth_dev.jsonl", 900), ("uner_ewt_dev.jsonl", 500), ("wnut17_train.jsonl", 800)]
    {
        let Some(rows) = rows(name) else { return };
        let rows: Vec<(String, Vec<Span>)> = rows.iter().map(labelled).collect();
        let replacer = Replacer::new(key(9), Profile::Surrogate, Scope::Dataset);
        let mut originals = Originals::default();
        let mut seen: HashSet<(Label, String)> = HashSet::new();
        for (text, spans) in &rows {
            replacer.remember(&mut originals, &ReplaceContext::default(), text, spans);
            seen.extend(spans.iter().map(|span| (span.label, text[span.start..span.end].to_lowercase())));
        }
        assert!(seen.len() > distinct, "{name}: {}", seen.len());
        let replacer = replacer.with_originals(originals);
        let mut changed = 0;
        for (text, spans) in &rows {
            let replaced = replacer.replace(&ReplaceContext::default(), text, spans);
            for span in &replaced.spans {
                // Those follow their originals on purpose.
                if !matches!(span.label.0, "DATE_TIME" | "AGE" | "NRP" | "ZIP_CODE") {
                    let new = replaced.text[span.start..span.end].to_lowercase();
                    assert!(!seen.contains(&(span.label, new.clone())), "{name}, {}: {new:?}", span.label);
                    changed += 1;
                }
            }
        }
        assert!(changed > distinct, "{name}: {changed}");
    }
}

/// Every identifier of the recognisers' cases that is valid gets a surrogate that is.
#[test]
fn vectors_surrogates_pass_the_checks_of_their_kind() {
    let Some(rows) = rows("presidio_cases_dev.jsonl") else { return };
    let (mut checked, mut wrong) = (BTreeMap::<Label, usize>::new(), Vec::new());
    for row in rows.iter().filter(|row| row["kind"] == "analyze") {
        let (text, spans) = labelled(row);
        for span in spans {
            let value = &text[span.start..span.end];
            if is_valid(span.label, value) != Some(true) {
                continue;
            }
            *checked.entry(span.label).or_default() += 1;
            for seed in 0..4 {
                let replacer = Replacer::new(key(seed), Profile::Surrogate, Scope::Dataset);
                let new = of(&replacer, "s", span.label, value);
                if is_valid(span.label, &new) != Some(true) || new == value {
                    wrong.push(format!("{}: {value:?} became {new:?}", span.label));
                }
            }
        }
    }
    eprintln!("{checked:?}");
    assert!(checked.len() > 25 && wrong.is_empty(), "{} kinds, {wrong:#?}", checked.len());
}

/// Protected and scanned again: nothing of what was replaced is left, under every profile.
#[test]
fn vectors_nothing_is_left_after_protection() {
    let Some(rows) = rows("presidio_synth_dev.jsonl") else { return };
    let lines: Vec<String> = rows.iter().map(|row| json!({"id": row["id"], "text": row["text"]}).to_string()).collect();
    let mut values: Vec<HashSet<(Label, String)>> = Vec::new();
    for line in &lines {
        let text: Value = serde_json::from_str(line).unwrap();
        let text = text["text"].as_str().unwrap();
        let spans = detector().detect(text);
        values.push(spans.iter().map(|span| (span.label, text[span.start..span.end].to_owned())).collect());
    }
    for profile in Profile::ALL {
        let mut data = read_from(lines.join("\n").as_bytes(), &Columns::default()).ok().unwrap();
        let report = protect(&mut data, &detector(), &Replacer::new(key(3), profile, Scope::Dataset));
        assert_eq!(report.residual_total(), 0, "{profile}");
        for (record, values) in data.records.iter().zip(&values) {
            let (_, text) = record.fields().next().unwrap();
            // Safe Harbor keeps states and countries.
            let coarse = |label| profile == Profile::HipaaSafeHarbor && label == Label::LOCATION;
            for (_, value) in values.iter().filter(|(label, value)| value.len() > 6 && !coarse(*label)) {
                assert!(!text.contains(value.as_str()), "{profile}: {value:?} in {text:?}");
            }
        }
    }
}
