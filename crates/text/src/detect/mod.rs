//! Finds personal data and secrets in a text.
//!
//! Invariants: the time of a pass is linear in the length of the text; spans lie on character boundaries; the spans
//! of [`Detector::detect`] are sorted and do not overlap. A [`Span`] holds offsets, never text.
//!
//! Every family of detectors reads the same `view::View` (tokens and context words, made once per text) and yields
//! candidates with a score: what a form alone is worth (0.01 to 0.8), raised by context words, 1.0 where a checksum
//! agrees. Thresholds and overlaps are decided afterwards, in one place.
//! Source of the scheme: Microsoft Presidio's recognisers (pattern score, validation, context words).

mod address;
pub(crate) mod checksum;
mod cue;
mod document;
pub(crate) mod names;
mod nested;
mod network;
mod normal;
mod number;
mod person;
mod phone;
mod resolve;
mod secret;
mod view;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
pub(crate) use address::is_address_word;
use names::Names;
use secret::Secrets;
use view::{Context, View};

/// The kind of personal data, by Presidio's entity name where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Label(pub &'static str);

impl Label {
    /// E-mail address.
    pub const EMAIL_ADDRESS: Self = Self("EMAIL_ADDRESS");
    /// Telephone number.
    pub const PHONE_NUMBER: Self = Self("PHONE_NUMBER");
    /// Payment card number.
    pub const CREDIT_CARD: Self = Self("CREDIT_CARD");
    /// International bank account number.
    pub const IBAN_CODE: Self = Self("IBAN_CODE");
    /// US social security number.
    pub const US_SSN: Self = Self("US_SSN");
    /// IPv4 or IPv6 address or network.
    pub const IP_ADDRESS: Self = Self("IP_ADDRESS");
    /// Hardware address.
    pub const MAC_ADDRESS: Self = Self("MAC_ADDRESS");
    /// Web address or host name.
    pub const URL: Self = Self("URL");
    /// Password, key or token; `kind` says which.
    pub const CREDENTIAL: Self = Self("CREDENTIAL");
    /// Name of a person.
    pub const PERSON: Self = Self("PERSON");
    /// Place; a postal address has the kind `address`.
    pub const LOCATION: Self = Self("LOCATION");

    /// All labels that this version detects.
    pub const ALL: [Self; 11] = [
        Self::EMAIL_ADDRESS,
        Self::PHONE_NUMBER,
        Self::CREDIT_CARD,
        Self::IBAN_CODE,
        Self::US_SSN,
        Self::IP_ADDRESS,
        Self::MAC_ADDRESS,
        Self::URL,
        Self::CREDENTIAL,
        Self::PERSON,
        Self::LOCATION,
    ];
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// Where something was found, and what it is taken for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What it is.
    pub label: Label,
    /// 0 to 1; 1 where a checksum or an unmistakable form agrees.
    pub score: f32,
    /// A finer kind, such as `aws-access-key` or `address`.
    pub kind: Option<&'static str>,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize, label: Label, score: f32) -> Self {
        Self { start, end, label, score, kind: None }
    }

    pub(crate) fn of_kind(self, kind: &'static str) -> Self {
        Self { kind: Some(kind), ..self }
    }
}

/// What to look for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectorOptions {
    /// Lowest score that counts; 0.5 unless told.
    pub threshold: f32,
    /// Thresholds of single labels, by name.
    pub thresholds: BTreeMap<String, f32>,
    /// Only these labels, by name; all where absent.
    pub labels: Option<Vec<String>>,
}

impl Default for DetectorOptions {
    fn default() -> Self {
        Self { threshold: 0.5, thresholds: BTreeMap::new(), labels: None }
    }
}

/// The compiled detectors. Building one takes milliseconds; keep it and share it between threads.
pub struct Detector {
    options: DetectorOptions,
    context: Context,
    secrets: Secrets,
    names: &'static Names,
}

