/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/counsel.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metric.h"
#include "policy/document.h"
#include "proxy/upstream/errand.h"

#define WAYS      4
#define KEY_BYTES 32
#define IDLE_MAX  8 /* connections that are kept for the next question */

struct kept {
    uint8_t key[KEY_BYTES];
    uint64_t made_ms;
    struct pg_arena arena;
    struct facts_opinion opinion;
};

struct counsel {
    struct pg_pool *pool;
    atomic_uint nwaiting;
    pthread_mutex_t lock; /* of all below */
    struct kept *kept[COUNSEL_KEPT];
    char revision[OPA_REVISION_MAX + 1]; /* that OPA told last */
    uint64_t failed_ms;                  /* when it last could not be asked; 0: never */
    char trouble[PG_ERR_TEXT_MAX];       /* then */
    bool is_failing;                     /* which was told in the log */
    CURL *idle[IDLE_MAX];
    size_t nidle;
};

struct counsel_ask {
    unsigned refs; /* the loop's */
    struct pg_job job;
    struct counsel *counsel;
    struct policy *policy;
    uint8_t key[KEY_BYTES];
    uint64_t made_ms;
    struct pg_buf body;
    struct pg_arena arena;
    struct facts_opinion opinion; /* with answered */
    bool answered;
    void (*done)(void *owner);
    void *owner; /* NULL: it has left */
};

static void lock(struct counsel *c)
{
    PG_CHECK(pthread_mutex_lock(&c->lock) == 0);
}

static void unlock(struct counsel *c)
{
    PG_CHECK(pthread_mutex_unlock(&c->lock) == 0);
}

/* ---- its life ------------------------------------------------------------------------------ */

struct counsel *counsel_new(struct pg_pool *pool)
{
    struct counsel *c = calloc(1, sizeof(*c));

    PG_CHECK(c != NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    PG_CHECK(pthread_mutex_init(&c->lock, NULL) == 0);
    c->pool = pool;
    return c;
}

static void free_kept(struct kept *k)
{
    if (k == NULL)
        return;
    pg_arena_free(&k->arena);
    free(k);
}

void counsel_free(struct counsel *c)
{
    if (c == NULL)
        return;
    PG_CHECK(atomic_load(&c->nwaiting) == 0);
    for (size_t i = 0; i < COUNSEL_KEPT; i++)
        free_kept(c->kept[i]);
    while (c->nidle > 0)
        curl_easy_cleanup(c->idle[--c->nidle]);
    PG_CHECK(pthread_mutex_destroy(&c->lock) == 0);
    curl_global_cleanup();
    free(c);
}

/* ---- what is kept -------------------------------------------------------------------------- */

/* Of the document under this policy: where OPA is, and what our rules are, is part of it. */
static void make_key(const struct policy *p, struct sl document, uint8_t key[KEY_BYTES])
{
    struct pg_hash *h = pg_hash_new(PG_SHA256);

    policy_revision(p, key);
    pg_hash_update(h, key, KEY_BYTES);
    pg_hash_update(h, document.p, document.n);
    pg_hash_final(h, key);
    pg_hash_free(h);
}

static void copy_opinion(const struct facts_opinion *from, struct pg_arena *arena,
                         struct facts_opinion *to)
{
    struct sl *reasons = pg_alloc(arena, (from->nreasons + 1) * sizeof(*reasons));

    for (size_t i = 0; i < from->nreasons; i++)
        reasons[i] = pg_copy(arena, from->reasons[i]);
    *to = *from;
    to->reasons = reasons;
    to->revision = pg_copy(arena, from->revision);
    if (from->trouble != NULL)
        to->trouble = pg_copy(arena, sl_str(from->trouble)).p;
}

/* The places of a key; it is a hash already, that nobody can choose cheaply. */
static struct kept **places(struct counsel *c, const uint8_t key[KEY_BYTES])
{
    size_t n = ((size_t)key[0] << 8 | key[1]) % (COUNSEL_KEPT / WAYS);

    return &c->kept[n * WAYS];
}

static bool is_good(const struct counsel *c, const struct kept *k, unsigned cache_ms,
                    uint64_t now_ms)
{
    return now_ms >= k->made_ms && now_ms - k->made_ms < cache_ms &&
           sl_eq(k->opinion.revision, sl_str(c->revision));
}

static bool recall(struct counsel *c, const uint8_t key[KEY_BYTES], unsigned cache_ms,
                   struct pg_arena *arena, struct facts_opinion *o_r)
{
    struct kept **at = places(c, key);
    bool found = false;

