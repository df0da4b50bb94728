//! Key rings: what they give out, to whom, and what is seen of them from outside.

use std::collections::HashMap;
use std::fmt::{Debug, Display};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cloister_vault::Error;
use cloister_vault::keys::{
    DatasetKeys, Hardened, KeyContext, KeyFile, Passphrase, SealedRing, SubjectKey, UnsealedRing, WrappedKey,
};
use cloister_vault::sealed::{DataKey, Id, Kek, Kind};
use sha2::{Digest as _, Sha256};

pub(crate) const SUPPORT: KeyContext<'static> = KeyContext { tenant: "acme", dataset: "tickets", purpose: "support" };
const BILLING: KeyContext<'static> = KeyContext { purpose: "billing", ..SUPPORT };

/// A folder with a ring that a key file opens, of two tenants, three datasets and two purposes.
pub(crate) struct Rings {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) provider: KeyFile,
    pub(crate) ring: UnsealedRing,
}

impl Rings {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let provider = KeyFile::create(&folder.path().join("key")).unwrap();
        let ring = UnsealedRing::create(&folder.path().join("keys.clo"), &provider, &hardened()).unwrap();
        ring.add_tenant("acme").unwrap();
        ring.add_tenant("other").unwrap();
        ring.add_dataset("acme", "tickets", &["support", "billing"]).unwrap();
        ring.add_dataset("acme", "chats", &["support"]).unwrap();
        ring.add_dataset("other", "tickets", &["support"]).unwrap();
        Self { folder, provider, ring }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("keys.clo")
    }

    /// The ring again, as another process would open it.
    pub(crate) fn again(&self) -> Result<UnsealedRing, Error> {
        SealedRing::open(&self.path())?.unseal(&self.provider, &hardened())
    }
}

pub(crate) fn hardened() -> Hardened {
    Hardened::apply().unwrap()
}

/// A test of this binary, to be run in a process of its own.
pub(crate) fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]);
    command
}

pub(crate) fn seal(keys: &DatasetKeys<'_>, text: &[u8]) -> Vec<u8> {
    let mut writer = keys.seal_object(Vec::new(), Kind::Snapshot, "v1").unwrap();
    writer.append(text).unwrap();
    writer.finish().unwrap().0
}

pub(crate) fn open(keys: &DatasetKeys<'_>, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let reader = keys.open_object(sealed, Kind::Snapshot, "v1")?;
    let mut text = vec![0; reader.length() as usize];
    reader.read_at(&mut text, 0)?;
    Ok(text)
}

/// The bytes of a ring's file with another digest behind them, as whoever changes them on purpose would write it.
pub(crate) fn with_digest(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 32);
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

#[test]
fn requirement_14_keys_open_in_their_tenant_dataset_and_purpose_only() {
    let rings = Rings::new();
    let support = rings.ring.dataset(&SUPPORT).unwrap();
    let sealed = seal(&support, b"state");
    assert_eq!(open(&support, &sealed).unwrap(), b"state");
    // Another purpose of the same dataset has the same keys, if it was admitted; one that was not has none.
    assert_eq!(open(&rings.ring.dataset(&BILLING).unwrap(), &sealed).unwrap(), b"state");
    for place in [
        KeyContext { purpose: "marketing", ..SUPPORT },
        KeyContext { purpose: "", ..SUPPORT },
        KeyContext { dataset: "chats", purpose: "billing", ..SUPPORT },
        KeyContext { tenant: "nobody", ..SUPPORT },
    ] {
        assert!(matches!(rings.ring.dataset(&place), Err(Error::NoKey { .. })), "{place:?}");
    }
    for place in [KeyContext { dataset: "chats", ..SUPPORT }, KeyContext { tenant: "other", ..SUPPORT }] {
        let keys = rings.ring.dataset(&place).unwrap();
        assert!(matches!(open(&keys, &sealed), Err(Error::OtherKek { .. })), "{place:?}");
        assert_ne!(keys.audit_key().expose(), support.audit_key().expose());
        assert_ne!(keys.token_key().expose(), support.token_key().expose());
    }
    assert_ne!(support.audit_key().expose(), support.token_key().expose());
    assert!(matches!(support.open_object(&sealed[..], Kind::Snapshot, "v2"), Err(Error::WrongKeyOrContext)));

    rings.ring.add_purpose(&SUPPORT, "marketing").unwrap();
    let marketing = KeyContext { purpose: "marketing", ..SUPPORT };
    assert_eq!(open(&rings.ring.dataset(&marketing).unwrap(), &sealed).unwrap(), b"state");
    assert!(matches!(rings.ring.add_purpose(&SUPPORT, "marketing"), Err(Error::HasKeys { .. })));
    rings.ring.remove_purpose(&SUPPORT).unwrap();
    assert!(matches!(rings.ring.dataset(&SUPPORT), Err(Error::NoKey { .. })));
    assert!(matches!(support.seal_object(Vec::new(), Kind::Blob, "v1"), Err(Error::NoKey { .. })));
    rings.ring.remove_purpose(&marketing).unwrap();
    assert!(matches!(rings.ring.remove_purpose(&BILLING), Err(Error::LastPurpose { .. })));
    assert_eq!(open(&rings.ring.dataset(&BILLING).unwrap(), &sealed).unwrap(), b"state");
}

