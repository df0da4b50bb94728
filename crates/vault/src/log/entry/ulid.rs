//! Ids that sort by time (ULID specification): 48 bits of milliseconds and 80 bits of randomness.
//!
//! Invariant: an id is written in 26 characters of Crockford's base 32, in capitals, and in no other way.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Instant;
use crate::{Error, Result, random};

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 26;

/// An id that sorts by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Ulid(u128);

impl Ulid {
    /// A fresh id of an instant.
    ///
    /// # Errors
    /// [`Error::NoRandomness`].
    pub fn fresh(instant: Instant) -> Result<Self> {
        let mut bytes = [0; 16];
        random::fill(&mut bytes[6..])?;
        Ok(Self::from_parts(instant.millis(), u128::from_be_bytes(bytes)))
    }

    /// The id of a time in milliseconds, of which 48 bits are taken, and of a number, of which 80 bits are.
    #[must_use]
    pub const fn from_parts(millis: u64, number: u128) -> Self {
        Self(((millis as u128) << 80) | (number & ((1 << 80) - 1)))
    }

    /// The milliseconds since 1970 in it.
    #[must_use]
    pub const fn millis(self) -> u64 {
        (self.0 >> 80) as u64
    }
}

impl fmt::Display for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |at| char::from(DIGITS[(self.0 >> (5 * at)) as usize & 31]);
        (0..LENGTH).rev().try_for_each(|at| fmt::Write::write_char(f, digit(at)))
    }
}

impl std::str::FromStr for Ulid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::Malformed { format: "ULID", reason: "it is not 26 characters of base 32 below 2^128" };
        // The first of 26 characters has three bits.
        if text.len() != LENGTH || text.as_bytes()[0] > b'7' {
            return Err(wrong());
        }
        let digit = |byte: &u8| DIGITS.iter().position(|digit| digit == byte).ok_or_else(wrong);
        text.as_bytes().iter().try_fold(0, |value, byte| Ok((value << 5) | digit(byte)? as u128)).map(Self)
    }
}

impl From<Ulid> for String {
    fn from(ulid: Ulid) -> Self {
        ulid.to_string()
    }
}

impl TryFrom<String> for Ulid {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_id_is_written_as_the_specification_says() {
        // The example of the ULID specification.
        let id: Ulid = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        assert_eq!(id.millis(), 1_469_922_850_259);
        assert_eq!(id.to_string(), "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(Ulid(u128::MAX).to_string(), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert_eq!("7ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<Ulid>().unwrap(), Ulid(u128::MAX));
        for text in [
            "",
            "01ARZ3NDEKTSV4RRFFQ69G5FA",
            "01ARZ3NDEKTSV4RRFFQ69G5FAVV",
            "81ARZ3NDEKTSV4RRFFQ69G5FAV",
            "01arz3ndektsv4rrffq69g5fav",
            "01ARZ3NDEKTSV4RRFFQ69G5FAI",
            "01ARZ3NDEKTSV4RRFFQ69G5FÄ",
        ] {
            assert!(text.parse::<Ulid>().is_err(), "{text}");
        }
    }

    #[test]
    fn fresh_ids_differ_and_sort_by_time() {
        let early = Ulid::fresh(Instant::from_millis(1).unwrap()).unwrap();
        let late = Ulid::fresh(Instant::from_millis(2).unwrap()).unwrap();
        assert!(early < late && early.to_string() < late.to_string());
        assert_ne!(early, Ulid::fresh(Instant::from_millis(1).unwrap()).unwrap());
    }
}
