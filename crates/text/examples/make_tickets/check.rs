//! The self-check: reads the finished files like a stranger and re-validates everything that is claimed of them.
//!
//! Invariant: independent of how the text was composed. It slices the messages by the written spans, validates each
//! slice by its own rules, and looks for personal data outside the spans. Errors name a ticket, never its text.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::Value;

use crate::identifiers::mod97;
use crate::names::{CULTURES, split};
use crate::places::{DE_CITIES, ES_CITIES, FR_CITIES, UK_CITIES, US_CITIES};

/// Figures of the finished files.
pub(crate) struct Report {
    /// Lines of text for a person who runs the program.
    pub(crate) lines: Vec<String>,
}

/// The size that the tickets and their spans may have together, in bytes.
const MAXIMUM_BYTES: usize = 2_500_000;

/// Checks the three files, given as text.
pub(crate) fn check(tickets: &str, spans: &str, evaluation: &str) -> Result<Report, String> {
    let words = Words::new()?;
    let mut seen = Seen::default();
    let mut masked_texts = BTreeSet::new();
    let (tickets_lines, spans_lines) = (parse(tickets)?, parse(spans)?);
    require(tickets_lines.len() == spans_lines.len(), "tickets and spans differ in length")?;
    require(tickets.len() + spans.len() < MAXIMUM_BYTES, "the files are too large")?;
    for (ticket, spans) in tickets_lines.iter().zip(&spans_lines) {
        let id = text(ticket, "id")?;
        require(id == text(spans, "id")?, "ids of tickets and spans differ")?;
        let masked =
            check_record(ticket, list(spans, "spans")?, &words, &mut seen).map_err(|e| format!("{id}: {e}"))?;
        masked_texts.insert(masked);
        *seen.subjects.entry(text(ticket, "subject")?.to_owned()).or_default() += 1;
    }
    let subjects: Vec<usize> = seen.subjects.values().copied().collect();
    require(subjects.iter().all(|count| (3..=8).contains(count)), "a subject has too few or too many tickets")?;
    require(seen.users.len() == tickets_lines.len(), "two tickets have the same text")?;
    let (user, assistant, with_values) = (seen.user_chars, seen.assistant_chars, seen.with_values);
    let count = tickets_lines.len();
    let mut lines = vec![
        format!("{count} tickets of {} subjects, {} bytes", subjects.len(), tickets.len()),
        format!("distinct user texts {}, after masking {}", seen.users.len(), masked_texts.len()),
        format!("mean characters: user {}, assistant {}", user / count, assistant / count),
        format!("tickets with personal data {with_values}, with three values or more {}", seen.with_three),
        format!("tickets with two exchanges {}", seen.two_exchanges),
    ];
    lines.extend(seen.labels.iter().map(|(label, number)| format!("{label} {number}")));

    let evaluation_lines = parse(evaluation)?;
    for record in &evaluation_lines {
        let id = text(record, "id")?.to_owned();
        check_record(record, &[], &words, &mut seen).map_err(|e| format!("{id}: {e}"))?;
    }
    require(seen.ids.len() == count + evaluation_lines.len(), "an id occurs twice")?;
    require(seen.users.len() == count + evaluation_lines.len(), "an evaluation text is a ticket's text")?;
    lines.push(format!("{} evaluation conversations", evaluation_lines.len()));
    Ok(Report { lines })
}

#[derive(Default)]
struct Seen {
    ids: BTreeSet<String>,
    subjects: BTreeMap<String, usize>,
    users: BTreeSet<String>,
    labels: BTreeMap<String, usize>,
    user_chars: usize,
    assistant_chars: usize,
    with_values: usize,
    with_three: usize,
    two_exchanges: usize,
}

