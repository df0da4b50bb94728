//! `cloister ingest`: records checked, declared and committed to, into a folder with the evidence beside them.
//!
//! The folder always holds the records that were not rejected. If any was, or a required declaration is missing, the exit
//! code is 3: a pipeline that heeds exit codes does not go on. Where the work fails, nothing of it remains.

mod facts;
mod flags;
mod folder;
mod gates;
mod vault;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cloister_access::{Id, Sensitivity};
use cloister_text::quality::{QualityOptions, WordList};
use cloister_text::{Columns, Detector, Finding};
use serde_json::{Map, Value, json};

use super::config::{self, ColumnMap, Settings};
use super::console::{Console, Ink};
use super::detection::DetectionArgs;
use super::hint::Usage;
use super::project::Opening;
use super::words::counted;
use super::{Exit, input};
use crate::evidence::DetectionFacts;
use crate::evidence::dataset::DatasetFacts;
use crate::files::hex;
use crate::ingest::{
    Date, Declared, Ingested, Input, Membership, Outputs, Provenance, Request, RiskRequest, Tree, ingest,
};
use crate::progress::Unit;
use crate::{interrupt, keys};
use flags::{Declarations, RiskArgs};
use folder::Files;

const ALGORITHM: &str = "RFC 6962 (SHA-256) over HMAC-SHA256 of each record of records.jsonl";
/// Files of a dataset's folder that other verbs read.
pub(super) const RECORDS: &str = "records.jsonl";
pub(super) const EVIDENCE: &str = "dataset.json";
pub(super) const KEY: &str = "private/commitment.key";
const DECISIONS: &str = "decisions.jsonl";
const PAGE: &str = "quality.html";
const OUTPUTS: [&str; 5] = [RECORDS, DECISIONS, EVIDENCE, PAGE, KEY];

