//! People, dates and identifiers as a data protection officer looks at them: one person one replacement, the right gender,
//! the right order of dates, the same places under every profile.

use std::collections::{BTreeMap, BTreeSet};

use cloister_text::{
    Columns, DateOrders, Label, Originals, Profile, ProtectReport, ReplaceContext, Replacer, Scope, Span, SurrogateKey,
    protect, read_from, scan,
};
use serde_json::{Value, json};

use crate::detector;
use crate::replacement::plain;

/// The records after protection under a key, and the report.
fn under(key: u8, profile: Profile, scope: Scope, records: &[Value]) -> (Vec<Value>, ProtectReport) {
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let mut data =
        read_from(lines.join("\n").as_bytes(), &Columns::default()).unwrap_or_else(|error| panic!("{error}"));
    let report = protect(&mut data, &detector(), &Replacer::new(SurrogateKey::from_bytes([key; 32]), profile, scope));
    let new = data.records.iter().map(|record| serde_json::from_str(&record.to_json_line()).unwrap()).collect();
    (new, report)
}

fn text_of(record: &Value) -> String {
    record["text"].as_str().unwrap().to_owned()
}

fn protected(key: u8, profile: Profile, texts: &[&str]) -> Vec<String> {
    let records: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(n, text)| json!({"id": format!("r{n}"), "subject": "s", "text": text}))
        .collect();
    under(key, profile, Scope::Subject, &records).0.iter().map(text_of).collect()
}

/// Days since 1970 of a date in numbers, read in one order.
fn day(date: &str, day_first: bool) -> i64 {
    let parts: Vec<i64> = date.split(['/', '.', '-']).map(|part| part.parse().unwrap()).collect();
    let (day, month, year) = if day_first { (parts[0], parts[1], parts[2]) } else { (parts[1], parts[0], parts[2]) };
    // Howard Hinnant's count of days.
    let y = if month <= 2 { year - 1 } else { year };
    let (era, month) = (y.div_euclid(400), (month + 9) % 12);
    let of_year = (153 * month + 2) / 5 + day - 1;
    let of_era = y.rem_euclid(400) * 365 + y.rem_euclid(400) / 4 - y.rem_euclid(400) / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

fn dates(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '/' && c != '.');
    words.map(|word| word.trim_matches('.').to_owned()).filter(|word| word.matches(['/', '.']).count() == 2).collect()
}

#[test]
fn the_order_of_dates_is_that_of_their_record_then_subject_then_file() {
    let record = |id: &str, subject: &str, text: &str| json!({"id": id, "subject": subject, "text": text});
    let records = [
        record("1", "a", "Patient admitted 02/11/2023, discharged 02/19/2023."),
        record("2", "b", "We met on 11/12/2023 and again on 13/12/2023."),
        record("3", "a", "Seen on 03/04/2023 and on 03/05/2023."),
        record("4", "c", "Seen on 03/04/2023 and on 03/05/2023. The file ends on 25/12/2023."),
        record(
            "5",
            "d",
            "Seen on 03/04/2023 and on 03/05/2023. One on 26/12/2023, one on 12/27/2023, one on 28/12/2023.",
        ),
        record("6", "e", "Seen on 03/04/2023 and on 03/05/2023."),
        record("7", "e", "Eingang 5.2.2024, Antwort 12.2.2024."),
    ];
    for key in 0..8 {
        let (new, report) = under(key, Profile::Surrogate, Scope::Subject, &records);
        let apart = |at: usize, a: usize, b: usize, day_first: bool| {
            let found = dates(&text_of(&new[at]));
            day(&found[b], day_first) - day(&found[a], day_first)
        };
        assert_eq!(apart(0, 0, 1, false), 8, "{}", new[0]);
        assert_eq!(apart(1, 0, 1, true), 2, "{}", new[1]);
        assert_eq!(apart(2, 0, 1, false), 1, "as record 1 of the subject: {}", new[2]);
        assert_eq!(apart(3, 0, 1, true), 30, "{}", new[3]);
        assert_eq!(apart(4, 0, 1, true), 30, "most of the record: {}", new[4]);
        assert_eq!(day(&dates(&text_of(&new[4]))[3], false) - day(&dates(&text_of(&new[4]))[2], true), 1, "{}", new[4]);
        assert_eq!(apart(5, 0, 1, true), 30, "as the file: {}", new[5]);
        assert_eq!(apart(6, 0, 1, true), 7, "{}", new[6]);
        assert_eq!(report.date_orders, DateOrders { day_first: 4, month_first: 2 });
        assert!(report.date_orders.mixed());
    }
}

