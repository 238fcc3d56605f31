/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/config.h"

#include <stdio.h>
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

struct sl config_canonical(const char *upstream, struct sl repo, struct pg_arena *arena)
{
    bool official = strcmp(upstream, "docker.io") == 0 && memchr(repo.p, '/', repo.n) == NULL;
    size_t n = strlen(upstream) + strlen("/library/") + repo.n + 1;
    char *p = pg_alloc(arena, n);

    n = (size_t)snprintf(p, n, "%s%s" SL_FMT, upstream, official ? "/library/" : "/", SL_ARG(repo));
    return (struct sl){p, n};
}

char *config_control_path(const struct config *c)
{
    char *path = NULL;
    int n = c->admin_control != NULL && c->admin_control[0] != '\0'
                ? asprintf(&path, "%s", c->admin_control)
                : asprintf(&path, "%s/control.sock", c->storage_path);

    PG_CHECK(n >= 0);
    return path;
}
