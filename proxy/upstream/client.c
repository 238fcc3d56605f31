/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/client_int.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/metric.h"
#include "proxy/upstream/addr.h"
#include "proxy/upstream/reach_int.h"

#define USER_AGENT    "pullgate/" PG_VERSION
#define IDLE_S_MAX    60L  /* an idle connection is not used after this */
#define AGE_S_MAX     600L /* nor one of this age */
#define RECEIVE_BYTES (128L * 1024)
#define WATCH_MS_MAX  1000
#define WATCH_MS_MIN  20
#define BACKLOG_MIN   ((uint64_t)32 * 1024)
#define BACKLOG_MAX   ((uint64_t)4 * 1024 * 1024)
#define SILENT_MS_MIN 1500 /* two SYN */

struct client {
    const struct config_upstream *upstream;
    const struct url *base; /* its own URL */
    struct health *health;
    struct client_pace *pace;
    CURLM *multi;
    uv_loop_t *uv;
    uv_timer_t timer;     /* libcurl's */
    uv_timer_t watchdog;  /* while calls are under way: which of them do not move? */
    unsigned open_timers; /* while it closes */
    struct pg_list calls;
    struct reach reach;
};

/* One for each socket that libcurl wants watched. */
struct watch {
    uv_poll_t poll;
    struct client *client;
    curl_socket_t fd;
    bool connected;
};

static enum client_fault fault_of(CURLcode code, bool connected, long os_errno)
{
    switch ((int)code) {
    case CURLE_OK:
        return CLIENT_FINE;
    case CURLE_COULDNT_RESOLVE_HOST:
        return CLIENT_ABSENT;
    case CURLE_COULDNT_CONNECT:
        return os_errno == ETIMEDOUT ? CLIENT_GONE : CLIENT_ABSENT;
    case CURLE_OPERATION_TIMEDOUT:
        return connected ? CLIENT_SILENT : CLIENT_GONE;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return CLIENT_BROKEN;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_USE_SSL_FAILED:
        return CLIENT_TLS;
    default:
        return CLIENT_WRONG;
    }
}

/* What is no HTTP on a connection that was kept is the rest of an answer before: a body to a HEAD,
 * say. On a new one the same question may well be answered. */
static bool is_leftover(CURLcode code, CURL *easy)
{
    long made = 1;

    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &made);
    return made == 0 && (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY);
}

/* libcurl is content with a head that breaks off, once it has a status. */
static bool is_cut(const struct client_call *call, CURLcode code)
{
    return code == CURLE_OK && !call->head.over;
}

/* What an operator has to know of it; the client may see it. */
static const char *tls_fault(const struct client_call *call)
{
    long verdict = X509_V_OK;

    curl_easy_getinfo(call->easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
    return verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : "the handshake failed";
}

static bool is_refused_by_proxy(CURL *easy, long *answer_r)
{
    *answer_r = 0;
    curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, answer_r);
    return *answer_r >= 300;
}

/* Says in words what the fault is, unless on_head or on_data has said it already. */
static void note_end(struct client_call *call, CURLcode code)
{
    curl_off_t ready_us = 0, retry_after_s = 0;
    long os_errno = 0, answer = 0;

    curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
    curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    call->retry_after_s = retry_after_s > INT32_MAX ? INT32_MAX : (int)retry_after_s;
    if (call->err.kind != PG_E_NONE) {
        call->fault = call->fault == CLIENT_FINE ? CLIENT_NO : call->fault;
        return;
    }
    call->fault = is_leftover(code, call->easy) || is_cut(call, code)
                      ? CLIENT_BROKEN
                      : fault_of(code, ready_us > 0, os_errno);
    if (call->denied && (call->fault == CLIENT_ABSENT || call->fault == CLIENT_GONE))
        call->fault = CLIENT_WRONG;
    if (call->fault == CLIENT_FINE)
        return;
    if (call->skipped && call->fault == CLIENT_ABSENT)
        reach_clear(&call->client->reach);
    if (call->denied)
        pg_fail(&call->err, PG_E_UPSTREAM_WRONG, "upstream led to an address that is not allowed");
    else if (is_refused_by_proxy(call->easy, &answer)) {
        call->fault = CLIENT_ABSENT;
        pg_fail(&call->err, PG_E_UPSTREAM_DOWN, "the proxy of upstream %s answers %ld",
                call->client->upstream->name, answer);
    } else if (call->fault == CLIENT_TLS)
        pg_fail(&call->err, PG_E_UPSTREAM_TLS, "no secure connection to upstream %s: %s",
                call->client->upstream->name, tls_fault(call));
    else if (call->fault == CLIENT_WRONG)
        pg_fail(&call->err, PG_E_UPSTREAM_WRONG, "upstream's answer is not proper HTTP");
    else if (call->fault == CLIENT_SILENT)
        pg_fail(&call->err, PG_E_TIMEOUT, "upstream %s does not answer in time",
                call->client->upstream->name);
    else if (call->fault == CLIENT_BROKEN)
        pg_fail(&call->err, PG_E_UPSTREAM_DOWN, "upstream broke off the connection");
    else
        pg_fail(&call->err, PG_E_UPSTREAM_DOWN, "no connection to upstream %s",
                call->client->upstream->name);
    pg_detail(&call->err, "%s",
              call->says[0] != '\0' ? call->says
              : is_cut(call, code)  ? "in the head of its answer"
                                    : curl_easy_strerror(code));
}

