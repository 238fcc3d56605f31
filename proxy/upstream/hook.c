/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/hook.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/news.h"
#include "base/random.h"
#include "proxy/upstream/errand.h"

#define ID_MAX         48
#define EVENT_MAX      (2 * PG_NEWS_BYTES_MAX + 4096)
#define SECRET_MAX     ((size_t)4096)
#define HEADER_MAX     160
#define POST_MS        10000L
#define PAUSE_MAX_MS   60000
#define WAIT_MS        60000
#define RETRY_AFTER_NO 408

/* One event in one queue. */
struct event {
    struct event *next;
    char id[ID_MAX];
    struct pg_buf body;
};

struct receiver {
    struct config_hook config;
    struct event *first, *last; /* the oldest is the one that is sent */
    unsigned nqueue, tries;
    uint64_t due_ms; /* not before that */
    CURL *easy;
    struct curl_slist *headers; /* not NULL: it is under way */
    size_t answered;
    bool is_failing;
};

struct hooks {
    struct config wanted; /* its hooks alone */
    struct receiver *receivers;
    size_t n;
    CURLM *multi;
    pthread_t thread;
    atomic_bool stops;
    bool runs;        /* the thread */
    uint64_t last_ms; /* when it has to be over; 0: it is not to end */
    char host[256];
    uint64_t instance; /* of ids */
};

static void on_news(void *owner)
{
    const struct hooks *h = owner;

    (void)curl_multi_wakeup(h->multi);
}

static void must(CURLcode rc)
{
    PG_CHECK(rc == CURLE_OK);
}

/* ---- queues -------------------------------------------------------------------------------- */

static void tell_waiting(const struct hooks *h)
{
    int64_t sum = 0;

    for (size_t i = 0; i < h->n; i++)
        sum += h->receivers[i].nqueue;
    pg_metric_set(PG_M_HOOK_WAITING, sum);
}

static void remove_first(struct receiver *r)
{
    struct event *e = r->first;

    r->first = e->next;
    r->last = r->first != NULL ? r->last : NULL;
    pg_buf_free(&e->body);
    free(e);
    r->nqueue--;
    r->tries = 0;
    r->due_ms = 0;
}

static void put_event(const struct hooks *h, const struct pg_news *news, struct event *e)
{
    char time[PG_CLOCK_TEXT_MAX];

    (void)snprintf(e->id, sizeof(e->id), "%016" PRIx64 "-%" PRIu64, h->instance, news->no);
    pg_buf_init(&e->body, EVENT_MAX);
    (void)pg_buf_printf(&e->body,
                        "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"urn:pullgate:%s\","
                        "\"type\":\"io.pullgate.%s\",\"time\":\"%s\",\"subject\":",
                        e->id, h->host, pg_news_word(news->kind),
                        pg_clock_rfc3339(news->wall_ms, time));
    (void)pg_buf_put_json(&e->body, pg_buf_sl(&news->subject));
    (void)pg_buf_put(&e->body, SL(",\"datacontenttype\":\"application/json\",\"data\":"));
    (void)pg_buf_put(&e->body, pg_buf_sl(&news->facts));
    (void)pg_buf_put(&e->body, SL("}"));
}

static void push(struct receiver *r, struct event *e)
{
    if (r->first == NULL)
        r->first = e;
    else
        r->last->next = e;
    r->last = e;
    r->nqueue++;
}

static void on_told(void *owner, struct pg_news *news)
{
    struct hooks *h = owner;

    for (size_t i = 0; i < h->n; i++) {
        struct receiver *r = &h->receivers[i];

        if ((r->config.kinds & 1U << news->kind) == 0)
            continue;
        if (r->nqueue == HOOK_QUEUE_MAX) {
            pg_metric_inc(PG_M_HOOK_DROPPED);
            continue;
        }
        struct event *e = calloc(1, sizeof(*e));
        PG_CHECK(e != NULL);
        put_event(h, news, e);
        PG_CHECK(!e->body.over);
        push(r, e);
    }
    pg_news_free(news);
}

