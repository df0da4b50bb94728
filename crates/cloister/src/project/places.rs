//! Where the files of a project lie, what is public of it, and the checkpoint that is kept elsewhere.
//!
//! ```text
//! .cloister/project.json   public: whose, which preset, the key that verifies the log
//!           keys.clo       key ring
//!           secrets.clo    sealed: keys of the log and of the rows
//!           vault.db       rows, entries of the log
//!           log/           entries and tiles, for anyone to verify
//!           log.verified   what the last opening has verified of a long log
//!           objects/       sealed files
//! HOME/seen/TENANT         the log's last checkpoint
//! ```
//!
//! Invariant: nothing in `project.json` is believed before the secrets are open, which hold its digest. What lies outside of the
//! project only ever grows: whoever puts back an older project has not put back that.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use cloister_vault::log::SignedCheckpoint;
use serde::{Deserialize, Serialize};

use super::{Error, Result};
use crate::files::{Keep, WholeFile, create_private_folder};
use crate::pull::Home;

/// The schema of `project.json`, before the number of its version.
const SCHEMA: &str = "cloister.project.v";
const VERSION: u32 = 1;
/// The longest `project.json` or checkpoint that is read.
const MOST_BYTES: u64 = 64 << 10;

/// The folder of a project's files.
#[derive(Clone, Debug)]
pub(super) struct Places(pub(super) PathBuf);

/// What is public of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `cloister.project.v1`.
    pub schema: String,
    /// The id of its tenant.
    pub tenant: String,
    /// The preset that it began with.
    pub preset: String,
    /// The key that verifies its log.
    pub log_key: String,
    /// The file of its database.
    pub database: String,
}

impl Places {
    /// The name of the folder in the project's own.
    pub(super) const FOLDER: &'static str = ".cloister";
    /// The file of the database in it.
    pub(super) const DATABASE: &'static str = "vault.db";

    /// The project in a folder.
    pub(super) fn of(project: &Path) -> Self {
        Self(project.join(Self::FOLDER))
    }

    pub(super) fn manifest(&self) -> PathBuf {
        self.0.join("project.json")
    }

    pub(super) fn keys(&self) -> PathBuf {
        self.0.join("keys.clo")
    }

    pub(super) fn secrets(&self) -> PathBuf {
        self.0.join("secrets.clo")
    }

    pub(super) fn database(&self) -> PathBuf {
        self.0.join(Self::DATABASE)
    }

    pub(super) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    pub(super) fn objects(&self) -> PathBuf {
        self.0.join("objects")
    }

    /// Reads what is public, and its bytes.
    pub(super) fn read_manifest(&self) -> Result<(Manifest, Vec<u8>)> {
        let path = self.manifest();
        let bytes = read(&path)?.ok_or_else(|| Error::NoProject { path: self.project().into() })?;
        let broken = || Error::Broken { path: path.clone(), reason: "is damaged, or not the file of a project" };
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|_| broken())?;
        match manifest.schema.strip_prefix(SCHEMA).and_then(|version| version.parse::<u32>().ok()) {
            Some(VERSION) => {}
            Some(later) if later > VERSION => return Err(Error::OtherVersion { path }),
            _ => return Err(broken()),
        }
        // It becomes the name of a file elsewhere.
        let plain = !manifest.tenant.is_empty() && manifest.tenant.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain || manifest.database != Self::DATABASE {
            return Err(broken());
        }
        Ok((manifest, bytes))
    }

    /// The folder that holds the project's.
    pub(super) fn project(&self) -> &Path {
        match self.0.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        }
    }
}

impl Manifest {
    pub(super) fn new(tenant: &str, preset: &str, log_key: String) -> Self {
        let (schema, database) = (format!("{SCHEMA}{VERSION}"), Places::DATABASE.into());
        Self { schema, tenant: tenant.into(), preset: preset.into(), log_key, database }
    }

    /// The bytes of its file.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text.into_bytes()
    }
}

/// Where the last checkpoint of a tenant's log is kept.
fn seen(home: &Home, tenant: &str) -> PathBuf {
    home.folder().join("seen").join(tenant)
}

/// The last checkpoint that this user has seen, if there is one.
pub(super) fn recall(home: &Home, tenant: &str) -> Result<Option<SignedCheckpoint>> {
    let path = seen(home, tenant);
    let Some(bytes) = read(&path)? else { return Ok(None) };
    let broken = |_| Error::Broken { path, reason: "is damaged: it is no checkpoint" };
    SignedCheckpoint::parse(&bytes).map(Some).map_err(broken)
}

/// Keeps a checkpoint, unless a later one is kept already.
pub(super) fn remember(home: &Home, tenant: &str, checkpoint: &SignedCheckpoint) -> Result<()> {
    let path = seen(home, tenant);
    let before = recall(home, tenant)?.map_or(0, |before| before.unverified().size);
    if before >= checkpoint.unverified().size {
        return Ok(());
    }
    create_private_folder(&home.folder().join("seen"))?;
    write(&path, checkpoint.to_string().as_bytes(), Keep::PrivateReplacing)
}

/// Writes a file whole.
pub(super) fn write(path: &Path, bytes: &[u8], keep: Keep) -> Result<()> {
    let mut file = WholeFile::create(path, keep)?;
    file.write_all(bytes).map_err(crate::Error::write(path))?;
    Ok(file.commit()?)
}

/// The bytes of a small file, if there is one.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(None),
        Err(error) => return Err(crate::Error::read(path)(error).into()),
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(crate::Error::read(path))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Error::Broken { path: path.into(), reason: "is longer than any that was written" });
    }
    Ok(Some(bytes))
}
