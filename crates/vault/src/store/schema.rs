//! The schema, as numbered migrations that are the same for both databases.
//!
//! Invariant: a migration is one transaction with its number, so one that is interrupted has not begun; a migration that was
//! released is never edited, the next one follows it. A database of a newer schema is refused before anything is read.

use super::connection::Connection;
use super::value::{Column as _, Value};
use super::{Observer, Step};
use crate::{Error, Result};

/// One step of the schema.
struct Migration {
    /// In the words of SQLite; types are translated.
    sql: &'static str,
    /// Tables of it whose rows nobody may change or remove. The proof is the tree; this stops mistakes.
    append_only: &'static [&'static str],
}

/// The migrations, of which the first has number 1.
const MIGRATIONS: &[Migration] = &[
    // The log. `subject` is what an outcome was about; both it and `id` stand in the bytes too and are compared at opening.
    Migration {
        sql: "
            CREATE TABLE log_entry (
                idx INTEGER PRIMARY KEY NOT NULL CHECK (idx >= 0),
                id TEXT NOT NULL UNIQUE,
                subject TEXT,
                bytes BLOB NOT NULL
            ) STRICT;
            CREATE INDEX log_entry_subject ON log_entry (subject, idx) WHERE subject IS NOT NULL;
            CREATE TABLE log_state (
                one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
                size INTEGER NOT NULL CHECK (size >= 0),
                signed BLOB,
                published INTEGER NOT NULL CHECK (published >= 0)
            ) STRICT;
            INSERT INTO log_state (one, size, signed, published) VALUES (1, 0, NULL, 0);
            CREATE TABLE log_detail (
                idx INTEGER PRIMARY KEY NOT NULL REFERENCES log_entry (idx),
                salt BLOB NOT NULL,
                ciphertext BLOB NOT NULL
            ) STRICT;",
        append_only: &["log_entry"],
    },
    // Who is there, what there is, and who may do what with it.
    Migration {
        sql: "
            CREATE TABLE tenant (
                id TEXT PRIMARY KEY NOT NULL,
                name TEXT NOT NULL UNIQUE,
                preset TEXT NOT NULL,
                four_eyes INTEGER NOT NULL CHECK (four_eyes IN (0, 1)),
                ring INTEGER NOT NULL CHECK (ring >= 0),
                created INTEGER NOT NULL,
                entry INTEGER NOT NULL,
                mac BLOB NOT NULL
            ) STRICT;
            CREATE TABLE principal (
                id TEXT PRIMARY KEY NOT NULL,
                tenant TEXT NOT NULL REFERENCES tenant (id),
                name TEXT NOT NULL,
                kind TEXT NOT NULL,
                roles TEXT NOT NULL,
                state TEXT NOT NULL,
                slot TEXT UNIQUE,
                created INTEGER NOT NULL,
                entry INTEGER NOT NULL,
                mac BLOB NOT NULL,
                UNIQUE (tenant, name)
            ) STRICT;
            CREATE TABLE dataset (
                id TEXT PRIMARY KEY NOT NULL,
                tenant TEXT NOT NULL REFERENCES tenant (id),
                name TEXT NOT NULL,
                owner TEXT NOT NULL REFERENCES principal (id),
                sensitivity TEXT NOT NULL,
                purposes TEXT NOT NULL,
                state TEXT NOT NULL,
                created INTEGER NOT NULL,
                entry INTEGER NOT NULL,
                mac BLOB NOT NULL,
                UNIQUE (tenant, name)
            ) STRICT;
            CREATE TABLE dataset_version (
                id TEXT PRIMARY KEY NOT NULL,
                dataset TEXT NOT NULL REFERENCES dataset (id),
                number INTEGER NOT NULL CHECK (number >= 0),
                root BLOB NOT NULL,
                parents TEXT NOT NULL,
                records INTEGER NOT NULL CHECK (records >= 0),
                state TEXT NOT NULL,
                created INTEGER NOT NULL,
                entry INTEGER NOT NULL,
                mac BLOB NOT NULL,
                UNIQUE (dataset, number)
            ) STRICT;
            CREATE TABLE object (
                id TEXT PRIMARY KEY NOT NULL,
                tenant TEXT NOT NULL REFERENCES tenant (id),
                version TEXT REFERENCES dataset_version (id),
                kind TEXT NOT NULL,
                place TEXT NOT NULL,
                sha256 BLOB NOT NULL,
                bytes INTEGER NOT NULL CHECK (bytes >= 0),
                kek TEXT NOT NULL,
                wrapped BLOB NOT NULL,
                created INTEGER NOT NULL
            ) STRICT;
            CREATE INDEX object_version ON object (version);
            CREATE TABLE subject_key (
                id TEXT PRIMARY KEY NOT NULL,
                dataset TEXT NOT NULL REFERENCES dataset (id),
                pseudonym TEXT NOT NULL,
                kek TEXT NOT NULL,
                wrapped BLOB NOT NULL,
                created INTEGER NOT NULL
            ) STRICT;
            CREATE INDEX subject_key_pseudonym ON subject_key (pseudonym);
            CREATE INDEX subject_key_dataset ON subject_key (dataset);
            CREATE TABLE access_grant (
                id TEXT PRIMARY KEY NOT NULL,
                tenant TEXT NOT NULL REFERENCES tenant (id),
                who TEXT NOT NULL REFERENCES principal (id),
                resource TEXT NOT NULL,
                purpose TEXT NOT NULL,
                requested_by TEXT NOT NULL REFERENCES principal (id),
                expires INTEGER NOT NULL,
                revision INTEGER NOT NULL CHECK (revision >= 0),
                body TEXT NOT NULL,
                entry INTEGER NOT NULL,
                mac BLOB NOT NULL
            ) STRICT;
            CREATE INDEX access_grant_resource ON access_grant (resource);
            CREATE INDEX access_grant_who ON access_grant (who);
            CREATE TABLE policy_set (
                id TEXT PRIMARY KEY NOT NULL,
                tenant TEXT NOT NULL REFERENCES tenant (id),
                proposed_by TEXT NOT NULL REFERENCES principal (id),
                state TEXT NOT NULL,
                revision INTEGER NOT NULL CHECK (revision >= 0),
                body TEXT NOT NULL,
                policies TEXT NOT NULL,
                entry INTEGER NOT NULL,
                mac BLOB NOT NULL
            ) STRICT;
            CREATE INDEX policy_set_state ON policy_set (state);
            CREATE TABLE approval (
                id TEXT PRIMARY KEY NOT NULL,
                kind TEXT NOT NULL,
                subject TEXT NOT NULL,
                who TEXT NOT NULL REFERENCES principal (id),
                decision TEXT NOT NULL,
                created INTEGER NOT NULL,
                entry INTEGER NOT NULL,
                mac BLOB NOT NULL,
                UNIQUE (subject, who)
            ) STRICT;
            CREATE TABLE run (
                id TEXT PRIMARY KEY NOT NULL,
                tenant TEXT NOT NULL REFERENCES tenant (id),
                version TEXT NOT NULL REFERENCES dataset_version (id),
                config BLOB NOT NULL,
                reservation TEXT,
                state TEXT NOT NULL,
                created INTEGER NOT NULL
            ) STRICT;
            CREATE INDEX run_version ON run (version);",
        append_only: &["approval"],
    },
    // The privacy ledger. An event has the number of its entry in the log, which follows in the same transaction.
    Migration {
        sql: "
            CREATE TABLE budget (
                dataset TEXT PRIMARY KEY NOT NULL REFERENCES dataset (id),
                unit TEXT NOT NULL,
                epsilon TEXT NOT NULL,
                delta TEXT NOT NULL,
                entry INTEGER NOT NULL,
                mac BLOB NOT NULL
            ) STRICT;
            CREATE TABLE budget_event (
                idx INTEGER PRIMARY KEY NOT NULL REFERENCES log_entry (idx) DEFERRABLE INITIALLY DEFERRED,
                reservation TEXT NOT NULL,
                kind TEXT NOT NULL,
                dataset TEXT NOT NULL REFERENCES dataset (id),
                version TEXT NOT NULL REFERENCES dataset_version (id),
                unit TEXT NOT NULL,
                q TEXT NOT NULL,
                sigma TEXT NOT NULL,
                steps INTEGER NOT NULL CHECK (steps >= 0),
                delta TEXT NOT NULL,
                accountant TEXT NOT NULL,
                epsilon TEXT
            ) STRICT;
            CREATE INDEX budget_event_dataset ON budget_event (dataset);
            CREATE INDEX budget_event_reservation ON budget_event (reservation);
            CREATE UNIQUE INDEX budget_event_once ON budget_event (reservation, kind) WHERE kind <> 'lease';",
        append_only: &["budget_event"],
    },
];

