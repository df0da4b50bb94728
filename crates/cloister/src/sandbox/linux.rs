//! The walls, in the order in which they go up: each step must still be possible behind those before it.
//!
//! Invariant: nothing here opens a file that stays open, and no step is left out because another one failed, but for the
//! namespace, which many systems keep from their users; what became of it is told.

use std::fs;
use std::path::{Path, PathBuf};

use cloister_vault::keys::Hardened;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags, set_capabilities, set_no_new_privs};

use super::{Error, Isolation, Sandbox, calls};

/// The latest Landlock that is known here; what the kernel lacks of it falls away.
const LATEST: ABI = ABI::V10;

pub(super) fn enter(sandbox: &Sandbox) -> Result<Isolation, Error> {
    refuse_threads()?;
    refuse_open_files()?;
    // no core dump; nobody of this user reads its memory or its environment
    Hardened::apply().map_err(refused("keep its memory from others"))?;
    let paths = open(sandbox)?;
    let own_network = leave_namespaces();
    set_no_new_privs(true).map_err(refused("keep it from new privileges"))?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(refused("take its capabilities"))?;
    let landlock = restrict_files(paths)?;
    if landlock.is_none() && !sandbox.weaker {
        return Err(Error::NoLandlock);
    }
    calls::restrict()?;
    Ok(Isolation { landlock, own_network })
}

fn refused<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> Error {
    move |source| Error::Refused { what, source: Box::new(source) }
}

fn refuse_threads() -> Result<(), Error> {
    match names_in(Path::new("/proc/self/task"))?.len() {
        0 | 1 => Ok(()),
        threads => Err(Error::Threads { threads }),
    }
}

/// A file that is open at the start was opened by somebody else: a socket or a folder of theirs would pass every wall.
fn refuse_open_files() -> Result<(), Error> {
    let folder = Path::new("/proc/self/fd");
    for name in names_in(folder)? {
        let descriptor: u32 = name.to_str().and_then(|name| name.parse().ok()).unwrap_or(u32::MAX);
        // the folder itself was open while it was read, and is not any more
        if descriptor > 2 && fs::symlink_metadata(folder.join(&name)).is_ok() {
            return Err(Error::OpenFile { descriptor });
        }
    }
    Ok(())
}

fn names_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Path { path: folder.into(), source };
    let entries: Result<Vec<_>, _> = fs::read_dir(folder).map_err(failed)?.collect();
    Ok(entries.map_err(failed)?.into_iter().map(|entry| entry.file_name().into()).collect())
}

/// A user namespace, in which nobody is root, and a network namespace with nothing in it. Root can have the second without
/// the first. Whether there is one.
fn leave_namespaces() -> bool {
    #[expect(deprecated, reason = "the flag that makes `unshare` unsafe, CLONE_FILES, is not among these")]
    let leave = |flags| rustix::thread::unshare(flags).is_ok();
    leave(UnshareFlags::NEWUSER | UnshareFlags::NEWNET) || leave(UnshareFlags::NEWNET)
}

/// What the sandbox names, opened, with what may be done there.
fn open(sandbox: &Sandbox) -> Result<Vec<(PathFd, BitFlags<AccessFs>)>, Error> {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let files = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    let writing = reading | files | AccessFs::MakeDir | AccessFs::RemoveDir;
    let mut opened = Vec::new();
    for (paths, access) in [(&sandbox.read, reading), (&sandbox.write, writing)] {
        for path in paths {
            let failed = |source| Error::Path { path: path.clone(), source };
            let access = if fs::metadata(path).map_err(failed)?.is_dir() { access } else { AccessFs::ReadFile.into() };
            let descriptor = PathFd::new(path).map_err(|error| failed(std::io::Error::other(error)))?;
            opened.push((descriptor, access));
        }
    }
    Ok(opened)
}

/// The version of Landlock that holds now, if any.
fn restrict_files(paths: Vec<(PathFd, BitFlags<AccessFs>)>) -> Result<Option<u32>, Error> {
    let restrict = || -> Result<RestrictionStatus, RulesetError> {
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(LATEST))?
            .handle_access(AccessNet::from_all(LATEST))?
            .scope(Scope::from_all(LATEST))?
            .create()?;
        for (path, access) in paths {
            rules = rules.add_rule(PathBeneath::new(path, access))?;
        }
        rules.restrict_self()
    };
    let status = restrict().map_err(refused("keep files from it"))?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => None,
        (_, LandlockStatus::Available { effective_abi, .. }) => Some(effective_abi as u32),
        _ => None,
    })
}
