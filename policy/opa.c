/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/opa.h"

#include "base/json.h"
#include "policy/parse.h"

#define TIMEOUT_MS     250
#define TIMEOUT_MS_MAX 10000
#define CACHE_MS       30000
#define CACHE_MS_MAX   60000
#define NAME_BYTES_MAX 500
#define REASON_BYTES   ((size_t)1000)

/* ---- settings ------------------------------------------------------------------------------ */

/* 250ms, 2s. -1: it is none. */
static int parse_ms(struct sl text, unsigned *ms_r)
{
    unsigned n = 0;
    size_t i = 0;

    for (; i < text.n && i < 6 && text.p[i] >= '0' && text.p[i] <= '9'; i++) {
        n = n * 10 + (unsigned)(text.p[i] - '0');
    }
    struct sl unit = {text.p + i, text.n - i};
    bool is_s = sl_eq(unit, SL("s"));
    if (i == 0 || (!is_s && !sl_eq(unit, SL("ms"))) || n > CACHE_MS_MAX) {
        return -1;
    }
    *ms_r = is_s ? n * 1000 : n;
    return 0;
}

static int take_ms(struct parse *p, const struct pg_tree *map, const char *key, unsigned least,
                   unsigned most, unsigned *ms_r)
{
    const struct pg_tree *t = pg_tree_get(map, sl_str(key));

    if (t == NULL) {
        return 0;
    }
    if (t->kind != PG_TREE_SCALAR || parse_ms(t->text, ms_r) < 0 || *ms_r < least || *ms_r > most) {
        return reading_bad(&p->in, t->at, "%s must be a time from %ums to %us, such as 250ms or 2s",
                           key, least, most / 1000);
    }
    return 0;
}

static bool has_only(struct sl text, const char *also)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_plain && (c == '\0' || strchr(also, c) == NULL)) {
            return false;
        }
    }
    return text.n > 0;
}

static struct sl behind(struct sl text, const char *start)
{
    struct sl s = sl_str(start);

    return sl_starts(text, s) ? (struct sl){text.p + s.n, text.n - s.n} : (struct sl){NULL, 0};
}

static int take_url(struct parse *p, const struct pg_tree *map, struct opa *o)
{
    const struct pg_tree *t = pg_tree_get(map, SL("url"));
    struct sl url = t != NULL && t->kind == PG_TREE_SCALAR ? t->text : SL("");
    struct sl file = behind(url, OPA_UNIX), host;

    if (url.n > 0 && url.p[url.n - 1] == '/' && file.p == NULL) {
        url.n--;
    }
    host = behind(url, "http://");
    host = host.p != NULL ? host : behind(url, "https://");
    if (url.n <= NAME_BYTES_MAX && has_only(host, ".-:[]")) {
        o->url = parse_keep(p, url);
        return 0;
    }
    if (file.n > 1 && file.n < 100 && file.p[0] == '/' && has_only(file, "/._-+@")) {
        o->url = parse_keep(p, url);
        return 0;
    }
    return reading_bad(&p->in, t != NULL ? t->at : map->at,
                       "opa needs url: http://HOST:PORT, https://HOST:PORT or unix:/PATH, with "
                       "nothing behind it; what stands behind /v1/data/ is path");
}

static int take_path(struct parse *p, const struct pg_tree *map, struct opa *o)
{
    const struct pg_tree *t = pg_tree_get(map, SL("path"));
    struct sl path = t != NULL && t->kind == PG_TREE_SCALAR ? t->text : SL("");
    bool is_good = has_only(path, "/_-") && path.n <= NAME_BYTES_MAX && path.p[0] != '/' &&
                   path.p[path.n - 1] != '/' && memmem(path.p, path.n, "//", 2) == NULL;

    if (!is_good) {
        return reading_bad(&p->in, t != NULL ? t->at : map->at,
                           "opa needs path: the package and the rule, with slashes, such as "
                           "pullgate/decision");
    }
    o->path = parse_keep(p, path);
    return 0;
}

