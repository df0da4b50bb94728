//! What one entry of the log says: who did what to which thing, why, by which decision, and how it ended.
//!
//! Invariant: an entry has exactly one form in bytes: JSON with sorted keys, without white space, in printable ASCII. What is
//! read is written again and compared, so no two texts are the same entry and no text holds more than its fields. A leaf
//! cannot be erased: fields hold ids, salted hashes and commitments, never what a person wrote or is called.

mod instant;
mod json;
mod ulid;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use instant::Instant;
pub use ulid::Ulid;

use super::tiles::ENTRY_BYTES;
use crate::encoding::{from_hex, hex};
use crate::{Error, Result};

/// The version of the form of entries.
const VERSION: u8 = 1;

/// One entry. The fields stand in the order of their keys in JSON.
///
/// ```
/// use cloister_vault::log::entry::{Actor, ActorKind, Entry, Instant, Phase, Ulid};
///
/// let actor = Actor { auth: "passphrase".into(), id: "u7".into(), mfa_age: None, session_h: None, kind: ActorKind::User };
/// let id = Ulid::from_parts(1_795_000_000_000, 7);
/// let entry = Entry::new("dataset.read", actor, Phase::Intent, id, 0, Instant::from_millis(1_795_000_000_000)?);
/// let bytes = entry.to_bytes()?;
/// assert!(bytes.starts_with(br#"{"act":"dataset.read","actor":{"auth":"passphrase","id":"u7","type":"user"},"id":"#));
/// assert_eq!(Entry::parse(&bytes)?, entry);
/// # Ok::<(), cloister_vault::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The action, as the policy names it.
    pub act: String,
    /// Who acts.
    pub actor: Actor,
    /// Why the action was allowed or denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Commitment to details that are kept elsewhere and can be destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail_c: Option<Digest>,
    /// Public figures that other parts compute with, as the plans of a privacy ledger: numbers as whole numbers or as text,
    /// never anything of a person.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, Fact>,
    /// The entry's own id.
    pub id: Ulid,
    /// Salted hash of the request's parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params_h: Option<Digest>,
    /// Before or after the act.
    pub phase: Phase,
    /// The last outcome on the same thing before this entry, so that its history can be followed back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev_outcome: Option<Ulid>,
    /// What the data may be used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The request; an intent and its outcome have the same.
    pub req: Ulid,
    /// What is acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub res: Option<Resource>,
    /// How it ended; outcomes have it and intents do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Outcome>,
    /// The entry's place in the log, from 0.
    pub seq: u64,
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<Source>,
    /// When it was written.
    pub t: Instant,
    /// The version of this form: 1.
    pub v: u8,
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// How the actor proved to be who it is.
    pub auth: String,
    /// Its id in the store: no name.
    pub id: String,
    /// Seconds since the second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa_age: Option<u64>,
    /// Salted hash of the session's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_h: Option<Digest>,
    /// Person or program.
    #[serde(rename = "type")]
    pub kind: ActorKind,
}

/// Person or program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// A person.
    User,
    /// A program with its own key.
    Service,
    /// The product itself.
    System,
}

/// Why an action was allowed or denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Allowed or denied.
    pub effect: Effect,
    /// Hash of the attributes that the decision saw.
    pub entities_h: Digest,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// Hash of the set of policies.
    pub policy_set: Digest,
}

/// Allowed or denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Allowed.
    Allow,
    /// Denied.
    Deny,
}

/// A public figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fact {
    /// A whole number.
    Number(u64),
    /// A text, also of a number with a fraction.
    Text(String),
}

/// Before or after the act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Before.
    Intent,
    /// After.
    Outcome,
}

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Ok,
    /// It was not allowed.
    Denied,
    /// It could not be done.
    Failed,
}

/// What is acted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Its id in the store.
    pub id: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ver: Option<String>,
}

/// Where a request came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Salted hash of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_h: Option<Digest>,
    /// Fingerprint of the client's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtls_fp: Option<Digest>,
}

/// 32 bytes of a salted hash or a commitment, in lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest(pub [u8; 32]);

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        hex(&digest.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        from_hex(&text).map(Self).ok_or("a digest is not 64 hexadecimal digits")
    }
}

impl Entry {
    /// An entry with the fields that every one has; the request has the entry's own id.
    #[must_use]
    pub fn new(act: &str, actor: Actor, phase: Phase, id: Ulid, seq: u64, t: Instant) -> Self {
        Self {
            act: act.into(),
            actor,
            decision: None,
            detail_c: None,
            facts: BTreeMap::new(),
            id,
            params_h: None,
            phase,
            prev_outcome: None,
            purpose: None,
            req: id,
            res: None,
            result: None,
            seq,
            src: None,
            t,
            v: VERSION,
        }
    }

    /// The bytes that the log holds: printable ASCII in one line, whatever the fields are.
    ///
    /// # Errors
    /// [`Error::EntryTooLong`] beyond [`ENTRY_BYTES`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let bytes = json::to_bytes(self).ok_or_else(|| malformed("it cannot be written as JSON"))?;
        if bytes.len() > ENTRY_BYTES {
            return Err(Error::EntryTooLong { bytes: bytes.len(), limit: ENTRY_BYTES });
        }
        Ok(bytes)
    }

    /// Reads an entry from the bytes that the log holds.
    ///
    /// # Errors
    /// [`Error::EntryTooLong`]; [`Error::Malformed`] for anything but the bytes that [`Entry::to_bytes`] gives: unknown,
    /// missing or repeated keys, another order, white space, another way to write a character or a number; and for an
    /// intent with a result or an outcome without one.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > ENTRY_BYTES {
            return Err(Error::EntryTooLong { bytes: bytes.len(), limit: ENTRY_BYTES });
        }
        // What serde says of the cause may quote the text.
        let entry: Self = serde_json::from_slice(bytes).map_err(|_| malformed("it has not the fields of one"))?;
        if entry.to_bytes()? != bytes {
            return Err(malformed("it is not in its one form"));
        }
        if entry.v != VERSION {
            return Err(malformed("its version is not 1"));
        }
        if (entry.phase == Phase::Outcome) != entry.result.is_some() {
            return Err(malformed("an intent has a result, or an outcome none"));
        }
        Ok(entry)
    }
}

fn malformed(reason: &'static str) -> Error {
    Error::Malformed { format: "log entry", reason }
}