#[test]
fn requirement_14_a_subject_key_opens_in_its_own_row_only() {
    let rings = Rings::new();
    let support = rings.ring.dataset(&SUPPORT).unwrap();
    let subjects = support.new_subject_keys(3).unwrap();
    let mut seen: Vec<&[u8; 32]> = subjects.iter().map(|subject| subject.key.expose()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 3, "random, not derived from what they share");
    for (at, SubjectKey { id, key, wrapped }) in subjects.iter().enumerate() {
        assert_eq!(support.open_subject_key(*id, wrapped).ok().unwrap().expose(), key.expose());
        let other = &subjects[(at + 1) % 3];
        assert!(matches!(support.open_subject_key(*id, &other.wrapped), Err(Error::KeyDoesNotOpen)));
        assert!(matches!(support.open_subject_key(other.id, wrapped), Err(Error::KeyDoesNotOpen)));
    }
    let SubjectKey { id, key, wrapped } = &subjects[0];
    let bytes = wrapped.to_bytes();
    assert_eq!(WrappedKey::from_bytes(&bytes).unwrap(), *wrapped);
    for at in 0..bytes.len() {
        let mut changed = bytes;
        changed[at] ^= 1;
        assert!(support.open_subject_key(*id, &WrappedKey::from_bytes(&changed).unwrap()).is_err(), "byte {at}");
        assert!(WrappedKey::from_bytes(&bytes[..at]).is_err());
    }
    let chats = rings.ring.dataset(&KeyContext { dataset: "chats", ..SUPPORT }).unwrap();
    assert!(matches!(chats.open_subject_key(*id, wrapped), Err(Error::OtherKek { .. })));

    // The keys serve a shard, and to forget one is to lose its record and no other.
    let mut writer = support.seal_shard(Vec::new(), "v1").unwrap();
    for (name, subject) in [b"r0", b"r1", b"r2"].into_iter().zip(&subjects) {
        writer.append(name, subject.id, &subject.key, b"My printer is on fire.").unwrap();
    }
    let (sealed, _) = writer.finish().unwrap();
    let shard = support.open_shard(&sealed[..], "v1").unwrap();
    let mut kept: HashMap<Id, DataKey> = subjects
        .iter()
        .map(|subject| (subject.id, support.open_subject_key(subject.id, &subject.wrapped).unwrap()))
        .collect();
    assert_eq!(kept[id].expose(), key.expose());
    assert_eq!(shard.check(&kept).unwrap(), 3);
    kept.remove(id);
    assert!(matches!(shard.read(b"r0", &kept), Err(Error::NoSubjectKey { .. })));
    assert_eq!(shard.check(&kept).unwrap(), 2);
    assert!(matches!(chats.open_shard(&sealed[..], "v1"), Err(Error::OtherKek { .. })));
}

