/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/gate.h"

#include "base/steady.h"
#include "cache/overlay.h"
#include "cache/scanned.h"
#include "oci/manifest.h"
#include "oci/ref.h"
#include "policy/explain.h"
#include "proxy/admit/heard.h"
#include "proxy/admit/named.h"
#include "proxy/admit/revocation.h"

#define EDGES_MAX 2048 /* of a child that are looked at: a base layer has many */

/* One manifest that is decided about. */
struct subject {
    const struct gate_question *q;
    struct pg_arena *arena;
    struct facts facts;
    struct policy_wants wants;
    struct dossier *dossier; /* a reference, or NULL: nothing has to be known */
    bool is_fresh, is_stale; /* stale: what was known, where looking again failed */
    bool is_recalled;        /* the verdict is one that was remembered */
};

static void refuse(struct gate_result *r, enum gate_answer answer, const char *rule,
                   const char *reason, const char *remedy)
{
    *r = (struct gate_result){
        .answer = answer,
        .verdict = {.decision = answer == GATE_PENDING ? POLICY_PENDING : POLICY_DENY,
                    .rule = sl_str(rule),
                    .reason = sl_str(reason),
                    .remedy = sl_str(remedy)}};
}

static void no_index(struct gate_result *r)
{
    refuse(r, GATE_PENDING, "store", "the index could not be read", "try again");
}

static void say(struct gate_result *r, const struct policy_verdict *v)
{
    *r = (struct gate_result){.verdict = *v,
                              .answer = v->decision == POLICY_ALLOW  ? GATE_ALLOWS
                                        : v->decision == POLICY_DENY ? GATE_DENIES
                                                                     : GATE_PENDING};
}

/* ---- what is known ------------------------------------------------------------------------- */

static struct dossier *find_fresh(const struct gate_question *q, const struct digest *d,
                                  const struct dossier_scope *scope)
{
    for (size_t i = 0; i < q->nfresh; i++)
        if (digest_eq(&q->fresh[i]->subject, d) &&
            dossier_scopes_are_same(&q->fresh[i]->scope, scope))
            return q->fresh[i];
    return NULL;
}

static bool is_older(const struct gate_question *q, const struct dossier *d, uint64_t ms)
{
    return q->now_ms >= d->made_ms && q->now_ms - d->made_ms >= ms;
}

static void take_facts(struct subject *s)
{
    const struct dossier *d = s->dossier;

    s->facts.state = d->state;
    s->facts.trouble = d->trouble;
    s->facts.is_signed = d->is_signed;
    s->facts.nsigned = d->nsigned;
    s->facts.refused = d->refused;
    s->facts.nrefused = d->nrefused;
    s->facts.content = d->content;
    revocation_filter(s->q->store, s->arena, &s->facts);
}

/* false: r says why it cannot be decided yet. */
static bool find_dossier(struct subject *s, const struct digest *sha256, struct gate_result *r)
{
    const struct gate_question *q = s->q;
    const struct dossier_scope scope = {.wants = s->wants};
    struct dossier *fresh = find_fresh(q, sha256, &scope);
    struct dossier *old =
        shelf_get(q->shelf, q->repository, sha256, &scope, q->admission->revision);

    s->is_fresh = fresh != NULL;
    if (fresh == NULL && (old == NULL || is_older(q, old, q->ttl_ms))) {
        dossier_unref(old);
        *r = (struct gate_result){.answer = GATE_NEEDS, .needs = *sha256, .scope = scope};
        return false;
    }
    if (fresh != NULL && (fresh->state != FACTS_FAILED || old == NULL)) {
        dossier_unref(old);
        old = dossier_ref(fresh);
    }
    s->dossier = old;
    take_facts(s);
    if (fresh != NULL && fresh->state == FACTS_FAILED) { /* what was verified before still is */
        s->facts.state = FACTS_FAILED;
        s->facts.trouble = fresh->trouble;
        s->is_stale = true;
    }
    return true;
}

static void free_subject(struct subject *s)
{
    dossier_unref(s->dossier);
    s->dossier = NULL;
}

