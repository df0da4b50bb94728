//! Publishes what was committed: from the database to the files of the log.
//!
//! Invariant: the files follow the database, never the other way: entries are published only under a checkpoint that a commit
//! has signed, and their root is compared with it before anything is written. One process publishes at a time, for all; what
//! it did not get to is published by the next. Where publishing fails, nothing more is written until it works.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant as Moment};

use super::connection::{Connection, connect};
use super::group::{State, entries};
use super::{Database, Observer, Step};
use crate::log::merkle::{Frontier, leaf_hash};
use crate::log::tiles::LogWriter;
use crate::log::{Checkpoint, Hash, LogReader, SignerKey, VerifierKey};
use crate::{Error, Result};

/// The least time between two publications that nobody waits for: each costs a handful of fsyncs, which commits want too.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long the folder stays ours when there is nothing to do.
const IDLE: Duration = Duration::from_millis(200);
/// How long another process may hold the folder without having published what we wait for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Entries that are published under one checkpoint, when many are behind.
const AT_ONCE: u64 = 32_768;

/// The key that signs the log, while it is there; and how much of the log is published.
#[derive(Clone)]
pub(super) struct Signer(Arc<(Mutex<Option<SignerKey>>, AtomicU64)>);

impl Signer {
    pub(super) fn new(key: Option<SignerKey>) -> Self {
        Self(Arc::new((Mutex::new(key), AtomicU64::new(0))))
    }

    /// Does something with the key.
    pub(super) fn with<T>(&self, act: impl FnOnce(&SignerKey) -> Result<T>) -> Result<T> {
        act(self.0.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().ok_or(Error::NoSigner)?)
    }

    /// Forgets the key.
    pub(super) fn forget(&self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// A size that the folder has had.
    pub(super) fn published(&self) -> u64 {
        self.0.1.load(Ordering::Acquire)
    }

    fn note(&self, size: u64) {
        self.0.1.fetch_max(size, Ordering::AcqRel);
    }
}

/// The thread that publishes.
pub(super) struct Publisher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<Progress>,
    /// Somebody wants something of the thread.
    wanted: Condvar,
    /// The thread has done something.
    done: Condvar,
}

#[derive(Default)]
struct Progress {
    /// Entries that were committed.
    committed: u64,
    /// Entries that are published.
    published: u64,
    failure: Option<Arc<Error>>,
    /// Somebody waits, or wants it tried again after a failure.
    urgent: bool,
    /// How often it was tried.
    tries: u64,
    closing: bool,
}

impl Publisher {
    /// Publishes what is behind, then goes on in a thread of its own.
    pub(super) fn start(mut worker: Worker, committed: u64) -> Result<Self> {
        let published = worker.publish()?;
        let progress = Progress { committed, published, ..Progress::default() };
        let shared = Arc::new(Shared { state: Mutex::new(progress), wanted: Condvar::new(), done: Condvar::new() });
        let ours = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("cloister-log".into()).spawn(move || ours.run(worker))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Tells how many entries are committed now.
    pub(super) fn committed(&self, size: u64) {
        let mut state = self.shared.lock();
        state.committed = state.committed.max(size);
        drop(state);
        self.shared.wanted.notify_one();
    }

    /// Nothing if publishing works; after a failure it is tried again.
    pub(super) fn check(&self) -> Result<()> {
        let state = self.shared.lock();
        if state.failure.is_none() { Ok(()) } else { self.shared.try_again(state) }
    }

    /// Waits until all that is committed is published.
    pub(super) fn flush(&self) -> Result<()> {
        let mut state = self.shared.lock();
        let size = state.committed;
        while state.published < size {
            if state.failure.is_some() {
                return self.shared.try_again(state);
            }
            state.urgent = true;
            self.shared.wanted.notify_one();
            state = self.shared.wait(state);
        }
        Ok(())
    }

    /// Publishes what is left and ends the thread.
    pub(super) fn close(&mut self) -> Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let result = self.flush();
        self.shared.lock().closing = true;
        self.shared.wanted.notify_one();
        match thread.join() {
            Ok(()) => result,
            Err(_) => Err(Error::Halted),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, Progress>) -> MutexGuard<'a, Progress> {
        self.done.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for one more try, or two if one is under way.
    fn try_again(&self, mut state: MutexGuard<'_, Progress>) -> Result<()> {
        let tries = state.tries;
        while let Some(source) = state.failure.clone() {
            if state.tries > tries {
                return Err(Error::Unpublished { source });
            }
            state.urgent = true;
            self.wanted.notify_one();
            state = self.wait(state);
        }
        Ok(())
    }

    fn run(&self, mut worker: Worker) {
        let mut last = Moment::now();
        let mut state = self.lock();
        loop {
            let behind = state.committed > state.published;
            let due = behind && state.failure.is_none() && (last.elapsed() >= INTERVAL || state.closing);
            if due || state.urgent {
                state.urgent = false;
                drop(state);
                let result = worker.publish();
                last = Moment::now();
                state = self.lock();
                state.tries += 1;
                match result {
                    Ok(size) => {
                        state.published = size;
                        state.failure = None;
                    }
                    Err(error) => {
                        worker.writer = None;
                        state.failure = Some(Arc::new(error));
                    }
                }
                self.done.notify_all();
                continue;
            }
            if state.closing {
                return;
            }
            let pause = if behind && state.failure.is_none() { INTERVAL } else { IDLE };
            let (next, timeout) = self.wanted.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if timeout.timed_out() && last.elapsed() >= IDLE && state.committed <= state.published {
                worker.writer = None;
            }
        }
    }
}

/// What publishing needs.
pub(super) struct Worker {
    connection: Box<dyn Connection>,
    folder: PathBuf,
    signer: Signer,
    key: VerifierKey,
    observer: Observer,
    writer: Option<LogWriter>,
    /// The beginning of the log, up to what was in the folder; its root was compared with a signed one.
    frontier: Frontier,
}

impl Worker {
    /// `frontier` is that of the entries in the database as many as the folder has.
    pub(super) fn new(
        database: &Database,
        folder: PathBuf,
        signer: Signer,
        key: VerifierKey,
        observer: Observer,
        frontier: Frontier,
    ) -> Result<Self> {
        let connection = connect(database)?;
        signer.note(frontier.size());
        Ok(Self { connection, folder, signer, key, observer, writer: None, frontier })
    }

