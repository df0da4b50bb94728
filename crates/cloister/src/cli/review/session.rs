//! The conversation of a review: a record is shown with what was found, the person answers in a line.
//!
//! Invariants: characters that could command the terminal are shown as spaces or U+FFFD; an answer that is not understood
//! changes nothing; the state is kept after every answer.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use cloister_text::{Dataset, Detector, Field, Label, Searched, Span};

use super::state::{Marks, State};
use super::{Count, put};

/// Labels that a person may miss though the detector does not know them.
const FURTHER_LABELS: [&str; 8] =
    ["ORGANIZATION", "DATE_TIME", "NRP", "AGE", "ID", "OTHER", "HEALTH", "SPECIAL_CATEGORY"];
/// Width of the list of labels.
const COLUMNS: usize = 76;

const HELP: &str = "\
  Enter or n      nothing more was missed: the next record
  person 2        two names of persons were missed (any label, or the beginning of its last word; 0 takes it back)
  health 1        something about health was missed; special_category: religion, ethnic origin, trade union and the like
  -location 1     one of the places found is none
  b               back to the record before
  q               stop here, to go on later
  ?               this, and all labels
";

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All sampled records were reviewed.
    Done,
    /// The person stopped.
    Stopped,
}

/// A review at a terminal. Holds records: no `Debug`.
pub(super) struct Session<'a> {
    dataset: &'a Dataset,
    detector: &'a Detector,
    sample: &'a [usize],
    color: bool,
}

/// What an answer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Next,
    Back,
    Quit,
    Help,
    Missed(String, usize),
    Wrong(String, usize),
    Unclear(String),
}

impl<'a> Session<'a> {
    pub(super) fn new(dataset: &'a Dataset, detector: &'a Detector, sample: &'a [usize], color: bool) -> Self {
        Self { dataset, detector, sample, color }
    }

    /// Shows records and takes answers until the sample or the person ends.
    pub(super) fn run(
        &mut self,
        state: &mut State,
        mut input: impl BufRead,
        mut output: impl Write,
        keep: impl Fn(&State) -> anyhow::Result<()>,
    ) -> anyhow::Result<Ended> {
        keep(state)?;
        put(&mut output, HELP)?;
        let mut show = true;
        while state.position < self.sample.len() {
            if std::mem::replace(&mut show, false) {
                put(&mut output, &self.shown(state))?;
            }
            put(&mut output, "> ")?;
            let mut line = String::new();
            if input.read_line(&mut line)? == 0 {
                return Ok(Ended::Stopped);
            }
            match answer(&line) {
                Answer::Next => {
                    state.next();
                    show = true;
                }
                Answer::Back => {
                    state.position = state.position.saturating_sub(1);
                    show = true;
                }
                Answer::Quit => return Ok(Ended::Stopped),
                Answer::Help => put(&mut output, &format!("{HELP}\n{}", listed()))?,
                Answer::Unclear(why) => put(&mut output, &format!("{why}; ? shows what can be answered\n"))?,
                Answer::Missed(label, count) => {
                    mark(&mut state.marks.entry(state.position).or_default().missed, &label, count);
                    put(&mut output, &format!("missed: {label} {count}\n"))?;
                }
                Answer::Wrong(label, count) => {
                    let there = self.spans_of(state.position).get(label.as_str()).copied().unwrap_or_default();
                    let count = count.min(there);
                    mark(&mut state.marks.entry(state.position).or_default().wrong, &label, count);
                    put(&mut output, &format!("wrong: {label} {count} of {there} found\n"))?;
                }
            }
            keep(state)?;
        }
        Ok(Ended::Done)
    }

    /// Counts by label over the reviewed records.
    pub(super) fn found(&self, state: &State) -> BTreeMap<String, Count> {
        let mut counts: BTreeMap<String, Count> = BTreeMap::new();
        for position in 0..state.reviewed.min(self.sample.len()) {
            let marks = state.marks.get(&position).cloned().unwrap_or_default();
            for (label, found) in self.spans_of(position) {
                let wrong = marks.wrong.get(label).copied().unwrap_or_default().min(found);
                let count = counts.entry(label.to_owned()).or_default();
                count.found += found - wrong;
                count.wrong += wrong;
            }
            for (label, missed) in marks.missed.into_iter().filter(|(_, missed)| *missed > 0) {
                counts.entry(label).or_default().missed += missed;
            }
        }
        counts
    }

