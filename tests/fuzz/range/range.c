/* SPDX-License-Identifier: Apache-2.0 */
/* range - the first 8 bytes are the size of the body, the others a Range and a Content-Range.
 * A part lies within the body and is not empty; and what is read is what it says. */
#include "oci/range.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_range(struct sl value, uint64_t size)
{
    struct range r = {1, 0}, again;
    char text[80];
    int n;

    if (range_parse(value, size, &r) != RANGE_PART) {
        PG_CHECK(r.first == 1 && r.end == 0);
        return;
    }
    PG_CHECK(r.first < r.end && r.end <= size);
    n = snprintf(text, sizeof(text), "bytes=%" PRIu64 "-%" PRIu64, r.first, r.end - 1);
    PG_CHECK(range_parse((struct sl){text, (size_t)n}, size, &again) == RANGE_PART);
    PG_CHECK(again.first == r.first && again.end == r.end);
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
