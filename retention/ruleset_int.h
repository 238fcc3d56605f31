/* SPDX-License-Identifier: Apache-2.0 */
/* ruleset_int - how rules are read; private to the room. */
#pragma once

#include "base/reading.h"
#include "retention/ruleset.h"

PG_MUST_USE int ruleset_read_tree(struct reading *r, const struct pg_tree *root,
                                  struct ruleset *rules);

/* Patterns as a rule may have them; also of those that are imported. */
PG_MUST_USE int ruleset_read_check_repository(struct reading *r, struct pg_tree_at at, struct sl p);
PG_MUST_USE int ruleset_read_check_tag(struct reading *r, struct pg_tree_at at, struct sl p);
