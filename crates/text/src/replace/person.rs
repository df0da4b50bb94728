//! Surrogates for names of persons, and for e-mail addresses, whose local part follows the name.
//!
//! Invariant: a name is mapped part by part and each part by itself alone, so "Ana Ruiz", "Ruiz", "A. Ruiz" and
//! `ana.ruiz@` agree within a scope, in whatever order they are met. Initials are mapped first and a name part goes to
//! a name with the mapped initial. Honorifics, particles, suffixes and case stay.

use super::draw::{Draw, Ring, folded};
use super::network::EXAMPLE_HOSTS;
use crate::detect::names::{self, Filler, Gender, Names};

/// A surrogate for a name as it was written.
pub(super) fn name(ring: &Ring<'_>, value: &str) -> String {
    let mut runs = Vec::new();
    each_run(value, |run, is_word| runs.push((run.to_owned(), is_word)));
    let cased = value.contains(char::is_uppercase);
    let last = runs.iter().rposition(|(_, is_word)| *is_word);
    let first = runs.iter().position(|(_, is_word)| *is_word);
    let mut result = String::with_capacity(value.len() + 8);
    for (index, (run, is_word)) in runs.iter().enumerate() {
        let filler = match names::name_filler(&folded(run)) {
            Some(Filler::Honorific) => Some(index) != last,
            // A particle is written small and leads to another word; "Ben" and "Al" in front are names.
            Some(Filler::Particle) => {
                Some(index) != last && !run.contains(char::is_uppercase) && (cased || Some(index) != first)
            }
            Some(Filler::Suffix) => Some(index) != first,
            None => false,
        };
        if !is_word || filler {
            result.push_str(run);
        } else {
            result.push_str(&part(ring, run));
        }
    }
    result
}

/// The parts of a name or of a local part that carry it, in canonical form: what no surrogate may repeat.
pub(super) fn parts(value: &str) -> Vec<String> {
    let value = value.split_once('@').map_or(value, |(local, _)| local);
    let mut found = Vec::new();
    each_run(value, |run, is_word| {
        let canonical = folded(run);
        if is_word && canonical.chars().count() > 1 {
            found.push(canonical);
        }
    });
    found
}

/// A surrogate for an e-mail address under a domain that is reserved for examples (RFC 2606).
pub(super) fn email(ring: &Ring<'_>, draw: &mut Draw, value: &str) -> String {
    let (local, domain) = value.rsplit_once('@').unwrap_or((value, ""));
    let mut host = ring.draw(&["mail-domain", &folded(domain)], 0);
    let host = host.pick(EXAMPLE_HOSTS).unwrap_or("example.org");
    let mut new = String::with_capacity(local.len() + 8);
    each_run(local, |run, is_word| {
        if is_word {
            let joined: String = names::shared().split(&folded(run)).iter().map(|p| part(ring, p)).collect();
            new.push_str(&if run.chars().any(char::is_uppercase) { joined } else { joined.to_lowercase() });
        } else {
            new.extend(run.chars().map(|c| if c.is_alphabetic() { 'x' } else { draw.like(c) }));
        }
    });
    let new: String = new.chars().filter(char::is_ascii).collect();
    format!("{new}@{host}")
}

/// The form of `model` (capitals, small letters, first letter capital) given to `word`.
pub(super) fn like_case(model: &str, word: &str) -> String {
    let mut letters = model.chars().filter(|c| c.is_alphabetic());
    let first_upper = letters.next().is_some_and(char::is_uppercase);
    let rest_upper = letters.clone().count() > 0 && letters.all(char::is_uppercase);
    if first_upper && rest_upper {
        word.to_uppercase()
    } else if first_upper {
        let mut chars = word.chars();
        chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
    } else {
        word.to_lowercase()
    }
}

/// Calls `f` with each run of letters (true) and each run of anything else (false).
fn each_run(value: &str, mut f: impl FnMut(&str, bool)) {
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        // A mark belongs to the letter before it; one after a digit or a sign stands with the letters.
        let is_word = |c: char| c.is_alphabetic() || is_mark(c);
        let inner = |c: char| is_word(c) == is_word(first);
        let mut end = rest.find(|c| !inner(c)).unwrap_or(rest.len());
        // An apostrophe inside a name belongs to it: O'Neil, D’Angelo.
        while is_word(first)
            && let Some(mark) = rest[end..].chars().next().filter(|c| matches!(c, '\'' | '\u{2019}'))
            && rest[end + mark.len_utf8()..].starts_with(char::is_alphabetic)
        {
            let from = end + mark.len_utf8();
            end = rest[from..].find(|c| !inner(c)).map_or(rest.len(), |n| from + n);
        }
        f(&rest[..end], is_word(first));
        rest = &rest[end..];
    }
}

fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36F}').contains(&c)
}

/// Letters by how many names begin with them.
const INITIALS: &[u8] = b"AABBCCDDEFGHHJJKKLLMMNPRRSSTW";

/// One name part or initial.
fn part(ring: &Ring<'_>, word: &str) -> String {
    let canonical = folded(word);
    let initial = initial(ring, &canonical);
    if canonical.chars().count() == 1 {
        return like_case(word, &char::from(initial).to_string());
    }
    let all = names::shared();
    let pool = all.pool(kind(all, &canonical), initial);
    let taken = |name: &str| name == canonical || ring.is_original(name);
    let mut attempts = (0..200).filter_map(|n| ring.draw(&["name", &canonical], n).pick(pool));
    let new = attempts.find(|name| !taken(name)).map(str::to_owned).or_else(|| {
        // Every name with this initial stands in the data: join two to one that does not.
        (0..2000).find_map(|n| {
            let mut draw = ring.draw(&["name-pair", &canonical], n);
            let joined = format!("{}-{}", draw.pick(pool)?, draw.pick(all.pool(Gender::Surname, initial))?);
            (!taken(&joined)).then_some(joined)
        })
    });
    like_case(word, &new.unwrap_or_else(|| char::from(initial).to_string()))
}

fn kind(all: &Names, canonical: &str) -> Gender {
    all.gender(canonical).unwrap_or(Gender::Surname)
}

/// The initial that names beginning like this one are given.
fn initial(ring: &Ring<'_>, canonical: &str) -> u8 {
    let letter = canonical.chars().next().unwrap_or('a').to_string();
    let letter = names::plain(&letter);
    (0..8)
        .find_map(|n| {
            let new = ring.draw(&["initial", &letter], n).pick(INITIALS)?;
            (!letter.bytes().eq([new.to_ascii_lowercase()])).then_some(new)
        })
        .unwrap_or(b'A')
}
