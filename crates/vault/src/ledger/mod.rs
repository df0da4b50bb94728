//! The privacy ledger: what every dataset has spent, and what may still be spent on it.
//!
//! Invariant: the unit of account is the mechanism (q, sigma, steps), never an epsilon: epsilon is computed again from all
//! mechanisms of a dataset, of what it was made from and of what was made from it, so that filtering or protecting a dataset
//! gives no new budget. Every act is an event that is never changed, in the same transaction as its entry of the log; at opening
//! the events must equal the fold of the log. A number with a fraction is written in decimal digits that come back exactly.
//!
//! ```text
//! reserve (steps) ──► lease (a block, before its first gradient) ──► … ──► commit: the steps that were leased are spent
//!                └──► release, where nothing was leased
//! ```
//!
//! A reservation counts with all of its steps until it is committed or released. Whoever is stopped after a lease has spent
//! it; a step that is run again is leased again. The accountant is not ours: [`Accountant`] is what the product brings.
//!
//! ```
//! use cloister_vault::ledger::{Accountant, Ledger, Limit, Mechanism, Plan, Unit};
//! # use cloister_vault::log::entry::{Actor, ActorKind};
//! # use cloister_vault::log::{Hash, SignatureKind, SignerKey};
//! # use cloister_vault::store::{
//! #     Database, DatasetRow, DatasetState, PrincipalKind, PrincipalRow, PrincipalState, RowKey, Settings, TenantRow,
//! #     VersionRow, VersionState, Words,
//! # };
//! use cloister_vault::store::{Decimal, Request, Store};
//!
//! /// Gaussians without sampling, by zero-concentrated differential privacy (Bun and Steinke 2016).
//! struct Zcdp;
//! impl Accountant for Zcdp {
//!     fn name(&self) -> &str {
//!         "zcdp 1"
//!     }
//!     fn epsilon(&self, mechanisms: &[Mechanism], delta: f64) -> cloister_vault::Result<f64> {
//!         let rho: f64 = mechanisms.iter().map(|m| m.steps as f64 / (2.0 * m.sigma * m.sigma)).sum();
//!         Ok(rho + 2.0 * (rho * (1.0 / delta).ln()).sqrt())
//!     }
//! }
//!
//! # let folder = tempfile::tempdir()?;
//! # let signer = SignerKey::generate("example.com/log", SignatureKind::Ed25519)?;
//! # let database = Database::Sqlite(folder.path().join("vault.db"));
//! # let store = Store::open(Settings::new(database, folder.path().join("log"), signer, RowKey::random()?))?;
//! # let me = Actor { auth: "test".into(), id: "u1".into(), mfa_age: None, session_h: None, kind: ActorKind::User };
//! # store.write(&Request::new("init", me.clone()), |tx| {
//! #     let (created, name, roles) = (tx.now(), String::from("x"), Words::default());
//! #     let (kind, state) = (PrincipalKind::User, PrincipalState::Active);
//! #     let (preset, ring) = (String::from("gdpr"), 1);
//! #     tx.insert(&TenantRow { id: "t".into(), name: name.clone(), preset, four_eyes: true, ring, created })?;
//! #     let (id, tenant) = (String::from("u1"), String::from("t"));
//! #     let (slot, owned) = (None, tenant.clone());
//! #     tx.insert(&PrincipalRow { id, tenant: owned, name: name.clone(), kind, roles, state, slot, created })?;
//! #     let (id, owner, sensitivity, purposes) = ("d".into(), "u1".into(), "high".into(), Words::default());
//! #     let state = DatasetState::Active;
//! #     tx.insert(&DatasetRow { id, tenant, name, owner, sensitivity, purposes, state, created })?;
//! #     let (id, dataset, root, parents) = ("d.1".into(), "d".into(), Hash::from_bytes([0; 32]), Words::default());
//! #     let state = VersionState::Whole;
//! #     tx.insert(&VersionRow { id, dataset, number: 1, root, parents, records: 1, state, created })
//! # })?;
//! let ledger = Ledger::new(&store, &Zcdp);
//! let (q, delta) = (Decimal::new(1.0)?, Decimal::new(1e-5)?);
//! let limit = Limit { unit: Unit::Record, epsilon: Decimal::new(4.0)?, delta };
//! ledger.set_limit(&Request::new("budget.limit", me.clone()).on("dataset", "d"), "d", &limit)?;
//!
//! let train = Request::new("train", me).on("dataset", "d");
//! let plan = Plan { version: "d.1".into(), unit: Unit::Record, q, sigma: Decimal::new(20.0)?, steps: 100, delta };
//! let reserved = ledger.reserve(&train, &plan, None)?.value;
//! let block = ledger.lease(&train, reserved.id, 50)?.value; // durable; now its gradients may be computed
//! assert_eq!((block.first, block.steps), (0, 50));
//! assert_eq!(ledger.commit(&train, reserved.id)?.value.charged, 50);
//! // Too much is refused, and how much would fit is told.
//! let refused = ledger.reserve(&train, &Plan { steps: 1000, ..plan }, None);
//! assert!(matches!(refused, Err(cloister_vault::Error::OverBudget { largest: 188, .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod event;
mod lineage;
mod plan;

