//! What is looked at when a store opens.
//!
//! Invariant: everything is compared in one state of the database, and nothing of it is believed because it is there: entries
//! because they lead to a root that the log's key has signed, rows because an entry holds their MAC, events of the ledger
//! because an entry says the same. Where what an opening before has verified is kept and fits ([`Kept`]), only newer entries are
//! read; whatever does not fit is left to the full comparison, whose answer counts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use rayon::prelude::*;

use super::connection::Connection;
use super::group::{Head, State, entries};
use super::kept::Kept;
use super::request::subject;
use super::rows::{
    ApprovalRow, BudgetRow, DatasetRow, FACT, GrantRow, Guard, ObjectRow, PolicyRow, PrincipalRow, Row, RowKey, RunRow,
    SubjectKeyRow, TenantRow, VersionRow, parse,
};
use super::tx::selection;
use super::value::{Column as _, Value};
use crate::ledger::Fold;
use crate::log::entry::{Entry, Fact, Instant, Outcome, Phase, Ulid};
use crate::log::merkle::{Frontier, Hash, leaf_hash};
use crate::log::{Checkpoint, LogReader, SignedCheckpoint, VerifierKey};
use crate::{Error, Result};

/// What was found when a store was opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Opening {
    /// Entries of the log.
    pub entries: u64,
    /// Entries that were read and compared now: all of them, or those behind what an opening before has verified.
    pub compared: u64,
    /// Entries that were in the log's files before; the others were published now.
    pub published: u64,
    /// Acts that were announced and whose end nobody told: they go on in another process, or stopped with theirs.
    pub unmatched: Vec<Unmatched>,
}

/// An intent without outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmatched {
    /// Its place in the log.
    pub index: u64,
    /// Its id, which is that of the request.
    pub id: Ulid,
    /// The action.
    pub act: String,
    /// Who acted.
    pub actor: String,
    /// When.
    pub time: Instant,
}

/// The last checkpoint in the folder of the log.
pub(super) struct Folder(Option<Checkpoint>);

impl Folder {
    pub(super) fn read(folder: &Path, key: &VerifierKey) -> Result<Self> {
        match LogReader::open(folder, key) {
            Ok(log) => Ok(Self(Some(log.checkpoint().clone()))),
            Err(Error::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(Self(None)),
            Err(error) => Err(error),
        }
    }

    fn size(&self) -> u64 {
        self.0.as_ref().map_or(0, |checkpoint| checkpoint.size)
    }

    /// Whether the files of the log prove that it begins with an older tree.
    fn continues(&self, older: &Checkpoint, folder: &Path, key: &VerifierKey) -> bool {
        let log = LogReader::open(folder, key).ok().filter(|log| Some(log.checkpoint()) == self.0.as_ref());
        let root = log.and_then(|log| log.consistency(older.size).ok());
        root.is_some_and(|(root, _)| root == older.root)
    }
}

/// What a database is held against.
pub(super) struct Against<'a> {
    pub(super) key: &'a VerifierKey,
    pub(super) rows: &'a RowKey,
    /// The folder of the log, and what it had before the database was looked at.
    pub(super) log: &'a Path,
    pub(super) folder: &'a Folder,
    pub(super) seen: Option<&'a SignedCheckpoint>,
    pub(super) rebuild: bool,
    /// Whether every entry is to be read.
    pub(super) thorough: bool,
    /// After how many entries what was verified is kept anew.
    pub(super) keep_every: u64,
}

/// What was found to be right.
pub(super) struct Found {
    pub(super) head: Head,
    /// The frontier of the entries that the folder has.
    pub(super) published: Frontier,
    pub(super) opening: Opening,
    /// What is worth keeping for the next opening.
    pub(super) kept: Option<Kept>,
}

/// Compares all of a database with its log, and the log with what was seen of it.
pub(super) fn check(connection: &mut dyn Connection, against: &Against<'_>) -> Result<Found> {
    let kept = Kept::read(against.log, against.rows, against.key);
    let known = kept.as_ref().map(|kept| kept.checkpoint(against.key)).transpose()?;
    let mut compare = |kept: Option<&Kept>| {
        connection.begin_read()?;
        let found = compare(connection, against, known.as_ref(), kept);
        connection.rollback()?;
        found
    };
    // The folder must have what is kept, for what is published goes on from there.
    let fits =
        |kept: &&Kept| !against.thorough && !against.rebuild && kept.is_fresh() && kept.size() <= against.folder.size();
    match kept.as_ref().filter(fits).map(|kept| compare(Some(kept))) {
        Some(Ok(found)) => Ok(found),
        // Whatever is wrong, the full comparison tells.
        _ => compare(None),
    }
}

