//! Credentials: tokens of known vendors, private keys, connection strings, hashes of passwords, and values assigned to
//! names like `password`; user names that are assigned the same way.
//!
//! Invariant: candidates start at literals that are found in one pass; what stands beside a literal is read
//! up to a fixed limit. Inside a token that is beyond doubt nothing else is sought.
//! Sources: those of [`vendors`], [`keys`], [`connection`] and [`assigned`].

mod assigned;
mod connection;
mod keys;
mod pattern;
mod placeholder;
mod vendors;

use super::edge::{word_after, word_before};
use super::literals::Literals;
use super::view::View;
use super::{Label, Span};
pub(super) use assigned::is_account_name;
use assigned::{NAMES, Named};
pub(super) use placeholder::is_placeholder;
use vendors::{RULES, Rule};

/// What a literal announces.
#[derive(Clone, Copy)]
enum Lead {
    Vendor { rule: &'static Rule, literal: &'static str },
    Name(Named),
    Jwt,
    Pem,
    Putty,
    Authority,
    Curl,
}

/// All literals, and what each announces.
pub(crate) struct Secrets {
    literals: Literals,
    /// By literal, with the length of each; the longest first.
    leads: Vec<Vec<(usize, Lead)>>,
}

impl Secrets {
    pub(crate) fn new() -> Self {
        let mut all: Vec<(&'static str, Lead)> = vec![
            ("eyJ", Lead::Jwt),
            ("-----BEGIN ", Lead::Pem),
            ("---- BEGIN ", Lead::Pem),
            ("PuTTY-User-Key-File-", Lead::Putty),
            ("://", Lead::Authority),
            (" -u ", Lead::Curl),
            (" --user ", Lead::Curl),
        ];
        for rule in RULES {
            all.extend(rule.literals.iter().map(|literal| (*literal, Lead::Vendor { rule, literal })));
        }
        for (named, names) in NAMES {
            all.extend(names.iter().map(|name| (*name, Lead::Name(*named))));
        }
        let mut literals: Vec<String> = all.iter().map(|(literal, _)| literal.to_ascii_lowercase()).collect();
        literals.sort_unstable();
        literals.dedup();
        // The search reports the longest literal; shorter ones that begin it may still be what it is.
        let leads = literals
            .iter()
            .map(|found| {
                let mut leads: Vec<(usize, Lead)> = all
                    .iter()
                    .filter(|(literal, _)| found.starts_with(&literal.to_ascii_lowercase()))
                    .map(|(literal, lead)| (literal.len(), *lead))
                    .collect();
                leads.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
                leads
            })
            .collect();
        Self { literals: Literals::new(&literals), leads }
    }

    pub(crate) fn find(&self, view: &View<'_>, out: &mut Vec<Span>) {
        let mut done = 0;
        self.literals.find(view.bytes, |hit| {
            if hit.start < done {
                return;
            }
            for (length, lead) in &self.leads[hit.literal] {
                if let Some(span) = follow(view, hit.start, hit.start + length, *lead, done) {
                    // A value may hold a token that says more than the name before it.
                    if span.score >= 1.0 {
                        done = span.end;
                    }
                    out.push(span);
                    break;
                }
            }
        });
    }
}

fn follow(view: &View<'_>, start: usize, end: usize, lead: Lead, done: usize) -> Option<Span> {
    match lead {
        Lead::Vendor { rule, literal } => vendor(view, start, rule, literal, done),
        Lead::Name(named) => assigned::value_of(view, start, end, named),
        Lead::Jwt => keys::json_web_token(view, start),
        Lead::Pem => keys::private_key(view, start),
        Lead::Putty => keys::putty(view, start),
        Lead::Authority => connection::authority(view, start),
        Lead::Curl => connection::curl_user(view, start, end),
    }
}

fn credential(start: usize, end: usize, score: f32, kind: &'static str) -> Span {
    Span::new(start, end, Label::CREDENTIAL, score).of_kind(kind)
}

/// A token of `rule`, whose literal stands at `at`.
fn vendor(view: &View<'_>, at: usize, rule: &Rule, literal: &str, done: usize) -> Option<Span> {
    let body = at + literal.len();
    if view.bytes.get(at..body)? != literal.as_bytes() {
        return None;
    }
    let start = if rule.before.is_empty() { at } else { pattern::match_backwards(rule.before, view.bytes, at)? };
    if start < done || !begins_well(view, start) {
        return None;
    }
    let end = pattern::match_forwards(rule.body, view.bytes, body)?;
    let random = if rule.before.is_empty() { body } else { start };
    let value = view.text.get(random..end)?;
    let sound =
        !word_after(view.text, end) && placeholder::entropy(value.as_bytes()) >= rule.entropy && !is_placeholder(value);
    // A secret web address is one with its scheme.
    let start = if view.bytes[..start].ends_with(b"https://") { start - 8 } else { start };
    sound.then(|| credential(start, end, 1.0, rule.kind))
}

/// Whether a token may begin at `start`: not inside a word, except behind an escape such as `\n`.
fn begins_well(view: &View<'_>, start: usize) -> bool {
    let before = view.before(start);
    let escaped = matches!(before, b'n' | b't' | b'r') && start > 1 && view.bytes[start - 2] == b'\\';
    escaped || !(word_before(view.text, start) || matches!(before, b'_' | b'-'))
}

#[cfg(test)]
mod tests;
