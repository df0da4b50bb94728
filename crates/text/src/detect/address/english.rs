//! Streets with the number first and the type last: `123 N. Main St`, `221B Baker Street`, `12 County Road 7`,
//! `the corner of Elm Street and Second Avenue`.
//!
//! Invariant: from a number at most eight tokens are looked at.
//! Sources: USPS Publication 28 section 23; Royal Mail, How to address your mail; Canada Post and Australia Post
//! addressing guidelines.

use super::super::view::Form;
use super::lexicon::Role;
use super::words::{Gap, Words};
use super::{Core, Strength};

/// A street whose number stands at `first`.
pub(super) fn numbered(words: &Words<'_, '_>, first: usize) -> Option<Core> {
    let (mut capitals, mut small, mut numbers) = (0, 0, 0);
    // `12-14 High Street`, `1/23 Smith Street`, `12 A High Street`.
    let mut name = first + 1;
    if matches!(words.gap(name), Gap::Hyphen | Gap::Slash | Gap::Dash) && words.is_house_number(name) {
        name += 1;
    }
    if !words.is_beside(name) {
        return None;
    }
    if let Some(core) = highway(words, first, name).or_else(|| lettered(words, first, name)) {
        return Some(core);
    }
    for index in name..name + 7 {
        let form = words.form(index)?;
        if !words.is_beside(index) {
            return None;
        }
        if form == Form::Number {
            numbers += 1;
            if numbers > 1 || capitals + small > 0 || !words.is_number(index, 1..=5) {
                return None;
            }
            continue;
        }
        let role = words.role(index);
        let named = capitals + small > 0;
        if named && !longer(words, index) {
            let capital = form != Form::Lower;
            let strength = match () {
                () if role.is(Role::SUFFIX) && capitals > 0 && small == 0 && capital => Some(Strength::Sure),
                () if role.is(Role::SUFFIX) && small <= 1 => Some(Strength::Likely),
                () if role.is(Role::WEAK_SUFFIX) && capitals > 0 && small == 0 && capital => Some(Strength::Likely),
                () if role.is(Role::RARE_SUFFIX) && capitals > 0 && small == 0 && capital => Some(Strength::Possible),
                () => None,
            };
            if let Some(strength) = strength {
                let year = words.is_year(first);
                let strength = if year { strength.weaker() } else { strength };
                // `Main Street N`, `Fifth Avenue South`.
                let turned = words.is(index + 1, Role::DIRECTION)
                    && words.is_capital(index + 1)
                    && matches!(words.gap(index + 1), Gap::Space)
                    && words.text(index + 1).len() != 3;
                let last = index + usize::from(turned);
                // `2009 Wall Street Journal`: the name goes on.
                let goes_on = words.gap(last + 1) == Gap::Space && words.form(last + 1) == Some(Form::Title);
                return Some(Core::new(first, last, if goes_on { strength.weaker() } else { strength }));
            }
        }
        match form {
            Form::Title | Form::Upper | Form::Initial | Form::Uncased => capitals += 1,
            Form::Mixed if words.is_capital(index) => capitals += 1,
            Form::Code if words.is_ordinal(index) => capitals += 1,
            Form::Lower if role.is(Role::DIRECTION) => {}
            Form::Lower if capitals > 0 && role.is(Role::JOINER) && words.is_capital(index + 1) => {}
            Form::Lower if small < 2 && !role.is(Role::COUNTED) && words.text(index).len() > 1 => small += 1,
            _ => return None,
        }
    }
    None
}

/// Whether the next word is the street's type rather than the one at `index`: `Park Avenue`, `Court Street`.
fn longer(words: &Words<'_, '_>, index: usize) -> bool {
    let next = words.role(index + 1);
    words.is_beside(index + 1)
        && words.gap(index + 1) != Gap::Hyphen
        && (next.is(Role::SUFFIX)
            || (next.is(Role::WEAK_SUFFIX.or(Role::RARE_SUFFIX))
                && words.is_capital(index + 1)
                && !next.is(Role::DIRECTION)
                && !words.is(index, Role::SUFFIX)))
}

