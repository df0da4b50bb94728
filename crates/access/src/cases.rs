//! Tests of policies as data: who and what there is, and for each request what the answer should be.
//!
//! Invariant: a case that cannot be read is an error, never a case that passes; a file without cases is one too.
//!
//! ```toml
//! now = "2026-11-27T10:00:00.000Z"          # of every case that has none of its own
//! policies = "…"                            # optional: policies to add to the built-in ones
//!
//! [directory.tenants.acme]
//! [directory.users.ana]
//! tenant = "acme"
//! roles = ["steward"]
//! …
//!
//! [[case]]
//! name = "a steward reads after showing a second factor"
//! principal = "user:ana"
//! action = "dataset.read"
//! resource = "dataset:tickets"
//! purpose = "support"
//! expect = "allow"
//! by = ["steward"]                          # optional: exactly the policies that decide
//! alert = false                             # optional
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::decision::{Decision, Effect};
use crate::directory::Directory;
use crate::entities::Entities;
use crate::names::{Id, Principal, Resource};
use crate::policy_set::PolicySet;
use crate::request::{Request, Situation};
use crate::{Error, Instant, Result};

/// A file of cases.
#[derive(Clone, Debug)]
pub struct Cases {
    directory: Directory,
    policies: Option<String>,
    cases: Vec<(Request, Expected)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    now: Instant,
    policies: Option<String>,
    #[serde(default)]
    directory: Directory,
    #[serde(rename = "case", default)]
    cases: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    principal: Principal,
    action: Action,
    resource: Resource,
    purpose: Option<Id>,
    grant: Option<Id>,
    now: Option<Instant>,
    expect: Effect,
    by: Option<BTreeSet<String>>,
    alert: Option<bool>,
}

#[derive(Clone, Debug)]
struct Expected {
    name: String,
    effect: Effect,
    by: Option<BTreeSet<String>>,
    alert: Option<bool>,
}

/// What came of a file of cases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many cases were run.
    pub cases: usize,
    /// Those whose answer was another.
    pub failures: Vec<Failure>,
    /// The policies that decided in at least one case; a policy that is not among them was not tested.
    pub deciding: BTreeSet<String>,
}

/// A case whose answer was another than expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The case.
    pub case: String,
    /// What was expected, and what came.
    pub problem: String,
    /// The reasons of the answer.
    pub why: String,
}

impl Cases {
    /// Reads a file of cases.
    ///
    /// # Errors
    /// [`Error::Cases`] with the line for anything but the fields above, for a file without cases and for two of one name.
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
            Error::Cases { line, reason: error.message().to_owned() }
        })?;
        let mut names = BTreeSet::new();
        if let Some(twice) = file.cases.iter().find(|row| !names.insert(row.name.clone())) {
            let line = 1 + text.lines().position(|line| line.contains(&twice.name)).unwrap_or(0);
            return Err(Error::Cases { line, reason: "two cases have this name".into() });
        }
        if file.cases.is_empty() {
            return Err(Error::Cases { line: 1, reason: "there is no `[[case]]`".into() });
        }
        let case = |row: Row| {
            let context = Situation { now: row.now.unwrap_or(file.now), purpose: row.purpose, grant: row.grant };
            let request = Request { principal: row.principal, action: row.action, resource: row.resource, context };
            (request, Expected { name: row.name, effect: row.expect, by: row.by, alert: row.alert })
        };
        Ok(Self {
            directory: file.directory,
            policies: file.policies,
            cases: file.cases.into_iter().map(case).collect(),
        })
    }

    /// Runs the cases: under the policies of the file if it has any, else under the given ones.
    ///
    /// # Errors
    /// Those of [`PolicySet::with_custom`] and of [`Entities::new`].
    pub fn run(&self, policies: &PolicySet) -> Result<Report> {
        let own = self.policies.as_deref().map(PolicySet::with_custom).transpose()?;
        let policies = own.as_ref().unwrap_or(policies);
        let entities = Entities::new(self.directory.clone())?;
        let mut report = Report { cases: self.cases.len(), ..Report::default() };
        for (request, expected) in &self.cases {
            let decision = policies.decide(request, &entities);
            if let Some(problem) = expected.problem(&decision) {
                let why = policies.why(request, &decision).to_string();
                report.failures.push(Failure { case: expected.name.clone(), problem, why });
            }
            report.deciding.extend(decision.policies);
        }
        Ok(report)
    }
}

impl Expected {
    fn problem(&self, decision: &Decision) -> Option<String> {
        if decision.effect != self.effect {
            return Some(format!("expected {:?}, and it is {:?}", self.effect, decision.effect).to_lowercase());
        }
        let deciding: BTreeSet<String> = decision.policies.iter().cloned().collect();
        if let Some(by) = self.by.as_ref().filter(|by| **by != deciding) {
            return Some(format!("expected to be decided by {by:?}, and it is by {deciding:?}"));
        }
        let alert = decision.is_alert();
        self.alert.filter(|expected| *expected != alert).map(|expected| match expected {
            true => "expected an alert, and there is none".into(),
            false => format!("expected no alert, and there is: {}", decision.alerts.join("; ")),
        })
    }
}
