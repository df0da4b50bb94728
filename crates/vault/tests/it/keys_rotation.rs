//! Rotation of keys: online, step by step, and killed at each of them.

use std::fs;
use std::path::Path;

use cloister_vault::Error;
use cloister_vault::keys::{KeyContext, KeyFile, SealedRing, Step, SubjectKey, UnsealedRing, WrappedKey};
use cloister_vault::sealed::{Header, Id, Kind};

use crate::keys::{Rings, SUPPORT, child, hardened, open, seal};

const BILLING: KeyContext<'static> = KeyContext { purpose: "billing", ..SUPPORT };

/// Rotates the tenant's key and the dataset's, with what the caller keeps under it in files: an object and a subject's key.
/// Called again after it was stopped anywhere, it goes on.
fn rotate(ring: &UnsealedRing, folder: &Path) -> Result<(), Error> {
    ring.begin_tenant_rotation("acme")?;
    ring.rewrap_tenant("acme")?;
    for key in ring.tenant_keys("acme")?.iter().filter(|key| !key.is_current) {
        ring.destroy_tenant_key("acme", key.version)?;
    }
    ring.begin_dataset_rotation("acme", "tickets")?;
    let keys = ring.dataset(&SUPPORT)?;
    let text = open(&keys, &fs::read(folder.join("object")).unwrap())?;
    replace(&folder.join("object"), &seal(&keys, &text));
    let old = subject(folder);
    let new = keys.rewrap_subject_keys(&[old])?.remove(0);
    replace(&folder.join("subject"), &[&new.0.0[..], &new.1.to_bytes()].concat());
    for key in ring.dataset_keys(&SUPPORT)?.iter().filter(|key| !key.is_current) {
        ring.destroy_dataset_key("acme", "tickets", key.version)?;
    }
    Ok(())
}

fn replace(path: &Path, bytes: &[u8]) {
    fs::write(path.with_extension("new"), bytes).unwrap();
    fs::rename(path.with_extension("new"), path).unwrap();
}

fn subject(folder: &Path) -> (Id, WrappedKey) {
    let bytes = fs::read(folder.join("subject")).unwrap();
    (Id(bytes[..16].try_into().unwrap()), WrappedKey::from_bytes(&bytes[16..]).unwrap())
}

/// A ring with an object and a subject's key beside it.
fn prepared() -> (Rings, [u8; 32]) {
    let rings = Rings::new();
    let keys = rings.ring.dataset(&SUPPORT).unwrap();
    fs::write(rings.folder.path().join("object"), seal(&keys, b"state")).unwrap();
    let SubjectKey { id, key, wrapped } = keys.new_subject_keys(1).unwrap().remove(0);
    fs::write(rings.folder.path().join("subject"), [&id.0[..], &wrapped.to_bytes()].concat()).unwrap();
    (rings, *key.expose())
}