/// Compares from what is kept on, or from the first entry. `known` is a tree that the log has had.
fn compare(
    connection: &mut dyn Connection,
    against: &Against<'_>,
    known: Option<&Checkpoint>,
    kept: Option<&Kept>,
) -> Result<Found> {
    let state = State::read(connection)?;
    let signed = state.checkpoint(against.key)?;
    let seen = against.seen.map(|seen| seen.verify(against.key)).transpose()?;
    // Trees that the log must begin with.
    let earlier: Vec<&Checkpoint> = signed
        .as_ref()
        .map(SignedCheckpoint::unverified)
        .into_iter()
        .chain(&against.folder.0)
        .chain(seen)
        .chain(known)
        .collect();
    let mut scan = Scan::new(&earlier, against.folder.size());
    if let Some(kept) = kept {
        if let Some(older) = seen.filter(|seen| seen.size < kept.size())
            && !against.folder.continues(older, against.log, against.key)
        {
            let reason = "the files of the log do not begin with what was seen";
            return Err(Error::NotAppendOnly { signed: older.size, size: kept.size(), reason });
        }
        scan.go_on_from(kept)?;
    }
    let begin = scan.frontier.size();
    scan.run(connection)?;
    let size = scan.frontier.size();
    if let Some(lost) = earlier.iter().find(|checkpoint| checkpoint.size > size) {
        let reason = "entries are missing in the database";
        return Err(Error::NotAppendOnly { signed: lost.size, size, reason });
    }
    if size > state.size {
        return Err(Error::LogRow { index: state.size, reason: "is under no checkpoint" });
    }
    let folder = against.folder.size();
    if folder < state.published && !against.rebuild {
        // Another process may have published since the folder was looked at.
        let size = Folder::read(against.log, against.key)?.size();
        if size < state.published {
            let reason = "files of the log are missing";
            return Err(Error::NotAppendOnly { signed: state.published, size, reason });
        }
    }
    scan.check_rows(connection, against.rows)?;
    scan.ledger.check(connection)?;
    let mut unmatched: Vec<Unmatched> = scan.intents.into_values().collect();
    unmatched.sort_by_key(|intent| intent.index);
    let full = kept.map_or_else(Instant::now, |kept| Ok(kept.full()))?;
    let kept = (size - begin >= against.keep_every)
        .then(|| Kept::new(&scan.frontier, scan.time, full, &unmatched, scan.rows, scan.ledger.facts()));
    Ok(Found {
        head: Head { frontier: scan.frontier, time: scan.time, signed: signed.clone() },
        published: scan.published,
        opening: Opening { entries: size, compared: size - begin, published: folder, unmatched },
        kept,
    })
}

/// The log of a database, read once from its beginning.
struct Scan<'a> {
    earlier: &'a [&'a Checkpoint],
    folder: u64,
    frontier: Frontier,
    published: Frontier,
    time: Option<Instant>,
    intents: HashMap<Ulid, Unmatched>,
    /// The fact by which the log knows a row, by the fact's name: its MAC, or nothing once it is removed.
    rows: BTreeMap<String, String>,
    ledger: Fold,
}

/// An entry as the database has it.
struct Read {
    index: u64,
    leaf: Hash,
    entry: Entry,
}

