//! What follows a street: flat, town, region, postcode, country, in any country's order.
//!
//! Invariant: a town counts only with something that ends an address (a postcode, a state, a country, or a form that
//! only towns have), so that a sentence that goes on stays outside; at most two dozen tokens are looked at.
//! Sources: UPU S42 templates; USPS Publication 28; Royal Mail PAF; the postcode formats in `super::postcode`.

use super::super::view::Form;
use super::lexicon::{Role, is_country_of_two, is_state};
use super::postcode::{before_town, british, canadian};
use super::words::{Gap, Words};

/// Words after a street in its town, at most: town, county and country with their small words.
const TOWN_WORDS: usize = 12;
/// Of these so many where only a number or a state ends the address.
const TOWN_WORDS_BEFORE_NUMBER: usize = 5;
/// Flats, floors and stairs after one house number, at most.
const UNITS: usize = 4;

/// Where an address ends.
#[derive(Clone, Copy)]
pub(super) struct Tail {
    /// Its last token.
    pub(super) last: usize,
    /// Whether a flat, a postcode, a state or a country showed that it is an address.
    pub(super) proved: bool,
    /// Whether a postcode, a state or a country did.
    pub(super) postal: bool,
}

/// What belongs to the street that ends at token `street`; `details` where short floor and door numbers may follow.
pub(super) fn tail(words: &Words<'_, '_>, street: usize, details: bool) -> Tail {
    let (mut last, mut proved) = (street, false);
    for _ in 0..UNITS {
        match unit(words, last) {
            Some((end, sure)) => {
                last = end;
                proved |= sure;
            }
            None if details => match detail(words, last) {
                Some(end) => last = end,
                None => break,
            },
            None => break,
        }
    }
    match postal(words, last) {
        Some(end) => Tail { last: end, proved: true, postal: true },
        None => Tail { last, proved, postal: false },
    }
}

/// `Apt. 4B`, `Suite 200`, `#12` after token `last`; whether the word is seldom anything else.
pub(super) fn unit(words: &Words<'_, '_>, last: usize) -> Option<(usize, bool)> {
    let next = last + 1;
    let short = |index: usize| words.token(index).is_some_and(|token| token.end - token.start <= 6);
    let id = |index: usize| {
        matches!(words.form(index), Some(Form::Number | Form::Code | Form::Initial)) && short(index)
            || (words.is(index, Role::SIDE) && words.is_capital(index))
    };
    if words.gap(next) == Gap::Hash && id(next) {
        return Some((next, false));
    }
    let role = words.role(next);
    let near = match words.gap(next) {
        Gap::Space | Gap::Comma | Gap::Line | Gap::Dash => true,
        Gap::Stop => words.is_abbreviation(last) || words.form(last) == Some(Form::Number),
        _ => false,
    };
    let sure = role.is(Role::UNIT);
    if !near || !(sure || role.is(Role::WEAK_UNIT)) {
        // `2nd Floor`, `3rd floor`.
        let ordinal = words.is_ordinal(next) && (words.says(next + 1, "floor") || words.says(next + 1, "fl"));
        return (near && ordinal && words.gap(next + 1) == Gap::Space).then_some((next + 1, false));
    }
    if !matches!(words.gap(next + 1), Gap::Space | Gap::Stop | Gap::Hash) || !id(next + 1) {
        return None;
    }
    // A number on the next line begins something else, unless the unit began its line too.
    Some((next + 1, sure))
}

