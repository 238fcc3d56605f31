/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be true of every decision, whatever the rules and the facts:
 *   - in another order rules and facts give the same verdict;
 *   - fewer facts, or more trouble, never let out what was held back;
 *   - a fact by somebody who is not named changes nothing;
 *   - an attestation in place of a signature never lets anything out that was held back without it;
 *   - with every rule observing, the default alone decides;
 *   - before `not_after` the same facts give the same verdict.
 */
#include "base/buf.h"
#include "harness/policy_world.h"
#include "policy/policy.h"

#define FACTS_MAX 6
#define RULES_MAX 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
    const uint8_t *p;
    size_t n;
};

static unsigned take(struct bytes *b, unsigned below)
{
    if (b->n == 0) {
        return 0;
    }
    b->n--;
    return *b->p++ % below;
}

/* ---- rules --------------------------------------------------------------------------------- */

struct recipe {
    unsigned patterns, tags, requirement, mode, missing, first, threshold;
};

static void put_authority(struct pg_buf *out, unsigned which)
{
    static const char *const authorities[] = {
        "{key: a.pub}",
        "{key: b.pub, tlog: true}",
        "{keyless: {issuer: i, subject: s}}",
        "{keyless: {issuer: i, subject_regex: '^[st]$', sct: false}}",
        "{notation: {}}",
    };

    (void)pg_buf_put(out, sl_str(authorities[which % 5]));
}

static void put_signature(struct pg_buf *out, const struct recipe *r)
{
    bool all = r->requirement == 1;

    (void)pg_buf_printf(out, "require: {signature: {%s: [", all ? "all_of" : "any_of");
    put_authority(out, r->first);
    (void)pg_buf_put(out, SL(", "));
    put_authority(out, r->first + 1);
    (void)pg_buf_put(out, SL(", "));
    put_authority(out, r->first + 3);
    (void)pg_buf_put(out, SL("]"));
    if (!all) {
        (void)pg_buf_printf(out, ", threshold: %u", 1 + r->threshold);
    }
    (void)pg_buf_put(out, SL("}}\n"));
}

static void put_rule(struct pg_buf *out, const struct recipe *r, unsigned no, bool observe)
{
    static const char *const patterns[] = {"nginx", "'**'", "'docker.io/**'", "ghcr.io/a/b"};
    static const char *const tags[] = {"", ", tags: [v1]", ", tags: ['v*']"};

    (void)pg_buf_printf(out, "- name: r%u\n  match: {repositories: [%s]%s}\n  ", no,
                        patterns[r->patterns], tags[r->tags]);
    switch (r->requirement) {
    case 0:
    case 1:
        put_signature(out, r);
        break;
    case 2:
        (void)pg_buf_put(out,
                         SL("require: {attestations: [{predicate_type: vuln, max_age: 1h, from: "));
        put_authority(out, r->first % 4);
        (void)pg_buf_put(out, SL("}]}\n"));
        break;
    case 3:
        (void)pg_buf_put(out, SL("action: allow\n"));
        break;
    default:
        (void)pg_buf_put(out, SL("action: deny\n"));
        break;
    }
    if (r->requirement < 3 && r->missing == 1) {
        (void)pg_buf_put(out, SL("  on_missing: wait\n"));
    }
    (void)pg_buf_printf(out, "  mode: %s\n", observe || r->mode == 1 ? "observe" : "enforce");
}

static struct policy *make(const struct recipe *r, unsigned n, bool allow, bool backwards,
                           bool observe)
{
    struct policy *p = NULL;
    struct pg_err err = {0};
    struct pg_buf text;

    pg_buf_init(&text, 65536);
    (void)pg_buf_printf(&text, "default: %s\nrules:%s\n", allow ? "allow" : "deny",
                        n == 0 ? " []" : "");
    for (unsigned i = 0; i < n; i++) {
        unsigned k = backwards ? n - 1 - i : i;
        put_rule(&text, &r[k], k, observe);
    }
    int rc = policy_load("f", pg_buf_sl(&text), &world, &p, &err);
    PG_CHECK(rc == 0);
    pg_buf_free(&text);
    return p;
}

/* ---- facts --------------------------------------------------------------------------------- */

static struct facts_signed make_fact(struct bytes *b, unsigned no)
{
    static const char *const subjects[] = {"s", "t", "u"};
    unsigned who = take(b, 5);
    struct facts_signed s;

