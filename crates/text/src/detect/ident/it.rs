//! Italy.
//!
//! Sources: Decreto ministeriale 12 marzo 1974 n. 2227 and 23 dicembre 1976 (fiscal code, check letter, replacement of
//! digits by letters where codes meet); DPR 633/1972 (VAT number, Luhn); Ministero dell'Interno (cards, passports).

use super::super::Label;
use super::super::checksum::{is_date, luhn};
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};
use super::window::Window;

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::IT_FISCAL_CODE,
        shape: Shape::Of(&["AAAAAA**A**A***A"]),
        cuts: Cuts::All(&[3, 6, 11]),
        separators: b" ",
        bare: Worth::both(0.45, 1.0),
        grouped: Worth::both(0.45, 1.0),
        cued: 0.8,
        glued: true,
        check: fiscal_code,
        cues: &["codice fiscale", "cf", "c.f.", "cod. fisc", "fiscal code"],
        ..Rule::BASE
    },
    Rule {
        label: Label::IT_VAT_CODE,
        shape: Shape::Of(&["99999999999"]),
        cuts: Cuts::Anywhere(6),
        separators: b" _",
        bare: Worth::check(0.35),
        grouped: Worth::check(0.3),
        check: |w| Verdict::check(w.number(0, 7) > 0 && luhn(w.compact())),
        cues: VAT,
        ..Rule::BASE
    },
    Rule {
        label: Label::IT_VAT_CODE,
        shape: Shape::Of(&["it99999999999"]),
        cuts: Cuts::All(&[2]),
        bare: Worth::check(0.9),
        grouped: Worth::check(0.6),
        check: |w| Verdict::check(w.number(2, 7) > 0 && luhn(&w.compact()[2..])),
        cues: VAT,
        ..Rule::BASE
    },
    Rule {
        label: Label::IT_DRIVER_LICENSE,
        shape: Shape::Of(&["AA9999999A", "u1*******A"]),
        bare: Worth::form(0.2),
        cued: 0.8,
        // The newer form leaves out letters that look like others.
        check: |w| {
            let newer = w.compact().starts_with(b"U1");
            let letters = w.compact()[2..9].iter().all(|c| !b"AIOQV".contains(c));
            Verdict::form(!newer || letters)
        },
        cues: &["patente", "patente di guida", "licenza di guida", "licenza", "driving licence", "driver license"],
        ..Rule::BASE
    },
    Rule {
        label: Label::IT_IDENTITY_CARD,
        shape: Shape::Of(&["AA9999999", "9999999AA", "AA99999AA"]),
        cuts: Cuts::All(&[2]),
        separators: b" ",
        bare: Worth::form(0.05),
        grouped: Worth::form(0.05),
        cued: 0.8,
        cues: &[
            "carta d'identità",
            "carta di identità",
            "carta identità",
            "cie",
            "identità",
            "identity card",
            "documento",
        ],
        ..Rule::BASE
    },
    Rule {
        label: Label::IT_PASSPORT,
        shape: Shape::Of(&["AA9999999"]),
        bare: Worth::form(0.05),
        cued: 0.8,
        cues: &["passaporto", "numero di passaporto", "italian passport"],
        ..Rule::BASE
    },
];

const VAT: &[&str] = &["partita iva", "p.iva", "p. iva", "piva", "p.i.", "partita i.v.a.", "vat", "vat number"];

/// Values of characters at odd places, `0` to `9` as `A` to `J`.
const ODD: [u32; 26] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

/// A digit, or the letter that stands for it where two persons would have the same code.
fn digit(character: u8) -> Option<u32> {
    match character {
        b'0'..=b'9' => Some(u32::from(character - b'0')),
        _ => (0..).zip(b"LMNPQRSTUV").find(|(_, letter)| **letter == character).map(|(value, _)| value),
    }
}

/// Consonants, then vowels, then X: the form of three letters of a name.
fn name(letters: &[u8]) -> bool {
    let vowel = |letter: u8| b"AEIOU".contains(&letter);
    match letters {
        [a, b, c] if vowel(*a) => (vowel(*b) && (vowel(*c) || *c == b'X')) || (*b == b'X' && *c == b'X'),
        [_, b, c] if vowel(*b) => vowel(*c) || *c == b'X',
        _ => true,
    }
}

fn fiscal_code(w: &Window) -> Verdict {
    let code = w.compact();
    let pair = |at: usize| Some(10 * digit(code[at])? + digit(code[at + 1])?);
    let (Some(year), Some(day), Some(hundreds), Some(rest)) = (pair(6), pair(9), digit(code[12]), pair(13)) else {
        return Verdict::Refuted;
    };
    let Some(month) = b"ABCDEHLMPRST".iter().position(|letter| *letter == code[8]) else { return Verdict::Refuted };
    // 40 is added to the day of birth of women; the century is not told.
    let day = if day > 40 { day - 40 } else { day };
    // Z stands for countries, which count from 100.
    let town = matches!(code[11], b'A'..=b'M') || code[11] == b'Z' && hundreds > 0;
    let date = is_date(1900 + year + 100 * u32::from(year == 0), month as u32 + 1, day);
    if !(name(&code[..3]) && name(&code[3..6]) && date && town && hundreds * 100 + rest > 0) {
        return Verdict::Refuted;
    }
    let place = |c: u8| usize::from(if c.is_ascii_digit() { c - b'0' } else { c - b'A' });
    let sum: u32 = (0..15).map(|at| if at % 2 == 0 { ODD[place(code[at])] } else { place(code[at]) as u32 }).sum();
    if place(code[15]) as u32 == sum % 26 { Verdict::Agrees } else { Verdict::Fits }
}
