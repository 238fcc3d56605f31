/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/parse.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/opa.h"
#include "policy/parse_demand.h"
#include "policy/parse_signer.h"
#include "policy/provenance.h"

#define NAME_MAX_BYTES 100
#define PATTERNS_MAX   1000 /* of one rule */

struct sl parse_keep(struct parse *p, struct sl s)
{
    return s.p != NULL ? pg_copy(&p->policy->arena, s) : s;
}

/* ---- match --------------------------------------------------------------------------------- */

int parse_list(struct parse *p, const struct pg_tree *map, const char *key,
               const struct pg_tree **first_r, size_t *n_r)
{
    const struct pg_tree *list = pg_tree_get(map, sl_str(key));

    *first_r = NULL;
    *n_r = 0;
    if (list == NULL) {
        return 0;
    }
    if (list->kind != PG_TREE_LIST || list->nchildren == 0 || list->nchildren > PATTERNS_MAX) {
        return reading_bad(&p->in, list->at, "%s must be a list of 1 to %d patterns", key,
                           PATTERNS_MAX);
    }
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        if (t->kind != PG_TREE_SCALAR || pg_tree_is_null(t)) {
            return reading_bad(&p->in, t->at, "a pattern of %s must be a text", key);
        }
    }
    *first_r = list->first;
    *n_r = list->nchildren;
    return 0;
}

static int take_repositories(struct parse *p, const struct pg_tree *map, uint32_t number,
                             struct rule *r)
{
    const struct pg_tree *t;
    size_t n;

    if (parse_list(p, map, "repositories", &t, &n) < 0) {
        return -1;
    }
    if (n == 0) {
        return reading_bad(&p->in, map->at,
                           "match needs repositories, such as [\"ghcr.io/acme/**\"], or "
                           "[\"**\"] for all");
    }
    struct sl *patterns = pg_alloc(&p->policy->arena, n * sizeof(*patterns));
    r->repositories = patterns;
    for (; t != NULL; t = t->next) {
        struct sl pattern;
        if (match_canonical(t->text, p->source->host, p->source->context, &p->policy->arena,
                            &pattern, p->in.err) < 0) {
            return reading_wrap(&p->in, t->at);
        }
        patterns[r->nrepositories] = parse_keep(p, pattern);
        match_add(&p->policy->index, patterns[r->nrepositories++], number, &p->policy->arena);
    }
    return 0;
}

/* What its bytes are decides, and nothing that an image says of itself: who writes that would
 * choose the rules that bind him. */
static int take_digests(struct parse *p, const struct pg_tree *map, struct rule *r)
{
    const struct pg_tree *t;
    size_t n = 0;

    if (parse_list(p, map, "digests", &t, &r->ndigests) < 0) {
        return -1;
    }
    struct digest *digests = pg_alloc(&p->policy->arena, r->ndigests * sizeof(*digests) + 1);
    for (; t != NULL; t = t->next, n++) {
        if (digest_parse(t->text, &digests[n], p->in.err) < 0) {
            return reading_wrap(&p->in, t->at);
        }
        if (digests[n].alg != PG_SHA256) {
            return reading_bad(&p->in, t->at,
                               "a digest here is the sha256 of a manifest's bytes, whatever it is "
                               "pulled by");
        }
    }
    r->digests = digests;
    return 0;
}

static int take_match(struct parse *p, const struct pg_tree *rule, uint32_t number, struct rule *r)
{
    static const char *const words[] = {"repositories", "tags", "digests", NULL};
    const struct pg_tree *map = pg_tree_get(rule, SL("match")), *t;
    size_t n = 0;

    if (map == NULL) {
        return reading_bad(&p->in, rule->at, "the rule needs match: {repositories: [...]}");
    }
    if (reading_keys(&p->in, map, "match", words) < 0 || take_repositories(p, map, number, r) < 0 ||
        take_digests(p, map, r) < 0 || parse_list(p, map, "tags", &t, &r->ntags) < 0) {
        return -1;
    }
    struct sl *tags = pg_alloc(&p->policy->arena, r->ntags * sizeof(*tags) + 1);
    for (; t != NULL; t = t->next) {
        if (match_check_tag(t->text, p->in.err) < 0) {
            return reading_wrap(&p->in, t->at);
        }
        tags[n++] = parse_keep(p, t->text);
    }
    r->tags = tags;
    return 0;
}

