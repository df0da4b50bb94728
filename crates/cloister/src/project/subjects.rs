//! What people ask about their own data: where it is, a copy of it, and its end (GDPR, articles 15, 17 and 20; CCPA, 1798.105 and
//! 1798.110).
//!
//! ```text
//! a person ──► in each dataset: keyed pseudonym ──► key of the subject ──► records of every version that it opens
//!                                                    └─ removed: nobody opens them any more, and the log says so
//! ```
//!
//! Invariants: a person is named to nobody but the door, which keeps a salted hash; the log knows pseudonyms. A key is removed in
//! the transaction of its entry, and what the database's files still hold of it is taken out before anybody is told.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use cloister_access::{Action, Id as Name, Kind, Resource};
use cloister_vault::keys::{DatasetKeys, KeyContext, WrappedKey};
use cloister_vault::log::entry::Fact;
use cloister_vault::sealed::{Id, ShardReader};
use cloister_vault::store::{DatasetRow, ObjectRow, RunRow, SubjectKeyRow, VersionRow, VersionState};

use super::door::{Ask, Pass};
use super::versions::{RECORDS, pseudonym};
use super::{Error, Project, Result};

/// What a dataset holds of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The dataset.
    pub dataset: String,
    /// What the log calls them there.
    pub pseudonym: String,
    /// Records of theirs, by version.
    pub versions: BTreeMap<String, u64>,
    /// Runs that were trained on one of these versions.
    pub runs: Vec<String>,
    key: Id,
}

/// A key that was destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// What it opened.
    pub held: Held,
    /// The entry of the log that says so.
    pub entry: u64,
    /// When.
    pub time: String,
}

impl Project {
    /// Where a person's records are. `subject` is the name that the records have for them.
    ///
    /// # Errors
    /// [`Error::Denied`]; those of keys, store and sealed files.
    pub fn find_subject(&self, subject: &str) -> Result<Vec<Held>> {
        let mut found = Vec::new();
        for dataset in self.dataset_names()? {
            found.extend(self.through(&ask(Action::SubjectFind, &dataset, subject), |pass| pass.held(subject))?);
        }
        Ok(found)
    }

    /// Hands every record of a person to `each`, with the version it is of.
    ///
    /// # Errors
    /// As [`Project::find_subject`], and those of `each`.
    pub fn export_subject<E: From<Error>>(
        &self,
        subject: &str,
        mut each: impl FnMut(&str, &[u8]) -> Result<(), E>,
    ) -> Result<Vec<Held>, E> {
        let mut found = Vec::new();
        for dataset in self.dataset_names()? {
            let held = self.through(&ask(Action::SubjectExport, &dataset, subject), |pass| {
                let held = pass.held(subject)?;
                if let Some(held) = &held {
                    pass.records_of(held, &mut each)?;
                }
                Ok::<_, E>(held)
            })?;
            found.extend(held);
        }
        Ok(found)
    }

