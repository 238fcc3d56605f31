/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/cage_int.h"

#include <asm/sockios.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "proxy/landlock_int.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define READ_FILE (LANDLOCK_ACCESS_FS_READ_FILE)
#define READ      (READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RUN       (READ | LANDLOCK_ACCESS_FS_EXECUTE)
#define CHANGE                                                                                     \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                               \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |  \
     LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | LANDLOCK_FS_TRUNCATE)
#define WRITE (READ | CHANGE)
#define NEVER                                                                                      \
    (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_FS_IOCTL_DEV)
#define OF_FILES                                                                                   \
    (READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_FS_TRUNCATE)

struct cage {
    int ruleset, abi;
};

/* What programs are made of, and what they look at to know where they are. Of /etc only this:
 * there are keys in it. */
static const struct {
    const char *path;
    uint64_t rights;
} systems[] = {
    {"/usr", RUN},
    {"/bin", RUN},
    {"/lib", RUN},
    {"/lib64", RUN},
    {"/etc/ld.so.cache", READ},
    {"/etc/localtime", READ},
    {"/etc/mime.types", READ},
    {"/etc/nsswitch.conf", READ},
    {"/etc/os-release", READ},
    {"/etc/passwd", READ},
    {"/etc/group", READ},
    {"/etc/ssl/certs", READ},
    {"/proc/self", READ},
    {"/proc/cpuinfo", READ},
    {"/proc/meminfo", READ},
    {"/proc/stat", READ},
    {"/proc/sys/net/core/somaxconn", READ},
    {"/proc/sys/vm/overcommit_memory", READ},
    {"/sys/devices/system/cpu", READ},
    {"/sys/fs/cgroup", READ},
    {"/sys/kernel/mm/transparent_hugepage", READ},
    {"/dev/null", READ | LANDLOCK_ACCESS_FS_WRITE_FILE},
    {"/dev/random", READ},
    {"/dev/urandom", READ},
    {"/dev/zero", READ},
};

/* Refused, so that a program can go on without. */
static const int refused[] = {
    SCMP_SYS(socket),
    SCMP_SYS(truncate),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(tkill),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(rt_tgsigqueueinfo),
    SCMP_SYS(setsid), /* who is in another group outlives the scan */
    SCMP_SYS(setpgid),
    SCMP_SYS(setpriority),
    SCMP_SYS(ioprio_set),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(sched_setattr),
    SCMP_SYS(sched_setparam),
    SCMP_SYS(sched_setscheduler),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(mq_open),
    SCMP_SYS(shmget),
};

/* Said to be done: a program that unpacks an image wants them, and needs them not. */
static const int feigned[] = {
    SCMP_SYS(chmod),        SCMP_SYS(fchmod),    SCMP_SYS(fchmodat),    SCMP_SYS(chown),
    SCMP_SYS(fchown),       SCMP_SYS(lchown),    SCMP_SYS(fchownat),    SCMP_SYS(utime),
    SCMP_SYS(utimes),       SCMP_SYS(futimesat), SCMP_SYS(utimensat),   SCMP_SYS(setxattr),
    SCMP_SYS(lsetxattr),    SCMP_SYS(fsetxattr), SCMP_SYS(removexattr), SCMP_SYS(lremovexattr),
    SCMP_SYS(fremovexattr),
};

/* Newer ways to do the same, or what a filter cannot look into: as on a kernel that has none of
 * them. By number, which is the same everywhere, where the headers of Debian 12 have no name. */
static const int absent[] = {
    SCMP_SYS(openat2),
    452, /* fchmodat2 */
    463, /* setxattrat */
    466, /* removexattrat */
    469, /* file_setattr */
};

/* ---- files --------------------------------------------------------------------------------- */

