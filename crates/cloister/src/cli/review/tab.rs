//! Labelled entities of several annotators: the format of the Text Anonymization Benchmark, as JSON lines or one JSON array.
//!
//! A document is `{"id" or "doc_id", "text", "annotators": {NAME: mentions}}`, with mentions as a list or under
//! `entity_mentions`; a mention has `start`, `end` (or `start_offset`, `end_offset`), `identifier_type` and `entity_id`.
//! Invariant: an error names the document by its place and repeats nothing of it.

use std::collections::BTreeMap;
use std::path::Path;

use cloister_text::risk::tab::{Identifier, Mention, TabScore};
use serde::Deserialize;
use serde_json::Value;

use super::super::hint::Usage;
use crate::scan::RecordSpans;

/// Labelled documents by identifier. Holds their texts: no `Debug`.
pub(super) struct Gold(BTreeMap<String, Document>);

struct Document {
    text: String,
    annotators: Vec<Vec<Mention>>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(alias = "doc_id")]
    id: Value,
    text: String,
    annotators: BTreeMap<String, Mentions>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Mentions {
    List(Vec<Labelled>),
    Named { entity_mentions: Vec<Labelled> },
}

#[derive(Deserialize)]
struct Labelled {
    #[serde(alias = "start_offset")]
    start: usize,
    #[serde(alias = "end_offset")]
    end: usize,
    identifier_type: String,
    entity_id: Value,
}

/// Whether a gold file labels entities by annotator: whether its first document does.
pub(in crate::cli) fn is_tab(path: &Path) -> anyhow::Result<bool> {
    let text = std::fs::read(path).map_err(crate::Error::read(path))?;
    let first = match text.trim_ascii_start().first() {
        Some(b'[') => return Ok(true),
        _ => text.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()),
    };
    let first: Option<Value> = first.and_then(|line| serde_json::from_slice(line).ok());
    Ok(first.is_some_and(|first| first.get("annotators").is_some()))
}

impl Gold {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(path).map_err(crate::Error::read(path))?;
        let hint = "a document reads {\"id\",\"text\",\"annotators\":{\"a1\":[{\"start\",\"end\",\"identifier_type\",\"entity_id\"}]}}";
        let wrong = |what: String| Usage::new(format!("gold file, {what}: no labelled document"), hint);
        let mut lines = Vec::new();
        if text.trim_ascii_start().first() == Some(&b'[') {
            lines = serde_json::from_slice::<Vec<Line>>(&text)
                .map_err(|error| wrong(format!("line {}, column {}", error.line(), error.column())))?;
        } else {
            for (index, line) in
                text.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty())
            {
                lines.push(serde_json::from_slice(line).map_err(|_| wrong(format!("line {}", index + 1)))?);
            }
        }
        let mut documents = BTreeMap::new();
        for (index, Line { id, text, annotators }) in lines.into_iter().enumerate() {
            let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
            let annotators = annotators.into_values().map(|mentions| {
                let (Mentions::List(list) | Mentions::Named { entity_mentions: list }) = mentions;
                list.into_iter().map(Labelled::mention).collect::<Option<Vec<Mention>>>()
            });
            let annotators = annotators.collect::<Option<_>>().ok_or_else(|| {
                let message = format!("gold file, document {}: an unknown identifier_type", index + 1);
                Usage::new(message, "it is DIRECT, QUASI or NO_MASK")
            })?;
            if documents.insert(id, Document { text, annotators }).is_some() {
                return Err(wrong(format!("document {}, whose id an earlier one has", index + 1)).into());
            }
        }
        Ok(Self(documents))
    }

    /// Adds one scanned record to the score, if it is labelled; each document counts once.
    pub(super) fn compare(&mut self, scanned: &RecordSpans, score: &mut TabScore) {
        if let Some(document) = self.0.remove(&scanned.id) {
            let spans: Vec<(usize, usize)> = scanned.spans.iter().map(|span| (span.start, span.end)).collect();
            score.add(&document.text, &spans, &document.annotators);
        }
    }

    /// Documents that were not compared.
    pub(super) fn left(&self) -> usize {
        self.0.len()
    }
}

impl Labelled {
    fn mention(self) -> Option<Mention> {
        let identifier = match self.identifier_type.to_ascii_uppercase().as_str() {
            "DIRECT" => Identifier::Direct,
            "QUASI" => Identifier::Quasi,
            "NO_MASK" | "NONE" => Identifier::None,
            _ => return None,
        };
        let entity = self.entity_id.as_str().map_or_else(|| self.entity_id.to_string(), str::to_owned);
        Some(Mention { start: self.start, end: self.end, identifier, entity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"id":"d1","text":"Ana Ruiz","annotators":{"a":[{"start":0,"end":8,"identifier_type":"DIRECT","entity_id":"e1"}]}}"#;
    const ARRAY: &str = r#"[{"doc_id":"d1","text":"Ana Ruiz","annotators":{"a":{"entity_mentions":[{"start_offset":0,"end_offset":8,"identifier_type":"DIRECT","entity_id":"e1","entity_type":"PERSON"}]}}}]"#;

    #[test]
    fn both_forms_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gold");
        for form in [LINE, ARRAY] {
            std::fs::write(&path, form).unwrap();
            assert!(is_tab(&path).unwrap());
            let mut gold = Gold::read(&path).unwrap();
            let mut score = TabScore::default();
            gold.compare(&RecordSpans { id: "d2".into(), spans: Vec::new() }, &mut score);
            assert_eq!(gold.left(), 1);
            gold.compare(&RecordSpans { id: "d1".into(), spans: Vec::new() }, &mut score);
            assert_eq!((gold.left(), score.direct_entities.of, score.direct_entities.found), (0, 1, 0));
        }
        std::fs::write(&path, r#"{"id":"a","spans":[]}"#).unwrap();
        assert!(!is_tab(&path).unwrap());
    }

    #[test]
    fn a_bad_document_is_named_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gold");
        let bad = [
            LINE.replace("\"start\":0", "\"start\":\"secret\""),
            LINE.replace("DIRECT", "SECRET"),
            format!("{LINE}\n{LINE}"),
        ];
        for bad in bad {
            std::fs::write(&path, bad).unwrap();
            let error = Gold::read(&path).err().unwrap().to_string();
            assert!(error.starts_with("gold file, ") && !error.to_lowercase().contains("secret"), "{error}");
        }
    }
}
