//! A key ring, sealed and unsealed.
//!
//! Invariant: before a secret is asked for, the process is hardened and the file is whole. A wrong secret, and a file that
//! somebody changed, are one error in every way. A change is made under the ring's lock, on what the file holds then, and
//! appears whole or not at all; the file is read again for every question, so that what one process has retired another does
//! not use. A ring that is older than one this process has seen is refused.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::attempts::{limited, lock};
use super::file::{RING_BYTES, RingFile, SlotRow};
use super::hardening::{Hardened, LockedKey};
use super::provider::{Provider, ProviderKind};
use super::{KeyBytes, context};
use crate::files::{Existing, Readers, WholeFile, folder_of, read_limited};
use crate::sealed::key::KEY_BYTES;
use crate::sealed::{DataKey, Id};
use crate::{Error, Result};

/// One way to open a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its id.
    pub id: Id,
    /// What opens it.
    pub kind: ProviderKind,
}

/// What a writer of the file is about to do, or has done, for tests that stop it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The new file is about to be written, under another name.
    Write,
    /// It is written and about to appear.
    Appear,
    /// It has appeared, durably.
    Appeared,
}

/// A ring of which nothing is known but who could open it.
pub struct SealedRing {
    path: PathBuf,
    slots: Vec<Slot>,
}

impl SealedRing {
    /// Looks at the file of a ring.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Malformed`].
    pub fn open(path: &Path) -> Result<Self> {
        let (file, _) = read(path)?;
        Ok(Self { path: path.into(), slots: slots(&file) })
    }

    /// The ways to open it.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Opens it. Tries with a secret that could be guessed are counted, over all processes: after three that failed, each
    /// waits twice as long as the one before.
    ///
    /// # Errors
    /// [`Error::DoesNotUnseal`] for a wrong secret and for a file that somebody changed; [`Error::TooManyTries`] with the
    /// seconds to wait, and then nothing is tried; [`Error::NoSlot`] if the ring has no slot of this provider;
    /// [`Error::Provider`] and others of the provider; [`Error::Malformed`], [`Error::Read`].
    pub fn unseal(&self, provider: &dyn Provider, _: &Hardened) -> Result<UnsealedRing> {
        let attempt = || {
            let (file, bytes) = read(&self.path)?;
            let (slot, key) = unwrap_any(&file, provider)?;
            if !file.is_authentic(&bytes, key.expose())? {
                return Err(Error::DoesNotUnseal);
            }
            Ok(UnsealedRing::new(&self.path, &key, slot, file.generation))
        };
        if provider.kind().is_guessable() { limited(&self.path, attempt) } else { attempt() }
    }
}

/// Hears of every step.
type Observer = Box<dyn FnMut(Step) -> Result<()> + Send>;

/// A ring that gives out keys. The ring key is wiped when it goes.
pub struct UnsealedRing {
    path: PathBuf,
    key: LockedKey,
    opened_by: Slot,
    /// The newest generation that was read or written.
    seen: AtomicU64,
    observer: Mutex<Observer>,
}

impl UnsealedRing {
    /// Makes a ring where none is, with one slot.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::NoRandomness`], those of the provider and of writing.
    pub fn create(path: &Path, provider: &dyn Provider, _: &Hardened) -> Result<Self> {
        let key = DataKey::random()?;
        let ring = Id::random()?;
        let first = slot(ring, provider, &key)?;
        let opened_by = Slot { id: first.id, kind: first.kind };
        let slots = vec![first];
        let file = RingFile { ring, generation: 1, slots, tenant_keys: Vec::new(), dataset_keys: Vec::new() };
        let unsealed = Self::new(path, &key, opened_by, file.generation);
        let _lock = lock(path)?;
        unsealed.write(&file, key.expose(), Existing::Keep)?;
        Ok(unsealed)
    }

