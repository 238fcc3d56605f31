/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest - the name of content: an algorithm and a value (OCI image-spec 1.1, descriptor.md).
 * sha256 with 64 and sha512 with 128 lower-case hexadecimal digits; everything else is refused.
 *
 * A struct digest is a value: copied by assignment, unused bytes are zero, compared with
 * digest_eq(). Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/slice.h"

#define DIGEST_TEXT_MAX 136 /* "sha512:", 128 digits, NUL */

struct digest {
    enum pg_hash_alg alg;
    uint8_t bytes[PG_HASH_BYTES_MAX];
};

/* DIGEST_INVALID with what was wrong: the algorithm, the length or a character. */
PG_MUST_USE int digest_parse(struct sl text, struct digest *digest_r, struct pg_err *err);
bool digest_looks_like(struct sl text); /* has a ':': it cannot be a tag */

struct digest digest_of(enum pg_hash_alg alg, struct sl bytes);
bool digest_eq(const struct digest *a, const struct digest *b);
size_t digest_bytes(const struct digest *d); /* 32 or 64 */

/* Writes "sha256:..." and a NUL; returns the text, which lives in out. */
struct sl digest_write(const struct digest *d, char out[DIGEST_TEXT_MAX]);
const char *digest_alg_name(enum pg_hash_alg alg);
