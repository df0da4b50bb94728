//! `cloister ingest`: records checked, declared and committed to, into a folder with the evidence beside them.
//!
//! The folder always holds the records that were not rejected. If any was, or a required declaration is missing, the exit
//! code is 3: a pipeline that heeds exit codes does not go on.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cloister_text::quality::{Code, Decision, QualityOptions, WordList};
use cloister_text::risk::anonymity::SIZE_BANDS;
use cloister_text::risk::quasi::{Quasi, Said};
use cloister_text::{Detector, DetectorOptions};
use serde_json::{Map, Value, json};

use super::config::{ColumnMap, Settings, whole};
use super::console::{Console, Ink};
use super::hint::Usage;
use super::words::counted;
use super::{Exit, classifier, input};
use crate::evidence::Gate;
use crate::evidence::dataset::{
    AUDIENCE, ContentFacts, DATASET_SCHEMA, DatasetFacts, FieldFacts, FileFacts, MeasuredOn, QualityFacts, ReasonFacts,
    RiskFacts, WordFacts, page,
};
use crate::files::{Keep, WholeFile, create_folder, create_private_folder, hex};
use crate::ingest::{
    Date, Declared, Field, Ingested, Input, Membership, Outputs, Provenance, Request, RiskRequest, Taken, Tree,
    fresh_key, ingest, read_key, write_key,
};
use crate::interrupt;
use crate::progress::Unit;

const ALGORITHM: &str = "RFC 6962 (SHA-256) over HMAC-SHA256 of each record of records.jsonl";
const KEY: &str = "private/commitment.key";
const OUTPUTS: [&str; 5] = ["records.jsonl", "decisions.jsonl", "dataset.json", "quality.html", KEY];
/// Places that evidence names of a code.
const FIRST_PLACES: usize = 20;

/// Arguments of `ingest`.
#[derive(clap::Args)]
#[command(
    after_help = "Writes records.jsonl (all records that were not rejected), decisions.jsonl (codes and lines), dataset.json \
                  and quality.html into DIR.\nExit 3 if a required declaration is missing, a retention is over, a record \
                  was rejected (unless --drop-rejected), or k is too small.\nDeclarations also stand in [dataset] of \
                  cloister.toml, limits in [quality]; see docs/guides/ingest.md."
)]
pub(super) struct Args {
    /// Records as JSON lines; `-` is stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Folder of the dataset
    #[arg(long, value_name = "DIR", required_unless_present = "prove")]
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
    /// Write rejected lines as they were read; they hold text
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
    /// Folder of a BERT token classifier that looks for personal data too
    #[arg(long, env = "CLOISTER_CLASSIFIER", value_name = "DIR", hide_env = true)]
    classifier: Option<PathBuf>,
    /// Names of columns, such as text=body
    #[arg(long, env = "CLOISTER_COLUMNS", value_name = "MAP", hide_env = true)]
    columns: Option<ColumnMap>,
    /// Replace what an earlier run wrote into DIR, and FILE of --quarantine
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    declared: Declarations,
    #[command(flatten)]
    risk: RiskArgs,
}

/// Declarations of `ingest`.
#[derive(clap::Args)]
#[command(next_help_heading = "Declarations")]
struct Declarations {
    /// Fields without which the gate says no, such as source,licence,legal_basis,purpose,retention
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    require: Vec<Field>,
    /// Where the records come from
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Under what terms they may be used
    #[arg(long, value_name = "TEXT", alias = "license")]
    licence: Option<String>,
    /// The legal basis of processing
    #[arg(long, value_name = "TEXT")]
    legal_basis: Option<String>,
    /// What they are processed for
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,
    /// Until when they may be kept: a date, or a period such as `24 months`
    #[arg(long, value_name = "WHEN")]
    retention: Option<String>,
    /// Who handed them over
    #[arg(long, value_name = "TEXT")]
    contributor: Option<String>,
    /// What kinds of people they are about
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    subjects: Option<Vec<String>>,
}

