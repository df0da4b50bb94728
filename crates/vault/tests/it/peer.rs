//! Our logs before a verifier that shares no code with us: `vectors/tlog/peer`, on golang.org/x/mod.
//!
//! With `PROPTEST_CASES`, as in the long form of the checks, every checkpoint is one entry ahead of the last and every byte is
//! flipped; without, checkpoints are some entries apart and bytes are strided.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use cloister_vault::log::{Against, LogWriter, SignedCheckpoint, SignerKey, VerifierKey, verify};

use crate::server::missing;
use crate::{again, copy_folder, entry, files_below, long_form, signer, vectors};

const SIZE: usize = 2000;
const PAIRS: usize = 200;

/// The peer, built from a copy; or none, which is said.
fn peer(folder: &Path) -> Option<PathBuf> {
    let (source, program) = (folder.join("verify.go"), folder.join("verify"));
    fs::copy(vectors()?.join("peer/verify.go"), &source).unwrap();
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(&source).env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode");
    // What the library gives is compiled once for all tests.
    go.env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go"));
    match go.output() {
        Ok(output) if output.status.success() => Some(program),
        Ok(output) => {
            missing(&format!("the peer does not build: {}", String::from_utf8_lossy(&output.stderr)));
            None
        }
        Err(_) => {
            missing("there is no go; install Debian's packages golang-go and golang-golang-x-mod-dev");
            None
        }
    }
}

fn accepts(peer: &Path, log: &Path, key: &VerifierKey, old: Option<&Path>) -> bool {
    Command::new(peer).arg(log).arg(key.to_string()).args(old).output().unwrap().status.success()
}

/// Numbers that are the same in every run and look like chance (Lehmer).
fn below(state: &mut u64, end: usize) -> usize {
    *state = *state * 48_271 % 2_147_483_647;
    *state as usize % end
}