static void drop_easy(struct client_call *call)
{
    PG_CHECK(curl_multi_remove_handle(call->client->multi, call->easy) == CURLM_OK);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    call->easy = NULL;
    call->headers = NULL;
    pg_list_remove(&call->node);
    pg_list_remove(&call->pace_node);
    if (pg_list_empty(&call->client->calls))
        uv_timer_stop(&call->client->watchdog);
}

static void end_those_done(struct client *c)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(c->multi, &left)) != NULL) {
        struct client_call *call = NULL;

        PG_CHECK(msg->msg == CURLMSG_DONE);
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        note_end(call, msg->data.result);
        drop_easy(call);
        call->events->on_done(call); /* may free it, start others and stop others */
    }
}

/* Does it stand still, or nearly so? What is paused waits for us; what is not connected yet has
 * libcurl's time to connect. */
static bool is_stuck(struct client_call *call, uint64_t now, uint64_t stall_ms)
{
    curl_off_t ready_us = 0;

    if (call->err.kind != PG_E_NONE) /* said no while it was resumed */
        return true;
    curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    if (ready_us == 0 || call->paused || !call->connected) {
        call->connected = ready_us > 0;
        call->moved_ms = call->window_ms = now;
        call->moved_bytes = call->window_bytes = call->nbytes;
        return false;
    }
    if (call->nbytes > call->moved_bytes) {
        call->moved_ms = now;
        call->moved_bytes = call->nbytes;
    }
    if (now - call->moved_ms >= stall_ms)
        return true;
    if (now - call->window_ms < stall_ms)
        return false;
    if (call->nbytes - call->window_bytes < CLIENT_SLOW_BYTES_S * (now - call->window_ms) / 1000)
        return true;
    call->window_ms = now;
    call->window_bytes = call->nbytes;
    return false;
}

static struct client_call *next_stuck(struct client *c)
{
    uint64_t now = uv_now(c->uv);

    pg_list_each_safe (node, next, &c->calls) {
        struct client_call *call = pg_container_of(node, struct client_call, node);

        if (is_stuck(call, now, c->upstream->upstream_stall_timeout))
            return call;
    }
    return NULL;
}

static void on_watchdog(uv_timer_t *timer)
{
    struct client *c = pg_container_of(timer, struct client, watchdog);
    struct client_call *call;

    while ((call = next_stuck(c)) != NULL) {
        drop_easy(call);
        call->fault = call->err.kind == PG_E_NONE ? CLIENT_SILENT : CLIENT_NO;
        if (call->fault == CLIENT_SILENT)
            pg_fail(&call->err, PG_E_TIMEOUT, "upstream %s does not answer in time",
                    call->client->upstream->name);
        call->events->on_done(call);
    }
}

static void start_watchdog(struct client *c)
{
    uint64_t ms = c->upstream->upstream_stall_timeout / 4;

    ms = ms < WATCH_MS_MIN ? WATCH_MS_MIN : ms > WATCH_MS_MAX ? WATCH_MS_MAX : ms;
    if (!uv_is_active((uv_handle_t *)&c->watchdog))
        uv_timer_start(&c->watchdog, on_watchdog, ms, ms);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = pg_container_of(poll, struct watch, poll);
    struct client *c = w->client;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0, running;

    flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    curl_multi_socket_action(c->multi, w->fd, flags, &running);
    end_those_done(c);
}

static void on_timer(uv_timer_t *timer)
{
    struct client *c = pg_container_of(timer, struct client, timer);
    int running;

    curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    end_those_done(c);
}

