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

/* One range-spec, as numbers. A suffix has its length in `last`. False: malformed. */
struct spec {
    bool is_suffix;
    uint64_t first, last;
};

static bool take_spec(struct sl *s, struct spec *spec)
{
    bool has_last;

    spec->is_suffix = !take_number(s, &spec->first, NULL);
    if (!take(s, '-'))
        return false;
    has_last = take_number(s, &spec->last, NULL);
    if (!has_last) {
        if (spec->is_suffix)
            return false;
        spec->last = UINT64_MAX;
    }
    if (s->n > 0 && !is_space(s->p[0]) && s->p[0] != ',')
        return false;
    return spec->is_suffix || spec->first <= spec->last;
}

/* False: it is not satisfiable. An empty body has no part. */
static bool place(const struct spec *spec, uint64_t size, struct range *range_r)
{
    if (spec->is_suffix) {
        *range_r = (struct range){spec->last < size ? size - spec->last : 0, size};
        return spec->last > 0 && size > 0;
    }
    if (spec->first >= size)
        return false;
    *range_r = (struct range){spec->first, spec->last < size ? spec->last + 1 : size};
    return true;
}

/* After one element: a comma, with what may stand around it, or the end. */
static bool skip_to_next(struct sl *s)
{
    skip_spaces(s);
    if (s->n > 0 && s->p[0] != ',')
        return false;
    skip_empty(s);
    return true;
}

/* Several that are together no less than the whole are better answered by it; so that no set of
 * ranges, however they overlap, costs more. */
static bool is_worth_it(const struct range_list *l, uint64_t size)
{
    uint64_t left = size;

    if (l->n == 1)
        return true;
    for (size_t i = 0; i < l->n; i++) {
        uint64_t bytes = l->at[i].end - l->at[i].first;

        if (bytes >= left)
            return false;
        left -= bytes;
    }
    return true;
}

enum range_verdict range_parse(struct sl value, uint64_t size, struct range_list *list_r)
{
    struct range_list list = {.n = 0};
    struct spec spec;
    size_t nspecs = 0;

    if (!take_unit(&value) || !take(&value, '='))
        return RANGE_WHOLE;
    skip_empty(&value);
    do {
        if (nspecs++ == RANGE_LIST_MAX || !take_spec(&value, &spec) || !skip_to_next(&value))
            return RANGE_WHOLE;
        if (spec.is_suffix && spec.last > 0 && size == 0)
            return RANGE_WHOLE; /* satisfiable, yet no Content-Range can say so */
        if (place(&spec, size, &list.at[list.n]))
            list.n++;
    } while (value.n > 0);
    if (list.n == 0)
        return RANGE_NONE;
    if (!is_worth_it(&list, size))
        return RANGE_WHOLE;
    *list_r = list;
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
