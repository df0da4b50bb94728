//! Names of months and weekdays in English, German, French, Spanish, Italian, Portuguese and Dutch.
//!
//! Invariant: names are compared in lower case and without accents; every row counts from January or from Monday.
//! Source: Unicode CLDR, calendar data (wide and abbreviated names) of the seven languages.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::LazyLock;

use super::super::names::ShortKeys;

/// The names of a language, January or Monday first.
pub type Names = &'static [&'static str];

const MONTHS: &[[&str; 12]] = &[
    [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ],
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    ["jan", "feb", "mar", "apr", "may", "june", "july", "aug", "sept", "oct", "nov", "dec"],
    [
        "januar",
        "februar",
        "märz",
        "april",
        "mai",
        "juni",
        "juli",
        "august",
        "september",
        "oktober",
        "november",
        "dezember",
    ],
    ["jan", "feb", "mär", "apr", "mai", "jun", "jul", "aug", "sep", "okt", "nov", "dez"],
    ["jänner", "feber", "mrz", "april", "mai", "juni", "juli", "august", "sept", "oktober", "november", "dezember"],
    [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
    ["janv", "févr", "mars", "avr", "mai", "juin", "juil", "août", "sept", "oct", "nov", "déc"],
    [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
    ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"],
    [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "setiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
    [
        "gennaio",
        "febbraio",
        "marzo",
        "aprile",
        "maggio",
        "giugno",
        "luglio",
        "agosto",
        "settembre",
        "ottobre",
        "novembre",
        "dicembre",
    ],
    ["gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic"],
    [
        "janeiro",
        "fevereiro",
        "março",
        "abril",
        "maio",
        "junho",
        "julho",
        "agosto",
        "setembro",
        "outubro",
        "novembro",
        "dezembro",
    ],
    ["jan", "fev", "mar", "abr", "mai", "jun", "jul", "ago", "set", "out", "nov", "dez"],
    [
        "januari",
        "februari",
        "maart",
        "april",
        "mei",
        "juni",
        "juli",
        "augustus",
        "september",
        "oktober",
        "november",
        "december",
    ],
    ["jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec"],
];

const WEEKDAYS: &[[&str; 7]] = &[
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
    ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    ["mon", "tues", "weds", "thurs", "fri", "sat", "sun"],
    ["montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag"],
    ["mo", "di", "mi", "do", "fr", "sa", "so"],
    ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
    ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
    ["lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"],
    ["segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo"],
    ["maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag"],
];

/// Words after which a date is somebody's date of birth or death.
const BIRTH: &[&str] = &[
    "born",
    "birth",
    "birthdate",
    "birthday",
    "dob",
    "deceased",
    "died",
    "death",
    "geboren",
    "geb",
    "geburtsdatum",
    "geburtstag",
    "gestorben",
    "ne",
    "nee",
    "naissance",
    "decede",
    "decedee",
    "nacido",
    "nacida",
    "nacio",
    "nacimiento",
    "nato",
    "nata",
    "nascita",
    "nascido",
    "nascida",
    "nasceu",
    "nascimento",
    "geboortedatum",
    "overleden",
];

/// Words after which a number may be a date.
const DATED: &[&str] = &[
    "date",
    "dated",
    "dates",
    "day",
    "dia",
    "hoy",
    "datum",
    "fecha",
    "data",
    "on",
    "since",
    "until",
    "from",
    "am",
    "vom",
    "seit",
    "le",
    "du",
    "depuis",
    "el",
    "desde",
    "hasta",
    "il",
    "dal",
    "em",
    "op",
    "sinds",
    "admitted",
    "discharged",
    "issued",
    "expires",
    "expiry",
    "exp",
    "expiration",
    "valid",
    "ingreso",
    "alta",
];

/// Longest name in bytes, accents included.
const LONGEST: usize = 16;

/// A name of a month or of a weekday.
#[derive(Clone, Copy)]
pub(super) struct Named {
    /// 1 for January or Monday.
    pub(super) value: u32,
    /// The row it was found in.
    pub(super) names: Names,
    /// Also a frequent word of another meaning ("may", "set", "mars").
    pub(super) weak: bool,
}

/// What is known of words.
type Index<K, V> = HashMap<K, V, BuildHasherDefault<ShortKeys>>;

static MONTH: LazyLock<Index<String, Named>> = LazyLock::new(|| index(MONTHS.iter().map(|row| row.as_slice())));
static WEEKDAY: LazyLock<Index<String, Named>> = LazyLock::new(|| index(WEEKDAYS.iter().map(|row| row.as_slice())));

/// How much a word before a date or number adds to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    Birth,
    Date,
    No,
}

static ANNOUNCING: LazyLock<Index<&str, Announced>> = LazyLock::new(|| {
    let dated = DATED.iter().map(|word| (*word, Announced::Date));
    dated.chain(BIRTH.iter().map(|word| (*word, Announced::Birth))).collect()
});

/// What a word before a date says of it; case and accents do not matter.
pub(super) fn announced(word: &str) -> Announced {
    Folded::new(word).and_then(|word| ANNOUNCING.get(word.as_str()).copied()).unwrap_or(Announced::No)
}

/// The first row that has a name keeps it.
fn index(rows: impl Iterator<Item = Names>) -> Index<String, Named> {
    let mut index = Index::default();
    for names in rows {
        for (value, name) in (1..).zip(names) {
            index.entry(name.chars().map(unaccented).collect()).or_insert(Named { value, names, weak: false });
        }
    }
    index
}

/// The month of this name; case and accents do not matter.
pub(super) fn month(word: &str) -> Option<Named> {
    // Names begin with one of these letters; `é` and `ä` stand for nothing at the start.
    let first = word.as_bytes().first()? | 0x20;
    if !(3..=LONGEST).contains(&word.len()) || !b"jfmasondegl".contains(&first) {
        return None;
    }
    let folded = Folded::new(word)?;
    let found = MONTH.get(folded.as_str())?;
    let capital = word.starts_with(|c: char| c.is_uppercase());
    let weak = match folded.as_str() {
        "may" | "march" | "mar" | "jan" | "dec" => !capital,
        "mars" | "set" | "out" | "ago" | "gen" | "mag" | "ene" | "lug" | "fev" | "avr" => true,
        _ => false,
    };
    Some(Named { weak, ..*found })
}

/// The weekday of this name; case and accents do not matter.
pub(super) fn weekday(word: &str) -> Option<Named> {
    let first = word.as_bytes().first()? | 0x20;
    if !(2..=LONGEST).contains(&word.len()) || !b"mtwfsdljvgzqo".contains(&first) {
        return None;
    }
    // Abbreviations of two letters are words of other languages when they are small.
    let capital = word.starts_with(|c: char| c.is_uppercase());
    WEEKDAY.get(Folded::new(word)?.as_str()).copied().filter(|_| capital || word.len() > 2)
}

/// A word of at most [`LONGEST`] bytes in lower case, without the accents of the seven languages; no allocation.
pub(super) struct Folded {
    bytes: [u8; 2 * LONGEST],
    length: usize,
}

impl Folded {
    /// `None` for a longer word.
    pub(super) fn new(word: &str) -> Option<Self> {
        let mut folded = Self { bytes: [0; 2 * LONGEST], length: 0 };
        if word.len() > LONGEST {
            return None;
        }
        if word.is_ascii() {
            folded.length = word.len();
            folded.bytes[..word.len()].copy_from_slice(word.as_bytes());
            folded.bytes[..word.len()].make_ascii_lowercase();
            return Some(folded);
        }
        for c in word.chars().flat_map(char::to_lowercase).map(unaccented) {
            let end = folded.length + c.len_utf8();
            c.encode_utf8(folded.bytes.get_mut(folded.length..end)?);
            folded.length = end;
        }
        Some(folded)
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

fn unaccented(c: char) -> char {
    match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' => 'a',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ç' => 'c',
        'ñ' => 'n',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_without_accents() {
        for row in MONTHS {
            for (value, name) in (1..).zip(row) {
                assert_eq!(month(&name.to_uppercase()).unwrap().value, value, "{name}");
            }
        }
        assert_eq!(month("Fevrier").unwrap().value, 2);
        assert_eq!(month("AOUT").unwrap().names[11], "décembre");
        assert_eq!(weekday("Miercoles").unwrap().value, 3);
        assert!(month("Maybe").is_none() && month("ma").is_none() && weekday("m").is_none());
        assert!(month("may").unwrap().weak && !month("May").unwrap().weak);
    }
}
