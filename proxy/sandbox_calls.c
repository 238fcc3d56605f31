/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sandbox_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/prctl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/slice.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER
#endif
#endif

#define CALL(name) SCMP_SYS(name)
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

/* What we, libc, OpenSSL, libuv, libcurl and LMDB ask of the kernel once clients are served. Not
 * here: execve, fork, ptrace, mount, listen, and all else. What this architecture does not have is
 * left out. */
static const char *const allowed[] = {
    "brk madvise membarrier mincore mremap msync munmap memfd_create",
    "access close close_range copy_file_range dup dup3 faccessat faccessat2 fadvise64 fallocate",
    "fchmod fchmodat fdatasync flock fstat fstatfs fsync ftruncate getcwd getdents getdents64",
    "linkat lseek lstat mkdir mkdirat newfstatat open openat pread64 preadv preadv2 pwrite64",
    "pwritev pwritev2 read readahead readlink readlinkat readv rename renameat renameat2 rmdir",
    "sendfile splice stat statfs statx sync_file_range umask unlink unlinkat utimensat write",
    "writev",
    /* bind is the resolver's, for netlink */
    "accept accept4 bind connect getpeername getsockname getsockopt recvfrom recvmmsg recvmsg",
    "sendmmsg sendmsg sendto setsockopt shutdown socketpair",
    "clock_nanosleep epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd2 futex",
    "futex_waitv nanosleep pipe pipe2 poll ppoll pselect6 restart_syscall select timerfd_create",
    "timerfd_settime",
    "clock_getres clock_gettime getrandom gettimeofday time",
    /* wait4 is for the spawner's end, tgkill for our own; kill would reach all that our user runs
     */
    "exit exit_group get_robust_list getegid geteuid getgid getpid getppid getrlimit getrusage",
    "gettid getuid rseq rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait",
    "sched_getaffinity sched_getparam sched_getscheduler sched_yield set_robust_list sigaltstack",
    "signalfd4 sysinfo tgkill times uname wait4",
#ifdef HAS_SANITIZER
    /* LeakSanitizer stops the threads as a debugger would */
    "arch_prctl clone personality prctl prlimit64 process_vm_readv ptrace tkill",
#endif
};

/* What is asked for and can be done without: the asker has another way. */
static const char *const absent[] = {"clone3 io_uring_setup"};

static int permit_words(scmp_filter_ctx ctx, uint32_t action, const char *words)
{
    while (*words != '\0') {
        size_t n = strcspn(words, " ");
        char *name = sl_dup((struct sl){words, n});
        int call = seccomp_syscall_resolve_name(name);
        int rc = call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(ctx, action, call, 0);

        free(name);
        if (rc < 0 && rc != -EDOM) /* not of this architecture */
            return -1;
        words += n + (words[n] == ' ');
    }
    return 0;
}

static int permit_all(scmp_filter_ctx ctx, uint32_t action, const char *const *lines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (permit_words(ctx, action, lines[i]) < 0)
            return -1;
    return 0;
}

static int permit_if(scmp_filter_ctx ctx, int call, unsigned argument, const scmp_datum_t *values,
                     size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1,
                             SCMP_CMP64(argument, SCMP_CMP_EQ, values[i], 0)) < 0)
            return -1;
    return 0;
}

/* Memory may be written or run, not both; a library that is loaded late (the resolver's) maps its
 * code so. */
static int permit_memory(scmp_filter_ctx ctx)
{
    const scmp_datum_t both = PROT_WRITE | PROT_EXEC, run = PROT_EXEC;

    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(mmap), 1,
                            SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, run, 0)) < 0 ||
                   seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(mmap), 1,
                                    SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, both, run)) < 0 ||
                   seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(mprotect), 1,
                                    SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, run, 0)) < 0
               ? -1
               : 0;
}

static int permit_commands(scmp_filter_ctx ctx)
{
    static const scmp_datum_t families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    static const scmp_datum_t ioctls[] = {TCGETS,  FIONREAD, FIONBIO,     FIOCLEX,
                                          FICLONE, SIOCOUTQ, SIOCGIFNAME, SIOCGIFINDEX};
    static const scmp_datum_t fcntls[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,  F_SETFD,    F_GETFL,
                                          F_SETFL, F_GETLK,         F_SETLKW, F_OFD_SETLK};

    return permit_if(ctx, CALL(socket), 0, families, COUNT(families)) < 0 ||
                   permit_if(ctx, CALL(ioctl), 1, ioctls, COUNT(ioctls)) < 0 ||
                   permit_if(ctx, CALL(fcntl), 1, fcntls, COUNT(fcntls)) < 0
               ? -1
               : 0;
}

/* A thread, not a process; names for threads and memory; limits are read, not set. */
static int permit_threads(scmp_filter_ctx ctx)
{
#ifdef HAS_SANITIZER
    (void)ctx; /* it has them all */
    return 0;
#else
    static const scmp_datum_t prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA};
    static const scmp_datum_t no_new_limit[] = {0};
    const scmp_datum_t thread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;

    return permit_if(ctx, CALL(prctl), 0, prctls, COUNT(prctls)) < 0 ||
                   permit_if(ctx, CALL(prlimit64), 2, no_new_limit, 1) < 0 ||
                   seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(clone), 1,
                                    SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, thread, thread)) < 0
               ? -1
               : 0;
#endif
}

static int fill(scmp_filter_ctx ctx)
{
    if (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0 ||
        seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1) < 0 ||
        seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0)
        return -1;
    return permit_all(ctx, SCMP_ACT_ALLOW, allowed, COUNT(allowed)) < 0 ||
                   permit_all(ctx, SCMP_ACT_ERRNO(ENOSYS), absent, COUNT(absent)) < 0 ||
                   permit_memory(ctx) < 0 || permit_commands(ctx) < 0 || permit_threads(ctx) < 0
               ? -1
               : 0;
}

int sandbox_calls_close(struct pg_err *err)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int rc;

    if (ctx == NULL || fill(ctx) < 0) {
        seccomp_release(ctx);
        return pg_fail(err, PG_E_INTERNAL, "the list of system calls cannot be made");
    }
    rc = seccomp_load(ctx);
    seccomp_release(ctx);
    if (rc == 0)
        return 1;
    (void)pg_fail(err, PG_E_UNSUPPORTED, "this kernel takes no seccomp filter: %s", strerror(-rc));
    return 0;
}
