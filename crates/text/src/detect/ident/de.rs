//! Germany.
//!
//! Sources: Bundeszentralamt für Steuern (tax identification and VAT numbers, ISO/IEC 7064 MOD 11,10); ELSTER, Prüfung der
//! Steuernummer; Deutsche Rentenversicherung, VKVV §§ 2 to 4; GKV-Spitzenverband, Vertrauensstelle Krankenversichertennummer;
//! KBV, Arztnummern-Richtlinie (LANR, BSNR); Personalausweis- and Passverordnung with ICAO Doc 9303; KBA (driving licences);
//! Fahrzeug-Zulassungsverordnung annex 1 and 4 (plates); Handelsregisterverordnung.

use super::super::Label;
use super::super::checksum::{icao_digit, mod11_10, weighted};
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};
use super::window::Window;

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::DE_TAX_ID,
        shape: Shape::Of(&["99999999999"]),
        cuts: Cuts::All(&[2, 5, 8]),
        separators: b" ",
        bare: Worth::check(0.4),
        grouped: Worth::check(0.6),
        check: tax_id,
        cues: &[
            "steueridentifikationsnummer",
            "steuer-id",
            "steuerid",
            "steuerliche identifikationsnummer",
            "identifikationsnummer",
            "idnr",
            "id-nr",
            "steuer-idnr",
            "steuernummer",
            "tin",
            "tax id",
            "bzst",
        ],
        ..Rule::BASE
    },
    Rule {
        // The form of electronic returns: office, 0, district, number and check digit.
        label: Label::DE_TAX_NUMBER,
        shape: Shape::Of(&["9999999999999"]),
        bare: Worth::form(0.2),
        cued: 0.85,
        check: |w| {
            let land = matches!(w.number(0, 2), 1..=16 | 21..=24 | 26..=28 | 30..=32 | 40 | 41 | 51..=59 | 91..=93);
            Verdict::form(land)
        },
        cues: TAX,
        ..Rule::BASE
    },
    Rule {
        // The forms of the states: district, number and check digit.
        label: Label::DE_TAX_NUMBER,
        shape: Shape::Digits(9, 12),
        cuts: Cuts::Anywhere(2),
        separators: b"/",
        grouped: Worth::form(0.35),
        cued: 0.9,
        check: |w| {
            let groups: [usize; 3] = three_groups(w);
            Verdict::form(matches!(groups, [2..=3, 3..=4, 4..=5]))
        },
        cues: TAX,
        ..Rule::BASE
    },
    Rule {
        label: Label::DE_VAT_ID,
        shape: Shape::Of(&["de999999999"]),
        cuts: Cuts::Within(&[2, 5, 8]),
        separators: b" .-",
        bare: Worth::both(0.5, 1.0),
        grouped: Worth::both(0.4, 1.0),
        cued: 0.8,
        // Old numbers exist whose check digit does not agree.
        check: |w| if mod11_10(&w.compact()[2..]) { Verdict::Agrees } else { Verdict::Fits },
        cues: &[
            "ust-idnr",
            "ust-id",
            "ustid",
            "ustidnr",
            "umsatzsteuer-id",
            "umsatzsteuer-identifikationsnummer",
            "umsatzsteueridentifikationsnummer",
            "mehrwertsteuer",
            "vat",
            "vat id",
            "vat number",
            "rechnung",
            "invoice",
        ],
        ..Rule::BASE
    },
    Rule {
        label: Label::DE_SOCIAL_SECURITY,
        shape: Shape::Of(&["99999999A999"]),
        cuts: Cuts::Within(&[2, 8, 9]),
        separators: b" ",
        bare: Worth::check(1.0),
        grouped: Worth::check(1.0),
        check: social_security,
        cues: &[
            "rentenversicherungsnummer",
            "sozialversicherungsnummer",
            "versicherungsnummer",
            "rvnr",
            "svnr",
            "sv-nummer",
            "rentenversicherung",
            "sozialversicherung",
        ],
        ..Rule::BASE
    },
    Rule {
        label: Label::DE_HEALTH_INSURANCE,
        shape: Shape::Of(&["A999999999"]),
        bare: Worth::check(0.4),
        check: |w| {
            // The letter counts as its place in the alphabet, with two digits.
            let place = w.compact()[0] - b'A' + 1;
            let mut digits = [place / 10, place % 10, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            digits[2..].copy_from_slice(&w.compact()[1..]);
            let sum: u32 =
                digits[..10].iter().zip([1, 2].into_iter().cycle()).map(|(d, f)| cross(u32::from(d & 15) * f)).sum();
            Verdict::check(sum % 10 == u32::from(digits[10] & 15))
        },
        cues: &[
            "krankenversicherungsnummer",
            "krankenversichertennummer",
            "versichertennummer",
            "versicherten-nr",
            "kvnr",
            "krankenkasse",
            "krankenversicherung",
            "gesundheitskarte",
            "egk",
            "versichertenkarte",
            "versichertenausweis",
            "aok",
            "barmer",
            "dak",
        ],
        ..Rule::BASE
    },
    Rule {
        label: Label::DE_ID_CARD,
        shape: Shape::Of(&["********9", "*********9"]),
        bare: Worth::check(0.4),
        check: document,
        cues: IDENTITY,
        ..Rule::BASE
    },
    Rule {
        // Cards before November 2010.
        label: Label::DE_ID_CARD,
        shape: Shape::Of(&["t99999999"]),
        bare: Worth::form(0.2),
        cued: 0.8,
        cues: IDENTITY,
        ..Rule::BASE
    },
    Rule {
        label: Label::DE_PASSPORT,
        shape: Shape::Of(&["********9"]),
        bare: Worth::check(0.4),
        check: document,
        cues: &["reisepass", "pass", "passnummer", "pass-nr", "reisepassnummer", "passport", "passport number", "mrz"],
        ..Rule::BASE
    },
    Rule {
        label: Label::DE_FUEHRERSCHEIN,
        shape: Shape::Of(&["AA99999999*"]),
        bare: Worth::form(0.2),
        cued: 0.8,
        cues: DRIVING,
        ..Rule::BASE
    },
    Rule {
        // Office, number, check digit and issue: `B072RRE2I55`.
        label: Label::DE_FUEHRERSCHEIN,
        shape: Shape::Of(&["*999*****9*"]),
        cued: 0.75,
        check: |w| Verdict::form(w.letters),
        cues: DRIVING,
        ..Rule::BASE
    },
    Rule {
        label: Label::DE_HANDELSREGISTER,
        shape: Shape::Of(&[
            "hra9",
            "hra99",
            "hra999",
            "hra9999",
            "hra99999",
            "hra999999",
            "hrb9",
            "hrb99",
            "hrb999",
            "hrb9999",
            "hrb99999",
            "hrb999999",
        ]),
        cuts: Cuts::All(&[3]),
        separators: b" ",
        bare: Worth::form(0.6),
        grouped: Worth::form(0.7),
        cued: 0.95,
        cues: &["handelsregister", "handelsregisternummer", "amtsgericht", "registergericht", "registerauszug", "gmbh"],
        ..Rule::BASE
    },
    Rule {
        label: Label::DE_KFZ,
        shape: Shape::Code(3, 10),
        cuts: Cuts::Anywhere(2),
        uniform: false,
        capitals: true,
        grouped: Worth::form(0.3),
        cued: 0.9,
        check: plate,
        cues: &[
            "kennzeichen",
            "kfz-kennzeichen",
            "nummernschild",
            "zulassung",
            "kfz",
            "fahrzeug",
            "auto",
            "pkw",
            "lkw",
            "fahrzeugschein",
            "number plate",
            "license plate",
            "licence plate",
        ],
        ..Rule::BASE
    },
    Rule {
        label: Label::DE_PLZ,
        shape: Shape::Of(&["99999"]),
        bare: Worth::form(0.05),
        cued: 0.6,
        reach: 24,
        check: |w| Verdict::form(matches!(w.number(0, 5), 1001..=99_998)),
        cues: &["plz", "postleitzahl", "postleitzahlen", "postfach", "wohnort", "postanschrift", "wohnanschrift"],
        ..Rule::BASE
    },
    Rule {
        label: Label::DE_LANR,
        shape: Shape::Of(&["999999999"]),
        bare: Worth::check(0.3),
        // The last two digits name the specialty.
        check: |w| {
            let sum = weighted(w.compact(), &[4, 9, 4, 9, 4, 9]);
            Verdict::check((10 - sum % 10) % 10 == w.number(6, 1))
        },
        cues: &["lanr", "arztnummer", "arzt-nr", "arzt nr", "vertragsarzt", "hausarzt", "facharzt", "rezept"],
        ..Rule::BASE
    },
    Rule {
        label: Label::DE_BSNR,
        shape: Shape::Of(&["999999999"]),
        bare: Worth::form(0.1),
        cued: 0.8,
        check: |w| Verdict::form(w.number(0, 9) > 0),
        cues: &[
            "bsnr",
            "betriebsstättennummer",
            "betriebsstätten-nummer",
            "betriebsstätte",
            "praxisnummer",
            "nebenbetriebsstätte",
        ],
        ..Rule::BASE
    },
];

