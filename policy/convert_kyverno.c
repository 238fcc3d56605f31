/* SPDX-License-Identifier: Apache-2.0 */
/* Kyverno: verifyImages of ClusterPolicy and Policy, and ImageValidatingPolicy. */
#include "policy/convert_int.h"

/* ---- entries ------------------------------------------------------------------------------- */

/* {"annotations": {...}}, as it is written here. */
static struct sl annotations_of(struct convert *c, const struct pg_tree *entry)
{
    const struct pg_tree *map = convert_at(entry, "annotations");
    struct pg_buf b;

    if (map == NULL || map->kind != PG_TREE_MAP || map->nchildren == 0) {
        return SL("");
    }
    pg_buf_init(&b, POLICY_BYTES_MAX);
    (void)pg_buf_put(&b, SL(", annotations: {"));
    for (const struct pg_tree *t = map->first; t != NULL; t = t->next) {
        (void)pg_buf_put(&b, t != map->first ? SL(", ") : SL(""));
        (void)pg_buf_put_json(&b, t->key);
        (void)pg_buf_put(&b, SL(": "));
        (void)pg_buf_put_json(&b, t->kind == PG_TREE_SCALAR ? t->text : SL(""));
    }
    (void)pg_buf_put(&b, SL("}"));
    struct sl text = pg_copy(c->arena, pg_buf_sl(&b));
    pg_buf_free(&b);
    return text;
}

static bool take_keys(struct convert *c, const struct pg_tree *entry, struct convert_group *g)
{
    static const char *const words[] = {"publicKeys", "signatureAlgorithm", "rekor", "ctlog", NULL};
    static const char *const rekor[] = {"url", "ignoreTlog", NULL};
    const struct pg_tree *keys = convert_at(entry, "keys"), *log = convert_at(keys, "rekor");
    bool tlog = !convert_is(log, "ignoreTlog", "true");
    struct sl more = annotations_of(c, entry);

    if (convert_rest(c, keys, words) > 0 || (log != NULL && convert_rest(c, log, rekor) > 0)) {
        return false;
    }
    more = tlog ? convert_join(c, SL(", tlog: true"), "", more) : more;
    return convert_keys(c, convert_at(keys, "publicKeys"), more, g);
}

static bool take_keyless(struct convert *c, const struct pg_tree *entry, struct convert_group *g)
{
    static const char *const words[] = {"issuer", "issuerRegExp", "subject", "subjectRegExp",
                                        "rekor",  "ctlog",        NULL};
    static const char *const rekor[] = {"url", "ignoreTlog", NULL};
    static const char *const ctlog[] = {"ignoreSCT", NULL};
    const struct pg_tree *keyless = convert_at(entry, "keyless");
    const struct pg_tree *log = convert_at(keyless, "rekor"), *ct = convert_at(keyless, "ctlog");
    struct sl more = annotations_of(c, entry);

    if (convert_rest(c, keyless, words) > 0 || (log != NULL && convert_rest(c, log, rekor) > 0) ||
        (ct != NULL && convert_rest(c, ct, ctlog) > 0)) {
        return false;
    }
    if (convert_is(log, "ignoreTlog", "true")) {
        more = convert_join(c, SL(", tlog: false"), "", more);
    }
    if (convert_is(ct, "ignoreSCT", "true")) {
        more = convert_join(c, SL(", sct: false"), "", more);
    }
    return convert_identity(c, keyless, more, g);
}

static bool take_entry(struct convert *c, const struct pg_tree *entry, struct convert_group *g)
{
    static const char *const words[] = {"keys", "keyless", "annotations", "repository", NULL};

    if (convert_rest(c, entry, words) > 0) {
        return false;
    }
    if (convert_at(entry, "repository") != NULL) {
        convert_drop(c, convert_at(entry, "repository")->at,
                     "repository: signatures are looked for beside the image alone");
    }
    if (convert_at(entry, "keys") != NULL) {
        return take_keys(c, entry, g);
    }
    if (convert_at(entry, "keyless") != NULL) {
        return take_keyless(c, entry, g);
    }
    convert_drop(c, entry->at, "an entry that is neither keys nor keyless");
    return false;
}

