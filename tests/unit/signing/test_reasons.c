/* SPDX-License-Identifier: Apache-2.0 */
/* Each reason has a code of its own, and a row in docs/signatures.md. */
#include "harness/notation_case.h"

static const char *const codes[] = {
#define X(name, code, means) (code),
#include "signing/reason_table.h"
#undef X
};
#define NCODES (sizeof(codes) / sizeof(codes[0]))

TEST(each_reason_is_told_of)
{
    struct sl text = notation_case_file(PG_SOURCE "/docs/signatures.md");

    for (size_t i = 1; i < NCODES; i++) { /* but for "none" */
        char row[64];
        int n = snprintf(row, sizeof(row), "\n| `%s` | ", codes[i]);

        if (memmem(text.p, text.n, row, (size_t)n) == NULL)
            fail_msg("docs/signatures.md has no row for %s", codes[i]);
    }
    free((char *)(uintptr_t)text.p);
}

TEST(no_two_have_one_code)
{
    for (size_t i = 0; i < NCODES; i++) {
        assert_string_equal(verify_reason_code((enum verify_reason)i), codes[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(codes[i], codes[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(each_reason_is_told_of),
        RUN(no_two_have_one_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
