//! Settings from four places: flag, then `CLOISTER_*`, then `./cloister.toml`, then the user's `config.toml`.
//!
//! Invariants: one list of keys serves all four; an unknown key is an error, for a misspelt `epsilon` must not mean
//! "the default"; policy is not here. A setting can weaken a result (`keep`, `threshold`, `epsilon`), so every verb that heeds
//! the files says so, and the figures of a run name what they were made with.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use cloister_model::{Kernels, Precision};
use cloister_text::quality::QualityOptions;
use cloister_text::{Columns, Profile};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::console::Console;
use super::detection::{Threshold, share, thresholds};
use super::hint::Usage;
use crate::ingest::Declared;
use crate::pull::{Base, find_base};
use crate::release::Exports;

/// What the user chose; an absent value means that the stage decides.
///
/// Flatten it into a verb's `Args` and call [`Settings::resolve`]: clap has then merged flag and environment.
#[derive(clap::Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// Base model: a pulled name, a GGUF file or a Hugging Face folder
    #[arg(long, env = "CLOISTER_BASE", value_name = "MODEL", hide_env = true)]
    pub base: Option<String>,
    /// Precision in which the frozen base is kept: `f32` (the default), `bf16`, `q8` or `q4`
    #[arg(long, env = "CLOISTER_BASE_PRECISION", value_name = "PRECISION", hide_env = true)]
    #[serde(default, deserialize_with = "parsed")]
    pub base_precision: Option<Precision>,
    /// Who computes: `fused`, the kernels made for this, or `composed`, the same from a tensor library's own operations
    #[arg(long, env = "CLOISTER_KERNELS", value_name = "KERNELS", hide_env = true)]
    #[serde(default, deserialize_with = "parsed")]
    pub kernels: Option<Kernels>,
    /// Most memory of a training run, such as `1GiB`; slower ways to train are taken if they are needed
    #[arg(long, env = "CLOISTER_MEMORY", value_name = "SIZE", hide_env = true)]
    #[serde(default, deserialize_with = "parsed")]
    pub memory: Option<Memory>,
    /// Privacy budget epsilon, above 0
    #[arg(long, env = "CLOISTER_EPSILON", value_name = "E", hide_env = true, allow_negative_numbers = true, value_parser = positive)]
    pub epsilon: Option<f64>,
    /// Failure probability delta, between 0 and 1; without it, one that fits the number of records
    #[arg(long, env = "CLOISTER_DELTA", value_name = "D", hide_env = true, allow_negative_numbers = true, value_parser = probability)]
    pub delta: Option<f64>,
    /// Planned batch size: the mean of the Poisson sampler, or the size of shuffled batches [default: a fortieth of the
    /// records or subjects, at most 1024]
    #[arg(long, env = "CLOISTER_BATCH", value_name = "B", hide_env = true, value_parser = whole)]
    pub batch: Option<usize>,
    /// How batches are drawn: `poisson` (the default), `truncated-poisson` (none above --max-batch) or `shuffle` (no
    /// amplification)
    #[arg(long, env = "CLOISTER_SAMPLING", value_name = "HOW", hide_env = true, hide_possible_values = true)]
    pub sampling: Option<Sampling>,
    /// Largest batch of truncated Poisson sampling; without it, one that costs next to no epsilon
    #[arg(long, env = "CLOISTER_MAX_BATCH", value_name = "B", hide_env = true, value_parser = whole)]
    pub max_batch: Option<usize>,
    /// Training steps [default: 16]
    #[arg(long, env = "CLOISTER_STEPS", value_name = "T", hide_env = true, value_parser = whole)]
    pub steps: Option<usize>,
    /// Norm to which each example's gradient is clipped [default: 0.5]
    #[arg(long, env = "CLOISTER_CLIP_NORM", value_name = "C", hide_env = true, allow_negative_numbers = true, value_parser = positive)]
    pub clip_norm: Option<f64>,
    /// Learning rate at its highest [default: 0.024 for up to two targets, 0.006 for more]
    #[arg(long, env = "CLOISTER_LEARNING_RATE", value_name = "RATE", hide_env = true, allow_negative_numbers = true, value_parser = positive)]
    pub learning_rate: Option<f64>,
    /// How the rate goes over the steps: `linear` (falling, the default), `constant` or `cosine`
    #[arg(long, env = "CLOISTER_SCHEDULE", value_name = "FORM", hide_env = true, hide_possible_values = true)]
    pub schedule: Option<Schedule>,
    /// Steps in which the rate rises before the first at the full rate [default: 0]
    #[arg(long, env = "CLOISTER_WARMUP", value_name = "STEPS", hide_env = true)]
    pub warmup: Option<usize>,
    /// What one change of the data is: `record` (the default) or `subject`
    #[arg(long, env = "CLOISTER_UNIT", value_name = "UNIT", hide_env = true, hide_possible_values = true)]
    pub unit: Option<Unit>,
    /// Adapted matrices: `qv`, `all`, or a list such as `q,k,v,o` [default: qv]
    #[arg(long, env = "CLOISTER_TARGETS", value_name = "LIST", hide_env = true)]
    pub targets: Option<String>,
    /// Rank of the adapter [default: 8]
    #[arg(long, env = "CLOISTER_RANK", value_name = "R", hide_env = true, value_parser = whole)]
    pub rank: Option<usize>,
    /// Scale of the adapter, applied as alpha / rank [default: twice the rank]
    #[arg(long, env = "CLOISTER_ALPHA", value_name = "ALPHA", hide_env = true, value_parser = whole)]
    pub alpha: Option<usize>,
    /// Longest example in tokens [default: 512, or the base's context if that is less]
    #[arg(long, env = "CLOISTER_MAX_TOKENS", value_name = "N", hide_env = true, value_parser = whole)]
    pub max_tokens: Option<usize>,
    /// What happens to a longer example: `truncate` (the default) or `refuse`
    #[arg(long, env = "CLOISTER_LENGTH", value_name = "RULE", hide_env = true, hide_possible_values = true)]
    pub length: Option<Length>,
    /// Names of the record's parts in the data: `prompt=question,completion=answer`; quotation marks go around a name with a
    /// comma or an equals sign
    #[arg(long, env = "CLOISTER_COLUMNS", value_name = "MAP", hide_env = true)]
    #[serde(default, deserialize_with = "column_map")]
    pub columns: Option<ColumnMap>,
    /// How personal data is replaced: `surrogate` (the default), `redact`, `mask`, `hash`, `hipaa-safe-harbor` or `gdpr-pseudonymise`
    #[arg(long, env = "CLOISTER_PROFILE", value_name = "PROFILE", hide_env = true)]
    pub profile: Option<Profile>,
    /// Lowest score of personal data that counts, 0 to 1: of all labels, or LABEL=SCORE of one; repeat it, or use a comma
    #[arg(long, env = "CLOISTER_THRESHOLD", value_name = "SCORE", hide_env = true, value_delimiter = ',')]
    #[serde(default, deserialize_with = "thresholds")]
    pub threshold: Option<Vec<Threshold>>,
    /// Countries whose national numbers, telephones and addresses are searched for, such as us,gb,de; without it, all
    #[arg(long, env = "CLOISTER_LOCALES", value_name = "LIST", hide_env = true, value_delimiter = ',')]
    pub locales: Option<Vec<String>>,
    /// What a missed name costs, where a false one costs the rest to 1; more finds more names, and more that are none
    #[arg(long, env = "CLOISTER_RECALL", value_name = "R", hide_env = true, value_parser = share)]
    pub recall: Option<f32>,
    /// Texts that are nobody's personal data, such as the name of your company; repeat it, or use a comma
    #[arg(long, env = "CLOISTER_KEEP", value_name = "TEXT", hide_env = true, value_delimiter = ',')]
    pub keep: Option<Vec<String>>,
    /// Folder of a BERT token classifier that looks for personal data too
    #[arg(long, env = "CLOISTER_CLASSIFIER", value_name = "DIR", hide_env = true)]
    pub classifier: Option<PathBuf>,
    /// Public records on which the result is evaluated
    #[arg(long, env = "CLOISTER_EVALUATION", value_name = "FILE", hide_env = true)]
    pub evaluation: Option<PathBuf>,
    /// Folder for the course of the run: metrics.jsonl, and an event file for TensorBoard
    #[arg(long, env = "CLOISTER_METRICS", value_name = "DIR", hide_env = true)]
    pub metrics: Option<PathBuf>,
    /// Other forms of the adapter, as a list: `gguf`, `merged` (or `merged:f32`), `ollama`
    #[arg(long, env = "CLOISTER_EXPORT", value_name = "LIST", hide_env = true)]
    pub export: Option<Exports>,
    /// Folder of the result
    #[arg(long, env = "CLOISTER_OUT", value_name = "DIR", hide_env = true)]
    pub out: Option<PathBuf>,
    /// What is declared about the dataset; flags of `ingest` come before it
    #[arg(skip)]
    pub dataset: Option<Declared>,
    /// What `ingest` looks for in records
    #[arg(skip)]
    pub quality: Option<QualityOptions>,
}

fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

/// A table of parts and names, or the text of the flag.
fn column_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ColumnMap>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "must read columns = { prompt = \"question\" }, or \"prompt=question\"")]
    enum Written {
        Flag(String),
        Table(Box<Columns>),
    }
    match Written::deserialize(deserializer)? {
        Written::Flag(text) => text.parse().map(Some).map_err(D::Error::custom),
        Written::Table(columns) => Ok(Some(ColumnMap(*columns))),
    }
}

/// Bytes, written with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory(pub u64);

impl FromStr for Memory {
    type Err = &'static str;

    /// A number and `kB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be a size such as 1GiB or 800MB";
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(wrong)?;
        let (number, unit) = text.split_at(end);
        let size: f64 = number.parse().map_err(|_| wrong)?;
        let unit = unit.trim();
        let base: f64 = if unit.ends_with("iB") { 1024.0 } else { 1000.0 };
        let power = match unit.strip_suffix("iB").or(unit.strip_suffix('B')) {
            Some("k" | "K") => 1,
            Some("M") => 2,
            Some("G") => 3,
            Some("T") => 4,
            _ => return Err(wrong),
        };
        let bytes = size * base.powi(power);
        if bytes >= 1.0 && bytes < 2f64.powi(60) { Ok(Self(bytes as u64)) } else { Err(wrong) }
    }
}