#[test]
fn ids_are_replaced_where_they_must_be_and_counted_where_not() {
    let records = [
        json!({"id": "MRN00482913", "subject": "s", "text": "John Albright came."}),
        json!({"id": "kowalczyk-anna-1978", "subject": "t", "text": "My name is Anna Kowalczyk."}),
        json!({"id": "akowalczyk78", "subject": "t", "text": "My name is Anna Kowalczyk."}),
        json!({"id": "anna.kowalczyk@firma.de", "subject": "t", "text": "Hello."}),
        json!({"id": "MRN00482913", "subject": "u", "text": "Nothing."}),
        json!({"subject": "u", "text": "No id."}),
    ];
    for profile in Profile::ALL {
        let (new, report) = under(1, profile, Scope::Subject, &records);
        let always = matches!(profile, Profile::HipaaSafeHarbor | Profile::GdprPseudonymise);
        let (replaced, kept) = if always { (5, 0) } else { (3, 2) };
        assert_eq!((report.identifiers_replaced, report.identifiers_kept), (replaced, kept), "{profile}");
        let id = |at: usize| new[at]["id"].as_str().unwrap();
        assert_eq!(id(0), id(4), "{profile}");
        assert_eq!(id(0) == "MRN00482913", !always, "{profile}");
        for at in 1..4 {
            assert!(!id(at).contains("kowalczyk") && !id(at).contains("1978"), "{profile}: {}", id(at));
        }
        assert!(new[5].get("id").is_none());
    }
}

/// Where the placeholders of a redacted text stand in the original, as the pieces between them.
fn pieces(text: &str) -> Vec<String> {
    let mut rest = text;
    let mut found = Vec::new();
    while let Some(start) = rest.find('<') {
        found.push(rest[..start].to_owned());
        rest = &rest[start + rest[start..].find('>').unwrap() + 1..];
    }
    found.push(rest.to_owned());
    found
}

#[test]
fn every_profile_replaces_the_same_places_and_counts_them() {
    let texts = [
        "Herr Müller, geboren am 7.8.1961 in Quakenbrück, wohnhaft Am Alten Markt 3 in 49610 Quakenbrück, ist krank.",
        "Lieber Herr Müller,\n\nanbei die Unterlagen. Müllers Konto: IBAN DE89 3704 0044 0532 0130 00. Herzlich, Ihre Ute Brandt",
        "Dear Mrs Margaret Holloway, Mrs Holloway, as agreed (020 7946 0018), we visit you at 14 Larkspur Road, Bristol BS6 5QT.",
        "Please send it to Fatima Al-Zahrani, c/o Ward 7B, Royal Infirmary; her login is falzahrani.",
        "Patient: John Albright, 93 years old, MRN 00482913. Lives in Concord, NH 03301. Wife: Susan Albright, tel. (603) 555-0147.",
    ];
    let records: Vec<Value> = texts.iter().map(|text| json!({ "text": text })).collect();
    let (redacted, report) = under(1, Profile::Redact, Scope::Subject, &records);
    let mut written: BTreeMap<String, usize> = BTreeMap::new();
    for record in &redacted {
        for label in Label::ALL {
            let n = text_of(record).matches(&format!("<{label}>")).count();
            *written.entry(label.to_string()).or_default() += n;
        }
    }
    written.retain(|_, n| *n > 0);
    let counted: BTreeMap<String, usize> = report.replaced.iter().map(|(label, n)| (label.to_string(), *n)).collect();
    assert_eq!(written, counted);
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let data = read_from(lines.join("\n").as_bytes(), &Columns::default()).ok().unwrap();
    assert_eq!(report.found, scan(&data, &detector()).found);
    let sum = |counts: &BTreeMap<Label, usize>| counts.values().sum::<usize>();
    for profile in Profile::ALL {
        for key in 0..4 {
            let (new, of_profile) = under(key, profile, Scope::Subject, &records);
            assert_eq!((&of_profile.found, &of_profile.found_later), (&report.found, &report.found_later), "{profile}");
            let all = sum(&of_profile.found) + sum(&of_profile.found_later);
            assert_eq!(all, sum(&of_profile.replaced) + sum(&of_profile.kept), "{profile}");
            for (new, redacted) in new.iter().zip(&redacted) {
                // What stands between the placeholders stands in the text, in this order.
                let new = text_of(new);
                let mut from = 0;
                for piece in pieces(&text_of(redacted)) {
                    let at = new[from..].find(&piece);
                    assert!(at.is_some(), "{profile}: {piece:?} is missing in {new}");
                    from += at.unwrap_or(0) + piece.len();
                }
            }
        }
    }
}