/// `, 3 B`, `, 2º izq`, `- 5º 2ª`, `, bajo A`: floor and door as Spain and Italy write them, after token `last`.
fn detail(words: &Words<'_, '_>, last: usize) -> Option<usize> {
    let next = last + 1;
    if !matches!(words.gap(next), Gap::Comma | Gap::Dash | Gap::Space | Gap::Hyphen) {
        return None;
    }
    let short = words.token(next).is_some_and(|token| token.end - token.start <= 4);
    let role = words.role(next);
    let fits = match words.form(next)? {
        Form::Number => words.is_number(next, 1..=2) && words.gap(next) != Gap::Space,
        Form::Code => short && words.text(next).as_bytes()[0].is_ascii_digit(),
        Form::Initial => true,
        _ => role.is(Role::SIDE) && !role.is(Role::JOINER) || words.says(next, "s"),
    };
    // `5, 3 personas`: what is counted is no floor.
    let after = next + 1;
    let counts = words.gap(after) == Gap::Space
        && words.token(after).is_some_and(|token| token.is_word() && token.end - token.start > 1)
        && !words.is(after, Role::SIDE.or(Role::UNIT));
    let decimal = words.raw_gap(after) == "." && words.form(after) == Some(Form::Number);
    let postcode = before_town(words, next).is_some();
    (fits && !counts && !decimal && !postcode).then_some(next)
}

/// The last token of town, region, postcode and country after token `last`.
fn postal(words: &Words<'_, '_>, last: usize) -> Option<usize> {
    // `Los Alisos, 10. 13002 Ciudad Real`
    let stop = words.gap(last + 1) == Gap::Stop && words.is_number(last + 1, 5..=5) && !words.is_lower(last);
    if (leads_on(words, last) || stop)
        && let Some(end) = before_town(words, last + 1)
    {
        return Some(country_after(words, end).unwrap_or(end));
    }
    let (mut at, mut parts, mut small, mut bracket) = (last, 0, false, false);
    for count in 0..=TOWN_WORDS {
        let next = at + 1;
        let Some(form) = words.form(next) else { break };
        let gap = words.gap(next);
        if !(leads_on(words, at)
            || (bracket && gap == Gap::Close)
            || (gap == Gap::Blank && ends_with_country(words, next)))
        {
            break;
        }
        if !small && let Some(end) = ending(words, next, count, parts) {
            return Some(end);
        }
        let beside = words.is_beside(next) && (words.gap(next) != Gap::Stop || words.text(at).len() <= 3);
        match form {
            Form::Title | Form::Upper | Form::Uncased if !words.is(next, Role::DATE) => {
                parts += usize::from(!beside || count == 0);
                if parts > 4 {
                    break;
                }
                small = false;
            }
            Form::Lower if count > 0 && beside && words.is(next, Role::JOINER) => small = true,
            _ => break,
        }
        bracket = (bracket || gap == Gap::Open) && gap != Gap::Close;
        at = next;
    }
    unmistakable_town(words, last)
}

/// What ends an address at token `next`, after `count` words of `parts` parts: its last token.
fn ending(words: &Words<'_, '_>, next: usize, count: usize, parts: usize) -> Option<usize> {
    if let Some(end) = british(words, next).or_else(|| canadian(words, next)) {
        return Some(country_after(words, end).unwrap_or(end));
    }
    let plain = count <= TOWN_WORDS_BEFORE_NUMBER && parts < 4;
    let near = plain && parts < 3;
    let text = words.text(next);
    if is_state(text) || (words.is(next, Role::STATE_NAME) && words.is_capital(next) && count > 0) {
        let end = zip(words, next);
        if end.is_some() || (near && is_state(text) && words.gap(next) != Gap::Hyphen) {
            let end = end.unwrap_or(next);
            return Some(canadian(words, end + 1).or_else(|| country_after(words, end)).unwrap_or(end));
        }
    }
    if (count > 0 || words.gap(next).separates() || words.gap(next) == Gap::Blank)
        && let Some(end) = country(words, next)
    {
        return Some(end);
    }
    // `Gossau, XY 65662`: whatever the region is called.
    let region = words.form(next) == Some(Form::Upper) && text.len() <= 3 && words.gap(next).separates();
    let numbered = matches!(words.gap(next + 1), Gap::Space | Gap::Line) && words.is_number(next + 1, 5..=5);
    if region && count > 0 && plain && numbered {
        return Some(next + 1);
    }
    let apart = count > 0 || (words.gap(next) != Gap::Line && words.form(next - 1) != Some(Form::Number));
    if near && words.is_number(next, 5..=5) && apart {
        let four = words.gap(next + 1) == Gap::Hyphen && words.is_number(next + 1, 4..=4);
        let end = next + usize::from(four);
        return Some(country_after(words, end).unwrap_or(end));
    }
    (near
        && count > 0
        && words.is_number(next, 6..=6)
        && matches!(words.gap(next), Gap::Space | Gap::Dash | Gap::Hyphen))
    .then_some(next)
}