/* Its name, with all tags that name it where that matters. false: r says why it is not known. */
static bool name_subject(struct subject *s, struct sl tag, const struct digest *d,
                         const struct digest *sha256, struct gate_result *r)
{
    const struct gate_question *q = s->q;
    struct named t = {0};

    s->facts = (struct facts){
        .repository = q->repository, .tag = tag, .digest = *sha256, .now_s = q->now_s};
    s->facts.revoked = q->revoked != NULL && digest_eq(sha256, &q->sha256)
                           ? q->revoked
                           : revocation_of_digest(q->store, sha256, s->arena);
    s->wants = policy_wants(q->admission->policy, &s->facts);
    if (s->wants.tags) {
        named_find(q, sha256, s->arena, &t);
        if (!digest_eq(d, sha256)) { /* what has two names has the tags of both (N13) */
            named_find(q, d, s->arena, &t);
        }
        if (t.over)
            refuse(r, GATE_PENDING, "tags", "more tags name it here than are looked at",
                   "take some of them away; rules without tags do not ask for them");
        else if (t.failed)
            no_index(r);
        if (t.over || t.failed)
            return false;
        s->facts.known_tags = t.all;
        s->facts.nknown_tags = t.n;
        s->wants = policy_wants(q->admission->policy, &s->facts);
    }
    if (s->wants.record)
        named_record(q, d, &s->facts);
    if (s->wants.age)
        s->facts.since_s = named_since(q, tag, d, &t);
    if (s->wants.age && s->facts.since_s == 0 && digest_eq(sha256, &q->sha256))
        s->facts.since_s = q->since_s;
    return true;
}

/* false: r says what is missing. */
static bool know_subject(struct subject *s, const struct digest *sha256, struct gate_result *r)
{
    return (!s->wants.governed && !s->wants.tags) || find_dossier(s, sha256, r);
}

/* Is the dossier, with the tag and the time, all that policy looks at? Not where a signer or the
 * image was revoked, nor where ages count: those are no facts of the dossier. */
static bool is_by_dossier(const struct subject *s)
{
    const struct dossier *d = s->dossier;
    const struct facts *f = &s->facts;

    return d != NULL && !s->is_stale && f->revoked == NULL && f->is_signed == d->is_signed &&
           f->nsigned == d->nsigned && f->content == d->content && !s->wants.age &&
           !s->wants.record && f->nknown_tags == 0 && policy_opa(s->q->admission->policy) == NULL;
}

/* OPA is heard where all rules allow. False: it has to be asked first, as r says. */
static bool ask_rules(struct subject *s, struct policy_verdict *v, struct gate_result *r)
{
    const struct policy *p = s->q->admission->policy;
    struct sl document;

    s->facts.opinion = NULL;
    policy_decide(p, &s->facts, s->arena, v);
    if (!v->asks_opa)
        return true;
    if (!counsel_hear(&s->q->hearing, p, &s->facts, s->arena, &document)) {
        *r = (struct gate_result){.answer = GATE_NEEDS, .document = document};
        return false;
    }
    policy_decide(p, &s->facts, s->arena, v);
    return true;
}

/* What sources of scan results say, and since when it is here: no more than once. */
static void hear_scans(struct subject *s)
{
    struct heard_from from = {
        .store = s->q->store, .excuses = s->q->admission->excuses, .is_over = s->q->is_over};
    struct index_link link;
    struct pg_err ignored = {0};

    if (!s->wants.scans || s->facts.scans != NULL)
        return;
    if (s->dossier != NULL) {
        from.attested = s->dossier->attested;
        from.nattested = s->dossier->nattested;
    }
    heard_gather(&from, s->arena, &s->facts);
    if (overlay_get_link(s->q->store, s->facts.repository, &s->facts.digest, &link, &ignored) > 0 &&
        link.landed)
        s->facts.here_s =
            link.first_seen_s - pg_steady_ahead_s(); /* findings go by the wall clock */
    pg_err_clear(&ignored);
}

/* What policy said of the same facts, name and tag holds for as long as it said. */
static bool ask_policy(struct subject *s, struct policy_verdict *v, struct gate_result *r)
{
    struct dossier *d = s->dossier;
    bool may_recall = is_by_dossier(s);
    uint32_t scanned = scanned_revision(&s->facts.digest);

    s->is_recalled =
        may_recall && dossier_recall(d, s->facts.tag, s->facts.now_s, scanned, s->arena, v);
    if (s->is_recalled)
        return true;
    hear_scans(s);
    if (!ask_rules(s, v, r))
        return false;
    if (may_recall && v->decision == POLICY_ALLOW && v->observed.n == 0)
        dossier_remember(d, s->facts.tag, s->facts.now_s, scanned, v);
    return true;
}

