/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash - SHA-256 and SHA-512 streams over EVP; the algorithms are fetched once, at pg_hash_setup().
 *
 * Ownership:  pg_hash_new() / pg_hash_free(). pg_hash_final() ends the stream; free it after.
 * Failure:    OpenSSL failing here means a broken installation or no memory: PG_CHECK.
 * Threads:    a stream belongs to one thread at a time; setup is called before any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define PG_HASH_BYTES_MAX 64

enum pg_hash_alg { PG_SHA256, PG_SHA512 };

struct pg_hash;

void pg_hash_setup(void);                   /* idempotent */
size_t pg_hash_bytes(enum pg_hash_alg alg); /* 32 or 64 */
struct pg_hash *pg_hash_new(enum pg_hash_alg alg);
void pg_hash_update(struct pg_hash *h, const void *p, size_t n);
void pg_hash_final(struct pg_hash *h, uint8_t *out_r); /* pg_hash_bytes(alg) bytes */
void pg_hash_free(struct pg_hash *h);                  /* NULL is allowed */
void pg_hash_once(enum pg_hash_alg alg, struct sl bytes, uint8_t *out_r);
