/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/journal_record_int.h"

#include <xxhash.h>

#include "base/hash.h"
#include "cache/key.h"

#define MAGIC       0x524a4750u /* "PGJR" */
#define VERSION     1
#define FIXED_BYTES 44
#define SUM_BYTES   8
#define TAIL_BYTES  (SUM_BYTES + JOURNAL_RECORD_HASH)

_Static_assert(FIXED_BYTES + KEY_DIGEST_MAX + JOURNAL_REPO_MAX + JOURNAL_NAME_MAX +
                       JOURNAL_MORE_MAX + TAIL_BYTES <=
                   JOURNAL_RECORD_MAX,
               "the longest record fits");

static void put_uint(char **out, uint64_t value, unsigned nbytes)
{
    for (unsigned i = 0; i < nbytes; i++)
        *(*out)++ = (char)(value >> (8 * i));
}

static void put_bytes(char **out, struct sl s)
{
    if (s.n > 0)
        memcpy(*out, s.p, s.n);
    *out += s.n;
}

static uint64_t get_uint(const char *p, unsigned nbytes)
{
    uint64_t value = 0;

    for (unsigned i = nbytes; i > 0; i--)
        value = value << 8 | (uint8_t)p[i - 1];
    return value;
}

static void chain(struct journal_record_hash *hash, struct sl bytes)
{
    struct pg_hash *h = pg_hash_new(PG_SHA256);

    pg_hash_update(h, hash->bytes, sizeof(hash->bytes));
    pg_hash_update(h, bytes.p, bytes.n);
    pg_hash_final(h, hash->bytes);
    pg_hash_free(h);
}

size_t journal_record_write(const struct journal_record *r, uint8_t flags,
                            struct journal_record_hash *hash, char out[JOURNAL_RECORD_MAX])
{
    struct key digest = {0};
    char *p = out;
    size_t n;

    PG_CHECK(r->repo.n <= JOURNAL_REPO_MAX && r->name.n <= JOURNAL_NAME_MAX &&
             r->more.n <= JOURNAL_MORE_MAX);
    if (r->has_digest)
        digest = key_of_digest(&r->digest);
    n = FIXED_BYTES + digest.n + r->repo.n + r->name.n + r->more.n + TAIL_BYTES;
    put_uint(&p, MAGIC, 4);
    put_uint(&p, n, 4);
    put_uint(&p, VERSION, 1);
    put_uint(&p, (uint64_t)r->kind, 1);
    put_uint(&p, flags, 1);
    put_uint(&p, digest.n, 1);
    put_uint(&p, r->seq, 8);
    put_uint(&p, (uint64_t)r->when_s, 8);
    put_uint(&p, r->number, 8);
    put_uint(&p, r->repo.n, 2);
    put_uint(&p, r->name.n, 2);
    put_uint(&p, r->more.n, 2);
    put_uint(&p, 0, 2);
    PG_CHECK(p - out == FIXED_BYTES);
    put_bytes(&p, key_sl(&digest));
    put_bytes(&p, r->repo);
    put_bytes(&p, r->name);
    put_bytes(&p, r->more);
    put_uint(&p, XXH3_64bits(out, (size_t)(p - out)), SUM_BYTES);
    chain(hash, (struct sl){out, (size_t)(p - out)});
    put_bytes(&p, (struct sl){(const char *)hash->bytes, sizeof(hash->bytes)});
    PG_CHECK((size_t)(p - out) == n);
    return n;
}

/* The texts behind the fixed part, whose lengths make up n exactly. */
static int read_texts(struct sl bytes, size_t n, struct journal_record *r)
{
    const char *p = bytes.p + FIXED_BYTES;
    size_t ndigest = (uint8_t)bytes.p[11];

    r->repo.n = (size_t)get_uint(bytes.p + 36, 2);
    r->name.n = (size_t)get_uint(bytes.p + 38, 2);
    r->more.n = (size_t)get_uint(bytes.p + 40, 2);
    if (get_uint(bytes.p + 42, 2) != 0 || r->repo.n > JOURNAL_REPO_MAX ||
        r->name.n > JOURNAL_NAME_MAX || r->more.n > JOURNAL_MORE_MAX ||
        FIXED_BYTES + ndigest + r->repo.n + r->name.n + r->more.n + TAIL_BYTES != n)
        return -1;
    r->has_digest = ndigest > 0;
    if (r->has_digest && key_read_digest((struct sl){p, ndigest}, &r->digest) < 0)
        return -1;
    r->repo.p = p + ndigest;
    r->name.p = r->repo.p + r->repo.n;
    r->more.p = r->name.p + r->name.n;
    return 0;
}

int journal_record_read(struct sl bytes, struct journal_record *r, uint8_t *flags_r, size_t *n_r)
{
    struct journal_record read = {0};
    size_t n, summed;
    uint64_t kind;

    if (bytes.n >= 4 && get_uint(bytes.p, 4) != MAGIC)
        return -1;
    if (bytes.n < FIXED_BYTES)
        return 0;
    n = (size_t)get_uint(bytes.p + 4, 4);
    kind = (uint8_t)bytes.p[9];
    if (n < FIXED_BYTES + TAIL_BYTES || n > JOURNAL_RECORD_MAX || bytes.p[8] != VERSION ||
        kind < JOURNAL_BEGIN || kind > JOURNAL_KIND_LAST)
        return -1;
    if (bytes.n < n)
        return 0;
    summed = n - TAIL_BYTES;
    if (get_uint(bytes.p + summed, SUM_BYTES) != XXH3_64bits(bytes.p, summed) ||
        read_texts(bytes, n, &read) < 0)
        return -1;
    read.kind = (enum journal_kind)kind;
    read.seq = get_uint(bytes.p + 12, 8);
    read.when_s = (int64_t)get_uint(bytes.p + 20, 8);
    read.number = get_uint(bytes.p + 28, 8);
    *r = read;
    *flags_r = (uint8_t)bytes.p[10];
    *n_r = n;
    return 1;
}

bool journal_record_follows(struct sl record, struct journal_record_hash *hash)
{
    struct journal_record_hash now = *hash;
    size_t hashed = record.n - JOURNAL_RECORD_HASH;

    chain(&now, (struct sl){record.p, hashed});
    if (memcmp(now.bytes, record.p + hashed, sizeof(now.bytes)) != 0)
        return false;
    *hash = now;
    return true;
}
