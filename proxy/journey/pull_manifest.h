/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pull_manifest - GET and HEAD of /v2/<name>/manifests/<reference>.
 *
 *     lookup --(tag confirmed within tags.ttl, or digest linked here)--------> admit --> deliver
 *       |                                                                        ^
 *       +--> ask --> asked --(confirmed, new, or stale because upstream is dead)-+
 *
 * A tag that is older than tags.ttl is asked for again. Where upstream does not answer, a tag not
 * older than tags.max_stale is served and marked as stale; whoever could be served so waits for a
 * slow upstream no longer than PULL_MANIFEST_PATIENCE_MS, or PULL_MANIFEST_PATIENCE_DOWN_MS where
 * it is known to be dead, and the question goes on without it.
 *
 * By digest upstream is asked once for each repository: knowing a digest is not a right to read
 * it here, and the store is shared by all repositories.
 *
 * Bytes are sent as upstream signed them, whatever Accept says; what no Accept line admits is 404.
 */
#pragma once

#include "proxy/journey/journey.h"

#define PULL_MANIFEST_PATIENCE_MS      1500
#define PULL_MANIFEST_PATIENCE_DOWN_MS 100

extern const struct rq_stage pull_manifest_first;
