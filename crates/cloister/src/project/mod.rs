//! A project: its folder, who is in it, and the one door through which everything is done.
//!
//! ```text
//! .cloister/ ── Closed::find ──► Closed ── a member's secret ──► Project ── Ask ──► door ──► rows, keys, log
//!                                              │ the slot of the key ring that it opens tells who is here
//! ```
//!
//! Invariant: nothing of a project is believed because it lies there. The secrets hold the digest of what is public, the log's
//! key has signed what the database holds, the database holds the generation of the key ring, and a checkpoint outside of the
//! project shows an older one of all of them. What does not fit is refused before anything is done.
//!
//! What it does not stop: whoever has a secret of the project and writes to its files without this program. Each member's
//! secret opens the same key ring; the rules are held by the program, the log shows what it did.

mod datasets;
mod directory;
mod door;
mod error;
mod grants;
mod log;
mod members;
mod places;
mod policies;
mod preset;
mod questions;
mod runs;
mod secrets;
mod served;
mod subjects;
mod versions;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cloister_access::{Id, Instant, PolicySet, Principal};
use cloister_vault::keys::{Hardened, Provider, SealedRing, Slot, UnsealedRing};
use cloister_vault::log::VerifierKey;
use cloister_vault::log::entry::{Actor, ActorKind, Outcome};
use cloister_vault::store::{Database, Opening, PrincipalKind, PrincipalRow, Request, Settings, Store, TenantRow};

pub use door::{Ask, Pass};
pub use error::{Denied, Error, Result};
pub use grants::{Approved, Wanted};
pub use log::{Shown, verifier_key};
pub use members::Member;
pub use places::Manifest;
pub use policies::Standing;
pub use preset::{Preset, Privacy};
pub use questions::Listing;
pub use runs::{Run, Told};
pub use served::verbs;
pub use subjects::{Erased, Held};
pub use versions::{NewVersion, Opened};

use crate::files::sync_folder;
use crate::pull::Home;
use places::{Places, recall, remember};
use secrets::{ForStore, RESERVED, Secrets};

/// What a project begins with.
pub struct Beginning<'a> {
    /// What people call it.
    pub name: &'a str,
    /// The id of its first owner. It stands in the log for ever: an id, not a name.
    pub owner: &'a Id,
    /// Its preset.
    pub preset: &'a Preset,
}

/// A project that nobody has opened.
pub struct Closed {
    places: Places,
    manifest: Manifest,
    bytes: Vec<u8>,
    ring: SealedRing,
    thorough: bool,
}

/// Who is here.
struct Me {
    principal: Principal,
    /// How they showed who they are.
    auth: &'static str,
    /// When a person was here for certain: they typed a passphrase or the PIN of a token.
    mfa_at: Option<Instant>,
}

/// The policies that were parsed last: of which row, or the built-in ones.
type Kept = Option<(Option<String>, Arc<PolicySet>)>;

/// An open project.
pub struct Project {
    places: Places,
    manifest: Manifest,
    home: Home,
    ring: UnsealedRing,
    store: Store,
    secrets: Secrets,
    me: Me,
    policies: Mutex<Kept>,
    alerts: Mutex<Vec<String>>,
}

impl Closed {
    /// The project in a folder.
    ///
    /// # Errors
    /// [`Error::NoProject`]; [`Error::Broken`] and others of a file that is damaged.
    pub fn open(folder: &Path) -> Result<Self> {
        let places = Places::of(folder);
        let (manifest, bytes) = places.read_manifest()?;
        let ring = SealedRing::open(&places.keys()).map_err(|error| match error {
            cloister_vault::Error::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Error::Broken { path: places.keys(), reason: "is missing" }
            }
            error => error.into(),
        })?;
        Ok(Self { places, manifest, bytes, ring, thorough: false })
    }

    /// The project of a folder, or of the nearest one above it that has one.
    ///
    /// # Errors
    /// As [`Closed::open`].
    pub fn find(folder: &Path) -> Result<Self> {
        let begin = folder.canonicalize().map_err(crate::Error::read(folder))?;
        let has_one = |folder: &&Path| Places::of(folder).manifest().exists();
        match begin.ancestors().find(has_one) {
            Some(found) => Self::open(found),
            None => Err(Error::NoProject { path: folder.into() }),
        }
    }

    /// What opens it.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        self.ring.slots()
    }

    /// The folder that the project is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.places.project()
    }

    /// What is public of it.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Lets every entry of the log be read again at opening, also those that an opening before has verified.
    #[must_use]
    pub fn thorough(self) -> Self {
        Self { thorough: true, ..self }
    }

    /// Opens it with somebody's secret.
    ///
    /// # Errors
    /// Those of [`SealedRing::unseal`]; [`Error::Broken`] and those of [`Store::open`] where something is not what was written;
    /// [`Error::Stranger`] if the secret is no member's, which the log has an entry of.
    pub fn unseal(self, provider: &dyn Provider, hardened: &Hardened, home: Home) -> Result<Project> {
        let Self { places, manifest, bytes, ring, thorough } = self;
        let ring = ring.unseal(provider, hardened)?;
        let slot = ring.opened_by();
        let (secrets, ForStore { signer, rows }) = Secrets::open(&places, &ring, (&manifest, &bytes))?;
        let mut settings = Settings::new(Database::Sqlite(places.database()), places.log(), signer, rows);
        if thorough {
            settings = settings.thorough();
        }
        if let Some(seen) = recall(&home, &manifest.tenant)? {
            settings = settings.seen(seen);
        }
        if !places.database().exists() {
            return Err(Error::Broken { path: places.database(), reason: "is missing" });
        }
        let store = Store::open(settings)?;
        let tenant = store.get::<TenantRow>(&manifest.tenant)?;
        let tenant =
            tenant.ok_or_else(|| Error::Broken { path: places.database(), reason: "is of another project" })?;
        if ring.generation()?.0 < tenant.ring {
            return Err(Error::Broken { path: places.keys(), reason: "is older than the project" });
        }
        let member = store.list::<PrincipalRow>("slot", &slot.id.to_string())?.pop();
        let Some(member) = member else { return Err(stranger(store, slot)?) };
        let id = Id::new(member.id)?;
        let principal = match member.kind {
            PrincipalKind::User => Principal::User(id),
            PrincipalKind::Service => Principal::Service(id),
        };
        let me = Me { principal, auth: auth(slot), mfa_at: None };
        let (policies, alerts) = (Mutex::default(), Mutex::default());
        let mut project = Project { places, manifest, home, ring, store, secrets, me, policies, alerts };
        if slot.kind.is_guessable() {
            project.me.mfa_at = Some(project.now()?);
        }
        Ok(project)
    }
}

