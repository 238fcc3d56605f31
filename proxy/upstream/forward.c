/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "audit/follow.h"
#include "audit/volume.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/metric.h"
#include "proxy/upstream/sink_int.h"

#define BATCH_BYTES    ((size_t)256 << 10)
#define BATCH_MAX      1000 /* entries */
#define SINK_SETTLE_MS 5000 /* of a connection, until what syslog was sent counts as taken */
#define SAVE_MS        1000
#define RETRY_MS_MIN   1000
#define RETRY_MS_MAX   30000

/* What was sent by syslog: up to `settling` it is in the other kernel since since_ms. */
struct settling {
    struct follow_position at;
    uint64_t since_ms;
    bool is_under_way;
};

/* One sink, and its thread. */
struct courier {
    struct forward *forward;
    struct config_sink config;
    pthread_t thread;
    int bell_fd, stop_fd;
    struct sink sink;
    struct follow follow;
    struct pg_buf batch;
    unsigned nbatch, batch_max;
    struct follow_position taken, saved; /* confirmed; on disk */
    struct settling settling;
    uint64_t saved_ms, retry_ms, missed; /* missed: told */
    uint64_t head_seq;                   /* of the head that it has */
    atomic_bool is_failing;
    atomic_uint_fast64_t behind; /* entries */
};

struct forward {
    struct trail *trail;
    char *path;
    int dir_fd;
    struct config wanted; /* its sinks alone */
    struct courier *couriers;
    size_t n;
    bool is_held;
};

/* ---- what is told -------------------------------------------------------------------------- */

static void tell_metrics(const struct forward *f)
{
    uint64_t behind = 0;
    unsigned failing = 0;

    for (size_t i = 0; i < f->n; i++) {
        uint64_t one = atomic_load(&f->couriers[i].behind);

        behind = one > behind ? one : behind;
        failing += atomic_load(&f->couriers[i].is_failing) ? 1 : 0;
    }
    pg_metric_set(PG_M_FORWARD_BEHIND, (int64_t)behind);
    pg_metric_set(PG_M_FORWARD_FAILING, failing);
}

static void tell_behind(struct courier *c)
{
    uint64_t last = trail_last(c->forward->trail);
    uint64_t at = atomic_load(&c->is_failing) ? c->taken.seq : c->follow.at.seq;

    atomic_store(&c->behind, last > at ? last - at : 0);
    tell_metrics(c->forward);
}

static void tell_result(struct courier *c, const struct pg_err *err)
{
    bool failing = err->kind != PG_E_NONE;

    if (failing && err->kind != PG_E_CANCELED)
        pg_metric_inc(PG_M_FORWARD_FAILURES);
    if (failing != atomic_load(&c->is_failing) && err->kind != PG_E_CANCELED) {
        if (failing)
            pg_log_say(PG_LOG_WARN, PG_LOG_AUDIT, "%s; entries wait in the log", err->msg);
        else
            pg_log_say(PG_LOG_INFO, PG_LOG_AUDIT, "the sink %s of the audit log takes entries",
                       c->config.name);
        atomic_store(&c->is_failing, failing);
    }
    tell_behind(c);
}

/* The log was kept for less long than the sink was away. */
static void tell_missed(struct courier *c)
{
    struct entry e = {.kind = ENTRY_ACT};
    uint64_t n = c->follow.missed - c->missed;
    char result[128];

    if (n == 0)
        return;
    c->missed = c->follow.missed;
    (void)snprintf(result, sizeof(result),
                   "%" PRIu64 " entries were removed from the log before the sink had them", n);
    pg_log_say(PG_LOG_ERROR, PG_LOG_AUDIT, "the sink %s of the audit log: %s", c->config.name,
               result);
    pg_metric_add(PG_M_FORWARD_MISSED, (int64_t)n);
    e.text[ENTRY_TEXT_CALLER] = SL("pullgate");
    e.text[ENTRY_TEXT_ACT] = SL("forward");
    e.text[ENTRY_TEXT_TARGET] = sl_str(c->config.name);
    e.text[ENTRY_TEXT_RESULT] = sl_str(result);
    trail_note(c->forward->trail, &e);
}

/* ---- a batch ------------------------------------------------------------------------------- */

static void put(struct courier *c, const struct wire_record *r)
{
    int rc = c->sink.is_syslog ? wire_put_syslog(r, c->sink.host, &c->batch)
                               : wire_put_json(r, &c->batch);

    if (rc == 0) /* else it is no entry: the numbers say that one is missing, and verify why */
        c->nbatch++;
}

static bool on_record(void *arg, const struct wire_record *r)
{
    struct courier *c = arg;

    if (c->nbatch >= c->batch_max || c->batch.n + WIRE_MAX > BATCH_BYTES)
        return false;
    put(c, r);
    return true;
}

