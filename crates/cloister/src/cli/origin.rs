//! The dataset that `run` and `train` are given, checked against the bytes that they read.
//!
//! Invariants: nothing of a dataset is passed on before the root over the bytes that are trained on is the one of its
//! evidence; a dataset whose retention is over, or that its own gates refused, is not trained on.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cloister_vault::store::VersionRow;

use super::console::Console;
use super::hint::Usage;
use super::ingest::{EVIDENCE, KEY, RECORDS};
use super::sealed;
use crate::evidence::dataset::{DATASET_SCHEMA, DatasetFacts, FieldFacts};
use crate::evidence::{DatasetOf, not_recorded};
use crate::ingest::{Date, Error, RootOfLines};
use crate::keys;
use crate::project::Pass;

/// Flags of `run` and `train` on the dataset.
#[derive(clap::Args)]
pub(super) struct OriginArgs {
    /// Folder of the dataset that the records are, as `ingest` wrote it; without it, that of a records.jsonl beside its dataset.json
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// File with the key of the dataset's commitments; without it, DIR/private/commitment.key
    #[arg(long, value_name = "FILE")]
    dataset_key: Option<PathBuf>,
}

/// A dataset whose root is being computed from what is read. Holds a line of it: no `Debug`.
pub(super) struct Origin {
    facts: DatasetFacts,
    root: RootOfLines,
    records: PathBuf,
}

/// What is known of where the records come from.
pub(super) struct Provenance {
    pub(super) fields: Vec<FieldFacts>,
    pub(super) dataset: Option<DatasetOf>,
}

impl OriginArgs {
    /// Whether a flag names a dataset.
    pub(super) fn is_given(&self) -> bool {
        self.dataset.is_some() || self.dataset_key.is_some()
    }

    /// The dataset that `data` is said to be, or lies in; `None` if there is none.
    pub(super) fn open(&self, console: &Console, data: &Path) -> anyhow::Result<Option<Origin>> {
        let beside = || {
            let folder = data.parent().filter(|folder| folder.join(EVIDENCE).is_file())?;
            (data.file_name()? == RECORDS).then(|| folder.to_owned())
        };
        let Some(folder) = self.dataset.clone().or_else(beside) else { return Ok(None) };
        let path = folder.join(EVIDENCE);
        let evidence = fs::read(&path).map_err(crate::Error::read(&path))?;
        let facts =
            serde_json::from_slice::<DatasetFacts>(&evidence).ok().filter(|facts| facts.schema == DATASET_SCHEMA);
        let Some(facts) = facts else {
            let message = format!("`{}` is not the evidence of a dataset", path.display());
            return Err(Usage::new(message, "name the folder that `cloister ingest --out` wrote").into());
        };
        let key = self.dataset_key.clone().unwrap_or_else(|| folder.join(KEY));
        if self.dataset.is_none() && self.dataset_key.is_none() && !key.exists() {
            console.warn(format_args!(
                "`{}` lies beside the records, and its key does not: what it declares is not taken over; name the key with \
                 --dataset-key",
                path.display()
            ));
            return Ok(None);
        }
        may_be_used(&facts, &format!("`{}`", folder.display()), Date::of(SystemTime::now()))?;
        let key = keys::read(&key)?;
        let root = RootOfLines::under(&key);
        Ok(Some(Origin { facts, root, records: data.to_owned() }))
    }
}

/// Refuses a dataset whose time is over, or that its gates refused.
fn may_be_used(facts: &DatasetFacts, name: &str, today: Date) -> anyhow::Result<()> {
    let until: Option<Date> = match &facts.keep_until {
        Some(until) => match until.parse() {
            Ok(until) => Some(until),
            Err(_) => {
                let message = format!("the retention of the dataset {name} cannot be read");
                return Err(Usage::new(message, "take the records in again with `cloister ingest`").into());
            }
        },
        None => None,
    };
    if let Some(until) = until.filter(|until| *until < today) {
        let message = format!("the records of {name} might be kept until {until} only");
        let hint = "delete them, or ask the data protection officer on what ground they may be kept longer, and take them in again";
        return Err(Usage::new(message, hint).into());
    }
    if !facts.passed {
        let refused: Vec<&str> =
            facts.gates.iter().filter(|gate| !gate.passed).map(|gate| gate.name.as_str()).collect();
        let message = format!("the dataset {name} was refused: {}", refused.join(", "));
        return Err(Usage::new(message, "its quality.html says what to do; then take the records in again").into());
    }
    Ok(())
}

/// What is declared of a version of a dataset of the project, by its own evidence or by that of what it was made from.
pub(super) fn of_version(console: &Console, pass: &Pass<'_>, version: &VersionRow) -> anyhow::Result<Provenance> {
    let own = pass.attached(version, sealed::EVIDENCE)?;
    let (evidence, own) = match own {
        Some(evidence) => (Some(evidence), true),
        None => (pass.attached(version, sealed::ORIGIN)?, false),
    };
    let Some(evidence) = evidence else { return Ok(Provenance::unknown()) };
    let facts = serde_json::from_slice::<DatasetFacts>(&evidence).ok().filter(|facts| facts.schema == DATASET_SCHEMA);
    let Some(facts) = facts else {
        let message = format!("what is sealed beside dataset {} is not the evidence of a dataset", version.id);
        return Err(Usage::new(message, "take the records in again with this version of cloister").into());
    };
    may_be_used(&facts, &version.id, Date::of(SystemTime::now()))?;
    for warning in &facts.warnings {
        console.warn(format_args!("{}; {}", warning.text, warning.remedy));
    }
    let provenance = Provenance::of(facts);
    // The content of what it was made from is not its own.
    Ok(Provenance { dataset: provenance.dataset.filter(|_| own), ..provenance })
}

impl Origin {
    /// Takes the next bytes of the records.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.root.update(bytes);
    }

    /// What the dataset declares, if the bytes were its records.
    pub(super) fn finish(self, console: &Console) -> anyhow::Result<Provenance> {
        let Self { facts, root, records } = self;
        if root.finish().is_none_or(|root| root != facts.content.root) {
            return Err(Error::OtherRoot { path: records }.into());
        }
        console.say(format_args!("dataset {}: {EVIDENCE} is about these records", facts.name));
        for warning in &facts.warnings {
            console.warn(format_args!("{}; {}", warning.text, warning.remedy));
        }
        Ok(Provenance::of(facts))
    }
}

impl Provenance {
    fn of(facts: DatasetFacts) -> Self {
        Self {
            fields: facts.provenance,
            dataset: Some(DatasetOf {
                name: facts.name,
                created: facts.created,
                content: facts.content,
                kept_from: facts.kept_from,
                keep_until: facts.keep_until,
                warnings: facts.warnings,
            }),
        }
    }

    /// Of records that are of no dataset.
    pub(super) fn unknown() -> Self {
        Self { fields: not_recorded(), dataset: None }
    }
}