/// How somebody showed who they are, as the log says it.
fn auth(slot: Slot) -> &'static str {
    slot.kind.name()
}

/// Logs that a secret which is no member's opened the keys.
fn stranger(store: Store, slot: Slot) -> Result<Error> {
    let (auth, id) = (auth(slot).into(), slot.id.to_string());
    let actor = Actor { auth, id, mfa_age: None, session_h: None, kind: ActorKind::System };
    let action = cloister_access::Action::ProjectRead.name();
    store.record(&Request::new(action, actor).on("project", directory::MAIN), Outcome::Denied)?;
    store.close()?;
    Ok(Error::Stranger)
}

impl Project {
    /// Makes a project in a folder, with its first owner, who opens it with `provider`. It appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Name`], those of keys, store and files.
    pub fn create(
        folder: &Path,
        beginning: &Beginning<'_>,
        provider: &dyn Provider,
        hardened: &Hardened,
        home: &Home,
    ) -> Result<Manifest> {
        let Beginning { name, preset, .. } = beginning;
        members::check_name(name)?;
        let target = Places::of(folder);
        if target.0.symlink_metadata().is_ok() {
            return Err(Error::Exists { path: target.project().into() });
        }
        let mut unfinished = tempfile::Builder::new();
        unfinished.prefix(".cloister-").suffix(".tmp");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            unfinished.permissions(std::fs::Permissions::from_mode(0o700));
        }
        let unfinished = unfinished.tempdir_in(folder);
        let unfinished = unfinished.map_err(crate::Error::write(&target.0))?;
        let places = Places(unfinished.path().into());
        let tenant = cloister_vault::sealed::Id::random()?.to_string();
        let ring = UnsealedRing::create(&places.keys(), provider, hardened)?;
        ring.add_tenant(&tenant)?;
        ring.add_dataset(&tenant, RESERVED, &[RESERVED])?;
        let ForStore { signer, rows } = Secrets::create(&places, &ring, &tenant, preset.name)?;
        let store = Store::open(Settings::new(Database::Sqlite(places.database()), places.log(), signer, rows))?;
        members::first(&store, &ring, &tenant, beginning)?;
        let checkpoint = store.checkpoint()?;
        store.close()?;
        std::fs::create_dir(places.objects()).map_err(crate::Error::write(&target.0))?;
        let (manifest, _) = places.read_manifest()?;
        // The rename comes last: before it, a failure leaves nothing; after it, nothing is missing.
        let unfinished = unfinished.keep();
        if let Err(error) = std::fs::rename(&unfinished, &target.0) {
            let _ = std::fs::remove_dir_all(&unfinished);
            return Err(crate::Error::write(&target.0)(error).into());
        }
        sync_folder(target.project()).map_err(crate::Error::write(&target.0))?;
        if let Some(checkpoint) = checkpoint {
            let kept = remember(home, &tenant, &checkpoint);
            kept.map_err(|source| Error::NotRemembered { source: Box::new(source) })?;
        }
        Ok(manifest)
    }

    /// Ends the work: the files of the log hold all of it, and its checkpoint is kept outside of the project.
    ///
    /// # Errors
    /// Those of the store; [`Error::NotRemembered`].
    pub fn close(self) -> Result<()> {
        let Self { manifest, home, store, .. } = self;
        let checkpoint = store.checkpoint()?;
        store.close()?;
        let kept = checkpoint.map_or(Ok(()), |checkpoint| remember(&home, &manifest.tenant, &checkpoint));
        kept.map_err(|source| Error::NotRemembered { source: Box::new(source) })
    }

    /// What is public of it.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The key that verifies its log.
    ///
    /// # Errors
    /// Those of a key that is none.
    pub fn log_key(&self) -> Result<VerifierKey> {
        Ok(VerifierKey::parse(&self.manifest.log_key)?)
    }

    /// The folder of its log.
    #[must_use]
    pub fn log_folder(&self) -> PathBuf {
        self.places.log()
    }

    /// Who is here.
    #[must_use]
    pub fn who(&self) -> &Principal {
        &self.me.principal
    }

    /// What was found when it was opened.
    #[must_use]
    pub fn opening(&self) -> &Opening {
        self.store.opening()
    }

    /// What somebody should be told since this was asked last.
    #[must_use]
    pub fn alerts(&self) -> Vec<String> {
        std::mem::take(&mut *self.alerts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn alert(&self, alert: String) {
        let mut alerts = self.alerts.lock().unwrap_or_else(PoisonError::into_inner);
        if !alerts.contains(&alert) {
            alerts.push(alert);
        }
    }
}
