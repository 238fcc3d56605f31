/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provenance - what a signed in-toto statement says about how, of what and when something was made:
 * SLSA provenance 0.2 and 1, cosign's scan records. Its bytes were verified and its subject
 * compared before; here they are only read.
 *
 * Failure:    DENIED: it does not say it, or says two things.
 * Threads:    any. Pure.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

#define PROVENANCE_BYTES_MAX ((size_t)4 << 20)

struct provenance {
    struct sl builder_id, source; /* {NULL, 0}: not said; source without git+, .git and @ref */
    int64_t made_s;               /* when, as it says itself; 0: it does not */
};

/* Texts are in the arena. */
PG_MUST_USE int provenance_read(struct sl statement, struct pg_arena *arena, struct provenance *p_r,
                                struct pg_err *err);

/* "slsaprovenance1" and the like, as cosign calls them, or the type itself. */
struct sl provenance_type(struct sl word);
/* A repository in the form in which they are compared. */
struct sl provenance_source(struct sl uri);
