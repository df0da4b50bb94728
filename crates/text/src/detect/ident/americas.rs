//! Latin America.
//!
//! Sources: Receita Federal (CPF, CNPJ: two check digits modulo 11); RENAPO, Instructivo normativo CURP; SAT, Anexo 20 (RFC);
//! AFIP (CUIT, CUIL); Servicio de Registro Civil (RUT: K stands for 10).

use super::super::Label;
use super::super::checksum::{is_date, weighted};
use super::rule::{Cuts, Rule, Shape, Verdict, Worth};
use super::window::Window;

pub(super) const BRAZIL: &[Rule] = &[
    Rule {
        label: Label::BR_CPF,
        shape: Shape::Of(&["99999999999"]),
        cuts: Cuts::All(&[3, 6, 9]),
        separators: b".-",
        uniform: false,
        bare: Worth::check(0.45),
        grouped: Worth::check(1.0),
        check: |w| {
            let constant = w.compact().iter().all(|digit| *digit == w.compact()[0]);
            let first = remainder(w, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) == w.number(9, 1);
            let second = remainder(w, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) == w.number(10, 1);
            Verdict::check(!constant && first && second)
        },
        cues: &["cpf", "cadastro de pessoas físicas"],
        ..Rule::BASE
    },
    Rule {
        label: Label::BR_CNPJ,
        shape: Shape::Of(&["99999999999999"]),
        cuts: Cuts::All(&[2, 5, 8, 12]),
        separators: b"./-",
        uniform: false,
        bare: Worth::check(0.45),
        grouped: Worth::check(1.0),
        check: |w| {
            let first = remainder(w, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]) == w.number(12, 1);
            let second = remainder(w, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]) == w.number(13, 1);
            Verdict::check(w.number(0, 8) > 0 && first && second)
        },
        cues: &["cnpj", "cadastro nacional da pessoa jurídica"],
        ..Rule::BASE
    },
];

pub(super) const MEXICO: &[Rule] = &[
    Rule {
        label: Label::MX_CURP,
        shape: Shape::Of(&["AAAA999999AAAAAA*9"]),
        bare: Worth::both(0.4, 1.0),
        cued: 0.9,
        check: |w| {
            let code = w.compact();
            // Ñ stands between N and O.
            let value = |c: u8| match c {
                b'0'..=b'9' => u32::from(c - b'0'),
                b'A'..=b'N' => u32::from(c - b'A') + 10,
                _ => u32::from(c - b'A') + 11,
            };
            let sum: u32 = code[..17].iter().zip((2..=18).rev()).map(|(c, weight)| value(*c) * weight).sum();
            let sex = b"HMX".contains(&code[10]);
            if !sex || !is_birth(w, 4) {
                return Verdict::Refuted;
            }
            if (10 - sum % 10) % 10 == w.number(17, 1) { Verdict::Agrees } else { Verdict::Fits }
        },
        cues: &["curp", "clave única"],
        ..Rule::BASE
    },
    Rule {
        label: Label::MX_RFC,
        shape: Shape::Of(&["AAAA999999***", "AAA999999***"]),
        cuts: Cuts::All(&[-9, -3]),
        bare: Worth::form(0.3),
        grouped: Worth::form(0.4),
        cued: 0.9,
        check: |w| Verdict::form(is_birth(w, w.len() - 9)),
        cues: &["rfc", "registro federal de contribuyentes", "r.f.c."],
        ..Rule::BASE
    },
];

pub(super) const ARGENTINA: &[Rule] = &[Rule {
    label: Label::AR_CUIT,
    shape: Shape::Of(&["99999999999"]),
    cuts: Cuts::All(&[2, 10]),
    bare: Worth::check(0.4),
    grouped: Worth::check(0.9),
    check: |w| {
        let kind = matches!(w.number(0, 2), 20 | 23..=27 | 30 | 33 | 34);
        let sum = weighted(w.compact(), &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
        // 9 stands for 10.
        Verdict::check(kind && ((11 - sum % 11) % 11).min(9) == w.number(10, 1))
    },
    cues: &["cuit", "cuil", "c.u.i.t."],
    ..Rule::BASE
}];

pub(super) const CHILE: &[Rule] = &[
    Rule {
        label: Label::CL_RUT,
        shape: Shape::Of(&["9999999*", "99999999*"]),
        cuts: Cuts::All(&[-7, -4, -1]),
        separators: b".-",
        uniform: false,
        grouped: Worth::check(0.9),
        check: |w| if w.cuts().next().is_some() { rut(w) } else { Verdict::Refuted },
        cues: RUT,
        ..Rule::BASE
    },
    Rule {
        label: Label::CL_RUT,
        shape: Shape::Of(&["9999999*", "99999999*"]),
        cuts: Cuts::All(&[-1]),
        separators: b"-",
        bare: Worth::check(0.1),
        grouped: Worth::check(0.45),
        check: rut,
        cues: RUT,
        ..Rule::BASE
    },
];

const RUT: &[&str] = &["rut", "r.u.t.", "rol único tributario", "run", "cédula de identidad"];

/// The check digit of Brazil: what the weighted sum lacks to a multiple of 11, 0 for 10 and 11.
fn remainder(w: &Window, weights: &[u32]) -> u32 {
    match weighted(w.compact(), weights) % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    }
}

fn is_birth(w: &Window, at: usize) -> bool {
    let year = w.number(at, 2);
    is_date(if year == 0 { 2000 } else { 1900 + year }, w.number(at + 2, 2), w.number(at + 4, 2))
}

fn rut(w: &Window) -> Verdict {
    let Some((check, digits)) = w.compact().split_last() else { return Verdict::Refuted };
    let weights = [2, 3, 4, 5, 6, 7].into_iter().cycle();
    let sum: u32 = digits.iter().rev().zip(weights).map(|(digit, weight)| u32::from(digit & 15) * weight).sum();
    let wanted = match 11 - sum % 11 {
        11 => b'0',
        10 => b'K',
        digit => b'0' + digit as u8,
    };
    Verdict::check(digits[0] != b'0' && *check == wanted)
}
