/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evidence, for this room: the work that is known, and how a manifest or a list becomes more of it.
 *
 * Work is added, handed out, answered; it is never removed, so that its place is its id.
 */
#pragma once

#include "signing/evidence.h"

enum evidence_came { EVIDENCE_SIG, EVIDENCE_ATT, EVIDENCE_REFERRER, EVIDENCE_SELF };

#define EVIDENCE_WORK_MAX 512

struct evidence_work {
    struct evidence_step step;
    enum evidence_came came;
    bool is_out, is_answered;
    /* BLOB: what it will be */
    enum verify_format format;
    struct sl media_type;
    const json_t *annotations;
};

struct evidence {
    struct digest subject;
    struct evidence_wants wants;
    struct pg_arena arena;
    struct evidence_work work[EVIDENCE_WORK_MAX];
    unsigned nwork, nout, nanswered;
    unsigned npages, nreferrers, nlayers[4]; /* tried, by where they came from */
    size_t bytes;                            /* wanted so far, in blobs */
    struct evidence_item *items[EVIDENCE_WORK_MAX];
    size_t nitems;
    json_t *roots[EVIDENCE_WORK_MAX];
    struct pg_bytes *held[EVIDENCE_WORK_MAX];
    size_t nroots, nheld;
    enum evidence_state state;
    char trouble[256];
};

/* The new work; NULL when there is too much of it, which is said. */
struct evidence_work *evidence_add(struct evidence *e, enum evidence_what what,
                                   enum evidence_came came);
void evidence_cut(struct evidence *e, const char *fmt, ...) PG_PRINTF(2, 3);
const char *evidence_where(const struct evidence *e, enum evidence_came came,
                           char out[EVIDENCE_TAG_DIGITS]);
/* An item that is refused; text is the sentence. */
void evidence_refuse(struct evidence *e, const struct evidence_work *w, const struct digest *digest,
                     enum verify_reason reason, const char *fmt, ...) PG_PRINTF(5, 6);

/* evidence_read.c: the manifest under .sig or .att, or of a referrer, and a list of referrers. */
void evidence_read_manifest(struct evidence *e, const struct evidence_work *w, struct sl bytes,
                            struct sl media_type);
void evidence_read_list(struct evidence *e, const struct evidence_work *w, struct sl bytes,
                        struct sl media_type);
