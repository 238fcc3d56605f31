/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json - a bounded, strict reader over jansson: no duplicate members, no trailing bytes, no
 * depth above PG_JSON_DEPTH_MAX, no number that does not fit, no byte order mark, no NUL; and no
 * more than PG_JSON_NODES_MAX values. The depth and the nodes are counted before jansson sees the
 * text, without recursion.
 *
 * Ownership:  the tree belongs to the caller: json_decref(), or _json_ on the variable.
 * Threads:    any.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "base/slice.h"

#define PG_JSON_DEPTH_MAX 32
#define PG_JSON_NODES_MAX 200000

/* kind: what a refusal is raised as (UPSTREAM_WRONG for upstream's bytes, ...). */
PG_MUST_USE int pg_json_parse(struct sl text, enum pg_ekind kind, json_t **root_r,
                              struct pg_err *err);

/* The same for what is known to be large, with a bound of the caller's: each value costs 100 to 250
 * bytes of memory. */
PG_MUST_USE int pg_json_parse_large(struct sl text, size_t nodes_max, enum pg_ekind kind,
                                    json_t **root_r, struct pg_err *err);

void pg_json_free(json_t **root);
#define _json_ __attribute__((cleanup(pg_json_free)))

/* The member as a string slice into the tree; absent or of another type: {NULL, 0}. */
struct sl pg_json_str(const json_t *object, const char *key);
