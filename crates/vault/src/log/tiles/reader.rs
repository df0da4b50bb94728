//! Reads a log from its folder.
//!
//! Invariant: nothing that was read from a tile or a bundle is given out before it was proved against the signed root. The
//! hashes of tiles are used as they lie there, and the proof that is made of them is verified as a whole: no tile is ever
//! taken to be authentic by itself (the mistake of CVE-2026-56865).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{
    BUNDLE_BYTES, Frontier, Hash, TILE_HEIGHT, TILE_WIDTH, TileKind, TilePath, hashes_at, parse_bundle, parse_tile,
};
use crate::files::read_limited;
use crate::log::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::log::merkle::{
    Nodes, consistency_proof, frontier_of, inclusion_proof, leaf_hash, root, root_of, verify_consistency,
    verify_inclusion,
};
use crate::log::note::{NOTE_BYTES, VerifierKey};
use crate::log::proof::TlogProof;
use crate::{Error, Result};

/// Tiles that are kept for the next proof.
const KEPT_TILES: usize = 64;

/// A log as its last checkpoint says it is.
pub struct LogReader {
    tiles: Tiles,
    signed: SignedCheckpoint,
}

impl LogReader {
    /// Opens the folder of a log whose checkpoint `key` has signed.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Malformed`], [`Error::OtherLog`], [`Error::Unsigned`], [`Error::BadSignature`].
    pub fn open(folder: &Path, key: &VerifierKey) -> Result<Self> {
        let path = folder.join("checkpoint");
        let signed = read_checkpoint(folder)?.ok_or_else(|| Error::read(&path)(std::io::ErrorKind::NotFound.into()))?;
        let size = signed.verify(key)?.size;
        Ok(Self { tiles: Tiles::new(folder, size), signed })
    }

    /// What the log signed last.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        self.signed.unverified()
    }

    /// The same with its signatures.
    #[must_use]
    pub fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// An entry, proved to be in the log.
    ///
    /// # Errors
    /// [`Error::OutOfTree`], [`Error::Read`], [`Error::Damaged`], [`Error::Proof`].
    pub fn entry(&self, index: u64) -> Result<Vec<u8>> {
        let (entry, _) = self.proved(index)?;
        Ok(entry)
    }

    /// The proof that an entry is in the log, for a file that anyone can check (C2SP tlog-proof).
    ///
    /// # Errors
    /// [`Error::OutOfTree`], [`Error::Read`], [`Error::Damaged`], [`Error::Proof`].
    pub fn prove(&self, index: u64) -> Result<TlogProof> {
        let (_, hashes) = self.proved(index)?;
        Ok(TlogProof::new(index, hashes, self.signed.clone()))
    }

    /// The proof that the log continues the one of `old` entries, and that one's root.
    ///
    /// # Errors
    /// [`Error::OutOfTree`], [`Error::Read`], [`Error::Damaged`], [`Error::Proof`].
    pub fn consistency(&self, old: u64) -> Result<(Hash, Vec<Hash>)> {
        let Checkpoint { size, root, .. } = self.checkpoint();
        let hashes = consistency_proof(&self.tiles, old, *size)?;
        let old_root = root_of(&self.tiles, old)?;
        verify_consistency(old, *size, &old_root, root, &hashes)?;
        Ok((old_root, hashes))
    }

    fn proved(&self, index: u64) -> Result<(Vec<u8>, Vec<Hash>)> {
        let Checkpoint { size, root, .. } = self.checkpoint();
        let hashes = inclusion_proof(&self.tiles, index, *size)?;
        let outside = Error::OutOfTree { index, size: *size };
        let path = TilePath::in_tree(TileKind::Entries, index / TILE_WIDTH, *size).ok_or(outside)?;
        let (at, path, bytes) = self.tiles.read(path)?;
        let damaged = |_| Error::Damaged { path: at, reason: "is not a bundle of entries" };
        let entries = parse_bundle(&bytes, path.width).map_err(damaged)?;
        let entry = entries.get((index % TILE_WIDTH) as usize).ok_or(Error::OutOfTree { index, size: *size })?;
        verify_inclusion(&leaf_hash(entry), index, *size, &hashes, root)?;
        Ok((entry.to_vec(), hashes))
    }
}

/// The checkpoint in the folder of a log, if there is one.
pub(crate) fn read_checkpoint(folder: &Path) -> Result<Option<SignedCheckpoint>> {
    let bytes = read_limited(&folder.join("checkpoint"), NOTE_BYTES as u64)?;
    bytes.map(|bytes| SignedCheckpoint::parse(&bytes)).transpose()
}

/// The tiles of a tree, as they lie there.
pub(crate) struct Tiles {
    folder: PathBuf,
    size: u64,
    kept: Mutex<BTreeMap<TilePath, Arc<[Hash]>>>,
}

impl Tiles {
    pub(crate) fn new(folder: &Path, size: u64) -> Self {
        Self { folder: folder.into(), size, kept: Mutex::default() }
    }

    /// The bytes of a tile or bundle: the partial one of this tree, or the full one if it grew since.
    pub(crate) fn read(&self, path: TilePath) -> Result<(PathBuf, TilePath, Vec<u8>)> {
        for path in [path, path.full()] {
            let at = self.folder.join(path.to_string());
            if let Some(bytes) = read_limited(&at, BUNDLE_BYTES)? {
                return Ok((at, path, bytes));
            }
        }
        let at = self.folder.join(path.to_string());
        Err(Error::Damaged { path: at, reason: "is missing" })
    }

    /// The hashes of a tile in this tree.
    pub(crate) fn hashes(&self, level: u8, index: u64) -> Result<Arc<[Hash]>> {
        let outside = Error::OutOfTree { index, size: hashes_at(level, self.size) };
        let wanted = TilePath::in_tree(TileKind::Hashes { level }, index, self.size).ok_or(outside)?;
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hashes) = kept().get(&wanted) {
            return Ok(Arc::clone(hashes));
        }
        let (at, path, bytes) = self.read(wanted)?;
        let damaged = |_| Error::Damaged { path: at, reason: "has not as many hashes as its place says" };
        let hashes = parse_tile(&bytes, path.width).map_err(damaged)?;
        let hashes: Arc<[Hash]> = hashes.into_iter().take(usize::from(wanted.width)).collect();
        let mut kept = kept();
        if kept.len() >= KEPT_TILES {
            kept.pop_first();
        }
        kept.insert(wanted, Arc::clone(&hashes));
        Ok(hashes)
    }

    /// The frontier of the whole tree.
    pub(crate) fn frontier(&self) -> Result<Frontier> {
        frontier_of(self, self.size)
    }
}

impl Nodes for Tiles {
    fn node(&self, level: u8, index: u64) -> Result<Hash> {
        let (tile_level, inside) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let outside = Error::OutOfTree { index, size: self.size };
        let first = index.checked_shl(u32::from(inside)).ok_or(outside)?;
        let hashes = self.hashes(tile_level, first / TILE_WIDTH)?;
        let begin = (first % TILE_WIDTH) as usize;
        let hashes = hashes.get(begin..begin + (1 << inside));
        Ok(root(hashes.ok_or(Error::OutOfTree { index, size: self.size })?))
    }
}
