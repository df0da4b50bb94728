//! Poland.
//!
//! Source: Ustawa o ewidencji ludności, art. 15 to 19, and Ministerstwo Cyfryzacji (PESEL: centuries in the month, weights).

use super::super::Label;
use super::super::checksum::weighted;
use super::rule::{Rule, Shape, Verdict, Worth};

pub(super) const RULES: &[Rule] = &[Rule {
    label: Label::PL_PESEL,
    shape: Shape::Of(&["99999999999"]),
    bare: Worth::check(0.4),
    glued: true,
    check: |w| {
        // 20, 40, 60 and 80 are added to the month for the 21st, 22nd, 23rd and 19th century.
        let date = (1..=12).contains(&(w.number(2, 2) % 20)) && (1..=31).contains(&w.number(4, 2));
        let sum = weighted(w.compact(), &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]);
        Verdict::check(date && (10 - sum % 10) % 10 == w.number(10, 1))
    },
    cues: &["pesel", "numer pesel", "nr pesel"],
    ..Rule::BASE
}];
