//! India.
//!
//! Sources: UIDAI, Aadhaar (Verhoeff; never begins with 0 or 1); Income Tax Department, Rule 114 (PAN: the fourth letter is
//! the kind of holder); GST Council, Form REG-06 (GSTIN: state, PAN, entity, Z, check character); Central Motor Vehicles
//! Rules 1989, rules 50 and 51 and Form 23 (plates, BH series); Election Commission (EPIC); Passport Seva.

use super::super::Label;
use super::super::checksum::verhoeff;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};
use super::window::Window;

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::IN_AADHAAR,
        shape: Shape::Of(&["999999999999"]),
        cuts: Cuts::All(&[4, 8]),
        separators: b" -:",
        uniform: false,
        bare: Worth::check(0.35),
        grouped: Worth::check(0.45),
        check: |w| {
            let palindrome = w.compact().iter().eq(w.compact().iter().rev());
            Verdict::check(w.number(0, 1) >= 2 && !palindrome && verhoeff(w.compact()))
        },
        cues: &["aadhaar", "aadhar", "adhaar", "uidai", "uid", "आधार"],
        ..Rule::BASE
    },
    Rule {
        label: Label::IN_PAN,
        shape: Shape::Of(&["AAAAA9999A"]),
        bare: Worth::both(0.2, 0.6),
        cued: 0.9,
        check: |w| if HOLDERS.contains(&w.compact()[3]) { Verdict::Sound } else { Verdict::Fits },
        cues: &["pan", "permanent account number", "pan card", "pan number", "income tax"],
        ..Rule::BASE
    },
    Rule {
        label: Label::IN_GSTIN,
        shape: Shape::Of(&["99AAAAA9999A*z*"]),
        bare: Worth::form(0.9),
        cued: 1.0,
        check: goods_and_services,
        cues: &["gstin", "gst", "gst number", "gst registration", "goods and services tax"],
        ..Rule::BASE
    },
    Rule {
        label: Label::IN_PASSPORT,
        shape: Shape::Of(&["A9999999"]),
        cuts: Cuts::All(&[3]),
        separators: b" ",
        bare: Worth::form(0.1),
        grouped: Worth::form(0.1),
        cued: 0.75,
        check: |w| Verdict::form(w.number(1, 1) > 0 && w.number(7, 1) > 0),
        cues: &["passport", "indian passport", "passport number", "passport no"],
        ..Rule::BASE
    },
    Rule {
        label: Label::IN_VOTER,
        shape: Shape::Of(&["AAA9999999"]),
        bare: Worth::form(0.3),
        cued: 0.85,
        cues: &["voter", "voter id", "epic", "epic no", "elector", "vote", "electoral", "elector photo identity card"],
        ..Rule::BASE
    },
    Rule {
        label: Label::IN_VEHICLE_REGISTRATION,
        shape: Shape::Of(&["AA9A9999", "AA9AA9999", "AA9AAA9999", "AA99A9999", "AA99AA9999", "AA99AAA9999"]),
        cuts: Cuts::Within(&[2, -4, 3, 4]),
        bare: Worth::both(0.3, 0.8),
        grouped: Worth::both(0.2, 0.8),
        cued: 0.9,
        check: plate,
        cues: VEHICLE,
        ..Rule::BASE
    },
    Rule {
        // Bharat series: year, BH, number, letters.
        label: Label::IN_VEHICLE_REGISTRATION,
        shape: Shape::Of(&["99bh9999A", "99bh9999AA"]),
        cuts: Cuts::Within(&[2, 4, 8]),
        separators: b" ",
        bare: Worth::form(0.85),
        grouped: Worth::form(0.85),
        cued: 0.95,
        check: |w| {
            let letters = !w.compact()[8..].iter().any(|letter| b"IO".contains(letter));
            Verdict::form(w.number(0, 2) >= 21 && w.number(4, 4) > 0 && letters)
        },
        cues: VEHICLE,
        ..Rule::BASE
    },
    Rule {
        // Armed forces: year, kind of vehicle, number, check letter.
        label: Label::IN_VEHICLE_REGISTRATION,
        shape: Shape::Of(&["99A999999A"]),
        bare: Worth::form(0.45),
        cued: 0.9,
        check: |w| Verdict::form(w.number(0, 2) > 0 && b"ABCDEFHKPRX".contains(&w.compact()[2])),
        cues: VEHICLE,
        ..Rule::BASE
    },
    Rule {
        // Diplomatic: country or organisation, corps, number.
        label: Label::IN_VEHICLE_REGISTRATION,
        shape: Shape::Of(&[
            "9cd99",
            "9cd999",
            "9cd9999",
            "99cd99",
            "99cd999",
            "99cd9999",
            "999cd99",
            "999cd999",
            "999cd9999",
            "9cc99",
            "9cc999",
            "9cc9999",
            "99cc99",
            "99cc999",
            "99cc9999",
            "999cc99",
            "999cc999",
            "999cc9999",
            "9un99",
            "9un999",
            "9un9999",
            "99un99",
            "99un999",
            "99un9999",
            "999un99",
            "999un999",
            "999un9999",
        ]),
        bare: Worth::form(0.4),
        cued: 0.9,
        check: |w| {
            let country = w.compact().iter().take_while(|c| c.is_ascii_digit()).count();
            Verdict::form((1..=160).contains(&w.number(0, country)) && w.number(country + 2, 1) > 0)
        },
        cues: VEHICLE,
        ..Rule::BASE
    },
    Rule {
        // Old forms without a state, and trade plates.
        label: Label::IN_VEHICLE_REGISTRATION,
        shape: Shape::Of(&["A9999", "AA9999", "AAA9999", "i99999"]),
        bare: Worth::form(0.01),
        cued: 0.55,
        reach: 24,
        check: |w| {
            let letters = w.compact().iter().take_while(|c| c.is_ascii_uppercase()).count();
            Verdict::form(w.number(letters, w.len() - letters) > 0)
        },
        cues: &["rto", "vehicle", "plate"],
        ..Rule::BASE
    },
];

