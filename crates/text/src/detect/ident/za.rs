//! South Africa.
//!
//! Source: Identification Act 68 of 1997 and Department of Home Affairs (date of birth, serial, citizenship 0 to 2, 8 or 9,
//! Luhn).

use super::super::Label;
use super::super::checksum::{is_date, luhn};
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};

pub(super) const RULES: &[Rule] = &[Rule {
    label: Label::ZA_ID_NUMBER,
    shape: Shape::Of(&["9999999999999"]),
    cuts: Cuts::All(&[6, 10, 12]),
    separators: b" ",
    bare: Worth::check(0.8),
    grouped: Worth::check(0.9),
    check: |w| {
        let year = w.number(0, 2);
        let date = [1900, 2000].iter().any(|century| is_date(century + year, w.number(2, 2), w.number(4, 2)));
        let kind = w.number(10, 1) <= 2 && w.number(11, 1) >= 8;
        Verdict::check(date && kind && luhn(w.compact()))
    },
    cues: &["id number", "identity number", "identity", "south african id", "rsa id", "smart id", "national id", "id"],
    ..Rule::BASE
}];
