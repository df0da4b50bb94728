//! A token classifier beside the rules and the tagger: what it adds, what comes before it, and what it does when it fails.

use std::sync::Arc;

use cloister_text::{ClassifiedToken, Detector, DetectorOptions, Error, Label, TokenClassifier};

/// Knows words by heart; all others are `O`.
struct ByHeart {
    labels: Vec<String>,
    /// Word, label, probability.
    words: &'static [(&'static str, &'static str, f32)],
    fails: bool,
}

impl TokenClassifier for ByHeart {
    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn classify(
        &self,
        texts: &[&str],
        found: &mut dyn FnMut(ClassifiedToken<'_>),
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        for (text, content) in texts.iter().enumerate() {
            let mut at = 0;
            for token in content.split_inclusive(|c: char| !c.is_alphanumeric()) {
                let word = token.trim_end_matches(|c: char| !c.is_alphanumeric());
                for (start, end) in [(at, at + word.len()), (at + word.len(), at + token.len())] {
                    let part = &content[start..end];
                    let known = self.words.iter().find(|(known, ..)| *known == part);
                    let (label, probability) =
                        known.map_or(("O", 1.0), |(_, label, probability)| (*label, *probability));
                    let mut probabilities = vec![0.0; self.labels.len()];
                    probabilities[0] = 1.0 - probability;
                    probabilities[self.labels.iter().position(|name| name == label).unwrap()] += probability;
                    if !part.trim().is_empty() {
                        found(ClassifiedToken { text, start, end, probabilities: &probabilities });
                    }
                }
                at += token.len();
            }
        }
        if self.fails { Err("too many cooks".into()) } else { Ok(()) }
    }
}

fn by_heart(words: &'static [(&'static str, &'static str, f32)], fails: bool) -> Detector {
    let mut labels = vec!["O".to_owned()];
    for (_, label, _) in words {
        if !labels.iter().any(|known| known == label) {
            labels.push((*label).to_owned());
        }
    }
    let options = DetectorOptions { tagger: false, ..DetectorOptions::default() };
    Detector::new(&options).unwrap().with_classifier(Arc::new(ByHeart { labels, words, fails }))
}

fn found<'a>(detector: &Detector, text: &'a str) -> Vec<(&'a str, Label)> {
    detector.detect(text).iter().map(|span| (&text[span.start..span.end], span.label)).collect()
}

#[test]
fn names_that_only_the_classifier_knows_are_found_whole() {
    let detector = by_heart(
        &[
            ("Zorvik", "B-GIVEN_NAME", 0.97),
            ("Quellan", "B-SURNAME", 0.96),
            ("Grumvik", "B-GIVEN_NAME", 0.97),
            ("Maybe", "B-SURNAME", 0.8),
            ("quite", "B-SURNAME", 0.99),
        ],
        false,
    );
    assert_eq!(
        found(&detector, "ask Zorvik Quellan Grumvik, Maybe quite"),
        [("Zorvik Quellan", Label::PERSON), ("Grumvik", Label::PERSON)]
    );
}

#[test]
fn pieces_of_an_address_are_one_place_and_towns_alone_are_none() {
    let detector = by_heart(
        &[
            ("17", "B-BUILDING_NUMBER", 0.98),
            ("Quag", "B-STREET_NAME", 0.98),
            ("Loke", "I-STREET_NAME", 0.98),
            ("Zarnov", "B-CITY", 0.98),
            ("Vexia", "B-STATE", 0.98),
        ],
        false,
    );
    let text = "seen in Zarnov, Vexia; lives at 17 Quag Loke Zarnov now";
    let spans = detector.detect(text);
    let found: Vec<_> = spans.iter().map(|span| (&text[span.start..span.end], span.kind)).collect();
    assert_eq!(found, [("17 Quag Loke Zarnov", Some("address"))]);
}

#[test]
fn what_the_rules_know_comes_first() {
    let detector = by_heart(
        &[("4111", "B-PHONE", 0.99), ("1111", "I-PHONE", 0.99), ("Ana", "B-PERSON", 0.99), ("Ruiz", "I-PERSON", 0.99)],
        false,
    );
    assert_eq!(found(&detector, "card 4111 1111 1111 1111"), [("4111 1111 1111 1111", Label::CREDIT_CARD)]);
    assert_eq!(found(&detector, "mail Ana.Ruiz@corp.com"), [("Ana.Ruiz@corp.com", Label::EMAIL_ADDRESS)]);
}

