/* SPDX-License-Identifier: Apache-2.0 */
/*
 * news - what happened, for somebody outside who wants to hear of it: told from any thread, taken
 * by one.
 *
 *     pg_news_say(PG_NEWS_EVICTION, SL("store"),
 *                 (struct pg_news_fact[]){{"blobs", .number = 12}, {"why", .text = SL("full")}}, 2)
 *
 * Telling costs a look at one atomic where nobody listens to that kind. It never waits: when
 * PG_NEWS_MAX have not been taken, what comes is dropped and counted.
 *
 * Ownership:  what is told is copied. A taken note is the taker's: pg_news_free().
 * Lifetime:   between pg_news_listen() and pg_news_deafen() anybody may tell; deafen comes when
 *             nobody can any more.
 * Threads:    say: any. take: the one that listens. listen, deafen: main.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/mailbox.h"

#define PG_NEWS_MAX       4096
#define PG_NEWS_BYTES_MAX ((size_t)8192) /* of the facts of one, as JSON; more are left out */

/* X(kind, word, doc) */
#define PG_NEWS(X)                                                                                 \
    X(EVICTION, "eviction", "Content left the store, to make room or by a rule.")                  \
    X(FAILURE, "failure", "Something does not work: the disk, an upstream.")                       \
    X(WATER_MARK, "water-mark", "The store is at its limit, or below it again.")                   \
    X(DENIAL, "denial", "A pull was refused.")                                                     \
    X(REVOCATION, "revocation", "Something was revoked, or is served again.")                      \
    X(TAG_MOVED, "tag-moved", "A tag names another digest than before.")

enum pg_news_kind {
#define X(kind, ...) PG_NEWS_##kind,
    PG_NEWS(X)
#undef X
        PG_NEWS_KINDS
};

struct pg_news_fact {
    const char *name;
    struct sl text; /* p NULL: the number */
    uint64_t number;
};

struct pg_news {
    struct pg_mail mail;
    enum pg_news_kind kind;
    uint64_t no; /* 1, 2, ... */
    int64_t wall_ms;
    struct pg_buf subject, facts; /* facts: a JSON object */
};

const char *pg_news_word(enum pg_news_kind kind);

void pg_news_say(enum pg_news_kind kind, struct sl subject, const struct pg_news_fact *facts,
                 size_t n);

/* kinds: a bit for each. wake: from whoever tells; something is to be taken. */
void pg_news_listen(unsigned kinds, void (*wake)(void *owner), void *owner);
void pg_news_want(unsigned kinds); /* others from now on */
void pg_news_deafen(void);         /* what was not taken is gone */

void pg_news_take(void (*take)(void *owner, struct pg_news *news), void *owner);
void pg_news_free(struct pg_news *news);
