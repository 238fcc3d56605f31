/* SPDX-License-Identifier: Apache-2.0 */
/* Satisfiable ranges are a 206, those that are not a 416, and whatever else is said a 200 (A18). */
#include "harness/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "oci/range.h"

static void part(struct sl value, uint64_t size, uint64_t first, uint64_t end)
{
    struct range_list l = {0};

    if (range_parse(value, size, &l) != RANGE_PART || l.n != 1)
        fail_msg("%.*s is no part of %ju", SL_ARG(value), (uintmax_t)size);
    assert_int_equal(l.at[0].first, first);
    assert_int_equal(l.at[0].end, end);
}

/* wanted: "first-end first-end ..." */
static void parts(struct sl value, uint64_t size, const char *wanted)
{
    struct range_list l = {0};
    char got[1024] = "";

    if (range_parse(value, size, &l) != RANGE_PART)
        fail_msg("%.*s is no part of %ju", SL_ARG(value), (uintmax_t)size);
    for (size_t i = 0, n = 0; i < l.n; i++)
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%ju-%ju", i > 0 ? " " : "",
                              (uintmax_t)l.at[i].first, (uintmax_t)l.at[i].end);
    assert_string_equal(got, wanted);
}

static void other(struct sl value, uint64_t size, enum range_verdict verdict)
{
    struct range_list l = {.n = 7, .at = {{7, 7}}};

    if (range_parse(value, size, &l) != verdict)
        fail_msg("%.*s of %ju: not %d", SL_ARG(value), (uintmax_t)size, (int)verdict);
    assert_int_equal(l.n, 7); /* untouched */
    assert_int_equal(l.at[0].first, 7);
}

TEST(one_range_is_a_part)
{
    part(SL("bytes=0-0"), 1, 0, 1);
    part(SL("bytes=500-1499"), 10000, 500, 1500);
    part(SL("bytes=500-"), 10000, 500, 10000);
    part(SL("bytes=-500"), 10000, 9500, 10000);
    part(SL("bytes=2000-5000"), 3000, 2000, 3000);
    part(SL("bytes=0-"), 1, 0, 1);
    part(SL("bytes=9999-"), 10000, 9999, 10000);
    part(SL("bytes=007-0010"), 100, 7, 11);
    part(SL("Bytes=1-2"), 10, 1, 3); /* units are case-insensitive */
}

TEST(spaces_and_empty_elements_are_no_second_range)
{
    part(SL("bytes= 1-2"), 10, 1, 3);
    part(SL("bytes=1-2 "), 10, 1, 3);
    part(SL("bytes=,1-2"), 10, 1, 3);
    part(SL("bytes=1-2,"), 10, 1, 3);
    part(SL("bytes=\t, ,1-2 , ,"), 10, 1, 3);
}

TEST(beyond_the_end_is_none)
{
    other(SL("bytes=5000-10000"), 5000, RANGE_NONE);
    other(SL("bytes=5000-"), 5000, RANGE_NONE);
    other(SL("bytes=0-0"), 0, RANGE_NONE);
    other(SL("bytes=0-"), 0, RANGE_NONE);
    other(SL("bytes=-0"), 10, RANGE_NONE);
    other(SL("bytes=-0"), 0, RANGE_NONE);
}

TEST(A18_numbers_at_the_edge)
{
    other(SL("bytes=500-0"), 10000, RANGE_WHOLE);
    other(SL("bytes=9223372036854775807-"), 10000, RANGE_NONE);
    part(SL("bytes=-9223372036854775608"), 10000, 0, 10000);
    part(SL("bytes=0-9223372036854775807"), 10000, 0, 10000);
    part(SL("bytes=0-18446744073709551615"), 10000, 0, 10000);
    part(SL("bytes=0-18446744073709551616"), 10000, 0, 10000);
    part(SL("bytes=-99999999999999999999999999999999"), 10000, 0, 10000);
    other(SL("bytes=18446744073709551615-"), UINT64_MAX, RANGE_NONE);
    other(SL("bytes=18446744073709551616-18446744073709551617"), UINT64_MAX, RANGE_NONE);
    part(SL("bytes=18446744073709551614-"), UINT64_MAX, UINT64_MAX - 1, UINT64_MAX);
    part(SL("bytes=0-18446744073709551615"), UINT64_MAX, 0, UINT64_MAX);
    other(SL("bytes=-5"), 0, RANGE_WHOLE);
}

