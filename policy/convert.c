/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/convert_int.h"

#include <stdarg.h>
#include <stdio.h>

#include "policy/match.h"
#include "policy/pattern.h"
#include "policy/provenance.h"

#define ARENA_BYTES ((size_t)64 << 20)
#define REGEX_BYTES ((size_t)PATTERN_MAX + 1)

/* ---- the trees ----------------------------------------------------------------------------- */

const struct pg_tree *convert_at(const struct pg_tree *t, const char *path)
{
    while (t != NULL && t->kind == PG_TREE_MAP) {
        size_t n = strcspn(path, "/");
        t = pg_tree_get(t, (struct sl){path, n});
        if (path[n] == '\0') {
            return t;
        }
        path += n + 1;
    }
    return NULL;
}

struct sl convert_text(const struct pg_tree *t, const char *path)
{
    const struct pg_tree *c = convert_at(t, path);

    return c != NULL && c->kind == PG_TREE_SCALAR && !pg_tree_is_null(c) ? c->text
                                                                         : (struct sl){NULL, 0};
}

bool convert_is(const struct pg_tree *t, const char *path, const char *text)
{
    return sl_eq(convert_text(t, path), sl_str(text));
}

struct sl convert_join(struct convert *c, struct sl a, const char *between, struct sl b)
{
    struct pg_buf text;

    pg_buf_init(&text, POLICY_BYTES_MAX);
    (void)pg_buf_put(&text, a);
    (void)pg_buf_put(&text, sl_str(between));
    (void)pg_buf_put(&text, b);
    struct sl kept = pg_copy(c->arena, pg_buf_sl(&text));
    pg_buf_free(&text);
    return kept;
}

/* ---- what is said -------------------------------------------------------------------------- */

void convert_drop(struct convert *c, struct pg_tree_at at, const char *fmt, ...)
{
    char what[600];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    PG_CHECK(n >= 0);
    for (char *p = what; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e) {
            *p = '?'; /* a comment of one line; YAML ends lines in more ways than one */
        }
    }
    (void)pg_buf_printf(c->out, "# NOT HONOURED: %s:%u:%u: %s\n", c->file, c->line0 + at.line,
                        at.col, what);
    c->ndropped++;
}

size_t convert_rest(struct convert *c, const struct pg_tree *map, const char *const *words)
{
    size_t n = 0;

    for (const struct pg_tree *t = map->first; map->kind == PG_TREE_MAP && t != NULL; t = t->next) {
        bool known = false;
        for (size_t i = 0; words[i] != NULL && !known; i++) {
            known = sl_eq(t->key, sl_str(words[i]));
        }
        if (!known) {
            convert_drop(c, t->key_at, SL_FMT " is not known here", SL_ARG(t->key));
            n++;
        }
    }
    return n;
}

static void put_list(struct pg_buf *out, const struct sl *items, size_t n)
{
    (void)pg_buf_put(out, SL("["));
    for (size_t i = 0; i < n; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(", ") : SL(""));
        (void)pg_buf_put_json(out, items[i]);
    }
    (void)pg_buf_put(out, SL("]"));
}

static void put_items(struct pg_buf *out, const struct convert_group *g, const char *indent)
{
    for (size_t i = 0; i < g->n; i++) {
        (void)pg_buf_printf(out, "%s- ", indent);
        (void)pg_buf_put(out, g->item[i]);
        (void)pg_buf_put(out, SL("\n"));
    }
}

static bool is_broken(const struct convert_group *g)
{
    return g->broken || g->n == 0 || g->need > g->n || g->n > RULE_SIGNERS_MAX;
}

static bool can_hold(const struct convert_rule *r)
{
    size_t n = r->nattestations + (r->has_signature ? 1 : 0);

    if (r->denies || (r->has_signature && is_broken(&r->signature))) {
        return false;
    }
    for (size_t i = 0; i < r->nattestations; i++) {
        const struct convert_attestation *a = &r->attestations[i];
        struct sl type = provenance_type(a->type);
        if (is_broken(&a->from) || type.n < 3 || memmem(type.p, type.n, "://", 3) == NULL) {
            return false;
        }
    }
    return n > 0 && n <= RULE_REQUIREMENTS_MAX;
}

