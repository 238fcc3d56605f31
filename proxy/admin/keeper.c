/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/news.h"
#include "cache/gc.h"
#include "proxy/admin/inventory.h"
#include "proxy/admin/removal.h"
#include "retention/ages.h"
#include "retention/plan.h"
#include "retention/tell.h"

#define AGES_FILE   "ages"
#define AGES_BYTES  64
#define AGES_MAX_S  (INT64_C(1) << 40)
#define TURN_S      60 /* the clock is looked at so often */
#define SHARE       3  /* for each second of work it rests so many; by command, and for room, one */
#define REST_MAX_US 1000000

enum state { IDLE, PLANNING, REMOVING };

struct run {
    uint64_t number; /* 0: there was none */
    enum keeper_why why;
    int64_t began_s, ended_s; /* ended_s 0: under way */
    struct removal_sum sum;
    char result[256]; /* "ok", or why not */
};

struct keeper {
    struct keeper_config config;
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct snapshot *snapshot; /* NULL: not told yet */
    bool changed, is_asked;
    enum keeper_why asked_by;
    atomic_bool ending;
    int64_t due_s; /* by the wall clock; 0: never */
    enum state state;
    bool is_cut;   /* the last run, by the end of its window: the rest goes in the next */
    int64_t lag_s; /* of the clock of ages behind the wall clock, as of its last turn */
    struct run run;
    struct ages ages; /* the thread's alone, as is saved_s */
    int64_t saved_s;
    pthread_t thread;
};

static void lock(struct keeper *k)
{
    PG_CHECK(pthread_mutex_lock(&k->lock) == 0);
}

static void unlock(struct keeper *k)
{
    PG_CHECK(pthread_mutex_unlock(&k->lock) == 0);
}

static void wake(struct keeper *k)
{
    PG_CHECK(pthread_cond_broadcast(&k->news) == 0);
}

static const struct ruleset *rules_of(const struct snapshot *s)
{
    return s != NULL ? s->config.retention.rules : NULL;
}

/* May the schedule remove something now? Under the lock. */
static bool is_open(const struct keeper *k, int64_t now_s)
{
    const struct ruleset *rules = rules_of(k->snapshot);

    return rules != NULL && ruleset_is_open(rules, now_s);
}

/* ---- the clock of ages --------------------------------------------------------------------- */

