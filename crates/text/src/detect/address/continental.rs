//! Streets of the European continent: the type before the name (`rue de la Paix`, `Calle Mayor 5`, `ul. Długa 7`),
//! after it (`Király utca 15`), or inside it (`Hauptstraße 5`), the number mostly last.
//!
//! Invariant: around a number at most a dozen tokens are looked at.
//! Sources: UPU S42 templates of DE, AT, CH, FR, ES, IT, PT, NL, BE, PL, HU and the Nordic countries.

use super::super::view::Form;
use super::lexicon::{Role, ends_as_street};
use super::words::{Gap, Words};
use super::{Core, Strength};

/// Words between the type of a street and its number.
const NAME_WORDS: usize = 8;

/// `12 rue de la Paix`, `12, rue`, `12 bis rue`; with the stray number of some forms, `86036 Rua do Arenque 1634`.
pub(super) fn number_first(words: &Words<'_, '_>, first: usize) -> Option<Core> {
    let mut kind = first + 1;
    if words.says_any(kind, &["bis", "ter", "quater"]) && words.gap(kind) == Gap::Space {
        kind += 1;
    }
    let near = match words.gap(kind) {
        Gap::Space => true,
        Gap::Comma => words.is_lower(kind) && words.text(first).len() <= 4,
        _ => false,
    };
    let role = words.role(kind);
    // A type of one letter is written short, `12 R. Augusta`: `20 C and RH 30` is a temperature.
    let letter = words.text(kind).len() == 1 && !matches!(words.gap(kind + 1), Gap::Stop | Gap::Slash);
    // German puts the number last, so that `10 am ET` is a time.
    if !near || letter || !role.is(Role::PREFIX.or(Role::WEAK_PREFIX)) || words.says(kind, "am") {
        return None;
    }
    let last = name(words, kind, !role.is(Role::PREFIX))?;
    let article = words.is_lower(kind + 1) && words.is(kind + 1, Role::JOINER);
    let strength = match () {
        () if role.is(Role::PREFIX) => Strength::Sure,
        () if article || words.is_lower(kind) => Strength::Likely,
        () => Strength::Possible,
    };
    let strength = if words.is_year(first) && strength != Strength::Sure { Strength::Weak } else { strength };
    Some(with_number(words, first, last, strength))
}

/// The street that a number at `number` ends, with its type before, after or inside the name.
pub(super) fn number_last(words: &Words<'_, '_>, number: usize, floor: usize) -> Option<Core> {
    let end = before_number(words, number, floor)?;
    typed_before(words, number, end, floor).or_else(|| typed_after(words, number, end, floor))
}

/// The last token of the name that stands before a number: past `nº` and the like.
fn before_number(words: &Words<'_, '_>, number: usize, floor: usize) -> Option<usize> {
    let mut at = number;
    for _ in 0..3 {
        let end = at.checked_sub(1).filter(|end| *end >= floor)?;
        let near = matches!(words.gap(at), Gap::Space | Gap::Comma | Gap::Hash)
            || (words.gap(at) == Gap::Stop && (may_be_short(words, end) || words.is(at, Role::NUMBER_SIGN)))
            || (words.gap(at) == Gap::Hyphen && words.is_abbreviation(end) && words.is(end, Role::NUMBER_SIGN));
        if !near {
            return None;
        }
        let sign = words.is(end, Role::NUMBER_SIGN) && !words.is(end, Role::SUFFIX);
        if !sign {
            return Some(end);
        }
        at = end;
    }
    None
}

/// A word whose full stop may be that of an abbreviation: `u.`, `Königstr.`.
fn may_be_short(words: &Words<'_, '_>, index: usize) -> bool {
    words.is_abbreviation(index) || ends_as_street(words.text(index))
}

/// `Calle Mayor, 5`, `via Roma 12`, `ul. Północna 73`; `end` is the last word of the name.
fn typed_before(words: &Words<'_, '_>, number: usize, end: usize, floor: usize) -> Option<Core> {
    let (mut kind, mut capitals, mut small) = (None, 0, 0);
    for index in (floor.max((end + 1).saturating_sub(NAME_WORDS))..=end).rev() {
        let role = words.role(index);
        let typed = role.is(Role::PREFIX.or(Role::WEAK_PREFIX)) && words.text(index) != "am";
        if typed && index < end {
            let named = capitals > 0 || (small > 0 && small <= 3 && role.is(Role::PREFIX));
            let small_type =
                !words.is_lower(index) || words.text(index).len() > 2 || words.gap(index + 1) != Gap::Space;
            if named && small_type {
                kind = Some((index, role, capitals));
            }
        }
        match words.form(index)? {
            _ if role.is(Role::DATE) => break,
            _ if words.is_capital(index) => capitals += 1,
            Form::Number if words.is_number(index, 1..=2) && index < end => {}
            Form::Lower if role.is(Role::JOINER) => {}
            Form::Lower if typed => {}
            Form::Lower if capitals == 0 && !role.is(Role::COUNTED) => small += 1,
            _ => break,
        }
        let beside = words.is_beside(index) || words.gap(index) == Gap::Slash || words.gap(index) == Gap::Dash;
        // `Calle, General Yagüe, 28`.
        let after_type = words.gap(index) == Gap::Comma && index > 0 && words.is(index - 1, Role::PREFIX);
        if !(beside || after_type) {
            break;
        }
    }
    let (kind, role, capitals) = kind?;
    let written = !words.is_lower(kind);
    // Types of one letter need a slash to stand by themselves, those of two a stop: `C/ Mayor`, `Pl. Mayor`.
    let (letter, slash) = (words.text(kind).len() <= 2, words.gap(kind + 1) == Gap::Slash);
    let single = words.text(kind).len() == 1 && !slash;
    let abbreviated = slash || words.gap(kind + 1) == Gap::Stop;
    let strength = match () {
        () if single && !written => Strength::Weak,
        () if single => Strength::Possible,
        () if letter && !abbreviated && !(written && words.begins_line(kind)) => Strength::Weak,
        () if role.is(Role::PREFIX) && (capitals > 0 || words.is_house_number(number)) => Strength::Sure,
        () if letter => Strength::Likely,
        () if written => Strength::Likely,
        () => Strength::Possible,
    };
    // Five digits are a postcode, which belongs to the town.
    if words.is_number(number, 5..=6) {
        return Some(Core::new(kind, end, strength.weaker()));
    }
    let far = words.gap(number) == Gap::Comma && !role.is(Role::PREFIX) && !slash && words.is_year(number);
    Some(Core::new(kind, number, if far { strength.weaker() } else { strength }))
}

