//! Release: an adapter in the forms that other programs run, each read back before it is kept.
//!
//! Invariants: nothing that exists is overwritten; what was written goes again if a later step or check fails; an
//! exported file that does not do what the adapter does is an error, not a file.

mod error;
mod kinds;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use cloister_model::export::{FloatType, gguf, merged, modelfile};
use cloister_model::{Base, Decoder, Lora, Precision};

pub use error::Error;
pub use kinds::Exports;

use crate::files::{Keep, WholeFile, create_folder, digest_file};
use crate::interrupt;

const GGUF: &str = "adapter.gguf";
/// The folder of the merged model in the folder of exports.
pub const MERGED: &str = "merged";
const MODELFILE: &str = "Modelfile";

/// How far the merged model's logits may lie from the adapter's, as a share of how far the base's lie (root mean
/// squares). In `f32` they differ by the order of sums; in 16 bits by the rounding of every weight, and above a half
/// more of the model is rounding than adapter.
const SHARE_F32: f64 = 0.01;
const SHARE_16_BITS: f64 = 0.5;

/// What to export, and where to.
pub struct Request<'a> {
    /// The base, without its weights.
    pub base: &'a Base,
    /// The base's file or folder.
    pub base_path: &'a Path,
    /// Its weights, opened in `f32`.
    pub decoder: &'a Decoder,
    /// The adapter, as it was read from its folder.
    pub lora: &'a Lora,
    /// The forms.
    pub exports: &'a Exports,
    /// The folder that they come into.
    pub out: &'a Path,
}

/// One exported file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Its place in the folder of exports, with slashes.
    pub path: String,
    /// Its SHA-256, lower-case hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// What was exported.
#[derive(Debug)]
pub struct Outcome {
    /// Every file, in the order of the forms.
    pub files: Vec<Exported>,
    /// How the merged model's logits compare with the adapter's, if there is one.
    pub fidelity: Option<Fidelity>,
    /// The file that must be put beside the Modelfile, as it names it, if there is one.
    pub beside_modelfile: Option<String>,
}

/// Root mean square differences of logits on one text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fidelity {
    /// Between the merged model and base with adapter.
    pub from_adapter: f64,
    /// Between base with adapter and base.
    pub adapter_from_base: f64,
}

/// Refuses a folder in which an export exists already.
///
/// # Errors
/// [`Error::Exists`].
pub fn refuse_existing(out: &Path, exports: &Exports, base_path: &Path) -> Result<(), Error> {
    if out.exists() && !out.is_dir() {
        return Err(Error::Exists { path: out.to_path_buf() });
    }
    match targets(out, &exports.with_needs(base_path)).into_iter().find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(Error::Exists { path }),
        None => Ok(()),
    }
}

/// Writes the forms that were asked for and those that they stand on, reads them back, and compares.
///
/// # Errors
/// [`Error::Exists`]; [`Error::Lost`] for a merged model that does not do what the adapter does; [`Error::Model`] and
/// [`Error::File`] for what they name. Nothing is left behind.
pub fn release(request: &Request<'_>) -> Result<Outcome, Error> {
    let Request { base, base_path, lora, out, .. } = request;
    let exports = request.exports.with_needs(base_path);
    refuse_existing(out, &exports, base_path)?;
    if lora.is_identity() {
        return Err(Error::Identity);
    }
    let mut written = Written::into(out)?;
    let mut files = Vec::new();
    let mut outcome = Outcome { files: Vec::new(), fidelity: None, beside_modelfile: None };
    if let Some(kind) = exports.gguf {
        let bytes = gguf::adapter(lora, base, kind)?;
        gguf::check_written(&bytes, &out.join(GGUF), lora, &base.config, kind)?;
        written.file(GGUF, &bytes)?;
        files.push(GGUF.to_owned());
    }
    if let Some(kind) = exports.merged {
        interrupt::check()?;
        let dir = out.join(MERGED);
        merged::write(&dir, lora, base, request.decoder.weights(), kind, merged::SHARD_BYTES)?;
        written.paths.push(dir.clone());
        outcome.fidelity = Some(check_merged(request, &dir, kind)?);
        files.extend(names_in(&dir)?.into_iter().map(|name| format!("{MERGED}/{name}")));
    }
    if exports.ollama {
        let (from, adapter) = match (exports.gguf, base_path.file_name().filter(|_| base_path.is_file())) {
            (Some(_), Some(name)) => {
                let name = name.to_str().ok_or_else(|| Error::Name { path: base_path.to_path_buf() })?;
                outcome.beside_modelfile = Some(name.to_owned());
                (format!("./{name}"), Some(format!("./{GGUF}")))
            }
            _ => (format!("./{MERGED}"), None),
        };
        written.file(MODELFILE, modelfile::modelfile(base, &from, adapter.as_deref())?.as_bytes())?;
        files.push(MODELFILE.to_owned());
    }
    for path in files {
        let file = out.join(&path);
        let bytes = std::fs::metadata(&file).map_err(crate::Error::read(&file))?.len();
        outcome.files.push(Exported { sha256: digest_file(&file, |_| ())?, bytes, path });
    }
    written.keep();
    Ok(outcome)
}