/// Checks one conversation and returns the customer's words with every span replaced by its label.
fn check_record(record: &Value, spans: &[Value], words: &Words, seen: &mut Seen) -> Result<String, String> {
    seen.ids.insert(text(record, "id")?.to_owned());
    let messages = list(record, "messages")?;
    require(messages.len() == 2 || messages.len() == 4, "not one or two exchanges")?;
    seen.two_exchanges += usize::from(messages.len() == 4);
    let (mut user_text, mut user_masked, mut used, mut given_by_user) = (String::new(), String::new(), 0, 0);
    for (index, message) in messages.iter().enumerate() {
        let (role, content) = (text(message, "role")?, text(message, "content")?);
        require(role == ["user", "assistant"][index % 2], "roles do not alternate")?;
        let field = format!("/messages/{index}/content");
        let letters: Vec<char> = content.chars().collect();
        let (mut masked, mut at) = (String::new(), 0);
        for span in spans {
            if text(span, "field")? != field {
                continue;
            }
            let (start, end, label) = (number(span, "start")?, number(span, "end")?, text(span, "label")?);
            require(at <= start && start < end && end <= letters.len(), "a span is out of order or out of range")?;
            let slice: String = letters[start..end].iter().collect();
            let kind = span.get("kind").and_then(Value::as_str).unwrap_or_default();
            require(words.valid(label, kind, &slice), &format!("{label} at {start} is not valid"))?;
            require(bounded(&letters, start, end), &format!("{label} at {start} is cut off"))?;
            masked.extend(&letters[at..start]);
            masked.push_str(&format!("\u{1}{label}\u{1}"));
            at = end;
            used += 1;
            given_by_user += usize::from(role == "user");
            *seen.labels.entry(label.to_owned()).or_default() += 1;
        }
        masked.extend(&letters[at..]);
        require(words.clean(&masked), &format!("personal data outside the spans of message {index}"))?;
        if role == "user" {
            user_text.push_str(content);
            user_text.push('\n');
            user_masked.push_str(&masked);
            user_masked.push('\n');
            seen.user_chars += letters.len();
        } else {
            require(content.starts_with("Thanks for "), "an answer has another first line")?;
            require(content.ends_with("\nFair winds, the crew"), "an answer has another last line")?;
            require(content.contains("\n1. ") && content.contains("\n2. "), "an answer has no plan")?;
            require(content.contains("\nRef HL-"), "an answer has no reference")?;
            seen.assistant_chars += letters.len();
        }
    }
    require(used == spans.len(), "a span points to no message")?;
    seen.with_values += usize::from(given_by_user > 0);
    seen.with_three += usize::from(given_by_user > 2);
    seen.users.insert(user_text);
    Ok(user_masked)
}

/// The names and places that may occur.
struct Words {
    given: BTreeSet<String>,
    surnames: BTreeSet<String>,
    cities: BTreeSet<&'static str>,
    /// Single words of all names.
    parts: BTreeSet<String>,
}

impl Words {
    fn new() -> Result<Self, String> {
        let given: BTreeSet<String> = CULTURES.iter().flat_map(|culture| split(culture.given)).collect();
        let surnames: BTreeSet<String> = CULTURES.iter().flat_map(|culture| split(culture.surnames)).collect();
        require(given.len() >= 300 && surnames.len() >= 500, "too few names")?;
        let cities = (US_CITIES.iter().map(|city| city[0]))
            .chain(UK_CITIES.iter().map(|city| city[0]))
            .chain([DE_CITIES, FR_CITIES, ES_CITIES].into_iter().flatten().copied())
            .collect();
        let parts = given.union(&surnames).flat_map(|name| name.split([' ', '-'])).map(str::to_owned).collect();
        Ok(Self { given, surnames, cities, parts })
    }

    /// Whether a slice is what its label says.
    fn valid(&self, label: &str, kind: &str, slice: &str) -> bool {
        let digits: Vec<u32> = slice.chars().filter_map(|letter| letter.to_digit(10)).collect();
        match (label, kind) {
            ("PERSON", "given") => self.given.contains(slice),
            ("PERSON", _) => slice
                .match_indices(' ')
                .any(|(at, _)| self.given.contains(&slice[..at]) && self.surnames.contains(&slice[at + 1..])),
            ("LOCATION", "address") => {
                slice.starts_with(|first: char| first.is_ascii_digit())
                    && self.cities.iter().any(|city| slice.contains(&format!(", {city}")))
            }
            ("LOCATION", _) => self.cities.contains(slice),
            ("EMAIL_ADDRESS", _) => {
                let host = slice.split_once('@').map(|(_, host)| host).unwrap_or_default();
                slice.is_ascii()
                    && !host.contains('@')
                    && !slice.contains(' ')
                    && ["example.com", "example.org", "example.net"].iter().any(|end| host.ends_with(end))
            }
            ("PHONE_NUMBER", _) => {
                (9..=13).contains(&digits.len())
                    && slice.chars().all(|letter| letter.is_ascii_digit() || "+()- ".contains(letter))
            }
            ("CREDIT_CARD", _) => (15..=16).contains(&digits.len()) && luhn_holds(&digits),
            ("IBAN_CODE", _) => iban_holds(slice),
            ("US_SSN", _) => {
                let parts: Vec<u32> = slice.split('-').filter_map(|part| part.parse().ok()).collect();
                slice.len() == 11 && matches!(parts[..], [773..=899, 1..=99, 1..=9999])
            }
            ("IP_ADDRESS", _) => slice.parse::<IpAddr>().is_ok(),
            ("URL", _) => {
                ["https://", "http://", "www."].iter().any(|start| slice.starts_with(start))
                    && slice.contains(".example.")
                    && !slice.ends_with('.')
            }
            ("CREDENTIAL", "key") => ["AKIA", "sk_test_", "AIza", "glpat-", "hf_"].iter().any(|p| slice.starts_with(p)),
            ("CREDENTIAL", "password") => slice.len() >= 7 && !slice.contains(char::is_whitespace),
            _ => false,
        }
    }

