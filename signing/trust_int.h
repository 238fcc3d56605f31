/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust, for this room: what is in one. Everything lives as long as the trust; DER and texts are in
 * its arena. Nothing of it changes after it was made.
 *
 * Each file that adds to a trust notes the bytes by trust_note(), so that trust_revision() depends
 * on them.
 */
#pragma once

#include <openssl/x509.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "signing/key_int.h"
#include "signing/stamp.h"
#include "signing/trust.h"

#define TRUST_LOGS_MAX  64
#define TRUST_CAS_MAX   64
#define TRUST_CHAIN_MAX 8
#define TRUST_FILES_MAX 4096
#define TRUST_ARENA_MAX ((size_t)64 << 20)
#define TRUST_NOTE_HINT 4

struct trust_key {
    struct key *key;
    struct trust_window window;
    enum { TRUST_PADS_AS_TOLD, TRUST_PADS_PKCS1, TRUST_PADS_PSS } padding;
};

/* A transparency log or a certificate log. */
struct trust_log {
    uint8_t id[32];
    uint8_t hint[TRUST_NOTE_HINT]; /* of its signatures under checkpoints */
    struct key *key;
    struct sl host; /* without a port */
    struct trust_window window;
};

struct trust_logs {
    struct trust_log at[TRUST_LOGS_MAX];
    unsigned n;
};

/* A CA of Sigstore: the anchor alone is in the store. */
struct trust_ca {
    X509_STORE *anchor;
    STACK_OF(X509) * intermediates;
    struct trust_window window;
};

struct trust_notation; /* trust_notation.c */

struct trust {
    atomic_uint refs;
    struct pg_arena arena;
    struct trust_key keys[TRUST_KEYS_MAX];
    unsigned nkeys;
    struct trust_logs tlogs, ctlogs;
    struct trust_ca cas[TRUST_CAS_MAX];
    unsigned ncas;
    struct stamp_authority tsas[STAMP_AUTHORITIES_MAX];
    unsigned ntsas;
    bool has_root;
    struct trust_notation *notation; /* NULL: none */
    uint8_t (*notes)[32];
    unsigned nnotes;
};

/* kind says as what the bytes were added, with all that is not in them. -1: too many files. */
PG_MUST_USE int trust_note(struct trust *t, struct sl kind, struct sl bytes, struct pg_err *err);
/* "FILE:LINE:COLUMN: " in front of what err says; at: the rest of text where it is wrong. */
int trust_blame(const char *file, struct sl text, struct sl at, struct pg_err *err);

static inline bool trust_covers(struct trust_window w, int64_t time_s)
{
    return w.from_s <= time_s && time_s <= w.until_s;
}
/* One DER certificate, without a byte behind it, and of a size that is sane; NULL: it is not. */
X509 *trust_read_cert(struct sl der);