/* ---- sending ------------------------------------------------------------------------------- */

static void sign(struct sl secret, const struct event *e, int64_t now_s, char out[HEADER_MAX])
{
    struct pg_buf text;
    unsigned char mac[EVP_MAX_MD_SIZE], coded[2 * EVP_MAX_MD_SIZE];
    unsigned n = 0;

    pg_buf_init(&text, EVENT_MAX + HEADER_MAX);
    (void)pg_buf_printf(&text, "%s.%" PRId64 ".", e->id, now_s);
    (void)pg_buf_put(&text, pg_buf_sl(&e->body));
    PG_CHECK(!text.over && HMAC(EVP_sha256(), secret.p, (int)secret.n,
                                (const unsigned char *)text.p, text.n, mac, &n) != NULL);
    PG_CHECK(EVP_EncodeBlock(coded, mac, (int)n) > 0);
    (void)snprintf(out, HEADER_MAX, "webhook-signature: v1,%s", (const char *)coded);
    pg_buf_free(&text);
}

static struct curl_slist *add(struct curl_slist *list, const char *line)
{
    struct curl_slist *more = curl_slist_append(list, line);

    PG_CHECK(more != NULL);
    return more;
}

/* -1: the secret cannot be read. It is read each time: it may be another one by now. */
static int make_headers(struct receiver *r, const struct event *e, struct pg_err *err)
{
    int64_t now_s = pg_clock_wall_s();
    char line[HEADER_MAX];
    struct pg_buf secret;

    pg_buf_init(&secret, SECRET_MAX);
    if (pg_guarded_read(r->config.secret_file, PG_GUARDED_PRIVATE, &secret, err) < 0) {
        pg_buf_free(&secret);
        return -1;
    }
    struct sl key = pg_buf_sl(&secret);
    while (key.n > 0 && (key.p[key.n - 1] == '\n' || key.p[key.n - 1] == '\r'))
        key.n--;
    if (key.n == 0) {
        pg_buf_free(&secret);
        return pg_fail(err, PG_E_STORE_IO, "%s has no secret", r->config.secret_file);
    }
    r->headers = add(NULL, "Content-Type: application/cloudevents+json; charset=utf-8");
    (void)snprintf(line, sizeof(line), "webhook-id: %s", e->id);
    r->headers = add(r->headers, line);
    (void)snprintf(line, sizeof(line), "webhook-timestamp: %" PRId64, now_s);
    r->headers = add(r->headers, line);
    sign(key, e, now_s, line);
    r->headers = add(r->headers, line);
    OPENSSL_cleanse(secret.p, secret.cap);
    pg_buf_free(&secret);
    return 0;
}

static uint64_t pause_of(unsigned tries)
{
    uint64_t ms = (uint64_t)HOOK_PAUSE_MS << (tries < 16 ? tries : 16);

    return ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
}

static void tell_result(struct receiver *r, const char *why)
{
    if (why != NULL)
        pg_metric_inc(PG_M_HOOK_FAILURES);
    if ((why != NULL) == r->is_failing)
        return;
    r->is_failing = why != NULL;
    if (why != NULL)
        pg_log_say(PG_LOG_WARN, PG_LOG_HOOK, "the webhook at %s does not take events: %s",
                   r->config.place, why);
    else
        pg_log_say(PG_LOG_INFO, PG_LOG_HOOK, "the webhook at %s takes events", r->config.place);
}

static void fail(struct receiver *r, const char *why, bool may_retry)
{
    tell_result(r, why);
    r->due_ms = pg_clock_mono_ms() + pause_of(r->tries++);
    if (!may_retry || r->tries == HOOK_TRIES_MAX) {
        pg_metric_inc(PG_M_HOOK_DROPPED);
        remove_first(r);
    }
}

