/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/cbor_int.h"

#include "base/utf8.h"

#define INLINE_MAX 23 /* numbers up to it are in the first byte */

/* The number of an item's head, in the fewest bytes. */
static bool take_number(struct sl *in, unsigned info, uint64_t *n_r)
{
    static const uint64_t least[] = {INLINE_MAX + 1, 0x100, 0x10000, 0x100000000};
    uint64_t n = 0;
    size_t nbytes;

    if (info <= INLINE_MAX) {
        *n_r = info;
        return true;
    }
    if (info > 27) /* reserved, or an indefinite length */
        return false;
    nbytes = (size_t)1 << (info - 24);
    if (in->n < nbytes)
        return false;
    for (size_t i = 0; i < nbytes; i++)
        n = n << 8 | (uint8_t)in->p[i];
    *in = (struct sl){in->p + nbytes, in->n - nbytes};
    *n_r = n;
    return n >= least[info - 24];
}

static bool is_utf8(struct sl text)
{
    uint32_t point;

    while (text.n > 0) {
        size_t n = pg_utf8_next(text, &point);

        if (n == 0)
            return false;
        text = (struct sl){text.p + n, text.n - n};
    }
    return true;
}

/* What the number of the head allows for its kind; takes the content of strings. */
static bool take_rest(struct sl *in, unsigned info, struct cbor_item *item)
{
    switch (item->kind) {
    case CBOR_BYTES:
    case CBOR_TEXT:
        if (item->n > in->n)
            return false;
        item->bytes = (struct sl){in->p, (size_t)item->n};
        *in = (struct sl){in->p + item->n, in->n - (size_t)item->n};
        return item->kind == CBOR_BYTES || is_utf8(item->bytes);
    case CBOR_ARRAY:
        return item->n <= in->n;
    case CBOR_MAP:
        return item->n <= CBOR_ENTRIES_MAX && 2 * item->n <= in->n;
    case CBOR_SIMPLE: /* false, true, null */
        return info >= 20 && info <= 22;
    case CBOR_UINT:
    case CBOR_NEGATIVE:
    case CBOR_TAG:
        break;
    }
    return true;
}

bool cbor_take(struct sl *in, struct cbor_item *item_r)
{
    struct cbor_item item = {0};
    struct sl rest = *in;
    unsigned first;

    if (rest.n == 0)
        return false;
    first = (uint8_t)rest.p[0];
    item.kind = (enum cbor_kind)(first >> 5);
    rest = (struct sl){rest.p + 1, rest.n - 1};
    if (!take_number(&rest, first & 0x1f, &item.n) || !take_rest(&rest, first & 0x1f, &item))
        return false;
    *in = rest;
    *item_r = item;
    return true;
}

bool cbor_take_kind(struct sl *in, enum cbor_kind kind, struct cbor_item *item_r)
{
    struct cbor_item item;
    struct sl rest = *in;

    if (!cbor_take(&rest, &item) || item.kind != kind)
        return false;
    *in = rest;
    *item_r = item;
    return true;
}

/* As deep as CBOR_DEPTH_MAX. NOLINTBEGIN(misc-no-recursion) */
static bool skip(struct sl *in, unsigned depth);

static bool skip_map(struct sl *in, uint64_t nentries, unsigned depth)
{
    struct sl keys[CBOR_ENTRIES_MAX];

    PG_CHECK(nentries <= CBOR_ENTRIES_MAX);
    for (uint64_t i = 0; i < nentries; i++) {
        const char *key = in->p;

        if (!skip(in, depth))
            return false;
        keys[i] = (struct sl){key, (size_t)(in->p - key)};
        for (uint64_t j = 0; j < i; j++)
            if (sl_eq(keys[i], keys[j]))
                return false;
        if (!skip(in, depth))
            return false;
    }
    return true;
}

static bool skip(struct sl *in, unsigned depth)
{
    struct cbor_item item;

    if (depth == 0 || !cbor_take(in, &item))
        return false;
    if (item.kind == CBOR_MAP)
        return skip_map(in, item.n, depth - 1);
    if (item.kind == CBOR_TAG)
        return skip(in, depth - 1);
    if (item.kind == CBOR_ARRAY)
        for (uint64_t i = 0; i < item.n; i++)
            if (!skip(in, depth - 1))
                return false;
    return true;
}
/* NOLINTEND(misc-no-recursion) */

bool cbor_take_whole(struct sl *in, struct sl *whole_r)
{
    struct sl rest = *in;

    if (!skip(&rest, CBOR_DEPTH_MAX))
        return false;
    *whole_r = (struct sl){in->p, in->n - rest.n};
    *in = rest;
    return true;
}

bool cbor_int64(const struct cbor_item *item, int64_t *value_r)
{
    if ((item->kind != CBOR_UINT && item->kind != CBOR_NEGATIVE) || item->n > INT64_MAX)
        return false;
    *value_r = item->kind == CBOR_UINT ? (int64_t)item->n : -1 - (int64_t)item->n;
    return true;
}
