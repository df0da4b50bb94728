//! 32 random bytes in the keyring that the Linux kernel keeps for a user (keyrings(7), user-keyring(7)).
//!
//! ```text
//! payload: wrapped ring key (40)
//! ```
//!
//! Invariant: the key is in memory of the kernel only, never in a file: after a restart of the machine it is gone, and so is
//! this way into the ring. It spares a passphrase until then, and is a second slot, not the only one.

use linux_keyutils::{Key, KeyError, KeyPermissionsBuilder, KeyRing, KeyRingIdentifier, Permission};
use zeroize::Zeroizing;

use super::{Provider, ProviderKind, unwrap_under, wrap_under};
use crate::keys::KeyBytes;
use crate::sealed::DataKey;
use crate::{Error, Result, random};

/// A key of the user's keyring.
#[derive(Clone, Debug)]
pub struct KernelKeyring {
    description: String,
}

impl KernelKeyring {
    /// The key of a description, such as `cloister:` and the name of a project. It is made with the first slot that needs it.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the description is empty, has control characters, or is longer than 255 bytes.
    pub fn new(description: &str) -> Result<Self> {
        crate::keys::file::check_name(description)?;
        Ok(Self { description: description.into() })
    }

    /// Removes the key, and with it this way into every ring that has a slot of it.
    ///
    /// # Errors
    /// [`Error::Provider`].
    pub fn remove(&self) -> Result<()> {
        match self.search()? {
            Some(key) => user_keyring()?.unlink_key(key).map_err(failed),
            None => Ok(()),
        }
    }

    fn search(&self) -> Result<Option<Key>> {
        match user_keyring()?.search(&self.description) {
            Ok(key) => Ok(Some(key)),
            // One that somebody revoked, or gave an end, is still found for a while.
            Err(KeyError::KeyDoesNotExist | KeyError::KeyRevoked | KeyError::KeyExpired) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn find(&self) -> Result<Option<KeyBytes>> {
        let Some(key) = self.search()? else { return Ok(None) };
        // One byte more, so that a longer key is seen.
        let mut bytes = Zeroizing::new([0; 33]);
        let length = key.read(&mut *bytes).map_err(failed)?;
        let (key, rest) = bytes.split_first_chunk().ok_or(Error::KeyDoesNotOpen)?;
        if length + rest.len() == bytes.len() {
            Ok(Some(KeyBytes::new(*key)))
        } else {
            Err(Error::Malformed { format: "key of the kernel's keyring", reason: "it has not 32 bytes" })
        }
    }

    fn make(&self) -> Result<KeyBytes> {
        let mut secret = KeyBytes::default();
        random::fill(secret.as_mut())?;
        let key = user_keyring()?.add_key(&self.description, secret.as_ref()).map_err(failed)?;
        // Sessions of the user that do not possess the keyring, such as those of cron, reach it as the user.
        let mine = KeyPermissionsBuilder::builder().posessor(Permission::ALL).user(Permission::ALL).build();
        key.set_perms(mine).map_err(failed)?;
        Ok(secret)
    }
}

impl Provider for KernelKeyring {
    fn kind(&self) -> ProviderKind {
        ProviderKind::KernelKeyring
    }

    fn wrap(&self, key: &DataKey, context: &[u8]) -> Result<Vec<u8>> {
        let secret = match self.find()? {
            Some(secret) => secret,
            None => self.make()?,
        };
        Ok(wrap_under(&secret, key, context)?.into())
    }

    fn unwrap(&self, payload: &[u8], context: &[u8]) -> Result<DataKey> {
        let absent = "it is not there; it goes when the machine restarts";
        let secret = self.find()?.ok_or_else(|| provider(absent.into()))?;
        unwrap_under(&secret, payload, context)
    }
}

fn user_keyring() -> Result<KeyRing> {
    KeyRing::from_special_id(KeyRingIdentifier::User, true).map_err(failed)
}

fn failed(error: KeyError) -> Error {
    provider(error.to_string())
}

fn provider(reason: String) -> Error {
    Error::Provider { provider: ProviderKind::KernelKeyring.name(), reason }
}
