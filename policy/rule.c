/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rule.h"

#include "policy/match.h"
#include "policy/provenance.h"

#define TEXT_MAX  ((size_t)900)
#define SKEW_S    300 /* a statement may be this much younger than our clock */
#define SOURCE_OF 12  /* the extension that names the source repository */

/* ---- for whom ------------------------------------------------------------------------------ */

static bool tag_matches(const struct rule *r, struct sl tag)
{
    for (size_t i = 0; i < r->ntags; i++) {
        if (wildcard_matches(r->tags[i], tag)) {
            return true;
        }
    }
    return false;
}

/* What is demanded of a tag is demanded of all that it names, by digest and by its other tags. A
 * tag that may not be pulled says nothing about the digest, nor does one that may about others. */
static bool digest_matches(const struct rule *r, const struct digest *d)
{
    for (size_t i = 0; i < r->ndigests; i++) {
        if (digest_eq(&r->digests[i], d)) {
            return true;
        }
    }
    return r->ndigests == 0;
}

bool rule_applies(const struct rule *r, const struct facts *f)
{
    bool counts = f->tag.p == NULL ? r->action != RULE_DENY : r->action == RULE_REQUIRE;

    if (!digest_matches(r, &f->digest)) {
        return false;
    }
    if (r->ntags == 0 || (f->tag.p != NULL && tag_matches(r, f->tag))) {
        return true;
    }
    for (size_t i = 0; i < f->nknown_tags && counts; i++) {
        if (tag_matches(r, f->known_tags[i])) {
            return true;
        }
    }
    return false;
}

/* ---- one fact ------------------------------------------------------------------------------ */

static const char *age_lacks(const struct rule_requirement *q, const struct facts *f,
                             const struct facts_signed *fact, int64_t made_s, int64_t *until_s)
{
    int64_t at_s = made_s > 0 ? made_s : fact->signed_at_s;

    if (at_s <= 0) {
        return "it does not say when it was made, and nobody trusted does";
    }
    if (made_s > f->now_s + SKEW_S) {
        return "it says that it was made in the future";
    }
    if (at_s > INT64_MAX - q->max_age_s) {
        return "it says that it was made in the future";
    }
    if (at_s + q->max_age_s <= f->now_s) {
        return "it is older than it may be";
    }
    if (at_s + q->max_age_s < *until_s) {
        *until_s = at_s + q->max_age_s;
    }
    return NULL;
}

static const char *statement_lacks(const struct rule_requirement *q, const struct facts *f,
                                   const struct facts_signed *fact, int64_t *until_s)
{
    struct pg_arena arena;
    struct pg_err err = {0};
    struct provenance p;
    const char *lacks = NULL;

    pg_arena_init(&arena, PROVENANCE_BYTES_MAX);
    if (provenance_read(fact->statement, &arena, &p, &err) < 0) {
        lacks = "its statement cannot be understood";
    } else if (q->builder_id.p != NULL && !sl_eq(q->builder_id, p.builder_id)) {
        lacks = "it is of another builder";
    } else if (q->source_repository.p != NULL && !sl_eq(q->source_repository, p.source)) {
        lacks = "it is of another source repository";
    } else if (q->source_repository.p != NULL && fact->extensions != NULL &&
               fact->extensions[SOURCE_OF].p != NULL &&
               !sl_eq(q->source_repository, provenance_source(fact->extensions[SOURCE_OF]))) {
        lacks = "its certificate is of another source repository";
    } else if (q->max_age_s > 0) {
        lacks = age_lacks(q, f, fact, p.made_s, until_s);
    }
    pg_arena_free(&arena);
    pg_err_clear(&err);
    return lacks;
}

struct rule_view rule_look(const struct rule_requirement *q, const struct signer *s,
                           const struct facts *f, const struct facts_signed *fact)
{
    struct rule_view v = {.fact = fact, .signer = s, .fit = SIGNER_OTHER_FORM};

    if (fact->kind != q->kind) {
        return v;
    }
    v.fit = signer_fit(s, f, fact);
    v.until_s = fact->not_after_s;
    if (v.fit != SIGNER_FITS || q->kind == FACTS_SIGNATURE) {
        return v;
    }
    if (!sl_eq(fact->predicate_type, q->predicate_type)) {
        v.lacks = "it is of another type";
    } else if (q->builder_id.p != NULL || q->source_repository.p != NULL || q->max_age_s > 0) {
        v.lacks = statement_lacks(q, f, fact, &v.until_s);
    }
    return v;
}

