/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/challenge.h"

#include <string.h>

/* What is read, what was found, and which challenge its parameters belong to. */
struct reading {
    struct sl s;
    size_t at;
    struct pg_arena *arena;
    struct challenge found;
    size_t nschemes;
    bool is_wanted;    /* in the Bearer challenge that counts */
    bool takes_params; /* a scheme was read, and no token68 behind it */
    bool has_error;
};

#define MALFORMED "malformed WWW-Authenticate: "

static bool is_tchar(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token68_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~+/", c) != NULL);
}

static bool is_next(const struct reading *r, char c)
{
    return r->at < r->s.n && r->s.p[r->at] == c;
}

static void skip_space(struct reading *r)
{
    while (is_next(r, ' ') || is_next(r, '\t'))
        r->at++;
}

static struct sl take_token(struct reading *r)
{
    size_t start = r->at;

    while (r->at < r->s.n && is_tchar(r->s.p[r->at]))
        r->at++;
    return (struct sl){r->s.p + start, r->at - start};
}

/* An element of the list ends here; what comes next is a comma or nothing. */
static bool ends(struct reading *r)
{
    skip_space(r);
    return r->at == r->s.n || is_next(r, ',');
}

/* HTAB, SP, VCHAR or obs-text: what a quoted-string may hold, behind a backslash or not */
static bool is_text(char c)
{
    return c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f);
}

/* Behind the opening quote, to behind the closing one; backslashes stay. -1 when malformed. */
static int take_quoted(struct reading *r, struct sl *raw_r)
{
    size_t start = r->at;

    for (; r->at < r->s.n; r->at++) {
        if (is_next(r, '"')) {
            *raw_r = (struct sl){r->s.p + start, r->at - start};
            r->at++;
            return 0;
        }
        if (is_next(r, '\\'))
            r->at++;
        if (r->at == r->s.n || !is_text(r->s.p[r->at]))
            return -1;
    }
    return -1;
}

static struct sl unquote(struct pg_arena *arena, struct sl raw)
{
    char *out = pg_alloc(arena, raw.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '\\')
            i++;
        out[n++] = raw.p[i];
    }
    return (struct sl){out, n};
}

/* What may go into a URL of ours. The realm is one already: no space in it. */
static bool is_plain(struct sl s, char least)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < least || s.p[i] > 0x7e)
            return false;
    }
    return true;
}

static int keep(struct reading *r, struct sl name, struct sl raw, struct pg_err *err)
{
    struct challenge *c = &r->found;

    if (sl_eq_nocase(name, SL("realm"))) {
        if (c->realm.p != NULL)
            return pg_fail(err, PG_E_UPSTREAM_WRONG, MALFORMED "two realms");
        c->realm = unquote(r->arena, raw);
        if (c->realm.n == 0 || !is_plain(c->realm, 0x21))
            return pg_fail(err, PG_E_UPSTREAM_WRONG, MALFORMED "the realm is no URL");
    } else if (sl_eq_nocase(name, SL("service"))) {
        if (c->service.p != NULL)
            return pg_fail(err, PG_E_UPSTREAM_WRONG, MALFORMED "two services");
        c->service = unquote(r->arena, raw);
        if (!is_plain(c->service, 0x20))
            return pg_fail(err, PG_E_UPSTREAM_WRONG, MALFORMED "the service is not printable");
    } else if (sl_eq_nocase(name, SL("error"))) {
        struct sl value = unquote(r->arena, raw);

        if (r->has_error)
            return pg_fail(err, PG_E_UPSTREAM_WRONG, MALFORMED "two errors");
        r->has_error = true;
        c->insufficient_scope =
            sl_eq(value, SL("insufficient_scope")) || sl_eq(value, SL("invalid_token"));
    }
    return 0;
}

/* name BWS was read and '=' is next */
static int read_param(struct reading *r, struct sl name, struct pg_err *err)
{
    struct sl raw;

    if (!r->takes_params)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, MALFORMED "a parameter without a scheme");
    r->at++;
    skip_space(r);
    if (is_next(r, '"')) {
        r->at++;
        if (take_quoted(r, &raw) < 0)
            return pg_fail(err, PG_E_UPSTREAM_WRONG,
                           MALFORMED "a quoted string that does not end or has a control byte");
    } else {
        raw = take_token(r);
        if (raw.n == 0)
            return pg_fail(err, PG_E_UPSTREAM_WRONG, MALFORMED "a parameter without a value");
    }
    if (!ends(r))
        return pg_fail(err, PG_E_UPSTREAM_WRONG, MALFORMED "no comma behind a parameter");
    return r->is_wanted ? keep(r, name, raw, err) : 0;
}

/* True, and behind it, if a token68 stands here and nothing else does. */
static bool skip_token68(struct reading *r)
{
    size_t start = r->at;

    while (r->at < r->s.n && is_token68_char(r->s.p[r->at]))
        r->at++;
    if (r->at > start) {
        while (is_next(r, '='))
            r->at++;
        if (ends(r))
            return true;
    }
    r->at = start;
    return false;
}

static int read_scheme(struct reading *r, struct sl name, struct pg_err *err)
{
    if (++r->nschemes > CHALLENGE_SCHEMES_MAX)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "WWW-Authenticate names more than %d schemes",
                       CHALLENGE_SCHEMES_MAX);
    r->is_wanted = sl_eq_nocase(name, SL("Bearer")) && !r->found.has_bearer;
    if (r->is_wanted)
        r->found.has_bearer = true;
    if (sl_eq_nocase(name, SL("Basic")))
        r->found.has_basic = true;
    r->takes_params = !ends(r) && !skip_token68(r);
    return 0;
}

/* One step: a parameter, or a scheme with what must stand on the same side of the comma. */
static int read_element(struct reading *r, struct pg_err *err)
{
    struct sl name = take_token(r);
    size_t behind = r->at;

    if (name.n == 0)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, MALFORMED "byte %zu is out of place", r->at + 1);
    skip_space(r);
    if (is_next(r, '='))
        return read_param(r, name, err);
    if (r->at < r->s.n && r->at == behind && !is_next(r, ','))
        return pg_fail(err, PG_E_UPSTREAM_WRONG, MALFORMED "byte %zu is out of place", r->at + 1);
    if (read_scheme(r, name, err) < 0)
        return -1;
    if (!r->takes_params)
        return 0;
    name = take_token(r);
    skip_space(r);
    if (name.n == 0 || !is_next(r, '='))
        return pg_fail(err, PG_E_UPSTREAM_WRONG,
                       MALFORMED "a scheme is followed by neither a parameter nor a token");
    return read_param(r, name, err);
}

int challenge_parse(struct sl value, struct pg_arena *arena, struct challenge *c,
                    struct pg_err *err)
{
    struct reading r = {.s = value, .arena = arena, .found = *c};

    if (value.n > CHALLENGE_MAX)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "WWW-Authenticate is longer than %d bytes",
                       CHALLENGE_MAX);
    for (;;) {
        while (ends(&r) && r.at < value.n)
            r.at++; /* the comma; empty elements of a list are allowed */
        if (r.at == value.n)
            break;
        if (read_element(&r, err) < 0)
            return -1;
    }
    if (r.nschemes == 0)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, MALFORMED "it names no scheme");
    *c = r.found;
    return 0;
}