/// The newest schema that is known here.
#[must_use]
pub fn newest() -> u64 {
    MIGRATIONS.len() as u64
}

/// Brings a database to the newest schema.
pub(super) fn migrate(connection: &mut dyn Connection, observer: &Observer) -> Result<()> {
    loop {
        // The lock on `log_state` is not there before the first migration, so this is a transaction of its own kind.
        connection.begin_schema()?;
        match step(connection, observer) {
            Ok(more) => {
                connection.commit()?;
                if !more {
                    return Ok(());
                }
            }
            Err(error) => {
                // The first error is the one to tell.
                let _ = connection.rollback();
                return Err(error);
            }
        }
    }
}

/// Applies the next migration, if there is one.
fn step(connection: &mut dyn Connection, observer: &Observer) -> Result<bool> {
    connection.batch(&connection.translate(
        "CREATE TABLE IF NOT EXISTS schema_version (
            one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
            version INTEGER NOT NULL
        ) STRICT;
        INSERT INTO schema_version (one, version) VALUES (1, 0) ON CONFLICT (one) DO NOTHING;",
    ))?;
    let rows = connection.query("SELECT version FROM schema_version", &[])?;
    let found = rows.into_iter().flatten().next().and_then(u64::from_value);
    let found =
        found.ok_or(Error::Row { table: "schema_version", key: "1".into(), reason: "is missing or has no version" })?;
    if found > newest() {
        return Err(Error::NewerSchema { found, known: newest() });
    }
    let Some(migration) = MIGRATIONS.get(found as usize) else { return Ok(false) };
    observer(&Step::Migrate(found + 1))?;
    connection.batch(&connection.translate(migration.sql))?;
    for table in migration.append_only {
        connection.batch(&connection.append_only(table))?;
    }
    connection.execute("UPDATE schema_version SET version = ?1", &[Value::Number(found as i64 + 1)])?;
    observer(&Step::Migrated(found + 1))?;
    Ok(true)
}
