/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/query.h"

#include <ctype.h>

#include "oci/ref.h"

/* ---- references ---------------------------------------------------------------------------- */

/* Cuts s at its last c, of which the tail is taken off; {NULL, 0} when there is none. */
static struct sl cut_last(struct sl *s, char c)
{
    const char *at = s->n > 0 ? memrchr(s->p, c, s->n) : NULL;
    struct sl tail = {NULL, 0};

    if (at == NULL)
        return tail;
    tail = (struct sl){at + 1, s->n - (size_t)(at + 1 - s->p)};
    s->n = (size_t)(at - s->p);
    return tail;
}

/* The canonical name of a registry, whether it is an upstream now or was one. */
static int name_registry(const struct config *config, struct sl host, struct pg_arena *arena,
                         struct sl *name_r, struct pg_err *err)
{
    const struct config_upstream *u = config_find_upstream(config, host);
    const char *alias = config_alias_of(host);

    if (u != NULL || alias != NULL) {
        const char *name = u != NULL ? u->name : alias;

        *name_r = (struct sl){name, strlen(name)};
        return 0;
    }
    *name_r = pg_copy(arena, host);
    return ref_check_host(*name_r, err);
}

static bool is_registry(const struct config *config, struct sl text)
{
    if (memchr(text.p, '/', text.n) != NULL || memchr(text.p, '@', text.n) != NULL)
        return false;
    return config_find_upstream(config, text) != NULL ||
           (ref_looks_like_host(text) && memchr(text.p, ':', text.n) == NULL);
}

static int name_repository(const struct config *config, struct sl name, struct pg_arena *arena,
                           struct sl *repo_r, struct pg_err *err)
{
    const char *slash = memchr(name.p, '/', name.n);
    struct sl first = {name.p, slash != NULL ? (size_t)(slash - name.p) : 0}, registry;
    const struct config_upstream *u = config_default_upstream(config);

    if (first.n > 0 &&
        (ref_looks_like_host(first) || config_find_upstream(config, first) != NULL)) {
        name = (struct sl){slash + 1, name.n - first.n - 1};
        if (name_registry(config, first, arena, &registry, err) < 0)
            return -1;
    } else if (u != NULL) {
        registry = (struct sl){u->name, strlen(u->name)};
    } else {
        return pg_fail(err, PG_E_NAME_UNKNOWN,
                       "there is no default upstream: write REGISTRY/" SL_FMT, SL_ARG(name));
    }
    *repo_r = config_canonical(pg_copy(arena, registry).p, name, arena);
    return ref_check_name((struct sl){repo_r->p + registry.n + 1, repo_r->n - registry.n - 1}, err);
}

int query_parse_ref(const struct config *config, struct sl ref, struct pg_arena *arena,
                    struct catalog_scope *scope_r, struct pg_err *err)
{
    struct sl name = ref, digest;
    const char *slash;

    *scope_r = (struct catalog_scope){0};
    if (ref.n == 0 || ref.n > QUERY_REF_MAX)
        return pg_fail(err, PG_E_NAME_INVALID, "a reference has 1 to %d characters", QUERY_REF_MAX);
    if (is_registry(config, ref))
        return name_registry(config, ref, arena, &scope_r->upstream, err);
    if (sl_starts(ref, SL("sha256:")) || sl_starts(ref, SL("sha512:"))) {
        scope_r->has_digest = true;
        return digest_parse(ref, &scope_r->digest, err);
    }
    digest = cut_last(&name, '@');
    scope_r->has_digest = digest.p != NULL;
    if (scope_r->has_digest && digest_parse(digest, &scope_r->digest, err) < 0)
        return -1;
    slash = memrchr(name.p, '/', name.n);
    if (memchr(slash != NULL ? slash : name.p, ':',
               name.n - (size_t)(slash != NULL ? slash - name.p : 0)) != NULL) {
        scope_r->tag = cut_last(&name, ':');
        if (ref_check_tag(scope_r->tag, err) < 0)
            return -1;
    }
    return name_repository(config, name, arena, &scope_r->repo, err);
}

