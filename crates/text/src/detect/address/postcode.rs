//! Postcodes by country, and what they say about the words around them.
//!
//! Invariant: a form that other numbers share (four to six digits) counts only beside a street, a state, a town with
//! a country's letter, or an address label.
//! Sources: UPU, Postal addressing systems by country; USPS Publication 28; Canada Post Addressing Guidelines;
//! BS 7666 (in [`super::postcode_gb`]).

use super::super::view::Form;
use super::lexicon::{Role, is_state};
use super::words::{Gap, Words};
use super::{Core, Strength};

pub(super) use super::postcode_gb::british_postcode;

/// The last token of a British postcode that begins at token `first`.
pub(super) fn british(words: &Words<'_, '_>, first: usize) -> Option<usize> {
    british_postcode(words.view, first)
}

/// The last token of a Canadian postcode (`M5V 2T6`) that begins at token `first`.
pub(super) fn canadian(words: &Words<'_, '_>, first: usize) -> Option<usize> {
    let area = |word: &[u8]| {
        matches!(word, [a, b, c] if a.is_ascii_alphabetic() && b.is_ascii_digit() && c.is_ascii_alphabetic()
            && !b"DFIOQUWZ".contains(&a.to_ascii_uppercase()))
    };
    let unit =
        |word: &[u8]| matches!(word, [a, b, c] if a.is_ascii_digit() && b.is_ascii_alphabetic() && c.is_ascii_digit());
    let word = words.text(first).as_bytes();
    if word.len() == 6 && area(&word[..3]) && unit(&word[3..]) {
        return Some(first);
    }
    let near = matches!(words.gap(first + 1), Gap::Space | Gap::Hyphen);
    (area(word) && near && unit(words.text(first + 1).as_bytes())).then_some(first + 1)
}

/// A postcode before its town from token `first` on: `10115 Berlin`, `D-10115 Berlin`, `1012 AB Amsterdam`,
/// `00-950 Warszawa`, `114 55 Stockholm`. Its last token.
pub(super) fn before_town(words: &Words<'_, '_>, first: usize) -> Option<usize> {
    let letter = country_letter(words, first);
    let number = first + usize::from(letter);
    let apart = matches!(words.gap(first), Gap::Comma | Gap::Line | Gap::Dash | Gap::Stop | Gap::Close);
    let tight = |index: usize, lengths| words.gap(index) == Gap::Hyphen && words.is_number(index, lengths);
    let (code, lines) = match () {
        // `00-950`, `1200-195`, `01310-100`.
        () if words.is_number(number, 2..=2) && tight(number + 1, 3..=3) => (number + 1, true),
        () if words.is_number(number, 4..=4) && tight(number + 1, 3..=3) => (number + 1, true),
        () if words.is_number(number, 5..=5) && tight(number + 1, 3..=3) => (number + 1, true),
        () if words.is_number(number, 5..=5) => (number, false),
        // `1012 AB`.
        () if words.is_number(number, 4..=4)
            && words.form(number + 1) == Some(Form::Upper)
            && words.text(number + 1).len() == 2
            && words.gap(number + 1) == Gap::Space =>
        {
            (number + 1, true)
        }
        () if words.form(number) == Some(Form::Code)
            && words.text(number).len() == 6
            && words.text(number).as_bytes()[..4].iter().all(u8::is_ascii_digit)
            && words.text(number).as_bytes()[4..].iter().all(u8::is_ascii_uppercase) =>
        {
            (number, true)
        }
        // `114 55`.
        () if words.is_number(number, 3..=3)
            && words.gap(number + 1) == Gap::Space
            && words.is_number(number + 1, 2..=2) =>
        {
            (number + 1, true)
        }
        () if words.is_number(number, 4..=4) && (letter || (apart && !words.is_year(number))) => (number, true),
        () => return None,
    };
    if lines && !(apart || letter || words.gap(first) == Gap::Space) {
        return None;
    }
    town(words, code).or_else(|| letter.then_some(code))
}

/// `D-`, `CH-`, `E-` before a postcode.
fn country_letter(words: &Words<'_, '_>, first: usize) -> bool {
    matches!(words.form(first), Some(Form::Initial | Form::Upper))
        && words.text(first).len() <= 3
        && words.gap(first + 1) == Gap::Hyphen
        && words.is_number(first + 1, 4..=5)
        && words.text(first) != "AM"
}

/// The town after a postcode that ends at `code`: up to four capital words and their small words.
fn town(words: &Words<'_, '_>, code: usize) -> Option<usize> {
    let (mut end, mut capitals) = (None, 0);
    for index in code + 1..code + 8 {
        let near = match words.gap(index) {
            Gap::Space | Gap::Hyphen => true,
            // `28013, Madrid`, `28023. Madrid`.
            Gap::Comma | Gap::Stop => index == code + 1,
            // `Villeurbanne Cedex`, `St. Gallen`.
            _ => words.gap(index) == Gap::Stop && words.text(index - 1).len() <= 2,
        };
        if !near {
            break;
        }
        let token = words.token(index)?;
        match token.form {
            Form::Title | Form::Upper | Form::Uncased | Form::Initial
                if capitals < 4 && !words.is(index, Role::DATE) && !begins_field(words, index) =>
            {
                capitals += 1;
                end = Some(index);
            }
            Form::Lower if capitals > 0 && words.is(index, Role::JOINER) => {}
            _ => break,
        }
    }
    end
}

/// Whether a word begins the next field of a line of contact data: `Madrid E-mail: …`, `Madrid Tel. …`.
fn begins_field(words: &Words<'_, '_>, index: usize) -> bool {
    const FIELDS: &[&str] = &[
        "tel",
        "telf",
        "teléfono",
        "telefon",
        "fax",
        "e-mail",
        "email",
        "mail",
        "correo",
        "mobil",
        "phone",
        "tfno",
        "tlf",
        "e",
    ];
    let Some(token) = words.token(index) else { return false };
    words.says_any(index, FIELDS) || matches!(words.view.at(token.end), b':' | b'=')
}

/// Town and postcode without a street: `Springfield, IL 62704`, `Sydney NSW 2000`, `D-10115 Berlin`, where the number
/// stands at `number`.
pub(super) fn with_town(words: &Words<'_, '_>, number: usize, floor: usize) -> Option<Core> {
    if let Some(letter) = number.checked_sub(1).filter(|letter| *letter >= floor && country_letter(words, *letter)) {
        let end = town(words, number)?;
        return Some(Core::new(letter, end, Strength::Likely));
    }
    let state = number.checked_sub(1).filter(|state| *state > floor)?;
    let zip = words.is_number(number, 5..=5) && is_state(words.text(state));
    let australian = words.is_number(number, 4..=4)
        && ["NSW", "VIC", "QLD", "TAS", "ACT"].iter().any(|name| words.text(state) == *name);
    if !(zip || australian) || words.gap(number) != Gap::Space {
        return None;
    }
    let last_of_town = state - 1;
    if !matches!(words.gap(state), Gap::Comma | Gap::Space) || !words.is_capital(last_of_town) {
        return None;
    }
    let mut first = last_of_town;
    while first > floor
        && first + 3 > last_of_town
        && words.is_beside(first)
        && words.is_capital(first - 1)
        && !words.is(first - 1, Role::CUE.or(Role::COUNTED))
    {
        first -= 1;
    }
    let four = words.gap(number + 1) == Gap::Hyphen && words.is_number(number + 1, 4..=4);
    Some(Core::new(first, number + usize::from(four), Strength::Likely))
}
