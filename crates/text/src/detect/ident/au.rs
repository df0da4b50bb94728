//! Australia and New Zealand.
//!
//! Sources: Australian Business Register (ABN), ASIC (ACN), Services Australia (Medicare card), ATO (TFN); Inland Revenue,
//! Resident withholding tax specification (IRD number).

use super::super::Label;
use super::super::checksum::weighted;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::AU_ABN,
        shape: Shape::Of(&["99999999999"]),
        cuts: Cuts::All(&[2, 5, 8]),
        separators: b" ",
        bare: Worth::check(0.45),
        grouped: Worth::check(0.7),
        check: |w| {
            // One is taken from the first digit before it is weighted with 10.
            let sum = weighted(w.compact(), &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
            Verdict::check(sum.checked_sub(10).is_some_and(|sum| sum.is_multiple_of(89)) && w.number(0, 1) > 0)
        },
        cues: &["abn", "australian business number", "abn number"],
        ..Rule::BASE
    },
    Rule {
        label: Label::AU_ACN,
        shape: Shape::Of(&["999999999"]),
        cuts: Cuts::All(&[3, 6]),
        separators: b" ",
        bare: Worth::check(0.3),
        grouped: Worth::check(0.4),
        check: |w| {
            let sum = weighted(w.compact(), &[8, 7, 6, 5, 4, 3, 2, 1]);
            Verdict::check((10 - sum % 10) % 10 == w.number(8, 1))
        },
        cues: &["acn", "australian company number", "arbn"],
        ..Rule::BASE
    },
    Rule {
        label: Label::AU_TFN,
        shape: Shape::Of(&["999999999"]),
        cuts: Cuts::All(&[3, 6]),
        separators: b" ",
        bare: Worth::check(0.3),
        grouped: Worth::check(0.4),
        check: |w| Verdict::check(weighted(w.compact(), &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)),
        cues: &["tfn", "tax file number", "tax file"],
        ..Rule::BASE
    },
    Rule {
        label: Label::AU_MEDICARE,
        shape: Shape::Of(&["9999999999"]),
        cuts: Cuts::All(&[4, 9]),
        separators: b" ",
        bare: Worth::check(0.35),
        grouped: Worth::check(0.45),
        check: |w| {
            let sum = weighted(w.compact(), &[1, 3, 7, 9, 1, 3, 7, 9]);
            Verdict::check((2..=6).contains(&w.number(0, 1)) && sum % 10 == w.number(8, 1))
        },
        cues: &["medicare", "medicare number", "medicare card"],
        ..Rule::BASE
    },
];

pub(super) const NEW_ZEALAND: &[Rule] = &[Rule {
    label: Label::NZ_IRD,
    shape: Shape::Of(&["99999999", "999999999"]),
    cuts: Cuts::All(&[-6, -3]),
    bare: Worth::check(0.2),
    grouped: Worth::check(0.4),
    check: |w| {
        let mut digits = *b"000000000";
        digits[9 - w.len()..].copy_from_slice(w.compact());
        let check = |weights: &[u32]| (11 - weighted(&digits, weights) % 11) % 11;
        let wanted = match check(&[3, 2, 7, 6, 5, 4, 3, 2]) {
            10 => check(&[7, 4, 3, 2, 5, 2, 7, 6]),
            digit => digit,
        };
        let range = (10_000_000..=150_000_000).contains(&w.number(0, w.len()));
        Verdict::check(range && wanted == u32::from(digits[8] - b'0'))
    },
    cues: &["ird", "ird number", "inland revenue"],
    ..Rule::BASE
}];
