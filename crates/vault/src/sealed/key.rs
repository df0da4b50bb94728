//! Keys of sealed data, and keys that wrap them.
//!
//! Invariant: data keys are random, never derived, so that one that was destroyed is gone. They leave memory only wrapped by
//! AES-256-KWP (RFC 5649, NIST SP 800-38F): it needs no nonce, the result has 40 bytes, and hardware modules speak it too.

use std::fmt;

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded as _};
use zeroize::Zeroizing;

use crate::encoding::hex;
use crate::{Error, Result, random};

/// Bytes of a wrapped data key.
pub const WRAPPED_BYTES: usize = 40;
/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// The id of an object or of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub [u8; 16]);

impl Id {
    /// A fresh one.
    ///
    /// # Errors
    /// [`Error::NoRandomness`].
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        random::fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

/// The key of one object, or of one subject's records. Wiped when it goes.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; KEY_BYTES]>);

impl DataKey {
    /// A fresh one.
    ///
    /// # Errors
    /// [`Error::NoRandomness`].
    pub fn random() -> Result<Self> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        random::fill(key.as_mut())?;
        Ok(Self(key))
    }

    /// One that is there already.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self(bytes)
    }

    /// Its bytes: a secret.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

/// A key that wraps others. Wiped when it goes.
#[derive(Clone)]
pub struct Kek {
    id: Id,
    key: Zeroizing<[u8; KEY_BYTES]>,
}

impl Kek {
    /// A key with its id.
    #[must_use]
    pub fn new(id: Id, key: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self { id, key }
    }

    /// A fresh one.
    ///
    /// # Errors
    /// [`Error::NoRandomness`].
    pub fn random() -> Result<Self> {
        Ok(Self { id: Id::random()?, key: DataKey::random()?.0 })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// Wraps a data key.
    ///
    /// # Errors
    /// [`Error::KeyDoesNotOpen`] if the library refuses.
    pub fn wrap(&self, key: &DataKey) -> Result<[u8; WRAPPED_BYTES]> {
        let mut wrapped = [0; WRAPPED_BYTES];
        let kek = AesKek::new(&AES_256, self.key.as_ref()).map_err(|_| Error::KeyDoesNotOpen)?;
        let length = kek.wrap_with_padding(key.0.as_ref(), &mut wrapped).map_err(|_| Error::KeyDoesNotOpen)?.len();
        if length == WRAPPED_BYTES { Ok(wrapped) } else { Err(Error::KeyDoesNotOpen) }
    }

    /// Unwraps a data key.
    ///
    /// # Errors
    /// [`Error::KeyDoesNotOpen`] for what this key has not wrapped.
    pub fn unwrap(&self, wrapped: &[u8; WRAPPED_BYTES]) -> Result<DataKey> {
        // The library asks for room for the padding too.
        let mut room = Zeroizing::new([0; WRAPPED_BYTES]);
        let kek = AesKek::new(&AES_256, self.key.as_ref()).map_err(|_| Error::KeyDoesNotOpen)?;
        let key = kek.unwrap_with_padding(wrapped, room.as_mut()).map_err(|_| Error::KeyDoesNotOpen)?;
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        if key.len() != KEY_BYTES {
            return Err(Error::KeyDoesNotOpen);
        }
        bytes.copy_from_slice(key);
        Ok(DataKey(bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_wrapped_key_opens_under_its_kek_only() {
        let (kek, other, key) = (Kek::random().unwrap(), Kek::random().unwrap(), DataKey::random().unwrap());
        let wrapped = kek.wrap(&key).unwrap();
        assert_eq!(kek.unwrap(&wrapped).ok().unwrap().expose(), key.expose());
        assert!(matches!(other.unwrap(&wrapped), Err(Error::KeyDoesNotOpen)));
        for at in 0..WRAPPED_BYTES {
            let mut changed = wrapped;
            changed[at] ^= 1;
            assert!(matches!(kek.unwrap(&changed), Err(Error::KeyDoesNotOpen)));
        }
        // A shorter key, wrapped by the same: the padding is right and the length is not that of a key.
        let mut short = [0; WRAPPED_BYTES];
        let same = AesKek::new(&AES_256, kek.key.as_ref()).unwrap();
        assert_eq!(same.wrap_with_padding(&[7; 31], &mut short).unwrap().len(), WRAPPED_BYTES);
        assert!(matches!(kek.unwrap(&short), Err(Error::KeyDoesNotOpen)));
    }
}