/// The privacy unit as named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// One record more or less
    Record,
    /// One person with all their records more or less
    Subject,
}

/// The form of the learning rate after warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// The full rate to the end
    Constant,
    /// Falling in equal steps
    #[default]
    Linear,
    /// Falling along half a cosine
    Cosine,
}

/// How the units of a step are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// Each unit by itself, with one probability
    #[default]
    Poisson,
    /// The same, and batches above the largest are cut at random
    TruncatedPoisson,
    /// Passes over shuffled data, accounted without amplification
    Shuffle,
}

/// What happens to an example longer than `max_tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// Keep its end
    Truncate,
    /// Stop and name it
    Refuse,
}

/// Names of columns and roles in the data, as `cloister_text` takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ColumnMap(pub Columns);

impl FromStr for ColumnMap {
    type Err = String;

    /// `prompt=question,completion=answer,roles.agent=assistant`
    fn from_str(text: &str) -> Result<Self, String> {
        let mut columns = serde_json::Map::new();
        let mut roles = serde_json::Map::new();
        for item in items(text) {
            let Some((part, column)) = item.split_once('=').map(|(part, column)| (part.trim(), column.trim())) else {
                return Err("each item must read part=column".into());
            };
            let column = column.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(column).trim();
            match part.strip_prefix("roles.") {
                Some(role) => roles.insert(role.into(), column.into()),
                None => columns.insert(part.into(), column.into()),
            };
        }
        if !roles.is_empty() {
            columns.insert("roles".into(), roles.into());
        }
        serde_json::from_value(columns.into()).map(ColumnMap).map_err(|error| error.to_string())
    }
}

