//! Postal addresses: a number and a street, with the unit, town, state and postcode that follow.
//!
//! Invariant: from each number or street word at most a dozen tokens are looked at.
//! Sources: USPS Publication 28, appendices B (states) and C (street suffixes, unit designators); street words of the
//! largest European languages.

use super::view::{Form, Token, View};
use super::{Label, Span};

/// Street types that follow the name and are seldom anything else.
const SUFFIXES: &[&str] = &[
    "street",
    "avenue",
    "ave",
    "av",
    "road",
    "rd",
    "boulevard",
    "blvd",
    "lane",
    "ln",
    "terrace",
    "highway",
    "hwy",
    "parkway",
    "pkwy",
    "crescent",
    "alley",
    "expressway",
    "turnpike",
    "freeway",
    "causeway",
    "plaza",
    "mews",
    "gardens",
    "grove",
    "ridge",
    "meadow",
    "hollow",
    "crossing",
    "esplanade",
];
/// Street types that are also ordinary words; the name before them must have a capital.
const WEAK_SUFFIXES: &[&str] = &[
    "st", "drive", "dr", "court", "ct", "place", "pl", "way", "circle", "cir", "square", "sq", "trail", "trl", "loop",
    "run", "row", "path", "walk", "close", "park", "hill", "point", "pike", "green", "rise", "vale", "view", "quay",
];
/// Street words that stand before the name.
const PREFIXES: &[&str] = &[
    "rue",
    "via",
    "viale",
    "piazza",
    "corso",
    "vicolo",
    "calle",
    "avenida",
    "avda",
    "plaza",
    "paseo",
    "camino",
    "rua",
    "rúa",
    "travessa",
    "praça",
    "chemin",
    "allée",
    "impasse",
    "quai",
    "place",
    "ul",
    "ulica",
    "trg",
    "platz",
    "strada",
    "calea",
    "carrer",
    "largo",
    "boulevard",
    "avenue",
    "str",
    "ulice",
];
/// Endings of one-word streets, followed by a number.
const ENDINGS: &[&str] = &[
    "straße", "strasse", "str", "gasse", "platz", "allee", "gatan", "vägen", "gata", "veien", "vegen", "gate", "gade",
    "vej", "katu", "tie", "kuja", "straat", "laan", "plein", "gracht", "weg", "utca", "útja",
];
const DIRECTIONS: &[&str] = &["n", "s", "e", "w", "ne", "nw", "se", "sw", "north", "south", "east", "west"];
const UNITS: &[&str] = &[
    "apt",
    "apartment",
    "suite",
    "ste",
    "unit",
    "floor",
    "fl",
    "room",
    "rm",
    "bldg",
    "building",
    "flat",
    "box",
    "lot",
];
const STATES: &[&str] = &[
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY", "LA", "ME",
    "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR", "PA",
    "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "DC", "PR", "AA", "AE", "AP",
];

/// Words of an address that name no place: street types, directions, units.
pub(crate) fn is_address_word(lower: &str) -> bool {
    [SUFFIXES, WEAK_SUFFIXES, PREFIXES, DIRECTIONS, UNITS, &["po", "p", "o", "de", "la", "del", "di"]]
        .iter()
        .any(|list| list.contains(&lower))
}

pub(crate) fn find(view: &View<'_>, out: &mut Vec<Span>) {
    let mut index = 0;
    while index < view.tokens.len() {
        match street(view, index) {
            Some((last, score)) => {
                let end = tail(view, last);
                let span = Span::new(view.tokens[index].start, view.tokens[end].end, Label::LOCATION, score);
                out.push(span.of_kind("address"));
                index = end + 1;
            }
            None => index += 1,
        }
    }
}

/// A street that starts at token `first`: its last token and score.
fn street(view: &View<'_>, first: usize) -> Option<(usize, f32)> {
    let token = &view.tokens[first];
    match token.form {
        Form::Number | Form::Code if is_house_number(view, token) => {
            numbered(view, first).or_else(|| prefixed(view, first + 1).filter(|_| is_beside(view, first + 1)))
        }
        Form::Lower | Form::Title | Form::Upper | Form::Initial => {
            post_box(view, first).or_else(|| prefixed_with_number(view, first)).or_else(|| one_word(view, first))
        }
        _ => None,
    }
}

