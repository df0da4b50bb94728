//! The store: what there is and who may use it, in SQLite or PostgreSQL, with every change in the log.
//!
//! Invariant: no state changes without an entry of the log in the same transaction, and no commit without a signed checkpoint
//! over the log that ends with it. What cannot be logged is not done. When the store opens, the database is held against the
//! log: every entry under the signed root, every guarded row and every event of the ledger against the entry that wrote it, the
//! files of the log and the last checkpoint that left the house against the database. Of a long log what was verified is kept,
//! and entries before that are read again once a day, or for who asks. Order of writing: the database, tiles, checkpoint.
//! (Design: DB commit before tiles as in trillian-tessera's POSIX storage; triggers and MACs are a second line.)
//!
//! What it does not stop: who holds the keys of log and rows can write another history; who can write the database while a
//! process runs is found when the store opens next.
//!
//! ```
//! use cloister_vault::log::entry::{Actor, ActorKind, Outcome};
//! use cloister_vault::log::{Against, SignatureKind, SignerKey, verify};
//! use cloister_vault::store::{Database, Request, RowKey, Settings, Store, TenantRow};
//!
//! let folder = tempfile::tempdir()?;
//! let signer = SignerKey::generate("example.com/log", SignatureKind::Ed25519)?;
//! let key = signer.verifier().clone();
//! let database = Database::Sqlite(folder.path().join("vault.db"));
//! let store = Store::open(Settings::new(database, folder.path().join("log"), signer, RowKey::random()?))?;
//!
//! let me = Actor { auth: "passphrase".into(), id: "u1".into(), mfa_age: None, session_h: None, kind: ActorKind::User };
//! // A change and its entry: both, or neither.
//! let request = Request::new("tenant.create", me.clone()).on("tenant", "t1");
//! let receipt = store.write(&request, |tx| {
//!     let (id, name, preset, created) = ("t1".into(), "Support".into(), "gdpr".into(), tx.now());
//!     tx.insert(&TenantRow { id, name, preset, four_eyes: true, ring: 1, created })
//! })?;
//! assert_eq!(receipt.index, 0);
//! // What leaves the house is announced first, and its end is told.
//! let intent = store.intent(&Request::new("dataset.read", me).on("dataset", "d1").purpose("support"))?;
//! store.outcome(intent, Outcome::Ok)?;
//!
//! assert_eq!(store.get::<TenantRow>("t1")?.map(|tenant| tenant.name), Some("Support".into()));
//! store.flush()?;
//! assert_eq!(verify(&folder.path().join("log"), &key, &Against::default()).checkpoint.map(|at| at.size), Some(3));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connection;
mod group;
mod kept;
mod opening;
mod publisher;
mod request;
pub(crate) mod rows;
mod schema;
mod tx;
pub(crate) mod value;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use connection::Connection;
use connection::connect;
use group::{Core, Draft, lead};
pub use opening::{Opening, Unmatched};
use publisher::{Publisher, Signer, Worker};
pub use request::{Detail, Intent, Receipt, Request};
pub use rows::{
    ApprovalDecision, ApprovalRow, DatasetRow, DatasetState, GrantRow, ObjectRow, PolicyRow, PolicyState,
    PrincipalKind, PrincipalRow, PrincipalState, Row, RowKey, RunRow, RunState, SubjectKeyRow, TenantRow, VersionRow,
    VersionState,
};
pub use schema::newest as newest_schema;
pub use tx::{Tx, View};
pub use value::{Decimal, Words};

use crate::log::entry::{Instant, Outcome, Phase};
use crate::log::{SignedCheckpoint, SignerKey, VerifierKey, tiles};
use crate::{Error, Result};

/// Which database.
pub enum Database {
    /// A file of SQLite; its journals lie beside it.
    Sqlite(PathBuf),
    /// The URL of a PostgreSQL database of its own, `postgresql://user:password@host/name`. It may hold a secret.
    #[cfg(feature = "postgres")]
    Postgres(String),
}

