//! The facts of one run, as `evidence.json` holds them.
//!
//! Invariants: keys stand in the order of the fields below; numbers without a finite value survive the round trip
//! (NaN, which means "not measured", is null; infinity, which means "no bound", is the string `Infinity`).
//! JSON has the shortest digits that name the number; reading restores its last bit only where `serde_json` is built
//! with `float_roundtrip`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The schema that [`Evidence::schema`] names.
pub const SCHEMA: &str = "cloister.evidence.v1";

/// Everything that one run measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// [`SCHEMA`].
    pub schema: String,
    /// Name and version of the program.
    pub product: String,
    /// When this was written: RFC 3339, UTC.
    pub created: String,
    /// The model that was tuned.
    pub base: BaseFacts,
    /// The records it was tuned on.
    pub data: DataFacts,
    /// What was found and replaced in them; `None` if the stage did not run.
    pub protection: Option<ProtectionFacts>,
    /// The privacy plan that was carried out.
    pub privacy: PrivacyFacts,
    /// How training went.
    pub training: TrainingFacts,
    /// Loss on the evaluation text; `None` without an evaluation file.
    pub utility: Option<UtilityFacts>,
    /// What came out.
    pub adapter: AdapterFacts,
    /// Other forms of it that were written, file by file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<ExportFacts>,
    /// Whether it may be used.
    pub verdict: Verdict,
}

/// The base model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaseFacts {
    /// Its name, as given or as the file says.
    pub name: String,
    /// SHA-256 of its file, lower-case hex.
    pub sha256: String,
    /// Such as `gguf`.
    pub format: String,
    /// Number of weights.
    pub parameters: u64,
    /// How its frozen weights were kept in memory and multiplied, as `--base-precision` takes it.
    pub precision: String,
    /// Bytes that its matrices took in memory.
    pub weight_bytes: u64,
    /// Number of tensors of each storage type.
    pub tensor_types: Vec<(String, u64)>,
}

/// The training data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataFacts {
    /// The file's name, without its folder; `-` for stdin.
    pub file: String,
    /// Shape of the records, such as `messages`.
    pub shape: String,
    /// Number of records.
    pub records: u64,
    /// Number of people they are about; `None` if the records do not say.
    pub subjects: Option<u64>,
    /// Records that were cut at `max_tokens`.
    pub truncated: u64,
    /// Tokens of one record at most.
    pub max_tokens: u64,
    /// HMAC-SHA256 of the bytes of the file, or of those that came through stdin, under the key of 32 bytes that
    /// `private/commitment.key` holds as 64 hex digits; hex.
    pub commitment: String,
}

/// What was found in the records and replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProtectionFacts {
    /// What stands in the place of an original: `surrogate`, `redact`, `mask` or `hash`.
    pub profile: String,
    /// How far one original keeps one substitute: `document`, `subject` or `dataset`.
    pub scope: String,
    /// Texts that someone declared to be nobody's: they were not searched for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// The classifier that searched beside the detectors of the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<ClassifierFacts>,
    /// Counts by type of entity.
    pub labels: Vec<LabelFacts>,
}

/// A token classifier that the user named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassifierFacts {
    /// The name of its folder, without the path.
    pub name: String,
    /// SHA-256 of the lines `digest  name` of its files, sorted by name; hex.
    pub sha256: String,
    /// SHA-256 of each file that was used, by name; hex.
    pub files: BTreeMap<String, String>,
}

/// Counts of one type of entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelFacts {
    /// The type, such as `EMAIL_ADDRESS`.
    pub label: String,
    /// Found before replacement.
    pub found: u64,
    /// Replaced.
    pub replaced: u64,
    /// Found in the records after replacement, surrogates not counted.
    pub residual: u64,
}

