//! Versions of datasets: records sealed one by one, and opened again for a purpose.
//!
//! ```text
//! records ──► NewVersion ──► objects/ID.clo: each record under the key of its subject
//!                        └─► rows of version, objects and subjects' keys, in the transaction of the outcome
//! Pass (a dataset, a purpose) ──► Pass::records: record by record, and the door is asked again on the way
//! ```
//!
//! Invariant: a version is there with all of its objects and keys, or not at all; a file that no row names is nothing. A subject
//! is known by a keyed pseudonym only, and has one key in a dataset: to destroy it is to destroy the subject's records in every
//! version of the dataset.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use cloister_access::{Action, Id as Name, Sensitivity};
use cloister_text::quality::{MerkleRoot, RecordKey};
use cloister_vault::keys::{DatasetKeys, KeyContext, SubjectKey, WrappedKey};
use cloister_vault::log::Hash;
use cloister_vault::sealed::container::NewFile;
use cloister_vault::sealed::{DataKey, Header, Id, Kind, ShardReader, ShardWriter};
use cloister_vault::store::{DatasetRow, DatasetState, ObjectRow, SubjectKeyRow, Tx, VersionRow, VersionState, Words};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::door::Pass;
use super::{Error, Result};
use crate::files::hex;

/// The objects that hold records, by the words of their rows.
pub(super) const RECORDS: &str = "records";
/// Keys of subjects that are made at once: the ring is asked once for them.
const KEYS_AT_ONCE: usize = 256;
/// Records between two questions at the door.
const RECORDS_AT_ONCE: usize = 256;

/// A version of a dataset while it is written. What becomes of it is in the rows that [`NewVersion::finish`] gives.
pub struct NewVersion<'p> {
    keys: DatasetKeys<'p>,
    objects: PathBuf,
    dataset: String,
    tenant: String,
    number: u64,
    shard: ShardWriter<Digesting>,
    commitments: RecordKey,
    root: MerkleRoot,
    subjects: HashMap<String, (Id, DataKey)>,
    spare: Vec<SubjectKey>,
    fresh: Vec<SubjectKeyRow>,
    others: Vec<Written>,
    place: String,
    files: Files,
}

/// A version that is written and not yet in the store. Its files go with it unless it was inserted.
pub struct Sealed {
    version: VersionRow,
    objects: Vec<ObjectRow>,
    subjects: Vec<SubjectKeyRow>,
    files: Files,
}

/// A file of a version.
struct Written {
    kind: String,
    place: String,
    header: Header,
    sha256: Hash,
    bytes: u64,
}

/// Files that are removed unless they are kept.
#[derive(Default)]
struct Files(Vec<PathBuf>);

impl Drop for Files {
    fn drop(&mut self) {
        // No row names them: where they cannot be removed they are nothing but bytes that nobody opens.
        self.0.iter().for_each(|path| drop(std::fs::remove_file(path)));
    }
}

