/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/export.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/random.h"
#include "proxy/trace.h"
#include "proxy/upstream/errand.h"

#define BODY_MAX        ((size_t)4 * 1024 * 1024) /* 512 spans of at most 8 KiB */
#define POST_TIMEOUT_MS 5000L
#define PAUSE_MS        500 /* before the second try; twice that before the third */

struct export
{
    uv_thread_t thread;
    int wake_fd;
    atomic_bool stops;
    char *endpoint;
    CURL *easy;
    struct curl_slist *headers;
    struct pg_buf head, body; /* what stands before the spans; the batch */
    unsigned nspans;
    size_t answered;  /* bytes of the collector's answer */
    uint64_t last_ms; /* when it has to be over; 0: not yet told to stop */
    bool is_failing;
};

static void on_note(struct pg_mailbox *box)
{
    struct export *e = box->owner;
    int rc = eventfd_write(e->wake_fd, 1);

    PG_CHECK(rc == 0 || errno == EAGAIN);
}

static bool may_retry(CURLcode rc, long status)
{
    return rc != CURLE_OK || status == 429 || status == 502 || status == 503 || status == 504;
}

/* Sleeps, unless it is told to stop. */
static void pause_for(struct export *e, int ms)
{
    uint64_t until = pg_clock_mono_ms() + (uint64_t)ms;

    while (!atomic_load(&e->stops) && pg_clock_mono_ms() < until) {
        struct pollfd p = {.fd = e->wake_fd, .events = POLLIN};
        eventfd_t n;

        if (poll(&p, 1, (int)(until - pg_clock_mono_ms())) > 0 && atomic_load(&e->stops))
            return;
        (void)eventfd_read(e->wake_fd, &n);
    }
}

static long left_ms(const struct export *e)
{
    uint64_t now = pg_clock_mono_ms();

    if (e->last_ms == 0)
        return POST_TIMEOUT_MS;
    return e->last_ms > now ? (long)(e->last_ms - now) : 0;
}

static CURLcode post(struct export *e, long *status_r)
{
    long ms = left_ms(e);
    CURLcode rc;

    *status_r = 0;
    if (ms == 0)
        return CURLE_OPERATION_TIMEDOUT;
    e->answered = 0;
    curl_easy_setopt(e->easy, CURLOPT_TIMEOUT_MS, ms);
    curl_easy_setopt(e->easy, CURLOPT_POSTFIELDS, e->body.p);
    curl_easy_setopt(e->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)e->body.n);
    rc = curl_easy_perform(e->easy);
    curl_easy_getinfo(e->easy, CURLINFO_RESPONSE_CODE, status_r);
    return *status_r != 0 ? CURLE_OK : rc;
}

static void note_result(struct export *e, CURLcode rc, long status)
{
    bool good = rc == CURLE_OK && status >= 200 && status < 300;

    if (!good)
        pg_metric_add(PG_M_TRACE_DROPPED, e->nspans);
    else
        pg_metric_add(PG_M_TRACE_SENT, e->nspans);
    if (good != e->is_failing)
        return;
    e->is_failing = !good;
    if (good)
        pg_log_say(PG_LOG_INFO, PG_LOG_TRACE, "the collector takes spans again");
    else if (rc != CURLE_OK)
        pg_log_say(PG_LOG_WARN, PG_LOG_TRACE, "the collector at trace.endpoint does not answer: %s",
                   curl_easy_strerror(rc));
    else
        pg_log_say(PG_LOG_WARN, PG_LOG_TRACE, "the collector at trace.endpoint answers %ld",
                   status);
}

static void begin_batch(struct export *e)
{
    pg_buf_clear(&e->body);
    pg_buf_put(&e->body, pg_buf_sl(&e->head));
    e->nspans = 0;
}