    lock(c);
    for (size_t i = 0; i < WAYS && !found; i++) {
        found = at[i] != NULL && memcmp(at[i]->key, key, KEY_BYTES) == 0 &&
                is_good(c, at[i], cache_ms, pg_clock_mono_ms());
        if (found)
            copy_opinion(&at[i]->opinion, arena, o_r);
    }
    unlock(c);
    return found;
}

static void keep(struct counsel *c, const struct counsel_ask *a)
{
    struct kept **at = places(c, a->key), **oldest = at;
    struct kept *k = calloc(1, sizeof(*k));

    PG_CHECK(k != NULL);
    memcpy(k->key, a->key, KEY_BYTES);
    k->made_ms = a->made_ms; /* when the question was made: facts may have changed since */
    pg_arena_init(&k->arena, COUNSEL_ANSWER_BYTES);
    copy_opinion(&a->opinion, &k->arena, &k->opinion);
    lock(c);
    (void)snprintf(c->revision, sizeof(c->revision), SL_FMT, SL_ARG(k->opinion.revision));
    for (size_t i = 0; i < WAYS; i++) {
        if (at[i] == NULL || memcmp(at[i]->key, k->key, KEY_BYTES) == 0) {
            oldest = &at[i];
            break;
        }
        if (at[i]->made_ms < (*oldest)->made_ms)
            oldest = &at[i];
    }
    free_kept(*oldest);
    *oldest = k;
    unlock(c);
}

/* ---- asking -------------------------------------------------------------------------------- */

struct answer {
    struct pg_buf body;
};

static size_t on_body(const char *p, size_t size, size_t n, void *arg)
{
    struct answer *a = arg;

    return pg_buf_put(&a->body, (struct sl){p, size * n}) == 0 ? size * n : 0;
}

static void set_url(CURL *curl, const struct opa *o)
{
    struct sl file = {NULL, 0};
    struct pg_buf url;

    if (sl_starts(o->url, SL(OPA_UNIX)))
        file = (struct sl){o->url.p + SL(OPA_UNIX).n, o->url.n - SL(OPA_UNIX).n};
    pg_buf_init(&url, 2048);
    (void)pg_buf_printf(&url, SL_FMT OPA_DATA SL_FMT "?provenance=true%c",
                        SL_ARG(file.p != NULL ? SL("http://opa") : o->url), SL_ARG(o->path), '\0');
    PG_CHECK(!url.over);
    curl_easy_setopt(curl, CURLOPT_URL, url.p);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, file.p); /* parsed texts end with a NUL */
    pg_buf_free(&url);
}

static CURLcode post(CURL *curl, const struct opa *o, struct sl body, struct answer *a,
                     long *status_r)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURLcode rc;

    headers = curl_slist_append(headers, "Expect:");
    PG_CHECK(headers != NULL);
    curl_easy_reset(curl); /* connections stay */
    set_url(curl, o);
    errand_set_up(curl, NULL);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.p);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    rc = curl_easy_perform(curl);
    *status_r = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status_r);
    curl_slist_free_all(headers);
    return rc;
}

static void fail(struct facts_opinion *o, struct pg_arena *arena, const char *fmt, ...)
    PG_PRINTF(3, 4);
