//! Where pulled bases live and how they are found again.
//!
//! Layout: `<home>/bases/<name>/`, with the model's files and `base.json`; home is `$CLOISTER_HOME`, else
//! `$XDG_DATA_HOME/cloister`, else `~/.local/share/cloister`.
//!
//! Invariants: `base.json` is written last, so a folder that has one is complete; it names every file with its digest. It is
//! trusted no further than that: for a known name, file and digest are those of this program, and a file that it
//! does not name is not there for anybody.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::registry::Known;
use super::{Error, is_hub_id};
use crate::files::{Keep, WholeFile, digest_file};
use crate::progress::{Progress, Show, Unit};

/// The folder of everything that belongs to this user's cloister.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

/// A pulled base: what `base.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `cloister.base.v1`.
    pub schema: String,
    /// The name under which it was pulled.
    pub name: String,
    /// Where it came from.
    pub source: String,
    /// The commit at the source, if it has commits.
    pub revision: Option<String>,
    /// The licence, as the registry or the source states it.
    pub licence: Option<String>,
    /// What to load: a file name, or `.` for the whole folder.
    pub entry: String,
    /// Every file.
    pub files: Vec<ManifestFile>,
}

/// A file of a base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its name in the folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// What vouches for the digest.
    pub trust: Trust,
}

/// What a digest was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// A digest that is part of this program.
    Pinned,
    /// A digest that the source stated.
    Stated,
    /// Nothing: it was recorded at the first pull.
    Recorded,
}

/// A base found for a verb.
#[derive(Clone, Debug)]
pub struct Base {
    /// The GGUF file or the folder.
    pub path: PathBuf,
    /// What is known about it, if it was pulled.
    pub manifest: Option<Manifest>,
}

impl Home {
    /// The home that the environment names.
    pub fn from_env() -> Result<Home, Error> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = || set("XDG_DATA_HOME").filter(|path| path.is_absolute()).map(|path| path.join("cloister"));
        let user = || Some(std::env::home_dir()?.join(".local").join("share").join("cloister"));
        set("CLOISTER_HOME").or_else(data).or_else(user).map(Home).ok_or(Error::NoHome)
    }

    /// A home in a given folder.
    pub fn at(folder: impl Into<PathBuf>) -> Home {
        Home(folder.into())
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The folder of a base; `name` is a known name or a hub id.
    pub fn base_folder(&self, name: &str) -> PathBuf {
        self.0.join("bases").join(name)
    }

    /// What `base.json` of `name` says, if it was pulled.
    pub fn manifest(&self, name: &str) -> Result<Option<Manifest>, Error> {
        let path = self.base_folder(name).join("base.json");
        match fs::read(&path) {
            Ok(bytes) => {
                let reason = |error: serde_json::Error| Error::BadAnswer {
                    url: path.display().to_string(),
                    reason: error.to_string(),
                };
                let manifest: Manifest = serde_json::from_slice(&bytes).map_err(reason)?;
                manifest.check(name).map_err(|reason| Error::Record { name: name.into(), reason })?;
                Ok(Some(manifest))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(crate::Error::read(path)(error).into()),
        }
    }

    /// The names of all pulled bases, sorted.
    pub fn pulled(&self) -> Vec<String> {
        let folders = |at: &Path| -> Vec<PathBuf> {
            let entries = fs::read_dir(at).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
        };
        let root = self.0.join("bases");
        let first = folders(&root);
        let second: Vec<PathBuf> = first.iter().flat_map(|folder| folders(folder)).collect();
        let complete = first.into_iter().chain(second).filter(|folder| folder.join("base.json").is_file());
        let mut names: Vec<String> =
            complete.filter_map(|folder| Some(folder.strip_prefix(&root).ok()?.to_str()?.replace('\\', "/"))).collect();
        names.sort();
        names
    }

    pub(super) fn write_manifest(&self, manifest: &Manifest) -> Result<(), Error> {
        let path = self.base_folder(&manifest.name).join("base.json");
        let mut file = WholeFile::create(&path, Keep::Shared)?;
        let text = serde_json::to_string_pretty(manifest)
            .map_err(|error| Error::BadAnswer { url: path.display().to_string(), reason: error.to_string() })?;
        writeln!(file, "{text}").map_err(crate::Error::write(&path))?;
        Ok(file.commit()?)
    }
}

impl Manifest {
    /// Whether this is a record of the base `name`, and of what is loaded of it.
    fn check(&self, name: &str) -> Result<(), &'static str> {
        let plain = |path: &str| {
            let mut parts = Path::new(path).components();
            parts.next().is_some() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
        };
        let names = |wanted: &str| self.files.iter().any(|file| file.path == wanted);
        if self.name != name {
            return Err("it is of another base");
        }
        if self.files.is_empty() || !self.files.iter().all(|file| plain(&file.path)) {
            return Err("it names no files, or files elsewhere");
        }
        if self.entry != "." && !names(&self.entry) {
            return Err("what it would load is not among its files");
        }
        match Known::find(name) {
            Some(known) if self.entry != known.file() => Err("it would load another file than the known one"),
            _ => Ok(()),
        }
    }
}

