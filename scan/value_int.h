/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value - members of JSON that tools wrote: absent and null are the same, anything of another type
 * than is due is refused. Texts are copied, so that the tree may go.
 *
 * Failure:    UPSTREAM_WRONG, which names the member.
 */
#pragma once

#include "base/arena.h"
#include "base/json.h"

#define VALUE_TEXT_MAX 2048

/* NULL when absent. */
PG_MUST_USE int value_object(const json_t *object, const char *key, const json_t **value_r,
                             struct pg_err *err);
PG_MUST_USE int value_list(const json_t *object, const char *key, const json_t **value_r,
                           struct pg_err *err);
/* {NULL, 0} when absent. */
PG_MUST_USE int value_text(const json_t *object, const char *key, struct pg_arena *arena,
                           struct sl *text_r, struct pg_err *err);

/* Of times: what is none in RFC 3339, or absent, is 0. */
int64_t value_time(const json_t *object, const char *key);
bool value_is_true(const json_t *object, const char *key);