    fn spans_of(&self, position: usize) -> BTreeMap<&'static str, usize> {
        let searched = self.dataset.records[self.sample[position]].searched();
        let mut counts = BTreeMap::new();
        for span in self.found_in(&searched).into_iter().flatten() {
            *counts.entry(span.label.0).or_default() += 1;
        }
        counts
    }

    fn found_in(&self, searched: &[Searched<'_>]) -> Vec<Vec<Span>> {
        let fields: Vec<Field<'_>> = searched.iter().map(Searched::field).collect();
        self.detector.detect_fields(&fields)
    }

    /// A record for the terminal.
    fn shown(&self, state: &State) -> String {
        let record = &self.dataset.records[self.sample[state.position]];
        let searched = record.searched();
        let rule = "─".repeat(60);
        let mut shown = format!("\n{rule}\n{} of {}, line {}\n", state.position + 1, self.sample.len(), record.line);
        for (searched, spans) in searched.iter().zip(self.found_in(&searched)) {
            shown += &format!("{}\n", self.dim(&visible(&searched.place.to_string())));
            let (text, mut from) = (&*searched.text, 0);
            for span in spans {
                shown += &visible(text.get(from..span.start).unwrap_or_default());
                shown += &self.marked(&visible(text.get(span.start..span.end).unwrap_or_default()), span.label);
                from = span.end;
            }
            shown += &visible(text.get(from..).unwrap_or_default());
            shown.push('\n');
        }
        if let Some(marks) = state.marks.get(&state.position) {
            shown += &told(marks);
        }
        shown
    }

    fn marked(&self, text: &str, label: Label) -> String {
        if self.color { format!("\x1b[7m{text}\x1b[0m\x1b[36m {label}\x1b[0m") } else { format!("[{text}|{label}]") }
    }

    fn dim(&self, text: &str) -> String {
        if self.color { format!("\x1b[2m{text}\x1b[0m") } else { text.into() }
    }
}

fn told(marks: &Marks) -> String {
    let list = |name: &str, counts: &BTreeMap<String, usize>| {
        let items: Vec<String> =
            counts.iter().filter(|(_, n)| **n > 0).map(|(label, n)| format!("{label} {n}")).collect();
        if items.is_empty() { String::new() } else { format!("{name}: {}\n", items.join(", ")) }
    };
    list("missed", &marks.missed) + &list("wrong", &marks.wrong)
}

fn mark(counts: &mut BTreeMap<String, usize>, label: &str, count: usize) {
    if count == 0 {
        counts.remove(label);
    } else {
        counts.insert(label.to_owned(), count);
    }
}

/// Text that cannot command a terminal or reorder what stands there; line breaks stay.
fn visible(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' => '\n',
        c if c.is_control() => ' ',
        '\u{2028}' | '\u{2029}' => '\n',
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

fn answer(line: &str) -> Answer {
    let line = line.trim();
    match line.to_ascii_lowercase().as_str() {
        "" | "n" | "next" => return Answer::Next,
        "b" | "back" => return Answer::Back,
        "q" | "quit" => return Answer::Quit,
        "?" | "h" | "help" => return Answer::Help,
        _ => {}
    }
    let (wrong, rest) = line.strip_prefix('-').map_or((false, line), |rest| (true, rest.trim()));
    let mut words = rest.split_whitespace();
    let (name, count) = match (words.next(), words.next(), words.next()) {
        (Some(name), None, None) => (name, "1"),
        (Some(a), Some(b), None) if a.bytes().all(|byte| byte.is_ascii_digit()) => (b, a),
        (Some(name), Some(count), None) => (name, count),
        _ => return Answer::Unclear("a label and a number".into()),
    };
    let Some(count) = count.parse::<usize>().ok().filter(|count| *count <= 10_000) else {
        return Answer::Unclear("the number is not clear".into());
    };
    match label(name) {
        Ok(label) if wrong => Answer::Wrong(label.into(), count),
        Ok(label) => Answer::Missed(label.into(), count),
        Err(why) => Answer::Unclear(why),
    }
}

/// Every label that can be answered, by name.
fn known() -> Vec<&'static str> {
    let mut known: Vec<&'static str> = Label::ALL.iter().map(|label| label.0).chain(FURTHER_LABELS).collect();
    known.sort_unstable();
    known.dedup();
    known
}

/// All labels, in lines.
fn listed() -> String {
    let mut text = String::from("labels:");
    let mut width = COLUMNS;
    for name in known() {
        if width + 2 + name.len() > COLUMNS {
            text += "\n ";
            width = 1;
        }
        text += &format!(" {name}");
        width += 1 + name.len();
    }
    text + "\n"
}

