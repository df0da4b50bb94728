//! Checkpoints (C2SP tlog-checkpoint): origin, size and root of a log's tree as a signed note.
//!
//! Invariant: a checkpoint has three lines and no others, so every line is under the tree's own rules.

use std::fmt;

use super::merkle::Hash;
use super::note::{Note, SignerKey, VerifierKey};
use crate::encoding::from_decimal;
use crate::{Error, Result};

/// What a log says of its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Reads the text of a note.
    ///
    /// # Errors
    /// [`Error::Malformed`], also for extension lines.
    pub fn parse(text: &str) -> Result<Self> {
        let malformed = |reason| Error::Malformed { format: "checkpoint", reason };
        let lines = text.strip_suffix('\n').ok_or_else(|| malformed("its last line does not end"))?;
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("it has not three lines"));
        };
        if origin.is_empty() {
            return Err(malformed("its origin is empty"));
        }
        let size = from_decimal(size).ok_or_else(|| malformed("its size is not a number"))?;
        let root = root.parse::<Hash>().map_err(|_| malformed("its root is not 32 bytes in base 64"))?;
        Ok(Self { origin: origin.into(), size, root })
    }

    /// Signs it. Whoever signs has seen that it continues what was signed before.
    ///
    /// # Errors
    /// [`Error::OtherLog`] if the key is not that of the origin.
    pub(crate) fn sign(&self, key: &SignerKey) -> Result<SignedCheckpoint> {
        if key.verifier().name() != self.origin {
            return Err(Error::OtherLog { expected: key.verifier().name().into() });
        }
        Ok(SignedCheckpoint { note: Note::sign(&self.to_string(), key)?, checkpoint: self.clone() })
    }
}

impl fmt::Display for Checkpoint {
    /// The text of the note.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root } = self;
        write!(f, "{origin}\n{size}\n{root}\n")
    }
}

/// A checkpoint under signatures, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: Note,
    checkpoint: Checkpoint,
}

impl SignedCheckpoint {
    /// Reads a signed note that is a checkpoint.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self { note, checkpoint })
    }

    /// The checkpoint, once the log's key has signed it. The key's name must be the origin.
    ///
    /// # Errors
    /// [`Error::OtherLog`], [`Error::Unsigned`], [`Error::BadSignature`].
    pub fn verify(&self, key: &VerifierKey) -> Result<&Checkpoint> {
        if self.checkpoint.origin != key.name() {
            return Err(Error::OtherLog { expected: key.name().into() });
        }
        self.note.verify(&[key])?;
        Ok(&self.checkpoint)
    }

    /// The checkpoint as it stands there; nobody need have signed it.
    #[must_use]
    pub fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The note, to add signatures to.
    pub fn note_mut(&mut self) -> &mut Note {
        &mut self.note
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}
