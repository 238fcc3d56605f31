/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/index_value_int.h"

#include <xxhash.h>

#include "base/packed.h"

#define VERSION    1
#define SUM_BYTES  8
#define TEXT_BYTES 4 /* of its length */

static uint64_t sum_of(enum index_table table, struct sl key, struct sl value)
{
    return XXH3_64bits_withSeed(value.p, value.n,
                                XXH3_64bits_withSeed(key.p, key.n, (uint64_t)table));
}

/* As in a key, with its length, so that a reader need not know the algorithms. */
static void put_digest(struct pg_buf *b, const struct digest *d)
{
    struct key k = key_of_digest(d);

    pg_packed_put_uint(b, k.n, 1);
    (void)pg_buf_put(b, key_sl(&k));
}

static bool read_bool(struct pg_packed *r)
{
    uint64_t value = pg_packed_uint(r, 1);

    r->bad |= value > 1;
    return value == 1;
}

static void read_digest(struct pg_packed *r, struct digest *d)
{
    struct sl s = pg_packed_bytes(r, (size_t)pg_packed_uint(r, 1));

    *d = (struct digest){0};
    r->bad |= key_read_digest(s, d) < 0;
}

static int read_end(const struct pg_packed *r)
{
    return r->bad || r->rest.n > 0 ? -1 : 0;
}

void index_value_begin(struct pg_buf *b)
{
    pg_buf_clear(b);
    pg_packed_put_uint(b, VERSION, 1);
}

void index_value_seal(struct pg_buf *b, enum index_table table, struct sl key)
{
    pg_packed_put_uint(b, sum_of(table, key, pg_buf_sl(b)), SUM_BYTES);
}

int index_value_open(struct sl value, enum index_table table, struct sl key, struct sl *body_r)
{
    struct pg_packed sum;
    struct sl summed;

    if (value.n < 1 + SUM_BYTES || value.p[0] != VERSION)
        return -1;
    summed = (struct sl){value.p, value.n - SUM_BYTES};
    sum = (struct pg_packed){.rest = {value.p + summed.n, SUM_BYTES}};
    if (pg_packed_uint(&sum, SUM_BYTES) != sum_of(table, key, summed))
        return -1;
    *body_r = (struct sl){summed.p + 1, summed.n - 1};
    return 0;
}

void index_value_put_blob(struct pg_buf *b, const struct index_blob *v)
{
    pg_packed_put_uint(b, v->size, 8);
    put_digest(b, &v->sha256);
    pg_packed_put_uint(b, v->chunk_bytes, 4);
    pg_packed_put_text(b, v->chunk_sums, TEXT_BYTES);
}

int index_value_read_blob(struct sl body, struct index_blob *r)
{
    struct pg_packed in = {.rest = body};

    r->size = pg_packed_uint(&in, 8);
    read_digest(&in, &r->sha256);
    r->chunk_bytes = (uint32_t)pg_packed_uint(&in, 4);
    r->chunk_sums = pg_packed_text(&in, TEXT_BYTES);
    if (r->sha256.alg != PG_SHA256)
        return -1;
    if (r->chunk_bytes == 0)
        return r->chunk_sums.n == 0 ? read_end(&in) : -1;
    if (r->chunk_sums.n % 8 != 0 ||
        r->chunk_sums.n / 8 != r->size / r->chunk_bytes + (r->size % r->chunk_bytes != 0))
        return -1;
    return read_end(&in);
}

void index_value_put_manifest(struct pg_buf *b, const struct index_manifest *v)
{
    pg_packed_put_uint(b, v->kind, 1);
    put_digest(b, &v->sha256);
    pg_packed_put_text(b, v->media_type, TEXT_BYTES);
    pg_packed_put_text(b, v->bytes, TEXT_BYTES);
}

