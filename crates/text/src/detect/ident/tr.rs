//! Turkey.
//!
//! Sources: Nüfus ve Vatandaşlık İşleri (identity number: two check digits); Karayolları Trafik Yönetmeliği (plates: province
//! 01 to 81, letters without Q, W and X).

use super::super::Label;
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};
use super::window::Window;

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: Label::TR_NATIONAL_ID,
        shape: Shape::Of(&["99999999999"]),
        bare: Worth::check(0.45),
        check: |w| {
            let sum = |from: usize, step: usize, to: usize| -> u32 {
                (from..to).step_by(step).map(|at| w.number(at, 1)).sum()
            };
            let tenth = (sum(0, 2, 9) * 7 + 100 - sum(1, 2, 8)) % 10;
            let last = sum(0, 1, 10) % 10;
            Verdict::check(w.number(0, 1) > 0 && tenth == w.number(9, 1) && last == w.number(10, 1))
        },
        cues: &[
            "tc kimlik",
            "t.c. kimlik",
            "kimlik no",
            "kimlik numarası",
            "kimlik",
            "tckn",
            "tc no",
            "nüfus cüzdanı",
            "national id",
            "turkish id",
            "türk kimlik",
        ],
        ..Rule::BASE
    },
    Rule {
        label: Label::TR_LICENSE_PLATE,
        shape: Shape::Of(&[
            "99A99",
            "99A999",
            "99A9999",
            "99AA99",
            "99AA999",
            "99AA9999",
            "99AAA99",
            "99AAA999",
            "99AAA9999",
        ]),
        cuts: Cuts::Anywhere(2),
        capitals: true,
        bare: Worth::form(0.15),
        grouped: Worth::form(0.3),
        cued: 0.9,
        check: plate,
        cues: &[
            "plaka",
            "plakası",
            "plakalı",
            "araç plakası",
            "plaka numarası",
            "license plate",
            "licence plate",
            "number plate",
            "plate",
            "kayıt",
        ],
        ..Rule::BASE
    },
];

fn plate(w: &Window) -> Verdict {
    let code = w.compact();
    let letters = code[2..].iter().take_while(|c| c.is_ascii_uppercase()).count();
    // Hyphens stand on both sides of the letters or nowhere; spaces may be left out.
    let cuts = w.cuts().all(|at| at == 2 || at == 2 + letters) && (w.separators() != b"-");
    let province = (1..=81).contains(&w.number(0, 2));
    Verdict::form(cuts && province && !code[2..2 + letters].iter().any(|letter| b"QWX".contains(letter)))
}
