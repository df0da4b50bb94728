//! Runs: training on a dataset, counted by the privacy ledger; and the budgets that they spend.
//!
//! ```text
//! Pass (train, a version) ──► Run ──► reserve: all steps of the plan fit ──► lease ──► … ──► end
//!                                       each an entry of the log, and the door is asked again
//! ```
//!
//! Invariants: a reservation and its run come together, and so do their ends; what binds a dataset is its own limit or that of
//! the project's preset, the stricter of each; a run that stopped keeps its reservation until it goes on or somebody ends it, and
//! what was leased stays spent whatever becomes of it.

use cloister_access::{Action, Id, Kind, Resource};
use cloister_dp::{PlanRequest, PrivacyPlan, Sampling};
use cloister_vault::ledger::{self, Ledger, Limit, Plan, Reservation, ReservationState, Standing, Unit};
use cloister_vault::log::Hash;
use cloister_vault::log::entry::{Fact, Ulid};
use cloister_vault::store::{Decimal, RunRow, RunState, VersionRow, View};
use sha2::{Digest as _, Sha256};

use super::door::{Ask, Pass};
use super::{Error, Preset, Project, Result};
use crate::accountant::LossDistributions;

/// A run of the dataset that was asked for.
pub struct Run<'p> {
    pass: &'p Pass<'p>,
    plan: Plan,
    cap: Limit,
    accountant: LossDistributions,
    row: RunRow,
    leased: u64,
}

/// A run, as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its id.
    pub id: String,
    /// The version that it reads.
    pub version: String,
    /// Where it stands: `running`, `done` or `failed`.
    pub state: &'static str,
    /// Its reservation.
    pub reservation: Reservation,
}

impl<'p> Run<'p> {
    /// A run on a version of the dataset that the pass is for. `settings` are what it goes on with after a stop. With `resume`
    /// it is the last one of these settings that waits to go on.
    ///
    /// # Errors
    /// [`Error::Sampling`]; [`Error::NoRun`]; those of the store.
    pub fn of(
        pass: &'p Pass<'p>,
        version: &VersionRow,
        (request, built): (&PlanRequest, &PrivacyPlan),
        settings: &[u8],
        resume: bool,
    ) -> Result<Self> {
        if !matches!(request.sampling, Sampling::ExpectedBatch(_)) {
            return Err(Error::Sampling);
        }
        let project = pass.project();
        let plan = Plan {
            version: version.id.clone(),
            unit: unit(built.unit()),
            q: Decimal::new(built.q())?,
            sigma: Decimal::new(built.sigma())?,
            steps: built.steps(),
            delta: Decimal::new(built.delta())?,
        };
        let config = Hash::from_bytes(Sha256::digest(settings).into());
        let (row, leased) = project.view(|view| {
            let count = view.all::<RunRow>()?.len();
            if resume {
                return waiting(view, &version.id, config)?.ok_or(Error::NoRun { version: version.id.clone() });
            }
            let (id, tenant) = (format!("r{}", count + 1), project.manifest().tenant.clone());
            let (version, reservation, state) = (version.id.clone(), None, RunState::Running);
            let created = cloister_vault::log::entry::Instant::from_millis(0)?;
            Ok((RunRow { id, tenant, version, config, reservation, state, created }, 0))
        })?;
        Ok(Self { pass, plan, cap: project.cap()?, accountant: LossDistributions::default(), row, leased })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.row.id
    }

    /// Steps that are leased, and so spent.
    #[must_use]
    pub fn leased(&self) -> u64 {
        self.leased
    }

