/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlog - an entry of a transparency log (Rekor): is it in the log, when did the log say so, and is
 * it about this signature?
 *
 * Ownership:  slices of an entry are the caller's.
 * Threads:    pure.
 */
#pragma once

#include "signing/merkle_int.h"
#include "signing/refuse_int.h"
#include "signing/trust_int.h"

struct tlog_proof {
    int64_t index, size;
    struct sl root; /* as it is claimed; {NULL, 0}: it is not */
    const uint8_t (*hashes)[32];
    size_t nhashes;
    struct sl checkpoint; /* {NULL, 0}: none */
};

struct tlog_entry {
    struct sl kind, version; /* {NULL, 0}: only the body says (cosign's annotation) */
    struct sl log_id;        /* 32 bytes */
    int64_t index;           /* in all shards of the log */
    int64_t integrated_s;    /* 0: not said */
    struct sl body;          /* canonical JSON */
    struct sl promise;       /* the signature of the SignedEntryTimestamp; {NULL, 0}: none */
    bool has_proof;
    struct tlog_proof proof;
};

/* What it has to be about. */
struct tlog_subject {
    struct sl cert;        /* DER of the certificate that signed; {NULL, 0}: the key did */
    const struct key *key; /* that signed */
    struct key_how how;    /* it did */
    const struct key_message *message;
    struct sl signature;
    bool is_dsse;
    struct sl payload;  /* of the DSSE envelope */
    struct sl envelope; /* the whole of it, as it was logged; {NULL, 0}: not at hand */
};

struct tlog_seen {
    unsigned log;   /* its place among the trust's */
    int64_t time_s; /* signed by the log; 0: it has not signed one */
};

/* Everything that the entry has must be right; it has to have a promise or a proof. */
PG_MUST_USE int tlog_verify(const struct tlog_entry *e, const struct tlog_subject *s,
                            const struct trust *t, struct pg_arena *arena, struct tlog_seen *seen_r,
                            struct verify_refusal *no);
