//! The Merkle tree of RFC 6962, section 2.1: hashes, a compact frontier, proofs and their verification.
//!
//! Invariant: a proof is accepted only if it has exactly the number of hashes that its sizes ask for and leads to the root;
//! lengths are looked at before any hash is computed (RFC 9162, sections 2.1.3.2 and 2.1.4.2).

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::encoding::{base64, from_base64};
use crate::{Error, Result};

/// A SHA-256 hash of the tree. Shown in base 64, as the log's formats write it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

impl Hash {
    /// How many bytes a hash has.
    pub const BYTES: usize = 32;

    /// A hash that is there already.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = Error;

    fn try_from(bytes: &[u8]) -> Result<Self> {
        let reason = "it has not 32 bytes";
        bytes.try_into().map(Self).map_err(|_| Error::Malformed { format: "hash", reason })
    }
}

impl std::str::FromStr for Hash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let reason = "it is not base 64";
        Self::try_from(&*from_base64(text).ok_or(Error::Malformed { format: "hash", reason })?)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// The hash of a leaf: `SHA-256(0x00 || entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
}

/// The hash of a node: `SHA-256(0x01 || left || right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(&left.0);
    bytes[33..].copy_from_slice(&right.0);
    Hash(Sha256::digest(bytes).into())
}

/// The root of the tree without entries: `SHA-256("")`.
#[must_use]
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// The root over hashes of leaves, or over those of complete subtrees of one height.
#[must_use]
pub fn root(hashes: &[Hash]) -> Hash {
    hashes.iter().copied().collect::<Frontier>().root()
}

/// What is needed of a tree to go on with it: the roots of its complete subtrees, largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a tree of `size` leaves, one peak for each bit of the size that is one.
    ///
    /// # Errors
    /// [`Error::Malformed`] for another number of peaks.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Result<Self> {
        if peaks.len() != size.count_ones() as usize {
            return Err(Error::Malformed {
                format: "frontier",
                reason: "it has not one peak for each bit of its size",
            });
        }
        Ok(Self { size, peaks })
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its complete subtrees, largest first, as [`Frontier::from_peaks`] takes them.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends the hash of a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut level = self.size;
        while level & 1 == 1
            && let Some(left) = self.peaks.pop()
        {
            hash = node_hash(&left, &hash);
            level >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold(&self.peaks)
    }
}

impl FromIterator<Hash> for Frontier {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut frontier = Self::default();
        leaves.into_iter().for_each(|leaf| frontier.push(leaf));
        frontier
    }
}

/// Where the nodes of a tree are found.
pub trait Nodes {
    /// The root of the complete subtree over the leaves from `index << level` to `(index + 1) << level`.
    ///
    /// # Errors
    /// Whatever keeps the node from being read.
    fn node(&self, level: u8, index: u64) -> Result<Hash>;
}

/// The hashes of all leaves, for small trees.
impl Nodes for [Hash] {
    fn node(&self, level: u8, index: u64) -> Result<Hash> {
        let outside = Error::OutOfTree { index, size: self.len() as u64 };
        let begin = usize::try_from(index << level).map_err(|_| outside)?;
        let leaves = self.get(begin..begin.saturating_add(1 << level));
        Ok(root(leaves.ok_or(Error::OutOfTree { index, size: self.len() as u64 })?))
    }
}

/// The root of the first `size` leaves.
///
/// # Errors
/// Those of `nodes`.
pub fn root_of<N: Nodes + ?Sized>(nodes: &N, size: u64) -> Result<Hash> {
    range(nodes, 0, size)
}

/// The frontier of the first `size` leaves.
///
/// # Errors
/// Those of `nodes`.
pub fn frontier_of<N: Nodes + ?Sized>(nodes: &N, size: u64) -> Result<Frontier> {
    Frontier::from_peaks(size, peaks(nodes, 0, size)?)
}