/* ---- require ------------------------------------------------------------------------------- */

static int take_threshold(struct parse *p, const struct pg_tree *map, struct rule_requirement *q)
{
    const struct pg_tree *t = pg_tree_get(map, SL("threshold"));
    struct sl text;
    unsigned n = 0;

    q->threshold = 1;
    if (reading_text(&p->in, map, "threshold", &text) < 0) {
        return -1;
    }
    if (text.p == NULL) {
        return 0;
    }
    for (size_t i = 0; i < text.n && n <= RULE_SIGNERS_MAX; i++) {
        n = text.p[i] >= '0' && text.p[i] <= '9' ? 10 * n + (unsigned)(text.p[i] - '0')
                                                 : RULE_SIGNERS_MAX + 1;
    }
    if (q->all) {
        return reading_bad(&p->in, t->at,
                           "threshold stands with any_of; all_of wants each of them");
    }
    if (n < 1 || n > q->nsigners) {
        return reading_bad(&p->in, t->at,
                           "threshold must be a number from 1 to %zu, which is how many "
                           "any_of names",
                           q->nsigners);
    }
    q->threshold = n;
    return 0;
}

static int take_signature(struct parse *p, const struct pg_tree *map, struct rule_requirement *q)
{
    static const char *const words[] = {"any_of", "all_of", "threshold", NULL};

    if (reading_keys(&p->in, map, "signature", words) < 0) {
        return -1;
    }
    const struct pg_tree *any = pg_tree_get(map, SL("any_of")),
                         *all = pg_tree_get(map, SL("all_of"));
    if ((any == NULL) == (all == NULL)) {
        return reading_bad(&p->in, map->at,
                           "signature needs either any_of or all_of, a list of "
                           "authorities");
    }
    q->kind = FACTS_SIGNATURE;
    q->all = all != NULL;
    if (parse_signer_list(p, any != NULL ? any : all, &q->signers, &q->nsigners) < 0) {
        return -1;
    }
    return take_threshold(p, map, q);
}

static bool has_scheme(struct sl s)
{
    return s.n > 3 && memmem(s.p, s.n, "://", 3) != NULL;
}

static int take_attestation(struct parse *p, const struct pg_tree *map, struct rule_requirement *q)
{
    static const char *const words[] = {"predicate_type",    "from",    "builder_id",
                                        "source_repository", "max_age", NULL};

    if (reading_keys(&p->in, map, "an attestation", words) < 0 ||
        reading_text(&p->in, map, "predicate_type", &q->predicate_type) < 0 ||
        reading_text(&p->in, map, "builder_id", &q->builder_id) < 0 ||
        reading_text(&p->in, map, "source_repository", &q->source_repository) < 0 ||
        reading_age(&p->in, map, "max_age", &q->max_age_s) < 0) {
        return -1;
    }
    const struct pg_tree *from = pg_tree_get(map, SL("from"));
    q->predicate_type = parse_keep(p, provenance_type(q->predicate_type));
    if (!has_scheme(q->predicate_type)) {
        return reading_bad(&p->in, map->at,
                           "an attestation needs predicate_type: a URI, or one of "
                           "slsaprovenance, slsaprovenance1, spdx, cyclonedx, vuln, "
                           "openvex, custom, link");
    }
    if (from == NULL) {
        return reading_bad(&p->in, map->at,
                           "an attestation needs from: the authorities whose word counts");
    }
    q->kind = FACTS_ATTESTATION;
    q->threshold = 1;
    q->builder_id = parse_keep(p, q->builder_id);
    q->source_repository = q->source_repository.p != NULL
                               ? parse_keep(p, provenance_source(q->source_repository))
                               : q->source_repository;
    if (parse_signer_list(p, from, &q->signers, &q->nsigners) < 0) {
        return -1;
    }
    for (size_t i = 0; i < q->nsigners; i++) {
        if (q->signers[i]->kind == SIGNER_NOTATION) {
            return reading_bad(&p->in, from->at, "Notation signs images, and attests to nothing");
        }
    }
    return 0;
}

