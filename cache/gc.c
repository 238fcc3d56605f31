/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/gc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/news.h"
#include "cache/age.h"
#include "cache/blob.h"
#include "cache/growth.h"
#include "cache/index_int.h"
#include "cache/partial.h"
#include "cache/publish.h"
#include "cache/use.h"

#define USE_FILE           "use"
#define QUARANTINE_SHORT_S 3600 /* what stays there when room is wanted */
#define ROWS_A_VIEW        256
#define PASSES_MAX         1000 /* plans made by one look */
#define PROBE_NAME         "probe"
#define GROWTH_NOTE_MS     600000 /* how often the growth of today is written again */
#define DEPTH_MAX          4      /* of what is removed from quarantine/ */
#define CLOCK_SLACK_S      3600
#define LOW_SHARE          16 /* the low-water mark is one part in so many below the limit */

struct gc {
    struct store *store;
    pthread_mutex_t lock;
    pthread_cond_t news;
    uint64_t asked; /* bytes that are to come, since the last look */
    bool is_asked, ending, held, rests;
    unsigned under_way; /* drops */
    gc_rules_fn *rules; /* NULL: there is nobody to ask */
    void *rules_owner;
    bool is_asking;     /* the rules */
    uint64_t rules_ms;  /* when they were asked; 0: not yet */
    uint64_t reclaimed; /* bytes, as of the last note of growth */
    uint64_t noted_ms;  /* when that was; 0: not yet */
    bool was_degraded;  /* as of the last look, as news tell it */
    pthread_t thread;
    struct age age;
};

struct victim {
    int64_t used_s;
    uint64_t size;
    struct digest digest;
};

struct plan {
    struct victim *heap; /* the one used last on top */
    size_t n;
};

static void lock(struct gc *gc)
{
    PG_CHECK(pthread_mutex_lock(&gc->lock) == 0);
}

static void unlock(struct gc *gc)
{
    PG_CHECK(pthread_mutex_unlock(&gc->lock) == 0);
}

/* ---- how much ---- */

