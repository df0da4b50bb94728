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
mod age;
mod announced;
pub(crate) mod checksum;
mod classifier;
mod crypto;
mod cue;
pub mod date;
mod document;
mod edge;
mod ident;
mod label;
mod literals;
mod locale;
mod meaning;
mod member;
pub(crate) mod names;
pub(crate) mod nested;
mod network;
pub(crate) mod normal;
mod number;
pub(crate) mod person;
mod phone;
mod resolve;
mod secret;
mod username;
mod view;
pub(crate) mod whereabouts;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tagger;
pub(crate) use address::is_address_word;
pub(crate) use announced::{Announced, announced};
use classifier::Classifier;
pub use classifier::{ClassifiedToken, TokenClassifier};
use ident::Identifiers;
pub use ident::{LOCALES, is_valid};
pub use label::Label;
use locale::{Addresses, Locales, Phones};
use member::Announcement;
pub(crate) use member::announces;
pub(crate) use names::plain;
use secret::Secrets;
pub(crate) use view::{Context, Form, Token, View};

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

/// A text of a record, with the name of the member or column that holds it.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// The name; absent where it says nothing of the text, as that of a column of whole texts.
    pub name: Option<&'a str>,
    /// The text.
    pub text: &'a str,
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
    /// Only the national numbers, telephone numbers and addresses of these locales, by name ([`LOCALES`], such as `us` and
    /// `de`); of all where absent.
    pub locales: Option<Vec<String>>,
    /// Texts that are nobody's, such as the name of one's own company: a finding that is exactly one of them, apart from
    /// case, does not count.
    pub keep: Vec<String>,
    /// Whether the trained tagger looks for persons, places and organisations; true unless told.
    pub tagger: bool,
    /// The cost of a name that the tagger misses, where a false one costs the rest to 1; [`DetectorOptions::RECALL`] unless
    /// told. A missed person counts half as much again, a missed organisation two thirds. More finds more names, and more
    /// that are none.
    pub recall: f32,
}

impl DetectorOptions {
    /// The usual cost of a missed name: where F1 is about highest, the threshold lies at half of it.
    pub const RECALL: f32 = 0.6;
}

impl Default for DetectorOptions {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            thresholds: BTreeMap::new(),
            labels: None,
            locales: None,
            keep: Vec::new(),
            tagger: true,
            recall: Self::RECALL,
        }
    }
}

/// The compiled detectors. Building one takes milliseconds; keep it and share it between threads.
pub struct Detector {
    options: DetectorOptions,
    /// [`DetectorOptions::keep`] in small letters.
    kept: HashSet<String>,
    context: Context,
    secrets: Secrets,
    identifiers: Identifiers,
    phones: Phones,
    addresses: Addresses,
    tagger: Option<&'static tagger::Model<'static>>,
    classifier: Option<Classifier>,
}

impl Detector {
    /// Compiles the detectors.
    ///
    /// # Errors
    /// [`Error::Threshold`] for a threshold or a `recall` outside 0 to 1, [`Error::UnknownLocale`] and [`Error::UnknownLabel`]
    /// for a locale and a label that are not known.
    pub fn new(options: &DetectorOptions) -> Result<Self> {
        for value in options.thresholds.values().chain([&options.threshold, &options.recall]) {
            if !(0.0..=1.0).contains(value) {
                return Err(Error::Threshold { value: *value });
            }
        }
        let named = options.thresholds.keys().chain(options.labels.iter().flatten());
        if let Some(name) = named.into_iter().find(|name| Label::ALL.iter().all(|label| label.0 != name.as_str())) {
            return Err(Error::UnknownLabel { label: name.clone() });
        }
        let locales = Locales::of(options.locales.as_deref())?;
        Ok(Self {
            options: options.clone(),
            kept: options.keep.iter().map(|text| text.to_lowercase()).collect(),
            context: Context::new(),
            secrets: Secrets::new(),
            identifiers: Identifiers::new(&locales),
            phones: locales.phones(),
            addresses: locales.addresses(),
            tagger: if options.tagger { Some(tagger::shared()?) } else { None },
            classifier: None,
        })
    }

