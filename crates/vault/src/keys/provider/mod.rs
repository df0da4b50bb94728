//! What opens a key ring: each provider wraps the ring key in a slot of the file, and unwraps it again.
//!
//! Invariant: a provider gives the ring key or says that it does not open, and nothing in between; what it writes into its
//! slot holds no secret in the clear. Parameters that were read are bounded before anything is computed with them.

mod key_file;
#[cfg(target_os = "linux")]
mod keyring;
mod passphrase;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod transit;

pub use key_file::KeyFile;
#[cfg(target_os = "linux")]
pub use keyring::KernelKeyring;
pub use passphrase::{Argon2Cost, Passphrase};
#[cfg(feature = "pkcs11")]
pub use pkcs11::Pkcs11Token;
pub use transit::{Transit, Transport};

use super::{KeyBytes, wrapping_key};
use crate::Result;
use crate::sealed::key::WRAPPED_BYTES;
use crate::sealed::{DataKey, Id};

/// What a provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderKind {
    /// Somebody knows it.
    Passphrase,
    /// 32 bytes in a file.
    KeyFile,
    /// 32 bytes in the kernel's keyring.
    KernelKeyring,
    /// A key inside a PKCS#11 token.
    Pkcs11,
    /// A key inside a Vault or OpenBao server.
    Transit,
}

impl ProviderKind {
    const ALL: [Self; 5] = [Self::Passphrase, Self::KeyFile, Self::KernelKeyring, Self::Pkcs11, Self::Transit];

    /// Its name, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::KeyFile => "key file",
            Self::KernelKeyring => "kernel's keyring",
            Self::Pkcs11 => "PKCS#11 token",
            Self::Transit => "transit server",
        }
    }

    /// Whether people choose its secret, so that it could be guessed; tries are counted then.
    #[must_use]
    pub const fn is_guessable(self) -> bool {
        matches!(self, Self::Passphrase | Self::Pkcs11)
    }

    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Passphrase => 1,
            Self::KeyFile => 2,
            Self::KernelKeyring => 3,
            Self::Pkcs11 => 4,
            Self::Transit => 5,
        }
    }

    pub(super) fn of_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }
}

/// What can open a key ring.
pub trait Provider {
    /// What it is.
    fn kind(&self) -> ProviderKind;

    /// Wraps the ring key for a slot; gives the slot's payload.
    ///
    /// # Errors
    /// [`Error::Provider`](crate::Error::Provider) and others that keep it from doing so.
    fn wrap(&self, key: &DataKey, context: &[u8]) -> Result<Vec<u8>>;

    /// The ring key of a slot.
    ///
    /// # Errors
    /// [`Error::KeyDoesNotOpen`](crate::Error::KeyDoesNotOpen) if the secret is not the one of the slot; others that keep it
    /// from knowing.
    fn unwrap(&self, payload: &[u8], context: &[u8]) -> Result<DataKey>;
}

/// Wraps the ring key under a secret of 32 random bytes.
fn wrap_under(secret: &KeyBytes, key: &DataKey, context: &[u8]) -> Result<[u8; WRAPPED_BYTES]> {
    wrapping_key(Id([0; 16]), secret, context)?.wrap(key)
}

/// Unwraps it.
fn unwrap_under(secret: &KeyBytes, payload: &[u8], context: &[u8]) -> Result<DataKey> {
    let wrapped = payload.try_into().map_err(|_| crate::Error::KeyDoesNotOpen)?;
    wrapping_key(Id([0; 16]), secret, context)?.unwrap(wrapped)
}
