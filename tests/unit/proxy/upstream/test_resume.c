/* SPDX-License-Identifier: Apache-2.0 */
/* E18 and E19: answers to a Range. */
#include "harness/test.h"

#include "proxy/upstream/resume.h"

#define ANY RESUME_UNKNOWN

struct answer {
    int status;
    const char *range, *type;
    int64_t length; /* -1: not said */
};

static int check(const struct answer *a, uint64_t have, uint64_t size, struct resume *r)
{
    struct head h;
    struct pg_err err = {0};
    int result;

    head_init(&h);
    h.status = a->status;
    if (a->range != NULL)
        h.content_range = (struct sl){a->range, strlen(a->range)};
    if (a->type != NULL)
        h.content_type = (struct sl){a->type, strlen(a->type)};
    h.has_length = a->length >= 0;
    h.length = (uint64_t)(a->length >= 0 ? a->length : 0);
    result = resume_check(&h, have, size, r, &err);
    assert_int_equal(result < 0, err.kind == PG_E_UPSTREAM_WRONG);
    pg_err_clear(&err);
    head_free(&h);
    return result;
}

TEST(what_fits)
{
    static const struct {
        struct answer a;
        uint64_t have, size, size_r, skip_r;
    } good[] = {
        {{200, NULL, NULL, 100}, 0, 100, 100, 0},
        {{200, NULL, NULL, 100}, 0, ANY, 100, 0},
        {{200, NULL, NULL, -1}, 0, 100, 100, 0},
        {{200, NULL, NULL, -1}, 0, ANY, ANY, 0},
        {{200, NULL, NULL, 100}, 40, 100, 100, 40}, /* E18: a 200 to our Range */
        {{200, NULL, NULL, -1}, 40, ANY, ANY, 40},
        {{206, "bytes 40-99/100", NULL, 60}, 40, 100, 100, 0},
        {{206, "bytes 40-99/100", NULL, -1}, 40, ANY, 100, 0},
        {{206, "bytes 40-59/100", NULL, 20}, 40, 100, 100, 0}, /* less than asked: goes on later */
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct resume r;

        if (check(&good[i].a, good[i].have, good[i].size, &r) < 0)
            fail_msg("row %zu is refused", i);
        assert_true(r.size == good[i].size_r && r.skip == good[i].skip_r);
    }
}

TEST(E19_what_does_not)
{
    static const struct {
        struct answer a;
        uint64_t have, size;
    } bad[] = {
        {{200, NULL, NULL, 99}, 0, 100},
        {{200, NULL, NULL, 101}, 40, 100},
        {{200, NULL, NULL, 39}, 40, ANY},
        {{200, "bytes 0-99/100", NULL, 100}, 40, 100},
        {{206, NULL, NULL, 60}, 40, 100},
        {{206, "bytes 39-99/100", NULL, 61}, 40, 100}, /* wrong offset */
        {{206, "bytes 41-99/100", NULL, 59}, 40, 100},
        {{206, "bytes 0-99/100", NULL, 100}, 40, 100},
        {{206, "bytes 40-99/101", NULL, 60}, 40, 100}, /* wrong total */
        {{206, "bytes 40-99/*", NULL, 60}, 40, 100},
        {{206, "bytes 40-100/100", NULL, 61}, 40, 100},
        {{206, "bytes 40-39/100", NULL, 0}, 40, 100},
        {{206, "bytes 40-99/100", NULL, 61}, 40, 100}, /* wrong length */
        {{206, "bytes */100", NULL, 60}, 40, 100},
        {{206, "lines 40-99/100", NULL, 60}, 40, 100},
        {{206, "bytes 40-99/100, bytes 40-99/100", NULL, 60}, 40, 100},
        {{206, "bytes 40-99/100", "multipart/byteranges; boundary=x", 60}, 40, 100},
        {{206, "bytes 40-99/100", "Multipart/Byteranges", 60}, 40, 100},
        {{206, "bytes 0-99/100", NULL, 100}, 0, 100}, /* nobody asked for a part */
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct resume r;

        if (check(&bad[i].a, bad[i].have, bad[i].size, &r) == 0)
            fail_msg("row %zu passes", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {RUN(what_fits), RUN(E19_what_does_not)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