static bool counts(const struct rule_view *v)
{
    return v->fit == SIGNER_FITS && v->lacks == NULL;
}

/* ---- one requirement ----------------------------------------------------------------------- */

/* All views of one requirement: signers by facts. Two facts of one hand are one hand. */
struct table {
    const struct rule_requirement *q;
    size_t nfacts;
    struct rule_view *views;
    size_t *hand;                     /* of each fact: the first fact of the same hand */
    size_t hand_of[RULE_SIGNERS_MAX]; /* plus 1 */
    size_t *taken_by;                 /* of each hand: the signer that it stands for, plus 1 */
    size_t *reached_by;               /* of each hand that was tried: from which signer */
    bool *tried;
};

static void fill(struct table *t, const struct facts *f, struct pg_arena *arena)
{
    size_t n = t->q->nsigners * f->nsigned;

    t->nfacts = f->nsigned;
    t->views = pg_alloc(arena, (n + 1) * sizeof(*t->views));
    t->hand = pg_alloc(arena, (f->nsigned + 1) * sizeof(*t->hand));
    t->taken_by = pg_alloc(arena, (f->nsigned + 1) * sizeof(*t->taken_by));
    t->reached_by = pg_alloc(arena, (f->nsigned + 1) * sizeof(*t->reached_by));
    t->tried = pg_alloc(arena, (f->nsigned + 1) * sizeof(*t->tried));
    for (size_t k = 0; k < f->nsigned; k++) {
        t->hand[k] = k;
        for (size_t j = 0; j < k; j++) {
            if (signer_one_hand(&f->is_signed[j], &f->is_signed[k])) {
                t->hand[k] = j;
                break;
            }
        }
        for (size_t i = 0; i < t->q->nsigners; i++) {
            t->views[i * f->nsigned + k] = rule_look(t->q, t->q->signers[i], f, &f->is_signed[k]);
        }
    }
}

static bool counts_until(const struct table *t, size_t signer, size_t fact, int64_t until_s)
{
    const struct rule_view *v = &t->views[signer * t->nfacts + fact];

    return counts(v) && v->until_s >= until_s;
}

/* From the hand that is free back to the signer who has none, each gets the hand before. */
static void give(struct table *t, size_t hand)
{
    for (;;) {
        size_t signer = t->reached_by[hand], next = t->hand_of[signer];
        t->taken_by[hand] = signer + 1;
        t->hand_of[signer] = hand + 1;
        if (next == 0) {
            return;
        }
        hand = next - 1;
    }
}

/* A hand for one signer more, for whom others may have to change theirs. */
static bool find_hand(struct table *t, size_t signer, int64_t until_s)
{
    size_t queue[RULE_SIGNERS_MAX] = {signer}, n = 1;

    for (size_t at = 0; at < n; at++) {
        for (size_t k = 0; k < t->nfacts; k++) {
            size_t hand = t->hand[k];
            if (t->tried[hand] || !counts_until(t, queue[at], k, until_s)) {
                continue;
            }
            t->tried[hand] = true;
            t->reached_by[hand] = queue[at];
            if (t->taken_by[hand] == 0) {
                give(t, hand);
                return true;
            }
            PG_CHECK(n < RULE_SIGNERS_MAX); /* each signer has one hand at most */
            queue[n++] = t->taken_by[hand] - 1;
        }
    }
    return false;
}

/* How many signers have a hand of their own. */
static unsigned count_hands(struct table *t, int64_t until_s)
{
    unsigned n = 0;

    memset(t->taken_by, 0, t->nfacts * sizeof(*t->taken_by));
    memset(t->hand_of, 0, sizeof(t->hand_of));
    for (size_t i = 0; i < t->q->nsigners; i++) {
        memset(t->tried, 0, t->nfacts * sizeof(*t->tried));
        n += find_hand(t, i, until_s);
    }
    return n;
}