    /// Lets a token classifier read every text too. What it finds joins what the tagger finds; rules come first.
    pub fn with_classifier(self, classifier: Arc<dyn TokenClassifier>) -> Self {
        Self { classifier: Some(Classifier::new(classifier)), ..self }
    }

    /// The labels of the classifier that mean nothing here, without prefixes: what it gives them to is not found.
    pub fn unknown_labels(&self) -> &[String] {
        self.classifier.as_ref().map_or(&[], Classifier::unknown)
    }

    /// Whether everything was searched by every detector; asked when the work is done, before its result is used.
    ///
    /// # Errors
    /// [`Error::Classifier`] if the classifier failed on any text since it was given.
    pub fn check(&self) -> Result<()> {
        self.classifier.as_ref().map_or(Ok(()), Classifier::check)
    }

    /// What was found: sorted, not overlapping, at or above the threshold.
    pub fn detect(&self, text: &str) -> Vec<Span> {
        self.detect_document(&[text]).pop().unwrap_or_default()
    }

    /// The same for the texts of one document: a full name found in one text makes its parts count in all of them.
    pub fn detect_document(&self, texts: &[&str]) -> Vec<Vec<Span>> {
        let fields: Vec<Field<'_>> = texts.iter().map(|text| Field { name: None, text }).collect();
        self.detect_fields(&fields)
    }

    /// The same for fields, whose names announce what their texts are: nine digits under `ssn` are found as `SSN: …` is.
    pub fn detect_fields(&self, fields: &[Field<'_>]) -> Vec<Vec<Span>> {
        let said: Vec<Said<'_>> = fields.iter().map(Said::of).collect();
        let views: Vec<View<'_>> = said.iter().map(|said| View::new(&said.text, &self.context)).collect();
        self.search(&views)
            .zip(fields)
            .zip(&said)
            .map(|((found, field), said)| {
                let text = field.text;
                let [mut spans, names] = found.map(|spans| said.of_value(spans));
                let counts = |span: &Span| {
                    span.score >= self.threshold(span.label) && self.wanted(span.label) && !self.is_kept(text, span)
                };
                spans.retain(counts);
                let names = resolve::outside(names, &spans);
                spans.extend(names.into_iter().filter(counts));
                let declared = said.announced.and_then(|said| said.declared(text, &spans, &self.identifiers));
                spans.extend(declared.filter(counts));
                let mut spans = resolve::without_overlaps(text, spans);
                whole_codes(text, &mut spans);
                spans
            })
            .collect()
    }

    /// What is personal in the name of a member itself, such as an e-mail address. Names with a dot look like hosts, so
    /// addresses of the web do not count; of persons, places and organisations only a name of several words in capitals
    /// does, since one word is what members are called by.
    pub fn detect_member_name(&self, name: &str) -> Vec<Span> {
        let mut spans = self.detect(name);
        spans.retain(|span| match span.label {
            Label::URL => false,
            Label::PERSON | Label::LOCATION | Label::ORGANIZATION if span.kind.is_none() => {
                let words = name[span.start..span.end].split(|c: char| !c.is_alphanumeric() && c != '\'');
                words.filter(|word| word.starts_with(char::is_uppercase)).count() > 1
            }
            _ => true,
        });
        spans
    }

    /// Everything that any detector proposes, whatever its score; spans of different labels may overlap.
    pub fn candidates(&self, text: &str) -> Vec<Span> {
        self.candidates_of(&Field { name: None, text })
    }

    /// The same for a field.
    pub fn candidates_of(&self, field: &Field<'_>) -> Vec<Span> {
        let said = Said::of(field);
        let views = [View::new(&said.text, &self.context)];
        let mut spans = Vec::new();
        for found in self.search(&views) {
            spans.extend(found.into_iter().flat_map(|spans| said.of_value(spans)));
        }
        spans.extend(said.announced.and_then(|said| said.declared(field.text, &spans, &self.identifiers)));
        resolve::best_of_each_label(spans)
    }

    /// What rules propose in the texts of one document and in what is encoded inside them, and the names in each.
    fn search<'a>(&'a self, views: &'a [View<'_>]) -> impl Iterator<Item = [Vec<Span>; 2]> + 'a {
        let inside = |view: &View<'_>| {
            let mut spans = self.rules(view);
            let names = self.names(std::slice::from_ref(view)).into_iter().flatten().collect();
            let names = resolve::outside(names, &spans);
            spans.extend(names);
            spans
        };
        views.iter().zip(self.names(views)).map(move |(view, names)| {
            let mut spans = self.rules(view);
            nested::find(view, &self.context, &inside, &mut spans);
            [spans, names]
        })
    }

    fn names(&self, views: &[View<'_>]) -> Vec<Vec<Span>> {
        let mut classified = Vec::new();
        if let Some(classifier) = &self.classifier {
            classified = classifier.find(&views.iter().map(|view| view.text).collect::<Vec<_>>());
        }
        tagger::document::find(views, self.tagger, classified, self.options.recall)
    }

    fn rules(&self, view: &View<'_>) -> Vec<Span> {
        let mut spans = Vec::new();
        network::find(view, &mut spans);
        number::find(view, self.phones, &mut spans);
        self.identifiers.find(view, &mut spans);
        date::find(view, &mut spans);
        age::find(view, &mut spans);
        crypto::find(view, &mut spans);
        username::find(view, &mut spans);
        self.secrets.find(view, &mut spans);
        address::find(view, self.addresses, &mut spans);
        spans
    }

    fn is_kept(&self, text: &str, span: &Span) -> bool {
        !self.kept.is_empty() && self.kept.contains(&text[span.start..span.end].to_lowercase())
    }

    fn threshold(&self, label: Label) -> f32 {
        self.options.thresholds.get(label.0).copied().unwrap_or(self.options.threshold)
    }

    fn wanted(&self, label: Label) -> bool {
        self.options.labels.as_ref().is_none_or(|labels| labels.iter().any(|name| name == label.0))
    }
}

