//! United States.
//!
//! Sources: SSA, POMS RM 10201 (areas, groups and serials never given out); IRS, Internal Revenue Manual 3.21.263 (ITIN
//! groups); US Department of State (passport numbers); American Association of Motor Vehicle Administrators and the
//! states (driver's licenses); ABA, Routing Number Policy; CMS, NPI and MBI standards; 21 CFR 1301 and the DEA (registration
//! numbers).

use super::super::Label;
use super::super::checksum;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};
use super::window::Window;

const SSN: &[&str] =
    &["ssn", "ss#", "social security", "social", "social sec", "ssid", "tax id", "taxpayer", "social security number"];
const PASSPORT: &[&str] = &["passport", "passport number", "passport no", "travel document", "pasaporte"];
const DRIVER: &[&str] = &["driver license", "driver's license", "drivers license", "driving license", "license number"];
const LICENSE: &[&str] = &[
    "driver license",
    "driver's license",
    "drivers license",
    "driving license",
    "driver lic",
    "license number",
    "license no",
    "license",
    "licence",
    "permit",
    "dl",
    "dl#",
    "dln",
    "cdl",
    "lic#",
    "driver",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::US_SSN,
        shape: Shape::Of(&["999999999"]),
        cuts: Cuts::All(&[3, 5]),
        separators: b"-",
        bare: Worth::form(0.1),
        grouped: Worth::form(0.55),
        cued: 0.95,
        check: social_security,
        cues: SSN,
        ..Rule::BASE
    },
    // With one hyphen of the two: five and four digits are a ZIP code as well.
    Rule {
        label: Label::US_SSN,
        shape: Shape::Of(&["999999999"]),
        cuts: Cuts::Within(&[3, 5]),
        separators: b"-",
        grouped: Worth::form(0.1),
        cued: 0.9,
        check: social_security,
        cues: SSN,
        ..Rule::BASE
    },
    Rule {
        label: Label::US_SSN,
        shape: Shape::Of(&["999999999"]),
        cuts: Cuts::All(&[3, 5]),
        separators: b" .",
        grouped: Worth::form(0.3),
        cued: 0.8,
        check: social_security,
        cues: SSN,
        ..Rule::BASE
    },
    Rule {
        label: Label::US_ITIN,
        shape: Shape::Of(&["999999999"]),
        cuts: Cuts::Within(&[3, 5]),
        uniform: false,
        bare: Worth::form(0.3),
        grouped: Worth::form(0.55),
        cued: 0.9,
        check: |w| {
            let group = w.number(3, 2);
            Verdict::form(w.number(0, 1) == 9 && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99))
        },
        cues: &["itin", "individual taxpayer", "taxpayer", "tax", "tax id", "tin", "payer"],
        ..Rule::BASE
    },
    Rule {
        label: Label::US_PASSPORT,
        shape: Shape::Of(&["999999999", "A99999999"]),
        bare: Worth::form(0.1),
        cued: 0.7,
        reach: 32,
        cues: PASSPORT,
        ..Rule::BASE
    },
    Rule {
        label: Label::US_DRIVER_LICENSE,
        shape: Shape::Of(&[
            "A99999",
            "A999999",
            "A9999999",
            "A99999999",
            "A999999999",
            "A9999999999",
            "A99999999999",
            "A999999999999",
            "A9999999999999",
            "A99999999999999",
            "A999999999999999999",
            "AA99999",
            "AA999999",
            "AA9999999",
            "AAA999999",
            "99AAA99999",
            "99AAA999999",
            "A999999r",
            "999999999A",
            "AA999999A",
            "99999999AA",
            "999AA9999",
            "9999999A",
            "99999999A",
        ]),
        bare: Worth::form(0.15),
        cued: 0.65,
        reach: 32,
        cues: LICENSE,
        ..Rule::BASE
    },
    Rule {
        // Short ones are also names of roads, flights and parts.
        label: Label::US_DRIVER_LICENSE,
        shape: Shape::Of(&["A999", "A9999", "AA99", "AA999", "AA9999", "A9A9A"]),
        bare: Worth::form(0.1),
        cued: 0.6,
        reach: 16,
        cues: DRIVER,
        ..Rule::BASE
    },
    Rule {
        // Wisconsin, Illinois, Florida, New Jersey and Minnesota print groups: `A123-4567-8901-23`.
        label: Label::US_DRIVER_LICENSE,
        shape: Shape::Of(&["A99999999999", "A999999999999", "A9999999999999", "A99999999999999"]),
        cuts: Cuts::Within(&[1, 4, 7, 8, 9, 10, 12, 13]),
        grouped: Worth::form(0.2),
        cued: 0.8,
        reach: 32,
        cues: LICENSE,
        ..Rule::BASE
    },
    Rule {
        label: Label::US_DRIVER_LICENSE,
        shape: Shape::Digits(6, 14),
        bare: Worth::form(0.01),
        cued: 0.55,
        reach: 16,
        cues: LICENSE,
        ..Rule::BASE
    },
    Rule {
        label: Label::US_DRIVER_LICENSE,
        shape: Shape::Of(&["9999999999999999"]),
        bare: Worth::form(0.01),
        cues: DRIVER,
        cued: 0.55,
        reach: 16,
        ..Rule::BASE
    },
    Rule {
        label: Label::US_BANK_NUMBER,
        shape: Shape::Digits(8, 17),
        bare: Worth::form(0.05),
        cued: 0.65,
        reach: 32,
        cues: &[
            "bank account",
            "account number",
            "account",
            "account#",
            "acct",
            "bank",
            "checking",
            "savings",
            "direct deposit",
        ],
        ..Rule::BASE
    },
    Rule {
        label: Label::ABA_ROUTING_NUMBER,
        shape: Shape::Of(&["999999999"]),
        cuts: Cuts::All(&[4, 8]),
        separators: b"-",
        bare: Worth::check(0.3),
        grouped: Worth::check(0.6),
        check: routing,
        cues: &[
            "aba",
            "routing",
            "routing number",
            "routing no",
            "transit number",
            "rtn",
            "aba number",
            "bank routing",
        ],
        ..Rule::BASE
    },
    Rule {
        label: Label::US_NPI,
        shape: Shape::Of(&["9999999999"]),
        cuts: Cuts::All(&[4, 7]),
        uniform: false,
        bare: Worth::check(0.35),
        grouped: Worth::check(0.45),
        check: national_provider,
        cues: &["npi", "national provider", "provider", "provider id", "provider identifier", "taxonomy"],
        ..Rule::BASE
    },
    Rule {
        label: Label::US_MBI,
        shape: Shape::Of(&["9A*9A*9AA99"]),
        cuts: Cuts::All(&[4, 7]),
        separators: b"-",
        bare: Worth::form(0.45),
        grouped: Worth::form(0.8),
        cued: 0.95,
        // S, L, O, I, B and Z are left out because they look like digits; the first place counts from 1.
        check: |w| Verdict::form(w.number(0, 1) > 0 && !w.compact().iter().any(|c| b"SLOIBZ".contains(c))),
        cues: &["medicare", "mbi", "beneficiary", "cms", "medicaid", "hic", "hicn"],
        ..Rule::BASE
    },
    Rule {
        label: Label::MEDICAL_LICENSE,
        shape: Shape::Of(&["AA9999999", "A99999999"]),
        bare: Worth::check(0.4),
        glued: true,
        check: drug_enforcement,
        cues: &["dea", "dea number", "medical license", "medical", "certificate", "prescriber"],
        ..Rule::BASE
    },
];

