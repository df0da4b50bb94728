//! Evidence of a dataset: what was taken in, where it comes from, what was noticed, and a page that says so.
//!
//! Invariants: as for all evidence, nothing here measures or invents; a field is measured, declared, or `MISSING` with an
//! owner; every figure names the digest of what it was measured on; no type here has a place for the text of a record.

mod chart;
mod page;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ClassifierFacts, Gate};

pub use page::page;

/// The schema that [`DatasetFacts::schema`] names.
pub const DATASET_SCHEMA: &str = "cloister.dataset.v1";

/// Who the figures are for.
pub const AUDIENCE: &str = "The figures on quality and risk depend on the data: they are for the holder of the data, and are \
                            not released with an adapter.";

/// Everything known of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetFacts {
    /// [`DATASET_SCHEMA`].
    pub schema: String,
    /// Name and version of the program.
    pub product: String,
    /// When this was written: RFC 3339, UTC.
    pub created: String,
    /// What the dataset is called.
    pub name: String,
    /// [`AUDIENCE`].
    pub audience: String,
    /// Whether all gates passed.
    pub passed: bool,
    /// Each gate.
    pub gates: Vec<Gate>,
    /// What was read.
    pub files: Vec<FileFacts>,
    /// The evaluation records that were compared with.
    pub evaluation: Option<FileFacts>,
    /// The shape of the records.
    pub shape: String,
    /// The digest of the dataset.
    pub content: ContentFacts,
    /// What people declared.
    pub provenance: Vec<FieldFacts>,
    /// The last day on which the records may be kept, where a retention is declared.
    pub keep_until: Option<String>,
    /// What was noticed about the records.
    pub quality: QualityFacts,
    /// The classifier that searched for personal data beside the detectors of the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<ClassifierFacts>,
    /// How far people can be told apart, if that was asked.
    pub risk: Option<RiskFacts>,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Its name, without folders.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Records in it.
    pub records: u64,
    /// Lines that are no records.
    pub unreadable: u64,
}

/// The digest of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentFacts {
    /// How it is computed.
    pub algorithm: String,
    /// The root over the records that were written, in hexadecimal.
    pub root: String,
    /// How many those are.
    pub records: u64,
    /// The file with the key of the commitments, from the folder of the dataset; absent if the user keeps it elsewhere.
    pub key: Option<String>,
}

/// What a figure was measured on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredOn {
    /// Which records.
    pub what: String,
    /// Their number.
    pub records: u64,
    /// The root over them, under the key of the dataset.
    pub root: String,
}

/// A declared field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldFacts {
    /// Its name.
    pub field: String,
    /// `declared` or `missing`.
    pub state: String,
    /// What was declared, or `MISSING (owner: …)`.
    pub value: String,
    /// Whether the gate needs it.
    pub required: bool,
    /// Who supplies it.
    pub owner: String,
}

/// What was noticed about the records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QualityFacts {
    /// What the figures below were measured on.
    pub measured_on: MeasuredOn,
    /// Lines: records and lines that are none.
    pub lines: u64,
    /// Records that can be learnt from.
    pub accepted: u64,
    /// Records that a person should look at.
    pub review: u64,
    /// Records and lines that were left out.
    pub rejected: u64,
    /// What was noticed, by code.
    pub reasons: Vec<ReasonFacts>,
    /// Lines that are no records, by kind.
    pub unreadable: BTreeMap<String, u64>,
    /// Characters of text.
    pub chars: u64,
    /// Lengths in words.
    pub words: Option<WordFacts>,
    /// Records by language (ISO 639-3), of those whose language can be told.
    pub languages: BTreeMap<String, u64>,
    /// Spans of personal data that the detector finds.
    pub spans: Option<u64>,
    /// Those per 1,000 characters.
    pub spans_per_1000_chars: Option<f64>,
    /// Different labels, where answers are labels.
    pub labels: Option<u64>,
    /// Lines and sentences that many records repeat.
    pub repeated_lines: u64,
    /// The limits that were used.
    pub options: serde_json::Value,
}

/// One code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonFacts {
    /// The code.
    pub code: String,
    /// What it means.
    pub meaning: String,
    /// `accept`, `review` or `reject`.
    pub level: String,
    /// Records about which it was noticed.
    pub records: u64,
    /// The first of them: name of the file and line.
    pub first: Vec<String>,
}

/// Lengths in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordFacts {
    /// The shortest record.
    pub least: u64,
    /// The median.
    pub median: u64,
    /// 95 of 100 records are at most this long.
    pub percentile_95: u64,
    /// The longest record.
    pub most: u64,
}

/// How far people can be told apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskFacts {
    /// What the figures were measured on.
    pub measured_on: MeasuredOn,
    /// Quasi-identifiers and how many different values they have.
    pub quasi_identifiers: Vec<(String, u64)>,
    /// Subjects; a record without a subject is one.
    pub subjects: u64,
    /// Different combinations.
    pub classes: u64,
    /// The size of the smallest class.
    pub k: u64,
    /// Subjects in classes of 1, 2, 3–4, 5–10, 11–20 and more.
    pub subjects_by_class_size: Vec<(String, u64)>,
    /// The largest risk of a subject, the attacker knowing that the subject is in the data.
    pub prosecutor_risk: f64,
    /// The mean risk.
    pub mean_risk: f64,
    /// People among whom the subjects are a sample.
    pub population: Option<u64>,
    /// The largest risk, the attacker not knowing who is in the data.
    pub journalist_risk: Option<f64>,
    /// The sensitive column.
    pub sensitive: Option<String>,
    /// The fewest different sensitive values in a class.
    pub distinct_l: Option<u64>,
    /// The least effective number of sensitive values in a class.
    pub entropy_l: Option<f64>,
    /// The largest distance of a class from all.
    pub t_closeness: Option<f64>,
    /// The same for numbers in their order.
    pub t_closeness_ordered: Option<f64>,
}

impl DatasetFacts {
    /// Fields that the gate needs and nobody declared.
    pub fn missing(&self) -> impl Iterator<Item = &FieldFacts> {
        self.provenance.iter().filter(|field| field.required && field.state == "missing")
    }
}
