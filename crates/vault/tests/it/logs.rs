//! The folder of a log: written, killed, continued, tampered with, verified.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use cloister_vault::Error;
use cloister_vault::log::entry::{Actor, ActorKind, Entry, Instant, Phase, Ulid};
use cloister_vault::log::tiles::Step;
use cloister_vault::log::{
    Against, ENTRY_BYTES, LogReader, LogWriter, Note, Policy, SignatureKind, SignedCheckpoint, SignerKey, VerifierKey,
    verify,
};

use crate::{again, copy_folder, entry, files_below, long_form, signer, write_log};

fn intact(folder: &Path, key: &VerifierKey) -> bool {
    verify(folder, key, &Against::default()).is_intact()
}

#[test]
fn a_log_is_the_same_however_it_was_published() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let first = signer("example.com/log");
    let mut checkpoints = Vec::new();
    for (folder, step) in folders.iter().zip([5, 64, 1000]) {
        let mut writer = LogWriter::open(folder.path(), again(&first), None).unwrap();
        for begin in (0..600).step_by(step) {
            let entries: Vec<String> = (begin..600.min(begin + step as u64)).map(entry).collect();
            writer.publish(&entries).unwrap();
        }
        checkpoints.push(fs::read(folder.path().join("checkpoint")).unwrap());
        assert!(intact(folder.path(), first.verifier()));
        assert!(!folder.path().join(".tmp").exists());
        // Partial tiles of full ones are gone, all others are there.
        let partial = |name: &str| fs::read_dir(folder.path().join(name)).map_or(0, Iterator::count);
        assert_eq!((partial("tile/0/000.p"), partial("tile/entries/001.p")), (0, 0));
        assert_eq!(partial("tile/0/002.p"), [18, 2, 1][[5, 64, 1000].iter().position(|of| *of == step).unwrap()]);
    }
    assert_eq!(checkpoints[0], checkpoints[1]);
    assert_eq!(checkpoints[0], checkpoints[2]);
}

#[test]
fn an_empty_log_can_be_published_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let signer = signer("example.com/log");
    let key = signer.verifier().clone();
    assert!(!intact(folder.path(), &key));
    let mut writer = LogWriter::open(folder.path(), signer, None).unwrap();
    writer.publish::<&str>(&[]).unwrap();
    assert!(intact(folder.path(), &key));
    writer.publish(&[""]).unwrap();
    assert_eq!(LogReader::open(folder.path(), &key).unwrap().entry(0).unwrap(), b"");
    assert!(matches!(writer.publish(&["x".repeat(ENTRY_BYTES + 1)]), Err(Error::EntryTooLong { .. })));
    assert_eq!(writer.publish(&["x".repeat(ENTRY_BYTES)]).unwrap().unverified().size, 2);
}

#[test]
fn one_writer_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let key = signer("example.com/log");
    let writer = LogWriter::open(folder.path(), again(&key), None).unwrap();
    assert!(matches!(LogWriter::open(folder.path(), again(&key), None), Err(Error::Busy { .. })));
    drop(writer);
    LogWriter::open(folder.path(), again(&key), None).unwrap();
    assert!(matches!(
        LogWriter::open(folder.path(), signer("example.com/other"), None).map(|mut other| other.publish(&["x"])),
        Ok(Ok(_))
    ));
    // Now it is the log of another.
    assert!(matches!(LogWriter::open(folder.path(), key, None), Err(Error::OtherLog { .. })));
}

