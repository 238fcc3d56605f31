/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/key.h"

#include <xxhash.h>

/* On disk, so not the enum's values. sha256 sorts first. */
#define ALG_SHA256 1
#define ALG_SHA512 2

/* The requests of a pull name one repository, so each thread keeps those it hashed last. */
#define KEPT      8 /* a power of two */
#define KEPT_NAME 280

struct kept {
    size_t n; /* 0: free */
    struct key_repo repo;
    char name[KEPT_NAME];
};

struct key_repo key_repo_of(struct sl repo)
{
    static _Thread_local struct kept kept[KEPT];
    struct kept *k = &kept[XXH3_64bits(repo.p, repo.n) & (KEPT - 1)];
    struct key_repo r;

    _Static_assert(sizeof(r.hash) == 32, "a whole SHA-256");
    PG_CHECK(repo.n > 0);
    if (sl_eq(repo, (struct sl){k->name, k->n}))
        return k->repo;
    pg_hash_once(PG_SHA256, repo, r.hash);
    if (repo.n <= KEPT_NAME) {
        k->n = repo.n;
        memcpy(k->name, repo.p, repo.n);
        k->repo = r;
    }
    return r;
}

static void add(struct key *k, const void *p, size_t n)
{
    PG_CHECK(n <= sizeof(k->p) - k->n);
    memcpy(k->p + k->n, p, n);
    k->n += n;
}

static void add_byte(struct key *k, uint8_t byte)
{
    add(k, &byte, 1);
}

static void add_u64(struct key *k, uint64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        add_byte(k, (uint8_t)(value >> shift));
}

static void add_digest(struct key *k, const struct digest *d)
{
    add_byte(k, d->alg == PG_SHA256 ? ALG_SHA256 : ALG_SHA512);
    add(k, d->bytes, pg_hash_bytes(d->alg));
}

struct key key_of_digest(const struct digest *d)
{
    struct key k PG_UNINITIALIZED;

    k.n = 0;
    add_digest(&k, d);
    return k;
}

struct key key_of_repo(const struct key_repo *repo)
{
    struct key k PG_UNINITIALIZED;

    k.n = 0;
    add(&k, repo->hash, sizeof(repo->hash));
    return k;
}

struct key key_of_link(const struct key_repo *repo, const struct digest *d)
{
    struct key k = key_of_repo(repo);

    add_digest(&k, d);
    return k;
}

struct key key_of_tag(const struct key_repo *repo, struct sl tag)
{
    struct key k = key_of_repo(repo);

    PG_CHECK(tag.n > 0 && tag.n <= KEY_TAG_MAX);
    add(&k, tag.p, tag.n);
    return k;
}

struct key key_of_tagged(const struct key_repo *repo, const struct digest *d, struct sl tag)
{
    struct key k = key_of_link(repo, d);

    PG_CHECK(tag.n <= KEY_TAG_MAX);
    if (tag.n > 0)
        add(&k, tag.p, tag.n);
    return k;
}

struct key key_of_edge(const struct digest *from, uint8_t kind, const struct digest *to)
{
    struct key k = key_of_digest(from);

    add_byte(&k, kind);
    add_digest(&k, to);
    return k;
}

struct key key_of_memo(const struct digest *d, struct sl kind)
{
    struct key k = key_of_digest(d);

    PG_CHECK(kind.n > 0 && kind.n <= KEY_KIND_MAX);
    add(&k, kind.p, kind.n);
    return k;
}

/* Before 1970 sorts as 1970: such a clock is wrong, and order is all that the key is for. */
struct key key_of_event(int64_t when_s, uint64_t number)
{
    struct key k PG_UNINITIALIZED;

    k.n = 0;
    add_u64(&k, when_s > 0 ? (uint64_t)when_s : 0);
    add_u64(&k, number);
    return k;
}

struct key key_of_name(struct sl name)
{
    struct key k PG_UNINITIALIZED;

