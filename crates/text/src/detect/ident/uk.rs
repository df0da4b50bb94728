//! United Kingdom.
//!
//! Sources: NHS Data Dictionary (NHS number); HMRC, National Insurance Manual NIM39110; HM Passport Office; BS 7666 and
//! the Royal Mail's Programmers' Guide (postcodes); DVLA, driver number format and INF104 (registration marks);
//! Pay.UK, EISCD (sort codes).

use super::super::Label;
use super::super::checksum;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};
use super::window::Window;

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::UK_NHS,
        shape: Shape::Of(&["9999999999"]),
        cuts: Cuts::Within(&[3, 6]),
        uniform: false,
        bare: Worth::check(0.35),
        grouped: Worth::check(0.45),
        check: |w| Verdict::check(checksum::weighted(w.compact(), &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)),
        cues: &[
            "nhs",
            "nhs number",
            "nhs no",
            "national health service",
            "health authority",
            "health services authority",
        ],
        ..Rule::BASE
    },
    Rule {
        label: Label::UK_NINO,
        shape: Shape::Of(&["AA999999A"]),
        cuts: Cuts::Within(&[2, 4, 6, 8]),
        bare: Worth::form(0.6),
        grouped: Worth::form(0.7),
        cued: 0.95,
        check: national_insurance,
        cues: INSURANCE,
        ..Rule::BASE
    },
    Rule {
        // The suffix is often left out.
        label: Label::UK_NINO,
        shape: Shape::Of(&["AA999999"]),
        cuts: Cuts::Within(&[2, 4, 6]),
        cued: 0.8,
        check: national_insurance,
        cues: INSURANCE,
        ..Rule::BASE
    },
    Rule {
        // With the account beside it, which has eight digits, it names the holder.
        label: Label::ACCOUNT_NUMBER,
        shape: Shape::Of(&["999999"]),
        cuts: Cuts::All(&[2, 4]),
        cued: 0.8,
        reach: 12,
        cues: &["sort code", "sortcode"],
        ..Rule::BASE
    },
    Rule {
        label: Label::UK_PASSPORT,
        shape: Shape::Of(&["AA9999999"]),
        bare: Worth::form(0.1),
        cued: 0.75,
        cues: &[
            "passport",
            "passport number",
            "travel document",
            "uk passport",
            "british passport",
            "hm passport",
            "hmpo",
        ],
        ..Rule::BASE
    },
    Rule {
        label: Label::UK_POSTCODE,
        shape: Shape::Of(&["A99AA", "A9A9AA", "A999AA", "AA99AA", "AA9A9AA", "AA999AA", "gir0aa"]),
        cuts: Cuts::All(&[-3]),
        separators: b" ",
        bare: Worth::form(0.1),
        grouped: Worth::form(0.3),
        cued: 0.7,
        check: postcode,
        cues: &["postcode", "post code", "postal code", "zip", "zip code"],
        reach: 24,
        ..Rule::BASE
    },
    Rule {
        label: Label::UK_DRIVING_LICENCE,
        shape: Shape::Of(&["*****999999*****"]),
        cuts: Cuts::All(&[5, 11]),
        separators: b" ",
        bare: Worth::form(0.7),
        grouped: Worth::form(0.7),
        cued: 0.95,
        check: driving_licence,
        cues: &[
            "driving licence",
            "driving license",
            "driver's licence",
            "driver's license",
            "driver number",
            "dvla",
            "dl number",
            "licence",
            "licence number",
            "license number",
        ],
        ..Rule::BASE
    },
    Rule {
        // Since 2001: area, age and three letters.
        label: Label::UK_VEHICLE_REGISTRATION,
        shape: Shape::Of(&["AA99AAA"]),
        cuts: Cuts::All(&[4]),
        bare: Worth::form(0.4),
        grouped: Worth::form(0.45),
        cued: 0.9,
        check: current_plate,
        cues: VEHICLE,
        ..Rule::BASE
    },
    Rule {
        // 1983 to 2001: the letter of the year first.
        label: Label::UK_VEHICLE_REGISTRATION,
        shape: Shape::Of(&["A9AAA", "A99AAA", "A999AAA"]),
        cuts: Cuts::All(&[-3]),
        bare: Worth::form(0.2),
        grouped: Worth::form(0.2),
        check: |w| {
            let [year, .., a, b, c] = w.compact() else { return Verdict::Refuted };
            Verdict::form(
                YEARS.contains(year) && *a != b'I' && *a != b'Q' && *a != b'Z' && ![b, c].iter().any(|l| is_iq(**l)),
            )
        },
        cues: VEHICLE,
        ..Rule::BASE
    },
    Rule {
        // 1963 to 1983: the letter of the year last.
        label: Label::UK_VEHICLE_REGISTRATION,
        shape: Shape::Of(&["AAA9A", "AAA99A", "AAA999A"]),
        cuts: Cuts::Within(&[3, -1]),
        uniform: false,
        bare: Worth::form(0.15),
        grouped: Worth::form(0.15),
        check: |w| {
            let [a, b, c, .., year] = w.compact() else { return Verdict::Refuted };
            Verdict::form(YEARS.contains(year) && ![a, b, c].iter().any(|l| is_iq(**l)))
        },
        cues: VEHICLE,
        ..Rule::BASE
    },
];

