//! Tenants, datasets and purposes of a key ring; their keys come, change and go here.
//!
//! ```text
//! begin_tenant_rotation   a new version wraps from now on, the old one only opens
//! rewrap_tenant           everything under the old one is wrapped under the new one
//! destroy_tenant_key      the old one goes, if nothing is under it
//! ```
//!
//! Invariant: each of these is one writing of the file. Killed before, within or after any of them, every key opens, and to
//! call them again, from the first on, goes on where it stopped. A dataset's keys change in the same way, but what is under
//! them is with the caller: sealed files and subjects' keys, which are sealed and wrapped anew between the first step and
//! the last. Whoever destroys a key that something is still under has destroyed that too.

use super::dataset::DatasetKeys;
use super::file::{DatasetKey, RingFile, TenantKey, Usage, check_name};
use super::ring::UnsealedRing;
use super::{KeyBytes, KeyContext, context, wrapping_key};
use crate::sealed::key::{KEY_BYTES, WRAPPED_BYTES};
use crate::sealed::{DataKey, Id, Kek};
use crate::{Error, Result};

/// What changes when a dataset's keys are rotated. A key of the log's HMACs or of tokens that changed would break what
/// compares them.
const ROTATED: [Usage; 2] = [Usage::Objects, Usage::Subjects];

/// A version of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyVersion {
    /// Its number, from 1.
    pub version: u32,
    /// Its id.
    pub id: Id,
    /// Whether it is the one that wraps. Others open only.
    pub is_current: bool,
    /// How many keys of this ring are wrapped under it.
    pub wraps: usize,
}

/// Tenants and their keys.
impl UnsealedRing {
    /// Makes the first key of a tenant.
    ///
    /// # Errors
    /// [`Error::HasKeys`], [`Error::Malformed`] for a name that cannot be one; those of reading and of writing.
    pub fn add_tenant(&self, tenant: &str) -> Result<()> {
        check_name(tenant)?;
        self.change(|file| {
            if file.tenant_keys.iter().any(|key| key.tenant == tenant) {
                return Err(Error::HasKeys { of: format!("tenant `{tenant}`") });
            }
            self.push_tenant_key(file, tenant, 1)
        })
    }

    /// The versions of a tenant's key, oldest first.
    ///
    /// # Errors
    /// [`Error::NoKey`], those of reading.
    pub fn tenant_keys(&self, tenant: &str) -> Result<Vec<KeyVersion>> {
        let file = self.file()?;
        let current = current_tenant_key(&file, tenant)?.version;
        let of_tenant = file.tenant_keys.iter().filter(|key| key.tenant == tenant);
        let version = |key: &TenantKey| KeyVersion {
            version: key.version,
            id: key.id,
            is_current: key.version == current,
            wraps: wrapped_under(&file, tenant, key.version),
        };
        Ok(of_tenant.map(version).collect())
    }

    /// Begins to replace a tenant's key: a new version wraps from now on. If that has begun already, nothing changes. Gives
    /// the version that wraps.
    ///
    /// # Errors
    /// [`Error::NoKey`], those of reading and of writing.
    pub fn begin_tenant_rotation(&self, tenant: &str) -> Result<u32> {
        self.change(|file| {
            let current = current_tenant_key(file, tenant)?.version;
            if file.tenant_keys.iter().any(|key| key.tenant == tenant && key.version != current) {
                return Ok(current);
            }
            let version = next(current)?;
            self.push_tenant_key(file, tenant, version)?;
            Ok(version)
        })
    }

    /// Wraps everything of a tenant under the version that wraps. Gives how many keys were under another.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::KeyDoesNotOpen`], those of reading and of writing.
    pub fn rewrap_tenant(&self, tenant: &str) -> Result<usize> {
        self.change(|file| {
            let current = current_tenant_key(file, tenant)?.version;
            let mut rows = std::mem::take(&mut file.dataset_keys);
            let old = rows.iter_mut().filter(|row| row.tenant == tenant && row.under != current);
            let mut count = 0;
            for row in old {
                let key = self.open_row(file, row)?;
                self.wrap_row(file, row, &key)?;
                count += 1;
            }
            file.dataset_keys = rows;
            Ok(count)
        })
    }

