//! What the name of a member, or of a column, says of its value: `ssn`, `date_of_birth`, `Telefonnummer`.
//!
//! Invariants: a name announces something only where its words are known, and looking costs a bounded number of steps;
//! the names under which whole texts lie (`content`, `text`, `value`, `prompt`) announce nothing; what a name announces
//! counts only where the value looks like it, so that `name` in the object of a tool makes no person of `get_weather`.
//!
//! An announced value is searched as if the words of [`Announcement::words`] stood before it in a text, so that every
//! detector weighs it as it weighs `SSN: …`. Where none of them finds anything, the value as a whole is what its name
//! says ([`Announcement::declared`]).
//! Sources: 45 CFR 164.514(b)(2)(i) for the kinds; the languages of [`super::LOCALES`] for the words.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::ident::{Identifiers, cue_words};
use super::names::{self, Names, Word, plain};
use super::secret::{is_account_name, is_placeholder};
use super::{Label, Span};

/// Longest name that is looked at, in bytes, and the most words of one.
const NAME: usize = 64;
const WORDS: usize = 8;
/// Longest value that a name announces, in bytes: what is longer is a text, with words of its own.
const VALUE: usize = 160;
/// Score of a value of which its name alone says what it is.
const DECLARED: f32 = 0.6;

/// What a name announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Phone,
    Email,
    Birth,
    Postcode,
    Card,
    Account,
    /// A person's name for sure: `last_name`.
    Person,
    /// `name`: of a person, or of anything.
    Name,
    Town,
    Address,
    Password,
    Key,
    Pin,
    User,
    Ip,
    Mac,
    Age,
    /// A number that the rules of [`super::ident`] know by this word.
    Number(&'static str),
}

/// Words without spaces and diacritics, a section for each kind of [`KINDS`] and then for each list of [`Known`].
const MEMBERS: &str = include_str!("../../data/members.txt");

/// The kinds in the order of their sections.
const KINDS: [Kind; 17] = [
    Kind::Phone,
    Kind::Email,
    Kind::Birth,
    Kind::Postcode,
    Kind::Card,
    Kind::Account,
    Kind::Person,
    Kind::Name,
    Kind::Town,
    Kind::Address,
    Kind::Password,
    Kind::Key,
    Kind::Pin,
    Kind::User,
    Kind::Ip,
    Kind::Mac,
    Kind::Age,
];

/// Kinds whose word has to be the whole name: `page_name` and `average_age` are nobody's.
const WHOLE: &[Kind] = &[Kind::Name, Kind::Age, Kind::Pin, Kind::Mac];

/// The words that are known.
struct Known {
    kinds: HashMap<String, Kind>,
    /// Whose name a member ending in `name` holds.
    bearers: HashSet<&'static str>,
    /// Words behind the one that says what a value is: `phone_home`, `ssn_number`, `email_1`.
    qualifiers: HashSet<&'static str>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut sections = MEMBERS.split("# ").skip(1).map(|section| {
        let words = section.split_once('\n').map_or("", |(_, words)| words);
        words.split_whitespace().collect::<HashSet<&'static str>>()
    });
    let kinds_of_members: Vec<HashSet<&str>> = sections.by_ref().take(KINDS.len()).collect();
    let [bearers, qualifiers, vague] = [(); 3].map(|()| sections.next().unwrap_or_default());
    let compact = |words: &str| plain(words).chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let mut kinds: HashMap<String, Kind> = HashMap::new();
    for cue in cue_words() {
        let words = compact(cue);
        // Some words of rules say too little of a whole value: a form or a sentence gives them their meaning.
        if !vague.contains(words.as_str()) {
            kinds.insert(words, Kind::Number(cue));
        }
    }
    for (kind, words) in KINDS.into_iter().zip(kinds_of_members) {
        kinds.extend(words.into_iter().map(|words| (compact(words), kind)));
    }
    Known { kinds, bearers, qualifiers }
});

/// What a name says of the value under it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Announcement(Kind);

/// Whether a number under a member of this name is searched: one of the names that announce something.
pub(crate) fn announces(name: &str) -> bool {
    kind_of(name).is_some()
}

