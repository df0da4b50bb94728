//! What the labels of other people's models mean here.
//!
//! Names are those of CoNLL-2003 and OntoNotes, of the sets of personal data that token classifiers are trained on, and
//! our own. Prefixes of IOB, IOE and BILOU schemes are taken off.

use std::collections::BTreeSet;

use super::Label;

/// A kind of candidate, and what may stand between its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// A person, place or organisation.
    Name(Label),
    /// A part of a postal address.
    Address,
    /// A town or state as a part of an address. Alone it is nothing: models that know this label learned it from forms, and
    /// find towns where there are none in other text.
    Town,
    /// A number, an address of the web, or what else is written without words.
    Code(Label),
    /// A number that stands for a person, of whatever authority.
    Identity,
}

impl Group {
    pub(super) fn label(self) -> Label {
        match self {
            Self::Name(label) | Self::Code(label) => label,
            Self::Address | Self::Town => Label::LOCATION,
            Self::Identity => Label::ACCOUNT_NUMBER,
        }
    }

    pub(super) fn kind(self) -> Option<&'static str> {
        match self {
            Self::Address => Some("address"),
            Self::Identity => Some("identity-number"),
            Self::Name(_) | Self::Town | Self::Code(_) => None,
        }
    }

    /// Whether two of its kind that stand beside each other stay two.
    pub(super) fn is_told_apart(self) -> bool {
        matches!(self, Self::Name(_))
    }

    /// Whether a word of `next` behind `gap` belongs to the same candidate. What stands on another line of an address, or behind
    /// a comma, is a candidate of its own, as it is for the rules.
    pub(super) fn joins(self, next: Self, gap: &str) -> bool {
        let (most, between): (usize, &[char]) = match (self, next) {
            (Self::Address, Self::Address) => (3, &[' ', ',', '.', '-', '/', '#']),
            (Self::Address | Self::Town, Self::Address | Self::Town) => (1, &[' ']),
            (Self::Name(a), Self::Name(b)) if a == b => (2, &[' ', '-', '\'', '’', '.', '&']),
            (Self::Code(a), Self::Code(b)) if a == b => (2, &[' ', '-', '.', '/', '(', ')', '@', '_', ':', '+']),
            (Self::Identity, Self::Identity) => (1, &[' ', '-', '.', '/']),
            _ => return false,
        };
        gap.chars().count() <= most && gap.chars().all(|c| between.contains(&c))
    }

    /// What a candidate is when a word of `other` has joined it.
    pub(super) fn with(self, other: Self) -> Self {
        if other == Self::Address { other } else { self }
    }

    /// Whether a text has what no value of this kind is without.
    pub(super) fn suits(self, text: &str) -> bool {
        let digits = || text.chars().filter(|c| c.is_numeric()).count();
        match self {
            Self::Name(_) => text.chars().filter(|c| c.is_alphabetic()).count() > 1 && !is_lower_case(text),
            Self::Address => text.chars().count() > if digits() > 0 { 2 } else { 5 },
            Self::Town => false,
            Self::Identity => digits() > 4,
            Self::Code(Label::EMAIL_ADDRESS) => text.contains('@'),
            Self::Code(Label::URL) => text.contains('.') && !text.contains('@'),
            Self::Code(Label::PHONE_NUMBER) => digits() > 5,
            Self::Code(Label::IP_ADDRESS | Label::MAC_ADDRESS) => text.contains(['.', ':', '-']),
            Self::Code(Label::USERNAME | Label::CREDENTIAL) => text.chars().count() > 2,
            Self::Code(Label::DATE_TIME | Label::AGE) => digits() > 0,
            Self::Code(_) => digits() > 3,
        }
    }
}

/// Whether all letters are small ones. Models that do not see case find names among the words of plain prose.
fn is_lower_case(text: &str) -> bool {
    text.chars().all(|c| !c.is_alphabetic() || c.is_lowercase())
}

/// What a label of a model says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    /// Index in [`Meanings::known`].
    pub(super) meaning: usize,
    /// Whether it marks the first word of something.
    pub(super) begins: bool,
}

