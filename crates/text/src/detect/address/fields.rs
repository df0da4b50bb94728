//! Values of forms: `Address: …`, `Localidad: Madrid`, `PLZ: 10115`.
//!
//! Invariant: a value ends with its line, and is short.
//! Source: the labels that the address forms of the languages served use.

use super::super::view::Form;
use super::lexicon::Role;
use super::postcode::{british, canadian};
use super::words::{Gap, Words};
use super::{Found, at_number};

/// Tokens and bytes of a value, at most.
const VALUE_TOKENS: usize = 14;
const VALUE_BYTES: usize = 120;

const TOWNS: &[&str] = &[
    "city",
    "town",
    "localidad",
    "ciudad",
    "población",
    "municipio",
    "ville",
    "ort",
    "stadt",
    "wohnort",
    "città",
    "comune",
    "località",
    "plaats",
    "woonplaats",
    "cidade",
    "miasto",
    "provincia",
    "province",
    "county",
    "hometown",
    "birthplace",
    "geburtsort",
];
const COUNTRIES: &[&str] = &["country", "país", "pais", "land", "pays", "paese", "kraj"];
const CODES: &[&str] = &[
    "zip",
    "zipcode",
    "zip_code",
    "postcode",
    "postal_code",
    "postalcode",
    "cp",
    "plz",
    "postleitzahl",
    "cap",
    "cep",
    "postnummer",
];
/// Words of labels of two words that end so: `ZIP code`, `código postal`.
const CODE_PAIRS: &[(&str, &str)] = &[
    ("zip", "code"),
    ("postal", "code"),
    ("post", "code"),
    ("código", "postal"),
    ("codigo", "postal"),
    ("code", "postal"),
];
const ADDRESSES: &[&str] = &[
    "address",
    "adresse",
    "anschrift",
    "domicilio",
    "dirección",
    "direccion",
    "indirizzo",
    "adres",
    "endereço",
    "morada",
    "straße",
    "calle",
    "street",
    "addr",
];

/// The value of the label at `label`, which a colon follows.
pub(super) fn value(words: &Words<'_, '_>, label: usize) -> Option<Found> {
    let first = label + 1;
    let gap = words.raw_gap(first);
    let opened = gap.strip_prefix('"').unwrap_or(gap).trim_start();
    if gap.len() > 12 || !opened.starts_with(':') || gap.contains('\n') || gap.contains("//") {
        return None;
    }
    let name = words.text(label).to_lowercase();
    let is = |list: &[&str]| list.contains(&name.as_str());
    let pair = label > 0 && CODE_PAIRS.iter().any(|(one, two)| words.says(label - 1, one) && name == *two);
    if is(CODES) || pair {
        return code(words, first);
    }
    if is(TOWNS) || is(COUNTRIES) {
        return town(words, first);
    }
    if is(ADDRESSES) { address(words, first) } else { None }
}

fn code(words: &Words<'_, '_>, first: usize) -> Option<Found> {
    let tight = |index: usize| words.gap(index) == Gap::Hyphen && words.is_number(index, 3..=4);
    let last = match () {
        () if words.is_number(first, 4..=6) => first + usize::from(tight(first + 1)),
        () if words.is_number(first, 2..=2) && tight(first + 1) => first + 1,
        () => british(words, first).or_else(|| canadian(words, first))?,
    };
    Some(Found { first, last, score: 0.75, kind: Some("postcode") })
}

fn town(words: &Words<'_, '_>, first: usize) -> Option<Found> {
    if !words.is_capital(first) || words.token(first)?.end - words.token(first)?.start < 3 {
        return None;
    }
    let mut last = first;
    for index in first + 1..first + 6 {
        let joiner = words.is_lower(index) && words.is(index, Role::JOINER) && words.is_capital(index + 1);
        if !words.is_beside(index)
            || words.raw_gap(index).starts_with('.')
            || !(words.is_capital(index) || joiner)
            || is_label(words, index)
        {
            break;
        }
        last = index;
    }
    let ends = !(words.gap(last + 1) == Gap::Space && words.is_lower(last + 1));
    ends.then_some(Found { first, last, score: 0.65, kind: None })
}

/// `Madrid Sexo: H`: the next label of the same line.
fn is_label(words: &Words<'_, '_>, index: usize) -> bool {
    words.token(index).is_some_and(|token| words.view.at(token.end) == b':')
}

/// A whole line, where the grammar finds no street on it.
fn address(words: &Words<'_, '_>, first: usize) -> Option<Found> {
    let start = words.token(first)?.start;
    let mut last = first;
    while last < first + VALUE_TOKENS && !words.ends_line(last) {
        let gap = words.raw_gap(last + 1);
        if matches!(gap, ". " | "; ") && !words.is_abbreviation(last)
            || gap.contains(['\n', '"', '|', '@', '<'])
            || is_label(words, last + 1)
        {
            break;
        }
        last += 1;
    }
    let line = &words.view.text[start..words.token(last)?.end];
    let numbers = (first..=last).any(|index| matches!(words.form(index), Some(Form::Number | Form::Code)));
    let letters = (first..=last).any(|index| words.is_capital(index));
    let plain =
        line.len() <= VALUE_BYTES && !line.contains(['@', '=', '\\']) && !line.contains("://") && !line.contains("..");
    let begins = words.is_capital(first) || words.is_house_number(first);
    // Network and memory addresses are no postal ones.
    let digits = line.bytes().filter(u8::is_ascii_digit).count();
    let numbers = numbers || words.is(first, Role::PREFIX);
    if last == first || !numbers || !letters || !plain || !begins || digits * 2 > line.len() {
        return None;
    }
    let street = (first..=last).any(|index| {
        matches!(words.form(index), Some(Form::Number | Form::Code))
            && at_number(words, index, first).is_some_and(|found| found.score >= 0.5)
    });
    (!street).then_some(Found { first, last, score: 0.6, kind: Some("address") })
}