static int take_require(struct parse *p, const struct pg_tree *map, struct rule *r)
{
    static const char *const words[] = {PARSE_DEMANDS, "signature", "attestations", NULL};

    if (reading_keys(&p->in, map, "require", words) < 0 || parse_demand_read(p, map, r) < 0) {
        return -1;
    }
    const struct pg_tree *signature = pg_tree_get(map, SL("signature"));
    const struct pg_tree *list = pg_tree_get(map, SL("attestations"));
    size_t n = (list != NULL ? list->nchildren : 0) + (signature != NULL ? 1 : 0);
    if (list != NULL && list->kind != PG_TREE_LIST) {
        return reading_bad(&p->in, list->at, "attestations must be a list");
    }
    if ((n == 0 && r->ndemands == 0) || n > RULE_REQUIREMENTS_MAX) {
        return reading_bad(&p->in, map->at,
                           "require needs something to require, such as signature, attestations, "
                           "platforms or min_age; at most %d signatures and attestations. "
                           "`action: allow` is for what needs nothing",
                           RULE_REQUIREMENTS_MAX);
    }
    r->requirements = pg_alloc(&p->policy->arena, n * sizeof(*r->requirements) + 1);
    if (signature != NULL &&
        take_signature(p, signature, &r->requirements[r->nrequirements++]) < 0) {
        return -1;
    }
    for (const struct pg_tree *t = list != NULL ? list->first : NULL; t != NULL; t = t->next) {
        if (take_attestation(p, t, &r->requirements[r->nrequirements++]) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- rules --------------------------------------------------------------------------------- */

static int take_action(struct parse *p, const struct pg_tree *map, struct rule *r)
{
    static const char *const actions[] = {"allow", "deny", NULL};
    const struct pg_tree *require = pg_tree_get(map, SL("require"));
    unsigned action = 2;

    if (reading_word(&p->in, map, "action", actions, &action) < 0) {
        return -1;
    }
    if ((require == NULL) == (action == 2)) {
        return reading_bad(&p->in, map->at,
                           "the rule needs either require, or action: allow or deny");
    }
    r->action = action == 0 ? RULE_ALLOW : action == 1 ? RULE_DENY : RULE_REQUIRE;
    return require != NULL ? take_require(p, require, r) : 0;
}

/* An authority that stands elsewhere is part of the rule that names it. */
static void set_imprint(const struct pg_tree *map, struct rule *r)
{
    struct pg_hash *h = pg_hash_new(PG_SHA256);

    policy_hash_tree(h, map);
    for (size_t i = 0; i < r->nrequirements; i++) {
        for (size_t k = 0; k < r->requirements[i].nsigners; k++) {
            const struct signer *s = r->requirements[i].signers[k];
            struct pg_buf b;
            pg_buf_init(&b, SIGNER_LABEL_MAX);
            signer_put(s, &b);
            pg_hash_update(h, pg_buf_sl(&b).p, pg_buf_sl(&b).n);
            policy_hash_signer(h, s);
            pg_buf_free(&b);
        }
    }
    pg_hash_final(h, r->imprint);
    pg_hash_free(h);
}

static int take_rule(struct parse *p, const struct pg_tree *map, uint32_t number, struct rule *r)
{
    static const char *const words[] = {"name",   "description", "match", "require",
                                        "action", "on_missing",  "mode",  NULL};
    static const char *const missing[] = {"deny", "wait", NULL};
    static const char *const modes[] = {"enforce", "observe", NULL};
    unsigned waits = 0, observes = 0;

    if (reading_keys(&p->in, map, "a rule", words) < 0 ||
        reading_text(&p->in, map, "name", &r->name) < 0 ||
        reading_text(&p->in, map, "description", &r->description) < 0 ||
        reading_word(&p->in, map, "on_missing", missing, &waits) < 0 ||
        reading_word(&p->in, map, "mode", modes, &observes) < 0) {
        return -1;
    }
    if (r->name.p == NULL || r->name.n > NAME_MAX_BYTES) {
        return reading_bad(&p->in, map->at,
                           "the rule needs a name of at most %d characters: denials tell "
                           "people of it",
                           NAME_MAX_BYTES);
    }
    r->name = parse_keep(p, r->name);
    r->description = parse_keep(p, r->description);
    r->waits = waits == 1;
    r->observes = observes == 1;
    r->at = map->at;
    if (take_match(p, map, number, r) < 0 || take_action(p, map, r) < 0) {
        return -1;
    }
    set_imprint(map, r);
    if (waits == 1 && r->nrequirements == 0) {
        return reading_bad(&p->in, map->at,
                           "on_missing is for a rule that requires a signature or an attestation");
    }
    return 0;
}

struct place {
    const struct pg_tree *map;
    struct sl name;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *pa = a, *pb = b;
    size_t n = pa->name.n < pb->name.n ? pa->name.n : pb->name.n;
    int c = n > 0 ? memcmp(pa->name.p, pb->name.p, n) : 0;

    return c != 0 ? c : (pa->name.n > pb->name.n) - (pa->name.n < pb->name.n);
}

/* By name, so that the order in which they are written does not matter. */
static struct place *sorted(struct parse *p, const struct pg_tree *list, struct pg_arena *arena)
{
    struct place *places = pg_alloc(arena, (list->nchildren + 1) * sizeof(*places));
    size_t n = 0;

    (void)p;
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        const struct pg_tree *name = t->kind == PG_TREE_MAP ? pg_tree_get(t, SL("name")) : NULL;
        places[n++] = (struct place){
            t, name != NULL && name->kind == PG_TREE_SCALAR ? name->text : (struct sl){NULL, 0}};
    }
    qsort(places, n, sizeof(*places), compare_places);
    return places;
}

static int take_rules(struct parse *p, const struct pg_tree *list)
{
    struct policy *policy = p->policy;
    struct pg_arena arena;
    int rc = 0;

    if (list->kind != PG_TREE_LIST || list->nchildren > POLICY_RULES_MAX) {
        return reading_bad(&p->in, list->at, "rules must be a list of at most %d rules",
                           POLICY_RULES_MAX);
    }
    policy->rules = pg_alloc(&policy->arena, (list->nchildren + 1) * sizeof(*policy->rules));
    pg_arena_init(&arena, (list->nchildren + 1) * sizeof(struct place) + 4096);
    struct place *places = sorted(p, list, &arena);
    for (size_t i = 0; i < list->nchildren && rc == 0; i++) {
        if (i > 0 && places[i].name.n > 0 && sl_eq(places[i].name, places[i - 1].name)) {
            rc = reading_bad(&p->in, places[i].map->at, "two rules have the name \"%.*s\"",
                             (int)(places[i].name.n < 100 ? places[i].name.n : 100),
                             places[i].name.p);
        } else {
            rc = take_rule(p, places[i].map, (uint32_t)i, &policy->rules[i]);
            policy->nrules = i + 1;
        }
    }
    pg_arena_free(&arena);
    return rc;
}

typedef int file_fn(void *context, struct sl file, struct pg_err *err);

/* One file, or a list of them. */
static int take_files(struct parse *p, const struct pg_tree *root, const char *key, file_fn *take)
{
    const struct pg_tree *t = pg_tree_get(root, sl_str(key));
    bool many = t != NULL && t->kind == PG_TREE_LIST;

    for (const struct pg_tree *c = many ? t->first : t; c != NULL; c = many ? c->next : NULL) {
        if (c->kind != PG_TREE_SCALAR || pg_tree_is_null(c) || c->text.n == 0) {
            return reading_bad(&p->in, c->at, "%s must be the name of a file, or a list of them",
                               key);
        }
        if (take != NULL && take(p->source->context, c->text, p->in.err) < 0) {
            return reading_wrap(&p->in, c->at);
        }
    }
    return 0;
}

int parse_rules(struct parse *p, const struct pg_tree *root)
{
    static const char *const words[] = {"default", "authorities", "rules", "opa",
                                        "waivers", "vex",         NULL};
    static const char *const defaults[] = {"allow", "deny", NULL};
    unsigned rest = 2;

    if (reading_keys(&p->in, root, "the policy", words) < 0 ||
        reading_word(&p->in, root, "default", defaults, &rest) < 0) {
        return -1;
    }
    const struct pg_tree *rules = pg_tree_get(root, SL("rules"));
    p->authorities = pg_tree_get(root, SL("authorities"));
    if (rest == 2) {
        return reading_bad(&p->in, root->at,
                           "the policy needs default: allow or default: deny, for what "
                           "no rule speaks of");
    }
    p->policy->allows_rest = rest == 0;
    if (take_files(p, root, "waivers", p->source->waivers) < 0 ||
        take_files(p, root, "vex", p->source->vex) < 0) {
        return -1;
    }
    if (p->authorities != NULL && parse_signer_authorities(p, p->authorities) < 0) {
        return -1;
    }
    if (rules != NULL && take_rules(p, rules) < 0) {
        return -1;
    }
    return opa_parse(p, root, &p->policy->opa);
}
