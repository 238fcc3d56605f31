/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/registry.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "cli/registry_login.h"
#include "cli/version.h"
#include "oci/challenge.h"
#include "proxy/config.h"
#include "proxy/upstream/addr.h"
#include "proxy/upstream/realm.h"
#include "proxy/upstream/token.h"

#define WAIT_MS       60000L
#define CONNECT_MS    10000L
#define PAUSE_MS      200L
#define PAUSE_MAX_MS  30000L
#define REDIRECTS     3L
#define HEADERS_MAX   6
#define SCOPE_CATALOG "registry:catalog:*"
#define URL_ROOM      ((size_t)16384)

struct registry {
    CURL *curl;
    struct url base;
    char host[REGISTRY_HOST_ROOM];
    char *ca;
    bool deletes;
    struct secret secret;
    struct pg_buf shown;            /* "Authorization: ..." of what is asked; empty: none */
    char *shown_for;                /* the scope of a token that it is; NULL: good for all */
    struct registry_answer *answer; /* what comes in */
    struct pg_err *err;
    bool failed; /* *err says why */
};

static size_t on_body(char *p, size_t size, size_t n, void *owner) // NOLINT: libcurl says so
{
    struct registry *r = owner;

    if (pg_buf_put(&r->answer->body, (struct sl){p, size * n}) < 0) {
        (void)pg_fail(r->err, PG_E_UPSTREAM_WRONG, "%s answers with more than %zu MiB", r->host,
                      REGISTRY_BODY_MAX >> 20);
        r->failed = true;
        return 0;
    }
    return size * n;
}

/* After a redirect the next head begins. */
static size_t on_header(char *p, size_t size, size_t n, void *owner) // NOLINT: libcurl says so
{
    struct registry *r = owner;
    struct sl line = {p, size * n};

    if (sl_starts(line, SL("HTTP/"))) {
        head_free(&r->answer->head);
        head_init(&r->answer->head);
    }
    if (head_line(&r->answer->head, line, r->err) < 0) {
        r->failed = true;
        return 0;
    }
    return line.n;
}

/* Not where clouds hand out credentials, whoever says so. */
static curl_socket_t open_socket(void *owner, curlsocktype purpose, struct curl_sockaddr *a)
{
    (void)owner;
    (void)purpose;
    return addr_is_host(&a->addr, a->addrlen)
               ? socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol)
               : CURL_SOCKET_BAD;
}

static void must(CURLcode rc)
{
    PG_CHECK(rc == CURLE_OK);
}

static void set_up(struct registry *r)
{
    const char *protocols = r->base.https ? "https" : "http,https";

    curl_easy_reset(r->curl);
    must(curl_easy_setopt(r->curl, CURLOPT_PROTOCOLS_STR, protocols));
    must(curl_easy_setopt(r->curl, CURLOPT_REDIR_PROTOCOLS_STR, protocols));
    must(curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L));
    must(curl_easy_setopt(r->curl, CURLOPT_TIMEOUT_MS, WAIT_MS));
    must(curl_easy_setopt(r->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS));
    must(curl_easy_setopt(r->curl, CURLOPT_USERAGENT, "pullgate/" VERSION_TEXT));
    must(curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, on_body));
    must(curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, r));
    must(curl_easy_setopt(r->curl, CURLOPT_HEADERFUNCTION, on_header));
    must(curl_easy_setopt(r->curl, CURLOPT_HEADERDATA, r));
    must(curl_easy_setopt(r->curl, CURLOPT_OPENSOCKETFUNCTION, open_socket));
    must(curl_easy_setopt(r->curl, CURLOPT_OPENSOCKETDATA, r));
    if (r->ca != NULL) {
        must(curl_easy_setopt(r->curl, CURLOPT_CAINFO, r->ca));
    }
}

static void put_text(struct pg_buf *out, const char *text)
{
    (void)pg_buf_put(out, sl_str(text));
}

static void put_pair(struct pg_buf *out, const char *join, const char *name, const char *value)
{
    char *escaped = curl_easy_escape(NULL, value, 0);

    PG_CHECK(escaped != NULL);
    (void)pg_buf_printf(out, "%s%s=", join, name);
    put_text(out, escaped);
    curl_free(escaped);
}

/* ---- one exchange -------------------------------------------------------------------------- */

struct exchange {
    const char *method, *url;
    const char *headers[HEADERS_MAX]; /* ends with NULL */
    struct sl body;                   /* p NULL: none */
};

