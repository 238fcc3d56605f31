/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog - what is in the store, by repository: tags, manifests, blobs, a page at a time.
 *
 *     cursor = ""
 *     do: catalog_page(s, CATALOG_TAGS, &scope, cursor, 500, stop, each, arg, &next, &err)
 *         cursor = next
 *     while next is not empty
 *
 * A page gives at most so many rows and looks at CATALOG_LOOK_MAX at most, so that it may be empty
 * and not the last. Between pages nothing is held: what changes meanwhile is seen or not. Rows come
 * in the order of the index, repository by repository, not of the alphabet. What was pulled a
 * moment ago and is not committed yet is not listed.
 *
 * Failure:  STORE_IO; BAD_FRAMING for a cursor that is none of ours.
 * Threads:  any but a serving loop's: it may wait for the disk.
 */
#pragma once

#include "base/buf.h"
#include "cache/index.h"
#include "cache/key.h"
#include "cache/store.h"

#define CATALOG_LOOK_MAX   4096
#define CATALOG_CURSOR_MAX (2 * (KEY_REPO + KEY_TAG_MAX) + 1)
#define CATALOG_REPO_MAX   1024

/* Of whom. All members empty: of all. */
struct catalog_scope {
    struct sl upstream; /* "docker.io" */
    struct sl repo;     /* canonical: "docker.io/library/nginx" */
    struct sl tag;      /* with repo */
    bool has_digest;    /* with repo, or alone */
    struct digest digest;
};

enum catalog_what { CATALOG_TAGS, CATALOG_MANIFESTS, CATALOG_BLOBS };

struct catalog_row {
    struct sl repo, tag; /* tag: of TAGS; these die when each() returns, as does the next */
    struct sl media_type;
    struct digest digest;
    uint64_t bytes;            /* of TAGS: with all that it names and that is in the store */
    uint64_t missing;          /* of TAGS: how many objects that it names are not in the store */
    bool is_stored;            /* the object itself is */
    int64_t first_seen_s;      /* of TAGS: since when it is this digest */
    int64_t validated_s;       /* of TAGS: when upstream last said so */
    int64_t last_pull_s;       /* 0: not known */
    struct digest held, fixed; /* of TAGS, with: what was given out in its place within a day; from
                                  what it may not move */
    bool is_held, is_fixed;
};

typedef void catalog_each(void *arg, const struct catalog_row *row);

struct catalog_question {
    enum catalog_what what;
    struct catalog_scope scope;
    struct sl cursor; /* "": from the beginning */
    unsigned nrows;
    const atomic_bool *stop; /* ends it early, as if it were the last page; may be NULL */
};

/* next: its maximum is CATALOG_CURSOR_MAX; empty after the last page. */
PG_MUST_USE int catalog_page(struct store *s, const struct catalog_question *q, catalog_each *each,
                             void *arg, struct pg_buf *next, struct pg_err *err);

/* Is a repository of that name within it? Looks at upstream and repo alone. */
bool catalog_has(const struct catalog_scope *scope, struct sl repo);

/* Cursors are keys in hexadecimal digits. BAD_FRAMING: it is none. */
PG_MUST_USE int catalog_read_cursor(struct sl text, struct key *key_r, struct pg_err *err);
void catalog_write_cursor(const struct key *key, struct pg_buf *out);