/// The privacy plan, and what its accountants say of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrivacyFacts {
    /// Whose presence is hidden: `record` or `subject`.
    pub unit: String,
    /// `add-remove` or `zero-out`.
    pub adjacency: String,
    /// Number of units.
    pub units: u64,
    /// Probability with which a unit takes part in a step.
    #[serde(with = "number")]
    pub q: f64,
    /// Optimiser steps.
    pub steps: u64,
    /// Noise standard deviation divided by the clip norm; 0 without noise.
    #[serde(with = "number")]
    pub sigma: f64,
    /// Euclidean bound on one unit's gradient.
    #[serde(with = "number")]
    pub clip_norm: f64,
    /// What the noised sum is divided by.
    #[serde(with = "number")]
    pub denominator: f64,
    /// Probability allowed for failure.
    #[serde(with = "number")]
    pub delta: f64,
    /// Bound on the privacy loss after all steps.
    #[serde(with = "number")]
    pub epsilon: f64,
    /// The same by privacy loss distributions.
    #[serde(with = "number")]
    pub epsilon_pld: f64,
    /// The same by Rényi divergences.
    #[serde(with = "number")]
    pub epsilon_rdp: f64,
    /// Method behind `epsilon`.
    pub accountant: String,
    /// How batches were drawn.
    pub sampler: String,
    /// The largest batch, where larger ones are cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest_batch: Option<u64>,
    /// Records that one unit may contribute to a step.
    pub unit_cap: u64,
    /// What epsilon says nothing about.
    pub not_covered: Vec<String>,
    /// Epsilon after so many steps.
    #[serde(with = "curve")]
    pub curve: Vec<(u64, f64)>,
}

/// How training went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingFacts {
    /// Projections that have an adapter.
    pub targets: Vec<String>,
    /// Rank of the adapter.
    pub rank: u64,
    /// Its scale is alpha divided by rank.
    pub alpha: u64,
    /// Weights that were trained.
    pub trainable_parameters: u64,
    /// Name of the optimiser.
    pub optimizer: String,
    /// Its full learning rate.
    #[serde(with = "number")]
    pub learning_rate: f64,
    /// How the rate goes over the steps: `constant`, `linear` or `cosine`.
    pub schedule: String,
    /// Steps before the first at the full rate.
    pub warmup_steps: u64,
    /// Wall-clock time of the steps, to two digits.
    #[serde(with = "number")]
    pub seconds: f64,
    /// Tokens trained on in a second, to two digits.
    #[serde(with = "number")]
    pub tokens_per_second: f64,
    /// Peak memory of the process; 0 if the system does not say.
    pub peak_rss_bytes: u64,
    /// Whether the run went on from a snapshot.
    pub resumed: bool,
    /// Steps of the plan that are counted as spent and that the adapter does not hold.
    pub steps_lost: u64,
    /// Processes that trained together; time, throughput and memory are those of the first.
    pub ranks: u64,
}

/// Loss on records that were declared public and of which none stood in the training data word for word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UtilityFacts {
    /// The evaluation file's name, without its folder.
    pub file: String,
    /// SHA-256 of the evaluation file, lower-case hex.
    pub sha256: String,
    /// Its records.
    pub records: u64,
    /// Its tokens that count, those of the completions.
    pub tokens: u64,
    /// Mean negative log-likelihood of a token under the base, in nats.
    #[serde(with = "number")]
    pub base_nats_per_token: f64,
    /// The same under the tuned model.
    #[serde(with = "number")]
    pub tuned_nats_per_token: f64,
    /// The same after so many steps; step 0 is the base.
    #[serde(with = "curve")]
    pub curve: Vec<(u64, f64)>,
}

/// The adapter and what was checked of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterFacts {
    /// Its folder.
    pub path: String,
    /// SHA-256 of `adapter_model.safetensors`, lower-case hex.
    pub sha256: String,
    /// Size of that file.
    pub bytes: u64,
    /// Checks after it was read back.
    pub checks: Vec<Check>,
}

/// A file of another form of the adapter, read back before it was kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportFacts {
    /// Its place in the folder of the run, with slashes.
    pub path: String,
    /// Its SHA-256, lower-case hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// One check of the adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What was asked.
    pub name: String,
    /// The answer.
    pub passed: bool,
    /// The figures behind it.
    pub detail: String,
}

