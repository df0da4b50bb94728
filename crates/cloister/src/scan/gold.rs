//! Scores spans against labelled ones.
//!
//! Criterion: overlap with the same label in the same field. A gold span counts as found if any span overlaps it so,
//! a span as right if it overlaps any gold span so. Only records that the gold file names are scored, and precision
//! only counts labels that the gold file uses: what nobody labelled cannot be right or wrong.

use std::collections::{BTreeMap, HashSet};
use std::io::BufRead;

use serde::{Deserialize, Serialize};

use super::{RecordSpans, SpanLine};

/// Why a gold file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A line cannot be read.
    #[error("gold file, line {line}")]
    Read {
        /// Its number, from 1.
        line: usize,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not `{"id","spans":[{"start","end","label"}]}`.
    #[error("gold file, line {line}, column {column}: not a line of labelled spans")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Where reading stopped, from 1.
        column: usize,
    },
    /// An identifier stands on two lines.
    #[error("gold file, line {line}: its id stands on an earlier line")]
    Twice {
        /// The later line, from 1.
        line: usize,
    },
}

/// The labelled spans of a data set, by record.
pub struct Gold {
    records: BTreeMap<String, Vec<GoldSpan>>,
    tally: BTreeMap<String, Tally>,
    seen: HashSet<String>,
}

#[derive(Deserialize)]
struct GoldLine {
    id: serde_json::Value,
    #[serde(default)]
    spans: Vec<GoldSpan>,
}

#[derive(Clone, Deserialize)]
struct GoldSpan {
    start: usize,
    end: usize,
    label: String,
    #[serde(default)]
    field: Option<String>,
}

#[derive(Default)]
struct Tally {
    gold: usize,
    found: usize,
    found_as_any: usize,
    spans: usize,
    right: usize,
    missed_in: Vec<String>,
}

/// The score of a scan.
#[derive(Clone, Debug, Serialize)]
pub struct Score {
    /// How spans are compared.
    pub criterion: &'static str,
    /// Records that are in both files.
    pub records: usize,
    /// Records that only the gold file names.
    pub records_not_scanned: usize,
    /// Share of gold spans found with their label; absent without gold spans.
    pub recall: Option<f64>,
    /// Share of gold spans found with whatever label.
    pub recall_any_label: Option<f64>,
    /// Share of spans that are right, over the labels of the gold file.
    pub precision: Option<f64>,
    /// By label.
    pub by_label: BTreeMap<String, LabelScore>,
    /// What was missed, by label.
    pub missed: BTreeMap<String, Missed>,
}

/// The score of one label.
#[derive(Clone, Debug, Serialize)]
pub struct LabelScore {
    /// Gold spans.
    pub gold: usize,
    /// Gold spans found.
    pub found: usize,
    /// Spans found with this label.
    pub spans: usize,
    /// Share of gold spans found.
    pub recall: Option<f64>,
    /// Share of gold spans found with whatever label.
    pub recall_any_label: Option<f64>,
    /// Share of spans that are right.
    pub precision: Option<f64>,
}

/// The missed spans of one label: how many, and in which records.
#[derive(Clone, Debug, Serialize)]
pub struct Missed {
    /// Spans.
    pub count: usize,
    /// Records, each once.
    pub ids: Vec<String>,
}

impl Gold {
    /// Reads `{"id","spans":[{"start","end","label","field"?}]}` per line; other members are ignored.
    pub fn read(reader: impl BufRead) -> Result<Gold, Error> {
        let mut records = BTreeMap::new();
        for (index, text) in reader.lines().enumerate() {
            let line = index + 1;
            let text = text.map_err(|source| Error::Read { line, source })?;
            if text.trim().is_empty() {
                continue;
            }
            let gold: GoldLine =
                serde_json::from_str(&text).map_err(|error| Error::Line { line, column: error.column() })?;
            let id = gold.id.as_str().map_or_else(|| gold.id.to_string(), str::to_owned);
            if records.insert(id, gold.spans).is_some() {
                return Err(Error::Twice { line });
            }
        }
        let labels = records.values().flatten().map(|span: &GoldSpan| span.label.clone());
        let tally = labels.map(|label| (label, Tally::default())).collect();
        Ok(Gold { records, tally, seen: HashSet::new() })
    }

