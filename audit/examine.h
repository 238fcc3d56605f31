/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examine - is an audit log as it was written? Any edit, cut, swap, insertion or gap is a finding;
 * that its end is missing can be told from a signed head that is kept elsewhere.
 *
 *     examine_init(&x, key, found, arg);
 *     examine_expect(&x, text of a head);                 any number of them, up to the maximum
 *     for each segment in order:  examine_segment(&x, number, bytes, is_last);
 *     examine_end(&x);
 *
 * Each entry is read, its hash computed from the one before it; each segment's first entry bears a
 * signature and the hash that it goes on from. Old segments may be missing in front if an entry
 * says that they were removed, and a signature stands behind that entry: the beginning of a later
 * segment, or a head.
 *
 * Ownership:  examine_free(). key: NULL: whichever the log names, but one alone.
 * Failure:    what is wrong is a finding.
 * Threads:    any, one at a time; pure.
 */
#pragma once

#include "audit/chain.h"
#include "audit/seal.h"

#define EXAMINE_HEADS_MAX 16
#define EXAMINE_WHAT_MAX  256

struct examine_finding {
    uint32_t segment; /* 0: of the whole */
    uint64_t line;    /* 0: of the whole segment */
    const char *what; /* dies when the call returns */
};

typedef void examine_found(void *arg, const struct examine_finding *f);

struct examine_head {
    uint64_t seq;
    uint8_t hash[CHAIN_HASH];
    bool is_met;
};

struct examine {
    examine_found *found;
    void *arg;
    struct chain chain;
    uint64_t seq;
    uint32_t segment, first; /* the one under way, the first that is there; 0: none yet */
    uint64_t removed;        /* up to this one, as a signature bears out */
    uint64_t said_removed;   /* as entries say that no signature has followed yet */
    uint64_t line;           /* under way */
    bool is_last;            /* segment */
    bool has_key, adopt;     /* adopt: the next entry's number is believed */
    uint8_t key[SEAL_KEY];
    struct examine_head heads[EXAMINE_HEADS_MAX];
    size_t nheads;
    uint64_t entries, segments, findings;
    uint64_t torn_bytes; /* of an entry at the very end: written at this moment, or by a crash */
};

void examine_init(struct examine *x, const uint8_t *key, examine_found *found, void *arg);
/* -1: it is no head that is signed by the key. */
PG_MUST_USE int examine_expect(struct examine *x, struct sl head, struct pg_err *err);
void examine_segment(struct examine *x, uint32_t number, struct sl bytes, bool is_last);
void examine_end(struct examine *x);
/* Behind it, if there was no head beside the log, where one lies as soon as there is a second
 * entry. */
void examine_headless(struct examine *x);
