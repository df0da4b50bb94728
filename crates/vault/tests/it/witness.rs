//! A witness: every answer of the specification, and no step backwards, also under racing requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use cloister_vault::log::merkle::{consistency_proof, leaf_hash, root_of};
use cloister_vault::log::{
    AddCheckpoint, Answer, FolderWitnessStore, Hash, MemoryWitnessStore, Note, SignatureKind, SignedCheckpoint,
    SignerKey, VerifierKey, Witness, WitnessStore,
};
use cloister_vault::{Error, Result};

use crate::signer;

const NOW: u64 = 1_795_000_000;

fn leaves() -> Vec<Hash> {
    (0..200_u64).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

fn checkpoint(key: &SignerKey, size: u64, root: &Hash) -> SignedCheckpoint {
    let text = format!("{}\n{size}\n{root}\n", key.verifier().name());
    SignedCheckpoint::parse(Note::sign(&text, key).unwrap().to_string().as_bytes()).unwrap()
}

fn request(key: &SignerKey, leaves: &[Hash], old: u64, new: u64) -> AddCheckpoint {
    let root = root_of(leaves, new).unwrap();
    let proof = consistency_proof(leaves, old.min(new), new).unwrap();
    AddCheckpoint { old, proof, checkpoint: checkpoint(key, new, &root) }
}

fn witness<S: WitnessStore>(log: &VerifierKey, store: S) -> (Witness<S>, VerifierKey) {
    let key = SignerKey::generate("witness.example/1", SignatureKind::Cosignature).unwrap();
    let verifier = key.verifier().clone();
    (Witness::new(key, vec![log.clone()], store).unwrap(), verifier)
}

fn status<S: WitnessStore>(witness: &Witness<S>, request: &AddCheckpoint) -> u16 {
    witness.add_checkpoint(request.to_string().as_bytes(), NOW).unwrap().status()
}

#[test]
fn requirement_31_a_witness_answers_as_the_specification_says() {
    let (log, leaves) = (signer("example.com/log"), leaves());
    let (witness, key) = witness(log.verifier(), MemoryWitnessStore::default());
    let ask = |old, new| request(&log, &leaves, old, new);
    let good = ask(0, 100);
    assert_eq!(AddCheckpoint::parse(good.to_string().as_bytes()).unwrap(), good);

    // 404, 403
    assert_eq!(status(&witness, &request(&signer("example.com/other"), &leaves, 0, 100)), 404);
    assert_eq!(status(&witness, &request(&signer("example.com/log"), &leaves, 0, 100)), 403);
    let mut two = good.clone();
    two.checkpoint
        .note_mut()
        .add_lines(&format!("— {} {}\n", log.verifier().name(), {
            let line = checkpoint(&log, 1, &leaves[0]).to_string();
            line.trim_end().rsplit(' ').next().unwrap().to_owned()
        }))
        .unwrap();
    assert_eq!(status(&witness, &two), 403, "one good and one wrong signature of the key");

    // 400, before the state is looked at
    assert_eq!(status(&witness, &ask(101, 100)), 400);
    for (from, to) in [
        ("old 0\n", ""),
        ("old 0", "old 00"),
        ("old 0", "old -1"),
        ("old 0", "old  0"),
        ("\n\n", "\n"),
        ("old 0", "old 0\nAAAA"),
    ] {
        let body = good.to_string().replacen(from, to, 1);
        assert_eq!(witness.add_checkpoint(body.as_bytes(), NOW).unwrap(), Answer::BadRequest, "{to:?}");
    }
    let many = good.to_string().replacen("old 0\n", &format!("old 0\n{}", format!("{}\n", leaves[0]).repeat(64)), 1);
    assert_eq!(witness.add_checkpoint(many.as_bytes(), NOW).unwrap(), Answer::BadRequest);
    assert_eq!(witness.add_checkpoint(b"\xff", NOW).unwrap(), Answer::BadRequest);

    // 409 and 422 before anything was cosigned
    assert_eq!(witness.add_checkpoint(ask(5, 100).to_string().as_bytes(), NOW).unwrap(), Answer::Conflict(0));
    let proof = vec![leaves[0]];
    assert_eq!(status(&witness, &AddCheckpoint { proof, ..good.clone() }), 422);
    let empty = AddCheckpoint { old: 0, proof: vec![], checkpoint: checkpoint(&log, 0, &leaves[0]) };
    assert_eq!(status(&witness, &empty), 422, "size 0 has one root");
    assert_eq!(witness.latest("example.com/log").unwrap(), None);
    assert!(witness.add_checkpoint(good.to_string().as_bytes(), 0).is_err(), "a cosignature states a time");

    // 200: the lines are cosignatures on the checkpoint
    let answer = witness.add_checkpoint(good.to_string().as_bytes(), NOW).unwrap();
    assert_eq!((answer.status(), answer.content_type()), (200, "text/plain; charset=utf-8"));
    let mut cosigned = good.checkpoint.clone();
    cosigned.note_mut().add_lines(&answer.body()).unwrap();
    let verified = cosigned.note().verify(&[&key, log.verifier()]).unwrap();
    assert_eq!(verified.iter().map(|signature| signature.seconds).collect::<Vec<_>>(), [None, Some(NOW)]);
    assert_eq!(witness.latest("example.com/log").unwrap(), Some(cosigned));

    // From there on
    let conflict = witness.add_checkpoint(ask(99, 150).to_string().as_bytes(), NOW).unwrap();
    assert_eq!(
        (conflict.status(), conflict.body().as_str(), conflict.content_type()),
        (409, "100\n", "text/x.tlog.size")
    );
    assert_eq!(status(&witness, &ask(0, 100)), 409);
    assert_eq!(status(&witness, &AddCheckpoint { proof: vec![], ..ask(100, 150) }), 422);
    let other = checkpoint(&log, 100, &leaves[0]);
    assert_eq!(status(&witness, &AddCheckpoint { old: 100, proof: vec![], checkpoint: other }), 422);
    let fork = checkpoint(&log, 150, &leaves[0]);
    assert_eq!(status(&witness, &AddCheckpoint { checkpoint: fork, ..ask(100, 150) }), 422);
    assert_eq!(status(&witness, &ask(100, 100)), 200, "the same again");
    assert_eq!(status(&witness, &ask(100, 150)), 200);
    assert_eq!(status(&witness, &ask(100, 120)), 409, "never back");
}

#[test]
fn strangers_signatures_do_not_fill_what_a_witness_keeps() {
    let (log, leaves) = (signer("example.com/log"), leaves());
    let (witness, key) = witness(log.verifier(), MemoryWitnessStore::default());
    let mut first = request(&log, &leaves, 0, 10);
    for stranger in 1..100 {
        first.checkpoint.note_mut().add_signature(&signer(&format!("stranger{stranger}")), 0);
    }
    assert_eq!(status(&witness, &first), 200);
    let kept = witness.latest("example.com/log").unwrap().unwrap();
    assert_eq!(kept.note().verify(&[log.verifier(), &key]).unwrap().len(), 2);
    assert_eq!(kept.note().signatures().len(), 2);
    assert_eq!(status(&witness, &request(&log, &leaves, 10, 20)), 200);
}

fn race<S: WitnessStore + Sync>(store: S) {
    let (log, leaves) = (signer("example.com/log"), leaves());
    let (witness, _) = witness(log.verifier(), store);
    let largest = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (witness, log, leaves, largest) = (&witness, &log, &leaves, &largest);
            scope.spawn(move || {
                for step in 1..=40 {
                    let seen = largest.load(Ordering::SeqCst);
                    let latest =
                        witness.latest("example.com/log").unwrap().map_or(0, |latest| latest.unverified().size);
                    assert!(latest >= seen, "{latest} after {seen} was cosigned");
                    let new = (latest + 1 + (thread * step) % 5).min(200);
                    let request = request(log, leaves, latest, new);
                    match witness.add_checkpoint(request.to_string().as_bytes(), NOW).unwrap() {
                        Answer::Cosigned(_) => drop(largest.fetch_max(new, Ordering::SeqCst)),
                        Answer::Conflict(size) => assert!(size > latest),
                        answer => panic!("{answer:?}"),
                    }
                }
            });
        }
    });
    let latest = witness.latest("example.com/log").unwrap().unwrap();
    assert_eq!(latest.unverified().size, largest.into_inner());
}