    if (who < 2) {
        s = world_signed(who == 0 ? 'a' : 'b', FACTS_SIGNATURE, FACTS_BUNDLE);
    } else {
        s = world_identity(SL("i"), FACTS_SAN_USER, sl_str(subjects[take(b, 3)]));
    }
    if (who == 4) {
        s.signer = FACTS_BY_CHAIN;
        s.format = FACTS_NOTATION;
        s.notation = take(b, 2) == 0 ? SL("n") : SL("");
    }
    s.kind = take(b, 3) == 0 ? FACTS_ATTESTATION : FACTS_SIGNATURE;
    s.predicate_type = take(b, 3) == 0 ? SL("https://slsa.dev/provenance/v1")
                                       : SL("https://cosign.sigstore.dev/attestation/vuln/v1");
    s.statement = take(b, 2) == 0 ? SL("{}")
                                  : SL("{\"predicate\":{\"metadata\":{\"scanFinishedOn\":"
                                       "\"1970-01-01T00:10:00Z\"}}}");
    s.trust = take(b, 8) == 0 ? 1 : 0;
    s.nlogs = take(b, 3);
    s.nscts = take(b, 2);
    s.signed_at_s = INT64_C(1000) * take(b, 4);
    s.not_after_s = take(b, 3) == 0 ? 3000 + INT64_C(500) * take(b, 8) : INT64_MAX;
    memset(s.evidence.bytes, (int)no + 1, 32);
    return s;
}

static struct policy_verdict decide(const struct policy *p, const struct facts *f,
                                    struct pg_arena *arena)
{
    struct policy_verdict v;

    policy_decide(p, f, arena, &v);
    PG_CHECK(v.rule.n > 0 && v.reason.n > 0);
    PG_CHECK(v.decision != POLICY_ALLOW || v.not_after_s > f->now_s);
    return v;
}

static bool is_same(const struct policy_verdict *a, const struct policy_verdict *b)
{
    return a->decision == b->decision && a->not_after_s == b->not_after_s &&
           sl_eq(a->rule, b->rule) && sl_eq(a->reason, b->reason) && sl_eq(a->remedy, b->remedy);
}

/* ---- what must be true --------------------------------------------------------------------- */

static void check_order(const struct policy *p, const struct policy *backwards,
                        const struct facts *f, const struct policy_verdict *v,
                        struct pg_arena *arena)
{
    struct facts_signed turned[FACTS_MAX];
    struct facts g = *f;

    struct policy_verdict w = decide(backwards, f, arena);
    PG_CHECK(is_same(v, &w));
    for (size_t i = 0; i < f->nsigned; i++) {
        turned[i] = f->is_signed[f->nsigned - 1 - i];
    }
    g.is_signed = turned;
    w = decide(p, &g, arena);
    PG_CHECK(is_same(v, &w));
}

static void check_less(const struct policy *p, bool observes, const struct facts *f,
                       const struct policy_verdict *v, struct pg_arena *arena)
{
    struct facts g = *f;

    for (size_t i = 0; i < f->nsigned; i++) {
        struct facts_signed fewer[FACTS_MAX];
        g.nsigned = 0;
        for (size_t k = 0; k < f->nsigned; k++) {
            if (k != i) {
                fewer[g.nsigned++] = f->is_signed[k];
            }
        }
        g.is_signed = fewer;
        struct policy_verdict w = decide(p, &g, arena);
        PG_CHECK(w.decision != POLICY_ALLOW || v->decision == POLICY_ALLOW);
        PG_CHECK(observes || w.decision != POLICY_ALLOW || w.not_after_s <= v->not_after_s);
    }
}

static void check_trouble(const struct policy *p, const struct facts *f,
                          const struct policy_verdict *v, struct pg_arena *arena)
{
    struct facts g = *f;

    for (int state = FACTS_COMPLETE; state <= FACTS_FAILED; state++) {
        g.state = (enum facts_state)state;
        g.trouble = "trouble";
        struct policy_verdict w = decide(p, &g, arena);
        PG_CHECK(w.decision != POLICY_ALLOW || v->decision == POLICY_ALLOW);
        PG_CHECK(state != FACTS_CUT || w.decision != POLICY_PENDING);
    }
}

