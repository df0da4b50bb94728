//! Publishes a log to its folder.
//!
//! Invariant: a checkpoint is signed only over a tree that begins with every tree that was signed before, and appears only
//! after all tiles and bundles of its tree are on the disk. A full tile is never written again. Killed between any two
//! steps, the folder still is the log of its checkpoint; what is missing is derived again from the same entries, and what is
//! there already is compared.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::reader::{Tiles, read_checkpoint};
use super::{
    ENTRY_BYTES, Frontier, Hash, TILE_WIDTH, TileKind, TilePath, append_entry, hashes_at, levels_of, parse_bundle,
    tile_bytes,
};
use crate::files::{Existing, create_folder, folder_of, read_limited, write_whole};
use crate::log::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::log::merkle::{leaf_hash, root, root_of};
use crate::log::note::SignerKey;
use crate::{Error, Result};

/// The folder of unfinished files, inside that of the log.
pub(crate) const SCRATCH: &str = ".tmp";
/// The file that a writer holds locked.
pub(crate) const LOCK: &str = ".lock";

/// What a writer is about to do, for tests that stop it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A bundle or tile is about to appear.
    Tile(TilePath),
    /// The checkpoint is about to be signed.
    Sign,
    /// The signed checkpoint is about to appear.
    Checkpoint,
    /// Partial tiles that a full one has replaced are about to go.
    Prune,
}

/// Hears of every step.
type Observer = Box<dyn FnMut(&Step) -> Result<()> + Send>;

/// The one writer of a log's folder.
pub struct LogWriter {
    folder: PathBuf,
    signer: SignerKey,
    /// The tree of the folder's checkpoint.
    published: Tail,
    /// A tree that was signed, perhaps without its checkpoint in the folder.
    signed: Option<Checkpoint>,
    observer: Observer,
    /// Held until the writer goes.
    _lock: File,
}

/// What is needed of a tree to append to it.
#[derive(Clone, Default)]
struct Tail {
    frontier: Frontier,
    /// The bytes of the last bundle, while it is partial.
    bundle: Vec<u8>,
    /// The hashes of the last tile of each level, while it is partial.
    tiles: Vec<Vec<Hash>>,
}

