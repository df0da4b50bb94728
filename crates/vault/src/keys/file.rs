//! The file of a key ring: wrapped keys, and what they are for.
//!
//! ```text
//! "CLOK" | version: 1 | ring's id (16) | generation (8)
//! number of slots (2), then each:        id (16) | kind of provider (1) | bytes of payload (2) | payload
//! number of tenant keys (4), then each:  tenant | version (4) | id (16) | wrapped under the ring key (40)
//! number of dataset keys (4), then each: tenant | dataset | purpose | use (1) | version (4) | id (16)
//!                                        | version of the tenant key (4) | wrapped under it (40)
//! HMAC-SHA-256 of all before, under a key that the ring key gives (32)
//! SHA-256 of all before (32)
//!
//! numbers big end first; a name is its bytes (1), from 1 to 255 of UTF-8 without control characters
//! ```
//!
//! Invariant: a ring has one form in bytes. Slots are in the order of their ids, keys in the order of all that stands before
//! their ids, each once; every dataset key has its tenant key. The last version of a key wraps, those before only open. The
//! digest finds damage before anybody is asked for a secret; the HMAC finds who wrote a digest too. The generation grows
//! with every writing, so that an older ring can be told from a newer one.

use aws_lc_rs::hmac;
use sha2::{Digest as _, Sha256};

use super::provider::ProviderKind;
use super::{KeyBytes, context, derive};
use crate::sealed::Id;
use crate::sealed::key::{KEY_BYTES, WRAPPED_BYTES};
use crate::{Error, Result};

/// The longest file that is read, in bytes: about a hundred thousand keys.
pub(super) const RING_BYTES: u64 = 16 << 20;

const MAGIC: &[u8; 4] = b"CLOK";
const VERSION: u8 = 1;
const TAG_BYTES: usize = 32;
const DIGEST_BYTES: usize = 32;
/// Most ways to open one ring.
const MOST_SLOTS: usize = 16;
/// The longest payload of a slot.
const PAYLOAD_BYTES: usize = 4096;
const NAME_BYTES: usize = 255;

/// What a key ring holds: nothing that is secret by itself.
#[derive(Clone, PartialEq, Eq)]
pub struct RingFile {
    pub(super) ring: Id,
    pub(super) generation: u64,
    pub(super) slots: Vec<SlotRow>,
    pub(super) tenant_keys: Vec<TenantKey>,
    pub(super) dataset_keys: Vec<DatasetKey>,
}

/// The ring key, as one provider has wrapped it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SlotRow {
    pub(super) id: Id,
    pub(super) kind: ProviderKind,
    pub(super) payload: Vec<u8>,
}

/// One version of a tenant's key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct TenantKey {
    pub(super) tenant: String,
    pub(super) version: u32,
    pub(super) id: Id,
    pub(super) wrapped: [u8; WRAPPED_BYTES],
}

/// What a dataset's key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Usage {
    /// It wraps the data keys of sealed files.
    Objects = 1,
    /// It wraps the keys of subjects.
    Subjects = 2,
    /// HMACs in the log.
    Audit = 3,
    /// Tokens and surrogates.
    Tokens = 4,
}

impl Usage {
    pub(super) const ALL: [Self; 4] = [Self::Objects, Self::Subjects, Self::Audit, Self::Tokens];
}

/// One version of a dataset's key, for one purpose.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct DatasetKey {
    pub(super) tenant: String,
    pub(super) dataset: String,
    pub(super) purpose: String,
    pub(super) usage: Usage,
    pub(super) version: u32,
    pub(super) id: Id,
    /// The version of the tenant's key that wraps it.
    pub(super) under: u32,
    pub(super) wrapped: [u8; WRAPPED_BYTES],
}

impl TenantKey {
    fn order(&self) -> (&str, u32) {
        (&self.tenant, self.version)
    }
}

impl DatasetKey {
    fn order(&self) -> (&str, &str, &str, Usage, u32) {
        (&self.tenant, &self.dataset, &self.purpose, self.usage, self.version)
    }
}

