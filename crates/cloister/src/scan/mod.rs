//! Finds personal data and secrets in records: spans out, text never.
//!
//! Invariants: one line of spans per record, in the order of the records; offsets count Unicode code points; nothing
//! here repeats what a record says. In plain-text data the spans are those of the text, and what stands in other
//! columns is only counted; in every other shape each span names its field by JSON pointer (RFC 6901).

mod gold;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use cloister_text::{Columns, Dataset, Detector, Place, Record, Shape, Span, code_points};
use serde::Serialize;

use crate::progress::Progress;
use crate::{interrupt, parallel};

pub use gold::{Error as GoldError, Gold, LabelScore, Missed, Score};

const CHUNK_RECORDS: usize = 512;

/// What to report of each text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// What counts: above the thresholds, without overlaps.
    Found,
    /// Every candidate of every label.
    Candidates,
}

/// The spans of one record, as a line of the machine interface.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordSpans {
    /// The record.
    pub id: String,
    /// What was found in it.
    pub spans: Vec<SpanLine>,
}

/// One span of the machine interface.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpanLine {
    /// The first code point.
    pub start: usize,
    /// One past the last code point.
    pub end: usize,
    /// What it is.
    pub label: &'static str,
    /// How sure that is, from 0 to 1, to four decimals.
    pub score: f64,
    /// A finer kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// JSON pointer of the text, except in plain-text data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// Counts over a whole data set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Records scanned.
    pub records: usize,
    /// Records with at least one span.
    pub records_with_spans: usize,
    /// Bytes of text scanned.
    pub text_bytes: usize,
    /// All spans.
    pub spans: usize,
    /// Spans and records by label.
    pub by_label: BTreeMap<&'static str, Count>,
    /// Spans in columns beside the text of plain-text data, by column; they are in no other count. Columns whose name is not
    /// a plain word are one, `/…`: a name may be what a person wrote.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub in_other_columns: BTreeMap<String, usize>,
    /// Different names of members (keys of JSON objects) that hold personal data, which nothing replaces.
    #[serde(skip_serializing_if = "is_zero")]
    pub personal_names: usize,
}

/// How often a label was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Spans.
    pub spans: usize,
    /// Records with such a span.
    pub records: usize,
}

/// One record scanned.
struct Scanned {
    line: RecordSpans,
    text_bytes: usize,
    in_other_columns: Vec<String>,
}

/// Scans every record on all cores and hands each line to `sink`, in order. `columns` are those of the reader.
pub fn scan<E: From<crate::Error>>(
    dataset: &Dataset,
    columns: &Columns,
    detector: &Detector,
    report: Report,
    progress: &mut Progress,
    mut sink: impl FnMut(RecordSpans) -> Result<(), E>,
) -> Result<Summary, E> {
    let personal_names = cloister_text::spans_in_names(dataset, detector).len();
    let mut summary = Summary { personal_names, ..Summary::default() };
    let main = (dataset.shape == Shape::Text).then(|| columns.text.as_deref().unwrap_or("text"));
    for chunk in dataset.records.chunks(CHUNK_RECORDS) {
        interrupt::check()?;
        for scanned in parallel::map(chunk, |record| scan_record(record, main, detector, report)) {
            summary.add(&scanned);
            sink(scanned.line)?;
        }
        progress.advance(chunk.len() as u64);
    }
    Ok(summary)
}

/// Writes one line of the machine interface.
pub fn write_line(out: &mut impl Write, line: &RecordSpans) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// `main` is the only column whose spans are reported, if there is such a column.
fn scan_record(record: &Record, main: Option<&str>, detector: &Detector, report: Report) -> Scanned {
    let is_reported = |place: &Place<'_>| main.is_none_or(|main| place.top() == (main, true));
    let (texts, others): (Vec<_>, Vec<_>) = record.fields().partition(|(place, _)| is_reported(place));
    let mut spans = Vec::new();
    for ((place, text), found) in texts.iter().zip(spans_of(&texts, detector, report)) {
        let points = code_points(text, &found);
        spans.extend(found.iter().zip(points).map(|(span, (start, end))| SpanLine {
            start,
            end,
            label: span.label.0,
            score: (f64::from(span.score) * 1e4).round() / 1e4,
            kind: span.kind,
            field: main.is_none().then(|| place.to_string()),
        }));
    }
    let elsewhere = others.iter().zip(spans_of(&others, detector, report));
    Scanned {
        in_other_columns: elsewhere.flat_map(|((place, _), found)| vec![column(place); found.len()]).collect(),
        text_bytes: texts.iter().map(|(_, text)| text.len()).sum(),
        line: RecordSpans { id: record.id.clone(), spans },
    }
}

fn spans_of(texts: &[(Place<'_>, &str)], detector: &Detector, report: Report) -> Vec<Vec<Span>> {
    match report {
        Report::Found => {
            let document: Vec<&str> = texts.iter().map(|(_, text)| *text).collect();
            detector.detect_document(&document)
        }
        Report::Candidates => texts.iter().map(|(_, text)| detector.candidates(text)).collect(),
    }
}

/// The column in which a text lies, if its name is a plain word.
fn column(place: &Place<'_>) -> String {
    const LONGEST: usize = 40;
    let (name, _) = place.top();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.len() <= LONGEST && name.bytes().all(plain) { format!("/{name}") } else { "/…".into() }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Summary {
    fn add(&mut self, scanned: &Scanned) {
        let spans = &scanned.line.spans;
        self.records += 1;
        self.records_with_spans += usize::from(!spans.is_empty());
        self.text_bytes += scanned.text_bytes;
        self.spans += spans.len();
        for span in spans {
            self.by_label.entry(span.label).or_default().spans += 1;
        }
        for label in spans.iter().map(|span| span.label).collect::<BTreeSet<_>>() {
            self.by_label.entry(label).or_default().records += 1;
        }
        for field in &scanned.in_other_columns {
            *self.in_other_columns.entry(field.clone()).or_default() += 1;
        }
    }
}
