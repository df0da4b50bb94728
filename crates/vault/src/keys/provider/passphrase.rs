//! A passphrase, stretched by Argon2id (RFC 9106).
//!
//! ```text
//! payload: memory in KiB (4) | passes (4) | lanes (4) | salt (16) | wrapped ring key (40); numbers big end first
//! ```
//!
//! Invariant: the cost is bounded before memory is taken, and is part of the context of the wrapping. A passphrase is
//! compared as Unicode's normal form C with one kind of space (RFC 8265, OpaqueString): another keyboard gives the same key.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::{Provider, ProviderKind, unwrap_under, wrap_under};
use crate::keys::KeyBytes;
use crate::sealed::DataKey;
use crate::{Error, Result, random};

const SALT_BYTES: usize = 16;
const HEAD_BYTES: usize = 4 + 4 + 4 + SALT_BYTES;
/// The longest passphrase, in bytes.
const MOST_BYTES: usize = 4096;

/// What one guess costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory in KiB, from 19,456 to 1,048,576.
    pub kib: u32,
    /// Passes over it, from 1 to 16.
    pub passes: u32,
    /// Lanes, from 1 to 16. They are computed one after another.
    pub lanes: u32,
}

impl Default for Argon2Cost {
    /// 64 MiB, 3 passes, 4 lanes: the second choice of RFC 9106, section 4.
    fn default() -> Self {
        Self { kib: 64 << 10, passes: 3, lanes: 4 }
    }
}

impl Argon2Cost {
    /// The cheapest is OWASP's least memory; the dearest takes a gibibyte and some seconds.
    fn parameters(self) -> Result<Params> {
        let bounded = (19 << 10..=1 << 20).contains(&self.kib)
            && (1..=16).contains(&self.passes)
            && (1..=16).contains(&self.lanes);
        let outside = Error::Malformed { format: "cost of a passphrase", reason: "it lies outside of its bounds" };
        if !bounded {
            return Err(outside);
        }
        Params::new(self.kib, self.passes, self.lanes, Some(KeyBytes::default().len())).map_err(|_| outside)
    }

    fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        for (place, number) in bytes.chunks_exact_mut(4).zip([self.kib, self.passes, self.lanes]) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }
}

/// What somebody knows. Wiped when it goes.
pub struct Passphrase {
    bytes: Zeroizing<String>,
    cost: Argon2Cost,
}