fn kind_of(name: &str) -> Option<Kind> {
    if name.is_empty() || name.len() > NAME {
        return None;
    }
    let words = words(name);
    if words.len() > WORDS {
        return None;
    }
    let is_qualifier =
        |word: &String| KNOWN.qualifiers.contains(word.as_str()) || word.bytes().all(|byte| byte.is_ascii_digit());
    let qualified = words.iter().rev().take_while(|word| is_qualifier(word)).count();
    for end in (words.len() - qualified..=words.len()).rev().filter(|end| *end > 0) {
        for start in 0..end {
            let joined = words[start..end].concat();
            let single = joined.strip_suffix('s').unwrap_or(&joined);
            let found = KNOWN.kinds.get(&joined).or_else(|| KNOWN.kinds.get(single)).copied();
            let Some(kind) = found else { continue };
            if start == 0 || !WHOLE.contains(&kind) {
                return Some(kind);
            }
            let named = matches!(single, "name" | "naam" | "navn" | "namn");
            if kind == Kind::Name && named && KNOWN.bearers.contains(words[start - 1].as_str()) {
                return Some(Kind::Person);
            }
        }
    }
    None
}

/// The words of a name, in small letters without diacritics: parted by signs, by capitals (`dateOfBirth`, `SSNumber`), and
/// where digits begin and end.
fn words(name: &str) -> Vec<String> {
    let name: Vec<char> = name.chars().collect();
    let (mut words, mut word) = (Vec::new(), String::new());
    for (at, &c) in name.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| name[at]);
        let hump = before.is_some_and(|before| {
            before.is_lowercase() && c.is_uppercase()
                || before.is_ascii_digit() != c.is_ascii_digit()
                || before.is_uppercase() && c.is_uppercase() && name.get(at + 1).is_some_and(|next| next.is_lowercase())
        });
        if !c.is_alphanumeric() || hump {
            words.push(std::mem::take(&mut word));
        }
        // A combining mark stays with its letter.
        if c.is_alphanumeric() || ('\u{300}'..='\u{36F}').contains(&c) {
            word.push(c);
        }
    }
    words.push(word);
    words.into_iter().filter(|word| !word.is_empty()).map(|word| plain(&word)).collect()
}

impl Announcement {
    /// What `name` says of `value`; `None` where it says nothing, or the value does not look like it.
    pub(crate) fn of(name: &str, value: &str) -> Option<Self> {
        if value.is_empty() || value.len() > VALUE {
            return None;
        }
        let kind = kind_of(name)?;
        if is_nothing(value.trim()) {
            return None;
        }
        (kind != Kind::Name || is_full_name(names::shared(), value.trim())).then_some(Self(kind))
    }

    /// What would stand before the value in a text.
    pub(crate) fn words(self) -> &'static str {
        match self.0 {
            Kind::Phone => "Phone",
            Kind::Email => "E-mail",
            Kind::Birth => "Date of birth",
            Kind::Postcode => "ZIP",
            Kind::Card => "Card number",
            Kind::Account => "Account number",
            Kind::Person | Kind::Name => "Name",
            Kind::Town => "City",
            Kind::Address => "Address",
            Kind::Password => "Password",
            Kind::Key => "API key",
            Kind::Pin => "PIN",
            Kind::User => "Username",
            Kind::Ip => "IP address",
            Kind::Mac => "MAC address",
            Kind::Age => "Age",
            Kind::Number(cue) => cue,
        }
    }

    /// The value as a whole, where it looks like what its name says. What was `found` in it already is better known.
    pub(crate) fn declared(self, value: &str, found: &[Span], identifiers: &Identifiers) -> Option<Span> {
        let text = value.trim();
        let start = value.len() - value.trim_start().len();
        let whole = |label| Some(Span::new(start, start + text.len(), label, DECLARED));
        let label = match self.0 {
            Kind::Person | Kind::Name => {
                return person(value, found).map(|(from, to)| Span::new(from, to, Label::PERSON, DECLARED));
            }
            _ if !found.is_empty() => return None,
            Kind::Phone => is_phone(text).then_some(Label::PHONE_NUMBER),
            Kind::Email => is_mail(text).then_some(Label::EMAIL_ADDRESS),
            Kind::Birth => is_day(text).then_some(Label::DATE_TIME),
            Kind::Postcode if is_postcode(text) => return whole(Label::LOCATION).map(|span| span.of_kind("postcode")),
            Kind::Card => (12..=19).contains(&digits(text, " -")?).then_some(Label::CREDIT_CARD),
            Kind::Account => account(text),
            Kind::Town => is_town(text).then_some(Label::LOCATION),
            Kind::Address if is_address(text) => return whole(Label::LOCATION).map(|span| span.of_kind("address")),
            Kind::Password if is_secret(text, 4) => {
                return whole(Label::CREDENTIAL).map(|span| span.of_kind("password"));
            }
            Kind::Key if is_secret(text, 12) => return whole(Label::CREDENTIAL).map(|span| span.of_kind("token")),
            Kind::Pin if (3..=8).contains(&digits(text, "")?) => {
                return whole(Label::CREDENTIAL).map(|span| span.of_kind("pin"));
            }
            Kind::User => is_account_name(text).then_some(Label::USERNAME),
            Kind::Age => text.parse::<u8>().is_ok_and(|age| age <= 125).then_some(Label::AGE),
            Kind::Number(cue) => identifiers.cued(cue, text),
            _ => None,
        };
        whole(label?)
    }
}

