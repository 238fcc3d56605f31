/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range - the Range header on a body of known size (RFC 9110 section 14). Pure; any thread.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

#define RANGE_LIST_MAX 32 /* more in one header are not honoured */

enum range_verdict {
    RANGE_WHOLE, /* absent, malformed, another unit, too many, or too much: answer 200 */
    RANGE_PART,  /* at least one satisfiable range: answer 206 */
    RANGE_NONE,  /* none of them is satisfiable: answer 416 */
};

struct range {
    uint64_t first, end; /* end is one past the last byte */
};

/* In the order asked for, which clients rely on: none is joined with its neighbour, sorted or left
 * out but those beyond the end. Several are together shorter than the body. */
struct range_list {
    size_t n;
    struct range at[RANGE_LIST_MAX];
};

/* value: the header's value, {NULL, 0} when absent. Never allocates, whatever the count. */
enum range_verdict range_parse(struct sl value, uint64_t size, struct range_list *list_r);

/* Content-Range of an upstream's 206: "bytes first-last/total". 0, or -1 when malformed. */
int range_parse_content(struct sl value, struct range *range_r, uint64_t *total_r);
