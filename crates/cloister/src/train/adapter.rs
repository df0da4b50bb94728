//! The adapter on disk: written whole into the snapshot's folder, read back, compared with what was trained, and only
//! then moved to its place.
//!
//! Why: an adapter whose tensors are misnamed loads without an error elsewhere and *is the base model*; it leaks
//! nothing, learns nothing, and passes every audit (Opacus issue 820; see also PEFT's warning on missing keys).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cloister_model::{Lora, peft};
use serde::{Deserialize, Serialize};

use super::{Error, Request};
use crate::files::{create_folder, digest_file, sync_folder};

/// Where it waits inside the snapshot's folder.
pub(super) const WAITING: &str = "adapter";

/// Where it lies inside the snapshot's folder when a process has trained it that may write nowhere else.
pub(super) const TRAINED: &str = "trained";

const TENSORS: &str = "adapter_model.safetensors";

/// The files of an adapter and the most bytes that each may have. A tokenizer is as large as its vocabulary.
const FILES: [(&str, u64); 5] = [
    (TENSORS, 16 << 30),
    ("adapter_config.json", 1 << 20),
    ("tokenizer.json", 64 << 20),
    ("tokenizer_config.json", 16 << 20),
    ("chat_template.jinja", 1 << 20),
];

/// Logits before and after the disk may differ by this much; they are the same numbers, so in fact by nothing.
const TOLERANCE: f32 = 1e-5;

/// An adapter that was read back from disk.
pub struct WrittenAdapter {
    /// Its folder.
    pub path: PathBuf,
    /// SHA-256 of the tensors' file.
    pub sha256: String,
    /// Size of the tensors' file.
    pub bytes: u64,
    /// Number of trained values.
    pub parameters: usize,
    /// What was measured for the four assertions that held.
    pub read_back: ReadBack,
}

/// What was measured when an adapter was read back. Numbers alone: another process may have measured them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadBack {
    /// Targets with both factors.
    pub pairs: usize,
    /// The largest value of any B.
    pub largest_b: f32,
    /// The largest difference of its logits from the base's.
    pub from_base: f32,
    /// The largest difference of its logits from those of the adapter in memory.
    pub from_memory: f32,
}

impl ReadBack {
    /// The four assertions, with what was measured for each.
    #[must_use]
    pub fn checks(&self) -> [AdapterCheck; 4] {
        let check = |name, detail| AdapterCheck { name, detail };
        [
            check("every target has A and B", format!("{} pairs", self.pairs)),
            check("B is not zero", format!("largest value {:.1e}", self.largest_b)),
            check("logits differ from the base's", format!("by up to {:.3}", self.from_base)),
            check("logits equal those in memory", format!("within {:.1e}", self.from_memory)),
        ]
    }
}

/// One assertion about the adapter on disk.
pub struct AdapterCheck {
    /// What was asserted.
    pub name: &'static str,
    /// What was measured.
    pub detail: String,
}