impl Pass<'_> {
    /// Begins the next version of a dataset.
    ///
    /// # Errors
    /// [`Error::Unknown`] if there is no such dataset, or the request is not one that takes records in; those of keys and files.
    pub fn new_version(&self, dataset: &Name) -> Result<NewVersion<'_>> {
        let project = self.project();
        let absent = || Error::Unknown { kind: "dataset", id: dataset.to_string() };
        if self.action() != Action::Ingest {
            return Err(absent());
        }
        let (row, number, known) = project.view(|view| {
            let row = view.get::<DatasetRow>(dataset.as_str())?.filter(|row| row.state == DatasetState::Active);
            let versions = view.list::<VersionRow>("dataset", dataset.as_str())?;
            let last = versions.iter().map(|version| version.number).max().unwrap_or(0);
            Ok((row.ok_or_else(absent)?, last + 1, view.list::<SubjectKeyRow>("dataset", dataset.as_str())?))
        })?;
        // Sealing is for no purpose: the keys are the same for all of them.
        let purpose = row.purposes.iter().next().ok_or_else(absent)?;
        let of = KeyContext { tenant: &row.tenant, dataset: dataset.as_str(), purpose };
        let keys = project.ring.dataset(&of)?;
        let mut subjects = HashMap::with_capacity(known.len());
        for row in known {
            let key = keys.open_subject_key(row.id, &WrappedKey::from_bytes(&row.wrapped)?)?;
            subjects.insert(row.pseudonym, (row.id, key));
        }
        let objects = project.places.objects();
        let place = place()?;
        let sink = Digesting::create(&objects.join(&place))?;
        let shard = keys.seal_shard(sink, &number.to_string())?;
        Ok(NewVersion {
            commitments: RecordKey::from_bytes(*keys.audit_key().expose()),
            keys,
            objects,
            dataset: dataset.to_string(),
            tenant: row.tenant,
            number,
            shard,
            root: MerkleRoot::default(),
            subjects,
            spare: Vec::new(),
            fresh: Vec::new(),
            others: Vec::new(),
            place,
            files: Files::default(),
        })
    }

    /// Opens the records of a version of the dataset that was asked for, the last one without a number, in the order in which
    /// they were taken in. Records whose subject's key was destroyed are passed over.
    ///
    /// # Errors
    /// [`Error::Unknown`] if there is no such version; [`Error::Denied`] as soon as the request is no longer allowed; those of
    /// keys, of sealed files and of `each`.
    pub fn records<E: From<Error>>(
        &self,
        number: Option<u64>,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Opened, E> {
        let dataset = self.resource().id().clone();
        let keys = self.keys()?;
        let (version, object, subjects) = self.project().view(|view| {
            let versions = view.list::<VersionRow>("dataset", dataset.as_str())?;
            let there = |version: &VersionRow| matches!(version.state, VersionState::Whole | VersionState::Holed);
            let wanted = |version: &VersionRow| number.is_none_or(|number| version.number == number);
            let found = versions.into_iter().filter(|version| there(version) && wanted(version));
            let version = found.max_by_key(|version| version.number).ok_or_else(|| match number {
                Some(number) => Error::Unknown { kind: "version", id: format!("{dataset}@{number}") },
                None => Error::Unknown { kind: "version of dataset", id: dataset.to_string() },
            })?;
            let objects = view.list::<ObjectRow>("version", &version.id)?;
            let object = objects.into_iter().find(|object| object.kind == RECORDS);
            let object = object.ok_or_else(|| Error::Unknown { kind: "object of version", id: version.id.clone() })?;
            Ok((version, object, view.list::<SubjectKeyRow>("dataset", dataset.as_str())?))
        })?;
        let shard = self.shard(&keys, &version, &object)?;
        let wrapped = |row: SubjectKeyRow| Ok((row.id, WrappedKey::from_bytes(&row.wrapped)?));
        let subjects = subjects.into_iter().map(wrapped).collect::<Result<_>>()?;
        let mut passed = 0;
        for (at, record) in shard.records(&keys.subject_keys(subjects)).enumerate() {
            if at.is_multiple_of(RECORDS_AT_ONCE) {
                self.check()?;
            }
            match record {
                Ok((_, text)) => each(&text)?,
                Err(cloister_vault::Error::NoSubjectKey { .. }) => passed += 1,
                Err(error) => return Err(Error::from(error).into()),
            }
        }
        if passed > 0 && version.state == VersionState::Whole {
            let path = self.project().places.objects().join(&object.place);
            return Err(Error::Broken { path, reason: "has records whose keys are missing" }.into());
        }
        Ok(Opened { records: version.records - passed, destroyed: passed, version })
    }

    /// The records of a version, sealed: the file that its row names, and no other.
    pub(super) fn shard(
        &self,
        keys: &DatasetKeys<'_>,
        version: &VersionRow,
        object: &ObjectRow,
    ) -> Result<ShardReader<Arc<File>>> {
        let path = self.project().places.objects().join(&object.place);
        let file = match File::open(&path) {
            Ok(file) => Arc::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Broken { path, reason: "is missing" });
            }
            Err(error) => return Err(crate::Error::read(&path)(error).into()),
        };
        let shard = keys.open_shard(file, &version.number.to_string())?;
        if shard.header().object != object.id || shard.count() != version.records {
            return Err(Error::Broken { path, reason: "is not the file that the log tells of" });
        }
        Ok(shard)
    }

    /// Opens something that belongs to a version of the dataset that was asked for, such as its evidence; nothing if it has none.
    ///
    /// # Errors
    /// Those of keys and of sealed files.
    pub fn attached(&self, version: &VersionRow, kind: &str) -> Result<Option<Vec<u8>>> {
        let objects = self.project().view(|view| Ok(view.list::<ObjectRow>("version", &version.id)?))?;
        let Some(object) = objects.into_iter().find(|object| object.kind == kind) else { return Ok(None) };
        let path = self.project().places.objects().join(&object.place);
        let file = File::open(&path).map_err(crate::Error::read(&path))?;
        let keys = self.keys()?;
        let reader = keys.open_object(&file, Kind::Blob, &version.number.to_string())?;
        if reader.header().object != object.id {
            return Err(Error::Broken { path, reason: "is not the file that the log tells of" });
        }
        let mut bytes = vec![0; usize::try_from(reader.length()).unwrap_or(usize::MAX).min(object.bytes as usize)];
        let length = reader.read_at(&mut bytes, 0)?;
        bytes.truncate(length);
        Ok(Some(bytes))
    }

    /// The key that the commitments of the dataset that was asked for are made under.
    ///
    /// # Errors
    /// As [`Pass::keys`].
    pub fn commitment_key(&self) -> Result<crate::keys::Key> {
        Ok(crate::keys::Key::new(*self.keys()?.audit_key().expose()))
    }

    /// The key that snapshots of a run are sealed under, and its id: the same for all of them.
    ///
    /// # Errors
    /// As [`Pass::keys`].
    pub fn snapshot_key(&self, run: &str) -> Result<([u8; 16], crate::keys::Key)> {
        let keys = self.keys()?;
        let mut id = [0; 16];
        let name = token(&keys, &[b"cloister snapshot id v1\0", run.as_bytes()])?;
        id.copy_from_slice(&name[..16]);
        Ok((id, token(&keys, &[b"cloister snapshot v1\0", run.as_bytes()])?))
    }

    /// The key of surrogates of the dataset that was asked for: the same person gets the same ones in every version of what is
    /// made from it.
    ///
    /// # Errors
    /// As [`Pass::keys`].
    pub fn surrogate_key(&self) -> Result<crate::keys::Key> {
        token(&self.keys()?, &[b"cloister surrogates v1\0"])
    }
}

