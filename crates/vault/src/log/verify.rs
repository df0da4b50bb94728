//! Verifies the whole folder of a log.
//!
//! Invariant: every stored byte is looked at. Every tile is computed again from the entries, partial ones and leftovers too, the
//! root from the tiles, and the checkpoint's signature with the log's key; a file that belongs to nothing is told of. No hash
//! that was read is used to compute another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::checkpoint::{Checkpoint, SignedCheckpoint};
use super::entry::Entry;
use super::merkle::{Hash, Nodes, leaf_hash, root, root_of};
use super::note::{NOTE_BYTES, VerifierKey};
use super::policy::Policy;
use super::tiles::{
    BUNDLE_BYTES, LOCK, SCRATCH, TILE_HEIGHT, TILE_WIDTH, TileKind, TilePath, parse_bundle, tile_bytes,
};
use crate::files::read_limited;
use crate::{Error, Result};

/// What a log is verified against, beside its key.
#[derive(Default)]
pub struct Against<'a> {
    /// A checkpoint that was seen before: the log must continue it.
    pub old: Option<&'a SignedCheckpoint>,
    /// The witnesses that must have cosigned the checkpoint.
    pub policy: Option<&'a Policy>,
    /// Whether every entry must be one that this product writes, with its place in the log as its number.
    pub entries: bool,
}

/// What was found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// The checkpoint, if the log's key has signed it.
    pub checkpoint: Option<Checkpoint>,
    /// What is wrong; nothing if the log is intact.
    pub findings: Vec<Finding>,
    /// Files that no signature covers: tiles and entries behind the checkpoint, and unfinished files, of a log that is being
    /// written or whose writer was stopped.
    pub unsigned: Vec<PathBuf>,
    /// Names of keys that have signed the checkpoint and are not known: their signatures could not be verified.
    pub strangers: Vec<String>,
    /// Bytes that were read.
    pub bytes: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty() && self.checkpoint.is_some()
    }
}

/// Something that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, from the folder of the log.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.path.display(), self.problem)
    }
}

/// Verifies the log in `folder`, with all processors.
///
/// ```no_run
/// use cloister_vault::log::{Against, VerifierKey, verify};
///
/// let key = VerifierKey::parse("example.com/log+…")?;
/// let report = verify("log".as_ref(), &key, &Against::default());
/// for finding in &report.findings {
///     println!("{finding}");
/// }
/// # Ok::<(), cloister_vault::Error>(())
/// ```
#[must_use]
pub fn verify(folder: &Path, key: &VerifierKey, against: &Against<'_>) -> Report {
    let mut report = Report::default();
    let signed = match read_checkpoint(folder, key, against, &mut report) {
        Ok(signed) => signed,
        Err(error) => {
            report.findings.push(finding("checkpoint", explain(&error)));
            return report;
        }
    };
    let checkpoint = signed.unverified();
    let mut stored = Stored::default();
    if let Err(error) = stored.walk(folder, folder, &mut report.findings) {
        report.findings.push(finding("", explain(&error)));
    }
    let tree = Tree { folder, size: checkpoint.size, stored: &stored.tiles, entries: against.entries };
    let hashes = tree.verify(&mut report);
    let covered =
        |tile: &TilePath| TilePath::in_tree(tile.kind, tile.index, checkpoint.size).map_or(0, |tile| tile.width);
    let behind = stored.tiles.iter().filter(|(tile, _)| covered(tile) < tile.width);
    report.unsigned.extend(behind.map(|(_, path)| path.clone()).chain(stored.unfinished.iter().cloned()));
    let Some(hashes) = hashes else { return finish(report) };
    match root_of(&hashes, checkpoint.size) {
        Ok(computed) if computed == checkpoint.root => {}
        _ => report.findings.push(finding("checkpoint", "its root is not that of the entries")),
    }
    if let Some(old) = against.old
        && let Err(problem) = continues(&hashes, old, checkpoint, key)
    {
        report.findings.push(finding("checkpoint", problem));
    }
    finish(report)
}

fn finish(mut report: Report) -> Report {
    report.findings.sort();
    report
}