fn social_security(w: &Window) -> Verdict {
    let number = w.number(0, 9);
    let (area, group, serial) = (w.number(0, 3), w.number(3, 2), w.number(5, 4));
    let never = matches!(area, 0 | 666 | 900..) || group == 0 || serial == 0;
    // Numbers printed in advertisements and on sample cards.
    let sample = matches!(number, 78_051_120 | 219_099_999 | 123_456_789);
    let constant = number.is_multiple_of(111_111_111);
    Verdict::form(!never && !sample && !constant)
}

/// The first two digits name the Federal Reserve district and the kind of institution.
fn routing(w: &Window) -> Verdict {
    let district = matches!(w.number(0, 2), 0..=12 | 21..=32 | 61..=72 | 80);
    let sum = checksum::weighted(w.compact(), &[3, 7, 1, 3, 7, 1, 3, 7, 1]);
    Verdict::check(district && sum.is_multiple_of(10) && sum > 0)
}

/// Luhn's check over the number behind the prefix 80840 of US health cards.
fn national_provider(w: &Window) -> Verdict {
    let digits = w.compact();
    let mut prefixed = *b"808400000000000";
    prefixed[5..].copy_from_slice(&digits[..10]);
    let constant = digits[1..9].iter().all(|d| *d == digits[0]);
    Verdict::check(matches!(digits[0], b'1' | b'2') && !constant && checksum::luhn(&prefixed))
}

/// The first letter is the kind of registrant, the second that of the name or 9.
fn drug_enforcement(w: &Window) -> Verdict {
    let [kind, name, digits @ ..] = w.compact() else { return Verdict::Refuted };
    let kinds = b"ABCDEFGHJKLMPRSTUX".contains(kind) && (name.is_ascii_alphabetic() || *name == b'9');
    let sum = checksum::weighted(digits, &[1, 2, 1, 2, 1, 2]);
    Verdict::check(kinds && sum % 10 == w.number(8, 1))
}
