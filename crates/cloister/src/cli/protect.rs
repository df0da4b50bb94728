//! `cloister protect`: records with personal data replaced, from file to file.
//!
//! Whatever the detector still finds in the result is residual. The file is written all the same, for a person to look
//! at, and the exit code is 3: a pipeline that heeds exit codes does not go on with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cloister_text::{Detector, DetectorOptions, Label, Profile, ProtectReport, Replacer, Scope};
use serde_json::{Map, Value, json};

use super::config::{ColumnMap, Settings};
use super::console::{Console, Ink};
use super::hint::Usage;
use super::words::counted;
use super::{Exit, input};
use crate::files::{Keep, WholeFile};
use crate::interrupt;
use crate::protect::{fresh_key, read_key, write_records};

/// Arguments of `protect`.
#[derive(clap::Args)]
#[command(
    after_help = "Exit 3 if the detector still finds something in the result (residual); the file is written all the \
                        same."
)]
pub(super) struct Args {
    /// Records as JSON lines; `-` is stdin
    file: PathBuf,
    /// The protected records
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How data is replaced: surrogate, redact, mask or hash
    #[arg(long, env = "CLOISTER_PROFILE", hide_env = true)]
    profile: Option<Profile>,
    /// How far one person keeps one surrogate: document, subject or dataset
    #[arg(long, default_value = "subject")]
    scope: Scope,
    /// File with a key of 64 hexadecimal digits, for the same surrogates every time; without it, a fresh key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Names of columns, such as text=body
    #[arg(long, env = "CLOISTER_COLUMNS", value_name = "MAP", hide_env = true)]
    columns: Option<ColumnMap>,
    /// Replace FILE if it exists
    #[arg(long)]
    force: bool,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        if self.out == Path::new("-") {
            return Err(Usage::new("protected records go to a file", "give --out a name").into());
        }
        let keep = if self.force { Keep::PrivateReplacing } else { Keep::Private };
        let mut out = WholeFile::create(&self.out, keep)?;
        let key = match &self.key {
            Some(path) => read_key(path)?,
            None => fresh_key()?,
        };
        interrupt::watch();
        let profile = match self.profile {
            Some(profile) => profile,
            None => Settings::from_files()?.profile.unwrap_or_default(),
        };
        let mut dataset = input::read(console, &self.file, &input::columns(self.columns)?)?;
        let detector = Detector::new(&DetectorOptions::default())?;
        let report = cloister_text::protect(&mut dataset, &detector, &Replacer::new(key, profile, self.scope));
        interrupt::check()?;
        write_records(&dataset, &mut out)?;
        out.commit()?;
        let residual = report.residual_total();
        tell(console, &report, residual);
        console.say(format_args!("wrote {}, profile {profile}, scope {}", self.out.display(), self.scope));
        if self.key.is_none() && profile != Profile::Mask && profile != Profile::Redact {
            console.say("the key was fresh and is forgotten: another run replaces differently; --key FILE keeps it");
        }
        let mut fields = Map::new();
        fields.insert("out".into(), json!(self.out));
        fields.insert("profile".into(), json!(profile));
        fields.insert("scope".into(), json!(self.scope));
        fields.insert("key".into(), if self.key.is_some() { "given" } else { "fresh" }.into());
        if let Value::Object(counts) = serde_json::to_value(&report)? {
            fields.extend(counts);
        }
        fields.insert("findings".into(), input::findings(&dataset));
        let (verdict, exit) = if residual == 0 { ("passed", Exit::Passed) } else { ("residual", Exit::Refused) };
        console.document(verdict, fields)?;
        Ok(exit)
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
