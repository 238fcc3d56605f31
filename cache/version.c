/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/version.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"

#define FILE_NAME "version"
#define FILE_NEW  "version.new"
#define TEXT_MAX  64
#define READER    "pullgate "
#define TAG       "CACHEDIR.TAG"

/* What may be in a directory that was not used yet. */
static const char *const ours_or_nobodys[] = {".", "..", "lock", FILE_NEW, TAG, "lost+found"};

int version_tag(int dir_fd, struct pg_err *err)
{
    static const char text[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                               "# A cache of pullgate; see https://bford.info/cachedir/\n";
    _fd_ int fd = openat(dir_fd, TAG, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0 || PG_FAULT("version.tag") || pg_fd_write(fd, text, sizeof(text) - 1) < 0 ||
        fsync(fd) < 0)
        return pg_fail(err, PG_E_STORE_IO, "cannot write " TAG ": %s", strerrordesc_np(errno));
    return 0;
}

static const struct version_step steps_known[] = {{1, version_tag}};

struct version_config version_known(int dir_fd, const char *path, bool read_only)
{
    return (struct version_config){.dir_fd = dir_fd,
                                   .path = path,
                                   .now = VERSION_NOW,
                                   .steps = steps_known,
                                   .nsteps = sizeof(steps_known) / sizeof(steps_known[0]),
                                   .read_only = read_only};
}

/* What the file says. */
struct found {
    unsigned version;
    char reader[TEXT_MAX]; /* the first release that knows it, or "" */
};

static int disk_error(const struct version_config *c, const char *doing, struct pg_err *err)
{
    return pg_fail(err, PG_E_STORE_IO, "%s %s/" FILE_NAME ": %s", doing, c->path,
                   strerrordesc_np(errno));
}

/* What stands behind the number: nothing, or the name of a release in a line of its own. */
static bool read_reader(const char *rest, struct found *found_r)
{
    size_t n = strnlen(rest, TEXT_MAX), m = strlen(READER);

    if (n == 0)
        return true;
    if (n < m + 2 || rest[n - 1] != '\n' || strncmp(rest, READER, m) != 0 ||
        strspn(rest + m, "0123456789.~+-abcdefghijklmnopqrstuvwxyz") != n - m - 1)
        return false;
    (void)snprintf(found_r->reader, sizeof(found_r->reader), "%.*s", (int)(n - m - 1), rest + m);
    return true;
}

/* 1 a number, 0 there is no such file, -1. */
static int read_number(const struct version_config *c, struct found *found_r, struct pg_err *err)
{
    _fd_ int fd = openat(c->dir_fd, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char text[TEXT_MAX + 1] = {0};
    ssize_t n;
    char *end;
    unsigned long v;

    *found_r = (struct found){.version = c->now};
    if (fd < 0 && errno == ENOENT)
        return 0;
    n = fd < 0 || PG_FAULT("version.read") ? -1 : read(fd, text, TEXT_MAX);
    if (n < 0)
        return disk_error(c, "cannot read", err);
    errno = 0;
    v = strtoul(text, &end, 10);
    if (errno != 0 || text[0] < '0' || text[0] > '9' || end[0] != '\n' || v > 1000000 ||
        !read_reader(end + 1, found_r))
        return pg_fail(err, PG_E_STORE_IO,
                       "%s/" FILE_NAME " does not hold a number: it is damaged. If the directory "
                       "was made by this version, write \"%u\" and a newline into it",
                       c->path, c->now);
    found_r->version = (unsigned)v;
    return 1;
}

/* Only of the newest is known which release can read it. */
static int write_number(const struct version_config *c, unsigned version, struct pg_err *err)
{
    char text[TEXT_MAX];
    int n = snprintf(text, sizeof(text), "%u\n%s", version,
                     version == c->now ? READER VERSION_READER "\n" : "");
    _fd_ int fd =
        openat(c->dir_fd, FILE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    PG_CHECK(n > 0 && (size_t)n < sizeof(text));
    if (fd < 0 || PG_FAULT("version.write") || pg_fd_write(fd, text, (size_t)n) < 0 ||
        fsync(fd) < 0 || PG_FAULT("version.rename") ||
        renameat(c->dir_fd, FILE_NEW, c->dir_fd, FILE_NAME) < 0 || fsync(c->dir_fd) < 0)
        return disk_error(c, "cannot write", err);
    return 0;
}

static bool is_strange(const char *name)
{
    for (size_t i = 0; i < sizeof(ours_or_nobodys) / sizeof(ours_or_nobodys[0]); i++)
        if (strcmp(name, ours_or_nobodys[i]) == 0)
            return false;
    return true;
}

static int must_be_empty(const struct version_config *c, struct pg_err *err)
{
    int fd = openat(c->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    int r = 0;

    if (dir == NULL) {
        r = disk_error(c, "cannot look for", err);
        pg_fd_close(&fd);
        return r;
    }
    while (r == 0 && (e = readdir(dir)) != NULL)
        if (is_strange(e->d_name))
            r = pg_fail(err, PG_E_STORE_IO,
                        "%s is not empty and no cache of pullgate (it has no file " FILE_NAME
                        "): name another directory%s",
                        c->path, c->read_only ? "" : ", or empty this one");
    (void)closedir(dir);
    return r;
}

static const struct version_step *step_from(const struct version_config *c, unsigned version)
{
    for (unsigned i = 0; i < c->nsteps; i++)
        if (c->steps[i].from == version)
            return &c->steps[i];
    return NULL;
}

static int step(const struct version_config *c, unsigned version, struct pg_err *err)
{
    const struct version_step *s = step_from(c, version);

    if (s == NULL)
        return pg_fail(err, PG_E_STORE_IO,
                       "%s has layout %u, which this pullgate no longer knows (it knows %u): bring "
                       "it up with the versions in between, or empty the directory",
                       c->path, version, c->now);
    if (c->read_only)
        return pg_fail(err, PG_E_STORE_IO,
                       "%s has layout %u, older than this pullgate's %u: the server brings it up "
                       "when it starts",
                       c->path, version, c->now);
    pg_log_say(PG_LOG_WARN, PG_LOG_STORE,
               "%s: bringing layout %u up to %u; from then on, a pullgate that does not know it "
               "cannot read this store: who may want to go back has a backup",
               c->path, version, version + 1);
    if (s->run(c->dir_fd, err) < 0)
        return pg_wrap(err, "bringing %s from layout %u up", c->path, version);
    return write_number(c, version + 1, err);
}

static int begin(const struct version_config *c, struct pg_err *err)
{
    if (must_be_empty(c, err) < 0)
        return -1;
    if (c->read_only)
        return pg_fail(err, PG_E_STORE_IO, "%s is empty: there is no cache", c->path);
    return version_tag(c->dir_fd, err) < 0 ? -1 : write_number(c, c->now, err);
}

static int refuse_newer(const struct version_config *c, const struct found *found,
                        struct pg_err *err)
{
    bool is_known = found->reader[0] != '\0';

    return pg_fail(
        err, PG_E_STORE_IO,
        "%s was written by a newer pullgate (layout %u, this one knows %u), and there is "
        "no way back: run %s%s%s, restore a backup, or name another directory",
        c->path, found->version, c->now, is_known ? "pullgate " : "that one", found->reader,
        is_known ? " or a later one" : "");
}

int version_settle(const struct version_config *c, struct pg_err *err)
{
    struct found found;
    int rc = read_number(c, &found, err);

    if (rc < 0)
        return -1;
    if (rc == 0)
        return begin(c, err);
    if (found.version > c->now)
        return refuse_newer(c, &found, err);
    for (; found.version < c->now; found.version++)
        if (step(c, found.version, err) < 0)
            return -1;
    return 0;
}

int version_is_current(const char *path, struct pg_err *err)
{
    _fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct version_config c = version_known(fd, path, true);
    struct found found;

    if (fd < 0)
        return pg_fail(err, PG_E_STORE_IO, "cannot open %s: %s", path, strerrordesc_np(errno));
    if (read_number(&c, &found, err) < 0)
        return -1;
    if (found.version == c.now)
        return 0;
    return pg_fail(err, PG_E_STORE_IO,
                   "%s has layout %u and this pullgate wants %u: that takes a restart", path,
                   found.version, c.now);
}
