/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "harness/scratch.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <semaphore.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/hash.h"

#define LINE_MAX_BYTES 65536

struct fetch *rig_fetch;
bool rig_is_cold, rig_of_authority;
const char *rig_caller = "";
struct spawn *rig_spawn;
sem_t rig_resolver;
struct store *rig_store;
struct snapshot *rig_snapshot;

static struct pg_pool *data_pool, *slow_pool;
static struct flight_table flights;
static struct flight_bell bell;
static struct pg_mailbox mail;
static sem_t rung;
static uint64_t revision;

static struct {
    pid_t pid;
    FILE *to, *from;
    unsigned port;
    char line[LINE_MAX_BYTES];
} upstream;

static void start_upstream(void)
{
    int in[2], out[2];

    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    upstream.pid = fork();
    assert_true(upstream.pid >= 0);
    if (upstream.pid == 0) {
        if (dup2(in[0], 0) == 0 && dup2(out[1], 1) == 1) {
            close(in[1]);
            close(out[0]);
            execlp("python3", "python3", PG_SOURCE "/tests/harness/scripted_upstream.py",
                   (char *)NULL);
        }
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    upstream.to = fdopen(in[1], "w");
    upstream.from = fdopen(out[0], "r");
    assert_non_null(upstream.to);
    assert_non_null(upstream.from);
    assert_non_null(fgets(upstream.line, sizeof(upstream.line), upstream.from));
    upstream.port = (unsigned)strtoul(upstream.line, NULL, 10);
    assert_true(upstream.port > 0);
}

void rig_end(void)
{
    int status;

    if (upstream.pid == 0)
        return;
    (void)fclose(upstream.to);
    (void)fclose(upstream.from);
    assert_int_equal(waitpid(upstream.pid, &status, 0), upstream.pid);
    upstream.pid = 0;
}

PG_PRINTF(1, 0) static const char *py(const char *fmt, va_list ap)
{
    assert_true(vfprintf(upstream.to, fmt, ap) > 0 && fputc('\n', upstream.to) == '\n' &&
                fflush(upstream.to) == 0);
    assert_non_null(fgets(upstream.line, sizeof(upstream.line), upstream.from));
    upstream.line[strcspn(upstream.line, "\n")] = '\0';
    if (strncmp(upstream.line, "failed:", 7) == 0)
        fail_msg("the script %s", upstream.line);
    return upstream.line;
}

const char *rig_py(const char *fmt, ...)
{
    va_list ap;
    const char *said;

    va_start(ap, fmt);
    said = py(fmt, ap);
    va_end(ap);
    return said;
}

long rig_py_number(const char *fmt, ...)
{
    va_list ap;
    long said;

    va_start(ap, fmt);
    said = strtol(py(fmt, ap), NULL, 10);
    va_end(ap);
    return said;
}

static void wake_us(struct pg_mailbox *box)
{
    (void)box;
    PG_CHECK(sem_post(&rung) == 0);
}

static void ring(struct flight_bell *b)
{
    (void)b;
    PG_CHECK(sem_post(&rung) == 0);
}

/* Waits for something, then does what a loop does. */
void rig_turn(void)
{
    struct timespec until;
    int waited;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &until), 0);
    until.tv_sec += RIG_S;
    do {
        waited = sem_timedwait(&rung, &until);
    } while (waited < 0 && errno == EINTR);
    if (waited < 0)
        fail_msg("nothing came for %d s", RIG_S);
    pg_mailbox_drain(&mail);
    flight_bell_answer(&bell);
}

static char *text(const char *s)
{
    char *copy = strdup(s != NULL ? s : "");

    assert_non_null(copy);
    return copy;
}

static char *password_file(const char *password)
{
    char *path;
    FILE *f;

    if (password == NULL)
        return text("");
    path = text(scratch_path("password"));
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fprintf(f, "%s\n", password) > 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
    return path;
}

static void configure(const struct rig_options *o)
{
    struct config c = {.helpers_environment = text("PATH"),
                       .helpers_timeout = o->helper_ms > 0 ? o->helper_ms : 10000};
    struct config_upstream *up = calloc(1, sizeof(*up));
    char url[128], host[64];

    assert_non_null(up);
    assert_true(snprintf(url, sizeof(url), "http://127.0.0.1:%u", upstream.port) > 0);
    assert_true(snprintf(host, sizeof(host), "127.0.0.1:%u", upstream.port) > 0);
    up->name = text("origin.test");
    up->upstream_url = text(o->url != NULL ? o->url : url);
    up->url_host = text(host);
    up->url_https = strncmp(up->upstream_url, "https:", 6) == 0;
    up->urls = calloc(1, sizeof(*up->urls));
    assert_non_null(up->urls);
    up->urls[0] = (struct config_url){.text = text(up->upstream_url),
                                      .host = text(host),
                                      .https = up->url_https,
                                      .authoritative = true};
    up->nurls = 1;
    up->upstream_host = text("");
    up->upstream_allow_private = !o->public_only;
    up->upstream_realms = text(o->realms);
    up->upstream_username = text(o->username);
    up->upstream_password_file = password_file(o->password);
    up->upstream_password_env = text(o->password_env);
    up->upstream_docker_config = text(o->docker_config);
    up->upstream_credential_helper = text(o->helper);
    up->upstream_ca_file = text("");
    up->upstream_connect_timeout = o->connect_ms > 0 ? o->connect_ms : 2000;
    up->upstream_stall_timeout = o->stall_ms > 0 ? o->stall_ms : 10000;
    up->upstream_max_connections = o->max_connections > 0 ? o->max_connections : 16;
    c.upstreams = up;
    c.nupstreams = 1;
    rig_snapshot = config_snapshot_new(&c, ++revision);
}

