/* SPDX-License-Identifier: Apache-2.0 */
/* What holds of the report that any bytes are. */
#pragma once

#include "base/hash.h"
#include "scan/settle.h"

static void any_report_check(const struct report *r)
{
    size_t n = 0;

    PG_CHECK((r->reason == REPORT_GOOD) == (r->why.n == 0));
    for (unsigned s = 0; s < SEVERITY_N; s++) {
        n += r->counts[s] + r->suppressed[s];
    }
    PG_CHECK(n == r->nfindings);
    for (size_t i = 0; i < r->nfindings; i++) {
        PG_CHECK(alias_is_name(r->findings[i].id));
        PG_CHECK(r->findings[i].package.n > 0 || r->format == REPORT_SARIF);
        for (size_t k = 0; k < r->findings[i].aliases.n; k++) {
            PG_CHECK(alias_is_name(r->findings[i].aliases.names[k]));
        }
    }
}

/* Without a word that it is static, what counts has shown a package. */
static void any_report(struct sl bytes)
{
    const struct report_want nothing = {0}, is_static = {.is_static = true};
    const struct settle_by by = {.repository = SL("a/b"), .now_s = 1};
    struct settle_result s;
    struct pg_arena arena;
    struct report r;

    pg_hash_setup();
    pg_arena_init(&arena, REPORT_ARENA_BYTES);
    report_read(bytes, &nothing, &arena, &r);
    any_report_check(&r);
    PG_CHECK(r.reason != REPORT_GOOD || r.npackages > 0);
    report_read(bytes, &is_static, &arena, &r);
    any_report_check(&r);
    settle_report(&r, &by, &arena, &s);
    PG_CHECK(s.nexcused + s.nwaived == 0);
    pg_arena_free(&arena);
}
