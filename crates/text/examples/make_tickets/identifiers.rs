//! Random identifiers of valid form, and the labels of the spans they make.
//!
//! Invariant: numbers come from ranges that are reserved for fiction, tests or documentation where such a range
//! exists; otherwise they are random with valid check digits.
//! Sources: 555-0100 to 555-0199 (NANPA); Ofcom "Numbers for drama"; Bundesnetzagentur notice 148/2021 "Drama
//! Numbers"; ARCEP decision 2018-0881 (numbers for audiovisual works); RFC 2606 (example.com, .net, .org);
//! RFC 5737 and RFC 3849 (documentation addresses), RFC 1918; ISO 7812 (Luhn), ISO 13616 (IBAN).
//! Spain publishes no fictional range: those numbers are random.

use crate::places::{Country, STREET_ENDS, STREET_STEMS, UK_STREETS, US_STREETS};
use crate::prng::Prng;

/// What a piece of personal data is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Full name.
    Name,
    /// Given name alone.
    Given,
    /// E-mail address.
    Email,
    /// Telephone number.
    Phone,
    /// Payment card number.
    Card,
    /// International bank account number.
    Iban,
    /// US social security number.
    Ssn,
    /// IP address, version 4 or 6.
    Ip,
    /// Web address.
    Url,
    /// Access key of a vendor.
    ApiKey,
    /// Password.
    Password,
    /// Street address.
    Address,
    /// City.
    City,
}

impl Kind {
    /// The label of a span.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Name | Self::Given => "PERSON",
            Self::Email => "EMAIL_ADDRESS",
            Self::Phone => "PHONE_NUMBER",
            Self::Card => "CREDIT_CARD",
            Self::Iban => "IBAN_CODE",
            Self::Ssn => "US_SSN",
            Self::Ip => "IP_ADDRESS",
            Self::Url => "URL",
            Self::ApiKey | Self::Password => "CREDENTIAL",
            Self::Address | Self::City => "LOCATION",
        }
    }

    /// The name of the slot in the phrases.
    pub(crate) fn slot(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Given => "given",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::Ssn => "ssn",
            Self::Ip => "ip",
            Self::Url => "url",
            Self::ApiKey => "key",
            Self::Password => "password",
            Self::Address => "address",
            Self::City => "city",
        }
    }

    /// All kinds.
    pub(crate) const ALL: [Self; 13] = [
        Self::Name,
        Self::Given,
        Self::Email,
        Self::Phone,
        Self::Card,
        Self::Iban,
        Self::Ssn,
        Self::Ip,
        Self::Url,
        Self::ApiKey,
        Self::Password,
        Self::Address,
        Self::City,
    ];
}

const BASE62: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const WORDS: &[&str] = &[
    "tern", "anchor", "cobalt", "lagoon", "maple", "pixel", "rocket", "saffron", "tundra", "violet", "walnut",
    "zephyr", "copper", "domino", "ember", "falcon", "ginger", "harpoon", "island", "jigsaw", "kettle", "lobster",
    "mango", "nectar", "orbit", "pepper", "quartz", "raven", "sextant", "turnip",
];

/// A telephone number; `us_area` is used in the United States only.
pub(crate) fn phone(rng: &mut Prng, country: Country, us_area: &str) -> String {
    match country {
        Country::Us => {
            let line = format!("01{}", rng.digits(2));
            match rng.below(5) {
                0 => format!("({us_area}) 555-{line}"),
                1 => format!("{us_area}-555-{line}"),
                2 => format!("+1 ({us_area}) 555-{line}"),
                _ => format!("+1 {us_area}-555-{line}"),
            }
        }
        Country::Uk => match rng.below(5) {
            0 => format!("+44 20 7946 0{}", rng.digits(3)),
            1 => format!("+44 {} 496 0{}", rng.pick(&["113", "117", "121", "141", "151", "161"]), rng.digits(3)),
            2 => format!("07700 900{}", rng.digits(3)),
            _ => format!("+44 7700 900{}", rng.digits(3)),
        },
        Country::De => {
            let area = rng.pick(&["30 23125", "69 90009", "40 66969", "221 4710", "89 99998", "171 39200"]);
            let count = if area.starts_with("171") { 2 } else { 3 };
            let number = format!("{area}{}{}", if rng.chance(50) { " " } else { "" }, rng.digits(count));
            if rng.chance(15) { format!("0{number}") } else { format!("+49 {number}") }
        }
        Country::Fr => {
            let area = rng.pick(&["1 99 00", "2 61 91", "3 53 01", "4 65 71", "5 36 49", "6 39 98", "6 39 98"]);
            let number = format!("{area} {} {}", rng.digits(2), rng.digits(2));
            if rng.chance(15) { format!("0{number}") } else { format!("+33 {number}") }
        }
        Country::Es => {
            if rng.chance(60) {
                format!("+34 6{} {} {}", rng.digits(2), rng.digits(3), rng.digits(3))
            } else {
                format!("+34 9{} {} {} {}", rng.between(1, 8) * 10 + 1, rng.digits(3), rng.digits(2), rng.digits(2))
            }
        }
    }
}

