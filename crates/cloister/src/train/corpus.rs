//! Records to examples and privacy units. One record, one example: packing several records into one sequence would
//! let one person's gradient depend on another's text, and the unit of the plan would be meaningless.
//!
//! Holds tokens of records: no `Debug`, nothing is written.

use std::collections::{HashMap, HashSet};

use cloister_model::{Base, Example, ExampleOptions, Message, chat_example, completion_example, text_example};
use cloister_text::{Body, Dataset, Record, Role, Shape};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Error;
use crate::files::hex;

/// Which records make one unit of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// Each its own.
    Record,
    /// All records with one subject.
    Subject,
}

/// The units that records form.
pub struct Units {
    /// Indices of each unit's records.
    pub groups: Vec<Vec<usize>>,
    /// Number of different subjects, if every record names one.
    pub subjects: Option<usize>,
    /// Records of the subject with most of them, if every record names one.
    pub most_records: Option<usize>,
}

impl Units {
    /// Groups the records; needs no base.
    ///
    /// # Errors
    /// [`Error::NoSubject`] with the first line that names none, if subjects are the units.
    pub fn of(dataset: &Dataset, grouping: Grouping) -> Result<Self, Error> {
        let mut by_subject: HashMap<&str, usize> = HashMap::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut nameless = None;
        for (index, record) in dataset.records.iter().enumerate() {
            match &record.subject {
                Some(subject) => {
                    let group = *by_subject.entry(subject).or_insert_with(|| {
                        groups.push(Vec::new());
                        groups.len() - 1
                    });
                    groups[group].push(index);
                }
                None => nameless = nameless.or(Some(record.line)),
            }
        }
        let subjects = nameless.is_none().then_some(groups.len());
        let most_records = groups.iter().map(Vec::len).max().filter(|_| nameless.is_none());
        let groups = match (grouping, nameless) {
            (Grouping::Record, _) => (0..dataset.records.len()).map(|index| vec![index]).collect(),
            (Grouping::Subject, None) => groups,
            (Grouping::Subject, Some(line)) => return Err(Error::NoSubject { line }),
        };
        Ok(Self { groups, subjects, most_records })
    }
}

/// Examples and the units they form.
pub struct Corpus {
    /// One per record, in the order of the file.
    pub examples: Vec<Example>,
    /// Indices of each unit's examples.
    pub units: Vec<Vec<usize>>,
    /// Number of different subjects, if every record names one.
    pub subjects: Option<usize>,
    /// Records that were cut to the length limit.
    pub truncated: usize,
}

impl Corpus {
    /// Turns every record into an example; `units` are of the same records.
    ///
    /// # Errors
    /// [`Error::Record`] with the line of a record that cannot become one.
    pub fn build(dataset: &Dataset, base: &Base, options: &ExampleOptions, units: Units) -> Result<Self, Error> {
        let mut examples = Vec::with_capacity(dataset.records.len());
        let mut truncated = 0;
        for record in &dataset.records {
            let (example, cut) =
                example(record, base, options).map_err(|source| Error::Record { line: record.line, source })?;
            truncated += usize::from(cut);
            examples.push(example);
        }
        Ok(Self { examples, units: units.groups, subjects: units.subjects, truncated })
    }

    /// Tokens of all examples.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.examples.iter().map(|example| example.tokens.len()).sum()
    }
}

/// HMAC-SHA256 of tokens, masks and units under `key`: a snapshot knows its data again by it. A plain digest would let
/// anyone who knows all records but one test guesses of that one.
pub(super) fn commitment(key: &[u8; 32], examples: &[Example], units: &[Vec<usize>]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    let mut number = |value: usize| mac.update(&(value as u64).to_le_bytes());
    number(examples.len());
    for example in examples {
        number(example.tokens.len());
        for (&token, &target) in example.tokens.iter().zip(&example.is_target) {
            number(2 * token as usize + usize::from(target));
        }
    }
    for unit in units {
        number(unit.len());
        unit.iter().for_each(|&index| number(index));
    }
    hex(&mac.finalize().into_bytes())
}

/// How many records of `public` say word for word what a record of `private` says.
#[must_use]
pub fn shared_records(private: &Dataset, public: &Dataset) -> usize {
    let seen: HashSet<Vec<String>> = private.records.iter().map(words).collect();
    public.records.iter().filter(|record| seen.contains(&words(record))).count()
}

fn words(record: &Record) -> Vec<String> {
    match record.body() {
        Body::Text(text) => vec![text],
        Body::Completion { prompt, completion } => vec![prompt, completion],
        Body::Chat(turns) => turns.into_iter().map(|turn| turn.text).collect(),
    }
}

/// One record as tokens with its loss mask, and whether it was cut.
fn example(record: &Record, base: &Base, options: &ExampleOptions) -> cloister_model::Result<(Example, bool)> {
    let tokenizer = &base.tokenizer;
    match (record.body(), &base.template) {
        (Body::Text(text), _) => text_example(tokenizer, &text, options),
        // Alpaca's instruction and output are a turn of a conversation; a bare prompt and completion are raw text.
        (Body::Completion { prompt, completion }, Some(template)) if record.shape() == Shape::Alpaca => {
            let messages =
                [Message { role: "user", content: &prompt }, Message { role: "assistant", content: &completion }];
            chat_example(tokenizer, template, &messages, options)
        }
        (Body::Completion { prompt, completion }, _) => completion_example(tokenizer, &prompt, &completion, options),
        (Body::Chat(_), None) => Err(cloister_model::Error::NoTemplate),
        (Body::Chat(turns), Some(template)) => {
            let messages: Vec<Message<'_>> =
                turns.iter().map(|turn| Message { role: role(turn.role), content: &turn.text }).collect();
            chat_example(tokenizer, template, &messages, options)
        }
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}
