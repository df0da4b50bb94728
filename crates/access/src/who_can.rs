//! The question turned round: who can do this to that?
//!
//! Invariant: nobody is listed whom a request would not let through. A second factor is a matter of a minute, so whoever lacks
//! nothing but that is listed too, and marked.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::action::Action;
use crate::directory::Directory;
use crate::entities::Entities;
use crate::names::{Id, Principal, Resource};
use crate::policy_set::PolicySet;
use crate::request::Request;
use crate::{Instant, Result};

/// One way in which somebody can do it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Who {
    /// Who.
    pub principal: Principal,
    /// For what, where the action needs a purpose.
    pub purpose: Option<Id>,
    /// By which grant, if a role is not enough.
    pub grant: Option<Id>,
    /// Whether the second factor has to be shown first.
    pub after_second_factor: bool,
    /// The policies that permit it.
    pub policies: Vec<String>,
}

impl PolicySet {
    /// Everybody among the entities who can do something to a thing at an instant, for each purpose of the thing, in the order
    /// of their names. Who can do it without a grant is listed without one.
    ///
    /// # Errors
    /// [`Error::Entities`](crate::Error::Entities) if the rows do not agree with the schema.
    pub fn who_can(&self, action: Action, resource: &Resource, now: Instant, entities: &Entities) -> Result<Vec<Who>> {
        let directory = entities.directory();
        // The same world after everybody has shown a second factor.
        let mut shown = directory.clone();
        shown.users.values_mut().for_each(|user| user.mfa_at = Some(now));
        let shown = Entities::new(shown)?;

        let mut found = Vec::new();
        for principal in directory.principals() {
            for purpose in purposes(action, resource, directory) {
                let mut request = Request::new(principal.clone(), action, resource.clone(), now);
                request.context.purpose.clone_from(&purpose);
                let grants = directory.grants_of(&principal, resource).map(|(id, _)| Some(id.clone()));
                let ways =
                    std::iter::once(None).chain(grants).flat_map(|grant| [(false, grant.clone()), (true, grant)]);
                for (after_second_factor, grant) in ways {
                    request.context.grant = grant;
                    let seen = if after_second_factor { &shown } else { entities };
                    let decision = self.decide(&request, seen);
                    if decision.is_allowed() {
                        let Request { principal, context, .. } = request;
                        let (purpose, grant) = (context.purpose, context.grant);
                        found.push(Who { principal, purpose, grant, after_second_factor, policies: decision.policies });
                        break;
                    }
                }
            }
        }
        Ok(found)
    }
}

/// The purposes to ask for: those of the thing, or none where the action needs none.
fn purposes(action: Action, resource: &Resource, directory: &Directory) -> BTreeSet<Option<Id>> {
    if !action.is_purposeful() {
        return [None].into();
    }
    directory.holding(resource).map(|row| row.purposes.iter().cloned().map(Some).collect()).unwrap_or_default()
}
