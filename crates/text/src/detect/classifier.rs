//! A token classifier that the caller brings: another reader beside the rules and the tagger.
//!
//! This crate runs no such model. It says what it needs of one ([`TokenClassifier`]), knows what the labels of common models
//! mean, and makes candidates of its tokens.
//!
//! Invariants: a label whose meaning is not known finds nothing, and is named to who asks; a candidate never has the score of
//! a checksum, begins and ends with a character, and holds what its label cannot do without, such as the digits of a number;
//! a classifier that fails is remembered, since silence would look like a clean text.

use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};

use super::meaning::{Group, Meanings};
use super::{Label, Span};
use crate::error::{Error, Result};

/// A model that gives every token of a text a probability for each of its labels.
pub trait TokenClassifier: Send + Sync {
    /// The names of its labels, such as `O`, `B-PER` and `I-PER`.
    fn labels(&self) -> &[String];

    /// Gives `found` every token of every text, in order.
    ///
    /// # Errors
    /// Whatever made it impossible; the message must hold no text.
    fn classify(
        &self,
        texts: &[&str],
        found: &mut dyn FnMut(ClassifiedToken<'_>),
    ) -> Result<(), Box<dyn StdError + Send + Sync>>;
}

/// A token and what a model says of it.
#[derive(Clone, Copy)]
pub struct ClassifiedToken<'a> {
    /// Which of the texts it stands in.
    pub text: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Probabilities in the order of [`TokenClassifier::labels`].
    pub probabilities: &'a [f32],
}

/// A classifier, and what its labels mean.
pub(super) struct Classifier {
    model: Arc<dyn TokenClassifier>,
    meanings: Meanings,
    failure: OnceLock<String>,
}

impl Classifier {
    pub(super) fn new(model: Arc<dyn TokenClassifier>) -> Self {
        let meanings = Meanings::of(model.labels());
        Self { model, meanings, failure: OnceLock::new() }
    }

    /// The labels that find nothing.
    pub(super) fn unknown(&self) -> &[String] {
        &self.meanings.unknown
    }

    /// # Errors
    /// [`Error::Classifier`] if it failed on any text.
    pub(super) fn check(&self) -> Result<()> {
        match self.failure.get() {
            None => Ok(()),
            Some(reason) => Err(Error::Classifier { reason: reason.clone() }),
        }
    }

    /// Candidates in each text; their scores are probabilities, with doubt.
    pub(super) fn find(&self, texts: &[&str]) -> Vec<Vec<Span>> {
        let mut readers: Vec<Reader<'_>> = texts.iter().map(|text| Reader::new(text, &self.meanings)).collect();
        let mut is_sound = true;
        let classified = self.model.classify(texts, &mut |token| {
            is_sound &= self.meanings.tags.len() == token.probabilities.len()
                && token.probabilities.iter().all(|probability| probability.is_finite());
            match readers.get_mut(token.text) {
                Some(reader) => is_sound &= reader.token(token),
                None => is_sound = false,
            }
        });
        let failure = match classified {
            Err(error) => Some(error.to_string()),
            Ok(()) if !is_sound => Some("a token lies outside its text, or has no probability for each label".into()),
            Ok(()) => None,
        };
        if let Some(reason) = failure {
            let _ = self.failure.set(reason);
        }
        readers.into_iter().map(Reader::finish).collect()
    }
}

/// A word is taken for its likeliest label from this probability on.
const FLOOR: f32 = 0.3;
/// What the odds of a probability are divided by: on text of another kind than they were trained on, networks are far too
/// sure. With this, a person counts from about 0.9 on under the usual options; chosen on the development sets of tweets, web
/// text and synthetic sentences, with the weights that `bench/peers/classifier.py` fetches.
const DOUBT: f32 = 20.0;
/// The highest probability of a word: a score of 1 is a checksum's.
const MOST: f32 = 0.9999;

/// Joins the tokens of a text to words, and words to candidates.
struct Reader<'a> {
    text: &'a str,
    meanings: &'a Meanings,
    word: Option<Word>,
    open: Option<Open>,
    spans: Vec<Span>,
}

