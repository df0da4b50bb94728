//! Finds personal data and secrets in records: spans out, text never.
//!
//! Invariants: one line of spans per record, in the order of the records; offsets count Unicode code points; what is held
//! does not grow with the input; nothing here repeats what a record says. In plain-text data the spans are those of the text, and what stands in other
//! columns is only counted; in every other shape each span names its field by JSON pointer (RFC 6901).

mod gold;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use cloister_text::{
    Batch, Chunk, Columns, Detector, Field, Finding, Place, Reading, Record, Searched, Sequence, Shape, Source, Span,
    Tally, code_points,
};
use serde::Serialize;

use crate::progress::Progress;
use crate::{interrupt, parallel};

pub use gold::{Error as GoldError, Gold, LabelScore, Missed, Score};

/// How many different names of members are remembered; a name met after that may be counted more than once.
const NAMES: usize = 1 << 20;

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
    place: usize,
    shape: Shape,
    text_bytes: usize,
    in_other_columns: Vec<String>,
}

/// The records of one chunk, scanned.
struct ScannedChunk {
    records: Vec<Scanned>,
    findings: Vec<Finding>,
    left_out: Option<cloister_text::Error>,
    file: Option<Arc<str>>,
    personal_names: usize,
    read_bytes: u64,
}

/// How records are scanned.
pub struct Scan<'a> {
    /// What to look for.
    pub detector: &'a Detector,
    /// What to report.
    pub report: Report,
    /// Names of columns.
    pub columns: &'a Columns,
    /// Whether the first record that cannot be trained on is an error.
    pub strict: bool,
    /// Threads.
    pub threads: usize,
}

impl Scan<'_> {
    /// Scans every record of a source and hands each line to `sink`, in order; progress counts bytes of the source.
    ///
    /// # Errors
    /// Those of `sink`; [`crate::Error::Interrupted`]; what stops reading; the first refusal with `strict`, or where no record
    /// can be read.
    pub fn run<E: From<crate::Error> + From<cloister_text::Error>>(
        &self,
        source: &mut Source<'_>,
        progress: &mut Progress,
        mut sink: impl FnMut(RecordSpans) -> Result<(), E>,
    ) -> Result<(Summary, Tally), E> {
        let reading = if self.strict { Reading::strict(self.columns) } else { Reading::mending(self.columns) };
        let names = Names::default();
        let (mut summary, mut tally, mut sequence) = (Summary::default(), Tally::default(), Sequence::default());
        let (mut advanced, mut first, mut refusal) = (0, None, None);
        let work = |chunk: Chunk| chunk.read(&reading, &mut None).map(|batch| self.chunk(batch, &names));
        let next = || source.next_chunk();
        parallel::pipeline(
            self.threads,
            next,
            work,
            |scanned: Result<ScannedChunk, cloister_text::Error>| -> Result<(), E> {
                interrupt::check()?;
                let ScannedChunk { records, findings, left_out, file, personal_names, read_bytes } = scanned?;
                refusal = refusal.take().or(left_out);
                tally.extend(findings);
                summary.personal_names += personal_names;
                for record in records {
                    let found = record.shape;
                    let first = *first.get_or_insert(found);
                    if self.strict && found != first {
                        return Err(cloister_text::Error::MixedShapes { line: record.place, first, found }.into());
                    }
                    sequence.next(file.as_ref(), record.place, &record.line.id, found, |finding| tally.add(finding));
                    summary.add(&record);
                    sink(record.line)?;
                }
                progress.advance(read_bytes.saturating_sub(advanced));
                advanced = read_bytes;
                Ok(())
            },
        )?;
        self.detector.check()?;
        tally.extend(source.leftover_findings());
        if summary.records == 0 {
            return Err(refusal.unwrap_or(cloister_text::Error::Empty).into());
        }
        Ok((summary, tally))
    }

    fn chunk(&self, batch: Batch, names: &Names) -> ScannedChunk {
        let Batch { records, findings, left_out, file, read_bytes } = batch;
        let personal_names = names.personal(&records, self.detector);
        let records = records.iter().map(|record| self.record(record)).collect();
        ScannedChunk { records, findings, left_out, file, personal_names, read_bytes }
    }

    fn record(&self, record: &Record) -> Scanned {
        // The only column whose spans are reported, in plain-text data.
        let main = (record.shape() == Shape::Text).then(|| self.columns.text.as_deref().unwrap_or("text"));
        let is_reported = |searched: &Searched<'_>| main.is_none_or(|main| searched.place.top() == (main, true));
        let (reported, others): (Vec<_>, Vec<_>) = record.searched().into_iter().partition(is_reported);
        let mut spans = Vec::new();
        for (searched, found) in reported.iter().zip(self.spans_of(&reported)) {
            let points = code_points(&searched.text, &found);
            spans.extend(found.iter().zip(points).map(|(span, (start, end))| SpanLine {
                start,
                end,
                label: span.label.0,
                score: (f64::from(span.score) * 1e4).round() / 1e4,
                kind: span.kind,
                field: main.is_none().then(|| searched.place.to_string()),
            }));
        }
        let elsewhere = others.iter().zip(self.spans_of(&others));
        Scanned {
            in_other_columns: elsewhere
                .flat_map(|(searched, found)| vec![column(&searched.place); found.len()])
                .collect(),
            text_bytes: reported.iter().map(|searched| searched.text.len()).sum(),
            line: RecordSpans { id: record.id.clone(), spans },
            place: record.line,
            shape: record.shape(),
        }
    }

    fn spans_of(&self, searched: &[Searched<'_>]) -> Vec<Vec<Span>> {
        let fields: Vec<Field<'_>> = searched.iter().map(Searched::field).collect();
        match self.report {
            Report::Found => self.detector.detect_fields(&fields),
            Report::Candidates => fields.iter().map(|field| self.detector.candidates_of(field)).collect(),
        }
    }
}

/// The names of members met so far, by a keyed hash.
#[derive(Default)]
struct Names {
    seen: Mutex<HashSet<u64>>,
    keys: RandomState,
}

impl Names {
    /// How many names of these records hold personal data, without those met before.
    fn personal(&self, records: &[Record], detector: &Detector) -> usize {
        let mut names = BTreeSet::new();
        for record in records {
            record.member_names(|name| {
                names.insert(name);
            });
        }
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            names.retain(|name| {
                let hash = self.keys.hash_one(name);
                if seen.len() < NAMES { seen.insert(hash) } else { !seen.contains(&hash) }
            });
        }
        names.into_iter().filter(|name| !detector.detect_member_name(name).is_empty()).count()
    }
}

/// Writes one line of the machine interface.
pub fn write_line(out: &mut impl Write, line: &RecordSpans) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
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
