//! `scan --sample N --review`: a person marks what the detector missed in a random sample, and the recall that follows; and
//! `scan --gold` with entities of several annotators.
//!
//! Invariants: text is shown on the terminal that the person sits at and goes nowhere else, not to stdout, not to the state
//! file; a record is sampled by a seed from the operating system, so nobody chooses what is looked at; limits are exact, and where
//! every record was reviewed there are none: nothing was drawn.

mod session;
mod state;
mod tab;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cloister_text::risk::binomial::{Interval, at_most, two_sided};
use cloister_text::risk::tab::{Share, TabScore};
use cloister_text::{Columns, Dataset, Detector, Reading};
use serde_json::{Map, Value, json};

use super::console::Console;
use super::hint::Usage;
use super::words::counted;
use super::{Exit, input};
use crate::evidence::DetectionFacts;
use crate::ingest::Date;
use crate::parallel;
use crate::progress::Unit;
use crate::scan::{Report, Scan};
use session::{Ended, Session};
use state::State;

pub(super) use tab::is_tab;

const CONFIDENCE: f64 = 0.95;

/// Flags of `scan` that begin a review.
#[derive(clap::Args)]
pub(super) struct ReviewArgs {
    /// Let a person mark in the terminal what was missed in a random sample
    #[arg(long, requires = "sample", conflicts_with_all = ["spans", "candidates", "gold"])]
    pub(super) review: bool,
    /// Records in the sample
    #[arg(long, value_name = "N", requires = "review", value_parser = super::config::whole)]
    sample: Option<usize>,
    /// Where the review is kept, without text, to go on later; without it, FILE.review.json
    #[arg(long, value_name = "STATE", requires = "review")]
    state: Option<PathBuf>,
    /// Who reviews; without it, the name of the user
    #[arg(long, value_name = "NAME", requires = "review")]
    reviewer: Option<String>,
}

impl ReviewArgs {
    /// The review, from the first sampled record or from where it was left.
    pub(super) fn run(
        &self,
        console: &Console,
        file: &Path,
        columns: &Columns,
        (detector, detection): (&Detector, DetectionFacts),
    ) -> anyhow::Result<Exit> {
        if file == Path::new("-") {
            return Err(Usage::new("a review needs its records again when it goes on", "name a file").into());
        }
        let path = self.state.clone().unwrap_or_else(|| {
            let mut name = file.as_os_str().to_owned();
            name.push(".review.json");
            name.into()
        });
        let (dataset, mut state) = self.open(console, file, columns, detection, &path)?;
        let sample: Vec<usize> = state.sampled();
        let terminal = Terminal::open()?;
        let reviewer = self.reviewer();
        if reviewer.is_none() {
            console.warn("nobody is named as the reviewer: add --reviewer NAME, or the review stands without a name");
        }
        state.sit_down(reviewer, Date::of(SystemTime::now()).to_string());
        let color = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let mut session = Session::new(&dataset, detector, &sample, color);
        let ended = session.run(&mut state, terminal.reader, terminal.writer, |state| {
            detector.check()?;
            state.write(&path)
        })?;
        let found = session.found(&state);
        detector.check()?;
        let done = ended == Ended::Done;
        tell(console, &state, &found, done);
        if !done {
            console.say(format_args!("give the same command again to go on; {} holds no text", path.display()));
        }
        let mut fields = Map::new();
        fields.insert("review".into(), report(&state, &found, &path));
        console.document(if done { "reviewed" } else { "begun" }, fields)?;
        Ok(Exit::Passed)
    }

    /// Who reviews.
    fn reviewer(&self) -> Option<String> {
        let user = || ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
        let name = self.reviewer.clone().or_else(user)?;
        let name = name.trim();
        (!name.is_empty()).then(|| name.into())
    }

