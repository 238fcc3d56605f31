/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal - the key that the audit log is signed with: Ed25519, made at the first start, in the
 * files `key` (PEM, mode 0600) and `key.pub` of the log's directory.
 *
 * Signed is the entry's text without its signature, with a line in front that no other protocol
 * has. Whoever has the key can sign another log: what protects from that is a head that was kept
 * elsewhere.
 *
 * Ownership:  seal_open() to seal_free().
 * Failure:    STORE_IO with the file's name and what to do.
 * Threads:    seal_sign: one at a time. The rest: any.
 */
#pragma once

#include "audit/entry.h"

#define SEAL_KEY 32

struct seal;

/* The key, or, where there is none, a new one; *is_new_r says so. path: the directory's. */
PG_MUST_USE int seal_open(int dir_fd, const char *path, struct seal **seal_r, bool *is_new_r,
                          struct pg_err *err);
void seal_free(struct seal *s); /* NULL is allowed */

/* Sets key and signature; their slices are the seal's, until the next call. */
void seal_sign(struct seal *s, struct entry *e);

/* Does the entry bear a signature of the key that it names; and, unless NULL, of this one? */
bool seal_is_good(const struct entry *e, const uint8_t key[SEAL_KEY]);

/* Of the file key.pub, or one like it: PEM. */
PG_MUST_USE int seal_read_key(struct sl pem, uint8_t key_r[SEAL_KEY], struct pg_err *err);