impl<'a> Scan<'a> {
    fn new(earlier: &'a [&'a Checkpoint], folder: u64) -> Self {
        Self {
            earlier,
            folder,
            frontier: Frontier::default(),
            published: Frontier::default(),
            time: None,
            intents: HashMap::new(),
            rows: BTreeMap::new(),
            ledger: Fold::default(),
        }
    }

    /// Goes on behind the entries that an opening before has read.
    fn go_on_from(&mut self, kept: &Kept) -> Result<()> {
        self.frontier = kept.frontier()?;
        self.time = kept.time;
        self.intents = kept.intents().map(|intent| (intent.id, intent)).collect();
        self.rows.clone_from(&kept.rows);
        kept.events.iter().try_for_each(|(index, facts)| self.ledger.take(*index, facts))
    }

    fn run(&mut self, connection: &mut dyn Connection) -> Result<()> {
        let first = self.frontier.size();
        self.compare_roots()?;
        loop {
            let begin = self.frontier.size();
            let page = entries(connection, begin, u64::MAX)?;
            if page.is_empty() {
                break;
            }
            let columns = columns(connection, begin, page.len() as u64)?;
            let read: Vec<Read> = page
                .par_iter()
                .zip(columns.par_iter())
                .enumerate()
                .map(|(at, (bytes, columns))| read(begin + at as u64, bytes, columns))
                .collect::<Result<_>>()?;
            read.into_iter().try_for_each(|read| self.take(read))?;
        }
        // What stands behind a gap is no part of the log, and nobody put it there by writing to it.
        let behind = connection.query("SELECT count(*) FROM log_entry WHERE idx >= ?1", &[first.to_value()])?;
        if behind.into_iter().flatten().next().and_then(u64::from_value) != Some(self.frontier.size() - first) {
            return Err(Error::LogRow { index: self.frontier.size(), reason: "is missing" });
        }
        Ok(())
    }

    fn take(&mut self, Read { index, leaf, entry }: Read) -> Result<()> {
        if self.time.is_some_and(|before| entry.t < before) {
            return Err(Error::LogRow { index, reason: "is older than the one before" });
        }
        self.time = Some(entry.t);
        self.frontier.push(leaf);
        self.compare_roots()?;
        match entry.phase {
            Phase::Intent => {
                let Entry { id, act, actor, t, .. } = entry;
                self.intents.insert(id, Unmatched { index, id, act, actor: actor.id, time: t });
            }
            Phase::Outcome => {
                self.intents.remove(&entry.req);
                if entry.result == Some(Outcome::Ok) {
                    self.ledger.take(index, &entry.facts)?;
                    for (name, fact) in entry.facts {
                        if let (true, Fact::Text(mac)) = (name.starts_with(FACT), fact) {
                            self.rows.insert(name, mac);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Compares the tree with every earlier one that has its size.
    fn compare_roots(&mut self) -> Result<()> {
        let size = self.frontier.size();
        if size == self.folder {
            self.published = self.frontier.clone();
        }
        match self.earlier.iter().find(|earlier| earlier.size == size && earlier.root != self.frontier.root()) {
            Some(_) => Err(Error::NotAppendOnly { signed: size, size, reason: "an entry before is another" }),
            None => Ok(()),
        }
    }

    fn check_rows(&mut self, connection: &mut dyn Connection, key: &RowKey) -> Result<()> {
        self.check_table::<TenantRow>(connection, key)?;
        self.check_table::<PrincipalRow>(connection, key)?;
        self.check_table::<DatasetRow>(connection, key)?;
        self.check_table::<VersionRow>(connection, key)?;
        self.check_table::<ObjectRow>(connection, key)?;
        self.check_table::<SubjectKeyRow>(connection, key)?;
        self.check_table::<GrantRow>(connection, key)?;
        self.check_table::<PolicyRow>(connection, key)?;
        self.check_table::<ApprovalRow>(connection, key)?;
        self.check_table::<RunRow>(connection, key)?;
        self.check_table::<BudgetRow>(connection, key)
    }

    fn check_table<R: Row>(&mut self, connection: &mut dyn Connection, key: &RowKey) -> Result<()> {
        let table = R::TABLE;
        let prefix = format!("{FACT}{table}.");
        if R::GUARD == Guard::Graves {
            return self.check_graves::<R>(connection, &prefix);
        }
        let mut there = HashSet::new();
        for values in connection.query(&selection::<R>(), &[])? {
            let (row, mac) = parse::<R>(values, key)?;
            let key = row.key();
            let name = format!("{prefix}{key}");
            let known = self.rows.get(&name);
            if known.is_none() || known != mac.as_ref() {
                return Err(Error::Row { table, key, reason: "is not the one that the log tells of" });
            }
            there.insert(name);
        }
        let mut known = self.rows.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
        match known.find(|(name, mac)| !mac.is_empty() && !there.contains(*name)) {
            Some((name, _)) => Err(Error::Row { table, key: name[prefix.len()..].into(), reason: "is missing" }),
            None => Ok(()),
        }
    }

    /// Rows that the log says were removed must not be there.
    fn check_graves<R: Row>(&self, connection: &mut dyn Connection, prefix: &str) -> Result<()> {
        let sql = format!("SELECT count(*) FROM {} WHERE {} = ?1", R::TABLE, R::COLUMNS[0]);
        let known = self.rows.range(prefix.to_owned()..).take_while(|(name, _)| name.starts_with(prefix));
        for (name, _) in known {
            let key = &name[prefix.len()..];
            let rows = connection.query(&sql, &[Value::Text(key.into())])?;
            if rows.into_iter().flatten().next().and_then(u64::from_value) != Some(0) {
                return Err(Error::Row { table: R::TABLE, key: key.into(), reason: "was removed and is there again" });
            }
        }
        Ok(())
    }
}

/// `id` and `subject` of rows, which the bytes say too.
fn columns(connection: &mut dyn Connection, begin: u64, count: u64) -> Result<Vec<(String, Option<String>)>> {
    let sql = "SELECT id, subject FROM log_entry WHERE idx >= ?1 AND idx < ?2 ORDER BY idx";
    let rows = connection.query(sql, &[begin.to_value(), (begin + count).to_value()])?;
    let parse = |(row, index): (Vec<Value>, u64)| {
        let mut values = row.into_iter();
        let id = values.next().and_then(String::from_value);
        let subject = values.next().and_then(Option::from_value);
        id.zip(subject).ok_or(Error::LogRow { index, reason: "has no id" })
    };
    rows.into_iter().zip(begin..).map(parse).collect()
}

fn read(index: u64, bytes: &[u8], (id, about): &(String, Option<String>)) -> Result<Read> {
    let wrong = |reason| Error::LogRow { index, reason };
    let entry = Entry::parse(bytes).map_err(|_| wrong("is no entry"))?;
    if entry.seq != index {
        return Err(wrong("has the number of another place"));
    }
    let expected = match entry.phase {
        Phase::Outcome => entry.res.as_ref().map(subject).transpose()?,
        Phase::Intent => None,
    };
    if *id != entry.id.to_string() || *about != expected {
        return Err(wrong("is found under another id or thing"));
    }
    Ok(Read { index, leaf: leaf_hash(bytes), entry })
}
