//! A key inside a HashiCorp Vault or OpenBao server: its transit engine encrypts and decrypts, and never gives the key away.
//!
//! ```text
//! POST v1/MOUNT/encrypt/KEY  {"plaintext": base64, "associated_data": base64}   → {"data": {"ciphertext": "vault:v1:…"}}
//! POST v1/MOUNT/decrypt/KEY  {"ciphertext": "vault:v1:…", "associated_data": …} → {"data": {"plaintext": base64}}
//! payload: the ciphertext, as it came
//! ```
//!
//! Source: the API documentation of the transit secrets engine. The key is of a kind that authenticates associated data:
//! `aes256-gcm96`, which a transit key is by default, or `chacha20-poly1305`. To rotate it inside the server changes nothing
//! here; a slot that was made anew is under its newest version.
//!
//! Invariant: this crate opens no socket: whoever calls brings a [`Transport`] that speaks HTTPS to one server and shows it a
//! token. The context of the slot is associated data, so that a ciphertext opens in its slot of its ring only.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Provider, ProviderKind};
use crate::encoding::{base64, from_base64};
use crate::keys::KeyBytes;
use crate::sealed::DataKey;
use crate::{Error, Result};

/// The longest ciphertext that is kept.
const CIPHERTEXT_BYTES: usize = 1024;

/// Sends a request to the server.
pub trait Transport {
    /// Posts JSON to a path such as `v1/transit/encrypt/name`, with the token; gives the body of the answer.
    ///
    /// # Errors
    /// [`std::io::ErrorKind::InvalidInput`] for the status 400, by which the server says that a ciphertext is not one of its
    /// key. Any other error for another status than 200 and 204, and for no answer; its text must not repeat a body.
    fn post(&self, path: &str, body: &[u8]) -> std::io::Result<Zeroizing<Vec<u8>>>;
}

/// A key of a transit engine.
pub struct Transit<T> {
    transport: T,
    mount: String,
    key: String,
}

impl<T: Transport> Transit<T> {
    /// The key of a name, of the engine that is mounted at `mount` (`transit` by default).
    ///
    /// # Errors
    /// [`Error::Malformed`] for a name that is not letters, digits, `_`, `-` and `.`; in a mount `/` too, inside.
    pub fn new(transport: T, mount: &str, key: &str) -> Result<Self> {
        let plain = |part: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            !part.is_empty() && part.bytes().all(known) && part.bytes().any(|byte| byte != b'.')
        };
        if !mount.split('/').all(plain) || !plain(key) {
            return Err(Error::Malformed { format: "name in a transit engine", reason: "it has another character" });
        }
        Ok(Self { transport, mount: mount.into(), key: key.into() })
    }

    /// Sends fields, none of which needs an escape in JSON.
    fn post<A: for<'a> Deserialize<'a>>(&self, verb: &str, fields: [(&str, &str); 2]) -> Result<A> {
        let path = format!("v1/{}/{verb}/{}", self.mount, self.key);
        let room = fields.iter().map(|(name, value)| name.len() + value.len() + 6).sum::<usize>() + 2;
        let mut body = Zeroizing::new(String::with_capacity(room));
        for (at, (name, value)) in fields.iter().enumerate() {
            let parts = [if at == 0 { "{\"" } else { ",\"" }, name, "\":\"", value, "\""];
            parts.iter().for_each(|part| body.push_str(part));
        }
        body.push('}');
        let answer = self.transport.post(&path, body.as_bytes()).map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidInput => Error::KeyDoesNotOpen,
            _ => provider(error.to_string()),
        })?;
        // Errors of the parser can repeat what they read.
        let answer: Answer<A> =
            serde_json::from_slice(&answer).map_err(|_| provider("its answer is not known".into()))?;
        Ok(answer.data)
    }
}

#[derive(Deserialize)]
struct Answer<A> {
    data: A,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Decrypted {
    plaintext: String,
}

impl<T: Transport> Provider for Transit<T> {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Transit
    }

    fn wrap(&self, key: &DataKey, context: &[u8]) -> Result<Vec<u8>> {
        let plaintext = Zeroizing::new(base64(key.expose()));
        let fields = [("plaintext", plaintext.as_str()), ("associated_data", &base64(context))];
        let Encrypted { ciphertext } = self.post("encrypt", fields).map_err(|error| match error {
            Error::KeyDoesNotOpen => provider("it refuses to encrypt with this key".into()),
            other => other,
        })?;
        check(&ciphertext)?;
        Ok(ciphertext.into_bytes())
    }

    fn unwrap(&self, payload: &[u8], context: &[u8]) -> Result<DataKey> {
        let ciphertext = std::str::from_utf8(payload).map_err(|_| Error::KeyDoesNotOpen)?;
        check(ciphertext)?;
        let fields = [("ciphertext", ciphertext), ("associated_data", &base64(context))];
        let Decrypted { plaintext } = self.post("decrypt", fields)?;
        let plaintext = Zeroizing::new(plaintext);
        let bytes = from_base64(&plaintext).map(Zeroizing::new).ok_or(Error::KeyDoesNotOpen)?;
        let mut key = KeyBytes::default();
        if bytes.len() != key.len() {
            return Err(Error::KeyDoesNotOpen);
        }
        key.copy_from_slice(&bytes);
        Ok(DataKey::from_bytes(key))
    }
}

/// A ciphertext is `vault:`, its key's version, and base 64: nothing that needs an escape.
fn check(ciphertext: &str) -> Result<()> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b":+/=_-.".contains(&byte);
    let malformed = Error::Malformed { format: "ciphertext of a transit engine", reason: "it has another form" };
    if ciphertext.len() <= CIPHERTEXT_BYTES && ciphertext.contains(':') && ciphertext.bytes().all(known) {
        Ok(())
    } else {
        Err(malformed)
    }
}

fn provider(reason: String) -> Error {
    Error::Provider { provider: ProviderKind::Transit.name(), reason }
}
