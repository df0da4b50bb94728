//! Known answers: roots, proofs, notes and the sample log of `vectors/tlog`.

use std::fs;

use cloister_vault::Error;
use cloister_vault::log::merkle::{
    Frontier, consistency_proof, empty_root, inclusion_proof, leaf_hash, verify_consistency, verify_inclusion,
};
use cloister_vault::log::{
    Against, Checkpoint, Hash, LogReader, LogWriter, Note, SignatureKind, SignedCheckpoint, SignerKey, VerifierKey,
    verify,
};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{copy_folder, from_hex, json, vectors};

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn hashes(value: &Value) -> Result<Vec<Hash>, Error> {
    value.as_array().into_iter().flatten().map(|hash| text(hash).parse()).collect()
}

#[test]
fn vector_roots_of_rfc_6962() {
    let Some(folder) = vectors() else { return };
    let file = json(&folder.join("merkle-proofs/rfc6962-roots.json"));
    let hex = |value: &Value| Hash::try_from(&from_hex(text(value))[..]).unwrap();
    let roots: Vec<Hash> = file["roots_hex_by_size"].as_array().unwrap().iter().map(hex).collect();
    assert_eq!(roots.len(), 9);
    assert_eq!(roots[0], empty_root());
    let mut frontier = Frontier::default();
    for (leaf, root) in file["leaves_hex"].as_array().unwrap().iter().zip(&roots[1..]) {
        frontier.push(leaf_hash(&from_hex(text(leaf))));
        assert_eq!(frontier.root(), *root);
    }
    for example in file["leaf_hash_examples"].as_array().unwrap() {
        assert_eq!(leaf_hash(text(&example["leaf_utf8"]).as_bytes()), hex(&example["hash_hex"]));
    }
}

#[test]
fn vector_proofs_of_inclusion() {
    let Some(folder) = vectors() else { return };
    let mut counts = [0; 2];
    for case in json(&folder.join("merkle-proofs/inclusion.json")).as_array().unwrap() {
        let check = || {
            let (leaf, root) = (text(&case["leafHash"]).parse()?, text(&case["root"]).parse()?);
            let (index, size) = (case["leafIdx"].as_u64().unwrap(), case["treeSize"].as_u64().unwrap());
            verify_inclusion(&leaf, index, size, &hashes(&case["proof"])?, &root)
        };
        let wrong = case["wantErr"].as_bool().unwrap();
        assert_eq!(check().is_err(), wrong, "{}", case["case"]);
        counts[usize::from(wrong)] += 1;
    }
    assert_eq!(counts, [6, 92]);
}

#[test]
fn vector_proofs_of_consistency() {
    let Some(folder) = vectors() else { return };
    let mut counts = [0; 2];
    for case in json(&folder.join("merkle-proofs/consistency.json")).as_array().unwrap() {
        let check = || {
            let (old_root, new_root) = (text(&case["root1"]).parse()?, text(&case["root2"]).parse()?);
            let (old, new) = (case["size1"].as_u64().unwrap(), case["size2"].as_u64().unwrap());
            verify_consistency(old, new, &old_root, &new_root, &hashes(&case["proof"])?)
        };
        // Its roots are not 32 bytes.
        let short = text(&case["case"]).ends_with("sizes-are-equal-one-and-proof-is-empty.json");
        let wrong = case["wantErr"].as_bool().unwrap();
        assert_eq!(check().is_err(), wrong || short, "{}", case["case"]);
        counts[usize::from(wrong)] += 1;
    }
    assert_eq!(counts, [6, 92]);
}

#[test]
fn vector_notes() {
    let Some(folder) = vectors() else { return };
    let file = json(&folder.join("notes/notes.json"));
    let mut counts = [0; 2];
    for case in file["signed_notes"].as_array().unwrap() {
        let check = || -> Result<(), Error> {
            let key = VerifierKey::parse(text(&case["vkey"]))?;
            assert_eq!(key.to_string(), text(&case["vkey"]));
            let note = Note::parse(text(&case["note"]).as_bytes())?;
            assert_eq!(note.to_string(), text(&case["note"]));
            note.verify(&[&key]).map(drop)
        };
        let valid = case["valid"].as_bool().unwrap();
        assert_eq!(check().is_ok(), valid, "{}", case["why"]);
        counts[usize::from(valid)] += 1;
        if let Some(secret) = case["skey_test_only"].as_str() {
            let signer = SignerKey::parse(secret).unwrap();
            assert_eq!(signer.verifier().to_string(), text(&case["vkey"]));
            assert_eq!(*signer.to_text(), secret);
            let note = Note::parse(text(&case["note"]).as_bytes()).unwrap();
            assert_eq!(Note::sign(note.text(), &signer).unwrap(), note);
        }
    }
    assert_eq!(counts, [7, 2]);
    for case in file["checkpoints"].as_array().unwrap() {
        let signed = SignedCheckpoint::parse(text(&case["note"]).as_bytes()).unwrap();
        let expected = Checkpoint {
            origin: text(&case["origin"]).into(),
            size: case["size"].as_u64().unwrap(),
            root: text(&case["root_b64"]).parse().unwrap(),
        };
        assert_eq!(*signed.unverified(), expected);
        assert_eq!(signed.to_string(), text(&case["note"]));
    }
}

