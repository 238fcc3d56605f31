/* SPDX-License-Identifier: Apache-2.0 */
/* What was written is read; what is cut short, anywhere, is bad and reads as nothing. */
#include "harness/test.h"

#include "base/packed.h"

static struct pg_buf row;

static int set_up(void **state)
{
    (void)state;
    pg_buf_init(&row, 64);
    pg_packed_put_uint(&row, 0x8081, 2);
    pg_packed_put_text(&row, SL("name"), 1);
    pg_packed_put_text(&row, (struct sl){NULL, 0}, 4);
    pg_packed_put_uint(&row, UINT64_MAX - 1, 8);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_buf_free(&row);
    return 0;
}

struct read {
    uint64_t small, large;
    struct sl name, none;
};

static struct pg_packed read_row(struct sl bytes, struct read *r)
{
    struct pg_packed in = {.rest = bytes};

    r->small = pg_packed_uint(&in, 2);
    r->name = pg_packed_text(&in, 1);
    r->none = pg_packed_text(&in, 4);
    r->large = pg_packed_uint(&in, 8);
    return in;
}

TEST(what_was_written_is_read)
{
    struct read r;
    struct pg_packed in = read_row(pg_buf_sl(&row), &r);

    assert_memory_equal(row.p, "\x81\x80\x04name\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff", row.n);
    assert_false(in.bad);
    assert_int_equal(in.rest.n, 0);
    assert_true(r.small == 0x8081 && r.large == UINT64_MAX - 1);
    assert_true(sl_eq(r.name, SL("name")) && r.none.n == 0);
}

TEST(what_is_cut_short_is_bad_and_nothing_after_it_is_read)
{
    for (size_t n = 0; n < row.n; n++) {
        struct read r;
        char *bytes = malloc(n > 0 ? n : 1); /* its end is seen by the sanitizer */

        assert_non_null(bytes);
        memcpy(bytes, row.p, n);
        assert_true(read_row((struct sl){bytes, n}, &r).bad);
        assert_true(r.large == 0);
        assert_true(n >= 7 || r.name.n == 0);
        free(bytes);
    }
}

TEST(a_text_that_is_said_to_be_longer_than_all_is_bad)
{
    struct pg_packed in = {.rest = SL("\xff\xff\xff\xffname")};

    assert_int_equal(pg_packed_text(&in, 4).n, 0);
    assert_true(in.bad);
    assert_int_equal(pg_packed_uint(&in, 1), 0);
}

TEST(what_does_not_fit_is_seen_by_the_buf)
{
    struct pg_buf b;

    pg_buf_init(&b, 3);
    pg_packed_put_text(&b, SL("name"), 1);
    assert_true(b.over);
    pg_buf_free(&b);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_written_is_read),
        CASE(what_is_cut_short_is_bad_and_nothing_after_it_is_read),
        CASE(a_text_that_is_said_to_be_longer_than_all_is_bad),
        CASE(what_does_not_fit_is_seen_by_the_buf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
