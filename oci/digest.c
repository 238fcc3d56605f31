/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/digest.h"

#include <endian.h>
#include <string.h>

#include "base/word.h"

static const struct {
    const char *name;
    enum pg_hash_alg alg;
} algs[] = {{"sha256", PG_SHA256}, {"sha512", PG_SHA512}};
#define ALGS (sizeof(algs) / sizeof(algs[0]))

/* Four bytes as eight digits, and back; the back way takes eight bytes whatever they are. */
static void write_four(const uint8_t *bytes, char *hex)
{
    uint64_t x = (uint64_t)bytes[0] | (uint64_t)bytes[1] << 16 | (uint64_t)bytes[2] << 32 |
                 (uint64_t)bytes[3] << 48;
    uint64_t above_9; /* of each digit: 1 or 0 */

    x = (x >> 4 & UINT64_C(0x000f000f000f000f)) | (x & UINT64_C(0x000f000f000f000f)) << 8;
    above_9 = (x + 6 * PG_WORD_ONES) >> 4 & PG_WORD_ONES;
    x += '0' * PG_WORD_ONES + above_9 * ('a' - '9' - 1);
    x = htole64(x);
    memcpy(hex, &x, sizeof(x));
}

static void read_four(const char *hex, uint8_t *bytes)
{
    uint64_t x = le64toh(pg_word(hex)), is_letter = x >> 6 & PG_WORD_ONES;

    x = (x & 15 * PG_WORD_ONES) + 9 * is_letter;
    x = x << 4 | x >> 8;
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(x >> 16 * i);
}

static bool is_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
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
    char again[DIGEST_TEXT_MAX];
    struct sl hex;

    if (colon == NULL)
        return pg_fail(err, PG_E_DIGEST_INVALID, "digest has no algorithm");
    hex = (struct sl){colon + 1, (size_t)(text.p + text.n - colon) - 1};
    if (parse_alg((struct sl){text.p, (size_t)(colon - text.p)}, &d.alg) < 0)
        return pg_fail(err, PG_E_DIGEST_INVALID, "digest algorithm is not sha256 or sha512");
    if (hex.n != 2 * digest_bytes(&d))
        return pg_fail(err, PG_E_DIGEST_INVALID, "%s digest has %zu characters, not %zu",
                       digest_alg_name(d.alg), hex.n, 2 * digest_bytes(&d));
    for (size_t i = 0; i < hex.n; i += 8)
        read_four(hex.p + i, d.bytes + i / 2);
    /* what is written otherwise than we would was no hex */
    if (!sl_eq(digest_write(&d, again), text)) {
        size_t i = 0;

        while (is_digit(hex.p[i]))
            i++;
        return pg_fail(err, PG_E_DIGEST_INVALID,
                       "digest has a character that is not 0-9 or a-f at %zu", i);
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
    const char *name = digest_alg_name(d->alg);
    size_t n = strlen(name), nbytes = digest_bytes(d);
    char *hex = mempcpy(out, name, n);

    *hex++ = ':';
    for (size_t i = 0; i < nbytes; i += 4)
        write_four(d->bytes + i, hex + 2 * i);
    hex[2 * nbytes] = '\0';
    return (struct sl){out, n + 1 + 2 * nbytes};
}