    fn new(path: &Path, key: &DataKey, opened_by: Slot, generation: u64) -> Self {
        let key = LockedKey::new(&KeyBytes::new(*key.expose()));
        Self { path: path.into(), key, opened_by, seen: generation.into(), observer: Mutex::new(Box::new(|_| Ok(()))) }
    }

    /// Lets `observer` hear of every step of a writing; an error of its stops the writing there.
    #[must_use]
    pub fn observed(self, observer: impl FnMut(Step) -> Result<()> + Send + 'static) -> Self {
        Self { observer: Mutex::new(Box::new(observer)), ..self }
    }

    /// The way by which it was opened: where each person has one of their own, it tells who is there.
    #[must_use]
    pub fn opened_by(&self) -> Slot {
        self.opened_by
    }

    /// Whether the ring key is in memory that is not swapped.
    #[must_use]
    pub fn is_locked_in_memory(&self) -> bool {
        self.key.is_locked()
    }

    /// How often the ring was written, and the SHA-256 of its file: what to put into a log, to recognise an older ring.
    ///
    /// # Errors
    /// Those of [`UnsealedRing::slots`].
    pub fn generation(&self) -> Result<(u64, [u8; 32])> {
        let (file, bytes) = self.read()?;
        Ok((file.generation, Sha256::digest(&bytes).into()))
    }

    /// The ways to open the ring.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Malformed`]; [`Error::Damaged`] if the file is older than one that was seen, or was written
    /// under another ring key.
    pub fn slots(&self) -> Result<Vec<Slot>> {
        Ok(slots(&self.file()?))
    }