static void send_batch(struct export *e)
{
    CURLcode rc = CURLE_OK;
    long status = 0;

    if (e->nspans == 0)
        return;
    pg_buf_put(&e->body, SL("]}]}]}"));
    PG_CHECK(!e->body.over);
    for (int i = 1;; i++) {
        rc = post(e, &status);
        if (i == EXPORT_TRIES_MAX || e->last_ms != 0 || !may_retry(rc, status))
            break;
        pause_for(e, PAUSE_MS * i);
    }
    note_result(e, rc, status);
    begin_batch(e);
}

static void take(struct trace_note *note, void *owner)
{
    struct export *e = owner;

    pg_buf_put(&e->body, e->nspans > 0 ? SL(",") : SL(""));
    pg_buf_put(&e->body, pg_buf_sl(&note->json));
    e->nspans++;
    trace_note_free(note);
    if (e->nspans == EXPORT_BATCH_MAX)
        send_batch(e);
}

/* The first span of a batch has company until EXPORT_WAIT_MS after it. */
static void run(void *arg)
{
    struct export *e = arg;

    pg_metric_slot();
    while (!atomic_load(&e->stops)) {
        struct pollfd p = {.fd = e->wake_fd, .events = POLLIN};
        eventfd_t n;

        (void)poll(&p, 1, -1);
        (void)eventfd_read(e->wake_fd, &n);
        pause_for(e, EXPORT_WAIT_MS);
        if (atomic_load(&e->stops))
            break;
        trace_take_all(take, e);
        send_batch(e);
    }
    e->last_ms = pg_clock_mono_ms() + EXPORT_LAST_MS;
    trace_take_all(take, e);
    send_batch(e);
}

static void make_head(struct export *e, const char *version)
{
    pg_buf_init(&e->head, 1024);
    pg_buf_printf(&e->head,
                  "{\"resourceSpans\":[{\"resource\":{\"attributes\":["
                  "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"pullgate\"}},"
                  "{\"key\":\"service.version\",\"value\":{\"stringValue\":\"%s\"}},"
                  "{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"%016llx\"}}]},"
                  "\"scopeSpans\":[{\"scope\":{\"name\":\"pullgate\"},\"spans\":[",
                  version, (unsigned long long)pg_random_u64());
    PG_CHECK(!e->head.over);
    pg_buf_init(&e->body, BODY_MAX + 2048);
    begin_batch(e);
}

static void set_up_curl(struct export *e)
{
    e->easy = curl_easy_init();
    e->headers = curl_slist_append(NULL, "Content-Type: application/json");
    PG_CHECK(e->easy != NULL && e->headers != NULL);
    curl_easy_setopt(e->easy, CURLOPT_URL, e->endpoint);
    errand_set_up(e->easy, NULL);
    errand_ignore_answer(e->easy, &e->answered);
    curl_easy_setopt(e->easy, CURLOPT_HTTPHEADER, e->headers);
}

static void free_export(struct export *e)
{
    curl_easy_cleanup(e->easy);
    curl_slist_free_all(e->headers);
    pg_buf_free(&e->head);
    pg_buf_free(&e->body);
    pg_fd_close(&e->wake_fd);
    free(e->endpoint);
    free(e);
    curl_global_cleanup();
}

int export_start(const char *endpoint, const char *version, struct export **export_r,
                 struct pg_err *err)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct export *e;

    if (fd < 0)
        return pg_fail(err, PG_E_INTERNAL, "no descriptor for the exporter of traces");
    e = calloc(1, sizeof(*e));
    PG_CHECK(e != NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    e->wake_fd = fd;
    e->endpoint = sl_dup((struct sl){endpoint, strlen(endpoint)});
    make_head(e, version);
    set_up_curl(e);
    trace_setup(on_note, e);
    PG_CHECK(uv_thread_create(&e->thread, run, e) == 0);
    *export_r = e;
    return 0;
}

void export_stop(struct export *e)
{
    if (e == NULL)
        return;
    atomic_store(&e->stops, true);
    PG_CHECK(eventfd_write(e->wake_fd, 1) == 0);
    PG_CHECK(uv_thread_join(&e->thread) == 0);
    free_export(e);
}
