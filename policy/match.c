/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/match.h"

#include <stdlib.h>

#include "base/list.h"
#include "oci/ref.h"

#define DOCKER    SL("docker.io")
#define PARTS_MAX 64 /* of a name, looked up one by one; what is deeper is matched by its start */
#define SHOWN(s)  (int)((s).n < 100 ? (s).n : 100), (s).p

struct beginning {
    struct pg_map_node node;
    struct match_entry *first;
};

/* ---- what is written ----------------------------------------------------------------------- */

static bool is_repository_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("._-*/", c));
}

static int check_bytes(struct sl p, size_t host, struct pg_err *err)
{
    for (size_t i = 0; i < p.n; i++) {
        char c = p.p[i];
        if (is_repository_byte(c) || (i < host && c != '\0' && strchr(":[]", c) != NULL)) {
            continue;
        }
        if (c >= 'A' && c <= 'Z') {
            return pg_fail(err, PG_E_DENIED, "\"%.*s\": names of repositories are in lower case",
                           SHOWN(p));
        }
        if (c == ':' || c == '@') {
            return pg_fail(err, PG_E_DENIED,
                           "\"%.*s\": a pattern for repositories has no tag and no digest; tags "
                           "stand in match.tags",
                           SHOWN(p));
        }
        return pg_fail(err, PG_E_DENIED,
                       "\"%.*s\": only lower-case letters, digits, . _ - / and the wildcards * and "
                       "** may stand in a pattern",
                       SHOWN(p));
    }
    return 0;
}

static struct sl joined(struct pg_arena *a, struct sl host, struct sl between, struct sl rest)
{
    char *p = pg_alloc(a, host.n + between.n + rest.n + 1), *end = p;
    const struct sl part[] = {host, between, rest};

    for (size_t i = 0; i < 3; i++) {
        if (part[i].n > 0) {
            memcpy(end, part[i].p, part[i].n);
            end += part[i].n;
        }
    }
    return (struct sl){p, (size_t)(end - p)};
}

static struct sl first_part(struct sl s)
{
    const char *slash = memchr(s.p, '/', s.n);

    return (struct sl){s.p, slash != NULL ? (size_t)(slash - s.p) : s.n};
}

static bool has_star(struct sl s)
{
    return memchr(s.p, '*', s.n) != NULL;
}

/* A name of the hub without its host, or with it: its official images are in "library". */
static int of_the_hub(struct sl rest, struct pg_arena *arena, struct sl *pattern_r,
                      struct pg_err *err)
{
    if (sl_eq(rest, SL("*"))) {
        return pg_fail(err, PG_E_DENIED,
                       "\"docker.io/*\" would match nothing: after docker.io come two parts, as in "
                       "docker.io/library/nginx; write \"docker.io/**\" for all of it, or "
                       "\"docker.io/library/*\" for its official images");
    }
    bool official = memchr(rest.p, '/', rest.n) == NULL && !sl_starts(rest, SL("**"));
    *pattern_r = joined(arena, DOCKER, official ? SL("/library/") : SL("/"), rest);
    return 0;
}

static bool is_hub(struct sl host)
{
    return sl_eq(host, DOCKER) || sl_eq(host, SL("index.docker.io")) ||
           sl_eq(host, SL("registry-1.docker.io"));
}

static int check_written(struct sl text, struct sl host, bool has_host, struct pg_err *err)
{
    if (text.n == 0 || text.n > WILDCARD_MAX - 20) {
        return pg_fail(err, PG_E_DENIED,
                       "a pattern for repositories has 1 to %d characters, such as "
                       "\"docker.io/library/*\" or \"ghcr.io/acme/**\"",
                       WILDCARD_MAX - 20);
    }
    if (sl_eq(text, SL("*"))) {
        return pg_fail(err, PG_E_DENIED,
                       "\"*\" would match nothing, as it is one part of a name; write \"**\" for "
                       "everything");
    }
    if (sl_starts(text, SL("/")) || text.p[text.n - 1] == '/' ||
        memmem(text.p, text.n, "//", 2) != NULL) {
        return pg_fail(err, PG_E_DENIED, "\"%.*s\": a part of the name is empty", SHOWN(text));
    }
    if (wildcard_check_stars(text, err) < 0 || check_bytes(text, has_host ? host.n : 0, err) < 0) {
        return -1;
    }
    if (has_host && host.n == text.n) {
        return pg_fail(err, PG_E_DENIED,
                       "\"%.*s\" is a registry and no repository; write \"%.*s/**\" for all of it",
                       SHOWN(text), SHOWN(text));
    }
    if (has_host && has_star(host) && !ref_looks_like_host(host) && !sl_eq(host, SL("*"))) {
        return pg_fail(err, PG_E_DENIED, "\"%.*s\": say of which registry; \"docker.io/%.*s\"?",
                       SHOWN(text), SHOWN(text));
    }
    return 0;
}