TEST(A18_several_ranges_come_as_they_were_asked_for)
{
    parts(SL("bytes=0-0, 2-3"), 10, "0-1 2-4");
    parts(SL("bytes=2-3,0-1"), 10, "2-4 0-2"); /* unsorted */
    parts(SL("bytes=0-1,2-3"), 10, "0-2 2-4"); /* adjacent */
    parts(SL("bytes=0-3,2-5"), 10, "0-4 2-6"); /* overlapping */
    parts(SL("bytes=0-0,0-0"), 10, "0-1 0-1");
    parts(SL("bytes=-1,-2"), 10, "9-10 8-10");
    parts(SL("bytes=0-0,8-"), 10, "0-1 8-10");
    parts(SL("bytes=,0-0 ,\t, 8-99 ,"), 10, "0-1 8-10");
}

TEST(A18_of_several_ranges_those_beyond_the_end_are_left_out)
{
    part(SL("bytes=0-0,5000-"), 10, 0, 1);
    part(SL("bytes=10-,-0,0-9"), 10, 0, 10);
    parts(SL("bytes=10-11,0-0,-0,5-6"), 10, "0-1 5-7");
    other(SL("bytes=10-,11-20,-0"), 10, RANGE_NONE);
    other(SL("bytes=0-0,0-0"), 0, RANGE_NONE);
}

TEST(A18_several_ranges_that_are_no_less_than_the_whole_are_the_whole)
{
    other(SL("bytes=0-4,5-9"), 10, RANGE_WHOLE);
    other(SL("bytes=0-,0-"), 10, RANGE_WHOLE);
    other(SL("bytes=0-8,9-9"), 10, RANGE_WHOLE);
    parts(SL("bytes=0-7,9-9"), 10, "0-8 9-10");
    other(SL("bytes=0-,0-,0-,0-"), UINT64_MAX, RANGE_WHOLE);
    other(SL("bytes=0-0,0-0,0-0,-18446744073709551615"), UINT64_MAX, RANGE_WHOLE);
}

TEST(A18_more_than_32_ranges_are_the_whole)
{
    struct range_list l;
    struct pg_buf many;

    pg_buf_init(&many, 16384);
    assert_int_equal(pg_buf_put(&many, SL("bytes=0-0")), 0);
    for (int i = 1; i < RANGE_LIST_MAX; i++)
        assert_int_equal(pg_buf_printf(&many, ",%d-%d", i * 2, i * 2), 0);
    assert_int_equal(range_parse(pg_buf_sl(&many), 1000, &l), RANGE_PART);
    assert_int_equal(l.n, RANGE_LIST_MAX);
    assert_int_equal(l.at[31].first, 62);
    assert_int_equal(pg_buf_put(&many, SL(",5000-")), 0); /* counts, although it is beyond */
    other(pg_buf_sl(&many), 1000, RANGE_WHOLE);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pg_buf_put(&many, SL(",0-0")), 0);
    other(pg_buf_sl(&many), 1000, RANGE_WHOLE);
    pg_buf_free(&many);
}

TEST(A18_one_malformed_among_several_makes_them_the_whole)
{
    other(SL("bytes=0-0,b"), 10, RANGE_WHOLE);
    other(SL("bytes=0-0,5-4"), 10, RANGE_WHOLE);
    other(SL("bytes=0-0;2-3"), 10, RANGE_WHOLE);
    other(SL("bytes=0-0 2-3"), 10, RANGE_WHOLE);
    other(SL("bytes=0-0,bytes=2-3"), 10, RANGE_WHOLE);
    other(SL("bytes=0-0,-"), 10, RANGE_WHOLE);
    other(SL("bytes=99-,a"), 10, RANGE_WHOLE); /* and no 416 */
}

