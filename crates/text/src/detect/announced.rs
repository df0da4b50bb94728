//! Whether what stands around some words says that they name a person, whatever the words themselves look like.
//!
//! Invariant: a bounded number of tokens around the words is looked at. What is said here is the context's word alone: it
//! decides where the words can be a person and a place.

use super::cue::Cue;
use super::names::Word;
use super::person::Finder;
use super::view::{Form, View};

/// Most words of a name that is announced.
const WORDS: usize = 4;

/// How plainly a person is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Announced {
    No,
    /// Said to do what persons do.
    Acting,
    /// Addressed, speaking or signing.
    Addressed,
    /// Named as somebody's relative.
    Related,
    /// By an honorific, or by a word for "name".
    Sure,
}

/// What stands around the bytes from `start` to `end`, which are whole tokens.
pub(crate) fn announced(view: &View<'_>, start: usize, end: usize) -> Announced {
    let first = view.tokens.partition_point(|token| token.start < start);
    let count = view.tokens[first..].iter().take(WORDS + 1).take_while(|token| token.end <= end).count();
    if count == 0 || count > WORDS {
        return Announced::No;
    }
    let finder = Finder::new(view);
    let last = first + count - 1;
    // What is part of more: `Dr. Martens Street`, `@paris`.
    let capital_behind = finder.gap_before(last + 1) == " "
        && finder.token(last + 1).is_some_and(|token| matches!(token.form, Form::Title | Form::Upper));
    if finder.gap_before(first).ends_with(['@', '#', '/', '_']) {
        return Announced::No;
    }
    let closes = finder.closes_address(last);
    match finder.cue(first) {
        Cue::Honorific if !capital_behind => Announced::Sure,
        Cue::Naming if closes || !capital_behind => Announced::Sure,
        Cue::Greeting if closes => Announced::Addressed,
        _ if capital_behind => Announced::No,
        _ if speaks(&finder, first, last) || finder.signs(first, last) => Announced::Addressed,
        _ if finder.is_relative(first) => Announced::Related,
        _ if finder.acts(first, last) => Announced::Acting,
        _ => Announced::No,
    }
}

/// `Jiayi here.`, `Tomás: ok` and `[10:32] Tomás: ok`, at the start of a line or of the text.
fn speaks(finder: &Finder<'_, '_>, first: usize, last: usize) -> bool {
    let gap = finder.gap_before(last + 1);
    let starts = first == 0 || finder.gap_before(first).contains('\n');
    if gap == " " && finder.lower(last + 1) == "here" && finder.starts_sentence(first) {
        let behind = finder.gap_before(last + 2);
        return last + 2 >= finder.view.tokens.len() || behind.starts_with(['.', ',', '!', ';', '\n']);
    }
    let stamped = finder.gap_before(first).ends_with(['[', ']', '>', ' ']) && {
        let from = first.saturating_sub(4);
        let line = (from..=first).rev().find(|at| *at == 0 || finder.gap_before(*at).contains('\n'));
        line.is_some_and(|line| {
            (line..first).all(|at| finder.token(at).is_some_and(|token| token.form == Form::Number))
        })
    };
    gap == ": "
        && (starts || stamped)
        && finder.token(last + 1).is_some_and(|token| token.form == Form::Lower)
        && !(first..=last).any(|at| finder.known(at).is(Word::FormLabel))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::detect::Context;

    fn of(text: &str, name: &str) -> Announced {
        let context = Context::new();
        let view = View::new(text, &context);
        let start = text.find(name).unwrap();
        announced(&view, start, start + name.len())
    }

    #[test]
    fn honorifics_and_words_for_name_announce_a_person() {
        for (text, name) in [
            ("I saw Mr. London today", "London"),
            ("My name is Jackson Heights.", "Jackson Heights"),
            ("Name: Lima", "Lima"),
            ("ask Dr Florence, please", "Florence"),
        ] {
            assert_eq!(of(text, name), Announced::Sure, "{text}");
        }
    }

    #[test]
    fn who_is_addressed_speaks_or_signs_is_likely_a_person() {
        for (text, name) in [
            ("Thanks for reaching out to Blue Sky, Zhiqiang.\nWe help.", "Zhiqiang"),
            ("Jiayi here. It fails.", "Jiayi"),
            ("[10:32] Tomás: ok see you", "Tomás"),
            ("The box is dead.\nRegards,\nKehinde", "Kehinde"),
        ] {
            assert_eq!(of(text, name), Announced::Addressed, "{text}");
        }
        assert_eq!(of("Sefa said no", "Sefa"), Announced::Acting);
        for (text, name) in [
            ("We moved to Zhiqiang, it is small", "Zhiqiang"),
            ("It is Dr. Martens Street", "Martens"),
            ("We live in Selam.", "Selam"),
            ("Berlin: 12 degrees", "Berlin"),
            ("the #Selam said", "Selam"),
        ] {
            assert_eq!(of(text, name), Announced::No, "{text}");
        }
    }
}
