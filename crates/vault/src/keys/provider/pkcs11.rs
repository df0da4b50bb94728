//! A key inside a PKCS#11 token (OASIS PKCS #11 v2.40): a smart card, an HSM, or SoftHSM.
//!
//! ```text
//! payload: ring key, wrapped inside the token by CKM_AES_KEY_WRAP (RFC 3394) (40)
//! ```
//!
//! Invariant: the wrapping key was made in the token and is refused where it could be taken out. It wraps without a context;
//! the HMAC of the file holds the slot in its ring. What the token unwraps is an object of the session, which is read and
//! destroyed. The module of the token is code of somebody else inside this process, as `unsafe` as any; it comes from a path
//! that the operator names, and only with the feature `pkcs11`.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as TokenError, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Provider, ProviderKind};
use crate::keys::KeyBytes;
use crate::sealed::DataKey;
use crate::{Error, Result};

/// Who is logged in is one for all sessions of a process, so there is one session at a time.
static ONE_SESSION: Mutex<()> = Mutex::new(());

/// A key of a token, and the PIN of its user.
pub struct Pkcs11Token {
    module: Pkcs11,
    token: String,
    key: String,
    pin: AuthPin,
}

impl Pkcs11Token {
    /// The key with the label `key` in the token with the label `token`, through the module at a path.
    ///
    /// # Errors
    /// [`Error::Provider`] if the module does not load.
    pub fn new(module: &Path, token: &str, key: &str, pin: &str) -> Result<Self> {
        let module = Pkcs11::new(module).map_err(failed)?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Another part of this process uses the same module.
            Ok(()) | Err(TokenError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(failed(error)),
        }
        Ok(Self { module, token: token.into(), key: key.into(), pin: AuthPin::new(pin.into()) })
    }

    /// Makes the key in the token: AES of 256 bits that wraps and unwraps, does nothing else, and never leaves.
    ///
    /// # Errors
    /// [`Error::Provider`], also if there is a key with the label; [`Error::KeyDoesNotOpen`] for a wrong PIN.
    pub fn make_key(&self) -> Result<()> {
        self.in_session(true, |session| {
            if !session.find_objects(&self.template()).map_err(failed)?.is_empty() {
                return Err(provider("it has a key with this label"));
            }
            let mut template = self.template();
            template.extend([
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Wrap(true),
                Attribute::Unwrap(true),
                Attribute::Encrypt(false),
                Attribute::Decrypt(false),
                Attribute::ValueLen((KeyBytes::default().len() as u64).into()),
            ]);
            session.generate_key(&Mechanism::AesKeyGen, &template).map_err(failed)?;
            Ok(())
        })
    }

    fn template(&self) -> Vec<Attribute> {
        vec![
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(self.key.clone().into_bytes()),
        ]
    }

    fn in_session<T>(&self, writes: bool, work: impl FnOnce(&Session) -> Result<T>) -> Result<T> {
        let _one = ONE_SESSION.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = self.slot()?;
        let session = match writes {
            true => self.module.open_rw_session(slot),
            false => self.module.open_ro_session(slot),
        };
        let session = session.map_err(failed)?;
        session.login(UserType::User, Some(&self.pin)).map_err(failed)?;
        let done = work(&session);
        // The last session that is closed logs out.
        session.close().map_err(failed)?;
        done
    }

    fn slot(&self) -> Result<Slot> {
        let mut found = Vec::new();
        for slot in self.module.get_slots_with_initialized_token().map_err(failed)? {
            if self.module.get_token_info(slot).map_err(failed)?.label() == self.token {
                found.push(slot);
            }
        }
        match found[..] {
            [slot] => Ok(slot),
            [] => Err(provider("no token has this label")),
            _ => Err(provider("several tokens have this label")),
        }
    }

    /// The wrapping key, which cannot be taken out of the token.
    fn wrapping_key(&self, session: &Session) -> Result<ObjectHandle> {
        let found = session.find_objects(&self.template()).map_err(failed)?;
        let [key] = found[..] else { return Err(provider("it has no key with this label, or several")) };
        let wanted = [AttributeType::Extractable, AttributeType::Sensitive];
        let attributes = session.get_attributes(key, &wanted).map_err(failed)?;
        let stays = attributes.iter().any(|attribute| matches!(attribute, Attribute::Extractable(false)))
            && attributes.iter().any(|attribute| matches!(attribute, Attribute::Sensitive(true)));
        if stays { Ok(key) } else { Err(provider("the key can be taken out of it")) }
    }
}

impl Provider for Pkcs11Token {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Pkcs11
    }

    fn wrap(&self, key: &DataKey, _: &[u8]) -> Result<Vec<u8>> {
        self.in_session(false, |session| {
            let wrapping = self.wrapping_key(session)?;
            let mut template = session_key();
            template.push(Attribute::Value(key.expose().to_vec()));
            let made = session.create_object(&template);
            template.iter_mut().for_each(wipe);
            let object = made.map_err(failed)?;
            let wrapped = session.wrap_key(&Mechanism::AesKeyWrap, wrapping, object).map_err(failed);
            session.destroy_object(object).map_err(failed)?;
            wrapped
        })
    }

    fn unwrap(&self, payload: &[u8], _: &[u8]) -> Result<DataKey> {
        self.in_session(false, |session| {
            let wrapping = self.wrapping_key(session)?;
            let object = session.unwrap_key(&Mechanism::AesKeyWrap, wrapping, payload, &session_key());
            // Modules say in different words that it is wrapped under another key.
            let object = object.map_err(|_| Error::KeyDoesNotOpen)?;
            let read = session.get_attributes(object, &[AttributeType::Value]).map_err(failed);
            session.destroy_object(object).map_err(failed)?;
            let [Attribute::Value(value)] = &mut read?[..] else { return Err(provider("it gives no value")) };
            let value = Zeroizing::new(std::mem::take(value));
            let mut key = KeyBytes::default();
            if value.len() != key.len() {
                return Err(Error::KeyDoesNotOpen);
            }
            key.copy_from_slice(&value);
            Ok(DataKey::from_bytes(key))
        })
    }
}

/// A key that lives as long as the session, and whose value can be read.
fn session_key() -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
    ]
}

fn wipe(attribute: &mut Attribute) {
    if let Attribute::Value(value) = attribute {
        value.zeroize();
    }
}

fn failed(error: TokenError) -> Error {
    match error {
        TokenError::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _) => {
            Error::KeyDoesNotOpen
        }
        other => Error::Provider { provider: ProviderKind::Pkcs11.name(), reason: other.to_string() },
    }
}

fn provider(reason: &str) -> Error {
    Error::Provider { provider: ProviderKind::Pkcs11.name(), reason: reason.into() }
}