/// What the store is about to do, for tests that stop it there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The schema is about to get this number.
    Migrate(u64),
    /// It has it, but for the commit.
    Migrated(u64),
    /// A transaction is about to begin.
    Begin,
    /// A change was made, and its entry not yet.
    Change,
    /// The entries of a group are about to be written.
    Entries,
    /// The checkpoint over them is about to be signed.
    Sign,
    /// The group is about to be committed.
    Commit,
    /// It is, and nobody was told.
    Committed,
    /// The writer of the log's files is about to do this.
    Publish(tiles::Step),
    /// The files hold what was committed.
    Published,
}

/// Hears of every step; an error of its stops the store there.
type Observer = Arc<dyn Fn(&Step) -> Result<()> + Send + Sync>;

/// How a store is opened.
pub struct Settings {
    database: Database,
    log: PathBuf,
    key: VerifierKey,
    signer: Option<SignerKey>,
    rows: RowKey,
    seen: Option<SignedCheckpoint>,
    rebuild: bool,
    thorough: bool,
    keep_every: u64,
    window: Duration,
    observer: Observer,
}

impl Settings {
    /// The longest that a change waits for others to be committed with.
    pub const WINDOW: Duration = Duration::from_millis(5);
    /// Entries of the log that every opening reads at least. A log that has no more is always compared from its beginning.
    pub const KEEP_EVERY: u64 = 4096;

    /// A store whose log lies in the folder `log` and is signed by `signer`, and whose rows are guarded under `rows`.
    #[must_use]
    pub fn new(database: Database, log: PathBuf, signer: SignerKey, rows: RowKey) -> Self {
        let key = signer.verifier().clone();
        Self { signer: Some(signer), ..Self::read_only(database, log, key, rows) }
    }

    /// The same without the key that signs: nothing can be written.
    #[must_use]
    pub fn read_only(database: Database, log: PathBuf, key: VerifierKey, rows: RowKey) -> Self {
        let observer: Observer = Arc::new(|_: &Step| Ok(()));
        Self {
            database,
            log,
            key,
            signer: None,
            rows,
            seen: None,
            rebuild: false,
            thorough: false,
            keep_every: Self::KEEP_EVERY,
            window: Self::WINDOW,
            observer,
        }
    }

    /// The last checkpoint that left the house: a database that does not continue it is refused, as one that was restored from
    /// a backup is.
    #[must_use]
    pub fn seen(mut self, checkpoint: SignedCheckpoint) -> Self {
        self.seen = Some(checkpoint);
        self
    }

    /// Lets the files of the log be fewer than they were, and derives them again from the database.
    #[must_use]
    pub fn rebuild(mut self) -> Self {
        self.rebuild = true;
        self
    }

    /// Reads every entry and compares it with the log, whatever an opening before has verified. Without it, a log of more than
    /// [`Settings::KEEP_EVERY`] entries is read from its beginning once a day, and entries that somebody edited in the database
    /// since they were read are found then.
    #[must_use]
    pub fn thorough(mut self) -> Self {
        self.thorough = true;
        self
    }

    /// Keeps what was verified, in a file beside the log's folder, when so many entries were read; at least one.
    #[must_use]
    pub fn keep_every(mut self, entries: u64) -> Self {
        self.keep_every = entries.max(1);
        self
    }

    /// Waits at most so long for other changes to commit with. A change that comes alone does not wait.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Lets `observer` hear of every step before it is done.
    #[must_use]
    pub fn observed(mut self, observer: impl Fn(&Step) -> Result<()> + Send + Sync + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }
}

/// An open store. Threads share it; other processes may have it open too.
pub struct Store {
    core: Mutex<Core>,
    /// Callers that are on their way to the core.
    waiting: AtomicUsize,
    /// Somebody has come.
    arrived: Condvar,
    reader: Mutex<Box<dyn Connection>>,
    rows: Arc<RowKey>,
    signer: Signer,
    publisher: Option<Publisher>,
    window: Duration,
    opening: Opening,
}

