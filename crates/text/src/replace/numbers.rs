//! Surrogates for card, account and social security numbers.
//!
//! Invariant: the surface (separators, length, case) is kept; checksums are valid where the kind has one; ranges that
//! are never issued are used where they exist.
//! Sources: the card networks' published test numbers, SWIFT IBAN registry, US SSA (areas 900 to 999 never issued).

use super::draw::{Draw, digits_of, with_digits};
use crate::detect::{Label, checksum, is_valid};

/// Keeps length, separators and network; starts with the prefix of the network's published test numbers, or where no number
/// of this length has it, with the four digits by which networks are told apart.
pub(super) fn card(draw: &mut Draw, value: &str) -> String {
    let old = digits_of(value);
    let prefix = match old.as_slice() {
        [4, ..] => "411111",
        [5, 1..=5, ..] => "555555",
        [2, 2..=7, ..] => "222300",
        [3, 4 | 7, ..] => "378282",
        [3, 5, ..] => "353011",
        [3, ..] => "305693",
        [6, ..] => "601111",
        _ => "",
    };
    let test: Vec<u8> = prefix.bytes().map(|b| b - b'0').collect();
    let number = |draw: &mut Draw, prefix: &[u8]| {
        let mut new: Vec<u8> = prefix.iter().copied().take(old.len().saturating_sub(1)).collect();
        while new.len() + 1 < old.len() {
            new.push(draw.digit());
        }
        new.push(checksum::luhn_digit(&new));
        new
    };
    // The digits alone: separators may be any in a URL.
    let is_card = |new: &[u8]| {
        let text: String = new.iter().map(|digit| char::from(b'0' + digit)).collect();
        is_valid(Label::CREDIT_CARD, &text) == Some(true)
    };
    let new = number(draw, &test);
    match !test.is_empty() && is_card(&new) {
        true => with_digits(value, &new),
        false => with_digits(value, &number(draw, &old[..old.len().min(4)])),
    }
}

/// Characters of the bank's code at the head of the national part, and how many stand before it; 3 where not listed.
const BANK_CODES: &[(&[u8; 2], usize, usize)] = &[
    (b"AT", 0, 5),
    (b"CH", 0, 5),
    (b"CZ", 0, 4),
    (b"DE", 0, 8),
    (b"DK", 0, 4),
    (b"ES", 0, 4),
    (b"FR", 0, 5),
    (b"GB", 0, 4),
    (b"GI", 0, 4),
    (b"IE", 0, 4),
    (b"IT", 1, 5),
    (b"LI", 0, 5),
    (b"LV", 0, 4),
    (b"MC", 0, 5),
    (b"MT", 0, 4),
    (b"NL", 0, 4),
    (b"NO", 0, 4),
    (b"PK", 0, 4),
    (b"PL", 0, 8),
    (b"PT", 0, 4),
    (b"RO", 0, 4),
    (b"SK", 0, 4),
    (b"SM", 1, 5),
    (b"TR", 0, 5),
];

/// Keeps country, length, separators and case; the bank's code is one of nines or X, which no register gives out, the
/// rest of the national part is drawn in its format and the check digits fit.
pub(super) fn iban(draw: &mut Draw, value: &str) -> String {
    let old: Vec<u8> = value.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_uppercase()).collect();
    let format = match old.as_slice() {
        [a, b, ..] => checksum::bban_format([*a, *b]).unwrap_or(""),
        _ => return super::draw::same_form(draw, value),
    };
    let mut new = vec![old[0], old[1], b'0', b'0'];
    let listed = BANK_CODES.iter().find(|(country, ..)| old.starts_with(*country));
    let (before, length) = listed.map_or((0, 3), |(_, before, length)| (*before, *length));
    for (place, (kind, old)) in checksum::bban_kinds(format).zip(old.iter().skip(4)).enumerate() {
        // Where either is allowed the class of the original is kept.
        let in_bank = (before..before + length).contains(&place);
        new.push(match kind {
            b'a' if in_bank => b'X',
            b'c' if in_bank && old.is_ascii_uppercase() => b'X',
            _ if in_bank => b'9',
            b'a' => b'A' + draw.below(26) as u8,
            b'c' if old.is_ascii_uppercase() => b'A' + draw.below(26) as u8,
            _ => b'0' + draw.digit(),
        });
    }
    let check = 98 - checksum::mod97(&new);
    new[2] = b'0' + (check / 10) as u8;
    new[3] = b'0' + (check % 10) as u8;
    let mut new = new.into_iter();
    value
        .chars()
        .map(|c| match c.is_ascii_alphanumeric().then(|| new.next()).flatten() {
            Some(b)
                if c.is_ascii_lowercase() || (c.is_ascii_digit() && value.starts_with(|f: char| f.is_lowercase())) =>
            {
                char::from(b.to_ascii_lowercase())
            }
            Some(b) => char::from(b),
            None => c,
        })
        .collect()
}

/// Area 900 to 999, never issued; group 01 to 49, which tax numbers (ITIN) do not use either.
pub(super) fn social_security(draw: &mut Draw, value: &str) -> String {
    let (area, group, serial) = (900 + draw.below(100), 1 + draw.below(49), 1 + draw.below(9999));
    let digits: Vec<u8> = format!("{area:03}{group:02}{serial:04}").bytes().map(|b| b - b'0').collect();
    with_digits(value, &digits)
}
