//! Addresses spelled out and digits pulled apart: `ana (at) corp (dot) com`, `4 1 1 1 …`, `4111_1111_1111_1111`.
//!
//! Invariant: tokens are looked at once each, with at most two dozen neighbours.

use std::ops::Range;

use super::super::checksum;
use super::super::names;
use super::super::view::{Form, Topic, View};
use super::{Edit, With};

/// Single digits in a row that are read as one number, at least and at most.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=34;
/// Words of a spelled host name, at most.
const LABELS: usize = 6;
/// Ordinary words that are mailboxes too.
const MAILBOXES: &[&str] = &[
    "info",
    "contact",
    "sales",
    "support",
    "help",
    "hello",
    "office",
    "admin",
    "mail",
    "team",
    "jobs",
    "press",
    "billing",
    "service",
    "news",
    "webmaster",
    "postmaster",
    "privacy",
    "security",
    "me",
    "marketing",
    "orders",
    "enquiries",
    "inquiries",
    "accounts",
    "finance",
    "hr",
    "legal",
    "careers",
    "feedback",
    "complaints",
    "reception",
    "bookings",
    "reservations",
];
/// Words before a spoken "dot" that are no host.
const ARTICLES: &[&str] =
    &["the", "a", "an", "this", "that", "my", "our", "your", "his", "her", "its", "their", "each"];

pub(super) fn find(view: &View<'_>, range: Range<usize>, out: &mut Vec<Edit>) {
    let tokens = &view.tokens;
    let mut index = tokens.partition_point(|token| token.start < range.start);
    while let Some(token) = tokens.get(index).filter(|token| token.end <= range.end) {
        let length = token.end - token.start;
        index = match token.form {
            Form::Number if length == 1 => {
                single_digits(view, index, range.end, out).unwrap_or_else(|| odd_groups(view, index, out))
            }
            Form::Number | Form::Code => odd_groups(view, index, out),
            _ if length == 2
                && view.bytes[token.start] | 0x20 == b'a'
                && view.bytes[token.start + 1] | 0x20 == b't' =>
            {
                address(view, index, out).unwrap_or(index + 1)
            }
            _ => index + 1,
        };
    }
}

/// Digits apart by the same sign each: reads them as one number and returns the token after them. Past `limit` only what a
/// number needs is looked at, so that the work on a run over many ranges is that of its length.
fn single_digits(view: &View<'_>, first: usize, limit: usize, out: &mut Vec<Edit>) -> Option<usize> {
    let tokens = &view.tokens;
    let gap = view.gap(&tokens[first], tokens.get(first + 1)?);
    if !matches!(gap, " " | "  " | "-" | " - " | "." | "_" | "/" | "*" | "|" | "\u{a0}" | "\u{2009}" | "\u{202f}") {
        return None;
    }
    let single = |index: usize| {
        let pair = tokens.get(index - 1).zip(tokens.get(index));
        pair.is_some_and(|(left, token)| {
            let within = index - first <= *DIGITS.end() || token.end <= limit;
            within && token.form == Form::Number && token.end - token.start == 1 && view.gap(left, token) == gap
        })
    };
    let more = (first + 1..).take_while(|index| single(*index)).count();
    let end = first + 1 + more;
    if DIGITS.contains(&(more + 1)) {
        out.extend((first + 1..end).map(|index| Edit::new(tokens[index - 1].end..tokens[index].start, With::Nothing)));
    }
    (more > 0).then_some(end)
}

/// Signs that may stand between groups of digits though no detector expects them there.
fn is_odd(gap: &str) -> bool {
    let mut inner = gap.trim_matches(' ').chars();
    match (inner.next(), inner.next()) {
        (Some(sign), None) => matches!(sign,
            '-' | '.' | '_' | '/' | '*' | '|' | '~' | '+' | ':' | '·' | '•' | '\u{a0}' | '\u{2000}'..='\u{200a}'
            | '\u{202f}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{205f}'),
        (None, _) => gap.len() == 1 || gap.len() == 2,
        _ => false,
    }
}