impl Store {
    /// Opens a store, or begins one where there is none: brings the schema up, holds database, log and ledger against each
    /// other, and publishes what a run that was stopped had committed.
    ///
    /// # Errors
    /// [`Error::NewerSchema`]; [`Error::NotAppendOnly`] if entries that were signed or seen are missing or others;
    /// [`Error::LogRow`], [`Error::Row`] where the database is not what the log says; [`Error::Database`]; those of
    /// signatures and of the log's files.
    pub fn open(settings: Settings) -> Result<Self> {
        let Settings { database, log, key, signer, rows, seen, rebuild, thorough, keep_every, window, observer } =
            settings;
        let (writes, rows, signer) = (signer.is_some(), Arc::new(rows), Signer::new(signer));
        // Before the database is looked at: the folder never has more than it.
        let folder = opening::Folder::read(&log, &key)?;
        let mut connection = connect(&database)?;
        schema::migrate(&mut *connection, &observer)?;
        let mut reader = connect(&database)?;
        let against = opening::Against {
            key: &key,
            rows: &rows,
            log: &log,
            folder: &folder,
            seen: seen.as_ref(),
            rebuild,
            thorough,
            keep_every,
        };
        let found = opening::check(&mut *reader, &against)?;
        let committed = found.head.frontier.size();
        let publisher = match writes {
            true => {
                let (signer, observer) = (signer.clone(), Arc::clone(&observer));
                let worker = Worker::new(&database, log.clone(), signer, key.clone(), observer, found.published)?;
                let publisher = Publisher::start(worker, committed)?;
                // The files of the log have it now. Where it cannot be kept, the next opening takes longer.
                let _ = found.kept.map(|kept| kept.write(&log, &rows, &key));
                Some(publisher)
            }
            false => None,
        };
        let core = Core::new(connection, found.head, Arc::clone(&rows), signer.clone(), key, observer);
        Ok(Self {
            core: Mutex::new(core),
            waiting: AtomicUsize::new(0),
            arrived: Condvar::new(),
            reader: Mutex::new(reader),
            rows,
            signer,
            publisher,
            window,
            opening: found.opening,
        })
    }

    /// What was found when it was opened.
    #[must_use]
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// Changes the store and writes the entry that says so: both, or neither. The entry is an outcome that is `ok`. Others may
    /// be committed in the same transaction; an error of `change` undoes this change alone.
    ///
    /// # Errors
    /// Those of `change`; [`Error::NoSigner`]; [`Error::Unpublished`], [`Error::Halted`]; [`Error::NotCommitted`] if the
    /// disk, the database or the signer failed; [`Error::EntryTooLong`].
    pub fn write<T>(&self, request: &Request, change: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<Receipt<T>> {
        let (phase, result) = (Phase::Outcome, Some(Outcome::Ok));
        self.submit(&Draft { request, phase, result, req: None, changes: true }, change)
    }

    /// Writes an outcome that changes nothing, as that of what was denied.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn record(&self, request: &Request, result: Outcome) -> Result<Receipt> {
        let phase = Phase::Outcome;
        self.submit(&Draft { request, phase, result: Some(result), req: None, changes: false }, |_| Ok(()))
    }