static void fail(struct facts_opinion *o, struct pg_arena *arena, const char *fmt, ...)
{
    char text[PG_ERR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    *o = (struct facts_opinion){
        .trouble = pg_copy(arena, sl_str(text)).p, .revision = SL(""), .said = FACTS_SAID_NOTHING};
}

static void ask(CURL *curl, const struct opa *opa, struct sl body, struct pg_arena *arena,
                struct facts_opinion *o)
{
    uint64_t began_us = pg_clock_mono_us();
    struct answer a;
    long status;
    CURLcode rc;

    pg_buf_init(&a.body, OPA_ANSWER_MAX);
    rc = post(curl, opa, body, &a, &status);
    if (a.body.over)
        fail(o, arena, "its answer is longer than %zu bytes", OPA_ANSWER_MAX);
    else if (rc == CURLE_OPERATION_TIMEDOUT)
        fail(o, arena, "it did not answer within %u ms", opa->timeout_ms);
    else if (rc != CURLE_OK)
        fail(o, arena, "%s", curl_easy_strerror(rc));
    else if (status != 200)
        fail(o, arena, "it answered with status %ld", status);
    else
        opa_read(pg_buf_sl(&a.body), arena, o);
    pg_buf_free(&a.body);
    pg_metric_observe_us(PG_M_OPA_SECONDS, pg_clock_mono_us() - began_us);
    pg_metric_inc(o->said == FACTS_SAID_YES  ? PG_M_OPA_YES
                  : o->said == FACTS_SAID_NO ? PG_M_OPA_NO
                                             : PG_M_OPA_NOTHING);
}

static CURL *take_idle(struct counsel *c)
{
    CURL *curl;

    lock(c);
    curl = c->nidle > 0 ? c->idle[--c->nidle] : NULL;
    unlock(c);
    curl = curl != NULL ? curl : curl_easy_init();
    PG_CHECK(curl != NULL);
    return curl;
}

static void give_idle(struct counsel *c, CURL *curl)
{
    lock(c);
    if (c->nidle < IDLE_MAX) {
        c->idle[c->nidle++] = curl;
        curl = NULL;
    }
    unlock(c);
    if (curl != NULL)
        curl_easy_cleanup(curl);
}

/* ---- a job --------------------------------------------------------------------------------- */

/* It became known while this one waited for a thread that OPA cannot be asked. */
static bool shares_failure(struct counsel *c, struct counsel_ask *a)
{
    bool does;

    lock(c);
    does = c->failed_ms != 0 && a->made_ms < c->failed_ms;
    if (does)
        fail(&a->opinion, &a->arena, "%s", c->trouble);
    unlock(c);
    return does;
}

static void note_outcome(struct counsel *c, const struct facts_opinion *o)
{
    bool failed = o->said == FACTS_SAID_NOTHING, was;

    lock(c);
    was = c->is_failing;
    c->is_failing = failed;
    c->failed_ms = failed ? pg_clock_mono_ms() : 0;
    if (failed)
        (void)snprintf(c->trouble, sizeof(c->trouble), "%s", o->trouble);
    unlock(c);
    if (failed && !was)
        pg_log_say(PG_LOG_WARN, PG_LOG_HELPER, "OPA was asked in vain: %s", o->trouble);
    else if (!failed && was)
        pg_log_say(PG_LOG_INFO, PG_LOG_HELPER, "OPA answers again");
}

static void run(struct pg_job *job)
{
    struct counsel_ask *a = pg_container_of(job, struct counsel_ask, job);
    struct counsel *c = a->counsel;
    const struct opa *opa = policy_opa(a->policy);
    CURL *curl;

    if (recall(c, a->key, opa->cache_ms, &a->arena, &a->opinion) || shares_failure(c, a))
        return;
    curl = take_idle(c);
    ask(curl, opa, pg_buf_sl(&a->body), &a->arena, &a->opinion);
    give_idle(c, curl);
    note_outcome(c, &a->opinion);
    if (a->opinion.said != FACTS_SAID_NOTHING)
        keep(c, a);
}

static void unref(struct counsel_ask *a)
{
    if (--a->refs > 0)
        return;
    policy_unref(a->policy);
    pg_buf_free(&a->body);
    pg_arena_free(&a->arena);
    free(a);
}

static void on_run(struct pg_job *job)
{
    struct counsel_ask *a = pg_container_of(job, struct counsel_ask, job);

    atomic_fetch_sub(&a->counsel->nwaiting, 1);
    a->answered = true;
    if (a->owner != NULL)
        a->done(a->owner);
    unref(a);
}

static void put_body(struct pg_buf *b, struct sl document)
{
    pg_buf_init(b, document.n + 64);
    (void)pg_buf_put(b, SL("{\"input\":"));
    (void)pg_buf_put(b, document);
    (void)pg_buf_put(b, SL("}"));
    PG_CHECK(!b->over);
}

static struct counsel_ask *make(struct counsel *c, struct policy *p, struct sl document)
{
    struct counsel_ask *a = calloc(1, sizeof(*a));

    PG_CHECK(a != NULL);
    *a = (struct counsel_ask){.refs = 1, .counsel = c, .policy = policy_ref(p)};
    a->made_ms = pg_clock_mono_ms();
    make_key(p, document, a->key);
    put_body(&a->body, document);
    pg_arena_init(&a->arena, OPA_ANSWER_MAX);
    return a;
}

struct counsel_ask *counsel_ask_now(struct counsel *c, struct policy *p, struct sl document)
{
    struct counsel_ask *a = make(c, p, document);

    run(&a->job);
    a->answered = true;
    return a;
}

struct counsel_ask *counsel_ask(struct counsel *c, struct policy *p, struct sl document,
                                struct pg_mailbox *home, void (*done)(void *owner), void *owner)
{
    struct counsel_ask *a = make(c, p, document);

    PG_CHECK(owner != NULL && c->pool != NULL);
    a->done = done;
    a->owner = owner;
    if (atomic_fetch_add(&c->nwaiting, 1) >= COUNSEL_WAITING_MAX) {
        atomic_fetch_sub(&c->nwaiting, 1);
        fail(&a->opinion, &a->arena, "too many wait for it");
        a->answered = true;
        return a;
    }
    a->refs++;
    a->job = (struct pg_job){.run = run, .done = on_run, .home = home};
    pg_pool_submit(c->pool, &a->job);
    return a;
}

bool counsel_is_answered(const struct counsel_ask *a)
{
    return a->answered;
}

void counsel_leave(struct counsel_ask *a)
{
    if (a == NULL)
        return;
    a->owner = NULL;
    unref(a);
}

/* ---- hearing ------------------------------------------------------------------------------- */

/* False: there is more than OPA is told, which is no yes. */
static bool put_document(const struct policy *p, const struct facts *f, struct pg_buf *b)
{
    pg_buf_init(b, DOCUMENT_BYTES_MAX);
    document_put(f, policy_opa(p)->least, b);
    return !b->over;
}

static void too_large(struct facts *f, struct pg_arena *arena)
{
    struct facts_opinion *o = pg_new(arena, struct facts_opinion);
    struct sl *reason = pg_new(arena, struct sl);

    *reason = SL("the image says more of itself than OPA is told");
    *o = (struct facts_opinion){
        .said = FACTS_SAID_NO, .reasons = reason, .nreasons = 1, .revision = SL("")};
    f->opinion = o;
}

static const struct facts_opinion *find(const struct counsel_hearing *h,
                                        const uint8_t key[KEY_BYTES])
{
    for (size_t i = 0; i < h->nasks; i++)
        if (h->asks[i]->answered && memcmp(h->asks[i]->key, key, KEY_BYTES) == 0)
            return &h->asks[i]->opinion;
    return NULL;
}

static bool hear(const struct counsel_hearing *h, const struct policy *p, struct sl document,
                 struct facts *f, struct pg_arena *arena)
{
    struct facts_opinion *o = pg_new(arena, struct facts_opinion);
    const struct facts_opinion *heard;
    uint8_t key[KEY_BYTES];

    make_key(p, document, key);
    heard = find(h, key);
    if (heard == NULL && recall(h->counsel, key, policy_opa(p)->cache_ms, arena, o))
        heard = o;
    f->opinion = heard;
    return heard != NULL;
}

bool counsel_hear(const struct counsel_hearing *h, const struct policy *p, struct facts *f,
                  struct pg_arena *arena, struct sl *document_r)
{
    struct pg_buf b;
    bool known = true;

    if (h->counsel == NULL)
        return true;
    if (!put_document(p, f, &b))
        too_large(f, arena);
    else
        known = hear(h, p, pg_buf_sl(&b), f, arena);
    if (!known)
        *document_r = pg_copy(arena, pg_buf_sl(&b));
    pg_buf_free(&b);
    return known;
}

void counsel_ask_once(const struct policy *p, struct facts *f, struct pg_arena *arena)
{
    struct facts_opinion *o = pg_new(arena, struct facts_opinion);
    CURL *curl = curl_easy_init();
    struct pg_buf b, body;

    PG_CHECK(curl != NULL);
    if (!put_document(p, f, &b)) {
        too_large(f, arena);
    } else {
        put_body(&body, pg_buf_sl(&b));
        ask(curl, policy_opa(p), pg_buf_sl(&body), arena, o);
        pg_buf_free(&body);
        f->opinion = o;
    }
    pg_buf_free(&b);
    curl_easy_cleanup(curl);
}
