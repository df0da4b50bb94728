//! Scans and protects whole data sets.
//!
//! Invariants: reports hold counts and labels, never content. What is replaced in a text depends on the text, hardly on
//! profile or key: every record is searched, then searched again with what was found hidden behind labels and behind
//! surrogates under a fixed key, until neither shows more. A first pass over the data learns from that which values no
//! surrogate may take; a second one replaces. The output is scanned all the same: what the words of its own profile and key
//! bring to light is replaced too, up to three rounds, and what is still found then is residual. Every span that was found is
//! counted once, as replaced or kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Serialize;

use crate::detect::normal::around_codes;
use crate::detect::{Detector, Field, Label, Span};
use crate::records::{Dataset, Record, Searched, Shape};
use crate::replace::{
    DateOrders, Originals, Profile, ReplaceContext, Replacer, Scope, SurrogateKey, is_title, names_in,
};

/// Rounds of replacement.
const ROUNDS: usize = 3;
/// Searches of a record with what was found hidden, at most; two that show nothing more end them.
const SEARCHES: usize = 12;

/// What a scan counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScanReport {
    /// Shape of the records.
    pub shape: Shape,
    /// Records read.
    pub records: usize,
    /// Records in which something was found.
    pub records_with_findings: usize,
    /// Distinct subjects that the data names.
    pub subjects: usize,
    /// Bytes of text scanned.
    pub text_bytes: usize,
    /// Spans by label.
    pub found: BTreeMap<Label, usize>,
    /// Credentials by kind.
    pub credentials: BTreeMap<&'static str, usize>,
}

impl ScanReport {
    /// Spans of all labels.
    pub fn found_total(&self) -> usize {
        self.found.values().sum()
    }
}

/// What protection did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProtectReport {
    /// Shape of the records.
    pub shape: Shape,
    /// Records written.
    pub records: usize,
    /// Records that changed.
    pub records_changed: usize,
    /// Distinct subjects, each now a pseudonym.
    pub subjects: usize,
    /// Records whose identifier is a pseudonym now: all under the Safe Harbor and the GDPR profile, elsewhere those in which
    /// personal data was found or a name of the record stands.
    pub identifiers_replaced: usize,
    /// Records whose identifier stays as it is.
    pub identifiers_kept: usize,
    /// In which order dates in numbers are written; where both occur, look at those that fit both.
    pub date_orders: DateOrders,
    /// Spans found in the original text, by label: those of [`ScanReport::found`].
    pub found: BTreeMap<Label, usize>,
    /// Spans found by later searches, with what was found before hidden or replaced.
    pub found_later: BTreeMap<Label, usize>,
    /// All of them that were replaced, by label.
    pub replaced: BTreeMap<Label, usize>,
    /// Those that the policy keeps, by label.
    pub kept: BTreeMap<Label, usize>,
    /// What the last scan of the output still finds outside our replacements, and in names of members.
    pub residual: BTreeMap<Label, usize>,
    /// Different names of members (keys of JSON objects) that hold personal data: they are kept as they are.
    pub personal_names: usize,
}

impl ProtectReport {
    /// Residual spans of all labels; 0 is the goal.
    pub fn residual_total(&self) -> usize {
        self.residual.values().sum()
    }
}

/// Counts the personal data of a data set.
pub fn scan(dataset: &Dataset, detector: &Detector) -> ScanReport {
    let mut report = ScanReport {
        shape: dataset.shape,
        records: dataset.records.len(),
        records_with_findings: 0,
        subjects: subjects(dataset),
        text_bytes: 0,
        found: BTreeMap::new(),
        credentials: BTreeMap::new(),
    };
    for record in &dataset.records {
        let searched = record.searched();
        report.text_bytes += searched.iter().map(|searched| searched.text.len()).sum::<usize>();
        let spans = detector.detect_fields(&fields(&searched));
        report.records_with_findings += usize::from(spans.iter().any(|spans| !spans.is_empty()));
        for span in spans.iter().flatten() {
            *report.found.entry(span.label).or_default() += 1;
            if let (Label::CREDENTIAL, Some(kind)) = (span.label, span.kind) {
                *report.credentials.entry(kind).or_default() += 1;
            }
        }
    }
    report
}

