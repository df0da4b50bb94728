//! Canada.
//!
//! Source: Employment and Social Development Canada, Social Insurance Number code of practice (first digits, Luhn).

use super::super::Label;
use super::super::checksum;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};

pub(super) const RULES: &[Rule] = &[Rule {
    label: Label::CA_SIN,
    shape: Shape::Of(&["999999999"]),
    cuts: Cuts::All(&[3, 6]),
    bare: Worth::check(0.3),
    grouped: Worth::check(0.45),
    // 0 and 8 begin no number of a person.
    check: |w| Verdict::check(!matches!(w.number(0, 1), 0 | 8) && checksum::luhn(w.compact())),
    cues: &[
        "sin",
        "sin number",
        "social insurance",
        "social insurance number",
        "nas",
        "numéro d'assurance sociale",
        "assurance sociale",
    ],
    ..Rule::BASE
}];
