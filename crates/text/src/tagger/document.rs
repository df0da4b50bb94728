//! Names of a whole document: what the tagger found, what the rules found, and what was found elsewhere in it.
//!
//! Invariant: a name that was found with confidence in one text of a document is sought in all of them; nothing is added
//! where a confident name stands already.

use std::collections::HashMap;

use super::model::Model;
use super::{Kind, hints_of};
use crate::detect::names::Names;
use crate::detect::{Form, Label, Span, Token, View, person};

/// A name of this probability is sought in the whole document.
const SOUGHT: f32 = 0.8;
/// Score of a place or organisation that was found elsewhere.
const ELSEWHERE: f32 = 0.6;
/// Most words of a name that is sought.
const WORDS: usize = 4;

/// The names in the texts of one document. `recall` weighs a missed name against a false one: see [`score`]. `classified` is
/// what a classifier found in each text, names and others; empty without one. It fills gaps.
pub(crate) fn find(
    views: &[View<'_>],
    names: &Names,
    model: Option<&Model<'_>>,
    classified: Vec<Vec<Span>>,
    recall: f32,
) -> Vec<Vec<Span>> {
    let mut found = person::find(views, names);
    let mut sought: HashMap<&str, (Label, bool)> = HashMap::new();
    let mut seek_elsewhere = |text, label, probability| {
        if label != Label::PERSON && probability >= SOUGHT {
            let one = sought.entry(text).or_insert((label, true));
            // A name that stands for two things is sought as neither.
            one.1 &= one.0 == label;
        }
    };
    if let Some(model) = model {
        for (view, people) in views.iter().zip(&mut found) {
            let hints = hints_of(view, people);
            people.retain(|span| span.score >= SURE_RULE);
            for name in model.names(view, &hints) {
                if is_nobodys(view, name.start, name.end) {
                    continue;
                }
                let label = label(name.kind);
                seek_elsewhere(&view.text[name.start..name.end], label, name.probability);
                people.push(Span::new(name.start, name.end, label, score(name.probability, name.kind, recall)));
            }
        }
    }
    for ((view, spans), classified) in views.iter().zip(&mut found).zip(classified) {
        for span in in_gaps(classified, spans) {
            if is_nobodys(view, span.start, span.end) {
                continue;
            }
            let kind = Kind::ALL.into_iter().find(|kind| label(*kind) == span.label);
            if kind.is_some() && span.kind.is_none() {
                seek_elsewhere(&view.text[span.start..span.end], span.label, span.score);
            }
            let score = kind.map_or(span.score, |kind| score(span.score, kind, recall));
            spans.push(Span { score, ..span });
        }
    }
    person::complete(views, names, &mut found);
    sought.retain(|text, (_, alone)| *alone && text.len() > 2);
    if !sought.is_empty() {
        for (view, spans) in views.iter().zip(&mut found) {
            seek(view, &sought, spans);
        }
    }
    found
}

/// What a classifier found that touches nothing that was found with confidence: its borders are no better, and its labels worse.
fn in_gaps(mut classified: Vec<Span>, found: &[Span]) -> Vec<Span> {
    let mut sure: Vec<(usize, usize)> =
        found.iter().filter(|span| span.score >= 0.5).map(|span| (span.start, span.end)).collect();
    sure.sort_unstable();
    // The furthest end so far, since spans may lie in one another.
    let mut furthest = 0;
    for (_, end) in &mut sure {
        furthest = furthest.max(*end);
        *end = furthest;
    }
    classified.retain(|span| {
        let before = sure.partition_point(|(start, _)| *start < span.end);
        before.checked_sub(1).is_none_or(|last| sure[last].1 <= span.start)
    });
    classified
}

/// The rules' own names count beside the tagger's from this score on.
const SURE_RULE: f32 = 0.85;

/// Capitals that announce a number or stand for a thing: nobody's name, whatever stands beside them.
const NAMES_OF_FIELDS: [&str; 25] = [
    "SSN", "ITIN", "EIN", "TIN", "NPI", "MRN", "MBI", "DOB", "IBAN", "BIC", "SWIFT", "VAT", "NINO", "NIE", "NIF",
    "DNI", "BSN", "PIN", "CVV", "IMEI", "VIN", "URL", "UUID", "ID", "NHS",
];

/// Whether a name is no name, but stands for one.
fn is_nobodys(view: &View<'_>, start: usize, end: usize) -> bool {
    is_written_by_us(view, start, end) || NAMES_OF_FIELDS.contains(&&view.text[start..end])
}

/// Whether a name is a label that replacement wrote (`<PERSON>`), or part of an identifier (`US_SSN`, `PERSON_0a1b2c3d`).
fn is_written_by_us(view: &View<'_>, start: usize, end: usize) -> bool {
    let glued = view.before(start) == b'_' || view.at(end) == b'_';
    glued
        || view.before(start) == b'<'
            && view.at(end) == b'>'
            && Label::ALL.iter().any(|label| label.0 == &view.text[start..end])
}

fn label(kind: Kind) -> Label {
    match kind {
        Kind::Person => Label::PERSON,
        Kind::Place => Label::LOCATION,
        Kind::Organisation => Label::ORGANIZATION,
    }
}

/// How much more a miss costs by kind. A missed person is the worst leak; organisations are often no secret, and are the
/// hardest to tell. Chosen on held-out text, where each lies near its highest F1.
const WORTH: [f32; 3] = [1.5, 1.0, 2.0 / 3.0];

/// The score of a name of this probability, so that 0.5 is where the costs of a miss and of a false alarm are equal, if a
/// miss costs `recall` times the worth of its kind, and a false alarm `1 - recall`. At `recall` 0.5 the score of a place
/// is its probability.
fn score(probability: f32, kind: Kind, recall: f32) -> f32 {
    let (miss, alarm) = (probability * recall * WORTH[kind as usize], (1.0 - probability) * (1.0 - recall));
    if miss + alarm > 0.0 { (miss / (miss + alarm)).clamp(0.01, 0.99) } else { 0.5 }
}

/// Adds the names that are sought where no confident one stands.
fn seek(view: &View<'_>, sought: &HashMap<&str, (Label, bool)>, spans: &mut Vec<Span>) {
    let mut covered: Vec<(usize, usize)> =
        spans.iter().filter(|span| span.score >= 0.5).map(|span| (span.start, span.end)).collect();
    covered.sort_unstable();
    let tokens = &view.tokens;
    let capital = |token: &Token| matches!(token.form, Form::Title | Form::Upper | Form::Mixed | Form::Uncased);
    let mut next = 0;
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| capital(token)) {
        let before = covered.partition_point(|(start, _)| *start <= token.start);
        if token.start < next || before.checked_sub(1).is_some_and(|n| covered[n].1 > token.start) {
            continue;
        }
        let to = (index + WORDS).min(tokens.len());
        let hit = tokens[index..to].iter().rev().find_map(|last| {
            let (label, _) = sought.get(&view.text[token.start..last.end])?;
            Some((last.end, *label))
        });
        if let Some((end, label)) = hit
            && covered.get(before).is_none_or(|(start, _)| *start >= end)
        {
            spans.push(Span::new(token.start, end, label, ELSEWHERE));
            next = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_probabilities_at_equal_costs_and_rise_with_recall() {
        let place = |probability: f32, recall: f32| score(probability, Kind::Place, recall);
        assert!((place(0.3, 0.5) - 0.3).abs() < 1e-6);
        assert!((place(0.4, 0.6) - 0.5).abs() < 1e-6);
        assert!(place(0.3, 0.8) > place(0.3, 0.6));
        assert!(score(0.3, Kind::Person, 0.6) > place(0.3, 0.6));
        for (probability, recall) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
            assert!((0.01..=0.99).contains(&place(probability, recall)));
        }
    }
}
