//! Check digits of cards and bank accounts.
//!
//! Sources: ISO/IEC 7812-1 annex B (Luhn), ISO/IEC 7064 MOD 97-10 and the SWIFT IBAN registry (country formats).

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
            let doubled = u32::from(*digit) << ((place + shift) % 2);
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
    use super::*;

    #[test]
    fn table_is_sorted_for_binary_search() {
        assert!(BBAN.is_sorted_by(|a, b| a.0 < b.0));
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
