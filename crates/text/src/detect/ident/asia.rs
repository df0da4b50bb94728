//! China, Hong Kong, Japan and Israel.
//!
//! Sources: GB 11643-1999 (resident identity number: region, date of birth, serial, ISO/IEC 7064 MOD 11-2); Hong Kong
//! Immigration Department (letters count from 10, a missing one as 36); Act on the Use of Numbers, ministerial order 85 of
//! 2014 (individual number); Israel Population Authority (Luhn).

use super::super::Label;
use super::super::checksum::{is_date, luhn, mod11_2, weighted};
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};

pub(super) const CHINA: &[Rule] = &[Rule {
    label: Label::CN_RESIDENT_ID,
    shape: Shape::Of(&["999999999999999999", "99999999999999999x"]),
    bare: Worth::check(1.0),
    check: |w| {
        let date = matches!(w.number(6, 4), 1850..=2099) && is_date(w.number(6, 4), w.number(10, 2), w.number(12, 2));
        Verdict::check(matches!(w.number(0, 2), 11..=83) && date && mod11_2(w.compact()))
    },
    cues: &["身份证", "身份证号", "身份證", "resident identity", "chinese id"],
    ..Rule::BASE
}];

pub(super) const HONG_KONG: &[Rule] = &[Rule {
    label: Label::HK_ID_CARD,
    shape: Shape::Of(&["A999999*", "AA999999*"]),
    cuts: Cuts::All(&[-1]),
    separators: b"(",
    bare: Worth::check(0.2),
    grouped: Worth::check(0.9),
    check: |w| {
        let Some((check, body)) = w.compact().split_last() else { return Verdict::Refuted };
        let (letters, digits) = body.split_at(body.len() - 6);
        let letter = |c: &u8| u32::from(c - b'A') + 10;
        let head = match letters {
            [one] => 36 * 9 + letter(one) * 8,
            [first, second] => letter(first) * 9 + letter(second) * 8,
            _ => return Verdict::Refuted,
        };
        let check = match check {
            b'A' => 10,
            b'0'..=b'9' => u32::from(check - b'0'),
            _ => return Verdict::Refuted,
        };
        Verdict::check((head + weighted(digits, &[7, 6, 5, 4, 3, 2]) + check).is_multiple_of(11))
    },
    cues: &["hkid", "hong kong id", "identity card", "身份證"],
    ..Rule::BASE
}];

pub(super) const JAPAN: &[Rule] = &[Rule {
    label: Label::JP_MY_NUMBER,
    shape: Shape::Of(&["999999999999"]),
    cuts: Cuts::All(&[4, 8]),
    bare: Worth::check(0.3),
    grouped: Worth::check(0.4),
    check: |w| {
        let wanted = match weighted(w.compact(), &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
            0 | 1 => 0,
            rest => 11 - rest,
        };
        Verdict::check(w.number(0, 6) > 0 && wanted == w.number(11, 1))
    },
    cues: &["マイナンバー", "個人番号", "my number"],
    ..Rule::BASE
}];

pub(super) const ISRAEL: &[Rule] = &[Rule {
    label: Label::IL_ID,
    shape: Shape::Of(&["999999999"]),
    cuts: Cuts::All(&[8]),
    separators: b"-",
    bare: Worth::check(0.2),
    grouped: Worth::check(0.3),
    check: |w| Verdict::check(w.number(0, 5) > 0 && luhn(w.compact())),
    cues: &["teudat zehut", "תעודת זהות", "ת.ז.", "ת\"ז", "israeli id"],
    ..Rule::BASE
}];
