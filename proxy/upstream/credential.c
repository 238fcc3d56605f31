/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/credential.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/metric.h"
#include "proxy/spawn.h"
#include "proxy/upstream/docker_config.h"
#include "proxy/upstream/docker_credential.h"
#include "proxy/upstream/quirks.h"

#define HELPER_LIFE_MS (UINT64_C(10) * 60 * 1000)      /* then it is asked anew */
#define HELPER_KEEP_MS (UINT64_C(12) * 60 * 60 * 1000) /* no answer is used that is older */
#define HELPER_REST_MS 10000 /* after a failure, or a refusal of what it said */
#define HELPER_CPU_S   30
#define HELPER_MEMORY  (UINT64_C(4) << 30) /* of addresses; Go reserves many */
#define HELPER_FILES   256
#define SETTLED_MS     2000 /* a file this young may change again without looking different */

struct run {
    struct spawn_request rq;
    struct credential_runner *runner;
    struct credential *owner; /* NULL: it went */
    const char *argv[3];
    char server[DOCKER_SERVER_MAX];
    char helper[DOCKER_CREDENTIAL_PATH_MAX], path[DOCKER_CREDENTIAL_PATH_MAX];
};

struct credential {
    struct credential_runner *runner;
    const struct config *config;
    const struct config_upstream *upstream;
    const char *file; /* password_file or docker_config; NULL */
    const char *server;
    struct secret secret;
    uint64_t serial;
    struct stat seen; /* the file, as it was read */
    bool settled;
    struct pg_err file_err;
    char helper[DOCKER_CREDENTIAL_PATH_MAX]; /* name or path; "": none */
    struct run *run;
    uint64_t taken_ms, rest_until_ms;
    bool refused; /* the secret, since it was taken */
    struct pg_err helper_err;
    struct pg_list waits;
};

static bool is_set(const char *s)
{
    return s != NULL && s[0] != '\0';
}

/* The new secret, if it is one: who used the old one knows by its serial. */
static void take_secret(struct credential *c, struct secret *new)
{
    if (secret_eq(&c->secret, new)) {
        secret_clear(new);
        return;
    }
    secret_move(&c->secret, new);
    c->serial++;
    c->refused = false;
}

/* ---- files --------------------------------------------------------------------------------- */

static int refuse_file(struct credential *c, const char *why)
{
    pg_fail(&c->file_err, PG_E_UPSTREAM_DOWN, "the file with the login %s", why);
    return pg_detail(&c->file_err, "%s", c->file);
}

/* Whether the file may be used at all. */
static int check_file(struct credential *c, const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return refuse_file(c, "is not a regular file");
    if ((st->st_mode & 077) != 0)
        return refuse_file(c, "can be read or written by others; its mode must be 0600");
    if (st->st_uid != geteuid() && st->st_uid != 0)
        return refuse_file(c, "must belong to root or to the user that runs pullgate");
    return 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* A run of another one may be under way: what it says is not taken. */
static void set_helper(struct credential *c, const char *name)
{
    if (strcmp(c->helper, name) == 0)
        return;
    secret_clear(&c->secret);
    pg_err_clear(&c->helper_err);
    c->rest_until_ms = 0;
    PG_CHECK(strlen(name) < sizeof(c->helper));
    memcpy(c->helper, name, strlen(name) + 1);
}

static int parse_config(struct credential *c, struct sl text)
{
    struct docker_config dc = {0};
    int rc = docker_config_parse(text, c->server, &dc, &c->file_err);

    if (rc < 0)
        return pg_detail(&c->file_err, "%s", c->file);
    if (rc == 0) {
        pg_fail(&c->file_err, PG_E_UPSTREAM_DOWN, "the docker config has no login for %s",
                c->server);
        return pg_detail(&c->file_err, "%s", c->file);
    }
    set_helper(c, dc.helper);
    if (dc.helper[0] == '\0')
        take_secret(c, &dc.secret);
    docker_config_clear(&dc);
    return 0;
}

/* The first line, or all of a key. */
static int take_password(struct credential *c, struct sl text, const char *where)
{
    const char *user = c->upstream->upstream_username, *why;
    bool whole = strcmp(user, QUIRKS_KEY_USER) == 0;
    struct secret s = {0};
    size_t n = 0;

    while (n < text.n && (whole || (text.p[n] != '\n' && text.p[n] != '\r')))
        n++;
    if (secret_take(&s, (struct sl){user, strlen(user)}, (struct sl){text.p, n}, &why) < 0) {
        pg_fail(&c->file_err, PG_E_UPSTREAM_DOWN, "%s", why);
        return pg_detail(&c->file_err, "%s", where);
    }
    take_secret(c, &s);
    return 0;
}

static int read_text(struct credential *c, int fd, struct pg_buf *text)
{
    char chunk[4096];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
        if (pg_buf_put(text, (struct sl){chunk, (size_t)n}) < 0)
            break;
    }
    OPENSSL_cleanse(chunk, sizeof(chunk));
    return n == 0 ? 0 : refuse_file(c, n < 0 ? "cannot be read" : "is too large");
}

