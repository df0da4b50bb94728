/* What a trainer that was taken over would try: a library that is loaded into it, and that, when the first snapshot is made
 * durable (the records are in memory then), tries every way out that is known here and writes down what came of it.
 *
 * A line of its report: name, result, error number. Names that begin with "may-" are what the trainer must still be able to do.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static int report = -1;

static void tell(const char *name, long result) {
    int error = result < 0 ? errno : 0;
    char line[256];
    int length = snprintf(line, sizeof line, "%s\t%ld\t%d\n", name, result < 0 ? -1 : result, error);
    if (write(report, line, length) != length) _exit(70);
}

#define TRY(name, ...) do { errno = 0; tell(name, syscall(__VA_ARGS__)); } while (0)

static void *in_a_thread(void *seen) { *(int *)seen = 1; return NULL; }

/* A process that should not exist: it ends at once, and its parent tells of it. */
static void try_process(const char *name, long child) {
    if (child == 0) syscall(SYS_exit_group, 0);
    tell(name, child);
}

static void try_open(const char *name, const char *path, int flags) {
    errno = 0;
    tell(name, syscall(SYS_openat, AT_FDCWD, path, flags, 0600));
}

static void attempts(const char *folder) {
    const char *base = getenv("ESCAPE_BASE"), *outside = getenv("ESCAPE_OUTSIDE");
    char path[8192], inside[8192];
    pid_t parent = getppid();
    static char page[4096];

    /* the network */
    TRY("socket-inet", SYS_socket, AF_INET, SOCK_STREAM, 0);
    TRY("socket-inet6", SYS_socket, AF_INET6, SOCK_DGRAM, 0);
    TRY("socket-unix", SYS_socket, AF_UNIX, SOCK_STREAM, 0);
    TRY("socket-netlink", SYS_socket, AF_NETLINK, SOCK_RAW, 0);
    TRY("socket-packet", SYS_socket, AF_PACKET, SOCK_RAW, 0);
    TRY("socket-vsock", SYS_socket, 40, SOCK_STREAM, 0);
    int pair[2];
    TRY("socketpair", SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "/tmp/x"};
    TRY("connect", SYS_connect, 0, &name, sizeof name);
    TRY("bind", SYS_bind, 0, &name, sizeof name);
    TRY("sendto", SYS_sendto, 1, page, 1, 0, NULL, 0);
#ifdef __x86_64__
    TRY("socket-x32", 0x40000000L | SYS_socket, AF_INET, SOCK_STREAM, 0);
#endif

    /* files elsewhere */
    try_open("read-passwd", "/etc/passwd", O_RDONLY);
    try_open("read-root", "/", O_RDONLY | O_DIRECTORY);
    snprintf(path, sizeof path, "%s/secret", outside);
    try_open("read-outside", path, O_RDONLY);
    try_open("write-outside", path, O_WRONLY);
    try_open("append-outside", path, O_WRONLY | O_APPEND);
    TRY("truncate-outside", SYS_truncate, path, 0);
    TRY("chmod-outside", SYS_fchmodat, AT_FDCWD, path, 0666);
    TRY("chown-outside", SYS_fchownat, AT_FDCWD, path, 1, 1, 0);
    TRY("remove-outside", SYS_unlinkat, AT_FDCWD, path, 0);
    TRY("setxattr-outside", SYS_setxattr, path, "user.x", "x", 1, 0);
    snprintf(inside, sizeof inside, "%s/.cloister-linked", folder);
    TRY("link-in", SYS_linkat, AT_FDCWD, path, AT_FDCWD, inside, 0);
    TRY("rename-in", SYS_renameat, AT_FDCWD, path, AT_FDCWD, inside);
    TRY("symlink-out", SYS_symlinkat, path, AT_FDCWD, inside);
    TRY("device", SYS_mknodat, AT_FDCWD, inside, S_IFCHR | 0600, 0x0103);
    TRY("fifo", SYS_mknodat, AT_FDCWD, inside, S_IFIFO | 0600, 0);
    snprintf(path, sizeof path, "%s/new", outside);
    try_open("create-outside", path, O_WRONLY | O_CREAT);
    TRY("mkdir-outside", SYS_mkdirat, AT_FDCWD, path, 0700);
    snprintf(inside, sizeof inside, "%s/.cloister-escape", folder);
    TRY("link-out", SYS_linkat, AT_FDCWD, inside, AT_FDCWD, path, 0);
    TRY("rename-out", SYS_renameat2, AT_FDCWD, inside, AT_FDCWD, path, 0);
    snprintf(path, sizeof path, "%s/../outside/secret", folder);
    try_open("dot-dot", path, O_RDONLY);
    snprintf(path, sizeof path, "%s/config.json", base);
    try_open("write-base", path, O_WRONLY);
    char handle[256] = {0};
    *(unsigned *)handle = 128;
    int mount_id;
    TRY("name-to-handle", SYS_name_to_handle_at, AT_FDCWD, "/etc/passwd", handle, &mount_id, 0);
    TRY("open-by-handle", SYS_open_by_handle_at, AT_FDCWD, handle, O_RDONLY);
    try_open("device-file", "/dev/null", O_RDWR);

    /* other processes */
    errno = 0;
    tell("ptrace", syscall(SYS_ptrace, PTRACE_ATTACH, parent, NULL, NULL));
    TRY("ptrace-me", SYS_ptrace, PTRACE_TRACEME, 0, NULL, NULL);
    struct iovec here = {page, sizeof page}, there = {(void *)0x400000, sizeof page};
    TRY("process-vm-readv", SYS_process_vm_readv, parent, &here, 1, &there, 1, 0);
    TRY("process-vm-writev", SYS_process_vm_writev, parent, &here, 1, &there, 1, 0);
    snprintf(path, sizeof path, "/proc/%d/mem", parent);
    try_open("parent-memory", path, O_RDWR);
    snprintf(path, sizeof path, "/proc/%d/environ", parent);
    try_open("parent-environment", path, O_RDONLY);
    snprintf(path, sizeof path, "/proc/%d/fd", parent);
    try_open("parent-files", path, O_RDONLY | O_DIRECTORY);
    try_open("own-memory-file", "/proc/self/mem", O_RDWR);
    TRY("kill-parent", SYS_kill, parent, 0);
    TRY("tgkill-parent", SYS_tgkill, parent, parent, 0);
    TRY("tkill-parent", SYS_tkill, parent, 0);
    TRY("pidfd-open", SYS_pidfd_open, parent, 0);
    TRY("pidfd-getfd", SYS_pidfd_getfd, 0, 0, 0);
    TRY("fcntl-setown", SYS_fcntl, 0, F_SETOWN, parent);
    TRY("prlimit-parent", SYS_prlimit64, parent, RLIMIT_NOFILE, NULL, page);
    TRY("sched-parent", SYS_sched_setaffinity, parent, sizeof page, page);

    /* other programs, other code */
    char *arguments[] = {"/bin/true", NULL}, *environment[] = {NULL};
    TRY("exec", SYS_execve, "/bin/true", arguments, environment);
    TRY("execveat", SYS_execveat, AT_FDCWD, "/bin/true", arguments, environment, 0);
    TRY("memfd", SYS_memfd_create, "x", 0);
#ifdef __x86_64__
    errno = 0;
    try_process("fork", syscall(SYS_fork));
#endif
    errno = 0;
    try_process("clone-process", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    errno = 0;
    struct { unsigned long long words[11]; } clone3 = {{0}};
    clone3.words[4] = SIGCHLD;
    try_process("clone3-process", syscall(SYS_clone3, &clone3, 64));
    errno = 0;
    void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    tell("map-code", code == MAP_FAILED ? -1 : 0);
    errno = 0;
    tell("protect-code", mprotect((void *)((unsigned long)page & ~4095UL), 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
    TRY("personality", SYS_personality, 0x0400000);

    /* more rights, other namespaces */
    TRY("unshare-user", SYS_unshare, CLONE_NEWUSER);
    TRY("unshare-mount", SYS_unshare, CLONE_NEWNS);
    TRY("setns", SYS_setns, 0, 0);
    TRY("mount", SYS_mount, "none", folder, "tmpfs", 0, NULL);
    TRY("umount", SYS_umount2, folder, MNT_DETACH);
    TRY("open-tree", SYS_open_tree, AT_FDCWD, "/", 1);
    TRY("chroot", SYS_chroot, folder);
    TRY("pivot-root", SYS_pivot_root, folder, folder);
    TRY("setuid", SYS_setuid, 0);
    TRY("capset", SYS_capset, page, page);
    TRY("dumpable", SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
    TRY("core-limit", SYS_setrlimit, RLIMIT_CORE, page);
    TRY("seccomp", SYS_seccomp, 0, 0, NULL);

    /* the kernel's rarer doors */
    TRY("keyctl", SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0, 0, 0);
    TRY("add-key", SYS_add_key, "user", "x", "x", 1, KEY_SPEC_PROCESS_KEYRING);
    TRY("io-uring", SYS_io_uring_setup, 1, page);
    struct perf_event_attr event = {.size = sizeof event};
    TRY("perf-event", SYS_perf_event_open, &event, 0, -1, -1, 0);
    TRY("bpf", SYS_bpf, 0, page, 64);
    TRY("userfaultfd", SYS_userfaultfd, 0);
    TRY("fanotify", SYS_fanotify_init, 0, 0);
    TRY("inotify", SYS_inotify_init1, 0);
    TRY("shm", SYS_shmget, IPC_PRIVATE, 4096, 0600);
    TRY("message-queue", SYS_msgget, IPC_PRIVATE, 0600);
    TRY("posix-queue", SYS_mq_open, "x", O_RDWR | O_CREAT, 0600, NULL);
    TRY("module", SYS_init_module, page, 0, "");
    TRY("kexec", SYS_kexec_load, 0, 0, NULL, 0);
    TRY("terminal", SYS_ioctl, 0, 0x5412, page); /* TIOCSTI */
    TRY("syslog", SYS_syslog, 3, page, sizeof page);
    TRY("reboot", SYS_reboot, 0, 0, 0, NULL);
    TRY("landlock", SYS_landlock_create_ruleset, NULL, 0, 1);

    /* what it is there for */
    snprintf(path, sizeof path, "%s/config.json", base);
    try_open("may-read-base", path, O_RDONLY);
    snprintf(path, sizeof path, "%s/.cloister-more", folder);
    try_open("may-write-folder", path, O_WRONLY | O_CREAT);
    snprintf(inside, sizeof inside, "%s/.cloister-moved", folder);
    errno = 0;
    tell("may-rename-in-folder", rename(path, inside));
    tell("may-remove-in-folder", unlink(inside));
    pthread_t thread;
    int seen = 0, begun = pthread_create(&thread, NULL, in_a_thread, &seen);
    if (begun == 0) pthread_join(thread, NULL);
    tell("may-use-threads", begun == 0 && seen ? 0 : -1);
}

int fsync(int descriptor) {
    static int once;
    if (!__atomic_exchange_n(&once, 1, __ATOMIC_SEQ_CST)) {
        char link[64], folder[4000], path[4096];
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(link, folder, sizeof folder - 1);
        if (length > 0) {
            folder[length] = 0;
            char *slash = strrchr(folder, '/');
            if (slash) *slash = 0;
            snprintf(path, sizeof path, "%s/.cloister-escape", folder);
            report = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT, 0600);
            if (report >= 0) attempts(folder);
        }
    }
    return syscall(SYS_fsync, descriptor);
}