#[test]
fn what_was_destroyed_is_gone_and_the_rest_is_not() {
    let rings = Rings::new();
    let chats = KeyContext { dataset: "chats", ..SUPPORT };
    let sealed = [SUPPORT, chats].map(|place| seal(&rings.ring.dataset(&place).unwrap(), b"state"));
    rings.ring.destroy_dataset("acme", "tickets").unwrap();
    for place in [SUPPORT, BILLING] {
        assert!(matches!(rings.ring.dataset(&place), Err(Error::NoKey { .. })));
    }
    assert!(matches!(rings.ring.destroy_dataset("acme", "tickets"), Err(Error::NoKey { .. })));
    let again = rings.again().unwrap();
    assert_eq!(open(&again.dataset(&chats).unwrap(), &sealed[1]).unwrap(), b"state");
    // A dataset of the same name has other keys.
    again.add_dataset("acme", "tickets", &["support"]).unwrap();
    assert!(matches!(open(&again.dataset(&SUPPORT).unwrap(), &sealed[0]), Err(Error::OtherKek { .. })));
    again.destroy_tenant("acme").unwrap();
    assert!(matches!(again.dataset(&chats), Err(Error::NoKey { .. })));
    assert!(matches!(again.add_dataset("acme", "chats", &["support"]), Err(Error::NoKey { .. })));
    again.dataset(&KeyContext { tenant: "other", ..SUPPORT }).unwrap();
}

#[test]
fn names_that_are_there_or_cannot_be_are_refused_and_nothing_is_written() {
    let rings = Rings::new();
    let before = fs::read(rings.path()).unwrap();
    assert!(matches!(rings.ring.add_tenant("acme"), Err(Error::HasKeys { .. })));
    assert!(matches!(rings.ring.add_dataset("acme", "chats", &["x"]), Err(Error::HasKeys { .. })));
    assert!(rings.ring.add_dataset("acme", "new", &[]).is_err());
    assert!(rings.ring.add_dataset("acme", "new", &["x", "x"]).is_err(), "one purpose twice");
    let long = "x".repeat(256);
    for name in ["", "a\nb", "a\u{1b}[2J", "\0", &long] {
        assert!(matches!(rings.ring.add_tenant(name), Err(Error::Malformed { .. })));
        assert!(matches!(rings.ring.add_dataset("acme", name, &["x"]), Err(Error::Malformed { .. })));
        assert!(matches!(rings.ring.add_dataset("acme", "new", &["x", name]), Err(Error::Malformed { .. })));
        assert!(matches!(rings.ring.add_purpose(&SUPPORT, name), Err(Error::Malformed { .. })));
    }
    assert_eq!(fs::read(rings.path()).unwrap(), before);
    let taken = UnsealedRing::create(&rings.path(), &rings.provider, &hardened());
    assert!(matches!(taken, Err(Error::Exists { .. })));
    assert_eq!(fs::read(rings.path()).unwrap(), before);
}

#[test]
fn every_changed_byte_of_a_ring_is_caught() {
    let rings = Rings::new();
    let path = rings.path();
    let whole = fs::read(&path).unwrap();
    let unseal = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        rings.again().map(|_| ())
    };
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        // Damage is told before anybody is asked for a secret.
        assert!(matches!(unseal(&changed), Err(Error::Malformed { .. })), "byte {at}");
        assert!(unseal(&whole[..at]).is_err(), "cut at {at}");
        // Who changes it on purpose writes another digest too.
        if at < whole.len() - 32 {
            assert!(unseal(&with_digest(changed.clone())).is_err(), "byte {at} with a digest");
            // A process that has the ring open sees it as well.
            assert!(rings.ring.slots().is_err(), "byte {at} with a digest");
        }
    }
    assert!(unseal(&[&whole[..], b"\0"].concat()).is_err());
    assert!(unseal(&with_digest([&whole[..], b"\0"].concat())).is_err());
    unseal(&whole).unwrap();
    assert_eq!(rings.ring.slots().unwrap().len(), 1);
    fs::remove_file(&path).unwrap();
    assert!(matches!(SealedRing::open(&path), Err(Error::Read { .. })));
}

