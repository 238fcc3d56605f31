/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/token.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metric.h"
#include "base/random.h"
#include "proxy/upstream/breaker.h"
#include "proxy/upstream/client_int.h"
#include "proxy/upstream/credential.h"
#include "proxy/upstream/delay_int.h"

#define TRIES_MAX       2
#define RETRY_MS        100
#define RETRY_SPREAD_MS 200
#define ANSWER_MS_MAX   15000
#define RETRY_S_MAX     300
#define SCOPE_TEXT_MAX  300
#define KEEP_MS         10000 /* the last good token, while there is no newer one */
#define FORM_MAX        (4 * (size_t)URL_MAX + 3 * SECRET_TEXT_MAX)

struct token {
    struct pg_map_node node; /* keyed by repo */
    struct token_table *table;
    char *repo;
    char *text;                                         /* NULL: not here */
    uint64_t serial, usable_until_ms, next_ms, used_ms; /* next: when the next one is fetched */
    struct pg_list waits;
    struct client_call call; /* asking, from the first wait to the answer */
    struct credential_wait login;
    struct delay again;
    struct pg_buf body, form;
    unsigned tries, renewals;
    enum secret_kind sent;
    uint64_t sent_serial;
    bool asking, refused;
    bool by_get; /* an identity token that did not go by POST */
};

struct token_table {
    struct client *client;
    struct delays *delays;
    struct credential *credential;
    struct url realm;
    char *service;
    bool has_no_post, is_given;
    struct pg_map tokens;
    struct breaker breaker;
    uint64_t serials;
};

/* Visible ASCII: it is sent in a header. */
static bool is_token_text(struct sl s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
            return false;
    }
    return s.n > 0 && s.n <= TOKEN_TEXT_MAX;
}

int token_parse(struct sl body, struct pg_arena *arena, struct token_grant *grant_r,
                struct pg_err *err)
{
    _json_ json_t *root = NULL;
    struct token_grant grant = {.life_s = TOKEN_LIFE_MIN_S};
    const json_t *life;
    struct sl text;

    /* where it is not right is near a token: that is not said */
    if (pg_json_parse(body, PG_E_UPSTREAM_DOWN, &root, err) < 0)
        return pg_fail(err, PG_E_UPSTREAM_DOWN, "token server: the answer is not proper JSON");
    text = pg_json_str(root, "token");
    if (text.n == 0)
        text = pg_json_str(root, "access_token");
    if (!is_token_text(text))
        return pg_fail(err, PG_E_UPSTREAM_DOWN, "token server: the answer has no proper token");
    life = json_object_get(root, "expires_in");
    if (json_is_integer(life) && json_integer_value(life) > TOKEN_LIFE_MIN_S)
        grant.life_s = json_integer_value(life) > TOKEN_LIFE_MAX_S
                           ? TOKEN_LIFE_MAX_S
                           : (unsigned)json_integer_value(life);
    grant.text = pg_alloc(arena, text.n + 1);
    memcpy(grant.text, text.p, text.n);
    *grant_r = grant;
    return 0;
}

static void clear_text(struct token *t)
{
    if (t->text != NULL) {
        OPENSSL_cleanse(t->text, strlen(t->text));
        free(t->text);
    }
    t->text = NULL;
}

static void free_token(struct token *t)
{
    PG_CHECK(pg_list_empty(&t->waits));
    client_stop(&t->call);
    client_call_free(&t->call);
    credential_wait_stop(&t->login);
    delay_stop(&t->again);
    pg_map_remove(&t->table->tokens, &t->node);
    clear_text(t);
    secret_wipe(&t->body);
    secret_wipe(&t->form);
    free(t->repo);
    free(t);
}

/* All who wait hear the same; *err is NONE when the token is here. A wait's done may start or stop
 * others, so each is taken off before it is told. */
