//! A request: who wants to do what to which thing, when and what for.
//!
//! Invariant: the name of the action in Cedar's context is the action's own; nobody else sets it.

use cedar_policy::{Context, RestrictedExpression};
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::action::Action;
use crate::entities::datetime;
use crate::names::{Id, Kind, Principal, Resource};
use crate::vocabulary::Vocabulary;

/// What somebody asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Who asks.
    pub principal: Principal,
    /// What they want to do.
    pub action: Action,
    /// What to.
    pub resource: Resource,
    /// When, and what for.
    pub context: Situation,
}

/// When something is asked, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Situation {
    /// The instant, from a [`Clock`](crate::Clock).
    pub now: Instant,
    /// What for: needed for every action that [uses data](Action::is_purposeful), and not looked at for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Id>,
    /// The grant that the request relies on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Id>,
}

impl Request {
    /// A request that names no purpose and no grant.
    #[must_use]
    pub const fn new(principal: Principal, action: Action, resource: Resource, now: Instant) -> Self {
        Self { principal, action, resource, context: Situation { now, purpose: None, grant: None } }
    }

    /// The same for a purpose.
    #[must_use]
    pub fn for_purpose(mut self, purpose: Id) -> Self {
        self.context.purpose = Some(purpose);
        self
    }

    /// The same with a grant.
    #[must_use]
    pub fn with_grant(mut self, grant: Id) -> Self {
        self.context.grant = Some(grant);
        self
    }

    /// The request as Cedar takes it, checked against the schema.
    pub(crate) fn to_cedar(&self, vocabulary: &Vocabulary) -> Result<cedar_policy::Request, String> {
        let Situation { now, purpose, grant } = &self.context;
        let mut pairs = vec![
            ("now".to_owned(), datetime(*now)),
            ("act".to_owned(), RestrictedExpression::new_string(self.action.name().into())),
        ];
        if let Some(grant) = grant {
            let grant = vocabulary.entity(Kind::Grant, grant);
            pairs.push(("grant".to_owned(), RestrictedExpression::new_entity_uid(grant)));
        }
        if let Some(purpose) = purpose.as_ref().filter(|_| self.action.is_purposeful()) {
            pairs.push(("purpose".to_owned(), RestrictedExpression::new_string(purpose.to_string())));
        }
        let context = Context::from_pairs(pairs).map_err(|error| error.to_string())?;
        let principal = vocabulary.principal(&self.principal);
        let resource = vocabulary.resource(&self.resource);
        let action = vocabulary.action(self.action);
        cedar_policy::Request::new(principal, action, resource, context, Some(&vocabulary.schema))
            .map_err(|error| error.to_string())
    }
}