#[test]
fn an_older_ring_is_refused_by_who_has_seen_a_newer_one() {
    let rings = Rings::new();
    let old = fs::read(rings.path()).unwrap();
    let (generation, digest) = rings.ring.generation().unwrap();
    rings.ring.destroy_dataset("acme", "chats").unwrap();
    let (newer, other) = rings.ring.generation().unwrap();
    assert_eq!(newer, generation + 1);
    assert_ne!(digest, other);
    fs::write(rings.path(), &old).unwrap();
    assert!(matches!(rings.ring.dataset(&SUPPORT), Err(Error::Damaged { .. })));
    assert!(matches!(rings.ring.add_tenant("new"), Err(Error::Damaged { .. })));
    // Whoever begins with it has only what a log says of it.
    assert_eq!(rings.again().unwrap().generation().unwrap(), (generation, digest));
}

#[test]
fn changes_of_many_at_once_are_all_there() {
    let rings = Rings::new();
    std::thread::scope(|scope| {
        for worker in 0..6 {
            let ring = rings.again().unwrap();
            scope.spawn(move || {
                for number in 0..5 {
                    ring.add_dataset("acme", &format!("d{worker}-{number}"), &["support"]).unwrap();
                }
            });
        }
    });
    let names = (0..6).flat_map(|worker| (0..5).map(move |number| format!("d{worker}-{number}")));
    for name in names {
        rings.ring.dataset(&KeyContext { dataset: &name, ..SUPPORT }).unwrap();
    }
    assert_eq!(rings.ring.generation().unwrap().0, 6 + 30);
}

/// Fails to compile if a type can be printed: then `NotPrinted` is implemented twice, and which is meant cannot be told.
macro_rules! silent {
    ($($type:ty),* $(,)?) => {$({
        trait NotPrinted<Way> { fn here() {} }
        impl<T: ?Sized> NotPrinted<()> for T {}
        struct ByDebug;
        impl<T: ?Sized + Debug> NotPrinted<ByDebug> for T {}
        struct ByDisplay;
        impl<T: ?Sized + Display> NotPrinted<ByDisplay> for T {}
        <$type as NotPrinted<_>>::here();
    })*};
}