    /// Whether a text with its spans masked holds no personal data any more.
    fn clean(&self, masked: &str) -> bool {
        let named = masked.split(|letter: char| !letter.is_alphanumeric()).any(|word| self.parts.contains(word));
        let placed = self.cities.iter().any(|city| {
            masked.match_indices(city).any(|(at, _)| {
                let after = masked[at + city.len()..].chars().next();
                !after.is_some_and(char::is_alphanumeric)
            })
        });
        !(named || placed || long_number(masked) || masked.split_whitespace().any(suspect))
    }
}

/// Whether a span begins and ends where a word does.
fn bounded(letters: &[char], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).map(|at| letters[at]);
    let opened = before.is_none_or(|letter| letter.is_whitespace() || "(<=".contains(letter));
    let rest: Vec<char> = letters[end..].iter().copied().take_while(|letter| !letter.is_whitespace()).collect();
    opened && rest.iter().all(|letter| ".,:)>?".contains(*letter)) && !letters[start].is_whitespace()
}

/// Whether more than five digits follow each other, with nothing but separators between them.
fn long_number(text: &str) -> bool {
    let mut digits = 0;
    text.chars().any(|letter| {
        match letter {
            '0'..='9' => digits += 1,
            ' ' | '-' | '(' | ')' | '+' | '.' => {}
            _ => digits = 0,
        }
        digits > 5
    })
}

/// Whether a word looks like an identifier: an address of any kind, a key or a password.
fn suspect(word: &str) -> bool {
    let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
    let mixed = bare.len() > 6 && bare.contains(|l: char| l.is_ascii_digit()) && bare.contains(char::is_alphabetic);
    let marked = ["@", "://", "www."].iter().any(|mark| word.contains(mark));
    marked || bare.parse::<IpAddr>().is_ok() || (mixed && !bare.starts_with("HL-"))
}

fn luhn_holds(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, &digit)| match at % 2 {
            0 => digit,
            _ => [0, 2, 4, 6, 8, 1, 3, 5, 7, 9][digit as usize],
        })
        .sum();
    sum.is_multiple_of(10)
}

fn iban_holds(slice: &str) -> bool {
    let compact = slice.replace(' ', "");
    let lengths =
        [("GB", 22), ("IE", 22), ("NL", 18), ("DE", 22), ("FR", 27), ("ES", 24), ("PT", 25), ("IT", 27), ("BE", 16)];
    lengths.iter().any(|(code, length)| compact.starts_with(code) && compact.len() == *length)
        && mod97(&format!("{}{}", &compact[4..], &compact[..4])) == 1
}

fn parse(lines: &str) -> Result<Vec<Value>, String> {
    lines.lines().map(|line| serde_json::from_str(line).map_err(|_| "a line is not JSON".to_owned())).collect()
}

fn require(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value.get(key).and_then(Value::as_str).ok_or_else(|| format!("{key} is missing"))
}

fn number(value: &Value, key: &str) -> Result<usize, String> {
    let number = value.get(key).and_then(Value::as_u64).ok_or_else(|| format!("{key} is missing"))?;
    usize::try_from(number).map_err(|_| format!("{key} is too large"))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], String> {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).ok_or_else(|| format!("{key} is missing"))
}
