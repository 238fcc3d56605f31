/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/trust_policy_int.h"

#include <openssl/objects.h>

#include "base/json.h"
#include "oci/ref.h"
#include "signing/field_int.h"
#include "signing/place_int.h"

#define IDENTITY_PREFIX "x509.subject:"

struct reader {
    struct trust_notation *n;
    struct pg_arena *arena;
    struct place at;
    unsigned nscopes; /* of all statements */
    struct pg_err *err;
};

#define wrong(r, ...) pg_fail((r)->err, PG_E_DENIED, __VA_ARGS__)

/* What a level does with a check that fails; integrity is enforced by all but skip. */
static const struct level {
    const char *name;
    enum trust_action authenticity, authentic_timestamp, expiry, revocation;
} levels[] = {
    {"strict", TRUST_ENFORCE, TRUST_ENFORCE, TRUST_ENFORCE, TRUST_ENFORCE},
    {"permissive", TRUST_ENFORCE, TRUST_LOG, TRUST_LOG, TRUST_LOG},
    {"audit", TRUST_LOG, TRUST_LOG, TRUST_LOG, TRUST_LOG},
    {"skip", TRUST_SKIP, TRUST_SKIP, TRUST_SKIP, TRUST_SKIP},
};
#define NLEVELS (sizeof(levels) / sizeof(levels[0]))

/* On -1 the place stays at the member that should not be there. */
static int check_members(struct reader *r, const json_t *object, const char *const *names,
                         const char *expected)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return wrong(r, "an object is expected, with %s", expected);
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t i = 0;

        while (names[i] != NULL && strcmp(names[i], key) != 0)
            i++;
        if (names[i] == NULL) {
            struct sl name = sl_str(key);

            place_enter(&r->at, key);
            return wrong(r, "\"" SL_FMT "\" is not known here; %s may stand here",
                         (int)(name.n < 64 ? name.n : 64), name.p, expected);
        }
    }
    return 0;
}

/* A member that is a list of texts, which is read one by one. On -1 the place stays. */
static int each_text(struct reader *r, const json_t *of, const char *name,
                     struct trust_statement *s,
                     int (*read)(struct reader *r, struct sl text, struct trust_statement *s))
{
    const json_t *list, *item;
    size_t i;
    int has = field_array(of, name, &list);

    if (has == 0)
        return 0;
    place_enter(&r->at, name);
    if (has < 0)
        return wrong(r, "a list of texts is expected");
    json_array_foreach(list, i, item)
    {
        place_enter_index(&r->at, i);
        if (!json_is_string(item))
            return wrong(r, "a text is expected");
        if (read(r, (struct sl){json_string_value(item), json_string_length(item)}, s) < 0)
            return -1;
        place_leave(&r->at);
    }
    place_leave(&r->at);
    return 0;
}

/* HOST/REPOSITORY, without a tag, as repositories are named here. */
static bool is_repository(struct sl scope)
{
    const char *slash = scope.n > 0 ? memchr(scope.p, '/', scope.n) : NULL;
    struct pg_err err = {0};
    struct sl host, name;
    bool is;

    if (slash == NULL)
        return false;
    host = (struct sl){scope.p, (size_t)(slash - scope.p)};
    name = (struct sl){slash + 1, scope.n - host.n - 1};
    is = ref_check_host(host, &err) == 0 && ref_check_name(name, &err) == 0;
    pg_err_clear(&err);
    return is;
}

static const struct trust_statement *owner_of(const struct reader *r, struct sl scope,
                                              const struct trust_statement *last)
{
    for (const struct trust_statement *s = r->n->statements; s <= last; s++)
        for (unsigned i = 0; i < s->nscopes; i++)
            if (sl_eq(s->scopes[i], scope))
                return s;
    return NULL;
}

