//! A witness (C2SP tlog-witness): it cosigns a checkpoint only if that continues what it cosigned before.
//!
//! Invariant: per origin, cosigned sizes never shrink and every root continues the one before. The state moves by
//! compare-and-swap, so that of two requests at once one is told of the conflict. Answers are values: who serves them over a
//! connection is somebody else.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::checkpoint::{Checkpoint, SignedCheckpoint};
use super::merkle::{Hash, empty_root, verify_consistency};
use super::note::{NOTE_BYTES, SignatureKind, SignerKey, VerifierKey};
use crate::encoding::{from_decimal, hex};
use crate::files::{Existing, create_folder, read_limited, write_whole};
use crate::{Error, Result};

/// Most hashes of a proof in a request.
const MOST_HASHES: usize = 63;
/// The longest request that is read, in bytes.
const REQUEST_BYTES: usize = NOTE_BYTES + 4096;

/// The body of `add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// How many entries the log had when the witness last cosigned it.
    pub old: u64,
    /// That the new tree continues the old one; empty from 0.
    pub proof: Vec<Hash>,
    /// The new checkpoint.
    pub checkpoint: SignedCheckpoint,
}

impl AddCheckpoint {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(body: &[u8]) -> Result<Self> {
        let malformed = |reason| Error::Malformed { format: "request to a witness", reason };
        if body.len() > REQUEST_BYTES {
            return Err(malformed("it is longer than any"));
        }
        let text = std::str::from_utf8(body).map_err(|_| malformed("it is not UTF-8"))?;
        let (lines, checkpoint) = text.split_once("\n\n").ok_or_else(|| malformed("it has no blank line"))?;
        let mut lines = lines.split('\n');
        let old = lines.next().and_then(|line| from_decimal(line.strip_prefix("old ")?));
        let old = old.ok_or_else(|| malformed("its first line is not the old size"))?;
        let proof = lines.take(MOST_HASHES + 1).map(str::parse).collect::<Result<Vec<Hash>>>()?;
        if proof.len() > MOST_HASHES {
            return Err(malformed("its proof has more than 63 hashes"));
        }
        Ok(Self { old, proof, checkpoint: SignedCheckpoint::parse(checkpoint.as_bytes())? })
    }
}

impl std::fmt::Display for AddCheckpoint {
    /// The body of the request.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// What a witness answers to `add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: the lines of its signatures.
    Cosigned(String),
    /// 400: the request is malformed, or its old size is larger than the new one.
    BadRequest,
    /// 403: no key of the log has signed, or one of its signatures is wrong.
    Forbidden,
    /// 404: the log is not known.
    UnknownLog,
    /// 409: the witness last cosigned another size, this one.
    Conflict(u64),
    /// 422: the new tree does not continue the old one.
    Inconsistent,
}

impl Answer {
    /// The code of the answer in HTTP.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Cosigned(_) => 200,
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::UnknownLog => 404,
            Self::Conflict(_) => 409,
            Self::Inconsistent => 422,
        }
    }

    /// The body of the answer.
    #[must_use]
    pub fn body(&self) -> String {
        match self {
            Self::Cosigned(lines) => lines.clone(),
            Self::Conflict(size) => format!("{size}\n"),
            _ => String::new(),
        }
    }

    /// The type of the body.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        if matches!(self, Self::Conflict(_)) { "text/x.tlog.size" } else { "text/plain; charset=utf-8" }
    }
}

/// Where a witness keeps what it cosigned last.
pub trait WitnessStore {
    /// The last cosigned checkpoint of a log.
    ///
    /// # Errors
    /// Whatever keeps it from being read; the request then fails.
    fn latest(&self, origin: &str) -> Result<Option<SignedCheckpoint>>;

    /// Replaces the last checkpoint, durably, if it still is `old`; tells whether it was.
    ///
    /// # Errors
    /// Whatever keeps it from being written; nothing is cosigned then.
    fn replace(&self, old: Option<&SignedCheckpoint>, new: &SignedCheckpoint) -> Result<bool>;
}

/// Cosigns the checkpoints of the logs that it knows.
pub struct Witness<S> {
    key: SignerKey,
    logs: Vec<VerifierKey>,
    store: S,
}

impl<S: WitnessStore> Witness<S> {
    /// A witness for logs, whose keys have their origins as names.
    ///
    /// # Errors
    /// [`Error::Malformed`] if its key is not one for cosignatures.
    pub fn new(key: SignerKey, logs: Vec<VerifierKey>, store: S) -> Result<Self> {
        if key.verifier().kind() != SignatureKind::Cosignature {
            return Err(Error::Malformed { format: "key of a witness", reason: "it is not for cosignatures" });
        }
        Ok(Self { key, logs, store })
    }

