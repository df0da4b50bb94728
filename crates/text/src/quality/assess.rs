//! All records together: duplicates, contradictions, strangers, outliers, and the decision on every record.
//!
//! Invariant: decisions stand in the order of the records, one for each.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::boilerplate::Repeats;
use super::labels::{Digest, Labels, contradictions};
use super::near::{self, Fingerprint};
use super::{Analyst, Code, Decision, Features, Lengths, QualityOptions, Reason, RecordAt, Verdict, language};
use crate::detect::Label;

/// Gathers what was seen of the records, in their order.
#[derive(Default)]
pub struct Assessment {
    records: Vec<Features>,
    first: HashMap<Digest, usize>,
    duplicate_of: Vec<Option<usize>>,
    repeats: Repeats,
    by_label: BTreeMap<Label, Spans>,
}

/// The decisions, and what they rest on.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// One for each record, in their order.
    pub verdicts: Vec<Verdict>,
    /// Counts.
    pub summary: QualitySummary,
}

/// How often the detector found one label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spans {
    /// Spans of it.
    pub spans: usize,
    /// Records with at least one.
    pub records: usize,
}

/// Counts over all records; data-dependent, so they are for the holder of the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct QualitySummary {
    /// Records, lines that are none among them.
    pub records: usize,
    /// Records that can be learnt from.
    pub accepted: usize,
    /// Records that a person should look at.
    pub review: usize,
    /// Records that should not be learnt from.
    pub rejected: usize,
    /// Records by what was noticed about them; a record can be in several.
    pub by_code: BTreeMap<Code, usize>,
    /// Characters of text.
    pub chars: u64,
    /// Lengths in words.
    pub words: Option<Lengths>,
    /// Records by language (ISO 639-3), of those whose language can be told.
    pub languages: BTreeMap<&'static str, usize>,
    /// Spans of personal data; absent if nobody looked.
    pub spans: Option<usize>,
    /// The same by label; empty if nobody looked, too.
    pub by_label: BTreeMap<Label, Spans>,
    /// Spans of personal data per 1,000 characters of all records together.
    pub spans_per_1000_chars: Option<f64>,
    /// Different labels, where the answers are labels.
    pub labels: Option<usize>,
    /// Lines and sentences that many records repeat.
    pub repeated_lines: usize,
    /// Evaluation records that were compared with.
    pub evaluation_records: usize,
}

impl Assessment {
    /// Adds the next record.
    pub fn push(&mut self, mut features: Features) {
        let index = self.records.len();
        if let Some(personal) = &mut features.personal {
            for (label, spans) in std::mem::take(&mut personal.by_label) {
                let all = self.by_label.entry(label).or_default();
                all.spans += spans;
                all.records += 1;
            }
        }
        let first = match features.unreadable {
            true => None,
            false => Some(*self.first.entry(features.digest).or_insert(index)).filter(|first| *first != index),
        };
        if first.is_some() {
            // What the first says need not be kept and compared twice.
            features.fingerprint = Fingerprint::default();
            features.answered = None;
        } else {
            self.repeats.add(&features.segments);
        }
        self.duplicate_of.push(first);
        self.records.push(features);
    }