    fn open(
        &self,
        console: &Console,
        file: &Path,
        columns: &Columns,
        detection: DetectionFacts,
        path: &Path,
    ) -> anyhow::Result<(Dataset, State)> {
        let before = State::read(path)?;
        let mut seal = match &before {
            Some(state) => state.seal()?,
            None => state::Seal::fresh()?,
        };
        let dataset = input::read_seen(console, file, &Reading::whole(columns), |bytes| seal.update(bytes))?;
        let asked = self.sample.unwrap_or_default();
        let state = match before {
            None => State::begin(seal, dataset.records.len(), asked, detection),
            Some(state) => {
                let same = state.continues(seal, dataset.records.len(), asked, &detection);
                same.map_err(|what| {
                    let message = format!("`{}` belongs to a review of {what}", path.display());
                    Usage::new(message, "repeat the command as it was given first, or remove the file to start anew")
                })?;
                console.say(format_args!("going on behind {}", counted(state.reviewed, "reviewed record")));
                state
            }
        };
        Ok((dataset, state))
    }
}

/// Both directions of the terminal that the person sits at, wherever stdin and stdout go.
struct Terminal {
    reader: BufReader<File>,
    writer: File,
}

impl Terminal {
    fn open() -> anyhow::Result<Self> {
        let (input, output) = if cfg!(windows) { ("CONIN$", "CONOUT$") } else { ("/dev/tty", "/dev/tty") };
        let missing = |_| Usage::new("a review needs a terminal", "run it in one, where a person can answer");
        let reader = File::open(input).map_err(missing)?;
        let writer = File::options().write(true).open(output).map_err(missing)?;
        Ok(Self { reader: BufReader::new(reader), writer })
    }
}

/// What the reviewed records hold of one label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    /// Spans that the detector found there and the person let stand.
    found: usize,
    /// Those that the person called wrong.
    wrong: usize,
    /// What the person missed.
    missed: usize,
}

impl Count {
    fn all(self) -> u64 {
        (self.found + self.missed) as u64
    }

    /// The share that was found.
    fn recall(self) -> Option<f64> {
        (self.all() > 0).then(|| self.found as f64 / self.all() as f64)
    }

    /// The limits of that share in the whole file, of which this was counted in a sample.
    fn limits(self) -> Interval {
        two_sided(self.found as u64, self.all(), CONFIDENCE)
    }
}

/// Whether nothing was drawn: what was counted is what there is.
fn is_whole(state: &State) -> bool {
    state.reviewed == state.records
}

fn report(state: &State, found: &BTreeMap<String, Count>, path: &Path) -> Value {
    let whole = is_whole(state);
    let recall = |count: &Count| {
        let (recall, limits) = (count.recall(), count.limits());
        json!({
            "found": count.found, "missed": count.missed, "wrong": count.wrong, "recall": recall,
            "lower": if whole { recall } else { Some(limits.lower) },
            "upper": if whole { recall } else { Some(limits.upper) },
        })
    };
    let all = total(found);
    let (missing, reviewed) = (state.records_with_misses() as u64, state.reviewed as u64);
    json!({
        "measured_on": {"records": state.reviewed, "sampled": state.sample, "of": state.records, "commitment": state.commitment},
        "confidence": (!whole).then_some(CONFIDENCE),
        "method": if whole { "every record was reviewed" } else { "Clopper-Pearson" },
        "by_label": found.iter().map(|(label, count)| (label.clone(), recall(count))).collect::<Map<_, _>>(),
        "all": recall(&all),
        "records_with_misses": missing,
        "records_with_misses_at_most": match whole {
            true => missing as f64 / reviewed.max(1) as f64,
            false => at_most(missing, reviewed, CONFIDENCE),
        },
        "state": path,
        "sittings": state.sittings,
    })
}

fn total(found: &BTreeMap<String, Count>) -> Count {
    found.values().fold(Count::default(), |sum, count| Count {
        found: sum.found + count.found,
        wrong: sum.wrong + count.wrong,
        missed: sum.missed + count.missed,
    })
}