static int set_timer(CURLM *multi, long timeout_ms, void *userp)
{
    struct client *c = userp;

    (void)multi;
    if (timeout_ms < 0)
        uv_timer_stop(&c->timer);
    else
        uv_timer_start(&c->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void free_watch(uv_handle_t *handle)
{
    free(pg_container_of(handle, struct watch, poll));
}

/* How long the other side may be silent to what was sent, a SYN above all. libcurl's own way to the
 * next address of a host is to wait for another timer. Not all that it watches is a connection. */
static void limit_silence(curl_socket_t fd, unsigned ms)
{
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

/* What a paced transfer does not take piles up in the kernel: a quarter of a second of it at most.
 */
static void limit_backlog(curl_socket_t fd, uint64_t bytes_s)
{
    uint64_t most = bytes_s / 4 < BACKLOG_MAX ? bytes_s / 4 : BACKLOG_MAX;
    int bytes = (int)(most > BACKLOG_MIN ? most : BACKLOG_MIN);

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static int set_watch(CURL *easy, curl_socket_t fd, int what, void *userp, void *socketp)
{
    struct client *c = userp;
    struct watch *w = socketp;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            curl_multi_assign(c->multi, fd, NULL);
            uv_poll_stop(&w->poll);
            uv_close((uv_handle_t *)&w->poll, free_watch);
        }
        return 0;
    }
    if (w == NULL) {
        w = calloc(1, sizeof(*w));
        PG_CHECK(w != NULL);
        w->client = c;
        w->fd = fd;
        PG_CHECK(uv_poll_init_socket(c->uv, &w->poll, fd) == 0);
        PG_CHECK(curl_multi_assign(c->multi, fd, w) == CURLM_OK);
    }
    if (!w->connected && (what & CURL_POLL_IN) != 0) {
        w->connected = true;
        limit_silence(fd, 0);
    }
    events |= (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    PG_CHECK(uv_poll_start(&w->poll, events, on_poll) == 0);
    return 0;
}

/* Where there is a proxy, that is the only one that is connected to: the operator's own word. */
static bool may_connect(const struct config_upstream *up, const struct curl_sockaddr *address)
{
    bool any =
        up->upstream_allow_private || (up->upstream_proxy != NULL && up->upstream_proxy[0] != '\0');

    return any ? addr_is_host(&address->addr, address->addrlen)
               : addr_is_public(&address->addr, address->addrlen);
}

/* libcurl tries a host's addresses one after the other, those of IPv4 beside those of IPv6. */
static bool is_silent(struct client_call *call, const struct curl_sockaddr *address)
{
    struct reach *r = &call->client->reach;
    struct client_opening *o = &call->opening[address->family == AF_INET6];
    uint64_t now = pg_clock_mono_ms();

    if (o->n > 0 && now - o->at_ms >= REACH_SILENT_MS)
        reach_note(r, (const struct sockaddr *)&o->address, o->n, now);
    if (reach_avoids(r, &address->addr, address->addrlen, now)) {
        call->skipped = true;
        return true;
    }
    if (address->addrlen <= sizeof(o->address)) {
        *o = (struct client_opening){.n = address->addrlen, .at_ms = now};
        memcpy(&o->address, &address->addr, address->addrlen);
    }
    return false;
}

/* The one place where an address becomes a connection. */
static curl_socket_t open_socket(void *userp, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct client_call *call = userp;
    uint64_t ms = call->client->upstream->upstream_connect_timeout / 4;
    int fd;

    (void)purpose;
    if (!may_connect(call->client->upstream, address)) {
        call->denied = true;
        return CURL_SOCKET_BAD;
    }
    if (is_silent(call, address))
        return CURL_SOCKET_BAD;
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0 && call->client->pace->pace.bytes_s != 0)
        limit_backlog(fd, call->client->pace->pace.bytes_s);
    if (fd >= 0)
        limit_silence(fd, ms > SILENT_MS_MIN ? (unsigned)ms : SILENT_MS_MIN);
    return fd;
}

/* In turn: each goes on by one piece, and then to the end of the line if that was all. */
static void go_on(struct delay *d)
{
    struct client_pace *p = pg_container_of(d, struct client_pace, again);

    while (!pg_list_empty(&p->waiting) && pace_may(&p->pace, false, pg_clock_mono_ms())) {
        struct client_call *call = pg_container_of(p->waiting.next, struct client_call, pace_node);

        pg_list_remove(&call->pace_node);
        client_resume(call);
    }
    if (!pg_list_empty(&p->waiting) && pg_list_empty(&p->again.node))
        delay_start(p->delays, &p->again, pace_wait_ms(&p->pace), go_on);
}

/* False: it is in line, and its bytes come again. */
static bool keeps_pace(struct client_call *call)
{
    struct client_pace *p = call->client->pace;

    if (pace_may(&p->pace, !call->large, pg_clock_mono_ms()))
        return true;
    pg_list_push(&p->waiting, &call->pace_node);
    if (pg_list_empty(&p->again.node))
        delay_start(p->delays, &p->again, pace_wait_ms(&p->pace), go_on);
    return false;
}

void client_pace_open(struct client_pace *p, uint64_t bytes_s, struct delays *delays)
{
    *p = (struct client_pace){.delays = delays};
    pace_init(&p->pace, bytes_s, pg_clock_mono_ms());
    pg_list_init(&p->waiting);
    delay_init(&p->again);
}

void client_pace_close(struct client_pace *p)
{
    PG_CHECK(pg_list_empty(&p->waiting));
    delay_stop(&p->again);
}

/* libcurl wants these two with a pointer to what it may change. */
static size_t on_header(char *p, size_t size, size_t n, void *userp) // NOLINT
{
    struct client_call *call = userp;

    call->nbytes += size * n;
    switch (head_line(&call->head, (struct sl){p, size * n}, &call->err)) {
    case 0:
        return n;
    case 1:
        return call->events->on_head(call) ? n : 0;
    default:
        call->fault = CLIENT_WRONG;
        return 0;
    }
}

static size_t on_body(char *p, size_t size, size_t n, void *userp) // NOLINT
{
    struct client_call *call = userp;

    if (call->err.kind != PG_E_NONE) /* refused before, while libcurl was being resumed */
        return 0;
    if (!keeps_pace(call)) {
        call->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    switch (call->events->on_data(call, (struct sl){p, size * n})) {
    case CLIENT_TAKEN:
        call->nbytes += n;
        pace_take(&call->client->pace->pace, n);
        pg_metric_add(PG_M_BYTES_FETCHED, (int64_t)n);
        atomic_fetch_add_explicit(&call->client->health->bytes, n, memory_order_relaxed);
        return n;
    case CLIENT_FULL:
        call->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    case CLIENT_REFUSED:
        break;
    }
    PG_CHECK(call->err.kind != PG_E_NONE);
    return 0;
}

/* Everything that libcurl would do by itself is switched off; what is left is one request. */
static void set_manners(CURL *e, const struct client *c)
{
    const struct config_upstream *up = c->upstream;

    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, c->base->https ? "https" : "https,http");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(e, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, NULL);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(e, CURLOPT_USERAGENT, USER_AGENT);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* does not wait for a resolver that hangs */
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)up->upstream_connect_timeout);
    curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, IDLE_S_MAX);
    curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, AGE_S_MAX);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
}

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* Whom we believe, and who we are; that only where the upstream itself is. */
static void set_tls(CURL *e, const struct client *c, const char *url)
{
    const struct config_upstream *up = c->upstream;
    struct url to = {0};
    struct pg_err err = {0};

    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(e, CURLOPT_CAPATH, NULL); /* with a directory libcurl keeps no parsed CAs */
    if (is_set(up->upstream_ca_file))
        curl_easy_setopt(e, CURLOPT_CAINFO, up->upstream_ca_file);
    if (is_set(up->upstream_client_cert) &&
        url_parse(NULL, (struct sl){url, strlen(url)}, &to, &err) == 0 &&
        url_same_place(&to, c->base) && to.https) {
        curl_easy_setopt(e, CURLOPT_SSLCERT, up->upstream_client_cert);
        curl_easy_setopt(e, CURLOPT_SSLKEY, up->upstream_client_key);
    }
    url_free(&to);
    pg_err_clear(&err);
}

