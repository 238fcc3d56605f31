/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/feeder.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/revoked.h"
#include "proxy/upstream/grab.h"
#include "signing/feed.h"

#define KEY_MAX  ((size_t)65536)
#define RETRY_MS 15000 /* at most, after one that did not come */

/* One feed. */
struct source {
    const struct config_feed *config;
    uint64_t due_ms; /* monotonic */
    char *said;      /* the failure that was told; NULL: it is well */
    bool is_stale;   /* told */
};

struct feeder {
    struct store *store;
    struct trail *trail;
    struct config wanted; /* its feeds alone */
    struct source sources[CONFIG_FEEDS_MAX];
    pthread_t thread;
    int stop_fd;  /* -1: no thread */
    bool is_held; /* nothing is fetched */
};

/* ---- is it current ------------------------------------------------------------------------- */

/* A clock that goes back makes nothing current again. */
static int64_t now_s(const struct revoked_feed *last)
{
    int64_t now = pg_clock_wall_s();

    return now > last->when_s ? now : last->when_s;
}

static bool look_at(struct feeder *f, struct source *s)
{
    struct revoked_feed last = {0};
    bool known = revoked_feed_get(f->store, s->config->name, &last);
    bool stale = !known || now_s(&last) >= last.expires_s;

    if (stale && !s->is_stale)
        pg_log_say(PG_LOG_ERROR, PG_LOG_SECURITY, "the feed of revocations %s %s", s->config->name,
                   known ? "has expired: what it said last stays in force" : "never came yet");
    if (!stale && s->is_stale)
        pg_log_say(PG_LOG_INFO, PG_LOG_SECURITY, "the feed of revocations %s is current",
                   s->config->name);
    s->is_stale = stale;
    return stale;
}

static void look_at_all(struct feeder *f)
{
    unsigned nstale = 0;
    bool denies = false;

    for (size_t i = 0; i < f->wanted.nfeeds; i++) {
        bool stale = look_at(f, &f->sources[i]);

        nstale += stale ? 1 : 0;
        denies = denies || (stale && f->sources[i].config->deny_when_stale);
    }
    revoked_feed_set_stale(f->store, denies); /* who sees the metric finds it so */
    pg_metric_set(PG_M_FEEDS_STALE, nstale);
}

/* ---- one edition --------------------------------------------------------------------------- */

static void record(const struct feeder *f, const struct source *s, const char *result)
{
    struct entry e = {.kind = ENTRY_ACT};

    e.text[ENTRY_TEXT_CALLER] = SL("pullgate");
    e.text[ENTRY_TEXT_ACT] = SL("revocation feed");
    e.text[ENTRY_TEXT_TARGET] = sl_str(s->config->name);
    e.text[ENTRY_TEXT_RESULT] = sl_str(result);
    trail_note(f->trail, &e);
}

static int compare(const struct revoked_feed *a, const struct feed *b)
{
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch ? -1 : 1;
    return a->serial < b->serial ? -1 : a->serial > b->serial ? 1 : 0;
}

/* 1: it is to be taken over, 0: it was, -1. */
static int check(const struct revoked_feed *last, const struct feed *feed, struct pg_err *err)
{
    int order = compare(last, feed);

    if (order > 0)
        return pg_fail(err, PG_E_DENIED,
                       "epoch %" PRIu64 ", serial %" PRIu64 " is older than what it said before "
                       "(epoch %" PRIu64 ", serial %" PRIu64 "): somebody shows an old edition",
                       feed->epoch, feed->serial, last->epoch, last->serial);
    if (order == 0 && memcmp(last->sha256, feed->sha256, sizeof(feed->sha256)) != 0)
        return pg_fail(err, PG_E_DENIED,
                       "serial %" PRIu64 " says something else than it did before: each edition "
                       "needs a serial of its own",
                       feed->serial);
    if (order < 0 && now_s(last) >= feed->expires_s)
        return pg_fail(err, PG_E_DENIED, "serial %" PRIu64 " has expired", feed->serial);
    return order < 0 ? 1 : 0;
}

static enum revoked_kind kind_of(enum feed_kind kind)
{
    return kind == FEED_KEY          ? REVOKED_KEY
           : kind == FEED_IDENTITY   ? REVOKED_IDENTITY
           : kind == FEED_REPOSITORY ? REVOKED_REPOSITORY
                                     : REVOKED_DIGEST;
}

static int take_over(struct feeder *f, const struct source *s, const struct feed *feed,
                     struct pg_err *err)
{
    struct revoked_feed now = {.epoch = feed->epoch,
                               .serial = feed->serial,
                               .expires_s = feed->expires_s,
                               .when_s = pg_clock_wall_s()};
    struct revoked_entry *all = calloc(feed->n + 1, sizeof(*all));
    char result[128], when[PG_CLOCK_TEXT_MAX];
    int rc;

    PG_CHECK(all != NULL);
    memcpy(now.sha256, feed->sha256, sizeof(now.sha256));
    for (size_t i = 0; i < feed->n; i++)
        all[i] = (struct revoked_entry){.kind = kind_of(feed->entries[i].kind),
                                        .what = feed->entries[i].what,
                                        .reason = feed->entries[i].reason};
    rc = revoked_feed_put(f->store, s->config->name, &now, all, feed->n, err);
    free(all);
    if (rc < 0)
        return -1;
    (void)snprintf(result, sizeof(result),
                   "ok: epoch %" PRIu64 ", serial %" PRIu64 ", %zu entries, until %s", feed->epoch,
                   feed->serial, feed->n, pg_clock_rfc3339(feed->expires_s * 1000, when));
    pg_log_say(PG_LOG_WARN, PG_LOG_SECURITY, "the feed of revocations %s: %s", s->config->name,
               result);
    record(f, s, result);
    return 0;
}

