/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes fill what was asked for and do not repeat. */
#include "harness/test.h"

#include "base/random.h"

TEST(random_bytes_fill_what_was_asked_for_and_no_more)
{
    unsigned char p[1000] = {0};
    unsigned zeros = 0;

    pg_random_bytes(p, 999);
    for (int i = 0; i < 999; i++)
        zeros += p[i] == 0;
    assert_in_range(zeros, 0, 100); /* about 4 */
    assert_int_equal(p[999], 0);
    pg_random_bytes(p, 0);
}

TEST(random_numbers_do_not_repeat)
{
    assert_int_not_equal(pg_random_u64(), pg_random_u64());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(random_bytes_fill_what_was_asked_for_and_no_more),
        RUN(random_numbers_do_not_repeat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
