//! What a caller says of an act, and what it gets back.
//!
//! Invariant: whatever stands in a request stands in the log for ever: ids, salted hashes and commitments. Free text goes into
//! [`Detail`], sealed under a key that can be destroyed.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::tx::check_name;
use crate::log::entry::{Actor, Decision, Digest, Entry, Fact, Instant, Outcome, Phase, Resource, Source, Ulid};
use crate::{Error, Result, random};

/// Bytes of the salt before the ciphertext of details.
const SALT_BYTES: usize = 16;

/// Who wants to do what to which thing, and why it was allowed.
#[derive(Clone, Debug)]
pub struct Request {
    /// The action, as the policy names it.
    pub act: String,
    /// Who acts.
    pub actor: Actor,
    /// Why it was allowed or denied.
    pub decision: Option<Decision>,
    /// Details that can be destroyed.
    pub detail: Option<Detail>,
    /// Public figures.
    pub facts: BTreeMap<String, Fact>,
    /// Salted hash of the parameters.
    pub params_h: Option<Digest>,
    /// What the data is used for.
    pub purpose: Option<String>,
    /// What is acted on.
    pub res: Option<Resource>,
    /// Where the request came from.
    pub src: Option<Source>,
}

/// Free text of a request, sealed by the caller under a key that can be destroyed. The entry commits to it by
/// `SHA-256(salt || ciphertext)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    pub(super) salt: Vec<u8>,
    pub(super) ciphertext: Vec<u8>,
}

impl Detail {
    /// Details with a fresh salt.
    ///
    /// # Errors
    /// [`Error::NoRandomness`].
    pub fn new(ciphertext: Vec<u8>) -> Result<Self> {
        let mut salt = vec![0; SALT_BYTES];
        random::fill(&mut salt)?;
        Ok(Self { salt, ciphertext })
    }

    /// What was sealed.
    #[must_use]
    pub fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }

    /// What the entry says of it.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        Digest(Sha256::new().chain_update(&self.salt).chain_update(&self.ciphertext).finalize().into())
    }
}

impl Request {
    /// A request of which only the act and the actor are known.
    #[must_use]
    pub fn new(act: &str, actor: Actor) -> Self {
        Self {
            act: act.into(),
            actor,
            decision: None,
            detail: None,
            facts: BTreeMap::new(),
            params_h: None,
            purpose: None,
            res: None,
            src: None,
        }
    }

    /// The same on a thing of a kind.
    #[must_use]
    pub fn on(mut self, kind: &str, id: &str) -> Self {
        self.res = Some(Resource { id: id.into(), kind: kind.into(), ver: None });
        self
    }

    /// The same for a purpose.
    #[must_use]
    pub fn purpose(mut self, purpose: &str) -> Self {
        self.purpose = Some(purpose.into());
        self
    }

    /// What is acted on, in one text by which it is found again.
    pub(super) fn subject(&self) -> Result<Option<String>> {
        self.res.as_ref().map(subject).transpose()
    }

    /// The entry of this request.
    pub(super) fn entry(&self, place: Place, facts: BTreeMap<String, Fact>) -> Result<Entry> {
        self.facts.keys().try_for_each(|name| check_name(name))?;
        let mut entry = Entry::new(&self.act, self.actor.clone(), place.phase, place.id, place.seq, place.t);
        entry.req = place.req.unwrap_or(place.id);
        entry.prev_outcome = place.prev_outcome;
        entry.result = place.result;
        entry.decision.clone_from(&self.decision);
        entry.detail_c = self.detail.as_ref().map(Detail::commitment);
        entry.params_h = self.params_h;
        entry.purpose.clone_from(&self.purpose);
        entry.res.clone_from(&self.res);
        entry.src.clone_from(&self.src);
        entry.facts = facts;
        for (name, fact) in &self.facts {
            if entry.facts.insert(name.clone(), fact.clone()).is_some() {
                return Err(Error::Malformed { format: "fact", reason: "there is one of that name" });
            }
        }
        Ok(entry)
    }
}

/// The text by which the entries of a thing are found.
pub(super) fn subject(res: &Resource) -> Result<String> {
    if res.kind.contains(':') {
        return Err(Error::Malformed { format: "kind of a thing", reason: "it has a colon" });
    }
    Ok(format!("{}:{}", res.kind, res.id))
}

/// Where an entry stands, and how.
pub(super) struct Place {
    pub(super) phase: Phase,
    pub(super) result: Option<Outcome>,
    pub(super) id: Ulid,
    /// The intent's request, for an outcome that has one.
    pub(super) req: Option<Ulid>,
    pub(super) seq: u64,
    pub(super) t: Instant,
    pub(super) prev_outcome: Option<Ulid>,
}

/// What was done, durably, and where the log says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt<T = ()> {
    /// The entry's place in the log.
    pub index: u64,
    /// The entry's id.
    pub id: Ulid,
    /// When it was written.
    pub time: Instant,
    /// What the change gave.
    pub value: T,
}

/// An act that the log has announced and not yet told the end of. One that is dropped stays so, and is told of when the store
/// opens.
#[derive(Debug)]
#[must_use]
pub struct Intent {
    pub(super) request: Request,
    pub(super) receipt: Receipt,
}

impl Intent {
    /// Where the log announces it.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// What was asked for.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }
}
