/* SPDX-License-Identifier: Apache-2.0 */
/* collect_int - one piece of what is collected; between collect.c and collect_read.c alone. */
#pragma once

#include "cache/blob.h"
#include "proxy/admit/collect.h"

#define COLLECT_TRIES     3
#define COLLECT_VERIFY_MS 15000    /* for all evidence of one manifest, once a thread is at it */
#define COLLECT_CONFIG    UINT_MAX /* the step of a piece that is no evidence, but the config */

/* The config of what is looked at, where policy wants to know what it says. */
struct collect_config {
    bool wanted;  /* and not known yet whether there is one */
    bool to_ask;  /* there is */
    bool waiting; /* it has been asked for */
    struct digest digest;
    size_t size;
    struct pg_bytes *bytes; /* NULL: it did not come */
    const char *trouble;    /* why; in names */
    bool is_unknown;
};

enum piece_state { PIECE_FREE, PIECE_ASKED, PIECE_FLYING, PIECE_ARRIVED, PIECE_READING };

struct collect_piece {
    struct collect *collect;
    enum piece_state state;
    struct evidence_step step;
    struct fetch_ask *ask;      /* ASKED */
    struct fetch_answer answer; /* ARRIVED: a reference to its body, texts in names */
    struct flight_reader reader;
    struct blob *blob; /* ARRIVED, of a blob that is here */
    bool is_verified;  /* ARRIVED, of one that is not durable yet: fd and size are of its file */
    int fd;
    uint64_t size;
    struct pg_err err; /* ARRIVED: why there is none */
    bool answered, denied;
    bool is_own; /* ARRIVED: it is looked for in the store alone */
    unsigned tries;
};

struct collect {
    struct collect_home *home;
    struct pg_list node, readers;
    unsigned refs;
    bool over, stopped, posted, busy;
    struct pg_mail mail;
    struct pg_job job;
    struct pg_arena names;
    struct collect_order order; /* slices in names */
    const struct stamp *stamp;
    struct store *store;       /* of the home, which may be gone when the job runs */
    struct evidence *evidence; /* the job's while busy, else the loop's */
    struct collect_piece pieces[COLLECT_PIECES];
    struct collect_config config;
    const char *stale; /* in names */
    bool verifying;
    uint64_t began_us;
    struct dossier *dossier;
};

/* In the pool. */
void collect_read_plan(struct collect *c); /* of the config */
void collect_read_piece(struct collect *c, struct collect_piece *p);
void collect_read_dossier(struct collect *c);
