/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain.h"

#include <time.h>

#include "policy/opa.h"
#include "policy/policy_int.h"
#include "policy/scans.h"

#define TEXT_MAX      ((size_t)1500)
#define FACTS_SHOWN   32 /* of one authority */
#define REFUSED_SHOWN 32

static struct explain_node *add(struct explain_node *parent, const char *kind,
                                enum explain_state state, struct sl text, struct pg_arena *arena)
{
    struct explain_node *n = pg_new(arena, struct explain_node);

    *n = (struct explain_node){.kind = kind, .state = state, .text = text};
    if (parent == NULL) {
        return n;
    }
    if (parent->last != NULL) {
        parent->last->next = n;
    } else {
        parent->first = n;
    }
    parent->last = n;
    return n;
}

static enum explain_state state_of(enum policy_decision d)
{
    return d == POLICY_ALLOW ? EXPLAIN_HOLDS : d == POLICY_DENY ? EXPLAIN_FAILS : EXPLAIN_WAITS;
}

/* ---- the tree ------------------------------------------------------------------------------ */

static void add_fact(struct explain_node *parent, const struct rule_view *v, const struct facts *f,
                     struct pg_arena *arena)
{
    bool counts = v->fit == SIGNER_FITS && v->lacks == NULL;
    struct pg_buf b;

    pg_buf_init(&b, TEXT_MAX);
    (void)pg_buf_put(&b, SL("by "));
    signer_put_fact(v->fact, &b);
    if (!counts) {
        (void)pg_buf_put(&b, SL(": "));
        if (v->lacks != NULL) {
            (void)pg_buf_put(&b, sl_str(v->lacks));
        } else {
            signer_put_miss(v->signer, v->fit, f, v->fact, &b);
        }
    }
    if (v->fact->inherited) {
        (void)pg_buf_put(&b, SL(" (about the index that it was reached through)"));
    }
    struct explain_node *n = add(parent, "fact", counts ? EXPLAIN_HOLDS : EXPLAIN_FAILS,
                                 pg_copy(arena, pg_buf_sl(&b)), arena);
    pg_buf_free(&b);
    n->evidence = &v->fact->evidence;
    n->at_s = v->fact->signed_at_s;
    n->until_s = v->until_s;
}

static void add_authority(struct explain_node *parent, const struct rule_requirement *q,
                          const struct signer *s, const struct facts *f, struct pg_arena *arena)
{
    struct pg_buf b;
    size_t shown = 0;

    pg_buf_init(&b, TEXT_MAX);
    signer_put(s, &b);
    struct explain_node *n =
        add(parent, "authority", EXPLAIN_FAILS, pg_copy(arena, pg_buf_sl(&b)), arena);
    pg_buf_free(&b);
    for (size_t i = 0; i < f->nsigned && shown < FACTS_SHOWN; i++) {
        struct rule_view v = rule_look(q, s, f, &f->is_signed[i]);
        if (v.fact->kind != q->kind) {
            continue;
        }
        if (v.fit == SIGNER_FITS && v.lacks == NULL) {
            n->state = EXPLAIN_HOLDS;
        }
        add_fact(n, &v, f, arena);
        shown++;
    }
}

static void add_requirement(struct explain_node *parent, const struct rule_requirement *q,
                            const struct facts *f, struct pg_arena *arena)
{
    struct rule_standing s = rule_stand(q, f, arena);
    struct pg_buf b;

    pg_buf_init(&b, TEXT_MAX);
    rule_put_want(q, &b);
    struct explain_node *n = add(parent, "requirement", s.holds ? EXPLAIN_HOLDS : EXPLAIN_FAILS,
                                 pg_copy(arena, pg_buf_sl(&b)), arena);
    pg_buf_free(&b);
    n->until_s = s.holds ? s.until_s : 0;
    for (size_t i = 0; i < q->nsigners; i++) {
        add_authority(n, q, q->signers[i], f, arena);
    }
}

/* All that was heard, whether the rule hears it or not. */
static void add_scans(struct explain_node *parent, const struct facts *f, struct pg_arena *arena)
{
    for (size_t i = 0; i < f->nscans; i++) {
        struct pg_buf b;
        pg_buf_init(&b, TEXT_MAX);
        scans_put_found(&f->scans[i], f->now_s, &b);
        struct explain_node *n =
            add(parent, "scan", EXPLAIN_TOLD, pg_copy(arena, pg_buf_sl(&b)), arena);
        n->name = f->scans[i].source;
        pg_buf_free(&b);
    }
}

