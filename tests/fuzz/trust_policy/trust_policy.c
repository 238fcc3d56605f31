/* SPDX-License-Identifier: Apache-2.0 */
/* trustpolicy.oci.json: refused with its file's name, or whole: each statement is about something,
 * and is the one that is found for it. */
#include "signing/trust_policy_int.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_statement(const struct trust *t, const struct trust_statement *s)
{
    bool is_skip = sl_eq(s->level, SL("skip"));

    PG_CHECK(s->name.n > 0 && s->nscopes > 0 && s->nidentities <= TRUST_IDENTITIES_MAX);
    PG_CHECK((s->nstores == 0) == is_skip && (!is_skip || s->authenticity == TRUST_SKIP));
    for (unsigned i = 0; i < s->nstores; i++)
        PG_CHECK(s->stores[i] < t->notation->nstores);
    for (unsigned i = 0; i < s->nscopes; i++)
        PG_CHECK(trust_notation_about(t, s->scopes[i]) == s);
    for (unsigned i = 0; i < s->nidentities; i++)
        for (unsigned j = 0; j < s->nidentities; j++)
            PG_CHECK(i == j || !dn_is_in(&s->identities[i], &s->identities[j]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trust_notation n = {
        .stores = {{.type = TRUST_STORE_CA, .name = SL("fixture")},
                   {.type = TRUST_STORE_CA, .name = SL("selfsigned")},
                   {.type = TRUST_STORE_AUTHORITY, .name = SL("fixture")},
                   {.type = TRUST_STORE_TSA, .name = SL("fixture"), .ncerts = 1}},
        .nstores = 4};
    struct trust *t = calloc(1, sizeof(*t));
    struct pg_err err = {0};
    struct pg_arena arena;

    PG_CHECK(t != NULL);
    pg_arena_init(&arena, (size_t)64 << 20);
    t->notation = &n;
    if (trust_policy_read(&n, "p.json", (struct sl){(const char *)data, size}, &arena, &err) == 0) {
        PG_CHECK(n.nstatements > 0 && err.kind == PG_E_NONE);
        for (unsigned i = 0; i < n.nstatements; i++)
            check_statement(t, &n.statements[i]);
    } else {
        PG_CHECK(n.nstatements == 0 && err.kind == PG_E_DENIED);
        PG_CHECK(sl_starts(sl_str(err.msg), SL("p.json:")));
    }
    pg_err_clear(&err);
    pg_arena_free(&arena);
    free(t);
    return 0;
}
