/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/der_int.h"

#include <stdint.h>

#define LENGTH_BYTES_MAX 4

/* *at: of the first byte of the length; behind it afterwards. */
static bool take_length(struct sl in, size_t *at, size_t *n_r)
{
    uint8_t first = (uint8_t)in.p[(*at)++];
    unsigned nbytes = first & 0x7f;
    size_t n = 0;

    if (first < 0x80) {
        *n_r = first;
        return true;
    }
    if (nbytes == 0 || nbytes > LENGTH_BYTES_MAX || nbytes > in.n - *at || in.p[*at] == 0)
        return false;
    for (unsigned i = 0; i < nbytes; i++)
        n = n << 8 | (uint8_t)in.p[(*at)++];
    *n_r = n;
    return n >= 0x80;
}

bool der_take(struct sl *in, unsigned tag, struct sl *body_r)
{
    size_t at = 1, n;

    PG_CHECK(tag < 0x100 && (tag & 0x1f) != 0x1f);
    if (in->n < 2 || (uint8_t)in->p[0] != tag || !take_length(*in, &at, &n) || n > in->n - at)
        return false;
    *body_r = (struct sl){in->p + at, n};
    *in = (struct sl){in->p + at + n, in->n - at - n};
    return true;
}

bool der_only(struct sl in, unsigned tag, struct sl *body_r)
{
    return der_take(&in, tag, body_r) && in.n == 0;
}
