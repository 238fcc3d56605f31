/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/contrast.h"

#include "policy/explain.h"
#include "policy/opa.h"
#include "policy/policy_int.h"
#include "policy/scans.h"

#define RULE_BYTES_MAX ((size_t)1 << 20)

static const struct rule *find(const struct policy *p, struct sl name)
{
    for (size_t i = 0; i < p->nrules; i++) {
        if (sl_eq(p->rules[i].name, name)) {
            return &p->rules[i];
        }
    }
    return NULL;
}

static void put_lines(struct sl text, const char *mark, struct pg_buf *out)
{
    while (text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end != NULL ? (size_t)(end + 1 - text.p) : text.n;
        (void)pg_buf_put(out, sl_str(mark));
        (void)pg_buf_put(out, (struct sl){text.p, n});
        text = (struct sl){text.p + n, text.n - n};
    }
}

static void put_marked(const struct policy *p, const struct rule *r, const char *mark,
                       struct pg_buf *out)
{
    struct pg_buf b;

    pg_buf_init(&b, RULE_BYTES_MAX);
    explain_put_rule(p, r, &b);
    put_lines(pg_buf_sl(&b), mark, out);
    pg_buf_free(&b);
}

static void put_opa(const struct policy *p, const char *mark, struct pg_buf *out)
{
    struct pg_buf b;

    if (p->opa == NULL) {
        return;
    }
    pg_buf_init(&b, RULE_BYTES_MAX);
    opa_put(p->opa, &b);
    (void)pg_buf_printf(out, "%s" SL_FMT "; timeout %ums, cache %ums, findings: %s, on_error: %s\n",
                        mark, SL_ARG(pg_buf_sl(&b)), p->opa->timeout_ms, p->opa->cache_ms,
                        p->opa->least == FACTS_UNKNOWN ? "all" : scans_word(p->opa->least),
                        p->opa->waits ? "wait" : "deny");
    pg_buf_free(&b);
}

static bool is_same_opa(const struct opa *a, const struct opa *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return sl_eq(a->url, b->url) && sl_eq(a->path, b->path) && a->timeout_ms == b->timeout_ms &&
           a->cache_ms == b->cache_ms && a->least == b->least && a->waits == b->waits;
}

size_t contrast_policies(const struct policy *old, const struct policy *new, struct pg_buf *out)
{
    size_t n = 0;

    if (old->allows_rest != new->allows_rest || old->by_scope != new->by_scope) {
        (void)pg_buf_printf(out, "- what no rule speaks of is %s\n+ what no rule speaks of is %s\n",
                            old->allows_rest ? "allowed" : "denied",
                            new->allows_rest ? "allowed" : "denied");
        n++;
    }
    if (!is_same_opa(old->opa, new->opa)) {
        put_opa(old, "- ", out);
        put_opa(new, "+ ", out);
        n++;
    }
    for (size_t i = 0; i < old->nrules; i++) {
        const struct rule *a = &old->rules[i], *b = find(new, a->name);
        if (b != NULL && memcmp(a->imprint, b->imprint, sizeof(a->imprint)) == 0) {
            continue;
        }
        put_marked(old, a, "- ", out);
        if (b != NULL) {
            put_marked(new, b, "+ ", out);
        }
        n++;
    }
    for (size_t i = 0; i < new->nrules; i++) {
        if (find(old, new->rules[i].name) == NULL) {
            put_marked(new, &new->rules[i], "+ ", out);
            n++;
        }
    }
    return n;
}
