/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unknown - what upstreams said they do not have, for a moment: whoever asks for the same again
 * within UNKNOWN_MS is told so without asking. Only a plain "there is no such thing" (404, 410,
 * 451) of the upstream itself is noted; that it lets us not in, or fails, says nothing of content.
 *
 * What a HEAD does not find may be found by GET (some registries know no HEAD), so that a blob's
 * HEAD is of a kind of its own.
 *
 * Bounded: UNKNOWN_MAX of them, the oldest goes first. A revision of the configuration knows
 * nothing of those before it.
 *
 * Threads: confined. The caller tells the time.
 */
#pragma once

#include "base/list.h"
#include "base/map.h"

#define UNKNOWN_MS  10000
#define UNKNOWN_MAX 4096

enum unknown_kind { UNKNOWN_MANIFEST, UNKNOWN_BLOB, UNKNOWN_BLOB_HEAD, UNKNOWN_REPO };

struct unknown_key {
    uint64_t revision;
    enum unknown_kind kind;
    struct sl upstream, repo, reference; /* reference: empty with REPO */
};

struct unknown_table {
    struct pg_map all;
    struct pg_list oldest; /* the one that was noted first is the first */
};

void unknown_open(struct unknown_table *t);
void unknown_close(struct unknown_table *t);

void unknown_note(struct unknown_table *t, const struct unknown_key *key, uint64_t now_ms);
bool unknown_has(struct unknown_table *t, const struct unknown_key *key, uint64_t now_ms);
/* All of a repository. */
void unknown_forget(struct unknown_table *t, struct sl upstream, struct sl repo);
