//! Surrogates for identifiers with check characters, whatever the rule behind them.
//!
//! Invariant: where the kind of identifier has a validator and a valid value of the same form was found, the surrogate is
//! valid. The rule is never written out here: the same form is drawn, then the last characters go through all of their
//! class until the validator agrees. One check character is found in at most 36 steps; structure in front of it, such as a
//! date of birth, costs more draws.

use super::draw::{Draw, same_form};
use crate::detect::Label;

/// Draws of the form with one free character at the end, then with two, then with three.
const DRAWS: [(usize, usize); 3] = [(1, 1200), (2, 60), (3, 4)];

/// A value of the same form that `valid` accepts; of the same form alone where there is no rule or nothing fits.
pub(super) fn identifier(draw: &mut Draw, label: Label, value: &str, valid: impl Fn(&str) -> Option<bool>) -> String {
    let heads = reserved(label).into_iter().chain([""]);
    for head in heads {
        let form = |draw: &mut Draw| headed(&same_form(draw, value), head);
        let first = form(draw);
        // Some rules only confirm: a form that they are silent about is good enough for an original that they do not confirm.
        if valid(&first).is_none() && valid(value) != Some(true) {
            return first;
        }
        for (free, draws) in DRAWS {
            for _ in 0..draws {
                if let Some(found) = completed(&form(draw), free, &valid) {
                    return found;
                }
            }
        }
    }
    walked(draw, value, &valid).unwrap_or_else(|| same_form(draw, value))
}

/// Beginnings that the register never gives out, where one is known and published.
fn reserved(label: Label) -> Option<&'static str> {
    Some(match label.0 {
        // NHS Digital: numbers from 999 000 0000 are for tests.
        "UK_NHS" => "999",
        // HMRC, NIM39110: QQ is allocated to nobody.
        "UK_NINO" => "QQ",
        // ABA: routing numbers that begin with 33 to 60 are not assigned.
        "ABA_ROUTING_NUMBER" => "60",
        _ => return None,
    })
}

/// `value` with its first letters and digits replaced by `head`.
fn headed(value: &str, head: &str) -> String {
    let mut head = head.chars();
    value.chars().map(|c| if c.is_ascii_alphanumeric() { head.next().unwrap_or(c) } else { c }).collect()
}

/// The members of a character's class.
fn class(c: char) -> &'static [u8] {
    match c {
        '0'..='9' => b"0123456789",
        'A'..='Z' => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        _ => b"abcdefghijklmnopqrstuvwxyz",
    }
}

/// `value` with its last `free` letters and digits chosen so that it is valid.
fn completed(value: &str, free: usize, valid: &impl Fn(&str) -> Option<bool>) -> Option<String> {
    let mut bytes = value.as_bytes().to_vec();
    let mut places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at].is_ascii_alphanumeric()).collect();
    places.drain(..places.len().checked_sub(free)?);
    let classes: Vec<&[u8]> = places.iter().map(|at| class(char::from(bytes[*at]))).collect();
    let all: usize = classes.iter().map(|class| class.len()).product();
    (0..all).find_map(|mut number| {
        for (at, class) in places.iter().zip(&classes) {
            bytes[*at] = class[number % class.len()];
            number /= class.len();
        }
        let candidate = std::str::from_utf8(&bytes).ok()?;
        (valid(candidate) == Some(true)).then(|| candidate.to_owned())
    })
}

