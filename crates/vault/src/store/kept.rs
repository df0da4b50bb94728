//! What an opening has verified, kept beside the log, so that the next one reads newer entries only.
//!
//! Invariant: such a file is believed because it has a MAC under the key of rows, and used only where its tree is the beginning of
//! the one that the log's key has signed last: its frontier, with the newer entries, must lead to that root. Then what it holds
//! of the entries before (rows, events of the ledger, acts under way) is what they said when they were read, and everything that
//! is compared with them is compared as ever: every guarded row, every event, every checkpoint.
//!
//! What an opening from it does not see: entries in the *database* that it stands for, edited or removed since. They are not
//! read. The full comparison finds them, which is made when there was none for a day, when the file is not there or does not
//! fit, and for who asks for it ([`Settings::thorough`](super::Settings::thorough)); the files of the log have the entries as they
//! were signed, and nothing is decided by those in the database but what an entry calls the one before on the same thing.
//!
//! What it sees beyond that: it says how far the log was. A database and files of the log that were both restored from before are
//! refused, as by a checkpoint that left the house, unless this file was restored with them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use super::opening::Unmatched;
use super::rows::RowKey;
use crate::files::{Existing, Readers, WholeFile, folder_of, read_limited};
use crate::log::entry::{Fact, Instant, Ulid};
use crate::log::merkle::{Frontier, Hash};
use crate::log::{Checkpoint, VerifierKey};
use crate::{Error, Result};

/// How old the last full comparison may be, in milliseconds.
const A_DAY: u64 = 24 * 60 * 60 * 1000;
/// The longest file that is read.
const MOST_BYTES: u64 = 1 << 28;
const MAC_BYTES: usize = 32;
/// Rows' MACs are over texts that begin otherwise.
const LABEL: &[u8] = b"cloister verified v1\0";

/// The state of a log after its first entries, folded.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// How many entries.
    size: u64,
    peaks: Vec<String>,
    /// The time of the last one.
    pub(super) time: Option<Instant>,
    /// When the last full comparison was made.
    full: Instant,
    intents: Vec<UnderWay>,
    /// By the names of facts, as the scan has them.
    pub(super) rows: BTreeMap<String, String>,
    /// By the numbers of entries.
    pub(super) events: BTreeMap<u64, BTreeMap<String, Fact>>,
}

/// An act that was announced.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnderWay {
    index: u64,
    id: Ulid,
    act: String,
    actor: String,
    time: Instant,
}

impl Kept {
    pub(super) fn new(
        frontier: &Frontier,
        time: Option<Instant>,
        full: Instant,
        intents: &[Unmatched],
        rows: BTreeMap<String, String>,
        events: BTreeMap<u64, BTreeMap<String, Fact>>,
    ) -> Self {
        let peaks = frontier.peaks().iter().map(Hash::to_string).collect();
        let under_way = |intent: &Unmatched| {
            let Unmatched { index, id, act, actor, time } = intent.clone();
            UnderWay { index, id, act, actor, time }
        };
        let intents = intents.iter().map(under_way).collect();
        Self { size: frontier.size(), peaks, time, full, intents, rows, events }
    }

    /// Where it lies: beside the folder of the log.
    fn path(log: &Path) -> Option<PathBuf> {
        let mut name = log.file_name()?.to_os_string();
        name.push(".verified");
        Some(log.with_file_name(name))
    }

    /// The file beside a log, or none where there is none that this key of rows has made over a log of this key.
    pub(super) fn read(log: &Path, rows: &RowKey, key: &VerifierKey) -> Option<Self> {
        let bytes = read_limited(&Self::path(log)?, MOST_BYTES).ok()??;
        let (mac, text) = bytes.split_at_checked(MAC_BYTES)?;
        // In constant time.
        aws_lc_rs::constant_time::verify_slices_are_equal(&sign(rows, key, text), mac).ok()?;
        let kept: Self = serde_json::from_slice(text).ok()?;
        kept.frontier().is_ok().then_some(kept)
    }