/* By its own facts alone. Facts that are not enough may be old. */
static void decide(struct subject *s, struct gate_result *r)
{
    struct policy_verdict v;

    if (!ask_policy(s, &v, r))
        return;
    say(r, &v);
    if (r->answer != GATE_ALLOWS && s->facts.revoked == NULL && s->wants.governed && !s->is_fresh &&
        !v.previous && /* what is too young will be so for long */
        is_older(s->q, s->dossier, GATE_ABSENT_MS))
        *r = (struct gate_result){
            .answer = GATE_NEEDS, .needs = s->dossier->subject, .scope = s->dossier->scope};
}

/* ---- who names it -------------------------------------------------------------------------- */

struct parents {
    struct digest all[GATE_PARENTS_MAX];
    size_t n;
    bool failed;
};

static void add_parent(struct parents *p, const struct digest *d, int found,
                       const struct index_link *link)
{
    p->failed = p->failed || found < 0;
    if (found <= 0 || link->kind != INDEX_LINK_MANIFEST || d->alg != PG_SHA256)
        return;
    for (size_t i = 0; i < p->n; i++)
        if (digest_eq(&p->all[i], d))
            return;
    if (p->n < GATE_PARENTS_MAX)
        p->all[p->n++] = *d;
}

static bool is_of(enum index_edge_kind kind, bool of_blob)
{
    return of_blob ? kind == INDEX_EDGE_CONFIG || kind == INDEX_EDGE_LAYER
                   : kind == INDEX_EDGE_CHILD;
}

/* Those that were looked at lately: their edges may not be committed yet. Of the repository only
 * those that are manifests of it. */
static void find_noted_parents(const struct gate_question *q, const struct digest *child,
                               struct parents *p)
{
    struct digest noted;
    struct index_link link;
    struct pg_err ignored = {0};

    for (size_t i = 0; shelf_witness(q->shelf, q->repository, child, i, &noted); i++) {
        int found = overlay_get_link(q->store, q->repository, &noted, &link, &ignored);

        add_parent(p, &noted, found, &link);
    }
    pg_err_clear(&ignored);
}

/* All others. Of those link and edge are committed together. */
static void find_parents(const struct gate_question *q, const struct digest *child, bool of_blob,
                         struct parents *p)
{
    _index_view_ struct index_view v = index_view_begin(q->store->index);
    struct index_edge edge, *after = NULL;
    struct index_link link;
    struct pg_err ignored = {0};
    int found = 0;

    for (size_t i = 0; i < EDGES_MAX && p->n < GATE_PARENTS_MAX; i++) {
        found = index_next_parent(&v, child, after, &edge, &ignored);
        if (found <= 0)
            break;
        after = &edge;
        if (!is_of(edge.kind, of_blob))
            continue;
        found = index_get_link(&v, q->repository, &edge.parent, &link, &ignored);
        add_parent(p, &edge.parent, found, &link);
    }
    p->failed = p->failed || found < 0;
    pg_err_clear(&ignored);
}

/* A hint, or an edge of another repository's: does it name it as config or layer? */
static bool names_blob(const struct gate_question *q, const struct digest *parent,
                       const struct digest *blob, const struct dossier *d)
{
    struct overlay_manifest m = {0};
    struct pg_arena arena;
    struct manifest parsed;
    struct pg_err ignored = {0};
    bool does = false;

    if (d != NULL)
        return dossier_names_blob(d, blob);
    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    if (overlay_get_manifest(q->store, parent, &arena, &m, &ignored) > 0 &&
        manifest_parse(m.bytes, m.media_type, &arena, &parsed, &ignored) == 0 &&
        parsed.kind != MANIFEST_INDEX) {
        does = parsed.has_config && digest_eq(&parsed.config.digest, blob);
        for (size_t i = 0; i < parsed.nchildren && !does; i++)
            does = digest_eq(&parsed.children[i].digest, blob);
    }
    pg_bytes_unref(m.held);
    pg_err_clear(&ignored);
    pg_arena_free(&arena);
    return does;
}

/* ---- a manifest ---------------------------------------------------------------------------- */

