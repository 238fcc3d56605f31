/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/probe.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/version.h"
#include "oci/challenge.h"
#include "proxy/upstream/addr.h"
#include "proxy/upstream/realm.h"

#define WAIT_MS      10000L
#define POLL_MS      1000
#define BODY_MAX     ((size_t)256 << 10)
#define HEAD_MAX     ((size_t)64 << 10)
#define SKEW_WARN_S  30
#define SKEW_FAIL_S  300
#define SLOW_MS      2000
#define URL_ROOM     4096
#define WHAT_ROOM    300
#define ARENA_BUDGET ((size_t)64 << 10)

/* One question to one upstream, or to its token service. */
struct probe {
    const struct config_upstream *upstream;
    const struct config_url *at; /* the one of its URLs that is asked, or was first */
    bool is_own;                 /* it goes there, and not to the token service */
    char what[WHAT_ROOM];        /* "registry", "mirror https://mirror.example", "token service" */
    char url[URL_ROOM];
    CURL *curl;
    CURLcode result;
    bool is_refused; /* its address is not public */
    size_t nbytes, nhead;
    char challenge[CHALLENGE_MAX];
    char date[64];
    char error[CURL_ERROR_SIZE];
};

/* ---- asking -------------------------------------------------------------------------------- */

static bool is_set(const char *s)
{
    return s != NULL && s[0] != '\0';
}

static size_t on_bytes(char *p, size_t size, size_t n, void *owner) // NOLINT: libcurl says so
{
    struct probe *probe = owner;

    (void)p;
    probe->nbytes += size * n;
    return probe->nbytes > BODY_MAX ? 0 : size * n;
}

static void keep(char *out, size_t room, const char *p, size_t n)
{
    while (n > 0 && (*p == ' ' || *p == '\t')) {
        p++;
        n--;
    }
    while (n > 0 && strchr("\r\n \t", p[n - 1]) != NULL) {
        n--;
    }
    (void)snprintf(out, room, "%.*s", (int)n, p);
}

/* Of several challenges the first is as good as any. */
static size_t on_header(char *p, size_t size, size_t n, void *owner) // NOLINT: libcurl says so
{
    struct probe *probe = owner;
    const char *colon = memchr(p, ':', size * n);
    struct sl name = {p, colon != NULL ? (size_t)(colon - p) : 0};

    probe->nhead += size * n;
    if (sl_eq_nocase(name, SL("WWW-Authenticate")) && probe->challenge[0] == '\0') {
        keep(probe->challenge, sizeof(probe->challenge), colon + 1, size * n - name.n - 1);
    } else if (sl_eq_nocase(name, SL("Date"))) {
        keep(probe->date, sizeof(probe->date), colon + 1, size * n - name.n - 1);
    }
    return probe->nhead > HEAD_MAX ? 0 : size * n;
}

/* As the server does: to no address that a name could lead it to by mistake. */
static curl_socket_t open_socket(void *owner, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct probe *probe = owner;
    bool any = probe->upstream->upstream_allow_private || is_set(probe->upstream->upstream_proxy);
    bool may = any ? addr_is_host(&a->addr, a->addrlen) : addr_is_public(&a->addr, a->addrlen);

    (void)purpose;
    if (!may) {
        probe->is_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static void set_tls(struct probe *p)
{
    const struct config_upstream *u = p->upstream;
    CURLcode rc = CURLE_OK;

    if (is_set(u->upstream_ca_file)) {
        rc = curl_easy_setopt(p->curl, CURLOPT_CAINFO, u->upstream_ca_file);
    }
    if (rc == CURLE_OK && p->is_own && is_set(u->upstream_client_cert)) {
        rc = curl_easy_setopt(p->curl, CURLOPT_SSLCERT, u->upstream_client_cert);
        rc =
            rc != CURLE_OK ? rc : curl_easy_setopt(p->curl, CURLOPT_SSLKEY, u->upstream_client_key);
    }
    PG_CHECK(rc == CURLE_OK);
}

static void set_up(struct probe *p)
{
    CURL *e = p->curl;
    const struct config_upstream *u = p->upstream;
    const char *proxy = is_set(u->upstream_proxy) ? u->upstream_proxy : "";

    CURLcode rc = curl_easy_setopt(e, CURLOPT_URL, p->url);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_PROXY, proxy);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_NOPROXY, proxy[0] != '\0' ? "" : "*");
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, WAIT_MS);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_USERAGENT, "pullgate/" VERSION_TEXT);
    rc = rc != CURLE_OK
             ? rc
             : curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)u->upstream_connect_timeout);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_bytes);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_WRITEDATA, p);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_HEADERDATA, p);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, p);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_ERRORBUFFER, p->error);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, CURLOPT_PRIVATE, p);
    PG_CHECK(rc == CURLE_OK);
    set_tls(p);
}