static int read_file(struct credential *c, int fd)
{
    struct pg_buf text;
    int rc;

    pg_err_clear(&c->file_err);
    pg_buf_init(&text, DOCKER_CONFIG_BYTES_MAX);
    rc = read_text(c, fd, &text);
    if (rc == 0)
        rc = is_set(c->upstream->upstream_docker_config)
                 ? parse_config(c, pg_buf_sl(&text))
                 : take_password(c, pg_buf_sl(&text), c->file);
    secret_wipe(&text);
    return rc;
}

static void say_kept(const struct credential *c)
{
    struct pg_log_line line;
    const char *name = c->upstream->name;

    pg_log_begin(&line, PG_LOG_UPSTREAM, PG_LOG_WARN);
    pg_log_str(&line, "upstream", (struct sl){name, strlen(name)});
    pg_log_str(&line, "login",
               SL("the file has changed and makes no sense; used as it was before"));
    pg_log_err(&line, &c->file_err);
    pg_log_end(&line);
}

/* 0, or -1 with *err. */
static int look_at_file(struct credential *c, struct pg_err *err)
{
    _fd_ int fd = open(c->file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool had = c->secret.kind != SECRET_NONE || c->helper[0] != '\0';
    struct stat st = {0};
    int rc;

    if (fd < 0 || fstat(fd, &st) < 0)
        rc = refuse_file(c, strerror(errno));
    else
        rc = check_file(c, &st);
    if (rc < 0) {
        set_helper(c, "");
        secret_clear(&c->secret);
        c->seen = (struct stat){0};
    } else if (c->settled && is_same_file(&c->seen, &st)) {
        rc = c->file_err.kind == PG_E_NONE || had ? 0 : -1;
    } else {
        rc = read_file(c, fd);
        if (rc < 0 && had && !is_same_file(&c->seen, &st))
            say_kept(c);
        c->seen = st;
        c->settled = pg_clock_wall_ms() - (int64_t)st.st_ctim.tv_sec * 1000 > SETTLED_MS;
        rc = had ? 0 : rc;
    }
    if (rc < 0)
        pg_err_copy(err, &c->file_err);
    return rc;
}

static int look_at_environment(struct credential *c, struct pg_err *err)
{
    const char *name = c->upstream->upstream_password_env;
    const char *value = getenv(name); // NOLINT(concurrency-mt-unsafe): nobody calls setenv

    if (c->secret.kind != SECRET_NONE)
        return 0;
    if (take_password(c, value != NULL ? (struct sl){value, strlen(value)} : SL(""), name) == 0)
        return 0;
    pg_err_copy(err, &c->file_err);
    return -1;
}

/* ---- helpers ------------------------------------------------------------------------------- */

static void tell_waits(struct credential *c)
{
    struct pg_list telling;

    pg_list_init(&telling);
    pg_list_each_safe (node, next, &c->waits) {
        pg_list_remove(node);
        pg_list_push(&telling, node);
    }
    while (!pg_list_empty(&telling)) {
        struct credential_wait *w = pg_container_of(telling.next, struct credential_wait, node);

        pg_list_remove(&w->node);
        w->done(w);
    }
}

/* Takes *why. The last answer goes on being used, the refused one too: there is no better. */
static void note_failure(struct credential *c, const char *path, struct pg_err *why)
{
    struct pg_log_line line;
    const char *name = c->upstream->name;

    pg_log_begin(&line, PG_LOG_HELPER, PG_LOG_WARN);
    pg_log_str(&line, "upstream", (struct sl){name, strlen(name)});
    pg_log_str(&line, "helper", (struct sl){path, strlen(path)});
    pg_log_err(&line, why);
    pg_log_end(&line);
    pg_metric_inc(PG_M_HELPER_FAILURES);
    c->rest_until_ms = pg_clock_mono_ms() + HELPER_REST_MS;
    c->refused = false;
    pg_err_move(&c->helper_err, why);
}

static void free_run(struct run *r)
{
    r->runner->running--;
    secret_wipe(&r->rq.output);
    OPENSSL_cleanse(r->rq.tail, sizeof(r->rq.tail));
    spawn_request_free(&r->rq);
    free(r);
}

static void conclude(struct credential *c, struct spawn_request *rq)
{
    struct run *r = pg_container_of(rq, struct run, rq);
    struct secret s = {0};
    struct pg_err err = {0};

    if (rq->err.kind != PG_E_NONE) {
        pg_fail(&err, PG_E_UPSTREAM_DOWN, "the credential helper: %s", rq->err.msg);
        if (rq->err.detail != NULL)
            pg_detail(&err, "%s", rq->err.detail);
    } else if (docker_credential_parse(pg_buf_sl(&rq->output), rq->exit_code, &s, &err) < 0 &&
               rq->ntail > 0) {
        pg_detail(&err, "it wrote to standard error; that may hold a secret and is not repeated");
    }
    if (err.kind != PG_E_NONE) {
        note_failure(c, r->path, &err);
        return;
    }
    take_secret(c, &s);
    c->taken_ms = pg_clock_mono_ms();
    c->rest_until_ms = c->taken_ms + HELPER_REST_MS;
    c->refused = false;
    pg_err_clear(&c->helper_err);
}

static void on_run(struct spawn_request *rq)
{
    struct run *r = pg_container_of(rq, struct run, rq);
    struct credential *c = r->owner;

    if (c != NULL)
        c->run = NULL;
    if (c != NULL && strcmp(c->helper, r->helper) == 0)
        conclude(c, rq);
    free_run(r);
    if (c != NULL)
        tell_waits(c);
}

static void start_run(struct credential *c)
{
    struct run *r = calloc(1, sizeof(*r));
    struct pg_err err = {0};

    PG_CHECK(r != NULL && c->run == NULL);
    if (docker_credential_find(c->helper, r->path, &err) < 0) {
        note_failure(c, c->helper, &err);
        free(r);
        return;
    }
    if (c->runner->spawn == NULL) {
        pg_fail(&err, PG_E_UPSTREAM_DOWN, "the credential helper: there is nothing to run it with");
        note_failure(c, r->path, &err);
        free(r);
        return;
    }
    memcpy(r->helper, c->helper, sizeof(r->helper));
    memcpy(r->server, c->server, strlen(c->server) + 1);
    r->argv[0] = r->path;
    r->argv[1] = "get";
    r->runner = c->runner;
    r->owner = c;
    r->rq = (struct spawn_request){.argv = r->argv,
                                   .input = {r->server, strlen(r->server)},
                                   .limits = {.time_ms = (unsigned)c->config->helpers_timeout,
                                              .cpu_s = HELPER_CPU_S,
                                              .memory_bytes = HELPER_MEMORY,
                                              .files = HELPER_FILES,
                                              .output_bytes = DOCKER_CREDENTIAL_OUTPUT_MAX},
                                   .done = on_run,
                                   .home = c->runner->home};
    c->run = r;
    c->runner->running++;
    spawn_submit(c->runner->spawn, &r->rq);
}

static enum credential_state look_at_helper(struct credential *c, struct pg_err *err)
{
    uint64_t now = pg_clock_mono_ms();
    bool has = c->secret.kind != SECRET_NONE && now - c->taken_ms < HELPER_KEEP_MS;
    bool is_old = now - c->taken_ms >= HELPER_LIFE_MS;

    if (c->run == NULL && now >= c->rest_until_ms && (!has || is_old || c->refused))
        start_run(c);
    if (has && !c->refused)
        return CREDENTIAL_HERE;
    if (c->run != NULL)
        return CREDENTIAL_ASKED;
    PG_CHECK(c->helper_err.kind != PG_E_NONE);
    pg_err_copy(err, &c->helper_err);
    return CREDENTIAL_BAD;
}

/* ---- all of them --------------------------------------------------------------------------- */

struct credential *credential_new(struct credential_runner *runner, const struct config *config,
                                  const struct config_upstream *upstream)
{
    struct credential *c = calloc(1, sizeof(*c));

    PG_CHECK(c != NULL);
    c->runner = runner;
    c->config = config;
    c->upstream = upstream;
    c->server = docker_config_server(upstream->url_host);
    PG_CHECK(strlen(c->server) < DOCKER_SERVER_MAX);
    if (is_set(upstream->upstream_docker_config))
        c->file = upstream->upstream_docker_config;
    else if (is_set(upstream->upstream_username) && is_set(upstream->upstream_password_file))
        c->file = upstream->upstream_password_file;
    if (is_set(upstream->upstream_credential_helper))
        set_helper(c, upstream->upstream_credential_helper);
    pg_list_init(&c->waits);
    return c;
}

void credential_free(struct credential *c)
{
    PG_CHECK(pg_list_empty(&c->waits));
    if (c->run != NULL) {
        c->run->owner = NULL;
        spawn_stop(c->runner->spawn, &c->run->rq);
    }
    secret_clear(&c->secret);
    pg_err_clear(&c->file_err);
    pg_err_clear(&c->helper_err);
    free(c);
}

/* One that is not there is no error: when it is asked for, that is said. */
static int permit_one(const struct config *config, const struct config_upstream *upstream,
                      const char *const *environment, struct spawn *spawn, struct pg_err *err)
{
    struct credential_runner nobody = {0};
    struct credential *c = credential_new(&nobody, config, upstream);
    char path[DOCKER_CREDENTIAL_PATH_MAX];
    const char *const argv[] = {path, "get", NULL};
    struct pg_err why = {0};
    int rc = 0;

    if (c->file != NULL)
        (void)!look_at_file(c, &why);
    if (c->helper[0] != '\0' && docker_credential_find(c->helper, path, &why) == 0)
        rc = spawn_permit(spawn, argv, environment, err);
    pg_err_clear(&why);
    credential_free(c);
    return rc;
}

int credential_permit(const struct config *config, struct spawn *spawn, struct pg_err *err)
{
    char **environment = docker_credential_environment(config->helpers_environment);
    int rc = 0;

    for (size_t i = 0; i < config->nupstreams && rc == 0; i++) {
        const struct config_upstream *u = &config->upstreams[i];

        if (!config_is_alias(u))
            rc = permit_one(config, u, (const char *const *)environment, spawn, err);
    }
    docker_credential_free_environment(environment);
    return rc;
}

bool credential_is_configured(const struct credential *c)
{
    const struct config_upstream *up = c->upstream;

    return c->file != NULL || is_set(up->upstream_credential_helper) ||
           (is_set(up->upstream_username) && is_set(up->upstream_password_env));
}

enum credential_state credential_look(struct credential *c, const struct secret **secret_r,
                                      uint64_t *serial_r, struct pg_err *err)
{
    enum credential_state state;
    int rc = 0;

    if (!credential_is_configured(c))
        return CREDENTIAL_NONE;
    if (c->file != NULL)
        rc = look_at_file(c, err);
    else if (c->helper[0] == '\0')
        rc = look_at_environment(c, err);
    state = rc < 0 ? CREDENTIAL_BAD : CREDENTIAL_HERE;
    if (state == CREDENTIAL_HERE && c->helper[0] != '\0')
        state = look_at_helper(c, err);
    if (state == CREDENTIAL_BAD)
        pg_wrap(err, "credentials for upstream %s", c->upstream->name);
    if (state == CREDENTIAL_HERE) {
        PG_CHECK(c->secret.kind != SECRET_NONE);
        *secret_r = &c->secret;
        *serial_r = c->serial;
    }
    return state;
}

bool credential_refused(struct credential *c, uint64_t serial)
{
    const struct secret *secret;
    struct pg_err ignored = {0};
    uint64_t now_serial = serial;
    bool is_other;

    if (c->helper[0] != '\0' && c->serial == serial)
        c->refused = c->run != NULL || pg_clock_mono_ms() >= c->rest_until_ms;
    is_other = credential_look(c, &secret, &now_serial, &ignored) == CREDENTIAL_HERE &&
               now_serial != serial;
    pg_err_clear(&ignored);
    return is_other || c->run != NULL;
}

void credential_wait_init(struct credential_wait *w)
{
    *w = (struct credential_wait){0};
    pg_list_init(&w->node);
}

void credential_wait_start(struct credential *c, struct credential_wait *w,
                           void (*done)(struct credential_wait *w))
{
    PG_CHECK(c->run != NULL);
    w->done = done;
    pg_list_push(&c->waits, &w->node);
}

void credential_wait_stop(struct credential_wait *w)
{
    pg_list_remove(&w->node);
}
