//! How often a secret that people choose may be guessed, whatever number of processes guesses.
//!
//! ```text
//! NAME.lock    held for one try at a time
//! NAME.tries   "CLOT" | version: 1 | failed tries in a row (4) | id of the boot (16) | ms since then (8) | ms since 1970 (8)
//! ```
//!
//! Invariant: a try is counted, durably, before it is made; a process that is killed in it has failed. Three tries in a row
//! are free; after them each waits twice as long as the one before, up to a quarter of an hour. Within one boot time is taken
//! from a clock that nobody can set; where only the wall clock is left and it was set back, the wait begins anew.
//!
//! This slows whoever must ask the product. Who can write in the folder can remove the file, and who has copied the ring
//! guesses elsewhere: against them stands the cost of Argon2id.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::files::{Existing, Readers, WholeFile, create_folder, folder_of, read_limited};
use crate::{Error, Result};

const MAGIC: &[u8; 4] = b"CLOT";
const VERSION: u8 = 1;
const TRIES_BYTES: usize = 4 + 1 + 4 + 16 + 8 + 8;

/// Failed tries in a row that cost no time.
const FREE_TRIES: u32 = 3;
/// The first wait, in milliseconds.
const FIRST_WAIT: u64 = 1000;
/// The longest, in milliseconds.
const LONGEST_WAIT: u64 = 900_000;

/// A file beside the ring.
pub(super) fn beside(ring: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(ring);
    name.push(suffix);
    name.into()
}

/// Waits for the lock of a ring. It is free again when the file is dropped, or its process ends.
pub(super) fn lock(ring: &Path) -> Result<File> {
    create_folder(folder_of(ring))?;
    let path = beside(ring, ".lock");
    let mut options = File::options();
    // Whoever can open it can hold it.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.create(true).truncate(false).write(true).open(&path).map_err(Error::write(&path))?;
    file.lock().map_err(Error::write(&path))?;
    Ok(file)
}

/// Makes one try: [`Error::DoesNotUnseal`] counts as failed, success ends the count, and any other error leaves it.
pub(super) fn limited<T>(ring: &Path, attempt: impl FnOnce() -> Result<T>) -> Result<T> {
    let _lock = lock(ring)?;
    let path = beside(ring, ".tries");
    let before = read_limited(&path, TRIES_BYTES as u64)?.map(|bytes| Tries::parse(&bytes)).transpose()?;
    let now = Moment::now();
    let failed = before.map_or(0, |record| record.failed);
    if let Some(record) = before {
        let (wait, began) = record.wait(&now);
        if wait > 0 {
            if began != record.at {
                Tries { at: began, ..record }.write(&path)?;
            }
            return Err(Error::TooManyTries { seconds: wait.div_ceil(1000) });
        }
    }
    Tries { failed: failed.saturating_add(1), at: now }.write(&path)?;
    let outcome = attempt();
    match (&outcome, before) {
        (Err(Error::DoesNotUnseal), _) => {}
        (Err(_), Some(record)) => record.write(&path)?,
        _ => fs::remove_file(&path).map_err(Error::write(&path))?,
    }
    outcome
}

/// What is kept of the tries that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tries {
    failed: u32,
    /// When the last one began, or the wait for the next.
    at: Moment,
}

/// An instant, by two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    /// Of the boot; zeros where there is none.
    boot: [u8; 16],
    /// Milliseconds since then.
    since_boot: u64,
    /// Milliseconds since 1970.
    wall: u64,
}

impl Tries {
    /// How many milliseconds are left at `now`, and since when that is counted.
    fn wait(&self, now: &Moment) -> (u64, Moment) {
        let Some(doublings) = self.failed.checked_sub(FREE_TRIES) else { return (0, self.at) };
        let whole = FIRST_WAIT.saturating_mul(1 << doublings.min(20)).min(LONGEST_WAIT);
        let same_boot = self.at.boot == now.boot && now.boot != [0; 16];
        let passed = match same_boot {
            true => now.since_boot.checked_sub(self.at.since_boot),
            false => now.wall.checked_sub(self.at.wall),
        };
        match passed {
            Some(passed) => (whole.saturating_sub(passed), self.at),
            None => (whole, *now),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes).ok_or(Error::Malformed { format: "count of failed tries", reason: "remove the file by hand" })
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(MAGIC)?.strip_prefix(&[VERSION])?;
        let (failed, bytes) = bytes.split_first_chunk()?;
        let (boot, bytes) = bytes.split_first_chunk()?;
        let (since_boot, bytes) = bytes.split_first_chunk()?;
        let wall = bytes.try_into().ok()?;
        let at = Moment { boot: *boot, since_boot: u64::from_be_bytes(*since_boot), wall: u64::from_be_bytes(wall) };
        Some(Self { failed: u32::from_be_bytes(*failed), at })
    }

    fn to_bytes(self) -> Vec<u8> {
        let Self { failed, at: Moment { boot, since_boot, wall } } = self;
        let (failed, since_boot, wall) = (failed.to_be_bytes(), since_boot.to_be_bytes(), wall.to_be_bytes());
        [&MAGIC[..], &[VERSION], &failed, &boot, &since_boot, &wall].concat()
    }

