//! What a change and a reading see of the store.
//!
//! Invariant: nothing can be changed but through [`Tx`], which exists only inside a write that ends in an entry of the log.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use super::connection::Connection;
use super::rows::{FACT, Guard, Row, RowKey, fact_of, parse, sealed};
use super::value::{Column as _, Value};
use crate::encoding::hex;
use crate::log::entry::{Fact, Instant};
use crate::{Error, Result};

/// A consistent view of the store.
pub struct View<'a> {
    pub(crate) connection: &'a mut dyn Connection,
    pub(crate) rows: &'a RowKey,
}

impl View<'_> {
    /// The row of an id, if there is one.
    ///
    /// # Errors
    /// [`Error::Row`] if it is not what was written; [`Error::Database`].
    pub fn get<R: Row>(&mut self, key: &str) -> Result<Option<R>> {
        let column = <R as sealed::Row>::COLUMNS[0];
        Ok(self.select(column, Value::Text(key.into()))?.pop())
    }

    /// The row of an id that should be there.
    ///
    /// # Errors
    /// [`Error::NoRow`], and those of [`View::get`].
    pub fn need<R: Row>(&mut self, key: &str) -> Result<R> {
        self.get(key)?.ok_or_else(|| Error::NoRow { table: R::TABLE, key: key.into() })
    }

    /// The rows whose `column` has a text, by their ids; of a grant for example by `dataset`.
    ///
    /// # Errors
    /// As [`View::get`], and [`Error::Malformed`] for a column that the table has not.
    pub fn list<R: Row>(&mut self, column: &str, text: &str) -> Result<Vec<R>> {
        match R::COLUMNS.iter().find(|known| **known == column) {
            Some(column) => self.select(column, Value::Text(text.into())),
            None => Err(Error::Malformed { format: "column", reason: "the table has none of that name" }),
        }
    }

    /// All rows of a kind, by their ids.
    ///
    /// # Errors
    /// As [`View::get`].
    pub fn all<R: Row>(&mut self) -> Result<Vec<R>> {
        let rows = self.connection.query(&format!("{} ORDER BY {}", selection::<R>(), R::COLUMNS[0]), &[])?;
        rows.into_iter().map(|values| parse(values, self.rows).map(|(row, _)| row)).collect()
    }

    fn select<R: Row>(&mut self, column: &'static str, value: Value) -> Result<Vec<R>> {
        let sql = format!("{} WHERE {column} = ?1 ORDER BY {}", selection::<R>(), R::COLUMNS[0]);
        let rows = self.connection.query(&sql, &[value])?;
        rows.into_iter().map(|values| parse(values, self.rows).map(|(row, _)| row)).collect()
    }
}

/// The beginning of a statement that reads rows as [`parse`] takes them.
pub(super) fn selection<R: Row>() -> String {
    let guard = if R::GUARD == Guard::Mac { ", entry, mac" } else { "" };
    format!("SELECT {}{guard} FROM {}", R::COLUMNS.join(", "), R::TABLE)
}

/// A change under way. What it does becomes durable together with its entry, or not at all: one in which a statement failed is
/// undone, also if it hides the error.
pub struct Tx<'a> {
    pub(crate) view: View<'a>,
    pub(crate) index: u64,
    pub(crate) now: Instant,
    pub(crate) facts: BTreeMap<String, Fact>,
    /// Whether a statement has failed.
    pub(super) failed: bool,
}

impl<'a> Deref for Tx<'a> {
    type Target = View<'a>;

    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

impl<'a> DerefMut for Tx<'a> {
    fn deref_mut(&mut self) -> &mut View<'a> {
        &mut self.view
    }
}

