//! A base from the Hugging Face hub, or from its cache on this machine.
//!
//! Invariants: weights come as safetensors or not at all, never as a pickle; every digest that the hub states is
//! verified; all files are of one commit. Source: the hub's HTTP API (`/api/models/{id}/revision/{revision}?blobs=true`,
//! `/{id}/resolve/{commit}/{file}`) and the cache layout of `huggingface_hub` (`refs/`, `snapshots/`, `blobs/`).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::http::{Http, shown};
use super::store::{ManifestFile, Trust};
use super::{Error, Sources};
use crate::files::{Keep, WholeFile, digest_file};
use crate::progress::{Progress, Show, Unit};

const PLAIN_FILES: &[&str] =
    &["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"];
const PICKLES: &[&str] = &[".bin", ".pt", ".pth", ".ckpt", ".pkl"];

/// What was fetched.
pub(super) struct Fetched {
    pub(super) revision: String,
    pub(super) licence: Option<String>,
    pub(super) source: String,
    pub(super) files: Vec<ManifestFile>,
}

#[derive(Deserialize)]
struct Model {
    sha: String,
    siblings: Vec<Sibling>,
    #[serde(default, rename = "cardData")]
    card: Option<Card>,
}

#[derive(Deserialize)]
struct Card {
    license: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Sibling {
    #[serde(rename = "rfilename")]
    name: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
}

/// Puts the files of `id` at `revision` into `folder`.
pub(super) fn fetch(id: &str, revision: &str, sources: &Sources, folder: &Path, show: Show) -> Result<Fetched, Error> {
    if let Some(cached) = from_cache(id, revision, sources, folder, show)? {
        return Ok(cached);
    }
    let http = Http::new();
    let token = sources.token.as_deref();
    let endpoint = sources.hub.trim_end_matches('/');
    let url = format!("{endpoint}/api/models/{id}/revision/{}?blobs=true", revision.replace('/', "%2F"));
    let (_, text) = http.text(&url, "application/json", token)?;
    let bad = |reason: String| Error::BadAnswer { url: shown(&url), reason };
    let model: Model = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    if !is_hex(&model.sha, 40) {
        return Err(bad("the commit is not a digest".into()));
    }
    let names = model.siblings.iter().map(|sibling| sibling.name.as_str());
    let chosen = choose(id, &shown(&url), names)?;
    let mut files = Vec::new();
    for name in chosen {
        let sibling = model.siblings.iter().find(|sibling| sibling.name == name);
        let stated = sibling.and_then(|sibling| sibling.lfs.as_ref()).map(|lfs| lfs.sha256.as_str());
        let bytes = sibling.and_then(|sibling| sibling.size);
        if let Some(kept) = already_there(folder, &name, stated)? {
            files.push(kept);
            continue;
        }
        let url = format!("{endpoint}/{id}/resolve/{}/{name}", model.sha);
        let mut target = WholeFile::create(&folder.join(&name), Keep::Shared)?;
        let received = http.download(&url, token, bytes, &mut target, (&name, show))?;
        if let Some(expected) = stated.filter(|stated| **stated != *received.sha256) {
            return Err(Error::WrongDigest { file: name, expected: expected.into(), found: received.sha256 });
        }
        target.commit()?;
        let trust = if stated.is_some() { Trust::Stated } else { Trust::Recorded };
        files.push(ManifestFile { path: name, bytes: received.bytes, sha256: received.sha256, trust });
    }
    let licence = model.card.and_then(|card| card.license).and_then(|value| value.as_str().map(str::to_owned));
    Ok(Fetched { revision: model.sha, licence, source: shown(&format!("{endpoint}/{id}")), files })
}

/// The files of a model that are wanted, out of all names at its root.
fn choose<'a>(id: &str, url: &str, names: impl Iterator<Item = &'a str>) -> Result<Vec<String>, Error> {
    let root: Vec<&str> = names.filter(|name| is_plain(name)).collect();
    let is_weights = |name: &&str| name.ends_with(".safetensors");
    let mut weights: Vec<&str> =
        root.iter().copied().filter(|name| is_weights(name) && name.starts_with("model")).collect();
    if weights.is_empty() {
        weights = root.iter().copied().filter(is_weights).collect();
    }
    if weights.is_empty() {
        let pickle = root.iter().find(|name| PICKLES.iter().any(|end| name.ends_with(end)));
        return Err(match pickle {
            Some(file) => Error::Pickle { name: id.into(), file: (*file).into() },
            None => Error::NotOffered { url: url.into(), file: "*.safetensors".into() },
        });
    }
    for needed in ["config.json", "tokenizer.json"] {
        if !root.contains(&needed) {
            return Err(Error::NotOffered { url: url.into(), file: needed.into() });
        }
    }
    let plain =
        root.iter().copied().filter(|name| PLAIN_FILES.contains(name) || name.ends_with(".safetensors.index.json"));
    Ok(plain.chain(weights).map(str::to_owned).collect())
}