/// `Hauptstraße 5`, `Villacher Strasse 89`, `Kálmán Imre u. 12`, `25 Dili Gianni Street 12`.
fn typed_after(words: &Words<'_, '_>, number: usize, end: usize, floor: usize) -> Option<Core> {
    if words.gap(number) == Gap::Comma && words.is_number(number, 5..=6) {
        return None;
    }
    let role = words.role(end);
    let ending = ends_as_street(words.text(end));
    if role.is(Role::DATE) || !(role.is(Role::MIDDLE) || ending) {
        return None;
    }
    let mut first = end;
    while first > floor && first + 4 > end && words.is_beside(first) && names_street(words, first - 1) {
        first -= 1;
    }
    let capital = words.is_capital(end);
    let suffix = role.is(Role::SUFFIX);
    let strength = match () {
        () if ending && capital => Strength::Likely,
        () if ending => Strength::Possible,
        () if first == end => return None,
        () if suffix => Strength::Possible,
        () if words.text(end).len() > 4 || words.gap(number) == Gap::Stop => Strength::Likely,
        () => Strength::Possible,
    };
    let strength = if words.is_year(number) { strength.weaker() } else { strength };
    Some(Core::new(first, number, strength))
}

/// A word that may stand in the name of a street before its type.
fn names_street(words: &Words<'_, '_>, index: usize) -> bool {
    let role = words.role(index);
    (words.is_capital(index)
        || (words.is_lower(index) && role.is(Role::JOINER) && index > 0 && words.is_capital(index - 1)))
        && !role.is(Role::COUNTED.or(Role::DATE).or(Role::CUE))
}

/// The last word of the name after the type at `kind`; it needs one capital word.
pub(super) fn name(words: &Words<'_, '_>, kind: usize, weak: bool) -> Option<usize> {
    let mut last = None;
    for index in kind + 1..kind + NAME_WORDS {
        let abbreviated = index == kind + 1 && words.gap(index) == Gap::Slash;
        if !(words.is_beside(index) || abbreviated) {
            break;
        }
        let role = words.role(index);
        match words.form(index) {
            _ if words.is_capital(index) => last = Some(index),
            // `rue du 8 Mai 1945`.
            Some(Form::Number) if words.is_number(index, 1..=2) && words.is_capital(index + 1) => {}
            Some(Form::Lower) if role.is(Role::JOINER) => {}
            Some(Form::Lower) if last.is_none() && !weak && !role.is(Role::COUNTED) && index == kind + 1 => {
                let more = words.is_house_number(index + 1) || words.is_capital(index + 1);
                if more {
                    last = Some(index);
                } else {
                    break;
                }
            }
            _ => break,
        }
    }
    last
}

/// A street that ends in a name, with the number after it if there is one.
fn with_number(words: &Words<'_, '_>, first: usize, last: usize, strength: Strength) -> Core {
    let number = last + 1;
    let near = matches!(words.gap(number), Gap::Space | Gap::Comma) && words.is_house_number(number);
    let own = near && (words.is_number(number, 1..=4) || words.form(number) == Some(Form::Code));
    Core::new(first, if own { number } else { last }, strength)
}

/// A street without a number before a postcode at `postcode`: `rue de la Paix, 75002 Paris`.
pub(super) fn before_postcode(words: &Words<'_, '_>, postcode: usize, floor: usize) -> Option<Core> {
    if !matches!(words.gap(postcode), Gap::Comma | Gap::Line | Gap::Dash | Gap::Space | Gap::Stop) {
        return None;
    }
    let end = postcode.checked_sub(1).filter(|end| *end >= floor)?;
    let mut end = end;
    // `s/n`: without a number.
    if end >= floor + 2 && words.says(end, "n") && words.says(end - 1, "s") && words.gap(end) == Gap::Slash {
        end -= 2;
    }
    let no_number = end + 1 < postcode;
    if !words.is_capital(end) {
        return None;
    }
    let mut found = None;
    for index in (floor.max(end.saturating_sub(NAME_WORDS))..end).rev() {
        let role = words.role(index);
        if role.is(Role::PREFIX) || (no_number && role.is(Role::WEAK_PREFIX)) {
            found = Some(index);
        }
        let inside = words.is_capital(index) || role.is(Role::JOINER.or(Role::PREFIX));
        if !inside || !(words.is_beside(index) || words.gap(index) == Gap::Slash) {
            break;
        }
    }
    let last = if no_number { postcode - 1 } else { end };
    found.map(|first| Core::new(first, last, Strength::Likely))
}
