//! Cards and bank accounts of all countries; telephone numbers through [`super::phone`].
//!
//! Invariant: digits are grouped once into clusters; from each group at most 34 characters are looked at.
//! Sources: ISO/IEC 7812 and the card networks' published ranges, SWIFT IBAN registry.

use super::checksum;
use super::locale::Phones;
use super::phone;
use super::view::{Form, Token, Topic, View, is_word_byte};
use super::{Label, Span};

const CARD_DIGITS: usize = 19;

pub(crate) fn find(view: &View<'_>, phones: Phones, out: &mut Vec<Span>) {
    let mut index = 0;
    while index < view.tokens.len() {
        let token = view.tokens[index];
        match token.form {
            Form::Number if is_ascii_digits(view, &token) => {
                let mut end = index + 1;
                while end < view.tokens.len() && joins(view, &view.tokens[end - 1], &view.tokens[end]) {
                    end += 1;
                }
                cluster(view, &view.tokens[index..end], phones, out);
                index = end;
            }
            Form::Code => {
                iban(view, token.start, out);
                index += 1;
            }
            _ => index += 1,
        }
    }
}

fn is_ascii_digits(view: &View<'_>, token: &Token) -> bool {
    view.bytes[token.start..token.end].is_ascii()
}

/// Whether two tokens may be groups of one number.
fn joins(view: &View<'_>, left: &Token, right: &Token) -> bool {
    let gap = view.gap(left, right);
    right.form == Form::Number
        && is_ascii_digits(view, right)
        && gap.len() <= 3
        && gap.chars().all(|c| matches!(c, ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}' | '\u{2011}' | '\u{2013}'))
}

/// A run of digit groups that stand close together.
fn cluster(view: &View<'_>, groups: &[Token], phones: Phones, out: &mut Vec<Span>) {
    let digits: usize = groups.iter().take(12).map(|g| g.end - g.start).sum();
    if digits < 7 {
        return;
    }
    let mut first = 0;
    while first < groups.len() {
        if let Some(last) = card(view, groups, first, out) {
            first = last + 1;
            continue;
        }
        first += 1;
    }
    phone::cluster(view, groups, phones, out);
}

/// A card number from group `first`; returns its last group.
fn card(view: &View<'_>, groups: &[Token], first: usize, out: &mut Vec<Span>) -> Option<usize> {
    if groups[first].end - groups[first].start < 4 {
        return None;
    }
    let mut digits = Vec::with_capacity(CARD_DIGITS);
    let mut separator = None;
    let mut found = None;
    for (index, group) in groups.iter().enumerate().skip(first) {
        let length = group.end - group.start;
        if index > first {
            let gap = view.gap(&groups[index - 1], group);
            let shaped = (3..=7).contains(&length) && digits.len() >= 4 && matches!(gap, " " | "-");
            if !shaped || *separator.get_or_insert(gap) != gap {
                break;
            }
        } else if is_word_byte(view.before(group.start)) {
            return None;
        }
        if digits.len() + length > CARD_DIGITS {
            break;
        }
        digits.extend(view.bytes[group.start..group.end].iter().map(|b| b - b'0'));
        let open = index + 1 < groups.len() && view.gap(group, &groups[index + 1]) == "-";
        if digits.len() >= 12
            && !open
            && !is_word_byte(view.at(group.end))
            && let Some(strength) = issuer(&digits)
            && checksum::luhn(&digits)
            && digits.iter().any(|d| *d != digits[0])
        {
            found = Some((index, strength));
        }
    }
    let (last, strength) = found?;
    let (start, end) = (groups[first].start, groups[last].end);
    let about_cards = view.near(Topic::Card, start, end, 40);
    let score = if strength >= 1.0 || about_cards { 1.0 } else { strength };
    out.push(Span::new(start, end, Label::CREDIT_CARD, score));
    (score >= 1.0).then_some(last)
}

/// Whether a value is a card number: a range and length of a network, Luhn's check digit, not one digit throughout.
pub(crate) fn is_card(value: &str) -> bool {
    let digits: Vec<u8> = value.bytes().filter(|byte| !b" -".contains(byte)).collect();
    let plain = digits.iter().all(u8::is_ascii_digit) && (12..=CARD_DIGITS).contains(&digits.len());
    let values: Vec<u8> = digits.iter().map(|byte| byte & 0x0F).collect();
    plain && issuer(&values).is_some() && checksum::luhn(&values) && values.iter().any(|digit| *digit != values[0])
}

/// Whether a value is an IBAN: its country's length and structure, and the checksum.
pub(crate) fn is_iban(value: &str) -> bool {
    let compact: Vec<u8> = value.bytes().filter(|b| !b" -".contains(b)).map(|b| b.to_ascii_uppercase()).collect();
    checksum::iban(&compact)
}

/// How well digits fit the ranges and lengths of card networks: 1 for one of the large networks.
fn issuer(digits: &[u8]) -> Option<f32> {
    let prefix = |n: usize| digits[..n].iter().fold(0u32, |value, digit| value * 10 + u32::from(*digit));
    let (one, two, three, four) = (prefix(1), prefix(2), prefix(3), prefix(4));
    let length = digits.len();
    let large = match length {
        16 | 19 if one == 4 => true,
        16 if (51..=55).contains(&two) || (2221..=2720).contains(&four) => true,
        15 if two == 34 || two == 37 || four == 2131 || four == 1800 => true,
        14 if (300..=305).contains(&three) || three == 309 || two == 36 || two == 38 || two == 39 => true,
        16..=19 if (3528..=3589).contains(&four) => true,
        16..=19 if four == 6011 || (644..=649).contains(&three) || two == 65 || two == 62 => true,
        16..=19 if two == 60 || two == 81 || two == 82 || (2200..=2204).contains(&four) => true,
        16 if (300..=305).contains(&three) || two == 36 || two == 38 || two == 39 => true,
        _ => false,
    };
    if large {
        return Some(1.0);
    }
    let maestro = matches!(two, 50 | 56..=58 | 61 | 63 | 66..=69) || four == 604;
    match length {
        13 if one == 4 => Some(0.5),
        15 if one == 1 => Some(0.5),
        16..=19 if maestro => Some(0.6),
        12..=15 if maestro => Some(0.4),
        _ => None,
    }
}

/// An account number whose country code stands at `start`; one case throughout, groups apart by one space or hyphen.
fn iban(view: &View<'_>, start: usize, out: &mut Vec<Span>) {
    let head = &view.bytes[start..];
    let [a, b, c, d, ..] = head else { return };
    let upper = a.is_ascii_uppercase();
    let letters = a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && b.is_ascii_uppercase() == upper;
    if !letters || !c.is_ascii_digit() || !d.is_ascii_digit() || is_word_byte(view.before(start)) {
        return;
    }
    let country = [a.to_ascii_uppercase(), b.to_ascii_uppercase()];
    let Some(format) = checksum::bban_format(country) else { return };
    let wanted = 4 + checksum::bban_kinds(format).count();
    let mut compact = Vec::with_capacity(wanted);
    let mut at = start;
    while compact.len() < wanted {
        let byte = view.at(at);
        let separator = matches!(byte, b' ' | b'-') && at < view.bytes.len() && view.before(at).is_ascii_alphanumeric();
        if byte.is_ascii_digit() || (byte.is_ascii_alphabetic() && byte.is_ascii_uppercase() == upper) {
            compact.push(byte.to_ascii_uppercase());
        } else if !separator {
            return;
        }
        at += 1;
    }
    if !is_word_byte(view.at(at)) && checksum::iban(&compact) {
        out.push(Span::new(start, at, Label::IBAN_CODE, 1.0));
    }
}
