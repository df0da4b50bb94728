//! The log of a project: shown, proved, verified, exported, anchored.
//!
//! Invariant: what is shown was proved against the signed root first. What is exported is all that anyone needs to verify the log
//! without the project: the folder, and the key.

use std::fs;
use std::path::Path;

use cloister_access::{Action, Id, Kind, Resource};
use cloister_vault::log::{Against, Entry, LogReader, Report, SignedCheckpoint, TlogProof, VerifierKey, verify};

use super::directory::MAIN;
use super::door::Ask;
use super::places::write;
use super::{Error, Project, Result};
use crate::files::{Keep, sync_folder};

/// What an exported log has beside its folder.
const KEY_FILE: &str = "log.vkey";

/// An entry, proved to be in the log, and its bytes there.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The entry.
    pub entry: Entry,
    /// Its bytes: JSON in printable ASCII.
    pub bytes: Vec<u8>,
}

/// The key of a text, or in a file of it.
///
/// # Errors
/// [`Error::Vault`] if it is none.
pub fn verifier_key(text: &str) -> Result<VerifierKey> {
    Ok(VerifierKey::parse(text.trim())?)
}

impl Project {
    /// Entries from a place on.
    ///
    /// # Errors
    /// [`Error::Denied`]; those of the store; [`Error::Vault`] where the log is not what was signed.
    pub fn log_entries(&self, from: u64, most: usize) -> Result<Vec<Shown>> {
        self.through(&on_log(Action::LogRead)?, |_| {
            let log = self.reader()?;
            let size = log.checkpoint().size;
            let mut shown = Vec::new();
            for index in (from..size).take(most) {
                let bytes = log.entry(index)?;
                shown.push(Shown { entry: Entry::parse(&bytes)?, bytes });
            }
            Ok(shown)
        })
    }

    /// How many entries there are, before this question.
    ///
    /// # Errors
    /// Those of the store.
    pub fn log_size(&self) -> Result<u64> {
        Ok(self.store.checkpoint()?.map_or(0, |checkpoint| checkpoint.unverified().size))
    }

    /// The proof that an entry is in the log, with the entry's bytes as its extra data.
    ///
    /// # Errors
    /// [`Error::Denied`]; [`Error::Vault`] for a place that is not there; those of the store.
    pub fn prove(&self, index: u64) -> Result<TlogProof> {
        let ask = on_log(Action::LogProve)?.with("index", index);
        self.through(&ask, |_| {
            let log = self.reader()?;
            let entry = log.entry(index)?;
            Ok(log.prove(index)?.with_extra(&entry)?)
        })
    }

    /// Looks at every byte of the log's files.
    ///
    /// # Errors
    /// [`Error::Denied`], those of the store. What is wrong with the log is in the report.
    pub fn verify_log(&self, old: Option<&SignedCheckpoint>) -> Result<Report> {
        self.through(&on_log(Action::LogVerify)?, |_| {
            self.store.flush()?;
            Ok(verify(&self.places.log(), &self.log_key()?, &Against { old, policy: None, entries: true }))
        })
    }

    /// Copies the log, with its key, to where there is nothing yet.
    ///
    /// # Errors
    /// [`Error::Denied`]; [`Error::File`] for what is there already; those of the store.
    pub fn export_log(&self, target: &Path) -> Result<u64> {
        if target.symlink_metadata().is_ok() {
            return Err(crate::Error::Exists { path: target.into() }.into());
        }
        self.through(&on_log(Action::LogRead)?.with("export", target.display()), |_| {
            let size = self.reader()?.checkpoint().size;
            let folder = target.join("log");
            copy(&self.places.log(), &folder)?;
            // What goes out is looked at before anybody relies on it.
            let report = verify(&folder, &self.log_key()?, &Against { entries: true, ..Against::default() });
            if !report.is_intact() {
                return Err(Error::Broken { path: self.places.log(), reason: "is damaged: verify it" });
            }
            write(&target.join(KEY_FILE), format!("{}\n", self.manifest().log_key).as_bytes(), Keep::SharedNew)?;
            Ok(size)
        })
    }

    /// Writes the last checkpoint to a file, to be kept where whoever has the project cannot write.
    ///
    /// # Errors
    /// [`Error::Denied`]; [`Error::File`]; those of the store.
    pub fn anchor(&self, target: &Path) -> Result<SignedCheckpoint> {
        let ask = on_log(Action::LogAnchor)?.with("target", target.display());
        self.through(&ask, |_| {
            let signed = self.reader()?.signed().clone();
            write(target, signed.to_string().as_bytes(), Keep::SharedNew)?;
            Ok(signed)
        })
    }

    /// The log as its files have it, with all that was committed.
    fn reader(&self) -> Result<LogReader> {
        self.store.flush()?;
        Ok(LogReader::open(&self.places.log(), &self.log_key()?)?)
    }
}

fn on_log(action: Action) -> Result<Ask> {
    Ok(Ask::new(action, Resource::new(Kind::Log, Id::new(MAIN)?)))
}

/// Copies a folder of files; what a writer has not finished stays behind.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(crate::Error::write(to))?;
    for entry in fs::read_dir(from).map_err(crate::Error::read(from))? {
        let entry = entry.map_err(crate::Error::read(from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        match path.is_dir() {
            true => copy(&path, &target)?,
            false => drop(fs::copy(&path, &target).map_err(crate::Error::write(&target))?),
        }
    }
    sync_folder(to).map_err(crate::Error::write(to))?;
    Ok(())
}
