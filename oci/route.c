/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/route.h"

#include "base/check.h"
#include "oci/ref.h"

/* An operation without a line here does not compile: -Wswitch-enum, and there is no default. */
static enum route_authz authz_of(enum route_op op)
{
    switch (op) {
    case ROUTE_PING:
        return ROUTE_AUTHZ_NONE;
    case ROUTE_MANIFEST:
    case ROUTE_BLOB:
    case ROUTE_REFERRERS:
        return ROUTE_AUTHZ_PULL;
    case ROUTE_TAGS:
    case ROUTE_CATALOG:
        return ROUTE_AUTHZ_LIST;
    case ROUTE_OTHER:
        return ROUTE_AUTHZ_NONE;
    }
    PG_BUG("an operation that does not exist");
}

/* ---- method --------------------------------------------------------------------------------- */

static int read_method(struct sl method, struct route *r, struct pg_err *err)
{
    static const struct sl writes[] = {{"POST", 4}, {"PUT", 3}, {"PATCH", 5}, {"DELETE", 6}};

    r->is_head = sl_eq(method, SL("HEAD"));
    if (r->is_head || sl_eq(method, SL("GET")))
        return 0;
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        if (sl_eq(method, writes[i]))
            return pg_fail(err, PG_E_UNSUPPORTED,
                           "this is a read-only proxy: nothing can be pushed to it or deleted from "
                           "it; use the upstream registry for that");
    }
    return pg_fail(err, PG_E_UNSUPPORTED,
                   "this is a read-only proxy: it answers GET and HEAD only");
}

/* ---- query ---------------------------------------------------------------------------------- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Into the arena only when there is something to decode. 0, or -1 when malformed. */
static int percent_decode(struct sl s, struct pg_arena *arena, struct sl *out_r)
{
    char *out;
    size_t n = 0;

    if (s.n == 0 || memchr(s.p, '%', s.n) == NULL) {
        *out_r = s;
        return 0;
    }
    out = pg_alloc(arena, s.n);
    for (size_t i = 0; i < s.n; i++) {
        int high, low;

        if (s.p[i] != '%') {
            out[n++] = s.p[i];
            continue;
        }
        high = s.n - i > 2 ? hex_value(s.p[i + 1]) : -1;
        low = s.n - i > 2 ? hex_value(s.p[i + 2]) : -1;
        if (high < 0 || low < 0)
            return -1;
        out[n++] = (char)(high << 4 | low);
        i += 2;
    }
    *out_r = (struct sl){out, n};
    return 0;
}

static int read_ns(struct sl value, struct route *r, struct pg_err *err)
{
    if (ref_check_host(value, err) < 0)
        return pg_wrap(err, "ns");
    r->ns = value;
    return 0;
}

static int read_n(struct sl value, struct route *r, struct pg_err *err)
{
    uint64_t n = 0;

    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return pg_fail(err, PG_E_BAD_FRAMING, "n is not a number");
        n = n * 10 + (uint64_t)(value.p[i] - '0');
        if (n > ROUTE_PAGE_MAX)
            n = ROUTE_PAGE_MAX;
    }
    if (value.n == 0)
        return pg_fail(err, PG_E_BAD_FRAMING, "n is not a number");
    r->n = n;
    r->has_n = true;
    return 0;
}

static int read_last(struct sl value, struct route *r, struct pg_err *err)
{
    if (value.n > 0 && ref_check_tag(value, err) < 0)
        return pg_wrap(err, "last");
    r->last = value;
    return 0;
}

static int read_artifact_type(struct sl value, struct route *r, struct pg_err *err)
{
    if (value.n > ROUTE_ARTIFACT_TYPE_MAX)
        return pg_fail(err, PG_E_BAD_FRAMING, "artifactType is longer than %d bytes",
                       ROUTE_ARTIFACT_TYPE_MAX);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < 0x20 || value.p[i] > 0x7e)
            return pg_fail(err, PG_E_BAD_FRAMING, "artifactType is not printable ASCII");
    }
    r->artifact_type = value;
    return 0;
}