/// Replaces the personal data of a data set in place, and its subjects by keyed pseudonyms.
pub fn protect(dataset: &mut Dataset, detector: &Detector, replacer: &Replacer) -> ProtectReport {
    let mut report = ProtectReport {
        shape: dataset.shape,
        records: dataset.records.len(),
        records_changed: 0,
        subjects: subjects(dataset),
        identifiers_replaced: 0,
        identifiers_kept: 0,
        date_orders: DateOrders::default(),
        found: BTreeMap::new(),
        found_later: BTreeMap::new(),
        replaced: BTreeMap::new(),
        kept: BTreeMap::new(),
        residual: BTreeMap::new(),
        personal_names: 0,
    };
    let in_names = spans_in_names(dataset, detector);
    report.personal_names = in_names.len();
    count(&mut report.residual, in_names.iter().flatten());
    let mut originals = Originals::default();
    let neutral = Replacer::new(SurrogateKey::from_bytes([0; 32]), Profile::Surrogate, Scope::Document);
    let mut places = Vec::with_capacity(dataset.records.len());
    for record in &dataset.records {
        let searched = record.searched();
        let fields = fields(&searched);
        let context = ReplaceContext { document: &record.id, subject: record.subject.as_deref() };
        let (spans, later) = search(&fields, detector, &neutral);
        count(&mut report.found, spans.iter().flatten());
        count(&mut report.found_later, later.iter().flatten());
        let spans: Vec<Vec<Span>> = spans.into_iter().zip(later).map(merged).collect();
        let mut names = BTreeSet::new();
        for (field, spans) in fields.iter().zip(&spans) {
            replacer.remember(&mut originals, &context, field.text, spans);
            names.extend(names_in(field.text, spans));
        }
        let new_id = record.has_id()
            && (replacer.policy().replaces_identifiers()
                || !detector.detect(&record.id).is_empty()
                || holds_name(&record.id, &names));
        places.push((spans, new_id));
    }
    report.date_orders = originals.date_orders();
    let replacer = replacer.with_originals(originals);
    for (record, (spans, new_id)) in dataset.records.iter_mut().zip(places) {
        let changed = protect_record(record, spans, detector, &replacer, &mut report);
        report.records_changed += usize::from(changed);
        if new_id {
            record.set_id(replacer.record_pseudonym(&record.id));
            report.identifiers_replaced += 1;
        } else {
            report.identifiers_kept += usize::from(record.has_id());
        }
        record.map_subject(|subject| replacer.subject_pseudonym(subject));
    }
    report
}