fn tell(console: &Console, state: &State, found: &BTreeMap<String, Count>, done: bool) {
    let what = if done { "reviewed" } else { "reviewed so far" };
    console.say(format_args!("{what}: {} of {} sampled from {}", state.reviewed, state.sample, state.records));
    if state.reviewed == 0 {
        return;
    }
    let whole = is_whole(state);
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let row = |label: &str, count: &Count| {
        let mut cells = vec![label.to_owned()];
        cells.extend([count.found, count.missed, count.wrong].map(|number| number.to_string()));
        cells.push(count.recall().map_or("–".into(), percent));
        if !whole {
            let limits = count.limits();
            cells.extend([percent(limits.lower), percent(limits.upper)]);
        }
        cells
    };
    let mut rows: Vec<Vec<String>> = found.iter().map(|(label, count)| row(label, count)).collect();
    rows.push(row("all", &total(found)));
    let heads = ["label", "found", "missed", "wrong", "recall", "at least", "at most"];
    console.table(if whole { &heads[..5] } else { &heads }, &rows);
    let (missing, reviewed) = (state.records_with_misses() as u64, state.reviewed as u64);
    if whole {
        console.say(format_args!("records with a miss: {missing} of {reviewed}"));
        console.say("every record was reviewed: these are counts of the whole file, and no limits of a sample");
    } else {
        console.say(format_args!(
            "records with a miss: {missing} of {reviewed}; in the whole file at most {} (95 %, one-sided)",
            percent(at_most(missing, reviewed, CONFIDENCE))
        ));
        console.say(
            "limits: Clopper-Pearson, 95 %; for a label they take its spans as independent, for records they are exact",
        );
    }
    console.say("these figures depend on the data: they are for its holder and are not released with an adapter");
}

/// `scan --gold` against entities with mentions, as the Text Anonymization Benchmark labels them.
pub(super) fn score_entities(
    console: &Console,
    file: &Path,
    gold: &Path,
    columns: &Columns,
    detector: &Detector,
) -> anyhow::Result<Exit> {
    let mut gold_records = tab::Gold::read(gold)?;
    let mut source = input::source(file)?;
    let scan = Scan { detector, report: Report::Found, columns, strict: false, threads: parallel::cores() };
    let mut progress = console.progress("scanning", source.total_bytes(), Unit::Bytes);
    let mut score = TabScore::default();
    let (_, findings) = scan.run(&mut source, &mut progress, |line| -> anyhow::Result<()> {
        gold_records.compare(&line, &mut score);
        Ok(())
    })?;
    drop(progress);
    input::tell(console, &findings);
    let rows = [
        ("direct identifiers", score.direct_entities),
        ("quasi-identifiers", score.quasi_entities),
        ("direct mentions", score.direct_mentions),
        ("quasi mentions", score.quasi_mentions),
    ];
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let cells = |name: &str, share: Share| {
        let limits = two_sided(share.found as u64, share.of as u64, CONFIDENCE);
        let value = share.value().map_or("–".into(), percent);
        vec![
            name.into(),
            share.found.to_string(),
            share.of.to_string(),
            value,
            percent(limits.lower),
            percent(limits.upper),
        ]
    };
    console.say(format_args!(
        "against {}, {} and {}; an entity is found when all its mentions are covered:",
        gold.display(),
        counted(score.documents, "document"),
        counted(score.annotations, "annotation")
    ));
    console.table(&["", "found", "of", "recall", "at least", "at most"], &rows.map(|(name, share)| cells(name, share)));
    let precision = score.token_precision.value().map_or("–".into(), percent);
    console.say(format_args!("token precision {precision} of {}", counted(score.token_precision.of, "covered word")));
    if gold_records.left() > 0 {
        console.warn(format_args!("{} of the gold file are not in the data", counted(gold_records.left(), "document")));
    }
    let share = |share: Share| {
        let limits = two_sided(share.found as u64, share.of as u64, CONFIDENCE);
        json!({"found": share.found, "of": share.of, "share": share.value(), "lower": limits.lower, "upper": limits.upper})
    };
    let mut fields = Map::new();
    fields.insert(
        "gold".into(),
        json!({
            "criterion": "an entity is found when every letter and digit of all its mentions is covered, whatever the label",
            "measured_on": {"documents": score.documents, "annotations": score.annotations},
            "documents_not_scanned": gold_records.left(),
            "direct_entities": share(score.direct_entities),
            "quasi_entities": share(score.quasi_entities),
            "direct_mentions": share(score.direct_mentions),
            "quasi_mentions": share(score.quasi_mentions),
            "token_precision": share(score.token_precision),
        }),
    );
    console.document("scored", fields)?;
    Ok(Exit::Passed)
}

/// Writes to the terminal; one that is gone ends the review, with its state kept.
fn put(out: &mut impl Write, text: &str) -> anyhow::Result<()> {
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
