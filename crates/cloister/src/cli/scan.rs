//! `cloister scan`: what personal data and secrets are in the records, by label, never by content.

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::config::{self, ColumnMap, whole};
use super::console::{Console, Ink};
use super::detection::DetectionArgs;
use super::hint::Usage;
use super::review::{self, ReviewArgs};
use super::{Exit, input};
use crate::files::{Keep, WholeFile, human_bytes};
use crate::progress::Unit;
use crate::scan::{Gold, RecordSpans, Report, Scan, Score, Summary, write_line};
use crate::{interrupt, parallel};

/// Arguments of `scan`.
#[derive(clap::Args)]
#[command(
    after_help = "Spans: {\"id\",\"spans\":[{\"start\",\"end\",\"label\",\"score\"}]} per record, offsets in Unicode code \
                  points; \"kind\" where there is a finer one; \"field\" (JSON pointer) except in {\"id\",\"text\"} \
                  data.\nWhat cannot be read is a warning with its line; the rest is scanned all the same. Exit 3 if \
                  something was left out."
)]
pub(super) struct Args {
    /// Records as JSON lines, JSON, CSV, TSV, Parquet or Arrow, also in gzip or zstd; a folder of such; `-` is stdin
    file: PathBuf,
    /// Write the spans of every record; `-` is stdout
    #[arg(long, value_name = "OUT")]
    spans: Option<PathBuf>,
    /// Write every candidate of every label, before thresholds and overlaps
    #[arg(long)]
    candidates: bool,
    /// Score against labelled spans, {"id","spans":[{"start","end","label"}]} per line, or against entities of annotators
    #[arg(long, value_name = "FILE")]
    gold: Option<PathBuf>,
    /// Names of columns, such as text=body
    #[arg(long, env = "CLOISTER_COLUMNS", value_name = "MAP", hide_env = true)]
    columns: Option<ColumnMap>,
    /// Stop at the first record that cannot be trained on
    #[arg(long)]
    strict: bool,
    /// Threads; without it, all processors
    #[arg(long, value_name = "K", value_parser = whole)]
    threads: Option<usize>,
    /// Replace OUT if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    detection: DetectionArgs,
    #[command(flatten)]
    review: ReviewArgs,
}

/// Where lines of spans go.
///
/// Lines are written some at a time: one write for each would take longer than its scan.
struct Out {
    to: Target,
    lines: Vec<u8>,
}

enum Target {
    Nowhere,
    Stdout,
    File(Box<WholeFile>),
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        config::tell_places(console);
        let (detector, detection) = self.detection.detector(console)?;
        if self.review.review {
            return self.review.run(console, &self.file, &input::columns(self.columns)?, (&detector, detection));
        }
        if let Some(gold) = self.gold.as_deref()
            && review::is_tab(gold)?
        {
            if self.spans.is_some() || self.candidates {
                let message = "entities of annotators are scored alone";
                return Err(Usage::new(message, "leave out --spans and --candidates").into());
            }
            return review::score_entities(console, &self.file, gold, &input::columns(self.columns)?, &detector);
        }
        let mut out = self.out(console)?;
        let mut gold = match &self.gold {
            Some(path) => {
                let file = File::open(path).map_err(crate::Error::read(path))?;
                Some(Gold::read(BufReader::new(file))?)
            }
            None => None,
        };
        interrupt::watch();
        let columns = input::columns(self.columns.clone())?;
        let mut source = input::source(&self.file)?;
        let scan = Scan {
            detector: &detector,
            report: if self.candidates { Report::Candidates } else { Report::Found },
            columns: &columns,
            strict: self.strict,
            threads: self.threads.unwrap_or_else(parallel::cores),
        };
        let started = Instant::now();
        let mut progress = console.progress("scanning", source.total_bytes(), Unit::Bytes);
        let scanned = scan.run(&mut source, &mut progress, |line| -> anyhow::Result<()> {
            if let Some(gold) = &mut gold {
                gold.compare(&line);
            }
            out.line(console, &line)
        });
        let (summary, findings) = scanned.map_err(|error| match error.downcast::<cloister_text::Error>() {
            Ok(error) => input::named(&self.file)(error),
            Err(error) => error,
        })?;
        drop(progress);
        out.commit(console)?;
        let score = gold.map(Gold::score);
        input::tell(console, &findings);
        tell(console, &summary, score.as_ref(), started.elapsed().as_secs_f64());
        let mut fields = Map::new();
        fields.insert("candidates".into(), self.candidates.into());
        fields.insert("detection".into(), serde_json::to_value(detection)?);
        if let Value::Object(counts) = serde_json::to_value(&summary)? {
            fields.extend(counts);
        }
        fields.insert("findings".into(), input::counts(&findings));
        fields.insert("findings_at".into(), input::places(&findings));
        if let Some(score) = &score {
            fields.insert("gold".into(), serde_json::to_value(score)?);
        }
        fields.insert("spans_file".into(), json!(self.spans));
        let left_out = findings.left_out();
        fields.insert("left_out".into(), left_out.into());
        if left_out > 0 {
            console.say(format_args!("{} {left_out} could not be read", console.ink(Ink::Red, "incomplete:")));
        }
        let (verdict, exit) = match (left_out, summary.spans) {
            (0, 0) => ("clean", Exit::Passed),
            (0, _) => ("found", Exit::Passed),
            _ => ("incomplete", Exit::Refused),
        };
        console.document(verdict, fields)?;
        Ok(exit)
    }

    fn out(&self, console: &Console) -> anyhow::Result<Out> {
        let to = match &self.spans {
            None => Target::Nowhere,
            Some(path) if path == Path::new("-") && console.json() => {
                return Err(Usage::new("stdout cannot carry both spans and the document", "give --spans a file").into());
            }
            Some(path) if path == Path::new("-") => Target::Stdout,
            Some(path) => {
                let keep = if self.force { Keep::PrivateReplacing } else { Keep::Private };
                Target::File(Box::new(WholeFile::create(path, keep)?))
            }
        };
        Ok(Out { to, lines: Vec::new() })
    }
}