#[test]
fn a_name_is_sought_in_the_other_texts_of_its_document() {
    let detector = by_heart(&[("Xandil", "B-ORG", 0.999)], false);
    let labels = |texts: &[&str]| -> Vec<usize> { detector.detect_document(texts).iter().map(Vec::len).collect() };
    assert_eq!(labels(&["we left Xandil", "nothing here"]), [1, 0]);
    assert_eq!(labels(&["we left Xandil", "Xandil's lawyers"]), [1, 1]);
    let person = by_heart(&[("Zorvik", "B-PER", 0.999), ("Quellan", "I-PER", 0.999)], false);
    let spans = person.detect_document(&["by Zorvik Quellan", "and Quellan again"]);
    assert_eq!(spans.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn what_replacement_wrote_is_not_found_again() {
    let detector = by_heart(&[("PERSON", "B-PER", 0.99), ("EMAIL", "B-PER", 0.99), ("ADDRESS", "I-PER", 0.99)], false);
    assert_eq!(found(&detector, "from <PERSON> to <EMAIL_ADDRESS>, PERSON_0a1b2c3d"), []);
}

#[test]
fn labels_without_a_meaning_are_named_and_find_nothing() {
    let detector = by_heart(&[("Blue", "B-COLOUR", 0.99), ("Red", "I-COLOUR", 0.99), ("x", "B-PER", 0.1)], false);
    assert_eq!(detector.unknown_labels(), ["COLOUR"]);
    assert_eq!(found(&detector, "Blue and Red"), []);
    assert!(Detector::new(&DetectorOptions::default()).unwrap().unknown_labels().is_empty());
}

#[test]
fn values_lack_nothing_that_their_kind_needs() {
    let detector = by_heart(
        &[
            ("soon", "B-PHONE", 0.99),
            ("home", "B-EMAIL", 0.99),
            ("7", "B-PER", 0.99),
            ("X99182", "B-GOVERNMENT_ID", 0.98),
        ],
        false,
    );
    let text = "call soon or home, 7 or X99182";
    assert_eq!(found(&detector, text), [("X99182", Label::ACCOUNT_NUMBER)]);
}

#[test]
fn a_failure_is_not_forgotten() {
    let detector = by_heart(&[("Xandil", "B-ORG", 0.95)], true);
    assert!(detector.check().is_ok());
    let _ = detector.detect("Xandil");
    assert!(matches!(detector.check(), Err(Error::Classifier { .. })));
    let _ = detector.detect("and more");
    assert!(detector.check().is_err());
}

/// Gives these tokens of the first text, with these probabilities of `O` and of a person.
struct Tokens(Vec<String>, Vec<(usize, usize, Vec<f32>)>);

impl TokenClassifier for Tokens {
    fn labels(&self) -> &[String] {
        &self.0
    }

    fn classify(
        &self,
        _: &[&str],
        found: &mut dyn FnMut(ClassifiedToken<'_>),
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        for (start, end, probabilities) in &self.1 {
            found(ClassifiedToken { text: 0, start: *start, end: *end, probabilities });
        }
        Ok(())
    }
}

fn of_tokens(tokens: &[(usize, usize, &[f32])]) -> Detector {
    let options = DetectorOptions { tagger: false, ..DetectorOptions::default() };
    let tokens = tokens.iter().map(|(start, end, probabilities)| (*start, *end, probabilities.to_vec())).collect();
    let labels = vec!["O".to_owned(), "B-PER".to_owned()];
    Detector::new(&options).unwrap().with_classifier(Arc::new(Tokens(labels, tokens)))
}

#[test]
fn tokens_that_share_a_character_are_one_word() {
    // `…` is three tokens of one place where it is read as three full stops.
    let (text, sure) = ("Zyxo Qwvu … Kraxo", &[0.0, 1.0][..]);
    let detector =
        of_tokens(&[(0, 4, sure), (5, 9, sure), (10, 13, sure), (10, 13, sure), (10, 13, sure), (14, 19, sure)]);
    let spans = detector.detect(text);
    assert!(detector.check().is_ok());
    assert!(spans.iter().any(|span| span.label == Label::PERSON), "{spans:?}");
}

#[test]
fn what_no_model_may_say_is_a_failure() {
    let text = "é Zyxo";
    for (start, end, probabilities) in [
        (3, 7, &[f32::NAN, f32::NAN][..]),
        (3, 7, &[0.0, f32::INFINITY]),
        (3, 7, &[1.0]),
        (3, 7, &[0.0, 0.5, 0.5]),
        (3, 70, &[0.0, 1.0]),
        (1, 2, &[0.0, 1.0]),
        (5, 4, &[0.0, 1.0]),
    ] {
        let detector = of_tokens(&[(start, end, probabilities)]);
        let _ = detector.detect(text);
        assert!(matches!(detector.check(), Err(Error::Classifier { .. })), "{start}..{end} {probabilities:?}");
    }
}