static void write_requirements(struct convert *c, const struct convert_rule *r)
{
    (void)pg_buf_put(c->out, SL("  require:\n"));
    if (r->has_signature) {
        const struct convert_group *g = &r->signature;
        (void)pg_buf_printf(c->out, "    signature:\n");
        if (g->need > 1) {
            (void)pg_buf_printf(c->out, "      threshold: %u\n", g->need);
        }
        (void)pg_buf_printf(c->out, "      %s:\n", g->need == 0 && g->n > 1 ? "all_of" : "any_of");
        put_items(c->out, g, "      ");
    }
    if (r->nattestations > 0) {
        (void)pg_buf_put(c->out, SL("    attestations:\n"));
    }
    for (size_t i = 0; i < r->nattestations; i++) {
        (void)pg_buf_put(c->out, SL("    - predicate_type: "));
        (void)pg_buf_put_json(c->out, r->attestations[i].type);
        (void)pg_buf_put(c->out, SL("\n      from:\n"));
        put_items(c->out, &r->attestations[i].from, "      ");
    }
}

/* The patterns with one tag, from the first of them on. */
static void write_match(struct convert *c, const struct convert_rule *r, size_t first)
{
    struct sl same[CONVERT_PATTERNS_MAX];
    size_t n = 0;

    for (size_t i = first; i < r->nrepositories; i++) {
        if (sl_eq(r->tags[i], r->tags[first])) {
            same[n++] = r->repositories[i];
        }
    }
    (void)pg_buf_put(c->out, SL("  match:\n    repositories: "));
    put_list(c->out, same, n);
    if (r->tags[first].p != NULL) {
        (void)pg_buf_put(c->out, SL("\n    tags: "));
        put_list(c->out, &r->tags[first], 1);
    }
    (void)pg_buf_put(c->out, SL("\n"));
}

static void write_one(struct convert *c, const struct convert_rule *r, size_t first)
{
    struct sl name = {r->name.p, r->name.n < 80 ? r->name.n : 80};

    bool numbered = name.n > 0 && name.p[name.n - 1] >= '0' && name.p[name.n - 1] <= '9';
    if (c->nrules > 0 || numbered) { /* two may have the same name, or "p-2" and a second "p" */
        char number[24];
        (void)snprintf(number, sizeof(number), "%zu", c->nrules + 1);
        name = convert_join(c, name, "-", sl_str(number));
    }
    (void)pg_buf_put(c->out, SL("- name: "));
    (void)pg_buf_put_json(c->out, name);
    (void)pg_buf_put(c->out, SL("\n"));
    write_match(c, r, first);
    if (r->allows) {
        (void)pg_buf_put(c->out, SL("  action: allow\n"));
    } else if (!can_hold(r)) {
        (void)pg_buf_put(c->out, SL("  description: what the original asks for cannot be looked at "
                                    "here\n  action: deny\n"));
    } else {
        write_requirements(c, r);
    }
    if (r->observes) {
        (void)pg_buf_put(c->out, SL("  mode: observe\n"));
    }
    c->nrules++;
}

/* A rule for each tag, since tags are for all repositories of a rule. */
void convert_write(struct convert *c, const struct convert_rule *r)
{
    for (size_t i = 0; i < r->nrepositories; i++) {
        bool first = true;
        for (size_t k = 0; k < i; k++) {
            first = first && !sl_eq(r->tags[k], r->tags[i]);
        }
        if (first) {
            write_one(c, r, i);
        }
    }
}

/* ---- patterns ------------------------------------------------------------------------------ */

/* "*" of a tool that lets it cross parts is our "**". */
static struct sl widened(struct convert *c, struct sl s)
{
    char *p = pg_alloc(c->arena, 2 * s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        p[n++] = s.p[i];
        if (s.p[i] == '*') {
            while (i + 1 < s.n && s.p[i + 1] == '*') {
                i++;
            }
            p[n++] = '*';
        }
    }
    return (struct sl){p, n};
}

void convert_pattern(struct convert *c, const struct pg_tree *t, bool every_star,
                     struct convert_rule *r)
{
    struct pg_err err = {0};
    struct sl text = t->text, tag = {NULL, 0}, pattern;