/* All of them at the same time: those that do not answer take no longer together than one. */
static void ask_all(struct probe *probes, size_t n)
{
    CURLM *multi = curl_multi_init();
    int running = 0, left;
    CURLMsg *m;

    PG_CHECK(multi != NULL);
    for (size_t i = 0; i < n; i++) {
        probes[i].curl = curl_easy_init();
        PG_CHECK(probes[i].curl != NULL);
        set_up(&probes[i]);
        PG_CHECK(curl_multi_add_handle(multi, probes[i].curl) == CURLM_OK);
    }
    do {
        (void)curl_multi_perform(multi, &running);
        while ((m = curl_multi_info_read(multi, &left)) != NULL) {
            struct probe *p = NULL;
            CURLcode result = m->data.result;
            (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &p);
            p->result = result;
        }
        if (running > 0) {
            (void)curl_multi_poll(multi, NULL, 0, POLL_MS, NULL);
        }
    } while (running > 0);
    for (size_t i = 0; i < n; i++) {
        (void)curl_multi_remove_handle(multi, probes[i].curl);
    }
    (void)curl_multi_cleanup(multi);
}

/* ---- judging ------------------------------------------------------------------------------- */

static const char *remedy_of(const struct probe *p)
{
    switch ((int)p->result) {
    case CURLE_COULDNT_RESOLVE_PROXY:
        return "look at the proxy's name, and at the DNS of this machine";
    case CURLE_SSL_CERTPROBLEM:
        return "look at client_cert and client_key";
    case CURLE_COULDNT_RESOLVE_HOST:
        return "look at the name, and at the DNS of this machine";
    case CURLE_COULDNT_CONNECT:
        return "look at the address, at firewalls, and whether it runs";
    case CURLE_OPERATION_TIMEDOUT:
        return "look at firewalls: packets are dropped on the way, or it is very slow";
    case CURLE_PEER_FAILED_VERIFICATION:
        return "name the authority that signed its certificate: ca_file; or mend its certificate";
    case CURLE_SSL_CACERT_BADFILE:
        return "ca_file must be a PEM file that can be read";
    case CURLE_WRITE_ERROR:
        return "it sends more than a registry would: look at the url";
    default:
        return is_set(p->upstream->upstream_proxy) ? "look at the url, and what its proxy says"
                                                   : "look at the url, and what listens there";
    }
}

/* Without a mirror the rest of an upstream's URLs do. */
static enum doctor_level worst(const struct probe *p)
{
    return p->at->authoritative ? DOCTOR_FAIL : DOCTOR_WARN;
}

static void say_failure(struct doctor *d, const struct probe *p)
{
    if (p->is_refused) {
        doctor_say(d, worst(p), p->upstream->name,
                   "if it is meant to be there: allow_private: true",
                   "%s: its address is private or none of a host, and is not asked", p->what);
        return;
    }
    doctor_say(d, worst(p), p->upstream->name, remedy_of(p), "%s: %s", p->what,
               p->error[0] != '\0' ? p->error : curl_easy_strerror(p->result));
}

static long ms_of(const struct probe *p, CURLINFO what)
{
    curl_off_t us = 0;

    (void)curl_easy_getinfo(p->curl, what, &us);
    return (long)(us / 1000);
}