static int read_edition(struct feeder *f, const struct source *s, struct sl bytes,
                        struct pg_err *err)
{
    struct revoked_feed last = {0};
    struct pg_arena arena;
    struct pg_buf key;
    struct feed feed = {.n = 0};
    int rc;

    pg_buf_init(&key, KEY_MAX);
    pg_arena_init(&arena, FEED_ARENA_BYTES);
    rc = pg_guarded_read(s->config->key_file, PG_GUARDED_PUBLIC, &key, err);
    if (rc == 0)
        rc = feed_read(bytes, pg_buf_sl(&key), s->config->key_file, &arena, &feed, err);
    if (rc == 0) {
        bool known = revoked_feed_get(f->store, s->config->name, &last);

        rc = known || feed.expires_s > pg_clock_wall_s() ? 0 : -1;
        if (rc < 0)
            (void)pg_fail(err, PG_E_DENIED, "serial %" PRIu64 " has expired", feed.serial);
        else
            rc = known ? check(&last, &feed, err) : 1;
    }
    if (rc > 0)
        rc = take_over(f, s, &feed, err);
    pg_arena_free(&arena);
    pg_buf_free(&key);
    return rc;
}

/* ---- the thread ---------------------------------------------------------------------------- */

/* Once, until something else is wrong. */
static void tell(const struct feeder *f, struct source *s, const struct pg_err *err)
{
    pg_metric_inc(PG_M_FEED_FAILURES);
    if (s->said != NULL && strcmp(s->said, err->msg) == 0)
        return;
    free(s->said);
    s->said = sl_dup(sl_str(err->msg));
    pg_log_say(PG_LOG_ERROR, PG_LOG_SECURITY, "the feed of revocations %s: %s", s->config->name,
               err->msg);
    record(f, s, err->msg);
}

static void fetch_one(struct feeder *f, struct source *s)
{
    uint64_t wait_ms = s->config->interval_ms;
    struct pg_err err = {0};
    struct pg_buf bytes;

    pg_buf_init(&bytes, FEED_BYTES_MAX);
    if (grab_url(s->config->url, s->config->ca_file, f->stop_fd, &bytes, &err) < 0 ||
        read_edition(f, s, pg_buf_sl(&bytes), &err) < 0) {
        wait_ms = wait_ms < RETRY_MS ? wait_ms : RETRY_MS;
        if (err.kind != PG_E_CANCELED)
            tell(f, s, &err);
    } else {
        free(s->said);
        s->said = NULL;
    }
    s->due_ms = pg_clock_mono_ms() + wait_ms;
    pg_err_clear(&err);
    pg_buf_free(&bytes);
}

/* Until the next is due, or one expires; at most a second, since the wall clock may be set. */
static bool wait(const struct feeder *f)
{
    struct pollfd p = {.fd = f->stop_fd, .events = POLLIN};

    return poll(&p, 1, 1000) <= 0;
}

static void *run(void *arg)
{
    struct feeder *f = arg;

    (void)pthread_setname_np(pthread_self(), "pg-feeds");
    pg_metric_slot();
    do {
        for (size_t i = 0; i < f->wanted.nfeeds; i++)
            if (!f->is_held && pg_clock_mono_ms() >= f->sources[i].due_ms)
                fetch_one(f, &f->sources[i]);
        look_at_all(f);
    } while (wait(f));
    return NULL;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void start_thread(struct feeder *f)
{
    if (f->wanted.nfeeds == 0)
        return;
    f->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    PG_CHECK(f->stop_fd >= 0 && pthread_create(&f->thread, NULL, run, f) == 0);
}

static void stop_thread(struct feeder *f)
{
    if (f->stop_fd < 0)
        return;
    PG_CHECK(eventfd_write(f->stop_fd, 1) == 0);
    PG_CHECK(pthread_join(f->thread, NULL) == 0);
    pg_fd_close(&f->stop_fd);
}

static void begin(struct feeder *f)
{
    for (size_t i = 0; i < f->wanted.nfeeds; i++)
        f->sources[i] = (struct source){.config = &f->wanted.feeds[i]};
    look_at_all(f);
    start_thread(f);
}

static void end(struct feeder *f)
{
    stop_thread(f);
    for (size_t i = 0; i < f->wanted.nfeeds; i++) {
        free(f->sources[i].said);
        f->sources[i].said = NULL;
    }
}

struct feeder *feeder_start(const struct config *c, struct store *s, struct trail *trail)
{
    struct feeder *f = calloc(1, sizeof(*f));

    PG_CHECK(f != NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    f->store = s;
    f->trail = trail;
    f->stop_fd = -1;
    config_copy_feeds(&f->wanted, c);
    begin(f);
    return f;
}

void feeder_set(struct feeder *f, const struct config *c)
{
    if (config_same_feeds(&f->wanted, c))
        return;
    end(f);
    config_free(&f->wanted);
    config_copy_feeds(&f->wanted, c);
    begin(f);
}

void feeder_hold(struct feeder *f)
{
    stop_thread(f);
    f->is_held = true;
    start_thread(f);
}

void feeder_resume(struct feeder *f)
{
    stop_thread(f);
    f->is_held = false;
    start_thread(f);
}

void feeder_stop(struct feeder *f)
{
    if (f == NULL)
        return;
    end(f);
    config_free(&f->wanted);
    free(f);
    curl_global_cleanup();
}
