//! Puts surrogates, labels, masks, hashes or ciphertexts in the place of personal data.
//!
//! Invariants: the same key, scope and entity give the same surrogate, another key another one; a surrogate never
//! equals its original, nor any original of the data set where [`Originals`] are given; the key is wiped when dropped
//! and appears in no output. A surrogate is drawn as pool\[HMAC-SHA256(key, scope ‖ label ‖ canonical form ‖ attempt)
//! mod n\]; the attempt counts up past forbidden values. Dates, ages and what is made coarse follow their originals on
//! purpose, and may therefore equal another original.
//! Source of the idea: Carrell et al. 2013, "Hiding in plain sight" (surrogates hide what a detector missed).

mod ages;
mod calendar;
mod checked;
mod crypto;
mod dates;
mod draw;
mod fpe;
mod gender;
mod geography;
mod layout;
mod locales;
mod mention;
mod network;
mod numbers;
mod organisation;
mod originals;
mod person;
mod phone;
mod place;
mod policy;
mod profile;
mod reading;
mod seal;
mod stand_in;
mod surrogate;
mod wrapped;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::detect::names::{self, Gender};
use crate::detect::nested::BASE64;
use crate::detect::{Label, Span};
use draw::{Ring, Table};
use mention::Mention;
use stand_in::Around;
use surrogate::canonical;
use wrapped::Written;

pub use originals::{DateOrders, Originals};
pub(crate) use policy::Rule;
pub use policy::{Action, Policy};
pub use profile::{Profile, Scope};
pub use seal::{MEMBER as SEAL_MEMBER, Sealer};

/// The secret from which surrogates are drawn; wiped when dropped, never printed.
#[derive(Clone)]
pub struct SurrogateKey(Zeroizing<[u8; 32]>);

impl SurrogateKey {
    /// A key from 32 bytes of a cryptographic random source, which the caller owns.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

/// Whose text is being replaced.
#[derive(Clone, Copy, Default)]
pub struct ReplaceContext<'a> {
    /// Identifier of the record.
    pub document: &'a str,
    /// The person the record is about.
    pub subject: Option<&'a str>,
}

/// A text after replacement.
pub struct Replaced {
    /// The new text.
    pub text: String,
    /// Where the spans stand in it, in their order, those that were kept among them.
    pub spans: Vec<Span>,
    /// Replacements by label.
    pub counts: BTreeMap<Label, usize>,
    /// Spans that the policy keeps, by label.
    pub kept: BTreeMap<Label, usize>,
}

/// One line of a map from originals to what took their place: whoever has it can undo the replacement.
#[derive(Serialize)]
pub struct Mapping {
    /// The kind of scope, and its name.
    pub scope: (String, String),
    /// The label, or `SUBJECT` or `RECORD`.
    pub label: String,
    /// The original as it was written.
    pub original: String,
    /// What stands in its place.
    pub replacement: String,
}

/// Scope, label and original, to what took its place.
type Map = BTreeMap<(String, String, String, String), String>;

/// Replaces spans by one policy under one key.
pub struct Replacer {
    key: SurrogateKey,
    policy: Policy,
    originals: Originals,
    table: Option<Arc<Table>>,
    cipher: Arc<fpe::Cipher>,
    sealer: Arc<Sealer>,
    map: Option<Arc<Mutex<Map>>>,
}

impl Replacer {
    /// A replacer that knows no originals yet.
    pub fn new(key: SurrogateKey, profile: Profile, scope: Scope) -> Self {
        Self::by_policy(key, Policy::of(profile).with_scope(scope))
    }

    /// The same for a policy.
    pub fn by_policy(key: SurrogateKey, policy: Policy) -> Self {
        Self {
            originals: Originals::default(),
            table: policy.random_table().then(Arc::default),
            cipher: Arc::new(fpe::Cipher::new(&key)),
            sealer: Arc::new(Sealer::new(&key)),
            map: None,
            policy,
            key,
        }
    }

    /// The same replacer, which also avoids `originals`.
    pub fn with_originals(&self, originals: Originals) -> Self {
        Self {
            key: self.key.clone(),
            policy: self.policy.clone(),
            originals,
            table: self.table.clone(),
            cipher: Arc::clone(&self.cipher),
            sealer: Arc::clone(&self.sealer),
            map: self.map.clone(),
        }
    }