/// Whether the run passed its gates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// All gates passed.
    pub passed: bool,
    /// Each gate.
    pub gates: Vec<Gate>,
    /// The command to give next.
    pub next: String,
}

/// One gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// What it demands.
    pub name: String,
    /// Whether the run meets it.
    pub passed: bool,
    /// The figures behind it.
    pub detail: String,
}

impl DataFacts {
    /// Whether the records were piped in.
    pub(super) fn is_stdin(&self) -> bool {
        self.file == "-"
    }

    /// What a reader may call the data.
    pub(super) fn name(&self) -> &str {
        if self.is_stdin() { "stdin" } else { &self.file }
    }
}

impl Evidence {
    /// `evidence.json`: indented, keys in the order of the fields, a newline at the end.
    ///
    /// # Errors
    /// Those of [`serde_json`], which these types do not provoke.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut json = serde_json::to_string_pretty(self)?;
        json.push('\n');
        Ok(json)
    }
}

/// A number in JSON, which knows only finite ones.
mod number {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Written {
        Finite(f64),
        Named(String),
        Missing(()),
    }

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match *value {
            value if value.is_nan() => Written::Missing(()),
            f64::INFINITY => Written::Named("Infinity".into()),
            f64::NEG_INFINITY => Written::Named("-Infinity".into()),
            value => Written::Finite(value),
        };
        written.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Written::deserialize(deserializer) {
            Ok(Written::Finite(value)) => Ok(value),
            Ok(Written::Missing(())) => Ok(f64::NAN),
            Ok(Written::Named(name)) if name == "Infinity" => Ok(f64::INFINITY),
            Ok(Written::Named(name)) if name == "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => Err(D::Error::custom("expected a number, null, \"Infinity\" or \"-Infinity\"")),
        }
    }
}

/// Pairs of a step and a number.
mod curve {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Point(u64, #[serde(with = "super::number")] f64);

    pub(super) fn serialize<S: Serializer>(points: &[(u64, f64)], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(points.iter().map(|&(step, value)| Point(step, value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(u64, f64)>, D::Error> {
        let points = Vec::<Point>::deserialize(deserializer)?;
        Ok(points.into_iter().map(|Point(step, value)| (step, value)).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::sample::{private, unmeasured};
    use super::*;

    #[test]
    fn json_comes_back_the_same() {
        let evidence = private();
        let json = evidence.to_json().unwrap();
        assert_eq!(serde_json::from_str::<Evidence>(&json).unwrap(), evidence);
        assert_eq!(serde_json::from_slice::<Evidence>(json.as_bytes()).unwrap().to_json().unwrap(), json);
        assert!(json.ends_with("}\n"));
    }

    #[test]
    fn keys_keep_their_order() {
        let json = private().to_json().unwrap();
        let keys = ["schema", "created", "base", "data", "protection", "privacy", "training", "utility", "adapter"];
        let places: Vec<usize> = keys.iter().map(|key| json.find(&format!("\n  \"{key}\": ")).unwrap()).collect();
        assert!(places.is_sorted());
        assert!(json.starts_with("{\n  \"schema\": \"cloister.evidence.v1\""));
    }

    #[test]
    fn numbers_that_json_lacks_come_back_too() {
        let evidence = unmeasured();
        let json = evidence.to_json().unwrap();
        assert!(json.contains("\"epsilon\": \"Infinity\"") && json.contains("\"sigma\": null"));
        let back: Evidence = serde_json::from_reader(json.as_bytes()).unwrap();
        assert_eq!(back.privacy.epsilon, f64::INFINITY);
        assert!(back.privacy.sigma.is_nan());
        assert_eq!(back.to_json().unwrap(), json);
        let broken = json.replace("\"Infinity\"", "\"plenty\"");
        assert!(serde_json::from_str::<Evidence>(&broken).is_err());
    }
}
