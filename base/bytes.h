/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes - a counted, immutable run of bytes that several threads may hold: a manifest on its way
 * from upstream to the store, to the overlay and to the clients that asked for it.
 *
 * Ownership:  counted; pg_bytes_new() gives the first reference, pg_bytes_unref() the last frees.
 * Threads:    any; the bytes are written before the first hand-over and never after it.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

#include "base/slice.h"

struct pg_bytes {
    atomic_uint refs;
    size_t n;
    char p[]; /* n bytes and a NUL that is not counted */
};

struct pg_bytes *pg_bytes_new(struct sl from); /* a copy */
struct pg_bytes *pg_bytes_ref(struct pg_bytes *b);
void pg_bytes_unref(struct pg_bytes *b); /* NULL is allowed */

static inline struct sl pg_bytes_sl(const struct pg_bytes *b)
{
    return (struct sl){b->p, b->n};
}