/// The path of RFC 6962, section 2.1.1, from the sibling of leaf `index` to the child of the root over `size` leaves.
///
/// # Errors
/// [`Error::OutOfTree`], and those of `nodes`.
pub fn inclusion_proof<N: Nodes + ?Sized>(nodes: &N, index: u64, size: u64) -> Result<Vec<Hash>> {
    if index >= size {
        return Err(Error::OutOfTree { index, size });
    }
    let (mut begin, mut end) = (0, size);
    let mut path = Vec::new();
    while end - begin > 1 {
        let middle = begin + largest_power_below(end - begin);
        if index < middle {
            path.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range(nodes, begin, middle)?);
            begin = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof of RFC 6962, section 2.1.2, that the tree of `new` leaves begins with that of `old`.
/// It is empty if the sizes are equal or the old tree is empty.
///
/// # Errors
/// [`Error::OutOfTree`] if the old tree is larger, and those of `nodes`.
pub fn consistency_proof<N: Nodes + ?Sized>(nodes: &N, old: u64, new: u64) -> Result<Vec<Hash>> {
    if old > new {
        return Err(Error::OutOfTree { index: old, size: new });
    }
    let mut proof = Vec::new();
    if old == 0 || old == new {
        return Ok(proof);
    }
    let (mut begin, mut end) = (0, new);
    while old != end {
        let middle = begin + largest_power_below(end - begin);
        if old <= middle {
            proof.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range(nodes, begin, middle)?);
            begin = middle;
        }
    }
    // The verifier knows the root of the old tree, if that is what is left.
    if begin != 0 {
        proof.push(range(nodes, begin, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that leaf `index` of the tree of `size` leaves with `root` has the hash `leaf` (RFC 9162, section 2.1.3.2).
///
/// # Errors
/// [`Error::Proof`].
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<()> {
    let wrong = |reason| Err(Error::Proof { kind: "inclusion", reason });
    if index >= size {
        return wrong("the entry lies outside the tree");
    }
    // Below the level where the paths to this leaf and to the last one part, every level has a sibling; above, those
    // have one where the path to the last leaf goes right.
    let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
    let border = (index.checked_shr(inner).unwrap_or(0)).count_ones();
    if proof.len() != (inner + border) as usize {
        return wrong("it has not as many hashes as the sizes ask for");
    }
    let (below, above) = proof.split_at(inner as usize);
    let mut hash = *leaf;
    for (level, sibling) in below.iter().enumerate() {
        hash = if index >> level & 1 == 0 { node_hash(&hash, sibling) } else { node_hash(sibling, &hash) };
    }
    hash = above.iter().fold(hash, |hash, left| node_hash(left, &hash));
    if hash == *root { Ok(()) } else { wrong("it does not lead to the root") }
}

/// Checks that the tree of `new` leaves with `new_root` begins with that of `old` leaves and `old_root`
/// (RFC 9162, section 2.1.4.2). Every tree begins with the empty one, whose root must be that of no entries.
///
/// # Errors
/// [`Error::Proof`].
pub fn verify_consistency(old: u64, new: u64, old_root: &Hash, new_root: &Hash, proof: &[Hash]) -> Result<()> {
    let wrong = |reason| Err(Error::Proof { kind: "consistency", reason });
    if old > new {
        return wrong("the old tree is larger");
    }
    if (old == 0 && *old_root != empty_root()) || (new == 0 && *new_root != empty_root()) {
        return wrong("the root of the empty tree is another");
    }
    if old == 0 || old == new {
        return match proof {
            [_, ..] => wrong("it has not as many hashes as the sizes ask for"),
            [] if old == new && old_root != new_root => wrong("the roots of equal sizes differ"),
            [] => Ok(()),
        };
    }
    // The last node of the old tree that is a node of the new one too: `shift` levels up.
    let shift = old.trailing_zeros();
    let (last_old, last_new) = ((old - 1) >> shift, (new - 1) >> shift);
    let inner = u64::BITS - (last_old ^ last_new).leading_zeros();
    let border = last_old.checked_shr(inner).unwrap_or(0).count_ones();
    let known = usize::from(!old.is_power_of_two());
    if proof.len() != known + (inner + border) as usize {
        return wrong("it has not as many hashes as the sizes ask for");
    }
    let (seed, rest) = proof.split_at(known);
    let seed = seed.first().unwrap_or(old_root);
    let (below, above) = rest.split_at(inner as usize);
    let (mut old_hash, mut new_hash) = (*seed, *seed);
    for (level, sibling) in below.iter().enumerate() {
        if last_old >> level & 1 == 0 {
            new_hash = node_hash(&new_hash, sibling);
        } else {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
        }
    }
    for left in above {
        old_hash = node_hash(left, &old_hash);
        new_hash = node_hash(left, &new_hash);
    }
    match (old_hash == *old_root, new_hash == *new_root) {
        (true, true) => Ok(()),
        (false, _) => wrong("it does not lead to the old root"),
        (true, false) => wrong("it does not lead to the new root"),
    }
}

/// The root over the leaves from `begin` to `end`, a range that the tree of RFC 6962 is divided into.
fn range<N: Nodes + ?Sized>(nodes: &N, begin: u64, end: u64) -> Result<Hash> {
    Ok(fold(&peaks(nodes, begin, end)?))
}

/// The roots of the complete subtrees that a range is divided into, largest first.
fn peaks<N: Nodes + ?Sized>(nodes: &N, begin: u64, end: u64) -> Result<Vec<Hash>> {
    let mut at = begin;
    let levels = (0..u64::BITS as u8).rev().filter(|level| (end - begin) >> level & 1 == 1);
    levels
        .map(|level| {
            let hash = nodes.node(level, at >> level)?;
            at += 1 << level;
            Ok(hash)
        })
        .collect()
}

fn fold(peaks: &[Hash]) -> Hash {
    let folded = peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
    folded.unwrap_or_else(empty_root)
}

/// The largest power of two below `size`, which is two at least.
fn largest_power_below(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// The definition of RFC 6962, word for word.
    fn naive(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => empty_root(),
            1 => leaves[0],
            size => {
                let k = size.next_power_of_two() / 2;
                node_hash(&naive(&leaves[..k]), &naive(&leaves[k..]))
            }
        }
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
    }

    #[test]
    fn every_proof_of_small_trees_verifies_and_no_other_does() {
        let all = leaves(33);
        for size in 1..=33_u64 {
            let tree = &all[..size as usize];
            let root = naive(tree);
            assert_eq!(root_of(tree, size).unwrap(), root);
            assert_eq!(tree.iter().copied().collect::<Frontier>().root(), root);
            assert_eq!(frontier_of(tree, size).unwrap(), tree.iter().copied().collect());
            for index in 0..size {
                let leaf = &all[index as usize];
                let mut proof = inclusion_proof(tree, index, size).unwrap();
                verify_inclusion(leaf, index, size, &proof, &root).unwrap();
                assert!(verify_inclusion(leaf, index + 1, size, &proof, &root).is_err());
                assert!(verify_inclusion(&all[(index as usize + 1) % 33], index, size, &proof, &root).is_err());
                proof.push(root);
                assert!(verify_inclusion(leaf, index, size, &proof, &root).is_err());
                proof.pop();
                if proof.pop().is_some() {
                    assert!(verify_inclusion(leaf, index, size, &proof, &root).is_err());
                }
            }
            for old in 0..=size {
                let old_root = naive(&all[..old as usize]);
                let mut proof = consistency_proof(tree, old, size).unwrap();
                verify_consistency(old, size, &old_root, &root, &proof).unwrap();
                if old < size {
                    assert!(verify_consistency(old + 1, size, &old_root, &root, &proof).is_err());
                    assert!(verify_consistency(old, size, &leaf_hash(b"?"), &root, &proof).is_err());
                }
                assert!(old == 0 || verify_consistency(old, size, &old_root, &leaf_hash(b"?"), &proof).is_err());
                for at in 0..proof.len() {
                    let mut changed = proof.clone();
                    changed[at] = leaf_hash(b"?");
                    assert!(verify_consistency(old, size, &old_root, &root, &changed).is_err());
                }
                proof.push(root);
                assert!(verify_consistency(old, size, &old_root, &root, &proof).is_err());
            }
        }
        assert!(inclusion_proof(&all[..], 33, 33).is_err());
        assert!(consistency_proof(&all[..], 34, 33).is_err());
    }

    #[test]
    fn the_largest_sizes_do_not_overflow() {
        let hash = leaf_hash(b"");
        for (index, size) in [(0, u64::MAX), (u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX), (u64::MAX, u64::MAX)] {
            assert!(verify_inclusion(&hash, index, size, &[], &hash).is_err());
            assert!(verify_consistency(index, size, &hash, &hash, &[hash; 3]).is_err());
        }
        verify_consistency(u64::MAX, u64::MAX, &hash, &hash, &[]).unwrap();
    }

    #[test]
    fn a_frontier_has_one_peak_for_each_bit() {
        assert!(Frontier::from_peaks(3, leaves(1)).is_err());
        assert!(Frontier::from_peaks(0, leaves(1)).is_err());
        assert_eq!(Frontier::from_peaks(0, vec![]).unwrap().root(), empty_root());
    }

    #[test]
    fn a_hash_has_32_bytes() {
        assert!(Hash::try_from(&[0; 31][..]).is_err());
        assert!("AAAA".parse::<Hash>().is_err());
        let hash = leaf_hash(b"x");
        assert_eq!(hash.to_string().parse::<Hash>().unwrap(), hash);
    }
}
