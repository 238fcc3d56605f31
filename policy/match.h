/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match - the globs of rules: which of them a repository, or a tag, is matched by.
 *
 *     *   any characters of one part of a name       docker.io/library/ * (without the blank)
 *     **  any characters, whole parts included       ghcr.io/acme/ **
 *
 * Names are canonical: match_canonical() makes of what people write ("nginx",
 * "index.docker.io/library/nginx") the pattern that is meant ("docker.io/library/nginx"), and
 * refuses what would never match. An index finds the patterns for a name by the parts that they
 * begin with, so that a thousand rules cost as little as one.
 *
 * Ownership:  patterns are the caller's and outlive the index.
 * Failure:    DENIED with what is wrong with a pattern, and what may stand there.
 * Threads:    pure; an index that is not added to is any thread's.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/wildcard.h"

#define MATCH_TAG_MAX 128

/* The pattern for repositories that text means. host: the canonical name of a registry that has
 * several, or NULL; the function may be NULL. */
typedef const char *match_host_fn(void *context, struct sl host);

PG_MUST_USE int match_canonical(struct sl text, match_host_fn *host, void *context,
                                struct pg_arena *arena, struct sl *pattern_r, struct pg_err *err);
PG_MUST_USE int match_check_tag(struct sl pattern, struct pg_err *err);

struct match_entry {
    struct match_entry *next; /* of the same beginning */
    struct sl pattern;
    uint32_t rule;
};

struct match_index {
    struct pg_map beginnings;
};

void match_init(struct match_index *x);
void match_free(struct match_index *x);
void match_add(struct match_index *x, struct sl pattern, uint32_t rule, struct pg_arena *arena);

/* The rules of which a pattern matches name, ascending, each once; in the arena. */
size_t match_find(const struct match_index *x, struct sl name, struct pg_arena *arena,
                  const uint32_t **rules_r);