/// The lists of surrogates that have a name: `female`, `male`, `surname`.
fn lists_of(name: &str) -> BTreeSet<&'static str> {
    let name = plain(name).to_lowercase();
    let sections = [include_str!("../../data/names.txt"), include_str!("../../data/surrogates.txt")]
        .into_iter()
        .flat_map(|text| text.split("# ").skip(1))
        .filter_map(|section| section.split_once('\n'));
    let has = |names: &str| names.split_whitespace().any(|word| plain(word).to_lowercase() == name);
    sections.filter(|(_, names)| has(names)).filter_map(|(title, _)| title.split_whitespace().last()).collect()
}

fn word_after<'a>(text: &'a str, marker: &str) -> &'a str {
    let rest = text.split_once(marker).unwrap_or_else(|| panic!("{marker:?} is missing in {text}")).1;
    &rest[..rest.find(|c: char| !c.is_alphabetic() && c != '-').unwrap_or(rest.len())]
}

/// The text with surrogates for the names of the cases below, as if all had been found.
fn with_names(key: u8, text: &str) -> String {
    let names = ["Andrea Rossi", "Andrea Schulz", "Nicola Bianchi", "Andrea"];
    let mut spans: Vec<Span> = Vec::new();
    for name in names {
        for (start, _) in text.match_indices(name) {
            let end = start + name.len();
            if spans.iter().all(|span| end <= span.start || span.end <= start) {
                spans.push(Span { start, end, label: Label::PERSON, score: 1.0, kind: None });
            }
        }
    }
    spans.sort_by_key(|span| span.start);
    let replacer = Replacer::new(SurrogateKey::from_bytes([key; 32]), Profile::Surrogate, Scope::Document);
    let (context, mut originals) = (ReplaceContext::default(), Originals::default());
    replacer.remember(&mut originals, &context, text, &spans);
    replacer.with_originals(originals).replace(&context, text, &spans).text
}

#[test]
fn gender_follows_titles_kin_words_and_pronouns() {
    let men = [
        ("Dr. Andrea Rossi told Nicola Bianchi that he (Andrea) would retire.", "Dr. "),
        ("Our guest was Mr. Andrea Rossi.", "Mr. "),
        ("She came with her husband, Andrea Rossi, yesterday.", "her husband, "),
        ("Elle est venue avec son mari, Andrea Rossi.", "son mari, "),
        ("Lo ha detto suo fratello Andrea Rossi.", "fratello "),
        ("Vive con su hijo de 7 años, Andrea Rossi.", ", "),
        ("I met Andrea Rossi. Andrea Rossi is my brother.", "I met "),
        ("My name is Andrea Rossi. He is late.", "My name is "),
    ];
    let women = [
        ("Frau Andrea Schulz kommt.", "Frau "),
        ("Andrea Schulz is his wife.", ""),
        ("Vive con su hija de 7 años, Andrea Rossi.", ", "),
        ("We met Ms. Nicola Bianchi there.", "Ms. "),
    ];
    let men = men.map(|(text, marker)| (text, marker, "male"));
    let women = women.map(|(text, marker)| (text, marker, "female"));
    for (text, marker, want) in men.into_iter().chain(women) {
        for key in 0..6 {
            let new = with_names(key, text);
            let lists = lists_of(word_after(&new, marker));
            assert!(lists.contains(want), "{text}: {new}: {lists:?}");
        }
    }
}

