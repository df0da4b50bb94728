//! `cloister log`: the log of a project, shown, proved, verified, exported and anchored; verified offline too, without the project.

use std::path::{Path, PathBuf};

use cloister_vault::log::entry::{Effect, Fact, Outcome, Phase};
use cloister_vault::log::{Against, Entry, Policy, Report, SignedCheckpoint, verify};
use serde_json::{Map, Value, json};

use super::Exit;
use super::console::{Console, Ink};
use super::hint::Usage;
use super::project::Opening;
use crate::files::{Keep, WholeFile, human_bytes};
use crate::plain::plain;
use crate::project::{Closed, Shown, verifier_key};

/// Entries that are shown unless told.
const SHOWN: usize = 50;

/// Arguments of `log`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    opening: Opening,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Show entries: who did what to which thing, when, what for, and how it ended
    Show(ShowArgs),
    /// Prove that an entry is in the log, for anyone to check (C2SP tlog-proof)
    Prove(ProveArgs),
    /// Verify every byte of a log; with DIR and --key it needs neither project nor secret nor network
    #[command(
        after_help = "Exit 4 if anything is wrong. An exported log has its key beside it, in log.vkey: compare it with the one \
                            that you were given when the project was made."
    )]
    Verify(VerifyArgs),
    /// Hold database, key ring and log against each other, and list acts without an end
    Fsck,
    /// Copy the log, with the key that verifies it, into a new folder
    Export {
        /// The folder
        #[arg(value_name = "DIR")]
        target: PathBuf,
    },
    /// Write the last checkpoint to a file, to be kept where nobody of the project writes
    Anchor {
        /// The file
        #[arg(value_name = "FILE")]
        target: PathBuf,
    },
}

#[derive(clap::Args)]
struct ShowArgs {
    /// The first entry to show [default: so that the last ones are shown]
    #[arg(long, value_name = "INDEX")]
    from: Option<u64>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = SHOWN, hide_default_value = true)]
    most: usize,
}

#[derive(clap::Args)]
struct ProveArgs {
    /// The entry, from 0
    #[arg(value_name = "INDEX")]
    index: u64,
    /// Write the proof to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(clap::Args)]
struct VerifyArgs {
    /// Folder of a log; without it, that of the project
    #[arg(value_name = "DIR", requires = "key")]
    folder: Option<PathBuf>,
    /// The key that verifies it, or a file of it
    #[arg(long, value_name = "VKEY", requires = "folder")]
    key: Option<String>,
    /// A checkpoint that was seen before, which the log must continue
    #[arg(long, value_name = "FILE")]
    old: Option<PathBuf>,
    /// Witnesses that must have signed the checkpoint (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", requires = "folder")]
    policy: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let Self { opening, verb } = self;
        match verb {
            Verb::Show(args) => args.run(console, &opening),
            Verb::Prove(args) => args.run(console, &opening),
            Verb::Verify(args) => args.run(console, &opening),
            Verb::Fsck => fsck(console, &opening),
            Verb::Export { target } => {
                let size = opening.with(console, |project| Ok(project.export_log(&target)?))?;
                console.say(format_args!("exported {size} entries into {}", target.display()));
                let (log, key) = (target.join("log"), target.join("log.vkey"));
                console.say(format_args!(
                    "anyone verifies it: cloister log verify {} --key {}",
                    log.display(),
                    key.display()
                ));
                console.document("passed", fields("export", [("size", size.into())]))?;
                Ok(Exit::Passed)
            }
            Verb::Anchor { target } => {
                let signed = opening.with(console, |project| Ok(project.anchor(&target)?))?;
                let size = signed.unverified().size;
                console.say(format_args!("wrote the checkpoint over {size} entries to {}", target.display()));
                console.say("keep it where nobody of the project writes: it shows an older or another log");
                let root = signed.unverified().root.to_string();
                console.document("passed", fields("anchor", [("size", size.into()), ("root", root.into())]))?;
                Ok(Exit::Passed)
            }
        }
    }
}

