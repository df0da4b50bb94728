//! The keys of one dataset for one purpose, and what they seal and open.
//!
//! Invariant: the keys that wrap do not leave: objects and shards are sealed under the version that wraps, in the tenant and
//! dataset of the keys, and each time the ring is asked whether it still is that version. An old one opens only. A subject's
//! key is random, opens under its own id in its dataset only, and is kept by the caller, wrapped: to delete that is to
//! destroy the subject's records.

use std::collections::HashMap;
use std::io::Write;

use super::file::Usage;
use super::hierarchy::{no_key, rows};
use super::ring::UnsealedRing;
use super::{KeyContext, context, wrapping_key};
use crate::sealed::key::WRAPPED_BYTES;
use crate::sealed::{
    Context, DataKey, Header, Id, Kek, Kind, ObjectReader, ObjectWriter, ReadAt, ShardReader, ShardWriter, SubjectKeys,
};
use crate::{Error, Result};

/// The keys of a dataset, for a purpose. They are wiped when they go.
pub struct DatasetKeys<'r> {
    ring: &'r UnsealedRing,
    tenant: String,
    dataset: String,
    purpose: String,
    /// Oldest first.
    objects: Vec<Kek>,
    /// Oldest first.
    subjects: Vec<(Id, DataKey)>,
    audit: DataKey,
    tokens: DataKey,
}

impl<'r> DatasetKeys<'r> {
    pub(super) fn new(
        ring: &'r UnsealedRing,
        of: &KeyContext<'_>,
        objects: Vec<Kek>,
        subjects: Vec<(Id, DataKey)>,
        audit: DataKey,
        tokens: DataKey,
    ) -> Self {
        let [tenant, dataset, purpose] = [of.tenant, of.dataset, of.purpose].map(str::to_owned);
        Self { ring, tenant, dataset, purpose, objects, subjects, audit, tokens }
    }

    /// Begins a sealed object of a version of the dataset.
    ///
    /// # Errors
    /// [`Error::RetiredKey`] if the dataset's key was replaced since these were fetched; [`Error::NoKey`] if there is none any
    /// more; those of the ring and of [`ObjectWriter::new`].
    pub fn seal_object<W: Write>(&self, sink: W, kind: Kind, version: &str) -> Result<ObjectWriter<W>> {
        ObjectWriter::new(sink, kind, self.sealing_key()?, &self.place(version))
    }

    /// Opens an object, whichever version of the key it was sealed under.
    ///
    /// # Errors
    /// [`Error::OtherKek`] if it is under no key of the dataset; those of [`ObjectReader::new`].
    pub fn open_object<R: ReadAt>(&self, source: R, kind: Kind, version: &str) -> Result<ObjectReader<R>> {
        let kek = self.opening_key(&source)?;
        ObjectReader::new(source, kind, kek, &self.place(version))
    }

    /// Begins a shard of records of a version of the dataset.
    ///
    /// # Errors
    /// Those of [`DatasetKeys::seal_object`].
    pub fn seal_shard<W: Write>(&self, sink: W, version: &str) -> Result<ShardWriter<W>> {
        ShardWriter::new(sink, self.sealing_key()?, &self.place(version))
    }

    /// Opens a shard, whichever version of the key it was sealed under.
    ///
    /// # Errors
    /// [`Error::OtherKek`] if it is under no key of the dataset; those of [`ShardReader::new`].
    pub fn open_shard<R: ReadAt + Clone>(&self, source: R, version: &str) -> Result<ShardReader<R>> {
        let kek = self.opening_key(&source)?;
        ShardReader::new(source, kek, &self.place(version))
    }

    /// Makes keys of so many subjects.
    ///
    /// # Errors
    /// [`Error::RetiredKey`], [`Error::NoKey`], [`Error::NoRandomness`], those of the ring.
    pub fn new_subject_keys(&self, count: usize) -> Result<Vec<SubjectKey>> {
        let under = self.wrapping_subjects()?;
        let make = || {
            let (id, key) = (Id::random()?, DataKey::random()?);
            let wrapped = self.wrap_subject(under, id, &key)?;
            Ok(SubjectKey { id, key, wrapped })
        };
        (0..count).map(|_| make()).collect()
    }

    /// The key of a subject.
    ///
    /// # Errors
    /// [`Error::OtherKek`] if it is wrapped under no key of the dataset; [`Error::KeyDoesNotOpen`] if it is another subject's,
    /// another dataset's, or damaged.
    pub fn open_subject_key(&self, id: Id, wrapped: &WrappedKey) -> Result<DataKey> {
        let found = self.subjects.iter().find(|(under, _)| *under == wrapped.under);
        let (under, secret) = found.ok_or_else(|| self.other_key(wrapped.under))?;
        wrapping_key(*under, secret.expose(), &self.subject_context(id)?)?.unwrap(&wrapped.bytes)
    }

