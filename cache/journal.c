/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/metric.h"
#include "cache/journal_walk_int.h"

struct journal {
    int store_fd; /* borrowed */
    int dir_fd;   /* journal/; -1: read only, and there is none */
    int fd;       /* the last segment; -1: the next group begins a new one */
    bool read_only;
    bool leave; /* the last segment's tail is not to be trusted: begin a new one */
    bool rotating;
    bool may_take_back;
    struct journal_walk_at synced; /* durable */
    struct journal_walk_at before; /* durable before the last sync */
    struct journal_walk_at next;   /* with the group */
    struct pg_buf group;
    _Atomic uint64_t readable; /* synced.seq */
    char *path;
};

static int failed(struct journal *j, const char *doing, int code, struct pg_err *err)
{
    pg_metric_inc(PG_M_STORE_ERRORS);
    if (code == ENOSPC || code == EDQUOT)
        (void)pg_fail(err, PG_E_STORE_IO, "the disk of the store is full");
    else
        (void)pg_fail(err, PG_E_STORE_IO, "the journal of the store failed");
    return pg_detail(err, "%s/journal: %s: %s", j->path, doing, strerror(code));
}

/* ---- appending ---- */

static void put_record(struct journal *j, const struct journal_record *r, uint8_t flags)
{
    struct journal_record numbered = *r;
    char bytes[JOURNAL_RECORD_MAX];
    size_t n;

    numbered.seq = ++j->next.seq;
    n = journal_record_write(&numbered, flags, &j->next.hash, bytes);
    PG_CHECK(pg_buf_put(&j->group, (struct sl){bytes, n}) == 0);
    j->next.size += n;
}

/* A new segment names the hash it goes on from, and how much of the one before it counts. */
static void begin_segment(struct journal *j)
{
    struct journal_record_hash hash = j->next.hash;
    struct journal_record begin = {
        .kind = JOURNAL_BEGIN,
        .when_s = pg_clock_wall_s(),
        .number = j->synced.size,
        .more = {(const char *)hash.bytes, sizeof(hash.bytes)},
    };

    j->rotating = true;
    j->next.segment++;
    j->next.size = 0;
    put_record(j, &begin, JOURNAL_RECORD_GROUP);
}

int journal_append(struct journal *j, const struct journal_record *r, struct pg_err *err)
{
    uint8_t flags = 0;

    PG_CHECK(!j->read_only && r->kind > JOURNAL_BEGIN && r->kind <= JOURNAL_KIND_LAST);
    if (r->repo.n > JOURNAL_REPO_MAX || r->name.n > JOURNAL_NAME_MAX ||
        r->more.n > JOURNAL_MORE_MAX)
        return pg_fail(err, PG_E_STORE_IO, "a record is too long for the journal");
    if (j->group.n + 2 * (size_t)JOURNAL_RECORD_MAX > JOURNAL_GROUP_MAX)
        return pg_fail(err, PG_E_STORE_IO, "too many records for one group of the journal");
    if (j->group.n == 0 && (j->leave || j->synced.size >= JOURNAL_SEGMENT_BYTES))
        begin_segment(j);
    else if (j->group.n == 0)
        flags = JOURNAL_RECORD_GROUP;
    put_record(j, r, flags);
    return 0;
}

void journal_drop(struct journal *j)
{
    pg_buf_clear(&j->group);
    j->rotating = false;
    j->next = j->synced;
}

static int write_and_sync(int fd, const struct pg_buf *group, uint64_t at)
{
    if (PG_FAULT("journal.write") || pg_fd_pwrite(fd, group->p, group->n, at) < 0)
        return -1;
    if (PG_FAULT("journal.sync") || fdatasync(fd) < 0)
        return -1;
    return 0;
}