/* Never one of the environment's. Through the configured one https goes by CONNECT, of which the
 * proxy sees host and port. */
static void set_proxy(CURL *e, const struct config_upstream *up)
{
    curl_easy_setopt(e, CURLOPT_PROXY, is_set(up->upstream_proxy) ? up->upstream_proxy : "");
    curl_easy_setopt(e, CURLOPT_NOPROXY, is_set(up->upstream_proxy) ? "" : "*");
    curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(e, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
}

int client_may_go(const struct client *c, const struct url *to, struct pg_err *err)
{
    if (!is_set(c->upstream->upstream_proxy) ||
        addr_may_name(to->host, c->upstream->upstream_allow_private))
        return 0;
    return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream led to an address that is not allowed");
}

static void set_calls(CURL *e, struct client_call *call)
{
    curl_easy_setopt(e, CURLOPT_PRIVATE, call);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->says);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
}

/* libcurl sends a header as it is. */
static void add_header(struct client_call *call, const char *header)
{
    struct curl_slist *longer;

    for (const char *p = header; *p != '\0'; p++) {
        PG_CHECK((*p >= ' ' && *p < 0x7f) || *p == '\t');
    }
    longer = curl_slist_append(call->headers, header);
    PG_CHECK(longer != NULL);
    call->headers = longer;
}

