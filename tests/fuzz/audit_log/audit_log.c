/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments as an attacker may have left them, with a NUL between them; the first byte's lowest
 * bit says whether the hashes are made right first, so that what is behind them is reached. They
 * are examined to their end; and what has no finding is read again as it was.
 */
#include <stdlib.h>

#include "audit/examine.h"
#include "base/check.h"
#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_finding(void *arg, const struct examine_finding *f)
{
    PG_CHECK(f->what != NULL && strlen(f->what) < EXAMINE_WHAT_MAX);
    ++*(uint64_t *)arg;
}

static void make_right(char *p, size_t n, struct chain *c)
{
    while (n > CHAIN_DIGITS + 1) {
        char *end = memchr(p, '\n', n);
        size_t length = end != NULL ? (size_t)(end - p) : 0;
        char digits[ENTRY_HEX_MAX];
        struct pg_hash *h;

        if (length <= CHAIN_DIGITS + 1)
            return;
        h = pg_hash_new(PG_SHA256);
        pg_hash_update(h, c->hash, CHAIN_HASH);
        pg_hash_update(h, p + CHAIN_DIGITS + 1, length - CHAIN_DIGITS - 1);
        pg_hash_final(h, c->hash);
        pg_hash_free(h);
        memcpy(p, entry_hex(c->hash, CHAIN_HASH, digits).p, CHAIN_DIGITS);
        p[CHAIN_DIGITS] = ' ';
        p += length + 1;
        n -= length + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct examine x;
    struct chain c = {0};
    uint64_t told = 0;
    char *copy, *p;
    size_t left;

    if (size < 1 || size > 65536)
        return 0;
    pg_hash_setup();
    copy = p = malloc(size);
    PG_CHECK(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    left = size - 1;
    examine_init(&x, NULL, on_finding, &told);
    for (uint32_t number = 1; number < 5; number++) {
        char *nul = left > 0 ? memchr(p, '\0', left) : NULL;
        size_t n = nul != NULL ? (size_t)(nul - p) : left;

        if ((data[0] & 1) != 0)
            make_right(p, n, &c);
        examine_segment(&x, number, (struct sl){p, n}, nul == NULL);
        if (nul == NULL)
            break;
        p += n + 1;
        left -= n + 1;
    }
    examine_end(&x);
    PG_CHECK(x.findings == told);
    PG_CHECK(told > 0 || x.entries > 0 || x.torn_bytes > 0);
    free(copy);
    return 0;
}