static void add_inherited(struct subject *s, const struct facts *parent)
{
    size_t n = s->facts.nsigned + parent->nsigned;
    struct facts_signed *all = pg_alloc(s->arena, (n + 1) * sizeof(*all));

    memcpy(all, s->facts.nsigned > 0 ? s->facts.is_signed : all, s->facts.nsigned * sizeof(*all));
    for (size_t i = 0; i < parent->nsigned; i++) {
        struct facts_signed *f = &all[s->facts.nsigned + i];

        *f = parent->is_signed[i];
        f->inherited = true;
    }
    s->facts.is_signed = all;
    s->facts.nsigned = n;
}

/* Its facts go to the child if it passes by itself. 1 the child passes; 0; -1 r says what is
 * missing. */
static int inherit(struct subject *child, const struct digest *d, const struct digest *parent,
                   struct gate_result *r)
{
    struct subject s = {.q = child->q, .arena = child->arena};
    struct gate_result of_parent;
    int result = 0;

    if (!name_subject(&s, (struct sl){NULL, 0}, parent, parent, &of_parent) ||
        !know_subject(&s, parent, &of_parent))
        result = -1;
    else if (s.dossier != NULL && dossier_names_child(s.dossier, d))
        decide(&s, &of_parent);
    else
        refuse(&of_parent, GATE_DENIES, "index", "it does not name it", "");
    if (result == 0 && of_parent.answer == GATE_NEEDS)
        result = -1;
    if (result < 0)
        *r = of_parent;
    if (result == 0 && of_parent.answer == GATE_ALLOWS) {
        struct policy_verdict v;

        add_inherited(child, &s.facts);
        result = ask_rules(child, &v, r) ? v.decision == POLICY_ALLOW : -1;
        if (result > 0)
            say(r, &v);
    }
    free_subject(&s);
    return result;
}

/* What a parent lacks is looked for, too, before the child is refused; but not before those were
 * asked of whom all is known. */
static void inherit_any(struct subject *s, const struct digest *d, struct gate_result *r)
{
    struct parents p = {.n = 0};
    struct facts own = s->facts;
    struct gate_result lacks = {.answer = GATE_DENIES};
    bool does_lack = false;

    find_noted_parents(s->q, d, &p);
    find_parents(s->q, d, false, &p);
    for (size_t i = 0; i < p.n; i++) {
        struct gate_result one;
        int passes;

        s->facts = own;
        passes = inherit(s, d, &p.all[i], &one);
        if (passes > 0) {
            *r = one;
            return;
        }
        if (passes < 0 && !does_lack)
            lacks = one;
        does_lack = does_lack || passes < 0;
    }
    s->facts = own;
    if (does_lack)
        *r = lacks;
    else if (p.failed)
        no_index(r);
}

/* s has its name. */
static void decide_manifest(struct subject *s, const struct digest *d, const struct digest *sha256,
                            struct gate_result *r)
{
    if (!know_subject(s, sha256, r))
        return;
    decide(s, r);
    if (s->wants.governed && (r->answer == GATE_DENIES || r->answer == GATE_PENDING))
        inherit_any(s, d, r);
}

/* ---- evidence (N03) ------------------------------------------------------------------------ */

/* By the tag that it was asked for, or one of those that it was asked for lately. */
static struct companion_claim claim_of(const struct gate_question *q)
{
    struct companion_claim c = companion_claim_of(q->tag);
    struct pg_err ignored = {0};
    struct index_tag tag;
    char name[129];

    if (q->tag.p != NULL)
        return c;
    for (size_t i = 0; !c.is_there && shelf_tag(q->shelf, q->repository, &q->digest, i, name);
         i++) {
        struct companion_claim noted = companion_claim_of(sl_str(name));

        if (noted.is_there &&
            overlay_get_tag(q->store, q->repository, sl_str(name), &tag, &ignored) > 0 &&
            digest_eq(&tag.digest, &q->digest))
            c = noted;
    }
    pg_err_clear(&ignored);
    return c;
}

/* What has no such member, as it is written by all who write it, is about nothing. */
static bool may_name_subject(const struct gate_question *q)
{
    return q->manifest.p == NULL ||
           memmem(q->manifest.p, q->manifest.n, "\"subject\"", SL("\"subject\"").n) != NULL;
}

