//! Proofs that an entry is in a log, as files that anyone checks offline (C2SP tlog-proof).
//!
//! Invariant: a proof says nothing before the checkpoint in it is verified under keys that the verifier chose. The extra data
//! is not covered by anything.

use std::fmt;

use super::checkpoint::{Checkpoint, SignedCheckpoint};
use super::merkle::{Hash, leaf_hash, verify_inclusion};
use super::note::{NOTE_BYTES, VerifierKey};
use super::policy::Policy;
use crate::encoding::{base64, from_base64, from_decimal};
use crate::{Error, Result};

const HEAD: &str = "c2sp.org/tlog-proof@v1";
/// Hashes of the longest proof in a tree whose size has 64 bits.
const MOST_HASHES: usize = 64;
/// The longest extra data that is read, in bytes.
const EXTRA_BYTES: usize = 64 << 10;

/// An inclusion proof with the checkpoint that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    extra: Option<Vec<u8>>,
    index: u64,
    hashes: Vec<Hash>,
    checkpoint: SignedCheckpoint,
}

impl TlogProof {
    pub(crate) fn new(index: u64, hashes: Vec<Hash>, checkpoint: SignedCheckpoint) -> Self {
        Self { extra: None, index, hashes, checkpoint }
    }

    /// The same with data beside it, which nothing authenticates; empty data is none.
    ///
    /// # Errors
    /// [`Error::Malformed`] beyond 64 KiB.
    pub fn with_extra(self, extra: &[u8]) -> Result<Self> {
        if extra.len() > EXTRA_BYTES {
            return Err(malformed("its extra data is longer than 64 KiB"));
        }
        Ok(Self { extra: (!extra.is_empty()).then(|| extra.into()), ..self })
    }

    /// Reads the content of a `.tlog-proof` file.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > NOTE_BYTES + (EXTRA_BYTES << 1) {
            return Err(malformed("it is longer than any"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let (lines, checkpoint) = text.split_once("\n\n").ok_or_else(|| malformed("it has no blank line"))?;
        let mut lines = lines.split('\n').peekable();
        if lines.next() != Some(HEAD) {
            return Err(malformed("its first line is another"));
        }
        let extra = lines.peek().and_then(|line| line.strip_prefix("extra ")).map(|extra| {
            let extra = from_base64(extra).filter(|extra| !extra.is_empty() && extra.len() <= EXTRA_BYTES);
            extra.ok_or_else(|| malformed("its extra data is empty, too long or not base 64"))
        });
        let extra = extra.transpose()?;
        if extra.is_some() {
            lines.next();
        }
        let index = lines.next().and_then(|line| from_decimal(line.strip_prefix("index ")?));
        let index = index.ok_or_else(|| malformed("it has no index"))?;
        let hashes = lines.take(MOST_HASHES + 1).map(str::parse).collect::<Result<Vec<Hash>>>()?;
        if hashes.len() > MOST_HASHES {
            return Err(malformed("it has more hashes than any tree asks for"));
        }
        Ok(Self { extra, index, hashes, checkpoint: SignedCheckpoint::parse(checkpoint.as_bytes())? })
    }

    /// Checks that `entry` is in the log of `key`; gives the checkpoint that says so.
    ///
    /// # Errors
    /// [`Error::OtherLog`], [`Error::Unsigned`], [`Error::BadSignature`], [`Error::Proof`].
    pub fn verify(&self, entry: &[u8], key: &VerifierKey) -> Result<&Checkpoint> {
        self.leads_from(entry, self.checkpoint.verify(key)?)
    }

    /// Checks that `entry` is in a log of the policy, and that enough witnesses have seen it.
    ///
    /// # Errors
    /// Those of [`TlogProof::verify`], and [`Error::NoQuorum`].
    pub fn verify_policy(&self, entry: &[u8], policy: &Policy) -> Result<&Checkpoint> {
        self.leads_from(entry, policy.verify(&self.checkpoint)?)
    }

    fn leads_from<'a>(&self, entry: &[u8], checkpoint: &'a Checkpoint) -> Result<&'a Checkpoint> {
        verify_inclusion(&leaf_hash(entry), self.index, checkpoint.size, &self.hashes, &checkpoint.root)?;
        Ok(checkpoint)
    }

    /// Data that stands beside the proof. Nothing authenticates it.
    #[must_use]
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// The entry's place in the log, from 0.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The hashes from the leaf's sibling to the root's child.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The checkpoint, not yet verified.
    #[must_use]
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// The checkpoint, to add the signatures of witnesses to.
    pub fn checkpoint_mut(&mut self) -> &mut SignedCheckpoint {
        &mut self.checkpoint
    }
}

impl fmt::Display for TlogProof {
    /// The content of a `.tlog-proof` file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", base64(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

fn malformed(reason: &'static str) -> Error {
    Error::Malformed { format: "tlog-proof", reason }
}