static int read_scope(struct reader *r, struct sl scope, struct trust_statement *s)
{
    const struct trust_statement *owner = owner_of(r, scope, s);

    if (!sl_eq(scope, SL("*")) && !is_repository(scope))
        return wrong(r, "a scope is a whole repository, such as registry.example/team/app, or "
                        "\"*\" alone; no tags, no patterns");
    if (owner != NULL)
        return wrong(r, "the statement \"" SL_FMT "\" has this scope already", SL_ARG(owner->name));
    if (++r->nscopes > TRUST_SCOPES_MAX)
        return wrong(r, "more than %d scopes", TRUST_SCOPES_MAX);
    s->scopes[s->nscopes++] = pg_copy(r->arena, scope);
    return 0;
}

static int read_scopes(struct reader *r, const json_t *from, struct trust_statement *s)
{
    size_t n = json_array_size(json_object_get(from, "registryScopes"));

    if (n > TRUST_SCOPES_MAX)
        return wrong(r, "more than %d scopes", TRUST_SCOPES_MAX);
    s->scopes = pg_alloc(r->arena, (n + 1) * sizeof(*s->scopes));
    if (each_text(r, from, "registryScopes", s, read_scope) < 0)
        return -1;
    if (s->nscopes == 0)
        return wrong(r, "\"registryScopes\" is missing or empty");
    for (unsigned i = 0; i < s->nscopes; i++)
        if (sl_eq(s->scopes[i], SL("*")) && s->nscopes > 1)
            return wrong(r, "the scope \"*\" stands alone");
    return 0;
}

static int read_store(struct reader *r, struct sl named, struct trust_statement *s)
{
    const struct trust_store *store = trust_notation_store(r->n, named);
    int shown = (int)(named.n < 128 ? named.n : 128);
    unsigned at;

    if (store == NULL)
        return wrong(r,
                     "there is no trust store \"%.*s\", or it is empty: ca:NAME, "
                     "signingAuthority:NAME and tsa:NAME are the folders below truststore/x509",
                     shown, named.p);
    at = (unsigned)(store - r->n->stores);
    for (unsigned i = 0; i < s->nstores; i++)
        if (s->stores[i] == at)
            return wrong(r, "the trust store \"%.*s\" is there twice", shown, named.p);
    s->stores[s->nstores++] = at;
    return 0;
}

static int read_stores(struct reader *r, const json_t *from, struct trust_statement *s)
{
    unsigned nsigners = 0, ntsa = 0;

    s->stores = pg_alloc(r->arena, (TRUST_STORES_MAX + 1) * sizeof(*s->stores));
    if (each_text(r, from, "trustStores", s, read_store) < 0)
        return -1;
    for (unsigned i = 0; i < s->nstores; i++) {
        const struct trust_store *store = &r->n->stores[s->stores[i]];

        nsigners += store->type != TRUST_STORE_TSA;
        ntsa += store->type == TRUST_STORE_TSA ? store->ncerts : 0;
    }
    if (nsigners == 0)
        return wrong(r, "\"trustStores\" names neither a ca: nor a signingAuthority: store");
    if (ntsa > STAMP_AUTHORITIES_MAX)
        return wrong(r, "the tsa: stores have more than %d certificates", STAMP_AUTHORITIES_MAX);
    return 0;
}

