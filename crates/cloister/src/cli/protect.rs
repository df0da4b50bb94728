//! `cloister protect`: records with personal data replaced, from file to file, and back where it was encrypted.
//!
//! Whatever the detector still finds in the result is residual. The file is written all the same, for a person to look
//! at, and the exit code is 3: a pipeline that heeds exit codes does not go on with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use cloister_text::{Detector, DetectorOptions, Label, Policy, Profile, ProtectReport, Replacer, Scope, Sealer};
use serde_json::{Map, Value, json};

use super::config::{ColumnMap, Settings};
use super::console::{Console, Ink};
use super::hint::Usage;
use super::words::counted;
use super::{Exit, classifier, input};
use crate::files::{Keep, WholeFile};
use crate::interrupt;
use crate::protect::{self, fresh_key, read_key, restore, write_map, write_records, write_sealed};

/// Arguments of `protect`.
#[derive(clap::Args)]
#[command(
    after_help = "Exit 3 if the detector still finds something in the result (residual); the file is written all the \
                        same. Exit 4 if a file cannot be restored: no key, another key, or a file that was changed."
)]
pub(super) struct Args {
    /// Records as JSON lines; `-` is stdin
    file: PathBuf,
    /// The protected records
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
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
    /// Texts that are nobody's personal data, such as the name of your company; repeat it, or use a comma
    #[arg(long, env = "CLOISTER_KEEP", value_name = "TEXT", hide_env = true, value_delimiter = ',')]
    keep: Option<Vec<String>>,
    /// Folder of a BERT token classifier that looks for personal data too
    #[arg(long, env = "CLOISTER_CLASSIFIER", value_name = "DIR", hide_env = true)]
    classifier: Option<PathBuf>,
    /// Names of columns, such as text=body
    #[arg(long, env = "CLOISTER_COLUMNS", value_name = "MAP", hide_env = true)]
    columns: Option<ColumnMap>,
    /// Replace FILE if it exists
    #[arg(long)]
    force: bool,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        for file in [Some(&self.out), self.map.as_ref()].into_iter().flatten() {
            if file == Path::new("-") {
                return Err(Usage::new("protected records go to a file", "give --out a name").into());
            }
        }
        if self.map.as_ref() == Some(&self.out) {
            return Err(Usage::new("records and map are one file", "give --map another name").into());
        }
        if self.restore {
            return self.undo(console);
        }
        let policy = self.policy()?;
        let mut out = self.create(&self.out)?;
        let mut map = self.map.as_deref().map(|path| self.create(path)).transpose()?;
        let key = match &self.key {
            Some(path) => read_key(path)?,
            None => fresh_key()?,
        };
        interrupt::watch();
        let replacer = Replacer::by_policy(key, policy);
        let replacer = if map.is_some() { replacer.with_map() } else { replacer };
        let restores = replacer.policy().restores();
        let mut source = Vec::new();
        let mut dataset = input::read_seen(console, &self.file, &input::columns(self.columns.clone())?, |bytes| {
            if restores {
                source.extend_from_slice(bytes);
            }
        })?;
        let keep = input::keep(self.keep.clone())?;
        let detector = Detector::new(&DetectorOptions { keep, ..DetectorOptions::default() })?;
        let folder = classifier::folder(self.classifier.clone())?;
        let (detector, classifier) = classifier::join(console, detector, folder.as_deref())?;
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
        self.say_what_stands(console, replacer.policy(), state.as_deref());
        let mut fields = Map::new();
        fields.insert("out".into(), json!(self.out));
        fields.insert("profile".into(), json!(replacer.profile()));
        fields.insert("policy".into(), json!(self.policy));
        if let Some(facts) = &classifier {
            fields.insert("classifier".into(), serde_json::to_value(facts)?);
        }
        fields.insert("scope".into(), json!(replacer.scope()));
        fields.insert("key".into(), if self.key.is_some() { "given" } else { "fresh" }.into());
        fields.insert("random_table".into(), replacer.policy().random_table().into());
        fields.insert("map".into(), json!(self.map));
        fields.insert("state".into(), json!(state));
        if let Value::Object(counts) = serde_json::to_value(&report)? {
            fields.extend(counts);
        }
        fields.insert("findings".into(), input::findings(&dataset));
        let (verdict, exit) = if residual == 0 { ("passed", Exit::Passed) } else { ("residual", Exit::Refused) };
        console.document(verdict, fields)?;
        Ok(exit)
    }

    /// The profile, as the file changes it; refused where the other flags do not fit it.
    fn policy(&self) -> anyhow::Result<Policy> {
        let profile = match self.profile {
            Some(profile) => profile,
            None => Settings::from_files()?.profile.unwrap_or_default(),
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
    fn undo(self, console: &Console) -> anyhow::Result<Exit> {
        let Some(key) = &self.key else { return Err(protect::Error::NoKey.into()) };
        let mut out = self.create(&self.out)?;
        let sealer = Sealer::new(&read_key(key)?);
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
        console.say(format_args!("restored {} to {}", counted(records, "record"), self.out.display()));
        let mut fields = Map::new();
        fields.insert("out".into(), json!(self.out));
        fields.insert("records".into(), json!(records));
        console.document("restored", fields)?;
        Ok(Exit::Passed)
    }

    /// What the result is in law while someone has the means to undo it.
    fn state(&self, policy: &Policy) -> Option<String> {
        let kind = match policy.profile() {
            _ if policy.encrypts() => "encrypted",
            Profile::GdprPseudonymise => "pseudonymised",
            _ => return None,
        };
        let key = match &self.key {
            Some(key) => format!("key held in {}", key.display()),
            None => "key not kept".to_owned(),
        };
        let map = self.map.as_ref().map_or(String::new(), |map| format!(", map held in {}", map.display()));
        Some(format!("{kind}, {key}{map}"))
    }

    fn say_what_stands(&self, console: &Console, policy: &Policy, state: Option<&str>) {
        console.say(format_args!(
            "wrote {}, profile {}, scope {}",
            self.out.display(),
            policy.profile(),
            policy.scope()
        ));
        if let Some(state) = state {
            console.say(format_args!("{state}; this is personal data still (GDPR, Article 4(5))"));
        }
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
    }
}

fn tell(console: &Console, report: &ProtectReport, residual: usize) {
    let labels: BTreeSet<&Label> =
        report.found.keys().chain(report.replaced.keys()).chain(report.residual.keys()).collect();
    let cell = |counts: &BTreeMap<Label, usize>, label: &Label| counts.get(label).copied().unwrap_or(0).to_string();
    let row = |label: &Label| {
        let counts = [&report.found, &report.replaced, &report.residual];
        [vec![label.to_string()], counts.map(|counts| cell(counts, label)).to_vec()].concat()
    };
    console.say(format_args!("protected {} records, {} changed", report.records, report.records_changed));
    if !labels.is_empty() {
        console.table(&["label", "found", "replaced", "residual"], &labels.into_iter().map(row).collect::<Vec<_>>());
    }
    if !report.kept.is_empty() {
        let kept: Vec<String> = report.kept.iter().map(|(label, n)| format!("{n} {label}")).collect();
        console.say(format_args!("kept by the policy: {}", kept.join(", ")));
    }
    if report.identifiers_replaced > 0 {
        console.say(format_args!("{} ids were personal data and are now pseudonyms", report.identifiers_replaced));
    }
    if report.subjects > 0 {
        console.say(format_args!("{} subjects are now pseudonyms", report.subjects));
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
