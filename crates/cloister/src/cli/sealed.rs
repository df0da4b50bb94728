//! Datasets of a project as verbs name them, and the flags on what they are opened for.
//!
//! `dataset:NAME` is the last version of a dataset, `dataset:NAME@N` the one of that number.

use std::io::Cursor;
use std::path::Path;

use cloister_access::{Action, Id, Kind, Resource};
use cloister_text::{Dataset, Reading, Source};
use zeroize::Zeroizing;

use super::console::Console;
use super::hint::Usage;
use super::input;
use super::project::{Opening, id};
use super::words::counted;
use crate::project::{Ask, Opened, Pass};

/// What a name of a dataset begins with, where a file could stand too.
const SCHEME: &str = "dataset:";

/// What is sealed beside a version: the evidence of its own ingest; that of the version it was made from.
pub(super) const EVIDENCE: &str = "evidence";
pub(super) const ORIGIN: &str = "origin";

/// Flags of a verb that works on a dataset of the project.
#[derive(clap::Args)]
pub(super) struct DatasetArgs {
    #[command(flatten)]
    pub(super) opening: Opening,
    /// What the dataset is used for: one of the purposes that it was taken in for
    #[arg(long = "for", value_name = "PURPOSE", value_parser = id)]
    pub(super) purpose: Option<Id>,
    /// The grant that it is used by
    #[arg(long, value_name = "GRANT", value_parser = id)]
    pub(super) grant: Option<Id>,
}

/// A dataset of the project, and one of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) dataset: Id,
    pub(super) version: Option<u64>,
}

impl Named {
    /// The dataset that a path names, if it names one.
    pub(super) fn of(path: &Path) -> anyhow::Result<Option<Self>> {
        let Some(name) = path.to_str().and_then(|path| path.strip_prefix(SCHEME)) else { return Ok(None) };
        let (name, version) = match name.split_once('@') {
            Some((name, number)) => (name, Some(number.parse::<u64>())),
            None => (name, None),
        };
        match (name.parse::<Id>(), version.transpose()) {
            (Ok(dataset), Ok(version)) => Ok(Some(Self { dataset, version })),
            _ => {
                let hint =
                    "write dataset:NAME, or dataset:NAME@2 for one of its versions; a file of that name is ./dataset:…";
                Err(Usage::new("this is no name of a dataset", hint).into())
            }
        }
    }
}

impl DatasetArgs {
    /// The request for an action on a dataset.
    pub(super) fn ask(&self, action: Action, named: &Named) -> Ask {
        let ask = Ask::new(action, Resource::new(Kind::Dataset, named.dataset.clone()));
        let version = named.version.map_or_else(|| "last".into(), |number| number.to_string());
        ask.for_purpose(self.purpose.clone()).with_grant(self.grant.clone()).with("version", version)
    }
}

/// The records of a dataset that the door let through, as `reading` says; says what is odd about them.
pub(super) fn read(
    console: &Console,
    pass: &Pass<'_>,
    named: &Named,
    reading: &Reading,
) -> anyhow::Result<(Dataset, Opened)> {
    let mut lines = Zeroizing::new(Vec::new());
    let opened = pass.records(named.version, |line| {
        grow(&mut lines, line.len() + 1);
        lines.extend_from_slice(line);
        lines.push(b'\n');
        crate::interrupt::check().map_err(anyhow::Error::from)
    })?;
    let name = format!("dataset {}", opened.version.id);
    let source = Source::from_reader(Cursor::new(&lines[..]), "");
    let dataset = cloister_text::read_as(source, reading).map_err(|error| anyhow::Error::new(error).context(name))?;
    input::tell_of(console, &dataset);
    if opened.destroyed > 0 {
        let records = counted(opened.destroyed as usize, "record");
        console.warn(format_args!(
            "{records} of {} cannot be opened any more: their keys were destroyed",
            opened.version.id
        ));
    }
    Ok((dataset, opened))
}

/// Makes room for more without leaving a copy of the text behind in memory that is given back.
fn grow(lines: &mut Zeroizing<Vec<u8>>, more: usize) {
    if lines.capacity() - lines.len() < more {
        let mut larger = Zeroizing::new(Vec::with_capacity(2 * lines.capacity() + more));
        larger.extend_from_slice(lines);
        *lines = larger;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_dataset_is_named_with_or_without_its_version() {
        let named = |text: &str| Named::of(Path::new(text));
        assert_eq!(named("tickets.jsonl").unwrap(), None);
        assert_eq!(named("./dataset:x").unwrap(), None);
        let tickets = |version| Some(Named { dataset: "tickets".parse().unwrap(), version });
        assert_eq!(named("dataset:tickets").unwrap(), tickets(None));
        assert_eq!(named("dataset:tickets@12").unwrap(), tickets(Some(12)));
        for bad in ["dataset:", "dataset:a b", "dataset:tickets@", "dataset:tickets@-1", "dataset:tickets@x"] {
            assert!(named(bad).is_err(), "{bad}");
        }
    }
}
