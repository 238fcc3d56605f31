/* SPDX-License-Identifier: Apache-2.0 */
/*
 * purge_int - the plan of a purge: which links are to be forgotten, and which content then is
 * nobody's any more.
 *
 *     purge_trace_from (from a manifest on) or purge_part_take (a scope): links, and their content
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
    bool is_kept;   /* somebody else is linked to it */
    bool is_stored; /* it is in the store */
};

struct purge_link {
    struct pg_list node;
    struct key_repo repo;
    struct purge_content *content;
};

struct purge_plan {
    struct store *store;
    const struct purge_question *question;
    struct pg_map contents; /* by digest */
    struct pg_list links;
    size_t nlinks;
    uint64_t ntags;       /* that purge_part_take counted */
    struct key_repo repo; /* of purge_trace_from */
    struct key
        last; /* of purge_part_take: links of the scope up to here are in the plan, or gone */
};

bool purge_is_stopped(const struct purge_plan *p);
struct purge_content *purge_find(const struct purge_plan *p, const struct digest *d);
struct purge_content *purge_add_content(struct purge_plan *p, const struct digest *d);
void purge_add_link(struct purge_plan *p, const struct key_repo *repo, const struct digest *d);

/* The manifest or blob d of the scope's repository, and what it alone names there: nothing is added
 * when something that stays names d; a tag other than `besides` stays. */
PG_MUST_USE int purge_trace_from(struct purge_plan *p, const struct digest *d, struct sl besides,
                                 struct pg_err *err);

/* The next links of the scope, PURGE_PART at most, from the question's cursor on; the tags of their
 * repositories are counted, and forgotten. */
PG_MUST_USE int purge_part_take(struct purge_plan *p, struct pg_buf *next, struct pg_err *err);

/* A link that a tag needs by now stays. */
PG_MUST_USE int purge_forget_links(struct purge_plan *p, struct pg_err *err);
