//! One record: what is noticed of it alone, and what is kept to compare it with others.
//!
//! Invariant: what is kept is bounded: two digests, a fingerprint, hashes of lines, counts. A short answer is kept as it is,
//! for it may be a label; so [`Features`] has neither `Debug` nor `Display`.

use super::boilerplate::{Segment, segments};
use super::encoding::{Faults, faults};
use super::labels::{Answered, Digest, label};
use super::near::Fingerprint;
use super::overlap::Passages;
use super::words::{folded, words};
use super::{QualityOptions, RecordAt, RecordKey, WordList, language};
use crate::detect::{Detector, Label};
use crate::error::Result;
use crate::records::{Body, Record, Role};

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
    /// Spans of personal data and credentials; `None` if nobody looked.
    pub(super) spans: Option<(usize, usize)>,
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
            spans: None,
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
        let parts = Parts::of(&body);
        self.passages.learn(&parts.words_beside_instructions());
        let fingerprint = Fingerprint::of(&parts.words(), self.options.near_words);
        self.evaluation.push(Known { at, digest: self.digest(&parts), fingerprint });
    }

    /// Looks at a record; for its personal data too, if there is a detector.
    pub fn look(&self, record: &Record, at: RecordAt, detector: Option<&Detector>) -> Features {
        let body = record.body();
        let parts = Parts::of(&body);
        let words = parts.words();
        let passages = match self.passages.is_empty() {
            true => Vec::new(),
            false => self.passages.shared(&parts.words_beside_instructions()),
        };
        let text = parts.text();
        Features {
            at,
            unreadable: false,
            digest: self.digest(&parts),
            answered: parts.answer.filter(|_| parts.asks_something()).map(|answer| Answered {
                prompt: self.tag(b"prompt\0", &parts.asked),
                answer: self.tag(b"answer\0", &[(Role::Assistant, answer)]),
            }),
            label: parts.answer.and_then(|answer| label(answer, super::words::words(answer).len())),
            fingerprint: Fingerprint::of(&words, self.options.near_words),
            segments: segments(&text),
            passages,
            words: words.len().min(u32::MAX as usize) as u32,
            chars: text.chars().count() as u64,
            language: language::language(&text),
            faults: faults(&text),
            toxic: self.toxic.count(&words),
            spans: detector.map(|detector| spans(record, detector)),
        }
    }

    fn digest(&self, parts: &Parts<'_>) -> Digest {
        let mut all = parts.asked.clone();
        all.extend(parts.answer.map(|answer| (Role::Assistant, answer)));
        self.tag(b"text\0", &all)
    }

    /// A keyed digest of what parts say, with who says it.
    fn tag(&self, purpose: &[u8], parts: &[(Role, &str)]) -> Digest {
        let mut bytes = Vec::new();
        for (role, text) in parts {
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

/// Spans of personal data, credentials among them, in all texts of a record.
fn spans(record: &Record, detector: &Detector) -> (usize, usize) {
    let texts: Vec<&str> = record.fields().map(|(_, text)| text).collect();
    let found = detector.detect_document(&texts);
    let credentials = found.iter().flatten().filter(|span| span.label == Label::CREDENTIAL).count();
    (found.iter().map(Vec::len).sum(), credentials)
}

/// What a record says, in order: all turns before the last of the assistant, and that.
struct Parts<'a> {
    asked: Vec<(Role, &'a str)>,
    answer: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(body: &'a Body) -> Self {
        match body {
            Body::Text(text) => Self { asked: vec![(Role::User, text)], answer: None },
            Body::Completion { prompt, completion } => {
                Self { asked: vec![(Role::User, prompt)], answer: Some(completion) }
            }
            Body::Chat(turns) => {
                let mut asked: Vec<(Role, &str)> = turns.iter().map(|turn| (turn.role, turn.text.as_str())).collect();
                let last = asked.iter().rposition(|(role, _)| *role == Role::Assistant);
                let answer = last.map(|last| asked.remove(last).1);
                Self { asked, answer }
            }
        }
    }

    fn texts(&self) -> impl Iterator<Item = &'a str> {
        self.asked.iter().map(|(_, text)| *text).chain(self.answer)
    }

    fn text(&self) -> String {
        self.texts().collect::<Vec<_>>().join("\n")
    }

    fn words(&self) -> Vec<u64> {
        self.texts().flat_map(words).collect()
    }

    fn words_beside_instructions(&self) -> Vec<u64> {
        let asked = self.asked.iter().filter(|(role, _)| *role != Role::System).map(|(_, text)| *text);
        asked.chain(self.answer).flat_map(words).collect()
    }

    /// Whether there is a question, so that two answers to it can contradict each other.
    fn asks_something(&self) -> bool {
        self.asked.iter().any(|(role, text)| *role != Role::System && !text.trim().is_empty())
    }
}
