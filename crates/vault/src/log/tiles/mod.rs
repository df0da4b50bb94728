//! The tree as files (C2SP tlog-tiles): where tiles and entry bundles stand, and what is in them.
//!
//! Invariant: every file has one path, and a path that is spelled otherwise is none.

mod reader;
mod writer;

pub use reader::LogReader;
pub(crate) use writer::{LOCK, SCRATCH};
pub use writer::{LogWriter, Step};

use std::fmt;

use super::merkle::{Frontier, Hash};
use crate::encoding::from_decimal;
use crate::{Error, Result};

/// Hashes of a full tile, and entries of a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Levels of the tree that one level of tiles stands for.
pub const TILE_HEIGHT: u8 = 8;
/// The longest entry that the log takes, in bytes.
pub const ENTRY_BYTES: usize = 16 << 10;
/// The longest entry that the format of bundles can hold, in bytes.
const LARGEST_ENTRY: usize = u16::MAX as usize;
/// The longest bundle, in bytes.
pub(crate) const BUNDLE_BYTES: u64 = TILE_WIDTH * (LARGEST_ENTRY as u64 + 2);
/// The highest level of tiles.
const LEVELS: u8 = 63;

/// What a file of a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TileKind {
    /// Hashes of complete subtrees of `8 * level` levels.
    Hashes {
        /// From 0, where the hashes are those of leaves.
        level: u8,
    },
    /// Entries.
    Entries,
}

/// The place of a tile or an entry bundle in the folder of a log.
///
/// ```
/// use cloister_vault::log::TilePath;
///
/// let path: TilePath = "tile/0/x001/x234/067.p/8".parse()?;
/// assert_eq!((path.index, path.width), (1_234_067, 8));
/// assert_eq!(path.to_string(), "tile/0/x001/x234/067.p/8");
/// # Ok::<(), cloister_vault::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TilePath {
    /// What it holds.
    pub kind: TileKind,
    /// Its number on its level.
    pub index: u64,
    /// How many hashes or entries it has: 256, or fewer in a partial one.
    pub width: u16,
}

impl TilePath {
    /// Whether it can no longer grow.
    #[must_use]
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The same tile when it is full.
    #[must_use]
    pub fn full(&self) -> Self {
        Self { width: TILE_WIDTH as u16, ..*self }
    }

    /// The tile `index` of a kind in a tree of `size` entries, or none if it would be empty.
    #[must_use]
    pub fn in_tree(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let hashes = match kind {
            TileKind::Entries => size,
            TileKind::Hashes { level } => hashes_at(level, size),
        };
        let width = hashes.saturating_sub(index.checked_mul(TILE_WIDTH)?).min(TILE_WIDTH) as u16;
        (width > 0).then_some(Self { kind, index, width })
    }
}

/// How many hashes the tiles of a level have in a tree of `size` entries.
pub(crate) fn hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(TILE_HEIGHT) * u32::from(level)).unwrap_or(0)
}

/// The levels of tiles that a tree has.
pub(crate) fn levels_of(size: u64) -> impl Iterator<Item = u8> {
    (0..=LEVELS).take_while(move |level| hashes_at(*level, size) > 0)
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let digits = self.index.max(1).ilog10() / 3;
        for group in (1..=digits).rev() {
            write!(f, "x{:03}/", self.index / 1000_u64.pow(group) % 1000)?;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl std::str::FromStr for TilePath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse_path(text)
            .filter(|path| path.to_string() == text)
            .ok_or(Error::Malformed { format: "path of a tile", reason: "it is not `tile/<L>/<N>[.p/<W>]`" })
    }
}

fn parse_path(text: &str) -> Option<TilePath> {
    let (kind, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes { level: from_decimal(level).filter(|level| *level <= u64::from(LEVELS))? as u8 },
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, from_decimal(width).filter(|width| (1..TILE_WIDTH).contains(width))?),
        None => (rest, TILE_WIDTH),
    };
    let index = index.split('/').try_fold(0_u64, |number, group| {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let group = digits.parse::<u16>().ok().filter(|_| digits.len() == 3)?;
        number.checked_mul(1000)?.checked_add(u64::from(group))
    })?;
    Some(TilePath { kind, index, width: width as u16 })
}

/// The bytes of a tile.
pub(crate) fn tile_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(Hash::as_bytes).copied().collect()
}

/// The hashes of a tile.
///
/// # Errors
/// [`Error::Malformed`] unless there are `width` of them.
pub fn parse_tile(bytes: &[u8], width: u16) -> Result<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<{ Hash::BYTES }>();
    if hashes.len() != usize::from(width) || !rest.is_empty() {
        return Err(Error::Malformed { format: "tile", reason: "it has not as many hashes as its place says" });
    }
    Ok(hashes.iter().copied().map(Hash::from_bytes).collect())
}

