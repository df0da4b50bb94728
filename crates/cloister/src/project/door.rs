//! The one door: every operation on a project passes `authorise → log intent → do → log outcome`.
//!
//! ```text
//! Ask ──► rows of one state ──► policies ──┬─ no ──► outcome "denied" in the log, Error::Denied with the reasons
//!                                          └─ yes ─► intent in the log, durably
//!                                                      ├─ through: the work, then its outcome
//!                                                      └─ change: decided again, rows and outcome in one transaction
//! ```
//!
//! Invariant: nothing is read, opened or changed without an entry that says who did it, what for, and by which policies it was
//! allowed; what cannot be logged is not done. Time is the later of the machine's clock and of the log's last entry, so a clock
//! that was set back revives nothing. Keys of data leave through a [`Pass`] only, for the purpose that was allowed.

use std::sync::{Arc, PoisonError};

use cloister_access::{
    Action, Clock, Decision, Effect, Entities, Id, Instant, Kind, PolicySet, Principal, Resource, Situation, Why,
};
use cloister_vault::keys::{DatasetKeys, KeyContext};
use cloister_vault::log::entry::{self, Actor, ActorKind, Digest, Fact, Outcome};
use cloister_vault::store::{Intent, PolicyRow, PolicyState, Receipt, Request, Tx, View};

use super::directory::directory_for;
use super::{Denied, Error, Project, Result};

/// A typed request.
#[derive(Clone)]
pub struct Ask {
    /// What is to be done.
    pub action: Action,
    /// What to.
    pub resource: Resource,
    /// What for: needed where data is used.
    pub purpose: Option<Id>,
    /// The grant that it relies on.
    pub grant: Option<Id>,
    /// What else was asked for: the log holds a salted hash of it.
    parameters: Vec<(&'static str, String)>,
    /// What the person wrote: the log holds a commitment to it.
    note: Option<String>,
}

impl Ask {
    /// A request without purpose, grant and parameters.
    #[must_use]
    pub const fn new(action: Action, resource: Resource) -> Self {
        Self { action, resource, purpose: None, grant: None, parameters: Vec::new(), note: None }
    }

    /// The same for a purpose.
    #[must_use]
    pub fn for_purpose(self, purpose: Option<Id>) -> Self {
        Self { purpose, ..self }
    }

    /// The same with a grant.
    #[must_use]
    pub fn with_grant(self, grant: Option<Id>) -> Self {
        Self { grant, ..self }
    }

    /// The same with one more parameter.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.parameters.push((name, value.to_string()));
        self
    }

    /// The same with what the person wrote.
    #[must_use]
    pub fn noted(self, note: Option<String>) -> Self {
        Self { note, ..self }
    }

    fn at(&self, principal: Principal, now: Instant) -> cloister_access::Request {
        let context = Situation { now, purpose: self.purpose.clone(), grant: self.grant.clone() };
        let (action, resource) = (self.action, self.resource.clone());
        cloister_access::Request { principal, action, resource, context }
    }
}

/// What the log has announced and the work may use.
pub struct Pass<'p> {
    project: &'p Project,
    ask: &'p Ask,
}

