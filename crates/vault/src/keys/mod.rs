//! Keys: who can open what is sealed, from a passphrase down to the key of one file or one person.
//!
//! ```text
//! Provider: passphrase · key file · kernel's keyring · PKCS#11 token · transit server
//!    │ each wraps the ring key in a slot of its own; any one of them unseals
//! ring key            random, in memory that is not swapped where that is allowed
//!    │ wraps
//! tenant keys         in versions: the last wraps, those before open only
//!    │ wrap, for one tenant, dataset, purpose, use and version
//! dataset keys        objects (a Kek, in versions) · subjects (in versions) · audit · tokens
//!    │ wrap
//! data keys           one per sealed file, in its header      one per subject, kept by the caller
//! ```
//!
//! All but the last row is in one file, the key ring ([`RingFile`]), which holds wrapped keys only. A process begins with a
//! [`SealedRing`]; a provider turns it into an [`UnsealedRing`]; that gives [`DatasetKeys`], which seal and open.
//!
//! Invariant: every key is random, and none is derived from another: what was destroyed is gone. A key is wrapped under a key
//! of its context (HKDF-Expand-SHA-512 of the one above, RFC 5869; then AES-256-KWP, RFC 5649), so that it opens in its
//! tenant, dataset and purpose only, as the use and version that it is. No type here that holds a secret has `Debug` or
//! `Display`.
//!
//! ```
//! use cloister_vault::keys::{Hardened, KeyContext, Passphrase, SealedRing, UnsealedRing};
//! use cloister_vault::sealed::Kind;
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("keys.clo");
//! let hardened = Hardened::apply()?;
//! let ring = UnsealedRing::create(&path, &Passphrase::new("correct horse battery staple")?, &hardened)?;
//! ring.add_tenant("acme")?;
//! ring.add_dataset("acme", "tickets", &["support"])?;
//! let support = KeyContext { tenant: "acme", dataset: "tickets", purpose: "support" };
//! let mut writer = ring.dataset(&support)?.seal_object(Vec::new(), Kind::Snapshot, "1")?;
//! writer.append(b"state")?;
//! let (sealed, _) = writer.finish()?;
//! drop(ring);
//!
//! let ring = SealedRing::open(&path)?;
//! assert!(ring.unseal(&Passphrase::new("a guess")?, &hardened).is_err());
//! let ring = ring.unseal(&Passphrase::new("correct horse battery staple")?, &hardened)?;
//! assert_eq!(ring.dataset(&support)?.open_object(&sealed[..], Kind::Snapshot, "1")?.length(), 5);
//! assert!(ring.dataset(&KeyContext { purpose: "marketing", ..support }).is_err());
//! # Ok::<(), cloister_vault::Error>(())
//! ```

mod attempts;
mod dataset;
mod file;
mod hardening;
mod hierarchy;
mod provider;
mod ring;

pub use dataset::{DatasetKeys, OpeningKeys, SubjectKey, WrappedKey};
pub use file::RingFile;
pub use hardening::Hardened;
pub use hierarchy::KeyVersion;
#[cfg(target_os = "linux")]
pub use provider::KernelKeyring;
#[cfg(feature = "pkcs11")]
pub use provider::Pkcs11Token;
pub use provider::{Argon2Cost, KeyFile, Passphrase, Provider, ProviderKind, Transit, Transport};
pub use ring::{SealedRing, Slot, Step, UnsealedRing};

use aws_lc_rs::hkdf::{HKDF_SHA512, KeyType, Prk};
use zeroize::Zeroizing;

use crate::sealed::key::KEY_BYTES;
use crate::sealed::{Id, Kek};
use crate::{Error, Result};

/// The bytes of a key; wiped when they go.
type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// What a dataset's keys are for. They open nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyContext<'a> {
    /// The tenant's id.
    pub tenant: &'a str,
    /// The dataset's id.
    pub dataset: &'a str,
    /// What the data may be used for (GDPR, article 5(1)(b)).
    pub purpose: &'a str,
}

/// A context: what it is of, then its parts, each behind its length in two bytes, big end first.
fn context(of: &str, parts: &[&[u8]]) -> Result<Vec<u8>> {
    let mut context = Vec::from(b"cloister key ring v1");
    for part in [of.as_bytes()].iter().chain(parts) {
        let long = Error::Malformed { format: "context of a key", reason: "a part is longer than 65535 bytes" };
        context.extend(u16::try_from(part.len()).map_err(|_| long)?.to_be_bytes());
        context.extend_from_slice(part);
    }
    Ok(context)
}

struct OneKey;

impl KeyType for OneKey {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

/// The key that `secret`, itself a random key, gives for one context.
fn derive(secret: &[u8; KEY_BYTES], context: &[u8]) -> Result<KeyBytes> {
    let mut key = KeyBytes::default();
    let filled = Prk::new_less_safe(HKDF_SHA512, secret)
        .expand(&[context], OneKey)
        .and_then(|expanded| expanded.fill(key.as_mut()));
    filled.map_err(|_| Error::KeyDoesNotOpen)?;
    Ok(key)
}

/// What wraps, and unwraps, in one context only.
fn wrapping_key(id: Id, secret: &[u8; KEY_BYTES], context: &[u8]) -> Result<Kek> {
    Ok(Kek::new(id, derive(secret, context)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn no_two_lists_of_parts_give_one_context() {
        let lists: [(&str, &[&[u8]]); 7] = [
            ("a", &[b"bc", b"d"]),
            ("a", &[b"b", b"cd"]),
            ("a", &[b"bcd"]),
            ("ab", &[b"c", b"d"]),
            ("a", &[b"bc", b"d", b""]),
            ("a", &[b"", b"bc", b"d"]),
            ("", &[b"a", b"bc", b"d"]),
        ];
        let contexts: Vec<Vec<u8>> = lists.iter().map(|(of, parts)| context(of, parts).unwrap()).collect();
        let keys: Vec<KeyBytes> = contexts.iter().map(|context| derive(&[7; 32], context).unwrap()).collect();
        for (at, key) in keys.iter().enumerate() {
            assert!(keys[..at].iter().all(|other| other != key), "list {at}");
        }
        assert!(context("a", &[&[0; 65_536]]).is_err());
    }

    #[test]
    fn a_key_is_derived_as_rfc_5869_says() {
        // T(1) of HKDF-Expand is HMAC(PRK, info | 0x01); its first 32 bytes are the key.
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA512, &[7; 32]);
        let expected = aws_lc_rs::hmac::sign(&key, b"info\x01");
        assert_eq!(derive(&[7; 32], b"info").unwrap()[..], expected.as_ref()[..32]);
    }
}