fn is_house_number(view: &View<'_>, token: &Token) -> bool {
    let word = view.word(token).as_bytes();
    let digits = word.iter().take_while(|b| b.is_ascii_digit()).count();
    let before = view.before(token.start);
    (1..=6).contains(&digits)
        && (digits == word.len() || (digits + 1 == word.len() && word[digits].is_ascii_alphabetic()))
        && !b".,$#%:+".contains(&before)
}

/// `123 N Main St`, `45 Fifth Avenue`, `7 5th Ave.`
fn numbered(view: &View<'_>, first: usize) -> Option<(usize, f32)> {
    let mut capitals = 0;
    let mut small = 0;
    let mut numbers = 0;
    for index in first + 1..(first + 7).min(view.tokens.len()) {
        let token = &view.tokens[index];
        if !is_beside(view, index) {
            return None;
        }
        if token.form == Form::Number {
            numbers += 1;
            if numbers > 2 || token.end - token.start > 5 {
                return None;
            }
            continue;
        }
        let lower = view.word(token).to_lowercase();
        let named = capitals + small > 0;
        // `353 Buerlia 227 Apt. 391`: whatever the street is called, a unit follows.
        if capitals > 0 && unit(view, index - 1).is_some() && lower.len() > 1 && !lower.as_bytes()[0].is_ascii_digit() {
            return Some((index - 1, 0.7));
        }
        let strong = SUFFIXES.contains(&lower.as_str());
        let weak = WEAK_SUFFIXES.contains(&lower.as_str());
        let longer = view.tokens.get(index + 1).is_some_and(|next| {
            let next = view.word(next).to_lowercase();
            is_beside(view, index + 1) && (SUFFIXES.contains(&next.as_str()) || next == "st" || next == "dr")
        });
        if named && !longer && (strong || (weak && capitals > 0 && small == 0 && token.form != Form::Lower)) {
            return Some((index, if strong && capitals > 0 { 0.8 } else { 0.65 }));
        }
        match token.form {
            Form::Title | Form::Upper | Form::Initial => capitals += 1,
            Form::Code if ["st", "nd", "rd", "th"].iter().any(|end| lower.ends_with(end)) => capitals += 1,
            Form::Lower if small < 2 && lower.len() > 1 && !is_function_word(&lower) => small += 1,
            Form::Lower if DIRECTIONS.contains(&lower.as_str()) => {}
            _ => return None,
        }
    }
    None
}

fn is_function_word(lower: &str) -> bool {
    [
        "the",
        "and",
        "or",
        "a",
        "an",
        "in",
        "on",
        "at",
        "to",
        "of",
        "for",
        "is",
        "are",
        "was",
        "with",
        "by",
        "from",
        "minutes",
        "miles",
        "hours",
        "days",
        "people",
        "blocks",
        "years",
        "times",
        "percent",
        "different",
        "new",
    ]
    .contains(&lower)
}

/// `Rue de la Paix`, with or without the number before it; needs one capital word after the street word.
fn prefixed(view: &View<'_>, first: usize) -> Option<(usize, f32)> {
    let word = view.word(view.tokens.get(first)?).to_lowercase();
    if !PREFIXES.contains(&word.as_str()) {
        return None;
    }
    let mut last = None;
    for index in first + 1..(first + 6).min(view.tokens.len()) {
        let token = &view.tokens[index];
        let lower = view.word(token).to_lowercase();
        let article = ["de", "la", "del", "di", "du", "des", "da", "do", "dos", "le", "les"].contains(&lower.as_str());
        if !is_beside(view, index) {
            break;
        }
        match token.form {
            Form::Title | Form::Upper | Form::Initial => last = Some(index),
            Form::Lower if article => {}
            _ => break,
        }
    }
    last.map(|last| (last, 0.7))
}

