//! The tagger: where its names lie, that they depend on the text alone, and what a document adds.

use std::time::{Duration, Instant};

use cloister_text::{Detector, DetectorOptions, Label};

use crate::detector;

const NAMES: [Label; 3] = [Label::PERSON, Label::LOCATION, Label::ORGANIZATION];

fn names<'t>(detector: &Detector, text: &'t str, label: Label) -> Vec<&'t str> {
    let spans = detector.detect(text);
    spans.iter().filter(|span| span.label == label).map(|span| &text[span.start..span.end]).collect()
}

fn with_recall(recall: f32) -> Detector {
    Detector::new(&DetectorOptions { recall, ..DetectorOptions::default() }).unwrap()
}

#[test]
fn persons_places_and_organisations_are_told_apart() {
    let detector = detector();
    let text = "Yesterday Oluwaseun Adebayo flew from Lagos to Berlin to meet the lawyers of Siemens.";
    assert_eq!(names(&detector, text, Label::PERSON), ["Oluwaseun Adebayo"]);
    assert_eq!(names(&detector, text, Label::LOCATION), ["Lagos", "Berlin"]);
    assert_eq!(names(&detector, text, Label::ORGANIZATION), ["Siemens"]);
    assert!(names(&detector, "My order has not arrived, and the invoice is wrong.", Label::PERSON).is_empty());
}

#[test]
fn things_in_small_letters_are_no_places() {
    let detector = detector();
    for text in [
        "The hub is offline, I restarted the hub twice.",
        "my hub shows a red light",
        "It came with a split and a nice case",
    ] {
        assert!(names(&detector, text, Label::LOCATION).is_empty(), "{text}");
    }
    assert_eq!(names(&detector, "we drove from toronto to lagos", Label::LOCATION), ["toronto", "lagos"]);
}

#[test]
fn what_stands_around_a_name_decides_between_person_and_place() {
    let detector = detector();
    for (text, person) in [
        ("My name is Jackson Heights.", "Jackson Heights"),
        ("Mr. London asked for a refund.", "London"),
        ("Thanks for reaching out to Northern Power, Zhiqiang.\nWe send a crew.", "Zhiqiang"),
        ("Babajide here. The meter is dead.", "Babajide"),
    ] {
        assert_eq!(names(&detector, text, Label::PERSON), [person], "{text}");
        assert!(names(&detector, text, Label::LOCATION).is_empty(), "{text}");
    }
    for (text, place) in [
        ("Mr. Pavlović flew to STAXROITH on Monday.", "STAXROITH"),
        ("She is originally from Loeches, and an Iraqi citizen.", "Loeches"),
    ] {
        assert_eq!(names(&detector, text, Label::LOCATION), [place], "{text}");
    }
}

#[test]
fn names_end_where_a_field_ends() {
    let detector = detector();
    let found = |text| names(&detector, text, Label::PERSON);
    assert_eq!(found("PATIENT NAME: MARIA GONZALEZ LOPEZ DOB: 12/03/1961"), ["MARIA GONZALEZ LOPEZ"]);
    assert_eq!(found("Tran Van Minh | Hanoi | 35"), ["Tran Van Minh"]);
}

#[test]
fn without_the_tagger_there_are_no_organisations() {
    let rules = Detector::new(&DetectorOptions { tagger: false, ..DetectorOptions::default() }).unwrap();
    let text = "Hi, my name is Ana Ruiz and I work for Microsoft in Paris.";
    assert_eq!(names(&rules, text, Label::PERSON), ["Ana Ruiz"]);
    assert!(names(&rules, text, Label::ORGANIZATION).is_empty());
    assert_eq!(names(&detector(), text, Label::ORGANIZATION), ["Microsoft"]);
}

