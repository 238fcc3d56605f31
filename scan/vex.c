/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/vex.h"

#include <stdio.h>

#include "scan/value_int.h"

struct reading {
    struct pg_arena *arena;
    struct vex *vex;
    size_t number; /* of the statement, from 1 */
    struct pg_err *err;
};

static int bad(const struct reading *r, const char *what)
{
    return pg_fail(r->err, PG_E_UPSTREAM_WRONG, "statement %zu %s", r->number, what);
}

/* ---- products ------------------------------------------------------------------------------ */

static void take_hash(const json_t *object, struct vex_thing *t)
{
    struct sl hex = pg_json_str(json_object_get(object, "hashes"), "sha-256");
    char text[DIGEST_TEXT_MAX];
    struct pg_err err = {0};

    if (hex.n == 64) {
        (void)snprintf(text, sizeof(text), "sha256:" SL_FMT, SL_ARG(hex));
        t->has_digest = digest_parse(sl_str(text), &t->digest, &err) == 0;
        pg_err_clear(&err);
    }
}

/* An image's URL has its digest for a version. */
static void take_purl_digest(struct vex_thing *t)
{
    struct pg_err err = {0};

    if (!t->has_digest && (sl_eq(t->purl.type, SL("oci")) || sl_eq(t->purl.type, SL("docker"))) &&
        t->purl.version.n > 0) {
        t->has_digest = digest_parse(t->purl.version, &t->digest, &err) == 0;
        pg_err_clear(&err);
    }
}

/* identifiers.purl says it best; an @id may be any IRI, of which a package URL is one. */
static int take_thing(struct reading *r, const json_t *object, struct vex_thing *t)
{
    const json_t *identifiers;
    struct sl text;

    if (!json_is_object(object)) {
        return bad(r, "has a product that is not an object");
    }
    if (value_object(object, "identifiers", &identifiers, r->err) < 0) {
        return -1;
    }
    text = pg_json_str(identifiers, "purl");
    if (text.p == NULL && sl_starts(pg_json_str(object, "@id"), SL("pkg:"))) {
        text = pg_json_str(object, "@id");
    }
    if (text.p != NULL && purl_parse(text, r->arena, &t->purl, r->err) < 0) {
        return pg_wrap(r->err, "statement %zu", r->number);
    }
    take_hash(object, t);
    take_purl_digest(t);
    return 0;
}

static int take_list(struct reading *r, const json_t *object, const char *key,
                     const json_t **list_r)
{
    if (value_list(object, key, list_r, r->err) < 0) {
        return -1;
    }
    return json_array_size(*list_r) > VEX_PRODUCTS_MAX ? bad(r, "has more than 1000 products") : 0;
}

static int take_product(struct reading *r, const json_t *object, struct vex_product *p)
{
    const json_t *list, *one;
    struct vex_thing *parts;
    size_t i;

    if (take_thing(r, object, &p->thing) < 0 || take_list(r, object, "subcomponents", &list) < 0) {
        return -1;
    }
    p->nparts = json_array_size(list);
    parts = pg_alloc(r->arena, p->nparts * sizeof(*parts) + 1);
    p->parts = parts;
    json_array_foreach(list, i, one)
    {
        if (take_thing(r, one, &parts[i]) < 0) {
            return -1;
        }
        if (r->arena->over) {
            return pg_fail(r->err, PG_E_TOO_LARGE, "it takes more memory than it may");
        }
    }
    return 0;
}

