//! What people declare about a dataset: where it comes from, on what basis, for what, until when.
//!
//! Invariants: nothing is invented: a field is declared by a person or missing, and what is missing has an owner who is to
//! supply it; a word that stands for nothing (`TBD`, `unknown`) declares nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Date, Error, Retention};

/// A field that a dataset declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Where the records come from.
    Source,
    /// Under what terms they may be used.
    Licence,
    /// The legal basis of processing.
    LegalBasis,
    /// What they are processed for.
    Purpose,
    /// Until when they may be kept.
    Retention,
    /// Who handed them over.
    Contributor,
    /// What kinds of people they are about.
    Subjects,
    /// Who determines purposes and means (Article 4(7)).
    Controller,
    /// The condition of Article 9(2) under which special categories are processed.
    #[serde(rename = "article_9_condition")]
    Article9Condition,
    /// Where the impact assessment of Article 35 is.
    Dpia,
    /// The day from which a period of retention runs.
    RetentionFrom,
    /// Who decided that the records may be used.
    DecidedBy,
    /// On which day.
    DecidedOn,
}

impl Field {
    /// All fields, in the order of reports.
    pub const ALL: [Self; 13] = [
        Self::Controller,
        Self::Source,
        Self::Licence,
        Self::LegalBasis,
        Self::Article9Condition,
        Self::Purpose,
        Self::Retention,
        Self::RetentionFrom,
        Self::Contributor,
        Self::Subjects,
        Self::Dpia,
        Self::DecidedBy,
        Self::DecidedOn,
    ];

    /// The name in `cloister.toml` and in evidence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Licence => "licence",
            Self::LegalBasis => "legal_basis",
            Self::Purpose => "purpose",
            Self::Retention => "retention",
            Self::Contributor => "contributor",
            Self::Subjects => "subjects",
            Self::Controller => "controller",
            Self::Article9Condition => "article_9_condition",
            Self::Dpia => "dpia",
            Self::RetentionFrom => "retention_from",
            Self::DecidedBy => "decided_by",
            Self::DecidedOn => "decided_on",
        }
    }

    /// Who is asked for it unless another owner is named.
    fn owner(self) -> &'static str {
        match self {
            Self::Source | Self::Contributor => "data owner",
            Self::Licence | Self::Controller => "legal department",
            Self::Purpose => "project lead",
            Self::DecidedBy | Self::DecidedOn => "controller",
            Self::LegalBasis
            | Self::Retention
            | Self::RetentionFrom
            | Self::Subjects
            | Self::Article9Condition
            | Self::Dpia => "data protection officer",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Field {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let name = text.trim().to_ascii_lowercase().replace('-', "_");
        let name = if name == "license" { "licence" } else { &name };
        Self::ALL
            .into_iter()
            .find(|field| field.name() == name)
            .ok_or_else(|| Error::UnknownField { name: text.into() })
    }
}

/// What `[dataset]` of `cloister.toml`, or flags, declare.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Declared {
    /// Where the records come from.
    pub source: Option<String>,
    /// Under what terms they may be used.
    #[serde(alias = "license")]
    pub licence: Option<String>,
    /// The legal basis of processing.
    pub legal_basis: Option<String>,
    /// What they are processed for.
    pub purpose: Option<String>,
    /// Until when they may be kept: a date or a period.
    pub retention: Option<String>,
    /// Who handed them over.
    pub contributor: Option<String>,
    /// What kinds of people they are about.
    pub subjects: Option<Vec<String>>,
    /// Who determines purposes and means.
    pub controller: Option<String>,
    /// The condition of Article 9(2), where there are special categories.
    pub article_9_condition: Option<String>,
    /// Where the impact assessment is.
    pub dpia: Option<String>,
    /// The day from which a period of retention runs.
    pub retention_from: Option<String>,
    /// Who decided that the records may be used.
    pub decided_by: Option<String>,
    /// On which day.
    pub decided_on: Option<String>,
    /// Who is to supply a field, where it is not the standard owner.
    pub owners: BTreeMap<Field, String>,
    /// Fields without which the gate says no.
    pub require: Vec<Field>,
}

/// Every field of a dataset, declared or missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Provenance {
    /// In the order of [`Field::ALL`]; without [`Field::RetentionFrom`] where no period needs it and nobody declared it.
    pub fields: Vec<DeclaredField>,
    /// From when a period of retention runs, if one is declared.
    pub kept_from: Option<KeptFrom>,
    /// The last day on which the records may be kept, if a retention is declared.
    pub keep_until: Option<Date>,
    /// Whether that day is over.
    pub expired: bool,
}

/// The first day of a period of retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptFrom {
    /// The day.
    pub day: Date,
    /// Whether it was declared; else it is the day on which the records were taken in.
    pub declared: bool,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredField {
    /// Which.
    pub field: Field,
    /// What was declared; `None` where it is missing.
    pub value: Option<String>,
    /// Whether the gate needs it.
    pub required: bool,
    /// Who supplies it.
    pub owner: String,
}

