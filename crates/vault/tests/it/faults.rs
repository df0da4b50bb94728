//! Real faults of disk and server under a store: full, read-only, fsync that fails, a server that dies.

use std::fs;
use std::path::Path;
use std::process::Command;

use cloister_vault::Error;
use cloister_vault::store::{DatasetRow, Store};

use crate::places::{Other, Place, add_dataset, furnish, request, tell};
use crate::server::missing;

/// The role of a process that writes until it cannot.
pub(crate) fn until_it_fails(place: &Place) {
    let store = match Store::open(place.settings()) {
        Ok(store) => store,
        Err(error) => return tell(&format!("not opened: {error:?}")),
    };
    for number in 0..2000 {
        match add_dataset(&store, &format!("d{number}"), &[]) {
            Ok(index) => tell(&format!("done {index}")),
            Err(error) => {
                tell(&format!("failed: {error:?}"));
                // Nobody is told that anything is done as long as it is so.
                match add_dataset(&store, "afterwards", &[]) {
                    Ok(index) => tell(&format!("afterwards {index}")),
                    Err(error) => tell(&format!("refused: {error:?}")),
                }
                match store.intent(&request("dataset.read")) {
                    Ok(_) => tell("announced"),
                    Err(error) => tell(&format!("not announced: {error:?}")),
                }
                return;
            }
        }
    }
    tell("nothing failed");
}

/// What was acknowledged is there; of what failed there is at most one change, with its entry.
fn consistent(place: &Place, said: &[String], exactly: bool) {
    let acknowledged = said.iter().filter(|line| line.starts_with("done ")).count() as u64;
    assert!(!said.iter().any(|line| line == "nothing failed" || line == "announced"), "{said:?}");
    assert!(!said.iter().any(|line| line.starts_with("afterwards")), "{said:?}");
    let store = place.open();
    let entries = store.opening().entries - 1;
    assert!(
        entries == acknowledged || (!exactly && entries == acknowledged + 1),
        "{entries} for {acknowledged}: {said:?}"
    );
    let datasets = store.view(|view| view.all::<DatasetRow>()).unwrap().len() as u64;
    assert_eq!(datasets, entries);
    add_dataset(&store, "after", &[]).unwrap();
    store.close().unwrap();
}

fn furnished(folder: &Path) -> Place {
    let place = Place::new(folder, None);
    let store = place.open();
    furnish(&store, &[]);
    store.close().unwrap();
    place
}

#[test]
fn requirement_27_files_that_cannot_grow_leave_no_effect() {
    // The kernel refuses bytes beyond a size: in the write-ahead log, at a different place of it every time.
    for kibibytes in [40, 64, 90, 120, 150, 250] {
        let folder = tempfile::tempdir().unwrap();
        let place = furnished(folder.path());
        let script = format!("trap '' XFSZ; ulimit -f {kibibytes}; exec \"$@\"");
        let other = Other::start_under(&place, "until it fails", &[], &["bash", "-c", &script, "bash"]);
        let said = other.finish();
        assert!(said.iter().any(|line| line.starts_with("failed: ") || line.starts_with("not opened")), "{said:?}");
        consistent(&place, &said, true);
    }
}

/// A file system of its own in a folder, taken off again.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(folder: &'a Path, options: &str) -> Option<Self> {
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).output();
        if done.is_ok_and(|done| done.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("SKIPPED: no file system can be mounted here");
        None
    }

    fn again(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &options]).arg(self.0).status().unwrap().success());
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0).status().ok();
    }
}

#[test]
fn requirement_27_a_full_disk_leaves_no_effect() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Mounted::new(folder.path(), "size=1m") else { return };
    let place = furnished(folder.path());
    let said = Other::start(&place, "until it fails", &[]).finish();
    assert!(said.iter().any(|line| line.starts_with("failed: ")), "{said:?}");
    disk.again("size=16m");
    consistent(&place, &said, true);
}

#[test]
fn requirement_27_a_disk_that_is_read_only_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Mounted::new(folder.path(), "size=16m") else { return };
    let place = furnished(folder.path());
    disk.again("ro");
    let said = Other::start(&place, "until it fails", &[]).finish();
    assert!(said.len() == 1 && said[0].starts_with("not opened: "), "{said:?}");
    disk.again("rw");
    consistent(&place, &said, true);
}

#[test]
fn requirement_27_an_fsync_that_fails_stops_the_store() {
    if Command::new("strace").arg("-V").output().is_err() {
        return missing("there is no strace; install Debian's package strace");
    }
    let mut failed = 0;
    for from in [1, 4, 6, 9, 15, 30] {
        let folder = tempfile::tempdir().unwrap();
        let place = furnished(folder.path());
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={from}+");
        let under = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", &inject];
        let said = Other::start_under(&place, "until it fails", &[], &under).finish();
        if said.is_empty() {
            return eprintln!("SKIPPED: processes cannot be traced here");
        }
        failed += usize::from(said.iter().any(|line| line.starts_with("failed: ")));
        consistent(&place, &said, false);
    }
    assert!(failed >= 3, "{failed}");
}

#[test]
fn requirement_27_files_that_are_no_database_are_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path(), None);
    let text = "not a database ".repeat(500);
    fs::write(place.file(), &text).unwrap();
    assert!(matches!(Store::open(place.settings()), Err(Error::Database { .. })));
    assert_eq!(fs::read_to_string(place.file()).unwrap(), text);
    // A database that is cut short.
    let folder = tempfile::tempdir().unwrap();
    let place = furnished(folder.path());
    let bytes = fs::read(place.file()).unwrap();
    for length in [100, 4096, bytes.len() / 2, bytes.len() - 4096] {
        fs::write(place.file(), &bytes[..length]).unwrap();
        assert!(Store::open(place.settings()).is_err(), "{length} of {} bytes", bytes.len());
    }
    fs::write(place.file(), &bytes).unwrap();
    place.open().close().unwrap();
}

#[cfg(feature = "postgres")]
#[test]
fn requirement_27_a_server_that_dies_takes_nothing_that_was_told_of() {
    use crate::server::Server;
    let Some(mut server) = Server::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path(), Some(server.new_database()));
    let store = place.open();
    furnish(&store, &[("a", &[])]);
    let died = server.crash(|| {
        let failed = add_dataset(&store, "b", &[]);
        let told =
            matches!(failed, Err(Error::Database { .. } | Error::NotCommitted { .. } | Error::Unpublished { .. }));
        assert!(told, "{failed:?}");
        assert!(add_dataset(&store, "c", &[]).is_err());
        assert!(store.get::<DatasetRow>("a").is_err());
    });
    if !died {
        return missing("the server is not ours to kill");
    }
    // The connections are gone with it: the store is opened again.
    assert!(add_dataset(&store, "d", &[]).is_err());
    drop(store);
    let store = place.open();
    assert_eq!(store.opening().entries, 2);
    add_dataset(&store, "b", &[]).unwrap();
}