    /// Destroys an old version of a tenant's key.
    ///
    /// # Errors
    /// [`Error::CurrentKey`] if it is the one that wraps; [`Error::KeyInUse`] if keys are wrapped under it; [`Error::NoKey`];
    /// those of reading and of writing.
    pub fn destroy_tenant_key(&self, tenant: &str, version: u32) -> Result<()> {
        self.change(|file| {
            let current = current_tenant_key(file, tenant)?.version;
            let id = tenant_key(file, tenant, version)?.id.to_string();
            let wraps = wrapped_under(file, tenant, version);
            match version == current {
                true => Err(Error::CurrentKey { key: id }),
                false if wraps > 0 => Err(Error::KeyInUse { key: id, wraps }),
                false => {
                    file.tenant_keys.retain(|key| key.tenant != tenant || key.version != version);
                    Ok(())
                }
            }
        })
    }

    /// Destroys all keys of a tenant, and with them all that is sealed under them.
    ///
    /// # Errors
    /// [`Error::NoKey`], those of reading and of writing.
    pub fn destroy_tenant(&self, tenant: &str) -> Result<()> {
        self.change(|file| {
            current_tenant_key(file, tenant)?;
            file.tenant_keys.retain(|key| key.tenant != tenant);
            file.dataset_keys.retain(|key| key.tenant != tenant);
            Ok(())
        })
    }

    /// Wraps all tenant keys of `file`, which are under the ring's key, under another.
    pub(super) fn rewrap_tenant_keys(&self, file: &mut RingFile, ring_key: &[u8; KEY_BYTES]) -> Result<()> {
        let ring = file.ring;
        file.tenant_keys.iter_mut().try_for_each(|key| {
            let context = tenant_context(ring, key)?;
            let secret = wrapping_key(key.id, self.ring_key(), &context)?.unwrap(&key.wrapped)?;
            key.wrapped = wrapping_key(key.id, ring_key, &context)?.wrap(&secret)?;
            Ok(())
        })
    }

    fn push_tenant_key(&self, file: &mut RingFile, tenant: &str, version: u32) -> Result<()> {
        let mut key = TenantKey { tenant: tenant.into(), version, id: Id::random()?, wrapped: [0; WRAPPED_BYTES] };
        let wrapping = wrapping_key(key.id, self.ring_key(), &tenant_context(file.ring, &key)?)?;
        key.wrapped = wrapping.wrap(&DataKey::random()?)?;
        file.tenant_keys.push(key);
        Ok(())
    }

    fn open_tenant_key(&self, file: &RingFile, key: &TenantKey) -> Result<DataKey> {
        wrapping_key(key.id, self.ring_key(), &tenant_context(file.ring, key)?)?.unwrap(&key.wrapped)
    }
}

/// Datasets, their purposes and their keys.
impl UnsealedRing {
    /// Makes the keys of a dataset, for each of its purposes.
    ///
    /// # Errors
    /// [`Error::NoKey`] if there is no such tenant; [`Error::HasKeys`]; [`Error::Malformed`] for a name that cannot be one, or
    /// if there is no purpose; those of reading and of writing.
    pub fn add_dataset(&self, tenant: &str, dataset: &str, purposes: &[&str]) -> Result<()> {
        if purposes.is_empty() {
            return Err(Error::Malformed { format: "dataset of a key ring", reason: "it has no purpose" });
        }
        [tenant, dataset].iter().chain(purposes).try_for_each(|name| check_name(name))?;
        self.change(|file| {
            current_tenant_key(file, tenant)?;
            if file.dataset_keys.iter().any(|row| row.tenant == tenant && row.dataset == dataset) {
                return Err(Error::HasKeys { of: format!("dataset `{dataset}` of tenant `{tenant}`") });
            }
            Usage::ALL.iter().try_for_each(|usage| self.push_keys(file, (tenant, dataset), purposes, *usage, 1))
        })
    }