/// Arguments of `ingest`.
#[derive(clap::Args)]
#[command(
    after_help = "Reads what `scan` and `train` read: JSON lines, JSON, CSV, TSV, Parquet and Arrow, also in gzip, zstd or \
                  UTF-16, and folders of them.\nWrites records.jsonl (all records that were not rejected, as JSON lines), \
                  decisions.jsonl (codes and places), dataset.json and quality.html into DIR.\nExit 3 if a required \
                  declaration is missing, a retention is over, a record was rejected (unless --drop-rejected), a file cannot \
                  be read to its end, or k is too small.\nDeclarations also stand in [dataset] of \
                  cloister.toml, limits in [quality]; see docs/guides/ingest.md."
)]
pub(super) struct Args {
    /// Records: files or folders; `-` is stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Folder of the dataset
    #[arg(long, value_name = "DIR", required_unless_present_any = ["prove", "into"])]
    out: Option<PathBuf>,
    /// Take nothing in: prove for every record of FILE that it is in the dataset DIR
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "evaluation", "quarantine", "name"])]
    prove: Option<PathBuf>,
    /// Name of the dataset; without it, that of the first file
    #[arg(long)]
    name: Option<String>,
    /// Evaluation records that the data must not hold
    #[arg(long, value_name = "FILE")]
    evaluation: Option<PathBuf>,
    /// Write what was rejected: lines and bad rows as they were read, records of other forms as JSON lines; it holds text
    #[arg(long, value_name = "FILE")]
    quarantine: Option<PathBuf>,
    /// Rejected records may be left out: they are no reason to refuse
    #[arg(long)]
    drop_rejected: bool,
    /// File with the key of the commitments, 64 hexadecimal digits; without it, a fresh key in DIR/private
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Words and phrases to look for instead of the standard list, one on a line
    #[arg(long, value_name = "FILE")]
    toxic_words: Option<PathBuf>,
    /// Names of columns, such as text=body
    #[arg(long, env = "CLOISTER_COLUMNS", value_name = "MAP", hide_env = true)]
    columns: Option<ColumnMap>,
    /// Replace what an earlier run wrote into DIR, and FILE of --quarantine
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    detection: DetectionArgs,
    #[command(flatten)]
    declared: Declarations,
    #[command(flatten)]
    risk: RiskArgs,
    #[command(flatten)]
    opening: Opening,
    /// Seal the records into this dataset of the project, as its next version
    #[arg(long, value_name = "NAME", value_parser = super::project::id)]
    #[arg(conflicts_with_all = ["out", "prove", "quarantine", "key", "force", "name"])]
    into: Option<Id>,
    /// What a new dataset may be used for
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = super::project::id, requires = "into")]
    purposes: Vec<Id>,
    /// How sensitive a new dataset is: public, internal, personal or special [default: personal]
    #[arg(long, value_name = "LEVEL", requires = "into")]
    sensitivity: Option<Sensitivity>,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        match (&self.prove, &self.into, &self.out) {
            (Some(dataset), _, _) => self.prove(console, dataset),
            (None, Some(dataset), _) => self.seal(console, dataset),
            (None, None, Some(out)) => self.take_in(console, out),
            (None, None, None) => {
                Err(Usage::new("no dataset is named", "add --out DIR, or --into NAME in a project").into())
            }
        }
    }

    /// Proofs of membership: one JSON line for each record on stdout, or all in the document.
    fn prove(&self, console: &Console, dataset: &Path) -> anyhow::Result<Exit> {
        self.one_stdin()?;
        let path = dataset.join(EVIDENCE);
        let evidence = fs::read(&path).map_err(crate::Error::read(&path))?;
        let Ok(facts) = serde_json::from_slice::<DatasetFacts>(&evidence) else {
            let message = format!("`{}` is not the evidence of a dataset", path.display());
            return Err(Usage::new(message, "name the folder that `cloister ingest --out` wrote").into());
        };
        let key = keys::read(&self.key.clone().unwrap_or_else(|| dataset.join(KEY)))?;
        let columns = input::columns(self.columns.clone())?;
        let tree = Tree::of(&dataset.join(RECORDS), &key, &facts.content.root)?;
        let (mut proofs, mut absent) = (Vec::new(), 0);
        let (inputs, _) = open_all(&self.files)?;
        let mut progress = console.progress("looking up", inputs.iter().map(Input::bytes).sum(), Unit::Bytes);
        for input in &inputs {
            for Membership { line, proof } in tree.look_up(input, &columns, &mut progress)? {
                absent += usize::from(proof.is_none());
                let mut said = Map::new();
                said.insert("file".into(), input.name().into());
                said.insert("line".into(), line.into());
                said.insert("included".into(), proof.is_some().into());
                if let Some(proof) = proof {
                    said.insert("index".into(), proof.index.into());
                    said.insert("size".into(), tree.size().into());
                    said.insert("leaf".into(), hex(&proof.leaf).into());
                    said.insert("path".into(), proof.path.iter().map(|hash| hex(hash)).collect());
                    said.insert("root".into(), facts.content.root.clone().into());
                }
                if !console.json() {
                    console.data(&Value::Object(said.clone()))?;
                }
                proofs.push(Value::Object(said));
            }
        }
        drop(progress);
        let all = proofs.len();
        console.say(format_args!("{} of {} in the dataset {}", all - absent, counted(all, "record"), facts.name));
        let (verdict, exit) = if absent == 0 { ("included", Exit::Passed) } else { ("absent", Exit::Refused) };
        let fields = Map::from_iter([("algorithm".into(), ALGORITHM.into()), ("proofs".into(), proofs.into())]);
        console.document(verdict, fields)?;
        Ok(exit)
    }

    fn take_in(&self, console: &Console, out: &Path) -> anyhow::Result<Exit> {
        let mut work = self.prepare(console, Declared::default())?;
        self.inputs_stay(out, work.inputs.iter().chain(work.evaluation.iter().flatten()))?;
        let key = match &self.key {
            Some(path) => keys::read(path)?,
            None => keys::fresh()?,
        };
        let mut files = Files::create(self, out)?;
        let outputs = Outputs {
            records: &mut files.records,
            decisions: &mut files.decisions,
            quarantine: files.quarantine.as_mut(),
        };
        let ingested = work.run(console, &key, outputs)?;
        let facts = self.facts(&ingested, &work.provenance, (&work.options, work.detection), work.now)?;
        files.commit(self, out, &facts, &key)?;
        self.finish(console, Place::Folder(out), &facts, &ingested)
    }

    /// Everything that is decided before a record is read. `usual` is declared where neither flag nor configuration says more.
    fn prepare(&self, console: &Console, usual: Declared) -> anyhow::Result<Work> {
        let settings = Settings::from_files()?;
        let declared = self.declared.over(settings.dataset.clone().unwrap_or_default()).or(usual);
        let now = SystemTime::now();
        let provenance = declared.on(Date::of(now))?;
        let options = settings.quality.clone().unwrap_or_default();
        let risk = self.risk.request()?;
        config::tell_places(console);
        let (detector, detection) = self.detection.detector(console)?;
        let toxic = match &self.toxic_words {
            Some(path) => WordList::parse(&fs::read_to_string(path).map_err(crate::Error::read(path))?),
            None => WordList::standard(),
        };
        self.one_stdin()?;
        let (inputs, mut others) = open_all(&self.files)?;
        let evaluation = self.evaluation.as_deref().map(Input::open).transpose()?;
        let (evaluation, more) = evaluation.map_or((None, Vec::new()), |(inputs, others)| (Some(inputs), others));
        others.extend(more);
        let columns = input::columns(self.columns.clone())?;
        let toxic = Some(toxic);
        Ok(Work { now, provenance, options, risk, detector, detection, toxic, inputs, evaluation, others, columns })
    }

    /// Says what came of it.
    fn finish(
        &self,
        console: &Console,
        place: Place<'_>,
        facts: &DatasetFacts,
        ingested: &Ingested,
    ) -> anyhow::Result<Exit> {
        tell(console, self, &place, facts, ingested);
        let (verdict, exit) = if facts.passed { ("passed", Exit::Passed) } else { ("refused", Exit::Refused) };
        let mut fields = Map::new();
        match place {
            Place::Folder(out) => fields.insert("out".into(), json!(out)),
            Place::Vault(version) => fields.insert("version".into(), version.into()),
        };
        fields.insert("quarantine".into(), json!(self.quarantine));
        fields.insert("not_in_quarantine".into(), ingested.not_quarantined.into());
        fields.insert("findings".into(), input::counts(&ingested.findings));
        fields.insert("findings_at".into(), input::places(&ingested.findings));
        if let Value::Object(mut object) = serde_json::to_value(facts)? {
            object.shift_remove("schema");
            fields.extend(object);
        }
        console.document(verdict, fields)?;
        Ok(exit)
    }

    /// What is read must not be replaced, not even with --force; and what is written must not be read the next time.
    fn inputs_stay<'i>(&self, out: &Path, inputs: impl Iterator<Item = &'i Input>) -> anyhow::Result<()> {
        let real = |path: &Path| path.canonicalize().ok();
        let read: Vec<PathBuf> = inputs.filter_map(|input| real(&input.path)).collect();
        let written = OUTPUTS.iter().map(|name| out.join(name)).chain(self.quarantine.clone());
        let names: Vec<PathBuf> = written.collect();
        if let Some(path) = names.iter().find(|path| real(path).is_some_and(|path| read.contains(&path))) {
            let message = format!("`{}` is read and would be replaced", path.display());
            return Err(Usage::new(message, "choose another --out or --quarantine").into());
        }
        if let Some(path) = self.quarantine.as_ref().filter(|path| names[..OUTPUTS.len()].contains(path)) {
            let message = format!("`{}` is a file of the dataset", path.display());
            return Err(Usage::new(message, "choose another --quarantine").into());
        }
        let folders: Vec<PathBuf> = self
            .files
            .iter()
            .chain(&self.evaluation)
            .filter(|path| path.is_dir())
            .filter_map(|path| real(path))
            .collect();
        // What does not exist yet will be where its nearest folder is.
        let nearest = |path: &Path| std::path::absolute(path).ok()?.ancestors().find_map(real);
        let inside = |path: &Path| nearest(path).is_some_and(|at| folders.iter().any(|folder| at.starts_with(folder)));
        if let Some(path) = [Some(out), self.quarantine.as_deref()].into_iter().flatten().find(|path| inside(path)) {
            let message = format!("`{}` lies in a folder that is read", path.display());
            return Err(Usage::new(message, "choose another --out or --quarantine").into());
        }
        Ok(())
    }

    fn one_stdin(&self) -> anyhow::Result<()> {
        let piped = self.files.iter().chain(&self.evaluation).filter(|path| path.as_path() == Path::new("-")).count();
        match piped {
            0 | 1 => Ok(()),
            _ => Err(Usage::new("stdin can be read only once", "name `-` once").into()),
        }
    }

    fn name(&self) -> String {
        if let Some(dataset) = &self.into {
            return dataset.to_string();
        }
        let of_path = |path: &PathBuf| {
            let of_file = bare(path);
            let name = if path.is_dir() { path.file_name() } else { of_file.file_stem() };
            name.map(|name| name.to_string_lossy().into_owned())
        };
        let name = self.name.clone().or_else(|| self.files.first().and_then(of_path));
        name.filter(|name| name != "-").unwrap_or_else(|| "dataset".into())
    }
}