/* Is it evidence that decides about this manifest? Else its evidence helps nobody. */
static bool decides_by_evidence(const struct gate_question *q, const struct digest *about,
                                struct pg_arena *arena)
{
    struct subject s = {.q = q, .arena = arena};
    struct gate_result ignored;

    return name_subject(&s, (struct sl){NULL, 0}, about, about, &ignored) && s.wants.governed &&
           !s.wants.forbidden && !s.wants.closed;
}

static void pass(struct gate_result *r)
{
    *r = (struct gate_result){
        .answer = GATE_ALLOWS,
        .is_evidence = true,
        .verdict = {.decision = POLICY_ALLOW,
                    .rule = SL("evidence"),
                    .reason = SL("evidence about another manifest, which leaves with that"),
                    .not_after_s = INT64_MAX}};
}

static struct dossier *find_as_evidence(const struct gate_question *q,
                                        const struct dossier_scope *scope)
{
    struct dossier *d = find_fresh(q, &q->sha256, scope);

    if (d != NULL)
        return dossier_ref(d);
    d = shelf_get(q->shelf, q->repository, &q->sha256, scope, q->admission->revision);
    if (d != NULL && scope->claim.is_there && !dossier_scopes_are_same(&d->scope, scope)) {
        dossier_unref(d); /* looked at under another tag */
        d = NULL;
    }
    return d;
}

enum as_evidence { IS_NONE, IS_SAID, IS_UNKNOWN };

/* SAID: r says that it passes, or what is missing. */
static enum as_evidence try_as_evidence(const struct gate_question *q,
                                        const struct policy_wants *wants, struct pg_arena *arena,
                                        struct gate_result *r)
{
    const struct dossier_scope scope = {.as_evidence = true, .claim = claim_of(q)};
    enum as_evidence is = IS_SAID;
    struct dossier *d;

    if (wants->forbidden || !(wants->governed || wants->tags || wants->closed) ||
        (!scope.claim.is_there && !may_name_subject(q)))
        return IS_NONE;
    d = find_as_evidence(q, &scope);
    if (d == NULL)
        *r = (struct gate_result){.answer = GATE_NEEDS, .needs = q->sha256, .scope = scope};
    else if (d->is_evidence && decides_by_evidence(q, &d->about, arena))
        pass(r);
    else
        is = d->state == FACTS_FAILED ? IS_UNKNOWN : IS_NONE;
    dossier_unref(d);
    return is;
}

/* A blob of what was found to be evidence. */
static bool is_of_evidence(const struct gate_question *q, struct pg_arena *arena)
{
    const struct dossier_scope scope = {.as_evidence = true};
    struct digest by;
    bool is = false;

    for (size_t i = 0; !is && shelf_evidence(q->shelf, q->repository, &q->digest, i, &by); i++) {
        struct dossier *d = shelf_get(q->shelf, q->repository, &by, &scope, q->admission->revision);

        is = d != NULL && d->is_evidence && dossier_names_blob(d, &q->digest) &&
             decides_by_evidence(q, &d->about, arena);
        dossier_unref(d);
    }
    return is;
}

static void put_explained(const struct gate_question *q, const struct explain_node *root)
{
    if (q->explain_as_text)
        explain_put_text(root, q->now_s, q->explained);
    else
        explain_put_json(root, q->explained);
}

/* What no rule decided. */
static void explain_alone(const struct gate_question *q, const struct gate_result *r)
{
    const struct explain_node root = {.kind = "verdict",
                                      .state = r->answer == GATE_ALLOWS    ? EXPLAIN_HOLDS
                                               : r->answer == GATE_PENDING ? EXPLAIN_WAITS
                                                                           : EXPLAIN_FAILS,
                                      .name = r->verdict.rule,
                                      .text = r->verdict.reason,
                                      .until_s = INT64_MAX};

    put_explained(q, &root);
}

/* By the facts that it was decided by. */
static void explain(struct subject *s, struct pg_arena *arena)
{
    struct policy_verdict v;
    const struct explain_node *root;

    hear_scans(s); /* a verdict that was remembered needed none */
    root = explain_decision(s->q->admission->policy, &s->facts, arena, &v);
    put_explained(s->q, root);
}

