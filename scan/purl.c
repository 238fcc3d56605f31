/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/purl.h"

#include "base/utf8.h"

/* ---- the parts ----------------------------------------------------------------------------- */

static int bad(struct pg_err *err, struct sl text, const char *why)
{
    int shown = (int)(text.n < 120 ? text.n : 120);

    return pg_fail(err, PG_E_UPSTREAM_WRONG, "\"%.*s\" is no package URL: %s", shown, text.p, why);
}

/* What stands behind the last `c`, which is taken off; absent if there is none. */
static struct sl cut_behind_last(struct sl *rest, char c)
{
    const char *at = rest->n > 0 ? memrchr(rest->p, c, rest->n) : NULL;
    struct sl behind = {NULL, 0};

    if (at != NULL) {
        behind = (struct sl){at + 1, rest->n - (size_t)(at + 1 - rest->p)};
        rest->n = (size_t)(at - rest->p);
    }
    return behind;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(struct sl s)
{
    uint32_t point;
    size_t n;

    while (s.n > 0) {
        n = pg_utf8_next(s, &point);
        if (n == 0 || point < 0x20 || point == 0x7f) {
            return false;
        }
        s = (struct sl){s.p + n, s.n - n};
    }
    return true;
}

static int decode(struct sl part, struct pg_arena *arena, struct sl *out_r)
{
    char *out = pg_alloc(arena, part.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < part.n; i++) {
        if (part.p[i] != '%') {
            out[n++] = part.p[i];
            continue;
        }
        int high = i + 2 < part.n ? digit_of(part.p[i + 1]) : -1;
        int low = i + 2 < part.n ? digit_of(part.p[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return -1;
        }
        out[n++] = (char)(high * 16 + low);
        i += 2;
    }
    *out_r = (struct sl){out, n};
    return is_text(*out_r) ? 0 : -1;
}

static void lower(struct sl s) /* of our own, from decode() */
{
    char *p = (char *)(uintptr_t)s.p;

    for (size_t i = 0; i < s.n; i++) {
        p[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]);
    }
}

static bool is_type(struct sl type)
{
    for (size_t i = 0; i < type.n; i++) {
        char c = type.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9' && i > 0) ||
                  (i > 0 && (c == '.' || c == '+' || c == '-'));
        if (!ok) {
            return false;
        }
    }
    return type.n > 0;
}

/* ---- what each type says ------------------------------------------------------------------- */

static bool is_one_of(struct sl type, const char *const *types)
{
    for (; *types != NULL; types++) {
        if (sl_eq(type, sl_str(*types))) {
            return true;
        }
    }
    return false;
}

static void fold_case(struct purl *p)
{
    static const char *const names[] = {"deb",       "rpm",    "apk", "alpm", "github",
                                        "bitbucket", "docker", "oci", NULL};

    if (is_one_of(p->type, names)) {
        lower(p->space);
        if (!sl_eq(p->type, SL("rpm"))) {
            lower(p->name);
        }
    }
    if (sl_eq(p->type, SL("pypi"))) {
        lower(p->name);
        for (size_t i = 0; i < p->name.n; i++) {
            char *c = (char *)(uintptr_t)p->name.p + i;
            *c = (char)(*c == '_' || *c == '.' ? '-' : *c);
        }
    }
}

static void fold_epoch(struct purl *p, struct pg_arena *arena)
{
    static const char *const types[] = {"deb", "rpm", NULL};
    struct sl epoch = purl_qualifier_of(p, "epoch");

    if (epoch.n == 0 || sl_eq(epoch, SL("0")) || p->version.n == 0 || !is_one_of(p->type, types) ||
        memchr(p->version.p, ':', p->version.n) != NULL) {
        return;
    }
    char *whole = pg_alloc(arena, epoch.n + 1 + p->version.n);
    memcpy(whole, epoch.p, epoch.n);
    whole[epoch.n] = ':';
    memcpy(whole + epoch.n + 1, p->version.p, p->version.n);
    p->version = (struct sl){whole, epoch.n + 1 + p->version.n};
}

/* ---- whole --------------------------------------------------------------------------------- */

static int take_qualifiers(struct sl rest, struct pg_arena *arena, struct purl *p)
{
    while (rest.n > 0) {
        const char *amp = memchr(rest.p, '&', rest.n);
        struct sl one = {rest.p, amp != NULL ? (size_t)(amp - rest.p) : rest.n};
        const char *is = memchr(one.p, '=', one.n);
        struct purl_qualifier q;

        rest = amp != NULL ? (struct sl){amp + 1, rest.n - one.n - 1} : (struct sl){"", 0};
        if (is == NULL || is == one.p || p->nqualifiers == PURL_QUALIFIERS_MAX) {
            return -1;
        }
        size_t nkey = (size_t)(is - one.p);
        if (decode((struct sl){one.p, nkey}, arena, &q.key) < 0 ||
            decode((struct sl){is + 1, one.n - nkey - 1}, arena, &q.value) < 0) {
            return -1;
        }
        lower(q.key);
        if (purl_qualifier_of(p, q.key.p).p != NULL) { /* decode() leaves a NUL behind it */
            return -1;
        }
        if (q.value.n > 0) { /* an empty one is as good as none */
            p->qualifiers[p->nqualifiers++] = q;
        }
    }
    return 0;
}

static int take_name(struct sl text, struct sl rest, struct pg_arena *arena, struct purl *p,
                     struct pg_err *err)
{
    const char *slash = memchr(rest.p, '/', rest.n);
    struct sl version = {NULL, 0};

