/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import - rules of others become rules of ours.
 *
 *     Amazon ECR's lifecycle policy     JSON: {"rules": [{"rulePriority": 1, ...}]}
 *     Harbor's, as people write it      YAML: retention_policy, garbage_collection, scanning
 *
 * What the other side would refuse is refused. ECR's meaning is kept whole (order: first_match, no
 * default of ours), but for the moment of a push: a cache has none, and takes that at which an
 * image came. Of Harbor's, what is about other things than retention stands as a comment.
 *
 * Ownership:  as ruleset_load().
 * Failure:    DENIED, "FILE:LINE:COLUMN: ...".
 * Threads:    any; pure.
 */
#pragma once

#include "retention/ruleset.h"

enum import_form { IMPORT_OURS, IMPORT_ECR, IMPORT_HARBOR };

/* lenient: ECR's counts of 0, which ECR refuses, are read: for who lints them. */
PG_MUST_USE int import_load(const char *file, struct sl text, bool lenient,
                            struct ruleset **rules_r, enum import_form *form_r, struct pg_err *err);