    /// Compares the spans of one record.
    pub fn compare(&mut self, scanned: &RecordSpans) {
        let Some(gold) = self.records.get(&scanned.id) else { return };
        if !self.seen.insert(scanned.id.clone()) {
            return; // a second record of that name: the gold file has spans for one
        }
        for wanted in gold {
            let tally = self.tally.entry(wanted.label.clone()).or_default();
            let overlapping = || scanned.spans.iter().filter(|span| wanted.overlaps(span));
            tally.gold += 1;
            tally.found_as_any += usize::from(overlapping().next().is_some());
            if overlapping().any(|span| span.label == wanted.label) {
                tally.found += 1;
            } else {
                tally.missed_in.push(scanned.id.clone());
            }
        }
        for span in &scanned.spans {
            if let Some(tally) = self.tally.get_mut(span.label) {
                tally.spans += 1;
                tally.right +=
                    usize::from(gold.iter().any(|wanted| wanted.label == span.label && wanted.overlaps(span)));
            }
        }
    }

    /// The score of all records compared so far.
    pub fn score(self) -> Score {
        let sum = |part: fn(&Tally) -> usize| self.tally.values().map(part).sum::<usize>();
        let gold = sum(|tally| tally.gold);
        let by_label = |tally: &Tally| LabelScore {
            gold: tally.gold,
            found: tally.found,
            spans: tally.spans,
            recall: share(tally.found, tally.gold),
            recall_any_label: share(tally.found_as_any, tally.gold),
            precision: share(tally.right, tally.spans),
        };
        let missed = |tally: &Tally| {
            let mut ids = tally.missed_in.clone();
            ids.dedup();
            Missed { count: tally.missed_in.len(), ids }
        };
        Score {
            criterion: "overlap with the same label in the same field",
            records: self.seen.len(),
            records_not_scanned: self.records.len() - self.seen.len(),
            recall: share(sum(|tally| tally.found), gold),
            recall_any_label: share(sum(|tally| tally.found_as_any), gold),
            precision: share(sum(|tally| tally.right), sum(|tally| tally.spans)),
            by_label: self.tally.iter().map(|(label, tally)| (label.clone(), by_label(tally))).collect(),
            missed: self
                .tally
                .iter()
                .filter(|(_, tally)| !tally.missed_in.is_empty())
                .map(|(label, tally)| (label.clone(), missed(tally)))
                .collect(),
        }
    }
}

impl GoldSpan {
    fn overlaps(&self, span: &SpanLine) -> bool {
        self.start < span.end && span.start < self.end && self.field == span.field
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn span(start: usize, end: usize, label: &'static str, field: Option<&str>) -> SpanLine {
        SpanLine { start, end, label, score: 1.0, kind: None, field: field.map(str::to_owned) }
    }

    #[test]
    fn a_span_counts_by_overlap_label_and_field() {
        let gold = r#"{"id":"a","text":"…","spans":[{"start":0,"end":4,"label":"PERSON"},{"start":9,"end":12,"label":"PERSON"}]}
{"id":7,"spans":[{"start":0,"end":4,"label":"URL","field":"/prompt"}]}
{"id":"absent","spans":[{"start":0,"end":1,"label":"URL"}]}"#;
        let mut gold = Gold::read(gold.as_bytes()).unwrap();
        let spans = vec![span(3, 6, "PERSON", None), span(4, 6, "PERSON", None), span(9, 12, "LOCATION", None)];
        gold.compare(&RecordSpans { id: "a".into(), spans });
        gold.compare(&RecordSpans { id: "7".into(), spans: vec![span(0, 4, "URL", Some("/completion"))] });
        gold.compare(&RecordSpans { id: "unlabelled".into(), spans: vec![span(0, 4, "URL", None)] });
        let score = gold.score();
        assert_eq!((score.records, score.records_not_scanned), (2, 1));
        assert_eq!(score.recall, Some(1.0 / 3.0));
        assert_eq!(score.recall_any_label, Some(2.0 / 3.0));
        assert_eq!(score.precision, Some(1.0 / 3.0), "LOCATION is not a label of this gold file");
        assert_eq!(score.missed["PERSON"].ids, ["a"]);
        assert_eq!(score.missed["URL"].ids, ["7"]);
    }

    #[test]
    fn a_bad_line_is_named_and_not_quoted() {
        let error =
            Gold::read("{\"id\":\"a\",\"spans\":[]}\n{\"id\":\"secret\",\"spans\":3}".as_bytes()).err().unwrap();
        assert!(error.to_string().starts_with("gold file, line 2, column "), "{error}");
        assert!(!error.to_string().contains("secret"));
        let twice = Gold::read("{\"id\":1}\n{\"id\":1}".as_bytes()).err().unwrap();
        assert!(matches!(twice, Error::Twice { line: 2 }));
    }
}
