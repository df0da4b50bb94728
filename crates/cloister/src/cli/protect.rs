//! `cloister protect`: records with personal data replaced, from file to file, and back where it was encrypted.
//!
//! Whatever the detector still finds in the result is residual. The file is written all the same, for a person to look
//! at, and the exit code is 3: a pipeline that heeds exit codes does not go on with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use cloister_access::{Action, Id};
use cloister_text::{Label, Policy, Profile, ProtectReport, Reading, Replacer, Scope, Sealer, SurrogateKey};
use serde_json::{Map, Value, json};

use super::config::{self, ColumnMap, Settings};
use super::console::{Console, Ink};
use super::detection::DetectionArgs;
use super::hint::Usage;
use super::sealed::{self, DatasetArgs, Named};
use super::words::counted;
use super::{Exit, input};
use crate::files::{Keep, WholeFile};
use crate::project::{Preset, Project};
use crate::protect::{self, restore, write_map, write_records, write_sealed};
use crate::{interrupt, keys};

/// Arguments of `protect`.
#[derive(clap::Args)]
#[command(
    after_help = "Exit 3 if the detector still finds something in the result (residual); the file is written all the \
                        same. Exit 4 if a file cannot be restored: no key, another key, or a file that was changed."
)]
pub(super) struct Args {
    /// Records as JSON lines, JSON, CSV, TSV, Parquet or Arrow, also in gzip or zstd; a folder of such; `-` is stdin
    file: PathBuf,
    /// The protected records, as JSON lines
    #[arg(long, value_name = "FILE", required_unless_present = "into")]
    out: Option<PathBuf>,
    /// How data is replaced: surrogate, redact, mask, hash, hipaa-safe-harbor, gdpr-pseudonymise or reversible
    #[arg(long, env = "CLOISTER_PROFILE", hide_env = true)]
    profile: Option<Profile>,
    /// TOML file that changes the profile for single entities
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How far one person keeps one surrogate: document, subject or dataset [default: subject]
    #[arg(long)]
    scope: Option<Scope>,
    /// File with a key of 64 hexadecimal digits, for the same surrogates every time; without it, a fresh key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Write what took the place of what: whoever has this file can undo the replacement
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Restore a file that `--profile reversible` wrote, with its --key
    #[arg(long, conflicts_with_all = ["policy", "scope", "map"])]
    restore: bool,
    /// Names of columns, such as text=body
    #[arg(long, env = "CLOISTER_COLUMNS", value_name = "MAP", hide_env = true)]
    columns: Option<ColumnMap>,
    /// Replace FILE if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    detection: DetectionArgs,
    #[command(flatten)]
    of: DatasetArgs,
    /// Seal the protected records into this dataset of the project; FILE is then dataset:NAME
    #[arg(long, value_name = "NAME", value_parser = super::project::id)]
    #[arg(conflicts_with_all = ["out", "map", "key", "restore", "force", "columns"])]
    into: Option<Id>,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        match (Named::of(&self.file)?, self.into.clone(), self.out.clone()) {
            (Some(from), Some(into), _) => self.seal(console, &from, &into),
            (Some(_), None, _) => {
                let hint = "add --into NAME; text leaves the vault by an export, which somebody else approves";
                Err(Usage::new("records of the vault go into the vault", hint).into())
            }
            (None, Some(_), _) => {
                let hint = "take the file in first with `cloister ingest --into NAME`, then protect dataset:NAME";
                Err(Usage::new("a file is protected into a file", hint).into())
            }
            (None, None, Some(out)) => self.file_to_file(console, &out),
            (None, None, None) => Err(Usage::new("no file is named for the result", "add --out FILE").into()),
        }
    }

    fn file_to_file(self, console: &Console, to: &Path) -> anyhow::Result<Exit> {
        for file in [Some(to), self.map.as_deref()].into_iter().flatten() {
            if file == Path::new("-") {
                return Err(Usage::new("protected records go to a file", "give --out a name").into());
            }
        }
        if !self.restore
            && let Some(form) = other_form(to)
        {
            let message = format!("protected records are written as JSON lines, and `{}` says {form}", to.display());
            return Err(Usage::new(message, "give --out a name that ends in .jsonl").into());
        }
        let real = |path: &Path| path.canonicalize().ok();
        if let Some(file) = real(&self.file)
            && [Some(to), self.map.as_deref()].into_iter().flatten().any(|path| real(path).as_ref() == Some(&file))
        {
            let message = format!("`{}` is read and would be replaced", self.file.display());
            return Err(Usage::new(message, "give --out another name: what is replaced cannot be had back").into());
        }
        if self.map.as_deref() == Some(to) {
            return Err(Usage::new("records and map are one file", "give --map another name").into());
        }
        if self.restore {
            return self.undo(console, to);
        }
        config::tell_places(console);
        let policy = self.policy(Profile::default())?;
        let (detector, detection) = self.detection.detector(console)?;
        let mut out = self.create(to)?;
        let mut map = self.map.as_deref().map(|path| self.create(path)).transpose()?;
        let key = match &self.key {
            Some(path) => keys::read(path)?,
            None => keys::fresh()?,
        };
        interrupt::watch();
        let replacer = Replacer::by_policy(SurrogateKey::from_bytes(*key), policy);
        let replacer = if map.is_some() { replacer.with_map() } else { replacer };
        let restores = replacer.policy().restores();
        let mut source = Vec::new();
        // Any table can be protected: what its columns mean for training does not matter here.
        let reading = Reading::whole(&input::columns(self.columns.clone())?);
        let mut dataset = input::read_seen(console, &self.file, &reading, |bytes| {
            if restores {
                source.extend_from_slice(bytes);
            }
        })?;
        let report = cloister_text::protect(&mut dataset, &detector, &replacer);
        interrupt::check()?;
        detector.check()?;
        if replacer.policy().encrypts() {
            write_sealed(&dataset, restores.then_some(source.as_slice()), replacer.sealer(), &mut out)?;
        } else {
            write_records(&dataset, &mut out)?;
        }
        if let Some(map) = &mut map {
            write_map(&replacer, map)?;
        }
        out.commit()?;
        map.map(WholeFile::commit).transpose()?;
        let residual = report.residual_total();
        tell(console, &report, residual);
        let state = self.state(replacer.policy());
        console.say(format_args!("wrote {}, profile {}, scope {}", to.display(), replacer.profile(), replacer.scope()));
        self.say_what_stands(console, replacer.policy(), &state);
        let mut fields = Map::new();
        fields.insert("out".into(), json!(to));
        fields.insert("profile".into(), json!(replacer.profile()));
        fields.insert("policy".into(), json!(self.policy));
        fields.insert("scope".into(), json!(replacer.scope()));
        fields.insert("key".into(), if self.key.is_some() { "given" } else { "fresh" }.into());
        fields.insert("random_table".into(), replacer.policy().random_table().into());
        fields.insert("map".into(), json!(self.map));
        fields.insert("state".into(), json!(state));
        fields.insert("not_searched_for".into(), json!(NOT_SEARCHED_FOR));
        fields.insert("detection".into(), serde_json::to_value(detection)?);
        if let Value::Object(counts) = serde_json::to_value(&report)? {
            fields.extend(counts);
        }
        fields.insert("findings".into(), input::findings(&dataset));
        let (verdict, exit) = if residual == 0 { ("passed", Exit::Passed) } else { ("residual", Exit::Refused) };
        console.document(verdict, fields)?;
        Ok(exit)
    }

    /// The profile, as the file changes it; refused where the other flags do not fit it.
    fn policy(&self, usual: Profile) -> anyhow::Result<Policy> {
        let profile = match self.profile {
            Some(profile) => profile,
            None => Settings::from_files()?.profile.unwrap_or(usual),
        };
        let mut policy = Policy::of(profile);
        if let Some(path) = &self.policy {
            let text = std::fs::read_to_string(path).map_err(crate::Error::read(path))?;
            policy = policy.changed_by(&text)?;
        }
        if let Some(scope) = self.scope {
            policy = policy.with_scope(scope);
        }
        if policy.random_table() && policy.encrypts() {
            let hint = "take random_table or the action encrypt out of the policy";
            return Err(Usage::new("encrypted values do not go with a random table", hint).into());
        }
        if policy.random_table() && self.key.is_some() {
            let hint = "leave --key out; --map FILE keeps what took the place of what";
            return Err(Usage::new("surrogates from a random table are derived from no key", hint).into());
        }
        if policy.encrypts() && self.key.is_none() {
            let hint = "openssl rand -hex 32 > FILE; chmod 600 FILE; then --key FILE";
            return Err(Usage::new("without a kept key encrypted values are lost", hint).into());
        }
        Ok(policy)
    }

    fn create(&self, path: &Path) -> Result<WholeFile, crate::Error> {
        WholeFile::create(path, if self.force { Keep::PrivateReplacing } else { Keep::Private })
    }

    /// Restores a sealed file.
    fn undo(self, console: &Console, to: &Path) -> anyhow::Result<Exit> {
        let Some(key) = &self.key else { return Err(protect::Error::NoKey.into()) };
        let mut out = self.create(to)?;
        let sealer = Sealer::new(&SurrogateKey::from_bytes(*keys::read(key)?));
        interrupt::watch();
        let source: Box<dyn BufRead> = match self.file == Path::new("-") {
            true => Box::new(std::io::stdin().lock()),
            false => Box::new(BufReader::new(File::open(&self.file).map_err(crate::Error::read(&self.file))?)),
        };
        let records = restore(source, &self.file, &sealer, &mut out).map_err(|error| match error {
            protect::Error::Text(error) => anyhow::Error::new(error).context(input::name(&self.file)),
            other => other.into(),
        })?;
        out.commit()?;
        console.say(format_args!("restored {} to {}", counted(records, "record"), to.display()));
        let mut fields = Map::new();
        fields.insert("out".into(), json!(to));
        fields.insert("records".into(), json!(records));
        console.document("restored", fields)?;
        Ok(Exit::Passed)
    }

    /// From a dataset of the project into another.
    fn seal(self, console: &Console, from: &Named, into: &Id) -> anyhow::Result<Exit> {
        config::tell_places(console);
        let (detector, detection) = self.detection.detector(console)?;
        interrupt::watch();
        self.of.opening.with(console, |project| {
            let policy = self.policy(Preset::named(&project.manifest().preset)?.profile)?;
            if policy.encrypts() {
                let hint = "what must come back stays in the dataset that it came from; choose another profile";
                return Err(Usage::new("encrypted values are for files", hint).into());
            }
            project.through(&self.of.ask(Action::Protect, from), |pass| {
                let reading = Reading::strict(&input::columns(None)?);
                let (mut dataset, opened) = sealed::read(console, pass, from, &reading)?;
                // Whoever asks for erasure names the person as they were before the replacement.
                let subjects: Vec<Option<String>> =
                    dataset.records.iter().map(|record| record.subject.clone()).collect();
                let key = SurrogateKey::from_bytes(*pass.surrogate_key()?);
                let replacer = Replacer::by_policy(key, policy);
                let report = cloister_text::protect(&mut dataset, &detector, &replacer);
                detector.check()?;
                pass.check()?;
                make_like(project, into, &opened.version.dataset)?;
                let own = pass.attached(&opened.version, sealed::EVIDENCE)?;
                let origin = own.map_or_else(|| pass.attached(&opened.version, sealed::ORIGIN), |own| Ok(Some(own)))?;
                let version = project.take_in(into, |new| {
                    for (record, subject) in dataset.records.iter().zip(&subjects) {
                        interrupt::check()?;
                        new.append(subject.as_deref(), record.to_json_line().as_bytes())?;
                    }
                    new.attach("protection", &serde_json::to_vec(&report)?)?;
                    if let Some(origin) = &origin {
                        new.attach(sealed::ORIGIN, origin)?;
                    }
                    Ok::<_, anyhow::Error>(vec![opened.version.id.clone()])
                })?;
                let residual = report.residual_total();
                tell(console, &report, residual);
                let records = counted(dataset.records.len(), "record");
                let (profile, scope) = (replacer.profile(), replacer.scope());
                console.say(format_args!(
                    "sealed {records} as dataset {}, made from {}, profile {profile}, scope {scope}",
                    version.id, opened.version.id
                ));
                console.say("its privacy budget is that of what it was made from");
                let mut fields = Map::new();
                fields.insert("version".into(), json!(version.id));
                fields.insert("made_from".into(), json!([opened.version.id]));
                fields.insert("profile".into(), json!(profile));
                fields.insert("policy".into(), json!(self.policy));
                fields.insert("scope".into(), json!(scope));
                fields.insert("not_searched_for".into(), json!(NOT_SEARCHED_FOR));
                fields.insert("detection".into(), serde_json::to_value(&detection)?);
                if let Value::Object(counts) = serde_json::to_value(&report)? {
                    fields.extend(counts);
                }
                let (verdict, exit) =
                    if residual == 0 { ("passed", Exit::Passed) } else { ("residual", Exit::Refused) };
                console.document(verdict, fields)?;
                Ok(exit)
            })
        })
    }

    /// What the result is in law, and who can undo it.
    fn state(&self, policy: &Policy) -> String {
        let kind = match policy.profile() {
            _ if policy.encrypts() => "encrypted",
            Profile::GdprPseudonymise => "pseudonymised",
            _ => "replaced where it was found, may still be personal data",
        };
        let key = match &self.key {
            Some(key) => format!(", key held in {}", key.display()),
            None if is_undone_by_key(policy) => ", key not kept".to_owned(),
            None => String::new(),
        };
        let map = self.map.as_ref().map_or(String::new(), |map| format!(", map held in {}", map.display()));
        format!("{kind}{key}{map}")
    }

    fn say_what_stands(&self, console: &Console, policy: &Policy, state: &str) {
        if policy.random_table() {
            console.say("surrogates came from a random table and are derived from nothing; another run draws others");
        } else if self.key.is_none() && policy.draws() {
            console.say("the key was fresh and is forgotten: another run replaces differently; --key FILE keeps it");
        }
        if policy.profile() == Profile::HipaaSafeHarbor {
            console.say("the Safe Harbor covers what was found here, and asks for more: see docs/guides/protect.md");
        }
        if let Some(map) = &self.map {
            console.say(format_args!("wrote {}: with it the replacement can be undone", map.display()));
        }
        console.say(format_args!("not searched for, and left as they are: {}", NOT_SEARCHED_FOR.join("; ")));
        let why = match is_undone_by_key(policy) {
            true => "this is personal data still (GDPR, Article 4(5))",
            false => "what no detector found, and what the text tells of a person, can still identify them",
        };
        console.say(format_args!("state: {state}; {why}"));
    }
}