/* What cannot be read is not known: then the wall clock is right. */
static struct ages_kept read_ages(struct store *s)
{
    char text[AGES_BYTES] = "";
    _fd_ int fd = openat(s->dir_fd, AGES_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    struct ages_kept kept = {0};
    char *end = NULL;

    if (n <= 0) {
        return kept;
    }
    kept.now_s = strtoll(text, &end, 10);
    kept.wall_s = strtoll(end, &end, 10);
    bool good = *end == '\n' && kept.now_s > 0 && kept.now_s < AGES_MAX_S && kept.wall_s > 0 &&
                kept.wall_s < AGES_MAX_S;
    return good ? kept : (struct ages_kept){0};
}

static void save_ages(struct keeper *k)
{
    int dir_fd = k->config.store->dir_fd;
    char text[AGES_BYTES];
    int n =
        snprintf(text, sizeof(text), "%" PRId64 " %" PRId64 "\n", k->ages.now_s, pg_clock_wall_s());
    _fd_ int fd = openat(dir_fd, AGES_FILE ".new",
                         O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    PG_CHECK(n > 0 && (size_t)n < sizeof(text));
    if (fd < 0 || pg_fd_write(fd, text, (size_t)n) < 0 ||
        renameat(dir_fd, AGES_FILE ".new", dir_fd, AGES_FILE) < 0) {
        pg_metric_inc(PG_M_STORE_ERRORS);
    }
    k->saved_s = k->ages.now_s;
}

static int64_t turn_ages(struct keeper *k)
{
    bool lagged = k->ages.lags;
    int64_t now_s = ages_turn(&k->ages, pg_clock_wall_s(), pg_clock_mono_ms() / 1000);

    lock(k);
    k->lag_s = pg_clock_wall_s() - now_s;
    unlock(k);
    pg_metric_set(PG_M_RETENTION_CLOCK_LAGS, k->ages.lags);
    if (k->ages.lags && !lagged) {
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE,
                   "the clock went ahead by %" PRId64 " hours: nothing grows older by that",
                   (pg_clock_wall_s() - k->ages.now_s) / 3600);
    }
    if (k->ages.now_s - k->saved_s >= TURN_S) {
        save_ages(k);
    }
    return now_s;
}

/* ---- a run --------------------------------------------------------------------------------- */

/* Until it is time, or something is new. Under the lock. */
static void wait_us(struct keeper *k, uint64_t us)
{
    uint64_t at_us = pg_clock_mono_us() + us;
    struct timespec at = {.tv_sec = (time_t)(at_us / 1000000),
                          .tv_nsec = (long)(at_us % 1000000) * 1000};
    int rc = pthread_cond_timedwait(&k->news, &k->lock, &at);

    PG_CHECK(rc == 0 || rc == ETIMEDOUT);
}

/* Where the machine has much to do a step takes longer, and so does the rest after it. */
static bool pace(void *owner, const struct removal_sum *sum, uint64_t worked_us)
{
    struct keeper *k = owner;

    (void)turn_ages(k);
    lock(k);
    uint64_t rest_us =
        worked_us * (k->run.why == KEEPER_COMMAND || k->run.why == KEEPER_ROOM ? 1 : SHARE);
    uint64_t until_us = pg_clock_mono_us() + (rest_us < REST_MAX_US ? rest_us : REST_MAX_US);
    k->state = REMOVING;
    k->run.sum = *sum;
    for (uint64_t now_us = pg_clock_mono_us(); !atomic_load(&k->ending) && now_us < until_us;
         now_us = pg_clock_mono_us()) {
        wait_us(k, until_us - now_us);
    }
    k->is_cut = k->run.why == KEEPER_SCHEDULE && !is_open(k, pg_clock_wall_s());
    bool goes_on = !k->is_cut && !atomic_load(&k->ending);
    unlock(k);
    return goes_on;
}

static void on_purged(struct sl repo, void *owner)
{
    struct keeper *k = owner;

    k->config.purged(repo, k->config.owner);
}

static void tell(const struct run *r)
{
    pg_log_say(PG_LOG_INFO, PG_LOG_STORE,
               "retention, run %" PRIu64 ": %s; of %" PRIu64 " manifests %" PRIu64
               " were to go, %" PRIu64 " removed, %" PRIu64 " bytes, %" PRIu64
               " stay after all, %" PRIu64 " failed",
               r->number, r->result, r->sum.manifests, r->sum.going, r->sum.removed, r->sum.bytes,
               r->sum.spared, r->sum.failed);
    const struct pg_news_fact facts[] = {{"why", SL("rules"), 0},
                                         {.name = "manifests", .number = r->sum.removed},
                                         {.name = "bytes", .number = r->sum.bytes}};
    if (r->sum.removed > 0) {
        pg_news_say(PG_NEWS_EVICTION, SL("store"), facts, 3);
    }
}

static void end_run(struct keeper *k, const struct removal_sum *sum, const char *result)
{
    lock(k);
    k->run.sum = *sum;
    k->run.ended_s = pg_clock_wall_s();
    (void)snprintf(k->run.result, sizeof(k->run.result), "%s", result);
    k->state = IDLE;
    wake(k);
    unlock(k);
    tell(&k->run);
    pg_metric_inc(PG_M_RETENTION_RUNS);
}

static void carry_out(struct keeper *k, struct snapshot *snapshot)
{
    const struct removal_task task = {.store = k->config.store,
                                      .trail = k->config.trail,
                                      .rules = rules_of(snapshot),
                                      .now_s = turn_ages(k),
                                      .stop = &k->ending,
                                      .pace = pace,
                                      .purged = on_purged,
                                      .owner = k};
    struct removal_sum sum;
    struct pg_err err = {0};
    int rc = removal_run(&task, &sum, &err);

    end_run(k, &sum,
            rc == 0     ? "ok"
            : k->is_cut ? "its window has closed: the rest goes in the next"
                        : err.msg);
    pg_err_clear(&err);
}

/* ---- the thread ---------------------------------------------------------------------------- */

static int64_t next_of(const struct ruleset *rules, int64_t now_s)
{
    return rules != NULL ? ruleset_next(rules, now_s) : 0;
}

/* Under the lock. A clock that was set back would let the next run wait for as long. */
static void reckon_due(struct keeper *k, int64_t now_s)
{
    const struct ruleset *rules = rules_of(k->snapshot);

    if (k->changed || (k->due_s > 0 && next_of(rules, now_s) < k->due_s)) {
        k->due_s = next_of(rules, now_s);
        k->changed = false;
    }
}

/* A run that is to begin, with a reference on its snapshot; NULL: none yet. Under the lock. */
static struct snapshot *take_run(struct keeper *k, int64_t now_s)
{
    bool is_due = (k->is_cut || (k->due_s > 0 && now_s >= k->due_s)) && is_open(k, now_s);