static void open_all(const struct rig_options *o)
{
    struct store_config c = {.path = scratch_path("store")};
    struct pg_err err = {0};

    data_pool = pg_pool_new("pg-data", 2);
    slow_pool = pg_pool_new("pg-slow", 2);
    c.data_pool = data_pool;
    c.slow_pool = slow_pool;
    if (store_open(&c, &rig_store, &err) < 0)
        fail_msg("store: %s (%s)", err.msg, err.detail != NULL ? err.detail : "");
    assert_int_equal(sem_init(&rung, 0, 0), 0);
    pg_mailbox_init(&mail, wake_us, NULL);
    flight_table_init(&flights);
    flight_bell_init(&bell, &flights, ring);
    configure(o);
    rig_fetch = fetch_start(rig_store, rig_spawn);
}

static void close_all(void)
{
    fetch_stop(rig_fetch);
    pg_mailbox_drain(&mail);
    config_snapshot_unref(rig_snapshot);
    flight_table_free(&flights);
    store_close(rig_store);
    pg_pool_free(data_pool);
    pg_pool_free(slow_pool);
    assert_int_equal(sem_destroy(&rung), 0);
}

void rig_start(const struct rig_options *o)
{
    if (upstream.pid == 0)
        start_upstream();
    rig_py("up.well(); up.asked.clear(); up.forms.clear(); up.blobs.clear(); up.manifests.clear()");
    rig_py("token.issued = 0; token.good.clear(); token.realm = token.answer = None");
    rig_py("up.on('^/token', token.issue)");
    pg_hash_setup();
    assert_int_equal(sem_init(&rig_resolver, 0, 0), 0);
    scratch_make();
    assert_int_equal(mkdir(scratch_path("store"), 0700), 0);
    open_all(o);
}

void rig_reload(const struct rig_options *o)
{
    config_snapshot_unref(rig_snapshot);
    configure(o);
}

/* The addresses of several literals, one after the other. */
static int resolve_all(typeof(getaddrinfo) *real, const char *const *literals, const char *service,
                       struct addrinfo **res)
{
    struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo **end = res;

    for (size_t i = 0; literals[i] != NULL; i++) {
        PG_CHECK(real(literals[i], service, &numeric, end) == 0);
        while (*end != NULL) {
            end = &(*end)->ai_next;
        }
    }
    return 0;
}

/* In front of the C library's, which libcurl would call. */
int getaddrinfo(const char *node, // NOLINT(readability-inconsistent-declaration-parameter-name)
                const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
    typeof(getaddrinfo) *real = NULL;

    if (node != NULL && strncmp(node, "hangs.", 6) == 0) {
        PG_CHECK(sem_wait(&rig_resolver) == 0);
        return EAI_NONAME;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    PG_CHECK(real != NULL);
    if (node != NULL && strncmp(node, "four.", 5) == 0)
        return resolve_all(real, (const char *const[]){RIG_HOLE, "127.0.0.1", "127.0.0.2", NULL},
                           service, res);
    if (node != NULL && strncmp(node, "six.", 4) == 0)
        return resolve_all(real, (const char *const[]){"::1", "127.0.0.1", NULL}, service, res);
    return real(node, service, hints, res);
}

/* A listener whose queue is full answers no SYN. */
static int fill_up(int family, const struct sockaddr *address, socklen_t n)
{
    int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct pollfd p = {.events = POLLOUT};

    assert_true(listener >= 0);
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    assert_int_equal(bind(listener, address, n), 0);
    assert_int_equal(listen(listener, 0), 0);
    p.fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(p.fd >= 0);
    assert_true(connect(p.fd, address, n) == 0 || errno == EINPROGRESS);
    assert_int_equal(poll(&p, 1, RIG_S * 1000), 1);
    assert_int_equal(close(p.fd), 0); /* it stays in the queue */
    return listener;
}

int rig_dig_hole(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)upstream.port)};

    assert_int_equal(inet_pton(AF_INET, RIG_HOLE, &in.sin_addr), 1);
    return fill_up(AF_INET, (struct sockaddr *)&in, sizeof(in));
}