    /// The keys of a dataset, for a purpose.
    ///
    /// # Errors
    /// [`Error::NoKey`] if the dataset has none for this purpose; [`Error::KeyDoesNotOpen`]; those of reading.
    pub fn dataset(&self, of: &KeyContext<'_>) -> Result<DatasetKeys<'_>> {
        let file = self.file()?;
        let keys = |usage| {
            let rows = rows(&file, of, usage);
            rows.map(|row| Ok((row.id, self.open_row(&file, row)?))).collect::<Result<Vec<_>>>()
        };
        let only = |usage| keys(usage)?.pop().map(|(_, key)| key).ok_or_else(|| no_key(of));
        let objects = keys(Usage::Objects)?;
        let objects: Vec<Kek> = objects.iter().map(|(id, key)| Kek::new(*id, KeyBytes::new(*key.expose()))).collect();
        let subjects = keys(Usage::Subjects)?;
        if objects.is_empty() || subjects.is_empty() {
            return Err(no_key(of));
        }
        Ok(DatasetKeys::new(self, of, objects, subjects, only(Usage::Audit)?, only(Usage::Tokens)?))
    }

    /// Lets the keys of a dataset open for another purpose too. Whoever may ask for that is for the caller to say.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::HasKeys`], [`Error::Malformed`], those of reading and of writing.
    pub fn add_purpose(&self, of: &KeyContext<'_>, purpose: &str) -> Result<()> {
        check_name(purpose)?;
        self.change(|file| {
            let added = KeyContext { purpose, ..*of };
            if all_rows(file, &added).next().is_some() {
                return Err(Error::HasKeys { of: name(&added) });
            }
            let mut copies: Vec<DatasetKey> = all_rows(file, of).cloned().collect();
            if copies.is_empty() {
                return Err(no_key(of));
            }
            for row in &mut copies {
                let key = self.open_row(file, row)?;
                row.purpose = purpose.into();
                self.wrap_row(file, row, &key)?;
            }
            file.dataset_keys.append(&mut copies);
            Ok(())
        })
    }

    /// Takes a purpose away: the dataset's keys no longer open for it.
    ///
    /// # Errors
    /// [`Error::NoKey`]; [`Error::LastPurpose`] if it is the only one, for then the keys would be gone; those of reading and of
    /// writing.
    pub fn remove_purpose(&self, of: &KeyContext<'_>) -> Result<()> {
        self.change(|file| {
            if all_rows(file, of).next().is_none() {
                return Err(no_key(of));
            }
            file.dataset_keys.retain(|row| !is_of(row, of));
            if file.dataset_keys.iter().any(|row| row.tenant == of.tenant && row.dataset == of.dataset) {
                Ok(())
            } else {
                Err(Error::LastPurpose { of: name(of) })
            }
        })
    }

    /// The versions of the keys by which a dataset's objects are sealed, oldest first. What is sealed under them is not in
    /// the ring, so `wraps` is zero.
    ///
    /// # Errors
    /// [`Error::NoKey`], those of reading.
    pub fn dataset_keys(&self, of: &KeyContext<'_>) -> Result<Vec<KeyVersion>> {
        let file = self.file()?;
        let rows: Vec<&DatasetKey> = rows(&file, of, Usage::Objects).collect();
        let current = rows.last().ok_or_else(|| no_key(of))?.version;
        let version = |row: &&DatasetKey| KeyVersion {
            version: row.version,
            id: row.id,
            is_current: row.version == current,
            wraps: 0,
        };
        Ok(rows.iter().map(version).collect())
    }

    /// Begins to replace the keys that seal a dataset's objects and wrap its subjects' keys, for all of its purposes. If that
    /// has begun already, nothing changes. Gives the version that wraps.
    ///
    /// # Errors
    /// [`Error::NoKey`], those of reading and of writing.
    pub fn begin_dataset_rotation(&self, tenant: &str, dataset: &str) -> Result<u32> {
        self.change(|file| {
            let (current, older) = dataset_version(file, tenant, dataset)?;
            if older {
                return Ok(current);
            }
            let of_dataset = file.dataset_keys.iter().filter(|row| row.tenant == tenant && row.dataset == dataset);
            let mut purposes: Vec<String> = of_dataset.map(|row| row.purpose.clone()).collect();
            purposes.sort_unstable();
            purposes.dedup();
            let purposes: Vec<&str> = purposes.iter().map(String::as_str).collect();
            let version = next(current)?;
            ROTATED.iter().try_for_each(|usage| self.push_keys(file, (tenant, dataset), &purposes, *usage, version))?;
            Ok(version)
        })
    }

    /// Destroys an old version of a dataset's keys, for all purposes. What is still sealed or wrapped under it is lost.
    ///
    /// # Errors
    /// [`Error::CurrentKey`] if it is the one that wraps; [`Error::NoKey`]; those of reading and of writing.
    pub fn destroy_dataset_key(&self, tenant: &str, dataset: &str, version: u32) -> Result<()> {
        self.change(|file| {
            let (current, _) = dataset_version(file, tenant, dataset)?;
            let is_it = |row: &DatasetKey| {
                let here = row.tenant == tenant && row.dataset == dataset && row.version == version;
                here && ROTATED.contains(&row.usage)
            };
            let Some(found) = file.dataset_keys.iter().find(|row| is_it(row)) else {
                return Err(Error::NoKey { of: format!("version {version} of dataset `{dataset}`") });
            };
            if version == current {
                return Err(Error::CurrentKey { key: found.id.to_string() });
            }
            file.dataset_keys.retain(|row| !is_it(row));
            Ok(())
        })
    }

    /// Destroys all keys of a dataset, and with them all that is sealed under them.
    ///
    /// # Errors
    /// [`Error::NoKey`], those of reading and of writing.
    pub fn destroy_dataset(&self, tenant: &str, dataset: &str) -> Result<()> {
        self.change(|file| {
            dataset_version(file, tenant, dataset)?;
            file.dataset_keys.retain(|row| row.tenant != tenant || row.dataset != dataset);
            Ok(())
        })
    }

    /// One fresh key, wrapped for each purpose.
    fn push_keys(
        &self,
        file: &mut RingFile,
        (tenant, dataset): (&str, &str),
        purposes: &[&str],
        usage: Usage,
        version: u32,
    ) -> Result<()> {
        let (id, key) = (Id::random()?, DataKey::random()?);
        for purpose in purposes {
            let names = [tenant, dataset, purpose].map(str::to_owned);
            let [tenant, dataset, purpose] = names;
            let wrapped = [0; WRAPPED_BYTES];
            let mut row = DatasetKey { tenant, dataset, purpose, usage, version, id, under: 0, wrapped };
            self.wrap_row(file, &mut row, &key)?;
            file.dataset_keys.push(row);
        }
        Ok(())
    }

    /// Wraps the key of a row under the tenant's version that wraps.
    fn wrap_row(&self, file: &RingFile, row: &mut DatasetKey, key: &DataKey) -> Result<()> {
        let tenant = current_tenant_key(file, &row.tenant)?;
        let secret = self.open_tenant_key(file, tenant)?;
        row.under = tenant.version;
        row.wrapped = wrapping_key(row.id, secret.expose(), &row_context(file.ring, row)?)?.wrap(key)?;
        Ok(())
    }

    fn open_row(&self, file: &RingFile, row: &DatasetKey) -> Result<DataKey> {
        let secret = self.open_tenant_key(file, tenant_key(file, &row.tenant, row.under)?)?;
        wrapping_key(row.id, secret.expose(), &row_context(file.ring, row)?)?.unwrap(&row.wrapped)
    }
}

/// The rows of a context, for one use, oldest version first.
pub(super) fn rows<'a>(
    file: &'a RingFile,
    of: &'a KeyContext<'_>,
    usage: Usage,
) -> impl Iterator<Item = &'a DatasetKey> {
    all_rows(file, of).filter(move |row| row.usage == usage)
}

