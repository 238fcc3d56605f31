/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterImagePolicy of the Sigstore policy-controller, v1alpha1 and v1beta1. */
#include "policy/convert_int.h"

/* What a keyless authority says of logs, as it is written here. */
static struct sl logs_of(const struct pg_tree *a, bool *known)
{
    bool stamped = convert_at(a, "rfc3161timestamp") != NULL;
    bool logged = convert_at(a, "ctlog") != NULL;
    bool no_sct = convert_is(a, "keyless/insecureIgnoreSCT", "true");

    *known = convert_at(a, "ctlog/trustRootRef") == NULL &&
             convert_at(a, "rfc3161timestamp/trustRootRef") == NULL;
    if (stamped && !logged) {
        return no_sct ? SL(", tlog: false, timestamp: true, sct: false")
                      : SL(", tlog: false, timestamp: true");
    }
    if (stamped) {
        return no_sct ? SL(", timestamp: true, sct: false") : SL(", timestamp: true");
    }
    return no_sct ? SL(", sct: false") : SL("");
}

static bool take_keyless(struct convert *c, const struct pg_tree *a, struct convert_group *g)
{
    static const char *const words[] = {"url", "identities", "insecureIgnoreSCT", NULL};
    const struct pg_tree *keyless = convert_at(a, "keyless"), *list;
    bool known, any = false;
    struct sl more = logs_of(a, &known);

    if (!known) {
        convert_drop(c, a->at, "trustRootRef: name the trusted root's file in trust.trusted_root");
        return false;
    }
    if (convert_rest(c, keyless, words) > 0) {
        return false; /* another CA, another root */
    }
    list = convert_at(keyless, "identities");
    if (list == NULL || list->kind != PG_TREE_LIST) {
        convert_drop(c, keyless->at, "keyless without identities");
        return false;
    }
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        any = convert_identity(c, t, more, g) || any;
    }
    return any;
}

static bool take_key(struct convert *c, const struct pg_tree *a, struct convert_group *g)
{
    static const char *const words[] = {"data", "hashAlgorithm", NULL};
    const struct pg_tree *key = convert_at(a, "key");

    if (convert_at(key, "data") == NULL) {
        convert_drop(c, key->at,
                     "the key is in a secret or a KMS; copy the public key to a file "
                     "and name it");
        return false;
    }
    (void)convert_rest(c, key, words);
    return convert_keys(c, convert_at(key, "data"),
                        convert_at(a, "ctlog") != NULL ? SL(", tlog: true") : SL(""), g);
}

/* False: nobody can be this authority here. */
static bool take_signer(struct convert *c, const struct pg_tree *a, struct convert_group *g)
{
    static const char *const words[] = {
        "name",   "key", "keyless", "ctlog", "rfc3161timestamp", "attestations", "signatureFormat",
        "source", NULL};

    if (convert_rest(c, a, words) > 0) {
        return false;
    }
    if (convert_at(a, "source") != NULL) {
        convert_drop(c, convert_at(a, "source")->at,
                     "source: signatures are looked for beside the "
                     "image alone");
    }
    if (convert_at(a, "keyless") != NULL) {
        return take_keyless(c, a, g);
    }
    if (convert_at(a, "key") != NULL) {
        return take_key(c, a, g);
    }
    convert_drop(c, a->at, "an authority that is neither key nor keyless");
    return false;
}

/* All attestations of one authority have to be there. */
static void take_attestations(struct convert *c, const struct pg_tree *a, struct convert_rule *r)
{
    const struct pg_tree *list = convert_at(a, "attestations");
    struct convert_group g = {.need = 1};

    g.broken = !take_signer(c, a, &g);
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        if (r->nattestations == RULE_REQUIREMENTS_MAX) {
            r->denies = true;
            return;
        }
        struct convert_attestation *out = &r->attestations[r->nattestations++];
        out->type = convert_text(t, "predicateType");
        out->from = g;
        if (convert_at(t, "policy") != NULL) {
            convert_drop(c, convert_at(t, "policy")->at,
                         "what CUE or Rego asks of an attestation; "
                         "the rule denies");
            out->from.broken = true;
        }
    }
}

static void take_authorities(struct convert *c, const struct pg_tree *list, struct convert_rule *r)
{
    bool alone = list->nchildren == 1;

    r->signature.need = 1;
    for (const struct pg_tree *a = list->first; a != NULL; a = a->next) {
        const struct pg_tree *attestations = convert_at(a, "attestations");
        if (convert_is(a, "static/action", "pass")) {
            r->allows = true;
        } else if (convert_at(a, "static") != NULL) {
            continue; /* it never passes */
        } else if (attestations == NULL || attestations->nchildren == 0) {
            (void)take_signer(c, a, &r->signature);
        } else if (alone && attestations->kind == PG_TREE_LIST) {
            take_attestations(c, a, r);
            r->has_signature = false;
            return;
        } else {
            convert_drop(c, attestations->at,
                         "attestations of one of several authorities: that "
                         "authority does not count here");
        }
    }
    r->has_signature = true;
}

void convert_sigstore_read(struct convert *c, const struct pg_tree *root)
{
    static const char *const words[] = {"images", "authorities", "mode", NULL};
    const struct pg_tree *spec = convert_at(root, "spec"), *images, *list;
    struct convert_rule *r = pg_new(c->arena, struct convert_rule);

    if (spec == NULL) {
        convert_drop(c, root->at, "it has no spec");
        return;
    }
    r->denies = convert_rest(c, spec, words) > 0;
    r->name = convert_text(root, "metadata/name");
    r->name = r->name.n > 0 ? r->name : SL("imported");
    r->observes = convert_is(spec, "mode", "warn");
    images = convert_at(spec, "images");
    for (const struct pg_tree *t = images != NULL ? images->first : NULL; t != NULL; t = t->next) {
        const struct pg_tree *glob = convert_at(t, "glob");
        convert_pattern(c, glob != NULL ? glob : t, false, r);
    }
    list = convert_at(spec, "authorities");
    if (list == NULL || list->kind != PG_TREE_LIST || list->nchildren == 0) {
        convert_drop(c, spec->at, "it names no authorities; the rule denies");
        r->denies = true;
    } else {
        take_authorities(c, list, r);
    }
    convert_write(c, r);
}
