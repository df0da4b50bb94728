//! Questions about who may do what: answered as a request would be, and never doing it.
//!
//! Invariant: whoever asks has to be allowed to see the project, and the log says that they asked. Nothing here looks at data.

use cloister_access::{Action, Decision, Grant, Id, Instant, Kind, Principal, Resource, Who, Why};
use cloister_vault::store::{DatasetRow, PolicyRow, PrincipalRow, TenantRow};

use super::directory::{MAIN, directory_for};
use super::door::Ask;
use super::{Project, Result, grants};
use cloister_access::Entities;

/// What there is in a project, as rows to be shown.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The tenant.
    pub tenant: TenantRow,
    /// Its members.
    pub members: Vec<PrincipalRow>,
    /// Its datasets.
    pub datasets: Vec<DatasetRow>,
    /// Its grants by their ids, and where each stands.
    pub grants: Vec<(String, Grant, &'static str)>,
    /// Policies of its own.
    pub policies: Vec<PolicyRow>,
}

impl Project {
    /// Members, datasets, grants and policies.
    ///
    /// # Errors
    /// [`Error::Denied`](super::Error::Denied), those of the store.
    pub fn list(&self) -> Result<Listing> {
        self.through(&read()?, |_| {
            let now = self.now()?;
            self.view(|view| {
                let everything = directory_for(view, (&self.me.principal, self.me.mfa_at), &read()?)?;
                let mut grants: Vec<_> = everything
                    .grants
                    .into_iter()
                    .map(|(id, grant)| {
                        let state = grants::state(&grant, now);
                        (id.to_string(), grant, state)
                    })
                    .collect();
                // g2 before g10.
                grants.sort_by_key(|(id, _, _)| (id.len(), id.clone()));
                Ok(Listing {
                    tenant: view.need(&self.manifest().tenant)?,
                    members: view.all()?,
                    datasets: view.all()?,
                    grants,
                    policies: view.all()?,
                })
            })
        })
    }

    /// Everybody who can do something to a thing now.
    ///
    /// # Errors
    /// [`Error::Denied`](super::Error::Denied), those of the store.
    pub fn who_can(&self, action: Action, resource: &Resource) -> Result<Vec<Who>> {
        self.through(&read()?.with("action", action).with("resource", resource), |_| {
            let now = self.now()?;
            self.view(|view| {
                let question = Ask::new(action, resource.clone());
                let directory = directory_for(view, (&self.me.principal, self.me.mfa_at), &question)?;
                Ok(self.policies(view)?.who_can(action, resource, now, &Entities::new(directory)?)?)
            })
        })
    }

    /// What somebody would be answered now, and why. Only one's own second factor is known.
    ///
    /// # Errors
    /// [`Error::Denied`](super::Error::Denied) if who asks may not see the project; those of the store.
    pub fn why(&self, who: Option<Principal>, question: &Ask) -> Result<(Decision, Why)> {
        let who = who.unwrap_or_else(|| self.me.principal.clone());
        let ask = read()?.with("who", &who).with("action", question.action).with("resource", &question.resource);
        self.through(&ask, |_| {
            let now: Instant = self.now()?;
            let answer = self.view(|view| self.decide_as(view, question, now, who))?;
            let why = answer.why();
            Ok((answer.decision, why))
        })
    }
}

fn read() -> Result<Ask> {
    Ok(Ask::new(Action::ProjectRead, Resource::new(Kind::Project, Id::new(MAIN)?)))
}
