/* SPDX-License-Identifier: Apache-2.0 */
/* Words and scores of many sources are one order. */
#include "harness/test.h"

#include "scan/severity.h"

TEST(words_of_all_sources)
{
    assert_int_equal(severity_of_word(SL("CRITICAL")), SEVERITY_CRITICAL);
    assert_int_equal(severity_of_word(SL("High")), SEVERITY_HIGH);
    assert_int_equal(severity_of_word(SL("Important")), SEVERITY_HIGH);
    assert_int_equal(severity_of_word(SL("moderate")), SEVERITY_MEDIUM);
    assert_int_equal(severity_of_word(SL(" low ")), SEVERITY_LOW);
    assert_int_equal(severity_of_word(SL("Negligible")), SEVERITY_NEGLIGIBLE);
}

TEST(what_nobody_knows_is_unknown_and_not_harmless)
{
    assert_int_equal(severity_of_word(SL("")), SEVERITY_UNKNOWN);
    assert_int_equal(severity_of_word((struct sl){NULL, 0}), SEVERITY_UNKNOWN);
    assert_int_equal(severity_of_word(SL("criticall")), SEVERITY_UNKNOWN);
    assert_int_equal(severity_of_score(0), SEVERITY_UNKNOWN);
    assert_int_equal(severity_of_score(-1), SEVERITY_UNKNOWN);
    assert_int_equal(severity_of_score(11), SEVERITY_UNKNOWN);
}

TEST(scores_as_cvss_has_them)
{
    assert_int_equal(severity_of_score(0.1), SEVERITY_LOW);
    assert_int_equal(severity_of_score(4), SEVERITY_MEDIUM);
    assert_int_equal(severity_of_score(6.9), SEVERITY_MEDIUM);
    assert_int_equal(severity_of_score(7), SEVERITY_HIGH);
    assert_int_equal(severity_of_score(9), SEVERITY_CRITICAL);
    assert_int_equal(severity_of_score(10), SEVERITY_CRITICAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(words_of_all_sources),
        RUN(what_nobody_knows_is_unknown_and_not_harmless),
        RUN(scores_as_cvss_has_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
