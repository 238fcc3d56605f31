/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/b64_int.h"

#include <stdint.h>

#include "base/check.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value(enum b64_form form, char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (form == B64_URL ? '-' : '+'))
        return 62;
    if (c == (form == B64_URL ? '_' : '/'))
        return 63;
    return -1;
}

/* Less its padding; false: there is too much of it, too little, or some where there is none. */
static bool strip(enum b64_form form, struct sl *text)
{
    size_t padded = text->n;

    if (form == B64_URL)
        return text->n % 4 != 1;
    if (padded % 4 != 0)
        return false;
    while (padded - text->n < 2 && text->n > 0 && text->p[text->n - 1] == '=')
        text->n--;
    return true;
}

/* text without padding; out has room for text.n * 3 / 4 bytes. */
static bool decode(enum b64_form form, struct sl text, uint8_t *out)
{
    uint32_t bits = 0;
    unsigned held = 0;

    for (size_t i = 0; i < text.n; i++) {
        int v = value(form, text.p[i]);

        if (v < 0)
            return false;
        bits = bits << 6 | (uint32_t)v;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *out++ = (uint8_t)(bits >> held);
            bits &= (1U << held) - 1;
        }
    }
    return bits == 0;
}

bool b64_decode(enum b64_form form, struct sl text, struct pg_arena *arena, struct sl *bytes_r)
{
    uint8_t *out;

    if (!strip(form, &text))
        return false;
    out = pg_alloc(arena, text.n * 3 / 4 + 1); /* never NULL, also for nothing */
    if (!decode(form, text, out))
        return false;
    *bytes_r = (struct sl){(const char *)out, text.n * 3 / 4};
    return true;
}

bool b64_decode_exactly(struct sl text, void *out, size_t n)
{
    return text.n == (n + 2) / 3 * 4 && strip(B64_STANDARD, &text) && text.n * 3 / 4 == n &&
           decode(B64_STANDARD, text, out);
}

struct sl b64_encode(struct sl bytes, struct pg_arena *arena)
{
    const uint8_t *in = (const uint8_t *)bytes.p;
    size_t n = (bytes.n + 2) / 3 * 4, at = 0;
    char *out = pg_alloc(arena, n + 1);

    for (size_t i = 0; i < bytes.n; i += 3) {
        size_t left = bytes.n - i;
        uint32_t bits = (uint32_t)in[i] << 16;

        bits |= left > 1 ? (uint32_t)in[i + 1] << 8 : 0;
        bits |= left > 2 ? (uint32_t)in[i + 2] : 0;
        out[at++] = digits[bits >> 18];
        out[at++] = digits[bits >> 12 & 63];
        out[at++] = (char)(left > 1 ? digits[bits >> 6 & 63] : '=');
        out[at++] = (char)(left > 2 ? digits[bits & 63] : '=');
    }
    PG_CHECK(at == n);
    return (struct sl){out, n};
}