TEST(A18_what_is_malformed_is_the_whole)
{
    static const struct sl texts[] = {
        {NULL, 0},           SL(""),
        SL("bytes"),         SL("bytes="),
        SL("bytes=-"),       SL("bytes=--1"),
        SL("bytes=1"),       SL("bytes=1-2-3"),
        SL("bytes=a-b"),     SL("bytes=1-b"),
        SL("bytes=+1-2"),    SL("bytes=1-+2"),
        SL("bytes=0x1-0x2"), SL("bytes=1 -2"),
        SL("bytes=1- 2"),    SL("bytes =1-2"),
        SL("items=1-2"),     SL("bytes:1-2"),
        SL("bytes1-2"),      SL("byte=1-2"),
        SL("xbytes=1-2"),    SL("bytes=1-2;q=1"),
        SL("bytes=,"),       SL("bytes=1-2 3"),
        SL("bytes=1-2\0"),   SL("bytes=*"),
        SL("bytes=\xff-"),   SL("bytes=- 5"),
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        other(texts[i], 10, RANGE_WHOLE);
}

static void content(struct sl value, uint64_t first, uint64_t end, uint64_t total)
{
    struct range r;
    uint64_t t;

    if (range_parse_content(value, &r, &t) < 0)
        fail_msg("refused: %.*s", SL_ARG(value));
    assert_int_equal(r.first, first);
    assert_int_equal(r.end, end);
    assert_int_equal(t, total);
}

TEST(a_content_range_is_read)
{
    content(SL("bytes 0-0/1"), 0, 1, 1);
    content(SL("bytes 500-1499/10000"), 500, 1500, 10000);
    content(SL("bytes  500-1499/10000 "), 500, 1500, 10000);
    content(SL("Bytes 0-18446744073709551613/18446744073709551614"), 0, UINT64_MAX - 1,
            UINT64_MAX - 1);
    content(SL("bytes 0-18446744073709551614/18446744073709551615"), 0, UINT64_MAX, UINT64_MAX);
}

TEST(a_content_range_that_lies_is_refused)
{
    static const struct sl texts[] = {
        {NULL, 0},
        SL(""),
        SL("bytes"),
        SL("bytes "),
        SL("bytes 0-0"),
        SL("bytes 0-0/"),
        SL("bytes 0-0/*"),
        SL("bytes */10"),
        SL("bytes 5-4/10"),
        SL("bytes 0-10/10"),
        SL("bytes 0-0/0"),
        SL("bytes 0 - 0/1"),
        SL("bytes=0-0/1"),
        SL("items 0-0/1"),
        SL("bytes -1/1"),
        SL("bytes 0-0/1x"),
        SL("bytes 0-0/1,1-1/2"),
        SL("bytes 0-18446744073709551615/18446744073709551616"),
        SL("bytes 0-18446744073709551616/18446744073709551617"),
        SL("bytes 18446744073709551616-18446744073709551617/18446744073709551618"),
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct range r = {7, 7};
        uint64_t t = 7;

        if (range_parse_content(texts[i], &r, &t) != -1)
            fail_msg("read: %.*s", SL_ARG(texts[i]));
        assert_int_equal(r.first, 7);
        assert_int_equal(r.end, 7);
        assert_int_equal(t, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(one_range_is_a_part),
        RUN(spaces_and_empty_elements_are_no_second_range),
        RUN(beyond_the_end_is_none),
        RUN(A18_numbers_at_the_edge),
        RUN(A18_several_ranges_come_as_they_were_asked_for),
        RUN(A18_of_several_ranges_those_beyond_the_end_are_left_out),
        RUN(A18_several_ranges_that_are_no_less_than_the_whole_are_the_whole),
        RUN(A18_more_than_32_ranges_are_the_whole),
        RUN(A18_one_malformed_among_several_makes_them_the_whole),
        RUN(A18_what_is_malformed_is_the_whole),
        RUN(a_content_range_is_read),
        RUN(a_content_range_that_lies_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