/// A mailbox at a name that RFC 2606 keeps free; `given` and `surname` are plain ASCII.
pub(crate) fn email(rng: &mut Prng, given: &str, surname: &str) -> String {
    let initial = &given[..1];
    let user = match rng.below(9) {
        0 => format!("{given}{surname}"),
        1 => format!("{initial}.{surname}"),
        2 => format!("{initial}{surname}{}", rng.between(1, 99)),
        3 => format!("{given}_{surname}"),
        4 => format!("{given}{}", rng.between(1950, 2006)),
        5 => format!("{}{}", rng.pick(WORDS), rng.between(10, 999)),
        _ => format!("{given}.{surname}"),
    };
    let host = rng.pick(&["", "", "", "mail.", "post.", "inbox.", "home.", "work.", "office."]);
    format!("{user}@{host}{}", rng.pick(&["example.com", "example.org", "example.net"]))
}

/// A payment card number with the first digits of a published test number.
pub(crate) fn card(rng: &mut Prng) -> String {
    let (prefix, length) = [
        ("42424242", 16),
        ("41111111", 16),
        ("40000566", 16),
        ("55555555", 16),
        ("51051051", 16),
        ("22230031", 16),
        ("60111111", 16),
        ("35301113", 16),
        ("3782822", 15),
        ("3714496", 15),
    ][rng.below(10)];
    let body = format!("{prefix}{}", rng.digits(length - 1 - prefix.len()));
    let number = format!("{body}{}", luhn_digit(&body));
    let separator = rng.pick(&[" ", " ", "-", ""]);
    let cuts: &[usize] = if length == 15 { &[4, 10] } else { &[4, 8, 12] };
    number.char_indices().fold(String::new(), |mut text, (at, digit)| {
        if cuts.contains(&at) {
            text.push_str(separator);
        }
        text.push(digit);
        text
    })
}

/// The digit that completes `body` to a number that passes the Luhn check.
fn luhn_digit(body: &str) -> u32 {
    let sum: u32 = (body.bytes().rev().enumerate())
        .map(|(at, byte)| u32::from(byte - b'0') * if at % 2 == 0 { 2 } else { 1 })
        .map(|value| value / 10 + value % 10)
        .sum();
    (10 - sum % 10) % 10
}

