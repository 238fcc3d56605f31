/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/resume.h"

#include <strings.h>

#include "oci/range.h"

/* The whole, from its first byte, whatever was asked. */
static int check_whole(const struct head *head, uint64_t have, uint64_t size,
                       struct resume *resume_r, struct pg_err *err)
{
    if (head->content_range.p != NULL)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers 200 with a part");
    if (!head->has_length) {
        *resume_r = (struct resume){.size = size, .skip = have};
        return 0;
    }
    if ((size != RESUME_UNKNOWN && head->length != size) || head->length < have)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream's blob is of another size");
    *resume_r = (struct resume){.size = head->length, .skip = have};
    return 0;
}

int resume_check_part(const struct head *head, uint64_t from, uint64_t until, uint64_t size,
                      struct pg_err *err)
{
    struct range range;
    uint64_t total;

    if (head->status != 206)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream gives no parts");
    if (head->content_range.p == NULL ||
        range_parse_content(head->content_range, &range, &total) < 0)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with no proper part");
    if (range.first != from || range.end != until || total != size ||
        (head->has_length && head->length != until - from))
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with another part");
    return 0;
}

int resume_check(const struct head *head, uint64_t have, uint64_t size, struct resume *resume_r,
                 struct pg_err *err)
{
    struct sl many = SL("multipart/");
    struct range range;
    uint64_t total;

    if (head->status == 200)
        return check_whole(head, have, size, resume_r, err);
    if (head->content_type.n >= many.n && strncasecmp(head->content_type.p, many.p, many.n) == 0)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with several parts");
    if (head->content_range.p == NULL ||
        range_parse_content(head->content_range, &range, &total) < 0)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with no proper part");
    if (have == 0 || range.first != have || range.end <= range.first || range.end > total)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with another part");
    if ((size != RESUME_UNKNOWN && total != size) ||
        (head->has_length && head->length != range.end - range.first))
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream's blob is of another size");
    *resume_r = (struct resume){.size = total, .skip = 0};
    return 0;
}
