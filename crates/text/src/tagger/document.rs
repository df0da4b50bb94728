//! Names of a whole document: what the tagger found, what the rules found, and what was found elsewhere in it.
//!
//! Invariant: a name that was found with confidence in one text of a document is sought in all of them; nothing is added
//! where a confident name stands already.

use std::collections::HashMap;

use super::eponym::is_eponym;
use super::judge::{Judge, is_field_name};
use super::model::Model;
use super::{Kind, hints_of};
use crate::detect::{Announced, announced};
use crate::detect::{Form, Label, Span, Token, View, person, plain, whereabouts};

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
    model: Option<&Model<'_>>,
    classified: Vec<Vec<Span>>,
    recall: f32,
) -> Vec<Vec<Span>> {
    let mut found = person::find(views);
    if model.is_none() && classified.is_empty() {
        person::complete(views, &mut found);
        return found;
    }
    let mut sought = Sought::default();
    if let Some(model) = model {
        for (view, people) in views.iter().zip(&mut found) {
            tagged(view, model, recall, &mut sought, people);
        }
    }
    for ((view, spans), classified) in views.iter().zip(&mut found).zip(classified) {
        fill_gaps(view, classified, recall, &mut sought, spans);
    }
    for (view, spans) in views.iter().zip(&mut found) {
        let by_name = |span: &Span| announced(view, span.start, span.end) == Announced::Sure;
        spans.retain(|span| !is_eponym(view, span.start) || by_name(span));
    }
    person::complete(views, &mut found);
    for (view, spans) in views.iter().zip(&mut found) {
        spans.retain_mut(|span| without_address(view, span));
        without_monsieur(view, spans);
    }
    let sought = sought.names();
    if !sought.is_empty() {
        for (view, spans) in views.iter().zip(&mut found) {
            seek(view, &sought, spans);
        }
    }
    found
}

/// Names that are sought in the whole document, and whether each stands for one thing only.
#[derive(Default)]
struct Sought<'a>(HashMap<&'a str, (Label, bool)>);

impl<'a> Sought<'a> {
    fn add(&mut self, text: &'a str, label: Label, probability: f32) {
        if label != Label::PERSON && probability >= SOUGHT {
            let one = self.0.entry(text).or_insert((label, true));
            one.1 &= one.0 == label;
        }
    }

    /// A name that stands for two things is sought as neither.
    fn names(self) -> HashMap<&'a str, Label> {
        let alone = self.0.into_iter().filter(|(text, (_, alone))| *alone && text.len() > 2);
        alone.map(|(text, (label, _))| (text, label)).collect()
    }
}

/// Puts the tagger's names beside those of the rules in one text, and leaves out what the tagger knows better.
fn tagged<'a>(view: &View<'a>, model: &Model<'_>, recall: f32, sought: &mut Sought<'a>, people: &mut Vec<Span>) {
    let hints = hints_of(view, people);
    let said = people.iter().filter(|span| (LIKELY_RULE..SURE_RULE).contains(&span.score));
    let said = said.filter(|span| announced(view, span.start, span.end) >= Announced::Addressed);
    let said: Vec<Span> = said.copied().collect();
    people.retain(|span| span.score >= SURE_RULE);
    let judge = Judge { view, gazetteer: *model.gazetteer() };
    let mut proposed = Vec::new();
    for name in model.names(view, &hints) {
        if !is_written_by_us(view, name.start, name.end) {
            judge.judge(name, |name| proposed.push(name));
        }
    }
    for name in proposed {
        let label = label(name.kind);
        sought.add(&view.text[name.start..name.end], label, name.probability);
        people.push(Span::new(name.start, name.end, label, score(name.probability, name.kind, recall)));
    }
    // A person that is plainly announced, and a place where somebody lives, which the tagger does not know.
    let tagged = Covered::of(people.iter());
    let mut more = said;
    whereabouts::find(view, &mut more);
    people.extend(more.into_iter().filter(|span| !tagged.touches(span.start, span.end)));
}

/// Adds what a classifier found that touches nothing that was found with confidence: its borders are no better, and its
/// labels worse.
fn fill_gaps<'a>(view: &View<'a>, classified: Vec<Span>, recall: f32, sought: &mut Sought<'a>, spans: &mut Vec<Span>) {
    let sure = Covered::of(spans.iter().filter(|span| span.score >= SURE));
    for span in classified {
        let text = &view.text[span.start..span.end];
        let (start, end) = (span.start, span.end);
        if sure.touches(start, end) || is_written_by_us(view, start, end) || is_field_name(text) {
            continue;
        }
        let kind = Kind::ALL.into_iter().find(|kind| label(*kind) == span.label);
        if kind.is_some() && span.kind.is_none() {
            sought.add(text, span.label, span.score);
        }
        spans.push(Span { score: kind.map_or(span.score, |kind| score(span.score, kind, recall)), ..span });
    }
}

