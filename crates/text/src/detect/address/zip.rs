//! Postcodes that stand without a street: beside a word for one (`ZIP is 90210`, `the 90210 zip code`), or behind a state of
//! the USA in whose area they lie (`MA 02134`).
//!
//! Invariant: from a number at most a dozen tokens are looked at. Five digits alone are no postcode.
//! Sources: USPS, Labeling List L002 (first three digits by state); 45 CFR 164.514(b)(2)(i)(B), under which every ZIP code is
//! an identifier but for those digits.

use super::super::view::Form;
use super::words::{Gap, Words};
use super::{Found, Strength};

/// Words for a postcode in running text.
const CODES: &[&str] =
    &["zip", "zips", "zipcode", "zipcodes", "postcode", "postcodes", "postalcode", "plz", "postleitzahl"];
/// Ends of names of two words, and how these begin.
const PAIRS: &[(&[&str], &[&str])] = &[
    (&["zip", "postal", "post", "pin"], &["code", "codes"]),
    (&["code", "codes", "código", "codigo", "codice"], &["postal", "postaux", "postale"]),
];
/// Words between a word for a postcode and the code.
const LINKS: &[&str] = &[
    "is", "was", "are", "of", "number", "no", "the", "in", "area", "ist", "lautet", "est", "es", "è", "e", "and", "or",
    "und", "oder", "et", "ou", "y", "to",
];
/// Tokens between a word for a postcode and the code, other codes of a list among them.
const REACH: usize = 8;
const CUED: f32 = 0.75;

/// The postcode whose digits begin at token `number`.
pub(super) fn alone(words: &Words<'_, '_>, number: usize, floor: usize) -> Option<Found> {
    if !words.is_number(number, 4..=6) || is_part_of_more(words, number) {
        return None;
    }
    let four = words.gap(number + 1) == Gap::Hyphen && words.is_number(number + 1, 3..=4);
    let last = number + usize::from(four && words.is_number(number, 5..=5));
    let code = Found { first: number, last, score: CUED, kind: Some("postcode") };
    if is_announced(words, number) || is_named_behind(words, last) {
        return Some(code);
    }
    let state = number.checked_sub(1).filter(|state| *state >= floor && words.forms.english)?;
    let near = matches!(words.gap(number), Gap::Space | Gap::Comma);
    if !near || !words.is_number(number, 5..=5) {
        return None;
    }
    match state_of(words, state, words.text(number))? {
        // The state is part of the address where it is two letters.
        true => Some(Found { first: state, score: Strength::Likely.score(), kind: Some("address"), ..code }),
        false => Some(code),
    }
}

/// `12345.67`, `90,210`, `$10000`, `2019-12345`.
fn is_part_of_more(words: &Words<'_, '_>, number: usize) -> bool {
    let Some(token) = words.token(number) else { return true };
    let digits = |index: usize| matches!(words.form(index), Some(Form::Number | Form::Code));
    let tight = |index: usize| matches!(words.raw_gap(index), "." | "," | "/" | ":");
    let short = |index: usize| words.is_number(index, 1..=3);
    let before = words.view.before(token.start);
    b"$+_@-/\\&%".contains(&before)
        || before >= 0x80
        || matches!(words.view.at(token.end), b'%' | b'$' | b'_')
        || number > 0 && tight(number) && digits(number - 1)
        || tight(number + 1) && short(number + 1)
}

/// Whether a word for a postcode stands before the number at `number`: at once, or before `is`, `of` and the like, or before
/// other codes of a list.
fn is_announced(words: &Words<'_, '_>, number: usize) -> bool {
    let mut at = number;
    for _ in 0..REACH {
        let Some(before) = at.checked_sub(1) else { return false };
        let listed = words.is_number(before, 4..=6);
        let near = match words.gap(at) {
            Gap::Space | Gap::Colon | Gap::Hash | Gap::Open => true,
            Gap::Comma | Gap::Slash => listed,
            // `zip_code 90210`
            _ => words.raw_gap(at) == "s " || words.raw_gap(at) == "(s) ",
        };
        if !near {
            return false;
        }
        if is_code(words, before) {
            // A postcode of four or six digits has a word of its own country, and `zip` is none.
            return words.is_number(number, 5..=5) || !words.text(before).to_ascii_lowercase().starts_with("zip");
        }
        let linked = words.says_any(before, LINKS);
        if !(linked || listed && at != number || listed && words.gap(at) == Gap::Comma) {
            return false;
        }
        at = before;
    }
    false
}

