//! Flags of `ingest` on declarations and re-identification risk.

use cloister_text::risk::quasi::{Quasi, Said};

use super::super::config::whole;
use super::super::hint::Usage;
use crate::ingest::{Declared, Field, RiskRequest};

/// Declarations of `ingest`.
#[derive(clap::Args)]
#[command(next_help_heading = "Declarations")]
pub(super) struct Declarations {
    /// Fields without which the gate says no, such as source,licence,legal_basis,purpose,retention
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    require: Vec<Field>,
    /// Where the records come from
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Under what terms they may be used
    #[arg(long, value_name = "TEXT", alias = "license")]
    licence: Option<String>,
    /// The legal basis of processing
    #[arg(long, value_name = "TEXT")]
    legal_basis: Option<String>,
    /// What they are processed for
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,
    /// Until when they may be kept: a date, or a period such as `24 months`
    #[arg(long, value_name = "WHEN")]
    retention: Option<String>,
    /// Who handed them over
    #[arg(long, value_name = "TEXT")]
    contributor: Option<String>,
    /// What kinds of people they are about
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    subjects: Option<Vec<String>>,
    /// Who determines purposes and means
    #[arg(long, value_name = "TEXT")]
    controller: Option<String>,
    /// The condition of Article 9(2) GDPR, where there are special categories such as health
    #[arg(long, value_name = "TEXT")]
    article_9_condition: Option<String>,
    /// Where the data protection impact assessment is
    #[arg(long, value_name = "TEXT")]
    dpia: Option<String>,
    /// The day from which a period of retention runs; without it, the day of ingest, with a warning
    #[arg(long, value_name = "DATE")]
    retention_from: Option<String>,
    /// Who decided that the records may be used
    #[arg(long, value_name = "TEXT")]
    decided_by: Option<String>,
    /// On which day
    #[arg(long, value_name = "DATE")]
    decided_on: Option<String>,
}

/// Re-identification risk.
#[derive(clap::Args)]
#[command(next_help_heading = "Risk")]
pub(super) struct RiskArgs {
    /// What could be known about people: columns as JSON pointers, perhaps coarser (/age:10,/zip:3), text:age, or `text` for all
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    quasi: Vec<String>,
    /// Column whose values nobody should learn, as JSON pointer
    #[arg(long, value_name = "POINTER", requires = "quasi")]
    pub(super) sensitive: Option<String>,
    /// Number of people among whom the subjects are a sample
    #[arg(long, value_name = "N", requires = "quasi")]
    population: Option<u64>,
    /// Smallest k that the gate lets pass
    #[arg(long, value_name = "K", requires = "quasi", value_parser = whole)]
    pub(super) min_k: Option<usize>,
}

impl Declarations {
    /// These flags before what the configuration declares.
    pub(super) fn over(&self, weaker: Declared) -> Declared {
        let flags = Declared {
            source: self.source.clone(),
            licence: self.licence.clone(),
            legal_basis: self.legal_basis.clone(),
            purpose: self.purpose.clone(),
            retention: self.retention.clone(),
            contributor: self.contributor.clone(),
            subjects: self.subjects.clone(),
            controller: self.controller.clone(),
            article_9_condition: self.article_9_condition.clone(),
            dpia: self.dpia.clone(),
            retention_from: self.retention_from.clone(),
            decided_by: self.decided_by.clone(),
            decided_on: self.decided_on.clone(),
            require: self.require.clone(),
            ..Declared::default()
        };
        flags.or(weaker)
    }
}

impl RiskArgs {
    pub(super) fn request(&self) -> anyhow::Result<Option<RiskRequest>> {
        let mut quasi: Vec<Quasi> = Vec::new();
        for name in &self.quasi {
            if name.trim() == "text" {
                quasi.extend(Said::ALL.map(Quasi::Said));
            } else {
                let wrong =
                    |reason| Usage::new(format!("--quasi {name}: {reason}"), "such as --quasi /age:10,/zip:3,text:job");
                quasi.push(name.parse().map_err(wrong)?);
            }
        }
        if let Some(pointer) = self.sensitive.as_deref().filter(|pointer| !pointer.starts_with('/')) {
            let message = format!("--sensitive {pointer}: not a JSON pointer");
            return Err(Usage::new(message, "such as --sensitive /diagnosis").into());
        }
        let (sensitive, population) = (self.sensitive.clone(), self.population);
        Ok((!quasi.is_empty()).then_some(RiskRequest { quasi, sensitive, population }))
    }
}