struct client *client_new(uv_loop_t *uv, const struct config_upstream *upstream,
                          const struct url *base, struct health *health, struct client_pace *pace)
{
    struct client *c = calloc(1, sizeof(*c));

    PG_CHECK(c != NULL);
    c->upstream = upstream;
    c->base = base;
    c->health = health;
    c->pace = pace;
    c->uv = uv;
    pg_list_init(&c->calls);
    PG_CHECK(uv_timer_init(uv, &c->timer) == 0);
    PG_CHECK(uv_timer_init(uv, &c->watchdog) == 0);
    c->multi = curl_multi_init();
    PG_CHECK(c->multi != NULL);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, set_watch);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)upstream->upstream_max_connections);
    return c;
}

static void on_closed(uv_handle_t *timer)
{
    struct client *c = timer->data;

    if (--c->open_timers == 0)
        free(c);
}

void client_close(struct client *c)
{
    PG_CHECK(pg_list_empty(&c->calls));
    PG_CHECK(curl_multi_cleanup(c->multi) == CURLM_OK);
    c->open_timers = 2;
    c->timer.data = c->watchdog.data = c;
    uv_close((uv_handle_t *)&c->timer, on_closed);
    uv_close((uv_handle_t *)&c->watchdog, on_closed);
}

void client_call_init(struct client_call *call, const struct client_events *events, void *owner)
{
    *call = (struct client_call){.events = events, .owner = owner};
    head_init(&call->head);
    pg_list_init(&call->node);
    pg_list_init(&call->pace_node);
}

void client_call_free(struct client_call *call)
{
    PG_CHECK(call->easy == NULL);
    head_free(&call->head);
    pg_err_clear(&call->err);
}

void client_start(struct client *c, struct client_call *call, const struct client_order *order)
{
    CURL *e = curl_easy_init();

    PG_CHECK(e != NULL && call->easy == NULL);
    head_free(&call->head);
    head_init(&call->head);
    pg_err_clear(&call->err);
    call->client = c;
    call->easy = e;
    call->denied = call->skipped = call->connected = call->paused = false;
    memset(call->opening, 0, sizeof(call->opening));
    call->large = order->large;
    call->nbytes = 0;
    call->fault = CLIENT_FINE;
    call->retry_after_s = 0;
    call->says[0] = '\0';
    set_manners(e, c);
    set_proxy(e, c->upstream);
    set_tls(e, c, order->url);
    set_calls(e, call);
    add_header(call, "Accept-Encoding: identity");
    for (size_t i = 0; i < CLIENT_HEADERS_MAX; i++) {
        if (order->headers[i] != NULL)
            add_header(call, order->headers[i]);
    }
    PG_CHECK(curl_easy_setopt(e, CURLOPT_URL, order->url) == CURLE_OK);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(e, CURLOPT_NOBODY, order->head ? 1L : 0L);
    if (order->form.p != NULL) {
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)order->form.n);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, order->form.p);
    }
    curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, order->fresh ? 1L : 0L);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)order->timeout_ms);
    PG_CHECK(curl_multi_add_handle(c->multi, e) == CURLM_OK);
    pg_list_push(&c->calls, &call->node);
    start_watchdog(c);
    pg_metric_inc(PG_M_UPSTREAM_REQUESTS);
    atomic_fetch_add_explicit(&c->health->requests, 1, memory_order_relaxed);
}

void client_stop(struct client_call *call)
{
    if (call->easy != NULL)
        drop_easy(call);
}

void client_resume(struct client_call *call)
{
    if (call->easy == NULL || !pg_list_empty(&call->pace_node)) /* the pace resumes it */
        return;
    call->paused = false;
    curl_easy_pause(call->easy, CURLPAUSE_CONT);
    if (call->err.kind != PG_E_NONE) /* libcurl would notice with the next byte */
        uv_timer_start(&call->client->watchdog, on_watchdog, 0, WATCH_MS_MAX);
}
