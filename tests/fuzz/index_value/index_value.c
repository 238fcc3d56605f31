/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the index as a damaged disk may give them: first byte the table, second the length of
 * the key, then key and value. What reads well, reads the same when it is written again.
 */
#include <stdlib.h>

#include "cache/index_value_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_again(struct pg_buf *b, struct sl body)
{
    PG_CHECK(!b->over && b->n == body.n + 1);
    PG_CHECK(memcmp(b->p + 1, body.p, body.n) == 0);
}

/* What has a field that may be written in one way only. */
static void write_again(enum index_table table, struct sl body)
{
    struct index_blob blob;
    struct index_manifest manifest;
    struct index_link link;
    struct index_tag tag;
    struct past past;
    struct pg_buf b;

    pg_buf_init(&b, INDEX_VALUE_MAX);
    index_value_begin(&b);
    if (table == INDEX_TABLE_BLOB && index_value_read_blob(body, &blob) == 0) {
        index_value_put_blob(&b, &blob);
        same_again(&b, body);
    } else if (table == INDEX_TABLE_MANIFEST && index_value_read_manifest(body, &manifest) == 0) {
        index_value_put_manifest(&b, &manifest);
        same_again(&b, body);
    } else if (table == INDEX_TABLE_LINK && index_value_read_link(body, &link) == 0) {
        index_value_put_link(&b, &link);
        same_again(&b, body);
    } else if (table == INDEX_TABLE_TAG && index_value_read_tag(body, &tag) == 0) {
        index_value_put_tag(&b, &tag);
        same_again(&b, body);
    } else if (table == INDEX_TABLE_PAST && index_value_read_past(body, &past) == 0) {
        index_value_put_past(&b, &past);
        same_again(&b, body);
    }
    pg_buf_free(&b);
}

/* The checksum is made right, so that what is behind it is reached. */
static void seal(enum index_table table, struct sl key, struct sl body)
{
    struct pg_buf b;
    struct sl opened;

    pg_buf_init(&b, INDEX_VALUE_MAX);
    index_value_begin(&b);
    PG_CHECK(pg_buf_put(&b, body) == 0);
    index_value_seal(&b, table, key);
    PG_CHECK(index_value_open(pg_buf_sl(&b), table, key, &opened) == 0);
    PG_CHECK(sl_eq(opened, body));
    (void)index_value_is_sound(table, key, pg_buf_sl(&b));
    pg_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum index_table table;
    struct sl key, value;

    if (size < 2 || size > 65536)
        return 0;
    pg_hash_setup();
    table = (enum index_table)(data[0] % INDEX_TABLES);
    key.p = (const char *)data + 2;
    key.n = data[1] < size - 2 ? data[1] : size - 2;
    value = (struct sl){key.p + key.n, size - 2 - key.n};
    (void)index_value_is_sound(table, key, value);
    write_again(table, value);
    seal(table, key, value);
    return 0;
}
