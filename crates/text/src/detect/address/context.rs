//! Streets that only their surroundings show: a name and a number with a flat, a postcode or the word "address" beside.
//!
//! Invariant: around a number at most two dozen tokens are looked at.

use super::super::names;
use super::super::view::Form;
use super::lexicon::{Role, is_state};
use super::tail::{Tail, tail, unit};
use super::words::{Gap, Words};
use super::{Core, Strength};

/// Words in the name of a street, at most.
const NAME_WORDS: usize = 5;
/// Tokens before an address in which a word such as "lives" counts.
const CUE_REACH: usize = 6;

/// The address around the number at `number` whose street has no type.
pub(super) fn street(words: &Words<'_, '_>, number: usize, floor: usize) -> Option<Core> {
    number_first(words, number).or_else(|| name_first(words, number, floor))
}

/// `353 Buerlia 227, Apt. 391`, `6750 Koskikatu 25`, `9816 214 Pavlou Drandaki`.
fn number_first(words: &Words<'_, '_>, first: usize) -> Option<Core> {
    let two = words.gap(first + 1) == Gap::Space && words.is_house_number(first + 1);
    let name = first + 1 + usize::from(two);
    let name_end = name_run(words, name)?;
    // `594 Gyula utca 76`: the type follows, and the number after it ends the street.
    if words.is_lower(name_end + 1) && words.is(name_end + 1, Role::MIDDLE) && words.is_house_number(name_end + 2) {
        return None;
    }
    let mut last = name_end;
    for _ in 0..2 {
        let near = matches!(words.gap(last + 1), Gap::Space)
            || (words.gap(last + 1) == Gap::Stop && words.is_abbreviation(last));
        if near && words.is_house_number(last + 1) && !words.is_number(last + 1, 5..=6) {
            last += 1;
        }
    }
    let numbers = usize::from(two) + (last - name_end) + 1;
    judge(words, first, last, numbers, name..=name_end)
}

/// `Edeby 55, Apt. 297`, `Markt 12, 10115 Berlin`, `Los Alisos, 10`; the number stands at `number`.
fn name_first(words: &Words<'_, '_>, number: usize, floor: usize) -> Option<Core> {
    let end = number.checked_sub(1).filter(|end| *end >= floor)?;
    let near = matches!(words.gap(number), Gap::Space | Gap::Comma)
        || (words.gap(number) == Gap::Stop && words.is_abbreviation(end));
    if !near || !names_place(words, end) || !words.is_capital(end) || words.is_number(number, 5..=6) {
        return None;
    }
    let mut first = end;
    while first > floor && first + NAME_WORDS > end && words.is_beside(first) && !words.begins_line(first) {
        let joiner = words.is_lower(first - 1) && words.is(first - 1, Role::JOINER);
        let joined = joiner
            && first - 1 > floor
            && words.is_beside(first - 1)
            && words.is_capital(first - 2)
            && names_place(words, first - 2);
        if !(words.is_capital(first - 1) && names_place(words, first - 1) || joined) {
            break;
        }
        first -= 1;
    }
    judge(words, first, number, 1, first..=end)
}

/// `Hermanos Falcó, s/n, 02006 Albacete`: a name without a number and type, where `s` stands at `number`.
pub(super) fn without_number(words: &Words<'_, '_>, number: usize, floor: usize) -> Option<Core> {
    let core = name_first(words, number, floor)?;
    let whole = tail(words, number + 1, false).postal;
    whole.then_some(Core { last: number + 1, ..core })
}

/// The last token of a run of capital words and their small words from `first` on.
fn name_run(words: &Words<'_, '_>, first: usize) -> Option<usize> {
    let mut end = None;
    for index in first..first + NAME_WORDS {
        if !words.is_beside(index) {
            break;
        }
        let role = words.role(index);
        // `Apt. 391` is no name.
        let is_unit = role.is(Role::UNIT.or(Role::WEAK_UNIT)) && index > first && unit(words, index - 1).is_some();
        if is_unit {
            break;
        }
        if words.is_capital(index) && names_place(words, index) || words.is_ordinal(index) {
            end = Some(index);
        } else if !(words.is_lower(index) && role.is(Role::JOINER) && index > first && words.is_capital(index + 1)) {
            break;
        }
    }
    end
}