/// The pieces between commas that stand outside quotation marks.
fn items(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
}

macro_rules! keys {
    ($($key:ident),+ $(,)?) => {
        const KEYS: &[&str] = &[$(stringify!($key)),+];

        impl Settings {
            /// These settings, with the gaps filled from `weaker` ones.
            pub fn or(self, weaker: Settings) -> Settings {
                Settings { $($key: self.$key.or(weaker.$key)),+ }
            }
        }
    };
}

keys!(
    base,
    base_precision,
    kernels,
    memory,
    epsilon,
    delta,
    batch,
    sampling,
    max_batch,
    steps,
    clip_norm,
    learning_rate,
    schedule,
    warmup,
    unit,
    targets,
    rank,
    alpha,
    max_tokens,
    length,
    columns,
    profile,
    threshold,
    locales,
    recall,
    keep,
    classifier,
    evaluation,
    metrics,
    export,
    out,
    dataset,
    quality,
);

impl Settings {
    /// These settings (flags and environment), then the project's file, then the user's.
    ///
    /// # Errors
    /// If a file is not one of settings, or a variable of the environment is misspelt.
    pub fn resolve(self) -> anyhow::Result<Settings> {
        known_variables()?;
        Ok(self.or(Settings::from_files()?))
    }

    /// The base that these settings name.
    pub fn find_base(&self) -> anyhow::Result<Base> {
        let Some(name) = &self.base else {
            let hint = "add --base NAME, or `base = \"NAME\"` to cloister.toml";
            return Err(Usage::new("no base model is named", hint).into());
        };
        Ok(find_base(name)?)
    }

    /// The settings of `./cloister.toml` and the user's `config.toml`, whichever exist.
    pub fn from_files() -> anyhow::Result<Settings> {
        let project = Settings::read(Path::new("cloister.toml"))?;
        let user = match user_config() {
            Some(path) => Settings::read(&path)?,
            None => Settings::default(),
        };
        Ok(project.or(user))
    }

    /// The settings of one file; none if it does not exist.
    fn read(path: &Path) -> anyhow::Result<Settings> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Settings::parse(path, &text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
            Err(error) => Err(crate::Error::read(path)(error).into()),
        }
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Settings, Usage> {
        let place = |error: &toml::de::Error| match error.span() {
            Some(span) => format!("`{}` line {}", path.display(), text[..span.start].matches('\n').count() + 1),
            None => format!("`{}`", path.display()),
        };
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            Usage::new(
                format!("{}: {}", place(&error), error.message()),
                "the file must be TOML, such as `epsilon = 8.0`",
            )
        })?;
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let message = format!("`{}`: unknown key `{key}`", path.display());
            return Err(Usage::new(message, advice_for_key(key)));
        }
        let settings: Settings = toml::from_str(text).map_err(|error| {
            let wrong = table.iter().find(|(key, value)| {
                let alone = toml::Table::from_iter([((*key).clone(), (*value).clone())]);
                alone.try_into::<Settings>().is_err()
            });
            let hint = where_to_read(wrong.map_or("", |(key, _)| key));
            Usage::new(format!("{}: {}", place(&error), in_words(error.message())), hint)
        })?;
        settings.check(path)?;
        Ok(settings)
    }

    /// The limits that the flags' parsers put on numbers.
    fn check(&self, path: &Path) -> Result<(), Usage> {
        let positive = |key: &'static str, value: Option<f64>| (key, value.is_none_or(|v| v.is_finite() && v > 0.0));
        let whole = |key: &'static str, value: Option<usize>| (key, value.is_none_or(|v| v > 0));
        let checks = [
            positive("epsilon", self.epsilon),
            positive("clip_norm", self.clip_norm),
            positive("learning_rate", self.learning_rate),
            whole("batch", self.batch),
            whole("max_batch", self.max_batch),
            whole("steps", self.steps),
            whole("rank", self.rank),
            whole("alpha", self.alpha),
            whole("max_tokens", self.max_tokens),
        ];
        if let Some((key, _)) = checks.iter().find(|(_, good)| !good) {
            return Err(Usage::new(format!("`{}`: `{key}` must be above 0", path.display()), "correct the file"));
        }
        if self.recall.is_some_and(|recall| !(0.0..=1.0).contains(&recall)) {
            return Err(Usage::new(format!("`{}`: `recall` must be from 0 to 1", path.display()), "correct the file"));
        }
        if self.delta.is_some_and(|delta| !(delta > 0.0 && delta < 1.0)) {
            return Err(Usage::new(
                format!("`{}`: `delta` must be between 0 and 1", path.display()),
                "correct the file",
            ));
        }
        Ok(())
    }
}

