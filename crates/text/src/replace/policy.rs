//! What happens to each kind of entity: the rules of a profile, and a file that changes some of them.
//!
//! Invariants: every label has exactly one rule; a policy that names an unknown entity, action or parameter, or an action
//! that an entity cannot take, is refused as a whole.
//!
//! ```toml
//! default = "surrogate"   # for every entity that has no rule below
//! scope = "subject"       # document, subject or dataset
//! random_table = false    # draw surrogates from a random table instead of deriving them from the value
//!
//! [entity.PERSON]
//! action = "redact"
//!
//! [entity.DATE_TIME]
//! action = "shift"
//! days = 180
//! ```
//!
//! Sources: 45 CFR 164.514(b)(2) and (c) for the Safe Harbor; Articles 4(5) and 9 of the GDPR.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::profile::{Profile, Scope};
use crate::detect::Label;
use crate::error::{Error, Result};

/// What is done to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Nothing.
    Keep,
    /// A made-up value of the same kind and form takes its place.
    Surrogate,
    /// `<LABEL>` takes its place.
    Redact,
    /// Asterisks take the place of its letters and digits.
    Mask,
    /// `LABEL_` and eight digits of a keyed hash take its place.
    Hash,
    /// `LABEL_` and sixteen digits of a keyed hash take its place.
    Pseudonym,
    /// It is made coarse: the year of a date, a capped age, the head of a postcode.
    Generalise,
    /// A date is moved by the offset of its subject.
    Shift,
    /// Its digits and letters are encrypted in their own alphabets (FF1).
    Fpe,
    /// It is encrypted, and the ciphertext takes its place.
    Encrypt,
}

impl Action {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Keep, "keep"),
        (Self::Surrogate, "surrogate"),
        (Self::Redact, "redact"),
        (Self::Mask, "mask"),
        (Self::Hash, "hash"),
        (Self::Pseudonym, "pseudonym"),
        (Self::Generalise, "generalise"),
        (Self::Shift, "shift"),
        (Self::Fpe, "fpe"),
        (Self::Encrypt, "encrypt"),
    ];

    fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name).map(|(action, _)| *action);
        found.ok_or_else(|| Error::UnknownAction { name: quoted(name), known: names(Self::ALL.map(|(_, name)| name)) })
    }
}

/// The rule for one kind of entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) action: Action,
    /// Largest offset of a shifted date.
    pub(crate) days: u16,
    /// Offsets are whole weeks, so that weekdays stay.
    pub(crate) weekday: bool,
    /// Whether `3/4/2020` begins with the day; where absent, the data decide.
    pub(crate) day_first: Option<bool>,
    /// Ages above it become one class.
    pub(crate) age_cap: u16,
    /// Years of an age class; 1 keeps the age.
    pub(crate) age_band: u16,
    /// Leading digits or characters of a postcode that stay.
    pub(crate) keep: u8,
    /// The current year: dates before the year of birth of whom is at the cap are made one class.
    pub(crate) as_of: u16,
    pub(crate) scope: Option<Scope>,
}

impl Rule {
    fn of(action: Action) -> Self {
        Self {
            action,
            days: 365,
            weekday: false,
            day_first: None,
            age_cap: 89,
            age_band: 1,
            keep: 3,
            as_of: current_year(),
            scope: None,
        }
    }
}

/// The rule of every kind of entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    profile: Profile,
    scope: Scope,
    random_table: bool,
    default: Rule,
    rules: BTreeMap<String, Rule>,
}

impl Policy {
    /// The rules of a profile.
    pub fn of(profile: Profile) -> Self {
        let default = Rule::of(match profile {
            Profile::Surrogate | Profile::HipaaSafeHarbor => Action::Surrogate,
            Profile::Redact => Action::Redact,
            Profile::Mask => Action::Mask,
            Profile::Hash => Action::Hash,
            Profile::GdprPseudonymise => Action::Pseudonym,
            Profile::Reversible => Action::Encrypt,
        });
        let rule = Rule::of;
        let special: Vec<(&str, Rule)> = match profile {
            // Nationality, religion and politics are none of the identifiers that the Safe Harbor lists.
            Profile::HipaaSafeHarbor => ["DATE_TIME", "AGE", "LOCATION", "ZIP_CODE"]
                .map(|label| (label, rule(Action::Generalise)))
                .into_iter()
                .chain(["UK_POSTCODE", "DE_PLZ"].map(|label| (label, rule(Action::Redact))))
                .chain([("NRP", rule(Action::Keep))])
                .collect(),
            Profile::GdprPseudonymise => vec![
                ("DATE_TIME", rule(Action::Shift)),
                ("AGE", Rule { age_band: 5, ..rule(Action::Generalise) }),
                ("NRP", rule(Action::Redact)),
            ],
            _ => Vec::new(),
        };
        Self {
            profile,
            scope: Scope::default(),
            random_table: profile == Profile::HipaaSafeHarbor,
            default,
            rules: special.into_iter().map(|(label, rule)| (label.to_owned(), rule)).collect(),
        }
    }

