/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/exchange_int.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/metric.h"
#include "oci/challenge.h"
#include "proxy/upstream/realm.h"
#include "proxy/upstream/redirect.h"

#define DRAIN_BYTES_MAX  ((size_t)16 * 1024) /* of an error's body, to keep its connection */
#define PATIENCE_S       30                  /* after a 429 that does not say */
#define PATIENCE_S_MAX   300
#define RETRY_NOW_S_MAX  2 /* a 5xx that says later than this is not retried */
#define RANGE_HEADER_MAX 64
#define SAID_BYTES_MAX   ((size_t)2048)

static void proceed(struct exchange *x);

static void end_trace(const struct exchange *x)
{
    const char *host = x->origin->upstream->url_host;
    const struct trace_attribute attributes[] = {
        {.key = "http.request.method", .text = x->spec.head ? SL("HEAD") : SL("GET")},
        {.key = "server.address", .text = {host, strlen(host)}},
        {.key = "pullgate.upstream.path", .text = {x->spec.path, strlen(x->spec.path)}},
        {.key = x->status != 0 ? "http.response.status_code" : NULL, .number = x->status},
        {.key = x->from > 0 ? "pullgate.resumed_from" : NULL, .number = (int64_t)x->from},
    };
    const struct trace_end end = {.kind = TRACE_CLIENT,
                                  .name = x->spec.head ? SL("HEAD") : SL("GET"),
                                  .error = x->err.kind != PG_E_NONE ? x->err.msg : NULL,
                                  .attributes = attributes,
                                  .nattributes = sizeof(attributes) / sizeof(attributes[0])};

    trace_end(&x->trace, &end);
}

static void finish(struct exchange *x)
{
    if (x->err.kind != PG_E_NONE && x->err.kind != x->spec.unknown && !x->refused) {
        pg_metric_inc(PG_M_UPSTREAM_ERRORS);
        health_failed(x->origin->health, &x->err);
    }
    end_trace(x);
    x->events->on_done(x);
}

static bool before_redirects(const struct exchange *x)
{
    return x->hops == 0;
}

/* A quota is of its own class of questions, and may take hours to come back: each 429 in a row
 * holds it for longer. What guards against abuse is meant for all of them, and for a moment. */
static void wait_patiently(struct exchange *x)
{
    bool spent = budget_is_spent(&x->call.head, pg_buf_sl(&x->said));
    unsigned said_s = x->call.retry_after_s > 0 ? (unsigned)x->call.retry_after_s : 0;

    x->retry_after_s = said_s > 0 ? (int)said_s : PATIENCE_S;
    if (spent && said_s == 0 && before_redirects(x))
        x->retry_after_s = origin_held_s(x->origin, x->spec.class) * 2;
    if (x->retry_after_s < PATIENCE_S && said_s == 0)
        x->retry_after_s = PATIENCE_S;
    if (x->retry_after_s > PATIENCE_S_MAX)
        x->retry_after_s = PATIENCE_S_MAX;
    if (before_redirects(x))
        origin_hold(x->origin, spent ? x->spec.class : ORIGIN_CLASSES, x->retry_after_s);
    pg_fail(&x->err, PG_E_UPSTREAM_DOWN,
            spent ? "upstream's pull rate limit is reached (429)"
                  : "upstream asks for patience (429)");
}

/* What the last status means when it is not the one hoped for. */
static void judge(struct exchange *x)
{
    int status = x->status;
    bool refused = status == 401 || status == 403;

    if (status == 404 || status == 410 || status == 451 || (refused && before_redirects(x))) {
        if (status == 401 && (x->sent == ORIGIN_BASIC ||
                              (x->sent == ORIGIN_BEARER && token_is_given(x->origin->tokens))))
            pg_fail(&x->err, PG_E_UPSTREAM_DOWN, "upstream refuses the configured credentials");
        else
            pg_fail(&x->err, x->spec.unknown, "not known to upstream");
        pg_detail(&x->err, "status %d", status);
    } else if (status == 429) {
        wait_patiently(x);
    } else if (status >= 500 || status == 408 || refused) {
        x->retry_after_s =
            x->call.retry_after_s > PATIENCE_S_MAX ? PATIENCE_S_MAX : x->call.retry_after_s;
        x->may_retry = x->retry_after_s <= RETRY_NOW_S_MAX;
        pg_fail(&x->err, PG_E_UPSTREAM_DOWN, "upstream answers %d", status);
    } else {
        pg_fail(&x->err, PG_E_UPSTREAM_WRONG, "upstream answers %d", status);
    }
}

