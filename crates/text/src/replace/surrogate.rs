//! Which surrogate a value gets, by its label.
//!
//! Invariant: the surrogate differs from the value and from every original of the data, in canonical form; where none such
//! is found there is none, and the value is redacted.

use super::draw::{Draw, Ring, folded, same_form};
use super::{checked, crypto, network, numbers, organisation, person, phone, place};
use crate::detect::{Label, Span, is_valid};

/// Attempts before a value is redacted because every surrogate is taken.
const ATTEMPTS: u32 = 2000;

/// A surrogate that is neither the original nor a remembered one; `None` where none is free.
pub(super) fn surrogate(ring: &Ring<'_>, span: &Span, value: &str) -> Option<String> {
    let label = span.label;
    let original = canonical(label, value);
    // Made of parts that are no originals, each mapped by itself.
    let by_parts = match label.0 {
        "PERSON" => Some(person::name(ring, value)),
        "ORGANIZATION" => Some(organisation::organisation(ring, value)),
        "LOCATION" if !is_address(span, value) => Some(place::place(ring, value)),
        _ => None,
    };
    if let Some(new) = by_parts {
        return (canonical(label, &new) != original).then_some(new);
    }
    (0..ATTEMPTS).find_map(|attempt| {
        let mut draw = ring.draw(&[label.0, &original], attempt);
        let new = drawn(ring, &mut draw, span, value);
        let form = canonical(label, &new);
        (form != original && !ring.is_original(&form)).then_some(new)
    })
}

/// Whether a place is an address or postcode, and no place by name.
pub(super) fn is_address(span: &Span, value: &str) -> bool {
    span.kind.is_some() || value.contains(|c: char| c.is_ascii_digit())
}

fn drawn(ring: &Ring<'_>, draw: &mut Draw, span: &Span, value: &str) -> String {
    let label = span.label;
    match label.0 {
        "EMAIL_ADDRESS" => person::email(ring, draw, value),
        "USERNAME" => person::username(ring, draw, value),
        "PHONE_NUMBER" | "PH_MOBILE_NUMBER" | "TR_PHONE_NUMBER" => phone::phone(draw, value),
        "CREDIT_CARD" => numbers::card(draw, value),
        "IBAN_CODE" => numbers::iban(draw, value),
        "US_SSN" => numbers::social_security(draw, value),
        "IP_ADDRESS" => network::ip(draw, value),
        "MAC_ADDRESS" => network::mac(draw, value),
        "URL" => network::url(draw, value),
        "CRYPTO" => crypto::address(draw, value),
        "UUID" => network::uuid(draw, value),
        "CREDENTIAL" => network::credential(draw, value, span.kind),
        "LOCATION" => place::address(draw, value),
        "NRP" => same_form(draw, value),
        _ => checked::identifier(draw, label, value, |value| is_valid(label, value)),
    }
}

/// What makes two spellings of a value the same entity.
pub(super) fn canonical(label: Label, value: &str) -> String {
    let alphanumeric = || value.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    match label.0 {
        "PHONE_NUMBER" => {
            let digits: String = value.chars().filter(char::is_ascii_digit).collect();
            match digits.strip_prefix('1') {
                Some(rest) if rest.len() == 10 => rest.to_owned(),
                _ => digits,
            }
        }
        "CREDIT_CARD" | "US_SSN" => value.chars().filter(char::is_ascii_digit).collect(),
        "IBAN_CODE" | "MAC_ADDRESS" => alphanumeric(),
        "CREDENTIAL" | "CRYPTO" => value.to_owned(),
        "PERSON" | "ORGANIZATION" | "LOCATION" | "EMAIL_ADDRESS" | "USERNAME" | "URL" | "IP_ADDRESS" | "DATE_TIME"
        | "AGE" | "NRP" => folded(value),
        // Identifiers are grouped in different ways.
        _ => Some(alphanumeric()).filter(|found: &String| !found.is_empty()).unwrap_or_else(|| folded(value)),
    }
}
