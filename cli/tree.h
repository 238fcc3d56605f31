/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree - one YAML document as nodes that know their line and column, over libyaml's events.
 *
 * A configuration needs little of YAML: mappings, lists and scalars. What could hide something or
 * grow without measure is refused: anchors, aliases, tags, further documents, a key that stands
 * twice, a key that is no scalar, nesting deeper than TREE_DEPTH_MAX, more than TREE_NODES_MAX
 * nodes, more than TREE_BYTES_MAX bytes.
 *
 * Ownership:  nodes and texts live in the arena.
 * Failure:    *fault_r is where and what; the first one only, since YAML after it is guesswork.
 * Threads:    any; pure.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/check.h"

#define TREE_BYTES_MAX ((size_t)256 * 1024)
#define TREE_DEPTH_MAX 8
#define TREE_NODES_MAX 10000

enum tree_kind { TREE_SCALAR, TREE_LIST, TREE_MAP };

struct tree_at {
    unsigned line, col; /* from 1; column in characters */
};

struct tree {
    enum tree_kind kind;
    struct tree_at at;
    struct sl text; /* SCALAR; with a NUL behind it */
    bool is_plain;  /* SCALAR: without quotes */
    struct sl key;  /* in a MAP: of which key it is the value */
    struct tree_at key_at;
    struct tree *first, *last, *next; /* children; the next sibling */
    size_t nchildren;
};

struct tree_fault {
    struct tree_at at;
    char what[320];
};

/* *root_r is NULL for a document without content. */
PG_MUST_USE int tree_read(struct pg_arena *a, struct sl text, struct tree **root_r,
                          struct tree_fault *fault_r);

struct tree *tree_get(const struct tree *map, struct sl key); /* NULL when absent */
bool tree_is_null(const struct tree *t);                      /* `key:` with nothing, ~, null */
