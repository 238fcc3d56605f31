/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are a policy, or are refused with where and why; a policy decides anything. */
#include "harness/policy_world.h"
#include "policy/explain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decide_all(const struct policy *p)
{
    static const char *const names[] = {"docker.io/library/nginx", "ghcr.io/acme/app", "a.test/b"};
    struct facts_signed s = world_signed('a', FACTS_SIGNATURE, FACTS_SIMPLE);

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct facts f = {.repository = sl_str(names[i]), .tag = SL("v1"), .now_s = 1000};
        struct policy_verdict v;
        struct pg_arena arena;
        struct pg_buf out;

        pg_arena_init(&arena, (size_t)4 << 20);
        f.is_signed = &s;
        f.nsigned = i;
        f.nsigned = f.nsigned > 1 ? 1 : f.nsigned;
        struct policy_wants w = policy_wants(p, &f);
        PG_CHECK(w.governed == (w.signatures || w.attestations));
        const struct explain_node *root = explain_decision(p, &f, &arena, &v);
        PG_CHECK(v.rule.n > 0 && v.reason.n > 0 &&
                 (v.remedy.n > 0) == (v.decision != POLICY_ALLOW));
        pg_buf_init(&out, (size_t)1 << 20);
        explain_put_text(root, f.now_s, &out);
        explain_put_json(root, &out);
        pg_buf_free(&out);
        pg_arena_free(&arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy *p = NULL;
    struct pg_err err = {0};

    pg_hash_setup();
    if (policy_load("f", (struct sl){(const char *)data, size}, &world, &p, &err) < 0) {
        PG_CHECK(p == NULL && err.kind == PG_E_DENIED && strncmp(err.msg, "f:", 2) == 0);
        pg_err_clear(&err);
        return 0;
    }
    decide_all(p);
    policy_unref(p);
    return 0;
}
