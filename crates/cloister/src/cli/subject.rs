//! `cloister subject`: what people ask about their own data in a project: where it is, a copy, its end.

use std::io::Write as _;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::Exit;
use super::console::{Console, Ink};
use super::hint::Usage;
use super::project::Opening;
use super::words::counted;
use crate::files::{Keep, WholeFile};
use crate::project::{Erased, Held};

/// Arguments of `subject`.
#[derive(clap::Args)]
#[command(
    after_help = "A person is named as the records name them, in their field `subject`; `-` reads the name from stdin, so that it \
                        stands in no history of a shell. The log knows a pseudonym. Exit 3 if nothing is known of them."
)]
pub(super) struct Args {
    #[command(flatten)]
    opening: Opening,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Show where a person's records are, and what was trained on them (GDPR, article 15)
    Find(Who),
    /// Write a person's records to a file, as JSON lines (GDPR, articles 15 and 20)
    Export(Export),
    /// Destroy the keys of a person's records, in every dataset (GDPR, article 17)
    #[command(
        after_help = "Nobody opens the records any more, in no version and no copy of the project from now on. An older copy of \
                            .cloister still has the keys: destroy those copies too. What a model has learnt is bounded by the privacy \
                            budget, and stays."
    )]
    Erase(Who),
}

#[derive(clap::Args)]
struct Who {
    /// The person, as the records name them; `-` is stdin
    #[arg(value_name = "SUBJECT")]
    subject: String,
}

#[derive(clap::Args)]
struct Export {
    #[command(flatten)]
    who: Who,
    /// The file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let Self { opening, verb } = self;
        match verb {
            Verb::Find(who) => find(console, &opening, who),
            Verb::Export(export) => export.run(console, &opening),
            Verb::Erase(who) => erase(console, &opening, who),
        }
    }
}

impl Who {
    /// The name; never empty.
    fn name(self) -> anyhow::Result<String> {
        let name = match self.subject.as_str() {
            "-" => std::io::read_to_string(std::io::stdin().lock()).map_err(crate::Error::read("stdin"))?,
            _ => self.subject,
        };
        let name = name.trim_end_matches(['\r', '\n']);
        if name.is_empty() || name.contains('\n') {
            return Err(Usage::new("a person has one name, on one line", "write it as the records have it").into());
        }
        Ok(name.to_owned())
    }
}

fn find(console: &Console, opening: &Opening, who: Who) -> anyhow::Result<Exit> {
    let name = who.name()?;
    let found = opening.with(console, |project| Ok(project.find_subject(&name)?))?;
    found.iter().for_each(|held| tell(console, held));
    conclude(console, &found, Map::new())
}

impl Export {
    fn run(self, console: &Console, opening: &Opening) -> anyhow::Result<Exit> {
        let Self { who, out } = self;
        let name = who.name()?;
        let mut file = WholeFile::create(&out, Keep::Private)?;
        let mut count = 0;
        let found = opening.with(console, |project| {
            project.export_subject(&name, |version, line| {
                // A record is a line of JSON: it stands in its own document beside the version that holds it.
                let head = json!({ "version": version }).to_string();
                let line = [&head.as_bytes()[..head.len() - 1], b",\"record\":", line, b"}\n"].concat();
                file.write_all(&line).map_err(crate::Error::write(&out))?;
                count += 1;
                Ok::<_, anyhow::Error>(())
            })
        })?;
        if found.is_empty() {
            return conclude(console, &found, Map::new());
        }
        file.commit()?;
        console.say(format_args!("wrote {} to {}: it is text, in the clear", counted(count, "record"), out.display()));
        let fields = Map::from_iter([("out".into(), json!(out)), ("records".into(), json!(count))]);
        conclude(console, &found, fields)
    }
}

fn erase(console: &Console, opening: &Opening, who: Who) -> anyhow::Result<Exit> {
    let name = who.name()?;
    let erased = opening.with(console, |project| Ok(project.erase_subject(&name)?))?;
    for Erased { held, entry, time } in &erased {
        let records = counted(held.versions.values().sum::<u64>() as usize, "record");
        console.say(format_args!(
            "{} {records} of dataset {}: their key was destroyed at {time}, entry {entry} of the log",
            console.ink(Ink::Green, "erased"),
            held.dataset
        ));
        tell_runs(console, held);
    }
    if let Some(Erased { entry, .. }) = erased.first() {
        console.say(format_args!("a receipt for them: cloister log prove {entry} --out erasure.tlog-proof"));
        console.say("older copies of the project still have the keys: destroy them too");
    }
    let receipt =
        |Erased { held, entry, time }: &Erased| json!({"dataset": held.dataset, "entry": entry, "time": time});
    let fields = Map::from_iter([("erased".into(), erased.iter().map(receipt).collect())]);
    let found: Vec<Held> = erased.into_iter().map(|erased| erased.held).collect();
    conclude(console, &found, fields)
}

fn tell(console: &Console, held: &Held) {
    for (version, records) in &held.versions {
        console.say(format_args!("{} in dataset {version}", counted(*records as usize, "record")));
    }
    tell_runs(console, held);
}

fn tell_runs(console: &Console, held: &Held) {
    if !held.runs.is_empty() {
        console.say(format_args!(
            "trained on them: {}; the budget of the dataset bounds what a model can tell",
            held.runs.join(", ")
        ));
    }
}

/// The document, and the exit code.
fn conclude(console: &Console, found: &[Held], more: Map<String, Value>) -> anyhow::Result<Exit> {
    let (verdict, exit) = if found.is_empty() { ("unknown", Exit::Refused) } else { ("passed", Exit::Passed) };
    if found.is_empty() {
        console.say("no dataset of the project knows a person of this name, or each has forgotten them");
    }
    let held = |Held { dataset, pseudonym, versions, runs, .. }: &Held| json!({"dataset": dataset, "pseudonym": pseudonym, "versions": versions, "runs": runs});
    let mut fields = Map::from_iter([("held".into(), found.iter().map(held).collect())]);
    fields.extend(more);
    console.document(verdict, fields)?;
    Ok(exit)
}
