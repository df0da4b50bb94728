//! `cloister ingest --into`: the records into a dataset of the project, sealed as they are read.
//!
//! Nothing of them is written in the clear. The evidence and the decisions are sealed beside them.

use cloister_access::{Id, Sensitivity};
use cloister_text::Record;
use cloister_vault::store::DatasetRow;

use super::super::Exit;
use super::super::console::Console;
use super::super::hint::Usage;
use super::super::sealed::EVIDENCE;
use super::{Args, Place};
use crate::ingest::{Declared, Error, Outputs, Records};
use crate::project::{NewVersion, Preset, Project};

/// Seals every record that was not rejected.
struct Sealing<'v, 'p>(&'v mut NewVersion<'p>);

impl Records for Sealing<'_, '_> {
    fn put(&mut self, record: &Record, line: &[u8]) -> Result<(), Error> {
        let sealed = self.0.append(record.subject.as_deref(), line);
        sealed.map_err(|error| Error::NotKept { source: Box::new(error) })
    }
}

impl Args {
    pub(super) fn seal(&self, console: &Console, dataset: &Id) -> anyhow::Result<Exit> {
        self.opening.with(console, |project| {
            let mut work = self.prepare(console, self.usual(project, dataset)?)?;
            self.make_if_new(project, dataset)?;
            let mut done = None;
            let version = project.take_in(dataset, |new| {
                let key = new.commitment_key();
                let mut decisions = Vec::new();
                let outputs = Outputs { records: &mut Sealing(new), decisions: &mut decisions, quarantine: None };
                let ingested = work.run(console, &key, outputs)?;
                let detection = work.detection.clone();
                let facts = self.facts(&ingested, &work.provenance, (&work.options, detection), work.now)?;
                new.attach(EVIDENCE, &serde_json::to_vec(&facts)?)?;
                new.attach("decisions", &decisions)?;
                done = Some((facts, ingested));
                Ok::<_, anyhow::Error>(Vec::new())
            })?;
            let Some((facts, ingested)) = done else { return Ok(Exit::Failed) };
            self.finish(console, Place::Vault(&version.id), &facts, &ingested)
        })
    }

    /// What the preset of the project asks for and says, and the purposes of the dataset.
    fn usual(&self, project: &Project, dataset: &Id) -> anyhow::Result<Declared> {
        let Preset { require, retention, .. } = Preset::named(&project.manifest().preset)?;
        let require = require.iter().map(|field| field.parse()).collect::<Result<_, _>>()?;
        let purposes = match project.dataset(dataset)? {
            Some(row) => row.purposes.iter().map(str::to_owned).collect(),
            None => self.purposes.iter().map(Id::to_string).collect::<Vec<_>>(),
        };
        let purpose = (!purposes.is_empty()).then(|| purposes.join(", "));
        Ok(Declared { require, retention, purpose, ..Declared::default() })
    }

    /// Makes the dataset where there is none.
    fn make_if_new(&self, project: &Project, dataset: &Id) -> anyhow::Result<()> {
        let purposes = self.purposes.iter().cloned().collect();
        match project.dataset(dataset)? {
            Some(row) => self.is_that(&row),
            None if self.purposes.is_empty() => {
                let hint = "name what the people were told, such as --purposes support,quality";
                Err(Usage::new(format!("dataset {dataset} is new, and nothing says what it may be used for"), hint)
                    .into())
            }
            None => Ok(project.add_dataset(dataset, self.sensitivity.unwrap_or(Sensitivity::Personal), &purposes)?),
        }
    }

    /// Refuses flags that say something else of a dataset that is there.
    fn is_that(&self, row: &DatasetRow) -> anyhow::Result<()> {
        let other_purpose = self.purposes.iter().find(|purpose| !row.purposes.contains(purpose.as_str()));
        let other_level = self.sensitivity.is_some_and(|sensitivity| sensitivity.name() != row.sensitivity);
        if other_level || other_purpose.is_some() {
            let message = format!("dataset {} has other purposes, or another sensitivity", row.id);
            return Err(Usage::new(
                message,
                "leave --purposes and --sensitivity out, or take it in under another name",
            )
            .into());
        }
        Ok(())
    }
}