    if (t->kind != PG_TREE_SCALAR || t->text.n == 0) {
        convert_drop(c, t->at, "a pattern is no text; images that it matched get the default");
        return;
    }
    const char *slash = memrchr(text.p, '/', text.n), *colon = memrchr(text.p, ':', text.n);
    if (colon != NULL && (slash == NULL || colon > slash)) {
        tag = (struct sl){colon + 1, text.n - (size_t)(colon + 1 - text.p)};
        text.n = (size_t)(colon - text.p);
    }
    bool alone = sl_eq(text, SL("*"));
    text = every_star ? widened(c, text) : alone ? SL("docker.io/library/*") : text;
    if (match_canonical(text, NULL, NULL, c->arena, &pattern, &err) < 0 ||
        (tag.p != NULL && match_check_tag(tag, &err) < 0) ||
        r->nrepositories == CONVERT_PATTERNS_MAX) {
        convert_drop(c, t->at, "images that it matched get the default: %s",
                     err.msg != NULL ? err.msg : "too many patterns");
        pg_err_clear(&err);
        return;
    }
    r->tags[r->nrepositories] = sl_eq(tag, SL("*")) ? (struct sl){NULL, 0} : tag;
    r->repositories[r->nrepositories++] = pg_copy(c->arena, pattern);
}

/* ---- regular expressions ------------------------------------------------------------------- */

struct regex {
    struct sl in;
    size_t at;
    struct pg_buf out;
    unsigned depth;
    bool has_choice; /* a | outside of parentheses */
};

static int take_class(struct regex *x)
{
    size_t start = x->at++;

    x->at += x->at < x->in.n && x->in.p[x->at] == '^' ? 1 : 0;
    x->at += x->at < x->in.n && x->in.p[x->at] == ']' ? 1 : 0;
    while (x->at < x->in.n && x->in.p[x->at] != ']') {
        if (x->in.p[x->at] == '\\' || x->in.p[x->at] == '[') {
            return -1; /* it means another thing in POSIX */
        }
        x->at++;
    }
    if (x->at == x->in.n) {
        return -1;
    }
    x->at++;
    return pg_buf_put(&x->out, (struct sl){x->in.p + start, x->at - start});
}

static int take_escape(struct regex *x)
{
    if (x->at + 1 >= x->in.n) {
        return -1;
    }
    x->at += 2;
    switch (x->in.p[x->at - 1]) {
    case 'd':
        return pg_buf_put(&x->out, SL("[0-9]"));
    case 'w':
        return pg_buf_put(&x->out, SL("[A-Za-z0-9_]"));
    default:
        return pg_buf_put(&x->out, (struct sl){x->in.p + x->at - 2, 2});
    }
}

static int take_open(struct regex *x)
{
    x->depth++;
    x->at++;
    if (x->at < x->in.n && x->in.p[x->at] == '?') {
        if (x->at + 1 >= x->in.n || x->in.p[x->at + 1] != ':') {
            return -1;
        }
        x->at += 2;
    }
    return pg_buf_put(&x->out, SL("("));
}

static bool is_lazy(const struct regex *x)
{
    return x->in.p[x->at] == '?' && x->at > 0 && strchr("*+?}", x->in.p[x->at - 1]) != NULL;
}

static int take_regex(struct regex *x)
{
    while (x->at < x->in.n) {
        char c = x->in.p[x->at];
        int rc;
        if (c == '[') {
            rc = take_class(x);
        } else if (c == '\\') {
            rc = take_escape(x);
        } else if (c == '(') {
            rc = take_open(x);
        } else if (is_lazy(x) || (c == ')' && x->depth == 0) || c == '^' || c == '$') {
            return -1;
        } else {
            x->depth -= c == ')' ? 1 : 0;
            x->has_choice = x->has_choice || (c == '|' && x->depth == 0);
            rc = pg_buf_put(&x->out, (struct sl){x->in.p + x->at++, 1});
        }
        if (rc < 0) {
            return -1;
        }
    }
    return x->depth == 0 ? 0 : -1;
}

/* Go's, which need not match all of a text, as one of ours that does. */
static int regex_of(struct convert *c, struct sl text, struct sl *regex_r, bool *open_r)
{
    struct regex x = {.in = text};
    struct pg_err err = {0};
    struct pattern p;
    bool starts = sl_starts(text, SL("^")), ends = text.n > 0 && text.p[text.n - 1] == '$';

    ends = ends && (text.n < 2 || text.p[text.n - 2] != '\\');
    if (starts) {
        x.in = (struct sl){x.in.p + 1, x.in.n - 1};
    }
    x.in.n -= ends && x.in.n > 0 ? 1 : 0;
    pg_buf_init(&x.out, REGEX_BYTES);
    int rc = take_regex(&x);
    struct sl body = pg_copy(c->arena, pg_buf_sl(&x.out));
    pg_buf_clear(&x.out);
    if (rc == 0 && !(x.has_choice && (starts || ends))) {
        (void)pg_buf_printf(&x.out, "^%s%s", starts ? "" : ".*", x.has_choice ? "(" : "");
        (void)pg_buf_put(&x.out, body);
        (void)pg_buf_printf(&x.out, "%s%s$", x.has_choice ? ")" : "", ends ? "" : ".*");
        rc = x.out.over ? -1 : pattern_compile(&p, pg_buf_sl(&x.out), &err);
        if (rc == 0) {
            *open_r = p.is_open;
            pattern_free(&p);
            *regex_r = pg_copy(c->arena, pg_buf_sl(&x.out));
        }
    } else {
        rc = -1;
    }
    pg_err_clear(&err);
    pg_buf_free(&x.out);
    return rc;
}