/// The labels of a model, read.
pub(super) struct Meanings {
    /// One for each label of the model; absent for `O` and for what is not known.
    pub(super) tags: Vec<Option<Tag>>,
    /// The groups of the different names, in the order in which they come.
    pub(super) known: Vec<Group>,
    /// Names without prefix, sorted.
    pub(super) unknown: Vec<String>,
}

impl Meanings {
    pub(super) fn of(labels: &[String]) -> Self {
        let (mut names, mut known, mut unknown) = (Vec::new(), Vec::new(), BTreeSet::new());
        let tag = |label: &String| {
            let (prefix, name) = match label.split_once(['-', '_']) {
                Some((prefix @ ("B" | "I" | "E" | "L" | "S" | "U"), name)) => (prefix, name),
                _ => ("I", label.as_str()),
            };
            if matches!(name, "O" | "0") {
                return None;
            }
            let name = name.to_ascii_uppercase().replace(['-', ' '], "_");
            let Some(group) = group(&name) else {
                unknown.insert(name);
                return None;
            };
            let meaning = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                known.push(group);
                names.len() - 1
            });
            Some(Tag { meaning, begins: matches!(prefix, "B" | "S" | "U") })
        };
        let tags = labels.iter().map(tag).collect();
        // Towns are parts of addresses only: a model without addresses finds none.
        if !known.contains(&Group::Address) {
            unknown.extend(
                names.iter().zip(&known).filter(|(_, group)| **group == Group::Town).map(|(name, _)| name.clone()),
            );
        }
        Self { tags, known, unknown: unknown.into_iter().collect() }
    }
}