/// `Via Roma 12`, `Calle Mayor, 5`.
fn prefixed_with_number(view: &View<'_>, first: usize) -> Option<(usize, f32)> {
    let (last, score) = prefixed(view, first)?;
    let number = view.tokens.get(last + 1)?;
    let gap = view.gap(&view.tokens[last], number);
    (matches!(gap, " " | ", " | " n. " | " nº ") && is_house_number_form(view, number)).then_some((last + 1, score))
}

/// `Hauptstraße 5`, `Koskikatu 25`.
fn one_word(view: &View<'_>, first: usize) -> Option<(usize, f32)> {
    let word = view.word(&view.tokens[first]).to_lowercase();
    let number = view.tokens.get(first + 1)?;
    let ends = ENDINGS.iter().any(|ending| word.len() > ending.len() + 2 && word.ends_with(ending));
    let gap = view.gap(&view.tokens[first], number);
    let capital = view.tokens[first].form == Form::Title;
    (ends && capital && matches!(gap, " " | ". ") && is_house_number_form(view, number)).then_some((first + 1, 0.6))
}

fn is_house_number_form(view: &View<'_>, token: &Token) -> bool {
    matches!(token.form, Form::Number | Form::Code) && view.word(token).len() <= 5 && {
        let word = view.word(token).as_bytes();
        word[0].is_ascii_digit()
    }
}

/// `P.O. Box 123`.
fn post_box(view: &View<'_>, first: usize) -> Option<(usize, f32)> {
    let word = |n: usize| view.tokens.get(first + n).map_or("", |token| view.word(token));
    let size = if word(0).eq_ignore_ascii_case("po") && word(1).eq_ignore_ascii_case("box") {
        2
    } else if word(0).eq_ignore_ascii_case("p")
        && word(1).eq_ignore_ascii_case("o")
        && word(2).eq_ignore_ascii_case("box")
    {
        3
    } else {
        return None;
    };
    let number = view.tokens.get(first + size)?;
    (number.form == Form::Number && number.end - view.tokens[first].start < 24).then_some((first + size, 0.8))
}

/// Whether a token follows the one before it after a space, or a full stop and a space.
fn is_beside(view: &View<'_>, index: usize) -> bool {
    index > 0
        && view
            .tokens
            .get(index)
            .is_some_and(|token| matches!(view.gap(&view.tokens[index - 1], token), " " | ". " | "-"))
}

/// The last token of an address whose street ends at `last`: unit, town, state, postcode.
fn tail(view: &View<'_>, mut last: usize) -> usize {
    if let Some(unit) = unit(view, last) {
        last = unit;
    }
    let mut town = last;
    for _ in 0..4 {
        let Some(next) = view.tokens.get(town + 1) else { break };
        let first = town == last;
        let gap = view.gap(&view.tokens[town], next);
        let apart = is_break(gap) && (first || gap == " " || gap == "-");
        let state = STATES.contains(&view.word(next));
        if state && is_break(gap) {
            return postcode(view, town + 1);
        }
        if next.form == Form::Number && is_break(gap) && matches!(next.end - next.start, 5) {
            return postcode(view, town);
        }
        if let Some(end) = british_postcode(view, town).filter(|_| is_break(gap)) {
            return end;
        }
        if !apart || !matches!(next.form, Form::Title | Form::Upper) {
            break;
        }
        town += 1;
    }
    if let Some(end) = british_postcode(view, town) {
        return end;
    }
    // A town counts only with what ends an address.
    let Some(next) = view.tokens.get(town + 1) else { return last };
    let gap = view.gap(&view.tokens[town], next);
    let ends = STATES.contains(&view.word(next)) || (next.form == Form::Number && next.end - next.start == 5);
    if town > last && is_break(gap) && ends {
        postcode(view, if next.form == Form::Number { town } else { town + 1 })
    } else {
        last
    }
}

