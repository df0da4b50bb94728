//! Puts surrogates, labels, masks or hashes in the place of personal data.
//!
//! Invariants: the same key, scope and entity give the same surrogate, another key another one; a surrogate never
//! equals its original, nor any original of the data set where [`Originals`] are given; the key is wiped when dropped
//! and appears in no output. A surrogate is drawn as pool\[HMAC-SHA256(key, scope ‖ label ‖ canonical form ‖ attempt)
//! mod n\]; the attempt counts up past forbidden values.
//! Source of the idea: Carrell et al. 2013, "Hiding in plain sight" (surrogates hide what a detector missed).

mod draw;
mod network;
mod numbers;
mod person;
mod place;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::detect::{Label, Span};
use crate::error::Error;
use draw::Ring;

/// The secret from which surrogates are drawn; wiped when dropped, never printed.
#[derive(Clone)]
pub struct SurrogateKey(Zeroizing<[u8; 32]>);

impl SurrogateKey {
    /// A key from 32 bytes of a cryptographic random source, which the caller owns.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

/// What stands in the place of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A made-up value of the same kind and form.
    #[default]
    Surrogate,
    /// `<LABEL>`.
    Redact,
    /// Asterisks for letters and digits; separators stay.
    Mask,
    /// `LABEL_` and eight hexadecimal digits of a keyed hash.
    Hash,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Surrogate => "surrogate",
            Self::Redact => "redact",
            Self::Mask => "mask",
            Self::Hash => "hash",
        })
    }
}

impl FromStr for Profile {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Self::Surrogate, Self::Redact, Self::Mask, Self::Hash]
            .into_iter()
            .find(|profile| profile.to_string() == name)
            .ok_or(Error::UnknownProfile)
    }
}

/// How far one entity keeps one surrogate. A smaller scope links less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Within a record.
    Document,
    /// Within the records of a subject; within the record where it names none.
    #[default]
    Subject,
    /// Within the data set.
    Dataset,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Document => "document",
            Self::Subject => "subject",
            Self::Dataset => "dataset",
        })
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Self::Document, Self::Subject, Self::Dataset]
            .into_iter()
            .find(|scope| scope.to_string() == name)
            .ok_or(Error::UnknownScope)
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
    /// Where the replacements stand in it, in the order of the spans.
    pub spans: Vec<Span>,
    /// Replacements by label.
    pub counts: BTreeMap<Label, usize>,
}

/// Keyed fingerprints of values that no surrogate may take; holds no text.
#[derive(Default)]
pub struct Originals(HashSet<u64>);

impl Originals {
    /// How many distinct values are held.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Replaces spans by one profile under one key.
pub struct Replacer {
    key: SurrogateKey,
    profile: Profile,
    scope: Scope,
    originals: Originals,
}

impl Replacer {
    /// A replacer that knows no originals yet.
    pub fn new(key: SurrogateKey, profile: Profile, scope: Scope) -> Self {
        Self { key, profile, scope, originals: Originals::default() }
    }

    /// The same replacer, which also avoids `originals`.
    pub fn with_originals(&self, originals: Originals) -> Self {
        Self { key: self.key.clone(), profile: self.profile, scope: self.scope, originals }
    }

    /// The profile.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The scope.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Adds the values of `spans` to the originals that surrogates must avoid.
    pub fn remember(&self, originals: &mut Originals, text: &str, spans: &[Span]) {
        if self.profile != Profile::Surrogate {
            return;
        }
        for span in spans {
            let value = &text[span.start..span.end];
            originals.0.insert(draw::fingerprint(&self.key, &canonical(span.label, value)));
            if matches!(span.label, Label::PERSON | Label::EMAIL_ADDRESS) {
                for part in person::parts(value) {
                    originals.0.insert(draw::fingerprint(&self.key, &part));
                }
            }
        }
    }

    /// Replaces `spans` (sorted, not overlapping, on character boundaries; others are passed over) in `text`.
    pub fn replace(&self, context: &ReplaceContext<'_>, text: &str, spans: &[Span]) -> Replaced {
        let scope = match (self.scope, context.subject) {
            (Scope::Dataset, _) => ("dataset", ""),
            (Scope::Subject, Some(subject)) => ("subject", subject),
            _ => ("document", context.document),
        };
        let ring = Ring::new(&self.key, scope, &self.originals);
        let mut replaced = Replaced {
            text: String::with_capacity(text.len()),
            spans: Vec::with_capacity(spans.len()),
            counts: BTreeMap::new(),
        };
        let mut done = 0;
        for span in spans {
            if span.start < done {
                continue;
            }
            let Some(value) = text.get(span.start..span.end).filter(|value| !value.is_empty()) else { continue };
            replaced.text.push_str(&text[done..span.start]);
            let start = replaced.text.len();
            replaced.text.push_str(&self.stand_in(&ring, span, value));
            replaced.spans.push(Span { start, end: replaced.text.len(), ..*span });
            *replaced.counts.entry(span.label).or_default() += 1;
            done = span.end;
        }
        replaced.text.push_str(&text[done..]);
        replaced
    }