#[test]
fn requirement_30_a_log_never_shrinks_and_never_changes() {
    let (folder, before) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let key = signer("example.com/log");
    let entries: Vec<String> = (0..700).map(entry).collect();
    let mut writer = LogWriter::open(folder.path(), again(&key), None).unwrap();
    writer.publish(&entries[..300]).unwrap();
    copy_folder(folder.path(), before.path());
    let signed = writer.publish(&entries[300..600]).unwrap().unverified().clone();
    drop(writer);

    // Yesterday's folder: it may grow to what was signed, and to nothing else.
    let mut other = entries.clone();
    other[450].push('!');
    let yesterday = |entries: &[String]| {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(before.path(), folder.path());
        let published = LogWriter::open(folder.path(), again(&key), Some(&signed)).unwrap().publish(entries);
        let size = LogReader::open(folder.path(), key.verifier()).unwrap().checkpoint().size;
        published.map(|_| assert!(size >= 600)).inspect_err(|_| assert_eq!(size, 300))
    };
    assert!(matches!(yesterday(&entries[300..599]), Err(Error::NotAppendOnly { signed: 600, size: 599, .. })));
    for end in [600, 601, 700] {
        assert!(
            matches!(yesterday(&other[300..end]), Err(Error::NotAppendOnly { signed: 600, size: 600, .. })),
            "{end}"
        );
        yesterday(&entries[300..end]).unwrap();
    }

    // A folder of the right size with other entries.
    let forged = tempfile::tempdir().unwrap();
    LogWriter::open(forged.path(), again(&key), None).unwrap().publish(&other).unwrap();
    let refused = LogWriter::open(forged.path(), again(&key), Some(&signed));
    assert!(matches!(refused, Err(Error::NotAppendOnly { signed: 600, size: 700, .. })));
    // Whoever has a checkpoint from before sees both.
    let old = SignedCheckpoint::parse(&fs::read(folder.path().join("checkpoint")).unwrap()).unwrap();
    let against = Against { old: Some(&old), ..Against::default() };
    for folder in [forged.path(), before.path()] {
        assert!(intact(folder, key.verifier()));
        assert!(!verify(folder, key.verifier(), &against).is_intact());
    }
    assert!(verify(folder.path(), key.verifier(), &against).is_intact());

    // The same writer goes on after a failure.
    let mut writer = LogWriter::open(folder.path(), again(&key), Some(&signed)).unwrap();
    assert_eq!(writer.publish(&entries[600..]).unwrap().unverified().size, 700);
}

#[test]
fn requirement_28_a_writer_that_is_killed_at_any_step_goes_on() {
    let key = signer("example.com/log");
    let entries: Vec<String> = (0..800).map(entry).collect();
    let steps = [(0, 1), (1, 255), (255, 256), (256, 300), (300, 790), (790, 800)];
    for kill in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let count = Arc::new(Mutex::new(0));
        let mut killed = false;
        let mut published = 0;
        let mut writer = None;
        for (begin, end) in steps {
            if writer.is_none() {
                let opened = LogWriter::open(folder.path(), again(&key), None).unwrap();
                let count = Arc::clone(&count);
                writer = Some(opened.observed(move |_: &Step| {
                    let mut count = count.lock().unwrap();
                    *count += 1;
                    match *count == kill + 1 {
                        true => Err(Error::Busy { path: "killed".into() }),
                        false => Ok(()),
                    }
                }));
            }
            if writer.as_mut().unwrap().publish(&entries[begin..end]).is_err() {
                killed = true;
                // What a process that is gone leaves: no lock, perhaps a file that was not finished.
                drop(writer.take());
                fs::create_dir_all(folder.path().join(".tmp")).unwrap();
                fs::write(folder.path().join(".tmp/.cloister-x.tmp"), "half").unwrap();
                let report = verify(folder.path(), key.verifier(), &Against::default());
                assert!(published == 0 || report.is_intact(), "{kill}: {:?}", report.findings);
                assert!(published == 0 || report.unsigned.contains(&".tmp/.cloister-x.tmp".into()));
                let mut reopened = LogWriter::open(folder.path(), again(&key), None).unwrap();
                if published > 0 {
                    assert!(intact(folder.path(), key.verifier()), "killed at step {kill}");
                }
                let size = reopened.size() as usize;
                assert!(size == begin || size == end, "the checkpoint is the old or the new one");
                reopened.publish(&entries[size..end]).unwrap();
                writer = Some(reopened);
            }
            published = end;
            let reader = LogReader::open(folder.path(), key.verifier()).unwrap();
            assert_eq!(reader.checkpoint().size, end as u64);
            let report = verify(folder.path(), key.verifier(), &Against::default());
            assert!(
                report.is_intact() && report.unsigned.is_empty(),
                "{kill}: {:?} {:?}",
                report.findings,
                report.unsigned
            );
        }
        if !killed {
            assert!(kill > 30, "{kill}");
            break;
        }
    }
}

