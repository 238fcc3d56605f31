/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tag_list - all tags of one repository, sorted by their bytes, each once.
 *
 *     add* (upstream's pages, in any order, with repetitions) --> sort --> const: page, page, ...
 *
 * The names stand one behind the other, each with its length in front, so that a million of them
 * need little more than their letters.
 *
 * Ownership:  counted; a finished list is const and may be read by all loops.
 * Failure:    UPSTREAM_WRONG: more than TAG_LIST_BYTES_MAX, or no tag list.
 * Threads:    one until it is sorted, then any.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "proxy/journey/listing.h"

#define TAG_LIST_BYTES_MAX ((size_t)9 * 1024 * 1024) /* a million tags of eight letters */

struct tag_list {
    struct listing listing;
    struct pg_buf names; /* a length byte, then the name */
    size_t n, last_at;   /* last_at: where the last one added begins */
    bool sorted;         /* so far */
};

struct tag_list *tag_list_new(void);
struct tag_list *tag_list_ref(struct tag_list *l);
void tag_list_unref(struct tag_list *l);               /* NULL is allowed */
struct tag_list *tag_list_of(struct listing *listing); /* NULL is allowed */

/* json: one page of /tags/list. What is no tag by its grammar is left out: nobody could ask for
 * it. */
PG_MUST_USE int tag_list_add(struct tag_list *l, struct sl json, struct pg_err *err);
PG_MUST_USE int tag_list_add_one(struct tag_list *l, struct sl tag, struct pg_err *err);
void tag_list_sort(struct tag_list *l);

/* Writes {"name": name, "tags": [...]} with at most n tags after `last` (an empty one: from the
 * start). *more_r: there are further ones; *end_r: the last tag that was written, in the list. -1:
 * it does not fit into out. */
struct tag_list_page {
    struct sl name, last;
    size_t n;
    bool more;     /* out */
    struct sl end; /* out */
};
PG_MUST_USE int tag_list_write(const struct tag_list *l, struct tag_list_page *page,
                               struct pg_buf *out);