/* The newest head, behind all entries that it stands for. */
static void put_head(struct courier *c)
{
    struct pg_err ignored = {0};
    struct pg_buf text;
    struct entry e;

    pg_buf_init(&text, ENTRY_LINE_MAX);
    if (volume_read(c->forward->dir_fd, "head", &text, &ignored) == 0 && text.n > 0 &&
        entry_read((struct sl){text.p, text.n - 1}, &e, &ignored) == 0) {
        const struct wire_record r = {e.text[ENTRY_TEXT_PREVIOUS], {text.p, text.n - 1}};

        if (e.kind == ENTRY_HEAD && e.seq != c->head_seq && e.seq <= c->follow.at.seq) {
            put(c, &r);
            c->head_seq = e.seq;
        }
        entry_free(&e);
    }
    pg_err_clear(&ignored);
    pg_buf_free(&text);
}

static int fill(struct courier *c, struct pg_err *err)
{
    int n;

    pg_buf_clear(&c->batch);
    c->nbatch = 0;
    n = follow_read(&c->follow, on_record, c, err);
    if (n < 0)
        return -1;
    tell_missed(c);
    if (n == 0)
        put_head(c);
    return 0;
}

/* ---- what was taken ------------------------------------------------------------------------ */

static bool is_same(const struct follow_position *a, const struct follow_position *b)
{
    return a->segment == b->segment && a->offset == b->offset;
}

static void save(struct courier *c, bool now)
{
    struct pg_err err = {0};
    uint64_t now_ms = pg_clock_mono_ms();

    if (is_same(&c->taken, &c->saved) || (!now && now_ms < c->saved_ms + SAVE_MS))
        return;
    if (follow_save(&c->follow, &c->taken, &err) == 0)
        c->saved = c->taken;
    else
        pg_log_say(PG_LOG_WARN, PG_LOG_AUDIT, "%s", err.msg);
    c->saved_ms = now_ms;
    pg_err_clear(&err);
}

/* Of what syslog was sent: -1, the connection is gone. */
static int settle(struct courier *c, struct pg_err *err)
{
    struct settling *s = &c->settling;
    bool has_all;

    if (sink_look(&c->sink, &has_all, err) < 0)
        return -1;
    if (s->is_under_way && has_all && pg_clock_mono_ms() >= s->since_ms + SINK_SETTLE_MS) {
        c->taken = s->at;
        s->is_under_way = false;
    }
    if (!s->is_under_way && has_all && !is_same(&c->taken, &c->follow.at))
        *s = (struct settling){c->follow.at, pg_clock_mono_ms(), true};
    return 0;
}

static void give_up(struct courier *c)
{
    sink_break(&c->sink);
    c->settling.is_under_way = false;
    follow_rewind(&c->follow, &c->taken);
    c->head_seq = 0;
}

/* ---- the thread ---------------------------------------------------------------------------- */

/* 1: there may be more, 0: it has all, -1. */
static int turn(struct courier *c, struct pg_err *err)
{
    bool too_large = false;

    if ((c->sink.is_syslog && settle(c, err) < 0) || fill(c, err) < 0)
        return -1;
    if (c->nbatch == 0) {
        if (!c->sink.is_syslog)
            c->taken = c->follow.at;
        return 0;
    }
    if (sink_give(&c->sink, pg_buf_sl(&c->batch), &too_large, err) < 0) {
        if (!too_large || c->nbatch <= 1)
            return -1;
        pg_err_clear(err);
        c->batch_max = c->nbatch / 2;
        give_up(c);
        return 1;
    }
    pg_metric_add(PG_M_FORWARDED, c->nbatch);
    if (!c->sink.is_syslog)
        c->taken = c->follow.at;
    return c->sink.is_syslog && settle(c, err) < 0 ? -1 : 1;
}

static int wait_ms_of(const struct courier *c, int rc)
{
    if (rc < 0)
        return (int)c->retry_ms;
    if (c->settling.is_under_way || (c->sink.is_syslog && !is_same(&c->taken, &c->follow.at)))
        return SINK_SETTLE_MS / 4;
    return is_same(&c->taken, &c->saved) ? -1 : SAVE_MS;
}

/* False: told to stop. After a failure the bell is not listened to. */
static bool wait(struct courier *c, int rc)
{
    struct pollfd p[] = {{.fd = c->stop_fd, .events = POLLIN},
                         {.fd = rc < 0 ? -1 : c->bell_fd, .events = POLLIN},
                         {.fd = rc < 0 ? -1 : sink_socket(&c->sink), .events = POLLIN}};
    eventfd_t n;

    if (poll(p, 3, rc > 0 ? 0 : wait_ms_of(c, rc)) > 0 && p[1].revents != 0)
        (void)eventfd_read(c->bell_fd, &n);
    return p[0].revents == 0;
}

