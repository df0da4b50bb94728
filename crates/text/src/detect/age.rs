//! Ages of persons.
//!
//! Invariant: every search starts at a number of at most three digits and looks at four words on either side. The span
//! is the number alone, so that a replacement can generalise it.
//! Source: HIPAA Safe Harbor, 45 CFR 164.514(b)(2)(i)(C), counts ages over 89 as identifiers; phrases by language.

use super::view::{Form, Token, View};
use super::{Label, Span};

const OLDEST: u32 = 125;

/// Units of an age.
const UNITS: &[&str] = &[
    "year",
    "years",
    "yr",
    "yrs",
    "y",
    "month",
    "months",
    "week",
    "weeks",
    "jahre",
    "jahren",
    "monate",
    "monaten",
    "wochen",
    "ans",
    "an",
    "mois",
    "semaines",
    "años",
    "año",
    "anos",
    "ano",
    "meses",
    "mes",
    "semanas",
    "anni",
    "anno",
    "mesi",
    "settimane",
    "jaar",
    "maanden",
    "weken",
    "day",
    "days",
    "tage",
    "tagen",
    "jours",
    "días",
    "dias",
    "giorni",
    "dagen",
];

/// Words that say "old" after the unit.
const OLD: &[&str] = &["old", "alt", "oud", "oude"];

/// Words that say "old" alone.
const SHORT: &[&str] =
    &["yo", "y/o", "y.o", "jährig", "jährige", "jähriger", "jähriges", "jährigen", "jarige", "jarig"];

/// Words whose number is an age whatever follows, except a unit of something else.
const AGED: &[&str] =
    &["aged", "age", "edad", "alter", "âge", "âgé", "âgée", "età", "idade", "leeftijd", "altersangabe", "edad_anos"];

/// Nouns for persons, of whom "of N years" tells the age.
const PERSONS: &[&str] = &[
    "varón", "varon", "mujer", "paciente", "hombre", "niño", "niña", "lactante", "hijo", "hija", "homme", "femme",
    "patient", "patiente", "garçon", "fille", "uomo", "donna", "paziente", "bambino", "bambina", "homem", "mulher",
    "menino", "menina", "man", "woman", "boy", "girl", "male", "female", "mann", "frau", "kind", "junge", "mädchen",
    "vrouw", "jongen", "meisje", "señor", "señora", "doente",
];

/// Words that go on about a person behind an age between commas, as in a newspaper: `Mr Reid, 42, of Leeds`.
const GOES_ON: &[&str] = &[
    "of", "from", "who", "whose", "was", "is", "has", "had", "said", "says", "told", "died", "lives", "lived",
    "appeared", "pleaded", "admitted", "denied", "suffered", "works", "worked", "left", "won", "joined",
];

pub(crate) fn find(view: &View<'_>, out: &mut Vec<Span>) {
    for (index, token) in view.tokens.iter().enumerate() {
        if !view.bytes[token.start].is_ascii_digit() || token.end - token.start > 16 {
            continue;
        }
        let digits = view.bytes[token.start..token.end].iter().take_while(|b| b.is_ascii_digit()).count();
        let end = token.start + digits;
        let beside = matches!(view.before(token.start), b'.' | b',' | b'-' | b'/' | b'$' | b'#' | b'+' | b':' | b'_');
        let fraction = matches!(view.at(end), b'.' | b',') && view.at(end + 1).is_ascii_digit();
        if digits > 3 || beside || fraction || view.text[token.start..end].parse().is_ok_and(|age: u32| age > OLDEST) {
            continue;
        }
        if let Some(score) = judge(view, index, end) {
            out.push(Span::new(token.start, end, Label::AGE, score));
        }
    }
}

/// What the words around the number at token `index`, which ends at `end`, say of an age.
fn judge(view: &View<'_>, index: usize, end: usize) -> Option<f32> {
    let words = Around { view, index };
    let glued = view.text[end..view.tokens[index].end].to_lowercase();
    let near = |at: usize| words.after(at).unwrap_or_default();
    // "45yo", "43años": the unit is glued to the number; otherwise it is the next token.
    let (unit, old) = if glued.is_empty() { (near(1), 2) } else { (glued, 1) };
    // "years-old" and "year-old-girl" are one token each.
    let mut pieces = unit.split('-');
    let (unit, tail) = (pieces.next().unwrap_or_default().to_owned(), pieces.next().unwrap_or_default().to_owned());
    let abbreviated = ["y/o", "y.o", "yo"].iter().any(|mark| {
        let rest = &view.bytes[end..view.bytes.len().min(end + 6)];
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        rest.len() >= mark.len()
            && rest[..mark.len()].eq_ignore_ascii_case(mark.as_bytes())
            && !rest.get(mark.len()).is_some_and(u8::is_ascii_alphanumeric)
    });
    if SHORT.contains(&unit.as_str()) || abbreviated {
        return Some(0.85);
    }
    if UNITS.contains(&unit.as_str()) {
        let next = if tail.is_empty() { words.after(old).unwrap_or_default() } else { tail };
        let next = next.split('-').next().unwrap_or_default();
        let of_age = matches!(next, "of" | "de" | "di" | "d'âge" | "d")
            && matches!(words.after(old + 1).as_deref(), Some("age" | "edad" | "idade" | "età" | "vida" | "âge"));
        return Some(match () {
            () if OLD.contains(&next) || of_age || next == "d'âge" => 0.85,
            () if words.before_any(3, AGED) || words.before(1).is_some_and(|word| word == "turned") => 0.8,
            () if words.before_any(3, PERSONS) && words.linked() => 0.75,
            () if words.says("a", "los") || words.says("à", "l'âge") => 0.55,
            () => 0.15,
        });
    }
    if tells_measure(view, end, &unit) || end < view.tokens[index].end {
        return None;
    }
    let before = words.before(1)?;
    if AGED.contains(&before.as_str())
        || (matches!(before.as_str(), "of" | "is" | "von" | "de" | "was" | "at")
            && words.before(2).is_some_and(|word| AGED.contains(&word.as_str())))
    {
        return Some(0.7);
    }
    let closed = matches!(view.at(end), b'.' | b'!' | b'?' | b';' | b')' | b'\n') || end == view.bytes.len();
    let paused =
        closed || view.at(end) == b',' || matches!(unit.as_str(), "and" | "in" | "on" | "this" | "next" | "last");
    match before.as_str() {
        "turned" | "turning" | "turn" | "turns" | "turnt" if paused => Some(0.6),
        "i'm" | "im" if closed => Some(0.5),
        "am" if closed && words.before(2).is_some_and(|word| word == "i") => Some(0.5),
        _ if words.is_between_commas(end) && GOES_ON.contains(&unit.as_str()) => Some(0.6),
        _ => None,
    }
}

