/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay - the index made again out of what is left: the journal says which repository had which
 * tag and link, and the blobs are the manifests. Nothing is linked that the journal, or a manifest
 * that the journal links in that repository, does not name: losing the index widens no right.
 *
 * Threads: one at a time; the writer runs. Not on a loop.
 */
#pragma once

#include <stdatomic.h>

#include "cache/store.h"

/* Tags and links of the records that the index has not seen; see land_replay(). */
PG_MUST_USE int replay_journal(struct store *s, struct pg_err *err);

/* Manifests, their edges and the links they give; see land_rebuild(). */
PG_MUST_USE int replay_manifests(struct store *s, const atomic_bool *stop, struct pg_err *err);