/// What was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The version.
    pub version: VersionRow,
    /// Records that were opened.
    pub records: u64,
    /// Records whose keys were destroyed.
    pub destroyed: u64,
}

impl NewVersion<'_> {
    /// Which of the dataset's versions it will be.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The key that the root's commitments are made under, for whoever computes the same root.
    #[must_use]
    pub fn commitment_key(&self) -> crate::keys::Key {
        crate::keys::Key::new(*self.keys.audit_key().expose())
    }

    /// Seals the next record: a line of JSON, without its end. A record that names no subject has a key of its own.
    ///
    /// # Errors
    /// Those of keys and files.
    pub fn append(&mut self, subject: Option<&str>, line: &[u8]) -> Result<()> {
        // Its place is its id: unique whatever ids the data has, and their order is that of the records.
        let place = self.root.size().to_be_bytes();
        let pseudonym = match subject {
            Some(subject) => pseudonym(&self.keys, b"subject\0", subject.as_bytes())?,
            None => pseudonym(&self.keys, b"record\0", &[self.number.to_be_bytes(), place].concat())?,
        };
        if !self.subjects.contains_key(&pseudonym) {
            let made = self.fresh_key(&pseudonym)?;
            self.subjects.insert(pseudonym.clone(), made);
        }
        let absent = || Error::Unknown { kind: "key of subject", id: pseudonym.clone() };
        let (subject, key) = self.subjects.get(&pseudonym).ok_or_else(absent)?;
        self.shard.append(&place, *subject, key, line)?;
        self.root.push(&self.commitments.commit(line));
        Ok(())
    }

    /// Seals something that belongs to the version, such as its evidence.
    ///
    /// # Errors
    /// Those of keys and files.
    pub fn attach(&mut self, kind: &str, bytes: &[u8]) -> Result<()> {
        let place = place()?;
        let sink = Digesting::create(&self.objects.join(&place))?;
        let mut object = self.keys.seal_object(sink, Kind::Blob, &self.number.to_string())?;
        object.append(bytes)?;
        let (sink, header) = object.finish()?;
        let (sha256, bytes) = sink.publish()?;
        self.files.0.push(self.objects.join(&place));
        self.others.push(Written { kind: kind.into(), place, header, sha256, bytes });
        Ok(())
    }

    /// The root over all records so far.
    #[must_use]
    pub fn root(&self) -> cloister_text::quality::commitment::Hash {
        self.root.root()
    }

    /// Ends the files. `parents` are the ids of the versions that it was made from.
    ///
    /// # Errors
    /// Those of sealed files.
    pub fn finish(self, parents: &[String]) -> Result<Sealed> {
        let Self { objects, dataset, tenant, number, shard, root, fresh, mut others, place, mut files, .. } = self;
        let (sink, header) = shard.finish()?;
        let (sha256, bytes) = sink.publish()?;
        files.0.push(objects.join(&place));
        others.push(Written { kind: RECORDS.into(), place, header, sha256, bytes });
        let id = format!("{dataset}@{number}");
        // The instant is that of the entry.
        let created = cloister_vault::log::entry::Instant::from_millis(0)?;
        let object = |written: Written| ObjectRow {
            id: written.header.object,
            tenant: tenant.clone(),
            version: Some(id.clone()),
            kind: written.kind,
            place: written.place,
            sha256: written.sha256,
            bytes: written.bytes,
            kek: written.header.kek,
            wrapped: written.header.wrapped.to_vec(),
            created,
        };
        let objects = others.into_iter().map(object).collect();
        let version = VersionRow {
            id: id.clone(),
            dataset,
            number,
            root: Hash::from_bytes(root.root()),
            parents: Words::new(parents.iter().cloned())?,
            records: root.size(),
            state: VersionState::Whole,
            created,
        };
        Ok(Sealed { version, objects, subjects: fresh, files })
    }

    fn fresh_key(&mut self, pseudonym: &str) -> Result<(Id, DataKey)> {
        if self.spare.is_empty() {
            self.spare = self.keys.new_subject_keys(KEYS_AT_ONCE)?;
        }
        let absent = || Error::Unknown { kind: "key of subject", id: pseudonym.into() };
        let SubjectKey { id, key, wrapped } = self.spare.pop().ok_or_else(absent)?;
        self.fresh.push(SubjectKeyRow {
            id,
            dataset: self.dataset.clone(),
            pseudonym: pseudonym.into(),
            kek: wrapped.under(),
            wrapped: wrapped.to_bytes().to_vec(),
            created: cloister_vault::log::entry::Instant::from_millis(0)?,
        });
        Ok((id, key))
    }
}