/// The ZIP code, or any number of an address, that follows a state or region at `state`.
fn zip(words: &Words<'_, '_>, state: usize) -> Option<usize> {
    let near = matches!(words.gap(state + 1), Gap::Space | Gap::Comma | Gap::Line | Gap::Stop);
    let australian = words.is_number(state + 1, 4..=4) && words.gap(state + 1) == Gap::Space;
    if !near || !(words.is_number(state + 1, 5..=5) || australian) {
        return None;
    }
    let four = !australian && words.gap(state + 2) == Gap::Hyphen && words.is_number(state + 2, 4..=4);
    Some(state + 1 + usize::from(four))
}

/// A country at token `next`, with what may follow: a remark in brackets and a postcode.
fn country(words: &Words<'_, '_>, next: usize) -> Option<usize> {
    let two = words.gap(next + 1) == Gap::Space && is_country_of_two(words.text(next), words.text(next + 1));
    let one = words.is(next, Role::COUNTRY) && words.is_capital(next);
    if !(one || (two && words.is_capital(next))) {
        return None;
    }
    let mut last = next + usize::from(two);
    // `Sicily, Italy Street`: the name goes on.
    if words.gap(last + 1) == Gap::Space && words.is(last + 1, Role::SUFFIX.or(Role::WEAK_SUFFIX)) {
        return None;
    }
    if words.gap(last + 1) == Gap::Open && words.is_capital(last + 1) && words.raw_gap(last + 2).starts_with(')') {
        last += 1;
    }
    let near =
        words.gap(last + 1) == Gap::Space || words.gap(last + 1) == Gap::Close || words.raw_gap(last + 1) == ") ";
    Some(if near && words.is_number(last + 1, 4..=6) { last + 1 } else { last })
}

/// A country after a town or postcode that ends at `last`.
fn country_after(words: &Words<'_, '_>, last: usize) -> Option<usize> {
    let next = last + 1;
    let near = matches!(words.gap(next), Gap::Comma | Gap::Line | Gap::Space | Gap::Open | Gap::Dash)
        || (words.gap(next) == Gap::Stop && words.raw_gap(next) == ". (");
    near.then(|| country(words, next)).flatten()
}

/// Whether a country begins at `next`, or one word later.
fn ends_with_country(words: &Words<'_, '_>, next: usize) -> bool {
    country(words, next).is_some()
}

/// `Kingston upon Hull` or `Stoke-on-Trent` after token `last`: a town by its form, though nothing ends the address.
fn unmistakable_town(words: &Words<'_, '_>, last: usize) -> Option<usize> {
    let first = last + 1;
    if words.form(first)? != Form::Title || !matches!(words.gap(first), Gap::Comma | Gap::Line | Gap::Space) {
        return None;
    }
    let inner: Vec<&str> = words.text(first).split('-').collect();
    if inner.len() > 2 && super::lexicon::role(inner[1]).is(Role::JOINER) {
        return Some(first);
    }
    let named = words.says(first + 1, "upon") && words.form(first + 2) == Some(Form::Title);
    (named && words.gap(first + 1) == Gap::Space && words.gap(first + 2) == Gap::Space).then_some(first + 2)
}

/// Whether an address may go on after token `at`: not past a full stop, unless it ends an abbreviation or a number.
pub(super) fn leads_on(words: &Words<'_, '_>, at: usize) -> bool {
    match words.gap(at + 1) {
        Gap::Space | Gap::Comma | Gap::Hyphen | Gap::Dash | Gap::Open => true,
        Gap::Line => !words.raw_gap(at + 1).contains('.') || words.is_abbreviation(at),
        Gap::Stop => words.is_abbreviation(at),
        _ => false,
    }
}