impl Out {
    const WRITE_BYTES: usize = 1 << 16;

    fn line(&mut self, console: &Console, line: &RecordSpans) -> anyhow::Result<()> {
        if !matches!(self.to, Target::Nowhere) {
            write_line(&mut self.lines, line)?;
        }
        if self.lines.len() < Self::WRITE_BYTES { Ok(()) } else { self.write(console) }
    }

    fn write(&mut self, console: &Console) -> anyhow::Result<()> {
        match &mut self.to {
            Target::Nowhere => {}
            Target::Stdout => console.bytes(&self.lines)?,
            Target::File(file) => {
                let path = file.target().to_owned();
                file.write_all(&self.lines).map_err(crate::Error::write(path))?;
            }
        }
        self.lines.clear();
        Ok(())
    }

    fn commit(mut self, console: &Console) -> anyhow::Result<()> {
        self.write(console)?;
        match self.to {
            Target::File(file) => Ok(file.commit()?),
            Target::Nowhere | Target::Stdout => Ok(()),
        }
    }
}

fn tell(console: &Console, summary: &Summary, score: Option<&Score>, seconds: f64) {
    let rate = summary.text_bytes as f64 / seconds.max(1e-9);
    console.say(format_args!(
        "scanned {} records, {} of text, in {seconds:.2} s ({}/s)",
        summary.records,
        human_bytes(summary.text_bytes as u64),
        human_bytes(rate as u64)
    ));
    if summary.spans == 0 {
        console.say(console.ink(Ink::Green, "nothing found"));
    } else {
        let mut rows: Vec<Vec<String>> = Vec::new();
        for (label, count) in &summary.by_label {
            rows.push(vec![(*label).into(), count.spans.to_string(), count.records.to_string()]);
        }
        rows.push(vec!["all".into(), summary.spans.to_string(), summary.records_with_spans.to_string()]);
        console.table(&["label", "spans", "records"], &rows);
    }
    for (field, count) in &summary.in_other_columns {
        console.warn(format_args!(
            "{count} more in the column {field}, which the spans leave out; `protect` replaces them"
        ));
    }
    if summary.personal_names > 0 {
        super::protect::warn_of_names(console, summary.personal_names);
    }
    if let Some(score) = score {
        tell_score(console, score);
    }
}

fn tell_score(console: &Console, score: &Score) {
    let percent = |share: Option<f64>| share.map_or("–".into(), |share| format!("{:.1} %", share * 100.0));
    console.say("");
    console.say(format_args!("against the gold file, by {}:", score.criterion));
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (label, of) in &score.by_label {
        let shares = [of.recall, of.recall_any_label, of.precision].map(percent);
        rows.push([vec![label.clone(), of.gold.to_string(), of.found.to_string()], shares.to_vec()].concat());
    }
    let shares = [score.recall, score.recall_any_label, score.precision].map(percent);
    let total =
        |part: fn(&crate::scan::LabelScore) -> usize| score.by_label.values().map(part).sum::<usize>().to_string();
    rows.push([vec!["all".into(), total(|of| of.gold), total(|of| of.found)], shares.to_vec()].concat());
    console.table(&["label", "gold", "found", "recall", "any label", "precision"], &rows);
    for (label, missed) in &score.missed {
        let first: Vec<&str> = missed.ids.iter().take(5).map(String::as_str).collect();
        let more = if missed.ids.len() > first.len() { ", …" } else { "" };
        console.say(format_args!("missed {label}: {} in {}{more}", missed.count, first.join(", ")));
    }
    if score.records_not_scanned > 0 {
        console.warn(format_args!("{} records of the gold file are not in the data", score.records_not_scanned));
    }
}