    /// Number of records so far.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Decides on every record.
    pub fn decide(mut self, analyst: &Analyst) -> Quality {
        let options = &analyst.options;
        let count = self.records.len();
        let mut reasons: Vec<Vec<Reason>> = vec![Vec::new(); count];
        let mut note = |index: usize, code: Code, like: Option<RecordAt>, similarity: Option<f64>| {
            let similarity = similarity.map(|share| (share * 1e3).round() / 1e3);
            reasons[index].push(Reason { code, level: options.level(code), like, similarity });
        };
        let place: Vec<RecordAt> = self.records.iter().map(|record| record.at).collect();
        let mut summary = self.count(analyst);
        let usual = Usual {
            options,
            lengths: summary.words,
            languages: language::at_home(&summary.languages, &analyst.languages),
            repeats: &self.repeats,
            repeated_from: self.repeated_from(analyst),
        };
        for (index, record) in self.records.iter().enumerate() {
            usual.alone(record, |code| note(index, code, None, None));
        }

        let known: HashMap<Digest, RecordAt> =
            analyst.evaluation.iter().rev().map(|known| (known.digest, known.at)).collect();
        let exact = |record: &Features| known.get(&record.digest).copied().filter(|_| !record.unreadable);
        for (index, record) in self.records.iter().enumerate() {
            if let Some(first) = self.duplicate_of[index] {
                note(index, Code::ExactDuplicate, Some(place[first]), None);
            }
            if let Some(at) = exact(record) {
                note(index, Code::EvaluationExact, Some(at), None);
            }
        }
        let leaks = analyst.passages.leaks(self.records.iter().map(|record| record.passages.as_slice()));
        for index in (0..count).filter(|index| leaks[*index] && exact(&self.records[*index]).is_none()) {
            note(index, Code::EvaluationPassage, None, None);
        }

        let mut texts: Vec<Fingerprint> = Vec::with_capacity(count + analyst.evaluation.len());
        texts.extend(self.records.iter_mut().map(|record| std::mem::take(&mut record.fingerprint)));
        texts.extend(analyst.evaluation.iter().map(|known| known.fingerprint.clone()));
        let found = near::find(&texts, count..texts.len(), options.near);
        drop(texts);
        for pair in &found.pairs {
            note(pair.text, Code::NearDuplicate, Some(place[pair.like]), Some(pair.similarity));
        }
        for pair in found.overlaps.iter().filter(|pair| exact(&self.records[pair.text]).is_none()) {
            let like = analyst.evaluation[pair.like - count].at;
            note(pair.text, Code::EvaluationNear, Some(like), Some(pair.similarity));
        }

        for (index, other) in contradictions(self.records.iter().map(|record| record.answered.as_ref())) {
            note(index, Code::ContradictoryAnswer, Some(place[other]), None);
        }
        let label = |index: usize| self.records[index].label.as_deref();
        if let Some(labels) = Labels::of((0..count).map(label)) {
            for (index, other) in Labels::noisy(&found.pairs, label) {
                note(index, Code::LabelNoise, Some(place[other]), None);
            }
            let misspelt = labels.misspelt();
            for index in (0..count).filter(|index| label(*index).is_some_and(|label| misspelt.contains(label))) {
                note(index, Code::MisspeltLabel, None, None);
            }
            summary.labels = Some(labels.len());
        }

        let verdicts = place.into_iter().zip(reasons).map(|(at, mut reasons)| {
            reasons.sort_by_key(|reason| reason.code);
            let decision = reasons.iter().map(|reason| reason.level).max().unwrap_or_default();
            Verdict { at, decision, reasons }
        });
        let verdicts: Vec<Verdict> = verdicts.collect();
        for verdict in &verdicts {
            *match verdict.decision {
                Decision::Accept => &mut summary.accepted,
                Decision::Review => &mut summary.review,
                Decision::Reject => &mut summary.rejected,
            } += 1;
            for reason in &verdict.reasons {
                *summary.by_code.entry(reason.code).or_default() += 1;
            }
        }
        Quality { verdicts, summary }
    }

    /// What can be counted before anything is compared.
    fn count(&self, analyst: &Analyst) -> QualitySummary {
        let records = || self.records.iter().filter(|record| !record.unreadable);
        let mut languages = BTreeMap::new();
        for name in records().filter_map(|record| record.language) {
            *languages.entry(name).or_default() += 1;
        }
        let chars: u64 = records().map(|record| record.chars).sum();
        let looked: Option<(usize, u64)> = records().try_fold((0, 0), |(spans, chars), record| {
            record.personal.as_ref().map(|found| (spans + found.spans, chars + found.chars))
        });
        let looked = looked.filter(|(_, chars)| *chars > 0);
        QualitySummary {
            records: self.records.len(),
            chars,
            words: Lengths::of(records().map(|record| record.words).filter(|words| *words > 0).collect()),
            languages,
            spans: looked.map(|(spans, _)| spans),
            by_label: looked.map_or_else(BTreeMap::new, |_| self.by_label.clone()),
            spans_per_1000_chars: looked.map(|(spans, chars)| spans as f64 * 1000.0 / chars as f64),
            repeated_lines: self.repeats.repeated(self.repeated_from(analyst)),
            evaluation_records: analyst.evaluation.len(),
            ..QualitySummary::default()
        }
    }

    fn repeated_from(&self, analyst: &Analyst) -> u32 {
        let standard = || (self.records.len() / 100).max(10);
        analyst.options.boilerplate_records.unwrap_or_else(standard).clamp(2, u32::MAX as usize) as u32
    }
}

