//! Personal data that is hidden, encoded or wrapped: laws over generated input, and what a user would miss.

use cloister_text::{Label, Span};
use proptest::prelude::*;

use crate::{detector, rules};

/// Personal data in plain and in disguise, and what only looks like a disguise.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("ana.ruiz@corp.com".to_owned()),
        Just("ana&#64;corp&period;com".to_owned()),
        Just("ana%40corp.com".to_owned()),
        Just("ana (at) corp (dot) com".to_owned()),
        Just("ａｎａ＠ｃｏｒｐ．ｃｏｍ".to_owned()),
        Just("a\u{200b}na@co\u{ad}rp.com".to_owned()),
        Just("{\\\"mail\\\":\\\"ana\\u0040corp.com\\\"}".to_owned()),
        Just("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1".to_owned()),
        Just("4111.1111.1111.1111".to_owned()),
        Just("YW5hLnJ1aXpAY29ycC5jb20gaXMgaGVy".to_owned()),
        Just("https://corp.com/r?mail=ana%40corp.com&k=1".to_owned()),
        Just("12 Main Street, Springfield, IL 62704".to_owned()),
        Just("Calle Mayor 5, 28013 Madrid".to_owned()),
        Just("Address: 7 Elm Road\nApt. 3\nLeeds\nLS1 4AB".to_owned()),
        Just("AT&amp;T &nbsp;100%25 \\n\\\"".to_owned()),
        "[&%\\\\#;0-9a-fxu]{1,8}",
        "[\u{200b}\u{ad}\u{feff}\u{fe0f}\u{430}\u{ff11}\u{1d7d9}é🙂a@. ]{1,6}",
        "[A-Za-z0-9+/=_-]{1,40}",
        "[ \\n,.:;()-]{1,3}",
        any::<String>(),
    ];
    let glue = prop_oneof![3 => Just(" "), 1 => Just("")];
    (prop::collection::vec(piece, 0..10), glue).prop_map(|(pieces, glue)| pieces.join(glue))
}

/// Sentences with nothing personal in them, longer than any detector looks.
fn filler() -> String {
    let sentence = "and then it went on and on as it had before while nothing of note was to be seen anywhere at all ";
    format!("\n\n{}\n\n", sentence.repeat(8).trim_end())
}

fn without_persons(text: &str) -> Vec<Span> {
    rules().detect(text).into_iter().filter(|span| span.label != Label::PERSON).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spans_are_sorted_apart_and_on_boundaries(text in pieces()) {
        let spans = detector().detect(&text);
        for span in &spans {
            prop_assert!(text.get(span.start..span.end).is_some_and(|inner| !inner.is_empty()));
            prop_assert!((0.0..=1.0).contains(&span.score));
        }
        prop_assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start));
        let candidates = detector().candidates(&text);
        for span in &candidates {
            prop_assert!(text.get(span.start..span.end).is_some_and(|inner| !inner.is_empty()));
        }
        prop_assert!(candidates.windows(2).all(|pair| (pair[0].start, pair[0].end) <= (pair[1].start, pair[1].end)));
    }

    #[test]
    fn records_far_apart_do_not_change_each_other(one in pieces(), two in pieces()) {
        let between = filler();
        let joined = format!("{between}{one}{between}{two}{between}");
        let margin = between.len();
        let shifted = |record: &str, by: usize| {
            let spans = without_persons(&format!("{between}{record}{between}"));
            let moved = |span: &Span| (span.start - margin + by, span.end - margin + by, span.label);
            spans.iter().map(moved).collect::<Vec<_>>()
        };
        let mut want = shifted(&one, between.len());
        want.extend(shifted(&two, 2 * between.len() + one.len()));
        let got: Vec<_> = without_persons(&joined).iter().map(|span| (span.start, span.end, span.label)).collect();
        prop_assert_eq!(got, want);
    }
}

#[test]
fn long_texts_are_read_in_parts_without_a_loss() {
    // Far more than one part, with something hidden in every line.
    let line = "please write to ana&#64;corp.com or pay with 4\u{200b}111 1111 1111 1111 before it is too late\n";
    let text = line.repeat(8000);
    let spans = detector().detect(&text);
    let count = |label| spans.iter().filter(|span| span.label == label).count();
    assert_eq!((count(Label::EMAIL_ADDRESS), count(Label::CREDIT_CARD)), (8000, 8000));
}

#[test]
fn disguises_are_seen_through() {
    for (text, label) in [
        ("call ４１５－５５５－０１３２ today, my phone", Label::PHONE_NUMBER),
        ("my phone: 4 1 5 5 5 5 0 1 3 2", Label::PHONE_NUMBER),
        ("phone 415·555·0132", Label::PHONE_NUMBER),
        ("phone 415\u{2009}555\u{2009}0132", Label::PHONE_NUMBER),
        ("ssn ０７８－０５－１１２３", Label::US_SSN),
        ("pay 4111_1111_1111_1111", Label::CREDIT_CARD),
        ("pay 4111/1111/1111/1111", Label::CREDIT_CARD),
        ("card 41 11 11 11 11 11 11 11", Label::CREDIT_CARD),
        ("iban DE89.3704.0044.0532.0130.00", Label::IBAN_CODE),
        ("раssword: hunter2zz", Label::CREDENTIAL),
        ("ana.ruiz [at] corp.com", Label::EMAIL_ADDRESS),
        ("ana.ruiz AT corp DOT co DOT uk", Label::EMAIL_ADDRESS),
        ("ana&commat;corp.com", Label::EMAIL_ADDRESS),
        ("&lt;ana.ruiz&#x40;corp.com&gt;", Label::EMAIL_ADDRESS),
        ("ana%2Eruiz%40corp%2Ecom", Label::EMAIL_ADDRESS),
        ("aпa@соrp.com and ana@соrp.com", Label::EMAIL_ADDRESS),
        ("192\u{200b}.168.100.7 is the server ip", Label::IP_ADDRESS),
        ("/cb?access_token=9f86d081884c7d65&u=1", Label::CREDENTIAL),
        ("Ana&nbsp;Ruiz wrote", Label::PERSON),
    ] {
        let spans = detector().detect(text);
        assert!(spans.iter().any(|span| span.label == label), "{text}");
    }
}

#[test]
fn ordinary_text_holds_no_disguise() {
    for text in [
        "We met in marketing at the dot com fair.",
        "Look at the dot, then at the dot com boom; he arrived at noon.",
        "Version 4.1.1.1 of 1.2.2020, 10.20.30.40.50 and 1 2 3 4 5 6 7 8 9 10",
        "R&D; Q&A; 100%; 50%25; C:\\new\\table; a_b_c; 1/2/3/4/5/6/7",
        "TheQuickBrownFoxJumpsOver/the/lazy/dog/and/goes/home/to/sleep",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ] {
        let found: Vec<_> = rules().detect(text).iter().map(|span| (span.label, &text[span.start..span.end])).collect();
        assert_eq!(found, [], "{text}");
    }
}
