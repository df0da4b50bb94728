//! How a key ring is opened: by whom, how often, and what a wrong secret tells.

use std::fs;
use std::path::Path;
use std::time::Duration;

use cloister_vault::Error;
use cloister_vault::keys::{Argon2Cost, KeyFile, Passphrase, Provider, ProviderKind, SealedRing, UnsealedRing};
use cloister_vault::sealed::DataKey;

use crate::keys::{Rings, SUPPORT, child, hardened, with_digest};

const RIGHT: &str = "correct horse battery staple";
const CHEAP: Argon2Cost = Argon2Cost { kib: 19 << 10, passes: 1, lanes: 1 };

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text).unwrap().with_cost(CHEAP).unwrap()
}

/// A ring that a passphrase opens, its folder first.
fn ring() -> (tempfile::TempDir, SealedRing) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.clo");
    UnsealedRing::create(&path, &passphrase(RIGHT), &hardened()).unwrap();
    let sealed = SealedRing::open(&path).unwrap();
    (folder, sealed)
}

fn unseal(ring: &SealedRing, text: &str) -> Result<(), Error> {
    ring.unseal(&passphrase(text), &hardened()).map(|_| ())
}

/// The count in the file of tries.
fn failed_tries(folder: &Path) -> u32 {
    match fs::read(folder.join("keys.clo.tries")) {
        Ok(bytes) => u32::from_be_bytes(bytes[5..9].try_into().unwrap()),
        Err(_) => 0,
    }
}

#[test]
fn requirement_24_wrong_passphrases_are_slowed_over_all_processes() {
    let (folder, sealed) = ring();
    for tries in 1..=3 {
        assert!(matches!(unseal(&sealed, "a guess"), Err(Error::DoesNotUnseal)));
        assert_eq!(failed_tries(folder.path()), tries);
    }
    // Nothing is tried while the wait lasts, so the right one is refused too, here and in any other process.
    let path = folder.path().join("keys.clo.tries");
    let mut bytes = fs::read(&path).unwrap();
    bytes[5..9].copy_from_slice(&5_u32.to_be_bytes());
    fs::write(&path, bytes).unwrap();
    assert!(matches!(unseal(&sealed, RIGHT), Err(Error::TooManyTries { seconds: 1..=4 })));
    let output = child("keys_unseal::another_process").env("CLOISTER_TEST_RING", folder.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("refused, wait"), "{text}");
    assert_eq!(failed_tries(folder.path()), 5, "a try that was not made is not counted");
    std::thread::sleep(Duration::from_millis(4100));
    unseal(&sealed, RIGHT).unwrap();
    assert_eq!(failed_tries(folder.path()), 0);
    assert!(matches!(unseal(&sealed, "a guess"), Err(Error::DoesNotUnseal)));
}

#[test]
#[ignore = "a part of another test, which starts it in a process of its own"]
fn another_process() {
    let Some(folder) = std::env::var_os("CLOISTER_TEST_RING") else { return };
    match unseal(&SealedRing::open(&Path::new(&folder).join("keys.clo")).unwrap(), RIGHT) {
        Err(Error::TooManyTries { seconds }) => println!("refused, wait {seconds}"),
        other => println!("{:?}", other.err()),
    }
}

#[test]
fn requirement_24_guesses_at_the_same_time_are_counted_one_by_one() {
    let (folder, sealed) = ring();
    let outcomes: Vec<Result<(), Error>> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..12).map(|_| scope.spawn(|| unseal(&sealed, "a guess"))).collect();
        tries.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let wrong = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::DoesNotUnseal))).count();
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::TooManyTries { .. }))).count();
    assert_eq!((wrong as u32, wrong + refused), (failed_tries(folder.path()), 12));
    assert!(wrong >= 3 && refused >= 6, "{wrong} tries, {refused} refused");
}

#[test]
fn requirement_24_a_clock_that_was_set_back_does_not_help() {
    let (folder, sealed) = ring();
    for _ in 0..3 {
        unseal(&sealed, "a guess").unwrap_err();
    }
    // As after a restart with the clock a day back: eight failed, another boot, an instant of tomorrow.
    let path = folder.path().join("keys.clo.tries");
    let mut bytes = fs::read(&path).unwrap();
    let wall = |bytes: &[u8]| u64::from_be_bytes(bytes[33..41].try_into().unwrap());
    let tomorrow = wall(&bytes) + 86_400_000;
    bytes[5..9].copy_from_slice(&8_u32.to_be_bytes());
    bytes[9..25].fill(1);
    bytes[33..41].copy_from_slice(&tomorrow.to_be_bytes());
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(unseal(&sealed, RIGHT), Err(Error::TooManyTries { seconds: 32 })));
    // The wait began anew: it does not last until tomorrow, and another setting of the clock no longer matters.
    let after = fs::read(&path).unwrap();
    assert!(wall(&after) < tomorrow && after[9..25] != bytes[9..25]);
    std::thread::sleep(Duration::from_millis(1100));
    assert!(matches!(unseal(&sealed, RIGHT), Err(Error::TooManyTries { seconds: 25..=31 })));
}