/// A file that an earlier pull finished, if the hub's digest says that it is the right one.
fn already_there(folder: &Path, name: &str, stated: Option<&str>) -> Result<Option<ManifestFile>, Error> {
    let path = folder.join(name);
    let (Some(stated), Ok(metadata)) = (stated, path.metadata()) else { return Ok(None) };
    let sha256 = digest_file(&path, |_| {})?;
    if sha256 != stated {
        return Ok(None);
    }
    Ok(Some(ManifestFile { path: name.into(), bytes: metadata.len(), sha256, trust: Trust::Stated }))
}

/// The model out of the hub's cache, if all that it needs is there.
fn from_cache(
    id: &str,
    revision: &str,
    sources: &Sources,
    folder: &Path,
    show: Show,
) -> Result<Option<Fetched>, Error> {
    let Some(cache) = &sources.hub_cache else { return Ok(None) };
    let model = cache.join(format!("models--{}", id.replace('/', "--")));
    let named = fs::read_to_string(model.join("refs").join(revision)).map(|commit| commit.trim().to_owned());
    let commit = named.unwrap_or_else(|_| revision.to_owned());
    let snapshot = model.join("snapshots").join(&commit);
    if !is_hex(&commit, 40) || !snapshot.is_dir() {
        return Ok(None);
    }
    let listed = fs::read_dir(&snapshot).map_err(crate::Error::read(&snapshot))?;
    let names: Vec<String> = listed.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    // An incomplete snapshot is no error: the hub has the rest.
    let Ok(chosen) = choose(id, "", names.iter().map(String::as_str)) else { return Ok(None) };
    if !all_shards(&snapshot, &chosen) {
        return Ok(None);
    }
    let mut files = Vec::new();
    for name in chosen {
        files.push(copy_cached(&snapshot, name, folder, show)?);
    }
    let source = shown(&format!("{}/{id}", sources.hub.trim_end_matches('/')));
    Ok(Some(Fetched { revision: commit, licence: None, source, files }))
}

/// Whether every shard that an index names is among the files.
fn all_shards(snapshot: &Path, chosen: &[String]) -> bool {
    #[derive(Deserialize)]
    struct Index {
        weight_map: std::collections::BTreeMap<String, String>,
    }
    let indexes = chosen.iter().filter(|name| name.ends_with(".index.json"));
    indexes.map(|name| fs::read(snapshot.join(name))).all(|bytes| {
        let index = bytes.ok().and_then(|bytes| serde_json::from_slice::<Index>(&bytes).ok());
        index.is_some_and(|index| index.weight_map.values().all(|shard| chosen.contains(shard)))
    })
}

/// Copies a file of a snapshot; a blob that is named by a SHA-256 must have it.
fn copy_cached(snapshot: &Path, name: String, folder: &Path, show: Show) -> Result<ManifestFile, Error> {
    let path = snapshot.join(&name);
    let blob = fs::canonicalize(&path).map_err(crate::Error::read(&path))?;
    let bytes = blob.metadata().map_err(crate::Error::read(&blob))?.len();
    let mut source = File::open(&blob).map_err(crate::Error::read(&blob))?;
    let mut target = WholeFile::create(&folder.join(&name), Keep::Shared)?;
    io::copy(&mut source, &mut target).map_err(crate::Error::write(target.target().to_owned()))?;
    target.commit()?;
    let mut progress = Progress::new(show, &name, bytes, Unit::Bytes);
    let copied: PathBuf = folder.join(&name);
    let sha256 = digest_file(&copied, |more| progress.advance(more))?;
    let stated = blob.file_name().and_then(|name| name.to_str()).filter(|name| is_hex(name, 64));
    if let Some(expected) = stated.filter(|stated| **stated != *sha256) {
        fs::remove_file(&copied).map_err(crate::Error::write(&copied))?;
        return Err(Error::WrongDigest { file: name, expected: expected.into(), found: sha256 });
    }
    let trust = if stated.is_some() { Trust::Stated } else { Trust::Recorded };
    Ok(ManifestFile { path: name, bytes, sha256, trust })
}

fn is_plain(name: &str) -> bool {
    !name.starts_with('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_chosen_once_and_never_as_pickles() {
        let names =
            ["config.json", "tokenizer.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        let more = [
            "model.safetensors.index.json",
            "consolidated.safetensors",
            "pytorch_model.bin",
            "README.md",
            "../x.safetensors",
        ];
        let chosen = choose("a/b", "", names.iter().chain(&more).copied()).unwrap_or_default();
        assert_eq!(chosen.len(), 5);
        assert!(
            !chosen.iter().any(|name| name.contains("consolidated") || name.contains("bin") || name.contains(".."))
        );
        let pickled = choose("a/b", "", ["config.json", "tokenizer.json", "pytorch_model.bin"].into_iter());
        assert!(matches!(pickled, Err(Error::Pickle { file, .. }) if file == "pytorch_model.bin"));
    }
}
