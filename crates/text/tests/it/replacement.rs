//! Surrogates as a reader of the data would meet them.

use std::path::Path;

use cloister_text::{
    Columns, Dataset, Label, Originals, Profile, ProtectReport, ReplaceContext, Replacer, Scope, Span, SurrogateKey,
    protect, read, read_from, scan,
};
use serde_json::Value;

use crate::detector;

fn one(label: Label, text: &str) -> String {
    let span = Span { start: 0, end: text.len(), label, score: 1.0, kind: None };
    let replacer = Replacer::new(SurrogateKey::from_bytes([5; 32]), Profile::Surrogate, Scope::Dataset);
    replacer.replace(&ReplaceContext::default(), text, &[span]).text
}

fn run(lines: &[&str], profile: Profile, scope: Scope) -> (Vec<Value>, ProtectReport) {
    let mut data = data(lines);
    let report = protect(&mut data, &detector(), &Replacer::new(SurrogateKey::from_bytes([5; 32]), profile, scope));
    (data.records.iter().map(|record| serde_json::from_str(&record.to_json_line()).unwrap()).collect(), report)
}

fn data(lines: &[&str]) -> Dataset {
    read_from(lines.join("\n").as_bytes(), &Columns::default()).ok().unwrap()
}

/// Without diacritics, as names stand in addresses.
pub(crate) fn plain(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    text.nfd().filter(|c| !matches!(c, '\u{300}'..='\u{36f}')).collect::<String>().replace(['ø', 'Ø'], "o")
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

#[test]
fn parts_initials_and_case_of_a_name_agree() {
    let full = one(Label::PERSON, "Ana Ruiz");
    let parts = words(&full);
    assert_eq!(parts.len(), 2);
    assert_eq!(one(Label::PERSON, "Ruiz"), parts[1]);
    assert_eq!(one(Label::PERSON, "Ana"), parts[0]);
    assert_eq!(one(Label::PERSON, "ANA RUIZ"), full.to_uppercase());
    assert_eq!(one(Label::PERSON, "ana ruiz"), full.to_lowercase());
    assert_eq!(one(Label::PERSON, "A. Ruiz"), format!("{}. {}", &parts[0][..1], parts[1]));
    assert_eq!(one(Label::PERSON, "Ruiz, Ana"), format!("{}, {}", parts[1], parts[0]));
    assert_eq!(one(Label::PERSON, "Dr. Ana de Ruiz"), format!("Dr. {} de {}", parts[0], parts[1]));
    let mail = one(Label::EMAIL_ADDRESS, "ana.ruiz@corp.com");
    let (local, host) = mail.split_once('@').unwrap();
    assert_eq!(local, plain(&full).to_lowercase().replace(' ', "."));
    let (label, reserved) = host.split_once('.').unwrap();
    assert!(label.len() > 2 && ["example.org", "example.net", "example.com"].contains(&reserved), "{host}");
    assert!(one(Label::EMAIL_ADDRESS, "bo.li@corp.com").ends_with(&format!("@{host}")), "one domain stays one");
    assert!(one(Label::EMAIL_ADDRESS, "aruiz@corp.com").starts_with(&format!(
        "{}{}@",
        &local[..1],
        plain(parts[1]).to_lowercase()
    )));
}

#[test]
fn numbers_keep_their_form_and_their_checks() {
    let phone = one(Label::PHONE_NUMBER, "(212) 736-5000 x12");
    assert!(phone.starts_with('(') && phone[5..].starts_with(" 555-01") && phone.contains(" x"), "{phone}");
    assert_eq!(&one(Label::PHONE_NUMBER, "+1 212 736 5000")[6..12], " 555 0");
    assert!(one(Label::PHONE_NUMBER, "07911 123456").starts_with("07700 900"));
    assert!(one(Label::PHONE_NUMBER, "+44 20 7123 4567").starts_with("+44 20 7946 0"));
    assert!(one(Label::PHONE_NUMBER, "+33 6 12 34 56 78").starts_with("+33 6 39 98"));
    let german = one(Label::PHONE_NUMBER, "+49 89 1234567");
    assert!(german.starts_with("+49 ") && german.len() == "+49 89 1234567".len() && german != "+49 89 1234567");

    let card = one(Label::CREDIT_CARD, "4556-7375-8689-9855");
    assert!(card.starts_with("4111-11") && card.matches('-').count() == 3);
    let amex = one(Label::CREDIT_CARD, "371449635398431");
    assert!(amex.starts_with("378282") && amex.len() == 15);
    for number in [card, amex] {
        assert!(detector().detect(&number).iter().any(|span| span.label == Label::CREDIT_CARD), "valid by Luhn");
    }

    let iban = one(Label::IBAN_CODE, "GB82 WEST 1234 5698 7654 32");
    assert!(iban.starts_with("GB") && iban.matches(' ').count() == 5);
    assert!(detector().detect(&iban).iter().any(|span| span.label == Label::IBAN_CODE), "valid by MOD 97-10");

    let ssn = one(Label::US_SSN, "212-45-6789");
    assert!(ssn.starts_with('9') && ssn.as_bytes()[3] == b'-');
}

#[test]
fn addresses_come_from_ranges_for_documentation() {
    let ip = one(Label::IP_ADDRESS, "10.20.30.40/24");
    assert!(["192.0.2.", "198.51.100.", "203.0.113."].iter().any(|net| ip.starts_with(net)) && ip.ends_with("/24"));
    assert!(one(Label::IP_ADDRESS, "fe80::1").starts_with("2001:db8:"));
    assert!(one(Label::MAC_ADDRESS, "AA:BB:CC:DD:EE:FF").starts_with("02:"));
    let url = one(Label::URL, "https://ana:pw@www.corp.com:8443/users/ana-ruiz?id=77");
    assert!(
        url.starts_with("https://www.example.")
            && url.contains(":8443/")
            && !url.contains("ana")
            && !url.contains("77")
    );
    let secret = one(Label::CREDENTIAL, "hunter2hunter2");
    assert!(secret.starts_with("EXAMPLE") && secret.len() == 14);
    let street = one(Label::LOCATION, "123 N Main Street Apt 4, Springfield, IL 62704");
    assert!(
        street.contains(" N ")
            && street.contains(" Street Apt ")
            && !street.contains("Springfield")
            && !street.contains("62704")
    );
}

#[test]
fn one_person_stays_one_person_through_a_record() {
    let line = r#"{"id":"t1","subject":"u-77","messages":[{"role":"user","content":"Hi, my name is Ana Ruiz, write to ana.ruiz@corp.com"},{"role":"assistant","content":"Dear Ms. Ruiz, thank you. Ana, we have called you."}]}"#;
    let (records, report) = run(&[line], Profile::Surrogate, Scope::Subject);
    let said = |n: usize| records[0]["messages"][n]["content"].as_str().unwrap();
    for gone in ["Ana", "Ruiz", "ruiz", "corp", "u-77"] {
        assert!(!records[0].to_string().contains(gone), "{gone}");
    }
    let name = said(0).strip_prefix("Hi, my name is ").unwrap();
    let (given, rest) = name.split_once(' ').unwrap();
    let (surname, _) = rest.split_once(',').unwrap();
    assert_eq!(said(1), format!("Dear Ms. {surname}, thank you. {given}, we have called you."));
    assert!(said(0).contains(&plain(&format!("{}.{}@", given.to_lowercase(), surname.to_lowercase()))));
    assert_eq!((report.residual_total(), report.subjects, report.records_changed), (0, 1, 1));
}

#[test]
fn scope_decides_what_stays_linked() {
    let lines = [
        r#"{"id":"1","subject":"s1","text":"Signed: Zoltán Kovács"}"#,
        r#"{"id":"2","subject":"s1","text":"Signed: Zoltán Kovács"}"#,
        r#"{"id":"3","subject":"s2","text":"Signed: Zoltán Kovács"}"#,
    ];
    let texts = |scope| -> Vec<String> {
        run(&lines, Profile::Surrogate, scope).0.iter().map(|record| record["text"].to_string()).collect()
    };
    let (document, subject, dataset) = (texts(Scope::Document), texts(Scope::Subject), texts(Scope::Dataset));
    assert!(document[0] != document[1] && document[1] != document[2]);
    assert!(subject[0] == subject[1] && subject[1] != subject[2]);
    assert!(dataset[0] == dataset[1] && dataset[1] == dataset[2]);
    let subjects: Vec<_> =
        run(&lines, Profile::Redact, Scope::Document).0.iter().map(|r| r["subject"].to_string()).collect();
    assert!(subjects[0] == subjects[1] && subjects[1] != subjects[2]);
    assert!(subjects[0].starts_with("\"subject-") && subjects[0].len() == "\"subject-123456789abc\"".len());
}

#[test]
fn no_surrogate_is_a_name_of_the_data() {
    // Half of the pool of surnames stands in the data; none of them may come out.
    let names = include_str!("../../data/names.txt");
    let surnames: Vec<&str> = names.split("# surname").nth(1).unwrap().split_whitespace().take(2000).collect();
    let capital = |name: &str| name[..1].to_uppercase() + &name[1..];
    let lines: Vec<String> =
        surnames.iter().map(|name| format!("{{\"text\":\"My name is Ana {}.\"}}", capital(name))).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (records, report) = run(&lines, Profile::Surrogate, Scope::Dataset);
    assert!(report.found[&Label::PERSON] > 1800, "{}", report.found[&Label::PERSON]);
    let mut kept = 0;
    for (record, line) in records.iter().zip(&lines) {
        let text = record["text"].as_str().unwrap();
        if line.contains(text) {
            kept += 1;
            continue;
        }
        let new = words(text).last().unwrap().to_lowercase();
        assert!(!surnames.contains(&new.as_str()), "{new}");
    }
    assert!(kept < 40, "{kept} were not found");
}

#[test]
fn identifiers_that_are_personal_data_are_replaced() {
    let (records, report) = run(&[r#"{"id":"ana.ruiz@corp.com","text":"fine"}"#], Profile::Redact, Scope::Subject);
    assert!(records[0]["id"].as_str().unwrap().starts_with("record-"));
    assert_eq!(report.identifiers_replaced, 1);
}

#[test]
fn reports_count_and_hold_no_content() {
    let lines = [r#"{"text":"Mail ana.ruiz@corp.com or call (212) 736-5000"}"#, r#"{"text":"nothing"}"#];
    let report = scan(&data(&lines), &detector());
    assert_eq!((report.records, report.records_with_findings, report.found_total()), (2, 1, 2));
    let json = serde_json::to_string(&report).unwrap();
    assert!(json.contains("\"EMAIL_ADDRESS\":1") && !json.contains("corp"));
}

#[test]
fn protection_counts_what_a_scan_counts_whatever_the_key() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for file in ["tickets.jsonl", "evaluation.jsonl"] {
        let read = || read(&folder.join(file), &Columns::default()).ok().unwrap();
        let scanned = scan(&read(), &detector()).found;
        assert!(!scanned.is_empty() || file != "tickets.jsonl");
        for key in 0..5 {
            let mut data = read();
            let key = SurrogateKey::from_bytes([key; 32]);
            let report = protect(&mut data, &detector(), &Replacer::new(key, Profile::Surrogate, Scope::Subject));
            let mut all = report.found.clone();
            for (label, n) in &report.found_later {
                *all.entry(*label).or_default() += n;
            }
            assert_eq!((&report.found, &report.replaced), (&scanned, &all), "{file}");
            assert_eq!(report.residual_total(), 0, "{file}");
        }
    }
}

#[test]
fn an_abbreviation_of_an_organisation_becomes_none_of_the_data() {
    let letters = |n: usize| ('A'..='Z').nth(n % 26).unwrap();
    // A tenth of all that three letters can be: a surrogate drawn blindly would often be one of them.
    let names: Vec<String> =
        (0..1758).map(|n| n * 10).map(|n| [letters(n), letters(n / 26), letters(n / 676)].iter().collect()).collect();
    let of = |name: &str| [Span { start: 0, end: name.len(), label: Label::ORGANIZATION, score: 1.0, kind: None }];
    let replacer = Replacer::new(SurrogateKey::from_bytes([5; 32]), Profile::Surrogate, Scope::Dataset);
    let mut originals = Originals::default();
    for name in &names {
        replacer.remember(&mut originals, &ReplaceContext::default(), name, &of(name));
    }
    let replacer = replacer.with_originals(originals);
    for name in &names {
        let new = replacer.replace(&ReplaceContext::default(), name, &of(name)).text;
        assert!(!new.is_empty() && !names.contains(&new), "{name} became {new}");
    }
}

#[test]
fn no_part_of_an_address_stays() {
    let text = "I live at 81 Wherryholm Crescent, Newcastle upon Tyne NE14 7BT. My old postcode was EH1 1ST.";
    let line = serde_json::json!({ "text": text }).to_string();
    let (records, report) = run(&[&line], Profile::Surrogate, Scope::Subject);
    let new = records[0]["text"].as_str().unwrap();
    for gone in ["Wherryholm", "Newcastle", "Tyne", "NE14", "7BT", "EH1", "1ST", "5th"] {
        assert!(!new.contains(gone), "{gone} in {new}");
    }
    assert!(new.contains(" Crescent, ") && new.contains(" upon "), "{new}");
    assert_eq!((report.found[&Label::LOCATION], report.residual_total()), (2, 0));
}