#[test]
fn what_was_published_and_not_signed_gives_way_to_other_entries_but_full_tiles_do_not() {
    let key = signer("example.com/log");
    let entries: Vec<String> = (0..600).map(entry).collect();
    let interrupted = |size: usize| {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(folder.path(), again(&key), None).unwrap();
        writer.publish(&entries[..10]).unwrap();
        let stop = |step: &Step| if *step == Step::Sign { Err(Error::Unsigned) } else { Ok(()) };
        assert!(writer.observed(stop).publish(&entries[10..size]).is_err());
        folder
    };
    let partial = interrupted(20);
    let report = verify(partial.path(), key.verifier(), &Against::default());
    assert!(report.is_intact() && report.unsigned.len() == 2, "{report:?}");
    let mut writer = LogWriter::open(partial.path(), again(&key), None).unwrap();
    writer.publish(&["other"; 10]).unwrap();
    assert!(intact(partial.path(), key.verifier()));
    let full = interrupted(300);
    let mut writer = LogWriter::open(full.path(), again(&key), None).unwrap();
    assert!(matches!(writer.publish(&["other"; 290]), Err(Error::Damaged { .. })));
    writer.publish(&entries[10..300]).unwrap();
    assert!(intact(full.path(), key.verifier()));
}

/// A finding, or an error of the reader, for every flipped byte, every file that is missing, cut or longer.
#[test]
fn requirement_29_every_flipped_byte_of_every_stored_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let key = signer("example.com/log");
    let mut writer = LogWriter::open(folder.path(), again(&key), None).unwrap();
    // Entries without text keep the bundles small.
    let entries: Vec<String> = (0..600).map(|index| (index % 10).to_string()).collect();
    for (begin, end) in [(0, 255), (255, 300), (300, 590), (590, 600)] {
        writer.publish(&entries[begin..end]).unwrap();
    }
    let key = key.verifier();
    let files = files_below(folder.path());
    assert!(files.len() >= 10 && intact(folder.path(), key));
    let mut flipped = 0;
    for file in &files {
        let good = fs::read(file).unwrap();
        let name = file.strip_prefix(folder.path()).unwrap();
        // Full tiles are compared as a whole: a part of their bytes does, unless there is time.
        let some = good.len() == 8192 && !long_form();
        for at in (0..good.len()).step_by(if some { 7 } else { 1 }) {
            let mut changed = good.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(file, &changed).unwrap();
            let report = verify(folder.path(), key, &Against::default());
            assert!(!report.is_intact(), "{} byte {at}", name.display());
            assert!(report.findings.iter().any(|finding| !finding.problem.is_empty()));
            flipped += 1;
        }
        for changed in [&good[..good.len() - 1], &[&good[..], b"\0"].concat(), &[]] {
            fs::write(file, changed).unwrap();
            let report = verify(folder.path(), key, &Against::default());
            assert!(report.findings.iter().any(|finding| finding.path == name), "{} {report:?}", name.display());
        }
        fs::remove_file(file).unwrap();
        let report = verify(folder.path(), key, &Against::default());
        // Partial tiles of earlier checkpoints may go; those of the last one may not.
        let newest = ["tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/002.p/88"]
            .iter()
            .any(|newest| name == Path::new(newest));
        assert_eq!(report.is_intact(), name.to_str().unwrap().contains(".p/") && !newest, "{}", name.display());
        fs::write(file, &good).unwrap();
    }
    assert!(flipped > 9_000, "{flipped}");
    assert!(intact(folder.path(), key));
}