static void send_first(struct hooks *h, struct receiver *r)
{
    const struct event *e = r->first;
    struct pg_err err = {0};

    if (make_headers(r, e, &err) < 0) {
        fail(r, err.msg, true);
        pg_err_clear(&err);
        return;
    }
    r->answered = 0;
    must(curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers));
    must(curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)e->body.n));
    must(curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, e->body.p));
    PG_CHECK(curl_multi_add_handle(h->multi, r->easy) == CURLM_OK);
}

static void leave(struct hooks *h, struct receiver *r)
{
    PG_CHECK(curl_multi_remove_handle(h->multi, r->easy) == CURLM_OK);
    curl_slist_free_all(r->headers);
    r->headers = NULL;
}

static void finish(struct hooks *h, struct receiver *r, CURLcode rc)
{
    char why[64];
    long status = 0;

    (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    leave(h, r);
    if (status >= 200 && status <= 299) {
        pg_metric_inc(PG_M_HOOK_SENT);
        tell_result(r, NULL);
        remove_first(r);
    } else if (status != 0) {
        (void)snprintf(why, sizeof(why), "it answers %ld", status);
        fail(r, why, status == RETRY_AFTER_NO || status == 429 || status >= 500);
    } else {
        fail(r, curl_easy_strerror(rc), true);
    }
}

/* ---- the thread ---------------------------------------------------------------------------- */

/* What is due begins. Returns after how long to look again. */
static int begin_due(struct hooks *h)
{
    uint64_t now_ms = pg_clock_mono_ms(), next_ms = now_ms + WAIT_MS;

    for (size_t i = 0; i < h->n; i++) {
        struct receiver *r = &h->receivers[i];

        if (r->headers != NULL || r->nqueue == 0)
            continue;
        if (r->due_ms <= now_ms)
            send_first(h, r);
        if (r->headers == NULL && r->nqueue > 0)
            next_ms = r->due_ms < next_ms ? r->due_ms : next_ms;
    }
    return next_ms > now_ms ? (int)(next_ms - now_ms) : 0;
}

static void turn(struct hooks *h)
{
    int running, left;
    CURLMsg *m;

    pg_news_take(on_told, h);
    int wait_ms = begin_due(h);
    (void)curl_multi_perform(h->multi, &running);
    while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
        struct receiver *r = NULL;
        CURLcode rc = m->data.result;

        must(curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &r));
        finish(h, r, rc);
        wait_ms = 0;
    }
    tell_waiting(h);
    if (!atomic_load(&h->stops))
        (void)curl_multi_poll(h->multi, NULL, 0, wait_ms, NULL);
}

static bool has_more(const struct hooks *h)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->receivers[i].nqueue > 0)
            return true;
    return false;
}

/* Told to stop, what is under way is broken off, and stays in its queue; at the end what is left
 * has a moment. */
static void *run(void *arg)
{
    struct hooks *h = arg;

    (void)pthread_setname_np(pthread_self(), "pg-hook");
    pg_metric_slot();
    while (!atomic_load(&h->stops))
        turn(h);
    if (h->last_ms != 0)
        pg_news_take(on_told, h); /* what was told last */
    while (h->last_ms != 0 && has_more(h) && pg_clock_mono_ms() < h->last_ms) {
        turn(h);
        (void)curl_multi_poll(h->multi, NULL, 0, HOOK_PAUSE_MS, NULL);
    }
    for (size_t i = 0; i < h->n; i++)
        if (h->receivers[i].headers != NULL)
            leave(h, &h->receivers[i]);
    return NULL;
}

/* ---- all of them --------------------------------------------------------------------------- */

static void set_up(struct receiver *r)
{
    r->easy = curl_easy_init();
    PG_CHECK(r->easy != NULL);
    must(curl_easy_setopt(r->easy, CURLOPT_URL, r->config.url));
    errand_set_up(r->easy, r->config.ca_file);
    errand_ignore_answer(r->easy, &r->answered);
    must(curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, POST_MS));
    must(curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r));
}