/// Compares every file of a pulled base with its digest: the pinned one where there is one, else the recorded one. In a
/// folder that is loaded as a whole, a file without a digest is a change too.
pub fn verify(home: &Home, manifest: &Manifest, show: Show) -> Result<(), Error> {
    let folder = home.base_folder(&manifest.name);
    let total = manifest.files.iter().map(|file| file.bytes).sum();
    let mut progress = Progress::new(show, "verifying", total, Unit::Bytes);
    if manifest.entry == "." {
        let listed = |path: &Path| manifest.files.iter().any(|file| Path::new(&file.path) == path);
        if let Some(file) =
            files_below(&folder)?.into_iter().find(|path| path != Path::new("base.json") && !listed(path))
        {
            let (name, file) = (manifest.name.clone(), file.display().to_string());
            return Err(Error::Changed {
                name,
                file,
                expected: "nothing".into(),
                found: "a file that was not pulled".into(),
            });
        }
    }
    let pinned = Known::find(&manifest.name);
    for file in &manifest.files {
        let expected =
            pinned.filter(|known| known.file() == file.path).map_or(file.sha256.as_str(), |known| known.member_sha256);
        let found = match digest_file(&folder.join(&file.path), |more| progress.advance(more)) {
            Err(crate::Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => "nothing".into(),
            other => other?,
        };
        if found != expected {
            let name = manifest.name.clone();
            return Err(Error::Changed { name, file: file.path.clone(), expected: expected.into(), found });
        }
    }
    Ok(())
}

/// The files below a folder, relative to it, apart from those that a pull has begun.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, crate::Error> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).map_err(crate::Error::read(&at))?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if !entry.file_name().to_string_lossy().starts_with(".cloister-")
                && let Ok(path) = path.strip_prefix(folder)
            {
                files.push(path.to_owned());
            }
        }
    }
    Ok(files)
}

/// The base that `--base` means: a GGUF file, a Hugging Face folder, or a pulled name.
pub fn find_base(name_or_path: &str) -> Result<Base, Error> {
    find_base_in(&Home::from_env()?, name_or_path)
}

/// [`find_base`] in a given home.
pub fn find_base_in(home: &Home, name_or_path: &str) -> Result<Base, Error> {
    let path = Path::new(name_or_path);
    let is_gguf = path.is_file() && path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"));
    if is_gguf || path.join("config.json").is_file() {
        return Ok(Base { path: path.into(), manifest: None });
    }
    let can_be_pulled = Known::find(name_or_path).is_some() || is_hub_id(name_or_path);
    if can_be_pulled && let Some(manifest) = home.manifest(name_or_path)? {
        let folder = home.base_folder(name_or_path);
        let path = if manifest.entry == "." { folder } else { folder.join(&manifest.entry) };
        return Ok(Base { path, manifest: Some(manifest) });
    }
    let looks_like_path = path.is_absolute() || name_or_path.starts_with('.') || name_or_path.ends_with(".gguf");
    Err(match () {
        () if path.exists() => Error::NotABase { path: name_or_path.into() },
        () if looks_like_path => {
            crate::Error::Read { path: path.into(), source: io::Error::from(io::ErrorKind::NotFound) }.into()
        }
        () if can_be_pulled => Error::NotPulled { name: name_or_path.into() },
        () => Error::UnknownBase { name: name_or_path.into() },
    })
}