const TAX: &[&str] = &[
    "steuernummer",
    "steuer-nr",
    "steuer nr",
    "st.-nr",
    "st-nr",
    "stnr",
    "finanzamt",
    "steuerbescheid",
    "umsatzsteuer",
];
const IDENTITY: &[&str] = &[
    "personalausweis",
    "personalausweisnummer",
    "ausweis",
    "ausweisnummer",
    "ausweis-nr",
    "dokumentennummer",
    "seriennummer",
    "identity card",
    "national id",
];
const DRIVING: &[&str] = &[
    "führerschein",
    "führerscheinnummer",
    "fuehrerschein",
    "fahrerlaubnis",
    "fahrerlaubnisnummer",
    "driving licence",
    "driving license",
    "driver's license",
    "licence number",
    "license number",
];

/// The sum of the digits of a number below 100.
fn cross(number: u32) -> u32 {
    number / 10 + number % 10
}

fn three_groups(w: &Window) -> [usize; 3] {
    let mut groups = w.groups();
    let three = [groups.next(), groups.next(), groups.next()].map(Option::unwrap_or_default);
    if groups.next().is_some() { [0; 3] } else { three }
}

/// No digit may stand more than three times among the first ten.
fn tax_id(w: &Window) -> Verdict {
    let digits = w.compact();
    let most = (b'0'..=b'9').map(|digit| digits[..10].iter().filter(|d| **d == digit).count()).max();
    Verdict::check(digits[0] != b'0' && most <= Some(3) && mod11_10(digits))
}

