//! The system calls of a process that computes: memory, threads, time, randomness, and files by name. All others are refused
//! with `EPERM`.
//!
//! A list of what is allowed, not of what is not: a kernel gets new calls, and x86-64 has every call a second time (x32). It
//! was taken from what the standard library, rayon, the allocator and the C library use on Linux; a call that another C
//! library needs shows itself as an error of the training, never as a way out.
//!
//! Invariant: no call here makes a socket, another process or executable memory, reaches the memory or the files of another
//! process, changes an owner, a mode or a namespace, or makes a link or a device. Threads are the only thing that `clone` gives.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

use super::Error;

/// Calls that are allowed whatever their arguments are.
const ALLOWED: &[c_long] = &[
    // memory; what maps and protects it is below
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    // threads: to wait for each other, to end, to know where they run
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    // who this is
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrusage,
    // its own signals: Ctrl-C, and the stack on which an overflow is told
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // time and randomness
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    // files that are open
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_flock,
    libc::SYS_fadvise64,
    libc::SYS_getdents64,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    // files by name: Landlock says which
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    // a second filter answers this one, see `without_clone3`
    libc::SYS_clone3,
];

/// The same under older names, which 64-bit ARM never had.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_time,
];
#[cfg(target_arch = "aarch64")]
const ALLOWED_HERE: &[c_long] = &[];

/// Commands of `fcntl` that concern the descriptor alone: none that names who gets a signal.
const FCNTL: [libc::c_int; 6] =
    [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];

/// Installs the filters on this thread and on all that it starts.
pub(super) fn restrict() -> Result<(), Error> {
    let refused =
        |source: seccompiler::Error| Error::Refused { what: "limit its system calls", source: Box::new(source) };
    // each filter must still let the next one be installed
    for filter in [without_clone3(), allowed(std::process::id())] {
        apply_filter(&filter.map_err(|error| refused(error.into()))?).map_err(refused)?;
    }
    Ok(())
}

type Built = Result<BpfProgram, seccompiler::BackendError>;

/// Refuses what is not on the list.
fn allowed(process: u32) -> Built {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().chain(ALLOWED_HERE).map(|&call| (call, Vec::new())).collect();
    let no_code = || when(2, SeccompCmpArgLen::Dword, MaskedEq(libc::PROT_EXEC as u64), 0);
    let is = |argument, value: u64| when(argument, SeccompCmpArgLen::Dword, Eq, value);
    let thread = libc::CLONE_THREAD as u64;
    rules.insert(libc::SYS_mmap, vec![SeccompRule::new(vec![no_code()?])?]);
    rules.insert(libc::SYS_mprotect, vec![SeccompRule::new(vec![no_code()?])?]);
    rules.insert(
        libc::SYS_clone,
        vec![SeccompRule::new(vec![when(0, SeccompCmpArgLen::Dword, MaskedEq(thread), thread)?])?],
    );
    // its own abort
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![is(0, process.into())?])?]);
    // the names of threads
    rules.insert(libc::SYS_prctl, vec![SeccompRule::new(vec![is(0, libc::PR_SET_NAME as u64)?])?]);
    // its own limits, to be read
    let null = || when(2, SeccompCmpArgLen::Qword, Eq, 0);
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![is(0, 0)?, null()?])?]);
    let commands: Result<Vec<_>, _> =
        FCNTL.iter().map(|&command| SeccompRule::new(vec![is(1, command as u64)?])).collect();
    rules.insert(libc::SYS_fcntl, commands?);
    build(rules, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)
}

/// The flags of `clone3` lie in memory, where a filter does not see them. The C library takes `clone` instead where it is
/// told that the kernel has none.
fn without_clone3() -> Built {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    build(rules, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))
}

fn when(
    argument: u8,
    length: SeccompCmpArgLen,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, length, operator, value)
}

fn build(rules: BTreeMap<i64, Vec<SeccompRule>>, otherwise: SeccompAction, matched: SeccompAction) -> Built {
    SeccompFilter::new(rules, otherwise, matched, std::env::consts::ARCH.try_into()?)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_35_no_way_out_is_on_the_list() {
        let ways_out = [
            libc::SYS_socket,
            libc::SYS_socketpair,
            libc::SYS_connect,
            libc::SYS_bind,
            libc::SYS_sendto,
            libc::SYS_sendmsg,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_pidfd_open,
            libc::SYS_pidfd_getfd,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_memfd_create,
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_chroot,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_kexec_load,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_add_key,
            libc::SYS_request_key,
            libc::SYS_keyctl,
            libc::SYS_io_uring_setup,
            libc::SYS_userfaultfd,
            libc::SYS_open_by_handle_at,
            libc::SYS_name_to_handle_at,
            libc::SYS_kill,
            libc::SYS_tkill,
            libc::SYS_rt_sigqueueinfo,
            libc::SYS_shmget,
            libc::SYS_msgget,
            libc::SYS_mq_open,
            libc::SYS_linkat,
            libc::SYS_symlinkat,
            libc::SYS_mknodat,
            libc::SYS_fchmodat,
            libc::SYS_fchownat,
            libc::SYS_setxattr,
            libc::SYS_ioctl,
            libc::SYS_personality,
            libc::SYS_seccomp,
        ];
        for call in ways_out {
            assert!(!ALLOWED.contains(&call) && !ALLOWED_HERE.contains(&call), "{call}");
        }
    }

    #[test]
    fn the_filters_are_small_enough_for_the_kernel() {
        for filter in [allowed(1), without_clone3()] {
            assert!(filter.is_ok_and(|program| (5..4096).contains(&program.len())));
        }
    }
}
