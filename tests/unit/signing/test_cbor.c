/* SPDX-License-Identifier: Apache-2.0 */
/* One way to write each thing, and no other. */
#include "harness/test.h"

#include "base/buf.h"
#include "signing/cbor_int.h"

static bool is_whole(const char *bytes, size_t n)
{
    struct sl in = {bytes, n}, whole;

    return cbor_take_whole(&in, &whole) && in.n == 0 && whole.n == n;
}
#define WHOLE(lit) is_whole("" lit, sizeof(lit) - 1)

static int64_t number(const char *bytes, size_t n)
{
    struct sl in = {bytes, n};
    struct cbor_item item;
    int64_t value = 0;

    assert_true(cbor_take(&in, &item) && in.n == 0);
    assert_true(cbor_int64(&item, &value));
    return value;
}
#define NUMBER(lit) number("" lit, sizeof(lit) - 1)

TEST(numbers_are_as_short_as_they_can_be)
{
    assert_int_equal(NUMBER("\x00"), 0);
    assert_int_equal(NUMBER("\x17"), 23);
    assert_int_equal(NUMBER("\x18\x18"), 24);
    assert_int_equal(NUMBER("\x19\x01\x00"), 256);
    assert_int_equal(NUMBER("\x1a\x00\x01\x00\x00"), 65536);
    assert_int_equal(NUMBER("\x1b\x00\x00\x00\x01\x00\x00\x00\x00"), INT64_C(1) << 32);
    assert_int_equal(NUMBER("\x1b\x7f\xff\xff\xff\xff\xff\xff\xff"), INT64_MAX);
    assert_int_equal(NUMBER("\x20"), -1);
    assert_int_equal(NUMBER("\x38\x24"), -37);
    assert_int_equal(NUMBER("\x3b\x7f\xff\xff\xff\xff\xff\xff\xff"), INT64_MIN);
    assert_false(WHOLE("\x18\x17"));
    assert_false(WHOLE("\x19\x00\xff"));
    assert_false(WHOLE("\x1a\x00\x00\xff\xff"));
    assert_false(WHOLE("\x1b\x00\x00\x00\x00\xff\xff\xff\xff"));
    assert_false(WHOLE("\x58\x01\x00")); /* lengths, too */
    assert_false(WHOLE("\x1c"));
    assert_false(WHOLE("\x19\x01"));
}

TEST(beyond_64_bits_with_a_sign_there_is_no_number)
{
    struct sl in = SL("\x1b\x80\x00\x00\x00\x00\x00\x00\x00");
    struct cbor_item item;
    int64_t value;

    assert_true(cbor_take(&in, &item));
    assert_false(cbor_int64(&item, &value));
}

TEST(strings_end_where_they_say)
{
    assert_true(WHOLE("\x40"));
    assert_true(WHOLE("\x42\xff\xfe"));
    assert_true(WHOLE("\x62\xc3\xa9"));
    assert_false(WHOLE("\x42\xff"));
    assert_false(WHOLE("\x62\xc3\x28"));  /* not UTF-8 */
    assert_false(WHOLE("\x5f\x41x\xff")); /* indefinite */
    assert_false(WHOLE("\x7f\x61x\xff"));
    assert_false(WHOLE("\x5b\xff\xff\xff\xff\xff\xff\xff\xff"));
}

TEST(lists_and_maps_are_whole_and_have_each_key_once)
{
    assert_true(WHOLE("\x80"));
    assert_true(WHOLE("\x82\x01\x81\x02"));
    assert_true(WHOLE("\xa2\x01\x02\x61x\x03"));
    assert_true(WHOLE("\xa2\x01\x02\x20\x03"));
    assert_true(WHOLE("\xd2\x84\x40\xa0\x40\x40"));
    assert_false(WHOLE("\x82\x01"));
    assert_false(WHOLE("\xa1\x01"));
    assert_false(WHOLE("\xa2\x01\x02\x01\x03"));
    assert_false(WHOLE("\xa1\x01\xa2\x61x\x02\x61x\x03")); /* and so within */
    assert_false(WHOLE("\x9f\xff"));
    assert_false(WHOLE("\xbf\xff"));
    assert_false(WHOLE("\x9b\xff\xff\xff\xff\xff\xff\xff\xff"));
    assert_false(WHOLE("\xbb\x80\x00\x00\x00\x00\x00\x00\x00"));
    assert_false(WHOLE("\xd2"));
}

TEST(simple_things_are_false_true_and_null)
{
    assert_true(WHOLE("\xf4") && WHOLE("\xf5") && WHOLE("\xf6"));
    assert_false(WHOLE("\xf7")); /* undefined */
    assert_false(WHOLE("\xf8\x20"));
    assert_false(WHOLE("\xf9\x00\x00"));
    assert_false(WHOLE("\xfb\x00\x00\x00\x00\x00\x00\x00\x00"));
    assert_false(WHOLE("\xff"));
    assert_false(WHOLE(""));
}

TEST(depth_and_size_have_their_limits)
{
    struct pg_buf b;

    assert_true(WHOLE("\x81\x81\x81\x81\x81\x81\x81\x01"));
    assert_false(WHOLE("\x81\x81\x81\x81\x81\x81\x81\x81\x01"));
    assert_false(WHOLE("\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\x01"));
    pg_buf_init(&b, 4096);
    assert_int_equal(pg_buf_put(&b, SL("\xb8\x41")), 0);
    for (char i = 0; i < 65; i++) {
        char entry[] = {0x18, (char)(i + 24), 0};

        assert_int_equal(pg_buf_put(&b, (struct sl){entry, 3}), 0);
    }
    assert_false(is_whole(b.p, b.n));
    b.p[1] = 0x40;
    assert_true(is_whole(b.p, b.n - 3));
    pg_buf_free(&b);
}

TEST(what_is_not_taken_stays)
{
    struct sl in = SL("\x01\x02"), whole;
    struct cbor_item item;

    assert_false(cbor_take_kind(&in, CBOR_TEXT, &item));
    assert_int_equal(in.n, 2);
    assert_true(cbor_take_whole(&in, &whole));
    assert_int_equal(in.n, 1);
    in = SL("\x82\x01");
    assert_false(cbor_take_whole(&in, &whole));
    assert_int_equal(in.n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(numbers_are_as_short_as_they_can_be),
        RUN(beyond_64_bits_with_a_sign_there_is_no_number),
        RUN(strings_end_where_they_say),
        RUN(lists_and_maps_are_whole_and_have_each_key_once),
        RUN(simple_things_are_false_true_and_null),
        RUN(depth_and_size_have_their_limits),
        RUN(what_is_not_taken_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