use std::collections::BTreeMap;

pub use event::Kind;
use event::{Event, charges};
pub(crate) use event::{FACT, Fold};
use lineage::Lineage;
use plan::Memo;
pub use plan::{Accountant, Limit, Mechanism, Plan, Unit};

use crate::log::entry::{Outcome, Ulid};
use crate::store::rows::BudgetRow;
use crate::store::{Decimal, Receipt, Request, Store, Tx, VersionRow, View};
use crate::{Error, Result};

/// Steps that may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Its id.
    pub id: Ulid,
    /// The dataset that is charged.
    pub dataset: String,
    /// What was planned.
    pub plan: Plan,
    /// Steps that are charged: the plan's until it is committed, then those that were leased.
    pub charged: u64,
    /// Steps that were leased.
    pub leased: u64,
    /// Where it stands.
    pub state: ReservationState,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationState {
    /// Steps can be leased.
    Open,
    /// It is done.
    Committed,
    /// Nothing was leased and nothing is spent.
    Released,
}

/// Steps that may be run now, and are spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The reservation.
    pub reservation: Ulid,
    /// The first step, from 0.
    pub first: u64,
    /// How many.
    pub steps: u64,
}

/// What a dataset has spent.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The limit that binds it: its own, or the policy's where that is stricter.
    pub limit: Option<Limit>,
    /// Mechanisms that were charged to it, to what it was made from and to what was made from it; equal ones together.
    pub mechanisms: Vec<Mechanism>,
    /// Their epsilon at the limit's delta; none without a limit.
    pub epsilon: Option<Decimal>,
}

/// The ledger of a store.
pub struct Ledger<'a> {
    store: &'a Store,
    accountant: &'a dyn Accountant,
}

impl<'a> Ledger<'a> {
    /// The ledger of a store, with who computes epsilon.
    #[must_use]
    pub fn new(store: &'a Store, accountant: &'a dyn Accountant) -> Self {
        Self { store, accountant }
    }

    /// Reserves the steps of a plan. `cap` is the policy's limit for every dataset; the stricter one binds. What is refused is
    /// written to the log as denied.
    ///
    /// # Errors
    /// [`Error::OverBudget`] with the most steps that fit; [`Error::NoLimit`]; [`Error::Plan`]; [`Error::Accountant`]; those
    /// of [`Store::write`].
    pub fn reserve(&self, request: &Request, plan: &Plan, cap: Option<&Limit>) -> Result<Receipt<Reservation>> {
        // Computing takes time. It is done before others are kept waiting, and again only for what has changed meanwhile.
        let memo = Memo::new(self.accountant);
        let reserved = match self.store.view(|view| fits(view, plan, cap, &memo).map(drop)) {
            Ok(()) => self.store.write(request, |tx| reserve(tx, plan, cap, &memo)),
            Err(refused) => Err(refused),
        };
        if let Err(Error::OverBudget { .. } | Error::NoLimit { .. } | Error::Plan { .. }) = reserved {
            self.store.record(request, Outcome::Denied)?;
        }
        reserved
    }