/// Re-identification risk.
#[derive(clap::Args)]
#[command(next_help_heading = "Risk")]
struct RiskArgs {
    /// What could be known about people: columns as JSON pointers, perhaps coarser (/age:10,/zip:3), text:age, or `text` for all
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    quasi: Vec<String>,
    /// Column whose values nobody should learn, as JSON pointer
    #[arg(long, value_name = "POINTER", requires = "quasi")]
    sensitive: Option<String>,
    /// Number of people among whom the subjects are a sample
    #[arg(long, value_name = "N", requires = "quasi")]
    population: Option<u64>,
    /// Smallest k that the gate lets pass
    #[arg(long, value_name = "K", requires = "quasi", value_parser = whole)]
    min_k: Option<usize>,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        match (&self.prove, &self.out) {
            (Some(dataset), _) => self.prove(console, dataset),
            (None, Some(out)) => self.take_in(console, out),
            (None, None) => Err(Usage::new("no folder is named", "add --out DIR").into()),
        }
    }

    /// Proofs of membership: one JSON line for each record on stdout, or all in the document.
    fn prove(&self, console: &Console, dataset: &Path) -> anyhow::Result<Exit> {
        self.one_stdin()?;
        let path = dataset.join("dataset.json");
        let evidence = fs::read(&path).map_err(crate::Error::read(&path))?;
        let Ok(facts) = serde_json::from_slice::<DatasetFacts>(&evidence) else {
            let message = format!("`{}` is not the evidence of a dataset", path.display());
            return Err(Usage::new(message, "name the folder that `cloister ingest --out` wrote").into());
        };
        let key = read_key(&self.key.clone().unwrap_or_else(|| dataset.join(KEY)))?;
        let columns = input::columns(self.columns.clone())?;
        let tree = Tree::of(&dataset.join("records.jsonl"), &columns, &key, &facts.content.root)?;
        let (mut proofs, mut absent) = (Vec::new(), 0);
        for path in &self.files {
            let input = Input::open(path)?;
            for Membership { line, proof } in tree.look_up(&input, &columns)? {
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
        let all = proofs.len();
        console.say(format_args!("{} of {} in the dataset {}", all - absent, counted(all, "record"), facts.name));
        let (verdict, exit) = if absent == 0 { ("included", Exit::Passed) } else { ("absent", Exit::Refused) };
        let fields = Map::from_iter([("algorithm".into(), ALGORITHM.into()), ("proofs".into(), proofs.into())]);
        console.document(verdict, fields)?;
        Ok(exit)
    }

    fn take_in(&self, console: &Console, out: &Path) -> anyhow::Result<Exit> {
        let settings = Settings::from_files()?;
        let declared = self.declared.over(settings.dataset.clone().unwrap_or_default());
        let now = SystemTime::now();
        let provenance = declared.on(Date::of(now))?;
        let options = settings.quality.clone().unwrap_or_default();
        let risk = self.risk.request()?;
        let toxic = match &self.toxic_words {
            Some(path) => WordList::parse(&fs::read_to_string(path).map_err(crate::Error::read(path))?),
            None => WordList::standard(),
        };
        let inputs = self.files.iter().map(|path| Input::open(path)).collect::<Result<Vec<_>, _>>()?;
        let evaluation = self.evaluation.as_deref().map(Input::open).transpose()?;
        self.one_stdin()?;
        self.inputs_stay(out)?;
        let key = match &self.key {
            Some(path) => read_key(path)?,
            None => fresh_key()?,
        };
        let mut files = Files::create(self, out)?;
        interrupt::watch();
        let columns = input::columns(self.columns.clone())?;
        let folder = classifier::folder(self.classifier.clone())?;
        let detector = Detector::new(&DetectorOptions::default())?;
        let (detector, classifier) = classifier::join(console, detector, folder.as_deref())?;
        let request = Request {
            inputs: &inputs,
            evaluation: evaluation.as_ref(),
            columns: &columns,
            options: &options,
            detector: &detector,
            risk,
        };
        let bytes: u64 = inputs.iter().chain(&evaluation).map(|input| 2 * input.bytes()).sum();
        let mut progress = console.progress("taking in", bytes, Unit::Bytes);
        let outputs = Outputs {
            records: &mut files.records,
            decisions: &mut files.decisions,
            quarantine: files.quarantine.as_mut(),
        };
        let ingested = ingest(&request, &key, toxic, &mut progress, outputs)?;
        drop(progress);
        detector.check()?;
        let facts = DatasetFacts { classifier, ..self.facts(&ingested, &provenance, &options, now)? };
        files.commit(self, out, &facts, &key)?;
        tell(console, self, out, &facts, &ingested);
        let (verdict, exit) = if facts.passed { ("passed", Exit::Passed) } else { ("refused", Exit::Refused) };
        let mut fields = Map::new();
        fields.insert("out".into(), json!(out));
        fields.insert("quarantine".into(), json!(self.quarantine));
        if let Value::Object(mut object) = serde_json::to_value(&facts)? {
            object.shift_remove("schema");
            fields.extend(object);
        }
        console.document(verdict, fields)?;
        Ok(exit)
    }

    /// What is read must not be replaced, not even with --force.
    fn inputs_stay(&self, out: &Path) -> anyhow::Result<()> {
        let real = |path: &Path| path.canonicalize().ok();
        let read: Vec<PathBuf> = self.files.iter().chain(&self.evaluation).filter_map(|path| real(path)).collect();
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
        let of_file =
            || self.files.first().and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy().into_owned());
        self.name.clone().or_else(of_file).filter(|name| name != "-").unwrap_or_else(|| "dataset".into())
    }

    fn facts(
        &self,
        ingested: &Ingested,
        provenance: &Provenance,
        options: &QualityOptions,
        now: SystemTime,
    ) -> anyhow::Result<DatasetFacts> {
        let gates = self.gates(ingested, provenance);
        let field = |field: &crate::ingest::DeclaredField| FieldFacts {
            field: field.field.name().into(),
            state: if field.value.is_some() { "declared" } else { "missing" }.into(),
            value: field.shown(),
            required: field.required,
            owner: field.owner.clone(),
        };
        Ok(DatasetFacts {
            schema: DATASET_SCHEMA.into(),
            product: concat!("cloister ", env!("CARGO_PKG_VERSION")).into(),
            created: crate::system::rfc3339(now),
            name: self.name(),
            audience: AUDIENCE.into(),
            passed: gates.iter().all(|gate| gate.passed),
            gates,
            files: ingested.files.iter().map(file_facts).collect(),
            evaluation: ingested.evaluation.as_ref().map(file_facts),
            shape: ingested.shape.to_string(),
            content: ContentFacts {
                algorithm: ALGORITHM.into(),
                root: hex(&ingested.written.root()),
                records: ingested.written.size(),
                key: self.key.is_none().then(|| KEY.into()),
            },
            provenance: provenance.fields.iter().map(field).collect(),
            keep_until: provenance.keep_until.map(|date| date.to_string()),
            quality: quality_facts(ingested, options)?,
            classifier: None,
            risk: risk_facts(ingested),
        })
    }

    fn gates(&self, ingested: &Ingested, provenance: &Provenance) -> Vec<Gate> {
        let gate = |name: &str, passed, detail: String| Gate { name: name.into(), passed, detail };
        let mut gates = Vec::new();
        let required = provenance.fields.iter().filter(|field| field.required).count();
        let missing: Vec<String> =
            provenance.missing().map(|field| format!("{} (owner: {})", field.field, field.owner)).collect();
        gates.push(match (required, missing.is_empty()) {
            (0, _) => gate("provenance", true, "no field is required".into()),
            (all, true) => gate("provenance", true, format!("{} declared", counted(all, "required field"))),
            (_, false) => gate("provenance", false, format!("MISSING {}", missing.join(", "))),
        });
        if let Some(until) = provenance.keep_until {
            let detail = if provenance.expired { format!("over since {until}") } else { format!("until {until}") };
            gates.push(gate("retention", !provenance.expired, detail));
        }
        let summary = &ingested.quality.summary;
        let rejected = format!("{} of {} rejected", summary.rejected, counted(summary.records, "line"));
        let (passed, detail) = match (summary.rejected, self.drop_rejected) {
            (0, _) => (true, "no line was rejected".into()),
            (_, true) => (true, format!("{rejected} and left out, as asked")),
            (_, false) => (false, format!("{rejected} and left out: mend them, or accept that with --drop-rejected")),
        };
        gates.push(gate("rejected records", passed, detail));
        let written = ingested.written.size() as usize;
        gates.push(gate("records", written > 0, format!("{} in records.jsonl", counted(written, "record"))));
        if let Some(least) = self.risk.min_k {
            let k = ingested.risk.as_ref().map_or(0, |risk| risk.anonymity.k);
            gates.push(gate("k-anonymity", k >= least, format!("k = {k}, at least {least} is asked")));
        }
        gates
    }
}