    /// Whether steps are reserved for it.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.row.reservation.is_some()
    }

    /// Reserves all steps of the plan; or makes sure that those of a run that goes on are still reserved.
    ///
    /// # Errors
    /// Those of [`cloister_vault::ledger::reserve`], of which the log has an entry; [`Error::Denied`]; those of the store.
    pub fn reserve(&mut self) -> Result<()> {
        if let Some(id) = self.row.reservation {
            let reservation = self.pass.project().view(|view| Ok(ledger::reservation(view, id)?))?;
            return match reservation.state {
                ReservationState::Open => self.pass.check(),
                _ => Err(Error::NoRun { version: self.row.version.clone() }),
            };
        }
        let Self { pass, plan, cap, accountant, .. } = self;
        // Computing takes time, and what was computed is remembered: others are not kept waiting for it. A refusal is the
        // transaction's to give.
        let _ = pass.project().view(|view| Ok(ledger::check(view, plan, Some(cap), accountant)?));
        let row = self.row.clone();
        let reserved = pass.change(|tx| {
            let reservation = ledger::reserve(tx, plan, Some(cap), accountant)?;
            let row = RunRow { reservation: Some(reservation.id), created: tx.now(), ..row };
            if tx.get::<RunRow>(&row.id)?.is_some() {
                return Err(Error::Taken { kind: "run", id: row.id });
            }
            tx.insert(&row)?;
            tx.fact("run", Fact::Text(row.id.clone()))?;
            Ok(row)
        })?;
        self.row = reserved.value;
        Ok(())
    }

    /// Spends the next steps, durably. They may be run now.
    ///
    /// # Errors
    /// [`Error::Denied`] as soon as the request is no longer allowed; those of [`cloister_vault::ledger::lease`].
    pub fn lease(&mut self, steps: u64) -> Result<u64> {
        let (id, run) = (self.reservation()?, self.row.id.clone());
        let lease = self.pass.change(|tx| {
            tx.fact("run", Fact::Text(run))?;
            Ok(ledger::lease(tx, id, steps)?)
        })?;
        self.leased += lease.value.steps;
        Ok(lease.value.steps)
    }

    /// Ends the run: what was leased stays spent, the rest is given back. `adapter` is the digest of what it made, if it came to
    /// its end. That is a matter of what was allowed before, and nobody is asked again.
    ///
    /// # Errors
    /// Those of the store: then the reservation stays.
    pub fn end(self, adapter: Option<&str>) -> Result<()> {
        let id = self.reservation()?;
        let Self { pass, row, .. } = self;
        pass.settle(|tx| {
            let state = if adapter.is_some() { RunState::Done } else { RunState::Failed };
            finish(tx, id, RunRow { state, ..row })?;
            adapter.map_or(Ok(()), |sha256| Ok(tx.fact("adapter", Fact::Text(sha256.into()))?))
        })?;
        Ok(())
    }

    fn reservation(&self) -> Result<Ulid> {
        self.row.reservation.ok_or_else(|| Error::Unknown { kind: "reservation of run", id: self.row.id.clone() })
    }
}

/// Ends a reservation and its run.
fn finish(tx: &mut cloister_vault::store::Tx<'_>, id: Ulid, row: RunRow) -> Result<Reservation> {
    let ended = match ledger::reservation(tx, id)?.leased {
        0 => ledger::release(tx, id)?,
        _ => ledger::commit(tx, id)?,
    };
    tx.update(&row)?;
    tx.fact("run", Fact::Text(row.id))?;
    Ok(ended)
}

/// The last run of some settings that waits to go on, and how many of its steps are leased.
fn waiting(view: &mut View<'_>, version: &str, config: Hash) -> Result<Option<(RunRow, u64)>> {
    let mut runs = view.list::<RunRow>("version", version)?;
    runs.retain(|run| run.state == RunState::Running && run.config == config);
    runs.sort_by_key(|run| run.created);
    for run in runs.into_iter().rev() {
        let Some(id) = run.reservation else { continue };
        let reservation = ledger::reservation(view, id)?;
        if reservation.state == ReservationState::Open {
            return Ok(Some((run, reservation.leased)));
        }
    }
    Ok(None)
}

/// A unit of privacy, as the ledger names it.
fn unit(unit: cloister_dp::Unit) -> Unit {
    match unit {
        cloister_dp::Unit::Record => Unit::Record,
        cloister_dp::Unit::Subject => Unit::Subject,
    }
}

