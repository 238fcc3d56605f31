/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suspect - blobs that came from an upstream of several URLs and did not match their digest. Which
 * of them lied is not known when the bytes came from two; so such a blob is fetched once more whole
 * from one, and from another when that one was wrong by itself.
 *
 * Bounds:   SUSPECTS_MAX, the oldest goes first. Forgetting one costs a try, nothing else.
 * Threads:  confined.
 */
#pragma once

#include "oci/digest.h"

#define SUSPECTS_MAX 64

struct suspect {
    struct digest digest;
    uint64_t origin; /* the number of whose sites `wrong` are */
    unsigned wrong;  /* sites that were wrong by themselves, as in an origin_path */
    bool used;
};

struct suspects {
    struct suspect list[SUSPECTS_MAX];
    unsigned next;
};

/* NULL: nothing is known against it. */
const struct suspect *suspect_find(struct suspects *s, uint64_t origin, const struct digest *d);
/* sites: where the bytes came from; of one, it is wrong; once all of `all` are, none is. */
void suspect_note(struct suspects *s, uint64_t origin, const struct digest *d, unsigned sites,
                  unsigned all);
void suspect_clear(struct suspects *s, uint64_t origin, const struct digest *d);