int index_value_read_manifest(struct sl body, struct index_manifest *r)
{
    struct pg_packed in = {.rest = body};
    uint64_t kind = pg_packed_uint(&in, 1);

    read_digest(&in, &r->sha256);
    r->media_type = pg_packed_text(&in, TEXT_BYTES);
    r->bytes = pg_packed_text(&in, TEXT_BYTES);
    if (kind > MANIFEST_OTHER || r->sha256.alg != PG_SHA256)
        return -1;
    r->kind = (enum manifest_kind)kind;
    return read_end(&in);
}

void index_value_put_link(struct pg_buf *b, const struct index_link *v)
{
    pg_packed_put_uint(b, v->kind, 1);
    pg_packed_put_uint(b, (uint64_t)v->first_seen_s, 8);
    pg_packed_put_uint(b, v->size, 8);
    pg_packed_put_uint(b, v->landed, 1);
}

int index_value_read_link(struct sl body, struct index_link *r)
{
    struct pg_packed in = {.rest = body};
    uint64_t kind = pg_packed_uint(&in, 1);

    r->first_seen_s = (int64_t)pg_packed_uint(&in, 8);
    r->size = pg_packed_uint(&in, 8);
    r->landed = read_bool(&in);
    if (kind > INDEX_LINK_BLOB)
        return -1;
    r->kind = (enum index_link_kind)kind;
    return read_end(&in);
}

void index_value_put_tag(struct pg_buf *b, const struct index_tag *v)
{
    put_digest(b, &v->digest);
    pg_packed_put_uint(b, (uint64_t)v->validated_s, 8);
    pg_packed_put_uint(b, (uint64_t)v->first_seen_s, 8);
}

int index_value_read_tag(struct sl body, struct index_tag *r)
{
    struct pg_packed in = {.rest = body};

    read_digest(&in, &r->digest);
    r->validated_s = (int64_t)pg_packed_uint(&in, 8);
    r->first_seen_s = (int64_t)pg_packed_uint(&in, 8);
    return read_end(&in);
}

void index_value_put_memo(struct pg_buf *b, const struct index_memo *v)
{
    pg_packed_put_uint(b, (uint64_t)v->expires_s, 8);
    pg_packed_put_text(b, v->bytes, TEXT_BYTES);
}

int index_value_read_memo(struct sl body, struct index_memo *r)
{
    struct pg_packed in = {.rest = body};

    r->expires_s = (int64_t)pg_packed_uint(&in, 8);
    r->bytes = pg_packed_text(&in, TEXT_BYTES);
    return read_end(&in);
}

void index_value_put_event(struct pg_buf *b, const struct index_event *v)
{
    put_digest(b, &v->digest);
    pg_packed_put_text(b, v->caller, TEXT_BYTES);
    pg_packed_put_text(b, v->repo, TEXT_BYTES);
    pg_packed_put_text(b, v->reference, TEXT_BYTES);
}

int index_value_read_event(struct sl body, struct index_event *r)
{
    struct pg_packed in = {.rest = body};

    read_digest(&in, &r->digest);
    r->caller = pg_packed_text(&in, TEXT_BYTES);
    r->repo = pg_packed_text(&in, TEXT_BYTES);
    r->reference = pg_packed_text(&in, TEXT_BYTES);
    return read_end(&in);
}

void index_value_put_past(struct pg_buf *b, const struct past *v)
{
    pg_packed_put_uint(b, v->n, 1);
    for (size_t i = 0; i < v->n; i++) {
        put_digest(b, &v->spells[i].digest);
        pg_packed_put_uint(b, (uint64_t)v->spells[i].since_s, 8);
        pg_packed_put_uint(b, (uint64_t)v->spells[i].until_s, 8);
        pg_packed_put_uint(b, (uint64_t)v->spells[i].asked_s, 8);
        pg_packed_put_uint(b, (v->spells[i].is_open ? 1u : 0u) | (v->spells[i].is_fixed ? 2u : 0u),
                           1);
    }
}