int opa_parse(struct parse *p, const struct pg_tree *root, const struct opa **opa_r)
{
    static const char *const words[] = {"url",      "path",     "timeout", "cache",
                                        "findings", "on_error", NULL};
    static const char *const errors[] = {"wait", "deny", NULL};
    const struct pg_tree *map = pg_tree_get(root, SL("opa"));
    static const char *const severities[] = {"all", "low", "medium", "high", "critical", NULL};
    static const enum facts_severity least[] = {FACTS_UNKNOWN, FACTS_LOW, FACTS_MEDIUM, FACTS_HIGH,
                                                FACTS_CRITICAL};
    unsigned on_error = 0, findings = 3;

    *opa_r = NULL;
    if (map == NULL) {
        return 0;
    }
    struct opa *o = pg_new(&p->policy->arena, struct opa);
    *o = (struct opa){.at = map->at, .timeout_ms = TIMEOUT_MS, .cache_ms = CACHE_MS};
    if (reading_keys(&p->in, map, "opa", words) < 0 || take_url(p, map, o) < 0 ||
        take_path(p, map, o) < 0 ||
        take_ms(p, map, "timeout", 10, TIMEOUT_MS_MAX, &o->timeout_ms) < 0 ||
        take_ms(p, map, "cache", 0, CACHE_MS_MAX, &o->cache_ms) < 0 ||
        reading_word(&p->in, map, "findings", severities, &findings) < 0 ||
        reading_word(&p->in, map, "on_error", errors, &on_error) < 0) {
        return -1;
    }
    o->least = least[findings];
    o->waits = on_error == 0;
    *opa_r = o;
    return 0;
}

/* ---- an answer ----------------------------------------------------------------------------- */

/* What is shown to people: one line, of a bounded length. */
static struct sl plain(struct sl text, size_t max, struct pg_arena *arena)
{
    size_t n = text.n < max ? text.n : max;

    while (n > 0 && n < text.n && ((unsigned char)text.p[n] & 0xc0) == 0x80) {
        n--; /* not in the middle of a character */
    }
    struct sl copy = pg_copy(arena, (struct sl){text.p, n});
    for (char *c = (char *)(uintptr_t)copy.p; c < copy.p + copy.n; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = ' ';
        }
    }
    return copy;
}

static struct sl text_of(const json_t *t)
{
    return json_is_string(t) ? (struct sl){json_string_value(t), json_string_length(t)}
                             : (struct sl){NULL, 0};
}

static void take_reasons(const json_t *result, struct pg_arena *arena, struct facts_opinion *o)
{
    const json_t *all = json_object_get(result, "reasons");
    struct sl *reasons = pg_alloc(arena, OPA_REASONS_MAX * sizeof(*reasons));
    size_t i;
    const json_t *one;

    json_array_foreach(all, i, one)
    {
        if (o->nreasons < OPA_REASONS_MAX && json_is_string(one)) {
            reasons[o->nreasons++] = plain(text_of(one), OPA_REASON_MAX, arena);
        }
    }
    o->reasons = reasons;
}

/* Of all bundles, in the order in which they are told; "" when it has none. */
static void take_revision(const json_t *root, struct pg_arena *arena, struct facts_opinion *o)
{
    json_t *bundles = json_object_get(json_object_get(root, "provenance"), "bundles");
    struct pg_buf b;
    const char *name;
    json_t *one;

    pg_buf_init(&b, OPA_REVISION_MAX);
    json_object_foreach(bundles, name, one)
    {
        struct sl revision = text_of(json_object_get(one, "revision"));
        (void)pg_buf_printf(&b, "%s%s=" SL_FMT, b.n > 0 ? "," : "", name, SL_ARG(revision));
    }
    o->revision = plain(pg_buf_sl(&b), OPA_REVISION_MAX, arena);
    pg_buf_free(&b);
}

static void deny(struct facts_opinion *o, const char *why, struct pg_arena *arena)
{
    struct sl *reason = pg_new(arena, struct sl);

    *reason = sl_str(why);
    o->said = FACTS_SAID_NO;
    o->reasons = reason;
    o->nreasons = 1;
}

