//! The countries whose numbers, telephones and addresses are searched for.
//!
//! Invariants: a name is one of [`LOCALES`] or its other name; where none is chosen, all are. What says itself whose it is
//! does not depend on the choice: a telephone number with its country code, or beside a word for one, an IBAN.

use super::ident::LOCALES;
use crate::error::{Error, Result};

/// Other names of locales: ISO 3166 calls the United Kingdom GB.
const ALIASES: [(&str, &str); 1] = [("gb", "uk")];

/// Countries where the number comes last (`Hauptstraße 5`) or the type of the street first (`rue de la Paix`); the others
/// write addresses in Latin letters as English does.
const CONTINENTAL: [&str; 20] = [
    "ar", "at", "be", "br", "ca", "ch", "cl", "de", "dk", "es", "fi", "fr", "it", "mx", "nl", "no", "pl", "pt", "se",
    "tr",
];

/// Countries whose national telephone numbers begin with a zero.
/// Source: ITU-T, dialling procedures (national prefixes); in Italy the zero is part of the number.
const TRUNK_ZERO: [&str; 25] = [
    "ar", "at", "au", "be", "br", "ch", "cn", "de", "fi", "fr", "ie", "il", "in", "it", "jp", "kr", "ng", "nl", "nz",
    "ph", "se", "th", "tr", "uk", "za",
];

/// The locales that are searched for.
pub(crate) struct Locales(Option<Vec<&'static str>>);

impl Locales {
    /// These, by name, in any case; all where absent.
    ///
    /// # Errors
    /// [`Error::UnknownLocale`] for a name that is none of [`LOCALES`] and no other name of one.
    pub(crate) fn of(names: Option<&[String]>) -> Result<Self> {
        let known = |name: &String| {
            let lower = name.trim().to_ascii_lowercase();
            let name_of_it = ALIASES.iter().find(|(alias, _)| *alias == lower).map_or(lower.as_str(), |(_, name)| name);
            LOCALES
                .iter()
                .find(|locale| **locale == name_of_it)
                .copied()
                .ok_or_else(|| Error::UnknownLocale { locale: name.clone() })
        };
        Ok(Self(names.map(|names| names.iter().map(known).collect::<Result<_>>()).transpose()?))
    }

    /// Whether somebody chose.
    pub(crate) fn chosen(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn has(&self, locale: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(&locale))
    }

    fn has_any(&self, locales: &[&str]) -> bool {
        locales.iter().any(|locale| self.has(locale))
    }

    /// Which forms of telephone numbers without a country code are searched for.
    pub(crate) fn phones(&self) -> Phones {
        Phones {
            north_american: self.has_any(&["us", "ca"]),
            trunk_zero: self.has_any(&TRUNK_ZERO),
            nine_digits: self.has_any(&["es", "pl", "pt"]),
            indian: self.has("in"),
            chinese: self.has("cn"),
            philippine: self.has("ph"),
            turkish: self.has("tr"),
        }
    }

    /// Which forms of postal addresses are searched for.
    pub(crate) fn addresses(&self) -> Addresses {
        Addresses {
            english: LOCALES.iter().any(|locale| self.has(locale) && !CONTINENTAL.contains(locale)) || self.has("ca"),
            continental: self.has_any(&CONTINENTAL),
            british: self.has("uk"),
        }
    }
}

/// Forms of national telephone numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phones {
    /// Area, exchange and line: 3, 3 and 4 digits.
    pub(crate) north_american: bool,
    /// Those with a zero at their head.
    pub(crate) trunk_zero: bool,
    /// Three groups of three.
    pub(crate) nine_digits: bool,
    /// Two groups of five.
    pub(crate) indian: bool,
    /// 3, 4 and 4 digits, or eleven.
    pub(crate) chinese: bool,
    /// Under a label of their own.
    pub(crate) philippine: bool,
    /// Under a label of their own.
    pub(crate) turkish: bool,
}

/// Traditions of postal addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// Number, name, type.
    pub(crate) english: bool,
    /// Type, name, number, and its relatives.
    pub(crate) continental: bool,
    /// British postcodes that stand alone.
    pub(crate) british: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::detect::{Detector, DetectorOptions, Label};

    fn of(names: &[&str]) -> Locales {
        let names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
        Locales::of(Some(&names)).unwrap()
    }

    #[test]
    fn names_are_known_in_any_case_and_gb_is_uk() {
        assert!(of(&["GB", " us"]).has("uk") && of(&["uk"]).has("uk"));
        assert!(!of(&["us"]).has("de") && Locales::of(None).unwrap().has("de"));
        assert!(matches!(Locales::of(Some(&["xx".into()])), Err(Error::UnknownLocale { locale }) if locale == "xx"));
        for name in CONTINENTAL.iter().chain(&TRUNK_ZERO).chain(ALIASES.iter().map(|(_, name)| name)) {
            assert!(LOCALES.contains(name), "{name}");
        }
    }

    #[test]
    fn telephones_and_addresses_of_other_countries_are_not_searched_for() {
        let found = |locales: &[&str], text: &str| {
            let locales = Some(locales.iter().map(|name| (*name).into()).collect());
            let options = DetectorOptions { locales, tagger: false, ..DetectorOptions::default() };
            let spans = Detector::new(&options).unwrap().detect(text);
            spans.iter().map(|span| (span.label, text[span.start..span.end].to_owned())).collect::<Vec<_>>()
        };
        let phone = |number: &str| vec![(Label::PHONE_NUMBER, number.to_owned())];
        let place = |address: &str| vec![(Label::LOCATION, address.to_owned())];
        for (own, other, text, want) in [
            ("us", "de", "it was 415-555-0132 then", phone("415-555-0132")),
            ("uk", "us", "it was 020 7946 0018 then", phone("020 7946 0018")),
            ("us", "de", "it was 12 North Main Street then", place("12 North Main Street")),
            ("fr", "us", "c'est au 12 rue de la Paix oui", place("12 rue de la Paix")),
            ("gb", "de", "wohnt in London SW1A 2AA", vec![]),
        ] {
            let got = found(&[own], text);
            assert!(want.is_empty() || got == want, "{own}: {got:?}");
            assert!(!got.is_empty(), "{own}: {text}");
            assert_eq!(found(&[own, other], text), got, "{own} and {other}");
            assert!(found(&[other], text).is_empty(), "{other}: {:?}", found(&[other], text));
        }
        // Whose it is stands in the number.
        assert_eq!(found(&["us"], "it was +49 30 901820 then"), phone("+49 30 901820"));
    }
}
