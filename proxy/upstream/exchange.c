/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/exchange_int.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
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
    const char *host =
        x->site != NULL ? x->site->config->host : x->turn->origin->upstream->url_host;
    const struct trace_attribute attributes[] = {
        {.key = "http.request.method", .text = x->spec.head ? SL("HEAD") : SL("GET")},
        {.key = "server.address", .text = {host, strlen(host)}},
        {.key = "pullgate.upstream.path", .text = {x->spec.path, strlen(x->spec.path)}},
        {.key = x->end.status != 0 ? "http.response.status_code" : NULL, .number = x->end.status},
        {.key = x->from > 0 ? "pullgate.resumed_from" : NULL, .number = (int64_t)x->from},
    };
    const struct trace_end end = {.kind = TRACE_CLIENT,
                                  .name = x->spec.head ? SL("HEAD") : SL("GET"),
                                  .error = x->end.err.kind != PG_E_NONE ? x->end.err.msg : NULL,
                                  .attributes = attributes,
                                  .nattributes = sizeof(attributes) / sizeof(attributes[0])};

    trace_end(&x->trace, &end);
}

static void finish(struct exchange *x)
{
    struct exchange_end *end = &x->end;

    delay_stop(&x->later);
    if (end->err.kind != PG_E_NONE && end->cause != RETRY_UNKNOWN && end->cause != RETRY_REFUSED) {
        pg_metric_inc(PG_M_UPSTREAM_ERRORS);
        health_failed(x->turn->origin->health, &end->err);
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
    struct exchange_end *end = &x->end;
    bool spent = budget_is_spent(&x->call.head, pg_buf_sl(&x->said));
    unsigned said_s = x->call.retry_after_s > 0 ? (unsigned)x->call.retry_after_s : 0;

    end->cause = RETRY_LATER;
    end->retry_after_s = said_s > 0 ? (int)said_s : PATIENCE_S;
    if (spent && said_s == 0 && before_redirects(x))
        end->retry_after_s = site_held_s(x->site, x->turn->class) * 2;
    if (end->retry_after_s < PATIENCE_S && said_s == 0)
        end->retry_after_s = PATIENCE_S;
    if (end->retry_after_s > PATIENCE_S_MAX)
        end->retry_after_s = PATIENCE_S_MAX;
    if (before_redirects(x) && (said_s > 0 || spent || !x->spec.helps))
        site_hold(x->site, spent ? x->turn->class : SITE_CLASSES, end->retry_after_s);
    pg_fail(&end->err, PG_E_UPSTREAM_DOWN,
            spent ? "upstream's pull rate limit is reached (429)"
                  : "upstream asks for patience (429)");
}

static void judge_refusal(struct exchange *x)
{
    struct exchange_end *end = &x->end;
    bool logged_in =
        x->sent == SITE_BASIC || (x->sent == SITE_BEARER && token_is_given(x->site->tokens));

    if (end->status == 401 && logged_in) {
        end->cause = RETRY_LATER;
        pg_fail(&end->err, PG_E_UPSTREAM_DOWN, "upstream refuses the configured credentials");
    } else {
        end->cause = RETRY_UNKNOWN;
        pg_fail(&end->err, x->spec.unknown, "not known to upstream");
    }
    pg_detail(&end->err, "status %d", end->status);
}

/* What the last status means when it is not the one hoped for. */
static void judge(struct exchange *x)
{
    struct exchange_end *end = &x->end;
    int status = end->status;
    bool refused = status == 401 || status == 403;

    if (status == 404 || status == 410 || status == 451 || (refused && before_redirects(x))) {
        judge_refusal(x);
    } else if (status == 429) {
        wait_patiently(x);
    } else if (status >= 500 || status == 408 || refused) {
        end->retry_after_s =
            x->call.retry_after_s > PATIENCE_S_MAX ? PATIENCE_S_MAX : x->call.retry_after_s;
        end->cause = end->retry_after_s <= RETRY_NOW_S_MAX ? RETRY_SERVER : RETRY_LATER;
        pg_fail(&end->err, PG_E_UPSTREAM_DOWN, "upstream answers %d", status);
    } else {
        end->cause = RETRY_WRONG;
        pg_fail(&end->err, PG_E_UPSTREAM_WRONG, "upstream answers %d", status);
    }
}

/* Only the site itself tells of its health, not where it redirects to. */
static void tell_breaker(struct exchange *x)
{
    int status = x->end.status;

    if (!before_redirects(x))
        return;
    if (status == 502 || status == 503 || status == 504) {
        struct pg_err why = {0};

        pg_fail(&why, PG_E_UPSTREAM_DOWN, "upstream answers %d", status);
        site_failed(x->site, BREAKER_UNWELL, &why);
        pg_err_clear(&why);
    } else if (status != 429) {
        site_answered(x->site, x->turn->class);
    }
}

static enum retry_cause cause_of(const struct exchange *x)
{
    switch (x->call.fault) {
    case CLIENT_FINE:
        return RETRY_FINE;
    case CLIENT_ABSENT:
        return RETRY_ABSENT;
    case CLIENT_GONE:
        return RETRY_GONE;
    case CLIENT_BROKEN:
        return RETRY_BROKEN;
    case CLIENT_SILENT:
        return RETRY_SILENT;
    case CLIENT_TLS:
        return RETRY_TLS;
    case CLIENT_WRONG:
        return RETRY_WRONG;
    case CLIENT_NO:
        break;
    }
    return x->end.err.kind == PG_E_UPSTREAM_WRONG ? RETRY_WRONG : RETRY_OURS;
}

/* A connection that breaks once is no news: servers restart, idle connections end. */
static void note_fault(struct exchange *x)
{
    enum client_fault fault = x->call.fault;

    pg_err_move(&x->end.err, &x->call.err);
    x->end.cause = cause_of(x);
    if (x->end.status != 0 || !before_redirects(x))
        return;
    if (fault == CLIENT_GONE)
        site_failed(x->site, BREAKER_GONE, &x->end.err);
    else if (fault == CLIENT_ABSENT || fault == CLIENT_SILENT)
        site_failed(x->site, BREAKER_ABSENT, &x->end.err);
    else if (fault == CLIENT_BROKEN && x->again)
        site_failed(x->site, BREAKER_UNWELL, &x->end.err);
}

/* 1: *c says how to log in; 0: nothing is said; -1. */
static int read_challenges(struct exchange *x, struct challenge *c)
{
    struct head *head = &x->call.head;

    for (unsigned i = 0; i < head->nchallenges; i++) {
        if (challenge_parse(head->challenges[i], &head->arena, c, &x->end.err) < 0)
            return -1;
    }
    return head->nchallenges > 0 ? 1 : 0;
}

/* Learns from the challenge how the upstream wants us to log in. 1: worth another try, 0, -1. */
static int learn(struct exchange *x, const struct challenge *c)
{
    const struct origin *o = x->turn->origin;
    struct url realm = {0};

    if (c->has_bearer) {
        if (realm_check(o->upstream, &x->site->base, c->realm, &realm, &x->end.err) < 0)
            return -1;
        if (client_may_go(x->site->client, &realm, &x->end.err) < 0) {
            url_free(&realm);
            return -1;
        }
        token_set_realm(x->site->tokens, &realm, c->service);
        x->site->auth = SITE_BEARER;
        return 1;
    }
    if (c->has_basic && credential_is_configured(o->credential)) {
        x->site->auth = SITE_BASIC;
        return x->sent != SITE_BASIC || credential_refused(o->credential, x->serial);
    }
    return 0;
}

/* The first 401 asks for a login. One that was sent may be out of date, which one more try shows.
 */
static bool may_log_in(const struct exchange *x)
{
    return x->logins == 0 || (x->logins == 1 && x->sent == SITE_BASIC);
}

/* After a 401 of the upstream itself; or of /v2/. */
static void log_in(struct exchange *x)
{
    struct challenge c = {0};
    int found = read_challenges(x, &c), worth = 0;

    if (found < 0) {
        x->end.cause = RETRY_WRONG;
        finish(x);
        return;
    }
    if (found == 0 && !x->probing && x->site->auth == SITE_NO_AUTH) {
        x->probing = true;
        proceed(x);
        return;
    }
    if (x->sent == SITE_BEARER)
        token_forget(x->site->tokens, (struct sl){x->spec.repo, strlen(x->spec.repo)}, x->serial);
    worth = found == 1 ? learn(x, &c) : x->site->auth == SITE_BEARER;
    x->logins++;
    x->probing = false;
    if (worth > 0) {
        proceed(x);
        return;
    }
    if (worth == 0)
        judge(x);
    else
        x->end.cause = RETRY_WRONG;
    finish(x);
}

static const char *url_of(const struct exchange *x, struct pg_buf *own)
{
    const char *base = x->site->base.text;
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
    bool may_http = !x->site->base.https && x->turn->origin->upstream->upstream_allow_private;
    struct pg_buf own;
    struct url to = {0};
    int result;

    pg_buf_init(&own, URL_MAX);
    result = redirect_resolve(url_of(x, &own), x->call.head.location, may_http, x->hops, &to,
                              &x->end.err);
    pg_buf_free(&own);
    if (result == 0)
        result = client_may_go(x->site->client, &to, &x->end.err);
    if (result < 0) {
        url_free(&to);
        x->end.cause = RETRY_WRONG;
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

    x->end.status = call->head.over ? call->head.status : 0;
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
    } else if (x->probing && x->end.status != 401) {
        x->end.status = 401; /* of what was asked */
        judge(x);
        finish(x);
    } else if (x->end.status == 401 && before_redirects(x) && may_log_in(x)) {
        log_in(x);
    } else if (is_redirect(x->end.status)) {
        follow(x);
    } else {
        judge(x);
        finish(x);
    }
}

static bool wants_part(const struct exchange *x)
{
    return x->from > 0 || x->spec.until > 0;
}

static bool on_head(struct client_call *call)
{
    struct exchange *x = call->owner;
    int status = call->head.status;

    x->end.status = status;
    delay_stop(&x->later); /* it has said a word */
    if (before_redirects(x) && x->site->config->authoritative)
        health_told(x->turn->origin->health, &call->head, x->turn->class == SITE_BLOB);
    x->accepted = !x->probing && (status == 200 || (status == 206 && wants_part(x)));
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
    if (x->end.status == 429 && data.n <= SAID_BYTES_MAX)
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
    x->end.retry_after_s = w->retry_after_s;
    if (w->err.kind == PG_E_DENIED) {
        x->end.status = 401; /* at another door than ours, but no */
        x->end.cause = RETRY_UNKNOWN;
        pg_fail(&x->end.err, x->spec.unknown, "not known to upstream");
    } else {
        x->end.cause = w->err.kind == PG_E_UPSTREAM_WRONG ? RETRY_WRONG
                       : w->err.kind == PG_E_UPSTREAM_TLS ? RETRY_TLS
                                                          : RETRY_LATER;
        pg_err_move(&x->end.err, &w->err);
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

    switch (credential_look(x->turn->origin->credential, &secret, &x->serial, &x->end.err)) {
    case CREDENTIAL_NONE:
        return 1;
    case CREDENTIAL_HERE:
        secret_put_basic(secret, header);
        x->sent = SITE_BASIC;
        return 1;
    case CREDENTIAL_ASKED:
        credential_wait_start(x->turn->origin->credential, &x->login, on_login);
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

    x->sent = SITE_NO_AUTH;
    if (!before_redirects(x) || x->probing)
        return 1;
    if (x->site->auth == SITE_BASIC)
        return put_login(x, header);
    if (x->site->auth == SITE_NO_AUTH)
        return 1;
    token = token_find(x->site->tokens, repo, &x->serial);
    if (token == NULL) {
        token_wait_start(x->site->tokens, repo, &x->wait, on_token);
        return 0;
    }
    x->sent = SITE_BEARER;
    pg_buf_printf(header, "Authorization: Bearer %s", token);
    PG_CHECK(!header->over);
    return 1;
}

static void send_request(struct exchange *x, const char *authorization)
{
    struct client_order order = {.head = x->spec.head && !x->probing,
                                 .fresh = x->again && x->hops == 0,
                                 .large = x->turn->class == SITE_BLOB,
                                 .timeout_ms = x->spec.timeout_ms};
    char range[RANGE_HEADER_MAX], accept[512], text[TRACE_TEXT_MAX], parent[TRACE_TEXT_MAX + 16];
    struct pg_buf own;
    int n = snprintf(accept, sizeof(accept), "Accept: %s", x->spec.accept);

    PG_CHECK(n > 0 && (size_t)n < sizeof(accept));
    n = x->spec.until == 0 ? snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-", x->from)
                           : snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-%" PRIu64,
                                      x->from, x->spec.until - 1);
    PG_CHECK(n > 0 && (size_t)n < sizeof(range));
    pg_buf_init(&own, URL_MAX);
    order.url = url_of(x, &own);
    order.headers[0] = accept;
    order.headers[1] = authorization;
    order.headers[2] = wants_part(x) && !x->probing ? range : NULL;
    if (x->trace.of.valid && before_redirects(x)) {
        (void)snprintf(parent, sizeof(parent), "traceparent: %s", trace_write(&x->trace.of, text));
        order.headers[3] = parent;
    }
    x->end.status = 0;
    x->accepted = false;
    x->drained.n = 0;
    x->drained.cut = false;
    pg_buf_clear(&x->said);
    client_start(x->site->client, &x->call, &order);
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
    if (ready < 0) {
        x->end.cause = RETRY_LATER;
        finish(x);
    }
}

static void begin(struct delay *d);

/* It may still answer, and has lost its turn: there are others. */
static void lose_patience(struct delay *d)
{
    struct exchange *x = pg_container_of(d, struct exchange, later);

    exchange_stop(x);
    x->path.hurried |= origin_bit(x->site);
    site_was_slow(x->site, pg_clock_mono_ms());
    begin(d);
}

static void begin(struct delay *d)
{
    struct exchange *x = pg_container_of(d, struct exchange, later);
    struct origin *o = x->turn->origin;
    bool may_hurry;
    struct site *site = origin_choose(o, x->turn, &x->path, &may_hurry);

    x->again = x->again && (x->site == NULL || x->site == site);
    if (site == NULL) {
        x->end.cause = RETRY_REFUSED;
        (void)origin_refuse(o, x->turn, &x->end.retry_after_s, &x->end.err);
        finish(x);
        return;
    }
    x->site = site;
    site_ask(site, x->turn->class, pg_clock_mono_ms());
    if (may_hurry)
        delay_start(&o->set->delays, &x->later, SITE_PATIENCE_MS, lose_patience);
    proceed(x);
}

static void clear_end(struct exchange_end *end)
{
    pg_err_clear(&end->err);
    *end = (struct exchange_end){.cause = RETRY_FINE};
}

static void move_end(struct exchange_end *to, struct exchange_end *from)
{
    clear_end(to);
    to->status = from->status;
    to->cause = from->cause;
    to->retry_after_s = from->retry_after_s;
    to->has_authority = from->has_authority;
    pg_err_move(&to->err, &from->err);
    clear_end(from);
}

/* What a mirror does not have says nothing; else the first of those whose word counts has it. */
static void keep(struct exchange *x, bool has_authority)
{
    bool has_kept = x->kept.err.kind != PG_E_NONE;

    if (x->end.cause == RETRY_UNKNOWN && !has_authority)
        return;
    x->end.has_authority = has_authority;
    if (!has_kept || (has_authority && !x->kept.has_authority))
        move_end(&x->kept, &x->end);
}

bool exchange_turn_elsewhere(struct exchange *x)
{
    bool has_authority = x->site == NULL || x->site->config->authoritative, may_hurry;
    bool elsewhere =
        retry_elsewhere(x->end.cause) || (x->end.cause == RETRY_UNKNOWN && !has_authority);

    if (!elsewhere || x->site == NULL)
        return false;
    x->path.tried |= origin_bit(x->site);
    keep(x, has_authority);
    if (origin_choose(x->turn->origin, x->turn, &x->path, &may_hurry) != NULL)
        return true;
    if (x->kept.err.kind != PG_E_NONE) {
        move_end(&x->end, &x->kept);
    } else { /* the mirrors do not have it, and nobody else can be asked */
        clear_end(&x->end);
        x->end.cause = RETRY_REFUSED;
        (void)origin_refuse(x->turn->origin, x->turn, &x->end.retry_after_s, &x->end.err);
    }
    return false;
}

void exchange_forgive(struct exchange *x)
{
    x->path = (struct origin_path){.avoid = x->path.avoid};
    clear_end(&x->kept);
}

void exchange_init(struct exchange *x, const struct exchange_spec *spec,
                   const struct origin_turn *turn, const struct exchange_events *events,
                   void *owner)
{
    *x = (struct exchange){.spec = *spec, .turn = turn, .events = events, .owner = owner};
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
    clear_end(&x->end);
    clear_end(&x->kept);
}

void exchange_start(struct exchange *x, uint64_t from, bool again)
{
    url_free(&x->at);
    clear_end(&x->end);
    if (x->spec.trace != NULL)
        trace_child(x->spec.trace, &x->trace);
    x->from = from;
    x->again = again;
    x->hops = 0;
    x->probing = false;
    x->logins = 0;
    delay_start(&x->turn->origin->set->delays, &x->later, 0, begin);
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
    return x->end.cause == RETRY_UNKNOWN && before_redirects(x) &&
           (x->end.status == 404 || x->end.status == 410 || x->end.status == 451);
}

bool exchange_is_denied(const struct exchange *x)
{
    return x->end.cause == RETRY_UNKNOWN && before_redirects(x) &&
           (x->end.status == 401 || x->end.status == 403);
}