impl RingFile {
    /// Reads the bytes of a file. That they are whole is known then, not yet that nobody has changed them on purpose.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let (signed, digest) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or_else(|| malformed("it is cut short"))?;
        if Sha256::digest(signed)[..] != digest[..] {
            return Err(malformed("its digest is wrong: it is damaged"));
        }
        let (body, _) = signed.split_last_chunk::<TAG_BYTES>().ok_or_else(|| malformed("it is cut short"))?;
        Self::parse_body(body)
    }

    /// Reads what stands before HMAC and digest.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    #[doc(hidden)]
    pub fn parse_body(body: &[u8]) -> Result<Self> {
        let mut reading = Reading(body);
        if reading.array()? != *MAGIC {
            return Err(malformed("it does not begin with CLOK"));
        }
        if reading.array()? != [VERSION] {
            return Err(malformed("its version is not supported"));
        }
        let (ring, generation) = (Id(reading.array()?), u64::from_be_bytes(reading.array()?));
        let slots = u16::from_be_bytes(reading.array()?);
        let slots = (0..slots).map(|_| reading.slot()).collect::<Result<Vec<_>>>()?;
        let tenant_keys = reading.number()?;
        let tenant_keys = (0..tenant_keys).map(|_| reading.tenant_key()).collect::<Result<Vec<_>>>()?;
        let dataset_keys = reading.number()?;
        let dataset_keys = (0..dataset_keys).map(|_| reading.dataset_key()).collect::<Result<Vec<_>>>()?;
        if !reading.0.is_empty() {
            return Err(malformed("it goes on behind its end"));
        }
        let file = Self { ring, generation, slots, tenant_keys, dataset_keys };
        file.check()?;
        Ok(file)
    }

    /// What stands before HMAC and digest.
    #[doc(hidden)]
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut bytes = [&MAGIC[..], &[VERSION], &self.ring.0, &self.generation.to_be_bytes()].concat();
        // Numbers and lengths that do not fit give bytes that are not read again: see `to_bytes`.
        bytes.extend((self.slots.len() as u16).to_be_bytes());
        for slot in &self.slots {
            bytes.extend_from_slice(&slot.id.0);
            bytes.push(slot.kind.byte());
            bytes.extend((slot.payload.len() as u16).to_be_bytes());
            bytes.extend_from_slice(&slot.payload);
        }
        bytes.extend((self.tenant_keys.len() as u32).to_be_bytes());
        for key in &self.tenant_keys {
            append_name(&mut bytes, &key.tenant);
            bytes.extend(key.version.to_be_bytes());
            bytes.extend_from_slice(&key.id.0);
            bytes.extend_from_slice(&key.wrapped);
        }
        bytes.extend((self.dataset_keys.len() as u32).to_be_bytes());
        for key in &self.dataset_keys {
            for name in [&key.tenant, &key.dataset, &key.purpose] {
                append_name(&mut bytes, name);
            }
            bytes.push(key.usage as u8);
            bytes.extend(key.version.to_be_bytes());
            bytes.extend_from_slice(&key.id.0);
            bytes.extend(key.under.to_be_bytes());
            bytes.extend_from_slice(&key.wrapped);
        }
        bytes
    }

    /// The bytes of the file, which are read again and compared: what could not be opened is not written.
    pub(super) fn to_bytes(&self, ring_key: &[u8; KEY_BYTES]) -> Result<Vec<u8>> {
        let mut bytes = self.body();
        if Self::parse_body(&bytes)? != *self {
            return Err(malformed("it has more than the format takes"));
        }
        let tag = hmac::sign(&tag_key(ring_key, self.ring)?, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        bytes.extend_from_slice(&Sha256::digest(&bytes));
        if bytes.len() as u64 > RING_BYTES { Err(malformed("it is longer than 16 MiB")) } else { Ok(bytes) }
    }

    /// Whether whoever wrote these bytes had the ring key.
    pub(super) fn is_authentic(&self, bytes: &[u8], ring_key: &[u8; KEY_BYTES]) -> Result<bool> {
        let key = tag_key(ring_key, self.ring)?;
        let signed = bytes.split_last_chunk::<DIGEST_BYTES>().map_or(bytes, |(signed, _)| signed);
        let (body, tag) = signed.split_last_chunk::<TAG_BYTES>().ok_or_else(|| malformed("it is cut short"))?;
        Ok(hmac::verify(&key, body, tag).is_ok())
    }

    /// Brings keys and slots into their order.
    pub(super) fn sort(&mut self) {
        self.slots.sort_unstable_by_key(|slot| slot.id);
        self.tenant_keys.sort_unstable_by(|one, other| one.order().cmp(&other.order()));
        self.dataset_keys.sort_unstable_by(|one, other| one.order().cmp(&other.order()));
    }

    fn check(&self) -> Result<()> {
        if !self.slots.is_sorted_by(|one, next| one.id < next.id) || self.slots.len() > MOST_SLOTS {
            return Err(malformed("its slots are not in order, or more than 16"));
        }
        let in_order = self.tenant_keys.is_sorted_by(|one, next| one.order() < next.order());
        if !in_order || !self.dataset_keys.is_sorted_by(|one, next| one.order() < next.order()) {
            return Err(malformed("its keys are not in order"));
        }
        let has_tenant_key = |key: &DatasetKey| {
            self.tenant_keys.binary_search_by(|tenant| tenant.order().cmp(&(&key.tenant, key.under))).is_ok()
        };
        if self.dataset_keys.iter().all(has_tenant_key) {
            Ok(())
        } else {
            Err(malformed("a key is wrapped under one that is not there"))
        }
    }
}