/// From a valid value, one character after the other is drawn anew and the end completed, as long as the result is valid:
/// for forms so narrow that a drawn one almost never fits.
fn walked(draw: &mut Draw, value: &str, valid: &impl Fn(&str) -> Option<bool>) -> Option<String> {
    if valid(value) != Some(true) || !value.is_ascii() {
        return None;
    }
    let places: Vec<usize> =
        value.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).map(|(at, _)| at).collect();
    let mut current = value.to_owned();
    let mut moved = 0;
    for _ in 0..3 {
        for at in &places {
            for _ in 0..10 {
                let mut next = current.clone().into_bytes();
                let class = class(char::from(next[*at]));
                next[*at] = class[draw.below(class.len())];
                let Ok(next) = String::from_utf8(next) else { continue };
                if next != current
                    && let Some(found) = completed(&next, 1, valid)
                {
                    current = found;
                    moved += 1;
                    break;
                }
            }
        }
    }
    (2 * moved >= places.len() && current != value).then_some(current)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(value: &str) -> Vec<u32> {
        value.chars().filter_map(|c| c.to_digit(10)).collect()
    }

    /// Runs a rule over many seeds; every surrogate must obey it and differ.
    fn holds(label: &'static str, value: &str, valid: impl Fn(&str) -> Option<bool>) {
        assert_eq!(valid(value), Some(true), "{value} is a bad example");
        for seed in 0..40 {
            let new = identifier(&mut Draw::new([seed; 32], 0), Label(label), value, &valid);
            assert_eq!(valid(&new), Some(true), "{value}: {new}");
            assert!(new != value && new.len() == value.len(), "{value}: {new}");
        }
    }

    #[test]
    fn the_british_health_number_comes_from_the_test_range() {
        // Modulo 11 over nine weights; 10 is no check digit.
        let valid = |value: &str| {
            let digits = digits(value);
            let sum: u32 = digits.iter().take(9).zip((2..=10).rev()).map(|(d, w)| d * w).sum();
            Some(digits.len() == 10 && (11 - sum % 11) % 11 == digits[9])
        };
        holds("UK_NHS", "943 476 5919", valid);
        let new = identifier(&mut Draw::new([1; 32], 0), Label("UK_NHS"), "943 476 5919", valid);
        assert!(new.starts_with("999 "), "{new}");
    }

    #[test]
    fn a_letter_that_depends_on_a_number_is_found() {
        // Spain: the letter is the number modulo 23.
        holds("ES_NIF", "12345678Z", |value| {
            let (number, letter) = value.split_at(8);
            let expected = number.parse::<usize>().ok().map(|n| b"TRWAGMYFPDXBNJZSQVHLCKE"[n % 23]);
            Some(expected.is_some_and(|e| letter.as_bytes() == [e]))
        });
    }

    #[test]
    fn a_date_inside_a_number_stays_a_date() {
        // Poland: month with the century added, day, weights 1 3 7 9.
        holds("PL_PESEL", "44051401359", |value| {
            let d = digits(value);
            let (month, day) = ((d[2] * 10 + d[3]) % 20, d[4] * 10 + d[5]);
            let sum: u32 = d.iter().zip([1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).map(|(d, w)| d * w).sum();
            Some((1..=12).contains(&month) && (1..=31).contains(&day) && sum.is_multiple_of(10))
        });
        // South Africa: date, citizenship 0 or 1, an eighth digit 8 or 9, Luhn.
        holds("ZA_ID_NUMBER", "8001015009087", |value| {
            let d = digits(value);
            let (month, day) = (d[2] * 10 + d[3], d[4] * 10 + d[5]);
            let luhn: Vec<u8> = d.iter().map(|d| *d as u8).collect();
            let form = (1..=12).contains(&month) && (1..=31).contains(&day) && d[10] < 2 && d[11] > 7;
            Some(form && crate::detect::checksum::luhn(&luhn))
        });
    }

    #[test]
    fn check_digits_in_front_are_found_too() {
        // Australia: the first two digits check the rest, modulo 89.
        holds("AU_ABN", "51 824 753 556", |value| {
            let mut d = digits(value);
            if d[0] == 0 {
                return Some(false);
            }
            d[0] -= 1;
            let sum: u32 = d.iter().zip([10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]).map(|(d, w)| d * w).sum();
            Some(sum.is_multiple_of(89))
        });
    }

    #[test]
    fn a_form_too_narrow_for_draws_is_walked() {
        // Eleven digits that rise: 1 in 30,000 of all.
        let valid = |value: &str| Some(digits(value).is_sorted() && digits(value).iter().sum::<u32>() % 10 == 0);
        let value = "00112344555";
        assert_eq!(valid(value), Some(true));
        let new = walked(&mut Draw::new([3; 32], 0), value, &valid);
        assert!(new.as_deref().is_none_or(|new| valid(new) == Some(true) && new != value), "{new:?}");
    }

    #[test]
    fn without_a_rule_the_form_is_kept() {
        let new = identifier(&mut Draw::new([1; 32], 0), Label("US_PASSPORT"), "A1234567", |_| None);
        assert!(new.len() == 8 && new.starts_with(|c: char| c.is_ascii_uppercase()) && new != "A1234567");
    }
}
