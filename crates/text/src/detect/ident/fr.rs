//! France.
//!
//! Sources: INSEE and Décret 82-103 (NIR: sex, year, month, department, commune, serial, key 97 minus the remainder;
//! Corsica 2A and 2B); INSEE, SIRENE (Luhn; establishments of La Poste by the sum of their digits).

use super::super::Label;
use super::super::checksum::{luhn, remainder97};
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};
use super::window::Window;

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::FR_NIR,
        shape: Shape::Of(&["999999*99999999"]),
        cuts: Cuts::Within(&[1, 3, 5, 7, 10, 13]),
        separators: b" .-",
        uniform: false,
        bare: Worth::check(1.0),
        grouped: Worth::check(1.0),
        check: |w| {
            let (body, key) = w.compact().split_at(13);
            let mut digits = [0; 13];
            digits.copy_from_slice(body);
            // Corsica: the letters count as 19 and 18.
            match &body[5..7] {
                [b'2', b'A'] => digits[5..7].copy_from_slice(b"19"),
                [b'2', b'B'] => digits[5..7].copy_from_slice(b"18"),
                _ => {}
            }
            let numeric = digits.iter().all(u8::is_ascii_digit);
            let key = u32::from(key[0] & 15) * 10 + u32::from(key[1] & 15);
            match numeric && birth(w) {
                false => Verdict::Refuted,
                true if 97 - remainder97(&digits) == key => Verdict::Agrees,
                // Mistyped, but still someone's where a word announces it: the digits tell sex, birth and place.
                true => Verdict::Fits,
            }
        },
        cues: SOCIAL,
        ..Rule::BASE
    },
    Rule {
        // Without its key.
        label: Label::FR_NIR,
        shape: Shape::Of(&["9999999999999"]),
        cuts: Cuts::Within(&[1, 3, 5, 7, 10]),
        separators: b" ",
        cued: 0.8,
        check: |w| Verdict::form(birth(w)),
        cues: SOCIAL,
        ..Rule::BASE
    },
    Rule {
        label: Label::FR_SIREN,
        shape: Shape::Of(&["999999999"]),
        cuts: Cuts::All(&[3, 6]),
        separators: b" ",
        bare: Worth::check(0.3),
        grouped: Worth::check(0.4),
        check: |w| Verdict::check(w.number(0, 9) > 0 && luhn(w.compact())),
        cues: &["siren", "numéro siren", "rcs", "r.c.s.", "n° siren"],
        ..Rule::BASE
    },
    Rule {
        label: Label::FR_SIRET,
        shape: Shape::Of(&["99999999999999"]),
        cuts: Cuts::All(&[3, 6, 9]),
        separators: b" ",
        bare: Worth::check(0.35),
        grouped: Worth::check(0.7),
        check: |w| {
            let post = w.compact().starts_with(b"356000000")
                && w.compact().iter().map(|digit| u32::from(digit & 15)).sum::<u32>().is_multiple_of(5);
            Verdict::check(post || w.number(0, 9) > 0 && luhn(&w.compact()[..9]) && luhn(w.compact()))
        },
        cues: &["siret", "numéro siret", "n° siret"],
        ..Rule::BASE
    },
];

const SOCIAL: &[&str] = &[
    "sécurité sociale",
    "securite sociale",
    "numéro de sécurité sociale",
    "nir",
    "n° ss",
    "carte vitale",
    "insee",
    "numéro ss",
    "sécu",
    "secu",
];

/// Sex (also 3, 4, 7, 8 while a number is provisional) and month (20 to 42 and 50 on where it is not known).
fn birth(w: &Window) -> bool {
    matches!(w.number(0, 1), 1..=4 | 7 | 8) && matches!(w.number(3, 2), 1..=12 | 20..=42 | 50..=99)
}
