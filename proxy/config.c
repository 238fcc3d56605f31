/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/config.h"

#include <stdlib.h>
#include <strings.h>

#include "base/check.h"
#include "retention/ruleset.h"
#include "scan/excuses.h"

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
#define FREE_DELETED(p)   (void)(p)

static void free_upstream(struct config_upstream *u)
{
#define X(section, name, type, ...) FREE_##type(u->section##_##name);
    CONFIG_UPSTREAM(X)
#undef X
    for (size_t i = 0; i < u->nurls; i++) {
        free(u->urls[i].text);
        free(u->urls[i].host);
    }
    free(u->urls);
    free(u->name);
    free(u->url_host);
}

/* ---- listeners ----------------------------------------------------------------------------- */

static void free_tls(struct config_tls *t)
{
    for (size_t i = 0; i < t->npairs; i++) {
        free(t->pairs[i].cert);
        free(t->pairs[i].key);
    }
    free(t->pairs);
    free(t->client_ca);
}

static void free_listeners(struct config *c)
{
    for (size_t i = 0; i < c->nlisteners; i++) {
        struct config_listener *l = &c->listeners[i];
        free(l->address);
        free(l->owner);
        free_tls(&l->tls);
        pg_ip_nets_free(&l->proxy_protocol);
        pg_ip_nets_free(&l->trusted_proxies);
    }
    free(c->listeners);
    c->listeners = NULL;
    c->nlisteners = 0;
}

static char *copy_text(const char *s)
{
    char *p = s != NULL ? strdup(s) : NULL;

    PG_CHECK((p == NULL) == (s == NULL));
    return p;
}

static struct config_tls copy_tls(const struct config_tls *from)
{
    struct config_tls t = {.npairs = from->npairs,
                           .client_ca = copy_text(from->client_ca),
                           .client_required = from->client_required};

    if (t.npairs > 0) {
        t.pairs = calloc(t.npairs, sizeof *t.pairs);
        PG_CHECK(t.pairs != NULL);
    }
    for (size_t i = 0; i < t.npairs; i++) {
        t.pairs[i].cert = copy_text(from->pairs[i].cert);
        t.pairs[i].key = copy_text(from->pairs[i].key);
    }
    return t;
}

void config_copy_listeners(struct config *to, const struct config *from)
{
    free_listeners(to);
    to->listeners = calloc(from->nlisteners, sizeof *to->listeners);
    PG_CHECK(to->listeners != NULL);
    to->nlisteners = from->nlisteners;
    for (size_t i = 0; i < from->nlisteners; i++) {
        const struct config_listener *l = &from->listeners[i];
        to->listeners[i] =
            (struct config_listener){.address = copy_text(l->address),
                                     .mode = l->mode,
                                     .owner = copy_text(l->owner),
                                     .tls = copy_tls(&l->tls),
                                     .proxy_protocol = pg_ip_nets_copy(&l->proxy_protocol),
                                     .trusted_proxies = pg_ip_nets_copy(&l->trusted_proxies)};
    }
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool config_same_tls(const struct config_tls *a, const struct config_tls *b)
{
    if (a->npairs != b->npairs || a->client_required != b->client_required ||
        !is_same_text(a->client_ca, b->client_ca)) {
        return false;
    }
    for (size_t i = 0; i < a->npairs; i++) {
        if (strcmp(a->pairs[i].cert, b->pairs[i].cert) != 0 ||
            strcmp(a->pairs[i].key, b->pairs[i].key) != 0) {
            return false;
        }
    }
    return true;
}

bool config_same_sockets(const struct config *a, const struct config *b)
{
    if (a->nlisteners != b->nlisteners) {
        return false;
    }
    for (size_t i = 0; i < a->nlisteners; i++) {
        const struct config_listener *la = &a->listeners[i], *lb = &b->listeners[i];
        if (!is_same_text(la->address, lb->address) || la->mode != lb->mode ||
            !is_same_text(la->owner, lb->owner) || (la->tls.npairs > 0) != (lb->tls.npairs > 0)) {
            return false;
        }
    }
    return true;
}

/* ---- sinks --------------------------------------------------------------------------------- */

void config_free_sink(struct config_sink *s)
{
    free(s->name);
    free(s->url);
    free(s->ca_file);
    free(s->client_cert);
    free(s->client_key);
    free(s->token_file);
    *s = (struct config_sink){.name = NULL};
}

void config_copy_sink(struct config_sink *to, const struct config_sink *from)
{
    *to = (struct config_sink){.name = copy_text(from->name),
                               .url = copy_text(from->url),
                               .ca_file = copy_text(from->ca_file),
                               .client_cert = copy_text(from->client_cert),
                               .client_key = copy_text(from->client_key),
                               .token_file = copy_text(from->token_file)};
}

bool config_same_sinks(const struct config *a, const struct config *b)
{
    if (a->nsinks != b->nsinks) {
        return false;
    }
    for (size_t i = 0; i < a->nsinks; i++) {
        const struct config_sink *x = &a->sinks[i], *y = &b->sinks[i];
        if (!is_same_text(x->name, y->name) || !is_same_text(x->url, y->url) ||
            !is_same_text(x->ca_file, y->ca_file) ||
            !is_same_text(x->client_cert, y->client_cert) ||
            !is_same_text(x->client_key, y->client_key) ||
            !is_same_text(x->token_file, y->token_file)) {
            return false;
        }
    }
    return true;
}

bool config_same_hooks(const struct config *a, const struct config *b)
{
    if (a->nhooks != b->nhooks) {
        return false;
    }
    for (size_t i = 0; i < a->nhooks; i++) {
        const struct config_hook *x = &a->hooks[i], *y = &b->hooks[i];
        if (!is_same_text(x->url, y->url) || !is_same_text(x->secret_file, y->secret_file) ||
            !is_same_text(x->ca_file, y->ca_file) || x->kinds != y->kinds) {
            return false;
        }
    }
    return true;
}

void config_copy_hooks(struct config *to, const struct config *from)
{
    to->hooks = calloc(from->nhooks + 1, sizeof(*to->hooks));
    PG_CHECK(to->hooks != NULL);
    to->nhooks = from->nhooks;
    for (size_t i = 0; i < from->nhooks; i++) {
        const struct config_hook *h = &from->hooks[i];
        to->hooks[i] = (struct config_hook){.url = copy_text(h->url),
                                            .place = copy_text(h->place),
                                            .secret_file = copy_text(h->secret_file),
                                            .ca_file = copy_text(h->ca_file),
                                            .kinds = h->kinds};
    }
}

void config_free_hooks(struct config_hook *hooks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(hooks[i].url);
        free(hooks[i].place);
        free(hooks[i].secret_file);
        free(hooks[i].ca_file);
    }
    free(hooks);
}

