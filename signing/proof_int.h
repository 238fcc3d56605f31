/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proof - what all of Sigstore's forms have in common: a signature by a certificate or a bare key,
 * what it is of, entries of transparency logs and timestamps. Bundles and cosign's annotations are
 * read into one of these.
 *
 * The order: signature, log entries, timestamps, then with the times that these have proven the
 * certificate's chain, its SCTs and the identity; or the key's window. All that is there has to be
 * right. A trust without any trusted root can look at bare keys' signatures alone; their log
 * entries and timestamps are not looked at, and not counted.
 *
 * Ownership:  slices are the caller's; texts of the fact are in the arena.
 * Threads:    pure but for `timestamps`, which may wait.
 */
#pragma once

#include "signing/tlog_int.h"

#define PROOF_HELPERS_MAX 8

struct proof {
    bool by_cert;
    struct sl cert;                       /* DER */
    struct sl helpers[PROOF_HELPERS_MAX]; /* DER of certificates above it, not trusted */
    size_t nhelpers;
    struct sl hint; /* the SHA-256 of the key that it says it is by; only for what is said */
    struct sl signature;
    struct key_message message; /* what the signature is of */
    bool is_dsse;
    struct sl payload;  /* of the DSSE envelope */
    struct sl envelope; /* as it was logged, if that is known; else {NULL, 0} */
    struct sl stamped;  /* what the timestamps are of */
    const struct tlog_entry *entries;
    size_t nentries;
    const struct sl *stamps; /* TimeStampResp */
    size_t nstamps;
};

/* Fills signer, key_id or identity, signed_at_s, not_after_s and the counts of *fact. */
PG_MUST_USE int proof_verify(const struct proof *p, const struct verify_question *q,
                             struct pg_arena *arena, struct verify_fact *fact,
                             struct verify_refusal *no);