    /// Leases the next steps of a reservation: they are spent from then on. To be durable before the first gradient of the
    /// block.
    ///
    /// # Errors
    /// [`Error::Reservation`] beyond what was reserved, and for what is no longer open; those of [`Store::write`].
    pub fn lease(&self, request: &Request, reservation: Ulid, steps: u64) -> Result<Receipt<Lease>> {
        self.store.write(request, |tx| lease(tx, reservation, steps))
    }

    /// Ends a reservation: the steps that were leased stay spent, the others are given back.
    ///
    /// # Errors
    /// [`Error::Reservation`]; those of [`Store::write`].
    pub fn commit(&self, request: &Request, reservation: Ulid) -> Result<Receipt<Reservation>> {
        self.store.write(request, |tx| commit(tx, reservation))
    }

    /// Gives a reservation back of which nothing was leased.
    ///
    /// # Errors
    /// [`Error::Reservation`]; those of [`Store::write`].
    pub fn release(&self, request: &Request, reservation: Ulid) -> Result<Receipt<Reservation>> {
        self.store.write(request, |tx| release(tx, reservation))
    }

    /// Sets the limit of a dataset. What was spent stays spent.
    ///
    /// # Errors
    /// [`Error::Plan`]; those of [`Store::write`].
    pub fn set_limit(&self, request: &Request, dataset: &str, limit: &Limit) -> Result<Receipt> {
        self.store.write(request, |tx| set_limit(tx, dataset, limit))
    }

    /// What a dataset has spent.
    ///
    /// # Errors
    /// [`Error::Accountant`], [`Error::Row`], [`Error::Database`].
    pub fn standing(&self, dataset: &str, cap: Option<&Limit>) -> Result<Standing> {
        self.store.view(|view| {
            let lineage = Lineage::read(view)?;
            let limit = limit_of(view, dataset, cap)?;
            let mechanisms = spent(view, &lineage, dataset)?.into_iter().map(|(mechanism, _)| mechanism).collect();
            let mechanisms = plan::merged(mechanisms);
            let memo = Memo::new(self.accountant);
            let epsilon = limit.as_ref().map(|limit| memo.epsilon(&mechanisms, limit.delta.get())).transpose()?;
            Ok(Standing { limit, mechanisms, epsilon })
        })
    }

    /// A reservation.
    ///
    /// # Errors
    /// [`Error::Reservation`] if there is none; [`Error::Row`], [`Error::Database`].
    pub fn reservation(&self, id: Ulid) -> Result<Reservation> {
        self.store.view(|view| reservation(view, id))
    }
}

/// Reserves the steps of a plan within a change; as [`Ledger::reserve`].
///
/// # Errors
/// As [`Ledger::reserve`], and [`Error::Malformed`] for a second event in one change.
pub fn reserve(tx: &mut Tx<'_>, plan: &Plan, cap: Option<&Limit>, accountant: &dyn Accountant) -> Result<Reservation> {
    let (dataset, epsilon) = fits(tx, plan, cap, accountant)?;
    let id = Ulid::fresh(tx.now())?;
    let steps = plan.steps;
    let event = Event::of_plan(tx.index(), Kind::Reserve, id, &dataset, plan, steps, accountant.name(), epsilon);
    event.write(tx)?;
    let state = ReservationState::Open;
    Ok(Reservation { id, dataset, plan: plan.clone(), charged: steps, leased: 0, state })
}

/// Whether a plan could be reserved now. Whoever reserves within a change asks here first: computing takes time, and a change
/// keeps others waiting.
///
/// # Errors
/// As [`Ledger::reserve`].
pub fn check(view: &mut View<'_>, plan: &Plan, cap: Option<&Limit>, accountant: &dyn Accountant) -> Result<()> {
    fits(view, plan, cap, accountant).map(drop)
}