fn fields<const N: usize>(what: &str, more: [(&str, Value); N]) -> Map<String, Value> {
    let mut fields = Map::from_iter([("did".into(), json!(what))]);
    fields.extend(more.map(|(name, value)| (name.to_owned(), value)));
    fields
}

impl ShowArgs {
    fn run(self, console: &Console, opening: &Opening) -> anyhow::Result<Exit> {
        let shown = opening.with(console, |project| {
            let behind = project.log_size()?.saturating_sub(self.most as u64);
            Ok(project.log_entries(self.from.unwrap_or(behind), self.most)?)
        })?;
        if console.json() {
            let entries: Vec<Value> =
                shown.iter().map(|Shown { bytes, .. }| serde_json::from_slice(bytes)).collect::<Result<_, _>>()?;
            console.document("passed", fields("show", [("entries", json!(entries))]))?;
            return Ok(Exit::Passed);
        }
        let lines: String = shown.iter().map(|Shown { entry, .. }| line(console, entry)).collect();
        console.bytes(lines.as_bytes())?;
        Ok(Exit::Passed)
    }
}

/// An entry in one line.
fn line(console: &Console, entry: &Entry) -> String {
    let ended = match (entry.phase, entry.result) {
        (Phase::Intent, _) | (_, None) => console.paint(Ink::Dim, "intent"),
        (_, Some(Outcome::Ok)) => console.paint(Ink::Green, "ok    "),
        (_, Some(Outcome::Denied)) => console.paint(Ink::Red, "denied"),
        (_, Some(Outcome::Failed)) => console.paint(Ink::Yellow, "failed"),
    };
    let mut text = format!("{:>5}  {}  {ended}  {} {}", entry.seq, entry.t, plain(&entry.actor.id), plain(&entry.act));
    if let Some(thing) = &entry.res {
        text.push_str(&format!(" {}:{}", plain(&thing.kind), plain(&thing.id)));
    }
    if let Some(purpose) = &entry.purpose {
        text.push_str(&format!(" for {}", plain(purpose)));
    }
    if let Some(decision) = entry.decision.as_ref().filter(|decision| !decision.policies.is_empty()) {
        let by = if decision.effect == Effect::Allow { "by" } else { "because of" };
        text.push_str(&format!(" {by} {}", plain(&decision.policies.join(", "))));
    }
    let fact = |name: &str| match entry.facts.get(name) {
        Some(Fact::Text(text)) => Some(plain(text)),
        Some(Fact::Number(number)) => Some(number.to_string()),
        None => None,
    };
    if let (Some(kind), Some(steps)) = (fact("budget.kind"), fact("budget.steps")) {
        let run = fact("run").map_or(String::new(), |run| format!("run {run}, "));
        text.push_str(&format!(": {run}{kind} {steps} of the budget"));
    }
    text.push('\n');
    text
}

impl ProveArgs {
    fn run(self, console: &Console, opening: &Opening) -> anyhow::Result<Exit> {
        let proof = opening.with(console, |project| Ok(project.prove(self.index)?))?;
        let text = proof.to_string();
        let size = proof.checkpoint().unverified().size;
        if let Some(path) = &self.out {
            let mut file = WholeFile::create(path, Keep::SharedNew)?;
            std::io::Write::write_all(&mut file, text.as_bytes()).map_err(crate::Error::write(path))?;
            file.commit()?;
            console.say(format_args!(
                "wrote the proof of entry {} in a log of {size} to {}",
                self.index,
                path.display()
            ));
        }
        if console.json() {
            let proof = [("index", self.index.into()), ("size", size.into()), ("proof", text.into())];
            console.document("passed", fields("prove", proof))?;
        } else if self.out.is_none() {
            console.bytes(text.as_bytes())?;
        }
        Ok(Exit::Passed)
    }
}

