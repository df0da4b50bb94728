//! Format-preserving encryption: digits become digits, capitals capitals, small letters small letters.
//!
//! Invariants: under one key and scope the mapping of each form is one to one; a value that obeys the check characters of
//! its kind becomes one that does (cycle walking). FF1 is used from a million values of a form on, as the standard demands;
//! smaller forms go through a table that the key shuffles.
//! Sources: NIST SP 800-38G Rev. 1 (FF1, radix^minlen >= 10^6); Black and Rogaway 2002, "Ciphers with arbitrary finite
//! domains" (table and cycle walking); D. Knuth, TAOCP 3.4.2 algorithm P (shuffle).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aes::Aes256;
use fpe::ff1::{FF1, FlexibleNumeralString};
use zeroize::Zeroizing;

use super::SurrogateKey;
use super::draw::{Draw, tag};

/// Smallest number of values of a form for FF1.
const LEAST_DOMAIN: u64 = 1_000_000;
/// Steps of a cycle before a value is given up.
const CYCLE: usize = 20_000;

/// The classes of characters that are encrypted, each in its own alphabet.
const CLASSES: [(char, u16); 3] = [('0', 10), ('A', 26), ('a', 26)];

/// All values of a small form, shuffled.
type Table = Arc<Vec<u32>>;

/// Ciphers under one key.
pub(super) struct Cipher {
    key: Zeroizing<[u8; 32]>,
    tables: Mutex<HashMap<(u16, usize), Table>>,
    base: SurrogateKey,
}

impl Cipher {
    pub(super) fn new(key: &SurrogateKey) -> Self {
        let key_of_ff1 = Zeroizing::new(tag(key, &["fpe", "key"]));
        Self { key: key_of_ff1, tables: Mutex::default(), base: key.clone() }
    }

    /// The value encrypted in its form; among valid values where `valid` has an opinion. `None` where nothing but the
    /// value itself, or nothing valid, was met.
    pub(super) fn encrypt(&self, tweak: &[&str], value: &str, valid: impl Fn(&str) -> Option<bool>) -> Option<String> {
        let must_be_valid = valid(value) == Some(true);
        let mut current = value.to_owned();
        for _ in 0..CYCLE {
            current = self.once(tweak, &current)?;
            if current == value {
                return None;
            }
            if !must_be_valid || valid(&current) == Some(true) {
                return Some(current);
            }
        }
        None
    }

    fn once(&self, tweak: &[&str], value: &str) -> Option<String> {
        let mut chars: Vec<char> = value.chars().collect();
        for (first, radix) in CLASSES {
            let place =
                |c: char| u16::try_from(u32::from(c).checked_sub(u32::from(first))?).ok().filter(|n| *n < radix);
            let places: Vec<usize> = (0..chars.len()).filter(|at| place(chars[*at]).is_some()).collect();
            if places.is_empty() {
                continue;
            }
            let numerals: Vec<u16> = places.iter().filter_map(|at| place(chars[*at])).collect();
            for (at, numeral) in places.iter().zip(self.numerals(tweak, radix, numerals)?) {
                chars[*at] = char::from_u32(u32::from(first) + u32::from(numeral))?;
            }
        }
        Some(chars.into_iter().collect())
    }

    fn numerals(&self, tweak: &[&str], radix: u16, numerals: Vec<u16>) -> Option<Vec<u16>> {
        let length = numerals.len();
        let domain = (0..length).try_fold(1u64, |n, _| n.checked_mul(u64::from(radix)));
        let radix_name = radix.to_string();
        let tweak = tag(&self.base, &[&["fpe", &radix_name], tweak].concat());
        match domain.filter(|domain| *domain < LEAST_DOMAIN) {
            None => {
                let cipher = FF1::<Aes256>::new(self.key.as_slice(), radix.into()).ok()?;
                cipher.encrypt(&tweak, &FlexibleNumeralString::from(numerals)).ok().map(Into::into)
            }
            Some(domain) => {
                // One table for each size, turned before and after by what the scope says.
                let turn = |n: u64, by: &[u8]| {
                    (n + by.iter().fold(0, |sum, byte| (sum << 8 | u64::from(*byte)) % domain)) % domain
                };
                let number = numerals.iter().fold(0, |sum, numeral| sum * u64::from(radix) + u64::from(*numeral));
                let table = self.table(radix, length, domain);
                let found = table.get(usize::try_from(turn(number, &tweak[..16])).ok()?)?;
                let mut number = turn(u64::from(*found), &tweak[16..]);
                let mut new = vec![0; length];
                for place in new.iter_mut().rev() {
                    *place = u16::try_from(number % u64::from(radix)).ok()?;
                    number /= u64::from(radix);
                }
                Some(new)
            }
        }
    }