#[test]
fn requirement_29_vector_the_go_peer_accepts_every_checkpoint_and_200_pairs() {
    let build = tempfile::tempdir().unwrap();
    let Some(peer) = peer(build.path()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (log, old) = (folder.path().join("log"), folder.path().join("old"));
    fs::create_dir(&old).unwrap();
    let signer = signer("example.com/log");
    let key = signer.verifier().clone();
    let mut writer = LogWriter::open(&log, again(&signer), None).unwrap();
    let entries: Vec<String> = (0..SIZE as u64).map(entry).collect();
    let (mut state, mut begin, mut pairs) = (1, 0, 0);
    let mut signed: Vec<PathBuf> = Vec::new();
    while begin < SIZE {
        // 256 is the width of a tile: every way to end near one comes.
        let step = if long_form() || begin % 256 > 250 || begin % 256 < 3 { 1 } else { 1 + below(&mut state, 19) };
        let end = SIZE.min(begin + step);
        let checkpoint = writer.publish(&entries[begin..end]).unwrap();
        let kept = old.join(end.to_string());
        fs::write(&kept, checkpoint.to_string()).unwrap();
        // As the last one, and as what continues one that was signed before.
        let earlier = signed.get(below(&mut state, signed.len().max(1)));
        pairs += usize::from(earlier.is_some());
        assert!(accepts(&peer, &log, &key, earlier.map(PathBuf::as_path)), "{end} after {earlier:?}");
        signed.push(kept);
        begin = end;
    }
    // The last one continues each of them; random ones until there are enough pairs.
    let some = if long_form() { signed.len() } else { PAIRS.saturating_sub(pairs).max(20) };
    for number in 0..some {
        let at = if long_form() { number } else { below(&mut state, signed.len()) };
        assert!(accepts(&peer, &log, &key, Some(&signed[at])), "{}", signed[at].display());
        pairs += 1;
    }
    assert!(pairs >= PAIRS && signed.len() > 150, "{pairs} pairs of {} checkpoints", signed.len());
    // Another's key, another's history.
    assert!(!accepts(&peer, &log, crate::signer("example.com/log").verifier(), None));
    let other = folder.path().join("other");
    let forged: Vec<String> = entries.iter().map(|entry| entry.replace("entry 77 ", "entry 78 ")).collect();
    let checkpoint = LogWriter::open(&other, again(&signer), None).unwrap().publish(&forged[..100]).unwrap();
    fs::write(old.join("forged"), checkpoint.to_string()).unwrap();
    assert!(accepts(&peer, &other, &key, None) && !accepts(&peer, &log, &key, Some(&old.join("forged"))));
    eprintln!("{} checkpoints and {pairs} pairs accepted", signed.len());
}

/// A log of 2,000 entries and an older checkpoint of it.
fn written(folder: &Path, signer: &SignerKey) -> SignedCheckpoint {
    let mut writer = LogWriter::open(folder, again(signer), None).unwrap();
    let entries: Vec<String> = (0..SIZE as u64).map(entry).collect();
    let old = writer.publish(&entries[..900]).unwrap();
    // Partial tiles of this one stay: the last tile is partial too.
    writer.publish(&entries[900..1_990]).unwrap();
    writer.publish(&entries[1_990..]).unwrap();
    old
}

#[test]
fn requirement_29_vector_the_go_peer_and_our_verifier_see_every_flipped_byte() {
    let build = tempfile::tempdir().unwrap();
    let Some(peer) = peer(build.path()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let signer = signer("example.com/log");
    let key = signer.verifier().clone();
    let old = written(&folder.path().join("log"), &signer);
    // The peer reads the last tree only: neither our lock nor partial tiles of an older tree are of it.
    let last = [format!(".p/{}", SIZE % 256), format!(".p/{}", SIZE / 256)];
    let in_last = |name: &Path| {
        let name = name.to_str().unwrap();
        !name.contains(".p/") || last.iter().any(|last| name.ends_with(last.as_str()))
    };
    let (flipped, seen_by_peer) = (AtomicU64::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().unwrap().get();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (peer, key, old, build) = (&peer, &key, &old, &build);
            let (flipped, seen_by_peer) = (&flipped, &seen_by_peer);
            let log = build.path().join(format!("log{thread}"));
            copy_folder(&folder.path().join("log"), &log);
            scope.spawn(move || {
                let against = Against { old: Some(old), ..Against::default() };
                assert!(verify(&log, key, &against).is_intact() && accepts(peer, &log, key, None));
                for file in files_below(&log) {
                    let good = fs::read(&file).unwrap();
                    let name = file.strip_prefix(&log).unwrap();
                    // All of what is small, some of what is large.
                    let stride = if long_form() || good.len() < 300 { 1 } else { good.len() / 61 };
                    for at in (0..good.len()).step_by(stride).skip(thread).step_by(threads) {
                        let mut changed = good.clone();
                        // Two bits of the last character of base 64 stand for nothing. The peer does not look at them; we do.
                        let padded = name == Path::new("checkpoint") && at + 3 == good.len();
                        changed[at] ^= if padded { 1 << 7 } else { 1 << (at % 8) };
                        fs::write(&file, changed).unwrap();
                        let report = verify(&log, key, &Against::default());
                        assert!(!report.is_intact(), "verify: {} byte {at}", name.display());
                        flipped.fetch_add(1, Ordering::Relaxed);
                        if in_last(name) {
                            assert!(!accepts(peer, &log, key, None), "peer: {} byte {at}", name.display());
                            seen_by_peer.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    fs::write(&file, good).unwrap();
                }
                assert!(verify(&log, key, &against).is_intact() && accepts(peer, &log, key, None));
            });
        }
    });
    let checkpoint = folder.path().join("log/checkpoint");
    let good = fs::read(&checkpoint).unwrap();
    for bit in 0..8 {
        let mut changed = good.clone();
        changed[good.len() - 3] ^= 1 << bit;
        fs::write(&checkpoint, changed).unwrap();
        assert!(!verify(&folder.path().join("log"), &key, &Against::default()).is_intact(), "bit {bit}");
    }
    let (flipped, seen_by_peer) = (flipped.into_inner(), seen_by_peer.into_inner());
    assert!(seen_by_peer > 1_000 && flipped > seen_by_peer, "{flipped} {seen_by_peer}");
    eprintln!(
        "{flipped} flipped bytes seen by our verifier, {seen_by_peer} of them in what the peer reads, and by the peer"
    );
}