/// Leases steps within a change; as [`Ledger::lease`].
///
/// # Errors
/// As [`Ledger::lease`].
pub fn lease(tx: &mut Tx<'_>, id: Ulid, steps: u64) -> Result<Lease> {
    let (reservation, first) = open(tx, id)?;
    if steps == 0 || steps > reservation.charged - reservation.leased {
        return Err(refused(id, "has not so many steps left, or none were asked for"));
    }
    first.next(tx.index(), Kind::Lease, steps).write(tx)?;
    Ok(Lease { reservation: id, first: reservation.leased, steps })
}

/// Ends a reservation within a change; as [`Ledger::commit`].
///
/// # Errors
/// As [`Ledger::commit`].
pub fn commit(tx: &mut Tx<'_>, id: Ulid) -> Result<Reservation> {
    let (reservation, first) = open(tx, id)?;
    first.next(tx.index(), Kind::Commit, reservation.leased).write(tx)?;
    Ok(Reservation { charged: reservation.leased, state: ReservationState::Committed, ..reservation })
}

/// Gives a reservation back within a change; as [`Ledger::release`].
///
/// # Errors
/// As [`Ledger::release`].
pub fn release(tx: &mut Tx<'_>, id: Ulid) -> Result<Reservation> {
    let (reservation, first) = open(tx, id)?;
    if reservation.leased > 0 {
        return Err(refused(id, "has leased steps: commit it"));
    }
    first.next(tx.index(), Kind::Release, 0).write(tx)?;
    Ok(Reservation { charged: 0, state: ReservationState::Released, ..reservation })
}

/// Sets a limit within a change; as [`Ledger::set_limit`].
///
/// # Errors
/// As [`Ledger::set_limit`].
pub fn set_limit(tx: &mut Tx<'_>, dataset: &str, limit: &Limit) -> Result<()> {
    limit.check()?;
    let Limit { unit, epsilon, delta } = limit.clone();
    let row = BudgetRow { dataset: dataset.into(), unit, epsilon, delta };
    match tx.get::<BudgetRow>(dataset)? {
        None => tx.insert(&row),
        Some(_) => tx.update(&row),
    }
}

/// A reservation within a change or a view.
///
/// # Errors
/// [`Error::Reservation`] if there is none; [`Error::Row`], [`Error::Database`].
pub fn reservation(view: &mut View<'_>, id: Ulid) -> Result<Reservation> {
    standing_of(view, id).map(|(reservation, _)| reservation)
}

/// Checks a plan against the limit of its dataset and of every one that shares records with it. Gives the dataset, and its
/// epsilon with the plan.
fn fits(
    view: &mut View<'_>,
    plan: &Plan,
    cap: Option<&Limit>,
    accountant: &dyn Accountant,
) -> Result<(String, Option<Decimal>)> {
    plan.check()?;
    let own = view.need::<VersionRow>(&plan.version)?.dataset;
    let lineage = Lineage::read(view)?;
    let (mut limited, mut over) = (None, None::<Error>);
    let mut fitting = plan.steps;
    // The plan's own dataset first, so that it is the one that a refusal names, if it is one of several.
    for dataset in std::iter::once(own.clone()).chain(lineage.related(&own).into_iter().filter(|other| *other != own)) {
        let Some(limit) = limit_of(view, &dataset, cap)? else { continue };
        let before = spent(view, &lineage, &dataset)?;
        let units = before.iter().map(|(_, unit)| *unit).chain([plan.unit]);
        if limit.unit == Unit::Subject && units.into_iter().any(|unit| unit == Unit::Record) {
            return Err(Error::Plan { reason: "a mechanism hides records, and the limit is one of subjects" });
        }
        if plan.delta > limit.delta {
            return Err(Error::Plan { reason: "its delta is larger than that of the limit" });
        }
        let before = plan::merged(before.into_iter().map(|(mechanism, _)| mechanism).collect());
        let delta = limit.delta.get();
        let would = epsilon_of(accountant, &plan::with(&before, &plan.mechanism(plan.steps)), delta)?;
        if would <= limit.epsilon {
            limited.get_or_insert((dataset == own).then_some(would));
            continue;
        }
        let mechanism = plan.mechanism(plan.steps);
        let largest = accountant.largest_steps(&before, &mechanism, delta, limit.epsilon.get())?;
        // Whatever the accountant says, what was refused does not fit.
        fitting = fitting.min(largest).min(plan.steps - 1);
        let spent = epsilon_of(accountant, &before, delta)?;
        let (steps, spent, would) = (plan.steps, shown(spent), shown(would));
        let limit = limit.epsilon.to_string();
        over.get_or_insert(Error::OverBudget { dataset, steps, spent, would, limit, largest: 0 });
    }
    match (over, limited) {
        (Some(Error::OverBudget { dataset, steps, spent, would, limit, .. }), _) => {
            Err(Error::OverBudget { dataset, steps, spent, would, limit, largest: fitting })
        }
        (Some(error), _) => Err(error),
        (None, None) => Err(Error::NoLimit { dataset: own }),
        (None, Some(epsilon)) => Ok((own, epsilon)),
    }
}