static void tell_all(struct token *t, const struct pg_err *err, int retry_after_s)
{
    struct pg_list telling;

    pg_list_init(&telling);
    t->asking = false;
    pg_list_each_safe (node, next, &t->waits) {
        pg_list_remove(node);
        pg_list_push(&telling, node);
    }
    while (!pg_list_empty(&telling)) {
        struct token_wait *w = pg_container_of(telling.next, struct token_wait, node);

        pg_list_remove(&w->node);
        if (err->kind != PG_E_NONE)
            pg_err_copy(&w->err, err);
        w->retry_after_s = retry_after_s;
        w->done(w);
    }
}

static void ask(struct token *t);

static void ask_again(struct delay *d)
{
    ask(pg_container_of(d, struct token, again));
}

/* The token server is down or tells nonsense: that takes nothing from the token that we have. */
static bool keep(struct token *t)
{
    uint64_t until = pg_clock_mono_ms() + KEEP_MS;

    if (t->text == NULL || t->refused)
        return false;
    t->next_ms = until;
    if (t->usable_until_ms < until)
        t->usable_until_ms = until;
    return true;
}

static void fail(struct token *t, struct pg_err *err, int retry_after_s)
{
    struct token_table *table = t->table;

    pg_metric_inc(PG_M_UPSTREAM_ERRORS);
    if (retry_after_s > RETRY_S_MAX)
        retry_after_s = RETRY_S_MAX;
    if (retry_after_s > 0)
        breaker_hold(&table->breaker, (uint64_t)retry_after_s * 1000, pg_clock_mono_ms());
    if (keep(t)) {
        pg_log_say(PG_LOG_WARN, PG_LOG_UPSTREAM,
                   "the last token of %s stays in use, since there is no newer one: %s",
                   table->realm.host, err->msg);
        pg_err_clear(err);
    } else {
        clear_text(t);
    }
    tell_all(t, err, retry_after_s);
    pg_err_clear(err);
}

static void retry_or_fail(struct token *t, struct pg_err *err, enum breaker_weight weight)
{
    breaker_fail(&t->table->breaker, weight, pg_clock_mono_ms());
    if (t->tries < TRIES_MAX) {
        pg_err_clear(err);
        delay_start(t->table->delays, &t->again, RETRY_MS + pg_random_u64() % RETRY_SPREAD_MS,
                    ask_again);
        return;
    }
    fail(t, err, 0);
}

static void take_token(struct token *t, struct sl text, unsigned life_s)
{
    struct pg_err none = {0};
    uint64_t now = pg_clock_mono_ms();

    clear_text(t);
    t->text = sl_dup(text);
    t->serial = ++t->table->serials;
    t->usable_until_ms = now + (uint64_t)life_s * 1000;
    t->next_ms = now + (uint64_t)life_s * 800;
    tell_all(t, &none, 0);
}

static void take_grant(struct token *t)
{
    struct pg_err err = {0};
    struct pg_arena arena;
    struct token_grant grant = {0};
    struct sl text;

    pg_arena_init(&arena, TOKEN_ANSWER_MAX);
    if (token_parse(pg_buf_sl(&t->body), &arena, &grant, &err) < 0) {
        pg_arena_free(&arena);
        fail(t, &err, 0);
        return;
    }
    PG_CHECK(grant.text != NULL);
    t->table->has_no_post |= t->by_get;
    breaker_ok(&t->table->breaker);
    pg_metric_inc(PG_M_TOKENS);
    text = (struct sl){grant.text, strlen(grant.text)};
    take_token(t, text, grant.life_s);
    OPENSSL_cleanse(grant.text, text.n);
    pg_arena_free(&arena);
}

/* Servers without POST answer it in all these ways: the same by GET, once. A login that has changed
 * meanwhile is tried, too. */
static bool try_otherwise(struct token *t, int status)
{
    bool posted = t->form.n > 0;

    if (posted && (status == 400 || status == 401 || status == 404 || status == 405)) {
        t->by_get = true;
    } else if (status == 401 && t->renewals == 0 &&
               credential_refused(t->table->credential, t->sent_serial)) {
        t->renewals++;
        t->by_get = false;
    } else {
        return false;
    }
    delay_start(t->table->delays, &t->again, 0, ask_again);
    return true;
}

