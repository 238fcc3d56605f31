/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alias - one vulnerability has several names: CVE-2023-32681 is GHSA-j8r2-6x86-q33q. Names are
 * compared without regard to case. An index finds what was said of a name, whichever case it is in.
 *
 * Ownership:  entries and keys of an index live in the arena; items are the caller's.
 * Threads:    any. Pure; an index that is not added to is any thread's.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/map.h"

#define ALIAS_MAX     128 /* bytes of a name */
#define ALIAS_LIST_OF 64  /* names of one vulnerability */

struct alias_list {
    const struct sl *names;
    size_t n;
};

bool alias_is_name(struct sl s); /* printable ASCII without blanks, quotes and backslashes */

/* Whether a finding that its scanner calls id, with those aliases, is the one called name. */
bool alias_fits(struct sl name, struct sl id, const struct alias_list *aliases);

struct alias_entry {
    struct alias_entry *next; /* of the same name, in the order in which they were added */
    const void *item;
};

struct alias_index {
    struct pg_map names;
};

void alias_index_init(struct alias_index *x);
void alias_index_free(struct alias_index *x);
void alias_index_add(struct alias_index *x, struct sl name, const void *item,
                     struct pg_arena *arena);
const struct alias_entry *alias_index_find(const struct alias_index *x,
                                           struct sl name); /* or NULL */
