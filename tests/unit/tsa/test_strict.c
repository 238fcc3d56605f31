/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "tsa/strict.h"

TEST(der_is_taken)
{
    assert_true(strict_is_der(SL("\x05\x00")));
    assert_true(strict_is_der(SL("\x30\x00")));
    assert_true(strict_is_der(SL("\x30\x03\x02\x01\x05")));
    assert_true(strict_is_der(SL("\x30\x05\x30\x00\x02\x01\x05")));
    assert_true(strict_is_der(SL("\x30\x07\x30\x03\x02\x01\x05\x05\x00")));
}

TEST(what_is_not_der_is_refused)
{
    assert_false(strict_is_der(SL("")));
    assert_false(strict_is_der(SL("\x30")));
    assert_false(strict_is_der(SL("\x30\x03\x02\x01")));         /* short */
    assert_false(strict_is_der(SL("\x30\x03\x02\x01\x05\x00"))); /* a byte more */
    assert_false(strict_is_der(SL("\x30\x03\x02\x02\x05\x05"))); /* out of its parent */
    assert_false(strict_is_der(SL("\x30\x80\x05\x00\x00\x00"))); /* indefinite */
    assert_false(strict_is_der(SL("\x30\x81\x03\x02\x01\x05"))); /* longer than it need be */
    assert_false(strict_is_der(SL("\x30\x82\x00\x03\x02\x01\x05")));
    assert_false(strict_is_der(SL("\x30\x85\x01\x00\x00\x00\x00")));
    assert_false(strict_is_der(SL("\x1f\x81\x00\x00"))); /* a tag of several bytes */
    assert_false(strict_is_der(SL("\x04\xff")));
}

TEST(nesting_has_an_end)
{
    unsigned char deep[2 * (STRICT_DEPTH_MAX + 1)] = {0};

    for (size_t levels = STRICT_DEPTH_MAX; levels <= STRICT_DEPTH_MAX + 1; levels++) {
        for (size_t i = 0; i < levels; i++) {
            deep[2 * i] = 0x30;
            deep[2 * i + 1] = (unsigned char)(2 * (levels - 1 - i));
        }
        assert_int_equal(strict_is_der((struct sl){(char *)deep, 2 * levels}),
                         levels == STRICT_DEPTH_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {RUN(der_is_taken), RUN(what_is_not_der_is_refused),
                                       RUN(nesting_has_an_end)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