/// Moves the borders of sorted spans that cut a code for a character to its ends.
fn whole_codes(text: &str, spans: &mut [Span]) {
    let mut from = 0;
    for at in 0..spans.len() {
        let to = spans.get(at + 1).map_or(text.len(), |next| next.start);
        let span = &mut spans[at];
        let whole = normal::around_codes(text, span.start..span.end, from..to);
        (span.start, span.end) = (whole.start, whole.end);
        from = span.end;
    }
}

/// A field as it is searched: behind the words that its name stands for, where it announces something.
struct Said<'a> {
    text: Cow<'a, str>,
    announced: Option<Announcement>,
}

impl<'a> Said<'a> {
    fn of(field: &Field<'a>) -> Self {
        match field.name.and_then(|name| Announcement::of(name, field.text)) {
            Some(announced) => {
                let text = Cow::Owned(format!("{}: {}", announced.words(), field.text));
                Self { text, announced: Some(announced) }
            }
            None => Self { text: Cow::Borrowed(field.text), announced: None },
        }
    }

    /// The spans as they lie in the value alone.
    fn of_value(&self, mut spans: Vec<Span>) -> Vec<Span> {
        let Some(announced) = self.announced else { return spans };
        let before = announced.words().len() + ": ".len();
        spans.retain_mut(|span| {
            let inside = span.end > before;
            (span.start, span.end) = (span.start.max(before) - before, span.end.max(before) - before);
            inside
        });
        spans
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

    /// What the rules take for a place.
    pub(super) fn locations(text: &str) -> Vec<&str> {
        let rules = DetectorOptions { tagger: false, ..DetectorOptions::default() };
        let spans = Detector::new(&rules).unwrap().detect(text);
        spans.iter().filter(|span| span.label == Label::LOCATION).map(|span| &text[span.start..span.end]).collect()
    }
}
