/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/intake.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/guarded.h"
#include "base/hash.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/metric.h"
#include "proxy/admit/result.h"
#include "proxy/http/head.h"
#include "proxy/http/tls.h"

#define PATH        "/api/v1/scans/"
#define ANSWER_MAX  ((size_t)8192)
#define DRAIN_MS    2000
#define LOOK_MS     500 /* how often one that waits looks whether it is to stop */
#define DRAIN_BYTES ((size_t)1 << 20)
#define GO_ON       "HTTP/1.1 100 Continue\r\n\r\n"

struct intake {
    struct conn_door door;
    struct conn_service service;
    struct config holder; /* whose scans are a copy */
    struct tls_server *tls;
    struct store *store;
    struct trail *trail;
    int pipe[2]; /* of descriptors, as numbers */
    atomic_uint nqueued;
    atomic_bool stops;
    pthread_t threads[INTAKE_THREADS];
    size_t nthreads;
};

/* One request. */
struct visit {
    struct intake *intake;
    SSL *ssl;
    int fd;
    uint64_t until_ms;
    char bytes[CONN_HEAD_MAX];
    size_t n; /* of them that came: the head, and the beginning of the body */
    struct conn_header headers[CONN_HEADERS_MAX];
    struct head head;
    const struct config_source *source; /* whose token it is */
    struct digest digest;
    bool is_static;
    struct pg_buf body;
    const char *code; /* of an error */
    int status;
    struct pg_buf answer;
};

/* ---- bytes --------------------------------------------------------------------------------- */

/* 1: try again; -1: it is too late, or broken. */
static int wait_for(const struct visit *v, int rc)
{
    int what = SSL_get_error(v->ssl, rc);
    uint64_t now_ms = pg_clock_mono_ms();
    struct pollfd p = {.fd = v->fd, .events = what == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN};
    uint64_t left_ms = now_ms < v->until_ms ? v->until_ms - now_ms : 0;

    ERR_clear_error();
    if ((what != SSL_ERROR_WANT_READ && what != SSL_ERROR_WANT_WRITE) || left_ms == 0 ||
        atomic_load(&v->intake->stops)) {
        return -1;
    }
    return poll(&p, 1, (int)(left_ms < LOOK_MS ? left_ms : LOOK_MS)) < 0 && errno != EINTR ? -1 : 1;
}

static int shake_hands(const struct visit *v)
{
    int rc;

    while ((rc = SSL_do_handshake(v->ssl)) != 1) {
        if (wait_for(v, rc) < 0) {
            return -1;
        }
    }
    return 0;
}

/* How many; 0: no more come in time. */
static size_t take(const struct visit *v, char *bytes, size_t max)
{
    int rc;

    while ((rc = SSL_read(v->ssl, bytes, (int)(max < 65536 ? max : 65536))) <= 0) {
        if (wait_for(v, rc) < 0) {
            return 0;
        }
    }
    return (size_t)rc;
}

