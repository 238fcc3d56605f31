/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proof - which upstreams have shown that they have an object that is in the store. The store is
 * shared by all upstreams, and whoever runs one may name any digest in a manifest or say yes to a
 * HEAD; bytes that came from elsewhere are served in its name only after it has shown them (N07).
 *
 * Shown it has what was downloaded from it, whole, or what it proved: by a few parts, chosen here
 * at random, that are equal to ours (proof_pick; the fetch thread asks for them). A part is
 * compared by the checksum that was made of it when it was filled: nobody outside knows those.
 *
 * It is a row in the index, a memo of the digest by upstream, and a record in the journal: so a
 * lost index brings no blob down with it while upstream is down, too. Losing both widens nothing:
 * it is proved again. What is half here (cache/partial) remembers whose it is; another upstream
 * begins anew, or the rest that it brings would prove the whole.
 *
 * repo, here: a canonical name; its upstream is what stands before the first slash.
 *
 * Failure:  STORE_IO. note: what cannot be written is counted, and proved again.
 * Threads:  any; apply and put: the writer's.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "cache/store.h"
#include "oci/digest.h"

#define PROOF_PARTS  3
#define PROOF_RECORD SL("shown") /* in the journal */

struct index_txn;

struct proof_part {
    uint64_t from, n, sum; /* XXH3-64 of the n bytes at from */
};

struct proof_parts {
    uint64_t size;   /* of the whole */
    unsigned nparts; /* 0: there are no checksums; the whole has to be shown */
    struct proof_part parts[PROOF_PARTS];
};

struct proof_news {
    struct sl repo;
    const struct digest *digest;
    uint64_t size;
    int64_t now_s;
};

struct sl proof_upstream(struct sl repo);

/* 1, 0, -1. */
int proof_has(struct store *s, struct sl repo, const struct digest *d, struct pg_err *err);

/* The blob, of that size, was shown in this repository, to which it is linked now. */
void proof_note(struct store *s, struct sl repo, const struct digest *d, uint64_t size);
PG_MUST_USE int proof_apply(struct store *s, struct index_txn *txn, const struct proof_news *news,
                            struct pg_err *err);

/* The row alone: the journal has it in another way. */
PG_MUST_USE int proof_put(struct index_txn *txn, struct sl repo, const struct digest *d,
                          struct pg_err *err);

/* All of a small blob, or PROOF_PARTS parts of a larger one. 0: it is not in the store. */
int proof_pick(struct store *s, const struct digest *d, struct proof_parts *r, struct pg_err *err);

/* What is half here of d: is it of this upstream? And from now on it is. */
bool proof_partial_is(struct store *s, struct sl repo, const struct digest *d);
void proof_partial_note(struct store *s, struct sl repo, const struct digest *d);
