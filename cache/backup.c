/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/list.h"
#include "cache/dir.h"
#include "cache/index_int.h"
#include "cache/recover.h"
#include "cache/store.h"
#include "cache/version.h"

#define COPY_BYTES  ((size_t)1 << 20)
#define BLOBS_DEPTH 3 /* blobs/<alg>/<2 hex>/<hex> */
#define REPLACED    "replaced-"

struct copy {
    const struct backup_config *config;
    struct backup_result *result;
    struct store *from; /* read only */
    int to_fd;
};

static int fail(const struct copy *c, const char *doing, const char *name, struct pg_err *err)
{
    int code = errno;

    return pg_fail(err, PG_E_STORE_IO, "cannot %s %s in %s: %s", doing, name, c->config->to,
                   strerrordesc_np(code));
}

/* ---- a file -------------------------------------------------------------------------------- */

static int copy_bytes(int from, int to, uint64_t *bytes)
{
    _free_ char *p = NULL;
    ssize_t n;

    for (;;) { /* the kernel's way, which shares the bytes where the filesystem can */
        n = copy_file_range(from, NULL, to, NULL, COPY_BYTES, 0);
        if (n <= 0)
            break;
        *bytes += (uint64_t)n;
    }
    if (n == 0)
        return 0;
    p = malloc(COPY_BYTES);
    PG_CHECK(p != NULL);
    while ((n = read(from, p, COPY_BYTES)) > 0) {
        if (pg_fd_write(to, p, (size_t)n) < 0)
            return -1;
        *bytes += (uint64_t)n;
    }
    return (int)n;
}

static int copy_file(struct copy *c, int from_dir, const char *name, int to_dir, struct pg_err *err)
{
    struct stat st;
    _fd_ int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    _fd_ int to = -1;

    if (from < 0)
        return errno == ENOENT ? 0 : fail(c, "read for", name, err); /* evicted by now */
    if (fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
        return 0; /* fsck's business, not ours */
    to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0 || PG_FAULT("backup.copy") || copy_bytes(from, to, &c->result->copied_bytes) < 0 ||
        fchmod(to, st.st_mode & 0700 ? st.st_mode & 0777 : 0600) < 0)
        return fail(c, "write", name, err);
    return 1;
}

static int link_or_copy(struct copy *c, int from_dir, const char *name, int to_dir,
                        struct pg_err *err)
{
    int rc;

    if (!PG_FAULT("backup.link") && linkat(from_dir, name, to_dir, name, 0) == 0) {
        c->result->linked++;
        return 0;
    }
    if (errno == ENOENT)
        return 0;
    if (errno != EXDEV && errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP)
        return fail(c, "link", name, err);
    rc = copy_file(c, from_dir, name, to_dir, err);
    c->result->copied += rc > 0;
    return rc < 0 ? -1 : 0;
}

/* ---- folders ------------------------------------------------------------------------------- */

static DIR *list(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (dir == NULL)
        pg_fd_close(&fd);
    return dir;
}

static int copy_tree(struct copy *c, int from_at, int to_at, const char *name, int depth,
                     struct pg_err *err);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as blobs/ is */
static int copy_one(struct copy *c, DIR *from, int to, const struct dirent *e, int depth,
                    struct pg_err *err)
{
    if (e->d_name[0] == '.')
        return 0;
    if (depth > 1)
        return copy_tree(c, dirfd(from), to, e->d_name, depth - 1, err);
    return link_or_copy(c, dirfd(from), e->d_name, to, err);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as blobs/ is */
static int copy_tree(struct copy *c, int from_at, int to_at, const char *name, int depth,
                     struct pg_err *err)
{
    DIR *from = list(from_at, name);
    struct dirent *e;
    _fd_ int to = -1;
    int rc = 0;

