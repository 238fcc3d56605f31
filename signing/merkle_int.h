/* SPDX-License-Identifier: Apache-2.0 */
/* merkle - is this leaf in that tree? (RFC 6962, SHA-256.) Pure. */
#pragma once

#include <stdint.h>

#include "base/check.h"
#include "base/slice.h"

#define MERKLE_HASHES_MAX 64

/* hashes: of 32 bytes each; index of leaf in a tree of size. The root is theirs if and only if
 * the result is root. */
PG_MUST_USE bool merkle_proves(struct sl leaf, int64_t index, int64_t size,
                               const uint8_t (*hashes)[32], size_t nhashes, const uint8_t root[32]);