    /// All values of a form, shuffled by the key.
    fn table(&self, radix: u16, length: usize, domain: u64) -> Table {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let table = tables.entry((radix, length)).or_insert_with(|| {
            let mut draw = Draw::new(tag(&self.base, &["fpe-table", &radix.to_string(), &length.to_string()]), 0);
            let mut all: Vec<u32> = (0..u32::try_from(domain).unwrap_or(0)).collect();
            for last in (1..all.len()).rev() {
                all.swap(last, draw.below(last + 1));
            }
            Arc::new(all)
        });
        Arc::clone(table)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::HashSet;

    use super::*;

    fn cipher(key: u8) -> Cipher {
        Cipher::new(&SurrogateKey::from_bytes([key; 32]))
    }

    fn free(_: &str) -> Option<bool> {
        None
    }

    #[test]
    fn ff1_agrees_with_the_standard() {
        // NIST SP 800-38G, FF1 sample 7 (AES-256, radix 10, no tweak).
        let key: Vec<u8> = (0..32)
            .map(|n| {
                u8::from_str_radix(
                    &"2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94"[2 * n..2 * n + 2],
                    16,
                )
                .unwrap()
            })
            .collect();
        let plain: Vec<u16> = (0..10).collect();
        let sealed = FF1::<Aes256>::new(&key, 10).unwrap().encrypt(&[], &FlexibleNumeralString::from(plain)).unwrap();
        assert_eq!(Vec::<u16>::from(sealed), [6, 6, 5, 7, 6, 6, 7, 0, 0, 9]);
    }

    #[test]
    fn small_forms_are_permuted() {
        let cipher = cipher(1);
        let images: HashSet<String> = (0..1000).filter_map(|n| cipher.once(&["dataset"], &format!("{n:03}"))).collect();
        assert_eq!(images.len(), 1000);
        assert_ne!(cipher.once(&["a"], "123"), cipher.once(&["b"], "123"));
    }

    #[test]
    fn form_and_mapping_stay() {
        let (one, other) = (cipher(1), cipher(2));
        let new = one.encrypt(&["s"], "AB-12345678 x", free).unwrap();
        let form = |text: &str| -> String {
            text.chars()
                .map(|c| {
                    if c.is_ascii_digit() {
                        '0'
                    } else if c.is_ascii_uppercase() {
                        'A'
                    } else {
                        c
                    }
                })
                .collect()
        };
        assert_eq!(form(&new).replace(char::is_lowercase, "x"), "AA-00000000 x");
        assert_eq!(one.encrypt(&["s"], "AB-12345678 x", free).unwrap(), new);
        assert_ne!(other.encrypt(&["s"], "AB-12345678 x", free).unwrap(), new);
    }

    #[test]
    fn a_valid_number_becomes_a_valid_number() {
        let luhn = |value: &str| {
            let digits: Vec<u8> = value.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
            Some(crate::detect::checksum::luhn(&digits))
        };
        for value in ["4111 1111 1111 1111", "378282246310005", "046 454 286"] {
            let new = cipher(7).encrypt(&["s"], value, luhn).unwrap();
            assert!(luhn(&new) == Some(true) && new != value, "{new}");
        }
    }

    #[test]
    fn what_has_no_other_value_is_given_up() {
        assert_eq!(cipher(1).encrypt(&[], "---", free), None);
    }
}