impl LogWriter {
    /// Opens or begins the log of `signer`, whose name is the origin. `signed` is the last checkpoint that is known to have
    /// been signed, from wherever that is kept: nothing smaller and nothing that does not continue it will be signed.
    ///
    /// # Errors
    /// [`Error::Busy`] if another writer is there; [`Error::NotAppendOnly`] if the folder contradicts `signed`;
    /// [`Error::Damaged`] if its last tiles are not those of its checkpoint; those of reading and of signatures.
    pub fn open(folder: &Path, signer: SignerKey, signed: Option<&Checkpoint>) -> Result<Self> {
        create_folder(folder)?;
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join(LOCK));
        let lock = lock.map_err(Error::write(&folder.join(LOCK)))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => Error::Busy { path: folder.into() },
            fs::TryLockError::Error(error) => Error::write(folder)(error),
        })?;
        let scratch = folder.join(SCRATCH);
        if scratch.exists() {
            fs::remove_dir_all(&scratch).map_err(Error::write(&scratch))?;
        }
        let published = match read_checkpoint(folder)? {
            None => Tail::default(),
            Some(checkpoint) => Tail::read(folder, checkpoint.verify(signer.verifier())?)?,
        };
        if let Some(signed) = signed {
            check_continues(folder, &published, signed, signer.verifier().name())?;
        }
        let observer = Box::new(|_: &Step| Ok(()));
        let writer = Self { folder: folder.into(), signer, published, signed: signed.cloned(), observer, _lock: lock };
        writer.prune(0)?;
        Ok(writer)
    }

    /// Lets `observer` hear of every step before it is done; an error of its stops the writer there.
    #[must_use]
    pub fn observed(mut self, observer: impl FnMut(&Step) -> Result<()> + Send + 'static) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// How many entries the published tree has: the index of the next one.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.published.frontier.size()
    }

    /// The root of the published tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.published.frontier.root()
    }

    /// Publishes entries behind those that are there, and the checkpoint over all. Entries come from where they are durable
    /// already: after a failure the same ones, from [`LogWriter::size`] on, are published again.
    ///
    /// # Errors
    /// [`Error::EntryTooLong`]; [`Error::NotAppendOnly`] if the tree contradicts a checkpoint that was signed, or is smaller;
    /// [`Error::Damaged`] if a full tile is there that is another; those of writing.
    pub fn publish<E: AsRef<[u8]>>(&mut self, entries: &[E]) -> Result<SignedCheckpoint> {
        let limit = ENTRY_BYTES;
        if let Some(entry) = entries.iter().map(AsRef::as_ref).find(|entry| entry.len() > limit) {
            return Err(Error::EntryTooLong { bytes: entry.len(), limit });
        }
        let old = self.size();
        let mut tail = self.published.clone();
        let scratch = self.folder.join(SCRATCH);
        create_folder(&scratch)?;
        for entry in entries {
            for (path, bytes) in tail.push(entry.as_ref())? {
                self.write_tile(path, &bytes, &scratch)?;
            }
            if let Some(signed) = self.signed.as_ref().filter(|signed| signed.size == tail.frontier.size())
                && signed.root != tail.frontier.root()
            {
                return Err(not_append_only(signed, tail.frontier.size(), "an entry before is another"));
            }
        }
        for (path, bytes) in tail.partial() {
            self.write_tile(path, &bytes, &scratch)?;
        }
        (self.observer)(&Step::Sign)?;
        let signed = self.sign(&tail.frontier)?;
        (self.observer)(&Step::Checkpoint)?;
        write_whole(&self.folder.join("checkpoint"), &scratch, signed.to_string().as_bytes(), Existing::Replace)?;
        self.published = tail;
        (self.observer)(&Step::Prune)?;
        self.prune(old)?;
        match fs::remove_dir(&scratch) {
            Err(error) if error.kind() != std::io::ErrorKind::DirectoryNotEmpty => Err(Error::write(&scratch)(error)),
            _ => Ok(signed),
        }
    }

    /// Signs a tree that continues what was signed before.
    fn sign(&mut self, tree: &Frontier) -> Result<SignedCheckpoint> {
        let origin = self.signer.verifier().name().to_owned();
        let checkpoint = Checkpoint { origin, size: tree.size(), root: tree.root() };
        if let Some(signed) = &self.signed {
            // Trees that are larger than the signed one were compared with it while they grew.
            if checkpoint.size < signed.size {
                return Err(not_append_only(signed, checkpoint.size, "it is smaller"));
            }
            if checkpoint.size == signed.size && checkpoint.root != signed.root {
                return Err(not_append_only(signed, checkpoint.size, "its root is another"));
            }
        }
        let note = checkpoint.sign(&self.signer)?;
        self.signed = Some(checkpoint);
        Ok(note)
    }

    /// Makes a tile or bundle appear. One that is there and is the same is left; a partial one that no checkpoint covers is
    /// replaced, for it comes from a run that was stopped before it signed.
    fn write_tile(&mut self, path: TilePath, bytes: &[u8], scratch: &Path) -> Result<()> {
        (self.observer)(&Step::Tile(path))?;
        let at = self.folder.join(path.to_string());
        if let Some(there) = read_limited(&at, super::BUNDLE_BYTES)? {
            if there == bytes {
                return Ok(());
            }
            if path.is_full() {
                return Err(Error::Damaged { path: at, reason: "is full and differs from what the entries give" });
            }
        }
        create_folder(folder_of(&at))?;
        write_whole(&at, scratch, bytes, if path.is_full() { Existing::Keep } else { Existing::Replace })
    }

    /// Removes the partial tiles of those that became full since the tree of `old` entries.
    fn prune(&self, old: u64) -> Result<()> {
        let size = self.size();
        let kinds = levels_of(size).map(|level| (TileKind::Hashes { level }, level)).chain([(TileKind::Entries, 0)]);
        for (kind, level) in kinds {
            for index in hashes_at(level, old) / TILE_WIDTH..hashes_at(level, size) / TILE_WIDTH {
                let partial = TilePath { kind, index, width: 1 }.to_string();
                let folder = self.folder.join(folder_of(Path::new(&partial)));
                match fs::remove_dir_all(&folder) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(Error::write(&folder)(error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

impl Tail {
    /// Reads the tail of a published tree, and checks it against the checkpoint.
    fn read(folder: &Path, checkpoint: &Checkpoint) -> Result<Self> {
        let size = checkpoint.size;
        let tiles = Tiles::new(folder, size);
        let frontier = tiles.frontier()?;
        if frontier.root() != checkpoint.root {
            return Err(Error::Damaged { path: folder.into(), reason: "has tiles that do not lead to its checkpoint" });
        }
        let partial = |level| {
            let hashes = hashes_at(level, size);
            if hashes.is_multiple_of(TILE_WIDTH) {
                Ok(Vec::new())
            } else {
                Ok(tiles.hashes(level, hashes / TILE_WIDTH)?.to_vec())
            }
        };
        let hashes = levels_of(size).map(partial).collect::<Result<Vec<_>>>()?;
        let mut bundle = Vec::new();
        if !size.is_multiple_of(TILE_WIDTH)
            && let Some(wanted) = TilePath::in_tree(TileKind::Entries, size / TILE_WIDTH, size)
        {
            let (at, path, bytes) = tiles.read(wanted)?;
            let damaged = |reason| Error::Damaged { path: at.clone(), reason };
            let entries = parse_bundle(&bytes, path.width).map_err(|_| damaged("is not a bundle of entries"))?;
            for (entry, leaf) in entries.iter().zip(hashes.first().into_iter().flatten()) {
                if leaf_hash(entry) != *leaf {
                    return Err(damaged("has an entry that is not in the tree"));
                }
                append_entry(&mut bundle, entry)?;
            }
        }
        Ok(Self { frontier, bundle, tiles: hashes })
    }

    /// Appends an entry; gives the bundle and the tiles that are full now, lowest first.
    fn push(&mut self, entry: &[u8]) -> Result<Vec<(TilePath, Vec<u8>)>> {
        let leaf = leaf_hash(entry);
        append_entry(&mut self.bundle, entry)?;
        self.frontier.push(leaf);
        let size = self.frontier.size();
        let mut full = Vec::new();
        let mut hash = leaf;
        for level in 0.. {
            if self.tiles.len() == usize::from(level) {
                self.tiles.push(Vec::with_capacity(TILE_WIDTH as usize));
            }
            let tile = &mut self.tiles[usize::from(level)];
            tile.push(hash);
            if (tile.len() as u64) < TILE_WIDTH {
                break;
            }
            let index = hashes_at(level, size) / TILE_WIDTH - 1;
            let width = TILE_WIDTH as u16;
            if level == 0 {
                full.push((TilePath { kind: TileKind::Entries, index, width }, std::mem::take(&mut self.bundle)));
            }
            full.push((TilePath { kind: TileKind::Hashes { level }, index, width }, tile_bytes(tile)));
            hash = root(tile);
            tile.clear();
        }
        Ok(full)
    }

    /// The bundle and the tiles that are partial, lowest first.
    fn partial(&self) -> Vec<(TilePath, Vec<u8>)> {
        let size = self.frontier.size();
        let place = |kind, level, width: usize| TilePath {
            kind,
            index: hashes_at(level, size) / TILE_WIDTH,
            width: width as u16,
        };
        let entries = self.tiles.first().filter(|tile| !tile.is_empty());
        let bundle = entries.map(|tile| (place(TileKind::Entries, 0, tile.len()), self.bundle.clone()));
        let tiles = (0..).zip(&self.tiles).filter(|(_, tile)| !tile.is_empty());
        bundle
            .into_iter()
            .chain(tiles.map(|(level, tile)| (place(TileKind::Hashes { level }, level, tile.len()), tile_bytes(tile))))
            .collect()
    }
}

/// Checks that the folder does not contradict a checkpoint that was signed. A folder that is smaller may still grow to it.
fn check_continues(folder: &Path, published: &Tail, signed: &Checkpoint, origin: &str) -> Result<()> {
    if signed.origin != origin {
        return Err(Error::OtherLog { expected: origin.into() });
    }
    let size = published.frontier.size();
    if size >= signed.size && root_of(&Tiles::new(folder, size), signed.size)? != signed.root {
        return Err(not_append_only(signed, size, "an entry before is another"));
    }
    Ok(())
}

fn not_append_only(signed: &Checkpoint, size: u64, reason: &'static str) -> Error {
    Error::NotAppendOnly { signed: signed.size, size, reason }
}