/// A passphrase whose process dies in the middle of the try.
struct Dying;

impl Provider for Dying {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Passphrase
    }

    fn wrap(&self, _: &DataKey, _: &[u8]) -> Result<Vec<u8>, Error> {
        Err(Error::KeyDoesNotOpen)
    }

    fn unwrap(&self, _: &[u8], _: &[u8]) -> Result<DataKey, Error> {
        std::process::abort()
    }
}

#[test]
fn requirement_24_a_process_that_is_killed_in_a_try_has_failed() {
    let (folder, sealed) = ring();
    for tries in 1..=2 {
        let status =
            child("keys_unseal::a_dying_process").env("CLOISTER_TEST_RING", folder.path()).output().unwrap().status;
        assert!(!status.success());
        assert_eq!(failed_tries(folder.path()), tries);
    }
    unseal(&sealed, RIGHT).unwrap();
    assert_eq!(failed_tries(folder.path()), 0);
}

#[test]
#[ignore = "a part of another test, which starts it in a process of its own"]
fn a_dying_process() {
    let Some(folder) = std::env::var_os("CLOISTER_TEST_RING") else { return };
    drop(SealedRing::open(&Path::new(&folder).join("keys.clo")).unwrap().unseal(&Dying, &hardened()));
}

#[test]
fn requirement_24_a_wrong_secret_and_a_changed_file_are_one_error() {
    let (folder, sealed) = ring();
    let path = folder.path().join("keys.clo");
    let whole = fs::read(&path).unwrap();
    let outcome = |text: &str, change: &dyn Fn(&mut [u8])| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        fs::write(&path, with_digest(bytes)).unwrap();
        drop(fs::remove_file(folder.path().join("keys.clo.tries")));
        let error = unseal(&sealed, text).unwrap_err();
        assert_eq!(failed_tries(folder.path()), 1, "counted alike");
        format!("{error}: {error:?}")
    };
    let end = whole.len();
    let slot_begin = 31 + 16 + 1 + 2;
    let wrong = outcome("a guess", &|_| {});
    // The right passphrase: another salt, another wrapped key, another generation, another HMAC.
    type Change<'a> = &'a dyn Fn(&mut [u8]);
    let changes: [Change<'_>; 4] = [
        &|bytes| bytes[slot_begin + 12] ^= 1,
        &|bytes| bytes[slot_begin + 28] ^= 1,
        &|bytes| bytes[28] ^= 1,
        &move |bytes| bytes[end - 64] ^= 1,
    ];
    for (number, change) in changes.iter().enumerate() {
        assert_eq!(outcome(RIGHT, change), wrong, "change {number}");
    }
    fs::write(&path, &whole).unwrap();
    fs::remove_file(folder.path().join("keys.clo.tries")).unwrap();
    unseal(&sealed, RIGHT).unwrap();
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let rings = Rings::new();
    let path = rings.folder.path().join("key");
    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(rings.path()).unwrap().permissions().mode() & 0o777, 0o600);
    for open in [0o640, 0o604, 0o660, 0o610, 0o601, 0o602, 0o777] {
        mode(open);
        assert!(matches!(KeyFile::open(&path), Err(Error::OpenToOthers { mode, .. }) if mode == open));
    }
    for closed in [0o600, 0o400] {
        mode(closed);
        let key = KeyFile::open(&path).unwrap();
        SealedRing::open(&rings.path()).unwrap().unseal(&key, &hardened()).unwrap();
    }
    assert!(matches!(KeyFile::create(&path), Err(Error::Exists { .. })));
    assert!(matches!(KeyFile::open(rings.folder.path()), Err(Error::Damaged { .. })));
    mode(0o600);
    for length in [0, 31, 33, 100_000] {
        fs::write(&path, vec![1; length]).unwrap();
        assert!(matches!(KeyFile::open(&path), Err(Error::Damaged { .. })), "{length} bytes");
    }
    // Another key of the right form.
    fs::write(&path, [1; 32]).unwrap();
    let other = KeyFile::open(&path).unwrap();
    let sealed = SealedRing::open(&rings.path()).unwrap();
    for _ in 0..5 {
        assert!(matches!(sealed.unseal(&other, &hardened()), Err(Error::DoesNotUnseal)), "256 bits need no slowing");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(KeyFile::open(&path), Err(Error::Read { .. })));
}

