//! Countries of Europe with a number or two each: Austria, Belgium, Denmark, Ireland, Norway, Portugal, Switzerland.
//!
//! Sources: Dachverband der Sozialversicherungsträger (Austria: check digit in the fourth place, month 13 where the day is used up); Arrêté royal of
//! 3 April 1984 (Belgium: 97 minus the remainder, with 2 before it from 2000 on); CPR-kontoret (Denmark: since 2007 without a
//! check digit); Department of Social Protection, Eircode Address
//! Database (Ireland); Skatteetaten (Norway: D-numbers add 40 to the day); Autoridade
//! Tributária (Portugal); ZAS (Switzerland: 756 and the check digit of EAN-13).

use super::super::Label;
use super::super::checksum::{is_date, remainder97, weighted};
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};

pub(super) const AUSTRIA: &[Rule] = &[Rule {
    label: Label::AT_SVNR,
    shape: Shape::Of(&["9999999999"]),
    cuts: Cuts::All(&[4]),
    bare: Worth::check(0.35),
    grouped: Worth::check(0.6),
    check: |w| {
        let date = (1..=31).contains(&w.number(4, 2)) && (1..=15).contains(&w.number(6, 2));
        let sum = weighted(w.compact(), &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
        Verdict::check(w.number(0, 1) > 0 && date && sum % 11 == w.number(3, 1))
    },
    cues: &["svnr", "sozialversicherungsnummer", "sv-nummer", "versicherungsnummer", "e-card"],
    ..Rule::BASE
}];

pub(super) const BELGIUM: &[Rule] = &[Rule {
    label: Label::BE_NRN,
    shape: Shape::Of(&["99999999999"]),
    cuts: Cuts::All(&[2, 4, 6, 9]),
    separators: b".- ",
    uniform: false,
    bare: Worth::check(0.6),
    grouped: Worth::check(1.0),
    check: |w| {
        // 20 or 40 is added to the month in numbers of the register of non-residents; 0 stands for what is not known.
        let date = w.number(2, 2) % 20 <= 12 && w.number(2, 2) < 53 && w.number(4, 2) <= 31;
        let (before_2000, since_2000) = {
            let mut long = *b"2000000000";
            long[1..].copy_from_slice(&w.compact()[..9]);
            (97 - remainder97(&w.compact()[..9]), 97 - remainder97(&long))
        };
        let check = w.number(9, 2);
        Verdict::check(date && w.number(6, 3) > 0 && (check == before_2000 || check == since_2000))
    },
    cues: &["rijksregisternummer", "numéro de registre national", "registre national", "rijksregister", "insz", "niss"],
    ..Rule::BASE
}];

pub(super) const DENMARK: &[Rule] = &[Rule {
    label: Label::DK_CPR,
    shape: Shape::Of(&["9999999999"]),
    cuts: Cuts::All(&[6]),
    separators: b"-",
    bare: Worth::form(0.05),
    grouped: Worth::form(0.4),
    cued: 0.9,
    check: |w| {
        let year = w.number(4, 2);
        let leap = if year == 0 { 2000 } else { 1900 + year };
        Verdict::form(is_date(leap, w.number(2, 2), w.number(0, 2)))
    },
    cues: &["cpr", "cpr-nummer", "cpr-nr", "cpr nummer", "personnummer"],
    ..Rule::BASE
}];

pub(super) const IRELAND: &[Rule] = &[
    EIRCODE,
    Rule {
        label: Label::IE_PPS,
        shape: Shape::Of(&["9999999A", "9999999AA"]),
        bare: Worth::check(0.4),
        check: |w| {
            let code = w.compact();
            let letter = |c: u8| if c == b'W' { 0 } else { u32::from(c - b'A') + 1 };
            let second = code.get(8).copied().map_or(0, letter);
            let sum = weighted(code, &[8, 7, 6, 5, 4, 3, 2]) + 9 * second;
            Verdict::check(sum % 23 == letter(code[7]))
        },
        cues: &["pps", "ppsn", "pps number", "personal public service"],
        ..Rule::BASE
    },
];

/// An Eircode is that of one house.
const EIRCODE: Rule = Rule {
    label: Label::LOCATION,
    shape: Shape::Of(&["A99****", "A9A****"]),
    cuts: Cuts::All(&[3]),
    separators: b" ",
    bare: Worth::form(0.2),
    grouped: Worth::form(0.6),
    cued: 0.9,
    check: |w| {
        let (key, house) = w.compact().split_at(3);
        let known = EIRCODE_AREAS.split(' ').any(|area| area.as_bytes() == key);
        // The letters that are hardly mistaken for others, and digits.
        Verdict::form(known && house.iter().all(|c| c.is_ascii_digit() || b"ACDEFHKNPRTVWXY".contains(c)))
    },
    cues: &["eircode", "eir code", "postcode", "postal code"],
    ..Rule::BASE
};

/// Routing keys.
const EIRCODE_AREAS: &str = "A41 A42 A45 A63 A67 A75 A81 A82 A83 A84 A85 A86 A91 A92 A94 A96 A98 C15 D01 D02 D03 D04 D05 D06 D07 D08 D09 D10 \
     D11 D12 D13 D14 D15 D16 D17 D18 D20 D22 D24 D6W E21 E25 E32 E34 E41 E45 E53 E91 F12 F23 F26 F28 F31 F35 F42 F45 \
     F52 F56 F91 F92 F93 F94 H12 H14 H16 H18 H23 H53 H54 H62 H65 H71 H91 K32 K34 K36 K45 K56 K67 K78 N37 N39 N41 N91 \
     P12 P14 P17 P24 P25 P31 P32 P36 P43 P47 P51 P56 P61 P67 P72 P75 P81 P85 R14 R21 R32 R35 R42 R45 R51 R56 R93 R95 \
     T12 T23 T34 T45 T56 V14 V15 V23 V31 V35 V42 V92 V93 V94 V95 W12 W23 W34 W91 X35 X42 X91 Y14 Y21 Y25 Y34 Y35";

pub(super) const NORWAY: &[Rule] = &[Rule {
    label: Label::NO_FODSELSNUMMER,
    shape: Shape::Of(&["99999999999"]),
    cuts: Cuts::All(&[6]),
    separators: b" ",
    bare: Worth::check(0.6),
    grouped: Worth::check(0.9),
    check: |w| {
        let date = matches!(w.number(0, 2), 1..=31 | 41..=71) && (1..=12).contains(&w.number(2, 2));
        let first = weighted(w.compact(), &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11);
        let second = weighted(w.compact(), &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11);
        Verdict::check(date && first && second)
    },
    cues: &["fødselsnummer", "fodselsnummer", "personnummer", "d-nummer"],
    ..Rule::BASE
}];

pub(super) const PORTUGAL: &[Rule] = &[Rule {
    label: Label::PT_NIF,
    shape: Shape::Of(&["999999999"]),
    cuts: Cuts::All(&[3, 6]),
    separators: b" ",
    bare: Worth::check(0.3),
    grouped: Worth::check(0.4),
    check: |w| {
        let kind = matches!(w.number(0, 1), 1..=3 | 5 | 6 | 8 | 9)
            || matches!(w.number(0, 2), 45 | 70..=72 | 74 | 75 | 77..=79);
        let sum = weighted(w.compact(), &[9, 8, 7, 6, 5, 4, 3, 2]);
        let wanted = if sum % 11 < 2 { 0 } else { 11 - sum % 11 };
        Verdict::check(kind && wanted == w.number(8, 1))
    },
    cues: &["nif", "nipc", "contribuinte", "número de contribuinte", "número de identificação fiscal"],
    ..Rule::BASE
}];

pub(super) const SWITZERLAND: &[Rule] = &[Rule {
    label: Label::CH_AHV,
    shape: Shape::Of(&["9999999999999"]),
    cuts: Cuts::All(&[3, 7, 11]),
    separators: b".",
    bare: Worth::check(0.6),
    grouped: Worth::check(1.0),
    check: |w| {
        let sum = weighted(w.compact(), &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]);
        Verdict::check(w.number(0, 3) == 756 && sum.is_multiple_of(10))
    },
    cues: &["ahv", "ahv-nummer", "avs", "ahv-nr", "numéro avs", "sozialversicherungsnummer"],
    ..Rule::BASE
}];
