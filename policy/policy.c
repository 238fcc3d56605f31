/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include <stdlib.h>

#include "base/hash.h"
#include "policy/containers.h"
#include "policy/opa.h"
#include "policy/scans.h"

#define ARENA_BYTES    ((size_t)64 << 20)
#define OBSERVED_BYTES ((size_t)2000)

/* ---- loading ------------------------------------------------------------------------------- */

static struct policy *new_policy(void)
{
    struct policy *p = calloc(1, sizeof(*p));

    PG_CHECK(p != NULL);
    atomic_init(&p->refs, 1);
    pg_arena_init(&p->arena, ARENA_BYTES);
    match_init(&p->index);
    pg_map_init(&p->scopes);
    return p;
}

struct policy *policy_ref(struct policy *p)
{
    unsigned before = atomic_fetch_add(&p->refs, 1);

    PG_CHECK(before > 0);
    return p;
}

void policy_unref(struct policy *p)
{
    if (p == NULL) {
        return;
    }
    unsigned before = atomic_fetch_sub(&p->refs, 1);
    PG_CHECK(before > 0);
    if (before == 1) {
        signer_free(p->signers);
        match_free(&p->index);
        pg_map_free(&p->scopes);
        pg_arena_free(&p->arena);
        free(p);
    }
}

static void hash_text(struct pg_hash *h, struct sl s)
{
    uint64_t n = s.n;

    pg_hash_update(h, &n, sizeof(n));
    pg_hash_update(h, s.p != NULL ? s.p : "", s.n);
}

void policy_hash_tree(struct pg_hash *h, const struct pg_tree *root)
{
    const struct pg_tree *stack[PG_TREE_DEPTH_MAX + 1] = {root}, *t;
    size_t depth = 1;

    while (depth > 0) {
        t = stack[depth - 1];
        if (t == NULL) {
            pg_hash_update(h, "\xff", 1);
            depth--;
            continue;
        }
        uint8_t kind = (uint8_t)t->kind;
        pg_hash_update(h, &kind, 1);
        hash_text(h, t->key);
        hash_text(h, t->text);
        stack[depth - 1] = t == root ? NULL : t->next;
        if (t->kind != PG_TREE_SCALAR) {
            PG_CHECK(depth <= PG_TREE_DEPTH_MAX);
            stack[depth++] = t->first;
        }
    }
}

void policy_hash_signer(struct pg_hash *h, const struct signer *s)
{
    uint8_t trust = (uint8_t)s->trust;

    hash_text(h, s->key_id);
    pg_hash_update(h, &trust, 1);
}

/* And what it stands for elsewhere. */
static void set_revision(struct policy *p, const struct pg_tree *root)
{
    struct pg_hash *h = pg_hash_new(PG_SHA256);

    policy_hash_tree(h, root);
    for (const struct signer *s = p->signers; s != NULL; s = s->next) {
        policy_hash_signer(h, s);
    }
    pg_hash_final(h, p->revision);
    pg_hash_free(h);
}

/* Which tool's form it is. */
static int read_any(struct parse *p, const struct pg_tree *root)
{
    if (root->kind == PG_TREE_MAP && containers_is(root)) {
        return containers_read(p, root);
    }
    if (root->kind == PG_TREE_MAP && pg_tree_get(root, SL("apiVersion")) != NULL) {
        return reading_bad(&p->in, root->at,
                           "this is an object of Kubernetes; `pullgate policy import` "
                           "makes a policy of ClusterImagePolicy, ClusterPolicy and "
                           "ImageValidatingPolicy");
    }
    if (root->kind == PG_TREE_MAP && pg_tree_get(root, SL("trustPolicies")) != NULL) {
        return reading_bad(&p->in, root->at,
                           "this is a trust policy of Notation; a rule refers to it: "
                           "require: {signature: {any_of: [{notation: {policy: FILE}}]}}");
    }
    return parse_rules(p, root);
}

int policy_read(const char *file, const struct pg_tree *root, const struct policy_source *source,
                struct policy **policy_r, struct pg_err *err)
{
    struct policy *p = new_policy();
    struct parse parse = {.in = {.file = file, .err = err}, .source = source, .policy = p};

    if (read_any(&parse, root) < 0) {
        policy_unref(p);
        return -1;
    }
    set_revision(p, root);
    *policy_r = p;
    return 0;
}

/* The policy in a file of its own may stand under `policy:` too. */
static const struct pg_tree *policy_of(const struct pg_tree *root)
{
    const struct pg_tree *inner =
        root->kind == PG_TREE_MAP && root->nchildren == 1 ? pg_tree_get(root, SL("policy")) : NULL;

    return inner != NULL ? inner : root;
}

int policy_load(const char *file, struct sl text, const struct policy_source *source,
                struct policy **policy_r, struct pg_err *err)
{
    struct pg_arena arena;
    struct pg_tree *root = NULL;
    struct pg_tree_fault fault;
    int rc;

