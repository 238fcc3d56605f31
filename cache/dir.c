/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"

#define LOCK_NAME    "lock"
#define PID_MAX      16
#define LOCK_TRIES   20
#define LOCK_WAIT_MS 10

#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xff534d42
#endif

static int check(int fd, const char *path, const char *slash, const char *name, struct pg_err *err)
{
    struct stat st;

    if (PG_FAULT("dir.stat") || fstat(fd, &st) < 0)
        return pg_fail(err, PG_E_STORE_IO, "cannot look at %s%s%s: %s", path, slash, name,
                       strerrordesc_np(errno));
    if (st.st_uid != geteuid())
        return pg_fail(err, PG_E_STORE_IO,
                       "%s%s%s belongs to user %u and pullgate runs as user %u: run it as that "
                       "user, or chown the directory",
                       path, slash, name, st.st_uid, geteuid());
    if ((st.st_mode & 022) != 0)
        return pg_fail(err, PG_E_STORE_IO,
                       "%s%s%s may be written by others than its owner (mode %04o), who could put "
                       "in what pullgate would serve: chmod go-w it",
                       path, slash, name, st.st_mode & 07777);
    return 0;
}

static int cannot_open(int code, const char *path, const char *slash, const char *name,
                       struct pg_err *err)
{
    if (code == ELOOP || code == ENOTDIR)
        return pg_fail(err, PG_E_STORE_IO,
                       "%s%s%s is not a directory, or a symbolic link to one: name the directory "
                       "itself",
                       path, slash, name);
    if (code == EACCES)
        return pg_fail(err, PG_E_STORE_IO,
                       "user %u may neither open nor make %s%s%s: run it as the user that owns it, "
                       "or make the directory and give it to that user",
                       geteuid(), path, slash, name);
    if (code == ENOENT)
        return pg_fail(err, PG_E_STORE_IO,
                       "%s%s%s does not exist and cannot be made there: make the directory above "
                       "it first",
                       path, slash, name);
    return pg_fail(err, PG_E_STORE_IO, "cannot open the directory %s%s%s: %s", path, slash, name,
                   strerrordesc_np(code));
}

static int no_store(const char *path, struct pg_err *err)
{
    return pg_fail(
        err, PG_E_STORE_IO,
        "there is no store at %s: the directory does not exist; is that its name, and has "
        "a server run with it?",
        path);
}

static int open_at(int at, const char *name, bool may_create)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = PG_FAULT("dir.open") ? -1 : openat(at, name, flags);

    if (fd >= 0 || errno != ENOENT || !may_create)
        return fd;
    if (PG_FAULT("dir.mkdir") || (mkdirat(at, name, 0700) < 0 && errno != EEXIST))
        return -1;
    if (at != AT_FDCWD && (PG_FAULT("dir.sync") || fsync(at) < 0))
        return -1;
    return openat(at, name, flags);
}

int dir_open(const char *path, bool may_create, int *fd_r, struct pg_err *err)
{
    _fd_ int fd = open_at(AT_FDCWD, path, may_create);

    if (fd < 0)
        return errno == ENOENT && !may_create ? no_store(path, err)
                                              : cannot_open(errno, path, "", "", err);
    if (check(fd, path, "", "", err) < 0)
        return -1;
    *fd_r = TAKE_FD(fd);
    return 0;
}

int dir_open_sub(int dir_fd, const char *path, const char *name, bool may_create, int *fd_r,
                 struct pg_err *err)
{
    _fd_ int fd = open_at(dir_fd, name, may_create);

    if (fd < 0 && (errno != ENOENT || may_create))
        return cannot_open(errno, path, "/", name, err);
    if (fd >= 0 && check(fd, path, "/", name, err) < 0)
        return -1;
    *fd_r = TAKE_FD(fd);
    return 0;
}

static void write_pid(int fd)
{
    char text[PID_MAX];
    int n = snprintf(text, sizeof(text), "%d\n", getpid());

    PG_CHECK(n > 0 && (size_t)n < sizeof(text));
    if (PG_FAULT("dir.pid") || ftruncate(fd, 0) < 0 || pg_fd_pwrite(fd, text, (size_t)n, 0) < 0)
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE, "cannot write the lock file: %s",
                   strerrordesc_np(errno)); /* it is locked all the same */
}

static int is_locked(int fd, const char *path, struct pg_err *err)
{
    char pid[PID_MAX] = {0};
    ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

    pid[strspn(pid, "0123456789")] = '\0';
    return pg_fail(err, PG_E_STORE_IO,
                   "%s is in use by another pullgate (%s%s), which holds the lock %s/" LOCK_NAME
                   ": stop it, or give this one a directory of its own",
                   path, n > 0 ? "process " : "unknown process", pid, path);
}

/* A child that looked at the index for a process that was killed may hold the lock for the moment
 * that it takes to end. */
static int take_lock(int fd)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK)
            return -1;
        (void)poll(NULL, 0, LOCK_WAIT_MS);
    }
    errno = EWOULDBLOCK;
    return -1;
}

int dir_lock(int dir_fd, const char *path, int *fd_r, struct pg_err *err)
{
    struct stat st;
    _fd_ int fd = -1;

    fd = openat(dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0 || PG_FAULT("dir.lock") || fstat(fd, &st) < 0)
        return pg_fail(err, PG_E_STORE_IO, "cannot open %s/" LOCK_NAME ": %s", path,
                       strerrordesc_np(errno));
    if (!S_ISREG(st.st_mode))
        return pg_fail(err, PG_E_STORE_IO, "%s/" LOCK_NAME " is no regular file: remove it", path);
    if (take_lock(fd) < 0)
        return errno == EWOULDBLOCK
                   ? is_locked(fd, path, err)
                   : pg_fail(err, PG_E_STORE_IO, "cannot lock %s/" LOCK_NAME ": %s", path,
                             strerrordesc_np(errno));
    write_pid(fd);
    *fd_r = TAKE_FD(fd);
    return 0;
}

const char *dir_doubtful_filesystem(int dir_fd)
{
    static const struct {
        unsigned long magic;
        const char *name;
    } doubtful[] = {{NFS_SUPER_MAGIC, "NFS"},
                    {SMB_SUPER_MAGIC, "SMB"},
                    {CIFS_SUPER_MAGIC, "CIFS"},
                    {V9FS_MAGIC, "9p"},
                    {OVERLAYFS_SUPER_MAGIC, "overlay"}};
    struct statfs fs;

    if (fstatfs(dir_fd, &fs) < 0)
        return NULL;
    for (size_t i = 0; i < sizeof(doubtful) / sizeof(doubtful[0]); i++)
        if ((unsigned long)fs.f_type == doubtful[i].magic)
            return doubtful[i].name;
    return NULL;
}

void dir_warn_of_filesystem(int dir_fd, const char *path)
{
    const char *name = dir_doubtful_filesystem(dir_fd);

    if (name != NULL)
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE,
                   "%s is on a filesystem of type %s, where locks and durable writes are not "
                   "to be relied on: use a local disk",
                   path, name);
}