static void take_result(const json_t *root, struct pg_arena *arena, struct facts_opinion *o)
{
    const json_t *result = json_object_get(root, "result");
    const json_t *allow = json_object_get(result, "allow");

    if (result == NULL) {
        deny(o, "its answer is undefined: no such document, or no rule of it gave a result", arena);
    } else if (!json_is_object(result)) {
        deny(o, "its result is no object with allow and reasons", arena);
    } else if (!json_is_boolean(allow)) {
        deny(o, allow == NULL ? "its result has no allow" : "allow in its result is no boolean",
             arena);
    } else {
        take_reasons(result, arena, o);
        o->said = json_is_true(allow) ? FACTS_SAID_YES : FACTS_SAID_NO;
    }
}

void opa_read(struct sl body, struct pg_arena *arena, struct facts_opinion *o_r)
{
    struct facts_opinion o = {.said = FACTS_SAID_NOTHING, .revision = SL("")};
    struct pg_err err = {0};
    _json_ json_t *root = NULL;

    if (body.n > OPA_ANSWER_MAX) {
        o.trouble = "its answer is too long";
    } else if (pg_json_parse(body, PG_E_UPSTREAM_WRONG, &root, &err) < 0) {
        o.trouble = "its answer is no JSON";
    } else if (!json_is_object(root)) {
        o.trouble = "its answer is no JSON object";
    } else {
        take_revision(root, arena, &o);
        take_result(root, arena, &o);
    }
    pg_err_clear(&err);
    *o_r = o;
}

/* ---- what follows -------------------------------------------------------------------------- */

/* A denial by facts that could not all be had may be one of tomorrow's yes. */
static bool is_whole(const struct facts *f)
{
    return f->state != FACTS_FAILED && f->scans_trouble == NULL &&
           (f->content == NULL || !f->content->is_unknown);
}

static void say(struct policy_verdict *v, enum policy_decision d, struct sl reason,
                const char *remedy)
{
    v->decision = d;
    v->rule = SL("opa");
    v->reason = reason;
    v->remedy = sl_str(remedy);
}

static struct sl join(const struct facts_opinion *o, struct pg_arena *arena)
{
    struct pg_buf b;

    pg_buf_init(&b, REASON_BYTES);
    (void)pg_buf_put(&b, SL("OPA denies it"));
    for (size_t i = 0; i < o->nreasons; i++) {
        (void)pg_buf_printf(&b, "%s" SL_FMT, i == 0 ? ": " : "; ", SL_ARG(o->reasons[i]));
    }
    struct sl text = pg_copy(arena, pg_buf_sl(&b));
    pg_buf_free(&b);
    return text;
}

void opa_decide(const struct opa *opa, const struct facts *f, struct pg_arena *arena,
                struct policy_verdict *v_r)
{
    const struct facts_opinion *o = f->opinion;
    struct pg_buf b;

    if (o == NULL) {
        say(v_r, POLICY_PENDING, SL("OPA has not been asked yet"), "try again");
        v_r->asks_opa = true;
    } else if (o->said == FACTS_SAID_YES) {
        say(v_r, POLICY_ALLOW, SL("OPA allows it"), "");
    } else if (o->said == FACTS_SAID_NO && is_whole(f)) {
        v_r->asks_scan = v_r->asks_scan || f->nscans == 0; /* perhaps that is why */
        say(v_r, POLICY_DENY, join(o, arena), "what OPA's rules want");
    } else if (o->said == FACTS_SAID_NO) {
        say(v_r, POLICY_PENDING, join(o, arena),
            "try again: not all that OPA is told could be looked for");
    } else {
        pg_buf_init(&b, REASON_BYTES);
        (void)pg_buf_printf(&b, "OPA was asked in vain: %s", o->trouble);
        say(v_r, opa->waits ? POLICY_PENDING : POLICY_DENY, pg_copy(arena, pg_buf_sl(&b)),
            "try again when OPA answers");
        pg_buf_free(&b);
    }
}

void opa_put(const struct opa *opa, struct pg_buf *out)
{
    (void)pg_buf_printf(out, "OPA at " SL_FMT " allows it (" SL_FMT ")", SL_ARG(opa->url),
                        SL_ARG(opa->path));
}