#[test]
fn the_reader_gives_nothing_that_is_not_proved() {
    let folder = tempfile::tempdir().unwrap();
    let key = write_log(folder.path(), 600, 600);
    // The leaf that CVE-2026-56865 let through: the bundle and its tile are changed together.
    let bundle = folder.path().join("tile/entries/001");
    let good = fs::read(&bundle).unwrap();
    let at = good.windows(9).position(|window| window == b"entry 258").unwrap();
    let mut changed = good.clone();
    changed[at] = b'E';
    fs::write(&bundle, &changed).unwrap();
    let tile = folder.path().join("tile/0/001");
    let mut hashes = fs::read(&tile).unwrap();
    let reader = || LogReader::open(folder.path(), &key).unwrap();
    assert!(matches!(reader().entry(258), Err(Error::Proof { .. })));
    let text = std::str::from_utf8(&changed[at..]).unwrap();
    let length = usize::from(u16::from_be_bytes([changed[at - 2], changed[at - 1]]));
    let leaf = cloister_vault::log::merkle::leaf_hash(&text.as_bytes()[..length]);
    hashes[64..96].copy_from_slice(leaf.as_bytes());
    fs::write(&tile, hashes).unwrap();
    for index in [256, 257, 258, 259, 300, 511] {
        assert!(matches!(reader().entry(index), Err(Error::Proof { .. })), "{index}");
        assert!(matches!(reader().prove(index), Err(Error::Proof { .. })), "{index}");
    }
    assert!(matches!(reader().consistency(300), Err(Error::Proof { .. })));
    assert!(matches!(LogWriter::open(folder.path(), signer("example.com/log"), None), Err(Error::Unsigned)));
    let report = verify(folder.path(), &key, &Against::default());
    assert!(report.findings.iter().any(|finding| finding.path == Path::new("tile/1/000.p/2")), "{report:?}");
}

#[test]
fn files_that_belong_to_nothing_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let key = write_log(folder.path(), 300, 300);
    for name in ["x", "tile/x", "tile/0/0000", "tile/entries/001.p/044", "checkpoint.old", "x.tmp", "tile/64/000"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        let report = verify(folder.path(), &key, &Against::default());
        assert_eq!(report.findings.len(), 1, "{name}");
        assert_eq!(report.findings[0].path, Path::new(name));
        fs::remove_file(&path).unwrap();
    }
    for name in ["tile/5/000", ".tmp/x"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        let report = verify(folder.path(), &key, &Against::default());
        assert!(report.is_intact());
        assert_eq!(report.unsigned, [Path::new(name)]);
        fs::remove_file(&path).unwrap();
    }
    #[cfg(unix)]
    {
        let tile = folder.path().join("tile/0/000");
        let elsewhere = folder.path().parent().unwrap().join(format!("{}-tile", folder.path().display()));
        fs::rename(&tile, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &tile).unwrap();
        assert!(!intact(folder.path(), &key));
        fs::remove_file(&elsewhere).unwrap();
    }
}

#[test]
fn a_verifier_takes_a_policy_and_looks_into_entries() {
    let folder = tempfile::tempdir().unwrap();
    let key = signer("example.com/log");
    let witness = SignerKey::generate("witness.example", SignatureKind::Cosignature).unwrap();
    let actor = Actor { auth: "test".into(), id: "u".into(), mfa_age: None, session_h: None, kind: ActorKind::System };
    let entry = |seq| {
        let t = Instant::from_millis(seq).unwrap();
        Entry::new("test", actor.clone(), Phase::Intent, Ulid::from_parts(seq, 0), seq, t).to_bytes().unwrap()
    };
    let mut writer = LogWriter::open(folder.path(), again(&key), None).unwrap();
    let mut signed = writer.publish(&[entry(0), entry(1)]).unwrap();
    let text = format!("log {}\nwitness w {}\nquorum w\n", key.verifier(), witness.verifier());
    let policy = Policy::parse(text.as_bytes()).unwrap();
    let against = Against { policy: Some(&policy), entries: true, old: None };
    let findings = |against| verify(folder.path(), key.verifier(), against).findings;
    assert!(findings(&against)[0].problem.contains("quorum"));
    signed.note_mut().add_signature(&witness, 1);
    let path = folder.path().join("checkpoint");
    fs::write(&path, signed.to_string()).unwrap();
    assert_eq!(findings(&against), []);
    // Without the witness's key its line says nothing, and that is told.
    let report = verify(folder.path(), key.verifier(), &Against::default());
    assert_eq!((report.is_intact(), report.strangers), (true, vec!["witness.example".to_owned()]));
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 2;
        fs::write(&path, changed).unwrap();
        assert_ne!(findings(&against), [], "byte {at}");
    }
    fs::write(&path, good).unwrap();
    drop(writer);
    // An entry with the number of another place, and what is no entry.
    let mut writer = LogWriter::open(folder.path(), again(&key), None).unwrap();
    writer.publish(&[entry(2), entry(2), b"text".to_vec()]).unwrap();
    let against = Against { entries: true, ..Against::default() };
    let found: Vec<String> = findings(&against).into_iter().map(|finding| finding.problem).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("entry 3") && found[1].contains("entry 4"));
}

