/* SPDX-License-Identifier: Apache-2.0 */
/*
 * byteranges - several ranges of a blob as one body, multipart/byteranges (RFC 9110 section 14.6):
 * its type and the texts that stand between the ranges. The boundary is new each time, and cannot
 * be guessed: no blob can contain it but by chance. Pure; any thread.
 */
#pragma once

#include "base/arena.h"
#include "oci/range.h"
#include "proxy/http/send.h"

struct byteranges {
    struct sl type; /* the Content-Type, with the boundary */
    struct send_parts parts;
};

/* All of it in the arena. list: at least one range, each within size. */
const struct byteranges *byteranges_make(struct pg_arena *arena, const struct range_list *list,
                                         uint64_t size);
