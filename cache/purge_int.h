/* SPDX-License-Identifier: Apache-2.0 */
/*
 * purge_int - the plan of a purge: which links are to be forgotten, and which content then is
 * nobody's any more.
 *
 *     purge_trace_from (from manifests on) or purge_part_take (a scope): links, and their content
 *         --> who else is linked to the content keeps it
 *         --> the content that nobody keeps leaves
 *         --> purge_forget_links: links, with a record each, and edges, in the writer
 *         --> content of it that was pulled meanwhile leaves, too
 *
 * Threads: that of purge_run(); purge_forget_links() waits for the writer.
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "cache/index_int.h"
#include "cache/purge.h"

struct purge_content {
    struct pg_map_node by_digest;
    struct key key;
    struct digest digest;
    struct purge_link *links; /* to it, of the plan */
    size_t image;             /* of the plan's, that brought it in */
    uint64_t size;            /* when it is stored */
    bool is_kept;             /* somebody else is linked to it */
    bool is_stored;           /* it is in the store */
};

struct purge_link {
    struct pg_list node;
    struct key_repo repo;
    struct purge_content *content;
    struct purge_link *same; /* the next to the same content */
    size_t image;
};

struct purge_plan {
    struct store *store;
    const struct purge_question *question;
    struct pg_map contents; /* by digest */
    struct pg_list links;
    size_t nlinks;
    uint64_t ntags; /* that purge_part_take counted */
    size_t image;   /* of purge_trace_from: what is added is this one's */
    struct key
        last; /* of purge_part_take: links of the scope up to here are in the plan, or gone */
};

bool purge_is_stopped(const struct purge_plan *p);
struct purge_content *purge_find(const struct purge_plan *p, const struct digest *d);
struct purge_content *purge_add_content(struct purge_plan *p, const struct digest *d);
void purge_add_link(struct purge_plan *p, const struct key_repo *repo, const struct digest *d);
bool purge_has_link(const struct purge_plan *p, const struct key_repo *repo,
                    const struct digest *d);
void purge_clear(struct purge_plan *p);

/* These manifests or blobs, all of one repository, and what they alone name there: of what
 * something that stays names nothing is added; a tag that is not among theirs stays. `number` is
 * that of the first among the plan's images. */
PG_MUST_USE int purge_trace_from(struct purge_plan *p, const struct purge_image *images, size_t n,
                                 size_t number, struct pg_err *err);

/* The next links of the scope, PURGE_PART at most, from the question's cursor on; the tags of their
 * repositories are counted, and forgotten. */
PG_MUST_USE int purge_part_take(struct purge_plan *p, struct pg_buf *next, struct pg_err *err);

/* What of the content leaves, and how much that is; nothing has changed then. */
PG_MUST_USE int purge_weigh(struct purge_plan *p, struct purge_result *r, struct pg_err *err);
void purge_remove_content(struct purge_plan *p);
/* The links, and content of theirs that came back meanwhile. */
PG_MUST_USE int purge_finish(struct purge_plan *p, struct pg_err *err);

/* A link that a tag needs by now stays. */
PG_MUST_USE int purge_forget_links(struct purge_plan *p, struct pg_err *err);
