/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry - one event of the audit log: a decision about something that was asked for, an act of an
 * administrator, or something about the log itself. As bytes it is one line of JSON with the
 * members of entry_table.h in their order: there is one text for an entry and one entry for a text.
 *
 * Secrets have no place in it: it has no member for headers, URLs or credentials.
 *
 * Ownership:  slices of a struct that is to be written are the caller's; of one that was read, its
 *             own: entry_free().
 * Failure:    writing: none. What is too long is cut; what is not UTF-8, and NUL, becomes U+FFFD.
 *             Reading: BAD_FRAMING, what is wrong.
 * Threads:    any; pure.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "audit/entry_table.h"
#include "base/buf.h"
#include "base/err.h"

#define ENTRY_LINE_MAX ((size_t)65536) /* six bytes for each of all texts, and the rest */

enum entry_kind {
#define X(id, name) ENTRY_##id,
    ENTRY_KINDS(X)
#undef X
        ENTRY_NKINDS
};

enum entry_text {
#define X(id, name, max) ENTRY_TEXT_##id,
    ENTRY_TEXTS(X)
#undef X
        ENTRY_NTEXTS
};

enum entry_number {
#define X(id, name) ENTRY_NUMBER_##id,
    ENTRY_NUMBERS(X)
#undef X
        ENTRY_NNUMBERS
};

struct entry {
    enum entry_kind kind;
    uint64_t seq;    /* 1, 2, ... in the order of the log */
    int64_t when_ms; /* wall clock */
    struct sl text[ENTRY_NTEXTS];
    uint64_t number[ENTRY_NNUMBERS];
    json_t *root; /* of one that was read */
};

/* Appends it, without a line's end. */
void entry_write(const struct entry *e, struct pg_buf *out);
/* Of exactly what entry_write() makes; text need not outlive it. */
PG_MUST_USE int entry_read(struct sl text, struct entry *e_r, struct pg_err *err);
void entry_free(struct entry *e);

/* The number in front of such a text, without reading the rest; 0: there is none. */
uint64_t entry_seq(struct sl text);

const char *entry_kind_name(enum entry_kind kind);
const char *entry_text_name(enum entry_text text);
size_t entry_text_max(enum entry_text text);

#define ENTRY_HEX_MAX 129
/* Lower-case hexadecimal digits and a NUL. */
struct sl entry_hex(const uint8_t *bytes, size_t n, char out[ENTRY_HEX_MAX]);
/* Exactly n bytes of lower-case digits. */
bool entry_unhex(struct sl digits, uint8_t *bytes_r, size_t n);

/* "2026-01-31T23:59:59.999Z". False: it is nothing of the kind. */
bool entry_time(struct sl text, int64_t *ms_r);