/// A word that may stand in the name of a street: no date, and nothing that numbers count.
fn names_place(words: &Words<'_, '_>, index: usize) -> bool {
    !words.is(index, Role::DATE.or(Role::COUNTED))
        && words.token(index).is_some_and(|token| token.is_word() && token.end - token.start <= 60)
}

/// Weighs a street without a type: `numbers` house numbers, the words of its name at `name`.
fn judge(
    words: &Words<'_, '_>,
    first: usize,
    last: usize,
    numbers: usize,
    name: std::ops::RangeInclusive<usize>,
) -> Option<Core> {
    let last = second_name(words, last);
    let Tail { last: end, proved, postal } = tail(words, last, true);
    let strange = name.clone().any(|index| !is_ordinary(words, index) && words.text(index).chars().count() > 2);
    let flat = unit(words, last).is_some_and(|(_, sure)| sure);
    let cue = cue(words, first);
    // The letters of a state alone prove nothing: `Happy Day 2 ME`.
    let whole = postal && !is_state(words.text(end)) && (numbers >= 2 || strange);
    let single = name.clone().count() == 1 && words.is(*name.end(), Role::UNIT.or(Role::WEAK_UNIT));
    let title = words.form(*name.end()) != Some(Form::Upper) || words.text(*name.end()).len() > 3;
    let strength = match () {
        () if proved && flat => Strength::Likely,
        () if whole => Strength::Possible,
        () if cue == Cue::Labelled && strange => Strength::Possible,
        () if cue == Cue::Spoken && strange && title && !single => Strength::Possible,
        () if numbers >= 2 && strange && stands_between_commas(words, first, last) => Strength::Fair,
        () => return None,
    };
    Some(Core::new(first, last, strength))
}

/// Past a second name between a street and its flat: `Fuglie 41 Popović Dam, Suite 860`.
pub(super) fn second_name(words: &Words<'_, '_>, last: usize) -> usize {
    let end = name_run(words, last + 1).filter(|_| words.gap(last + 1) == Gap::Space);
    end.filter(|end| unit(words, *end).is_some_and(|(_, sure)| sure)).unwrap_or(last)
}

/// `…, 641 Dašická 688, Turkovice`: a part of its own, with a number at either end.
fn stands_between_commas(words: &Words<'_, '_>, first: usize, last: usize) -> bool {
    let number = |index: usize| words.is_house_number(index) && !words.is_year(index);
    words.gap(first).separates()
        && words.gap(last + 1).separates()
        && number(first)
        && number(last)
        && words.is_capital(last + 1)
}

/// An ordinary word, which alone makes no name of a street.
fn is_ordinary(words: &Words<'_, '_>, index: usize) -> bool {
    let known = names::shared().look_up(words.text(index));
    known.ordinary || known.common && !known.is_name()
}

/// What announces an address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cue {
    None,
    /// `lives at`, `the office is at`.
    Spoken,
    /// `Address:`.
    Labelled,
}

/// What stands before an address that begins at `first`.
pub(super) fn cue(words: &Words<'_, '_>, first: usize) -> Cue {
    let Some(before) = first.checked_sub(1) else { return Cue::None };
    let gap = words.raw_gap(first);
    let labelled = gap.len() <= 12 && gap.trim_start_matches('"').starts_with(':') && !gap.contains("//");
    if labelled && words.is(before, Role::CUE) {
        return Cue::Labelled;
    }
    if !(labelled || words.gap(first) == Gap::Space) || words.form(before) == Some(Form::Number) {
        return Cue::None;
    }
    if !labelled && !words.is(before, Role::LINK) {
        return Cue::None;
    }
    for index in (first.saturating_sub(CUE_REACH)..first).rev() {
        if words.is(index, Role::CUE) {
            return Cue::Spoken;
        }
        if !matches!(words.gap(index), Gap::Space | Gap::Comma | Gap::Hyphen | Gap::Other)
            || words.raw_gap(index).contains(['.', '!', '?', '\n'])
        {
            break;
        }
    }
    Cue::None
}