/* One set: `count` of the entries, or each of them. */
static void take_set(struct convert *c, const struct pg_tree *set, struct convert_group *g)
{
    static const char *const words[] = {"count", "entries", NULL};
    const struct pg_tree *entries = convert_at(set, "entries");
    struct sl count = convert_text(set, "count");
    bool all = true;

    g->broken = convert_rest(c, set, words) > 0 || entries == NULL || entries->nchildren == 0;
    for (const struct pg_tree *t = entries != NULL ? entries->first : NULL; t != NULL;
         t = t->next) {
        all = take_entry(c, t, g) && all;
    }
    g->need = 0;
    if (count.n == 1 && count.p[0] >= '1' && count.p[0] <= '9') {
        g->need = (unsigned)(count.p[0] - '0');
    } else if (count.n > 0) {
        g->broken = true;
    }
    g->broken = g->broken || (g->need == 0 && !all);
}

/* ---- verifyImages -------------------------------------------------------------------------- */

static void take_conditions(struct convert *c, const struct pg_tree *t, struct convert_group *g)
{
    const struct pg_tree *conditions = convert_at(t, "conditions");

    if (conditions != NULL && conditions->nchildren > 0) {
        convert_drop(c, conditions->at, "conditions on what an attestation says; the rule denies");
        g->broken = true;
    }
}

/* One requirement for each signer of each set, since `from` means any. */
static void take_attestation(struct convert *c, const struct pg_tree *t, struct convert_rule *r)
{
    static const char *const words[] = {"type",       "predicateType", "attestors",
                                        "conditions", "name",          NULL};
    const struct pg_tree *sets = convert_at(t, "attestors");
    struct sl type = convert_text(t, "type");

    type = type.n > 0 ? type : convert_text(t, "predicateType");
    r->denies = r->denies || convert_rest(c, t, words) > 0 || type.n == 0;
    if (sets == NULL || sets->nchildren == 0) {
        convert_drop(c, t->at, "an attestation by nobody in particular; the rule denies");
        r->denies = true;
    }
    for (const struct pg_tree *s = sets != NULL ? sets->first : NULL; s != NULL; s = s->next) {
        struct convert_group g = {0};
        take_set(c, s, &g);
        take_conditions(c, t, &g);
        bool any = g.need == 1 || g.n <= 1;
        if (g.need > 1) {
            convert_drop(c, s->at, "count of an attestation's signers; each of them has to sign");
        }
        for (size_t i = 0; i < (any ? 1 : g.n); i++) {
            if (r->nattestations == RULE_REQUIREMENTS_MAX) {
                r->denies = true;
                return;
            }
            struct convert_attestation *out = &r->attestations[r->nattestations++];
            out->type = type;
            out->from = g;
            out->from.need = 1;
            if (!any) {
                out->from.item[0] = g.item[i];
                out->from.n = 1;
            }
        }
    }
}

static void take_images(struct convert *c, const struct pg_tree *v, struct convert_rule *r)
{
    const struct pg_tree *list = convert_at(v, "imageReferences");
    const struct pg_tree *skip = convert_at(v, "skipImageReferences");

    for (const struct pg_tree *t = list != NULL ? list->first : NULL; t != NULL; t = t->next) {
        convert_pattern(c, t, true, r);
    }
    if (r->nrepositories == 0) {
        convert_drop(c, v->at, "no pattern of imageReferences is left; images get the default");
    }
    if (skip != NULL && skip->nchildren > 0) {
        convert_drop(c, skip->at, "skipImageReferences: the rule is for them, too");
    }
}