impl Declarations {
    /// These flags before what the configuration declares.
    fn over(&self, weaker: Declared) -> Declared {
        let flags = Declared {
            source: self.source.clone(),
            licence: self.licence.clone(),
            legal_basis: self.legal_basis.clone(),
            purpose: self.purpose.clone(),
            retention: self.retention.clone(),
            contributor: self.contributor.clone(),
            subjects: self.subjects.clone(),
            require: self.require.clone(),
            ..Declared::default()
        };
        flags.or(weaker)
    }
}

impl RiskArgs {
    fn request(&self) -> anyhow::Result<Option<RiskRequest>> {
        let mut quasi: Vec<Quasi> = Vec::new();
        for name in &self.quasi {
            if name.trim() == "text" {
                quasi.extend(Said::ALL.map(Quasi::Said));
            } else {
                let wrong =
                    |reason| Usage::new(format!("--quasi {name}: {reason}"), "such as --quasi /age:10,/zip:3,text:job");
                quasi.push(name.parse().map_err(wrong)?);
            }
        }
        if let Some(pointer) = self.sensitive.as_deref().filter(|pointer| !pointer.starts_with('/')) {
            let message = format!("--sensitive {pointer}: not a JSON pointer");
            return Err(Usage::new(message, "such as --sensitive /diagnosis").into());
        }
        let (sensitive, population) = (self.sensitive.clone(), self.population);
        Ok((!quasi.is_empty()).then_some(RiskRequest { quasi, sensitive, population }))
    }
}

