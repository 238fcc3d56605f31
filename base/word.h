/* SPDX-License-Identifier: Apache-2.0 */
/*
 * word - eight bytes looked at at once.
 *
 * Whether some byte of the eight is below a limit, or is a certain one: for checks of text that
 * comes with every request, where a branch for each byte is most of the work. It says whether, not
 * where; who finds something looks byte by byte.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PG_WORD_BYTES 8
#define PG_WORD_ONES  UINT64_C(0x0101010101010101)
#define PG_WORD_HIGHS UINT64_C(0x8080808080808080)

static inline uint64_t pg_word(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    return w;
}

/* Some byte is below limit, which is at most 128. */
static inline bool pg_word_below(uint64_t w, uint8_t limit)
{
    return ((w - PG_WORD_ONES * limit) & ~w & PG_WORD_HIGHS) != 0;
}

static inline bool pg_word_has(uint64_t w, char c)
{
    return pg_word_below(w ^ (PG_WORD_ONES * (uint8_t)c), 1);
}

/* Some byte is a control byte of ASCII, 0 to 31 or 127. */
static inline bool pg_word_has_control(uint64_t w)
{
    return pg_word_below(w, 0x20) || pg_word_has(w, 0x7f);
}
