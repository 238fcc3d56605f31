/* SPDX-License-Identifier: Apache-2.0 */
/* Times in the text of RFC 3339. */
#include "harness/test.h"

#include "base/moment.h"

static void is(struct sl text, int64_t expected)
{
    int64_t seconds;

    if (!moment_parse(text, &seconds))
        fail_msg("refused: %.*s", SL_ARG(text));
    assert_int_equal(seconds, expected);
}

static void is_refused(struct sl text)
{
    int64_t seconds;

    if (moment_parse(text, &seconds))
        fail_msg("taken: %.*s", SL_ARG(text));
}

TEST(times_are_read)
{
    is(SL("1970-01-01T00:00:00Z"), 0);
    is(SL("2026-01-15T12:00:30Z"), 1768478430);
    is(SL("2026-01-15T12:00:30.999999999Z"), 1768478430);
    is(SL("2026-01-15T14:00:30+02:00"), 1768478430);
    is(SL("2026-01-15T10:30:30-01:30"), 1768478430);
    is(SL("1969-12-31T23:59:59Z"), -1);
    is(SL("2024-02-29T00:00:00Z"), 1709164800);
    is(SL("2016-12-31T23:59:60Z"), 1483228800);
    is(SL("9999-12-31T23:59:59Z"), 253402300799);
}

TEST(what_is_none_is_refused)
{
    is_refused(SL(""));
    is_refused(SL("2026-01-15"));
    is_refused(SL("2026-01-15T12:00:30"));
    is_refused(SL("2026-01-15 12:00:30Z"));
    is_refused(SL("2026-01-15t12:00:30z"));
    is_refused(SL("2026-01-15T12:00:30Zx"));
    is_refused(SL("2026-01-15T12:00:30.Z"));
    is_refused(SL("2026-01-15T12:00:30.0123456789Z"));
    is_refused(SL("2026-01-15T12:00:30+0200"));
    is_refused(SL("2026-01-15T12:00:30+24:00"));
    is_refused(SL("2026-02-29T12:00:30Z"));
    is_refused(SL("1900-02-29T12:00:30Z"));
    is_refused(SL("2026-00-15T12:00:30Z"));
    is_refused(SL("2026-13-15T12:00:30Z"));
    is_refused(SL("2026-01-00T12:00:30Z"));
    is_refused(SL("2026-01-15T24:00:00Z"));
    is_refused(SL("2026-01-15T12:60:00Z"));
    is_refused(SL("2026-01-15T12:00:61Z"));
    is_refused(SL("+026-01-15T12:00:30Z"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {RUN(times_are_read), RUN(what_is_none_is_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
