//! What holds of data after protection, on labelled text of every kind and over generated input.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read};

use cloister_text::{
    Columns, Dataset, Label, Originals, Profile, Reading, ReplaceContext, Replacer, Scope, Source, SurrogateKey,
    code_points, is_valid, protect, read_from, read_source, scan,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::vectors::rows;
use crate::wrappings::{entities_decoded, json_decoded, percent_decoded, quoted_decoded};
use crate::{detector, rules};

const FILES: [&str; 9] = [
    "presidio_cases_dev.jsonl",
    "presidio_synth_dev.jsonl",
    "wnut17_train.jsonl",
    "wnut17_dev.jsonl",
    "btc_abefg.jsonl",
    "wikigold_train.jsonl",
    "sec_fin5_train.jsonl",
    "uner_ewt_dev.jsonl",
    "meddocan_es_dev.jsonl",
];

/// What a checksum, a form or a word beside it tells, and no tagger.
fn is_structured(label: Label) -> bool {
    !matches!(label.0, "PERSON" | "LOCATION" | "ORGANIZATION" | "NRP" | "DATE_TIME" | "AGE" | "USERNAME")
}

/// Whether a value, bare, is what we put in the place of one: a label and hexadecimal digits.
fn is_ours(value: &str) -> bool {
    Label::ALL.iter().any(|label| {
        let rest = value.strip_prefix(bare(label.0).as_str());
        rest.is_some_and(|rest| matches!(rest.len(), 8 | 16) && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}

fn replacer(profile: Profile, scope: Scope) -> Replacer {
    Replacer::new(SurrogateKey::from_bytes([3; 32]), profile, scope)
}

fn dataset(lines: &str) -> Dataset {
    read_from(lines.as_bytes(), &Columns::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Letters and digits alone, so that grouping and case do not hide an identifier.
fn bare(value: &str) -> String {
    value.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The structured identifiers of every record, bare, without those that are too short to be told from chance.
fn identifiers(data: &Dataset) -> Vec<HashSet<(Label, String)>> {
    let detector = rules();
    let of_record = |record: &cloister_text::Record| {
        let texts: Vec<&str> = record.fields().map(|(_, text)| text).collect();
        let found = detector.detect_document(&texts);
        let values = texts.iter().zip(&found).flat_map(|(text, spans)| {
            let structured = spans.iter().filter(|span| is_structured(span.label));
            structured.map(|span| (span.label, bare(&text[span.start..span.end])))
        });
        values.filter(|(_, value)| !value.is_empty()).collect()
    };
    data.records.iter().map(of_record).collect()
}

/// Protects a file under every profile and searches what came of it.
fn nothing_is_left(name: &str) {
    let Some(rows) = rows(name) else { return };
    let lines: Vec<String> = rows.iter().map(|row| json!({"id": row["id"], "text": row["text"]}).to_string()).collect();
    let lines = lines.join("\n");
    let originals = identifiers(&dataset(&lines));
    let all: HashSet<&(Label, String)> = originals.iter().flatten().collect();
    let mut wrong = Vec::new();
    for profile in [
        Profile::Surrogate,
        Profile::Redact,
        Profile::Mask,
        Profile::Hash,
        Profile::GdprPseudonymise,
        Profile::HipaaSafeHarbor,
    ] {
        let mut data = dataset(&lines);
        let report = protect(&mut data, &detector(), &replacer(profile, Scope::Dataset));
        let residual: usize = report.residual.iter().filter(|(label, _)| is_structured(**label)).map(|(_, n)| n).sum();
        if residual > 0 {
            wrong.push(format!("{profile}: {:?} residual", report.residual));
        }
        let makes_values = matches!(profile, Profile::Surrogate | Profile::HipaaSafeHarbor);
        for (record, new) in data.records.iter().zip(identifiers(&data)) {
            let (_, text) = record.fields().next().unwrap();
            for (label, value) in new {
                // A made-up value is found again, and is nobody's.
                if !is_ours(&value) && (!makes_values || all.contains(&(label, value.clone()))) {
                    wrong.push(format!("{profile}, {}: {label} {value:?} is found in {text:?}", record.id));
                }
            }
        }
    }
    eprintln!("{name}: {} identifiers", all.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

macro_rules! files {
    ($($test:ident = $index:literal;)+) => {
        $(#[test] fn $test() { nothing_is_left(FILES[$index]); })+
    };
}

files! {
    vectors_nothing_structured_is_left_of_recogniser_cases = 0;
    vectors_nothing_structured_is_left_of_synthetic_sentences = 1;
    vectors_nothing_structured_is_left_of_emerging_entities = 2;
    vectors_nothing_structured_is_left_of_emerging_entities_dev = 3;
    vectors_nothing_structured_is_left_of_tweets = 4;
    vectors_nothing_structured_is_left_of_encyclopaedia = 5;
    vectors_nothing_structured_is_left_of_contracts = 6;
    vectors_nothing_structured_is_left_of_web_text = 7;
    vectors_nothing_structured_is_left_of_clinical_cases = 8;
}

/// Over all records of the shared sets: offsets, one surrogate for one entity, valid ones for valid ones, and none that
/// is an original.
#[test]
fn vectors_surrogates_are_consistent_valid_and_new() {
    let detector = detector();
    for name in FILES {
        let Some(rows) = rows(name) else { return };
        let replacer = replacer(Profile::Surrogate, Scope::Dataset);
        let mut originals = Originals::default();
        let mut found = Vec::new();
        let mut seen: HashSet<(Label, String)> = HashSet::new();
        for (document, row) in rows.iter().enumerate() {
            let text = row["text"].as_str().unwrap();
            let spans = detector.detect(text);
            for (span, (start, end)) in spans.iter().zip(code_points(text, &spans)) {
                let value = text.get(span.start..span.end).expect("borders of characters");
                assert_eq!((start, end - start), (text[..span.start].chars().count(), value.chars().count()));
                seen.insert((span.label, value.to_lowercase()));
            }
            let context = ReplaceContext { document: &document.to_string(), subject: None };
            replacer.remember(&mut originals, &context, text, &spans);
            found.push((text, spans));
        }
        let replacer = replacer.with_originals(originals);
        let mut surrogates: HashMap<(Label, &str), String> = HashMap::new();
        let mut valid = BTreeMap::<Label, usize>::new();
        for (document, (text, spans)) in found.iter().enumerate() {
            let document = document.to_string();
            let replaced = replacer.replace(&ReplaceContext { document: &document, subject: None }, text, spans);
            for (old, new) in spans.iter().zip(&replaced.spans) {
                let (value, new) = (&text[old.start..old.end], &replaced.text[new.start..new.end]);
                let label = old.label;
                // Dates and ages belong to a person and follow their originals.
                if matches!(label.0, "DATE_TIME" | "AGE") {
                    continue;
                }
                let first = surrogates.entry((label, value)).or_insert_with(|| new.to_owned());
                assert_eq!(first, new, "{name}: {label} {value:?}");
                assert!(!seen.contains(&(label, new.to_lowercase())), "{name}: {label} {value:?} became {new:?}");
                if is_valid(label, value) == Some(true) && old.kind != Some("base64") {
                    assert_eq!(is_valid(label, new), Some(true), "{name}: {label} {value:?} became {new:?}");
                    *valid.entry(label).or_default() += 1;
                }
            }
        }
        eprintln!("{name}: {} surrogates, valid {valid:?}", surrogates.len());
    }
}

#[test]
fn vectors_reversible_text_comes_back_to_the_byte() {
    for name in ["presidio_synth_dev.jsonl", "meddocan_es_dev.jsonl"] {
        let Some(rows) = rows(name) else { return };
        let lines: String =
            rows.iter().map(|row| json!({"id": row["id"], "text": row["text"]}).to_string() + "\n").collect();
        let back = crate::profiles::there_and_back(&lines, 1, 1).unwrap_or_else(|error| panic!("{error}"));
        assert!(back == lines.as_bytes(), "{name}");
        assert!(crate::profiles::there_and_back(&lines, 1, 2).is_err(), "{name}: another key");
    }
}

/// Gives a few bytes at a time.
struct Drops<'a>(&'a [u8], usize);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1 % 7 + 1;
        let count = self.1.min(self.0.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// However the bytes of a file arrive, and whatever its format, the same is found.
#[test]
fn vectors_chunks_of_a_file_change_nothing() {
    let Some(rows) = rows("presidio_synth_dev.jsonl") else { return };
    let records: Vec<Value> =
        rows.iter().map(|row| json!({"id": row["id"].to_string(), "text": row["text"]})).collect();
    let lines: String = records.iter().map(|record| record.to_string() + "\n").collect();
    let array = json!(records).to_string();
    let quoted = |value: &Value| format!("\"{}\"", value.as_str().unwrap().replace('"', "\"\""));
    let table: String = records.iter().map(|r| format!("{},{}\n", quoted(&r["id"]), quoted(&r["text"]))).collect();
    let table = format!("id,text\n{table}");
    let columns = Columns::default();
    let detector = rules();
    let whole = scan(&dataset(&lines), &detector);
    for (input, name) in [(&lines, "x.jsonl"), (&array, "x.json"), (&table, "x.csv")] {
        let dropped = read_source(Source::from_reader(Drops(input.as_bytes(), 0), name), &columns).ok().unwrap();
        assert_eq!(scan(&dropped, &detector), whole, "{name}");
        let mut source = Source::from_reader(Drops(input.as_bytes(), 3), name);
        let (reading, mut count) = (Reading::mending(&columns), 0);
        while let Some(chunk) = source.next_chunk() {
            count += chunk.read(&reading, &mut None).unwrap_or_else(|error| panic!("{error}")).records.len();
        }
        assert_eq!(count, records.len(), "{name}");
    }
}

/// Whatever stands before a hidden identifier, it is found where it is: also across the borders of parts in which a long
/// text is read.
#[test]
fn the_borders_of_parts_of_a_text_change_nothing() {
    const PART: usize = 256 * 1024;
    let detector = rules();
    let hidden = "ana.ruiz&#64;corp.com";
    for before in (PART - 40..PART + 12).step_by(3) {
        let filler = "lorem ipsum dolor sit amet consectetur ".repeat(before / 39 + 1);
        let text = format!("{} {hidden} {}", &filler[..before], &filler[..300]);
        let found: Vec<_> = detector.detect(&text).iter().map(|span| (span.start, span.end, span.label)).collect();
        assert_eq!(found, [(before + 1, before + 1 + hidden.len(), Label::EMAIL_ADDRESS)], "{before}");
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A date in one of six forms, and its days read back from such a form.
fn written(form: usize, (year, month, day): (i64, i64, i64)) -> String {
    let name = MONTHS[month as usize - 1];
    match form {
        0 => format!("{year}-{month:02}-{day:02}"),
        1 => format!("{name} {day}, {year}"),
        2 => format!("{day} {name} {year}"),
        3 => format!("{} {day}, {year}", &name[..3]),
        4 => format!("{day:02}/{month:02}/{year}"),
        _ => format!("{year}/{month:02}/{day:02}"),
    }
}

fn read_days(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let [a, b, c] = words[..] else { return None };
    let month = |word: &str| MONTHS.iter().position(|name| name.starts_with(word)).map(|at| at as i64 + 1);
    let number = |word: &str| word.parse::<i64>().ok();
    match (number(a), number(b), number(c)) {
        (Some(day), Some(month), Some(year)) if c.len() == 4 => Some(days(year, month, day)),
        (Some(year), Some(month), Some(day)) => Some(days(year, month, day)),
        (None, Some(day), Some(year)) => Some(days(year, month(a)?, day)),
        (Some(day), None, Some(year)) => Some(days(year, month(b)?, day)),
        _ => None,
    }
}

/// A text with its signs as they are, percent-encoded, escaped as in a string of JSON, as references of HTML, or in
/// quoted-printable on two lines; and back.
fn encoded(code: usize, text: &str) -> String {
    let one = |c: char| match (c.is_ascii_alphanumeric(), code) {
        (false, 1) => format!("%{:02X}", c as u32),
        (false, 2) => format!("\\u{:04x}", c as u32),
        (false, 3) => format!("&#{};", c as u32),
        (false, 4) => format!("={:02X}", c as u32),
        _ => c.to_string(),
    };
    let mut signs: Vec<String> = text.chars().map(one).collect();
    if code == 4 {
        signs.insert(signs.len() / 2, "=\n".into());
    }
    signs.concat()
}

fn decoded(code: usize, text: &str) -> String {
    match code {
        1 => percent_decoded(text),
        2 => json_decoded(text),
        3 => entities_decoded(text),
        4 => quoted_decoded(text),
        _ => text.to_owned(),
    }
}

fn date() -> impl Strategy<Value = (i64, i64, i64)> {
    (1950..2030_i64, 1..=12_i64, 1..=28_i64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn intervals_between_the_dates_of_a_subject_stay(
        mut dates in prop::collection::vec((date(), 0..6_usize, 0..5_usize), 2..5), key in any::<u8>(), code in 0..5_usize,
        profile in prop_oneof![Just(Profile::Surrogate), Just(Profile::GdprPseudonymise)],
    ) {
        // One whose day can be no month, so that the order of all is known.
        dates.push(((1980, 12, 25), 4, code));
        let text = |(date, form, code): &((i64, i64, i64), usize, usize)| {
            format!("seen on {} again", encoded(*code, &written(*form, *date)))
        };
        let lines: Vec<String> =
            dates.iter().map(|date| json!({"subject": "s1", "text": text(date)}).to_string()).collect();
        let mut data = dataset(&lines.join("\n"));
        let key = SurrogateKey::from_bytes([key; 32]);
        protect(&mut data, &detector(), &Replacer::new(key, profile, Scope::Subject));
        let moved: Vec<i64> = data.records.iter().zip(&dates).map(|(record, (date, _, code))| {
            let (_, text) = record.fields().find(|(place, _)| place.to_string() == "/text").unwrap();
            let new = text.strip_prefix("seen on ").and_then(|rest| rest.strip_suffix(" again")).unwrap();
            read_days(&decoded(*code, new)).unwrap_or_else(|| panic!("{new}")) - days(date.0, date.1, date.2)
        }).collect();
        prop_assert!(moved[0] != 0 && moved.iter().all(|by| *by == moved[0]), "{:?}", moved);
    }

    /// Structured identifiers between words, each in its own record and all in one: none stays, none is found again.
    #[test]
    fn what_was_replaced_is_not_found_again(
        values in prop::collection::vec(prop_oneof![
            "[a-z]{3,8}\\.[a-z]{3,8}@[a-z]{4,9}\\.(com|de|co\\.uk)",
            "\\+1 \\(2[0-9]2\\) [2-9][0-9]{2}-[0-9]{4}",
            "10\\.[0-9]{1,2}\\.[0-9]{1,2}\\.[1-9][0-9]",
            "https://[a-z]{4,9}\\.com/[a-z]{3,9}/[0-9]{3,6}",
            "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}",
            "ssn [1-5][0-9]{2}-[1-9][0-9]-[1-9][0-9]{3}",
            "AKIA[A-Z2-7]{16}",
            "(?:[0-9A-F]{2}:){5}[0-9A-F]{2}",
        ], 1..6),
        glue in prop_oneof![Just(" "), Just(", "), Just("\n"), Just("; also "), Just("\t")],
        profile in prop::sample::select(vec![Profile::Surrogate, Profile::Redact, Profile::Mask, Profile::Hash,
            Profile::GdprPseudonymise, Profile::HipaaSafeHarbor]),
    ) {
        let joined = values.join(glue);
        let lines: Vec<String> = values.iter().chain([&joined]).map(|text| json!({"text": text}).to_string()).collect();
        let before = dataset(&lines.join("\n"));
        let originals: HashSet<(Label, String)> = identifiers(&before).into_iter().flatten().collect();
        let mut data = dataset(&lines.join("\n"));
        let report = protect(&mut data, &detector(), &replacer(profile, Scope::Dataset));
        prop_assert_eq!(report.residual_total(), 0);
        for found in identifiers(&data).into_iter().flatten() {
            prop_assert!(!originals.contains(&found), "{:?}", found);
        }
    }
}