/// `the 90210 zip code`: right behind, and announcing no other number.
fn is_named_behind(words: &Words<'_, '_>, last: usize) -> bool {
    let next = last + 1;
    if words.gap(next) != Gap::Space || !words.is_number(last, 4..=5) {
        return false;
    }
    let end = match () {
        () if is_code(words, next + 1) && words.gap(next + 1) == Gap::Space => next + 1,
        () if is_code(words, next) => next,
        () => return false,
    };
    let announces = matches!(words.gap(end + 1), Gap::Colon | Gap::Hash | Gap::Space)
        && (words.gap(end + 1) != Gap::Space
            || words.form(end + 1) != Some(Form::Lower)
            || words.says_any(end + 1, LINKS));
    !announces
}

/// Whether a word for a postcode ends at token `index`.
fn is_code(words: &Words<'_, '_>, index: usize) -> bool {
    // All of them, and all second words, begin so.
    if !matches!(words.text(index).as_bytes(), [b'z' | b'Z' | b'p' | b'P' | b'c' | b'C', ..]) {
        return false;
    }
    let says = |index: usize, list: &[&str]| {
        list.iter().any(|word| words.says(index, word) || !word.is_ascii() && words.text(index).to_lowercase() == *word)
    };
    let joined = matches!(words.gap(index), Gap::Space | Gap::Hyphen) || words.raw_gap(index) == "_";
    let pair = || {
        let first = index.checked_sub(1).filter(|_| joined);
        first.is_some_and(|first| PAIRS.iter().any(|(heads, ends)| says(first, heads) && says(index, ends)))
    };
    says(index, CODES) || words.text(index) == "CP" || pair()
}

/// Whether a state ends at token `index` in whose area the ZIP code lies: `Some(true)` for its two letters, `Some(false)` for
/// its name.
fn state_of(words: &Words<'_, '_>, index: usize, zip: &str) -> Option<bool> {
    let head: u16 = zip.get(..3)?.parse().ok()?;
    let text = words.text(index);
    let is_named = |name: &str| match name.split_once(' ') {
        Some((first, second)) => {
            words.says(index, second)
                && words.gap(index) == Gap::Space
                && index.checked_sub(1).is_some_and(|before| words.says(before, first))
        }
        None => words.says(index, name),
    };
    let inside = |areas: &[(u16, u16)]| areas.iter().any(|(from, to)| (*from..=*to).contains(&head));
    let letters = STATES.iter().any(|(letters, _, areas)| *letters == text && inside(areas));
    let named = || words.is_capital(index) && STATES.iter().any(|(_, name, areas)| is_named(name) && inside(areas));
    if letters { Some(true) } else { named().then_some(false) }
}

