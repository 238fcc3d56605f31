/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heard - what the sources of scan results say of an image, as facts for policy: with what waivers
 * and VEX settle of it, at the time of the decision.
 *
 * What a report's author says are other names of a finding counts only where the author is a
 * scanner that this proxy runs or asks: else a finding could be given the name of one that is
 * waived (N09).
 *
 * Ownership:  all is copied into the arena given.
 * Failure:    an index that cannot be read is `scans_trouble` in the facts.
 * Threads:    any. It reads the index: tens of microseconds for some hundred findings.
 */
#pragma once

#include "cache/store.h"
#include "policy/facts.h"
#include "proxy/admit/attested.h"
#include "scan/excuses.h"

struct heard_from {
    struct store *store;
    const struct excuses *excuses;   /* NULL: there are none */
    const struct attested *attested; /* about this image */
    size_t nattested;
    bool is_over; /* the time of the facts is in the past: what is newer counts as of then */
};

/* Fills scans, nscans, scans_trouble of *f, of which name, time and what is signed are known. */
void heard_gather(const struct heard_from *from, struct pg_arena *arena, struct facts *f);
