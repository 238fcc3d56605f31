/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resume - does an upstream's answer fit to the bytes that are here already? Pure; any thread.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "proxy/upstream/head.h"

#define RESUME_UNKNOWN UINT64_MAX

struct resume {
    uint64_t size; /* of the whole; RESUME_UNKNOWN */
    uint64_t skip; /* bytes at the start of the body that are here already */
};

/* have: where the request's range began, 0 for none. size: of the whole as known so far, or
 * RESUME_UNKNOWN. UPSTREAM_WRONG: another offset, size or form than can be. */
PG_MUST_USE int resume_check(const struct head *head, uint64_t have, uint64_t size,
                             struct resume *resume_r, struct pg_err *err);

/* The same for an answer to [from, until) of a blob of that size: it has to be that part. */
PG_MUST_USE int resume_check_part(const struct head *head, uint64_t from, uint64_t until,
                                  uint64_t size, struct pg_err *err);
