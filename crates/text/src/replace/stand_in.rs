//! What takes the place of one value, by its rule and label.
//!
//! Invariant: what a value says decides, never the codes in which it stands; what was not understood is redacted.

use super::dates::{self, Outcome};
use super::draw::{self, Ring};
use super::surrogate::{self, canonical};
use super::wrapped::{Written, base64_stand_in, masked};
use super::{Action, ReplaceContext, Replacer, Rule, Scope, ages, geography, scope_of};
use crate::detect::nested::BASE64;
use crate::detect::{Label, Span, is_valid, normal};

/// What a value's replacement depends on beside the value.
pub(super) struct Around<'a> {
    pub(super) context: &'a ReplaceContext<'a>,
    pub(super) before: &'a str,
    pub(super) after: &'a str,
    /// Whose name it is.
    pub(super) person: Option<&'a String>,
    pub(super) day_first: bool,
}

impl Replacer {
    /// What takes the place of a value; `None` where it stays.
    pub(super) fn stand_in(
        &self,
        ring: &Ring<'_>,
        rule: &Rule,
        around: &Around<'_>,
        span: &Span,
        value: &str,
    ) -> Option<String> {
        let label = span.label;
        let context = around.context;
        let day_first = rule.day_first.unwrap_or(around.day_first);
        let redacted = || format!("<{label}>");
        let written = Written::read(span, value);
        let plain = written.value();
        let tagged = |digits| {
            let entity = around.person.cloned().unwrap_or_else(|| canonical(label, plain));
            format!("{label}_{}", entity_digits(ring, label, &entity, digits))
        };
        let is_run = span.kind == Some(BASE64);
        let outcome = match (rule.action, label.0) {
            (Action::Keep, _) => return None,
            (Action::Redact, _) => Outcome::New(redacted()),
            (Action::Mask, _) => return Some(masked(span, value)),
            (Action::Hash, _) => Outcome::New(tagged(8)),
            (Action::Pseudonym, _) => Outcome::New(tagged(16)),
            (Action::Encrypt, _) => return Some(self.sealer.token(ring.scope(), label.0, value)),
            (Action::Generalise, _) if is_run => Outcome::Unreadable,
            (Action::Surrogate | Action::Shift | Action::Fpe, _) if is_run => {
                return Some(base64_stand_in(ring, value));
            }
            (Action::Fpe, _) => self.encrypted_in_form(ring, label, plain),
            (Action::Generalise, "DATE_TIME") => dates::year(around.before, plain, rule, day_first),
            (Action::Generalise, "AGE") => ages::coarse(rule, plain),
            (Action::Generalise, _) => geography::coarse(span, rule, plain),
            (Action::Shift | Action::Surrogate, "DATE_TIME") => {
                let ring = ring.within(person_of(rule.scope.unwrap_or(self.policy.scope()), context));
                dates::shift(plain, rule, day_first, dates::offset(&ring, rule))
            }
            (Action::Shift | Action::Surrogate, "AGE") => {
                let ring = ring.within(person_of(rule.scope.unwrap_or(self.policy.scope()), context));
                ages::surrogate(&ring, rule, plain)
            }
            (Action::Shift | Action::Surrogate, _) => {
                surrogate::surrogate(ring, span, plain).map_or(Outcome::Unreadable, Outcome::New)
            }
        };
        match outcome {
            // "a 90-plus-year-old" reads better than "a 90+-year-old".
            Outcome::New(new) if label.0 == "AGE" && new.ends_with('+') && around.after.starts_with('-') => {
                Some(new.replace('+', "-plus"))
            }
            Outcome::New(new) => Some(written.write(new)),
            Outcome::Kept => None,
            Outcome::Unreadable => Some(redacted()),
        }
    }

    /// The value encrypted in its form. Percent-encoding that a web address keeps is no part of the form: letters and digits
    /// that it says are read, and codes of anything else stay where they are.
    fn encrypted_in_form(&self, ring: &Ring<'_>, label: Label, value: &str) -> Outcome {
        let tweak = [label.0, ring.scope().0, ring.scope().1];
        let (mut own, mut codes, mut done) = (String::with_capacity(value.len()), Vec::new(), 0);
        for (place, says) in normal::codes(value) {
            if !value[place.clone()].starts_with('%') {
                continue;
            }
            own.push_str(&value[done..place.start]);
            match says.filter(char::is_ascii_alphanumeric) {
                Some(letter) => own.push(letter),
                None => codes.push((own.len(), &value[place.clone()])),
            }
            done = place.end;
        }
        own.push_str(&value[done..]);
        let Some(new) = self.cipher.encrypt(&tweak, &own, |value| is_valid(label, value)) else {
            return Outcome::Unreadable;
        };
        // Encryption changes ASCII characters into such, so that places stay.
        let mut whole = String::with_capacity(value.len());
        let mut done = 0;
        for (at, code) in codes {
            whole.push_str(new.get(done..at).unwrap_or_default());
            whole.push_str(code);
            done = at;
        }
        whole.push_str(&new[done..]);
        Outcome::New(whole)
    }
}

/// Hexadecimal digits that name an entity, drawn again where six decimal ones follow each other: those could be taken for
/// somebody's number.
fn entity_digits(ring: &Ring<'_>, label: Label, entity: &str, digits: usize) -> String {
    const LONGEST: usize = 5;
    const DRAWS: u32 = 64;
    let is_name = |hex: &String| hex.split(|c: char| !c.is_ascii_digit()).all(|run| run.len() <= LONGEST);
    let first = draw::hex(&ring.tag(&[label.0, entity]), digits);
    let again = |attempt: u32| draw::hex(&ring.tag(&[label.0, entity, &attempt.to_string()]), digits);
    std::iter::once(first.clone()).chain((1..DRAWS).map(again)).find(is_name).unwrap_or(first)
}

/// Whose dates move together: those of one person, and never those of all, of whom one known date would tell the rest.
fn person_of<'a>(scope: Scope, context: &ReplaceContext<'a>) -> (&'a str, &'a str) {
    match scope {
        Scope::Dataset => scope_of(Scope::Subject, context),
        scope => scope_of(scope, context),
    }
}
