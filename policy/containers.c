/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/containers.h"

#include "base/list.h"
#include "oci/digest.h"
#include "policy/parse_signer.h"

#define KEYS_MAX    16
#define REST        SL("default")
#define TRANSPORT   SL("")
#define NAME_BYTES  (WILDCARD_MAX + DIGEST_TEXT_MAX + 8)
#define REQUIREMENT "a requirement of the policy"

struct scope {
    struct pg_map_node node;
    uint32_t rule;
};

/* ---- keys ---------------------------------------------------------------------------------- */

/* PEM texts by path, paths, data or datas; data is base64 in the file. */
struct pems {
    struct policy_pem pem[KEYS_MAX];
    size_t n;
};

static int base64_value(char c)
{
    const char *all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(all, c) : NULL;

    return at != NULL ? (int)(at - all) : -1;
}

static int decode(struct parse *p, const struct pg_tree *t, struct sl *text_r)
{
    struct sl in = t->text;
    char *out = pg_alloc(&p->policy->arena, in.n / 4 * 3 + 4);
    size_t n = 0, pads = 0;
    unsigned bits = 0;

    while (pads < 2 && pads < in.n && in.p[in.n - 1 - pads] == '=') {
        pads++;
    }
    for (size_t i = 0; i < in.n; i++) {
        int v = i < in.n - pads ? base64_value(in.p[i]) : 0;
        if (v < 0 || in.n % 4 != 0) {
            return reading_bad(&p->in, t->at, "not base64");
        }
        bits = bits << 6 | (unsigned)v;
        if (i % 4 == 3) {
            for (int shift = 16; shift >= 0; shift -= 8) {
                out[n++] = (char)(unsigned char)(bits >> shift & 0xff);
            }
        }
    }
    *text_r = (struct sl){out, n > pads ? n - pads : 0};
    return 0;
}

static int add_pem(struct parse *p, const struct pg_tree *t, bool is_data, struct pems *pems)
{
    struct policy_pem pem = {0};

    if (t->kind != PG_TREE_SCALAR || t->is_plain || t->text.n == 0 || pems->n == KEYS_MAX) {
        return reading_bad(&p->in, t->at, "a text must stand here, and at most %d of them",
                           KEYS_MAX);
    }
    if (is_data) {
        if (decode(p, t, &pem.text) < 0) {
            return -1;
        }
    } else {
        pem.file = t->text;
    }
    pems->pem[pems->n++] = pem;
    return 0;
}

/* Of "keyPath", "keyPaths", "keyData", "keyDatas" the one that is there. */
static int take_pems(struct parse *p, const struct pg_tree *map, const char *const names[4],
                     struct pems *pems)
{
    const struct pg_tree *found = NULL;