#[test]
fn slots_come_and_go_and_the_last_stays() {
    let mut rings = Rings::new();
    let (one, two) = (passphrase("one"), passphrase("two"));
    let sealed = SealedRing::open(&rings.path()).unwrap();
    assert!(matches!(sealed.unseal(&one, &hardened()), Err(Error::NoSlot { provider: "passphrase" })));
    let slots = [rings.ring.add_slot(&one).unwrap(), rings.ring.add_slot(&two).unwrap()];
    assert!(slots.iter().all(|slot| slot.kind == ProviderKind::Passphrase));
    for text in ["one", "two"] {
        unseal(&sealed, text).unwrap();
    }
    rings.again().unwrap();
    let all = rings.ring.slots().unwrap();
    assert_eq!(all.len(), 3);
    rings.ring.remove_slot(slots[0].id).unwrap();
    assert!(matches!(rings.ring.remove_slot(slots[0].id), Err(Error::NoSlot { .. })));
    assert!(matches!(unseal(&sealed, "one"), Err(Error::DoesNotUnseal)));
    unseal(&sealed, "two").unwrap();
    let key_file = all.iter().find(|slot| slot.kind == ProviderKind::KeyFile).unwrap().id;
    rings.ring.remove_slot(key_file).unwrap();
    assert!(matches!(rings.ring.remove_slot(slots[1].id), Err(Error::LastSlot)));

    // Another ring key: old slots are gone, who had the ring open sees nothing of it any more, and every key is there.
    let stale = sealed.unseal(&two, &hardened()).unwrap();
    let audit = rings.ring.dataset(&SUPPORT).unwrap().audit_key().clone();
    rings.ring.rekey(&rings.provider).unwrap();
    assert!(matches!(stale.dataset(&SUPPORT), Err(Error::Damaged { .. })));
    assert!(matches!(unseal(&sealed, "two"), Err(Error::NoSlot { .. })));
    assert_eq!(rings.ring.dataset(&SUPPORT).unwrap().audit_key().expose(), audit.expose());
    assert_eq!(rings.again().unwrap().dataset(&SUPPORT).unwrap().audit_key().expose(), audit.expose());
    rings.ring.add_tenant("new").unwrap();
    // Seventeen slots are too many.
    for _ in 1..16 {
        rings.ring.add_slot(&rings.provider).unwrap();
    }
    assert!(matches!(rings.ring.add_slot(&rings.provider), Err(Error::Malformed { .. })));
    assert_eq!(rings.again().unwrap().slots().unwrap().len(), 16);
}

#[cfg(target_os = "linux")]
#[test]
fn the_kernels_keyring_opens_a_ring_until_its_key_goes() {
    use cloister_vault::keys::KernelKeyring;
    let rings = Rings::new();
    let keyring = KernelKeyring::new(&format!("cloister-test:{}", std::process::id())).unwrap();
    match rings.ring.add_slot(&keyring) {
        // Containers are often denied the system call.
        Err(Error::Provider { reason, .. }) if std::env::var_os("CLOISTER_REQUIRE_SERVERS").is_none() => {
            eprintln!("SKIPPED: the kernel's keyring: {reason}");
            return;
        }
        added => assert_eq!(added.unwrap().kind, ProviderKind::KernelKeyring),
    }
    let sealed = SealedRing::open(&rings.path()).unwrap();
    sealed.unseal(&keyring, &hardened()).unwrap();
    // Another slot takes the same key.
    rings.ring.add_slot(&keyring).unwrap();
    sealed.unseal(&keyring, &hardened()).unwrap();
    keyring.remove().unwrap();
    keyring.remove().unwrap();
    assert!(matches!(sealed.unseal(&keyring, &hardened()), Err(Error::Provider { .. })));
    // A fresh key under the same description is another key.
    let other = Rings::new();
    other.ring.add_slot(&keyring).unwrap();
    assert!(matches!(sealed.unseal(&keyring, &hardened()), Err(Error::DoesNotUnseal)));
    keyring.remove().unwrap();
    assert!(KernelKeyring::new("a\0b").is_err());
}
