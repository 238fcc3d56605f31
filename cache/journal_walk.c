/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/journal_walk_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/metric.h"

#define WINDOW_BYTES ((size_t)64 * 1024)

/* ---- the list of segments ---- */

const char *journal_walk_name(uint32_t segment, char out[JOURNAL_WALK_NAME])
{
    (void)snprintf(out, JOURNAL_WALK_NAME, "%08" PRIu32, segment);
    return out;
}

/* 0: not the name of a segment. */
static uint32_t number_of(const char *name)
{
    uint32_t number = 0;

    if (strlen(name) != 8)
        return 0;
    for (size_t i = 0; i < 8; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        number = number * 10 + (uint32_t)(name[i] - '0');
    }
    return number;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static int failed(const char *doing, struct pg_err *err)
{
    int code = errno;

    pg_metric_inc(PG_M_STORE_ERRORS);
    (void)pg_fail(err, PG_E_STORE_IO, "the journal of the store cannot be read");
    (void)pg_detail(err, "journal: %s: %s", doing, strerror(code));
    return -1;
}

int journal_walk_list(int dir_fd, struct journal_walk_segments *r, struct pg_err *err)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    size_t room = 64;

    if (dir == NULL) {
        pg_fd_close(&fd);
        return failed("list", err);
    }
    *r = (struct journal_walk_segments){.numbers = malloc(room * sizeof(r->numbers[0]))};
    PG_CHECK(r->numbers != NULL);
    while ((entry = readdir(dir)) != NULL && r->n < JOURNAL_WALK_SEGMENTS_MAX) {
        uint32_t number = number_of(entry->d_name);

        if (number == 0)
            continue;
        if (r->n == room) {
            room *= 2;
            r->numbers = realloc(r->numbers, room * sizeof(r->numbers[0]));
            PG_CHECK(r->numbers != NULL);
        }
        r->numbers[r->n++] = number;
    }
    (void)closedir(dir);
    if (entry != NULL) {
        journal_walk_segments_free(r);
        return pg_fail(err, PG_E_STORE_IO, "the journal of the store has too many segments");
    }
    qsort(r->numbers, r->n, sizeof(r->numbers[0]), ascending);
    return 0;
}

void journal_walk_segments_free(struct journal_walk_segments *s)
{
    free(s->numbers);
    *s = (struct journal_walk_segments){0};
}

/* ---- a window over one segment ---- */

struct window {
    int fd;
    uint64_t end;   /* the file's bytes that count */
    uint64_t start; /* where buf begins in the file */
    size_t n;
    char buf[WINDOW_BYTES];
};

static void window_close(struct window *w)
{
    pg_fd_close(&w->fd);
}
#define _window_ __attribute__((cleanup(window_close)))

