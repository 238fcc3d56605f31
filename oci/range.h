/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range - the Range header on a body of known size (RFC 9110 section 14). Pure; any thread.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

enum range_verdict {
    RANGE_WHOLE, /* absent, malformed, another unit, or several ranges: answer 200 */
    RANGE_PART,  /* one satisfiable range: answer 206 with [first, end) */
    RANGE_NONE,  /* one range, not satisfiable: answer 416 */
};

struct range {
    uint64_t first, end; /* end is one past the last byte */
};

/* value: the header's value, {NULL, 0} when absent. Never allocates, whatever the count. */
enum range_verdict range_parse(struct sl value, uint64_t size, struct range *range_r);

/* Content-Range of an upstream's 206: "bytes first-last/total". 0, or -1 when malformed. */
int range_parse_content(struct sl value, struct range *range_r, uint64_t *total_r);