/// Area, date of birth, initial of the name at birth, serial (50 and more for women), check digit.
fn social_security(w: &Window) -> Verdict {
    let code = w.compact();
    // Where several numbers met, 50 was added to the day.
    let date = matches!(w.number(2, 2), 1..=31 | 51..=81) && (1..=12).contains(&w.number(4, 2));
    let place = code[8] - b'A' + 1;
    let mut digits = [0; 12];
    digits[..8].copy_from_slice(&code[..8]);
    digits[8..10].copy_from_slice(&[place / 10, place % 10]);
    digits[10..].copy_from_slice(&code[9..11]);
    let weights = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| cross(u32::from(digit & 15) * weight)).sum();
    Verdict::check(date && sum % 10 == w.number(11, 1))
}

/// Documents use letters that cannot be read as others: no vowels, B, D, Q or S. The check digit of the machine-readable
/// zone is the last character.
fn document(w: &Window) -> Verdict {
    let Some((check, serial)) = w.compact().split_last() else { return Verdict::Refuted };
    let letters = serial.iter().all(|c| c.is_ascii_digit() || b"CFGHJKLMNPRTVWXYZ".contains(c));
    Verdict::check(letters && serial[0].is_ascii_uppercase() && icao_digit(serial) == u32::from(check & 15))
}

/// District, letters, digits: `HH-AB 1234`, `KA EF 12H`.
fn plate(w: &Window) -> Verdict {
    let [district @ 1..=3, letters @ 1..=2, digits @ 1..=5] = three_groups(w) else { return Verdict::Refuted };
    let code = w.compact();
    let (letters, digits) = code[district..].split_at(letters.min(code.len() - digits));
    // E and H: electric and historic cars.
    let digits = digits.strip_suffix(b"E").or(digits.strip_suffix(b"H")).unwrap_or(digits);
    let fits = code[..district].iter().all(|c| c.is_ascii_uppercase() || *c >= 0x80)
        && letters.iter().all(u8::is_ascii_uppercase)
        && (1..=4).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && w.separators() != b" -";
    Verdict::form(fits)
}
