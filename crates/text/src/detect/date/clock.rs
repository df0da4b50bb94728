//! Times of day.
//!
//! Invariant: at most 40 bytes are read.
//! Sources: ISO 8601-1 (extended form, zones), RFC 5322 section 3.3 (zones by name), CLDR time formats.

use super::read::{digits, is_short};
use crate::detect::edge::word_after;

/// Where the time of day that starts at `at` ends: `14:30`, `2:30 pm`, `14:30:00.123+02:00`, `14h30`, `3 p.m.`.
pub(super) fn time(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (hour, hour_end) = digits(bytes, at).filter(|(hour, end)| *hour <= 24 && is_short(at, *end))?;
    let two = |at: usize, most: u32| digits(bytes, at).filter(|(value, end)| *value <= most && end - at == 2);
    let mut end = match bytes.get(hour_end) {
        Some(b':') => {
            let (_, mut end) = two(hour_end + 1, 59)?;
            if bytes.get(end) == Some(&b':') {
                (_, end) = two(end + 1, 60)?;
                if matches!(bytes.get(end), Some(b'.' | b',')) {
                    let fraction = bytes[end + 1..].iter().take(9).take_while(|b| b.is_ascii_digit()).count();
                    end += if fraction > 0 { 1 + fraction } else { 0 };
                }
            }
            end
        }
        Some(b'h' | b'H') => two(hour_end + 1, 59).map(|(_, end)| end).filter(|end| !word_after(text, *end))?,
        _ => half_of_day(text, hour_end).filter(|_| (1..=12).contains(&hour))?,
    };
    end = half_of_day(text, end).unwrap_or(end);
    end = zone(bytes, end).unwrap_or(end);
    (!word_after(text, end)).then_some(end)
}

/// Past `am`, `p.m.`, ` PM`, ` Uhr`.
fn half_of_day(text: &str, at: usize) -> Option<usize> {
    let rest = &text.as_bytes()[at..text.len().min(at + 6)];
    let space = rest.iter().take_while(|b| **b == b' ').count().min(1);
    ["a.m.", "p.m.", "am", "pm", "uhr"].iter().find_map(|mark| {
        let found = rest.get(space..space + mark.len())?.eq_ignore_ascii_case(mark.as_bytes());
        let end = at + space + mark.len();
        (found && (mark.ends_with('.') || !word_after(text, end))).then_some(end)
    })
}

/// Past a zone: `Z`, `+02:00`, ` +0200`, ` UTC`, ` CET`.
pub(super) fn zone(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..bytes.len().min(at + 8)];
    if matches!(rest.first(), Some(b'Z' | b'z')) {
        return Some(at + 1);
    }
    let space = usize::from(rest.first() == Some(&b' '));
    let body = &rest[space..];
    if matches!(body.first(), Some(b'+' | b'-')) {
        let is_digit = |at: usize| body.get(at).is_some_and(u8::is_ascii_digit);
        let colon = usize::from(body.get(3) == Some(&b':'));
        return match (is_digit(1) && is_digit(2), is_digit(3 + colon) && is_digit(4 + colon)) {
            (true, true) => Some(at + space + 5 + colon),
            (true, false) if space == 0 && colon == 0 => Some(at + 3),
            _ => None,
        };
    }
    let names =
        ["UTC", "GMT", "CEST", "CET", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "BST", "IST", "JST"];
    let name = names.iter().find(|name| space == 1 && body.starts_with(name.as_bytes()))?;
    let end = at + space + name.len();
    (!bytes.get(end).is_some_and(u8::is_ascii_alphanumeric)).then_some(end)
}
