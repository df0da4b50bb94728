//! Writing: many callers' changes become one durable commit, each with its entry.
//!
//! Invariant: a change and its entry are in one transaction of the database, and so is the signed checkpoint over the log that
//! ends with it. Whoever holds the lock on [`Core`] runs a change inside a savepoint; the caller that began the group waits at
//! most [`Settings::window`](super::Settings::window) for the others who are on their way, then signs and commits for all. (Group
//! commit as DeWitt et al. describe it, SIGMOD 1984.) Nothing is told to a caller before the commit is on the disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as Moment};

use super::connection::{Connection, LogRow};
use super::publisher::Signer;
use super::request::{Place, Receipt, Request};
use super::rows::RowKey;
use super::tx::{Tx, View};
use super::value::{Column as _, Value};
use super::{Observer, Step};
use crate::log::entry::{Instant, Outcome, Phase, Ulid};
use crate::log::merkle::{Frontier, leaf_hash};
use crate::log::{Checkpoint, Entry, SignedCheckpoint, VerifierKey};
use crate::{Error, Result};

/// An entry that is to be written.
pub(super) struct Draft<'a> {
    pub(super) request: &'a Request,
    pub(super) phase: Phase,
    pub(super) result: Option<Outcome>,
    /// The request of the intent that this ends.
    pub(super) req: Option<Ulid>,
    /// Whether a change comes with it.
    pub(super) changes: bool,
}

/// The log as the last commit left it.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) frontier: Frontier,
    /// The time of the last entry.
    pub(super) time: Option<Instant>,
    /// The checkpoint over all entries; none over no entries.
    pub(super) signed: Option<SignedCheckpoint>,
}

/// What one thread at a time has.
pub(super) struct Core {
    pub(super) connection: Box<dyn Connection>,
    pub(super) head: Head,
    pub(super) rows: Arc<RowKey>,
    pub(super) signer: Signer,
    pub(super) key: VerifierKey,
    pub(super) observer: Observer,
    /// Set when it is no longer known what is on the disk.
    halted: bool,
    open: Option<Open>,
    /// How many changes the last group had.
    expected: usize,
}

/// The group that is being filled: a transaction that has begun.
struct Open {
    group: Arc<Group>,
    frontier: Frontier,
    time: Option<Instant>,
    rows: Vec<LogRow>,
    /// The last outcome of each thing in this group.
    outcomes: HashMap<String, Ulid>,
}

/// Where the callers of a group wait.
#[derive(Default)]
pub(super) struct Group {
    done: Mutex<Option<std::result::Result<(), Arc<Error>>>>,
    ended: Condvar,
}