#[test]
fn a_log_that_claims_more_than_it_has_costs_no_more_than_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let key = signer("example.com/log");
    LogWriter::open(folder.path(), again(&key), None).unwrap().publish(&["x"; 300]).unwrap();
    let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    for size in [u64::MAX, 1 << 62, 301, 513] {
        let claimed = Note::sign(&format!("example.com/log\n{size}\n{root}\n"), &key).unwrap();
        fs::write(folder.path().join("checkpoint"), claimed.to_string()).unwrap();
        let begin = std::time::Instant::now();
        let report = verify(folder.path(), key.verifier(), &Against::default());
        assert!(!report.is_intact() && report.findings.len() < 5, "{:?}", report.findings);
        let reader = LogReader::open(folder.path(), key.verifier()).unwrap();
        assert!(reader.entry(0).is_err() && reader.prove(size - 1).is_err() && reader.consistency(300).is_err());
        assert!(begin.elapsed().as_secs() < 5);
    }
}

#[cfg(unix)]
#[test]
fn pipes_are_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let key = write_log(folder.path(), 5, 5);
    let checkpoint = folder.path().join("checkpoint");
    fs::remove_file(&checkpoint).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&checkpoint).status().unwrap().success());
    assert!(!intact(folder.path(), &key));
}

#[test]
fn a_log_is_read_and_verified_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let key = signer("example.com/log");
    let mut writer = LogWriter::open(folder.path(), again(&key), None).unwrap();
    writer.publish(&[entry(0)]).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for begin in (1..700).step_by(3) {
                writer.publish(&[entry(begin), entry(begin + 1), entry(begin + 2)]).unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        let mut last = 0;
        while !done.load(std::sync::atomic::Ordering::SeqCst) {
            let report = verify(folder.path(), key.verifier(), &Against::default());
            assert!(report.is_intact(), "{:?}", report.findings);
            let reader = LogReader::open(folder.path(), key.verifier()).unwrap();
            let size = reader.checkpoint().size;
            assert!(size >= last);
            last = size;
            assert_eq!(reader.entry(size - 1).unwrap(), entry(size - 1).into_bytes());
            reader.consistency(size / 2).unwrap();
        }
    });
    assert!(intact(folder.path(), key.verifier()));
}

#[test]
fn requirement_27_what_cannot_be_written_is_not_signed() {
    let folder = tempfile::tempdir().unwrap();
    let key = signer("example.com/log");
    let entries: Vec<String> = (0..300).map(entry).collect();
    let mut writer = LogWriter::open(folder.path(), again(&key), None).unwrap();
    writer.publish(&entries[..10]).unwrap();
    let before = fs::read(folder.path().join("checkpoint")).unwrap();
    for obstacle in ["tile/entries/000", "tile/0/000", "tile/entries/001.p/44", "tile/0/001.p/44", "tile/1"] {
        // A folder where a file should be, or a file where a folder should be.
        let path = folder.path().join(obstacle);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match obstacle {
            "tile/1" => fs::write(&path, "").unwrap(),
            _ => fs::create_dir(&path).unwrap(),
        }
        assert!(writer.publish(&entries[10..]).is_err(), "{obstacle}");
        assert_eq!(fs::read(folder.path().join("checkpoint")).unwrap(), before);
        assert_eq!(writer.size(), 10);
        match obstacle {
            "tile/1" => fs::remove_file(&path).unwrap(),
            _ => fs::remove_dir(&path).unwrap(),
        }
    }
    writer.publish(&entries[10..]).unwrap();
    assert!(intact(folder.path(), key.verifier()));
    assert!(matches!(
        LogWriter::open(&folder.path().join("checkpoint/x"), key, None),
        Err(Error::Write { .. } | Error::Exists { .. })
    ));
}
