/* SPDX-License-Identifier: Apache-2.0 */
/* One element after the other, in the one form that DER has for it. */
#include "harness/test.h"

#include "signing/der_int.h"

TEST(elements_are_taken_one_by_one)
{
    struct sl in = SL("\x0c\x02hi\x30\x00"), body;

    assert_false(der_take(&in, DER_SEQUENCE, &body));
    assert_true(der_take(&in, DER_UTF8, &body));
    assert_true(sl_eq(body, SL("hi")));
    assert_true(der_only(in, DER_SEQUENCE, &body));
    assert_int_equal(body.n, 0);
}

TEST(what_stands_behind_is_seen)
{
    struct sl body;

    assert_true(der_only(SL("\x0c\x02hi"), DER_UTF8, &body));
    assert_false(der_only(SL("\x0c\x02hi!"), DER_UTF8, &body));
    assert_false(der_only(SL("\x0c\x03hi"), DER_UTF8, &body));
    assert_false(der_only(SL("\x0c"), DER_UTF8, &body));
    assert_false(der_only(SL(""), DER_UTF8, &body));
}

TEST(lengths_are_definite_and_short)
{
    char text[300] = "\x0c\x81\x80";
    struct sl body;

    assert_true(der_only((struct sl){text, 3 + 0x80}, DER_UTF8, &body));
    assert_int_equal(body.n, 0x80);
    text[1] = (char)0x82;
    text[2] = 1;
    text[3] = 0;
    assert_true(der_only((struct sl){text, 4 + 0x100}, DER_UTF8, &body));
    assert_false(der_only(SL("\x0c\x81\x02hi"), DER_UTF8, &body));
    assert_false(der_only(SL("\x0c\x82\x00\x02hi"), DER_UTF8, &body));
    assert_false(der_only(SL("\x0c\x80hi\0\0"), DER_UTF8, &body));
    assert_false(der_only(SL("\x0c\x88\x01\x01\x01\x01\x01\x01\x01\x01"), DER_UTF8, &body));
    assert_false(der_only(SL("\x0c\x84\x01"), DER_UTF8, &body));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(elements_are_taken_one_by_one),
        RUN(what_stands_behind_is_seen),
        RUN(lengths_are_definite_and_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