pub(super) fn no_key(of: &KeyContext<'_>) -> Error {
    Error::NoKey { of: name(of) }
}

fn name(of: &KeyContext<'_>) -> String {
    format!("dataset `{}` of tenant `{}` for the purpose `{}`", of.dataset, of.tenant, of.purpose)
}

fn all_rows<'a>(file: &'a RingFile, of: &'a KeyContext<'_>) -> impl Iterator<Item = &'a DatasetKey> {
    file.dataset_keys.iter().filter(move |row| is_of(row, of))
}

fn is_of(row: &DatasetKey, of: &KeyContext<'_>) -> bool {
    row.tenant == of.tenant && row.dataset == of.dataset && row.purpose == of.purpose
}

fn current_tenant_key<'a>(file: &'a RingFile, tenant: &str) -> Result<&'a TenantKey> {
    let of_tenant = file.tenant_keys.iter().filter(|key| key.tenant == tenant);
    of_tenant.max_by_key(|key| key.version).ok_or_else(|| Error::NoKey { of: format!("tenant `{tenant}`") })
}

fn tenant_key<'a>(file: &'a RingFile, tenant: &str, version: u32) -> Result<&'a TenantKey> {
    let found = file.tenant_keys.iter().find(|key| key.tenant == tenant && key.version == version);
    found.ok_or_else(|| Error::NoKey { of: format!("version {version} of tenant `{tenant}`") })
}

