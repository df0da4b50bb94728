//! Speed of the log: how many entries a second many writers make durable, and how long a verifier takes for a whole log.
//!
//! Every entry is on the disk before its writer hears of it (SQLite with `synchronous=FULL`, the writers' entries committed in
//! groups), so that the figure is one of the disk as much as of the program: the time of a single `fsync` stands beside it.
//! What was written is opened, and verified, again: a log that lost an entry gives no figure.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloister_vault::log::entry::{Actor, ActorKind, Entry, Instant as Moment, Outcome, Phase, Ulid};
use cloister_vault::log::{Against, LogWriter, SignatureKind, SignerKey, VerifierKey, verify};
use cloister_vault::store::{Database, Request, RowKey, Settings, Store};
use zeroize::Zeroizing;

use super::{BenchError, quantile};
use crate::interrupt;

/// What many writers got.
#[derive(Debug, Clone, PartialEq)]
pub struct Durable {
    /// Writers at once.
    pub writers: usize,
    /// Entries that were written.
    pub entries: u64,
    /// Wall time.
    pub seconds: f64,
    /// Median time of one writer's entry, in seconds.
    pub median_seconds: f64,
    /// What 99 of 100 entries took at most, in seconds.
    pub slow_seconds: f64,
    /// Median time of writing and syncing 4 KiB to the same disk, in seconds.
    pub fsync_seconds: f64,
    /// Seconds of opening the store again, when every entry is compared.
    pub opening_seconds: f64,
    /// Seconds of opening it once more, from what was verified then.
    pub reopening_seconds: f64,
}

impl Durable {
    /// Durable entries a second.
    #[must_use]
    pub fn entries_per_second(&self) -> f64 {
        self.entries as f64 / self.seconds.max(1e-9)
    }
}

/// What verifying took.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// Entries of the log.
    pub entries: u64,
    /// Seconds of writing it, in batches of 10,000.
    pub writing_seconds: f64,
    /// Bytes that the verifier read.
    pub bytes: u64,
    /// Seconds of verifying every stored byte.
    pub seconds: f64,
    /// Seconds of doing so and of reading every entry as one of this product's.
    pub entries_seconds: f64,
}

/// Lets `writers` write entries for so long, each the next one when its last one is durable, into a store in `folder`.
///
/// # Errors
/// [`BenchError`].
pub fn durable(folder: &Path, writers: usize, time: Duration) -> Result<Durable, BenchError> {
    let fsync_seconds = fsync_seconds(folder)?;
    let (signer, rows) = (SignerKey::generate(NAME, SignatureKind::Ed25519)?, RowKey::random()?);
    let key = signer.verifier().clone();
    let open = || -> Result<Store, BenchError> {
        let signer = SignerKey::parse(&signer.to_text())?;
        let (database, rows) = (Database::Sqlite(folder.join("vault.db")), Zeroizing::new(*rows.expose()));
        Ok(Store::open(Settings::new(database, folder.join("log"), signer, RowKey::from_bytes(rows)))?)
    };
    let store = open()?;
    let stop = AtomicBool::new(false);
    let begin = Instant::now();
    let times = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers)
            .map(|number| {
                let (store, stop) = (&store, &stop);
                scope.spawn(move || write(store, number, stop))
            })
            .collect();
        while begin.elapsed() < time && !interrupt::requested() {
            std::thread::sleep(time.saturating_sub(begin.elapsed()).min(Duration::from_millis(50)));
        }
        stop.store(true, Ordering::Relaxed);
        let joined =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.collect::<cloister_vault::Result<Vec<_>>>()
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    interrupt::check()?;
    store.close()?;
    let mut times: Vec<f64> = times.into_iter().flatten().collect();
    times.sort_by(f64::total_cmp);
    let entries = times.len() as u64;
    let reopen = || -> Result<f64, BenchError> {
        let begin = Instant::now();
        let again = open()?;
        let seconds = begin.elapsed().as_secs_f64();
        if again.opening().entries != entries {
            return Err(BenchError::Wrong { what: "the store has not the entries that were written" });
        }
        again.close()?;
        Ok(seconds)
    };
    let (opening_seconds, reopening_seconds) = (reopen()?, reopen()?);
    check(&folder.join("log"), &key, entries)?;
    let (median_seconds, slow_seconds) = (quantile(&times, 0.5), quantile(&times, 0.99));
    Ok(Durable {
        writers,
        entries,
        seconds,
        median_seconds,
        slow_seconds,
        fsync_seconds,
        opening_seconds,
        reopening_seconds,
    })
}