/// Says where settings come from beside the flags: what somebody left in a folder must not change a result unseen.
pub(super) fn tell_places(console: &Console) {
    let places = places();
    if !places.is_empty() {
        console.say(format_args!("settings of {} count where no flag says otherwise", places.join(", ")));
    }
}

/// Variables that are set, files that are there.
fn places() -> Vec<String> {
    let variables = KEYS.iter().map(|key| variable(key)).filter(|name| std::env::var_os(name).is_some());
    let files =
        [Some(PathBuf::from("cloister.toml")), user_config()].into_iter().flatten().filter(|path| path.is_file());
    variables.chain(files.map(|path| format!("`{}`", path.display()))).collect()
}

fn variable(key: &str) -> String {
    format!("CLOISTER_{}", key.to_uppercase())
}

/// Refuses a variable that is one or two letters away from a setting's: it would be passed over without a word.
fn known_variables() -> Result<(), Usage> {
    for (name, _) in std::env::vars_os() {
        let Some(key) = name.to_str().and_then(|name| name.strip_prefix("CLOISTER_")).map(str::to_lowercase) else {
            continue;
        };
        if !KEYS.contains(&key.as_str())
            && let Some(meant) = nearest_key(&key)
        {
            let message = format!("`{}` of the environment is no setting", variable(&key));
            return Err(Usage::new(message, format!("did you mean `{}`?", variable(meant))));
        }
    }
    Ok(())
}

/// Where it is said what a key takes.
fn where_to_read(key: &str) -> &'static str {
    match key {
        "dataset" => "see `cloister ingest --help`, and docs/guides/ingest.md for what [dataset] takes",
        "quality" => "see docs/guides/ingest.md for what [quality] takes",
        "threshold" | "locales" | "recall" | "keep" | "classifier" => {
            "see `cloister scan --help` for what each key takes"
        }
        "profile" => "see `cloister protect --help` for what each key takes",
        _ => "see `cloister train --help` for what each key takes",
    }
}

/// The file reader's message in the words of its user.
fn in_words(message: &str) -> String {
    let words = [
        ("expected usize", "expected a whole number"),
        ("expected u64", "expected a whole number"),
        ("expected f64", "expected a number"),
        ("expected f32", "expected a number"),
        ("expected a sequence", "expected a list such as [\"a\", \"b\"]"),
    ];
    words.iter().fold(message.to_owned(), |message, (from, to)| message.replace(from, to))
}

/// A finite number above 0, as flags give it.
pub fn positive(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        Ok(_) => Err("must be a finite number above 0".into()),
        Err(_) => Err("not a number".into()),
    }
}

/// A number strictly between 0 and 1.
pub fn probability(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        Ok(_) => Err("must be between 0 and 1".into()),
        Err(_) => Err("not a number".into()),
    }
}

