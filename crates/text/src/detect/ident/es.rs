//! Spain.
//!
//! Sources: Ministerio del Interior (check letter of DNI and NIE, the remainder modulo 23); Real Decreto 896/2003 (passports);
//! Tesorería General de la Seguridad Social (affiliation numbers: province, serial, the remainder modulo 97); Organización
//! Médica Colegial (two provinces and the serial).

use super::super::Label;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};
use super::window::Window;

/// By the remainder modulo 23.
const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::ES_NIF,
        shape: Shape::Of(&["99999999A"]),
        cuts: Cuts::Within(&[2, 5, 8]),
        separators: b"-.",
        uniform: false,
        bare: Worth::check(0.6),
        grouped: Worth::check(0.8),
        check: |w| letter(w.number(0, 8), w),
        cues: IDENTITY,
        ..Rule::BASE
    },
    Rule {
        label: Label::ES_NIF,
        shape: Shape::Of(&["9999999A"]),
        cuts: Cuts::Within(&[1, 4, 7]),
        separators: b"-.",
        uniform: false,
        bare: Worth::check(0.4),
        grouped: Worth::check(0.6),
        check: |w| letter(w.number(0, 7), w),
        cues: IDENTITY,
        ..Rule::BASE
    },
    Rule {
        label: Label::ES_NIE,
        shape: Shape::Of(&["x9999999A", "y9999999A", "z9999999A"]),
        cuts: Cuts::Within(&[1, 8]),
        separators: b"-",
        bare: Worth::check(0.8),
        grouped: Worth::check(0.9),
        check: |w| letter(u32::from(w.compact()[0] - b'X') * 10_000_000 + w.number(1, 7), w),
        cues: &["nie", "número de identificación de extranjero", "número de identidad de extranjero", "extranjero"],
        ..Rule::BASE
    },
    Rule {
        label: Label::ES_PASSPORT,
        shape: Shape::Of(&["AAA999999"]),
        bare: Worth::form(0.05),
        cued: 0.8,
        cues: &["pasaporte", "número de pasaporte", "passport", "passport number"],
        ..Rule::BASE
    },
    Rule {
        label: Label::ES_SOCIAL_SECURITY,
        shape: Shape::Of(&["999999999999", "99999999999"]),
        cuts: Cuts::All(&[2, -2]),
        separators: b" -/",
        bare: Worth::check(0.45),
        grouped: Worth::both(0.1, 0.7),
        cued: 0.85,
        // Mistyped ones are common in files of patients, and still name a person.
        check: |w| if affiliation(w) { Verdict::Agrees } else { Verdict::Fits },
        cues: &["nass", "nuss", "nss", "seguridad social", "número de afiliación", "afiliación"],
        ..Rule::BASE
    },
    Rule {
        label: Label::MEDICAL_LICENSE,
        shape: Shape::Digits(7, 9),
        cuts: Cuts::Within(&[2, 4]),
        cued: 0.8,
        reach: 16,
        cues: &["nºcol", "nº col", "n.º col", "colegiado", "número de colegiado", "nº de colegiado", "colegiada"],
        ..Rule::BASE
    },
];

const IDENTITY: &[&str] =
    &["dni", "nif", "d.n.i.", "n.i.f.", "documento nacional de identidad", "identificación", "identidad"];

/// The province stands before the serial with as few zeros as it needs.
fn affiliation(w: &Window) -> bool {
    let (province, serial) = (w.number(0, 2), w.number(2, w.len() - 4));
    let digits = if serial < 10_000_000 { u64::from(province) * 10_000_000 } else { u64::from(province) * 100_000_000 };
    (1..=66).contains(&province) && (digits + u64::from(serial)) % 97 == u64::from(w.number(w.len() - 2, 2))
}

fn letter(number: u32, w: &Window) -> Verdict {
    Verdict::check(w.compact().last() == Some(&LETTERS[(number % 23) as usize]))
}