/// The files of a dataset, begun before anything is read, so that what cannot be written is refused at once.
struct Files {
    records: WholeFile,
    decisions: WholeFile,
    quarantine: Option<WholeFile>,
    dataset: WholeFile,
    page: WholeFile,
}

impl Files {
    fn create(args: &Args, out: &Path) -> anyhow::Result<Self> {
        let keep = if args.force { Keep::PrivateReplacing } else { Keep::Private };
        create_folder(out)?;
        let file = |name: &str| WholeFile::create(&out.join(name), keep);
        Ok(Self {
            records: file("records.jsonl")?,
            decisions: file("decisions.jsonl")?,
            dataset: file("dataset.json")?,
            page: file("quality.html")?,
            quarantine: args.quarantine.as_ref().map(|path| WholeFile::create(path, keep)).transpose()?,
        })
    }

    /// The evidence appears last: where it is, everything is.
    fn commit(mut self, args: &Args, out: &Path, facts: &DatasetFacts, key: &[u8; 32]) -> anyhow::Result<()> {
        let mut json = serde_json::to_vec_pretty(facts)?;
        json.push(b'\n');
        self.dataset.write_all(&json).map_err(crate::Error::write(self.dataset.target()))?;
        self.page.write_all(page(facts).as_bytes()).map_err(crate::Error::write(self.page.target()))?;
        if args.key.is_none() {
            create_private_folder(&out.join("private"))?;
            write_key(&out.join(KEY), key)?;
        }
        for file in [Some(self.records), Some(self.decisions), self.quarantine, Some(self.page), Some(self.dataset)] {
            file.map(WholeFile::commit).transpose()?;
        }
        Ok(())
    }
}

fn file_facts(taken: &Taken) -> FileFacts {
    FileFacts {
        name: taken.name.clone(),
        bytes: taken.bytes,
        records: taken.records as u64,
        unreadable: taken.unreadable as u64,
    }
}

fn quality_facts(ingested: &Ingested, options: &QualityOptions) -> anyhow::Result<QualityFacts> {
    let summary = &ingested.quality.summary;
    let places = |code: Code| {
        let verdicts = ingested.quality.verdicts.iter();
        let noticed = verdicts.filter(move |verdict| verdict.reasons.iter().any(|reason| reason.code == code));
        let place = |verdict: &cloister_text::quality::Verdict| {
            let name = ingested.files.get(verdict.at.file).map_or("", |file| file.name.as_str());
            format!("{name}:{}", verdict.at.line)
        };
        noticed.take(FIRST_PLACES).map(place).collect()
    };
    let reason = |code: &Code| ReasonFacts {
        code: code.name().into(),
        meaning: code.meaning().into(),
        level: level(options.level(*code)).into(),
        records: summary.by_code.get(code).copied().unwrap_or_default() as u64,
        first: places(*code),
    };
    let counts = |(name, count): (&&str, &usize)| ((*name).to_owned(), *count as u64);
    Ok(QualityFacts {
        measured_on: MeasuredOn {
            what: "all records read".into(),
            records: ingested.read.size(),
            root: hex(&ingested.read.root()),
        },
        lines: summary.records as u64,
        accepted: summary.accepted as u64,
        review: summary.review as u64,
        rejected: summary.rejected as u64,
        reasons: Code::ALL.iter().map(reason).collect(),
        unreadable: ingested.unreadable.iter().map(counts).collect(),
        chars: summary.chars,
        words: summary.words.map(|words| WordFacts {
            least: words.least.into(),
            median: words.median.into(),
            percentile_95: words.percentile_95.into(),
            most: words.most.into(),
        }),
        languages: summary.languages.iter().map(counts).collect(),
        spans: summary.spans.map(|spans| spans as u64),
        spans_per_1000_chars: summary.spans_per_1000_chars.map(|share| (share * 1e3).round() / 1e3),
        labels: summary.labels.map(|labels| labels as u64),
        repeated_lines: summary.repeated_lines as u64,
        options: serde_json::to_value(options)?,
    })
}

