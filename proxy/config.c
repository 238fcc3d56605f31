/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/config.h"

#include <stdlib.h>
#include <strings.h>

#include "base/check.h"

/* Other names under which clients know a registry. */
static const struct {
    const char *alias, *name;
} aliases[] = {
    {"index.docker.io", "docker.io"},
    {"registry-1.docker.io", "docker.io"},
};

/* Only texts own memory. */
#define FREE_STRING(p)    free(p)
#define FREE_PATH(p)      free(p)
#define FREE_SIZE(p)      (void)(p)
#define FREE_TIME(p)      (void)(p)
#define FREE_COUNT(p)     (void)(p)
#define FREE_BOOL(p)      (void)(p)
#define FREE_LOGFORMAT(p) (void)(p)
#define FREE_LOGLEVEL(p)  (void)(p)

static void free_upstream(struct config_upstream *u)
{
#define X(section, name, type, ...) FREE_##type(u->section##_##name);
    CONFIG_UPSTREAM(X)
#undef X
    free(u->name);
    free(u->url_host);
}

void config_free(struct config *c)
{
#define X(section, name, type, ...) FREE_##type(c->section##_##name);
    CONFIG_GLOBAL(X)
#undef X
    for (size_t i = 0; i < c->nlisteners; i++) {
        free(c->listeners[i].address);
        free(c->listeners[i].tls_cert);
        free(c->listeners[i].tls_key);
    }
    for (size_t i = 0; i < c->nupstreams; i++) {
        free_upstream(&c->upstreams[i]);
    }
    free(c->listeners);
    free(c->upstreams);
    free(c->file);
    memset(c, 0, sizeof *c);
}

struct snapshot *config_snapshot_new(struct config *c, uint64_t revision)
{
    struct snapshot *s = calloc(1, sizeof *s);

    PG_CHECK(s != NULL);
    atomic_init(&s->refs, 1);
    s->revision = revision;
    s->config = *c;
    memset(c, 0, sizeof *c);
    return s;
}

struct snapshot *config_snapshot_ref(struct snapshot *s)
{
    unsigned before = atomic_fetch_add(&s->refs, 1);

    PG_CHECK(before > 0);
    return s;
}

void config_snapshot_unref(struct snapshot *s)
{
    if (s == NULL) {
        return;
    }
    unsigned before = atomic_fetch_sub(&s->refs, 1);
    PG_CHECK(before > 0);
    if (before == 1) {
        config_free(&s->config);
        free(s);
    }
}

/* Hosts compare without regard to case; what is used afterwards is the configured name. */
static bool is_host(struct sl host, const char *name)
{
    return host.n == strlen(name) && strncasecmp(host.p, name, host.n) == 0;
}

const char *config_alias_of(struct sl host)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (is_host(host, aliases[i].alias)) {
            return aliases[i].name;
        }
    }
    return NULL;
}

const struct config_upstream *config_find_upstream(const struct config *c, struct sl host)
{
    const char *name = config_alias_of(host);

    for (size_t i = 0; i < c->nupstreams; i++) {
        const char *have = c->upstreams[i].name;
        if (name != NULL ? strcmp(have, name) == 0 : is_host(host, have)) {
            return &c->upstreams[i];
        }
    }
    return NULL;
}

const struct config_upstream *config_default_upstream(const struct config *c)
{
    for (size_t i = 0; i < c->nupstreams; i++) {
        if (c->upstreams[i].upstream_default) {
            return &c->upstreams[i];
        }
    }
    return NULL;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void put_string(struct pg_buf *out, const char *s)
{
    (void)pg_buf_put_json(out, s != NULL ? (struct sl){s, strlen(s)} : SL(""));
}

static void put_number(struct pg_buf *out, uint64_t n)
{
    (void)pg_buf_printf(out, "%llu", (unsigned long long)n);
}

static void put_format(struct pg_buf *out, enum pg_log_format f)
{
    put_string(out, f == PG_LOG_JSON ? "json" : "text");
}

static void put_level(struct pg_buf *out, enum pg_log_level l)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    PG_CHECK((size_t)l < sizeof names / sizeof *names);
    put_string(out, names[l]);
}

#define PUT_STRING(out, v)    put_string((out), (v))
#define PUT_PATH(out, v)      put_string((out), (v))
#define PUT_SIZE(out, v)      put_number((out), (v))
#define PUT_TIME(out, v)      put_number((out), (v))
#define PUT_COUNT(out, v)     put_number((out), (v))
#define PUT_BOOL(out, v)      (void)pg_buf_printf((out), "%s", (v) ? "true" : "false")
#define PUT_LOGFORMAT(out, v) put_format((out), (v))
#define PUT_LOGLEVEL(out, v)  put_level((out), (v))

/* `, "name": ` in the section's object, which is begun if it is another than the last one. The
 * options of `top` stand in the outer object. */
static void put_name(struct pg_buf *out, const char **open, const char *section, const char *name)
{
    if (*open == NULL || strcmp(*open, section) != 0) {
        bool was_inner = *open != NULL && strcmp(*open, "top") != 0;
        bool is_inner = strcmp(section, "top") != 0;
        (void)pg_buf_printf(out, "%s,", was_inner ? "}" : "");
        if (is_inner) {
            put_string(out, section);
            (void)pg_buf_put(out, SL(":{"));
        }
        *open = section;
    } else {
        (void)pg_buf_put(out, SL(","));
    }
    put_string(out, name);
    (void)pg_buf_put(out, SL(":"));
}

static void put_upstream(struct pg_buf *out, const struct config_upstream *u)
{
    (void)pg_buf_put(out, SL("{\"name\":"));
    put_string(out, u->name);
#define X(section, option, type, ...)                                                              \
    (void)pg_buf_put(out, SL(",\"" #option "\":"));                                                \
    PUT_##type(out, u->section##_##option);
    CONFIG_UPSTREAM(X)
#undef X
    (void)pg_buf_put(out, SL("}"));
}

static void put_listener(struct pg_buf *out, const struct config_listener *l)
{
    (void)pg_buf_put(out, SL("{\"address\":"));
    put_string(out, l->address);
    (void)pg_buf_put(out, SL(",\"tls_cert\":"));
    put_string(out, l->tls_cert);
    (void)pg_buf_put(out, SL(",\"tls_key\":"));
    put_string(out, l->tls_key);
    (void)pg_buf_put(out, SL("}"));
}

void config_write_json(const struct config *c, struct pg_buf *out)
{
    const char *open = NULL;

    (void)pg_buf_put(out, SL("{\"file\":"));
    put_string(out, c->file);
    (void)pg_buf_put(out, SL(",\"listen\":["));
    for (size_t i = 0; i < c->nlisteners; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(",") : SL(""));
        put_listener(out, &c->listeners[i]);
    }
    (void)pg_buf_put(out, SL("]"));
#define X(section, name, type, ...)                                                                \
    put_name(out, &open, #section, #name);                                                         \
    PUT_##type(out, c->section##_##name);
    CONFIG_GLOBAL(X)
#undef X
    (void)pg_buf_put(out, strcmp(open, "top") != 0 ? SL("}") : SL(""));
    (void)pg_buf_put(out, SL(",\"upstreams\":["));
    for (size_t i = 0; i < c->nupstreams; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(",") : SL(""));
        put_upstream(out, &c->upstreams[i]);
    }
    (void)pg_buf_put(out, SL("]}"));
}