fn tag_key(ring_key: &[u8; KEY_BYTES], ring: Id) -> Result<hmac::Key> {
    let key: KeyBytes = derive(ring_key, &context("file", &[&ring.0])?)?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
}

fn append_name(bytes: &mut Vec<u8>, name: &str) {
    bytes.push(name.len() as u8);
    bytes.extend_from_slice(name.as_bytes());
}

/// What is not read yet.
struct Reading<'a>(&'a [u8]);

impl Reading<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk().ok_or_else(|| malformed("it is cut short"))?;
        self.0 = rest;
        Ok(*array)
    }

    fn bytes(&mut self, length: usize) -> Result<&[u8]> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(|| malformed("it is cut short"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn name(&mut self) -> Result<String> {
        let [length] = self.array()?;
        let name = self.bytes(usize::from(length))?;
        let name = std::str::from_utf8(name).map_err(|_| malformed("a name is not UTF-8"))?;
        check_name(name)?;
        Ok(name.into())
    }

    fn slot(&mut self) -> Result<SlotRow> {
        let id = Id(self.array()?);
        let [kind] = self.array()?;
        let kind = ProviderKind::of_byte(kind).ok_or_else(|| malformed("a kind of provider is not known"))?;
        let length = usize::from(u16::from_be_bytes(self.array()?));
        if length > PAYLOAD_BYTES {
            return Err(malformed("the payload of a slot is longer than 4096 bytes"));
        }
        Ok(SlotRow { id, kind, payload: self.bytes(length)?.into() })
    }

    fn tenant_key(&mut self) -> Result<TenantKey> {
        let tenant = self.name()?;
        Ok(TenantKey { tenant, version: self.number()?, id: Id(self.array()?), wrapped: self.array()? })
    }

    fn dataset_key(&mut self) -> Result<DatasetKey> {
        let (tenant, dataset, purpose) = (self.name()?, self.name()?, self.name()?);
        let [usage] = self.array()?;
        let usage = Usage::ALL.into_iter().find(|known| *known as u8 == usage);
        let usage = usage.ok_or_else(|| malformed("a key's use is not known"))?;
        let (version, id) = (self.number()?, Id(self.array()?));
        let (under, wrapped) = (self.number()?, self.array()?);
        Ok(DatasetKey { tenant, dataset, purpose, usage, version, id, under, wrapped })
    }
}

/// Whether a tenant, dataset or purpose can have this name.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > NAME_BYTES || name.chars().any(char::is_control) {
        return Err(malformed("a name is empty, longer than 255 bytes, or has control characters"));
    }
    Ok(())
}