    /// The same policy with another scope.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// This policy as a file in TOML changes it. A `default` takes the place of all rules of the profile.
    ///
    /// # Errors
    /// [`Error::Policy`] where the file is not TOML or has another form, [`Error::UnknownEntity`],
    /// [`Error::UnknownAction`], and [`Error::Unfit`] for an action or a number that makes no sense there.
    pub fn changed_by(mut self, toml: &str) -> Result<Self> {
        let file: File = toml::from_str(toml).map_err(|error| Error::Policy {
            line: error.span().map_or(1, |span| 1 + toml.bytes().take(span.start).filter(|b| *b == b'\n').count()),
            reason: error.message().split('\n').next().unwrap_or_default().to_owned(),
        })?;
        if let Some(name) = &file.default {
            self.default = Rule::of(Action::named(name)?);
            if matches!(self.default.action, Action::Shift | Action::Generalise | Action::Fpe) {
                return Err(Error::Unfit { what: "default".into(), reason: "this action is for single entities" });
            }
            self.rules.clear();
        }
        self.scope = file.scope.unwrap_or(self.scope);
        self.random_table = file.random_table.unwrap_or(self.random_table);
        let known = known_entities();
        for (name, entry) in file.entity {
            if !known.contains(name.as_str()) {
                return Err(Error::UnknownEntity { name: quoted(&name), known: names(known) });
            }
            let base = self.rules.get(&name).copied().unwrap_or(self.default);
            let rule = entry.over(&name, base)?;
            self.rules.insert(name, rule);
        }
        Ok(self)
    }

    /// The profile it began with.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The scope of entities whose rule has none of its own.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Whether surrogates come from a random table; they are then derived from nothing.
    pub fn random_table(&self) -> bool {
        self.random_table
    }

    /// Whether any value is encrypted, so that a key restores it.
    pub fn encrypts(&self) -> bool {
        self.any(|rule| rule.action == Action::Encrypt)
    }

    /// Whether every value that is replaced is encrypted, so that whole records come back.
    pub fn restores(&self) -> bool {
        self.encrypts() && !self.any(|rule| !matches!(rule.action, Action::Encrypt | Action::Keep))
    }

    /// Whether any replacement depends on the key or the table.
    pub fn draws(&self) -> bool {
        self.any(|rule| !matches!(rule.action, Action::Keep | Action::Redact | Action::Mask | Action::Generalise))
    }

    /// Whether the identifier of every record is replaced, whatever it looks like: a medical record number alone identifies.
    pub fn replaces_identifiers(&self) -> bool {
        matches!(self.profile, Profile::HipaaSafeHarbor | Profile::GdprPseudonymise)
    }

    pub(crate) fn any(&self, test: impl Fn(&Rule) -> bool) -> bool {
        test(&self.default) || self.rules.values().any(test)
    }

    pub(crate) fn rule(&self, label: Label) -> &Rule {
        self.rules.get(label.0).unwrap_or(&self.default)
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: Option<String>,
    scope: Option<Scope>,
    random_table: Option<bool>,
    #[serde(default)]
    entity: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    action: Option<String>,
    scope: Option<Scope>,
    days: Option<u16>,
    weekday: Option<bool>,
    order: Option<Order>,
    cap: Option<u16>,
    band: Option<u16>,
    keep: Option<u8>,
    as_of: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Dmy,
    Mdy,
}

impl Entry {
    fn over(self, entity: &str, base: Rule) -> Result<Rule> {
        let action = match &self.action {
            Some(name) => Action::named(name)?,
            None => base.action,
        };
        let unfit = |reason| Err(Error::Unfit { what: format!("entity.{entity}"), reason });
        let (dates, ages) = (entity == "DATE_TIME", entity == "AGE");
        match action {
            Action::Shift if !dates => return unfit("only DATE_TIME can be shifted"),
            Action::Generalise if !dates && !ages && !is_place(entity) => {
                return unfit("only DATE_TIME, AGE, LOCATION and postcodes can be generalised");
            }
            Action::Fpe if dates || ages || entity == "PERSON" => {
                return unfit("only numbers and codes can be encrypted in their form");
            }
            _ => {}
        }
        if !dates && (self.days.is_some() || self.weekday.is_some() || self.order.is_some() || self.as_of.is_some()) {
            return unfit("`days`, `weekday`, `order` and `as_of` are for DATE_TIME");
        }
        if !ages && (self.cap.is_some() || self.band.is_some()) {
            return unfit("`cap` and `band` are for AGE");
        }
        if !is_place(entity) && self.keep.is_some() {
            return unfit("`keep` is for LOCATION and postcodes");
        }
        let rule = Rule {
            action,
            days: self.days.unwrap_or(base.days),
            weekday: self.weekday.unwrap_or(base.weekday),
            day_first: self.order.map(|order| matches!(order, Order::Dmy)).or(base.day_first),
            age_cap: self.cap.unwrap_or(base.age_cap),
            age_band: self.band.unwrap_or(base.age_band),
            keep: self.keep.unwrap_or(base.keep),
            as_of: self.as_of.unwrap_or(base.as_of),
            scope: self.scope.or(base.scope),
        };
        if !(1..=20_000).contains(&rule.days) || (rule.weekday && rule.days < 7) {
            return unfit("`days` is from 1 to 20000, and at least 7 with `weekday`");
        }
        if !(1..=150).contains(&rule.age_cap) || !(1..=50).contains(&rule.age_band) {
            return unfit("`cap` is from 1 to 150, `band` from 1 to 50");
        }
        if rule.keep > 3 {
            return unfit("`keep` is from 0 to 3");
        }
        Ok(rule)
    }
}

fn is_place(entity: &str) -> bool {
    matches!(entity, "LOCATION" | "ZIP_CODE" | "UK_POSTCODE" | "DE_PLZ")
}

/// Names that a policy may use.
fn known_entities() -> BTreeSet<&'static str> {
    Label::ALL.iter().map(|label| label.0).chain(ENTITIES).collect()
}