int match_canonical(struct sl text, match_host_fn *host_of, void *context, struct pg_arena *arena,
                    struct sl *pattern_r, struct pg_err *err)
{
    struct sl host = text.n > 0 ? first_part(text) : text;
    bool open = text.n > 0 && sl_starts(text, SL("**"));
    bool is_part = host.n == text.n; /* of "nginx:1.2" the end is a tag and no port */
    bool has_host = text.n > 0 && !open &&
                    (is_part ? ref_looks_like_host(host) && memchr(host.p, ':', host.n) == NULL
                             : ref_looks_like_host(host) || has_star(host));

    if (check_written(text, host, has_host, err) < 0) {
        return -1;
    }
    if (open) {
        *pattern_r = text;
        return 0;
    }
    if (!has_host) {
        return of_the_hub(text, arena, pattern_r, err);
    }
    struct sl rest = {text.p + host.n + 1, text.n - host.n - 1};
    const char *name = host_of != NULL ? host_of(context, host) : NULL;
    host = name != NULL ? sl_str(name) : host;
    if (is_hub(host)) {
        return of_the_hub(rest, arena, pattern_r, err);
    }
    *pattern_r = joined(arena, host, SL("/"), rest);
    return 0;
}

int match_check_tag(struct sl p, struct pg_err *err)
{
    if (p.n == 0 || p.n > MATCH_TAG_MAX) {
        return pg_fail(err, PG_E_DENIED,
                       "a pattern for tags has 1 to %d characters, such as "
                       "\"v1.*\"",
                       MATCH_TAG_MAX);
    }
    for (size_t i = 0; i < p.n; i++) {
        char c = p.p[i];
        if (!(c >= 'A' && c <= 'Z') && (c == '/' || !is_repository_byte(c))) {
            return pg_fail(err, PG_E_DENIED,
                           "\"%.*s\": only letters, digits, . _ - and the wildcard * may stand in "
                           "a pattern for tags",
                           SHOWN(p));
        }
    }
    return wildcard_check_stars(p, err);
}

/* ---- many patterns ------------------------------------------------------------------------- */

void match_init(struct match_index *x)
{
    pg_map_init(&x->beginnings);
}

void match_free(struct match_index *x)
{
    pg_map_free(&x->beginnings);
}

/* The whole parts that every name has to begin with; all of a pattern without a wildcard. */
static struct sl beginning_of(struct sl pattern)
{
    const char *star = memchr(pattern.p, '*', pattern.n);
    size_t n = star != NULL ? (size_t)(star - pattern.p) : pattern.n, parts = 1;

    while (star != NULL && n > 0 && pattern.p[n] != '/') {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        if (pattern.p[i] == '/' && parts++ == PARTS_MAX) {
            n = i;
        }
    }
    return (struct sl){pattern.p, n};
}

void match_add(struct match_index *x, struct sl pattern, uint32_t rule, struct pg_arena *arena)
{
    struct sl key = beginning_of(pattern);
    struct pg_map_node *node = pg_map_get(&x->beginnings, key);
    struct match_entry *e = pg_new(arena, struct match_entry);

    if (node == NULL) {
        struct beginning *b = pg_new(arena, struct beginning);
        node = &b->node;
        pg_map_put(&x->beginnings, node, key);
    }
    struct beginning *b = pg_container_of(node, struct beginning, node);
    *e = (struct match_entry){.next = b->first, .pattern = pattern, .rule = rule};
    b->first = e;
}

struct found {
    struct pg_arena *arena;
    uint32_t *rules;
    size_t n, cap;
};

static void add_found(struct found *f, uint32_t rule)
{
    if (f->n == f->cap) {
        size_t cap = f->cap > 0 ? 2 * f->cap : 16;
        uint32_t *rules = pg_alloc(f->arena, cap * sizeof(*rules));
        if (f->n > 0) {
            memcpy(rules, f->rules, f->n * sizeof(*rules));
        }
        f->rules = rules;
        f->cap = cap;
    }
    f->rules[f->n++] = rule;
}

static void look(const struct match_index *x, struct sl beginning, struct sl name, struct found *f)
{
    struct pg_map_node *node = pg_map_get(&x->beginnings, beginning);

    if (node == NULL) {
        return;
    }
    const struct beginning *b = pg_container_of(node, struct beginning, node);
    for (const struct match_entry *e = b->first; e != NULL; e = e->next) {
        if (wildcard_matches(e->pattern, name)) {
            add_found(f, e->rule);
        }
    }
}

static int compare_rules(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

size_t match_find(const struct match_index *x, struct sl name, struct pg_arena *arena,
                  const uint32_t **rules_r)
{
    struct found f = {.arena = arena};
    size_t n = 0, parts = 0;

    look(x, (struct sl){"", 0}, name, &f);
    for (size_t i = 1; i < name.n && parts < PARTS_MAX; i++) {
        if (name.p[i] == '/') {
            look(x, (struct sl){name.p, i}, name, &f);
            parts++;
        }
    }
    if (name.n > 0) {
        look(x, name, name, &f);
    }
    if (f.n > 1) {
        qsort(f.rules, f.n, sizeof(*f.rules), compare_rules);
    }
    for (size_t i = 0; i < f.n; i++) {
        if (n == 0 || f.rules[n - 1] != f.rules[i]) {
            f.rules[n++] = f.rules[i];
        }
    }
    *rules_r = f.rules;
    return n;
}