static void add_demand(struct explain_node *parent, const struct rule *r, const struct demand *d,
                       const struct facts *f, struct pg_arena *arena)
{
    struct demand_standing s = rule_stand_demand(r, d, f, arena);
    struct pg_buf b;

    pg_buf_init(&b, TEXT_MAX);
    demand_put_want(d, &b);
    if (s.answer != DEMAND_HOLDS) {
        (void)pg_buf_printf(&b, "; " SL_FMT, SL_ARG(s.found));
    }
    struct explain_node *n = add(parent, "requirement",
                                 s.answer == DEMAND_HOLDS   ? EXPLAIN_HOLDS
                                 : s.answer == DEMAND_FAILS ? EXPLAIN_FAILS
                                                            : EXPLAIN_WAITS,
                                 pg_copy(arena, pg_buf_sl(&b)), arena);
    pg_buf_free(&b);
    n->until_s = s.until_s;
    if (demand_wants_scans(d)) {
        add_scans(n, f, arena);
    }
}

static void add_rule(struct explain_node *parent, const struct rule *r, const struct facts *f,
                     struct pg_arena *arena)
{
    struct rule_verdict one;

    rule_decide(r, f, arena, &one);
    struct sl text = one.decision != POLICY_ALLOW ? one.reason
                     : r->action == RULE_ALLOW    ? SL("allows what it matches")
                                                  : SL("all that it wants is there");
    struct explain_node *n =
        add(parent, r->observes ? "observing rule" : "rule", state_of(one.decision), text, arena);
    n->name = r->name;
    for (size_t i = 0; i < r->nrequirements; i++) {
        add_requirement(n, &r->requirements[i], f, arena);
    }
    for (size_t i = 0; i < r->ndemands; i++) {
        add_demand(n, r, &r->demands[i], f, arena);
    }
}

/* What it said, as far as it was asked: it is asked of what all rules allow. */
static void add_opa(struct explain_node *root, const struct policy *p, const struct facts *f,
                    struct pg_arena *arena)
{
    struct policy_verdict v = {0};
    struct pg_buf b;

    if (p->opa == NULL || (f->opinion == NULL && root->state == EXPLAIN_FAILS)) {
        return;
    }
    opa_decide(p->opa, f, arena, &v);
    struct explain_node *n = add(root, "opa", state_of(v.decision), v.reason, arena);
    n->name = p->opa->path;
    if (f->opinion != NULL && f->opinion->revision.n > 0) {
        pg_buf_init(&b, TEXT_MAX);
        (void)pg_buf_printf(&b, SL_FMT " (bundles: " SL_FMT ")", SL_ARG(v.reason),
                            SL_ARG(f->opinion->revision));
        n->text = pg_copy(arena, pg_buf_sl(&b));
        pg_buf_free(&b);
    }
}

static void add_evidence(struct explain_node *root, const struct facts *f, struct pg_arena *arena)
{
    for (size_t i = 0; i < f->nrefused && i < REFUSED_SHOWN; i++) {
        const struct facts_refused *r = &f->refused[i];
        struct explain_node *n = add(root, "refused", EXPLAIN_FAILS, sl_str(r->text), arena);
        n->name = sl_str(r->code);
        n->evidence = &r->evidence;
    }
    if (f->nrefused > REFUSED_SHOWN) {
        (void)add(root, "trouble", EXPLAIN_TOLD, SL("more was refused than is shown"), arena);
    }
    if (f->state != FACTS_COMPLETE) {
        struct sl text = f->trouble != NULL      ? sl_str(f->trouble)
                         : f->state == FACTS_CUT ? SL("there is more evidence than is looked at")
                                                 : SL("evidence could not be looked for");
        (void)add(root, "trouble", f->state == FACTS_CUT ? EXPLAIN_FAILS : EXPLAIN_WAITS, text,
                  arena);
    }
}

const struct explain_node *explain_decision(const struct policy *p, const struct facts *f,
                                            struct pg_arena *arena, struct policy_verdict *v_r)
{
    const uint32_t *rules;
    size_t n;