    fn write(self, path: &Path) -> Result<()> {
        let mut file = WholeFile::create(path, folder_of(path), Readers::Owner)?;
        file.write_all(&self.to_bytes()).map_err(Error::write(path))?;
        file.commit(Existing::Replace)
    }
}

impl Moment {
    fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let (boot, since_boot) = boot().unwrap_or_default();
        Self { boot, since_boot, wall }
    }
}

/// The id of this boot of the machine, and the milliseconds since, those of sleep among them.
#[cfg(target_os = "linux")]
fn boot() -> Option<([u8; 16], u64)> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let id = crate::encoding::from_hex(&text.trim().replace('-', ""))?;
    let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(since.tv_sec).ok()?;
    Some((id, seconds.saturating_mul(1000).saturating_add(since.tv_nsec as u64 / 1_000_000)))
}

#[cfg(not(target_os = "linux"))]
fn boot() -> Option<([u8; 16], u64)> {
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const DAY: u64 = 86_400_000;
    const START: Moment = Moment { boot: [1; 16], since_boot: 50_000, wall: 20_000 * DAY };

    fn after(failed: u32, now: Moment) -> u64 {
        Tries { failed, at: START }.wait(&now).0
    }

    #[test]
    fn requirement_24_waits_grow_and_end() {
        let waits: Vec<u64> = (0..16).map(|failed| after(failed, START)).collect();
        let grown = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900].map(|seconds: u64| seconds * 1000);
        assert_eq!(waits, [&[0; 3][..], &grown].concat());
        assert_eq!(after(u32::MAX, START), LONGEST_WAIT);
        let later = |passed| Moment { since_boot: START.since_boot + passed, wall: START.wall + passed, ..START };
        assert_eq!([0, 1, 999, 1000, 5000].map(|passed| after(3, later(passed))), [1000, 999, 1, 0, 0]);
    }

    #[test]
    fn requirement_24_a_clock_that_is_set_does_not_shorten_the_wait() {
        // Within a boot the wall clock does not count, wherever it is set.
        for wall in [0, START.wall - DAY, START.wall + 365 * DAY, u64::MAX] {
            assert_eq!(after(8, Moment { wall, ..START }), 32_000);
            assert_eq!(after(8, Moment { wall, since_boot: START.since_boot + 2000, ..START }), 30_000);
        }
        // After another boot it does, and set back it begins the wait anew, from what it shows now.
        for boot in [[2; 16], [0; 16]] {
            let now = Moment { boot, since_boot: 0, wall: START.wall - DAY };
            let record = Tries { failed: 8, at: START };
            let (wait, began) = record.wait(&now);
            assert_eq!((wait, began), (32_000, now));
            let soon = Moment { since_boot: 2000, wall: now.wall + 2000, ..now };
            assert_eq!(Tries { at: began, ..record }.wait(&soon).0, 30_000);
            assert_eq!(record.wait(&Moment { boot, wall: START.wall + 32_000, ..START }).0, 0);
        }
    }

    #[test]
    fn a_record_comes_back_and_nothing_else_is_one() {
        let record = Tries { failed: 7, at: START };
        let bytes = record.to_bytes();
        assert_eq!(bytes.len(), TRIES_BYTES);
        assert_eq!(Tries::parse(&bytes).unwrap(), record);
        for length in 0..bytes.len() {
            assert!(Tries::parse(&bytes[..length]).is_err());
        }
        assert!(Tries::parse(&[&bytes[..], b"\0"].concat()).is_err());
        assert!(Tries::parse(&[b"CLOT\x02", &bytes[5..]].concat()).is_err());
        let now = Moment::now();
        assert!(now.wall > 0);
        if cfg!(target_os = "linux") {
            assert!(now.boot != [0; 16] && now.since_boot > 0);
        }
    }

    #[test]
    fn a_try_that_could_not_be_made_is_not_counted() {
        let folder = tempfile::tempdir().unwrap();
        let ring = folder.path().join("keys.clo");
        let tries = beside(&ring, ".tries");
        let failed = |error: Error| limited::<()>(&ring, || Err(error)).unwrap_err();
        assert!(matches!(failed(Error::NoQuorum), Error::NoQuorum));
        assert!(!tries.exists());
        assert!(matches!(failed(Error::DoesNotUnseal), Error::DoesNotUnseal));
        let once = fs::read(&tries).unwrap();
        failed(Error::NoQuorum);
        assert_eq!(fs::read(&tries).unwrap(), once);
        // Counted before it is made: whoever looks from inside of a try sees it counted.
        limited(&ring, || {
            assert_eq!(Tries::parse(&fs::read(&tries).unwrap()).unwrap().failed, 2);
            Ok(())
        })
        .unwrap();
        assert!(!tries.exists());
        fs::write(&tries, b"CLOT").unwrap();
        assert!(matches!(limited(&ring, || Ok(())), Err(Error::Malformed { .. })), "fail closed");
    }
}