/// `1200 Highway 50`, `450 County Road 12`, `77 US Route 1`.
fn highway(words: &Words<'_, '_>, first: usize, name: usize) -> Option<Core> {
    let kind = |index: usize| words.says_any(index, &["highway", "hwy", "route", "rte", "road", "rd", "fm", "cr"]);
    let owner = |index: usize| {
        let owners = ["state", "county", "us", "u", "old", "rural", "farm", "interstate", "s", "n", "e", "w"];
        words.says_any(index, &owners)
    };
    let mut index = name;
    while index < name + 3 && owner(index) && words.is_beside(index + 1) {
        index += 1;
    }
    let numbered =
        kind(index) && words.is_capital(index) && words.is_beside(index + 1) && words.is_number(index + 1, 1..=4);
    let bare_road = index == name && (words.says(index, "road") || words.says(index, "rd"));
    (numbered && !bare_road).then(|| Core::new(first, index + 1, Strength::Likely))
}

/// `123 Avenue B`, `1633 Broadway`: types that stand before a letter, and streets of one word.
fn lettered(words: &Words<'_, '_>, first: usize, name: usize) -> Option<Core> {
    if words.says(name, "avenue") && words.form(name + 1) == Some(Form::Initial) && words.gap(name + 1) == Gap::Space {
        return Some(Core::new(first, name + 1, Strength::Likely));
    }
    let turned = words.is(name, Role::DIRECTION) && words.is_beside(name + 1);
    let street = name + usize::from(turned);
    let broadway = words.says(street, "broadway") && words.is_capital(street);
    let strength = if words.is_year(first) { Strength::Weak } else { Strength::Possible };
    let longer = words.gap(street + 1) == Gap::Space && words.is_capital(street + 1);
    (broadway && !longer).then(|| Core::new(first, street, strength))
}

/// `the corner of Elm Street and Second Avenue`; `corner` is that word. From the first street to the last.
pub(super) fn corner(words: &Words<'_, '_>, corner: usize) -> Option<Core> {
    if !words.says(corner + 1, "of") {
        return None;
    }
    let (first_end, one) = side(words, corner + 2)?;
    if !(words.says(first_end + 1, "and") || words.says(first_end + 1, "y") || words.raw_gap(first_end + 1) == " & ") {
        return None;
    }
    let second = first_end + 1 + usize::from(words.raw_gap(first_end + 1) != " & ");
    let (last, two) = side(words, second)?;
    let strength = match usize::from(one) + usize::from(two) {
        2 => Strength::Sure,
        1 => Strength::Likely,
        _ => return None,
    };
    Some(Core::new(corner + 2, last, strength))
}

/// One street of a corner: its last token, and whether its type or number shows that it is one.
fn side(words: &Words<'_, '_>, first: usize) -> Option<(usize, bool)> {
    let (mut last, mut sure) = (None, false);
    let lower = words.is_lower(first) || words.form(first) == Some(Form::Number);
    for index in first..first + 7 {
        let Some(form) = words.form(index) else { break };
        if index > first && !words.is_beside(index) {
            break;
        }
        let role = words.role(index);
        match form {
            Form::Number | Form::Code => sure |= index > first || words.is_capital(index + 1),
            _ if matches!(words.text(index), "and" | "y") => break,
            Form::Lower if role.is(Role::JOINER) && last.is_some() => continue,
            Form::Lower if lower && !role.is(Role::COUNTED) => {}
            Form::Lower if role.is(Role::PREFIX.or(Role::SUFFIX).or(Role::MIDDLE)) || words.is_capital(index + 1) => {}
            Form::Lower => break,
            _ => {}
        }
        sure |= role.is(Role::SUFFIX.or(Role::PREFIX).or(Role::WEAK_SUFFIX).or(Role::RARE_SUFFIX));
        last = Some(index);
    }
    last.map(|last| (last, sure))
}
