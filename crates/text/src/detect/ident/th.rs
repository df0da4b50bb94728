//! Thailand.
//!
//! Source: Department of Provincial Administration, Population Registration Act B.E. 2534 (kind of person, province, check
//! digit 11 minus the weighted sum modulo 11, its last digit).

use super::super::Label;
use super::super::checksum::weighted;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};

pub(super) const RULES: &[Rule] = &[Rule {
    label: Label::TH_TNIN,
    shape: Shape::Of(&["9999999999999"]),
    cuts: Cuts::All(&[1, 5, 10, 12]),
    bare: Worth::check(0.4),
    grouped: Worth::check(0.9),
    check: |w| {
        let province = matches!(w.number(1, 2), 10..=27 | 30..=49 | 50..=58 | 60..=67 | 70..=77 | 80..=86 | 90..=96);
        let sum = weighted(w.compact(), &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
        Verdict::check(w.number(0, 1) > 0 && province && (11 - sum % 11) % 10 == w.number(12, 1))
    },
    cues: &[
        "เลขประจำตัวประชาชน",
        "เลขบัตรประชาชน",
        "บัตรประชาชน",
        "รหัสปชช",
        "thai national id",
        "thai id",
        "thai id number",
        "tnin",
        "national id",
    ],
    ..Rule::BASE
}];
