/* SPDX-License-Identifier: Apache-2.0 */
/*
 * referrer_list - all referrers of one manifest, each once, in the order in which they were added.
 *
 *     add (upstream's pages), add_own (the store's), remove --> const: page, page, ...
 *
 * Descriptors are written anew from the members that name, measure and describe; what carries bytes
 * or points elsewhere (`data`, `urls`) is left out, and so is what is no descriptor.
 *
 * Ownership:  counted; a finished list is const and may be read by all loops.
 * Failure:    UPSTREAM_WRONG: no index, or more than REFERRER_LIST_MAX or REFERRER_LIST_BYTES_MAX.
 * Threads:    one until it is finished, then any.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "oci/digest.h"
#include "oci/manifest.h"
#include "proxy/journey/listing.h"

#define REFERRER_LIST_MAX       10000
#define REFERRER_LIST_BYTES_MAX ((size_t)4 * 1024 * 1024)

/* In the arena of its list. */
struct referrer {
    struct pg_map_node in_map; /* by digest */
    struct pg_list node;
    struct digest digest;
    struct sl hex, artifact_type, json;
};

struct referrer_list {
    struct listing listing;
    struct pg_map by_digest;
    struct pg_list all;
    size_t n, bytes; /* of json */
    struct pg_arena arena;
};

struct referrer_list *referrer_list_new(void);
struct referrer_list *referrer_list_ref(struct referrer_list *l);
void referrer_list_unref(struct referrer_list *l);               /* NULL is allowed */
struct referrer_list *referrer_list_of(struct listing *listing); /* NULL is allowed */
size_t referrer_list_memory(const struct referrer_list *l);

/* json: an image index. */
PG_MUST_USE int referrer_list_add(struct referrer_list *l, struct sl json, struct pg_err *err);
/* A manifest that is at hand, with its size. */
PG_MUST_USE int referrer_list_add_own(struct referrer_list *l, const struct digest *d,
                                      uint64_t size, const struct manifest *m, struct pg_err *err);
void referrer_list_remove(struct referrer_list *l, struct referrer *r);

/* An index with at most n of those that have the artifact type ({NULL, 0}: any) and that may be
 * seen, behind `last`. False: `last` is not in the list. */
struct referrer_list_page {
    struct sl artifact_type, last; /* last: the hex digits of a digest; {NULL, 0}: from the start */
    size_t n;
    bool (*may)(void *owner, const struct digest *d); /* NULL: all may */
    void *owner;
    bool more;     /* out: there are further ones */
    struct sl end; /* out: the last that was written, as `last` of the next page */
};
PG_MUST_USE bool referrer_list_write(const struct referrer_list *l, struct referrer_list_page *page,
                                     struct pg_buf *out);
#define REFERRER_LIST_PAGE_BYTES_MAX                                                               \
    (REFERRER_LIST_BYTES_MAX + 256) /* what out must have room for */
