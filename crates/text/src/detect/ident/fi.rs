//! Finland.
//!
//! Source: Digital and Population Data Services Agency, The personal identity code (marks of the century, also those that came
//! in 2023; the control character is the remainder modulo 31).

use super::super::Label;
use super::super::checksum::is_date;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};
use super::window::Window;

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::FI_PERSONAL_IDENTITY_CODE,
        shape: Shape::Of(&["999999A999*"]),
        bare: Worth::check(1.0),
        glued: true,
        check: |w| {
            let code = w.compact();
            match code[6] {
                b'U'..=b'Y' => control(w, 1900, &code[7..]),
                b'A'..=b'F' => control(w, 2000, &code[7..]),
                _ => Verdict::Refuted,
            }
        },
        cues: CUES,
        ..Rule::BASE
    },
    Rule {
        label: Label::FI_PERSONAL_IDENTITY_CODE,
        shape: Shape::Of(&["999999999*"]),
        cuts: Cuts::All(&[6]),
        separators: b"-+",
        grouped: Worth::check(1.0),
        glued: true,
        check: |w| match w.separators() {
            b"-" => control(w, 1900, &w.compact()[6..]),
            b"+" => control(w, 1800, &w.compact()[6..]),
            _ => Verdict::Refuted,
        },
        cues: CUES,
        ..Rule::BASE
    },
];

const CUES: &[&str] =
    &["hetu", "henkilötunnus", "personbeteckning", "personbeteckningen", "personal identity code", "finnish id"];

/// Day, month and year of the century, a serial, the control character.
fn control(w: &Window, century: u32, rest: &[u8]) -> Verdict {
    let date = is_date(century + w.number(4, 2), w.number(2, 2), w.number(0, 2));
    let serial = rest[..3].iter().fold(0, |value, digit| value * 10 + u32::from(digit & 15));
    let place = (w.number(0, 6) * 1000 + serial) % 31;
    Verdict::check(date && rest[3] == b"0123456789ABCDEFHJKLMNPRSTUVWXY"[place as usize])
}