    if (slash == NULL || slash == rest.p) {
        return bad(err, text, "after pkg: come a type, / and a name");
    }
    if (decode((struct sl){rest.p, (size_t)(slash - rest.p)}, arena, &p->type) < 0) {
        return bad(err, text, "its type is not one");
    }
    lower(p->type);
    rest = (struct sl){slash + 1, rest.n - (size_t)(slash + 1 - rest.p)};
    while (rest.n > 0 && rest.p[0] == '/') {
        rest = (struct sl){rest.p + 1, rest.n - 1};
    }
    const char *last = rest.n > 0 ? memrchr(rest.p, '/', rest.n) : NULL;
    const char *at = rest.n > 0 ? memrchr(rest.p, '@', rest.n) : NULL;
    if (at != NULL && (last == NULL || at > last) && at != rest.p) { /* not that of npm's @scope */
        version = cut_behind_last(&rest, '@');
    }
    struct sl name = rest, space = {NULL, 0};
    if (last != NULL) {
        name = cut_behind_last(&rest, '/');
        space = rest;
    }
    if (!is_type(p->type) || name.n == 0) {
        return bad(err, text, name.n == 0 ? "it has no name" : "its type is not one");
    }
    if (decode(name, arena, &p->name) < 0 ||
        (version.n > 0 && decode(version, arena, &p->version) < 0) ||
        (space.n > 0 && decode(space, arena, &p->space) < 0)) {
        return bad(err, text, "a part of it is not text in percent-encoding");
    }
    return 0;
}

int purl_parse(struct sl text, struct pg_arena *arena, struct purl *purl_r, struct pg_err *err)
{
    struct purl p = {0};
    struct sl rest = text;

    if (text.n > PURL_MAX || !sl_starts(text, SL("pkg:"))) {
        return bad(err, text, text.n > PURL_MAX ? "it is too long" : "it does not begin with pkg:");
    }
    rest = (struct sl){rest.p + 4, rest.n - 4};
    while (rest.n > 0 && rest.p[0] == '/') {
        rest = (struct sl){rest.p + 1, rest.n - 1};
    }
    struct sl subpath = cut_behind_last(&rest, '#');
    struct sl qualifiers = cut_behind_last(&rest, '?');
    if (subpath.n > 0 && decode(subpath, arena, &p.subpath) < 0) {
        return bad(err, text, "its subpath is not text in percent-encoding");
    }
    if (take_qualifiers(qualifiers, arena, &p) < 0) {
        return bad(err, text, "its qualifiers are not KEY=VALUE, each key once, 16 at most");
    }
    if (take_name(text, rest, arena, &p, err) < 0) {
        return -1;
    }
    fold_case(&p);
    fold_epoch(&p, arena);
    *purl_r = p;
    return 0;
}

/* ---- compared ------------------------------------------------------------------------------ */

struct sl purl_qualifier_of(const struct purl *p, const char *key)
{
    for (size_t i = 0; i < p->nqualifiers; i++) {
        if (sl_eq(p->qualifiers[i].key, sl_str(key))) {
            return p->qualifiers[i].value;
        }
    }
    return (struct sl){NULL, 0};
}

bool purl_is_of_system(const struct purl *p)
{
    static const char *const types[] = {"deb", "rpm", "apk", "alpm", NULL};

    return is_one_of(p->type, types);
}

static bool agree(const struct purl *said, const struct purl *found)
{
    for (size_t i = 0; i < said->nqualifiers; i++) {
        const struct purl_qualifier *q = &said->qualifiers[i];
        if (sl_eq(q->key, SL("epoch"))) { /* it is in the version */
            continue;
        }
        for (size_t k = 0; k < found->nqualifiers; k++) {
            if (sl_eq(found->qualifiers[k].key, q->key) &&
                !sl_eq(found->qualifiers[k].value, q->value)) {
                return false;
            }
        }
    }
    return true;
}

bool purl_is_same(const struct purl *a, const struct purl *b)
{
    return sl_eq(a->type, b->type) && sl_eq(a->space, b->space) && sl_eq(a->name, b->name);
}

bool purl_covers(const struct purl *said, const struct purl *found)
{
    return said->version.n > 0 && purl_is_same(said, found) &&
           sl_eq(said->version, found->version) && sl_eq(said->subpath, found->subpath) &&
           agree(said, found);
}
