/* SPDX-License-Identifier: Apache-2.0 */
/*
 * older - what a tag was before, in place of what it is now, where that may not leave yet and the
 * rules say `on_young: previous`: the newest of its earlier values that passes the whole policy by
 * itself, and that upstream still has.
 *
 *     choose --(in the store)--> admit --> confirm --> then
 *       ^  |                                  |
 *       |  +--(not)--> fetch ------> admit ---|--> then
 *       +---- refused, or upstream has not ---+
 *
 * Upstream is asked by digest, once in tags.ttl: what it deleted is what it took back, and is not
 * brought to life again. While it is silent what passes is served.
 *
 * With none left the journey fails with the refusal of the newest.
 *
 * Ownership:  what was chosen is in the request's arena, or j->held.
 * Threads:    its loop's.
 */
#pragma once

#include "proxy/journey/journey.h"

struct older_choice {
    struct digest digest, sha256;
    struct sl bytes, media_type;
    bool fetched; /* it came just now */
};

/* j->rq.err says why the newest may not leave. Goes on at `then` with the choice. */
PG_MUST_USE enum rq_next older_begin(struct journey *j, const struct digest *newest,
                                     const struct rq_stage *then);
const struct older_choice *older_choice(const struct journey *j); /* NULL: none was made */
void older_end(struct journey *j);
