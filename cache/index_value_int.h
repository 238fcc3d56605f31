/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index_value - what stands behind a key of the index: a version byte, the fields, little endian,
 * and a checksum over table, key and all that is before it, so that neither a flipped bit nor a
 * row in another's place is believed.
 *
 *     index_value_begin(b); index_value_put_tag(b, &tag); index_value_seal(b, table, key);
 *     index_value_open(value, table, key, &body) == 0 && index_value_read_tag(body, &tag) == 0
 *
 * Failure:  put: what does not fit sets b->over. open, read: -1 for what no writer makes.
 * Threads:  pure; any. Slices of what was read point into the body.
 */
#pragma once

#include "base/buf.h"
#include "cache/index_int.h"
#include "cache/past.h"

#define INDEX_VALUE_MAX ((size_t)16 << 20)

/* In the checksums on disk: never renumber. */
enum index_table {
    INDEX_TABLE_META,
    INDEX_TABLE_BLOB,
    INDEX_TABLE_MANIFEST,
    INDEX_TABLE_REPO,
    INDEX_TABLE_LINK,
    INDEX_TABLE_TAG,
    INDEX_TABLE_EDGE,
    INDEX_TABLE_REDGE,
    INDEX_TABLE_MEMO,
    INDEX_TABLE_EVENT,
    INDEX_TABLE_TAGGED,
    INDEX_TABLE_PAST,
    INDEX_TABLES
};

void index_value_begin(struct pg_buf *b);
void index_value_seal(struct pg_buf *b, enum index_table table, struct sl key);
PG_MUST_USE int index_value_open(struct sl value, enum index_table table, struct sl key,
                                 struct sl *body_r);

void index_value_put_blob(struct pg_buf *b, const struct index_blob *v);
void index_value_put_manifest(struct pg_buf *b, const struct index_manifest *v);
void index_value_put_link(struct pg_buf *b, const struct index_link *v);
void index_value_put_tag(struct pg_buf *b, const struct index_tag *v);
void index_value_put_memo(struct pg_buf *b, const struct index_memo *v);
void index_value_put_event(struct pg_buf *b, const struct index_event *v);
void index_value_put_past(struct pg_buf *b, const struct past *v);
void index_value_put_u64(struct pg_buf *b, uint64_t v);

PG_MUST_USE int index_value_read_blob(struct sl body, struct index_blob *r);
PG_MUST_USE int index_value_read_manifest(struct sl body, struct index_manifest *r);
PG_MUST_USE int index_value_read_link(struct sl body, struct index_link *r);
PG_MUST_USE int index_value_read_tag(struct sl body, struct index_tag *r);
PG_MUST_USE int index_value_read_memo(struct sl body, struct index_memo *r);
PG_MUST_USE int index_value_read_event(struct sl body, struct index_event *r); /* not when_s */
PG_MUST_USE int index_value_read_past(struct sl body, struct past *r);
PG_MUST_USE int index_value_read_u64(struct sl body, uint64_t *r);

/* Do key and value of a row read well, whatever is in them? */
bool index_value_is_sound(enum index_table table, struct sl key, struct sl value);
