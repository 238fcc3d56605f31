/* SPDX-License-Identifier: Apache-2.0 */
/*
 * revocation - whether what is about to leave was taken back (cache/revoked): by itself, with its
 * repository, with a layer that it names, with an index that it was reached through; and whose
 * signatures do not count any more.
 *
 * It is asked at each request, with a policy or without, and nothing of it is remembered.
 *
 *   - An image is revoked with its digest, its config, or one of its layers.
 *   - What an index lists is revoked with an index of the same repository; an index is not
 *     revoked with what it lists, since the rest of it may be good.
 *   - A blob is revoked with its digest; and where all manifests of the repository that name it
 *     are. Where more name it than are looked at, and one of those that are revoked does, too. Of a
 *     blob that is named by another algorithm, and of which the sha256 is not known, it cannot be
 *     said, so that it does not leave while digests are revoked.
 *   - What landed a moment ago counts at once, before the index has it.
 *
 * Failure:  an index that cannot be read: revoked.
 * Threads:  any. It reads the index, microseconds; with nothing revoked, nothing.
 */
#pragma once

#include "cache/revoked.h"
#include "policy/policy.h"

struct revocation_question {
    struct store *store;
    struct sl repository; /* canonical */
    struct digest digest; /* as named here */
    struct digest sha256; /* of a manifest: of its bytes */
    struct sl bytes;      /* of a manifest */
};

bool revocation_of_manifest(const struct revocation_question *q, struct pg_arena *arena,
                            struct policy_verdict *v_r);
bool revocation_of_blob(const struct revocation_question *q, struct pg_arena *arena,
                        struct policy_verdict *v_r);
bool revocation_of_repository(struct store *s, struct sl repository, struct pg_arena *arena,
                              struct policy_verdict *v_r);
/* By its digest alone: why, in the arena; NULL: it is not. */
const char *revocation_of_digest(struct store *s, const struct digest *sha256,
                                 struct pg_arena *arena);

/* Takes out what was signed by who is revoked, and puts it among what was refused. */
void revocation_filter(struct store *s, struct pg_arena *arena, struct facts *f);