static struct curl_slist *list_of(const char *const *headers)
{
    struct curl_slist *list = NULL;

    for (size_t i = 0; headers[i] != NULL; i++) {
        list = curl_slist_append(list, headers[i]);
        PG_CHECK(list != NULL);
    }
    return list;
}

static void begin_answer(struct registry_answer *a)
{
    registry_answer_free(a);
    pg_buf_init(&a->body, REGISTRY_BODY_MAX);
    head_init(&a->head);
}

static int exchange(struct registry *r, const struct exchange *x, struct registry_answer *a,
                    struct pg_err *err)
{
    struct curl_slist *headers = list_of(x->headers);
    bool reads = strcmp(x->method, "GET") == 0 || strcmp(x->method, "HEAD") == 0;

    begin_answer(a);
    r->answer = a;
    r->err = err;
    r->failed = false;
    set_up(r);
    must(curl_easy_setopt(r->curl, CURLOPT_URL, x->url));
    must(curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, headers));
    if (x->body.p != NULL) {
        must(curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, x->body.p));
        must(curl_easy_setopt(r->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body.n));
    }
    must(curl_easy_setopt(r->curl, CURLOPT_CUSTOMREQUEST, x->method));
    must(curl_easy_setopt(r->curl, CURLOPT_NOBODY, strcmp(x->method, "HEAD") == 0 ? 1L : 0L));
    must(curl_easy_setopt(r->curl, CURLOPT_FOLLOWLOCATION, reads ? 1L : 0L));
    must(curl_easy_setopt(r->curl, CURLOPT_MAXREDIRS, REDIRECTS));
    CURLcode rc = curl_easy_perform(r->curl);
    curl_slist_free_all(headers);
    if (rc != CURLE_OK) {
        return r->failed ? -1
                         : pg_fail(err, PG_E_UPSTREAM_DOWN, "%s does not answer: %s", r->host,
                                   curl_easy_strerror(rc));
    }
    a->status = a->head.status;
    return 0;
}

static void pause_ms(long ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&t, NULL);
}

