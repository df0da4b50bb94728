//! Postcodes of the United Kingdom.
//!
//! Invariant: after a street every postcode of the right form counts; one that stands alone needs a postcode area that
//! exists, letters that inward codes use, and an address around it.
//! Sources: BS 7666 (the form), Royal Mail, Programmers' Guide to the Postcode Address File (areas, inward letters).

use super::super::view::{Form, Topic, View};

/// The areas, with the Crown dependencies and BFPO left out, which few addresses have.
const AREAS: &[&str] = &[
    "AB", "AL", "B", "BA", "BB", "BD", "BH", "BL", "BN", "BR", "BS", "BT", "CA", "CB", "CF", "CH", "CM", "CO", "CR",
    "CT", "CV", "CW", "DA", "DD", "DE", "DG", "DH", "DL", "DN", "DT", "DY", "E", "EC", "EH", "EN", "EX", "FK", "FY",
    "G", "GL", "GU", "GY", "HA", "HD", "HG", "HP", "HR", "HS", "HU", "HX", "IG", "IM", "IP", "IV", "JE", "KA", "KT",
    "KW", "KY", "L", "LA", "LD", "LE", "LL", "LN", "LS", "LU", "M", "ME", "MK", "ML", "N", "NE", "NG", "NN", "NP",
    "NR", "NW", "OL", "OX", "PA", "PE", "PH", "PL", "PO", "PR", "RG", "RH", "RM", "S", "SA", "SE", "SG", "SK", "SL",
    "SM", "SN", "SO", "SP", "SR", "SS", "ST", "SW", "SY", "TA", "TD", "TF", "TN", "TQ", "TR", "TS", "TW", "UB", "W",
    "WA", "WC", "WD", "WF", "WN", "WR", "WS", "WV", "YO", "ZE",
];
/// Words that make an address of what stands around them.
const ADDRESS_WORDS: &[&str] = &[
    "postcode",
    "postcodes",
    "postal",
    "post",
    "zip",
    "address",
    "adress",
    "live",
    "lives",
    "lived",
    "living",
    "moved",
    "moving",
    "move",
    "deliver",
    "delivery",
    "delivered",
    "ship",
    "shipping",
    "house",
    "home",
    "flat",
    "property",
    "based",
    "located",
    "area",
];
const WORDS_BEFORE: usize = 8;

/// The last token of a postcode that begins at token `first`: `LS20 9FF`, `ls20 9ff`, `LS209FF`.
pub(super) fn british_postcode(view: &View<'_>, first: usize) -> Option<usize> {
    let token = view.tokens.get(first).filter(|token| token.form == Form::Code)?;
    let word = view.word(token);
    if let Some((outward, inward)) = word.len().checked_sub(3).and_then(|at| word.split_at_checked(at))
        && is_outward(outward)
        && is_inward(inward)
    {
        return Some(first);
    }
    let inward = view.tokens.get(first + 1)?;
    let beside = matches!(view.gap(token, inward), " " | "  " | "\u{a0}");
    (beside && is_outward(word) && is_inward(view.word(inward))).then_some(first + 1)
}

/// A postcode at token `first` without a street before it: its last token and score.
pub(super) fn stands_alone(view: &View<'_>, first: usize) -> Option<(usize, f32)> {
    let last = british_postcode(view, first)?;
    let (start, end) = (view.tokens[first].start, view.tokens[last].end);
    let code = view.text[start..end].to_ascii_uppercase();
    let area = code.trim_end_matches(|c: char| !c.is_ascii_digit()).find(|c: char| c.is_ascii_digit())?;
    let used = !code[code.len() - 2..].bytes().any(|letter| b"CIKMOV".contains(&letter));
    let touching = [view.before(start), view.at(end)].iter().any(|byte| b"-_/@#=".contains(byte));
    if !AREAS.contains(&&code[..area]) || !used || touching || view.just_before(Topic::Reference, start, 24) {
        return None;
    }
    let before = &view.tokens[first.saturating_sub(WORDS_BEFORE)..first];
    let after = view.tokens.get(last + 1).map(|token| view.word(token).to_lowercase());
    let spoken_of = before
        .iter()
        .map(|token| view.word(token).to_lowercase())
        .chain(after)
        .any(|word| ADDRESS_WORDS.contains(&word.as_str()));
    let written_large = last > first && code == view.text[start..end];
    // `Leeds LS20 9FF`, `Leeds, LS20 9FF`, or a line of its own after the town.
    let after_town = before.last().is_some_and(|town| {
        matches!(town.form, Form::Title | Form::Upper)
            && town.end - town.start > 2
            && matches!(view.gap(town, &view.tokens[first]), " " | ", " | "\n" | ",\n")
    });
    match (spoken_of, after_town && written_large) {
        (true, _) => Some((last, 0.75)),
        (false, true) => Some((last, 0.6)),
        (false, false) => Some((last, 0.3)),
    }
}

/// `LS20`, `M1`, `SW1A`.
fn is_outward(code: &str) -> bool {
    let code = code.as_bytes();
    let letters = code.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    (1..=2).contains(&letters)
        && (letters + 1..=letters + 2).contains(&code.len())
        && code[letters].is_ascii_digit()
        && code.is_ascii()
}

/// `9FF`.
fn is_inward(code: &str) -> bool {
    matches!(code.as_bytes(), [digit, a, b] if digit.is_ascii_digit() && a.is_ascii_alphabetic() && b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use crate::detect::tests::locations as found;

    #[test]
    fn a_postcode_beside_its_town_or_an_address_word_counts() {
        assert_eq!(found("Rose Cottage, Newcastle upon Tyne NE14 7BT please"), ["NE14 7BT"]);
        assert_eq!(found("I live near Leeds, LS20 9FF."), ["LS20 9FF"]);
        assert_eq!(found("my postcode is ls20 9ff"), ["ls20 9ff"]);
        assert_eq!(found("Post code: SW1A1AA"), ["SW1A1AA"]);
        assert_eq!(found("The Old Mill\nStow-on-the-Wold\nGL54 1AB"), ["GL54 1AB"]);
    }

    #[test]
    fn what_only_looks_like_one_does_not() {
        for text in [
            "a walk through SW1 and E17 in Autumn",
            "we met in SW1A on Monday",
            "my order LS20 9FF is late",
            "Invoice AB12 3CD",
            "the part QX14 7BT", // no such area
            "see Table B2 3CK",  // no such inward code
            "set E1 to 3AA and W2 to 5AB",
            "the new MK4 2GB card in Leeds",
            "a plate like LS20 ABC in Leeds",
            "Firmware-LS20 9FF",
        ] {
            assert_eq!(found(text), Vec::<&str>::new(), "{text}");
        }
    }
}