/// What the rules take for a name from this score on counts where it is announced.
const LIKELY_RULE: f32 = 0.5;

/// Where a span of this score stands, nothing is added.
const SURE: f32 = 0.5;

/// The rules' own names count beside the tagger's from this score on.
const SURE_RULE: f32 = 0.85;

/// Forms of address, pronouns and closings of letters, which capitals make look like names, in German (where every noun has
/// a capital), Spanish and French; lower case, without diacritics. Nobody is called so.
const ADDRESS: &[&str] = &[
    "sie",
    "ihnen",
    "ihr",
    "ihre",
    "ihrem",
    "ihren",
    "ihrer",
    "herr",
    "herrn",
    "herren",
    "frau",
    "damen",
    "lieber",
    "liebe",
    "liebes",
    "sehr",
    "geehrte",
    "geehrter",
    "geehrten",
    "bitte",
    "gruss",
    "grusse",
    "grussen",
    "unterlagen",
    "kundigung",
    "abmahnung",
    "betreff",
    "anlage",
    "anlagen",
    "hallo",
    "danke",
    "usted",
    "ustedes",
    "atentamente",
    "cordialmente",
    "estimado",
    "estimada",
    "estimados",
    "querido",
    "querida",
    "queridos",
    "senor",
    "senora",
    "senores",
    "hola",
    "gracias",
    "saludos",
    "elle",
    "vous",
    "nous",
    "mesdames",
    "messieurs",
    "bonjour",
    "merci",
    "cordialement",
    "objet",
    "mari",
    "tel",
    "telefon",
    "telefax",
];

/// Takes such words off both ends of a name; whether anything is left.
fn without_address(view: &View<'_>, span: &mut Span) -> bool {
    let tokens = &view.tokens;
    let first = tokens.partition_point(|token| token.start < span.start);
    let count = tokens[first..].iter().take_while(|token| token.end <= span.end).count();
    let mut own = &tokens[first..first + count];
    let nobody = |token: &Token| ADDRESS.contains(&plain(&view.text[token.start..token.end]).as_str());
    if !own.iter().any(nobody) {
        return true;
    }
    while let Some((_, rest)) = own.split_last().filter(|(last, _)| nobody(last)) {
        own = rest;
    }
    while let Some((_, rest)) = own.split_first().filter(|(head, _)| nobody(head)) {
        own = rest;
    }
    let (Some(head), Some(last)) = (own.first(), own.last()) else { return false };
    (span.start, span.end) = (head.start, last.end);
    true
}

/// Lets persons' names begin behind the French `M.`, which stays beside what takes their place.
fn without_monsieur(view: &View<'_>, spans: &mut Vec<Span>) {
    spans.retain_mut(|span| {
        if span.label == Label::PERSON
            && let Some(start) = person::behind_monsieur(view, span.start, span.end)
        {
            span.start = start;
        }
        span.start < span.end
    });
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
fn seek(view: &View<'_>, sought: &HashMap<&str, Label>, spans: &mut Vec<Span>) {
    let mut covered: Vec<(usize, usize)> =
        spans.iter().filter(|span| span.score >= SURE).map(|span| (span.start, span.end)).collect();
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
            let label = sought.get(&view.text[token.start..last.end])?;
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

/// Where spans lie, whatever overlaps what.
struct Covered(Vec<(usize, usize)>);

impl Covered {
    fn of<'s>(spans: impl Iterator<Item = &'s Span>) -> Self {
        let mut covered: Vec<(usize, usize)> = spans.map(|span| (span.start, span.end)).collect();
        covered.sort_unstable();
        // The furthest end so far, since spans may lie in one another.
        let mut furthest = 0;
        for (_, end) in &mut covered {
            furthest = furthest.max(*end);
            *end = furthest;
        }
        Self(covered)
    }

    fn touches(&self, start: usize, end: usize) -> bool {
        let before = self.0.partition_point(|(from, _)| *from < end);
        before.checked_sub(1).is_some_and(|last| self.0[last].1 > start)
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