static bool is_for_the_moment(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

static int exchange_patiently(struct registry *r, const struct exchange *x,
                              struct registry_answer *a, struct pg_err *err)
{
    for (int try = 1;; try++) {
        curl_off_t after_s = 0;
        int rc = exchange(r, x, a, err);
        bool again = rc < 0 ? err->kind == PG_E_UPSTREAM_DOWN : is_for_the_moment(a->status);
        if (!again || try == REGISTRY_TRIES) {
            return rc;
        }
        pg_err_clear(err);
        (void)curl_easy_getinfo(r->curl, CURLINFO_RETRY_AFTER, &after_s);
        long ms = after_s > 0 ? (long)(after_s < 3600 ? after_s : 3600) * 1000 : PAUSE_MS << try;
        pause_ms(ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS);
    }
}

/* ---- logins -------------------------------------------------------------------------------- */

static void put_scope(const struct registry *r, struct sl repo, char *out, size_t room)
{
    int n = repo.n > 0 ? snprintf(out, room, "repository:" SL_FMT ":pull%s", SL_ARG(repo),
                                  r->deletes ? ",delete" : "")
                       : snprintf(out, room, "%s", SCOPE_CATALOG);

    PG_CHECK(n > 0 && (size_t)n < room);
}

static void forget_shown(struct registry *r)
{
    secret_wipe(&r->shown);
    pg_buf_init(&r->shown, SECRET_HEADER_MAX);
    free(r->shown_for);
    r->shown_for = NULL;
}

static void show_bearer(struct registry *r, const char *token, const char *scope)
{
    forget_shown(r);
    put_text(&r->shown, "Authorization: Bearer ");
    put_text(&r->shown, token);
    (void)pg_buf_put(&r->shown, (struct sl){"", 1});
    r->shown_for = scope != NULL ? sl_dup(sl_str(scope)) : NULL;
}

static void show_basic(struct registry *r)
{
    forget_shown(r);
    secret_put_basic(&r->secret, &r->shown); /* ends with a NUL */
}

static int take_grant(struct registry *r, const struct registry_answer *a, const char *scope,
                      struct pg_err *err)
{
    struct token_grant grant;
    struct pg_arena arena;

    if (a->status != 200) {
        return pg_fail(err, a->status == 401 || a->status == 403 ? PG_E_DENIED : PG_E_UPSTREAM_DOWN,
                       "the token server of %s answered %d: is the login good? docker login %s",
                       r->host, a->status, r->host);
    }
    pg_arena_init(&arena, (size_t)TOKEN_ANSWER_MAX * 4);
    int rc = token_parse(pg_buf_sl(&a->body), &arena, &grant, err);
    if (rc == 0) {
        show_bearer(r, grant.text, scope);
    }
    pg_arena_free(&arena);
    return rc;
}

/* An identity token by POST, all else by GET, as distribution's specification has it. */
static int ask_token(struct registry *r, const char *realm, const char *service, const char *scope,
                     struct pg_err *err)
{
    struct registry_answer a = {0};
    struct exchange x = {.method = "GET", .headers = {"Accept: application/json"}};
    struct pg_buf wish, header;
    bool by_form = r->secret.kind == SECRET_REFRESH;

    pg_buf_init(&wish, URL_ROOM + SECRET_HEADER_MAX);
    pg_buf_init(&header, SECRET_HEADER_MAX);
    if (!by_form) {
        put_text(&wish, realm);
    }
    put_pair(&wish, by_form ? "" : strchr(realm, '?') == NULL ? "?" : "&", "service", service);
    put_pair(&wish, "&", "scope", scope);
    if (by_form) {
        put_text(&wish, "&grant_type=refresh_token&client_id=pullgate");
        put_pair(&wish, "&", "refresh_token", r->secret.text);
        x.method = "POST";
        x.body = pg_buf_sl(&wish);
    } else if (r->secret.kind == SECRET_LOGIN) {
        secret_put_basic(&r->secret, &header);
        x.headers[1] = header.p;
    }
    (void)pg_buf_put(&wish, (struct sl){"", 1});
    x.url = by_form ? realm : wish.p;
    int rc = wish.over ? pg_fail(err, PG_E_UPSTREAM_WRONG,
                                 "%s names a token server that is too "
                                 "long",
                                 r->host)
                       : exchange_patiently(r, &x, &a, err);
    rc = rc == 0 ? take_grant(r, &a, scope, err) : rc;
    secret_wipe(&wish);
    secret_wipe(&header);
    registry_answer_free(&a);
    return rc;
}

static int log_in_for(struct registry *r, const struct challenge *c, const char *scope,
                      struct pg_err *err)
{
    struct config_upstream upstream = {.upstream_allow_private = true};
    struct url realm = {0};
    char *service;

    if (c->has_bearer && r->secret.kind == SECRET_BEARER) {
        show_bearer(r, r->secret.text, NULL);
        return 0;
    }
    if (c->has_bearer) {
        if (realm_check(&upstream, &r->base, c->realm, &realm, err) < 0) {
            return -1;
        }
        service = sl_dup(c->service.p != NULL ? c->service : SL(""));
        int rc = ask_token(r, realm.text, service, scope, err);
        free(service);
        url_free(&realm);
        return rc;
    }
    if (!c->has_basic || r->secret.kind != SECRET_LOGIN) {
        return pg_fail(err, PG_E_DENIED, "%s wants a login: docker login %s", r->host, r->host);
    }
    show_basic(r);
    return 0;
}

/* What it asked for with a 401 is shown from now on. */
static int log_in(struct registry *r, const struct registry_answer *a, const char *scope,
                  struct pg_err *err)
{
    struct challenge c = {0};
    struct pg_arena arena;
    int rc = 0;

    pg_arena_init(&arena, (size_t)CHALLENGE_MAX * HEAD_CHALLENGES_MAX);
    for (unsigned i = 0; i < a->head.nchallenges && rc == 0; i++) {
        rc = challenge_parse(a->head.challenges[i], &arena, &c, err);
    }
    rc = rc == 0 ? log_in_for(r, &c, scope, err) : rc;
    pg_arena_free(&arena);
    return rc;
}

/* ---- questions ----------------------------------------------------------------------------- */

static int ask_once(struct registry *r, const struct registry_question *q,
                    struct registry_answer *a, struct pg_err *err)
{
    struct exchange x = {.method = q->method, .body = sl_str(q->json)};
    struct pg_buf url, accept, basic;
    size_t n = 0;

    pg_buf_init(&url, URL_ROOM);
    pg_buf_init(&basic, SECRET_HEADER_MAX);
    pg_buf_init(&accept, URL_ROOM);
    (void)pg_buf_printf(&url, "%s://%s%s%c", r->base.https ? "https" : "http", r->host, q->path,
                        '\0');
    if (q->accept != NULL) {
        (void)pg_buf_printf(&accept, "Accept: %s%c", q->accept, '\0');
        x.headers[n++] = accept.p;
    }
    if (q->json != NULL) {
        x.headers[n++] = "Content-Type: application/json";
    }
    if (q->is_own_api && r->secret.kind == SECRET_LOGIN) {
        secret_put_basic(&r->secret, &basic);
        x.headers[n++] = basic.p;
    } else if (r->shown.n > 0 && !q->is_own_api) {
        x.headers[n++] = r->shown.p;
    }
    x.url = url.p;
    int rc = url.over || accept.over ? pg_fail(err, PG_E_UPSTREAM_WRONG,
                                               "%s answers with names that are too long", r->host)
                                     : exchange_patiently(r, &x, a, err);
    pg_buf_free(&url);
    pg_buf_free(&accept);
    secret_wipe(&basic);
    return rc;
}

int registry_ask(struct registry *r, const struct registry_question *q, struct registry_answer *a_r,
                 struct pg_err *err)
{
    char scope[512];

    *a_r = (struct registry_answer){0};
    put_scope(r, q->repo, scope, sizeof(scope));
    if (r->shown_for != NULL && strcmp(r->shown_for, scope) != 0) {
        forget_shown(r);
    }
    if (ask_once(r, q, a_r, err) < 0) {
        return -1;
    }
    if (a_r->status == 401 && !q->is_own_api &&
        (log_in(r, a_r, scope, err) < 0 || ask_once(r, q, a_r, err) < 0)) {
        return -1;
    }
    if (a_r->status == 401 || a_r->status == 403) {
        return pg_fail(err, PG_E_DENIED, "%s does not let this login %s %s (%d)", r->host,
                       q->method, q->path, a_r->status);
    }
    return 0;
}

void registry_answer_free(struct registry_answer *a)
{
    pg_buf_free(&a->body);
    head_free(&a->head);
    *a = (struct registry_answer){0};
}

/* ---- opening ------------------------------------------------------------------------------- */

static int check_base(struct registry *r, const char *url, struct pg_err *err)
{
    char place[REGISTRY_HOST_ROOM + 16];
    struct sl text = sl_str(url);

    while (text.n > 0 && text.p[text.n - 1] == '/') {
        text.n--;
    }
    if (url_parse(NULL, text, &r->base, err) < 0) {
        return pg_wrap(err, "--registry");
    }
    bool has_port = r->base.port != (r->base.https ? 443U : 80U);
    int n = has_port ? snprintf(r->host, sizeof(r->host), "%s:%u", r->base.host, r->base.port)
                     : snprintf(r->host, sizeof(r->host), "%s", r->base.host);
    int m = snprintf(place, sizeof(place), "%s://%s/", r->base.https ? "https" : "http", r->host);
    if (n < 0 || (size_t)n >= sizeof(r->host) || m < 0 || (size_t)m >= sizeof(place) ||
        strcmp(r->base.text, place) != 0) {
        return pg_fail(err, PG_E_UPSTREAM_WRONG,
                       "--registry is http:// or https://, a host and a port, and nothing behind "
                       "it: https://registry.acme.example");
    }
    return 0;
}

int registry_open(const char *url, const char *ca, bool deletes, struct registry **r_r,
                  struct pg_err *err)
{
    struct registry *r = calloc(1, sizeof(*r));

    PG_CHECK(r != NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    r->deletes = deletes;
    r->ca = ca != NULL ? sl_dup(sl_str(ca)) : NULL;
    r->curl = curl_easy_init();
    PG_CHECK(r->curl != NULL);
    pg_buf_init(&r->shown, SECRET_HEADER_MAX);
    if (check_base(r, url, err) < 0 || registry_login_find(r->host, &r->secret, err) < 0) {
        registry_close(r);
        return -1;
    }
    *r_r = r;
    return 0;
}

void registry_close(struct registry *r)
{
    if (r == NULL) {
        return;
    }
    curl_easy_cleanup(r->curl);
    secret_clear(&r->secret);
    secret_wipe(&r->shown);
    free(r->shown_for);
    free(r->ca);
    url_free(&r->base);
    free(r);
    curl_global_cleanup();
}

const char *registry_host(const struct registry *r)
{
    return r->host;
}