/// An epsilon as people read it: four decimals, never below the value.
fn shown(epsilon: Decimal) -> String {
    ((epsilon.get() * 1e4).ceil() / 1e4).to_string()
}

/// The epsilon of mechanisms, or an error: never what could be taken for a small one.
fn epsilon_of(accountant: &dyn Accountant, mechanisms: &[Mechanism], delta: f64) -> Result<Decimal> {
    if mechanisms.is_empty() {
        return Decimal::new(0.0);
    }
    let epsilon = accountant.epsilon(mechanisms, delta)?;
    Decimal::new(epsilon).map_err(|_| Error::Accountant { reason: "its epsilon is negative or not finite".into() })
}

/// The limit of a dataset: its own and the policy's, the stricter of each.
fn limit_of(view: &mut View<'_>, dataset: &str, cap: Option<&Limit>) -> Result<Option<Limit>> {
    let own = view.get::<BudgetRow>(dataset)?;
    let own = own.map(|BudgetRow { unit, epsilon, delta, .. }| Limit { unit, epsilon, delta });
    Ok(match (own, cap) {
        (Some(own), Some(cap)) => Some(own.stricter(cap)),
        (own, cap) => own.or_else(|| cap.cloned()),
    })
}

/// What was charged to a dataset and to all related ones.
fn spent(view: &mut View<'_>, lineage: &Lineage, dataset: &str) -> Result<Vec<(Mechanism, Unit)>> {
    let mut all = Vec::new();
    for related in lineage.related(dataset) {
        all.extend(charges(view, &related)?);
    }
    Ok(all)
}

fn open(tx: &mut Tx<'_>, id: Ulid) -> Result<(Reservation, Event)> {
    let (reservation, first) = standing_of(tx, id)?;
    match reservation.state {
        ReservationState::Open => Ok((reservation, first)),
        _ => Err(refused(id, "is not open")),
    }
}

/// A reservation from its events, and the event that began it.
fn standing_of(view: &mut View<'_>, id: Ulid) -> Result<(Reservation, Event)> {
    let first = Event::first_of(view, id)?.ok_or_else(|| refused(id, "is not there"))?;
    let sums: BTreeMap<Kind, u64> = event::sums(view, id)?;
    let leased = sums.get(&Kind::Lease).copied().unwrap_or(0);
    let (charged, state) = event::charge(first.steps, &sums);
    let reservation = Reservation { id, dataset: first.dataset.clone(), plan: first.plan(), charged, leased, state };
    Ok((reservation, first))
}

fn refused(id: Ulid, reason: &'static str) -> Error {
    Error::Reservation { reservation: id.to_string(), reason }
}
