/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdbool.h>

#include "base/word.h"

#define REPLACEMENT 0xfffd

static size_t length_of(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    if (first >= 0xf0 && first <= 0xf4)
        return 4;
    return 0;
}

size_t pg_utf8_next(struct sl s, uint32_t *point_r)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const uint32_t mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t n = s.n > 0 ? length_of((unsigned char)s.p[0]) : 0;
    uint32_t point;

    if (n == 0 || n > s.n)
        return 0;
    point = (unsigned char)s.p[0] & mask[n];
    for (size_t i = 1; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (c & 0x3fU);
    }
    if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    *point_r = point;
    return n;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static bool are_plain(uint64_t w)
{
    return (w & PG_WORD_HIGHS) == 0 && !pg_word_has_control(w) && !pg_word_has(w, '"') &&
           !pg_word_has(w, '\\');
}

size_t pg_utf8_plain(struct sl s)
{
    size_t n = 0;

    while (s.n - n >= PG_WORD_BYTES && are_plain(pg_word(s.p + n)))
        n += PG_WORD_BYTES;
    while (n < s.n && is_plain((unsigned char)s.p[n]))
        n++;
    return n;
}

static bool is_dangerous(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point <= 0x9f) || point == '"' || point == '\\' ||
           (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) ||
           point == REPLACEMENT;
}

static char short_escape(uint32_t point)
{
    switch (point) {
    case '"':
    case '\\':
        return (char)point;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return '\0';
    }
}

static size_t put_escape(uint32_t point, char *out)
{
    static const char hex[] = "0123456789abcdef";
    char one = short_escape(point);

    out[0] = '\\';
    if (one != '\0') {
        out[1] = one;
        return 2;
    }
    out[1] = 'u';
    for (unsigned i = 0; i < 4; i++)
        out[2 + i] = hex[point >> (12 - 4 * i) & 0xf];
    return 6;
}

size_t pg_utf8_escape(struct sl s, char out_r[PG_UTF8_ESCAPE_MAX], size_t *n_r)
{
    uint32_t point = REPLACEMENT;
    size_t taken = pg_utf8_next(s, &point);

    if (taken == 0 || is_dangerous(point)) {
        *n_r = put_escape(point, out_r);
        return taken == 0 ? 1 : taken;
    }
    memcpy(out_r, s.p, taken);
    *n_r = taken;
    return taken;
}