static unsigned count_signers(const struct table *t, int64_t until_s)
{
    unsigned n = 0;

    for (size_t i = 0; i < t->q->nsigners; i++) {
        for (size_t k = 0; k < t->nfacts; k++) {
            if (counts_until(t, i, k, until_s)) {
                n++;
                break;
            }
        }
    }
    return n;
}

static unsigned count_until(struct table *t, int64_t until_s)
{
    return t->q->all || t->q->threshold == 1 ? count_signers(t, until_s) : count_hands(t, until_s);
}

static unsigned wanted(const struct rule_requirement *q)
{
    return q->all ? (unsigned)q->nsigners : q->threshold;
}

/* The latest of the instants until which something counts, at which there is still enough. */
static int64_t latest_until(struct table *t)
{
    int64_t best_s = INT64_MIN;

    for (size_t i = 0; i < t->q->nsigners * t->nfacts; i++) {
        const struct rule_view *v = &t->views[i];
        if (counts(v) && v->until_s > best_s && count_until(t, v->until_s) >= wanted(t->q)) {
            best_s = v->until_s;
        }
    }
    return best_s;
}

/* The same whatever the order of facts. */
static bool is_nearer(const struct rule_view *a, const struct rule_view *b)
{
    if (b->fact == NULL || a->fit != b->fit) {
        return b->fact == NULL || a->fit > b->fit;
    }
    int c =
        memcmp(a->fact->evidence.bytes, b->fact->evidence.bytes, sizeof(a->fact->evidence.bytes));
    if (c != 0) {
        return c < 0;
    }
    size_t n = a->fact->key_id.n < b->fact->key_id.n ? a->fact->key_id.n : b->fact->key_id.n;
    return n > 0 && memcmp(a->fact->key_id.p, b->fact->key_id.p, n) < 0;
}

static void find_nearest(const struct table *t, struct rule_standing *s)
{
    for (size_t i = 0; i < t->q->nsigners; i++) {
        bool has = false;
        for (size_t k = 0; k < t->nfacts; k++) {
            has = has || counts_until(t, i, k, INT64_MIN);
        }
        if (has) {
            continue;
        }
        s->absent = s->absent != NULL ? s->absent : t->q->signers[i];
        for (size_t k = 0; k < t->nfacts; k++) {
            const struct rule_view *v = &t->views[i * t->nfacts + k];
            if (v->fact->kind == t->q->kind && is_nearer(v, &s->near)) {
                s->near = *v;
            }
        }
    }
}

struct rule_standing rule_stand(const struct rule_requirement *q, const struct facts *f,
                                struct pg_arena *arena)
{
    struct table t = {.q = q};
    struct rule_standing s = {0};

    fill(&t, f, arena);
    s.nheld = count_until(&t, INT64_MIN);
    s.holds = s.nheld >= wanted(q);
    if (s.holds) {
        s.until_s = latest_until(&t);
    } else {
        find_nearest(&t, &s);
    }
    return s;
}

/* ---- in words ------------------------------------------------------------------------------ */

static void put_signers(const struct rule_requirement *q, struct pg_buf *out)
{
    size_t shown = q->nsigners < 4 ? q->nsigners : 3;

    for (size_t i = 0; i < shown; i++) {
        const char *word = q->all ? " and " : " or ";
        (void)pg_buf_printf(out, "%s", i == 0 ? "" : i + 1 < q->nsigners ? ", " : word);
        signer_put(q->signers[i], out);
    }
    if (shown < q->nsigners) {
        (void)pg_buf_printf(out, " and %zu more", q->nsigners - shown);
    }
}

void rule_put_want(const struct rule_requirement *q, struct pg_buf *out)
{
    if (q->kind == FACTS_ATTESTATION) {
        (void)pg_buf_printf(out, "an attestation of type " SL_FMT, SL_ARG(q->predicate_type));
    } else {
        (void)pg_buf_put(out, SL("a signature"));
    }
    if (!q->all && q->threshold > 1) {
        (void)pg_buf_printf(out, " by %u different ones of: ", q->threshold);
    } else {
        (void)pg_buf_put(out, SL(" by "));
    }
    put_signers(q, out);
    if (q->builder_id.p != NULL) {
        (void)pg_buf_printf(out, ", of the builder " SL_FMT, SL_ARG(q->builder_id));
    }
    if (q->source_repository.p != NULL) {
        (void)pg_buf_printf(out, ", of the source " SL_FMT, SL_ARG(q->source_repository));
    }
    if (q->max_age_s > 0) {
        (void)pg_buf_printf(out, ", not older than %lld hours", (long long)q->max_age_s / 3600);
    }
}