impl Group {
    fn end(&self, result: std::result::Result<(), Arc<Error>>) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(result);
        self.ended.notify_all();
    }

    pub(super) fn wait(&self) -> Result<()> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match done.as_ref() {
                Some(Ok(())) => return Ok(()),
                Some(Err(source)) => return Err(Error::NotCommitted { source: Arc::clone(source) }),
                None => done = self.ended.wait(done).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Core {
    pub(super) fn new(
        connection: Box<dyn Connection>,
        head: Head,
        rows: Arc<RowKey>,
        signer: Signer,
        key: VerifierKey,
        observer: Observer,
    ) -> Self {
        Self { connection, head, rows, signer, key, observer, halted: false, open: None, expected: 1 }
    }

    /// Whether anything can be written.
    pub(super) fn ready(&self) -> Result<()> {
        if self.halted { Err(Error::Halted) } else { self.signer.with(|_| Ok(())) }
    }

    /// Whether a group is being filled.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Begins a group: takes the database's lock, and the log as it is there now.
    pub(super) fn begin(&mut self) -> Result<()> {
        (self.observer)(&Step::Begin)?;
        self.connection.begin_write()?;
        if let Err(error) = self.catch_up() {
            self.give_up();
            return Err(error);
        }
        let Head { frontier, time, .. } = self.head.clone();
        self.open = Some(Open { group: Arc::default(), frontier, time, rows: Vec::new(), outcomes: HashMap::new() });
        Ok(())
    }

    /// Follows what other processes have written. It must be signed, and continue what was seen.
    fn catch_up(&mut self) -> Result<()> {
        let state = State::read(&mut *self.connection)?;
        let ours = self.head.frontier.size();
        let signed = state.checkpoint(&self.key)?;
        if signed.as_ref().map(SignedCheckpoint::unverified)
            == self.head.signed.as_ref().map(SignedCheckpoint::unverified)
        {
            return Ok(());
        }
        let not_append_only = |reason| Error::NotAppendOnly { signed: ours, size: state.size, reason };
        if state.size <= ours {
            return Err(not_append_only("entries are missing in the database"));
        }
        let mut head = self.head.clone();
        head.signed = signed;
        let mut next = ours;
        while next < state.size {
            let rows = entries(&mut *self.connection, next, state.size)?;
            if rows.is_empty() {
                return Err(Error::LogRow { index: next, reason: "is missing" });
            }
            for bytes in rows {
                head.frontier.push(leaf_hash(&bytes));
                let entry = Entry::parse(&bytes).map_err(|_| Error::LogRow { index: next, reason: "is no entry" })?;
                head.time = head.time.max(Some(entry.t));
                next += 1;
            }
        }
        let root = head.signed.as_ref().map(|signed| signed.unverified().root);
        if root != Some(head.frontier.root()) {
            return Err(not_append_only("an entry before is another"));
        }
        self.head = head;
        Ok(())
    }

    /// Runs a change and keeps its entry for the commit.
    pub(super) fn member<T>(
        &mut self,
        draft: &Draft<'_>,
        change: impl FnOnce(&mut Tx<'_>) -> Result<T>,
    ) -> Result<(Receipt<T>, Arc<Group>)> {
        let Some(open) = &mut self.open else { return Err(Error::Halted) };
        if draft.changes {
            self.connection.batch("SAVEPOINT change")?;
        }
        // The clock of the log never goes back, so that setting the machine's back revives nothing.
        let now = Instant::now()?;
        let t = open.time.map_or(now, |before| now.max(before));
        let index = open.frontier.size();
        let view = View { connection: &mut *self.connection, rows: &self.rows };
        let mut tx = Tx { view, index, now: t, facts: BTreeMap::new(), failed: false };
        let made = change(&mut tx).and_then(|value| {
            if tx.failed {
                return Err(Error::Database { action: "write", code: "a statement of the change failed".into() });
            }
            let facts = std::mem::take(&mut tx.facts);
            Ok((value, open.entry(draft, &mut *tx.view.connection, t, facts)?))
        });
        let made = made.and_then(|made| (self.observer)(&Step::Change).map(|()| made));
        let (value, (id, row)) = match made {
            Ok(made) => made,
            Err(error) => {
                if draft.changes
                    && let Err(failure) =
                        self.connection.batch("ROLLBACK TO SAVEPOINT change; RELEASE SAVEPOINT change")
                {
                    self.fail(failure);
                }
                return Err(error);
            }
        };
        if draft.changes
            && let Err(released) = self.connection.batch("RELEASE SAVEPOINT change")
        {
            // PostgreSQL does no more in a transaction in which a statement failed, whatever the change made of the error.
            if let Err(failure) = self.connection.batch("ROLLBACK TO SAVEPOINT change; RELEASE SAVEPOINT change") {
                self.fail(failure);
            }
            return Err(released);
        }
        open.frontier.push(leaf_hash(&row.bytes));
        open.time = Some(t);
        if let Some(subject) = &row.subject {
            open.outcomes.insert(subject.clone(), id);
        }
        open.rows.push(row);
        Ok((Receipt { index, id, time: t, value }, Arc::clone(&open.group)))
    }

    /// Whether this group is still the one that is being filled, and how many changes it has.
    fn members_of(&self, group: &Arc<Group>) -> Option<usize> {
        self.open.as_ref().filter(|open| Arc::ptr_eq(&open.group, group)).map(|open| open.rows.len())
    }

    /// Whether all who are expected have come.
    pub(super) fn is_full(&self, waiting: usize) -> bool {
        waiting == 0 && self.open.as_ref().is_none_or(|open| open.rows.len() >= self.expected)
    }

    /// Gives up a group without changes.
    pub(super) fn abandon(&mut self) {
        if self.open.take_if(|open| open.rows.is_empty()).is_some() {
            self.give_up();
        }
    }

    /// Commits the group. Gives the size of the log, for its publisher.
    fn commit(&mut self) -> Option<u64> {
        let open = self.open.take()?;
        self.expected = open.rows.len();
        match self.try_commit(&open) {
            Ok(signed) => {
                let size = open.frontier.size();
                self.head = Head { frontier: open.frontier, time: open.time, signed: Some(signed) };
                // It is committed, whatever the observer says.
                let _ = (self.observer)(&Step::Committed);
                open.group.end(Ok(()));
                Some(size)
            }
            Err(error) => {
                self.give_up();
                open.group.end(Err(Arc::new(error)));
                None
            }
        }
    }

    fn try_commit(&mut self, open: &Open) -> Result<SignedCheckpoint> {
        (self.observer)(&Step::Entries)?;
        self.connection.append(&open.rows)?;
        (self.observer)(&Step::Sign)?;
        let checkpoint =
            Checkpoint { origin: self.key.name().into(), size: open.frontier.size(), root: open.frontier.root() };
        let signed = self.signer.with(|signer| checkpoint.sign(signer))?;
        let note = Value::Bytes(signed.to_string().into_bytes());
        let values = [checkpoint.size.to_value(), note, self.signer.published().to_value()];
        // Another process may have published more.
        let sql = "UPDATE log_state SET size = ?1, signed = ?2,
            published = CASE WHEN published < ?3 THEN ?3 ELSE published END WHERE one = 1";
        if self.connection.execute(sql, &values)? != 1 {
            return Err(Error::Row { table: "log_state", key: "1".into(), reason: "is missing" });
        }
        (self.observer)(&Step::Commit)?;
        // What is on the disk after a failure here is known only when the database is read anew.
        self.connection.commit().inspect_err(|_| self.halted = true)?;
        Ok(signed)
    }

    /// Ends the group under way without a commit.
    fn fail(&mut self, error: Error) {
        self.halted = true;
        self.give_up();
        if let Some(open) = self.open.take() {
            open.group.end(Err(Arc::new(error)));
        }
    }

    fn give_up(&mut self) {
        if self.connection.rollback().is_err() {
            self.halted = true;
        }
    }
}

impl Open {
    /// The entry of a draft and its row, at the end of the log.
    fn entry(
        &self,
        draft: &Draft<'_>,
        connection: &mut dyn Connection,
        t: Instant,
        facts: BTreeMap<String, crate::log::entry::Fact>,
    ) -> Result<(Ulid, LogRow)> {
        let request = draft.request;
        let index = self.frontier.size();
        let id = Ulid::fresh(t)?;
        let subject = if draft.phase == Phase::Outcome { request.subject()? } else { None };
        let before = match &subject {
            None => None,
            Some(subject) => match self.outcomes.get(subject) {
                Some(id) => Some(*id),
                None => last_outcome(connection, subject)?,
            },
        };
        let place =
            Place { phase: draft.phase, result: draft.result, id, req: draft.req, seq: index, t, prev_outcome: before };
        let bytes = request.entry(place, facts)?.to_bytes()?;
        let detail = request.detail.as_ref().map(|detail| (detail.salt.clone(), detail.ciphertext.clone()));
        Ok((id, LogRow { index, id: id.to_string(), subject, bytes, detail }))
    }
}

/// The id of the last outcome on a thing.
fn last_outcome(connection: &mut dyn Connection, subject: &str) -> Result<Option<Ulid>> {
    let sql = "SELECT id FROM log_entry WHERE subject = ?1 ORDER BY idx DESC LIMIT 1";
    let rows = connection.query(sql, &[Value::Text(subject.into())])?;
    Ok(rows.into_iter().flatten().next().and_then(Ulid::from_value))
}

/// Entries in the database from `begin` on, below `end`, at most a page of them.
pub(super) fn entries(connection: &mut dyn Connection, begin: u64, end: u64) -> Result<Vec<Vec<u8>>> {
    let last = end.min(begin.saturating_add(PAGE));
    let sql = "SELECT idx, bytes FROM log_entry WHERE idx >= ?1 AND idx < ?2 ORDER BY idx";
    let rows = connection.query(sql, &[begin.to_value(), last.to_value()])?;
    let mut found = Vec::with_capacity(rows.len());
    for (row, index) in rows.into_iter().zip(begin..) {
        let mut values = row.into_iter();
        if values.next().and_then(u64::from_value) != Some(index) {
            return Err(Error::LogRow { index, reason: "is missing" });
        }
        let bytes = values.next().and_then(Vec::from_value);
        found.push(bytes.ok_or(Error::LogRow { index, reason: "has no bytes" })?);
    }
    Ok(found)
}

/// Entries that are read at once.
const PAGE: u64 = 4096;

/// The row of `log_state`.
pub(super) struct State {
    pub(super) size: u64,
    signed: Option<Vec<u8>>,
    /// A size that the folder of the log had.
    pub(super) published: u64,
}

impl State {
    pub(super) fn read(connection: &mut dyn Connection) -> Result<Self> {
        let rows = connection.query("SELECT size, signed, published FROM log_state WHERE one = 1", &[])?;
        let parse = |values: Vec<Value>| {
            let mut values = values.into_iter();
            let size = u64::from_value(values.next()?)?;
            let signed = Option::from_value(values.next()?)?;
            Some(Self { size, signed, published: u64::from_value(values.next()?)? })
        };
        let missing = Error::Row { table: "log_state", key: "1".into(), reason: "is missing or cannot be" };
        rows.into_iter().next().and_then(parse).ok_or(missing)
    }

    /// The checkpoint over all entries: the signature is that of the log's key, and the size is the row's.
    pub(super) fn checkpoint(&self, key: &VerifierKey) -> Result<Option<SignedCheckpoint>> {
        let wrong = |reason| Error::Row { table: "log_state", key: "1".into(), reason };
        let Some(note) = &self.signed else {
            return if self.size == 0 { Ok(None) } else { Err(wrong("has no checkpoint")) };
        };
        let signed = SignedCheckpoint::parse(note)?;
        if signed.verify(key)?.size != self.size {
            return Err(wrong("has a checkpoint of another size"));
        }
        Ok(Some(signed))
    }
}

/// Waits for others who are on their way, then commits; called by whoever began the group. Gives the size of the log.
pub(super) fn lead(
    mut core: MutexGuard<'_, Core>,
    group: &Arc<Group>,
    arrived: &Condvar,
    waiting: impl Fn() -> usize,
    window: Duration,
) -> Option<u64> {
    let deadline = Moment::now() + window;
    loop {
        core.members_of(group)?;
        let left = deadline.saturating_duration_since(Moment::now());
        if core.is_full(waiting()) || left.is_zero() {
            return core.commit();
        }
        core = match arrived.wait_timeout(core, left) {
            Ok((core, _)) => core,
            Err(poisoned) => {
                // A change of the group has panicked: nothing of the group is done.
                let (mut core, _) = poisoned.into_inner();
                core.fail(Error::Halted);
                return None;
            }
        };
    }
}