static void free_sinks(struct config *c)
{
    for (size_t i = 0; i < c->nsinks; i++) {
        config_free_sink(&c->sinks[i]);
    }
    free(c->sinks);
    c->sinks = NULL;
    c->nsinks = 0;
}

/* ---- feeds --------------------------------------------------------------------------------- */

bool config_same_feeds(const struct config *a, const struct config *b)
{
    if (a->nfeeds != b->nfeeds) {
        return false;
    }
    for (size_t i = 0; i < a->nfeeds; i++) {
        const struct config_feed *x = &a->feeds[i], *y = &b->feeds[i];
        if (!is_same_text(x->name, y->name) || !is_same_text(x->url, y->url) ||
            !is_same_text(x->key_file, y->key_file) || !is_same_text(x->ca_file, y->ca_file) ||
            x->interval_ms != y->interval_ms || x->deny_when_stale != y->deny_when_stale) {
            return false;
        }
    }
    return true;
}

void config_copy_feeds(struct config *to, const struct config *from)
{
    to->feeds = calloc(from->nfeeds + 1, sizeof *to->feeds);
    PG_CHECK(to->feeds != NULL);
    to->nfeeds = from->nfeeds;
    for (size_t i = 0; i < from->nfeeds; i++) {
        const struct config_feed *f = &from->feeds[i];
        to->feeds[i] = (struct config_feed){.name = copy_text(f->name),
                                            .url = copy_text(f->url),
                                            .key_file = copy_text(f->key_file),
                                            .ca_file = copy_text(f->ca_file),
                                            .interval_ms = f->interval_ms,
                                            .deny_when_stale = f->deny_when_stale};
    }
}

static void free_feeds(struct config *c)
{
    for (size_t i = 0; i < c->nfeeds; i++) {
        free(c->feeds[i].name);
        free(c->feeds[i].url);
        free(c->feeds[i].key_file);
        free(c->feeds[i].ca_file);
    }
    free(c->feeds);
    c->feeds = NULL;
    c->nfeeds = 0;
}

/* ---- admission ----------------------------------------------------------------------------- */

static void free_texts(char **texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(texts[i]);
    }
    free(texts);
}

static void free_admission(struct config_admission *a)
{
    free_texts(a->trust.roots, a->trust.nroots);
    free_texts(a->trust.crls, a->trust.ncrls);
    free(a->trust.notation_policy);
    free(a->trust.notation_store);
    free(a->told);
    free_texts(a->files, a->nfiles);
    free(a->policy_file);
    free(a->policy_text);
    policy_unref(a->policy);
    excuses_free(a->excuses);
    for (unsigned i = 0; i < a->ntrusts; i++) {
        trust_unref(a->trusts[i]);
    }
    free(a->trusts);
}

/* ---- scanners ------------------------------------------------------------------------------ */

