/* SPDX-License-Identifier: Apache-2.0 */
/*
 * excuses - the waivers and the VEX documents that an operator believes, together: what is settled
 * of findings by them.
 *
 * Ownership:  excuses_new() to excuses_free(); texts are copied.
 * Failure:    as waiver.h and vex.h say; what was added before stays.
 * Threads:    one adds; then any, which only ask.
 */
#pragma once

#include "scan/settle.h"

#define EXCUSES_WAIVERS_MAX 16 /* files */

struct excuses;

struct excuses *excuses_new(void);
void excuses_free(struct excuses *e); /* NULL is allowed */

PG_MUST_USE int excuses_add_waivers(struct excuses *e, const char *file, struct sl text,
                                    waiver_canonical_fn *canonical, struct pg_err *err);
PG_MUST_USE int excuses_add_vex(struct excuses *e, const char *file, struct sl text,
                                struct pg_err *err);

/* Is nothing excused by them? */
bool excuses_are_none(const struct excuses *e); /* NULL is allowed: none */

/* What one finding is settled by, and until when: INT64_MAX: for good; 0: it is open. `by` has the
 * repository, the digest, aliases_count and the time. */
int64_t excuses_settle(const struct excuses *e, const struct report_finding *f,
                       const struct settle_by *by, struct pg_arena *arena);

/* Those that end within two weeks, and those that have ended. */
void excuses_count(const struct excuses *e, int64_t now_s, size_t *ending_r, size_t *ended_r);

void excuses_revision(const struct excuses *e, uint8_t sha256_r[32]); /* of all that was added */
