//! One record: what is noticed of it alone, and what is kept to compare it with others.
//!
//! Invariant: what is kept is bounded: two digests, a fingerprint, hashes of lines, counts. A short answer is kept as it is,
//! for it may be a label; so [`Features`] has neither `Debug` nor `Display`.

use std::collections::BTreeMap;

use super::boilerplate::{Segment, segments};
use super::encoding::{Faults, faults};
use super::labels::{Answered, Digest, label};
use super::near::Fingerprint;
use super::overlap::Passages;
use super::words::{folded, words};
use super::{QualityOptions, RecordAt, RecordKey, WordList, language};
use crate::detect::{Detector, Field, Label};
use crate::error::Result;
use crate::records::{Body, Record, Role, Searched};

/// Looks at records, one at a time; can be shared between threads once the evaluation records were learnt.
pub struct Analyst {
    pub(super) options: QualityOptions,
    pub(super) languages: Vec<&'static str>,
    pub(super) passages: Passages,
    pub(super) evaluation: Vec<Known>,
    key: RecordKey,
    toxic: WordList,
}

/// An evaluation record.
pub(super) struct Known {
    pub(super) at: RecordAt,
    pub(super) digest: Digest,
    pub(super) fingerprint: Fingerprint,
}

/// What is kept of one record.
pub struct Features {
    pub(super) at: RecordAt,
    pub(super) unreadable: bool,
    pub(super) digest: Digest,
    pub(super) answered: Option<Answered>,
    pub(super) label: Option<Box<str>>,
    pub(super) fingerprint: Fingerprint,
    pub(super) segments: Vec<Segment>,
    pub(super) passages: Vec<u32>,
    pub(super) words: u32,
    pub(super) chars: u64,
    pub(super) language: Option<&'static str>,
    pub(super) faults: Faults,
    pub(super) toxic: usize,
    /// `None` if nobody looked.
    pub(super) personal: Option<Personal>,
}

impl Features {
    /// Of a line that is no record.
    pub fn unreadable(at: RecordAt) -> Self {
        Self {
            at,
            unreadable: true,
            digest: [0; 16],
            answered: None,
            label: None,
            fingerprint: Fingerprint::default(),
            segments: Vec::new(),
            passages: Vec::new(),
            words: 0,
            chars: 0,
            language: None,
            faults: Faults::default(),
            toxic: 0,
            personal: None,
        }
    }
}

impl Analyst {
    /// One who looks for what `options` say. `key` is for digests that stay in memory.
    ///
    /// # Errors
    /// [`crate::Error::QualityOption`] for an option out of its range.
    pub fn new(options: &QualityOptions, key: RecordKey, toxic: WordList) -> Result<Self> {
        let languages = options.check()?;
        let (passages, evaluation) = (Passages::default(), Vec::new());
        Ok(Self { options: options.clone(), languages, passages, evaluation, key, toxic })
    }

    /// Learns an evaluation record, before the first record is looked at.
    pub fn learn_evaluation(&mut self, record: &Record, at: RecordAt) {
        let body = record.body();
        let content = Content::of(&body, record);
        let said = content.words(Beside::Instructions);
        self.passages.learn(&said);
        let fingerprint = Fingerprint::of(&said, self.options.near_words);
        self.evaluation.push(Known { at, digest: self.digest(&content), fingerprint });
    }

    /// Looks at a record; for its personal data too, if there is a detector.
    pub fn look(&self, record: &Record, at: RecordAt, detector: Option<&Detector>) -> Features {
        let body = record.body();
        let content = Content::of(&body, record);
        let words = content.words(Beside::Nothing);
        // Instructions to the model are the same in many records by design: they make no two records alike.
        let said = content.words(Beside::Instructions);
        let text = content.text(Beside::Nothing);
        Features {
            at,
            unreadable: false,
            digest: self.digest(&content),
            answered: content.answer.filter(|_| content.asks_something()).map(|answer| Answered {
                prompt: self.tag(b"prompt\0", &content.asked),
                answer: self.tag(b"answer\0", &[(Role::Assistant, answer)]),
            }),
            label: content.answer.and_then(|answer| label(answer, super::words::words(answer).len())),
            fingerprint: Fingerprint::of(&said, self.options.near_words),
            segments: segments(&content.text(Beside::Instructions)),
            passages: self.passages.shared(&said),
            words: words.len().min(u32::MAX as usize) as u32,
            chars: text.chars().count() as u64,
            language: language::language(&text),
            faults: faults(&text),
            toxic: self.toxic.count(&words),
            personal: detector.map(|detector| Personal::of(record, detector)),
        }
    }

