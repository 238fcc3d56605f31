/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed - a signed list of what is taken back: a DSSE envelope of payloadType FEED_TYPE, by one key,
 * over
 *
 *     {"epoch": 1, "serial": 42, "expires": "2026-12-01T00:00:00Z", "entries": [
 *        {"digest": "sha256:...", "reason": "steals tokens"},
 *        {"layer": "sha256:..."}, {"key": "<64 hex digits>"}, {"identity": "ci@example.com"},
 *        {"repository": "docker.io/library/evil"}]}
 *
 * Each edition says all, and has a greater (epoch, serial) than the one before. It is for who reads
 * it to remember that, and to look at expires; here it is said what the edition says, and that the
 * key signed it.
 *
 * Ownership:  slices are in the arena.
 * Failure:    DENIED: no signature by this key. UPSTREAM_WRONG: what is wrong with it; all of it is
 *             refused then: a member that is not known might matter.
 * Threads:    pure.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

#define FEED_TYPE        "application/vnd.pullgate.revocations+json"
#define FEED_BYTES_MAX   ((size_t)4 << 20)
#define FEED_ENTRIES_MAX 10000
#define FEED_REASON_MAX  300
#define FEED_ARENA_BYTES ((size_t)32 << 20)

enum feed_kind { FEED_DIGEST, FEED_LAYER, FEED_KEY, FEED_IDENTITY, FEED_REPOSITORY };

struct feed_entry {
    enum feed_kind kind;
    struct sl what, reason; /* reason: "" where none is given */
};

struct feed {
    uint64_t epoch, serial;
    int64_t expires_s;
    uint8_t sha256[32]; /* of all that it says */
    struct feed_entry *entries;
    size_t n;
};

/* key: PEM, as of the file key_file. */
PG_MUST_USE int feed_read(struct sl envelope, struct sl key, const char *key_file,
                          struct pg_arena *arena, struct feed *feed_r, struct pg_err *err);
/* What is in the envelope; f is {0}. Nobody has vouched for it. */
PG_MUST_USE int feed_parse(struct sl payload, struct pg_arena *arena, struct feed *f,
                           struct pg_err *err);
/* Whether a key is one. */
PG_MUST_USE int feed_check_key(struct sl key, const char *key_file, struct pg_err *err);
