//! Names of persons, by gazetteer, honorifics and cues.
//!
//! Invariant: names are judged as runs of neighbouring words, each word looked at a bounded number of times; a full
//! name that was found in a document makes its parts count everywhere in that document.
//! A word that is also an ordinary one ("Will", "May", "Grace") is never a name by itself.

use std::borrow::Cow;

use super::cue::Cue;
use super::document::{listed_together, parts_of_addresses, parts_of_full_names, single_parts, surnames};
use super::names::{self, Known, SUFFIXES, Word, plain};
use super::view::{Form, Token, View};
use super::{Label, Span};

/// Longest name, in words.
const NAME_WORDS: usize = 6;

/// Finds names in each text of one document, by what stands in that text alone.
pub(crate) fn find(views: &[View<'_>]) -> Vec<Vec<Span>> {
    let mut found: Vec<Vec<Span>> = views.iter().map(|view| Finder::new(view).run()).collect();
    for (view, spans) in views.iter().zip(&mut found) {
        if !spans.is_empty() {
            listed_together(view, spans);
        }
    }
    found
}

/// Where the name begins that follows a French `M.` between `start` and `end`; `None` where there is none.
pub(crate) fn behind_monsieur(view: &View<'_>, start: usize, end: usize) -> Option<usize> {
    let finder = Finder::new(view);
    let first = view.tokens.partition_point(|token| token.start < start);
    let own = view.tokens[first..].iter().take_while(|token| token.end <= end).count();
    let title = (first..first + own).rev().find(|index| finder.is_monsieur(*index))?;
    finder.token(title + 1).map(|name| name.start)
}

/// Adds what the names that were `found` say of other words of the document.
pub(crate) fn complete(views: &[View<'_>], found: &mut [Vec<Span>]) {
    surnames(views, found);
    let mut parts = parts_of_full_names(views, found);
    parts_of_addresses(views, &mut parts);
    if !parts.is_empty() {
        for (view, spans) in views.iter().zip(found) {
            single_parts(view, &parts, spans);
        }
    }
}

/// What a word can be in a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A given name and nothing else.
    Given,
    /// A surname and nothing else.
    Surname,
    /// A given name that is also an ordinary word.
    WeakGiven,
    /// A surname that is also an ordinary word.
    WeakSurname,
    /// A capital word nothing is known about.
    Unknown,
    Initial,
    /// `de`, `van`.
    Particle,
    /// No part of a name.
    Other,
}

impl Part {
    fn continues(self) -> bool {
        self != Self::Other
    }

    fn is_strong(self) -> bool {
        matches!(self, Self::Given | Self::Surname)
    }
}

pub(super) struct Finder<'a, 'v> {
    pub(super) view: &'v View<'a>,
    spans: Vec<Span>,
}

impl<'a, 'v> Finder<'a, 'v> {
    pub(super) fn new(view: &'v View<'a>) -> Self {
        Self { view, spans: Vec::new() }
    }

    fn run(mut self) -> Vec<Span> {
        let mut index = 0;
        while index < self.view.tokens.len() {
            index = match self.view.tokens[index].form {
                Form::Title | Form::Upper | Form::Initial => self.capital(index),
                Form::Lower => self.small(index),
                _ => index + 1,
            };
        }
        self.spans
    }

    pub(super) fn token(&self, index: usize) -> Option<&Token> {
        self.view.tokens.get(index)
    }

    /// A token in lower case without diacritics; empty past the last.
    pub(super) fn lower(&self, index: usize) -> Cow<'a, str> {
        let Some(token) = self.token(index) else { return Cow::Borrowed("") };
        let word = self.view.word(token);
        match token.form {
            Form::Lower | Form::Number if word.is_ascii() => Cow::Borrowed(word),
            _ => Cow::Owned(plain(word)),
        }
    }

    pub(super) fn known(&self, index: usize) -> Known {
        self.view.known(index)
    }

    /// The gap before a token; empty before the first.
    pub(super) fn gap_before(&self, index: usize) -> &'a str {
        match index.checked_sub(1) {
            Some(left) if index < self.view.tokens.len() => {
                self.view.gap(&self.view.tokens[left], &self.view.tokens[index])
            }
            _ => "",
        }
    }

    pub(super) fn part(&self, index: usize) -> Part {
        let token = &self.view.tokens[index];
        let word = self.view.word(token);
        match token.form {
            Form::Initial => return Part::Initial,
            Form::Lower if self.known(index).is(Word::Particle) => return Part::Particle,
            Form::Lower | Form::Mixed | Form::Number | Form::Code | Form::Uncased => return Part::Other,
            Form::Title | Form::Upper => {}
        }
        let known = self.known(index);
        match () {
            () if known.ordinary || known.is(Word::Stop) || is_contraction(word) => Part::Other,
            () if known.common && known.is_given() && known.mostly_given() => Part::WeakGiven,
            () if known.common && known.is_name() => Part::WeakSurname,
            () if known.common => Part::Other,
            () if known.mostly_given() => Part::Given,
            () if known.is_surname() => Part::Surname,
            () if token.form == Form::Upper || word.len() < 3 => Part::Other,
            () => Part::Unknown,
        }
    }

    /// Judges the run of words that starts at capital word `index`; returns where to go on.
    fn capital(&mut self, index: usize) -> usize {
        if self.is_honorific(index) {
            return index + 1;
        }
        let first = self.part(index);
        // Initials lead to a name only with their full stop.
        if first == Part::Initial && !self.gap_before(index + 1).starts_with('.') {
            return index + 1;
        }
        let cue = self.cue(index);
        if first == Part::Other {
            // After "Mr" or "Name:" even an ordinary word is a name.
            let bare = cue >= Cue::Naming && self.view.tokens[index].form == Form::Title && !self.is_stop(index);
            if !bare || (cue == Cue::Naming && self.known(index).ordinary) {
                return index + 1;
            }
        }
        let (last, parts) = self.extend(index, cue);
        let (score, last) = self.judge(index, last, &parts, cue);
        if score <= 0.0 {
            return index + 1;
        }
        self.push(index, last, score);
        last + 1
    }

    /// The last word of the name that may start at `first`, and the parts up to it.
    fn extend(&self, first: usize, cue: Cue) -> (usize, Vec<Part>) {
        let mut parts = vec![self.part(first)];
        let mut last = first;
        while parts.len() < NAME_WORDS {
            let next = last + 1;
            let Some(token) = self.token(next) else { break };
            let gap = self.gap_before(next);
            let after_initial = self.view.tokens[last].form == Form::Initial;
            if !(matches!(gap, " " | "\u{a0}" | "  ") || (after_initial && matches!(gap, ". " | "."))) {
                break;
            }
            let mut part = self.part(next);
            let known = self.known(next);
            if known.is(Word::Particle) && token.form != Form::Initial && self.particle_leads_on(next) {
                part = Part::Particle;
            }
            // "My name is Ana Good."
            if part == Part::Other && cue == Cue::Naming && parts[0] == Part::Given && known.is_surname() {
                part = Part::WeakSurname;
            }
            if part == Part::Other && cue == Cue::Honorific && token.form == Form::Title && !self.is_stop(next) {
                part = Part::WeakSurname;
            }
            if part == Part::Particle && !self.particle_leads_on(next) || !part.continues() {
                break;
            }
            if self.known(next).is(Word::Company) {
                break;
            }
            // "J" in the middle needs its full stop or another name behind it; "I" is a pronoun.
            if part == Part::Initial && self.view.word(token) == "I" {
                break;
            }
            parts.push(part);
            last = next;
        }
        while parts.len() > 1 && matches!(parts.last(), Some(Part::Particle)) {
            parts.pop();
            last -= 1;
        }
        (last, parts)
    }

    /// A particle is part of a name only before another capital word ("van der Berg").
    fn particle_leads_on(&self, index: usize) -> bool {
        (index + 1..index + 3).any(|next| {
            self.gap_before(next) == " "
                && self.token(next).is_some_and(|t| t.form == Form::Title)
                && !self.known(next).ordinary
        })
    }

    /// Score of the run, and its last word where the name is shorter than the run.
    fn judge(&self, first: usize, mut last: usize, parts: &[Part], cue: Cue) -> (f32, usize) {
        use Part::{Given, Initial, Particle, Surname, Unknown, WeakGiven, WeakSurname};
        let inside = !self.starts_sentence(first) && title_among_small(self, first, last);
        let place = parts.len() == 1 && self.known(first).is(Word::Place);
        let rest = &parts[1..];
        let strong_later = rest.iter().any(|p| p.is_strong());
        let words = parts.iter().filter(|p| !matches!(p, Particle | Initial)).count();
        let title = self.view.tokens[first].form == Form::Title;
        let starts = self.starts_sentence(first);
        let mut score: f32 = match parts[0] {
            Initial => {
                let dotted = self.gap_before(first + 1).starts_with('.');
                match rest.iter().find(|p| **p != Initial) {
                    Some(Surname | Given) if dotted => 0.7,
                    Some(WeakSurname | WeakGiven | Unknown) if dotted => 0.5,
                    _ => 0.0,
                }
            }
            Given if words > 1 && strong_later => 0.85,
            Given if words > 1 && rest.contains(&Unknown) => 0.75,
            Given if words > 1 => 0.65,
            Given if rest.contains(&Initial) => {
                // "Ana R" or "Call Ana I ..."
                if !self.gap_before(last + 1).starts_with('.') {
                    last = first;
                }
                0.55
            }
            _ if place => 0.2,
            Given if title || self.view.word(&self.view.tokens[first]).len() > 3 => 0.55,
            Given => 0.3,
            WeakGiven if rest.contains(&Surname) || (strong_later && rest.contains(&Initial)) => 0.7,
            WeakGiven if strong_later => 0.55,
            WeakGiven if words > 1 && rest.contains(&Unknown) => {
                if starts {
                    0.4
                } else {
                    0.55
                }
            }
            WeakGiven if words > 1 => 0.35,
            Surname if words > 1 && strong_later => 0.65,
            Surname if words > 1 && rest.contains(&Unknown) => 0.5,
            Surname if words > 1 => 0.4,
            Unknown if strong_later => 0.55,
            // "Willemine ten Pas": no other words stand so beside small ones.
            Unknown if words > 1 && self.has_particle_of_names(first, last) => 0.6,
            // "Ravil G. Yefimov": an initial between two capital words.
            Unknown if words > 1 && rest.contains(&Initial) && parts.last() == Some(&Unknown) => 0.6,
            Unknown if words > 1 && rest.contains(&Unknown) && self.signs(first, last) => 0.55,
            Unknown if words > 1 && rest.contains(&Unknown) => {
                if inside {
                    0.45
                } else {
                    0.25
                }
            }
            WeakSurname if rest.contains(&Surname) || rest.contains(&Given) => 0.45,
            Surname | WeakGiven if inside => 0.45,
            Surname => 0.35,
            WeakGiven => 0.3,
            Unknown => 0.15,
            _ => 0.1,
        };
        score = match cue {
            Cue::Honorific => score.max(0.9),
            Cue::Naming => (score + 0.35).max(0.7),
            Cue::Greeting if place || !title || matches!(parts[0], WeakSurname) => score,
            Cue::Greeting if self.closes_address(last) || parts[0].is_strong() => (score + 0.3).max(0.55),
            Cue::Greeting if words > 1 => score + 0.3,
            Cue::Greeting => score + 0.15,
            Cue::None => score,
        };
        if cue < Cue::Naming {
            if title && score < 0.5 && !place && self.acts(first, last) {
                score += if parts[0] == Unknown && words == 1 { 0.35 } else { 0.2 };
            }
            score -= self.against(first, last);
        }
        if words == 1 && score < 0.5 && self.surname_comma_given(first) {
            return (0.6, first + 1);
        }
        (score.min(0.95), last)
    }

    /// "Ruiz, Ana" at the start of a line or after a colon.
    fn surname_comma_given(&self, index: usize) -> bool {
        let starts = index == 0
            || self.gap_before(index).ends_with(['\n', '\t', ';', '"', '|'])
            || self.gap_before(index) == ": ";
        let next = self.gap_before(index + 2);
        let ends = index + 2 >= self.view.tokens.len() || next.starts_with(['\n', ';', ' ', '"', '|', '.', '\t']);
        starts
            && ends
            && self.known(index).is_surname()
            && self.gap_before(index + 1) == ", "
            && self.token(index + 1).is_some_and(|t| t.is_capitalised())
            && matches!(self.part(index + 1), Part::Given)
    }

    pub(super) fn starts_sentence(&self, index: usize) -> bool {
        index == 0 || self.gap_before(index).contains(['.', '!', '?', '\n', ':', '"', '\u{201c}', '*'])
    }

    fn is_honorific(&self, index: usize) -> bool {
        self.is_monsieur(index)
            || self.known(index).is(Word::Honorific)
                && matches!(self.gap_before(index + 1), " " | ". " | ".")
                && self.token(index + 1).is_some_and(|t| t.is_capitalised())
    }

    /// A particle that is hardly part of anything but a name.
    fn has_particle_of_names(&self, first: usize, last: usize) -> bool {
        let particle = |word: &str| ["van", "von", "ter", "ten", "bin", "binti", "ibn"].contains(&word);
        (first + 1..last).any(|at| self.token(at).is_some_and(|token| particle(self.view.word(token))))
    }

    fn is_stop(&self, index: usize) -> bool {
        self.known(index).is(Word::Stop)
    }

    /// Whether the run is the last line of the text, or follows a dash at its end.
    pub(super) fn signs(&self, first: usize, last: usize) -> bool {
        let gap = self.gap_before(first);
        let ends = last + 1 == self.view.tokens.len();
        ends && first > 0 && (gap.contains('\n') || gap.ends_with("- ") || gap.ends_with("\u{2013} "))
    }

    /// Whether the word before `index` is one that [`Self::small`] looks for there.
    fn may_announce(&self, index: usize) -> bool {
        let Some(before) = index.checked_sub(1) else { return false };
        let word = self.view.word(&self.view.tokens[before]);
        // None of them is longer.
        (word.len() <= 4 || !word.is_ascii())
            && matches!(&*self.lower(before), "is" | "s" | "name" | "mr" | "mrs" | "ms" | "dr" | "am" | "i'm")
    }

    /// Names in small letters: after a naming cue, or a given name and a surname that are no ordinary words.
    fn small(&mut self, index: usize) -> usize {
        // Nearly every word is none of both, and need not be looked up.
        let announced = self.may_announce(index);
        if !announced && !names::shared().may_be_only_given(self.view.word(&self.view.tokens[index])) {
            return index + 1;
        }
        let known = self.known(index);
        if known.ordinary {
            return index + 1;
        }
        let gap = self.gap_before(index);
        let naming = announced && (gap == " " || gap == ": " || gap == "? ") && {
            let one = self.lower(index - 1);
            let two = if index > 1 { self.lower(index - 2) } else { Cow::Borrowed("") };
            ((one == "is" || one == "s") && two == "name" && gap == " ")
                || (one == "name" && gap != " ")
                || matches!(&*one, "mr" | "mrs" | "ms" | "dr")
                || (one == "am" && two == "i" && known.mostly_given() && !known.common)
                || (one == "i'm" && known.mostly_given() && !known.common)
        };
        let honorific =
            announced && matches!(gap, ". " | " ") && ["mr", "mrs", "ms", "dr"].contains(&&*self.lower(index - 1));
        let long = |token: &Token| token.end - token.start > 3;
        if naming || honorific {
            let mut last = index;
            while last < index + 3
                && self.token(last + 1).is_some_and(|t| t.form == Form::Lower)
                && self.gap_before(last + 1) == " "
            {
                let next = self.known(last + 1);
                if !next.is_name()
                    || next.ordinary
                    || (next.common && self.is_stop(last + 1))
                    || self.lower(last + 1).len() < 3
                {
                    break;
                }
                last += 1;
            }
            let stop = self.is_stop(index) || self.lower(index).len() < 2;
            let score = match () {
                () if stop => 0.0,
                () if known.is_name() && !known.common => 0.75,
                () if known.is_name() && last > index => 0.7,
                () if known.common => 0.3,
                () => 0.55,
            };
            if score > 0.0 {
                self.push(index, last, score);
                return last + 1;
            }
            return index + 1;
        }
        let next = index + 1;
        let pair = known.is_given()
            && !known.common
            && long(&self.view.tokens[index])
            && self.token(next).is_some_and(|t| t.form == Form::Lower && long(t))
            && self.gap_before(next) == " ";
        if pair {
            let second = self.known(next);
            if second.is_surname() && !second.common && !second.ordinary {
                self.push(index, next, 0.55);
                return next + 1;
            }
        }
        // "leone m. mazzi"
        let initial = known.is_given()
            && !known.common
            && self.token(next).is_some_and(|t| t.end - t.start == 1 && t.form == Form::Lower)
            && matches!(self.gap_before(next), " ")
            && matches!(self.gap_before(next + 1), " " | ". ");
        if initial {
            let third = self.known(next + 1);
            if self.token(next + 1).is_some_and(|t| t.form == Form::Lower && long(t))
                && third.is_surname()
                && !third.ordinary
                && !third.common
            {
                self.push(index, next + 1, 0.6);
                return next + 2;
            }
        }
        index + 1
    }

    fn push(&mut self, first: usize, last: usize, score: f32) {
        let (mut start, mut end) = (self.view.tokens[first].start, self.view.tokens[last].end);
        // "Smith Jr." and "Smith, PhD" keep their suffix outside; a closing initial keeps its full stop.
        if self.view.tokens[last].form == Form::Initial && last > first && self.view.at(end) == b'.' {
            end += 1;
        }
        if SUFFIXES.contains(&&*self.lower(last)) && last > first {
            end = self.view.tokens[last - 1].end;
        }
        if start >= end {
            start = end.saturating_sub(1);
        }
        self.spans.push(Span::new(start, end, Label::PERSON, score.clamp(0.01, 0.95)));
    }
}

/// "I'm", "We've", "Don't": no names, whatever their capital.
fn is_contraction(word: &str) -> bool {
    [
        "'m",
        "'ll",
        "'ve",
        "'re",
        "'d",
        "n't",
        "'s",
        "\u{2019}m",
        "\u{2019}ll",
        "\u{2019}ve",
        "\u{2019}re",
        "\u{2019}d",
        "n\u{2019}t",
    ]
    .iter()
    .any(|ending| word.ends_with(ending))
}

/// Whether the words around are written small, so that a capital says something.
fn title_among_small(finder: &Finder<'_, '_>, first: usize, last: usize) -> bool {
    let small = |index: usize| finder.token(index).is_some_and(|t| t.form == Form::Lower);
    let title = finder.token(first).is_some_and(|t| t.form == Form::Title);
    title && first > 0 && small(first - 1) && (small(last + 1) || finder.closes_address(last))
}