/* Only the upstream itself tells of its health, not where it redirects to. */
static void tell_breaker(struct exchange *x)
{
    if (!before_redirects(x))
        return;
    if (x->status == 502 || x->status == 503 || x->status == 504) {
        struct pg_err why = {0};

        pg_fail(&why, PG_E_UPSTREAM_DOWN, "upstream answers %d", x->status);
        origin_failed(x->origin, BREAKER_UNWELL, &why);
        pg_err_clear(&why);
    } else if (x->status != 429) {
        origin_answered(x->origin, x->spec.class);
    }
}

/* A connection that breaks once is no news: servers restart, idle connections end. */
static void note_fault(struct exchange *x)
{
    enum client_fault fault = x->call.fault;

    pg_err_move(&x->err, &x->call.err);
    x->may_retry = fault == CLIENT_ABSENT || fault == CLIENT_BROKEN || fault == CLIENT_SILENT;
    if (x->status != 0 || !before_redirects(x))
        return;
    if (fault == CLIENT_ABSENT || fault == CLIENT_SILENT)
        origin_failed(x->origin, BREAKER_ABSENT, &x->err);
    else if (fault == CLIENT_BROKEN && x->again)
        origin_failed(x->origin, BREAKER_UNWELL, &x->err);
}

/* 1: *c says how to log in; 0: nothing is said; -1. */
static int read_challenges(struct exchange *x, struct challenge *c)
{
    struct head *head = &x->call.head;

    for (unsigned i = 0; i < head->nchallenges; i++) {
        if (challenge_parse(head->challenges[i], &head->arena, c, &x->err) < 0)
            return -1;
    }
    return head->nchallenges > 0 ? 1 : 0;
}

/* Learns from the challenge how the upstream wants us to log in. 1: worth another try, 0, -1. */
static int learn(struct exchange *x, const struct challenge *c)
{
    struct url realm = {0};

    if (c->has_bearer) {
        if (realm_check(x->origin->upstream, &x->origin->base, c->realm, &realm, &x->err) < 0)
            return -1;
        token_set_realm(x->origin->tokens, &realm, c->service);
        x->origin->auth = ORIGIN_BEARER;
        return 1;
    }
    if (c->has_basic && credential_is_configured(x->origin->credential)) {
        x->origin->auth = ORIGIN_BASIC;
        return x->sent != ORIGIN_BASIC || credential_refused(x->origin->credential, x->serial);
    }
    return 0;
}

/* The first 401 asks for a login. One that was sent may be out of date, which one more try shows.
 */
static bool may_log_in(const struct exchange *x)
{
    return x->logins == 0 || (x->logins == 1 && x->sent == ORIGIN_BASIC);
}

/* After a 401 of the upstream itself; or of /v2/. */
static void log_in(struct exchange *x)
{
    struct challenge c = {0};
    int found = read_challenges(x, &c), worth = 0;

    if (found < 0) {
        finish(x);
        return;
    }
    if (found == 0 && !x->probing && x->origin->auth == ORIGIN_NO_AUTH) {
        x->probing = true;
        proceed(x);
        return;
    }
    if (x->sent == ORIGIN_BEARER)
        token_forget(x->origin->tokens, (struct sl){x->spec.repo, strlen(x->spec.repo)}, x->serial);
    worth = found == 1 ? learn(x, &c) : x->origin->auth == ORIGIN_BEARER;
    x->logins++;
    x->probing = false;
    if (worth > 0) {
        proceed(x);
        return;
    }
    if (worth == 0)
        judge(x);
    finish(x);
}

static const char *url_of(const struct exchange *x, struct pg_buf *own)
{
    const char *base = x->origin->base.text;
    size_t n = strlen(base);

    if (x->at.text != NULL)
        return x->at.text;
    while (n > 0 && base[n - 1] == '/') {
        n--;
    }
    pg_buf_printf(own, "%.*s/v2/%s", (int)n, base, x->probing ? "" : x->spec.path);
    PG_CHECK(!own->over);
    return own->p;
}