/* ---- authorities --------------------------------------------------------------------------- */

/* nwho: how many bytes of it say who, before what else is asked of them. */
static void add_item(struct convert *c, struct pg_tree_at at, struct pg_buf *b, size_t nwho,
                     struct convert_group *g)
{
    struct sl item = pg_buf_sl(b), who = {item.p, nwho};

    for (size_t i = 0; i < g->n; i++) {
        if (sl_eq(g->item[i], item)) {
            return;
        }
        if (sl_eq(g->who[i], who)) {
            convert_drop(c, at, "the same authority once more, with other logs or timestamps");
            g->broken = true;
            return;
        }
    }
    if (g->n == CONVERT_ITEMS_MAX) {
        convert_drop(c, at, "more than %d authorities", CONVERT_ITEMS_MAX);
        g->broken = true;
        return;
    }
    g->item[g->n] = pg_copy(c->arena, item);
    g->who[g->n] = (struct sl){g->item[g->n].p, nwho};
    g->n++;
}

/* Each PEM block is a key of its own. */
bool convert_keys(struct convert *c, const struct pg_tree *t, struct sl more,
                  struct convert_group *g)
{
    const struct sl begin = SL("-----BEGIN PUBLIC KEY-----"), end = SL("-----END PUBLIC KEY-----");
    struct sl text = t != NULL && t->kind == PG_TREE_SCALAR ? t->text : (struct sl){"", 0};
    bool found = false;

    for (;;) {
        const char *from = text.n > 0 ? memmem(text.p, text.n, begin.p, begin.n) : NULL;
        const char *last =
            from != NULL ? memmem(from, text.n - (size_t)(from - text.p), end.p, end.n) : NULL;
        struct pg_buf b;
        if (last == NULL) {
            break;
        }
        last += end.n;
        pg_buf_init(&b, POLICY_BYTES_MAX);
        (void)pg_buf_put(&b, SL("{key: "));
        (void)pg_buf_put_json(&b, (struct sl){from, (size_t)(last - from)});
        size_t nwho = pg_buf_sl(&b).n;
        (void)pg_buf_put(&b, more);
        (void)pg_buf_put(&b, SL("}"));
        add_item(c, t->at, &b, nwho, g);
        found = true;
        pg_buf_free(&b);
        text = (struct sl){last, text.n - (size_t)(last - text.p)};
    }
    if (!found) {
        convert_drop(c, t != NULL ? t->at : (struct pg_tree_at){1, 1},
                     "the key is not here in PEM form: a secret, a KMS or a reference; copy the "
                     "public key to a file and name it");
    }
    return found;
}

/* One of issuer and issuerRegExp, ...; false when neither is there or can be had. */
static bool put_word(struct convert *c, const struct pg_tree *t, const char *exact,
                     const char *const regex[2], struct pg_buf *b, bool *open_r)
{
    struct sl text = convert_text(t, exact), made = {NULL, 0};

    *open_r = false;

    if (text.n > 0) {
        (void)pg_buf_printf(b, "%s: ", exact);
        (void)pg_buf_put_json(b, text);
        return true;
    }
    text = convert_text(t, regex[0]);
    text = text.n > 0 ? text : convert_text(t, regex[1]);
    if (text.n == 0) {
        convert_drop(c, t->at,
                     "an identity without %s: anybody who can log in somewhere could "
                     "sign",
                     exact);
        return false;
    }
    if (regex_of(c, text, &made, open_r) < 0) {
        convert_drop(c, t->at, "\"%.*s\" is no expression that POSIX has",
                     (int)(text.n < 200 ? text.n : 200), text.p);
        return false;
    }
    (void)pg_buf_printf(b, "%s_regex: ", exact);
    (void)pg_buf_put_json(b, made);
    return true;
}