impl Declared {
    /// These declarations, with the gaps filled from `weaker` ones; what either requires is required.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        let mut require = self.require;
        require.extend(weaker.require);
        let mut owners = weaker.owners;
        owners.extend(self.owners);
        Self {
            source: self.source.or(weaker.source),
            licence: self.licence.or(weaker.licence),
            legal_basis: self.legal_basis.or(weaker.legal_basis),
            purpose: self.purpose.or(weaker.purpose),
            retention: self.retention.or(weaker.retention),
            contributor: self.contributor.or(weaker.contributor),
            subjects: self.subjects.or(weaker.subjects),
            controller: self.controller.or(weaker.controller),
            article_9_condition: self.article_9_condition.or(weaker.article_9_condition),
            dpia: self.dpia.or(weaker.dpia),
            retention_from: self.retention_from.or(weaker.retention_from),
            decided_by: self.decided_by.or(weaker.decided_by),
            decided_on: self.decided_on.or(weaker.decided_on),
            owners,
            require,
        }
    }

    /// Every field, on the day on which the records are taken in.
    ///
    /// # Errors
    /// [`Error::Retention`] for a retention that is neither date nor period, [`Error::Day`] for another date that is none.
    pub fn on(&self, day: Date) -> Result<Provenance, Error> {
        let retention: Option<Retention> = match self.value(Field::Retention) {
            Some(text) => Some(text.parse().map_err(|_| Error::Retention { text })?),
            None => None,
        };
        let from = self.day(Field::RetentionFrom)?;
        self.day(Field::DecidedOn)?;
        let is_period = matches!(retention, Some(Retention::For { .. }));
        let required = |field: Field| {
            // Whoever asks for a retention asks for its end, and a period alone has none.
            self.require.contains(&field)
                || field == Field::RetentionFrom && is_period && self.require.contains(&Field::Retention)
        };
        let field = |field: Field| DeclaredField {
            field,
            value: self.value(field),
            required: required(field),
            owner: self.owners.get(&field).cloned().unwrap_or_else(|| field.owner().into()),
        };
        let asked =
            |one: &DeclaredField| one.field != Field::RetentionFrom || is_period || one.required || one.value.is_some();
        let start = KeptFrom { day: from.unwrap_or(day), declared: from.is_some() };
        let keep_until = retention.map(|retention| retention.until(start.day));
        Ok(Provenance {
            fields: Field::ALL.into_iter().map(field).filter(asked).collect(),
            kept_from: is_period.then_some(start),
            keep_until,
            expired: keep_until.is_some_and(|until| until < day),
        })
    }

    /// The date that a field declares.
    fn day(&self, field: Field) -> Result<Option<Date>, Error> {
        let read = |text: String| text.parse().map_err(|_| Error::Day { field, text });
        self.value(field).map(read).transpose()
    }

    fn value(&self, field: Field) -> Option<String> {
        let text = match field {
            Field::Source => self.source.clone(),
            Field::Licence => self.licence.clone(),
            Field::LegalBasis => self.legal_basis.clone(),
            Field::Purpose => self.purpose.clone(),
            Field::Retention => self.retention.clone(),
            Field::Contributor => self.contributor.clone(),
            Field::Controller => self.controller.clone(),
            Field::Article9Condition => self.article_9_condition.clone(),
            Field::Dpia => self.dpia.clone(),
            Field::RetentionFrom => self.retention_from.clone(),
            Field::DecidedBy => self.decided_by.clone(),
            Field::DecidedOn => self.decided_on.clone(),
            Field::Subjects => self.subjects.as_ref().map(|kinds| {
                let kinds = kinds.iter().map(|kind| kind.trim()).filter(|kind| says_something(kind));
                kinds.collect::<Vec<_>>().join(", ")
            }),
        };
        text.map(|text| text.trim().to_owned()).filter(|text| says_something(text))
    }
}

impl Provenance {
    /// Required fields that nobody declared.
    pub fn missing(&self) -> impl Iterator<Item = &DeclaredField> {
        self.fields.iter().filter(|field| field.required && field.value.is_none())
    }

    /// What was declared of a field.
    pub fn value(&self, field: Field) -> Option<&str> {
        self.fields.iter().find(|one| one.field == field)?.value.as_deref()
    }
}

impl DeclaredField {
    /// The value, or what stands in its place.
    pub fn shown(&self) -> String {
        self.value.clone().unwrap_or_else(|| format!("MISSING (owner: {})", self.owner))
    }
}