static int give(const struct visit *v, struct sl bytes)
{
    while (bytes.n > 0) {
        int rc = SSL_write(v->ssl, bytes.p, (int)bytes.n);
        if (rc > 0) {
            bytes = (struct sl){bytes.p + rc, bytes.n - (size_t)rc};
        } else if (wait_for(v, rc) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- answers ------------------------------------------------------------------------------- */

static int refuse(struct visit *v, int status, const char *code, struct sl why)
{
    v->status = status;
    v->code = code;
    (void)pg_buf_printf(&v->answer, "{\"error\":{\"code\":\"%s\",\"message\":", code);
    (void)pg_buf_put_json(&v->answer, why);
    (void)pg_buf_put(&v->answer, SL("}}\n"));
    return -1;
}

static const char *name_of(int status)
{
    static const struct {
        int status;
        const char *name;
    } names[] = {{201, "Created"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {408, "Request Timeout"},
                 {411, "Length Required"},
                 {413, "Content Too Large"},
                 {415, "Unsupported Media Type"},
                 {503, "Service Unavailable"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].status == status) {
            return names[i].name;
        }
    }
    return "Error";
}

static void answer(struct visit *v)
{
    struct pg_buf out;

    pg_buf_init(&out, 2 * ANSWER_MAX);
    (void)pg_buf_printf(&out,
                        "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: "
                        "%zu\r\nConnection: close\r\n%s%s\r\n",
                        v->status, name_of(v->status), v->answer.n,
                        v->status == 401 ? "WWW-Authenticate: Bearer\r\n" : "",
                        v->status == 405 ? "Allow: PUT\r\n" : "");
    (void)pg_buf_put(&out, pg_buf_sl(&v->answer));
    (void)give(v, pg_buf_sl(&out));
    pg_buf_free(&out);
}

/* What was not read would make the end a reset, and the answer might be lost by it. */
static void part(struct visit *v)
{
    char bytes[16384];
    size_t n, all = 0;

    v->until_ms = pg_clock_mono_ms() + DRAIN_MS;
    (void)SSL_shutdown(v->ssl);
    ERR_clear_error();
    while (all < DRAIN_BYTES && (n = take(v, bytes, sizeof(bytes))) > 0) {
        all += n;
    }
}

/* ---- who ----------------------------------------------------------------------------------- */

static int read_token(const char *file, uint8_t hash[32], struct pg_err *err)
{
    struct pg_buf text;

    pg_buf_init(&text, INTAKE_TOKEN_MAX);
    int rc = pg_guarded_read(file, PG_GUARDED_GROUP, &text, err);
    struct sl token = pg_buf_sl(&text);

    while (rc == 0 && token.n > 0 &&
           (token.p[token.n - 1] == '\n' || token.p[token.n - 1] == '\r')) {
        token.n--;
    }
    if (rc == 0 && token.n < INTAKE_TOKEN_MIN) {
        rc = pg_fail(err, PG_E_STORE_IO, "%s: a token has to have %d characters or more", file,
                     INTAKE_TOKEN_MIN);
    }
    if (rc == 0) {
        const struct digest d = digest_of(PG_SHA256, token);
        memcpy(hash, d.bytes, 32);
    }
    if (text.p != NULL) {
        OPENSSL_cleanse(text.p, text.n);
    }
    pg_buf_free(&text);
    return rc;
}

static struct sl header(const struct head *h, struct sl name)
{
    struct sl found = {NULL, 0};

    for (size_t i = 0; i < h->nheaders && found.p == NULL; i++) {
        if (conn_header_is(h->headers[i].name, name)) {
            found = h->headers[i].value;
        }
    }
    return found;
}

static int find_source(struct visit *v)
{
    const struct config_scans *c = &v->intake->holder.scans;
    struct sl value = header(&v->head, SL("Authorization"));
    struct sl token = sl_starts(value, SL("Bearer ")) ? (struct sl){value.p + 7, value.n - 7}
                                                      : (struct sl){"", 0};
    const struct digest d = digest_of(PG_SHA256, token);

    for (size_t i = 0; i < c->nsources; i++) { /* all of them, whichever it is */
        uint8_t hash[32] = {0};
        struct pg_err err = {0};
        bool is_read = read_token(c->sources[i].token_file, hash, &err) == 0;
        if (!is_read) {
            pg_log_say(PG_LOG_ERROR, PG_LOG_CONFIG, "the token of source %s: %s",
                       c->sources[i].name, err.msg);
            pg_err_clear(&err);
        }
        if (CRYPTO_memcmp(hash, d.bytes, 32) == 0 && is_read && token.n > 0) {
            v->source = &c->sources[i];
        }
    }
    return v->source != NULL
               ? 0
               : refuse(v, 401, "unauthorized",
                        SL("send the token of a source: Authorization: Bearer TOKEN"));
}

/* ---- what ---------------------------------------------------------------------------------- */

static int read_target(struct visit *v)
{
    struct sl target = v->head.target, path = target, query = {"", 0};
    const char *mark = memchr(target.p, '?', target.n);
    struct pg_err err = {0};

    if (mark != NULL) {
        path.n = (size_t)(mark - target.p);
        query = (struct sl){mark + 1, target.n - path.n - 1};
    }
    if (!sl_starts(path, SL(PATH))) {
        return refuse(v, 404, "not_found", SL("only " PATH "sha256:DIGEST is here"));
    }
    if (!sl_eq(v->head.method, SL("PUT"))) {
        return refuse(v, 405, "method", SL("reports are brought by PUT"));
    }
    v->is_static = sl_eq(query, SL("static=true"));
    if (query.n > 0 && !v->is_static) {
        return refuse(v, 400, "query", SL("the only query is ?static=true"));
    }
    path = (struct sl){path.p + strlen(PATH), path.n - strlen(PATH)};
    if (!sl_starts(path, SL("sha256:")) || digest_parse(path, &v->digest, &err) < 0) {
        pg_err_clear(&err);
        return refuse(v, 400, "digest",
                      SL("behind " PATH " stands the digest of an image's manifest, sha256: and "
                         "64 hexadecimal digits"));
    }
    return 0;
}

static bool is_json(struct sl type)
{
    const char *end = type.n > 0 ? memchr(type.p, ';', type.n) : NULL;
    struct sl t = {type.p, end != NULL ? (size_t)(end - type.p) : type.n};

    while (t.n > 0 && t.p[t.n - 1] == ' ') {
        t.n--;
    }
    return t.n == 0 || sl_eq(t, SL("application/json")) ||
           (sl_starts(t, SL("application/")) && t.n > 17 && memcmp(t.p + t.n - 5, "+json", 5) == 0);
}

static int check_body(struct visit *v)
{
    if (!is_json(header(&v->head, SL("Content-Type")))) {
        return refuse(v, 415, "media_type",
                      SL("a report is JSON: Content-Type: application/json, or one that ends in "
                         "+json"));
    }
    if (v->head.body != HEAD_BODY_LENGTH || v->head.body_length == 0) {
        return refuse(v, 411, "length", SL("the report is the body, with its Content-Length"));
    }
    if (v->head.body_length > REPORT_BYTES_MAX) {
        return refuse(v, 413, "too_large", SL("a report has at most 32 MiB"));
    }
    return 0;
}

static int read_body(struct visit *v)
{
    size_t want = (size_t)v->head.body_length, n = v->n - v->head.length;
    char bytes[16384];

    pg_buf_init(&v->body, REPORT_BYTES_MAX);
    v->until_ms = pg_clock_mono_ms() + INTAKE_BODY_MS;
    (void)pg_buf_put(&v->body, (struct sl){v->bytes + v->head.length, n < want ? n : want});
    if (v->head.expects && give(v, SL(GO_ON)) < 0) {
        return -1;
    }
    while (v->body.n < want) {
        size_t left = want - v->body.n;
        n = take(v, bytes, left < sizeof(bytes) ? left : sizeof(bytes));
        if (n == 0) {
            return refuse(v, 408, "timeout", SL("the report did not come in a minute"));
        }
        (void)pg_buf_put(&v->body, (struct sl){bytes, n});
    }
    return 0;
}

/* ---- the report ---------------------------------------------------------------------------- */

static void put_taken(struct visit *v, const struct report *r)
{
    char text[DIGEST_TEXT_MAX];

    v->status = 201;
    (void)pg_buf_printf(
        &v->answer, "{\"digest\":\"%s\",\"source\":\"%s\",\"format\":\"%s\",\"findings\":{",
        digest_write(&v->digest, text).p, v->source->name, report_format_name(r->format));
    for (unsigned s = SEVERITY_N; s-- > 0;) {
        (void)pg_buf_printf(&v->answer, "\"%s\":%zu%s", severity_word((enum severity)s),
                            r->counts[s] + r->suppressed[s], s > 0 ? "," : "}}\n");
    }
}

static int keep(struct visit *v, const struct report *r)
{
    const struct result_news news = {
        .kind = RESULT_PUSHED, .report = r, .now_s = pg_clock_wall_s()};
    struct pg_err err = {0};

    if (result_put(v->intake->store, &v->digest, sl_str(v->source->name), &news, &err) == 0) {
        put_taken(v, r);
        return 0;
    }
    int status = err.kind == PG_E_DENIED ? 403 : err.kind == PG_E_TOO_LARGE ? 413 : 503;
    (void)refuse(v, status,
                 status == 403   ? "sources"
                 : status == 413 ? "too_large"
                                 : "store",
                 sl_str(err.msg));
    pg_err_clear(&err);
    return -1;
}

static int judge(struct visit *v)
{
    const struct report_want want = {.digest = &v->digest, .is_static = v->is_static};
    struct pg_arena arena;
    struct report r;
    int rc;

    pg_arena_init(&arena, REPORT_ARENA_BYTES);
    report_read(pg_buf_sl(&v->body), &want, &arena, &r);
    rc = r.reason == REPORT_GOOD ? keep(v, &r)
                                 : refuse(v, r.reason == REPORT_TOO_LARGE ? 413 : 400,
                                          report_reason_code(r.reason), r.why);
    pg_arena_free(&arena);
    return rc;
}

/* ---- a visit ------------------------------------------------------------------------------- */

/* 0; 1: nobody is there to be answered; -1: refused. */
static int read_head(struct visit *v)
{
    struct pg_err err = {0};
    int rc = 0;

    head_begin(&v->head, v->headers);
    while (rc == 0) {
        size_t n = v->n < sizeof(v->bytes) ? take(v, v->bytes + v->n, sizeof(v->bytes) - v->n) : 0;
        if (n == 0) {
            return v->n < sizeof(v->bytes) ? 1 : refuse(v, 400, "head", SL("the head is too long"));
        }
        v->n += n;
        rc = head_feed(&v->head, (struct sl){v->bytes, v->n}, &err);
    }
    if (rc > 0) {
        return 0;
    }
    (void)refuse(v, pg_err_http(err.kind), "head", sl_str(err.msg));
    pg_err_clear(&err);
    return -1;
}

/* Who is known did something, or tried to. */
static void record(const struct visit *v, struct sl digest)
{
    struct entry e = {.kind = ENTRY_ACT};
    struct sockaddr_storage from = {0};
    socklen_t length = sizeof(from);
    char address[PG_IP_TEXT_MAX] = "";
    uint16_t port = 0;
    struct pg_ip ip;

    if (getpeername(v->fd, (struct sockaddr *)&from, &length) == 0 &&
        pg_ip_of(&from, &ip, &port) == 0) {
        pg_ip_text(&ip, port, address);
    }
    e.text[ENTRY_TEXT_CALLER] = sl_str(v->source->name);
    e.text[ENTRY_TEXT_ADDRESS] = sl_str(address);
    e.text[ENTRY_TEXT_ACT] = SL("scan report");
    e.text[ENTRY_TEXT_DIGEST] = digest;
    e.text[ENTRY_TEXT_RESULT] = v->code == NULL ? SL("ok") : sl_str(v->code);
    e.number[ENTRY_NUMBER_BYTES] = v->body.n;
    trail_note(v->intake->trail, &e);
}

static void tell(const struct visit *v)
{
    char text[DIGEST_TEXT_MAX] = "-";

    pg_metric_inc(v->status == 201 ? PG_M_REPORTS_TAKEN : PG_M_REPORTS_REFUSED);
    if (v->digest.alg == PG_SHA256 && v->source != NULL) {
        (void)digest_write(&v->digest, text);
    }
    pg_log_say(v->status == 201 ? PG_LOG_INFO : PG_LOG_WARN, PG_LOG_CONTROL,
               "scan report of %s, source %s: %d%s%s", text,
               v->source != NULL ? v->source->name : "not known", v->status,
               v->code != NULL ? ", " : "", v->code != NULL ? v->code : "");
    if (v->source != NULL) {
        record(v, v->digest.alg == PG_SHA256 ? sl_str(text) : SL(""));
    }
}

static void serve(struct visit *v)
{
    v->until_ms = pg_clock_mono_ms() + INTAKE_HEAD_MS;
    if (shake_hands(v) < 0) {
        return;
    }
    int rc = read_head(v);
    if (rc == 0 && find_source(v) == 0 && read_target(v) == 0 && check_body(v) == 0 &&
        read_body(v) == 0) {
        (void)judge(v);
    }
    if (v->status != 0) {
        tell(v);
        v->until_ms = pg_clock_mono_ms() + INTAKE_HEAD_MS;
        answer(v);
        part(v);
    }
}

static void receive(struct intake *i, int fd)
{
    struct visit *v = calloc(1, sizeof(*v));

    PG_CHECK(v != NULL);
    v->intake = i;
    v->fd = fd;
    v->ssl = tls_server_accept(i->tls, fd);
    pg_buf_init(&v->answer, ANSWER_MAX);
    serve(v);
    SSL_free(v->ssl);
    pg_buf_free(&v->answer);
    pg_buf_free(&v->body);
    free(v);
}

/* ---- threads ------------------------------------------------------------------------------- */

static void *work(void *context)
{
    struct intake *i = context;
    int fd;

    (void)pthread_setname_np(pthread_self(), "pg-intake");
    for (;;) {
        ssize_t n = read(i->pipe[0], &fd, sizeof(fd));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n != (ssize_t)sizeof(fd)) {
            return NULL;
        }
        if (!atomic_load(&i->stops)) {
            receive(i, fd);
        }
        pg_fd_close(&fd);
        atomic_fetch_sub(&i->nqueued, 1);
    }
}

/* In the acceptor's thread. A write of so few bytes is whole, and there is room for all of them. */
static void on_accepted(void *owner, int fd)
{
    struct intake *i = owner;

    if (i->nthreads == 0 || atomic_fetch_add(&i->nqueued, 1) >= INTAKE_QUEUE_MAX) {
        atomic_fetch_sub(&i->nqueued, i->nthreads > 0 ? 1 : 0);
        pg_fd_close(&fd);
        return;
    }
    PG_CHECK(write(i->pipe[1], &fd, sizeof(fd)) == (ssize_t)sizeof(fd));
}

/* ---- open, close --------------------------------------------------------------------------- */

static int check_tokens(const struct config_scans *c, struct pg_err *err)
{
    for (size_t i = 0; i < c->nsources; i++) {
        uint8_t hash[32];
        if (read_token(c->sources[i].token_file, hash, err) < 0) {
            return pg_wrap(err, "scans");
        }
    }
    return 0;
}

int intake_open(const struct config *c, struct intake **i_r, struct pg_err *err)
{
    struct intake *i;

    *i_r = NULL;
    if (c->scans.listen == NULL) {
        return 0;
    }
    i = calloc(1, sizeof(*i));
    PG_CHECK(i != NULL);
    i->pipe[0] = i->pipe[1] = -1;
    config_copy_scans(&i->holder, c);
    i->service = (struct conn_service){.name = "scans", .is_admin = true};
    i->door = (struct conn_door){
        .service = &i->service, .listener = CONN_NO_LISTENER, .take = on_accepted, .owner = i};
    if (check_tokens(&i->holder.scans, err) < 0 ||
        tls_server_new(&i->holder.scans.tls, &i->tls, err) < 0) {
        intake_close(i);
        return -1;
    }
    PG_CHECK(pipe2(i->pipe, O_CLOEXEC) == 0);
    *i_r = i;
    return 0;
}

const struct conn_door *intake_door(const struct intake *i)
{
    return &i->door;
}

void intake_start(struct intake *i, struct store *store, struct trail *trail)
{
    sigset_t all, before;

    if (i == NULL) {
        return;
    }
    i->store = store;
    i->trail = trail;
    PG_CHECK(sigfillset(&all) == 0 && pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    for (; i->nthreads < INTAKE_THREADS; i->nthreads++) {
        PG_CHECK(pthread_create(&i->threads[i->nthreads], NULL, work, i) == 0);
    }
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

void intake_reload(struct intake *i)
{
    struct pg_err err = {0};

    if (i != NULL && tls_server_reload(i->tls, &i->holder.scans.tls, &err) < 0) {
        pg_log_say(PG_LOG_ERROR, PG_LOG_CONFIG, "scans: the old certificate stays in use: %s",
                   err.msg);
        pg_err_clear(&err);
    }
}

/* The listener is closed already: nothing more is accepted. What waits is closed, and what has not
 * come whole; a report that did is judged and answered. */
static void stop(struct intake *i)
{
    atomic_store(&i->stops, true);
    pg_fd_close(&i->pipe[1]);
    for (; i->nthreads > 0; i->nthreads--) {
        PG_CHECK(pthread_join(i->threads[i->nthreads - 1], NULL) == 0);
    }
}

void intake_close(struct intake *i)
{
    if (i == NULL) {
        return;
    }
    stop(i);
    pg_fd_close(&i->pipe[0]);
    tls_server_free(i->tls);
    config_free(&i->holder);
    free(i);
}