#[test]
fn vector_sample_log() {
    let Some(folder) = vectors() else { return };
    let folder = folder.join("sample-log");
    let expected = json(&folder.join("expected.json"));
    let key = VerifierKey::parse(text(&expected["vkey"])).unwrap();
    let reader = LogReader::open(&folder.join("log"), &key).unwrap();
    assert_eq!(reader.checkpoint().size, 600);
    let entries: Vec<Vec<u8>> = (0..600).map(|index| reader.entry(index).unwrap()).collect();
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(*entry, format!(r#"{{"n":{index},"act":"test"}}"#).into_bytes());
        reader.prove(index as u64).unwrap().verify(entry, &key).unwrap();
    }
    assert!(matches!(reader.entry(600), Err(Error::OutOfTree { .. })));

    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let roots: Vec<Hash> = (0..=600).map(|size| text(&expected["roots"][size.to_string()]).parse().unwrap()).collect();
    let mut frontier = Frontier::default();
    assert_eq!(frontier.root(), roots[0]);
    for (leaf, root) in leaves.iter().zip(&roots[1..]) {
        frontier.push(*leaf);
        assert_eq!(frontier.root(), *root);
    }
    for size in 0..=600 {
        assert_eq!(reader.consistency(size).unwrap().0, roots[size as usize]);
    }

    let proofs = expected["proofs"].as_array().unwrap();
    assert_eq!(proofs.len(), 23);
    for case in proofs {
        let proof = hashes(&case["proof"]).unwrap();
        let size = case["size"].as_u64().unwrap();
        if text(&case["kind"]) == "inclusion" {
            let index = case["index"].as_u64().unwrap_or(0);
            assert_eq!(inclusion_proof(&leaves[..], index, size).unwrap(), proof);
            verify_inclusion(&leaves[index as usize], index, size, &proof, &roots[size as usize]).unwrap();
        } else {
            let old = case["size1"].as_u64().unwrap();
            assert_eq!(consistency_proof(&leaves[..], old, size).unwrap(), proof);
            verify_consistency(old, size, &roots[old as usize], &roots[size as usize], &proof).unwrap();
        }
    }

    for size in [1_u64, 2, 255, 256, 257, 300, 600] {
        let old = fs::read(folder.join("checkpoints").join(size.to_string())).unwrap();
        let old = SignedCheckpoint::parse(&old).unwrap();
        assert_eq!(old.verify(&key).unwrap().root, roots[size as usize]);
        let report = verify(&folder.join("log"), &key, &Against { old: Some(&old), ..Against::default() });
        assert!(report.is_intact() && report.unsigned.is_empty(), "{:?}", report.findings);
    }
}

/// The same log, written by us: every file is the same to the byte, signatures too.
#[test]
fn vector_sample_log_written_again() {
    let Some(folder) = vectors() else { return };
    let folder = folder.join("sample-log");
    let expected = json(&folder.join("expected.json"));
    let seed: [u8; 32] = from_hex(text(&expected["test_seed_hex"])).try_into().unwrap();
    let signer =
        || SignerKey::from_seed(text(&expected["origin"]), SignatureKind::Ed25519, Zeroizing::new(seed)).unwrap();
    assert_eq!(signer().verifier().to_string(), text(&expected["vkey"]));
    let ours = tempfile::tempdir().unwrap();
    let mut writer = LogWriter::open(ours.path(), signer(), None).unwrap();
    let entries: Vec<String> = (0..600).map(|index| format!(r#"{{"n":{index},"act":"test"}}"#)).collect();
    let mut begin = 0;
    for end in [1, 2, 255, 256, 257, 300, 600] {
        let signed = writer.publish(&entries[begin..end]).unwrap();
        assert_eq!(signed.to_string(), fs::read_to_string(folder.join("checkpoints").join(end.to_string())).unwrap());
        begin = end;
    }
    for file in crate::files_below(ours.path()) {
        let name = file.strip_prefix(ours.path()).unwrap();
        assert_eq!(fs::read(&file).unwrap(), fs::read(folder.join("log").join(name)).unwrap(), "{}", name.display());
    }

    // It goes on with a log that somebody else wrote, unless that was changed.
    let theirs = tempfile::tempdir().unwrap();
    copy_folder(&folder.join("log"), theirs.path());
    let mut writer = LogWriter::open(theirs.path(), signer(), None).unwrap();
    assert_eq!(writer.size(), 600);
    assert_eq!(writer.publish(&["one more"]).unwrap().unverified().size, 601);
    drop(writer);
    let report = verify(theirs.path(), signer().verifier(), &Against::default());
    assert!(report.is_intact(), "{:?}", report.findings);
}