static int ask_abi(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

bool cage_is_possible(void)
{
    return ask_abi() > 0;
}

static uint64_t known(int abi)
{
    uint64_t all = RUN | CHANGE | NEVER;

    if (abi < 2)
        all &= ~(uint64_t)LANDLOCK_ACCESS_FS_REFER;
    if (abi < LANDLOCK_ABI_TRUNCATE)
        all &= ~LANDLOCK_FS_TRUNCATE;
    if (abi < LANDLOCK_ABI_IOCTL_DEV)
        all &= ~LANDLOCK_FS_IOCTL_DEV;
    return all;
}

static int let(const struct cage *c, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights & known(c->abi)};
    struct stat st;
    _fd_ int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return 0;
    if (fstat(fd, &st) < 0)
        return -1;
    if (!S_ISDIR(st.st_mode))
        rule.allowed_access &= OF_FILES;
    rule.parent_fd = fd;
    return (int)syscall(SYS_landlock_add_rule, c->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

static int let_all(const struct cage *c, const char *program, char *const *reads,
                   char *const *writes)
{
    for (size_t i = 0; i < COUNT(systems); i++)
        if (let(c, systems[i].path, systems[i].rights) < 0)
            return -1;
    for (; *reads != NULL; reads++)
        if (let(c, *reads, READ) < 0)
            return -1;
    for (; *writes != NULL; writes++)
        if (let(c, *writes, WRITE) < 0)
            return -1;
    return let(c, program, RUN);
}

static int close_files(const char *program, char *const *reads, char *const *writes)
{
    struct cage c = {.abi = ask_abi()};
    struct landlock_ruleset rs = {.fs = known(c.abi),
                                  .net = LANDLOCK_NET_TCP,
                                  .scoped = LANDLOCK_SCOPE_SOCKET | LANDLOCK_SCOPE_SIGNAL};
    size_t size = c.abi >= LANDLOCK_ABI_SCOPED ? sizeof(rs)
                  : c.abi >= LANDLOCK_ABI_NET  ? offsetof(struct landlock_ruleset, scoped)
                                               : sizeof(rs.fs);

    if (c.abi < 1)
        return -1;
    c.ruleset = (int)syscall(SYS_landlock_create_ruleset, &rs, size, 0);
    if (c.ruleset < 0)
        return -1;
    int rc = let_all(&c, program, reads, writes);
    if (rc == 0)
        rc = (int)syscall(SYS_landlock_restrict_self, c.ruleset, 0);
    pg_fd_close(&c.ruleset);
    return rc;
}

/* ---- calls --------------------------------------------------------------------------------- */

static int refuse(scmp_filter_ctx filter, const int *calls, size_t n, int error)
{
    for (size_t i = 0; i < n; i++) /* what this architecture does not have is below zero */
        if (calls[i] >= 0 &&
            seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)error), calls[i], 0) < 0)
            return -1;
    return 0;
}

/* Its runtime may interrupt its own threads, and ask for its limits; the number stays when it
 * becomes the program. */
static int refuse_others(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp others = SCMP_A0_32(SCMP_CMP_NE, (uint32_t)getpid(), 0);
    const struct scmp_arg_cmp named = SCMP_A0_32(SCMP_CMP_NE, 0, 0);
    const uint32_t no = SCMP_ACT_ERRNO(EPERM);

    return seccomp_rule_add_array(filter, no, SCMP_SYS(kill), 1, &others) < 0 ||
                   seccomp_rule_add_array(filter, no, SCMP_SYS(tgkill), 1, &others) < 0 ||
                   seccomp_rule_add_array(filter, no, SCMP_SYS(prlimit64), 1, &named) < 0
               ? -1
               : 0;
}

/* An argument that is masked so is not to be this. */
struct never {
    int call;
    unsigned arg;
    uint64_t mask, is;
};

/* O_TRUNC empties a file that is opened for reading, or with neither right, as well: Landlock looks
 * at that from its version 3 on. Who is told of a file's news by a signal need not be oneself. */
static int refuse_by_argument(scmp_filter_ctx filter)
{
    static const struct never never[] = {
        {SCMP_SYS(open), 1, O_TRUNC | O_ACCMODE, O_TRUNC | O_RDONLY},
        {SCMP_SYS(open), 1, O_TRUNC | O_ACCMODE, O_TRUNC | O_ACCMODE},
        {SCMP_SYS(openat), 2, O_TRUNC | O_ACCMODE, O_TRUNC | O_RDONLY},
        {SCMP_SYS(openat), 2, O_TRUNC | O_ACCMODE, O_TRUNC | O_ACCMODE},
        {SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETOWN},
        {SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETOWN_EX},
        {SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETSIG},
        {SCMP_SYS(ioctl), 1, UINT32_MAX, FIOSETOWN},
        {SCMP_SYS(ioctl), 1, UINT32_MAX, SIOCSPGRP},
    };

    for (size_t i = 0; i < COUNT(never); i++) {
        const struct never *n = &never[i];
        const struct scmp_arg_cmp is = SCMP_CMP(n->arg, SCMP_CMP_MASKED_EQ, n->mask, n->is);

        if (n->call >= 0 &&
            seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), n->call, 1, &is) < 0)
            return -1;
    }
    return 0;
}

static int close_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int rc = -1;

    if (filter == NULL)
        return -1;
    if (refuse(filter, refused, COUNT(refused), EPERM) == 0 &&
        refuse(filter, feigned, COUNT(feigned), 0) == 0 &&
        refuse(filter, absent, COUNT(absent), ENOSYS) == 0 && refuse_others(filter) == 0 &&
        refuse_by_argument(filter) == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    if (rc < 0)
        errno = EOPNOTSUPP;
    return rc < 0 ? -1 : 0;
}

int cage_enter(const char *program, char *const *reads, char *const *writes)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return close_files(program, reads, writes) < 0 ? -1 : close_calls();
}