    /// The same replacer, which also keeps every replacement for [`Replacer::mappings`].
    #[must_use]
    pub fn with_map(self) -> Self {
        Self { map: Some(Arc::default()), ..self }
    }

    /// The profile with which the policy began.
    pub fn profile(&self) -> Profile {
        self.policy.profile()
    }

    /// The scope.
    pub fn scope(&self) -> Scope {
        self.policy.scope()
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Seals the records that this replacer protected.
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// What took the place of what, sorted; empty without [`Replacer::with_map`].
    pub fn mappings(&self) -> Vec<Mapping> {
        let Some(map) = &self.map else { return Vec::new() };
        let map = map.lock().unwrap_or_else(PoisonError::into_inner);
        let line =
            |((kind, name, label, original), replacement): (&(String, String, String, String), &String)| Mapping {
                scope: (kind.clone(), name.clone()),
                label: label.clone(),
                original: original.clone(),
                replacement: replacement.clone(),
            };
        map.iter().map(line).collect()
    }

    /// Learns from the values of `spans` what surrogates must avoid, how dates are written, and who bears which name.
    pub fn remember(&self, originals: &mut Originals, context: &ReplaceContext<'_>, text: &str, spans: &[Span]) {
        self.remember_people(originals, context, text, spans);
        if self.reads_dates() {
            let (orders, of_file) = dates::orders(text, spans);
            if orders != DateOrders::default() {
                for scope in scopes(context) {
                    originals.orders.entry(self.place(scope)).or_default().add(orders);
                }
                originals.order.add(of_file);
            }
        }
        if !self.policy.any(|rule| matches!(rule.action, Action::Surrogate | Action::Shift | Action::Generalise)) {
            return;
        }
        let mut insert = |value: &str| originals.values.insert(draw::fingerprint(&self.key, value));
        for span in spans {
            let written = Written::read(span, &text[span.start..span.end]);
            let value = written.value();
            insert(&canonical(span.label, value));
            match span.label.0 {
                "PERSON" | "EMAIL_ADDRESS" | "USERNAME" => {
                    for part in person::parts(value) {
                        insert(&part);
                    }
                }
                "ORGANIZATION" => {
                    for word in organisation::words(value) {
                        insert(&word);
                    }
                }
                "LOCATION" if !surrogate::is_address(span, value) => {
                    for part in value.split(',') {
                        insert(&draw::folded(part));
                    }
                }
                _ => {}
            }
        }
    }

    /// What the text says of the names in it: for surrogates the gender, for pseudonyms whose they are.
    fn remember_people(&self, originals: &mut Originals, context: &ReplaceContext<'_>, text: &str, spans: &[Span]) {
        let rule = self.policy.rule(Label::PERSON);
        let joined = matches!(rule.action, Action::Hash | Action::Pseudonym);
        if !joined && rule.action != Action::Surrogate {
            return;
        }
        let scope = scope_of(rule.scope.unwrap_or(self.policy.scope()), context);
        for said in gender::read(text, spans) {
            if joined {
                let mention = self.mention(originals, context, said.title, &said.words);
                for scope in scopes(context) {
                    originals.mentions.add(self.place(scope), &mention);
                }
            } else {
                for (word, hint) in said.hints() {
                    originals.hints.entry(draw::hint_place(&self.key, scope, word)).or_default().add(hint);
                }
            }
        }
    }

    fn mention(
        &self,
        originals: &Originals,
        context: &ReplaceContext<'_>,
        title: Option<Gender>,
        words: &[String],
    ) -> Mention {
        let print = |word: &str| draw::fingerprint(&self.key, word);
        let known = |word: u64| scopes(context).any(|scope| originals.mentions.know(self.place(scope), word));
        let one = |word: &String| {
            let first: String = word.chars().take(1).collect();
            let long = word.chars().count() > 1;
            // The genitive of German and the plural of a family: "Annas Bruder".
            let stem =
                word.strip_suffix('s').map(|stem| print(stem.trim_end_matches('\''))).filter(|stem| known(*stem));
            (long.then(|| stem.unwrap_or_else(|| print(word))), print(&first))
        };
        Mention::new(words.iter().map(one).collect(), gender::of_bearer(title, words))
    }

    /// Of each person's name that is replaced by a hash or pseudonym: what that is made of, by the start of its span.
    fn people(&self, context: &ReplaceContext<'_>, text: &str, spans: &[Span]) -> BTreeMap<usize, String> {
        let rule = self.policy.rule(Label::PERSON);
        if !matches!(rule.action, Action::Hash | Action::Pseudonym) {
            return BTreeMap::new();
        }
        let places: Vec<u64> = match rule.scope.unwrap_or(self.policy.scope()) {
            Scope::Document => vec![self.place(("document", context.document))],
            _ => scopes(context).map(|scope| self.place(scope)).collect(),
        };
        let of = |said: gender::Said| {
            let mention = self.mention(&self.originals, context, said.title, &said.words);
            (spans[said.at].start, self.originals.mentions.person(&places, mention))
        };
        gender::read(text, spans).into_iter().map(of).collect()
    }

    fn reads_dates(&self) -> bool {
        let action = self.policy.rule(Label("DATE_TIME")).action;
        matches!(action, Action::Surrogate | Action::Shift | Action::Generalise)
    }

    /// The fingerprint of a scope.
    fn place(&self, scope: (&str, &str)) -> u64 {
        draw::fingerprint_of(&self.key, &["scope", scope.0, scope.1])
    }

    /// Replaces `spans` (sorted, not overlapping, on character boundaries; others are passed over) in `text`.
    pub fn replace(&self, context: &ReplaceContext<'_>, text: &str, spans: &[Span]) -> Replaced {
        let mut replaced = Replaced {
            text: String::with_capacity(text.len()),
            spans: Vec::with_capacity(spans.len()),
            counts: BTreeMap::new(),
            kept: BTreeMap::new(),
        };
        let mut done = 0;
        let people = self.people(context, text, spans);
        let day_first = self.day_first(context, text, spans);
        for span in spans {
            if span.start < done {
                continue;
            }
            let Some(value) = text.get(span.start..span.end).filter(|value| !value.is_empty()) else { continue };
            replaced.text.push_str(&text[done..span.start]);
            let start = replaced.text.len();
            let rule = self.policy.rule(span.label);
            let ring = self.ring(scope_of(rule.scope.unwrap_or(self.policy.scope()), context));
            let person = people.get(&span.start).filter(|_| span.label == Label::PERSON);
            let around = Around { context, before: &text[..span.start], after: &text[span.end..], person, day_first };
            let counts = match self.stand_in(&ring, rule, &around, span, value) {
                Some(new) => {
                    replaced.text.push_str(&new);
                    self.note(ring.scope(), span.label.0, value, &new);
                    &mut replaced.counts
                }
                None => {
                    replaced.text.push_str(value);
                    &mut replaced.kept
                }
            };
            *counts.entry(span.label).or_default() += 1;
            replaced.spans.push(Span { start, end: replaced.text.len(), ..*span });
            done = span.end;
        }
        replaced.text.push_str(&text[done..]);
        replaced
    }

    /// A pseudonym for a subject: the same subject, the same pseudonym, in every scope.
    pub fn subject_pseudonym(&self, subject: &str) -> String {
        self.identifier("subject", "SUBJECT", subject)
    }

    /// A pseudonym for the identifier of a record.
    pub fn record_pseudonym(&self, id: &str) -> String {
        self.identifier("record", "RECORD_ID", id)
    }

    fn identifier(&self, kind: &str, label: &str, value: &str) -> String {
        let new = if self.policy.encrypts() {
            self.sealer.token((kind, ""), label, value)
        } else if self.table.is_some() {
            format!("{kind}-{}", draw::hex(&self.ring(("identifier", kind)).tag(&[value]), 12))
        } else {
            format!("{kind}-{}", draw::hex(&draw::tag(&self.key, &[kind, value]), 12))
        };
        self.note((kind, ""), label, value, &new);
        new
    }

    fn ring<'a>(&'a self, scope: (&'a str, &'a str)) -> Ring<'a> {
        Ring::new(&self.key, self.table.as_deref(), scope, &self.originals)
    }

    fn note(&self, scope: (&str, &str), label: &str, original: &str, replacement: &str) {
        if let Some(map) = &self.map {
            let entity = (scope.0.to_owned(), scope.1.to_owned(), label.to_owned(), original.to_owned());
            map.lock().unwrap_or_else(PoisonError::into_inner).insert(entity, replacement.to_owned());
        }
    }

    /// Whether ambiguous dates begin with the day: as most dates that tell in the record, else of the subject, else of the
    /// file.
    fn day_first(&self, context: &ReplaceContext<'_>, text: &str, spans: &[Span]) -> bool {
        if !self.reads_dates() {
            return false;
        }
        let learned = scopes(context).map(|scope| self.originals.orders.get(&self.place(scope)).copied());
        let own = std::iter::once(Some(dates::orders(text, spans).0));
        let mut orders = learned.chain(own).flatten();
        orders.find_map(DateOrders::begin_with_day).or(self.originals.order.begin_with_day()).unwrap_or(false)
    }
}