    /// The slot that a provider opens, if there is one. Where slots tell people apart, two of them must not have one secret.
    ///
    /// # Errors
    /// Those of the provider and of [`UnsealedRing::slots`].
    pub fn slot_of(&self, provider: &dyn Provider) -> Result<Option<Slot>> {
        match unwrap_any(&self.file()?, provider) {
            Ok((slot, _)) => Ok(Some(slot)),
            Err(Error::DoesNotUnseal | Error::NoSlot { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds a way to open it.
    ///
    /// # Errors
    /// Those of the provider, of reading and of writing; [`Error::Malformed`] if there are 16 slots.
    pub fn add_slot(&self, provider: &dyn Provider) -> Result<Slot> {
        self.change(|file| {
            let added = slot(file.ring, provider, &DataKey::from_bytes(KeyBytes::new(*self.key.expose())))?;
            let slot = Slot { id: added.id, kind: added.kind };
            file.slots.push(added);
            Ok(slot)
        })
    }

    /// Takes a way to open it away. Who has an older copy of the file still opens that copy: see [`UnsealedRing::rekey`].
    ///
    /// # Errors
    /// [`Error::LastSlot`], [`Error::NoSlot`], those of reading and of writing.
    pub fn remove_slot(&self, id: Id) -> Result<()> {
        self.change(|file| match file.slots.iter().position(|slot| slot.id == id) {
            None => Err(Error::NoSlot { provider: "id" }),
            Some(_) if file.slots.len() == 1 => Err(Error::LastSlot),
            Some(at) => {
                file.slots.remove(at);
                Ok(())
            }
        })
    }

    /// Puts a fresh ring key above all tenant keys, in one writing: the provider's slot is the only one then, others are
    /// added again. Rotate the tenants' keys after it, if the old ring key is known to somebody.
    ///
    /// # Errors
    /// Those of the provider, of reading and of writing.
    pub fn rekey(&mut self, provider: &dyn Provider) -> Result<()> {
        let key = DataKey::random()?;
        let _lock = lock(&self.path)?;
        let mut file = self.file()?;
        let only = slot(file.ring, provider, &key)?;
        let opened_by = Slot { id: only.id, kind: only.kind };
        file.slots = vec![only];
        self.rewrap_tenant_keys(&mut file, key.expose())?;
        file.generation = next(file.generation)?;
        self.write(&file, key.expose(), Existing::Replace)?;
        self.key = LockedKey::new(&KeyBytes::new(*key.expose()));
        self.opened_by = opened_by;
        Ok(())
    }

    pub(super) fn ring_key(&self) -> &[u8; KEY_BYTES] {
        self.key.expose()
    }

    /// What the file holds now.
    pub(super) fn file(&self) -> Result<RingFile> {
        Ok(self.read()?.0)
    }

    fn read(&self) -> Result<(RingFile, Vec<u8>)> {
        let (file, bytes) = read(&self.path)?;
        let damaged = |reason| Error::Damaged { path: self.path.clone(), reason };
        if !file.is_authentic(&bytes, self.key.expose())? {
            return Err(damaged("was not written under the ring key that is known"));
        }
        if self.seen.fetch_max(file.generation, Ordering::Relaxed) > file.generation {
            return Err(damaged("is older than what was there before"));
        }
        Ok((file, bytes))
    }

    /// Changes the file. Where nothing changes, nothing is written.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut RingFile) -> Result<T>) -> Result<T> {
        let _lock = lock(&self.path)?;
        let before = self.file()?;
        let mut file = before.clone();
        let done = change(&mut file)?;
        if file != before {
            file.generation = next(file.generation)?;
            file.sort();
            self.write(&file, self.key.expose(), Existing::Replace)?;
        }
        Ok(done)
    }

    fn write(&self, file: &RingFile, key: &[u8; KEY_BYTES], existing: Existing) -> Result<()> {
        let bytes = file.to_bytes(key)?;
        let mut observer = self.observer.lock().unwrap_or_else(PoisonError::into_inner);
        (observer)(Step::Write)?;
        let mut whole = WholeFile::create(&self.path, folder_of(&self.path), Readers::Owner)?;
        whole.write_all(&bytes).map_err(Error::write(&self.path))?;
        (observer)(Step::Appear)?;
        whole.commit(existing)?;
        self.seen.fetch_max(file.generation, Ordering::Relaxed);
        (observer)(Step::Appeared)
    }
}

fn read(path: &Path) -> Result<(RingFile, Vec<u8>)> {
    let absent = || Error::read(path)(std::io::ErrorKind::NotFound.into());
    let bytes = read_limited(path, RING_BYTES)?.ok_or_else(absent)?;
    Ok((RingFile::parse(&bytes)?, bytes))
}

fn slots(file: &RingFile) -> Vec<Slot> {
    file.slots.iter().map(|slot| Slot { id: slot.id, kind: slot.kind }).collect()
}

fn next(generation: u64) -> Result<u64> {
    generation.checked_add(1).ok_or(Error::Malformed { format: "key ring", reason: "it was written too often" })
}

fn slot(ring: Id, provider: &dyn Provider, key: &DataKey) -> Result<SlotRow> {
    let (id, kind) = (Id::random()?, provider.kind());
    Ok(SlotRow { id, kind, payload: provider.wrap(key, &slot_context(ring, id, kind)?)? })
}

fn slot_context(ring: Id, slot: Id, kind: ProviderKind) -> Result<Vec<u8>> {
    context("slot", &[&ring.0, &slot.0, &[kind.byte()]])
}

/// The first slot that the provider opens, and the ring key in it.
fn unwrap_any(file: &RingFile, provider: &dyn Provider) -> Result<(Slot, DataKey)> {
    let kind = provider.kind();
    let mut outcome = Err(Error::NoSlot { provider: kind.name() });
    for slot in file.slots.iter().filter(|slot| slot.kind == kind) {
        outcome = match provider.unwrap(&slot.payload, &slot_context(file.ring, slot.id, kind)?) {
            Err(Error::KeyDoesNotOpen) => Err(Error::DoesNotUnseal),
            opened_or_failed => return opened_or_failed.map(|key| (Slot { id: slot.id, kind }, key)),
        };
    }
    outcome
}