/* "name 3 ms, connected 12 ms, TLS 40 ms, answer 80 ms" */
static void put_times(const struct probe *p, char *out, size_t room)
{
    long tls_ms = ms_of(p, CURLINFO_APPCONNECT_TIME_T);
    char tls[40] = "";

    if (tls_ms > 0) {
        (void)snprintf(tls, sizeof(tls), "TLS after %ld ms, ", tls_ms);
    }
    (void)snprintf(out, room, "name after %ld ms, connected after %ld ms, %sanswer after %ld ms",
                   ms_of(p, CURLINFO_NAMELOOKUP_TIME_T), ms_of(p, CURLINFO_CONNECT_TIME_T), tls,
                   ms_of(p, CURLINFO_STARTTRANSFER_TIME_T));
}

static void judge_clock(struct doctor *d, const struct probe *p)
{
    time_t theirs = p->date[0] != '\0' ? curl_getdate(p->date, NULL) : -1;
    int64_t ahead_s = pg_clock_wall_s() - (int64_t)theirs;
    int64_t skew_s = ahead_s < 0 ? -ahead_s : ahead_s;

    if (theirs < 0 || skew_s < SKEW_WARN_S) {
        return;
    }
    doctor_say(d, skew_s < SKEW_FAIL_S ? DOCTOR_WARN : DOCTOR_FAIL, p->upstream->name,
               "set the clock of this machine, with NTP; certificates, tokens and ages hang on it",
               "the clock here is %lld s %s of its Date", (long long)skew_s,
               ahead_s > 0 ? "ahead" : "behind");
}

/* 200 and 401 are what a registry says. */
static bool judge_registry(struct doctor *d, const struct probe *p)
{
    char times[200];
    long status = 0;

    if (p->result != CURLE_OK) {
        say_failure(d, p);
        return false;
    }
    (void)curl_easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &status);
    put_times(p, times, sizeof(times));
    if (status == 429) {
        doctor_say(d, DOCTOR_WARN, p->upstream->name, "wait; with an account the limit is higher",
                   "%s asks for patience (429); %s", p->what, times);
    } else if (status != 200 && status != 401) {
        doctor_say(d, status >= 500 ? worst(p) : DOCTOR_WARN, p->upstream->name,
                   "look at the url: below it there should be /v2/",
                   "%s answered %ld, not 200 or 401; %s", p->what, status, times);
    } else {
        bool slow = ms_of(p, CURLINFO_STARTTRANSFER_TIME_T) > SLOW_MS;
        doctor_say(d, slow ? DOCTOR_WARN : DOCTOR_OK, p->upstream->name,
                   slow ? "look at DNS and the way there" : NULL, "%s: %s", p->what, times);
    }
    judge_clock(d, p);
    return status == 401;
}

static void judge_token(struct doctor *d, const struct probe *p)
{
    char times[200];
    long status = 0;

    if (p->result != CURLE_OK) {
        say_failure(d, p);
        return;
    }
    (void)curl_easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &status);
    put_times(p, times, sizeof(times));
    if (status >= 500 || status == 404) {
        doctor_say(d, worst(p), p->upstream->name, "ask who runs it", "%s answered %ld; %s",
                   p->what, status, times);
    } else {
        doctor_say(d, DOCTOR_OK, p->upstream->name, NULL, "%s%s: %s", p->what,
                   status == 200 ? "" : " wants a login", times);
    }
}

/* ---- tokens -------------------------------------------------------------------------------- */

static bool has_login(const struct config_upstream *u)
{
    const char *const options[] = {u->upstream_username, u->upstream_docker_config,
                                   u->upstream_credential_helper};

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (options[i] != NULL && options[i][0] != '\0') {
            return true;
        }
    }
    return false;
}

/* Where the challenge sends us, if it may: *realm_r, to be url_free()'d. */
static bool find_realm(struct doctor *d, const struct probe *p, const struct challenge *c,
                       struct url *realm_r)
{
    const char *text = p->at->text;
    struct pg_err err = {0};
    struct url base = {0};
    bool may = url_parse(NULL, (struct sl){text, strlen(text)}, &base, &err) == 0 &&
               realm_check(p->upstream, &base, c->realm, realm_r, &err) == 0;