#[cfg(unix)]
#[test]
fn requirement_22_rotation_killed_at_each_step() {
    let mut failpoint = 0;
    loop {
        failpoint += 1;
        let (rings, subject_key) = prepared();
        let folder = rings.folder.path();
        let before = rings.ring.dataset(&SUPPORT).unwrap();
        let (audit, token) = (*before.audit_key().expose(), *before.token_key().expose());
        let old_object = fs::read(folder.join("object")).unwrap();
        let old_tenant_key = rings.ring.tenant_keys("acme").unwrap()[0];

        let killed = child("keys_rotation::a_process_that_is_killed")
            .env("CLOISTER_TEST_RING", folder)
            .env("CLOISTER_TEST_FAILPOINT", failpoint.to_string())
            .output()
            .unwrap();
        let survived = String::from_utf8_lossy(&killed.stdout).contains("rotated to the end");
        assert_eq!(survived, killed.status.success(), "failpoint {failpoint}");

        // Every key opens, whatever was reached.
        let ring = rings.again().unwrap();
        for place in [SUPPORT, BILLING] {
            let keys = ring.dataset(&place).unwrap();
            assert_eq!(open(&keys, &fs::read(folder.join("object")).unwrap()).unwrap(), b"state");
            let (id, wrapped) = subject(folder);
            assert_eq!(*keys.open_subject_key(id, &wrapped).ok().unwrap().expose(), subject_key);
            assert_eq!((*keys.audit_key().expose(), *keys.token_key().expose()), (audit, token));
        }
        ring.dataset(&KeyContext { dataset: "chats", ..SUPPORT }).unwrap();
        // Once a new version is there, the old one is refused for everything new.
        let current = *ring.tenant_keys("acme").unwrap().last().unwrap();
        if current.id != old_tenant_key.id {
            let wraps = |ring: &UnsealedRing| {
                let keys = ring.tenant_keys("acme").unwrap();
                keys.iter().filter(|key| !key.is_current).map(|key| key.wraps).sum::<usize>()
            };
            let under_old = wraps(&ring);
            ring.add_dataset("acme", "new", &["support"]).unwrap();
            assert_eq!(wraps(&ring), under_old);
            ring.destroy_dataset("acme", "new").unwrap();
        }
        let old_kek = Header::parse(&old_object).unwrap().kek;
        if ring.dataset_keys(&SUPPORT).unwrap().last().unwrap().id != old_kek {
            assert!(matches!(before.seal_object(Vec::new(), Kind::Blob, "v1"), Err(Error::RetiredKey { .. })));
            assert!(matches!(before.new_subject_keys(1), Err(Error::RetiredKey { .. })));
        }

        // To call the same again ends it.
        rotate(&ring, folder).unwrap();
        let (tenant_keys, dataset_keys) = (ring.tenant_keys("acme").unwrap(), ring.dataset_keys(&SUPPORT).unwrap());
        assert_eq!((tenant_keys.len(), dataset_keys.len()), (1, 1), "failpoint {failpoint}");
        assert!(tenant_keys[0].id != old_tenant_key.id && dataset_keys[0].id != old_kek);
        let keys = ring.dataset(&SUPPORT).unwrap();
        assert!(matches!(open(&keys, &old_object), Err(Error::OtherKek { .. })), "the old key is gone");
        assert_eq!(open(&keys, &fs::read(folder.join("object")).unwrap()).unwrap(), b"state");
        let (id, wrapped) = subject(folder);
        assert_eq!(*keys.open_subject_key(id, &wrapped).ok().unwrap().expose(), subject_key);
        if survived {
            break;
        }
    }
    // Five writings of three steps each; the sixteenth is never reached.
    assert_eq!(failpoint, 16);
}

