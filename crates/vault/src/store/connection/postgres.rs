//! PostgreSQL, by URL. The connection is not encrypted yet: use a socket of the machine, or a network that is.
//!
//! Invariant: one writer at a time, whichever machine it runs on: a transaction begins with the lock on the row of
//! `log_state`, so that statements after it see all that was committed before (READ COMMITTED). A server that does not sync is
//! refused.

use std::collections::HashMap;
use std::error::Error as _;

use bytes::BytesMut;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, NoTls, Statement};

use super::{Connection, LogRow, Values};
use crate::store::value::Value;
use crate::{Error, Result};

/// Any number, the same in every process of the product: the key of the lock under which the schema is changed.
const SCHEMA_LOCK: i64 = 0x636c_6f69_7374_6572;

pub(super) struct Postgres {
    client: Client,
    prepared: HashMap<String, Statement>,
}

impl Postgres {
    pub(super) fn connect(url: &str) -> Result<Self> {
        let mut client = Client::connect(url, NoTls).map_err(failed("open"))?;
        // Whatever the role or the database has as its default.
        client
            .batch_execute("SET synchronous_commit TO on; SET client_min_messages TO error; SET lock_timeout TO '30s'")
            .map_err(failed("open"))?;
        let fsync: String =
            client.query_one("SHOW fsync", &[]).and_then(|row| row.try_get(0)).map_err(failed("open"))?;
        if fsync != "on" {
            return Err(Error::Database { action: "open", code: "the server runs with fsync off".into() });
        }
        Ok(Self { client, prepared: HashMap::new() })
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&in_its_words(sql)).map_err(failed("prepare"))?;
        self.prepared.insert(sql.into(), statement.clone());
        Ok(statement)
    }
}

/// No statement has a question mark elsewhere.
fn in_its_words(sql: &str) -> String {
    sql.replace('?', "$").replace("INTEGER", "BIGINT").replace("BLOB", "BYTEA").replace(" STRICT", "")
}

impl Connection for Postgres {
    fn begin_write(&mut self) -> Result<()> {
        self.client
            .batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT one FROM log_state FOR UPDATE")
            .map_err(failed("begin"))
    }

    fn begin_schema(&mut self) -> Result<()> {
        let begin = format!("BEGIN; SELECT pg_advisory_xact_lock({SCHEMA_LOCK})");
        self.client.batch_execute(&begin).map_err(failed("begin"))
    }

    fn begin_read(&mut self) -> Result<()> {
        self.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").map_err(failed("begin"))
    }

    fn commit(&mut self) -> Result<()> {
        self.client.batch_execute("COMMIT").map_err(failed("commit"))
    }

    fn rollback(&mut self) -> Result<()> {
        self.client.batch_execute("ROLLBACK").map_err(failed("roll back"))
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).map_err(failed("write"))
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        let statement = self.prepare(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        self.client.execute(&statement, &values).map_err(failed("write"))
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Values>> {
        let statement = self.prepare(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        let rows = self.client.query(&statement, &values).map_err(failed("read"))?;
        rows.iter().map(|row| (0..row.len()).map(|column| to_value(row, column)).collect()).collect()
    }

    fn append(&mut self, rows: &[LogRow]) -> Result<()> {
        // One statement for all: each costs a journey to the server and back.
        let statement = self.prepare(
            "INSERT INTO log_entry (idx, id, subject, bytes)
            SELECT * FROM unnest(CAST(?1 AS INTEGER[]), CAST(?2 AS TEXT[]), CAST(?3 AS TEXT[]), CAST(?4 AS BLOB[]))",
        )?;
        let indices: Vec<i64> = rows.iter().map(|row| row.index as i64).collect();
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let subjects: Vec<Option<&str>> = rows.iter().map(|row| row.subject.as_deref()).collect();
        let bytes: Vec<&[u8]> = rows.iter().map(|row| row.bytes.as_slice()).collect();
        self.client.execute(&statement, &[&indices, &ids, &subjects, &bytes]).map_err(failed("write"))?;
        for row in rows {
            if let Some((salt, ciphertext)) = &row.detail {
                let values =
                    [Value::Number(row.index as i64), Value::Bytes(salt.clone()), Value::Bytes(ciphertext.clone())];
                self.execute("INSERT INTO log_detail (idx, salt, ciphertext) VALUES (?1, ?2, ?3)", &values)?;
            }
        }
        Ok(())
    }

    fn translate(&self, schema: &str) -> String {
        in_its_words(schema)
    }

    fn append_only(&self, table: &str) -> String {
        format!(
            "CREATE OR REPLACE FUNCTION cloister_append_only() RETURNS trigger LANGUAGE plpgsql
                AS 'BEGIN RAISE EXCEPTION ''append-only''; END';
            CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION cloister_append_only();"
        )
    }

    fn scrub(&mut self, table: &str) -> Result<bool> {
        // The table is written again without what was removed. The server's own write-ahead log and its archives keep older
        // pages: they are backups, and end as those do.
        self.client.batch_execute(&format!("VACUUM (FULL) {table}")).map_err(failed("vacuum"))?;
        Ok(true)
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Number(number) if *ty == Type::INT8 => number.to_sql(ty, out),
            Self::Text(text) if *ty == Type::TEXT => text.as_str().to_sql(ty, out),
            Self::Bytes(bytes) if *ty == Type::BYTEA => bytes.as_slice().to_sql(ty, out),
            _ => Err("a value of another type".into()),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(ty)
    }

    to_sql_checked!();
}

fn to_value(row: &postgres::Row, column: usize) -> Result<Value> {
    let kind = row.columns()[column].type_().clone();
    let value = match kind {
        Type::INT8 => row.try_get::<_, Option<i64>>(column).map(|value| value.map(Value::Number)),
        Type::TEXT => row.try_get::<_, Option<String>>(column).map(|value| value.map(Value::Text)),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(column).map(|value| value.map(Value::Bytes)),
        _ => return Err(Error::Database { action: "read", code: "a value of another type".into() }),
    };
    value.map(|value| value.unwrap_or(Value::Null)).map_err(failed("read"))
}

fn failed(action: &'static str) -> impl Fn(postgres::Error) -> Error {
    move |error| {
        let io = || error.source().and_then(|source| source.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
        let code = match (error.code(), io()) {
            (Some(state), _) => format!("SQLSTATE {}", state.code()),
            (None, Some(kind)) => format!("the connection failed: {kind}"),
            (None, None) if error.is_closed() => "the connection is closed".into(),
            (None, None) => "the server was not understood".into(),
        };
        Error::Database { action, code }
    }
}
