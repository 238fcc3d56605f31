/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lost - manifests that upstream had and has no more: what is here may be the last copy, and once
 * it is removed nobody can fetch it again.
 *
 * A memo of the digest by repository; gone when upstream has it again, or the repository's link to
 * it is forgotten. Losing the index loses it: it is noted again when upstream is asked next.
 *
 * Failure:  what cannot be written is counted, and noted when it is seen again.
 * Threads:  note, found: any but the writer's. is: any. forget: the writer's.
 */
#pragma once

#include "cache/index.h"
#include "cache/store.h"

struct index_txn;

/* Upstream said that the repository has it not. */
void lost_note(struct store *s, struct sl repo, const struct digest *d);
/* Or that it has. Writes nothing unless it was noted. */
void lost_found(struct store *s, struct sl repo, const struct digest *d);

/* A row that cannot be read says nothing. */
bool lost_is(struct index_view *v, struct sl repo, const struct digest *d);

PG_MUST_USE int lost_forget(struct index_txn *txn, struct sl repo, const struct digest *d,
                            struct pg_err *err);
