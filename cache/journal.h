/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal - what blobs cannot tell again: pins, revocations, immutable tags, the history of tags,
 * when a link was first seen, acts of retention. Append-only; each record holds the hash of all
 * before it; in segments <path>/journal/<8 digits>.
 *
 *     append* --> sync --> [LMDB commit] --> append* ...
 *        |          |            |
 *        +- drop ---+            +-- failed: take_back
 *
 * Records appended since the last sync are a group, in memory; sync writes and fdatasyncs it. The
 * first record of a group says so: what stands before it was durable when it was written. So a
 * tail torn by a crash can be told from a damage: a torn one has no beginning of a group after it.
 * A torn tail is cut off and reported. Any other break of the chain, a missing segment, or no
 * journal beside a store that is not empty, is an error; with accept_loss the old segments are
 * moved to <path>/journal.lost-<seconds>/ and a new chain begins with a record of the loss, into
 * which every old record that still reads well is carried over: losing a revocation would widen
 * what may leave.
 *
 * Growth:     a record for each new link, and for each tag that moved: what is pulled again adds
 * none. All of it is verified at each start, before serving: 1.7 million records (270 MB) a second
 * on one core, so that two seconds are reached at about three million. It is not compacted: the
 * history of tags and the acts of revocation are its purpose.
 *
 * Failure:    STORE_IO with a sentence for the operator. A write or sync that fails: the group is
 *             gone, the file is cut back, or, where that fails, left behind by a new segment.
 * Threads:    open: before threads. append, sync, drop, take_back: the writer's. read: any one
 *             thread at a time beside the writer's; it sees what was synced when it began.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "oci/digest.h"

#define JOURNAL_SEGMENT_BYTES ((uint64_t)16 << 20) /* a new one is begun after so many */
#define JOURNAL_GROUP_MAX     ((size_t)4 << 20)
#define JOURNAL_REPO_MAX      640
#define JOURNAL_NAME_MAX      256
#define JOURNAL_MORE_MAX      2048

enum journal_kind {
    JOURNAL_BEGIN = 1,    /* the first of a segment; never seen by readers */
    JOURNAL_LOSS = 2,     /* more: what was lost */
    JOURNAL_TAG = 3,      /* repo, name: the tag; digest: what it is from now on */
    JOURNAL_TAG_GONE = 4, /* repo, name */
    JOURNAL_LINK = 5,     /* repo, digest; name: media type of a manifest; number: size;
                             more: "manifest", "blob", or "shown" (see cache/proof) */
    JOURNAL_LINK_GONE = 6,
    JOURNAL_PIN = 7, /* repo, name: tag or empty; digest; more: who and why */
    JOURNAL_UNPIN = 8,
    JOURNAL_REVOKE = 9, /* digest; more: who and why */
    JOURNAL_UNREVOKE = 10,
    JOURNAL_IMMUTABLE = 11, /* repo, name: a tag that may not move from digest */
    JOURNAL_MUTABLE = 12,   /* repo, name: an operator's word: what the tag was is forgotten */
    JOURNAL_RETENTION = 13, /* what retention took away, and by which rule: more */
    JOURNAL_FEED = 14, /* name: a feed of revocations; number: its serial; more: epoch and expiry */
};
#define JOURNAL_KIND_LAST JOURNAL_FEED

struct journal_record {
    enum journal_kind kind;
    uint64_t seq; /* given by append */
    int64_t when_s;
    struct sl repo, name, more;
    uint64_t number;
    bool has_digest;
    struct digest digest;
};

struct journal;

struct journal_config {
    int dir_fd;        /* the store's directory, in which journal/ is; borrowed */
    const char *path;  /* the store's path, for messages */
    bool store_is_new; /* there is nothing in the store: a missing journal is begun */
    bool accept_loss;
    bool read_only; /* verifies, changes nothing; a torn tail is skipped */
    int64_t now_s;
};

/* What open found, for the log and for fsck. */
struct journal_found {
    uint64_t records, segments, bytes;
    uint64_t torn_bytes; /* cut off the end */
    bool lost;           /* a loss was accepted now */
};

/* Reads and verifies the whole chain. */
PG_MUST_USE int journal_open(const struct journal_config *config, struct journal **journal_r,
                             struct journal_found *found_r, struct pg_err *err);
void journal_close(struct journal *j); /* NULL is allowed */

/* Takes the record into the group. -1: the group or the record is too large. */
PG_MUST_USE int journal_append(struct journal *j, const struct journal_record *r,
                               struct pg_err *err);
PG_MUST_USE int journal_sync(struct journal *j, struct pg_err *err); /* an empty group: nothing */
void journal_drop(struct journal *j);      /* forgets what was appended and not synced */
void journal_take_back(struct journal *j); /* the commit failed: unsays the group synced last */

uint64_t journal_seq(struct journal *j); /* of the last record, appended ones included; as append
                                            may ask before the writer runs */

/* Hands each record with seq > after to each(), in order; its slices die when each() returns.
 * each() returns 0 to go on, 1 to stop, -1 with *err. */
typedef int journal_each(void *arg, const struct journal_record *r, struct pg_err *err);
PG_MUST_USE int journal_read(struct journal *j, uint64_t after, journal_each *each, void *arg,
                             struct pg_err *err);
