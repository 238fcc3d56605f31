/* SPDX-License-Identifier: Apache-2.0 */
#include "tsa/strict.h"

#define CONSTRUCTED 0x20
#define LONG_TAG    0x1f
#define LONG_LENGTH 0x80
#define LENGTH_MAX  4 /* bytes of one */

/* The head of the value that stands at *at: moves *at to its content, whose length is *n_r. */
static bool take_head(struct sl bytes, size_t *at, size_t *n_r, bool *is_constructed_r)
{
    unsigned first, count;
    size_t n = 0;

    if (bytes.n - *at < 2)
        return false;
    first = (unsigned char)bytes.p[*at];
    if ((first & LONG_TAG) == LONG_TAG)
        return false;
    *is_constructed_r = (first & CONSTRUCTED) != 0;
    count = (unsigned char)bytes.p[*at + 1];
    *at += 2;
    if (count < LONG_LENGTH) {
        *n_r = count;
        return *n_r <= bytes.n - *at;
    }
    count -= LONG_LENGTH;
    if (count == 0 || count > LENGTH_MAX || bytes.n - *at < count || bytes.p[*at] == 0)
        return false;
    for (unsigned i = 0; i < count; i++)
        n = n << 8 | (unsigned char)bytes.p[(*at)++];
    *n_r = n;
    return n >= LONG_LENGTH && n <= bytes.n - *at;
}

bool strict_is_der(struct sl bytes)
{
    size_t ends[STRICT_DEPTH_MAX], depth = 0, at = 0, n = 0;
    bool is_constructed = false;

    do {
        if (!take_head(bytes, &at, &n, &is_constructed))
            return false;
        if (depth > 0 && n > ends[depth - 1] - at)
            return false;
        if (is_constructed) {
            if (depth == STRICT_DEPTH_MAX)
                return false;
            ends[depth++] = at + n;
        } else {
            at += n;
        }
        while (depth > 0 && at == ends[depth - 1])
            depth--;
    } while (depth > 0);
    return at == bytes.n;
}
