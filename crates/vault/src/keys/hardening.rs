//! What a process does before a key comes into it: no core dump, no reading of its memory, no swap for the ring key.
//!
//! Invariant: [`Hardened`] exists only after the limits were set, and whoever unseals must show it. A process stays hardened
//! until it ends; a program that it starts begins without and hardens itself. Memory is locked where the system allows it
//! (`RLIMIT_MEMLOCK`), else the key can be written to swap: [`super::UnsealedRing::is_locked_in_memory`] says which.
//!
//! Not dumpable, on Linux, also gives `/proc/self` to root (prctl(2)): a process of another user cannot open `/dev/stdin`
//! by its name any more.

use zeroize::Zeroize as _;

use super::KeyBytes;
use crate::Result;
use crate::sealed::key::KEY_BYTES;

/// Evidence that this process leaves no core dump and, on Linux, cannot be traced or read by others of its user.
#[derive(Clone, Copy, Debug)]
pub struct Hardened(());

impl Hardened {
    /// Hardens this process, now and for all of its time.
    ///
    /// # Errors
    /// [`Error::NotHardened`](crate::Error::NotHardened) if the system refuses.
    pub fn apply() -> Result<Self> {
        #[cfg(unix)]
        {
            use rustix::process::{Resource, Rlimit, setrlimit};
            let none = Rlimit { current: Some(0), maximum: Some(0) };
            setrlimit(Resource::Core, none).map_err(refused("limit core dumps to nothing"))?;
        }
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{DumpableBehavior, set_dumpable_behavior};
            set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(refused("forbid reading its memory"))?;
        }
        Ok(Self(()))
    }
}

#[cfg(unix)]
fn refused(what: &'static str) -> impl FnOnce(rustix::io::Errno) -> crate::Error {
    move |source| crate::Error::NotHardened { what, source: source.into() }
}

/// A key in a page of its own, which is not swapped where that is allowed. Wiped when it goes.
pub(super) struct LockedKey {
    /// Goes before the memory that it locks.
    guard: Option<region::LockGuard>,
    /// Two pages, so that one of them is whole: what shares a page with others would be unlocked with them.
    memory: Vec<u8>,
    /// Where the whole page begins.
    begin: usize,
}

impl LockedKey {
    pub(super) fn new(key: &KeyBytes) -> Self {
        let page = region::page::size().max(KEY_BYTES);
        let mut memory = vec![0; 2 * page];
        let begin = memory.as_ptr().align_offset(page).min(page);
        let guard = region::lock(memory[begin..].as_ptr(), page).ok();
        memory[begin..begin + KEY_BYTES].copy_from_slice(key.as_ref());
        Self { guard, memory, begin }
    }

    pub(super) fn is_locked(&self) -> bool {
        self.guard.is_some()
    }

    pub(super) fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.memory[self.begin..].as_chunks().0[0]
    }
}

impl Drop for LockedKey {
    fn drop(&mut self) {
        self.memory.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_key_is_the_key() {
        let keys: Vec<LockedKey> = (0..20).map(|byte| LockedKey::new(&KeyBytes::new([byte; KEY_BYTES]))).collect();
        for (byte, key) in (0..).zip(&keys) {
            assert_eq!(key.expose(), &[byte; KEY_BYTES]);
            assert!(key.memory[key.begin..].as_ptr().addr().is_multiple_of(region::page::size()));
        }
    }
}