/* ---- parameters ---------------------------------------------------------------------------- */

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode(struct sl s, struct pg_arena *arena, struct sl *out_r)
{
    char *out = pg_alloc(arena, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        int high, low;

        if (s.p[i] != '%') {
            out[n++] = s.p[i];
            continue;
        }
        high = i + 2 < s.n ? digit(s.p[i + 1]) : -1;
        low = i + 2 < s.n ? digit(s.p[i + 2]) : -1;
        if (high < 0 || low < 0)
            return -1;
        out[n++] = (char)(high * 16 + low);
        i += 2;
    }
    *out_r = (struct sl){out, n};
    return 0;
}

static int read_number(struct sl text, unsigned max, unsigned *n_r)
{
    unsigned n = 0;

    if (text.n == 0 || text.n > 6)
        return -1;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return -1;
        n = n * 10 + (unsigned)(text.p[i] - '0');
    }
    *n_r = n;
    return n <= max ? 0 : -1;
}

struct reading {
    struct query *query;
    bool has_ref, has_cursor, has_n, has_dry_run, has_what, has_reason, has_name;
};

static int take(struct reading *r, struct sl key, struct sl value, struct pg_err *err)
{
    unsigned n = 0;
    bool *has = sl_eq(key, SL("ref"))       ? &r->has_ref
                : sl_eq(key, SL("cursor"))  ? &r->has_cursor
                : sl_eq(key, SL("n"))       ? &r->has_n
                : sl_eq(key, SL("dry_run")) ? &r->has_dry_run
                : sl_eq(key, SL("what"))    ? &r->has_what
                : sl_eq(key, SL("reason"))  ? &r->has_reason
                : sl_eq(key, SL("name"))    ? &r->has_name
                                            : NULL;

    if (has == NULL)
        return pg_fail(err, PG_E_BAD_FRAMING, "there is no parameter " SL_FMT, SL_ARG(key));
    if (*has)
        return pg_fail(err, PG_E_BAD_FRAMING, "the parameter " SL_FMT " is there twice",
                       SL_ARG(key));
    *has = true;
    if (has == &r->has_ref)
        r->query->ref = value;
    else if (has == &r->has_cursor)
        r->query->cursor = value;
    else if (has == &r->has_what)
        r->query->what = value;
    else if (has == &r->has_reason)
        r->query->reason = value;
    else if (has == &r->has_name)
        r->query->name = value;
    else if (read_number(value, has == &r->has_n ? QUERY_ROWS_MAX : 1, &n) < 0 ||
             (has == &r->has_n && n == 0))
        return pg_fail(err, PG_E_BAD_FRAMING, SL_FMT " is a number up to %d", SL_ARG(key),
                       has == &r->has_n ? QUERY_ROWS_MAX : 1);
    if (has == &r->has_n)
        r->query->nrows = n;
    if (has == &r->has_dry_run)
        r->query->dry_run = n == 1;
    return 0;
}

static int take_pair(struct reading *r, struct sl pair, struct pg_arena *arena, struct pg_err *err)
{
    const char *equals = pair.n > 0 ? memchr(pair.p, '=', pair.n) : NULL;
    struct sl key = {pair.p, equals != NULL ? (size_t)(equals - pair.p) : pair.n};
    struct sl value = {key.p + key.n, 0};

    if (equals != NULL)
        value = (struct sl){equals + 1, pair.n - key.n - 1};
    if (decode(key, arena, &key) < 0 || decode(value, arena, &value) < 0)
        return pg_fail(err, PG_E_BAD_FRAMING,
                       "the query has a percent sign without two digits behind it");
    return take(r, key, value, err);
}

int query_parse(const struct config *config, struct sl target, struct pg_arena *arena,
                struct query *query_r, struct pg_err *err)
{
    const char *mark = target.n > 0 ? memchr(target.p, '?', target.n) : NULL;
    struct reading r = {.query = query_r};
    struct sl rest = {NULL, 0};

    *query_r = (struct query){.nrows = QUERY_ROWS};
    if (mark != NULL)
        rest = (struct sl){mark + 1, target.n - (size_t)(mark + 1 - target.p)};
    while (rest.n > 0) {
        const char *and = memchr(rest.p, '&', rest.n);
        size_t n = and != NULL ? (size_t)(and-rest.p) : rest.n;

        if (take_pair(&r, (struct sl){rest.p, n}, arena, err) < 0)
            return -1;
        n += and != NULL ? 1 : 0;
        rest = (struct sl){rest.p + n, rest.n - n};
    }
    if (!r.has_ref)
        return 0;
    return query_parse_ref(config, query_r->ref, arena, &query_r->scope, err);
}