#[test]
fn requirement_25_what_holds_a_secret_cannot_be_printed() {
    silent![Passphrase, KeyFile, UnsealedRing, DatasetKeys<'static>, SubjectKey, DataKey, Kek];
    silent![cloister_vault::keys::Transit<crate::keys_providers::Server>];
    #[cfg(feature = "pkcs11")]
    silent![cloister_vault::keys::Pkcs11Token];
}

#[test]
fn requirement_25_secrets_are_in_no_file_and_no_error() {
    let rings = Rings::new();
    let secret = "Xyzzy-plugh-9173-unguessable";
    let passphrase = Passphrase::new(secret).unwrap();
    rings.ring.add_slot(&passphrase).unwrap();
    let keys = rings.ring.dataset(&SUPPORT).unwrap();
    let subject = keys.new_subject_keys(1).unwrap().remove(0);
    let mut needles = vec![secret.as_bytes().to_vec(), fs::read(rings.folder.path().join("key")).unwrap()];
    needles.extend([keys.audit_key(), keys.token_key(), &subject.key].map(|key| key.expose().to_vec()));
    let files = super::files_below(rings.folder.path());
    assert!(files.len() >= 3);
    for path in files.iter().filter(|path| !path.ends_with("key")) {
        let bytes = fs::read(path).unwrap();
        for needle in &needles {
            assert!(!bytes.windows(needle.len()).any(|window| window == &needle[..]), "{}", path.display());
        }
    }
    // Errors of everything that was given a secret.
    fs::write(rings.folder.path().join("key"), secret).unwrap();
    let wrong = format!("{secret}!");
    let sealed = SealedRing::open(&rings.path()).unwrap();
    let unseal = |provider: &Passphrase| sealed.unseal(provider, &hardened()).err().unwrap();
    let mut errors: Vec<Error> = (0..4).map(|_| unseal(&Passphrase::new(&wrong).unwrap())).collect();
    errors.push(KeyFile::open(&rings.folder.path().join("key")).err().unwrap());
    errors.push(Passphrase::new(&format!("{secret}\n")).err().unwrap());
    errors.push(keys.open_subject_key(Id([1; 16]), &subject.wrapped).err().unwrap());
    for error in errors {
        let text = format!("{error} {error:?}");
        assert!(!text.contains(secret) && !text.contains("Xyzzy"), "{text}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn requirement_24_the_process_is_hardened_before_a_key_arrives() {
    let output = child("keys::a_hardened_process").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let after = text.split("hardened:\n").nth(1).unwrap();
    let core = after.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let limits: Vec<&str> = core.split_whitespace().skip(4).collect();
    assert_eq!(limits, ["0", "0", "bytes"]);
    assert!(after.contains("dumpable: NotDumpable"), "{after}");
    // The ring key's page, where the system lets it be locked.
    let locked = after.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    let kilobytes: u64 = locked.trim().trim_end_matches(" kB").parse().unwrap();
    assert_eq!(after.contains("locked: true"), kilobytes >= 4, "{after}");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "a part of another test, which starts it in a process of its own"]
fn a_hardened_process() {
    let rings = Rings::new();
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    println!("hardened:\n{limits}\n{status}");
    println!("locked: {}", rings.ring.is_locked_in_memory());
    println!("dumpable: {:?}", rustix::process::dumpable_behavior().unwrap());
}

#[test]
fn a_ring_of_the_first_version_of_the_format_opens() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/key_ring");
    let folder = tempfile::tempdir().unwrap();
    let (path, key) = (folder.path().join("keys.clo"), folder.path().join("key"));
    fs::copy(seeds.join("1.bin"), &path).unwrap();
    fs::write(&key, [7; 32]).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let ring = SealedRing::open(&path).unwrap().unseal(&KeyFile::open(&key).unwrap(), &hardened()).unwrap();
    let sealed = fs::read(seeds.join("../sealed_header/key_ring.bin")).unwrap();
    assert_eq!(open(&ring.dataset(&SUPPORT).unwrap(), &sealed).unwrap(), b"sealed under the first version");
    assert_eq!(ring.tenant_keys("acme").unwrap().len(), 2);
}

/// Where each person has a slot of their own, the one that opened tells who is there.
#[test]
fn a_ring_tells_which_slot_opened_it() {
    let mut rings = Rings::new();
    let first = rings.ring.opened_by();
    assert_eq!(rings.ring.slots().unwrap(), [first]);
    let others: Vec<KeyFile> =
        ["b", "c"].iter().map(|name| KeyFile::create(&rings.folder.path().join(name)).unwrap()).collect();
    let slots: Vec<_> = others.iter().map(|provider| rings.ring.add_slot(provider).unwrap()).collect();
    for (provider, slot) in others.iter().zip(&slots) {
        let ring = SealedRing::open(&rings.path()).unwrap().unseal(provider, &hardened()).unwrap();
        assert_eq!(ring.opened_by(), *slot);
    }
    assert_eq!(rings.again().unwrap().opened_by(), first);
    assert_eq!(rings.ring.slot_of(&others[1]).unwrap(), Some(slots[1]));
    let stranger = KeyFile::create(&rings.folder.path().join("d")).unwrap();
    assert_eq!(rings.ring.slot_of(&stranger).unwrap(), None);
    assert_eq!(rings.ring.slot_of(&Passphrase::new("of nobody").unwrap()).unwrap(), None);
    // Whose slot was taken away opens nothing; a new ring key has one slot, and whoever made it has opened it.
    rings.ring.remove_slot(slots[0].id).unwrap();
    let closed = SealedRing::open(&rings.path()).unwrap().unseal(&others[0], &hardened());
    assert!(matches!(closed, Err(Error::DoesNotUnseal)));
    rings.ring.rekey(&others[1]).unwrap();
    assert_ne!(rings.ring.opened_by().id, first.id);
    assert_eq!(rings.ring.slots().unwrap(), [rings.ring.opened_by()]);
}