#[test]
fn a_name_found_once_is_found_everywhere_in_the_document() {
    let detector = detector();
    let texts = ["My name is Tendai Moyo and I moved here from Zvishavane, Zimbabwe.", "moyo", "Moyo", "Zvishavane?"];
    let spans = detector.detect_document(&texts);
    assert_eq!(spans[2].iter().map(|span| span.label).collect::<Vec<_>>(), [Label::PERSON]);
    assert_eq!(spans[3].iter().map(|span| span.label).collect::<Vec<_>>(), [Label::LOCATION]);
    assert!(detector.detect("Moyo").iter().all(|span| span.label != Label::PERSON) || spans[2].len() == 1);
}

#[test]
fn more_recall_finds_what_less_found_and_more() {
    let text =
        "Vasquez told the Harrow team that Mina and the Blue Falcons might come to Port Elgar on Friday, said Keogh.";
    let count = |recall: f32| with_recall(recall).detect(text).len();
    let counts = [0.1, 0.4, 0.6, 0.9].map(count);
    assert!(counts.is_sorted(), "{counts:?}");
    assert!(counts[0] < counts[3], "{counts:?}");
    assert!(Detector::new(&DetectorOptions { recall: 1.5, ..DetectorOptions::default() }).is_err());
}

#[test]
fn names_lie_on_character_borders_and_in_the_text() {
    let detector = with_recall(0.95);
    for text in [
        "",
        " ",
        "A",
        "Ana",
        "é",
        "東京",
        "Zoë Müller\u{301} 🙂 Łódź İstanbul ǅ ß ŉ",
        "\u{feff}Ana\u{200b}Ruiz\u{ad}",
        "ﬃ ﬁnn Ωmega Ἀθῆναι",
        "@ana #berlin @ # @@ ##",
        "Ana\u{2019}s \u{201c}Paris\u{201d} \u{2014}Rome",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} Kim",
    ] {
        for span in detector.candidates(text) {
            assert!(span.start < span.end && text.get(span.start..span.end).is_some(), "{text:?}");
            assert!((0.0..=1.0).contains(&span.score));
        }
    }
}

#[test]
fn what_was_read_before_does_not_matter() {
    let texts: Vec<String> = (0..400)
        .map(|n| format!("Mr. Aba{n} Oko{n} of Kir{n}ville told Ana that Zed{n} Ltd. moved to Lyon{n} in May."))
        .collect();
    let detector = detector();
    let first: Vec<_> = texts.iter().map(|text| detector.detect(text)).collect();
    let again: Vec<_> = texts.iter().rev().map(|text| detector.detect(text)).collect();
    assert!(first.iter().eq(again.iter().rev()));
    let elsewhere = std::thread::spawn(move || texts.iter().map(|text| detector.detect(text)).collect::<Vec<_>>());
    assert_eq!(elsewhere.join().unwrap(), first);
}

#[test]
fn time_is_linear_on_hostile_texts() {
    let detector = detector();
    for piece in [
        "New York ",
        "San ",
        "Ana Ruiz Ana ",
        "New\n",
        "Mr. ",
        "J.K. ",
        "Aa1 ",
        "the United States of ",
        "Ünïcödé",
        "X",
        "Berlin, ",
        "\u{2019}",
        "a\u{301}",
    ] {
        let took = |size: usize| {
            let text = piece.repeat(size / piece.len());
            (0..2)
                .map(|_| {
                    let start = Instant::now();
                    detector.detect(&text);
                    start.elapsed()
                })
                .min()
                .unwrap()
        };
        let (short, long) = (took(100_000), took(1_000_000));
        assert!(long < short * 16 + Duration::from_millis(500), "{piece:?}: {short:?}, then {long:?}");
    }
}

#[test]
fn names_never_overlap_and_scores_reach_the_threshold() {
    let detector = detector();
    let text = "Dear Ms Okafor, the University of Nairobi and Deutsche Bank AG invite you to Kuala Lumpur. ".repeat(20);
    let spans = detector.detect(&text);
    assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start));
    assert!(spans.iter().filter(|span| NAMES.contains(&span.label)).all(|span| span.score >= 0.5));
    assert!(spans.len() >= 60, "{}", spans.len());
}