/// What is usual in the data set.
struct Usual<'a> {
    options: &'a QualityOptions,
    lengths: Option<Lengths>,
    languages: Vec<&'static str>,
    repeats: &'a Repeats,
    repeated_from: u32,
}

impl Usual<'_> {
    /// What is noticed about a record without comparing it with single others.
    fn alone(&self, record: &Features, mut note: impl FnMut(Code)) {
        if record.unreadable {
            return note(Code::Unreadable);
        }
        let outlier =
            |is: fn(u32, Lengths) -> bool| record.words > 0 && self.lengths.is_some_and(|l| is(record.words, l));
        let repeated = self.repeats.repeated_chars(&record.segments, self.repeated_from);
        let personal = record.personal.clone().unwrap_or_default();
        let density = personal.spans as f64 * 1000.0;
        let chars = record.chars as f64;
        let checks = [
            (Code::Empty, record.words == 0),
            (Code::TooShort, outlier(|words, lengths| words < lengths.short_below)),
            (Code::TooLong, outlier(|words, lengths| words > lengths.long_above)),
            (Code::ReplacementCharacter, record.faults.replacement),
            (Code::Mojibake, record.faults.mojibake),
            (Code::ControlCharacter, record.faults.control),
            (Code::BidiControl, record.faults.bidi),
            (Code::HiddenCharacter, record.faults.hidden),
            (Code::OtherLanguage, record.language.is_some_and(|name| !self.languages.contains(&name))),
            (Code::Boilerplate, repeated > 0 && repeated as f64 >= self.options.boilerplate * chars),
            (Code::ToxicWords, record.toxic > 0),
            (Code::Credential, personal.credentials > 0),
            (
                Code::DensePersonalData,
                personal.spans >= self.options.dense_spans && density > self.options.dense * personal.chars as f64,
            ),
        ];
        checks.into_iter().filter(|(_, is)| *is).for_each(|(code, _)| note(code));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::{RecordKey, WordList};
    use super::*;
    use crate::detect::{Detector, DetectorOptions};
    use crate::records::{Columns, read_from};

    fn assess(options: &QualityOptions, lines: &[String], evaluation: &[String]) -> Quality {
        let read = |lines: &[String]| match lines {
            [] => Vec::new(),
            lines => {
                read_from(lines.join("\n").as_bytes(), &Columns::default()).unwrap_or_else(|e| panic!("{e}")).records
            }
        };
        let mut analyst = Analyst::new(options, RecordKey::from_bytes([1; 32]), WordList::standard()).unwrap();
        for record in read(evaluation) {
            analyst.learn_evaluation(&record, RecordAt { file: 0, line: record.line });
        }
        let detector = Detector::new(&DetectorOptions::default()).unwrap();
        let mut assessment = Assessment::default();
        for record in read(lines) {
            assessment.push(analyst.look(&record, RecordAt { file: 0, line: record.line }, Some(&detector)));
        }
        assessment.decide(&analyst)
    }

    fn text(text: &str) -> String {
        serde_json::json!({"text": text}).to_string()
    }

    fn pair(prompt: &str, completion: &str) -> String {
        serde_json::json!({"prompt": prompt, "completion": completion}).to_string()
    }

    /// Line, code and the line that it is like, of every reason.
    fn reasons(quality: &Quality) -> Vec<(usize, &'static str, Option<usize>)> {
        let of = |verdict: &Verdict| {
            let line = verdict.at.line;
            let reason = move |reason: &Reason| (line, reason.code.name(), reason.like.map(|like| like.line));
            verdict.reasons.iter().map(reason).collect::<Vec<_>>()
        };
        quality.verdicts.iter().flat_map(of).collect()
    }

    const ORDER: &str = "Please send the new router to the old address, the parcel with the first one never came to us";

    #[test]
    fn duplicates_name_the_first_of_their_kind() {
        let lines = [
            text(ORDER),
            text("The invoice for March is too high, two calls on it were made by nobody in this house at all"),
            text(&ORDER.to_uppercase()),
            text(&ORDER.replace("us", "me")),
            text(&format!("  {ORDER}\n")),
        ];
        let quality = assess(&QualityOptions::default(), &lines, &[]);
        let expected =
            [(3, "exact-duplicate", Some(1)), (4, "near-duplicate", Some(1)), (5, "exact-duplicate", Some(1))];
        assert_eq!(reasons(&quality), expected);
        let summary = &quality.summary;
        assert_eq!((summary.accepted, summary.review, summary.rejected), (2, 1, 2));
        assert_eq!(summary.by_code, BTreeMap::from([(Code::ExactDuplicate, 2), (Code::NearDuplicate, 1)]));
        let similarity = quality.verdicts[3].reasons[0].similarity.unwrap();
        assert_eq!(similarity, (36.0_f64 / 38.0 * 1e3).round() / 1e3, "18 of 19 words are common");
    }

    #[test]
    fn evaluation_records_in_the_data_are_found_in_three_ways() {
        let passage = "and then at last we moved the old modem from the kitchen to the attic of the house";
        let evaluation = [text(ORDER), text(&format!("{passage} where nobody ever looked for it again that year"))];
        let lines = [
            text(&ORDER.to_lowercase()),
            text(&ORDER.replace("parcel", "box")),
            text(&format!(
                "Question about wiring in general for a school project of mine, quote: {passage}. Is it so?"
            )),
            text("Nothing of this stands anywhere else, as far as one can tell from the words that are in it"),
        ];
        let quality = assess(&QualityOptions { near: 0.8, ..QualityOptions::default() }, &lines, &evaluation);
        let found = reasons(&quality);
        assert!(found.contains(&(1, "evaluation-exact", Some(1))), "{found:?}");
        assert!(found.contains(&(2, "evaluation-near", Some(1))), "{found:?}");
        assert!(found.contains(&(3, "evaluation-passage", None)), "{found:?}");
        assert!(!found.iter().any(|(line, code, _)| *line == 4 || (*line == 1 && *code == "evaluation-near")));
        assert_eq!(quality.summary.evaluation_records, 2);
    }

    #[test]
    fn contradictions_and_label_noise() {
        let mut lines: Vec<String> = (0..45)
            .map(|n| pair(&format!("review {n} {}", ["fine", "awful"][n % 2].repeat(n + 1)), ["good", "bad"][n % 2]))
            .collect();
        lines.push(pair("Was the delivery on time?", "good"));
        lines.push(pair("was the delivery  on time?", "bad"));
        lines.push(pair(ORDER, "good"));
        lines.push(pair(&ORDER.replace("parcel", "box"), "bad"));
        let quality = assess(&QualityOptions::default(), &lines, &[]);
        assert_eq!(quality.summary.labels, Some(2));
        let found = reasons(&quality);
        for expected in [
            (46, "contradictory-answer", Some(47)),
            (47, "contradictory-answer", Some(46)),
            (49, "near-duplicate", Some(48)),
            (49, "label-noise", Some(48)),
        ] {
            assert!(found.contains(&expected), "{expected:?} is not in {found:?}");
        }
    }

    #[test]
    fn each_fault_of_one_record_is_named() {
        let options = QualityOptions { languages: vec!["en".into()], ..QualityOptions::default() };
        for (line, code) in [
            ("caf\u{fffd} in the morning", "replacement-character"),
            ("donâ€™t worry about the bill", "mojibake"),
            ("a bell \u{7} rings", "control-character"),
            ("pay to \u{202e}nimda", "bidi-control"),
            ("hello \u{e0041}\u{e0042}", "hidden-character"),
            ("Seit gestern Abend ist mein Anschluss gestört, und niemand geht ans Telefon.", "other-language"),
            ("you piece of shit", "toxic-words"),
            ("my password is hunter2xyz!Q", "credential"),
            ("\u{2026} !!", "empty"),
        ] {
            let found = assess(&options, &[text(line)], &[]);
            assert_eq!(reasons(&found).iter().map(|(_, code, _)| *code).collect::<Vec<_>>(), [code], "{line}");
        }
        let dense = "ana@corp.com, bo@corp.com, +1 202 555 0123, 10.1.2.3, cy@corp.com";
        let found = assess(&options, &[text(dense), text("write to ana@corp.com")], &[]);
        assert!(reasons(&found).contains(&(1, "dense-personal-data", None)));
        let by_label = &found.summary.by_label;
        assert_eq!(by_label[&Label::EMAIL_ADDRESS], Spans { spans: 4, records: 2 });
        assert_eq!(by_label.values().map(|of| of.spans).sum::<usize>(), found.summary.spans.unwrap());
    }

    #[test]
    fn outliers_boilerplate_and_lines_that_are_no_records() {
        let footer = "This message is meant for its addressee only, please delete it otherwise.";
        let mut lines: Vec<String> =
            (0..30).map(|n| text(&format!("Ticket {n} is about {} and {} things.\n{footer}", n * 7, n * n))).collect();
        lines.push(text(&"word ".repeat(4000)));
        let options = QualityOptions { near: 1.0, ..QualityOptions::default() };
        let analyst = Analyst::new(&options, RecordKey::from_bytes([1; 32]), WordList::standard()).unwrap();
        let records = read_from(lines.join("\n").as_bytes(), &Columns::default()).unwrap_or_else(|e| panic!("{e}"));
        let mut assessment = Assessment::default();
        for record in &records.records {
            assessment.push(analyst.look(record, RecordAt { file: 0, line: record.line }, None));
        }
        assessment.push(Features::unreadable(RecordAt { file: 1, line: 9 }));
        assert_eq!((assessment.len(), assessment.is_empty()), (32, false));
        let quality = assessment.decide(&analyst);
        let codes: BTreeMap<&str, usize> = quality.summary.by_code.iter().map(|(code, n)| (code.name(), *n)).collect();
        assert_eq!(codes, BTreeMap::from([("boilerplate", 30), ("too-long", 1), ("unreadable", 1)]));
        assert_eq!(quality.verdicts[31].decision, Decision::Reject);
        assert_eq!(quality.summary.spans, None, "nobody looked");
        assert_eq!(quality.summary.repeated_lines, 1);
    }

    #[test]
    fn what_is_the_same_by_design_makes_no_two_records_alike() {
        let system =
            "You are the friendly assistant of a water company, answer in two sentences and never in verse, please.";
        let chat = |user: &str, answer: &str| {
            let turn = |role: &str, content: &str| serde_json::json!({"role": role, "content": content});
            let turns = [turn("system", system), turn("user", user), turn("assistant", answer)];
            serde_json::json!({"messages": turns}).to_string()
        };
        let call = |city: &str| {
            let call =
                serde_json::json!({"function": {"name": "weather", "arguments": format!("{{\"city\":\"{city}\"}}")}});
            let turn = |role: &str, content: &str| serde_json::json!({"role": role, "content": content});
            let calls = serde_json::json!({"role": "assistant", "content": null, "tool_calls": [call]});
            let turns =
                [turn("user", "How is the weather?"), turn("assistant", "Shall I look?"), turn("user", "Do"), calls];
            serde_json::json!({"messages": turns}).to_string()
        };
        let things =
            ["pumps", "bills", "taps", "wells", "drains", "meters", "leaks", "hoses", "valves", "tanks", "pipes"];
        let lines: Vec<String> =
            things.iter().map(|thing| chat(&format!("What about {thing}?"), &format!("We mend {thing}."))).collect();
        assert_eq!(reasons(&assess(&QualityOptions::default(), &lines, &[lines[0].replace("pumps", "roofs")])), []);
        // Calls of a tool without a word of text: another city is another record, the same city the same.
        let calls = [call("Oslo"), call("Bergen"), call("Oslo")];
        let found = reasons(&assess(&QualityOptions::default(), &calls, &[]));
        assert_eq!(found, [(2, "near-duplicate", Some(1)), (3, "exact-duplicate", Some(1))]);
    }

    #[test]
    fn the_key_changes_nothing_that_is_reported() {
        let lines: Vec<String> = (0..50).map(|n| text(&format!("{ORDER} {}", n % 7))).collect();
        let records = read_from(lines.join("\n").as_bytes(), &Columns::default()).unwrap_or_else(|e| panic!("{e}"));
        let under = |key: u8| {
            let analyst =
                Analyst::new(&QualityOptions::default(), RecordKey::from_bytes([key; 32]), WordList::standard())
                    .unwrap();
            let mut assessment = Assessment::default();
            for record in &records.records {
                assessment.push(analyst.look(record, RecordAt { file: 0, line: record.line }, None));
            }
            assessment.decide(&analyst)
        };
        assert_eq!(under(1), under(2));
    }
}