impl Project {
    /// The limit that the preset sets for every dataset.
    ///
    /// # Errors
    /// [`Error::NoPreset`].
    pub fn cap(&self) -> Result<Limit> {
        let privacy = Preset::named(&self.manifest().preset)?.privacy;
        let unit = Unit::of_word(&privacy.unit).unwrap_or(Unit::Subject);
        Ok(Limit { unit, epsilon: Decimal::new(privacy.epsilon)?, delta: Decimal::new(privacy.delta)? })
    }

    /// What a dataset has spent, and the runs on it.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Unknown`]; those of the store and of the accountant.
    pub fn budget(&self, dataset: &Id) -> Result<(Standing, Vec<Told>)> {
        let ask = Ask::new(Action::BudgetRead, Resource::new(Kind::Dataset, dataset.clone()));
        self.through(&ask, |pass| pass.standing())
    }

    /// Sets a dataset's own limit. What was spent stays spent.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Unknown`]; those of [`cloister_vault::ledger::set_limit`] and of the store.
    pub fn set_limit(&self, dataset: &Id, limit: &Limit) -> Result<()> {
        let ask = Ask::new(Action::BudgetSet, Resource::new(Kind::Dataset, dataset.clone()));
        let Limit { unit, epsilon, delta } = limit;
        let ask = ask.with("unit", unit.word()).with("epsilon", epsilon).with("delta", delta);
        self.change(&ask, |tx, _| {
            for (name, value) in [("limit.epsilon", epsilon), ("limit.delta", delta)] {
                tx.fact(name, Fact::Text(value.to_string()))?;
            }
            tx.fact("limit.unit", Fact::Text(unit.word().into()))?;
            Ok(ledger::set_limit(tx, dataset.as_str(), limit)?)
        })?;
        Ok(())
    }

    /// Ends a run that stopped and is not to go on, as somebody who may train on its dataset for the purpose.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Unknown`]; those of the ledger for a run that is over.
    pub fn end_run(&self, run: &Id, purpose: Option<Id>, grant: Option<Id>) -> Result<Reservation> {
        let absent = || Error::Unknown { kind: "run", id: run.to_string() };
        let (row, dataset) = self.view(|view| {
            let row = view.get::<RunRow>(run.as_str())?.ok_or_else(absent)?;
            let version = view.need::<VersionRow>(&row.version)?;
            Ok((row, Id::new(version.dataset)?))
        })?;
        let id = row.reservation.ok_or_else(absent)?;
        let ask = Ask::new(Action::Train, Resource::new(Kind::Dataset, dataset)).for_purpose(purpose).with_grant(grant);
        let row = RunRow { state: RunState::Failed, ..row };
        Ok(self.change(&ask.with("end", run), |tx, _| finish(tx, id, row))?.value)
    }
}

impl Pass<'_> {
    /// What the dataset that was asked for has spent, and the runs on it, in the order in which they began.
    ///
    /// # Errors
    /// [`Error::Unknown`] if there is no such dataset; those of the store and of the accountant.
    pub fn standing(&self) -> Result<(Standing, Vec<Told>)> {
        let (project, dataset) = (self.project(), self.resource().id());
        if project.dataset(dataset)?.is_none() {
            return Err(Error::Unknown { kind: "dataset", id: dataset.to_string() });
        }
        let accountant = LossDistributions::default();
        let standing = Ledger::new(&project.store, &accountant).standing(dataset.as_str(), Some(&project.cap()?))?;
        let runs = project.view(|view| {
            let mut rows = Vec::new();
            for version in view.list::<VersionRow>("dataset", dataset.as_str())? {
                rows.append(&mut view.list::<RunRow>("version", &version.id)?);
            }
            rows.sort_by_key(|row| row.created);
            let mut told = Vec::new();
            for RunRow { id, version, state, reservation, .. } in rows {
                let Some(reservation) = reservation else { continue };
                let reservation = ledger::reservation(view, reservation)?;
                told.push(Told { id, version, state: state.word(), reservation });
            }
            Ok(told)
        })?;
        Ok((standing, runs))
    }
}
