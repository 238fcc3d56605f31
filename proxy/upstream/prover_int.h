/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prover - what an upstream shows of a blob, compared with what cache/proof picked of ours: one
 * part after the other, each by a request of its own; or the whole, where it has no parts or knows
 * no ranges. It keeps no byte: what comes is hashed as it comes.
 *
 *     ask for [prover_from, prover_until) --> head --> data* --> end: 1 ask for the next, 0 proved
 *
 * Failure:  BLOB_UNKNOWN: it shows something else. UPSTREAM_WRONG: not what was asked for.
 * Threads:  the fetch thread's.
 */
#pragma once

#include "cache/proof.h"
#include "proxy/upstream/head.h"

struct prover;

struct prover *prover_new(const struct digest *d, const struct proof_parts *parts);
void prover_free(struct prover *p); /* NULL is allowed */

const struct digest *prover_digest(const struct prover *p);
uint64_t prover_size(const struct prover *p); /* of the whole */
uint64_t prover_from(const struct prover *p);
uint64_t prover_until(const struct prover *p); /* 0: to the end */
void prover_begin(struct prover *p);           /* a request begins, anew or again */
PG_MUST_USE int prover_head(struct prover *p, const struct head *head, struct pg_err *err);
PG_MUST_USE int prover_data(struct prover *p, struct sl bytes, struct pg_err *err);
PG_MUST_USE int prover_end(struct prover *p, struct pg_err *err); /* 1, 0, -1 */
