//! Values of columns, in the one spelling that both databases hold.
//!
//! Invariant: what is written comes back as the same value, and another spelling of it is refused. Numbers with a fraction are
//! texts: no database rounds them, and the log holds no floats.

use std::collections::BTreeSet;
use std::fmt;

use crate::encoding::from_hex;
use crate::log::Hash;
use crate::log::entry::{Instant, Ulid};
use crate::sealed::Id;
use crate::{Error, Result};

/// A value of a column.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// None.
    Null,
    /// A whole number.
    Number(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// Its kind alone: rows hold names and wrapped keys.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Number(_) => "Number",
            Self::Text(_) => "Text",
            Self::Bytes(_) => "Bytes",
        })
    }
}

/// What a column can hold.
pub(crate) trait Column: Sized {
    /// As it is written.
    fn to_value(&self) -> Value;
    /// From what was read, or none if it was not written here.
    fn from_value(value: Value) -> Option<Self>;
}

impl Column for String {
    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Column for u64 {
    /// Numbers beyond 63 bits become negative, which the schema refuses.
    fn to_value(&self) -> Value {
        Value::Number(*self as i64)
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Number(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }
}

impl Column for bool {
    fn to_value(&self) -> Value {
        Value::Number((*self).into())
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Number(0) => Some(false),
            Value::Number(1) => Some(true),
            _ => None,
        }
    }
}

impl Column for Vec<u8> {
    fn to_value(&self) -> Value {
        Value::Bytes(self.clone())
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl<T: Column> Column for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, Column::to_value)
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl Column for Hash {
    fn to_value(&self) -> Value {
        Value::Bytes(self.as_bytes().to_vec())
    }

    fn from_value(value: Value) -> Option<Self> {
        Self::try_from(&*Vec::from_value(value)?).ok()
    }
}

impl Column for Id {
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn from_value(value: Value) -> Option<Self> {
        from_hex(&String::from_value(value)?).map(Self)
    }
}

impl Column for Instant {
    /// As milliseconds, so that a database can compare them.
    fn to_value(&self) -> Value {
        self.millis().to_value()
    }

    fn from_value(value: Value) -> Option<Self> {
        Self::from_millis(u64::from_value(value)?).ok()
    }
}

impl Column for Ulid {
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn from_value(value: Value) -> Option<Self> {
        String::from_value(value)?.parse().ok()
    }
}

/// A set of short words (roles, purposes, ids of versions), written in their order with spaces between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(BTreeSet<String>);

impl Words {
    /// The set of some words.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a word that is empty or has white space or control characters.
    pub fn new<I: IntoIterator<Item: Into<String>>>(words: I) -> Result<Self> {
        let words: BTreeSet<String> = words.into_iter().map(Into::into).collect();
        let split = |word: &String| word.is_empty() || word.chars().any(|c| c.is_whitespace() || c.is_control());
        if words.iter().any(split) {
            return Err(Error::Malformed { format: "set of words", reason: "a word is empty or has white space" });
        }
        Ok(Self(words))
    }

    /// Whether a word is in it.
    #[must_use]
    pub fn contains(&self, word: &str) -> bool {
        self.0.contains(word)
    }

    /// The words in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().collect();
        f.write_str(&words.join(" "))
    }
}

impl Column for Words {
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn from_value(value: Value) -> Option<Self> {
        let text = String::from_value(value)?;
        let words = Self::new(text.split(' ').filter(|word| !word.is_empty())).ok()?;
        (words.to_string() == text).then_some(words)
    }
}

/// A number with a fraction that is written in decimal digits: finite, not negative, and exactly the same when it is read.
///
/// ```
/// use cloister_vault::store::Decimal;
///
/// let delta = Decimal::new(1e-5)?;
/// assert_eq!(delta.to_string(), "0.00001");
/// assert_eq!("0.00001".parse::<Decimal>()?, delta);
/// assert!("1e-5".parse::<Decimal>().is_err());
/// # Ok::<(), cloister_vault::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Decimal(f64);

/// Neither NaN nor a negative zero is ever in it.
impl Eq for Decimal {}

impl Decimal {
    /// The decimal of a number.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what is negative or not finite.
    pub fn new(number: f64) -> Result<Self> {
        if !number.is_finite() || number.is_sign_negative() {
            return Err(malformed());
        }
        Ok(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Decimal {
    /// The shortest digits that give the same number again, without an exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::str::FromStr for Decimal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // No text of a 64-bit float is longer than 327 digits.
        let number = text.parse().ok().filter(|_| text.len() < 400);
        let decimal = number.and_then(|number| Self::new(number).ok());
        decimal.filter(|decimal| decimal.to_string() == text).ok_or_else(malformed)
    }
}

impl Column for Decimal {
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn from_value(value: Value) -> Option<Self> {
        String::from_value(value)?.parse().ok()
    }
}

fn malformed() -> Error {
    Error::Malformed { format: "decimal number", reason: "it is not finite, negative, or not in its shortest digits" }
}

/// An enumeration whose variants are words in a column.
macro_rules! words_of {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The word in the database and in the log.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The variant of a word.
            #[must_use]
            pub fn of_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl crate::store::value::Column for $name {
            fn to_value(&self) -> crate::store::value::Value {
                crate::store::value::Value::Text(self.word().into())
            }

            fn from_value(value: crate::store::value::Value) -> Option<Self> {
                Self::of_word(&<String as crate::store::value::Column>::from_value(value)?)
            }
        }
    };
}
pub(crate) use words_of;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn decimals_come_back_and_have_one_spelling() {
        for number in [0.0, 1.0, 0.1, 1.0 / 3.0, 1e-5, f64::MAX, f64::MIN_POSITIVE, 5e-324, 123_456.789] {
            let text = Decimal::new(number).unwrap().to_string();
            assert!(text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{text}");
            assert_eq!(text.parse::<Decimal>().unwrap().get().to_bits(), number.to_bits());
        }
        for number in [-0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Decimal::new(number).is_err());
        }
        for text in ["", "1.0", "01", "+1", "-1", ".5", "1.", "1e5", "inf", "NaN", " 1", "1 ", "0.10", "1_0", "-0"] {
            assert!(text.parse::<Decimal>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn words_come_back_and_cannot_be_split() {
        let words = Words::new(["owner", "auditor", "owner"]).unwrap();
        assert_eq!(words.to_string(), "auditor owner");
        assert!(Words::from_value(words.to_value()).unwrap() == words);
        assert!(Words::from_value(Words::default().to_value()).unwrap() == Words::default());
        for text in ["b a", " a", "a ", "a  b", "a a", "a\tb"] {
            assert!(Words::from_value(Value::Text(text.into())).is_none(), "{text:?}");
        }
        for word in ["", "a b", "a\n", "\u{a0}"] {
            assert!(Words::new([word]).is_err(), "{word:?}");
        }
    }
}
