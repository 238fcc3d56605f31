/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit - the one choke point: whether what a journey is about to answer may leave. It asks the
 * gate (proxy/admit/gate.h), and waits for what that needs to know.
 *
 *     return admit_manifest(j, &m, &ST_deliver);      goes on there if it may leave
 *
 * Nothing leaves without it: reply checks that the request's verdict allows. Without a policy
 * everything may leave, at once; says so in the verdict and the log.
 *
 * A denial is DENIED, with rule, reason and remedy. What is not known in time is PENDING: the work
 * goes on, and who comes back finds it done.
 *
 * Threads: the loop's.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "oci/digest.h"
#include "proxy/admit/collect.h"
#include "proxy/admit/gate.h"
#include "proxy/http/rq.h"

/* Of a manifest, over the control socket: the decision as a tree in place of the manifest; "text",
 * else as JSON. */
#define ADMIT_EXPLAIN "Pullgate-Explain"

struct journey;

/* Texts are static, or in the request's arena. */
struct admit_verdict {
    bool allow;
    const char *word; /* allow, deny, pending; NULL: nobody was asked */
    const char *rule, *reason;
    const char *observed; /* what rules that only observe would have denied; or NULL */
};

/* A manifest that is to be served. */
struct admit_subject {
    struct digest digest, sha256;   /* as named; of its bytes */
    struct sl bytes, media_type;    /* they outlive the wait */
    const struct past_spell *older; /* of what the tag was before; or NULL. It outlives the wait */
    const struct rq_stage *instead; /* where it goes on, with j->rq.err, if this may not leave and
                                       what the tag was before might; or NULL */
};

PG_MUST_USE enum rq_next admit_manifest(struct journey *j, const struct admit_subject *m,
                                        const struct rq_stage *then);
/* Of j->want's digest. */
PG_MUST_USE enum rq_next admit_blob(struct journey *j, const struct rq_stage *then);
/* Of names, or of nothing: 0, or -1 with j->rq.err. */
PG_MUST_USE int admit_list(struct journey *j);
/* Is there no verdict yet, or one that lets it leave? */
bool admit_may_list(struct journey *j, const struct digest *d);

/* Does the operator ask why, and not for the thing? Over the control socket alone: the answer tells
 * who signed what, and which rules there are. */
bool admit_is_explained(const struct journey *j);

/* Nothing else may leave either: the refusal that `instead` was given is the answer. Counts it. */
void admit_refuse(struct journey *j);

/* The journey ends. */
void admit_end(struct journey *j);
