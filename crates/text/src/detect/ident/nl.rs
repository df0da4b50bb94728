//! Netherlands.
//!
//! Source: Wet algemene bepalingen burgerservicenummer and Logisch Ontwerp BSN (the eleven test with -1 for the last digit).

use super::super::Label;
use super::super::checksum::weighted;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};

pub(super) const RULES: &[Rule] = &[Rule {
    label: Label::NL_BSN,
    shape: Shape::Of(&["999999999"]),
    cuts: Cuts::Within(&[3, 4, 6]),
    separators: b" .",
    bare: Worth::check(0.3),
    grouped: Worth::check(0.4),
    check: |w| {
        let sum = weighted(w.compact(), &[9, 8, 7, 6, 5, 4, 3, 2]) + 11 - w.number(8, 1);
        Verdict::check(w.number(0, 9) > 9_999_999 && sum.is_multiple_of(11))
    },
    cues: &["bsn", "burgerservicenummer", "burger service nummer", "sofinummer", "sofi-nummer", "bsn-nummer"],
    ..Rule::BASE
}];
