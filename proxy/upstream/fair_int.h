/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fair - whose turn it is among those who wait in one line: of the caller with the fewest turns
 * running, then of its repository with the fewest, then of those served longest ago. So one who
 * wants a thousand blobs does not hold back another who wants one, nor does one repository another
 * of the same caller, as of builds behind one address.
 *
 * Callers and repositories share FAIR_SLOTS places by a seeded hash; who shares one by chance gets
 * a little less than its due.
 *
 * Threads:  confined.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define FAIR_SLOTS 1024

struct fair_slot {
    unsigned running;
    uint64_t served; /* when, counted in turns */
};

struct fair {
    struct fair_slot slots[FAIR_SLOTS];
    uint64_t seed, turns;
};

/* Who wants a turn; kept in it. */
struct fair_party {
    unsigned caller, repo;
};

void fair_init(struct fair *f);
struct fair_party fair_party(const struct fair *f, struct sl caller, struct sl repo);
bool fair_is_before(const struct fair *f, const struct fair_party *a, const struct fair_party *b);
void fair_begin(struct fair *f, const struct fair_party *p);
void fair_end(struct fair *f, const struct fair_party *p);