int index_value_read_past(struct sl body, struct past *r)
{
    struct pg_packed in = {.rest = body};

    *r = (struct past){.n = (size_t)pg_packed_uint(&in, 1)};
    if (r->n > PAST_SPELLS_MAX)
        return -1;
    for (size_t i = 0; i < r->n; i++) {
        struct past_spell *s = &r->spells[i];
        uint64_t flags;

        read_digest(&in, &s->digest);
        s->since_s = (int64_t)pg_packed_uint(&in, 8);
        s->until_s = (int64_t)pg_packed_uint(&in, 8);
        s->asked_s = (int64_t)pg_packed_uint(&in, 8);
        flags = pg_packed_uint(&in, 1);
        s->is_open = (flags & 1) != 0;
        s->is_fixed = (flags & 2) != 0;
        in.bad |= s->until_s < s->since_s || (s->is_open && i > 0) || flags > 3;
    }
    return read_end(&in);
}

void index_value_put_u64(struct pg_buf *b, uint64_t v)
{
    pg_packed_put_uint(b, v, 8);
}

int index_value_read_u64(struct sl body, uint64_t *r)
{
    struct pg_packed in = {.rest = body};

    *r = pg_packed_uint(&in, 8);
    return read_end(&in);
}

/* The name of a repository, as it is, under its hash. */
static bool repo_is_sound(struct sl key, struct sl body)
{
    struct key_repo repo, named;

    if (key_read_repo(key, &repo) < 0 || body.n == 0)
        return false;
    named = key_repo_of(body);
    return memcmp(&named, &repo, sizeof(repo)) == 0;
}

static bool edge_is_sound(struct sl key, struct sl body)
{
    struct digest from, to;
    uint8_t kind;

    return key_read_edge(key, &from, &kind, &to) == 0 && kind >= INDEX_EDGE_CONFIG &&
           kind <= INDEX_EDGE_SUBJECT && body.n == 0;
}

static bool named_is_sound(enum index_table table, struct sl key, struct sl body)
{
    struct digest d;
    struct key_repo repo;
    struct sl text;
    struct index_link link;
    struct index_tag tag;
    struct index_memo memo;
    struct past past;

    if (table == INDEX_TABLE_PAST)
        return key_read_tag(key, &repo, &text) == 0 && index_value_read_past(body, &past) == 0;
    if (table == INDEX_TABLE_TAGGED)
        return key_read_tagged(key, &repo, &d, &text) == 0 && body.n == 0;
    if (table == INDEX_TABLE_LINK)
        return key_read_link(key, &repo, &d) == 0 && index_value_read_link(body, &link) == 0;
    if (table == INDEX_TABLE_TAG)
        return key_read_tag(key, &repo, &text) == 0 && index_value_read_tag(body, &tag) == 0;
    return key_read_memo(key, &d, &text) == 0 && index_value_read_memo(body, &memo) == 0;
}

bool index_value_is_sound(enum index_table table, struct sl key, struct sl value)
{
    struct sl body, name;
    struct digest d;
    struct index_blob blob;
    struct index_manifest manifest;
    struct index_event event;
    uint64_t number;

    if (index_value_open(value, table, key, &body) < 0)
        return false;
    switch (table) {
    case INDEX_TABLE_META:
        return key_read_name(key, &name) == 0 && index_value_read_u64(body, &number) == 0;
    case INDEX_TABLE_BLOB:
        return key_read_digest(key, &d) == 0 && index_value_read_blob(body, &blob) == 0;
    case INDEX_TABLE_MANIFEST:
        return key_read_digest(key, &d) == 0 && index_value_read_manifest(body, &manifest) == 0;
    case INDEX_TABLE_REPO:
        return repo_is_sound(key, body);
    case INDEX_TABLE_LINK:
    case INDEX_TABLE_TAG:
    case INDEX_TABLE_TAGGED:
    case INDEX_TABLE_PAST:
    case INDEX_TABLE_MEMO:
        return named_is_sound(table, key, body);
    case INDEX_TABLE_EDGE:
    case INDEX_TABLE_REDGE:
        return edge_is_sound(key, body);
    case INDEX_TABLE_EVENT:
        return key_read_event(key, &event.when_s, &number) == 0 &&
               index_value_read_event(body, &event) == 0;
    case INDEX_TABLES:
        break;
    }
    PG_BUG("no such table");
}
