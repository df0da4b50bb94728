//! Keyed, repeatable draws.
//!
//! Invariant: everything drawn is a function of key, purpose, scope and value; parts are framed by their length, so
//! that no two different inputs share a digest. Source: RFC 2104 (HMAC) with SHA-256.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroize;

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
    first_u64(&tag(key, &["original", canonical]))
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

/// The key within one scope.
pub(super) struct Ring<'a> {
    key: &'a SurrogateKey,
    scope: (&'a str, &'a str),
    originals: &'a Originals,
}

impl<'a> Ring<'a> {
    pub(super) fn new(key: &'a SurrogateKey, scope: (&'a str, &'a str), originals: &'a Originals) -> Self {
        Self { key, scope, originals }
    }

    pub(super) fn tag(&self, parts: &[&str]) -> [u8; 32] {
        let scope = ["surrogate", self.scope.0, self.scope.1];
        framed(&self.key.0, scope.iter().chain(parts).map(|part| part.as_bytes()))
    }

    pub(super) fn draw(&self, parts: &[&str], attempt: u32) -> Draw {
        let attempt = attempt.to_string();
        let mut all = parts.to_vec();
        all.push(&attempt);
        Draw { seed: self.tag(&all), counter: 0 }
    }

    /// Whether a value, in its canonical form, stands in the data set.
    pub(super) fn is_original(&self, canonical: &str) -> bool {
        !self.originals.0.is_empty() && self.originals.0.contains(&fingerprint(self.key, canonical))
    }
}

/// A stream of numbers.
pub(super) struct Draw {
    seed: [u8; 32],
    counter: u64,
}

impl Draw {
    fn next(&mut self) -> u64 {
        self.counter += 1;
        first_u64(&framed(&self.seed, [self.counter.to_le_bytes().as_slice()].into_iter()))
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
    fn draws_cover_their_range_evenly() {
        let mut draw = Draw { seed: [1; 32], counter: 0 };
        let mut counts = [0; 10];
        for _ in 0..10_000 {
            counts[usize::from(draw.digit())] += 1;
        }
        // Five standard deviations of a binomial(10000, 0.1).
        assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}");
    }
}