/// Writes the folder, holds it to four assertions and moves it to its place. A process that was killed right after that
/// has left it there; then it is held to the assertions once more.
pub(super) fn write(request: &Request<'_>, lora: &Lora) -> Result<WrittenAdapter, Error> {
    let Request { ready, built: plan, adapter: path, .. } = request;
    if is_full(path) {
        return check(request, lora, path).map_err(|error| match error {
            Error::File(crate::Error::Interrupted) => error,
            _ => in_the_way(path),
        });
    }
    let metadata = BTreeMap::from([
        ("producer".to_owned(), concat!("cloister ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("base_sha256".to_owned(), ready.base.identity.sha256.clone()),
        ("epsilon".to_owned(), plan.epsilon().to_string()),
        ("delta".to_owned(), plan.delta().to_string()),
        ("unit".to_owned(), plan.unit().to_string()),
    ]);
    let parent = parent_of(path);
    create_folder(parent)?;
    let waiting = request.snapshot.join(WAITING);
    let _ = std::fs::remove_dir_all(&waiting);
    peft::write(&waiting, lora, &ready.base, &metadata)?;
    let written = check(request, lora, &waiting)?;
    std::fs::rename(&waiting, path).map_err(crate::Error::write(path))?;
    sync_folder(parent).map_err(crate::Error::write(path))?;
    Ok(WrittenAdapter { path: path.clone(), ..written })
}

/// Takes over what another process has trained and checked: the files of an adapter, of the size and the digest that it told,
/// and nothing else. A process that was killed right after that has left the same in its place.
pub(super) fn take(trained: &Path, path: &Path, sha256: &str, bytes: u64) -> Result<(), Error> {
    let astray = |what| Error::TrainerAstray { what };
    for entry in std::fs::read_dir(trained).map_err(crate::Error::read(trained))? {
        let entry = entry.map_err(crate::Error::read(trained))?;
        let found = entry.metadata().map_err(crate::Error::read(entry.path()))?; // does not follow a link
        let name = entry.file_name();
        let most = FILES.iter().find(|&&(known, _)| name == known).map(|&(_, most)| most);
        if !found.is_file() || most.is_none_or(|most| found.len() > most) {
            return Err(astray("it wrote a file that no adapter has"));
        }
    }
    let tensors = trained.join(TENSORS);
    let length = std::fs::metadata(&tensors).map_err(crate::Error::read(&tensors))?.len();
    if length != bytes || digest_file(&tensors, |_| ())? != sha256 {
        return Err(astray("the adapter is not the one that it told of"));
    }
    if is_full(path) {
        let there = path.join(TENSORS);
        return match digest_file(&there, |_| ()) {
            Ok(digest) if digest == sha256 => Ok(()),
            _ => Err(in_the_way(path)),
        };
    }
    let parent = parent_of(path);
    create_folder(parent)?;
    std::fs::rename(trained, path).map_err(crate::Error::write(path))?;
    Ok(sync_folder(parent).map_err(crate::Error::write(path))?)
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether something is in a folder.
pub(super) fn is_full(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// Why nothing can be written to a folder that is not empty.
pub(super) fn in_the_way(folder: &Path) -> Error {
    let source = std::io::ErrorKind::DirectoryNotEmpty.into();
    cloister_model::Error::Io { action: "write", path: folder.into(), source }.into()
}

fn check(request: &Request<'_>, lora: &Lora, path: &Path) -> Result<WrittenAdapter, Error> {
    let ready = request.ready;
    let read = peft::check_written(path, lora, &ready.base.config)?;
    let tokens = ready.base.tokenizer.encode("The quick brown fox jumps over the lazy dog.", true)?;
    let base = ready.decoder.logits(None, &tokens)?;
    let memory = ready.decoder.logits(Some(lora), &tokens)?;
    let disk = ready.decoder.logits(Some(&read), &tokens)?;
    let from_base = largest_difference(&disk, &base);
    let from_memory = largest_difference(&disk, &memory);
    if from_memory.is_nan() || from_memory > TOLERANCE {
        return Err(Error::NotFaithful { difference: from_memory });
    }
    if from_base.is_nan() || from_base <= 0.0 {
        return Err(Error::Identity);
    }
    let tensors = path.join(TENSORS);
    let bytes = std::fs::metadata(&tensors).map_err(crate::Error::read(&tensors))?.len();
    let pairs = lora.slots.len();
    let largest_b =
        read.slots.iter().flat_map(|slot| &read.parameters[slot.b.clone()]).fold(0.0f32, |m, v| m.max(v.abs()));
    Ok(WrittenAdapter {
        path: path.into(),
        sha256: digest_file(&tensors, |_| ())?,
        bytes,
        parameters: lora.parameters.len(),
        read_back: ReadBack { pairs, largest_b, from_base, from_memory },
    })
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |most, d| if d.is_nan() || d > most { d } else { most })
}
