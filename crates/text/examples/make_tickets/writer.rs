//! Text under construction: words, values of personal data with their spans, and the small faults of typed messages.
//!
//! Invariant: a span counts Unicode code points; faults touch neither values nor details.

use crate::identifiers::Kind;
use crate::prng::Prng;

/// Where a value stands in a message, in Unicode code points, end exclusive.
pub(crate) struct Span {
    /// First code point.
    pub(crate) start: usize,
    /// One after the last code point.
    pub(crate) end: usize,
    /// What the value is.
    pub(crate) kind: Kind,
}

/// A finished message.
pub(crate) struct Message {
    /// `user` or `assistant`.
    pub(crate) role: &'static str,
    /// Its text.
    pub(crate) content: String,
    /// Its personal data, in order.
    pub(crate) spans: Vec<Span>,
}

/// What fills the slots of a phrase.
pub(crate) struct Slots {
    /// Personal data.
    pub(crate) values: Vec<(Kind, String)>,
    /// Other words, by slot.
    pub(crate) words: Vec<(&'static str, String)>,
}

impl Slots {
    /// The value of `kind`, if there is one.
    pub(crate) fn value(&self, kind: Kind) -> Option<&str> {
        self.values.iter().find(|(own, _)| *own == kind).map(|(_, value)| value.as_str())
    }
}

/// How carelessly a sentence is typed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Style {
    /// No capital letters.
    pub(crate) lower_case: bool,
    /// Number of misspelt words.
    pub(crate) typos: usize,
    /// The full stop at the end is missing.
    pub(crate) no_full_stop: bool,
}

/// Text under construction.
#[derive(Default)]
pub(crate) struct Writer {
    content: String,
    spans: Vec<Span>,
    broken: bool,
}

impl Writer {
    /// Starts a new line before the next sentence.
    pub(crate) fn line_break(&mut self) {
        self.content.push('\n');
        self.broken = true;
    }

    /// Appends a phrase with its slots filled; an empty phrase changes nothing.
    pub(crate) fn sentence(&mut self, rng: &mut Prng, phrase: &str, slots: &Slots, style: Style) -> Result<(), String> {
        if phrase.is_empty() {
            return Ok(());
        }
        if !self.content.is_empty() && !self.broken {
            self.content.push(' ');
        }
        self.broken = false;
        let phrase = if style.no_full_stop { phrase.strip_suffix('.').unwrap_or(phrase) } else { phrase };
        let (mut rest, mut typos) = (phrase, style.typos);
        while let Some((before, after)) = rest.split_once('{') {
            self.words(rng, before, style, &mut typos);
            let (slot, after) = after.split_once('}').ok_or("a slot is not closed")?;
            self.fill(slot, slots)?;
            rest = after;
        }
        self.words(rng, rest, style, &mut typos);
        Ok(())
    }

    /// The message.
    pub(crate) fn message(self, role: &'static str) -> Message {
        Message { role, content: self.content, spans: self.spans }
    }

    fn fill(&mut self, slot: &str, slots: &Slots) -> Result<(), String> {
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.slot() == slot) {
            let value = slots.value(kind).ok_or_else(|| format!("slot {slot} has no value"))?;
            self.value(kind, value);
        } else if slot == "last" {
            let phone = slots.value(Kind::Phone).ok_or("no phone number for its last digits")?;
            let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
            self.content.extend(&digits[digits.len().saturating_sub(4)..]);
        } else {
            let (_, words) =
                slots.words.iter().find(|(own, _)| *own == slot).ok_or_else(|| format!("no slot {slot}"))?;
            self.content.push_str(words);
        }
        Ok(())
    }

    fn value(&mut self, kind: Kind, value: &str) {
        let start = self.content.chars().count();
        self.content.push_str(value);
        self.spans.push(Span { start, end: start + value.chars().count(), kind });
    }

    fn words(&mut self, rng: &mut Prng, words: &str, style: Style, typos: &mut usize) {
        let mut words = words.to_owned();
        while *typos > 0 {
            let Some(changed) = misspell(rng, &words) else { break };
            words = changed;
            *typos -= 1;
        }
        self.content.push_str(&if style.lower_case { words.to_lowercase() } else { words });
    }
}

/// One long word with two letters swapped, one lost or one doubled; none if there is no long word.
fn misspell(rng: &mut Prng, words: &str) -> Option<String> {
    let mut parts: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let long: Vec<usize> = (0..parts.len())
        .filter(|&at| parts[at].len() >= 5 && parts[at].bytes().all(|byte| byte.is_ascii_alphabetic()))
        .collect();
    let chosen = *long.get(rng.below(long.len()))?;
    let mut letters: Vec<char> = parts[chosen].chars().collect();
    let at = rng.between(1, letters.len() - 3);
    match rng.below(3) {
        0 => letters.swap(at, at + 1),
        1 => drop(letters.remove(at)),
        _ => letters.insert(at, letters[at]),
    }
    parts[chosen] = letters.into_iter().collect();
    Some(parts.join(" "))
}