    if (from == NULL)
        return errno == ENOTDIR || errno == ELOOP ? 0 : fail(c, "read for", name, err);
    if (mkdirat(to_at, name, 0700) < 0 && errno != EEXIST)
        rc = fail(c, "make", name, err);
    to = rc == 0 ? openat(to_at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (rc == 0 && to < 0)
        rc = fail(c, "open", name, err);
    while (rc == 0 && (e = readdir(from)) != NULL)
        rc = copy_one(c, from, to, e, depth, err);
    (void)closedir(from);
    return rc;
}

/* In order: a segment that is copied whole is followed by the next, or by none. */
static int copy_journal(struct copy *c, struct pg_err *err)
{
    struct dirent **names = NULL;
    int fd = openat(c->from->dir_fd, "journal", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int n = fd >= 0 ? scandirat(fd, ".", &names, NULL, alphasort) : -1, rc = 0;
    _fd_ int to = -1;

    if (n < 0 || mkdirat(c->to_fd, "journal", 0700) < 0)
        rc = fail(c, "copy", "journal", err);
    else
        to = openat(c->to_fd, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < n; i++) {
        if (rc == 0 && names[i]->d_name[0] != '.' &&
            copy_file(c, fd, names[i]->d_name, to, err) < 0)
            rc = -1;
        free(names[i]);
    }
    free(names);
    pg_fd_close(&fd);
    return rc;
}

static int copy_index(struct copy *c, struct pg_err *err)
{
    char path[4096];

    if (mkdirat(c->to_fd, "index", 0700) < 0)
        return fail(c, "make", "index", err);
    if (snprintf(path, sizeof(path), "%s/index", c->config->to) >= (int)sizeof(path))
        return pg_fail(err, PG_E_STORE_IO, "%s is too long", c->config->to);
    return index_copy(c->from->index, path, err);
}

/* ---- where it goes ------------------------------------------------------------------------- */

static bool may_stay(const char *name)
{
    static const char *const names[] = {".", "..", "lost+found", "lock", "control.sock"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return strncmp(name, REPLACED, strlen(REPLACED)) == 0;
}

static int move_away(struct copy *c, const char *name, struct pg_err *err)
{
    char *folder = c->result->replaced, path[512];

    if (folder[0] == '\0') {
        (void)snprintf(folder, sizeof(c->result->replaced), REPLACED "%lld",
                       (long long)pg_clock_wall_s());
        if (mkdirat(c->to_fd, folder, 0700) < 0)
            return fail(c, "make", folder, err);
    }
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return PG_FAULT("backup.move") || renameat(c->to_fd, name, c->to_fd, path) < 0
               ? fail(c, "move away", name, err)
               : 0;
}

static int make_place(struct copy *c, struct pg_err *err)
{
    DIR *dir = list(c->to_fd, ".");
    struct dirent *e;
    int rc = dir != NULL ? 0 : fail(c, "look at", ".", err);

    if (rc == 0 && c->config->may_replace && faccessat(c->to_fd, "version", F_OK, 0) == 0)
        rc = move_away(c, "version", err); /* first: what is half away is no store */
    while (rc == 0 && (e = readdir(dir)) != NULL) {
        if (may_stay(e->d_name))
            continue;
        rc = c->config->may_replace
                 ? move_away(c, e->d_name, err)
                 : pg_fail(err, PG_E_STORE_IO, "%s is not empty: %s", c->config->to,
                           c->config->is_store ? "empty it; or --force moves away what is there"
                                               : "name another directory");
    }
    if (dir != NULL)
        (void)closedir(dir);
    return rc;
}

/* The lock is let go of when all is there: the copy is opened by its own process then. */
static int copy_all(struct copy *c, struct pg_err *err)
{
    _fd_ int lock = -1;

    if (dir_open(c->config->to, true, &c->to_fd, err) < 0 ||
        dir_lock(c->to_fd, c->config->to, &lock, err) < 0 || make_place(c, err) < 0)
        return -1;
    if (!c->config->no_blobs && copy_index(c, err) < 0)
        return -1;
    if (copy_journal(c, err) < 0)
        return -1;
    if (!c->config->no_blobs &&
        (copy_tree(c, c->from->dir_fd, c->to_fd, "blobs", BLOBS_DEPTH, err) < 0 ||
         copy_file(c, c->from->dir_fd, "use", c->to_fd, err) < 0))
        return -1;
    if (PG_FAULT("backup.sync") || syncfs(c->to_fd) < 0)
        return fail(c, "sync", "all", err);
    if ((c->config->is_store && version_tag(c->to_fd, err) < 0) ||
        copy_file(c, c->from->dir_fd, "version", c->to_fd, err) < 0)
        return -1;
    return syncfs(c->to_fd) < 0 ? fail(c, "sync", "version", err) : 0;
}

/* ---- is it good? --------------------------------------------------------------------------- */

/* Nothing is evicted from it, whatever the limits of the store are. */
static int inspect(struct copy *c, struct pg_err *err)
{
    const struct store_config sc = {.path = c->config->to,
                                    .data_pool = c->config->data_pool,
                                    .slow_pool = c->config->slow_pool};
    const struct fsck_config fc = {
        .deep = c->config->deep, .each = c->config->each, .arg = c->config->arg};
    struct store *s = NULL;
    int rc;

    if (store_open(&sc, &s, err) < 0)
        return -1;
    recover_wait(s->recover);
    rc = fsck_run(s, &fc, &c->result->fsck, err);
    store_close(s);
    return rc;
}

int backup_copy(const struct backup_config *config, struct backup_result *result_r,
                struct pg_err *err)
{
    const struct store_config sc = {.path = config->from,
                                    .read_only = true,
                                    .data_pool = config->data_pool,
                                    .slow_pool = config->slow_pool};
    struct copy c = {.config = config, .result = result_r, .to_fd = -1};
    int rc = store_open(&sc, &c.from, err);

    *result_r = (struct backup_result){0};
    if (rc == 0)
        rc = copy_all(&c, err);
    store_close(c.from);
    pg_fd_close(&c.to_fd);
    return rc == 0 ? inspect(&c, err) : -1;
}
