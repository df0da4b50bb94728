//! Names by what else a document says: lists of persons, the parts of full names, and surnames that look like places.
//!
//! Invariant: nothing is added where a confident name stands already.

use std::collections::HashSet;

use super::names::{SUFFIXES, Word, plain};
use super::person::{Finder, Part};
use super::view::{Form, Token, View};
use super::{Label, Span};

/// Gives persons to capital words that are listed with one: "Vin, Dwayne, Ty & Michelle".
pub(super) fn listed_together(view: &View<'_>, spans: &mut Vec<Span>) {
    let mut sure: Vec<(usize, usize)> = spans.iter().filter(|s| s.score >= 0.5).map(|s| (s.start, s.end)).collect();
    if sure.is_empty() {
        return;
    }
    sure.sort_unstable();
    let finder = Finder::new(view);
    let covered = |at: usize, sure: &[(usize, usize)]| {
        sure.partition_point(|(start, _)| *start <= at).checked_sub(1).is_some_and(|n| sure[n].1 > at)
    };
    let mut extra = Vec::new();
    let mut last_added = 0;
    for (index, token) in view.tokens.iter().enumerate() {
        if token.form != Form::Title || covered(token.start, &sure) || finder.known(index).is(Word::Place) {
            continue;
        }
        let beside = |other: usize| {
            let sure_beside = view
                .tokens
                .get(other)
                .is_some_and(|t| covered(t.start, &sure) || (last_added > 0 && t.end == last_added));
            sure_beside && view.tokens.get(other).is_some_and(|t| t.form == Form::Title)
        };
        let joined = |left: usize| matches!(finder.gap_before(left + 1), ", " | " & ");
        let and = |index: usize| matches!(&*finder.lower(index), "and" | "or" | "y" | "und" | "et");
        let with_left =
            index > 0 && joined(index - 1) && beside(index - 1) || index > 1 && and(index - 1) && beside(index - 2);
        let with_right = joined(index) && beside(index + 1) || and(index + 1) && beside(index + 2);
        let alone = finder.gap_before(index + 1) != " " || !finder.token(index + 1).is_some_and(Token::is_capitalised);
        let part = finder.part(index);
        if (with_left || with_right)
            && alone
            && matches!(part, Part::WeakGiven | Part::Surname | Part::Unknown | Part::WeakSurname)
        {
            last_added = token.end;
            let score = if part == Part::WeakSurname { 0.4 } else { 0.5 };
            extra.push(Span::new(token.start, token.end, Label::PERSON, score));
        }
    }
    spans.append(&mut extra);
}

