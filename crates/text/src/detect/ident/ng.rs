//! Nigeria.
//!
//! Sources: NIMC (national identification number: eleven digits, Verhoeff); Federal Road Safety Corps (plates: local government,
//! number, letters).

use super::super::Label;
use super::super::checksum::verhoeff;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::NG_NIN,
        shape: Shape::Of(&["99999999999"]),
        bare: Worth::check(0.3),
        check: |w| Verdict::check(verhoeff(w.compact())),
        cues: &[
            "nin",
            "nimc",
            "national identification number",
            "national identity number",
            "national identity",
            "nigeria id",
            "nigerian identification",
        ],
        ..Rule::BASE
    },
    Rule {
        label: Label::NG_VEHICLE_REGISTRATION,
        shape: Shape::Of(&["AAA999AA"]),
        cuts: Cuts::All(&[3]),
        bare: Worth::form(0.35),
        grouped: Worth::form(0.45),
        cued: 0.9,
        cues: &[
            "plate",
            "plate number",
            "number plate",
            "license plate",
            "vehicle",
            "registration",
            "vehicle registration",
        ],
        ..Rule::BASE
    },
];
