//! Which options the detectors had: part of the evidence of a run and of a dataset.

use std::collections::BTreeMap;

use cloister_text::{DetectorOptions, LOCALES};
use serde::{Deserialize, Serialize};

use super::words::escape;

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

/// What was searched for, and from which score on it counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionFacts {
    /// Lowest score that counted, 0 to 1.
    pub threshold: f64,
    /// The same of single labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, f64>,
    /// The countries whose national numbers, telephones and addresses were searched for; absent where all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locales: Option<Vec<String>>,
    /// The cost of a name that the tagger misses, where a false one costs the rest to 1.
    pub recall: f64,
    /// Texts that someone declared to be nobody's: they were not searched for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// The classifier that searched beside the detectors of the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<ClassifierFacts>,
}

impl DetectionFacts {
    /// The facts of these options, and of a classifier beside them.
    pub fn of(options: &DetectorOptions, classifier: Option<ClassifierFacts>) -> Self {
        Self {
            threshold: decimal(options.threshold),
            thresholds: options.thresholds.iter().map(|(label, score)| (label.clone(), decimal(*score))).collect(),
            locales: options.locales.clone(),
            recall: decimal(options.recall),
            keep: options.keep.clone(),
            classifier,
        }
    }

    /// In a sentence or some (HTML).
    pub(in crate::evidence) fn in_words(&self) -> String {
        let mut words = format!("What scored {} or more counted", self.threshold);
        for (label, score) in &self.thresholds {
            words += &format!(", <code class=\"type\">{}</code> from {score} on", escape(label));
        }
        words += &format!("; a missed name cost {} of 1 (recall)", self.recall);
        match &self.locales {
            None => {
                words += &format!(", and the national numbers of all {} countries were searched for.", LOCALES.len())
            }
            Some(locales) if locales.is_empty() => {
                words += ", and the national numbers of no country were searched for."
            }
            Some(locales) => {
                words += &format!(
                    ". National numbers, telephones without country code and addresses were searched for as these \
                     countries write them, and no other's: <em>{}</em>.",
                    escape(&locales.join(", "))
                );
            }
        }
        if !self.keep.is_empty() {
            words +=
                &format!(" Declared to be nobody's, and left as they are: <em>{}</em>.", escape(&self.keep.join(", ")));
        }
        if let Some(classifier) = &self.classifier {
            words += &format!(
                " A token classifier that does not come with the product searched too: <em>{}</em>.",
                escape(&classifier.name)
            );
            words +=
                &format!(" The digests of its files have the SHA-256 <code>{}</code>.", escape(&classifier.sha256));
        }
        words
    }
}

/// The decimal that a single-precision number was written as: 0.6, not 0.60000002384.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_was_chosen_is_said() {
        let mut options = DetectorOptions::default();
        let usual = DetectionFacts::of(&options, None).in_words();
        assert!(usual.starts_with("What scored 0.5 or more counted; a missed name cost 0.6 of 1"), "{usual}");
        assert!(!usual.contains("nobody's"));
        options.thresholds.insert("PERSON".into(), 0.3);
        options.locales = Some(vec!["us".into(), "<gb>".into()]);
        options.keep = vec!["Harbour & Line".into()];
        let files = BTreeMap::from([("model.safetensors".to_owned(), "6e".repeat(32))]);
        let classifier = ClassifierFacts { name: "names-<small>".into(), sha256: "5d".repeat(32), files };
        let words = DetectionFacts::of(&options, Some(classifier)).in_words();
        for part in [
            "PERSON</code> from 0.3 on",
            "<em>us, &lt;gb&gt;</em>",
            "<em>Harbour &amp; Line</em>",
            "<em>names-&lt;small&gt;</em>",
            "<code>5d5d",
        ] {
            assert!(words.contains(part), "{words}");
        }
    }
}