/// Appends an entry to the bytes of a bundle: its length as two bytes, big end first, and itself.
///
/// # Errors
/// [`Error::EntryTooLong`] beyond [`ENTRY_BYTES`].
pub(crate) fn append_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<()> {
    let too_long = Error::EntryTooLong { bytes: entry.len(), limit: ENTRY_BYTES };
    let length = u16::try_from(entry.len()).ok().filter(|_| entry.len() <= ENTRY_BYTES).ok_or(too_long)?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle.
///
/// # Errors
/// [`Error::Malformed`] unless there are `width` of them and nothing behind.
pub fn parse_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>> {
    let malformed = |reason| Error::Malformed { format: "bundle of entries", reason };
    let mut rest = bytes;
    let mut entries = Vec::with_capacity(usize::from(width));
    for _ in 0..width {
        let (length, behind) = rest.split_first_chunk().ok_or_else(|| malformed("it has too few entries"))?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, behind) =
            behind.split_at_checked(length).ok_or_else(|| malformed("its last entry is cut short"))?;
        entries.push(entry);
        rest = behind;
    }
    if rest.is_empty() { Ok(entries) } else { Err(malformed("bytes stand behind its last entry")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_path_has_one_spelling() {
        for (text, kind, index, width) in [
            ("tile/0/000", TileKind::Hashes { level: 0 }, 0, 256),
            ("tile/63/x999/000.p/255", TileKind::Hashes { level: 63 }, 999_000, 255),
            ("tile/entries/x001/x234/067", TileKind::Entries, 1_234_067, 256),
            ("tile/1/x018/x446/x744/x073/x709/x551/615", TileKind::Hashes { level: 1 }, u64::MAX, 256),
        ] {
            assert_eq!(text.parse::<TilePath>().unwrap(), TilePath { kind, index, width });
            assert_eq!(TilePath { kind, index, width }.to_string(), text);
        }
        for text in [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000/000",
            "tile/0/x001/x000",
            "tile/0/001/000",
            "tile/00/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/0/+01",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p",
            "tile/0/000.p/",
            "tile/0/000.p/1.p/1",
            "/tile/0/000",
            "tile/0/000/",
            "tile/entries/../0/000",
            "Tile/0/000",
            "tile/0/x000x/000",
            "tile/0/x1/000",
            "tile/0/x01/000",
            "tile/1/x018/x446/x744/x073/x709/x551/616",
            "tile/0/xx01/000",
            "tile/entries",
            "tile//000",
        ] {
            assert!(text.parse::<TilePath>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_tiles_of_a_tree_are_those_of_the_specification() {
        // The example of tlog-tiles, "Partial Tiles".
        let widths = |level, size| {
            let kind = TileKind::Hashes { level };
            (0..)
                .map_while(move |index| TilePath::in_tree(kind, index, size))
                .map(|path| path.width)
                .collect::<Vec<_>>()
        };
        assert_eq!(levels_of(70_000).count(), 3);
        assert_eq!((widths(0, 70_000).len(), widths(0, 70_000)[273]), (274, 112));
        assert_eq!((widths(1, 70_000), widths(2, 70_000)), (vec![256, 17], vec![1]));
        assert_eq!((widths(0, 256), widths(1, 256), widths(2, 256)), (vec![256], vec![1], vec![]));
        assert_eq!(levels_of(u64::MAX).count(), 8);
    }

    #[test]
    fn a_bundle_holds_its_entries_and_nothing_else() {
        let mut bundle = Vec::new();
        for entry in [&b"one"[..], b"", &[7; ENTRY_BYTES]] {
            append_entry(&mut bundle, entry).unwrap();
        }
        assert!(matches!(append_entry(&mut bundle, &[0; ENTRY_BYTES + 1]), Err(Error::EntryTooLong { .. })));
        assert_eq!(parse_bundle(&bundle, 3).unwrap(), [&b"one"[..], b"", &[7; ENTRY_BYTES]]);
        assert!(parse_bundle(&bundle, 2).is_err());
        assert!(parse_bundle(&bundle, 4).is_err());
        assert!(parse_bundle(&bundle[..bundle.len() - 1], 3).is_err());
        assert!(parse_tile(&[0; 64], 2).is_ok());
        for (bytes, width) in [(63, 2), (65, 2), (64, 1), (64, 3)] {
            assert!(parse_tile(&vec![0; bytes], width).is_err());
        }
    }
}
