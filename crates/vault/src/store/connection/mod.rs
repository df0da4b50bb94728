//! One connection to the database, the same for SQLite and PostgreSQL.
//!
//! Invariant: statements are written once, in the words of SQLite; what differs between the databases is in this folder. An
//! error tells a code, never the words of the database, which may quote rows.

#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use super::Database;
use super::value::Value;
use crate::Result;

/// A row as it was read.
pub(crate) type Values = Vec<Value>;

/// An entry of the log on its way into the database.
pub(crate) struct LogRow {
    pub(crate) index: u64,
    /// The entry's id.
    pub(crate) id: String,
    /// What an outcome was about.
    pub(crate) subject: Option<String>,
    pub(crate) bytes: Vec<u8>,
    /// Salt and ciphertext of details that can be destroyed.
    pub(crate) detail: Option<(Vec<u8>, Vec<u8>)>,
}

/// A connection.
pub(crate) trait Connection: Send {
    /// Begins a transaction that no other one of the store runs beside, in any process.
    fn begin_write(&mut self) -> Result<()>;
    /// Begins a transaction that changes the schema, alone in all processes.
    fn begin_schema(&mut self) -> Result<()>;
    /// Begins a transaction that sees one state of the database until it ends.
    fn begin_read(&mut self) -> Result<()>;
    /// Makes the transaction durable. After an error it is not known whether it is.
    fn commit(&mut self) -> Result<()>;
    /// Gives the transaction up.
    fn rollback(&mut self) -> Result<()>;
    /// Runs several statements that give no rows.
    fn batch(&mut self, sql: &str) -> Result<()>;
    /// Runs a statement with `?1`, `?2` … in the order in which they stand, and tells how many rows it changed.
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64>;
    /// Runs a statement that gives rows.
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Values>>;
    /// Appends to `log_entry` and `log_detail`.
    fn append(&mut self, rows: &[LogRow]) -> Result<()>;
    /// Statements of a schema as this database takes them.
    fn translate(&self, schema: &str) -> String;
    /// Statements that let nobody change or remove rows of a table.
    fn append_only(&self, table: &str) -> String;
    /// Takes out of the database's files what removed rows of a table left there. False if somebody was in the way.
    fn scrub(&mut self, table: &str) -> Result<bool>;
}

/// Connects; a database of SQLite is created where none is.
pub(crate) fn connect(database: &Database) -> Result<Box<dyn Connection>> {
    match database {
        Database::Sqlite(path) => Ok(Box::new(sqlite::Sqlite::open(path)?)),
        #[cfg(feature = "postgres")]
        Database::Postgres(url) => Ok(Box::new(postgres::Postgres::connect(url)?)),
    }
}