/// The record, and the subject where it names one.
fn scopes<'a>(context: &ReplaceContext<'a>) -> impl Iterator<Item = (&'static str, &'a str)> {
    let subject = context.subject.map(|subject| ("subject", subject));
    std::iter::once(("document", context.document)).chain(subject)
}

/// Whether a text is made of titles alone: `Herr`, `Prof. Dr.`
pub(crate) fn is_title(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words.all(|word| names::HONORIFICS.contains(&draw::folded(word).as_str()))
}

/// Words of the names of persons among the spans, in canonical form and longer than an initial.
pub(crate) fn names_in<'a>(text: &'a str, spans: &'a [Span]) -> impl Iterator<Item = String> + 'a {
    let people = spans.iter().filter(|span| span.label == Label::PERSON && span.kind != Some(BASE64));
    let bearers =
        |span: &Span| person::bearers(Written::read(span, text.get(span.start..span.end).unwrap_or_default()).value());
    let words = people.flat_map(bearers);
    words.filter(|word| word.chars().count() > 2)
}

/// Within what an entity keeps its surrogate.
fn scope_of<'a>(scope: Scope, context: &ReplaceContext<'a>) -> (&'a str, &'a str) {
    match (scope, context.subject) {
        (Scope::Dataset, _) => ("dataset", ""),
        (Scope::Subject, Some(subject)) => ("subject", subject),
        _ => ("document", context.document),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn run(profile: Profile, key: u8, text: &str, label: Label) -> String {
        let replacer = Replacer::new(SurrogateKey::from_bytes([key; 32]), profile, Scope::Dataset);
        replacer.replace(&ReplaceContext::default(), text, &[Span::new(0, text.len(), label, 1.0)]).text
    }

    #[test]
    fn redact_mask_and_hash_have_their_forms() {
        assert_eq!(run(Profile::Redact, 1, "a@b.com", Label::EMAIL_ADDRESS), "<EMAIL_ADDRESS>");
        assert_eq!(run(Profile::Mask, 1, "a@b.com", Label::EMAIL_ADDRESS), "*@*.***");
        let hash = run(Profile::Hash, 1, "a@b.com", Label::EMAIL_ADDRESS);
        assert!(hash.starts_with("EMAIL_ADDRESS_") && hash.len() == 22);
        assert_eq!(hash, run(Profile::Hash, 1, "A@B.com", Label::EMAIL_ADDRESS));
        assert_ne!(hash, run(Profile::Hash, 2, "a@b.com", Label::EMAIL_ADDRESS));
    }

    #[test]
    fn bad_spans_are_passed_over() {
        let replacer = Replacer::new(SurrogateKey::from_bytes([1; 32]), Profile::Redact, Scope::Dataset);
        let spans = [
            Span::new(1, 2, Label::PERSON, 1.0), // inside é
            Span::new(2, 4, Label::PERSON, 1.0),
            Span::new(3, 5, Label::PERSON, 1.0),  // overlaps
            Span::new(9, 12, Label::PERSON, 1.0), // past the end
        ];
        let replaced = replacer.replace(&ReplaceContext::default(), "éabcd", &spans);
        assert_eq!(replaced.text, "é<PERSON>cd");
        assert_eq!((replaced.spans[0].start, replaced.spans[0].end), (2, 10));
    }

    #[test]
    fn remembered_originals_are_avoided() {
        let replacer = Replacer::new(SurrogateKey::from_bytes([9; 32]), Profile::Surrogate, Scope::Dataset);
        let ip = "10.1.2.3";
        let span = [Span::new(0, ip.len(), Label::IP_ADDRESS, 1.0)];
        let first = replacer.replace(&ReplaceContext::default(), ip, &span).text;
        let mut originals = Originals::default();
        replacer.remember(
            &mut originals,
            &ReplaceContext::default(),
            &first,
            &[Span::new(0, first.len(), Label::IP_ADDRESS, 1.0)],
        );
        let second = replacer.with_originals(originals).replace(&ReplaceContext::default(), ip, &span).text;
        assert_ne!(first, second);
    }
}