int rig_dig_hole_six(void)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)upstream.port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};

    return fill_up(AF_INET6, (struct sockaddr *)&in, sizeof(in));
}

unsigned rig_port(void)
{
    return upstream.port;
}

void rig_stop(void)
{
    close_all();
    scratch_remove();
}

const char *rig_path(const char *name)
{
    return scratch_path(name);
}

void rig_restart(const struct rig_options *o)
{
    close_all();
    open_all(o);
}

static void on_done(struct fetch_ask *ask)
{
    ((struct rig_ask *)ask->owner)->done = true;
}

void rig_ask_of(struct rig_ask *a, enum fetch_kind kind, const char *repo, const char *reference,
                const char *query)
{
    struct fetch_question q = {.kind = kind,
                               .snapshot = rig_snapshot,
                               .upstream = rig_snapshot->config.upstreams,
                               .repo = {repo, strlen(repo)},
                               .reference = {reference, strlen(reference)},
                               .query = {query, strlen(query)},
                               .caller = {rig_caller, strlen(rig_caller)},
                               .of_authority = rig_of_authority,
                               .is_cold = rig_is_cold};

    a->done = false;
    a->ask = fetch_ask(rig_fetch, &q, &mail, on_done, a);
}

void rig_ask(struct rig_ask *a, enum fetch_kind kind, const char *reference)
{
    rig_ask_of(a, kind, "library/app", reference, "");
}

enum pg_ekind rig_try(enum fetch_kind kind, const char *reference)
{
    struct rig_ask a;
    enum pg_ekind got;

    rig_ask(&a, kind, reference);
    rig_wait(&a);
    got = a.ask->err.kind;
    rig_free(&a);
    return got;
}

void rig_wait(struct rig_ask *a)
{
    while (!a->done) {
        rig_turn();
    }
}

void rig_free(struct rig_ask *a)
{
    fetch_ask_free(a->ask);
    a->ask = NULL;
}

struct digest rig_digest(const char *digest)
{
    struct digest d;
    struct pg_err err = {0};

    if (digest_parse((struct sl){digest, strlen(digest)}, &d, &err) < 0)
        fail_msg("not a digest: %s", digest);
    return d;
}

static void on_news(struct flight_reader *reader)
{
    pg_container_of(reader, struct rig_pull, reader)->news = true;
}

void rig_pull(struct rig_pull *p, const char *digest, uint64_t size, enum fetch_priority priority)
{
    struct pg_err err = {0};
    struct fetch_blob_order order = {.snapshot = rig_snapshot,
                                     .upstream = rig_snapshot->config.upstreams,
                                     .repo = SL("library/app"),
                                     .size = size,
                                     .priority = priority};

    *p = (struct rig_pull){.digest = rig_digest(digest)};
    assert_int_equal(flight_join(&bell, (struct sl){digest, strlen(digest)}, &p->reader, on_news,
                                 &p->role, &err),
                     0);
    order.digest = p->digest;
    order.flight = p->reader.flight;
    if (p->role == FLIGHT_LEADER)
        fetch_blob(rig_fetch, &order);
}

struct flight_view rig_wait_for(struct rig_pull *p, enum flight_state state)
{
    struct flight_view v = flight_look(&p->reader);

    while (v.state != state && v.state != FLIGHT_LOST && v.state != FLIGHT_LANDED) {
        rig_turn();
        v = flight_look(&p->reader);
    }
    return v;
}

void rig_wait_for_bytes(struct rig_pull *p, uint64_t committed)
{
    struct flight_view v = flight_look(&p->reader);

    while (v.committed < committed && v.state != FLIGHT_LOST) {
        rig_turn();
        v = flight_look(&p->reader);
    }
    assert_true(v.committed >= committed);
}

void rig_leave(struct rig_pull *p)
{
    flight_leave(&p->reader);
}

bool rig_has(const char *digest)
{
    struct digest d = rig_digest(digest);
    struct pg_hash *h = pg_hash_new(d.alg);
    struct pg_err err = {0};
    struct blob *b = NULL;
    uint8_t got[PG_HASH_BYTES_MAX];
    char piece[65536];
    ssize_t n;
    int found = blob_open(rig_store, &d, &b, &err);

    assert_true(found >= 0);
    if (found == 1) {
        for (uint64_t at = 0; (n = pread(b->fd, piece, sizeof(piece), (off_t)at)) > 0;
             at += (uint64_t)n) {
            pg_hash_update(h, piece, (size_t)n);
        }
        pg_hash_final(h, got);
        assert_memory_equal(got, d.bytes, digest_bytes(&d));
        blob_close(b);
    }
    pg_hash_free(h);
    return found == 1;
}

uint64_t rig_partial_bytes(void)
{
    return atomic_load(&rig_store->partial_bytes);
}