    /// Subjects' keys for reading a shard, each opened when a record asks for it and wiped after it.
    #[must_use]
    pub fn subject_keys(&self, wrapped: HashMap<Id, WrappedKey>) -> OpeningKeys<'_> {
        OpeningKeys { keys: self, wrapped }
    }

    /// Wraps subjects' keys under the version that wraps, to destroy an older one after it.
    ///
    /// # Errors
    /// Those of [`DatasetKeys::open_subject_key`] and [`DatasetKeys::new_subject_keys`].
    pub fn rewrap_subject_keys(&self, keys: &[(Id, WrappedKey)]) -> Result<Vec<(Id, WrappedKey)>> {
        let under = self.wrapping_subjects()?;
        let rewrap = |(id, old): &(Id, WrappedKey)| {
            let key = self.open_subject_key(*id, old)?;
            Ok((*id, self.wrap_subject(under, *id, &key)?))
        };
        keys.iter().map(rewrap).collect()
    }

    /// The key of the HMACs by which the log names what it must not say.
    #[must_use]
    pub fn audit_key(&self) -> &DataKey {
        &self.audit
    }

    /// The key of tokens and surrogates.
    #[must_use]
    pub fn token_key(&self) -> &DataKey {
        &self.tokens
    }

    fn place<'a>(&'a self, version: &'a str) -> Context<'a> {
        Context { tenant: &self.tenant, dataset: &self.dataset, version }
    }

    fn sealing_key(&self) -> Result<&Kek> {
        let key = self.objects.last().ok_or_else(|| no_key(&self.of()))?;
        self.check_current(Usage::Objects, key.id())?;
        Ok(key)
    }

    fn opening_key(&self, source: &impl ReadAt) -> Result<&Kek> {
        let wanted = Header::read(source)?.kek;
        self.objects.iter().find(|kek| kek.id() == wanted).ok_or_else(|| self.other_key(wanted))
    }

    fn wrapping_subjects(&self) -> Result<&(Id, DataKey)> {
        let under = self.subjects.last().ok_or_else(|| no_key(&self.of()))?;
        self.check_current(Usage::Subjects, under.0)?;
        Ok(under)
    }

    fn wrap_subject(&self, (under, secret): &(Id, DataKey), id: Id, key: &DataKey) -> Result<WrappedKey> {
        let bytes = wrapping_key(*under, secret.expose(), &self.subject_context(id)?)?.wrap(key)?;
        Ok(WrappedKey { under: *under, bytes })
    }

    /// Asks the ring whether a key still is the one that wraps.
    fn check_current(&self, usage: Usage, id: Id) -> Result<()> {
        let (file, of) = (self.ring.file()?, self.of());
        match rows(&file, &of, usage).last() {
            None => Err(no_key(&of)),
            Some(row) if row.id != id => Err(Error::RetiredKey { key: id.to_string() }),
            Some(_) => Ok(()),
        }
    }

    fn of(&self) -> KeyContext<'_> {
        KeyContext { tenant: &self.tenant, dataset: &self.dataset, purpose: &self.purpose }
    }

    fn subject_context(&self, id: Id) -> Result<Vec<u8>> {
        context("subject", &[self.tenant.as_bytes(), self.dataset.as_bytes(), &id.0])
    }

    fn other_key(&self, expected: Id) -> Error {
        let given = self.objects.last().map_or_else(String::new, |kek| kek.id().to_string());
        Error::OtherKek { expected: expected.to_string(), given }
    }
}

/// Wrapped keys of subjects, with what opens them.
pub struct OpeningKeys<'a> {
    keys: &'a DatasetKeys<'a>,
    wrapped: HashMap<Id, WrappedKey>,
}

impl SubjectKeys for OpeningKeys<'_> {
    fn key(&self, id: Id) -> Result<Option<DataKey>> {
        self.wrapped.get(&id).map(|wrapped| self.keys.open_subject_key(id, wrapped)).transpose()
    }
}

/// A fresh key of a subject.
pub struct SubjectKey {
    /// Its id, which stands in the shards.
    pub id: Id,
    /// The key, to seal the subject's records.
    pub key: DataKey,
    /// The key as the caller keeps it.
    pub wrapped: WrappedKey,
}

/// A subject's key as it is kept: wrapped under a key of its dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    under: Id,
    bytes: [u8; WRAPPED_BYTES],
}

impl WrappedKey {
    /// Bytes of one.
    pub const BYTES: usize = 16 + WRAPPED_BYTES;

    /// The key that it is wrapped under.
    #[must_use]
    pub fn under(&self) -> Id {
        self.under
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..16].copy_from_slice(&self.under.0);
        bytes[16..].copy_from_slice(&self.bytes);
        bytes
    }

    /// Reads one. Whether it is one shows when it is opened.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let malformed = Error::Malformed { format: "wrapped key", reason: "it has not 56 bytes" };
        let Some((under, wrapped)) = bytes.split_first_chunk() else { return Err(malformed) };
        let Ok(bytes) = wrapped.try_into() else { return Err(malformed) };
        Ok(Self { under: Id(*under), bytes })
    }
}
