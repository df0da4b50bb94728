//! Mixed English with personal data planted in it, from a seed.
//!
//! Letters, support tickets, notes, chats, logs and plain prose, in records of one to twenty sentences; about one sentence in
//! six holds something personal. Numbers that carry a checksum carry a right one; telephones, hosts and domains are of the
//! ranges kept for examples, everything else is drawn.
//!
//! Invariant: the same seed gives the same bytes.

use std::fmt::Write as _;

use cloister_model::SplitMix64;

/// Writes records without end.
pub struct Writer {
    numbers: SplitMix64,
    written: usize,
    /// Pieces of personal data planted so far.
    pub planted: usize,
}

const WHO: &[&str] = &[
    "the committee",
    "our team",
    "the driver",
    "a neighbour",
    "the manager",
    "my colleague",
    "the technician",
    "the school",
    "the clinic",
    "the warehouse",
    "everyone",
    "the new owner",
    "the customer",
    "a volunteer",
    "the landlord",
    "the editor",
    "the court",
    "the research group",
    "the council",
    "nobody",
    "the supplier",
    "the bank",
    "the insurer",
    "the nurse",
];
const DID: &[&str] = &[
    "agreed to",
    "asked about",
    "looked into",
    "forgot",
    "finished",
    "started",
    "wrote down",
    "explained",
    "refused",
    "paid for",
    "returned",
    "checked",
    "moved",
    "repaired",
    "cancelled",
    "ordered",
    "signed",
    "described",
    "reviewed",
    "postponed",
    "lost",
    "found",
    "measured",
    "answered",
];
const WHAT: &[&str] = &[
    "the second delivery",
    "a broken heater",
    "the results of the survey",
    "the old contract",
    "three boxes of paper",
    "the meeting on the budget",
    "a leaking pipe",
    "the report for the board",
    "the last invoice",
    "some of the photographs",
    "a better route",
    "the missing parcel",
    "the schedule for next month",
    "an unusual noise",
    "the garden behind the house",
    "the translation",
    "a used bicycle",
    "the final chapter",
    "the prescription",
    "every single page",
    "the tickets",
    "a change of plan",
    "the router in the hall",
    "the sample",
];
const WHEN: &[&str] = &[
    "in the afternoon",
    "before the holidays",
    "without much trouble",
    "as soon as it was possible",
    "after a long wait",
    "although it was late",
    "because the weather was bad",
    "for the third time",
    "and left early",
    "with some hesitation",
    "while the others were away",
    "as we had hoped",
    "on the way home",
    "at the end of the day",
    "despite the cost",
];
const LINKS: &[&str] =
    &["However, ", "After that ", "Of course ", "In short, ", "So ", "Later ", "Meanwhile ", "Still, "];
const GIVEN: &[&str] = &[
    "Ana", "James", "Maria", "Wei", "Fatima", "John", "Olga", "Pedro", "Linda", "Ahmed", "Sofia", "David", "Priya",
    "Thomas", "Keiko", "Robert", "Chloe", "Samuel", "Ingrid", "Michael", "Elena", "Daniel", "Grace", "Marcus",
];
const FAMILY: &[&str] = &[
    "Ruiz", "Smith", "Chen", "Okafor", "Müller", "Johnson", "Ivanova", "Garcia", "Brown", "Haddad", "Rossi", "Wilson",
    "Patel", "Novak", "Tanaka", "Miller", "Dubois", "Anderson", "Larsen", "Davis", "Petrov", "Hughes", "Kim", "Walker",
];
const STREETS: &[&str] =
    &["Main Street", "Oak Avenue", "Mill Road", "Park Lane", "Cedar Drive", "Station Road", "Hill Street"];
const TOWNS: &[&str] = &[
    "Springfield, IL 62704",
    "Portland, OR 97205",
    "Austin, TX 78701",
    "Denver, CO 80203",
    "Madison, WI 53703",
    "Albany, NY 12207",
];
const LEVELS: &[&str] = &["INFO", "WARN", "DEBUG", "ERROR"];
const PARTS: &[&str] = &["queue", "session", "cache", "mailer", "worker", "router", "index", "scheduler"];

