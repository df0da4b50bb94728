//! Surrogates for telephone, card, account and social security numbers.
//!
//! Invariant: the surface (separators, length, case) is kept; checksums are valid where the kind has one; ranges that
//! are never issued are used where they exist.
//! Sources: NANPA (555-0100 to 555-0199 for fiction), Ofcom "Telephone numbers for use in TV and radio drama", ARCEP
//! decision 2018-0881 (numbers for audiovisual works), US SSA (areas 900 to 999 never issued).

use super::draw::{Draw, with_digits};
use crate::detect::checksum;

const AREA_CODES: &[&str] = &[
    "201", "202", "206", "212", "213", "214", "215", "216", "303", "305", "312", "313", "314", "404", "408", "412",
    "415", "416", "502", "503", "504", "512", "514", "602", "604", "612", "614", "615", "617", "619", "702", "703",
    "704", "713", "716", "718", "801", "804", "808", "816", "901", "904", "907", "916", "919", "972",
];

/// Two-digit country codes; 1 and 7 have one digit, all others three.
const TWO_DIGIT_CODES: &[&str] = &[
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49", "51",
    "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84", "86", "90",
    "91", "92", "93", "94", "95", "98",
];

pub(super) fn phone(draw: &mut Draw, value: &str) -> String {
    // An extension is drawn too, but never shortens the number.
    let main = value.find(['x', 'X', 'e', 'E']).unwrap_or(value.len());
    let old = digits_of(&value[..main]);
    let international = value.trim_start_matches(['(', ' ']).starts_with('+') || old.starts_with(&[0, 0]);
    let trunk = old.iter().take_while(|d| **d == 0).count().min(2);
    let code = if international { country_code(&old[trunk..]) + trunk } else { 0 };
    let mut new: Vec<u8> = old[..code].to_vec();
    let national = &old[code..];
    let country = &old[if international { trunk } else { 0 }..code];
    let (prefix, free) = match (country, national) {
        ([1] | [], [1, rest @ ..]) | ([1] | [], rest @ [2..=9, ..])
            if rest.len() == 10 && (old[0] != 0 || international) =>
        {
            let area = draw.pick(AREA_CODES).unwrap_or("202");
            let lead = if rest.len() < national.len() { "1" } else { "" };
            (format!("{lead}{area}55501"), 2)
        }
        ([4, 4], [0, 7, ..] | [7, ..]) | ([], [0, 7, ..]) if trimmed(national) == 10 => (zero(national, "7700900"), 3),
        ([4, 4], [0, 2, 0, ..] | [2, 0, ..]) | ([], [0, 2, 0, ..]) if trimmed(national) == 10 => {
            (zero(national, "2079460"), 3)
        }
        ([4, 4], _) | ([], [0, 1, ..]) if trimmed(national) == 10 => (zero(national, "1632960"), 3),
        ([3, 3], _) | ([], [0, 1..=6, ..]) if trimmed(national) == 9 => {
            let region = ["19900", "26191", "35301", "46571", "53649", "63998"];
            let first = national.iter().find(|d| **d != 0).copied().unwrap_or(1);
            let region = region.get(usize::from(first).saturating_sub(1)).copied().unwrap_or("63998");
            (zero(national, region), 4)
        }
        _ => {
            // No range for fiction is known: keep the trunk digit, draw the rest.
            let keep = usize::from(national.first().is_some_and(|d| *d == 0));
            (if keep == 1 { "0".to_owned() } else { String::new() }, national.len() - keep)
        }
    };
    new.extend(prefix.bytes().map(|b| b - b'0'));
    for place in 0..free {
        let digit = draw.digit();
        // A drawn first digit is never 0 or 1, which would make it a trunk code.
        new.push(if place == 0 && prefix.len() < 2 { 2 + digit % 8 } else { digit });
    }
    let mut result = with_digits(&value[..main], &new);
    result.extend(value[main..].chars().map(|c| if c.is_ascii_digit() { char::from(b'0' + draw.digit()) } else { c }));
    result
}

/// National digits without leading zeros.
fn trimmed(national: &[u8]) -> usize {
    national.len() - national.iter().take_while(|d| **d == 0).count()
}

fn zero(national: &[u8], rest: &str) -> String {
    let zeros = national.iter().take_while(|d| **d == 0).count();
    format!("{}{rest}", "0".repeat(zeros))
}

fn country_code(digits: &[u8]) -> usize {
    let two: String = digits.iter().take(2).map(|d| char::from(b'0' + d)).collect();
    match digits.first() {
        Some(1 | 7) => 1,
        _ if TWO_DIGIT_CODES.contains(&two.as_str()) => 2,
        _ => 3.min(digits.len()),
    }
}

/// Keeps length, separators and network; starts with the prefix of the network's published test numbers.
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
    let mut new: Vec<u8> = prefix.bytes().map(|b| b - b'0').take(old.len().saturating_sub(1)).collect();
    if new.is_empty() {
        new.extend(old.first());
    }
    while new.len() + 1 < old.len() {
        new.push(draw.digit());
    }
    new.push(checksum::luhn_digit(&new));
    with_digits(value, &new)
}

/// Keeps country, length, separators and case; the national part is drawn in its format and the check digits fit.
pub(super) fn iban(draw: &mut Draw, value: &str) -> String {
    let old: Vec<u8> = value.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_uppercase()).collect();
    let format = match old.as_slice() {
        [a, b, ..] => checksum::bban_format([*a, *b]).unwrap_or(""),
        _ => return super::draw::same_form(draw, value),
    };
    let mut new = vec![old[0], old[1], b'0', b'0'];
    for (kind, old) in checksum::bban_kinds(format).zip(old.iter().skip(4)) {
        // Where either is allowed the class of the original is kept.
        new.push(match kind {
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

fn digits_of(value: &str) -> Vec<u8> {
    value.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect()
}