static uint64_t index_bytes(struct store *s)
{
    struct stat st;

    if (fstatat(s->dir_fd, "index/data.mdb", &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return (uint64_t)st.st_blocks * 512; /* the map is sparse */
}

static uint64_t above(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

int gc_room(struct store *s, uint64_t nbytes, struct gc_room *room_r, struct pg_err *err)
{
    uint64_t max_bytes = atomic_load(&s->config.max_bytes);
    uint64_t reserve = atomic_load(&s->config.reserve_bytes);
    uint64_t mine = atomic_load(&s->bytes) + atomic_load(&s->partial_bytes);
    uint64_t over_max = 0, over_disk, want;
    struct gc_room room = {0};
    struct statvfs fs;

    if (PG_FAULT("gc.statvfs") || fstatvfs(s->dir_fd, &fs) < 0)
        return partial_disk_error(s, errno, "asking for free space", err);
    room.used = mine + index_bytes(s);
    room.avail = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (nbytes > UINT64_MAX / 4)
        nbytes = UINT64_MAX / 4;
    if (max_bytes > 0)
        over_max = above(room.used + nbytes, max_bytes);
    over_disk = above(reserve + nbytes, room.avail);
    want = larger(over_max, over_disk);
    room.fits = want == 0;
    room.can_fit = want <= above(mine, atomic_load(&s->filling.bytes));
    if (over_max > 0)
        room.excess = over_max + max_bytes / LOW_SHARE;
    if (over_disk > 0)
        room.excess = larger(room.excess, over_disk + reserve / LOW_SHARE);
    *room_r = room;
    return 0;
}

/* ---- the plan ---- */

static void swap(struct victim *a, struct victim *b)
{
    struct victim t = *a;

    *a = *b;
    *b = t;
}

static void sift_down(struct plan *p)
{
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= p->n)
            return;
        if (child + 1 < p->n && p->heap[child + 1].used_s > p->heap[child].used_s)
            child++;
        if (p->heap[i].used_s >= p->heap[child].used_s)
            return;
        swap(&p->heap[i], &p->heap[child]);
        i = child;
    }
}

static void sift_up(struct plan *p, size_t i)
{
    while (i > 0 && p->heap[(i - 1) / 2].used_s < p->heap[i].used_s) {
        swap(&p->heap[(i - 1) / 2], &p->heap[i]);
        i = (i - 1) / 2;
    }
}

/* Keeps the GC_PLAN_MAX that were used longest ago. */
static void consider(struct plan *p, const struct victim *v)
{
    if (p->n < GC_PLAN_MAX) {
        p->heap[p->n++] = *v;
        sift_up(p, p->n - 1);
    } else if (v->used_s < p->heap[0].used_s) {
        p->heap[0] = *v;
        sift_down(p);
    }
}

static int by_use(const void *a, const void *b)
{
    const struct victim *x = a, *y = b;

    return x->used_s < y->used_s ? -1 : x->used_s > y->used_s;
}

/* What was used in the future, of a clock that went wrong for a while, was used now: else it would
 * stay for as long as the clock was ahead, and what is pulled each day would go before it. */
static int64_t last_use(struct store *s, const struct digest *d)
{
    int64_t used_s = use_last(s->use, d), now_s = pg_clock_wall_s();
    char path[BLOB_PATH_MAX];
    struct stat st;

    if (used_s == 0 && fstatat(s->blobs_fd, blob_path(d, path), &st, AT_SYMLINK_NOFOLLOW) == 0)
        used_s = st.st_mtim.tv_sec;
    if (used_s > now_s + CLOCK_SLACK_S) {
        used_s = now_s;
        use_touch(s->use, d, used_s);
    }
    return used_s;
}

/* It ends, or is to rest: what is under way is left for the next look. */
static bool is_called_off(struct gc *gc)
{
    bool off;

    lock(gc);
    off = gc->ending || gc->held;
    unlock(gc);
    return off;
}

/* Some rows after *last, in one view; what is slow is done after it. 1: there may be more. */
static int take_rows(struct gc *gc, struct digest *last, bool *begun, struct victim *rows,
                     size_t *n_r)
{
    _index_view_ struct index_view v = index_view_begin(gc->store->index);
    struct index_blob_row row;
    struct pg_err err = {0};
    int found = 1;

    *n_r = 0;
    for (int i = 0; i < ROWS_A_VIEW && found == 1; i++) {
        found = index_next_blob(&v, *begun ? last : NULL, &row, &err);
        if (found != 1)
            break;
        *last = row.digest;
        *begun = true;
        if (!row.damaged)
            rows[(*n_r)++] = (struct victim){.size = row.blob.size, .digest = row.digest};
    }
    pg_err_clear(&err); /* counted where it was raised; the next look tries again */
    return found == 1;
}

static void make_plan(struct gc *gc, struct plan *p)
{
    struct victim rows[ROWS_A_VIEW];
    struct digest last;
    bool begun = false;
    size_t n = 0;
    int more = 1;

    p->n = 0;
    while (more == 1 && !is_called_off(gc)) {
        more = take_rows(gc, &last, &begun, rows, &n);
        for (size_t i = 0; i < n; i++) {
            rows[i].used_s = last_use(gc->store, &rows[i].digest);
            consider(p, &rows[i]);
        }
    }
    if (p->n > 0)
        qsort(p->heap, p->n, sizeof(*p->heap), by_use);
}

/* ---- the trickle ---- */

static void on_dropped(void *owner)
{
    struct gc *gc = owner;

    lock(gc);
    gc->under_way--;
    PG_CHECK(pthread_cond_broadcast(&gc->news) == 0);
    unlock(gc);
}

static void wait_for_drops(struct gc *gc, unsigned at_most)
{
    lock(gc);
    while (gc->under_way > at_most)
        PG_CHECK(pthread_cond_wait(&gc->news, &gc->lock) == 0);
    unlock(gc);
}

static uint64_t carry_out(struct gc *gc, const struct plan *p, uint64_t want)
{
    uint64_t freed = 0;
    size_t i;

    for (i = 0; i < p->n && freed < want && !is_called_off(gc); i++) {
        wait_for_drops(gc, GC_BATCH - 1);
        lock(gc);
        gc->under_way++;
        unlock(gc);
        publish_drop(gc->store, &p->heap[i].digest, PUBLISH_EVICTED, on_dropped, gc);
        freed += p->heap[i].size;
    }
    wait_for_drops(gc, 0);
    if (i > 0) {
        const struct pg_news_fact facts[] = {{"why", SL("room"), 0},
                                             {.name = "blobs", .number = i},
                                             {.name = "bytes", .number = freed}};
        pg_log_say(PG_LOG_INFO, PG_LOG_STORE, "evicted %zu blobs, %ju bytes, to make room", i,
                   (uintmax_t)freed);
        pg_news_say(PG_NEWS_EVICTION, SL("store"), facts, 3);
    }
    return freed;
}

static void evict(struct gc *gc, uint64_t excess)
{
    struct plan p = {.heap = calloc(GC_PLAN_MAX, sizeof(struct victim))};
    uint64_t freed = partial_evict(gc->store, excess);

    PG_CHECK(p.heap != NULL);
    for (int i = 0; i < PASSES_MAX && freed < excess && !is_called_off(gc); i++) {
        uint64_t more;

        make_plan(gc, &p);
        more = carry_out(gc, &p, excess - freed);
        if (more == 0)
            break;
        freed += more;
    }
    free(p.heap);
}

/* ---- chores ---- */

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static DIR *open_dir(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (dir == NULL)
        pg_fd_close(&fd);
    return dir;
}

/* An old index is a directory with files in it; nothing of ours is deeper than DEPTH_MAX. */
static int remove_tree(int at, const char *name, int depth) /* NOLINT(misc-no-recursion) */
{
    struct dirent *e;
    DIR *dir;

    if (unlinkat(at, name, 0) == 0)
        return 0;
    if ((errno != EISDIR && errno != EPERM) || depth == DEPTH_MAX)
        return -1;
    dir = open_dir(at, name);
    while (dir != NULL && (e = readdir(dir)) != NULL)
        if (!is_dots(e->d_name))
            (void)remove_tree(dirfd(dir), e->d_name, depth + 1);
    if (dir != NULL)
        (void)closedir(dir);
    return unlinkat(at, name, AT_REMOVEDIR);
}

/* What renaming did to the time of its last change says when it came. */
unsigned gc_empty_quarantine(struct store *s, int64_t before_s)
{
    DIR *dir = open_dir(s->quarantine_fd, ".");
    struct dirent *e;
    unsigned n = 0;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        struct stat st;

        if (!is_dots(e->d_name) &&
            fstatat(s->quarantine_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_ctim.tv_sec < before_s && remove_tree(s->quarantine_fd, e->d_name, 0) == 0)
            n++;
    }
    if (dir != NULL)
        (void)closedir(dir);
    return n;
}

static void save_uses(struct store *s)
{
    struct pg_err err = {0};

    if (!use_is_dirty(s->use))
        return;
    if (use_save(s->use, s->dir_fd, USE_FILE, &err) < 0)
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE, "%s: %s", err.msg, err.detail);
    pg_err_clear(&err);
}

