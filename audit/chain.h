/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain - entries as lines of which each holds the hash of all before it:
 *
 *     <64 digits> <the entry's JSON>\n      digits: SHA-256 of (the hash before it, the JSON)
 *
 *     chain_walk() reads the lines of one segment. Where one is not what it must be, that is told
 *     once, and it goes on with what is behind, as if the line's own hash were right: so that one
 *     wrong line is one finding.
 *
 * Ownership:  a walk's slices are of the bytes that it was given.
 * Threads:    any; pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define CHAIN_HASH   32
#define CHAIN_DIGITS ((size_t)(2 * CHAIN_HASH))

struct chain {
    uint8_t hash[CHAIN_HASH]; /* zeros: of nothing */
};

/* Appends the line of an entry to out. */
void chain_put(struct chain *c, struct sl json, struct pg_buf *out);

struct chain_line {
    uint64_t number;     /* in the segment: 1, 2, ... */
    struct sl json;      /* {NULL, 0}: it cannot be told from the rest */
    const char *why;     /* it is not as it was written: static text; NULL: it follows */
    struct chain before; /* as it was in front of it */
};

/* Returns false to end the walk. */
typedef bool chain_each(void *arg, const struct chain_line *line);

struct chain_walk {
    uint64_t lines, broken;
    size_t whole_bytes; /* up to the end of the last whole line */
    size_t torn_bytes;  /* behind it */
    bool stopped;       /* by each() */
};

/* c: in front of it, and afterwards behind it. With `adopt`, the first line is believed to follow
 * whatever it says, since its entry has the hash itself. */
void chain_walk(struct sl bytes, struct chain *c, bool adopt, chain_each *each, void *arg,
                struct chain_walk *w_r);
