//! The named ways to replace, and how far one entity keeps one surrogate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What stands in the place of personal data; [`Policy::of`](super::Policy::of) says it for each entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Profile {
    /// A made-up value of the same kind and form; dates are shifted.
    #[default]
    Surrogate,
    /// `<LABEL>`.
    Redact,
    /// Asterisks for letters and digits; separators stay.
    Mask,
    /// `LABEL_` and eight hexadecimal digits of a keyed hash.
    Hash,
    /// The identifiers of 45 CFR 164.514(b)(2) replaced from a random table or made coarse.
    HipaaSafeHarbor,
    /// Keyed pseudonyms in the sense of Article 4(5) of the GDPR.
    GdprPseudonymise,
    /// The original, encrypted where it stood; its key restores the records to the byte.
    Reversible,
}

impl Profile {
    /// All profiles, the default first.
    pub const ALL: [Self; 7] = [
        Self::Surrogate,
        Self::Redact,
        Self::Mask,
        Self::Hash,
        Self::HipaaSafeHarbor,
        Self::GdprPseudonymise,
        Self::Reversible,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Surrogate => "surrogate",
            Self::Redact => "redact",
            Self::Mask => "mask",
            Self::Hash => "hash",
            Self::HipaaSafeHarbor => "hipaa-safe-harbor",
            Self::GdprPseudonymise => "gdpr-pseudonymise",
            Self::Reversible => "reversible",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|profile| profile.name() == name).ok_or(Error::UnknownProfile)
    }
}

/// How far one entity keeps one surrogate. A smaller scope links less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Within a record.
    Document,
    /// Within the records of a subject; within the record where it names none.
    #[default]
    Subject,
    /// Within the data set.
    Dataset,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Document => "document",
            Self::Subject => "subject",
            Self::Dataset => "dataset",
        })
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Self::Document, Self::Subject, Self::Dataset]
            .into_iter()
            .find(|scope| scope.to_string() == name)
            .ok_or(Error::UnknownScope)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_of_profiles_and_scopes_parse_back() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse::<Profile>().unwrap(), profile);
            assert_eq!(serde_json::to_value(profile).unwrap(), profile.to_string());
            assert!(Error::UnknownProfile.to_string().contains(profile.name()));
        }
        for scope in [Scope::Document, Scope::Subject, Scope::Dataset] {
            assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
        }
        assert!("erase".parse::<Profile>().is_err());
    }
}