    k.n = 0;
    PG_CHECK(name.n > 0 && name.n <= KEY_NAME_MAX);
    add(&k, name.p, name.n);
    return k;
}

/* Takes n bytes off the front; NULL when there are not so many. */
static const char *take(struct sl *s, size_t n)
{
    const char *p = s->p;

    if (s->n < n)
        return NULL;
    s->p += n;
    s->n -= n;
    return p;
}

static int take_digest(struct sl *s, struct digest *d_r)
{
    const char *alg = take(s, 1);
    const char *value;

    *d_r = (struct digest){0};
    if (alg == NULL || (*alg != ALG_SHA256 && *alg != ALG_SHA512))
        return -1;
    d_r->alg = *alg == ALG_SHA256 ? PG_SHA256 : PG_SHA512;
    value = take(s, pg_hash_bytes(d_r->alg));
    if (value == NULL)
        return -1;
    memcpy(d_r->bytes, value, pg_hash_bytes(d_r->alg));
    return 0;
}

static int take_repo(struct sl *s, struct key_repo *repo_r)
{
    const char *p = take(s, sizeof(repo_r->hash));

    if (p == NULL)
        return -1;
    memcpy(repo_r->hash, p, sizeof(repo_r->hash));
    return 0;
}

static int take_u64(struct sl *s, uint64_t *value_r)
{
    const char *p = take(s, 8);

    if (p == NULL)
        return -1;
    *value_r = 0;
    for (int i = 0; i < 8; i++)
        *value_r = *value_r << 8 | (uint8_t)p[i];
    return 0;
}

static int ended(struct sl s)
{
    return s.n == 0 ? 0 : -1;
}

int key_read_digest(struct sl key, struct digest *d_r)
{
    return take_digest(&key, d_r) < 0 ? -1 : ended(key);
}

int key_read_repo(struct sl key, struct key_repo *repo_r)
{
    return take_repo(&key, repo_r) < 0 ? -1 : ended(key);
}

int key_read_link(struct sl key, struct key_repo *repo_r, struct digest *d_r)
{
    if (take_repo(&key, repo_r) < 0 || take_digest(&key, d_r) < 0)
        return -1;
    return ended(key);
}

int key_read_tag(struct sl key, struct key_repo *repo_r, struct sl *tag_r)
{
    if (take_repo(&key, repo_r) < 0 || key.n == 0 || key.n > KEY_TAG_MAX)
        return -1;
    *tag_r = key;
    return 0;
}

int key_read_tagged(struct sl key, struct key_repo *repo_r, struct digest *d_r, struct sl *tag_r)
{
    if (take_repo(&key, repo_r) < 0 || take_digest(&key, d_r) < 0 || key.n == 0 ||
        key.n > KEY_TAG_MAX)
        return -1;
    *tag_r = key;
    return 0;
}

int key_read_edge(struct sl key, struct digest *from_r, uint8_t *kind_r, struct digest *to_r)
{
    const char *kind;

    if (take_digest(&key, from_r) < 0)
        return -1;
    kind = take(&key, 1);
    if (kind == NULL || take_digest(&key, to_r) < 0)
        return -1;
    *kind_r = (uint8_t)*kind;
    return ended(key);
}

int key_read_memo(struct sl key, struct digest *d_r, struct sl *kind_r)
{
    if (take_digest(&key, d_r) < 0 || key.n == 0 || key.n > KEY_KIND_MAX)
        return -1;
    *kind_r = key;
    return 0;
}

int key_read_event(struct sl key, int64_t *when_s_r, uint64_t *number_r)
{
    uint64_t when;

    if (take_u64(&key, &when) < 0 || when > INT64_MAX || take_u64(&key, number_r) < 0)
        return -1;
    *when_s_r = (int64_t)when;
    return ended(key);
}

int key_read_name(struct sl key, struct sl *name_r)
{
    if (key.n == 0 || key.n > KEY_NAME_MAX)
        return -1;
    *name_r = key;
    return 0;
}
