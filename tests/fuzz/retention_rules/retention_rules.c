/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are rules, which print as rules that print the same and can be linted and planned with;
 * or they are refused with their place. */
#include "retention/lint.h"
#include "retention/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_finding(void *arg, const struct lint_finding *f)
{
    (void)arg;
    PG_CHECK(f->what[0] != '\0' && f->remedy[0] != '\0');
}

static void print_twice(const struct ruleset *r)
{
    struct pg_err err = {0};
    struct pg_buf first, second;
    struct ruleset *again = NULL;

    pg_buf_init(&first, 16 * RULESET_BYTES_MAX);
    pg_buf_init(&second, 16 * RULESET_BYTES_MAX);
    ruleset_put_all(r, &first);
    if (ruleset_load("o", pg_buf_sl(&first), &again, &err) < 0) {
        pg_check_failed(err.msg, __FILE__, __LINE__, __func__);
    }
    ruleset_put_all(again, &second);
    PG_CHECK(sl_eq(pg_buf_sl(&first), pg_buf_sl(&second)));
    ruleset_free(again);
    pg_buf_free(&first);
    pg_buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sl tags[] = {{"prod-1", 6}, {"v1.2.3", 6}};
    struct ruleset *r = NULL;
    struct pg_err err = {0};
    struct image image = {.repo = SL("ghcr.io/acme/app"), .tags = tags, .ntags = 2, .size = 1};
    struct plan plan;

    pg_hash_setup();
    if (ruleset_load("f", (struct sl){(const char *)data, size}, &r, &err) < 0) {
        PG_CHECK(err.kind == PG_E_DENIED && strncmp(err.msg, "f:", 2) == 0);
        pg_err_clear(&err);
        return 0;
    }
    (void)lint_rules(r, 1795000000, on_finding, NULL);
    image.digest = digest_of(PG_SHA256, SL("x"));
    plan_make(r, &image, 1, 1795000000, &plan);
    PG_CHECK(plan.ngo == 0); /* of what nothing is known when it came */
    plan_free(&plan);
    if (size < 65536) {
        print_twice(r);
    }
    ruleset_free(r);
    return 0;
}
