/* SPDX-License-Identifier: Apache-2.0 */
/* import_int - the forms of others; private to the room. */
#pragma once

#include "base/reading.h"
#include "retention/import.h"

PG_MUST_USE int import_ecr_read(struct reading *r, const struct pg_tree *root, bool lenient,
                                struct ruleset *rules);
PG_MUST_USE int import_harbor_read(struct reading *r, const struct pg_tree *root,
                                   struct ruleset *rules);

/* For both. A text of the arena, made of a format. */
struct sl import_text(struct reading *r, const char *fmt, ...) PG_PRINTF(2, 3);
const struct sl *import_all(struct reading *r); /* the one pattern ** */