static int window_open(struct window *w, int dir_fd, uint32_t segment, struct pg_err *err)
{
    char name[JOURNAL_WALK_NAME];
    struct stat st;

    w->fd = openat(dir_fd, journal_walk_name(segment, name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (w->fd < 0 || PG_FAULT("journal.open") || fstat(w->fd, &st) < 0)
        return failed("open", err);
    if (!S_ISREG(st.st_mode))
        return pg_fail(err, PG_E_STORE_IO, "journal/%s is no regular file", name);
    w->end = (uint64_t)st.st_size;
    return 0;
}

/* The bytes from `at` on: at least a whole record's, if the file has so many. */
static int window_at(struct window *w, uint64_t at, struct sl *bytes_r, struct pg_err *err)
{
    uint64_t want = w->end - at < JOURNAL_RECORD_MAX ? w->end - at : JOURNAL_RECORD_MAX;

    PG_CHECK(at <= w->end);
    if (at < w->start || at + want > w->start + w->n) {
        size_t n = w->end - at < WINDOW_BYTES ? (size_t)(w->end - at) : WINDOW_BYTES;

        w->n = 0;
        if (PG_FAULT("journal.read") || pg_fd_pread(w->fd, w->buf, n, at) < 0)
            return failed("read", err);
        w->start = at;
        w->n = n;
    }
    *bytes_r = (struct sl){w->buf + (at - w->start), (size_t)(w->start + w->n - at)};
    return 0;
}

/* The next record that reads well, from `at` on: 1, and *at is where it is. 0: none. */
static int find_record(struct window *w, uint64_t *at, struct journal_record *r, uint8_t *flags,
                       size_t *n, struct pg_err *err)
{
    for (; *at < w->end; (*at)++) {
        struct sl bytes;
        const char *magic;

        if (window_at(w, *at, &bytes, err) < 0)
            return -1;
        if (journal_record_read(bytes, r, flags, n) > 0)
            return 1;
        magic = memchr(bytes.p + 1, 'P', bytes.n - 1);
        *at += magic != NULL ? (uint64_t)(magic - bytes.p - 1) : bytes.n - 1;
    }
    return 0;
}

/* ---- the chain ---- */

static int broken(struct journal_walk *w, const char *how, enum journal_walk_end *end_r)
{
    (void)snprintf(w->why, sizeof(w->why), "journal/%08" PRIu32 ", byte %" PRIu64 ": %s",
                   w->at.segment, w->at.size, how);
    *end_r = JOURNAL_WALK_BROKEN;
    return 0;
}

/* Does the record continue the chain at this place? */
static bool continues(const struct journal_walk_at *at, const struct journal_record *r)
{
    if (r->seq != at->seq + 1 || (r->kind == JOURNAL_BEGIN) != (at->size == 0))
        return false;
    return r->kind != JOURNAL_BEGIN ||
           sl_eq(r->more, (struct sl){(const char *)at->hash.bytes, sizeof(at->hash.bytes)});
}

static int give(struct journal_walk *w, const struct journal_record *r, struct pg_err *err)
{
    if (r->kind == JOURNAL_BEGIN)
        return 0;
    w->records++;
    return w->each != NULL ? w->each(w->arg, r, err) : 0;
}

/* Something at ->at is not what should be there. In the last segment it may be the group that was
 * being written when the machine stopped: then no later group begins after it. */
static int torn_or_broken(struct journal_walk *w, struct window *win, bool last,
                          enum journal_walk_end *end_r, struct pg_err *err)
{
    uint64_t at = w->at.size;
    struct journal_record r;
    uint8_t flags;
    size_t n;
    int found;

    if (!last)
        return broken(w, "not the record that was written there", end_r);
    while ((found = find_record(win, &at, &r, &flags, &n, err)) > 0) {
        if (flags & JOURNAL_RECORD_GROUP)
            return broken(w, "not the record that was written there", end_r);
        at += n;
    }
    w->torn_bytes = win->end - w->at.size;
    *end_r = JOURNAL_WALK_TORN;
    return found;
}

static int walk_segment(struct journal_walk *w, struct window *win, bool last,
                        enum journal_walk_end *end_r, struct pg_err *err)
{
    w->at.size = 0;
    *end_r = JOURNAL_WALK_WHOLE;
    while (w->at.size < win->end) {
        struct journal_record r;
        struct sl bytes;
        uint8_t flags;
        size_t n;
        int rc;

        if (w->at.seq >= w->until) { /* what follows may be being written */
            *end_r = JOURNAL_WALK_STOPPED;
            return 0;
        }
        if (window_at(win, w->at.size, &bytes, err) < 0)
            return -1;
        if (journal_record_read(bytes, &r, &flags, &n) <= 0 || !continues(&w->at, &r) ||
            !journal_record_follows((struct sl){bytes.p, n}, &w->at.hash))
            return torn_or_broken(w, win, last, end_r, err);
        w->at.size += n;
        w->at.seq = r.seq;
        rc = give(w, &r, err);
        if (rc != 0) {
            *end_r = JOURNAL_WALK_STOPPED;
            return rc < 0 ? -1 : 0;
        }
    }
    w->bytes += win->end;
    return 0;
}

/* How much of a segment counts is said by the next one's first record: what a failed sync left
 * behind it does not. 1; 0: the next has no whole first record; -1. */
static int counted_bytes(int dir_fd, uint32_t next, uint64_t *bytes_r, struct pg_err *err)
{
    _window_ struct window win = {.fd = -1};
    struct journal_record r;
    struct sl bytes;
    uint8_t flags;
    size_t n;

    if (window_open(&win, dir_fd, next, err) < 0 || window_at(&win, 0, &bytes, err) < 0)
        return -1;
    if (journal_record_read(bytes, &r, &flags, &n) <= 0 || r.kind != JOURNAL_BEGIN)
        return 0;
    *bytes_r = r.number;
    return 1;
}

/* A last segment without a first record was being begun when the machine stopped. */
static int walk_one(struct journal_walk *w, const struct journal_walk_segments *s, size_t i,
                    enum journal_walk_end *end_r, struct pg_err *err)
{
    _window_ struct window win = {.fd = -1};
    bool last = i + 1 == s->n;
    uint64_t counted;

    w->at.size = 0;
    w->at.segment = s->numbers[i];
    if (s->numbers[i] != i + 1)
        return broken(w, "the segments before it are missing", end_r);
    if (window_open(&win, w->dir_fd, s->numbers[i], err) < 0)
        return -1;
    if (!last) {
        int found = counted_bytes(w->dir_fd, s->numbers[i + 1], &counted, err);

        if (found < 0)
            return -1;
        if (found == 0 && i + 2 == s->n)
            last = true;
        else if (found == 0 || counted > win.end)
            return broken(w, "its end is missing", end_r);
        else
            win.end = counted;
    }
    return walk_segment(w, &win, last, end_r, err);
}

int journal_walk_all(struct journal_walk *w, const struct journal_walk_segments *s,
                     enum journal_walk_end *end_r, struct pg_err *err)
{
    *end_r = JOURNAL_WALK_WHOLE;
    for (size_t i = 0; i < s->n; i++) {
        struct journal_walk_at before = w->at;

        if (walk_one(w, s, i, end_r, err) < 0)
            return -1;
        if (*end_r == JOURNAL_WALK_TORN && w->at.size == 0 && i > 0) {
            w->at = before; /* a segment that was being begun: the one before it is the last */
            return 0;
        }
        if (*end_r != JOURNAL_WALK_WHOLE)
            return 0;
        if (w->at.size == 0 && i == 0)
            return 0; /* an empty first one: nothing was ever written */
        if (w->at.size == 0) {
            w->at = before;
            *end_r = JOURNAL_WALK_TORN;
            return 0;
        }
    }
    return 0;
}

int journal_walk_salvage(int dir_fd, uint32_t segment, journal_each *each, void *arg,
                         struct pg_err *err)
{
    _window_ struct window win = {.fd = -1};
    struct journal_record r;
    uint64_t at = 0;
    uint8_t flags;
    size_t n;
    int found;

    if (window_open(&win, dir_fd, segment, err) < 0)
        return -1;
    while ((found = find_record(&win, &at, &r, &flags, &n, err)) > 0) {
        at += n;
        if (r.kind != JOURNAL_BEGIN && each(arg, &r, err) < 0)
            return -1;
    }
    return found;
}