/// The parts of every name that was found with confidence.
pub(super) fn parts_of_full_names(views: &[View<'_>], found: &[Vec<Span>]) -> HashSet<String> {
    let mut parts = HashSet::new();
    for (view, spans) in views.iter().zip(found) {
        for span in spans.iter().filter(|span| span.label == Label::PERSON && span.score >= 0.55) {
            let first = view.tokens.partition_point(|token| token.start < span.start);
            let words = (first..).zip(&view.tokens[first..]).take_while(|(_, token)| token.end <= span.end);
            for (index, token) in words.filter(|(_, token)| token.is_word() && token.end - token.start > 2) {
                let known = view.known(index);
                if !(known.common || known.ordinary || known.is(Word::Particle)) {
                    parts.insert(plain(view.word(token)));
                }
            }
        }
    }
    parts
}

/// Words that a surname hardly follows, and a place often.
const BEFORE_PLACES: [&str; 10] = ["in", "at", "from", "near", "to", "into", "outside", "around", "of", "via"];

/// Lets a lone word that was taken for a place be the person of the document whose surname it is, unless it stands as places
/// do: `Cutler's rival` after `H. L. Cutler`, and not `in Cutler` or `Cutler, Ohio`.
pub(super) fn surnames(views: &[View<'_>], found: &mut [Vec<Span>]) {
    let lone_places = |span: &Span| span.label == Label::LOCATION && span.kind.is_none();
    if !found.iter().flatten().any(lone_places) {
        return;
    }
    let mut surnames = HashSet::new();
    for (view, spans) in views.iter().zip(&*found) {
        for span in spans.iter().filter(|span| span.label == Label::PERSON && span.score >= 0.55) {
            let first = view.tokens.partition_point(|token| token.start < span.start);
            let words = view.tokens[first..].iter().take_while(|token| token.end <= span.end);
            let words: Vec<String> =
                words.filter(|token| token.is_word()).map(|token| plain(view.word(token))).collect();
            let names = words.iter().rposition(|word| !SUFFIXES.contains(&word.as_str()));
            if let Some(last) = names.filter(|last| *last > 0 && words[*last].len() > 2) {
                surnames.insert(words[last].clone());
            }
        }
    }
    if surnames.is_empty() {
        return;
    }
    for (view, spans) in views.iter().zip(found) {
        for span in spans.iter_mut().filter(|span| lone_places(span)) {
            let at = view.tokens.partition_point(|token| token.start < span.start);
            let Some(token) = view.tokens.get(at).filter(|token| token.end == span.end && token.is_capitalised())
            else {
                continue;
            };
            let before = at.checked_sub(1).map_or("", |before| view.word(&view.tokens[before]));
            let next = view.tokens.get(at + 1);
            let listed = next.is_some_and(|next| view.gap(token, next) == ", " && next.is_capitalised());
            let place = BEFORE_PLACES.contains(&before.to_lowercase().as_str());
            if !listed && !place && surnames.contains(&plain(view.word(token))) {
                span.label = Label::PERSON;
            }
        }
    }
}

/// Capital words that stand in the local part of an e-mail address of the document: "Penhaligon" and `bpenhaligon27@`.
pub(super) fn parts_of_addresses(views: &[View<'_>], parts: &mut HashSet<String>) {
    const ADDRESSES: usize = 16;
    let mut locals = Vec::new();
    for view in views {
        for at in memchr::memchr_iter(b'@', view.bytes).take(ADDRESSES) {
            let from = (at.saturating_sub(64)..at).find(|from| view.text.is_char_boundary(*from)).unwrap_or(at);
            let local = view.text[from..at].rsplit(|c: char| !c.is_alphanumeric() && !"._-+".contains(c)).next();
            locals.extend(local.filter(|local| local.len() > 3).map(plain));
        }
    }
    locals.truncate(ADDRESSES);
    if locals.is_empty() {
        return;
    }
    for view in views {
        let long = |token: &Token| token.form == Form::Title && token.end - token.start > 3;
        for (index, token) in view.tokens.iter().enumerate().filter(|(_, token)| long(token)) {
            let known = view.known(index);
            let lower = plain(view.word(token));
            if !known.ordinary && !known.common && locals.iter().any(|local| local.contains(&lower)) {
                parts.insert(lower);
            }
        }
    }
}

/// Adds the capital words that are parts of names of the document, each with an unknown capital word beside it.
pub(super) fn single_parts(view: &View<'_>, parts: &HashSet<String>, spans: &mut Vec<Span>) {
    let mut covered: Vec<(usize, usize)> =
        spans.iter().filter(|span| span.score >= 0.5).map(|span| (span.start, span.end)).collect();
    covered.sort_unstable();
    let finder = Finder::new(view);
    for (index, token) in view.tokens.iter().enumerate() {
        if !matches!(token.form, Form::Title | Form::Upper) {
            continue;
        }
        let before = covered.partition_point(|(start, _)| *start <= token.start);
        let inside = before.checked_sub(1).is_some_and(|n| covered[n].1 > token.start);
        if inside || !parts.contains(&plain(view.word(token))) {
            continue;
        }
        let joins = |left: usize, other: usize| {
            finder.gap_before(left + 1) == " "
                && finder.token(other).is_some_and(|t| t.form == Form::Title)
                && matches!(finder.part(other), Part::Unknown | Part::Surname | Part::Given)
                && !finder.known(other).is(Word::Organisation)
        };
        let first = if index > 0 && joins(index - 1, index - 1) { index - 1 } else { index };
        let last = if joins(index, index + 1) { index + 1 } else { index };
        spans.push(Span::new(view.tokens[first].start, view.tokens[last].end, Label::PERSON, 0.8));
    }
}
