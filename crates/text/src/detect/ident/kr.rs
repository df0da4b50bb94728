//! South Korea.
//!
//! Sources: Resident Registration Act, enforcement rules (RRN; since October 2020 the last digits are drawn, so a check digit
//! that disagrees refutes nothing); Immigration Act (foreigners: 5 to 8 after the date); National Tax Service (business
//! registration); Korea Road Traffic Authority (regions of licences); Passport Act (letters M, S, R, O, D).

use super::super::Label;
use super::super::checksum::weighted;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};
use super::window::Window;

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::KR_RRN,
        shape: Shape::Of(&["9999999999999"]),
        cuts: Cuts::All(&[6]),
        separators: b"-",
        bare: Worth::both(0.1, 0.4),
        grouped: Worth::both(0.5, 1.0),
        cued: 0.9,
        check: |w| registration(w, 1..=4, 11),
        cues: &["주민등록번호", "주민번호", "rrn", "rrn#", "resident registration number", "resident registration"],
        ..Rule::BASE
    },
    Rule {
        label: Label::KR_FRN,
        shape: Shape::Of(&["9999999999999"]),
        cuts: Cuts::All(&[6]),
        separators: b"-",
        bare: Worth::both(0.1, 0.4),
        grouped: Worth::both(0.5, 1.0),
        cued: 0.9,
        check: |w| registration(w, 5..=8, 13),
        cues: &["외국인등록번호", "외국인번호", "frn", "foreigner registration number", "alien registration"],
        ..Rule::BASE
    },
    Rule {
        label: Label::KR_BRN,
        shape: Shape::Of(&["9999999999"]),
        cuts: Cuts::All(&[3, 5]),
        separators: b"-",
        bare: Worth::check(0.3),
        grouped: Worth::check(0.6),
        check: |w| {
            let last = w.number(8, 1) * 5;
            let sum = weighted(w.compact(), &[1, 3, 7, 1, 3, 7, 1, 3]) + last + last / 10;
            Verdict::check((10 - sum % 10) % 10 == w.number(9, 1))
        },
        cues: &[
            "사업자등록번호",
            "사업자번호",
            "사업자",
            "brn",
            "business registration number",
            "business number",
            "tax registration number",
        ],
        ..Rule::BASE
    },
    Rule {
        label: Label::KR_DRIVER_LICENSE,
        shape: Shape::Of(&["999999999999"]),
        cuts: Cuts::Within(&[2, 4, 10]),
        uniform: false,
        bare: Worth::form(0.05),
        grouped: Worth::form(0.4),
        cued: 0.8,
        check: |w| {
            let region = matches!(w.number(0, 2), 11..=26 | 28);
            if region { Verdict::Sound } else { Verdict::Refuted }
        },
        cues: &[
            "운전면허",
            "운전면허번호",
            "면허번호",
            "driver license",
            "driver's license",
            "driving license",
            "license",
        ],
        ..Rule::BASE
    },
    Rule {
        label: Label::KR_PASSPORT,
        shape: Shape::Of(&["A999A9999", "A99999999"]),
        bare: Worth::form(0.1),
        cued: 0.75,
        check: |w| Verdict::form(b"MSROD".contains(&w.compact()[0])),
        cues: &["여권", "여권번호", "passport", "passport number", "korean passport"],
        ..Rule::BASE
    },
];

/// Date of birth; the century, sex and kind of resident; region or drawn digits; the check digit `base` minus the weighted
/// sum modulo 11.
fn registration(w: &Window, kinds: std::ops::RangeInclusive<u32>, base: u32) -> Verdict {
    let date = (1..=12).contains(&w.number(2, 2)) && (1..=31).contains(&w.number(4, 2));
    if !date || !kinds.contains(&w.number(6, 1)) {
        return Verdict::Refuted;
    }
    let sum = weighted(w.compact(), &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    let agrees = w.number(7, 2) <= 95 && (base - sum % 11) % 10 == w.number(12, 1);
    if agrees { Verdict::Agrees } else { Verdict::Fits }
}