/// Kinds that a detector made elsewhere may bring: they are handled by name.
const ENTITIES: [&str; 3] = ["NRP", "ORGANIZATION", "ZIP_CODE"];

fn names(known: impl IntoIterator<Item = &'static str>) -> String {
    known.into_iter().collect::<Vec<_>>().join(", ")
}

/// A name from a file, cut to what fits into a message.
fn quoted(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// The year of the system's clock (UTC).
fn current_year() -> u16 {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    super::calendar::Date::from_days(i64::try_from(seconds / 86_400).unwrap_or(0)).map_or(1970, |date| date.year)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn refusal(toml: &str) -> String {
        Policy::of(Profile::Surrogate).changed_by(toml).err().unwrap().to_string()
    }

    #[test]
    fn a_file_changes_single_entities() {
        let policy = Policy::of(Profile::HipaaSafeHarbor)
            .changed_by("scope = \"dataset\"\n[entity.PERSON]\naction = \"redact\"\n[entity.DATE_TIME]\naction = \"shift\"\ndays = 30")
            .unwrap();
        assert_eq!(policy.scope(), Scope::Dataset);
        assert_eq!(policy.rule(Label::PERSON).action, Action::Redact);
        assert_eq!(policy.rule(Label("DATE_TIME")).days, 30);
        assert_eq!(policy.rule(Label("AGE")).action, Action::Generalise, "a rule of the profile stays");
        assert!(policy.random_table());
    }

    #[test]
    fn a_default_takes_the_place_of_the_profile() {
        let policy = Policy::of(Profile::HipaaSafeHarbor).changed_by("default = \"mask\"").unwrap();
        assert_eq!(policy.rule(Label("AGE")).action, Action::Mask);
    }

    #[test]
    fn what_is_unknown_is_named_with_what_is_known() {
        let entity = refusal("[entity.PERSN]\naction = \"redact\"");
        assert!(entity.contains("`PERSN`") && entity.contains("PERSON, ") && entity.contains("US_NPI"), "{entity}");
        let action = refusal("[entity.PERSON]\naction = \"erase\"");
        assert!(action.contains("`erase`") && action.contains("keep, surrogate, redact"), "{action}");
        assert!(refusal("default = \"erase\"").contains("`erase`"));
        assert!(refusal("[entity.PERSON]\naction = \"keep\"\ncolour = 1").contains("line 3"));
        assert!(refusal("defualt = \"keep\"").contains("defualt"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for toml in [
            "[entity.PERSON]\naction = \"shift\"",
            "[entity.PERSON]\naction = \"generalise\"",
            "[entity.PERSON]\naction = \"fpe\"",
            "[entity.PERSON]\naction = \"redact\"\ndays = 3",
            "[entity.DATE_TIME]\ndays = 0",
            "[entity.DATE_TIME]\ndays = 6\nweekday = true",
            "[entity.AGE]\ncap = 0",
            "[entity.LOCATION]\nkeep = 4",
            "default = \"shift\"",
        ] {
            let error = Policy::of(Profile::Surrogate).changed_by(toml).err().unwrap();
            assert!(matches!(error, Error::Unfit { .. }), "{toml}: {error}");
        }
    }

    #[test]
    fn an_error_has_its_line_and_fits_into_one() {
        let error = refusal("scope = \"subject\"\n[entity.PERSON\naction = 1");
        assert!(error.contains("line 2") && !error.contains('\n'), "{error}");
    }
}