impl Tx<'_> {
    /// The place that the entry of this change will have in the log.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The time of the entry: the machine's, or that of the entry before if the clock was set back.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Adds a public figure to the entry.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a name that the store or the ledger uses, or that is there already.
    pub fn fact(&mut self, name: &str, fact: Fact) -> Result<()> {
        check_name(name)?;
        match self.facts.insert(name.into(), fact) {
            None => Ok(()),
            Some(_) => Err(Error::Malformed { format: "fact", reason: "there is one of that name" }),
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`Error::Database`] if there is one with its id, or it contradicts another.
    pub fn insert<R: Row>(&mut self, row: &R) -> Result<()> {
        let values = self.guarded(row);
        let mut columns = R::COLUMNS.to_vec();
        if R::GUARD == Guard::Mac {
            columns.extend(["entry", "mac"]);
        }
        let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", R::TABLE, columns.join(", "), places.join(", "));
        self.run(&sql, &values)?;
        Ok(())
    }

    /// Puts a row in the place of the one with its id.
    ///
    /// # Errors
    /// [`Error::NoRow`]; [`Error::Database`], also for rows that nobody may change.
    pub fn update<R: Row>(&mut self, row: &R) -> Result<()> {
        // What is there must be what was written, or a change would bless it.
        let key = row.key();
        self.need::<R>(&key)?;
        let mut values = self.guarded(row);
        let mut columns = R::COLUMNS.to_vec();
        if R::GUARD == Guard::Mac {
            columns.extend(["entry", "mac"]);
        }
        let set: Vec<String> = columns.iter().zip(1..).map(|(column, place)| format!("{column} = ?{place}")).collect();
        values.push(Value::Text(key));
        let sql = format!("UPDATE {} SET {} WHERE {} = ?{}", R::TABLE, set.join(", "), columns[0], values.len());
        self.run(&sql, &values)?;
        Ok(())
    }

    /// Removes a row. One with its id is refused from then on when the store opens. What it leaves in the database's files is
    /// taken out by [`Store::scrub`](super::Store::scrub).
    ///
    /// # Errors
    /// [`Error::NoRow`]; [`Error::Database`], also for rows that nobody may remove or that others refer to.
    pub fn remove<R: Row>(&mut self, key: &str) -> Result<()> {
        let sql = format!("DELETE FROM {} WHERE {} = ?1", R::TABLE, R::COLUMNS[0]);
        if self.run(&sql, &[Value::Text(key.into())])? != 1 {
            return Err(Error::NoRow { table: R::TABLE, key: key.into() });
        }
        self.facts.insert(fact_of(R::TABLE, key), Fact::Text(String::new()));
        Ok(())
    }

    /// Destroys the details of an entry. The entry keeps its commitment to them.
    ///
    /// # Errors
    /// [`Error::NoRow`] where there are none.
    pub fn destroy_detail(&mut self, index: u64) -> Result<()> {
        let key = [index.to_value()];
        match self.run("DELETE FROM log_detail WHERE idx = ?1", &key)? {
            1 => Ok(()),
            _ => Err(Error::NoRow { table: "log_detail", key: index.to_string() }),
        }
    }

    /// Runs a statement that changes rows, and tells how many.
    pub(crate) fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        self.view.connection.execute(sql, values).inspect_err(|_| self.failed = true)
    }

    /// The values of a row with its guard, which the entry will hold.
    fn guarded<R: Row>(&mut self, row: &R) -> Vec<Value> {
        let mut values = row.values();
        if R::GUARD == Guard::Mac {
            let mac = self.view.rows.mac(R::TABLE, &values, self.index);
            self.facts.insert(fact_of(R::TABLE, &row.key()), Fact::Text(hex(&mac)));
            values.extend([self.index.to_value(), Value::Bytes(mac)]);
        }
        values
    }
}

/// Facts of the store and of the ledger are theirs.
pub(super) fn check_name(name: &str) -> Result<()> {
    match [FACT, crate::ledger::FACT].iter().any(|prefix| name.starts_with(prefix)) {
        true => Err(Error::Malformed { format: "fact", reason: "its name begins as those of the store do" }),
        false => Ok(()),
    }
}