fn read_checkpoint(
    folder: &Path,
    key: &VerifierKey,
    against: &Against<'_>,
    report: &mut Report,
) -> Result<SignedCheckpoint> {
    let path = folder.join("checkpoint");
    let bytes = read_limited(&path, NOTE_BYTES as u64)?;
    let bytes = bytes.ok_or(Error::Damaged { path, reason: "is missing" })?;
    report.bytes += bytes.len() as u64;
    let signed = SignedCheckpoint::parse(&bytes)?;
    report.checkpoint = Some(signed.verify(key)?.clone());
    let witnesses = against.policy.map_or(&[][..], Policy::witnesses);
    let known = |name: &str, id| std::iter::once(key).chain(witnesses).any(|key| key.name() == name && key.id() == id);
    let strangers = signed.note().signatures().iter().filter(|signature| !known(&signature.name, signature.id));
    report.strangers.extend(strangers.map(|signature| signature.name.clone()));
    if let Some(policy) = against.policy
        && let Err(error) = policy.verify(&signed)
    {
        report.findings.push(finding("checkpoint", explain(&error)));
    }
    Ok(signed)
}

/// Whether the log begins with the older checkpoint.
fn continues(hashes: &Hashes<'_>, old: &SignedCheckpoint, new: &Checkpoint, key: &VerifierKey) -> Result<(), String> {
    let old = old.verify(key).map_err(|error| format!("the older checkpoint: {}", explain(&error)))?;
    if old.size > new.size {
        return Err(format!("the log has {} entries and had {}", new.size, old.size));
    }
    match root_of(hashes, old.size) {
        Ok(root) if root == old.root => Ok(()),
        Ok(_) => Err(format!("the first {} entries are not those of the older checkpoint", old.size)),
        Err(error) => Err(explain(&error)),
    }
}

/// The tiles that are stored, and where; and files that a writer has not finished.
#[derive(Default)]
struct Stored {
    tiles: BTreeMap<TilePath, PathBuf>,
    unfinished: Vec<PathBuf>,
}

impl Stored {
    fn walk(&mut self, root: &Path, folder: &Path, findings: &mut Vec<Finding>) -> Result<()> {
        let Some(entries) = there(folder, fs::read_dir(folder))? else { return Ok(()) };
        for entry in entries {
            let Some(entry) = there(folder, entry)? else { continue };
            let path = entry.path();
            let Some(found) = there(&path, entry.metadata())? else { continue };
            let name = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
            if found.is_dir() {
                self.walk(root, &path, findings)?;
                continue;
            }
            let place = name.to_str().map(|name| name.replace(std::path::MAIN_SEPARATOR, "/")).unwrap_or_default();
            match place.parse::<TilePath>() {
                Ok(tile) if found.is_file() => drop(self.tiles.insert(tile, name)),
                _ if found.is_file() && name.starts_with(SCRATCH) => self.unfinished.push(name),
                _ if found.is_file() && (place == "checkpoint" || (place == LOCK && found.len() == 0)) => {}
                _ => findings.push(Finding { path: name, problem: "it is no file of a log".into() }),
            }
        }
        Ok(())
    }
}

/// What the file system gave, or none for what a writer at work has removed meanwhile.
fn there<T>(path: &Path, got: std::io::Result<T>) -> Result<Option<T>> {
    match got {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        got => got.map(Some).map_err(Error::read(path)),
    }
}

/// The tree that the checkpoint signs, and the files that should hold it.
struct Tree<'a> {
    folder: &'a Path,
    size: u64,
    stored: &'a BTreeMap<TilePath, PathBuf>,
    entries: bool,
}

/// What was seen of some files.
#[derive(Default)]
struct Seen {
    findings: Vec<Finding>,
    bytes: u64,
}

/// The hashes that were computed; those of leaves are computed again where they are needed.
struct Hashes<'a> {
    tree: &'a Tree<'a>,
    /// For each level of tiles from 1 on.
    levels: Vec<Vec<Hash>>,
    /// The leaves of the last bundle, while it is partial.
    last: Vec<Hash>,
}

