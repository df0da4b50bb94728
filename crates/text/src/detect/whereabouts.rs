//! Places by what is said of them: where somebody lives, was born or travels to is a place, whatever its name looks like.
//!
//! Invariant: a bounded number of tokens around a preposition is looked at.

use super::names::Word;
use super::view::{Form, Token, View};
use super::{Label, Span};

/// Verbs whose preposition a place follows; what also fits offices and firms ("moved to", "works at") is not among them.
const VERBS: [&str; 32] = [
    "flew",
    "fly",
    "flies",
    "flying",
    "drove",
    "driving",
    "travelled",
    "traveled",
    "travelling",
    "traveling",
    "sailed",
    "hitchhiked",
    "commutes",
    "commuting",
    "lives",
    "live",
    "lived",
    "living",
    "resides",
    "residing",
    "resided",
    "reside",
    "born",
    "raised",
    "settled",
    "emigrated",
    "immigrated",
    "fled",
    "deported",
    "buried",
    "vacationed",
    "holidayed",
];

/// Nouns and adverbs that do the same with one preposition.
const PAIRS: [(&str, &str); 14] = [
    ("originally", "from"),
    ("hails", "from"),
    ("hailing", "from"),
    ("grew", "in"),
    ("city", "of"),
    ("town", "of"),
    ("village", "of"),
    ("suburb", "of"),
    ("municipality", "of"),
    ("province", "of"),
    ("outskirts", "of"),
    ("resident", "of"),
    ("native", "of"),
    ("inhabitant", "of"),
];

const PREPOSITIONS: [&str; 7] = ["in", "to", "from", "near", "outside", "into", "of"];
/// Words between a verb and its preposition.
const ADVERBS: [&str; 10] = ["back", "here", "there", "over", "up", "out", "down", "home", "now", "alone"];
/// Small words inside of names of places.
const JOINERS: [&str; 14] = ["de", "del", "la", "le", "les", "di", "da", "do", "dos", "sur", "am", "an", "der", "of"];
/// Words of a name, at most.
const WORDS: usize = 4;
const SCORE: f32 = 0.6;

/// Whether a place follows before the token at `index`.
pub(crate) fn leads_to_place(view: &View<'_>, index: usize) -> bool {
    let small = |back: usize| {
        let at = index.checked_sub(back)?;
        let token = view.tokens.get(at)?;
        let near = view.gap(token, view.tokens.get(at + 1)?) == " ";
        (near && token.form == Form::Lower).then(|| view.word(token))
    };
    let Some(preposition) = small(1).filter(|word| PREPOSITIONS.contains(word)) else { return false };
    let mut back = 2;
    if small(back).is_some_and(|word| ADVERBS.contains(&word)) {
        back += 1;
    }
    small(back).is_some_and(|word| {
        preposition != "of" && VERBS.contains(&word)
            || PAIRS.iter().any(|(one, two)| *one == word && *two == preposition)
    })
}

/// Adds the places that are said to be some.
pub(crate) fn find(view: &View<'_>, spans: &mut Vec<Span>) {
    for (index, token) in view.tokens.iter().enumerate().skip(2) {
        let before = &view.tokens[index - 1];
        let short = before.form == Form::Lower && before.end - before.start < 8;
        if !(short && is_capital(token) && leads_to_place(view, index)) {
            continue;
        }
        if let Some(end) = run(view, index) {
            spans.push(Span::new(token.start, end, Label::LOCATION, SCORE));
        }
    }
}

fn is_capital(token: &Token) -> bool {
    matches!(token.form, Form::Title | Form::Upper)
}

/// The end of the name that begins at `first`; none where its first word is no name.
fn run(view: &View<'_>, first: usize) -> Option<usize> {
    let plain = |index: usize| {
        let known = view.known(index);
        !(known.ordinary || known.is(Word::Stop) || known.is(Word::Honorific) || known.is(Word::Company))
    };
    let mut last = first;
    if !plain(first) || view.tokens[first].end - view.tokens[first].start < 2 {
        return None;
    }
    while last < first + WORDS {
        let next = |on: usize| {
            let token = view.tokens.get(last + on)?;
            matches!(view.gap(&view.tokens[last + on - 1], token), " " | "-").then_some(token)
        };
        let joined = |on: usize, token: &Token| is_capital(token) && plain(last + on);
        last += match (next(1), next(2)) {
            (Some(one), _) if joined(1, one) => 1,
            (Some(one), Some(two)) if JOINERS.contains(&view.word(one)) && joined(2, two) => 2,
            _ => break,
        };
    }
    Some(view.tokens[last].end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::detect::Context;

    fn places(text: &str) -> Vec<&str> {
        let context = Context::new();
        let view = View::new(text, &context);
        let mut spans = Vec::new();
        find(&view, &mut spans);
        spans.iter().map(|span| &text[span.start..span.end]).collect()
    }

    #[test]
    fn where_somebody_lives_or_travels_to_is_a_place() {
        for (text, place) in [
            ("Mrs Petrov flew to Krasnokamsk on Monday.", "Krasnokamsk"),
            ("He lives in Vila Nova de Gaia, with a cat", "Vila Nova de Gaia"),
            ("originally from ΛΕΥΚΩΣΙΑ, now here", "ΛΕΥΚΩΣΙΑ"),
            ("She was born and raised in Stow-on-Trent", "Stow-on-Trent"),
            ("a resident of Olkusz who", "Olkusz"),
            ("we drove back from Llanberis", "Llanberis"),
        ] {
            assert_eq!(places(text), [place], "{text}");
        }
        for text in ["I live in The Big House", "born in May", "moved to Krasnokamsk", "lives in a house", "live in I"]
        {
            assert!(places(text).iter().all(|place| *place == "May"), "{text}: {:?}", places(text));
        }
    }
}