static const struct param {
    struct sl key;
    int (*read)(struct sl value, struct route *r, struct pg_err *err);
} params[] = {
    {{"ns", 2}, read_ns},
    {{"n", 1}, read_n},
    {{"last", 4}, read_last},
    {{"artifactType", 12}, read_artifact_type},
};

#define NPARAMS (sizeof(params) / sizeof(params[0]))

static int read_param(struct sl pair, struct pg_arena *arena, bool seen[NPARAMS], struct route *r,
                      struct pg_err *err)
{
    const char *equals = memchr(pair.p, '=', pair.n);
    size_t n = equals != NULL ? (size_t)(equals - pair.p) : pair.n;
    struct sl key, value = {pair.p + n, 0};

    if (equals != NULL)
        value = (struct sl){equals + 1, pair.n - n - 1};
    if (percent_decode((struct sl){pair.p, n}, arena, &key) < 0 ||
        percent_decode(value, arena, &value) < 0)
        return pg_fail(err, PG_E_BAD_FRAMING, "the query has a percent sign without two digits");
    for (size_t i = 0; i < NPARAMS; i++) {
        if (!sl_eq(key, params[i].key))
            continue;
        if (seen[i])
            return pg_fail(err, PG_E_BAD_FRAMING, "the query has more than one %s",
                           params[i].key.p);
        seen[i] = true;
        return params[i].read(value, r, err);
    }
    return 0;
}

static int read_query(struct sl query, struct pg_arena *arena, struct route *r, struct pg_err *err)
{
    bool seen[NPARAMS] = {false};
    size_t start = 0, count = 0;

    for (size_t i = 0; i <= query.n; i++) {
        if (i < query.n && query.p[i] != '&')
            continue;
        if (i > start) {
            if (++count > ROUTE_PARAMS_MAX)
                return pg_fail(err, PG_E_BAD_FRAMING, "the query has more than %d parameters",
                               ROUTE_PARAMS_MAX);
            if (read_param((struct sl){query.p + start, i - start}, arena, seen, r, err) < 0)
                return -1;
        }
        start = i + 1;
    }
    return 0;
}

/* ---- path ----------------------------------------------------------------------------------- */

static struct sl take_last_segment(struct sl *path)
{
    const char *slash = memrchr(path->p, '/', path->n);
    struct sl last = *path;

    if (slash == NULL) {
        *path = (struct sl){path->p, 0};
        return last;
    }
    last = (struct sl){slash + 1, path->n - (size_t)(slash + 1 - path->p)};
    path->n = (size_t)(slash - path->p);
    return last;
}

/* What others would decode or clean: then they and we would speak of different things. */
static int check_plain(struct sl path, struct pg_err *err)
{
    const char *at = path.p, *end = path.p + path.n;

    if (path.n > 0 && (memchr(at, '%', path.n) != NULL || memchr(at, '\\', path.n) != NULL))
        return pg_fail(err, PG_E_NAME_INVALID,
                       "the path has a percent sign or a backslash; names need neither");
    for (;;) {
        const char *slash = at < end ? memchr(at, '/', (size_t)(end - at)) : NULL;
        struct sl segment = {at, (size_t)((slash != NULL ? slash : end) - at)};

        if (segment.n == 0 || sl_eq(segment, SL(".")) || sl_eq(segment, SL("..")))
            return pg_fail(err, PG_E_NAME_INVALID,
                           "the path has a segment that is empty, '.' or '..'");
        if (slash == NULL)
            return 0;
        at = slash + 1;
    }
}

