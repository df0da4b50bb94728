//! SQLite, built in.
//!
//! Invariant: a commit has returned only after the write-ahead log is on the disk (`synchronous=FULL`; sqlite.org/pragma.html),
//! and what is deleted is overwritten (`secure_delete`).

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{OpenFlags, ToSql};

use super::{Connection, LogRow, Values};
use crate::files::{folder_of, sync_folder};
use crate::store::value::Value;
use crate::{Error, Result};

/// How long another process may write before ours gives up.
const BUSY: Duration = Duration::from_secs(30);
/// Statements that are kept prepared.
const PREPARED: usize = 64;

pub(super) struct Sqlite {
    connection: rusqlite::Connection,
    /// Whether a transaction that writes has begun and has not been ended by us.
    writes: bool,
}

impl Sqlite {
    pub(super) fn open(path: &Path) -> Result<Self> {
        create(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(path, flags).map_err(failed("open"))?;
        connection.busy_timeout(BUSY).map_err(failed("open"))?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        // `recursive_triggers`: else REPLACE removes a row without the trigger of its removal.
        let settings = "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
            PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON;
            PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;";
        connection.execute_batch(settings).map_err(failed("open"))?;
        let mode: String =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed("open"))?;
        if mode != "wal" {
            return Err(Error::Database { action: "open", code: "it has no write-ahead log here".into() });
        }
        Ok(Self { connection, writes: false })
    }

    /// SQLite ends a transaction by itself after some errors, as that of a full disk (sqlite.org/lang_transaction.html). What
    /// came after would be committed statement by statement.
    fn check_open(&self) -> Result<()> {
        match self.writes && self.connection.is_autocommit() {
            true => Err(Error::Database { action: "write", code: "the transaction was given up".into() }),
            false => Ok(()),
        }
    }
}

/// Creates an empty file that its owner alone may read; the journals of SQLite take its permissions.
fn create(path: &Path) -> Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => sync_folder(folder_of(path)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error::write(path)(error)),
    }
}

impl Connection for Sqlite {
    fn begin_write(&mut self) -> Result<()> {
        self.connection
            .prepare_cached("BEGIN IMMEDIATE")
            .and_then(|mut begin| begin.execute([]))
            .map_err(failed("begin"))?;
        self.writes = true;
        Ok(())
    }

    fn begin_schema(&mut self) -> Result<()> {
        self.begin_write()
    }

    fn begin_read(&mut self) -> Result<()> {
        // A deferred transaction sees the database as it is at its first statement that reads.
        self.connection
            .execute_batch("BEGIN DEFERRED; SELECT count(*) FROM sqlite_schema WHERE name = ''")
            .map_err(failed("begin"))
    }

    fn commit(&mut self) -> Result<()> {
        self.check_open()?;
        self.connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])).map_err(failed("commit"))?;
        self.writes = false;
        Ok(())
    }

    fn rollback(&mut self) -> Result<()> {
        self.writes = false;
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.execute_batch("ROLLBACK").map_err(failed("roll back"))
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        self.check_open()?;
        self.connection.execute_batch(sql).map_err(failed("write"))
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        self.check_open()?;
        let mut statement = self.connection.prepare_cached(sql).map_err(failed("prepare"))?;
        let changed = statement.execute(rusqlite::params_from_iter(values)).map_err(failed("write"))?;
        Ok(changed as u64)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Values>> {
        self.check_open()?;
        let mut statement = self.connection.prepare_cached(sql).map_err(failed("prepare"))?;
        let columns = statement.column_count();
        let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(failed("read"))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed("read"))? {
            let value = |column| row.get_ref(column).map_err(failed("read")).and_then(to_value);
            found.push((0..columns).map(value).collect::<Result<Values>>()?);
        }
        Ok(found)
    }

    fn append(&mut self, rows: &[LogRow]) -> Result<()> {
        self.check_open()?;
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO log_entry (idx, id, subject, bytes) VALUES (?1, ?2, ?3, ?4)")
            .map_err(failed("prepare"))?;
        let mut detail = self
            .connection
            .prepare_cached("INSERT INTO log_detail (idx, salt, ciphertext) VALUES (?1, ?2, ?3)")
            .map_err(failed("prepare"))?;
        for row in rows {
            let values = (row.index as i64, &row.id, &row.subject, &row.bytes);
            insert.execute(values).map_err(failed("write"))?;
            if let Some((salt, ciphertext)) = &row.detail {
                detail.execute((row.index as i64, salt, ciphertext)).map_err(failed("write"))?;
            }
        }
        Ok(())
    }

    fn translate(&self, schema: &str) -> String {
        schema.into()
    }

    fn append_only(&self, table: &str) -> String {
        let trigger = |act: &str| {
            format!(
                "CREATE TRIGGER {table}_{act} BEFORE {act} ON {table}
                BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;"
            )
        };
        trigger("UPDATE") + &trigger("DELETE")
    }

    fn scrub(&mut self, _table: &str) -> Result<bool> {
        // Removed bytes are overwritten in the database; older pages are in the write-ahead log until it is cut.
        let busy: i64 = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(failed("cut the write-ahead log"))?;
        Ok(busy == 0)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn to_value(value: ValueRef<'_>) -> Result<Value> {
    let wrong = || Error::Database { action: "read", code: "a value of another type".into() };
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Number(number)),
        ValueRef::Text(text) => std::str::from_utf8(text).map(|text| Value::Text(text.into())).map_err(|_| wrong()),
        ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes.into())),
        ValueRef::Real(_) => Err(wrong()),
    }
}

fn failed(action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |error| {
        let code = match error.sqlite_error() {
            Some(error) => format!("{:?} ({})", error.code, error.extended_code),
            None => "the statement is wrong".into(),
        };
        Error::Database { action, code }
    }
}