/// Writes a log of so many entries into `folder` and verifies it.
///
/// # Errors
/// [`BenchError`].
pub fn verified(folder: &Path, entries: u64) -> Result<Verified, BenchError> {
    const AT_ONCE: u64 = 10_000;
    let signer = SignerKey::generate(NAME, SignatureKind::Ed25519)?;
    let key = signer.verifier().clone();
    let mut writer = LogWriter::open(folder, signer, None)?;
    let begin = Instant::now();
    let mut size = 0;
    while size < entries {
        interrupt::check()?;
        let end = entries.min(size + AT_ONCE);
        let batch = (size..end).map(entry).collect::<cloister_vault::Result<Vec<_>>>()?;
        writer.publish(&batch)?;
        size = end;
    }
    let writing_seconds = begin.elapsed().as_secs_f64();
    drop(writer);
    let (bytes, seconds) = {
        let begin = Instant::now();
        let report = verify(folder, &key, &Against::default());
        intact(&report, entries)?;
        (report.bytes, begin.elapsed().as_secs_f64())
    };
    let begin = Instant::now();
    check(folder, &key, entries)?;
    Ok(Verified { entries, writing_seconds, bytes, seconds, entries_seconds: begin.elapsed().as_secs_f64() })
}

/// The name of the log.
const NAME: &str = "cloister.example/bench";

/// Announces acts and tells their ends until it is told to stop; gives the seconds of each entry.
fn write(store: &Store, number: usize, stop: &AtomicBool) -> cloister_vault::Result<Vec<f64>> {
    let request = Request::new("dataset.read", actor(&format!("u{number}"))).on("dataset", "d1").purpose("support");
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let announced = store.intent(&request)?;
        times.push(begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        store.outcome(announced, Outcome::Ok)?;
        times.push(begin.elapsed().as_secs_f64());
    }
    Ok(times)
}

fn actor(id: &str) -> Actor {
    Actor { auth: "token".into(), id: id.into(), mfa_age: Some(30), session_h: None, kind: ActorKind::User }
}

fn entry(seq: u64) -> cloister_vault::Result<Vec<u8>> {
    let t = Moment::from_millis(1_795_000_000_000 + seq)?;
    let id = Ulid::from_parts(t.millis(), u128::from(seq));
    Entry::new("dataset.read", actor("u1"), Phase::Intent, id, seq, t).to_bytes()
}

fn check(log: &Path, key: &VerifierKey, entries: u64) -> Result<(), BenchError> {
    intact(&verify(log, key, &Against { entries: true, ..Against::default() }), entries)
}

fn intact(report: &cloister_vault::log::Report, entries: u64) -> Result<(), BenchError> {
    let size = report.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    match report.findings.is_empty() && size == entries {
        true => Ok(()),
        false => Err(BenchError::Wrong { what: "the log is not the one that was written" }),
    }
}

/// The median of some.
fn fsync_seconds(folder: &Path) -> Result<f64, BenchError> {
    let mut file: File = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..25 {
        let begin = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_all()?;
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(quantile(&times, 0.5))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_measured_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let written = durable(folder.path(), 4, Duration::from_millis(300)).unwrap();
        assert!(written.entries > 4 && written.seconds >= 0.3, "{written:?}");
        assert!(written.median_seconds <= written.slow_seconds && written.median_seconds > 0.0, "{written:?}");
        let folder = tempfile::tempdir().unwrap();
        let seen = verified(folder.path(), 10_300).unwrap();
        assert!(seen.entries == 10_300 && seen.bytes > 10_300 * 100, "{seen:?}");
        // A log that is not what was written gives no figure.
        let key = SignerKey::generate(NAME, SignatureKind::Ed25519).unwrap();
        assert!(matches!(check(folder.path(), key.verifier(), 10_300), Err(BenchError::Wrong { .. })));
    }
}
