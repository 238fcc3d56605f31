/* SPDX-License-Identifier: Apache-2.0 */
/* range - the first 8 bytes are the size of the body, the others a Range and a Content-Range.
 * Parts lie within the body, are not empty and together less than it; and what is read is what it
 * says. */
#include "oci/range.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Written in the plain way, they are read as the same. */
static void read_again(const struct range_list *l, uint64_t size)
{
    char text[RANGE_LIST_MAX * 48] = "bytes=";
    size_t n = strlen(text);
    struct range_list again;

    for (size_t i = 0; i < l->n; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%" PRIu64 "-%" PRIu64,
                              i > 0 ? "," : "", l->at[i].first, l->at[i].end - 1);
    PG_CHECK(range_parse((struct sl){text, n}, size, &again) == RANGE_PART && again.n == l->n);
    PG_CHECK(memcmp(again.at, l->at, l->n * sizeof(l->at[0])) == 0);
}

static void look_at_range(struct sl value, uint64_t size)
{
    struct range_list l = {.n = 77};
    uint64_t left = size;

    if (range_parse(value, size, &l) != RANGE_PART) {
        PG_CHECK(l.n == 77);
        return;
    }
    PG_CHECK(l.n >= 1 && l.n <= RANGE_LIST_MAX);
    for (size_t i = 0; i < l.n; i++) {
        PG_CHECK(l.at[i].first < l.at[i].end && l.at[i].end <= size);
        PG_CHECK(l.at[i].end - l.at[i].first <= left); /* together no more than the body */
        left -= l.at[i].end - l.at[i].first;
    }
    PG_CHECK(l.n == 1 || left > 0);
    read_again(&l, size);
}

static void look_at_content_range(struct sl value)
{
    struct range r, again;
    uint64_t total, total_again;
    char text[80];
    int n;

    if (range_parse_content(value, &r, &total) < 0)
        return;
    PG_CHECK(r.first < r.end && r.end <= total);
    n = snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, r.first, r.end - 1,
                 total);
    PG_CHECK(range_parse_content((struct sl){text, (size_t)n}, &again, &total_again) == 0);
    PG_CHECK(again.first == r.first && again.end == r.end && total_again == total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t body = 0;

    if (size < sizeof(body))
        return 0;
    memcpy(&body, data, sizeof(body));
    look_at_range((struct sl){(const char *)data + 8, size - 8}, body);
    look_at_content_range((struct sl){(const char *)data + 8, size - 8});
    return 0;
}
