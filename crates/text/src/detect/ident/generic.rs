//! Numbers without a country: vehicles, devices, patients, members, accounts.
//!
//! Sources: ISO 3779 and 49 CFR 565 (VIN: no I, O, Q; check digit in the ninth place in North America); 3GPP TS 23.003 and
//! GSMA TS.06 (IMEI, Luhn); ITU-T E.118 (ICCID). Numbers that each hospital, insurer or firm forms in its own way count only
//! right behind the words that name them (45 CFR 164.514(b)(2)(i)(H) to (J), (L), (M) lists them).

use super::super::Label;
use super::super::checksum::luhn;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};
use super::window::Window;

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::VEHICLE_ID,
        shape: Shape::Of(&["*****************"]),
        bare: Worth::both(0.2, 0.7),
        cued: 0.9,
        check: vehicle,
        cues: &["vin", "vin number", "vehicle identification", "chassis", "chassis number", "fahrgestellnummer", "fin"],
        ..Rule::BASE
    },
    Rule {
        // Registration marks of any country: what is on the plate, right behind the word.
        label: Label::VEHICLE_ID,
        shape: Shape::Code(4, 9),
        cuts: Cuts::Anywhere(2),
        cued: 0.6,
        reach: 12,
        capitals: true,
        cues: &[
            "license plate",
            "licence plate",
            "plate number",
            "plate no",
            "number plate",
            "tag number",
            "registration mark",
            "kennzeichen",
            "nummernschild",
            "matrícula",
            "plaque d'immatriculation",
            "immatriculation",
            "targa",
            "kenteken",
        ],
        ..Rule::BASE
    },
    Rule {
        label: Label::DEVICE_ID,
        shape: Shape::Of(&["999999999999999"]),
        cuts: Cuts::Within(&[2, 6, 8, 14]),
        bare: Worth::check(0.3),
        grouped: Worth::check(0.6),
        check: |w| Verdict::check(w.number(0, 8) > 0 && luhn(w.compact())),
        cues: &["imei", "imei number"],
        ..Rule::BASE
    },
    Rule {
        label: Label::DEVICE_ID,
        shape: Shape::Digits(19, 20),
        bare: Worth::check(0.6),
        check: |w| Verdict::check(w.number(0, 2) == 89 && luhn(w.compact())),
        cues: &["iccid", "sim", "sim card"],
        ..Rule::BASE
    },
    Rule {
        label: Label::DEVICE_ID,
        cued: 0.6,
        reach: 12,
        cues: &[
            "serial number",
            "serial no",
            "serial",
            "s/n",
            "device id",
            "device serial",
            "udid",
            "imei",
            "meid",
            "seriennummer",
            "numéro de série",
            "número de serie",
        ],
        ..NAMED
    },
    Rule {
        label: Label::MEDICAL_RECORD_NUMBER,
        cued: 0.8,
        reach: 16,
        cues: &[
            "mrn",
            "medical record",
            "medical record number",
            "medical record no",
            "patient id",
            "patient number",
            "patient no",
            "participant id",
            "participant number",
            "study participant",
            "chart number",
            "chart no",
            "hospital number",
            "hospital no",
            "patientennummer",
            "patienten-id",
            "fallnummer",
            "nhc",
            "cipa",
            "episodio",
            "tarjeta sanitaria",
            "historia clínica",
            "número de historia",
            "cartella clinica",
            "dossier médical",
        ],
        ..NAMED
    },
    Rule {
        label: Label::HEALTH_PLAN_NUMBER,
        cued: 0.7,
        reach: 16,
        cues: &[
            "member id",
            "member number",
            "member no",
            "membership number",
            "subscriber id",
            "subscriber number",
            "health plan",
            "health plan id",
            "insurance id",
            "insurance number",
            "policy number",
            "policy no",
            "plan id",
            "beneficiary id",
        ],
        ..NAMED
    },
    Rule {
        label: Label::ACCOUNT_NUMBER,
        cued: 0.6,
        reach: 16,
        cues: &[
            "account number",
            "account no",
            "account id",
            "acct no",
            "acct number",
            "a/c no",
            "a/c",
            "customer number",
            "customer no",
            "customer id",
            "client number",
            "client id",
            "loan number",
            "kundennummer",
            "kundennr",
            "kunden-nr",
            "kontonummer",
            "konto-nr",
            "numéro de compte",
            "numéro client",
            "número de cuenta",
            "número de cliente",
            "numero di conto",
            "rekeningnummer",
            "loyalty number",
            "loyalty no",
            "frequent flyer number",
            "frequent flyer no",
            "rewards number",
            // Of staff and students, who have accounts there.
            "employee id",
            "employee number",
            "employee no",
            "staff id",
            "staff number",
            "personnel number",
            "payroll number",
            "badge number",
            "badge no",
            "badge id",
            "student id",
            "student number",
            "student no",
            "matriculation number",
            "personalnummer",
            "personal-nr",
            "matrikelnummer",
            "numéro de matricule",
            "matricule",
            "número de empleado",
            "número de alumno",
            "numero di matricola",
            "matricola",
            "personeelsnummer",
            "studentnummer",
        ],
        ..NAMED
    },
];

/// A number without a form of its own, right behind the words that name it.
const NAMED: Rule = Rule {
    shape: Shape::Mixed(5, 20),
    cuts: Cuts::Anywhere(3),
    separators: b"-/",
    uniform: false,
    check: |w| Verdict::form(w.compact().iter().filter(|c| c.is_ascii_digit()).count() >= 4 && w.compact().is_ascii()),
    ..Rule::BASE
};

/// The characters count 1 to 9 by their place in the EBCDIC rows of letters.
fn vehicle(w: &Window) -> Verdict {
    let code = w.compact();
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |c: u8| match c {
        b'0'..=b'9' => u32::from(c - b'0'),
        b'A'..=b'H' => u32::from(c - b'A') + 1,
        b'J'..=b'R' => u32::from(c - b'J') + 1,
        _ => u32::from(c - b'S') + 2,
    };
    let digits = code.iter().filter(|c| c.is_ascii_digit()).count();
    let used = !code.iter().any(|c| b"IOQ".contains(c)) && w.letters && code[13..].iter().all(u8::is_ascii_digit);
    if !used || digits < 5 {
        return Verdict::Refuted;
    }
    let sum: u32 = code.iter().zip(WEIGHTS).map(|(c, weight)| value(*c) * weight).sum();
    let wanted = if sum % 11 == 10 { b'X' } else { b'0' + (sum % 11) as u8 };
    // In North America the tenth place is the model year, which U, Z and 0 never stand for.
    if code[8] == wanted && !b"UZ0".contains(&code[9]) { Verdict::Agrees } else { Verdict::Fits }
}