bool convert_identity(struct convert *c, const struct pg_tree *t, struct sl more,
                      struct convert_group *g)
{
    static const char *const issuers[2] = {"issuerRegExp", "issuerRegex"};
    static const char *const subjects[2] = {"subjectRegExp", "subjectRegex"};
    struct pg_buf b;
    bool any_issuer = false, any_subject = false, good;

    pg_buf_init(&b, POLICY_BYTES_MAX);
    (void)pg_buf_put(&b, SL("{keyless: {"));
    good = put_word(c, t, "issuer", issuers, &b, &any_issuer);
    (void)pg_buf_put(&b, SL(", "));
    good = good && put_word(c, t, "subject", subjects, &b, &any_subject);
    size_t nwho = pg_buf_sl(&b).n;
    (void)pg_buf_put(&b, more);
    (void)pg_buf_put(&b, SL("}}"));
    if (good && any_issuer && any_subject) {
        convert_drop(c, t->at, "any subject of any issuer: anybody could sign");
        good = false;
    }
    if (good) {
        add_item(c, t->at, &b, nwho, g);
    }
    pg_buf_free(&b);
    return good;
}

/* ---- documents ----------------------------------------------------------------------------- */

static int convert_one(struct convert *c, struct sl text, struct pg_err *err)
{
    struct pg_tree *root = NULL;
    struct pg_tree_fault fault;

    if (pg_tree_read(c->arena, text, &root, &fault) < 0) {
        return pg_fail(err, PG_E_DENIED, "%s:%u:%u: %s", c->file, c->line0 + fault.at.line,
                       fault.at.col, fault.what);
    }
    if (root == NULL || root->kind != PG_TREE_MAP) {
        return 0;
    }
    struct sl kind = convert_text(root, "kind");
    if (sl_eq(kind, SL("ClusterImagePolicy"))) {
        convert_sigstore_read(c, root);
        return 1;
    }
    if (sl_eq(kind, SL("ClusterPolicy")) || sl_eq(kind, SL("Policy"))) {
        convert_kyverno_read(c, root);
        return 1;
    }
    if (sl_eq(kind, SL("ImageValidatingPolicy")) ||
        sl_eq(kind, SL("NamespacedImageValidatingPolicy"))) {
        convert_kyverno_read_validating(c, root);
        return 1;
    }
    convert_drop(c, root->at, "%.*s is not a policy for images that is known",
                 (int)(kind.n < 100 ? kind.n : 100), kind.n > 0 ? kind.p : "");
    return 0;
}

/* The end of a document: a line of "---". */
static size_t document_end(struct sl text, size_t from)
{
    for (size_t i = from; i < text.n; i++) {
        bool starts = i == from || text.p[i - 1] == '\n';
        if (starts && i > from && text.n - i >= 3 && memcmp(text.p + i, "---", 3) == 0) {
            return i;
        }
    }
    return text.n;
}

int convert_policies(const char *file, struct sl text, struct pg_buf *out, size_t *ndropped_r,
                     struct pg_err *err)
{
    struct convert c = {.file = file, .out = out};
    struct pg_arena arena;
    size_t known = 0;
    int rc = 0;

    pg_arena_init(&arena, ARENA_BYTES);
    c.arena = &arena;
    (void)pg_buf_printf(out, "# Made of %s by `pullgate policy import`.\ndefault: allow\nrules:\n",
                        file);
    for (size_t at = 0, end; at < text.n && rc >= 0; at = end) {
        end = document_end(text, at);
        rc = convert_one(&c, (struct sl){text.p + at, end - at}, err);
        known += rc > 0 ? 1 : 0;
        for (size_t i = at; i < end; i++) {
            c.line0 += text.p[i] == '\n' ? 1 : 0;
        }
    }
    if (rc >= 0 && known == 0) {
        rc = pg_fail(err, PG_E_DENIED,
                     "%s:1:1: there is no ClusterImagePolicy, ClusterPolicy or "
                     "ImageValidatingPolicy in it",
                     file);
    }
    if (rc >= 0 && c.nrules == 0) {
        (void)pg_buf_put(out, SL("  []\n"));
    }
    if (rc >= 0 && (out->over || out->n > POLICY_BYTES_MAX || c.nrules > POLICY_RULES_MAX)) {
        rc = pg_fail(err, PG_E_DENIED, "%s:1:1: what it becomes is too long; import it in parts",
                     file);
    }
    pg_arena_free(&arena);
    *ndropped_r = c.ndropped;
    return rc < 0 ? -1 : 0;
}