    /// Publishes all that is committed, and tells how many entries are in the folder.
    fn publish(&mut self) -> Result<u64> {
        let begin = Moment::now();
        while self.writer.is_none() {
            let target = self.target()?.map_or(0, |target| target.size);
            if self.signer.published() >= target {
                return Ok(self.signer.published());
            }
            match self.open_writer() {
                Ok(writer) => self.writer = Some(writer),
                // Whoever holds the folder publishes ours too; or else we do, when it has let go.
                Err(Error::Busy { .. }) if begin.elapsed() < PATIENCE => {
                    if let Ok(log) = LogReader::open(&self.folder, &self.key) {
                        self.signer.note(log.checkpoint().size);
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err(error),
            }
        }
        // Read while the folder is ours, so that nobody can publish more than it says.
        let target = self.target()?;
        let (Some(writer), Some(target)) = (&mut self.writer, target) else { return Ok(0) };
        let size = writer.size();
        if size > target.size {
            let reason = "the folder of the log has more than the database";
            return Err(Error::NotAppendOnly { signed: size, size: target.size, reason });
        }
        if size < target.size || self.frontier.size() < size {
            let published = (size, writer.root());
            let fresh = extend(&mut *self.connection, &self.frontier, published, &target)?;
            if size < target.size {
                fresh.publish(writer, &mut *self.connection, target.size)?;
            }
            self.frontier = fresh.frontier;
        }
        self.signer.note(target.size);
        (self.observer)(&Step::Published)?;
        Ok(target.size)
    }

    /// The checkpoint over all that is committed.
    fn target(&mut self) -> Result<Option<Checkpoint>> {
        let signed = State::read(&mut *self.connection)?.checkpoint(&self.key)?;
        Ok(signed.map(|signed| signed.unverified().clone()))
    }

    fn open_writer(&self) -> Result<LogWriter> {
        let key = self.signer.with(|signer| SignerKey::parse(&signer.to_text()))?;
        let observer = Arc::clone(&self.observer);
        let writer = LogWriter::open(&self.folder, key, None)?;
        Ok(writer.observed(move |step| observer(&Step::Publish(step.clone()))))
    }
}

/// Entries that were read and lead to the signed root.
struct Fresh {
    frontier: Frontier,
    /// Those behind the folder's, if there are not too many.
    entries: Option<Vec<Vec<u8>>>,
}

/// Follows the entries of the database from `frontier` on to `target`, and compares the roots on the way: that of the folder,
/// then that of the checkpoint.
fn extend(
    connection: &mut dyn Connection,
    frontier: &Frontier,
    published: (u64, Hash),
    target: &Checkpoint,
) -> Result<Fresh> {
    let (size, root) = published;
    let mut frontier = frontier.clone();
    let mut kept = (target.size - size <= AT_ONCE).then(Vec::new);
    let compare = |frontier: &Frontier| match frontier.size() == size && frontier.root() != root {
        true => {
            Err(Error::NotAppendOnly { signed: size, size: target.size, reason: "the folder of the log has others" })
        }
        false => Ok(()),
    };
    compare(&frontier)?;
    while frontier.size() < target.size {
        let index = frontier.size();
        let page = entries(connection, index, target.size)?;
        if page.is_empty() {
            return Err(Error::LogRow { index, reason: "is missing" });
        }
        for bytes in page {
            let behind = frontier.size() >= size;
            frontier.push(leaf_hash(&bytes));
            compare(&frontier)?;
            if let Some(kept) = kept.as_mut().filter(|_| behind) {
                kept.push(bytes);
            }
        }
    }
    if frontier.root() != target.root {
        let reason = "an entry in the database is not the one that was signed";
        return Err(Error::NotAppendOnly { signed: target.size, size: target.size, reason });
    }
    Ok(Fresh { frontier, entries: kept })
}

impl Fresh {
    fn publish(&self, writer: &mut LogWriter, connection: &mut dyn Connection, target: u64) -> Result<()> {
        if let Some(entries) = &self.entries {
            writer.publish(entries)?;
        }
        while writer.size() < target {
            let end = target.min(writer.size() + AT_ONCE);
            let mut some = Vec::new();
            loop {
                let page = entries(connection, writer.size() + some.len() as u64, end)?;
                if page.is_empty() {
                    break;
                }
                some.extend(page);
            }
            if some.is_empty() {
                return Err(Error::LogRow { index: writer.size(), reason: "is missing" });
            }
            writer.publish(&some)?;
        }
        if writer.root() != self.frontier.root() {
            let reason = "an entry in the database was changed while it was published";
            return Err(Error::NotAppendOnly { signed: target, size: writer.size(), reason });
        }
        Ok(())
    }
}