    if (!may) {
        doctor_say(d, worst(p), p->upstream->name,
                   "if that host may see its logins, add it to `realms`",
                   "token service " SL_FMT ": %s", SL_ARG(c->realm), err.msg);
    }
    url_free(&base);
    pg_err_clear(&err);
    return may;
}

static void say_basic(struct doctor *d, const struct probe *p)
{
    bool login = has_login(p->upstream);

    doctor_say(d, login ? DOCTOR_OK : DOCTOR_WARN, p->upstream->name,
               login ? NULL : "set username and password_file, or another source of a login",
               "it wants a login by Basic");
}

static void ask_realm(struct doctor *d, const struct probe *registry, const struct challenge *c,
                      struct probe *token)
{
    char *service = curl_easy_escape(NULL, c->service.n > 0 ? c->service.p : "", (int)c->service.n);
    struct url realm = {0};

    if (find_realm(d, registry, c, &realm)) {
        *token = (struct probe){
            .upstream = registry->upstream, .at = registry->at, .what = "token service"};
        (void)snprintf(token->url, sizeof(token->url), "%s%cservice=%s", realm.text,
                       strchr(realm.text, '?') != NULL ? '&' : '?', service != NULL ? service : "");
    }
    url_free(&realm);
    curl_free(service);
}

static void ask_token(struct doctor *d, const struct probe *registry, struct probe *token)
{
    struct sl text = {registry->challenge, strlen(registry->challenge)};
    struct challenge c = {0};
    struct pg_arena arena;
    struct pg_err err = {0};

    pg_arena_init(&arena, ARENA_BUDGET);
    if (text.n == 0 || challenge_parse(text, &arena, &c, &err) < 0) {
        doctor_say(d, DOCTOR_FAIL, registry->upstream->name, "look at the url",
                   "it wants a login and does not say which: %s",
                   err.msg != NULL ? err.msg : "no WWW-Authenticate");
    } else if (c.has_bearer) {
        ask_realm(d, registry, &c, token);
    } else {
        say_basic(d, registry);
    }
    pg_err_clear(&err);
    pg_arena_free(&arena);
}

static void close_all(struct probe *probes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        curl_easy_cleanup(probes[i].curl);
    }
    free(probes);
}

/* Each URL of each upstream; what is another name of an upstream has none. */
static size_t plan(const struct config *c, struct probe *probes)
{
    size_t n = 0;

    for (size_t i = 0; i < c->nupstreams; i++) {
        const struct config_upstream *u = &c->upstreams[i];
        for (size_t k = 0; k < u->nurls; k++) {
            struct probe *p = &probes[n++];
            p->upstream = u;
            p->at = &u->urls[k];
            p->is_own = true;
            (void)snprintf(p->what, sizeof(p->what), "%s%s%s",
                           p->at->authoritative ? "registry" : "mirror", u->nurls > 1 ? " " : "",
                           u->nurls > 1 ? p->at->text : "");
            (void)snprintf(p->url, sizeof(p->url), "%s/v2/", p->at->text);
        }
    }
    return n;
}

static size_t count_urls(const struct config *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->nupstreams; i++) {
        n += c->upstreams[i].nurls;
    }
    return n;
}

void probe_upstreams(struct doctor *d)
{
    size_t n = count_urls(d->config), ntokens = 0;
    struct probe *probes = calloc(n + 1, sizeof(*probes));
    struct probe *tokens = calloc(n + 1, sizeof(*tokens));

    PG_CHECK(probes != NULL && tokens != NULL);
    n = plan(d->config, probes);
    ask_all(probes, n);
    for (size_t i = 0; i < n; i++) {
        if (judge_registry(d, &probes[i])) {
            ask_token(d, &probes[i], &tokens[ntokens]);
            ntokens += tokens[ntokens].upstream != NULL;
        }
    }
    ask_all(tokens, ntokens);
    for (size_t i = 0; i < ntokens; i++) {
        judge_token(d, &tokens[i]);
    }
    close_all(probes, n);
    close_all(tokens, ntokens);
}