/// The label that `name` is or begins. A whole word stands for itself: "health" is not the beginning of a number of a health
/// plan.
fn label(name: &str) -> Result<&'static str, String> {
    let name = name.to_ascii_uppercase();
    let known = known();
    if let Some(exact) = known.iter().find(|label| **label == name) {
        return Ok(exact);
    }
    let begun: Vec<&&str> = known.iter().filter(|label| label.starts_with(&name)).collect();
    let ends_a_word = |label: &str| label.as_bytes().get(name.len()) == Some(&b'_');
    match begun[..] {
        [one] if ends_a_word(one) => Err(format!("{} may mean {one}: write that in full", name.to_lowercase())),
        [one] => Ok(one),
        [] => Err("there is no such label".into()),
        _ => Err(format!(
            "several labels begin so: {}",
            begun.iter().map(|label| **label).collect::<Vec<_>>().join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::Seal;
    use super::*;
    use cloister_text::{Columns, DetectorOptions};

    use crate::evidence::DetectionFacts;

    #[test]
    fn answers_are_read_in_either_order() {
        let missed = |label: &str, count| Answer::Missed(label.into(), count);
        assert_eq!(answer("person 2\n"), missed("PERSON", 2));
        assert_eq!(answer(" 2 PERS "), missed("PERSON", 2));
        assert_eq!(answer("email_a"), missed("EMAIL_ADDRESS", 1));
        assert_eq!(answer("-loc 3"), Answer::Wrong("LOCATION".into(), 3));
        assert_eq!(
            [answer("\n"), answer("N"), answer("b"), answer("q"), answer("?")],
            [Answer::Next, Answer::Next, Answer::Back, Answer::Quit, Answer::Help]
        );
        for unclear in ["xyzzy", "person two", "person 1 2", "person 99999999999999999999", "- "] {
            assert!(matches!(answer(unclear), Answer::Unclear(_)), "{unclear}");
        }
    }

    #[test]
    fn a_whole_word_is_not_the_beginning_of_another_label() {
        let missed = |label: &str, count| Answer::Missed(label.into(), count);
        assert_eq!(answer("health 1"), missed("HEALTH", 1));
        assert_eq!(answer("special_category"), missed("SPECIAL_CATEGORY", 1));
        assert_eq!(
            answer("health_plan 1"),
            Answer::Unclear("health_plan may mean HEALTH_PLAN_NUMBER: write that in full".into())
        );
        for name in known() {
            assert_eq!(answer(&name.to_lowercase()), missed(name, 1));
            for (at, _) in name.match_indices('_') {
                let said = answer(&name[..at]);
                let exact = known().contains(&&name[..at]);
                assert!(exact || matches!(said, Answer::Unclear(_)), "{}: {said:?}", &name[..at]);
            }
        }
    }

    #[test]
    fn the_list_has_every_label_and_fits_a_terminal() {
        let list = listed();
        assert!(known().iter().all(|name| list.split_whitespace().any(|word| word == *name)));
        assert!(list.lines().all(|line| line.len() <= COLUMNS) && list.lines().count() > 5);
        let (_, _, _, shown) = review("{\"text\":\"x\"}\n", 1, "?\n\n");
        assert!(shown.contains("SPECIAL_CATEGORY") && shown.contains("US_SSN"));
    }

    #[test]
    fn what_could_command_a_terminal_is_not_shown() {
        assert_eq!(visible("a\x1b[2J\r\u{9b}x\nb\u{202e}c"), "a [2J  x\nb\u{fffd}c");
    }

    fn review(lines: &str, sample: usize, answers: &str) -> (State, Ended, BTreeMap<String, Count>, String) {
        let dataset = cloister_text::read_from(lines.as_bytes(), &Columns::default()).unwrap();
        let detector = Detector::new(&DetectorOptions { tagger: false, ..DetectorOptions::default() }).unwrap();
        let mut state = State::begin(
            Seal::fresh().unwrap(),
            dataset.records.len(),
            sample,
            DetectionFacts::of(&DetectorOptions::default(), None),
        );
        state.sit_down(Some("Ada".into()), "2026-11-27".into());
        let sampled = state.sampled();
        let mut session = Session::new(&dataset, &detector, &sampled, false);
        let mut output = Vec::new();
        let ended = session.run(&mut state, answers.as_bytes(), &mut output, |_| Ok(())).unwrap();
        let found = session.found(&state);
        (state, ended, found, String::from_utf8(output).unwrap())
    }

    #[test]
    fn marks_become_counts() {
        let lines = "{\"text\":\"write to ana@corp.com or bo@corp.com, Zebulon\"}\n".repeat(3);
        let (state, ended, found, shown) =
            review(&lines, 3, "person 1\n-email_a 1\nnonsense here now\n\nperson 2\nperson 0\n\nb\nb\nn\nn\nn\n");
        assert_eq!(ended, Ended::Done);
        assert_eq!(state.reviewed, 3);
        assert_eq!(found["EMAIL_ADDRESS"], Count { found: 5, wrong: 1, missed: 0 });
        assert_eq!(found["PERSON"], Count { found: 0, wrong: 0, missed: 1 });
        assert_eq!(state.records_with_misses(), 1);
        let sitting = &state.sittings[0];
        assert_eq!((sitting.reviewer.as_deref(), sitting.reviewed), (Some("Ada"), 3), "seen twice counts once");
        assert!(shown.contains("[ana@corp.com|EMAIL_ADDRESS]") && shown.contains("missed: PERSON 1"));
        assert!(!serde_json::to_string(&state).unwrap().contains("corp"));
    }

    #[test]
    fn a_review_that_stops_counts_what_was_reviewed() {
        let lines = "{\"text\":\"write to ana@corp.com\"}\n".repeat(5);
        let (state, ended, found, _) = review(&lines, 4, "\n\nperson 1\nq\n");
        assert_eq!((ended, state.reviewed, state.position), (Ended::Stopped, 2, 2));
        assert_eq!(found["EMAIL_ADDRESS"].found, 2);
        assert!(!found.contains_key("PERSON"), "the third record was not finished");
        assert_eq!(review(&lines, 2, "").1, Ended::Stopped);
    }
}