/// Whether the number counts something else: "aged 5 minutes", "age 40%".
fn tells_measure(view: &View<'_>, end: usize, unit: &str) -> bool {
    matches!(view.at(end), b'%' | b'/' | b':' | b'-' | b'_')
        || matches!(
            unit,
            "seconds"
                | "minutes"
                | "minute"
                | "hours"
                | "hour"
                | "days"
                | "km"
                | "miles"
                | "percent"
                | "degrees"
                | "to"
        )
}

/// The words beside a number, in lower case; a line that ended parts them.
struct Around<'a> {
    view: &'a View<'a>,
    index: usize,
}

impl Around<'_> {
    fn word(&self, token: &Token) -> Option<String> {
        let fits = token.end - token.start < 24 && token.form != Form::Number;
        fits.then(|| self.view.word(token).to_lowercase())
    }

    fn before(&self, steps: usize) -> Option<String> {
        let at = self.index.checked_sub(steps)?;
        let gap = &self.view.bytes[self.view.tokens[at].end..self.view.tokens[self.index].start];
        // `age == 5` and `age += 1` are programs.
        let operator = || gap.windows(2).any(|pair| pair == b"==") || gap.contains(&b'+');
        let close = gap.len() < 32 && !gap.contains(&b'\n') && !operator();
        close.then(|| self.word(&self.view.tokens[at])).flatten()
    }

    fn after(&self, steps: usize) -> Option<String> {
        let token = self.view.tokens.get(self.index + steps)?;
        let gap = &self.view.bytes[self.view.tokens[self.index].end..token.start];
        (gap.len() < 32 && !gap.contains(&b'\n')).then(|| self.word(token)).flatten()
    }

    fn before_any(&self, steps: usize, words: &[&str]) -> bool {
        (1..=steps).filter_map(|back| self.before(back)).any(|word| words.contains(&word.as_str()))
    }

    /// Behind a capital word: `Reid, 42, `. A date, `March 3, 42`, is none.
    fn is_between_commas(&self, end: usize) -> bool {
        let number = &self.view.tokens[self.index];
        let name = self.index.checked_sub(1).and_then(|before| self.view.tokens.get(before));
        let behind_name = name.is_some_and(|name| name.form == Form::Title && self.view.gap(name, number) == ", ");
        behind_name && number.end - number.start == 2 && self.view.at(end) == b',' && self.view.at(end + 1) == b' '
    }

    /// "mujer de 45 años": a preposition ties the number to the noun.
    fn linked(&self) -> bool {
        self.before(1).is_some_and(|word| matches!(word.as_str(), "de" | "di" | "von" | "van" | "of" | "con" | "aged"))
    }

    fn says(&self, first: &str, second: &str) -> bool {
        self.before(2).is_some_and(|word| word == first) && self.before(1).is_some_and(|word| word == second)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::detect::{Detector, DetectorOptions, Label};

    fn found(text: &str) -> Vec<&str> {
        let spans = Detector::new(&DetectorOptions::default()).unwrap().detect(text);
        spans.iter().filter(|span| span.label == Label::AGE).map(|span| &text[span.start..span.end]).collect()
    }

    #[test]
    fn ages_are_found_in_seven_languages() {
        for text in [
            "a 38-year-old male",
            "a 38 year old",
            "she is 38 years old",
            "i'm 38 y/o.",
            "38yo male",
            "at the age of 38",
            "aged 38, she",
            "Age: 38",
            "Age: 38y; Sex: F",
            "the driver, Mr Okonkwo, 38, of Peckham",
            "I just turned 38",
            "I'm 38.",
            "38 Jahre alt",
            "eine 38-jährige Frau",
            "im Alter von 38 Jahren",
            "un homme de 38 ans",
            "Edad: 38 años",
            "mujer de 38 años",
            "38años de edad",
            "una donna di 38 anni",
            "uma mulher de 38 anos",
            "38 jaar oud",
            "een 38-jarige man",
        ] {
            assert_eq!(found(text), ["38"], "{text}");
        }
    }

    #[test]
    fn durations_and_counts_are_no_ages() {
        for text in [
            "after 38 years of work",
            "historia de 38 años",
            "I turned 38 degrees",
            "page 38 of it",
            "aged 38%",
            "I'm 38 minutes late",
            "age 380",
            "38 old books",
            "Apples, 38, Oranges, 17",
            "he read Psalms, 38, and left",
            "a 3.38 year average",
            "person.age == 38",
            "Age = 0x4000",
            "an age of 38 seconds",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
    }
}
