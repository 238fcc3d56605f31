/* SPDX-License-Identifier: Apache-2.0 */
/* ruleset_int - how rules are read; private to the room. */
#pragma once

#include "retention/reading.h"
#include "retention/ruleset.h"

PG_MUST_USE int ruleset_read_tree(struct reading *r, const struct pg_tree *root,
                                  struct ruleset *rules);
