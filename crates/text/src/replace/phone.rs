//! Surrogates for telephone numbers.
//!
//! Invariant: separators and the number of digits stay, and where a regulator has set numbers aside for fiction, the
//! surrogate is one of them. Elsewhere the national number is drawn, behind its trunk digit.
//! Sources: NANPA (555-0100 to 555-0199), Ofcom "Telephone numbers for use in TV and radio drama programmes", ARCEP
//! decision 2018-0881, Bundesnetzagentur notice 148/2021, ComReg "National Numbering Conventions" (020 91), PTS
//! "Telefonnummer för användning i böcker och filmer", ACMA "Phone numbers for use in TV shows, films and creative works".

use super::draw::{Draw, digits_of, with_digits};

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

/// Numbers for fiction of one country: how its national numbers without trunk zero begin, their length (0 is any), and the
/// head that takes the place; what follows the head is free.
struct Fiction {
    country: &'static str,
    begins: &'static str,
    length: usize,
    heads: &'static [&'static str],
}

const fn fiction(
    country: &'static str,
    begins: &'static str,
    length: usize,
    heads: &'static [&'static str],
) -> Fiction {
    Fiction { country, begins, length, heads }
}

/// The first that fits.
const FICTION: &[Fiction] = &[
    fiction("44", "7", 10, &["7700900"]),
    fiction("44", "20", 10, &["2079460"]),
    fiction("44", "", 10, &["1632960"]),
    fiction("33", "1", 9, &["19900"]),
    fiction("33", "2", 9, &["26191"]),
    fiction("33", "3", 9, &["35301"]),
    fiction("33", "4", 9, &["46571"]),
    fiction("33", "5", 9, &["53649"]),
    fiction("33", "6", 9, &["63998"]),
    fiction("33", "7", 9, &["63998"]),
    fiction("49", "15", 11, &["1522881738"]),
    fiction("49", "16", 10, &["17139200"]),
    fiction("49", "16", 11, &["1522881738"]),
    fiction("49", "17", 10, &["17139200"]),
    fiction("49", "17", 11, &["17604069"]),
    fiction("49", "", 10, &["3023125", "6990009", "4066969", "8999998", "2214710"]),
    fiction("49", "", 11, &["3023125", "6990009", "4066969", "8999998", "2214710"]),
    fiction("353", "", 0, &["2091"]),
    fiction("46", "7", 9, &["7017406"]),
    fiction("46", "8", 9, &["8465004"]),
    fiction("46", "", 9, &["3139006", "4062804"]),
    fiction("61", "4", 9, &["49157"]),
    fiction("61", "2", 9, &["25550", "27010"]),
    fiction("61", "3", 9, &["35550", "37010"]),
    fiction("61", "7", 9, &["75550", "77010"]),
    fiction("61", "8", 9, &["85550", "87010"]),
];

/// Countries whose numbers are recognised without a country code, by the national number with its zero.
const DOMESTIC: &[(&str, &str, usize)] = &[
    ("44", "07", 11),
    ("44", "02", 11),
    ("44", "01", 11),
    ("33", "01", 10),
    ("33", "02", 10),
    ("33", "03", 10),
    ("33", "04", 10),
    ("33", "05", 10),
    ("33", "06", 10),
];

/// Keeps country, separators and length.
pub(super) fn phone(draw: &mut Draw, value: &str) -> String {
    // An extension is drawn too, but never shortens the number.
    let main = value.find(['x', 'X', 'e', 'E']).unwrap_or(value.len());
    let old = digits_of(&value[..main]);
    let international = value.trim_start_matches(['(', ' ']).starts_with('+') || old.starts_with(&[0, 0]);
    let zeros = old.iter().take_while(|d| **d == 0).count().min(2);
    let code = if international { country_code(&old[zeros..]) + zeros } else { 0 };
    let (head, national) = old.split_at(code);
    let country: String =
        head.iter().skip(if international { zeros } else { 0 }).map(|d| char::from(b'0' + d)).collect();
    let mut new = head.to_vec();
    new.extend(match (country.as_str(), national) {
        ("" | "1", [1, 2..=9, ..]) if national.len() == 11 => [&[1], american(draw).as_slice()].concat(),
        ("" | "1", [2..=9, ..]) if national.len() == 10 => american(draw),
        _ => drawn(draw, &country, national),
    });
    let mut result = with_digits(&value[..main], &new);
    result.extend(value[main..].chars().map(|c| if c.is_ascii_digit() { char::from(b'0' + draw.digit()) } else { c }));
    result
}

