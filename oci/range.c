/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/range.h"

#include <stdbool.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static void skip(struct sl *s, size_t n)
{
    *s = (struct sl){s->p + n, s->n - n};
}

static void skip_spaces(struct sl *s)
{
    while (s->n > 0 && is_space(s->p[0]))
        skip(s, 1);
}

static bool take(struct sl *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    skip(s, 1);
    return true;
}

/* Digits, as a number; what does not fit is the largest there is: beyond the end of any body.
 * False: no digit. *exact_r, if asked for: it did fit. */
static bool take_number(struct sl *s, uint64_t *n_r, bool *exact_r)
{
    uint64_t n = 0;
    bool exact = true, any = false;

    while (s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9') {
        uint64_t digit = (uint64_t)(s->p[0] - '0');

        any = true;
        exact = exact && n <= (UINT64_MAX - digit) / 10;
        n = exact ? n * 10 + digit : UINT64_MAX;
        skip(s, 1);
    }
    *n_r = n;
    if (exact_r != NULL)
        *exact_r = exact;
    return any;
}

static bool take_unit(struct sl *s)
{
    static const char unit[] = "bytes";

    for (size_t i = 0; i < sizeof(unit) - 1; i++)
        if (i >= s->n || (s->p[i] | 0x20) != unit[i])
            return false;
    skip(s, sizeof(unit) - 1);
    return true;
}

/* What may stand around one element of a list: spaces and empty elements. */
static void skip_empty(struct sl *s)
{
    do
        skip_spaces(s);
    while (take(s, ','));
}

static enum range_verdict suffix(uint64_t n, uint64_t size, struct range *range_r)
{
    if (n == 0)
        return RANGE_NONE;
    if (size == 0)
        return RANGE_WHOLE; /* satisfiable, yet no Content-Range can say so */
    *range_r = (struct range){n < size ? size - n : 0, size};
    return RANGE_PART;
}

enum range_verdict range_parse(struct sl value, uint64_t size, struct range *range_r)
{
    uint64_t first = 0, last = UINT64_MAX;
    bool is_suffix;

    if (!take_unit(&value) || !take(&value, '='))
        return RANGE_WHOLE;
    skip_empty(&value);
    is_suffix = !take_number(&value, &first, NULL);
    if (!take(&value, '-'))
        return RANGE_WHOLE;
    if (!take_number(&value, &last, NULL)) {
        if (is_suffix)
            return RANGE_WHOLE;
        last = UINT64_MAX;
    }
    if (value.n > 0 && !is_space(value.p[0]) && value.p[0] != ',')
        return RANGE_WHOLE;
    skip_empty(&value);
    if (value.n > 0) /* a second range, or what is none */
        return RANGE_WHOLE;
    if (is_suffix)
        return suffix(last, size, range_r);
    if (first > last)
        return RANGE_WHOLE;
    if (first >= size)
        return RANGE_NONE;
    *range_r = (struct range){first, last < size ? last + 1 : size};
    return RANGE_PART;
}

/* A total of '*' is refused: upstream knows the size of what it sends, and so do we. */
int range_parse_content(struct sl value, struct range *range_r, uint64_t *total_r)
{
    uint64_t first, last, total;
    bool first_fits, last_fits, total_fits;

    if (!take_unit(&value) || !take(&value, ' '))
        return -1;
    skip_spaces(&value);
    if (!take_number(&value, &first, &first_fits) || !take(&value, '-') ||
        !take_number(&value, &last, &last_fits) || !take(&value, '/') ||
        !take_number(&value, &total, &total_fits))
        return -1;
    skip_spaces(&value);
    if (value.n > 0 || !first_fits || !last_fits || !total_fits || first > last || last >= total)
        return -1;
    *range_r = (struct range){first, last + 1};
    *total_r = total;
    return 0;
}
