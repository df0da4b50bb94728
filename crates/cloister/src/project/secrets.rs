//! The secrets of a project itself: what signs its log, guards its rows, hides parameters and seals notes.
//!
//! ```text
//! secrets.clo: a sealed object of a dataset that is reserved for it; in it, one line each:
//! "cloister.secrets.v1"
//! log      the key that signs the log, as a text of note keys
//! rows     the key of the rows' MACs, in hexadecimal digits as those that follow
//! salt     the key of salted hashes
//! notes    the key of what people write into the log
//! project  SHA-256 of project.json
//! ```
//!
//! Invariant: they rest sealed under a key of the ring that is for them alone, and are wiped when they go. They hold the digest
//! of `project.json`, so that what is public cannot be another's.

use cloister_vault::keys::{KeyContext, UnsealedRing};
use cloister_vault::log::entry::Digest;
use cloister_vault::log::{SignatureKind, SignerKey};
use cloister_vault::sealed::{DataKey, Kind, cobblestone};
use cloister_vault::store::{Detail, RowKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::places::{Manifest, Places, read, write};
use super::{Error, Result};
use crate::files::{Keep, hex};
use crate::keys::{self, Key};

/// The dataset, and the purpose, whose keys are the project's own. No dataset of people has such a name.
pub(super) const RESERVED: &str = ".project";

const HEAD: &str = "cloister.secrets.v1";
const VERSION: &str = "1";
const NOTE: &[u8] = b"cloister note v1";

/// The secrets that work on a project goes on needing. Wiped when they go.
pub(super) struct Secrets {
    salt: Key,
    notes: DataKey,
}

/// The secrets that the store takes.
pub(super) struct ForStore {
    pub(super) signer: SignerKey,
    pub(super) rows: RowKey,
}

impl Secrets {
    /// Makes the secrets of a new project, and its two files that rest on them.
    pub(super) fn create(places: &Places, ring: &UnsealedRing, tenant: &str, preset: &str) -> Result<ForStore> {
        let signer = SignerKey::generate(&format!("cloister.local/{tenant}"), SignatureKind::Ed25519)?;
        let rows = RowKey::random()?;
        let manifest = Manifest::new(tenant, preset, signer.verifier().to_string()).to_bytes();
        let [salt, notes] = [DataKey::random()?, DataKey::random()?];
        let digits = |bytes: &[u8]| Zeroizing::new(hex(bytes));
        let lines = [
            ("log", signer.to_text()),
            ("rows", digits(rows.expose())),
            ("salt", digits(salt.expose())),
            ("notes", digits(notes.expose())),
            ("project", digits(&Sha256::digest(&manifest))),
        ];
        let mut text = Zeroizing::new(String::with_capacity(1024));
        text.push_str(HEAD);
        for (name, value) in &lines {
            for part in ["\n", *name, " ", value.as_str()] {
                text.push_str(part);
            }
        }
        let mut writer = ring.dataset(&reserved(tenant))?.seal_object(Vec::new(), Kind::Blob, VERSION)?;
        writer.append(text.as_bytes())?;
        let (sealed, _) = writer.finish()?;
        write(&places.secrets(), &sealed, Keep::Private)?;
        write(&places.manifest(), &manifest, Keep::SharedNew)?;
        Ok(ForStore { signer, rows })
    }

    /// Opens the secrets, and holds what is public against them.
    pub(super) fn open(
        places: &Places,
        ring: &UnsealedRing,
        (manifest, bytes): (&Manifest, &[u8]),
    ) -> Result<(Self, ForStore)> {
        let keys = ring.dataset(&reserved(&manifest.tenant)).map_err(|error| match error {
            // The ring is whole, so it is project.json that names another tenant.
            cloister_vault::Error::NoKey { .. } => changed(places),
            error => error.into(),
        })?;
        let missing = || Error::Broken { path: places.secrets(), reason: "is missing" };
        let sealed = read(&places.secrets())?.ok_or_else(missing)?;
        let reader = keys.open_object(&sealed[..], Kind::Blob, VERSION)?;
        let mut text = Zeroizing::new(vec![0; usize::try_from(reader.length()).unwrap_or(0).min(sealed.len())]);
        reader.read_at(&mut text, 0)?;
        let parsed = parse(&text).ok_or_else(|| Error::Broken {
            path: places.secrets(),
            reason: "is damaged: it has not the secrets of a project",
        })?;
        let (secrets, store, digest) = parsed;
        if Sha256::digest(bytes)[..] != digest[..] || manifest.log_key != store.signer.verifier().to_string() {
            return Err(changed(places));
        }
        Ok((secrets, store))
    }

    /// What the log says of a request's parameters: enough to confirm them to whoever has the project, and nothing to others.
    pub(super) fn hash<'a>(&self, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Digest> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.salt.as_ref()).ok()?;
        for part in parameters.into_iter().flat_map(|(name, value)| [name, value]) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Some(Digest(mac.finalize().into_bytes().into()))
    }

    /// What somebody wrote, sealed: the log commits to it, and it can be destroyed.
    pub(super) fn note(&self, text: &str) -> Result<Detail> {
        Ok(Detail::new(cobblestone::seal(&self.notes, NOTE, text.as_bytes())?)?)
    }
}

fn reserved(tenant: &str) -> KeyContext<'_> {
    KeyContext { tenant, dataset: RESERVED, purpose: RESERVED }
}

fn changed(places: &Places) -> Error {
    Error::Broken { path: places.manifest(), reason: "is not the one that was written with the project's secrets" }
}

fn parse(text: &[u8]) -> Option<(Secrets, ForStore, Key)> {
    let mut lines = std::str::from_utf8(text).ok()?.split('\n');
    if lines.next()? != HEAD {
        return None;
    }
    let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    let signer = SignerKey::parse(value("log")?).ok()?;
    let mut key = |name: &str| keys::of_text(value(name)?.as_bytes());
    let (rows, salt, notes, digest) = (key("rows")?, key("salt")?, key("notes")?, key("project")?);
    let secrets = Secrets { salt, notes: DataKey::from_bytes(notes) };
    Some((secrets, ForStore { signer, rows: RowKey::from_bytes(rows) }, digest))
}