impl Pass<'_> {
    /// The project.
    #[must_use]
    pub fn project(&self) -> &Project {
        self.project
    }

    /// What was asked for.
    #[must_use]
    pub fn action(&self) -> Action {
        self.ask.action
    }

    /// On what.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.ask.resource
    }

    /// The keys of the dataset that was asked for, for the purpose that was allowed.
    ///
    /// # Errors
    /// [`Error::Unknown`] if the request is not for a dataset and a purpose; those of the ring.
    pub fn keys(&self) -> Result<DatasetKeys<'_>> {
        let Ask { resource, purpose, .. } = self.ask;
        let purpose = purpose.as_ref().filter(|_| resource.kind() == Kind::Dataset && self.ask.action.is_purposeful());
        let absent = || Error::Unknown { kind: "dataset that the request opens", id: resource.id().to_string() };
        let purpose = purpose.ok_or_else(absent)?;
        let tenant = &self.project.manifest().tenant;
        let of = KeyContext { tenant, dataset: resource.id().as_str(), purpose: purpose.as_str() };
        Ok(self.project.ring.dataset(&of)?)
    }

    /// Asks again, before the next chunk or step: a grant that ended or was revoked, and an account that was disabled, end what
    /// goes on.
    ///
    /// # Errors
    /// [`Error::Denied`], which the log has an entry of too; those of the store.
    pub fn check(&self) -> Result<()> {
        let now = self.project.now()?;
        let answer = self.project.view(|view| self.project.decide(view, self.ask, now))?;
        if answer.decision.is_allowed() { Ok(()) } else { Err(self.project.deny(self.ask, now, answer)?) }
    }

    /// Changes rows that tell how what was allowed has ended, with an entry of its own: nothing is given that could be denied.
    pub(super) fn settle<T>(&self, change: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<Receipt<T>> {
        let request = self.project.entry(self.ask, self.project.now()?, None)?;
        let mut stop = None;
        let done = self.project.store.write(&request, |tx| change(tx).map_err(|error| give_up(&mut stop, error)));
        done.map_err(|error| stop.take().unwrap_or_else(|| error.into()))
    }

    /// Changes rows in the course of what is done, with an entry of its own. It is decided again in the transaction that changes
    /// them; what is refused there, by the rules or by the budget, is an entry too.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<Receipt<T>> {
        let Self { project, ask } = self;
        let now = project.now()?;
        let answer = project.view(|view| project.decide(view, ask, now))?;
        if !answer.decision.is_allowed() {
            return Err(project.deny(ask, now, answer)?);
        }
        let request = project.entry(ask, now, Some(&answer.decision))?;
        let mut stop = None;
        let done = project.store.write(&request, |tx| {
            let allowed = project.still_allowed(tx, ask).and_then(|_| change(tx));
            allowed.map_err(|error| give_up(&mut stop, error))
        });
        done.map_err(|error| {
            let error = stop.take().unwrap_or_else(|| error.into());
            let outcome = if error.is_refusal() { Outcome::Denied } else { Outcome::Failed };
            // The error is the one to tell, and nothing was done.
            let _ = project.store.record(&request, outcome);
            error
        })
    }
}

/// The answer to a request, and who gave it.
pub(super) struct Answer {
    policies: Arc<PolicySet>,
    request: cloister_access::Request,
    pub(super) decision: Decision,
}

impl Answer {
    /// The reasons in words.
    pub(super) fn why(&self) -> Why {
        self.policies.why(&self.request, &self.decision)
    }
}

