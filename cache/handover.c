/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/handover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "cache/dir.h"
#include "cache/gc.h"
#include "cache/index_int.h"
#include "cache/journal.h"
#include "cache/partial.h"
#include "cache/revoked.h"
#include "cache/revoked_shared.h"
#include "cache/writer.h"

#define FOLDER     "given-"
#define FOLDER_MAX 32

/* ---- files --------------------------------------------------------------------------------- */

bool handover_is_folder(const char *name)
{
    size_t n = strlen(FOLDER);

    return strncmp(name, FOLDER, n) == 0 && name[n] != '\0' &&
           name[n + strspn(name + n, "0123456789")] == '\0';
}

static int fail(struct store *s, const char *doing, struct pg_err *err)
{
    return pg_fail(err, PG_E_STORE_IO, "%s %s/partial: %s", doing, s->config.path,
                   strerrordesc_np(errno));
}

static DIR *list(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (dir == NULL)
        pg_fd_close(&fd);
    return dir;
}

static int move(int from, int to, const char *name)
{
    if (renameat2(from, name, to, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return linkat(from, name, to, name, 0) < 0 ? -1 : unlinkat(from, name, 0);
}

/* What a fill is at, and manifests on their way; the rest of partial/ is the heir's. */
static bool is_in_use(struct store *s, const char *name)
{
    struct digest d;

    if (!partial_name_parse(name, &d))
        return !handover_is_folder(name) && name[0] != '.';
    return partial_is_claimed(s, &d);
}

static int move_used(struct store *s, int from, int to)
{
    DIR *dir = list(from);
    struct dirent *e;
    int rc = dir != NULL ? 0 : -1;

    while (rc == 0 && (e = readdir(dir)) != NULL)
        if (is_in_use(s, e->d_name) && move(from, to, e->d_name) < 0 && errno != ENOENT)
            rc = -1;
    if (dir != NULL)
        (void)closedir(dir);
    return rc;
}

/* Of two by one name, what is being worked on stays. */
static int move_all(int from, int to)
{
    DIR *dir = list(from);
    struct dirent *e;
    int rc = dir != NULL ? 0 : -1;

    while (rc == 0 && (e = readdir(dir)) != NULL)
        if (e->d_name[0] != '.' && renameat(from, e->d_name, to, e->d_name) < 0)
            rc = -1;
    if (dir != NULL)
        (void)closedir(dir);
    return rc;
}

static const char *folder_name(char name[FOLDER_MAX])
{
    PG_CHECK(snprintf(name, FOLDER_MAX, FOLDER "%d", (int)getpid()) < FOLDER_MAX);
    return name;
}

/* A folder of this name may be left of a process that had our number. */
static int open_folder(struct store *s, int *fd_r)
{
    char name[FOLDER_MAX];
    _fd_ int fd = -1;

    (void)folder_name(name);
    (void)handover_collect(s);
    if (PG_FAULT("handover.mkdir") || (mkdirat(s->partial_fd, name, 0700) < 0 && errno != EEXIST))
        return -1;
    fd = openat(s->partial_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -1;
    *fd_r = TAKE_FD(fd);
    return 0;
}

/* ---- hold ---------------------------------------------------------------------------------- */

/* From here on all names of partials are in our folder; those in use move there. Nothing is being
 * opened by name meanwhile. */
static void leave_folder(struct store *s, int *shared)
{
    char name[FOLDER_MAX];

    if (move_all(s->partial_fd, *shared) < 0)
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE, "%s/partial: downloads under way are not kept: %s",
                   s->config.path, strerrordesc_np(errno));
    PG_CHECK(dup3(*shared, s->partial_fd, O_CLOEXEC) >= 0);
    (void)unlinkat(*shared, folder_name(name), AT_REMOVEDIR);
    pg_fd_close(shared);
}

static int take_files_along(struct store *s, struct pg_err *err)
{
    int *shared = partial_shared(s);
    _fd_ int folder = -1;

    if (open_folder(s, &folder) < 0)
        return fail(s, "cannot make a folder in", err);
    *shared = fcntl(s->partial_fd, F_DUPFD_CLOEXEC, 0);
    if (*shared < 0 || dup3(folder, s->partial_fd, O_CLOEXEC) < 0) {
        (void)fail(s, "cannot open", err);
        pg_fd_close(shared);
        return -1;
    }
    if (!PG_FAULT("handover.move") && move_used(s, *shared, s->partial_fd) == 0)
        return 0;
    (void)fail(s, "cannot move files in", err);
    leave_folder(s, shared);
    return -1;
}

static void let_go(struct store *s)
{
    gc_save(s->gc);
    journal_close(s->journal);
    s->journal = NULL;
    pg_fd_close(&s->lock_fd);
}

int handover_hold(struct store *s, struct pg_err *err)
{
    int rc;

    PG_CHECK(*partial_shared(s) < 0);
    if (!atomic_load(&s->recovered))
        return pg_fail(err, PG_E_STORE_IO,
                       "the store is still being put in order after its start: try again later");
    gc_hold(s->gc);
    writer_hold(s->writer);
    partial_hold(s);
    rc = take_files_along(s, err);
    partial_go_on(s);
    if (rc < 0) {
        writer_go_on(s->writer);
        gc_go_on(s->gc);
        return -1;
    }
    let_go(s);
    return 0;
}

/* ---- resume -------------------------------------------------------------------------------- */

static int open_journal_again(struct store *s, struct pg_err *err)
{
    struct journal_found found;
    const struct journal_config c = {
        .dir_fd = s->dir_fd, .path = s->config.path, .now_s = pg_clock_wall_s()};

    return journal_open(&c, &s->journal, &found, err);
}

/* An heir that was killed holds the lock until the kernel has taken its memory from it. dir_lock()
 * itself waits a while. */
static int lock_again(struct store *s, unsigned wait_ms, struct pg_err *err)
{
    uint64_t until_ms = pg_clock_mono_ms() + wait_ms;
    int rc;

    while ((rc = dir_lock(s->dir_fd, s->config.path, &s->lock_fd, err)) < 0 &&
           pg_clock_mono_ms() < until_ms)
        pg_err_clear(err);
    return rc;
}

/* The index has seen all of the journal. Else it would have to be read again, which is for a start,
 * when nothing else waits to be written: an heir that dies between the two commits is rare. */
static int check_in_step(struct store *s, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct index_counts counts;

    if (index_get_counts(&v, &counts, err) < 0)
        return -1;
    if (counts.journal == journal_seq(s->journal))
        return 0;
    return pg_fail(err, PG_E_STORE_IO,
                   "the new process wrote to the journal of %s and not to its index: the next "
                   "start brings them together",
                   s->config.path);
}

static int open_again(struct store *s, struct pg_err *err)
{
    if (!index_is_in_place(s->index))
        return pg_fail(err, PG_E_STORE_IO, "the index of %s was replaced meanwhile",
                       s->config.path);
    if (open_journal_again(s, err) < 0 || check_in_step(s, err) < 0)
        return -1;
    return revoked_load(s, err);
}

static int take_again(struct store *s, unsigned wait_ms, struct pg_err *err)
{
    if (lock_again(s, wait_ms, err) < 0)
        return -1;
    if (open_again(s, err) == 0)
        return 0;
    journal_close(s->journal);
    s->journal = NULL;
    pg_fd_close(&s->lock_fd);
    return -1;
}

int handover_resume(struct store *s, unsigned wait_ms, struct pg_err *err)
{
    PG_CHECK(*partial_shared(s) >= 0 && s->lock_fd < 0);
    if (take_again(s, wait_ms, err) < 0) {
        writer_cancel(s->writer);
        return -1;
    }
    partial_hold(s);
    leave_folder(s, partial_shared(s));
    partial_go_on(s);
    writer_go_on(s->writer);
    gc_go_on(s->gc);
    return 0;
}

void handover_give(struct store *s)
{
    PG_CHECK(*partial_shared(s) >= 0 && s->lock_fd < 0);
    revoked_shared_give(s);
    writer_cancel(s->writer);
}

/* ---- collect ------------------------------------------------------------------------------- */

static bool is_worth_keeping(struct store *s, const struct digest *d, const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_size > 0 && !partial_is_done(s, d);
}

/* What the store has, or is at, is not needed twice. */
static void collect_file(struct store *s, int folder, const char *name)
{
    struct stat st;
    struct digest d;

    if (partial_name_parse(name, &d) && partial_claim(s, &d)) {
        if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            st = (struct stat){0};
        partial_settle(folder, name, &st);
        if (is_worth_keeping(s, &d, &st) && move(folder, s->partial_fd, name) == 0)
            (void)atomic_fetch_add(&s->partial_bytes, (uint64_t)st.st_size);
        partial_release(s, &d);
    }
    (void)unlinkat(folder, name, 0);
}

/* False: its process lives. */
static bool collect_folder(struct store *s, const char *name)
{
    _fd_ int fd = openat(s->partial_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct dirent *e;
    DIR *dir;

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
        return false;
    dir = fd >= 0 ? list(fd) : NULL;
    while (dir != NULL && (e = readdir(dir)) != NULL)
        if (e->d_name[0] != '.')
            collect_file(s, fd, e->d_name);
    if (dir != NULL)
        (void)closedir(dir);
    (void)unlinkat(s->partial_fd, name, AT_REMOVEDIR);
    return true;
}

unsigned handover_collect(struct store *s)
{
    DIR *dir = list(s->partial_fd);
    struct dirent *e;
    unsigned nleft = 0;

    while (dir != NULL && (e = readdir(dir)) != NULL)
        if (handover_is_folder(e->d_name) && !collect_folder(s, e->d_name))
            nleft++;
    if (dir != NULL)
        (void)closedir(dir);
    return nleft;
}