/* Neither an answer that is one, nor a failure to answer. */
static void take_refusal(struct token *t, int status)
{
    struct pg_err err = {0};

    if (t->sent != SECRET_NONE && try_otherwise(t, status))
        return;
    t->refused = status == 401 || status == 403;
    if (status == 403 || (status == 401 && t->sent == SECRET_NONE)) {
        pg_fail(&err, PG_E_DENIED, "token server answers %d", status);
    } else if (status == 401) {
        pg_fail(&err, PG_E_UPSTREAM_DOWN, "upstream refuses the configured credentials");
        pg_detail(&err, "%s answers %d", t->table->realm.host, status);
    } else {
        pg_fail(&err, PG_E_UPSTREAM_DOWN, "token server answers %d", status);
    }
    fail(t, &err, 0);
}

static void on_done(struct client_call *call)
{
    struct token *t = call->owner;
    struct pg_err err = {0};
    int status = call->head.status;

    if (call->fault == CLIENT_TLS || call->fault == CLIENT_WRONG || call->fault == CLIENT_NO) {
        pg_err_move(&err, &call->err);
        fail(t, &err, 0);
    } else if (call->fault != CLIENT_FINE) {
        pg_err_move(&err, &call->err);
        err.kind = PG_E_UPSTREAM_DOWN;
        retry_or_fail(t, &err, BREAKER_ABSENT);
    } else if (status == 200) {
        take_grant(t);
    } else if (status >= 500) {
        pg_fail(&err, PG_E_UPSTREAM_DOWN, "token server answers %d", status);
        retry_or_fail(t, &err, BREAKER_UNWELL);
    } else if (status == 429) {
        pg_fail(&err, PG_E_UPSTREAM_DOWN, "token server asks for patience");
        fail(t, &err, call->retry_after_s > 0 ? call->retry_after_s : 1);
    } else {
        take_refusal(t, status);
    }
}

static bool on_head(struct client_call *call)
{
    (void)call;
    return true;
}

static enum client_taken on_data(struct client_call *call, struct sl data)
{
    struct token *t = call->owner;

    if (pg_buf_put(&t->body, data) == 0)
        return CLIENT_TAKEN;
    pg_fail(&call->err, PG_E_UPSTREAM_DOWN, "token server: the answer is too large");
    return CLIENT_REFUSED;
}

static const struct client_events token_events = {on_head, on_data, on_done};

static void put_pair(struct pg_buf *out, char join, const char *name, const char *value)
{
    char *escaped = curl_easy_escape(NULL, value, 0);

    PG_CHECK(escaped != NULL);
    if (join != '\0')
        pg_buf_put(out, (struct sl){&join, 1});
    pg_buf_printf(out, "%s=", name);
    pg_buf_put(out, (struct sl){escaped, strlen(escaped)});
    OPENSSL_cleanse(escaped, strlen(escaped));
    curl_free(escaped);
}

/* service=...&scope=repository:<repo>:pull, behind what `join` says. */
static void put_wish(const struct token *t, struct pg_buf *out, char join)
{
    char scope[SCOPE_TEXT_MAX];

    if (t->table->service[0] != '\0') {
        put_pair(out, join, "service", t->table->service);
        join = '&';
    }
    if (t->repo[0] != '\0') {
        PG_CHECK((size_t)snprintf(scope, sizeof(scope), "repository:%s:pull", t->repo) <
                 sizeof(scope));
        put_pair(out, join, "scope", scope);
    }
}