    policy_decide(p, f, arena, v_r);
    struct explain_node *root = add(NULL, "verdict", state_of(v_r->decision), v_r->reason, arena);
    root->name = v_r->rule;
    root->until_s = v_r->not_after_s;
    n = policy_find(p, f, arena, &rules);
    for (size_t i = 0; i < n; i++) {
        if (rule_applies(&p->rules[rules[i]], f)) {
            add_rule(root, &p->rules[rules[i]], f, arena);
        }
    }
    add_opa(root, p, f, arena);
    add_evidence(root, f, arena);
    if (v_r->remedy.n > 0) {
        (void)add(root, "remedy", EXPLAIN_TOLD, v_r->remedy, arena);
    }
    return root;
}

/* ---- written ------------------------------------------------------------------------------- */

/* One after the other as they stand, without recursion: the path from the root is kept. */
struct walk {
    const struct explain_node *path[EXPLAIN_DEPTH_MAX];
    size_t depth; /* of path[depth - 1] */
};

static void put_age(int64_t now_s, int64_t at_s, struct pg_buf *out)
{
    int64_t age_s = now_s - at_s;

    if (age_s < 0) {
        return;
    }
    if (age_s < 7200) {
        (void)pg_buf_printf(out, ", signed %lld minutes ago", (long long)age_s / 60);
    } else if (age_s < 172800) {
        (void)pg_buf_printf(out, ", signed %lld hours ago", (long long)age_s / 3600);
    } else {
        (void)pg_buf_printf(out, ", signed %lld days ago", (long long)age_s / 86400);
    }
}

static bool put_time(int64_t at_s, struct pg_buf *out)
{
    char text[40];
    struct tm tm;
    time_t t = (time_t)at_s;

    if (gmtime_r(&t, &tm) == NULL || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        return false;
    }
    (void)pg_buf_put(out, sl_str(text));
    return true;
}

/* What came from outside may hold what a terminal would obey. */
static void put_plain(struct sl text, struct pg_buf *out)
{
    char c;

    for (size_t i = 0; i < text.n; i++) {
        c = text.p[i];
        (void)pg_buf_put(out, (unsigned char)c < 0x20 || c == 0x7f ? SL("?")
                                                                   : (struct sl){&text.p[i], 1});
    }
}

static void put_line(const struct explain_node *n, size_t depth, int64_t now_s, struct pg_buf *out)
{
    static const char *const states[] = {"yes", "NO", "not yet", "-"};
    char digest[DIGEST_TEXT_MAX];

    (void)pg_buf_printf(out, "%*s[%s] %s", (int)(2 * depth), "", states[n->state], n->kind);
    if (n->name.p != NULL) {
        (void)pg_buf_put(out, SL(" "));
        put_plain(n->name, out);
    }
    (void)pg_buf_put(out, SL(": "));
    put_plain(n->text, out);
    if (n->evidence != NULL) {
        struct sl text = digest_write(n->evidence, digest);
        (void)pg_buf_printf(out, "; in %.19s...", text.p);
    }
    if (n->at_s > 0) {
        put_age(now_s, n->at_s, out);
    }
    if (n->until_s > 0 && n->until_s != INT64_MAX) {
        (void)pg_buf_put(out, SL(", until "));
        (void)put_time(n->until_s, out);
    }
    (void)pg_buf_put(out, SL("\n"));
}

void explain_put_text(const struct explain_node *root, int64_t now_s, struct pg_buf *out)
{
    struct walk w = {.path = {root}, .depth = 1};

    while (w.depth > 0) {
        const struct explain_node *n = w.path[w.depth - 1];
        if (n == NULL) {
            w.depth--;
            continue;
        }
        put_line(n, w.depth - 1, now_s, out);
        w.path[w.depth - 1] = n->next;
        if (n->first != NULL) {
            PG_CHECK(w.depth < EXPLAIN_DEPTH_MAX);
            w.path[w.depth++] = n->first;
        }
    }
}

static void put_members(const struct explain_node *n, struct pg_buf *out)
{
    static const char *const states[] = {"holds", "fails", "waits", "told"};
    char digest[DIGEST_TEXT_MAX];

    (void)pg_buf_printf(out, "{\"kind\":\"%s\",\"state\":\"%s\"", n->kind, states[n->state]);
    if (n->name.p != NULL) {
        (void)pg_buf_put(out, SL(",\"name\":"));
        (void)pg_buf_put_json(out, n->name);
    }
    (void)pg_buf_put(out, SL(",\"text\":"));
    (void)pg_buf_put_json(out, n->text);
    if (n->evidence != NULL) {
        (void)pg_buf_printf(out, ",\"evidence\":\"%s\"", digest_write(n->evidence, digest).p);
    }
    if (n->at_s > 0) {
        (void)pg_buf_printf(out, ",\"signed_at\":%lld", (long long)n->at_s);
    }
    if (n->until_s > 0 && n->until_s != INT64_MAX) {
        (void)pg_buf_printf(out, ",\"not_after\":%lld", (long long)n->until_s);
    }
}

