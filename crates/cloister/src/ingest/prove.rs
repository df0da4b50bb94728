//! Proofs that records are in a dataset.
//!
//! Invariant: a proof is checked before it is given, and the tree is that of the evidence or there is none.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use cloister_text::quality::commitment::{Hash, inclusion_path, is_included, leaf_hash};
use cloister_text::quality::{MerkleRoot, RecordKey};
use cloister_text::records::LINE_LIMIT_BYTES;
use cloister_text::{Columns, Tally};

use super::{Error, Input};
use crate::interrupt;
use crate::progress::Progress;

const BLOCK_BYTES: usize = 1 << 18;

/// Whether one record is in the dataset, and why that is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Where the record stands in the file that asks: its line, or the number of its value or row.
    pub line: usize,
    /// The proof; `None` if the record is not in the dataset.
    pub proof: Option<Proof>,
}

/// A path from a record to the root (RFC 6962, section 2.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The place of the record, from 0.
    pub index: u64,
    /// The commitment to the record: what the tree holds at that place.
    pub leaf: Hash,
    /// Sibling hashes, from the leaf upwards.
    pub path: Vec<Hash>,
}

/// Commitments to the lines of a file, while its bytes pass by. Holds a line: no `Debug`.
///
/// Blank lines do not count, nor the mark at the beginning of the file and the end of a line.
struct Lines {
    key: RecordKey,
    line: Vec<u8>,
    first: bool,
    too_long: bool,
}

impl Lines {
    fn under(key: &[u8; 32]) -> Self {
        Self { key: RecordKey::from_bytes(*key), line: Vec::new(), first: true, too_long: false }
    }

    /// Takes the next bytes; `each` gets the commitments to the lines that end in them.
    fn update(&mut self, bytes: &[u8], mut each: impl FnMut(Hash)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + part.len() > LINE_LIMIT_BYTES + 2 {
                // No such line was ever written into a dataset.
                self.too_long = true;
                self.line.clear();
                continue;
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.end_line().map(&mut each);
            }
        }
    }

    fn end_line(&mut self) -> Option<Hash> {
        let mut content = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        content = content.strip_suffix(b"\r").unwrap_or(content);
        if std::mem::replace(&mut self.first, false) {
            content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
        }
        let leaf = (!content.iter().all(u8::is_ascii_whitespace)).then(|| self.key.commit(content));
        self.line.clear();
        leaf
    }
}

/// The root over the lines of a file, while its bytes pass by. Holds a line: no `Debug`.
pub struct RootOfLines {
    lines: Lines,
    root: MerkleRoot,
}

impl RootOfLines {
    /// Of nothing yet, under the key of a dataset.
    pub fn under(key: &[u8; 32]) -> Self {
        Self { lines: Lines::under(key), root: MerkleRoot::default() }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.lines.update(bytes, |leaf| self.root.push(&leaf));
    }

    /// The root in hexadecimal; `None` if a line is too long for a record.
    pub fn finish(mut self) -> Option<String> {
        if let Some(leaf) = self.lines.end_line() {
            self.root.push(&leaf);
        }
        (!self.lines.too_long).then(|| crate::files::hex(&self.root.root()))
    }
}

/// The commitments of a dataset.
pub struct Tree {
    key: RecordKey,
    leaves: Vec<Hash>,
    hashes: Vec<Hash>,
    root: Hash,
}

impl Tree {
    /// The tree over the lines of `records`, the file that was written, which must have this root.
    ///
    /// # Errors
    /// [`Error::OtherRoot`] if the records, or the key, are not those of the evidence.
    pub fn of(records: &Path, key: &[u8; 32], root: &str) -> Result<Self, Error> {
        let mut file = File::open(records).map_err(crate::Error::read(records))?;
        let (mut lines, mut leaves, mut block) = (Lines::under(key), Vec::new(), vec![0; BLOCK_BYTES]);
        loop {
            interrupt::check()?;
            match file.read(&mut block).map_err(crate::Error::read(records))? {
                0 => break,
                count => lines.update(&block[..count], |leaf| leaves.push(leaf)),
            }
        }
        leaves.extend(lines.end_line());
        let mut tree = MerkleRoot::default();
        leaves.iter().for_each(|leaf| tree.push(leaf));
        if lines.too_long || crate::files::hex(&tree.root()) != root {
            return Err(Error::OtherRoot { path: records.into() });
        }
        let hashes = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        Ok(Self { key: lines.key, leaves, hashes, root: tree.root() })
    }