/* A full or failing disk is well again when a file can be written and synced. */
static bool can_write(struct store *s)
{
    static const char zeros[4096];
    _fd_ int fd = openat(s->quarantine_fd, PROBE_NAME,
                         O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && !PG_FAULT("gc.probe") && pg_fd_write(fd, zeros, sizeof(zeros)) == 0 &&
              fdatasync(fd) == 0;

    (void)unlinkat(s->quarantine_fd, PROBE_NAME, 0);
    return ok;
}

/* What is damaged goes before what is not: 0, and *room_r as it is after that; -1. */
static int measure(struct store *s, uint64_t asked, struct gc_room *room_r, struct pg_err *err)
{
    if (gc_room(s, asked, room_r, err) < 0)
        return -1;
    if (room_r->excess == 0 || gc_empty_quarantine(s, pg_clock_wall_s() - QUARANTINE_SHORT_S) == 0)
        return 0;
    return gc_room(s, asked, room_r, err);
}

static void say_mark(const char *mark, const struct gc_room *room)
{
    const struct pg_news_fact facts[] = {{"mark", sl_str(mark), 0},
                                         {.name = "used", .number = room->used},
                                         {.name = "avail", .number = room->avail},
                                         {.name = "excess", .number = room->excess}};

    pg_news_say(PG_NEWS_WATER_MARK, SL("store"), facts, 4);
}

/* Who is to be asked what rules delete, if it is time for that and the disk can wait. */
static gc_rules_fn *begin_asking(struct gc *gc, const struct gc_room *room)
{
    uint64_t now_ms = pg_clock_mono_ms();
    gc_rules_fn *rules = NULL;

    lock(gc);
    if (!gc->ending && !gc->held && room->avail >= GC_AHEAD_BYTES &&
        (gc->rules_ms == 0 || now_ms - gc->rules_ms >= GC_RULES_MS))
        rules = gc->rules;
    gc->is_asking = rules != NULL;
    if (rules != NULL)
        gc->rules_ms = now_ms;
    unlock(gc);
    return rules;
}

/* What rules delete goes before what they do not, however recently it was used. */
static void ask_rules(struct gc *gc, uint64_t asked, struct gc_room *room)
{
    gc_rules_fn *rules = begin_asking(gc, room);
    struct pg_err ignored = {0};
    uint64_t run = 0;
    bool ended = false;

    if (rules == NULL)
        return;
    for (unsigned i = 0; i < GC_RULES_WAIT && !ended && !is_called_off(gc); i++)
        ended = rules(gc->rules_owner, &run, GC_RULES_STEP);
    lock(gc);
    gc->is_asking = false;
    PG_CHECK(pthread_cond_broadcast(&gc->news) == 0);
    unlock(gc);
    if (gc_room(gc->store, asked, room, &ignored) < 0)
        pg_err_clear(&ignored); /* then it is as it was */
}

static void evict_to_low(struct gc *gc, uint64_t asked, const struct gc_room *before)
{
    struct gc_room after = *before;
    struct pg_err ignored = {0};

    say_mark("high", before);
    ask_rules(gc, asked, &after);
    if (after.excess > 0)
        evict(gc, after.excess);
    if (gc_room(gc->store, 0, &after, &ignored) == 0 && after.excess == 0)
        say_mark("low", &after);
    pg_err_clear(&ignored);
}

static void say_state(struct gc *gc)
{
    bool is_degraded = atomic_load(&gc->store->degraded) != 0;
    const struct pg_news_fact fact = {"state", is_degraded ? SL("full or failing") : SL("well"), 0};

    if (is_degraded != gc->was_degraded)
        pg_news_say(PG_NEWS_FAILURE, SL("store"), &fact, 1);
    gc->was_degraded = is_degraded;
}

static void look(struct gc *gc, uint64_t asked)
{
    struct store *s = gc->store;
    struct gc_room room = {0};
    struct pg_err err = {0};
    bool is_known = measure(s, asked, &room, &err) == 0;

    if (is_known && room.excess > 0)
        evict_to_low(gc, asked, &room);
    else if (is_known && atomic_load(&s->degraded) && can_write(s))
        store_is_well(s);
    pg_err_clear(&err);
    say_state(gc);
    pg_metric_set(PG_M_STORE_PARTIAL_BYTES, (int64_t)atomic_load(&s->partial_bytes));
}

/* Other stores of this process count in the same metric: that is for tests alone. */
static void note_growth(struct gc *gc)
{
    uint64_t reclaimed = (uint64_t)pg_metric_read(PG_M_STORE_RECLAIMED_BYTES);
    uint64_t now_ms = pg_clock_mono_ms();
    struct pg_err err = {0};

    if (gc->noted_ms != 0 && now_ms - gc->noted_ms < GROWTH_NOTE_MS)
        return;
    if (growth_note(gc->store, pg_clock_wall_s(), reclaimed - gc->reclaimed, &err) < 0)
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE, "%s", err.msg);
    pg_err_clear(&err);
    gc->reclaimed = reclaimed;
    gc->noted_ms = now_ms;
}

