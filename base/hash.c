/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/check.h"

struct pg_hash {
    EVP_MD_CTX *ctx;
    enum pg_hash_alg alg;
    bool ended;
};

static const struct {
    const char *name;
    size_t bytes;
} algs[] = {[PG_SHA256] = {"SHA256", 32}, [PG_SHA512] = {"SHA512", 64}};

#define NALGS (sizeof(algs) / sizeof(algs[0]))

/* Fetched once: a fetch takes locks and compares names. Kept until the process ends. */
static EVP_MD *fetched[NALGS];

void pg_hash_setup(void)
{
    for (size_t i = 0; i < NALGS; i++) {
        if (fetched[i] == NULL)
            fetched[i] = EVP_MD_fetch(NULL, algs[i].name, NULL);
        PG_CHECK(fetched[i] != NULL);
        PG_CHECK((size_t)EVP_MD_get_size(fetched[i]) == algs[i].bytes);
    }
}

size_t pg_hash_bytes(enum pg_hash_alg alg)
{
    PG_CHECK(alg < NALGS);
    return algs[alg].bytes;
}

struct pg_hash *pg_hash_new(enum pg_hash_alg alg)
{
    struct pg_hash *h = calloc(1, sizeof(*h));

    PG_CHECK(h != NULL);
    PG_CHECK(alg < NALGS && fetched[alg] != NULL);
    h->alg = alg;
    h->ctx = EVP_MD_CTX_new();
    PG_CHECK(h->ctx != NULL);
    PG_CHECK(EVP_DigestInit_ex2(h->ctx, fetched[alg], NULL) == 1);
    return h;
}

void pg_hash_update(struct pg_hash *h, const void *p, size_t n)
{
    PG_CHECK(!h->ended);
    if (n > 0)
        PG_CHECK(EVP_DigestUpdate(h->ctx, p, n) == 1);
}

void pg_hash_final(struct pg_hash *h, uint8_t *out_r)
{
    unsigned n = 0;

    PG_CHECK(!h->ended);
    h->ended = true;
    PG_CHECK(EVP_DigestFinal_ex(h->ctx, out_r, &n) == 1);
    PG_CHECK(n == algs[h->alg].bytes);
}

void pg_hash_free(struct pg_hash *h)
{
    if (h == NULL)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void pg_hash_once(enum pg_hash_alg alg, struct sl bytes, uint8_t *out_r)
{
    struct pg_hash *h = pg_hash_new(alg);

    pg_hash_update(h, bytes.p, bytes.n);
    pg_hash_final(h, out_r);
    pg_hash_free(h);
}