const VEHICLE: &[&str] =
    &["rto", "vehicle", "plate", "registration", "registration number", "number plate", "bike", "car"];
/// Person, company, family, firm, associations, trust, body, local authority, artificial person, government, partnership,
/// trustee.
const HOLDERS: &[u8] = b"PCHFATBLJGEK";

/// States and union territories, also those that changed their letters, with the highest district in use.
const STATES: &[(&[u8; 2], u32)] = &[
    (b"AN", 2),
    (b"AP", 40),
    (b"AR", 26),
    (b"AS", 34),
    (b"BR", 57),
    (b"CG", 31),
    (b"CH", 4),
    (b"CT", 31),
    (b"DD", 3),
    (b"DH", 3),
    (b"DL", 16),
    (b"DN", 9),
    (b"GA", 12),
    (b"GJ", 39),
    (b"HP", 99),
    (b"HR", 99),
    (b"JH", 24),
    (b"JK", 22),
    (b"KA", 71),
    (b"KL", 99),
    (b"LA", 2),
    (b"LD", 9),
    (b"MH", 58),
    (b"ML", 14),
    (b"MN", 7),
    (b"MP", 71),
    (b"MZ", 9),
    (b"NL", 10),
    (b"OD", 35),
    (b"OR", 35),
    (b"PB", 99),
    (b"PY", 5),
    (b"RJ", 60),
    (b"SK", 8),
    (b"TG", 38),
    (b"TN", 99),
    (b"TR", 8),
    (b"TS", 38),
    (b"UA", 20),
    (b"UK", 20),
    (b"UP", 96),
    (b"WB", 98),
];

/// State, district, series, number. Other letters may be a plate of a state to come.
fn plate(w: &Window) -> Verdict {
    let code = w.compact();
    let district = code[2..].iter().take(2).take_while(|c| c.is_ascii_digit()).count();
    let known = STATES.iter().find(|(state, _)| code.starts_with(*state));
    if w.number(code.len() - 4, 4) == 0 {
        return Verdict::Refuted;
    }
    match known {
        Some((_, highest)) if (1..=*highest).contains(&w.number(2, district)) => Verdict::Sound,
        _ => Verdict::Fits,
    }
}

/// A state that exists, a PAN, an entity other than 0. The check character is not asked for, since invoices and forms
/// are full of numbers that were made up for show and still name their holder.
fn goods_and_services(w: &Window) -> Verdict {
    let state = matches!(w.number(0, 2), 1..=38 | 97 | 99);
    if state { Verdict::Sound } else { Verdict::Refuted }
}
