/* SPDX-License-Identifier: Apache-2.0 */
/* Scan results as a damaged disk may give them: what reads well is within its bounds. */
#include "proxy/admit/result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_within(struct sl s, const uint8_t *data, size_t size)
{
    const char *from = (const char *)data;

    return s.n == 0 || (s.p >= from && s.p + s.n <= from + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pg_arena arena;
    struct result r;

    pg_arena_init(&arena, (size_t)64 << 20);
    if (result_read((struct sl){(const char *)data, size}, &arena, &r) == 0) {
        PG_CHECK(is_within(r.failed, data, size) && is_within(r.scanner, data, size));
        PG_CHECK(r.good_s >= 0 && r.failed_s >= 0 && r.database_s >= 0);
        for (size_t i = 0; i < r.nfindings; i++) {
            const struct report_finding *f = &r.findings[i];

            PG_CHECK(is_within(f->id, data, size) && is_within(f->package, data, size));
            PG_CHECK(f->severity < SEVERITY_N && r.since_s[i] >= 0);
            for (size_t k = 0; k < f->aliases.n; k++)
                PG_CHECK(is_within(f->aliases.names[k], data, size));
        }
    }
    pg_arena_free(&arena);
    return 0;
}
