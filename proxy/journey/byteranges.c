/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/byteranges.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/random.h"

#define TEXT_MAX 256

static struct sl write_text(struct pg_arena *arena, const char *fmt, ...) PG_PRINTF(2, 3);

static struct sl write_text(struct pg_arena *arena, const char *fmt, ...)
{
    char *text = pg_alloc(arena, TEXT_MAX);
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(text, TEXT_MAX, fmt, args);
    va_end(args);
    PG_CHECK(n > 0 && n < TEXT_MAX);
    return (struct sl){text, (size_t)n};
}

const struct byteranges *byteranges_make(struct pg_arena *arena, const struct range_list *list,
                                         uint64_t size)
{
    struct byteranges *b = pg_new(arena, struct byteranges);
    struct send_part *at = pg_alloc(arena, list->n * sizeof(*at));
    uint64_t random[2];
    char boundary[33];

    PG_CHECK(list->n > 0 && list->n <= RANGE_LIST_MAX);
    pg_random_bytes(random, sizeof(random));
    (void)snprintf(boundary, sizeof(boundary), "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    for (size_t i = 0; i < list->n; i++) {
        const struct range *r = &list->at[i];

        at[i] = (struct send_part){.first = r->first, .end = r->end};
        at[i].before =
            write_text(arena,
                       "%s--%s\r\nContent-Type: application/octet-stream\r\n"
                       "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
                       i > 0 ? "\r\n" : "", boundary, r->first, r->end - 1, size);
    }
    b->type = write_text(arena, "multipart/byteranges; boundary=%s", boundary);
    b->parts = (struct send_parts){at, list->n, write_text(arena, "\r\n--%s--\r\n", boundary)};
    return b;
}