static void tick(struct gc *gc)
{
    save_uses(gc->store);
    note_growth(gc);
    age_tick(gc->store, &gc->age);
    (void)gc_empty_quarantine(gc->store, pg_clock_wall_s() - GC_QUARANTINE_S);
}

/* ---- the thread ---- */

/* False: the store closes. */
static bool wait_for_news(struct gc *gc, uint64_t due_ms, uint64_t *asked_r)
{
    struct timespec at = {.tv_sec = (time_t)(due_ms / 1000),
                          .tv_nsec = (long)(due_ms % 1000) * 1000000};
    bool ending;
    int r = 0;

    lock(gc);
    gc->rests = true;
    PG_CHECK(pthread_cond_broadcast(&gc->news) == 0);
    while (!gc->ending && (gc->held || (!gc->is_asked && r == 0))) {
        r = pthread_cond_timedwait(&gc->news, &gc->lock, &at);
        PG_CHECK(r == 0 || r == ETIMEDOUT);
        if (gc->held && r == ETIMEDOUT)
            at.tv_sec += GC_TICK_MS / 1000;
    }
    gc->rests = false;
    *asked_r = gc->asked;
    gc->asked = 0;
    gc->is_asked = false;
    ending = gc->ending;
    unlock(gc);
    return !ending;
}

