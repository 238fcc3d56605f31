/* SPDX-License-Identifier: Apache-2.0 */
/*
 * witness - says to the audit log what was decided about a request.
 *
 *   - A manifest that may leave: one entry, before its first byte leaves.
 *   - Whatever may not leave, or not yet, a blob or a list as well: one entry, when the request
 *     ends.
 *   - A blob that may leave has none of its own: it may because of a manifest, whose pull has one.
 *     The request log has it, and pullgate_admission_total counts it.
 *
 * With a policy and audit.required, what cannot be recorded does not leave: STORE_IO, 503. What
 * may not leave is refused in any case.
 *
 * Threads: the loop's.
 */
#pragma once

#include "base/err.h"
#include "oci/digest.h"

struct journey;

/* Before it leaves: 0, or -1 with j->rq.err. */
PG_MUST_USE int witness_allowed(struct journey *j, const struct digest *d);

/* The journey ends. */
void witness_end(const struct journey *j);