/* One left over from a group that failed is in nobody's chain. */
static int write_new_segment(struct journal *j)
{
    char name[JOURNAL_WALK_NAME];
    _fd_ int fd = -1;

    (void)unlinkat(j->dir_fd, journal_walk_name(j->next.segment, name), 0);
    fd = PG_FAULT("journal.create")
             ? -1
             : openat(j->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (write_and_sync(fd, &j->group, 0) < 0 || PG_FAULT("journal.syncdir") ||
        fsync(j->dir_fd) < 0) {
        int code = errno;

        (void)unlinkat(j->dir_fd, name, 0);
        errno = code;
        return -1;
    }
    pg_fd_close(&j->fd);
    j->fd = TAKE_FD(fd);
    return 0;
}

/* What a failed sync leaves in the file is unknown: it is cut off, and, in case that fails too or
 * does not last, the next group begins a segment that says where this one ends. */
static void cut_back(struct journal *j, uint64_t size)
{
    j->leave = true;
    if (!j->rotating && j->fd >= 0 && !PG_FAULT("journal.truncate") &&
        ftruncate(j->fd, (off_t)size) == 0)
        (void)fdatasync(j->fd);
}

int journal_sync(struct journal *j, struct pg_err *err)
{
    int rc;

    j->may_take_back = false;
    if (j->group.n == 0)
        return 0;
    rc = j->rotating ? write_new_segment(j) : write_and_sync(j->fd, &j->group, j->synced.size);
    if (rc < 0) {
        int code = errno;

        cut_back(j, j->synced.size);
        journal_drop(j);
        return failed(j, "write", code, err);
    }
    j->leave = false;
    j->may_take_back = true;
    j->before = j->synced;
    j->synced = j->next;
    journal_drop(j);
    atomic_store(&j->readable, j->synced.seq);
    return 0;
}

void journal_take_back(struct journal *j)
{
    char name[JOURNAL_WALK_NAME];

    PG_CHECK(j->group.n == 0);
    if (!j->may_take_back)
        return;
    j->may_take_back = false;
    if (j->before.segment != j->synced.segment) {
        (void)unlinkat(j->dir_fd, journal_walk_name(j->synced.segment, name), 0);
        pg_fd_close(&j->fd);
        j->leave = true;
    } else {
        cut_back(j, j->before.size);
    }
    j->synced = j->next = j->before;
    atomic_store(&j->readable, j->synced.seq);
}

uint64_t journal_seq(struct journal *j)
{
    return j->next.seq;
}

/* ---- opening ---- */

static struct journal *journal_new(const struct journal_config *c, int dir_fd)
{
    struct journal *j = calloc(1, sizeof(*j));

    PG_CHECK(j != NULL);
    j->store_fd = c->dir_fd;
    j->dir_fd = dir_fd;
    j->fd = -1;
    j->leave = true; /* there is no segment to go on with yet */
    j->read_only = c->read_only;
    j->path = strdup(c->path);
    PG_CHECK(j->path != NULL);
    pg_buf_init(&j->group, JOURNAL_GROUP_MAX);
    return j;
}

void journal_close(struct journal *j)
{
    if (j == NULL)
        return;
    pg_fd_close(&j->fd);
    pg_fd_close(&j->dir_fd);
    pg_buf_free(&j->group);
    free(j->path);
    free(j);
}

static int open_dir(int at, const char *name)
{
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void remove_segments(int dir_fd)
{
    struct journal_walk_segments s;
    struct pg_err ignored = {0};
    char name[JOURNAL_WALK_NAME];

    if (journal_walk_list(dir_fd, &s, &ignored) == 0) {
        for (size_t i = 0; i < s.n; i++)
            (void)unlinkat(dir_fd, journal_walk_name(s.numbers[i], name), 0);
        journal_walk_segments_free(&s);
    }
    pg_err_clear(&ignored);
}

struct carrying {
    struct journal *to;
    bool failed; /* to write; what cannot be read is lost, and that was accepted */
};

static int carry_over(void *arg, const struct journal_record *r, struct pg_err *err)
{
    struct carrying *c = arg;
    bool full = c->to->group.n > JOURNAL_GROUP_MAX / 2;

    c->failed = (full && journal_sync(c->to, err) < 0) || journal_append(c->to, r, err) < 0;
    return c->failed ? -1 : 0;
}

/* What of the old segments still reads well. */
static int carry_all(struct journal *j, int old_fd, struct pg_err *err)
{
    struct carrying c = {.to = j};
    struct journal_walk_segments s;

    if (old_fd < 0)
        return 0;
    if (journal_walk_list(old_fd, &s, err) < 0)
        return -1;
    for (size_t i = 0; i < s.n && !c.failed; i++)
        if (journal_walk_salvage(old_fd, s.numbers[i], carry_over, &c, err) < 0 && !c.failed)
            pg_err_clear(err);
    journal_walk_segments_free(&s);
    return c.failed ? -1 : 0;
}

/* The new chain takes the old one's name in one step; the old one is kept for people to see. */
static int take_name(struct journal *j, bool is_there, int64_t now_s, struct pg_err *err)
{
    char lost[64];

    (void)snprintf(lost, sizeof(lost), "journal.lost-%" PRId64, now_s);
    if (is_there &&
        renameat2(j->store_fd, "journal.new", j->store_fd, "journal", RENAME_EXCHANGE) == 0) {
        if (renameat(j->store_fd, "journal.new", j->store_fd, lost) < 0)
            return failed(j, "rename", errno, err);
    } else {
        if (is_there && renameat(j->store_fd, "journal", j->store_fd, lost) < 0)
            return failed(j, "rename", errno, err);
        if (PG_FAULT("journal.rename") ||
            renameat(j->store_fd, "journal.new", j->store_fd, "journal") < 0)
            return failed(j, "rename", errno, err);
    }
    return PG_FAULT("journal.syncname") || fsync(j->store_fd) < 0 ? failed(j, "sync", errno, err)
                                                                  : 0;
}

/* Begins a chain in journal.new/. why NULL: of a new store; else what was lost. */
static int begin_chain(const struct journal_config *c, int old_fd, const char *why,
                       struct journal **journal_r, struct pg_err *err)
{
    struct journal *j = journal_new(c, -1);
    struct journal_record loss = {.kind = JOURNAL_LOSS, .when_s = c->now_s};
    int rc = 0;

    if (PG_FAULT("journal.mkdir") ||
        (mkdirat(c->dir_fd, "journal.new", 0700) < 0 && errno != EEXIST))
        rc = failed(j, "mkdir", errno, err);
    j->dir_fd = rc == 0 ? open_dir(c->dir_fd, "journal.new") : -1;
    if (rc == 0 && j->dir_fd < 0)
        rc = failed(j, "open", errno, err);
    if (rc == 0) {
        remove_segments(j->dir_fd);
        begin_segment(j);
    }
    if (rc == 0 && why != NULL) {
        loss.more = (struct sl){why, strlen(why)};
        rc = journal_append(j, &loss, err);
    }
    if (rc == 0)
        rc = carry_all(j, old_fd, err);
    if (rc == 0)
        rc = journal_sync(j, err);
    if (rc == 0)
        rc = take_name(j, old_fd >= 0, c->now_s, err);
    if (rc < 0) {
        journal_close(j);
        return -1;
    }
    j->may_take_back = false;
    *journal_r = j;
    return 0;
}

static int begin_or_refuse(const struct journal_config *c, int old_fd, const char *why,
                           struct journal **journal_r, struct journal_found *found,
                           struct pg_err *err)
{
    if (c->read_only || !c->accept_loss)
        return pg_fail(
            err, PG_E_STORE_IO,
            "the journal %s/journal is not whole (%s): it holds revocations, pins and "
            "the history of tags. Restore it from a backup, or run `pullgate fsck --repair "
            "--accept-loss` once to go on with what can still be read of it",
            c->path, why);
    found->lost = true;
    return begin_chain(c, old_fd, why, journal_r, err);
}

/* There is no journal, or one in which nothing was ever written. */
static int open_missing(const struct journal_config *c, int old_fd, struct journal **journal_r,
                        struct journal_found *found, struct pg_err *err)
{
    if (!c->store_is_new)
        return begin_or_refuse(c, old_fd, "it is missing, and the store is not empty", journal_r,
                               found, err);
    if (!c->read_only)
        return begin_chain(c, old_fd, NULL, journal_r, err);
    *journal_r = journal_new(c, -1);
    return 0;
}

/* Cuts off what was torn, and opens the last segment to go on. What was read is durable then: who
 * wrote it, or gave it its name, may have been killed before it was, and the index is about to be
 * told of it. */
static int open_end(struct journal *j, const struct journal_walk_segments *s, bool torn,
                    struct pg_err *err)
{
    char name[JOURNAL_WALK_NAME];

    for (size_t i = 0; i < s->n; i++)
        if (s->numbers[i] > j->synced.segment &&
            unlinkat(j->dir_fd, journal_walk_name(s->numbers[i], name), 0) < 0)
            return failed(j, "unlink", errno, err);
    j->fd = openat(j->dir_fd, journal_walk_name(j->synced.segment, name),
                   O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (j->fd < 0)
        return failed(j, "open", errno, err);
    j->leave = false;
    if (torn && ftruncate(j->fd, (off_t)j->synced.size) < 0)
        return failed(j, "cut off", errno, err);
    if (PG_FAULT("journal.settle") || fsync(j->fd) < 0 || fsync(j->dir_fd) < 0 ||
        fsync(j->store_fd) < 0)
        return failed(j, "sync", errno, err);
    return 0;
}

static int open_whole(const struct journal_config *c, int dir_fd, const struct journal_walk *w,
                      const struct journal_walk_segments *s, struct journal **journal_r,
                      struct pg_err *err)
{
    struct journal *j = journal_new(c, fcntl(dir_fd, F_DUPFD_CLOEXEC, 0));
    bool torn = w->torn_bytes > 0 || w->at.segment < s->n;

    j->synced = j->next = w->at;
    atomic_store(&j->readable, j->synced.seq);
    if (j->dir_fd < 0 || (!c->read_only && open_end(j, s, torn, err) < 0)) {
        int rc = j->dir_fd < 0 ? failed(j, "open", errno, err) : -1;

        journal_close(j);
        return rc;
    }
    *journal_r = j;
    return 0;
}

static int open_segments(const struct journal_config *c, int dir_fd,
                         const struct journal_walk_segments *s, struct journal **journal_r,
                         struct journal_found *found, struct pg_err *err)
{
    struct journal_walk w = {.dir_fd = dir_fd, .until = UINT64_MAX};
    enum journal_walk_end end;

    if (journal_walk_all(&w, s, &end, err) < 0) {
        if (!c->accept_loss || c->read_only)
            return -1;
        pg_err_clear(err);
        return begin_or_refuse(c, dir_fd, "it cannot be read", journal_r, found, err);
    }
    found->records = w.records;
    found->segments = s->n;
    found->bytes = w.bytes;
    if (end == JOURNAL_WALK_BROKEN)
        return begin_or_refuse(c, dir_fd, w.why, journal_r, found, err);
    if (w.at.seq == 0)
        return open_missing(c, dir_fd, journal_r, found, err);
    found->torn_bytes = w.torn_bytes;
    return open_whole(c, dir_fd, &w, s, journal_r, err);
}

int journal_open(const struct journal_config *config, struct journal **journal_r,
                 struct journal_found *found_r, struct pg_err *err)
{
    _fd_ int dir_fd = open_dir(config->dir_fd, "journal");
    struct journal_walk_segments s;
    struct journal_found found = {0};
    int rc;

    if (dir_fd < 0 && errno != ENOENT) {
        int code = errno;

        (void)pg_fail(err, PG_E_STORE_IO, "the journal %s/journal cannot be opened", config->path);
        return pg_detail(err, "%s", strerror(code));
    }
    if (dir_fd < 0) {
        rc = open_missing(config, -1, journal_r, &found, err);
    } else {
        if (journal_walk_list(dir_fd, &s, err) < 0)
            return -1;
        rc = open_segments(config, dir_fd, &s, journal_r, &found, err);
        journal_walk_segments_free(&s);
    }
    if (rc == 0)
        *found_r = found;
    return rc;
}

/* ---- reading ---- */

struct reading {
    uint64_t after;
    journal_each *each;
    void *arg;
};

static int give_later(void *arg, const struct journal_record *r, struct pg_err *err)
{
    struct reading *reading = arg;

    return r->seq > reading->after ? reading->each(reading->arg, r, err) : 0;
}

int journal_read(struct journal *j, uint64_t after, journal_each *each, void *arg,
                 struct pg_err *err)
{
    struct reading reading = {after, each, arg};
    struct journal_walk w = {.dir_fd = j->dir_fd, .each = give_later, .arg = &reading};
    struct journal_walk_segments s;
    enum journal_walk_end end;
    int rc;

    w.until = atomic_load(&j->readable);
    if (j->dir_fd < 0 || w.until <= after)
        return 0;
    if (journal_walk_list(j->dir_fd, &s, err) < 0)
        return -1;
    rc = journal_walk_all(&w, &s, &end, err);
    journal_walk_segments_free(&s);
    if (rc == 0 && end == JOURNAL_WALK_BROKEN)
        return pg_fail(err, PG_E_STORE_IO, "the journal of the store is damaged: %s", w.why);
    if (rc == 0 && end != JOURNAL_WALK_STOPPED && w.at.seq < w.until)
        return pg_fail(err, PG_E_STORE_IO,
                       "the journal of the store is damaged: it ends at record %ju of %ju",
                       (uintmax_t)w.at.seq, (uintmax_t)w.until);
    return rc;
}
