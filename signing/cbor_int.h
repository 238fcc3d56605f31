/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cbor - as much of RFC 8949 as COSE needs, and only its deterministic form: definite lengths,
 * numbers as short as they can be, text in UTF-8, no key of a map twice, no floating point, at most
 * CBOR_DEPTH_MAX levels and CBOR_ENTRIES_MAX entries in a map. So that equal things have equal
 * bytes.
 *
 * Threads:    pure; slices into the same bytes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/slice.h"

#define CBOR_DEPTH_MAX   8
#define CBOR_ENTRIES_MAX 64

/* The major types, by their numbers. */
enum cbor_kind {
    CBOR_UINT,
    CBOR_NEGATIVE, /* the value is -1 - n */
    CBOR_BYTES,
    CBOR_TEXT,
    CBOR_ARRAY,
    CBOR_MAP,
    CBOR_TAG, /* what it tags comes next */
    CBOR_SIMPLE,
};

struct cbor_item {
    enum cbor_kind kind;
    uint64_t n;      /* the number; how many items or entries follow */
    struct sl bytes; /* of BYTES and TEXT */
};

/* Takes off the next item; of an array, a map or a tag only its beginning. */
PG_MUST_USE bool cbor_take(struct sl *in, struct cbor_item *item_r);
/* Takes off an item of this kind; else *in is untouched. */
PG_MUST_USE bool cbor_take_kind(struct sl *in, enum cbor_kind kind, struct cbor_item *item_r);
/* Takes off one whole item, with all that is in it: its bytes. */
PG_MUST_USE bool cbor_take_whole(struct sl *in, struct sl *whole_r);
/* A number between -2^63 and 2^63 - 1. */
PG_MUST_USE bool cbor_int64(const struct cbor_item *item, int64_t *value_r);