    pg_arena_init(&arena, ARENA_BYTES);
    if (pg_tree_read(&arena, text, &root, &fault) < 0) {
        rc = pg_fail(err, PG_E_DENIED, "%s:%u:%u: %s", file, fault.at.line, fault.at.col,
                     fault.what);
    } else if (root == NULL) {
        rc = pg_fail(err, PG_E_DENIED,
                     "%s:1:1: the file is empty; a policy has default: and "
                     "rules:",
                     file);
    } else {
        rc = policy_read(file, policy_of(root), source, policy_r, err);
    }
    pg_arena_free(&arena);
    return rc;
}

const struct opa *policy_opa(const struct policy *p)
{
    return p->opa;
}

void policy_revision(const struct policy *p, uint8_t sha256_r[32])
{
    memcpy(sha256_r, p->revision, sizeof(p->revision));
}

size_t policy_find(const struct policy *p, const struct facts *f, struct pg_arena *arena,
                   const uint32_t **rules_r)
{
    return p->by_scope ? containers_find(p, f, arena, rules_r)
                       : match_find(&p->index, f->repository, arena, rules_r);
}

/* ---- what is needed ------------------------------------------------------------------------ */

static void add_signer(const struct signer *s, struct policy_wants *w)
{
    w->trusts |= UINT64_C(1) << s->trust;
    w->simple = w->simple || (s->formats & (1u << FACTS_SIMPLE | 1u << FACTS_ENVELOPE)) != 0;
    w->bundle = w->bundle || (s->formats & 1u << FACTS_BUNDLE) != 0;
    w->notation = w->notation || (s->formats & 1u << FACTS_NOTATION) != 0;
}

static void add_wants(const struct rule_requirement *q, struct policy_wants *w)
{
    w->governed = true;
    w->signatures = w->signatures || q->kind == FACTS_SIGNATURE;
    w->attestations = w->attestations || q->kind == FACTS_ATTESTATION;
    for (size_t i = 0; i < q->nsigners; i++) {
        add_signer(q->signers[i], w);
    }
}

/* Whose signed reports count is looked for with the other evidence. */
static void add_attested(const struct scans_want *s, struct policy_wants *w)
{
    const struct rule_requirement q = {
        .kind = FACTS_ATTESTATION, .signers = s->signers, .nsigners = s->nsigners};

    if (s->nsigners > 0) {
        add_wants(&q, w);
    }
}

static void add_demand(const struct demand *d, struct policy_wants *w)
{
    bool content = demand_wants_content(d), age = demand_wants_age(d);
    bool scans = demand_wants_scans(d);

    w->governed = w->governed || content || age || scans;
    w->content = w->content || content;
    w->age = w->age || age;
    w->scans = w->scans || scans;
    if (scans) {
        add_attested(d->scan, w);
    }
    w->tags = w->tags || age;
}

/* OPA is told all that there is to know; of who signed, what the policy's authorities and the
 * configured trust can tell, whether a rule wants them or not. */
static void add_opa(const struct policy *p, struct policy_wants *w)
{
    w->governed = w->tags = w->content = w->age = w->scans = true;
    w->signatures = w->attestations = w->simple = w->bundle = true;
    w->trusts |= 1;
    for (const struct signer *s = p->signers; s != NULL; s = s->next) {
        add_signer(s, w);
    }
}

struct policy_wants policy_wants(const struct policy *p, const struct facts *name)
{
    struct policy_wants w = {0};
    struct pg_arena arena;
    const uint32_t *rules;
    bool is_spoken_of = false;

    pg_arena_init(&arena, 65536);
    size_t n = policy_find(p, name, &arena, &rules);
    for (size_t i = 0; i < n; i++) {
        const struct rule *r = &p->rules[rules[i]];
        bool applies = rule_applies(r, name);
        /* Of a blob it is not known which manifest leads to it: those are asked, one by one. */
        w.tags = w.tags || r->ndigests > 0 || (r->ntags > 0 && r->action != RULE_DENY);
        w.forbidden = w.forbidden || (applies && !r->observes && r->action == RULE_DENY);
        is_spoken_of = is_spoken_of || (applies && !r->observes);
        for (size_t k = 0; applies && k < r->nrequirements; k++) {
            add_wants(&r->requirements[k], &w);
        }
        for (size_t k = 0; rule_applies(r, name) && k < r->ndemands; k++) {
            add_demand(&r->demands[k], &w);
            w.record = w.record || demand_wants_record(&r->demands[k], name->tag);
        }
    }
    w.closed = !is_spoken_of && !p->allows_rest;
    if (p->opa != NULL && !w.forbidden && !w.closed) {
        add_opa(p, &w);
    }
    pg_arena_free(&arena);
    return w;
}

/* ---- deciding ------------------------------------------------------------------------------ */