    reckon_due(k, now_s);
    k->is_asked = k->is_asked && rules_of(k->snapshot) != NULL; /* they may have gone since */
    if (!k->is_asked && !is_due) {
        return NULL;
    }
    k->run = (struct run){.number = k->run.number + 1,
                          .why = k->is_asked ? k->asked_by : KEEPER_SCHEDULE,
                          .began_s = now_s};
    k->is_asked = k->is_cut = false;
    k->due_s = next_of(rules_of(k->snapshot), now_s);
    k->state = PLANNING;
    return config_snapshot_ref(k->snapshot);
}

static uint64_t wait_of(const struct keeper *k, int64_t now_s)
{
    int64_t wait_s = k->due_s > now_s && k->due_s - now_s < TURN_S ? k->due_s - now_s : TURN_S;

    return (uint64_t)wait_s * 1000000;
}

static void *keep(void *arg)
{
    struct keeper *k = arg;

    (void)pthread_setname_np(pthread_self(), "pg-keeper");
    while (!atomic_load(&k->ending)) {
        (void)turn_ages(k);
        lock(k);
        int64_t now_s = pg_clock_wall_s();
        struct snapshot *snapshot = take_run(k, now_s);
        if (snapshot == NULL && !atomic_load(&k->ending) && !k->changed && !k->is_asked) {
            wait_us(k, wait_of(k, now_s));
        }
        unlock(k);
        if (snapshot != NULL) {
            carry_out(k, snapshot);
            config_snapshot_unref(snapshot);
        }
    }
    save_ages(k);
    return NULL;
}

/* Under the lock; there are rules. The number of the run that begins, or is under way. */
static uint64_t ask_run(struct keeper *k, enum keeper_why why)
{
    bool under_way = k->state != IDLE;

    k->is_asked = k->is_asked || !under_way;
    k->asked_by = why;
    wake(k);
    return k->run.number + (under_way ? 0 : 1);
}

/* gc_rules_fn */
static bool make_room(void *owner, uint64_t *run, unsigned ms)
{
    struct keeper *k = owner;
    bool ended = true;

    lock(k);
    if (rules_of(k->snapshot) != NULL && !atomic_load(&k->ending)) {
        if (*run == 0) {
            *run = ask_run(k, KEEPER_ROOM);
        }
        wait_us(k, (uint64_t)ms * 1000);
        ended = k->run.number > *run || (k->run.number == *run && k->state == IDLE);
    }
    unlock(k);
    return ended;
}

/* Signals are for the main thread. */
static void start_thread(struct keeper *k)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    PG_CHECK(pthread_create(&k->thread, NULL, keep, k) == 0);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

struct keeper *keeper_new(const struct keeper_config *config)
{
    struct keeper *k = calloc(1, sizeof(*k));
    pthread_condattr_t attr;

