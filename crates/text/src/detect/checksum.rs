//! Check digits.
//!
//! Invariant: digits come as values or as ASCII, which share the low four bits.
//! Sources: ISO/IEC 7812-1 annex B (Luhn), ISO/IEC 7064 (MOD 97-10, MOD 11-2, MOD 11,10), J. Verhoeff, Error Detecting
//! Decimal Codes (1969), ICAO Doc 9303-3 section 4.9, the SWIFT IBAN registry (country formats).

/// The value of a digit, given as a value or in ASCII.
fn value(digit: u8) -> u32 {
    u32::from(digit & 0x0F)
}

/// The sum of digits times weights, as far as there are weights.
pub(crate) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| value(*digit) * weight).sum()
}

/// ISO/IEC 7064 MOD 11,10, the check digit included.
pub(crate) fn mod11_10(digits: &[u8]) -> bool {
    let Some((check, digits)) = digits.split_last() else { return false };
    let product = digits.iter().fold(10, |product, digit| match (value(*digit) + product) % 10 {
        0 => 20 % 11,
        sum => sum * 2 % 11,
    });
    (11 - product) % 10 == value(*check)
}

/// ISO/IEC 7064 MOD 11-2 over digits; the check character may be `X`.
pub(crate) fn mod11_2(characters: &[u8]) -> bool {
    let Some((check, digits)) = characters.split_last() else { return false };
    let sum = digits.iter().fold(0, |sum, digit| (sum + value(*digit)) * 2 % 11);
    let wanted = (12 - sum) % 11;
    if *check == b'X' { wanted == 10 } else { wanted == value(*check) }
}

/// The digits as one number, modulo 97.
pub(crate) fn remainder97(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |rest, digit| (rest * 10 + value(*digit)) % 97)
}

/// Verhoeff's check, the check digit included.
pub(crate) fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTATION: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    // Products in the group of symmetries of the pentagon: 0 to 4 turn, 5 to 9 turn over.
    let product = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b) % 5,
        (false, true) => 5 + (a - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let permuted =
        |digit: u8, place: usize| (0..place % 8).fold(value(digit), |digit, _| PERMUTATION[(digit % 10) as usize]);
    digits.iter().rev().enumerate().fold(0, |sum, (place, digit)| product(sum, permuted(*digit, place))) == 0
}

/// The check digit of travel documents: weights 7, 3, 1; letters count from 10.
pub(crate) fn icao_digit(characters: &[u8]) -> u32 {
    let values = characters.iter().map(|byte| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A') + 10,
        digit => value(*digit),
    });
    values.zip([7, 3, 1].into_iter().cycle()).map(|(value, weight)| value * weight).sum::<u32>() % 10
}

/// Whether a day exists in the Gregorian calendar.
pub(crate) fn is_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Luhn's check over decimal digits, the check digit included.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    !digits.is_empty() && luhn_sum(digits, 0).is_multiple_of(10)
}

/// The digit that makes `payload` followed by it pass Luhn's check.
pub(crate) fn luhn_digit(payload: &[u8]) -> u8 {
    ((10 - luhn_sum(payload, 1) % 10) % 10) as u8
}

/// `shift` is 1 when the check digit is still missing at the right end.
fn luhn_sum(digits: &[u8], shift: usize) -> u32 {
    digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let doubled = value(*digit) << ((place + shift) % 2);
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum()
}

/// The remainder of an IBAN (letters upper case, no spaces) as MOD 97-10 counts it; valid is 1.
pub(crate) fn mod97(iban: &[u8]) -> u32 {
    let (head, tail) = iban.split_at(iban.len().min(4));
    tail.iter().chain(head).fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        b'A'..=b'Z' => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
        _ => rest,
    })
}

/// Structure of the national part: runs of length and kind (`n` digits, `a` letters, `c` either).
pub(crate) fn bban_format(country: [u8; 2]) -> Option<&'static str> {
    let place = BBAN.binary_search_by(|(code, _)| code.as_bytes().cmp(&country)).ok()?;
    Some(BBAN[place].1)
}

/// The kinds of the national part, one per character.
pub(crate) fn bban_kinds(format: &str) -> impl Iterator<Item = u8> {
    let mut count = 0usize;
    format
        .bytes()
        .filter_map(move |byte| {
            if byte.is_ascii_digit() {
                count = count * 10 + usize::from(byte - b'0');
                None
            } else {
                Some(std::iter::repeat_n(byte, std::mem::take(&mut count)))
            }
        })
        .flatten()
}

/// Whether an IBAN (upper case, no spaces) has its country's format and a valid checksum.
pub(crate) fn iban(iban: &[u8]) -> bool {
    let [a, b, c, d, national @ ..] = iban else { return false };
    let Some(format) = bban_format([*a, *b]) else { return false };
    let mut kinds = bban_kinds(format);
    let fits = national.iter().all(|byte| match kinds.next() {
        Some(b'n') => byte.is_ascii_digit(),
        Some(b'a') => byte.is_ascii_uppercase(),
        Some(_) => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
        None => false,
    });
    fits && kinds.next().is_none() && c.is_ascii_digit() && d.is_ascii_digit() && mod97(iban) == 1
}