fn wrapped_under(file: &RingFile, tenant: &str, version: u32) -> usize {
    file.dataset_keys.iter().filter(|row| row.tenant == tenant && row.under == version).count()
}

/// The version of a dataset's keys that wraps, and whether there are older ones.
fn dataset_version(file: &RingFile, tenant: &str, dataset: &str) -> Result<(u32, bool)> {
    let rotated = |row: &&DatasetKey| row.tenant == tenant && row.dataset == dataset && row.usage == Usage::Objects;
    let versions = || file.dataset_keys.iter().filter(rotated).map(|row| row.version);
    let of = || format!("dataset `{dataset}` of tenant `{tenant}`");
    let current = versions().max().ok_or_else(|| Error::NoKey { of: of() })?;
    Ok((current, versions().any(|version| version != current)))
}

fn next(version: u32) -> Result<u32> {
    version.checked_add(1).ok_or(Error::Malformed { format: "key ring", reason: "a key has too many versions" })
}

fn tenant_context(ring: Id, key: &TenantKey) -> Result<Vec<u8>> {
    context("tenant", &[&ring.0, key.tenant.as_bytes(), &key.version.to_be_bytes(), &key.id.0])
}

fn row_context(ring: Id, row: &DatasetKey) -> Result<Vec<u8>> {
    let DatasetKey { tenant, dataset, purpose, usage, version, id, .. } = row;
    let (tenant, dataset, purpose) = (tenant.as_bytes(), dataset.as_bytes(), purpose.as_bytes());
    context("dataset", &[&ring.0, tenant, dataset, purpose, &[*usage as u8], &version.to_be_bytes(), &id.0])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::keys::{Hardened, KeyFile};

    const SUPPORT: KeyContext<'static> = KeyContext { tenant: "acme", dataset: "tickets", purpose: "support" };

    #[test]
    fn requirement_14_a_row_that_was_moved_does_not_open_even_for_who_has_the_ring_key() {
        let folder = tempfile::tempdir().unwrap();
        let provider = KeyFile::create(&folder.path().join("key")).unwrap();
        let ring =
            UnsealedRing::create(&folder.path().join("keys.clo"), &provider, &Hardened::apply().unwrap()).unwrap();
        ring.add_tenant("acme").unwrap();
        ring.add_tenant("other").unwrap();
        ring.add_dataset("acme", "tickets", &["support", "billing"]).unwrap();
        ring.begin_dataset_rotation("acme", "tickets").unwrap();
        let file = ring.file().unwrap();
        let row = rows(&file, &SUPPORT, Usage::Objects).next().unwrap();
        let key = ring.open_row(&file, row).ok().unwrap();
        // The same key for the other purpose, wrapped differently.
        let billing = KeyContext { purpose: "billing", ..SUPPORT };
        let other = rows(&file, &billing, Usage::Objects).next().unwrap();
        assert_eq!(ring.open_row(&file, other).ok().unwrap().expose(), key.expose());
        assert_ne!(row.wrapped, other.wrapped);
        let moved: [&dyn Fn(&mut DatasetKey); 7] = [
            &|row| row.purpose = "billing".into(),
            &|row| row.dataset = "chats".into(),
            &|row| row.tenant = "other".into(),
            &|row| row.usage = Usage::Subjects,
            &|row| row.version = 2,
            &|row| row.id.0[0] ^= 1,
            &|row| row.wrapped = other.wrapped,
        ];
        for (number, change) in moved.iter().enumerate() {
            let mut changed = row.clone();
            change(&mut changed);
            assert!(matches!(ring.open_row(&file, &changed), Err(Error::KeyDoesNotOpen)), "change {number}");
        }
        let mut of_another_ring = file.clone();
        of_another_ring.ring.0[0] ^= 1;
        assert!(ring.open_row(&of_another_ring, row).is_err());
    }
}
