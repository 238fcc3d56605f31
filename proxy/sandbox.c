/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fd.h"
#include "base/slice.h"
#include "proxy/landlock_int.h"

/* The first ABI in which a file can be renamed into another directory, as a blob is that is
 * published; Linux 5.19. */
#define ABI_MIN 2

#define READ_FILE  (LANDLOCK_ACCESS_FS_READ_FILE)
#define READ_BELOW (READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define CHANGE                                                                                     \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                               \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |  \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER | LANDLOCK_FS_TRUNCATE)
#define NEVER                                                                                      \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_FIFO |    \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_FS_IOCTL_DEV)

struct let {
    char *path;
    enum sandbox_access access;
};

static struct {
    struct let lets[SANDBOX_PATHS_MAX];
    size_t n;
    bool closed;
} box;

/* ---- what is let in ------------------------------------------------------------------------ */

static bool has(const char *path, enum sandbox_access access)
{
    for (size_t i = 0; i < box.n; i++)
        if (box.lets[i].access == access && strcmp(box.lets[i].path, path) == 0)
            return true;
    return false;
}

int sandbox_let(const char *path, enum sandbox_access access, struct pg_err *err)
{
    PG_CHECK(path[0] == '/' && !box.closed);
    if (has(path, access))
        return 0;
    if (box.n == SANDBOX_PATHS_MAX)
        return pg_fail(err, PG_E_INTERNAL,
                       "the configuration names files in more than %d directories: bring them "
                       "together, or switch the sandbox off",
                       SANDBOX_PATHS_MAX);
    box.lets[box.n] = (struct let){.path = strdup(path), .access = access};
    PG_CHECK(box.lets[box.n].path != NULL);
    box.n++;
    return 0;
}

/* "/" is not let in for one file in it. */
static int let_directory_of(const char *path, struct pg_err *err)
{
    const char *slash = strrchr(path, '/');
    char *dir;
    int rc;

    if (slash == path)
        return sandbox_let(path, SANDBOX_READ, err);
    dir = sl_dup((struct sl){path, (size_t)(slash - path)});
    rc = sandbox_let(dir, SANDBOX_READ, err);
    free(dir);
    return rc;
}

int sandbox_let_file(const char *path, struct pg_err *err)
{
    char *real = realpath(path, NULL);
    int rc = let_directory_of(path, err);

    if (rc == 0 && real != NULL)
        rc = let_directory_of(real, err);
    free(real);
    return rc;
}

static bool is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

bool sandbox_hides(const char *path)
{
    for (size_t i = 0; i < box.n; i++)
        if (is_below(path, box.lets[i].path))
            return false;
    return box.closed;
}

/* ---- Landlock ------------------------------------------------------------------------------ */

static uint64_t known(int abi)
{
    uint64_t all = READ_BELOW | CHANGE | NEVER;

    if (abi < LANDLOCK_ABI_TRUNCATE)
        all &= ~LANDLOCK_FS_TRUNCATE;
    if (abi < LANDLOCK_ABI_IOCTL_DEV)
        all &= ~LANDLOCK_FS_IOCTL_DEV;
    return all;
}

static uint64_t rights(enum sandbox_access access, bool is_dir)
{
    uint64_t file = access == SANDBOX_READ
                        ? READ_FILE
                        : READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_FS_TRUNCATE;

    if (!is_dir)
        return file;
    return access == SANDBOX_WRITE ? READ_BELOW | CHANGE : READ_BELOW;
}

static int add_rule(int ruleset, int abi, const struct let *let, struct pg_err *err)
{
    struct landlock_path_beneath_attr rule = {0};
    struct stat st;
    _fd_ int fd = open(let->path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return 0; /* what is not there, or not ours to see, needs no rule */
    if (fstat(fd, &st) < 0)
        return pg_fail(err, PG_E_INTERNAL, "the sandbox cannot look at %s: %s", let->path,
                       strerror(errno));
    rule.parent_fd = fd;
    rule.allowed_access = rights(let->access, S_ISDIR(st.st_mode)) & known(abi);
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0)
        return 0;
    return pg_fail(err, PG_E_INTERNAL, "the sandbox cannot let %s in: %s", let->path,
                   strerror(errno));
}

int sandbox_close_files(struct pg_err *err)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct landlock_ruleset rs = {.fs = known(abi), .scoped = LANDLOCK_SCOPE_SIGNAL};

    PG_CHECK(!box.closed);
    if (abi < ABI_MIN) {
        (void)pg_fail(err, PG_E_UNSUPPORTED, "this kernel has no Landlock, or an old one");
        return 0;
    }
    _fd_ int fd = (int)syscall(SYS_landlock_create_ruleset, &rs,
                               abi < LANDLOCK_ABI_SCOPED ? sizeof(rs.fs) : sizeof(rs), 0);
    if (fd < 0)
        return pg_fail(err, PG_E_INTERNAL, "the sandbox cannot be made: %s", strerror(errno));
    for (size_t i = 0; i < box.n; i++)
        if (add_rule(fd, abi, &box.lets[i], err) < 0)
            return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_landlock_restrict_self, fd, 0) < 0)
        return pg_fail(err, PG_E_INTERNAL, "the sandbox cannot be entered: %s", strerror(errno));
    box.closed = true;
    return 1;
}