static void *run(void *arg)
{
    struct courier *c = arg;
    int rc = 1;

    (void)pthread_setname_np(pthread_self(), "pg-forward");
    pg_metric_slot();
    sink_open(&c->sink, &c->config, c->stop_fd);
    while (wait(c, rc)) {
        struct pg_err err = {0};

        rc = turn(c, &err);
        if (rc < 0) {
            give_up(c);
            c->retry_ms = c->retry_ms == 0                 ? RETRY_MS_MIN
                          : 2 * c->retry_ms < RETRY_MS_MAX ? 2 * c->retry_ms
                                                           : RETRY_MS_MAX;
        } else {
            c->retry_ms = 0;
        }
        save(c, false);
        tell_result(c, &err);
        pg_err_clear(&err);
    }
    save(c, true);
    sink_close(&c->sink);
    return NULL;
}

/* ---- all of them --------------------------------------------------------------------------- */

static int make_fds(struct courier *c)
{
    c->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return c->bell_fd < 0 || c->stop_fd < 0 ? -1 : 0;
}

static void prepare(struct forward *f, struct courier *c, const struct config_sink *config)
{
    struct pg_err err = {0};

    *c = (struct courier){.forward = f, .bell_fd = -1, .stop_fd = -1, .batch_max = BATCH_MAX};
    config_copy_sink(&c->config, config);
    pg_buf_init(&c->batch, BATCH_BYTES);
    if (make_fds(c) < 0)
        (void)pg_fail(&err, PG_E_INTERNAL, "no descriptors for the sink %s", config->name);
    if (err.kind != PG_E_NONE || follow_open(&c->follow, f->dir_fd, config->name, &err) < 0) {
        pg_log_say(PG_LOG_ERROR, PG_LOG_AUDIT, "nothing is sent to %s: %s", config->name, err.msg);
        atomic_store(&c->is_failing, true);
        pg_fd_close(&c->stop_fd);
        pg_err_clear(&err);
        return;
    }
    c->taken = c->saved = c->follow.at;
}

static void begin(struct courier *c)
{
    if (c->stop_fd < 0)
        return;
    trail_ring(c->forward->trail, c->bell_fd);
    PG_CHECK(pthread_create(&c->thread, NULL, run, c) == 0);
}

static void end(struct courier *c)
{
    if (c->stop_fd >= 0) {
        PG_CHECK(pthread_join(c->thread, NULL) == 0);
        trail_unring(c->forward->trail, c->bell_fd);
        follow_close(&c->follow);
    }
    pg_fd_close(&c->stop_fd);
    pg_fd_close(&c->bell_fd);
    pg_buf_free(&c->batch);
    config_free_sink(&c->config);
}

static void begin_all(struct forward *f)
{
    if (f->trail == NULL || f->wanted.nsinks == 0 || f->is_held)
        return;
    f->dir_fd = open(f->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (f->dir_fd < 0) {
        pg_log_say(PG_LOG_ERROR, PG_LOG_AUDIT, "nothing of the audit log is sent: %s: %s", f->path,
                   strerrordesc_np(errno));
        return;
    }
    f->couriers = calloc(f->wanted.nsinks, sizeof(*f->couriers));
    PG_CHECK(f->couriers != NULL);
    f->n = f->wanted.nsinks;
    for (size_t i = 0; i < f->n; i++)
        prepare(f, &f->couriers[i], &f->wanted.sinks[i]);
    for (size_t i = 0; i < f->n; i++)
        begin(&f->couriers[i]);
}

/* All are told before one is waited for. */
static void end_all(struct forward *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->couriers[i].stop_fd >= 0)
            PG_CHECK(eventfd_write(f->couriers[i].stop_fd, 1) == 0);
    for (size_t i = 0; i < f->n; i++)
        end(&f->couriers[i]);
    free(f->couriers);
    f->couriers = NULL;
    f->n = 0;
    pg_fd_close(&f->dir_fd);
    tell_metrics(f);
}

static void copy_sinks(struct forward *f, const struct config *c)
{
    config_free(&f->wanted);
    f->wanted.sinks = calloc(c->nsinks + 1, sizeof(*f->wanted.sinks));
    PG_CHECK(f->wanted.sinks != NULL);
    for (size_t i = 0; i < c->nsinks; i++)
        config_copy_sink(&f->wanted.sinks[i], &c->sinks[i]);
    f->wanted.nsinks = c->nsinks;
}

struct forward *forward_start(const struct config *c, struct trail *trail, const char *path)
{
    struct forward *f = calloc(1, sizeof(*f));

    PG_CHECK(f != NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    f->trail = trail;
    f->path = sl_dup(sl_str(path));
    f->dir_fd = -1;
    copy_sinks(f, c);
    begin_all(f);
    return f;
}

void forward_set(struct forward *f, const struct config *c)
{
    if (config_same_sinks(&f->wanted, c))
        return;
    end_all(f);
    copy_sinks(f, c);
    begin_all(f);
}

void forward_hold(struct forward *f)
{
    end_all(f);
    f->is_held = true;
}

void forward_resume(struct forward *f)
{
    f->is_held = false;
    begin_all(f);
}

void forward_stop(struct forward *f)
{
    if (f == NULL)
        return;
    end_all(f);
    config_free(&f->wanted);
    free(f->path);
    free(f);
    curl_global_cleanup();
}