fn level(decision: Decision) -> &'static str {
    match decision {
        Decision::Accept => "accept",
        Decision::Review => "review",
        Decision::Reject => "reject",
    }
}

fn risk_facts(ingested: &Ingested) -> Option<RiskFacts> {
    let risk = ingested.risk.as_ref()?;
    let found = &risk.anonymity;
    let band = |(from, to): (usize, usize)| match (from, to) {
        (1, 1) => "alone".to_owned(),
        (from, usize::MAX) => format!("{from} or more"),
        (from, to) if from == to => format!("{from} alike"),
        (from, to) => format!("{from} to {to}"),
    };
    let sensitive = found.sensitive.as_ref();
    Some(RiskFacts {
        measured_on: MeasuredOn {
            what: "the records written".into(),
            records: ingested.written.size(),
            root: hex(&ingested.written.root()),
        },
        quasi_identifiers: risk.quasi.iter().map(|(name, values)| (name.clone(), *values as u64)).collect(),
        subjects: found.subjects as u64,
        classes: found.classes as u64,
        k: found.k as u64,
        subjects_by_class_size: SIZE_BANDS
            .into_iter()
            .map(band)
            .zip(found.subjects_by_band().map(|subjects| subjects as u64))
            .collect(),
        prosecutor_risk: found.prosecutor_risk,
        mean_risk: found.mean_risk,
        population: found.journalist.map(|journalist| journalist.population),
        journalist_risk: found.journalist.map(|journalist| journalist.risk),
        sensitive: risk.sensitive.clone(),
        distinct_l: sensitive.map(|of| of.distinct_l as u64),
        entropy_l: sensitive.map(|of| of.entropy_l),
        t_closeness: sensitive.map(|of| of.t),
        t_closeness_ordered: sensitive.and_then(|of| of.t_ordered),
    })
}

fn tell(console: &Console, args: &Args, out: &Path, facts: &DatasetFacts, ingested: &Ingested) {
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
    for field in &facts.provenance {
        let value = match (field.state.as_str(), field.required) {
            ("missing", true) => console.ink(Ink::Red, &field.value),
            ("missing", false) => console.ink(Ink::Yellow, &field.value),
            _ => field.value.clone(),
        };
        console.say(format_args!("  {:<12} {value}", field.field));
    }
    if let Some(risk) = &facts.risk {
        console.say(format_args!(
            "  {:<12} k = {}, mean risk {:.2} %, measured on {}",
            "risk",
            risk.k,
            risk.mean_risk * 100.0,
            counted(risk.subjects as usize, "subject")
        ));
    }
    console.say(format_args!("wrote {} into {}", counted(facts.content.records as usize, "record"), out.display()));
    console.say(format_args!(
        "digest {}, key {}",
        facts.content.root,
        match &args.key {
            Some(path) => path.display().to_string(),
            None => out.join(KEY).display().to_string(),
        }
    ));
    if let Some(path) = &args.quarantine {
        console.warn(format_args!(
            "{} holds rejected lines with their text: delete it when they are mended",
            path.display()
        ));
        if ingested.cut_in_quarantine > 0 {
            let lines = counted(ingested.cut_in_quarantine, "line");
            console.warn(format_args!("{lines} of more than 16 MiB stand cut in the quarantine"));
        }
    }
    console.say(&facts.audience);
    for gate in facts.gates.iter().filter(|gate| !gate.passed) {
        console.say(format_args!("{} {}: {}", console.ink(Ink::Red, "refused"), gate.name, gate.detail));
    }
    if facts.passed {
        console.say(console.ink(Ink::Green, "passed"));
    }
}