/// By country, sorted.
const BBAN: &[(&str, &str)] = &[
    ("AD", "8n12c"),
    ("AE", "19n"),
    ("AL", "8n16c"),
    ("AT", "16n"),
    ("AZ", "4a20c"),
    ("BA", "16n"),
    ("BE", "12n"),
    ("BG", "4a6n8c"),
    ("BH", "4a14c"),
    ("BI", "23n"),
    ("BR", "23n1a1c"),
    ("BY", "4c4n16c"),
    ("CH", "5n12c"),
    ("CR", "18n"),
    ("CY", "8n16c"),
    ("CZ", "20n"),
    ("DE", "18n"),
    ("DJ", "23n"),
    ("DK", "14n"),
    ("DO", "4c20n"),
    ("EE", "16n"),
    ("EG", "25n"),
    ("ES", "20n"),
    ("FI", "14n"),
    ("FK", "2a12n"),
    ("FO", "14n"),
    ("FR", "10n11c2n"),
    ("GB", "4a14n"),
    ("GE", "2a16n"),
    ("GI", "4a15c"),
    ("GL", "14n"),
    ("GR", "7n16c"),
    ("GT", "4c20c"),
    ("HR", "17n"),
    ("HU", "24n"),
    ("IE", "4a14n"),
    ("IL", "19n"),
    ("IQ", "4a15n"),
    ("IS", "22n"),
    ("IT", "1a10n12c"),
    ("JO", "4a4n18c"),
    ("KW", "4a22c"),
    ("KZ", "3n13c"),
    ("LB", "4n20c"),
    ("LC", "4a24c"),
    ("LI", "5n12c"),
    ("LT", "16n"),
    ("LU", "3n13c"),
    ("LV", "4a13c"),
    ("LY", "21n"),
    ("MC", "10n11c2n"),
    ("MD", "2c18c"),
    ("ME", "18n"),
    ("MK", "3n10c2n"),
    ("MN", "16n"),
    ("MR", "23n"),
    ("MT", "4a5n18c"),
    ("MU", "4a19n3a"),
    ("NI", "4a20n"),
    ("NL", "4a10n"),
    ("NO", "11n"),
    ("OM", "3n16c"),
    ("PK", "4a16c"),
    ("PL", "24n"),
    ("PS", "4a21c"),
    ("PT", "21n"),
    ("QA", "4a21c"),
    ("RO", "4a16c"),
    ("RS", "18n"),
    ("RU", "14n15c"),
    ("SA", "2n18c"),
    ("SC", "4a20n3a"),
    ("SD", "14n"),
    ("SE", "20n"),
    ("SI", "15n"),
    ("SK", "20n"),
    ("SM", "1a10n12c"),
    ("SO", "19n"),
    ("ST", "21n"),
    ("SV", "4a20n"),
    ("TL", "19n"),
    ("TN", "20n"),
    ("TR", "5n1n16c"),
    ("UA", "6n19c"),
    ("VA", "18n"),
    ("VG", "4a16n"),
    ("XK", "16n"),
    ("YE", "4a4n18c"),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn table_is_sorted_for_binary_search() {
        assert!(BBAN.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn published_examples_agree() {
        // ISO/IEC 7064 and Verhoeff's thesis; the utopian passport of ICAO Doc 9303-4.
        assert!(mod11_10(b"07945") && !mod11_10(b"07946") && !mod11_10(b""));
        assert!(mod11_2(b"07940") && mod11_2(b"079X") && !mod11_2(b"07941"));
        assert!(verhoeff(b"2363") && verhoeff(b"123451") && !verhoeff(b"2364") && !verhoeff(b"2633"));
        assert_eq!((icao_digit(b"L898902C3"), icao_digit(b"740812"), icao_digit(b"120415")), (6, 2, 9));
        assert_eq!(weighted(b"123", &[3, 2]), 7);
    }

    #[test]
    fn verhoeff_finds_every_wrong_digit_and_swap() {
        let good = b"7853120946312".to_vec();
        let good: Vec<u8> = (b'0'..=b'9').map(|c| [good.as_slice(), &[c]].concat()).find(|d| verhoeff(d)).unwrap();
        for place in 0..good.len() {
            for digit in b'0'..=b'9' {
                let mut wrong = good.clone();
                wrong[place] = digit;
                assert_eq!(verhoeff(&wrong), wrong == good);
            }
            let mut swapped = good.clone();
            swapped.swap(place, (place + 1) % good.len());
            assert!(place + 1 == good.len() || swapped == good || !verhoeff(&swapped));
        }
    }

    #[test]
    fn days_of_the_calendar() {
        assert!(is_date(2000, 2, 29) && is_date(1996, 2, 29) && is_date(1999, 12, 31));
        assert!(!is_date(1900, 2, 29) && !is_date(2001, 2, 29) && !is_date(2001, 4, 31) && !is_date(2001, 13, 1));
        assert!(!is_date(2001, 0, 1) && !is_date(2001, 1, 0));
    }

    #[test]
    fn luhn_digit_completes_a_number() {
        let payload: Vec<u8> = "411111111111111".bytes().map(|b| b - b'0').collect();
        assert_eq!(luhn_digit(&payload), 1);
        assert!(luhn(&[payload.as_slice(), &[1]].concat()));
        assert!(!luhn(&[payload.as_slice(), &[2]].concat()));
    }

    #[test]
    fn iban_examples_of_the_registry() {
        for good in ["GB82WEST12345698765432", "DE89370400440532013000", "MT84MALT011000012345MTLCAST001S"] {
            assert!(iban(good.as_bytes()), "{good}");
        }
        for bad in ["GB82WEST12345698765433", "DE8937040044053201300", "XX82WEST12345698765432", "GB"] {
            assert!(!iban(bad.as_bytes()), "{bad}");
        }
    }
}
