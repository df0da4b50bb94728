//! A digest of a data set that proves membership of a record and gives no record away.
//!
//! A leaf is the HMAC-SHA256 of a record under a random key; leaves form the Merkle tree of RFC 6962, section 2.1: the hash
//! of a leaf is `SHA-256(0x00 ‖ leaf)`, that of a node `SHA-256(0x01 ‖ left ‖ right)`, a list is split at the largest power
//! of two below its length. Invariants: the root of a list takes memory in the logarithm of its length; without the key
//! nobody can test whether a guessed record is in the tree; with the key and a path anyone can.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// The key of commitments: 32 bytes of a cryptographic random source, wiped when dropped.
pub struct RecordKey(Zeroizing<[u8; 32]>);

impl RecordKey {
    /// A key from random bytes, which the caller owns.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The commitment to a record: its leaf in the tree. `line` is the record as one line of JSON, without line break.
    pub fn commit(&self, line: &[u8]) -> Hash {
        self.tag(b"cloister.record.v1\0", line)
    }

    /// HMAC-SHA256 of `bytes` for one purpose.
    pub(super) fn tag(&self, purpose: &[u8], bytes: &[u8]) -> Hash {
        // HMAC pads a short key with zeros to the block size; done here, no length can be refused.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&*self.0);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
        block.zeroize();
        mac.update(purpose);
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }
}

/// The hash of a leaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of a list that grows at its end.
#[derive(Clone, Default)]
pub struct MerkleRoot {
    size: u64,
    /// Roots of the complete subtrees, the largest first: one for each bit that is set in `size`.
    peaks: Vec<Hash>,
}

impl MerkleRoot {
    /// Adds a leaf at the end.
    pub fn push(&mut self, leaf: &[u8]) {
        let mut hash = leaf_hash(leaf);
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root; that of the empty list is the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return Sha256::digest([]).into() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// The path that proves the leaf at `index` (RFC 6962, section 2.1.1): sibling hashes from the leaf upwards. `hashes` are
/// those of all leaves; `None` if there is no such leaf.
pub fn inclusion_path(hashes: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= hashes.len() {
        return None;
    }
    let (mut path, mut part, mut index) = (Vec::new(), hashes, index);
    while part.len() > 1 {
        let (left, right) = part.split_at(split(part.len()));
        let sibling = if index < left.len() {
            part = left;
            right
        } else {
            index -= left.len();
            part = right;
            left
        };
        path.push(root_of(sibling));
    }
    path.reverse();
    Some(path)
}

/// Whether `path` leads from `leaf`, the one at `index` of `size`, to `root` (RFC 9162, section 2.1.3.2).
pub fn is_included(leaf: &[u8], index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf_hash(leaf));
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// The largest power of two below `length`, which is at least 2.
fn split(length: usize) -> usize {
    length.next_power_of_two() / 2
}

fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn hex(hash: &Hash) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The leaves with which the authors of RFC 6962 test their implementations (certificate-transparency,
    /// `merkletree/merkle_tree_test`), and the roots of their prefixes.
    const LEAVES: [&[u8]; 8] = [
        b"",
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
    ];

    #[test]
    fn roots_are_those_of_the_reference() {
        let mut tree = MerkleRoot::default();
        assert_eq!(hex(&tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let expected = [
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ];
        for leaf in LEAVES {
            tree.push(leaf);
            if let Some((_, root)) = expected.iter().find(|(size, _)| *size == tree.size()) {
                assert_eq!(hex(&tree.root()), *root);
            }
        }
    }

    #[test]
    fn every_leaf_of_every_size_is_proven_and_no_other() {
        let leaves: Vec<Vec<u8>> = (0..40_u8).map(|index| vec![index; 3]).collect();
        for size in 1..=leaves.len() {
            let hashes: Vec<Hash> = leaves[..size].iter().map(|leaf| leaf_hash(leaf)).collect();
            let mut tree = MerkleRoot::default();
            leaves[..size].iter().for_each(|leaf| tree.push(leaf));
            let root = tree.root();
            assert_eq!(root, root_of(&hashes));
            for (index, leaf) in leaves.iter().enumerate().take(size) {
                let path = inclusion_path(&hashes, index).unwrap();
                let (at, of) = (index as u64, size as u64);
                assert!(is_included(leaf, at, of, &path, &root));
                assert!(!is_included(b"another", at, of, &path, &root));
                assert!(!is_included(leaf, at + 1, of, &path, &root));
                let mut longer = path.clone();
                longer.push([0; 32]);
                assert!(!is_included(leaf, at, of, &longer, &root));
                if let Some((_, shorter)) = path.split_last() {
                    assert!(!is_included(leaf, at, of, shorter, &root));
                }
            }
            assert!(inclusion_path(&hashes, size).is_none());
        }
    }

    #[test]
    fn a_commitment_needs_its_key() {
        let (one, other) = (RecordKey::from_bytes([1; 32]), RecordKey::from_bytes([2; 32]));
        assert_eq!(one.commit(b"record"), one.commit(b"record"));
        assert_ne!(one.commit(b"record"), other.commit(b"record"));
        assert_ne!(one.commit(b"record"), one.tag(b"another purpose\0", b"record"));
    }
}