/// Words that forms are filled with where there is nothing to say.
fn is_nothing(text: &str) -> bool {
    const NOTHING: &[&str] = &[
        "unknown",
        "n/a",
        "na",
        "none",
        "null",
        "nil",
        "nan",
        "undefined",
        "anonymous",
        "redacted",
        "string",
        "test",
        "tbd",
        "other",
        "yes",
        "no",
        "true",
        "false",
        "unbekannt",
        "keine",
        "desconocido",
        "inconnu",
        "sconosciuto",
        "default",
        "example",
        "required",
        "optional",
    ];
    let lower = text.to_lowercase();
    NOTHING.contains(&lower.as_str())
        || !text.contains(char::is_alphanumeric)
        || (text.starts_with('<') && text.ends_with('>'))
}

/// How many digits a value has that is made of digits and `signs` alone.
fn digits(text: &str, signs: &str) -> Option<usize> {
    let fits = text.chars().all(|c| c.is_ascii_digit() || signs.contains(c));
    fits.then(|| text.bytes().filter(u8::is_ascii_digit).count())
}

fn is_phone(text: &str) -> bool {
    let number = text.split(['x', 'X', 'e', 'E']).next().unwrap_or_default().trim_end();
    let more = text[number.len()..].trim_start_matches(|c: char| !c.is_ascii_digit());
    let extension =
        more.len() <= 6 && more.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= number.len() + 14;
    extension && digits(number, " +-().\u{2f}\u{a0}\u{2011}").is_some_and(|count| (6..=15).contains(&count))
}

fn is_mail(text: &str) -> bool {
    let parts = text.split_once('@').filter(|(local, host)| !local.is_empty() && !host.is_empty());
    parts.is_some() && !text.contains(char::is_whitespace)
}

fn is_day(text: &str) -> bool {
    let count = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let signs = text.chars().all(|c| c.is_alphanumeric() || " -/.,:+'".contains(c));
    signs && (4..=20).contains(&count) && letters <= 12 && text.len() <= 40
}

/// `90210`, `90210-1234`, `SW1A 1AA`, `K1A 0B1`, `1012 AB`, `00-950`, `2134` that lost its zero.
fn is_postcode(text: &str) -> bool {
    let count = text.bytes().filter(u8::is_ascii_digit).count();
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-'));
    let groups = text.split([' ', '-']).count() <= 2;
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    fits && groups
        && (3..=10).contains(&text.len())
        && count >= 2
        && letters <= 5
        && (count > 3 || letters > 0 || count == text.len())
}

fn account(text: &str) -> Option<Label> {
    let compact: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b' ' | b'-' | b'/' | b'.')).collect();
    let count = compact.iter().filter(|byte| byte.is_ascii_digit()).count();
    let fits = compact.iter().all(u8::is_ascii_alphanumeric) && (4..=34).contains(&compact.len()) && count >= 4;
    let iban = matches!(compact.as_slice(), [a, b, c, d, ..] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic()
        && c.is_ascii_digit() && d.is_ascii_digit() && compact.len() >= 15);
    fits.then_some(if iban { Label::IBAN_CODE } else { Label::ACCOUNT_NUMBER })
}

/// Words of letters, with the signs that stand inside names.
fn is_words(text: &str, most: usize) -> bool {
    let fits = |c: char| c.is_alphabetic() || " '.-,\u{2019}\u{300}\u{301}\u{308}\u{b7}()".contains(c);
    text.chars().all(fits) && text.split_whitespace().count() <= most && text.contains(char::is_alphabetic)
}

