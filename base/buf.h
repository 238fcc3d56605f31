/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf - bytes that grow, up to a maximum that the constructor must be told.
 *
 * Ownership:  pg_buf_init() / pg_buf_free().
 * Failure:    what does not fit is not written at all and the put returns -1; ->over stays set.
 * Threads:    confined.
 */
#pragma once

#include <stdbool.h>

#include "base/check.h"
#include "base/slice.h"

struct pg_buf {
    char *p;
    size_t n, cap, max;
    bool over;
};

void pg_buf_init(struct pg_buf *b, size_t max);
void pg_buf_free(struct pg_buf *b);
void pg_buf_clear(struct pg_buf *b); /* n = 0, over = false; keeps the memory */
int pg_buf_put(struct pg_buf *b, struct sl s);
int pg_buf_printf(struct pg_buf *b, const char *fmt, ...) PG_PRINTF(2, 3);
/* A JSON string with its quotes; control bytes, quotes, invalid UTF-8 and U+2028/9 escaped. */
int pg_buf_put_json(struct pg_buf *b, struct sl s);

static inline struct sl pg_buf_sl(const struct pg_buf *b)
{
    return (struct sl){b->p != NULL ? b->p : "", b->n};
}