static void put_found(const struct rule_standing *s, const struct facts *f, struct pg_buf *out)
{
    const struct facts_refused *worst = NULL;

    if (s->near.fact != NULL) {
        (void)pg_buf_put(out, SL("; what was found is by "));
        signer_put_fact(s->near.fact, out);
        (void)pg_buf_put(out, SL(": "));
        if (s->near.lacks != NULL) {
            (void)pg_buf_put(out, sl_str(s->near.lacks));
        } else {
            signer_put_miss(s->near.signer, s->near.fit, f, s->near.fact, out);
        }
        return;
    }
    for (size_t i = 0; i < f->nrefused; i++) {
        const struct facts_refused *r = &f->refused[i];
        if (worst == NULL ||
            memcmp(r->evidence.bytes, worst->evidence.bytes, sizeof(r->evidence.bytes)) < 0) {
            worst = r;
        }
    }
    if (worst != NULL) {
        (void)pg_buf_printf(out, "; what was found was refused: %.300s (%.30s)", worst->text,
                            worst->code);
    } else {
        (void)pg_buf_put(out, SL("; none was found"));
    }
}

static struct sl kept(struct pg_buf *b, struct pg_arena *arena)
{
    struct sl text = pg_copy(arena, pg_buf_sl(b));

    pg_buf_clear(b);
    return text;
}

static void explain_unmet(const struct rule *r, const struct rule_requirement *q,
                          const struct facts *f, const struct rule_standing *s,
                          struct rule_verdict *v, struct pg_arena *arena)
{
    struct pg_buf b;

    pg_buf_init(&b, TEXT_MAX);
    (void)pg_buf_put(&b, SL("wanted is "));
    rule_put_want(q, &b);
    if (f->state == FACTS_FAILED) {
        (void)pg_buf_printf(&b, "; it could not be looked for: %.300s",
                            f->trouble != NULL ? f->trouble : "the upstream did not answer");
    } else {
        put_found(s, f, &b);
    }
    if (f->state == FACTS_CUT) {
        (void)pg_buf_printf(&b, "; not all of it was looked at: %.200s",
                            f->trouble != NULL ? f->trouble : "there is more than there may be");
    }
    v->reason = kept(&b, arena);
    if (f->state == FACTS_FAILED) {
        (void)pg_buf_put(&b, SL("try again when the upstream answers"));
    } else {
        (void)pg_buf_printf(&b, "have this image %s so, or change the rule " SL_FMT,
                            q->kind == FACTS_SIGNATURE ? "signed" : "attested to", SL_ARG(r->name));
    }
    v->remedy = kept(&b, arena);
    pg_buf_free(&b);
}

/* ---- the rule ------------------------------------------------------------------------------ */

static void decide_fixed(const struct rule *r, struct pg_arena *arena, struct rule_verdict *v)
{
    struct pg_buf b;

    v->decision = r->action == RULE_ALLOW ? POLICY_ALLOW : POLICY_DENY;
    if (v->decision == POLICY_ALLOW) {
        return;
    }
    pg_buf_init(&b, TEXT_MAX);
    (void)pg_buf_put(&b, r->description.n > 0 ? r->description
                                              : SL("the rule lets nobody pull what it matches"));
    v->reason = kept(&b, arena);
    (void)pg_buf_printf(&b, "pull something else, or change the rule " SL_FMT, SL_ARG(r->name));
    v->remedy = kept(&b, arena);
    pg_buf_free(&b);
}

static const struct demand *types_of(const struct rule *r)
{
    for (size_t i = 0; i < r->ndemands; i++) {
        if (r->demands[i].kind == DEMAND_TYPES) {
            return &r->demands[i];
        }
    }
    return NULL;
}

struct demand_standing rule_stand_demand(const struct rule *r, const struct demand *d,
                                         const struct facts *f, struct pg_arena *arena)
{
    struct demand_standing s;

    demand_stand(d, types_of(r), f, arena, &s);
    return s;
}