impl VerifyArgs {
    fn run(self, console: &Console, opening: &Opening) -> anyhow::Result<Exit> {
        let Self { folder, key, old, policy } = self;
        let old = old.map(|path| checkpoint(&path)).transpose()?;
        let (Some(folder), Some(key)) = (folder, key) else {
            let report = opening.with(console, |project| Ok(project.verify_log(old.as_ref())?))?;
            return tell(console, "verify", &report);
        };
        let key = match Path::new(&key).is_file() {
            true => super::project::text_of(Path::new(&key))?,
            false => key,
        };
        let no_key = |_| {
            let hint = "it reads NAME+ID+KEY, as `cloister init` printed it and as log.vkey holds it";
            Usage::new("--key is no key that verifies a log", hint)
        };
        let key = verifier_key(&key).map_err(no_key)?;
        let policy = policy.map(|path| {
            let text = super::project::text_of(&path)?;
            let hint = "see C2SP tlog-policy for what a line holds";
            Policy::parse(text.as_bytes()).map_err(|error| anyhow::Error::from(Usage::new(error.to_string(), hint)))
        });
        let policy = policy.transpose()?;
        if !folder.is_dir() {
            return Err(Usage::new(format!("no such folder: {}", folder.display()), "name the folder of a log").into());
        }
        let against = Against { old: old.as_ref(), policy: policy.as_ref(), entries: true };
        tell(console, "verify", &verify(&folder, &key, &against))
    }
}

fn checkpoint(path: &Path) -> anyhow::Result<SignedCheckpoint> {
    let text = super::project::text_of(path)?;
    let none = |_| {
        let hint = "it is what `cloister log anchor FILE` writes";
        Usage::new(format!("`{}` is no checkpoint", path.display()), hint)
    };
    Ok(SignedCheckpoint::parse(text.as_bytes()).map_err(none)?)
}

/// What was found in a log.
fn tell(console: &Console, what: &str, report: &Report) -> anyhow::Result<Exit> {
    let intact = report.is_intact();
    for finding in &report.findings {
        console.say(format_args!("{} {}", console.ink(Ink::Red, "broken"), plain(&finding.to_string())));
    }
    for path in &report.unsigned {
        console.say(format_args!("unsigned: {}", plain(&path.display().to_string())));
    }
    for name in &report.strangers {
        console.say(format_args!("a signature of a key that is not known: {}", plain(name)));
    }
    let size = report.checkpoint.as_ref().map(|checkpoint| checkpoint.size);
    if let (true, Some(checkpoint)) = (intact, &report.checkpoint) {
        let (ok, entries) = (console.ink(Ink::Green, "✓"), checkpoint.size);
        console.say(format_args!(
            "{ok} {entries} entries, {} read, root {}",
            human_bytes(report.bytes),
            checkpoint.root
        ));
    }
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| json!({ "path": finding.path.display().to_string(), "problem": finding.problem }))
        .collect();
    let root = report.checkpoint.as_ref().map(|checkpoint| checkpoint.root.to_string());
    let unsigned: Vec<String> = report.unsigned.iter().map(|path| path.display().to_string()).collect();
    let more =
        [("size", json!(size)), ("root", json!(root)), ("findings", json!(findings)), ("unsigned", json!(unsigned))];
    console.document(if intact { "passed" } else { "broken" }, fields(what, more))?;
    if intact {
        return Ok(Exit::Passed);
    }
    if report.findings.is_empty() {
        console.say("the log has no checkpoint that its key has signed");
    }
    Ok(Exit::Broken)
}

fn fsck(console: &Console, opening: &Opening) -> anyhow::Result<Exit> {
    // Opening holds database, key ring and log against each other, here from the first entry on; what is left are the files.
    let (report, unmatched) = opening.prepared(console, Closed::thorough, |project| {
        let report = project.verify_log(None)?;
        Ok((report, project.opening().unmatched.clone()))
    })?;
    for act in &unmatched {
        let (act_name, actor) = (plain(&act.act), plain(&act.actor));
        console.say(format_args!(
            "entry {}, {}: {actor} {act_name} was announced, and nobody told its end",
            act.index, act.time
        ));
    }
    tell(console, "fsck", &report)
}