/// Whether a declaration is more than a placeholder.
fn says_something(text: &str) -> bool {
    const NOTHING: [&str; 12] =
        ["tbd", "tba", "tbc", "unknown", "n/a", "na", "none", "null", "pending", "xxx", "to be defined", "not known"];
    let text = text.trim().trim_matches(|c: char| matches!(c, '<' | '>' | '[' | ']' | '(' | ')' | '.')).to_lowercase();
    text.chars().any(char::is_alphanumeric) && !NOTHING.contains(&text.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn what_nobody_declared_is_missing_and_has_an_owner() {
        let declared: Declared = toml::from_str(
            "source = 'ticket export'\nlicense = 'TBD'\npurpose = ' '\nretention = '24 months'\n\
             require = ['source', 'licence', 'purpose']\nowners = { licence = 'Ada, legal' }\nsubjects = ['customers', '?']",
        )
        .unwrap();
        let provenance = declared.on(day("2026-01-15")).unwrap();
        let shown: Vec<String> = provenance.fields.iter().map(DeclaredField::shown).collect();
        let expected = [
            "MISSING (owner: legal department)",
            "ticket export",
            "MISSING (owner: Ada, legal)",
            "MISSING (owner: data protection officer)",
            "MISSING (owner: data protection officer)",
            "MISSING (owner: project lead)",
            "24 months",
            "MISSING (owner: data protection officer)",
            "MISSING (owner: data owner)",
            "customers",
            "MISSING (owner: data protection officer)",
            "MISSING (owner: controller)",
            "MISSING (owner: controller)",
        ];
        assert_eq!(shown, expected);
        let missing: Vec<&str> = provenance.missing().map(|field| field.field.name()).collect();
        assert_eq!(missing, ["licence", "purpose"]);
        assert_eq!(provenance.keep_until, Some(day("2028-01-15")));
        assert!(!provenance.expired);
    }

    #[test]
    fn the_stronger_declaration_wins_and_requirements_add_up() {
        let strong = Declared { source: Some("a".into()), require: vec![Field::Source], ..Declared::default() };
        let weak = Declared {
            source: Some("b".into()),
            purpose: Some("p".into()),
            require: vec![Field::Purpose],
            ..Declared::default()
        };
        let both = strong.or(weak);
        assert_eq!((both.source.as_deref(), both.purpose.as_deref()), (Some("a"), Some("p")));
        assert_eq!(both.require, [Field::Source, Field::Purpose]);
    }

    #[test]
    fn a_retention_that_is_over_or_cannot_be_read() {
        let retention = |text: &str| Declared { retention: Some(text.into()), ..Declared::default() };
        assert!(retention("2025-12-31").on(day("2026-01-01")).unwrap().expired);
        assert!(!retention("2026-01-01").on(day("2026-01-01")).unwrap().expired);
        assert!(matches!(retention("a while").on(day("2026-01-01")), Err(Error::Retention { .. })));
    }

    #[test]
    fn a_period_runs_from_the_day_that_is_declared() {
        let declared = |from: Option<&str>, require: Vec<Field>| Declared {
            retention: Some("24 months".into()),
            retention_from: from.map(Into::into),
            require,
            ..Declared::default()
        };
        let from = |declared: Declared| declared.on(day("2026-11-27")).unwrap();
        let fixed = from(declared(Some("2026-11-20"), vec![Field::Retention]));
        assert_eq!(fixed.keep_until, Some(day("2028-11-20")));
        assert_eq!(fixed.kept_from, Some(KeptFrom { day: day("2026-11-20"), declared: true }));
        assert_eq!(fixed.missing().count(), 0);
        let assumed = from(declared(Some("TBD"), vec![]));
        assert_eq!(assumed.kept_from, Some(KeptFrom { day: day("2026-11-27"), declared: false }));
        assert_eq!(assumed.missing().count(), 0, "nobody asked for a retention");
        let asked = from(declared(None, vec![Field::Retention]));
        assert_eq!(asked.missing().map(|one| one.field).collect::<Vec<_>>(), [Field::RetentionFrom]);
        let by_date = Declared { retention: Some("2028-11-20".into()), ..declared(None, vec![Field::Retention]) };
        let by_date = from(by_date);
        assert_eq!((by_date.kept_from, by_date.missing().count()), (None, 0));
        assert!(by_date.fields.iter().all(|one| one.field != Field::RetentionFrom), "a date needs no start");
        let wrong = declared(Some("last spring"), vec![]).on(day("2026-11-27"));
        assert!(matches!(wrong, Err(Error::Day { field: Field::RetentionFrom, .. })));
        let undecided = Declared { decided_on: Some("2026-02-30".into()), ..Declared::default() };
        assert!(matches!(undecided.on(day("2026-11-27")), Err(Error::Day { field: Field::DecidedOn, .. })));
    }

    #[test]
    fn fields_are_named_in_either_spelling() {
        for (text, field) in
            [("legal-basis", Field::LegalBasis), ("License", Field::Licence), (" source", Field::Source)]
        {
            assert_eq!(text.parse::<Field>().unwrap(), field);
        }
        assert!("basis".parse::<Field>().is_err());
        for field in Field::ALL {
            assert_eq!(serde_json::json!(field), field.name());
        }
    }
}