void explain_put_json(const struct explain_node *root, struct pg_buf *out)
{
    struct walk w = {.path = {root}, .depth = 1};
    bool first = true;

    while (w.depth > 0) {
        const struct explain_node *n = w.path[w.depth - 1];
        if (n == NULL) {
            w.depth--;
            (void)pg_buf_put(out, w.depth > 0 ? SL("]}") : SL(""));
            first = false;
            continue;
        }
        (void)pg_buf_put(out, first ? SL("") : SL(","));
        put_members(n, out);
        w.path[w.depth - 1] = n->next;
        first = n->first != NULL;
        if (n->first != NULL) {
            PG_CHECK(w.depth < EXPLAIN_DEPTH_MAX);
            (void)pg_buf_put(out, SL(",\"children\":["));
            w.path[w.depth++] = n->first;
        } else {
            (void)pg_buf_put(out, SL("}"));
        }
        w.path[0] = w.depth == 1 ? NULL : w.path[0]; /* of the root there is one */
    }
}

/* ---- a policy ------------------------------------------------------------------------------ */

static void put_patterns(const struct rule *r, struct pg_buf *out)
{
    for (size_t i = 0; i < r->nrepositories; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(", ") : SL(" for "));
        (void)pg_buf_put(out, r->repositories[i]);
    }
    char digest[DIGEST_TEXT_MAX];

    for (size_t i = 0; i < r->ndigests; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(", ") : SL(", with digests "));
        (void)pg_buf_put(out, digest_write(&r->digests[i], digest));
    }
    for (size_t i = 0; i < r->ntags; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(", ") : SL(", with tags "));
        (void)pg_buf_put(out, r->tags[i]);
    }
}

/* One of the two, on a line of its own. */
static void put_want(const struct rule_requirement *q, const struct demand *d, struct pg_buf *out)
{
    struct pg_buf b;

    pg_buf_init(&b, TEXT_MAX);
    if (q != NULL) {
        rule_put_want(q, &b);
    } else {
        demand_put_want(d, &b);
    }
    (void)pg_buf_put(out, SL("    "));
    put_plain(pg_buf_sl(&b), out);
    (void)pg_buf_put(out, SL("\n"));
    pg_buf_free(&b);
}

void explain_put_rule(const struct policy *p, const struct rule *r, struct pg_buf *out)
{
    (void)pg_buf_put(out, p->by_scope ? SL("scope ") : SL("rule "));
    put_plain(r->name, out);
    put_patterns(r, out);
    (void)pg_buf_put(out, r->action == RULE_ALLOW  ? SL(": allows")
                          : r->action == RULE_DENY ? SL(": denies")
                                                   : SL(": wants"));
    (void)pg_buf_put(out, r->observes ? SL(" (observes only)\n") : SL("\n"));
    for (size_t i = 0; i < r->nrequirements; i++) {
        put_want(&r->requirements[i], NULL, out);
    }
    for (size_t i = 0; i < r->ndemands; i++) {
        put_want(NULL, &r->demands[i], out);
    }
}

void explain_put_policy(const struct policy *p, struct pg_buf *out)
{
    for (size_t i = 0; i < p->nrules; i++) {
        explain_put_rule(p, &p->rules[i], out);
    }
    if (p->by_scope) {
        (void)pg_buf_put(out, SL("the most specific scope alone counts\n"));
    } else {
        (void)pg_buf_printf(out, "what no rule speaks of is %s\n",
                            p->allows_rest ? "allowed" : "denied");
    }
    if (p->opa != NULL) {
        struct pg_buf b;
        pg_buf_init(&b, TEXT_MAX);
        opa_put(p->opa, &b);
        (void)pg_buf_printf(out, "what all rules allow leaves when " SL_FMT "\n",
                            SL_ARG(pg_buf_sl(&b)));
        pg_buf_free(&b);
    }
}
