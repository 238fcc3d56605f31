/* SPDX-License-Identifier: Apache-2.0 */
/* A range and two versions, one on a line each: an empty range has neither; order is an order. */
#include "retention/semver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sl line(struct sl *rest)
{
    const char *end = rest->n > 0 ? memchr(rest->p, '\n', rest->n) : NULL;
    struct sl first = {rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n};

    rest->p += end != NULL ? first.n + 1 : rest->n;
    rest->n -= end != NULL ? first.n + 1 : rest->n;
    return first;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl rest = {(const char *)data, size}, range = line(&rest);
    struct semver_range r;
    struct semver a, b;
    struct pg_err err = {0};
    bool is_range = semver_range_read(range, &r, &err) == 0;
    bool has_a = semver_read(line(&rest), &a), has_b = semver_read(line(&rest), &b);

    pg_err_clear(&err);
    if (has_a && has_b) {
        PG_CHECK(semver_compare(&a, &b) == -semver_compare(&b, &a));
        PG_CHECK(semver_compare(&a, &a) == 0);
    }
    if (is_range && has_a && a.suffix.n == 0 && semver_range_has(&r, &a)) {
        PG_CHECK(!semver_range_is_empty(&r));
    }
    return 0;
}
