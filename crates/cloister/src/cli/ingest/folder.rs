//! The folder of a dataset, as it comes to be.
//!
//! Invariant: what the work created is there in whole when it succeeds, and gone when it does not: files, then the folders
//! that were made for them. Files that were there before are replaced one by one, the evidence last.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Args, DECISIONS, EVIDENCE, KEY, PAGE, RECORDS};
use crate::evidence::dataset::{DatasetFacts, page};
use crate::files::{Keep, WholeFile, create_folder, create_private_folder};
use crate::keys;

/// The files of a dataset, begun before anything is read, so that what cannot be written is refused at once.
pub(super) struct Files {
    pub(super) records: WholeFile,
    pub(super) decisions: WholeFile,
    pub(super) quarantine: Option<WholeFile>,
    dataset: WholeFile,
    page: WholeFile,
    // Dropped last, when the unfinished files are gone from its folders.
    made: Made,
}

impl Files {
    pub(super) fn create(args: &Args, out: &Path) -> anyhow::Result<Self> {
        let keep = if args.force { Keep::PrivateReplacing } else { Keep::Private };
        let made = Made::folder(out)?;
        let file = |name: &str| WholeFile::create(&out.join(name), keep);
        Ok(Self {
            records: file(RECORDS)?,
            decisions: file(DECISIONS)?,
            dataset: file(EVIDENCE)?,
            page: file(PAGE)?,
            quarantine: args.quarantine.as_ref().map(|path| WholeFile::create(path, keep)).transpose()?,
            made,
        })
    }

    /// The evidence appears last: where it is, everything is.
    pub(super) fn commit(self, args: &Args, out: &Path, facts: &DatasetFacts, key: &keys::Key) -> anyhow::Result<()> {
        let Self { records, decisions, quarantine, mut dataset, page: mut html, mut made } = self;
        let mut json = serde_json::to_vec_pretty(facts)?;
        json.push(b'\n');
        dataset.write_all(&json).map_err(crate::Error::write(dataset.target()))?;
        html.write_all(page(facts).as_bytes()).map_err(crate::Error::write(html.target()))?;
        if args.key.is_none() {
            let path = out.join(KEY);
            made.under(&path, |path| {
                create_private_folder(&out.join("private"))?;
                Ok(keys::replace(path, key)?)
            })?;
        }
        for file in [Some(records), Some(decisions), quarantine, Some(html), Some(dataset)].into_iter().flatten() {
            let path = file.target().to_owned();
            made.under(&path, |_| Ok(file.commit()?))?;
        }
        made.done = true;
        Ok(())
    }
}

/// What was created, and is removed again unless all is done.
struct Made {
    /// From the outermost to the innermost.
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
    done: bool,
}

impl Made {
    /// Creates a folder with its parents.
    fn folder(folder: &Path) -> Result<Self, crate::Error> {
        let mut made = Self { folders: absent(folder), files: Vec::new(), done: false };
        made.folders.reverse();
        create_folder(folder)?;
        Ok(made)
    }

    /// Lets a file and the folders above it appear.
    fn under(&mut self, path: &Path, appear: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.folders.extend(path.parent().map(absent).unwrap_or_default().into_iter().rev());
        let is_new = !path.exists();
        appear(path)?;
        if is_new {
            self.files.push(path.into());
        }
        Ok(())
    }
}

/// The folders of a path that are not there, from the innermost to the outermost.
fn absent(folder: &Path) -> Vec<PathBuf> {
    let above = folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
    above.map(Path::to_owned).collect()
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // The error that led here is the one to tell; a folder in which somebody put something stays.
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_was_created_is_removed_unless_all_is_done() {
        let place = tempfile::tempdir().unwrap();
        let (out, theirs) = (place.path().join("a/b"), place.path().join("theirs"));
        fs::write(&theirs, "kept").unwrap();
        for done in [false, true] {
            let mut made = Made::folder(&out).unwrap();
            let put = |path: &Path| Ok(fs::write(path, "new")?);
            made.under(&out.join("file"), put).unwrap();
            made.under(&theirs, put).unwrap();
            made.under(&out.join("private/key"), |path| {
                create_folder(path.parent().unwrap())?;
                put(path)
            })
            .unwrap();
            made.done = done;
            drop(made);
            assert_eq!((out.join("file").exists(), out.join("private/key").exists()), (done, done));
            assert_eq!((place.path().join("a").exists(), theirs.exists()), (done, true));
        }
    }

    #[test]
    fn what_somebody_put_into_a_folder_stays() {
        let place = tempfile::tempdir().unwrap();
        let made = Made::folder(&place.path().join("a/b")).unwrap();
        fs::write(place.path().join("a/note"), "theirs").unwrap();
        drop(made);
        assert!(place.path().join("a/note").exists() && !place.path().join("a/b").exists());
    }
}
