//! Proofs that records are in a dataset.
//!
//! Invariant: a proof is checked before it is given, and the tree is that of the evidence or there is none.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use cloister_text::quality::commitment::{Hash, inclusion_path, is_included, leaf_hash};
use cloister_text::quality::{MerkleRoot, RecordKey};
use cloister_text::records::LINE_LIMIT_BYTES;
use cloister_text::{Columns, Shape};

use super::{Error, Input};

/// Whether one record is in the dataset, and why that is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The line of the record in the file that asks.
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

/// The root over the lines of a file, while its bytes pass by. Holds a line: no `Debug`.
///
/// Lines count as [`Input`] counts them: blank ones do not, nor the mark at the beginning and the end of a line.
pub struct RootOfLines {
    key: RecordKey,
    root: MerkleRoot,
    line: Vec<u8>,
    first: bool,
    too_long: bool,
}

impl RootOfLines {
    /// Of nothing yet, under the key of a dataset.
    pub fn under(key: &[u8; 32]) -> Self {
        let (key, root) = (RecordKey::from_bytes(*key), MerkleRoot::default());
        Self { key, root, line: Vec::new(), first: true, too_long: false }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + part.len() > LINE_LIMIT_BYTES + 2 {
                // No such line was ever written into a dataset.
                self.too_long = true;
                self.line.clear();
                continue;
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    /// The root in hexadecimal; `None` if a line is too long for a record.
    pub fn finish(mut self) -> Option<String> {
        self.end_line();
        (!self.too_long).then(|| crate::files::hex(&self.root.root()))
    }

    fn end_line(&mut self) {
        let mut content = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        content = content.strip_suffix(b"\r").unwrap_or(content);
        if std::mem::replace(&mut self.first, false) {
            content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
        }
        if !content.iter().all(u8::is_ascii_whitespace) {
            self.root.push(&self.key.commit(content));
        }
        self.line.clear();
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
    /// The tree over the records of a dataset, which must have this root.
    ///
    /// # Errors
    /// [`Error::OtherRoot`] if the records, or the key, are not those of the evidence.
    pub fn of(records: &Path, columns: &Columns, key: &[u8; 32], root: &str) -> Result<Self, Error> {
        let key = RecordKey::from_bytes(*key);
        let mut leaves = Vec::new();
        Input::open(records)?.lines(
            columns,
            &mut None,
            |_| (),
            |_, content, _| {
                leaves.push(key.commit(content));
                Ok(())
            },
        )?;
        let mut tree = MerkleRoot::default();
        leaves.iter().for_each(|leaf| tree.push(leaf));
        if crate::files::hex(&tree.root()) != root {
            return Err(Error::OtherRoot { path: PathBuf::from(records) });
        }
        let hashes = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        Ok(Self { key, leaves, hashes, root: tree.root() })
    }

    /// Number of records.
    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Looks for every record of `input`.
    ///
    /// # Errors
    /// As for reading.
    pub fn look_up(&self, input: &Input, columns: &Columns) -> Result<Vec<Membership>, Error> {
        let places: HashMap<&Hash, usize> = self.leaves.iter().enumerate().rev().map(|(at, leaf)| (leaf, at)).collect();
        let (mut found, mut shape): (Vec<Membership>, Option<Shape>) = (Vec::new(), None);
        input.lines(
            columns,
            &mut shape,
            |_| (),
            |line, _, record| {
                let leaf = record.ok().map(|record| self.key.commit(record.to_json_line().as_bytes()));
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
            assert!(Tree::of(&records, &Columns::default(), &[3; 32], &root).is_ok());
            assert!(Tree::of(&records, &Columns::default(), &[4; 32], &root).is_err());
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
        let tree = Tree::of(&records, &Columns::default(), &[3; 32], &hex).unwrap();
        let found = tree.look_up(&Input::open(&asked).unwrap(), &Columns::default()).unwrap();
        assert_eq!(
            found.iter().map(|one| (one.line, one.proof.is_some())).collect::<Vec<_>>(),
            [(1, true), (2, false), (3, false)]
        );
        let proof = found[0].proof.clone().unwrap();
        assert_eq!(proof.index, 3);
        assert!(is_included(&proof.leaf, 3, 5, &proof.path, &root.root()));
        for (key, root) in [([4; 32], hex.as_str()), ([3; 32], "00")] {
            assert!(matches!(Tree::of(&records, &Columns::default(), &key, root), Err(Error::OtherRoot { .. })));
        }
    }
}
