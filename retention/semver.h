/* SPDX-License-Identifier: Apache-2.0 */
/*
 * semver - versions in tags, and ranges of them.
 *
 *     1.2.3   v1.2   7   1.2.3-rc.1   1.2.3+build           a version
 *     >=1.2 <2   ^1.4   ~1.4.2   1.x   =1.2.3   a || b      a range: all of one alternative
 *
 * Order is that of semver.org: numbers, then a version without a suffix above one with it. A
 * version with a suffix (1.3.0-rc1, 1.25-alpine) is in a range only if a bound of that alternative
 * has a suffix of the same three numbers; so "<2" does not let 2.0.0-rc1 in.
 *
 * Ownership:  values; a suffix points into the text.
 * Failure:    DENIED with what is wrong, for ranges. A tag that is no version is no failure.
 * Threads:    pure; any.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#define SEMVER_BOUNDS_MAX 16 /* of a range */
#define SEMVER_TEXT_MAX   256

#include <stdint.h>

struct semver {
    uint32_t part[3];
    struct sl suffix; /* behind the -; {NULL, 0}: none */
};

enum semver_than { SEMVER_LESS, SEMVER_LESS_EQUAL, SEMVER_EQUAL, SEMVER_MORE_EQUAL, SEMVER_MORE };

struct semver_bound {
    enum semver_than than;
    struct semver version;
    unsigned alternative;
};

struct semver_range {
    struct semver_bound bounds[SEMVER_BOUNDS_MAX];
    size_t nbounds;
    unsigned nalternatives;
};

bool semver_read(struct sl text, struct semver *v_r);
int semver_compare(const struct semver *a, const struct semver *b); /* <0, 0, >0 */

PG_MUST_USE int semver_range_read(struct sl text, struct semver_range *range_r, struct pg_err *err);
bool semver_range_has(const struct semver_range *range, const struct semver *v);
/* Is there no version of the kind without a suffix in it? */
bool semver_range_is_empty(const struct semver_range *range);
