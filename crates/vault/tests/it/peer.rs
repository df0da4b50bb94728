//! Our logs before a verifier that shares no code with us: `vectors/tlog/peer`, on golang.org/x/mod.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cloister_vault::log::{LogWriter, VerifierKey};

use crate::{again, entry, files_below, signer, vectors};

/// The peer, built; or none, which is said.
fn peer(folder: &Path) -> Option<PathBuf> {
    let source = vectors()?.join("peer/verify.go");
    let program = folder.join("verify");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(&source).env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode");
    go.env("GOCACHE", folder.join("cache"));
    match go.output() {
        Ok(output) if output.status.success() => Some(program),
        Ok(output) => {
            eprintln!("SKIPPED: the peer does not build: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(_) => {
            eprintln!("SKIPPED: there is no go; install golang-go and golang-golang-x-mod-dev");
            None
        }
    }
}

fn accepts(peer: &Path, log: &Path, key: &VerifierKey, old: Option<&Path>) -> bool {
    Command::new(peer).arg(log).arg(key.to_string()).args(old).output().unwrap().status.success()
}

#[test]
fn requirement_29_vector_the_go_peer_accepts_our_log_and_sees_what_is_changed() {
    let build = tempfile::tempdir().unwrap();
    let Some(peer) = peer(build.path()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (log, old) = (folder.path().join("log"), folder.path().join("old"));
    fs::create_dir(&old).unwrap();
    let signer = signer("example.com/log");
    let key = signer.verifier().clone();
    let mut writer = LogWriter::open(&log, again(&signer), None).unwrap();
    let entries: Vec<String> = (0..2000).map(entry).collect();
    let mut begin = 0;
    // 67 checkpoints, each accepted when it is the last one, also as what continues three earlier ones.
    let mut pairs = 0;
    for end in (1..=2000).filter(|end| end % 32 == 0 || [1, 2, 255, 257, 2000].contains(end)) {
        let signed = writer.publish(&entries[begin..end]).unwrap();
        let earlier = files_below(&old);
        fs::write(old.join(end.to_string()), signed.to_string()).unwrap();
        assert!(accepts(&peer, &log, &key, None), "{end}");
        for which in [end * 7, end * 31, end * 97].iter().filter(|_| !earlier.is_empty()) {
            let earlier = &earlier[which % earlier.len()];
            assert!(accepts(&peer, &log, &key, Some(earlier)), "{} and {end}", earlier.display());
            pairs += 1;
        }
        begin = end;
    }
    assert!(pairs >= 190, "{pairs}");
    let checkpoints = files_below(&old);
    for checkpoint in &checkpoints {
        assert!(accepts(&peer, &log, &key, Some(checkpoint)), "{}", checkpoint.display());
    }
    assert!(!accepts(&peer, &log, crate::signer("example.com/log").verifier(), None));
    // What is not of the last tree the peer does not read: older partial tiles.
    let last = |path: &PathBuf| !path.to_str().unwrap().contains(".p/") || path.to_str().unwrap().ends_with("7.p/208");
    for file in files_below(&log).into_iter().filter(last) {
        let good = fs::read(&file).unwrap();
        for at in [0, good.len() / 3, good.len() - 1] {
            let mut changed = good.clone();
            changed[at] ^= 4;
            fs::write(&file, changed).unwrap();
            assert!(!accepts(&peer, &log, &key, None), "{} byte {at}", file.display());
        }
        fs::write(&file, good).unwrap();
    }
    assert!(accepts(&peer, &log, &key, None));
}
