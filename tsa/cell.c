/* SPDX-License-Identifier: Apache-2.0 */
#include "tsa/cell.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

#define CPU_S        5
#define MEMORY_BYTES ((rlim_t)256 << 20)
#define COUNT(a)     (sizeof(a) / sizeof((a)[0]))

static int limit(int what, rlim_t most)
{
    const struct rlimit l = {.rlim_cur = most, .rlim_max = most};
    struct rlimit now;

    if (getrlimit((__rlimit_resource_t)what, &now) == 0 && now.rlim_max <= most)
        return 0;
    return setrlimit((__rlimit_resource_t)what, &l);
}

/* The three descriptors that it has stay open. A sanitizer's shadow is larger than any limit. */
static int set_limits(void)
{
    if (limit(RLIMIT_CORE, 0) < 0 || limit(RLIMIT_CPU, CPU_S) < 0 || limit(RLIMIT_NOFILE, 3) < 0 ||
        limit(RLIMIT_NPROC, 0) < 0)
        return -1;
    return HAS_SANITIZER ? 0 : limit(RLIMIT_AS, MEMORY_BYTES);
}

/* Memory is never executable. */
static int permit_memory(scmp_filter_ctx ctx)
{
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                            SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) < 0 ||
                   seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                    SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) < 0
               ? -1
               : 0;
}

static int fill(scmp_filter_ctx ctx)
{
    static const int calls[] = {
        SCMP_SYS(brk),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(exit_group),
        SCMP_SYS(futex),
        SCMP_SYS(getpid),
        SCMP_SYS(getrandom),
        SCMP_SYS(madvise),
        SCMP_SYS(mremap),
        SCMP_SYS(munmap),
        SCMP_SYS(rt_sigreturn),
#if HAS_SANITIZER
        SCMP_SYS(gettid),
        SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(sigaltstack),
#endif
    };

    for (size_t i = 0; i < COUNT(calls); i++)
        if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0) < 0)
            return -1;
    if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(read), 1, SCMP_CMP64(0, SCMP_CMP_EQ, 0, 0)) <
            0 ||
        seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                         SCMP_CMP64(0, SCMP_CMP_LE, 2, 0)) < 0)
        return -1;
    return permit_memory(ctx);
}

int cell_close(struct pg_err *err)
{
    scmp_filter_ctx ctx;
    int rc;

    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        set_limits() < 0)
        return pg_fail(err, PG_E_INTERNAL, "limits cannot be set: %s", strerror(errno));
    ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    rc = ctx == NULL ? -1 : fill(ctx);
    rc = rc == 0 ? seccomp_load(ctx) : rc;
    if (ctx != NULL)
        seccomp_release(ctx);
    if (rc < 0)
        return pg_fail(err, PG_E_INTERNAL, "system calls cannot be given up");
    return 0;
}