static void explain_demand(const struct rule *r, const struct demand *d,
                           const struct demand_standing *s, struct rule_verdict *v,
                           struct pg_arena *arena)
{
    struct pg_buf b;

    pg_buf_init(&b, TEXT_MAX);
    (void)pg_buf_put(&b, SL("wanted is "));
    demand_put_want(d, &b);
    (void)pg_buf_printf(&b, "; " SL_FMT, SL_ARG(s->found));
    v->reason = kept(&b, arena);
    if (s->answer == DEMAND_UNKNOWN) {
        (void)pg_buf_put(&b, s->help.n > 0 ? s->help : SL("try again when the upstream answers"));
    } else if (s->help.n > 0) {
        (void)pg_buf_printf(&b, SL_FMT ", or change the rule " SL_FMT, SL_ARG(s->help),
                            SL_ARG(r->name));
    } else {
        (void)pg_buf_printf(&b, "change the rule " SL_FMT, SL_ARG(r->name));
    }
    v->remedy = kept(&b, arena);
    pg_buf_free(&b);
}

/* The first that fails is told; one that is not known only when none does. */
static void decide_demands(const struct rule *r, const struct facts *f, struct pg_arena *arena,
                           struct rule_verdict *v)
{
    for (size_t i = 0; i < r->ndemands && v->decision != POLICY_DENY; i++) {
        struct demand_standing s = rule_stand_demand(r, &r->demands[i], f, arena);
        v->asks_scan = v->asks_scan || s.asks_scan;
        if (s.warning.n > 0) {
            v->warning = s.warning;
        }
        if (s.answer == DEMAND_HOLDS && s.until_s < v->not_after_s) {
            v->not_after_s = s.until_s;
        }
        if (s.answer == DEMAND_HOLDS ||
            (s.answer == DEMAND_UNKNOWN && v->decision == POLICY_PENDING)) {
            continue;
        }
        v->decision = s.answer == DEMAND_UNKNOWN ? POLICY_PENDING : POLICY_DENY;
        v->not_after_s = s.answer == DEMAND_UNKNOWN ? f->now_s : s.until_s;
        explain_demand(r, &r->demands[i], &s, v, arena);
    }
}

static void decide_signed(const struct rule *r, const struct facts *f, struct pg_arena *arena,
                          struct rule_verdict *v)
{
    for (size_t i = 0; i < r->nrequirements; i++) {
        const struct rule_requirement *q = &r->requirements[i];
        struct rule_standing s = rule_stand(q, f, arena);
        if (!s.holds) {
            bool waits = f->state == FACTS_FAILED || (r->waits && f->state == FACTS_COMPLETE);
            v->decision = waits ? POLICY_PENDING : POLICY_DENY;
            v->not_after_s = waits ? f->now_s : INT64_MAX;
            explain_unmet(r, q, f, &s, v, arena);
            return;
        }
        if (s.until_s < v->not_after_s) {
            v->not_after_s = s.until_s;
        }
    }
}

/* A denial is told before what may yet come. */
void rule_decide(const struct rule *r, const struct facts *f, struct pg_arena *arena,
                 struct rule_verdict *v_r)
{
    struct rule_verdict by_demands;

    *v_r = (struct rule_verdict){.decision = POLICY_ALLOW,
                                 .reason = SL(""),
                                 .remedy = SL(""),
                                 .not_after_s = INT64_MAX,
                                 .warning = SL("")};
    if (r->action != RULE_REQUIRE) {
        decide_fixed(r, arena, v_r);
        return;
    }
    by_demands = *v_r;
    decide_demands(r, f, arena, &by_demands);
    if (by_demands.decision == POLICY_DENY) {
        *v_r = by_demands;
        return;
    }
    decide_signed(r, f, arena, v_r);
    v_r->asks_scan = by_demands.asks_scan;
    v_r->warning = by_demands.warning;
    if (v_r->decision == POLICY_ALLOW && by_demands.decision == POLICY_PENDING) {
        *v_r = by_demands;
    } else if (v_r->decision == POLICY_ALLOW && by_demands.not_after_s < v_r->not_after_s) {
        v_r->not_after_s = by_demands.not_after_s;
    }
}