static void observe(const struct rule *r, struct sl what, struct pg_buf *observed)
{
    if (what.n > 0) {
        (void)pg_buf_printf(observed, "%s" SL_FMT ": " SL_FMT, observed->n > 0 ? "; " : "",
                            SL_ARG(r->name), SL_ARG(what));
    }
}

static int badness(enum policy_decision d)
{
    return d == POLICY_DENY ? 2 : d == POLICY_PENDING ? 1 : 0;
}

/* A denial is worse than waiting; of equals the first by name is told. */
static void enforce(const struct rule *r, const struct rule_verdict *one, struct policy_verdict *v)
{
    if (v->rule.p == NULL || badness(one->decision) > badness(v->decision)) {
        v->decision = one->decision;
        v->rule = r->name;
        v->reason = one->reason;
        v->remedy = one->remedy;
    }
}

static void decide_rest(const struct policy *p, struct policy_verdict *v)
{
    v->decision = p->allows_rest ? POLICY_ALLOW : POLICY_DENY;
    v->rule = SL("default");
    v->reason = p->allows_rest ? SL("no rule speaks of it")
                               : SL("no rule speaks of it, and what no rule speaks of is denied");
    v->remedy = p->allows_rest ? SL("") : SL("a rule for this repository");
}

struct policy_verdict policy_revoked(const char *why)
{
    return (struct policy_verdict){.decision = POLICY_DENY,
                                   .rule = SL("revocation"),
                                   .reason = sl_str(why),
                                   .remedy = SL("pull another image, or ask who operates this "
                                                "proxy"),
                                   .observed = SL(""),
                                   .not_after_s = INT64_MAX};
}

/* Is it too young for its tag, or not what that may be, and would all rules for which it is take an
 * older one? */
static bool may_be_previous(const struct policy *p, const struct facts *f, struct pg_arena *arena)
{
    const uint32_t *rules;
    size_t n = policy_find(p, f, arena, &rules);
    bool may = false;

    for (size_t i = 0; i < n && f->tag.p != NULL; i++) {
        const struct rule *r = &p->rules[rules[i]];
        bool counts = r->action == RULE_REQUIRE && !r->observes && rule_applies(r, f);
        for (size_t k = 0; counts && k < r->ndemands; k++) {
            const struct demand *d = &r->demands[k];
            struct demand_standing s;
            if (d->kind != DEMAND_MIN_AGE && d->kind != DEMAND_FIXED_TAGS) {
                continue;
            }
            s = rule_stand_demand(r, d, f, arena);
            if (s.answer == DEMAND_UNKNOWN || (s.answer == DEMAND_FAILS && !d->previous)) {
                return false;
            }
            may = may || s.answer == DEMAND_FAILS;
        }
    }
    return may;
}

void policy_decide(const struct policy *p, const struct facts *f, struct pg_arena *arena,
                   struct policy_verdict *v_r)
{
    struct policy_verdict v = {.decision = POLICY_ALLOW, .not_after_s = INT64_MAX};
    struct pg_buf observed;
    const uint32_t *rules;
    size_t n;

    if (f->revoked != NULL) { /* no rule has a say in it */
        *v_r = policy_revoked(f->revoked);
        v_r->previous = may_be_previous(p, f, arena);
        return;
    }
    n = policy_find(p, f, arena, &rules);
    pg_buf_init(&observed, OBSERVED_BYTES);
    for (size_t i = 0; i < n; i++) {
        const struct rule *r = &p->rules[rules[i]];
        struct rule_verdict one;
        if (!rule_applies(r, f)) {
            continue;
        }
        rule_decide(r, f, arena, &one);
        if (one.not_after_s < v.not_after_s && (!r->observes || one.decision == POLICY_ALLOW)) {
            v.not_after_s = one.not_after_s; /* what an observing rule tells changes then, too */
        }
        v.asks_scan = v.asks_scan || one.asks_scan;
        observe(r, one.warning, &observed);
        if (r->observes) {
            observe(r, one.decision != POLICY_ALLOW ? one.reason : SL(""), &observed);
        } else {
            enforce(r, &one, &v);
        }
    }
    if (v.rule.p == NULL) {
        decide_rest(p, &v);
    } else if (v.decision == POLICY_ALLOW) {
        v.reason = SL("all that the rules want is there");
    }
    if (v.decision == POLICY_ALLOW && p->opa != NULL) {
        opa_decide(p->opa, f, arena, &v);
    }
    v.previous = v.decision != POLICY_ALLOW && may_be_previous(p, f, arena);
    v.observed = pg_copy(arena, pg_buf_sl(&observed));
    pg_buf_free(&observed);
    *v_r = v;
}

void policy_tell(const struct policy *p, struct policy_told *r)
{
    *r = (struct policy_told){.nrules = p->nrules, .default_allows = p->allows_rest};
    for (size_t i = 0; i < p->nrules; i++)
        r->nobserving += p->rules[i].observes;
}
