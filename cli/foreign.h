/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreign - what is in another registry, as the records that retention plans with: its repositories
 * of a pattern, each of their tags, what those name, and the children of indexes.
 *
 * Every manifest is held to its digest; one that cannot be read is in it, and marked. How old an
 * image is, its configuration says. When it was pulled, Harbor alone knows: else pulled_s is now,
 * so that no rule takes it for unused.
 *
 * Ownership:  foreign_take() to foreign_free(), also after a failure; the registry outlives it.
 * Failure:    as registry_ask(); TOO_LARGE above FOREIGN_MAX manifests.
 * Threads:    main.
 */
#pragma once

#include "base/arena.h"
#include "cli/registry.h"
#include "retention/image.h"

#define FOREIGN_MAX 500000

struct foreign_image {
    struct image image;  /* its repo: with the registry's host */
    struct sl path;      /* its repo as the registry knows it */
    const char *trouble; /* it cannot be read: why; in the arena. NULL: it can */
};

struct foreign {
    struct registry *registry;
    struct pg_arena arena;
    struct foreign_image *found; /* repository by repository */
    size_t n, cap, nrepos;
    bool is_harbor;
    int64_t now_s;
};

/* pattern: of repositories, without the host; one without a * is asked for directly. */
PG_MUST_USE int foreign_take(struct registry *r, struct sl pattern, int64_t now_s,
                             struct foreign *f_r, struct pg_err *err);
void foreign_free(struct foreign *f);

/* The tags of a repository as they are now; 0 of a repository that is gone. In the arena. */
PG_MUST_USE int foreign_list_tags(struct foreign *f, struct sl path, struct sl **tags_r,
                                  size_t *n_r, struct pg_err *err);
/* One more that names it; there may be as many as a repository has. The list is
 * the arena's. */
void foreign_add_tag(struct pg_arena *arena, struct image *image, struct sl tag);
/* What a tag is now. 1; 0: gone; -1. */
PG_MUST_USE int foreign_resolve(struct foreign *f, struct sl path, struct sl tag,
                                struct digest *digest_r, struct pg_err *err);
/* What an index names now: its children in the arena. Of another manifest none. */
PG_MUST_USE int foreign_children(struct foreign *f, struct sl path, const struct digest *d,
                                 const struct digest **children_r, size_t *n_r, struct pg_err *err);
