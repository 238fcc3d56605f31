/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allowed - may what is in the store of a repository be served without asking? Where an upstream's
 * when_deleted is `follow`, upstream must have let us read the repository within ACCESS_PROOF_S,
 * and not have withdrawn it since. So a repository that is pulled by digest alone does not leak for
 * ever. An upstream that does not answer withdraws nothing.
 *
 * Threads: the loop's.
 */
#pragma once

#include "cache/access.h"
#include "proxy/journey/journey.h"

enum allowed { ALLOWED, ALLOWED_IF_CONFIRMED, ALLOWED_NOT };

/* seen_s: since when the repository is known to have it, by base/steady. -1 with j->rq.err, else an
 * enum allowed. *age_s_r: of upstream's last yes. */
PG_MUST_USE int allowed_look(struct journey *j, int64_t seen_s, int64_t *age_s_r);

/* Keeps what upstream has deleted: the upstream says keep or keep-and-flag. */
bool allowed_to_keep(const struct journey *j);
