//! Post boxes and military addresses: `P.O. Box 12`, `Postfach 10 12 34`, `PSC 1234, Box 567, APO AE 09123`.
//!
//! Invariant: around a number at most ten tokens are looked at.
//! Sources: USPS Publication 28 sections 225 (military), 28 (post office boxes) and 29 (puerto rican and rural routes);
//! UPU S42 (delivery service types by country).

use super::super::view::Form;
use super::lexicon::Role;
use super::words::{Gap, Words};
use super::{Core, Strength};

/// The box whose number stands at `number`.
pub(super) fn post_box(words: &Words<'_, '_>, number: usize, floor: usize) -> Option<Core> {
    let back = |count: usize| number.checked_sub(count).filter(|index| *index >= floor);
    let near = |index: usize| matches!(words.gap(index), Gap::Space | Gap::Stop | Gap::Hash | Gap::Colon);
    if !near(number) || words.is_number(number, 9..=99) {
        return None;
    }
    let (mut word, mut last) = (back(1)?, number);
    while words.is(word, Role::NUMBER_SIGN) && word > floor {
        word -= 1;
    }
    // `Postfach 10 12 34`.
    while last < number + 3
        && words.gap(last + 1) == Gap::Space
        && words.is_number(last + 1, 2..=4)
        && words.is_number(last, 2..=4)
    {
        last += 1;
    }
    if words.says_any(word, &["box", "drawer", "bag"]) {
        let first = english_box(words, word, floor)?;
        return Some(Core::new(first, number, Strength::Sure));
    }
    // `RR 2 Box 152`, `HC 1 Box 30`.
    if words.is(word, Role::BOX) && words.form(word) != Some(Form::Lower) {
        return Some(Core::new(word, last, Strength::Sure));
    }
    let linked =
        |index: usize| words.says_any(index, &["de", "correos", "postal", "postale", "correo", "pocztowa", "aereo"]);
    let mut first = word;
    while linked(first) && first > floor && words.gap(first) == Gap::Space {
        first -= 1;
    }
    if first < word && words.is(first, Role::BOX) {
        return Some(Core::new(first, number, Strength::Sure));
    }
    let short = words.form(word) == Some(Form::Upper) && words.says_any(word, &["bp", "cs", "box"]);
    short.then(|| Core::new(word, last, Strength::Weak))
}

/// The first token of `P.O. Box`, `GPO Box`, `Locked Bag`, `Post Office Box`, whose last word stands at `word`.
fn english_box(words: &Words<'_, '_>, word: usize, floor: usize) -> Option<usize> {
    let says = |count: usize, text: &str| word.checked_sub(count).is_some_and(|at| at >= floor && words.says(at, text));
    let found = match () {
        () if says(1, "po") || says(1, "gpo") || says(1, "locked") || says(1, "private") => 1,
        () if says(1, "o") && says(2, "p") => 2,
        () if says(1, "office") && says(2, "post") => 2,
        () if says(1, "postal") => 1,
        () => 0,
    };
    (found > 0).then(|| word - found).or_else(|| {
        // `RR 2 Box 152`.
        let route = words.form(word.checked_sub(1)?) == Some(Form::Number)
            && word >= floor + 2
            && words.says_any(word - 2, &["rr", "hc", "rte"]);
        route.then(|| word - 2)
    })
}

/// `PSC 0413, Box 8144`, `Unit 5022 Box 1225`: a military box whose first number stands at `number`.
pub(super) fn military_box(words: &Words<'_, '_>, number: usize, floor: usize) -> Option<Core> {
    let kind = number.checked_sub(1).filter(|kind| *kind >= floor)?;
    let follows = words.says(number + 1, "box")
        && matches!(words.gap(number + 1), Gap::Space | Gap::Comma)
        && words.gap(number + 2) == Gap::Space
        && words.is_number(number + 2, 1..=5);
    let known = || words.says_any(kind, &["psc", "cmr", "unit", "ops"]);
    if !follows || words.gap(number) != Gap::Space || !words.is_number(number, 1..=5) || !known() {
        return None;
    }
    let post = post_office(words, number + 3);
    let sure = !words.says(kind, "unit") || post.is_some();
    sure.then(|| Core::new(kind, post.unwrap_or(number + 2), Strength::Sure))
}

/// `APO AE 09123` from token `first`: its last token.
fn post_office(words: &Words<'_, '_>, first: usize) -> Option<usize> {
    let named = words.says_any(first, &["apo", "fpo", "dpo"]) && words.says_any(first + 1, &["aa", "ae", "ap"]);
    let near = || {
        matches!(words.gap(first), Gap::Space | Gap::Comma | Gap::Line)
            && matches!(words.gap(first + 1), Gap::Space | Gap::Comma)
    };
    if !(named && near()) {
        return None;
    }
    let zip = words.gap(first + 2) == Gap::Space && words.is_number(first + 2, 5..=5);
    let four = zip && words.gap(first + 3) == Gap::Hyphen && words.is_number(first + 3, 4..=4);
    Some(first + 1 + usize::from(zip) + usize::from(four))
}

/// `USNS Bergman, FPO AP 93757`, or the post office alone; `zip` is its number.
pub(super) fn military_office(words: &Words<'_, '_>, zip: usize, floor: usize) -> Option<Core> {
    let office = zip.checked_sub(2).filter(|office| *office >= floor)?;
    let last = if office > 0 { post_office(words, office)? } else { return None };
    let vessel = |index: usize| words.says_any(index, &["uss", "usns", "usnv", "usv", "uscgc", "usnm", "hms"]);
    let first = (floor.max(office.saturating_sub(4))..office).rev().find(|index| vessel(*index)).unwrap_or(office);
    Some(Core::new(first, last, Strength::Sure))
}
