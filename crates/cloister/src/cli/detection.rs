//! What detectors search for and from which score on, as flags, `CLOISTER_*` and the configuration files say it.
//!
//! Invariant: one set of flags serves every verb that detects, and a key that a stronger place sets replaces that of a
//! weaker one whole.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use cloister_text::{Detector, DetectorOptions, Label};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::classifier;
use super::config::Settings;
use super::console::Console;
use crate::evidence::DetectionFacts;

/// Flags of detection.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Detection")]
pub(super) struct DetectionArgs {
    /// Lowest score that counts, 0 to 1: of all labels, or LABEL=SCORE of one; repeat it, or use a comma [default: 0.5]
    #[arg(long, env = "CLOISTER_THRESHOLD", value_name = "SCORE", hide_env = true, value_delimiter = ',')]
    threshold: Option<Vec<Threshold>>,
    /// Countries whose national numbers, telephones and addresses are searched for, such as us,gb,de; without it, all
    #[arg(long, env = "CLOISTER_LOCALES", value_name = "LIST", hide_env = true, value_delimiter = ',')]
    locales: Option<Vec<String>>,
    /// What a missed name costs, where a false one costs the rest to 1; more finds more names, and more that are none [default: 0.6]
    #[arg(long, env = "CLOISTER_RECALL", value_name = "R", hide_env = true, value_parser = share)]
    recall: Option<f32>,
    /// Texts that are nobody's personal data, such as the name of your company; repeat it, or use a comma
    #[arg(long, env = "CLOISTER_KEEP", value_name = "TEXT", hide_env = true, value_delimiter = ',')]
    keep: Option<Vec<String>>,
    /// Folder of a BERT token classifier that looks for personal data too
    #[arg(long, env = "CLOISTER_CLASSIFIER", value_name = "DIR", hide_env = true)]
    classifier: Option<PathBuf>,
}

impl DetectionArgs {
    /// The detectors of the flags, with the gaps filled from the configuration files, and what the evidence says of them.
    pub(super) fn detector(&self, console: &Console) -> anyhow::Result<(Detector, DetectionFacts)> {
        let DetectionArgs { threshold, locales, recall, keep, classifier } = self.clone();
        let flags = Settings { threshold, locales, recall, keep, classifier, ..Settings::default() };
        flags.resolve()?.detector(console)
    }
}

impl Settings {
    /// The detectors of these settings, and what the evidence says of them.
    pub(super) fn detector(&self, console: &Console) -> anyhow::Result<(Detector, DetectionFacts)> {
        let options = self.detection();
        let detector = Detector::new(&options)?;
        let (detector, classifier) = classifier::join(console, detector, self.classifier.as_deref())?;
        Ok((detector, DetectionFacts::of(&options, classifier)))
    }

    fn detection(&self) -> DetectorOptions {
        let standard = DetectorOptions::default();
        let given = self.threshold.as_deref().unwrap_or_default();
        let of_all = given.iter().rev().find(|threshold| threshold.label.is_none());
        let of_one = |threshold: &Threshold| Some((threshold.label?.0.to_owned(), threshold.score));
        DetectorOptions {
            threshold: of_all.map_or(standard.threshold, |threshold| threshold.score),
            thresholds: given.iter().filter_map(of_one).collect::<BTreeMap<_, _>>(),
            locales: self.locales.clone(),
            recall: self.recall.unwrap_or(standard.recall),
            keep: self.keep.clone().unwrap_or_default(),
            ..standard
        }
    }

    /// Whether anything is said of detection.
    pub(super) fn says_detection(&self) -> bool {
        self.threshold.is_some()
            || self.locales.is_some()
            || self.recall.is_some()
            || self.keep.is_some()
            || self.classifier.is_some()
    }
}

/// The lowest score that counts, of one label or of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    label: Option<Label>,
    score: f32,
}

impl FromStr for Threshold {
    type Err = String;

    /// `0.5`, or `PERSON=0.3`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (label, score) = match text.split_once('=') {
            Some((name, score)) => {
                let name = name.trim();
                let label = Label::ALL.into_iter().find(|label| label.0.eq_ignore_ascii_case(name));
                let unknown = || format!("unknown label `{name}`; labels are written like PERSON and US_SSN");
                (Some(label.ok_or_else(unknown)?), score)
            }
            None => (None, text),
        };
        Ok(Self { label, score: share(score)? })
    }
}

/// Thresholds of a file: a number, a text as a flag takes it, or a list of both.
pub(super) fn thresholds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Threshold>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "a threshold is a number, such as 0.5, or a text, such as \"PERSON=0.3\", or a list of them"
    )]
    enum Value {
        Number(f64),
        Text(String),
        List(Vec<Value>),
    }
    fn read(value: Value, into: &mut Vec<Threshold>) -> Result<(), String> {
        match value {
            Value::Number(score) => into.push(score.to_string().parse()?),
            Value::Text(text) => {
                for part in text.split(',') {
                    into.push(part.parse()?);
                }
            }
            Value::List(values) => {
                for value in values {
                    read(value, into)?;
                }
            }
        }
        Ok(())
    }
    let mut thresholds = Vec::new();
    read(Value::deserialize(deserializer)?, &mut thresholds).map_err(D::Error::custom)?;
    Ok(Some(thresholds))
}

/// A number from 0 to 1.
pub(super) fn share(text: &str) -> Result<f32, String> {
    match text.trim().parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("must be a number from 0 to 1".into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn of(texts: &[&str]) -> DetectorOptions {
        let threshold = Some(texts.iter().map(|text| text.parse().unwrap()).collect());
        Settings { threshold, ..Settings::default() }.detection()
    }

    #[test]
    fn thresholds_of_all_labels_and_of_single_ones_mix() {
        let options = of(&["PERSON=0.3", "0.7", "us_ssn = 0.8", "PERSON=0.4"]);
        assert_eq!(options.threshold, 0.7);
        let want = [("PERSON".to_owned(), 0.4), ("US_SSN".to_owned(), 0.8)];
        assert_eq!(options.thresholds.into_iter().collect::<Vec<_>>(), want);
        assert_eq!(of(&["PERSON=0"]).threshold, 0.5);
        for bad in ["", "PERSON", "PERSON=", "PERSN=0.3", "1.1", "-0.1", "nan", "PERSON=0.3=0.4", "=0.5"] {
            assert!(bad.parse::<Threshold>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_says_it_as_a_flag_does() {
        let parse = |text: &str| Settings::parse(std::path::Path::new("cloister.toml"), text);
        let want = of(&["0.7", "PERSON=0.3"]);
        for text in ["threshold = [0.7, \"PERSON=0.3\"]", "threshold = \"0.7,PERSON=0.3\""] {
            assert_eq!(parse(text).unwrap().detection(), want, "{text}");
        }
        let options = parse("threshold = 0\nrecall = 0.9\nlocales = [\"us\", \"gb\"]").unwrap().detection();
        assert_eq!((options.threshold, options.recall), (0.0, 0.9));
        assert_eq!(options.locales.unwrap(), ["us", "gb"]);
        for bad in
            ["threshold = 2", "threshold = \"PERSN=0.1\"", "threshold = true", "recall = 1.5", "locales = \"us\""]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