/// A word in small letters that everybody uses is the word and no name.
fn is_ordinary(text: &str) -> bool {
    let names = names::shared();
    text.chars().all(|c| !c.is_uppercase()) && text.split_whitespace().all(|word| names.look_up(word).ordinary)
}

fn is_town(text: &str) -> bool {
    text.len() <= 60 && text.chars().count() > 1 && is_words(text, 6) && !is_ordinary(text)
}

fn is_address(text: &str) -> bool {
    let plain = !text.contains(['@', '=', '\\', '{', '<', '_']) && !text.contains("://") && !text.starts_with("0x");
    let count = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let several = text.split_whitespace().count() > 1;
    let named = text.contains(|c: char| c.is_uppercase() || c as u32 >= 0x2E80);
    plain && letters >= 3 && (several && (count > 0 || named) || count == 0 && named && is_words(text, 8))
}

fn is_secret(text: &str, least: usize) -> bool {
    text.chars().count() >= least && !text.contains(char::is_whitespace) && !is_placeholder(text)
}

/// Whether a value that may be anything's name is a person's: words in capitals that begin with a known given name, or
/// `Ruiz, Ana`, and none that a company or an ordinary thing has.
fn is_full_name(names: &Names, text: &str) -> bool {
    if text.len() > 60 || !is_words(text, 6) || is_nothing(text) {
        return false;
    }
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let title = |word: &str| names::name_filler(&plain(word.trim_end_matches('.'))).is_some();
    let capital = |word: &&str| word.starts_with(char::is_uppercase);
    let other = |word: &&str| {
        let known = names.look_up(word);
        known.is(Word::Company) || known.is(Word::Organisation) || known.is(Word::Stop)
    };
    let own: Vec<&str> = words.iter().copied().filter(|word| !title(word)).collect();
    if own.is_empty() || !own.iter().all(capital) || own.iter().any(other) {
        return false;
    }
    let titled = words
        .first()
        .is_some_and(|word| names.look_up(word.trim_end_matches('.')).is(Word::Honorific) && words.len() > 1);
    let given = |word: &&&str| {
        let known = names.look_up(word);
        known.is_given() && !known.ordinary
    };
    match own.as_slice() {
        _ if titled => true,
        [one] => names.look_up(one).mostly_given() && !names.look_up(one).common && !names.look_up(one).ordinary,
        own => {
            own.iter().any(|word| given(&word))
                && !own.iter().any(|word| names.look_up(word).ordinary && !names.look_up(word).is_name())
        }
    }
}

/// Where a person's name stands in a value that has one, without the titles around it; `None` where it was found.
fn person(value: &str, found: &[Span]) -> Option<(usize, usize)> {
    let text = value.trim();
    if text.len() > 80 || text.chars().count() < 2 || !is_words(text, 7) || is_nothing(text) || is_ordinary(text) {
        return None;
    }
    let mut words = pieces(value);
    words.retain(|(start, end)| {
        let word = plain(value[*start..*end].trim_end_matches('.'));
        !matches!(names::name_filler(&word), Some(names::Filler::Honorific | names::Filler::Suffix))
    });
    let covered = |(start, end): &(usize, usize)| found.iter().any(|span| span.start <= *start && span.end + 1 >= *end);
    if words.iter().all(covered) {
        return None;
    }
    Some((words.first()?.0, words.last()?.1))
}