impl<'a> Tree<'a> {
    /// Computes every hash from the entries and compares every file; none if entries are missing.
    fn verify(&'a self, report: &mut Report) -> Option<Hashes<'a>> {
        let bundles = self.size.div_ceil(TILE_WIDTH);
        let entries = |index, width| TilePath { kind: TileKind::Entries, index, width };
        let mut indices: Vec<u64> = match bundles.checked_sub(1) {
            Some(last) => {
                self.stored.range(entries(0, 0)..=entries(last, u16::MAX)).map(|(path, _)| path.index).collect()
            }
            None => Vec::new(),
        };
        indices.dedup();
        // The size is what the log says: work goes by what is there.
        let mut whole = indices.len() as u64 == bundles;
        if !whole {
            let first = (0..).zip(&indices).find(|(expected, index)| expected != *index);
            let first = first.map_or(indices.len() as u64, |(expected, _)| expected);
            let missing = bundles - indices.len() as u64;
            let path = TilePath::in_tree(TileKind::Entries, first, self.size).unwrap_or(entries(first, 1));
            report
                .findings
                .push(finding(&path.to_string(), format!("bundles of entries are missing from here on: {missing}")));
        }
        let seen: Vec<(Seen, Option<Bundle>)> =
            indices.into_par_iter().map(|index| self.verify_bundle(index)).collect();
        let (mut roots, mut last) = (Vec::with_capacity(seen.len()), Vec::new());
        for (seen, bundle) in seen {
            report.add(seen);
            match bundle {
                Some(Bundle::Full(root)) => roots.push(root),
                Some(Bundle::Partial(leaves)) => last = leaves,
                None => whole = false,
            }
        }
        if !whole {
            return None;
        }
        let mut levels = vec![roots];
        while let Some(below) = levels.last().filter(|below| below.len() as u64 >= TILE_WIDTH) {
            let (full, _) = below.as_chunks::<{ TILE_WIDTH as usize }>();
            levels.push(full.iter().map(|tile| root(tile)).collect());
        }
        for (level, hashes) in (1_u8..).zip(&levels) {
            for (index, tile) in (0_u64..).zip(hashes.chunks(TILE_WIDTH as usize)) {
                let mut seen = Seen::default();
                self.compare_hashes(level, index, tile, &mut seen);
                report.add(seen);
            }
        }
        Some(Hashes { tree: self, levels, last })
    }

    /// Compares everything that is stored of one bundle of entries and of their tile.
    fn verify_bundle(&self, index: u64) -> (Seen, Option<Bundle>) {
        let mut seen = Seen::default();
        let bundle = self.read_bundle(index, &mut seen).and_then(|(path, tile, bytes)| {
            let name = self.name(&path);
            let entries = match parse_bundle(&bytes, path.width) {
                Ok(entries) => entries,
                Err(error) => return Err(Finding { path: name, problem: explain(&error) }),
            };
            let entries = &entries[..usize::from(tile.width).min(entries.len())];
            let mut borders = vec![0];
            for (number, entry) in (index * TILE_WIDTH..).zip(entries) {
                borders.push(borders.last().unwrap_or(&0) + 2 + entry.len());
                if self.entries && Entry::parse(entry).map_or(true, |entry| entry.seq != number) {
                    let problem = format!("entry {number} is not one that this product writes there");
                    seen.findings.push(Finding { path: name.clone(), problem });
                }
            }
            let covered = borders.last().map_or(&bytes[..], |end| &bytes[..*end]);
            self.compare(tile, covered, &borders, Some(path), &mut seen);
            Ok(entries.iter().map(|entry| leaf_hash(entry)).collect::<Vec<Hash>>())
        });
        match bundle {
            Err(finding) => {
                seen.findings.push(finding);
                (seen, None)
            }
            Ok(leaves) => {
                self.compare_hashes(0, index, &leaves, &mut seen);
                let full = leaves.len() as u64 == TILE_WIDTH;
                (seen, Some(if full { Bundle::Full(root(&leaves)) } else { Bundle::Partial(leaves) }))
            }
        }
    }

    /// A bundle of the tree: where it was read, what of it is in the tree, and its bytes.
    fn read_bundle(&self, index: u64, seen: &mut Seen) -> Result<(TilePath, TilePath, Vec<u8>), Finding> {
        let Some(tile) = TilePath::in_tree(TileKind::Entries, index, self.size) else {
            return Err(finding("checkpoint", "its size is larger than that of any log"));
        };
        for path in [tile, tile.full()] {
            if let Some(bytes) = self.read(&path)? {
                seen.bytes += bytes.len() as u64;
                return Ok((path, tile, bytes));
            }
        }
        Err(Finding { path: self.name(&tile), problem: "it is missing".into() })
    }

    fn compare_hashes(&self, level: u8, index: u64, hashes: &[Hash], seen: &mut Seen) {
        let tile = TilePath { kind: TileKind::Hashes { level }, index, width: hashes.len() as u16 };
        let borders: Vec<usize> = (0..=hashes.len()).map(|width| width * Hash::BYTES).collect();
        let exact = [tile, tile.full()].iter().any(|path| self.stored.contains_key(path));
        if !exact {
            seen.findings.push(Finding { path: tile.to_string().into(), problem: "it is missing".into() });
        }
        self.compare(tile, &tile_bytes(hashes), &borders, None, seen);
    }

    /// Compares every stored file of one tile, but the one that was read already, with the bytes that it should hold.
    /// `borders` says how many of these a file of each width has.
    fn compare(&self, tile: TilePath, bytes: &[u8], borders: &[usize], read: Option<TilePath>, seen: &mut Seen) {
        let all = TilePath { width: 0, ..tile }..=tile.full();
        for path in self.stored.range(all).map(|(path, _)| *path).filter(|path| Some(*path) != read) {
            let there = match self.read(&path) {
                Ok(Some(there)) => there,
                // A writer at work removed it, for the full one is there.
                Ok(None) if !path.is_full() && self.folder.join(path.full().to_string()).is_file() => continue,
                Ok(None) => {
                    seen.findings.push(Finding { path: self.name(&path), problem: "it is missing".into() });
                    continue;
                }
                Err(finding) => {
                    seen.findings.push(finding);
                    continue;
                }
            };
            seen.bytes += there.len() as u64;
            let same = match borders.get(usize::from(path.width)) {
                Some(end) => bytes.get(..*end) == Some(&there[..]),
                // It grew behind the checkpoint.
                None => there.starts_with(bytes),
            };
            if !same {
                seen.findings
                    .push(Finding { path: self.name(&path), problem: "it differs from what the entries give".into() });
            }
        }
    }

    fn read(&self, path: &TilePath) -> Result<Option<Vec<u8>>, Finding> {
        let bytes = read_limited(&self.folder.join(path.to_string()), BUNDLE_BYTES);
        bytes.map_err(|error| Finding { path: self.name(path), problem: explain(&error) })
    }

    fn name(&self, path: &TilePath) -> PathBuf {
        path.to_string().into()
    }
}

/// What one bundle gave.
enum Bundle {
    /// The root over its 256 leaves.
    Full(Hash),
    /// The leaves of the last one.
    Partial(Vec<Hash>),
}

impl Nodes for Hashes<'_> {
    fn node(&self, level: u8, index: u64) -> Result<Hash> {
        let outside = || Error::OutOfTree { index, size: self.tree.size };
        let (tile_level, inside) = (usize::from(level / TILE_HEIGHT), level % TILE_HEIGHT);
        let first = usize::try_from(index << inside).map_err(|_| outside())?;
        let width = 1 << inside;
        if let Some(above) = tile_level.checked_sub(1) {
            let hashes = self.levels.get(above).and_then(|hashes| hashes.get(first..first + width));
            return Ok(root(hashes.ok_or_else(outside)?));
        }
        let (bundle, begin) = (first / TILE_WIDTH as usize, first % TILE_WIDTH as usize);
        let Some(known) = self.levels.first().and_then(|roots| roots.get(bundle)) else {
            return Ok(root(self.last.get(begin..begin + width).ok_or_else(outside)?));
        };
        let changed = || Error::Damaged { path: self.tree.folder.into(), reason: "changes while it is verified" };
        let (path, _, bytes) = self.tree.read_bundle(bundle as u64, &mut Seen::default()).map_err(|_| changed())?;
        let leaves: Vec<Hash> =
            parse_bundle(&bytes, path.width).map_err(|_| changed())?.iter().map(|entry| leaf_hash(entry)).collect();
        if root(&leaves) != *known {
            return Err(changed());
        }
        Ok(root(leaves.get(begin..begin + width).ok_or_else(outside)?))
    }
}

impl Report {
    fn add(&mut self, seen: Seen) {
        self.findings.extend(seen.findings);
        self.bytes += seen.bytes;
    }
}

fn finding(path: &str, problem: impl Into<String>) -> Finding {
    Finding { path: path.into(), problem: problem.into() }
}

/// An error with its cause.
fn explain(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