static void free_scans(struct config_scans *s)
{
    for (size_t i = 0; i < s->nscanners; i++) {
        free(s->scanners[i].name);
        free(s->scanners[i].command);
        free(s->scanners[i].database);
    }
    free(s->scanners);
    for (size_t i = 0; i < s->nsources; i++) {
        free(s->sources[i].name);
        free(s->sources[i].token_file);
    }
    free(s->sources);
    free(s->listen);
    free_tls(&s->tls);
    *s = (struct config_scans){0};
}

static void copy_sources(struct config_scans *to, const struct config_scans *from)
{
    to->listen = copy_text(from->listen);
    to->tls = copy_tls(&from->tls);
    to->sources = calloc(from->nsources + 1, sizeof *to->sources);
    PG_CHECK(to->sources != NULL);
    to->nsources = from->nsources;
    for (size_t i = 0; i < from->nsources; i++) {
        to->sources[i].name = copy_text(from->sources[i].name);
        to->sources[i].token_file = copy_text(from->sources[i].token_file);
    }
}

void config_copy_scans(struct config *to, const struct config *from)
{
    const struct config_scans *s = &from->scans;

    free_scans(&to->scans);
    to->scans.scanners = calloc(s->nscanners + 1, sizeof *s->scanners);
    PG_CHECK(to->scans.scanners != NULL);
    to->scans.nscanners = s->nscanners;
    for (size_t i = 0; i < s->nscanners; i++) {
        to->scans.scanners[i] = s->scanners[i];
        to->scans.scanners[i].name = copy_text(s->scanners[i].name);
        to->scans.scanners[i].command = copy_text(s->scanners[i].command);
        to->scans.scanners[i].database = copy_text(s->scanners[i].database);
    }
    copy_sources(&to->scans, s);
}

static bool is_same_sources(const struct config_scans *a, const struct config_scans *b)
{
    if (a->nsources != b->nsources || !is_same_text(a->listen, b->listen) ||
        !config_same_tls(&a->tls, &b->tls)) {
        return false;
    }
    for (size_t i = 0; i < a->nsources; i++) {
        if (!is_same_text(a->sources[i].name, b->sources[i].name) ||
            !is_same_text(a->sources[i].token_file, b->sources[i].token_file)) {
            return false;
        }
    }
    return true;
}

bool config_same_scans(const struct config *a, const struct config *b)
{
    if (a->scans.nscanners != b->scans.nscanners || !is_same_sources(&a->scans, &b->scans)) {
        return false;
    }
    for (size_t i = 0; i < a->scans.nscanners; i++) {
        const struct config_scanner *sa = &a->scans.scanners[i], *sb = &b->scans.scanners[i];
        if (!is_same_text(sa->name, sb->name) || !is_same_text(sa->command, sb->command) ||
            !is_same_text(sa->database, sb->database) || sa->timeout_ms != sb->timeout_ms) {
            return false;
        }
    }
    return true;
}

/* ---- the whole ----------------------------------------------------------------------------- */

void config_free(struct config *c)
{
#define X(section, name, type, ...) FREE_##type(c->section##_##name);
    CONFIG_GLOBAL(X)
#undef X
    free_listeners(c);
    free_admission(&c->admission);
    free_sinks(c);
    config_free_hooks(c->hooks, c->nhooks);
    ruleset_free(c->retention.rules);
    free_scans(&c->scans);
    free_feeds(c);
    for (size_t i = 0; i < c->nupstreams; i++) {
        free_upstream(&c->upstreams[i]);
    }
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

bool config_is_alias(const struct config_upstream *u)
{
    return u->upstream_alias_of != NULL && u->upstream_alias_of[0] != '\0';
}

static const struct config_upstream *find_listed(const struct config *c, struct sl host)
{
    for (size_t i = 0; i < c->nupstreams; i++) {
        if (is_host(host, c->upstreams[i].name)) {
            return &c->upstreams[i];
        }
    }
    return NULL;
}

const struct config_upstream *config_find_upstream(const struct config *c, struct sl host)
{
    const char *name = config_alias_of(host);
    const struct config_upstream *u =
        find_listed(c, name != NULL ? (struct sl){name, strlen(name)} : host);

    if (u == NULL || !config_is_alias(u)) {
        return u;
    }
    u = find_listed(c, (struct sl){u->upstream_alias_of, strlen(u->upstream_alias_of)});
    return u != NULL && !config_is_alias(u) ? u : NULL;
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

static char *append(char *to, struct sl s)
{
    memcpy(to, s.p, s.n);
    return to + s.n;
}

/* What is no name may hold a NUL: whoever checks it has to see all of it. */
struct sl config_canonical(const char *upstream, struct sl repo, struct pg_arena *arena)
{
    bool official = strcmp(upstream, "docker.io") == 0 && memchr(repo.p, '/', repo.n) == NULL;
    struct sl host = {upstream, strlen(upstream)};
    struct sl between = official ? SL("/library/") : SL("/");
    char *p = pg_alloc(arena, host.n + between.n + repo.n + 1), *end;

    end = append(append(append(p, host), between), repo);
    return (struct sl){p, (size_t)(end - p)};
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
