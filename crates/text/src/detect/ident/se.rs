//! Sweden.
//!
//! Sources: Skatteverket, SKV 704 (personal identity numbers, coordination numbers: 60 added to the day; Luhn) and SKV 709
//! (organisation numbers: the third digit is 2 or more, so that no number is also a date).

use super::super::Label;
use super::super::checksum::luhn;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};
use super::window::Window;

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::SE_PERSONNUMMER,
        shape: Shape::Of(&["9999999999"]),
        cuts: Cuts::All(&[6]),
        separators: b"-+",
        bare: Worth::check(0.4),
        grouped: Worth::check(0.9),
        glued: true,
        check: |w| person(w, 0),
        cues: PERSON,
        ..Rule::BASE
    },
    Rule {
        label: Label::SE_PERSONNUMMER,
        shape: Shape::Of(&["999999999999"]),
        cuts: Cuts::All(&[8]),
        separators: b"-+",
        bare: Worth::check(0.6),
        grouped: Worth::check(1.0),
        glued: true,
        check: |w| if matches!(w.number(0, 2), 18..=20) { person(w, 2) } else { Verdict::Refuted },
        cues: PERSON,
        ..Rule::BASE
    },
    Rule {
        label: Label::SE_ORGANISATIONSNUMMER,
        shape: Shape::Of(&["9999999999"]),
        cuts: Cuts::All(&[6]),
        separators: b"-",
        bare: Worth::check(0.3),
        grouped: Worth::check(0.5),
        glued: true,
        check: |w| Verdict::check(w.number(2, 1) >= 2 && w.number(0, 1) > 0 && luhn(w.compact())),
        cues: &[
            "organisationsnummer",
            "orgnr",
            "org nr",
            "org.nr",
            "org. nr",
            "företagsnummer",
            "company identity code",
        ],
        ..Rule::BASE
    },
];

const PERSON: &[&str] = &[
    "personnummer",
    "personnr",
    "pnr",
    "svenskt personnummer",
    "samordningsnummer",
    "personal identity number",
    "swedish id",
    "ssn",
];

/// The last ten digits: date of birth, serial, Luhn's check digit.
fn person(w: &Window, from: usize) -> Verdict {
    let (month, day) = (w.number(from + 2, 2), w.number(from + 4, 2));
    let date = (1..=12).contains(&month) && matches!(day, 1..=31 | 61..=91);
    Verdict::check(date && luhn(&w.compact()[from..]))
}
