//! The words of the schema as Rust types: ids, roles, kinds of things, levels of sensitivity; who asks, and for what.
//!
//! Invariant: each name has one spelling, and another is an error that tells the nearest one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A closed list of names.
macro_rules! names {
    ($(#[$meta:meta])* $name:ident: $kind:literal { $($(#[$of:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$of])* $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> $crate::Result<Self> {
                let found = Self::ALL.iter().copied().find(|of| of.name() == text);
                found.ok_or_else(|| $crate::names::unknown($kind, text, Self::ALL.iter().map(|of| of.name())))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use names;

names! {
    /// What somebody is in a tenant.
    Role: "role" {
        /// Whom the project belongs to.
        Owner = "owner",
        /// Who looks after the data.
        Steward = "steward",
        /// Who trains and releases.
        Engineer = "engineer",
        /// Who checks, and sees no data.
        Auditor = "auditor",
        /// Data protection officer (GDPR article 37).
        Dpo = "dpo",
        /// Who keeps accounts, keys and services.
        Admin = "admin",
    }
}

names! {
    /// How much harm data can do, in rising order.
    Sensitivity: "sensitivity" {
        /// Anyone may read it.
        Public = "public",
        /// Of the house, of no person.
        Internal = "internal",
        /// Personal data (GDPR article 4(1)).
        Personal = "personal",
        /// Special categories of personal data (GDPR article 9).
        Special = "special",
    }
}

impl Sensitivity {
    /// The number that policies compare: 0 for public to 3 for special categories.
    #[must_use]
    pub const fn level(self) -> i64 {
        match self {
            Self::Public => 0,
            Self::Internal => 1,
            Self::Personal => 2,
            Self::Special => 3,
        }
    }
}

names! {
    /// What a key is for.
    KeyKind: "kind of key" {
        /// It opens data, or other keys.
        Data = "data",
        /// It signs the log.
        Log = "log",
    }
}

names! {
    /// The kinds of things that can be acted on.
    Kind: "kind of thing" {
        /// What `init` makes.
        Project = "project",
        /// Named, versioned records.
        Dataset = "dataset",
        /// One execution of the pipeline.
        Run = "run",
        /// What a run made.
        Adapter = "adapter",
        /// A key.
        Key = "key",
        /// The log.
        Log = "log",
        /// A change of policies that was proposed.
        PolicySet = "policy-set",
        /// A grant.
        Grant = "grant",
        /// A person.
        User = "user",
        /// A program.
        Service = "service",
    }
}

impl Kind {
    /// The entity type of the schema.
    pub(crate) const fn entity_type(self) -> &'static str {
        match self {
            Self::Project => "Project",
            Self::Dataset => "Dataset",
            Self::Run => "Run",
            Self::Adapter => "Adapter",
            Self::Key => "Key",
            Self::Log => "Log",
            Self::PolicySet => "PolicySet",
            Self::Grant => "Grant",
            Self::User => "User",
            Self::Service => "Service",
        }
    }
}

/// What the store calls something: 1 to 128 printable ASCII characters without a space. Purposes are ids too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Id(String);

impl Id {
    /// The text as an id.
    ///
    /// # Errors
    /// [`Error::BadId`].
    pub fn new(text: impl Into<String>) -> Result<Self> {
        const LONGEST: usize = 128;
        let text = text.into();
        let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text)) } else { Err(Error::BadId) }
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Id {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl TryFrom<String> for Id {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

/// A thing that can be acted on. In text: its kind, a colon, its id, as in `dataset:tickets`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Resource {
    kind: Kind,
    id: Id,
}

impl Resource {
    /// The thing of a kind with an id.
    #[must_use]
    pub const fn new(kind: Kind, id: Id) -> Self {
        Self { kind, id }
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What the store calls it.
    #[must_use]
    pub const fn id(&self) -> &Id {
        &self.id
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

impl FromStr for Resource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (kind, id) = text
            .split_once(':')
            .ok_or(Error::BadReference { what: "thing", form: "kind:id, as in dataset:tickets" })?;
        Ok(Self { kind: kind.parse()?, id: id.parse()? })
    }
}

impl From<Resource> for String {
    fn from(resource: Resource) -> Self {
        resource.to_string()
    }
}

impl TryFrom<String> for Resource {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// Who asks. In text: `user:ana`, `service:trainer`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Principal {
    /// A person.
    User(Id),
    /// A program with a key of its own.
    Service(Id),
}

impl Principal {
    /// User or service.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::User(_) => Kind::User,
            Self::Service(_) => Kind::Service,
        }
    }

    /// What the store calls them.
    #[must_use]
    pub const fn id(&self) -> &Id {
        match self {
            Self::User(id) | Self::Service(id) => id,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.id())
    }
}

impl FromStr for Principal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let form = Error::BadReference { what: "principal", form: "user:id or service:id, as in user:ana" };
        match text.split_once(':') {
            Some(("user", id)) => Ok(Self::User(id.parse()?)),
            Some(("service", id)) => Ok(Self::Service(id.parse()?)),
            _ => Err(form),
        }
    }
}

impl From<Principal> for String {
    fn from(principal: Principal) -> Self {
        principal.to_string()
    }
}

impl TryFrom<String> for Principal {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// The error of a name that is not on a list.
pub(crate) fn unknown(kind: &'static str, name: &str, list: impl Iterator<Item = &'static str>) -> Error {
    Error::UnknownName { kind, name: crate::error::shown(name), nearest: nearest(name, list).unwrap_or_default() }
}

/// The name of a list that takes the fewest changes of a letter (Levenshtein 1966).
pub(crate) fn nearest<'a>(name: &str, list: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // What is longer than every name is cut: distances beyond that say nothing.
    let name: Vec<char> = name.chars().take(64).collect();
    list.min_by_key(|other| {
        let mut row: Vec<usize> = (0..=name.len()).collect();
        for (above, letter) in other.chars().enumerate() {
            let mut diagonal = std::mem::replace(&mut row[0], above + 1);
            for (at, own) in name.iter().enumerate() {
                let change = diagonal + usize::from(*own != letter);
                diagonal = row[at + 1];
                row[at + 1] = change.min(row[at] + 1).min(diagonal + 1);
            }
        }
        row[name.len()]
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_wrong_name_is_told_the_nearest() {
        assert_eq!("ownr".parse::<Role>().unwrap_err().to_string(), "there is no role `ownr`; did you mean `owner`?");
        let error = "datset:x".parse::<Resource>().unwrap_err().to_string();
        assert_eq!(error, "there is no kind of thing `datset`; did you mean `dataset`?");
        let error = "a\u{1b}[31m\n".parse::<Role>().unwrap_err().to_string();
        assert!(error.starts_with("there is no role `a?[31m?`"), "{error}");
    }

    #[test]
    fn ids_and_references_come_back() {
        for text in ["dataset:tickets", "policy-set:a:b", "user:ana@example.org"] {
            assert_eq!(text.parse::<Resource>().unwrap().to_string(), text);
        }
        for text in ["", "a b", "a\nb", "é", &"x".repeat(129)] {
            assert!(Id::new(text).is_err(), "{text:?}");
        }
        for text in ["ana", "dataset:tickets", "user:", "user:a b"] {
            assert!(text.parse::<Principal>().is_err(), "{text:?}");
        }
    }
}