    /// Answers a request, at `seconds` since 1970.
    ///
    /// # Errors
    /// [`Error::Malformed`] for the second 0, which the format keeps for statements without a time; those of the store: the state is then what it was or what the request asked for, and nothing was cosigned.
    pub fn add_checkpoint(&self, body: &[u8], seconds: u64) -> Result<Answer> {
        if seconds == 0 || seconds > i64::MAX as u64 {
            return Err(Error::Malformed { format: "time of a cosignature", reason: "it is zero or beyond 2^63" });
        }
        let Ok(AddCheckpoint { old, proof, checkpoint: mut signed }) = AddCheckpoint::parse(body) else {
            return Ok(Answer::BadRequest);
        };
        let new = signed.unverified().clone();
        let keys: Vec<&VerifierKey> = self.logs.iter().filter(|key| key.name() == new.origin).collect();
        if keys.is_empty() {
            return Ok(Answer::UnknownLog);
        }
        if signed.note().verify(&keys).is_err() {
            return Ok(Answer::Forbidden);
        }
        if old > new.size {
            return Ok(Answer::BadRequest);
        }
        let latest = self.store.latest(&new.origin)?;
        let known = latest.as_ref().map(SignedCheckpoint::unverified);
        let size = known.map_or(0, |known| known.size);
        if old != size {
            return Ok(Answer::Conflict(size));
        }
        if !continues(known, &new, &proof) {
            return Ok(Answer::Inconsistent);
        }
        // Signatures of strangers are not kept: enough of them would make a note that is too long to read again.
        signed.note_mut().retain(&keys);
        let before = signed.note().signatures().len();
        signed.note_mut().add_signature(&self.key, seconds);
        if !self.store.replace(latest.as_ref(), &signed)? {
            let latest = self.store.latest(&new.origin)?;
            return Ok(Answer::Conflict(latest.map_or(0, |latest| latest.unverified().size)));
        }
        Ok(Answer::Cosigned(signed.note().signatures()[before..].iter().map(ToString::to_string).collect()))
    }

    /// The last checkpoint that was cosigned, for whoever monitors the log.
    ///
    /// # Errors
    /// Those of the store.
    pub fn latest(&self, origin: &str) -> Result<Option<SignedCheckpoint>> {
        self.store.latest(origin)
    }
}

fn continues(known: Option<&Checkpoint>, new: &Checkpoint, proof: &[Hash]) -> bool {
    let (size, root) = known.map_or((0, empty_root()), |known| (known.size, known.root));
    verify_consistency(size, new.size, &root, &new.root, proof).is_ok()
}

/// The state of a witness in memory, for tests and for a witness inside another program.
#[derive(Default)]
pub struct MemoryWitnessStore(Mutex<HashMap<String, SignedCheckpoint>>);

impl WitnessStore for MemoryWitnessStore {
    fn latest(&self, origin: &str) -> Result<Option<SignedCheckpoint>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(origin).cloned())
    }

    fn replace(&self, old: Option<&SignedCheckpoint>, new: &SignedCheckpoint) -> Result<bool> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = &new.unverified().origin;
        if latest.get(origin) != old {
            return Ok(false);
        }
        latest.insert(origin.clone(), new.clone());
        Ok(true)
    }
}

/// The state of a witness in a folder: one file per log, named by the SHA-256 of its origin, as monitors ask for it.
pub struct FolderWitnessStore {
    folder: PathBuf,
}

impl FolderWitnessStore {
    /// Opens or creates the folder.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn open(folder: &Path) -> Result<Self> {
        create_folder(folder)?;
        let store = Self { folder: folder.into() };
        let _held = store.lock()?;
        // What a witness that was killed left unfinished.
        for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
            let path = entry.map_err(Error::read(folder))?.path();
            if path.extension().is_some_and(|extension| extension == "tmp") {
                fs::remove_file(&path).map_err(Error::write(&path))?;
            }
        }
        Ok(store)
    }

    /// Waits for other writers; they can go on when the file is dropped.
    fn lock(&self) -> Result<File> {
        let path = self.folder.join(".lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        file.and_then(|file| file.lock().map(|()| file)).map_err(Error::write(&path))
    }

    fn file(&self, origin: &str) -> PathBuf {
        self.folder.join(hex(&Sha256::digest(origin)))
    }
}

impl WitnessStore for FolderWitnessStore {
    fn latest(&self, origin: &str) -> Result<Option<SignedCheckpoint>> {
        let path = self.file(origin);
        let Some(bytes) = read_limited(&path, NOTE_BYTES as u64)? else { return Ok(None) };
        let damaged = |_| Error::Damaged { path: path.clone(), reason: "is not a checkpoint" };
        let signed = SignedCheckpoint::parse(&bytes).map_err(damaged)?;
        if signed.unverified().origin != origin {
            return Err(Error::Damaged { path, reason: "is a checkpoint of another log" });
        }
        Ok(Some(signed))
    }

    fn replace(&self, old: Option<&SignedCheckpoint>, new: &SignedCheckpoint) -> Result<bool> {
        let _held = self.lock()?;
        let origin = &new.unverified().origin;
        let same = self.latest(origin)?.as_ref() == old;
        if same {
            write_whole(&self.file(origin), &self.folder, new.to_string().as_bytes(), Existing::Replace)?;
        }
        Ok(same)
    }
}
