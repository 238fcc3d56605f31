/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreign_list - a list of names that another registry gives in pages: tags, repositories.
 *
 * Failure: as registry_ask(); UPSTREAM_WRONG for what is no list, or never ends. Threads: main.
 */
#pragma once

#include "base/arena.h"
#include "cli/registry.h"

struct foreign_list {
    const char *first;  /* its path */
    const char *member; /* of the JSON: "tags" */
    struct sl repo;     /* whose it is, for a token */
    size_t max;
    bool may_be_absent; /* 404 is an empty one */
};

/* In the arena, in the registry's order. */
PG_MUST_USE int foreign_list_read(struct registry *r, struct pg_arena *arena,
                                  const struct foreign_list *what, struct sl **names_r, size_t *n_r,
                                  struct pg_err *err);
