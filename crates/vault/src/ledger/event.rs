//! Events of the ledger, in the database and in the log.
//!
//! Invariant: an event is the same in both, word for word: the row has the number of its entry, and the entry's facts hold
//! every column. Events are added and never changed.

use std::collections::BTreeMap;

use super::ReservationState;
use super::plan::{Mechanism, Plan, Unit};
use crate::log::entry::{Fact, Ulid};
use crate::store::value::{Column as _, Value, words_of};
use crate::store::{Decimal, Tx, View};
use crate::{Error, Result};

/// Facts of the ledger begin so.
pub(crate) const FACT: &str = "budget.";
/// The table.
const TABLE: &str = "budget_event";
/// Its columns. All but the first are facts.
const COLUMNS: [&str; 12] = [
    "idx",
    "reservation",
    "kind",
    "dataset",
    "version",
    "unit",
    "q",
    "sigma",
    "steps",
    "delta",
    "accountant",
    "epsilon",
];

words_of! {
    /// What happened to a reservation.
    Kind {
        /// It was made.
        Reserve = "reserve",
        /// Steps were leased.
        Lease = "lease",
        /// It was ended; its steps are those that were leased.
        Commit = "commit",
        /// It was given back.
        Release = "release",
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// The number of its entry.
    pub(super) index: u64,
    pub(super) reservation: Ulid,
    pub(super) kind: Kind,
    pub(super) dataset: String,
    pub(super) version: String,
    pub(super) unit: Unit,
    pub(super) q: Decimal,
    pub(super) sigma: Decimal,
    pub(super) steps: u64,
    pub(super) delta: Decimal,
    /// Who computed epsilon.
    pub(super) accountant: String,
    /// What the dataset has spent with it, where it has a limit and something was reserved.
    pub(super) epsilon: Option<Decimal>,
}

impl Event {
    #[allow(clippy::too_many_arguments, reason = "the columns of a row, named by their types")]
    pub(super) fn of_plan(
        index: u64,
        kind: Kind,
        reservation: Ulid,
        dataset: &str,
        plan: &Plan,
        steps: u64,
        accountant: &str,
        epsilon: Option<Decimal>,
    ) -> Self {
        let Plan { version, unit, q, sigma, delta, .. } = plan.clone();
        let (dataset, accountant) = (dataset.into(), accountant.into());
        Self { index, reservation, kind, dataset, version, unit, q, sigma, steps, delta, accountant, epsilon }
    }

    /// The next event of the same reservation.
    pub(super) fn next(&self, index: u64, kind: Kind, steps: u64) -> Self {
        Self { index, kind, steps, epsilon: None, ..self.clone() }
    }

    /// The plan of a reservation, of its first event.
    pub(super) fn plan(&self) -> Plan {
        let Self { version, unit, q, sigma, steps, delta, .. } = self.clone();
        Plan { version, unit, q, sigma, steps, delta }
    }

    /// The columns.
    fn values(&self) -> [Value; 12] {
        [
            self.index.to_value(),
            self.reservation.to_value(),
            self.kind.to_value(),
            self.dataset.to_value(),
            self.version.to_value(),
            self.unit.to_value(),
            self.q.to_value(),
            self.sigma.to_value(),
            self.steps.to_value(),
            self.delta.to_value(),
            self.accountant.to_value(),
            self.epsilon.to_value(),
        ]
    }

    fn from_values(values: Vec<Value>) -> Option<Self> {
        let mut values = values.into_iter();
        let mut next = || values.next();
        Some(Self {
            index: u64::from_value(next()?)?,
            reservation: Ulid::from_value(next()?)?,
            kind: Kind::from_value(next()?)?,
            dataset: String::from_value(next()?)?,
            version: String::from_value(next()?)?,
            unit: Unit::from_value(next()?)?,
            q: Decimal::from_value(next()?)?,
            sigma: Decimal::from_value(next()?)?,
            steps: u64::from_value(next()?)?,
            delta: Decimal::from_value(next()?)?,
            accountant: String::from_value(next()?)?,
            epsilon: Option::from_value(next()?)?,
        })
    }

    /// Writes the row, and the facts of the entry.
    pub(super) fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        if tx.facts.keys().any(|name| name.starts_with(FACT)) {
            return Err(Error::Malformed { format: "change", reason: "it has two events of the ledger" });
        }
        tx.facts.extend(self.facts());
        let sql = "INSERT INTO budget_event
            (idx, reservation, kind, dataset, version, unit, q, sigma, steps, delta, accountant, epsilon)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        tx.run(sql, &self.values())?;
        Ok(())
    }

    /// The facts of its entry.
    fn facts(&self) -> BTreeMap<String, Fact> {
        let values = self.values();
        let fact = |(column, value): (&&str, &Value)| {
            let fact = match value {
                Value::Number(_) => Fact::Number(self.steps),
                Value::Text(text) => Fact::Text(text.clone()),
                Value::Null | Value::Bytes(_) => return None,
            };
            Some((format!("{FACT}{column}"), fact))
        };
        COLUMNS.iter().zip(&values).skip(1).filter_map(fact).collect()
    }

    /// The event of an entry's facts, if they hold one.
    fn from_facts(index: u64, facts: &BTreeMap<String, Fact>) -> Result<Option<Self>> {
        let ours: Vec<&String> = facts.keys().filter(|name| name.starts_with(FACT)).collect();
        if ours.is_empty() {
            return Ok(None);
        }
        let mut values = vec![index.to_value()];
        for column in &COLUMNS[1..] {
            values.push(match facts.get(&format!("{FACT}{column}")) {
                Some(Fact::Text(text)) => Value::Text(text.clone()),
                Some(Fact::Number(number)) => number.to_value(),
                None => Value::Null,
            });
        }
        let present = values.iter().skip(1).filter(|value| **value != Value::Null).count();
        let event = Self::from_values(values).filter(|_| present == ours.len());
        event.map(Some).ok_or(Error::LogRow { index, reason: "has an event of the ledger that cannot be" })
    }

    /// The event that made a reservation.
    pub(super) fn first_of(view: &mut View<'_>, reservation: Ulid) -> Result<Option<Self>> {
        let sql = format!("SELECT {} FROM {TABLE} WHERE reservation = ?1 AND kind = ?2", COLUMNS.join(", "));
        let rows = view.connection.query(&sql, &[reservation.to_value(), Kind::Reserve.to_value()])?;
        rows.into_iter().next().map(|values| Self::from_values(values).ok_or_else(|| wrong(reservation))).transpose()
    }
}