static void send_form(struct token *t, const struct secret *secret)
{
    struct client_order order = {.timeout_ms = ANSWER_MS_MAX,
                                 .fresh = t->tries > 1,
                                 .url = t->table->realm.text,
                                 .headers = {"Accept: application/json"}};

    pg_buf_put(&t->form, SL("grant_type=refresh_token&client_id=pullgate"));
    put_wish(t, &t->form, '&');
    put_pair(&t->form, '&', "refresh_token", secret->text);
    PG_CHECK(!t->form.over);
    order.form = pg_buf_sl(&t->form);
    client_start(t->table->client, &t->call, &order);
}

/* secret NULL: without a login. */
static void send_get(struct token *t, const struct secret *secret)
{
    struct client_order order = {.timeout_ms = ANSWER_MS_MAX, .fresh = t->tries > 1};
    const char *realm = t->table->realm.text;
    struct pg_buf url, header;

    pg_buf_init(&url, 4 * (size_t)URL_MAX);
    pg_buf_init(&header, SECRET_HEADER_MAX);
    pg_buf_printf(&url, "%s", realm);
    put_wish(t, &url, strchr(realm, '?') == NULL ? '?' : '&');
    pg_buf_put(&url, (struct sl){"", 1});
    PG_CHECK(!url.over);
    if (secret != NULL)
        secret_put_basic(secret, &header);
    order.url = url.p;
    order.headers[0] = "Accept: application/json";
    order.headers[1] = secret != NULL ? header.p : NULL;
    client_start(t->table->client, &t->call, &order);
    pg_buf_free(&url);
    secret_wipe(&header);
}

static void send_request(struct token *t, const struct secret *secret)
{
    t->sent = secret != NULL ? secret->kind : SECRET_NONE;
    t->tries++;
    pg_buf_clear(&t->body);
    pg_buf_clear(&t->form);
    t->table->is_given = t->sent == SECRET_BEARER;
    if (secret == NULL)
        send_get(t, NULL);
    else if (secret->kind == SECRET_BEARER)
        take_token(t, (struct sl){secret->text, strlen(secret->text)}, TOKEN_LIFE_MIN_S);
    else if (secret->kind == SECRET_REFRESH && !t->table->has_no_post && !t->by_get)
        send_form(t, secret);
    else
        send_get(t, secret);
}

static void on_login(struct credential_wait *w)
{
    ask(pg_container_of(w, struct token, login));
}

static void ask(struct token *t)
{
    const struct secret *secret = NULL;
    struct pg_err err = {0};

    switch (credential_look(t->table->credential, &secret, &t->sent_serial, &err)) {
    case CREDENTIAL_NONE:
    case CREDENTIAL_HERE:
        send_request(t, secret);
        break;
    case CREDENTIAL_ASKED:
        credential_wait_start(t->table->credential, &t->login, on_login);
        break;
    case CREDENTIAL_BAD:
        fail(t, &err, 0);
        break;
    }
}

/* In the loop's next turn, so that no wait is done before it began. */
static void begin(struct delay *d)
{
    struct token *t = pg_container_of(d, struct token, again);
    struct breaker *b = &t->table->breaker;
    uint64_t now = pg_clock_mono_ms();
    struct pg_err err = {0};

    t->tries = t->renewals = 0;
    t->refused = t->by_get = false;
    if (!breaker_may(b, now)) {
        pg_fail(&err, PG_E_UPSTREAM_DOWN, "the upstream's token server does not answer");
        if (keep(t))
            pg_err_clear(&err);
        tell_all(t, &err, breaker_wait_s(b, now));
        pg_err_clear(&err);
    } else {
        ask(t);
    }
}

static void start_asking(struct token *t)
{
    if (t->asking)
        return;
    t->asking = true;
    delay_start(t->table->delays, &t->again, 0, begin);
}

/* Makes room for one more scope: the one that was not used for the longest. */
static void make_room(struct token_table *table)
{
    struct token *oldest = NULL;

    if (table->tokens.n < TOKEN_SCOPES_MAX)
        return;
    for (struct pg_map_node *n = pg_map_next(&table->tokens, NULL); n != NULL;
         n = pg_map_next(&table->tokens, n)) {
        struct token *t = pg_container_of(n, struct token, node);

        if (!t->asking && (oldest == NULL || t->used_ms < oldest->used_ms))
            oldest = t;
    }
    if (oldest != NULL)
        free_token(oldest);
}

