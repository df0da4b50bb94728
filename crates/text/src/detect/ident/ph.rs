//! Philippines.
//!
//! Source: Bureau of Internal Revenue (TIN: eight digits, the weighted sum modulo 11, a branch code of three digits).

use super::super::Label;
use super::super::checksum::weighted;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};

pub(super) const RULES: &[Rule] = &[Rule {
    label: Label::PH_TIN,
    shape: Shape::Of(&["999999999", "999999999999"]),
    cuts: Cuts::Anywhere(3),
    separators: b"-",
    bare: Worth::check(0.3),
    grouped: Worth::check(0.45),
    check: |w| {
        let groups = w.separators().is_empty() || w.groups().all(|length| length == 3);
        let sum = weighted(w.compact(), &[9, 8, 7, 6, 5, 4, 3, 2]);
        Verdict::check(groups && sum % 11 == w.number(8, 1))
    },
    cues: &["tin", "bir", "taxpayer identification number", "taxpayer id", "tax id", "rdo", "revenue district office"],
    ..Rule::BASE
}];