fn targets(out: &Path, exports: &Exports) -> Vec<PathBuf> {
    let wanted = [(GGUF, exports.gguf.is_some()), (MERGED, exports.merged.is_some()), (MODELFILE, exports.ollama)];
    wanted.into_iter().filter(|&(_, wanted)| wanted).map(|(name, _)| out.join(name)).collect()
}

/// The merged model, loaded as anyone would, must do what base and adapter do.
fn check_merged(request: &Request<'_>, dir: &Path, kind: FloatType) -> Result<Fidelity, Error> {
    let Request { base, decoder, lora, .. } = request;
    let tokens = base.tokenizer.encode("The quick brown fox jumps over the lazy dog.", true)?;
    let adapted = decoder.logits(Some(lora), &tokens)?;
    let bare = decoder.logits(None, &tokens)?;
    let (read, weights) = Base::open(dir, Precision::F32)?;
    let merged = Decoder::new(read.config, weights)?.logits(None, &tokens)?;
    let fidelity = Fidelity {
        from_adapter: root_mean_square(&merged, &adapted),
        adapter_from_base: root_mean_square(&adapted, &bare),
    };
    let share = if kind == FloatType::F32 { SHARE_F32 } else { SHARE_16_BITS };
    // Written so that NaN fails.
    if fidelity.from_adapter <= share * fidelity.adapter_from_base {
        Ok(fidelity)
    } else {
        Err(Error::Lost { kind, fidelity })
    }
}

fn root_mean_square(a: &[f32], b: &[f32]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (squares / a.len().max(1) as f64).sqrt()
}

fn names_in(dir: &Path) -> Result<Vec<String>, Error> {
    let entries = std::fs::read_dir(dir).map_err(crate::Error::read(dir))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(crate::Error::read(dir))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// What this release has written; it goes again unless it is kept.
struct Written<'a> {
    out: &'a Path,
    /// The first of the folders that did not exist before.
    made: Option<PathBuf>,
    paths: Vec<PathBuf>,
    kept: bool,
}

impl<'a> Written<'a> {
    fn into(out: &'a Path) -> Result<Self, Error> {
        let missing = out.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).last();
        let made = missing.map(Path::to_path_buf);
        create_folder(out)?;
        Ok(Self { out, made, paths: Vec::new(), kept: false })
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        interrupt::check()?;
        let path = self.out.join(name);
        let mut file = WholeFile::create(&path, Keep::SharedNew)?;
        file.write_all(bytes).map_err(crate::Error::write(&path))?;
        file.commit()?;
        self.paths.push(path);
        Ok(())
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // What cannot be removed is in the way of the next release, which says so.
        for path in &self.paths {
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
        if let Some(made) = &self.made {
            for folder in self.out.ancestors().take_while(|folder| folder.starts_with(made)) {
                let _ = std::fs::remove_dir(folder);
            }
        }
    }
}
