//! Singapore.
//!
//! Sources: National Registration Act and ICA (NRIC, FIN; weights 2 7 6 5 4 3 2, with 4 added for T and G, 3 for M); ACRA,
//! Unique Entity Number (three formats, each with a check letter, kinds of entities).

use super::super::Label;
use super::super::checksum::weighted;
use super::rule::{Rule, Shape, Verdict, Worth};
use super::window::Window;

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::SG_NRIC_FIN,
        shape: Shape::Of(&["A9999999A"]),
        bare: Worth::both(0.1, 0.8),
        cued: 0.7,
        check: |w| if check_letter(w) { Verdict::Agrees } else { Verdict::Fits },
        cues: &["nric", "nric#", "fin", "fin#", "identity card", "singapore"],
        ..Rule::BASE
    },
    Rule {
        label: Label::SG_UEN,
        shape: Shape::Of(&["99999999A"]),
        bare: Worth::check(0.4),
        check: |w| {
            let sum = weighted(w.compact(), &[10, 4, 9, 3, 8, 2, 7, 1]);
            Verdict::check(b"XMKECAWLJDB"[(sum % 11) as usize] == w.compact()[8])
        },
        cues: ENTITY,
        ..Rule::BASE
    },
    Rule {
        label: Label::SG_UEN,
        shape: Shape::Of(&["999999999A"]),
        bare: Worth::check(0.5),
        check: |w| {
            let sum = weighted(w.compact(), &[10, 8, 6, 4, 9, 7, 5, 3, 1]);
            let year = matches!(w.number(0, 4), 1800..=2099);
            Verdict::check(year && b"ZKCMDNERGWH"[(sum % 11) as usize] == w.compact()[9])
        },
        cues: ENTITY,
        ..Rule::BASE
    },
    Rule {
        label: Label::SG_UEN,
        shape: Shape::Of(&["r99AA9999A", "s99AA9999A", "t99AA9999A"]),
        bare: Worth::check(0.9),
        check: other_entity,
        cues: ENTITY,
        ..Rule::BASE
    },
];

const ENTITY: &[&str] = &["uen", "unique entity number", "acra", "business registration"];

fn check_letter(w: &Window) -> bool {
    let code = w.compact();
    let sum = weighted(&code[1..], &[2, 7, 6, 5, 4, 3, 2]);
    let place = |added: u32| ((sum + added) % 11) as usize;
    code[8]
        == match code[0] {
            b'S' => b"JZIHGFEDCBA"[place(0)],
            b'T' => b"JZIHGFEDCBA"[place(4)],
            b'F' => b"XWUTRQPNMLK"[place(0)],
            b'G' => b"XWUTRQPNMLK"[place(4)],
            b'M' => b"XWUTRQPNJLK"[place(3)],
            _ => return false,
        }
}

/// Entities that are neither businesses nor companies: century, year, kind, number.
fn other_entity(w: &Window) -> Verdict {
    const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWX0123456789";
    const KINDS: &str = "LP LL FC PF RF MQ MM NB CC CS MB FM GS DP CP NR CM CD MD HS VH CH MH CL XL CX HC RP TU TC FB FN \
                         PA PB SS MC SM GA GB";
    let code = w.compact();
    let kind = KINDS.split(' ').any(|kind| kind.as_bytes() == &code[3..5]);
    let values = code[..9].iter().map(|c| ALPHABET.iter().position(|letter| letter == c));
    let weights = [4, 3, 5, 3, 10, 2, 2, 5, 7];
    let sum: Option<usize> = values.zip(weights).map(|(value, weight)| Some(value? * weight)).sum();
    // 6 instead of -5, which is the same modulo 11.
    Verdict::check(kind && sum.is_some_and(|sum| ALPHABET[(sum + 6) % 11] == code[9]))
}
