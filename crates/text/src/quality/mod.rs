//! Whether records are fit to learn from: one decision per record, with its reasons.
//!
//! An [`Analyst`] looks at one record at a time, on any thread, and keeps hashes; an [`Assessment`] gathers what it saw, in
//! the order of the records, and decides at the end, since a record can be a duplicate of a later one. Evaluation records
//! are shown to the analyst first.
//!
//! Invariants: a decision names codes and places, never text; everything kept of a record is bounded, whatever its length;
//! the same records with the same options give the same decisions, whatever the key. What is kept holds hashes of words,
//! which can be guessed: it has neither `Debug` nor `Display` and is never written.
//!
//! ```
//! use cloister_text::quality::{Analyst, Assessment, Code, Decision, QualityOptions, RecordAt, RecordKey, WordList};
//!
//! let lines = "{\"text\":\"Good morning\"}\n{\"text\":\"good  morning\"}\n{\"text\":\"Good evening\"}";
//! let dataset = cloister_text::read_from(lines.as_bytes(), &Default::default())?;
//! let analyst = Analyst::new(&QualityOptions::default(), RecordKey::from_bytes([7; 32]), WordList::standard())?;
//! let mut assessment = Assessment::default();
//! for record in &dataset.records {
//!     assessment.push(analyst.look(record, RecordAt { file: 0, line: record.line }, None));
//! }
//! let quality = assessment.decide(&analyst);
//! assert_eq!(quality.verdicts[1].decision, Decision::Reject);
//! assert_eq!(quality.verdicts[1].reasons[0].code, Code::ExactDuplicate);
//! assert_eq!(quality.verdicts[1].reasons[0].like, Some(RecordAt { file: 0, line: 1 }));
//! # Ok::<(), cloister_text::Error>(())
//! ```

mod assess;
mod boilerplate;
pub mod commitment;
mod encoding;
mod labels;
mod language;
mod lengths;
mod look;
mod near;
mod overlap;
mod toxicity;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use assess::{Assessment, Quality, QualitySummary, Spans};
pub use commitment::{MerkleRoot, RecordKey};
pub use lengths::Lengths;
pub use look::{Analyst, Features};
pub use toxicity::WordList;

use crate::error::{Error, Result};

/// Where a record stands: its file, counted from 0 in the order in which files were given, and its line, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RecordAt {
    /// The file.
    pub file: usize,
    /// The line.
    pub line: usize,
}

/// What is to happen with a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It can be learnt from.
    #[default]
    Accept,
    /// A person should look at it.
    Review,
    /// It should not be learnt from.
    Reject,
}

/// What was noticed about a record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// What it is.
    pub code: Code,
    /// What it leads to.
    pub level: Decision,
    /// The other record, where there is one; of an evaluation code, the place is in the evaluation file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub like: Option<RecordAt>,
    /// The share of common words, of near duplicates, to three decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
}

/// The decision on one record: the strictest level of its reasons.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Which record.
    #[serde(flatten)]
    pub at: RecordAt,
    /// What is to happen with it.
    pub decision: Decision,
    /// Why.
    pub reasons: Vec<Reason>,
}

macro_rules! codes {
    ($($(#[doc = $about:literal])+ $code:ident = $name:literal, $level:ident;)+) => {
        /// What can be noticed about a record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[doc = $about])+ #[serde(rename = $name)] $code,)+
        }

        impl Code {
            /// All codes, in the order of reports.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// The name in reports and options.
            pub fn name(self) -> &'static str {
                match self { $(Self::$code => $name),+ }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$code => concat!($($about),+).trim_ascii()),+ }
            }

            /// What it leads to unless the options say otherwise.
            pub fn level(self) -> Decision {
                match self { $(Self::$code => Decision::$level),+ }
            }
        }
    };
}