static void check_stranger(const struct policy *p, const struct facts *f,
                           const struct policy_verdict *v, struct pg_arena *arena)
{
    struct facts_signed more[FACTS_MAX + 2];
    struct facts g = *f;

    if (f->nsigned > 0) {
        memcpy(more, f->is_signed, f->nsigned * sizeof(*more));
    }
    more[g.nsigned++] = world_signed('z', FACTS_SIGNATURE, FACTS_BUNDLE);
    more[g.nsigned++] = world_identity(SL("i"), FACTS_SAN_USER, SL("u"));
    g.is_signed = more;
    struct policy_verdict w = decide(p, &g, arena);
    PG_CHECK(w.decision == v->decision && w.not_after_s == v->not_after_s &&
             sl_eq(w.rule, v->rule));
}

/* An attestation counts as much as nothing does, where signatures are wanted. */
static void check_kinds(const struct policy *p, const struct recipe *r, unsigned n,
                        const struct facts *f, struct pg_arena *arena)
{
    struct facts_signed others[FACTS_MAX];
    struct facts g = *f, none = *f;

    for (unsigned i = 0; i < n; i++) {
        if (r[i].requirement == 2) {
            return;
        }
    }
    for (size_t i = 0; i < f->nsigned; i++) {
        others[i] = f->is_signed[i];
        others[i].kind = FACTS_ATTESTATION;
    }
    g.is_signed = others;
    none.nsigned = 0;
    struct policy_verdict a = decide(p, &g, arena), b = decide(p, &none, arena);
    PG_CHECK(is_same(&a, &b));
}

static void check_time(const struct policy *p, const struct facts *f,
                       const struct policy_verdict *v, struct pg_arena *arena)
{
    struct facts g = *f;

    if (v->decision != POLICY_ALLOW || v->not_after_s == INT64_MAX) {
        return;
    }
    g.now_s = v->not_after_s - 1;
    PG_CHECK(decide(p, &g, arena).decision == POLICY_ALLOW);
    g.now_s = v->not_after_s;
    struct policy_verdict w = decide(p, &g, arena);
    PG_CHECK(w.decision != POLICY_ALLOW || w.not_after_s > v->not_after_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = {data, size};
    struct recipe r[RULES_MAX];
    struct facts_signed s[FACTS_MAX];
    static const struct sl known[] = {{"v1", 2}, {"w", 1}};
    unsigned n = take(&b, RULES_MAX + 1);
    bool allow = take(&b, 2) == 1, observes = false;
    struct pg_arena arena;

    pg_hash_setup();
    for (unsigned i = 0; i < n; i++) {
        r[i] = (struct recipe){take(&b, 4), take(&b, 3), take(&b, 5), take(&b, 4),
                               take(&b, 2), take(&b, 5), take(&b, 3)};
        observes = observes || r[i].mode == 1;
    }
    struct facts f = {.repository =
                          take(&b, 4) == 0 ? SL("ghcr.io/a/b") : SL("docker.io/library/nginx"),
                      .now_s = 3200,
                      .is_signed = s};
    f.tag = take(&b, 2) == 0 ? SL("v1") : (struct sl){NULL, 0};
    f.known_tags = known;
    f.nknown_tags = take(&b, 3);
    f.nsigned = take(&b, FACTS_MAX + 1);
    for (unsigned i = 0; i < f.nsigned; i++) {
        s[i] = make_fact(&b, i);
    }
    pg_arena_init(&arena, (size_t)16 << 20);
    struct policy *p = make(r, n, allow, false, false), *q = make(r, n, allow, true, false);
    struct policy *o = make(r, n, allow, false, true);
    struct policy_verdict v = decide(p, &f, &arena), w = decide(o, &f, &arena);
    PG_CHECK(w.decision == (allow ? POLICY_ALLOW : POLICY_DENY) && sl_eq(w.rule, SL("default")));
    check_order(p, q, &f, &v, &arena);
    check_less(p, observes, &f, &v, &arena);
    check_trouble(p, &f, &v, &arena);
    check_stranger(p, &f, &v, &arena);
    check_kinds(p, r, n, &f, &arena);
    check_time(p, &f, &v, &arena);
    policy_unref(p);
    policy_unref(q);
    policy_unref(o);
    pg_arena_free(&arena);
    return 0;
}
