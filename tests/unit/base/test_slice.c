/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include <stdlib.h>

#include "base/slice.h"

TEST(a_copy_is_ended_and_looks_at_no_byte_behind_the_slice)
{
    char *bytes = malloc(4);
    char *copy;

    assert_non_null(bytes);
    for (int i = 0; i < 4; i++)
        bytes[i] = (char)('a' + i); /* no NUL anywhere */
    copy = sl_dup((struct sl){bytes, 4});
    assert_string_equal(copy, "abcd");
    free(copy);
    copy = sl_dup((struct sl){bytes, 0});
    assert_string_equal(copy, "");
    free(copy);
    copy = sl_dup((struct sl){NULL, 0});
    assert_string_equal(copy, "");
    free(copy);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_copy_is_ended_and_looks_at_no_byte_behind_the_slice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
