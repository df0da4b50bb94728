//! Named datasets: what they were collected for, and keys for exactly that.
//!
//! Invariant: a dataset's row and its keys in the ring come together; keys open for its purposes only, and leave through a
//! [`Pass`](super::Pass) for one of them.

use std::collections::BTreeSet;

use cloister_access::{Action, Id, Kind, Resource, Sensitivity};
use cloister_vault::store::{DatasetRow, DatasetState, VersionRow, Words};

use super::directory::{LOG_KEY, MAIN};
use super::door::{Ask, Pass};
use super::secrets::RESERVED;
use super::versions::{NewVersion, Sealed};
use super::{Error, Project, Result};

impl Project {
    /// Makes a dataset of the person who is here, without a version yet.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Taken`]; those of keys and store.
    pub fn add_dataset(&self, id: &Id, sensitivity: Sensitivity, purposes: &BTreeSet<Id>) -> Result<()> {
        let names: Vec<&str> = purposes.iter().map(Id::as_str).collect();
        let owner = self.me.principal.id().to_string();
        let ask = Ask::new(Action::Ingest, Resource::new(Kind::Project, Id::new(MAIN)?));
        let ask = ask.with("dataset", id).with("sensitivity", sensitivity).with("purposes", names.join(" "));
        let tenant = self.manifest().tenant.clone();
        let mut keyed = false;
        let done = self.change(&ask, |tx, _| {
            let reserved = [RESERVED, LOG_KEY, "tenant"].contains(&id.as_str());
            if reserved || tx.get::<DatasetRow>(id.as_str())?.is_some() {
                return Err(Error::Taken { kind: "dataset", id: id.to_string() });
            }
            let created = tx.now();
            tx.insert(&DatasetRow {
                id: id.to_string(),
                tenant: tenant.clone(),
                name: id.to_string(),
                owner,
                sensitivity: sensitivity.name().into(),
                purposes: Words::new(names.iter().copied())?,
                state: DatasetState::Active,
                created,
            })?;
            self.ring.add_dataset(&tenant, id.as_str(), &names)?;
            keyed = true;
            self.keep_up(tx).map(drop)
        });
        if done.is_err() && keyed {
            // Keys without a dataset open nothing; they go, so that the name can be taken again.
            let _ = self.ring.destroy_dataset(&tenant, id.as_str());
        }
        done.map(drop)
    }

    /// A dataset's row, if there is one: its name and what it may be used for, nothing of its records.
    ///
    /// # Errors
    /// Those of the store.
    pub fn dataset(&self, id: &Id) -> Result<Option<DatasetRow>> {
        Ok(self.store.get::<DatasetRow>(id.as_str())?)
    }

    /// Takes the next version of a dataset in: `write` seals its records and says from which versions it was made.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Unknown`]; [`Error::Taken`] if another version came in meanwhile; those of `write`, of keys, of
    /// files and of the store. Then there is no such version, and nothing of it stays.
    pub fn take_in<E: From<Error>>(
        &self,
        dataset: &Id,
        write: impl FnOnce(&mut NewVersion<'_>) -> Result<Vec<String>, E>,
    ) -> Result<VersionRow, E> {
        let main = Id::new(MAIN).map_err(Error::from)?;
        let ask = Ask::new(Action::Ingest, Resource::new(Kind::Project, main)).with("dataset", dataset);
        let sealed = |pass: &Pass<'_>| {
            let mut new = pass.new_version(dataset)?;
            let parents = write(&mut new)?;
            Ok::<Sealed, E>(new.finish(&parents)?)
        };
        let (version, sealed) = self.work(&ask, sealed, |tx, _, sealed| sealed.insert(tx))?.value;
        sealed.keep();
        Ok(version)
    }
}
