//! What takes the place of an encoded value stands in the same code, and is that of the plain value.

use std::collections::HashSet;

use cloister_text::{Columns, Dataset, Profile, Replacer, Scope, SurrogateKey, protect, read_from};
use serde_json::{Value, json};

use crate::detector;
use crate::wrappings::{base64, percent_decoded, protected};

fn protected_records(records: &[Value], profile: Profile) -> Dataset {
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let mut data = read_from(lines.join("\n").as_bytes(), &Columns::default()).ok().unwrap();
    let replacer = Replacer::new(SurrogateKey::from_bytes([5; 32]), profile, Scope::Subject);
    protect(&mut data, &detector(), &replacer);
    data
}

fn new(text: &str, profile: Profile) -> String {
    let (new, residual) = protected(&detector(), text, profile);
    assert_eq!(residual, 0, "{text} became {new}");
    new
}

const WITH_RUNS: [Profile; 2] = [Profile::Surrogate, Profile::Mask];

#[test]
fn a_run_of_base64_leaves_the_codes_in_it_whole() {
    let mail = "mail to zq.ruizova@quintacorp.com please";
    let run = base64(mail, false, true);
    let long = base64(&format!("{mail} {}", "and so on ".repeat(8)), false, true);
    let (first, second) = long.split_at(76);
    // "??>>" gives both signs of base64 that a URL or a string of JSON may escape.
    let signs = base64("mail zq.ruizova@quintacorp.com ??>?>>?", false, true);
    assert!(signs.contains('/') && run.starts_with('b') && run.ends_with('='), "{signs} {run}");
    for profile in WITH_RUNS {
        let body = |text: &str| -> String {
            let new = new(text, profile);
            assert!(!new.contains(&run[4..20]) && !new.contains(&first[4..20]), "{new}");
            new
        };
        let parsed = |text: &str| -> String {
            let new = body(text);
            let value: Value = serde_json::from_str(&new).unwrap_or_else(|error| panic!("{error}: {new}"));
            value["body"].as_str().unwrap().to_owned()
        };
        let lines = parsed(&format!(r#"{{"body":"{first}\n{second}"}}"#));
        assert_eq!(lines.split('\n').map(str::len).collect::<Vec<_>>(), [76, second.len()], "{lines}");
        assert_eq!(parsed(&format!(r#"{{"body":"{}"}}"#, signs.replace('/', "\\/"))).len(), signs.len());
        assert_eq!(parsed(&format!(r#"{{"body":"\u0062{}"}}"#, &run[1..])).len(), run.len());
        let field = body(&format!("body={first}%0A{second}&x=1"));
        assert_eq!(percent_decoded(&field).find('\n'), Some("body=".len() + 76), "{field}");
        let padded = body(&format!("body={}&x=1", run.replace('=', "%3D")));
        assert_eq!(percent_decoded(&padded).matches('=').count(), 2 + run.matches('=').count(), "{padded}");
        assert!(!padded.replace("%3D", "").contains('%'), "{padded}");
        let reference = body(&format!("<p>&#98;{}</p>", &run[1..]));
        assert!(!reference.contains(['&', '#', ';']), "{reference}");
    }
}

#[test]
fn of_a_masked_run_of_base64_no_sign_stays() {
    for url in [false, true] {
        let run = base64("mail zq.ruizova@quintacorp.com ??>?>>?", url, false);
        assert!(run.contains(['+', '/', '-', '_']), "{run}");
        assert_eq!(new(&format!("blob {run} end"), Profile::Mask), format!("blob {} end", "*".repeat(run.len())));
    }
}

#[test]
fn a_mask_leaves_codes_whole() {
    for (text, masked) in [
        (r#"{"t":"Ana\u0020Ruiz"}"#, r#"{"t":"***\u0020****"}"#),
        ("name=Ana%20Ruiz&x=1", "name=***%20****&x=1"),
        ("name=Ana%2520Ruiz&x=1", "name=***%2520****&x=1"),
        ("mail ana.ruiz&#64;corp.com now", "mail ***.****&#64;****.*** now"),
    ] {
        assert_eq!(new(text, Profile::Mask), masked);
    }
}

#[test]
fn encoded_dates_say_in_which_order_dates_are_written() {
    let records = [
        json!({"subject": "s1", "text": "born=25%2F12%2F1980&seen=03%2F04%2F2020"}),
        json!({"subject": "s1", "text": "He was seen on 04/04/2020 again."}),
    ];
    let data = protected_records(&records, Profile::Surrogate);
    let dates: Vec<(i32, i32)> = data
        .records
        .iter()
        .flat_map(|record| record.fields().map(|(_, text)| percent_decoded(text)).collect::<Vec<_>>())
        .filter(|text| text.contains('/'))
        .flat_map(|text| {
            let words = text.split(|c: char| !c.is_ascii_digit() && c != '/').map(str::to_owned).collect::<Vec<_>>();
            words.into_iter().filter(|word| word.matches('/').count() == 2).collect::<Vec<_>>()
        })
        .map(|date| {
            let parts: Vec<i32> = date.split('/').map(|part| part.parse().unwrap()).collect();
            (parts[0], parts[1])
        })
        .collect();
    let [_, (third, _), (fourth, _)] = dates[..] else { panic!("{dates:?}") };
    assert!(fourth == third + 1 || fourth == 1, "a day apart: {dates:?}");
}

/// The tags of a profile that counts.
fn tags(text: &str) -> Vec<String> {
    let new = new(text, Profile::Hash);
    let starts = new.match_indices("PERSON_").map(|(at, _)| at);
    starts.map(|at| new[at..].chars().take("PERSON_".len() + 8).collect()).collect()
}

#[test]
fn encoded_names_are_joined_with_plain_ones() {
    for (text, count) in [
        (r#"Ana Ruiz wrote. name=Ana%20Ruiz&x=1 and {"n":"Ana\u0020Ruiz"} and Ana&nbsp;Ruiz"#, 4),
        ("Liam O'Connor wrote. <p>Liam O&#39;Connor</p>", 2),
    ] {
        let tags = tags(text);
        assert_eq!((tags.len(), tags.iter().collect::<HashSet<_>>().len()), (count, 1), "{tags:?}");
    }
}

#[test]
fn an_id_is_compared_with_what_encoded_names_say() {
    let text = "name=Mar%C3%ADa%20Gonz%C3%A1lez&x=1";
    let ids = ["maría-gonzález", "ada-ticket-7", "mar-gonz-2020"];
    let records = ids.map(|id| json!({"id": id, "text": text}));
    let data = protected_records(&records, Profile::Surrogate);
    let kept: Vec<bool> = data.records.iter().zip(ids).map(|(record, id)| record.id == id).collect();
    assert_eq!(kept, [false, true, true]);
}

#[test]
fn a_url_stays_one_in_json_and_html() {
    for profile in WITH_RUNS {
        let text = r#"{"u":"https://corp.com/u/maria.gonzalez?x=1\u0026y=2","v":"https:\/\/corp.com\/a\/maria"}"#;
        let new_text = new(text, profile);
        let value: Value = serde_json::from_str(&new_text).unwrap_or_else(|error| panic!("{error}: {new_text}"));
        assert_eq!(value["u"].as_str().unwrap().matches('&').count(), 1, "{new_text}");
        let other = value["v"].as_str().unwrap();
        assert!(other.contains("://") && !new_text.contains("maria"), "{new_text}");
        let html = new(r#"<a href="https://corp.com/u/&#77;aria?x=1&amp;y=2">x</a>"#, profile);
        assert_eq!((html.matches('&').count(), html.matches("&amp;").count()), (1, 1), "{html}");
    }
}

#[test]
fn a_sign_that_begins_no_code_changes_nothing() {
    let new = new("Invoice from Smith & \u{ff2a}ones Ltd was paid.", Profile::Surrogate);
    assert!(new.contains(" & ") && !new.contains("&amp;"), "{new}");
}