    /// Destroys the keys of a person's records, in every dataset. What stays is bytes that nobody opens.
    ///
    /// # Errors
    /// [`Error::Denied`]; those of the store: what was erased before stays so, and the work can be asked for again.
    /// [`Error::NotScrubbed`] if somebody was reading.
    pub fn erase_subject(&self, subject: &str) -> Result<Vec<Erased>> {
        let mut erased = Vec::new();
        for dataset in self.dataset_names()? {
            let ask = ask(Action::SubjectErase, &dataset, subject);
            let done = self.work(
                &ask,
                |pass| pass.held(subject),
                |tx, _, held| {
                    let Some(held) = held else { return Ok(None) };
                    tx.remove::<SubjectKeyRow>(&held.key.to_string())?;
                    for version in held.versions.keys() {
                        let row = tx.need::<VersionRow>(version)?;
                        tx.update(&VersionRow { state: VersionState::Holed, ..row })?;
                    }
                    tx.fact("subject", Fact::Text(held.pseudonym.clone()))?;
                    tx.fact("records", Fact::Number(held.versions.values().sum()))?;
                    Ok(Some(held))
                },
            )?;
            if let Some(held) = done.value {
                erased.push(Erased { held, entry: done.index, time: done.time.to_string() });
            }
        }
        // A reader may be in the way for a moment.
        for _ in 0..SCRUBS {
            if self.store.scrub()? {
                return Ok(erased);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Err(Error::NotScrubbed)
    }

    fn dataset_names(&self) -> Result<Vec<Name>> {
        let rows = self.view(|view| Ok(view.all::<DatasetRow>()?))?;
        rows.into_iter().map(|row| Ok(Name::new(row.id)?)).collect()
    }
}

/// How often it is tried to take a removed key out of the database's files.
const SCRUBS: usize = 100;

fn ask(action: Action, dataset: &Name, subject: &str) -> Ask {
    Ask::new(action, Resource::new(Kind::Dataset, dataset.clone())).with("subject", subject)
}

impl Pass<'_> {
    /// The keys of the dataset that was asked for. What a person asks of their own needs no purpose: the law is one, and the keys
    /// are the same for all.
    fn keys_of_subjects(&self) -> Result<DatasetKeys<'_>> {
        let dataset = self.resource().id().as_str();
        let absent = || Error::Unknown { kind: "dataset that the request opens", id: dataset.into() };
        if !matches!(self.action(), Action::SubjectFind | Action::SubjectExport | Action::SubjectErase) {
            return Err(absent());
        }
        let row = self.project().view(|view| Ok(view.get::<DatasetRow>(dataset)?))?.ok_or_else(absent)?;
        let purpose = row.purposes.iter().next().ok_or_else(absent)?;
        Ok(self.project().ring.dataset(&KeyContext { tenant: &row.tenant, dataset, purpose })?)
    }

    /// What the dataset holds of a person; nothing if it knows them not, or has forgotten them.
    fn held(&self, subject: &str) -> Result<Option<Held>> {
        let keys = self.keys_of_subjects()?;
        let name = pseudonym(&keys, b"subject\0", subject.as_bytes())?;
        let dataset = self.resource().id().to_string();
        let known = self.project().view(|view| Ok(view.list::<SubjectKeyRow>("pseudonym", &name)?))?;
        let Some(key) = known.into_iter().find(|row| row.dataset == dataset).map(|row| row.id) else { return Ok(None) };
        let (mut versions, mut runs) = (BTreeMap::new(), Vec::new());
        for (version, shard) in self.shards(&keys)? {
            let mut count = 0;
            for row in shard.rows() {
                count += u64::from(row?.subject() == key);
            }
            if count > 0 {
                let trained = self.project().view(|view| Ok(view.list::<RunRow>("version", &version)?))?;
                runs.extend(trained.into_iter().map(|run| run.id));
                versions.insert(version, count);
            }
        }
        Ok(Some(Held { dataset, pseudonym: name, versions, runs, key }))
    }

    fn records_of<E: From<Error>>(
        &self,
        held: &Held,
        each: &mut impl FnMut(&str, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let keys = self.keys_of_subjects()?;
        let row = self.project().view(|view| Ok(view.get::<SubjectKeyRow>(&held.key.to_string())?))?;
        let Some(row) = row else { return Ok(()) };
        let wrapped = WrappedKey::from_bytes(&row.wrapped).map_err(Error::from)?;
        let own = keys.subject_keys([(row.id, wrapped)].into());
        for (version, shard) in self.shards(&keys)? {
            self.check()?;
            for row in shard.rows() {
                let row = row.map_err(Error::from)?;
                if row.subject() == held.key {
                    each(&version, &shard.read_row(&row, &own).map_err(Error::from)?)?;
                }
            }
        }
        Ok(())
    }

    /// The records of every version of the dataset, sealed, by the ids of the versions.
    fn shards(&self, keys: &DatasetKeys<'_>) -> Result<Vec<(String, ShardReader<Arc<File>>)>> {
        let dataset = self.resource().id();
        let rows = self.project().view(|view| {
            let mut rows = Vec::new();
            for version in view.list::<VersionRow>("dataset", dataset.as_str())? {
                let objects = view.list::<ObjectRow>("version", &version.id)?;
                rows.extend(objects.into_iter().find(|object| object.kind == RECORDS).map(|object| (version, object)));
            }
            Ok(rows)
        })?;
        let mut shards = Vec::new();
        for (version, object) in rows {
            let shard = self.shard(keys, &version, &object)?;
            shards.push((version.id, shard));
        }
        Ok(shards)
    }
}