/// Groups of digits with odd signs between them, where a checksum says that they are one number, or where the signs
/// are none that dates, versions and paths use. Returns the token after them.
fn odd_groups(view: &View<'_>, first: usize, out: &mut Vec<Edit>) -> usize {
    const GROUPS: usize = 16;
    let tokens = &view.tokens;
    let mut end = first + 1;
    let (mut plain, mut spaces, mut sign) = (true, true, None);
    let mut next = None;
    while let Some(token) = tokens.get(end).filter(|token| matches!(token.form, Form::Number | Form::Code)) {
        let gap = view.gap(&tokens[end - 1], token);
        if gap.len() > 5 || end - first == GROUPS || !is_odd(gap) {
            break;
        }
        let expected = matches!(gap, " " | "-");
        // Spaces and hyphens mix; any other sign has to stand between all groups.
        if *sign.get_or_insert(if expected { "" } else { gap }) != if expected { "" } else { gap } {
            // The group before may begin another number.
            next = Some(end - 1);
            break;
        }
        plain &= expected;
        spaces &= gap.trim_matches(' ').is_empty();
        end += 1;
    }
    let run = &tokens[first..end];
    let total: usize = run.iter().map(|token| token.end - token.start).sum();
    if run.len() < 2 || !(9..=34).contains(&total) {
        return next.unwrap_or(end);
    }
    let gaps = || run.windows(2).map(|pair| pair[0].end..pair[1].start);
    let number = || run.iter().flat_map(|token| view.word(token).bytes());
    let (start, stop) = (run[0].start, run[run.len() - 1].end);
    let about = |topic| view.near(topic, start, stop, 40);
    // Groups of four with one sign are what the detectors expect; everything else has to prove itself.
    let regular = plain && run[0].end - run[0].start >= 4;
    if number().all(|byte| byte.is_ascii_digit()) {
        let digits: Vec<u8> = number().map(|byte| byte - b'0').collect();
        let card = (13..=19).contains(&total) && matches!(digits[0], 2..=6) && checksum::luhn(&digits);
        if card && !regular && (!(plain || spaces) || about(Topic::Card)) {
            out.extend(gaps().map(|gap| Edit::new(gap, With::Nothing)));
            return end;
        }
        let strange = |gap: &str| {
            !gap.is_empty() && gap.chars().any(|c| matches!(c, '_' | '*' | '|' | '~' | '·' | '•') || !c.is_ascii())
        };
        let strange = run.len() >= 3 && run.windows(2).all(|pair| strange(view.gap(&pair[0], &pair[1])));
        if strange && total <= 16 {
            out.extend(gaps().map(|gap| Edit::new(gap, With::Char('-'))));
        }
    } else if !plain && view.bytes[run[0].start].is_ascii_alphabetic() {
        let compact: Vec<u8> = number().map(|byte| byte.to_ascii_uppercase()).collect();
        if checksum::iban(&compact) {
            out.extend(gaps().map(|gap| Edit::new(gap, With::Char(' '))));
        }
    }
    next.unwrap_or(end)
}

/// `ana (at) corp (dot) com`, `ana at corp dot com`; `at` is the token "at". Returns the token after the address.
fn address(view: &View<'_>, at: usize, out: &mut Vec<Edit>) -> Option<usize> {
    let tokens = &view.tokens;
    let local = at.checked_sub(1)?;
    let is_dot = |index: usize| {
        tokens
            .get(index)
            .is_some_and(|token| matches!(view.word(token), "dot" | "DOT" | "Dot" | "punkt" | "punto" | "point"))
    };
    let joined = |index: usize| {
        tokens.get(index).is_some() && index > 0 && is_joint(view.gap(&tokens[index - 1], &tokens[index]))
    };
    let bracketed = |index: usize| {
        let token = &tokens[index];
        let inner = view.text[..token.start].trim_end_matches(' ').ends_with(['(', '[', '{', '<', '_', '*']);
        inner && view.text[token.end..].trim_start_matches(' ').starts_with([')', ']', '}', '>', '_', '*'])
    };
    if !joined(at) || !joined(at + 1) {
        return None;
    }
    let mut edits = vec![Edit::new(tokens[local].end..tokens[at + 1].start, With::Char('@'))];
    // The host: words apart by "dot", or with full stops between them.
    let (mut last, mut dots, mut stops) = (at + 1, 0, 0);
    while dots + stops < LABELS {
        if is_dot(last + 1) && joined(last + 1) && joined(last + 2) {
            edits.push(Edit::new(tokens[last].end..tokens[last + 2].start, With::Char('.')));
            last += 2;
            dots += 1;
        } else if tokens.get(last + 1).is_some_and(|next| view.gap(&tokens[last], next) == ".") {
            last += 1;
            stops += 1;
        } else {
            break;
        }
    }
    let sure = bracketed(at);
    let suffix = view.word(&tokens[last]);
    let host = view.word(&tokens[at + 1]).to_lowercase();
    let name = view.word(&tokens[local]);
    let ordinary = || names::shared().look_up(name).ordinary && !MAILBOXES.contains(&name.to_lowercase().as_str());
    let sound = (2..=12).contains(&suffix.len()) && suffix.bytes().all(|byte| byte.is_ascii_alphabetic());
    let spoken = dots > 0 && !ARTICLES.contains(&host.as_str()) && (sure || !ordinary());
    if !sound || dots + stops == 0 || !(sure || spoken) {
        return None;
    }
    // The local part: `ana dot ruiz at`.
    let mut first = local;
    while first >= 2 && is_dot(first - 1) && joined(first) && joined(first - 1) && edits.len() < 2 * LABELS {
        edits.push(Edit::new(tokens[first - 2].end..tokens[first].start, With::Char('.')));
        first -= 2;
    }
    out.append(&mut edits);
    Some(last + 1)
}

/// Spaces and one bracket, underscore or star, as they stand around a spelled sign.
fn is_joint(gap: &str) -> bool {
    gap.len() <= 4 && !gap.is_empty() && {
        let inner = gap.trim_matches(' ');
        inner.len() <= 1 && inner.chars().all(|c| "()[]{}<>_*".contains(c))
    }
}