    /// Number of records.
    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Looks for every record of `input`, whatever its form: a record is its JSON line. `progress` counts bytes.
    ///
    /// # Errors
    /// As for reading.
    pub fn look_up(&self, input: &Input, columns: &Columns, progress: &mut Progress) -> Result<Vec<Membership>, Error> {
        let places: HashMap<&Hash, usize> = self.leaves.iter().enumerate().rev().map(|(at, leaf)| (leaf, at)).collect();
        let mut found = Vec::new();
        input.read(
            columns,
            (progress, &mut Tally::default()),
            |piece| {
                let leaf = piece.record.ok().map(|record| self.key.commit(record.to_json_line().as_bytes()));
                (piece.place, leaf)
            },
            |(line, leaf)| {
                let place = leaf.as_ref().and_then(|leaf| places.get(leaf)).copied();
                found.push(Membership { line, proof: place.and_then(|index| self.proof(index)) });
                Ok(())
            },
        )?;
        Ok(found)
    }

    fn proof(&self, index: usize) -> Option<Proof> {
        let path = inclusion_path(&self.hashes, index)?;
        let (leaf, at) = (self.leaves[index], index as u64);
        is_included(&leaf, at, self.size(), &path, &self.root).then_some(Proof { index: at, leaf, path })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::progress::{Show, Unit};

    #[test]
    fn the_root_of_lines_is_that_of_the_tree_however_the_bytes_come() {
        let folder = tempfile::tempdir().unwrap();
        let records = folder.path().join("records.jsonl");
        let bytes = b"\xEF\xBB\xBF{\"text\":\"one\"}\r\n\n  \n{\"text\":\"two\"}\n{\"text\":\"three\"}";
        std::fs::write(&records, bytes).unwrap();
        for size in [1, 3, 1000] {
            let mut root = RootOfLines::under(&[3; 32]);
            bytes.chunks(size).for_each(|part| root.update(part));
            let root = root.finish().unwrap();
            assert!(Tree::of(&records, &[3; 32], &root).is_ok());
            assert!(Tree::of(&records, &[4; 32], &root).is_err());
        }
        let mut long = RootOfLines::under(&[3; 32]);
        let part = vec![b'x'; 1 << 20];
        (0..=LINE_LIMIT_BYTES >> 20).for_each(|_| long.update(&part));
        long.update(b"\n");
        assert_eq!(long.finish(), None);
    }

    #[test]
    fn a_record_of_the_dataset_is_proven_and_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (records, asked) = (folder.path().join("records.jsonl"), folder.path().join("asked.jsonl"));
        let lines: Vec<String> = (0..5).map(|n| format!("{{\"text\":\"record {n}\"}}")).collect();
        std::fs::write(&records, lines.join("\n")).unwrap();
        std::fs::write(&asked, "{ \"text\": \"record 3\" }\n{\"text\":\"record 9\"}\nnonsense\n").unwrap();
        let key = RecordKey::from_bytes([3; 32]);
        let mut root = MerkleRoot::default();
        lines.iter().for_each(|line| root.push(&key.commit(line.as_bytes())));
        let hex = crate::files::hex(&root.root());
        let tree = Tree::of(&records, &[3; 32], &hex).unwrap();
        let (asked, _) = Input::open(&asked).unwrap();
        let mut progress = Progress::new(Show::Nothing, "", 0, Unit::Bytes);
        let found = tree.look_up(&asked[0], &Columns::default(), &mut progress).unwrap();
        assert_eq!(
            found.iter().map(|one| (one.line, one.proof.is_some())).collect::<Vec<_>>(),
            [(1, true), (2, false), (3, false)]
        );
        let proof = found[0].proof.clone().unwrap();
        assert_eq!(proof.index, 3);
        assert!(is_included(&proof.leaf, 3, 5, &proof.path, &root.root()));
        for (key, root) in [([4; 32], hex.as_str()), ([3; 32], "00")] {
            assert!(matches!(Tree::of(&records, &key, root), Err(Error::OtherRoot { .. })));
        }
    }
}
