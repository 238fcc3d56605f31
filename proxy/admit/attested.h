/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attested - reports that came with the image as signed vulnerability attestations: read once, when
 * its evidence is, and kept with that. Whose count is policy's to say (attested_by): here they are
 * read, whoever signed them.
 *
 * Ownership:  lists and texts are in the arena given; `by` is the caller's.
 * Failure:    a report that does not count is a result that failed, with the reason.
 * Threads:    any that may compute for a second.
 */
#pragma once

#include "policy/facts.h"
#include "proxy/admit/result.h"

/* Of one image: the newest of each signer where it is known when they signed, else each. With more
 * of them there is none that counts. */
#define ATTESTED_MAX 8

struct attested {
    struct result result;          /* from the source "attested" */
    const struct facts_signed *by; /* the statement that it is in */
};

size_t attested_read(const struct facts_signed *all, size_t n, const struct digest *subject,
                     int64_t now_s, struct pg_arena *arena, const struct attested **attested_r);

/* The same statement in f, where it still counts; NULL: its signer was revoked since. */
const struct facts_signed *attested_by(const struct attested *a, const struct facts *f);