#[test]
fn an_unknown_given_name_becomes_a_given_name() {
    let cases = [
        ("Carmen vive con su hija de 7 años, Nerea.", "años, "),
        ("My name is Xabier Goikoetxea.", "My name is "),
        ("Informe médico. Médico: Dr. Xabier Goikoetxea.", "Dr. "),
    ];
    for (text, marker) in cases {
        for key in 0..10 {
            let new = &protected(key, Profile::Surrogate, &[text])[0];
            let name = word_after(&new.replace("9 años", "7 años"), marker).to_owned();
            assert!(!text.contains(&name), "{new}");
            assert!(is_given(&name), "{text}: {new}");
        }
    }
}

/// Among the given names of a list, or of those that women and men bear.
fn is_given(name: &str) -> bool {
    let lists = lists_of(name);
    let neutral = include_str!("../../src/replace/gender.rs").split_once("const EITHER").unwrap().1;
    let neutral = neutral.split_once(';').unwrap().0;
    lists.contains("female") || lists.contains("male") || neutral.split_whitespace().any(|word| word == name)
}

#[test]
fn one_person_has_one_pseudonym() {
    let texts = [
        "Dear Mrs Margaret Holloway,\n\nThank you for your letter. Mrs Holloway, we will visit you. Yours sincerely, Peter Nwosu",
        "Margaret called again. She said that her husband, Gerald Holloway, died. M. Holloway signed.",
        "My name is Margaret Holloway.",
    ];
    let names = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter(|word| word.starts_with("PERSON_")).map(str::to_owned).collect()
    };
    for profile in [Profile::GdprPseudonymise, Profile::Hash] {
        let new = protected(1, profile, &texts);
        let (first, second, third) = (names(&new[0]), names(&new[1]), names(&new[2]));
        let margaret = &first[0];
        assert_eq!(first.iter().filter(|name| *name == margaret).count(), 2, "{}", new[0]);
        assert_eq!(&second[0], margaret, "{}", new[1]);
        assert_ne!(&second[1], margaret, "Gerald is another: {}", new[1]);
        assert_eq!(&third[0], margaret, "{}", new[2]);
        assert_ne!(first.last(), Some(margaret), "Peter is another: {}", new[0]);
        // Another subject's Margaret is another person.
        let other = under(1, profile, Scope::Subject, &[json!({"subject": "t", "text": texts[2]})]).0;
        assert!(!text_of(&other[0]).contains(margaret.as_str()));
    }
    let new = protected(
        1,
        Profile::GdprPseudonymise,
        &["Mr Novak and Mrs Novak have separated. Mr Novak moved. Mrs Novak stayed."],
    );
    let couple = names(&new[0]);
    assert_eq!((&couple[0], &couple[1]), (&couple[2], &couple[3]), "{}", new[0]);
    assert_ne!(couple[0], couple[1], "{}", new[0]);
}

#[test]
fn the_safe_harbor_reads_well_where_that_is_cheap() {
    let text = "John Albright, a 93-year-old retired judge, was seen on Feb 14, 2023.";
    let new = &protected(1, Profile::HipaaSafeHarbor, &[text])[0];
    assert!(new.ends_with(", a 90-plus-year-old retired judge, was seen on a day in 2023."), "{new}");
}

#[test]
fn monsieur_stays_beside_what_takes_the_place_of_a_name() {
    for (text, keeps) in [
        ("Bonjour, M. Dupré est venu avec sa fille.", "Bonjour, M. "),
        ("Nous avons contacté M. Obrist et il a répondu.", "Nous avons contacté M. "),
        ("Le dossier de M. Jean Dupré est dans le bureau.", "Le dossier de M. "),
    ] {
        for profile in [Profile::Redact, Profile::Surrogate] {
            let new = protected(3, profile, &[text]).remove(0);
            assert!(new.starts_with(keeps), "{profile}: {new}");
            assert!(!new.contains("Dupré") && !new.contains("Obrist") && !new.contains("Jean"), "{profile}: {new}");
        }
    }
    let english =
        protected(3, Profile::Redact, &["I met M. Dupre and his brother at the station with the others."]).remove(0);
    assert!(!english.contains("M. "), "{english}");
}