/// An IBAN of the length and the letters of its country, with valid check digits. HLBK is no bank.
pub(crate) fn iban(rng: &mut Prng, country: Country) -> String {
    let code = match country {
        Country::Us => rng.pick(&["IE", "NL", "PT", "IT", "BE"]),
        Country::Uk => "GB",
        Country::De => "DE",
        Country::Fr => "FR",
        Country::Es => "ES",
    };
    let (letters, digits) = match code {
        "GB" | "IE" => ("HLBK", 14),
        "NL" => ("HLBK", 10),
        "DE" => ("", 18),
        "FR" => ("", 23),
        "ES" => ("", 20),
        "PT" => ("", 21),
        "IT" => ("X", 22),
        _ => ("", 12),
    };
    let account = format!("{letters}{}", rng.digits(digits));
    let check = 98 - mod97(&format!("{account}{code}00"));
    let whole = format!("{code}{check:02}{account}");
    if rng.chance(35) {
        return whole;
    }
    whole.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

/// The remainder modulo 97 of digits and letters, a letter counting from A = 10.
pub(crate) fn mod97(text: &str) -> u32 {
    text.chars()
        .filter_map(|letter| letter.to_digit(36))
        .fold(0, |rest, value| if value < 10 { (rest * 10 + value) % 97 } else { (rest * 100 + value) % 97 })
}

/// A social security number in an area that was never given out before 2011, when areas lost their meaning.
pub(crate) fn ssn(rng: &mut Prng) -> String {
    format!("{}-{:02}-{:04}", rng.between(773, 899), rng.between(1, 99), rng.between(1, 9999))
}

/// A documentation address, or a private one.
pub(crate) fn ip(rng: &mut Prng) -> String {
    match rng.below(10) {
        0..=4 => {
            format!("{}.{}", rng.pick(&["192.0.2", "198.51.100", "203.0.113"]), rng.between(1, 254))
        }
        5 => format!("192.168.{}.{}", rng.below(256), rng.between(1, 254)),
        6 => format!("10.{}.{}.{}", rng.below(256), rng.below(256), rng.between(1, 254)),
        7 => format!("2001:db8::{:x}", rng.between(1, 0xffff)),
        8 => format!("2001:db8:{:x}::{:x}", rng.between(1, 0xffff), rng.between(1, 0xffff)),
        _ => format!("2001:db8:{:x}:{:x}::{:x}", rng.below(0x10000), rng.between(1, 0xffff), rng.between(1, 255)),
    }
}

/// A web address at a name that RFC 2606 keeps free.
pub(crate) fn url(rng: &mut Prng) -> String {
    let host = format!("{}.{}", rng.pick(WORDS), rng.pick(&["example.com", "example.org", "example.net"]));
    let word = rng.pick(WORDS);
    match rng.below(5) {
        0 => format!("https://{host}"),
        1 => format!("http://{host}/{word}"),
        2 => format!("https://{host}/shop?item={}", rng.digits(3)),
        3 => format!("www.{host}/{word}"),
        _ => format!("https://{host}/{word}/index.html"),
    }
}

/// A random key in the published form of a vendor.
pub(crate) fn api_key(rng: &mut Prng) -> String {
    match rng.below(5) {
        0 => format!("AKIA{}", rng.string(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
        1 => format!("sk_test_{}", rng.string(24, BASE62)),
        2 => format!("AIza{}", rng.string(35, BASE62)),
        3 => format!("glpat-{}", rng.string(20, BASE62)),
        _ => format!("hf_{}", rng.string(34, &BASE62[..52])),
    }
}

/// A password of the kind people choose.
pub(crate) fn password(rng: &mut Prng) -> String {
    let word = rng.pick(WORDS);
    let title = format!("{}{}", word[..1].to_uppercase(), &word[1..]);
    let mark = rng.pick(&["!", "#", "$", "%", "&", "*", "+", "="]);
    match rng.below(4) {
        0 => format!("{title}{}{mark}", rng.between(10, 9999)),
        1 => format!("{}{mark}{title}{}", rng.pick(WORDS), rng.between(1, 99)),
        2 => format!("{word}{mark}{}", rng.digits(4)),
        _ => format!("{}{}{mark}", rng.string(10, BASE62), rng.digits(1)),
    }
}

/// A street address with city and postal code; `area` is the state and the ZIP prefix, or the postal area.
pub(crate) fn address(rng: &mut Prng, country: Country, city: &str, state: &str, area: &str) -> String {
    let stem = format!("{}{}", rng.pick(STREET_STEMS), rng.pick(STREET_ENDS));
    if country == Country::Us {
        let street = rng.pick(US_STREETS);
        let unit = if rng.chance(20) { format!(", Apt {}", rng.between(1, 40)) } else { String::new() };
        let house = rng.between(11, 4999);
        format!("{house} {stem} {street}{unit}, {city}, {state} {area}{}", rng.digits(2))
    } else {
        let street = rng.pick(UK_STREETS);
        let code = format!("{area}{} {}{}", rng.between(1, 20), rng.below(10), rng.string(2, "ABDEFGHJLNPQRSTUWXYZ"));
        format!("{} {stem} {street}, {city} {code}", rng.between(1, 240))
    }
}