/// Makes the dataset `into`, if it is not there, for the purposes of `from` and as sensitive.
fn make_like(project: &Project, into: &Id, from: &str) -> anyhow::Result<()> {
    if into.as_str() == from {
        let hint = "choose another name: what is protected is another dataset, which others may use";
        return Err(Usage::new("a dataset is not protected into itself", hint).into());
    }
    if project.dataset(into)?.is_some() {
        return Ok(());
    }
    let from = project.dataset(&from.parse()?)?;
    let Some(from) = from else { return Ok(()) };
    let purposes = from.purposes.iter().map(str::parse).collect::<Result<_, _>>()?;
    Ok(project.add_dataset(into, from.sensitivity.parse()?, &purposes)?)
}

/// The form that a name's ending promises, where it is none of ours.
fn other_form(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" => Some("CSV"),
        "tsv" => Some("TSV"),
        "parquet" => Some("Parquet"),
        "arrow" | "feather" | "ipc" => Some("Arrow"),
        "gz" | "zst" => Some("compressed"),
        _ => None,
    }
}

/// What no detector looks for, under any profile.
const NOT_SEARCHED_FOR: [&str; 2] = [
    "special categories of personal data (GDPR, Article 9), such as health, religion and sexual orientation",
    "criminal convictions and offences (GDPR, Article 10)",
];