static void take_verify(struct convert *c, const struct pg_tree *v, struct sl name, bool observes)
{
    static const char *const words[] = {"imageReferences",
                                        "skipImageReferences",
                                        "attestors",
                                        "attestations",
                                        "type",
                                        "mutateDigest",
                                        "verifyDigest",
                                        "required",
                                        "failureAction",
                                        "useCache",
                                        NULL};
    const struct pg_tree *sets = convert_at(v, "attestors"), *list = convert_at(v, "attestations");
    struct convert_rule *r = pg_new(c->arena, struct convert_rule);
    struct sl type = convert_text(v, "type");

    r->name = name;
    r->observes = observes || convert_is(v, "failureAction", "Audit");
    r->denies = convert_rest(c, v, words) > 0;
    if (type.n > 0 && !sl_eq(type, SL("Cosign")) && !sl_eq(type, SL("SigstoreBundle"))) {
        convert_drop(c, v->at, "type " SL_FMT ": write a rule with notation: {}; this one denies",
                     SL_ARG(type));
        r->denies = true;
    }
    take_images(c, v, r);
    for (const struct pg_tree *t = list != NULL ? list->first : NULL; t != NULL; t = t->next) {
        take_attestation(c, t, r);
    }
    if (sets == NULL || sets->nchildren == 0) {
        convert_write(c, r);
        return;
    }
    for (const struct pg_tree *s = sets->first; s != NULL; s = s->next) { /* each of them */
        struct convert_group fresh = {0};
        take_set(c, s, &fresh);
        r->signature = fresh;
        r->has_signature = true;
        convert_write(c, r);
        r->nattestations = 0; /* once is enough */
    }
}

void convert_kyverno_read(struct convert *c, const struct pg_tree *root)
{
    const struct pg_tree *rules = convert_at(root, "spec/rules");
    bool audits = convert_is(root, "spec/validationFailureAction", "Audit") ||
                  convert_is(root, "spec/validationFailureAction", "audit");
    struct sl policy = convert_text(root, "metadata/name");

    for (const struct pg_tree *t = rules != NULL ? rules->first : NULL; t != NULL; t = t->next) {
        const struct pg_tree *list = convert_at(t, "verifyImages");
        struct sl name =
            convert_join(c, policy.n > 0 ? policy : SL("imported"), "-", convert_text(t, "name"));
        if (list == NULL) {
            convert_drop(c, t->at, "a rule without verifyImages is not about images");
            continue;
        }
        for (const struct pg_tree *v = list->first; v != NULL; v = v->next) {
            take_verify(c, v, name, audits);
        }
    }
}

/* ---- ImageValidatingPolicy ----------------------------------------------------------------- */

/* The attestor of this name, as an authority. */
static bool add_attestor(struct convert *c, const struct pg_tree *spec, struct sl name,
                         struct convert_group *g)
{
    static const char *const words[] = {"key", "keyless", NULL};
    const struct pg_tree *list = convert_at(spec, "attestors"), *cosign = NULL, *t;

    for (t = list != NULL ? list->first : NULL; t != NULL && cosign == NULL; t = t->next) {
        cosign = sl_eq(convert_text(t, "name"), name) ? convert_at(t, "cosign") : NULL;
    }
    if (cosign == NULL || convert_rest(c, cosign, words) > 0) {
        convert_drop(c, cosign != NULL ? cosign->at : spec->at,
                     "the attestor " SL_FMT " cannot be had here", SL_ARG(name));
        return false;
    }
    if (convert_at(cosign, "key") != NULL) {
        return convert_keys(c, convert_at(cosign, "key/data"), SL(""), g);
    }
    const struct pg_tree *identities = convert_at(cosign, "keyless/identities");
    bool any = false;
    for (t = identities != NULL ? identities->first : NULL; t != NULL; t = t->next) {
        any = convert_identity(c, t, SL(""), g) || any;
    }
    return any;
}

/* The rest of *s behind what it has to begin with. */
static bool skip(struct sl *s, const char *text)
{
    if (!sl_starts(*s, sl_str(text))) {
        return false;
    }
    *s = (struct sl){s->p + strlen(text), s->n - strlen(text)};
    return true;
}