static void follow(struct exchange *x)
{
    bool may_http = !x->origin->base.https && x->origin->upstream->upstream_allow_private;
    struct pg_buf own;
    struct url to = {0};
    int result;

    pg_buf_init(&own, URL_MAX);
    result =
        redirect_resolve(url_of(x, &own), x->call.head.location, may_http, x->hops, &to, &x->err);
    pg_buf_free(&own);
    if (result < 0) {
        finish(x);
        return;
    }
    url_free(&x->at);
    x->at = to;
    x->hops++;
    proceed(x);
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void on_done(struct client_call *call)
{
    struct exchange *x = call->owner;

    x->status = call->head.status;
    if (x->drained.cut) { /* an error's body, of which enough was read */
        pg_err_clear(&call->err);
        call->fault = CLIENT_FINE;
    }
    if (call->fault != CLIENT_FINE) {
        note_fault(x);
        finish(x);
        return;
    }
    tell_breaker(x);
    if (x->accepted) {
        finish(x);
    } else if (x->probing && x->status != 401) {
        x->status = 401; /* of what was asked */
        judge(x);
        finish(x);
    } else if (x->status == 401 && before_redirects(x) && may_log_in(x)) {
        log_in(x);
    } else if (is_redirect(x->status)) {
        follow(x);
    } else {
        judge(x);
        finish(x);
    }
}

static bool on_head(struct client_call *call)
{
    struct exchange *x = call->owner;
    int status = call->head.status;

    x->status = status;
    if (before_redirects(x))
        health_told(x->origin->health, &call->head);
    x->accepted = !x->probing && (status == 200 || (status == 206 && x->from > 0));
    if (!x->accepted)
        return true;
    return x->events->on_head(x);
}

static enum client_taken on_data(struct client_call *call, struct sl data)
{
    struct exchange *x = call->owner;

    if (x->accepted)
        return x->events->on_data(x, data);
    x->drained.n += data.n;
    if (x->status == 429 && data.n <= SAID_BYTES_MAX)
        (void)pg_buf_put(&x->said, data);
    if (x->drained.n <= DRAIN_BYTES_MAX)
        return CLIENT_TAKEN;
    x->drained.cut = true;
    pg_fail(&call->err, PG_E_UPSTREAM_DOWN, "more was not read");
    return CLIENT_REFUSED;
}

static const struct client_events call_events = {on_head, on_data, on_done};

static void on_token(struct token_wait *w)
{
    struct exchange *x = pg_container_of(w, struct exchange, wait);

    if (w->err.kind == PG_E_NONE) {
        proceed(x);
        return;
    }
    x->retry_after_s = w->retry_after_s;
    if (w->err.kind == PG_E_DENIED) {
        x->status = 401; /* at another door than ours, but no */
        pg_fail(&x->err, x->spec.unknown, "not known to upstream");
    } else {
        pg_err_move(&x->err, &w->err);
    }
    finish(x);
}

static void on_login(struct credential_wait *w)
{
    proceed(pg_container_of(w, struct exchange, login));
}

/* As authorize(): 0: a helper has to answer first. */
static int put_login(struct exchange *x, struct pg_buf *header)
{
    const struct secret *secret;

    switch (credential_look(x->origin->credential, &secret, &x->serial, &x->err)) {
    case CREDENTIAL_NONE:
        return 1;
    case CREDENTIAL_HERE:
        secret_put_basic(secret, header);
        x->sent = ORIGIN_BASIC;
        return 1;
    case CREDENTIAL_ASKED:
        credential_wait_start(x->origin->credential, &x->login, on_login);
        return 0;
    case CREDENTIAL_BAD:
        break;
    }
    return -1;
}

/* Puts what the upstream wants to see into header. 1: go on; 0: a token has to come first; -1. */
static int authorize(struct exchange *x, struct pg_buf *header)
{
    struct sl repo = {x->spec.repo, strlen(x->spec.repo)};
    const char *token;

    x->sent = ORIGIN_NO_AUTH;
    if (!before_redirects(x) || x->probing)
        return 1;
    if (x->origin->auth == ORIGIN_BASIC)
        return put_login(x, header);
    if (x->origin->auth == ORIGIN_NO_AUTH)
        return 1;
    token = token_find(x->origin->tokens, repo, &x->serial);
    if (token == NULL) {
        token_wait_start(x->origin->tokens, repo, &x->wait, on_token);
        return 0;
    }
    x->sent = ORIGIN_BEARER;
    pg_buf_printf(header, "Authorization: Bearer %s", token);
    PG_CHECK(!header->over);
    return 1;
}

static void send_request(struct exchange *x, const char *authorization)
{
    struct client_order order = {.head = x->spec.head && !x->probing,
                                 .fresh = x->again && x->hops == 0,
                                 .timeout_ms = x->spec.timeout_ms};
    char range[RANGE_HEADER_MAX], accept[512], text[TRACE_TEXT_MAX], parent[TRACE_TEXT_MAX + 16];
    struct pg_buf own;
    int n = snprintf(accept, sizeof(accept), "Accept: %s", x->spec.accept);

    PG_CHECK(n > 0 && (size_t)n < sizeof(accept));
    n = snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-", x->from);
    PG_CHECK(n > 0 && (size_t)n < sizeof(range));
    pg_buf_init(&own, URL_MAX);
    order.url = url_of(x, &own);
    order.headers[0] = accept;
    order.headers[1] = authorization;
    order.headers[2] = x->from > 0 && !x->probing ? range : NULL;
    if (x->trace.of.valid && before_redirects(x)) {
        (void)snprintf(parent, sizeof(parent), "traceparent: %s", trace_write(&x->trace.of, text));
        order.headers[3] = parent;
    }
    x->status = 0;
    x->accepted = false;
    x->drained.n = 0;
    x->drained.cut = false;
    pg_buf_clear(&x->said);
    client_start(x->origin->client, &x->call, &order);
    pg_buf_free(&own);
}

static void proceed(struct exchange *x)
{
    struct pg_buf header;
    int ready;

    pg_buf_init(&header, SECRET_HEADER_MAX);
    ready = authorize(x, &header);
    if (ready > 0)
        send_request(x, header.n > 0 ? header.p : NULL);
    secret_wipe(&header);
    if (ready < 0)
        finish(x);
}

static void begin(struct delay *d)
{
    struct exchange *x = pg_container_of(d, struct exchange, later);

    x->refused = origin_may(x->origin, x->spec.class, &x->retry_after_s, &x->err) < 0;
    if (x->refused)
        finish(x);
    else
        proceed(x);
}

void exchange_init(struct exchange *x, const struct exchange_spec *spec, struct origin *origin,
                   const struct exchange_events *events, void *owner)
{
    *x = (struct exchange){.spec = *spec, .origin = origin, .events = events, .owner = owner};
    delay_init(&x->later);
    pg_buf_init(&x->said, SAID_BYTES_MAX);
    token_wait_init(&x->wait);
    credential_wait_init(&x->login);
    client_call_init(&x->call, &call_events, x);
}

void exchange_free(struct exchange *x)
{
    exchange_stop(x);
    client_call_free(&x->call);
    url_free(&x->at);
    pg_buf_free(&x->said);
    pg_err_clear(&x->err);
}

void exchange_start(struct exchange *x, uint64_t from, bool again)
{
    url_free(&x->at);
    pg_err_clear(&x->err);
    if (x->spec.trace != NULL)
        trace_child(x->spec.trace, &x->trace);
    x->from = from;
    x->again = again;
    x->hops = 0;
    x->status = 0;
    x->probing = x->may_retry = false;
    x->logins = 0;
    x->retry_after_s = 0;
    delay_start(&x->origin->set->delays, &x->later, 0, begin);
}

void exchange_stop(struct exchange *x)
{
    delay_stop(&x->later);
    token_wait_stop(&x->wait);
    credential_wait_stop(&x->login);
    client_stop(&x->call);
}

bool exchange_is_silent(const struct exchange *x)
{
    return x->call.easy != NULL && x->call.head.status == 0 && before_redirects(x);
}

bool exchange_is_unknown(const struct exchange *x)
{
    return before_redirects(x) && (x->status == 404 || x->status == 410 || x->status == 451);
}

bool exchange_is_denied(const struct exchange *x)
{
    return before_redirects(x) && (x->status == 401 || x->status == 403);
}
