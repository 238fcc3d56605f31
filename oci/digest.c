/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/digest.h"

#include <string.h>

static const struct {
    const char *name;
    enum pg_hash_alg alg;
} algs[] = {{"sha256", PG_SHA256}, {"sha512", PG_SHA512}};
#define ALGS (sizeof(algs) / sizeof(algs[0]))

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static int parse_alg(struct sl name, enum pg_hash_alg *alg_r)
{
    for (size_t i = 0; i < ALGS; i++)
        if (sl_eq(name, (struct sl){algs[i].name, strlen(algs[i].name)})) {
            *alg_r = algs[i].alg;
            return 0;
        }
    return -1;
}

bool digest_looks_like(struct sl text)
{
    return text.n > 0 && memchr(text.p, ':', text.n) != NULL;
}

/* The messages repeat nothing of the text: it may hold any byte, and any number of them. */
int digest_parse(struct sl text, struct digest *digest_r, struct pg_err *err)
{
    const char *colon = text.n > 0 ? memchr(text.p, ':', text.n) : NULL;
    struct digest d = {0};
    struct sl hex;

    if (colon == NULL)
        return pg_fail(err, PG_E_DIGEST_INVALID, "digest has no algorithm");
    hex = (struct sl){colon + 1, (size_t)(text.p + text.n - colon) - 1};
    if (parse_alg((struct sl){text.p, (size_t)(colon - text.p)}, &d.alg) < 0)
        return pg_fail(err, PG_E_DIGEST_INVALID, "digest algorithm is not sha256 or sha512");
    if (hex.n != 2 * digest_bytes(&d))
        return pg_fail(err, PG_E_DIGEST_INVALID, "%s digest has %zu characters, not %zu",
                       digest_alg_name(d.alg), hex.n, 2 * digest_bytes(&d));
    for (size_t i = 0; i < hex.n; i += 2) {
        int high = nibble(hex.p[i]), low = nibble(hex.p[i + 1]);

        if (high < 0 || low < 0)
            return pg_fail(err, PG_E_DIGEST_INVALID,
                           "digest has a character that is not 0-9 or a-f at %zu",
                           high < 0 ? i : i + 1);
        d.bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    *digest_r = d;
    return 0;
}

struct digest digest_of(enum pg_hash_alg alg, struct sl bytes)
{
    struct digest d = {.alg = alg};

    pg_hash_once(alg, bytes, d.bytes);
    return d;
}

bool digest_eq(const struct digest *a, const struct digest *b)
{
    return a->alg == b->alg && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

size_t digest_bytes(const struct digest *d)
{
    return pg_hash_bytes(d->alg);
}

const char *digest_alg_name(enum pg_hash_alg alg)
{
    for (size_t i = 0; i < ALGS; i++)
        if (algs[i].alg == alg)
            return algs[i].name;
    PG_BUG("a digest of no algorithm");
}

struct sl digest_write(const struct digest *d, char out[DIGEST_TEXT_MAX])
{
    static const char hex[] = "0123456789abcdef";
    const char *name = digest_alg_name(d->alg);
    size_t n = strlen(name);

    memcpy(out, name, n);
    out[n++] = ':';
    for (size_t i = 0; i < digest_bytes(d); i++) {
        out[n++] = hex[d->bytes[i] >> 4];
        out[n++] = hex[d->bytes[i] & 15];
    }
    out[n] = '\0';
    return (struct sl){out, n};
}