impl Project {
    /// Does what was asked for, if it is allowed.
    ///
    /// # Errors
    /// [`Error::Denied`]; those of the store, and then nothing is done; those of `work`, and then the outcome is `failed`.
    pub fn through<T, E: From<Error>>(&self, ask: &Ask, work: impl FnOnce(&Pass<'_>) -> Result<T, E>) -> Result<T, E> {
        let intent = self.enter(ask)?;
        match work(&Pass { project: self, ask }) {
            Ok(done) => {
                self.store.outcome(intent, Outcome::Ok).map_err(Error::from)?;
                Ok(done)
            }
            Err(error) => {
                // The error of the work is the one to tell; an intent without outcome is told of when the project opens.
                let _ = self.store.outcome(intent, Outcome::Failed);
                Err(error)
            }
        }
    }

    /// Changes what was asked for, if it is allowed: it is decided once more in the transaction that changes it.
    ///
    /// # Errors
    /// [`Error::Denied`]; those of the store and of `change`, and then nothing has changed.
    pub fn change<T>(&self, ask: &Ask, change: impl FnOnce(&mut Tx<'_>, Instant) -> Result<T>) -> Result<Receipt<T>> {
        self.work(ask, |_| Ok(()), |tx, now, ()| change(tx, now))
    }

    /// Does long work, and changes the rows in its outcome: it is decided once more in the transaction that changes them.
    ///
    /// # Errors
    /// [`Error::Denied`]; those of the store, of `work` and of `change`, and then no row has changed.
    pub fn work<W, T, E: From<Error>>(
        &self,
        ask: &Ask,
        work: impl FnOnce(&Pass<'_>) -> Result<W, E>,
        change: impl FnOnce(&mut Tx<'_>, Instant, W) -> Result<T>,
    ) -> Result<Receipt<T>, E> {
        let intent = self.enter(ask)?;
        let worked = match work(&Pass { project: self, ask }) {
            Ok(worked) => worked,
            Err(error) => {
                // The error of the work is the one to tell; an intent without outcome is told of when the project opens.
                let _ = self.store.outcome(intent, Outcome::Failed);
                return Err(error);
            }
        };
        let mut stop = None;
        let done = self.store.complete(intent, |tx| {
            let allowed = self.still_allowed(tx, ask).and_then(|now| change(tx, now, worked));
            allowed.map_err(|error| give_up(&mut stop, error))
        });
        Ok(done.map_err(|error| stop.take().unwrap_or_else(|| Error::from(error)))?)
    }

    /// Reads several things in one state of the store.
    ///
    /// # Errors
    /// Those of the store and of `read`.
    pub(super) fn view<T>(&self, read: impl FnOnce(&mut View<'_>) -> Result<T>) -> Result<T> {
        let mut stop = None;
        let read = self.store.view(|view| read(view).map_err(|error| give_up(&mut stop, error)));
        read.map_err(|error| stop.take().unwrap_or_else(|| error.into()))
    }

    /// The instant to decide with.
    pub(super) fn now(&self) -> Result<Instant> {
        let last = self.store.last()?.map(here).transpose()?;
        let reading = Clock::after(last).read(here(entry::Instant::now()?)?);
        if reading.behind.as_secs() > 1 {
            self.alert(format!("the clock of this machine stands {} s behind the log", reading.behind.as_secs()));
        }
        Ok(reading.now)
    }

    /// Decides, over one state of the rows.
    pub(super) fn decide(&self, view: &mut View<'_>, ask: &Ask, now: Instant) -> Result<Answer> {
        self.decide_as(view, ask, now, self.me.principal.clone())
    }

    /// The answer that somebody would get.
    pub(super) fn decide_as(&self, view: &mut View<'_>, ask: &Ask, now: Instant, who: Principal) -> Result<Answer> {
        let policies = self.policies(view)?;
        let entities = Entities::new(directory_for(view, (&self.me.principal, self.me.mfa_at), ask)?)?;
        let request = ask.at(who, now);
        let decision = policies.decide(&request, &entities);
        Ok(Answer { policies, request, decision })
    }

    /// The policies that hold. They are parsed again only when others do.
    pub(super) fn policies(&self, view: &mut View<'_>) -> Result<Arc<PolicySet>> {
        let row = view.list::<PolicyRow>("state", PolicyState::Holds.word())?.pop();
        let id = row.as_ref().map(|row| row.id.clone());
        let mut kept = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, policies)) = kept.as_ref().filter(|(known, _)| *known == id) {
            return Ok(Arc::clone(policies));
        }
        let policies = Arc::new(match &row {
            Some(row) => PolicySet::with_custom(&row.policies)?,
            None => PolicySet::load()?,
        });
        *kept = Some((id, Arc::clone(&policies)));
        Ok(policies)
    }

    /// Decides once more, in the transaction that changes what was asked for. Gives its instant.
    fn still_allowed(&self, tx: &mut Tx<'_>, ask: &Ask) -> Result<Instant> {
        let now = here(tx.now())?;
        let answer = self.decide(tx, ask, now)?;
        if answer.decision.is_allowed() { Ok(now) } else { Err(denied(ask, answer)) }
    }

    /// Decides, and announces what is allowed.
    fn enter(&self, ask: &Ask) -> Result<Intent> {
        let now = self.now()?;
        let answer = self.view(|view| self.decide(view, ask, now))?;
        if !answer.decision.is_allowed() {
            return Err(self.deny(ask, now, answer)?);
        }
        answer.decision.alerts.iter().for_each(|alert| self.alert(alert.clone()));
        Ok(self.store.intent(&self.entry(ask, now, Some(&answer.decision))?)?)
    }

    /// Logs a denial; gives the error that tells of it.
    fn deny(&self, ask: &Ask, now: Instant, answer: Answer) -> Result<Error> {
        answer.decision.alerts.iter().for_each(|alert| self.alert(alert.clone()));
        self.store.record(&self.entry(ask, now, Some(&answer.decision))?, Outcome::Denied)?;
        Ok(denied(ask, answer))
    }

    /// What the log says of a request.
    fn entry(&self, ask: &Ask, now: Instant, decision: Option<&Decision>) -> Result<Request> {
        let mut request = Request::new(ask.action.name(), self.actor(now));
        request = request.on(ask.resource.kind().name(), ask.resource.id().as_str());
        request.purpose = ask.purpose.as_ref().map(Id::to_string);
        let grant = ask.grant.as_ref().map(|grant| ("grant", grant.as_str()));
        let parameters = ask.parameters.iter().map(|(name, value)| (*name, value.as_str())).chain(grant);
        request.params_h = self.secrets.hash(parameters);
        request.detail = ask.note.as_ref().map(|note| self.secrets.note(note)).transpose()?;
        if let Some(grant) = &ask.grant {
            request.facts.insert("grant".into(), Fact::Text(grant.to_string()));
        }
        let Some(decision) = decision else { return Ok(request) };
        if decision.is_alert() {
            request.facts.insert("alerts".into(), Fact::Number(decision.alerts.len() as u64));
        }
        request.decision = Some(entry::Decision {
            effect: match decision.effect {
                Effect::Allow => entry::Effect::Allow,
                Effect::Deny => entry::Effect::Deny,
            },
            entities_h: Digest(decision.entities.0),
            policies: decision.policies.clone(),
            policy_set: Digest(decision.policy_set.0),
        });
        Ok(request)
    }

    /// Who is here.
    pub(super) fn actor(&self, now: Instant) -> Actor {
        Actor {
            auth: self.me.auth.into(),
            id: self.me.principal.id().to_string(),
            mfa_age: self.me.mfa_at.map(|at| now.since(at).as_secs()),
            session_h: None,
            kind: match self.me.principal {
                Principal::User(_) => ActorKind::User,
                Principal::Service(_) => ActorKind::Service,
            },
        }
    }
}

fn denied(ask: &Ask, answer: Answer) -> Error {
    let why = answer.why();
    let (action, resource) = (ask.action, ask.resource.clone());
    Error::Denied(Box::new(Denied { action, resource, decision: answer.decision, why }))
}

/// The store stops at errors of its own; what stopped it is kept beside it.
fn give_up(stop: &mut Option<Error>, error: Error) -> cloister_vault::Error {
    match error {
        Error::Vault(error) => error,
        other => {
            *stop = Some(other);
            cloister_vault::Error::Malformed { format: "change", reason: "it was given up" }
        }
    }
}

/// An instant of the store as decisions take it. The two engines do not know each other.
pub(super) fn here(instant: entry::Instant) -> Result<Instant> {
    Ok(Instant::from_millis(instant.millis())?)
}

/// And back.
pub(super) fn there(instant: Instant) -> Result<entry::Instant> {
    Ok(entry::Instant::from_millis(instant.millis())?)
}