impl Writer {
    /// A writer for this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { numbers: SplitMix64(seed), written: 0, planted: 0 }
    }

    /// Adds a record as a line of JSON: `{"id","text"}`.
    pub fn line(&mut self, out: &mut String) {
        let mut text = String::new();
        let kind = self.below(6);
        let sentences = 1 + self.below(20);
        for sentence in 0..sentences {
            if sentence > 0 {
                text.push_str(if kind == 3 || kind == 4 { "\\n" } else { " " });
            }
            match self.below(6) {
                0 => self.personal(&mut text),
                _ if kind == 4 => self.log(&mut text),
                _ => self.plain(&mut text),
            }
        }
        self.written += 1;
        // Nothing that is written here needs an escape but the line breaks, which are escapes already.
        let _ = writeln!(out, "{{\"id\":\"r{}\",\"text\":\"{text}\"}}", self.written);
    }

    fn below(&mut self, count: usize) -> usize {
        // The bias of a remainder does not matter here.
        (self.numbers.bits() >> 16) as usize % count.max(1)
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }

    fn plain(&mut self, text: &mut String) {
        let from = text.len();
        if self.below(4) == 0 {
            text.push_str(self.one(LINKS));
        }
        let (who, did, what, when) = (self.one(WHO), self.one(DID), self.one(WHAT), self.one(WHEN));
        let _ = write!(text, "{who} {did} {what} {when}");
        if self.below(3) == 0 {
            let (who, did, what) = (self.one(WHO), self.one(DID), self.one(WHAT));
            let _ = write!(text, ", and {who} {did} {what}");
        }
        text.push('.');
        text[from..from + 1].make_ascii_uppercase();
    }

    fn log(&mut self, text: &mut String) {
        let (level, part, number) = (self.one(LEVELS), self.one(PARTS), self.below(100_000));
        let _ = write!(text, "{level} [{part}-{}] took {} ms, {number} items left", number % 16, self.below(900));
    }

    fn personal(&mut self, text: &mut String) {
        self.planted += 1;
        let (given, family) = (self.one(GIVEN), self.one(FAMILY));
        let _ = match self.below(13) {
            0 => write!(text, "My name is {given} {family}, I wrote to you last week."),
            1 => write!(text, "Please ask Dr {given} {family} about it."),
            2 => {
                let user = format!("{}.{}{}", plain(given), plain(family), self.below(90));
                write!(text, "You can write to {user}@example.com any time.")
            }
            3 => write!(text, "Call me at (415) 555-01{}.", self.digits(2)),
            4 => write!(text, "Her phone number is +1 212-555-01{}, after six.", self.digits(2)),
            5 => {
                let serial = 1 + self.below(9998);
                write!(text, "The social security number on file is 536-{:02}-{serial:04}.", 10 + self.below(80))
            }
            6 => {
                let card = with_luhn(&format!("42424242{}", self.digits(7)));
                write!(text, "I paid with {} {} {} {}.", &card[..4], &card[4..8], &card[8..12], &card[12..])
            }
            7 => {
                let iban = german_iban(&format!("37040044{}", self.digits(10)));
                write!(text, "Please send the refund to IBAN {iban}.")
            }
            8 => write!(text, "The login came from 203.0.113.{} last night.", 1 + self.below(250)),
            9 => write!(text, "See https://example.com/orders/{} for the details.", self.digits(6)),
            10 => {
                let (street, town) = (self.one(STREETS), self.one(TOWNS));
                write!(text, "I live at {} {street}, {town}.", 1 + self.below(980))
            }
            11 => {
                let key: String =
                    (0..16).map(|_| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[self.below(32)])).collect();
                write!(text, "The script still has the key AKIA{key} in it.")
            }
            _ => write!(
                text,
                "{given} {family} was born on {}/{}/19{}.",
                1 + self.below(12),
                1 + self.below(28),
                40 + self.below(60)
            ),
        };
    }
}

/// A name as it stands in an address.
fn plain(name: &str) -> String {
    name.to_lowercase().replace('ü', "ue")
}

/// Digits with the check digit of ISO/IEC 7812-1 behind them.
fn with_luhn(digits: &str) -> String {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            value / 10 + value % 10
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// A German account number with the check digits of ISO 13616.
fn german_iban(account: &str) -> String {
    // DE00 behind the account: D is 13, E is 14.
    let rest = format!("{account}131400").bytes().fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    format!("DE{:02}{account}", 98 - rest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cloister_text::{Columns, Detector, DetectorOptions};

    use super::*;

    fn sample(seed: u64, records: usize) -> (String, usize) {
        let (mut writer, mut out) = (Writer::new(seed), String::new());
        (0..records).for_each(|_| writer.line(&mut out));
        (out, writer.planted)
    }

    #[test]
    fn the_text_is_records_the_same_for_the_same_seed() {
        let (text, _) = sample(7, 500);
        assert_eq!(text, sample(7, 500).0);
        assert_ne!(text, sample(8, 500).0);
        let dataset = cloister_text::read_from(text.as_bytes(), &Columns::default()).ok().unwrap();
        assert_eq!((dataset.records.len(), dataset.findings.len()), (500, 0));
    }

    #[test]
    fn what_is_planted_is_found() {
        let (text, planted) = sample(1, 500);
        let detector = Detector::new(&DetectorOptions::default()).unwrap();
        let found = cloister_text::read_from(text.as_bytes(), &Columns::default())
            .ok()
            .unwrap()
            .records
            .iter()
            .flat_map(|record| record.fields().map(|(_, text)| detector.detect(text).len()).collect::<Vec<_>>())
            .sum::<usize>();
        assert!(planted > 500 && found as f64 > 0.8 * planted as f64, "{found} of {planted}");
    }

    #[test]
    fn checksums_are_right() {
        assert_eq!(with_luhn("424242424242424"), "4242424242424242");
        assert_eq!(german_iban("370400440532013000"), "DE89370400440532013000");
    }
}
