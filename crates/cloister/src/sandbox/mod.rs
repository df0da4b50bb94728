//! What a process gives up before a record comes into it: every file but those of its task, the network, other programs and
//! processes.
//!
//! Invariant: what was given up is gone until the process ends; no right comes back, and nothing that the process could start
//! has more. Whoever is refused gets an error (`EPERM`, `EACCES`) and goes on, so that a library which only tries something
//! does not end the work.
//!
//! Three walls, each of which stands without the others:
//!
//! | wall | source | stops |
//! | --- | --- | --- |
//! | Landlock, all that the kernel has of it | Linux `Documentation/userspace-api/landlock.rst` | files outside of the named folders, TCP, abstract sockets, signals to others |
//! | a list of system calls, all others refused | Linux `Documentation/userspace-api/seccomp_filter.rst` | sockets, programs, processes, memory of others, code made at run time, the kernel's rare doors |
//! | a user and a network namespace of its own, no capability | namespaces(7), capabilities(7) | devices of the network, whatever root could do |
//!
//! What it does not stop: reading and writing within the named folders, asking whether a path exists and how large the file
//! is, use of processor and memory, a bug in the kernel's own code behind an allowed call.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod calls;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod linux;

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a process keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// Files that it may read, and folders of which it may read everything.
    pub read: Vec<PathBuf>,
    /// Folders in which it may read, write, make and remove files and folders, but neither links nor devices.
    pub write: Vec<PathBuf>,
    /// Whether it may go on where the kernel has no Landlock: every file that its user can open is open to it then.
    pub weaker: bool,
}

/// How far a process is shut in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// The version of Landlock that is in force; nothing where the kernel has none, and that was allowed.
    pub landlock: Option<u32>,
    /// Whether the network namespace is its own; else the list of system calls alone keeps it from sockets.
    pub own_network: bool,
}

/// Why a process is not shut in. It must not take a record then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such walls here.
    #[error("this system has no sandbox: Landlock and seccomp are Linux's, on x86-64 and 64-bit ARM")]
    OtherSystem,
    /// No Landlock.
    #[error("the kernel keeps no file from a process: it has no Landlock, or it is not enabled")]
    NoLandlock,
    /// A file or folder that the process needs is not there.
    #[error("cannot open `{}` to the sandbox", path.display())]
    Path {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Namespaces and Landlock hold one thread at a time: there must be no other yet.
    #[error("a sandbox is entered before a second thread begins, and there are {threads}")]
    Threads {
        /// How many.
        threads: usize,
    },
    /// An open file that another process left here is a way out.
    #[error("an open file was left to the process that is not its own (descriptor {descriptor})")]
    OpenFile {
        /// Its number.
        descriptor: u32,
    },
    /// The kernel said no.
    #[error("the kernel refused to {what}")]
    Refused {
        /// What was asked of it.
        what: &'static str,
        /// Its answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Sandbox {
    /// Shuts this process in, for good. It must have one thread, and no open file but the three standard ones.
    ///
    /// # Errors
    /// Every variant of [`Error`]. The process may then be shut in half: it must end.
    pub fn enter(&self) -> Result<Isolation, Error> {
        #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
        return linux::enter(self);
        #[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
        return Err(Error::OtherSystem);
    }
}

/// Lets no program that this process starts from here on have one of its open files, but for those that are handed over.
/// Whoever started this process may have left some to it that pass on to every child.
pub fn keep_open_files() {
    #[cfg(target_os = "linux")]
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
}
