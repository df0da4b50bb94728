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
}

impl Field {
    /// All fields, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Source,
        Self::Licence,
        Self::LegalBasis,
        Self::Purpose,
        Self::Retention,
        Self::Contributor,
        Self::Subjects,
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
        }
    }

    /// Who is asked for it unless another owner is named.
    fn owner(self) -> &'static str {
        match self {
            Self::Source | Self::Contributor => "data owner",
            Self::Licence => "legal department",
            Self::Purpose => "project lead",
            Self::LegalBasis | Self::Retention | Self::Subjects => "data protection officer",
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
    /// Who is to supply a field, where it is not the standard owner.
    pub owners: BTreeMap<Field, String>,
    /// Fields without which the gate says no.
    pub require: Vec<Field>,
}

/// Every field of a dataset, declared or missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Provenance {
    /// In the order of [`Field::ALL`].
    pub fields: Vec<DeclaredField>,
    /// The last day on which the records may be kept, if a retention is declared.
    pub keep_until: Option<Date>,
    /// Whether that day is over.
    pub expired: bool,
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
            owners,
            require,
        }
    }

    /// Every field, on the day on which the records are taken in.
    ///
    /// # Errors
    /// [`Error::Retention`] for a retention that is neither date nor period.
    pub fn on(&self, day: Date) -> Result<Provenance, Error> {
        let field = |field: Field| DeclaredField {
            field,
            value: self.value(field),
            required: self.require.contains(&field),
            owner: self.owners.get(&field).cloned().unwrap_or_else(|| field.owner().into()),
        };
        let retention: Option<Retention> = match self.value(Field::Retention) {
            Some(text) => Some(text.parse().map_err(|_| Error::Retention { text })?),
            None => None,
        };
        let keep_until = retention.map(|retention| retention.until(day));
        Ok(Provenance {
            fields: Field::ALL.into_iter().map(field).collect(),
            keep_until,
            expired: keep_until.is_some_and(|until| until < day),
        })
    }

    fn value(&self, field: Field) -> Option<String> {
        let text = match field {
            Field::Source => self.source.clone(),
            Field::Licence => self.licence.clone(),
            Field::LegalBasis => self.legal_basis.clone(),
            Field::Purpose => self.purpose.clone(),
            Field::Retention => self.retention.clone(),
            Field::Contributor => self.contributor.clone(),
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
            "ticket export",
            "MISSING (owner: Ada, legal)",
            "MISSING (owner: data protection officer)",
            "MISSING (owner: project lead)",
            "24 months",
            "MISSING (owner: data owner)",
            "customers",
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