/* It is asked first whether it is evidence: of its own evidence there is seldom any. */
void gate_manifest(const struct gate_question *q, struct pg_arena *arena, struct gate_result *r)
{
    struct subject s = {.q = q, .arena = arena};
    enum as_evidence as;

    if (q->tag.p != NULL)
        shelf_note_tag(q->shelf, q->repository, &q->digest, q->tag);
    if (!name_subject(&s, q->tag, &q->digest, &q->sha256, r)) {
        if (q->explained != NULL)
            explain_alone(q, r);
        return;
    }
    as = try_as_evidence(q, &s.wants, arena, r);
    if (as == IS_SAID) {
        if (q->explained != NULL && r->answer != GATE_NEEDS)
            explain_alone(q, r);
        return;
    }
    decide_manifest(&s, &q->digest, &q->sha256, r);
    r->fixes = r->answer == GATE_ALLOWS && s.wants.record && s.facts.record == FACTS_NO_RECORD;
    if (r->answer == GATE_ALLOWS && s.dossier != NULL && !s.is_recalled)
        shelf_note_admitted(q->shelf, s.dossier);
    if (q->explained != NULL && r->answer != GATE_NEEDS)
        explain(&s, arena);
    free_subject(&s);
    if (as == IS_UNKNOWN && r->answer == GATE_DENIES)
        refuse(r, GATE_PENDING, "evidence", "what it has could not be looked at", "try again");
}

/* ---- a blob, a list ------------------------------------------------------------------------ */

/* 1: by this manifest it passes; 0: not, or not yet, as r says. */
static int witness(const struct gate_question *q, const struct digest *parent,
                   struct pg_arena *arena, struct gate_result *r)
{
    struct subject s = {.q = q, .arena = arena};
    struct gate_result one;
    int result = 0;

    if (name_subject(&s, (struct sl){NULL, 0}, parent, parent, &one))
        decide_manifest(&s, parent, parent, &one);
    if (one.answer != GATE_ALLOWS || names_blob(q, parent, &q->digest, s.dossier))
        result = one.answer == GATE_ALLOWS;
    else
        refuse(&one, GATE_DENIES, "blob", "no manifest that may be pulled names it",
               "pull the manifest that names it first");
    *r = one;
    free_subject(&s);
    return result;
}

/* From number `from` on. True: one passes. */
static bool ask_witnesses(const struct gate_question *q, const struct parents *p, size_t from,
                          struct pg_arena *arena, struct gate_result *r)
{
    for (size_t i = from; i < p->n; i++) {
        struct gate_result one;
        int passes = witness(q, &p->all[i], arena, &one);

        if (passes > 0 || one.answer >= r->answer)
            *r = one;
        if (passes > 0)
            return true;
    }
    return false;
}

static void find_witness(const struct gate_question *q, struct pg_arena *arena,
                         struct gate_result *r)
{
    struct parents p = {.n = 0};
    size_t noted;

    refuse(r, GATE_DENIES, "blob", "no manifest of this repository that was pulled here names it",
           "pull the manifest that names it first");
    find_noted_parents(q, &q->digest, &p);
    if (ask_witnesses(q, &p, 0, arena, r))
        return;
    noted = p.n;
    find_parents(q, &q->digest, true, &p);
    if (!ask_witnesses(q, &p, noted, arena, r) && r->answer == GATE_DENIES && p.failed)
        no_index(r);
}

void gate_blob(const struct gate_question *q, struct pg_arena *arena, struct gate_result *r)
{
    struct facts name = {.repository = q->repository, .digest = q->digest, .now_s = q->now_s};
    struct policy_wants wants = policy_wants(q->admission->policy, &name);

    if (!wants.governed && !wants.tags)
        gate_list(q, arena, r);
    else if (is_of_evidence(q, arena))
        pass(r);
    else
        find_witness(q, arena, r);
}

void gate_list(const struct gate_question *q, struct pg_arena *arena, struct gate_result *r)
{
    struct facts name = {.repository = q->repository, .digest = q->digest, .now_s = q->now_s};
    struct policy_wants wants = policy_wants(q->admission->policy, &name);
    struct policy_verdict v = {.decision = POLICY_ALLOW,
                               .rule = SL("names"),
                               .reason = SL("what it names is decided when it is asked for"),
                               .not_after_s = INT64_MAX};

    if (!wants.governed && !wants.tags)
        policy_decide(q->admission->policy, &name, arena, &v);
    say(r, &v);
}
