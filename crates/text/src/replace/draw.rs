//! Draws that repeat for the same entity: keyed, or from a table.
//!
//! Invariants: with a key, everything drawn is a function of key, purpose, scope and value; parts are framed by their
//! length, so that no two different inputs share a digest. With a [`Table`], what is drawn depends on the order in which
//! entities were met and on nothing that they say: 45 CFR 164.514(c) wants no code that is derived from the person.
//! Source: RFC 2104 (HMAC) with SHA-256.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroize;

use super::gender::Hint;
use super::{Originals, SurrogateKey};

/// HMAC-SHA256 over length-framed parts.
pub(super) fn tag(key: &SurrogateKey, parts: &[&str]) -> [u8; 32] {
    framed(&key.0, parts.iter().map(|part| part.as_bytes()))
}

fn framed<'a>(key: &[u8; 32], parts: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    // HMAC pads a short key with zeros to the block size; done here, no length can be refused.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    block.zeroize();
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// What stands for an original value in a set of originals.
pub(super) fn fingerprint(key: &SurrogateKey, canonical: &str) -> u64 {
    fingerprint_of(key, &["original", canonical])
}

/// What stands for several values together.
pub(super) fn fingerprint_of(key: &SurrogateKey, parts: &[&str]) -> u64 {
    first_u64(&tag(key, parts))
}

/// Where what is said of a word of a name within a scope is kept.
pub(super) fn hint_place(key: &SurrogateKey, scope: (&str, &str), word: &str) -> u64 {
    fingerprint_of(key, &["hint", scope.0, scope.1, word])
}

/// The first `digits` hexadecimal digits.
pub(super) fn hex(bytes: &[u8], digits: usize) -> String {
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).take(digits).filter_map(|n| char::from_digit(n.into(), 16)).collect()
}