    fn digest(&self, content: &Content<'_>) -> Digest {
        self.tag(b"text\0", &content.all().collect::<Vec<_>>())
    }

    /// A keyed digest of what is said, with who says it.
    fn tag(&self, purpose: &[u8], said: &[(Role, &str)]) -> Digest {
        let mut bytes = Vec::new();
        for (role, text) in said {
            let text = folded(text);
            bytes.push(*role as u8);
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&self.key.tag(purpose, &bytes)[..16]);
        digest
    }
}

/// What the detector found in all texts of a record.
#[derive(Clone, Default)]
pub(super) struct Personal {
    /// Spans of personal data, credentials among them.
    pub(super) spans: usize,
    /// Passwords, keys and tokens.
    pub(super) credentials: usize,
    /// Characters that were searched.
    pub(super) chars: u64,
    /// Spans by label, none of them 0.
    pub(super) by_label: BTreeMap<Label, usize>,
}

impl Personal {
    fn of(record: &Record, detector: &Detector) -> Self {
        let searched = record.searched();
        let fields: Vec<Field<'_>> = searched.iter().map(Searched::field).collect();
        let mut by_label: BTreeMap<Label, usize> = BTreeMap::new();
        for span in detector.detect_fields(&fields).into_iter().flatten() {
            *by_label.entry(span.label).or_default() += 1;
        }
        Self {
            spans: by_label.values().sum(),
            credentials: by_label.get(&Label::CREDENTIAL).copied().unwrap_or_default(),
            chars: fields.iter().map(|field| field.text.chars().count() as u64).sum(),
            by_label,
        }
    }
}

/// What a record says, in order: all turns but the last of the assistant, then that. Where a turn has no text, as one that only
/// calls a tool, what else stands in the record tells it from others.
struct Content<'a> {
    asked: Vec<(Role, &'a str)>,
    answer: Option<&'a str>,
    more: Vec<&'a str>,
}

/// What is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    Instructions,
}

impl<'a> Content<'a> {
    fn of(body: &'a Body, record: &'a Record) -> Self {
        let (asked, answer) = match body {
            Body::Text(text) => (vec![(Role::User, text.as_str())], None),
            Body::Completion { prompt, completion } => (vec![(Role::User, prompt.as_str())], Some(completion.as_str())),
            Body::Chat(turns) => {
                let mut asked: Vec<(Role, &str)> = turns.iter().map(|turn| (turn.role, turn.text.as_str())).collect();
                let last = asked.iter().rposition(|(role, _)| *role == Role::Assistant);
                let answer = last.map(|last| asked.remove(last).1);
                (asked, answer)
            }
        };
        let wordless = |role: &Role, text: &str| *role == Role::Assistant && text.trim().is_empty();
        let only_calls = asked.iter().any(|(role, text)| wordless(role, text))
            || answer.is_some_and(|answer| answer.trim().is_empty());
        let more = if only_calls { record.fields().map(|(_, text)| text).collect() } else { Vec::new() };
        // An answer without words is told by the rest of the record, and is no answer to compare.
        Self { asked, answer: answer.filter(|answer| !answer.trim().is_empty()), more }
    }

    fn all(&self) -> impl Iterator<Item = (Role, &'a str)> {
        let answer = self.answer.map(|answer| (Role::Assistant, answer));
        self.asked.iter().copied().chain(answer).chain(self.more.iter().map(|text| (Role::Tool, *text)))
    }

    fn texts(&self, beside: Beside) -> impl Iterator<Item = &'a str> {
        let kept = move |(role, _): &(Role, &str)| beside == Beside::Nothing || *role != Role::System;
        self.all().filter(kept).map(|(_, text)| text)
    }

    fn text(&self, beside: Beside) -> String {
        self.texts(beside).collect::<Vec<_>>().join("\n")
    }

    fn words(&self, beside: Beside) -> Vec<u64> {
        self.texts(beside).flat_map(words).collect()
    }

    /// Whether there is a question, so that two answers to it can contradict each other.
    fn asks_something(&self) -> bool {
        self.asked.iter().any(|(role, text)| *role != Role::System && !text.trim().is_empty())
    }
}
