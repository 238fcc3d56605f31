/* SPDX-License-Identifier: Apache-2.0 */
/* What an OPA answers, whatever it is: yes is said by {"result": {"allow": true}} alone; what is
 * told to people is bounded and has no controls. */
#include "base/json.h"
#include "policy/opa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct sl text, size_t max)
{
    PG_CHECK(text.n <= max);
    for (size_t i = 0; i < text.n; i++) {
        PG_CHECK((unsigned char)text.p[i] >= 0x20 && text.p[i] != 0x7f);
    }
}

static bool says_yes(struct sl body)
{
    struct pg_err err = {0};
    _json_ json_t *root = NULL;
    bool is = pg_json_parse(body, PG_E_UPSTREAM_WRONG, &root, &err) == 0 &&
              json_is_true(json_object_get(json_object_get(root, "result"), "allow"));

    pg_err_clear(&err);
    return is;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl body = {(const char *)data, size};
    struct facts_opinion o;
    struct pg_arena arena;

    pg_arena_init(&arena, (size_t)1 << 20);
    opa_read(body, &arena, &o);
    PG_CHECK((o.said == FACTS_SAID_NOTHING) == (o.trouble != NULL));
    PG_CHECK((o.said == FACTS_SAID_YES) == says_yes(body));
    PG_CHECK(o.nreasons <= OPA_REASONS_MAX);
    for (size_t i = 0; i < o.nreasons; i++) {
        check_text(o.reasons[i], OPA_REASON_MAX);
    }
    check_text(o.revision, OPA_REVISION_MAX);
    pg_arena_free(&arena);
    return 0;
}