fn fields<'a>(searched: &'a [Searched<'_>]) -> Vec<Field<'a>> {
    searched.iter().map(Searched::field).collect()
}

/// What is found in the fields of a record, and what later searches find beside it.
fn search(fields: &[Field<'_>], detector: &Detector, neutral: &Replacer) -> (Vec<Vec<Span>>, Vec<Vec<Span>>) {
    let spans = detector.detect_fields(fields);
    let mut later = vec![Vec::new(); spans.len()];
    let mut quiet = 0;
    for round in 0..SEARCHES {
        let all: Vec<Vec<Span>> = spans.iter().cloned().zip(later.iter().cloned()).map(merged).collect();
        if quiet == 2 || all.iter().all(Vec::is_empty) {
            break;
        }
        let hide = |(field, spans): (&Field<'_>, &Vec<Span>)| match round % 2 {
            0 => hide(field.text, spans),
            _ => {
                let replaced = neutral.replace(&ReplaceContext::default(), field.text, spans);
                (replaced.text, replaced.spans)
            }
        };
        let hidden: Vec<(String, Vec<Span>)> = fields.iter().zip(&all).map(hide).collect();
        let hidden_fields: Vec<Field<'_>> =
            fields.iter().zip(&hidden).map(|(field, (text, _))| Field { text, ..*field }).collect();
        quiet += 1;
        for (field, found) in detector.detect_fields(&hidden_fields).iter().enumerate() {
            let (text, ours) = &hidden[field];
            for span in found.iter().filter_map(|span| outside(text, span, ours)) {
                let before = ours.partition_point(|own| own.end <= span.start);
                let (from, to) = before.checked_sub(1).map_or((0, 0), |at| (ours[at].end, all[field][at].end));
                later[field].push(Span { start: span.start + to - from, end: span.end + to - from, ..span });
                quiet = 0;
            }
        }
    }
    (spans, later)
}

/// The text with each span as `<LABEL>`, and where they stand in it.
fn hide(text: &str, spans: &[Span]) -> (String, Vec<Span>) {
    let mut hidden = String::with_capacity(text.len());
    let (mut ours, mut done) = (Vec::with_capacity(spans.len()), 0);
    for span in spans {
        hidden.push_str(&text[done..span.start]);
        let start = hidden.len();
        hidden.extend(["<", span.label.0, ">"]);
        ours.push(Span { start, end: hidden.len(), ..*span });
        done = span.end;
    }
    hidden.push_str(&text[done..]);
    (hidden, ours)
}

fn merged((mut spans, later): (Vec<Span>, Vec<Span>)) -> Vec<Span> {
    spans.extend(later);
    spans.sort_unstable_by_key(|span| span.start);
    spans
}

/// Letters of a name that also count inside longer words of an identifier: `akowalczyk78`.
const INSIDE: usize = 5;

/// Whether an identifier has a name of the record in it.
fn holds_name(id: &str, names: &BTreeSet<String>) -> bool {
    let id = crate::detect::plain(id);
    let mut words = id.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words.any(|word| {
        names.contains(word) || names.iter().any(|name| name.len() >= INSIDE && word.contains(name.as_str()))
    })
}

/// What each different name of a member holds that is personal.
pub fn spans_in_names(dataset: &Dataset, detector: &Detector) -> Vec<Vec<Span>> {
    let mut names = BTreeSet::new();
    for record in &dataset.records {
        record.member_names(|name| {
            names.insert(name);
        });
    }
    names.into_iter().map(|name| detector.detect_member_name(name)).filter(|spans| !spans.is_empty()).collect()
}

/// Replaces `found` in the texts of a record, then what new scans find; true if anything changed.
fn protect_record(
    record: &mut Record,
    mut found: Vec<Vec<Span>>,
    detector: &Detector,
    replacer: &Replacer,
    report: &mut ProtectReport,
) -> bool {
    let mut changed = false;
    let (id, subject) = (record.id.clone(), record.subject.clone());
    let context = ReplaceContext { document: &id, subject: subject.as_deref() };
    let mut ours: Vec<Vec<Span>> = vec![Vec::new(); found.len()];
    for round in 0..ROUNDS {
        if found.iter().all(Vec::is_empty) {
            return changed;
        }
        let mut field = 0;
        record.map_text(|text| {
            let replaced = replacer.replace(&context, text, &found[field]);
            add(&mut report.replaced, &replaced.counts);
            add(&mut report.kept, &replaced.kept);
            if round > 0 {
                count(&mut report.found_later, found[field].iter());
            }
            changed |= !replaced.counts.is_empty();
            shift(&mut ours[field], &found[field], &replaced.spans);
            field += 1;
            replaced.text
        });
        let searched = record.searched();
        found = detector.detect_fields(&fields(&searched));
        for ((searched, spans), ours) in searched.iter().zip(&mut found).zip(&ours) {
            *spans = spans.iter().filter_map(|span| outside(&searched.text, span, ours)).collect();
        }
    }
    count(&mut report.residual, found.iter().flatten());
    changed
}

/// Moves the replacements of earlier rounds to where they stand now, and adds the new ones.
fn shift(ours: &mut Vec<Span>, old: &[Span], new: &[Span]) {
    for own in ours.iter_mut() {
        let before = old.partition_point(|span| span.end <= own.start);
        if let Some(index) = before.checked_sub(1) {
            let (from, to) = (old[index].end, new[index].end);
            own.start = own.start + to - from;
            own.end = own.end + to - from;
        }
    }
    ours.extend_from_slice(new);
    ours.sort_unstable_by_key(|span| span.start);
}

/// The part of `span` that none of our replacements covers; nothing where that part has no letter or digit, or is a title.
fn outside(text: &str, span: &Span, ours: &[Span]) -> Option<Span> {
    let (mut start, mut best) = (span.start, None::<(usize, usize)>);
    let first = ours.partition_point(|own| own.end <= span.start);
    let overlapping = ours[first..].iter().take_while(|own| own.start < span.end);
    let mut keep = |from: usize, to: usize| {
        let within = from..to;
        let rest = text.get(from..to).unwrap_or_default();
        let trimmed = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
        let (from, rest) = (from + rest.len() - trimmed.len(), trimmed);
        let to = from + rest.trim_end_matches(|c: char| !c.is_alphanumeric()).len();
        let Range { start: from, end: to } = around_codes(text, from..to, within);
        if from < to && best.is_none_or(|(a, b)| b - a < to - from) {
            best = Some((from, to));
        }
    };
    for own in overlapping {
        if own.start > start {
            keep(start, own.start);
        }
        start = start.max(own.end);
    }
    if start < span.end {
        keep(start, span.end);
    }
    let best = best.filter(|(start, end)| span.label != Label::PERSON || !is_title(&text[*start..*end]));
    best.map(|(start, end)| Span { start, end, ..*span })
}

fn subjects(dataset: &Dataset) -> usize {
    dataset.records.iter().filter_map(|record| record.subject.as_deref()).collect::<BTreeSet<_>>().len()
}

fn count<'a>(counts: &mut BTreeMap<Label, usize>, spans: impl Iterator<Item = &'a Span>) {
    for span in spans {
        *counts.entry(span.label).or_default() += 1;
    }
}

fn add(counts: &mut BTreeMap<Label, usize>, more: &BTreeMap<Label, usize>) {
    for (label, n) in more {
        *counts.entry(*label).or_default() += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_outside_replacements_is_residual() {
        let text = "Al Kim Park of <PERSON> x";
        let span = |start, end| Span::new(start, end, Label::PERSON, 1.0);
        let ours = [span(3, 11)];
        assert!(outside(text, &span(3, 11), &ours).is_none());
        assert!(outside(text, &span(7, 12), &ours).is_none());
        assert_eq!(outside(text, &span(0, 11), &ours).map(|s| (s.start, s.end)), Some((0, 2)));
    }

    #[test]
    fn earlier_replacements_move_with_the_text() {
        let span = |start, end| Span::new(start, end, Label::PERSON, 1.0);
        let mut ours = vec![span(0, 3), span(20, 25)];
        shift(&mut ours, &[span(10, 12)], &[span(10, 17)]);
        let got: Vec<_> = ours.iter().map(|s| (s.start, s.end)).collect();
        assert_eq!(got, [(0, 3), (10, 17), (25, 30)]);
    }
}