/// Whether the result is pseudonymised or encrypted as such, so that whoever has the key can go back.
fn is_undone_by_key(policy: &Policy) -> bool {
    policy.encrypts() || policy.profile() == Profile::GdprPseudonymise
}

fn tell(console: &Console, report: &ProtectReport, residual: usize) {
    let counts = [&report.found, &report.found_later, &report.replaced, &report.residual];
    let labels: BTreeSet<&Label> = counts.iter().flat_map(|counts| counts.keys()).collect();
    let cell = |counts: &BTreeMap<Label, usize>, label: &Label| counts.get(label).copied().unwrap_or(0).to_string();
    let row = |label: &Label| [vec![label.to_string()], counts.map(|counts| cell(counts, label)).to_vec()].concat();
    console.say(format_args!("protected {}, {} changed", counted(report.records, "record"), report.records_changed));
    if !labels.is_empty() {
        let heads = ["label", "found", "later", "replaced", "residual"];
        console.table(&heads, &labels.into_iter().map(row).collect::<Vec<_>>());
    }
    if !report.kept.is_empty() {
        let kept: Vec<String> = report.kept.iter().map(|(label, n)| format!("{n} {label}")).collect();
        console.say(format_args!("kept by the policy: {}", kept.join(", ")));
    }
    if report.identifiers_replaced > 0 {
        console.say(format_args!("pseudonyms stand in the place of {}", counted(report.identifiers_replaced, "id")));
    }
    if report.identifiers_kept > 0 {
        let kept = counted(report.identifiers_kept, "id");
        console.warn(format_args!("{kept} kept as they are: make sure that none identifies a person"));
    }
    if report.date_orders.mixed() {
        let orders = report.date_orders;
        console.warn(format_args!(
            "dates of both orders: {} begin with the day, {} with the month; one that fits both is read as others of its \
             record, else its subject, else the file",
            orders.day_first, orders.month_first
        ));
    }
    if report.subjects > 0 {
        console.say(format_args!("pseudonyms stand in the place of {}", counted(report.subjects, "subject")));
    }
    if report.personal_names > 0 {
        warn_of_names(console, report.personal_names);
    }
    if residual > 0 {
        let refused = console.ink(Ink::Red, "residual:");
        console.say(format_args!(
            "{refused} the detector still finds {residual} in the result; look at it before it is used"
        ));
    }
}

/// Says that names of members hold personal data, and not which: they are what someone wrote.
pub(super) fn warn_of_names(console: &Console, count: usize) {
    console.warn(format_args!(
        "{} of JSON objects with personal data in it: names are never replaced, rename them",
        counted(count, "member name")
    ));
}