static void *keep_house(void *arg)
{
    struct gc *gc = arg;
    uint64_t due_ms = pg_clock_mono_ms() + GC_TICK_MS, asked;

    (void)pthread_setname_np(pthread_self(), "pg-gc");
    tick(gc);
    while (wait_for_news(gc, due_ms, &asked)) {
        look(gc, asked);
        if (pg_clock_mono_ms() < due_ms)
            continue; /* it was asked: the chores have their time all the same */
        tick(gc);
        due_ms = pg_clock_mono_ms() + GC_TICK_MS;
    }
    return NULL;
}

/* Signals are for the main thread. */
struct gc *gc_new(struct store *s)
{
    struct gc *gc = calloc(1, sizeof(*gc));
    pthread_condattr_t attr;
    sigset_t all, before;

    PG_CHECK(gc != NULL);
    gc->store = s;
    gc->reclaimed = (uint64_t)pg_metric_read(PG_M_STORE_RECLAIMED_BYTES);
    gc->is_asked = true; /* a first look */
    PG_CHECK(pthread_mutex_init(&gc->lock, NULL) == 0);
    PG_CHECK(pthread_condattr_init(&attr) == 0);
    PG_CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    PG_CHECK(pthread_cond_init(&gc->news, &attr) == 0);
    PG_CHECK(pthread_condattr_destroy(&attr) == 0);
    (void)sigfillset(&all);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    PG_CHECK(pthread_create(&gc->thread, NULL, keep_house, gc) == 0);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return gc;
}

void gc_free(struct gc *gc)
{
    if (gc == NULL)
        return;
    lock(gc);
    gc->ending = true;
    PG_CHECK(pthread_cond_broadcast(&gc->news) == 0);
    unlock(gc);
    PG_CHECK(pthread_join(gc->thread, NULL) == 0);
    PG_CHECK(gc->under_way == 0);
    if (!gc->held) {
        save_uses(gc->store);
        gc->noted_ms = 0;
        note_growth(gc);
        age_save(gc->store);
    }
    PG_CHECK(pthread_cond_destroy(&gc->news) == 0);
    PG_CHECK(pthread_mutex_destroy(&gc->lock) == 0);
    free(gc);
}

void gc_hold(struct gc *gc)
{
    lock(gc);
    gc->held = true;
    while (!gc->rests)
        PG_CHECK(pthread_cond_wait(&gc->news, &gc->lock) == 0);
    unlock(gc);
}

void gc_go_on(struct gc *gc)
{
    lock(gc);
    gc->held = false;
    gc->is_asked = true; /* there may be an eviction to go on with */
    PG_CHECK(pthread_cond_broadcast(&gc->news) == 0);
    unlock(gc);
}

void gc_save(struct gc *gc)
{
    save_uses(gc->store);
}

void gc_use_rules(struct gc *gc, gc_rules_fn *rules, void *owner)
{
    lock(gc);
    gc->rules = NULL;
    while (gc->is_asking)
        PG_CHECK(pthread_cond_wait(&gc->news, &gc->lock) == 0);
    gc->rules = rules;
    gc->rules_owner = owner;
    unlock(gc);
}

void gc_ask(struct gc *gc, uint64_t nbytes)
{
    lock(gc);
    gc->asked += nbytes < GC_AHEAD_BYTES ? nbytes : GC_AHEAD_BYTES;
    if (gc->asked > GC_AHEAD_BYTES)
        gc->asked = GC_AHEAD_BYTES;
    gc->is_asked = true;
    PG_CHECK(pthread_cond_broadcast(&gc->news) == 0);
    unlock(gc);
}