impl Detector {
    /// Compiles the detectors.
    ///
    /// # Errors
    /// [`Error::Threshold`] for a threshold outside 0 to 1.
    pub fn new(options: &DetectorOptions) -> Result<Self> {
        for value in options.thresholds.values().chain([&options.threshold]) {
            if !(0.0..=1.0).contains(value) {
                return Err(Error::Threshold { value: *value });
            }
        }
        Ok(Self {
            options: options.clone(),
            context: Context::new()?,
            secrets: Secrets::new()?,
            names: names::shared(),
        })
    }

    /// What was found: sorted, not overlapping, at or above the threshold.
    pub fn detect(&self, text: &str) -> Vec<Span> {
        self.detect_document(&[text]).pop().unwrap_or_default()
    }

    /// The same for the texts of one document: a full name found in one text makes its parts count in all of them.
    pub fn detect_document(&self, texts: &[&str]) -> Vec<Vec<Span>> {
        let views: Vec<View<'_>> = texts.iter().map(|text| View::new(text, &self.context)).collect();
        self.search(&views)
            .into_iter()
            .zip(texts)
            .map(|(mut spans, text)| {
                spans.retain(|span| span.score >= self.threshold(span.label) && self.wanted(span.label));
                resolve::without_overlaps(text, spans)
            })
            .collect()
    }

    /// Everything that any detector proposes, whatever its score; spans of different labels may overlap.
    pub fn candidates(&self, text: &str) -> Vec<Span> {
        let views = [View::new(text, &self.context)];
        resolve::best_of_each_label(self.search(&views).pop().unwrap_or_default())
    }

    /// What any detector proposes in the texts of one document, and in what is encoded inside them.
    fn search(&self, views: &[View<'_>]) -> Vec<Vec<Span>> {
        let mut found = self.search_as_written(views);
        let inside = |view: &View<'_>| self.search_as_written(std::slice::from_ref(view)).pop().unwrap_or_default();
        for (view, spans) in views.iter().zip(&mut found) {
            nested::find(view, &self.context, &inside, spans);
        }
        found
    }

    fn search_as_written(&self, views: &[View<'_>]) -> Vec<Vec<Span>> {
        let mut found = person::find(views, self.names);
        for (view, spans) in views.iter().zip(&mut found) {
            self.rules(view, spans);
        }
        found
    }

    fn rules(&self, view: &View<'_>, out: &mut Vec<Span>) {
        network::find(view, out);
        number::find(view, out);
        self.secrets.find(view, out);
        address::find(view, out);
    }

    fn threshold(&self, label: Label) -> f32 {
        self.options.thresholds.get(label.0).copied().unwrap_or(self.options.threshold)
    }

    fn wanted(&self, label: Label) -> bool {
        self.options.labels.as_ref().is_none_or(|labels| labels.iter().any(|name| name == label.0))
    }
}

/// Offsets of sorted spans in Unicode code points, as the machine interface of `scan` writes them.
pub fn code_points(text: &str, spans: &[Span]) -> Vec<(usize, usize)> {
    let mut order: Vec<(usize, usize, bool)> = Vec::with_capacity(2 * spans.len());
    for (index, span) in spans.iter().enumerate() {
        order.push((span.start, index, false));
        order.push((span.end, index, true));
    }
    order.sort_unstable();
    let mut result = vec![(0, 0); spans.len()];
    let (mut byte, mut point) = (0, 0);
    for (offset, index, is_end) in order {
        let offset = offset.min(text.len()).max(byte);
        point += text.as_bytes()[byte..offset].iter().filter(|b| **b & 0xC0 != 0x80).count();
        byte = offset;
        if is_end {
            result[index].1 = point;
        } else {
            result[index].0 = point;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// What the detectors take for a place.
    pub(super) fn locations(text: &str) -> Vec<&str> {
        let spans = Detector::new(&DetectorOptions::default()).unwrap().detect(text);
        spans.iter().filter(|span| span.label == Label::LOCATION).map(|span| &text[span.start..span.end]).collect()
    }
}
