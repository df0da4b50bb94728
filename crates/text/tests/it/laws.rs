//! Laws over generated input.

use cloister_text::{
    Columns, Label, Profile, ReplaceContext, Replacer, Scope, Span, SurrogateKey, code_points, protect, read_from,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::detector;

/// Pieces of text, many of them personal data, glued in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("Ana Ruiz".to_owned()),
        Just("Dr. Smith".to_owned()),
        Just("ana.ruiz@corp.com".to_owned()),
        Just("415-555-0132".to_owned()),
        Just("+44 20 7946 0958".to_owned()),
        Just("4111 1111 1111 1111".to_owned()),
        Just("DE89 3704 0044 0532 0130 00".to_owned()),
        Just("078-05-1123".to_owned()),
        Just("192.168.0.1".to_owned()),
        Just("2001:db8::1".to_owned()),
        Just("https://corp.com/u/7?x=1".to_owned()),
        Just("https://web.archive.org/web/2020/https://example.com/a?b=ftp://corp.com".to_owned()),
        Just("a1\u{301}@corp.com".to_owned()),
        "[\u{300}\u{301}a1' ]{1,4}",
        Just("password: hunter2".to_owned()),
        Just("12 Main Street, Springfield, IL 62704".to_owned()),
        Just("🙂é東京".to_owned()),
        Just("Freitag, den 5. Mai 2021 um 14:30 Uhr".to_owned()),
        Just("born 2021-05-21T10:00:00Z".to_owned()),
        Just("May 3-5, 2021".to_owned()),
        Just("a 45-year-old".to_owned()),
        Just("@quiet_fox".to_owned()),
        Just("username: quiet_fox".to_owned()),
        Just("123e4567-e89b-42d3-a456-426614174000".to_owned()),
        Just("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".to_owned()),
        Just("1er".to_owned()),
        Just("\u{201c}".to_owned()),
        Just("\u{201d}\u{2013}".to_owned()),
        "[0-9]{1,2}[./:-][0-9]{1,2}[./:-][0-9]{2,4}",
        Just("my phone number is".to_owned()),
        "[ \\n,.:;@()<>'\"-]{1,3}",
        "[0-9]{1,12}",
        "[A-Za-z]{1,10}",
        any::<String>(),
    ];
    let glue = prop_oneof![4 => Just(" "), 1 => Just("")];
    (prop::collection::vec(piece, 0..12), glue).prop_map(|(pieces, glue)| pieces.join(glue))
}

fn replacer(key: u8, profile: Profile) -> Replacer {
    Replacer::new(SurrogateKey::from_bytes([key; 32]), profile, Scope::Dataset)
}

fn dataset(text: &str) -> Option<cloister_text::Dataset> {
    read_from(json!({ "text": text }).to_string().as_bytes(), &Columns::default()).ok()
}

#[test]
fn whatever_a_subject_is_no_replacement_moves_to_another_text() {
    for subject in [json!(["Anna Schmidt"]), json!({"who": "Anna Schmidt"}), json!(7), json!(1e300), json!(null)] {
        let line = json!({ "subject": subject, "text": "Hello world, all is fine; mail ana.ruiz@corp.com." });
        let mut data = read_from(line.to_string().as_bytes(), &Columns::default()).unwrap_or_else(|e| panic!("{e}"));
        let report = protect(&mut data, &detector(), &replacer(1, Profile::Redact));
        let line = data.records[0].to_json_line();
        assert!(line.contains("Hello world, all is fine; mail <EMAIL_ADDRESS>."), "{line}");
        assert!(!line.contains("Anna Schmidt"), "{line}");
        assert_eq!(report.residual_total(), 0);
    }
}