/// Where the records are in the end.
enum Place<'a> {
    /// In a folder.
    Folder(&'a Path),
    /// In the vault, as this version.
    Vault(&'a str),
}

/// What `ingest` works with, wherever the records go.
struct Work {
    now: SystemTime,
    provenance: Provenance,
    options: QualityOptions,
    risk: Option<RiskRequest>,
    detector: Detector,
    detection: DetectionFacts,
    /// Taken by the first run.
    toxic: Option<WordList>,
    inputs: Vec<Input>,
    evaluation: Option<Vec<Input>>,
    others: Vec<Finding>,
    columns: Columns,
}

impl Work {
    fn run(&mut self, console: &Console, key: &keys::Key, outputs: Outputs<'_>) -> anyhow::Result<Ingested> {
        interrupt::watch();
        let request = Request {
            inputs: &self.inputs,
            evaluation: self.evaluation.as_deref(),
            columns: &self.columns,
            options: &self.options,
            detector: &self.detector,
            risk: self.risk.clone(),
        };
        let twice: u64 = self.inputs.iter().map(|input| 2 * input.bytes()).sum();
        let once: u64 = self.evaluation.iter().flatten().map(Input::bytes).sum();
        let mut progress = console.progress("taking in", twice + once, Unit::Bytes);
        let toxic = self.toxic.take().unwrap_or_else(WordList::standard);
        let mut ingested = ingest(&request, key, toxic, &mut progress, outputs)?;
        drop(progress);
        ingested.findings.extend(std::mem::take(&mut self.others));
        Ok(ingested)
    }
}

/// A path without the ending of what is wrapped around a file.
fn bare(path: &Path) -> PathBuf {
    let wrapped = path.extension().is_some_and(|end| ["gz", "gzip", "zst", "zstd"].iter().any(|known| end == *known));
    if wrapped { path.with_extension("") } else { path.into() }
}

/// The files at all paths, and what in folders is none.
fn open_all(paths: &[PathBuf]) -> Result<(Vec<Input>, Vec<Finding>), crate::Error> {
    let (mut inputs, mut others) = (Vec::new(), Vec::new());
    for path in paths {
        let (files, more) = Input::open(path)?;
        inputs.extend(files);
        others.extend(more);
    }
    Ok((inputs, others))
}

fn tell(console: &Console, args: &Args, place: &Place<'_>, facts: &DatasetFacts, ingested: &Ingested) {
    let quality = &facts.quality;
    console.say(format_args!(
        "took in {}: {} accepted, {} for review, {} rejected",
        counted(quality.lines as usize, "line"),
        quality.accepted,
        quality.review,
        quality.rejected
    ));
    let noticed: Vec<Vec<String>> = quality
        .reasons
        .iter()
        .filter(|reason| reason.records > 0)
        .map(|reason| {
            let first = reason.first.first().cloned().unwrap_or_default();
            vec![reason.code.clone(), reason.level.clone(), reason.records.to_string(), first]
        })
        .collect();
    if !noticed.is_empty() {
        console.table(&["noticed", "leads to", "records", "first"], &noticed);
    }
    for (kind, lines) in &quality.unreadable {
        console.warn(format_args!("{} rejected: {kind}", counted(*lines as usize, "line")));
    }
    if let Some(evaluation) = facts.evaluation.as_ref().filter(|evaluation| evaluation.unreadable > 0) {
        let lines = counted(evaluation.unreadable as usize, "line");
        console
            .warn(format_args!("{lines} of the evaluation file could not be read: their records may be in the data"));
    }
    input::tell(console, &ingested.findings);
    for field in &facts.provenance {
        let value = match (field.state.as_str(), field.required) {
            ("missing", true) => console.ink(Ink::Red, &field.value),
            ("missing", false) => console.ink(Ink::Yellow, &field.value),
            _ if field.field == "retention" => facts.retention().unwrap_or_default(),
            _ => field.value.clone(),
        };
        console.say(format_args!("  {:<19} {value}", field.field));
    }
    for warning in &facts.warnings {
        console.warn(format_args!("{}; {}", warning.text, warning.remedy));
    }
    if let Some(risk) = &facts.risk {
        console.say(format_args!(
            "  {:<19} k = {}, mean risk {:.2} %, measured on {}",
            "risk",
            risk.k,
            risk.mean_risk * 100.0,
            counted(risk.subjects as usize, "subject")
        ));
    }
    let records = counted(facts.content.records as usize, "record");
    match place {
        Place::Folder(out) => {
            console.say(format_args!("wrote {records} into {}", out.display()));
            let key = args.key.clone().unwrap_or_else(|| out.join(KEY));
            console.say(format_args!("digest {}, key {}", facts.content.root, key.display()));
        }
        Place::Vault(version) => {
            console.say(format_args!("sealed {records} as dataset {version}"));
            console.say(format_args!("digest {}, under a key of the dataset", facts.content.root));
        }
    }
    if let Some(path) = &args.quarantine {
        console.warn(format_args!(
            "{} holds rejected lines with their text: delete it when they are mended",
            path.display()
        ));
        if ingested.not_quarantined > 0 {
            let lines = counted(ingested.not_quarantined, "rejected line");
            console.warn(format_args!("{lines} could not be kept there: longer than 16 MiB, or damaged"));
        }
    }
    console.say(&facts.audience);
    for gate in facts.gates.iter().filter(|gate| !gate.passed) {
        console.say(format_args!("{} {}: {}", console.ink(Ink::Red, "refused"), gate.name, gate.detail));
        if let Some(remedy) = &gate.remedy {
            console.say(format_args!("  what to do: {remedy}"));
        }
    }
    if facts.passed {
        console.say(console.ink(Ink::Green, "passed"));
    }
}