/// The steps of a reservation's events, by kind.
pub(super) fn sums(view: &mut View<'_>, reservation: Ulid) -> Result<BTreeMap<Kind, u64>> {
    let sql = "SELECT kind, CAST(SUM(steps) AS INTEGER) FROM budget_event WHERE reservation = ?1 GROUP BY kind";
    let rows = view.connection.query(sql, &[reservation.to_value()])?;
    let parse = |values: Vec<Value>| {
        let mut values = values.into_iter();
        Some((Kind::from_value(values.next()?)?, u64::from_value(values.next()?)?))
    };
    rows.into_iter().map(|values| parse(values).ok_or_else(|| wrong(reservation))).collect()
}

/// The steps that count for a reservation of `reserved` steps, and where it stands.
pub(super) fn charge(reserved: u64, sums: &BTreeMap<Kind, u64>) -> (u64, ReservationState) {
    // Leases count whatever else happened.
    let leased = sums.get(&Kind::Lease).copied().unwrap_or(0);
    if sums.contains_key(&Kind::Commit) {
        (leased, ReservationState::Committed)
    } else if sums.contains_key(&Kind::Release) {
        (leased, ReservationState::Released)
    } else {
        (reserved.max(leased), ReservationState::Open)
    }
}

/// What counts against a dataset itself.
pub(super) fn charges(view: &mut View<'_>, dataset: &str) -> Result<Vec<(Mechanism, Unit)>> {
    let sql = "SELECT reservation, kind, unit, q, sigma, CAST(SUM(steps) AS INTEGER) FROM budget_event
        WHERE dataset = ?1 GROUP BY reservation, kind, unit, q, sigma ORDER BY reservation";
    let mut reservations: BTreeMap<Ulid, (Unit, Decimal, Decimal, BTreeMap<Kind, u64>)> = BTreeMap::new();
    for values in view.connection.query(sql, &[Value::Text(dataset.into())])? {
        let mut values = values.into_iter();
        let mut parse = || {
            let reservation = Ulid::from_value(values.next()?)?;
            let kind = Kind::from_value(values.next()?)?;
            let unit = Unit::from_value(values.next()?)?;
            let (q, sigma) = (Decimal::from_value(values.next()?)?, Decimal::from_value(values.next()?)?);
            let steps = u64::from_value(values.next()?)?;
            reservations.entry(reservation).or_insert((unit, q, sigma, BTreeMap::new())).3.insert(kind, steps);
            Some(())
        };
        let cannot_be = Error::Row { table: TABLE, key: dataset.into(), reason: "has events that cannot be" };
        parse().ok_or(cannot_be)?;
    }
    let charged = reservations.into_values().map(|(unit, q, sigma, sums)| {
        let (steps, _) = charge(sums.get(&Kind::Reserve).copied().unwrap_or(0), &sums);
        (Mechanism { q: q.get(), sigma: sigma.get(), steps }, unit)
    });
    Ok(charged.filter(|(mechanism, _)| mechanism.steps > 0).collect())
}

fn wrong(reservation: Ulid) -> Error {
    Error::Row { table: TABLE, key: reservation.to_string(), reason: "has a value that cannot be" }
}

/// The events that the log tells of.
#[derive(Default)]
pub(crate) struct Fold(BTreeMap<u64, Event>);

impl Fold {
    /// Takes the facts of an entry.
    pub(crate) fn take(&mut self, index: u64, facts: &BTreeMap<String, Fact>) -> Result<()> {
        if let Some(event) = Event::from_facts(index, facts)? {
            self.0.insert(index, event);
        }
        Ok(())
    }

    /// The facts of their entries, by the numbers of those.
    pub(crate) fn facts(&self) -> BTreeMap<u64, BTreeMap<String, Fact>> {
        self.0.iter().map(|(index, event)| (*index, event.facts())).collect()
    }

    /// Compares them with the rows of the database: each is there, as it was, and no other.
    pub(crate) fn check(&self, connection: &mut dyn crate::store::Connection) -> Result<()> {
        let sql = format!("SELECT {} FROM {TABLE} ORDER BY idx", COLUMNS.join(", "));
        let mut expected = self.0.values();
        for values in connection.query(&sql, &[])? {
            let key =
                values.first().cloned().and_then(u64::from_value).map_or(String::new(), |index| index.to_string());
            if Event::from_values(values).as_ref() != expected.next() {
                return Err(Error::Row { table: TABLE, key, reason: "is not the one that the log tells of" });
            }
        }
        match expected.next() {
            Some(event) => Err(Error::Row { table: TABLE, key: event.index.to_string(), reason: "is missing" }),
            None => Ok(()),
        }
    }
}