/* host/name, or a name alone: a dot in its first part may be either. */
static int check_addressed(struct sl name, struct pg_err *err)
{
    const char *slash = memchr(name.p, '/', name.n);
    struct sl host = {name.p, slash != NULL ? (size_t)(slash - name.p) : 0};

    if (slash != NULL && ref_looks_like_host(host)) {
        if (ref_check_host(host, err) == 0)
            return ref_check_name((struct sl){slash + 1, name.n - host.n - 1}, err);
        if (memchr(host.p, ':', host.n) != NULL)
            return -1;
        pg_err_clear(err);
    }
    return ref_check_name(name, err);
}

static int read_digest(struct sl text, struct route *r, struct pg_err *err)
{
    r->reference = text;
    r->by_digest = true;
    return digest_parse(text, &r->digest, err);
}

static int read_reference(struct sl text, struct route *r, struct pg_err *err)
{
    if (digest_looks_like(text))
        return read_digest(text, r, err);
    r->reference = text;
    if (ref_check_tag(text, err) == 0)
        return 0;
    pg_err_clear(err);
    return pg_fail(err, PG_E_MANIFEST_UNKNOWN,
                   "the reference is neither a tag nor a digest, so no manifest has it");
}

/* below: what follows "/v2/" */
static int read_endpoint(struct sl below, struct route *r, struct pg_err *err)
{
    struct sl name = below, last, noun;

    if (sl_eq(below, SL("_catalog"))) {
        r->op = ROUTE_CATALOG;
        return 0;
    }
    if (check_plain(below, err) < 0)
        return -1;
    last = take_last_segment(&name);
    noun = take_last_segment(&name);
    if (sl_eq(noun, SL("manifests")))
        r->op = ROUTE_MANIFEST;
    else if (sl_eq(noun, SL("blobs")))
        r->op = ROUTE_BLOB;
    else if (sl_eq(noun, SL("referrers")))
        r->op = ROUTE_REFERRERS;
    else if (sl_eq(noun, SL("tags")) && sl_eq(last, SL("list")))
        r->op = ROUTE_TAGS;
    if (r->op == ROUTE_OTHER || name.n == 0)
        return pg_fail(err, PG_E_NAME_UNKNOWN,
                       "there is no such endpoint below /v2/: a repository's name, then "
                       "manifests/<reference>, blobs/<digest>, tags/list or referrers/<digest>");
    if (check_addressed(name, err) < 0)
        return -1;
    r->name = name;
    if (r->op == ROUTE_TAGS)
        return 0;
    return r->op == ROUTE_MANIFEST ? read_reference(last, r, err) : read_digest(last, r, err);
}

static int read_path(struct sl path, struct route *r, struct pg_err *err)
{
    r->op = ROUTE_OTHER;
    if (sl_eq(path, SL("/v2")) || sl_eq(path, SL("/v2/"))) {
        r->op = ROUTE_PING;
        return 0;
    }
    if (!sl_starts(path, SL("/v2/")))
        return 0;
    return read_endpoint((struct sl){path.p + 4, path.n - 4}, r, err);
}

int route_parse(struct sl method, struct sl target, struct pg_arena *arena, struct route *route_r,
                struct pg_err *err)
{
    struct route r = {0};
    struct sl path = target, query = {NULL, 0};
    const char *mark;

    if (read_method(method, &r, err) < 0)
        return -1;
    if (target.n > ROUTE_TARGET_MAX)
        return pg_fail(err, PG_E_URI_TOO_LONG, "the request's target is longer than %d bytes",
                       ROUTE_TARGET_MAX);
    mark = target.n > 0 ? memchr(target.p, '?', target.n) : NULL;
    if (mark != NULL) {
        path.n = (size_t)(mark - target.p);
        query = (struct sl){mark + 1, target.n - path.n - 1};
    }
    if (read_path(path, &r, err) < 0)
        return -1;
    /* the query of what is no endpoint is nobody's */
    if (r.op != ROUTE_OTHER && read_query(query, arena, &r, err) < 0)
        return -1;
    r.authz = authz_of(r.op);
    *route_r = r;
    return 0;
}