static struct sl word(struct sl *s)
{
    struct sl w = {s->p, 0};

    while (w.n < s->n && w.p[w.n] != ',' && w.p[w.n] != ']' && w.p[w.n] != '.') {
        w.n++;
    }
    *s = (struct sl){s->p + w.n, s->n - w.n};
    return w;
}

/* "[attestors.a, attestors.b])).all(e, e > 0)" less its blanks: one of them is enough. */
static bool take_attestors(struct convert *c, const struct pg_tree *spec, struct sl s,
                           struct convert_group *g)
{
    bool more = skip(&s, "[");

    g->need = 1;
    while (more) {
        if (!skip(&s, "attestors.")) {
            return false;
        }
        (void)add_attestor(c, spec, word(&s), g);
        more = skip(&s, ",");
    }
    return skip(&s, "])).all(e,e>0)") && s.n == 0;
}

static struct sl type_of(const struct pg_tree *spec, struct sl name)
{
    const struct pg_tree *list = convert_at(spec, "attestations");

    for (const struct pg_tree *t = list != NULL ? list->first : NULL; t != NULL; t = t->next) {
        if (sl_eq(convert_text(t, "name"), name)) {
            return convert_text(t, "intoto/type");
        }
    }
    return (struct sl){NULL, 0};
}

/* The two forms of CEL that are known here. */
static bool take_expression(struct convert *c, const struct pg_tree *spec, struct sl s,
                            struct convert_rule *r)
{
    if (!skip(&s, "images.containers.map(image,")) {
        return false;
    }
    if (skip(&s, "verifyImageSignatures(image,")) {
        r->has_signature = true;
        return take_attestors(c, spec, s, &r->signature);
    }
    if (!skip(&s, "verifyAttestationSignatures(image,attestations.")) {
        return false;
    }
    struct convert_attestation *a = &r->attestations[r->nattestations++];
    a->type = type_of(spec, word(&s));
    return a->type.n > 0 && skip(&s, ",") && take_attestors(c, spec, s, &a->from);
}

static struct sl without_blanks(struct convert *c, struct sl s)
{
    char *p = pg_alloc(c->arena, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != ' ' && s.p[i] != '\n' && s.p[i] != '\t') {
            p[n++] = s.p[i];
        }
    }
    return (struct sl){p, n};
}

static bool audits(const struct pg_tree *spec)
{
    const struct pg_tree *list = convert_at(spec, "validationActions");

    for (const struct pg_tree *t = list != NULL ? list->first : NULL; t != NULL; t = t->next) {
        if (sl_eq(t->text, SL("Deny"))) {
            return false;
        }
    }
    return list != NULL && list->nchildren > 0;
}

void convert_kyverno_read_validating(struct convert *c, const struct pg_tree *root)
{
    const struct pg_tree *spec = convert_at(root, "spec"), *list;
    struct sl name = convert_text(root, "metadata/name");
    struct convert_rule *images = pg_new(c->arena, struct convert_rule);

    list = convert_at(spec, "matchImageReferences");
    for (const struct pg_tree *t = list != NULL ? list->first : NULL; t != NULL; t = t->next) {
        const struct pg_tree *glob = convert_at(t, "glob");
        convert_pattern(c, glob != NULL ? glob : t, true, images);
    }
    images->name = name.n > 0 ? name : SL("imported");
    images->observes = audits(spec);
    list = convert_at(spec, "validations");
    for (const struct pg_tree *t = list != NULL ? list->first : NULL; t != NULL; t = t->next) {
        struct convert_rule *r = pg_new(c->arena, struct convert_rule);
        *r = *images;
        struct sl cel = without_blanks(c, convert_text(t, "expression"));
        if (!take_expression(c, spec, cel, r)) {
            convert_drop(c, t->at, "this expression of CEL; the rule denies");
            r->denies = true;
        }
        convert_write(c, r);
    }
}
