/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"

struct pg_bytes *pg_bytes_new(struct sl from)
{
    struct pg_bytes *b;

    PG_CHECK(from.n < SIZE_MAX - sizeof(*b));
    b = malloc(sizeof(*b) + from.n + 1);
    PG_CHECK(b != NULL);
    atomic_init(&b->refs, 1);
    b->n = from.n;
    if (from.n > 0)
        memcpy(b->p, from.p, from.n);
    b->p[from.n] = '\0';
    return b;
}

struct pg_bytes *pg_bytes_ref(struct pg_bytes *b)
{
    unsigned before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);

    PG_CHECK(before > 0 && before < UINT32_MAX);
    return b;
}

/* acq_rel: what other holders read of the bytes happened before they are freed. */
void pg_bytes_unref(struct pg_bytes *b)
{
    unsigned before;

    if (b == NULL)
        return;
    before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    PG_CHECK(before > 0);
    if (before == 1)
        free(b);
}