/// A whole number above 0.
pub fn whole(text: &str) -> Result<usize, String> {
    match text.trim().parse::<usize>() {
        Ok(0) | Err(_) => Err("must be a whole number above 0".into()),
        Ok(value) => Ok(value),
    }
}

fn user_config() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let folder = folder.or_else(|| Some(std::env::home_dir()?.join(".config")))?;
    Some(folder.join("cloister").join("config.toml"))
}

fn advice_for_key(key: &str) -> String {
    match nearest_key(key) {
        Some(known) => format!("did you mean `{known}`?"),
        None if key == "sigma" || key == "threads" => format!("give --{key} on the command line"),
        None => format!("known keys: {}", KEYS.join(", ")),
    }
}

/// The key that somebody meant who wrote `key`.
fn nearest_key(key: &str) -> Option<&'static str> {
    let nearest = KEYS.iter().min_by_key(|known| distance(known, key))?;
    (distance(nearest, key) <= 1 + nearest.len() / 4).then_some(nearest)
}

/// Levenshtein's distance, with one row of the table.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, l) in left.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (column, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn parse(text: &str) -> Result<Settings, Usage> {
        Settings::parse(Path::new("cloister.toml"), text)
    }

    #[test]
    fn the_stronger_source_wins_key_by_key() {
        let project = parse("epsilon = 4\nunit = \"subject\"\n[columns]\nprompt = \"question\"").unwrap();
        let user = parse("epsilon = 8.0\nbatch = 32").unwrap();
        let merged = Settings { steps: Some(10), ..Settings::default() }.or(project).or(user);
        assert_eq!((merged.epsilon, merged.batch, merged.steps), (Some(4.0), Some(32), Some(10)));
        assert_eq!(merged.unit, Some(Unit::Subject));
        assert_eq!(merged.columns, Some("prompt=question".parse().unwrap()));
    }

    #[test]
    fn columns_read_the_same_from_a_flag_and_a_file() {
        let flag: ColumnMap = "messages=talk,roles.agent=assistant".parse().unwrap();
        let file = parse("[columns]\nmessages = \"talk\"\nroles = { agent = \"assistant\" }").unwrap().columns.unwrap();
        assert_eq!(flag, file);
        assert!("promt=question".parse::<ColumnMap>().is_err());
        assert!("prompt".parse::<ColumnMap>().is_err());
    }

    #[test]
    fn a_misspelt_key_is_an_error_that_knows_better() {
        let error = parse("epsilom = 8").unwrap_err();
        assert_eq!(error.to_string(), "`cloister.toml`: unknown key `epsilom`");
        assert_eq!(error.hint, "did you mean `epsilon`?");
        assert!(parse("telemetry = true").unwrap_err().hint.starts_with("known keys: base, "));
    }

    #[test]
    fn an_error_names_its_line() {
        let error = parse("batch = 4\nunit = \"person\"").unwrap_err().to_string();
        assert!(error.starts_with("`cloister.toml` line 2: ") && !error.contains('\n'), "{error}");
        let error = parse("batch = 4\nunit = \n").unwrap_err().to_string();
        assert!(error.starts_with("`cloister.toml` line 2: ") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn an_error_names_the_verb_that_says_more() {
        for (text, verb) in [
            ("epsilon = 'x'", "cloister train --help"),
            ("epsilon = 4\n[dataset]\nretention = 24", "cloister ingest --help"),
            ("[dataset]\nrequire = ['shoe size']", "cloister ingest --help"),
            ("[quality]\nnear = 'much'", "what [quality] takes"),
            ("[quality]\nlevels = { empty = 'perhaps' }", "what [quality] takes"),
            ("locales = 3", "cloister scan --help"),
            ("profile = 'blank'", "cloister protect --help"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.hint.contains(verb), "{text}: {}", error.hint);
        }
    }

    #[test]
    fn a_file_obeys_the_limits_of_the_flags() {
        for text in
            ["epsilon = 0", "epsilon = nan", "epsilon = inf", "delta = 1.0", "delta = nan", "steps = 0", "rank = -1"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
