/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - the keys of the index: one function to write each, one to read it. LMDB orders keys by
 * their bytes, so the encoding is also the order in which a table is walked.
 *
 *     digest      algorithm (1), value (32 or 64)            blob, manifest
 *     repository  SHA-256 of the canonical name (32)         repo
 *     link        repository, digest
 *     tag         repository, tag
 *     tagged      repository, digest, tag
 *     edge        digest, kind (1), digest
 *     memo        digest, kind (text)
 *     event       seconds (8, big endian), number (8, big endian)
 *     name        text                                        meta
 *
 * A repository's name is hashed whole, since a name may be longer than an LMDB key and two
 * repositories must never share a row. Every key fits KEY_MAX by construction.
 *
 * Failure:  writing cannot fail, its input was checked by the caller (PG_CHECK). Reading returns
 *           -1 for bytes that no writer makes: the row is damaged.
 * Threads:  pure; any.
 */
#pragma once

#include <stdint.h>

#include "base/check.h"
#include "base/slice.h"
#include "oci/digest.h"

#define KEY_MAX        511 /* LMDB's own limit */
#define KEY_REPO       32
#define KEY_TAG_MAX    128
#define KEY_KIND_MAX   64
#define KEY_NAME_MAX   64
#define KEY_DIGEST_MAX (1 + PG_HASH_BYTES_MAX)

struct key {
    size_t n;
    char p[KEY_MAX];
};

static inline struct sl key_sl(const struct key *k)
{
    return (struct sl){k->p, k->n};
}

struct key_repo {
    uint8_t hash[KEY_REPO];
};
struct key_repo key_repo_of(struct sl repo);

struct key key_of_digest(const struct digest *d);
struct key key_of_repo(const struct key_repo *repo);
struct key key_of_link(const struct key_repo *repo, const struct digest *d);
struct key key_of_tag(const struct key_repo *repo, struct sl tag);
/* tag {NULL, 0}: before the first */
struct key key_of_tagged(const struct key_repo *repo, const struct digest *d, struct sl tag);
struct key key_of_edge(const struct digest *from, uint8_t kind, const struct digest *to);
struct key key_of_memo(const struct digest *d, struct sl kind);
struct key key_of_event(int64_t when_s, uint64_t number);
struct key key_of_name(struct sl name);

PG_MUST_USE int key_read_digest(struct sl key, struct digest *d_r);
PG_MUST_USE int key_read_repo(struct sl key, struct key_repo *repo_r);
PG_MUST_USE int key_read_link(struct sl key, struct key_repo *repo_r, struct digest *d_r);
PG_MUST_USE int key_read_tag(struct sl key, struct key_repo *repo_r, struct sl *tag_r);
PG_MUST_USE int key_read_tagged(struct sl key, struct key_repo *repo_r, struct digest *d_r,
                                struct sl *tag_r);
PG_MUST_USE int key_read_edge(struct sl key, struct digest *from_r, uint8_t *kind_r,
                              struct digest *to_r);
PG_MUST_USE int key_read_memo(struct sl key, struct digest *d_r, struct sl *kind_r);
PG_MUST_USE int key_read_event(struct sl key, int64_t *when_s_r, uint64_t *number_r);
PG_MUST_USE int key_read_name(struct sl key, struct sl *name_r);
