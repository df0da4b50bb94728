//! What holds for whatever goes in.

use cloister_vault::log::merkle::{
    Frontier, consistency_proof, empty_root, inclusion_proof, leaf_hash, node_hash, verify_consistency,
    verify_inclusion,
};
use cloister_vault::log::{Hash, Note, Policy, SignedCheckpoint, TilePath, TlogProof};
use cloister_vault::sealed::cobblestone::{OpeningReader, RandomReader, open, seal};
use cloister_vault::sealed::{DataKey, Header};
use proptest::prelude::*;

/// RFC 6962, section 2.1, word for word.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&root(left), &root(right))
        }
    }
}

/// Section 2.1.1, word for word.
fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return vec![];
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut path, sibling) = match index.checked_sub(left.len()) {
        None => (path(index, left), root(right)),
        Some(index) => (path(index, right), root(left)),
    };
    path.push(sibling);
    path
}

/// Section 2.1.2, word for word.
fn subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { vec![] } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut proof, sibling) = match old.checked_sub(left.len()) {
        None | Some(0) => (subproof(old, left, whole), root(right)),
        Some(old) => (subproof(old, right, false), root(left)),
    };
    proof.push(sibling);
    proof
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count as u64).map(|index| leaf_hash(&index.to_le_bytes())).collect()
}

proptest! {
    #[test]
    fn proofs_are_those_of_the_definition(size in 1_usize..1500, at: prop::sample::Index, other: prop::sample::Index) {
        let leaves = leaves(size);
        let (index, old) = (at.index(size), other.index(size) + 1);
        let top = root(&leaves);
        prop_assert_eq!(leaves.iter().copied().collect::<Frontier>().root(), top);

        let proof = inclusion_proof(&leaves[..], index as u64, size as u64).unwrap();
        prop_assert_eq!(&proof, &path(index, &leaves));
        verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &top).unwrap();
        let wrong = other.index(size);
        prop_assert_eq!(verify_inclusion(&leaves[index], wrong as u64, size as u64, &proof, &top).is_ok(), wrong == index);

        let proof = consistency_proof(&leaves[..], old as u64, size as u64).unwrap();
        prop_assert_eq!(&proof, &subproof(old, &leaves, true));
        let before = root(&leaves[..old]);
        verify_consistency(old as u64, size as u64, &before, &top, &proof).unwrap();
        if old < size {
            prop_assert!(verify_consistency(old as u64, size as u64, &top, &top, &proof).is_err());
            prop_assert!(verify_consistency(old as u64, size as u64, &before, &before, &proof).is_err());
        }
    }

    #[test]
    fn what_is_sealed_comes_back(plaintext: Vec<u8>, repeat in 0_usize..4000, context: Vec<u8>, offset in 0_u64..70_000, count in 0_usize..40_000) {
        let plaintext = plaintext.repeat(repeat);
        let plaintext = &plaintext[..plaintext.len().min(70_000)];
        let key = DataKey::random().unwrap();
        let sealed = seal(&key, &context, plaintext).unwrap();
        prop_assert!(*open(&key, &context, &sealed).unwrap() == *plaintext);
        let mut streamed = Vec::new();
        std::io::Read::read_to_end(&mut OpeningReader::new(&sealed[..], &key, &context).unwrap(), &mut streamed).unwrap();
        prop_assert!(streamed == plaintext);
        let reader = RandomReader::new(&sealed[..], &key, &context).unwrap();
        let mut buffer = vec![0; count];
        let read = reader.read_at(&mut buffer, offset).unwrap();
        let expected = plaintext.get(offset as usize..).unwrap_or_default();
        prop_assert!(buffer[..read] == expected[..count.min(expected.len())]);
        prop_assert!(open(&DataKey::random().unwrap(), &context, &sealed).is_err());
        prop_assert!(open(&key, &[&context, &b"x"[..]].concat(), &sealed).is_err());
    }

    #[test]
    fn readers_of_text_write_what_they_read(text in "(— |\n|old |index |tile/|x?[0-9]{3}/?|[A-Za-z0-9+/]{0,44}=?|c2sp.org/tlog-proof@v1| ){0,12}") {
        let bytes = text.as_bytes();
        if let Ok(note) = Note::parse(bytes) { prop_assert_eq!(note.to_string(), &text[..]); }
        if let Ok(signed) = SignedCheckpoint::parse(bytes) { prop_assert_eq!(signed.to_string(), &text[..]); }
        if let Ok(proof) = TlogProof::parse(bytes) { prop_assert_eq!(proof.to_string(), &text[..]); }
        if let Ok(path) = text.parse::<TilePath>() { prop_assert_eq!(path.to_string(), &text[..]); }
        let _ = Policy::parse(bytes);
    }

    #[test]
    fn paths_come_back(level in 0_u8..64, index: u64, width in 1_u16..=256) {
        let path = TilePath { kind: cloister_vault::log::TileKind::Hashes { level }, index, width };
        prop_assert_eq!(path.to_string().parse::<TilePath>().unwrap(), path);
    }

    #[test]
    fn headers_are_read_without_harm(bytes: Vec<u8>) {
        let _ = Header::parse(&bytes);
        let _ = Header::parse(&[&b"CLO1\x01\x01"[..], &bytes].concat());
    }
}
