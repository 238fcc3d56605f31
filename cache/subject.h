/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subject - which manifests of the store say in their own bytes that a manifest is their subject:
 * signatures, SBOMs, attestations. Of what was committed: what came a moment ago came from
 * upstream, whose list has it, too. It gives no right to read: links do.
 *
 * Failure: -1 STORE_IO.
 * Threads: any.
 */
#pragma once

#include "cache/index.h"
#include "cache/store.h"

/* The next after `after` (NULL: the first), in order of digests. 1; 0: there is none. */
int subject_next_referrer(struct store *s, const struct digest *subject, const struct digest *after,
                          struct digest *r, struct pg_err *err);

/* Is d in the store, and has it no subject or another one than `subject`? 1; 0: it has that one, or
 * it is not known here. */
int subject_is_another(struct store *s, const struct digest *subject, const struct digest *d,
                       struct pg_err *err);