/// Tokens without anything between them.
struct Word {
    start: usize,
    end: usize,
    tokens: u32,
    /// Sums of the probabilities of each meaning's labels.
    sums: Vec<f32>,
    /// How likely the first token begins something.
    begins: f32,
}

/// A candidate that the next word may continue.
struct Open {
    start: usize,
    end: usize,
    group: Group,
    /// Meanings of its words: a second given name after a surname is another person's.
    seen: Vec<usize>,
    sum: f32,
    words: u32,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, meanings: &'a Meanings) -> Self {
        Self { text, meanings, word: None, open: None, spans: Vec::new() }
    }

    /// Takes the next token; whether it lies in the text.
    fn token(&mut self, token: ClassifiedToken<'_>) -> bool {
        let place = token.start..token.end;
        if self.text.get(place.clone()).is_none() {
            return false;
        }
        if place.is_empty() {
            return true;
        }
        // Tokens can lie in one another: three of `…`, where it is read as three full stops.
        let joins = self
            .word
            .as_ref()
            .is_some_and(|word| token.start < word.end || token.start == word.end && self.is_inside_word(token.start));
        if !joins {
            self.end_word();
        }
        let count = self.meanings.known.len();
        let word = self.word.get_or_insert_with(|| Word {
            start: token.start,
            end: token.end,
            tokens: 0,
            sums: vec![0.0; count],
            begins: 0.0,
        });
        word.end = word.end.max(token.end);
        word.tokens += 1;
        for (tag, probability) in self.meanings.tags.iter().zip(token.probabilities) {
            if let Some(tag) = tag {
                word.sums[tag.meaning] += probability;
                if word.tokens == 1 && tag.begins {
                    word.begins += probability;
                }
            }
        }
        true
    }

    /// Whether letters or digits stand on both sides.
    fn is_inside_word(&self, at: usize) -> bool {
        let (before, after) = self.text.split_at(at);
        before.chars().next_back().is_some_and(char::is_alphanumeric)
            && after.chars().next().is_some_and(char::is_alphanumeric)
    }

    fn end_word(&mut self) {
        let Some(mut word) = self.word.take() else { return };
        word.sums.iter_mut().for_each(|sum| *sum /= word.tokens as f32);
        let likeliest = word.sums.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let Some((meaning, group)) = likeliest.and_then(|(index, _)| Some((index, *self.meanings.known.get(index)?)))
        else {
            return;
        };
        // Given names and surnames are one kind, and so are the parts of an address.
        let same = self.meanings.known.iter().zip(&word.sums).filter(|(other, _)| other.label() == group.label());
        let probability: f32 = same.map(|(_, sum)| sum).sum();
        if probability >= FLOOR {
            self.add(&word, meaning, group, probability.min(MOST));
        }
    }

    fn add(&mut self, word: &Word, meaning: usize, group: Group, probability: f32) {
        if let Some(open) = &mut self.open
            && self.text.get(open.end..word.start).is_some_and(|gap| open.group.joins(group, gap))
            && !(open.group.is_told_apart() && word.begins > 0.5 && open.seen.contains(&meaning))
        {
            open.end = word.end;
            open.group = open.group.with(group);
            open.sum += probability;
            open.words += 1;
            if !open.seen.contains(&meaning) {
                open.seen.push(meaning);
            }
            return;
        }
        self.close();
        let (start, end) = (word.start, word.end);
        self.open = Some(Open { start, end, group, seen: vec![meaning], sum: probability, words: 1 });
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let label = open.group.label();
        let begins = |c: char| c.is_alphanumeric() || label == Label::PHONE_NUMBER && (c == '+' || c == '(');
        let found = &self.text[open.start..open.end];
        let start = open.start + found.len() - found.trim_start_matches(|c| !begins(c)).len();
        let end = open.start + found.trim_end_matches(|c: char| !c.is_alphanumeric()).len();
        if start < end && open.group.suits(&self.text[start..end]) {
            let mean = open.sum / open.words as f32;
            let span = Span::new(start, end, label, mean / (mean + DOUBT * (1.0 - mean)));
            self.spans.push(open.group.kind().map_or(span, |kind| span.of_kind(kind)));
        }
    }

    fn finish(mut self) -> Vec<Span> {
        self.end_word();
        self.close();
        self.spans
    }
}