/// `LS20 9FF` after token `last` (outward and inward code, BS 7666).
fn british_postcode(view: &View<'_>, last: usize) -> Option<usize> {
    let (outward, inward) = (view.tokens.get(last + 1)?, view.tokens.get(last + 2)?);
    let (out, inn) = (view.word(outward).as_bytes(), view.word(inward).as_bytes());
    let letters = out.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let fits = (1..=2).contains(&letters)
        && (letters + 1..=letters + 2).contains(&out.len())
        && out[letters].is_ascii_digit()
        && matches!(inn, [d, a, b] if d.is_ascii_digit() && a.is_ascii_uppercase() && b.is_ascii_uppercase());
    (fits && is_break(view.gap(&view.tokens[last], outward)) && view.gap(outward, inward) == " ").then_some(last + 2)
}

fn is_break(gap: &str) -> bool {
    gap.len() <= 4 && gap.bytes().all(|b| matches!(b, b' ' | b',' | b'\n' | b'.')) && gap.matches('\n').count() < 2
}

/// `Apt. 4B`, `Suite 200`, `#12` after token `last`.
fn unit(view: &View<'_>, last: usize) -> Option<usize> {
    let next = view.tokens.get(last + 1)?;
    let gap = view.gap(&view.tokens[last], next);
    let number =
        |token: &Token| matches!(token.form, Form::Number | Form::Code | Form::Initial) && token.end - token.start <= 6;
    if number(next) && gap.ends_with('#') && gap.len() <= 4 {
        return Some(last + 1);
    }
    let is_unit = UNITS.contains(&view.word(next).to_lowercase().as_str()) && is_break(gap);
    let id = view.tokens.get(last + 2).filter(|_| is_unit)?;
    (number(id) && matches!(view.gap(next, id), " " | ". " | " #" | ".")).then_some(last + 2)
}

/// Past a ZIP code, with or without its four further digits, after token `last`.
fn postcode(view: &View<'_>, last: usize) -> usize {
    let digits = |index: usize, length: usize| {
        view.tokens.get(index).is_some_and(|token| token.form == Form::Number && token.end - token.start == length)
    };
    let gap = |index: usize| view.gap(&view.tokens[index - 1], &view.tokens[index]);
    if digits(last + 1, 5) && is_break(gap(last + 1)) {
        if digits(last + 2, 4) && gap(last + 2) == "-" { last + 2 } else { last + 1 }
    } else {
        last
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::detect::{Detector, DetectorOptions, Label};

    fn found(text: &str) -> Vec<&str> {
        let detector = Detector::new(&DetectorOptions::default()).unwrap();
        let spans = detector.detect(text);
        spans.iter().filter(|span| span.label == Label::LOCATION).map(|span| &text[span.start..span.end]).collect()
    }

    #[test]
    fn addresses_with_their_tails() {
        assert_eq!(
            found("at 123 N. Main St, Springfield, IL 62704-1234 now"),
            ["123 N. Main St, Springfield, IL 62704-1234"]
        );
        assert_eq!(found("2450 Crown St Apt. 4B"), ["2450 Crown St Apt. 4B"]);
        assert_eq!(found("350 Fifth Avenue, New York, NY 10118"), ["350 Fifth Avenue, New York, NY 10118"]);
        assert_eq!(found("85 Corncombe Close, Leeds LS20 9FF."), ["85 Corncombe Close, Leeds LS20 9FF"]);
        assert_eq!(found("P.O. Box 1234"), ["P.O. Box 1234"]);
        assert_eq!(found("12 Rue de la Paix"), ["12 Rue de la Paix"]);
        assert_eq!(found("wohnt Hauptstraße 5"), ["Hauptstraße 5"]);
        assert_eq!(found("é 🙂 12 Rue Cler"), ["12 Rue Cler"]);
    }

    #[test]
    fn counts_of_things_are_no_addresses() {
        for text in ["5 people in the street", "I have 3 ways", "call in 10 minutes by road", "The 3 best places"] {
            assert_eq!(found(text), Vec::<&str>::new(), "{text}");
        }
    }
}
