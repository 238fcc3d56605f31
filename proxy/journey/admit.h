/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit - chooses, among what a request could be answered with, the first that may leave. Nothing
 * leaves without it: reply checks that the request's verdict allows.
 *
 * Today no rules can be written: everything is allowed, and says so in the verdict and the log.
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "oci/digest.h"

struct admit_candidate {
    struct sl repo; /* canonical */
    struct digest digest;
};

struct admit_verdict {
    bool allow;
    const char *rule, *reason; /* static texts */
};

/* *chosen_r: its place among the candidates. DENIED with rule, reason and remedy. */
PG_MUST_USE int admit_choose(const struct admit_candidate *candidates, size_t ncandidates,
                             size_t *chosen_r, struct admit_verdict *verdict_r, struct pg_err *err);