/// Ten digits: an area code, and 555-01xx.
fn american(draw: &mut Draw) -> Vec<u8> {
    let area = draw.pick(AREA_CODES).unwrap_or("202");
    filled(draw, &format!("{area}55501"), 10)
}

fn drawn(draw: &mut Draw, country: &str, national: &[u8]) -> Vec<u8> {
    let text: String = national.iter().map(|d| char::from(b'0' + d)).collect();
    // The trunk zero stands in front, in brackets behind a country code, or not at all.
    let trunk = usize::from(text.starts_with('0'));
    let number = &text[trunk..];
    let country = match country {
        "" => DOMESTIC.iter().find(|(_, begins, length)| text.starts_with(begins) && text.len() == *length),
        _ => None,
    }
    .map_or(country, |(country, ..)| country);
    let fits = |fiction: &&Fiction| {
        let length = fiction.length == 0 || fiction.length == number.len();
        fiction.country == country && number.starts_with(fiction.begins) && length
    };
    let head = FICTION.iter().find(fits).and_then(|fiction| draw.pick(fiction.heads));
    let mut new = vec![0; trunk];
    new.extend(match head {
        Some(head) => filled(draw, head, number.len()),
        None => filled(draw, "", number.len()),
    });
    new
}

/// `head` and drawn digits behind it; a first digit that is drawn is 2 to 9, or it would be taken for a trunk code.
fn filled(draw: &mut Draw, head: &str, length: usize) -> Vec<u8> {
    let mut digits: Vec<u8> = head.bytes().map(|b| b - b'0').take(length).collect();
    while digits.len() < length {
        let digit = draw.digit();
        digits.push(if digits.is_empty() { 2 + digit % 8 } else { digit });
    }
    digits
}

fn country_code(digits: &[u8]) -> usize {
    let two: String = digits.iter().take(2).map(|d| char::from(b'0' + d)).collect();
    match digits.first() {
        Some(1 | 7) => 1,
        _ if TWO_DIGIT_CODES.contains(&two.as_str()) => 2,
        _ => 3.min(digits.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_from_ranges_for_fiction() {
        for (value, begins) in [
            ("(212) 736-5000", "("),
            ("+1 212 736 5000", "+1 "),
            ("1-800-356-9377", "1-"),
            ("07911 123456", "07700 900"),
            ("020 7123 4567", "020 7946 0"),
            ("+44 20 7123 4567", "+44 20 7946 0"),
            ("+44 (0)161 496 0000", "+44 (0)163 296 0"),
            ("+33 6 12 34 56 78", "+33 6 39 98 "),
            ("04 91 12 34 56", "04 65 71 "),
            ("+49 171 1234567", "+49 171 39200"),
            ("0049 89 12345678", "0049 "),
            ("+353 1 234 5678", "+353 2 091 "),
            ("+46 70 123 45 67", "+46 70 174 06 "),
            ("+61 2 9374 4000", "+61 2 "),
            ("+61 412 345 678", "+61 491 57"),
        ] {
            for seed in 0..20 {
                let new = phone(&mut Draw::new([seed; 32], 0), value);
                let form =
                    |text: &str| text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>();
                assert!(new.starts_with(begins) && form(&new) == form(value), "{value}: {new}");
            }
        }
        let american: Vec<u8> = digits_of(&phone(&mut Draw::new([1; 32], 0), "1-800-356-9377"));
        assert_eq!(american[4..9], [5, 5, 5, 0, 1]);
    }
}