const INSURANCE: &[&str] = &["national insurance", "ni number", "ni no", "nino", "national insurance number"];
const VEHICLE: &[&str] = &[
    "vehicle",
    "registration",
    "registration number",
    "number plate",
    "licence plate",
    "license plate",
    "plate",
    "reg",
    "reg no",
    "vrn",
    "vrm",
    "dvla",
    "v5c",
    "logbook",
    "mot",
    "car",
];
/// Letters of years: without I, O, Q, U and Z.
const YEARS: &[u8] = b"ABCDEFGHJKLMNPRSTVWXY";

fn is_iq(letter: u8) -> bool {
    matches!(letter, b'I' | b'Q')
}

/// Prefixes that are never given out, and the letters that neither place uses.
fn national_insurance(w: &Window) -> Verdict {
    let [a, b, .., last] = w.compact() else { return Verdict::Refuted };
    let never = matches!(&[*a, *b], b"BG" | b"GB" | b"NK" | b"KN" | b"NT" | b"TN" | b"ZZ");
    let letters = !b"DFIQUV".contains(a) && !b"DFIOQUV".contains(b);
    Verdict::form(letters && !never && (w.len() == 8 || (b'A'..=b'D').contains(last)))
}

/// The letters that each place of a postcode uses.
fn postcode(w: &Window) -> Verdict {
    let code = w.compact();
    if code == b"GIR0AA" {
        return Verdict::Fits;
    }
    let (outward, inward) = code.split_at(code.len() - 3);
    let inward = inward[1..].iter().all(|letter| !b"CIKMOV".contains(letter));
    let outward = match outward {
        [a, rest @ ..] if b"QVX".contains(a) || rest.is_empty() => false,
        [_, digit, last] if digit.is_ascii_digit() => last.is_ascii_digit() || b"ABCDEFGHJKPSTUW".contains(last),
        [_, digit] => digit.is_ascii_digit(),
        [_, second, _] => !b"IJZ".contains(second),
        [_, second, _, last] => !b"IJZ".contains(second) && (last.is_ascii_digit() || b"ABEHMNPRVWXY".contains(last)),
        _ => false,
    };
    Verdict::form(inward && outward)
}

/// Five letters of the surname filled up with 9, the tens of the year, month (50 more for women), day, the unit of the
/// year, two initials or 9, a check of one character and two letters.
fn driving_licence(w: &Window) -> Verdict {
    let code = w.compact();
    let name = code[..5].iter().take_while(|c| c.is_ascii_uppercase()).count();
    let filled = name > 0 && code[name..5].iter().all(|c| *c == b'9');
    let month = matches!(w.number(6, 2), 1..=12 | 51..=62);
    let initials = code[11..13].iter().all(|c| c.is_ascii_uppercase() || *c == b'9');
    let last = code[14..].iter().all(u8::is_ascii_uppercase);
    Verdict::form(filled && month && (1..=31).contains(&w.number(8, 2)) && initials && last)
}

/// Ages 02 to 29 and 51 to 79 stand for halves of the years 2002 to 2029.
fn current_plate(w: &Window) -> Verdict {
    let code = w.compact();
    let area = code[..2].iter().all(|letter| !b"IQZ".contains(letter));
    let age = matches!(w.number(2, 2), 2..=29 | 51..=79);
    Verdict::form(area && age && !code[4..].iter().any(|letter| is_iq(*letter)))
}