static int take_products(struct reading *r, const json_t *object, struct vex_statement *s)
{
    const json_t *list, *one;
    struct vex_product *products;
    size_t i;

    if (take_list(r, object, "products", &list) < 0) {
        return -1;
    }
    s->nproducts = json_array_size(list);
    if (s->nproducts == 0) {
        return bad(r, "is about no product");
    }
    products = pg_alloc(r->arena, s->nproducts * sizeof(*products));
    s->products = products;
    json_array_foreach(list, i, one)
    {
        if (take_product(r, one, &products[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- statements ---------------------------------------------------------------------------- */

static int take_names(struct reading *r, const json_t *object, struct vex_statement *s)
{
    const json_t *vulnerability, *aliases, *one;
    struct sl *names;
    size_t i;

    if (value_object(object, "vulnerability", &vulnerability, r->err) < 0 ||
        value_list(vulnerability, "aliases", &aliases, r->err) < 0) {
        return -1;
    }
    if (json_array_size(aliases) > ALIAS_LIST_OF) {
        return bad(r, "has more than 64 aliases");
    }
    names = pg_alloc(r->arena, (json_array_size(aliases) + 1) * sizeof(*names));
    if (value_text(vulnerability, "name", r->arena, &names[0], r->err) < 0) {
        return -1;
    }
    s->names = (struct alias_list){names, 1};
    json_array_foreach(aliases, i, one)
    {
        struct sl text = {json_string_value(one), json_string_length(one)};
        names[s->names.n++] = text.p != NULL ? pg_copy(r->arena, text) : text;
    }
    for (i = 0; i < s->names.n; i++) {
        if (!alias_is_name(names[i])) {
            return bad(r, "has no vulnerability.name, or an alias that is no name");
        }
    }
    return 0;
}

static int take_justification(struct reading *r, const json_t *object, struct vex_statement *s)
{
    static const char *const words[] = {"component_not_present", "vulnerable_code_not_present",
                                        "vulnerable_code_not_in_execute_path",
                                        "vulnerable_code_cannot_be_controlled_by_adversary",
                                        "inline_mitigations_already_exist"};
    bool known = false;

    if (value_text(object, "justification", r->arena, &s->justification, r->err) < 0 ||
        value_text(object, "impact_statement", r->arena, &s->impact, r->err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        known = known || sl_eq(s->justification, sl_str(words[i]));
    }
    if (s->justification.n > 0 && !known) {
        return bad(r, "has a justification that OpenVEX does not know");
    }
    if (s->status == VEX_NOT_AFFECTED && s->justification.n == 0 && s->impact.n == 0) {
        return bad(r, "says not_affected without a justification or an impact_statement");
    }
    return 0;
}

static const char *const words[] = {[VEX_SILENT] = "",
                                    [VEX_NOT_AFFECTED] = "not_affected",
                                    [VEX_AFFECTED] = "affected",
                                    [VEX_FIXED] = "fixed",
                                    [VEX_INVESTIGATED] = "under_investigation"};

static int take_status(struct reading *r, const json_t *object, struct vex_statement *s)
{
    struct sl word = pg_json_str(object, "status");

    for (unsigned i = VEX_NOT_AFFECTED; i <= VEX_INVESTIGATED; i++) {
        if (sl_eq(word, sl_str(words[i]))) {
            s->status = (enum vex_status)i;
            return take_justification(r, object, s);
        }
    }
    return bad(r, "has no status: not_affected, affected, fixed or under_investigation");
}

static int take_statement(struct reading *r, const json_t *object, struct vex_statement *s)
{
    if (!json_is_object(object)) {
        return bad(r, "is not an object");
    }
    s->said_s = r->vex->said_s;
    s->author = r->vex->author;
    if (json_object_get(object, "timestamp") != NULL) {
        s->said_s = value_time(object, "timestamp");
        if (s->said_s == 0) {
            return bad(r, "has a timestamp that is not one of RFC 3339");
        }
    }
    return take_names(r, object, s) < 0 || take_products(r, object, s) < 0 ||
                   take_status(r, object, s) < 0
               ? -1
               : 0;
}

/* ---- the document -------------------------------------------------------------------------- */

static int take_head(struct reading *r, const json_t *root)
{
    struct vex *v = r->vex;

    if (!sl_starts(pg_json_str(root, "@context"), SL("https://openvex.dev/ns/v0.2."))) {
        return pg_fail(r->err, PG_E_UPSTREAM_WRONG,
                       "it is not OpenVEX 0.2: its @context is not https://openvex.dev/ns/v0.2.0");
    }
    if (value_text(root, "@id", r->arena, &v->id, r->err) < 0 ||
        value_text(root, "author", r->arena, &v->author, r->err) < 0) {
        return -1;
    }
    v->said_s = value_time(root, "timestamp");
    if (v->author.n == 0 || v->said_s == 0) {
        return pg_fail(r->err, PG_E_UPSTREAM_WRONG, "it has no %s",
                       v->author.n == 0 ? "author" : "timestamp in RFC 3339");
    }
    return 0;
}

static int read_root(struct reading *r, const json_t *root)
{
    const json_t *list, *one;
    struct vex_statement *statements;
    size_t i;

    if (take_head(r, root) < 0 || value_list(root, "statements", &list, r->err) < 0) {
        return -1;
    }
    size_t n = json_array_size(list);
    if (n == 0 || n > VEX_STATEMENTS_MAX) {
        return pg_fail(r->err, PG_E_UPSTREAM_WRONG, "it has %zu statements, not 1 to %d", n,
                       VEX_STATEMENTS_MAX);
    }
    statements = pg_alloc(r->arena, n * sizeof(*statements));
    json_array_foreach(list, i, one)
    {
        r->number = i + 1;
        if (take_statement(r, one, &statements[i]) < 0) {
            return -1;
        }
        if (r->arena->over) {
            return pg_fail(r->err, PG_E_TOO_LARGE, "it takes more memory than it may");
        }
    }
    r->vex->statements = statements;
    r->vex->nstatements = n;
    return 0;
}

int vex_read(struct sl bytes, struct pg_arena *arena, struct vex *vex_r, struct pg_err *err)
{
    _json_ json_t *root = NULL;
    struct vex v = {0};
    struct reading r = {.arena = arena, .vex = &v, .err = err};

    if (bytes.n > VEX_BYTES_MAX) {
        return pg_fail(err, PG_E_TOO_LARGE, "it is larger than %zu MiB", VEX_BYTES_MAX >> 20);
    }
    if (pg_json_parse(bytes, PG_E_UPSTREAM_WRONG, &root, err) < 0 || read_root(&r, root) < 0) {
        return -1;
    }
    alias_index_init(&v.names);
    for (size_t i = 0; i < v.nstatements; i++) {
        for (size_t k = 0; k < v.statements[i].names.n; k++) {
            alias_index_add(&v.names, v.statements[i].names.names[k], &v.statements[i], arena);
        }
    }
    *vex_r = v;
    return 0;
}

void vex_free(struct vex *v)
{
    alias_index_free(&v->names);
}

/* ---- asked --------------------------------------------------------------------------------- */

static bool is_package(const struct vex_thing *t, const struct vex_question *q)
{
    return q->purl != NULL && t->purl.type.n > 0 && purl_covers(&t->purl, q->purl);
}

static bool is_about(const struct vex_product *p, const struct vex_question *q)
{
    if (p->thing.has_digest) {
        if (q->digest == NULL || !digest_eq(&p->thing.digest, q->digest)) {
            return false;
        }
        bool found = p->nparts == 0;
        for (size_t i = 0; i < p->nparts && !found; i++) {
            found = is_package(&p->parts[i], q);
        }
        return found;
    }
    return p->nparts == 0 && is_package(&p->thing, q); /* parts: of a product that is no image */
}

static void look(const struct vex *v, struct sl name, const struct vex_question *q,
                 const struct vex_statement **best)
{
    for (const struct alias_entry *e = alias_index_find(&v->names, name); e != NULL; e = e->next) {
        const struct vex_statement *s = e->item;
        bool is_newer = *best == NULL || s->said_s > (*best)->said_s ||
                        (s->said_s == (*best)->said_s && s > *best);
        for (size_t i = 0; i < s->nproducts && is_newer; i++) {
            if (is_about(&s->products[i], q)) {
                *best = s;
                is_newer = false;
            }
        }
    }
}

const struct vex_statement *vex_find(const struct vex *v, const struct vex_question *q)
{
    const struct vex_statement *best = NULL;

    look(v, q->id, q, &best);
    for (size_t i = 0; q->aliases != NULL && i < q->aliases->n; i++) {
        look(v, q->aliases->names[i], q, &best);
    }
    return best;
}

const char *vex_status_word(enum vex_status status)
{
    PG_CHECK((size_t)status < sizeof(words) / sizeof(*words));
    return words[status];
}