    pems->n = 0;
    for (size_t i = 0; i < 4; i++) {
        const struct pg_tree *t = names[i] != NULL ? pg_tree_get(map, sl_str(names[i])) : NULL;
        if (t == NULL) {
            continue;
        }
        if (found != NULL) {
            return reading_bad(&p->in, t->key_at, "only one of %s and its like may stand here",
                               names[0]);
        }
        found = t;
        bool many = i == 1 || i == 3;
        if (many && (t->kind != PG_TREE_LIST || t->nchildren == 0)) {
            return reading_bad(&p->in, t->at, "%s must be a list, and not empty", names[i]);
        }
        for (const struct pg_tree *c = many ? t->first : t; c != NULL; c = many ? c->next : NULL) {
            if (add_pem(p, c, i >= 2, pems) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* ---- signedIdentity ------------------------------------------------------------------------ */

static int take_name(struct parse *p, const struct pg_tree *map, const char *key, struct sl *name_r)
{
    if (reading_text(&p->in, map, key, name_r) < 0) {
        return -1;
    }
    if (name_r->p == NULL) {
        return reading_bad(&p->in, map->at, "signedIdentity of this type needs %s", key);
    }
    *name_r = pg_copy(&p->policy->arena, *name_r);
    return 0;
}

static int take_identity(struct parse *p, const struct pg_tree *map, struct signer *s)
{
    static const struct {
        const char *type;
        enum signer_naming naming;
        const char *name, *prefix;
    } types[] = {{"matchExact", SIGNER_EXACT, NULL, NULL},
                 {"matchRepoDigestOrExact", SIGNER_REPO_DIGEST_OR_EXACT, NULL, NULL},
                 {"matchRepository", SIGNER_REPOSITORY, NULL, NULL},
                 {"exactReference", SIGNER_EXACT_REFERENCE, "dockerReference", NULL},
                 {"exactRepository", SIGNER_EXACT_REPOSITORY, "dockerRepository", NULL},
                 {"remapIdentity", SIGNER_REMAP, "signedPrefix", "prefix"}};
    struct sl type;

    s->naming = SIGNER_REPO_DIGEST_OR_EXACT;
    if (map == NULL) {
        return 0;
    }
    if (map->kind != PG_TREE_MAP || reading_text(&p->in, map, "type", &type) < 0) {
        return map->kind != PG_TREE_MAP
                   ? reading_bad(&p->in, map->at, "signedIdentity must be an object")
                   : -1;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (!sl_eq(type, sl_str(types[i].type))) {
            continue;
        }
        const char *words[] = {"type", types[i].name, types[i].prefix, NULL};
        s->naming = types[i].naming;
        if (reading_keys(&p->in, map, "signedIdentity", words) < 0 ||
            (types[i].name != NULL && take_name(p, map, types[i].name, &s->naming_name) < 0)) {
            return -1;
        }
        return types[i].prefix != NULL ? take_name(p, map, types[i].prefix, &s->naming_prefix) : 0;
    }
    return reading_bad(&p->in, map->at,
                       "signedIdentity has a type: matchExact, matchRepoDigestOrExact, "
                       "matchRepository, exactReference, exactRepository or "
                       "remapIdentity");
}

/* ---- sigstoreSigned ------------------------------------------------------------------------ */

static struct signer *new_signer(struct parse *p, enum signer_kind kind, bool logged)
{
    struct signer *s = parse_signer_new(p, kind);

    s->formats = 1u << FACTS_SIMPLE; /* it knows no other */
    s->sct = false;
    s->tlog = logged;
    return s;
}

static int add_keys(struct parse *p, const struct pg_tree *map, const struct pems *keys,
                    const struct pems *logs, struct rule_requirement *q)
{
    const struct policy_made made = {.logs = logs->pem, .nlogs = logs->n};
    unsigned trust = 0;

    if (logs->n > 0 && p->source->made(p->source->context, &made, &trust, p->in.err) < 0) {
        return reading_wrap(&p->in, map->at);
    }
    for (size_t i = 0; i < keys->n; i++) {
        struct signer *s = new_signer(p, SIGNER_KEY, logs->n > 0);
        if (parse_signer_key(p, map->at, &keys->pem[i], trust, s) < 0 ||
            take_identity(p, pg_tree_get(map, SL("signedIdentity")), s) < 0) {
            return -1;
        }
        q->signers[q->nsigners++] = s;
    }
    return 0;
}

static int add_fulcio(struct parse *p, const struct pg_tree *map, const struct pems *logs,
                      struct rule_requirement *q)
{
    static const char *const words[] = {"caPath", "caData", "oidcIssuer", "subjectEmail", NULL};
    static const char *const cas[] = {"caPath", NULL, "caData", NULL};
    const struct pg_tree *f = pg_tree_get(map, SL("fulcio"));
    struct policy_made made = {.logs = logs->pem, .nlogs = logs->n};
    struct pems ca;

    if (reading_keys(&p->in, f, "fulcio", words) < 0 || take_pems(p, f, cas, &ca) < 0) {
        return -1;
    }
    struct signer *s = new_signer(p, SIGNER_KEYLESS, true);
    if (reading_text(&p->in, f, "oidcIssuer", &s->issuer.exact) < 0 ||
        reading_text(&p->in, f, "subjectEmail", &s->subject.exact) < 0 ||
        take_identity(p, pg_tree_get(map, SL("signedIdentity")), s) < 0) {
        return -1;
    }
    if (ca.n == 0 || s->issuer.exact.p == NULL || s->subject.exact.p == NULL) {
        return reading_bad(&p->in, f->at,
                           "fulcio needs caPath or caData, oidcIssuer and subjectEmail");
    }
    if (logs->n == 0) {
        return reading_bad(&p->in, map->at,
                           "with fulcio one of rekorPublicKeyPath and its like has to "
                           "stand: without the log it is not known when was signed");
    }
    made.ca = ca.pem[0];
    if (p->source->made(p->source->context, &made, &s->trust, p->in.err) < 0) {
        return reading_wrap(&p->in, f->at);
    }
    s->only_email = true;
    s->issuer.exact = s->issuer.written = pg_copy(&p->policy->arena, s->issuer.exact);
    s->subject.exact = s->subject.written = pg_copy(&p->policy->arena, s->subject.exact);
    q->signers[q->nsigners++] = s;
    return 0;
}

static int take_signed(struct parse *p, const struct pg_tree *map, struct rule_requirement *q)
{
    static const char *const words[] = {"type",
                                        "keyPath",
                                        "keyPaths",
                                        "keyData",
                                        "keyDatas",
                                        "fulcio",
                                        "rekorPublicKeyPath",
                                        "rekorPublicKeyPaths",
                                        "rekorPublicKeyData",
                                        "rekorPublicKeyDatas",
                                        "signedIdentity",
                                        NULL};
    static const char *const key_names[] = {"keyPath", "keyPaths", "keyData", "keyDatas"};
    static const char *const log_names[] = {"rekorPublicKeyPath", "rekorPublicKeyPaths",
                                            "rekorPublicKeyData", "rekorPublicKeyDatas"};
    bool fulcio = pg_tree_get(map, SL("fulcio")) != NULL;
    struct pems keys, logs;

    if (pg_tree_get(map, SL("pki")) != NULL) {
        return reading_bad(
            &p->in, pg_tree_get(map, SL("pki"))->key_at,
            "pki, certificates of one's own authority, cannot be honoured; name keys, "
            "or fulcio");
    }
    if (reading_keys(&p->in, map, REQUIREMENT, words) < 0 ||
        take_pems(p, map, key_names, &keys) < 0 || take_pems(p, map, log_names, &logs) < 0) {
        return -1;
    }
    if ((keys.n > 0) == fulcio) {
        return reading_bad(&p->in, map->at,
                           "sigstoreSigned needs exactly one of keyPath, keyPaths, "
                           "keyData, keyDatas and fulcio");
    }
    q->kind = FACTS_SIGNATURE;
    q->threshold = 1;
    q->signers = pg_alloc(&p->policy->arena, KEYS_MAX * sizeof(const struct signer *));
    return fulcio ? add_fulcio(p, map, &logs, q) : add_keys(p, map, &keys, &logs, q);
}

/* ---- scopes -------------------------------------------------------------------------------- */

static int take_requirement(struct parse *p, const struct pg_tree *t, struct rule *r)
{
    static const char *const alone[] = {"type", NULL};
    struct sl type;

    if (t->kind != PG_TREE_MAP) {
        return reading_bad(&p->in, t->at, "a requirement must be an object");
    }
    if (reading_text(&p->in, t, "type", &type) < 0) {
        return -1;
    }
    if (sl_eq(type, SL("sigstoreSigned"))) {
        return take_signed(p, t, &r->requirements[r->nrequirements++]);
    }
    if (sl_eq(type, SL("signedBy"))) {
        return reading_bad(&p->in, t->at,
                           "signedBy, a GPG signature, cannot be honoured; sign with "
                           "sigstore and say sigstoreSigned");
    }
    if (sl_eq(type, SL("reject"))) {
        r->action = RULE_DENY;
    } else if (!sl_eq(type, SL("insecureAcceptAnything"))) {
        return reading_bad(&p->in, t->at,
                           "a requirement's type is insecureAcceptAnything, reject or "
                           "sigstoreSigned");
    }
    return reading_keys(&p->in, t, REQUIREMENT, alone);
}

static int add_scope(struct parse *p, const struct pg_tree *list, struct sl name)
{
    struct policy *policy = p->policy;
    struct scope *scope = pg_new(&policy->arena, struct scope);
    struct rule *r = &policy->rules[policy->nrules];

    if (list->kind != PG_TREE_LIST || list->nchildren == 0 ||
        list->nchildren > RULE_REQUIREMENTS_MAX) {
        return reading_bad(&p->in, list->at, "a list of 1 to %d requirements must stand here",
                           RULE_REQUIREMENTS_MAX);
    }
    scope->rule = (uint32_t)policy->nrules++;
    r->action = RULE_ALLOW;
    r->name = name.n > 0 ? name : SL("docker");
    r->requirements = pg_alloc(&policy->arena, list->nchildren * sizeof(*r->requirements));
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        if (take_requirement(p, t, r) < 0) {
            return -1;
        }
    }
    if (r->action == RULE_ALLOW && r->nrequirements > 0) {
        r->action = RULE_REQUIRE;
    }
    r->nrequirements = r->action == RULE_DENY ? 0 : r->nrequirements;
    pg_map_put(&policy->scopes, &scope->node, name);
    return 0;
}

static int check_scope(struct parse *p, const struct pg_tree *t)
{
    const struct sl other = SL("index.docker.io");

    if (t->key.n > WILDCARD_MAX || sl_eq(t->key, REST)) {
        return reading_bad(&p->in, t->key_at, "not a scope");
    }
    if (sl_starts(t->key, other) && (t->key.n == other.n || t->key.p[other.n] == '/')) {
        return reading_bad(&p->in, t->key_at,
                           "no image has this scope: the hub's is docker.io, as in "
                           "docker.io/library/nginx");
    }
    return 0;
}

bool containers_is(const struct pg_tree *root)
{
    const struct pg_tree *rest = pg_tree_get(root, SL("default"));

    return pg_tree_get(root, SL("transports")) != NULL ||
           (rest != NULL && rest->kind == PG_TREE_LIST);
}

int containers_read(struct parse *p, const struct pg_tree *root)
{
    static const char *const words[] = {"default", "transports", NULL};
    const struct pg_tree *rest = pg_tree_get(root, SL("default"));
    const struct pg_tree *transports = pg_tree_get(root, SL("transports"));
    const struct pg_tree *docker = NULL;
    struct policy *policy = p->policy;

    if (reading_keys(&p->in, root, "the policy", words) < 0) {
        return -1;
    }
    if (rest == NULL) {
        return reading_bad(&p->in, root->at, "the policy needs default");
    }
    if (transports != NULL) {
        if (transports->kind != PG_TREE_MAP) {
            return reading_bad(&p->in, transports->at, "transports must be an object");
        }
        docker = pg_tree_get(transports, SL("docker")); /* the others are none of ours */
    }
    if (docker != NULL && (docker->kind != PG_TREE_MAP || docker->nchildren > POLICY_RULES_MAX)) {
        return reading_bad(&p->in, docker->at, "docker must be an object of scopes");
    }
    policy->by_scope = true;
    policy->rules = pg_alloc(&policy->arena,
                             ((docker != NULL ? docker->nchildren : 0) + 1) * sizeof(struct rule));
    for (const struct pg_tree *t = docker != NULL ? docker->first : NULL; t != NULL; t = t->next) {
        if (check_scope(p, t) < 0 || add_scope(p, t, pg_copy(&policy->arena, t->key)) < 0) {
            return -1;
        }
    }
    return add_scope(p, rest, REST);
}

/* ---- looking up ---------------------------------------------------------------------------- */

static const struct scope *scope_of(const struct policy *p, struct sl name)
{
    struct pg_map_node *node = pg_map_get(&p->scopes, name);

    return node != NULL ? pg_container_of(node, struct scope, node) : NULL;
}

/* "repository:tag", "repository@digest". */
static const struct scope *scope_of_image(const struct policy *p, struct sl repository,
                                          const char *between, struct sl what)
{
    char name[NAME_BYTES];

    if (repository.n + what.n + 1 > sizeof(name)) {
        return NULL;
    }
    memcpy(name, repository.p, repository.n);
    name[repository.n] = *between;
    memcpy(name + repository.n + 1, what.p, what.n);
    return scope_of(p, (struct sl){name, repository.n + 1 + what.n});
}

/* "*.b.c", "*.c" of the host "a.b.c". */
static const struct scope *scope_of_domains(const struct policy *p, struct sl host)
{
    char name[WILDCARD_MAX + 2];

    for (size_t i = 0; i < host.n; i++) {
        if (host.p[i] == '.' && host.n - i + 1 <= sizeof(name)) {
            name[0] = '*';
            memcpy(name + 1, host.p + i, host.n - i);
            const struct scope *s = scope_of(p, (struct sl){name, host.n - i + 1});
            if (s != NULL) {
                return s;
            }
        }
    }
    return NULL;
}

static const struct scope *scope_of_repository(const struct policy *p, struct sl repository)
{
    const struct scope *s = scope_of(p, repository);
    struct sl host = repository;

    for (size_t n = repository.n; s == NULL && n > 0; n--) {
        if (repository.p[n - 1] == '/') {
            host = (struct sl){repository.p, n - 1};
            s = scope_of(p, host);
        }
    }
    s = s != NULL ? s : scope_of_domains(p, host);
    s = s != NULL ? s : scope_of(p, TRANSPORT);
    return s != NULL ? s : scope_of(p, REST);
}

static void add(uint32_t *rules, size_t *n, const struct scope *s)
{
    for (size_t i = 0; i < *n; i++) {
        if (rules[i] == s->rule) {
            return;
        }
    }
    rules[(*n)++] = s->rule;
}

size_t containers_find(const struct policy *p, const struct facts *f, struct pg_arena *arena,
                       const uint32_t **rules_r)
{
    uint32_t *rules = pg_alloc(arena, (f->nknown_tags + 1) * sizeof(*rules));
    char digest[DIGEST_TEXT_MAX];
    const struct scope *s;
    size_t n = 0;

    s = f->tag.p != NULL ? scope_of_image(p, f->repository, ":", f->tag)
                         : scope_of_image(p, f->repository, "@", digest_write(&f->digest, digest));
    add(rules, &n, s != NULL ? s : scope_of_repository(p, f->repository));
    for (size_t i = 0; f->tag.p == NULL && i < f->nknown_tags; i++) {
        s = scope_of_image(p, f->repository, ":", f->known_tags[i]);
        if (s != NULL) {
            add(rules, &n, s);
        }
    }
    *rules_r = rules;
    return n;
}