#[cfg(unix)]
#[test]
#[ignore = "a part of another test, which starts it in a process of its own"]
fn a_process_that_is_killed() {
    use rustix::process::{Signal, getpid, kill_process};
    let Some(folder) = std::env::var_os("CLOISTER_TEST_RING") else { return };
    let folder = Path::new(&folder);
    let failpoint: u32 = std::env::var("CLOISTER_TEST_FAILPOINT").unwrap().parse().unwrap();
    let key = KeyFile::open(&folder.join("key")).unwrap();
    let ring = SealedRing::open(&folder.join("keys.clo")).unwrap().unseal(&key, &hardened()).unwrap();
    let mut steps = 0;
    let ring = ring.observed(move |_| {
        steps += 1;
        if steps == failpoint {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
        Ok(())
    });
    rotate(&ring, folder).unwrap();
    println!("rotated to the end");
}

#[test]
fn requirement_22_an_old_key_opens_and_seals_nothing_new() {
    let rings = Rings::new();
    let here = rings.ring.dataset(&SUPPORT).unwrap();
    let sealed = seal(&here, b"state");
    let subject = here.new_subject_keys(1).unwrap().remove(0);
    // Another process rotates; this one still has the keys of before.
    let there = rings.again().unwrap();
    assert_eq!(there.begin_dataset_rotation("acme", "tickets").unwrap(), 2);
    assert_eq!(there.begin_dataset_rotation("acme", "tickets").unwrap(), 2, "begun is begun");
    assert!(matches!(here.seal_object(Vec::new(), Kind::Snapshot, "v1"), Err(Error::RetiredKey { .. })));
    assert!(matches!(here.seal_shard(Vec::new(), "v1"), Err(Error::RetiredKey { .. })));
    assert!(matches!(here.new_subject_keys(1), Err(Error::RetiredKey { .. })));
    assert!(matches!(here.rewrap_subject_keys(&[]), Err(Error::RetiredKey { .. })));
    assert_eq!(open(&here, &sealed).unwrap(), b"state");
    let fresh = rings.ring.dataset(&SUPPORT).unwrap();
    assert_eq!(open(&fresh, &sealed).unwrap(), b"state");
    let newer = seal(&fresh, b"newer");
    assert_ne!(Header::parse(&newer).unwrap().kek, Header::parse(&sealed).unwrap().kek);
    assert_eq!(open(&rings.ring.dataset(&BILLING).unwrap(), &newer).unwrap(), b"newer");
    assert!(matches!(open(&here, &newer), Err(Error::OtherKek { .. })));
    let rewrapped = fresh.rewrap_subject_keys(&[(subject.id, subject.wrapped)]).unwrap().remove(0).1;
    assert_ne!(rewrapped.under(), subject.wrapped.under());

    assert!(matches!(there.destroy_dataset_key("acme", "tickets", 2), Err(Error::CurrentKey { .. })));
    assert!(matches!(there.destroy_dataset_key("acme", "tickets", 3), Err(Error::NoKey { .. })));
    there.destroy_dataset_key("acme", "tickets", 1).unwrap();
    let fresh = rings.ring.dataset(&SUPPORT).unwrap();
    assert!(matches!(open(&fresh, &sealed), Err(Error::OtherKek { .. })));
    assert!(matches!(fresh.open_subject_key(subject.id, &subject.wrapped), Err(Error::OtherKek { .. })));
    assert_eq!(fresh.open_subject_key(subject.id, &rewrapped).ok().unwrap().expose(), subject.key.expose());
    assert_eq!(open(&fresh, &newer).unwrap(), b"newer");
    assert!(matches!(there.begin_dataset_rotation("acme", "none"), Err(Error::NoKey { .. })));
}

#[test]
fn requirement_22_a_tenant_key_is_destroyed_when_nothing_is_under_it() {
    let rings = Rings::new();
    let ring = &rings.ring;
    assert!(matches!(ring.destroy_tenant_key("acme", 1), Err(Error::CurrentKey { .. })));
    assert_eq!(ring.begin_tenant_rotation("acme").unwrap(), 2);
    assert_eq!(ring.begin_tenant_rotation("acme").unwrap(), 2);
    let wraps = || ring.tenant_keys("acme").unwrap().iter().map(|key| key.wraps).collect::<Vec<_>>();
    // Four keys for each of three pairs of dataset and purpose.
    assert_eq!(wraps(), [12, 0]);
    assert!(matches!(ring.destroy_tenant_key("acme", 1), Err(Error::KeyInUse { wraps: 12, .. })));
    ring.add_dataset("acme", "new", &["support"]).unwrap();
    assert_eq!(wraps(), [12, 4]);
    assert_eq!(ring.rewrap_tenant("acme").unwrap(), 12);
    let generation = ring.generation().unwrap();
    assert_eq!(ring.rewrap_tenant("acme").unwrap(), 0);
    assert_eq!(ring.generation().unwrap(), generation, "what changes nothing writes nothing");
    ring.destroy_tenant_key("acme", 1).unwrap();
    assert_eq!(wraps(), [16]);
    assert!(matches!(ring.destroy_tenant_key("acme", 1), Err(Error::NoKey { .. })));
    assert_eq!(ring.begin_tenant_rotation("acme").unwrap(), 3);
    // The other tenant has not moved.
    assert_eq!(ring.tenant_keys("other").unwrap().len(), 1);
    assert!(matches!(ring.tenant_keys("nobody"), Err(Error::NoKey { .. })));
}

#[test]
fn a_writing_that_fails_at_any_step_leaves_a_whole_ring() {
    for failing in [Step::Write, Step::Appear, Step::Appeared] {
        let rings = Rings::new();
        let before = fs::read(rings.path()).unwrap();
        let full = move |step| if step == failing { Err(Error::Truncated) } else { Ok(()) };
        let ring = rings.again().unwrap().observed(full);
        assert!(matches!(ring.begin_tenant_rotation("acme"), Err(Error::Truncated)));
        assert_eq!(fs::read(rings.path()).unwrap() == before, failing != Step::Appeared);
        assert_eq!(rings.again().unwrap().begin_tenant_rotation("acme").unwrap(), 2);
        let left: Vec<_> = super::files_below(rings.folder.path());
        assert!(left.iter().all(|path| path.extension().is_none_or(|name| name != "tmp")), "{left:?}");
    }
}