codes! {
    /// The line is not a record that can be trained on.
    Unreadable = "unreadable", Reject;
    /// No word is in the record.
    Empty = "empty", Reject;
    /// An earlier record has the same text, apart from case and white space.
    ExactDuplicate = "exact-duplicate", Reject;
    /// An earlier record has most of its words in common.
    NearDuplicate = "near-duplicate", Review;
    /// The evaluation file holds the same text.
    EvaluationExact = "evaluation-exact", Reject;
    /// A record of the evaluation file has most of its words in common.
    EvaluationNear = "evaluation-near", Review;
    /// Thirteen words in a row stand in the evaluation file too.
    EvaluationPassage = "evaluation-passage", Review;
    /// Another record answers the same question otherwise.
    ContradictoryAnswer = "contradictory-answer", Review;
    /// Nearly the same text has another label elsewhere.
    LabelNoise = "label-noise", Review;
    /// The label is rare and one slip away from a common one.
    MisspeltLabel = "misspelt-label", Review;
    /// The record is much shorter than the others.
    TooShort = "too-short", Review;
    /// The record is much longer than the others.
    TooLong = "too-long", Review;
    /// A character was lost when the text was decoded (U+FFFD).
    ReplacementCharacter = "replacement-character", Review;
    /// The text was decoded wrongly: accents and quotation marks became two or three strange characters.
    Mojibake = "mojibake", Review;
    /// A control character or noncharacter stands in the text.
    ControlCharacter = "control-character", Review;
    /// Characters reorder the text, so that people and models read different things.
    BidiControl = "bidi-control", Review;
    /// Invisible tag characters stand in the text, which people do not see and models read.
    HiddenCharacter = "hidden-character", Review;
    /// The language is not one of this data set.
    OtherLanguage = "other-language", Review;
    /// Most of the text are lines or sentences that many records repeat.
    Boilerplate = "boilerplate", Review;
    /// A word or phrase of the list of toxic words stands in the text.
    ToxicWords = "toxic-words", Review;
    /// A password, key or token stands in the text.
    Credential = "credential", Review;
    /// There is much personal data for the length of the text.
    DensePersonalData = "dense-personal-data", Review;
}

/// What to look for, and what it leads to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QualityOptions {
    /// Share of common words from which two records are near duplicates, above 0 and at most 1.
    pub near: f64,
    /// Records of fewer words are compared exactly only.
    pub near_words: usize,
    /// The languages of the data set by ISO 639 code; without any, those of at least 2 % of the records.
    pub languages: Vec<String>,
    /// Spans of personal data per 1,000 characters above which a record is dense.
    pub dense: f64,
    /// A dense record has at least so many spans.
    pub dense_spans: usize,
    /// Share of a record's characters in repeated lines from which it is boilerplate.
    pub boilerplate: f64,
    /// Records in which a line must stand to be repeated; without it 1 % of the records, and at least 10.
    pub boilerplate_records: Option<usize>,
    /// What a code leads to, where it is not the standard.
    pub levels: BTreeMap<Code, Decision>,
}

impl Default for QualityOptions {
    fn default() -> Self {
        Self {
            near: 0.75,
            near_words: 8,
            languages: Vec::new(),
            dense: 40.0,
            dense_spans: 4,
            boilerplate: 0.6,
            boilerplate_records: None,
            levels: BTreeMap::new(),
        }
    }
}

impl QualityOptions {
    /// What a code leads to.
    pub fn level(&self, code: Code) -> Decision {
        self.levels.get(&code).copied().unwrap_or(code.level())
    }

    fn check(&self) -> Result<Vec<&'static str>> {
        let share = |value: f64| value > 0.0 && value <= 1.0;
        let good = [
            ("near", share(self.near)),
            ("near_words", self.near_words >= 2),
            ("dense", self.dense >= 0.0),
            ("boilerplate", share(self.boilerplate)),
        ];
        if let Some((option, _)) = good.into_iter().find(|(_, good)| !good) {
            return Err(Error::QualityOption { option });
        }
        let known = |name: &String| language::code(name).ok_or(Error::QualityOption { option: "languages" });
        self.languages.iter().map(known).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_named_in_kebab_case_and_read_back() {
        for code in Code::ALL {
            assert_eq!(serde_json::json!(code), serde_json::json!(code.name()));
            assert!(code.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert!(code.meaning().ends_with('.') && !code.meaning().starts_with(' '), "{}", code.meaning());
        }
        assert!(serde_json::from_str::<Code>("\"nonsense\"").is_err());
    }

    #[test]
    fn levels_can_be_set_and_options_are_checked() {
        let options: QualityOptions =
            serde_json::from_str(r#"{"levels":{"near-duplicate":"reject"},"languages":["en","deu"]}"#)
                .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(options.level(Code::NearDuplicate), Decision::Reject);
        assert_eq!(options.level(Code::Mojibake), Decision::Review);
        assert_eq!(options.check().unwrap_or_default(), ["eng", "deu"]);
        let bad = |change: fn(&mut QualityOptions)| {
            let mut options = QualityOptions::default();
            change(&mut options);
            options.check().is_err()
        };
        assert!(bad(|o| o.near = 0.0) && bad(|o| o.near = f64::NAN) && bad(|o| o.boilerplate = 1.5));
        assert!(bad(|o| o.languages = vec!["klingon".into()]) && bad(|o| o.near_words = 0) && bad(|o| o.dense = -1.0));
    }
}