    /// Puts it in the place of the one before.
    pub(super) fn write(&self, log: &Path, rows: &RowKey, key: &VerifierKey) -> Result<()> {
        let malformed = Error::Malformed { format: "state of a log", reason: "it cannot be written" };
        let (Some(path), Ok(text)) = (Self::path(log), serde_json::to_vec(self)) else { return Err(malformed) };
        let mut file = WholeFile::create(&path, folder_of(&path), Readers::Owner)?;
        for part in [&sign(rows, key, &text), &text] {
            file.write_all(part).map_err(Error::write(&path))?;
        }
        file.commit(Existing::Replace)
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn full(&self) -> Instant {
        self.full
    }

    /// Whether the last full comparison is less than a day ago. A clock that was set back does not make it younger.
    pub(super) fn is_fresh(&self) -> bool {
        let since = |now: Instant| now.millis().checked_sub(self.full.millis());
        Instant::now().ok().and_then(since).is_some_and(|since| since < A_DAY)
    }

    pub(super) fn frontier(&self) -> Result<Frontier> {
        Frontier::from_peaks(self.size, self.peaks.iter().map(|peak| peak.parse()).collect::<Result<_>>()?)
    }

    /// The tree that it was made over.
    pub(super) fn checkpoint(&self, key: &VerifierKey) -> Result<Checkpoint> {
        Ok(Checkpoint { origin: key.name().into(), size: self.size, root: self.frontier()?.root() })
    }

    pub(super) fn intents(&self) -> impl Iterator<Item = Unmatched> {
        self.intents.iter().cloned().map(|UnderWay { index, id, act, actor, time }| Unmatched {
            index,
            id,
            act,
            actor,
            time,
        })
    }
}

fn sign(rows: &RowKey, key: &VerifierKey, text: &[u8]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, rows.expose()));
    let log = key.to_string();
    context.update(LABEL);
    context.update(&(log.len() as u64).to_be_bytes());
    context.update(log.as_bytes());
    context.update(text);
    context.sign().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::log::merkle::leaf_hash;
    use crate::log::{SignatureKind, SignerKey};

    fn kept(full: Instant) -> Kept {
        let frontier: Frontier = (0..7_u8).map(|number| leaf_hash(&[number])).collect();
        Kept::new(&frontier, Some(full), full, &[], BTreeMap::new(), BTreeMap::new())
    }

    #[test]
    fn a_day_after_the_full_comparison_or_before_it_nothing_is_fresh() {
        let now = Instant::now().unwrap().millis();
        let fresh = |millis| kept(Instant::from_millis(millis).unwrap()).is_fresh();
        assert!(fresh(now) && fresh(now - A_DAY + 60_000));
        assert!(!fresh(now - A_DAY) && !fresh(now + 60_000) && !fresh(0));
    }

    #[test]
    fn it_comes_back_under_its_keys_only() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let (rows, other) = (RowKey::random().unwrap(), RowKey::random().unwrap());
        let [key, another] = ["example.com/log", "example.com/other"]
            .map(|name| SignerKey::generate(name, SignatureKind::Ed25519).unwrap().verifier().clone());
        let one = kept(Instant::now().unwrap());
        assert!(Kept::read(&log, &rows, &key).is_none());
        one.write(&log, &rows, &key).unwrap();
        let again = Kept::read(&log, &rows, &key).unwrap();
        assert_eq!((again.frontier().unwrap(), again.full()), (one.frontier().unwrap(), one.full()));
        assert_eq!(again.checkpoint(&key).unwrap().size, 7);
        assert!(Kept::read(&log, &other, &key).is_none() && Kept::read(&log, &rows, &another).is_none());
        // A tree that cannot be is none, whoever has written it.
        Kept { size: 6, ..one }.write(&log, &rows, &key).unwrap();
        assert!(Kept::read(&log, &rows, &key).is_none());
    }
}