    /// Announces an act, durably, before plaintext or keys leave.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn intent(&self, request: &Request) -> Result<Intent> {
        let draft = Draft { request, phase: Phase::Intent, result: None, req: None, changes: false };
        let receipt = self.submit(&draft, |_| Ok(()))?;
        Ok(Intent { request: Request { detail: None, ..request.clone() }, receipt })
    }

    /// Tells how an announced act ended.
    ///
    /// # Errors
    /// As [`Store::write`]. The intent then stays without outcome.
    pub fn outcome(&self, intent: Intent, result: Outcome) -> Result<Receipt> {
        let (request, req) = (&intent.request, Some(intent.receipt.id));
        let draft = Draft { request, phase: Phase::Outcome, result: Some(result), req, changes: false };
        self.submit(&draft, |_| Ok(()))
    }

    /// Ends an announced act with a change: its outcome is `ok`, in the same transaction. Where the change fails, the outcome is
    /// `failed`; where that cannot be written either, the intent stays without one.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn complete<T>(&self, intent: Intent, change: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<Receipt<T>> {
        let (request, req) = (&intent.request, Some(intent.receipt.id));
        let (phase, result) = (Phase::Outcome, Some(Outcome::Ok));
        let done = self.submit(&Draft { request, phase, result, req, changes: true }, change);
        if done.is_err() {
            // The error of the change is the one to tell.
            let _ = self.outcome(intent, Outcome::Failed);
        }
        done
    }

    /// Reads several things in one state of the store.
    ///
    /// # Errors
    /// Those of `read`, and [`Error::Database`].
    pub fn view<T>(&self, read: impl FnOnce(&mut View<'_>) -> Result<T>) -> Result<T> {
        let mut reader = self.reader();
        reader.begin_read()?;
        let result = read(&mut View { connection: &mut **reader, rows: &self.rows });
        reader.rollback()?;
        result
    }

    /// The row of an id, if there is one.
    ///
    /// # Errors
    /// [`Error::Row`] if it is not what was written; [`Error::Database`].
    pub fn get<R: Row>(&self, key: &str) -> Result<Option<R>> {
        View { connection: &mut **self.reader(), rows: &self.rows }.get(key)
    }

    /// The rows whose `column` has a text, by their ids.
    ///
    /// # Errors
    /// As [`View::list`].
    pub fn list<R: Row>(&self, column: &str, text: &str) -> Result<Vec<R>> {
        View { connection: &mut **self.reader(), rows: &self.rows }.list(column, text)
    }

    /// The checkpoint over all that was committed, to be kept elsewhere: a database that was restored from before it is refused
    /// by [`Settings::seen`]. None over no entries.
    ///
    /// # Errors
    /// [`Error::Halted`].
    pub fn checkpoint(&self) -> Result<Option<SignedCheckpoint>> {
        Ok(self.core()?.head.signed.clone())
    }

    /// The time of the last entry that this process knows of. What is decided before that is decided too early: the machine's
    /// clock was set back.
    ///
    /// # Errors
    /// [`Error::Halted`].
    pub fn last(&self) -> Result<Option<Instant>> {
        Ok(self.core()?.head.time)
    }

    /// Waits until the files of the log hold all that was committed, for proofs of it.
    ///
    /// # Errors
    /// [`Error::Unpublished`]; [`Error::NoSigner`] in a store that only reads.
    pub fn flush(&self) -> Result<()> {
        self.publisher.as_ref().ok_or(Error::NoSigner)?.flush()
    }

    /// Takes out of the database's files what removed subject keys left there: pages of the write-ahead log of SQLite. On
    /// PostgreSQL the table is written again; the server's own write-ahead log and archives are backups, and end as those do.
    /// False if a reader was in the way; then it is to be tried again.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Halted`].
    pub fn scrub(&self) -> Result<bool> {
        let mut core = self.core()?;
        match core.is_open() {
            true => Ok(false),
            false => core.connection.scrub("subject_key"),
        }
    }

    /// Forgets the key that signs the log: from now on nothing is written, and what is committed stays unpublished if it is.
    pub fn forget_signer(&self) {
        self.signer.forget();
    }

    /// Publishes what is left and closes.
    ///
    /// # Errors
    /// [`Error::Unpublished`]: what was committed is safe in the database, and will be published when the store opens next.
    pub fn close(mut self) -> Result<()> {
        self.publisher.as_mut().map_or(Ok(()), Publisher::close)
    }

    fn core(&self) -> Result<MutexGuard<'_, Core>> {
        // A change that panicked left a transaction half done.
        self.core.lock().map_err(|_| Error::Halted)
    }

    fn reader(&self) -> MutexGuard<'_, Box<dyn Connection>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit<T>(&self, draft: &Draft<'_>, change: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<Receipt<T>> {
        let publisher = self.publisher.as_ref().ok_or(Error::NoSigner)?;
        publisher.check()?;
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let core = self.core();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        let mut core = core?;
        core.ready()?;
        let leads = !core.is_open();
        if leads {
            core.begin()?;
        }
        let (receipt, group) = match core.member(draft, change) {
            Ok(made) => made,
            Err(error) => {
                match leads {
                    true => core.abandon(),
                    false => self.arrived.notify_all(),
                }
                return Err(error);
            }
        };
        if leads {
            let waiting = || self.waiting.load(Ordering::SeqCst);
            if let Some(size) = lead(core, &group, &self.arrived, waiting, self.window) {
                publisher.committed(size);
            }
        } else {
            if core.is_full(self.waiting.load(Ordering::SeqCst)) {
                self.arrived.notify_all();
            }
            drop(core);
        }
        group.wait()?;
        Ok(receipt)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Whoever wants to hear of a failure calls `close`.
        if let Some(publisher) = &mut self.publisher {
            let _ = publisher.close();
        }
    }
}