    PG_CHECK(k != NULL);
    k->config = *config;
    const struct ages_kept kept = read_ages(config->store);
    ages_begin(&k->ages, &kept, pg_clock_wall_s(), pg_clock_mono_ms() / 1000);
    PG_CHECK(pthread_mutex_init(&k->lock, NULL) == 0);
    PG_CHECK(pthread_condattr_init(&attr) == 0);
    PG_CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    PG_CHECK(pthread_cond_init(&k->news, &attr) == 0);
    PG_CHECK(pthread_condattr_destroy(&attr) == 0);
    start_thread(k);
    gc_use_rules(config->store->gc, make_room, k);
    return k;
}

void keeper_stop(struct keeper *k)
{
    if (k == NULL) {
        return;
    }
    lock(k);
    atomic_store(&k->ending, true);
    wake(k);
    unlock(k);
    gc_use_rules(k->config.store->gc, NULL, NULL);
    PG_CHECK(pthread_join(k->thread, NULL) == 0);
}

void keeper_free(struct keeper *k)
{
    if (k == NULL) {
        return;
    }
    config_snapshot_unref(k->snapshot);
    PG_CHECK(pthread_cond_destroy(&k->news) == 0);
    PG_CHECK(pthread_mutex_destroy(&k->lock) == 0);
    free(k);
}

void keeper_use(struct keeper *k, struct snapshot *snapshot)
{
    lock(k);
    struct snapshot *old = k->snapshot;
    k->snapshot = config_snapshot_ref(snapshot);
    k->changed = true;
    wake(k);
    unlock(k);
    config_snapshot_unref(old);
}

static int no_rules(struct pg_err *err)
{
    return pg_fail(err, PG_E_UNSUPPORTED,
                   "the configuration names no rules: retention: {rules: FILE}");
}

int keeper_ask(struct keeper *k, enum keeper_why why, uint64_t *run_r, struct pg_err *err)
{
    int rc = 0;

    lock(k);
    if (rules_of(k->snapshot) == NULL) {
        rc = no_rules(err);
    } else {
        *run_r = ask_run(k, why);
    }
    unlock(k);
    return rc;
}

/* ---- told ---------------------------------------------------------------------------------- */

static void put_time(struct pg_buf *out, const char *name, int64_t s)
{
    char text[PG_CLOCK_TEXT_MAX];

    if (s == 0) {
        (void)pg_buf_printf(out, ",\"%s\":null", name);
    } else {
        (void)pg_buf_printf(out, ",\"%s\":\"%s\"", name, pg_clock_rfc3339(s * 1000, text));
    }
}

static void put_run(struct pg_buf *out, const struct run *r)
{
    static const char *const whys[] = {[KEEPER_SCHEDULE] = "schedule",
                                       [KEEPER_SIGNAL] = "signal",
                                       [KEEPER_COMMAND] = "command",
                                       [KEEPER_ROOM] = "room"};

    (void)pg_buf_printf(out, "{\"number\":%" PRIu64 ",\"why\":\"%s\"", r->number, whys[r->why]);
    put_time(out, "began", r->began_s);
    put_time(out, "ended", r->ended_s);
    (void)pg_buf_printf(out,
                        ",\"manifests\":%" PRIu64 ",\"going\":%" PRIu64 ",\"removed\":%" PRIu64
                        ",\"spared\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"bytes\":%" PRIu64,
                        r->sum.manifests, r->sum.going, r->sum.removed, r->sum.spared,
                        r->sum.failed, r->sum.bytes);
    (void)pg_buf_put(out, SL(",\"result\":"));
    if (r->ended_s == 0) {
        (void)pg_buf_put(out, SL("null"));
    } else {
        (void)pg_buf_put_json(out, sl_str(r->result));
    }
    (void)pg_buf_put(out, SL("}"));
}

void keeper_write(struct keeper *k, struct pg_buf *out)
{
    static const char *const states[] = {
        [IDLE] = "idle", [PLANNING] = "planning", [REMOVING] = "removing"};

    lock(k);
    const char *file = rules_of(k->snapshot) != NULL ? k->snapshot->config.retention_rules : NULL;
    (void)pg_buf_put(out, SL("{\"rules\":"));
    if (file == NULL) {
        (void)pg_buf_put(out, SL("null"));
    } else {
        (void)pg_buf_put_json(out, sl_str(file));
    }
    (void)pg_buf_printf(out, ",\"state\":\"%s\"", states[k->state]);
    put_time(out, "next", k->due_s);
    (void)pg_buf_put(out, SL(",\"run\":"));
    if (k->run.number == 0) {
        (void)pg_buf_put(out, SL("null"));
    } else {
        put_run(out, &k->run);
    }
    (void)pg_buf_put(out, SL("}\n"));
    unlock(k);
}

static void put_plan(const struct plan *p, enum admin_plan form, int64_t now_s, struct pg_buf *out)
{
    switch (form) {
    case ADMIN_PLAN_JSON:
        tell_json(p, now_s, out);
        return;
    case ADMIN_PLAN_CSV:
        tell_csv(p, out);
        return;
    case ADMIN_PLAN_TEXT:
        tell_text(p, false, out);
        return;
    }
    PG_BUG("a form of a plan that there is not");
}

static int tell_plan(struct keeper *k, enum admin_plan form, const atomic_bool *stop,
                     struct pg_buf *out, struct pg_err *err)
{
    struct inventory inventory;
    struct plan plan;

    lock(k);
    struct snapshot *snapshot = k->snapshot != NULL ? config_snapshot_ref(k->snapshot) : NULL;
    int64_t now_s = pg_clock_wall_s() - k->lag_s;
    unlock(k);
    if (rules_of(snapshot) == NULL) {
        config_snapshot_unref(snapshot);
        return no_rules(err);
    }
    int rc = inventory_take(k->config.store, stop, &inventory, err);
    if (rc == 0) {
        plan_make(rules_of(snapshot), inventory.images, inventory.n, now_s, &plan);
        put_plan(&plan, form, now_s, out);
        plan_free(&plan);
    }
    inventory_free(&inventory);
    config_snapshot_unref(snapshot);
    return rc;
}

static int ask_by_command(struct keeper *k, uint64_t *run_r, struct pg_err *err)
{
    return keeper_ask(k, KEEPER_COMMAND, run_r, err);
}

struct admin_keeper keeper_for_admin(struct keeper *k)
{
    return (struct admin_keeper){
        .keeper = k, .ask = ask_by_command, .write = keeper_write, .plan = tell_plan};
}