static struct token *token_of(struct token_table *table, struct sl repo, bool make)
{
    struct pg_map_node *node = pg_map_get(&table->tokens, repo);
    struct token *t;

    if (node != NULL)
        return pg_container_of(node, struct token, node);
    if (!make)
        return NULL;
    make_room(table);
    t = calloc(1, sizeof(*t));
    PG_CHECK(t != NULL);
    t->table = table;
    t->repo = sl_dup(repo);
    pg_list_init(&t->waits);
    credential_wait_init(&t->login);
    delay_init(&t->again);
    client_call_init(&t->call, &token_events, t);
    pg_buf_init(&t->body, TOKEN_ANSWER_MAX);
    pg_buf_init(&t->form, FORM_MAX);
    pg_map_put(&table->tokens, &t->node, (struct sl){t->repo, repo.n});
    return t;
}

struct token_table *token_table_new(struct client *client, struct delays *delays,
                                    struct credential *credential)
{
    struct token_table *table = calloc(1, sizeof(*table));

    PG_CHECK(table != NULL);
    table->client = client;
    table->delays = delays;
    table->credential = credential;
    pg_map_init(&table->tokens);
    return table;
}

void token_table_free(struct token_table *table)
{
    struct pg_map_node *node = pg_map_next(&table->tokens, NULL);

    while (node != NULL) {
        struct token *t = pg_container_of(node, struct token, node);

        node = pg_map_next(&table->tokens, node);
        free_token(t);
    }
    pg_map_free(&table->tokens);
    url_free(&table->realm);
    free(table->service);
    free(table);
}

void token_set_realm(struct token_table *table, struct url *realm, struct sl service)
{
    bool same = table->service != NULL && strcmp(table->realm.text, realm->text) == 0 &&
                sl_eq((struct sl){table->service, strlen(table->service)}, service);

    if (same) {
        url_free(realm);
        return;
    }
    for (struct pg_map_node *n = pg_map_next(&table->tokens, NULL); n != NULL;
         n = pg_map_next(&table->tokens, n)) {
        clear_text(pg_container_of(n, struct token, node));
    }
    url_free(&table->realm);
    free(table->service);
    table->realm = *realm;
    *realm = (struct url){0};
    table->service = sl_dup(service);
    table->has_no_post = false;
}

const char *token_find(struct token_table *table, struct sl repo, uint64_t *serial_r)
{
    struct token *t = token_of(table, repo, false);
    uint64_t now = pg_clock_mono_ms();

    if (t == NULL || t->text == NULL || now >= t->usable_until_ms)
        return NULL;
    t->used_ms = now;
    if (now >= t->next_ms)
        start_asking(t);
    *serial_r = t->serial;
    return t->text;
}

void token_forget(struct token_table *table, struct sl repo, uint64_t serial)
{
    struct token *t = token_of(table, repo, false);

    if (t != NULL && t->serial == serial)
        clear_text(t);
}

bool token_is_given(const struct token_table *table)
{
    return table->is_given;
}

void token_wait_init(struct token_wait *w)
{
    *w = (struct token_wait){0};
    pg_list_init(&w->node);
}

void token_wait_start(struct token_table *table, struct sl repo, struct token_wait *w,
                      void (*done)(struct token_wait *w))
{
    struct token *t = token_of(table, repo, true);

    PG_CHECK(table->service != NULL);
    pg_err_clear(&w->err);
    w->retry_after_s = 0;
    w->done = done;
    t->used_ms = pg_clock_mono_ms();
    pg_list_push(&t->waits, &w->node);
    start_asking(t);
}

void token_wait_stop(struct token_wait *w)
{
    pg_list_remove(&w->node);
    pg_err_clear(&w->err);
}