fn group(name: &str) -> Option<Group> {
    Some(match name {
        "PER" | "PERSON" | "NAME" | "GIVEN_NAME" | "GIVENNAME" | "FIRST_NAME" | "FIRSTNAME" | "MIDDLE_NAME"
        | "MIDDLENAME" | "LAST_NAME" | "LASTNAME" | "SURNAME" | "FULL_NAME" | "PATIENT" | "DOCTOR" | "STAFF"
        | "HCW" | "NAME_STUDENT" | "PRIVATE_PERSON" => Group::Name(Label::PERSON),
        "LOC" | "LOCATION" | "GPE" | "FAC" | "FACILITY" | "COUNTRY" | "REGION" => Group::Name(Label::LOCATION),
        "CITY" | "TOWN" | "STATE" | "COUNTY" => Group::Town,
        "ORG" | "ORGANIZATION" | "ORGANISATION" | "COMPANY" | "COMPANY_NAME" | "COMPANYNAME" | "CORPORATION"
        | "HOSPITAL" => Group::Name(Label::ORGANIZATION),
        "ADDRESS" | "STREET" | "STREET_NAME" | "STREET_ADDRESS" | "BUILDING_NUMBER" | "BUILDINGNUMBER"
        | "BUILDINGNUM" | "SECONDARY_ADDRESS" | "SECONDARYADDRESS" | "ZIP" | "ZIP_CODE" | "ZIPCODE" | "POSTCODE"
        | "POSTAL_CODE" | "PRIVATE_ADDRESS" => Group::Address,
        "TAX_ID" | "TAXNUM" | "GOVERNMENT_ID" | "NATIONAL_ID" | "ID_NUM" | "IDCARDNUM" | "ID_CARD" | "ID" => {
            Group::Identity
        }
        "EMAIL" | "PRIVATE_EMAIL" => Group::Code(Label::EMAIL_ADDRESS),
        "PHONE" | "PHONENUMBER" | "TELEPHONE" | "TELEPHONENUM" | "PHONE_NUM" | "PHONE_NUMBER" | "FAX"
        | "PRIVATE_PHONE" => Group::Code(Label::PHONE_NUMBER),
        "URL_PERSONAL" | "PRIVATE_URL" => Group::Code(Label::URL),
        "DATE" | "TIME" | "DOB" | "DATE_OF_BIRTH" | "DATEOFBIRTH" | "PRIVATE_DATE" => Group::Code(Label::DATE_TIME),
        "CREDITCARD" | "CREDITCARDNUMBER" | "CREDIT_CARD_NUMBER" => Group::Code(Label::CREDIT_CARD),
        "IBAN" => Group::Code(Label::IBAN_CODE),
        "BANK_ACCOUNT" | "ACCOUNTNUM" | "ACCOUNTNUMBER" => Group::Code(Label::ACCOUNT_NUMBER),
        "ROUTING_NUMBER" => Group::Code(Label::ABA_ROUTING_NUMBER),
        "SSN" | "SOCIALNUM" => Group::Code(Label::US_SSN),
        "DRIVERS_LICENSE" | "DRIVER_LICENSE" | "DRIVERLICENSENUM" => Group::Code(Label::US_DRIVER_LICENSE),
        "PASSPORT" | "PASSPORT_NUMBER" | "PASSPORTNUM" => Group::Code(Label::US_PASSPORT),
        "MEDICALRECORD" | "MRN" => Group::Code(Label::MEDICAL_RECORD_NUMBER),
        "IP" | "IPV4" | "IPV6" => Group::Code(Label::IP_ADDRESS),
        "MAC" => Group::Code(Label::MAC_ADDRESS),
        "USER_NAME" => Group::Code(Label::USERNAME),
        "PASSWORD" | "SECRET" | "API_KEY" => Group::Code(Label::CREDENTIAL),
        other => Group::Code(*Label::ALL.iter().find(|label| label.0 == other)?),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn labels_of_common_models_are_known_with_any_prefix_and_others_are_named() {
        let labels =
            ["O", "B-GIVEN_NAME", "I-GIVEN_NAME", "L-zipcode", "U-ORG", "B-MISC", "I-MISC", "EMAIL_ADDRESS", "LABEL_7"];
        let meanings = Meanings::of(&labels.map(str::to_owned));
        assert_eq!(meanings.unknown, ["LABEL_7", "MISC"]);
        let of = |index: usize| meanings.tags[index].map(|tag| (meanings.known[tag.meaning], tag.begins));
        assert_eq!(of(0), None);
        assert_eq!(of(1), Some((Group::Name(Label::PERSON), true)));
        assert_eq!(of(2), Some((Group::Name(Label::PERSON), false)));
        assert_eq!(of(3), Some((Group::Address, false)));
        assert_eq!(of(4), Some((Group::Name(Label::ORGANIZATION), true)));
        assert_eq!(of(5), None);
        assert_eq!(of(7), Some((Group::Code(Label::EMAIL_ADDRESS), false)));
        assert_eq!(meanings.tags[1].unwrap().meaning, meanings.tags[2].unwrap().meaning);
        let of = |labels: &[&str]| Meanings::of(&labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["O", "B-CITY"]).unknown, ["CITY"]);
        assert!(of(&["O", "B-CITY", "B-STREET"]).unknown.is_empty());
    }

    #[test]
    fn pieces_of_an_address_join_and_towns_alone_are_nothing() {
        assert!(Group::Address.joins(Group::Town, " ") && Group::Town.joins(Group::Address, " "));
        assert!(Group::Address.joins(Group::Address, ", ") && !Group::Address.joins(Group::Address, "\n"));
        assert_eq!(Group::Town.with(Group::Address), Group::Address);
        assert!(!Group::Address.joins(Group::Town, ", ") && !Group::Address.joins(Group::Town, " near "));
        assert!(!Group::Town.suits("Springfield"));
        assert!(Group::Name(Label::PERSON).joins(Group::Name(Label::PERSON), "-"));
        assert!(!Group::Name(Label::PERSON).joins(Group::Name(Label::ORGANIZATION), " "));
    }

    #[test]
    fn a_value_has_what_its_kind_needs() {
        assert!(!Group::Code(Label::EMAIL_ADDRESS).suits("ana") && Group::Code(Label::EMAIL_ADDRESS).suits("a@b.org"));
        assert!(!Group::Code(Label::PHONE_NUMBER).suits("12-34") && !Group::Name(Label::PERSON).suits("7"));
        assert!(!Group::Name(Label::PERSON).suits("ana") && Group::Name(Label::PERSON).suits("東京"));
        assert!(!Group::Address.suits("Suite") && Group::Address.suits("12 b"));
        assert!(!Group::Identity.suits("ticket") && Group::Identity.suits("AB 12345"));
    }
}