#[test]
fn requirement_31_racing_requests_never_roll_back() {
    race(MemoryWitnessStore::default());
    let folder = tempfile::tempdir().unwrap();
    race(FolderWitnessStore::open(folder.path()).unwrap());
}

#[test]
fn the_state_in_a_folder_outlives_the_witness() {
    let folder = tempfile::tempdir().unwrap();
    let (log, leaves) = (signer("example.com/log"), leaves());
    let (first, _) = witness(log.verifier(), FolderWitnessStore::open(folder.path()).unwrap());
    assert_eq!(status(&first, &request(&log, &leaves, 0, 10)), 200);
    std::fs::write(folder.path().join(".cloister-x.tmp"), "half").unwrap();
    let (second, _) = witness(log.verifier(), FolderWitnessStore::open(folder.path()).unwrap());
    assert!(!folder.path().join(".cloister-x.tmp").exists());
    assert_eq!(status(&second, &request(&log, &leaves, 0, 20)), 409);
    assert_eq!(status(&second, &request(&log, &leaves, 10, 20)), 200);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        if !path.ends_with(".lock") {
            assert_eq!(path.file_name().unwrap().len(), 64);
            std::fs::write(path, "damaged").unwrap();
        }
    }
    let refused = second.add_checkpoint(request(&log, &leaves, 20, 30).to_string().as_bytes(), NOW);
    assert!(matches!(refused, Err(Error::Damaged { .. })));
}

/// A store that cannot write.
struct Full(MemoryWitnessStore);

impl WitnessStore for Full {
    fn latest(&self, origin: &str) -> Result<Option<SignedCheckpoint>> {
        self.0.latest(origin)
    }

    fn replace(&self, _: Option<&SignedCheckpoint>, _: &SignedCheckpoint) -> Result<bool> {
        Err(Error::Stream(std::io::ErrorKind::StorageFull.into()))
    }
}

#[test]
fn requirement_27_what_cannot_be_kept_is_not_cosigned() {
    let (log, leaves) = (signer("example.com/log"), leaves());
    let (witness, _) = witness(log.verifier(), Full(MemoryWitnessStore::default()));
    let refused = witness.add_checkpoint(request(&log, &leaves, 0, 10).to_string().as_bytes(), NOW);
    assert!(matches!(refused, Err(Error::Stream(_))));
    assert!(Witness::new(log, vec![], MemoryWitnessStore::default()).is_err(), "a log's key cosigns nothing");
}