/// The words of a value, by their places.
fn pieces(value: &str) -> Vec<(usize, usize)> {
    let apart = |c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')');
    let (mut pieces, mut from) = (Vec::new(), 0);
    for (at, sign) in value.match_indices(apart).chain([(value.len(), "")]) {
        if value[from..at].contains(char::is_alphabetic) {
            pieces.push((from, at));
        }
        from = at + sign.len();
    }
    pieces
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::{Detector, DetectorOptions, Field};
    use super::*;

    fn found(name: &str, value: &str) -> Vec<(String, &'static str)> {
        let detector = Detector::new(&DetectorOptions::default()).unwrap();
        let fields = [Field { name: Some(name), text: value }];
        let spans = detector.detect_fields(&fields).pop().unwrap();
        spans.iter().map(|span| (value[span.start..span.end].to_owned(), span.label.0)).collect()
    }

    #[test]
    fn names_are_read_word_by_word_in_every_way_of_writing_them() {
        for name in [
            "date_of_birth",
            "dateOfBirth",
            "DateOfBirth",
            "DATE OF BIRTH",
            "date-of-birth",
            "patient.dateOfBirth",
            "DOB",
        ] {
            assert_eq!(kind_of(name), Some(Kind::Birth), "{name}");
        }
        for (name, kind) in [
            ("SSN", Kind::Number("ssn")),
            ("customerSSN", Kind::Number("ssn")),
            ("ssn_number", Kind::Number("ssn")),
            ("phone1", Kind::Phone),
            ("Home Phone", Kind::Phone),
            ("phone_work", Kind::Phone),
            ("phones", Kind::Phone),
            ("E-Mail-Adresse", Kind::Email),
            ("patientName", Kind::Person),
            ("emergency_contact_name", Kind::Person),
            ("prénom", Kind::Person),
            ("IPAddress", Kind::Ip),
            ("Dirección", Kind::Address),
            ("주민등록번호", Kind::Number("주민등록번호")),
        ] {
            assert_eq!(kind_of(name), Some(kind), "{name}");
        }
        for name in [
            "content",
            "text",
            "value",
            "prompt",
            "completion",
            "instruction",
            "input",
            "output",
            "role",
            "type",
            "id",
            "file_name",
            "tool_name",
            "page",
            "password_hash",
            "email_subject",
            "description",
            "average_age",
            "url",
            "",
        ] {
            assert_eq!(kind_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_value_alone_is_what_its_name_says() {
        for (name, value, label) in [
            ("ssn", "123456789", "US_SSN"),
            ("phone", "5551234567", "PHONE_NUMBER"),
            ("email", "ana@intranet", "EMAIL_ADDRESS"),
            ("dob", "04121980", "DATE_TIME"),
            ("zip", "02134", "LOCATION"),
            ("zip", "2134", "LOCATION"),
            ("account_number", "AC-77120", "ACCOUNT_NUMBER"),
            ("iban", "DE00123456780000000000", "IBAN_CODE"),
            ("mrn", "00482913", "MEDICAL_RECORD_NUMBER"),
            ("passport", "123456789", "US_PASSPORT"),
            ("first_name", "Zhiqiang", "PERSON"),
            ("last_name", "obrist", "PERSON"),
            ("full_name", "Kehinde Adeyemi-Holt", "PERSON"),
            ("name", "Maria Obrist", "PERSON"),
            ("city", "Neuwied", "LOCATION"),
            ("address", "Am Anger 7", "LOCATION"),
            ("password", "correcthorse", "CREDENTIAL"),
            ("api_key", "abcdefghijklmnopqrst", "CREDENTIAL"),
            ("username", "obrist", "USERNAME"),
            ("age", "93", "AGE"),
        ] {
            assert_eq!(found(name, value), [(value.to_owned(), label)], "{name}");
        }
        assert_eq!(found("patient_name", "Dr. Obrist Kell"), [("Obrist Kell".to_owned(), "PERSON")]);
    }

    #[test]
    fn names_of_tools_and_things_are_nobodys() {
        for (name, value) in [
            ("name", "get_weather"),
            ("name", "Search"),
            ("name", "mark"),
            ("name", "gpt-4"),
            ("first_name", "string"),
            ("first_name", "<PERSON>"),
            ("city", "unknown"),
            ("address", "0x7ffeefbff5c8"),
            ("address", "localhost"),
            ("zip", "archive"),
            ("phone", "none"),
            ("phone", "iPhone 12"),
            ("password", "string"),
            ("account", "Main"),
            ("card", "Ace of Spades"),
            ("mac", "Mac mini"),
        ] {
            assert_eq!(found(name, value), [], "{name}: {value}");
        }
    }

    #[test]
    fn what_a_name_announces_stays_in_its_value() {
        for name in ["content", "text", "value"] {
            assert_eq!(found(name, "123456789"), [], "{name}");
        }
        let long = format!("{} 123456789", "word ".repeat(60));
        assert_eq!(found("ssn", &long), []);
        assert_eq!(found("phone", " 5551234567 "), [("5551234567".to_owned(), "PHONE_NUMBER")]);
    }
}