    /// A keyed pseudonym for a subject: the same subject, the same pseudonym, in every scope.
    pub fn subject_pseudonym(&self, subject: &str) -> String {
        format!("subject-{}", draw::hex(&draw::tag(&self.key, &["subject", subject]), 12))
    }

    /// A keyed pseudonym for the identifier of a record.
    pub fn record_pseudonym(&self, id: &str) -> String {
        format!("record-{}", draw::hex(&draw::tag(&self.key, &["record", id]), 12))
    }

    fn stand_in(&self, ring: &Ring<'_>, span: &Span, value: &str) -> String {
        let label = span.label;
        match self.profile {
            Profile::Redact => format!("<{label}>"),
            Profile::Mask => value.chars().map(|c| if c.is_alphanumeric() { '*' } else { c }).collect(),
            Profile::Hash => {
                format!("{label}_{}", draw::hex(&ring.tag(&[label.0, &canonical(label, value)]), 8))
            }
            Profile::Surrogate => surrogate(ring, span, value).unwrap_or_else(|| format!("<{label}>")),
        }
    }
}

/// Attempts before a value is redacted because every surrogate is taken.
const ATTEMPTS: u32 = 2000;

/// A surrogate that is neither the original nor a remembered one; `None` where none is free.
fn surrogate(ring: &Ring<'_>, span: &Span, value: &str) -> Option<String> {
    let label = span.label;
    if label == Label::PERSON {
        return Some(person::name(ring, value));
    }
    let original = canonical(label, value);
    (0..ATTEMPTS).find_map(|attempt| {
        let mut draw = ring.draw(&[label.0, &original], attempt);
        let new = match label {
            Label::EMAIL_ADDRESS => person::email(ring, &mut draw, value),
            Label::PHONE_NUMBER => numbers::phone(&mut draw, value),
            Label::CREDIT_CARD => numbers::card(&mut draw, value),
            Label::IBAN_CODE => numbers::iban(&mut draw, value),
            Label::US_SSN => numbers::social_security(&mut draw, value),
            Label::IP_ADDRESS => network::ip(&mut draw, value),
            Label::MAC_ADDRESS => network::mac(&mut draw, value),
            Label::URL => network::url(&mut draw, value),
            Label::CREDENTIAL => network::credential(&mut draw, value, span.kind),
            Label::LOCATION => place::address(&mut draw, value),
            _ => draw::same_form(&mut draw, value),
        };
        let form = canonical(label, &new);
        (form != original && !ring.is_original(&form)).then_some(new)
    })
}

/// What makes two spellings of a value the same entity.
fn canonical(label: Label, value: &str) -> String {
    match label {
        Label::PHONE_NUMBER => {
            let digits: String = value.chars().filter(char::is_ascii_digit).collect();
            match digits.strip_prefix('1') {
                Some(rest) if rest.len() == 10 => rest.to_owned(),
                _ => digits,
            }
        }
        Label::CREDIT_CARD | Label::US_SSN => value.chars().filter(char::is_ascii_digit).collect(),
        Label::IBAN_CODE | Label::MAC_ADDRESS => {
            value.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
        }
        Label::CREDENTIAL => value.to_owned(),
        _ => draw::folded(value),
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
    fn names_of_profiles_and_scopes_parse_back() {
        for profile in [Profile::Surrogate, Profile::Redact, Profile::Mask, Profile::Hash] {
            assert_eq!(profile.to_string().parse::<Profile>().unwrap(), profile);
        }
        for scope in [Scope::Document, Scope::Subject, Scope::Dataset] {
            assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
        }
        assert!("erase".parse::<Profile>().is_err());
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
        replacer.remember(&mut originals, &first, &[Span::new(0, first.len(), Label::IP_ADDRESS, 1.0)]);
        let second = replacer.with_originals(originals).replace(&ReplaceContext::default(), ip, &span).text;
        assert_ne!(first, second);
    }
}