impl Passphrase {
    /// A passphrase; how good it must be is for the caller to say.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is empty, has control characters, or more than 4096 bytes.
    pub fn new(text: &str) -> Result<Self> {
        let malformed = |reason| Error::Malformed { format: "passphrase", reason };
        if text.is_empty() {
            return Err(malformed("it is empty"));
        }
        if text.len() > MOST_BYTES {
            return Err(malformed("it is longer than 4096 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(malformed("it has control characters"));
        }
        // With room for all of it: normal form C takes at most three times the bytes (Unicode, annex 15).
        let mut bytes = Zeroizing::new(String::with_capacity(3 * text.len()));
        bytes.extend(text.chars().map(|letter| if letter.is_whitespace() { ' ' } else { letter }).nfc());
        Ok(Self { bytes, cost: Argon2Cost::default() })
    }

    /// The same with another cost for slots that it makes; one that opens has its own.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the cost lies outside of its bounds.
    pub fn with_cost(self, cost: Argon2Cost) -> Result<Self> {
        cost.parameters()?;
        Ok(Self { cost, ..self })
    }

    fn stretch(&self, cost: Argon2Cost, salt: &[u8]) -> Result<KeyBytes> {
        let parameters = cost.parameters()?;
        let mut memory = Zeroizing::new(vec![Block::default(); parameters.block_count()]);
        let mut key = KeyBytes::default();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
            .hash_password_into_with_memory(self.bytes.as_bytes(), salt, key.as_mut(), &mut memory[..])
            .map_err(|_| Error::KeyDoesNotOpen)?;
        Ok(key)
    }
}

impl Provider for Passphrase {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Passphrase
    }

    fn wrap(&self, key: &DataKey, context: &[u8]) -> Result<Vec<u8>> {
        let mut salt = [0; SALT_BYTES];
        random::fill(&mut salt)?;
        let head = [&self.cost.to_bytes()[..], &salt].concat();
        let wrapped = wrap_under(&self.stretch(self.cost, &salt)?, key, &[context, &head].concat())?;
        Ok([&head[..], &wrapped].concat())
    }

    fn unwrap(&self, payload: &[u8], context: &[u8]) -> Result<DataKey> {
        let (head, wrapped) = payload.split_first_chunk::<HEAD_BYTES>().ok_or(Error::KeyDoesNotOpen)?;
        let (numbers, salt) = head.as_chunks::<4>().0.split_at(3);
        let number = |at: usize| u32::from_be_bytes(numbers[at]);
        let cost = Argon2Cost { kib: number(0), passes: number(1), lanes: number(2) };
        unwrap_under(&self.stretch(cost, salt.as_flattened())?, wrapped, &[context, head].concat())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const CHEAP: Argon2Cost = Argon2Cost { kib: 19 << 10, passes: 1, lanes: 1 };

    #[test]
    fn one_text_is_one_passphrase_however_it_was_typed() {
        let bytes = |text: &str| Passphrase::new(text).unwrap().bytes;
        assert_eq!(bytes("Caf\u{e9} au\u{a0}lait"), bytes("Cafe\u{301} au\u{2003}lait"));
        assert_ne!(bytes("cafe"), bytes("Cafe"));
        // What grows most of all fits the room that was taken for it, so no half of it stays behind in other memory.
        let grown = bytes(&"\u{1d160}".repeat(100));
        assert_eq!((grown.len(), grown.capacity()), (1200, 1200));
        for bad in ["", "a\0", "a\n", "\u{7f}", &"x".repeat(4097)] {
            assert!(Passphrase::new(bad).is_err());
        }
    }

    #[test]
    fn a_passphrase_is_stretched_as_by_the_reference_implementation() {
        // `argon2 0123456789abcdef -id -k KIB -t PASSES -p LANES -l 32 -r`, Debian's argon2 0~20171227.
        let known = [
            (
                "correct horse battery staple",
                Argon2Cost::default(),
                "efb51f9a76584f6dd6a4f7942a1a2f6ae5a6e4ec5142ff674dfd5d27eb45e446",
            ),
            ("x", CHEAP, "90201874a19d83e19071d70ff2d37b3598ca91218126709b85b4c186455a9478"),
        ];
        for (text, cost, expected) in known {
            let key = Passphrase::new(text).unwrap().stretch(cost, b"0123456789abcdef").unwrap();
            assert_eq!(crate::encoding::hex(key.as_ref()), expected);
        }
    }

    #[test]
    fn costs_are_bounded_before_memory_is_taken() {
        let key = DataKey::random().unwrap();
        let passphrase = Passphrase::new("x").unwrap().with_cost(CHEAP).unwrap();
        let payload = passphrase.wrap(&key, b"context").unwrap();
        assert_eq!(passphrase.unwrap(&payload, b"context").ok().unwrap().expose(), key.expose());
        for (at, number) in [(0, 0), (0, 19 << 10 >> 1), (0, u32::MAX), (4, 0), (4, 17), (8, 0), (8, 17), (8, 1 << 24)]
        {
            let mut changed = payload.clone();
            changed[at..at + 4].copy_from_slice(&u32::to_be_bytes(number));
            assert!(matches!(passphrase.unwrap(&changed, b"context"), Err(Error::Malformed { .. })), "{at} {number}");
        }
        for at in (3..payload.len()).filter(|at| !(4..11).contains(at)) {
            let mut changed = payload.clone();
            changed[at] ^= 2;
            assert!(passphrase.unwrap(&changed, b"context").is_err(), "byte {at}");
        }
        for length in 0..payload.len() {
            assert!(passphrase.unwrap(&payload[..length], b"context").is_err());
        }
        assert!(matches!(passphrase.unwrap(&payload, b"another"), Err(Error::KeyDoesNotOpen)));
        assert!(Passphrase::new("y").unwrap().with_cost(Argon2Cost { lanes: 0, ..CHEAP }).is_err());
    }
}