/// States and territories with the first three digits of their ZIP codes.
type State = (&'static str, &'static str, &'static [(u16, u16)]);

#[rustfmt::skip]
const STATES: &[State] = &[
    ("AL", "Alabama", &[(350, 369)]), ("AK", "Alaska", &[(995, 999)]), ("AZ", "Arizona", &[(850, 865)]),
    ("AR", "Arkansas", &[(716, 729), (755, 755)]), ("CA", "California", &[(900, 961)]), ("CO", "Colorado", &[(800, 816)]),
    ("CT", "Connecticut", &[(60, 69)]), ("DE", "Delaware", &[(197, 199)]), ("DC", "Columbia", &[(200, 205), (569, 569)]),
    ("FL", "Florida", &[(320, 349)]), ("GA", "Georgia", &[(300, 319), (398, 399)]), ("HI", "Hawaii", &[(967, 968)]),
    ("ID", "Idaho", &[(832, 838)]), ("IL", "Illinois", &[(600, 629)]), ("IN", "Indiana", &[(460, 479)]),
    ("IA", "Iowa", &[(500, 528)]), ("KS", "Kansas", &[(660, 679)]), ("KY", "Kentucky", &[(400, 427)]),
    ("LA", "Louisiana", &[(700, 714)]), ("ME", "Maine", &[(39, 49)]), ("MD", "Maryland", &[(206, 219)]),
    ("MA", "Massachusetts", &[(10, 27), (55, 55)]), ("MI", "Michigan", &[(480, 499)]), ("MN", "Minnesota", &[(550, 567)]),
    ("MS", "Mississippi", &[(386, 397)]), ("MO", "Missouri", &[(630, 658)]), ("MT", "Montana", &[(590, 599)]),
    ("NE", "Nebraska", &[(680, 693)]), ("NV", "Nevada", &[(889, 898)]), ("NH", "New Hampshire", &[(30, 38)]),
    ("NJ", "New Jersey", &[(70, 89)]), ("NM", "New Mexico", &[(870, 884)]),
    ("NY", "New York", &[(5, 5), (63, 63), (100, 149)]), ("NC", "North Carolina", &[(270, 289)]),
    ("ND", "North Dakota", &[(580, 588)]), ("OH", "Ohio", &[(430, 459)]), ("OK", "Oklahoma", &[(730, 749)]),
    ("OR", "Oregon", &[(970, 979)]), ("PA", "Pennsylvania", &[(150, 196)]), ("PR", "Puerto Rico", &[(6, 9)]),
    ("RI", "Rhode Island", &[(28, 29)]), ("SC", "South Carolina", &[(290, 299)]), ("SD", "South Dakota", &[(570, 577)]),
    ("TN", "Tennessee", &[(370, 385)]), ("TX", "Texas", &[(733, 733), (750, 799), (885, 885)]), ("UT", "Utah", &[(840, 847)]),
    ("VT", "Vermont", &[(50, 59)]), ("VA", "Virginia", &[(201, 201), (220, 246)]), ("WA", "Washington", &[(980, 994)]),
    ("WV", "West Virginia", &[(247, 268)]), ("WI", "Wisconsin", &[(530, 549)]), ("WY", "Wyoming", &[(820, 831)]),
];

#[cfg(test)]
mod tests {
    use crate::detect::tests::locations as found;

    #[test]
    fn a_word_for_a_postcode_announces_it_in_running_text() {
        for (text, codes) in [
            ("her ZIP is 90210 now", vec!["90210"]),
            ("zip code 90210", vec!["90210"]),
            ("ZIP 03601", vec!["03601"]),
            ("ZIP+4 unknown, zip 90210-1234.", vec!["90210-1234"]),
            ("the zip code of the clinic", vec![]),
            ("zip codes 90210, 10001 and 33101 only", vec!["90210", "10001", "33101"]),
            ("everyone in the 90210 zip code", vec!["90210"]),
            ("zip_code=90210&x=1", vec!["90210"]),
            ("meine PLZ ist 1010", vec!["1010"]),
            ("le code postal est 75002", vec!["75002"]),
            ("el código postal 28013 de Madrid", vec!["28013"]),
            ("postal code 560001", vec!["560001"]),
        ] {
            assert_eq!(found(text), codes, "{text}");
        }
    }

    #[test]
    fn a_state_announces_the_codes_of_its_area() {
        for (text, code) in [
            ("we moved to MA 02134 then", "MA 02134"),
            ("shipped to boston, MA 02134", "MA 02134"),
            ("lives in Boston, MA 02134.", "Boston, MA 02134"),
            ("somewhere in Massachusetts 02134", "02134"),
            ("near New York 10001-1234", "10001-1234"),
        ] {
            assert_eq!(found(text), [code], "{text}");
        }
    }

    #[test]
    fn other_numbers_are_no_postcodes() {
        for text in [
            "order 12345 came",
            "the zip has 12000 files",
            "zip 1234",
            "order 12345, zip code unknown",
            "in Texas 10000 people",
            "OR 12345",
            "zip code $10000",
            "zip is 90,210",
        ] {
            assert_eq!(found(text), Vec::<&str>::new(), "{text}");
        }
    }
}
