/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_record - one record of the journal as bytes:
 *
 *     magic 4 | length 4 | version 1 | kind 1 | flags 1 | digest's length 1
 *     seq 8 | when 8 | number 8 | lengths of repo, name, more 2 each | zero 2
 *     digest, repo, name, more | XXH3-64 of all before 8 | SHA-256 of the chain 32
 *
 * Numbers are little endian. The checksum says whether these bytes are a record, the hash whether
 * it follows the one before it: SHA-256 over that one's hash and all of this before its own.
 *
 * Threads: pure; any. What is read points into the bytes.
 */
#pragma once

#include "cache/journal.h"

#define JOURNAL_RECORD_MAX   4096
#define JOURNAL_RECORD_HASH  32
#define JOURNAL_RECORD_GROUP 1 /* flag: what is before it was durable when it was written */

struct journal_record_hash {
    uint8_t bytes[JOURNAL_RECORD_HASH];
};

/* Returns its length; *hash is that of the record before and becomes this one's. The texts fit
 * (journal_append() checks). */
size_t journal_record_write(const struct journal_record *r, uint8_t flags,
                            struct journal_record_hash *hash, char out[JOURNAL_RECORD_MAX]);

/* 1 a record, *n_r bytes of them; 0 the bytes end before the record does; -1 no record. */
int journal_record_read(struct sl bytes, struct journal_record *r, uint8_t *flags_r, size_t *n_r);

/* Is it the one after *hash? Then *hash becomes its own. record: exactly the n bytes. */
bool journal_record_follows(struct sl record, struct journal_record_hash *hash);
