//! Folders that appear whole or not at all, and the head of a safetensors file.
//!
//! Invariant: equal contents give equal bytes. The head is written by hand for that: the library's writer does not
//! keep the order of the metadata (format: huggingface/safetensors, README, "Format").

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// Writes a folder by way of a temporary one beside it. It must not exist, or be empty; its parent must exist.
///
/// # Errors
/// [`Error::Io`], also if the folder is not empty, and those of `fill`; then nothing is left behind.
pub(crate) fn write_folder(dir: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let failed = |source| Error::Io { action: "write", path: dir.to_path_buf(), source };
    match std::fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(failed(io::ErrorKind::DirectoryNotEmpty.into()));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let temporary = sibling(parent).map_err(failed)?;
    fill(temporary.path())?;
    sync_folder(temporary.path()).map_err(failed)?;
    std::fs::rename(temporary.path(), dir).map_err(failed)?;
    // The name now belongs to the contents; nothing is left to remove.
    let _ = temporary.keep();
    sync_folder(parent).map_err(failed)
}

/// A temporary folder beside the target, with the permissions that a plain new folder would have.
fn sibling(parent: &Path) -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".adapter-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder.tempdir_in(parent)
}

/// Writes a new file of a folder, durably.
pub(crate) fn write_file(
    dir: &Path,
    name: &str,
    contents: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut writer = BufWriter::new(File::create_new(dir.join(name))?);
    contents(&mut writer)?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Indented JSON with a newline at its end.
pub(crate) fn pretty(file: &mut impl Write, value: &Value) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *file, value)?;
    file.write_all(b"\n")
}

/// The head of a safetensors file whose tensors, each `(name, shape)`, follow in this order without gaps.
/// `dtype` is safetensors' name of the type, `width` the bytes of one value.
pub(crate) fn safetensors_head(
    metadata: &BTreeMap<String, String>,
    (dtype, width): (&str, usize),
    tensors: impl IntoIterator<Item = (String, Vec<usize>)>,
) -> io::Result<Vec<u8>> {
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!(metadata));
    let mut end = 0;
    for (name, shape) in tensors {
        let start = end;
        end += shape.iter().product::<usize>() * width;
        header.insert(name, json!({"dtype": dtype, "shape": shape, "data_offsets": [start, end]}));
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut head = (header.len() as u64).to_le_bytes().to_vec();
    head.append(&mut header);
    Ok(head)
}

fn sync_folder(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}