#[test]
fn personal_data_in_the_name_of_a_member_is_residual() {
    let line = json!({ "text": "t", "user.name": 1, "contacts": [{ "Anna <anna.schmidt@corp.com>": true }] });
    let mut data = read_from(line.to_string().as_bytes(), &Columns::default()).unwrap_or_else(|e| panic!("{e}"));
    let report = protect(&mut data, &detector(), &replacer(1, Profile::Surrogate));
    assert_eq!((report.personal_names, report.found.len()), (1, 0));
    assert_eq!(report.residual.get(&Label::EMAIL_ADDRESS), Some(&1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spans_are_sorted_apart_and_on_boundaries(text in pieces()) {
        let spans = detector().detect(&text);
        for span in &spans {
            prop_assert!(span.start < span.end && text.get(span.start..span.end).is_some());
            prop_assert!((0.0..=1.0).contains(&span.score));
        }
        prop_assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start));
        for span in detector().candidates(&text) {
            prop_assert!(text.get(span.start..span.end).is_some_and(|t| !t.is_empty()));
        }
    }

    #[test]
    fn code_points_agree_with_counting(text in any::<String>(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        bounds.push(text.len());
        let mut picked: Vec<usize> = cuts.iter().map(|cut| bounds[cut.index(bounds.len())]).collect();
        picked.sort_unstable();
        let spans: Vec<Span> = picked
            .windows(2)
            .map(|pair| Span { start: pair[0], end: pair[1], label: Label::PERSON, score: 1.0, kind: None })
            .collect();
        let want: Vec<_> = spans.iter().map(|s| (text[..s.start].chars().count(), text[..s.end].chars().count())).collect();
        prop_assert_eq!(code_points(&text, &spans), want);
    }

    #[test]
    fn after_redaction_nothing_is_found(text in pieces()) {
        let Some(mut data) = dataset(&text) else { return Ok(()) };
        let report = protect(&mut data, &detector(), &replacer(1, Profile::Redact));
        prop_assert_eq!(report.residual_total(), 0);
        let line: Value = serde_json::from_str(&data.records[0].to_json_line()).unwrap();
        prop_assert_eq!(detector().detect(line["text"].as_str().unwrap()), vec![]);
    }

    #[test]
    fn replacement_depends_on_the_key_alone(text in pieces()) {
        let spans = detector().detect(&text);
        let context = ReplaceContext::default();
        for profile in [Profile::Surrogate, Profile::Hash] {
            let run = |key| replacer(key, profile).replace(&context, &text, &spans).text;
            prop_assert_eq!(run(1), run(1));
            // One short value may meet the same surrogate twice; three may not.
            if spans.len() > 2 {
                prop_assert_ne!(run(1), run(2));
            }
        }
    }

    #[test]
    fn no_surrogate_equals_its_original(text in pieces(), key in any::<u8>()) {
        let spans = detector().detect(&text);
        let replaced = replacer(key, Profile::Surrogate).replace(&ReplaceContext::default(), &text, &spans);
        prop_assert_eq!(replaced.spans.len(), spans.len());
        for (old, new) in spans.iter().zip(&replaced.spans) {
            prop_assert_ne!(&text[old.start..old.end], &replaced.text[new.start..new.end]);
        }
    }

    #[test]
    fn text_outside_spans_is_kept(text in pieces()) {
        let spans = detector().detect(&text);
        let replaced = replacer(3, Profile::Surrogate).replace(&ReplaceContext::default(), &text, &spans);
        let outside = |text: &str, spans: &[Span]| {
            let mut rest = Vec::new();
            let mut at = 0;
            for span in spans {
                rest.push(text[at..span.start].to_owned());
                at = span.end;
            }
            rest.push(text[at..].to_owned());
            rest
        };
        prop_assert_eq!(outside(&text, &spans), outside(&replaced.text, &replaced.spans));
    }

    #[test]
    fn the_reader_survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_from(bytes.as_slice(), &Columns::default());
    }

    #[test]
    fn the_reader_survives_broken_records(
        line in r#"[{]("messages"|"prompt"|"text"|"conversations"|"instruction"|"history"|"output"):[\[{"0-9a-z:,}\]]{0,30}[}]?"#,
        cut in any::<prop::sample::Index>(),
    ) {
        let _ = read_from(line.as_bytes(), &Columns::default());
        let _ = read_from(&line.as_bytes()[..cut.index(line.len() + 1)], &Columns::default());
    }

    #[test]
    fn what_is_not_touched_is_written_back(text in any::<String>(), extra in any::<String>(), number in any::<i64>()) {
        prop_assume!(!text.contains('\0') && !extra.contains('\0'));
        let line = json!({"z": {"n": number, "list": [true, null, 1.5]}, "id": "r", "text": text, "extra": extra}).to_string();
        let mut data = read_from(line.as_bytes(), &Columns::default()).ok().unwrap();
        prop_assert_eq!(data.records[0].to_json_line(), line.clone());
        data.records[0].map_text(str::to_owned);
        prop_assert_eq!(data.records[0].to_json_line(), line);
    }
}
