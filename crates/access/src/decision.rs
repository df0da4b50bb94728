//! The answer to a request, and the reasons for it in words.
//!
//! Invariant: whatever goes wrong on the way is a no, and an alert. Cedar skips a policy that cannot be evaluated, so that a
//! forbid which fails would not forbid: one error of evaluation anywhere denies, whatever the other policies said. What a
//! request names must exist before Cedar is asked at all.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::entities::Entities;
use crate::names::{Kind, Resource};
use crate::policy_set::PolicySet;
use crate::request::Request;

/// Allowed or denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Allowed.
    Allow,
    /// Denied.
    Deny,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Decision {
    /// Allowed or denied.
    pub effect: Effect,
    /// The policies that decided: those that permit it, or those that forbid it; none where nothing permits it.
    pub policies: Vec<String>,
    /// What went wrong; then the answer is no.
    pub errors: Vec<Fault>,
    /// What somebody should be told.
    pub alerts: Vec<String>,
    /// The policies that were asked.
    pub policy_set: Digest,
    /// The rows that they saw.
    pub entities: Digest,
}

/// What went wrong on the way to a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// Something that the request needs is not there.
    MissingEntity {
        /// Its kind and id.
        entity: String,
    },
    /// A request that uses data does not say what for.
    MissingPurpose,
    /// The request does not agree with the schema: such a thing is not done to it, or not by such a principal.
    NotOfSchema {
        /// What Cedar says.
        reason: String,
    },
    /// A policy cannot be evaluated.
    Evaluation {
        /// The policy.
        policy: String,
        /// What Cedar says.
        reason: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingEntity { entity } => write!(f, "there is no {entity}"),
            Self::MissingPurpose => f.write_str("the request does not say what the data is for"),
            Self::NotOfSchema { reason } => write!(f, "the request does not agree with the schema: {reason}"),
            Self::Evaluation { policy, reason } => write!(f, "policy `{policy}` cannot be evaluated: {reason}"),
        }
    }
}

impl Decision {
    /// Whether it is allowed.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.effect == Effect::Allow
    }

    /// Whether somebody should be told.
    #[must_use]
    pub fn is_alert(&self) -> bool {
        !self.alerts.is_empty()
    }
}

impl PolicySet {
    /// Decides. Never fails: what goes wrong is in the decision, which is a no then.
    pub fn decide(&self, request: &Request, entities: &Entities) -> Decision {
        let mut decision = Decision {
            effect: Effect::Deny,
            policies: Vec::new(),
            errors: missing(request, entities),
            alerts: Vec::new(),
            policy_set: self.digest(),
            entities: entities.digest(),
        };
        if decision.errors.is_empty() {
            self.ask(request, entities, &mut decision);
        }
        decision.alerts.extend(decision.errors.iter().map(|error| format!("a decision failed: {error}")));
        let rules = decision.policies.iter().filter_map(|id| self.rule(id));
        decision.alerts.extend(rules.filter_map(|rule| rule.alert.clone()));
        // Whoever relies on a grant for emergencies is noticed, allowed or not.
        let named = request.context.grant.as_ref().and_then(|id| Some((id, entities.directory().grants.get(id)?)));
        if let Some((id, _)) = named.filter(|(_, grant)| grant.is_break_glass()) {
            decision.alerts.push(format!("{} relied on emergency grant {id}", request.principal));
        }
        decision
    }

    fn ask(&self, request: &Request, entities: &Entities, decision: &mut Decision) {
        let asked = match request.to_cedar(self.vocabulary) {
            Ok(asked) => asked,
            Err(reason) => return decision.errors.push(Fault::NotOfSchema { reason }),
        };
        let answer = self.authorizer.is_authorized(&asked, &self.cedar, entities.cedar());
        decision.errors.extend(answer.diagnostics().errors().map(|error| {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
            Fault::Evaluation { policy: error.policy_id().to_string(), reason: error.inner().to_string() }
        }));
        let allows = answer.decision() == cedar_policy::Decision::Allow;
        if allows && !decision.errors.is_empty() {
            return;
        }
        decision.effect = if allows { Effect::Allow } else { Effect::Deny };
        decision.policies = self.sorted(answer.diagnostics().reason());
    }

    /// Why a request was answered as it was, in words.
    #[must_use]
    pub fn why(&self, request: &Request, decision: &Decision) -> Why {
        let told = |ids: &mut dyn Iterator<Item = (&str, &str)>| {
            ids.map(|(policy, reason)| Told { policy: policy.into(), reason: reason.into() }).collect::<Vec<_>>()
        };
        let decided = decision.policies.iter().filter_map(|id| self.rule(id));
        let nothing_said = decision.policies.is_empty() && decision.errors.is_empty();
        let permits = self
            .rules()
            .iter()
            .filter(|rule| nothing_said && rule.effect == Effect::Allow && rule.actions.contains(&request.action));
        Why {
            effect: decision.effect,
            decided: told(&mut decided.map(|rule| (&rule.id[..], &rule.reason[..]))),
            errors: decision.errors.clone(),
            would_permit: told(&mut permits.map(|rule| (&rule.id[..], &rule.reason[..]))),
        }
    }
}

/// What the request names and the rows do not have.
fn missing(request: &Request, entities: &Entities) -> Vec<Fault> {
    let directory = entities.directory();
    let mut faults = Vec::new();
    let mut needs = |there: bool, entity: String| {
        if !there {
            faults.push(Fault::MissingEntity { entity });
        }
    };
    let tenants = [directory.tenant_of_principal(&request.principal), directory.tenant_of(&request.resource)];
    needs(tenants[0].is_some(), request.principal.to_string());
    needs(tenants[1].is_some(), request.resource.to_string());
    if let Some(grant) = &request.context.grant {
        needs(directory.grants.contains_key(grant), Resource::new(Kind::Grant, grant.clone()).to_string());
    }
    for tenant in tenants.into_iter().flatten() {
        needs(directory.tenants.contains_key(tenant), format!("tenant:{tenant}"));
    }
    if request.action.is_purposeful() && request.context.purpose.is_none() {
        faults.push(Fault::MissingPurpose);
    }
    faults
}

/// The reasons of a decision in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Why {
    /// Allowed or denied.
    pub effect: Effect,
    /// The policies that decided.
    pub decided: Vec<Told>,
    /// What went wrong.
    pub errors: Vec<Fault>,
    /// Where nothing permits it: the policies that permit the action to others, or under other circumstances.
    pub would_permit: Vec<Told>,
}

/// A policy in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its id.
    pub policy: String,
    /// What it decides.
    pub reason: String,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.effect {
            Effect::Allow => "allowed",
            Effect::Deny => "denied",
        };
        for error in &self.errors {
            writeln!(f, "{verdict}: {error}")?;
        }
        for told in &self.decided {
            writeln!(f, "{verdict}: {} ({})", told.reason, told.policy)?;
        }
        if self.errors.is_empty() && self.decided.is_empty() {
            writeln!(f, "{verdict}: no policy permits it")?;
        }
        for told in &self.would_permit {
            writeln!(f, "  it is permitted where this holds: {} ({})", told.reason, told.policy)?;
        }
        Ok(())
    }
}