impl Sealed {
    /// Puts the version into the store; its files stay if the transaction is committed. Gives the row.
    ///
    /// # Errors
    /// [`Error::Taken`] if another version was taken in meanwhile; [`Error::Wider`] if its dataset may be used for more than what
    /// it was made from, or is less sensitive; those of the store.
    pub(super) fn insert(mut self, tx: &mut Tx<'_>) -> Result<(VersionRow, Self)> {
        let created = tx.now();
        let own = tx.need::<DatasetRow>(&self.version.dataset)?;
        for parent in self.version.parents.iter() {
            let from = tx.need::<VersionRow>(parent)?.dataset;
            within(&own, &tx.need::<DatasetRow>(&from)?)?;
        }
        if tx.get::<VersionRow>(&self.version.id)?.is_some() {
            return Err(Error::Taken { kind: "version", id: self.version.id.clone() });
        }
        self.version.created = created;
        tx.insert(&self.version)?;
        for object in &mut self.objects {
            object.created = created;
            tx.insert(object)?;
        }
        for subject in &mut self.subjects {
            subject.created = created;
            tx.insert(subject)?;
        }
        Ok((self.version.clone(), self))
    }

    /// Keeps the files: their rows are committed.
    pub(super) fn keep(mut self) {
        self.files.0.clear();
    }
}

/// Whether a dataset may be used for no more than another, and is no less sensitive: what was collected for a purpose is not used
/// for others under another name (GDPR, article 5(1)(b)).
fn within(own: &DatasetRow, from: &DatasetRow) -> Result<()> {
    let level = |row: &DatasetRow| row.sensitivity.parse::<Sensitivity>().map(Sensitivity::level);
    let wider = own.purposes.iter().any(|purpose| !from.purposes.contains(purpose));
    match wider || level(own)? < level(from)? {
        true => Err(Error::Wider { dataset: own.id.clone(), from: from.id.clone() }),
        false => Ok(()),
    }
}

/// The pseudonym of a subject, or of a record about nobody, in one dataset.
pub(super) fn pseudonym(keys: &DatasetKeys<'_>, of: &[u8], name: &[u8]) -> Result<String> {
    Ok(hex(token(keys, &[b"cloister subject v1\0", of, name])?.as_ref()))
}

/// What the dataset's key of tokens makes of some bytes.
fn token(keys: &DatasetKeys<'_>, parts: &[&[u8]]) -> Result<crate::keys::Key> {
    let broken = |_| Error::Unknown { kind: "key of tokens", id: String::new() };
    let mut mac = Hmac::<Sha256>::new_from_slice(keys.token_key().expose()).map_err(broken)?;
    parts.iter().for_each(|part| mac.update(part));
    Ok(crate::keys::Key::new(mac.finalize().into_bytes().into()))
}

/// A fresh name for a file; it tells nothing.
fn place() -> Result<String> {
    Ok(format!("{}.clo", Id::random()?))
}

/// A sealed file on its way to the disk, and its digest.
struct Digesting {
    file: NewFile,
    digest: Sha256,
    bytes: u64,
}

impl Digesting {
    fn create(path: &std::path::Path) -> Result<Self> {
        Ok(Self { file: NewFile::create(path)?, digest: Sha256::new(), bytes: 0 })
    }

    /// Lets the file appear, durably.
    fn publish(self) -> Result<(Hash, u64)> {
        self.file.publish()?;
        Ok((Hash::from_bytes(self.digest.finalize().into()), self.bytes))
    }
}

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.digest.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
