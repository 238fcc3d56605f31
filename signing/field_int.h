/* SPDX-License-Identifier: Apache-2.0 */
/*
 * field - members of a JSON object that has a schema. A member that is null is one that is absent,
 * as in protobuf's JSON.
 *
 *     1: *value_r is filled; 0: absent; -1: of another type, or not what it should be.
 *
 * Threads:    pure; slices into the tree or the arena.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/check.h"

/* object is an object and all its members have one of these names; the list ends with NULL. */
PG_MUST_USE bool field_known(const json_t *object, const char *const *names);

const json_t *field_get(const json_t *object, const char *name); /* NULL: absent, or null */
PG_MUST_USE int field_object(const json_t *object, const char *name, const json_t **value_r);
PG_MUST_USE int field_array(const json_t *object, const char *name, const json_t **value_r);
PG_MUST_USE int field_text(const json_t *object, const char *name, struct sl *value_r);
/* A whole number, or its decimal digits in a string; no sign but '-', no zero in front. */
PG_MUST_USE int field_int64(const json_t *object, const char *name, int64_t *value_r);
/* Standard base64, decoded. */
PG_MUST_USE int field_bytes(const json_t *object, const char *name, struct pg_arena *arena,
                            struct sl *value_r);
/* Decimal digits and nothing else, without a zero in front; -1 when it does not fit. */
PG_MUST_USE int field_decimal(struct sl digits, int64_t *value_r);
