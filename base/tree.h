/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree - one YAML document as nodes that know their line and column, over libyaml's events.
 *
 * A configuration, or a policy, needs little of YAML: mappings, lists and scalars. What could hide
 * something or grow without measure is refused: anchors, aliases, tags, further documents, a key
 * that stands twice, a key that is no scalar, nesting deeper than PG_TREE_DEPTH_MAX, more than
 * PG_TREE_NODES_MAX nodes, more than PG_TREE_KEYS_MAX keys in one mapping, more than
 * PG_TREE_BYTES_MAX bytes.
 *
 * Ownership:  nodes and texts live in the arena.
 * Failure:    *fault_r is where and what; the first one only, since YAML after it is guesswork.
 * Threads:    any; pure.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/check.h"

#define PG_TREE_BYTES_MAX ((size_t)1 << 20)
#define PG_TREE_DEPTH_MAX 16
#define PG_TREE_NODES_MAX 100000
#define PG_TREE_KEYS_MAX  2000 /* of one mapping */

enum pg_tree_kind { PG_TREE_SCALAR, PG_TREE_LIST, PG_TREE_MAP };

struct pg_tree_at {
    unsigned line, col; /* from 1; column in characters */
};

struct pg_tree {
    enum pg_tree_kind kind;
    struct pg_tree_at at;
    struct sl text; /* SCALAR; with a NUL behind it */
    bool is_plain;  /* SCALAR: without quotes */
    struct sl key;  /* in a MAP: of which key it is the value */
    struct pg_tree_at key_at;
    struct pg_tree *first, *last, *next; /* children; the next sibling */
    size_t nchildren;
};

struct pg_tree_fault {
    struct pg_tree_at at;
    char what[320];
};

/* *root_r is NULL for a document without content. */
PG_MUST_USE int pg_tree_read(struct pg_arena *a, struct sl text, struct pg_tree **root_r,
                             struct pg_tree_fault *fault_r);

struct pg_tree *pg_tree_get(const struct pg_tree *map, struct sl key); /* NULL when absent */
bool pg_tree_is_null(const struct pg_tree *t); /* `key:` with nothing, ~, null */