static unsigned all_kinds(const struct config *c)
{
    unsigned kinds = 0;

    for (size_t i = 0; i < c->nhooks; i++)
        kinds |= c->hooks[i].kinds;
    return kinds;
}

static void make_receivers(struct hooks *h, const struct config *c)
{
    config_copy_hooks(&h->wanted, c);
    h->receivers = calloc(c->nhooks + 1, sizeof(*h->receivers));
    PG_CHECK(h->receivers != NULL);
    h->n = c->nhooks;
    for (size_t i = 0; i < h->n; i++) {
        h->receivers[i].config = h->wanted.hooks[i];
        set_up(&h->receivers[i]);
    }
}

static void free_receivers(struct receiver *receivers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct receiver *r = &receivers[i];

        pg_metric_add(PG_M_HOOK_DROPPED, r->nqueue);
        while (r->first != NULL)
            remove_first(r);
        curl_easy_cleanup(r->easy);
    }
    free(receivers);
}

/* What waits for a place waits for it still. */
static void move_queues(struct hooks *h, struct receiver *from, size_t n)
{
    for (size_t i = 0; i < h->n; i++) {
        for (size_t k = 0; k < n; k++) {
            struct receiver *to = &h->receivers[i];

            if (to->nqueue > 0 || strcmp(to->config.url, from[k].config.url) != 0)
                continue;
            to->first = from[k].first;
            to->last = from[k].last;
            to->nqueue = from[k].nqueue;
            from[k].first = from[k].last = NULL;
            from[k].nqueue = 0;
        }
    }
}

static void begin(struct hooks *h)
{
    h->runs = h->n > 0;
    if (h->runs) {
        atomic_store(&h->stops, false);
        PG_CHECK(pthread_create(&h->thread, NULL, run, h) == 0);
    }
    pg_news_want(all_kinds(&h->wanted));
    if (!h->runs)
        pg_news_take(on_told, h); /* for nobody */
}

static void end(struct hooks *h)
{
    if (!h->runs)
        return;
    atomic_store(&h->stops, true);
    (void)curl_multi_wakeup(h->multi);
    PG_CHECK(pthread_join(h->thread, NULL) == 0);
    h->runs = false;
}

struct hooks *hook_start(const struct config *c)
{
    struct hooks *h = calloc(1, sizeof(*h));

    PG_CHECK(h != NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    h->multi = curl_multi_init();
    PG_CHECK(h->multi != NULL);
    h->instance = pg_random_u64();
    if (gethostname(h->host, sizeof(h->host) - 1) < 0 ||
        strspn(h->host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") !=
            strlen(h->host))
        (void)snprintf(h->host, sizeof(h->host), "unknown");
    make_receivers(h, c);
    pg_news_listen(0, on_news, h);
    begin(h);
    return h;
}

void hook_set(struct hooks *h, const struct config *c)
{
    struct receiver *before = h->receivers;
    struct config_hook *wanted = h->wanted.hooks;
    size_t n = h->n;

    if (config_same_hooks(&h->wanted, c))
        return;
    end(h);
    h->wanted.hooks = NULL;
    h->wanted.nhooks = 0;
    make_receivers(h, c);
    move_queues(h, before, n);
    free_receivers(before, n);
    config_free_hooks(wanted, n);
    begin(h);
}

void hook_stop(struct hooks *h)
{
    if (h == NULL)
        return;
    h->last_ms = pg_clock_mono_ms() + HOOK_LAST_MS;
    pg_news_want(0);
    end(h);
    pg_news_deafen();
    free_receivers(h->receivers, h->n);
    config_free_hooks(h->wanted.hooks, h->wanted.nhooks);
    (void)curl_multi_cleanup(h->multi);
    free(h);
    curl_global_cleanup();
}