fn first_u64(bytes: &[u8; 32]) -> u64 {
    bytes[..8].iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// NFKC, lower case, white space made single.
pub(super) fn folded(value: &str) -> String {
    let lower: String = value.nfkc().flat_map(char::to_lowercase).collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Random draws of this run, one for each entity, in the order in which they were met.
#[derive(Default)]
pub(super) struct Table(Mutex<HashMap<[u8; 32], [u8; 32]>>);

impl Table {
    /// The draw of the entity whose digest is `entity`. The key is a generator of random numbers here: it sees a counter.
    fn draw(&self, key: &SurrogateKey, entity: [u8; 32]) -> [u8; 32] {
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = drawn.len().to_string();
        *drawn.entry(entity).or_insert_with(|| tag(key, &["table", &next]))
    }
}

/// The key, or the table, within one scope.
pub(super) struct Ring<'a> {
    key: &'a SurrogateKey,
    table: Option<&'a Table>,
    scope: (&'a str, &'a str),
    originals: &'a Originals,
}

impl<'a> Ring<'a> {
    pub(super) fn new(
        key: &'a SurrogateKey,
        table: Option<&'a Table>,
        scope: (&'a str, &'a str),
        originals: &'a Originals,
    ) -> Self {
        Self { key, table, scope, originals }
    }

    /// The same ring within another scope.
    pub(super) fn within(&self, scope: (&'a str, &'a str)) -> Self {
        Self { scope, ..*self }
    }

    /// The scope, by kind and name.
    pub(super) fn scope(&self) -> (&'a str, &'a str) {
        self.scope
    }

    pub(super) fn tag(&self, parts: &[&str]) -> [u8; 32] {
        let scope = ["surrogate", self.scope.0, self.scope.1];
        let digest = framed(&self.key.0, scope.iter().chain(parts).map(|part| part.as_bytes()));
        self.table.map_or(digest, |table| table.draw(self.key, digest))
    }

    /// A stream for an entity; every attempt is another one.
    pub(super) fn draw(&self, parts: &[&str], attempt: u32) -> Draw {
        Draw::new(self.tag(parts), attempt)
    }

    /// What the texts of the scope say of a word of a name.
    pub(super) fn hint(&self, word: &str) -> Option<Hint> {
        let hints = &self.originals.hints;
        if hints.is_empty() { None } else { hints.get(&hint_place(self.key, self.scope, word)).copied() }
    }

    /// Whether a value, in its canonical form, stands in the data set.
    pub(super) fn is_original(&self, canonical: &str) -> bool {
        !self.originals.values.is_empty() && self.originals.values.contains(&fingerprint(self.key, canonical))
    }
}

/// A stream of numbers.
pub(super) struct Draw {
    seed: [u8; 32],
    block: u64,
    words: [u8; 32],
    left: usize,
}

impl Draw {
    pub(super) fn new(seed: [u8; 32], attempt: u32) -> Self {
        Self { seed, block: u64::from(attempt) << 32, words: [0; 32], left: 0 }
    }

    fn next(&mut self) -> u64 {
        if self.left == 0 {
            self.block += 1;
            self.words = framed(&self.seed, [self.block.to_le_bytes().as_slice()].into_iter());
            self.left = self.words.len() / 8;
        }
        self.left -= 1;
        self.words[8 * self.left..][..8].iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    /// Evenly from 0 to `n` - 1 (the bias of the multiplication is below 2^-40 for the sizes used here).
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    pub(super) fn digit(&mut self) -> u8 {
        self.below(10) as u8
    }

    pub(super) fn pick<T: Copy>(&mut self, pool: &[T]) -> Option<T> {
        if pool.is_empty() { None } else { pool.get(self.below(pool.len())).copied() }
    }

    /// A character of the same class: digit, capital, small letter; others stay.
    pub(super) fn like(&mut self, c: char) -> char {
        match c {
            '0'..='9' => char::from(b'0' + self.digit()),
            'A'..='Z' => char::from(b'A' + self.below(26) as u8),
            'a'..='z' => char::from(b'a' + self.below(26) as u8),
            c if c.is_uppercase() => char::from(b'A' + self.below(26) as u8),
            c if c.is_alphabetic() => char::from(b'a' + self.below(26) as u8),
            c if c.is_numeric() => char::from(b'0' + self.digit()),
            c => c,
        }
    }
}

/// Every letter and digit drawn anew, everything else kept.
pub(super) fn same_form(draw: &mut Draw, value: &str) -> String {
    value.chars().map(|c| draw.like(c)).collect()
}

/// The ASCII digits of a value.
pub(super) fn digits_of(value: &str) -> Vec<u8> {
    value.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect()
}

/// `value` with its digits replaced in order by `digits`; what stands between them is kept.
pub(super) fn with_digits(value: &str, digits: &[u8]) -> String {
    let mut digits = digits.iter();
    value
        .chars()
        .map(|c| if c.is_ascii_digit() { digits.next().map_or(c, |d| char::from(b'0' + d)) } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_keeps_parts_apart() {
        let key = SurrogateKey::from_bytes([3; 32]);
        assert_ne!(tag(&key, &["ab", "c"]), tag(&key, &["a", "bc"]));
    }

    #[test]
    fn a_table_draws_by_order_and_keeps_what_it_drew() {
        let key = SurrogateKey::from_bytes([3; 32]);
        let originals = Originals::default();
        let seen = |names: &[&str]| -> Vec<[u8; 32]> {
            let table = Table::default();
            let ring = Ring::new(&key, Some(&table), ("dataset", ""), &originals);
            names.iter().map(|name| ring.tag(&[name])).collect()
        };
        assert_eq!(seen(&["ana", "bob", "ana"])[0], seen(&["ana", "bob", "ana"])[2]);
        assert_eq!(seen(&["ana", "bob"]), seen(&["carl", "dora"]));
        assert_ne!(seen(&["ana", "bob"])[0], seen(&["ana", "bob"])[1]);
    }

    #[test]
    fn draws_cover_their_range_evenly() {
        let mut draw = Draw::new([1; 32], 0);
        let mut counts = [0; 10];
        for _ in 0..10_000 {
            counts[usize::from(draw.digit())] += 1;
        }
        // Five standard deviations of a binomial(10000, 0.1).
        assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}");
    }
}