fn malformed(reason: &'static str) -> Error {
    Error::Malformed { format: "key ring", reason }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn ring() -> RingFile {
        let id = |byte| Id([byte; 16]);
        let wrapped = [9; WRAPPED_BYTES];
        let tenant_key = |tenant: &str, version| TenantKey { tenant: tenant.into(), version, id: id(7), wrapped };
        let dataset_key = |purpose: &str, usage, version, under| {
            let (tenant, dataset) = ("acme".into(), "tickets".into());
            DatasetKey { tenant, dataset, purpose: purpose.into(), usage, version, id: id(8), under, wrapped }
        };
        RingFile {
            ring: id(1),
            generation: 5,
            slots: vec![
                SlotRow { id: id(2), kind: ProviderKind::KeyFile, payload: vec![1; 40] },
                SlotRow { id: id(3), kind: ProviderKind::Transit, payload: vec![] },
            ],
            tenant_keys: vec![tenant_key("acme", 1), tenant_key("acme", 2), tenant_key("b", 1)],
            dataset_keys: vec![
                dataset_key("billing", Usage::Objects, 1, 2),
                dataset_key("support", Usage::Objects, 1, 1),
                dataset_key("support", Usage::Objects, 2, 2),
                dataset_key("support", Usage::Tokens, 1, 1),
            ],
        }
    }

    fn reason(file: &RingFile) -> &'static str {
        match RingFile::parse_body(&file.body()) {
            Err(Error::Malformed { reason, .. }) => reason,
            _ => "none",
        }
    }

    #[test]
    fn a_ring_has_one_form_in_bytes() {
        let file = ring();
        let bytes = file.to_bytes(&[5; 32]).unwrap();
        let back = RingFile::parse(&bytes).unwrap();
        assert!(back == file && back.is_authentic(&bytes, &[5; 32]).unwrap());
        assert!(!back.is_authentic(&bytes, &[6; 32]).unwrap());
        let mut shuffled = file.clone();
        shuffled.slots.reverse();
        shuffled.tenant_keys.reverse();
        shuffled.dataset_keys.rotate_left(2);
        assert!(RingFile::parse_body(&shuffled.body()).is_err());
        shuffled.sort();
        assert!(shuffled.body() == file.body());
        let body = file.body();
        for length in 0..body.len() {
            assert!(RingFile::parse_body(&body[..length]).is_err(), "cut at {length}");
        }
        assert!(RingFile::parse_body(&[&body[..], b"\0"].concat()).is_err());
    }

    #[test]
    fn what_could_not_be_opened_is_neither_read_nor_written() {
        let changed = |change: &dyn Fn(&mut RingFile)| {
            let mut file = ring();
            change(&mut file);
            assert!(file.to_bytes(&[5; 32]).is_err());
            reason(&file)
        };
        assert_eq!(changed(&|file| file.slots[1].id = file.slots[0].id), "its slots are not in order, or more than 16");
        assert_eq!(
            changed(&|file| file.slots[0].payload = vec![0; 4097]),
            "the payload of a slot is longer than 4096 bytes"
        );
        assert_eq!(changed(&|file| file.tenant_keys[1].version = 1), "its keys are not in order");
        assert_eq!(changed(&|file| file.dataset_keys[1].version = 2), "its keys are not in order");
        assert_eq!(changed(&|file| file.dataset_keys[0].under = 3), "a key is wrapped under one that is not there");
        let bad_name = "a name is empty, longer than 255 bytes, or has control characters";
        for name in ["", "a\nb", "\u{7f}", "\u{85}"] {
            assert_eq!(changed(&|file| file.tenant_keys[2].tenant = name.into()), bad_name, "{name:?}");
        }
        let long = "x".repeat(256);
        changed(&|file| file.tenant_keys[2].tenant.clone_from(&long));
        changed(&|file| {
            let slot = |number| SlotRow { id: Id([number; 16]), kind: ProviderKind::KeyFile, payload: vec![] };
            file.slots = (0..17).map(slot).collect();
        });
        let mut longest = ring();
        longest.tenant_keys[2].tenant = "x".repeat(255);
        assert!(longest.to_bytes(&[5; 32]).is_ok());
    }
}