static int read_identity(struct reader *r, struct sl text, struct trust_statement *s)
{
    static const int wanted[] = {NID_countryName, NID_stateOrProvinceName, NID_organizationName};
    struct dn *dn = &s->identities[s->nidentities];
    size_t prefix = sizeof(IDENTITY_PREFIX) - 1;

    if (sl_eq(text, SL("*")))
        return wrong(r, "\"*\" stands alone");
    if (s->nidentities == TRUST_IDENTITIES_MAX)
        return wrong(r, "more than %d identities", TRUST_IDENTITIES_MAX);
    if (!sl_starts(text, SL(IDENTITY_PREFIX)))
        return wrong(r, "\"*\" or \"" IDENTITY_PREFIX " C=..., ST=..., O=...\" is expected");
    if (dn_parse((struct sl){text.p + prefix, text.n - prefix}, r->arena, dn, r->err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (!dn_has(dn, wanted[i]))
            return wrong(r, "%s is missing: an identity has at least C, ST and O",
                         OBJ_nid2sn(wanted[i]));
    for (unsigned i = 0; i < s->nidentities; i++)
        if (dn_is_in(&s->identities[i], dn) || dn_is_in(dn, &s->identities[i]))
            return wrong(r,
                         "this identity and number %u are about the same: one is part of the "
                         "other",
                         i + 1);
    s->nidentities++;
    return 0;
}

static int read_identities(struct reader *r, const json_t *from, struct trust_statement *s)
{
    const json_t *list = json_object_get(from, "trustedIdentities");
    const char *first = json_string_value(json_array_get(list, 0));

    if (json_array_size(list) == 1 && first != NULL && strcmp(first, "*") == 0)
        return 0;
    s->identities = pg_alloc(r->arena, (TRUST_IDENTITIES_MAX + 1) * sizeof(*s->identities));
    if (each_text(r, from, "trustedIdentities", s, read_identity) < 0)
        return -1;
    return s->nidentities > 0 ? 0 : wrong(r, "\"trustedIdentities\" is missing or empty");
}

static int read_action(struct reader *r, const json_t *of, const char *name, bool may_skip,
                       enum trust_action *action)
{
    struct sl text;
    int has = field_text(of, name, &text);

    if (has == 0)
        return 0;
    if (has > 0 && sl_eq(text, SL("enforce")))
        *action = TRUST_ENFORCE;
    else if (has > 0 && sl_eq(text, SL("log")))
        *action = TRUST_LOG;
    else if (has > 0 && may_skip && sl_eq(text, SL("skip")))
        *action = TRUST_SKIP;
    else {
        place_enter(&r->at, name);
        return wrong(r, "\"enforce\" or \"log\"%s is expected", may_skip ? " or \"skip\"" : "");
    }
    return 0;
}

static int read_overrides(struct reader *r, const json_t *of, struct trust_statement *s)
{
    static const char *const names[] = {"authenticity", "authenticTimestamp", "expiry",
                                        "revocation", NULL};
    const json_t *override = field_get(of, "override");

    if (override == NULL)
        return 0;
    place_enter(&r->at, "override");
    if (sl_eq(s->level, SL("skip")))
        return wrong(r, "the level \"skip\" has nothing to override");
    if (check_members(r, override, names, "authenticity, authenticTimestamp, expiry, revocation") <
            0 ||
        read_action(r, override, names[0], false, &s->authenticity) < 0 ||
        read_action(r, override, names[1], false, &s->authentic_timestamp) < 0 ||
        read_action(r, override, names[2], false, &s->expiry) < 0 ||
        read_action(r, override, names[3], true, &s->revocation) < 0)
        return -1;
    place_leave(&r->at);
    return 0;
}

static int read_level(struct reader *r, const json_t *of, struct trust_statement *s)
{
    struct sl name;
    size_t i = 0;

    if (field_text(of, "level", &name) <= 0)
        return wrong(r, "\"level\" is missing, or not a text");
    while (i < NLEVELS && !sl_eq(sl_str(levels[i].name), name))
        i++;
    if (i == NLEVELS) {
        place_enter(&r->at, "level");
        return wrong(r, "strict, permissive, audit and skip are the levels");
    }
    s->level = sl_str(levels[i].name);
    s->authenticity = levels[i].authenticity;
    s->authentic_timestamp = levels[i].authentic_timestamp;
    s->expiry = levels[i].expiry;
    s->revocation = levels[i].revocation;
    return 0;
}

static int read_verification(struct reader *r, const json_t *from, struct trust_statement *s)
{
    static const char *const names[] = {"level", "override", "verifyTimestamp", NULL};
    const json_t *of = field_get(from, "signatureVerification");
    struct sl when;
    int has;

    if (of == NULL)
        return wrong(r, "\"signatureVerification\" is missing");
    place_enter(&r->at, "signatureVerification");
    if (check_members(r, of, names, "level, override, verifyTimestamp") < 0 ||
        read_level(r, of, s) < 0 || read_overrides(r, of, s) < 0)
        return -1;
    has = field_text(of, "verifyTimestamp", &when);
    s->stamp_after_expiry = has > 0 && sl_eq(when, SL("afterCertExpiry"));
    if (has < 0 || (has > 0 && !s->stamp_after_expiry && !sl_eq(when, SL("always")))) {
        place_enter(&r->at, "verifyTimestamp");
        return wrong(r, "\"always\" or \"afterCertExpiry\" is expected");
    }
    place_leave(&r->at);
    return 0;
}

static int read_name(struct reader *r, const json_t *from, struct trust_statement *s)
{
    struct sl name;

    if (field_text(from, "name", &name) <= 0 || name.n == 0 || name.n > 128)
        return wrong(r, "\"name\" is missing, or longer than 128 bytes");
    for (const struct trust_statement *t = r->n->statements; t < s; t++)
        if (sl_eq(t->name, name))
            return wrong(r, "there is a statement \"" SL_FMT "\" already", SL_ARG(name));
    s->name = pg_copy(r->arena, name);
    return 0;
}

static int read_statement(struct reader *r, const json_t *from, struct trust_statement *s)
{
    static const char *const names[] = {"name",        "registryScopes",    "signatureVerification",
                                        "trustStores", "trustedIdentities", NULL};

    if (check_members(r, from, names,
                      "name, registryScopes, signatureVerification, trustStores, "
                      "trustedIdentities") < 0 ||
        read_name(r, from, s) < 0 || read_scopes(r, from, s) < 0 ||
        read_verification(r, from, s) < 0)
        return -1;
    if (!sl_eq(s->level, SL("skip")))
        return read_stores(r, from, s) < 0 || read_identities(r, from, s) < 0 ? -1 : 0;
    if (json_array_size(json_object_get(from, "trustStores")) > 0 ||
        json_array_size(json_object_get(from, "trustedIdentities")) > 0)
        return wrong(r, "the level \"skip\" goes with neither trust stores nor identities");
    if (sl_eq(s->scopes[0], SL("*")))
        return wrong(r, "the level \"skip\" is not possible with the scope \"*\"");
    return 0;
}

static int read_root(struct reader *r, const json_t *root)
{
    static const char *const names[] = {"version", "trustPolicies", NULL};
    const json_t *list, *item;
    struct sl version;
    size_t i;

    if (check_members(r, root, names, "version, trustPolicies") < 0)
        return -1;
    if (field_text(root, "version", &version) <= 0 || !sl_eq(version, SL("1.0")))
        return wrong(r, "\"version\" is not \"1.0\"");
    if (field_array(root, "trustPolicies", &list) <= 0 || json_array_size(list) == 0)
        return wrong(r, "\"trustPolicies\" is missing or empty");
    if (json_array_size(list) > TRUST_STATEMENTS_MAX)
        return wrong(r, "more than %d statements", TRUST_STATEMENTS_MAX);
    r->n->statements = pg_alloc(r->arena, json_array_size(list) * sizeof(*r->n->statements));
    place_enter(&r->at, "trustPolicies");
    json_array_foreach(list, i, item)
    {
        place_enter_index(&r->at, i);
        if (read_statement(r, item, &r->n->statements[i]) < 0)
            return -1;
        r->n->nstatements++;
        place_leave(&r->at);
    }
    place_leave(&r->at);
    return 0;
}

int trust_policy_read(struct trust_notation *n, const char *file, struct sl json,
                      struct pg_arena *arena, struct pg_err *err)
{
    struct reader r = {.n = n, .arena = arena, .err = err};
    _json_ json_t *root = NULL;

    PG_CHECK(n->nstatements == 0);
    if (pg_json_parse(json, PG_E_DENIED, &root, err) < 0)
        return pg_wrap(err, "%s", file);
    if (read_root(&r, root) == 0)
        return 0;
    n->nstatements = 0;
    return trust_blame(file, json, place_find(&r.at, json), err);
}
